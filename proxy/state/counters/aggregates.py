"""Counts messages per limit and key, in buckets of time.

A take at 12:00:00.9 counts as of 12:00:00, as an entry in a record does. A bucket that overlaps the start of the window counts
whole, so a limit may close up to one bucket early and never late. While a checkpoint collects (``freeze``), the value of a key at
that moment is copied before it changes: the checkpoint is exact at one position in the journal though it is written in slices.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from math import inf
from typing import Any

import cython

from proxy.model.message import Counters, Take

BUCKETS_MAX = 4096
"""Per key: a week in steps of three minutes. A finer step is an error in the rule and is not rounded."""
FEW = 8
"""Up to this number, buckets are summed at each count: nearly all keys chosen by senders have no more."""
SUMS_MAX = 2
"""Cached sums of one key: a limit uses one window, a limit with bursts two."""
KEYS_MAX = 1_000_000
"""Keys may contain signatures and texts, which senders choose: beyond this number old keys with small counts are evicted. Some 430
bytes each."""
PARTS, PART_SHIFT = 64, 58
_FEW = cython.declare(cython.Py_ssize_t, FEW)
"""The first six bits of a key select its part: dictionaries place their keys by the last bits."""
EVICTION_SAMPLE, EVICTION_SHARE = 1024, 16
"""An eviction examines the EVICTION_SAMPLE oldest keys at once, because a dictionary finds its first key by skipping all removed ones. Of each
EVICTION_SHARE keys at least one is evicted, and every key that counts no more than that. Some thousand counts of providers may be
the oldest."""
_HEAD = struct.Struct(">II")
_BUCKET = struct.Struct(">QI")
_NO_SUMS: dict[int, int] = {}
"""Shared by all keys without cached sums, which is most of them."""


@cython.final
@cython.no_gc
@cython.cclass
class _Series:
    """The counts of one key: starts of buckets in ascending order and the takes in each."""

    width_s: cython.longlong
    keep_s: cython.longlong
    starts: list[int]
    counts: list[int]
    sums: dict[int, int]
    """Cached sums: start of the window → takes in later buckets."""

    def __init__(self, width_s: int, keep_s: int) -> None:
        self.width_s = width_s
        self.keep_s = keep_s
        self.starts = []
        self.counts = []
        self.sums = _NO_SUMS

    @cython.ccall
    @cython.boundscheck(False)
    @cython.wraparound(False)
    def later_than(self, latest: cython.longlong) -> cython.longlong:
        """The sum of buckets that start later than ``latest``; cached if there are many (a week may have more than a hundred)."""
        if self.sums:
            known = self.sums.get(latest)
            if known is not None:
                return known
        starts, counts = self.starts, self.counts
        found: cython.longlong = 0
        start: cython.longlong
        held: cython.longlong
        place: cython.Py_ssize_t = len(starts)
        while place:
            start = starts[place - 1]
            if start <= latest:
                break
            place -= 1
            held = counts[place]
            found += held
        if len(starts) - place > _FEW:
            if not 0 < len(self.sums) < SUMS_MAX:
                self.sums = {}
            self.sums[latest] = found
        return found

    @cython.ccall
    def add(self, place: cython.Py_ssize_t, n: cython.longlong) -> None:
        """Adds ``n`` to one bucket."""
        counts: list[int] = self.counts
        before: cython.longlong = counts[place]
        counts[place] = before + n
        if self.sums:
            for latest in self.sums:
                if self.starts[place] > latest:
                    self.sums[latest] += n

    def forget(self, now: float) -> None:
        """Drops buckets older than ``keep_s``, measured from the newest bucket, or from ``now`` if the newest lies in the future."""
        starts, limit = self.starts, min(self.starts[-1], now) - self.keep_s - self.width_s
        gone = 0
        while starts[gone] <= limit:
            gone += 1
        if gone:
            del starts[:gone], self.counts[:gone]
            self.sums = _NO_SUMS

    def pack(self) -> bytes:
        head = _HEAD.pack(self.width_s, self.keep_s)
        return head + b"".join([_BUCKET.pack(*pair) for pair in zip(self.starts, self.counts, strict=True)])

    @classmethod
    def unpack(cls, data: bytes) -> _Series:
        series = cls(*_HEAD.unpack_from(data))
        for start, count in _BUCKET.iter_unpack(data[_HEAD.size :]):
            series.starts.append(start)
            series.counts.append(count)
        return series


@cython.final
@cython.cclass
class _Part:
    """Keys with the same first bits: of a million some 16,000. A dictionary that grows copies all its keys at once, which takes 80 ms for a
    million."""

    series: dict[int, _Series]
    dirty: set[int]
    frozen: set[int]
    """Being checkpointed, not collected yet."""
    aside: dict[int, bytes]
    """What frozen keys held that have changed since."""
    leaving: list[int]
    """Keys to evict, the next one last."""

    def __init__(self) -> None:
        self.series, self.aside = {}, {}
        self.dirty, self.frozen = set(), set()
        self.leaving = []

    def next_to_evict(self) -> int:
        """The next key to evict: one of the oldest, with a small count. So a sender cannot evict a quota's count with texts that each count
        once."""
        while True:
            if not self.leaving:
                oldest = [(key, sum(self.series[key].counts)) for key in islice(self.series, EVICTION_SAMPLE)]
                light = sorted(count for _, count in oldest)[len(oldest) // EVICTION_SHARE]
                for key, count in oldest:
                    if count > light:
                        self.series[key] = self.series.pop(key)
                self.leaving = [key for key, count in reversed(oldest) if count <= light]
            key = self.leaving.pop()
            if key in self.series:
                return key

    def drop(self, key: int) -> None:
        if key in self.frozen:
            self.set_aside(key)
        del self.series[key]
        self.dirty.add(key)

    def set_aside(self, key: int) -> None:
        if key not in self.aside:
            self.aside[key] = self.series[key].pack()


@cython.cclass
class Aggregates(Counters):
    """message.Counters, with the writing side."""

    keys_max: cython.Py_ssize_t
    now: cython.double
    """The time of the current event-loop iteration, if the caller sets it: takes from while the clock was ahead must not displace current
    ones."""
    dropped: cython.longlong
    """Keys dropped because there were too many."""
    shortfalls: cython.longlong
    """How often a ``count`` could not know: here never."""
    parts: tuple[_Part, ...]
    _key_count: cython.Py_ssize_t
    _swept: cython.Py_ssize_t
    """The part that is looked through, …"""
    _walk: list[int]
    """… and its keys that have not been looked at yet."""

    def __init__(self, keys_max: int = KEYS_MAX) -> None:
        """``keys_max`` 0: for views of other counters, which hold no keys."""
        self.keys_max = keys_max
        self.now = inf
        self.dropped = self.shortfalls = 0
        self.parts = tuple([_Part() for _ in range(PARTS if keys_max else 0)])
        self._key_count = self._swept = 0
        self._walk = []

    @cython.cfunc
    def _part(self, key: Any) -> _Part:
        bits: cython.ulonglong
        part: _Part
        try:
            bits = key
        except OverflowError:  # no key: nothing is counted under it
            bits = 0
        part = self.parts[bits >> 58 & 63]
        return part

    def __len__(self) -> int:
        return self._key_count

    def series(self) -> Iterator[tuple[int, _Series]]:
        """All (key, series)."""
        for part in self.parts:
            yield from part.series.items()

    @property
    def as_seen(self) -> Aggregates:
        """The counters for reading only."""
        return self

    def without(self, takes: Sequence[Take], at: float) -> Aggregates:
        """The counters as if these takes had not happened, for reading only."""
        return _WithoutTakes(self.as_seen, takes, at)

    @cython.ccall
    def held(self, key: Any) -> _Series | None:
        """The series of a key."""
        return self._part(key).series.get(key)

    @cython.ccall
    def count(self, key: Any, after: cython.longlong, most: Any = 0) -> cython.longlong:
        """The takes under ``key`` later than ``after``."""
        series: _Series | None = self.held(key)
        if series is None:
            return 0
        return series.later_than(after + 1 - series.width_s)  # a bucket's last second must be later than ``after``

    @cython.ccall
    def take(self, take: Take, at: cython.double, n: cython.longlong = 1) -> None:
        """Adds ``n`` at ``at``. Raises ValueError if the take needs more buckets than are kept."""
        fields: tuple[Any, ...] = cython.cast(tuple, take)  # an attribute of a NamedTuple costs more
        key = fields[0]
        part: _Part = self._part(key)
        series: _Series | None = part.series.get(key)
        if series is None:
            series = self._new(part, key, fields[1], fields[2])
        elif part.frozen and key in part.frozen:
            part.set_aside(key)
        part.dirty.add(key)
        second: cython.longlong = int(at)
        start: cython.longlong = second - second % series.width_s
        starts: list[int] = series.starts
        if starts and starts[-1] == start:
            series.add(len(starts) - 1, n)
            return
        if not starts or starts[-1] < start:
            starts.append(start)
            series.counts.append(0)
            series.add(len(starts) - 1, n)
        else:
            self._insert(series, start, n)
        series.forget(self.now)

    @staticmethod
    def _insert(series: _Series, start: int, n: int) -> None:
        """Adds a take older than the newest: its clock was behind, or it is replayed."""
        starts = series.starts
        index = len(starts)
        while index and starts[index - 1] > start:
            index -= 1
        if index and starts[index - 1] == start:
            index -= 1
        else:
            starts.insert(index, start)
            series.counts.insert(index, 0)
        series.add(index, n)

    def give_back(self, take: Take, at: float, n: int = 1) -> None:
        """Undoes a ``take`` of the same time; a bucket that is no longer kept is ignored."""
        key, part = take.key, self._part(take.key)
        series = part.series.get(key)
        if series is None:
            return
        if part.frozen and key in part.frozen:
            part.set_aside(key)
        part.dirty.add(key)
        second = int(at)
        start = second - second % series.width_s
        for index in range(len(series.starts) - 1, -1, -1):
            if series.starts[index] == start:
                series.add(index, -min(n, series.counts[index]))
                return
            if series.starts[index] < start:
                return

    def _new(self, part: _Part, key: int, width_s: int, keep_s: int) -> _Series:
        if width_s < 1 or not 0 <= key < 1 << 64 or keep_s // width_s > BUCKETS_MAX:
            raise ValueError(f"aggregate {key:x}: {keep_s} s in steps of {width_s} s (at most {BUCKETS_MAX} steps are kept)")
        if self._key_count >= self.keys_max:
            full = part if part.series else max(self.parts, key=lambda one: len(one.series))
            self._drop(full, full.next_to_evict())
            self.dropped += 1
        series = part.series[key] = _Series(width_s, keep_s)
        self._key_count += 1
        if part.frozen and key in part.frozen:  # dropped and made anew while a checkpoint runs
            part.aside.setdefault(key, b"")
        return series

    def _drop(self, part: _Part, key: int) -> None:
        part.drop(key)
        self._key_count -= 1

    def sweep(self, now: float, budget: int = 500) -> int:
        """Removes expired keys among the next ``budget`` keys; returns how many."""
        gone = 0
        for _ in range(PARTS):
            part = self.parts[self._swept]
            while self._walk and budget:
                budget -= 1
                key = self._walk.pop()
                series = part.series.get(key)
                if series and (not any(series.counts) or series.starts[-1] + series.width_s + series.keep_s < now):
                    self._drop(part, key)
                    gone += 1
            if not budget:
                break
            self._swept = (self._swept + 1) % PARTS
            self._walk = list(self.parts[self._swept].series)
        return gone

    # -- for the engine

    def freeze(self) -> int:
        """Begins a checkpoint of the keys changed since the last one, with their present values; returns how many."""
        for part in self.parts:
            part.frozen, part.dirty = part.dirty, set()
        return sum(len(part.frozen) for part in self.parts)

    def collect(self, most: int) -> list[tuple[int, bytes]]:
        """At most ``most`` rows (key, value at ``freeze``, empty if the key is gone); an empty list when all were collected."""
        rows: list[tuple[int, bytes]] = []
        for part in self.parts:
            while part.frozen and len(rows) < most:
                key = part.frozen.pop()
                packed = part.aside.pop(key, None)
                if packed is None:
                    series = part.series.get(key)
                    packed = series.pack() if series else b""
                rows.append((key, packed))
        return rows

    def thaw(self, lost: Iterable[int] = ()) -> None:
        """Ends a checkpoint; ``lost``: the collected keys of a failed checkpoint."""
        for part in self.parts:
            part.dirty |= part.frozen
            part.frozen = set()
            part.aside.clear()
        for key in lost:
            self._part(key).dirty.add(key)

    def restore(self, key: int, packed: bytes) -> None:
        """Restores a row of a checkpoint."""
        series = self._part(key).series
        self._key_count += key not in series
        series[key] = _Series.unpack(packed)


@cython.cclass
class _WithoutTakes(Aggregates):
    """A view of other counters, less some takes."""

    _counters: Aggregates
    _takes: Any
    _second: cython.longlong

    def __init__(self, counters: Aggregates, takes: Sequence[Take], at: float) -> None:
        super().__init__(0)
        self._counters, self._takes, self._second = counters, takes, int(at)

    @cython.ccall
    def count(self, key: Any, after: cython.longlong, most: Any = 0) -> cython.longlong:
        found, second = self._counters.count(key, after, most), self._second
        for take in self._takes:
            if take.key == key and second - second % take.width_s > after + 1 - take.width_s:
                found -= 1
        return max(0, found)
