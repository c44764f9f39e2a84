"""Shows requests of people: a copy of their data, or its erasure.

Never: a whole number that the visitor has not typed; an erasure without a second person, where the settings list people.
"""

from __future__ import annotations

from starlette.responses import Response

from proxy.console import forms
from proxy.console.page import Page, PageRequest
from proxy.desk.data_subjects.operations import DataSubjects
from proxy.journal.records.erasure_requests import PROPOSED
from proxy.model.roles import Permission

page = Page("requests", "/requests", wants=Permission.LOOK, under="optouts")

LIMIT = 50


@page.get()
async def show(request: PageRequest, problem: str = "") -> Response:
    answer, skip = await request.ask("subject.list-requests"), request.skip
    requests = answer["requests"]
    mine = any(one["state"] == PROPOSED and one["author"] == request.who for one in requests)
    return request.render(
        requests=requests[skip : skip + LIMIT], total=len(requests), skip=skip, limit=LIMIT, problem=problem, proposed=PROPOSED,
        alone=mine and not answer["confirmers"], to=request.form("to") or request.query.get("to", "").strip(),
    )  # fmt: skip


@page.post("copy", wants=Permission.TAKE_OUT, again=show)
async def copy(request: PageRequest) -> Response:
    """A copy for the person; the journal keeps who took it, and why."""
    words = [f"--to={request.form('to')}", f"--why={request.form('why')}", f"--lang={request.lang}", "--json"]
    if request.form("unmasked"):
        words.append("--unmasked")
    return await forms.download_of(request, "person.zip", lambda out: ["subject", "export", f"--out={out}", *words])


@page.post("erase", wants=Permission.ENTER, again=show)
async def erase(request: PageRequest) -> Response:
    answer = await request.ask("subject.erase", to=request.form("to"), why=request.form("why"))
    if "confirmers" not in answer:
        return request.go("/requests", request.t("erased_now", to=answer["to"]))
    if not answer["enforced"]:
        request.session.add_notice("warn", request.t("not_enforced"))
    return request.go("/requests", request.t("asked", to=answer["to"], number=answer["request"]))


@page.get("{number}/receipt.pdf")
async def receipt(request: PageRequest) -> Response:
    number = request.path("number")
    return await forms.download_of(
        request, f"receipt-{number}.pdf", lambda out: ["subject", "write-receipt", number, f"--out={out}", "--json"]
    )


forms.add_buttons(page, DataSubjects, show)
