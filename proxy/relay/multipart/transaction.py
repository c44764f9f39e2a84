"""Swaps multipart records and recipients' records together.

In: batches of parts and changes on their way through the relay; the multipart records of a shared store. Out: the messages with what other
gates hold; records stored together, or not at all. Never: a verdict, what waits to be written (shared.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

from proxy.relay.effects.record_changes import EntryFate, RecordChange
from proxy.relay.multipart.assembler import LongMessage
from proxy.relay.multipart.codec import alone, displaced, key_of, longs_of, look, rows_beside, rows_of, shown
from proxy.relay.multipart.decision import decision_of, passing
from proxy.relay.pending_submit import PendingSubmit
from proxy.state.shared.multipart_record import Holder, Key, Posted, Sheet, StoreGroup, TooLong, find, pack, put, settle, unpack

Chain = tuple[list[RecordChange], list[PendingSubmit]]
"""As in relay/batch_window.py."""


class MultipartStore(Protocol):
    """What a shared store offers beside what every store does (state/shared/multipart_exchange.py)."""

    async def load(self, keys: Sequence[Key]) -> dict[Key, tuple[int, bytes]]:
        """(version, octets) of each. OSError while it is out of reach."""

    async def swap(self, groups: Sequence[StoreGroup]) -> list[bool]:
        """Stores each group all of whose versions still stand."""


class Judges(Protocol):
    """Who judges parts (parts.Parts)."""

    def regrown(self, long: LongMessage[PendingSubmit], mine: Sequence[PendingSubmit]) -> None:
        """More of the text is known than when these were handed in to be judged."""

    def inherit(self, long: LongMessage[PendingSubmit], by: PendingSubmit) -> None:
        """It is decided: if another gate did that, its parts here inherit."""


class SharedView:
    """What is on the board of one person's messages, while their parts are judged."""

    def __init__(self, longs: list[LongMessage[PendingSubmit]]) -> None:
        self.longs = longs
        self.sheets: dict[Key, tuple[int, Sheet]] = {}
        self.judged = False
        self.version = 0
        self.after: bytes | None = None

    def left(self, after: bytes | None, version: int) -> None:
        """The person's record as judging left it (None: as it was), and the version it was judged against."""
        self.judged, self.after, self.version = True, after, version


class SharedTransactions:
    def __init__(
        self,
        sheets: MultipartStore,
        judges: Judges,
        holder_of: Callable[[LongMessage[PendingSubmit]], Holder],
        clock: Callable[[], float],
    ) -> None:
        """``holder_of``: as whom this gate holds a message."""
        self._sheets, self._judges, self._holder_of, self._clock = sheets, judges, holder_of, clock
        self.people: dict[int, int] = {}
        """Persons of whom parts are on their way through the relay, or changes of messages that are up; how many."""

    def mark(self, person: int) -> None:
        """Something of a long message is on its way through the relay."""
        self.people[person] = self.people.get(person, 0) + 1

    def mark_again(self, changes: Iterable[RecordChange]) -> None:
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

    async def load(self, chains: Mapping[int, Chain]) -> dict[int, SharedView]:
        """What is up of the messages whose parts are to be judged, or whose entries are to be changed: before the records are loaded, so that
        what is said here to be decided has its entry there."""
        sights = {
            person: SharedView(longs) for person in chains.keys() & self.people.keys() if (longs := shown(*chains[person]))
        }
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

    def see(self, sights: dict[int, SharedView], chains: Mapping[int, Chain], loaded: Mapping[int, tuple[int, bytes]]) -> None:
        """Notes of each message what others hold, and who has decided it. Who could not be asked about is judged alone."""
        now = self._clock()
        for person in list(sights):
            if loaded[person][0] < 0 or not sights[person].sheets:
                for long in sights.pop(person).longs:
                    alone(long)
            else:
                self._see(sights[person], chains[person][1], now)

    def _see(self, sight: SharedView, submits: Sequence[PendingSubmit], now: float) -> None:
        for long in sight.longs:
            version, sheet = sight.sheets[key_of(long)]
            if displaced(long, sheet):  # what was last seen of it holds
                continue
            holder, rows = self._holder_of(long), rows_of(long)
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
                self._judges.regrown(long, mine)
            if mine and after.decision is not None:
                self._judges.inherit(long, mine[0])

    async def show(self, sights: Mapping[int, SharedView], chains: Mapping[int, Chain]) -> list[int]:
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

    def _group(
        self, sight: SharedView, person: int, changes: Sequence[RecordChange], submits: Sequence[PendingSubmit]
    ) -> StoreGroup | None:
        """What is stored together; None where that is too long, and all go alone."""
        sheets = dict(sight.sheets)
        over = {change.long for change in changes if isinstance(change, EntryFate) and change.effect.takes_back}
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
                    if decision is None:  # as if they had not come
                        after = before.with_rows(long.holder, ())
                    else:
                        after = after._replace(decision=decision, closed=passing(decision))
                if long in over or (long.posted is not None and long.posted.closed):
                    after = after._replace(closed=True)
                sheets[key] = version, put(sheet, before, after)
            shown = tuple((key, version, pack(sheet)) for key, (version, sheet) in sheets.items())
        except TooLong:
            for long in sight.longs:
                alone(long)
            return None
        return StoreGroup(None if sight.after is None else (person, sight.version, sight.after), shown)


def _took(sight: SharedView, submits: Sequence[PendingSubmit]) -> None:
    """Record and sheets are stored."""
    for long in sight.longs:
        long.asked = True
        long.settled = long.settled or long.leader in submits
        long.shown |= {transit for transit in submits if transit.long is long}
