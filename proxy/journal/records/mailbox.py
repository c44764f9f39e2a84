"""Declares what became of delivers in the mailbox (kinds 9–11).

A deliver's number is the sequence of its DELIVER record. One record covers one loop turn.
"""

from __future__ import annotations

from typing import Annotated, NamedTuple

from proxy.journal.encoding import TO_END, U64, FieldForm, Ms, one_of, record
from proxy.journal.records.messages import DELIVERED, DISOWNED, DROPPED

WHYS = ("expired", "full", "refused", "returned")
"""A reason is its place here, for ever: too old, no room, the provider said no, left with the carrier (never acknowledged)."""


@record(DELIVERED)
class Delivered(NamedTuple):
    """Providers have acknowledged delivers."""

    time: Ms
    numbers: Annotated[tuple[U64, ...], TO_END]  # of the delivers


@record(DROPPED)
class Dropped(NamedTuple):
    """Delivers left the mailbox without an acknowledgement."""

    time: Ms
    delivers: Annotated[tuple[tuple[U64, Annotated[str, one_of(WHYS)]], ...], TO_END]  # (number, why)

    @property
    def numbers(self) -> tuple[int, ...]:
        return tuple(number for number, _ in self.delivers)


_names = FieldForm(
    "names with NUL between them", tail='"\\0".join({0}).encode()', value='tuple(body[at:].decode().split("\\0"))'
)


@record(DISOWNED)
class Disowned(NamedTuple):
    """Providers were removed: their waiting delivers have no owner."""

    time: Ms
    providers: Annotated[tuple[str, ...], _names]  # removed providers: their waiting delivers have no owner
