"""Post: what waits at this gate for a provider that is bound at another goes there, and what others send for one that is bound here comes in.

In: items of the mailbox, letters of other gates, who is bound where. Out: letters; delivers in this gate's journal and mailbox. Never: an item
that is let go of before another gate has it synced.

To the mailbox another gate is one more bind (``ForwardingRoute``), used where the provider has none here: it has room for so many letters, is handed
items, and answers when they are synced over there. Whatever happens in between, the item is still here, and goes again: to a gate that
has it already it comes twice, and is taken once while that gate remembers the letter. Letters lie in a stream of each gate, sealed:

    letter   b"d" number u64, time u64 ms, kind, provider, the PDU       a deliver: the number is the sender's
             b"a" number u64 …                                           these are synced here
"""

from __future__ import annotations

import asyncio
import struct
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

import structlog

from proxy.journal.encoding import BodyReader, word
from proxy.journal.records import delivers, messages
from proxy.relay.deliver import DeliverRelay
from proxy.runtime.ticker import until_beat
from proxy.state.mailbox.deliver_queue import Item
from proxy.state.shared.connection import StoreRefused
from proxy.state.shared.log import Letter, Place
from proxy.wire import Frame, Malformed, read_deliver

log = structlog.get_logger()

POLL_S = 0.05
HERE_S = 0.5
"""Between two looks at who is bound where."""
ROOM = 500
"""Letters to one gate that are not answered: so many at 50 ms a round are 10,000 a second."""
ANSWER_S = 10.0
"""A gate that has not answered for so long will not: its letters go again."""
KNOWN_MAX = 50_000
"""Letters that are remembered, so that one that comes twice is taken once."""
ACKS_MAX = 1000
AFTER_FAULT_S = 1.0
"""A fault of its own that stays is told once a second, not at every look."""
_DELIVER, _ACKS = b"d", b"a"
_HEAD = struct.Struct(">QQ")


class Mail(Protocol):
    """What a shared store offers beside what every store does (state/stores/valkey.py)."""

    node: int
    up: bool

    async def say_here(self, names: Iterable[str]) -> dict[str, list[int]]: ...
    async def post(self, node: int, letters: Sequence[bytes]) -> None: ...
    async def collect(self, after: Place) -> list[Letter]: ...
    async def clear(self, upto: Place) -> None: ...


