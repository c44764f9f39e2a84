"""Decides what happens to the parts of long messages.

In: parts that were read; the recipient's record while they are judged; the carrier's answer to each. Out: verdicts of parts; the effect of each
answer on the message's one entry. Never: sockets, the clock, the journal, when a message is judged (assembler.py).

A long message has one entry and takes once from aggregates, however many parts it has. Every part has its own verdict in the journal (with that
entry) and its own answer. The first part judged leads; the others follow it. Later parts inherit its verdict: no cap is asked again. Once the
text is whole, the rules that read the text are asked again; and all rules, if the new part shows the signature or a stricter category. A breach
then refuses that part (a handset shows nothing while a part is missing).

    all attempts refused          the entry is taken back; the next part begins a new message
    some refused                  the entry stays; a refused part may be sent again, within the same message
    one unknown                   the entry is unknown until that part is sent again, or an identical message adopts it

A part other than the first leaves only with or after its first part. While a message is *torn* (some parts are sent, not all), its key
stands in the recipient's record (state/record/incomplete_multipart.py), written with the verdict. A new message under that key is refused
at every gate, after a crash, and after the message's minute.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import cython

from proxy.journal.encoding import pack
from proxy.journal.records import messages
from proxy.model.message import Category, Message, Take, Verdict
from proxy.model.reasons import GATE_REASONS, RULE_REASONS, Reason
from proxy.model.recipient import Entry, EntryState, in_state, pack_entry
from proxy.policy.judge import facts, judge, judge_text
from proxy.relay.admission import Admission
from proxy.relay.effects.record_changes import (
    Effect,
    EntryFate,
    RecordChange,
    TornMark,
    Undo,
    UndoLatePart,
    fingerprint,
    was_sent_twice,
)
from proxy.relay.multipart.assembler import HELD_BYTES, PARTS_MAX, Assembler, LongMessage, part_of
from proxy.relay.multipart.decision import RemoteLeader, remote_leader
from proxy.relay.multipart.shared import SharedParts
from proxy.relay.pending_submit import PendingSubmit
from proxy.state.record import incomplete_multipart as torn
from proxy.state.record import record
from proxy.state.shared.multipart_record import LATE, THERE, Holder

ESME_RSYSERR = 0x08
LATE_BREACH = "late-breach"


class PartBounds(NamedTuple):
    """Bounds on the long messages of each provider."""

    held_bytes: int = HELD_BYTES
    torn: int = 1_000_000
    remembered_s: float = 86_400.0
    in_order: bool = True
    """Whether a part waits for its first part. Earlier versions did not wait: a backtest judges their messages as they did."""


class PartHandler:
    def __init__(
        self, admission: Admission, hand_in: Callable[[list[PendingSubmit]], None], change: Callable[[RecordChange], None]
    ) -> None:
        """``hand_in``: has submits judged in the next turn. ``change``: applies a change of a record in it."""
        self._admission, self._to_turn, self._changes = admission, hand_in, change
        self._assembler: Assembler = Assembler()
        self.shared_parts: SharedParts | None = None
        """Exchanges the parts of incomplete messages with other gates on the store; None for a single gate."""
        self.undecided = 0
        """Parts that are being judged: their verdict is not written yet."""
        self.torn = torn.TornKeys()
        """How many messages of each provider are torn."""
        self.tore: dict[PendingSubmit, tuple[int, int]] = {}
        """Parts that tear their message, or complete it, until that is written: its key, and the time it was torn (0: it is complete)."""
        self._bounds = PartBounds()

    @property
    def bounds(self) -> PartBounds:
        return self._bounds

    @bounds.setter
    def bounds(self, bounds: PartBounds) -> None:
        self._bounds, self._assembler.bytes_max = bounds, bounds.held_bytes

    # -- arrival and time

    def take(self, pending: PendingSubmit, now_s: float) -> str:
        """Takes a part that was read. Returns the gate's reason to refuse it, or an empty string."""
        _, part = part_of(pending)
        if part.total > PARTS_MAX:
            self._admission.tally.long_messages["too-long",] += 1
            return "too-long"
        if self._assembler.is_turned_away(pending, now_s):
            return "rate-exceeded"
        known, shared_parts = self._assembler.find(pending, now_s), self.shared_parts
        if objection := self._assembler.objection(pending, known):
            self._admission.tally.long_messages[objection,] += 1
            return objection
        if shared_parts is not None and known is not None and known.asked:
            shared_parts.ask(known, pending)
            return ""
        self._arrives(pending, now_s)
        return ""

    def take_whole(self, parts: list[PendingSubmit], now_s: float) -> bool:
        """Takes all parts of a message that arrived together, in order. False, with nothing done, where each must be taken by itself."""
        return self._assembler.arrive_whole(parts, now_s) is not None and self._hand_in(parts, 0.0)

    def _arrives(self, pending: PendingSubmit, now_s: float, *, anew: bool = False) -> LongMessage:
        long, ready = self._assembler.arrive(pending, now_s, anew=anew)
        pending.long, shared_parts = long, self.shared_parts
        if shared_parts is not None and long.waiting and len(long.last) == 1 and not anew:
            shared_parts.linger(long, now_s)
        self._hand_in(ready, now_s)
        return long

    def owe(self, pending: PendingSubmit, now_s: float) -> str:
        """The provider's rate is used up: a part whose message has begun is taken all the same, and charged to the rate later.
        Returns the gate's reason to refuse it, or an empty string."""
        message = pending.message
        if message is not None and message.content.part is not None:
            if self._assembler.find(pending, now_s) is not None:
                pending.bind.access.owes(now_s)
                return self.take(pending, now_s)
            self._assembler.turn_away(pending, now_s)
        pending.message = None
        return "rate-exceeded"

    def follows(self, pending: PendingSubmit, now_s: float) -> bool:
        """Whether another part of a part's message was taken before, or was refused just now by the provider's rate."""
        return self._assembler.find(pending, now_s) is not None or self._assembler.is_turned_away(pending, now_s)

    def due(self, now_s: float) -> bool:
        """Has messages judged that have waited long enough; whether there were any."""
        if self.shared_parts is not None:
            self.shared_parts.due(now_s)
        return self._hand_in(self._assembler.due(now_s), now_s)

    def drain(self, now_s: float = 0.0) -> bool:
        """Has all waiting messages judged."""
        return self._hand_in(self._assembler.drain(now_s), now_s)

    @property
    def next_s(self) -> float | None:
        """When ``due`` must be called next (monotonic); None while nothing waits."""
        next_s, shared_parts = self._assembler.next_s, self.shared_parts
        if shared_parts is None or (shared_s := shared_parts.next_s) is None:
            return next_s
        return shared_s if next_s is None else min(next_s, shared_s)

    @property
    def held_bytes(self) -> dict[str, int]:
        """Bytes held by the open messages of each provider."""
        return self._assembler.held_bytes

    def in_use(self, providers: Iterable[str], now: float) -> dict[tuple[str, ...], float]:
        """By provider and bound, the share of the bound in use."""
        bounds, held, after = self._bounds, self.held_bytes, now - self._bounds.remembered_s
        return {
            (name, kind): share
            for name in providers
            for kind, share in (
                ("bytes", held.get(name, 0) / bounds.held_bytes),
                ("keys", self._torn_count(name, after) / bounds.torn),
            )
        }

    @property
    def waiting(self) -> int:
        return self._assembler.waiting + (self.shared_parts.waiting if self.shared_parts is not None else 0)

    # -- parts at other gates (shared.PartListener)

    def share(self, shared_parts: SharedParts, now_s: Callable[[], float]) -> None:
        """Other gates may hold parts of the same messages from now on. ``now_s``: the monotonic clock."""
        self.shared_parts, self._now_s = shared_parts, now_s

    def seen(self, long: LongMessage, *, grown: bool) -> None:
        posted = long.posted
        leads = long.whole and 1 in long.contents  # the gate of the first part, for that is the first to leave
        if long.waiting and posted is not None and (posted.decision is not None or leads):
            self._hand_in(self._assembler.judge(long, self._now_s()), self._now_s())

    def admitted(self, pending: PendingSubmit, holder: Holder | None) -> None:
        now_s = self._now_s()
        known = self._assembler.find(pending, now_s) if holder is not None else None
        if known is not None and known.torn:  # what is there of it goes on, and the record refuses this
            pending.long, ready = self._assembler.beside(pending, now_s)
            long = pending.long
            self._hand_in(ready, now_s)
        else:
            long = self._arrives(pending, now_s, anew=holder is not None)
        if holder is not None:
            long.holder, long.asked = holder, not long.alone

    def regrown(self, long: LongMessage, submits: Sequence[PendingSubmit]) -> None:
        for pending in submits:
            assert pending.message is not None
            pending.message = long.message(pending.message)

    def inherit(self, long: LongMessage, by: PendingSubmit) -> None:
        decision = long.posted.decision if long.posted is not None else None
        if decision is None or long.settled or isinstance(long.leader, RemoteLeader):
            return
        long.leader, long.batch = remote_leader(decision, long, by, self._admission.rules, self._admission.refuse), []
        long.judged_at, long.revision, long.takes = decision.judged_at, decision.revision, decision.takes

    def _judge_alone(self, long: LongMessage, pending: PendingSubmit) -> None:
        """Another gate's verdict should be inherited, but the store that has it is out of reach: the part is judged alone."""
        long.leader, long.batch, long.takes = pending, [pending], ()

    # -- for a backtest, which judges messages again and knows which parts belong together

    def remembered(self, pending: PendingSubmit, now_s: float) -> LongMessage | None:
        """The remembered message that this part would belong to."""
        return self._assembler.find(pending, now_s)

    def close(self, long: LongMessage) -> None:
        """Forgets a message: the next part under its key begins a new one."""
        self._assembler.close(long)

    def _hand_in(self, ready: list[PendingSubmit], now_s: float) -> bool:
        if not ready:
            return False
        pending: PendingSubmit
        for pending in ready if now_s else []:
            pending.gate_s = pending.arrived_s - now_s  # it has waited for other parts, not for the gate
        self.undecided += len(ready)
        if self.shared_parts is not None:
            for pending in ready:
                self.shared_parts.transactions.expect(pending.message.recipient)  # type: ignore[union-attr] # it has been read
        self._to_turn(ready)
        return True

    # -- the verdict

    def judge(self, pending: PendingSubmit, data: bytes, now: float) -> bytes:
        """Judges one part against the record as earlier submits left it. Returns the record after it."""
        long: LongMessage | None = pending.long
        assert long is not None
        leader: PendingSubmit | None = long.leader
        assert leader is not None
        if self.tore:
            self.tore.pop(pending, None)
        if pending in long.batch and self._bounds.in_order and not long.is_out(1):
            return self._early(long, pending, data, now)
        if pending is leader:
            return self._lead(long, leader, data, now)
        if pending in long.batch:
            _share(pending, leader)
            pending.lane, pending.packed, pending.adopted = leader.lane, leader.packed, leader.adopted
            pending.reason, pending.status = leader.reason, leader.status
            return data
        return self._inherit(long, leader, pending, data, now)

    def _lead(self, long: LongMessage, leader: PendingSubmit, data: bytes, now: float) -> bytes:
        """Judges the message, once; it goes out only if its lane has room for all its parts."""
        admission = self._admission
        long.judged_at, long.revision = now, admission.rules.revision
        key, whole = 0, long.are_all_out()
        if not whole or len(data) != 7 + data[6] * 32:  # nearly all are whole, of recipients without torn ones
            key = _key_of(long)
            if reason := self._cannot_begin(long, data, key, now, whole=whole):
                admission.refuse(leader, GATE_REASONS[reason])
                return data
        after = admission.judge(leader, data, now)
        if leader.lane is None:
            return data
        more = len(long.batch) - 1
        for held in range(more):
            if not leader.lane.hold(leader.category):
                for _ in range(held):
                    leader.lane.release(leader.category)
                admission.put_back(leader)
                admission.refuse(leader, GATE_REASONS["queue-full"])
                return data
        self._assembler.in_order(long)
        if whole:
            return after
        self.tore[leader] = key, max(int(now), 1)
        return torn.mark_incomplete(after, key, int(now))

    def _cannot_begin(self, long: LongMessage, data: bytes, key: int, now: float, *, whole: bool) -> str:
        """The reason why a new message cannot be sent to this recipient; empty if it can. ``whole``: all its parts are judged now."""
        keys = self._torn_keys(data, now)
        if any(torn.same(held, key) for held in keys):
            return "message-torn"
        full = not whole and (torn.of_its_owner(keys, key) >= torn.TORN_MAX or self._has_torn_all(long.key[0], now))
        return "parts-full" if full else ""

    def _has_torn_all(self, provider: str, now: float) -> bool:
        """Whether a provider has reached its bound of torn messages, this turn's included."""
        room = self._bounds.torn - self._torn_count(provider, now - self._bounds.remembered_s)
        if 0 < room <= len(self.tore):
            room -= sum(
                since > 0 and one.long is not None and one.long.key[0] == provider for one, (_, since) in self.tore.items()
            )
        return room <= 0

    def _torn_count(self, provider: str, after: float) -> int:
        """The larger of two counts: since the start, and as the store last counted them in the records (which survives a restart)."""
        return max(self.torn.count(provider, after), self._admission.store.torn_keys.count(provider, after))

    def _torn_keys(self, data: bytes, now: float) -> list[int]:
        if len(data) == 7 + data[6] * 32:
            return []
        return [key for key, time in torn.torn(data) if time > now - self._bounds.remembered_s]

    def _early(self, long: LongMessage, pending: PendingSubmit, data: bytes, now: float) -> bytes:
        """Refuses a part that would leave before its message's first part, or whose message is torn and forgotten. (Of one that comes later
        the message is known: a mark that the record still has is its own.)"""
        reason = "message-torn"
        key = _key_of(long)
        known = pending not in long.batch or long.alive - {*long.batch, pending}
        if known or not any(torn.same(held, key) for held in self._torn_keys(data, now)):
            last_time = self._assembler.came_early(long, long.index_of(pending), now)
            reason = "first-part-missing" if last_time else "part-early"
        self._admission.refuse(pending, GATE_REASONS[reason])
        return data

    def _inherit(self, long: LongMessage, leader: PendingSubmit, pending: PendingSubmit, data: bytes, now: float) -> bytes:
        """Judges a part that arrived after its message was judged."""
        admission, message = self._admission, pending.message
        assert message is not None
        pending.late = bool(long.batch)
        _share(pending, leader)
        verdict = leader.verdict
        # rules are numbered anew: their breaches mean nothing now
        if verdict is not None and long.revision != admission.rules.revision:
            pending.verdict = verdict = _without_breaches(verdict)
        if not leader.packed or verdict is None:
            self._refuse_with(leader, long, pending)
            return data
        if self._bounds.in_order and long.last.get(1) is not pending and not long.has_first:
            return self._early(long, pending, data, now)
        if admission.cut_off and isinstance(leader, RemoteLeader) and not record.has(data, leader.entry_id):
            self._judge_alone(long, pending)
            return self._lead(long, pending, data, now)
        reason = self._cannot_follow(long, leader, pending, data)
        if not reason and long.all_out and _key_of(long) in self._torn_keys(data, now):
            reason = "message-torn"  # another message began under this key while this one was forgotten
        if reason:
            admission.refuse(pending, GATE_REASONS[reason])
            return data
        before = record.entry_and_print(data, leader.entry_id)
        packed = before[0]
        new_verdict = self._ask_again(long, leader, message, data, now, packed)
        if new_verdict is not None:
            self._admission.evidence.note_breaches(pending, new_verdict)
            verdict = pending.verdict = new_verdict
            pending.category = new_verdict.facts.category
            if new_verdict.reason is not None:
                late = new_verdict.reason.name in RULE_REASONS
                admission.refuse(pending, _late_breach(new_verdict.reason) if late else new_verdict.reason)
                return data
            packed = _entry_of(leader, message, new_verdict, admission.rules.consent_words(message, new_verdict.facts))
        lane = leader.lane if leader.lane is not None and leader.lane.up else admission.routes.lane(message, verdict)
        if lane is None or not lane.hold(pending.category):
            admission.refuse(pending, GATE_REASONS["no-route" if lane is None else "queue-full"])
            return data
        self._take_more(long, leader, pending, new_verdict)
        long.before[pending] = before
        pending.lane = lane
        return self._joined(long, leader, pending, data, in_state(packed, self._state(long, leader, pending, before[0])))

    def _cannot_follow(self, long: LongMessage, leader: PendingSubmit, pending: PendingSubmit, data: bytes) -> str:
        """The reason why a part cannot go out under the message's entry; empty if it can."""
        if not record.has(data, leader.entry_id):  # adopted or erased meanwhile
            if long.posted is not None:  # another message has its entry
                long.posted = long.posted._replace(closed=True)
                self._assembler.close(long)
            return "store-conflict"
        if long.posted is not None and self._came_elsewhere(long, pending):
            return "store-conflict"
        return "outcome-unknown" if _times_sent(long, pending, leader) > 1 else ""

    def _state(self, long: LongMessage, leader: PendingSubmit, pending: PendingSubmit, before: bytes) -> EntryState:
        """The state of the message's entry once this part is sent. ``before``: the entry as it was."""
        if _times_sent(long, pending, leader) or leader.adopted is not None or was_sent_twice(before):
            self._admission.sent_twice.add(pending)
            return EntryState.SENT_TWICE
        if self._unknown(long):
            return EntryState.UNKNOWN
        # by a late answer, perhaps in this turn: in the journal it follows this verdict
        return EntryState.ACCEPTED if before[15] & 3 == EntryState.ACCEPTED else EntryState.OPEN

    def _joined(self, long: LongMessage, leader: PendingSubmit, pending: PendingSubmit, data: bytes, packed: bytes) -> bytes:
        """The record with the entry as it is once this part is sent. With the last part the message is no longer torn."""
        pending.packed = packed
        self._assembler.in_order(long)
        after = record.amend(data, packed)
        if was_sent_twice(packed):
            assert pending.message is not None
            after = record.mark_sent_twice(after, leader.entry_id, fingerprint(pending.message))
        if not long.all_out:
            return after
        self.tore[pending] = _key_of(long), 0
        return torn.mark_complete(after, _key_of(long))

    def _refuse_with(self, leader: PendingSubmit, long: LongMessage, pending: PendingSubmit) -> None:
        """Refuses a part as the leader was refused. If the first part was missing, only for a while: this may be the first part."""
        pending.reason, pending.status = leader.reason, leader.status
        if leader.reason in _EARLY:
            self._admission.refuse(pending, GATE_REASONS["part-again" if long.last.get(1) is pending else "part-early"])

    def _take_more(self, long: LongMessage, leader: PendingSubmit, pending: PendingSubmit, new_verdict: Verdict | None) -> None:
        """Takes from aggregates what the message takes with this part and had not taken before; the part's verdict journals it. A message
        that adopted an entry has taken its share before."""
        if new_verdict is None or not new_verdict.takes or leader.adopted is not None:
            return
        taken, counters = {take.key for take in _taken(long, leader)}, self._admission.store.counters
        pending.takes = tuple(take for take in new_verdict.takes if take.key not in taken)
        for take in pending.takes:
            counters.take(take, pending.entry_time)

    @staticmethod
    def _came_elsewhere(long: LongMessage, pending: PendingSubmit) -> bool:
        """Whether another gate got the same part, and sent it, before this one was part of the verdict."""
        assert long.posted is not None
        return any(last is pending and long.posted.went(long.holder, index) for index, last in long.last.items())

    def _ask_again(
        self, long: LongMessage, leader: PendingSubmit, message: Message, data: bytes, now: float, packed: bytes
    ) -> Verdict | None:
        """The rules' verdict now that more of the text is known; None if nothing new must be asked.

        A complete text is asked again of the rules that read text. All rules (suppression and caps, too) are asked again if the category is
        stricter, or the signature another, than in the entry (``packed``), and for complete marketing."""
        admission = self._admission
        try:
            person = admission.store.listed.beside(record.Record(data), message.recipient)
            new_verdict: Verdict | None = judge_text(message, admission.rules, long.judged_at, person)
            if new_verdict is not None and new_verdict.reason is not None:
                return new_verdict
            if not message.content.complete:
                new_verdict = None
            known, new = Entry.unpack(packed), facts(message, admission.rules, now)
            if new.category > known.category or new.signature_hash != known.signature:
                new_verdict = self._as_if_new(long, leader, message, data, now)
            elif message.content.complete and new.category is Category.MARKETING:
                # its text may match a refusal, or exceed a cap
                new_verdict = self._as_if_new(long, leader, message, data, long.judged_at)
        except Exception as error:  # noqa: BLE001 # as in relay/admission.py
            new_verdict = admission.failed(message, error)
        return new_verdict

    def _as_if_new(self, long: LongMessage, leader: PendingSubmit, message: Message, data: bytes, now: float) -> Verdict:
        """The full verdict, without the message's own entry in the record and its own takes from aggregates."""
        admission = self._admission
        counters = admission.store.counters.without(_taken(long, leader), leader.entry_time)
        others = admission.store.listed.beside(record.Record(record.remove(data, leader.entry_id)), message.recipient)
        rules = admission.rules.cut_off if admission.cut_off else admission.rules
        return judge(message, others, rules, max(now, others.newest()), counters)

    # -- written, or not

    def torn_by(self, decided: Iterable[PendingSubmit], now: float) -> list[bytes]:
        """Bodies of TORN records: messages that these parts tear or complete."""
        bodies: list[bytes] = []
        for pending in decided:
            key, since = self.tore.pop(pending, (0, 0))
            long, message = pending.long, pending.message
            if not key or pending.lane is None or long is None or message is None:
                continue
            self.torn.add(message.sender.provider, since or long.judged_at, 1 if since else -1)
            bodies.append(pack(messages.Torn(now, message.recipient, key, since)))
        return bodies

    def _tears(self, pending: PendingSubmit, *, known: bool = False) -> None:
        """The message of a part may be torn now, or no longer: updates its mark in the recipient's record."""
        long, message = pending.long, pending.message
        if long is not None and message is not None:
            key, since = _key_of(long), int(long.judged_at)
            self._changes(TornMark(message, key, since, lambda: long.torn, self.torn.add, known=known))

    @cython.nonecheck(False)
    def settle(self, decided: list[PendingSubmit]) -> None:
        """The verdicts of these submits are written (or the journal refused them, and they are refused): settles the parts among them."""
        pending: PendingSubmit
        parts: list[PendingSubmit] = []
        for pending in decided:
            if pending.long is not None:
                parts.append(pending)
                _settle(self, pending)
        self.undecided -= len(parts)
        for pending in parts:
            if pending.long is not None and pending.long.batch:
                pending.long.batch = []

    def _count(self, long: LongMessage, pending: PendingSubmit) -> None:
        outcomes, message = self._admission.tally.long_messages, pending.message
        if pending.reason in _UNJUDGED:
            outcomes[pending.reason,] += 1
        elif pending is long.leader:
            long.settled = True
            assert message is not None
            outcomes["complete" if message.content.complete else "incomplete",] += 1
        elif pending not in long.batch:
            outcomes[LATE_BREACH if pending.reason == LATE_BREACH else "inherited",] += 1
            if self.shared_parts is None and not long.doubted and long.all_out:
                self._assembler.close(long)

    def _refused(self, long: LongMessage, pending: PendingSubmit) -> None:
        """The gate refused a part."""
        leader = long.leader
        assert leader is not None
        long.alive.discard(pending)
        before = long.instead.pop(pending, None)
        if not leader.packed:
            if leader.reason not in RULE_REASONS:  # a temporary trouble of the gate: the next part is judged anew
                if 1 in long.contents and leader.reason != "message-torn":
                    self._assembler.put_off(long.place, long.judged_at)
                self._assembler.close(long)
            return
        if pending.reason not in RULE_REASONS and pending.reason != LATE_BREACH:  # likewise
            long.take_out(pending)
        if before is not None:  # nothing replaces it now
            long.unknown |= {before}
        if before is not None and pending.reason != "outcome-unknown":  # which changed nothing
            self.change(EntryFate(before, Effect.UNKNOWN, ESME_RSYSERR, b"", _nothing))
        if long.alive:
            self._assembler.failed(long)
        else:  # the carrier had refused all the others
            pending.entry_id, pending.entry_time = leader.entry_id, leader.entry_time
            effect = self._taken_back(long, pending, late=False)
            self.change(EntryFate(pending, effect, pending.status, b"", self._given_back))

    def undo(self, pending: PendingSubmit) -> RecordChange:
        """The change that undoes a part whose verdict could not be written."""
        long, message = pending.long, pending.message
        assert long is not None
        assert message is not None
        self._tears(pending, known=True)
        if pending in long.batch:
            return Undo(message, pending.entry_id, pending.adopted)
        return UndoLatePart(message.recipient, *long.before[pending])

    # -- the carrier's answers

    def change(self, change: EntryFate) -> None:
        """Applies a carrier's answer to the message's entry, in the next turn."""
        if self.shared_parts is not None and change.long is not None:
            self.shared_parts.transactions.expect(change.recipient)
        self._changes(change)

    def answered(self, pending: PendingSubmit, status: int, *, late: bool) -> Effect | Callable[[], Effect]:
        """What the carrier's answer to a part (other than an acceptance in time) does to the message's entry. If other gates may hold parts,
        a function that returns it once their parts are known."""
        long = pending.long
        assert long is not None
        if pending in long.unknown:
            long.unknown -= {pending}
        if not status:
            return self._if(long, lambda: Effect.LATE_PART if self._unknown(long) else Effect.LATE_ACCEPTED)
        long.alive.discard(pending)
        self._tears(pending)
        if long.alive:
            self._assembler.failed(long)
            return Effect.LATE_PART if late else Effect.PART_REFUSED
        return self._taken_back(long, pending, late=late)

    def _taken_back(self, long: LongMessage, pending: PendingSubmit, *, late: bool) -> Effect | Callable[[], Effect]:
        """The effect where no part of the message stands at this gate."""
        leader = long.leader
        adopts = leader is not None and leader.adopted is not None

        def effect() -> Effect:
            if long.alive or (long.posted is not None and long.posted.stands(long.holder)):
                self._assembler.failed(long)
                if pending.takes:
                    long.takes, pending.takes = pending.takes, ()
                return Effect.LATE_PART if late else Effect.PART_REFUSED
            self._assembler.close(long)
            if long.takes:
                pending.takes, long.takes = long.takes, ()
            return Effect.of(1, late=late, adopts=adopts)

        return self._if(long, effect)

    def _if(self, long: LongMessage, effect: Callable[[], Effect]) -> Effect | Callable[[], Effect]:
        """The effect at once, where no other gate can hold parts of the message; else the function."""
        return effect() if self.shared_parts is None or long.alone else effect

    @staticmethod
    def _unknown(long: LongMessage) -> bool:
        """Whether the outcome of some part is unknown."""
        posted = long.posted
        if posted is None:
            return bool(long.unknown)
        here = any(
            last in long.unknown and not posted.went(long.holder, index, (THERE, LATE)) for index, last in long.last.items()
        )
        return here or posted.unknown(long.holder)

    def _given_back(self, answer: EntryFate, recorded: int) -> None:
        if answer.effect.takes_back:
            self._admission.tally.entries["taken_back",] += 1
            self._admission.give_back(answer.pending)

    def unanswered(self, pending: PendingSubmit) -> None:
        """The outcome of this part is unknown."""
        long = pending.long
        assert long is not None
        long.unknown |= {pending}
        long.doubted |= {pending}
        self._assembler.failed(long)


