"""Gates: several of them on one simulated store, and long messages whose parts come to any of them. One thread, one seed, no sockets.

Each gate is a real relay with its own journal and lane; the store keeps records and sheets and takes its time. A gate may die amid anything, or
be cut off from the store for a while. What is promised of long messages over several gates is checked as parts reach the carrier, and at
rest: ``Broken`` says what does not hold. Providers send parts in any order, to any gate, at once or late, twice, again when they were refused.
"""

from __future__ import annotations

import heapq
import random
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from proxy.journal.records import messages
from proxy.journal.write_ahead_log import Journal, read
from proxy.model.counters import GateCounters
from proxy.model.message import Category
from proxy.model.reasons import GATE_REASONS, RULE_REASONS
from proxy.net.lane import Lane
from proxy.policy.loading.load_rules import load
from proxy.policy.ruleset import RuleSet
from proxy.relay.account_access import Access, PortTable
from proxy.relay.effects.replay import replay, settle_open
from proxy.relay.multipart.assembler import WAIT_MAX_S
from proxy.relay.multipart.codec import key_of
from proxy.relay.multipart.shared import LINGER_S, LOOK_S
from proxy.relay.pending_submit import PendingSubmit
from proxy.relay.submit import Relay
from proxy.state.counters.aggregates import Aggregates
from proxy.state.lists.desk_records import DeskRecords
from proxy.state.lists.suppression_lists import SuppressionLists
from proxy.state.mailbox.mailbox import Mailbox
from proxy.state.record import record
from proxy.state.record.incomplete_multipart import TornKeys
from proxy.state.record.merging import NODE_SHIFT
from proxy.state.shared.multipart_exchange import MultipartExchange
from proxy.state.shared.multipart_record import Key, StoreGroup
from proxy.wire import Frame, submit_sm, submit_sm_resp
from tests.journal.memory_disk import MemoryDisk
from tests.simulation.nouns import Broken
from tests.simulation.store import Pause

NOON = 1_762_833_600.0
CAP, BANNED, PORT = 3, "代开发票", "1069001"
PEOPLE = [13800210500 + number for number in range(4)]
RUN_S, REST_S = 20.0, 90.0
AT_ONCE_S = 0.1
SOON_S = 0.2
"""What the store and a turn take."""
REFUSED, RMSGQFUL, SYSERR = 0x58, 0x14, 0x08
KEYWORD = RULE_REASONS["keyword"].status
FIRST_MISSING = GATE_REASONS["first-part-missing"].status
RULES = f"""
rules:
  - {{id: cap, say: x, when: {{category: marketing}}, limit: {{count: {CAP}, per: day, key: [recipient]}}, then: reject, reason: recipient-cap}}
  - {{id: quota, say: x, limit: {{count: 1000, per: day, key: [provider]}}, then: reject, reason: provider-quota}}
  - {{id: words, say: x, when: {{text: {BANNED}}}, then: reject, reason: keyword}}
"""


@lru_cache(1)
def the_rules(folder: Path) -> RuleSet:
    (folder / "x.yaml").write_text(RULES)
    return load(folder)


@dataclass(eq=False)
class Part:
    """One attempt of a provider to send one part."""

    long: Long
    index: int
    gate: Gate
    sent_at: float
    transit: PendingSubmit | None = None
    told: int | None = None
    at_carrier: bool = False
    unseen: bool = False
    """Whether its gate could not tell the others that it goes out."""
    carried_at: float = 0.0
    fate: str = ""
    """What the carrier made of it: taken | refused | silent."""


@dataclass(eq=False)
class Long:
    """One long message, as its provider means it."""

    number: int
    person: int
    total: int
    banned: bool
    frames: dict[int, bytes]
    attempts: list[Part] = field(default_factory=list)
    clean: bool = True
    """Nothing happened that may make more than one message of it."""
    at_once: bool = False
    """All its parts come within AT_ONCE_S."""

    def of(self, index: int) -> list[Part]:
        return [part for part in self.attempts if part.index == index]


