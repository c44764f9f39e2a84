"""A provider, or a stranger, that misbehaves: what the gate does about it, and that another provider does not notice.

How long the other's answers take while it happens is measured strictly by ``make neighbours`` (tests/soak/neighbours.py); here the bound
is generous, for the machine may be busy: without the measures it was seconds.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import NamedTuple

import pytest

from tests.e2e.carrier import Carrier
from tests.e2e.crowd import LONG_HALF, NAME, crowd
from tests.e2e.gate import SHANGHAI, Gate, provider
from tests.e2e.pdus import (
    ENQUIRE_LINK,
    ESME_RBINDFAIL,
    ESME_RINVPASWD,
    ESME_ROK,
    ESME_RTHROTTLED,
    RESPONSE,
    SUBMIT_SM,
    bind,
    message,
    message_id,
    pdu,
)
from tests.e2e.raw import Raw
from tests.e2e.waiting import until

ONE_SECOND = {"bind_s": 1, "enquire_s": 1, "response_s": 1, "unread_s": 1}
WAITS_MAX_S = 0.5
"""No answer to a quiet neighbour takes longer while others misbehave; it was 3 to 6 s before there were measures against them."""
DISTURBANCES, BINDS = "gate106_disturbances_total", "gate106_binds"
LOG_BYTES_MAX = 20_000
"""What one storm may write into the log."""


class Harness(NamedTuple):
    carrier: Carrier
    gate: Gate


class Neighbour(Raw):
    """Sends one message after the other, and looks at how long each answer takes."""

    def __init__(self, harness: Harness) -> None:
        super().__init__(harness.gate.port)
        self.harness = harness
        assert self.bind("yi").status == 0

    def waits_s(self, numbers: Iterator[int], count: int = 40) -> float:
        """The longest wait of some messages, each of which arrives once."""
        people = [SHANGHAI.format(next(numbers) % 10_000) for _ in range(count)]
        before = [len(self.harness.carrier.to(person)) for person in people]
        longest = 0.0
        for person in people:
            data, begun = self.submit_bytes("1069002", person), time.perf_counter()
            self.send(data)
            while (found := self.next()) is not None and found.command != SUBMIT_SM | RESPONSE:
                self.send(pdu(ENQUIRE_LINK | RESPONSE, found.sequence))
            assert found is not None
            assert found.status == ESME_ROK
            longest = max(longest, time.perf_counter() - begun)
        assert [len(self.harness.carrier.to(person)) for person in people] == [count + 1 for count in before]
        return longest


@pytest.fixture(scope="module")
def harness(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Harness]:
    carrier = Carrier()
    providers = [
        provider("jia", "1069001", binds=1000),
        provider("yi", "1069002"),
        provider(NAME, "1069009", binds=20, tps=200),
    ]
    gate = Gate(tmp_path_factory.mktemp("gate"), carrier.port, providers, timers=dict(ONE_SECOND))
    try:
        yield Harness(carrier, gate.start())
    finally:
        if gate.started:
            gate.stop()
        carrier.stop()


@pytest.fixture
def neighbour(harness: Harness) -> Iterator[Neighbour]:
    with Neighbour(harness) as one:
        yield one


@pytest.fixture
def recipient(numbers: Iterator[int]) -> str:
    return SHANGHAI.format(next(numbers))


def counted(harness: Harness, name: str, **labels: str) -> Callable[[], float]:
    before = harness.gate.metric(name, **labels)
    return lambda: harness.gate.metric(name, **labels) - before


def pour(client: Raw, data: bytes, most: int) -> int:
    """Sends without reading, until nobody takes it any more or so much is sent; how much that was."""
    sent = 0
    client._socket.settimeout(0.5)
    try:
        while sent < most:
            sent += client._socket.send(data[sent % len(data) :])
    except (TimeoutError, ConnectionError):
        pass
    client._socket.settimeout(10)
    return sent


ENQUIRIES = b"".join(pdu(ENQUIRE_LINK, number) for number in range(1, 5000))


@pytest.mark.parametrize("what", ["flood", "enquire", "rubbish"])
def test_who_sends_without_end_is_heard_slowly_and_a_neighbour_does_not_wait(
    harness: Harness, neighbour: Neighbour, numbers: Iterator[int], what: str
) -> None:
    floods = counted(harness, DISTURBANCES, cause="flood", peer=NAME)
    throttled = counted(harness, "gate106_submits_total", provider=NAME, verdict="defer", reason="rate-exceeded")
    written = counted(harness, "gate106_journal_written_bytes_total")
    begun = time.perf_counter()
    with crowd(what, harness.gate.port, 8):
        until(lambda: floods() == 8, lambda: f"all eight are noisy: {floods()}")
        assert neighbour.waits_s(numbers, 100) < WAITS_MAX_S
        assert harness.gate.metric(BINDS, provider=NAME) == 8, "they are heard slowly, and not cut off"
    if what == "flood":
        assert throttled() > 0, "what is too much is answered, and written down"
    assert written() / (time.perf_counter() - begun) < 8e6, "a flood fills the journal with less than 8 MB/s"
    until(lambda: harness.gate.metric(BINDS, provider=NAME) == 0, lambda: "all gone")


def test_who_stops_reading_is_read_no_more_and_cut_off(harness: Harness, neighbour: Neighbour, numbers: Iterator[int]) -> None:
    unread = counted(harness, DISTURBANCES, cause="unread", peer="jia")
    with Raw(harness.gate.port) as client:
        assert client.bind("jia").status == 0
        sent = pour(client, ENQUIRIES, 64 << 20)
        assert sent < 8 << 20, "somebody takes everything it sends"
        assert neighbour.waits_s(numbers) < WAITS_MAX_S
        until(lambda: unread() == 1, lambda: f"cut off: {harness.gate.said()}", 30)
    until(lambda: harness.gate.metric(BINDS, provider="jia") == 0, lambda: "the bind is free")


def test_who_goes_silent_with_a_little_unread_does_not_keep_its_bind(harness: Harness) -> None:
    """The connection is closed for its silence; that what it was told is never read must not keep it open."""
    silent = counted(harness, DISTURBANCES, cause="silent", peer="jia")
    with Raw(harness.gate.port) as client:
        client._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        assert client.bind("jia").status == 0
        pour(client, ENQUIRIES, 220_000)
        until(lambda: silent() == 1, lambda: f"closed: {harness.gate.said()}", 30)
        until(lambda: harness.gate.metric(BINDS, provider="jia") == 0, lambda: "the bind is free")


@pytest.fixture
def many(harness: Harness) -> Iterator[Callable[[int], list[Raw]]]:
    """So many connections, closed in the end."""
    with ExitStack() as stack:
        yield lambda count: [stack.enter_context(Raw(harness.gate.port)) for _ in range(count)]


def test_who_says_an_octet_now_and_then_must_be_bound_in_time_all_the_same(
    harness: Harness, neighbour: Neighbour, numbers: Iterator[int], many: Callable[[int], list[Raw]]
) -> None:
    late = counted(harness, DISTURBANCES, cause="no-bind", peer="")
    slow = many(50)
    octets = iter(LONG_HALF)

    def say_one_more() -> bool:
        octet = bytes((next(octets),))
        for one in slow:
            try:
                one.send(octet)
            except OSError:
                continue
        return late() == 50

    until(say_one_more, lambda: f"all fifty are closed, not {late()}")
    assert neighbour.waits_s(numbers) < WAITS_MAX_S


def test_a_bound_one_may_be_as_slow_as_it_likes_and_holds_up_nobody(
    harness: Harness, neighbour: Neighbour, numbers: Iterator[int], recipient: str
) -> None:
    with Raw(harness.gate.port) as client:
        assert client.bind("jia").status == 0
        data = client.submit_bytes("1069001", recipient)
        for octet in data[:-1]:
            client.send(bytes((octet,)))
            neighbour.waits_s(numbers, 1)
        assert not harness.carrier.to(recipient)
        client.send(data[-1:])
        found = client.next()
        while found is not None and found.command == ENQUIRE_LINK:
            found = client.next()
        assert found is not None
        assert (found.command, found.status) == (SUBMIT_SM | RESPONSE, ESME_ROK)


def test_who_hangs_up_half_way_loses_its_answers_and_the_message_is_sent_once(harness: Harness, recipient: str) -> None:
    settled = counted(harness, "gate106_entries_total", event="settled")
    harness.carrier.hold(recipient)
    with Raw(harness.gate.port) as client:
        assert client.bind("jia").status == 0
        client.send(client.submit_bytes("1069001", recipient))
        until(lambda: harness.carrier.held(recipient) == 1, "the submit at the carrier")
        client._socket.shutdown(socket.SHUT_WR)
        until(lambda: harness.gate.metric(BINDS, provider="jia") == 0, lambda: "the bind is free")
    harness.carrier.release(recipient)
    until(lambda: settled() == 1, lambda: "the carrier's answer is written though nobody waits for it")
    assert len(harness.carrier.to(recipient)) == 1


def test_submits_under_one_sequence_number_are_messages_of_their_own(harness: Harness, numbers: Iterator[int]) -> None:
    people = [SHANGHAI.format(next(numbers)) for _ in range(10)]
    with Raw(harness.gate.port) as client:
        assert client.bind("jia").status == 0
        client.send(b"".join(pdu(SUBMIT_SM, 7, message(b"1069001", person.encode())) for person in people))
        found = [client.next() for _ in people]
    assert [(one.command, one.sequence, one.status) for one in found if one is not None] == [(SUBMIT_SM | RESPONSE, 7, 0)] * 10
    assert sorted(message_id(one) for one in found if one is not None) == sorted(
        harness.carrier.to(person)[0].id for person in people
    )
    assert [len(harness.carrier.to(person)) for person in people] == [1] * 10


def test_who_goes_far_over_its_window_gets_every_answer_and_nothing_beyond_the_window_leaves(
    harness: Harness, numbers: Iterator[int]
) -> None:
    held = SHANGHAI.format(next(numbers))
    harness.carrier.hold(held)
    with Raw(harness.gate.port) as client:
        assert client.bind("jia").status == 0
        submits = [client.submit_bytes("1069001", held, b"%d" % number) for number in range(400)]
        client.send(b"".join(submits))
        throttled = [found for _ in range(400 - 64) if (found := client.next()) is not None]
        assert {found.status for found in throttled} == {ESME_RTHROTTLED}
        assert harness.carrier.held(held) == 64
        harness.carrier.release(held)
        rest = [found for _ in range(64) if (found := client.next()) is not None]
    sequences = sorted(found.sequence for found in throttled + rest)
    assert sequences == sorted(int.from_bytes(data[12:16], "big") for data in submits)


def test_a_storm_of_binds_is_refused_counted_and_logged_in_few_lines_and_a_right_one_gets_in(
    harness: Harness, neighbour: Neighbour, numbers: Iterator[int], many: Callable[[int], list[Raw]]
) -> None:
    refused = counted(harness, "gate106_bind_failures_total", provider="jia")
    logged = harness.gate.log.stat().st_size
    with crowd("binds", harness.gate.port, 50):
        assert neighbour.waits_s(numbers, 100) < WAITS_MAX_S
        storm = many(150)
        for one in storm:
            one.send(bind(9, 1, "jia", "wrong"))
        answers = [found.status for one in storm if (found := one.next()) is not None]
        assert set(answers) <= {ESME_RINVPASWD, ESME_RBINDFAIL}
        assert refused() == len(answers) == 150
        with Raw(harness.gate.port) as right:
            assert right.bind("yi").status == ESME_ROK, "another account from the same address is not held off"
    assert harness.gate.log.stat().st_size - logged < LOG_BYTES_MAX
    assert "left_out=" in harness.gate.said()
