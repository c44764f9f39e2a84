"""A letter that fails is sent again by its sender, and delays no other letter."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest

from proxy.cluster.forwarding import ForwardedDeliver, Forwarding, pack_deliver
from proxy.relay.deliver import DeliverRelay
from proxy.state.mailbox.deliver_queue import Item
from proxy.state.shared.log import Letter, Place
from tests.crash.harness import until
from tests.e2e.pdus import DELIVER_SM, message, pdu

OTHER, HERE = 1, 2


class Letters:
    """The streams of two gates, in memory; this one is the second."""

    node, up = HERE, True

    def __init__(self) -> None:
        self.stream: list[Letter] = []
        self.sent: list[bytes] = []

    def put(self, number: int, body: bytes) -> None:
        self.stream.append(Letter((number, 0), OTHER, body))

    async def announce_bound(self, names: Iterable[str]) -> dict[str, list[int]]:
        return {}

    async def post(self, node: int, letters: Sequence[bytes]) -> None:
        self.sent += letters

    async def collect(self, after: Place) -> list[Letter]:
        return [one for one in self.stream if one.place > after]

    async def clear(self, upto: Place) -> None:
        self.stream = [one for one in self.stream if one.place > upto]


class Taken:
    """Stands where the way back does: notes letters, and has them synced when it is told to. One provider's it stumbles over."""

    def __init__(self) -> None:
        self.came: list[str] = []
        self.post: Forwarding
        self.relay = SimpleNamespace(note=self.note)
        self.due: set[str] = set()

    def note(self, came: ForwardedDeliver) -> None:
        name = came.written(0)[1].decode(errors="replace")
        if "faulty" in name:
            raise KeyError("a fault")
        self.came.append(name)
        self.post.acknowledge(came)


class Steady(Letters):
    """At every look one letter more is there, and what came two looks before is synced."""

    def __init__(self, taken: Later) -> None:
        super().__init__()
        self._taken = taken
        self.looks = 0
        self.held_max = 0
        self.lost: list[int] = []

    async def collect(self, after: Place) -> list[Letter]:
        self.looks += 1
        self.put(self.looks, deliver("jia", self.looks))
        self.held_max = max(self.held_max, len(self.stream))
        self._taken.sync_all_but(2)
        return await super().collect(after)

    async def clear(self, upto: Place) -> None:
        await super().clear(upto)
        there = {number for (number, _), _, _ in self.stream}
        self.lost += [number for number in self._taken.unsynced if number not in there]


class Later(Taken):
    """Has letters synced only when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self._noted: list[ForwardedDeliver] = []

    @property
    def unsynced(self) -> list[int]:
        return [came.name[1] for came in self._noted]

    def note(self, came: ForwardedDeliver) -> None:
        self._noted.append(came)

    def sync_all_but(self, count: int) -> None:
        while len(self._noted) > count:
            self.post.acknowledge(self._noted.pop(0))


def deliver(provider: str, number: int) -> bytes:
    data = pdu(DELIVER_SM, 1, message(b"13800210001", b"1069001", b"R"))
    item = SimpleNamespace(number=number, at=0.0, kind="reply", box=SimpleNamespace(provider=provider), data=data)
    return pack_deliver(cast("Item", item))


def test_a_letter_that_this_gate_stumbles_over_holds_up_none_behind_it_and_none_stays_in_the_stream() -> None:
    letters, taken = Letters(), Taken()
    for number, provider in enumerate(("jia", "faulty", "yi"), 1):
        letters.put(number, deliver(provider, number))

    async def live() -> None:
        loop = asyncio.get_running_loop()
        taken.post = post = Forwarding(cast("Any", letters), cast("DeliverRelay", taken), list, lambda: None, loop.time)
        running = loop.create_task(post.run())
        await until(lambda: letters.sent and not letters.stream, "all taken")
        assert [("jia" in one, "yi" in one) for one in taken.came] == [(True, False), (False, True)]
        letters.sent.clear()
        letters.put(4, deliver("faulty", 2))  # its sender had no answer
        letters.put(5, deliver("jia", 1))
        await until(lambda: letters.sent and not letters.stream, "all taken")
        assert len(taken.came) == 2, "what was taken is not taken again, but said to be"
        running.cancel()
        await asyncio.wait([running])

    asyncio.run(live())


def test_under_a_steady_flow_the_stream_holds_what_is_not_synced_and_little_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.cluster.forwarding.POLL_S", 0.001)
    taken = Later()
    letters = Steady(taken)

    async def live() -> None:
        loop = asyncio.get_running_loop()
        taken.post = post = Forwarding(cast("Any", letters), cast("DeliverRelay", taken), list, lambda: None, loop.time)
        running = loop.create_task(post.run())
        await until(lambda: letters.looks > 50, "many looks")
        running.cancel()
        await asyncio.wait([running])

    asyncio.run(live())
    assert letters.held_max <= 5
    assert letters.lost == []
