"""Shows the report of a month, beside the one before.

In: a month. Out: the tables of month_report.py, and their files. Never: a number of a person, a text.

The report is that of ``gate106 report --month``. A long one is counted in several goes, because the days that were counted are kept.
"""

from __future__ import annotations

import re

from starlette.responses import Response

from proxy.console import forms
from proxy.console.gate_client import CannotAsk
from proxy.console.page import Page, PageRequest, whole_number
from proxy.desk.reports.page import NOTHING, download_report, today_of
from proxy.model.roles import Permission
from proxy.operations.parameters import MONTH

page = Page("month", "/reports/month", wants=Permission.SEE, place=71)

KINDS = ("pdf", "xlsx", "html")
TOO_LONG, TIMES_MAX = "it took longer than", 60
"""A month is counted in several goes of PROGRAM_S; days are kept when they were counted."""
AUDIT = ("--audit-within=8",)
MONTHS = 6
_MONTH = re.compile(MONTH)


@page.get()
async def show(request: PageRequest) -> Response:
    """A month beside the one before."""
    return request.render(month=_month(request), months=_months(request))


@page.get("sheet")
async def sheet(request: PageRequest) -> Response:
    of, times = _month(request), whole_number(request.query.get("times", ""), 3)
    try:
        ran = await request.run(
            "report", f"--month={of}", f"--lang={request.lang}", *AUDIT, "--json", within_s=forms.PROGRAM_S, fine=(0,)
        )
    except CannotAsk as error:
        if TOO_LONG in str(error) and times < TIMES_MAX:  # the days that were counted are kept
            return request.part("again", month=of, times=times + 1)
        if NOTHING not in str(error):
            raise
        return request.part("sheet", month=of, one=None)
    return request.part("sheet", month=of, one=ran.json)


@page.get("file/{kind}")
async def file(request: PageRequest) -> Response:
    of = _month(request)
    return await download_report(request, of, KINDS, f"--month={of}", *AUDIT)


def _months(request: PageRequest) -> list[str]:
    """The newest first; the running month is not over."""
    today = today_of(request)
    numbers = (today.year * 12 + today.month - 1 - back for back in range(MONTHS))
    return [f"{number // 12}-{number % 12 + 1:02}" for number in numbers]


def _month(request: PageRequest) -> str:
    """As asked for; else the last one that is over."""
    text = request.query.get("month", "")
    return text if _MONTH.fullmatch(text) else _months(request)[1]
