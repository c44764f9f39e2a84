"""Shows penalties, and everything that waits for a second person.

In: proposals of others. Out: approvals, rejections, withdrawals; appeals noted, penalties lifted. Never: an approval by the proposal's author:
the gate refuses it, and no button offers it.
"""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from proxy.console import forms
from proxy.console.gate_client import CannotAsk
from proxy.console.page import Page, PageRequest
from proxy.journal.records.penalties import IN_FORCE, PROPOSED, STATES
from proxy.model.roles import Permission

page = Page("penalties", "/penalties", wants=Permission.SEE, place=65)

LIMIT = 50
APPEALED = "appealed"


@page.get()
async def show(visit: PageRequest) -> Response:
    return await _list(visit)


async def _list(visit: PageRequest, problem: str = "") -> Response:
    found = (await visit.ask("penalty.list"))["penalties"]
    state, provider = visit.query.get("state", ""), visit.query.get("provider", "").strip()
    fits = [
        one
        for one in found
        if provider in ("", one["provider"])
        and (state in ("", one["state"]) or (state == APPEALED and one["appeal"] and one["state"] == IN_FORCE))
    ]
    skip = int(said) if (said := visit.query.get("skip", "")).isdigit() and len(said) < 7 else 0
    states = [*((one, visit.t.of("penalty", one)) for one in STATES), (APPEALED, visit.t("appealed"))]
    return visit.render(
        status=409 if problem else 200, problem=problem, waiting=await _waiting(visit, found), penalties=fits[skip : skip + LIMIT],
        total=len(fits), skip=skip, limit=LIMIT, state=state, states=states, provider=provider,
    )  # fmt: skip


async def _waiting(visit: PageRequest, penalties: list[dict[str, Any]]) -> dict[str, Any]:
    """Everything that waits for another person: rules, penalties, appeals, proofs of consent, complaints."""
    lines, _ = await visit.lines("consent", state="unreviewed")
    waits: dict[str, Any] = {
        "rules": (await visit.ask("rules"))["proposed"],
        "penalties": [one for one in penalties if one["state"] == PROPOSED],
        "appeals": [one for one in penalties if one["state"] == IN_FORCE and one["appeal"]],
        "proofs": sum(bool(one["proof"]) for line in lines for one in line["batches"]),
        "overdue": None,
    }
    if visit.may(Permission.LOOK):
        waits["overdue"] = (await visit.ask("complaint.list", overdue=True, limit=1))["overdue"]
    return waits


@page.post("rules/{revision}/approve", wants=Permission.APPROVE)
async def approve_rules(visit: PageRequest) -> Response:
    return await _rules(visit, "rules.approve", "rules_approved")


@page.post("rules/{revision}/reject", wants=Permission.APPROVE)
async def reject_rules(visit: PageRequest) -> Response:
    return await _rules(visit, "rules.reject", "rules_rejected", why=visit.form("why"))


async def _rules(visit: PageRequest, command: str, words: str, **said: Any) -> Response:
    try:
        await visit.ask(command, revision=visit.path("revision"), **said)
    except CannotAsk as error:
        return await _list(visit, forms.beside(error))
    return visit.go("/penalties", visit.t(words))


# -- one penalty


@page.get("one/{number}")
async def one(visit: PageRequest) -> Response:
    return await _one(visit)


async def _one(visit: PageRequest, problem: str = "") -> Response:
    told = await visit.ask("penalty.show", id=visit.path("number"))
    return visit.render("penalties_one.html", 409 if problem else 200, one=told, problem=problem)


@page.post("one/{number}/approve", wants=Permission.APPROVE)
async def approve(visit: PageRequest) -> Response:
    number = visit.path("number")
    try:
        told = await visit.ask("penalty.approve", id=number)
    except CannotAsk as error:
        return await _one(visit, forms.beside(error))
    return visit.go(f"/penalties/one/{number}", visit.t("in_force" if told["state"] == IN_FORCE else "vouched"))


@page.post("one/{number}/reject", wants=Permission.APPROVE)
async def reject(visit: PageRequest) -> Response:
    return await _done(visit, "penalty.reject", "rejected")


@page.post("one/{number}/lift", wants=Permission.APPROVE)
async def lift(visit: PageRequest) -> Response:
    return await _done(visit, "penalty.lift", "lifted")


@page.post("one/{number}/withdraw", wants=Permission.ENTER)
async def withdraw(visit: PageRequest) -> Response:
    return await _done(visit, "penalty.withdraw", "withdrawn")


@page.post("one/{number}/appeal", wants=Permission.ENTER)
async def appeal(visit: PageRequest) -> Response:
    return await _done(visit, "penalty.appeal", "appeal_noted")


async def _done(visit: PageRequest, command: str, words: str) -> Response:
    number = visit.path("number")
    try:
        await visit.ask(command, id=number, why=visit.form("why"))
    except CannotAsk as error:
        return await _one(visit, forms.beside(error))
    return visit.go(f"/penalties/one/{number}", visit.t(words))


@page.post("one/{number}/letter", wants=Permission.LOOK)
async def letter(visit: PageRequest) -> Response:
    """The letter to the provider, with its valid complaints as annex: numbers are masked."""
    number = visit.path("number")
    return await forms.made(visit, f"penalty-{number}.pdf", lambda out: ["penalty", "letter", number, f"--out={out}", "--json"])
