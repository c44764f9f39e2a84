"""Makes a carrier's response valid under SMPP 3.4.

In: a response to one of our requests. Out: the same frame where it is valid, else a valid one, and what was wrong. Never: the
meaning of an id; an id that is too long (relay/message_ids.py replaces it).

    what is wrong                                         what is passed on instead
    a body beside a status that says no                   the status alone
    a message_id without its NUL, or none                 the same id with its NUL
    optional parameters cut short, repeated, or too many  the message_id alone
    addresses of a submit_multi_resp cut short            those that can be read
    a query_sm_resp that cannot be read                   ESME_RQUERYFAIL
    a body where none may be (cancel, replace)            none
"""

from __future__ import annotations

from typing import NamedTuple

import cython

from proxy.native.octet_runs import find_zero
from proxy.wire.fields import Body, read_fields, read_unsuccessful
from proxy.wire.frame import Frame, Malformed, read_tlvs
from proxy.wire.tables import (
    COMMANDS,
    DATA_SM_RESP,
    ESME_RQUERYFAIL,
    GENERIC_NACK,
    HEADER_BYTES,
    MESSAGE_ID_MAX,
    QUERY_SM,
    RESPONSE,
    SUBMIT_MULTI,
    SUBMIT_SM_RESP,
)

_SUBMIT_SM_RESP = cython.declare(cython.uint, SUBMIT_SM_RESP)
_HEADER_BYTES = cython.declare(cython.Py_ssize_t, HEADER_BYTES)
_MESSAGE_ID_BYTES_MAX = cython.declare(cython.Py_ssize_t, MESSAGE_ID_MAX + 1)  # with its NUL
TLVS_BYTES_MAX = 1024
"""Octets of optional parameters in a response: those of the specification need about 300."""
QUERY_SM_RESP, SUBMIT_MULTI_RESP = QUERY_SM | RESPONSE, SUBMIT_MULTI | RESPONSE


class ValidResponse(NamedTuple):
    """A valid response. ``kind``: the fault of the original, one of tables.BAD_KINDS; empty if it was valid."""

    frame: Frame
    kind: str
    what: str


@cython.ccall
def is_valid_submit_resp(frame: Frame) -> cython.bint:
    """A quick check for valid responses: a submit_sm_resp with an id and nothing else, or a status alone."""
    if frame.command_id != _SUBMIT_SM_RESP:
        return False
    end: cython.Py_ssize_t = len(frame.data)
    size: cython.Py_ssize_t = end - _HEADER_BYTES
    first_nul: cython.Py_ssize_t = find_zero(frame.data, _HEADER_BYTES, end)
    if frame.command_status:
        return size == 0 or (size == 1 and first_nul == _HEADER_BYTES)
    return 0 < size <= _MESSAGE_ID_BYTES_MAX and first_nul == end - 1


def is_neutral_nack(frame: Frame) -> bool:
    """Whether it is a generic_nack with status 0: neither success nor failure."""
    return frame.command_id == GENERIC_NACK and not frame.command_status


def make_valid(frame: Frame, *, tlvs: bool = True) -> ValidResponse:
    """The response in valid form. ``tlvs``: whether the receiving provider supports optional parameters (§3.1)."""
    body, kind, what, status = frame.body, "", "", frame.command_status
    try:
        read_fields(frame)
        if len(body) > TLVS_BYTES_MAX and COMMANDS[frame.command_id].tlvs:
            raise Malformed(0, "tlv", f"an answer of {len(body)} octets")
    except Malformed as fault:
        kind, what = fault.kind, fault.what
        body, status = _replacement(frame)
    if not tlvs and frame.command_id in (SUBMIT_SM_RESP, DATA_SM_RESP):
        body = body[: body.find(0) + 1]
    if body == frame.body and status == frame.command_status:
        return ValidResponse(frame, kind, what)
    head = (HEADER_BYTES + len(body)).to_bytes(4, "big") + frame.data[4:8] + status.to_bytes(4, "big") + frame.data[12:16]
    return ValidResponse(Frame(frame.command_id, status, frame.sequence_number, head + body), kind, what)


def _replacement(frame: Frame) -> tuple[bytes, int]:
    """The body and status that replace a response that cannot be read."""
    status, command_id = frame.command_status, frame.command_id
    if status:
        return b"", status
    if command_id == QUERY_SM_RESP:
        return b"", ESME_RQUERYFAIL
    if command_id not in (SUBMIT_SM_RESP, DATA_SM_RESP, SUBMIT_MULTI_RESP):
        return b"", status
    own, nul, rest = frame.body.partition(b"\0")
    message_id = own + b"\0"
    if command_id == SUBMIT_MULTI_RESP:
        return message_id + _readable_addresses(rest), status
    try:
        whole = nul and len(rest) <= TLVS_BYTES_MAX and read_tlvs(rest, 0)
    except Malformed:
        whole = False
    return message_id + rest if whole else message_id, status


def _readable_addresses(rest: bytes) -> bytes:
    """no_unsuccess and unsuccess_sme (§4.5.2), as far as they can be read."""
    body, end, many = Body(rest, 1), 1, 0
    while many < (rest[0] if rest else 0):
        try:
            read_unsuccessful(body)
        except Malformed:
            break
        end, many = body.position, many + 1
    return bytes((many,)) + rest[1:end]
