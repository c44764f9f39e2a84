"""Rerun: every message of the journal judged again, in the order in which the gate judged, each against what the earlier ones left.

In: turns, the store as it was when they begin, rules by revision. Out: a Case for each message: its verdict then and now. Never: a file, a
clock, another way to judge: ``judging`` and ``parts`` are the gate's own.

What happened around the messages stays as it was: what people answered, what officers entered, what was ordered, what the carrier said of
what was sent. A message that is refused now leaves nothing; one that is let through now is taken to have been accepted.

In a turn the gate changes records first and judges then, but writes it the other way round (relay.py): here each turn is put back into
that order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from proxy.backtest.house import FULL, Senders, Way, read_case
from proxy.backtest.replacing import Named, Replacing
from proxy.backtest.turns import Turn
from proxy.changes import Answer, Change, Effect
from proxy.desk import entries, operated
from proxy.desk.journal import Record
from proxy.judging import ON_JUDGE_ERROR, Judging
from proxy.listing import Listings
from proxy.message import GATE_REASONS, ORDER_KINDS, RULE_REASONS, Message, Order, Take
from proxy.officer import officer_changed, take_off
from proxy.parts import Parts
from proxy.policy import RuleSet
from proxy.replay import (
    Replayed,
    apply_answer,
    apply_operated,
    apply_person,
    apply_unreplaced,
    apply_verdict,
    settle_open,
)
from proxy.state import EmbeddedStore, record
from proxy.tally import Tally
from proxy.transit import Bind, Transit
from proxy.wire import Memo
from proxy.wire.tables import REPLACE_SM

SPARE_IDS_FROM = 1 << 47
"""Of what is let through now and was not then: no gate gives out so many."""
HOUSEKEEPING_S = 60.0
JUDGING = frozenset(kind for kind in ORDER_KINDS if kind != "drain")
UNJUDGED = frozenset(GATE_REASONS) - FULL - {"late-breach", "store-conflict", "store-down"}
"""Reasons for which a message was never shown to the rules, or the rules failed."""
AWAY = frozenset(("store-conflict", "store-down"))


class Case(Transit):
    """One message as it was sent and decided then; its verdict now is what judging leaves on it, as on any Transit."""

    def __init__(self, bind: Bind, message: Message, said: entries.Verdict, number: int) -> None:
        self.bind = bind
        self.sequence = 0
        self.data = said.data
        self.arrived_s = self.answered_s = said.time
        self.message = message
        self.said = said
        self.recorded = number
        self.named: Named | None = None
        """What it was to replace."""

    @property
    def leads(self) -> bool:
        """Whether its verdict is its own: of a long message only the first part's is, and that of a late part that breaks a rule."""
        return (
            self.long is None or self.long.leader is self or self.reason == "late-breach" or self.said.reason == "late-breach"
        )


class Skipped(NamedTuple):
    """A record of a verdict that is not judged again."""

    said: entries.Verdict
    why: str


Look = Callable[[Case, bytes, float, RuleSet], None]
RulesOf = Callable[[str], RuleSet | None]
"""By the revision in force then: the rules to judge by, None where they are not known."""


def take_all(store: EmbeddedStore, body: bytes) -> None:
    """What a message to somebody who is not looked at took from counters: all of them are about everybody."""
    if entries.takes_of(body):
        said = entries.unpack_verdict(body)
        if said.entry is not None:
            for take in said.takes:
                store.counters.take(take, said.entry.time)


