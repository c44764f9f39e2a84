"""Passage: a simulated gate with the shipped rules, those who look for a way around them, and what handsets show of what gets through.

In: a seed. Out: ``Broken`` when a handset shows what the rules refuse, when more copies arrive than caps allow, when a provider or the carrier
is handed a PDU that SMPP does not allow, or when an honest message is refused. Never: sockets, sleeping, the gate's own readers as judges.

    smuggling.py  what is sent, in which pieces, when     handsets.py            what a person sees of it
    strict.py     PDUs read as strict peers read them     test_passage.py       seeds, and seeded bugs that must be found

One gate, one thread. It is killed now and then, and begins again with what its disk holds. Time runs for hours where a sender
waits for hours.

What the gate does not promise, and is not looked for: what the carrier does not answer is delivered all the same, for a part that it loses
without a word leaves a handset with a torn message that the gate takes for whole; a refusal is answered at once, for until it is, the part
counts as out. A part that was sent again because it was not answered, and had arrived, may be left over on a handset and be joined with a
later message of the same reference: that is rare, and not prevented.
"""

from __future__ import annotations

import heapq
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Coroutine
from datetime import datetime
from functools import lru_cache, partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from zoneinfo import ZoneInfo

from proxy.journal.encoding import pack
from proxy.journal.records import gate_events, messages
from proxy.journal.write_ahead_log import Journal, read
from proxy.model.counters import GateCounters
from proxy.model.message import Category
from proxy.net.answer_filter import AnswerFilter, MalformedLog
from proxy.net.carrier import CarrierAccount
from proxy.net.lane import Lane
from proxy.policy.loading.load_rules import load
from proxy.policy.ruleset import RuleSet
from proxy.relay.account_access import Access, PortTable
from proxy.relay.effects.replay import ID_GAP, replay, settle_open
from proxy.relay.submit import Relay
from proxy.state.counters.aggregates import Aggregates
from proxy.wire import Frame, Session, Timers, submit_sm_resp
from tests.journal.memory_disk import MemoryDisk
from tests.scanners import scanners_kept
from tests.simulation import strict
from tests.simulation.handsets import KINDS, Arrived, Handset, arrived, shows
from tests.simulation.nouns import CARRIER_REFUSES, Broken, nameless
from tests.simulation.smuggling import ACCOUNTS, ADS, BEIJING, HONEST, HONEST_SHORT, SCHEMES, Scheme, Sent, Smugglers
from tests.simulation.store import SimStore, aggregates_of, dumped

NOON = datetime(2026, 9, 11, 12, tzinfo=ZoneInfo("Asia/Shanghai")).timestamp()
RESPONSE_S = 3.0
ADOPT_S = 600.0
CAP = 3
LONGEST_S = 100 * 3600.0
SYSERR = 0x08
TEMPORARY = (0x14, 0x58)
CODE_CAPPED = 0x413
STATUSES_MAX = 150
"""So many series of a carrier's statuses are more than the specification has."""


@lru_cache(1)
def the_rules() -> RuleSet:
    """Those that are shipped."""
    with scanners_kept():
        return load(Path(__file__).parents[2] / "rules")


class Bind:
    window, peer_version, room = 100_000, 0x34, 0

    def __init__(self, world: Passage, access: Access) -> None:
        self.world, self.access = world, access
        self.unanswered = self.noise = 0

    def answer_all(self, answers: list[bytes]) -> None:
        for data in answers:
            self.world.told(data)