class ForwardingRoute:
    """Another gate, as a bind that items are handed to."""

    def __init__(self, node: int, post: Forwarding) -> None:
        self.node = node
        self.handed: dict[int, tuple[Item, float]] = {}
        """Not answered, with when they were handed over."""
        self._post = post

    @property
    def room(self) -> int:
        return ROOM - len(self.handed) if self._post.open else 0

    def hand_all(self, items: Sequence[Item]) -> None:
        now_s, letters = self._post.monotonic(), self._post.letters.setdefault(self.node, [])
        for item in items:
            self.handed[item.number] = item, now_s
            letters.append(pack_deliver(item))

    def answered(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            if (found := self.handed.pop(number, None)) is not None:
                self._post.way_back.delivered(found[0])
                self._post.way_back.due.add(found[0].box.provider)

    def give_up(self, before_s: float) -> None:
        """What was handed over before goes again."""
        late = [item for item, at_s in self.handed.values() if at_s < before_s]
        for item in late:
            del self.handed[item.number]
        if late:
            self._post.way_back.lost(late)


class Came:
    """A deliver of another gate on its way into this one's mailbox (a Change that alters nobody's record)."""

    __slots__ = ("recipient", "_post", "_letter", "_number", "_at", "_kind", "_provider", "_data", "_item")

    def __init__(self, post: Forwarding, letter: Letter) -> None:
        """ValueError, struct.error where it is no deliver."""
        self.recipient = 0
        self._post, self._letter = post, letter
        reader = BodyReader(letter.body, 1)
        self._number, time_ms = reader.take(_HEAD)
        self._at, self._kind, self._provider, self._data = time_ms / 1000, reader.string(), reader.string(), reader.rest()
        self._item: Item | None = None

    @property
    def name(self) -> tuple[int, int]:
        return self._letter.node, self._number

    def apply(self, data: bytes, now: float) -> bytes:
        return data

    def written(self, now: float) -> tuple[int, bytes]:
        try:
            seen = read_deliver(Frame.of(self._data))
            source, port = seen.source, seen.destination
        except Malformed:  # which is between the carrier and the provider
            source = port = ""
        return messages.DELIVER, delivers.pack_deliver(now, self._kind, source, port, self._provider, self._data)

    def done(self, recorded: int) -> None:
        way_back = self._post.way_back
        self._item = way_back.mailbox.put(recorded, self._provider, self._at, self._kind, self._data)
        way_back.relay.when_synced(recorded, self._safe)

    def unwritten(self) -> bool:
        self._post.forget(self)  # the sender has it, and sends it again
        return False

    def _safe(self) -> None:
        way_back = self._post.way_back
        assert self._item is not None
        way_back.mailbox.ready(self._item)
        way_back.due.add(self._item.box.provider)
        self._post.acknowledge(self)


class Forwarding:
    def __init__(
        self,
        store: Mail,
        way_back: DeliverRelay,
        bound: Callable[[], Iterable[str]],
        wake: Callable[[], None],
        monotonic: Callable[[], float],
    ) -> None:
        """``bound``: providers with a bind here that receives."""
        self.way_back, self.monotonic = way_back, monotonic
        self.letters: dict[int, list[bytes]] = {}
        """To be sent, by gate."""
        self.open = False
        """Whether other gates can be reached."""
        self._store, self._bound, self._wake = store, bound, wake
        self._ways: dict[int, ForwardingRoute] = {}
        self._where: dict[str, list[int]] = {}
        self._known: OrderedDict[tuple[int, int], bool] = OrderedDict()
        """Letters that came; whether they are synced."""
        self._unsynced: dict[tuple[int, int], Place] = {}
        """Those that are not, with their places, in order."""
        self._acks: dict[int, list[int]] = {}
        self._place: Place = (0, 0)
        self._cleared: Place = (0, 0)
        self._looked_s = -HERE_S

    def ways(self, provider: str) -> list[ForwardingRoute]:
        """Other gates at which the provider is bound."""
        return [
            self._ways.setdefault(node, ForwardingRoute(node, self))
            for node in self._where.get(provider, ())
            if node != self._store.node
        ]

    def acknowledge(self, came: Came) -> None:
        node, number = came.name
        self._known[came.name] = True
        self._unsynced.pop(came.name, None)
        self._acks.setdefault(node, []).append(number)

    def forget(self, came: Came) -> None:
        self._known.pop(came.name, None)
        self._unsynced.pop(came.name, None)

    async def run(self) -> None:
        while True:
            try:
                await self._look()
                await self._send()
                await self._collect()
                self.open = True
            except OSError:
                self._closed()
            except StoreRefused as error:
                log.error("post of other gates", problem=str(error))
                self._closed()
            except Exception as error:  # whatever it is: the next letters must come
                log.error("the post failed: a fault of gate106, please report it", exc_info=error)
                self._closed()
                await asyncio.sleep(AFTER_FAULT_S)
            await asyncio.sleep(until_beat(self.monotonic(), POLL_S))

    def _closed(self) -> None:
        """Nobody can be reached: what was under way goes again, here or there."""
        self.open, self._where = False, {}
        self.letters.clear()
        for way in self._ways.values():
            way.give_up(float("inf"))
        self._wake()

    async def _look(self) -> None:
        now_s = self.monotonic()
        if now_s - self._looked_s < HERE_S:
            return
        self._looked_s = now_s
        where = await self._store.say_here(self._bound())
        new = {provider for provider, nodes in where.items() if set(nodes) - set(self._where.get(provider, ()))}
        self._where = where
        for way in self._ways.values():
            way.give_up(now_s - ANSWER_S)
        if new:
            self.way_back.due.update(new)
            self._wake()

    async def _send(self) -> None:
        letters, self.letters = self.letters, {}
        acks, self._acks = self._acks, {}
        for node, numbers in acks.items():
            for at in range(0, len(numbers), ACKS_MAX):
                some = numbers[at : at + ACKS_MAX]
                letters.setdefault(node, []).append(_ACKS + struct.pack(f">{len(some)}Q", *some))
        for node, some_letters in letters.items():
            await self._store.post(node, some_letters)

    async def _collect(self) -> None:
        found = await self._store.collect(self._place)
        for letter in found:
            try:
                self._take(letter)
            except (ValueError, struct.error) as error:
                log.error("a letter of another gate cannot be read", node=letter.node, why=str(error))
            except Exception as error:  # its sender sends it again; those behind it must not wait for it
                log.error("a letter was not taken: a fault of gate106, please report it", node=letter.node, exc_info=error)
        if found:
            self._place = found[-1].place
            self._wake()
        done = self._done
        if done > self._cleared:
            await self._store.clear(done)
            self._cleared = done
        while len(self._known) > KNOWN_MAX:
            self._unsynced.pop(self._known.popitem(last=False)[0], None)

    @property
    def _done(self) -> Place:
        """Up to here letters are synced, or were known."""
        for milliseconds, number in self._unsynced.values():
            return milliseconds, number - 1  # -1 is before all of that millisecond
        return self._place

    def _take(self, letter: Letter) -> None:
        if letter.body[:1] == _ACKS:
            count = (len(letter.body) - 1) // 8
            if (way := self._ways.get(letter.node)) is not None:
                way.answered(struct.unpack_from(f">{count}Q", letter.body, 1))
            return
        came = Came(self, letter)
        if (synced := self._known.get(came.name)) is None:
            self._known[came.name] = False
            self._unsynced[came.name] = letter.place
            try:
                self.way_back.relay.note(came)
            except Exception:
                self.forget(came)
                raise
        elif synced:
            self._acks.setdefault(letter.node, []).append(came.name[1])


def pack_deliver(item: Item) -> bytes:
    head = _HEAD.pack(item.number, int(item.at * 1000))
    return b"".join((_DELIVER, head, word(item.kind), word(item.box.provider), item.data))
