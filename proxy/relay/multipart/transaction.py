"""Swaps multipart records and recipients' records together.

In: batches of parts and changes on their way through the relay; the multipart records of a shared store. Out: the messages with what other
gates hold; records stored together, or not at all. Never: a verdict, what waits to be written (shared.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from proxy.relay.effects.record_changes import EntryFate, RecordChange
from proxy.relay.multipart.assembler import LongMessage
from proxy.relay.multipart.codec import alone, apply_posted, displaced, key_of, longs_of, rows_beside, rows_of, shared_messages
from proxy.relay.multipart.decision import decision_of, is_temporary
from proxy.relay.pending_submit import PendingSubmit
from proxy.state.shared.multipart_record import Holder, Key, Posted, Sheet, StoreGroup, TooLong, find, pack, put, settle, unpack

if TYPE_CHECKING:
    from proxy.state.shared.multipart_exchange import MultipartExchange

RecipientBatch = tuple[list[RecordChange], list[PendingSubmit]]
"""As in relay/batch_window.py."""


class PartJudge(Protocol):
    """Judges parts (handler.PartHandler)."""

    def regrown(self, long: LongMessage, submits: Sequence[PendingSubmit]) -> None:
        """More of the text is known than when these parts were handed in to be judged."""

    def inherit(self, long: LongMessage, by: PendingSubmit) -> None:
        """The message is decided. If another gate decided it, the parts at this gate inherit the verdict."""


class SharedView:
    """What the store has of one recipient's long messages, while their parts are judged."""

    def __init__(self, longs: list[LongMessage]) -> None:
        self.longs = longs
        self.sheets: dict[Key, tuple[int, Sheet]] = {}
        self.judged = False
        self.version = 0
        self.after: bytes | None = None

    def set_record(self, after: bytes | None, version: int) -> None:
        """The recipient's record after judging (None: unchanged), and the version it was judged against."""
        self.judged, self.after, self.version = True, after, version


class SharedTransactions:
    def __init__(
        self,
        sheets: MultipartExchange,
        judge: PartJudge,
        holder_of: Callable[[LongMessage], Holder],
        clock: Callable[[], float],
    ) -> None:
        """``holder_of``: the name under which this gate holds a message."""
        self._sheets, self._judge, self._holder_of, self._clock = sheets, judge, holder_of, clock
        self.people: dict[int, int] = {}
        """By recipient: the number of parts, and of changes of shared long messages, on their way through the relay."""

    def expect(self, person: int) -> None:
        """A part, or a change, of a long message is on its way through the relay."""
        self.people[person] = self.people.get(person, 0) + 1

    def expect_again(self, changes: Iterable[RecordChange]) -> None:
        """These changes stay on their way: the store has not taken them."""
        for change in changes:
            if getattr(change, "long", None) is not None:
                self.expect(change.recipient)

    def finished(self, batches: Mapping[int, RecipientBatch]) -> None:
        """These batches are no longer on their way."""
        for person in batches.keys() & self.people.keys():
            changes, submits = batches[person]
            left = self.people[person] - len(longs_of(changes, submits))
            if left > 0:
                self.people[person] = left
            else:
                del self.people[person]

    async def load(self, batches: Mapping[int, RecipientBatch]) -> dict[int, SharedView]:
        """Loads the multipart records of the messages in these batches. Must run before the recipients' records are loaded: then a message
        that is decided here has its entry there."""
        views = {
            person: SharedView(longs)
            for person in batches.keys() & self.people.keys()
            if (longs := shared_messages(*batches[person]))
        }
        keys = list(dict.fromkeys(key_of(long) for view in views.values() for long in view.longs))
        if not keys:
            return {}
        try:
            found = await self._sheets.load(keys)
        except OSError:
            found = {}
        for view in views.values():
            try:
                view.sheets = {key: (found[key][0], unpack(found[key][1])) for key in map(key_of, view.longs)}
            except (KeyError, TooLong):
                view.sheets = {}
        return views

    def merge(
        self, views: dict[int, SharedView], batches: Mapping[int, RecipientBatch], loaded: Mapping[int, tuple[int, bytes]]
    ) -> None:
        """Adds to each message the parts and the decision of other gates. Where the store did not answer, a message is judged alone."""
        now = self._clock()
        for person in list(views):
            if loaded[person][0] < 0 or not views[person].sheets:
                for long in views.pop(person).longs:
                    alone(long)
            else:
                self._merge(views[person], batches[person][1], now)

    def _merge(self, view: SharedView, submits: Sequence[PendingSubmit], now: float) -> None:
        for long in view.longs:
            version, sheet = view.sheets[key_of(long)]
            if displaced(long, sheet):  # what was last seen of it holds
                continue
            holder, rows = self._holder_of(long), rows_of(long)
            if long.settled and find(sheet, holder) is None:  # it was whole here, and one of its parts failed
                before = Posted(long.judged_at, decision=decision_of(long))
            else:
                before = settle(sheet, holder, [row.index for row in rows], now)
            after = before.with_rows(holder, rows_beside(long, before))
            view.sheets[key_of(long)] = version, put(sheet, before, after)
            knew = long.theirs
            apply_posted(long, after)
            of_long = [pending for pending in submits if pending.long is long]
            if of_long and long.theirs != knew:
                self._judge.regrown(long, of_long)
            if of_long and after.decision is not None:
                self._judge.inherit(long, of_long[0])

    async def store(self, views: Mapping[int, SharedView], batches: Mapping[int, RecipientBatch]) -> list[int]:
        """Stores each judged recipient's record and multipart records together. Returns the recipients to be judged again, because one of
        these changed meanwhile."""
        judged = [person for person, view in views.items() if view.judged]
        groups = {person: self._group(views[person], person, *batches[person]) for person in judged}
        some = {person: group for person, group in groups.items() if group is not None}
        taken = await self._sheets.swap(list(some.values())) if some else []
        again = [person for person in judged if person not in some]
        for person, ok in zip(some, taken, strict=True):
            if ok:
                _stored(views[person], batches[person][1])
            else:
                again.append(person)
        return again

    def _group(
        self, view: SharedView, person: int, changes: Sequence[RecordChange], submits: Sequence[PendingSubmit]
    ) -> StoreGroup | None:
        """The records to be stored together; None where they are too long: then each message is judged alone."""
        sheets = dict(view.sheets)
        over = {change.long for change in changes if isinstance(change, EntryFate) and change.effect.takes_back}
        try:
            for long in view.longs:
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
                        after = after._replace(decision=decision, closed=is_temporary(decision))
                if long in over or (long.posted is not None and long.posted.closed):
                    after = after._replace(closed=True)
                sheets[key] = version, put(sheet, before, after)
            shown = tuple((key, version, pack(sheet)) for key, (version, sheet) in sheets.items())
        except TooLong:
            for long in view.longs:
                alone(long)
            return None
        return StoreGroup(None if view.after is None else (person, view.version, view.after), shown)


def _stored(view: SharedView, submits: Sequence[PendingSubmit]) -> None:
    """The recipient's record and the multipart records are stored."""
    for long in view.longs:
        long.asked = True
        long.settled = long.settled or long.leader in submits
        long.shown |= {pending for pending in submits if pending.long is long}
