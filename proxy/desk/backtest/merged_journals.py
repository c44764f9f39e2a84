"""Merges the journals of several gates on one store by time.

In: the commit groups of each journal. Out: groups by time, each with its gate; replicated facts once. Never: the meaning of a record.

The order within one journal stays, though its clock was set back. A fact replicated from a gate whose journal is read counts from that journal,
at the time it was written there. A fact from any other gate counts when the first of these gates heard it.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterator, Sequence
from operator import itemgetter

from proxy.desk.backtest.commit_groups import GateTurn
from proxy.journal.records.replicated import ReplicatedRecord
from proxy.relay.effects.list_import import ListImports
from proxy.state import EmbeddedStore

Whose = tuple[int, GateTurn]
"""A turn, and the place of its gate among those that are read."""


def by_time(journals: Sequence[Iterator[GateTurn]]) -> Iterator[Whose]:
    if len(journals) == 1:
        return ((0, turn) for turn in journals[0])
    timed = (_timed(number, journal) for number, journal in enumerate(journals))
    return ((number, turn) for _, number, turn in heapq.merge(*timed, key=itemgetter(0)))


def _timed(number: int, journal: Iterator[GateTurn]) -> Iterator[tuple[float, int, GateTurn]]:
    reached = 0.0
    for turn in journal:
        reached = max(reached, turn.time)
        yield reached, number, turn


class ForeignFacts:
    """What gates of which no journal is read told these."""

    def __init__(self, store: EmbeddedStore, read: Collection[int]) -> None:
        """``read``: the nodes whose journals are."""
        self.listings = ListImports(store.listed)
        self._read = frozenset(read)
        self._reached = (0, 0)

    def is_new(self, said: ReplicatedRecord) -> bool:
        """Whether nobody has heard it before; all hear the same, in the order of the log."""
        if said.node in self._read or said.place <= self._reached:
            return False
        self._reached = said.place
        return True
