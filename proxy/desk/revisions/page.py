"""Shows the rules in force in words, and past sets.

In: the gate's rules, the sets it keeps. Out: the rules by file, one rule with its tests, hits and past, the history, the difference between two
sets; an earlier set put back. Never: a rule changed (drafts_page.py proposes), a list of people shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.exceptions import HTTPException
from starlette.responses import Response

from proxy.console.page import Page, PageRequest
from proxy.desk.revisions.comparison import compared, earlier, past
from proxy.model.roles import Permission

page = Page("rules", "/rules", wants=Permission.SEE, place=30)

EVENTS = 100
MODES = ("enforce", "shadow", "off")


@page.get()
async def show(visit: PageRequest) -> Response:
    now, told, counted = await seen(visit)
    asked, mode = visit.query.get("q", "").strip(), visit.query.get("mode", "")
    files: dict[str, list[dict[str, Any]]] = {}
    for one in told["rules"]:
        words = f"{one['rule']} {one['say']} {one['basis']} {one['when']}".lower()
        if asked.lower() in words and mode in ("", one["mode"]):
            files.setdefault(one["file"], []).append(one)
    modes = {name: sum(one["mode"] == name for one in told["rules"]) for name in MODES}
    failed = sum(bool(one["wrong"]) for one in told["tests"])
    return visit.render(
        now=now, told=told, files=files, hits=counted["hits"], shadow=counted["shadow"], since=counted["since"], modes=modes,
        failed=failed, asked=asked, mode=mode, tested=tested(told), at=visit.house.wall(),
    )  # fmt: skip


@page.get("rule/{name}")
async def one_rule(visit: PageRequest) -> Response:
    now, told, counted = await seen(visit)
    name = visit.path("name")
    found = next((one for one in told["rules"] if one["rule"] == name), None)
    if found is None:
        raise HTTPException(404)
    events = (await visit.ask("rules.history", last=500))["events"]
    return visit.render(
        "rules_one.html", now=now, one=found, hits=counted["hits"].get(name, {}), shadow=counted["shadow"].get(name, {}),
        since=counted["since"], tests=[test for test in told["tests"] if name in test["rules"]], past=past(events, name),
        at=visit.house.wall(),
    )  # fmt: skip


@page.get("history")
async def history(visit: PageRequest) -> Response:
    now = await visit.ask("rules")
    events = (await visit.ask("rules.history", last=EVENTS))["events"]
    return visit.render("rules_history.html", now=now, events=compared(events), earlier=earlier(events, now["revision"]))


@page.get("diff")
async def diff(visit: PageRequest) -> Response:
    before, after = visit.query.get("from", ""), visit.query.get("to", "")
    return visit.render("rules_diff.html", before=before, after=after, files=await visit.asking.workshop.differs(before, after))


@page.post("rollback", wants=Permission.ENTER)
async def roll_back(visit: PageRequest) -> Response:
    event = await visit.ask("rules.rollback", revision=visit.form("revision"), why=visit.form("why"))
    return visit.go("/rules/history", visit.t("rolled_back", revision=event["in_force"][:8]))


@page.post("take", wants=Permission.ENTER)
async def take(visit: PageRequest) -> Response:
    event = await visit.ask("rules.take", why=visit.form("why"))
    if event["proposed"]:
        return visit.go("/proposal", visit.t("taken_waits"))
    return visit.go("/rules", visit.t("taken"))


async def seen(visit: PageRequest) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """What the gate says now; the set in force, in words; what its rules objected to in the last day."""
    now = await visit.ask("rules")
    lines, ending = await visit.lines("rules.hits")
    rows = [row for line in lines for row in line["rules"]]
    told = await visit.asking.workshop.told(now["revision"])
    counted = {word: {row["rule"]: row[word] for row in rows if row[word]} for word in ("hits", "shadow")}
    return now, told, {**counted, "since": ending["since"]}


def tested(told: Mapping[str, Any]) -> dict[str, tuple[int, int]]:
    """By rule: its tests, and how many of them fail."""
    found: dict[str, tuple[int, int]] = {}
    for test in told["tests"]:
        for name in test["rules"]:
            count, wrong = found.get(name, (0, 0))
            found[name] = count + 1, wrong + bool(test["wrong"])
    return found
