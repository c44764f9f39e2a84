"""Shows feeds of recycled numbers, and what is decided about them.

Never: a number of a feed.
"""

from __future__ import annotations

from starlette.responses import Response

from proxy.console import forms
from proxy.console.page import Page, PageRequest
from proxy.desk.data_subjects.recycled_operations import RecycledNumbers
from proxy.journal.records.recycled_numbers import PROPOSED
from proxy.model.roles import Permission

page = Page("recycled", "/recycled", wants=Permission.LOOK, under="optouts")

LIMIT = 50


@page.get()
async def show(request: PageRequest, problem: str = "") -> Response:
    feeds, skip = (await request.ask("recycled.list"))["feeds"], request.skip
    return request.render(
        feeds=feeds[skip : skip + LIMIT], total=len(feeds), skip=skip, limit=LIMIT, problem=problem, proposed=PROPOSED
    )


@page.post("import", wants=Permission.ENTER, body_max=forms.FILE_BYTES_MAX, again=show)
async def import_feed(request: PageRequest) -> Response:
    """All rows of a file or, with any bad one, nothing."""
    why = request.form("why")
    ran = await forms.run_with_uploads(
        request, ["file"], lambda came: ["recycled", "import", str(came["file"]), f"--why={why}", "--json"]
    )
    answer = ran.json
    words = "proposed_now" if answer["proposal"] else "done_now"
    counts = {name: f"{answer[name]:,}" for name in ("numbers", "gone", "unchanged")}
    return request.go("/recycled", request.t(words, **counts))


forms.add_buttons(page, RecycledNumbers, show)
