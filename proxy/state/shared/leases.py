"""Divides a rate or a number of binds between several nodes.

In: each node's request, the time. Out: what each node may use, and until when. Never: a clock, a request for each message. It is
pure.

The store keeps one book per name. Lua functions in the store apply the same steps as this module, line for line (tests compare
them).

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

from collections.abc import Sequence
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


class RateShare(NamedTuple):
    """One node's share of a rate."""

    share: float  # the most that it may be using
    demand: float
    until_ms: int


class Spare(NamedTuple):
    """Unused capacity of a rate."""

    messages: float
    free: float  # what is in no share, a second
    at_ms: int


class Ask(NamedTuple):
    """One node's request for a share of a rate."""

    total: float
    demand: float
    using: float  # the share that it goes by
    back: float = 0.0  # messages that it might have sent, and lets others send
    want: float = 0.0  # messages that it might have sent beyond its share


class Given(NamedTuple):
    """The store's answer about a rate."""

    share: float
    nodes: int
    lent: float  # messages, once
    lack: float  # how much more than their shares others would send


class BindLeases(NamedTuple):
    """The binds that one node holds."""

    held: int
    until_ms: int


class RateBook:
    """The book of one rate: the shares of nodes, and the capacity to lend."""

    def __init__(self) -> None:
        self.held: dict[int, RateShare] = {}
        self.spare = Spare(0.0, 0.0, 0)

    def ask(self, node: int, request: Ask, now_ms: int) -> Given:
        held, total = self.held, request.total
        for one in [one for one, its in held.items() if its.until_ms <= now_ms]:
            del held[one]
        free = total
        for one in sorted(held):
            free -= held[one].share
        since_s = min(max(0, now_ms - self.spare.at_ms), LEASE_MS) / 1000
        spare = self.spare.messages + request.back + since_s * min(max(0.0, free), self.spare.free)
        held[node] = RateShare(request.using, request.demand, now_ms + LEASE_MS)
        nodes = sorted(held)
        fair = fair_parts(total, [held[one].demand for one in nodes])[nodes.index(node)]
        others = lack = 0.0
        for one in nodes:
            if one != node:
                others += held[one].share
                lack += max(0.0, held[one].demand - held[one].share)
        share = max(0.0, min(fair, total - others))
        held[node] = RateShare(max(share, request.using), request.demand, now_ms + LEASE_MS)
        spare = min(spare, max(len(nodes), SPARE_S * total))
        lent = min(spare, request.want)
        self.spare = Spare(spare - lent, max(0.0, total - others - held[node].share), now_ms)
        return Given(share, len(nodes), lent, lack)


def fair_parts(total: float, demands: Sequence[float]) -> list[float]:
    """The fair parts of a total (max-min fairness): a node that demands less than an equal part gets its demand, the others share the rest
    equally. Capacity beyond all demands is divided equally, so the parts sum up to the total."""
    many = len(demands)
    wanted = [max(demand, FLOOR * total / many) for demand in demands]
    parts, left, rest = [0.0] * many, total, many
    for place in sorted(range(many), key=lambda one: (wanted[one], one)):
        parts[place] = min(wanted[place], left / rest)
        left, rest = left - parts[place], rest - 1
    return [part + left / many for part in parts]


class LeasedBinds(NamedTuple):
    """The store's answer about binds."""

    given: bool  # whether it got one more
    held: int  # by all nodes
    nodes: int  # how many there are
    rank: int  # its own place among them, from 0


def ask_place(book: dict[int, BindLeases], node: int, most: int, held: int, more: bool, now_ms: int) -> LeasedBinds:
    """``node`` reports that it holds ``held`` of ``most`` binds; ``more``: it requests one more."""
    for one in [one for one, places in book.items() if places.until_ms <= now_ms]:
        del book[one]
    book[node] = BindLeases(held, now_ms + LEASE_MS)
    given = more and sum(one.held for one in book.values()) < most
    book[node] = BindLeases(held + given, now_ms + LEASE_MS)
    return LeasedBinds(given, sum(one.held for one in book.values()), len(book), sorted(book).index(node))
