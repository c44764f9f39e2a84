"""Edits rules files: by form or text, checked, tried, proposed.

In: a file's text, and the set it was made of. Out: the problems that ``gate106 check`` finds, verdicts under the draft, a backtest of the last
day, a proposal. Never: a file of the gate written; a draft kept: it lives in its author's browser.
"""

from __future__ import annotations

from typing import Any

from starlette.exceptions import HTTPException
from starlette.responses import Response

from proxy.console.gate_client import CannotAsk
from proxy.console.jobs import Job, scratch
from proxy.console.page import Page, PageRequest
from proxy.desk.revisions import rule_wizard
from proxy.desk.revisions.comparison import new_problems
from proxy.desk.revisions.drafting import DRAFT_BYTES_MAX, base_of, changed_file, checked, draft_text, push
from proxy.model.roles import Permission
from proxy.policy import time_windows
from proxy.state.revision_store import RULES_FILE

page = Page("drafts", "/drafts", wants=Permission.ENTER, under="rules")

SPANS = ("1h", "6h", "24h", "7d")
PARTS_SHOWN = 60
SAMPLE = "【测试】双11优惠券满300减50 拒收请回复R"


@page.get("new")
async def new(visit: PageRequest) -> Response:
    """The form for the commonest rules."""
    told = await visit.asking.workshop.told(await base_of(visit))
    kind = visit.query.get("kind", "ban")
    if kind not in rule_wizard.KINDS:
        raise HTTPException(404)
    return _form(visit, told, kind, form={}, problem="")


@page.post("written")
async def written(visit: PageRequest) -> Response:
    """The rule that the form means, while it is filled in."""
    try:
        made = await _made(visit)
    except rule_wizard.Unclear as error:
        return visit.part("written", "drafts_new.html", made=None, unclear=str(error.args[0]))
    return visit.part("written", "drafts_new.html", made=made, unclear="")


@page.post("write")
async def write(visit: PageRequest) -> Response:
    """Into the editor with it."""
    try:
        made = await _made(visit)
    except rule_wizard.Unclear as error:
        told = await visit.asking.workshop.told(await base_of(visit))
        form = {name: visit.form(name) for name in visit.form_data}
        kind = form["kind"] if form.get("kind") in rule_wizard.KINDS else "ban"
        return _form(visit, told, kind, 422, form=form, problem=visit.t(str(error.args[0])))
    return await _editor(visit, made["base"], made["file"], made["text"], made["rule"])


@page.get("write")
@page.get("propose")
async def again(visit: PageRequest) -> Response:
    """Redirects a GET of a form's address: a return to it, or a change of language."""
    return visit.go("/drafts/edit")


@page.get("edit")
async def edit(visit: PageRequest) -> Response:
    base = await base_of(visit)
    told = await visit.asking.workshop.told(base)
    files = told["files"]
    file = visit.query.get("file") or next(iter(files), rule_wizard.NEW_FILE)
    if file not in files:
        raise HTTPException(404)
    return await _editor(visit, base, file, files[file], visit.query.get("rule", ""))


@page.post("check", body_max=DRAFT_BYTES_MAX)
async def check(visit: PageRequest) -> Response:
    try:
        return visit.part("check", wrong="", **await checked(visit, RULES_FILE))
    except CannotAsk as error:
        return visit.part("check", status=409, wrong=str(error))


@page.get("beside", wants=Permission.LOOK)
async def beside(visit: PageRequest) -> Response:
    """To try a set that waits: a message, a backtest; and the newest result of one."""
    base = visit.query.get("base", "")
    told = await visit.asking.workshop.told(base)
    return visit.part(
        "beside", base=base, providers=told["providers"], moment_now=_now(visit).replace(" ", "T"), wrong="", spans=SPANS,
        job=visit.asking.jobs.of(base), sample=SAMPLE,
    )  # fmt: skip


@page.post("try", wants=Permission.LOOK, body_max=DRAFT_BYTES_MAX)
async def try_one(visit: PageRequest) -> Response:
    message = {name: visit.form(f"try_{name}") for name in ("to", "from", "text", "provider", "category")}
    message["at"] = visit.form("try_at").replace("T", " ")
    try:
        verdict = await visit.asking.workshop.tried(visit.form("base"), changed_file(visit, RULES_FILE), message)
    except CannotAsk as error:
        return visit.part("tried", verdict=None, wrong=str(error))
    parts = sorted(verdict["rules"], key=lambda part: not part["objects"])[:PARTS_SHOWN]
    return visit.part("tried", verdict=verdict, parts=parts, wrong="")


