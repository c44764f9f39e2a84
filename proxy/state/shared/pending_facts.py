"""Queues facts about recipients not yet written to the shared store.

A change is an opt-out, its revocation, or the erasure of a recipient. Merging (state/record/merging.py) puts back what a copy of
the record holds, and so cannot express that a fact was *removed*; a change can. Each change may be repeated as long as all come
in order, so every node applies all changes it receives, whichever node made them.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator

Change = Callable[[bytes], bytes]
PERSONS_MAX = 200_000
"""Some 60 MB; as many as the records that a gate queues for other gates (cluster/replication.py)."""


class PendingFacts:
    def __init__(self) -> None:
        self._by_person: OrderedDict[int, list[tuple[int, Change]]] = OrderedDict()
        self._last = 0

    def __len__(self) -> int:
        """The number of recipients with pending changes."""
        return len(self._by_person)

    def __contains__(self, person: int) -> bool:
        return person in self._by_person

    def __iter__(self) -> Iterator[int]:
        """Recipients, the one whose change has waited longest first."""
        return iter(self._by_person)

    def add(self, person: int, change: Change) -> int | None:
        """Adds a change; returns the recipient whose changes were dropped for lack of room, or None."""
        over = None
        if len(self._by_person) >= PERSONS_MAX and person not in self._by_person:
            over, _ = self._by_person.popitem(last=False)
        self._last += 1
        self._by_person.setdefault(person, []).append((self._last, change))
        return over

    @property
    def last(self) -> int:
        """The number of the newest change."""
        return self._last

    def apply(self, person: int, data: bytes) -> bytes:
        """The record with all pending changes; the very same object if it has them already."""
        for _, change in self._by_person.get(person, ()):
            data = change(data)
        return data

    def done(self, person: int, last: int) -> None:
        """Removes the changes up to that number: the store's record has them."""
        left = [one for one in self._by_person.get(person, ()) if one[0] > last]
        if left:
            self._by_person[person] = left
        else:
            self._by_person.pop(person, None)