_EARLY = ("part-early", "first-part-missing")
_UNJUDGED = (*_EARLY, "part-again", "message-torn", "parts-full")
"""Reasons for which a part is refused before rules are asked."""


@cython.cfunc
def _settle(handler: PartHandler, pending: PendingSubmit) -> None:
    long: LongMessage = pending.long
    if long.before:
        long.before.pop(pending, None)
    if pending is long.leader or pending.reason or pending not in long.batch:  # a part that follows its leader is not counted
        handler._count(long, pending)
    if pending.lane is None:
        handler._refused(long, pending)
    if long.earlier:
        long.earlier.pop(pending, None)
    if pending.lane is None:
        return
    if long.instead:
        long.instead.pop(pending, None)
    if pending.takes:
        long.takes, pending.takes = (*long.takes, *pending.takes), ()


def _key_of(long: LongMessage) -> int:
    return torn.key_of(long.key[0], long.key[1], long.key[3])


def _share(pending: PendingSubmit, leader: PendingSubmit) -> None:
    """Gives a part what it shares with the leader."""
    pending.verdict, pending.category = leader.verdict, leader.category
    pending.entry_id, pending.entry_time = leader.entry_id, leader.entry_time


def _times_sent(long: LongMessage, pending: PendingSubmit, leader: PendingSubmit) -> int:
    """How often the recipient may have got this part already; one that replaced a part with unknown outcome counts, too."""
    index = next((index for index, last in long.last.items() if last is pending), 0)
    sent = sum(one in long.alive for one in long.again.get(index, ()))
    if long.posted is not None:
        sent += long.posted.times_sent(long.holder, index)
    return sent + (leader.adopted is not None and sent > 0)


def _taken(long: LongMessage, leader: PendingSubmit) -> tuple[Take, ...]:
    """What the message has taken from aggregates so far, written or not."""
    return (*(long.takes or leader.takes), *(take for part in long.before for take in part.takes))


def _entry_of(leader: PendingSubmit, message: Message, verdict: Verdict, consent: int) -> bytes:
    """The message's entry as the whole text has it: its notice may stand in the last part."""
    return pack_entry(leader.entry_id, leader.entry_time, verdict.facts, message.sender, verdict.template, consent)


def _late_breach(reason: Reason) -> Reason:
    """A reason with the rule's status for the provider; in the journal it is ``late-breach``, with the rule."""
    return Reason(LATE_BREACH, reason.status, reason.public, reason.rank)


def _without_breaches(verdict: Verdict) -> Verdict:
    return Verdict(verdict.outcome, verdict.reason, verdict.rule, (), verdict.facts, verdict.province, verdict.template, ())


def _nothing(answer: EntryFate, recorded: int) -> None:
    return None
