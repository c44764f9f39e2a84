"""Checks and proposes drafts of files for the pages.

In: a form with ``base``, ``file`` and ``text``. Out: the sandbox's findings; the result of the proposal. A draft is its author's, of any
number of files, and is kept (draft_store.py) until it is proposed or thrown away: the file of a form is one of them.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple

from starlette.responses import Response

from proxy.console.gate_client import CannotAsk
from proxy.console.page import PageRequest
from proxy.desk.revisions.comparison import changed, new_problems
from proxy.model.roles import Permission
from proxy.operations.client import Conversation, push_files

DRAFT_BYTES_MAX = 2 << 20
WITH_PROPOSAL = "24h"
"""What a backtest that begins with a proposal looks back."""
PROBLEMS_SHOWN = 40
"""Of each sort: who has more mends these first."""


async def base_of(request: PageRequest) -> str:
    """The set a new draft is based on: the proposed one, or the one in force."""
    now = await request.ask("rules")
    return str(now["proposed"]["revision"] if now["proposed"] else now["revision"])


def draft_text(request: PageRequest) -> str:
    """As browsers send it, but with the ends of lines as files have them."""
    found = request.form_data.get("text")
    text = found.replace("\r\n", "\n") if isinstance(found, str) else ""
    return text if text.endswith("\n") or not text else text + "\n"


class Draft(NamedTuple):
    base: str
    """The set on which it is."""
    files: dict[str, str]
    moved: list[str]
    """Its files of which others changed the same lines meanwhile."""


async def draft_of(request: PageRequest, base: str = "") -> Draft:
    """The draft of whoever asks, on the set a new one is based on."""
    base = base or await base_of(request)
    return Draft(base, **await request.asking.sandbox.ask("draft", revision=base, who=request.who))


async def keep(request: PageRequest, base: str, files: Mapping[str, str | None]) -> Draft:
    """The draft with these files in it; None throws one away. CannotAsk."""
    return Draft(base, **await request.asking.sandbox.ask("keep_draft", revision=base, who=request.who, files=files))


async def keep_form(request: PageRequest, of: re.Pattern[str]) -> Draft:
    """The draft with the form's file, whose name ``of`` fits, as it is there. CannotAsk."""
    file = request.form("file")
    if not of.fullmatch(file):
        raise CannotAsk(request.t("no_such_file"))
    return await keep(request, request.form("base"), {file: draft_text(request)})


async def changed_files(request: PageRequest, of: re.Pattern[str]) -> dict[str, str]:
    """The files of the draft, with the form's as it is there. {} where the form names no file: a set that waits is tried as it is."""
    file = request.form("file")
    if not file:
        return {}
    if not of.fullmatch(file):
        raise CannotAsk(request.t("no_such_file"))
    return {**(await draft_of(request, request.form("base"))).files, file: draft_text(request)}


async def checked(request: PageRequest, draft: Draft) -> dict[str, Any]:
    """The draft's problems, which of them are new, and its rules that are added or changed."""
    sandbox = request.asking.sandbox
    described, before = await sandbox.describe(draft.base, draft.files), await sandbox.describe(draft.base)
    loads, new = bool(described["revision"]), new_problems(before, described)
    return {
        "told": described, "most": PROBLEMS_SHOWN, "file": request.form("file"),
        "broken": [] if loads else described["problems"], "failing": new if loads else [],
        "older": [one for one in described["problems"] if one not in new] if loads else [],
        "changed": changed(before["rules"], described["rules"]) if described["revision"] else [],
    }  # fmt: skip


def _in_the_way(request: PageRequest, draft: Draft, found: Mapping[str, Any]) -> str:
    """Why a draft is not proposed yet; empty: nothing. ``found``: see ``checked``."""
    if not draft.files:
        return request.t("nothing_drafted")
    if found["broken"]:
        return request.t("broken_first")
    if draft.moved and not request.form("seen"):
        return request.t("moved_first", files=", ".join(draft.moved))
    return request.t("see_first") if found["failing"] and not request.form("seen") else ""


async def propose(request: PageRequest, draft: Draft, shown: Callable[..., Awaitable[Response]], then: str) -> Response:
    """The draft goes to the gate, or is ``shown`` with what is in the way. ``then``: the page of sets that need no second person."""
    if problem := _in_the_way(request, draft, await checked(request, draft)):
        return await shown(problem=problem, status=422)
    try:
        event = await _push(request, draft)
    except CannotAsk as error:
        return await shown(problem=str(error), status=409)
    if not event["proposed"]:
        return request.go(then, request.t("in_force_now"))
    if request.form("backtest") and request.may(Permission.LOOK):
        with contextlib.suppress(CannotAsk):  # another one runs: the page of the proposal can begin it
            request.asking.jobs.start(request.who, event["revision"], None, WITH_PROPOSAL)
    return request.go("/proposal", request.t("proposed"))


async def _push(request: PageRequest, draft: Draft) -> dict[str, Any]:
    """What became of it; it is a draft no more. CannotAsk."""

    def say(conversation: Conversation) -> dict[str, Any]:
        push_files(conversation, draft.files)
        return dict(conversation.answer())

    answer = await request.talk("rules.push", say, on=draft.base, why=request.form("why"))
    with contextlib.suppress(CannotAsk):  # it is the set now: nothing of it is left to be shown
        await keep(request, draft.base, dict.fromkeys(draft.files))
    return answer
