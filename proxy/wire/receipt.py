"""Reads and writes the text of a delivery receipt (appendix B).

In: ``id:IIII sub:SSS dlvrd:DDD submit date:… done date:… stat:DDDDDDD err:E text:…``. Out: its fields. Never: exceptions.
Carriers differ in case, spacing and order, set ``;`` or ``,`` between fields, leave some out and add their own; only id and stat
are required.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from proxy.model.number import about_people

_FIELD = re.compile(r"\b(id|sub|dlvrd|submit date|done date|stat|err):[ ]?([^\s;,]*)", re.IGNORECASE)
_TEXT = re.compile(r"\btext:(.*)", re.IGNORECASE | re.DOTALL)
_BEGINS = re.compile(r"\s*(?:id|stat):", re.IGNORECASE)
RECEIPT_CHARS_MAX = 1024
"""A receipt is a short message; what is longer is none."""


@about_people
class Receipt(NamedTuple):
    """Fields as spelt; empty where absent."""

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
    """The receipt a text is, or None: it must name an id and a state."""
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
    """Where a receipt's text names its message, and where the quoted text begins that may be cut: places in the text."""

    start: int
    stop: int
    quote: int
    """After ``text:``; the end of the text where there is none."""


def find_id(text: str) -> IdSpan | None:
    """The id in the text of what esm_class says is a receipt: asks for no more than an id that is not empty."""
    if len(text) > RECEIPT_CHARS_MAX:
        return None
    tail = _TEXT.search(text)
    for match in _FIELD.finditer(text, 0, tail.start() if tail else len(text)):
        if match[1].lower() == "id":
            return IdSpan(match.start(2), match.end(2), tail.start(1) if tail else len(text)) if match[2] else None
    return None


def receipt_text(message_id: str, stat: str, *, submit_date: str, done_date: str, err: str = "000", text: str = "") -> str:
    """A receipt's text as appendix B has it; dates are ``YYMMDDhhmm``, ``text`` is cut to 20 characters."""
    delivered = "001" if stat == "DELIVRD" else "000"
    head = f"id:{message_id} sub:001 dlvrd:{delivered} submit date:{submit_date} done date:{done_date}"
    return f"{head} stat:{stat} err:{err} text:{text[:20]}"
