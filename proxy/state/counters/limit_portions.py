"""Divides what a limit leaves into portions for several nodes.

In: the takes that nodes report and how many more they need, the time. Out: portions. Never: a clock, a request for each message,
a smaller portion than the node holds, unless it gave some back. It is pure.

The store holds a record of each counter: what was taken, in buckets of time, and what each node was handed and has not reported yet. What
is handed out counts as taken, so a limit is never passed, whatever is late, lost or repeated. A node asks when it has none left for a message
(which waits for that, and is judged again), and now and then for the counters it uses. It gets what its messages need, as far as there is
any, and for those that are yet to come at most the part of what is left that PARTS says. What it does not use it gives back.

    limit 1,000 ── taken 900 ── handed out: 20 to node 1, 12 to node 2 ── left 68: at most 17 for future messages, with two nodes

A node that is silent for LEASE_MS no longer uses its portion. The portion counts as taken from then on, because it is unknown how
much of it was, and expires with the window. If the node was only suspended or cut off, its next report says how much it used. If
it died, a process that takes its number over has another ``life`` and none of the portion.

A store that lost writes is recognised by the number of its last report (``PortionState.last_report``): the
node reports those again.

The store's functions (proxy/state/shared/lease_functions.py) do this; their specification in Python is tests/state/counters/portion_book.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

LEASE_MS = 3000
PARTS = 2
"""For future messages a node gets at most 1 / (PARTS × nodes) of what is left: the first of two nodes a quarter."""
NOBODY = -1
"""``PortionState.last_report`` if the store knew nothing of the node."""


class PortionLimit(NamedTuple):
    """A limit of a counter: no more than ``most`` takes later than ``after_s``."""

    most: int
    after_s: float


class PortionReport(NamedTuple):
    """A node's report about one counter."""

    life: int  # which of its lives speaks
    number: int  # from 1: no report counts twice
    taken: Mapping[int, int]  # by start of bucket, since the last report that was answered (negative: given back)
    back: int  # of what it holds, what it does not use any more
    need: int  # how many messages wait for this
    spare: int  # how many are likely to come before it asks again
    limits: tuple[PortionLimit, ...]
    width_s: int = 0  # of the counter; both are 0 where the node does not know them
    keep_s: int = 0


class PortionState(NamedTuple):
    """The store's answer to a report."""

    taken: int  # what counts after the tightest limit's ``after_s``, handed out to others included; not what it holds itself
    left: int  # what it holds itself
    room: int  # how much of that it may use: less than ``left`` where limits have become lower
    last_report: int  # the number of its last report that was known before this one
