"""The simulated world: providers, relay, store, journal, carrier and clock in one thread. No sockets, no sleeping, no event loop.

Everything that can go wrong is drawn from one seed: delays, reordering, refusals, silence, answers that come late or twice, lost
links, conflicts in the store, a full disk, kills and power losses with a restart from only what was written or synced. What DESIGN
§2 and §3 promise is checked when it could first be broken, not at the end: ``Broken`` says which promise, and when.
"""

from __future__ import annotations

import copy
import heapq
import random
from collections import Counter
from collections.abc import Callable, Coroutine, Generator, Iterable
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from proxy import policy
from proxy.access import Access, Ports
from proxy.changes import Effect
from proxy.commands import Data
from proxy.desk import entries, mail
from proxy.desk.entries import OptedOut, Restored, Said, Verdict
from proxy.desk.journal import Journal, MemoryDisk, Record, read
from proxy.hearing import Hearing, Manners
from proxy.message import Category, EntryState, OptOut, hash48
from proxy.multi import Together, submit_multi
from proxy.net.lane import Lane
from proxy.relay import Relay
from proxy.replay import ID_GAP, replay, settle_open
from proxy.replies import ALL_MARKETING
from proxy.state import record, replied
from proxy.state.aggregates import Aggregates
from proxy.state.box import Item
from proxy.state.mailbox import UNOWNED, Bounds, Mailbox
from proxy.tally import Tally
from proxy.transit import Apart, Transit
from proxy.way_back import WayBack
from proxy.wire import Frame, data_sm_resp, deliver_sm, deliver_sm_resp, read_fields, submit_sm, submit_sm_resp
from proxy.wire.multi import read_multi
from tests import pdus
from tests.simulation.longs import Longs, LongSent

NOON = 1_762_833_600.0  # 2025-11-11 12:00 in Shanghai: half a day is left before the calendar day ends
RUN_S = 60.0
RESPONSE_S = 3.0
CAP = 3
QUOTA = 8
WORDS = {"甲": "TD", "乙": "QXDY"}
"""Two advertisers behind each port, and what each asks to be answered with: one everybody knows, one nobody does."""
REPLIES = {
    "TD": "optout", "ｔｄ": "optout", "QXDY": "declared", "退订": "optout", "START": "restore", "取消退订": "restore",
    "怎么退订": "review", "谢谢": "reply", "A": "reply",
}  # fmt: skip
"""What people write, and what it is; "declared": a refusal if they had a message that asked for it."""
CONFIRMED = "jia"
"""The provider whose people are told that their refusal is in force."""
BEIJING = 13800100001
PEOPLE = [13800210000 + n for n in range(6)] + [BEIJING]  # six in Shanghai
PORTS = {"jia": "1069001", "yi": "1069002"}
NOBODYS = "1069009"
ESME_RSYSERR = 0x08
SUPPRESSED = 0x420
SCOPES = ("advertiser", "port", "category")
CARRIER_REFUSES = 0x45  # ESME_RSUBMITFAIL
NOT_NOW, NEVER = 0x64, 0x66  # ESME_RX_T_APPN, ESME_RX_R_APPN
ANSWERED_WITHIN_S = 1.0


class Broken(AssertionError):
    """A promise of the design does not hold."""


@lru_cache(1)
def the_rules() -> policy.RuleSet:
    return policy.load(Path(__file__).parent / "rules")


class Pause:
    """What the simulated store waits on: so many seconds."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def __await__(self) -> Generator[float, None, None]:
        yield self.seconds


class SimStore:
    """A store that takes its time, refuses swaps when another node was faster, and is sometimes away."""

    waits = True

    def __init__(self, world: World, records: dict[int, tuple[int, bytes]], counters: Aggregates, versions: int) -> None:
        self.world = world
        self.records = records
        self.counters = counters
        self.versions = versions
        self.mailbox = Mailbox()

    async def load(self, keys: Iterable[int]) -> dict[int, tuple[int, bytes]]:
        keys = list(keys)
        await self._pause()
        return {key: self.records.get(key, (0, record.EMPTY)) for key in keys}

    async def swap(self, items: list[tuple[int, int, bytes]]) -> list[bool]:
        await self._pause()
        done = []
        for key, version, data in items:
            if self.world.chance(0.05):
                self._another_node(key)
            current = self.records.get(key, (0, record.EMPTY))[0]
            done.append(current == version)
            if current == version:
                self._put(key, data)
        return done

    def update(self, key: int, change: Callable[[bytes], bytes]) -> None:
        self._put(key, change(self.records.get(key, (0, record.EMPTY))[1]))

    def _put(self, key: int, data: bytes) -> None:
        self.versions += 1
        self.records[key] = (self.versions, data)

    def _another_node(self, key: int) -> None:
        """Another gate wrote this person's record: here only the version shows it."""
        self._put(key, self.records.get(key, (0, record.EMPTY))[1])

    async def _pause(self) -> None:
        world = self.world
        if world.chance(0.01):
            raise OSError("the store is away")
        if world.slow_store:
            await Pause(world.random.expovariate(200))


@dataclass(eq=False)
class SimBind:
    """A provider's bind. Knows what it asked and what it was told."""

    world: World
    access: Access
    window: int = 8
    unanswered: int = 0
    peer_version: int = 0x34
    asked: dict[int, Submit] = field(default_factory=dict)
    groups: dict[int, list[Submit]] = field(default_factory=dict)
    """What went out in one submit_multi, by its sequence number: each in ``asked``, too."""
    epoch: int = 0

    def answer_all(self, answers: list[bytes]) -> None:
        for data in answers:
            self.world.provider_told(self, Frame.of(data))


@dataclass(eq=False)
class SimReceiver:
    """A bind of a provider that takes delivers: as the gate's own, it knows what is unanswered."""

    world: World
    provider: str
    window: int
    up: bool = True
    unanswered: dict[int, Item] = field(default_factory=dict)
    late: dict[int, Item] = field(default_factory=dict)
    sequence: int = 0

    @property
    def room(self) -> int:
        return max(0, self.window - len(self.unanswered)) if self.up else 0

    def hand(self, data: bytes, ticket: Item) -> None:
        if not self.room:
            raise Broken(f"{self.provider} was handed more than its window")
        self.sequence += 1
        self.unanswered[self.sequence] = ticket
        self.world.provider_handed(self, self.sequence, Frame.of(data), ticket)


