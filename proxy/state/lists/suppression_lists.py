"""Stores suppression lists as bitmaps, 2 to 3 bytes a number.

In: numbers in chunks, the terms of their list. Out: a recipient's refusals by list; rows for a checkpoint. Never: the journal,
files, a clock; the meaning of a refusal (policy reads them like those in a record).

A number's upper bits name its *chunk*; its lower 20 bits stand in the chunk's bitmaps: one for each *list* (scope, value, source,
expiry) and ``any``, their union. A Bloom filter comes before them, so that for most recipients one look-up is enough, however
many lists and numbers there are. Chunks bound the work of one step (128 KB at most): an import, a checkpoint, an expiry go on
beside the running loop, chunk by chunk. Adding and removing are idempotent, as all replayed operations are: a checkpoint may be
newer than the position from which the journal is read.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import cython
from pyroaring import BitMap

from proxy.model.message import Category, Facts, Message
from proxy.model.recipient import Consent, OptOut, Recipient, RefusedText
from proxy.state.lists.bloom import CHUNK_BITS, LOW_MASK, BloomFilters
from proxy.state.lists.consent_lists import ConsentIndex
from proxy.state.lists.desk_records import BulkImport, ChangedRows
from proxy.state.lists.erased_recipients import ErasedRecipients

__all__ = [
    "CHUNK_BITS", "ERASED", "LISTS_MAX", "LOW_MASK", "ListedRecipient", "ListKey", "SuppressionLists", "ListSummary",
    "TooManyLists",
]  # fmt: skip

LISTS_MAX = 256
"""Lists at once: a number that is on any list is looked up in each."""
_NAME_ROW = 0xFFFF_FFFF
"""Rows are numbered list << 32 | chunk; this one has the list's terms."""
_NAME = struct.Struct(">QQ")  # newest addition, expiry


class ListKey(NamedTuple):
    """The terms that identify a list."""

    scope: str
    value: str
    source: str
    expiry: int  # 0 = never


class TooManyLists(ValueError):
    """There are more lists than are kept; expiries that differ by seconds make separate lists."""


class _List:
    __slots__ = ("number", "key", "time", "count", "chunks")

    def __init__(self, number: int, key: ListKey, time: int) -> None:
        self.number = number
        self.key = key
        self.time = time  # of the newest addition: rules on age keep to the safe side
        self.count = 0
        self.chunks: set[int] = set()


class _Chunk:
    __slots__ = ("any", "by")

    def __init__(self) -> None:
        self.any = BitMap()
        self.by: dict[int, BitMap] = {}  # by the list's number

    def refresh(self) -> None:
        maps = list(self.by.values())
        self.any = maps[0] if len(maps) == 1 else BitMap.union(*maps)


ERASED = OptOut("all", "", 0, "officer", 0)
"""The opt-out of an erased recipient: no marketing."""


class ListSummary(NamedTuple):
    """A summary of one list for display."""

    key: ListKey
    time: int
    numbers: int


