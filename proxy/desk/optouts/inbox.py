"""Keeps doubtful replies until an officer decides; pure.

In: replies and decisions of the journal, the time. Out: rows, standing decisions, counts; or Impossible. Never: files, the clock, a person's
record (relay/effects/suppression.py), a decision of its own.

    open ──▶ decided               an officer says yes (it asked to stop) or no
       └───▶ lapsed ──▶ decided    undecided for 7 days: its hold has become an opt-out, or has ended

Replies of equal words (folded) in an equal context are one row. The context is signature, category and template of the newest message from that
port, or the port if there was no message. A decision covers all of a row; a standing decision also covers later replies.
"""

from __future__ import annotations

import re
from bisect import bisect_left, insort
from collections import Counter, deque
from collections.abc import Iterator
from hashlib import blake2b
from itertools import islice
from typing import NamedTuple

from proxy.journal.encoding import unpack
from proxy.journal.records.doubtful_replies import LISTED_MAX, TEXT_CHARACTERS_MAX, DoubtDecision, Doubtful, ReplyContext, id_of
from proxy.model.approvals import Impossible
from proxy.model.number import masked_repr
from proxy.model.recipient import HOLD_S
from proxy.policy.registries.holidays import Holidays
from proxy.policy.time_windows import DAY_S, OFFSET_S
from proxy.state.lists.desk_records import DeskRecords

KEPT_S = 30 * 86_400.0
"""How long replies and decisions stay on the list; standing decisions stay. The journal has its own retention."""
DECISIONS_MAX = 10_000
"""Beyond it the oldest that stands no more leaves the list early, with its replies."""
PERSON_MAX = 20
"""Undecided replies of one person: the oldest leaves the list beyond this, so that one writer cannot fill it."""
DAYS_BACK_MAX = 60
"""Days without work in a row are fewer."""
SWEEP_S = 3600.0
_NO_LETTER = re.compile(r"[^\w]|_")


class DoubtfulRow(NamedTuple):
    """Undecided replies of equal words in an equal context."""

    key: int
    first: Doubtful  # the oldest
    holder: Doubtful  # the oldest that holds marketing; where none does, the first
    replies: int
    people: int
    open: int  # of the replies; the others have lapsed
    holding: int  # of the replies: those that hold marketing, or have become refusals


class _Group:
    """A row's replies, counted as they come and go: a row may have 100,000."""

    __slots__ = ("ids", "people", "open", "holding")

    def __init__(self) -> None:
        self.ids: dict[int, None] = {}
        self.people: Counter[int] = Counter()
        self.open = self.holding = 0


@masked_repr
class _Place(NamedTuple):
    row: int
    recipient: int
    time_ms: int
    holds: bool


def folded_words(text: str) -> str:
    """A reply's letters and digits, folded, in capitals; its signs if there are no letters."""
    from proxy.policy.text.folding import fold

    folded = fold(text[:TEXT_CHARACTERS_MAX])  # as its record keeps it
    return _NO_LETTER.sub("", folded).upper() or "".join(folded.split())


def row_key(text: str, context: ReplyContext, port: str) -> int:
    """The name of the row that a reply belongs to: 48 bits."""
    about = "\0".join(map(str, context)) if context.known else port
    return int.from_bytes(
        blake2b(f"{folded_words(text)}\0{about}".encode("utf-8", "surrogatepass"), digest_size=6).digest(), "big"
    )


