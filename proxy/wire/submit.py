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

import cython

from proxy.model.message import Content
from proxy.model.number import masked_repr
from proxy.model.octet_cache import OctetCache
from proxy.model.recency_filter import RecencyFilter
from proxy.native.octet_runs import hash_run, u64_in
from proxy.wire.content import content_of, octets_after_header, plain_content, read_content
from proxy.wire.fields import read_fields
from proxy.wire.frame import Frame, Malformed
from proxy.wire.reserved_values import destination_fault, fields_fault, text_fault, with_fault
from proxy.wire.tables import ESM_UDHI, ESME_RINVCMDLEN, MESSAGE_PAYLOAD

CACHE_ENTRIES_MAX = 16_384
"""With the longest keys these stay below some 50 MB."""
CACHE_KEY_BYTES_MAX = 1024
"""Longer tails (message_payload) are read each time: they are rare and would let the sender choose the cache's size."""
_KEY_BYTES_MAX = cython.declare(cython.Py_ssize_t, CACHE_KEY_BYTES_MAX)


@cython.final
@cython.cclass
class ContentCache(OctetCache):
    """Contents by the octets behind the destination, from their second appearance on."""

    twice: RecencyFilter

    def __init__(self) -> None:
        OctetCache.__init__(self, CACHE_ENTRIES_MAX)
        self.twice = RecencyFilter()

    @cython.ccall
    def read(self, data: bytes, begin: cython.Py_ssize_t, hashed: cython.ulonglong, now: float, digest: bytes) -> Content:
        """The content of the octets from ``begin`` on, which the cache does not have. ``hashed``: their hash; ``digest``: of the message, empty
        if not known. Raises Malformed."""
        content: Content | None = plain_content(data, begin, digest)
        lasting: cython.bint = True
        if content is None:
            content, lasting = read_content(data[begin:], now, digest)
        if lasting and len(data) - begin <= _KEY_BYTES_MAX and self.twice.comes(u64_in(content.digest)):
            self.put(data[begin:], hashed, content)
        return content


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
    content = _content_at(data, end + 1, cache, now, b"")
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
    is_part = end + 1 < len(data) and data[end + 1] & ESM_UDHI
    return _content_at(data, end + 1, cache, now, b"" if is_part else digest)


@cython.cfunc
def _content_at(data: bytes, begin: cython.Py_ssize_t, cache: ContentCache, now: float, digest: bytes) -> Content:
    hashed: cython.ulonglong = hash_run(data, begin, len(data))
    found: Content | None = cache.find(data, begin, len(data), hashed)
    return cache.read(data, begin, hashed, now, digest) if found is None else found


def data_coding_of(data: bytes) -> int | None:
    """The data_coding of a submit_sm that was read before; None if its text has a user data header."""
    source_end = data.index(0, data.index(0, 16) + 3)
    end = data.index(0, source_end + 3)
    if data[end + 1] & ESM_UDHI:
        return None
    validity = data.index(0, end + 4) + 1
    return data[data.index(0, validity) + 3]


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
