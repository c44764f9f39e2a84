"""A carrier that misbehaves: what a provider is told, that nothing is sent twice or lost, and that the gate goes on.

One gate with timers of a second serves all; a second provider, which has nothing to do with it, gets its message through after each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest

from tests.e2e.gate import SHANGHAI, Gate, provider
from tests.e2e.pdus import (
    DELIVER_SM,
    ENQUIRE_LINK,
    ESME_RMSGQFUL,
    ESME_ROK,
    ESME_RSYSERR,
    ESME_RTHROTTLED,
    MESSAGE_PAYLOAD,
    RESPONSE,
    SUBMIT_SM,
    Pdu,
    message,
    message_id,
    pdu,
    tlv,
)
from tests.e2e.raw import Raw
from tests.e2e.rogue import Rogue
from tests.e2e.test_bad_input import FRAMING
from tests.e2e.waiting import until

ONE_SECOND = {"bind_s": 1, "enquire_s": 1, "response_s": 1, "unread_s": 1}
WINDOW = 64
NO_SMPP = ("length 0", "length 4 GB", "HTTP", "garbage")
VENDOR = 0x04FF
SUBMIT_SM_RESP = SUBMIT_SM | RESPONSE


class Harness(NamedTuple):
    carrier: Rogue
    gate: Gate


class Client(Raw):
    """A provider's client: answers enquire_links, and can wait for the answers to what it sent."""

    def __init__(self, harness: Harness, name: str = "jia", port: str = "1069001") -> None:
        super().__init__(harness.gate.port)
        self.source = port
        self.delivers: list[Pdu] = []
        assert self.bind(name).status == 0

    def sends(self, recipient: str, count: int = 1, text: bytes = b"hello") -> list[int]:
        """Submits on their way, by sequence number."""
        submits = [self.submit_bytes(self.source, recipient, text + b" %d" % number) for number in range(count)]
        self.send(b"".join(submits))
        return [int.from_bytes(data[12:16], "big") for data in submits]

    def answers(self, sequences: list[int]) -> dict[int, Pdu]:
        """The answer to each, whatever else comes; a second answer to one of them fails the test."""
        found: dict[int, Pdu] = {}
        while len(found) < len(sequences):
            one = self.next()
            assert one is not None, "hung up"
            if one.command == ENQUIRE_LINK:
                self.send(pdu(ENQUIRE_LINK | RESPONSE, one.sequence))
            elif one.command == DELIVER_SM:
                self.delivers.append(one)
                self.send(pdu(DELIVER_SM | RESPONSE, one.sequence, b"\0"))
            elif one.command == SUBMIT_SM_RESP:
                assert one.sequence in sequences, "an answer to nothing that was asked"
                assert one.sequence not in found, "answered twice"
                found[one.sequence] = one
        return found

    def statuses(self, sequences: list[int]) -> list[int]:
        found = self.answers(sequences)
        return [found[sequence].status for sequence in sequences]


@pytest.fixture(scope="module")
def harness(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Harness]:
    carrier = Rogue()
    providers = [provider("jia", "1069001", binds=100, window=300), provider("yi", "1069002")]
    gate = Gate(tmp_path_factory.mktemp("gate"), carrier.port, providers, timers=dict(ONE_SECOND), carrier={"window": WINDOW})
    try:
        yield Harness(carrier, gate.start())
    finally:
        if gate.started:
            gate.stop()
        carrier.stop()


@pytest.fixture
def recipient(numbers: Iterator[int]) -> str:
    return SHANGHAI.format(next(numbers))


@pytest.fixture(autouse=True)
def afterwards_everybody_is_served(harness: Harness, numbers: Iterator[int]) -> Iterator[None]:
    yield
    harness.carrier.hear()
    until(lambda: not harness.gate.why(), lambda: f"ready again: {harness.gate.why()}, {harness.gate.said()}")
    somebody = SHANGHAI.format(next(numbers))
    neighbour = Client(harness, "yi", "1069002")
    with neighbour:
        assert neighbour.statuses(neighbour.sends(somebody)) == [ESME_ROK]
    assert harness.carrier.arrived(somebody) == 1
    assert harness.gate.metric("gate106_window_in_use") == 0
    assert harness.gate.metric("gate106_judge_errors_total") == 0


def counted(harness: Harness, name: str, **labels: str) -> Callable[[], float]:
    """How much a counter has grown since."""
    before = harness.gate.metric(name, **labels)
    return lambda: harness.gate.metric(name, **labels) - before


def test_a_window_nobody_answers_is_told_as_unknown_and_free_again_and_late_answers_settle_it_unheard(
    harness: Harness, recipient: str
) -> None:
    unknown = counted(harness, "gate106_entries_total", event="unknown")
    settled = counted(harness, "gate106_entries_total", event="settled")
    harness.carrier.hold(recipient)
    with Client(harness) as client:
        sequences = client.sends(recipient, WINDOW)
        assert client.statuses(sequences) == [ESME_RSYSERR] * WINDOW
        assert unknown() == WINDOW
        harness.carrier.release(recipient)
        until(lambda: settled() == WINDOW, lambda: "all settled")
        assert client.statuses(client.sends(recipient, 1, b"next")) == [ESME_ROK]
    assert harness.carrier.arrived(recipient) == WINDOW + 1, "the gate sends nothing again by itself"


