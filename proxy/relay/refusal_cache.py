"""Answers repeats of a recent refusal without judging them again.

In: submits that a rule refused, with the journal sequence of the verdict; the same submits again. Out: the same answer, and one journal record
per turn that counts the repeats. Never: a verdict, sockets, the clock.

It keeps only refusals that stay valid for the next ten minutes whatever else happens. So it never keeps: a defer; one of the gate's own
reasons; a refusal by a rolling window, an aggregate or a recipient's preferences (their end cannot be known beforehand); a part of a long
message; a scheduled message. A refusal ends with the day, with the next change of any time condition, with the window of the cap that was
reached, with a reload of the rules, when the clock is set back, and with any change of the recipient's record other than a new message
(which can only add reasons).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cython

from proxy.journal.encoding import pack
from proxy.journal.records import messages, requests
from proxy.model.message import ORDER_NUMBERS_FROM, Breach, Content, Message, Outcome, Sender, Verdict
from proxy.model.reasons import GATE_REASONS, Reason
from proxy.policy.evaluation_plan import Rule
from proxy.policy.ruleset import RuleSet
from proxy.relay.pending_submit import PendingSubmit

REPEAT_S = 600.0
"""A repeat this soon is answered from here (DESIGN §4): clients that retry do so within minutes."""
REFUSALS_MAX = 65_536
"""About 500 bytes each: 32 MB at worst, which a provider that varies its texts may fill and nobody else notices."""

MARKS = 1 << 16
"""Octets: of as many as may be kept one bit in eight."""
_MARKS_MASK = cython.declare(cython.longlong, MARKS - 1)
DROPPED_MAX = 1024
"""So many dropped refusals may stand before the others in the list, until all of them leave it together."""
SWEPT = 2_000
"""Dropped in one go on the loop, of what no longer stands: a millisecond at most. All at once takes 30 ms."""

Key = tuple[Sender, bytes]
"""Account and source, digest of all after the destination: a rule may speak of one account of a provider only."""


@cython.final
@cython.no_gc
@cython.freelist(1024)
@cython.cclass
class CachedRefusal:
    """One refusal."""

    until: float
    person: cython.longlong
    sender: Sender
    digest: bytes
    sequence: cython.longlong
    """Of the verdict in the journal."""
    verdict: Verdict


Of = CachedRefusal | dict[Key, CachedRefusal]
"""What is kept of one person: nearly always one refusal."""


class RefusalCache:
    def __init__(
        self,
        refuse: Callable[[PendingSubmit, Reason], None],
        note: Callable[[Repeats], None],
        tell: Callable[[PendingSubmit], None],
    ) -> None:
        """``refuse``: sets reason and status. ``note``: journals a record in the next turn. ``tell``: counts and answers."""
        self._refuse, self._note, self._tell = refuse, note, tell
        self._repeats: Repeats | None = None
        self.people: dict[int, Of] = {}
        """By recipient: a single look-up for recipients without a cached refusal."""
        self.alone = True
        """Whether no other gate changes records. Else nothing is cached: this gate would not learn that a refusal has ended."""
        self._rules: RuleSet | None = None
        self._stand: dict[int, bool] = {}
        """By rule number: whether its refusals may be cached."""
        self._order: list[CachedRefusal] = []
        """All refusals, the oldest first …"""
        self._dropped = 0
        """… of which so many are dropped."""
        self.marks, self.marks_before = bytearray(MARKS), bytearray(MARKS)
        """A filter over ``people``: each has its bit in one of the two (some bits are left over). Nearly all other recipients are excluded
        without a look into the dictionary."""
        self._marked_s, self.marked = 0.0, 0
        """When ``marks`` began, and how many bits were set in it."""
        self._gone: list[tuple[dict[int, Of], list[CachedRefusal]]] = []
        """Refusals of earlier rules, until ``sweep`` frees them."""

    def again(self, pending: PendingSubmit, rules: RuleSet, now: float) -> bool:
        """Whether this submit repeats a cached refusal. Then it is refused again, and answered once the repeat is written."""
        message = pending.message
        assert message is not None
        kept = self.find(message, rules, now) if pending.long is None else None
        if kept is None:
            return False
        assert kept.verdict.reason is not None
        pending.verdict, pending.category = kept.verdict, kept.verdict.facts.category
        self._refuse(pending, kept.verdict.reason)
        if self._repeats is None or not self._repeats.open:
            self._repeats = Repeats(self._answer_repeat)
            self._note(self._repeats)
        self._repeats.add(pending, kept)
        return True

    def _answer_repeat(self, pending: PendingSubmit, written: bool) -> None:
        if not written:
            pending.verdict = None
            self._refuse(pending, GATE_REASONS["journal-down"])
        self._tell(pending)

    def find(self, message: Message, rules: RuleSet, now: float) -> CachedRefusal | None:
        """The cached refusal that this message repeats, if it still stands."""
        known = self.people.get(message.recipient)
        if known is None:
            return None
        if rules is not self._rules:
            self.clear()
            return None
        kept = known.get((message.sender, message.content.digest)) if isinstance(known, dict) else known
        return kept if kept is not None and _is_of(kept, message) and now < kept.until else None

    @cython.boundscheck(False)
    @cython.wraparound(False)
    @cython.nonecheck(False)
    def keep(self, refused: list[PendingSubmit], rules: RuleSet, now: float) -> None:
        """Caches refusals that were written, if they will stand."""
        if not self.alone:
            return
        if rules is not self._rules:
            self.clear()
            self._rules = rules
        pending: PendingSubmit
        content: Content
        kept: CachedRefusal
        end_s: cython.double = min(now + REPEAT_S, rules.until)
        until_s: cython.double
        person: cython.longlong
        people: dict[int, Of] = self.people
        marked: cython.Py_ssize_t = 0
        steady: dict[int, bool] = self._stand
        order: list[CachedRefusal] = self._order
        marks: bytearray = self.marks_at(now)
        reject = Outcome.REJECT
        for pending in refused:
            if pending.long is not None or pending.message is None or pending.verdict is None:
                continue
            content = pending.message.content
            if pending.verdict.outcome is not reject or content.part is not None or content.scheduled is not None:
                continue
            until_s = _stands_until(self, steady, pending.verdict.breaches, end_s)
            if until_s <= now:
                continue
            person = pending.message.recipient
            marks[person >> 3 & _MARKS_MASK] |= 1 << (person & 7)
            marked += 1
            kept = CachedRefusal.__new__(CachedRefusal)
            kept.until, kept.person, kept.sequence = until_s, person, pending.recorded
            kept.sender, kept.digest, kept.verdict = pending.message.sender, content.digest, pending.verdict
            _put(people, kept)
            order.append(kept)
        self.marked += marked
        self._drop_ended(now)

    @cython.boundscheck(False)
    @cython.wraparound(False)
    def _drop_ended(self, now: float) -> None:
        """Drops the oldest refusals: those that have ended, and those above REFUSALS_MAX."""
        people: dict[int, Of] = self.people
        order: list[CachedRefusal] = self._order
        dropped: cython.Py_ssize_t = self._dropped
        most: cython.Py_ssize_t = REFUSALS_MAX
        kept: CachedRefusal
        while dropped < len(order):
            kept = order[dropped]
            if kept.until > now and len(order) - dropped <= most:
                break
            _drop(people, kept)
            dropped += 1
        if dropped > DROPPED_MAX:
            del order[:dropped]
            dropped = 0
        self._dropped = dropped

    def marks_at(self, now: float) -> bytearray:
        """The filter for recipients that are cached now. A recipient leaves ``people`` before its filter is dropped: after REPEAT_S, or
        REFUSALS_MAX later refusals, at the latest."""
        if now >= self._marked_s + REPEAT_S or self.marked >= REFUSALS_MAX:
            self.marks, self.marks_before, self._marked_s, self.marked = bytearray(MARKS), self.marks, now, 0
        return self.marks

    def _stands(self, number: int) -> bool:
        """Whether the rule would refuse the same again, whatever other messages are sent."""
        assert self._rules is not None
        # an order has no limits, and its end is among the rules' moments
        found = self._stand[number] = number >= ORDER_NUMBERS_FROM or _is_steady(self._rules.rules[number])
        return found

    def forget(self, person: int) -> None:
        """The recipient's record has changed: a refused message may be allowed now."""
        self.people.pop(person, None)

    def clear(self) -> None:
        """Drops all refusals: other rules are in force, or the clock was set back."""
        if self._order:
            self._gone.append((self.people.copy(), self._order))
            self.people.clear()  # frees nothing yet; the relay holds this very dict
            self._order, self._dropped = [], 0
        self._rules = None
        self._stand.clear()

    def sweep(self) -> None:
        """A few times a second: frees some dropped refusals."""
        left = SWEPT
        while self._gone and left:
            people, order = self._gone[-1]
            while order and left:
                order.pop()
                left -= 1
            while people and left:
                people.popitem()
                left -= 1
            if not people and not order:
                self._gone.pop()


