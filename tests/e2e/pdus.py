"""SMPP bytes as the specification lays them out, written and read with struct alone.

In: field values, bytes of a stream. Out: whole PDUs, or their fields. Never: the gate's own codec: a witness must not testify for itself.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import NamedTuple

BIND_RECEIVER, BIND_TRANSMITTER, BIND_TRANSCEIVER = 0x01, 0x02, 0x09
QUERY_SM, SUBMIT_SM, DELIVER_SM, UNBIND, REPLACE_SM, CANCEL_SM = 0x03, 0x04, 0x05, 0x06, 0x07, 0x08
OUTBIND, ENQUIRE_LINK, SUBMIT_MULTI, ALERT_NOTIFICATION, DATA_SM = 0x0B, 0x15, 0x21, 0x102, 0x103
RESPONSE = GENERIC_NACK = 0x80000000
BINDS = (BIND_RECEIVER, BIND_TRANSMITTER, BIND_TRANSCEIVER)

ESME_ROK, ESME_RINVMSGLEN, ESME_RINVCMDLEN, ESME_RINVCMDID, ESME_RINVBNDSTS, ESME_RALYBND = 0, 1, 2, 3, 4, 5
ESME_RSYSERR, ESME_RINVSRCADR, ESME_RINVDSTADR, ESME_RBINDFAIL, ESME_RINVPASWD, ESME_RINVSYSID = (
    0x08,
    0x0A,
    0x0B,
    0x0D,
    0x0E,
    0x0F,
)
ESME_RCANCELFAIL, ESME_RREPLACEFAIL, ESME_RQUERYFAIL = 0x11, 0x13, 0x67
ESME_RMSGQFUL, ESME_RINVSERTYP, ESME_RSUBMITFAIL, ESME_RTHROTTLED = 0x14, 0x15, 0x45, 0x58
ESME_RINVSCHED, ESME_RINVEXPIRY, ESME_RINVOPTPARSTREAM, ESME_ROPTPARNOTALLWD, ESME_RINVPARLEN = 0x61, 0x62, 0xC0, 0xC1, 0xC2

SAR_SEGMENT_SEQNUM = 0x020F
USER_MESSAGE_REFERENCE, RECEIPTED_MESSAGE_ID, MESSAGE_PAYLOAD, MESSAGE_STATE = 0x0204, 0x001E, 0x0424, 0x0427


class Pdu(NamedTuple):
    """A whole PDU with its header read."""

    command: int
    status: int
    sequence: int
    data: bytes

    @property
    def body(self) -> bytes:
        return self.data[16:]

    @property
    def but_sequence(self) -> bytes:
        """All bytes but the four that a relay must change."""
        return self.data[:12] + self.data[16:]


class Submit(NamedTuple):
    """The fields of a submit_sm or deliver_sm that the tests look at."""

    source: str
    destination: str
    esm_class: int
    data_coding: int
    registered_delivery: int
    short_message: bytes
    tlvs: dict[int, bytes]


def split(data: bytearray) -> list[Pdu]:
    """Takes the whole PDUs off the front of ``data``."""
    found = []
    while len(data) >= 16:
        length, command, status, sequence = struct.unpack_from(">IIII", data)
        if length < 16 or len(data) < length:
            break
        found.append(Pdu(command, status, sequence, bytes(data[:length])))
        del data[:length]
    return found


def pdu(command: int, sequence: int, body: bytes = b"", status: int = 0, length: int | None = None) -> bytes:
    """A PDU; ``length`` lies about its command_length."""
    return struct.pack(">IIII", 16 + len(body) if length is None else length, command, status, sequence) + body


def tlv(tag: int, value: bytes, length: int | None = None) -> bytes:
    """An optional parameter; ``length`` lies about it."""
    return struct.pack(">HH", tag, len(value) if length is None else length) + value


def bind(command: int, sequence: int, system_id: str, password: str, *, version: int = 0x34) -> bytes:
    body = system_id.encode() + b"\0" + password.encode() + b"\0" + b"\0" + bytes((version, 0, 0)) + b"\0"
    return pdu(command, sequence, body)


def message(
    source: bytes,
    destination: bytes,
    text: bytes = b"hello",
    *,
    service_type: bytes = b"",
    esm_class: int = 0,
    schedule: bytes = b"",
    validity: bytes = b"",
    registered: int = 0,
    data_coding: int = 0,
    sm_length: int | None = None,
    tail: bytes = b"",
) -> bytes:
    """The body of a submit_sm or deliver_sm; ``sm_length`` lies about the text, ``tail`` follows it."""
    return (
        service_type
        + b"\0\x01\x01"
        + source
        + b"\0\x01\x01"
        + destination
        + b"\0"
        + bytes((esm_class, 0, 0))
        + schedule
        + b"\0"
        + validity
        + b"\0"
        + bytes((registered, 0, data_coding, 0, len(text) if sm_length is None else sm_length))
        + text
        + tail
    )


def read_message(data: bytes) -> Submit:
    """The fields of a submit_sm or deliver_sm that is as it should be."""
    rest = data[16:]

    def text() -> str:
        nonlocal rest
        value, rest = rest.split(b"\0", 1)
        return value.decode("latin-1")

    def octets(count: int) -> bytes:
        nonlocal rest
        assert len(rest) >= count, data.hex()
        value, rest = rest[:count], rest[count:]
        return value

    text()
    octets(2)
    source = text()
    octets(2)
    destination = text()
    esm_class = octets(3)[0]
    text()
    text()
    registered, _, data_coding, _, length = octets(5)
    short_message = octets(length)
    tlvs = {}
    while rest:
        tag, size = struct.unpack(">HH", octets(4))
        tlvs[tag] = octets(size)
    return Submit(source, destination, esm_class, data_coding, registered, short_message, tlvs)


def message_id(answer: Pdu) -> str:
    """The id in a submit_sm_resp."""
    return answer.body.split(b"\0", 1)[0].decode()


def of(pdus: Iterable[Pdu], command: int) -> list[Pdu]:
    return [found for found in pdus if found.command == command]
