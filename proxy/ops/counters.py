"""Counters: what the gate has counted since its start, and what it holds now, in a few rows: for pages that look every other second.

In: the tally, binds, houses. Out: sums, the providers and rules with the most. Never: what /metrics has in full (a thousand providers are
ten thousand rows there); a recipient.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from heapq import nlargest
from typing import Any

from proxy.ops.control import Call, Handler
from proxy.ops.gate import Gate

ROWS_MAX = 50
"""Providers, and rules: whoever has the most."""


def commands(gate: Gate) -> Mapping[str, Handler]:
    async def counters(call: Call) -> Mapping[str, Any]:
        call.args.done()
        return counted(gate)

    return {"counters": counters}


def counted(gate: Gate) -> dict[str, Any]:
    tally = gate.relay.tally
    verdicts, reasons = Counter[tuple[str, str]](), Counter[str]()
    providers: dict[str, Counter[str]] = {}
    for (provider, category, verdict, reason), number in list(tally.submits.items()):
        verdicts[category, verdict] += number
        providers.setdefault(provider, Counter())[verdict] += number
        if reason:
            reasons[reason] += number
    rules, shadow = Counter[str](), Counter[str]()
    for (rule, _), number in list(tally.rule_hits.items()):
        rules[rule] += number
    for (rule, _), number in list(tally.shadow.items()):
        shadow[rule] += number
    binds = Counter(link.access.provider.name for link in gate.binds())
    most = nlargest(ROWS_MAX, providers, key=lambda name: providers[name].total())
    return {
        "at": gate.now(),
        "verdicts": [[category, verdict, number] for (category, verdict), number in sorted(verdicts.items())],
        "reasons": reasons.most_common(ROWS_MAX),
        "providers": [[name, dict(providers[name]), binds[name]] for name in most],
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
        "orders": len(gate.book.of_kind("stop", "suspension", "throttle", "shadow", "drain")),
    }
