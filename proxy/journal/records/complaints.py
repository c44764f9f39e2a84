"""Declares complaint cases (kind 46); each record holds the whole case.

Which state may follow which is in desk/complaints/book.py.
"""

from __future__ import annotations

from typing import Annotated, NamedTuple

from proxy.journal.encoding import COUNT16, U64, Ms, Text, one_of, record
from proxy.journal.records.messages import CASED
from proxy.model.number import masked_repr

EVENTS_MAX = 60
"""Of one case; the journal has all of them."""


class DeskEvent(NamedTuple):
    """Something that was done with a paper of the desk."""

    time: Ms
    what: Text
    who: Text
    why: Text


def kept_events(events: tuple[DeskEvent, ...]) -> tuple[DeskEvent, ...]:
    """How it began, and what came last."""
    return events[:1] + events[1:][-(EVENTS_MAX - 1) :]


ANSWERED, REOPENED = "answered", "reopened"
"""Events that start and stop the second clock."""
DeskEvents = Annotated[tuple[DeskEvent, ...], COUNT16]
OPEN, VALID, INVALID, DUPLICATE, WITHDRAWN, NOT_OURS = STATES = (
    "open", "valid", "invalid", "duplicate", "withdrawn", "not-ours",
)  # fmt: skip
"""A state's place here is its number in the journal, for ever."""


@record(
    CASED,
    order="id filed came forward_by answer_by forwarded at sent recipient of state "
    "source reference batch number sender text message provider port signature category events",
    before=lambda case: case._replace(events=kept_events(case.events)),
)
@masked_repr
class Case(NamedTuple):
    """A complaint and its handling.

    Empty strings and 0 mean that a value is missing.
    """

    id: U64  # from 1, never given twice
    state: Annotated[str, one_of(STATES)]
    source: Text  # who sent it: 12321
    reference: Text  # what they call it
    batch: Text  # first 16 hex digits of the file's SHA-256
    filed: Ms
    came: Ms  # when it came to us: the clocks run from there
    forward_by: Ms
    answer_by: Ms
    forwarded: Ms  # to the provider
    recipient: U64  # 0 where digits are hidden
    number: Text  # the complainant's number as it was written: 138****0500
    at: Ms  # about when the message came
    sender: Text  # from which port, as the complainant wrote it
    text: Text
    message: Text  # the message it is about, node:record
    provider: Text
    port: Text
    signature: Text
    category: Text
    sent: Ms  # when that message came to the gate
    of: U64  # of a duplicate, the case it repeats
    events: DeskEvents

    @property
    def decided(self) -> float:
        """When it was last decided, 0 if it is open."""
        if self.state == OPEN:
            return 0.0
        return next((event.time for event in reversed(self.events) if event.what == self.state), 0.0)

    @property
    def answered(self) -> float:
        """When its source was answered last, 0 if it was not, or not since the case was reopened."""
        last = next((event for event in reversed(self.events) if event.what in (ANSWERED, REOPENED)), None)
        return last.time if last is not None and last.what == ANSWERED else 0.0

    @property
    def owes_answer(self) -> bool:
        """Whether it is decided, and its source was not told yet. Nobody waits for the answer to a complaint that was withdrawn."""
        return self.state not in (OPEN, WITHDRAWN) and not self.answered
