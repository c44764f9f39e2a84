"""What the gate waits for and how much it takes, with timers of a second: silence, missing answers, windows, binds."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from tests.e2e.carrier import Carrier
from tests.e2e.gate import SHANGHAI, Gate, provider
from tests.e2e.pdus import ENQUIRE_LINK, ESME_RBINDFAIL, ESME_RSYSERR, ESME_RTHROTTLED, RESPONSE, SUBMIT_SM, Pdu, pdu
from tests.e2e.raw import Raw
from tests.e2e.waiting import until

ONE_SECOND = {"bind_s": 1, "enquire_s": 1, "response_s": 1}


class Harness(NamedTuple):
    carrier: Carrier
    gate: Gate


@pytest.fixture(scope="module")
def harness(tmp_path_factory) -> Iterator[Harness]:
    carrier = Carrier()
    providers = [provider("jia", "1069001"), provider("small", "1069002", window=2, binds=2)]
    gate = Gate(tmp_path_factory.mktemp("gate"), carrier.port, providers, timers=ONE_SECOND)
    try:
        yield Harness(carrier, gate.start())
    finally:
        if gate.started:
            gate.stop()
        carrier.stop()


@pytest.fixture
def recipient(numbers: Iterator[int]) -> str:
    return SHANGHAI.format(next(numbers))


def answer_to(client: Raw, data: bytes) -> Pdu:
    """The answer to a submit that was sent before; enquire_links are answered meanwhile."""
    while True:
        found = client.next()
        assert found is not None
        if found.command == ENQUIRE_LINK:
            client.send(pdu(ENQUIRE_LINK | RESPONSE, found.sequence))
        elif (found.command, found.sequence) == (SUBMIT_SM | RESPONSE, int.from_bytes(data[12:16], "big")):
            return found


def test_a_connection_that_does_not_bind_is_closed(harness):
    with Raw(harness.gate.port) as client:
        assert client.alive()  # an enquire_link is allowed, and is no bind
        assert client.closed()


def test_a_client_that_leaves_an_enquire_link_unanswered_is_closed_and_another_is_not(harness, recipient):
    with Raw(harness.gate.port) as dead, Raw(harness.gate.port) as living:
        dead.bind("jia")
        living.bind("jia")
        asked = dead.next()
        assert asked is not None
        assert asked.command == ENQUIRE_LINK
        asked = living.next()
        assert asked is not None
        living.send(pdu(ENQUIRE_LINK | RESPONSE, asked.sequence))
        assert dead.closed()
        data = living.submit_bytes("1069001", recipient)
        living.send(data)
        assert answer_to(living, data).status == 0


def test_a_submit_the_carrier_does_not_answer_has_an_unknown_outcome_and_the_late_answer_is_not_forwarded(harness, recipient):
    with Raw(harness.gate.port) as client:
        client.bind("jia")
        harness.carrier.hold(recipient)
        first = client.submit_bytes("1069001", recipient)
        client.send(first)
        assert answer_to(client, first).status == ESME_RSYSERR
        settled = harness.gate.metric("gate106_entries_total", event="settled")
        harness.carrier.release(recipient)
        until(lambda: harness.gate.metric("gate106_entries_total", event="settled") == settled + 1, "the entry settled")
        again = client.submit_bytes("1069001", recipient)
        client.send(again)
        assert answer_to(client, again).status == 0  # the very next answer: nothing was forwarded in between
    assert len(harness.carrier.to(recipient)) == 2


def test_what_is_over_the_window_is_throttled_at_once_and_what_is_within_it_is_answered(harness, recipient):
    with Raw(harness.gate.port) as client:
        client.bind("small")
        harness.carrier.hold(recipient)
        submits = [client.submit_bytes("1069002", recipient) for _ in range(3)]
        client.send(b"".join(submits))
        assert answer_to(client, submits[2]).status == ESME_RTHROTTLED
        until(lambda: harness.carrier.held(recipient) == 2, "the first two at the carrier")
        harness.carrier.release(recipient)
        assert {answer_to(client, submits[0]).status, answer_to(client, submits[1]).status} == {0}
        assert client.submit("1069002", recipient).status == 0


def test_a_bind_too_many_is_asked_to_come_again_and_may_once_another_has_gone(harness):
    with Raw(harness.gate.port) as one, Raw(harness.gate.port) as two, Raw(harness.gate.port) as three:
        assert (one.bind("small").status, two.bind("small").status) == (0, 0)
        assert three.bind("small").status == ESME_RBINDFAIL
        assert harness.gate.metric("gate106_bind_failures_total", cause="too-many-binds", provider="small") == 1
        assert harness.gate.metric("gate106_provider_binds_limit", provider="small") == 2
        assert one.unbind().status == 0
        assert one.closed()
        until(lambda: harness.gate.metric("gate106_binds", provider="small") == 1, "one bind left")
        assert three.bind("small").status == 0


def test_a_drain_does_not_wait_for_a_carrier_that_never_answers(carrier, make_gate, recipient):
    gate = make_gate(carrier.port, [provider("jia", "1069001")], timers=ONE_SECOND).start()
    with Raw(gate.port) as client:
        client.bind("jia")
        carrier.hold(recipient)
        data = client.submit_bytes("1069001", recipient)
        client.send(data)
        until(lambda: carrier.held(recipient), "the submit at the carrier")
        gate.signal(signal.SIGTERM)
        assert answer_to(client, data).status == ESME_RSYSERR
    assert gate.wait() == 0
