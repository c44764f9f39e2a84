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
async def show(visit: PageRequest) -> Response:
    return await _list(visit)


async def _list(visit: PageRequest, problem: str = "") -> Response:
    """Lists cases; open ones by default."""
    state = visit.query.get("state", "") or "open"
    provider = visit.query.get("provider", "").strip()
    skip = int(said) if (said := visit.query.get("skip", "")).isdigit() and len(said) < 7 else 0
    told = await visit.ask(
        "complaint.list",
        state=state if state in STATES else None,
        provider=provider or None,
        overdue=state == LATE,
        limit=LIMIT,
        skip=skip,
    )
    states = [(LATE, visit.t("overdue")), *((one, visit.t.of("case", one)) for one in STATES), (ALL, visit.t("all"))]
    return visit.render(
        status=409 if problem else 200, problem=problem, cases=told["cases"], more=told["more"], overdue=told["overdue"], state=state,
        states=states, provider=provider, skip=skip, limit=LIMIT,
    )  # fmt: skip


@page.post("import", wants=Permission.ENTER, body_max=forms.FILE_BYTES_MAX)
async def import_batch(visit: PageRequest) -> Response:
    """All rows of a batch or none; ``check``: what would be filed."""
    options = [f"--why={visit.form('why')}", f"--source={visit.form('source') or '12321'}", "--json"]
    check = bool(visit.form("check"))
    try:
        argv = ["--check", *options] if check else options
        told = (await forms.with_files(visit, ["file"], lambda came: ["complaint", "import", str(came["file"]), *argv])).json
    except CannotAsk as error:
        return await _list(visit, forms.beside(error))
    said = visit.t(
        "would_file" if check else "filed", count=told["would_file"] if check else told["filed"], known=told["known"]
    )
    return visit.go("/complaints", said)


@page.post("export", wants=Permission.TAKE_OUT)
async def export_cases(visit: PageRequest) -> Response:
    """Cases as a spreadsheet; numbers are masked."""
    state, provider = visit.form("state"), visit.form("provider")
    options = [f"--state={state}"] if state in STATES else []
    options += [f"--provider={provider}"] if provider else []
    return await forms.made(visit, "complaints.xlsx", lambda out: ["complaint", "export", str(out), *options, "--json"])


# -- a case


@page.get("case/{number}")
async def case(visit: PageRequest) -> Response:
    return await _case(visit)


async def _case(visit: PageRequest, problem: str = "", **more: Any) -> Response:
    told = await visit.ask("complaint.show", id=visit.path("number"))
    provider = told["provider"]
    penalties = (await visit.ask("penalty.list", provider=provider))["penalties"][:10] if provider else []
    scopes = [
        (one, visit.t.of("scope", one) + (f" {told[one]}" if told.get(one) else ""))
        for one in SUPPRESSED
        if one == "all" or told.get(one)
    ]
    campaign = [(one, f"{visit.t.of('scope', one)} {told[one]}") for one in ("signature", "port", "provider") if told.get(one)]
    return visit.render(
        "complaints_case.html", 409 if problem else 200, one=told, problem=problem, penalties=penalties, ladder=LADDER, shares=SHARES,
        decisions=[(one, visit.t.of("case", one)) for one in DECISIONS], scopes=scopes, untils=UNTIL, stops=STOPS, lasts=PENALTIES,
        campaign=campaign, withins=WITHIN, whole=more.get("whole", ""),
    )  # fmt: skip


@page.post("case/{number}/whole", wants=Permission.WHOLE)
async def whole(visit: PageRequest) -> Response:
    try:
        told = await visit.ask("complaint.show", id=visit.path("number"), unmasked=True, why=visit.form("why"))
    except CannotAsk as error:
        return await _case(visit, forms.beside(error))
    return await _case(visit, whole=told["to"])


@page.get("case/{number}/candidates", wants=Permission.WHOLE)
async def candidates(visit: PageRequest) -> Response:
    """Candidate messages from the journal at rest; the journal records the look."""
    ran = await forms.read_rest(visit, "complaint", "match", visit.path("number"), "--json")
    return visit.part("candidates", "complaints_case.html", number=visit.path("number"), **ran.json)


