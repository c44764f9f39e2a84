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
async def show(request: PageRequest) -> Response:
    return await _list(request, request.query.get("state", OPEN))


async def _list(request: PageRequest, state: str, problem: str = "") -> Response:
    state = state if state in STATES else OPEN
    skip = int(number) if (number := request.query.get("skip", "")).isdigit() and len(number) < 7 else 0
    answer: dict[str, Any] = await request.ask("optout.doubtful", state=state, limit=LIMIT, skip=skip)
    return request.render(
        status=409 if problem else 200, problem=problem, state=state, states=[(one, request.t.of("state", one)) for one in STATES],
        decided=state in (DECIDED, STANDING), skip=skip, limit=LIMIT, **answer,
    )  # fmt: skip


@page.post("{row}/decide", wants=Permission.ENTER)
async def decide(request: PageRequest) -> Response:
    says = request.form("says") if request.form("says") in SAYS else ""
    why = request.form("why") or (request.t(f"why_{says}") if says else "")
    try:
        answer = await request.ask(
            "optout.decide", row=request.path("row"), says=says, standing=bool(request.form("standing")), why=why
        )
    except CannotAsk as error:
        return await _list(request, request.form("state"), forms.problem_text(error))
    return request.go("/doubtful", request.t(f"did_{says}", replies=answer["replies"]))


@page.post("{row}/end", wants=Permission.ENTER)
async def end(request: PageRequest) -> Response:
    try:
        await request.ask("optout.end-standing", row=request.path("row"), why=request.form("why"))
    except CannotAsk as error:
        return await _list(request, STANDING, forms.problem_text(error))
    return request.go("/doubtful?state=standing", request.t("ended"))
