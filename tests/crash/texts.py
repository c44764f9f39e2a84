"""Texts: what simulated providers write, so that each submit is recognised wherever it turns up: at the carrier, in the journal.

In: serials. Out: texts as octets; the serial of any PDU. Never: who sends what when.
"""

from __future__ import annotations

import re

from tests.e2e.carrier import addresses
from tests.e2e.pdus import REPLACE_SM, SUBMIT_MULTI, Pdu, read_message

BANNED = "六合彩"
"""A word that a rule refuses. In a long message it stands across the border of the last two parts, so that only the whole text has it."""
UDH = 0x40
"""The bit of esm_class that says: a header stands before the text."""
SERIAL_DIGITS = 7
_SERIAL = re.compile(rf"[0-9]{{{SERIAL_DIGITS}}}")


def text_of(sign: str, serial: int, *, banned: bool = False) -> str:
    """An advertisement that no other equals."""
    return f"【{sign}】新品上架 {_named(serial)} {BANNED if banned else ''}拒收请回复R"


def part_of(sign: str, serial: int, reference: int, parts: int, part: int, *, banned: bool) -> bytes:
    """One part of a long advertisement, behind its header. The first is signed, the last says how to refuse."""
    text = f"{BANNED[2:] if banned and part == parts else ''} {_named(serial)} "
    if part == 1:
        text = f"【{sign}】新品上架{text}"
    if part == parts:
        text += "拒收请回复R"
    elif banned and part == parts - 1:
        text += BANNED[:2]
    return bytes((5, 0, 3, reference, parts, part)) + text.encode("utf-16-be")


def recognise(data: bytes) -> list[tuple[int, str]]:
    """(serial, recipient) of each submit that a submit_sm, submit_multi or replace_sm carries; the last names no recipient."""
    command = int.from_bytes(data[4:8], "big")
    if command == SUBMIT_MULTI:
        return [(_serial(data), person) for person in addresses(Pdu(command, 0, 0, data))]
    if command == REPLACE_SM:
        return [(_serial(data), "")]
    fields = read_message(data)
    header = fields.short_message[0] + 1 if fields.esm_class & UDH else 0
    return [(_serial(data, fields.short_message[header:]), fields.destination)]


def _named(serial: int) -> str:
    return f"{serial:0{SERIAL_DIGITS}d}"


def _serial(data: bytes, text: bytes | None = None) -> int:
    """Without ``text`` the last octets of the PDU are it: an even number of them."""
    octets = data[16 + len(data) % 2 :] if text is None else text
    found = _SERIAL.findall(octets.decode("utf-16-be", "replace"))
    assert found, data.hex()
    return int(found[-1])
