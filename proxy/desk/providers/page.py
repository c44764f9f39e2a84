"""Shows all providers and each on its own page, with actions.

In: the gate's reports on providers. Out: a list that renews itself, one provider's page; suspensions, stops, kicks, proposals of penalties.
Never: a number of a person; a penalty without a second person: a throttle or a long suspension is proposed, and another officer approves.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from starlette.responses import Response

from proxy.console import forms
from proxy.console.gate_client import CannotAsk
from proxy.console.page import Page, PageRequest
from proxy.journal.records.penalties import LADDER
from proxy.model.message import CATEGORY_WORDS
from proxy.model.roles import Permission
from proxy.policy import time_windows
from proxy.policy.orders import DIMENSIONS
from proxy.policy.registries.regions import PROVINCE_CODES

page = Page("providers", "/providers", wants=Permission.SEE, place=40)

LIMIT = 50
STOPS = ("1h", "4h", "24h", "3d", "7d", "30d")
SUSPENSIONS = ("4h", "24h", "3d", "7d", "30d", "90d")
PENALTIES = ("7d", "30d", "90d", "180d", "366d")
SHARES = ("0.75", "0.5", "0.25", "0.1")
WATCH_S = 10.0
MINUTES, MINUTE_S = 60, 60.0


@page.get()
async def show(visit: PageRequest) -> Response:
    return await _list(visit)


@page.get("table", renews=True)
async def table(visit: PageRequest) -> Response:
    return visit.part("table", **await _rows(visit))


async def _list(visit: PageRequest, problem: str = "", tried: dict[str, Any] | None = None) -> Response:
    orders = (await visit.ask("stop.list"))["orders"]
    return visit.render(
        status=409 if problem else 200, problem=problem, tried=tried, orders=orders, lasts=STOPS,
        provinces=[(name, name) for name in PROVINCE_CODES],
        categories=[(word, visit.t.of("category", word)) for word in CATEGORY_WORDS], **await _rows(visit),
    )  # fmt: skip


async def _rows(visit: PageRequest) -> dict[str, Any]:
    lines, told = await visit.lines("providers")
    wanted, held = visit.query.get("q", "").strip(), bool(visit.query.get("held"))
    rows = [
        one
        for one in (line["provider"] for line in lines)
        if wanted.lower() in one["name"].lower() and (not held or one["held"] or one["penalties"] or one["proposed"])
    ]
    rows.sort(key=lambda one: (-sum(one["hour"].values()), -one["binds"], one["name"]))
    skip = _number(visit.query.get("skip", ""))
    return {
        "providers": rows[skip : skip + LIMIT], "total": len(rows), "all": len(lines), "skip": skip, "limit": LIMIT, "at": told["at"],
        "since": told["since"], "q": wanted, "held": held,
    }  # fmt: skip


@page.post("stop", wants=Permission.ENTER)
async def stop(visit: PageRequest) -> Response:
    """With ``try``: what it would do, counted for some seconds, and nothing stopped."""
    scope = {name: [word for word in visit.form(name).replace("，", ",").split(",") if word.strip()] for name in DIMENSIONS}
    said: dict[str, Any] = {name: [word.strip() for word in words] or None for name, words in scope.items()}
    said |= {"for_s": forms.lasts(visit.form("lasts"), "24h"), "why": visit.form("why")}
    try:
        if visit.form("try"):
            return await _list(visit, tried=await visit.ask("stop", **said, watch_s=WATCH_S))
        done = await visit.ask("stop", **said)
    except CannotAsk as error:
        return await _list(visit, forms.beside(error))
    return visit.go("/providers", visit.t("stopped", whom=done["name"]))


@page.post("orders/{name}/lift", wants=Permission.ENTER)
async def lift(visit: PageRequest) -> Response:
    name = visit.path("name")
    await visit.ask("stop.lift", id=name, why=visit.form("why"))
    return visit.go(_of(visit.form("of")) if visit.form("of") else "/providers", visit.t("lifted", whom=name))


# -- one


@page.get("one/{name}")
async def one(visit: PageRequest) -> Response:
    return await _one(visit)


@page.get("one/{name}/live", renews=True)
async def live(visit: PageRequest) -> Response:
    return visit.part("live", "providers_one.html", **await _about(visit))


async def _one(visit: PageRequest, problem: str = "") -> Response:
    return visit.render(
        "providers_one.html", 409 if problem else 200, problem=problem, suspensions=SUSPENSIONS, lasts=PENALTIES, ladder=LADDER, shares=SHARES,
        penalties=(await visit.ask("penalty.list", provider=visit.path("name")))["penalties"][:20], **await _about(visit),
    )  # fmt: skip


async def _about(visit: PageRequest) -> dict[str, Any]:
    told = await visit.ask("providers.show", provider=visit.path("name"))
    ahead = range(MINUTES - len(told["minutes"]), 0, -1)
    told["minutes"] = [[told["since"] - MINUTE_S * back, 0, 0, 0] for back in ahead] + told["minutes"]
    hour = [
        (time_windows.local(at)[11:16], list(zip(("allow", "defer", "reject"), counts, strict=True)))
        for at, *counts in told["minutes"]
    ]
    return {"one": told, "hour": hour}


@page.post("one/{name}/suspend", wants=Permission.ENTER)
async def suspend(visit: PageRequest) -> Response:
    categories = ["marketing"] if visit.form("what") == "marketing" else None
    for_s = forms.lasts(visit.form("lasts"), "24h")
    return await _done(visit, "suspend", "suspended", category=categories, for_s=for_s)


@page.post("one/{name}/resume", wants=Permission.ENTER)
async def resume(visit: PageRequest) -> Response:
    return await _done(visit, "resume", "resumed")


@page.post("one/{name}/kick", wants=Permission.OPERATE)
async def kick(visit: PageRequest) -> Response:
    """Kicks one bind or all of the provider's; with ``lasts`` suspends the provider in the same step, before it can bind again."""
    number = _number(visit.form("id"))
    if for_s := forms.lasts(visit.form("lasts")):
        try:
            await visit.ask("suspend", provider=visit.path("name"), for_s=for_s, why=visit.form("why"))
        except CannotAsk as error:
            return await _one(visit, forms.beside(error))
    return await _done(visit, "binds.kick", "kicked", id=number or None)


@page.post("one/{name}/penalty", wants=Permission.ENTER)
async def penalty(visit: PageRequest) -> Response:
    step = visit.form("step")
    share = float(visit.form("share")) if step == "throttle" and visit.form("share") in SHARES else None
    return await _done(
        visit, "penalty.propose", "proposed", step=step, to=share, for_s=forms.lasts(visit.form("lasts"), "30d"),
        basis=visit.form("basis") or None,
    )  # fmt: skip


async def _done(visit: PageRequest, command: str, words: str, **said: Any) -> Response:
    name = visit.path("name")
    try:
        await visit.ask(command, provider=name, why=visit.form("why"), **said)
    except CannotAsk as error:
        return await _one(visit, forms.beside(error))
    return visit.go(_of(name), visit.t(words, whom=name))


def _of(name: str) -> str:
    return f"/providers/one/{quote(name, safe='')}"


def _number(said: str) -> int:
    return int(said) if said.isascii() and said.isdigit() and len(said) < 10 else 0
