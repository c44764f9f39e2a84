"""Checks and proposes drafts of files for the pages.

In: a form with ``base``, ``file`` and ``text``. Out: the sandbox's findings; the result of the proposal. Never: a draft kept.
"""

from __future__ import annotations

import re
from typing import Any

from proxy.console.gate_client import CannotAsk
from proxy.console.page import PageRequest
from proxy.desk.revisions.comparison import changed, new_problems
from proxy.operations.client import Conversation, push_files

DRAFT_BYTES_MAX = 2 << 20
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


def changed_file(request: PageRequest, of: re.Pattern[str]) -> dict[str, str]:
    """``of``: names of the files that are changed here. {} where none is: a set that waits is tried as it is."""
    file = request.form("file")
    if file and not of.fullmatch(file):
        raise CannotAsk(request.t("no_such_file"))
    return {file: draft_text(request)} if file else {}


async def checked(request: PageRequest, of: re.Pattern[str]) -> dict[str, Any]:
    """The draft's problems, which of them are new, and its rules that are added or changed."""
    sandbox, base = request.asking.sandbox, request.form("base")
    described, before = await sandbox.describe(base, changed_file(request, of)), await sandbox.describe(base)
    loads, new = bool(described["revision"]), new_problems(before, described)
    return {
        "told": described, "most": PROBLEMS_SHOWN, "file": request.form("file"),
        "broken": [] if loads else described["problems"], "failing": new if loads else [],
        "older": [one for one in described["problems"] if one not in new] if loads else [],
        "changed": changed(before["rules"], described["rules"]) if described["revision"] else [],
    }  # fmt: skip


async def push(request: PageRequest, base: str, files: dict[str, str]) -> dict[str, Any]:
    """What became of it. CannotAsk."""

    def say(conversation: Conversation) -> dict[str, Any]:
        push_files(conversation, files)
        return dict(conversation.answer())

    return await request.talk("rules.push", say, on=base, why=request.form("why"))
