"""Shows the report of a day, and the journal's signed heads.

In: a day. Out: messages sent, refused and deferred, by reason, provider, province, category and signature; opt-outs; the journal's heads.
Never: a number of a person, a text; a count so small that it points to a person.

The report is that of ``gate106 report``: a program of low priority reads the journal, and the page is shown before it is ready.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import date, timedelta
from typing import Any

from starlette.responses import Response

from proxy.console import forms
from proxy.console.gate_client import CannotAsk
from proxy.console.page import Page, PageRequest
from proxy.desk.reports.disclosure_control import bar_length
from proxy.model.roles import Permission
from proxy.policy import time_windows

page = Page("reports", "/reports", wants=Permission.SEE, place=70)

DAYS = 7
"""Before the one that is shown, to step back to."""
PROVINCES = 12
HEADS = 14
FATES = (("sent", "allow"), ("deferred", "defer"), ("refused", "reject"))
NOTHING = "the journal has nothing of that"
"""What the command says of a day or a month without records."""
KINDS = ("pdf", "html")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


@page.get()
async def show(request: PageRequest) -> Response:
    day = _day(request)
    today = today_of(request)
    known = [(today - timedelta(days=back)).isoformat() for back in range(DAYS)]
    return request.render(day=day.isoformat(), today=today.isoformat(), days=known)


@page.get("sheet")
async def sheet(request: PageRequest) -> Response:
    day = _day(request).isoformat()
    try:
        report = (await request.run("report", f"--day={day}", "--json", within_s=forms.PROGRAM_S, fine=(0,))).json
    except CannotAsk as error:
        if NOTHING not in str(error):
            raise
        return request.part("sheet", day=day, one=None)
    return request.part(
        "sheet", day=day, one=report, hours=_hours(report), tables=_tables(report), titles=await _titles(request)
    )


async def _titles(request: PageRequest) -> dict[str, str]:
    """Of the rules in force, by id; none where no gate answers."""
    try:
        described = await request.asking.sandbox.describe((await request.ask("rules"))["revision"])
    except CannotAsk:
        return {}
    return {one["rule"]: one["say"] for one in described["rules"]}


@page.get("file/{kind}")
async def file(request: PageRequest) -> Response:
    """The same as a page that opens offline, or on paper."""
    day = _day(request).isoformat()
    return await download_report(request, day, KINDS, f"--day={day}")


async def download_report(request: PageRequest, of: str, kinds: Collection[str], *options: str) -> Response:
    """The report of a day or a month as a file of the kind in the path."""
    kind = request.path("kind")
    if kind not in kinds:
        return request.render("problem.html", 404, why=request.t("no_such_page"))
    argv = ["report", *options, f"--lang={request.lang}", "--json"]
    try:
        return await forms.download_of(request, f"report-{of}.{kind}", lambda out: [*argv, f"--{kind}={out}"])
    except CannotAsk as error:
        if NOTHING not in str(error):
            raise
        return request.render("problem.html", 404, why=f"{of}: {request.t('nothing')}")


@page.get("heads")
async def heads(request: PageRequest) -> Response:
    ran = await request.run("journal", "list-heads", f"--days={HEADS}", "--json", fine=(0,))
    return request.part("heads", heads=ran.json["heads"])


def today_of(request: PageRequest) -> date:
    return date.fromisoformat(time_windows.local(request.app.wall())[:10])


def _day(request: PageRequest) -> date:
    """As asked for; else yesterday, which is over."""
    text = request.query.get("day", "")
    try:
        return date.fromisoformat(text) if _DAY.fullmatch(text) else today_of(request) - timedelta(days=1)
    except ValueError:
        return today_of(request) - timedelta(days=1)


def _hours(report: dict[str, Any]) -> list[tuple[str, list[tuple[str, float]]]]:
    """Columns; hidden numbers count as 0."""
    return [(f"{one['hour']:02}", [(kind, bar_length(one[fate])) for fate, kind in FATES]) for one in report["by_hour"]]


def _tables(report: dict[str, Any]) -> list[tuple[str, list[dict[str, Any]]]]:
    """(by what, rows): with the parts of a bar, as wide as the largest row."""
    found = []
    for name in ("provider", "province", "category", "signature"):
        rows = [
            {"name": of, **cells, "parts": [(kind, bar_length(cells[fate])) for fate, kind in FATES]}
            for of, cells in list(report[f"by_{name}"].items())[: PROVINCES if name == "province" else None]
        ]
        most = max((sum(number for _, number in row["parts"]) for row in rows), default=0)
        found.append((name, [row | {"most": most} for row in rows]))
    return found
