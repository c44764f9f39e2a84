"""Declares carriers' answers to submits, and missing answers (kinds 2, 24).

In: a carrier's answer to a submit, or the lack of one. Out: bodies of the kinds ANSWER and ACCEPTED, and typed values. Never: files, a
clock.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Annotated, NamedTuple

from proxy.journal.encoding import COUNT8, COUNT16, TO_END, U8, U32, U64, Ms, Rest, record, unpack
from proxy.journal.records.messages import ACCEPTED, ANSWER, TIME
from proxy.journal.segment import JournalRecord
from proxy.model.message import Take
from proxy.model.number import masked_repr


@record(ANSWER)
@masked_repr
class CarrierAnswer(NamedTuple):
    """The carrier's answer to a submit, or the lack of one."""

    time: Ms
    entry_id: U64
    recipient: U64
    effect: U8
    """0 accepted, 1 taken back, 2 unknown, 3 late accepted, 4 late taken back, 5 still unknown, 6 late still unknown,
    7 part of a long message refused, 8 late answer to a part"""
    status: U32
    verdict_sequence: U64  # where the verdict stands in the journal
    fingerprint: U64 = 0  # of the submit, where it became unknown
    entry_time: U32 = 0  # when the entry was made
    gives_back: Annotated[tuple[Take, ...], COUNT8] = ()  # what a take-back returns to aggregates, as of ``entry_time``
    carrier_id: Rest = b""  # the body of the carrier's answer


@masked_repr
class AcceptedMessage(NamedTuple):
    """A submit that the carrier took."""

    entry_id: U64
    recipient: U64
    verdict_sequence: U64
    carrier_id: Annotated[bytes, COUNT16]  # the body of the carrier's answer


@record(ACCEPTED)
class AcceptedMessages(NamedTuple):
    """What most submits end with, for one turn: the carrier took them, and nothing else changes."""

    time: Ms
    messages: Annotated[tuple[AcceptedMessage, ...], TO_END]


_TAKEN = struct.Struct(">QQQH")
_unpack_taken = _TAKEN.unpack_from
"""Entry id, recipient, sequence of the verdict, octets of the carrier's answer."""
ACCEPTED_BYTES_MAX = 128 * 1024
"""Beyond it another record begins: far below what a record may hold, whatever carriers write into their answers."""


def unpack_answers(one: JournalRecord) -> list[CarrierAnswer]:
    """The answers that a record of kind ANSWER or ACCEPTED holds; none for any other kind."""
    if one.kind == ANSWER:
        return [unpack(CarrierAnswer, one.body)]
    if one.kind != ACCEPTED:
        return []
    time, accepted = unpack(AcceptedMessages, one.body)
    return [
        CarrierAnswer(time, entry, who, 0, 0, verdict, 0, 0, (), carrier_id) for entry, who, verdict, carrier_id in accepted
    ]


def verdicts_of(body: bytes) -> list[int]:
    """Where the verdicts stand that a record of kind ACCEPTED is about, without unpacking the rest."""
    return [sequence for _, sequence in _taken(body)]


def recipients_of(body: bytes) -> list[int]:
    """Whom it is about, likewise."""
    return [recipient for recipient, _ in _taken(body)]


def _taken(body: bytes) -> Iterator[tuple[int, int]]:
    at, end = TIME.size, len(body)
    while at < end:
        _, recipient, sequence, size = _unpack_taken(body, at)
        yield recipient, sequence
        at += _TAKEN.size + size


def accepted_without(body: bytes, recipient: int) -> bytes:
    """A body of kind ACCEPTED without one person: unchanged if it does not name the person, empty if it names nobody else."""
    at, end, kept = TIME.size, len(body), list[bytes]()
    found = False
    while at < end:
        _, whose, _, size = _unpack_taken(body, at)
        after = at + _TAKEN.size + size
        if whose == recipient:
            found = True
        else:
            kept.append(body[at:after])
        at = after
    return b"".join([body[: TIME.size], *kept]) if kept and found else b"" if found else body
