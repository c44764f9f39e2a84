"""Shows all providers and each on its own page, with actions.

Never: a penalty without a second person: a throttle or a long suspension is proposed, and another officer approves.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from starlette.responses import Response

from proxy.console import forms
from proxy.console.page import Page, PageRequest, whole_number
from proxy.desk.complaints.page import SHARES, penalty_terms
from proxy.journal.records.penalties import LADDER
from proxy.model.message import CATEGORY_WORDS
from proxy.model.roles import Permission
from proxy.policy import time_windows
from proxy.policy.operator_orders import DIMENSIONS
from proxy.policy.registries.regions import PROVINCE_CODES

page = Page("providers", "/providers", wants=Permission.SEE, place=40)

LIMIT = 50
STOPS = ("1h", "4h", "24h", "3d", "7d", "30d")
SUSPENSIONS = ("4h", "24h", "3d", "7d", "30d", "90d")
WATCH_S = 10.0
MINUTES, MINUTE_S = 60, 60.0


@page.get()
async def show(request: PageRequest, problem: str = "", tried: dict[str, Any] | None = None) -> Response:
    orders = (await request.ask("stop.list"))["orders"]
    return request.render(
        problem=problem, tried=tried, orders=orders, lasts=STOPS, provinces=[(name, name) for name in PROVINCE_CODES],
        categories=request.choices("category", CATEGORY_WORDS), **await _rows(request),
    )  # fmt: skip


@page.get("table", renews=True)
async def table(request: PageRequest) -> Response:
    return request.part("table", **await _rows(request))


async def _rows(request: PageRequest) -> dict[str, Any]:
    lines, answer = await request.lines("providers")
    wanted, held = request.query.get("q", "").strip(), bool(request.query.get("held"))
    rows = [
        one
        for one in (line["provider"] for line in lines)
        if wanted.lower() in one["name"].lower() and (not held or one["held"] or one["penalties"] or one["proposed"])
    ]
    rows.sort(key=lambda one: (-sum(one["hour"].values()), -one["binds"], one["name"]))
    return {
        "providers": rows[request.skip : request.skip + LIMIT], "total": len(rows), "all": len(lines), "skip": request.skip, "limit": LIMIT,
        "at": answer["at"], "since": answer["since"], "q": wanted, "held": held,
    }  # fmt: skip


@page.post("stop", wants=Permission.ENTER, again=show)
async def stop(request: PageRequest) -> Response:
    """With ``try``: what it would do, counted for some seconds, and nothing stopped."""
    scope = {name: [word for word in request.form(name).replace("，", ",").split(",") if word.strip()] for name in DIMENSIONS}
    arguments: dict[str, Any] = {name: [word.strip() for word in words] or None for name, words in scope.items()}
    arguments |= {"for_s": forms.duration_s(request.form("lasts"), "24h"), "why": request.form("why")}
    if request.form("try"):
        return await show(request, tried=await request.ask("stop", **arguments, watch_s=WATCH_S))
    done = await request.ask("stop", **arguments)
    return request.go("/providers", request.t("stopped", whom=done["name"]))


@page.post("orders/{name}/lift", wants=Permission.ENTER)
async def lift(request: PageRequest) -> Response:
    name = request.path("name")
    await request.ask("stop.lift", id=name, why=request.form("why"))
    return request.go(_of(request.form("of")) if request.form("of") else "/providers", request.t("lifted", whom=name))


# -- one


@page.get("one/{name}/live", renews=True)
async def live(request: PageRequest) -> Response:
    return request.part("live", "providers_one.html", **await _about(request))


@page.get("one/{name}")
async def one(request: PageRequest, problem: str = "") -> Response:
    return request.render(
        "providers_one.html", problem=problem, suspensions=SUSPENSIONS, ladder=LADDER, shares=SHARES,
        penalties=(await request.ask("penalty.list", provider=request.path("name")))["penalties"][:20], **await _about(request),
    )  # fmt: skip


async def _about(request: PageRequest) -> dict[str, Any]:
    answer = await request.ask("providers.show", provider=request.path("name"))
    ahead = range(MINUTES - len(answer["minutes"]), 0, -1)
    answer["minutes"] = [[answer["since"] - MINUTE_S * back, 0, 0, 0] for back in ahead] + answer["minutes"]
    hour = [
        (time_windows.local(at)[11:16], list(zip(("allow", "defer", "reject"), counts, strict=True)))
        for at, *counts in answer["minutes"]
    ]
    return {"one": answer, "hour": hour}


@page.post("one/{name}/suspend", wants=Permission.ENTER, again=one)
async def suspend(request: PageRequest) -> Response:
    categories = ["marketing"] if request.form("what") == "marketing" else None
    for_s = forms.duration_s(request.form("lasts"), "24h")
    return await _done(request, "suspend", "suspended", category=categories, for_s=for_s)


@page.post("one/{name}/resume", wants=Permission.ENTER, again=one)
async def resume(request: PageRequest) -> Response:
    return await _done(request, "resume", "resumed")


@page.post("one/{name}/kick", wants=Permission.OPERATE, again=one)
async def kick(request: PageRequest) -> Response:
    """Kicks one bind or all of the provider's; with ``lasts`` suspends the provider in the same step, before it can bind again."""
    if for_s := forms.duration_s(request.form("lasts")):
        await request.ask("suspend", provider=request.path("name"), for_s=for_s, why=request.form("why"))
    return await _done(request, "binds.kick", "kicked", id=whole_number(request.form("id"), 9) or None)


@page.post("one/{name}/penalty", wants=Permission.ENTER, again=one)
async def penalty(request: PageRequest) -> Response:
    return await _done(request, "penalty.propose", "proposed", **penalty_terms(request))


async def _done(request: PageRequest, command: str, words: str, **arguments: Any) -> Response:
    name = request.path("name")
    await request.ask(command, provider=name, why=request.form("why"), **arguments)
    return request.go(_of(name), request.t(words, whom=name))


def _of(name: str) -> str:
    return f"/providers/one/{quote(name, safe='')}"
