"""Judges every message of the journal again, in the gate's order.

In: commit groups, the store as it was when they begin, rules by revision. Out: a SubmitCase for each message, with its verdict then and now.
Never: a file, a clock, another way to judge (gate_state.py holds the gate's own).

Everything around the messages stays as it was: replies, suppressions, orders, the carrier's answers. A message that is refused now leaves no
trace; one that is allowed now is taken to have been accepted.

Within a commit group the gate changes records first and judges then, but writes it the other way round (relay/batching.py, relay/commit.py).
Each group is put back into that order here.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from typing import NamedTuple

from proxy.desk.backtest.commit_groups import ForeignFacts, JournalGroup
from proxy.desk.backtest.environment import Senders, read_case
from proxy.desk.backtest.gate_state import Conditions
from proxy.desk.backtest.submit_case import (
    NOT_STORED,
    UNJUDGED,
    Observer,
    Replacements,
    RulesOf,
    SkippedVerdict,
    SubmitCase,
    in_same_batch,
    other_parts_alive,
    take_counters,
)
from proxy.journal.encoding import unpack
from proxy.journal.records import answers as answered
from proxy.journal.records import messages, operator_actions, requests
from proxy.journal.records.consents import ConsentChange
from proxy.journal.records.gate_events import ReplicatedRecord
from proxy.journal.write_ahead_log import JournalRecord
from proxy.model.message import Content, Take
from proxy.model.reasons import GATE_REASONS
from proxy.model.recipient import EntryState
from proxy.relay.effects import replay
from proxy.relay.effects.consents import change_beside, person_changed
from proxy.relay.effects.list_import import ListImports
from proxy.relay.effects.record_changes import Effect, EntryFate, RecordChange, ResendAccepted, was_sent_twice
from proxy.relay.effects.replay import NotUnderstood, Replayed
from proxy.relay.effects.suppression import officer_changed, take_off
from proxy.relay.multipart.assembler import INHERIT_S
from proxy.state.record import record
from proxy.state.stores.sqlite import SqliteStore
from proxy.wire import ContentCache
from proxy.wire.tables import REPLACE_SM

HOUSEKEEPING_S = 60.0
CHANGES = frozenset((
    messages.ANSWER, messages.OPTOUT, messages.RESTORED, messages.SAID, messages.REFUSED_SAID, messages.SUPPRESSED, messages.UNREPLACED,
    messages.SHARE, messages.PERSON, messages.CONSENT_REPLY, messages.DOUBTFUL,
))  # fmt: skip
MESSAGE_STANDS = frozenset((Effect.PART_REFUSED, Effect.LATE_PART))
"""A part was refused, and the message stands."""
OBSERVED = frozenset((messages.RULES, messages.ORDERED, messages.HEARD, messages.REPEATED))
SINGLE = frozenset((
    messages.START, messages.CLOCK, messages.ORDERED, messages.LIFTED, messages.LISTING, messages.LISTED, messages.LISTING_DONE,
    messages.CONSENT_FILE, messages.CONSENTS, messages.CONSENT_EVENT, messages.HEARD,
))  # fmt: skip
_REPLACE = REPLACE_SM.to_bytes(4, "big")


class SortedRecords(NamedTuple):
    """The records of a group, by what they do."""

    submits: list[JournalRecord]
    changes: list[JournalRecord]
    accepted: list[JournalRecord]


class Rerun:
    def __init__(
        self, store: SqliteStore, rules_of: RulesOf, senders: Senders, hear: Callable[[SubmitCase], None],
        skip: Callable[[SkippedVerdict], None], note: Callable[[JournalRecord], None] | None = None,
        before: Replayed | None = None, is_own: Callable[[int], bool] | None = None, look: Observer | None = None,
        others: ForeignFacts | None = None,
    ) -> None:  # fmt: skip
        """``hear``, ``skip``: are called with every message, ``note`` with every record of kinds OBSERVED. ``before``: the result of the
        replay that made the store. ``is_own``: which recipients to judge; None: all. ``look``: is called before a message is judged, with the
        record and the time. ``others``: if several gates are rerun on one store, the facts replicated from still other gates."""
        self.store = store
        self._senders, self._hear, self._skip, self._note, self._is_own = senders, hear, skip, note, is_own
        self._conditions = Conditions(store, rules_of, look)
        self._others = others
        self._before = before if before is not None else Replayed()
        self._continues = before is not None
        self._inherits_until_s = 0.0
        """Until then parts that come late may belong to a message that was judged before all this begins."""
        self._listings = self._before.listings or ListImports(store.listed)
        self._replacing = Replacements(store, senders) if senders.any_replaces else None
        self._memo = ContentCache()
        self._in_flight: dict[int, SubmitCase] = {}
        self._unanswered: dict[int, SubmitCase] = {}
        """Messages of unknown outcome: an answer may still come."""
        self._batch: list[SubmitCase] = []
        self._submits: list[JournalRecord] = []
        """The submits of the group at hand …"""
        self._early_parts: dict[int, SubmitCase] = {}
        """… and those of them that came before an answer of the same group."""
        self._swept = 0.0
        self._stepped_s = 0.0
        """By how much the wall clock has jumped: parts of long messages wait by one that does not."""
        self._begin = 0
        self._open_twice = any(
            submit.entry is not None and submit.entry.state == EntryState.SENT_TWICE for submit in self._before.open.values()
        )
        self._as_recorded: set[int] = set()
        """Verdicts whose effects stand as they were."""

    def run(self, groups: Iterable[JournalGroup]) -> None:
        for group in groups:
            self.apply_group(group)

    # ------------------------------------------------------------------ one group

    def apply_group(self, group: JournalGroup) -> None:
        if not self._begin:
            self._begin = group.records[0].sequence
            self._inherits_until_s = group.time + INHERIT_S if self._continues else 0.0
        found, pending = self._sorted(group), self._conditions.pending
        if not (any(found) or pending):
            return
        self._conditions.set_clock(group.time)
        self._submits = found.submits
        after = self._changed(found.changes, group.time) if found.changes or pending else []
        self._arrive(found.accepted, group.time)
        decided = self._decide(found.submits, group.time)
        self._accept(found.accepted)
        for case in decided:
            if case.lane is not None and case.journalled.entry is not None:
                self._in_flight[case.recorded] = case
            self._hear(case)
        self._conditions.settle(decided)
        for then in after:
            then()
        if group.time - self._swept > HOUSEKEEPING_S:
            self._swept = group.time
            self._conditions.sweep(group.time, group.time - self._stepped_s)
            if self._replacing is not None:
                self._replacing.advance(group.time)

    def _sorted(self, group: JournalGroup) -> SortedRecords:
        """Sorts the records of a group; records that stand in a group of their own are applied at once."""
        found = SortedRecords([], [], [])
        for item in group.records:
            kind = item.kind
            if kind == messages.VERDICT:
                (found.changes if _replaces(item.body) else found.submits).append(item)
            elif kind == messages.ACCEPTED:
                found.accepted.append(item)
            elif kind in CHANGES:
                found.changes.append(item)
            elif kind in SINGLE:
                self._apply_single(item)
            if kind in OBSERVED and self._note is not None:
                self._note(item)
        return found

    def _arrive(self, accepted: list[JournalRecord], now: float) -> None:
        """Messages that stood in for one of unknown outcome were accepted: their outcome is known when others are judged."""
        if not (self._conditions.sent_twice or self._open_twice):
            return
        for item in accepted:
            for sequence in answered.verdicts_of(item.body):
                case, submit = self._in_flight.get(sequence), self._before.open.get(sequence)
                if case is not None and was_sent_twice(case.packed):
                    change = ResendAccepted(case.journalled.recipient, case.entry_id)
                elif submit is not None and submit.entry is not None and submit.entry.state == EntryState.SENT_TWICE:
                    change = ResendAccepted(submit.recipient, submit.entry.id)
                else:
                    continue
                self.store.update(change.recipient, lambda data, c=change: c.apply(data, now))  # type: ignore[misc]

    def _accept(self, accepted: list[JournalRecord]) -> None:
        """Accepted messages wait no longer; their ids are indexed for replace_sm."""
        replacing = self._replacing
        for item in accepted:
            if replacing is None:
                for sequence in answered.verdicts_of(item.body):
                    if self._in_flight.pop(sequence, None) is None:
                        self._before.open.pop(sequence, None)
                continue
            for answer in answered.unpack_answers(item):
                case = self._in_flight.pop(answer.verdict_sequence, None)
                if case is None:
                    submit = self._before.open.pop(answer.verdict_sequence, None)
                    if submit is not None:
                        replacing.accepted(submit, answer, None)
                elif case.named is None:
                    replacing.accepted(case.journalled, answer, case)

    # ------------------------------------------------------------------ messages

    def _decide(self, submits: list[JournalRecord], now: float) -> list[SubmitCase]:
        decided: list[SubmitCase] = []
        for item in submits:
            if self._is_own is not None and not self._is_own(int.from_bytes(item.body[8:16], "big")):
                take_counters(self.store, item.body)
                continue
            submit = messages.unpack_verdict(item.body)
            case = self._early_parts.pop(item.sequence, None)
            if case is not None:
                self._conditions.use(submit.revision)
                self._flush(decided, now)
                decided += self._conditions.judge_parts([case], now, now - self._stepped_s)
                continue
            if submit.reason not in UNJUDGED and self._conditions.use(submit.revision):
                case = self._case(submit, item.sequence)
            if case is None:
                self._keep_as_then(item.sequence, submit, submit.reason or "rules-unknown")
            elif case.message.content.part is None:
                self._flush(decided, now)
                self._conditions.judge(case, now)
                decided.append(case)
            else:
                if self._batch and not in_same_batch(self._batch[-1], case):
                    self._flush(decided, now)
                self._batch.append(case)
        self._flush(decided, now)
        self._conditions.undo_not_stored()
        return decided

    def _case(self, submit: messages.VerdictRecord, number: int) -> SubmitCase | None:
        content = read_case(submit, self._memo)
        return self._case_of(submit, number, content) if content is not None else None

    def _case_of(self, submit: messages.VerdictRecord, number: int, content: Content) -> SubmitCase:
        senders = self._senders
        return SubmitCase(senders.bind(submit.provider, submit.account), senders.message(submit, content), submit, number)

    def _keep_as_then(self, sequence: int, submit: messages.VerdictRecord, why: str) -> None:
        """Does not judge a message again: repeats its recorded effects."""
        if submit.entry is not None:
            self._as_recorded.add(sequence)
            replay.apply_verdict(self.store, submit, sequence, counts=True, done=self._before)
            if submit.adopts and self._replacing is not None:
                self._replacing.as_recorded.allowed(submit)
        self._skip(SkippedVerdict(submit, why))

    def _flush(self, decided: list[SubmitCase], now: float) -> None:
        """Parts that were judged together, or one that came later."""
        batch, self._batch = self._batch, []
        if not batch:
            return
        now_s = now - self._stepped_s
        if self._conditions.is_judged_here(batch, now_s, early=now_s < self._inherits_until_s):
            decided += self._conditions.judge_parts(batch, now, now_s)
        else:  # they came late to a message that was judged before all this begins
            for case in batch:
                self._keep_as_then(case.recorded, case.journalled, "began-before")

    # ------------------------------------------------------------------ what changed records

    def _changed(self, changes: list[JournalRecord], now: float) -> list[Callable[[], None]]:
        """Applies changes; returns what is to be done once the group is judged."""
        after: list[Callable[[], None]] = []
        pending = list(self._conditions.pending)
        self._conditions.pending.clear()
        for change in pending:
            self._apply(change, now, after)
        for item in changes:
            if item.kind == messages.ANSWER:
                self._answered(unpack(answered.CarrierAnswer, item.body), now, after)
            elif item.kind == messages.VERDICT:
                self._replaced(item, now)
            elif item.kind == messages.UNREPLACED:
                self._unreplaced(item, now, after)
            elif item.kind == messages.SHARE:
                self._share(unpack(requests.CounterShare, item.body))
            elif item.kind == messages.SUPPRESSED:
                order = unpack(operator_actions.Suppressed, item.body)
                self.store.update(order.recipient, lambda data, s=order: officer_changed(data, s.added, s.lifted, int(s.time)))  # type: ignore[misc]
                after.append(lambda s=order: take_off(self.store.listed, s.recipient, s.lifted))  # type: ignore[misc]
            elif item.kind == messages.PERSON:
                befell = unpack(ConsentChange, item.body)
                self.store.update(befell.recipient, lambda data, b=befell: person_changed(data, b))  # type: ignore[misc]
                after.append(lambda b=befell: change_beside(self.store, b))  # type: ignore[arg-type, misc]
            else:
                replay.apply_person(self.store, item)
        return after

    def _apply(self, change: RecordChange, now: float, after: list[Callable[[], None]]) -> None:
        self.store.update(change.recipient, lambda data: change.apply(data, now))
        after.append(lambda: change.done(0))

    def _answered(self, carrier_answer: answered.CarrierAnswer, now: float, after: list[Callable[[], None]]) -> None:
        number = carrier_answer.verdict_sequence
        case = self._in_flight.pop(number, None) or self._unanswered.pop(number, None)
        if case is None:
            # 0: of a part whose verdict was never written, and which had been all that stood of its message: here nothing did
            known = number < self._begin and (
                number > 0 or self._conditions.has(carrier_answer.recipient, carrier_answer.entry_id)
            )
            if known or number in self._as_recorded:
                replay.apply_answer(self.store, carrier_answer, True, self._before)
            return  # else it was not sent now, and nobody answers
        if carrier_answer.effect == Effect.UNKNOWN:
            self._unanswered[number] = case
        if Effect(carrier_answer.effect) in MESSAGE_STANDS and not other_parts_alive(case):
            self._remember_early_part(case, now)
        effect = self._conditions.answered(case, carrier_answer)
        self._apply(EntryFate(case, effect, carrier_answer.status, carrier_answer.carrier_id, self._entry_settled), now, after)

    def _remember_early_part(self, answered: SubmitCase, now: float) -> None:
        """The carrier refused a part and the message stood: so another part, judged in this group, had come before the refusal."""
        for item in self._submits:
            submit = messages.unpack_verdict(item.body)
            if (
                item.sequence in self._early_parts
                or submit.recipient != answered.journalled.recipient
                or submit.reason in UNJUDGED
            ):
                continue
            case = self._case(submit, item.sequence) if self._conditions.use(submit.revision) else None
            if case is not None and self._conditions.remember_part(case, answered, now - self._stepped_s):
                self._early_parts[item.sequence] = case
                return

    def _entry_settled(self, answer: EntryFate, recorded: int) -> None:
        if answer.effect.takes_back:
            self._conditions.give_back(answer.pending)

    def _replaced(self, item: JournalRecord, now: float) -> None:
        """A replace_sm: it changes the record as a submit in place of another would, among the changes of its group."""
        submit, conditions, replacing = messages.unpack_verdict(item.body), self._conditions, self._replacing
        if self._is_own is not None and not self._is_own(submit.recipient):
            take_counters(self.store, item.body)
            return
        named = replacing.named(submit) if replacing is not None and submit.reason not in UNJUDGED | NOT_STORED else None
        if named is None or replacing is None or not conditions.use(submit.revision):
            self._keep_as_then(item.sequence, submit, submit.reason if submit.reason in GATE_REASONS else "replace_sm")
            return
        case = self._case_of(submit, item.sequence, named.content)
        conditions.replace(case, named, replacing, now)
        if case.lane is not None and submit.entry is not None:
            self._in_flight[item.sequence] = case
        if case.verdict is not None:
            self._hear(case)

    def _unreplaced(self, item: JournalRecord, now: float, after: list[Callable[[], None]]) -> None:
        """The carrier refused to replace a message."""
        carrier_answer = unpack(requests.Unreplaced, item.body)
        number, replacing = carrier_answer.verdict_sequence, self._replacing
        case = self._in_flight.pop(number, None) or self._unanswered.pop(number, None)
        if case is None or case.named is None or replacing is None:
            if number < self._begin or number in self._as_recorded:
                replay.apply_unreplaced(self.store, carrier_answer, True, self._before)
                if replacing is not None:
                    replacing.as_recorded.unreplaced(carrier_answer)
            return
        named = case.named
        back: tuple[Take, ...] = ()

        def restore(data: bytes) -> bytes:
            nonlocal back
            data, back = replacing.restored(case, named, data, now)
            return data

        self.store.update(carrier_answer.recipient, restore)
        after.append(lambda: self._conditions.give_back_all(back, case.entry_time))

    def _share(self, carrier_answer: requests.CounterShare) -> None:
        """The counter shares of a verdict that was not judged again; of others they are known."""
        number = carrier_answer.verdict_sequence
        if number < self._begin or number in self._as_recorded:
            replay.apply_share(self.store, carrier_answer, True, self._before)

    # ------------------------------------------------------------------ what stands in a group of its own

    def _apply_single(self, item: JournalRecord) -> None:
        kind, body = item.kind, item.body
        if kind == messages.START:
            self._started()
            return
        if kind == messages.CLOCK:
            self._stepped_s += unpack(messages.Clock, body).step_s
            return
        if kind == messages.HEARD:  # of another gate
            replicated, others = unpack(ReplicatedRecord, body), self._others
            if others is None or others.is_new(replicated):
                with contextlib.suppress(NotUnderstood):  # as it was when it came
                    replay.apply_heard(self.store, replicated, self._listings if others is None else others.listings)
            kind, body = replicated.kind, replicated.body
        else:
            replay.apply_operated(self.store, item, self._listings)
        if kind == messages.ORDERED:
            self._conditions.order(unpack(operator_actions.Ordered, body).order)
        elif kind == messages.LIFTED:
            self._conditions.lift(unpack(operator_actions.Lifted, body).order)

    def _started(self) -> None:
        """The gate restarted: messages in flight have an unknown outcome."""
        for case in self._in_flight.values():
            entry_id, same = case.entry_id, case.journalled.fingerprint
            self.store.update(case.journalled.recipient, lambda data, i=entry_id, s=same: record.mark_unknown(data, i, s))  # type: ignore[misc]
        replay.settle_open(self.store, self._before)
        self._before.open.clear()
        self._in_flight.clear()
        self._unanswered.clear()
        self._listings.abandon()
        self._conditions.started([*self.store.orders.held.values()])


def _replaces(body: bytes) -> bool:
    """Whether a verdict is about a replace_sm."""
    return _REPLACE in body and messages.unpack_verdict(body).data[4:8] == _REPLACE
