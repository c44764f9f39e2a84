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
from typing import TYPE_CHECKING, Any, Protocol

from proxy.relay.multipart.assembler import NOBODY, LongMessage, part_of, takes_part
from proxy.relay.multipart.codec import alone, apply_posted, displaced, key_of, rows_of
from proxy.relay.multipart.transaction import PartJudge, SharedTransactions
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

if TYPE_CHECKING:
    from proxy.state.shared.multipart_exchange import MultipartExchange

LINGER_S = 0.03
"""A first part waits this long for the others before it is written: clients send them within milliseconds."""
LOOK_S = 0.03
"""Time between two reads of other gates' parts while parts wait here."""
TRIES = 5
"""A record that other gates keep changing is read again at most this often; then each gate goes by its own parts."""


class PartListener(PartJudge, Protocol):
    """Acts on what the exchange finds out (handler.PartHandler)."""

    def seen(self, long: LongMessage, *, grown: bool) -> None:
        """A message's ``posted`` and ``theirs`` are new; ``grown``: this gate has just added parts."""

    def admitted(self, pending: PendingSubmit, holder: Holder | None) -> None:
        """A part is in the store, or cannot be written; ``holder``: set if it begins a new message."""


class _PendingExchange:
    """One message to be written or read, with the parts that wait for that."""

    def __init__(self, long: LongMessage, queued: list[PendingSubmit]) -> None:
        self.long, self.queued = long, queued
        self.holders: list[Holder | None] = []
        self.first = False
        self.posted: list[Posted] = []
        """The stored state of ``long``, then of each new message among the queued parts."""


