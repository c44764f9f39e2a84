"""Masks passwords, numbers and codes in a PDU of unchanged length.

In: a Frame, how much of its text may be seen. Out: its octets with ``*`` in the place of secret ones, and its addresses and ids
in readable form. Never: a longer or shorter PDU (a dissector must read it), an exception: a PDU that cannot be read is masked as
a whole.

    text      digits (of any script) are masked; ``hidden``: all of it; ``open``: none. A header (UDH) stays. What a receipt quotes
              behind ``text:`` may be a code: its digits are masked even where the text is open
    numbers   the middle of every address that is no port: 138****0500
    TLVs      values stay where the specification defines them and they concern the PDU, not the recipient
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from proxy.wire.charset import DECODED, KINDS, UCS_2
from proxy.wire.fields import SME_ADDRESS, Body
from proxy.wire.frame import Frame, Malformed
from proxy.wire.tables import COMMANDS, ESM_UDHI, HEADER_BYTES, MESSAGE_PAYLOAD, RESPONSE, TLVS, Field

STAR = 0x2A
TEXT, MASKED, HIDDEN = "open", "masked", "hidden"
_QUOTED = re.compile(rb"text:", re.IGNORECASE)
_PORTS = ("106", "100", "101", "12", "95", "96")
"""Prefixes of ports: any other address with seven digits may be a recipient's number."""
_ABOUT_PERSON = frozenset((0x0202, 0x0203, 0x0303, 0x0381, 0x1383, 0x001D))
"""Subaddresses, callback numbers, session info, free text."""
_ADDRESSES = ("source_addr", "destination_addr", "esme_addr")


@dataclass(slots=True)
class RedactedPdu:
    """A PDU without personal data."""

    data: bytes
    fields: dict[str, Any] = field(default_factory=dict)
    """Source, destination and message id, masked, if they could be read."""


def redact_pdu(frame: Frame, text: str = MASKED, *, whole_numbers: bool = False) -> RedactedPdu:
    """The PDU with secret octets replaced by ``*``."""
    out = bytearray(frame.data)
    found = RedactedPdu(b"")
    body = Body(frame.data)
    try:
        _fields(frame, body, out, found, text, whole_numbers)
    except (Malformed, IndexError, ValueError):
        out[body.position :] = bytes((STAR,)) * (len(out) - min(body.position, len(out)))
    found.data = bytes(out)
    return found


def _fields(frame: Frame, body: Body, out: bytearray, found: RedactedPdu, text: str, whole: bool) -> None:
    command = COMMANDS.get(frame.command_id)
    if command is None:
        raise ValueError("nobody knows what this holds")
    if len(frame.data) == HEADER_BYTES and frame.command_id & RESPONSE:
        return
    values: dict[str, int] = {}
    count = 0
    for spec in command.fields:
        start = body.position
        if spec.kind == "int":
            values[spec.name] = count = body.take_int(spec)
        elif spec.kind == "octets":
            body.take_octets(spec, count)
            _mask_text(out, start, body.position, values, text)
        elif spec.kind in ("addresses", "unsuccessful"):
            for _ in range(count):
                _redact_address(spec, body, out, whole)
        else:
            value = body.take_text(spec)
            end = start + len(value)
            if spec.name == "password":
                out[start:end] = bytes((STAR,)) * len(value)
            elif spec.name in _ADDRESSES:
                _mask_number(out, start, end, whole)
            if spec.name in (*_ADDRESSES, "message_id", "system_id"):
                found.fields[spec.name] = bytes(out[start:end]).decode("latin-1")
    _tlvs(body, out, values, text)


def _redact_address(spec: Field, body: Body, out: bytearray, whole: bool) -> None:
    """A dest_address of a submit_multi, or an unsuccess_sme of its answer."""
    flag = SME_ADDRESS if spec.kind == "unsuccessful" else body.take_int(Field("dest_flag", "int", 1, spec.status))
    if flag == SME_ADDRESS:
        body.take_int(Field("ton and npi", "int", 2, spec.status))
    start = body.position
    value = body.take_text(Field("addr", "text", 21, spec.status))
    if flag == SME_ADDRESS:
        _mask_number(out, start, start + len(value), whole)
    if spec.kind == "unsuccessful":
        body.take_int(Field("error_status_code", "int", 4, spec.status))


def _tlvs(body: Body, out: bytearray, values: dict[str, int], text: str) -> None:
    while body.position < len(out):
        tag = body.take_int(Field("tag", "int", 2, 0))
        length = body.take_int(Field("length", "int", 2, 0))
        start, body.position = body.position, body.position + length
        if body.position > len(out):
            body.position = start
            raise ValueError("a parameter is cut short")
        if tag == MESSAGE_PAYLOAD:
            _mask_text(out, start, body.position, values, text)
        elif tag not in TLVS or tag in _ABOUT_PERSON:
            out[start : body.position] = bytes((STAR,)) * length


def _mask_number(out: bytearray, start: int, end: int, whole: bool) -> None:
    digits = bytes(octet for octet in out[start:end] if 0x30 <= octet <= 0x39).decode()
    if whole or digits.startswith(_PORTS) or len(digits) < 7:
        return
    out[max(start, end - 8) : end - 4] = bytes((STAR,)) * (end - 4 - max(start, end - 8))


def _mask_text(out: bytearray, start: int, end: int, values: dict[str, int], text: str) -> None:
    if values.get("esm_class", 0) & ESM_UDHI and start < end:
        start = min(end, start + 1 + out[start])
    kind = KINDS[values.get("data_coding", 0)]
    if text == HIDDEN or kind not in DECODED:
        _blank(out, start, end, wide=kind == UCS_2)
        return
    quoted = None if kind == UCS_2 else _QUOTED.search(out, start, end)
    if quoted is not None:  # a receipt's own numbers name a message, no person
        start = quoted.end()
    elif text == TEXT:
        return
    if kind == UCS_2:
        for at in range(start, end - 1, 2):
            if chr(out[at] << 8 | out[at + 1]).isdigit():
                out[at : at + 2] = bytes((0, STAR))
    else:
        for at in range(start, end):
            if 0x30 <= out[at] <= 0x39:
                out[at] = STAR


def _blank(out: bytearray, start: int, end: int, *, wide: bool) -> None:
    if wide:
        out[start : end - (end - start) % 2] = bytes((0, STAR)) * ((end - start) // 2)
        start = end - (end - start) % 2
    out[start:end] = bytes((STAR,)) * (end - start)
