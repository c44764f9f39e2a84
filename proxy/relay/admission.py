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
from typing import TYPE_CHECKING
from weakref import WeakSet

from proxy.model.counters import GateCounters
from proxy.model.message import Category, Facts, Message, Outcome, Verdict
from proxy.model.reasons import GATE_REASONS, Reason
from proxy.model.recipient import Entry, EntryState, in_state, pack_entry
from proxy.native.loader import compiled
from proxy.policy.judge import judge
from proxy.policy.ruleset import RuleSet
from proxy.relay.effects.record_changes import fingerprint, refused_before
from proxy.relay.evidence_records import EvidenceRecords
from proxy.relay.pending_submit import LaneRoutes, PendingSubmit
from proxy.relay.proposed_rules import CandidateRules
from proxy.state.record import record

if TYPE_CHECKING:
    from proxy.state.stores.sqlite import SqliteStore

ADOPT_WITHIN_S = 600
"""An identical submit within this time of one with unknown outcome adopts its entry (DESIGN §2)."""
ESME_RSUBMITFAIL = 0x45
VENDOR_RANGE = range(0x400, 0x500)
ON_JUDGE_ERROR: Mapping[Category, Outcome] = {
    Category.MARKETING: Outcome.DEFER,
    Category.NOTICE: Outcome.DEFER,
    Category.OTP: Outcome.ALLOW,
}
"""The default outcome of a message whose judging fails inside the gate."""


