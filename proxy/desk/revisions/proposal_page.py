"""Shows the proposed set of rules, to be approved or rejected.

In: the gate's report on it, its files. Out: rules in words as they were and will be, an approval, a rejection. Never: its author's own approval
(the gate refuses it; the page says so before).
"""

from __future__ import annotations

from starlette.responses import Response

from proxy.console.forms import add_buttons
from proxy.console.page import Page, PageRequest
from proxy.desk.revisions.comparison import beneath, changed, left_out_advertisers, new_problems
from proxy.desk.revisions.operations import Rules
from proxy.model.roles import Permission

page = Page("proposal", "/proposal", wants=Permission.SEE, under="rules")


async def _show(request: PageRequest, problem: str = "") -> Response:
    status, now = 409 if problem else 200, await request.ask("rules")
    waits = now["proposed"]
    if waits is None:
        return request.render(status=status, problem=problem, waits=None, now=now)
    sandbox = request.asking.sandbox
    events = (await request.ask("rules.history", last=50))["events"]
    before, after = await sandbox.describe(now["revision"]), await sandbox.describe(waits["revision"])
    failing, files = new_problems(before, after), await sandbox.ask("differs", before=now["revision"], after=waits["revision"])
    return request.render(
        status=status, problem=problem, now=now, waits=waits, left_out=left_out_advertisers(files, failing),
        why=next((one["why"] for one in events if (one["event"], one["revision"]) == ("proposed", waits["revision"])), ""),
        rules=changed(before["rules"], after["rules"]), before={one["rule"]: one for one in before["rules"]},
        failing=failing, wrong=sum(bool(one["wrong"]) for one in after["tests"]), tests=after["tests"],
        at=request.app.wall(), beneath=beneath(events), files=files,
    )  # fmt: skip


@page.get()
async def show(request: PageRequest) -> Response:
    return await _show(request)


@page.get("tried", renews=True)
async def tried(request: PageRequest) -> Response:
    """How it does beside the set in force, message by message."""
    now = await request.ask("rules")
    return request.part("tried", waits=now["proposed"])


@page.post("approve", wants=Permission.APPROVE)
async def approve(request: PageRequest) -> Response:
    event = await request.ask("rules.approve", revision=request.form("revision"))
    if event["event"] == "vouched":
        return request.go("/proposal", request.t("vouched"))
    return request.go("/rules", request.t("approved", revision=event["in_force"][:8]))


add_buttons(page, Rules, _show)
