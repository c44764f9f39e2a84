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
stands in the recipient's record (state/record/torn.py), written with the verdict. A new message under that key is refused at every gate,
after a crash, and after the message's minute.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from proxy.journal.records import messages
from proxy.model.message import Category, Message, Take, Verdict
from proxy.model.reasons import GATE_REASONS, RULE_REASONS, Reason
from proxy.model.recipient import Entry, EntryState, in_state, pack_entry
from proxy.native.loader import compiled
from proxy.policy import facts, judge, judge_text
from proxy.relay.admission import Admission
from proxy.relay.effects.record_changes import (
    Amended,
    Effect,
    EntryFate,
    RecordChange,
    Tearing,
    Undo,
    fingerprint,
    was_sent_twice,
)
from proxy.relay.multipart.assembler import HELD_BYTES, PARTS_MAX, Assembler, LongMessage
from proxy.relay.multipart.decision import Led, led
from proxy.relay.multipart.shared import SharedParts
from proxy.relay.pending_submit import PendingSubmit
from proxy.state.record import record, torn
from proxy.state.shared.multipart_record import LATE, THERE, Holder

ESME_RSYSERR = 0x08
LATE_BREACH = "late-breach"


class PartBounds(NamedTuple):
    """What parts may cost, of each provider; and how long a torn message counts."""

    held_bytes: int = HELD_BYTES
    torn: int = 1_000_000
    remembered_s: float = 86_400.0
    in_order: bool = True
    """Whether a part waits for its first part: earlier versions let it go, and what they did is judged again as it was."""


