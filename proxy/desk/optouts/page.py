"""Shows a person's opt-outs and consents, lists, and reply paths.

Never: a whole number that the visitor has not typed, a look that the journal does not keep.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

from starlette.responses import Response

from proxy.console import forms
from proxy.console.gate_client import CannotAsk
from proxy.console.page import Page, PageRequest
from proxy.desk.consents.operations import CATEGORIES
from proxy.model.number import NotARecipient, recipient_of
from proxy.model.roles import Permission
from proxy.policy.explanation.naming import nameless
from proxy.policy.registries.table_words import ANY
from proxy.relay.effects.reply_paths import STATES as PATH_STATES
from proxy.state.lists.consent_lists import STATES
from proxy.state.record.packed_facts import SCOPES

page = Page("optouts", "/optouts", wants=Permission.LOOK, place=50)

UNTIL = ("30d", "90d", "180d", "366d", "")
"""Of a refusal; the empty one: for good."""
LISTS = ("complaint", "import", "officer", "hotline")
LIMIT = 50


@page.get()
async def show(request: PageRequest, problem: str = "") -> Response:
    """Shows a person: the one of the form, else of the address."""
    answer: dict[str, Any] | None = None
    to = request.form("to") or request.query.get("to", "").strip()
    if to and not _is_number(to):
        problem = request.t("bad_number")
    elif to:
        try:
            answer = await _with_names(request, to, await request.ask("subject.show", to=to))
        except CannotAsk as error:
            problem = forms.problem_text(error)
    scopes, sources = request.choices("scope", SCOPES), request.choices("source", ("officer", "hotline", "complaint"))
    return request.render(
        to=to, one=answer, problem=problem, scopes=scopes, sources=sources, untils=UNTIL, now=request.app.wall(),
    )  # fmt: skip


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


@page.post("add", wants=Permission.ENTER, again=show)
async def add(request: PageRequest) -> Response:
    return await _changed(
        request, "suppress.add", "added", for_s=forms.duration_s(request.form("lasts")), scope=request.form("scope") or "all",
        value=request.form("value") or None, source=request.form("source") or None,
    )  # fmt: skip


@page.post("remove", wants=Permission.ENTER, again=show)
async def remove(request: PageRequest) -> Response:
    arguments = {name: request.form(name) or None for name in ("scope", "value", "source")}
    return await _changed(request, "suppress.remove", "removed", **arguments)


@page.post("withdraw", wants=Permission.ENTER, again=show)
async def withdraw(request: PageRequest) -> Response:
    arguments = {name: request.form(name) or None for name in ("advertiser", "category")}
    return await _changed(request, "consent.withdraw", "withdrawn", **arguments)


async def _changed(request: PageRequest, command: str, words: str, **arguments: Any) -> Response:
    to = request.form("to")
    answer = await request.ask(command, to=to, why=request.form("why"), **arguments)
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
    return request.render(
        "optouts_paths.html", paths=found[request.skip : request.skip + LIMIT], total=len(found), skip=request.skip, limit=LIMIT, q=wanted,
        state=state, rate=answer["rate"], counted=[(one, sum(path["state"] == one for path in every)) for one in PATH_STATES[::-1]],
        states=request.choices("path", PATH_STATES),
    )  # fmt: skip


# -- lists of refusals


@page.get("lists")
async def lists(request: PageRequest, problem: str = "", **previewed: Any) -> Response:
    found = (await request.ask("suppress.lists"))["lists"]
    found.sort(key=lambda one: (-one["newest"], one["scope"], one["value"]))
    return request.render(
        "optouts_lists.html", lists=found, problem=problem, scopes=request.choices("scope", SCOPES),
        sources=request.choices("source", LISTS), untils=request.choices("lasts", (*UNTIL[:-1], "good")), **forms.NO_PREVIEW | previewed,
    )  # fmt: skip


@page.post("lists/preview", wants=Permission.ENTER, body_max=forms.FILE_BYTES_MAX, again=lists)
async def preview_list(request: PageRequest) -> Response:
    """What the file would store; a part for htmx, else the page with it."""
    found = await forms.previewed(request, lambda file: _list_words(request, file), "--skip-bad")
    return request.part("seen", "optouts_lists.html", **found) if request.partial else await lists(request, **found)


@page.post("lists/import", wants=Permission.ENTER, body_max=forms.FILE_BYTES_MAX, again=lists)
async def import_list(request: PageRequest) -> Response:
    """All of a file or, with any bad row, nothing."""
    ran = await forms.run_with_uploads(
        request,
        ["file"],
        lambda came: [
            *forms.as_previewed(request, came["file"], _list_words(request, came["file"])),
            *_skip_bad(request),
        ],
    )
    answer, words = ran.json, "list_off" if request.form("off") else "list_in"
    if not answer["enforced"]:
        request.session.add_notice("warn", request.t("not_enforced"))
    numbers, changed = f"{answer['numbers']:,}", f"{answer['changed']:,}"
    return request.go("/optouts/lists", request.t(words, file=answer["file"], numbers=numbers, changed=changed))


def _list_words(request: PageRequest, file: Path) -> list[str]:
    said = {"scope": request.form("scope") or "all", "why": request.form("why") or request.t("import")}
    said |= {name: request.form(name) for name in ("value", "source") if request.form(name)}
    said |= {"for": request.form("lasts")} if request.form("lasts") in (*UNTIL[:-1], "good") else {}
    options = [f"--{name}={word}" for name, word in said.items()]
    return ["suppress", "import", str(file), *options, "--json", *(["--remove"] if request.form("off") else [])]


@page.post("lists/export", wants=Permission.TAKE_OUT)
async def export_lists(request: PageRequest) -> Response:
    """Everybody who is suppressed, with whole numbers: the journal keeps who took it, and why."""
    return await forms.download_of(
        request, "suppressed.csv", lambda out: ["suppress", "export", f"--out={out}", f"--why={request.form('why')}", "--json"]
    )


# -- consents


@page.get("consents")
async def consents(request: PageRequest, problem: str = "", **previewed: Any) -> Response:
    query = {name: request.query.get(name, "").strip() for name in ("provider", "advertiser", "state")}
    filters = {name: value or None for name, value in query.items()}
    filters["state"] = filters["state"] if filters["state"] in STATES else None
    lines, _ = await request.lines("consent", **filters)
    tasks, answer = await request.lines("consent.tasks", provider=filters["provider"])
    _, anybody = await request.lines("consent", advertiser="any")
    shown = query["advertiser"].lower() in ANY
    batches = sorted((one for line in lines for one in line["batches"]), key=lambda one: -one["number"])
    if request.query.get("missing"):
        batches = [one for line in tasks for one in line["batches"]]
    skip = request.skip
    return request.render(
        "optouts_consents.html", batches=batches[skip : skip + LIMIT], total=len(batches), skip=skip, limit=LIMIT, query=query,
        missing=bool(request.query.get("missing")), tasks=answer, problem=problem, now=request.app.wall(),
        states=request.choices("consent", STATES), anybody=0 if shown else anybody["batches"],
        categories=request.choices("category", CATEGORIES), **forms.NO_PREVIEW | previewed,
    )  # fmt: skip


@page.post("consents/preview", wants=Permission.ENTER, body_max=forms.FILE_BYTES_MAX, again=consents)
async def preview_consents(request: PageRequest) -> Response:
    """What the file would store; a part for htmx, else the page with it."""
    found = await forms.previewed(request, lambda file: _consent_words(request, file), "--skip-bad")
    return request.part("seen", "optouts_consents.html", **found) if request.partial else await consents(request, **found)


@page.post("consents/import", wants=Permission.ENTER, body_max=forms.FILE_BYTES_MAX, again=consents)
async def import_consents(request: PageRequest) -> Response:
    """Imports consents, with their proof or without: its digest is kept, the file stays with its owner."""

    def argv(came: dict[str, Any]) -> list[str]:
        proof = [f"--proof={came['proof']}"] if "proof" in came else []
        words = _consent_words(request, came["file"])
        return [*forms.as_previewed(request, came["file"], words), *proof, *_skip_bad(request)]

    answer = (await forms.run_with_uploads(request, ["file", "proof"], argv)).json
    if not answer["enforced"]:
        request.session.add_notice("warn", request.t("not_enforced_consent"))
    numbers, batches = f"{answer['numbers']:,}", len(answer["batches"])
    return request.go("/optouts/consents", request.t("consents_in", file=answer["file"], numbers=numbers, batches=batches))


def _consent_words(request: PageRequest, file: Path) -> list[str]:
    names = ("source", "provider", "advertiser", "category", "given", "until", "version", "why")
    said = {name: request.form(name) for name in names if request.form(name)} | (
        {"until": "good"} if request.form("endless") else {}
    )
    said.setdefault("why", request.t("import_consents"))
    return ["consent", "import", str(file), *(f"--{name}={word}" for name, word in said.items()), "--json"]


def _skip_bad(request: PageRequest) -> list[str]:
    return ["--skip-bad"] if request.form("skip_bad") else []


@page.post("consents/{number}/review", wants=Permission.REVIEW, again=consents)
async def review(request: PageRequest) -> Response:
    verdict = "accepted" if request.form("verdict") == "accepted" else "rejected"
    return await _batch(request, "consent.review", "reviewed", verdict=verdict)


@page.post("consents/{number}/withdraw", wants=Permission.ENTER, again=consents)
async def withdraw_batch(request: PageRequest) -> Response:
    return await _batch(request, "consent.withdraw", "batch_withdrawn")


@page.post("consents/{number}/proof", wants=Permission.ENTER, body_max=forms.FILE_BYTES_MAX, again=consents)
async def proof(request: PageRequest) -> Response:
    number, why = request.path("number"), request.form("why")
    await forms.run_with_uploads(
        request, ["proof"], lambda came: ["consent", "prove", number, f"--file={came['proof']}", f"--why={why}", "--json"]
    )
    return request.go("/optouts/consents", request.t("proven", number=number))


async def _batch(request: PageRequest, command: str, words: str, **arguments: Any) -> Response:
    number = request.path("number")
    await request.ask(command, batches=[number], why=request.form("why"), **arguments)
    return request.go("/optouts/consents", request.t(words, number=number))
