"""Joined: the text of a long message, from the contents of its parts.

In: contents of parts in order, None where one is missing. Out: one message.Content. Never: octets of a header, times, who sends.

Parts are decoded together, not one by one: an escape of GSM-7, half a surrogate pair, even half of a UCS-2 unit may stand at the end
of one part and its other half at the beginning of the next. Across a missing part nothing is joined.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import blake2b

from proxy.message import Content
from proxy.wire.charset import EMPTY, READABLE, decode


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
    for coding, octets in _runs(parts):
        text, state = decode(octets, coding)
        if state not in (READABLE, EMPTY):
            return "", state
        texts.append(text)
    text = "".join(texts)
    return text, READABLE if text else EMPTY


def _runs(parts: Sequence[Content | None]) -> Iterator[tuple[int, bytes]]:
    """(alphabet, octets) of neighbours in one alphabet with no part missing between them."""
    coding, octets = 0, b""
    for part in parts:
        said = (coding, b"") if part is None or part.octets is None else part.octets
        if octets and (part is None or said[0] != coding):
            yield coding, octets
            octets = b""
        coding, octets = said[0], octets + said[1]
    if octets:
        yield coding, octets
