"""Reads query_sm, cancel_sm and replace_sm (SMPP 3.4 §4.8 to §4.10).

In: a Frame. Out: a QueriedMessage, the same PDU under another message id, the answer under the id of the request; or Malformed.
Never: the owner of the message, the carrier that has it.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import NamedTuple

from proxy.model.message import Content
from proxy.model.number import masked_repr
from proxy.wire import builders
from proxy.wire.charset import EMPTY, UNREADABLE
from proxy.wire.content import content_of
from proxy.wire.fields import read_fields, read_time
from proxy.wire.frame import Frame, Malformed
from proxy.wire.reserved_values import ReservedFault, fields_fault
from proxy.wire.tables import CANCEL_SM, ESME_RINVMSGID, ESME_RINVSCHED, HEADER_BYTES, QUERY_SM, REPLACE_SM, RESPONSE


@masked_repr
class QueriedMessage(NamedTuple):
    command_id: int
    message_id: bytes
    """Empty only in a cancel_sm, which then names the messages by source and destination (§4.9.1)."""
    head: bytes
    """ton, npi and source in the form of a submit_sm's head without a service_type: see submit.source_of."""
    source: str
    destination: bytes
    """The destination of a cancel_sm, else empty."""
    fault: ReservedFault | None = None
    """The reserved value for which a strict SMSC would refuse it."""


def read_message_query(frame: Frame) -> QueriedMessage:
    """Reads a query_sm, cancel_sm or replace_sm. Raises Malformed."""
    fields = read_fields(frame)
    message_id, source = fields["message_id"], fields["source_addr"]
    if not message_id and frame.command_id != CANCEL_SM:
        raise Malformed(ESME_RINVMSGID, "field", "message_id is empty")
    head = bytes((0, fields["source_addr_ton"], fields["source_addr_npi"])) + source + b"\0"
    return QueriedMessage(
        frame.command_id, message_id, head, source.decode("latin-1"), fields.get("destination_addr", b""), fields_fault(fields)
    )


def with_message_id(frame: Frame, message_id: bytes) -> bytes:
    """The same PDU with the carrier's message id: byte for byte except the id and the length."""
    data = frame.data
    start = data.index(0, HEADER_BYTES) + 1 if frame.command_id == CANCEL_SM else HEADER_BYTES
    rest = data[data.index(0, start) :]
    return builders.pdu(
        frame.command_id, frame.command_status, frame.sequence_number, data[HEADER_BYTES:start] + message_id + rest
    )


def answer_body(frame: Frame, carrier_id: bytes, requested_id: bytes) -> bytes:
    """The body of a carrier's response, unchanged except that a query_sm_resp has the message id of the provider's request."""
    body = frame.data[HEADER_BYTES:]
    if frame.command_id == QUERY_SM | RESPONSE and carrier_id != requested_id and body.startswith(carrier_id + b"\0"):
        return requested_id + body[len(carrier_id) :]
    return body


def replacement(frame: Frame, data_coding: int, now: float, scheduled: float | None = None) -> Content:
    """The content after the replacement. A replace_sm has no data_coding: that of the message applies, and so does its ``scheduled`` time if
    the replace_sm has none (§4.10.1). Raises Malformed."""
    assert frame.command_id == REPLACE_SM
    fields = read_fields(frame)
    text, state, _, _ = content_of(fields["short_message"], 0, data_coding, [])
    if state == EMPTY and fields["sm_default_msg_id"]:
        state = UNREADABLE  # the carrier's own canned text, which we do not know
    if schedule := fields["schedule_delivery_time"]:
        try:
            scheduled = read_time(schedule).at(now)
        except ValueError as error:
            raise Malformed(ESME_RINVSCHED, "field", f"schedule_delivery_time: {error}") from None
    digest = blake2b(frame.data[HEADER_BYTES:], digest_size=16, person=b"replace_sm").digest()
    return Content(text, state, digest, None, scheduled)