@dataclass(eq=False)
class Deliver:
    """One deliver_sm of the carrier, as the carrier and the providers know it."""

    number: int
    owner: str
    person: int
    text: str
    frame: bytes
    receipt_of: Submit | None = None
    read_at: float = 0.0  # by the gate, the last time
    answered: bool = True  # what was read last
    acknowledged: bool = False
    got: int = 0  # how often the provider took it
    refused: bool = False  # the provider never wants it
    kind: str = "receipt"  # or as REPLIES has it; "perhaps": a refusal if a message that asked for it is on record

    @property
    def asks_record(self) -> bool:
        """Whether what it means or does needs the person's record."""
        return self.kind not in ("receipt", "review", "reply") or len(self.text) == 1


@dataclass(eq=False)
class Submit:
    """One submit of a provider, as the provider and the carrier know it."""

    number: int
    provider: str
    recipient: int
    text: str
    sent_at: float
    frame: bytes
    epoch: int
    told: int | None = None  # status the provider was answered with
    reached_carrier: int = 0  # how often
    carrier_said: int | None = None  # None: never answered
    entry: int = 0
    taken_back: bool = False  # the gate heard that the carrier refused it
    advertiser: str = ""
    replaced: bool = False  # an identical submit stands in for it
    long: LongSent | None = None  # the long message it is a part of …
    index: int = 0  # … which one, from 1
    narrow: bool = False  # sent by a client whose window is one part
    forgiven: bool = False  # power was lost before its entry was synced


class SimLink:
    carrier = "bj"
    owner = ""

    def __init__(self, world: World) -> None:
        self.world = world
        self.up = True
        self.window: dict[int, Transit] = {}
        self.late: dict[int, Transit] = {}
        self.sequence = 0

    def answer(self, data: bytes) -> None:
        self.world.carrier_acknowledged(Frame.of(data))


