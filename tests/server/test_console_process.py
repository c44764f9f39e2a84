"""The gate keeps its console running, reports failures, and ends it with itself."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from proxy.operations.http_auth import hash_token
from tests import forked
from tests.e2e.carrier import Carrier
from tests.e2e.gate import Gate
from tests.e2e.sockets import free_port
from tests.e2e.waiting import until


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Gate]:
    carrier = Carrier()
    people = [{"name": "li", "token": hash_token("li's token"), "roles": ["viewer"]}]
    found = Gate(tmp_path, carrier.port, [], people=people, console={"listen": f"127.0.0.1:{free_port()}"})
    yield found
    if found.started:
        found.stop()
    carrier.stop()


def consoles(gate: Gate) -> list[int]:
    """Processes of its console, and of its programs."""
    processes = ((int(process.name), forked.words_of(process)) for process in Path("/proc").glob("[0-9]*"))
    return [number for number, words in processes if "console" in words.split() and str(gate.config) in words]


def one(gate: Gate) -> int:
    until(lambda: len(consoles(gate)) == 1, gate.said)
    return consoles(gate)[0]


def is_open(gate: Gate, times: int = 1) -> Callable[[], bool]:
    return lambda: gate.log.read_text().count("console open") >= times


def test_it_is_up_beside_the_gate_with_a_lower_priority_and_goes_with_it(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forked, "WANTED", False)  # by its command line, as at an operator's
    gate.start()
    until(is_open(gate), gate.said)
    pid = one(gate)
    assert os.getpriority(os.PRIO_PROCESS, pid) == 10
    assert os.getpriority(os.PRIO_PROCESS, gate.pid) == 0
    assert gate.notes() == []
    assert gate.stop() == 0
    until(lambda: not consoles(gate), gate.said)


def test_it_is_gone_when_the_gate_was_killed(gate: Gate) -> None:
    gate.start()
    until(is_open(gate), gate.said)
    gate.signal(signal.SIGKILL)
    gate.wait()
    until(lambda: not consoles(gate), gate.said)


def test_it_is_started_again_when_it_was_killed_and_the_gate_goes_on(gate: Gate) -> None:
    gate.start()
    until(is_open(gate), gate.said)
    before = one(gate)
    os.kill(before, signal.SIGKILL)
    until(lambda: any(note.startswith("console: it does not stay up") for note in gate.notes()), gate.said)
    until(is_open(gate, 2), gate.said)
    assert one(gate) != before
    until(lambda: gate.notes() == [], gate.said)


def test_where_its_place_is_taken_the_gate_says_so_and_works(gate: Gate) -> None:
    gate.settings["console"]["listen"] = gate.settings["http"]["listen"]
    gate.write_settings()
    gate.start()
    until(lambda: any("console: cannot listen on" in note for note in gate.notes()), gate.said)
    assert gate.why() == []


def test_without_people_there_is_none(gate: Gate) -> None:
    del gate.settings["people"]
    gate.write_settings()
    with pytest.raises(AssertionError, match="needs people"):
        gate.start()
