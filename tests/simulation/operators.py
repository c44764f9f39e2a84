"""Operators: they stop providers, enter refusals of people, take them back, bring lists in; what they were told is done holds.

In: choices of their own from the seed (others' stay what they were). Out: orders, refusals, lists, as the commands make them. Never: the
commands themselves (ops): here is what they lean on, under crashes, full disks and conflicts.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from pyroaring import BitMap

from proxy.desk.operator_orders.book import OrderBook
from proxy.journal.encoding import pack, unpack
from proxy.journal.records import messages, operator_actions
from proxy.journal.write_ahead_log import JournalDown
from proxy.model.message import Order
from proxy.model.recipient import OptOut
from proxy.relay.effects.list_import import ListImport
from proxy.relay.effects.suppression import SuppressionChange
from proxy.relay.pending_submit import PendingSubmit
from proxy.state.lists.suppression_lists import CHUNK_BITS, LOW_MASK
from tests.simulation.nouns import PEOPLE, PORTS, RUN_S, Broken, Moment, Submit

if TYPE_CHECKING:
    from tests.simulation.store import SimStore
    from tests.simulation.world import World

ACTS = 14
PROVIDER = "provider"
"""The scope of all that operators enter: no reply of a person has it."""


class Operators:
    def __init__(self, world: World, seed: int) -> None:
        self.world = world
        self.random = random.Random(f"operators {seed}")
        self.saved: tuple[dict[int, bytes], int, dict[int, bytes]] = ({}, 0, {})  # orders and lists in the last checkpoint
        self.rows: dict[int, bytes] = {}
        self.stops: dict[int, tuple[float, float, str]] = {}  # order → told when, until when, which provider
        self._taken_back: dict[tuple[int, str], float] = {}  # person, provider → when that was asked for
        self._taking_back: set[tuple[int, str]] = set()  # … and not told yet: it may end what a list said meanwhile
        self.held: dict[tuple[int, str], float] = {}  # person, provider → when it was told that it is suppressed
        self.ever: set[tuple[int, str]] = set()
        self.given: dict[int, tuple[str, float]] = {}  # orders that may be in force → which provider, until when
        self.seen = dict.fromkeys(
            ("stopped", "lifted", "over", "entered", "taken back", "listed", "taken off", "half a list"), 0
        )

    def begin(self) -> None:
        acts: list[Callable[[], None]] = [
            self.stop,
            self.stop,
            self.enter,
            self.enter,
            self.take_back,
            partial(self.bring_in, False),
            partial(self.bring_in, True),
        ]
        for _ in range(self.random.randint(0, ACTS)):
            self.world.later(self.random.uniform(0, RUN_S * 0.6), self.random.choice(acts), forever=True)

    # ------------------------------------------------------------------ the gate's lives

    def restore(self, store: SimStore) -> None:
        """What the last checkpoint held, before the journal is replayed."""
        orders, highest, lists = self.saved
        store.orders.held, store.orders.highest, self.rows = dict(orders), highest, dict(lists)
        store.listed.restore(iter(lists.items()))

    def gate_starts(self) -> None:
        self.listing: ListImport | None = None
        self._taking_back.clear()
        self._going: list[int] = []  # numbers of that list which are written
        self.book = OrderBook(self.world.store.orders, self._write, self._obey)
        self._obey()

    def checkpoint(self) -> int | None:
        """Notes what a checkpoint holds; the record from which on the journal must be read for it."""
        store = self.world.store
        store.listed.freeze()
        while rows := store.listed.collect(3):
            self.rows.update(rows)
        store.listed.thaw(done=True)
        self.rows = {row: data for row, data in self.rows.items() if data}
        self.saved = dict(store.orders.held), store.orders.highest, dict(self.rows)
        return self.listing.sequence if self.listing is not None else None

    def tick(self, before: float = 0.0) -> None:
        over = self.book.sweep(self.world.wall, before)
        if over and self.world.disk_takes_all and not self.world.relay.journal_down:
            told = self.world.on_disk().ended
            for order in over:
                if order.id not in told:
                    raise Broken(f"{order.name} is over, and the journal does not say so")
                self.seen["over"] += 1
        self.world.store.listed.expire(self.world.wall)

    def _obey(self) -> None:
        relay = self.world.relay
        relay.rules = relay.rules.with_orders(self.book.of_kind("stop"))

    def _write(self, kind: int, body: bytes) -> int:
        world = self.world
        if world.relay.journal_down:
            raise JournalDown(world.relay.journal_down)
        sequence = world.journal.append(kind, body)
        world.journal.write(world.wall)
        world.sync()
        return sequence

    # ------------------------------------------------------------------ what they do

    def stop(self) -> None:
        """Stops a provider for a while, or ends a stop."""
        world, given = self.world, self.book.of_kind("stop")
        try:
            if given and self.random.random() < 0.4:
                order = self.random.choice(given)
                self.stops.pop(order.id, None)
                sequence = self.book.lift(order, world.wall, "ops", "mended")
                world.relay.when_synced(sequence, partial(self._lifted, order))
                return
            name = self.random.choice(list(PORTS))
            until = world.wall + self.random.uniform(1, 15)
            order, sequence = self.book.give(
                Order(0, "stop", ((PROVIDER, (name,)),), world.wall, until, "ops", "why"), world.wall
            )
        except JournalDown:
            return
        self.given[order.id] = name, order.until
        world.relay.when_synced(sequence, partial(self._stopped, order, name))

    def _lifted(self, order: Order) -> None:
        self.seen["lifted"] += 1

    def _stopped(self, order: Order, name: str) -> None:
        if order.id not in self.world.on_disk(synced=True).orders:
            raise Broken(f"{order.name} was told to be in force before it was synced")
        if self.book.find(order.id) is not None:  # nobody has lifted it meanwhile
            self.stops[order.id] = self.world.now, order.until, name
            self.seen["stopped"] += 1

    def enter(self) -> None:
        """A person is not to be written to by a provider."""
        person, name = self.random.choice(PEOPLE), self.random.choice(list(PORTS))
        self.ever.add((person, name))
        refusal = OptOut(PROVIDER, name, int(self.world.wall), "officer", 0)
        self._says(person, (refusal,), "")

    def take_back(self) -> None:
        if not self.held:
            return
        person, name = self.random.choice(sorted(self.held))
        del self.held[person, name]
        self._taken_back[person, name] = self.world.now
        self._taking_back.add((person, name))
        self._says(person, (), name)

    def _says(self, person: int, added: tuple[OptOut, ...], name: str) -> None:
        def wanted(one: OptOut) -> bool:
            return one[:2] == (PROVIDER, name)

        change = SuppressionChange(
            person,
            added,
            wanted if name else None,
            self.world.store.listed,
            "ops",
            "why",
            partial(self._written, self.world.now),
        )
        self.world.relay.change(change)

    def _written(self, asked_at: float, change: SuppressionChange, recorded: int) -> None:
        self.world.relay.when_synced(recorded, partial(self._said, asked_at, change))

    def _said(self, asked_at: float, change: SuppressionChange) -> None:
        for one in change.added:
            if self._taken_back.get((change.recipient, one.value), 0.0) < asked_at:  # else it is told late, and stands no more
                self.held[change.recipient, one.value] = self.world.now
            self.seen["entered"] += 1
        if not change.added:
            self._taking_back -= {(change.recipient, name) for name in PORTS}
        self.seen["taken back"] += bool(change.lifted)

    def bring_in(self, off: bool) -> None:
        """A list begins; its numbers come one by one, and the gate may die in between."""
        if self.listing is not None:
            return
        name = self.random.choice(list(PORTS))
        people = self.random.sample(PEOPLE, self.random.randint(1, 4))
        refusal = OptOut(PROVIDER, name, int(self.world.wall), "import", 0)
        body = pack(operator_actions.ListBegun(self.world.wall, off, (refusal,), "ops", "why", "list.csv"))
        try:
            self.listing = ListImport(self._write(messages.LISTING, body), unpack(operator_actions.ListBegun, body))
        except JournalDown:
            return
        if not off:
            self.ever.update((person, name) for person in people)
        self._go_on(people, name, off)

    def _go_on(self, people: list[int], name: str, off: bool) -> None:
        listing = self.listing
        assert listing is not None
        try:
            if people:
                person, *left = people
                lows = BitMap((person & LOW_MASK,))
                body = pack(operator_actions.ListChunk(listing.sequence, 0, person >> CHUNK_BITS, lows.serialize()))
                self._write(messages.LISTED, body)
                listing.add(body, 1)
                self._going.append(person)
                self.world.later(self.random.uniform(0, 0.5), partial(self._go_on, left, name, off))
                return
            if off:
                for person in self._going:
                    self.held.pop((person, name), None)
            sequence = self._write(messages.LISTING_DONE, listing.done(self.world.wall))
        except JournalDown:
            self._ends()
            self.seen["half a list"] += 1
            return
        self._put_in_force(listing.apply(self.world.store.listed), sequence, name, off)

    def _put_in_force(self, chunks: Iterator[int], sequence: int, name: str, off: bool) -> None:
        """Chunk by chunk, while others are served."""
        for _ in chunks:
            if self.world.slow_store:  # else it is judged again, and the journal does not tell how far this had come
                self.world.later(self.random.expovariate(50), partial(self._put_in_force, chunks, sequence, name, off))
                return
        if off:
            self.world.relay.refusals.clear()
        people = self._going
        self._ends()
        self.world.relay.when_synced(sequence, partial(self._listed, people, name, off))

    def _ends(self) -> None:
        assert self.listing is not None
        self.world.in_pieces.ended(self.listing.sequence, self.world.journal.written)
        self.listing, self._going = None, []

    def _listed(self, people: list[int], name: str, off: bool) -> None:
        self.seen["taken off" if off else "listed"] += 1
        if not off:
            now = dict.fromkeys([(person, name) for person in people], self.world.now)
            self.held.update({key: at for key, at in now.items() if self._still(*key) and key not in self._taking_back})

    def _still(self, person: int, name: str) -> bool:
        """Nobody has taken it back between the writing and the telling."""
        return any(one[:2] == (PROVIDER, name) for one in self.world.store.listed.refusals(person))

    # ------------------------------------------------------------------ promises

    def check_sent(self, submit: Submit, transit: PendingSubmit) -> None:
        began_at = self.world.judged_at(submit, transit)
        for number, (told_at, until, name) in self.stops.items():
            if name == submit.provider and told_at < began_at and self.world.latest_wall < until:
                raise Broken(f"submit {submit.number} was sent though stop-{number} was told to be in force")
        told_at = self.held.get((submit.recipient, submit.provider), self.world.now)
        if told_at < began_at:
            raise Broken(f"submit {submit.number} was sent to a person who was told to be suppressed")

    def may_stop(self, provider: str, asked: Moment) -> bool:
        """Whether what a provider sent then may have been stopped. A number that a power loss took back is given again."""
        ended, wall = self.world.on_disk().ended, min(asked.wall, self.world.wall)
        return any(
            name == provider and until > wall and ended.get(number, asked.groups + 1) > asked.groups
            for number, (name, until) in self.given.items()
        )

    def may_hold_back(self, submit: Submit) -> bool:
        return (submit.recipient, submit.provider) in self.ever

    def check_at_rest(self, fresh: SimStore) -> None:
        """``fresh``: a store after a replay of the whole journal."""
        world = self.world
        live = world.store.orders.held
        there = {
            number
            for number, body in fresh.orders.held.items()
            if unpack(operator_actions.Ordered, body).order.until > world.latest_wall
        }
        if {
            number for number in live if unpack(operator_actions.Ordered, live[number]).order.until > world.latest_wall
        } != there:
            raise Broken("a replay of the journal gives other orders")
        for person in PEOPLE:
            if set(fresh.listed.refusals(person)) != set(world.store.listed.refusals(person)):
                raise Broken(f"a replay of the journal gives other lists for {person}")
