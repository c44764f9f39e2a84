"""Reads a deliver_sm: a receipt, or a reply that a person wrote.

In: a Frame. Out: a Deliver, or Malformed with the status SMPP 3.4 asks for. Never: the owner of the port.
"""

from __future__ import annotations

from typing import NamedTuple

from proxy.model.message import Part
from proxy.model.number import masked_repr
from proxy.native.loader import compiled
from proxy.wire.charset import KINDS, UCS_2, other_readings
from proxy.wire.content import read_tail, text_of
from proxy.wire.fields import read_fields
from proxy.wire.frame import Frame, Malformed
from proxy.wire.receipt import Receipt, read_receipt
from proxy.wire.tables import (
    ESM_INTERMEDIATE,
    ESM_RECEIPT,
    ESM_TYPE,
    ESM_UDHI,
    ESME_RINVCMDLEN,
    MESSAGE_STATE,
    RECEIPTED_MESSAGE_ID,
)


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


@compiled("receipt_addresses")
def receipt_addresses(frame: Frame) -> tuple[bytes, bytes] | None:
    """(recipient, port) of a receipt as written in the PDU; None if esm_class says that it is no receipt, or if it cannot be read. The relay
    needs nothing else of a receipt."""
    data = frame.data
    service_end = data.find(0, 16, 22)
    source_end = data.find(0, service_end + 3, service_end + 24)
    end = data.find(0, source_end + 3, source_end + 24)
    if service_end < 0 or source_end < 0 or end < 0 or not _is_receipt(data[end + 1] if end + 1 < len(data) else 0):
        return None
    try:
        read_tail(data[end + 1 :])
    except Malformed:
        return None
    return data[service_end + 3 : source_end], data[source_end + 3 : end]


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