class SuppressionLists(ChangedRows):
    def __init__(self, consented: ConsentIndex | None = None, erased: ErasedRecipients | None = None) -> None:
        """``consented`` and ``erased`` are looked up for a recipient beside the lists."""
        super().__init__()
        self.consented = consented if consented is not None else ConsentIndex()
        self.erased = erased if erased is not None else ErasedRecipients()
        self.bloom = BloomFilters()
        """Bloom filters: which numbers are certainly on no list."""
        self.filling = BulkImport()
        self._lists: dict[int, _List] = {}
        self._by_key: dict[ListKey, _List] = {}
        self._chunks: dict[int, _Chunk] = {}

    # -- asking

    def silent(self, number: int) -> bool:
        """Whether nothing beside the record concerns this recipient: no list, no consent, no erasure."""
        return self.consented.empty and not self.tells_of(number)

    def tells_of(self, number: int) -> bool:
        """Whether the recipient is on a list or was erased."""
        if self.bloom.may_hold(number) and number & LOW_MASK in self._chunks[number >> CHUNK_BITS].any:
            return True
        return not self.erased.empty and self.erased.has(number)

    def refusals(self, number: int) -> Sequence[OptOut]:
        """The recipient's opt-outs by lists and by erasure."""
        found = self._on_lists(number) if self.bloom.may_hold(number) else ()
        return found if self.erased.empty or not self.erased.has(number) else (*found, ERASED)

    def _on_lists(self, number: int) -> Sequence[OptOut]:
        chunk, low, lists = self._chunks[number >> CHUNK_BITS], number & LOW_MASK, self._lists
        if low not in chunk.any:
            return ()
        found = [lists[one] for one, numbers in chunk.by.items() if low in numbers]
        return [OptOut(one.key.scope, one.key.value, one.time, one.key.source, one.key.expiry) for one in found]

    def beside(self, record: Recipient, number: int) -> ListedRecipient:
        """The recipient's record combined with the lists."""
        return ListedRecipient(record, self, number)

    def lists(self) -> list[ListSummary]:
        """All lists, the largest first."""
        summaries = [ListSummary(one.key, one.time, one.count) for one in self._lists.values()]
        return sorted(summaries, key=lambda one: -one.numbers)

    def counts(self) -> dict[tuple[str, ...], float]:
        """Numbers by scope, counted once for each list."""
        found: dict[tuple[str, ...], float] = {}
        for one in self._lists.values():
            found[one.key.scope,] = found.get((one.key.scope,), 0) + one.count
        return found

    def numbers(self) -> Iterator[tuple[ListSummary, list[int]]]:
        """All listed numbers, a chunk at a time. Lists may change meanwhile: a chunk has its present numbers when it is yielded."""
        for one in list(self._lists.values()):
            for place in sorted(one.chunks):
                chunk = self._chunks.get(place)
                lows = chunk.by.get(one.number) if chunk is not None else None
                if lows is not None:
                    base = place << CHUNK_BITS
                    yield ListSummary(one.key, one.time, one.count), [base + low for low in lows]

    def lacking(self, key: ListKey, place: int, lows: BitMap) -> int:
        """How many numbers of one chunk a list does not hold yet."""
        one, chunk = self._by_key.get(key), self._chunks.get(place)
        present = chunk.by.get(one.number) if one is not None and chunk is not None else None
        return len(lows) if present is None else len(lows - present)

    # -- changing

    def add(self, key: ListKey, time: int, place: int, lows: BitMap) -> int:
        """Adds numbers of one chunk to a list; returns how many are new. Raises TooManyLists."""
        if not lows:
            return 0
        one = self._list(key, time)
        if time > one.time:
            one.time = time
            self._dirty.add(one.number << 32 | _NAME_ROW)
        chunk = self._chunks.get(place)
        if chunk is None:
            chunk = self._chunks[place] = _Chunk()
        present = chunk.by.get(one.number)
        before = len(present) if present is not None else 0
        chunk.by[one.number] = now = BitMap(lows) if present is None else present | lows
        chunk.any = now if len(chunk.by) == 1 else chunk.any | lows
        self.bloom.put(place, chunk.any)
        one.chunks.add(place)
        one.count += len(now) - before
        self._dirty.add(one.number << 32 | place)
        return len(now) - before

    def make_room(self, keys: set[ListKey]) -> None:
        """Raises TooManyLists if these lists do not fit."""
        if len(keys - self._by_key.keys()) + len(self._lists) > LISTS_MAX:
            raise TooManyLists(f"at most {LISTS_MAX} lists of different scope, value, source or expiry are kept")

    def remove(self, scope: str, value: str, place: int, lows: BitMap, source: str = "") -> int:
        """Removes numbers of one chunk from all lists of this scope and value (and source, if given); returns how many."""
        self.filling.note_removal(partial(self.remove, scope, value, place, lows, source))
        chunk = self._chunks.get(place)
        if chunk is None:
            return 0
        gone = 0
        for number, present in list(chunk.by.items()):
            one = self._lists[number]
            if (one.key.scope, one.key.value) == (scope, value) and source in ("", one.key.source):
                gone += self._replace(one, place, chunk, present, present - lows)
        return gone

    def expire(self, now: float, chunks: int = 16) -> int:
        """Removes expired lists, ``chunks`` at a time; returns how many numbers."""
        for one in self._lists.values():
            if not 0 < one.key.expiry <= now:
                continue
            gone = 0
            for place in list(one.chunks)[:chunks]:
                chunk = self._chunks[place]
                gone += self._replace(one, place, chunk, chunk.by[one.number], BitMap())
            self._forget_if_empty(one)
            return gone
        return 0

    def end_before(self, number: int, moment: float) -> int:
        """Removes a number from lists whose newest addition is older than ``moment``; returns from how many."""
        self.filling.note_removal(partial(self.end_before, number, moment))
        return self._take_off(number, [one for one in self._lists.values() if one.time < moment])

    def forget(self, number: int) -> int:
        """Removes a number from all lists; returns from how many."""
        self.filling.note_removal(partial(self.forget, number))
        return self._take_off(number, list(self._lists.values()))

    def _take_off(self, number: int, lists: list[_List]) -> int:
        place, lows, gone = number >> CHUNK_BITS, BitMap((number & LOW_MASK,)), 0
        for one in lists:
            chunk = self._chunks.get(place)
            present = chunk.by.get(one.number) if chunk is not None else None
            if chunk is not None and present is not None:
                gone += self._replace(one, place, chunk, present, present - lows)
        return gone

    def _replace(self, one: _List, place: int, chunk: _Chunk, present: BitMap, left: BitMap) -> int:
        gone = len(present) - len(left)
        if not gone:
            return 0
        one.count -= gone
        self._dirty.add(one.number << 32 | place)
        if left:
            chunk.by[one.number] = left
        else:
            del chunk.by[one.number]
            one.chunks.discard(place)
        if chunk.by:
            chunk.refresh()
            self.bloom.put(place, chunk.any)
        else:
            del self._chunks[place]
            self.bloom.put(place, BitMap())
        self._forget_if_empty(one)
        return gone

    def _forget_if_empty(self, one: _List) -> None:
        if not one.chunks and self._lists.pop(one.number, None) is not None:
            del self._by_key[one.key]
            self._dirty.add(one.number << 32 | _NAME_ROW)
            self.empty = not self._lists

    def _list(self, key: ListKey, time: int) -> _List:
        one = self._by_key.get(key)
        if one is None:
            self.make_room({key})
            # numbers of removed lists that a running checkpoint still writes
            written = {row >> 32 for row in (*self._frozen, *self._collected)}
            free = [number for number in range(LISTS_MAX) if number not in self._lists]
            number = next((number for number in free if number not in written), free[0])
            one = self._take(number, key, time)
            self._dirty.add(number << 32 | _NAME_ROW)
        return one

    def _take(self, number: int, key: ListKey, time: int) -> _List:
        one = self._lists[number] = self._by_key[key] = _List(number, key, time)
        self.empty = False
        return one

    # -- checkpoints

    def _packed(self, row: int) -> bytes:
        number, place = row >> 32, row & 0xFFFF_FFFF
        one = self._lists.get(number)
        if place == _NAME_ROW:
            words = [] if one is None else [word.encode() for word in one.key[:3]]
            return b"" if one is None else _NAME.pack(one.time, one.key.expiry) + b"\0".join(words)
        chunk = self._chunks.get(place)
        lows = chunk.by.get(number) if chunk is not None else None
        return b"" if lows is None else lows.serialize()

    def restore(self, rows: Iterable[tuple[int, bytes]]) -> None:
        """Restores the rows of a checkpoint. Raises ValueError if they are damaged."""
        chunks: list[tuple[int, int, bytes]] = []
        for row, data in rows:
            number, place = row >> 32, row & 0xFFFF_FFFF
            if place == _NAME_ROW:
                time, expiry = _NAME.unpack_from(data)
                scope, value, source = data[_NAME.size :].decode().split("\0")
                self._take(number, ListKey(scope, value, source, expiry), time)
            else:
                chunks.append((number, place, data))
        for number, place, data in chunks:
            if number not in self._lists:  # it was emptied while the checkpoint was written
                self._dirty.add(number << 32 | place)
                continue
            one, lows = self._lists[number], BitMap.deserialize(data)
            chunk = self._chunks.setdefault(place, _Chunk())
            chunk.by[number] = lows
            one.chunks.add(place)
            one.count += len(lows)
        for place, chunk in self._chunks.items():
            chunk.refresh()
            self.bloom.put(place, chunk.any)


