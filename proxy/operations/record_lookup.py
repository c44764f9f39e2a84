"""Reads ids of cases and penalties; turns a book's refusals into CommandRefused.

In: a command's arguments, a call of a book. Out: numbers, the book's answer; CommandRefused. Never: a case or a penalty itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from proxy.model.approvals import Impossible
from proxy.model.roles import NotAllowed
from proxy.operations.control import Call, CommandRefused

T = TypeVar("T")


def or_refused(what: Callable[[], T]) -> T:
    """The book's answer; CommandRefused with its reason where it refuses."""
    try:
        return what()
    except (Impossible, NotAllowed) as error:
        raise CommandRefused(str(error)) from None


def paper_number(call: Call, kind: str, command: str) -> int:
    """The number in ``17`` or ``case-17``. ``command``: its ``list`` shows the numbers."""
    said = call.args.text("id", most=40).removeprefix(f"{kind}-")
    if not (said.isascii() and said.isdigit() and len(said) < 18):
        raise CommandRefused(f"id: {said!r:.40} is no {kind}'s number (`gate106 {command} list` lists them)")
    return int(said)
