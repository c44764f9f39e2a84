"""Exchanges the parts of incomplete long messages between gates.

In: long messages and parts as they arrive; the multipart records of a shared store. Out: the same messages with the parts at other gates; parts
to be judged, or to inherit. Never: a verdict (handler.py, decision.py), a message of one part, a store call for a single message.

    a first part ──LINGER_S──▶ written to the store ──whole, here and elsewhere together──▶ judged at once
                                 ├──another gate has judged──▶ inherits
                                 └──0.3 s, as on one gate──▶ judged with what is in the store by then
    a part of a message in the store: written first, then judged or not

A message that is whole at one gate within LINGER_S, as nearly all are, is never written. Judging (transaction.py) loads the multipart
record with the recipient's record and swaps both or neither. The first gate decides; the second finds that its swap was refused, looks
again, and inherits. So no gate holds a lock, and a gate that dies leaves nothing to clean up. A gate that cannot reach the store goes by
its own parts, for the whole of that message.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from proxy.relay.multipart.assembler import NOBODY, LongMessage
from proxy.relay.multipart.codec import alone, displaced, key_of, look, part_of, rows_of
from proxy.relay.multipart.transaction import MultipartStore, PartJudge, SharedTransactions
from proxy.relay.pending_submit import PendingSubmit
from proxy.state.shared.multipart_record import (
    WAITING,
    Holder,
    Posted,
    PostedPart,
    Sheet,
    StoreGroup,
    TooLong,
    find,
    pack,
    put,
    settle,
    unpack,
)

LINGER_S = 0.03
"""A first part waits so long for the others before it is put up: clients send them within milliseconds."""
LOOK_S = 0.03
"""Between two looks at what others have put up beside parts that wait."""
TRIES = 5
"""A sheet that others changed meanwhile is read again so often; then each gate goes by its own parts."""


class PartListener(PartJudge, Protocol):
    """Who does with parts what the board finds out (parts.Parts)."""

    def seen(self, long: LongMessage[PendingSubmit], *, grown: bool) -> None:
        """A message's ``posted`` and ``theirs`` are new; ``grown``: with parts that this gate has just put up."""

    def admitted(self, pending: PendingSubmit, holder: Holder | None) -> None:
        """A part is up, or cannot be; ``holder``: as the first of a new message."""


class _PendingExchange:
    """One message that is put up, or looked at, and what waits for that."""

    def __init__(self, long: LongMessage[PendingSubmit], queued: list[PendingSubmit]) -> None:
        self.long, self.queued = long, queued
        self.holders: list[Holder | None] = []
        self.first = False
        self.posted: list[Posted] = []
        """What became of ``long``, then of each new message among the queued."""