class Rerun:
    def __init__(
        self,
        store: EmbeddedStore,
        rules_of: RulesOf,
        senders: Senders,
        hear: Callable[[Case], None],
        skip: Callable[[Skipped], None],
        note: Callable[[Record], None] | None = None,
        before: Replayed | None = None,
        mine: Callable[[int], bool] | None = None,
        look: Look | None = None,
    ) -> None:
        """``hear``, ``skip``: are told of every message, ``note`` of every record of kinds NOTED. ``before``: what the
        replay that made the store found. ``mine``: which people to look at; None: everybody. ``look``: is shown each
        message with the record it is about to be judged against, and when that was."""
        self.store = store
        self._rules_of, self._senders, self._hear, self._skip, self._mine = rules_of, senders, hear, skip, mine
        self._note, self._look = note, look
        self._before = before if before is not None else Replayed()
        self._listings = self._before.listings or Listings(store.listed)
        self._memo = Memo()
        self._way = Way()
        self._spare = SPARE_IDS_FROM
        self._judging: Judging | None = None
        self._parts: Parts
        self._pending: list[Change] = []
        self._given_rules: dict[str, RuleSet | None] = {}
        self._orders: dict[int, Order] = {}
        self._in_flight: dict[int, Case] = {}
        self._doubted: dict[int, Case] = {}
        """Of which nobody knew: an answer may still come."""
        self._batch: list[Case] = []
        self._ready: list[Transit] = []
        self._swept = 0.0
        self._stepped_s = 0.0
        """By how much the wall clock has jumped: parts of long messages wait by one that does not."""
        self._replacing = Replacing(store, senders) if senders.any_replaces else None
        self._begin = 0
        self._as_then: set[int] = set()
        """Verdicts whose effects stand as they were."""
        for number, body in store.orders.held.items():
            self._orders[number] = operated.unpack_order(body)

    def run(self, turns: Iterable[Turn]) -> None:
        for turn in turns:
            self.turn(turn)

    # ------------------------------------------------------------------ one turn

    def turn(self, turn: Turn) -> None:
        """Deals with one commit group."""
        self._begin = self._begin or turn.records[0].sequence
        sorted_ = self._sorted(turn)
        if not (any(sorted_) or self._pending):
            return
        submits, changes, accepted = sorted_
        after = self._changed(changes, turn.time) if changes or self._pending else []
        decided = self._decide(submits, turn.time)
        self._accept(accepted)
        self._settle(decided)
        for then in after:
            then()
        if turn.time - self._swept > HOUSEKEEPING_S and self._judging is not None:
            self._swept = turn.time
            self.store.sweep(turn.time, self._judging.rules.window_s, 0)
            self._parts.due(turn.time - self._stepped_s)
            if self._replacing is not None:
                self._replacing.turn(turn.time)

    def _sorted(self, turn: Turn) -> tuple[list[Record], list[Record], list[Record]]:
        """Its submits, what changed records, and what carriers simply took; what stands in a group of its own is dealt with at once."""
        submits: list[Record] = []
        changes: list[Record] = []
        accepted: list[Record] = []
        for item in turn.records:
            kind = item.kind
            if kind == entries.VERDICT:
                (changes if _replaces(item.body) else submits).append(item)
            elif kind == entries.ACCEPTED:
                accepted.append(item)
            elif kind in CHANGES:
                changes.append(item)
            elif kind in OF_ITS_OWN:
                self._alone(item)
            if kind in NOTED and self._note is not None:
                self._note(item)
        return submits, changes, accepted

    def _accept(self, accepted: list[Record]) -> None:
        """Nothing changes but that nobody waits any more."""
        if self._replacing is not None:
            self._accept_with_ids(accepted, self._replacing)
            return
        for item in accepted:
            for sequence in entries.verdicts_of(item.body):
                if self._in_flight.pop(sequence, None) is None:
                    self._before.open.pop(sequence, None)

    def _accept_with_ids(self, accepted: list[Record], replacing: Replacing) -> None:
        """... but that ids name messages, for who may replace them."""
        for item in accepted:
            for answer in entries.unpack_answers(item):
                case = self._in_flight.pop(answer.verdict_sequence, None)
                if case is None:
                    said = self._before.open.pop(answer.verdict_sequence, None)
                    if said is not None:
                        replacing.accepted(said, answer, None)
                elif case.named is None:
                    replacing.accepted(case.said, answer, case)

    def _decide(self, submits: list[Record], now: float) -> list[Case]:
        decided: list[Case] = []
        for item in submits:
            if self._mine is not None and not self._mine(int.from_bytes(item.body[8:16], "big")):
                take_all(self.store, item.body)
                continue
            said = entries.unpack_verdict(item.body)
            if said.reason in UNJUDGED or not self._use(said.revision):
                self._unjudged(item, said)
                continue
            case = self._case(said, item.sequence)
            if case is None:
                self._unjudged(item, said)
                continue
            assert case.message is not None
            if case.message.content.part is None:
                self._flush(decided, now)
                self._alone_judged(case, now)
                decided.append(case)
            else:
                if self._batch and not _follows(self._batch[-1], case):
                    self._flush(decided, now)
                self._batch.append(case)
        self._flush(decided, now)
        return decided

    def _unjudged(self, item: Record, said: entries.Verdict) -> None:
        if said.entry is not None:  # let through by rules that are not known, or because judging had failed
            self._as_recorded(item.sequence, said)
        self._skip(Skipped(said, said.reason or "rules-unknown"))

    def _as_recorded(self, sequence: int, said: entries.Verdict) -> None:
        self._as_then.add(sequence)
        apply_verdict(self.store, said, sequence, counts=True, done=self._before)

    def _case(self, said: entries.Verdict, number: int) -> Case | None:
        content = read_case(said, self._memo)
        if content is None:
            return None
        senders = self._senders
        message = Message(senders.find(said.provider, said.account, said.port), said.recipient, content)
        return Case(senders.bind(said.provider, said.account), message, said, number)

    def _place(self, case: Case, now: float, *, first: bool) -> float:
        """What the gate around it was like: whether there was room, and which id it gave. When it was judged: a store that waits made it
        wait, so it may have been written in a later second than that of its entry. ``first``: no part that came later."""
        assert self._judging is not None
        said = case.said
        self._way.reason = said.reason if said.reason in FULL else ""
        self._judging.highest_id = (said.entry.id if said.entry is not None else self._spare + 1) - 1
        if first and said.entry is not None and not said.adopts:
            return min(now, said.entry.time + 0.999)
        return now

    def _given(self, case: Case) -> None:
        self._spare = max(self._spare, case.entry_id)

    def _alone_judged(self, case: Case, now: float) -> None:
        judging, message = self._judging, case.message
        assert judging is not None
        assert message is not None
        if case.said.reason in AWAY:
            judging.refuse(case, GATE_REASONS[case.said.reason])
            return
        at = self._place(case, now, first=True)

        def judge(data: bytes) -> bytes:
            if self._look is not None:
                self._look(case, data, at, judging.rules)
            return judging.judge(case, data, at)

        self.store.update(message.recipient, judge)
        self._given(case)

    # ------------------------------------------------------------------ long messages

    def _flush(self, decided: list[Case], now: float) -> None:
        """Parts that were judged together, or one that came later."""
        batch, self._batch = self._batch, []
        if not batch:
            return
        parts, now_s = self._parts, now - self._stepped_s
        known = parts.remembered(batch[0], now_s)
        if known is None and self._began_before(batch[0]):
            for case in batch:
                if case.said.entry is not None:
                    self._as_recorded(case.recorded, case.said)
                self._skip(Skipped(case.said, "began-before"))
            return
        if known is not None and (_begins(batch[0], known.leader) or not all(known.takes_part(_index(case)) for case in batch)):
            parts.close(known)  # what begins a message may not be its first part, which only looks as if it came late
        for case in batch:
            parts.take(case, now_s)
        if parts.waiting:
            parts.drain(now_s)
        ready = list(self._ready)
        self._ready.clear()
        for transit in ready:
            assert isinstance(transit, Case)
            self._part_judged(transit, now)
            decided.append(transit)

    def _began_before(self, case: Case) -> bool:
        """Whether a part came late to a message that was judged before all this begins: then its entry is there, or it broke a rule."""
        entry = case.said.entry
        return case.said.reason == "late-breach" if entry is None else self._has(case.said.recipient, entry.id)

    def _has(self, person: int, entry_id: int) -> bool:
        found = False

        def look(data: bytes) -> bytes:
            nonlocal found
            found = record.has(data, entry_id)
            return data

        self.store.update(person, look)
        return found

    def _part_judged(self, case: Case, now: float) -> None:
        judging, parts, message, long = self._judging, self._parts, case.message, case.long
        assert judging is not None
        assert message is not None
        assert long is not None
        if case.said.reason in AWAY:
            judging.refuse(case, GATE_REASONS[case.said.reason])
            return
        at = self._place(case, now, first=case in long.batch)

        def judge(data: bytes) -> bytes:
            if self._look is not None:
                self._look(case, data, at, judging.rules)
            return parts.judge(case, data, at)

        self.store.update(message.recipient, judge)
        self._given(case)

    def _settle(self, decided: list[Case]) -> None:
        """The turn is written, and its verdicts are told."""
        for case in decided:
            if case.lane is not None and case.said.entry is not None:
                self._in_flight[case.recorded] = case
            self._hear(case)
        if self._judging is not None:
            self._judging.grounds.waiting.clear()
        long = [case for case in decided if case.long is not None]
        if long:
            self._parts.settle(list(long))

    # ------------------------------------------------------------------ what changed records

    def _changed(self, changes: list[Record], now: float) -> list[Callable[[], None]]:
        """Applies changes; what is to be done once the turn is judged."""
        after: list[Callable[[], None]] = []
        pending = list(self._pending)
        self._pending.clear()
        for change in pending:
            self._apply(change, now, after)
        for item in changes:
            if item.kind == entries.ANSWER:
                self._answered(entries.unpack_answer(item.body), now, after)
            elif item.kind == entries.VERDICT:
                self._replaced(item, now)
            elif item.kind == entries.UNREPLACED:
                self._unreplaced(item, now, after)
            elif item.kind == entries.SUPPRESSED:
                said = operated.unpack_suppressed(item.body)
                self.store.update(said.recipient, lambda data, s=said: officer_changed(data, s.added, s.lifted, int(s.time)))  # type: ignore[misc]
                after.append(lambda s=said: take_off(self.store.listed, s.recipient, s.lifted))  # type: ignore[misc]
            else:
                apply_person(self.store, item)
        return after

    def _apply(self, change: Change, now: float, after: list[Callable[[], None]]) -> None:
        self.store.update(change.recipient, lambda data: change.apply(data, now))
        after.append(lambda: change.done(0))

    def _answered(self, told: entries.Answer, now: float, after: list[Callable[[], None]]) -> None:
        case = self._in_flight.pop(told.verdict_sequence, None) or self._doubted.pop(told.verdict_sequence, None)
        if case is None:
            if told.verdict_sequence < self._begin or told.verdict_sequence in self._as_then:
                apply_answer(self.store, told, True, self._before)
            return  # else it was not sent now, and nobody answers
        effect = Effect(told.effect)
        if effect is Effect.UNKNOWN:
            self._doubted[told.verdict_sequence] = case
        if case.long is not None:
            if effect is Effect.UNKNOWN:
                self._parts.unanswered(case)
            else:
                effect = self._parts.answered(case, told.status, late=effect.late)
        self._apply(Answer(case, effect, told.status, told.carrier_id, self._told), now, after)

    def _told(self, answer: Answer, recorded: int) -> None:
        if answer.effect.takes_back and self._judging is not None:
            self._judging.give_back(answer.transit)

    def _replaced(self, item: Record, now: float) -> None:
        """A replace_sm: it changes the record like a submit in place of another, among the changes of its turn."""
        said = entries.unpack_verdict(item.body)
        if self._mine is not None and not self._mine(said.recipient):
            take_all(self.store, item.body)
            return
        replacing = self._replacing
        named = replacing.named(said) if replacing is not None and said.reason not in UNJUDGED | AWAY else None
        if named is None or replacing is None or not self._use(said.revision):
            if said.entry is not None:
                self._as_recorded(item.sequence, said)
            self._skip(Skipped(said, said.reason if said.reason in GATE_REASONS else "replace_sm"))
            return
        judging = self._judging
        assert judging is not None
        case = Case(self._senders.bind(said.provider, said.account), replacing.message(said, named), said, item.sequence)
        case.named = named
        self._place(case, now, first=False)
        self.store.update(said.recipient, lambda data: replacing.judge(judging, case, named, data, now))
        self._given(case)
        if case.lane is not None and said.entry is not None:
            self._in_flight[item.sequence] = case
        if case.verdict is not None:
            self._hear(case)

    def _unreplaced(self, item: Record, now: float, after: list[Callable[[], None]]) -> None:
        """The carrier refused to replace a message."""
        told = entries.unpack_unreplaced(item.body)
        number = told.verdict_sequence
        case = self._in_flight.pop(number, None) or self._doubted.pop(number, None)
        replacing, judging = self._replacing, self._judging
        if case is None or case.named is None or replacing is None or judging is None:
            if number < self._begin or number in self._as_then:
                apply_unreplaced(self.store, told, True, self._before)
            return
        named = case.named
        back: tuple[Take, ...] = ()

        def restore(data: bytes) -> bytes:
            nonlocal back
            data, back = replacing.restored(case, named, data, now)
            return data

        self.store.update(told.recipient, restore)
        after.append(lambda: self._give_back(back, case.entry_time))

    def _give_back(self, takes: tuple[Take, ...], at: int) -> None:
        for take in takes:
            self.store.counters.give_back(take, at)

    # ------------------------------------------------------------------ what stands in a group of its own

    def _alone(self, item: Record) -> None:
        body = item.body
        if item.kind == entries.START:
            self._started()
            return
        if item.kind == entries.CLOCK:
            self._stepped_s += entries.unpack_clock(body).step_s
            return
        apply_operated(self.store, item, self._listings)
        if item.kind == entries.ORDERED:
            order = operated.unpack_order(body)
            self._orders[order.id] = order
        elif item.kind == entries.LIFTED:
            self._orders.pop(operated.unpack_lifted(body).order, None)
        else:
            return
        self._given_rules.clear()
        self._revision = None

    def _started(self) -> None:
        """The gate was started anew: of what was on its way nobody knows, and parts that waited are forgotten."""
        for case in self._in_flight.values():
            entry_id, same = case.entry_id, case.said.fingerprint
            assert case.message is not None
            self.store.update(case.message.recipient, lambda data, i=entry_id, s=same: record.mark_unknown(data, i, s))  # type: ignore[misc]
        settle_open(self.store, self._before)
        self._before.open.clear()
        self._in_flight.clear()
        self._doubted.clear()
        self._pending.clear()
        self._listings.abandon()
        if self._replacing is not None:
            self._replacing.started()
        if self._judging is not None:
            self._parts = self._new_parts(self._judging)

    # ------------------------------------------------------------------ rules

    _revision: str | None = None
    """By which judging judges now."""

    def _use(self, revision: str) -> bool:
        """Judges by what is to be judged by where this revision was in force; False where nobody knows that."""
        if revision == self._revision:
            return True
        if not revision:
            return False
        if revision not in self._given_rules:
            rules = self._rules_of(revision)
            orders = tuple(order for order in self._orders.values() if order.kind in JUDGING)
            self._given_rules[revision] = rules.with_orders(orders) if rules is not None and orders else rules
        rules = self._given_rules[revision]
        if rules is None:
            return False
        if self._judging is None:
            self._judging = Judging(
                rules=rules, store=self.store, routes=self._way, tally=Tally(), on_judge_error=ON_JUDGE_ERROR, first_id=0
            )
            self._parts = self._new_parts(self._judging)
        self._judging.rules = rules
        self._revision = revision
        return True

    def _new_parts(self, judging: Judging) -> Parts:
        return Parts(judging, hand_in=self._ready.extend, change=self._pending.append)


