"""Reads and writes the text of a delivery receipt (appendix B).

In: ``id:IIII sub:SSS dlvrd:DDD submit date:… done date:… stat:DDDDDDD err:E text:…``. Out: its fields. Never: exceptions.
Carriers differ in case, spacing and order, set ``;`` or ``,`` between fields, leave some out and add their own; only id and stat
are required.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from proxy.model.number import masked_repr

_FIELD = re.compile(r"\b(id|sub|dlvrd|submit date|done date|stat|err):[ ]?([^\s;,]*)", re.IGNORECASE)
_TEXT = re.compile(r"\btext:(.*)", re.IGNORECASE | re.DOTALL)
_BEGINS = re.compile(r"\s*(?:id|stat):", re.IGNORECASE)
RECEIPT_CHARS_MAX = 1024
"""A receipt is a short message; a longer text is none."""


@masked_repr
class Receipt(NamedTuple):
    """Fields as written; empty if absent."""

    id: str
    stat: str
    """Upper case: DELIVRD, UNDELIV …"""
    err: str
    sub: str
    dlvrd: str
    submit_date: str
    done_date: str
    text: str


def read_receipt(text: str) -> Receipt | None:
    """The receipt in a text; None if it lacks an id or a state."""
    if len(text) > RECEIPT_CHARS_MAX or _BEGINS.match(text) is None:
        return None
    tail = _TEXT.search(text)
    head = text[: tail.start()] if tail else text
    found: dict[str, str] = {}
    for match in _FIELD.finditer(head):
        found.setdefault(match[1].lower(), match[2])
    if "id" not in found or "stat" not in found:
        return None
    return Receipt(
        found["id"],
        found["stat"].upper(),
        found.get("err", ""),
        found.get("sub", ""),
        found.get("dlvrd", ""),
        found.get("submit date", ""),
        found.get("done date", ""),
        tail[1] if tail else "",
    )


class IdSpan(NamedTuple):
    """Positions in a receipt's text: of the message id, and of the quoted text, which may be cut."""

    start: int
    stop: int
    quote: int
    """The position after ``text:``; the end of the text if there is no quoted text."""


def find_id(text: str) -> IdSpan | None:
    """The position of the id in the text of a deliver_sm whose esm_class says that it is a receipt; None without a non-empty id."""
    if len(text) > RECEIPT_CHARS_MAX:
        return None
    tail = _TEXT.search(text)
    for match in _FIELD.finditer(text, 0, tail.start() if tail else len(text)):
        if match[1].lower() == "id":
            return IdSpan(match.start(2), match.end(2), tail.start(1) if tail else len(text)) if match[2] else None
    return None


def receipt_text(message_id: str, stat: str, *, submit_date: str, done_date: str, err: str = "000", text: str = "") -> str:
    """A receipt's text in the format of appendix B; dates are ``YYMMDDhhmm``, ``text`` is cut to 20 characters."""
    delivered = "001" if stat == "DELIVRD" else "000"
    head = f"id:{message_id} sub:001 dlvrd:{delivered} submit date:{submit_date} done date:{done_date}"
    return f"{head} stat:{stat} err:{err} text:{text[:20]}"
