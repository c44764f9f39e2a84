"""Sums the gate's counters into a few rows for the pages.

Never: all that /metrics has (a thousand providers are ten thousand rows there); a recipient; the loop blocked: a thousand rows at a time are
summed.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from heapq import nlargest
from secrets import token_hex
from typing import Any

from proxy.desk.operator_orders.operations import WithOrders
from proxy.model.roles import Permission
from proxy.operations.control import Call
from proxy.operations.declaration import Answer, Operations, operation

ROWS_MAX = 50
"""Rows of providers and of rules, those with the most."""
SLICE = 1000
"""Rows between two turns of the loop: some 0.5 ms."""
ORDERS = ("stop", "suspension", "throttle", "shadow", "drain")

Labels = tuple[str, ...]


class Counters(Operations):
    def __init__(self, gate: WithOrders) -> None:
        self._gate, self._life = gate, token_hex(8)

    @operation(
        Permission.SEE, get=True, by_hand="the console and the API ask it",
        answer={
            "at": float, "lives": [(str, object)], "verdicts": [(str, str, int)], "reasons": [(str, int)], "providers": [(str, object, int)],
            "providers_in_all": int, "rules": [(str, int)], "shadow": [(str, int)], "optouts": int, "sent_after_optout": int,
            "titles": object, "judge_errors": int, "binds": int, "links": [(str, int, int, int)], "orders": int,
        },
    )  # fmt: skip
    async def counters(self, call: Call) -> Answer:
        """Show what was counted since the gate started, and what it holds now."""
        return await counter_rows(self._gate, self._life)


async def counter_rows(gate: WithOrders, life: str = "") -> dict[str, Any]:
    """``life``: a word for this start of the gate, from which on it counts."""
    tally = gate.relay.tally
    verdicts, reasons = Counter[tuple[str, str]](), Counter[str]()
    providers: defaultdict[str, Counter[str]] = defaultdict(Counter)
    async for (provider, category, verdict, reason), number in _rows(tally.submits):
        verdicts[category, verdict] += number
        providers[provider][verdict] += number
        if reason:
            reasons[reason] += number
    rules = (await _by_first(tally.rule_hits)).most_common(ROWS_MAX)
    shadow = (await _by_first(tally.shadow)).most_common(ROWS_MAX)
    named = {name for name, _ in (*rules, *shadow)}
    binds = Counter(link.access.provider.name for link in gate.binds())
    return {
        "at": gate.now(),
        "lives": [[life, _sum([[(verdict, number) for (_, verdict), number in verdicts.items()]])]],
        "verdicts": [[category, verdict, number] for (category, verdict), number in sorted(verdicts.items())],
        "reasons": reasons.most_common(ROWS_MAX),
        "providers": _with_most(providers, binds),
        "providers_in_all": len(gate.relay.directory.providers),
        "rules": rules,
        "shadow": shadow,
        "titles": {rule.id: rule.say or rule.id for rule in gate.relay.rules.rules if rule.id in named},
        "optouts": sum(tally.optouts.values()),
        "sent_after_optout": max(tally.sent_after_optout, tally.sent_against_record),
        "judge_errors": sum(tally.judge_errors.values()),
        "binds": binds.total(),
        "links": [
            [one.name, sum(link.session.bound for link in one.links), one.slots, sum(link.in_flight for link in one.links)]
            for one in gate.carrier_accounts
        ],
        "orders": len(gate.book.of_kind(*ORDERS)),
    }


def merged_counters(reports: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Merges the counters of several workers. A provider that is not among a worker's top rows is not counted there."""
    verdicts: Counter[tuple[str, str]] = Counter()
    providers: defaultdict[str, Counter[str]] = defaultdict(Counter)
    binds, links = Counter[str](), dict[str, tuple[int, int, int]]()
    for one in reports:
        for category, verdict, number in one["verdicts"]:
            verdicts[category, verdict] += number
        for name, counts, bound in one["providers"]:
            providers[name].update(counts)
            binds[name] += bound
        for name, up, slots, in_flight in one["links"]:  # each knows of all slots, and has some of them
            before = links.get(name, (0, 0, 0))
            links[name] = (before[0] + up, max(before[1], slots), before[2] + in_flight)
    return {
        **reports[0],
        "at": max(one["at"] for one in reports),
        "lives": [life for one in reports for life in one.get("lives", ())],
        "verdicts": [[category, verdict, number] for (category, verdict), number in sorted(verdicts.items())],
        "providers": _with_most(providers, binds),
        **{name: _sum(one[name] for one in reports).most_common(ROWS_MAX) for name in ("reasons", "rules", "shadow")},
        "titles": {name: title for one in reports for name, title in one["titles"].items()},
        **{name: sum(one[name] for one in reports) for name in ("optouts", "sent_after_optout", "judge_errors", "binds")},
        "links": [[name, *counts] for name, counts in links.items()],
    }


def _with_most(providers: Mapping[str, Counter[str]], binds: Mapping[str, int]) -> list[list[Any]]:
    names = nlargest(ROWS_MAX, providers, key=lambda name: providers[name].total())
    return [[name, dict(providers[name]), binds[name]] for name in names]


def _sum(rows: Iterable[Iterable[tuple[str, int]]]) -> Counter[str]:
    found = Counter[str]()
    for some in rows:
        for word, number in some:
            found[word] += number
    return found


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
