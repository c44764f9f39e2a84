"""Parts of one long message that come to several gates on one store: one verdict, one count, whichever gate each part comes to."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.e2e.gate import SHANGHAI
from tests.e2e.pdus import ESME_RMSGQFUL
from tests.e2e.raw import Raw
from tests.e2e.sharing import Harness, harness_of
from tests.e2e.test_long import TEXT, parts
from tests.e2e.waiting import until
from tests.needs import needs
from tests.valkey import PASSWORD, USER

pytestmark = needs("valkey")
PORT, KEYWORD, CAP, FIRST_MISSING, TORN = "1069001", 0x450, 0x410, 0x455, 0x457
BAD = "【青禾】新店开业 代开发票"
RULES = """\
rules:
  - {id: words, say: 不得代开发票, when: {text: 代开发票}, then: reject, reason: keyword}
  - {id: cap, say: 每天一条, limit: {count: 1, per: day, key: [recipient]}, then: reject, reason: recipient-cap}
"""


@pytest.fixture(scope="module")
def harness(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Harness]:
    with ExitStack() as after:
        yield harness_of(tmp_path_factory.mktemp("harness"), after, RULES, acl=True, user=USER, password=PASSWORD)


@pytest.fixture
def recipient(numbers: Iterator[int]) -> str:
    return SHANGHAI.format(next(numbers))


@pytest.fixture
def clients(harness: Harness) -> Iterator[list[Raw]]:
    with ExitStack() as after:
        found = [after.enter_context(Raw(gate.port)) for gate in harness.gates]
        for client in found:
            client.bind("jia")
        yield found


def answer(client: Raw) -> int:
    found = client.next()
    assert found is not None
    return found.status


def up(harness: Harness) -> list[str]:
    """Messages on the board."""
    return [key for key in harness.server.cli("--no-raw", "keys", "*:long:*").split("\n") if ":long:" in key]


def test_parts_that_come_to_two_gates_are_one_message_that_counts_once(harness: Harness, clients: list[Raw], recipient: str):
    here, there = clients
    three = parts(PORT, recipient, TEXT, 3)
    here.send(three[0])
    there.send(three[2])
    here.send(three[1])
    assert [answer(here), answer(here), answer(there)] == [0, 0, 0]
    assert sorted(seen.fields.short_message[5] for seen in harness.carrier.to(recipient)) == [1, 2, 3]
    for client in clients:  # the cap of one is used up, and was not by the message's own parts
        assert client.ask(parts(PORT, recipient, TEXT, 2, reference=9)[0]).status == CAP


def test_a_word_cut_in_two_between_gates_is_found_and_nothing_leaves(harness: Harness, clients: list[Raw], recipient: str):
    first, second = parts(PORT, recipient, "【青禾】新店开业 代开发票", 2)
    for client, part in zip(clients, (first, second), strict=True):
        client.send(part)
    assert [answer(client) for client in clients] == [KEYWORD, KEYWORD]
    assert harness.carrier.to(recipient) == []
    assert clients[0].submit(PORT, recipient).status == 0  # nothing was counted


def test_a_part_kept_for_another_gate_does_not_bring_a_word_past_the_rules(
    harness: Harness, clients: list[Raw], recipient: str
):
    first, second = parts(PORT, recipient, "【青禾】新店开业 代开发票", 2)
    late = harness.gates[1].metric("gate106_long_messages_total", outcome="late-breach")
    assert clients[0].ask(first).status == 0
    assert clients[1].ask(second).status == KEYWORD
    assert len(harness.carrier.to(recipient)) == 1
    assert harness.gates[1].metric("gate106_long_messages_total", outcome="late-breach") == late + 1


def test_what_one_gate_refused_the_other_refuses_for_the_same_reason(harness: Harness, clients: list[Raw], recipient: str):
    assert clients[0].submit(PORT, recipient).status == 0
    first, second = parts(PORT, recipient, TEXT, 2)
    inherited = harness.gates[1].metric("gate106_long_messages_total", outcome="inherited")
    assert clients[0].ask(first).status == CAP
    assert clients[1].ask(second).status == CAP
    assert harness.gates[1].metric("gate106_long_messages_total", outcome="inherited") == inherited + 1


def test_a_part_sent_twice_at_two_gates_is_not_two_for_the_price_of_one(harness: Harness, clients: list[Raw], recipient: str):
    one, two = parts(PORT, recipient, TEXT, 2)
    for client in clients:
        client.send(one)
        client.send(two)
    told = sorted([answer(client) for client in clients for _ in range(2)])
    assert told == [0, 0, CAP, CAP]
    assert len(harness.carrier.to(recipient)) == 2


def test_nothing_of_a_message_can_be_read_in_the_store(harness: Harness, clients: list[Raw], recipient: str):
    first, second = parts(PORT, recipient, TEXT, 2)
    assert clients[0].ask(first).status == 0
    assert up(harness)
    assert "expires=" in harness.server.cli("info", "keyspace")
    kept = (harness.server.folder / "appendonlydir").glob("*")
    octets = b"".join(file.read_bytes() for file in kept)
    assert recipient.encode() not in octets
    assert first[-40:] not in octets
    assert TEXT[:8].encode("utf-16-be") not in octets
    assert TEXT[:8].encode("utf-16-be").hex().encode() not in octets
    assert clients[1].ask(second).status == 0


def test_while_the_store_is_out_of_reach_each_gate_goes_by_its_own_parts_and_answers_all(
    harness: Harness, clients: list[Raw], recipient: str
):
    first, second = parts(PORT, recipient, TEXT, 2)
    clients[0].send(first)
    harness.server.pause()
    assert answer(clients[0]) == 0
    assert clients[1].ask(second).status == ESME_RMSGQFUL, "nobody there knows of its first part"
    harness.server.go_on()
    until(lambda: all(gate.metric("gate106_store_up") == 1 for gate in harness.gates), "the store")
    until(lambda: all(gate.metric("gate106_store_owed") == 0 for gate in harness.gates), "what was owed")
    assert [client.submit(PORT, recipient).status for client in clients] == [CAP, CAP]
    assert len(harness.carrier.to(recipient)) == 1


def test_a_torn_message_is_known_at_another_gate(harness: Harness, clients: list[Raw], recipient: str):
    first, second = parts(PORT, recipient, BAD, 2)
    innocent = parts(PORT, recipient, TEXT, 2)
    assert clients[0].ask(first).status == 0
    clients[1].send(b"".join(innocent))  # whole, in one read: the gate asks nobody but the person's record
    assert [answer(clients[1]) for _ in innocent] == [TORN, TORN]
    assert clients[1].ask(innocent[0]).status == TORN
    assert clients[1].ask(second).status == KEYWORD
    assert len(harness.carrier.to(recipient)) == 1


def test_a_lone_second_part_does_not_leave_at_any_gate(harness: Harness, clients: list[Raw], recipient: str):
    second = parts(PORT, recipient, BAD, 2)[1]
    assert [client.ask(second).status for client in clients * 3] == [ESME_RMSGQFUL] * 4 + [FIRST_MISSING] * 2
    assert harness.carrier.to(recipient) == []


def test_a_gate_that_dies_between_parts_leaves_its_verdict_and_with_a_part_that_waits_nothing_undone(
    harness: Harness, clients: list[Raw], recipient: str, numbers: Iterator[int]
):
    dying, living = clients
    judged, waiting = recipient, SHANGHAI.format(next(numbers))
    first, second = parts(PORT, judged, TEXT, 2)
    assert dying.ask(first).status == 0
    left = len(up(harness))
    one, two = parts(PORT, waiting, TEXT, 2, reference=8)
    dying.send(one)
    until(lambda: len(up(harness)) > left, "the part on the board")
    harness.gates[0].signal(signal.SIGKILL)
    harness.gates[0].wait()
    assert living.ask(second).status == 0
    assert living.ask(two).status == ESME_RMSGQFUL  # it does not leave without the first part
    assert living.ask(one).status == 0  # nobody was told that it had been taken: it goes again
    assert living.ask(two).status == 0
    assert {seen.fields.short_message[5] for seen in harness.carrier.to(waiting)} == {1, 2}
    for person in (judged, waiting):
        assert living.submit(PORT, person).status == CAP
