"""Reads a deliver_sm: a receipt, or a reply that a person wrote.

In: a Frame. Out: a Deliver, or Malformed with the status SMPP 3.4 asks for. Never: the owner of the port.
"""

from __future__ import annotations

from typing import NamedTuple

import cython

from proxy.model.message import Part
from proxy.model.number import masked_repr
from proxy.native.octet_runs import find_zero
from proxy.wire.charset import KINDS, UCS_2, other_readings
from proxy.wire.content import SHORT_MESSAGE_MAX, read_tail, text_of
from proxy.wire.fields import read_fields
from proxy.wire.frame import Frame, Malformed
from proxy.wire.receipt import Receipt, read_receipt
from proxy.wire.tables import (
    ESM_INTERMEDIATE,
    ESM_RECEIPT,
    ESM_TYPE,
    ESM_UDHI,
    ESME_RINVCMDLEN,
    MESSAGE_PAYLOAD,
    MESSAGE_STATE,
    RECEIPTED_MESSAGE_ID,
    TLVS,
)

_TYPE = cython.declare(cython.uint, ESM_TYPE)
_RECEIPT = cython.declare(cython.uint, ESM_RECEIPT)
_INTERMEDIATE = cython.declare(cython.uint, ESM_INTERMEDIATE)
_SHORT_MAX = cython.declare(cython.Py_ssize_t, SHORT_MESSAGE_MAX)
_TLVS_MAX = cython.declare(cython.Py_ssize_t, 16)
"""Optional parameters of a receipt that are checked here: each is compared with all before it."""
_PAYLOAD = cython.declare(cython.Py_ssize_t, MESSAGE_PAYLOAD)
_TLV_BYTES = {tag: (one.least, one.most) for tag, one in TLVS.items()}


@masked_repr
class Deliver(NamedTuple):
    source: str
    """The sender's number as written in the PDU."""
    destination: str
    """The port that it was sent to."""
    esm_class: int
    is_receipt: bool
    """By esm_class (§5.2.12): a delivery receipt or an intermediate notification."""
    text: str
    state: str
    """As Content.state."""
    data_coding: int
    octets: bytes
    """The user data, including its header if it has one."""
    part: Part | None
    receipted_message_id: bytes | None
    """Without its NUL."""
    message_state: int | None
    tlvs: list[tuple[int, bytes]]

    @property
    def looks_like_receipt(self) -> bool:
        """Whether the text is that of a receipt, whatever esm_class says."""
        return self.receipt is not None

    @property
    def receipt(self) -> Receipt | None:
        """The receipt in the text (appendix B); None if it is not one.

        The text is read as Latin-1 whatever alphabet is declared, except UCS-2: carriers write ``_`` and ``@`` of a message id as ASCII, and
        undecodable octets in the quoted text must not make the receipt unreadable.
        """
        if KINDS[self.data_coding] == UCS_2:
            return read_receipt(self.text)
        return read_receipt(self._behind_header.decode("latin-1"))

    @property
    def other_readings(self) -> list[str]:
        """Other possible readings of a person's text, whatever coding the carrier declares (charset.py)."""
        return other_readings(self._behind_header, self.data_coding)

    @property
    def _behind_header(self) -> bytes:
        start = self.octets[0] + 1 if self.esm_class & ESM_UDHI and self.octets else 0
        return self.octets[start:]


@cython.ccall
def destination_end(data: bytes) -> cython.Py_ssize_t:
    """Where the destination of a deliver_sm ends; -1 if that cannot be read."""
    place: cython.Py_ssize_t = find_zero(data, 16, 22)
    for _ in range(2):  # service_type, source_addr, destination_addr
        if place < 0:
            return -1
        place = find_zero(data, place + 3, place + 24)
    return place


@cython.ccall
def receipt_end(data: bytes) -> cython.Py_ssize_t:
    """``destination_end`` of a receipt; -1 if esm_class says that it is none, or if it cannot be read. The relay needs nothing else of a
    receipt."""
    octets: cython.p_uchar = data
    size: cython.Py_ssize_t = len(data)
    place: cython.Py_ssize_t = destination_end(data)
    if place < 0 or place + 1 >= size or (octets[place + 1] & _TYPE) not in (_RECEIPT, _INTERMEDIATE):
        return -1
    if not _is_plain_tail(octets, place + 1, size):
        try:
            read_tail(data[place + 1 :])
        except Malformed:
            return -1
    return place


@cython.cfunc
@cython.exceptval(check=False)
def _number_at(octets: cython.p_uchar, place: cython.Py_ssize_t) -> cython.Py_ssize_t:
    return octets[place] << 8 | octets[place + 1]


@cython.cfunc
def _is_plain_tail(octets: cython.p_uchar, begin: cython.Py_ssize_t, size: cython.Py_ssize_t) -> cython.bint:
    """Whether ``read_tail`` can read the octets behind the destination: no times, and optional parameters of allowed lengths, each once. False
    also where only ``read_tail`` can decide."""
    place: cython.Py_ssize_t = begin + 10
    if size < place or octets[begin + 3] or octets[begin + 4] or octets[begin + 9] > _SHORT_MAX:
        return False
    place += octets[begin + 9]
    first: cython.Py_ssize_t = place
    other: cython.Py_ssize_t
    tag: cython.Py_ssize_t
    length: cython.Py_ssize_t
    least: cython.Py_ssize_t
    most: cython.Py_ssize_t
    many: cython.Py_ssize_t = 0
    while place < size:
        if place + 4 > size or many == _TLVS_MAX:
            return False
        tag, length = _number_at(octets, place), _number_at(octets, place + 2)
        bounds: tuple[int, int] | None = _TLV_BYTES.get(tag)
        if bounds is not None:
            least, most = bounds
            if length < least or length > most:
                return False
        if tag == _PAYLOAD and octets[begin + 9]:
            return False
        other = first
        while other < place:
            if _number_at(octets, other) == tag:
                return False
            other += 4 + _number_at(octets, other + 2)
        place += 4 + length
        many += 1
    return place == size


def read_deliver(frame: Frame) -> Deliver:
    """Reads a deliver_sm. Raises Malformed."""
    data = frame.data
    service_end = data.find(0, 16, 22)
    source_end = data.find(0, service_end + 3, service_end + 24)
    end = data.find(0, source_end + 3, source_end + 24)
    if service_end < 0 or source_end < 0 or end < 0:
        read_fields(frame)  # raises, in the words of the tables
        raise Malformed(ESME_RINVCMDLEN, "length", "the addresses cannot be read")
    esm_class, data_coding, _, octets, _, tlvs = read_tail(data[end + 1 :])
    text, state, part = text_of(octets, esm_class, data_coding)
    values = dict(tlvs)
    identity, stage = values.get(RECEIPTED_MESSAGE_ID), values.get(MESSAGE_STATE)
    return Deliver(
        data[service_end + 3 : source_end].decode("latin-1"),
        data[source_end + 3 : end].decode("latin-1"),
        esm_class,
        _is_receipt(esm_class),
        text,
        state,
        data_coding,
        octets,
        part,
        None if identity is None else identity.rstrip(b"\0"),
        None if stage is None else stage[0],
        tlvs,
    )


def _is_receipt(esm_class: int) -> bool:
    return esm_class & ESM_TYPE in (ESM_RECEIPT, ESM_INTERMEDIATE)