def test_of_two_answers_the_first_counts_and_the_second_is_counted_as_one_to_nothing(harness: Harness, recipient: str) -> None:
    strays = counted(harness, "gate106_bad_pdus_total", side="carrier", kind="response")
    taken_back = counted(harness, "gate106_entries_total", event="taken_back")
    harness.carrier.hold(recipient)
    with Client(harness) as client:
        sequences = client.sends(recipient)
        (waiting,) = harness.carrier.waiting(recipient)
        yes, no = waiting.answer(ESME_ROK, b"first"), waiting.answer(ESME_RSYSERR)
        waiting.peer.send(yes + yes + no + yes)
        (answer,) = client.answers(sequences).values()
        assert (answer.status, message_id(answer)) == (ESME_ROK, "first")
        until(lambda: strays() == 3, lambda: "the others are counted")
        assert client.alive()
    assert taken_back() == 0, "the refusal came too late to give anything back"


def test_answers_in_another_order_reach_whom_they_belong_to(harness: Harness, recipient: str) -> None:
    harness.carrier.hold(recipient)
    with Client(harness) as client:
        sequences = client.sends(recipient, 40)
        for number, waiting in reversed(list(enumerate(harness.carrier.waiting(recipient, 40)))):
            waiting.peer.send(waiting.answer(ESME_ROK, b"id-%d" % number))
        found = client.answers(sequences)
    assert [message_id(found[sequence]) for sequence in sequences] == [f"id-{number}" for number in range(40)]


@pytest.mark.parametrize("status", [ESME_RTHROTTLED, ESME_RMSGQFUL], ids=["throttled", "queue full"])
def test_who_is_throttled_by_the_carrier_is_told_so_and_keeps_the_allowance(
    harness: Harness, recipient: str, status: int
) -> None:
    taken_back = counted(harness, "gate106_entries_total", event="taken_back")
    told = counted(harness, "gate106_carrier_responses_total", carrier="bj")
    harness.carrier.answer_with(recipient, status, 20)
    with Client(harness) as client:
        assert client.statuses(client.sends(recipient, 20)) == [status] * 20
        assert client.statuses(client.sends(recipient, 1, b"again")) == [ESME_ROK]
    assert taken_back() == 20
    assert told() == 21


def test_a_link_closed_amid_a_window_leaves_the_answered_answered_and_the_rest_unknown(
    harness: Harness, recipient: str
) -> None:
    harness.carrier.hold(recipient)
    unknown = counted(harness, "gate106_entries_total", event="unknown")
    with Client(harness) as client:
        sequences = client.sends(recipient, 30)
        waiting = harness.carrier.waiting(recipient, 30)
        waiting[0].peer.send(b"".join(one.answer(ESME_ROK, b"x") for one in waiting[:10]))
        answered = client.statuses(sequences[:10])
        harness.carrier.drop()
        assert answered == [ESME_ROK] * 10
        assert client.statuses(sequences[10:]) == [ESME_RSYSERR] * 20
    assert unknown() == 20
    until(lambda: not harness.gate.why(), lambda: "another link")
    assert harness.carrier.arrived(recipient) == 30, "nothing was sent again over the new link"


@pytest.mark.parametrize("rubbish", [FRAMING[name] for name in NO_SMPP], ids=NO_SMPP)
def test_what_is_no_SMPP_ends_the_link_once_and_another_is_made(harness: Harness, recipient: str, rubbish: bytes) -> None:
    broken = counted(harness, "gate106_bad_pdus_total", side="carrier", kind="framing", peer="bj")
    harness.carrier.hold(recipient)
    with Client(harness) as client:
        sequences = client.sends(recipient, 3)
        waiting = harness.carrier.waiting(recipient, 3)
        waiting[0].peer.send(waiting[0].answer(ESME_ROK, b"good") + rubbish + waiting[1].answer(ESME_ROK, b"never read"))
        assert client.statuses(sequences) == [ESME_ROK, ESME_RSYSERR, ESME_RSYSERR]
    assert broken() == 1
    until(lambda: "framing lost" in harness.gate.said(), harness.gate.said)


def test_a_receipt_that_comes_before_the_answer_is_delivered_and_both_say_the_same_id(harness: Harness, recipient: str) -> None:
    harness.carrier.hold(recipient)
    with Client(harness) as client:
        sequences = client.sends(recipient)
        (waiting,) = harness.carrier.waiting(recipient)
        receipt = waiting.receipt(b"early-1")
        waiting.peer.send(receipt)
        until(lambda: harness.carrier.answers.get(77_777), "the receipt acknowledged, though nothing is answered")
        waiting.peer.send(waiting.answer(ESME_ROK, b"early-1"))
        (answer,) = client.answers(sequences).values()
        while not client.delivers:
            client.answers(client.sends(SHANGHAI.format(9999)))
        assert message_id(answer) == "early-1"
        assert [one.data[16:] for one in client.delivers] == [receipt[16:]]


