"""Stores consents from files as bitmaps, 4 to 15 bytes each.

In: batches (the terms and proof of a file's consents) and their numbers in chunks. Out: the newest consent of a recipient that
covers a message; rows for a checkpoint. Never: the journal, files, a clock; withdrawals since then (they are in the recipient's
record).

A *batch* has one advertiser, category, day, end and version of the words, out of one file. A number's upper bits name its
*chunk*; its lower 20 bits stand in the bitmap of (batch, chunk). A query names advertisers and categories, so only their batches
are searched, the newest first, however many others there are. Adding and removing are idempotent, as all replayed operations are.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from functools import partial
from typing import NamedTuple

from pyroaring import BitMap

from proxy.state.lists.bloom import CHUNK_BITS, LOW_MASK
from proxy.state.lists.desk_records import BulkImport, ChangedRows, Numbering

BATCHES_MAX = 20_000
"""Some 600 bytes each beside their numbers; a file with one batch per day for ten years and five advertisers still fits."""
KEPT_OVER_S = 190 * 86_400
"""Expired, rejected or withdrawn batches are kept so long, to answer what a recipient had agreed to; then their numbers are removed."""
BY_REPLY = "reply"
"""The source of consents by reply to a consent request."""
STATES = ("unreviewed", "accepted", "rejected", "withdrawn")
_ABOUT_ROW = 0xFFFF_FFFF
"""The row with a batch's terms; its other rows are chunks. Row 0 holds the highest batch number: batches count from 1."""
_FOREVER = 1 << 62


class ConsentBatch(NamedTuple):
    """The terms of consents from one file."""

    number: int
    advertiser: str  # empty = any
    category: str  # marketing or a sub-category, empty = any
    given: int  # when they agreed
    until: int  # 0 = until it is taken back
    version: str  # of the words they agreed to
    source: str  # where: app, form, hotline …
    provider: str  # who handed it in, empty if nobody of the settings
    proof: str  # SHA-256 of what shows it, in hex; empty: it is missing
    file: str
    imported: int
    who: str
    why: str
    due: int  # until when a missing proof must come
    state: str = "unreviewed"
    reviewed: int = 0
    reviewer: str = ""
    reason: str = ""
    proof_by: str = ""
    """Who handed in the proof, if it came after the file."""
    wording: str = ""
    """The registered text of the consent request, for consents by reply."""

    @property
    def counts(self) -> bool:
        """Whether the batch is neither rejected nor withdrawn."""
        return self.state in ("unreviewed", "accepted")

    @property
    def missing_proof(self) -> bool:
        return self.counts and not self.proof

    def over(self, now: float) -> float:
        """Seconds since it ended; below 0 if it has not."""
        ended = self.reviewed if not self.counts else self.until or _FOREVER
        return now - ended


class TooManyBatches(ValueError):
    """There are more batches than are kept."""