class GateStore:
    """The shared store as one gate sees it, with a copy by which it goes while that is away."""

    waits = shared = True

    def __init__(self, world: Gates, node: int) -> None:
        self.world, self.node = world, node
        self.copy: dict[int, tuple[int, bytes]] = {}
        self.counters = world.counters
        self.mailbox, self.listed, self.orders = Mailbox(), SuppressionLists(), DeskRecords()
        self.away = False
        self.torn_keys = TornKeys()

    async def load(self, keys: Iterable[int]) -> dict[int, tuple[int, bytes]]:
        keys = list(keys)
        await self.world.pause()
        if self.away:
            return {key: (-1 - version, data) for key in keys for version, data in [self.copy.get(key, (0, record.EMPTY))]}
        return {key: self.world.records.get(key, (0, record.EMPTY)) for key in keys}

    async def swap(self, items: list[tuple[int, int, bytes]]) -> list[bool]:
        done = []
        await self.world.pause()
        for item in items:
            if item[1] < 0:
                self.copy[item[0]] = -item[1], item[2]
                done.append(True)
            else:
                done.append(not self.away and self.stored(item))
        await self.world.pause()
        return done

    def stored(self, item: tuple[int, int, bytes]) -> bool:
        key, version, data = item
        if self.world.records.get(key, (0, record.EMPTY))[0] != version:
            return False
        self.world.records[key] = self.world.version(), data
        self.copy[key] = self.copy.get(key, (0, b""))[0] + 1, data
        return True

    def update(self, key: int, change: Callable[[bytes], bytes]) -> None:
        version, data = self.copy.get(key, (0, record.EMPTY))
        self.copy[key] = version + 1, change(data)


class GateSheets:
    def __init__(self, world: Gates, store: GateStore) -> None:
        self.world, self.store = world, store
        self.read_at: dict[Key, float] = {}
        """When it last saw each."""

    async def load(self, keys: Sequence[Key]) -> dict[Key, tuple[int, bytes]]:
        await self.world.pause()
        if self.store.away:
            raise OSError("away")
        await self.world.pause()
        self.read_at.update(dict.fromkeys(keys, self.world.now))
        return {key: self.world.sheets.get(key, (0, b"")) for key in keys}

    async def swap(self, groups: Sequence[StoreGroup]) -> list[bool]:
        await self.world.pause()
        self.world.swapped += len(groups)
        done = []
        for group in groups:
            stands = not self.store.away and all(self.world.sheets.get(key, (0, b""))[0] == at for key, at, _ in group.sheets)
            if stands and group.record is not None:
                stands = self.store.stored(group.record)
            if stands:
                self.world.sheets.update({key: (self.world.version(), data) for key, _, data in group.sheets})
            done.append(stands)
        await self.world.pause()
        return done


class GateBind:
    window, peer_version = 10_000, 0x34

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        self.access = gate.world.access
        self.unanswered = self.noise = 0

    def answer_all(self, answers: list[bytes]) -> None:
        for data in answers:
            frame = Frame.of(data)
            self.gate.world.told(self.gate, frame.sequence_number, frame.command_status)


class Gate:
    """One life of one gate."""

    def __init__(self, world: Gates, node: int, life: int) -> None:
        self.world, self.node, self.alive = world, node, True
        self.store = GateStore(world, node)
        self.disk = MemoryDisk()
        self.journal = Journal(self.disk, node)
        self.lane = Lane("bj", "B1", 1000, lambda: None)
        self.lane.up = True
        self.bind = GateBind(self)
        self.scheduled = False
        self.sheets = GateSheets(world, self.store)
        self.in_hand: dict[int, Part] = {}
        self.relay = Relay(
            directory=cast("Any", SimpleNamespace(ports=world.ports, pacers={})),
            rules=world.rules,
            store=cast("Any", self.store),
            journal=self.journal,
            routes=cast("Any", SimpleNamespace(only=None, lane=lambda message, verdict: self.lane)),
            tally=GateCounters(),
            spawn=self.spawn,
            wake=self.wake,
            sync=lambda: self.later(0.002, self.sync),
            first_id=(node << NODE_SHIFT) + life * 1_000_000,
        )
        self.relay.share(cast("MultipartExchange", self.sheets), node << 48 | life, lambda: world.now, lambda: world.now)

    def later(self, seconds: float, do: Callable[[], None]) -> None:
        self.world.later(seconds, lambda: do() if self.alive else None)

    def spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        self.world.begun.append(coroutine)
        self.later(0.0, partial(self._step, coroutine))

    def _step(self, coroutine: Coroutine[Any, Any, None]) -> None:
        try:
            seconds = coroutine.send(None)
        except StopIteration:
            return
        self.later(cast("float", seconds), partial(self._step, coroutine))

    def wake(self) -> None:
        if not self.scheduled:
            self.scheduled = True
            self.later(0.001, self.turn)

    def sync(self) -> None:
        self.journal.note_synced(self.journal.sync())
        self.wake()

    def turn(self) -> None:
        self.scheduled = False
        self.relay.turn(self.world.now)
        self.relay.handed.clear()
        self.relay.completed.clear()
        for transit in self.lane.take(1000):
            self.world.reaches_carrier(self, transit)
        next_s = self.relay.parts.next_s
        if next_s is not None:
            self.later(max(0.0, next_s - self.world.now), self.due)

    def due(self) -> None:
        self.relay.due(self.world.now)
        self.wake()

    def takes(self, part: Part) -> None:
        number = len(self.world.parts)
        self.in_hand[number] = part
        data = part.long.frames[part.index]
        frame = Frame.of(data[:12] + number.to_bytes(4, "big") + data[16:])
        self.relay.submit(cast("Any", self.bind), frame, self.world.now, self.world.now)
        self.wake()

    def dies(self) -> None:
        self.alive = False
        for part in self.in_hand.values():
            if part.told is None:
                self.world.lost(part)


