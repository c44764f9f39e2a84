"""The log of a real gate and its console follows the settings, and has one line for a carrier that is down."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from tests.e2e.gate import ROOT, Gate, provider
from tests.e2e.sockets import free_port
from tests.e2e.waiting import until

TOKEN_HASH = "sha256$" + "0" * 64


def lines(gate: Gate) -> list[dict[str, Any]]:
    return [json.loads(line) for line in gate.said().splitlines() if line]


def test_each_line_is_one_json_object_and_a_reload_takes_the_level_over(make_gate: Callable[..., Gate]) -> None:
    console = {"listen": f"127.0.0.1:{free_port()}"}
    log = {"format": "json", "time": "utc"}
    people = [{"name": "zhang", "token": TOKEN_HASH}]
    gate = make_gate(free_port(), [provider("jia", "1069001")], log=log, console=console, people=people).start(ready=False)
    until(lambda: {"console open", "carrier down"} <= {line["event"] for line in lines(gate)}, gate.said)
    assert all(list(line)[:3] == ["timestamp", "level", "event"] and line["timestamp"].endswith("Z") for line in lines(gate))
    assert {line.get("process") for line in lines(gate) if line["event"].startswith("console")} == {"console"}
    assert sum(line["event"] == "carrier down" for line in lines(gate)) == 1
    gate.settings["log"] = {"format": "json", "level": "debug"}
    gate.write_settings()
    gate.signal(signal.SIGHUP)
    until(lambda: any(line["level"] == "debug" for line in lines(gate)), gate.said, 60)
    assert lines(gate)[-1]["timestamp"].endswith("+08:00")
    assert not any("log" in str(line.get("why", "")) for line in lines(gate)), "nothing waits for a restart"
    assert sum(line["event"] == "carrier down" for line in lines(gate)) == 1


@pytest.mark.usefixtures("copies")
def test_the_journal_gets_a_priority_before_each_line_also_of_a_start_that_fails(make_gate: Callable[..., Gate]) -> None:
    gate = make_gate(free_port(), [provider("jia", "1069001")], log={"level": "loud", "format": "xml"})
    ours, its = socket.socketpair()
    found = os.fstat(its.fileno())
    journal = {"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}", "NO_COLOR": "1"}
    command = [sys.executable, "-m", "proxy", "serve", "--config", str(gate.config)]
    with ours:
        with its:
            done = subprocess.run(
                command,
                cwd=ROOT,
                stdout=its.fileno(),
                stderr=its.fileno(),
                env={**os.environ, **journal},
                timeout=60,
                check=False,
            )
        written = b"".join(iter(lambda: ours.recv(65_536), b"")).decode().splitlines()
    assert done.returncode == 2
    assert len(written) == 2
    assert all(line.startswith("<3>") for line in written)
