"""Shows a person's opt-outs and consents, lists, and reply paths.

In: a number, files. Out: ports by which replies reach the gate; opt-outs with scope, source, time and end; consents with proof and state; "my
opt-out did not work" answered from the journal; opt-outs entered and lifted; lists imported wholly or not at all. Never: a whole number that
the visitor has not typed, a look that the journal does not keep.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from starlette.responses import Response

from proxy.console import forms
from proxy.console.gate_client import CannotAsk
from proxy.console.page import Page, PageRequest
from proxy.model.number import NotARecipient, recipient_of
from proxy.model.roles import Permission
from proxy.policy.explanation.naming import nameless
from proxy.relay.effects.reply_paths import STATES as PATH_STATES
from proxy.state.lists.consent_lists import STATES
from proxy.state.record.packed_facts import SCOPES

page = Page("optouts", "/optouts", wants=Permission.LOOK, place=50)

UNTIL = ("30d", "90d", "180d", "366d", "")
"""Of a refusal; the empty one: for good."""
LISTS = ("complaint", "import", "officer", "hotline")
LIMIT = 50


@page.get()
async def show(request: PageRequest) -> Response:
    return await _person(request, request.query.get("to", "").strip())


async def _person(request: PageRequest, to: str, problem: str = "") -> Response:
    answer: dict[str, Any] | None = None
    if to and not _is_number(to):
        problem = request.t("bad_number")
    elif to:
        try:
            answer = await _with_names(request, to, await request.ask("subject.show", to=to))
        except CannotAsk as error:
            problem = forms.problem_text(error)
    scopes = [(one, request.t.of("scope", one)) for one in SCOPES]
    sources = [(one, request.t.of("source", one)) for one in ("officer", "hotline", "complaint")]
    return request.render(
        status=409 if problem else 200,
        to=to,
        one=answer,
        problem=problem,
        scopes=scopes,
        sources=sources,
        untils=UNTIL,
        now=request.app.wall(),
    )


async def _with_names(request: PageRequest, to: str, answer: dict[str, Any]) -> dict[str, Any]:
    """With names from the journal, which a program reads, where the gate knows a sender by a hash alone."""
    if not any(map(nameless, (*answer["refusals"], *answer["received"]))):
        return answer
    try:
        named: dict[str, Any] = (await request.run("subject", "show", f"--to={to}", "--json", fine=(0,))).json
    except CannotAsk:
        return answer
    return named


def _is_number(text: str) -> bool:
    try:
        return bool(recipient_of(text))
    except NotARecipient:
        return False


@page.get("trace")
async def trace(request: PageRequest) -> Response:
    """Traces a person's opt-outs in the journal; this may take a moment, and the journal records the look."""
    ran = await request.run(
        "optout", "trace", f"--to={request.query.get('to', '')}", "--json", within_s=forms.PROGRAM_S, fine=(0,)
    )
    return request.part("trace", told=ran.json)


@page.post("add", wants=Permission.ENTER)
async def add(request: PageRequest) -> Response:
    arguments = {
        "scope": request.form("scope") or "all",
        "value": request.form("value") or None,
        "source": request.form("source") or None,
    }
    return await _changed(request, "suppress.add", "added", for_s=forms.duration_s(request.form("lasts")), **arguments)


@page.post("remove", wants=Permission.ENTER)
async def remove(request: PageRequest) -> Response:
    arguments = {name: request.form(name) or None for name in ("scope", "value", "source")}
    return await _changed(request, "suppress.remove", "removed", **arguments)


@page.post("withdraw", wants=Permission.ENTER)
async def withdraw(request: PageRequest) -> Response:
    arguments = {name: request.form(name) or None for name in ("advertiser", "category")}
    return await _changed(request, "consent.withdraw", "withdrawn", **arguments)


async def _changed(request: PageRequest, command: str, words: str, **arguments: Any) -> Response:
    to = request.form("to")
    try:
        answer = await request.ask(command, to=to, why=request.form("why"), **arguments)
    except CannotAsk as error:
        return await _person(request, to, forms.problem_text(error))
    if not answer.get("enforced", True):
        request.session.add_notice("warn", request.t("not_enforced"))
    return request.go(f"/optouts?to={quote(to, safe='')}", request.t(words))


# -- reply paths


@page.get("paths")
async def paths(request: PageRequest) -> Response:
    """By which ports replies reach the gate."""
    state, wanted = request.query.get("state", ""), request.query.get("q", "").strip()
    lines, answer = await request.lines("optout.paths")
    every = [line["path"] for line in lines]
    found = [
        one for one in every
        if state in ("", one["state"]) and (wanted in one["prefix"] or wanted.lower() in one["provider"].lower())
    ]  # fmt: skip
    skip = int(number) if (number := request.query.get("skip", "")).isdigit() and len(number) < 10 else 0
    return request.render(
        "optouts_paths.html", paths=found[skip : skip + LIMIT], total=len(found), skip=skip, limit=LIMIT, q=wanted, state=state,
        rate=answer["rate"], counted=[(one, sum(path["state"] == one for path in every)) for one in PATH_STATES[::-1]],
        states=[(one, request.t.of("path", one)) for one in PATH_STATES],
    )  # fmt: skip


# -- lists of refusals


@page.get("lists")
async def lists(request: PageRequest) -> Response:
    return await _lists(request)


