"""Providers that are paced send faster than their rate: what waits, in the running gate, seen from clients and the carrier."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from tests.e2e.carrier import Carrier
from tests.e2e.client_smpplib import SmpplibClient
from tests.e2e.gate import SHANGHAI, Gate, provider, run
from tests.e2e.pdus import BIND_RECEIVER, ENQUIRE_LINK, ESME_RMSGQFUL, ESME_RTHROTTLED, RESPONSE, SUBMIT_SM, UNBIND, pdu
from tests.e2e.raw import Raw
from tests.e2e.waiting import until

TPS = 20
NOT_PERMITTED = 0x420
RULES = """
rules:
  - {id: refused, when: {category: marketing, suppressed: true}, then: reject, reason: suppressed}
"""
NAMES = ("fast", "flood", "leaves", "asked", "cut", "changed", "drained")
"""One provider a test, so that none begins with a rate that another has used up."""


class Harness(NamedTuple):
    gate: Gate
    carrier: Carrier


@pytest.fixture(scope="module")
def harness(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Harness]:
    carrier = Carrier()
    providers = [
        provider(
            name, port(name), category="marketing", confirm="", tps=TPS, over_rate="refuse" if name == "changed" else "pace"
        )
        for name in NAMES
    ]
    gate = Gate(tmp_path_factory.mktemp("gate"), carrier.port, providers)
    gate.write_rules(RULES)
    try:
        yield Harness(gate.start(), carrier)
    finally:
        if gate.started:
            gate.stop()
        carrier.stop()


def port(name: str) -> str:
    return f"10690{NAMES.index(name):02}"


def people(name: str, many: int) -> list[str]:
    return [SHANGHAI.format(NAMES.index(name) * 1000 + place) for place in range(many)]


def burst(client: Raw, name: str, many: int) -> list[int]:
    """Sends submits to as many people in one piece; their sequence numbers."""
    sent = [client.submit_bytes(port(name), person) for person in people(name, many)]
    client.send(b"".join(sent))
    return [int.from_bytes(data[12:16], "big") for data in sent]


def answers(client: Raw, sequences: list[int]) -> dict[int, int]:
    """The status of each of these submits."""
    found: dict[int, int] = {}
    while len(found) < len(sequences):
        answer = client.next()
        assert answer is not None
        if answer.command == SUBMIT_SM | RESPONSE:
            found[answer.sequence] = answer.status
    return found


def arrived(harness: Harness, name: str) -> list[str]:
    """To whom messages of a provider came, in order."""
    return [one.fields.destination[-11:] for one in harness.carrier.seen if one.fields.source == port(name)]


def test_a_client_that_never_sleeps_gets_each_message_out_at_its_rate_and_in_order(harness: Harness) -> None:
    client, many = SmpplibClient(harness.gate.port, "fast", "secret", "trx"), 2 * TPS - 2
    try:
        begun = time.monotonic()
        told = client.burst(port("fast"), people("fast", many))
        took_s = time.monotonic() - begun
    finally:
        client.close()
    assert {one.status for one in told} == {0}
    assert arrived(harness, "fast") == people("fast", many)
    assert took_s >= (many - TPS - 1) / TPS, "a second of the rate at once, the rest one by one"
    counted = harness.gate.metric("gate106_paced_total", provider="fast", result="passed")
    assert counted == harness.gate.metric("gate106_paced_seconds_count")
    assert 1 <= counted <= many - TPS
    assert harness.gate.metric("gate106_submits_total", reason="rate-exceeded") == 0


def test_the_link_is_checked_while_submits_wait_and_those_that_would_wait_too_long_are_throttled(harness: Harness) -> None:
    with Raw(harness.gate.port) as client:
        client.bind("flood")
        sequences = burst(client, "flood", 3 * TPS)
        client.send(pdu(ENQUIRE_LINK, 9_999))
        (bind,) = json.loads(run("binds", "--config", harness.gate.config, "--json").stdout)["binds"]
        assert 0 <= bind["waiting"] <= bind["unanswered"]
        told, order = dict[int, int](), list[int]()
        while len(told) < len(sequences):
            answer = client.next()
            assert answer is not None
            order.append(answer.sequence)
            if answer.command == SUBMIT_SM | RESPONSE:
                told[answer.sequence] = answer.status
        assert 9_999 in order[:-1], "the link is answered before the last submit that waits"
        assert set(told.values()) == {0, ESME_RTHROTTLED}
    assert arrived(harness, "flood")[:TPS] == people("flood", TPS)


def test_an_unbind_is_answered_after_the_submits_that_wait(harness: Harness) -> None:
    with Raw(harness.gate.port) as client:
        client.bind("leaves")
        sequences = burst(client, "leaves", TPS + 5)
        client.send(pdu(UNBIND, 9_999))
        told = [*iter(client.next, None)]
        assert [one.sequence for one in told] == [*sequences, 9_999]
        assert {one.status for one in told} == {0}


def test_an_opt_out_that_arrives_while_a_message_waits_holds_for_it(harness: Harness) -> None:
    carrier, person = harness.carrier, SHANGHAI.format(9999)
    with Raw(harness.gate.port) as client, Raw(harness.gate.port) as ears:
        client.bind("asked")
        ears.bind("asked", command=BIND_RECEIVER)
        assert client.submit(port("asked"), person).status == 0
        sequences = burst(client, "asked", 2 * TPS - 3)
        last = client.submit_bytes(port("asked"), person)
        client.send(last)
        carrier.acknowledged(carrier.reply(person, port("asked"), b"TD"))
        told = answers(client, [*sequences, 0])
        assert told.pop(int.from_bytes(last[12:16], "big")) == NOT_PERMITTED
        assert set(told.values()) == {0}
        assert len(carrier.to(person)) == 1


def test_a_bind_that_closes_while_its_window_waits_loses_nothing(harness: Harness) -> None:
    for _ in range(3):  # it binds, fills its window, and hangs up
        with Raw(harness.gate.port) as client:
            client.bind("cut")
            burst(client, "cut", 60)

    def ended() -> bool:
        sent = harness.gate.metric("gate106_submits_total", provider="cut")
        return sent == 180 and len(arrived(harness, "cut")) == harness.gate.metric("gate106_segments_total", provider="cut")

    until(ended, "the end of the wait")
    assert len(arrived(harness, "cut")) >= TPS + harness.gate.metric("gate106_paced_total", provider="cut", result="passed")
    assert harness.gate.metric("gate106_paced_total", provider="cut", result="refused") == 0


def test_a_reload_turns_the_wait_on(harness: Harness) -> None:
    gate = harness.gate
    with Raw(gate.port) as client:
        client.bind("changed")
        assert ESME_RTHROTTLED in answers(client, burst(client, "changed", TPS + 10)).values()
        next(one for one in gate.settings["providers"] if one["name"] == "changed")["over_rate"] = "pace"
        gate.write_settings()
        before = gate.metric("gate106_settings_reload_total", result="ok")
        gate.signal(signal.SIGHUP)
        until(lambda: gate.metric("gate106_settings_reload_total", result="ok") > before, "the reload")
        assert set(answers(client, burst(client, "changed", TPS + 10)).values()) == {0}


def test_a_drain_answers_what_waits_for_a_retry(harness: Harness) -> None:
    with Raw(harness.gate.port) as client:
        client.bind("drained")
        sequences = burst(client, "drained", 2 * TPS - 2)
        until(lambda: len(arrived(harness, "drained")) >= TPS, "the burst")
        harness.gate.signal(signal.SIGTERM)
        told = answers(client, sequences)
    passed = [sequence for sequence in sequences if told[sequence] == 0]
    assert passed == sequences[: len(passed)]
    assert {told[sequence] for sequence in sequences[len(passed) :]} == {ESME_RMSGQFUL}
    assert harness.gate.wait() == 0
    assert len(arrived(harness, "drained")) == len(passed)
