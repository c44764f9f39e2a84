"""Turns a book's refusals into CommandRefused."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from proxy.model.approvals import Impossible
from proxy.model.roles import NotAllowed
from proxy.operations.authorization import CommandRefused

T = TypeVar("T")


def or_refused(what: Callable[[], T]) -> T:
    """The book's answer; CommandRefused with its reason where it refuses."""
    try:
        return what()
    except (Impossible, NotAllowed) as error:
        raise CommandRefused(str(error)) from None
