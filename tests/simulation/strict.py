"""Strict: peers that take SMPP 3.4 by the letter, and a carrier whose answers are not.

In: PDUs as they leave the gate. Out: what is wrong with each, empty where nothing is; answers that no specification allows. Never: the
gate's own tables.
"""

from __future__ import annotations

import random
import struct

SUBMIT_SM, GENERIC_NACK, RESPONSE = 0x04, 0x80000000, 0x80000000
RESPONSES = (0x80000004, 0x80000103)
ID_BYTES_MAX = 65
NPI = (0, 1, 3, 4, 6, 8, 9, 10, 14, 18)
MESSAGE_TYPES = (0x00, 0x08, 0x10)
"""Of what an ESME may submit (§5.2.12): a message, and acknowledgements of one."""


def fault_of_answer(pdu: bytes) -> str:
    """Why a provider's client may stumble over an answer (§4.4.2)."""
    length, command, status, _ = struct.unpack_from(">IIII", pdu)
    if length != len(pdu):
        return f"it says {length} octets and has {len(pdu)}"
    if command not in RESPONSES:
        return f"a command 0x{command:08x}"
    body = pdu[16:]
    if status:
        return "" if body in (b"", b"\0") else "a body beside a refusal"
    end = body.find(0)
    if end < 0:
        return "a message_id that does not end"
    if end + 1 > ID_BYTES_MAX:
        return f"a message_id of {end} octets"
    return _fault_of_tlvs(body, end + 1)


def _fault_of_tlvs(body: bytes, at: int) -> str:
    seen: set[int] = set()
    while at < len(body):
        if at + 4 > len(body):
            return "a parameter that is cut"
        tag, length = struct.unpack_from(">HH", body, at)
        at += 4 + length
        if at > len(body):
            return "a parameter that is cut"
        if tag in seen:
            return "a parameter twice"
        seen.add(tag)
    return ""


def fault_of_submit(pdu: bytes) -> str:
    """Why a strict carrier cuts the link over a submit_sm: values that SMPP 3.4 reserves, headers and numbers that cannot be."""
    if int.from_bytes(pdu[4:8], "big") != SUBMIT_SM:
        return ""
    at = pdu.index(0, 16) + 1
    for _ in range(2):
        if pdu[at] > 6 or pdu[at + 1] not in NPI:
            return f"a type and plan of number {pdu[at]}, {pdu[at + 1]}"
        at = pdu.index(0, at + 2) + 1
    esm_class, priority = pdu[at], pdu[at + 2]
    at = pdu.index(0, pdu.index(0, at + 3) + 1) + 1
    registered, replaces, length = pdu[at], pdu[at + 1], pdu[at + 4]
    octets = pdu[at + 5 : at + 5 + length]
    if priority > 3 or registered & 0xE0 or registered & 3 == 3 or replaces > 1:
        return f"priority {priority}, registered_delivery {registered}, replace {replaces}"
    if esm_class & 0x3C not in MESSAGE_TYPES:
        return f"an esm_class 0x{esm_class:02x}"
    if esm_class & 0x40 and length and (fault := _fault_of_header(octets)):
        return fault
    return _fault_of_sar(pdu[at + 5 + length :])


def _fault_of_header(octets: bytes) -> str:
    end, at = octets[0] + 1, 1
    while at < end <= len(octets):
        if at + 2 > end or at + 2 + octets[at + 1] > end:
            return "an element of a user data header that is cut"
        at += 2 + octets[at + 1]
    return "" if end <= len(octets) else "a user data header that is longer than its message"


def _fault_of_sar(tlvs: bytes) -> str:
    found, at = dict[int, int](), 0
    while at + 4 <= len(tlvs):
        tag, length = struct.unpack_from(">HH", tlvs, at)
        found[tag] = int.from_bytes(tlvs[at + 4 : at + 4 + length], "big")
        at += 4 + length
    total, index = found.get(0x020E), found.get(0x020F)
    if total is None or index is None:
        return ""
    return "" if 1 <= index <= total else f"part {index} of {total}"


def odd_answer(dice: random.Random, sequence: int) -> bytes:
    """A carrier's answer as no specification allows it, or with a status of its own."""
    bodies = (
        b"i" * dice.choice((65, 80, 250)) + b"\0",
        b"i" * 60_000 + b"\0",
        b"no end",
        b"",
        b"cut\0" + struct.pack(">HH", 0x001D, 9) + b"abc",
        b"cut\0\0",
        b"twice\0" + struct.pack(">HHB", 0x0425, 1, 1) * 2,
    )
    status = dice.choice((0, 0, 0, 0x400, dice.randrange(1 << 32)))
    command = GENERIC_NACK if status and dice.random() < 0.2 else RESPONSES[0]
    body = dice.choice(bodies)
    return struct.pack(">IIII", 16 + len(body), command, status, sequence) + body
