"""Records a multipart message whose parts reached several nodes.

In: the parts that one gate holds, the sheet as it stands. Out: the sheet with them; the parts of the other gates; octets and
back. Never: a store, a clock (wall seconds are arguments), a verdict. It is pure.

A *sheet* has one key (provider, source, recipient, reference, total) and lists the messages under that key, oldest first. Each
*holder* (the parts of one message at one gate) writes its own rows and only those. One holder writes the decision, together with
the recipient's record or not at all, and all others inherit it.

    WAITING ──judged──▶ THERE ──nobody answered──▶ UNKNOWN ──a late yes──▶ LATE
                          └──refused──▶ REFUSED           UNKNOWN, LATE ──sent again, nobody answered──▶ TWICE

A part number that is there already begins a new message, as at one gate, unless that part may be sent again: it was refused, its
outcome is unknown, or it waits at another gate that was not part of the decision.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from proxy.model.message import Content, Outcome, Take

FORM = 1
"""The version of the format: a gate that finds another one ignores the sheet."""
INHERIT_S = 60.0
"""As at one gate (relay/multipart/assembler.py)."""
ABANDONED_S = 5.0
"""An unjudged message of this age belongs to gates that have stopped: parts wait 2 s at most."""
POSTED_MAX = 4
"""Messages under one key: only a sender that repeats the same part has more than two in a minute."""
BYTES_MAX = 64 << 10
"""Octets of one sheet: 20 parts of 1,000 octets. Longer messages (``message_payload``) are judged by each gate alone."""

WAITING, THERE, UNKNOWN, LATE, REFUSED, TWICE = range(6)
"""States of a part. ``TWICE``: it was sent again after no answer, and got no answer in time again."""
SENT = (THERE, UNKNOWN, LATE, TWICE)
AGAIN = (REFUSED, UNKNOWN, LATE, TWICE)
"""States of a part of a judged message in which it may be sent again."""

Holder = tuple[int, int]
"""(life of a gate, number of its message)"""


Key = tuple[int, bytes]
"""(recipient, key of the message); the store uses a keyed hash of it."""


class StoreGroup(NamedTuple):
    """A record and sheets that are stored together or not at all."""

    record: tuple[int, int, bytes] | None
    """(person, version, record)"""
    sheets: tuple[tuple[Key, int, bytes], ...]


class TooLong(Exception):
    """The sheet would be too long, or has another format."""


class PostedPart(NamedTuple):
    """One part, as its gate wrote it."""

    holder: Holder
    index: int  # type: ignore[assignment] # the tuple method of this name is never used
    state: int
    content: Content


class SharedObjection(NamedTuple):
    """A Breach in serializable form; ``number`` is valid under the same rule set only."""

    rule: str
    number: int
    outcome: int
    reason: str
    shadow: bool
    not_before: float | None
    spread_s: int


class SharedDecision(NamedTuple):
    """One gate's decision about the message, for all gates."""

    judged_at: float
    revision: str
    parts: tuple[int, ...]  # on which it rests
    outcome: Outcome
    reason: str  # empty when allowed
    rule: str
    province: str
    template: int
    category: int  # as which its parts are counted, when it is refused
    entry: bytes  # 32 octets, empty when refused
    adopts: bool  # the entry stands in for one of unknown outcome
    takes: tuple[Take, ...]
    objections: tuple[SharedObjection, ...]


class Posted(NamedTuple):
    """One message on a sheet."""

    begun: float
    holders: tuple[Holder, ...] = ()
    rows: tuple[PostedPart, ...] = ()
    decision: SharedDecision | None = None
    closed: bool = False
    """No part of it was sent, or it was only deferred: later parts begin a new message."""

    def others(self, holder: Holder) -> list[PostedPart]:
        return [row for row in self.rows if row.holder != holder]

    def theirs(self, holder: Holder) -> dict[int, Content]:
        """The parts of other holders by number; of a part that was sent again, the attempt that was not refused."""
        rows = sorted(self.others(holder), key=lambda row: row.state == REFUSED, reverse=True)
        return {row.index: row.content for row in rows}

    def stands(self, holder: Holder) -> bool:
        """Whether the recipient has, or may get, a part of another holder."""
        return any(row.state != REFUSED for row in self.others(holder))

    def unknown(self, holder: Holder) -> bool:
        """Whether a part of another holder has an unknown outcome and was not sent again."""
        known_parts = {row.index for row in self.rows if row.state in (WAITING, THERE, LATE)}
        return any(row.state in (UNKNOWN, TWICE) and row.index not in known_parts for row in self.others(holder))

    def went(self, holder: Holder, index: int, states: Sequence[int] = (THERE,)) -> bool:
        """Whether another holder has sent this part."""
        return any(row.index == index and row.state in states for row in self.others(holder))

    def times_sent(self, holder: Holder, index: int) -> int:
        """How often other holders have sent this part without a refusal."""
        return sum(1 + (row.state == TWICE) for row in self.others(holder) if row.index == index and row.state in SENT)

    def fits(self, holder: Holder, index: int) -> bool:
        """Whether a part with this number, sent now, belongs to this message."""
        held = [row for row in self.others(holder) if row.index == index]
        if not held:
            return True
        if self.decision is None or not self.decision.entry:  # what was refused as a whole is judged anew
            return False
        return all(row.state in AGAIN or (row.state == WAITING and row.holder[0] != holder[0]) for row in held)

    def open_to(self, holder: Holder, indexes: Iterable[int], now: float) -> bool:
        """Whether parts of a holder that are on no sheet yet belong to this message."""
        if self.closed:
            return False
        if self.decision is not None:
            if abs(now - self.decision.judged_at) > INHERIT_S:
                return False
        elif abs(now - self.begun) > ABANDONED_S:
            return False
        return all(self.fits(holder, index) for index in indexes)

    def with_rows(self, holder: Holder, rows: Iterable[PostedPart]) -> Posted:
        holders = self.holders if holder in self.holders else (*self.holders, holder)
        ordered = sorted((*self.others(holder), *rows), key=lambda row: row[:2])
        return self._replace(holders=holders, rows=tuple(ordered))


