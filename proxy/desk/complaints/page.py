"""Shows the queue of complaint cases, and each case on one page.

Never: a message taken for the one that was meant unless a person says so; a whole number without a reason that the journal keeps.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from starlette.responses import Response

from proxy.console import forms
from proxy.console.gate_client import CannotAsk
from proxy.console.page import Page, PageRequest, whole_number
from proxy.desk.complaints.answer_files import answer_of, without_digest
from proxy.desk.complaints.operations import FINDINGS, STOPPED_BY, Complaints
from proxy.journal.records.complaints import ANSWERED, STATES
from proxy.journal.records.penalties import LADDER
from proxy.model.roles import Permission
from proxy.policy import time_windows

page = Page("complaints", "/complaints", wants=Permission.LOOK, place=60)

LIMIT = 50
REPEATED_SHOWN = 5
SUPPRESSED = ("provider", "signature", "port", "category", "all")
UNTIL = ("30d", "90d", "180d", "366d", "")
STOPS = ("4h", "24h", "3d", "7d", "30d")
PENALTY_DAYS, PENALTY_DAYS_MAX = 30, 366
SHARES = ("0.75", "0.5", "0.25", "0.1")
RECORD = re.compile("[0-9]+:[0-9]+(: |：)")
WITHIN = ("24h", "3d", "7d")
LATE, DUE, UNANSWERED, ALL = "overdue", "due", "unanswered", "all"


@page.get()
async def show(request: PageRequest, problem: str = "", **previewed: Any) -> Response:
    """Lists cases; open ones by default."""
    state = request.query.get("state", "") or "open"
    provider = request.query.get("provider", "").strip()
    answer = await request.ask(
        "complaint.list", state=state if state in STATES else None, provider=provider or None, overdue=state == LATE,
        due=state == DUE, unanswered=state == UNANSWERED, limit=LIMIT, skip=request.skip,
    )  # fmt: skip
    states = [
        (LATE, request.t("overdue")), (DUE, request.t("today_last")), (UNANSWERED, request.t("unanswered_state")),
        *request.choices("case", STATES),
        (ALL, request.t("all")),
    ]  # fmt: skip
    return request.render(
        problem=problem, state=state, states=states, provider=provider, skip=request.skip, limit=LIMIT, **answer,
        **forms.NO_PREVIEW | previewed,
    )  # fmt: skip


@page.post("preview", wants=Permission.ENTER, body_max=forms.FILE_BYTES_MAX, again=show)
async def preview_batch(request: PageRequest) -> Response:
    """What would be filed; a part for htmx, else the page with it."""
    found = await forms.previewed(request, lambda file: _batch_words(request, file))
    if (told := found["told"]) is not None:
        told["said"] = _counted(request, "would_file", told)
    return request.part("seen", **found) if request.partial else await show(request, **found)


@page.post("import", wants=Permission.ENTER, body_max=forms.FILE_BYTES_MAX, again=show)
async def import_batch(request: PageRequest) -> Response:
    """All rows of a batch or none."""
    ran = await forms.run_with_uploads(
        request, ["file"], lambda came: forms.as_previewed(request, came["file"], _batch_words(request, came["file"]))
    )
    return request.go("/complaints", _counted(request, "filed", ran.json))


def _batch_words(request: PageRequest, file: Path) -> list[str]:
    why, source = request.form("why") or request.t("import"), request.form("source") or "12321"
    return ["complaint", "import", str(file), f"--why={why}", f"--source={source}", "--json"]


def _counted(request: PageRequest, words: str, told: Mapping[str, Any]) -> str:
    """How many were filed, or would be, and which lines say the same."""
    twice = told["repeated"]
    said = request.t(words, count=told[words], known=told["known"] - len(twice))
    said += "".join(request.t("same_line", line=line, first=first) for line, first in twice[:REPEATED_SHOWN])
    return said + (request.t("more_lines", count=len(twice) - REPEATED_SHOWN) if len(twice) > REPEATED_SHOWN else "")


@page.post("export", wants=Permission.TAKE_OUT)
async def export_cases(request: PageRequest) -> Response:
    """Cases as a spreadsheet; numbers are masked."""
    state, provider = request.form("state"), request.form("provider")
    options = [f"--state={state}"] if state in STATES else ["--unanswered"] if state == UNANSWERED else []
    options += [f"--lang={request.lang}"]
    options += [f"--provider={provider}"] if provider else []
    return await forms.download_of(
        request, "complaints.xlsx", lambda out: ["complaint", "export", str(out), *options, "--json"]
    )


# -- a case


@page.get("case/{id}")
async def case(request: PageRequest, problem: str = "", whole: str = "") -> Response:
    """``whole``: the whole number."""
    answer = await request.ask("complaint.show", id=request.path("id"))
    provider = answer["provider"]
    penalties = (await request.ask("penalty.list", provider=provider))["penalties"][:10] if provider else []
    named = answer | {"category": request.t.of("category", answer.get("category") or "")}
    scopes = [
        (one, request.t.of("scope", one) + (f" {named[one]}" if answer.get(one) else ""))
        for one in SUPPRESSED
        if one == "all" or answer.get(one)
    ]
    campaign = [(one, f"{request.t.of('scope', one)} {named[one]}") for one in STOPPED_BY if answer.get(one)]
    return request.render(
        "complaints_case.html", one=answer, problem=problem, penalties=penalties, ladder=LADDER, shares=SHARES,
        decisions=request.choices("case", FINDINGS), scopes=scopes, untils=UNTIL, stops=STOPS, campaign=campaign,
        withins=WITHIN, whole=whole, events=[{**event, "why": _why(request, event)} for event in answer["events"]],
    )  # fmt: skip


def _why(request: PageRequest, event: Mapping[str, Any]) -> str:
    """The reason of an event, without the digest of an answer and the record id of a match."""
    said = str(event["why"])
    if event["what"] == "matched":
        return RECORD.sub("", request.t.in_language(said))
    return without_digest(said, request.lang) if event["what"] == ANSWERED else said


@page.post("case/{id}/whole", wants=Permission.WHOLE, again=case)
async def show_whole(request: PageRequest) -> Response:
    answer = await request.ask("complaint.show", id=request.path("id"), unmasked=True, why=request.form("why"))
    return await case(request, whole=answer["to"])


@page.get("case/{id}/candidates", wants=Permission.WHOLE)
async def candidates(request: PageRequest) -> Response:
    """Candidate messages from the journal at rest; the journal records the look."""
    ran = await forms.run_archive_program(request, "complaint", "match", request.path("id"), "--json")
    return request.part("candidates", "complaints_case.html", number=request.path("id"), **ran.json)


@page.get("case/{id}/sweep")
async def sweep(request: PageRequest) -> Response:
    within = request.query.get("within", "")
    around = [f"--within={within}"] if within in WITHIN else []
    ran = await forms.run_archive_program(request, "complaint", "sweep", request.path("id"), *around, "--json", fine=(0,))
    return request.part("swept", "complaints_case.html", **ran.json)


@page.post("case/{id}/match", wants=Permission.WHOLE, again=case)
async def match(request: PageRequest) -> Response:
    return await _program(request, "matched", "match", f"--message={request.form('message')}")


@page.post("case/{id}/stop", wants=Permission.ENTER, again=case)
async def stop(request: PageRequest) -> Response:
    """Stops the campaign, and notes that with the case."""
    lasts = [f"--for={request.form('lasts')}"] if request.form("lasts") in STOPS else []
    return await _program(request, "stopped", "sweep", f"--stop={request.form('stop')}", *lasts)


async def _program(request: PageRequest, words: str, command: str, *options: str) -> Response:
    argv = ("complaint", command, request.path("id"), *options, f"--why={request.form('why')}", "--json")
    await forms.run_archive_program(request, *argv, fine=(0,))
    return _to(request, words)


@page.post("case/{id}/decide", wants=Permission.ENTER, again=case)
async def decide(request: PageRequest) -> Response:
    """Decides a case, and suppresses for the person in the same step if a scope is given."""
    scope = request.form("suppress")
    await request.ask(
        "complaint.decide", id=request.path("id"), why=request.form("why"), state=request.form("state"),
        of=whole_number(request.form("of"), 14) or None, provider=request.form("provider") or None, suppress=scope or None,
        for_s=forms.duration_s(request.form("lasts")) if scope else None,
    )  # fmt: skip
    return _to(request, "decided")


@page.post("case/{id}/answer", wants=Permission.ENTER, again=case, body_max=forms.FILE_BYTES_MAX)
async def answer(request: PageRequest) -> Response:
    """Notes the file that was sent to the source; without one, makes the answer as a sheet to send, and notes that."""
    number = request.path("id")
    argv = ["complaint", "answer", number, f"--why={request.form('why')}", "--json"]
    if request.upload("file") is None:
        return await forms.download_of(
            request, f"complaint-{number}.xlsx", lambda out: [*argv, f"--out={out}", f"--lang={request.lang}"]
        )
    await forms.run_with_uploads(request, ["file"], lambda came: [*argv, f"--file={came['file']}"])
    return _to(request, "answer_noted")


@page.post("case/{id}/answer/file", wants=Permission.TAKE_OUT, again=case)
async def answer_file(request: PageRequest) -> Response:
    """The file with which the source was answered, again."""
    number, why = request.path("id"), request.form("why")
    name, _ = answer_of(await request.ask("complaint.show", id=number))
    argv = ["complaint", "take-answer", number, f"--why={why}", "--json"]
    ending = Path(name).suffix if Path(name).suffix.isascii() else ""
    answered = await forms.download_of(request, f"case-{number}-answer{ending}", lambda out: [*argv, f"--out={out}"])
    answered.headers["Content-Disposition"] += f"; filename*=UTF-8''{quote(name)}"
    return answered


forms.add_buttons(page, Complaints, case)


@page.post("penalty/{id}", wants=Permission.ENTER, again=case)
async def penalty(request: PageRequest) -> Response:
    """Proposes a penalty that names the case, for another officer to approve; the case notes it."""
    number = request.path("id")
    provider = (await request.ask("complaint.show", id=number))["provider"]
    made = await request.ask(
        "penalty.propose", provider=provider, why=request.t("about_case", number=number, why=request.form("why"))[:500],
        **penalty_terms(request),
    )  # fmt: skip
    await request.ask("complaint.note", id=number, what="proposed", why=f"{made['name']}: {request.form('why')}"[:500])
    return _to(request, "proposed")


@page.post("evidence/{id}", wants=Permission.TAKE_OUT, again=case)
async def evidence(request: PageRequest) -> Response:
    """One ZIP, signed; the journal keeps who made it, and so does the case."""
    number, unmasked = request.path("id"), ["--unmasked"] if request.form("unmasked") else []
    options = [f"--case={number}", f"--why={request.form('why')}", *unmasked, "--json"]
    return await forms.download_of(request, f"case-{number}.zip", lambda out: ["evidence", "pack", f"--out={out}", *options])


def penalty_terms(request: PageRequest) -> dict[str, Any]:
    """The terms of a penalty that a form proposes."""
    step = request.form("step")
    share = float(request.form("share")) if step == "throttle" and request.form("share") in SHARES else None
    days = request.form("days") or str(PENALTY_DAYS)
    if not 0 < whole_number(days, 3) <= PENALTY_DAYS_MAX:
        raise CannotAsk(request.t("bad_days", most=PENALTY_DAYS_MAX))
    optional = {name: request.form(name) or None for name in ("signature", "basis")}
    return {"step": step, "to": share, "for_s": int(days) * time_windows.DAY_S, **optional}


def _to(request: PageRequest, words: str) -> Response:
    number = request.path("id")
    return request.go(f"/complaints/case/{number}", request.t(words, number=number))
