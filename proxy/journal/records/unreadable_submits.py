"""Finds the recipients of submits that were turned away unread.

In: the body of a verdict, or a PDU. Out: numbers. Never: Malformed: a PDU that cannot be parsed is searched for anything that looks like a
number; the other fields of the PDU (wire/ reads those).

The verdict of such a submit names no recipient, but its PDU may.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Iterator, Sequence

from proxy.journal.records import messages
from proxy.model.number import NotARecipient, recipient_of

_SUBMIT_SM, _SUBMIT_MULTI, _DATA_SM = 0x04, 0x21, 0x103
_HEADER_BYTES = 16
_NOBODY = bytes(8)
_U64 = struct.Struct(">Q")
_SPELT = re.compile(rb"\+?[0-9]{11,15}")


def names_nobody(body: bytes) -> bool:
    """Whether a verdict names no recipient."""
    return body[8:16] == _NOBODY


def recipients_of_verdict(body: bytes) -> Sequence[int]:
    """Whom a verdict is about: whom it names, else those its PDU was sent to; none where that says nothing. ValueError, struct.error."""
    if not names_nobody(body):
        return _U64.unpack_from(body, 8)
    return recipients_of_pdu(messages.unpack_verdict(body).data)


def recipients_of_pdu(data: bytes) -> Sequence[int]:
    """The persons a PDU was sent to, in its order, each once."""
    try:
        found = _spellings(data)
    except (ValueError, IndexError):  # it ends too early
        found = [b""]
    if not all(one.isascii() and one.decode().isprintable() and one for one in found):
        found = _SPELT.findall(data)
    return tuple(dict.fromkeys(_numbers(found)))


def _numbers(spellings: Iterable[bytes]) -> Iterator[int]:
    for one in spellings:
        try:
            yield recipient_of(one)
        except NotARecipient:
            continue


def _spellings(data: bytes) -> list[bytes]:
    """SMPP 3.4 §4.4.1, §4.5.1, §4.7.1: service_type, source, destination or destinations. ValueError, IndexError."""
    command = int.from_bytes(data[4:8], "big")
    if command not in (_SUBMIT_SM, _SUBMIT_MULTI, _DATA_SM):
        return []
    at = data.index(0, _HEADER_BYTES) + 1
    at = data.index(0, at + 2) + 1
    if command != _SUBMIT_MULTI:
        return [data[at + 2 : data.index(0, at + 2)]]
    found, count = list[bytes](), data[at]
    at += 1
    for _ in range(count):
        start = at + 3 if data[at] == 1 else at + 1  # else the name of a list
        end = data.index(0, start)
        if data[at] == 1:
            found.append(data[start:end])
        at = end + 1
    return found
