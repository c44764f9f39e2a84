"""Decides whether a proposal is approved, rejected, withdrawn or lapsed.

Rules, penalties and complaints share this four-eyes check. It is pure.

In: a proposal that waits, the person who decides, the time. Out: what follows, or Impossible. Never: the content of a proposal, a
token, a clock, a journal. The caller journals the result under a record kind of its own.

    proposed ─▶ (vouched ─▶) approved     a second person agrees, by a personal token; never the author
            ├─▶ rejected                  a second person, or the author's superior, says no, and why
            ├─▶ withdrawn                 the author takes it back
            └─▶ lapsed                    nobody agreed in time

An author without a personal token is only an account. Then the first person who agrees vouches for the proposal and becomes its
author; a second person must approve it.
"""

from __future__ import annotations

from collections.abc import Collection
from enum import Enum
from typing import NamedTuple

from proxy.model.roles import Asker, Permission, require_permission


class Impossible(ValueError):
    """The action is not possible; the text says why, and what is."""


class ApprovalResult(Enum):
    VOUCHED = "vouched"
    APPROVED = "approved"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    LAPSED = "lapsed"


class PendingProposal(NamedTuple):
    """A proposal that is not decided yet."""

    what: str
    """The name of the proposal for people: a revision, ``penalty-7``."""
    author: str
    since: float
    until: float = 0.0
    """When it lapses, in seconds since 1970; 0: never."""


def approve(waiting: PendingProposal, asker: Asker, known: Collection[str], at: float) -> ApprovalResult:
    """``known``: the names of all people with a token. VOUCHED: ``asker`` becomes the author, and a second person must approve.
    Raises Impossible, NotAllowed."""
    _check_not_lapsed(waiting, at)
    require_permission(asker, Permission.APPROVE, waiting.what)
    if not asker.by_token:
        raise Impossible(
            f"{waiting.what}: who agrees says so with a personal token (--token-file or GATE106_TOKEN_FILE; "
            "`gate106 token make` makes one, for `people` of the settings)"
        )
    if waiting.author == asker.name:
        raise Impossible(f"{asker.name} is the author of {waiting.what}: somebody else must approve it")
    return ApprovalResult.APPROVED if waiting.author in known else ApprovalResult.VOUCHED


def reject(waiting: PendingProposal, asker: Asker, why: str, at: float) -> ApprovalResult:
    _check_not_lapsed(waiting, at)
    require_permission(asker, Permission.APPROVE, waiting.what)
    _check_reason(waiting, why)
    return ApprovalResult.REJECTED


def withdraw(waiting: PendingProposal, asker: Asker, why: str, at: float) -> ApprovalResult:
    """Only the author may do this. Raises Impossible."""
    _check_not_lapsed(waiting, at)
    if asker.name != waiting.author:
        raise Impossible(f"{waiting.what} is {waiting.author}'s, and only they take it back (others reject it)")
    _check_reason(waiting, why)
    return ApprovalResult.WITHDRAWN


def lapsed(waiting: PendingProposal, at: float) -> bool:
    """Whether the time to decide is over."""
    return 0.0 < waiting.until <= at


def _check_not_lapsed(waiting: PendingProposal, at: float) -> None:
    if lapsed(waiting, at):
        raise Impossible(f"{waiting.what} was not decided in time and has lapsed: it must be proposed again")


def _check_reason(waiting: PendingProposal, why: str) -> None:
    if not why.strip():
        raise Impossible(f"{waiting.what}: say why (--why): the journal keeps it")
