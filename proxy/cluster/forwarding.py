"""Forwards delivers to the gate at which their provider is bound.

In: mailbox items; letters of other gates; which providers are bound at which gate. Out: letters; delivers in this gate's journal and mailbox.
Never: removes an item before another gate has it synced.

To the mailbox, another gate is one more bind (``ForwardingRoute``), used where the provider has none here. It has room for ROOM letters, takes
items, and answers when they are synced at the other gate. Until then the item stays here, and is sent again after a failure: a gate that has it
already takes it only once, as long as it remembers the letter. Letters lie in one stream per gate, sealed:

    letter   b"d" number u64, time u64 ms, kind, provider, the PDU       a deliver: the number is the sender's
             b"a" number u64 …                                           these are synced here
"""

from __future__ import annotations

import asyncio
import struct
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import structlog

from proxy.journal.encoding import U64, Ms, Rest, Text, pack, unpack
from proxy.journal.records import delivers, messages
from proxy.model.number import masked_repr
from proxy.relay.deliver import DeliverRelay
from proxy.state.mailbox.deliver_queue import Item
from proxy.state.shared.connection import StoreRefused
from proxy.state.shared.log import Letter, Place
from proxy.wire import Frame, Malformed, read_deliver

if TYPE_CHECKING:
    from proxy.state.stores.valkey import ValkeyStore

log = structlog.get_logger()

POLL_S = 0.05
HERE_S = 0.5  # between two looks at who is bound where
ROOM = 500  # unanswered letters to one gate: with 50 ms a round, 10,000 a second
ANSWER_S = 10.0  # after this time without an answer of a gate its letters are sent again
KNOWN_MAX = 50_000  # letters that are remembered, so that a repeated letter is taken once
ACKS_MAX = 1000
AFTER_FAULT_S = 1.0  # a lasting fault is logged once a second
_DELIVER, _ACKS = b"d", b"a"


@masked_repr
class _LetterBody(NamedTuple):
    """A deliver on its way to another gate."""

    number: U64
    at: Ms
    kind: Text
    provider: Text
    data: Rest


