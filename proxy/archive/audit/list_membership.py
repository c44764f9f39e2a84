"""Tells whether an imported list of refusals names one person.

In: LISTING, LISTED and LISTING_DONE records of one gate, in order. Out: the list's refusals that name the person, once the list is
complete. Never: an incomplete list, for it is not in force; other people.
"""

from __future__ import annotations

from typing import NamedTuple

from pyroaring import BitMap

from proxy.journal.encoding import unpack
from proxy.journal.records import messages, operator_actions
from proxy.model.recipient import OptOut

CHUNK_BITS = 20
"""A number's lower bits stand in a bitmap of its chunk, which the upper ones name (state/lists/suppression_lists.py)."""


class ListMembership(NamedTuple):
    """A list that names the person."""

    time: float
    takes_off: bool
    refusals: tuple[OptOut, ...]
    who: str
    why: str
    file: str


class ImportedLists:
    def __init__(self, person: int) -> None:
        self._chunk, self._low = person >> CHUNK_BITS, person & (1 << CHUNK_BITS) - 1
        self._begun: dict[int, tuple[operator_actions.ListBegun, set[int]]] = {}

    def take(self, sequence: int, kind: int, body: bytes) -> ListMembership | None:
        """One record; the list that it ends, if that names the person."""
        if kind == messages.LISTING:
            self._begun[sequence] = unpack(operator_actions.ListBegun, body), set()
        elif kind == messages.LISTED:
            self._look(unpack(operator_actions.ListChunk, body))
        elif kind == messages.LISTING_DONE:
            done = unpack(operator_actions.ListingDone, body)
            said, named = self._begun.pop(done.listing, (None, set[int]()))
            if said is not None and named:
                found = tuple(said.refusals[place] for place in sorted(named))
                return ListMembership(done.time, said.takes_off, found, said.who, said.why, said.file)
        else:  # a start of the gate: an incomplete list will never be completed
            self._begun.clear()
        return None

    def _look(self, chunk: operator_actions.ListChunk) -> None:
        _, named = self._begun.get(chunk.listing, (None, set[int]()))
        if chunk.chunk == self._chunk and self._low in BitMap.deserialize(chunk.numbers):
            named.add(chunk.key)


KINDS = frozenset((messages.LISTING, messages.LISTED, messages.LISTING_DONE, messages.START))
