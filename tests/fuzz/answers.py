"""Answers: whatever a carrier says, each submit has one answer, and what a provider reads is SMPP 3.4.

In: any octets. Out: nothing, or an AssertionError. The first octet says what was asked, and how the rest is meant:
    0x00  the body of the answer            0x40  the status of the answer, and its body
    0x80  its header behind the length too  0xC0  all that the carrier says
"""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterator
from pathlib import Path

from proxy.wire import Frame, deliver_sm, submit_sm, submit_sm_resp
from proxy.wire.builders import pdu, response, tlv
from proxy.wire.tables import DELIVER_SM, RESPONSE, VERSION_34
from tests import pdus
from tests.answering import Between, is_well_formed
from tests.harness import SHANGHAI

PORT = "1069001"
TRIES_MAX = 400
"""Then the gate is another: what it has written in memory is not to grow without end."""
_numbers = itertools.count()


def _asked(number: int) -> tuple[bytes, ...]:
    """What the provider sends, under the numbers 1 and 2: a neighbour's submit goes with each."""
    first, second = SHANGHAI + 2 * number % 90_000, SHANGHAI + (2 * number + 1) % 90_000
    text = b"x%d" % number
    submit = submit_sm(PORT, str(first), text, sequence=1)
    kinds = (
        submit,
        submit,
        pdus.data(PORT.encode(), b"%d" % first, "hello", 1),
        pdus.multi(PORT.encode(), [first, second], "hello", 1),
        pdus.query(b"4711", PORT.encode(), 1),
        pdus.cancel(b"4711", PORT.encode(), sequence=1),
    )
    return kinds[number % len(kinds)], submit_sm(PORT, str(second), text, sequence=2)


class _Gates:
    """One gate of each kind, until it has served long enough."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, int], tuple[Between, int]] = {}

    def take(self, code: str, version: int) -> Between:
        between, tries = self._made.get((code, version), (None, 0))
        if between is None or tries >= TRIES_MAX:
            between, tries = Between(Path(tempfile.mkdtemp(prefix="gate106-fuzz-")), code=code, version=version), 0
        self._made[code, version] = between, tries + 1
        return between


_gates = _Gates()


def answers(data: bytes) -> None:
    head, rest = (data[0], data[1:]) if data else (0, b"")
    between = _gates.take("B1" if head & 0x10 else "", 0x33 if head & 0x20 else VERSION_34)
    number = 6 * next(_numbers) + head % 6  # nothing comes twice: what nobody answered for goes out twice at most
    sent = between.sends(*_asked(number))
    assert len(sent) == 2
    frame, other = sent
    said = between.says(_meant(head & 0xC0, frame, rest))
    between.says(submit_sm_resp(other.sequence_number, 0, b"4712"))
    between.waits()
    told = between.told()
    for one in (*said, *told):
        assert is_well_formed(one)
    if between.line.peer_version < VERSION_34:
        assert all(b"\0" not in one.body[:-1] for one in told if one.command_id in (0x80000004, 0x80000103))
    answered = [one.sequence_number for one in told if one.command_id & RESPONSE]
    assert sorted(answered) == [1, 2]
    assert all(one.command_id == DELIVER_SM for one in told if not one.command_id & RESPONSE)
    assert between.line.unanswered == 0


def _meant(how: int, frame: Frame, rest: bytes) -> bytes:
    sequence = frame.sequence_number
    if how == 0x00:
        return response(frame.command_id, 0, sequence, rest)
    if how == 0x40:
        return response(frame.command_id, int.from_bytes(rest[:4], "big"), sequence, rest[4:])
    if how == 0x80:
        return pdu(int.from_bytes(rest[:4], "big"), int.from_bytes(rest[4:8], "big"), sequence, rest[8:])
    return rest


def seeds() -> Iterator[bytes]:
    for kind in range(6):
        for body in (
            b"4711\0", b"", b"4711", b"a" * 80 + b"\0", b"a" * 80, b"4711\0" + tlv(0x1400, b"why"), b"4711\0\x14\0\0\5",
            b"4711\0\0\2\0", b"4711\0\1\1\1" + b"13800210000\0" + b"\0\0\0\x0b", b"4711\0\2\1\1" + b"13800210000\0" + b"\0\0",
        ):  # fmt: skip
            yield bytes((kind,)) + body
            yield bytes((kind | 0x30,)) + body
            yield bytes((kind | 0x40,)) + b"\0\0\0\x58" + body
    yield b"\x80\x80\0\0\0\0\0\0\0"  # a generic_nack without a fault
    yield b"\x80\x80\0\0\0\0\0\0\3"
    text = b"id:" + b"a" * 80 + b" sub:001 dlvrd:001 stat:DELIVRD err:000 text:hello"
    for one in (
        deliver_sm("8613800210000", PORT, text, esm_class=4, sequence=5),
        deliver_sm("1", "86" + PORT, b"TD", sequence=6),
    ):
        yield b"\xc0" + one
        yield b"\xd0" + one
        yield b"\xc0" + one[:-5]
    yield b"\xc0\0\0\0\4"
