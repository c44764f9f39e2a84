"""Counters: what the gate has counted since its start, and what it holds now, in a few rows: for pages that look every other second.

In: the tally, binds, houses. Out: sums, the providers and rules with the most. Never: what /metrics has in full (a thousand providers are
ten thousand rows there); a recipient; the loop held: a thousand rows at a time are added up.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Mapping
from heapq import nlargest
from typing import Any

from proxy.ops.control import Call, Handler
from proxy.ops.gate import Gate

ROWS_MAX = 50
"""Providers, and rules: whoever has the most."""
SLICE = 1000
"""Rows between two turns of the loop: some 0.5 ms."""
ORDERS = ("stop", "suspension", "throttle", "shadow", "drain")

Labels = tuple[str, ...]


def commands(gate: Gate) -> Mapping[str, Handler]:
    async def counters(call: Call) -> Mapping[str, Any]:
        call.args.done()
        return await counted(gate)

    return {"counters": counters}


async def counted(gate: Gate) -> dict[str, Any]:
    tally = gate.relay.tally
    verdicts, reasons = Counter[tuple[str, str]](), Counter[str]()
    providers: defaultdict[str, Counter[str]] = defaultdict(Counter)
    async for (provider, category, verdict, reason), number in _rows(tally.submits):
        verdicts[category, verdict] += number
        providers[provider][verdict] += number
        if reason:
            reasons[reason] += number
    rules, shadow = await _by_first(tally.rule_hits), await _by_first(tally.shadow)
    binds = Counter(link.access.provider.name for link in gate.binds())
    return {
        "at": gate.now(),
        "verdicts": [[category, verdict, number] for (category, verdict), number in sorted(verdicts.items())],
        "reasons": reasons.most_common(ROWS_MAX),
        "providers": [
            [name, dict(providers[name]), binds[name]]
            for name in nlargest(ROWS_MAX, providers, key=lambda name: providers[name].total())
        ],
        "providers_in_all": len(gate.relay.directory.providers),
        "rules": rules.most_common(ROWS_MAX),
        "shadow": shadow.most_common(ROWS_MAX),
        "optouts": sum(tally.optouts.values()),
        "sent_after_optout": tally.sent_after_optout,
        "judge_errors": sum(tally.judge_errors.values()),
        "binds": binds.total(),
        "links": [
            [
                house.name,
                sum(link.session.bound for link in house.links),
                house.slots,
                sum(link.in_flight for link in house.links),
            ]
            for house in gate.houses
        ],
        "orders": len(gate.book.of_kind(*ORDERS)),
    }


async def _by_first(counted: Mapping[Labels, int]) -> Counter[str]:
    """By the first label alone."""
    found = Counter[str]()
    async for (first, *_), number in _rows(counted):
        found[first] += number
    return found


async def _rows(counted: Mapping[Labels, int]) -> AsyncIterator[tuple[Labels, int]]:
    """What stands there now, with turns of the loop between slices."""
    for place, row in enumerate(list(counted.items()), 1):
        yield row
        if place % SLICE == 0:
            await asyncio.sleep(0)
