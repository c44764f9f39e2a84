"""Shows penalties, and everything that waits for a second person.

Never: an approval by the proposal's author: the gate refuses it, and no button offers it.
"""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from proxy.console import forms
from proxy.console.page import Page, PageRequest
from proxy.desk.complaints.page import SHARES, penalty_terms
from proxy.desk.penalties.operations import Penalties
from proxy.journal.records.penalties import IN_FORCE, LADDER, PROPOSED, STATES
from proxy.model.roles import Permission

page = Page("penalties", "/penalties", wants=Permission.SEE, place=65)

LIMIT = 50
APPEALED = "appealed"


@page.get()
async def show(request: PageRequest, problem: str = "") -> Response:
    found = (await request.ask("penalty.list"))["penalties"]
    state, provider = request.query.get("state", ""), request.query.get("provider", "").strip()
    fits = [
        one
        for one in found
        if provider in ("", one["provider"])
        and (state in ("", one["state"]) or (state == APPEALED and one["appeal"] and one["state"] == IN_FORCE))
    ]
    skip, states = request.skip, [*request.choices("penalty", STATES), (APPEALED, request.t("appealed"))]
    return request.render(
        problem=problem, waiting=await _waiting(request, found), penalties=fits[skip : skip + LIMIT], total=len(fits), skip=skip, limit=LIMIT,
        state=state, states=states, provider=provider, ladder=LADDER, shares=SHARES,
    )  # fmt: skip


@page.post("propose", wants=Permission.ENTER, again=show)
async def propose(request: PageRequest) -> Response:
    whose = {name: request.form(name) or None for name in ("provider", "advertiser")}
    await request.ask("penalty.propose", why=request.form("why"), **whose, **penalty_terms(request))
    return request.go("/penalties", request.t("proposed"))


async def _waiting(request: PageRequest, penalties: list[dict[str, Any]]) -> dict[str, Any]:
    """Everything that waits for another person: rules, penalties, appeals, proofs of consent, requests of people, complaints."""
    lines, _ = await request.lines("consent", state="unreviewed")
    waits: dict[str, Any] = {
        "rules": (await request.ask("rules"))["proposed"],
        "penalties": [one for one in penalties if one["state"] == PROPOSED],
        "appeals": [one for one in penalties if one["state"] == IN_FORCE and one["appeal"]],
        "proofs": sum(bool(one["proof"]) for line in lines for one in line["batches"]),
        "erasures": len((await request.ask("subject.list-requests", state="proposed"))["requests"]),
        "feeds": len((await request.ask("recycled.list", state="proposed"))["feeds"]),
        "overdue": None,
    }
    if request.may(Permission.LOOK):
        waits["overdue"] = (await request.ask("complaint.list", overdue=True, limit=1))["overdue"]
    return waits


@page.post("rules/{revision}/approve", wants=Permission.APPROVE, again=show)
async def approve_rules(request: PageRequest) -> Response:
    await request.ask("rules.approve", revision=request.path("revision"))
    return request.go("/penalties", request.t("rules_approved"))


@page.post("rules/{revision}/reject", wants=Permission.APPROVE, again=show)
async def reject_rules(request: PageRequest) -> Response:
    await request.ask("rules.reject", revision=request.path("revision"), why=request.form("why"))
    return request.go("/penalties", request.t("rules_rejected"))


# -- one penalty


@page.get("one/{id}")
async def one(request: PageRequest, problem: str = "") -> Response:
    answer = await request.ask("penalty.show", id=request.path("id"))
    return request.render("penalties_one.html", one=answer, problem=problem)


@page.post("one/{id}/approve", wants=Permission.APPROVE, again=one)
async def approve(request: PageRequest) -> Response:
    number = request.path("id")
    answer = await request.ask("penalty.approve", id=number)
    return request.go(f"/penalties/one/{number}", request.t("in_force" if answer["state"] == IN_FORCE else "vouched"))


forms.add_buttons(page, Penalties, one)


@page.post("one/{id}/letter", wants=Permission.TAKE_OUT)
async def letter(request: PageRequest) -> Response:
    """The letter to the provider, with its valid complaints as annex: numbers are masked."""
    number = request.path("id")
    return await forms.download_of(
        request, f"penalty-{number}.pdf", lambda out: ["penalty", "write-letter", number, f"--out={out}", "--json"]
    )
