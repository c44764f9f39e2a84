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
from weakref import WeakSet

from proxy.model.counters import GateCounters
from proxy.model.message import Category, Facts, Message, Outcome, Verdict
from proxy.model.reasons import GATE_REASONS, Reason
from proxy.model.recipient import Entry, EntryState, in_state, pack_entry
from proxy.native.loader import compiled
from proxy.policy import RuleSet, judge
from proxy.relay.candidate import CandidateRules
from proxy.relay.effects.record_changes import fingerprint, refused_before
from proxy.relay.evidence_records import EvidenceRecords
from proxy.relay.pending_submit import LaneRoutes, PendingSubmit
from proxy.state import Store
from proxy.state.record import record

ADOPT_WITHIN_S = 600
"""An identical submit this soon after an unknown outcome stands in for it (DESIGN §2)."""
ESME_RSUBMITFAIL = 0x45
VENDOR_RANGE = range(0x400, 0x500)
ON_JUDGE_ERROR: Mapping[Category, Outcome] = {
    Category.MARKETING: Outcome.DEFER,
    Category.NOTICE: Outcome.DEFER,
    Category.OTP: Outcome.ALLOW,
}
"""What becomes of a message when deciding about it fails inside the gate, where the settings say nothing else."""


class Admission:
    __slots__ = (
        "rules", "store", "routes", "tally", "highest_id", "error", "grounds", "stale", "cut_off", "proposal", "_on_judge_error", "_listed",
        "sent_twice", "__dict__",
    )  # fmt: skip
    # fields at fixed places, which the compiled twin reads (native/accelerated.pyx); the dictionary is for what tests put over methods

    def __init__(
        self,
        *,
        rules: RuleSet,
        store: Store,
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
        """The last thing ``judge`` raised, for the log (whoever runs the relay takes it)."""
        self.grounds = EvidenceRecords()
        """What is to be said of verdicts beside them, until they are written."""
        self._on_judge_error = on_judge_error
        self._listed = store.listed
        self.stale = False
        """Whether this gate has not heard for too long what people said elsewhere: then nobody gets marketing."""
        self.cut_off = False
        """Whether the store could not be asked for the record that is judged against: it is what this node knows."""
        self.proposal: CandidateRules | None = None
        """Rules that wait for approval: asked beside, never obeyed."""
        self.sent_twice: WeakSet[PendingSubmit] = WeakSet()
        """Those on their way that went out in the stead of an unknown one: what the carrier says of them ends the doubt."""

    @compiled("judging_judge")
    def judge(self, transit: PendingSubmit, data: bytes, now: float, adopted: Entry | None = None) -> bytes:
        """One submit against the record as the earlier ones left it; returns the record with what this one adds. ``adopted``: what it
        stands in for, and is not in the record any more."""
        message = transit.message
        assert message is not None
        against = data
        seen = record.Record(data)
        unknown = None
        if adopted is None and not seen.bare and record.has_unknown(data):
            unknown = record.find_unknown(data, fingerprint(message), int(now) - ADOPT_WITHIN_S)
            if unknown is not None:  # judged as if that had never been: it is the same message
                adopted, against = unknown, record.remove(data, unknown.id)
                seen = record.Record(against)
        at = max(seen.newest(), now)
        listed = self._listed
        person = seen if listed.silent(message.recipient) else listed.beside(seen, message.recipient)
        try:
            verdict = judge(message, person, self.rules.cut_off if self.cut_off else self.rules, at, self.store.counters)
        except Exception as error:  # noqa: BLE001 # whatever it is: counted, logged, and settled by on_judge_error
            verdict = self.failed(message, error)
        if self.proposal is not None:
            self.proposal.look(message, person, verdict, at, self.store.counters.as_seen)
        transit.verdict = verdict
        transit.category = category = verdict.facts.category
        if verdict.breaches:
            self.grounds.look_at(transit, verdict)
        if verdict.reason is not None:
            self.refuse(transit, verdict.reason)
            return data
        if self.stale and category is Category.MARKETING:
            self.refuse(transit, GATE_REASONS["store-down"])
            return data
        if unknown is not None and unknown.state == EntryState.SENT_TWICE:
            self.refuse(transit, GATE_REASONS["outcome-unknown"])
            return data
        lane = self.routes.lane(message, verdict)
        if lane is None or not lane.hold(category):
            self.refuse(transit, GATE_REASONS["no-route" if lane is None else "queue-full"])
            return data
        if not person.bare and category is Category.MARKETING:  # another look at what the suppression rule should have caught
            told = refused_before(person.opt_outs(), message, verdict, at, self.rules.registry.same_advertiser)
            self.tally.sent_against_record += told  # must never happen
        transit.lane = lane
        self._reserve(transit, message, verdict, adopted, at)
        if unknown is None:
            return record.add_packed(against, transit.packed, int(at), self.rules.window_s, fresh=True)
        transit.packed = in_state(transit.packed, EntryState.SENT_TWICE)
        self.sent_twice.add(transit)
        after = record.add_packed(against, transit.packed, int(at), self.rules.window_s, fresh=True)
        return record.mark_sent_twice(after, transit.entry_id, fingerprint(message))

    def in_place(self, transit: PendingSubmit, data: bytes, old: Entry, now: float) -> bytes:
        """The record with the entry of an allowed transit instead of ``old``; as it was where it is refused (then it says why)."""
        after = self.judge(transit, record.remove(data, old.id), now, old)
        return data if transit.lane is None else after

    def _reserve(self, transit: PendingSubmit, message: Message, verdict: Verdict, adopted: Entry | None, at: float) -> None:
        """What an allowed submit takes: an entry in the person's record, and its share of aggregates."""
        self.highest_id = transit.entry_id = entry_id = self.highest_id + 1
        transit.entry_time = time = adopted.time if adopted is not None else int(at)
        if adopted is not None:
            transit.adopted = adopted
            self.tally.entries["adopted",] += 1
            if verdict.takes:
                self.grounds.note(transit)
        elif verdict.takes:  # what an adopted entry took is taken already
            transit.takes = verdict.takes
            for take in verdict.takes:
                self.store.counters.take(take, at)
        consent = self.rules.consent_words(message, verdict.facts)
        transit.packed = pack_entry(entry_id, time, verdict.facts, message.sender, verdict.template, consent)

    def failed(self, message: Message, error: Exception) -> Verdict:
        """``judge`` raised: that is our fault, not the provider's, and the settings say what becomes of such messages."""
        category = message.sender.category or Category.MARKETING
        outcome = self._on_judge_error[category]
        self.tally.judge_errors[()] += 1
        self.error = error
        facts = Facts(message.sender, category, category, category)
        reason = None if outcome is Outcome.ALLOW else GATE_REASONS["judge-error"]
        return Verdict(outcome, reason, "", (), facts, "unknown", 0, ())

    def refuse(self, transit: PendingSubmit, reason: Reason) -> None:
        """Notes what the provider will be answered."""
        transit.reason = reason.name
        if reason.name != "malformed":  # whose status is that of the fault
            transit.status = reason.status
        if transit.status in VENDOR_RANGE and not transit.bind.access.vendor_statuses:
            transit.status = ESME_RSUBMITFAIL

    def put_back(self, transit: PendingSubmit) -> None:
        """Gives back what a submit reserved beside the record: its place in the lane and what it took from aggregates."""
        if transit.lane is not None:
            transit.lane.release(transit.category)
            self.give_back(transit)
        transit.lane, transit.packed, transit.entry_id = None, b"", 0
        self.sent_twice.discard(transit)
        transit.reason, transit.status, transit.adopted, transit.takes = "", 0, None, ()

    def give_back(self, transit: PendingSubmit) -> None:
        """... only what it took from aggregates."""
        for take in transit.takes:
            self.store.counters.give_back(take, transit.entry_time)

    def turn_down(self, transit: PendingSubmit, reason: str) -> None:
        """Gives back what judging reserved, and refuses for a reason of the gate's own (none: it is to be judged again)."""
        self.put_back(transit)
        if reason:
            self.refuse(transit, GATE_REASONS[reason])
