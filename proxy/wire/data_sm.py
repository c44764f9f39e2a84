"""Reads a data_sm as a submit (SMPP 3.4 §4.7).

In: a Frame. Out: a Submit, or Malformed with the status SMPP 3.4 asks for. Never: policy, the owner of a port. The text is the
message_payload; parts of a long message are marked by ``sar_*`` or a user data header, as in a submit_sm.
"""

from __future__ import annotations

from hashlib import blake2b

from proxy.model.message import Content
from proxy.wire.content import content_of, octets_after_header
from proxy.wire.fields import read_fields
from proxy.wire.frame import Frame
from proxy.wire.reserved_values import fields_fault, text_fault, with_fault
from proxy.wire.submit import ContentCache, Submit
from proxy.wire.tables import MESSAGE_PAYLOAD


def read_data_sm(frame: Frame, cache: ContentCache, now: float) -> Submit:
    """Reads a data_sm. ``cache`` and ``now`` are not used: a data_sm has no schedule, and is too rare for a cache. Raises Malformed."""
    fields = read_fields(frame)
    data = frame.data
    source_end = data.index(0, data.index(0, 16) + 3)
    destination_end = data.index(0, source_end + 3)
    tlvs = fields["tlvs"]
    octets = dict(tlvs).get(MESSAGE_PAYLOAD, b"")
    text, state, part, extra = content_of(octets, fields["esm_class"], fields["data_coding"], tlvs)
    digest = blake2b(data[destination_end + 1 :], digest_size=16, person=b"data_sm").digest()
    behind = None if part is None else octets_after_header(octets, fields["esm_class"], fields["data_coding"], extra)
    fault = fields_fault(fields) or text_fault(octets, fields["esm_class"], dict(tlvs))
    content = with_fault(Content(text, state, digest, part, None, extra, behind), fault)
    return Submit(data[16 : source_end + 1], fields["destination_addr"], content)