class ForwardingRoute:
    """Another gate, used like a bind that takes items."""

    def __init__(self, node: int, post: Forwarding) -> None:
        self.node = node
        self.handed: dict[int, tuple[Item, float]] = {}  # unanswered items, with the time they were handed over
        self._forwarding = post

    @property
    def room(self) -> int:
        return ROOM - len(self.handed) if self._forwarding.open else 0

    def hand_all(self, items: Sequence[Item]) -> None:
        now_s, letters = self._forwarding.monotonic(), self._forwarding.letters.setdefault(self.node, [])
        for item in items:
            self.handed[item.number] = item, now_s
            letters.append(pack_deliver(item))

    def answered(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            if (found := self.handed.pop(number, None)) is not None:
                self._forwarding.deliver_relay.delivered(found[0])
                self._forwarding.deliver_relay.due.add(found[0].box.provider)

    def give_up(self, before_s: float) -> None:
        """Items handed over before ``before_s`` are sent again."""
        late = [item for item, at_s in self.handed.values() if at_s < before_s]
        for item in late:
            del self.handed[item.number]
        if late:
            self._forwarding.deliver_relay.lost(late)


class ForwardedDeliver:
    """A deliver of another gate on its way into this one's mailbox (a RecordChange that changes no recipient's record)."""

    __slots__ = ("recipient", "_forwarding", "_letter", "_number", "_at", "_kind", "_provider", "_data", "_item")

    def __init__(self, post: Forwarding, letter: Letter) -> None:
        """Raises ValueError or struct.error if the letter is no deliver."""
        self.recipient = 0
        self._forwarding, self._letter = post, letter
        self._number, self._at, self._kind, self._provider, self._data = unpack(_LetterBody, letter.body[1:])
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
        except Malformed:  # the provider gets it as the carrier sent it
            source = port = ""
        return messages.DELIVER, pack(delivers.DeliverRecord(now, self._kind, source, port, self._provider, self._data))

    def done(self, recorded: int) -> None:
        deliver_relay = self._forwarding.deliver_relay
        self._item = deliver_relay.mailbox.put(recorded, self._provider, self._at, self._kind, self._data)
        deliver_relay.relay.when_synced(recorded, self._safe)

    def unwritten(self) -> bool:
        self._forwarding.forget(self)  # the sending gate still has it, and sends it again
        return False

    def _safe(self) -> None:
        deliver_relay = self._forwarding.deliver_relay
        assert self._item is not None
        deliver_relay.mailbox.ready(self._item)
        deliver_relay.due.add(self._item.box.provider)
        self._forwarding.acknowledge(self)


class Forwarding:
    def __init__(
        self,
        store: ValkeyStore,
        deliver_relay: DeliverRelay,
        bound: Callable[[], Iterable[str]],
        wake: Callable[[], None],
        monotonic: Callable[[], float],
    ) -> None:
        """``bound``: providers with a receiving bind at this gate."""
        self.deliver_relay, self.monotonic = deliver_relay, monotonic
        self.letters: dict[int, list[bytes]] = {}  # to be sent, by gate
        self.open = False  # whether other gates can be reached
        self._store, self._bound, self._wake = store, bound, wake
        self._routes: dict[int, ForwardingRoute] = {}
        self._where: dict[str, list[int]] = {}
        self._known: OrderedDict[tuple[int, int], bool] = OrderedDict()  # letters that have arrived; whether they are synced
        self._unsynced: dict[tuple[int, int], Place] = {}  # letters that are not synced, with their places, in order
        self._acks: dict[int, list[int]] = {}
        self._place: Place = (0, 0)
        self._cleared: Place = (0, 0)
        self._looked_s = -HERE_S

    def routes(self, provider: str) -> list[ForwardingRoute]:
        """Other gates at which the provider is bound."""
        return [
            self._routes.setdefault(node, ForwardingRoute(node, self))
            for node in self._where.get(provider, ())
            if node != self._store.node
        ]

    def acknowledge(self, deliver: ForwardedDeliver) -> None:
        node, number = deliver.name
        self._known[deliver.name] = True
        self._unsynced.pop(deliver.name, None)
        self._acks.setdefault(node, []).append(number)

    def forget(self, deliver: ForwardedDeliver) -> None:
        self._known.pop(deliver.name, None)
        self._unsynced.pop(deliver.name, None)

    async def run(self) -> None:
        while True:
            try:
                await self._find_gates()
                await self._send()
                await self._collect()
                self.open = True
            except OSError:
                self._disconnected()
            except StoreRefused as error:
                log.error("the store refused forwarding", problem=str(error))
                self._disconnected()
            except Exception as error:  # the next letters must be taken all the same
                log.error("forwarding failed: a fault of gate106, please report it", exc_info=error)
                self._disconnected()
                await asyncio.sleep(AFTER_FAULT_S)
            await asyncio.sleep(POLL_S)

    def _disconnected(self) -> None:
        """No gate can be reached: unanswered items are sent again, at this gate or another."""
        self.open, self._where = False, {}
        self.letters.clear()
        for route in self._routes.values():
            route.give_up(float("inf"))
        self._wake()

    async def _find_gates(self) -> None:
        now_s = self.monotonic()
        if now_s - self._looked_s < HERE_S:
            return
        self._looked_s = now_s
        where = await self._store.announce_bound(self._bound())
        new = {provider for provider, nodes in where.items() if set(nodes) - set(self._where.get(provider, ()))}
        self._where = where
        for route in self._routes.values():
            route.give_up(now_s - ANSWER_S)
        if new:
            self.deliver_relay.due.update(new)
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
                log.error("cannot read a letter of another gate", node=letter.node, why=str(error))
            except Exception as error:  # its sender sends it again; those behind it must not wait for it
                log.error(
                    "cannot take a letter of another gate: a fault of gate106, please report it",
                    node=letter.node,
                    exc_info=error,
                )
        if found:
            self._place = found[-1].place
            self._wake()
        done = self._done_place
        if done > self._cleared:
            await self._store.clear(done)
            self._cleared = done
        while len(self._known) > KNOWN_MAX:
            self._unsynced.pop(self._known.popitem(last=False)[0], None)

    @property
    def _done_place(self) -> Place:
        """The place up to which all letters are synced, or were known."""
        for milliseconds, number in self._unsynced.values():
            return milliseconds, number - 1  # -1 is before all of that millisecond
        return self._place

    def _take(self, letter: Letter) -> None:
        if letter.body[:1] == _ACKS:
            count = (len(letter.body) - 1) // 8
            if (route := self._routes.get(letter.node)) is not None:
                route.answered(struct.unpack_from(f">{count}Q", letter.body, 1))
            return
        deliver = ForwardedDeliver(self, letter)
        if (synced := self._known.get(deliver.name)) is None:
            self._known[deliver.name] = False
            self._unsynced[deliver.name] = letter.place
            try:
                self.deliver_relay.relay.note(deliver)
            except Exception:
                self.forget(deliver)
                raise
        elif synced:
            self._acks.setdefault(letter.node, []).append(deliver.name[1])


def pack_deliver(item: Item) -> bytes:
    return _DELIVER + pack(_LetterBody(item.number, item.at, item.kind, item.box.provider, item.data))