class Admission:
    __slots__ = (
        "rules", "store", "routes", "tally", "highest_id", "error", "evidence", "stale", "cut_off", "candidate", "_on_judge_error", "_listed",
        "sent_twice", "__dict__",
    )  # fmt: skip
    # fields at fixed places, which compiled code reads (native/accelerated.pyx); the dictionary is for what tests put over methods

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
        self.rules = rules
        self.store = store
        self.routes = routes
        self.tally = tally
        self.highest_id = first_id
        """The last entry id given out."""
        self.error: Exception | None = None
        """The last exception of ``judge``, for the log (maintenance takes it)."""
        self.evidence = EvidenceRecords()
        """Evidence to be journalled beside the verdicts."""
        self._on_judge_error = on_judge_error
        self._listed = store.listed
        self.stale = False
        """Whether this gate has not read other gates' opt-outs for too long: then it sends no marketing."""
        self.cut_off = False
        """Whether the store is out of reach, so that the record judged against is only this node's copy."""
        self.candidate: CandidateRules | None = None
        """Rules that wait for approval: they judge, too, but change no verdict."""
        self.sent_twice: WeakSet[PendingSubmit] = WeakSet()
        """Submits in flight that were sent in place of one with unknown outcome: the carrier's answer ends that doubt."""

    @compiled("admission_judge")
    def judge(self, pending: PendingSubmit, data: bytes, now: float, adopted: Entry | None = None) -> bytes:
        """Judges one submit against the record as earlier submits left it. Returns the record with this submit's entry.

        ``adopted``: the entry that it replaces, already removed from the record (replace_sm)."""
        message = pending.message
        assert message is not None
        against = data
        seen = record.Record(data)
        unknown = None
        if adopted is None and not seen.bare and record.has_unknown(data):
            unknown = record.find_unknown(data, fingerprint(message), int(now) - ADOPT_WITHIN_S)
            if unknown is not None:  # judged without that entry: it is the same message
                adopted, against = unknown, record.remove(data, unknown.id)
                seen = record.Record(against)
        at = max(seen.newest(), now)
        listed = self._listed
        person = seen if listed.silent(message.recipient) else listed.beside(seen, message.recipient)
        try:
            verdict = judge(message, person, self.rules.cut_off if self.cut_off else self.rules, at, self.store.counters)
        except Exception as error:  # noqa: BLE001 # any error is counted, logged, and settled by on_judge_error
            verdict = self.failed(message, error)
        if self.candidate is not None:
            self.candidate.look(message, person, verdict, at, self.store.counters.as_seen)
        pending.verdict = verdict
        pending.category = category = verdict.facts.category
        if verdict.breaches:
            self.evidence.note_breaches(pending, verdict)
        if verdict.reason is not None:
            self.refuse(pending, verdict.reason)
            return data
        if self.stale and category is Category.MARKETING:
            self.refuse(pending, GATE_REASONS["store-down"])
            return data
        if unknown is not None and unknown.state == EntryState.SENT_TWICE:
            self.refuse(pending, GATE_REASONS["outcome-unknown"])
            return data
        lane = self.routes.lane(message, verdict)
        if lane is None or not lane.hold(category):
            self.refuse(pending, GATE_REASONS["no-route" if lane is None else "queue-full"])
            return data
        if (
            not person.bare and category is Category.MARKETING
        ):  # checks independently what the suppression rule should have caught
            refused = refused_before(person.opt_outs(), message, verdict, at, self.rules.registry.same_advertiser)
            self.tally.sent_against_record += refused  # must never happen
        pending.lane = lane
        self._reserve(pending, message, verdict, adopted, at)
        if unknown is None:
            return record.add_packed(against, pending.packed, int(at), self.rules.window_s, fresh=True)
        pending.packed = in_state(pending.packed, EntryState.SENT_TWICE)
        self.sent_twice.add(pending)
        after = record.add_packed(against, pending.packed, int(at), self.rules.window_s, fresh=True)
        return record.mark_sent_twice(after, pending.entry_id, fingerprint(message))

    def in_place(self, pending: PendingSubmit, data: bytes, old: Entry, now: float) -> bytes:
        """The record with a replacement's entry instead of ``old``; unchanged where the replacement is refused."""
        after = self.judge(pending, record.remove(data, old.id), now, old)
        return data if pending.lane is None else after

    def _reserve(self, pending: PendingSubmit, message: Message, verdict: Verdict, adopted: Entry | None, at: float) -> None:
        """Reserves an allowed submit's entry in the recipient's record, and its share of aggregates."""
        self.highest_id = pending.entry_id = entry_id = self.highest_id + 1
        pending.entry_time = time = adopted.time if adopted is not None else int(at)
        if adopted is not None:
            pending.adopted = adopted
            self.tally.entries["adopted",] += 1
            if verdict.takes:
                self.evidence.note(pending)
        elif verdict.takes:  # an adopted entry has taken its share already
            pending.takes = verdict.takes
            for take in verdict.takes:
                self.store.counters.take(take, at)
        consent = self.rules.consent_words(message, verdict.facts)
        pending.packed = pack_entry(entry_id, time, verdict.facts, message.sender, verdict.template, consent)

    def failed(self, message: Message, error: Exception) -> Verdict:
        """The verdict where ``judge`` raised: the gate's fault, not the provider's; the settings define the outcome."""
        category = message.sender.category or Category.MARKETING
        outcome = self._on_judge_error[category]
        self.tally.judge_errors[()] += 1
        self.error = error
        facts = Facts(message.sender, category, category, category)
        reason = None if outcome is Outcome.ALLOW else GATE_REASONS["judge-error"]
        return Verdict(outcome, reason, "", (), facts, "unknown", 0, ())

    def refuse(self, pending: PendingSubmit, reason: Reason) -> None:
        """Sets the reason and the status for the provider's answer."""
        pending.reason = reason.name
        if reason.name != "malformed":  # then the status is that of the fault
            pending.status = reason.status
        if pending.status in VENDOR_RANGE and not pending.bind.access.vendor_statuses:
            pending.status = ESME_RSUBMITFAIL

    def put_back(self, pending: PendingSubmit) -> None:
        """Gives back what a submit reserved outside the record: its place in the lane and its share of aggregates."""
        if pending.lane is not None:
            pending.lane.release(pending.category)
            self.give_back(pending)
        pending.lane, pending.packed, pending.entry_id = None, b"", 0
        self.sent_twice.discard(pending)
        pending.reason, pending.status, pending.adopted, pending.takes = "", 0, None, ()

    def give_back(self, pending: PendingSubmit) -> None:
        """Gives back only its share of aggregates."""
        for take in pending.takes:
            self.store.counters.give_back(take, pending.entry_time)

    def turn_down(self, pending: PendingSubmit, reason: str) -> None:
        """Gives back the reservations, and refuses for a reason of the gate itself (empty: it is judged again)."""
        self.put_back(pending)
        if reason:
            self.refuse(pending, GATE_REASONS[reason])
