"""Judges one submit against the recipient's record and reserves resources.

In: a submit that was read; the record as earlier submits left it; the time. Out: the record with the new entry; verdict, lane and entry on the
PendingSubmit. Never: the journal, sockets, the clock.

A submit reserves everything or nothing (DESIGN §2): an entry in the record, its share of aggregate counters, a place in the carrier's lane.
An allowed submit has a lane. A refused one has a reason and a status, and has reserved nothing.

Other submits see a share of an aggregate from the moment it is reserved. If the store then refuses the record, the share is given back, but
another submit may have been refused for it meanwhile. So no limit is ever exceeded. A refusal by an aggregate is judged anew each time
(refusal_cache.py does not keep it). The embedded store takes every record: there this does not happen.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

import cython

from proxy.model.counters import GateCounters
from proxy.model.message import Category, Facts, Message, Outcome, Take, Verdict
from proxy.model.reasons import GATE_REASONS, Reason
from proxy.model.recipient import CONSENT_REQUEST, Entry, EntryState, Recipient, in_state, pack_entry
from proxy.policy.judge import judge
from proxy.policy.ruleset import RuleSet
from proxy.relay.effects.record_changes import fingerprint, refused_before
from proxy.relay.evidence_records import EvidenceRecords
from proxy.relay.pending_submit import LaneRoutes, PendingSubmit, SubmitLane
from proxy.relay.proposed_rules import CandidateRules
from proxy.state.counters.aggregates import Aggregates
from proxy.state.lists.bloom import BloomFilters
from proxy.state.lists.desk_records import ChangedRows
from proxy.state.lists.erased_recipients import ErasedRecipients
from proxy.state.lists.suppression_lists import SuppressionLists
from proxy.state.record import record
from proxy.state.record.record import Record, add_packed, has_unknown, record_of

if TYPE_CHECKING:
    from proxy.state.stores.sqlite import SqliteStore

ADOPT_WITHIN_S = 600
"""An identical submit within this time of one with unknown outcome adopts its entry (DESIGN §2)."""
ESME_RSUBMITFAIL = 0x45
_VENDOR_FIRST = cython.declare(cython.uint, 0x400)
_VENDOR_END = cython.declare(cython.uint, 0x500)
_CONSENT_REQUEST = cython.declare(cython.uint, CONSENT_REQUEST)
_MARKETING = Category.MARKETING  # an attribute of an enum costs more
_MALFORMED = GATE_REASONS["malformed"]
_ENTRIES_MAX = cython.declare(cython.Py_ssize_t, record.ENTRIES_MAX)
_NO_TAKES: tuple[Take, ...] = ()
ON_JUDGE_ERROR: Mapping[Category, Outcome] = {
    Category.MARKETING: Outcome.DEFER,
    Category.NOTICE: Outcome.DEFER,
    Category.OTP: Outcome.ALLOW,
}
"""The default outcome of a message whose judging fails inside the gate."""


@cython.final
@cython.cclass
class Admission:
    rules: RuleSet
    store: SqliteStore
    routes: Any  # LaneRoutes
    tally: GateCounters
    highest_id: cython.longlong
    """The last entry id given out."""
    error: Exception | None
    """The last exception of ``judge``, for the log (maintenance takes it)."""
    evidence: EvidenceRecords
    """Evidence to be journalled beside the verdicts."""
    stale: cython.bint
    """Whether this gate has not read other gates' opt-outs for too long: then it sends no marketing."""
    cut_off: cython.bint
    """Whether the store is out of reach, so that the record judged against is only this node's copy."""
    candidate: CandidateRules | None
    """Rules that wait for approval: they judge, too, but change no verdict."""
    sent_twice: WeakSet[PendingSubmit]
    """Submits in flight that were sent in place of one with unknown outcome: the carrier's answer ends that doubt."""
    _on_judge_error: Mapping[Category, Outcome]
    _listed: SuppressionLists
    _lists: ChangedRows
    _bloom: BloomFilters
    _consented: ChangedRows
    _erased: ErasedRecipients
    _counters: Aggregates
    _only: SubmitLane | None
    _bind: Any  # Bind | None
    """The bind that was refused something last, and …"""
    _vendor: cython.bint
    """… whether its provider is told statuses of vendors."""
    __dict__: dict[str, Any]
    """What tests put over methods."""

    def __init__(
        self,
        *,
        rules: RuleSet,
        store: SqliteStore,
        routes: LaneRoutes,
        tally: GateCounters,
        on_judge_error: Mapping[Category, Outcome],
        first_id: int,
    ) -> None:
        self.rules, self.store, self.routes, self.tally, self.highest_id = rules, store, routes, tally, first_id
        self.error, self.evidence, self._on_judge_error = None, EvidenceRecords(), on_judge_error
        self.stale = self.cut_off = False
        self.candidate, self.sent_twice = None, WeakSet()
        self._listed = self._lists = listed = store.listed
        self._bloom, self._consented, self._erased = listed.bloom, listed.consented, listed.erased
        self.begin()

    @cython.ccall
    def begin(self) -> None:
        """A batch begins: looks up what stays the same for all its submits."""
        self._counters, self._only, self._bind, self._vendor = self.store.counters, self.routes.only, None, False

    @cython.ccall
    @cython.nonecheck(False)
    def judge(self, pending: PendingSubmit, data: bytes, now: cython.double, adopted: Any = None) -> bytes:
        """Judges one submit against the record as earlier submits left it. Returns the record with this submit's entry.

        ``adopted``: the entry that it replaces, already removed from the record (replace_sm)."""
        message: Message | None = pending.message
        assert message is not None
        against: bytes = data
        seen: Record = record_of(data)
        unknown: Any = None
        if adopted is None and not seen.bare and has_unknown(data):
            unknown = record.find_unknown(data, fingerprint(message), int(now) - ADOPT_WITHIN_S)
            if unknown is not None:  # judged without that entry: it is the same message
                adopted, against = unknown, record.remove(data, unknown.id)
                seen = record_of(against)
        at: cython.double = max(seen.newest(), now)
        person: Recipient = seen if self._is_silent(message.recipient) else self._listed.beside(seen, message.recipient)
        verdict: Verdict = _verdict(self, message, person, at)
        unconcerned: cython.bint = person.unconcerned
        if self.candidate is not None:
            self.candidate.look(message, person, verdict, at, self._counters.as_seen)
        pending.verdict = verdict
        pending.category = category = verdict.facts.category
        if verdict.wants_a_word:
            self.evidence.note(pending)
        if verdict.reason is not None:
            self.refuse(pending, verdict.reason)
            return data
        if self.stale and category is _MARKETING:
            self.refuse(pending, GATE_REASONS["store-down"])
            return data
        if unknown is not None and unknown.state == EntryState.SENT_TWICE:
            self.refuse(pending, GATE_REASONS["outcome-unknown"])
            return data
        lane: SubmitLane | None = self._only
        if lane is None:
            lane = self.routes.lane(message, verdict)
        if lane is None or not lane.up or not lane.places.hold(category):
            self.refuse(pending, GATE_REASONS["no-route" if lane is None or not lane.up else "queue-full"])
            return data
        if not person.bare and not unconcerned and category is _MARKETING:
            # checks independently what the suppression rule should have caught
            refused = refused_before(person.opt_outs(), message, verdict, at, self.rules.registry.same_advertiser)
            self.tally.sent_against_record += refused  # must never happen
        pending.lane = lane
        self._reserve(pending, message, verdict, adopted, at)
        if unknown is None:
            return add_packed(against, pending.packed, int(at), self.rules.window_s, _ENTRIES_MAX, True)
        pending.packed = in_state(pending.packed, EntryState.SENT_TWICE)
        self.sent_twice.add(pending)
        after = add_packed(against, pending.packed, int(at), self.rules.window_s, _ENTRIES_MAX, True)
        return record.mark_sent_twice(after, pending.entry_id, fingerprint(message))

    def in_place(self, pending: PendingSubmit, data: bytes, old: Entry, now: float) -> bytes:
        """The record with a replacement's entry instead of ``old``; unchanged where the replacement is refused."""
        after = self.judge(pending, record.remove(data, old.id), now, old)
        return data if pending.lane is None else after

    @cython.cfunc
    def _is_silent(self, number: cython.longlong) -> cython.bint:
        """Whether nothing beside the record concerns this recipient: no list, no consent, no erasure."""
        if not self._consented.empty:
            return False
        if not self._lists.empty and self._bloom.may_hold(number) and self._listed.tells_of(number):
            return False
        return self._erased.empty or not self._erased.has(number)

    @cython.cfunc
    @cython.nonecheck(False)
    def _reserve(self, pending: PendingSubmit, message: Message, verdict: Verdict, adopted: Any, at: cython.double) -> None:
        """Reserves an allowed submit's entry in the recipient's record, and its share of aggregates."""
        facts: Facts = verdict.facts
        consent: cython.ulonglong = 0
        self.highest_id += 1
        pending.entry_id = self.highest_id
        pending.entry_time = adopted.time if adopted is not None else int(at)
        if adopted is not None:
            pending.adopted = adopted
            self.tally.entries["adopted",] += 1
            if verdict.takes:
                self.evidence.note(pending)
        elif verdict.takes:  # an adopted entry has taken its share already
            pending.takes = verdict.takes
            for take in verdict.takes:
                self._counters.take(take, at)
        if facts.subcategory_code == _CONSENT_REQUEST:
            consent = self.rules.consent_words(message, facts)
        pending.packed = pack_entry(pending.entry_id, pending.entry_time, facts, message.sender, verdict.template, consent)

    def failed(self, message: Message, error: Exception) -> Verdict:
        """The verdict where ``judge`` raised: the gate's fault, not the provider's; the settings define the outcome."""
        category = message.sender.category or Category.MARKETING
        outcome = self._on_judge_error[category]
        self.tally.judge_errors[()] += 1
        self.error = error
        facts = Facts(message.sender, category, category, category)
        reason = None if outcome is Outcome.ALLOW else GATE_REASONS["judge-error"]
        return Verdict(outcome, reason, "", (), facts, "unknown", 0, ())

    @cython.ccall
    def refuse(self, pending: PendingSubmit, reason: Reason) -> None:
        """Sets the reason and the status for the provider's answer."""
        fields: tuple[Any, ...] = cython.cast(tuple, reason)  # an attribute of a NamedTuple costs more
        pending.reason = fields[0]
        if reason is not _MALFORMED:  # then the status is that of the fault
            pending.status = fields[1]
        if _VENDOR_FIRST <= pending.status < _VENDOR_END:
            if pending.bind is not self._bind:
                self._bind, self._vendor = pending.bind, pending.bind.access.vendor_statuses
            if not self._vendor:
                pending.status = ESME_RSUBMITFAIL

    def put_back(self, pending: PendingSubmit) -> None:
        """Gives back what a submit reserved outside the record: its place in the lane and its share of aggregates."""
        if pending.lane is not None:
            pending.lane.release(pending.category)
            self.give_back(pending)
        pending.lane, pending.packed, pending.entry_id = None, b"", 0
        self.sent_twice.discard(pending)
        pending.reason, pending.status, pending.adopted, pending.takes = "", 0, None, _NO_TAKES

    def give_back(self, pending: PendingSubmit) -> None:
        """Gives back only its share of aggregates."""
        for take in pending.takes:
            self.store.counters.give_back(take, pending.entry_time)

    def turn_down(self, pending: PendingSubmit, reason: str) -> None:
        """Gives back the reservations, and refuses for a reason of the gate itself (empty: it is judged again)."""
        self.put_back(pending)
        if reason:
            self.refuse(pending, GATE_REASONS[reason])


@cython.cfunc
@cython.inline
def _verdict(admission: Admission, message: Message, person: Recipient, at: cython.double) -> Verdict:
    rules: RuleSet = admission.rules.cut_off if admission.cut_off else admission.rules
    try:
        return judge(message, person, rules, at, admission._counters)
    except Exception as error:  # noqa: BLE001 # any error is counted, logged, and settled by on_judge_error
        return admission.failed(message, error)
