"""Encodes complaint cases (kind 46); each record holds the whole case.

In: cases. Out: bodies and values. Never: files, a clock, which state may follow which (desk/complaints/book.py).
A kind's layout never changes: a new layout is a new kind.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from proxy.journal.encoding import BodyReader, pack_string
from proxy.model.number import masked_repr

_CASE = struct.Struct(">QQQQQQQQQQB")  # id, seven moments in ms, recipient, of, state
_EVENTS = struct.Struct(">H")
_EVENT = struct.Struct(">Q")
EVENTS_MAX = 60
"""Of one case; the journal has all of them."""


class DeskEvent(NamedTuple):
    """Something that was done with a paper of the desk."""

    time: float
    what: str
    who: str
    why: str


@masked_repr
class Case(NamedTuple):
    """A complaint and its handling. Empty strings and 0 mean that a value is missing."""

    id: int  # from 1, never given twice
    state: str  # one of STATES
    source: str  # who sent it: 12321
    reference: str  # what they call it
    batch: str  # first 16 hex digits of the file's SHA-256
    filed: float
    came: float  # when it came to us: the clocks run from there
    forward_by: float
    answer_by: float
    forwarded: float  # to the provider
    recipient: int  # 0 where digits are hidden
    number: str  # the complainant's number as it was written: 138****0500
    at: float  # about when the message came
    sender: str  # from which port, as the complainant wrote it
    text: str
    message: str  # the message it is about, node:record
    provider: str
    port: str
    signature: str
    category: str
    sent: float  # when that message came to the gate
    of: int  # of a duplicate, the case it repeats
    events: tuple[DeskEvent, ...]

    @property
    def decided(self) -> float:
        """When it was last decided, 0 if it is open."""
        if self.state == OPEN:
            return 0.0
        return next((event.time for event in reversed(self.events) if event.what == self.state), 0.0)


OPEN, VALID, INVALID, DUPLICATE, WITHDRAWN, NOT_OURS = STATES = (
    "open", "valid", "invalid", "duplicate", "withdrawn", "not-ours",
)  # fmt: skip
"""A state's place here is its number in the journal, for ever."""


def pack_case(case: Case) -> bytes:
    moments = (case.filed, case.came, case.forward_by, case.answer_by, case.forwarded, case.at, case.sent)
    fixed = _CASE.pack(case.id, *(int(at * 1000) for at in moments), case.recipient, case.of, STATES.index(case.state))
    words = (
        case.source, case.reference, case.batch, case.number, case.sender, case.text, case.message, case.provider, case.port,
        case.signature, case.category,
    )  # fmt: skip
    return b"".join((fixed, *map(pack_string, words), pack_events(case.events)))


def unpack_case(body: bytes) -> Case:
    reader = BodyReader(body)
    number, *ms, recipient, of, state = reader.take(_CASE)
    filed, came, forward_by, answer_by, forwarded, at, sent = (one / 1000 for one in ms)
    source, reference, batch, shown, sender, text, message, provider, port, signature, category = (
        reader.string() for _ in range(11)
    )
    return Case(
        number, STATES[state], source, reference, batch, filed, came, forward_by, answer_by, forwarded, recipient, shown, at, sender, text,
        message, provider, port, signature, category, sent, of, unpack_events(reader),
    )  # fmt: skip


def pack_events(events: tuple[DeskEvent, ...]) -> bytes:
    kept = events[:1] + events[1:][-(EVENTS_MAX - 1) :]  # how it began, and what came last
    parts = [_EVENTS.pack(len(kept))]
    for event in kept:
        parts += [_EVENT.pack(int(event.time * 1000)), pack_string(event.what), pack_string(event.who), pack_string(event.why)]
    return b"".join(parts)


def unpack_events(reader: BodyReader) -> tuple[DeskEvent, ...]:
    (count,) = reader.take(_EVENTS)
    return tuple(
        DeskEvent(reader.take(_EVENT)[0] / 1000, reader.string(), reader.string(), reader.string()) for _ in range(count)
    )