class World:
    def __init__(self, seed: int, bug: Callable[[World], None] | None = None) -> None:
        self.random = random.Random(seed)
        self.now = NOON
        self.events: list[tuple[float, int, int, Callable[[], None]]] = []
        self.ticket = 0
        self.epoch = 0  # grows with each restart: what was scheduled by a dead gate never happens
        self.slow_store = self.chance(0.5)
        self.syncs_per_s = self.random.choice([300, 300, 30])
        self.faults = self.random.choice([0.0, 0.1, 0.3])
        self.disk = MemoryDisk()
        self.saved: tuple[dict[int, tuple[int, bytes]], Any, int, int, int, int, dict[int, bytes]] | None = None
        self.delivers: list[Deliver] = []
        self.returned = 0  # delivers the gate left with the carrier
        self.tried: set[int] = set()  # items that were handed over at least once, by number
        self.submits: list[Submit] = []
        self.by_entry: dict[int, list[Submit]] = {}
        self.longs = Longs(self)
        self.refused: dict[int, dict[tuple[str, str], float]] = {}  # person → (scope, value) → when that was acknowledged
        self.acknowledged: Counter[tuple[int, str, str]] = Counter()  # replies by person, port, kind
        self.confirmations: Counter[tuple[int, str, str]] = Counter()  # by person, scope, value
        self.widen_after = self.random.choice([0, 2])
        self.restarts = 0
        self.bug = bug
        self.refusals_told: Counter[bytes] = Counter()
        self._on_disk: dict[int, OnDisk] = {}
        self.start()

    # ------------------------------------------------------------------ chance and time

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability

    def later(self, seconds: float, do: Callable[[], None], forever: bool = False) -> None:
        """``forever``: also after a restart of the gate (what the outside world does)."""
        self.ticket += 1
        heapq.heappush(self.events, (self.now + seconds, self.ticket, -1 if forever else self.epoch, do))

    def run(self) -> None:
        for n in range(self.random.randint(30, 80)):
            self.later(self.random.uniform(0, RUN_S * 0.6), self.provider_submits, forever=True)
            if n % 4 == 0:
                self.later(self.random.uniform(0, RUN_S * 0.6), self.person_replies, forever=True)
        for _ in range(self.random.randint(0, 3)):
            self.later(self.random.uniform(0, RUN_S * 0.6), self.crash, forever=True)
            self.later(self.random.uniform(0, RUN_S * 0.6), self.link_drops, forever=True)
            self.later(self.random.uniform(0, RUN_S * 0.6), self.disk_fills, forever=True)
            self.later(self.random.uniform(0, RUN_S * 0.6), self.checkpoint, forever=True)
            self.later(self.random.uniform(0, RUN_S * 0.6), self.provider_leaves, forever=True)
        while self.events:
            at, _, epoch, do = heapq.heappop(self.events)
            if at > NOON + 10 * RUN_S:
                raise Broken("the world does not come to rest")
            self.now = max(self.now, at)
            if epoch in (-1, self.epoch):
                do()
        self.check_at_rest()

    # ------------------------------------------------------------------ the gate

    def start(self) -> None:
        self.epoch += 1
        self.tally = Tally()
        rows: dict[int, bytes] = {}
        if self.saved is None:
            store = SimStore(self, {}, Aggregates(), 0)
            open_from, counted, highest = 1, 0, 1
        else:
            records, counters, versions, counted, open_from, highest, rows = self.saved
            store = SimStore(self, dict(records), _aggregates(counters), versions)
            for number, packed in rows.items():
                store.mailbox.restore(number, packed)
        found = replay(cast("Any", store), read(self.disk, open_from), counted)
        settle_open(cast("Any", store), found)
        self.mail_rows = dict(rows)
        if {item.number for item in store.mailbox.items()} != self.on_disk().waiting:
            raise Broken("the mailbox after a restart is not what was not delivered before")
        self.store = store
        self.journal = Journal(self.disk, 0)
        self.link = SimLink(self)
        self.lane = Lane("bj", "B1", 1000, self.pump_soon)
        self.lane.up = True
        self.turn_scheduled = self.syncing = self.pumping = False
        self.parts_due = 0.0
        self.binds: dict[str, SimBind] = {}
        ports = Ports(cast("Any", tuple(SimpleNamespace(name=name, ports=(port,)) for name, port in PORTS.items())))
        for name in PORTS:
            provider = SimpleNamespace(
                name=name, statuses="vendor", status_detail="none", replace=False, category=Category.MARKETING, since=None
            )
            account = SimpleNamespace(system_id=name, ports=None)
            access = Access(cast("Any", provider), cast("Any", account), (), ports)
            for bind, window in (("", 8), ("-second", 8), ("-narrow", 1)):
                self.binds[name + bind] = SimBind(self, access, window, epoch=self.epoch)
        self.relay = Relay(
            directory=cast("Any", SimpleNamespace(ports=ports)),
            rules=the_rules(),
            store=cast("Any", store),
            journal=self.journal,
            routes=cast("Any", SimpleNamespace(lane=lambda message, verdict: self.lane if self.link.up else None)),
            tally=self.tally,
            spawn=self.spawn,
            wake=self.wake,
            sync=self.sync,
            first_id=max(found.highest_id, highest) + ID_GAP,
        )
        manners = Manners(self.widen_after, 30, {CONFIRMED: "退订已生效"})
        self.hearing = Hearing(self.relay, self.tally, manners, lambda: self.now, lambda: self.now)
        self.way_back = WayBack(
            self.relay,
            self.hearing,
            self.tally,
            store.mailbox,
            lambda provider: cast("Any", [one for one in self.receivers if one.provider == provider]),
            {},
            frozenset(),
            lambda: self.now,
        )
        self.way_back.open(Bounds(), PORTS)
        self.receivers: list[SimReceiver] = []
        self.last_first = dict.fromkeys(PORTS, 0)  # the newest item that was handed to each provider
        for name in PORTS:
            for _ in range(self.random.randint(1, 2)):
                self.later(self.random.uniform(0, 3), partial(self.provider_binds, name))
        for deliver in self.delivers:  # the links were lost, too: what nobody acknowledged comes again
            if not deliver.acknowledged:
                self.later(self.random.uniform(0.1, 2), partial(self.carrier_delivers, deliver))
        self.journal.append(entries.START, entries.pack_start(self.now, 0, self.relay.highest_id))
        self.journal.write(self.now)
        self.journal.note_synced(self.journal.sync())
        if self.bug is not None:
            self.bug(self)
        self.tick()

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
        self.relay.turn(self.now)
        self.way_back.turn(self.now)
        self.relay.handed.clear()
        self.relay.told.clear()
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
        self.relay.tick(self.now)
        self.way_back.tick(self.now)
        self.wake()
        if self.now < NOON + 3 * RUN_S:
            self.later(1.0, self.tick)

    def sync(self) -> None:
        if not self.syncing and self.journal.written > self.journal.synced:
            self.syncing = True
            self.later(self.random.expovariate(self.syncs_per_s), self.sync_ends)

    def sync_ends(self) -> None:
        self.syncing = False
        self.journal.note_synced(self.journal.sync())
        self.relay.turn(self.now)
        self.way_back.turn(self.now)
        self.sync()

    def checkpoint(self) -> None:
        """As app.Gate.checkpoint: synced first, never amid a batch."""
        relay = self.relay
        if relay.journal_down or relay.amid:
            return
        self.journal.note_synced(self.journal.sync())
        counted = self.journal.written
        open_from = min((transit.recorded for transit in relay.in_flight.values()), default=counted + 1)
        mailbox = self.store.mailbox
        mailbox.freeze()
        while rows := mailbox.collect(3):
            self.mail_rows.update(rows)
        mailbox.thaw(done=True)
        self.mail_rows = {number: packed for number, packed in self.mail_rows.items() if packed}
        self.saved = (
            dict(self.store.records), _dump(self.store.counters), self.store.versions, counted, open_from, relay.highest_id,
            dict(self.mail_rows),
        )  # fmt: skip

    # ------------------------------------------------------------------ providers

    def provider_submits(self) -> None:
        name = self.random.choice(list(PORTS))
        unknown = [submit for submit in self.submits if submit.told == ESME_RSYSERR and submit.provider == name]
        unknown += [
            submit for submit in self.submits if submit.told == CARRIER_REFUSES and submit.long and submit.provider == name
        ]
        again = self.random.choice(unknown) if unknown and self.chance(0.5) else None
        number = len(self.submits) + 1
        recipient = again.recipient if again else self.random.choice(PEOPLE)
        if again is not None and again.long is not None:
            self.longs.again(again)
            return
        advertiser = again.advertiser if again else name + self.random.choice(list(WORDS))
        if again is None and self.chance(0.3):
            self.longs.provider_sends(name, advertiser, recipient, number)
            return
        text = again.text if again else f"【{advertiser}】双11第{number}张券 拒收请回复{WORDS[advertiser[-1]]}"
        if again is None and self.chance(0.1):
            self.provider_submits_many(name, text, advertiser)
            return
        bind, kind = self.binds[name], Transit
        frame = submit_sm(PORTS[name], str(recipient), text.encode("utf-16-be"), data_coding=8, sequence=number)
        if self.chance(0.1) if again is None else again.frame[4:8] == frame_data_sm("", 0, "", 0)[4:8]:
            frame, kind = frame_data_sm(PORTS[name], recipient, text, number), Data
        submit = Submit(number, name, recipient, text, self.now, frame, self.epoch, advertiser=advertiser)
        self.hand_in(submit, bind, kind)

    def hand_in(self, submit: Submit, bind: SimBind, kind: type[Transit] = Transit) -> None:
        self.submits.append(submit)
        bind.asked[submit.number] = submit
        self.relay.submit(cast("Any", bind), Frame.of(submit.frame), self.now, self.now, kind)
        self.wake()

    def provider_submits_many(self, name: str, text: str, advertiser: str) -> None:
        """A submit_multi to some people, each once: of one who is there twice an answer does not say which was refused."""
        first, bind = len(self.submits) + 1, self.binds[name]
        people = self.random.sample(PEOPLE, self.random.randint(1, 4))
        frame = Frame.of(pdus.multi(PORTS[name].encode(), people, text, sequence=first))
        multi = read_multi(frame)
        group = [
            Submit(first + place, name, person, text, self.now, multi.submit(place), self.epoch, advertiser=advertiser)
            for place, person in enumerate(people)
        ]
        self.submits += group
        bind.groups[first] = group
        bind.asked.update((submit.number, submit) for submit in group)
        submit_multi(self.relay, cast("Any", bind), frame, self.now, self.now)
        self.wake()

    def broken(self, what: str) -> Broken:
        return Broken(what)

    def provider_told(self, bind: SimBind, frame: Frame) -> None:
        group = bind.groups.get(frame.sequence_number)
        if group is None:
            self.submit_told(bind.asked[frame.sequence_number], frame.command_status)
            return
        refused = {one["addr"]: one["status"] for one in read_fields(frame).get("unsuccess_sme", ())}
        for submit in group:
            self.submit_told(submit, refused.get(b"%d" % submit.recipient, frame.command_status))

    def submit_told(self, submit: Submit, status: int) -> None:
        if submit.told is not None:
            raise Broken(f"submit {submit.number} answered twice: {submit.told}, {status}")
        submit.told = status
        if status == 0:
            if submit.carrier_said != 0:
                raise Broken(f"submit {submit.number} acknowledged, the carrier said {submit.carrier_said}")
            if submit.entry not in self.on_disk(synced=True).entries:
                raise Broken(f"submit {submit.number} acknowledged before its entry was synced")
        elif status == CARRIER_REFUSES:
            if submit.carrier_said == 0:
                raise Broken(f"submit {submit.number} told of a refusal that never was")
            if submit.entry not in self.on_disk().refused_by_carrier:
                raise Broken(f"submit {submit.number} told of a refusal before it was written")
        elif status >= 0x400:
            self.refusals_told[nameless(submit.frame)] += 1
            known = self.on_disk().refused[nameless(submit.frame)]
            if not known or (submit.long is None and self.refusals_told[nameless(submit.frame)] > known):
                raise Broken(f"submit {submit.number} refused before the verdict, or that it came again, was written")
        held_back = (
            status == SUPPRESSED and submit.long is None
        )  # a later part inherits, whatever the person takes back meanwhile
        if held_back and not any(covers(one, submit) for one in self.on_disk().in_force(submit, self.now - 0.5)):
            raise Broken(f"submit {submit.number} is held back though nobody refused it, or took it back")
        self.longs.told(submit)

    # ------------------------------------------------------------------ the carrier

    def pump_soon(self) -> None:
        if not self.pumping:
            self.pumping = True
            self.later(0.0005, self.pump)

    def pump(self) -> None:
        self.pumping = False
        link = self.link
        while link.up and len(link.window) < 4:
            taken = self.lane.take(1)
            if not taken:
                return
            (transit,) = taken
            link.sequence += 1
            sequence = link.sequence
            link.window[sequence] = transit
            self.reaches_socket(transit)
            if not self.chance(self.faults * 0.1):
                self.later(
                    self.random.expovariate(100),
                    partial(self.carrier_gets, link, sequence, transit),
                    forever=True,
                )
            self.later(RESPONSE_S, partial(self.overdue, link, sequence))

    def reaches_socket(self, transit: Transit) -> None:
        """From here nobody can call a message back."""
        if not transit.entry_id and not isinstance(transit, Apart):
            self.confirmation_leaves(transit)
            return
        for member, submit in self.submits_of(transit):
            self.submit_reaches_socket(member, submit)
        if self.restarts < 4 and self.chance(self.faults * 0.05):  # when it hurts most
            self.later(self.random.choice([0.0, 0.001]), self.crash)

    def submits_of(self, transit: Transit) -> list[tuple[Transit, Submit]]:
        """What leaves in one PDU."""
        bind = cast("SimBind", transit.bind)
        if not transit.entry_id and not isinstance(transit, Apart):
            return []  # the gate's own words
        if isinstance(transit, Together):
            group = bind.groups[transit.sequence]
            return [(member, group[member.sequence - 1]) for member in transit.members]
        return [(transit, bind.asked[transit.sequence])]

    def submit_reaches_socket(self, transit: Transit, submit: Submit) -> None:
        submit.entry = transit.entry_id
        sharing = self.by_entry.setdefault(transit.entry_id, [])
        if any(other.long is None or submit.long is None or other.long.key != submit.long.key for other in sharing):
            raise Broken(f"entry {transit.entry_id} names two messages")
        sharing.append(submit)
        submit.reached_carrier += 1
        if submit.reached_carrier > 1:
            raise Broken(f"submit {submit.number} was sent twice")
        if transit.entry_id not in self.on_disk().entries:
            raise Broken(f"submit {submit.number} left before its entry was written")
        stood_in_for = transit.adopts
        while stood_in_for:  # which may itself have stood in for another, and never have been sent
            for other in self.by_entry.get(stood_in_for, ()):
                other.replaced = True
            stood_in_for = self.on_disk().adopts.get(stood_in_for, 0)
        began_at = submit.sent_at if transit.long is None else transit.long.judged_at  # parts that come later inherit
        # without the signature nobody can know whom the person would have to have refused
        signed = f"【{submit.advertiser}】" in cast("Any", transit).message.content.text
        for refusal, at in self.refused.get(submit.recipient, {}).items():
            if began_at > at and covers(refusal, submit) and (signed or refusal[0] != "advertiser"):
                raise Broken(f"submit {submit.number} was sent to a person after their opt-out was acknowledged")
        if submit.recipient == BEIJING:
            raise Broken(f"submit {submit.number} went to Beijing")
        self.check_caps(submit)
        if submit.long is not None:
            self.longs.check_sent(submit, transit)

    def check_caps(self, last: Submit) -> None:
        out = [s for s in self.submits if s.reached_carrier and not s.forgiven and not s.replaced and not s.taken_back]
        if len({s.entry for s in out if s.recipient == last.recipient}) > CAP:
            raise Broken(f"submit {last.number}: more than {CAP} for {last.recipient}")
        if len({s.entry for s in out if s.provider == last.provider}) > QUOTA:
            raise Broken(f"submit {last.number}: more than {QUOTA} from {last.provider}")

    def confirmation_leaves(self, transit: Transit) -> None:
        """A message of the gate itself: why it was said is on the disk, and it was not said before."""
        fields = read_fields(Frame.of(transit.data))
        person, port = int(fields["destination_addr"][-11:]), fields["source_addr"].decode()
        if port != PORTS[CONFIRMED] or fields["registered_delivery"]:
            raise Broken(f"a confirmation from {port} with registered_delivery {fields['registered_delivery']}")
        said = [one for one in self.on_disk().said if (one.recipient, one.port) == (person, port)]
        if not said:
            raise Broken("a confirmation left before it was written")
        key = (person, *said[-1].refusal[:2])
        self.confirmations[key] += 1
        if self.confirmations[key] > 1:
            raise Broken(f"the refusal of {key[1:]} was confirmed twice")
        if not any(one.recipient == person and one.opt_out[:2] == key[1:] for one in self.on_disk(synced=True).refusals):
            raise Broken("a confirmation left before the refusal was synced")

    def carrier_gets(self, link: SimLink, sequence: int, transit: Transit) -> None:
        if not transit.entry_id and not isinstance(transit, Apart):  # the gate's own words: what is answered concerns nobody
            if not self.chance(self.faults * 0.2):
                status = CARRIER_REFUSES if self.chance(0.15) else 0
                self.later(self.random.expovariate(50), partial(self.carrier_answers, link, sequence, [status]))
            return
        parts = self.submits_of(transit)
        there = [transit.data]
        if isinstance(transit, Together):
            multi = read_multi(Frame.of(transit.data))
            there = [multi.submit(place) for place in range(len(multi.addresses))]
        if [nameless(data) for data in there] != [nameless(submit.frame) for _, submit in parts]:
            raise Broken(f"submit {parts[0][1].number} was altered on its way")
        statuses = [CARRIER_REFUSES if self.chance(0.15) else 0 for _ in parts]
        for (_, submit), status in zip(parts, statuses, strict=True):
            submit.carrier_said = status
        if self.chance(self.faults * 0.2):
            return  # silence
        delay = RESPONSE_S + 1 if self.chance(self.faults * 0.3) else self.random.expovariate(50)
        for _ in range(2 if self.chance(self.faults * 0.3) else 1):
            self.later(delay, lambda: self.carrier_answers(link, sequence, statuses))
            delay += self.random.expovariate(100)

    def carrier_answers(self, link: SimLink, sequence: int, statuses: list[int]) -> None:
        """As a session does: an answer belongs to what waits, to what was given up, or to nothing."""
        if link is not self.link or not link.up:
            return
        if sequence in link.window:
            transit = link.window.pop(sequence)
            self.note_refusals(transit, statuses)
            hears = transit.answered if isinstance(transit, Apart) else partial(self.relay.answered, transit)
            hears(self.answer_to(transit, sequence, statuses))
            for (_, submit), status in zip(self.submits_of(transit), statuses, strict=False):
                if status == 0:
                    self.receipt(submit)
        elif sequence in link.late:
            transit = link.late.pop(sequence)
            self.note_refusals(transit, statuses)
            self.relay.answered_late(transit, self.answer_to(transit, sequence, statuses))
        self.wake()
        self.pump_soon()

    def answer_to(self, transit: Transit, sequence: int, statuses: list[int]) -> Frame:
        name = b"c%d" % sequence
        if isinstance(transit, Together):
            people = [submit.recipient for _, submit in self.submits_of(transit)]
            refused = [(person, status) for person, status in zip(people, statuses, strict=True) if status]
            return Frame.of(pdus.multi_resp(name, refused))
        build = data_sm_resp if isinstance(transit, Data) else submit_sm_resp
        return Frame.of(build(sequence, statuses[0], b"" if statuses[0] else name))

    def note_refusals(self, transit: Transit, statuses: list[int]) -> None:
        for (member, submit), status in zip(self.submits_of(transit), statuses, strict=False):
            first = member if member.long is None else member.long.leader
            if (
                status and first is not None and first.adopted is None
            ):  # else the attempt that it stands in for may have arrived
                submit.taken_back = True

    def overdue(self, link: SimLink, sequence: int) -> None:
        transit = link.window.pop(sequence, None)
        if transit is not None:
            link.late[sequence] = transit
            self.relay.unanswered(transit)
            self.wake()
            self.pump_soon()

    def link_drops(self) -> None:
        link = self.link
        link.up = False
        window, link.window = link.window, {}
        for transit in window.values():
            self.relay.unanswered(transit)
        for unsent in self.lane.take(self.lane.size):
            self.relay.unsent(unsent, "no-route")
        self.wake()
        self.later(self.random.uniform(0.1, 5), self.link_returns)

    def link_returns(self) -> None:
        self.link.up = True
        self.pump_soon()

    # ------------------------------------------------------------------ people

    def person_replies(self) -> None:
        person, name = self.random.choice(PEOPLE), self.random.choice(list(PORTS))
        text = self.random.choice(list(REPLIES))
        if self.chance(0.1):
            name = UNOWNED
        self.delivers_anew(name, person, text, PORTS.get(name, NOBODYS), None)

    def receipt(self, submit: Submit) -> None:
        """The carrier tells what became of a message it has just accepted, at once or a while later."""
        do = partial(
            self.delivers_anew,
            submit.provider,
            submit.recipient,
            f"id:{submit.number} stat:DELIVRD",
            PORTS[submit.provider],
            submit,
        )
        if self.chance(0.5):
            do()
        else:
            self.later(self.random.uniform(0, 5), do, forever=True)

    def delivers_anew(self, owner: str, person: int, text: str, port: str, receipt_of: Submit | None) -> None:
        number = len(self.delivers) + 1
        esm_class = 4 if receipt_of else 0
        frame = deliver_sm(f"86{person}", port, text.encode("utf-16-be"), data_coding=8, esm_class=esm_class, sequence=number)
        kind = "receipt" if receipt_of else REPLIES[text]
        self.delivers.append(Deliver(number, owner, person, text, frame, receipt_of, kind=kind))
        self.carrier_delivers(self.delivers[-1])

    def carrier_delivers(self, deliver: Deliver) -> None:
        deliver.read_at, deliver.answered = self.now, False
        if deliver.kind == "restore":  # from now on messages may pass again, or not yet
            self.refused.pop(deliver.person, None)
        elif deliver.text == "QXDY":
            deliver.kind = "optout" if self.surely_declared(deliver) else "perhaps"
        self.way_back.deliver(self.link, Frame.of(deliver.frame), self.now)
        self.wake()
        self.later(ANSWERED_WITHIN_S - 0.1, self.mail_tick)
        self.later(ANSWERED_WITHIN_S, partial(self.must_be_answered, deliver))

    def mail_tick(self) -> None:
        """The gate looks at what waits for the disk many times a second; here, when it matters."""
        self.way_back.tick(self.now)
        self.wake()

    def must_be_answered(self, deliver: Deliver) -> None:
        if not deliver.answered and self.now - deliver.read_at >= ANSWERED_WITHIN_S:
            raise Broken(f"deliver {deliver.number} was not answered within {ANSWERED_WITHIN_S} s")

    def surely_declared(self, deliver: Deliver) -> bool:
        """Whether this person got a message that asked for this word: acknowledged, so no restart forgets it."""
        return any(
            (submit.recipient, submit.provider, submit.told) == (deliver.person, deliver.owner, 0)
            and submit.text.endswith(f"回复{deliver.text}")
            and submit.long is None  # of which the word may be in a part that came too late
            for submit in self.submits
        )

    def carrier_acknowledged(self, frame: Frame) -> None:
        deliver = self.delivers[frame.sequence_number - 1]
        if deliver.answered:
            raise Broken(f"deliver {deliver.number} was answered twice")
        deliver.answered = True
        if frame.command_status:
            self.returned += 1
            self.later(self.random.uniform(0.5, 3), partial(self.carrier_delivers, deliver))
            return
        deliver.acknowledged = True
        safe = self.on_disk(synced=True)
        if deliver.frame not in safe.delivers:
            raise Broken(f"deliver {deliver.number} was acknowledged before it was synced")
        self.check_reply(deliver, safe)

    def check_reply(self, deliver: Deliver, disk: OnDisk) -> None:
        """What a reply that was acknowledged stopped or restored is synced, and is what it should be."""
        person, kind, port = deliver.person, deliver.kind, PORTS.get(deliver.owner, NOBODYS)
        self.acknowledged[person, port, kind] += 1
        told = self.acknowledged[person, port, kind]
        if kind == "restore":
            if sum((one.recipient, one.port) == (person, port) for one in disk.restored) < told:
                raise Broken(f"the reply of {person} was acknowledged before what it takes back was synced")
        elif kind == "optout":
            here = [one for one in disk.refusals if (one.recipient, one.port) == (person, port)]
            if sum(one.opt_out.scope != "category" for one in here) < told:
                raise Broken(f"the reply of {person} was acknowledged before the opt-out was synced")
            for one in here:
                self.check_scope(one, deliver.owner)
            self.refused.setdefault(person, {}).update(self.holds_for(person, disk))

    def holds_for(self, person: int, disk: OnDisk) -> dict[tuple[str, str], float]:
        """What a person's refusals stop now, all of it acknowledged; a restore under way may end any of it."""
        if any(one.person == person and one.kind == "restore" and not one.acknowledged for one in self.delivers):
            return {}
        held = disk.refused_by(person)
        narrow = [one for one in held if one[0] != "category"]
        if self.widen_after and len(narrow) >= self.widen_after and ALL_MARKETING not in held:
            raise Broken(f"{person} refused {narrow} and still gets marketing of others")
        return dict.fromkeys(held, self.now)

    def check_scope(self, one: OptedOut, name: str) -> None:
        """A word that an advertiser asked for stops that advertiser, or all behind the port; nobody else."""
        scope, value = one.opt_out[:2]
        sent = [submit for submit in self.submits if (submit.recipient, submit.provider) == (one.recipient, name)]
        asked = [submit for submit in sent if submit.text.endswith(f"回复{one.keyword}")]
        if not any(submit.told == 0 and submit.long is None and submit.sent_at < one.time - 1 for submit in asked):
            asked = sent  # no message on record may have asked for it: the newest advertisement stands for it
        if (scope == "advertiser" and value not in {hash_of(submit.advertiser) for submit in asked}) or scope not in SCOPES:
            raise Broken(f"{one.keyword} to {one.port} stopped {scope} {value}")
        if scope == "port" and value != PORTS.get(name, NOBODYS):
            raise Broken(f"a refusal at {one.port} stopped port {value}")

    # ------------------------------------------------------------------ providers that fetch their delivers

    @property
    def calm(self) -> bool:
        """Towards the end everybody is there and takes everything."""
        return self.now > NOON + RUN_S

    def provider_binds(self, name: str) -> None:
        self.receivers.append(SimReceiver(self, name, self.random.randint(1, 4)))
        self.way_back.bound(name)
        self.wake()

    def provider_leaves(self) -> None:
        """All binds of one provider, or one of all; it is back some time later."""
        if not self.receivers:
            return
        first = self.random.choice(self.receivers)
        all_of_it = self.chance(0.6)
        for receiver in [one for one in self.receivers if one.provider == first.provider and (all_of_it or one is first)]:
            self.receivers.remove(receiver)
            receiver.up = False
            self.way_back.lost(list(receiver.unanswered.values()))
            self.later(self.random.uniform(0.1, 15), partial(self.provider_binds, first.provider))
        self.wake()

    def provider_handed(self, receiver: SimReceiver, sequence: int, frame: Frame, item: Item) -> None:
        deliver = self.delivers[frame.sequence_number - 1]
        if frame.data != deliver.frame or deliver.owner != receiver.provider:
            raise Broken(f"{receiver.provider} was handed a deliver that is not its own")
        if item.number not in self.on_disk(synced=True).recorded:
            raise Broken(f"deliver {deliver.number} was handed over before it was synced")
        if item.number not in self.on_disk().waiting:
            raise Broken(f"deliver {deliver.number} was handed over again after it was delivered or dropped")
        if item.number not in self.tried:
            self.tried.add(item.number)
            if not deliver.asks_record:  # which waits for the store, while others pass
                if item.number < self.last_first[receiver.provider]:
                    raise Broken(f"deliver {deliver.number} was overtaken")
                self.last_first[receiver.provider] = item.number
        submit = deliver.receipt_of
        if submit is not None and submit.told is None and submit.epoch == self.epoch:
            raise Broken(f"the receipt of submit {submit.number} came before the answer")
        self.provider_answers_deliver(receiver, sequence, deliver)
        self.later(RESPONSE_S, partial(self.deliver_overdue, receiver, sequence))

    def provider_answers_deliver(self, receiver: SimReceiver, sequence: int, deliver: Deliver) -> None:
        drawn = 1.0 if self.calm else self.random.random()
        delay = self.random.expovariate(20)
        if drawn < 0.05:
            return  # silence
        status = 0
        if drawn < 0.15:
            status = NOT_NOW
        elif drawn < 0.2:
            status = NEVER
        elif drawn < 0.25:
            delay = RESPONSE_S + 0.5

        def answer() -> None:
            if not receiver.up:
                return
            deliver.got += status == 0
            deliver.refused |= status == NEVER
            if sequence in receiver.unanswered:
                item = receiver.unanswered.pop(sequence)
                self.way_back.answered([(item, Frame.of(deliver_sm_resp(sequence, status)))], self.now)
            elif status == 0 and sequence in receiver.late:
                self.way_back.delivered(receiver.late.pop(sequence))
            self.wake()

        self.later(delay, answer)

    def deliver_overdue(self, receiver: SimReceiver, sequence: int) -> None:
        item = receiver.unanswered.pop(sequence, None) if receiver.up else None
        if item is not None:
            receiver.late[sequence] = item
            self.way_back.unanswered([item])
            self.wake()

    # ------------------------------------------------------------------ disasters

    def crash(self) -> None:
        self.restarts += 1
        if self.chance(0.5):
            self.disk.kill()
        else:
            self.disk.power_loss(self.random.choice([0, 0, 7, 40, 200]))
        self.disk.free_bytes = None
        self._on_disk.clear()
        kept = self.on_disk().entries
        for body in self.refusals_told:  # a power loss may take a refusal that was written, not synced
            self.refusals_told[body] = min(self.refusals_told[body], self.on_disk().refused[body])
        for submit in self.submits:
            if submit.reached_carrier and submit.entry not in kept:
                if submit.told == 0:
                    raise Broken(f"submit {submit.number} was acknowledged and is lost")
                submit.forgiven = True
            elif submit.taken_back and submit.entry not in self.on_disk().taken_back:
                submit.taken_back = False  # the gate never wrote that it had heard: the entry stays counted
        self.longs.gate_died()
        self.start()

    def disk_fills(self) -> None:
        self.disk.free_bytes = self.random.randint(0, 600)
        self.later(self.random.uniform(0.5, 5), self.disk_freed, forever=True)

    def disk_freed(self) -> None:
        self.disk.free_bytes = None

    # ------------------------------------------------------------------ what is on the disk

    def on_disk(self, synced: bool = False) -> OnDisk:
        """What a restart would find now: all that was written, or only what was synced. The journal only grows while a gate lives, so
        its length says what it holds."""
        disk = self.disk
        size = sum(disk.safe_bytes(name) if synced else len(disk.read(name)) for name in disk.list())
        if size not in self._on_disk:
            if synced:
                disk = copy.deepcopy(disk)
                disk.power_loss()
            self._on_disk[size] = OnDisk.of(disk)
        return self._on_disk[size]

    def check_at_rest(self) -> None:
        if not self.relay.idle:
            raise Broken("something is still on its way at rest")
        for bind in self.binds.values():
            for submit in bind.asked.values():
                if submit.told is None:
                    raise Broken(f"submit {submit.number} was never answered")
            if bind.unanswered:
                raise Broken(f"{bind.unanswered} submits count as unanswered at rest")
        if any(self.lane.held) or self.lane.apart:
            raise Broken(f"places of the lane are still held: {self.lane.held}, {self.lane.apart} by other commands")
        if self.tally.sent_after_optout:
            raise Broken(f"{self.tally.sent_after_optout} messages went to people after they had refused")
        self.check_delivers()
        self.check_records()

    def check_delivers(self) -> None:
        for deliver in self.delivers:
            if not deliver.acknowledged:
                raise Broken(f"deliver {deliver.number} was never acknowledged")
            if deliver.owner and not deliver.got and not deliver.refused:
                raise Broken(f"deliver {deliver.number} was acknowledged and never reached {deliver.owner}")
        if any(box.count for name, box in self.store.mailbox.boxes.items() if name != UNOWNED):
            raise Broken("something is left in a mailbox at rest")
        self.check_records()
        self.longs.check_at_rest()

    def check_records(self) -> None:
        """The records say what happened, and a replay of the whole journal says the same."""
        fresh = SimStore(self, {}, Aggregates(), 0)
        settle_open(cast("Any", fresh), replay(cast("Any", fresh), read(self.disk, 1), 0))
        if {item.number for item in fresh.mailbox.items()} != {item.number for item in self.store.mailbox.items()}:
            raise Broken("a replay of the journal gives another mailbox")
        for person in PEOPLE:
            live = _states(self.store.records.get(person))
            if _refusals(fresh.records.get(person)) != _refusals(self.store.records.get(person)):
                raise Broken(f"a replay of the journal gives other refusals for {person}")
            if _states(fresh.records.get(person)) != live:
                raise Broken(f"a replay of the journal gives {_states(fresh.records.get(person))} for {person}, not {live}")
            for submit in self.submits:
                if submit.recipient != person or not submit.reached_carrier or submit.forgiven or submit.replaced:
                    continue
                taken_back = all(other.taken_back for other in self.by_entry[submit.entry])
                if taken_back == (submit.entry in live):
                    word = "still counts" if taken_back else "is not counted"
                    raise Broken(f"submit {submit.number} {word} at rest (the carrier said {submit.carrier_said})")
                # a power loss may take the carrier's answer, which is written, not synced: then the entry is unknown again, and counts
                acknowledged = all(other.told == 0 for other in self.longs.sharing(submit))
                if acknowledged and live[submit.entry] == EntryState.UNKNOWN and submit.entry in self.on_disk().accepted:
                    raise Broken(f"submit {submit.number} was acknowledged, its entry says {live[submit.entry]}")
        if _dump(fresh.counters) != _dump(self.store.counters):
            raise Broken("a replay of the journal gives other aggregates")


