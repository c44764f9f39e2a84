"""Edits rules files: by form or text, checked, tried, proposed.

In: a file's text, and the set it was made of. Out: the problems that ``gate106 check`` finds, verdicts under the draft, a backtest of the last
day, a proposal. Never: a file of the gate written.
"""

from __future__ import annotations

from functools import partial
from typing import Any
from zlib import crc32

from starlette.exceptions import HTTPException
from starlette.responses import Response

from proxy.console.gate_client import CannotAsk
from proxy.console.jobs import Job, scratch
from proxy.console.page import Page, PageRequest
from proxy.console.render import address, rule_state
from proxy.desk.revisions import drafting, rule_wizard
from proxy.desk.revisions.comparison import compared, new_problems
from proxy.model.roles import Permission
from proxy.policy import time_windows
from proxy.state.lists.desk_records import EVENTS_MAX
from proxy.state.revision_store import RULES_FILE

page = Page("drafts", "/drafts", wants=Permission.ENTER, under="rules")

SPANS = ("1h", "6h", "24h", "7d")
PARTS_SHOWN = 60
HOUR_S, DAY_S = 3600, 86_400
EDITOR_WORDS = (
    "Find", "Replace", "next", "previous", "all", "match case", "regexp", "by word", "replace", "replace all", "close", "current match",
    "on line", "Go to line", "go", "Diagnostics", "No diagnostics", "Control character",
)  # fmt: skip
"""What the editor itself says."""
SAMPLE = "【测试】双11优惠券满300减50 拒收请回复R"


@page.get("new")
async def new(request: PageRequest) -> Response:
    """The form for the commonest rules."""
    kind = request.query.get("kind", "ban")
    if kind not in rule_wizard.KINDS:
        raise HTTPException(404)
    return await _form(request, kind, form={}, problem="")


@page.post("written")
async def written(request: PageRequest) -> Response:
    """The rule that the form means, while it is filled in."""
    try:
        made = await _made(request)
    except rule_wizard.IncompleteForm as error:
        return request.part("written", "drafts_new.html", made=None, unclear=error.args)
    return request.part("written", "drafts_new.html", made=made, unclear=(), at=request.app.wall())


@page.post("write")
async def write(request: PageRequest) -> Response:
    """Into the draft with it, and to the editor or the gate."""
    try:
        made = await _made(request)
    except rule_wizard.IncompleteForm as error:
        form = _filled_in(request)
        kind = form["kind"] if form.get("kind") in rule_wizard.KINDS else "ban"
        return await _form(request, kind, 422, form=form, problem=request.t(str(error.args[0])), unclear=error.args)
    draft = await drafting.keep(request, made["base"], {made["file"]: made["text"]})
    if request.form("do") == "propose":
        return await _proposed(request, draft, made["file"], made["rule"])
    if request.form("do") == "more":
        return request.go(address("/drafts/new", kind=request.form("kind")), request.t("drafted"))
    return await _editor(request, draft, made["file"], made["rule"], note=made["shorter"])


@page.post("switch")
async def switch(request: PageRequest) -> Response:
    """Into the draft with a rule in another mode."""
    if not request.form("mode"):
        raise CannotAsk(request.t("unclear_kind"))
    draft, rule = await drafting.draft_of(request), request.form("rule")
    file, text = await request.asking.sandbox.ask(
        "switched", revision=draft.base, instead=draft.files, rule=rule, mode=request.form("mode"), share=request.form("share")
    )
    await drafting.keep(request, draft.base, {file: text})
    return request.go(address("/drafts/edit", file=file, rule=rule), request.t("drafted"))


@page.post("discard")
async def discard(request: PageRequest) -> Response:
    """Throws a file of the draft away, or all of it."""
    draft, file = await drafting.draft_of(request), request.form("file")
    await drafting.keep(request, draft.base, {file: None} if file else dict.fromkeys(draft.files))
    return request.go("/drafts/edit" if file and len(draft.files) > 1 else "/rules", request.t("discarded"))


@page.post("again")
async def again(request: PageRequest) -> Response:
    """Into the draft with a proposal that was rejected or withdrawn."""
    revision, events = request.form("revision"), compared((await request.ask("rules.history", last=EVENTS_MAX))["events"])
    before = next((one["before"] for one in events if (one["event"], one["revision"]) == ("proposed", revision)), "")
    await request.asking.sandbox.ask(
        "draft_again", revision=await drafting.base_of(request), who=request.who, before=before, proposed=revision
    )
    return request.go("/drafts/edit", request.t("drafted"))


@page.get("again")
@page.get("write")
@page.get("switch")
@page.get("discard")
@page.get("propose")
async def redirect(request: PageRequest) -> Response:
    """Redirects a GET of a form's address: a return to it, or a change of language."""
    return request.go("/drafts/edit")