@pytest.mark.parametrize("status", [VENDOR, 0xFFFFFFFF, 0x45], ids=hex)
def test_a_vendors_status_is_passed_on_as_it_is_and_the_allowance_given_back(
    harness: Harness, recipient: str, status: int
) -> None:
    taken_back = counted(harness, "gate106_entries_total", event="taken_back")
    harness.carrier.hold(recipient)
    with Client(harness) as client:
        sequences = client.sends(recipient, 2)
        first, second = harness.carrier.waiting(recipient, 2)
        first.peer.send(first.answer(status) + second.answer(status, b"", tlv(0x1400, b"why") + tlv(0x001D, b"no\0")))
        assert client.statuses(sequences) == [status] * 2
    assert taken_back() == 2


def test_a_vendors_parameters_in_an_answer_pass_byte_for_byte(harness: Harness, recipient: str) -> None:
    harness.carrier.hold(recipient)
    with Client(harness) as client:
        sequences = client.sends(recipient)
        (waiting,) = harness.carrier.waiting(recipient)
        tail = tlv(0x1400, b"\1\2\3") + tlv(0x3FFF, b"") + tlv(0x0427, b"\2")
        waiting.peer.send(waiting.answer(ESME_ROK, b"v-1", tail))
        (answer,) = client.answers(sequences).values()
    assert answer.body == b"v-1\0" + tail


MALFORMED = {
    "an id of 80 octets": b"a" * 80 + b"\0",
    "an id of 60,000 octets": b"b" * 60_000 + b"\0",
    "69,000 octets without a NUL": b"c" * 69_000,
    "an id without its NUL": b"4711",
    "no body": b"",
    "parameters cut short": b"4711\0\x14\0\0\x09x",
    "a parameter twice": b"4711\0" + tlv(0x1400, b"x") * 2,
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_answer_reaches_the_provider_as_SMPP_allows_and_is_counted(
    harness: Harness, recipient: str, name: str
) -> None:
    counts = [counted(harness, "gate106_bad_pdus_total", side="carrier", kind=kind, peer="bj") for kind in ("field", "tlv")]
    taken_back = counted(harness, "gate106_entries_total", event="taken_back")
    harness.carrier.hold(recipient)
    with Client(harness) as client:
        sequences = client.sends(recipient)
        (waiting,) = harness.carrier.waiting(recipient)
        waiting.peer.send(pdu(SUBMIT_SM_RESP, waiting.pdu.sequence, MALFORMED[name]))
        (answer,) = client.answers(sequences).values()
        assert client.alive()
    assert (answer.status, answer.body.find(0)) == (ESME_ROK, len(answer.body) - 1)
    assert len(answer.body) <= 65
    assert sum(count() for count in counts) == 1
    assert taken_back() == 0, "the person may have got it"
    until(
        lambda: "carrier sends malformed PDUs" in harness.gate.log.read_text(errors="replace"),
        "a line of the minute in the log",
    )


def test_of_hundreds_of_statuses_a_bounded_number_has_a_series(harness: Harness, recipient: str) -> None:
    harness.carrier.hold(recipient)
    with Client(harness) as client:
        for first in range(0x1000, 0x1000 + 400, 50):
            sequences = client.sends(recipient, 50)
            held = harness.carrier.waiting(recipient, first + 50 - 0x1000)[first - 0x1000 :]
            for number, waiting in enumerate(held):
                waiting.peer.send(waiting.answer(first + number))
            assert sorted(client.statuses(sequences)) == list(range(first, first + 50))
    assert harness.gate.metric("gate106_carrier_responses_total", carrier="bj", status="other") > 300


def test_a_carrier_that_holds_the_socket_without_reading_is_let_go_and_nobody_waits_for_it(
    harness: Harness, recipient: str
) -> None:
    silent = counted(harness, "gate106_disturbances_total", side="carrier", cause="silent")
    unread = counted(harness, "gate106_disturbances_total", side="carrier", cause="unread")
    with Client(harness) as client:
        assert client.alive()
        harness.carrier.deafen()
        sequences = []
        for number in range(WINDOW):
            body = message(b"1069001", recipient.encode(), b"", tail=tlv(MESSAGE_PAYLOAD, b"x" * 60_000 + b"%d" % number))
            sequences.append(1000 + number)
            client.send(pdu(SUBMIT_SM, 1000 + number, body))
        assert set(client.statuses(sequences)) <= {ESME_RSYSERR, ESME_RMSGQFUL}
        until(harness.gate.why, "not ready: the link is gone")
        assert client.statuses(client.sends(recipient)) == [ESME_RMSGQFUL]
        assert silent() + unread() >= 1
        assert client.alive()
    harness.carrier.hear()
    until(lambda: not harness.gate.why(), "another link")
