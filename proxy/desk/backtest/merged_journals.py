"""Merges the journals of several gates on one store by time.

In: the commit groups of each journal. Out: groups by time, each with its gate; replicated facts once. Never: the meaning of a record.

The order within one journal stays, though its clock was set back. A fact replicated from a gate whose journal is read counts from that journal,
at the time it was written there. A fact from any other gate counts when the first of these gates heard it.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterator, Sequence
from operator import itemgetter

from proxy.desk.backtest.commit_groups import JournalGroup
from proxy.journal.records.replicated import ReplicatedRecord
from proxy.relay.effects.list_import import ListImports
from proxy.state import EmbeddedStore

OwnedGroup = tuple[int, JournalGroup]
"""(place of its journal among those that are read, group)."""


def merge_by_time(journals: Sequence[Iterator[JournalGroup]]) -> Iterator[OwnedGroup]:
    if len(journals) == 1:
        return ((0, group) for group in journals[0])
    timed = (_timed(number, journal) for number, journal in enumerate(journals))
    return ((number, group) for _, number, group in heapq.merge(*timed, key=itemgetter(0)))


def _timed(number: int, journal: Iterator[JournalGroup]) -> Iterator[tuple[float, int, JournalGroup]]:
    reached = 0.0
    for group in journal:
        reached = max(reached, group.time)
        yield reached, number, group


class ForeignFacts:
    """Facts replicated from gates whose journals are not read."""

    def __init__(self, store: EmbeddedStore, read: Collection[int]) -> None:
        """``read``: the nodes whose journals are."""
        self.listings = ListImports(store.listed)
        self._read = frozenset(read)
        self._reached = (0, 0)

    def is_new(self, said: ReplicatedRecord) -> bool:
        """Whether it is the first time; all gates hear the same, in the order of the log."""
        if said.node in self._read or said.place <= self._reached:
            return False
        self._reached = said.place
        return True
