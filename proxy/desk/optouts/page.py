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
from proxy.state.lists.consented import STATES
from proxy.state.record.facts import SCOPES

page = Page("optouts", "/optouts", wants=Permission.LOOK, place=50)

UNTIL = ("30d", "90d", "180d", "366d", "")
"""Of a refusal; the empty one: for good."""
LISTS = ("complaint", "import", "officer", "hotline")
LIMIT = 50


@page.get()
async def show(visit: PageRequest) -> Response:
    return await _person(visit, visit.query.get("to", "").strip())


async def _person(visit: PageRequest, to: str, problem: str = "") -> Response:
    told: dict[str, Any] | None = None
    if to and not _is_number(to):
        problem = visit.t("bad_number")
    elif to:
        try:
            told = await _with_names(visit, to, await visit.ask("subject.show", to=to))
        except CannotAsk as error:
            problem = forms.beside(error)
    scopes = [(one, visit.t.of("scope", one)) for one in SCOPES]
    sources = [(one, visit.t.of("source", one)) for one in ("officer", "hotline", "complaint")]
    return visit.render(
        status=409 if problem else 200,
        to=to,
        one=told,
        problem=problem,
        scopes=scopes,
        sources=sources,
        untils=UNTIL,
        now=visit.house.wall(),
    )


async def _with_names(visit: PageRequest, to: str, told: dict[str, Any]) -> dict[str, Any]:
    """With names from the journal, which a program reads, where the gate knows a sender by a hash alone."""
    if not any(map(nameless, (*told["refusals"], *told["received"]))):
        return told
    try:
        named: dict[str, Any] = (await visit.run("subject", "show", f"--to={to}", "--json", fine=(0,))).json
    except CannotAsk:
        return told
    return named


def _is_number(said: str) -> bool:
    try:
        return bool(recipient_of(said))
    except NotARecipient:
        return False


@page.get("trace")
async def trace(visit: PageRequest) -> Response:
    """Traces a person's opt-outs in the journal; this may take a moment, and the journal records the look."""
    ran = await visit.run("optout", "trace", f"--to={visit.query.get('to', '')}", "--json", within_s=forms.PROGRAM_S, fine=(0,))
    return visit.part("trace", told=ran.json)


@page.post("add", wants=Permission.ENTER)
async def add(visit: PageRequest) -> Response:
    said = {"scope": visit.form("scope") or "all", "value": visit.form("value") or None, "source": visit.form("source") or None}
    return await _changed(visit, "suppress.add", "added", for_s=forms.lasts(visit.form("lasts")), **said)


@page.post("remove", wants=Permission.ENTER)
async def remove(visit: PageRequest) -> Response:
    said = {name: visit.form(name) or None for name in ("scope", "value", "source")}
    return await _changed(visit, "suppress.remove", "removed", **said)


@page.post("withdraw", wants=Permission.ENTER)
async def withdraw(visit: PageRequest) -> Response:
    said = {name: visit.form(name) or None for name in ("advertiser", "category")}
    return await _changed(visit, "consent.withdraw", "withdrawn", **said)


async def _changed(visit: PageRequest, command: str, words: str, **said: Any) -> Response:
    to = visit.form("to")
    try:
        told = await visit.ask(command, to=to, why=visit.form("why"), **said)
    except CannotAsk as error:
        return await _person(visit, to, forms.beside(error))
    if not told.get("enforced", True):
        visit.session.tell("warn", visit.t("not_enforced"))
    return visit.go(f"/optouts?to={quote(to, safe='')}", visit.t(words))


# -- reply paths


@page.get("paths")
async def paths(visit: PageRequest) -> Response:
    """By which ports replies reach the gate."""
    state, wanted = visit.query.get("state", ""), visit.query.get("q", "").strip()
    lines, told = await visit.lines("optout.paths")
    every = [line["path"] for line in lines]
    found = [
        one for one in every
        if state in ("", one["state"]) and (wanted in one["prefix"] or wanted.lower() in one["provider"].lower())
    ]  # fmt: skip
    skip = int(said) if (said := visit.query.get("skip", "")).isdigit() and len(said) < 10 else 0
    return visit.render(
        "optouts_paths.html", paths=found[skip : skip + LIMIT], total=len(found), skip=skip, limit=LIMIT, q=wanted, state=state,
        rate=told["rate"], counted=[(one, sum(path["state"] == one for path in every)) for one in PATH_STATES[::-1]],
        states=[(one, visit.t.of("path", one)) for one in PATH_STATES],
    )  # fmt: skip


# -- lists of refusals


@page.get("lists")
async def lists(visit: PageRequest) -> Response:
    return await _lists(visit)


async def _lists(visit: PageRequest, problem: str = "") -> Response:
    found = (await visit.ask("suppress.lists"))["lists"]
    found.sort(key=lambda one: (-one["newest"], one["scope"], one["value"]))
    return visit.render(
        "optouts_lists.html", 409 if problem else 200, lists=found, problem=problem, scopes=[(one, visit.t.of("scope", one)) for one in SCOPES],
        sources=[(one, visit.t.of("source", one)) for one in LISTS], untils=UNTIL,
    )  # fmt: skip


