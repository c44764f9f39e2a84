"""Routes: which lane a message takes. Pure.

In: the carriers of the settings and their lanes, the lanes of providers' own accounts. Out: a lane that is up, or None. Never:
sockets, the clock. What a provider with its own account sends takes that way and no other.
The most specific carriers that are up are asked: one that lists the province or the number's prefix before one that lists nothing;
among equals the person's number decides by weight, so that one person's messages keep to one lane while it is up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from proxy.config import Carrier
from proxy.message import Message, Verdict
from proxy.net.lane import Lane


class Routes:
    def __init__(self, carriers: Sequence[Carrier], lanes: Mapping[str, Lane], own: Mapping[str, Lane] | None = None) -> None:
        """``lanes`` by carrier, ``own`` by provider."""
        self._own = own or {}
        lone = len(carriers) == 1 and not self._own and not _specific(carriers[0])
        self.only = lanes[carriers[0].name] if lone else None
        self._ways = [(carrier, lanes[carrier.name]) for carrier in carriers]

    def lane(self, message: Message, verdict: Verdict) -> Lane | None:
        only = self.only
        if only is not None:
            return only if only.up else None
        own = self._own.get(message.sender.provider)
        if own is not None:
            return own if own.up else None
        best: list[tuple[Carrier, Lane]] = []
        best_rank = 0
        for carrier, lane in self._ways:
            rank = _rank(carrier, message.recipient, verdict.province)
            if not rank or not lane.up or rank < best_rank:
                continue
            if rank > best_rank:
                best, best_rank = [], rank
            best.append((carrier, lane))
        return _by_weight(best, message.recipient) if best else None


def _specific(carrier: Carrier) -> bool:
    return bool(carrier.routes or carrier.prefixes)


def _rank(carrier: Carrier, recipient: int, province: str) -> int:
    """0 = does not serve this person; else higher = more specific: 2 + length of the prefix, 2 for the province, 1 for anyone."""
    digits = str(recipient)
    matching = [len(prefix) for prefix in carrier.prefixes if digits.startswith(prefix)]
    if matching:
        return 2 + max(matching)
    if province in carrier.routes:
        return 2
    return 0 if _specific(carrier) else 1


def _by_weight(ways: list[tuple[Carrier, Lane]], recipient: int) -> Lane:
    if len(ways) == 1:
        return ways[0][1]
    total = sum(carrier.weight for carrier, _ in ways)
    place = (recipient * 2654435761 >> 7) % total  # Knuth's multiplier: neighbouring numbers spread out
    for carrier, lane in ways:
        place -= carrier.weight
        if place < 0:
            return lane
    return ways[-1][1]
