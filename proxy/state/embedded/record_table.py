"""Maps numbers to packed records in a compact linear hash table.

In: numbers below 2**40, records. Out: the same. Never: the meaning of a record, a file.

Each bucket is one byte string: key 5 bytes, length 3 bytes, record; next key … Compared with ``dict[int, bytes]`` it saves the
integer object, the dictionary slot and most of the per-value overhead (about 85 of 218 bytes a recipient). It grows by splitting
one bucket at a time, where a dictionary of millions stops the loop for a second to copy itself.

Checkpoints save *groups*: all records whose mixed keys end in the same bits, about a page of a file. Buckets of one group lie
``groups`` apart, so its bytes are a slice of the list, joined: saving costs nothing per record.

The bucket of a key is the lowest bits of ``key * mix >> 20``. Phone numbers come in sequences, and a sequence steps through the
buckets in strides of one length. How evenly it spreads depends on how near that length is to a simple fraction of the number of
buckets: one draw in 500 put 40 and more of 20,000 sequential numbers into one bucket, where 4 is usual, and some put 600 there.
Such draws are rejected.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Iterator
from typing import Any

import cython

from proxy.native.octet_runs import prefetch, prefetch_item, prefetch_rest
from proxy.native.octets import pack_u64, splice, splice_record

_KEY_BITS = 40
KEY_MAX = (1 << _KEY_BITS) - 1
LENGTH_MAX = (1 << 24) - 1
SHIFT = 20
_NOTHING = cython.declare(cython.ulonglong, 1 << 63)
_LENGTH = cython.declare(cython.ulonglong, LENGTH_MAX)
_SHIFT = cython.declare(cython.uint, SHIFT)
_KEY_MAX = cython.declare(cython.longlong, KEY_MAX)
_LENGTH_MAX = cython.declare(cython.Py_ssize_t, LENGTH_MAX)
_FIRST_BUCKETS = 1024
_GROUP_BUCKETS = 16
"""Buckets of a group, up to twice as many between two doublings of the table: 32 to 64 records, 3 to 6 KB."""


@cython.cfunc
@cython.inline
@cython.exceptval(check=False)
def _head_at(bucket: cython.p_uchar, at: cython.Py_ssize_t) -> cython.ulonglong:
    """key << 24 | length"""
    head: cython.ulonglong = 0
    for place in range(at, at + 8):
        head = head << 8 | bucket[place]
    return head


@cython.cfunc
def _checked(key: Any, record: bytes) -> cython.ulonglong:
    """The key, or ValueError if a table cannot hold this."""
    try:
        number: cython.longlong = key
    except OverflowError:  # where it is compiled
        number = -1
    if not 0 <= number <= _KEY_MAX or len(record) > _LENGTH_MAX:
        raise ValueError(f"a table cannot hold {len(record)} bytes under {key}")
    return number


@cython.cfunc
@cython.inline
def _begins(record: bytes, prefix: bytes) -> cython.bint:
    return prefix != b"" and record[: len(prefix)] == prefix


@cython.final
@cython.cclass
class Table:
    """A mapping int → bytes (non-empty; storing ``b""`` removes)."""

    _buckets: list[bytes]
    _mask: cython.ulonglong
    _split: cython.ulonglong
    """Buckets below it have been split in this round."""
    _mix: cython.ulonglong
    _count: cython.Py_ssize_t
    _groups: cython.ulonglong
    changed: bytearray
    """One byte per group: 1 if it has changed since ``take_changed``. A set of many thousands is twice as slow to fill."""
    # where ``_find`` looked last:
    _found: cython.ulonglong
    """The key; _NOTHING: the place may have changed since."""
    _held: cython.bint
    """Whether it has a record: from ``_at`` to ``_after``, its key and length included. Else both are the end of the bucket."""
    _mixed: cython.ulonglong
    _place: cython.Py_ssize_t
    """The bucket."""
    _at: cython.Py_ssize_t
    _after: cython.Py_ssize_t

    def __init__(self, mix: int = 0) -> None:
        """``mix``: the multiplier of the table whose groups were saved; 0 for a new table."""
        self._buckets = [b""] * _FIRST_BUCKETS
        self._mask = _FIRST_BUCKETS - 1
        self._split = 0
        self._mix = mix or draw_multiplier()
        self._count = 0
        self._groups = _FIRST_BUCKETS // _GROUP_BUCKETS
        self.changed = bytearray(self._groups)
        self._found, self._held, self._mixed, self._place, self._at, self._after = _NOTHING, False, 0, 0, 0, 0

    def __len__(self) -> int:
        return self._count

    @cython.cfunc
    @cython.inline
    @cython.exceptval(check=False)
    def _index(self, mixed: cython.ulonglong) -> cython.ulonglong:
        """The bucket of a mixed key."""
        index: cython.ulonglong = mixed & self._mask
        return index if index >= self._split else mixed & (self._mask << 1 | 1)

    @cython.cfunc
    @cython.boundscheck(False)
    @cython.wraparound(False)
    def _find(self, key: cython.ulonglong) -> None:
        """Finds the record of a key, or its bucket."""
        mixed: cython.ulonglong = key * self._mix >> _SHIFT  # a product keeps its lower 64 bits: no table has more buckets
        index: cython.Py_ssize_t = self._index(mixed)
        bucket: bytes = self._buckets[index]
        data: cython.p_uchar = bucket
        at: cython.Py_ssize_t = 0
        after: cython.Py_ssize_t = 0
        end: cython.Py_ssize_t = len(bucket)
        held: cython.bint = False
        while at < end:
            head: cython.ulonglong = _head_at(data, at)
            after = at + 8 + (head & _LENGTH)
            held = head >> 24 == key
            if held:
                break
            at = after
        self._found, self._held, self._mixed, self._place, self._at, self._after = key, held, mixed, index, at, after

    @cython.ccall
    def get(self, key: cython.longlong) -> bytes:
        """The record of ``key``; ``b""`` if none exists."""
        self._find(key)
        if not self._held:
            return b""
        bucket: bytes = self._buckets[self._place]
        data: cython.p_uchar = bucket
        return data[self._at + 8 : self._after]

    @cython.ccall
    def fetch(self, key: cython.ulonglong, step: cython.int) -> None:
        """Loads the record of a key into the processor's cache, in three steps: each needs what the one before has loaded, so
        all keys of a batch take one step before the next."""
        index: cython.Py_ssize_t = self._index(key * self._mix >> _SHIFT)
        if step == 0:
            prefetch_item(self._buckets, index)
        elif step == 1:
            prefetch(self._buckets[index])
        else:
            prefetch_rest(self._buckets[index])

    @cython.ccall
    def replace(self, key: cython.longlong, record: bytes, version: cython.ulonglong) -> None:
        """``put`` with another version; cheap right after ``get``."""
        number: cython.ulonglong = key
        if key > _KEY_MAX or key < 0 or len(record) > _LENGTH_MAX:
            raise ValueError(f"a table cannot hold {len(record)} bytes under {key}")
        if self._found != number:
            self._find(number)
        bucket: bytes = self._buckets[self._place]
        self._put(splice_record(bucket, self._at, self._after, number << 24 | len(record), version, record), 1)

    def get_all(self, keys: Iterable[int]) -> list[bytes]:
        """``get`` for many keys."""
        return [self.get(key) for key in keys]

    def put(self, key: int, record: bytes) -> None:
        """Stores the record; an empty record removes the key. Raises ValueError if the key or the record is too large."""
        self.exchange(key, None, record)

    def exchange(self, key: int, prefix: bytes | None, record: bytes) -> bool:
        """``put``, but only over a record that begins with ``prefix`` (``b""``: only if none exists; None: always)."""
        return self._exchange(_checked(key, record), prefix, record)

    def exchange_all(self, items: Iterable[tuple[int, bytes | None, bytes]]) -> list[bool]:
        """``exchange`` for many, in order; ValueError at the first that a table cannot hold."""
        return [self._exchange(_checked(key, record), prefix, record) for key, prefix, record in items]

    @cython.cfunc
    def _exchange(self, key: cython.ulonglong, prefix: bytes | None, record: bytes) -> cython.bint:
        self._find(key)
        bucket: bytes = self._buckets[self._place]
        data: cython.p_uchar = bucket
        if prefix is not None and not (_begins(data[self._at + 8 : self._after], prefix) if self._held else not prefix):
            return False
        if record:
            self._put(splice(bucket, self._at, self._after, pack_u64(key << 24 | len(record)), record), 1)
        elif self._held:
            self._put(splice(bucket, self._at, self._after, b"", b""), 0)
        return True

    @cython.cfunc
    def _put(self, bucket: bytes, records: cython.Py_ssize_t) -> None:
        """Puts a bucket that has ``records`` of the key that was found in the place of the one that had it."""
        self._buckets[self._place] = bucket
        group: cython.Py_ssize_t = self._mixed & self._groups - 1
        self.changed[group] = 1
        self._found = _NOTHING
        self._count += records - self._held
        if self._count > 2 * len(self._buckets):  # LOAD
            self.grow()

    @cython.ccall
    def grow(self) -> None:
        """Splits one bucket in two."""
        self._found = _NOTHING
        wide: cython.ulonglong = self._mask << 1 | 1
        stay: list[bytes] = []
        go: list[bytes] = []
        split: cython.Py_ssize_t = self._split
        bucket: bytes = self._buckets[split]
        data: cython.p_uchar = bucket
        at: cython.Py_ssize_t = 0
        end: cython.Py_ssize_t = len(bucket)
        while at < end:
            head: cython.ulonglong = _head_at(data, at)
            after: cython.Py_ssize_t = at + 8 + (head & _LENGTH)
            (stay if ((head >> 24) * self._mix >> _SHIFT) & wide == self._split else go).append(data[at:after])
            at = after
        self._buckets[split] = b"".join(stay)
        self._buckets.append(b"".join(go))
        self._split += 1
        if self._split > self._mask:
            self._mask, self._split = wide, 0

    @property
    def mix(self) -> int:
        """The multiplier of the keys: a table with the same groups needs the same one."""
        return self._mix

    @property
    def groups(self) -> int:
        """How many groups there are, a power of two."""
        return self._groups

    def regroup(self, least: int = 0) -> bool:
        """Adapts the number of groups to the size, at least ``least``; returns whether it changed. Then all groups count as changed."""
        groups = max(self._mask + 1 >> _GROUP_BUCKETS.bit_length() - 1, min(least, self._mask + 1))
        if groups == self._groups:
            return False
        self._groups, self.changed = groups, bytearray(b"\1") * groups
        return True

    def take_changed(self) -> bytearray:
        """Returns the marks and clears them."""
        taken, self.changed = self.changed, bytearray(self._groups)
        return taken

    def put_back(self, taken: bytearray) -> None:
        """Sets those marks again, because their groups were not saved. If the number of groups has changed since, all are marked already."""
        if len(taken) == self._groups:
            for number in marked(taken):
                self.changed[number] = 1

    def size_of(self, groups: int) -> int:
        """The approximate bytes of this many groups, estimated from the first ones."""
        looked = range(min(self._groups, 32))
        return groups * sum(len(bucket) for number in looked for bucket in self._buckets[number :: self._groups]) // len(looked)

    def group(self, number: int) -> bytes:
        """All records of a group, each after its key and length, for ``load_group``."""
        return b"".join(self._buckets[number :: self._groups])

    def make_room(self, groups: int = 0, records: int = 0) -> None:
        """Prepares an empty table for so many groups (a power of two) or records: makes enough buckets, so that none is split later."""
        buckets = max(groups * _GROUP_BUCKETS, 1 << (records // LOAD).bit_length() if records else 0)
        if not self._count and buckets > len(self._buckets) and not buckets & buckets - 1:
            self._buckets, self._mask, self._split, self._found = [b""] * buckets, buckets - 1, 0, _NOTHING

    def load_group(self, data: bytes) -> None:
        """Restores the result of ``group``, whatever the present number of groups. Raises ValueError if the data are damaged.

        Records of one bucket are adjacent and mostly go into one empty bucket: then they are copied as one piece.
        """
        octets: cython.p_uchar = data
        at: cython.Py_ssize_t = 0
        begun: cython.Py_ssize_t = 0
        end: cython.Py_ssize_t = len(data)
        count: cython.Py_ssize_t = 0
        last: cython.ulonglong = 0
        runs: dict[int, list[bytes]] = {}
        while at < end:
            if end - at < 8:
                raise ValueError("a group of records ends amid a key")
            head: cython.ulonglong = _head_at(octets, at)
            index: cython.ulonglong = self._index((head >> 24) * self._mix >> _SHIFT)
            if index != last and at:
                runs.setdefault(last, []).append(octets[begun:at])
                begun = at
            last = index
            after: cython.Py_ssize_t = at + 8 + (head & _LENGTH)
            if after > end or after == at + 8:
                raise ValueError("a group of records ends amid a record")
            count += 1
            at = after
        if data:
            runs.setdefault(last, []).append(octets[begun:end])
        self._take_runs(runs, count)

    def _take_runs(self, runs: dict[int, list[bytes]], count: int) -> None:
        """Adds records by bucket, ``count`` in all."""
        buckets = self._buckets
        if len(buckets) * LOAD * 2 < self._count + count or any(map(buckets.__getitem__, runs)):
            for data in itertools.chain.from_iterable(runs.values()):
                for key, record in _records(data):
                    self.put(key, record)
            return
        self._count, self._found = self._count + count, _NOTHING
        for index, lying in runs.items():
            buckets[index] = lying[0] if len(lying) == 1 else b"".join(lying)
            self.changed[index & self._groups - 1] = 1

    @property
    def buckets(self) -> int:
        return len(self._buckets)

    def bucket(self, index: int) -> Iterator[tuple[int, bytes]]:
        """(key, record) of one bucket, for walks in steps."""
        return _records(self._buckets[index])

    def items(self) -> Iterator[tuple[int, bytes]]:
        """All (key, record), in no order; the table must not change meanwhile."""
        for index in range(len(self._buckets)):
            yield from self.bucket(index)


def _records(bucket: bytes) -> Iterator[tuple[int, bytes]]:
    at: cython.Py_ssize_t = 0
    end: cython.Py_ssize_t = len(bucket)
    while at < end:
        head: cython.ulonglong = _head_at(bucket, at)
        after: cython.Py_ssize_t = at + 8 + (head & _LENGTH)
        yield head >> 24, bucket[at + 8 : after]
        at = after


def marked(marks: bytearray) -> Iterator[int]:
    """The numbers that have a mark, in order."""
    at = marks.find(1)
    while at >= 0:
        yield at
        at = marks.find(1, at + 1)


LOAD = 2
"""Average records per bucket at which the table grows: fewer cost memory, more cost time."""
LOAD_MAX = 12
"""Sequential numbers in one bucket at most. Five draws in eight satisfy it; a limit of 8 only three in ten."""
STEPS = (1, 10, 100, 1000, 10_000)
"""Distances between the numbers of a sequence."""
SIZES = tuple(1 << bits for bits in range(10, 26))
"""Numbers of buckets: from a new table to one of 64 million records."""


def draw_multiplier() -> int:
    """A random multiplier, so that nobody can choose numbers that all fall into one bucket; odd, and of 29 bits for speed."""
    while True:
        mix = int.from_bytes(os.urandom(4), "big") >> 3 | 1 << 28 | 1
        if spreads_evenly(mix):
            return mix


def spreads_evenly(mix: int) -> bool:
    return all(fullest_bucket(mix, step, buckets) <= LOAD_MAX for buckets in SIZES for step in STEPS)


def fullest_bucket(mix: int, step: int, buckets: int) -> float:
    """The approximate number of records in the fullest bucket if the table is full of numbers that lie ``step`` apart.

    Each convergent p/q of the step's continued fraction groups the sequence into q heaps of ``held / q`` numbers. Neighbours in a heap lie
    ``1 / next`` of the range of buckets apart, where ``next`` is the following q.
    """
    held, of = LOAD * buckets, buckets << SHIFT
    rest = step * mix % of
    before, q, most = 0, 1, 0.0
    while rest and q <= held:
        following = of // rest * q + before
        most = max(most, min(following / buckets, held / q))
        of, rest = rest, of % rest
        before, q = q, following
    return most if rest or q > held else max(most, held / q)