@page.post("backtest", wants=Permission.LOOK, body_max=DRAFT_BYTES_MAX)
async def backtest(visit: PageRequest) -> Response:
    since = visit.form("since") if visit.form("since") in SPANS else "24h"
    instead, workshop = changed_file(visit, RULES_FILE), visit.asking.workshop
    folder = None
    try:
        if instead:
            folder = scratch()
            revision = await workshop.spread(visit.form("base"), instead, folder / "rules")
        else:
            revision = (await workshop.told(visit.form("base")))["revision"]
        job = visit.asking.jobs.start(visit.who, revision, folder, since)
    except CannotAsk as error:
        return visit.part("job", job=None, wrong=str(error), spans=SPANS)
    return visit.part("job", job=job, wrong="", spans=SPANS)


@page.get("job/{name}", wants=Permission.LOOK, renews=True)
async def job(visit: PageRequest) -> Response:
    return visit.part("job", job=_job(visit), wrong="", spans=SPANS)


@page.post("job/{name}/cancel", wants=Permission.LOOK)
async def cancel(visit: PageRequest) -> Response:
    found = _job(visit)
    visit.asking.jobs.cancel(found)
    return visit.part("job", job=found, wrong="", spans=SPANS)


@page.post("propose", body_max=DRAFT_BYTES_MAX)
async def propose(visit: PageRequest) -> Response:
    base, file, text = visit.form("base"), visit.form("file"), draft_text(visit)
    found = await checked(visit, RULES_FILE)
    if found["broken"] or (found["failing"] and not visit.form("seen")):
        problem = visit.t("broken_first" if found["broken"] else "see_first")
        return await _editor(visit, base, file, text, "", problem=problem, why=visit.form("why"), status=422)

    try:
        event = await push(visit, base, {file: text})
    except CannotAsk as error:
        return await _editor(visit, base, file, text, "", problem=str(error), why=visit.form("why"), status=409)
    if event["proposed"]:
        return visit.go("/proposal", visit.t("proposed"))
    return visit.go("/rules", visit.t("in_force_now", revision=event["in_force"][:8]))


# -- what all of them need


def _now(visit: PageRequest) -> str:
    return time_windows.local(visit.house.wall())[:16]


async def _made(visit: PageRequest) -> dict[str, Any]:
    """The file with the rule in it, as the form says. Unclear where it does not."""
    base, workshop = visit.form("base"), visit.asking.workshop
    told = await workshop.told(base)
    provinces = [one for one in visit.form_data.getlist("province") if isinstance(one, str)]
    form = {name: visit.form(name) for name in visit.form_data}
    one, now = rule_wizard.read_form(form, provinces, told["provinces"]), _now(visit)
    name = rule_wizard.new_id(one, {rule["rule"] for rule in told["rules"]}, now)
    file = rule_wizard.FILES[one.kind] if rule_wizard.FILES[one.kind] in told["files"] else rule_wizard.NEW_FILE
    rule, test = rule_wizard.rule_of(one, name, now), rule_wizard.test_of(one, name, now)
    before = told["files"].get(file, "")
    text = rule_wizard.with_rule(before, rule, test)
    found = await workshop.told(base, {file: text})
    mine = [test for test in found["tests"] if name in test["rules"] and test["wrong"]]
    if mine or (test and not found["revision"]):  # other rules refuse the message that was made up
        test, text = [], rule_wizard.with_rule(before, rule, [])
        found = await workshop.told(base, {file: text})
    in_words = next((one for one in found["rules"] if one["rule"] == name), None)
    return {
        "base": base, "file": file, "text": text, "rule": name, "yaml": "\n".join([*rule, *(["", *test] if test else [])]),
        "words": in_words, "tested": bool(test), "problems": new_problems(told, found),
    }  # fmt: skip


def _form(visit: PageRequest, told: dict[str, Any], kind: str, status: int = 200, **more: Any) -> Response:
    provinces, ticked = rule_wizard.in_order(told["provinces"]), visit.form_data.getlist("province")
    return visit.render(
        "drafts_new.html", status, told=told, provinces=provinces, ticked=ticked, kind=kind, kinds=rule_wizard.KINDS, **more
    )


async def _editor(
    visit: PageRequest, base: str, file: str, text: str, rule: str, problem: str = "", why: str = "", status: int = 200
) -> Response:
    now = await visit.ask("rules")
    told = await visit.asking.workshop.told(base)
    lines = text.split("\n")
    at = next((place + 1 for place, line in enumerate(lines) if rule and line.strip().startswith(f"- id: {rule}")), 0)
    return visit.render(
        "drafts.html", status, now=now, base=base, file=file, text=text, at=at, files=sorted({*told["files"], file}),
        providers=told["providers"], problem=problem, why=why, job=None, wrong="", spans=SPANS, moment_now=_now(visit).replace(" ", "T"),
        sample=SAMPLE,
    )  # fmt: skip


def _job(visit: PageRequest) -> Job:
    found = visit.asking.jobs.find(visit.path("name"))
    if found is None:
        raise HTTPException(404)
    return found
