"""Shows doubtful replies by row, to be decided with one click.

Never: a whole number, digits of a code.
"""

from __future__ import annotations

from functools import partial

from starlette.responses import Response

from proxy.console.forms import add_buttons
from proxy.console.page import Page, PageRequest
from proxy.desk.optouts.doubtful_operations import DECIDED, OPEN, SAYS, STANDING, STATES, DoubtfulReplies
from proxy.model.roles import Permission

page = Page("doubtful", "/doubtful", wants=Permission.LOOK, place=52)

LIMIT = 50


@page.get()
async def show(request: PageRequest) -> Response:
    return await _list(request, state=request.query.get("state", OPEN))


async def _list(request: PageRequest, problem: str = "", state: str = "") -> Response:
    """``state``: of the form if it is not given."""
    state = state or request.form("state")
    state = state if state in STATES else OPEN
    skip, answer = request.skip, await request.ask("optout.doubtful", state=state, limit=LIMIT, skip=request.skip)
    states, decided = request.choices("state", STATES), state in (DECIDED, STANDING)
    return request.render(problem=problem, states=states, decided=decided, skip=skip, limit=LIMIT, **answer)


@page.post("{row}/decide", wants=Permission.ENTER, again=_list)
async def decide(request: PageRequest) -> Response:
    says = request.form("says") if request.form("says") in SAYS else ""
    why = request.form("why") or (request.t(f"why_{says}") if says else "")
    standing = bool(request.form("standing"))
    answer = await request.ask("optout.decide", row=request.path("row"), says=says, standing=standing, why=why)
    return request.go("/doubtful", request.t(f"did_{says}", replies=answer["replies"]))


add_buttons(page, DoubtfulReplies, partial(_list, state=STANDING))
