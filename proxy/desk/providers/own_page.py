"""Shows a provider its own refusals, penalties, tasks and rules.

In: the provider's own token. Out: the gate's answers over HTTP, as tables. Never: another provider's data; anything the gate would not answer.
"""

from __future__ import annotations

import contextlib
import csv
import io
import re
from typing import Any

from starlette.responses import Response

from proxy.console.forms import attachment
from proxy.console.page import Page, PageRequest
from proxy.desk.providers.command import cells, heads
from proxy.desk.revisions.comparison import in_words
from proxy.model.roles import Permission
from proxy.operations.client import CannotAsk
from proxy.policy import time_windows

page = Page("own", "/own", wants=Permission.OWN, place=1)

LIMIT = 50
MORE = re.compile(r"rule … ([\d,]+) more")
"""Of changes that an event counts and does not list (policy/loading/digests.py)."""
READ_S = "8"
"""A part ends at the span in which this time is over, and says so; a file is whole."""
CSV_PAGE, CSV_ROWS_MAX = 10_000, 200_000
"""Of one file; each page is a reading of the journal."""


@page.get()
async def show(request: PageRequest, problem: str = "", found: dict[str, Any] | None = None) -> Response:
    """``found``: what the precheck of a text says."""
    return request.render(
        day=_day(request), bears=await request.own("/provider/penalties"), tasks=(await request.own("/provider/tasks"))["tasks"],
        problem=problem, found=found, port=_only_port((await request.own("/provider"))["ports"]),
    )  # fmt: skip


@page.post("precheck", again=show)
async def precheck(request: PageRequest) -> Response:
    given = {"from": request.form("from"), "text": request.form("text")}
    return await show(request, found=await request.own("/provider/precheck", given))


@page.get("refusals")
async def refusals(request: PageRequest) -> Response:
    """The newest first, read from the journal: it may take a moment."""
    skip, only = request.skip, _only(request)
    answer = await request.own(
        "/provider/refusals",
        day=_day(request),
        skip=str(skip),
        limit=str(LIMIT),
        order="newest",
        lang=request.lang,
        within=READ_S,
        **only,
    )
    return request.part(
        "refusals", day=_day(request), rows=answer["refusals"], skip=skip, more=answer["next"] is not None, limit=LIMIT,
        reasons=answer["reasons"], only=only,
        total=_total(answer, only.get("reason", "")),
        read_from=time_windows.local(answer["read_from"])[:16] if answer["read_from"] > answer["since"] else "",
    )  # fmt: skip


@page.get("refusals.csv")
async def refusals_file(request: PageRequest) -> Response:
    """All refusals of the day, or those for one reason."""
    file, day = io.StringIO(), _day(request)
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(heads(request.lang))
    for skip in range(0, CSV_ROWS_MAX, CSV_PAGE):
        query = {"day": day, "skip": str(skip), "limit": str(CSV_PAGE), "lang": request.lang, **_only(request)}
        answer = await request.own("/provider/refusals", **query)
        writer.writerows(cells(one, request.lang) for one in answer["refusals"])
        if answer["next"] is None:
            head = attachment(f"refusals-{day}.csv", request.lang)
            return Response(
                f"\ufeff{file.getvalue()}", media_type="text/csv; charset=utf-8", headers=head
            )  # spreadsheets know UTF-8 by it
    raise CannotAsk(f"more than {CSV_ROWS_MAX} refusals: ask for each hour over HTTP (/provider/refusals?hour=…)")


def _total(answer: dict[str, Any], reason: str) -> int | None:
    """Rows of all pages; None where the day was read in part."""
    if answer["read_from"] > answer["since"]:
        return None
    return sum(int(one["count"] + one["deferred"]) for one in answer["reasons"] if reason in ("", one["reason"]))


def _only(request: PageRequest) -> dict[str, str]:
    reason = request.query.get("reason", "")
    return {"reason": reason} if reason else {}


@page.get("rules")
async def rules(request: PageRequest) -> Response:
    answer = await request.own("/provider/rules")
    says = {one["rule"]: one["say"] for one in answer["rules"]}
    changes = [
        one
        | {
            "rules": [
                change | {"say": says.get(change["name"], "")} for change in map(in_words, one["rules"]) if change["rule"]
            ],
            "more": sum(int(found[1].replace(",", "")) for found in map(MORE.match, one["rules"]) if found),
        }
        for one in answer["changes"]
    ]
    idle = set[str]()
    with contextlib.suppress(CannotAsk):  # the set is kept no longer
        described = await request.asking.sandbox.describe(answer["revision"])
        idle = {one["rule"] for one in described["rules"] if one["idle"]}
    return request.render("own_rules.html", rules=answer["rules"], changes=changes, idle=idle)


def _only_port(ports: list[str]) -> str:
    """What a form has at first; empty where there are several."""
    return ports[0] if len(ports) == 1 else ""


def _day(request: PageRequest) -> str:
    return request.query.get("day") or time_windows.local(request.app.wall())[:10]
