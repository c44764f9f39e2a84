"""Joins the parts of a long message into one text.

In: contents of parts in order, None where one is missing. Out: one message.Content. Never: octets of a header, times, the sender.

Parts are decoded together, not one by one: an escape of GSM-7, half a surrogate pair, even half of a UCS-2 unit may stand at the
end of one part and its other half at the beginning of the next. Nothing is joined across a missing part: GAP stands there.
Some handsets decode GB 18030 part by part, and drop a character that is cut. Where it may order the others, what they show follows in a
further line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import groupby

import cython

from proxy.model.message import Content
from proxy.native.blake2 import digest_from
from proxy.native.octets import join
from proxy.native.text_units import plain_utf16
from proxy.wire.charset import EMPTY, GBK_CODING, READABLE, displayed_text
from proxy.wire.content import IS_UCS_2

GAP = "【】"
"""Stands for missing parts; at the beginning of the text only its second character, at the end only its first. No signature can span a gap,
begin or end at it: a cut 【甲店】 does not leave 【店】, and 【】 inside the text is not taken for a signature at its beginning."""

_ORDERS = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Characters that change the order in which others are drawn (Unicode Standard Annex #9)."""
_NUMBERS = [bytes((number,)) for number in range(256)]


def joined(parts: Sequence[Content | None]) -> Content:
    """The content of the whole message; ``complete`` is False while a part is missing. Raises ValueError if all parts are missing.

    The digest covers all parts in their places, so that equal parts make an equal message. The delivery time is the latest of the parts,
    because a handset shows nothing before. Optional parameters are those of all parts in order.
    """
    part: Content | None
    place: cython.Py_ssize_t = 0
    missing: cython.Py_ssize_t = 0
    scheduled = None
    extra: tuple[tuple[int, bytes], ...] = ()
    numbers: list[bytes] = _NUMBERS
    digests: list[bytes] = [numbers[len(parts)]]
    for part in parts:
        if part is None:
            missing += 1
        else:
            digests.append(numbers[place])
            digests.append(part.digest)
            if part.scheduled is not None:
                scheduled = part.scheduled if scheduled is None else max(scheduled, part.scheduled)
            if part.extra:
                extra = tuple(dict.fromkeys((*extra, *part.extra)))
        place += 1  # cheaper than enumerate
    if missing == place:
        raise ValueError("a long message without any part")
    text = None if missing else _plain_text(parts)
    text, state = _text(parts) if text is None else (text, READABLE)
    return Content(text, state, digest_from(join(digests), 0), None, scheduled, extra, None, not missing)


@cython.cfunc
def _plain_text(parts: Sequence[Content | None]) -> str | None:
    """The text of complete parts in UCS-2, if all of it can be read: nearly always. None: ``_text`` reads it."""
    part: Content
    coding = -1
    pieces: list[bytes] = []
    for part in parts:  # type: ignore[assignment] # none is missing
        if part.octets is None or coding not in (-1, part.octets[0]):
            return None
        coding = part.octets[0]
        pieces.append(part.octets[1])
    octets = join(pieces)
    return plain_utf16(octets, 0, len(octets)) if octets and len(octets) % 2 == 0 and IS_UCS_2[coding] else None


def _text(parts: Sequence[Content | None]) -> tuple[str, str]:
    """(text, state). If one part is unreadable because of its header or alphabet, the whole message has that state."""
    for part in parts:
        if part is not None and part.octets is None:
            return "", part.state
    texts: list[str] = []
    for run in _runs(parts):
        if run is None:
            texts.append(GAP)
            continue
        coding, octets = run
        text, state = displayed_text(b"".join(octets), coding)
        if state not in (READABLE, EMPTY):
            return "", state
        if coding == GBK_CODING and len(octets) > 1 and _ORDERS.search(text):
            text += "\n" + "".join(one.decode("gb18030", "ignore") for one in octets)
        texts.append(text)
    if all(text in ("", GAP) for text in texts):
        return "", EMPTY
    text = "".join(texts)
    if parts[0] is None:
        text = text[1:]
    return text[:-1] if parts[-1] is None else text, READABLE


def _runs(parts: Sequence[Content | None]) -> Iterator[tuple[int, list[bytes]] | None]:
    """(data_coding, octets of each) of adjacent parts in one coding; None for one or more missing parts."""
    for missing, group in groupby(parts, lambda part: part is None):
        if missing:
            yield None
            continue
        for coding, run in groupby(
            (part.octets for part in group if part is not None and part.octets), lambda octets: octets[0]
        ):
            yield coding, [octets for _, octets in run]
