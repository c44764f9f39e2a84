"""Divides a rate or a number of binds between several nodes.

It is pure: it knows no clock, and no request for each message.

The store holds a record of each name, which only the store's functions (lease_functions.py) change. Their specification in Python,
with which the tests
compare them, is tests/state/shared/lease_books.py.

    rates    each node reports its demand (``demand``) and the share it uses now (``using``). Its new share is the fair part of the total, but
             never what others may still be using: a share that became smaller is free when its node has reported the smaller one. The
             shares in use never exceed the total; a share moves within three beats, two of them by the node that gives
    spares   capacity in no node's share between two beats, and what nodes give back because others lack it, is lent to those, message by
             message: so the whole total is used though some nodes claim more than they send
    places   each node reports how many it holds; one more is granted while all nodes together hold fewer than the most

A node keeps what it holds for LEASE_MS and no longer: what a dead or disconnected node held is free after that. A node counts the
time from before its request, the store from when the request arrived: no node uses what another was given.
"""

from __future__ import annotations

from typing import NamedTuple

BEAT_S = 0.2
"""How often a node asks: an unused share goes to other nodes within three beats."""
LEASE_MS = 3000
"""How long a node keeps what it holds without asking: what a dead node held is free after this and one beat."""
FLOOR = 0.01
"""The fraction of the total that is divided among all nodes whether they use it or not, so that their first messages pass. It stays well within
the promised 5 %."""
SPARE_S = 0.025
"""Seconds of the total (or one message per node) that may be lent at most, and by which one second may exceed the total."""


class RateRequest(NamedTuple):
    """One node's request for a share of a rate."""

    total: float
    demand: float
    using: float  # the share that it goes by
    back: float = 0.0  # messages that it might have sent, and lets others send
    want: float = 0.0  # messages that it might have sent beyond its share


class RateGrant(NamedTuple):
    """The store's answer about a rate."""

    share: float
    nodes: int
    lent: float  # messages, once
    lack: float  # how much more than their shares others would send


class LeasedBinds(NamedTuple):
    """The store's answer about binds."""

    given: bool  # whether it got one more
    held: int  # by all nodes
    nodes: int  # how many there are
    rank: int  # its own place among them, from 0
