"""The simulated world: providers, relay, store, journal, carrier and clock in one thread. No sockets, no sleeping, no event loop.

Everything that can go wrong is drawn from one seed: a wall clock that jumps, delays, reordering, refusals, silence, answers that come late or twice, lost
links, conflicts in the store, a disk that is full, read-only or does not sync, kills and power losses with a restart from only what was written or synced. What DESIGN
§2 and §3 promise is checked when it could first be broken, not at the end: ``Broken`` says which promise, and when.

Here are the clock, the gate's lives and the disasters. The others have rooms of their own:

    providers.py  what is sent, and told     longs.py   long messages            carrier.py  what leaves the gate
    people.py     what they reply            meaning.py what they mean by it     mail.py    the way back
    store.py, disk.py  where things are kept
    asking.py     queries, cancels, replacements                                nouns.py    what all of them know
    operators.py  what they stop, whom they suppress                            agreeing.py  who agreed, took that back, was forgotten
    rest.py       what must hold at the end  bugs.py    what must be found
"""

from __future__ import annotations

import heapq
import random
from collections import Counter
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from proxy.journal.encoding import pack
from proxy.journal.records import gate_events, messages
from proxy.journal.write_ahead_log import Journal, JournalDown, read
from proxy.model.counters import GateCounters
from proxy.model.message import Category, Message, Verdict
from proxy.net.lane import Lane
from proxy.policy.loading.load_rules import load
from proxy.policy.ruleset import RuleSet
from proxy.relay.account_access import Access, PortTable
from proxy.relay.commands import Commands, lane_finder
from proxy.relay.deliver import DeliverRelay
from proxy.relay.effects.list_import import ChunkedImports
from proxy.relay.effects.replay import ID_GAP, replay, settle_open
from proxy.relay.message_ids import MessageIds
from proxy.relay.message_index import Restoring, SentIndex
from proxy.relay.optout_reply import OptOutSettings, ReplyHandler
from proxy.relay.pending_submit import PendingSubmit
from proxy.relay.submit import Relay
from proxy.state.counters.aggregates import Aggregates
from proxy.state.mailbox.mailbox import Bounds
from tests.journal.memory_disk import MemoryDisk
from tests.simulation import rest
from tests.simulation.agreeing import Agreeing
from tests.simulation.asking import Asking
from tests.simulation.carrier import Carrier
from tests.simulation.disk import OnDisk
from tests.simulation.longs import Longs
from tests.simulation.mail import Mail
from tests.simulation.meaning import Meaning
from tests.simulation.nouns import CONFIRMED, NOON, PORTS, RUN_S, Broken, Deliver, Moment, SimBind, Submit
from tests.simulation.operators import Operators
from tests.simulation.people import People
from tests.simulation.providers import Providers
from tests.simulation.store import SimStore, aggregates_of, dumped

CLOCKS = 1 / 3
"""In so many worlds the wall clock jumps, by these and by less."""
STEPS_S = (3600.0, -3600.0, 1.5, -1.5, 0.2, -0.2)


def the_rules() -> RuleSet:
    """Each world reads its own: a set remembers signatures it has met, and with those of another world all would go otherwise."""
    return load(Path(__file__).parent / "rules")