Sheet = tuple[Posted, ...]


def find(sheet: Sheet, holder: Holder) -> Posted | None:
    """The message of a holder; None if it is not on the sheet."""
    return next((posted for posted in sheet if holder in posted.holders), None)


def settle(sheet: Sheet, holder: Holder, indexes: Sequence[int], now: float) -> Posted:
    """The message of a holder, or the one that its parts belong to: the newest on the sheet, or a new one."""
    found = find(sheet, holder)
    if found is not None:
        return found
    if sheet and sheet[-1].open_to(holder, indexes, now):
        return sheet[-1]
    return Posted(now)


def put(sheet: Sheet, before: Posted, after: Posted) -> Sheet:
    """The sheet with a changed message. ``before``: the message on the sheet, or a new one. A message without parts and decision is removed."""
    others = [posted for posted in sheet if posted is not before]
    if not after.rows and after.decision is None:
        return tuple(others)
    if len(others) < len(sheet):
        return tuple(after if posted is before else posted for posted in sheet)
    return tuple(sorted((*sheet[-POSTED_MAX + 1 :], after), key=lambda posted: posted.begun))


# ------------------------------------------------------------------------------------------------------------------- octets


def pack(sheet: Sheet) -> bytes:
    """The octets of a sheet. Raises TooLong."""
    data = json.dumps([FORM, [_posted(one) for one in sheet]], separators=(",", ":")).encode()
    if len(data) > BYTES_MAX:
        raise TooLong
    return data


def unpack(data: bytes) -> Sheet:
    """The reverse of ``pack``; empty octets are an empty sheet. Raises TooLong if a gate of another version wrote it."""
    if not data:
        return ()
    form, rows = json.loads(data)
    if form != FORM:
        raise TooLong
    return tuple(map(_posted_of, rows))


def _posted(one: Posted) -> list[Any]:
    return [one.begun, one.holders, [_row(row) for row in one.rows], _decision(one.decision), one.closed]


def _posted_of(packed: Sequence[Any]) -> Posted:
    begun, holders, rows, decision, closed = packed
    return Posted(
        begun, tuple((life, number) for life, number in holders), tuple(map(_row_of, rows)), _decision_of(decision), closed
    )


def _row(row: PostedPart) -> list[Any]:
    content = row.content
    octets = None if content.octets is None else [content.octets[0], content.octets[1].hex()]
    extra = [[tag, value.hex()] for tag, value in content.extra]
    return [*row.holder, row.index, row.state, octets, content.state, content.digest.hex(), content.scheduled, extra]


def _row_of(row: Sequence[Any]) -> PostedPart:
    life, number, index, state, octets, readable, digest, scheduled, extra = row
    pairs = tuple((tag, bytes.fromhex(value)) for tag, value in extra)
    where = None if octets is None else (octets[0], bytes.fromhex(octets[1]))
    content = Content("", readable, bytes.fromhex(digest), None, scheduled, pairs, where)
    return PostedPart((life, number), index, state, content)


def _decision(one: SharedDecision | None) -> dict[str, Any] | None:
    return None if one is None else {**one._asdict(), "entry": one.entry.hex()}


def _decision_of(fields: Mapping[str, Any] | None) -> SharedDecision | None:
    if fields is None:
        return None
    return SharedDecision(**{
        **fields,
        "parts": tuple(fields["parts"]),
        "outcome": Outcome(fields["outcome"]),
        "entry": bytes.fromhex(fields["entry"]),
        "takes": tuple(Take(*take) for take in fields["takes"]),
        "objections": tuple(SharedObjection(*one) for one in fields["objections"]),
    })  # fmt: skip