class Inbox:
    def __init__(self, replies: DeskRecords, decisions: DeskRecords) -> None:
        """As the store has them."""
        self.unlisted = 0
        """Replies that found no room since the start: their effect and their records stand."""
        self._replies, self._decisions = replies, decisions
        self._rows: dict[int, _Group] = {}
        """Undecided replies by row."""
        self._places: dict[int, _Place] = {}
        """The same by reply."""
        self._people: dict[int, list[int]] = {}
        """By person, oldest first; at most PERSON_MAX each."""
        self._open: list[tuple[int, int]] = []
        """(time in ms, reply), sorted: of those that have not lapsed."""
        self._lapsed: deque[tuple[int, int]] = deque()
        """The same of lapsed replies, some of them decided since."""
        self._decisions_made: dict[int, DoubtDecision] = {}
        self._decided: dict[int, int] = {}
        """Reply → decision."""
        self._standing: dict[int, DoubtDecision] = {}
        self._lapsed_ms = 0
        """What came by then has lapsed."""
        self._swept = 0.0
        for number, body in sorted(decisions.held.items(), key=_time):
            self._take(number, unpack(DoubtDecision, body))
        for number, body in sorted(replies.held.items(), key=_time):
            self._enter(number, body)
        replies.news()
        decisions.news()

    # -- events

    def standing(self, text: str, context: ReplyContext, port: str) -> bool | None:
        """The standing decision about such a reply: whether it asks to stop; None if none exists."""
        found = self._standing.get(row_key(text, context, port)) if self._standing else None
        return None if found is None else found.yes

    def enter(self, body: bytes) -> None:
        """A reply whose record is written."""
        number = id_of(body)
        if number not in self._replies.held and len(self._replies.held) >= LISTED_MAX and not self._make_room():
            self.unlisted += 1
            return
        self._replies.put(number, body)
        self._enter(number, body)

    def decided(self, decision: DoubtDecision, body: bytes) -> None:
        """A decision whose record is written."""
        number = id_of(body)
        self._decisions.put(number, body)
        self._take(number, decision)

    def reread(self) -> None:
        """Another gate wrote some: they are as the store says."""
        for number, body in self._replies.news():
            self._enter(number, body)
        for number, body in self._decisions.news():
            self._take(number, unpack(DoubtDecision, body))

    def forget(self) -> None:
        """A person was forgotten: removes their replies, which have left the store, and rereads decisions, which have lost their words."""
        self.reread()
        for number in [one for one in self._places if one not in self._replies.held]:
            self._leave(number)

    # -- what there is

    @property
    def open(self) -> int:
        """Replies that wait for a decision and have not lapsed."""
        return len(self._open)

    @property
    def lapsed(self) -> int:
        return len(self._places) - len(self._open)

    @property
    def settled(self) -> int:
        return len(self._decided)

    def oldest(self) -> float:
        """The time of the oldest open reply; 0 if none."""
        return self._open[0][0] / 1000 if self._open else 0.0

    def overdue(self, now: float, holidays: Holidays) -> int:
        """Open replies whose working day has passed."""
        return bisect_left(self._open, (int(overdue_before(now, holidays) * 1000), 0))

    def rows(self, *, lapsed: bool = False) -> Iterator[int]:
        """Names of rows of which some reply is open, or of those of which none is; about in the order in which they came."""
        for key in list(self._rows):
            if (self._rows[key].open > 0) is not lapsed:
                yield key

    def row(self, key: int) -> DoubtfulRow:
        found = self._rows.get(key)
        if found is None:
            raise Impossible(
                f"there is no row {key:012x} that waits for a decision (`gate106 optout list-doubtful` lists them)"
            )
        first = next(iter(found.ids))
        holder = next((one for one in found.ids if self._places[one].holds), first)
        doubtful = [unpack(Doubtful, self._replies.held[one]) for one in (first, holder)]
        return DoubtfulRow(key, doubtful[0], doubtful[1], len(found.ids), len(found.people), found.open, found.holding)

    def undecided(self, key: int, most: int) -> list[tuple[int, Doubtful]]:
        """Some replies of a row with their numbers."""
        ids = self._rows[key].ids if key in self._rows else {}
        return [(one, unpack(Doubtful, self._replies.held[one])) for one in islice(ids, most)]

    def held_by_other_rows(self, recipient: int, key: int) -> frozenset[tuple[str, str]]:
        """Scopes and values that replies of a person hold which are not of this row and wait for a decision, too."""
        others = [one for one in self._people.get(recipient, ()) if self._places[one].row != key]
        return frozenset(
            (one.scope, one.value) for number in others for one in unpack(Doubtful, self._replies.held[number]).held
        )

    def of(self, recipient: int) -> list[Doubtful]:
        """A person's undecided replies."""
        return [unpack(Doubtful, self._replies.held[one]) for one in self._people.get(recipient, ())]

    def decisions(self) -> list[DoubtDecision]:
        """The newest first."""
        return sorted((one for one in self._decisions_made.values() if one.ids), key=lambda one: -one.time)

    def standing_decisions(self) -> list[DoubtDecision]:
        """The newest first."""
        return sorted(self._standing.values(), key=lambda one: -one.time)

    # -- by the clock

    def sweep(self, now: float) -> None:
        """Marks lapsed replies; once an hour removes old ones from the list."""
        self._lapsed_ms = max(self._lapsed_ms, int((now - HOLD_S) * 1000))
        count = bisect_left(self._open, (self._lapsed_ms + 1, 0))
        for one in self._open[:count]:
            self._rows[self._places[one[1]].row].open -= 1
            self._lapsed.append(one)
        del self._open[:count]
        if abs(now - self._swept) < SWEEP_S:
            return
        self._swept, since = now, now - KEPT_S
        for number in [one for one, made in self._decisions_made.items() if made.time < since and not self._stands(made)]:
            self._forget(number)
        while self._lapsed and self._lapsed[0][0] < since * 1000:
            _, number = self._lapsed.popleft()
            if number in self._places:
                self._drop(number)

    # --

    def _enter(self, number: int, body: bytes) -> None:
        if number in self._places or number in self._decided:
            return
        reply = unpack(Doubtful, body)
        time_ms = int.from_bytes(body[:8], "big")
        place = _Place(row_key(reply.text, reply.context, reply.port), reply.recipient, time_ms, bool(reply.held))
        self._places[number] = place
        row = self._rows.setdefault(place.row, _Group())
        row.ids[number] = None
        row.people[place.recipient] += 1
        row.holding += place.holds
        self._people.setdefault(place.recipient, []).append(number)
        if self._is_open(number):
            row.open += 1
            insort(self._open, (time_ms, number))
        else:
            self._lapsed.append((time_ms, number))
        person_rows = self._people[place.recipient]
        if len(person_rows) > PERSON_MAX:
            self._drop(person_rows[0])
            self.unlisted += 1

    def _leave(self, number: int) -> None:
        """Removes a reply from the undecided ones."""
        place = self._places.get(number)
        if place is None:
            return
        row, person_rows = self._rows[place.row], self._people[place.recipient]
        if self._is_open(number):
            row.open -= 1
            del self._open[bisect_left(self._open, (place.time_ms, number))]
        del self._places[number], row.ids[number]
        person_rows.remove(number)
        row.holding -= place.holds
        row.people[place.recipient] -= 1
        if not row.people[place.recipient]:
            del row.people[place.recipient]
        if not row.ids:
            del self._rows[place.row]
        if not person_rows:
            del self._people[place.recipient]

    def _is_open(self, number: int) -> bool:
        place = self._places.get(number)
        return place is not None and place.time_ms > self._lapsed_ms

    def _take(self, number: int, decision: DoubtDecision) -> None:
        self._decisions_made[number] = decision
        if decision.standing:
            self._standing[decision.row] = decision
        elif not decision.ids:
            self._standing.pop(decision.row, None)
        for one in decision.ids:
            self._decided[one] = number
            self._leave(one)
        if len(self._decisions_made) > DECISIONS_MAX:
            self._forget(next((one for one, made in self._decisions_made.items() if not self._stands(made)), number))

    def _stands(self, decision: DoubtDecision) -> bool:
        return self._standing.get(decision.row) == decision

    def _forget(self, number: int) -> None:
        decision = self._decisions_made.pop(number)
        if self._stands(decision):
            del self._standing[decision.row]
        self._decisions.drop(number)
        for one in decision.ids:
            self._decided.pop(one, None)
            self._replies.drop(one)

    def _drop(self, number: int) -> None:
        self._leave(number)
        self._replies.drop(number)

    def _make_room(self) -> bool:
        """Decided replies leave the list first, then those that have lapsed."""
        for number in self._decided:
            if number in self._replies.held:
                self._replies.drop(number)
                return True
        while self._lapsed:
            _, number = self._lapsed.popleft()
            if number in self._places:
                self._drop(number)
                return True
        return False


def _time(item: tuple[int, bytes]) -> bytes:
    return item[1][:8]


def overdue_before(now: float, holidays: Holidays) -> float:
    """The moment before which a reply must have come for its working day to be over: the midnight before the last day that was worked."""
    today = (int(now) + OFFSET_S) // DAY_S
    for day in range(today - 1, today - DAYS_BACK_MAX, -1):
        if holidays.is_a("workday", day):
            return float(day * DAY_S - OFFSET_S)
    return float((today - DAYS_BACK_MAX) * DAY_S - OFFSET_S)