CHANGES = frozenset(
    (
        entries.ANSWER,
        entries.OPTOUT,
        entries.RESTORED,
        entries.SAID,
        entries.REFUSED_SAID,
        entries.SUPPRESSED,
        entries.UNREPLACED,
    )
)
NOTED = frozenset((entries.RULES, entries.ORDERED, entries.REPEATED))
OF_ITS_OWN = frozenset(
    (entries.START, entries.CLOCK, entries.ORDERED, entries.LIFTED, entries.LISTING, entries.LISTED, entries.LISTING_DONE)
)
_REPLACE = REPLACE_SM.to_bytes(4, "big")


def _replaces(body: bytes) -> bool:
    """Whether a verdict is about a replace_sm."""
    return _REPLACE in body and entries.unpack_verdict(body).data[4:8] == _REPLACE


def _follows(before: Case, case: Case) -> bool:
    """Whether a part belongs to the same batch as the one before it."""
    one, other = before.message, case.message
    assert one is not None
    assert other is not None
    a, b = one.content.part, other.content.part
    assert a is not None
    assert b is not None
    return (one.sender.provider, one.sender.port, one.recipient, a.reference, a.total) == (
        other.sender.provider,
        other.sender.port,
        other.recipient,
        b.reference,
        b.total,
    ) and a.index < b.index


def _index(case: Case) -> int:
    assert case.message is not None
    assert case.message.content.part is not None
    return case.message.content.part.index


def _begins(case: Case, leader: Transit | None) -> bool:
    """Whether the journal shows that a part began a new message, though one with its key was remembered: whether it did was decided when
    it came, up to two seconds before it was judged."""
    if not isinstance(leader, Case):
        return False
    led, mine = leader.said.entry, case.said.entry
    if mine is not None:
        return led is None or led.id != mine.id
    return led is not None and case.said.reason in RULE_REASONS
