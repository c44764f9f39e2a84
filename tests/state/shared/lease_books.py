"""The specification of leases of rates and of binds: what the store's functions must answer, in Python."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from proxy.state.shared.lease_rules import FLOOR, LEASE_MS, SPARE_S, LeasedBinds, RateGrant, RateRequest


class RateShare(NamedTuple):
    """What one node holds of a rate."""

    share: float  # the most that it may be using
    demand: float
    until_ms: int


class Spare(NamedTuple):
    """What nobody uses of a rate."""

    messages: float
    free: float  # what is in no share, a second
    at_ms: int


class BindLeases(NamedTuple):
    """How many places one node holds."""

    held: int
    until_ms: int


class RateBook:
    """The book of one rate: who holds how much of it, and what is to be lent."""

    def __init__(self) -> None:
        self.held: dict[int, RateShare] = {}
        self.spare = Spare(0.0, 0.0, 0)

    def ask(self, node: int, said: RateRequest, now_ms: int) -> RateGrant:
        held, total = self.held, said.total
        for one in [one for one, its in held.items() if its.until_ms <= now_ms]:
            del held[one]
        free = total
        for one in sorted(held):
            free -= held[one].share
        since_s = min(max(0, now_ms - self.spare.at_ms), LEASE_MS) / 1000
        spare = self.spare.messages + said.back + since_s * min(max(0.0, free), self.spare.free)
        held[node] = RateShare(said.using, said.demand, now_ms + LEASE_MS)
        nodes = sorted(held)
        fair = fair_parts(total, [held[one].demand for one in nodes])[nodes.index(node)]
        others = lack = 0.0
        for one in nodes:
            if one != node:
                others += held[one].share
                lack += max(0.0, held[one].demand - held[one].share)
        share = max(0.0, min(fair, total - others))
        held[node] = RateShare(max(share, said.using), said.demand, now_ms + LEASE_MS)
        spare = min(spare, max(len(nodes), SPARE_S * total))
        lent = min(spare, said.want)
        self.spare = Spare(spare - lent, max(0.0, total - others - held[node].share), now_ms)
        return RateGrant(share, len(nodes), lent, lack)


def fair_parts(total: float, demands: Sequence[float]) -> list[float]:
    """Who wants less than an equal part gets what it wants, the others share the rest equally; what nobody wants is divided equally. They sum
    up to the total."""
    many = len(demands)
    wanted = [max(demand, FLOOR * total / many) for demand in demands]
    parts, left, rest = [0.0] * many, total, many
    for place in sorted(range(many), key=lambda one: (wanted[one], one)):
        parts[place] = min(wanted[place], left / rest)
        left, rest = left - parts[place], rest - 1
    return [part + left / many for part in parts]


def ask_place(book: dict[int, BindLeases], node: int, most: int, held: int, more: bool, now_ms: int) -> LeasedBinds:
    """``node`` holds ``held`` of ``most``, and perhaps wants one more."""
    for one in [one for one, places in book.items() if places.until_ms <= now_ms]:
        del book[one]
    book[node] = BindLeases(held, now_ms + LEASE_MS)
    given = more and sum(one.held for one in book.values()) < most
    book[node] = BindLeases(held + given, now_ms + LEASE_MS)
    return LeasedBinds(given, sum(one.held for one in book.values()), len(book), sorted(book).index(node))
