"""Defines Frame, one received PDU, and Malformed, a fault in one.

In: bytes. Out: frames, optional parameters, fields as the tables say. Never: sockets, clocks, policy. A frame whose body cannot
be read is still a frame: it can be answered, counted and displayed.
"""

from __future__ import annotations

from typing import Any

import cython

from proxy.model.sequence_window import SequenceWindow
from proxy.wire.tables import (
    COMMANDS,
    ESME_RINVOPTPARSTREAM,
    ESME_RINVPARLEN,
    ESME_ROPTPARNOTALLWD,
    GENERIC_NACK,
    REPEATABLE,
    RESPONSE,
    TLVS,
    status_name,
)

_RESPONSE = cython.declare(cython.uint, RESPONSE)
_GENERIC_NACK = cython.declare(cython.uint, GENERIC_NACK)


class Malformed(Exception):
    """A fault of the sender in a PDU. ``status`` is the response that SMPP 3.4 prescribes, ``kind`` one of tables.BAD_KINDS."""

    def __init__(self, status: int, kind: str, what: str) -> None:
        super().__init__(f"{what} ({status_name(status)})")
        self.status = status
        self.kind = kind
        self.what = what


@cython.final
@cython.no_gc
@cython.freelist(1024)
@cython.cclass
class Frame:
    """One PDU. ``data`` holds all of it, header included, as it was received."""

    command_id: cython.uint
    command_status: cython.uint
    sequence_number: cython.uint
    data: bytes

    def __init__(self, command_id: cython.uint, command_status: cython.uint, sequence_number: cython.uint, data: bytes) -> None:
        self.command_id = command_id
        self.command_status = command_status
        self.sequence_number = sequence_number
        self.data = data

    @classmethod
    def of(cls, data: bytes) -> Frame:
        """The frame of exactly one whole PDU (ValueError otherwise)."""
        if len(data) < 16 or int.from_bytes(data[:4], "big") != len(data):
            raise ValueError(f"not one whole PDU: {len(data)} bytes")
        return cls(
            int.from_bytes(data[4:8], "big"), int.from_bytes(data[8:12], "big"), int.from_bytes(data[12:16], "big"), data
        )

    def with_body(self, body: bytes) -> Frame:
        """The same PDU with another body and the matching length."""
        if body == self.body:
            return self
        head = (16 + len(body)).to_bytes(4, "big") + self.data[4:16]
        return Frame(self.command_id, self.command_status, self.sequence_number, head + body)

    @property
    def body(self) -> bytes:
        """The octets after the header."""
        return self.data[16:]

    @property
    def name(self) -> str:
        command = COMMANDS.get(self.command_id)
        return command.name if command else f"0x{self.command_id:08x}"

    def __repr__(self) -> str:
        status = status_name(self.command_status)
        return f"<{self.name} {status} sequence {self.sequence_number}, {len(self.data)} bytes>"


@cython.ccall
def are_all(frames: list[Frame], command_id: cython.uint) -> bool:
    """Whether all frames have this command_id."""
    frame: Frame
    for frame in frames:  # noqa: SIM110 # compiled, a generator costs more than the loop
        if frame.command_id != command_id:
            return False
    return True


@cython.cfunc
@cython.inline
@cython.exceptval(check=False)
def _number_at(octets: cython.p_uchar, place: cython.Py_ssize_t) -> cython.uint:
    """The four-octet number at a place."""
    return octets[place] << 24 | octets[place + 1] << 16 | octets[place + 2] << 8 | octets[place + 3]


@cython.boundscheck(False)
@cython.wraparound(False)
@cython.nonecheck(False)
@cython.ccall
def sort_pdus(
    data: bytes,
    position: cython.Py_ssize_t,
    most_bytes: cython.Py_ssize_t,
    accept: frozenset[int],
    waiting: SequenceWindow,
    requests: list[Frame],
    answers: list[tuple[Any, Frame]],
) -> tuple[int, Frame | None]:
    """Splits ``data`` from ``position`` on into PDUs, up to one that is incomplete or has an impossible length (§4.3.1). Accepted commands go
    to ``requests``, awaited responses to ``answers`` with their ticket. Returns where it stopped, and the PDU that is neither, if it stopped
    at one."""
    octets: cython.p_uchar = data
    end: cython.Py_ssize_t = len(data)
    length: cython.Py_ssize_t
    command_id: cython.uint
    command_before: cython.uint = 0
    awaited: cython.uint
    sent: tuple[Any, float, int] | None
    accepted: cython.bint = 0 in accept
    frame: Frame
    while end - position >= 16:
        length = _number_at(octets, position)
        if not 16 <= length <= most_bytes or length > end - position:
            break
        command_id = _number_at(octets, position + 4)
        if command_id != command_before:  # a run of PDUs mostly has one command_id
            command_before, accepted = command_id, command_id in accept
        frame = Frame.__new__(Frame)
        frame.command_id = command_id
        frame.command_status = _number_at(octets, position + 8)
        frame.sequence_number = _number_at(octets, position + 12)
        frame.data = octets[position : position + length]
        position += length
        if accepted:
            requests.append(frame)
            continue
        sent = waiting.take(frame.sequence_number) if command_id & _RESPONSE else None
        if sent is None:
            return position, frame
        awaited = sent[2]
        if command_id != awaited and command_id != _GENERIC_NACK:
            waiting.put(frame.sequence_number, sent)
            return position, frame
        answers.append((sent[0], frame))
    return position, None


def renumbered(data: bytes, sequence: int) -> bytes:
    """The same PDU with another sequence number: the only four bytes that the gate changes in a relayed PDU."""
    return data[:12] + sequence.to_bytes(4, "big") + data[16:]


def read_tlvs(data: bytes, position: int) -> list[tuple[int, bytes]]:
    """Optional parameters (§5.3) from ``position`` to the end, in order, as (tag, value).

    Raises Malformed: cut short → ESME_RINVOPTPARSTREAM, repeated → ESME_ROPTPARNOTALLWD, a known tag of impossible size →
    ESME_RINVPARLEN. Unknown tags pass (§3.3).
    """
    found: list[tuple[int, bytes]] = []
    seen: set[int] = set()
    end = len(data)
    while position < end:
        start = position + 4
        if start > end:
            raise Malformed(ESME_RINVOPTPARSTREAM, "tlv", f"{end - position} octets are left after the last parameter")
        tag = data[position] << 8 | data[position + 1]
        length = data[position + 2] << 8 | data[position + 3]
        position = start + length
        if position > end:
            raise Malformed(ESME_RINVOPTPARSTREAM, "tlv", f"parameter 0x{tag:04x} says {length} octets, {end - start} are left")
        known = TLVS.get(tag)
        if known is not None and not known.least <= length <= known.most:
            raise Malformed(ESME_RINVPARLEN, "tlv", f"{known.name} of {length} octets (may have {known.least} to {known.most})")
        if tag in seen and tag not in REPEATABLE:
            raise Malformed(ESME_ROPTPARNOTALLWD, "tlv", f"parameter 0x{tag:04x} twice")
        seen.add(tag)
        found.append((tag, data[start:position]))
    return found
