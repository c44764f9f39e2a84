"""Board: where gates on one store put up the parts of long messages that are not whole, and see those of others.

In: long messages and parts as they come, the sheets of a shared store. Out: the same messages with what others hold; parts to be judged, or
that inherit. Never: a verdict (parts.py, decided.py), a message of one part, a wait for one message: all calls are for many.

    a first part ──LINGER_S──▶ put up ──whole, here and there together──▶ judged at once
                                 ├──another gate has judged──▶ inherits
                                 └──0.3 s, as ever──▶ judged on what is up by then
    a part of a message that is up: put up first, then judged or not

What is whole at one gate within LINGER_S, as nearly all are, is never put up. Judging loads the sheet with the record and swaps both or
neither: whoever comes first has decided, and whoever comes second finds that its swap was refused, looks again, and inherits. So nobody
holds anything for others, and who dies leaves nothing undone. Whoever cannot reach the store goes by its own parts, for the whole of that
message.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from typing import Any, Protocol

from proxy.changes import Answer, Change
from proxy.decided import decision_of, passing
from proxy.long import NOBODY, LongMessage
from proxy.posting import alone, displaced, key_of, longs_of, look, part_of, rows_beside, rows_of, shown
from proxy.sheet import WAITING, Group, Holder, Key, Posted, Row, Sheet, TooLong, find, pack, put, settle, unpack
from proxy.transit import Transit

LINGER_S = 0.03
"""A first part waits so long for the others before it is put up: clients send them within milliseconds."""
LOOK_S = 0.03
"""Between two looks at what others have put up beside parts that wait."""
TRIES = 5
"""A sheet that others changed meanwhile is read again so often; then each gate goes by its own parts."""

Chain = tuple[list[Change], list[Transit]]
"""As in underway.py."""


class Sheets(Protocol):
    """What a shared store offers beside what every store does (state/sheets.py)."""

    async def load(self, keys: Sequence[Key]) -> dict[Key, tuple[int, bytes]]:
        """(version, octets) of each. OSError while it is out of reach."""

    async def swap(self, groups: Sequence[Group]) -> list[bool]:
        """Stores each group all of whose versions still stand."""


class Heirs(Protocol):
    """Who does with parts what the board finds out (parts.Parts)."""

    def seen(self, long: LongMessage[Transit], *, grown: bool) -> None:
        """A message's ``posted`` and ``theirs`` are new; ``grown``: with parts that this gate has just put up."""

    def admitted(self, transit: Transit, holder: Holder | None) -> None:
        """A part is up, or cannot be; ``holder``: as the first of a new message."""

    def regrown(self, long: LongMessage[Transit], mine: Sequence[Transit]) -> None:
        """More of the text is known than when these were handed in to be judged."""

    def inherit(self, long: LongMessage[Transit], by: Transit) -> None:
        """It is decided: if another gate did that, its parts here inherit."""


class _Asked:
    """One message that is put up, or looked at, and what waits for that."""

    def __init__(self, long: LongMessage[Transit], queued: list[Transit]) -> None:
        self.long, self.queued = long, queued
        self.holders: list[Holder | None] = []
        self.first = False
        self.posted: list[Posted] = []
        """What became of ``long``, then of each new message among the queued."""


class Sight:
    """What is on the board of one person's messages, while their parts are judged."""

    def __init__(self, longs: list[LongMessage[Transit]]) -> None:
        self.longs = longs
        self.sheets: dict[Key, tuple[int, Sheet]] = {}
        self.judged = False
        self.version = 0
        self.after: bytes | None = None

    def left(self, after: bytes | None, version: int) -> None:
        """The person's record as judging left it (None: as it was), and the version it was judged against."""
        self.judged, self.after, self.version = True, after, version