@cython.cclass
class ListedRecipient(Recipient):
    """A record combined with the lists, which are looked up on first use."""

    _record: Recipient
    _listed: Any  # SuppressionLists
    _number: cython.longlong
    _found: Sequence[OptOut] | None

    def __init__(self, record: Recipient, listed: SuppressionLists, number: cython.longlong) -> None:
        self.data, self.held = record.data, record.held
        self.bare, self.unconcerned = record.bare and not listed.tells_of(number), False
        self._record = record
        self._listed = listed
        self._number = number
        self._found = None

    @cython.ccall
    def concerns(self, match: Any, message: Message, facts: Facts) -> cython.bint:
        if self._record.concerns(match, message, facts):
            return True
        return facts.category is Category.MARKETING and bool(match.any(message, self._refusals(), (), facts))

    def _refusals(self) -> Sequence[OptOut]:
        if self._found is None:
            self._found = self._listed.refusals(self._number)
        return self._found

    def opt_outs(self) -> Sequence[OptOut]:
        return (*self._record.opt_outs(), *self._refusals())

    def asked(self) -> Sequence[int]:
        return self._record.asked()

    def refused_texts(self) -> Sequence[RefusedText]:
        return self._record.refused_texts()

    def consents(self, advertisers: frozenset[str], categories: frozenset[str], now: float) -> Sequence[Consent]:
        taken_back = self._record.consents(advertisers, categories, now)
        batch = self._listed.consented.newest(self._number, advertisers, categories, now)
        if batch is None:
            return taken_back
        reviewer = batch.reviewer if batch.state == "accepted" else ""
        return (Consent("granted", batch.given, batch.until or math.inf, reviewer), *taken_back)