class SharedParts:
    def __init__(
        self,
        sheets: MultipartExchange,
        listener: PartListener,
        life: int,
        *,
        spawn: Callable[[Coroutine[Any, Any, None]], object],
        wake: Callable[[], None],
        clock: Callable[[], float],
        monotonic: Callable[[], float],
    ) -> None:
        """``life``: a number that no other gate has, nor this gate after a restart."""
        self._sheets, self._listener, self._life = sheets, listener, life
        self._spawn, self._wake, self._clock, self._monotonic = spawn, wake, clock, monotonic
        self.transactions = SharedTransactions(sheets, listener, self._holder, clock)
        """While parts are judged."""
        self._made = 0
        self._lingering: deque[tuple[float, LongMessage]] = deque()
        self._queued: dict[LongMessage, list[PendingSubmit]] = {}
        self._new: list[LongMessage] = []
        self._looked: dict[LongMessage, None] = {}
        """Messages in the store that still wait for parts."""
        self._look_s = 0.0
        self._exchanging = False
        self.waiting = 0
        """Parts that wait to be written."""

    # -- arrival

    def linger(self, long: LongMessage, now_s: float) -> None:
        """The first part of a message has arrived."""
        self._lingering.append((now_s + LINGER_S, long))

    def ask(self, long: LongMessage, pending: PendingSubmit) -> None:
        """A part has arrived of a message that is in the store."""
        self.waiting += 1
        self._queued.setdefault(long, []).append(pending)
        self._begin()

    @property
    def next_s(self) -> float | None:
        """When ``due`` must be called next (monotonic)."""
        while self._lingering and not self._lingering[0][1].waiting:
            self._lingering.popleft()
        times = [self._lingering[0][0]] if self._lingering else []
        return min([*times, *([self._look_s] if self._looked and not self._exchanging else [])], default=None)

    def due(self, now_s: float) -> None:
        """Writes first parts that have waited long enough for the others, and reads other gates' parts."""
        while self._lingering and self._lingering[0][0] <= now_s:
            _, long = self._lingering.popleft()
            if long.waiting and not long.alone:
                long.asked = True
                self._new.append(long)
        if self._new or (self._looked and self._look_s <= now_s):
            self._begin()

    def _begin(self) -> None:
        if not self._exchanging:
            self._exchanging = True
            self._spawn(self._run())

    async def _run(self) -> None:
        """Exchanges while there is work: one store call at a time, for all messages."""
        try:
            while exchanges := self._gathered():
                await self._exchange(exchanges)
        finally:
            self._exchanging = False
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

    async def _exchange(self, exchanges: list[_PendingExchange]) -> None:
        remaining = exchanges
        try:
            for _ in range(TRIES):
                remaining = await self._store_rows(remaining)
                if not remaining:
                    return
        except OSError:
            pass
        finally:
            for one in remaining:
                self._judge_alone(one)

    async def _store_rows(self, exchanges: list[_PendingExchange]) -> list[_PendingExchange]:
        """One load and one swap. Returns the exchanges to be repeated."""
        found = await self._sheets.load([key_of(one.long) for one in exchanges])
        now, groups, swapped = self._clock(), [], []
        for one in exchanges:
            if one.long.alone:
                self._judge_alone(one)
                continue
            if not (one.long.waiting or one.queued):  # it was judged meanwhile, which stored what stands of it
                continue
            key = key_of(one.long)
            version, data = found[key]
            try:
                after = pack(self._with(one, unpack(data), now))
                if after == data:
                    self._stored(one)
                else:
                    groups.append(StoreGroup(None, ((key, version, after),)))
                    swapped.append(one)
            except TooLong:
                self._judge_alone(one)
        taken = await self._sheets.swap(groups) if groups else []
        for one, ok in zip(swapped, taken, strict=True):
            if ok:
                self._stored(one)
        return [one for one, ok in zip(swapped, taken, strict=True) if not ok]

    def _with(self, one: _PendingExchange, sheet: Sheet, now: float) -> Sheet:
        """The record with this gate's rows of a message, and those of its queued parts."""
        long = one.long
        holder = self._holder(long)
        if over := displaced(long, sheet):
            one.first, after = False, over
        else:
            one.first, sheet, after = self._with_own(long, sheet, now)
        one.holders, one.posted = [], [after]
        last, come = long.last, set[int]()
        for pending in one.queued:
            message, part = part_of(pending)
            index, content = part.index, message.content
            here = index not in come and (index not in last or takes_part(long, index))
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
    def _with_own(long: LongMessage, sheet: Sheet, now: float) -> tuple[bool, Sheet, Posted]:
        """(whether it is new in the record, the record with its own rows, the message's state in it)."""
        holder, rows = long.holder, rows_of(long)
        before = settle(sheet, holder, [row.index for row in rows], now)
        # judged a moment ago: this gate does not know yet
        known = {row.index: row for row in before.rows if row.holder == holder}
        rows = [known.get(row.index, row) if row.state == WAITING else row for row in rows]
        after = before.with_rows(holder, rows)
        return find(sheet, holder) is None, put(sheet, before, after), after

    def _stored(self, one: _PendingExchange) -> None:
        """The exchange is stored: its queued parts go on."""
        long, posted = one.long, iter(one.posted)
        knew = set(long.theirs)
        apply_posted(long, next(posted))
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
                apply_posted(long, next(posted))
                self._looked[long] = None
        self._listener.seen(long, grown=one.first or bool(one.queued))
        one.queued = []
        if long is not one.long and (meanwhile := self._queued.pop(one.long, None)):
            self._queued[long] = meanwhile  # they arrived under the old message and belong to the new one

    def _judge_alone(self, one: _PendingExchange) -> None:
        """The store is out of reach: this gate goes by its own parts. Parts known to be at other gates still begin a new message."""
        long, posted = one.long, one.long.posted
        alone(long)
        for pending in one.queued:
            self.waiting -= 1
            changed_holder = posted is not None and long is one.long and not posted.fits(long.holder, part_of(pending)[1].index)
            self._listener.admitted(pending, self._next_holder() if changed_holder else None)
            assert pending.long is not None
            if changed_holder:
                long = pending.long
                alone(long)
        one.queued = []

    def _holder(self, long: LongMessage) -> Holder:
        if long.holder == NOBODY:
            long.holder = self._next_holder()
        return long.holder

    def _next_holder(self) -> Holder:
        self._made += 1
        return self._life, self._made