class World:
    def __init__(self, seed: int, bug: Callable[[World], None] | None = None) -> None:
        self.seed = seed
        self.random = random.Random(seed)
        self.rules = the_rules()
        self.now = NOON
        """As everybody but the gate's wall clock has it, and its monotonic one."""
        self.skew_s = self.latest_wall = 0.0
        self.steps: Counter[str] = Counter()
        self.events: list[tuple[float, int, int, Callable[[], None]]] = []
        self.ticket = 0
        self.epoch = 0  # grows with each restart: what was scheduled by a dead gate never happens
        self.slow_store = self.chance(0.5)
        self.syncs_per_s = self.random.choice([300, 300, 30])
        self.faults = self.random.choice([0.0, 0.1, 0.3])
        self.disk = MemoryDisk(room_bytes=(0, 64, 5_000)[seed % 3])
        self.saved: tuple[dict[int, tuple[int, bytes]], Any, int, int, int, int, dict[int, bytes]] | None = None
        self.delivers: list[Deliver] = []
        self.submits: list[Submit] = []
        self.by_entry: dict[int, list[Submit]] = {}
        self.restarts = 0
        self.deaths: Counter[str] = Counter()
        self.disk_failures: Counter[str] = Counter()
        self.bug = bug
        self._written, self._synced = OnDisk(), OnDisk()
        self.coded = self.chance(0.5)
        self.carriers = [Carrier(self, "bj", "B1", self.random.choice(["same", "same", "dec", "hex"]))]
        if self.coded:
            self.carriers.append(Carrier(self, "sh", "S1", self.random.choice(["dec", "hex"])))
        self.providers, self.longs, self.asking = Providers(self), Longs(self), Asking(self)
        self.people, self.mail = People(self), Mail(self)
        self.operators, self.agreeing, self.meaning = Operators(self, seed), Agreeing(self, seed), Meaning(self)
        self.start()

    # ------------------------------------------------------------------ chance and time

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability

    @property
    def wall(self) -> float:
        """What the gate's wall clock says."""
        wall = self.now + self.skew_s
        self.latest_wall = max(self.latest_wall, wall)
        return wall

    @property
    def moment(self) -> Moment:
        disk = self.on_disk()
        return Moment(disk.groups, len(disk.turns), self.wall)

    def judged_at(self, submit: Submit, transit: PendingSubmit) -> float:
        """Not before this moment was it judged, as everybody's clock has it; parts that come later inherit."""
        long = transit.long
        if long is None:
            return submit.sent_at
        judged_at: float = long.first_s if self.steps else long.judged_at
        return judged_at  # its first part may be of another message with its key

    def clock_steps(self, seconds: float) -> None:
        """It is set: by hand, or by NTP."""
        self.steps["forward" if seconds > 0 else "back"] += 1
        before = self.wall
        self.skew_s += seconds
        self.relay.clock_jumped(seconds)  # a gate looks ten times a second
        self.relay.tick(self.wall)
        self.wake()
        self.operators.tick(before)

    def later(self, seconds: float, do: Callable[[], None], forever: bool = False) -> None:
        """``forever``: also after a restart of the gate (what the outside world does)."""
        self.ticket += 1
        heapq.heappush(self.events, (self.now + seconds, self.ticket, -1 if forever else self.epoch, do))

    def some_time(self, do: Callable[[], None]) -> None:
        """While there is traffic."""
        self.later(self.random.uniform(0, RUN_S * 0.6), do, forever=True)

    def run(self) -> None:
        for n in range(self.random.randint(30, 80)):
            self.some_time(self.providers.submit)
            if n % 4 == 0:
                self.some_time(self.people.reply)
            if n % 5 == 0:
                self.some_time(self.asking.ask)
        for _ in range(self.random.randint(0, 3)):
            self.some_time(self.crash)
            self.some_time(self.random.choice(self.carriers).link_drops)
            self.some_time(self.disk_fails)
            self.some_time(self.checkpoint)
            self.some_time(self.mail.provider_leaves)
        self.operators.begin()
        self.agreeing.begin()
        self.meaning.begin()
        self._plan_steps()
        self.come_to_rest()

    def come_to_rest(self) -> None:
        """All that is planned happens, and what comes of it."""
        while self.events:
            at, _, epoch, do = heapq.heappop(self.events)
            if at > NOON + 10 * RUN_S:
                raise Broken("the world does not come to rest")
            self.now = max(self.now, at)
            if epoch in (-1, self.epoch):
                do()
        rest.check_at_rest(self)

    def _plan_steps(self) -> None:
        """In some worlds; of a dice of their own, so that the others are what they were."""
        dice = random.Random(f"clock {self.seed}")
        if dice.random() < CLOCKS:
            for _ in range(dice.randint(1, 3)):
                step = partial(self.clock_steps, dice.choice(STEPS_S) * dice.uniform(0.5, 1))
                self.later(dice.uniform(0, RUN_S * 0.6), step, forever=True)

    # ------------------------------------------------------------------ the gate

    def start(self) -> None:
        """One life of the gate begins with what the last checkpoint and the journal hold."""
        self.epoch += 1
        self.tally = GateCounters()
        self.turn_scheduled = self.syncing = False
        self.parts_due = 0.0
        self.ids = MessageIds("coded" if self.coded else "carrier", self.carriers)
        for carrier in self.carriers:
            carrier.gate_starts(self.ids.of.get(carrier.name))
        highest, index = self._restore()
        self.journal = Journal(self.disk, 0)
        ports = PortTable(cast("Any", tuple(SimpleNamespace(name=name, ports=(port,)) for name, port in PORTS.items())))
        accesses = self._open_binds(ports)
        self.relay = Relay(
            directory=cast("Any", SimpleNamespace(ports=ports, pacers={}, accesses=accesses)),
            rules=self.rules,
            store=cast("Any", self.store),
            journal=self.journal,
            routes=cast("Any", SimpleNamespace(only=None, lane=self.lane_of)),
            tally=self.tally,
            spawn=self.spawn,
            wake=self.wake,
            sync=self.sync,
            first_id=highest + ID_GAP,
        )
        self.operators.gate_starts()
        self.agreeing.gate_starts()
        common = {carrier.name: carrier.lane for carrier in self.carriers}
        self.commands = Commands(self.relay, index, lane_finder(common), self.ids.own, self.ids.coded, lambda: self.wall)
        manners = OptOutSettings(self.people.widen_after, 30, {CONFIRMED: "退订已生效"})
        self.reply_handler = ReplyHandler(self.relay, self.tally, manners, lambda: self.wall, lambda: self.now)
        self.deliver_relay = DeliverRelay(
            self.relay,
            self.reply_handler,
            self.tally,
            self.store.mailbox,
            lambda provider: cast("Any", [one for one in self.mail.receivers if one.provider == provider]),
            {},
            frozenset(),
            lambda: self.wall,
            self.ids.of,
        )
        self.deliver_relay.open(Bounds(), PORTS)
        self.mail.gate_starts()
        self.journal.append(messages.START, pack(gate_events.Start(self.wall, 0, self.relay.highest_id)))
        self.journal.write(self.wall)
        self.journal.note_synced(self.journal.sync())
        if self.bug is not None:
            self.bug(self)
        self.tick()

    def _restore(self) -> tuple[int, SentIndex]:
        """The store as a restart finds it; the highest entry id that was given out, the messages that are known by their ids."""
        rows: dict[int, bytes] = {}
        if self.saved is None:
            store = SimStore(self, {}, Aggregates(), 0)
            open_from, counted, highest = 1, 0, 1
        else:
            records, counters, versions, counted, open_from, highest, rows = self.saved
            store = SimStore(self, dict(records), aggregates_of(counters), versions)
            for number, packed in rows.items():
                store.mailbox.restore(number, packed)
        index = SentIndex([carrier.name for carrier in self.carriers])
        self.operators.restore(store)
        self.agreeing.restore(store)
        found = replay(cast("Any", store), read(self.disk, open_from), counted, Restoring(index))
        settle_open(cast("Any", store), found)
        self.in_pieces = ChunkedImports(open_from, found.last_sequence)
        self.ids.restore(found.learnt)
        self.asking.gate_starts(open_from)
        self.mail_rows = dict(rows)
        if {item.number for item in store.mailbox.items()} != self.on_disk().waiting:
            raise Broken("the mailbox after a restart is not what was not delivered before")
        self.store = store
        return max(found.highest_id, highest), index

    def lane_of(self, message: Message, verdict: Verdict) -> Lane | None:
        """A person's messages go to one carrier, and to the other while that is down."""
        first = message.recipient % len(self.carriers)
        return next((one.lane for one in (*self.carriers[first:], *self.carriers[:first]) if one.link.up), None)

    def link_to(self, name: str) -> Any:
        return next(carrier.link for carrier in self.carriers if carrier.name == name)

    def _open_binds(self, ports: PortTable) -> dict[str, Access]:
        self.binds: dict[str, SimBind] = {}
        accesses: dict[str, Access] = {}
        for name in PORTS:
            provider = SimpleNamespace(
                name=name,
                statuses="vendor",
                status_detail="none",
                replace=True,
                category=Category.MARKETING,
                since=None,
                reserved_values="refuse",
            )
            account = SimpleNamespace(system_id=name, ports=None)
            access = Access(cast("Any", provider), cast("Any", account), (), ports)
            accesses[name] = access
            for bind, window in (("", 8), ("-second", 8), ("-narrow", 1)):
                self.binds[name + bind] = SimBind(self, access, window, epoch=self.epoch)
        return accesses

    def spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        try:
            seconds = coroutine.send(None)
        except StopIteration:
            return
        self.later(cast("float", seconds), lambda: self.spawn(coroutine))

    def wake(self) -> None:
        if not self.turn_scheduled:
            self.turn_scheduled = True
            self.later(self.random.choice([0.0, 0.001]), self.turn)

    def turn(self) -> None:
        self.turn_scheduled = False
        self.relay.turn(self.wall)
        self.deliver_relay.turn(self.wall)
        self.relay.handed.clear()
        self.relay.completed.clear()
        self.longs.check_waits()
        next_s = self.relay.parts.next_s
        if next_s is not None and next_s != self.parts_due:
            self.parts_due = next_s
            self.later(max(0.0, next_s - self.now), self.parts_are_due)

    def parts_are_due(self) -> None:
        self.parts_due = 0.0
        self.relay.due(self.now)
        self.wake()

    def tick(self) -> None:
        self.relay.tick(self.wall)
        self.deliver_relay.tick(self.wall)
        self.operators.tick()
        self.wake()
        if self.now < NOON + 3 * RUN_S:
            self.later(1.0, self.tick)

    def sync(self) -> None:
        if not self.syncing and self.journal.written > self.journal.synced:
            self.syncing = True
            self.later(self.random.expovariate(self.syncs_per_s), self.sync_ends)

    def sync_ends(self) -> None:
        """As net.Syncer: what the disk does not sync is tried again soon, and safe for nobody until then."""
        self.syncing = False
        try:
            self.journal.note_synced(self.journal.sync())
        except JournalDown:
            self.syncing = True
            self.later(0.1, self.sync_ends)
            return
        self.relay.turn(self.wall)
        self.deliver_relay.turn(self.wall)
        self.sync()

    def checkpoint(self) -> None:
        """As app.Gate.checkpoint: synced first, never amid a batch."""
        relay = self.relay
        if relay.journal_down or relay.has_unwritten_changes:
            return
        try:
            self.journal.note_synced(self.journal.sync())
        except JournalDown:
            return
        if self.chance(0.3):
            self.checkpoint_begins()
            return
        counted = self.journal.written
        open_from = min((transit.recorded for transit in relay.in_flight.values()), default=counted + 1)
        if not self.ids.carry(self.journal, self.wall):
            return
        try:
            self.journal.note_synced(self.journal.sync())
        except JournalDown:
            return
        mailbox = self.store.mailbox
        mailbox.freeze()
        while rows := mailbox.collect(3):
            self.mail_rows.update(rows)
        mailbox.thaw(done=True)
        self.mail_rows = {number: packed for number, packed in self.mail_rows.items() if packed}
        begun = (one for one in (self.operators.checkpoint(), self.agreeing.checkpoint()) if one is not None)
        open_from = self.in_pieces.outside(min(open_from, *begun, open_from))
        self.saved = (
            dict(self.store.records), dumped(self.store.counters), self.store.versions, counted, open_from, relay.highest_id,
            dict(self.mail_rows),
        )  # fmt: skip

    def checkpoint_begins(self) -> None:
        """One that is killed: some groups of records are in the file as they are now, the file's place in the journal is as before."""
        records, counters, _, counted, open_from, highest, rows = self.saved or ({}, dumped(Aggregates()), 0, 0, 1, 1, {})
        held: dict[int, tuple[int, bytes]] = {}
        for person in sorted({*records, *self.store.records}):
            found = (self.store.records if self.chance(0.5) else records).get(person)
            if found is not None:
                held[person] = found
        self.saved = (held, counters, self.store.versions, counted, open_from, highest, rows)

    # ------------------------------------------------------------------ disasters

    def crash(self) -> None:
        self.restarts += 1
        kills = self.chance(0.5)
        self.deaths["killed" if kills else "power lost"] += 1
        if kills:
            self.disk.kill()
        else:
            self.disk.power_loss(self.random.choice([0, 0, 7, 40, 200]))
        self.disk.free_bytes = None
        self._written, self._synced = OnDisk(), OnDisk()
        self.providers.gate_died()
        self.longs.gate_died()
        self.start()

    def disk_fails(self) -> None:
        """It is full, read-only, or fails to sync (what it should have kept is then lost, unless it is written again)."""
        kind = self.random.choice(["full", "read-only", "sync fails"])
        self.disk_failures[kind] += 1
        if kind == "full":
            self.disk.free_bytes = self.random.randint(0, 600)
        elif kind == "read-only":
            self.disk.read_only = True
        else:
            self.disk.sync_fails = True
        self.later(self.random.uniform(0.5, 5), self.disk_mended, forever=True)

    @property
    def disk_takes_all(self) -> bool:
        return self.disk.free_bytes is None and not self.disk.read_only

    def disk_mended(self) -> None:
        self.disk.free_bytes, self.disk.read_only, self.disk.sync_fails = None, False, False

    # ------------------------------------------------------------------ what is on the disk

    def on_disk(self, synced: bool = False) -> OnDisk:
        """What a restart would find now: all that was written, or only what was synced."""
        disk = self.disk
        found = self._synced if synced else self._written
        found.follow(disk, disk.safe_bytes if synced else lambda name: len(disk.read(name)))
        return found