class SharedParts:
    def __init__(
        self,
        sheets: MultipartStore,
        listener: PartListener,
        life: int,
        *,
        spawn: Callable[[Coroutine[Any, Any, None]], object],
        wake: Callable[[], None],
        clock: Callable[[], float],
        monotonic: Callable[[], float],
    ) -> None:
        """``life``: a number that no other gate has, nor this one had in another life."""
        self._sheets, self._listener, self._life = sheets, listener, life
        self._spawn, self._wake, self._clock, self._monotonic = spawn, wake, clock, monotonic
        self.transactions = SharedTransactions(sheets, listener, self._holder, clock)
        """While parts are judged."""
        self._made = 0
        self._lingering: deque[tuple[float, LongMessage[PendingSubmit]]] = deque()
        self._queued: dict[LongMessage[PendingSubmit], list[PendingSubmit]] = {}
        self._new: list[LongMessage[PendingSubmit]] = []
        self._looked: dict[LongMessage[PendingSubmit], None] = {}
        """Up, and waiting."""
        self._look_s = 0.0
        self._asking = False
        self.waiting = 0
        """Parts that wait to be put up."""

    # -- what comes

    def linger(self, long: LongMessage[PendingSubmit], now_s: float) -> None:
        """The first part of a message has come."""
        self._lingering.append((now_s + LINGER_S, long))

    def ask(self, long: LongMessage[PendingSubmit], pending: PendingSubmit) -> None:
        """A part of a message that is up has come."""
        self.waiting += 1
        self._queued.setdefault(long, []).append(pending)
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

    def _gathered(self) -> list[_PendingExchange]:
        now_s = self._monotonic()
        longs = dict.fromkeys(self._queued)
        longs.update(dict.fromkeys(long for long in self._new if long.waiting))
        if self._looked and self._look_s <= now_s:
            self._looked = {long: None for long in self._looked if long.waiting and not long.alone}
            longs.update(self._looked)
        queued, self._queued, self._new = self._queued, {}, []
        self._look_s = now_s + LOOK_S
        return [_PendingExchange(long, queued.get(long, [])) for long in longs]

    async def _ask(self, asked: list[_PendingExchange]) -> None:
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

    async def _put_up(self, asked: list[_PendingExchange]) -> list[_PendingExchange]:
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
                    groups.append(StoreGroup(None, ((key, version, after),)))
                    swapped.append(one)
            except TooLong:
                self._by_itself(one)
        taken = await self._sheets.swap(groups) if groups else []
        for one, ok in zip(swapped, taken, strict=True):
            if ok:
                self._tell(one)
        return [one for one, ok in zip(swapped, taken, strict=True) if not ok]

    def _with(self, one: _PendingExchange, sheet: Sheet, now: float) -> Sheet:
        """The sheet with a message's own rows, and those of parts that wait for that."""
        long = one.long
        holder = self._holder(long)
        if over := displaced(long, sheet):
            one.first, after = False, over
        else:
            one.first, sheet, after = self._with_own(long, sheet, now)
        one.holders, one.posted = [], [after]
        last, come = long.last, set[int]()
        for pending in one.queued:
            index, content = part_of(pending)
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
            before, after = after, after.with_rows(holder, [*rows, PostedPart(holder, index, WAITING, content)])
            sheet = put(sheet, before, after)
            one.posted[-1] = after
        return sheet

    @staticmethod
    def _with_own(long: LongMessage[PendingSubmit], sheet: Sheet, now: float) -> tuple[bool, Sheet, Posted]:
        """Whether nothing of it stood there, the sheet with its own rows, and what is there of it."""
        holder, rows = long.holder, rows_of(long)
        before = settle(sheet, holder, [row.index for row in rows], now)
        known = {
            row.index: row for row in before.rows if row.holder == holder
        }  # judged a moment ago, and not heard of here yet
        rows = [known.get(row.index, row) if row.state == WAITING else row for row in rows]
        after = before.with_rows(holder, rows)
        return find(sheet, holder) is None, put(sheet, before, after), after

    def _tell(self, one: _PendingExchange) -> None:
        """It is up: parts that waited for that go on."""
        long, posted = one.long, iter(one.posted)
        knew = set(long.theirs)
        look(long, next(posted))
        if long.waiting:
            self._looked[long] = None
            if set(long.theirs) - knew:
                long.last_s = self._monotonic()
        for pending, holder in zip(one.queued, one.holders, strict=True):
            self.waiting -= 1
            if holder is None:
                self._listener.admitted(pending, None)
                continue
            self._listener.seen(long, grown=True)
            self._listener.admitted(pending, holder)
            assert pending.long is not None
            long = pending.long
            if not long.alone:
                look(long, next(posted))
                self._looked[long] = None
        self._listener.seen(long, grown=one.first or bool(one.queued))
        one.queued = []
        if long is not one.long and (meanwhile := self._queued.pop(one.long, None)):
            self._queued[long] = meanwhile  # they came to the message that is over, and belong to the one that has begun

    def _by_itself(self, one: _PendingExchange) -> None:
        """The store cannot be asked: this gate goes by its own parts. What it has seen that others hold still begins a new message."""
        long, posted = one.long, one.long.posted
        alone(long)
        for pending in one.queued:
            self.waiting -= 1
            index, _ = part_of(pending)
            there = posted is not None and long is one.long and not posted.fits(long.holder, index)
            self._listener.admitted(pending, self._next_holder() if there else None)
            assert pending.long is not None
            if there:
                long = pending.long
                alone(long)
        one.queued = []

    def _holder(self, long: LongMessage[PendingSubmit]) -> Holder:
        if long.holder == NOBODY:
            long.holder = self._next_holder()
        return long.holder

    def _next_holder(self) -> Holder:
        self._made += 1
        return self._life, self._made
