"""Implements SMPP 3.4 without sockets: tables, codec, session state.

In: bytes as they were read, the time. Out: frames, submits, delivers, bytes to write. Never: sockets, a clock, logs, policy.

    tables          the specification as data             frame            one PDU; Malformed
    fields          any body, and times, read strictly    builders         PDUs of our own
    session         the state of one connection           outstanding      requests that await a response
    submit          submit_sm (the fast reader), data_sm  deliver          the reader of deliver_sm
    content         text, header and TLVs of a submit     charset          octets ⇄ text
    udh             the user data header                  multi            submit_multi, split and narrowed
    joined_text     the text of a multipart message       reserved_values  values that a strict SMSC refuses
    message_queries query_sm, cancel_sm, replace_sm       carrier_answer   a carrier's response, made valid
    receipt         the text of a receipt                 receipt_ids      the ids in a receipt, replaced
    redaction       a PDU without personal data

Only this package calls peers ESME and SMSC, as the specification does. Requests are read strictly. Responses are read leniently,
because a broken response cannot be answered: its readable fields are used, and it is passed on in the form that SMPP 3.4
prescribes.
"""

from proxy.wire.builders import (
    bind,
    data_sm_resp,
    deliver_sm,
    deliver_sm_resp,
    enquire_link,
    refusal_body,
    response,
    submit_sm,
    submit_sm_resp,
    tlv,
    unbind,
)
from proxy.wire.charset import encode
from proxy.wire.deliver import Deliver, read_deliver
from proxy.wire.fields import read_fields
from proxy.wire.frame import Frame, Malformed, renumbered
from proxy.wire.joined_text import joined
from proxy.wire.receipt import Receipt, read_receipt, receipt_text
from proxy.wire.session import BindRequest, Received, Session, Timers
from proxy.wire.submit import ContentCache, Submit, read_submit, reread_content, source_of
from proxy.wire.tables import status_name

__all__ = [
    "BindRequest",
    "Deliver",
    "Frame",
    "Malformed",
    "ContentCache",
    "Receipt",
    "Received",
    "Session",
    "Submit",
    "Timers",
    "bind",
    "reread_content",
    "data_sm_resp",
    "deliver_sm",
    "deliver_sm_resp",
    "encode",
    "enquire_link",
    "joined",
    "read_deliver",
    "read_fields",
    "read_receipt",
    "read_submit",
    "source_of",
    "receipt_text",
    "renumbered",
    "response",
    "status_name",
    "submit_sm",
    "submit_sm_resp",
    "tlv",
    "unbind",
    "refusal_body",
]