class Passage:
    reserved_values = "refuse"

    def __init__(self, seed: int, only: Scheme | None = None) -> None:
        """``only``: nothing else is tried in it."""
        self.seed, self.random = seed, random.Random(f"passage {seed}")
        self.now = NOON
        self.skew_s = 0.0
        self.events: list[tuple[float, int, int, Callable[[], None]]] = []
        self.ticket = self.epoch = 0
        self.slow_store = self.chance(0.3)
        self.rules = the_rules()
        self.disk = MemoryDisk(room_bytes=0)
        self.saved: tuple[dict[int, tuple[int, bytes]], dict[int, bytes], int, int, int] | None = None
        self.sent: list[Sent] = []
        self.by_frame: dict[bytes, Sent] = {}
        self.seen: Counter[str] = Counter()
        self.handsets = {kind: Handset(kind) for kind in KINDS}
        self.copies: dict[bytes, list[Sent]] = defaultdict(list)
        """Advertisements that handsets have shown, by their octets."""
        self.begun: dict[tuple[str, str, int], dict[int, bytes]] = defaultdict(dict)
        """Parts of messages that have left, until those of the next under the same reference do."""
        self.counted: Counter[int] = Counter()
        self.last_code: dict[tuple[int, str], float] = {}
        self.silent = self.random.choice((0.0, 0.0, 0.1))
        self.refusing = self.random.choice((0.0, 0.0, 0.1))
        self.odd_answers = self.random.choice((0.0, 0.0, 0.3))
        self.small = self.chance(0.3)
        """Whether the bounds of long messages are small, so that they are reached."""
        self.smugglers = Smugglers(self, SCHEMES if only is None else (only,))
        self.start()

    # ------------------------------------------------------------------ chance and time (store.py asks, too)

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability

    def later(self, seconds: float, do: Callable[[], None], forever: bool = False) -> None:
        """``forever``: also after a restart of the gate."""
        self.ticket += 1
        heapq.heappush(self.events, (self.now + seconds, self.ticket, -1 if forever else self.epoch, do))

    def run(self) -> Counter[str]:
        self.smugglers.begin()
        for _ in range(self.random.choice((0, 0, 1, 3))):
            self.later(self.random.choice((1, 30, 100, 4000)) * self.random.random(), self.dies, forever=True)
        return self.come_to_rest()

    def come_to_rest(self) -> Counter[str]:
        ticked = self.now
        while self.events:
            at, _, epoch, do = heapq.heappop(self.events)
            if at > NOON + LONGEST_S:
                raise Broken("the world does not come to rest")
            self.now = max(self.now, at)
            if self.now - ticked >= 1:
                ticked = self.now
                self.relay.tick(self.now)
                self.relay.due(self.now)
                self.wake()
            if epoch in (-1, self.epoch):
                do()
        self.check_at_rest()
        return self.seen

    # ------------------------------------------------------------------ the gate

    def start(self) -> None:
        self.epoch += 1
        self.turning = self.syncing = False
        self.due_at = 0.0
        self.tally = GateCounters()
        store, open_from, counted, highest = SimStore(cast("Any", self), {}, Aggregates(), 0), 1, 0, 1
        if self.saved is not None:
            records, counters, counted, open_from, highest = self.saved
            store = SimStore(cast("Any", self), dict(records), aggregates_of(counters), 1_000_000 * self.epoch)
        found = replay(cast("Any", store), read(self.disk, open_from), counted)
        settle_open(cast("Any", store), found)
        self.store = store
        self.journal = Journal(self.disk, 0)
        self.lane = Lane("bj", "B1", 100_000, lambda: None)
        self.lane.up = True
        self.ports = PortTable(
            cast("Any", tuple(SimpleNamespace(name=name, ports=one.ports) for name, one in ACCOUNTS.items()))
        )
        self.binds = {name: Bind(self, self._access(name)) for name in ACCOUNTS}
        self.relay = Relay(
            directory=cast("Any", SimpleNamespace(ports=self.ports, pacers={})),
            rules=self.rules,
            store=cast("Any", store),
            journal=self.journal,
            routes=cast("Any", SimpleNamespace(lane=lambda message, verdict: self.lane, only=self.lane)),
            tally=self.tally,
            spawn=self.spawn,
            wake=self.wake,
            sync=self.sync,
            first_id=max(found.highest_id, highest) + ID_GAP,
        )
        if self.small:
            self.relay.parts.bounds = self.relay.parts.bounds._replace(held_bytes=60_000, torn=20)
        self.session = Session("carrier", Timers(response_s=RESPONSE_S), self.now, 100_000)
        self.session._enter("bound_trx")
        self.late: dict[int, Any] = {}
        self.harness = self._harness()
        self.journal.append(messages.START, pack(gate_events.Start(self.now, 0, self.relay.highest_id)))
        self.journal.write(self.now)
        self.journal.note_synced(self.journal.sync())

    def _access(self, name: str) -> Access:
        account = ACCOUNTS[name]
        provider = SimpleNamespace(
            name=name, statuses="vendor", status_detail="none", replace=False, category=Category[account.category.upper()],
            since=None, reserved_values=self.reserved_values,
        )  # fmt: skip
        return Access(cast("Any", provider), cast("Any", SimpleNamespace(system_id=name, ports=None)), (), self.ports)

    def _harness(self) -> Any:
        """The gate's own way with a carrier's answers, without a network."""
        harness = SimpleNamespace(
            carrier=SimpleNamespace(name="bj"), owner="", tally=self.tally, lane=self.lane, relay=self.relay,
            pacer=SimpleNamespace(throttled=lambda now_s: None),
        )  # fmt: skip
        harness.malformed = MalformedLog(self.tally, "bj", "bj")
        harness.answer_filter = AnswerFilter(harness.malformed, None, "bj")
        harness.answer_filter.relay = self.relay
        return harness

    def spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        try:
            seconds = coroutine.send(None)
        except StopIteration:
            return
        self.later(cast("float", seconds), partial(self.spawn, coroutine))

    def wake(self) -> None:
        if not self.turning:
            self.turning = True
            self.later(0.0005, self.turn)

    def turn(self) -> None:
        self.turning = False
        self.relay.turn(self.now)
        self.relay.handed.clear()
        self.relay.completed.clear()
        self.leave()
        next_s = self.relay.parts.next_s
        if next_s is not None and next_s != self.due_at:
            self.due_at = next_s
            self.later(max(0.0, next_s - self.now), self.parts_are_due)

    def parts_are_due(self) -> None:
        self.due_at = 0.0
        self.relay.due(self.now)
        self.wake()

    def sync(self) -> None:
        if not self.syncing and self.journal.written > self.journal.synced:
            self.syncing = True
            self.later(0.002, self.sync_ends)

    def sync_ends(self) -> None:
        self.syncing = False
        self.journal.note_synced(self.journal.sync())
        self.relay.turn(self.now)
        self.leave()

    def dies(self) -> None:
        """It is killed; before that it may have saved its records. What a loss of power takes is world.py's."""
        self.seen["died"] += 1
        if self.chance(0.5) and not self.relay.has_unwritten_changes and not self.relay.in_flight:
            self.saved = (
                dict(self.store.records), dumped(self.store.counters), self.journal.written, self.journal.written + 1,
                self.relay.highest_id,
            )  # fmt: skip
            self.seen["saved"] += 1
        self.disk.kill()
        self.start()

    # ------------------------------------------------------------------ providers

    def hand_in(self, sent: Sent) -> None:
        sent.number = len(self.sent) + 1
        self.sent.append(sent)
        self.by_frame[nameless(sent.frame)] = sent
        self.seen[sent.what] += 1
        frame = Frame.of(sent.frame[:12] + sent.number.to_bytes(4, "big") + sent.frame[16:])
        self.relay.submit_all(cast("Any", self.binds[sent.provider]), [frame], self.now, self.now)
        self.wake()

    def told(self, data: bytes) -> None:
        """A provider is answered."""
        sent = self.sent[int.from_bytes(data[12:16], "big") - 1]
        if why := strict.fault_of_answer(data):
            raise Broken(f"{sent.provider} was handed an answer that SMPP does not allow: {why}")
        sent.told = int.from_bytes(data[8:12], "big")
        if sent.tries and sent.told in (SYSERR, *TEMPORARY):
            again = Sent(sent.provider, sent.frame, sent.what, sent.never, sent.tries - 1, sent.unanswered)
            self.later(self.random.choice((0.1, 1.0, 3.0)), partial(self.hand_in, again), forever=True)

    # ------------------------------------------------------------------ the carrier

    def leave(self) -> None:
        taken = self.lane.take(100_000)
        if not taken:
            return
        self.session.send_all(taken, self.now)
        out, at = self.session.output(), 0
        while at < len(out):
            length = int.from_bytes(out[at : at + 4], "big")
            self.reaches_carrier(out[at : at + length])
            at += length
        self.later(RESPONSE_S + 0.01, self.overdue)

    def overdue(self) -> None:
        for sequence, transit in self.session._outstanding.give_up(self.now - RESPONSE_S):
            transit.answered_s = self.now
            self.late[sequence] = transit
            self.relay.unanswered(transit)
        self.wake()

    def reaches_carrier(self, pdu: bytes) -> None:
        sequence = int.from_bytes(pdu[12:16], "big")
        sent = self.by_frame.get(nameless(pdu))
        if sent is None:
            raise Broken("a PDU was altered on its way")
        sent.left.append(self.now)
        if sent.never:
            raise Broken(f"{sent.what} left ({sent.never}; from {sent.provider})")
        if why := strict.fault_of_submit(pdu):
            raise Broken(f"the carrier cuts the link that all share: {why}")
        self.check_order(arrived(pdu))
        answer = self.answer_to(sequence, sent)
        silent = sent.unanswered or self.chance(self.silent)
        if silent or answer[8:12] == bytes(4):
            self.reaches_handset(pdu, sent)
        if silent:
            self.seen["silent"] += 1
            return
        sent.refused = answer[8:12] != bytes(4)
        delays_s = (0.01,) if sent.refused else (0.01, 0.2, RESPONSE_S + 1) if self.silent else (0.01, 0.1)
        self.later(self.random.choice(delays_s), partial(self.answers, answer))

    def check_order(self, one: Arrived) -> None:
        """A part leaves with or after the first of its message."""
        if one.part is None:
            return
        reference, total, index = one.part
        begun = self.begun[one.source, one.recipient, reference]
        if index != 1 and begun.get(index) == one.octets:
            return  # once more, for nobody knows whether it arrived
        if len(begun) == total or index == 1:
            begun.clear()
        if index != 1 and 1 not in begun:
            raise Broken(f"part {index} of {total} left, and its first part did not")
        begun[index] = one.octets

    def answer_to(self, sequence: int, sent: Sent) -> bytes:
        """Whoever is refused does not get it, however oddly the carrier says so."""
        if self.chance(self.odd_answers) and not sent.unanswered:
            self.seen["odd answer"] += 1
            return strict.odd_answer(self.random, sequence)
        if self.chance(self.refusing) and not sent.unanswered:
            return submit_sm_resp(sequence, CARRIER_REFUSES)
        return submit_sm_resp(sequence, 0, b"c%d" % sequence)

    def answers(self, data: bytes) -> None:
        received = self.session.receive(data, self.now)
        if received.answers:
            CarrierAccount.answers(self.harness, received.answers, self.now)
        for sequence, frame in received.strays:
            if (transit := self.late.pop(sequence, None)) is not None:
                CarrierAccount.late(self.harness, transit, frame)
        self.wake()

    # ------------------------------------------------------------------ what people see

    def reaches_handset(self, pdu: bytes, sent: Sent) -> None:
        person = int(arrived(pdu).recipient[-11:])
        for kind, handset in self.handsets.items():
            texts = handset.takes(pdu, self.now)
            if texts is None:
                continue
            self.seen["shown"] += kind == "keeps"
            if word := shows(texts, self.smugglers.words):
                raise Broken(f"{sent.what}: a handset that {kind} shows {word} (from {sent.provider})")
            if shows(texts, ADS):
                if person in BEIJING:
                    raise Broken(f"{sent.what}: a handset in Beijing that {kind} shows an advertisement (from {sent.provider})")
                if kind == "keeps":
                    self.check_copies(person, pdu, sent)
            elif kind == "keeps" and shows(texts, ("您的验证码是",)):
                self.check_codes(person, sent)

    def check_copies(self, person: int, pdu: bytes, sent: Sent) -> None:
        """A message whose outcome is unknown may come once more within ten minutes; else each counts."""
        copies = self.copies[nameless(pdu)]
        recent = [one for one in copies if one.left[-1] > self.now - ADOPT_S]
        copies.append(sent)
        if not recent or not recent[-1].unanswered or len(recent) % 2 == 0:
            self.counted[person] += 1
        if len(recent) > 1 and all(one.unanswered for one in recent):
            raise Broken(f"{sent.what}: {person} is shown the same {len(recent) + 1} times while the carrier does not answer")
        if self.counted[person] > CAP:
            raise Broken(f"{sent.what}: {person} is shown {self.counted[person]} advertisements of one day")

    def check_codes(self, person: int, sent: Sent) -> None:
        """One code a minute to a person from one account, where no signature tells who sends it."""
        before, self.last_code[person, sent.provider] = self.last_code.get((person, sent.provider), 0.0), self.now
        if int(self.now / 60) == int(before / 60) or self.now - before < 59:
            raise Broken(f"{sent.what}: {person} is shown two codes of {sent.provider} within a minute")

    # ------------------------------------------------------------------ at rest

    def check_at_rest(self) -> None:
        if len(self.tally.carrier_responses) > STATUSES_MAX:
            raise Broken(f"statuses of one carrier make {len(self.tally.carrier_responses)} series")
        calm = not (self.seen["died"] or self.silent or self.refusing or self.odd_answers)
        honest = [one for one in self.sent if one.what in (HONEST if calm else HONEST_SHORT) and not one.refused]
        for sent in honest:
            if sent.told not in (None, 0, SYSERR, *TEMPORARY):
                raise Broken(f"{sent.what}: an honest message was refused with 0x{sent.told:x}")