@cython.ccall
def may_repeat(people: dict[int, Of], message: Message) -> cython.bint:
    """Whether a message may repeat a cached refusal."""
    known: Any = people.get(message.recipient)
    if known is None:
        return False
    return (message.sender, message.content.digest) in known if isinstance(known, dict) else _is_of(known, message)


@cython.cfunc
def _is_of(kept: CachedRefusal, message: Message) -> cython.bint:
    """Whether a refusal has the same sender and text."""
    return kept.sender is message.sender and kept.digest == message.content.digest


@cython.boundscheck(False)
@cython.wraparound(False)
@cython.nonecheck(False)
@cython.cfunc
def _stands_until(cache: Any, steady: dict[int, bool], breaches: tuple[Breach, ...], until_s: cython.double) -> cython.double:
    """When these objections end, ``until_s`` at the latest; 0 if another message may end one before."""
    end_s: cython.double
    second: cython.longlong
    fields: tuple[Any, ...]
    if not breaches:
        return 0
    for breach in breaches:
        fields = cython.cast(tuple, breach)  # an attribute of a NamedTuple costs more
        number, not_before = fields[1], fields[5]
        stands = steady.get(number)
        if stands is None:
            stands = cache._stands(number)
        if not stands:
            return 0
        if not_before is not None:
            if type(not_before) is int:  # the end of a calendar period: Python's own conversion takes 250 instructions
                second = not_before
                end_s = second
            else:
                end_s = not_before
            until_s = min(until_s, end_s)
    return until_s


