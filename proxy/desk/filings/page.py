"""Shows tasks of filings; imports and exports sheets; registers letters.

Never: a registry changed without a proposal (the programs push one); a file kept.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from starlette.responses import Response

from proxy.console import forms
from proxy.console.page import Page, PageRequest, whole_number
from proxy.desk.filings.filing_columns import TABLES
from proxy.desk.filings.operations import DAYS, DAYS_MAX, KINDS
from proxy.model.roles import Permission

page = Page("filings", "/filings", wants=Permission.SEE, place=37)

LIMIT = 50
AHEAD = (7, 30, 60, 90, 180)
"""Days; 0, too: what is due by now."""
ENDS = (".xlsx", ".csv")


@page.get()
async def show(request: PageRequest, problem: str = "", **previewed: Any) -> Response:
    """What is due, the most urgent first."""
    days = min(whole_number(request.query["days"], 3), DAYS_MAX) if request.query.get("days") else DAYS
    kind, who = request.query.get("kind", ""), request.query.get("who", "").strip()
    lines, answer = await request.lines("filing.tasks", days=days, kind=kind if kind in KINDS else None, who=who or None)
    tasks = [one for line in lines for one in line["tasks"]]
    return request.render(
        problem=problem, tasks=tasks[request.skip : request.skip + LIMIT], total=len(tasks), overdue=sum(one["overdue"] for one in tasks),
        at=answer["at"], days=days, ahead=[("0", request.t("by_now")), *((str(one), request.t("days", count=one)) for one in AHEAD)], kind=kind,
        kinds=request.choices("kind", KINDS), who=who, skip=request.skip, limit=LIMIT, tables=request.choices("table", TABLES), ends=ENDS,
        **forms.NO_PREVIEW | previewed,
    )  # fmt: skip


@page.post("preview", wants=Permission.ENTER, body_max=forms.FILE_BYTES_MAX, again=show)
async def preview_sheet(request: PageRequest) -> Response:
    """What the sheet would change; a part for htmx, else the page with it."""
    found = await forms.previewed(request, lambda file: _sheet_words(request, file))
    return request.part("seen", **found) if request.partial else await show(request, **found)


def _sheet_words(request: PageRequest, file: Path) -> list[str]:
    table = [f"--table={request.form('table')}"] if request.form("table") in TABLES else []
    return ["filing", "import", str(file), *table, f"--why={request.form('why') or request.t('import')}", "--json"]


@page.post("import", wants=Permission.ENTER, body_max=forms.FILE_BYTES_MAX, again=show)
async def import_sheet(request: PageRequest) -> Response:
    """All rows of a sheet or none; ``check``: what would change."""
    check = ["--check"] if request.form("check") else []
    ran = await forms.run_with_uploads(
        request,
        ["file"],
        lambda came: [*forms.as_previewed(request, came["file"], _sheet_words(request, came["file"])), *check],
    )
    told: dict[str, Any] = ran.json
    counts = {"added": sum(told["added"].values()), "changed": sum(told["changed"].values()), "rows": told["rows"]}
    unread = request.t("not_read", columns=", ".join(told["ignored"])) if told["ignored"] else ""
    if request.form("check") or not told["revision"]:
        said = request.t("would_change" if any(told["added"]) else "nothing_changes", **counts)
        return request.go("/filings", said + unread)
    return request.go("/proposal" if told["proposed"] else "/filings", request.t("imported", **counts) + unread)


@page.post("letter", wants=Permission.ENTER, body_max=forms.FILE_BYTES_MAX, again=show)
async def letter(request: PageRequest) -> Response:
    """The SHA-256 of a letter or of a licence."""
    options = [f"--of={request.form('of')}", f"--why={request.form('why')}", "--json"]
    options += [f"--licence={request.form('licence')}"] if request.form("licence") else []
    ran = await forms.run_with_uploads(
        request, ["file"], lambda came: ["filing", "register-letter", str(came["file"]), *options]
    )
    return request.go("/proposal" if ran.json["proposed"] else "/filings", request.t("registered", count=ran.json["rows"]))


@page.post("export", wants=Permission.TAKE_OUT, again=show)
async def export(request: PageRequest) -> Response:
    """A registry as a sheet, with headings in the user's language."""
    table = request.form("table") if request.form("table") in TABLES else "filings"
    end = request.form("end") if request.form("end") in ENDS else ENDS[0]
    options = [f"--table={table}", f"--lang={request.lang}", "--json"]
    return await forms.download_of(request, f"{table}{end}", lambda out: ["filing", "export", str(out), *options])