class ConsentIndex(ChangedRows):
    def __init__(self) -> None:
        super().__init__()
        self.highest = 0
        self.numbered = Numbering()
        self.filling = BulkImport()
        self._batches: dict[int, ConsentBatch] = {}
        self._by: dict[tuple[str, str], list[int]] = {}
        """(advertiser, category) → batches, the newest consent first."""
        self._chunks: dict[int, BitMap] = {}  # by batch << 32 | chunk
        self._places: dict[int, set[int]] = {}  # chunks by batch
        self._counts: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._batches)

    # -- asking

    def newest(self, number: int, advertisers: Iterable[str], categories: Iterable[str], now: float) -> ConsentBatch | None:
        """The newest consent of a recipient to any of these advertisers and categories, expired ones included."""
        place, low, found = number >> CHUNK_BITS, number & LOW_MASK, None
        categories = tuple(categories)
        for advertiser in advertisers:
            for category in categories:
                for one in self._by.get((advertiser, category), ()):
                    batch = self._batches[one]
                    if found is not None and batch.given <= found.given:
                        break
                    lows = self._chunks.get(one << 32 | place)
                    if lows is not None and low in lows and batch.counts and batch.given <= now:
                        found = batch
                        break
        return found

    def of(self, number: int) -> list[ConsentBatch]:
        """All batches with this number, the oldest consent first."""
        place, low = number >> CHUNK_BITS, number & LOW_MASK
        found = [
            batch
            for one, batch in self._batches.items()
            if (lows := self._chunks.get(one << 32 | place)) is not None and low in lows
        ]
        return sorted(found, key=lambda one: (one.given, one.number))

    def batches(self) -> list[tuple[ConsentBatch, int]]:
        """(batch, count of its numbers) in order."""
        return [(batch, self._counts.get(one, 0)) for one, batch in sorted(self._batches.items())]

    def of_replies(
        self, terms: tuple[str, str, int, int, str], provider: str, wording: str, reviewer: str
    ) -> ConsentBatch | None:
        """The batch for one more reply with these terms; None if none exists, or if it was reviewed differently."""
        state = "accepted" if reviewer else "unreviewed"
        for one in self._by.get(terms[:2], ()):
            batch = self._batches[one]
            if batch.given < terms[2]:
                break
            reviewed = batch.wording, batch.state, batch.reviewer
            if batch[1:8] == (*terms, BY_REPLY, provider) and reviewed == (wording, state, reviewer):
                return batch
        return None

    def find(self, number: int) -> ConsentBatch | None:
        return self._batches.get(number)

    def numbers(self, batch: int) -> Iterator[list[int]]:
        """The numbers of a batch, a chunk at a time; a chunk has its present numbers when it is yielded."""
        for place in sorted(self._places.get(batch, ())):
            lows = self._chunks.get(batch << 32 | place)
            if lows is not None:
                base = place << CHUNK_BITS
                yield [base + low for low in lows]

    # -- changing

    def make_room(self, count: int) -> None:
        """Raises TooManyBatches if ``count`` more batches do not fit."""
        if len(self._batches) + count > BATCHES_MAX:
            raise TooManyBatches(
                f"at most {BATCHES_MAX:,} batches of consents are kept (one for each advertiser, category, day, end and version)"
            )

    def put(self, batch: ConsentBatch) -> None:
        """Adds a batch, or replaces its terms."""
        before = self._batches.get(batch.number)
        self._batches[batch.number] = batch
        self.highest = max(self.highest, batch.number)
        if before is None:
            self._place(batch)
        self.empty = False
        self._dirty.add(batch.number << 32 | _ABOUT_ROW)

    def _place(self, batch: ConsentBatch) -> None:
        beside = self._by.setdefault((batch.advertiser, batch.category), [])
        beside.append(batch.number)
        beside.sort(key=lambda one: (-self._batches[one].given, -one))

    def add(self, batch: int, place: int, lows: BitMap) -> int:
        """Adds numbers of one chunk to a batch; returns how many are new."""
        row = batch << 32 | place
        present = self._chunks.get(row)
        now = BitMap(lows) if present is None else present | lows
        return self._set(row, present, now)

    def remove(self, number: int) -> int:
        """Removes a number from all batches; returns from how many."""
        self.filling.note_removal(partial(self.remove, number))
        return self._remove(number, list(self._batches.values()))

    def take_out(self, batch: int, number: int) -> None:
        """Removes a number from one batch, to reconstruct an earlier state."""
        if (found := self._batches.get(batch)) is not None:
            self._remove(number, [found])

    def end_before(self, number: int, moment: float) -> int:
        """Removes a number from batches with consents older than ``moment``: since then the number has another owner."""
        self.filling.note_removal(partial(self.end_before, number, moment))
        return self._remove(number, [one for one in self._batches.values() if one.given < moment])

    def _remove(self, number: int, batches: list[ConsentBatch]) -> int:
        place, lows, gone = number >> CHUNK_BITS, BitMap((number & LOW_MASK,)), 0
        for one in batches:
            row = one.number << 32 | place
            if (present := self._chunks.get(row)) is not None:
                gone -= self._set(row, present, present - lows)
        return gone

    def _set(self, row: int, present: BitMap | None, now: BitMap) -> int:
        batch, place = row >> 32, row & 0xFFFF_FFFF
        more = len(now) - (len(present) if present is not None else 0)
        if not more:
            return 0
        if now:
            self._chunks[row] = now
            self._places.setdefault(batch, set()).add(place)
        else:
            del self._chunks[row]
            self._places[batch].discard(place)
        self._counts[batch] = self._counts.get(batch, 0) + more
        self._dirty.add(row)
        return more

    def drop(self, number: int) -> None:
        """Removes a batch and all its numbers at once, to reconstruct an earlier state."""
        batch = self._batches[number]
        for place in list(self._places.get(number, ())):
            self._set(number << 32 | place, self._chunks[number << 32 | place], BitMap())
        self._forget(batch)

    def expire(self, now: float, chunks: int = 16) -> int:
        """Removes batches that ended long ago, ``chunks`` at a time; returns how many numbers."""
        for batch in self._batches.values():
            if batch.over(now) < KEPT_OVER_S:
                continue
            gone = 0
            for place in list(self._places.get(batch.number, ()))[:chunks]:
                row = batch.number << 32 | place
                gone -= self._set(row, self._chunks[row], BitMap())
            if not self._places.get(batch.number):
                self._forget(batch)
            return gone
        return 0

    def _forget(self, batch: ConsentBatch) -> None:
        del self._batches[batch.number]
        beside = self._by[batch.advertiser, batch.category]
        beside.remove(batch.number)
        if not beside:
            del self._by[batch.advertiser, batch.category]
        self._places.pop(batch.number, None)
        self._counts.pop(batch.number, None)
        self._dirty.add(batch.number << 32 | _ABOUT_ROW)
        self.empty = not self._batches

    # -- checkpoints

    def freeze(self) -> None:
        super().freeze()
        if self._frozen:
            self._frozen.add(0)

    def _packed(self, row: int) -> bytes:
        if not row:
            return self.highest.to_bytes(8, "big")
        if row & 0xFFFF_FFFF == _ABOUT_ROW:
            batch = self._batches.get(row >> 32)
            fields = () if batch is None else batch if batch.wording else batch[:-1] if batch.proof_by else batch[:-2]
            # without empty last fields, as earlier versions wrote it
            return json.dumps(fields, ensure_ascii=False).encode("utf-8", "surrogatepass") if fields else b""
        lows = self._chunks.get(row)
        return b"" if lows is None else lows.serialize()

    def restore(self, rows: Iterable[tuple[int, bytes]]) -> None:
        """Restores the rows of a checkpoint. Raises ValueError if they are damaged."""
        for row, data in rows:
            if not row:
                self.highest = int.from_bytes(data, "big")
            elif row & 0xFFFF_FFFF == _ABOUT_ROW:
                batch = ConsentBatch(*json.loads(data.decode("utf-8", "surrogatepass")))
                self._batches[batch.number] = batch
            else:
                self._chunks[row] = lows = BitMap.deserialize(data)
                self._places.setdefault(row >> 32, set()).add(row & 0xFFFF_FFFF)
                self._counts[row >> 32] = self._counts.get(row >> 32, 0) + len(lows)
        for batch in self._batches.values():
            self._by.setdefault((batch.advertiser, batch.category), []).append(batch.number)
        for beside in self._by.values():
            beside.sort(key=lambda one: (-self._batches[one].given, -one))
        self.empty = not self._batches