@page.get("edit")
async def edit(request: PageRequest) -> Response:
    draft = await drafting.draft_of(request)
    files = await _files(request, draft)
    drafted = [name for name in draft.files if name in files]
    file = request.query.get("file") or next(iter([*drafted, *files]), rule_wizard.NEW_FILE)
    if file not in files:
        raise HTTPException(404)
    return await _editor(request, draft, file, request.query.get("rule", ""))


@page.post("check", body_max=drafting.DRAFT_BYTES_MAX)
async def check(request: PageRequest) -> Response:
    try:
        draft = await drafting.keep_form(request, RULES_FILE)
        return request.part("check", wrong="", wall=request.app.wall(), draft=draft, **await drafting.checked(request, draft))
    except CannotAsk as error:
        return request.part("check", status=409, wrong=str(error))


@page.get("beside", wants=Permission.LOOK)
async def beside(request: PageRequest) -> Response:
    """To try a set that waits: a message, a backtest; and the newest result of one."""
    base = request.query.get("base", "")
    described = await request.asking.sandbox.describe(base)
    return request.part(
        "beside", base=base, providers=described["providers"], moment_now=_now(request).replace(" ", "T"), wrong="", spans=SPANS,
        job=request.asking.jobs.of(base), sample=SAMPLE,
    )  # fmt: skip


@page.post("try", wants=Permission.LOOK, body_max=drafting.DRAFT_BYTES_MAX)
async def try_one(request: PageRequest) -> Response:
    message = {name: request.form(f"try_{name}") for name in ("to", "from", "text", "provider", "category")}
    message["at"] = request.form("try_at").replace("T", " ")
    try:
        verdict = await request.asking.sandbox.ask(
            "tried", revision=request.form("base"), instead=await drafting.changed_files(request, RULES_FILE), message=message
        )
    except CannotAsk as error:
        return request.part("tried", verdict=None, wrong=str(error))
    parts = sorted(verdict["rules"], key=lambda part: not part["objects"])[:PARTS_SHOWN]
    return request.part("tried", verdict=verdict, parts=parts, wrong="")


@page.post("backtest", wants=Permission.LOOK, body_max=drafting.DRAFT_BYTES_MAX)
async def backtest(request: PageRequest) -> Response:
    since = request.form("since") if request.form("since") in SPANS else "24h"
    sandbox, folder = request.asking.sandbox, None
    try:
        instead = await drafting.changed_files(request, RULES_FILE)
        if instead:
            folder = scratch()
            revision = await sandbox.ask("spread", revision=request.form("base"), instead=instead, into=str(folder / "rules"))
        else:
            revision = (await sandbox.describe(request.form("base")))["revision"]
        job = request.asking.jobs.start(request.who, revision, folder, since)
    except CannotAsk as error:
        return request.part("job", job=None, wrong=str(error), spans=SPANS)
    return request.part("job", job=job, wrong="", spans=SPANS)


@page.get("job/{name}", wants=Permission.LOOK, renews=True)
async def job(request: PageRequest) -> Response:
    return request.part("job", job=_job(request), wrong="", spans=SPANS)


@page.post("job/{name}/cancel", wants=Permission.LOOK)
async def cancel(request: PageRequest) -> Response:
    found = _job(request)
    request.asking.jobs.cancel(found)
    return request.part("job", job=found, wrong="", spans=SPANS)


@page.post("propose", body_max=drafting.DRAFT_BYTES_MAX)
async def propose(request: PageRequest) -> Response:
    base, file = await drafting.base_of(request), request.form("file")
    draft = await drafting.keep_form(request, RULES_FILE)
    if draft.base != base:  # others decided meanwhile
        return await _editor(request, await drafting.draft_of(request, base), file, problem=request.t("base_moved"), status=409)
    return await _proposed(request, draft, file)


# -- what all of them need


async def _proposed(request: PageRequest, draft: drafting.Draft, file: str, rule: str = "") -> Response:
    return await drafting.propose(request, draft, partial(_editor, request, draft, file, rule), then="/rules")


def _now(request: PageRequest) -> str:
    return time_windows.local(request.app.wall())[:16]


def _filled_in(request: PageRequest) -> dict[str, str]:
    """The form; what was ticked in one text, with blanks between."""
    several = {name: " ".join(map(str, request.form_data.getlist(name))) for name in ("category", "subcategory")}
    return {name: request.form(name) for name in request.form_data} | several


