"""Joins the parts of a long message into one text.

In: contents of parts in order, None where one is missing. Out: one message.Content. Never: octets of a header, times, the sender.

Parts are decoded together, not one by one: an escape of GSM-7, half a surrogate pair, even half of a UCS-2 unit may stand at the
end of one part and its other half at the beginning of the next. Nothing is joined across a missing part: GAP stands there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import blake2b
from itertools import groupby

from proxy.model.message import Content
from proxy.native.loader import compiled
from proxy.wire.charset import EMPTY, READABLE, shown

GAP = "【】"
"""Where parts are missing; only its end at the beginning of the text, only its beginning at the end. No signature reaches over it, and
none begins or ends beside it: of 【甲店】 not even 【店】 is left, and a 【】 that stands within the text does not pass for a signature
because the text before it is not here."""


@compiled("joined")
def joined(parts: Sequence[Content | None]) -> Content:
    """What a person reads once all is there; not ``complete`` while a part is missing. ValueError if all are.

    The digest is that of all parts in their places, so that the same parts make the same message again; the delivery time is the
    latest of theirs, for a handset shows nothing before; parameters are theirs in order.
    """
    there = [part for part in parts if part is not None]
    if not there:
        raise ValueError("a long message without any part")
    text, state = _text(parts)
    digest = blake2b(bytes((len(parts),)), digest_size=16)
    for place, part in enumerate(parts):
        if part is not None:
            digest.update(bytes((place,)) + part.digest)
    return Content(
        text,
        state,
        digest.digest(),
        None,
        max((part.scheduled for part in there if part.scheduled is not None), default=None),
        tuple(dict.fromkeys(pair for part in there for pair in part.extra)),
        None,
        len(there) == len(parts),
    )


def _text(parts: Sequence[Content | None]) -> tuple[str, str]:
    """(text, state). What one part's header or alphabet hides makes the whole as unreadable as that part."""
    for part in parts:
        if part is not None and part.octets is None:
            return "", part.state
    texts: list[str] = []
    for run in _runs(parts):
        if run is None:
            texts.append(GAP)
            continue
        text, state = shown(run[1], run[0])
        if state not in (READABLE, EMPTY):
            return "", state
        texts.append(text)
    if all(text in ("", GAP) for text in texts):
        return "", EMPTY
    text = "".join(texts)
    if parts[0] is None:
        text = text[1:]
    return text[:-1] if parts[-1] is None else text, READABLE


def _runs(parts: Sequence[Content | None]) -> Iterator[tuple[int, bytes] | None]:
    """(alphabet, octets) of neighbours in one alphabet; None for one part or more that are missing."""
    for missing, group in groupby(parts, lambda part: part is None):
        if missing:
            yield None
            continue
        for coding, run in groupby(
            (part.octets for part in group if part is not None and part.octets), lambda octets: octets[0]
        ):
            yield coding, b"".join(octets for _, octets in run)