def nameless(frame: bytes) -> bytes:
    """A PDU without its sequence number."""
    return frame[:12] + frame[16:]


def frame_data_sm(source: str, recipient: int, text: str, sequence: int) -> bytes:
    return pdus.data(source.encode(), b"%d" % recipient, text, sequence)


def _dump(counters: Aggregates) -> dict[int, bytes]:
    return {key: series.pack() for key, series in counters._series.items() if any(series.counts)}


def _aggregates(dumped: dict[int, bytes]) -> Aggregates:
    counters = Aggregates()
    for key, packed in dumped.items():
        counters.restore(key, packed)
    return counters


def _states(found: tuple[int, bytes] | None) -> dict[int, int]:
    return {entry.id: entry.state for entry in record.entries(found[1])} if found else {}


def _refusals(found: tuple[int, bytes] | None) -> list[tuple[OptOut, int]]:
    """Refusals on record, and when each was confirmed."""
    return sorted((one, replied.confirmed(found[1], one)) for one in record.opt_outs(found[1])) if found else []


def hash_of(advertiser: str) -> str:
    return f"{hash48(advertiser):012x}"


def covers(refusal: tuple[str, str], submit: Submit) -> bool:
    """Whether a refusal speaks of a submit: written here a second time."""
    scope, value = refusal
    if scope == "category":
        return value == "marketing"
    return value == hash_of(submit.advertiser) if scope == "advertiser" else PORTS[submit.provider].startswith(value)