async def _made(request: PageRequest) -> dict[str, Any]:
    """The file with the rule in it, as the form says. Unclear where it does not."""
    base, sandbox = request.form("base"), request.asking.sandbox
    drafted = (await drafting.draft_of(request, base)).files
    described = await sandbox.describe(base, drafted)
    if not described["revision"]:
        raise rule_wizard.IncompleteForm("draft_broken")
    provinces = [one for one in request.form_data.getlist("province") if isinstance(one, str)]
    now = _now(request)
    one = rule_wizard.read_form(
        _filled_in(request), provinces, described["provinces"], now, described["campaigns"], described["holidays"]
    )
    at = request.app.wall()
    stands = rule_wizard.alike(one, (rule for rule in described["rules"] if rule_state(rule, at) == "enforce"))
    instead = None if request.form("beside") else stands
    name = instead["rule"] if instead else rule_wizard.new_id(one, {rule["rule"] for rule in described["rules"]}, now)
    file = instead["file"] if instead else rule_wizard.FILES[one.kind]
    file = file if file in described["files"] else rule_wizard.NEW_FILE
    rule, test = rule_wizard.rule_of(one, name), rule_wizard.test_of(one, name, now)
    before = described["files"].get(file, "")
    text = rule_wizard.with_rule(before, rule, test, instead)
    found = await sandbox.describe(base, {**drafted, file: text})
    wrong = [test for test in found["tests"] if test["wrong"] and test["rules"] == [name] and test["file"] == file]
    if wrong or (test and not found["revision"]):  # other rules refuse the message made up, or a replaced rule meant others
        failing = [test["line"] for test in wrong]
        text = rule_wizard.without_tests(text, failing) if wrong else rule_wizard.with_rule(before, rule, [], instead)
        found = await sandbox.describe(base, {**drafted, file: text})
    in_words = next((rule for rule in found["rules"] if rule["rule"] == name), None)
    if in_words and in_words["over"]:
        raise rule_wizard.IncompleteForm("days_over", f"registries/{'campaigns' if one.campaign else 'holidays'}.csv")
    in_force = await sandbox.describe(base) if drafted else described
    problems = new_problems(in_force, found)
    return {
        "base": base, "file": file, "text": text, "rule": name, "yaml": "\n".join(rule), "stands": stands, "instead": instead,
        "stands_drafted": stands and (stands["rule"], stands["text"]) not in {(one["rule"], one["text"]) for one in in_force["rules"]},
        "words": in_words, "tested": any(name in test["rules"] for test in found["tests"]), "problems": problems,
        "seen": crc32(repr(problems).encode()),
        "shorter": _shorter(request, one, now),
    }  # fmt: skip


def _shorter(request: PageRequest, one: rule_wizard.WizardForm, now: str) -> str:
    """Until when a trial runs: not for as long as was chosen, where the rule has a date; empty without a trial."""
    if one.trial not in rule_wizard.TRIALS:
        return ""
    if not (left_s := rule_wizard.shorter_s(one, now)):
        return request.t("trial_runs", since=one.since)
    spell = time_windows.spell_in_chinese if request.lang == "zh" else time_windows.spell
    days_s = left_s // DAY_S * DAY_S if left_s >= 2 * DAY_S else 0  # one day is spelt as 24 h
    rest_s = left_s - days_s
    left = " ".join(spell(part_s) for part_s in (days_s, rest_s // HOUR_S * HOUR_S, 0 if days_s else rest_s % HOUR_S) if part_s)
    return request.t("trial_shorter", since=one.since, left=left, chosen=request.t(f"trial_{one.trial}"))


async def _form(request: PageRequest, kind: str, status: int = 200, **more: Any) -> Response:
    draft, now = await drafting.draft_of(request), await request.ask("rules")
    described = await request.asking.sandbox.describe(draft.base, draft.files)
    if not described["revision"]:
        described = await request.asking.sandbox.describe(draft.base)
    provinces, ticked = rule_wizard.in_order(described["provinces"]), request.form_data.getlist("province")
    return request.render(
        "drafts_new.html", status, base=draft.base, told=described, provinces=provinces, ticked=ticked, kind=kind, kinds=rule_wizard.KINDS,
        days=rule_wizard.DAYS, drafted=draft.files, now=now, **more,
    )  # fmt: skip


async def _files(request: PageRequest, draft: drafting.Draft) -> dict[str, str]:
    """Files for the editor, as they are drafted."""
    described = await request.asking.sandbox.describe(draft.base)
    drafted = {name: text for name, text in draft.files.items() if RULES_FILE.fullmatch(name)}
    return {**described["files"], **drafted}


async def _editor(
    request: PageRequest, draft: drafting.Draft, file: str, rule: str = "", problem: str = "", status: int = 200, note: str = ""
) -> Response:
    now = await request.ask("rules")
    described, files = await request.asking.sandbox.describe(draft.base), await _files(request, draft)
    text = files.get(file, "")
    lines = text.split("\n")
    at = next((place + 1 for place, line in enumerate(lines) if rule and line.strip().startswith(f"- id: {rule}")), 0)
    return request.render(
        "drafts.html", status, now=now, draft=draft, base=draft.base, file=file, text=text, at=at, files=sorted({*files, file}),
        providers=described["providers"], problem=problem, why=request.form("why"), job=None, wrong="", spans=SPANS,
        moment_now=_now(request).replace(" ", "T"), sample=SAMPLE, note=note,
        editor_words={words: request.t.of("editor", words) for words in EDITOR_WORDS},
    )  # fmt: skip


def _job(request: PageRequest) -> Job:
    found = request.asking.jobs.find(request.path("name"))
    if found is None:
        raise HTTPException(404)
    return found
