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
async def show(visit: PageRequest) -> Response:
    return visit.render(
        day=_day(visit), bears=await visit.own("/provider/penalties"), tasks=(await visit.own("/provider/tasks"))["tasks"]
    )


@page.get("refusals")
async def refusals(visit: PageRequest) -> Response:
    """Read from the journal: it may take a moment."""
    skip = visit.query.get("skip", "0")
    told = await visit.own("/provider/refusals", day=_day(visit), skip=skip, limit=str(LIMIT), lang=visit.lang)
    return visit.part(
        "refusals", day=_day(visit), rows=told["refusals"], skip=int(skip), more=told["next"] is not None, limit=LIMIT
    )


@page.get("rules")
async def rules(visit: PageRequest) -> Response:
    told = await visit.own("/provider/rules")
    changes = [{"at": one["at"], "rules": [_changed(said) for said in one["rules"]]} for one in told["changes"]]
    return visit.render("own_rules.html", rules=told["rules"], changes=changes)


def _changed(said: str) -> tuple[str, str]:
    """``rule daily-cap: added`` → (daily-cap, added)."""
    rule, _, what = said.removeprefix("rule ").partition(": ")
    return rule, what


def _day(visit: PageRequest) -> str:
    return visit.query.get("day") or time_windows.local(visit.house.wall())[:10]
