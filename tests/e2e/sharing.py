"""Sharing: several gates on one store, and people who send to them.

In: a folder, rules, what the gates are told of the store. Out: gates that run, and what became of submits. Never: a test.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple, Protocol

from tests.e2e.carrier import Carrier
from tests.e2e.gate import SHANGHAI, Gate, provider
from tests.e2e.pdus import ESME_ROK, RESPONSE, SUBMIT_SM
from tests.e2e.raw import Raw
from tests.valkey import SECRET, Valkey

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
PORTS = {"jia": "1069001", "yi": "1069002", "bing": "1069003"}


class Harness(NamedTuple):
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
            provider("jia", PORTS["jia"], category="marketing", window=500, binds=8),
            provider("yi", PORTS["yi"]),
            provider("bing", PORTS["bing"]),
        ],
        node=node,
        carrier={"links": links},
        store=server.url,
        shared={"secret": SECRET.decode()} | shared,
    )
    gate.write_rules(rules)
    return gate


def started(
    after: ExitStack,
    folder: Path,
    carriers: Sequence[Carrier],
    ways: Sequence[Reached],
    rules: str = RULES,
    links: object = 4,
    **shared: object,
) -> list[Gate]:
    """A gate for each way to the store, with that carrier; ``after`` stops them."""
    gates = []
    for node, (carrier, way) in enumerate(zip(carriers, ways, strict=True), 1):
        gates.append(gate_on(folder / f"node-{node}", node, carrier, way, rules, links, **shared))
        gates[-1].start()
        after.callback(gates[-1].stop)
    return gates


def server_and_carrier(folder: Path, after: ExitStack, *, acl: bool = False) -> tuple[Valkey, Carrier]:
    server = Valkey(folder / "valkey", acl=acl)
    after.callback(server.kill)
    carrier = Carrier()
    after.callback(carrier.stop)
    return server, carrier


def harness_of(folder: Path, after: ExitStack, rules: str = RULES, *, acl: bool = False, **shared: object) -> Harness:
    """Two gates with one carrier."""
    server, carrier = server_and_carrier(folder, after, acl=acl)
    return Harness(server, carrier, started(after, folder, [carrier] * 2, [server] * 2, rules, **shared))


def people(numbers: Iterator[int], count: int) -> list[str]:
    return [SHANGHAI.format(next(numbers)) for _ in range(count)]


def send(gate: Gate, who: str, *recipients: str) -> list[int]:
    """One submit to each, one after the other; their statuses."""
    with Raw(gate.port) as client:
        client.bind(who)
        return [client.submit(PORTS[who], recipient).status for recipient in recipients]


def send_all(client: Raw, recipients: list[str], told: Counter[str]) -> None:
    """One submit to each, all at once; whose was allowed."""
    waiting = {}
    for recipient in recipients:
        data = client.submit_bytes(PORTS["jia"], recipient)
        waiting[int.from_bytes(data[12:16], "big")] = recipient
        client.send(data)
    while waiting:
        found = client.next()
        assert found is not None
        if found.command == SUBMIT_SM | RESPONSE and found.sequence in waiting:  # a deliver has numbers of its own
            recipient = waiting.pop(found.sequence)
            told[recipient] += found.status == ESME_ROK


def allowed(gate: Gate, recipients: list[str]) -> Counter[str]:
    """One submit of jia's to each, all at once; how many were allowed to each."""
    told: Counter[str] = Counter()
    with Raw(gate.port) as client:
        client.bind("jia")
        send_all(client, recipients, told)
    return +told


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


def in_reach(gate: Gate) -> bool:
    """Whether the gate reaches the store."""
    return gate.metric("gate106_store_up") == 1
