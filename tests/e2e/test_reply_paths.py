"""Reply paths on a running gate: what it counts is there after a kill, told on the command line, in metrics, and at the other gate."""

from __future__ import annotations

import csv
import io
import json
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.carrier import Carrier
from tests.e2e.gate import SHANGHAI, Gate, provider, run
from tests.e2e.raw import Raw
from tests.e2e.sharing import Harness, gate_on, server_and_carrier
from tests.e2e.waiting import until
from tests.needs import needs

ADS = 20
RULES = "rules:\n  - {id: refused, when: {category: marketing, suppressed: true}, then: reject, reason: suppressed}\n"


@pytest.fixture
def gate(tmp_path: Path, carrier: Carrier) -> Iterator[Gate]:
    made = Gate(
        tmp_path,
        carrier.port,
        [provider("jia", "1069001", category="marketing", ports=["1069001", "10690011"]), provider("yi", "1069002")],
    )
    made.write_rules(RULES)
    yield made.start()
    made.stop()


def advertise(gate: Gate, account: str, port: str, count: int = ADS) -> None:
    with Raw(gate.port) as client:
        assert client.bind(account).status == 0
        for number in range(count):
            assert client.submit(port, SHANGHAI.format(number), b"sale! reply R to stop").status == 0


def paths(gate: Gate, *words: str) -> dict[str, dict[str, Any]]:
    done = run("optout", "list-paths", *words, "--config", gate.config, "--json")
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return {one["prefix"]: one for one in json.loads(done.stdout)["paths"]}


def counted(gate: Gate, prefix: str, count: int) -> dict[str, Any]:
    """A path, once all that went out is counted."""
    return until(lambda: (one := paths(gate)[prefix])["advertisements"] >= count and one, f"{count} advertisements")


def is_proven(gate: Gate) -> bool:
    return bool(paths(gate)["1069001"]["state"] == "proven")


def answer(carrier: Carrier, port: str, text: bytes = b"ok thanks") -> None:
    assert carrier.acknowledged(carrier.reply(SHANGHAI.format(50), port, text)).status == 0


def test_a_reply_proves_the_longest_prefix_it_came_to(gate: Gate, carrier: Carrier) -> None:
    advertise(gate, "jia", "10690015")
    advertise(gate, "jia", "106900115")
    assert counted(gate, "1069001", ADS)["state"] == "unproven"
    assert counted(gate, "10690011", ADS)["advertisements_since_proof"] == ADS
    answer(carrier, "106900115")
    found = paths(gate)
    assert {prefix: one["state"] for prefix, one in found.items()} == {
        "1069001": "unproven", "10690011": "proven", "1069002": "unproven",
    }  # fmt: skip
    proven = found["10690011"]
    assert (proven["replies"], proven["advertisements_since_proof"]) == (1, 0)
    assert 0 <= time.time() - proven["proven_at"] < 60
    until(lambda: gate.metric("gate106_reply_paths", state="proven") == 1, "the metric", 20)
    assert gate.metric("gate106_reply_paths", state="unproven") == 2
    assert gate.metric("gate106_reply_paths", state="dead") == 0


def test_a_proof_and_most_counts_survive_a_kill_and_all_of_them_an_orderly_stop(gate: Gate, carrier: Carrier) -> None:
    advertise(gate, "jia", "10690015")
    counted(gate, "1069001", ADS)
    answer(carrier, "10690015", b"R")
    gate.signal(signal.SIGKILL)
    gate.wait()
    gate.start()
    found = paths(gate)["1069001"]
    assert (found["state"], found["replies"]) == ("proven", 1)
    assert found["advertisements"] == ADS, "the reply was written with all that was counted until then"
    advertise(gate, "jia", "10690015", 3)
    counted(gate, "1069001", ADS + 3)
    gate.stop()
    gate.start()
    assert paths(gate)["1069001"]["advertisements"] == ADS + 3


def test_the_command_prints_a_table_and_csv_and_names_mistakes(gate: Gate, carrier: Carrier) -> None:
    advertise(gate, "jia", "10690015")
    counted(gate, "1069001", ADS)
    table = run("optout", "list-paths", "--config", gate.config).stdout
    assert table.splitlines()[0].split()[:4] == ["prefix", "provider", "state", "keywords"]
    assert "too few prefixes are proven" in table
    done = run("optout", "list-paths", "--csv", "--provider", "jia", "--config", gate.config)
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [(one["prefix"], one["state"], one["advertisements"], one["last_proof"]) for one in rows] == [
        ("1069001", "unproven", str(ADS), ""), ("10690011", "unproven", "0", ""),
    ]  # fmt: skip
    assert paths(gate, "--state", "dead") == {}
    for words, said in ((("--state", "mute"), "state"), (("--provider", "jiaa"), "jia"), (("--csv", "--json"), "not both")):
        wrong = run("optout", "list-paths", *words, "--config", gate.config)
        assert wrong.returncode == 2
        assert said in wrong.stderr


@needs("valkey")
def test_a_reply_to_one_gate_proves_the_path_at_the_other(tmp_path: Path) -> None:
    with ExitStack() as after:
        server, carrier = server_and_carrier(tmp_path, after)
        gates = [gate_on(tmp_path / f"node-{node}", node, carrier, server, RULES) for node in (1, 2)]
        for gate in gates:
            gate.start()
            after.callback(gate.stop)
        harness = Harness(server, carrier, gates)
        advertise(gates[0], "jia", "10690015")
        counted(gates[0], "1069001", ADS)
        counted(gates[1], "1069001", ADS * 7 // 8)
        assert paths(gates[1])["1069001"]["state"] == "unproven"
        answer(harness.carrier, "10690015")
        for gate in gates:
            until(partial(is_proven, gate), "the proof at both gates")
        gates[1].signal(signal.SIGKILL)
        gates[1].wait()
        gates[1].start()
        until(partial(is_proven, gates[1]), "the proof after a kill")


@needs("valkey")
def test_workers_of_one_gate_count_together(tmp_path: Path) -> None:
    with ExitStack() as after:
        server, carrier = server_and_carrier(tmp_path, after)
        gate = gate_on(tmp_path / "gate", 1, carrier, server, RULES)
        gate.start(more=("--workers", "2"))
        after.callback(gate.stop)
        for _ in range(4):  # each connection is one worker's
            advertise(gate, "jia", "10690015", 5)
        counted(gate, "1069001", ADS * 7 // 8)
        answer(carrier, "10690015")
        until(partial(is_proven, gate), "the proof at the first worker")
        states = ("proven", "unproven")  # each worker looks now and then
        until(lambda: [gate.metric("gate106_reply_paths", state=one) for one in states] == [1, 2], "the metric", 30)