@dataclass
class OnDisk:
    entries: set[int]
    taken_back: set[int]
    refused_by_carrier: set[int]
    refused: Counter[bytes]
    """How often each was refused, repeats included."""
    adopts: dict[int, int]
    accepted: set[int]  # entries all of whose parts were
    late: set[bytes]  # parts whose text broke a rule when they came
    delivers: dict[bytes, set[int]]  # deliver_sm → its records
    waiting: set[int]  # records of delivers that were neither delivered nor dropped
    refusals: list[OptedOut] = field(default_factory=list)
    restored: list[Restored] = field(default_factory=list)
    said: list[Said] = field(default_factory=list)
    turns: list[OptedOut | Restored] = field(default_factory=list)
    """Refusals and what took them back, in order."""

    def refused_by(self, person: int, restored_until: float = float("inf")) -> list[tuple[str, str]]:
        """What a person has refused and not taken back (by ``restored_until``)."""
        held: dict[tuple[str, str], None] = {}
        for one in self.turns:
            if one.recipient != person:
                continue
            if isinstance(one, OptedOut):
                held[one.opt_out[:2]] = None
            elif one.time <= restored_until:
                for lifted in one.lifted:
                    held.pop(lifted[:2], None)
        return list(held)

    def in_force(self, submit: Submit, restored_until: float) -> list[tuple[str, str]]:
        return self.refused_by(submit.recipient, restored_until)

    def note_turn(self, item: Record) -> None:
        if item.kind == entries.OPTOUT:
            refusal = entries.unpack_optout(item.body)
            self.refusals.append(refusal)
            self.turns.append(refusal)
        elif item.kind == entries.RESTORED:
            back = entries.unpack_restored(item.body)
            self.restored.append(back)
            self.turns.append(back)
        elif item.kind == entries.SAID:
            self.said.append(entries.unpack_said(item.body))

    @property
    def recorded(self) -> set[int]:
        return {number for numbers in self.delivers.values() for number in numbers}

    @classmethod
    def of(cls, disk: MemoryDisk) -> OnDisk:
        found = cls(set(), set(), set(), Counter(), {}, set(), set(), {}, set())
        waiting: dict[int, int] = {}  # verdicts that let something out, by their place: the entry
        verdicts: dict[int, bytes] = {}
        for item in read(disk, 1):
            if item.kind == entries.VERDICT:
                verdict = entries.unpack_verdict(item.body)
                found._verdict(verdict)
                if verdict.entry is not None:
                    waiting[item.sequence] = verdict.entry.id
                else:
                    verdicts[item.sequence] = nameless(verdict.data)
            elif item.kind == entries.REPEATED:
                for sequence, count in entries.unpack_repeated(item.body).counts.items():
                    found.refused[verdicts[sequence]] += count
            for answer in entries.unpack_answers(item):
                if answer.status == CARRIER_REFUSES:
                    found.refused_by_carrier.add(answer.entry_id)
                if answer.effect == Effect.ACCEPTED:
                    waiting.pop(answer.verdict_sequence, None)
                    found.accepted.add(answer.entry_id)
                if Effect(answer.effect).takes_back:
                    found.taken_back.add(answer.entry_id)
            found.note_turn(item)
            found.note_deliver(item)
        found.accepted -= set(waiting.values())
        return found

    def _verdict(self, verdict: Verdict) -> None:
        if verdict.entry is not None:
            self.entries.add(verdict.entry.id)
            self.adopts[verdict.entry.id] = verdict.adopts
        else:
            self.refused[nameless(verdict.data)] += 1
            if verdict.reason == "late-breach":
                self.late.add(verdict.data)

    def note_deliver(self, item: Record) -> None:
        """What the way back wrote."""
        if item.kind == entries.DELIVER:
            self.delivers.setdefault(entries.unpack_deliver(item.body).data, set()).add(item.sequence)
            self.waiting.add(item.sequence)
        elif item.kind == entries.DELIVERED:
            self.waiting.difference_update(mail.unpack_delivered(item.body).numbers)
        elif item.kind == entries.DROPPED:
            self.waiting.difference_update(mail.unpack_dropped(item.body).numbers)
