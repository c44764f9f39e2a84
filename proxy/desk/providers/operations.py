"""Declares the operations that report on providers.

A row has connections, limits, the rate now and over the last hour, refusals by reason, orders and penalties. What a provider asks about itself
over HTTP is in own_endpoints.py. Never: a recipient; the loop blocked: a thousand providers are looked at some at a time.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict, deque
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any

from proxy.config.yaml_file import unknown
from proxy.desk.connections import operations as binds
from proxy.desk.operator_orders import operations as orders
from proxy.desk.penalties.hourly_counts import added
from proxy.model.message import Order
from proxy.model.roles import Permission
from proxy.operations.control import Call, CommandRefused
from proxy.operations.declaration import Answer, Operations, operation
from proxy.operations.parameters import Text
from proxy.policy.time_windows import DAY_S, OFFSET_S

if TYPE_CHECKING:
    from proxy.config import Provider
    from proxy.desk.penalties.scheduler import PenaltyScheduler, WithPenalties
    from proxy.model.counters import GateCounters
    from proxy.net.provider_link import ProviderLink
    from proxy.relay.account_access import Access

MINUTE_S = 60.0
MINUTES = 60
HOUR_S = 3600
VERDICTS = ("allow", "defer", "reject")
SLICE = 100
"""Providers reported before the loop may turn to traffic: each costs some 6 microseconds."""

Counts = tuple[int, int, int]
"""Submits that were allowed, deferred and refused."""
NOTHING: Counts = (0, 0, 0)


class MinuteCounts:
    """Counts by provider at the start of each of the last sixty clock minutes, so that those of several workers can be added up."""

    def __init__(self, tally: GateCounters) -> None:
        self._tally = tally
        self._seen: deque[tuple[float, dict[str, Counts]]] = deque(maxlen=MINUTES + 1)
        self._minute = -1

    def tick(self, now: float) -> None:
        """A few times a second; of a thousand providers a look takes 3 ms, once a minute."""
        if (minute := int(now // MINUTE_S)) != self._minute:
            self._seen.append((minute * MINUTE_S if self._seen else now, self._running()))
            self._minute = minute

    def _running(self) -> dict[str, Counts]:
        found: dict[str, list[int]] = {}
        for (provider, _, verdict, _), number in self._tally.submits.items():
            found.setdefault(provider, [0, 0, 0])[VERDICTS.index(verdict)] += number
        return {name: (one[0], one[1], one[2]) for name, one in found.items()}

    def hour(self, now: float) -> tuple[float, dict[str, Counts]]:
        """(since when, what was counted since then by provider): about an hour, less of a gate that has just started."""
        if not self._seen:
            return now, {}
        since, before = self._seen[0]
        return since, {name: _difference(counts, before.get(name)) for name, counts in self._running().items()}

    def minutes(self, provider: str, now: float) -> list[tuple[float, Counts]]:
        """(when it began, what was counted of this provider in it), the oldest first; the last one goes on."""
        marks = [(at, counts.get(provider)) for at, counts in self._seen]
        if marks:
            marks.append((now, self._running().get(provider)))
        return [(since, _difference(after or NOTHING, before)) for (since, before), (_, after) in pairwise(marks)]


def _difference(now: Counts, before: Counts | None) -> Counts:
    return now if before is None else (now[0] - before[0], now[1] - before[1], now[2] - before[2])


def merged_row(reports: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Merges a provider's rows of several workers (at least one): counts are added up, orders and penalties are known to all."""
    row = {**reports[0], **{name: sum(one[name] for one in reports) for name in ("binds", "unanswered", "waiting")}}
    row["per_s"] = round(sum(one["per_s"] for one in reports), 1)
    row["hour"] = {verdict: sum(one["hour"][verdict] for one in reports) for verdict in VERDICTS}
    return row