class PartHandler:
    def __init__(
        self, admission: Admission, hand_in: Callable[[list[PendingSubmit]], None], change: Callable[[RecordChange], None]
    ) -> None:
        """``hand_in``: these are judged in the coming turn; ``change``: this alters a record in it."""
        self._admission, self._to_turn, self._changes = admission, hand_in, change
        self._assembler: Assembler[PendingSubmit] = Assembler()
        self.shared_parts: SharedParts | None = None
        """Where gates that share a store put up what is not whole; None where there is one gate."""
        self.undecided = 0
        """Parts that are being judged: their fate is not written yet."""
        self.torn = torn.TornKeys()
        """How many messages of each provider are torn."""
        self.tore: dict[PendingSubmit, tuple[int, int]] = {}
        """Parts that tear their message, or make it whole, until that is written: its key, and since when it is torn (0: it is whole)."""
        self._bounds = PartBounds()

    @property
    def bounds(self) -> PartBounds:
        return self._bounds

    @bounds.setter
    def bounds(self, bounds: PartBounds) -> None:
        self._bounds, self._assembler.bytes_max = bounds, bounds.held_bytes

    # -- arrival and time

    def take(self, pending: PendingSubmit, now_s: float) -> str:
        """A part was read; the gate's reason to refuse it, or an empty string."""
        message = pending.message
        assert message is not None
        part = message.content.part
        assert part is not None
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

    def _arrives(self, pending: PendingSubmit, now_s: float, *, anew: bool = False) -> LongMessage[PendingSubmit]:
        pending.long, ready = self._assembler.arrive(pending, now_s, anew=anew)
        long, shared_parts = pending.long, self.shared_parts
        if shared_parts is not None and long.waiting and len(long.last) == 1 and not anew:
            shared_parts.linger(long, now_s)
        self._hand_in(ready, now_s)
        return long

    def owe(self, pending: PendingSubmit, now_s: float) -> str:
        """The provider's rate is used up: a part whose message has begun goes all the same, on account. The gate's reason, or nothing."""
        message = pending.message
        if message is not None and message.content.part is not None:
            if self._assembler.find(pending, now_s) is not None:
                pending.bind.access.owes(now_s)
                return self.take(pending, now_s)
            self._assembler.turn_away(pending, now_s)
        pending.message = None
        return "rate-exceeded"

    def due(self, now_s: float) -> bool:
        """Hands in what has waited long enough; whether anything was."""
        if self.shared_parts is not None:
            self.shared_parts.due(now_s)
        return self._hand_in(self._assembler.due(now_s), now_s)

    def drain(self, now_s: float = 0.0) -> bool:
        """Hands in all that waits."""
        return self._hand_in(self._assembler.drain(now_s), now_s)

    @property
    def next_s(self) -> float | None:
        """When ``due`` should be called next (monotonic), None while nothing waits."""
        next_s, shared_parts = self._assembler.next_s, self.shared_parts
        if shared_parts is None or (board_s := shared_parts.next_s) is None:
            return next_s
        return board_s if next_s is None else min(next_s, board_s)

    @property
    def held_bytes(self) -> dict[str, int]:
        """What the open messages of each provider hold."""
        return self._assembler.held_bytes

    def in_use(self, providers: Iterable[str], now: float) -> dict[tuple[str, ...], float]:
        """The share of each bound that each provider's long messages take."""
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

    # -- what other gates hold (board.Heirs)

    def share(self, shared_parts: SharedParts, now_s: Callable[[], float]) -> None:
        """From now on other gates may hold parts of the same messages. ``now_s``: monotonic."""
        self.shared_parts, self._now_s = shared_parts, now_s

    def seen(self, long: LongMessage[PendingSubmit], *, grown: bool) -> None:
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

    def regrown(self, long: LongMessage[PendingSubmit], mine: Sequence[PendingSubmit]) -> None:
        for pending in mine:
            assert pending.message is not None
            pending.message = long.message(pending.message)

    def inherit(self, long: LongMessage[PendingSubmit], by: PendingSubmit) -> None:
        decision = long.posted.decision if long.posted is not None else None
        if decision is None or long.settled or isinstance(long.leader, Led):
            return
        long.leader, long.batch = led(decision, long, by, self._admission.rules, self._admission.refuse), []
        long.judged_at, long.revision, long.takes = decision.judged_at, decision.revision, decision.takes

    def _by_itself(self, long: LongMessage[PendingSubmit], pending: PendingSubmit) -> None:
        """Another gate's verdict was to be inherited, and the store that knows of it is out of reach."""
        long.leader, long.batch, long.takes = pending, [pending], ()

    # -- for whoever judges again what was judged before (backtest), and knows what belonged together

    def remembered(self, pending: PendingSubmit, now_s: float) -> LongMessage[PendingSubmit] | None:
        """The message that a part which was read would be taken for a part of."""
        return self._assembler.find(pending, now_s)

    def close(self, long: LongMessage[PendingSubmit]) -> None:
        """What comes under its key is a new message."""
        self._assembler.close(long)

    def _hand_in(self, ready: list[PendingSubmit], now_s: float) -> bool:
        if not ready:
            return False
        for pending in ready if now_s else ():
            pending.gate_s = pending.arrived_s - now_s  # it has waited for the other parts, not for us
        self.undecided += len(ready)
        if self.shared_parts is not None:
            for pending in ready:
                self.shared_parts.transactions.expect(pending.message.recipient)  # type: ignore[union-attr] # it has been read
        self._to_turn(ready)
        return True

    # -- the verdict

    def judge(self, pending: PendingSubmit, data: bytes, now: float) -> bytes:
        """One part against the record as the earlier ones left it; returns the record with what this one changes."""
        long = pending.long
        assert long is not None
        leader = long.leader
        assert leader is not None
        if self.tore:
            self.tore.pop(pending, None)
        if pending in long.batch and self._bounds.in_order and not long.has_first:
            return self._early(long, pending, data, now)
        if pending is leader:
            return self._lead(long, leader, data, now)
        if pending in long.batch:
            _share(pending, leader)
            pending.lane, pending.packed, pending.adopted = leader.lane, leader.packed, leader.adopted
            pending.reason, pending.status = leader.reason, leader.status
            return data
        return self._inherit(long, leader, pending, data, now)

    def _lead(self, long: LongMessage[PendingSubmit], leader: PendingSubmit, data: bytes, now: float) -> bytes:
        """The message is judged once; it goes out only if its lane has room for all its parts."""
        admission = self._admission
        long.judged_at, long.revision = now, admission.rules.revision
        key, whole = _key_of(long), long.all_out
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
                self._without_room(leader)
                return data
        self._assembler.in_order(long)
        if whole:
            return after
        self.tore[leader] = key, max(int(now), 1)
        return torn.tear(after, key, int(now))

    def _cannot_begin(self, long: LongMessage[PendingSubmit], data: bytes, key: int, now: float, *, whole: bool) -> str:
        """Why a new message cannot be sent to this person, by the name of a reason; empty if it can. ``whole``: all its parts go now."""
        keys = self._torn_keys(data, now)
        if any(torn.same(held, key) for held in keys):
            return "message-torn"
        full = not whole and (torn.of_its_owner(keys, key) >= torn.TORN_MAX or self._has_torn_all(long.key[0], now))
        return "parts-full" if full else ""

    def _has_torn_all(self, provider: str, now: float) -> bool:
        """Whether so many messages of a provider are torn as may be, with those of this turn."""
        room = self._bounds.torn - self._torn_count(provider, now - self._bounds.remembered_s)
        if 0 < room <= len(self.tore):
            room -= sum(
                since > 0 and one.long is not None and one.long.key[0] == provider for one, (_, since) in self.tore.items()
            )
        return room <= 0

    def _torn_count(self, provider: str, after: float) -> int:
        """As counted since the start, or as the store last found them in the records, where that is more: it outlives the gate."""
        return max(self.torn.count(provider, after), self._admission.store.torn_keys.count(provider, after))

    def _torn_keys(self, data: bytes, now: float) -> list[int]:
        if len(data) == 7 + data[6] * 32:
            return []
        return [key for key, time in torn.torn(data) if time > now - self._bounds.remembered_s]

    def _early(self, long: LongMessage[PendingSubmit], pending: PendingSubmit, data: bytes, now: float) -> bytes:
        """A part that would leave before the first part of its message, or whose message is torn and forgotten."""
        reason = "message-torn"
        key = _key_of(long)
        if long.alive - {*long.batch, pending} or not any(torn.same(held, key) for held in self._torn_keys(data, now)):
            last_time = self._assembler.came_early(long, long.index_of(pending))
            reason = "first-part-missing" if last_time else "part-early"
        self._admission.refuse(pending, GATE_REASONS[reason])
        return data

    def _without_room(self, leader: PendingSubmit) -> None:
        """Its lane has no room for all parts."""
        self._admission.put_back(leader)
        self._admission.refuse(leader, GATE_REASONS["queue-full"])

    def _inherit(
        self, long: LongMessage[PendingSubmit], leader: PendingSubmit, pending: PendingSubmit, data: bytes, now: float
    ) -> bytes:
        """A part that came after its message was judged."""
        admission, message = self._admission, pending.message
        assert message is not None
        pending.late = bool(long.batch)
        _share(pending, leader)
        verdict = leader.verdict
        if (
            verdict is not None and long.revision != admission.rules.revision
        ):  # rules are numbered anew: their breaches mean nothing now
            pending.verdict = verdict = _without_breaches(verdict)
        if not leader.packed or verdict is None:
            self._refuse_with(leader, long, pending)
            return data
        if self._bounds.in_order and long.last.get(1) is not pending and not long.has_first:
            return self._early(long, pending, data, now)
        if admission.cut_off and isinstance(leader, Led) and not record.has(data, leader.entry_id):
            self._by_itself(long, pending)
            return self._lead(long, pending, data, now)
        reason = self._cannot_follow(long, leader, pending, data)
        if not reason and long.all_out and _key_of(long) in self._torn_keys(data, now):
            reason = "message-torn"  # another message, begun while nobody knew of this one
        if reason:
            admission.refuse(pending, GATE_REASONS[reason])
            return data
        before = record.entry_and_print(data, leader.entry_id)
        packed = before[0]
        said = self._ask_again(long, leader, message, data, now, packed)
        if said is not None:
            self._admission.evidence.note_breaches(pending, said)
            verdict = pending.verdict = said
            pending.category = said.facts.category
            if said.reason is not None:
                late = said.reason.name in RULE_REASONS
                admission.refuse(pending, _late_breach(said.reason) if late else said.reason)
                return data
            packed = _entry_of(leader, message, said, admission.rules.consent_words(message, said.facts))
        lane = leader.lane if leader.lane is not None and leader.lane.up else admission.routes.lane(message, verdict)
        if lane is None or not lane.hold(pending.category):
            admission.refuse(pending, GATE_REASONS["no-route" if lane is None else "queue-full"])
            return data
        self._take_more(long, leader, pending, said)
        long.before[pending] = before
        pending.lane = lane
        return self._joined(long, leader, pending, data, in_state(packed, self._state(long, leader, pending, before[0])))

    def _cannot_follow(
        self, long: LongMessage[PendingSubmit], leader: PendingSubmit, pending: PendingSubmit, data: bytes
    ) -> str:
        """Why a part cannot go out under the message's entry, by the name of a reason; empty if it can."""
        if not record.has(data, leader.entry_id):  # adopted or erased meanwhile
            if long.posted is not None:  # another message stands in its place
                long.posted = long.posted._replace(closed=True)
                self._assembler.close(long)
            return "store-conflict"
        if long.posted is not None and self._came_elsewhere(long, pending):
            return "store-conflict"
        return "outcome-unknown" if _times_sent(long, pending, leader) > 1 else ""

    def _state(
        self, long: LongMessage[PendingSubmit], leader: PendingSubmit, pending: PendingSubmit, before: bytes
    ) -> EntryState:
        """Of the message's entry once this part is out. ``before``: the entry as it was."""
        if _times_sent(long, pending, leader) or leader.adopted is not None or was_sent_twice(before):
            self._admission.sent_twice.add(pending)
            return EntryState.SENT_TWICE
        if self._unknown(long):
            return EntryState.UNKNOWN
        # by a late answer, perhaps in this turn: a replay hears of it behind this
        return EntryState.ACCEPTED if before[15] & 3 == EntryState.ACCEPTED else EntryState.OPEN

    def _joined(
        self, long: LongMessage[PendingSubmit], leader: PendingSubmit, pending: PendingSubmit, data: bytes, packed: bytes
    ) -> bytes:
        """The record with the entry as it is once this part is out; with the last one the message is torn no more."""
        pending.packed = packed
        self._assembler.in_order(long)
        after = record.amend(data, packed)
        if was_sent_twice(packed):
            assert pending.message is not None
            after = record.mark_sent_twice(after, leader.entry_id, fingerprint(pending.message))
        if not long.all_out:
            return after
        self.tore[pending] = _key_of(long), 0
        return torn.mend(after, _key_of(long))

    def _refuse_with(self, leader: PendingSubmit, long: LongMessage[PendingSubmit], pending: PendingSubmit) -> None:
        """As the part that led was refused; for want of the first part that is for a while only, for it may be this one."""
        pending.reason, pending.status = leader.reason, leader.status
        if leader.reason in _EARLY:
            self._admission.refuse(pending, GATE_REASONS["part-again" if long.last.get(1) is pending else "part-early"])

    def _take_more(
        self, long: LongMessage[PendingSubmit], leader: PendingSubmit, pending: PendingSubmit, said: Verdict | None
    ) -> None:
        """What the message as it is by now takes from aggregates, and had not taken: the part that brings it says so in the journal. Of one
        that stands in for an unknown one that was taken before."""
        if said is None or not said.takes or leader.adopted is not None:
            return
        taken, counters = {take.key for take in _taken(long, leader)}, self._admission.store.counters
        pending.takes = tuple(take for take in said.takes if take.key not in taken)
        for take in pending.takes:
            counters.take(take, pending.entry_time)

    @staticmethod
    def _came_elsewhere(long: LongMessage[PendingSubmit], pending: PendingSubmit) -> bool:
        """Whether the same part was sent to another gate and has gone out there, while this one had not come for the verdict."""
        assert long.posted is not None
        return any(last is pending and long.posted.went(long.holder, index) for index, last in long.last.items())

    def _ask_again(
        self, long: LongMessage[PendingSubmit], leader: PendingSubmit, message: Message, data: bytes, now: float, packed: bytes
    ) -> Verdict | None:
        """What rules say now that there is more of the text, None if nothing new is to be asked. Once it is whole, those that read it; and all,
        suppression and caps too, if it turns out to be of a stricter category, or somebody else's (the signature has come), than the entry says
        (``packed``), and of marketing that is whole."""
        admission = self._admission
        try:
            person = admission.store.listed.beside(record.Record(data), message.recipient)
            said: Verdict | None = judge_text(message, admission.rules, long.judged_at, person)
            if said is not None and said.reason is not None:
                return said
            if not message.content.complete:
                said = None
            known, new = Entry.unpack(packed), facts(message, admission.rules, now)
            if new.category > known.category or new.signature_hash != known.signature:
                said = self._as_if_new(long, leader, message, data, now)
            elif message.content.complete and new.category is Category.MARKETING:
                # by its text the person may have refused it, or had enough of its kind
                said = self._as_if_new(long, leader, message, data, long.judged_at)
        except Exception as error:  # noqa: BLE001 # as in relay/admission.py
            said = admission.failed(message, error)
        return said

    def _as_if_new(
        self, long: LongMessage[PendingSubmit], leader: PendingSubmit, message: Message, data: bytes, now: float
    ) -> Verdict:
        """The whole verdict, with what the message itself added to the record and to aggregates left out."""
        admission = self._admission
        counters = admission.store.counters.without(_taken(long, leader), leader.entry_time)
        others = admission.store.listed.beside(record.Record(record.remove(data, leader.entry_id)), message.recipient)
        rules = admission.rules.cut_off if admission.cut_off else admission.rules
        return judge(message, others, rules, max(now, others.newest()), counters)

    # -- written, or not

    def torn_by(self, decided: Iterable[PendingSubmit], now: float) -> list[bytes]:
        """What the journal is told of messages that are torn by these, or whole with them."""
        said: list[bytes] = []
        for pending in decided:
            key, since = self.tore.pop(pending, (0, 0))
            long, message = pending.long, pending.message
            if not key or pending.lane is None or long is None or message is None:
                continue
            self.torn.add(message.sender.provider, since or long.judged_at, 1 if since else -1)
            said.append(messages.pack_torn(now, message.recipient, key, since))
        return said

    def _tears(self, pending: PendingSubmit, *, known: bool = False) -> None:
        """The message of a part may be torn now, or not any more: the record is to say so."""
        long, message = pending.long, pending.message
        if long is not None and message is not None:
            key, since = _key_of(long), int(long.judged_at)
            self._changes(Tearing(message, key, since, lambda: long.torn, self.torn.add, known=known))

    @compiled("parts_settle")
    def settle(self, decided: list[PendingSubmit]) -> None:
        """The fate of these is written (or the journal refused them, and they are refused)."""
        for pending in decided:
            if pending.long is not None:
                self._settle(pending)
        for pending in decided:
            if pending.long is not None:
                pending.long.batch = []

    def _settle(self, pending: PendingSubmit) -> None:
        long = pending.long
        assert long is not None
        self.undecided -= 1
        long.before.pop(pending, None)
        self._count(long, pending)
        if pending.lane is None:
            self._refused(long, pending)
        long.earlier.pop(pending, None)
        if pending.lane is None:
            return
        long.instead.pop(pending, None)
        if pending.takes:
            long.takes, pending.takes = (*long.takes, *pending.takes), ()

    def _count(self, long: LongMessage[PendingSubmit], pending: PendingSubmit) -> None:
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

    def _refused(self, long: LongMessage[PendingSubmit], pending: PendingSubmit) -> None:
        """The gate refused a part."""
        leader = long.leader
        assert leader is not None
        long.alive.discard(pending)
        before = long.instead.pop(pending, None)
        if not leader.packed:
            if leader.reason not in RULE_REASONS:  # our own trouble, and soon over: what comes next is judged
                self._assembler.close(long)
            return
        if pending.reason not in RULE_REASONS and pending.reason != LATE_BREACH:  # likewise
            long.take_out(pending)
        if before is not None:  # nothing stands in for it now
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
        """The verdict of a part could not be written: the record as it was without it."""
        long, message = pending.long, pending.message
        assert long is not None
        assert message is not None
        self._tears(pending, known=True)
        if pending in long.batch:
            return Undo(message, pending.entry_id, pending.adopted)
        return Amended(message.recipient, *long.before[pending])

    # -- what the carrier said

    def change(self, change: EntryFate) -> None:
        """What a carrier's answer does to the entry of a message, in the coming turn."""
        if self.shared_parts is not None and change.long is not None:
            self.shared_parts.transactions.expect(change.recipient)
        self._changes(change)

    def answered(self, pending: PendingSubmit, status: int, *, late: bool) -> Effect | Callable[[], Effect]:
        """What the carrier's answer to a part does to the message's entry: anything but a yes in time. Where other gates may hold parts of it,
        that is known once what they hold is."""
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

    def _taken_back(
        self, long: LongMessage[PendingSubmit], pending: PendingSubmit, *, late: bool
    ) -> Effect | Callable[[], Effect]:
        """Nothing of it stands here."""
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

    def _if(self, long: LongMessage[PendingSubmit], effect: Callable[[], Effect]) -> Effect | Callable[[], Effect]:
        """Now, where nobody else can hold parts of a message."""
        return effect() if self.shared_parts is None or long.alone else effect

    @staticmethod
    def _unknown(long: LongMessage[PendingSubmit]) -> bool:
        """Whether nobody knows what became of some part of it."""
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
        """Nobody knows whether the person got this part."""
        long = pending.long
        assert long is not None
        long.unknown |= {pending}
        long.doubted |= {pending}
        self._assembler.failed(long)


