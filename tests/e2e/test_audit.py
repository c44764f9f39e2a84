"""What is sent after an opt-out is counted by a second reading of the journal: beside the running gate, and after it was killed."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from proxy.wire import submit_sm
from tests.e2e.carrier import Carrier
from tests.e2e.gate import SHANGHAI, Gate, provider, run
from tests.e2e.raw import Raw
from tests.e2e.sharing import started
from tests.e2e.waiting import until
from tests.needs import needs
from tests.valkey import Valkey

NOTHING_IS_REFUSED = """
rules:
  - {id: words, when: {text: 代开发票}, then: reject, reason: keyword}
"""
METRIC = "gate106_sent_after_optout_total"
PERSON = SHANGHAI.format(77)


@pytest.fixture
def gate(tmp_path: Path, carrier: Carrier) -> Iterator[Gate]:
    providers = [provider(name, port, category="marketing") for name, port in (("jia", "1069001"), ("yi", "1069002"))]
    made = Gate(tmp_path, carrier.port, providers)
    made.write_rules(NOTHING_IS_REFUSED)
    yield made.start()
    made.stop()


def advertise(gate: Gate, account: str, port: str, name: str = "甲店") -> None:
    with Raw(gate.port) as bound:
        assert bound.bind(account).status == 0
        octets = f"【{name}】双11券 拒收请回复R".encode("utf-16-be")
        assert bound.ask(submit_sm(port, PERSON, octets, data_coding=8, sequence=7)).status == 0


def in_force(gate: Gate) -> list[object]:
    told = json.loads(run("optout", "trace", "--to", PERSON, "--config", gate.config, "--json").stdout)
    return list(told["in_force"])


def test_it_is_counted_whoever_sends_it_and_also_if_the_gate_is_killed_at_once(gate: Gate, carrier: Carrier) -> None:
    advertise(gate, "jia", "1069001")
    carrier.reply(PERSON, "861069001", b"TD")
    until(lambda: gate.metric("gate106_delivers_total"), "the reply", 10)
    assert gate.metric(METRIC) == 0
    advertise(gate, "yi", "1069002", "乙店")
    advertise(gate, "yi", "1069002")
    until(lambda: gate.metric(METRIC) == 1, "the finding", 30)
    assert gate.metric("gate106_optout_audit_lag_seconds") < 10

    advertise(gate, "yi", "1069002")
    gate.signal(signal.SIGKILL)
    gate.wait()
    gate.start()
    until(lambda: gate.metric(METRIC) == 1, "what was sent just before", 30)

    found = run("optout", "audit", "--config", gate.config, "--json")
    told = json.loads(found.stdout)
    assert (found.returncode, told["sent_after_optout"]) == (1, 2)
    assert {(one["provider"], one["refused_at"]) for one in told["found"]} == {("yi", "1069001")}
    assert PERSON not in found.stdout


@needs("valkey")
def test_a_reply_at_one_gate_counts_against_what_another_gate_on_the_store_sends(tmp_path: Path) -> None:
    with ExitStack() as after:
        server = Valkey(tmp_path / "valkey")
        after.callback(server.kill)
        carriers = [Carrier(), Carrier()]
        for carrier in carriers:
            after.callback(carrier.stop)
        one, other = started(after, tmp_path, carriers, [server] * 2, links=2)
        advertise(one, "jia", "1069001")
        carriers[0].reply(PERSON, "1069001", b"TD")
        until(lambda: in_force(other), "the other gate heard of it", 30)
        advertise(other, "jia", "1069001")
        until(lambda: other.metric(METRIC) == 1, "the finding", 30)
        assert one.metric(METRIC) == 0
