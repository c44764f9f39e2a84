"""Shows doubtful replies by row, to be decided with one click.

In: rows of the gate's inbox. Out: decisions, with a default reason unless the visitor gives one; standing decisions ended. Never: a whole
number, digits of a code.
"""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from proxy.console import forms
from proxy.console.gate_client import CannotAsk
from proxy.console.page import Page, PageRequest
from proxy.desk.optouts.doubtful_operations import DECIDED, OPEN, SAYS, STANDING, STATES
from proxy.model.roles import Permission

page = Page("doubtful", "/doubtful", wants=Permission.LOOK, place=52)

LIMIT = 50


@page.get()
async def show(visit: PageRequest) -> Response:
    return await _list(visit, visit.query.get("state", OPEN))


async def _list(visit: PageRequest, state: str, problem: str = "") -> Response:
    state = state if state in STATES else OPEN
    skip = int(said) if (said := visit.query.get("skip", "")).isdigit() and len(said) < 7 else 0
    told: dict[str, Any] = await visit.ask("optout.doubtful", state=state, limit=LIMIT, skip=skip)
    return visit.render(
        status=409 if problem else 200, problem=problem, state=state, states=[(one, visit.t.of("state", one)) for one in STATES],
        decided=state in (DECIDED, STANDING), skip=skip, limit=LIMIT, **told,
    )  # fmt: skip


@page.post("{row}/decide", wants=Permission.ENTER)
async def decide(visit: PageRequest) -> Response:
    says = visit.form("says") if visit.form("says") in SAYS else ""
    why = visit.form("why") or (visit.t(f"why_{says}") if says else "")
    try:
        told = await visit.ask(
            "optout.decide", row=visit.path("row"), says=says, standing=bool(visit.form("standing")), why=why
        )
    except CannotAsk as error:
        return await _list(visit, visit.form("state"), forms.beside(error))
    return visit.go("/doubtful", visit.t(f"did_{says}", replies=told["replies"]))


@page.post("{row}/end", wants=Permission.ENTER)
async def end(visit: PageRequest) -> Response:
    try:
        await visit.ask("optout.end-standing", row=visit.path("row"), why=visit.form("why"))
    except CannotAsk as error:
        return await _list(visit, STANDING, forms.beside(error))
    return visit.go("/doubtful?state=standing", visit.t("ended"))