class Board:
    def __init__(
        self,
        sheets: Sheets,
        heirs: Heirs,
        life: int,
        *,
        spawn: Callable[[Coroutine[Any, Any, None]], object],
        wake: Callable[[], None],
        clock: Callable[[], float],
        monotonic: Callable[[], float],
    ) -> None:
        """``life``: a number that no other gate has, nor this one had in another life."""
        self._sheets, self._heirs, self._life = sheets, heirs, life
        self._spawn, self._wake, self._clock, self._monotonic = spawn, wake, clock, monotonic
        self.people: dict[int, int] = {}
        """Persons of whom parts are on their way through the relay, or changes of messages that are up; how many."""
        self._made = 0
        self._lingering: deque[tuple[float, LongMessage[Transit]]] = deque()
        self._queued: dict[LongMessage[Transit], list[Transit]] = {}
        self._new: list[LongMessage[Transit]] = []
        self._looked: dict[LongMessage[Transit], None] = {}
        """Up, and waiting."""
        self._look_s = 0.0
        self._asking = False
        self.waiting = 0
        """Parts that wait to be put up."""

    # -- what comes

    def linger(self, long: LongMessage[Transit], now_s: float) -> None:
        """The first part of a message has come."""
        self._lingering.append((now_s + LINGER_S, long))

    def ask(self, long: LongMessage[Transit], transit: Transit) -> None:
        """A part of a message that is up has come."""
        self.waiting += 1
        self._queued.setdefault(long, []).append(transit)
        self._begin()

    @property
    def next_s(self) -> float | None:
        """When ``due`` should be called next (monotonic)."""
        while self._lingering and not self._lingering[0][1].waiting:
            self._lingering.popleft()
        times = [self._lingering[0][0]] if self._lingering else []
        return min([*times, *([self._look_s] if self._looked and not self._asking else [])], default=None)

    def due(self, now_s: float) -> None:
        """Puts up what has waited long enough for the rest of its message, and looks for what others put up."""
        while self._lingering and self._lingering[0][0] <= now_s:
            _, long = self._lingering.popleft()
            if long.waiting and not long.alone:
                long.asked = True
                self._new.append(long)
        if self._new or (self._looked and self._look_s <= now_s):
            self._begin()

    def _begin(self) -> None:
        if not self._asking:
            self._asking = True
            self._spawn(self._run())

    async def _run(self) -> None:
        """Asks as long as there is something to ask; one call at a time, for all there is."""
        try:
            while asked := self._gathered():
                await self._ask(asked)
        finally:
            self._asking = False
        self._wake()

    def _gathered(self) -> list[_Asked]:
        now_s = self._monotonic()
        longs = dict.fromkeys(self._queued)
        longs.update(dict.fromkeys(long for long in self._new if long.waiting))
        if self._looked and self._look_s <= now_s:
            self._looked = {long: None for long in self._looked if long.waiting and not long.alone}
            longs.update(self._looked)
        queued, self._queued, self._new = self._queued, {}, []
        self._look_s = now_s + LOOK_S
        return [_Asked(long, queued.get(long, [])) for long in longs]

    async def _ask(self, asked: list[_Asked]) -> None:
        left = asked
        try:
            for _ in range(TRIES):
                left = await self._put_up(left)
                if not left:
                    return
        except OSError:
            pass
        finally:
            for one in left:
                self._by_itself(one)

    async def _put_up(self, asked: list[_Asked]) -> list[_Asked]:
        """One load and one swap; what must be asked again."""
        found = await self._sheets.load([key_of(one.long) for one in asked])
        now, groups, swapped = self._clock(), [], []
        for one in asked:
            if one.long.alone:
                self._by_itself(one)
                continue
            key = key_of(one.long)
            version, data = found[key]
            try:
                after = pack(self._with(one, unpack(data), now))
                if after == data:
                    self._tell(one)
                else:
                    groups.append(Group(None, ((key, version, after),)))
                    swapped.append(one)
            except TooLong:
                self._by_itself(one)
        taken = await self._sheets.swap(groups) if groups else []
        for one, ok in zip(swapped, taken, strict=True):
            if ok:
                self._tell(one)
        return [one for one, ok in zip(swapped, taken, strict=True) if not ok]

    def _with(self, one: _Asked, sheet: Sheet, now: float) -> Sheet:
        """The sheet with a message's own rows, and those of parts that wait for that."""
        long = one.long
        holder = self._holder(long)
        if over := displaced(long, sheet):
            one.first, after = False, over
        else:
            one.first, sheet, after = self._with_own(long, sheet, now)
        one.holders, one.posted = [], [after]
        last, come = long.last, set[int]()
        for transit in one.queued:
            index, content = part_of(transit)
            here = index not in come and (index not in last or long.takes_part(index))
            if here and after.open_to(holder, (index,), now):
                one.holders.append(None)
                rows = [row for row in after.rows if row.holder == holder and row.index != index]
            else:
                holder, rows, last, come = self._next_holder(), [], {}, set()
                one.holders.append(holder)
                after = settle(sheet, holder, (index,), now)
                one.posted.append(after)
            come.add(index)
            before, after = after, after.with_rows(holder, [*rows, Row(holder, index, WAITING, content)])
            sheet = put(sheet, before, after)
            one.posted[-1] = after
        return sheet

    @staticmethod
    def _with_own(long: LongMessage[Transit], sheet: Sheet, now: float) -> tuple[bool, Sheet, Posted]:
        """Whether nothing of it stood there, the sheet with its own rows, and what is there of it."""
        holder, rows = long.holder, rows_of(long)
        before = settle(sheet, holder, [row.index for row in rows], now)
        known = {
            row.index: row for row in before.rows if row.holder == holder
        }  # judged a moment ago, and not heard of here yet
        rows = [known.get(row.index, row) if row.state == WAITING else row for row in rows]
        after = before.with_rows(holder, rows)
        return find(sheet, holder) is None, put(sheet, before, after), after

    def _tell(self, one: _Asked) -> None:
        """It is up: parts that waited for that go on."""
        long, posted = one.long, iter(one.posted)
        knew = set(long.theirs)
        look(long, next(posted))
        if long.waiting:
            self._looked[long] = None
            if set(long.theirs) - knew:
                long.last_s = self._monotonic()
        for transit, holder in zip(one.queued, one.holders, strict=True):
            self.waiting -= 1
            if holder is None:
                self._heirs.admitted(transit, None)
                continue
            self._heirs.seen(long, grown=True)
            self._heirs.admitted(transit, holder)
            assert transit.long is not None
            long = transit.long
            if not long.alone:
                look(long, next(posted))
                self._looked[long] = None
        self._heirs.seen(long, grown=one.first or bool(one.queued))
        one.queued = []
        if long is not one.long and (meanwhile := self._queued.pop(one.long, None)):
            self._queued[long] = meanwhile  # they came to the message that is over, and belong to the one that has begun

    def _by_itself(self, one: _Asked) -> None:
        """The store cannot be asked: this gate goes by its own parts. What it has seen that others hold still begins a new message."""
        long, posted = one.long, one.long.posted
        alone(long)
        for transit in one.queued:
            self.waiting -= 1
            index, _ = part_of(transit)
            there = posted is not None and long is one.long and not posted.fits(long.holder, index)
            self._heirs.admitted(transit, self._next_holder() if there else None)
            assert transit.long is not None
            if there:
                long = transit.long
                alone(long)
        one.queued = []

    def _holder(self, long: LongMessage[Transit]) -> Holder:
        if long.holder == NOBODY:
            long.holder = self._next_holder()
        return long.holder

    def _next_holder(self) -> Holder:
        self._made += 1
        return self._life, self._made

    # -- while parts are judged

    def mark(self, person: int) -> None:
        """Something of a long message is on its way through the relay."""
        self.people[person] = self.people.get(person, 0) + 1

    def mark_again(self, changes: Iterable[Change]) -> None:
        """These are not, though they seem to be."""
        for change in changes:
            if getattr(change, "long", None) is not None:
                self.mark(change.recipient)

    def through(self, chains: Mapping[int, Chain]) -> None:
        """These are."""
        for person in chains.keys() & self.people.keys():
            changes, submits = chains[person]
            left = self.people[person] - len(longs_of(changes, submits))
            if left > 0:
                self.people[person] = left
            else:
                del self.people[person]

    async def load(self, chains: Mapping[int, Chain]) -> dict[int, Sight]:
        """What is up of the messages whose parts are to be judged, or whose entries are to be changed: before the records are loaded, so that
        what is said here to be decided has its entry there."""
        sights = {person: Sight(longs) for person in chains.keys() & self.people.keys() if (longs := shown(*chains[person]))}
        keys = list(dict.fromkeys(key_of(long) for sight in sights.values() for long in sight.longs))
        if not keys:
            return {}
        try:
            found = await self._sheets.load(keys)
        except OSError:
            found = {}
        for sight in sights.values():
            try:
                sight.sheets = {key: (found[key][0], unpack(found[key][1])) for key in map(key_of, sight.longs)}
            except (KeyError, TooLong):
                sight.sheets = {}
        return sights

    def see(self, sights: dict[int, Sight], chains: Mapping[int, Chain], loaded: Mapping[int, tuple[int, bytes]]) -> None:
        """Notes of each message what others hold, and who has decided it. Who could not be asked about is judged alone."""
        now = self._clock()
        for person in list(sights):
            if loaded[person][0] < 0 or not sights[person].sheets:
                for long in sights.pop(person).longs:
                    alone(long)
            else:
                self._see(sights[person], chains[person][1], now)

    def _see(self, sight: Sight, submits: Sequence[Transit], now: float) -> None:
        for long in sight.longs:
            version, sheet = sight.sheets[key_of(long)]
            if displaced(long, sheet):  # what was last seen of it holds
                continue
            holder, rows = self._holder(long), rows_of(long)
            if long.settled and find(sheet, holder) is None:  # it was whole here, and one of its parts failed
                before = Posted(long.judged_at, decision=decision_of(long))
            else:
                before = settle(sheet, holder, [row.index for row in rows], now)
            after = before.with_rows(holder, rows_beside(long, before))
            sight.sheets[key_of(long)] = version, put(sheet, before, after)
            knew = long.theirs
            look(long, after)
            mine = [transit for transit in submits if transit.long is long]
            if mine and long.theirs != knew:
                self._heirs.regrown(long, mine)
            if mine and after.decision is not None:
                self._heirs.inherit(long, mine[0])

    async def show(self, sights: Mapping[int, Sight], chains: Mapping[int, Chain]) -> list[int]:
        """Stores what was judged in the sight of others, record and sheets together; persons who must be judged again, for something has
        changed meanwhile."""
        judged = [person for person, sight in sights.items() if sight.judged]
        groups = {person: self._group(sights[person], person, *chains[person]) for person in judged}
        some = {person: group for person, group in groups.items() if group is not None}
        taken = await self._sheets.swap(list(some.values())) if some else []
        again = [person for person in judged if person not in some]
        for person, ok in zip(some, taken, strict=True):
            if ok:
                _took(sights[person], chains[person][1])
            else:
                again.append(person)
        return again

    def _group(self, sight: Sight, person: int, changes: Sequence[Change], submits: Sequence[Transit]) -> Group | None:
        """What is stored together; None where that is too long, and all go alone."""
        sheets = dict(sight.sheets)
        over = {change.long for change in changes if isinstance(change, Answer) and change.effect.takes_back}
        try:
            for long in sight.longs:
                key = key_of(long)
                version, sheet = sheets[key]
                before = find(sheet, long.holder)
                if before is None:  # too many came under its key
                    if not displaced(long, sheet):
                        alone(long)
                    continue
                after = before.with_rows(long.holder, rows_beside(long, before, submits))
                if after.decision is None and long.leader in submits:
                    decision = decision_of(long)
                    after = after._replace(decision=decision, closed=passing(decision))
                if long in over or (long.posted is not None and long.posted.closed):
                    after = after._replace(closed=True)
                sheets[key] = version, put(sheet, before, after)
            shown = tuple((key, version, pack(sheet)) for key, (version, sheet) in sheets.items())
        except TooLong:
            for long in sight.longs:
                alone(long)
            return None
        return Group(None if sight.after is None else (person, sight.version, sight.after), shown)


def _took(sight: Sight, submits: Sequence[Transit]) -> None:
    """Record and sheets are stored."""
    for long in sight.longs:
        long.asked = True
        long.settled = long.settled or long.leader in submits
        long.shown |= {transit for transit in submits if transit.long is long}