def merged_report(reports: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Merges several workers' reports on one provider."""
    counted: defaultdict[float, list[float]] = defaultdict(lambda: [0.0, 0, 0, 0])
    binds = Counter[str]()
    for one in reports:
        for since, *counts in one["minutes"]:
            row = counted[since // MINUTE_S]
            row[:] = min(row[0] or since, since), *map(sum, zip(row[1:], counts, strict=True))
        for account in one["accounts"]:
            binds[account["account"]] += account["binds"]
    return merged_row(reports) | {
        "at": max(one["at"] for one in reports),
        "since": min(one["since"] for one in reports),
        "minutes": [counted[minute] for minute in sorted(counted)],
        "accounts": [{**account, "binds": binds[account["account"]]} for account in reports[0]["accounts"]],
        "binds_now": sorted((bind for one in reports for bind in one["binds_now"]), key=lambda bind: bind["id"]),
    }


class ProviderReports(Operations, group="providers"):
    def __init__(self, gate: WithPenalties, scheduler: PenaltyScheduler, minutes_counted: MinuteCounts) -> None:
        self._gate, self._scheduler, self._minutes = gate, scheduler, minutes_counted

    @operation(
        Permission.SEE, name="providers", answer={"at": float, "since": float, "providers": [object]}, get=True,
        lines="provider", under="providers", by_hand="the console and the API ask it",
    )  # fmt: skip
    async def list_(self, call: Call) -> Answer:
        """Show how each provider does, about an hour back."""
        gate, now = self._gate, self._gate.now()
        since, hour = self._minutes.hour(now)
        bound: dict[str, Any] = {}
        for bind in gate.binds():
            bound.setdefault(bind.access.provider.name, []).append(bind)
        held = self._orders()
        for place, (name, provider) in enumerate(gate.relay.directory.providers.items(), 1):
            row = self._row(provider, bound.get(name, []), held.get(name, []))
            await call.say({"provider": row | {"hour": dict(zip(VERDICTS, hour.get(name, NOTHING), strict=True))}})
            if place % SLICE == 0:
                await asyncio.sleep(0)
        return {"at": now, "since": since}

    @operation(Permission.SEE, get=True, by_hand="the console and the API ask it")
    async def show(self, call: Call, provider: Annotated[str, Text("A provider of the settings.")]) -> Answer:
        """Show how one provider does, minute by minute."""
        gate, name, now = self._gate, provider, self._gate.now()
        found = gate.relay.directory.providers.get(name)
        if found is None:
            raise CommandRefused(unknown("provider of the settings", name, gate.relay.directory.providers))
        bound = [bind for bind in gate.binds() if bind.access.provider.name == name]
        held, minutes = self._orders().get(name, []), self._minutes.minutes(name, now)
        totals = map(sum, zip(NOTHING, *(counts for _, counts in minutes), strict=True))
        return self._row(found, bound, held) | {
            "at": now, "since": minutes[0][0] if minutes else now, "hour": dict(zip(VERDICTS, totals, strict=True)),
            "minutes": [[since, *counts] for since, counts in minutes],
            "accounts": [_account(one) for one in gate.relay.directory.accesses.values() if one.provider.name == name],
            "binds_now": [binds.bind_row(bind, {}) for bind in bound], "orders": [orders.order_row(order) for order in held],
            "window": found.window, "addresses": list(map(str, found.allow_ips)), "day": self._day(name, now),
        }  # fmt: skip

    def _orders(self) -> Mapping[str, Sequence[Order]]:
        """By provider that they name, those in force."""
        now, found = self._gate.now(), dict[str, Any]()
        for order in self._gate.book.of_kind("stop", "suspension", "throttle"):
            if order.until > now:
                for name in dict(order.scope).get("provider", ()):
                    found.setdefault(name, []).append(order)
        return found

    def _row(self, provider: Provider, bound: Sequence[ProviderLink], held: Sequence[Order]) -> dict[str, Any]:
        gate, name = self._gate, provider.name
        borne = [one for one in gate.penalties.in_force() if one.provider == name]
        return {
            "name": name,
            "category": provider.category.word if provider.category is not None else "",
            "ports": list(provider.ports),
            "binds": len(bound),
            "binds_max": provider.binds,
            "unanswered": sum(bind.unanswered for bind in bound),
            "per_s": round(sum(bind.tps for bind in bound), 1),
            "limit_per_s": gate.relay.directory.limits.get(name),
            "own_limit_per_s": provider.tps,
            "over_rate": provider.over_rate,
            "waiting": sum(bind.waiting for bind in bound),
            "complaint_ppm": self._scheduler.ppm.get((name,)),
            "held": [{"name": one.name, "kind": one.kind, "about": dict(one.scope).get("category", ()), "until": one.until} for one in held],
            "penalties": [{"id": one.id, "step": one.step, "share": one.share, "until": one.until} for one in borne],
            "proposed": sum(one.provider == name for one in gate.penalties.waiting()),
        }  # fmt: skip

    def _day(self, name: str, now: float) -> dict[str, Any]:
        """Of today, by the clock hour, of other gates as of the last five minutes; it outlives a restart."""
        start = (int(now) + OFFSET_S) // DAY_S * DAY_S - OFFSET_S
        counted, tally = self._scheduler.hours, self._gate.relay.tally
        hours = [(at, counted.of(name, at, at + 1)) for at in range(start, int(now) + 1, HOUR_S)]
        hours[-1] = hours[-1][0], added(hours[-1][1], counted.untaken(name, tally.submits, tally.optouts))
        reasons = Counter[str]()
        for _, counts in hours:
            reasons.update(counts.refused)
        return {
            "since": start,
            "hours": [[at, counts.sent, sum(counts.refused.values())] for at, counts in hours],
            "sent": sum(counts.sent for _, counts in hours),
            "optouts": sum(counts.optouts for _, counts in hours),
            "reasons": reasons.most_common(),
            "others_late_s": counted.others_late_s,
        }


def _account(access: Access) -> dict[str, Any]:
    account = access.account
    return {
        "account": account.system_id, "binds": access.binds, "binds_max": account.binds, "limit_per_s": account.tps,
        "ports": list(account.ports or ()),
    }  # fmt: skip
