"""Builds and reads the simulators' SMPP PDUs.

Written apart from proxy/wire on purpose: an error there is not repeated here and shows in the reconciliation. Nothing is strict: a simulated
carrier takes what it gets and logs it. Sections cited are of SMPP 3.4.
"""

import struct
from typing import NamedTuple

BIND_RECEIVER, BIND_TRANSMITTER, BIND_TRANSCEIVER = 0x01, 0x02, 0x09
SUBMIT_SM, DELIVER_SM, UNBIND, ENQUIRE_LINK = 0x04, 0x05, 0x06, 0x15
RESPONSE = 0x8000_0000
GENERIC_NACK = 0x8000_0000
SUBMIT_SM_RESP, DELIVER_SM_RESP = SUBMIT_SM | RESPONSE, DELIVER_SM | RESPONSE
BINDS = {"transmitter": BIND_TRANSMITTER, "receiver": BIND_RECEIVER, "transceiver": BIND_TRANSCEIVER}

HEADER = struct.Struct(">IIII")
UCS2, LATIN, BINARY, GSM = 8, 3, 4, 0
UDHI = 0x40  # esm_class: short_message begins with a user data header (§5.2.12)
RECEIPT = 0x04  # esm_class of a deliver_sm that is a delivery receipt (§5.2.12)
MESSAGE_PAYLOAD = 0x0424
PDU_BYTES_MAX = 70_000  # a message_payload of 64 KiB and its fields


class Sms(NamedTuple):
    """What a simulator wants to know of a submit_sm or deliver_sm."""

    source: str
    destination: str
    esm_class: int
    schedule: str
    registered: int
    data_coding: int
    body: bytes  # short_message as it stands, user data header included

    @property
    def text(self) -> str:
        """The text of an unpacked body; empty if it is neither UCS-2 nor Latin."""
        body = self.body
        if self.esm_class & UDHI and body:
            body = body[1 + body[0] :]
        return body.decode("utf-16-be", "replace") if self.data_coding == UCS2 else body.decode("latin-1")


def pdu(command: int, status: int, sequence: int, body: bytes = b"") -> bytes:
    return HEADER.pack(16 + len(body), command, status, sequence) + body


def head(source: str) -> bytes:
    """service_type, source and the destination's type and plan: what stands before the destination_addr (§4.4.1)."""
    return b"\0\0\1" + source.encode() + b"\0\1\1"


def tail(body: bytes, data_coding: int = UCS2, esm_class: int = 0, schedule: str = "", registered: int = 0) -> bytes:
    """All that stands after the destination_addr and its NUL, up to the end of the mandatory fields (§4.4.1)."""
    if len(body) > 254:
        raise ValueError(f"short_message holds 254 octets at most, not {len(body)}: split the text")
    fields = bytes((esm_class, 0, 0)) + schedule.encode() + b"\0\0" + bytes((registered, 0, data_coding, 0, len(body)))
    return fields + body


def submit_sm(
    source: str,
    destination: str,
    body: bytes,
    *,
    data_coding: int = UCS2,
    esm_class: int = 0,
    schedule: str = "",
    registered: int = 0,
    sequence: int = 0,
    tlvs: bytes = b"",
) -> bytes:
    fields = head(source) + destination.encode() + b"\0" + tail(body, data_coding, esm_class, schedule, registered) + tlvs
    return pdu(SUBMIT_SM, 0, sequence, fields)


def deliver_sm(
    source: str, destination: str, body: bytes, *, data_coding: int = UCS2, esm_class: int = 0, sequence: int = 0
) -> bytes:
    fields = head(source) + destination.encode() + b"\0" + tail(body, data_coding, esm_class)
    return pdu(DELIVER_SM, 0, sequence, fields)


def receipt(sms: Sms, message_id: str, state: str, when: str, sequence: int) -> bytes:
    """A delivery receipt for a submit, with the text of §Appendix B."""
    count = "001" if state == "DELIVRD" else "000"
    text = f"id:{message_id} sub:001 dlvrd:{count} submit date:{when} done date:{when} stat:{state} err:000 text:"
    return deliver_sm(sms.destination, sms.source, text.encode(), data_coding=GSM, esm_class=RECEIPT, sequence=sequence)


def bind(kind: str, system_id: str, password: str, sequence: int = 1) -> bytes:
    """bind_transmitter, bind_receiver or bind_transceiver (§4.1); ``kind`` as in the settings."""
    body = system_id.encode() + b"\0" + password.encode() + b"\0\0" + bytes((0x34, 0, 0)) + b"\0"
    return pdu(BINDS[kind], 0, sequence, body)


def split(data: bytes) -> tuple[list[bytes], bytes]:
    """Whole PDUs and the rest; ValueError when no framing can be found any more."""
    whole: list[bytes] = []
    place, end = 0, len(data)
    while place + 4 <= end:
        length = int.from_bytes(data[place : place + 4], "big")
        if not 16 <= length <= PDU_BYTES_MAX:
            raise ValueError(f"command_length {length} at byte {place}: framing is lost")
        if place + length > end:
            break
        whole.append(data[place : place + length])
        place += length
    return whole, data[place:]


def read(data: bytes) -> Sms:
    """The fields of a submit_sm or deliver_sm; ValueError or IndexError when they cannot be found."""
    place = data.index(b"\0", 16) + 3
    end = data.index(b"\0", place)
    source = data[place:end].decode("latin-1")
    place = end + 3
    end = data.index(b"\0", place)
    destination = data[place:end].decode("latin-1")
    esm_class = data[end + 1]
    place = end + 4
    end = data.index(b"\0", place)
    schedule = data[place:end].decode("latin-1")
    place = data.index(b"\0", end + 1) + 1
    registered, _, data_coding, _, length = data[place : place + 5]
    return Sms(source, destination, esm_class, schedule, registered, data_coding, data[place + 5 : place + 5 + length])
