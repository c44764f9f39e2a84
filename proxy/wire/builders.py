"""Builds PDUs as bytes.

The gate builds responses with it; links, simulators and tests build requests.

In: values. Out: one whole PDU. Never: a received PDU (relayed PDUs keep the peer's own bytes, see frame.renumbered). Requests
have sequence number 0 until Session.send numbers them.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

import cython

from proxy.native.octet_runs import find_zero
from proxy.native.octets import pack_pdu
from proxy.wire.tables import (
    ADDITIONAL_STATUS_INFO_TEXT,
    BIND_RECEIVER,
    BIND_TRANSCEIVER,
    BIND_TRANSMITTER,
    DATA_SM,
    DELIVER_SM,
    DELIVER_SM_RESP,
    ENQUIRE_LINK,
    HEADER_BYTES,
    RESPONSE,
    SUBMIT_SM,
    SUBMIT_SM_RESP,
    UNBIND,
    VERSION_34,
)

_DELIVER_SM_RESP = cython.declare(cython.uint, DELIVER_SM_RESP)
_SUBMIT_SM_RESP = cython.declare(cython.uint, SUBMIT_SM_RESP)
_HEADER_BYTES = cython.declare(cython.Py_ssize_t, HEADER_BYTES)

BIND_KINDS = {"receiver": BIND_RECEIVER, "transmitter": BIND_TRANSMITTER, "transceiver": BIND_TRANSCEIVER}


def pdu(command_id: int, status: int, sequence: int, body: bytes = b"") -> bytes:
    """One PDU: header (§3.2) and body."""
    return pack_pdu(command_id, status, sequence, body)


def response(command_id: int, status: int, sequence: int, body: bytes = b"") -> bytes:
    """The response to a command (generic_nack has a response's id already)."""
    return pack_pdu(command_id | RESPONSE, status, sequence, body)


@cython.ccall
def submit_sm_resp(sequence: cython.uint, status: cython.uint, message_id: bytes = b"") -> bytes:
    """``message_id`` without its NUL, or a carrier's whole body, which contains its NUL. §4.4.2: a failed response has no body, unless one is
    given."""
    if 0 not in message_id and (message_id or not status):
        message_id += b"\0"
    return pack_pdu(_SUBMIT_SM_RESP, status, sequence, message_id)


@cython.ccall
def relayed_resp(sequence: cython.uint, status: cython.uint, answer: bytes) -> bytes:
    """``submit_sm_resp`` with the body of a carrier's answer, a whole PDU."""
    if find_zero(answer, _HEADER_BYTES, len(answer)) < 0:
        return submit_sm_resp(sequence, status, answer[_HEADER_BYTES:])
    return pack_pdu(_SUBMIT_SM_RESP, status, sequence, answer, _HEADER_BYTES)


def refusal_body(text: str) -> bytes:
    """The body of a refusal with its reason: an empty message_id, then additional_status_info_text (§5.3.2.11: ASCII, with its NUL)."""
    return b"\0" + tlv(ADDITIONAL_STATUS_INFO_TEXT, text.encode("ascii", "replace")[:255] + b"\0")


def data_sm_resp(sequence: int, status: int, message_id: bytes = b"") -> bytes:
    """§4.7.2, as ``submit_sm_resp``."""
    return response(DATA_SM, status, sequence, submit_sm_resp(sequence, status, message_id)[16:])


@cython.ccall
def deliver_sm_resp(sequence: cython.uint, status: cython.uint) -> bytes:
    """§4.6.2: message_id is there and empty."""
    return pack_pdu(_DELIVER_SM_RESP, status, sequence, b"\0")


def tlv(tag: int, value: bytes) -> bytes:
    """One optional parameter (§5.3)."""
    return struct.pack(">HH", tag, len(value)) + value


def submit_sm(
    source: str,
    destination: str,
    message: bytes,
    *,
    data_coding: int = 0,
    esm_class: int = 0,
    service_type: str = "",
    source_ton: int = 0,
    source_npi: int = 1,
    dest_ton: int = 1,
    dest_npi: int = 1,
    protocol_id: int = 0,
    priority: int = 0,
    schedule: str = "",
    validity: str = "",
    registered_delivery: int = 1,
    default_msg_id: int = 0,
    tlvs: Iterable[tuple[int, bytes]] = (),
    sequence: int = 0,
    command_id: int = SUBMIT_SM,
) -> bytes:
    """§4.4.1. ``message`` is already encoded (see charset.encode) and at most 254 octets."""
    if len(message) > 254:
        raise ValueError(f"short_message of {len(message)} octets: 254 is the most, put it in message_payload")
    body = b"".join(
        (
            service_type.encode("ascii"),
            bytes((0, source_ton, source_npi)),
            source.encode("latin-1"),
            bytes((0, dest_ton, dest_npi)),
            destination.encode("latin-1"),
            bytes((0, esm_class, protocol_id, priority)),
            schedule.encode("ascii"),
            b"\0",
            validity.encode("ascii"),
            bytes((0, registered_delivery, 0, data_coding, default_msg_id, len(message))),
            message,
            *(tlv(tag, value) for tag, value in tlvs),
        )
    )
    return pdu(command_id, 0, sequence, body)


def deliver_sm(
    source: str,
    destination: str,
    message: bytes,
    *,
    data_coding: int = 0,
    esm_class: int = 0,
    tlvs: Iterable[tuple[int, bytes]] = (),
    sequence: int = 0,
) -> bytes:
    """§4.6.1: a reply (``esm_class`` 0) or a receipt (4)."""
    return submit_sm(
        source,
        destination,
        message,
        data_coding=data_coding,
        esm_class=esm_class,
        source_ton=1,
        dest_ton=0,
        registered_delivery=0,
        tlvs=tlvs,
        sequence=sequence,
        command_id=DELIVER_SM,
    )


def bind(
    kind: str,
    system_id: str,
    password: str,
    *,
    system_type: str = "",
    interface_version: int = VERSION_34,
    address_range: str = "",
    sequence: int = 0,
) -> bytes:
    """§4.1: ``kind`` is receiver, transmitter or transceiver."""
    texts = (system_id, 15, "system_id"), (password, 8, "password"), (system_type, 12, "system_type")
    for text, most, name in texts:
        if len(text) > most:
            raise ValueError(f"{name} of {len(text)} characters: SMPP 3.4 has room for {most}")
    body = b"\0".join(text.encode("latin-1") for text, _, _ in texts) + bytes((0, interface_version, 0, 0))
    return pdu(BIND_KINDS[kind], 0, sequence, body + address_range.encode("ascii") + b"\0")


def enquire_link(sequence: int = 0) -> bytes:
    """§4.11.1"""
    return pdu(ENQUIRE_LINK, 0, sequence)


def unbind(sequence: int = 0) -> bytes:
    """§4.2.1"""
    return pdu(UNBIND, 0, sequence)