_EARLY = ("part-early", "first-part-missing")
_UNJUDGED = (*_EARLY, "part-again", "message-torn", "parts-full")
"""Reasons for which a part is refused before rules are asked."""


def _key_of(long: LongMessage[PendingSubmit]) -> int:
    return torn.key_of(long.key[0], long.key[1], long.key[3])


def _share(pending: PendingSubmit, leader: PendingSubmit) -> None:
    """What all parts of a message have in common."""
    pending.verdict, pending.category = leader.verdict, leader.category
    pending.entry_id, pending.entry_time = leader.entry_id, leader.entry_time


def _times_sent(long: LongMessage[PendingSubmit], pending: PendingSubmit, leader: PendingSubmit) -> int:
    """How often the person may have got this part already; what went out in the stead of an unknown message counts for that, too."""
    index = next((index for index, last in long.last.items() if last is pending), 0)
    sent = sum(one in long.alive for one in long.again.get(index, ()))
    if long.posted is not None:
        sent += long.posted.times_sent(long.holder, index)
    return sent + (leader.adopted is not None and sent > 0)


def _taken(long: LongMessage[PendingSubmit], leader: PendingSubmit) -> tuple[Take, ...]:
    """From aggregates, so far, written or not."""
    return (*(long.takes or leader.takes), *(take for part in long.before for take in part.takes))


def _entry_of(leader: PendingSubmit, message: Message, verdict: Verdict, consent: int) -> bytes:
    """The message's entry as the whole text has it: its notice may stand in the last part."""
    return pack_entry(leader.entry_id, leader.entry_time, verdict.facts, message.sender, verdict.template, consent)


def _late_breach(reason: Reason) -> Reason:
    """The provider's client is told the reason of the rule, the journal that it was a late part (and, with it, which rule)."""
    return Reason(LATE_BREACH, reason.status, reason.public, reason.rank)


def _without_breaches(verdict: Verdict) -> Verdict:
    return Verdict(verdict.outcome, verdict.reason, verdict.rule, (), verdict.facts, verdict.province, verdict.template, ())


def _nothing(answer: EntryFate, recorded: int) -> None:
    return None
