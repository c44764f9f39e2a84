"""Gates that replicate to each other in memory: each has a store and a journal of its own, on one shared log, without sockets.

In: which gate does what, tells, hears, is killed. Out: what each knows. Never: a process, a disk, time that passes by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

from pyroaring import BitMap

from proxy.cluster.replication import Record, Replication
from proxy.desk.operator_orders.book import OrderBook
from proxy.journal.encoding import pack, unpack
from proxy.journal.records import consents, gate_events, messages, operator_actions
from proxy.journal.records.consents import BatchEvent, ConsentChange, ConsentFile, Terms
from proxy.journal.write_ahead_log import Journal, read
from proxy.model.message import Order, hash32
from proxy.model.recipient import OptOut
from proxy.relay.effects.consents import ConsentImport, PersonChange, apply_event
from proxy.relay.effects.list_import import ChunkedImports, ListImport
from proxy.relay.effects.optouts import Confirmation, RefusedTexts, ReplyEffect, ReplyTo, Widening
from proxy.relay.effects.record_changes import RecordChange
from proxy.relay.effects.replay import replay
from proxy.relay.effects.suppression import SuppressionChange
from proxy.state.lists.desk_records import Numbering
from proxy.state.lists.suppression_lists import CHUNK_BITS, LOW_MASK
from proxy.state.record import record, reply_ports
from proxy.state.record.optout_candidates import Port
from proxy.state.shared.log import NODES, LogEntry, Place
from proxy.state.stores.sqlite import SqliteStore
from tests.journal.memory_disk import MemoryDisk

PORT, PROVIDER, WIDEN_AFTER = "10690011", "jia", 3
PEOPLE = (13_800_138_000, 13_800_138_001)
FAR = 2_000_000_000
"""Seconds since 1970."""


class Clock:
    """All gates' watches: whole seconds, as what is said of people has them."""

    def __init__(self, now: float = 1_700_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def pass_a_second(self) -> None:
        self.now += 1


class Stream:
    """What all were told, in order: the shared log."""

    def __init__(self) -> None:
        self.told: list[LogEntry] = []
        self.last: dict[int, int] = {}


class Copy(SqliteStore):
    """A gate's own copy and its way to the log; nobody else's records."""

    shared, caught_up = True, True

    def __init__(self, stream: Stream, node: int) -> None:
        super().__init__(None)
        self.stream, self.node = stream, node
        self.read_to: Place = (0, 0)
        self.hears_max = 500
        """Of one call, as the log's reader hands them out."""
        self.orders.numbered = self.consented.numbered = Numbering(NODES, node)

    async def publish(self, records: Sequence[Record] = ()) -> int:
        for sequence, kind, body in records:
            if sequence > self.stream.last.get(self.node, 0):
                self.stream.told.append(LogEntry((1, len(self.stream.told) + 1), self.node, sequence, kind, body))
                self.stream.last[self.node] = sequence
        return self.stream.last.get(self.node, 0)

    async def read_log(self) -> list[LogEntry]:
        return [one for one in self.stream.told if one.place > self.read_to][: self.hears_max]


class Node:
    """``opened``: its store, as it is after a start, from nothing but its journal."""

    def __init__(self, opened: Callable[[], Any], clock: Clock) -> None:
        self._opened, self.now = opened, clock
        self.disk = MemoryDisk()
        self._done: list[RecordChange] = []
        """In force, and not written."""
        self.begin()

    def begin(self) -> None:
        """A life of it: what was written is replayed."""
        self.store, self.journal = self._opened(), Journal(self.disk)
        found = replay(self.store, read(self.disk, 1), 0, tells=True)
        assert found.listings is not None
        self.store.read_to = max(self.store.read_to, found.read_to)
        self.sharing = Replication(
            self.store, self.journal, found.listings, [(one.sequence, one.kind, one.body) for one in found.unpublished], ChunkedImports(), stale_s=60,
            kick=self.sync, on_applied=lambda _: self.book.reread(), clock=self.now, monotonic=self.now,
        )  # fmt: skip
        self.book = OrderBook(self.store.orders, self.write, lambda: None)
        self.write(messages.START, pack(gate_events.Start(self.now(), self.store.node, 0)))

    def kill(self) -> None:
        """It is gone between two turns; what it had written is there."""
        self.hand_over()
        self.store.halt() if hasattr(self.store, "halt") else None
        self.begin()

    def sync(self) -> None:
        self.journal.note_synced(self.journal.sync())

    def write(self, kind: int, body: bytes) -> int:
        sequence = self.journal.append(kind, body)
        self.journal.write(self.now())
        self.sharing.publish([(sequence, kind, body)])
        return sequence

    async def talk(self) -> None:
        """Tells what is synced, hears what there is."""
        await self.sharing.exchange()
        assert not self.sharing.problem

    # -- a person

    async def change(self, *changes: RecordChange) -> None:
        """As the relay does it: into the record, and written a turn later."""
        person = changes[0].recipient
        for _ in range(20):
            version, data = (await self.store.load([person]))[person]
            after = data
            for one in changes:
                after = one.apply(after, self.now())
            if after is data or (await self.store.swap([(person, version, after)]))[0]:
                break
        else:
            raise AssertionError("never taken")
        self._done += changes

    def hand_over(self) -> None:
        """Writes what changes say, and tells."""
        done, self._done = self._done, []
        told: list[tuple[int, int, bytes]] = []
        sequences: list[int] = []
        for one in done:
            kind, bodies = cast("tuple[int, bytes | tuple[bytes, ...]]", one.written(self.now()) or (0, ()))
            parts = bodies if isinstance(bodies, tuple) else (bodies,)
            told.extend((self.journal.append(kind, body), kind, body) for body in parts)
            sequences.append(told[-1][0] if bodies else 0)
        self.journal.write(self.now())
        for one, sequence in zip(done, sequences, strict=True):
            one.done(sequence)
        self.sharing.publish(told)

    async def officer(self, person: int, added: Sequence[OptOut], off: str = "") -> None:
        """``off``: the scope of what is taken back."""
        wanted = (lambda one: one.scope == off) if off else None
        await self.change(SuppressionChange(person, added, wanted, self.store.listed, "li", "asked", _nothing))

    async def reply(self, person: int, text: str) -> None:
        heard = ReplyEffect(
            str(person), text, ReplyTo(Port(PORT, PROVIDER, frozenset()), PORT[:7]), lambda hashed: None, _nothing
        )
        heard.recipient = person
        more: list[RecordChange] = [
            RefusedTexts(heard, lambda template: f"text {template}"),
            Widening(heard, self._widened, _nothing),
        ]
        await self.change(heard, *more)
        if heard.opt_outs:
            await self.change(Confirmation(heard, "done", _nothing))

    def _widened(self, refusals: Sequence[OptOut], now: float) -> OptOut | None:
        many = len([one for one in refusals if one.source == "reply" and one.scope != "category"]) >= WIDEN_AFTER
        return OptOut("category", "marketing", int(now), "reply", 0) if many else None

    async def befalls(self, person: int, event: str) -> None:
        said = ConsentChange(self.now(), person, event, "li", "asked", before=int(self.now()) - 1, name=person)
        await self.change(PersonChange(said, self.store, _nothing))

    # -- the harness

    def order(self) -> None:
        self.book.give(Order(0, "throttle", (), self.now(), FAR, "li", "too many complaints"), self.now())

    def lift(self, place: int) -> None:
        """One of the orders that it knows."""
        if orders := self.book.of_kind("throttle"):
            self.book.lift(orders[place % len(orders)], self.now(), "li", "over")

    def agree(self) -> None:
        """A file of consents."""
        said = ConsentFile(self.now(), (Terms("a", "", 0, 0, ""),), "web", "", "", "file.csv", 0, "li", "asked")
        incoming = ConsentImport(self.write(messages.CONSENT_FILE, pack(said)), said)
        chunk = pack(consents.Chunk(incoming.sequence, 0, PEOPLE[0] >> CHUNK_BITS, _bits(PEOPLE)))
        self.write(messages.CONSENTS, chunk)
        incoming.add(chunk, len(PEOPLE))
        event = incoming.whole(self.now(), self.store.consented)
        self.write(messages.CONSENT_EVENT, pack(event))
        for _ in incoming.apply(event, self.store.consented):
            pass

    def review(self, place: int, verdict: str) -> None:
        if batches := self.store.consented.batches():
            number = batches[place % len(batches)][0].number
            event = BatchEvent(self.now(), "reviewed", (number,), f"node {self.store.node}", "seen", verdict)
            self.write(messages.CONSENT_EVENT, pack(event))
            apply_event(self.store.consented, event)

    def ask(self, key: int) -> None:
        """Somebody's request with an Idempotency-Key was dealt with."""
        body = pack(operator_actions.ExternalOptOut(self.now(), bytes([key]) * 16, bytes(16), self.store.node, "app", "app"))
        self.write(messages.TOLD, body)
        self.store.idempotency_keys.remember(bytes([key]) * 16, body)

    def list_all(self) -> None:
        """A list with everybody on it."""
        refusal = OptOut("all", "", int(self.now()), "import", 0)
        body = pack(operator_actions.ListBegun(self.now(), False, (refusal,), "li", "asked", "list.csv"))
        listing = ListImport(self.write(messages.LISTING, body), unpack(operator_actions.ListBegun, body))
        chunk = pack(operator_actions.ListChunk(listing.sequence, 0, PEOPLE[0] >> CHUNK_BITS, _bits(PEOPLE)))
        self.write(messages.LISTED, chunk)
        listing.add(chunk, len(PEOPLE))
        self.write(messages.LISTING_DONE, listing.done(self.now()))
        for _ in listing.apply(self.store.listed):
            pass

    # -- what it knows

    def knows(self) -> dict[str, Any]:
        store = self.store
        return {
            "people": {person: words(store.held(person)) for person in PEOPLE},
            "lists": {person: sorted(store.listed.refusals(person)) for person in PEOPLE},
            "forgotten": [store.erased.has(person) for person in PEOPLE],
            "orders": store.orders.held,
            "consents": [(batch, count) for batch, count in store.consented.batches()],
            "asked": store.idempotency_keys.held,
        }


def words(data: bytes) -> dict[str, Any]:
    """What a person said, as their record has it."""
    held = record.opt_outs(data)
    return {
        "refusals": sorted(held),
        "withdrawals": sorted(record.withdrawals(data)),
        "texts": sorted(record.Record(data).refused_texts()),
        "confirmed": [reply_ports.confirmed(data, one) for one in sorted(held)],
        "sent to": sorted(one for one in held if reply_ports.name_of(one) in reply_ports.refused_at(data, hash32(PORT))),
    }


def _bits(people: Sequence[int]) -> bytes:
    return BitMap([person & LOW_MASK for person in people]).serialize()


def _nothing(*_: Any) -> None:
    return None
