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
async def show(request: PageRequest) -> Response:
    return await _list(request)


async def _list(request: PageRequest, problem: str = "") -> Response:
    found = (await request.ask("penalty.list"))["penalties"]
    state, provider = request.query.get("state", ""), request.query.get("provider", "").strip()
    fits = [
        one
        for one in found
        if provider in ("", one["provider"])
        and (state in ("", one["state"]) or (state == APPEALED and one["appeal"] and one["state"] == IN_FORCE))
    ]
    skip = int(number) if (number := request.query.get("skip", "")).isdigit() and len(number) < 7 else 0
    states = [*((one, request.t.of("penalty", one)) for one in STATES), (APPEALED, request.t("appealed"))]
    return request.render(
        status=409 if problem else 200, problem=problem, waiting=await _waiting(request, found), penalties=fits[skip : skip + LIMIT],
        total=len(fits), skip=skip, limit=LIMIT, state=state, states=states, provider=provider,
    )  # fmt: skip


async def _waiting(request: PageRequest, penalties: list[dict[str, Any]]) -> dict[str, Any]:
    """Everything that waits for another person: rules, penalties, appeals, proofs of consent, complaints."""
    lines, _ = await request.lines("consent", state="unreviewed")
    waits: dict[str, Any] = {
        "rules": (await request.ask("rules"))["proposed"],
        "penalties": [one for one in penalties if one["state"] == PROPOSED],
        "appeals": [one for one in penalties if one["state"] == IN_FORCE and one["appeal"]],
        "proofs": sum(bool(one["proof"]) for line in lines for one in line["batches"]),
        "overdue": None,
    }
    if request.may(Permission.LOOK):
        waits["overdue"] = (await request.ask("complaint.list", overdue=True, limit=1))["overdue"]
    return waits


@page.post("rules/{revision}/approve", wants=Permission.APPROVE)
async def approve_rules(request: PageRequest) -> Response:
    return await _rules(request, "rules.approve", "rules_approved")


@page.post("rules/{revision}/reject", wants=Permission.APPROVE)
async def reject_rules(request: PageRequest) -> Response:
    return await _rules(request, "rules.reject", "rules_rejected", why=request.form("why"))


async def _rules(request: PageRequest, command: str, words: str, **arguments: Any) -> Response:
    try:
        await request.ask(command, revision=request.path("revision"), **arguments)
    except CannotAsk as error:
        return await _list(request, forms.problem_text(error))
    return request.go("/penalties", request.t(words))


# -- one penalty


@page.get("one/{number}")
async def one(request: PageRequest) -> Response:
    return await _one(request)


async def _one(request: PageRequest, problem: str = "") -> Response:
    answer = await request.ask("penalty.show", id=request.path("number"))
    return request.render("penalties_one.html", 409 if problem else 200, one=answer, problem=problem)


@page.post("one/{number}/approve", wants=Permission.APPROVE)
async def approve(request: PageRequest) -> Response:
    number = request.path("number")
    try:
        answer = await request.ask("penalty.approve", id=number)
    except CannotAsk as error:
        return await _one(request, forms.problem_text(error))
    return request.go(f"/penalties/one/{number}", request.t("in_force" if answer["state"] == IN_FORCE else "vouched"))


@page.post("one/{number}/reject", wants=Permission.APPROVE)
async def reject(request: PageRequest) -> Response:
    return await _done(request, "penalty.reject", "rejected")


@page.post("one/{number}/lift", wants=Permission.APPROVE)
async def lift(request: PageRequest) -> Response:
    return await _done(request, "penalty.lift", "lifted")


@page.post("one/{number}/withdraw", wants=Permission.ENTER)
async def withdraw(request: PageRequest) -> Response:
    return await _done(request, "penalty.withdraw", "withdrawn")


@page.post("one/{number}/appeal", wants=Permission.ENTER)
async def appeal(request: PageRequest) -> Response:
    return await _done(request, "penalty.appeal", "appeal_noted")


async def _done(request: PageRequest, command: str, words: str) -> Response:
    number = request.path("number")
    try:
        await request.ask(command, id=number, why=request.form("why"))
    except CannotAsk as error:
        return await _one(request, forms.problem_text(error))
    return request.go(f"/penalties/one/{number}", request.t(words))


@page.post("one/{number}/letter", wants=Permission.LOOK)
async def letter(request: PageRequest) -> Response:
    """The letter to the provider, with its valid complaints as annex: numbers are masked."""
    number = request.path("number")
    return await forms.download_of(
        request, f"penalty-{number}.pdf", lambda out: ["penalty", "letter", number, f"--out={out}", "--json"]
    )
