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
        self, judging: Admission, hand_in: Callable[[list[PendingSubmit]], None], change: Callable[[RecordChange], None]
    ) -> None:
        """``hand_in``: these are judged in the coming turn; ``change``: this alters a record in it."""
        self._judging, self._to_turn, self._changes = judging, hand_in, change
        self._assembler: Assembler[PendingSubmit] = Assembler()
        self.board: SharedParts | None = None
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

    def take(self, transit: PendingSubmit, now_s: float) -> str:
        """A part was read; the gate's reason to refuse it, or an empty string."""
        message = transit.message
        assert message is not None
        part = message.content.part
        assert part is not None
        if part.total > PARTS_MAX:
            self._judging.tally.long_messages["too-long",] += 1
            return "too-long"
        if self._assembler.is_turned_away(transit, now_s):
            return "rate-exceeded"
        known, board = self._assembler.find(transit, now_s), self.board
        if objection := self._assembler.objection(transit, known):
            self._judging.tally.long_messages[objection,] += 1
            return objection
        if board is not None and known is not None and known.asked:
            board.ask(known, transit)
            return ""
        self._arrives(transit, now_s)
        return ""

    def _arrives(self, transit: PendingSubmit, now_s: float, *, anew: bool = False) -> LongMessage[PendingSubmit]:
        transit.long, ready = self._assembler.arrive(transit, now_s, anew=anew)
        long, board = transit.long, self.board
        if board is not None and long.waiting and len(long.last) == 1 and not anew:
            board.linger(long, now_s)
        self._hand_in(ready, now_s)
        return long

    def owe(self, transit: PendingSubmit, now_s: float) -> str:
        """The provider's rate is used up: a part whose message has begun goes all the same, on account. The gate's reason, or nothing."""
        message = transit.message
        if message is not None and message.content.part is not None:
            if self._assembler.find(transit, now_s) is not None:
                transit.bind.access.owes(now_s)
                return self.take(transit, now_s)
            self._assembler.turn_away(transit, now_s)
        transit.message = None
        return "rate-exceeded"

    def due(self, now_s: float) -> bool:
        """Hands in what has waited long enough; whether anything was."""
        if self.board is not None:
            self.board.due(now_s)
        return self._hand_in(self._assembler.due(now_s), now_s)

    def drain(self, now_s: float = 0.0) -> bool:
        """Hands in all that waits."""
        return self._hand_in(self._assembler.drain(now_s), now_s)

    @property
    def next_s(self) -> float | None:
        """When ``due`` should be called next (monotonic), None while nothing waits."""
        next_s, board = self._assembler.next_s, self.board
        if board is None or (board_s := board.next_s) is None:
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
        return self._assembler.waiting + (self.board.waiting if self.board is not None else 0)

    # -- what other gates hold (board.Heirs)

    def share(self, board: SharedParts, now_s: Callable[[], float]) -> None:
        """From now on other gates may hold parts of the same messages. ``now_s``: monotonic."""
        self.board, self._now_s = board, now_s

    def seen(self, long: LongMessage[PendingSubmit], *, grown: bool) -> None:
        posted = long.posted
        leads = long.whole and 1 in long.contents  # the gate of the first part, for that is the first to leave
        if long.waiting and posted is not None and (posted.decision is not None or leads):
            self._hand_in(self._assembler.judge(long, self._now_s()), self._now_s())

    def admitted(self, transit: PendingSubmit, holder: Holder | None) -> None:
        now_s = self._now_s()
        known = self._assembler.find(transit, now_s) if holder is not None else None
        if known is not None and known.torn:  # what is there of it goes on, and the record refuses this
            transit.long, ready = self._assembler.beside(transit, now_s)
            long = transit.long
            self._hand_in(ready, now_s)
        else:
            long = self._arrives(transit, now_s, anew=holder is not None)
        if holder is not None:
            long.holder, long.asked = holder, not long.alone

    def regrown(self, long: LongMessage[PendingSubmit], mine: Sequence[PendingSubmit]) -> None:
        for transit in mine:
            assert transit.message is not None
            transit.message = long.message(transit.message)

    def inherit(self, long: LongMessage[PendingSubmit], by: PendingSubmit) -> None:
        decision = long.posted.decision if long.posted is not None else None
        if decision is None or long.settled or isinstance(long.leader, Led):
            return
        long.leader, long.batch = led(decision, long, by, self._judging.rules, self._judging.refuse), []
        long.judged_at, long.revision, long.takes = decision.judged_at, decision.revision, decision.takes

    def _by_itself(self, long: LongMessage[PendingSubmit], transit: PendingSubmit) -> None:
        """Another gate's verdict was to be inherited, and the store that knows of it is out of reach."""
        long.leader, long.batch, long.takes = transit, [transit], ()

    # -- for whoever judges again what was judged before (backtest), and knows what belonged together

    def remembered(self, transit: PendingSubmit, now_s: float) -> LongMessage[PendingSubmit] | None:
        """The message that a part which was read would be taken for a part of."""
        return self._assembler.find(transit, now_s)

    def close(self, long: LongMessage[PendingSubmit]) -> None:
        """What comes under its key is a new message."""
        self._assembler.close(long)

    def _hand_in(self, ready: list[PendingSubmit], now_s: float) -> bool:
        if not ready:
            return False
        for transit in ready if now_s else ():
            transit.own_s = transit.arrived_s - now_s  # it has waited for the other parts, not for us
        self.undecided += len(ready)
        if self.board is not None:
            for transit in ready:
                self.board.sights.mark(transit.message.recipient)  # type: ignore[union-attr] # it has been read
        self._to_turn(ready)
        return True

    # -- the verdict

    def judge(self, transit: PendingSubmit, data: bytes, now: float) -> bytes:
        """One part against the record as the earlier ones left it; returns the record with what this one changes."""
        long = transit.long
        assert long is not None
        leader = long.leader
        assert leader is not None
        if self.tore:
            self.tore.pop(transit, None)
        if transit in long.batch and self._bounds.in_order and not long.has_first:
            return self._early(long, transit, data, now)
        if transit is leader:
            return self._lead(long, leader, data, now)
        if transit in long.batch:
            _share(transit, leader)
            transit.lane, transit.packed, transit.adopted = leader.lane, leader.packed, leader.adopted
            transit.reason, transit.status = leader.reason, leader.status
            return data
        return self._inherit(long, leader, transit, data, now)

    def _lead(self, long: LongMessage[PendingSubmit], leader: PendingSubmit, data: bytes, now: float) -> bytes:
        """The message is judged once; it goes out only if its lane has room for all its parts."""
        judging = self._judging
        long.judged_at, long.revision = now, judging.rules.revision
        key, whole = _key_of(long), long.all_out
        if reason := self._cannot_begin(long, data, key, now, whole=whole):
            judging.refuse(leader, GATE_REASONS[reason])
            return data
        after = judging.judge(leader, data, now)
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
        return max(self.torn.count(provider, after), self._judging.store.torn_keys.count(provider, after))

    def _torn_keys(self, data: bytes, now: float) -> list[int]:
        if len(data) == 7 + data[6] * 32:
            return []
        return [key for key, time in torn.torn(data) if time > now - self._bounds.remembered_s]

    def _early(self, long: LongMessage[PendingSubmit], transit: PendingSubmit, data: bytes, now: float) -> bytes:
        """A part that would leave before the first part of its message, or whose message is torn and forgotten."""
        reason = "message-torn"
        key = _key_of(long)
        if long.alive - {*long.batch, transit} or not any(torn.same(held, key) for held in self._torn_keys(data, now)):
            last_time = self._assembler.came_early(long, long.index_of(transit))
            reason = "first-part-missing" if last_time else "part-early"
        self._judging.refuse(transit, GATE_REASONS[reason])
        return data

    def _without_room(self, leader: PendingSubmit) -> None:
        """Its lane has no room for all parts."""
        self._judging.put_back(leader)
        self._judging.refuse(leader, GATE_REASONS["queue-full"])

    def _inherit(
        self, long: LongMessage[PendingSubmit], leader: PendingSubmit, transit: PendingSubmit, data: bytes, now: float
    ) -> bytes:
        """A part that came after its message was judged."""
        judging, message = self._judging, transit.message
        assert message is not None
        transit.late = bool(long.batch)
        _share(transit, leader)
        verdict = leader.verdict
        if (
            verdict is not None and long.revision != judging.rules.revision
        ):  # rules are numbered anew: their breaches mean nothing now
            transit.verdict = verdict = _without_breaches(verdict)
        if not leader.packed or verdict is None:
            self._refuse_with(leader, long, transit)
            return data
        if self._bounds.in_order and long.last.get(1) is not transit and not long.has_first:
            return self._early(long, transit, data, now)
        if judging.cut_off and isinstance(leader, Led) and not record.has(data, leader.entry_id):
            self._by_itself(long, transit)
            return self._lead(long, transit, data, now)
        reason = self._cannot_follow(long, leader, transit, data)
        if not reason and long.all_out and _key_of(long) in self._torn_keys(data, now):
            reason = "message-torn"  # another message, begun while nobody knew of this one
        if reason:
            judging.refuse(transit, GATE_REASONS[reason])
            return data
        before = record.entry_and_print(data, leader.entry_id)
        packed = before[0]
        said = self._ask_again(long, leader, message, data, now, packed)
        if said is not None:
            self._judging.grounds.look_at(transit, said)
            verdict = transit.verdict = said
            transit.category = said.facts.category
            if said.reason is not None:
                late = said.reason.name in RULE_REASONS
                judging.refuse(transit, _late_breach(said.reason) if late else said.reason)
                return data
            packed = _entry_of(leader, message, said, judging.rules.consent_words(message, said.facts))
        lane = leader.lane if leader.lane is not None and leader.lane.up else judging.routes.lane(message, verdict)
        if lane is None or not lane.hold(transit.category):
            judging.refuse(transit, GATE_REASONS["no-route" if lane is None else "queue-full"])
            return data
        self._take_more(long, leader, transit, said)
        long.before[transit] = before
        transit.lane = lane
        return self._joined(long, leader, transit, data, in_state(packed, self._state(long, leader, transit, before[0])))

    def _cannot_follow(
        self, long: LongMessage[PendingSubmit], leader: PendingSubmit, transit: PendingSubmit, data: bytes
    ) -> str:
        """Why a part cannot go out under the message's entry, by the name of a reason; empty if it can."""
        if not record.has(data, leader.entry_id):  # adopted or erased meanwhile
            if long.posted is not None:  # another message stands in its place
                long.posted = long.posted._replace(closed=True)
                self._assembler.close(long)
            return "store-conflict"
        if long.posted is not None and self._came_elsewhere(long, transit):
            return "store-conflict"
        return "outcome-unknown" if _times_sent(long, transit, leader) > 1 else ""

    def _state(
        self, long: LongMessage[PendingSubmit], leader: PendingSubmit, transit: PendingSubmit, before: bytes
    ) -> EntryState:
        """Of the message's entry once this part is out. ``before``: the entry as it was."""
        if _times_sent(long, transit, leader) or leader.adopted is not None or was_sent_twice(before):
            self._judging.sent_twice.add(transit)
            return EntryState.SENT_TWICE
        if self._unknown(long):
            return EntryState.UNKNOWN
        # by a late answer, perhaps in this turn: a replay hears of it behind this
        return EntryState.ACCEPTED if before[15] & 3 == EntryState.ACCEPTED else EntryState.OPEN

    def _joined(
        self, long: LongMessage[PendingSubmit], leader: PendingSubmit, transit: PendingSubmit, data: bytes, packed: bytes
    ) -> bytes:
        """The record with the entry as it is once this part is out; with the last one the message is torn no more."""
        transit.packed = packed
        self._assembler.in_order(long)
        after = record.amend(data, packed)
        if was_sent_twice(packed):
            assert transit.message is not None
            after = record.mark_sent_twice(after, leader.entry_id, fingerprint(transit.message))
        if not long.all_out:
            return after
        self.tore[transit] = _key_of(long), 0
        return torn.mend(after, _key_of(long))

    def _refuse_with(self, leader: PendingSubmit, long: LongMessage[PendingSubmit], transit: PendingSubmit) -> None:
        """As the part that led was refused; for want of the first part that is for a while only, for it may be this one."""
        transit.reason, transit.status = leader.reason, leader.status
        if leader.reason in _EARLY:
            self._judging.refuse(transit, GATE_REASONS["part-again" if long.last.get(1) is transit else "part-early"])

    def _take_more(
        self, long: LongMessage[PendingSubmit], leader: PendingSubmit, transit: PendingSubmit, said: Verdict | None
    ) -> None:
        """What the message as it is by now takes from aggregates, and had not taken: the part that brings it says so in the journal. Of one
        that stands in for an unknown one that was taken before."""
        if said is None or not said.takes or leader.adopted is not None:
            return
        taken, counters = {take.key for take in _taken(long, leader)}, self._judging.store.counters
        transit.takes = tuple(take for take in said.takes if take.key not in taken)
        for take in transit.takes:
            counters.take(take, transit.entry_time)

    @staticmethod
    def _came_elsewhere(long: LongMessage[PendingSubmit], transit: PendingSubmit) -> bool:
        """Whether the same part was sent to another gate and has gone out there, while this one had not come for the verdict."""
        assert long.posted is not None
        return any(last is transit and long.posted.went(long.holder, index) for index, last in long.last.items())

    def _ask_again(
        self, long: LongMessage[PendingSubmit], leader: PendingSubmit, message: Message, data: bytes, now: float, packed: bytes
    ) -> Verdict | None:
        """What rules say now that there is more of the text, None if nothing new is to be asked. Once it is whole, those that read it; and all,
        suppression and caps too, if it turns out to be of a stricter category, or somebody else's (the signature has come), than the entry says
        (``packed``), and of marketing that is whole."""
        judging = self._judging
        try:
            person = judging.store.listed.beside(record.Record(data), message.recipient)
            said: Verdict | None = judge_text(message, judging.rules, long.judged_at, person)
            if said is not None and said.reason is not None:
                return said
            if not message.content.complete:
                said = None
            known, new = Entry.unpack(packed), facts(message, judging.rules, now)
            if new.category > known.category or new.signature_hash != known.signature:
                said = self._as_if_new(long, leader, message, data, now)
            elif message.content.complete and new.category is Category.MARKETING:
                # by its text the person may have refused it, or had enough of its kind
                said = self._as_if_new(long, leader, message, data, long.judged_at)
        except Exception as error:  # noqa: BLE001 # as in relay/admission.py
            said = judging.failed(message, error)
        return said

    def _as_if_new(
        self, long: LongMessage[PendingSubmit], leader: PendingSubmit, message: Message, data: bytes, now: float
    ) -> Verdict:
        """The whole verdict, with what the message itself added to the record and to aggregates left out."""
        judging = self._judging
        counters = judging.store.counters.without(_taken(long, leader), leader.entry_time)
        others = judging.store.listed.beside(record.Record(record.remove(data, leader.entry_id)), message.recipient)
        rules = judging.rules.cut_off if judging.cut_off else judging.rules
        return judge(message, others, rules, max(now, others.newest()), counters)

    # -- written, or not

    def torn_by(self, decided: Iterable[PendingSubmit], now: float) -> list[bytes]:
        """What the journal is told of messages that are torn by these, or whole with them."""
        said: list[bytes] = []
        for transit in decided:
            key, since = self.tore.pop(transit, (0, 0))
            long, message = transit.long, transit.message
            if not key or transit.lane is None or long is None or message is None:
                continue
            self.torn.add(message.sender.provider, since or long.judged_at, 1 if since else -1)
            said.append(messages.pack_torn(now, message.recipient, key, since))
        return said

    def _tears(self, transit: PendingSubmit, *, known: bool = False) -> None:
        """The message of a part may be torn now, or not any more: the record is to say so."""
        long, message = transit.long, transit.message
        if long is not None and message is not None:
            key, since = _key_of(long), int(long.judged_at)
            self._changes(Tearing(message, key, since, lambda: long.torn, self.torn.add, known=known))

    @compiled("parts_settle")
    def settle(self, decided: list[PendingSubmit]) -> None:
        """The fate of these is written (or the journal refused them, and they are refused)."""
        for transit in decided:
            if transit.long is not None:
                self._settle(transit)
        for transit in decided:
            if transit.long is not None:
                transit.long.batch = []

    def _settle(self, transit: PendingSubmit) -> None:
        long = transit.long
        assert long is not None
        self.undecided -= 1
        long.before.pop(transit, None)
        self._count(long, transit)
        if transit.lane is None:
            self._refused(long, transit)
        long.earlier.pop(transit, None)
        if transit.lane is None:
            return
        long.instead.pop(transit, None)
        if transit.takes:
            long.takes, transit.takes = (*long.takes, *transit.takes), ()

    def _count(self, long: LongMessage[PendingSubmit], transit: PendingSubmit) -> None:
        outcomes, message = self._judging.tally.long_messages, transit.message
        if transit.reason in _UNJUDGED:
            outcomes[transit.reason,] += 1
        elif transit is long.leader:
            long.settled = True
            assert message is not None
            outcomes["complete" if message.content.complete else "incomplete",] += 1
        elif transit not in long.batch:
            outcomes[LATE_BREACH if transit.reason == LATE_BREACH else "inherited",] += 1
            if self.board is None and not long.doubted and long.all_out:
                self._assembler.close(long)

    def _refused(self, long: LongMessage[PendingSubmit], transit: PendingSubmit) -> None:
        """The gate refused a part."""
        leader = long.leader
        assert leader is not None
        long.alive.discard(transit)
        before = long.instead.pop(transit, None)
        if not leader.packed:
            if leader.reason not in RULE_REASONS:  # our own trouble, and soon over: what comes next is judged
                self._assembler.close(long)
            return
        if transit.reason not in RULE_REASONS and transit.reason != LATE_BREACH:  # likewise
            long.take_out(transit)
        if before is not None:  # nothing stands in for it now
            long.unknown |= {before}
        if before is not None and transit.reason != "outcome-unknown":  # which changed nothing
            self.change(EntryFate(before, Effect.UNKNOWN, ESME_RSYSERR, b"", _nothing))
        if long.alive:
            self._assembler.failed(long)
        else:  # the carrier had refused all the others
            transit.entry_id, transit.entry_time = leader.entry_id, leader.entry_time
            effect = self._taken_back(long, transit, late=False)
            self.change(EntryFate(transit, effect, transit.status, b"", self._given_back))

    def undo(self, transit: PendingSubmit) -> RecordChange:
        """The verdict of a part could not be written: the record as it was without it."""
        long, message = transit.long, transit.message
        assert long is not None
        assert message is not None
        self._tears(transit, known=True)
        if transit in long.batch:
            return Undo(message, transit.entry_id, transit.adopted)
        return Amended(message.recipient, *long.before[transit])

    # -- what the carrier said

    def change(self, change: EntryFate) -> None:
        """What a carrier's answer does to the entry of a message, in the coming turn."""
        if self.board is not None and change.long is not None:
            self.board.sights.mark(change.recipient)
        self._changes(change)

    def answered(self, transit: PendingSubmit, status: int, *, late: bool) -> Effect | Callable[[], Effect]:
        """What the carrier's answer to a part does to the message's entry: anything but a yes in time. Where other gates may hold parts of it,
        that is known once what they hold is."""
        long = transit.long
        assert long is not None
        if transit in long.unknown:
            long.unknown -= {transit}
        if not status:
            return self._if(long, lambda: Effect.LATE_PART if self._unknown(long) else Effect.LATE_ACCEPTED)
        long.alive.discard(transit)
        self._tears(transit)
        if long.alive:
            self._assembler.failed(long)
            return Effect.LATE_PART if late else Effect.PART_REFUSED
        return self._taken_back(long, transit, late=late)

    def _taken_back(
        self, long: LongMessage[PendingSubmit], transit: PendingSubmit, *, late: bool
    ) -> Effect | Callable[[], Effect]:
        """Nothing of it stands here."""
        leader = long.leader
        adopts = leader is not None and leader.adopted is not None

        def effect() -> Effect:
            if long.alive or (long.posted is not None and long.posted.stands(long.holder)):
                self._assembler.failed(long)
                if transit.takes:
                    long.takes, transit.takes = transit.takes, ()
                return Effect.LATE_PART if late else Effect.PART_REFUSED
            self._assembler.close(long)
            if long.takes:
                transit.takes, long.takes = long.takes, ()
            return Effect.of(1, late=late, adopts=adopts)

        return self._if(long, effect)

    def _if(self, long: LongMessage[PendingSubmit], effect: Callable[[], Effect]) -> Effect | Callable[[], Effect]:
        """Now, where nobody else can hold parts of a message."""
        return effect() if self.board is None or long.alone else effect

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
            self._judging.tally.entries["taken_back",] += 1
            self._judging.give_back(answer.transit)

    def unanswered(self, transit: PendingSubmit) -> None:
        """Nobody knows whether the person got this part."""
        long = transit.long
        assert long is not None
        long.unknown |= {transit}
        long.doubted |= {transit}
        self._assembler.failed(long)


_EARLY = ("part-early", "first-part-missing")
_UNJUDGED = (*_EARLY, "part-again", "message-torn", "parts-full")
"""Reasons for which a part is refused before rules are asked."""


def _key_of(long: LongMessage[PendingSubmit]) -> int:
    return torn.key_of(long.key[0], long.key[1], long.key[3])


def _share(transit: PendingSubmit, leader: PendingSubmit) -> None:
    """What all parts of a message have in common."""
    transit.verdict, transit.category = leader.verdict, leader.category
    transit.entry_id, transit.entry_time = leader.entry_id, leader.entry_time


def _times_sent(long: LongMessage[PendingSubmit], transit: PendingSubmit, leader: PendingSubmit) -> int:
    """How often the person may have got this part already; what went out in the stead of an unknown message counts for that, too."""
    index = next((index for index, last in long.last.items() if last is transit), 0)
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