class Gates:
    """The world of one seed."""

    def __init__(self, seed: int, folder: Path, bug: Callable[[Gates], None] | None = None, *, calm: bool = False) -> None:
        """``calm``: no gate dies and none is cut off, so that caps are exact."""
        self.seed, self.random, self.calm = seed, random.Random(f"gates {seed}"), calm
        self.now, self.ticket, self.versions, self.number = NOON, 0, 0, 0
        self.events: list[tuple[float, int, Callable[[], None]]] = []
        self.records: dict[int, tuple[int, bytes]] = {}
        self.sheets: dict[Key, tuple[int, bytes]] = {}
        self.counters = Aggregates()
        self.begun: list[Coroutine[Any, Any, None]] = []
        self.swapped = 0
        """Groups that gates tried to store."""
        self.rules = the_rules(folder)
        self.ports = PortTable(cast("Any", (SimpleNamespace(name="jia", ports=(PORT,)),)))
        provider = SimpleNamespace(
            name="jia",
            statuses="vendor",
            status_detail="none",
            replace=False,
            category=Category.MARKETING,
            since=None,
            reserved_values="refuse",
        )
        account = SimpleNamespace(system_id="jia", ports=None)
        self.access = Access(cast("Any", provider), cast("Any", account), (), self.ports)
        self.longs: list[Long] = []
        self.parts: list[Part] = []
        self.by_transit: dict[int, Part] = {}
        self.seen: Counter[str] = Counter()
        self.silent = self.random.choice((0.0, 0.1))
        self.refusing = self.random.choice((0.0, 0.2, 0.6))
        self.run_s, self.people = self.random.choice(((RUN_S, PEOPLE), (RUN_S, PEOPLE), (0.1, PEOPLE[:1])))
        self.careless = self.random.choice((0.0, 0.1, 0.5))
        self.lives = 0
        self.bug = bug
        self.gates = [self._gate(node) for node in range(1, self.random.randint(2, 3) + 1)]
        self.all_gates = list(self.gates)

    def _gate(self, node: int) -> Gate:
        self.lives += 1
        gate = Gate(self, node, self.lives)
        if self.bug is not None:
            self.bug(gate)  # type: ignore[arg-type] # a bug is planted in a gate
        return gate

    # ------------------------------------------------------------------ time

    def later(self, seconds: float, do: Callable[[], None]) -> None:
        self.ticket += 1
        heapq.heappush(self.events, (self.now + seconds, self.ticket, do))

    async def pause(self) -> None:
        await Pause(self.random.expovariate(500))

    def version(self) -> int:
        self.versions += 1
        return self.versions

    def run(self) -> Counter[str]:
        for _ in range(self.random.randint(5, 12)):
            self.later(self.random.uniform(0, self.run_s), self.provider_sends)
        if not self.calm:
            for _ in range(self.random.randint(0, 2)):
                self.later(self.random.uniform(0, self.run_s), self.gate_dies)
            if self.random.random() < 0.4:
                self.later(self.random.uniform(0, self.run_s), self.gate_is_cut_off)
        try:
            self.passes(RUN_S + REST_S)
            self.check_at_rest()
        finally:
            self.ends()
        return self.seen

    def ends(self) -> None:
        """What a gate that died, or a world that was left, had begun is over."""
        while self.begun:
            self.begun.pop().close()

    def passes(self, seconds: float) -> None:
        end = self.now + seconds
        while self.events and self.events[0][0] < end:
            at, _, do = heapq.heappop(self.events)
            self.now = max(self.now, at)
            do()
        self.now = end

    # ------------------------------------------------------------------ disasters

    def gate_dies(self) -> None:
        place = self.random.randrange(len(self.gates))
        gone = self.gates[place]
        self.gates[place] = self._gate(gone.node)
        self.all_gates.append(self.gates[place])
        gone.dies()
        self.seen["died"] += 1
        for long in self.longs:
            if any(part.gate is gone for part in long.attempts):
                long.clean = False

    def gate_is_cut_off(self) -> None:
        gate = self.random.choice(self.gates)
        gate.store.away = True
        for long in self.longs:
            long.clean = False
        self.seen["cut off"] += 1

        def back() -> None:
            gate.store.away = False
            for long in self.longs:
                long.clean = False

        self.later(self.random.uniform(0.1, 5.0), back)

    # ------------------------------------------------------------------ providers

    def provider_sends(self) -> None:
        dice = self.random
        self.number += 1
        total, banned, person = dice.choice((1, 2, 2, 3, 3, 4)), dice.random() < 0.25, dice.choice(self.people)
        text = f"【青禾】双11第{self.number}张券" + (BANNED if banned else "") + " 拒收请回复R"
        octets = text.encode("utf-16-be")
        cuts = [0, *sorted(dice.sample(range(2, len(octets) - 1), total - 1)), len(octets)]
        frames = {1: submit_sm(PORT, f"86{person}", octets, data_coding=8)} if total == 1 else {
            index: submit_sm(
                PORT, f"86{person}", bytes((5, 0, 3, self.number % 256, total, index)) + octets[cuts[index - 1] : cuts[index]],
                data_coding=8, esm_class=0x40,
            )
            for index in range(1, total + 1)
        }  # fmt: skip
        long = Long(self.number, person, total, banned, frames)
        self.longs.append(long)
        if any(gate.store.away for gate in self.gates):
            long.clean = False
        order = list(frames)
        dice.shuffle(order)
        if dice.random() < self.careless:
            order.insert(dice.randrange(len(order) + 1), dice.choice(order))
            long.clean = False
        if dice.random() < 0.1:
            order.pop()
        spread_s = dice.choice((0.0, 0.0, 0.01, 0.1, 0.6, 3.0))
        long.at_once = len(order) == total and spread_s <= AT_ONCE_S
        for index in order:
            self.later(dice.uniform(0, spread_s), partial(self.send, long, index))

    def send(self, long: Long, index: int) -> None:
        part = Part(long, index, self.random.choice(self.gates), self.now)
        long.attempts.append(part)
        self.parts.append(part)
        part.gate.takes(part)

    def lost(self, part: Part) -> None:
        """The gate is gone: the part goes to another, by and by."""
        self.later(self.random.uniform(0.1, 2.0), partial(self.send, part.long, part.index))

    def told(self, gate: Gate, number: int, status: int) -> None:
        part = gate.in_hand[number]
        if part.told is not None:
            raise Broken(f"part {part.index} of message {part.long.number} was answered twice")
        part.told = status
        adopted = any(one.transit is not None and one.transit.adopts for one in part.long.attempts)
        doubted = [one for one in part.long.of(part.index) if one is not part and one.fate in ("silent", "taken")]
        excused = adopted or len(doubted) >= 2 or self._is_early(part)
        if self.calm and part.long.clean and status == RMSGQFUL and not excused:
            raise Broken(f"part {part.index} of message {part.long.number} was put off, and nothing stood in its way")
        temporary = status in (REFUSED, RMSGQFUL, SYSERR)
        if temporary and len(part.long.of(part.index)) < 4 and part.long.of(part.index)[-1] is part:
            self.later(self.random.uniform(0.05, 1.0), partial(self.send, part.long, part.index))

    @staticmethod
    def _is_early(part: Part) -> bool:
        """Whether its first part is nowhere: not sent, or refused by the carrier each time. Of the first part: whether another came early,
        and is being refused for that."""
        if part.index == 1:
            return any(
                one.index != 1 and one.told in (None, RMSGQFUL) and one.sent_at < part.sent_at for one in part.long.attempts
            )
        first = [one for one in part.long.of(1) if one.at_carrier and one.fate != "refused"]
        return not any(one.carried_at < part.sent_at for one in first)

    # ------------------------------------------------------------------ the carrier

    def reaches_carrier(self, gate: Gate, transit: PendingSubmit) -> None:
        part = gate.in_hand[transit.sequence]
        part.transit, part.at_carrier, part.carried_at = transit, True, self.now
        part.unseen = gate.store.away or (transit.long is not None and transit.long.alone)
        self.check_sent(part)
        part.fate = "open"
        chance = self.random.random()
        delay_s = self.random.uniform(0.005, 0.3)
        if chance < self.silent:
            part.fate = "silent"
            gate.later(1.0, partial(self._unanswered, gate, part))
        elif chance < self.silent + self.refusing:
            self.later(delay_s, partial(self._answers, gate, part, REFUSED))
        else:
            self.later(delay_s, partial(self._answers, gate, part, 0))

    def _answers(self, gate: Gate, part: Part, status: int) -> None:
        part.fate = "refused" if status else "taken"
        if gate.alive and part.transit is not None:
            gate.relay.answered(part.transit, Frame.of(submit_sm_resp(1, status, b"" if status else b"id")))
            gate.wake()

    def _unanswered(self, gate: Gate, part: Part) -> None:
        assert part.transit is not None
        gate.relay.unanswered(part.transit)
        gate.wake()
        if self.random.random() < 0.5:
            status = self.random.choice((0, REFUSED))
            self.later(self.random.uniform(0.1, 1.0), partial(self._answers_late, gate, part, status))

    def _answers_late(self, gate: Gate, part: Part, status: int) -> None:
        part.fate = "refused" if status else "taken"
        if gate.alive and part.transit is not None:
            gate.relay.answered_late(part.transit, Frame.of(submit_sm_resp(1, status, b"" if status else b"id")))
            gate.wake()

    # ------------------------------------------------------------------ promises

    def check_sent(self, part: Part) -> None:
        """A part goes out."""
        assert part.transit is not None
        if self.calm and self.now - part.sent_at > WAIT_MAX_S + SOON_S:
            raise Broken(f"part {part.index} of message {part.long.number} has waited {self.now - part.sent_at:.1f} s")
        if self.calm and part.long.clean and part.long.at_once and len(part.long.attempts) == part.long.total:
            waited_s = self.now - part.sent_at
            if waited_s > AT_ONCE_S + LINGER_S + LOOK_S + SOON_S / 2:
                raise Broken(f"part {part.index} of message {part.long.number} has waited {waited_s:.2f} s for nothing")
        if part.long.clean and part.long.banned and part.long.at_once:
            raise Broken(f"part {part.index} of message {part.long.number} went out, though all was there to be read")
        long, entry = part.long, part.transit.entry_id
        self.seen["sent"] += 1
        sent = [one for one in long.attempts if one.at_carrier and one is not part]
        if any(one.gate is not part.gate and one.transit is not None and one.transit.entry_id == entry for one in sent):
            self.seen["over two gates"] += 1
        mine = self._first_of(entry)
        copies = [
            one for one in sent
            if one.index == part.index and one.fate != "refused" and one.transit and self._first_of(one.transit.entry_id) == mine
        ]  # fmt: skip
        self.seen["sent twice"] += len(copies)
        if self.calm and len(copies) > 1:
            raise Broken(f"part {part.index} of message {long.number} went out a third time, and nobody knows of the others")
        for one in sent:
            assert one.transit is not None
            twice = one.index == part.index and one.transit.entry_id == entry and one.fate == "taken" and one.told == 0
            if twice and not (long.total > 1 and self._could_not_know(one, part)):
                raise Broken(f"part {part.index} of message {long.number} went out twice as one message")
        if long.total > 1 and long.clean and not any(one.fate in ("refused", "silent") for one in sent):
            known = {one.transit.entry_id for one in sent if one.transit is not None} | {entry}
            if len(known) > 1:
                raise Broken(f"message {long.number} has the entries {sorted(known)}")

    def _first_of(self, entry: int) -> int:
        """The entry in whose stead this one is, over all that came in between."""
        adopts = {
            one.transit.entry_id: one.transit.adopts for one in self.parts if one.transit is not None and one.transit.adopts
        }
        while entry in adopts:
            entry = adopts[entry]
        return entry

    @staticmethod
    def _could_not_know(one: Part, other: Part) -> bool:
        """The bound that state/stores/valkey.py states: a gate that is cut off, and the others, do not see what either sends."""
        assert other.transit is not None
        assert other.transit.long is not None
        seen_at = other.gate.sheets.read_at.get(key_of(other.transit.long), 0.0)
        return one.gate is not other.gate and (one.unseen or (other.unseen and one.carried_at > seen_at))

    def standing(self) -> dict[int, dict[int, list[Part]]]:
        """Person → entry → parts that the carrier has, or may have, with it."""
        found: dict[int, dict[int, list[Part]]] = {person: {} for person in PEOPLE}
        for part in self.parts:
            if part.at_carrier and part.fate != "refused":
                assert part.transit is not None
                found[part.long.person].setdefault(part.transit.entry_id, []).append(part)
        return found

    def check_at_rest(self) -> None:
        for gate in self.gates:
            if not gate.relay.idle:
                raise Broken(f"gate {gate.node} is not idle at rest")
            if gate.relay.parts.shared_parts is not None and gate.relay.parts.shared_parts.transactions.people:
                raise Broken(
                    f"gate {gate.node} still looks at the board for {gate.relay.parts.shared_parts.transactions.people}"
                )
        for part in self.parts:
            if part.gate.alive and part.told is None:
                raise Broken(f"part {part.index} of message {part.long.number} was never answered")
        for long in self.longs:
            self._check_long(long)
        if self.calm:
            self._check_counts()
        for gate in self.gates:
            self._check_replay(gate)

    def _check_long(self, long: Long) -> None:
        whole = all(any(part.told == 0 for part in long.of(index)) for index in long.frames)
        ended = {part.told for part in long.attempts}
        if not long.clean:
            return
        self.seen["clean"] += 1
        self.seen["clean and whole"] += whole
        if long.banned and whole:
            raise Broken(f"message {long.number} went out with a banned word in it")
        if not long.banned and KEYWORD in ended:
            raise Broken(f"message {long.number} was refused for words it does not have")
        by_rule = {
            status for status in ended if status is not None and status >= 0x400 and status not in (KEYWORD, FIRST_MISSING)
        }
        if by_rule and 0 in ended and not any(part.fate in ("refused", "silent") for part in long.attempts):
            raise Broken(f"message {long.number} was refused in part: {ended}")

    def _check_counts(self) -> None:
        held = sum(sum(series.counts) for _, series in self.counters.series())
        known_to_all = sum(len(record.entries(data)) for _, data in self.records.values())
        if held != known_to_all:
            raise Broken(f"{known_to_all} messages are counted, and {held} in the quota")
        adopted = {part.transit.adopts for part in self.parts if part.transit is not None}
        for person, sent in self.standing().items():
            standing = sent.keys() - adopted
            known = {one.id for one in record.entries(self.records.get(person, (0, record.EMPTY))[1])}
            if missing := standing - known:
                raise Broken(f"{person} has messages {missing} that are not counted")
            if len(standing) > CAP:
                raise Broken(f"{person} got {len(standing)} messages")
            self.seen["at the cap"] += len(standing) == CAP
            for entry in known - standing:
                parts = [one for one in self.parts if one.transit is not None and one.transit.entry_id == entry]
                stood_in = any(one.transit is not None and one.transit.adopts for one in parts)  # for one that may have arrived
                if parts and not stood_in and all(one.long.clean for one in parts):
                    raise Broken(f"{person} is counted {entry}, of which the carrier refused every part")
            self.seen["taken back"] += len({
                part.transit.entry_id for part in self.parts
                if part.transit is not None and part.long.person == person and part.transit.entry_id not in known
            })  # fmt: skip

    def _check_replay(self, gate: Gate) -> None:
        """A restart on its journal gives out no id that another gate gives out, and forgets no entry that it sent for."""
        fresh = GateStore(self, gate.node)
        found = replay(cast("Any", fresh), read(gate.disk, 1), 0)
        settle_open(cast("Any", fresh), found)
        if found.highest_id and found.highest_id >> NODE_SHIFT != gate.node:
            raise Broken(f"gate {gate.node} would give out ids of another")
        for item in read(gate.disk, 1):
            if item.kind == messages.VERDICT:
                messages.unpack_verdict(item.body)
