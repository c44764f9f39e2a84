"""Together: journals of several gates on one store, read by time as if they were one.

In: the turns of each. Out: turns by time, and whose each is; of what gates told each other each thing once. Never: what a record means.

Each gate's own order stays, though its clock was set back. What a gate whose journal is read told the others is known from that journal, as of
the moment at which it was written there; what one told of which no journal is read is told as of when the first of these heard it.
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
