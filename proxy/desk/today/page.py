"""Shows how the gate does now: verdicts, providers and rules."""

from __future__ import annotations

import asyncio
import re
from typing import Any

from starlette.responses import Response

from proxy.console.metric_sampling import MINUTE_S, VERDICTS, Sampling, sums
from proxy.console.page import Page, PageRequest
from proxy.model.roles import Permission
from proxy.policy import time_windows

page = Page("today", "/", wants=Permission.SEE, place=10)

ROWS = 8
SPARK = 150
"""Moments of the lines: five minutes."""
COLUMNS = 60
"""Minutes of the columns."""
NAMED = 5
"""One minute in this many has a label: those of a clock's face."""
ACCOUNT = re.compile(r" \(uid \d+, pid \d+\)")
KEPT_OUT = "rules: the folder's set"
"""How the note begins that the page has words of its own for."""


@page.get()
async def show(request: PageRequest) -> Response:
    return request.render(**await seen(request))


@page.get("today/live", renews=True)
async def live(request: PageRequest) -> Response:
    return request.part("live", **await seen(request))


@page.get("today/waits", renews=True)
async def waits(request: PageRequest) -> Response:
    """Everything that waits for a person: it changes seldom, and takes several questions."""
    ready, rules, penalties = await asyncio.gather(
        request.asking.ready(), request.ask("rules"), request.ask("penalty.list", state="proposed")
    )
    overdue, doubtful = 0, {"open": 0, "overdue": 0}
    if request.may(Permission.LOOK):
        doubtful = (await request.ask("optout.doubtful", limit=0))["counts"]
        overdue = sum((await request.ask("complaint.list", overdue=True, limit=1))["overdue"].values())
    return request.part(
        "waits", why=ready["why"],
        notes=[ACCOUNT.sub("", one) for one in ready["notes"] if not (rules["kept_out"] and one.startswith(KEPT_OUT))],
        kept_out=rules["kept_out"], in_force=rules["revision"], proposed=rules["proposed"], penalties=len(penalties["penalties"]),
        overdue=overdue, doubtful=doubtful,
    )  # fmt: skip


async def seen(request: PageRequest) -> dict[str, Any]:
    sampling = request.app.sampling
    sampling.look()
    if not sampling.now:
        await sampling.sample()
    return (
        {"now": sampling.now, "failed": sampling.failed, **figures(sampling)}
        if sampling.now
        else {"now": {}, "failed": sampling.failed}
    )


def figures(sampling: Sampling) -> dict[str, Any]:
    now = sampling.now
    by_verdict = sums(now)
    total = sum(by_verdict.values())
    recent = list(sampling.recent)[-SPARK:]
    return {
        "total": total, "by_verdict": by_verdict, "per_s": sampling.per_s, "rate": [sum(one.per_s.values()) for one in recent],
        "refused": [one.per_s["reject"] + one.per_s["defer"] for one in recent], "minutes": _minutes(sampling, now["at"]),
        "first": int(-(now["at"] // MINUTE_S - COLUMNS + 1) % NAMED),
        "peak": max((sum(one.per_s.values()) for one in recent), default=0.0), "allowed": [one.per_s["allow"] for one in recent],
        "providers": [_provider(*row) for row in now["providers"][:ROWS]], "rules": now["rules"][:ROWS],
        "shadow": now["shadow"][:ROWS], "since": sampling.since, "links_up": sum(up for _, up, _, _ in now["links"]),
        "links_all": sum(slots for _, _, slots, _ in now["links"]),
    }  # fmt: skip


def _minutes(sampling: Sampling, now: float) -> list[tuple[str, list[tuple[str, float]]]]:
    """The last hour, minutes without a word included: a column keeps its place."""
    known, last = {one.at: one.counted for one in sampling.minutes}, now // MINUTE_S * MINUTE_S
    hour = [last - MINUTE_S * back for back in reversed(range(COLUMNS))]
    return [
        (time_windows.local(at)[11:16], [(verdict, known.get(at, {}).get(verdict, 0.0)) for verdict in VERDICTS]) for at in hour
    ]


def _provider(name: str, verdicts: dict[str, int], binds: int) -> dict[str, Any]:
    return {
        "name": name,
        "binds": binds,
        "sent": sum(verdicts.values()),
        **{verdict: verdicts.get(verdict, 0) for verdict in VERDICTS},
    }