async def _lists(request: PageRequest, problem: str = "") -> Response:
    found = (await request.ask("suppress.lists"))["lists"]
    found.sort(key=lambda one: (-one["newest"], one["scope"], one["value"]))
    return request.render(
        "optouts_lists.html", 409 if problem else 200, lists=found, problem=problem,
        scopes=[(one, request.t.of("scope", one)) for one in SCOPES],
        sources=[(one, request.t.of("source", one)) for one in LISTS], untils=UNTIL,
    )  # fmt: skip


@page.post("lists/import", wants=Permission.ENTER, body_max=forms.FILE_BYTES_MAX)
async def import_list(request: PageRequest) -> Response:
    """All of a file or, with any bad row, nothing."""
    options = [
        f"--scope={request.form('scope') or 'all'}",
        f"--source={request.form('source') or 'import'}",
        f"--why={request.form('why')}",
        "--json",
    ]
    options += [f"--value={request.form('value')}"] if request.form("value") else []
    options += [f"--for={request.form('lasts')}"] if forms.duration_s(request.form("lasts")) else []
    options += ["--remove"] if request.form("off") else []
    try:
        ran = await forms.run_with_uploads(request, ["file"], lambda came: ["suppress", "import", str(came["file"]), *options])
    except CannotAsk as error:
        return await _lists(request, forms.problem_text(error))
    answer = ran.json
    words = "list_off" if request.form("off") else "list_in"
    if not answer["enforced"]:
        request.session.add_notice("warn", request.t("not_enforced"))
    return request.go(
        "/optouts/lists",
        request.t(words, file=answer["file"], numbers=f"{answer['numbers']:,}", changed=f"{answer['changed']:,}"),
    )


@page.post("lists/export", wants=Permission.TAKE_OUT)
async def export_lists(request: PageRequest) -> Response:
    """Everybody who is suppressed, with whole numbers: the journal keeps who took it, and why."""
    return await forms.download_of(
        request, "suppressed.csv", lambda out: ["suppress", "export", f"--out={out}", f"--why={request.form('why')}", "--json"]
    )


# -- consents


@page.get("consents")
async def consents(request: PageRequest) -> Response:
    return await _consents(request)


async def _consents(request: PageRequest, problem: str = "") -> Response:
    query = {name: request.query.get(name, "").strip() for name in ("provider", "advertiser", "state")}
    filters = {name: value or None for name, value in query.items()}
    filters["state"] = filters["state"] if filters["state"] in STATES else None
    lines, _ = await request.lines("consent", **filters)
    tasks, answer = await request.lines("consent.tasks", provider=filters["provider"])
    batches = sorted((one for line in lines for one in line["batches"]), key=lambda one: -one["number"])
    if request.query.get("missing"):
        batches = [one for line in tasks for one in line["batches"]]
    skip = int(number) if (number := request.query.get("skip", "")).isdigit() and len(number) < 10 else 0
    return request.render(
        "optouts_consents.html", 409 if problem else 200, batches=batches[skip : skip + LIMIT], total=len(batches), skip=skip, limit=LIMIT,
        query=query, missing=bool(request.query.get("missing")), tasks=answer, problem=problem, now=request.app.wall(),
        states=[(one, request.t.of("consent", one)) for one in STATES],
    )  # fmt: skip


@page.post("consents/import", wants=Permission.ENTER, body_max=forms.FILE_BYTES_MAX)
async def import_consents(request: PageRequest) -> Response:
    """Imports consents, with their proof or without: its digest is kept, the file stays with its owner."""
    given = [name for name in ("provider", "advertiser", "category", "given", "until", "version") if request.form(name)]
    options = [f"--{name}={request.form(name)}" for name in given]
    options += [f"--source={request.form('source')}", f"--why={request.form('why')}", "--json"]

    def argv(came: dict[str, Any]) -> list[str]:
        proof = [f"--proof={came['proof']}"] if "proof" in came else []
        return ["consent", "import", str(came["file"]), *proof, *options]

    try:
        answer = (await forms.run_with_uploads(request, ["file", "proof"], argv)).json
    except CannotAsk as error:
        return await _consents(request, forms.problem_text(error))
    if not answer["enforced"]:
        request.session.add_notice("warn", request.t("not_enforced_consent"))
    return request.go(
        "/optouts/consents",
        request.t("consents_in", file=answer["file"], numbers=f"{answer['numbers']:,}", batches=len(answer["batches"])),
    )


@page.post("consents/{number}/review", wants=Permission.ENTER)
async def review(request: PageRequest) -> Response:
    verdict = "accepted" if request.form("verdict") == "accepted" else "rejected"
    return await _batch(request, "consent.review", "reviewed", verdict=verdict)


@page.post("consents/{number}/withdraw", wants=Permission.ENTER)
async def withdraw_batch(request: PageRequest) -> Response:
    return await _batch(request, "consent.withdraw", "batch_withdrawn")


@page.post("consents/{number}/proof", wants=Permission.ENTER, body_max=forms.FILE_BYTES_MAX)
async def proof(request: PageRequest) -> Response:
    number, why = request.path("number"), request.form("why")
    try:
        await forms.run_with_uploads(
            request, ["proof"], lambda came: ["consent", "proof", number, f"--file={came['proof']}", f"--why={why}", "--json"]
        )
    except CannotAsk as error:
        return await _consents(request, forms.problem_text(error))
    return request.go("/optouts/consents", request.t("proven", number=number))


async def _batch(request: PageRequest, command: str, words: str, **arguments: Any) -> Response:
    number = request.path("number")
    try:
        await request.ask(command, batches=[number], why=request.form("why"), **arguments)
    except CannotAsk as error:
        return await _consents(request, forms.problem_text(error))
    return request.go("/optouts/consents", request.t(words, number=number))
