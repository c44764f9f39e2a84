"""Chooses the lane that a message takes.

In: the carriers of the settings and their lanes, the lanes of providers' own accounts. Out: a lane that is up, or None. Never: sockets, the
clock. Pure.

A provider with its own account uses only that. Otherwise the most specific carriers that are up are considered: one that lists the number's
prefix or the province before one that lists nothing. Among equals the recipient's number decides by weight, so that one person's messages
keep to one lane while it is up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import cython

from proxy.config import Carrier
from proxy.model.message import Message, Sender
from proxy.net.lane import Lane

if TYPE_CHECKING:
    from proxy.model.message import Verdict

TIERS_MOST = 65_536
"""Cache size of ``_tiers``: provinces, and where carriers take prefixes of numbers, pairs of province and prefix."""

Tier = tuple[tuple[int, Lane], ...]
"""Equally specific carriers, each with its weight."""


@cython.cclass
class Routes:
    only: Any  # Lane | None
    """The lane of every message, where there is only one."""
    _own: dict[str, Lane]
    _ways: list[tuple[Carrier, Lane]]
    _longest: cython.Py_ssize_t
    """Digits of the longest prefix that a carrier takes."""
    _tiers: dict[str, tuple[Tier, ...]]

    def __init__(self, carriers: Sequence[Carrier], lanes: Mapping[str, Lane], own: Mapping[str, Lane] | None = None) -> None:
        """``lanes`` by carrier, ``own`` by provider."""
        self._own = dict(own or {})
        lone = len(carriers) == 1 and not self._own and not _specific(carriers[0])
        self.only = lanes[carriers[0].name] if lone else None
        self._ways = [(carrier, lanes[carrier.name]) for carrier in carriers]
        self._longest = max((len(prefix) for carrier in carriers for prefix in carrier.prefixes), default=0)
        self._tiers = {}

    def lane(self, message: Message, verdict: Verdict) -> Lane | None:
        only: Lane | None = self.only
        if only is not None:
            return only if only.up else None
        sender: Sender = message.sender
        own = self._own.get(sender.provider)
        if own is not None:
            return own if own.up else None
        place = verdict.province
        if self._longest:
            place = f"{place} {str(message.recipient)[: self._longest]}"
        tiers = self._tiers.get(place)
        if tiers is None:
            tiers = self._learn(place, message.recipient, verdict.province)
        for tier in tiers:
            total = 0
            for weight, lane in tier:
                total += weight if lane.up else 0
            if total:
                return _by_weight(tier, total, message.recipient)
        return None

    def _learn(self, place: str, recipient: int, province: str) -> tuple[Tier, ...]:
        """The carriers that serve a place, the most specific tier first."""
        ranked: dict[int, list[tuple[int, Lane]]] = {}
        for carrier, lane in self._ways:
            ranked.setdefault(_rank(carrier, recipient, province), []).append((carrier.weight, lane))
        ranked.pop(0, None)
        if len(self._tiers) >= TIERS_MOST:
            self._tiers.clear()
        found = self._tiers[place] = tuple(tuple(ranked[rank]) for rank in sorted(ranked, reverse=True))
        return found


def _specific(carrier: Carrier) -> bool:
    return bool(carrier.routes or carrier.prefixes)


def _rank(carrier: Carrier, recipient: int, province: str) -> int:
    """How specific a carrier is: 0 = does not serve this person, 1 = anyone, 2 = the province, 2 + length of the prefix."""
    digits = str(recipient)
    matching = [len(prefix) for prefix in carrier.prefixes if digits.startswith(prefix)]
    if matching:
        return 2 + max(matching)
    if province in carrier.routes:
        return 2
    return 0 if _specific(carrier) else 1


def _by_weight(tier: Tier, total: int, recipient: int) -> Lane:
    """One of the lanes that are up, by weight; ``total``: their weights together."""
    place = (recipient * 2654435761 >> 7) % total  # Knuth's multiplier: neighbouring numbers spread out
    up = [way for way in tier if way[1].up]
    for weight, lane in up:
        place -= weight
        if place < 0:
            return lane
    return up[-1][1]
