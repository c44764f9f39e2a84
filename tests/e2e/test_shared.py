"""Several gates on one store: what one has let through the other counts, whatever happens to either, or to the store."""

from __future__ import annotations

import signal
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple, Protocol

import pytest

from tests.e2e.carrier import Carrier
from tests.e2e.gate import SHANGHAI, Gate, provider
from tests.e2e.pdus import ESME_ROK
from tests.e2e.raw import Raw
from tests.needs import needs
from tests.valkey import SECRET, Valkey

pytestmark = needs("valkey")
CAP = 3
RULES = f"""\
rules:
  - id: daily-cap
    say: 每天最多{CAP}条
    when: {{category: marketing}}
    limit: {{count: {CAP}, per: day, key: [recipient]}}
    then: reject
    reason: recipient-cap
"""


class House(NamedTuple):
    server: Valkey
    carrier: Carrier
    gates: list[Gate]


class Reached(Protocol):
    """A store, as a gate is told of it."""

    @property
    def url(self) -> str: ...


def gate_on(
    folder: Path, node: int, carrier: Carrier, server: Reached, rules: str = RULES, links: object = 4, **shared: object
) -> Gate:
    """``links``: of the carrier's account, over all gates: one for each at least."""
    folder.mkdir()
    gate = Gate(
        folder,
        carrier.port,
        [
            provider("jia", "1069001", category="marketing", window=500, binds=8),
            provider("yi", "1069002"),
            provider("bing", "1069003"),
        ],
        node=node,
        carrier={"links": links},
        store=server.url,
        shared={"secret": SECRET.decode()} | shared,
    )
    gate.write_rules(rules)
    return gate


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with ExitStack() as after:
        server = Valkey(tmp_path / "valkey")
        after.callback(server.kill)
        carrier = Carrier()
        after.callback(carrier.stop)
        gates = [gate_on(tmp_path / f"node-{node}", node, carrier, server) for node in (1, 2)]
        for gate in gates:
            gate.start()
            after.callback(gate.stop)
        yield House(server, carrier, gates)


def people(numbers: Iterator[int], count: int) -> list[str]:
    return [SHANGHAI.format(next(numbers)) for _ in range(count)]


def send_all(client: Raw, recipients: list[str], told: Counter[str]) -> None:
    """One submit to each, all at once; whose was allowed."""
    waiting = {}
    for recipient in recipients:
        data = client.submit_bytes("1069001", recipient)
        waiting[int.from_bytes(data[12:16], "big")] = recipient
        client.send(data)
    while waiting:
        found = client.next()
        assert found is not None
        if found.sequence in waiting:
            recipient = waiting.pop(found.sequence)
            told[recipient] += found.status == ESME_ROK


def at_once(gates: list[Gate], recipients: list[str], rounds: int) -> Counter[str]:
    """Each gate is sent all recipients so often, at the same time; how many were allowed to each."""
    told = [Counter[str]() for _ in gates]

    def send(gate: Gate, mine: Counter[str], reverse: bool) -> None:
        with Raw(gate.port) as client:
            client.bind("jia")
            for _ in range(rounds):
                send_all(client, recipients[::-1] if reverse else recipients, mine)

    threads = [
        threading.Thread(target=send, args=(gate, mine, number % 2 == 1))
        for number, (gate, mine) in enumerate(zip(gates, told, strict=True))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(told, Counter())


def test_a_person_gets_what_the_cap_allows_over_all_gates_to_the_message(house, numbers):
    recipients = people(numbers, 100)
    assert at_once(house.gates * 2, recipients, 2) == dict.fromkeys(recipients, CAP)
    assert Counter(seen.fields.destination for seen in house.carrier.seen) == dict.fromkeys(recipients, CAP)


def test_a_gate_that_sleeps_amid_its_work_does_not_let_through_what_others_have_used_up(house, numbers):
    asleep, awake = house.gates
    recipients = people(numbers, 60)
    told: Counter[str] = Counter()
    with Raw(asleep.port) as client:
        client.bind("jia")
        waiting = {}
        for at, recipient in enumerate(recipients * CAP):
            data = client.submit_bytes("1069001", recipient)
            waiting[int.from_bytes(data[12:16], "big")] = recipient
            client.send(data)
            if at % 20 == 10:  # wherever it is
                asleep.signal(signal.SIGSTOP)
                told += at_once([awake], recipients[at % 60 : at % 60 + 5], 2)
                asleep.signal(signal.SIGCONT)
        while waiting:
            found = client.next()
            assert found is not None
            if found.sequence in waiting:
                told[waiting.pop(found.sequence)] += found.status == ESME_ROK
    told += at_once([awake], recipients, 1)
    assert told == dict.fromkeys(recipients, CAP)
