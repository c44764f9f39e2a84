"""Reads submit_sm and data_sm: source, destination and content.

In: a Frame, a ContentCache. Out: a Submit, or Malformed with the status SMPP 3.4 asks for. Never: policy, the owner of a port.

Most advertisements are the same octets to many recipients. Therefore the content is cached by all octets after the destination,
from their second appearance on; a hit costs one dictionary look-up, however much there was to check.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from hashlib import blake2b
from typing import NamedTuple

from proxy.model.message import Content
from proxy.model.number import masked_repr
from proxy.model.recency_filter import RecencyFilter
from proxy.native.loader import compiled
from proxy.wire.content import content_of, octets_after_header, read_content
from proxy.wire.fields import read_fields
from proxy.wire.frame import Frame, Malformed
from proxy.wire.reserved_values import destination_fault, fields_fault, text_fault, with_fault
from proxy.wire.tables import ESM_UDHI, ESME_RINVCMDLEN, MESSAGE_PAYLOAD

CACHE_ENTRIES_MAX = 8192
"""Entries of one generation; two generations with the longest keys stay below some 50 MB."""
CACHE_KEY_BYTES_MAX = 1024
"""Longer tails (message_payload) are read each time: they are rare and would let the sender choose the cache's size."""


class ContentCache:
    """Contents by the octets they were read from. It has two generations, so that used entries survive, and stores an entry only at its second
    appearance."""

    __slots__ = ("young", "old", "twice")

    def __init__(self) -> None:
        self.young: dict[bytes, Content] = {}
        self.old: dict[bytes, Content] = {}
        self.twice = RecencyFilter()

    def add(self, key: bytes, content: Content) -> None:
        if len(self.young) >= CACHE_ENTRIES_MAX:
            self.old, self.young = self.young, {}
        self.young[key] = content


@masked_repr
class Submit(NamedTuple):
    head: bytes
    """The octets from service_type up to the NUL of source_addr: equal heads mean the same source."""
    destination: bytes
    """As written; see number.recipient_of."""
    content: Content

    @property
    def source(self) -> str:
        """The source address as written."""
        return source_of(self.head)


_submit: Callable[[tuple[bytes, bytes, Content]], Submit] = partial(tuple.__new__, Submit)
"""Makes a Submit of its three fields at a third of the cost of its ``__new__``: one is made for every message."""


def source_of(head: bytes) -> str:
    """The source_addr of a head: read once per source, not once per message."""
    return head[head.index(0) + 3 : -1].decode("latin-1")


def read_submit(frame: Frame, cache: ContentCache, now: float) -> Submit:
    """Reads a submit_sm. ``now`` serves a relative schedule_delivery_time. Raises Malformed."""
    data = frame.data
    service_end = data.find(0, 16, 22)
    source_end = data.find(0, service_end + 3, service_end + 24)
    end = data.find(0, source_end + 3, source_end + 24)
    if service_end < 0 or source_end < 0 or end < 0:
        raise _address_fault(frame)
    tail = data[end + 1 :]
    content = cache.young.get(tail)
    if content is None:
        content = _read_uncached(tail, cache, now)
    if data[source_end + 1] > 1 or data[source_end + 2] > 1:  # the kind of the destination; of the source: Access.sender
        content = with_fault(content, destination_fault(data[source_end + 1], data[source_end + 2]))
    return _submit((data[16 : source_end + 1], data[source_end + 3 : end], content))


def reread_content(data: bytes, cache: ContentCache, now: float, digest: bytes) -> Content:
    """The content of a submit_sm that was read before; ``digest``: that of its message, or of the multipart message it belongs to. Raises
    Malformed."""
    service_end = data.find(0, 16, 22)
    source_end = data.find(0, service_end + 3, service_end + 24)
    end = data.find(0, source_end + 3, source_end + 24)
    if service_end < 0 or source_end < 0 or end < 0:
        raise _address_fault(Frame.of(data))
    tail = data[end + 1 :]
    return cache.young.get(tail) or _read_uncached(tail, cache, now, digest)


def data_coding_of(data: bytes) -> int | None:
    """The data_coding of a submit_sm that was read before; None if its text has a user data header."""
    source_end = data.index(0, data.index(0, 16) + 3)
    end = data.index(0, source_end + 3)
    if data[end + 1] & ESM_UDHI:
        return None
    validity = data.index(0, end + 4) + 1
    return data[data.index(0, validity) + 3]


@compiled("submit_read_uncached")
def _read_uncached(tail: bytes, cache: ContentCache, now: float, digest: bytes = b"") -> Content:
    """The content of a tail that the young generation does not have."""
    content = cache.old.get(tail)
    if content is not None:
        cache.add(tail, content)
        return content
    content, lasting = read_content(tail, now, digest)
    if lasting and len(tail) <= CACHE_KEY_BYTES_MAX and cache.twice.comes(int.from_bytes(content.digest[:8], "big")):
        cache.add(tail, content)
    return content


def _address_fault(frame: Frame) -> Malformed:
    """The fault of a submit whose addresses could not be found, as the tables define it."""
    try:
        read_fields(frame)
    except Malformed as fault:
        return fault
    return Malformed(ESME_RINVCMDLEN, "length", "the addresses cannot be read")  # not reached: the tables are as strict


def read_data_sm(frame: Frame, cache: ContentCache, now: float) -> Submit:
    """Reads a data_sm as a submit (SMPP 3.4 §4.7). The text is the message_payload; ``sar_*`` or a user data header mark parts of a long
    message, as in a submit_sm. ``cache`` and ``now`` are not used: a data_sm has no schedule, and is too rare for a cache. Raises Malformed."""
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
