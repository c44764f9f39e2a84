"""Encodes carriers' answers to submits, and missing answers (kinds 2, 24).

In: a carrier's answer to a submit, or the lack of one. Out: bodies of the kinds ANSWER and ACCEPTED, and typed values. Never: files, a
clock.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from proxy.journal.encoding import BodyReader as _Reader
from proxy.journal.records.messages import ACCEPTED, ANSWER, TAKE, TIME
from proxy.journal.segment import JournalRecord
from proxy.journal.settled_submit import AcceptedSubmit, AnswerBody
from proxy.model.message import Take
from proxy.model.number import masked_repr
from proxy.native.loader import compiled


@masked_repr
class CarrierAnswer(NamedTuple):
    """The carrier's answer to a submit, or the lack of one."""

    time: float
    entry_id: int
    recipient: int
    effect: int
    """0 accepted, 1 taken back, 2 unknown, 3 late accepted, 4 late taken back, 5 still unknown, 6 late still unknown,
    7 part of a long message refused, 8 late answer to a part"""
    status: int
    verdict_sequence: int  # where the verdict stands in the journal
    fingerprint: int  # of the submit, where it became unknown
    entry_time: int  # when the entry was made
    gives_back: tuple[Take, ...]  # what a take-back returns to aggregates, as of ``entry_time``
    carrier_id: bytes  # the body of the carrier's answer


_ANSWER = struct.Struct(">QQQBIQQIB")
_TAKEN = struct.Struct(">QQQH")
_pack_taken, _unpack_taken = _TAKEN.pack, _TAKEN.unpack_from
"""Entry id, recipient, sequence of the verdict, octets of the carrier's answer."""
ACCEPTED_BYTES_MAX = 128 * 1024
"""Beyond it another record begins: far below what a record may hold, whatever carriers write into their answers."""


def pack_answer(
    now: float,
    entry_id: int,
    recipient: int,
    effect: int,
    status: int,
    carrier_id: bytes,
    verdict_sequence: int,
    fingerprint: int = 0,
    entry_time: int = 0,
    gives_back: tuple[Take, ...] = (),
) -> bytes:
    fixed = _ANSWER.pack(
        int(now * 1000), entry_id, recipient, effect, status, verdict_sequence, fingerprint, entry_time, len(gives_back)
    )
    if gives_back:
        fixed += b"".join([TAKE.pack(*take) for take in gives_back])
    return fixed + carrier_id


@compiled("pack_accepted")
def pack_accepted(now: float, accepted: Iterable[tuple[AcceptedSubmit, AnswerBody]]) -> Iterator[list[bytes]]:
    """What most submits end with, for one turn in as few bodies as fit: the carrier took them, and nothing else changes.

    Each with the carrier's answer, whose body is its own id. In pieces behind an empty one (``Journal.extend``).
    """
    time = TIME.pack(int(now * 1000))
    pieces, size = [b"", time], 0
    for one, answer in accepted:
        carrier_id = answer.body
        recipient = one.message.recipient  # type: ignore[union-attr] # it was judged
        pieces += (_pack_taken(one.entry_id, recipient, one.recorded, len(carrier_id)), carrier_id)
        size += _TAKEN.size + len(carrier_id)
        if size > ACCEPTED_BYTES_MAX:
            yield pieces
            pieces, size = [b"", time], 0
    if size:
        yield pieces


def unpack_answers(record: JournalRecord) -> list[CarrierAnswer]:
    """The answers that a record of kind ANSWER or ACCEPTED holds; none for any other kind."""
    if record.kind == ANSWER:
        return [unpack_answer(record.body)]
    if record.kind != ACCEPTED:
        return []
    reader = _Reader(record.body)
    (time_ms,) = reader.take(TIME)
    found = []
    while reader.at < len(record.body):
        entry_id, recipient, verdict, size = reader.take(_TAKEN)
        found.append(CarrierAnswer(time_ms / 1000, entry_id, recipient, 0, 0, verdict, 0, 0, (), reader.raw(size)))
    return found


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


def unpack_answer(body: bytes) -> CarrierAnswer:
    time_ms, entry_id, recipient, effect, status, verdict, fingerprint, entry_time, takes = _ANSWER.unpack_from(body)
    reader = _Reader(body, _ANSWER.size)
    gives_back = tuple(Take(*reader.take(TAKE)) for _ in range(takes))
    return CarrierAnswer(
        time_ms / 1000, entry_id, recipient, effect, status, verdict, fingerprint, entry_time, gives_back, reader.rest()
    )