@cython.cfunc
@cython.nonecheck(False)
def _put(people: dict[int, Of], kept: CachedRefusal) -> None:
    person: Any = kept.person
    known = people.setdefault(person, kept)
    several: dict[Key, CachedRefusal]
    other: CachedRefusal
    if known is kept:
        return
    if isinstance(known, dict):
        several = known
        several[kept.sender, kept.digest] = kept
        return
    other = known
    if other.sender is kept.sender and other.digest == kept.digest:
        people[person] = kept
    else:
        people[person] = {(other.sender, other.digest): other, (kept.sender, kept.digest): kept}


@cython.cfunc
def _drop(people: dict[int, Of], kept: CachedRefusal) -> None:
    """Removes a refusal, unless a newer one has replaced it."""
    person: Any = kept.person
    known = people.get(person)
    if known is kept:
        del people[person]
    elif isinstance(known, dict) and known.get((kept.sender, kept.digest)) is kept:
        del known[kept.sender, kept.digest]
        if not known:
            del people[person]


def _is_steady(rule: Rule) -> bool:
    return not rule.passing and all("recipient" in one.keys and one.window.unit != "rolling" for one in rule.limits)


class Repeats:
    """The repeats of one turn, for one journal record (a RecordChange that changes no record); answered once written."""

    recipient = 0

    def __init__(self, then: Callable[[PendingSubmit, bool], None]) -> None:
        """``then``: answers one repeat; its second argument: whether the record was written."""
        self.open = True
        """Whether more repeats may be added: no longer once the record is packed."""
        self._again: list[PendingSubmit] = []
        self._counts: dict[int, int] = {}
        self._then = then

    def add(self, pending: PendingSubmit, kept: CachedRefusal) -> None:
        self._again.append(pending)
        self._counts[kept.sequence] = self._counts.get(kept.sequence, 0) + 1

    def apply(self, data: bytes, now: float) -> bytes:
        return data

    def written(self, now: float) -> tuple[int, bytes]:
        self.open = False
        return messages.REPEATED, pack(requests.Repeated(now, self._counts))

    def done(self, recorded: int) -> None:
        for pending in self._again:
            self._then(pending, True)

    def unwritten(self) -> bool:
        """The provider must try again."""
        self.open = False
        for pending in self._again:
            self._then(pending, False)
        return False
