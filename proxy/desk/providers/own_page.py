"""Shows a provider its own refusals, penalties, tasks and rules.

In: the provider's own token. Out: the gate's answers over HTTP, as tables. Never: another provider's data; anything the gate would not answer.
"""

from __future__ import annotations

from starlette.responses import Response

from proxy.console.page import Page, PageRequest
from proxy.model.roles import Permission
from proxy.policy import time_windows

page = Page("own", "/own", wants=Permission.OWN, place=1)

LIMIT = 50


@page.get()
async def show(request: PageRequest) -> Response:
    return request.render(
        day=_day(request), bears=await request.own("/provider/penalties"), tasks=(await request.own("/provider/tasks"))["tasks"]
    )


@page.get("refusals")
async def refusals(request: PageRequest) -> Response:
    """Read from the journal: it may take a moment."""
    skip = request.query.get("skip", "0")
    answer = await request.own("/provider/refusals", day=_day(request), skip=skip, limit=str(LIMIT), lang=request.lang)
    return request.part(
        "refusals", day=_day(request), rows=answer["refusals"], skip=int(skip), more=answer["next"] is not None, limit=LIMIT
    )


@page.get("rules")
async def rules(request: PageRequest) -> Response:
    answer = await request.own("/provider/rules")
    changes = [{"at": one["at"], "rules": [_changed(text) for text in one["rules"]]} for one in answer["changes"]]
    return request.render("own_rules.html", rules=answer["rules"], changes=changes)


def _changed(text: str) -> tuple[str, str]:
    """``rule daily-cap: added`` → (daily-cap, added)."""
    rule, _, what = text.removeprefix("rule ").partition(": ")
    return rule, what


def _day(request: PageRequest) -> str:
    return request.query.get("day") or time_windows.local(request.app.wall())[:10]
