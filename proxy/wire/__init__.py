"""wire: bytes ⇄ frames ⇄ events. SMPP 3.4 as tables, a codec that decodes on demand, the state of a connection.

In: bytes as they were read, the time. Out: frames, submits, delivers, bytes to write. Never: sockets, a clock, logs, policy.

    tables   the specification as data         frame    one PDU; Malformed         fields   any body, strictly
    session  one connection's state (asked)    submit   the fast reader of submits (with content, charset, udh, when)
    joined   the text of a long message
    build    PDUs of our own                   deliver  the reader of delivers (with receipt); receipted
    data_sm  as a submit_sm                    multi    submit_multi, taken apart and put together
    asking   query_sm, cancel_sm, replace_sm
    answer   a carrier's response, as it may be passed on              reserved  values that a strict SMSC refuses

Here alone peers are called ESME and SMSC, as the specification does. Requests are read strictly; responses are forgiven, for a
broken one cannot be answered: what can be read of it is used, and passed on as SMPP 3.4 has it.
"""

from proxy.wire.builders import (
    bind,
    data_sm_resp,
    deliver_sm,
    deliver_sm_resp,
    enquire_link,
    response,
    submit_sm,
    submit_sm_resp,
    tlv,
    unbind,
    why,
)
from proxy.wire.charset import encode
from proxy.wire.deliver import Deliver, read_deliver, receipt_addresses
from proxy.wire.fields import read_fields
from proxy.wire.frame import Frame, Malformed, renumbered
from proxy.wire.joined_text import joined
from proxy.wire.receipt import Receipt, read_receipt, receipt_text
from proxy.wire.session import BindRequest, Received, Session, Timers
from proxy.wire.submit import ContentCache, Submit, content_again, read_submit, source_of
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
    "content_again",
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
    "receipt_addresses",
    "source_of",
    "receipt_text",
    "renumbered",
    "response",
    "status_name",
    "submit_sm",
    "submit_sm_resp",
    "tlv",
    "unbind",
    "why",
]
