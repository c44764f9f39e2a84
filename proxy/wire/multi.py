"""Splits a submit_multi into submits and joins the answers (SMPP 3.4 §4.5).

In: a Frame of a provider, the carrier's answer. Out: one submit_sm for each address; a submit_multi to some of the addresses,
byte for byte but for the removed ones; one answer for all; or Malformed. Never: policy, the owner of a port.

    submit_multi       service_type, source │ number_of_dests, dest_address … │ all that follows the addresses
    submit_sm          service_type, source │ one address without its flag    │ all that follows the addresses
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from proxy.wire import builders
from proxy.wire.fields import SME_ADDRESS, read_fields
from proxy.wire.frame import Frame, Malformed
from proxy.wire.tables import ESME_RINVDLNAME, ESME_RINVMSGLEN, ESME_RINVNUMDESTS, HEADER_BYTES, SUBMIT_MULTI, SUBMIT_SM

ADDRESSES_MAX = 254
"""§5.2.24: number_of_dests."""

TOGETHER_BYTES_MAX = 1024 * 1024
"""Addresses times octets of text: each address is judged and journalled as a message of its own, and one PDU must not become 16 MB of
journal. 254 messages of 20 parts fit."""


class Multi(NamedTuple):
    head: bytes
    """service_type and source, as received."""
    addresses: tuple[bytes, ...]
    """Each as ton, npi, address and its NUL: the form in a submit_sm and in an unsuccess_sme."""
    tail: bytes
    """All that follows the addresses."""

    def submit(self, place: int) -> bytes:
        """The submit_sm to one address; its sequence number is the address's place, from 1."""
        return builders.pdu(SUBMIT_SM, 0, place + 1, self.head + self.addresses[place] + self.tail)

    def only(self, places: Sequence[int]) -> bytes:
        """The submit_multi to some of the addresses, in their order."""
        chosen = b"".join([bytes((SME_ADDRESS,)) + self.addresses[place] for place in places])
        return builders.pdu(SUBMIT_MULTI, 0, 0, b"".join((self.head, bytes((len(places),)), chosen, self.tail)))


def read_multi(frame: Frame) -> Multi:
    """Reads a submit_multi. Raises Malformed: a distribution list → ESME_RINVDLNAME (the gate cannot judge whom it does not know)."""
    data = frame.data
    source_end = data.find(0, data.find(0, HEADER_BYTES) + 3)
    count = data[source_end + 1] if 0 <= source_end < len(data) - 1 else -1
    fields = read_fields(frame)  # raises where anything is broken: from here on all is where it should be
    if not 1 <= count <= ADDRESSES_MAX:
        raise Malformed(ESME_RINVNUMDESTS, "field", f"number_of_dests {count} (1 to {ADDRESSES_MAX})")
    position, addresses = source_end + 2, []
    for _ in range(count):
        if data[position] != SME_ADDRESS:
            raise Malformed(ESME_RINVDLNAME, "field", "a distribution list: the gate judges persons, and knows no lists")
        end = data.index(0, position + 3) + 1
        addresses.append(data[position + 1 : end])
        position = end
    assert len(fields["dest_address"]) == count
    if (len(data) - position) * count > TOGETHER_BYTES_MAX:
        raise Malformed(ESME_RINVMSGLEN, "length", f"{len(data) - position} octets of text and parameters to {count} addresses")
    return Multi(data[HEADER_BYTES : source_end + 1], tuple(addresses), data[position:])


def submit_multi_resp(
    sequence: int, status: int, message_id: bytes, unsuccessful: Iterable[tuple[bytes, int]], text: str = ""
) -> bytes:
    """§4.5.2: ``unsuccessful`` as (address, status), the address as in ``Multi.addresses``; ``text``: why all of it was refused."""
    entries = [address + status.to_bytes(4, "big") for address, status in unsuccessful]
    text_tlv = builders.refusal_body(text)[1:] if text else b""
    body = b"".join((message_id.rstrip(b"\0"), b"\0", bytes((len(entries),)), *entries, text_tlv))
    return builders.response(SUBMIT_MULTI, status, sequence, body)


def read_multi_resp(frame: Frame) -> tuple[bytes, list[tuple[bytes, int]]]:
    """(message_id, [(address without ton and npi, status)]) of a carrier's response. Unreadable fields are left out: responses are read
    leniently, and an address that is not listed counts as accepted."""
    try:
        fields: dict[str, Any] = read_fields(frame)
    except Malformed:
        end = frame.data.find(0, HEADER_BYTES, HEADER_BYTES + 65)
        return frame.data[HEADER_BYTES:end] if end >= 0 else b"", []
    refused = [(one["addr"], one["status"]) for one in fields.get("unsuccess_sme", ())]
    return fields.get("message_id", b""), refused