@page.get("case/{number}/sweep")
async def sweep(visit: PageRequest) -> Response:
    within = visit.query.get("within", "")
    around = [f"--within={within}"] if within in WITHIN else []
    ran = await forms.read_rest(visit, "complaint", "sweep", visit.path("number"), *around, "--json", fine=(0,))
    return visit.part("swept", "complaints_case.html", **ran.json)


@page.post("case/{number}/match", wants=Permission.WHOLE)
async def match(visit: PageRequest) -> Response:
    return await _program(visit, "matched", "match", f"--message={visit.form('message')}")


@page.post("case/{number}/stop", wants=Permission.ENTER)
async def stop(visit: PageRequest) -> Response:
    """Stops the campaign, and notes that with the case."""
    options = [f"--stop={visit.form('stop')}"] + ([f"--for={visit.form('lasts')}"] if visit.form("lasts") in STOPS else [])
    return await _program(visit, "stopped", "sweep", *options)


async def _program(visit: PageRequest, words: str, command: str, *options: str) -> Response:
    try:
        argv: Sequence[str] = ("complaint", command, visit.path("number"), *options, f"--why={visit.form('why')}", "--json")
        await forms.read_rest(visit, *argv, fine=(0,))
    except CannotAsk as error:
        return await _case(visit, forms.beside(error))
    return _to(visit, words)


@page.post("case/{number}/decide", wants=Permission.ENTER)
async def decide(visit: PageRequest) -> Response:
    """Decides a case, and suppresses for the person in the same step if a scope is given."""
    scope, of = visit.form("suppress"), visit.form("of")
    said: dict[str, Any] = {"state": visit.form("state"), "of": int(of) if of.isdigit() and len(of) < 15 else None}
    said |= {"provider": visit.form("provider") or None}
    if scope:
        said |= {"suppress": scope, "for_s": forms.lasts(visit.form("lasts"))}
    return await _asked(visit, "complaint.decide", "decided", **said)


@page.post("case/{number}/{step}", wants=Permission.ENTER)
async def step(visit: PageRequest) -> Response:
    """The steps that need only a reason."""
    done = {"forward": "forwarded", "withdraw": "withdrawn", "reopen": "reopened"}
    if visit.path("step") not in done:
        return visit.render("problem.html", 404, why=visit.t("no_such_page"))
    return await _asked(visit, f"complaint.{visit.path('step')}", done[visit.path("step")])


async def _asked(visit: PageRequest, command: str, words: str, **said: Any) -> Response:
    try:
        await visit.ask(command, id=visit.path("number"), why=visit.form("why"), **said)
    except CannotAsk as error:
        return await _case(visit, forms.beside(error))
    return _to(visit, words)


@page.post("penalty/{number}", wants=Permission.ENTER)
async def penalty(visit: PageRequest) -> Response:
    """Proposes a penalty that names the case, for another officer to approve; the case notes it."""
    number, step = visit.path("number"), visit.form("step")
    share = float(visit.form("share")) if step == "throttle" and visit.form("share") in SHARES else None
    try:
        provider = (await visit.ask("complaint.show", id=number))["provider"]
        made = await visit.ask(
            "penalty.propose", provider=provider, step=step, to=share, for_s=forms.lasts(visit.form("lasts"), "30d"),
            basis=visit.form("basis") or None, why=visit.t("about_case", number=number, why=visit.form("why"))[:500],
        )  # fmt: skip
        await visit.ask("complaint.note", id=number, what="proposed", why=f"{made['name']}: {visit.form('why')}"[:500])
    except CannotAsk as error:
        return await _case(visit, forms.beside(error))
    return _to(visit, "proposed")


@page.post("evidence/{number}", wants=Permission.TAKE_OUT)
async def evidence(visit: PageRequest) -> Response:
    """One ZIP, signed; the journal keeps who made it, and so does the case."""
    number, unmasked = visit.path("number"), ["--unmasked"] if visit.form("unmasked") else []
    options = [f"--case={number}", f"--why={visit.form('why')}", *unmasked, "--json"]
    try:
        return await forms.made(visit, f"case-{number}.zip", lambda out: ["evidence", "pack", f"--out={out}", *options])
    except CannotAsk as error:
        return await _case(visit, forms.beside(error))


def _to(visit: PageRequest, words: str) -> Response:
    number = visit.path("number")
    return visit.go(f"/complaints/case/{number}", visit.t(words, number=number))
