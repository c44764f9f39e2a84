"""Replaces the message ids in a delivery receipt.

In: a deliver_sm that read_deliver could read. Out: its ids; its bytes with other ids. Never: the meaning of an id, or its owner.

An id stands in the text (appendix B: ``id:…``, in the short_message or the message_payload) and in receipted_message_id
(§5.3.2.12): in both, in one, in neither. All other octets stay as they are, with three exceptions: the lengths; the end of the
quoted text (``text:…``) where a longer id makes a short_message pass 254 octets; and where no quoted text can be cut, the whole
text moves into a message_payload, so that nothing of it is lost.
"""

from __future__ import annotations

from typing import NamedTuple

from proxy.wire.builders import tlv
from proxy.wire.charset import KINDS, UCS_2
from proxy.wire.content import SHORT_MESSAGE_MAX
from proxy.wire.receipt import find_id
from proxy.wire.tables import ESM_UDHI, MESSAGE_PAYLOAD, RECEIPTED_MESSAGE_ID, TLVS

_IN_TLV_MAX = TLVS[RECEIPTED_MESSAGE_ID].most
_NARROW, _WIDE = "latin-1", "utf-16-be"
"""Encodings of a text: Latin-1 for all alphabets except UCS-2, because an id is ASCII in each of them."""

Edit = tuple[int, int, bytes]
"""(start, stop, replacement) in octets of the PDU."""


class _Place(NamedTuple):
    start: int
    stop: int


class _InText(NamedTuple):
    """The position of the id in the text, in octets of the PDU."""

    alphabet: str
    start: int
    stop: int
    quote: int
    """Where the quoted text begins; the end of the text, or beyond, if none exists."""


class ReceiptIds:
    """The ids in a receipt. ``text_id`` and ``tlv_id`` are without their NUL, and None if the receipt has no id there."""

    __slots__ = ("text_id", "tlv_id", "_data", "_short", "_payload", "_tlv", "_in_text")

    def __init__(self, data: bytes) -> None:
        self._data = data
        esm_class, data_coding, start = _before_text(data)
        self._short = _Place(start, start + data[start - 1])
        self._payload = self._tlv = _Place(0, 0)
        self._walk_tlvs(self._short.stop)
        self.tlv_id = data[slice(*self._tlv)].rstrip(b"\0") or None
        start, stop = self._payload if self._payload.stop else self._short
        if esm_class & ESM_UDHI and start < stop:
            start = min(start + 1 + data[start], stop)  # §5.2.12: the text stands behind a header
        self._in_text = self._find(start, stop, KINDS[data_coding] == UCS_2)
        self.text_id = None if self._in_text is None else self._id_in(self._in_text)

    def _walk_tlvs(self, position: int) -> None:
        data = self._data
        while position < len(data):
            start = position + 4
            tag, position = (
                int.from_bytes(data[start - 4 : start - 2], "big"),
                start + int.from_bytes(data[start - 2 : start], "big"),
            )
            if tag == RECEIPTED_MESSAGE_ID:
                self._tlv = _Place(start, position)
            elif tag == MESSAGE_PAYLOAD:
                self._payload = _Place(start, position)

    def _find(self, start: int, stop: int, wide: bool) -> _InText | None:
        """Looks for the id in the declared alphabet, then in the other: some carriers declare UCS-2 for receipts in ASCII."""
        for alphabet in (_WIDE, _NARROW) if wide else (_NARROW, _WIDE):
            text = self._data[start:stop].decode(alphabet, "replace")
            named = find_id(text)
            if named is not None and text[named.start : named.stop].isascii():
                width = 1 if alphabet == _NARROW else 2
                places = named if width == 1 else [len(text[:place].encode(alphabet)) for place in named]
                return _InText(alphabet, *[start + place for place in places])
        return None

    def _id_in(self, in_text: _InText) -> bytes:
        return self._data[in_text.start : in_text.stop].decode(in_text.alphabet).encode("ascii")

    # -- replacing ids

    def naming(self, text_id: bytes | None, tlv_id: bytes | None) -> bytes:
        """The whole PDU with these ids (ASCII, at most 64 octets); an id is only replaced, never added."""
        edits: list[Edit] = []
        if self._in_text is not None and text_id is not None and text_id != self.text_id:
            edits += self._text_edits(self._in_text, text_id)
        if self.tlv_id is not None and tlv_id is not None and tlv_id != self.tlv_id:
            start, stop = self._tlv
            value = (tlv_id + self._data[start + len(self.tlv_id) : stop])[:_IN_TLV_MAX]  # with the NUL it had, if it had one
            edits.append((start - 2, stop, len(value).to_bytes(2, "big") + value))
        return _edited(self._data, edits) if edits else self._data

    def _text_edits(self, in_text: _InText, text_id: bytes) -> list[Edit]:
        written = text_id.decode("latin-1").encode(in_text.alphabet)
        grows = len(written) - (in_text.stop - in_text.start)
        start, stop = self._payload
        if stop:
            return [
                (start - 2, start, (stop - start + grows).to_bytes(2, "big")),
                (in_text.start, in_text.stop, written),
            ]
        start, stop = self._short
        over = stop - start + grows - SHORT_MESSAGE_MAX
        cut = 0 if over <= 0 else _cut(self._data[in_text.quote : stop], over, in_text.alphabet)
        if cut < over:
            whole = self._data[start : in_text.start] + written + self._data[in_text.stop : stop]
            end = len(self._data)
            return [(start - 1, stop, b"\0"), (end, end, tlv(MESSAGE_PAYLOAD, whole))]
        return [
            (start - 1, start, bytes((stop - start + grows - cut,))),
            (in_text.start, in_text.stop, written),
            (stop - cut, stop, b""),
        ]


def _before_text(data: bytes) -> tuple[int, int, int]:
    """(esm_class, data_coding, where the short_message begins), §4.6.1."""
    source = data.index(0, 16) + 3
    destination = data.index(0, source) + 3
    esm_class = data.index(0, destination) + 1
    validity = data.index(0, esm_class + 3) + 1
    registered = data.index(0, validity) + 1
    return data[esm_class], data[registered + 2], registered + 5


def _cut(quoted: bytes, over: int, alphabet: str) -> int:
    """How many octets to cut from the end of the quoted text: at least ``over`` if it has them, and whole characters."""
    left = max(0, len(quoted) - over)
    if alphabet == _WIDE:
        left -= left % 2
        if left and quoted[left - 2] & 0xFC == 0xD8:  # the first half of a surrogate pair
            left -= 2
    return len(quoted) - left


def _edited(data: bytes, edits: list[Edit]) -> bytes:
    pieces, at = [], 4
    for start, stop, instead in sorted(edits):
        pieces += [data[at:start], instead]
        at = stop
    pieces.append(data[at:])
    rest = b"".join(pieces)
    return (len(rest) + 4).to_bytes(4, "big") + rest
