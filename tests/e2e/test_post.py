"""What arrives at one gate reaches the provider that is bound at another: all of it, in order, whatever dies in between."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.e2e.carrier import Carrier
from tests.e2e.gate import SHANGHAI, Gate
from tests.e2e.pdus import read_message
from tests.e2e.raw import Raw
from tests.e2e.sharing import started
from tests.e2e.waiting import until
from tests.needs import needs
from tests.valkey import Valkey

pytestmark = needs("valkey")
LI = SHANGHAI.format(7)


class Harness(NamedTuple):
    server: Valkey
    carriers: list[Carrier]
    gates: list[Gate]


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[Harness]:
    """Each gate with a carrier of its own, so that it is known where something arrives."""
    with ExitStack() as after:
        server = Valkey(tmp_path / "valkey")
        after.callback(server.kill)
        carriers = [Carrier(), Carrier()]
        for carrier in carriers:
            after.callback(carrier.stop)
        gates = started(after, tmp_path, carriers, [server] * 2, links=2)  # one each: what arrives over several is in no order
        yield Harness(server, carriers, gates)


def arrive(carrier: Carrier, *texts: str) -> None:
    sent = [carrier.reply(LI, "1069001", text.encode()) for text in texts]
    until(lambda: all(one.sequence in carrier.answers for one in sent), "the carrier acknowledged", 10)
    assert [carrier.answers[one.sequence].status for one in sent] == [0] * len(sent)


def delivered(client: Raw, count: int) -> list[str]:
    return [read_message(client.delivered().data).short_message.decode() for _ in range(count)]


def waiting(gate: Gate) -> float:
    return gate.metric("gate106_mailbox_messages", provider="jia")


def test_what_arrives_at_one_gate_is_delivered_at_the_other_in_order(harness: Harness) -> None:
    one, other = harness.gates
    texts = [f"hello {number}" for number in range(30)]
    arrive(harness.carriers[0], *texts[:10])
    assert waiting(one) == 10
    with Raw(other.port) as client:
        client.bind("jia")
        assert delivered(client, 10) == texts[:10]
        arrive(harness.carriers[0], *texts[10:])
        assert delivered(client, 20) == texts[10:]
        until(lambda: waiting(one) == waiting(other) == 0, "nothing waits", 10)
        with Raw(one.port) as nearer:
            nearer.bind("jia")
            arrive(harness.carriers[0], "here")
            assert delivered(nearer, 1) == ["here"]


def test_what_another_gate_has_taken_over_survives_its_death(harness: Harness) -> None:
    one, other = harness.gates
    texts = [f"hello {number}" for number in range(5)]
    with Raw(other.port) as deaf:
        deaf.bind("jia")
        arrive(harness.carriers[0], *texts)
        until(lambda: waiting(one) == 0, "all over there", 10)
        other.signal(signal.SIGKILL)
        other.wait()
    other.start()
    with Raw(other.port) as client:
        client.bind("jia")
        assert delivered(client, 5) == texts
        assert client.alive()


def test_while_the_store_is_away_it_waits_where_it_arrived_and_nothing_is_lost(harness: Harness) -> None:
    one, other = harness.gates
    with Raw(other.port) as client:
        client.bind("jia")
        arrive(harness.carriers[0], "before")
        assert delivered(client, 1) == ["before"]
        until(lambda: waiting(one) == 0, "the other's word that it has it", 10)
        harness.server.kill()
        until(lambda: one.metric("gate106_store_up") == 0, "the store lost", 10)
        arrive(harness.carriers[0], "meanwhile")
        assert waiting(one) == 1
        harness.server.start()
        assert delivered(client, 1) == ["meanwhile"]
        until(lambda: waiting(one) == waiting(other) == 0, "nothing waits", 20)
