"""Leases: one total (a rate, a number of binds) kept over several nodes that ask for their part of it a few times a second. Pure.

In: who asks for what, the time. Out: what they may have, and until when. Never: a clock, a question for each message.

The store holds a record of each name, which only the store's functions (leasing.py) change. Their specification in Python, with which the tests
compare them, is tests/state/shared/lease_books.py.

    rates    each node says how much it would send (``demand``), and by what share it sends now (``using``); its new share is the fair part of
             the total, but never what others may still be using: a share that became smaller is others' when its node has said that it
             knows. What all send by never sums up to more than the total at any moment; it moves within three beats, two of who gives
    spares   what is in nobody's share between two beats, and what nodes give back because others lack it, is lent to those, message by
             message: so a total is used up though some claim more than they send
    places   each node says how many it holds; one more is given while all together hold fewer than the most

What a node holds is its own for LEASE_MS and no longer: a node that has died, or cannot reach the store, has given it back by then. A node
counts that time from before it asked, the store from when it was asked: no node thinks that it has what another was given.
"""

from __future__ import annotations

from typing import NamedTuple

BEAT_S = 0.2
"""A node asks so often: a share that is not used goes to others within three times this."""
LEASE_MS = 3000
"""So long what a node holds stays its own without a word of it: what a dead node held is back after this and one beat."""
FLOOR = 0.01
"""Of the total, divided among all who hold some: so much each keeps though it uses nothing, so that its first messages pass. What others
cannot have because of that stays well within the 5 % that are promised."""
SPARE_S = 0.025
"""Of the total, or one message for each node: so much is there to be lent at most, and so much may a second bring beyond the total."""


class Ask(NamedTuple):
    """What one node says of a rate."""

    total: float
    demand: float
    using: float  # the share that it goes by
    back: float = 0.0  # messages that it might have sent, and lets others send
    want: float = 0.0  # messages that it might have sent beyond its share


class Given(NamedTuple):
    """What a node learns."""

    share: float
    nodes: int
    lent: float  # messages, once
    lack: float  # how much more than their shares others would send


class LeasedBinds(NamedTuple):
    """What a node learns."""

    given: bool  # whether it got one more
    held: int  # by all nodes
    nodes: int  # how many there are
    rank: int  # its own place among them, from 0
