"""Shows the map of number segments, and takes newer tables.

Never: a number in an address; a table in force without the second person, where the settings ask for one.
"""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from proxy.console import forms
from proxy.console.page import Page, PageRequest
from proxy.desk.regions.operations import DAY_S, OLD_S
from proxy.model.roles import Permission

page = Page("regions", "/regions", wants=Permission.SEE, under="tables")


@page.get()
async def show(request: PageRequest, problem: str = "", found: dict[str, Any] | None = None) -> Response:
    """``found``: the answer about a number."""
    now = await request.ask("regions")
    old = now["age_days"] * DAY_S >= OLD_S
    return request.render(now=now, old=old, found=found, problem=problem)


@page.post("number", again=show)
async def number(request: PageRequest) -> Response:
    return await show(request, found=await request.ask("regions.number", number=request.form("number")))


@page.post("import", wants=Permission.ENTER, body_max=forms.FILE_BYTES_MAX, again=show)
async def import_table(request: PageRequest) -> Response:
    """All rows of a table or, with any bad row, nothing."""
    options = [f"--{name}={request.form(name)}" for name in ("date", "source") if request.form(name)]
    options += [f"--why={request.form('why')}", "--json"]
    ran = await forms.run_with_uploads(request, ["file"], lambda came: ["regions", "import", str(came["file"]), *options])
    answer = ran.json
    counts = {name: f"{answer[name]:,}" for name in ("added", "moved", "kept")}
    revised = answer["revised"]
    if revised is None:
        return request.go("/regions", request.t("nothing_new", **counts))
    return request.go("/proposal", request.t("proposed", **counts)) if revised["proposed"] else request.go(
        "/regions", request.t("in_force_now", **counts)
    )  # fmt: skip


@page.get("number")
@page.get("import")
async def again(request: PageRequest) -> Response:
    """Redirects a GET of a form's address: a return to it, or a change of language."""
    return request.go("/regions")
