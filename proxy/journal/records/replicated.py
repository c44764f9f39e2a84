"""Declares a record that another gate wrote (kind 50).

In: its place in the shared log, its node and sequence, its kind and body. Out: a body, a value. Never: what the inner record means.

The inner record is the other gate's own, byte for byte. ``place`` is where the next read of the shared log starts.
"""

from __future__ import annotations

from typing import NamedTuple

from proxy.journal.encoding import U8, U64, Ms, Rest, record
from proxy.journal.records.messages import HEARD
from proxy.model.number import masked_repr


@record(HEARD)
@masked_repr
class ReplicatedRecord(NamedTuple):
    """A record that another gate wrote, octet for octet."""

    time: Ms
    place: tuple[U64, U64]  # milliseconds, number
    node: U8
    sequence: U64  # there
    kind: U8
    body: Rest
