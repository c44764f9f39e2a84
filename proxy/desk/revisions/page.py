"""Shows the rules in force in words, and past sets.

In: the gate's rules, the sets it keeps. Out: the rules by file, one rule with its tests, hits and past, the history, the difference between two
sets; an earlier set put back, a rule switched. Never: another change of a rule (drafts_page.py), a list of people shown.
"""

from __future__ import annotations

import contextlib
import unicodedata
from collections import Counter
from collections.abc import Mapping
from typing import Any

from starlette.exceptions import HTTPException
from starlette.responses import Response

from proxy.console.forms import add_buttons
from proxy.console.page import Page, PageRequest
from proxy.console.render import rule_state
from proxy.desk.revisions.comparison import compared, earlier, how_many, last_sets, made_by, past
from proxy.desk.revisions.drafting import draft_of
from proxy.desk.revisions.operations import Rules
from proxy.model.roles import Permission
from proxy.operations.client import CannotAsk
from proxy.state.lists.desk_records import EVENTS_MAX

page = Page("rules", "/rules", wants=Permission.SEE, place=30)

EVENTS = 100
GONE_SETS = 4
"""Sets read for titles of rules that are gone: a large one takes seconds."""
COMPARED, ROWS = 12, 3
"""Events of which rows of tables are shown, and rows of a table: of more the difference says all."""
SHARES = ("1%", "5%", "10%", "25%", "50%")
"""Of the recipients for whom a rule in shadow decides: offered, not all there are."""


@page.get()
async def show(request: PageRequest) -> Response:
    now, described, counted = await seen(request)
    text, mode, file, reason = (request.query.get(word, "").strip() for word in ("q", "mode", "file", "reason"))
    at = request.app.wall()
    files: dict[str, list[dict[str, Any]]] = {}
    for one in described["rules"]:
        words = _folded(f"{one['rule']} {one['say']} {one['basis']} {one['when']}")
        if (
            all(word in words for word in _folded(text).split())
            and mode in ("", rule_state(one, at))
            and file in ("", one["file"])
            and reason in ("", one["reason"])
        ):
            files.setdefault(one["file"], []).append(one)
    events = (await request.ask("rules.history", last=EVENTS_MAX))["events"]
    modes = Counter(rule_state(one, at) for one in described["rules"])
    failed = sum(bool(one["wrong"]) for one in described["tests"])
    return request.render(
        now=now, told=described, files=files, hits=counted["hits"], shadow=counted["shadow"], since=counted["since"], modes=modes,
        failed=failed, asked=text, mode=mode, file=file, reason=reason, tested=tested(described), at=at,
        made=made_by(events, now["revision"]),
        all_files=sorted({one["file"] for one in described["rules"]}), reasons=sorted({one["reason"] for one in described["rules"]} - {""}),
        drafted=(await draft_of(request)).files if request.may(Permission.ENTER) else {},
    )  # fmt: skip


@page.get("rule/{rule}")
async def one_rule(request: PageRequest) -> Response:
    return await _one(request)


async def _one(request: PageRequest, problem: str = "") -> Response:
    now, described, counted = await seen(request)
    name = request.path("rule")
    found = next((one for one in described["rules"] if one["rule"] == name), None)
    if found is None:
        raise HTTPException(404)
    events = (await request.ask("rules.history", last=500))["events"]
    return request.render(
        "rules_one.html", problem=problem, now=now, one=found, hits=counted["hits"].get(name, {}), shadow=counted["shadow"].get(name, {}),
        since=counted["since"], tests=[test for test in described["tests"] if name in test["rules"]], past=past(events, name),
        at=request.app.wall(), shares=SHARES, form={word: request.form(word) for word in ("mode", "share", "why")},
    )  # fmt: skip


@page.get("history")
async def history(request: PageRequest) -> Response:
    now = await request.ask("rules")
    events = (await request.ask("rules.history", last=EVENTS_MAX))["events"]
    shown = compared(events)[:EVENTS]
    for one in shown:
        if any(change["rule"] for change in one["changes"]):
            one["changes"] = [change for change in one["changes"] if change["rule"] or not change["name"].endswith(".yaml")]
    await _add_rows(request, shown)
    return request.render(
        "rules_history.html", says=await _says(request, now["revision"], shown), now=now, events=shown,
        earlier=earlier(events, now["revision"]), how_many=how_many,
    )  # fmt: skip


async def _add_rows(request: PageRequest, events: list[dict[str, Any]]) -> None:
    """To changes of small tables: the rows that came and went, where both sets are kept."""
    with_tables = [one for one in events if one["before"] and any(change["lines"] for change in one["changes"])]
    for one in with_tables[:COMPARED]:
        with contextlib.suppress(CannotAsk):
            files = await request.asking.sandbox.ask("differs", before=one["before"], after=one["revision"])
            rows = {file["file"]: file["table"] for file in files}
            for change in one["changes"]:
                found = rows.get(change["name"], [])
                change["table"] = found if len(found) <= ROWS else []


async def _says(request: PageRequest, revision: str, events: list[dict[str, Any]]) -> dict[str, str]:
    """Titles of rules; of those that are gone the last one, where a kept set has it."""
    says: dict[str, str] = {}
    for one in [revision, *last_sets(events)[:GONE_SETS]]:
        try:
            described = await request.asking.sandbox.describe(one)
        except CannotAsk:
            continue  # the set is kept no longer
        says = {rule["rule"]: rule["say"] for rule in described["rules"] if rule["say"]} | says
    return says


@page.get("diff")
async def diff(request: PageRequest) -> Response:
    before, after = request.query.get("from", ""), request.query.get("to", "")
    events = (await request.ask("rules.history", last=EVENTS_MAX))["events"]
    files = await request.asking.sandbox.ask("differs", before=before, after=after)
    return request.render("rules_diff.html", sets=[(name, made_by(events, name)) for name in (before, after)], files=files)


@page.post("rollback", wants=Permission.ENTER)
async def roll_back(request: PageRequest) -> Response:
    await request.ask("rules.rollback", revision=request.form("revision"), why=request.form("why"))
    return request.go("/rules/history", request.t("rolled_back"))


@page.post("take", wants=Permission.ENTER)
async def take(request: PageRequest) -> Response:
    event = await request.ask("rules.take", why=request.form("why"))
    if event["proposed"]:
        return request.go("/proposal", request.t("taken_waits"))
    return request.go("/rules", request.t("taken"))


async def seen(request: PageRequest) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """What the gate says now; the set in force, in words; what its rules objected to in the last day."""
    now = await request.ask("rules")
    lines, ending = await request.lines("rules.hits")
    rows = [row for line in lines for row in line["rules"]]
    described = await request.asking.sandbox.describe(now["revision"])
    counted = {word: {row["rule"]: row[word] for row in rows if row[word]} for word in ("hits", "shadow")}
    return now, described, {**counted, "since": ending["since"]}


def _folded(text: str) -> str:
    """As a search compares."""
    return unicodedata.normalize("NFKC", text).lower()


def tested(described: Mapping[str, Any]) -> dict[str, tuple[int, int]]:
    """By rule: its tests, and how many of them fail."""
    found: dict[str, tuple[int, int]] = {}
    for test in described["tests"]:
        for name in test["rules"]:
            count, wrong = found.get(name, (0, 0))
            found[name] = count + 1, wrong + bool(test["wrong"])
    return found


add_buttons(page, Rules, _one)
