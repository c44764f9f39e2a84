"""Shows the queue of complaint cases, and each case on one page.

In: batches, officers' decisions. Out: cases filed, matched, decided and suppressed in one step; other recipients of the text; evidence;
proposals of penalties. Never: a message taken for the one that was meant unless a person says so; a whole number without a reason that the
journal keeps.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from starlette.responses import Response

from proxy.console import forms
from proxy.console.gate_client import CannotAsk
from proxy.console.page import Page, PageRequest
from proxy.journal.records.complaints import DUPLICATE, INVALID, NOT_OURS, STATES, VALID
from proxy.journal.records.penalties import LADDER
from proxy.model.roles import Permission

page = Page("complaints", "/complaints", wants=Permission.LOOK, place=60)

LIMIT = 50
DECISIONS = (VALID, INVALID, DUPLICATE, NOT_OURS)
SUPPRESSED = ("provider", "signature", "port", "category", "all")
UNTIL = ("30d", "90d", "180d", "366d", "")
STOPS = ("4h", "24h", "3d", "7d", "30d")
PENALTIES = ("7d", "30d", "90d", "180d", "366d")
SHARES = ("0.75", "0.5", "0.25", "0.1")
WITHIN = ("24h", "3d", "7d")
LATE, ALL = "overdue", "all"


@page.get()
async def show(request: PageRequest) -> Response:
    return await _list(request)


async def _list(request: PageRequest, problem: str = "") -> Response:
    """Lists cases; open ones by default."""
    state = request.query.get("state", "") or "open"
    provider = request.query.get("provider", "").strip()
    skip = int(number) if (number := request.query.get("skip", "")).isdigit() and len(number) < 7 else 0
    answer = await request.ask(
        "complaint.list",
        state=state if state in STATES else None,
        provider=provider or None,
        overdue=state == LATE,
        limit=LIMIT,
        skip=skip,
    )
    states = [(LATE, request.t("overdue")), *((one, request.t.of("case", one)) for one in STATES), (ALL, request.t("all"))]
    return request.render(
        status=409 if problem else 200, problem=problem, cases=answer["cases"], more=answer["more"], overdue=answer["overdue"], state=state,
        states=states, provider=provider, skip=skip, limit=LIMIT,
    )  # fmt: skip


@page.post("import", wants=Permission.ENTER, body_max=forms.FILE_BYTES_MAX)
async def import_batch(request: PageRequest) -> Response:
    """All rows of a batch or none; ``check``: what would be filed."""
    options = [f"--why={request.form('why')}", f"--source={request.form('source') or '12321'}", "--json"]
    check = bool(request.form("check"))
    try:
        argv = ["--check", *options] if check else options
        answer = (
            await forms.run_with_uploads(request, ["file"], lambda came: ["complaint", "import", str(came["file"]), *argv])
        ).json
    except CannotAsk as error:
        return await _list(request, forms.problem_text(error))
    notice = request.t(
        "would_file" if check else "filed", count=answer["would_file"] if check else answer["filed"], known=answer["known"]
    )
    return request.go("/complaints", notice)


@page.post("export", wants=Permission.TAKE_OUT)
async def export_cases(request: PageRequest) -> Response:
    """Cases as a spreadsheet; numbers are masked."""
    state, provider = request.form("state"), request.form("provider")
    options = [f"--state={state}"] if state in STATES else []
    options += [f"--provider={provider}"] if provider else []
    return await forms.download_of(
        request, "complaints.xlsx", lambda out: ["complaint", "export", str(out), *options, "--json"]
    )


# -- a case


@page.get("case/{number}")
async def case(request: PageRequest) -> Response:
    return await _case(request)


async def _case(request: PageRequest, problem: str = "", **more: Any) -> Response:
    answer = await request.ask("complaint.show", id=request.path("number"))
    provider = answer["provider"]
    penalties = (await request.ask("penalty.list", provider=provider))["penalties"][:10] if provider else []
    scopes = [
        (one, request.t.of("scope", one) + (f" {answer[one]}" if answer.get(one) else ""))
        for one in SUPPRESSED
        if one == "all" or answer.get(one)
    ]
    campaign = [
        (one, f"{request.t.of('scope', one)} {answer[one]}") for one in ("signature", "port", "provider") if answer.get(one)
    ]
    return request.render(
        "complaints_case.html", 409 if problem else 200, one=answer, problem=problem, penalties=penalties, ladder=LADDER, shares=SHARES,
        decisions=[(one, request.t.of("case", one)) for one in DECISIONS], scopes=scopes, untils=UNTIL, stops=STOPS, lasts=PENALTIES,
        campaign=campaign, withins=WITHIN, whole=more.get("whole", ""),
    )  # fmt: skip


@page.post("case/{number}/whole", wants=Permission.WHOLE)
async def whole(request: PageRequest) -> Response:
    try:
        answer = await request.ask("complaint.show", id=request.path("number"), unmasked=True, why=request.form("why"))
    except CannotAsk as error:
        return await _case(request, forms.problem_text(error))
    return await _case(request, whole=answer["to"])


@page.get("case/{number}/candidates", wants=Permission.WHOLE)
async def candidates(request: PageRequest) -> Response:
    """Candidate messages from the journal at rest; the journal records the look."""
    ran = await forms.run_archive_program(request, "complaint", "match", request.path("number"), "--json")
    return request.part("candidates", "complaints_case.html", number=request.path("number"), **ran.json)


@page.get("case/{number}/sweep")
async def sweep(request: PageRequest) -> Response:
    within = request.query.get("within", "")
    around = [f"--within={within}"] if within in WITHIN else []
    ran = await forms.run_archive_program(request, "complaint", "sweep", request.path("number"), *around, "--json", fine=(0,))
    return request.part("swept", "complaints_case.html", **ran.json)


@page.post("case/{number}/match", wants=Permission.WHOLE)
async def match(request: PageRequest) -> Response:
    return await _program(request, "matched", "match", f"--message={request.form('message')}")


@page.post("case/{number}/stop", wants=Permission.ENTER)
async def stop(request: PageRequest) -> Response:
    """Stops the campaign, and notes that with the case."""
    options = [f"--stop={request.form('stop')}"] + (
        [f"--for={request.form('lasts')}"] if request.form("lasts") in STOPS else []
    )
    return await _program(request, "stopped", "sweep", *options)


async def _program(request: PageRequest, words: str, command: str, *options: str) -> Response:
    try:
        argv: Sequence[str] = ("complaint", command, request.path("number"), *options, f"--why={request.form('why')}", "--json")
        await forms.run_archive_program(request, *argv, fine=(0,))
    except CannotAsk as error:
        return await _case(request, forms.problem_text(error))
    return _to(request, words)


@page.post("case/{number}/decide", wants=Permission.ENTER)
async def decide(request: PageRequest) -> Response:
    """Decides a case, and suppresses for the person in the same step if a scope is given."""
    scope, of = request.form("suppress"), request.form("of")
    arguments: dict[str, Any] = {"state": request.form("state"), "of": int(of) if of.isdigit() and len(of) < 15 else None}
    arguments |= {"provider": request.form("provider") or None}
    if scope:
        arguments |= {"suppress": scope, "for_s": forms.duration_s(request.form("lasts"))}
    return await _asked(request, "complaint.decide", "decided", **arguments)


@page.post("case/{number}/{step}", wants=Permission.ENTER)
async def step(request: PageRequest) -> Response:
    """The steps that need only a reason."""
    done = {"forward": "forwarded", "withdraw": "withdrawn", "reopen": "reopened"}
    if request.path("step") not in done:
        return request.render("problem.html", 404, why=request.t("no_such_page"))
    return await _asked(request, f"complaint.{request.path('step')}", done[request.path("step")])


async def _asked(request: PageRequest, command: str, words: str, **arguments: Any) -> Response:
    try:
        await request.ask(command, id=request.path("number"), why=request.form("why"), **arguments)
    except CannotAsk as error:
        return await _case(request, forms.problem_text(error))
    return _to(request, words)


@page.post("penalty/{number}", wants=Permission.ENTER)
async def penalty(request: PageRequest) -> Response:
    """Proposes a penalty that names the case, for another officer to approve; the case notes it."""
    number, step = request.path("number"), request.form("step")
    share = float(request.form("share")) if step == "throttle" and request.form("share") in SHARES else None
    try:
        provider = (await request.ask("complaint.show", id=number))["provider"]
        made = await request.ask(
            "penalty.propose", provider=provider, step=step, to=share, for_s=forms.duration_s(request.form("lasts"), "30d"),
            basis=request.form("basis") or None, why=request.t("about_case", number=number, why=request.form("why"))[:500],
        )  # fmt: skip
        await request.ask("complaint.note", id=number, what="proposed", why=f"{made['name']}: {request.form('why')}"[:500])
    except CannotAsk as error:
        return await _case(request, forms.problem_text(error))
    return _to(request, "proposed")


@page.post("evidence/{number}", wants=Permission.TAKE_OUT)
async def evidence(request: PageRequest) -> Response:
    """One ZIP, signed; the journal keeps who made it, and so does the case."""
    number, unmasked = request.path("number"), ["--unmasked"] if request.form("unmasked") else []
    options = [f"--case={number}", f"--why={request.form('why')}", *unmasked, "--json"]
    try:
        return await forms.download_of(
            request, f"case-{number}.zip", lambda out: ["evidence", "pack", f"--out={out}", *options]
        )
    except CannotAsk as error:
        return await _case(request, forms.problem_text(error))


def _to(request: PageRequest, words: str) -> Response:
    number = request.path("number")
    return request.go(f"/complaints/case/{number}", request.t(words, number=number))