@page.post("lists/import", wants=Permission.ENTER, body_max=forms.FILE_BYTES_MAX)
async def import_list(visit: PageRequest) -> Response:
    """All of a file or, with any bad row, nothing."""
    options = [
        f"--scope={visit.form('scope') or 'all'}",
        f"--source={visit.form('source') or 'import'}",
        f"--why={visit.form('why')}",
        "--json",
    ]
    options += [f"--value={visit.form('value')}"] if visit.form("value") else []
    options += [f"--for={visit.form('lasts')}"] if forms.lasts(visit.form("lasts")) else []
    options += ["--remove"] if visit.form("off") else []
    try:
        ran = await forms.with_files(visit, ["file"], lambda came: ["suppress", "import", str(came["file"]), *options])
    except CannotAsk as error:
        return await _lists(visit, forms.beside(error))
    told = ran.json
    words = "list_off" if visit.form("off") else "list_in"
    if not told["enforced"]:
        visit.session.tell("warn", visit.t("not_enforced"))
    return visit.go(
        "/optouts/lists", visit.t(words, file=told["file"], numbers=f"{told['numbers']:,}", changed=f"{told['changed']:,}")
    )


@page.post("lists/export", wants=Permission.TAKE_OUT)
async def export_lists(visit: PageRequest) -> Response:
    """Everybody who is suppressed, with whole numbers: the journal keeps who took it, and why."""
    return await forms.made(
        visit, "suppressed.csv", lambda out: ["suppress", "export", f"--out={out}", f"--why={visit.form('why')}", "--json"]
    )


# -- consents


@page.get("consents")
async def consents(visit: PageRequest) -> Response:
    return await _consents(visit)


async def _consents(visit: PageRequest, problem: str = "") -> Response:
    query = {name: visit.query.get(name, "").strip() for name in ("provider", "advertiser", "state")}
    asked = {name: value or None for name, value in query.items()}
    asked["state"] = asked["state"] if asked["state"] in STATES else None
    lines, _ = await visit.lines("consent", **asked)
    tasks, told = await visit.lines("consent.tasks", provider=asked["provider"])
    batches = sorted((one for line in lines for one in line["batches"]), key=lambda one: -one["number"])
    if visit.query.get("missing"):
        batches = [one for line in tasks for one in line["batches"]]
    skip = int(said) if (said := visit.query.get("skip", "")).isdigit() and len(said) < 10 else 0
    return visit.render(
        "optouts_consents.html", 409 if problem else 200, batches=batches[skip : skip + LIMIT], total=len(batches), skip=skip, limit=LIMIT,
        query=query, missing=bool(visit.query.get("missing")), tasks=told, problem=problem, now=visit.house.wall(),
        states=[(one, visit.t.of("consent", one)) for one in STATES],
    )  # fmt: skip


@page.post("consents/import", wants=Permission.ENTER, body_max=forms.FILE_BYTES_MAX)
async def import_consents(visit: PageRequest) -> Response:
    """Imports consents, with their proof or without: its digest is kept, the file stays with its owner."""
    given = [name for name in ("provider", "advertiser", "category", "given", "until", "version") if visit.form(name)]
    options = [f"--{name}={visit.form(name)}" for name in given]
    options += [f"--source={visit.form('source')}", f"--why={visit.form('why')}", "--json"]

    def argv(came: dict[str, Any]) -> list[str]:
        proof = [f"--proof={came['proof']}"] if "proof" in came else []
        return ["consent", "import", str(came["file"]), *proof, *options]

    try:
        told = (await forms.with_files(visit, ["file", "proof"], argv)).json
    except CannotAsk as error:
        return await _consents(visit, forms.beside(error))
    if not told["enforced"]:
        visit.session.tell("warn", visit.t("not_enforced_consent"))
    return visit.go(
        "/optouts/consents",
        visit.t("consents_in", file=told["file"], numbers=f"{told['numbers']:,}", batches=len(told["batches"])),
    )


@page.post("consents/{number}/review", wants=Permission.ENTER)
async def review(visit: PageRequest) -> Response:
    verdict = "accepted" if visit.form("verdict") == "accepted" else "rejected"
    return await _batch(visit, "consent.review", "reviewed", verdict=verdict)


@page.post("consents/{number}/withdraw", wants=Permission.ENTER)
async def withdraw_batch(visit: PageRequest) -> Response:
    return await _batch(visit, "consent.withdraw", "batch_withdrawn")


@page.post("consents/{number}/proof", wants=Permission.ENTER, body_max=forms.FILE_BYTES_MAX)
async def proof(visit: PageRequest) -> Response:
    number, why = visit.path("number"), visit.form("why")
    try:
        await forms.with_files(
            visit, ["proof"], lambda came: ["consent", "proof", number, f"--file={came['proof']}", f"--why={why}", "--json"]
        )
    except CannotAsk as error:
        return await _consents(visit, forms.beside(error))
    return visit.go("/optouts/consents", visit.t("proven", number=number))


async def _batch(visit: PageRequest, command: str, words: str, **said: Any) -> Response:
    number = visit.path("number")
    try:
        await visit.ask(command, batches=[number], why=visit.form("why"), **said)
    except CannotAsk as error:
        return await _consents(visit, forms.beside(error))
    return visit.go("/optouts/consents", visit.t(words, number=number))
