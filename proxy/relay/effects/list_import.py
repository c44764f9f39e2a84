"""Imports lists of numbers: whole, or not at all.

In: journal records LISTING, LISTED, LISTING_DONE, in order, live and replayed alike. Out: chunks put on lists or taken off, one at a time, once
all chunks are there and match the digest; a sequence from which the journal may be replayed. Never: half a list.

An import (a list of numbers, a file of consents) must be replayed whole or not at all. Replaying records whose effects are already in force
must change nothing. That holds for a single record. But suppose a record removes a recipient between an import's first record and its end:
replay would remove the recipient again, and the import, of which only the end is replayed, would not put them back.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Iterator
from hashlib import blake2b

from pyroaring import BitMap

from proxy.journal.encoding import pack, unpack
from proxy.journal.records import operator_actions
from proxy.model.recipient import OptOut
from proxy.relay.effects.consents import ConsentImports
from proxy.state.lists.suppression_lists import ListKey, SuppressionLists


class IncompleteList(ValueError):
    """The chunks do not match LISTING_DONE: the journal, or the gate that wrote it, is at fault."""


class ListImport:
    def __init__(self, sequence: int, begun: operator_actions.ListBegun) -> None:
        """``sequence``: of the LISTING record; it names the import."""
        self.sequence = sequence
        self.begun = begun
        self.numbers = 0
        self._chunks: list[operator_actions.ListChunk] = []
        self._by_key = [0] * len(begun.refusals)
        self._digest = blake2b(digest_size=16)

    def add(self, body: bytes, numbers: int) -> None:
        """Adds one LISTED record, with how many numbers are in it."""
        self._digest.update(len(body).to_bytes(4, "big"))
        self._digest.update(body)
        chunk = unpack(operator_actions.ListChunk, body)
        self._chunks.append(chunk)
        self._by_key[chunk.key] += numbers
        self.numbers += numbers

    def numbers_of(self, refusal: OptOut) -> int:
        """How many numbers are imported under one of its refusals."""
        return self._by_key[self.begun.refusals.index(refusal)]

    def keys(self) -> set[ListKey]:
        """The lists that its numbers are put on; none if they are taken off."""
        return set() if self.begun.takes_off else {key_of(one) for one in self.begun.refusals}

    def done(self, now: float) -> bytes:
        """The body of LISTING_DONE."""
        return pack(operator_actions.ListDone(now, self.sequence, len(self._chunks), self.numbers, self._digest.digest()))

    def check(self, done: operator_actions.ListDone) -> None:
        """Raises IncompleteList."""
        if (len(self._chunks), self._digest.digest()) != (done.chunks, done.digest):
            raise IncompleteList(
                f"the list that record {self.sequence} of the journal begins is not whole; restore the journal"
            )

    def apply(self, listed: SuppressionLists) -> Iterator[int]:
        """Puts it into force chunk by chunk; yields how many numbers each changed. Raises TooManyLists before anything is changed."""
        refusals = self.begun.refusals
        listed.make_room(self.keys())
        with contextlib.nullcontext() if self.begun.takes_off else listed.filling.running():
            for one in self._chunks:
                refusal, lows = refusals[one.key], BitMap.deserialize(one.numbers)
                if self.begun.takes_off:
                    yield listed.remove(refusal.scope, refusal.value, one.chunk, lows)
                else:
                    yield listed.add(key_of(refusal), refusal.time, one.chunk, lows)


class ListImports:
    """Imports of lists that have begun and are incomplete."""

    def __init__(self, listed: SuppressionLists) -> None:
        self._listed = listed
        self._begun: dict[int, ListImport] = {}
        self._others: dict[int, ListImports] = {}
        self.consents = ConsentImports(listed.consented)
        """Files of consents, likewise."""

    def of(self, node: int) -> ListImports:
        """The imports of another gate, which are named by sequences of its own journal."""
        return self._others.setdefault(node, ListImports(self._listed))

    @property
    def others_amid(self) -> bool:
        """Whether an import of another gate is incomplete."""
        return any(one.amid for one in self._others.values())

    def forget_others(self) -> None:
        """Forgets incomplete imports of other gates: they will not be completed."""
        self._others.clear()

    @property
    def amid(self) -> bool:
        """Whether any import is incomplete, of this gate or another."""
        return bool(self._begun) or self.consents.amid or self.others_amid

    def begin(self, sequence: int, body: bytes) -> None:
        self._begun[sequence] = ListImport(sequence, unpack(operator_actions.ListBegun, body))

    def add(self, body: bytes) -> None:
        """Adds a chunk. A chunk of an unknown import belongs to one that was complete before the replayed part of the journal."""
        listing = self._begun.get(unpack(operator_actions.ListChunk, body).listing)
        if listing is not None:
            listing.add(body, 0)

    def done(self, body: bytes) -> None:
        for _ in self.finishing(body):
            pass

    def finishing(self, body: bytes) -> Iterator[int]:
        """``done``, chunk by chunk, so that the caller can yield in between; yields how many numbers each changed."""
        finished = unpack(operator_actions.ListDone, body)
        listing = self._begun.get(finished.listing)
        if listing is not None:
            listing.check(finished)
            yield from listing.apply(self._listed)
            del self._begun[finished.listing]

    def abandon(self) -> None:
        """The gate was restarted: imports that were incomplete then never will be completed."""
        self._begun.clear()
        self.consents.abandon()


def key_of(refusal: OptOut) -> ListKey:
    return ListKey(refusal.scope, refusal.value, refusal.source, refusal.expiry)


KEPT = 64
"""Imports that are remembered, however old: replication may have to read the journal from before the last checkpoint on."""


class ChunkedImports:
    """The first and last journal sequence of each import, of which none may be replayed in part."""

    def __init__(self, read_from: int = 1, read_to: int = 0) -> None:
        """``read_from``, ``read_to``: the part of the journal that a restart has replayed. It began outside any import, and counts as one."""
        self._ended: deque[tuple[int, int]] = deque([(read_from, read_to)])
        self.one_at_a_time = asyncio.Lock()
        """Held while an import is put into force, from before its end is written: so imports come into force in the journal's order."""

    def ended(self, first: int, last: int) -> None:
        """An import ended, or was given up: its first and last record."""
        self._ended.append((first, last))

    def outside(self, place: int) -> int:
        """The newest sequence up to ``place`` that is inside no import: replay may begin there."""
        found, before = place, 0
        while found != before:
            before = found
            found = min((first for first, last in self._ended if first < before <= last), default=before)
        while len(self._ended) > KEPT and self._ended[0][1] < found:
            self._ended.popleft()
        return found
