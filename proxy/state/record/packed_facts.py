"""Reads and changes the facts behind a record's entries.

Facts are, for example, opt-outs and fingerprints of submits whose outcome is unknown.

    area = fact, fact, …        fact = kind u8, length u8, body        an unknown kind is kept byte for byte
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from proxy.model.recipient import OptOut

OPT_OUT, UNKNOWN, REPLIED = 1, 2, 3  # the third is reply_ports.py's
ASKED, REFUSED_TEXT = 5, 6  # consent_facts.py's
WITHDRAWN = 7  # consent_facts.py's
CONSENT_GIVEN = 12  # consent_facts.py's
TORN = 13  # incomplete_multipart.py's
SCOPES = ("all", "advertiser", "signature", "provider", "port", "category")
SOURCES = ("reply", "complaint", "officer", "import", "hotline", "doubtful")
"""Records store the index of a source: never change this order. ``doubtful``: held until a person has decided what a reply means."""
VALUE_BYTES_MAX = 240
"""A fact's length is one byte; the longest value in use is a signature of 60 Chinese characters."""
OPT_OUTS_MAX = 64
"""A recipient with this many opt-outs counts as having refused all marketing: no opt-out is lost, the scope grows."""

_OPT_OUT = struct.Struct(">BBII")  # scope, source, time, expiry


def facts(area: bytes) -> Iterator[tuple[int, int, int]]:
    """(kind, start, end of the body) of each fact."""
    at, end = 0, len(area)
    while at < end:
        start = at + 2
        at = start + area[at + 1]
        yield area[start - 2], start, at


def time_of(area: bytes, kind: int, start: int) -> int:
    """The time of an opt-out, of a consent by reply or of a withdrawal."""
    at = start + (2 if kind == OPT_OUT else 0)
    return int.from_bytes(area[at : at + 4], "big")


def opt_outs(area: bytes) -> list[OptOut]:
    """All opt-outs, oldest first."""
    found = [_opt_out(area, start, end) for kind, start, end in facts(area) if kind == OPT_OUT]
    if len(found) > 1:
        found.sort(key=_age)
    return found


def _age(one: OptOut) -> int:
    return one.time


def _opt_out(area: bytes, start: int, end: int) -> OptOut:
    scope, source, time, expiry = _OPT_OUT.unpack_from(area, start)
    return OptOut(SCOPES[scope], area[start + _OPT_OUT.size : end].decode(), time, SOURCES[source], expiry)


def _pack(one: OptOut) -> bytes:
    try:
        scope, source = SCOPES.index(one.scope), SOURCES.index(one.source)
    except ValueError:
        raise ValueError(f"no such opt-out: scope {one.scope!r} (of {SCOPES}), source {one.source!r} (of {SOURCES})") from None
    value = one.value.encode()
    if len(value) > VALUE_BYTES_MAX:
        raise ValueError(f"an opt-out's value may have {VALUE_BYTES_MAX} bytes, this has {len(value)}")
    body = _OPT_OUT.pack(scope, source, one.time, one.expiry) + value
    return bytes((OPT_OUT, len(body))) + body


def with_opt_out(area: bytes, new: OptOut) -> bytes:
    """The area with one more opt-out; of two with the same scope, value and source the newer one stays. Opt-outs with the same scope and value
    from another source stay beside it: revoking one of them does not revoke the other."""
    packed = _pack(new)
    for kind, start, end in facts(area):
        if kind != OPT_OUT:
            continue
        old = _opt_out(area, start, end)
        if _same(old, new):
            if old.time > new.time or old == new:
                return area
            return area[: start - 2] + area[end:] + packed
    return _bounded(area + packed, new)


def _same(one: OptOut, other: OptOut) -> bool:
    return one.scope == other.scope and one.value == other.value and one.source == other.source


def _bounded(area: bytes, new: OptOut) -> bytes:
    held = opt_outs(area)
    if len(held) <= OPT_OUTS_MAX:
        return area
    over = next((one for one in held if one.expiry and one.expiry <= new.time), None)
    if over is not None:
        return without_opt_out(area, over)
    narrow = [one for one in held if one.scope not in ("all", "category")]
    first = next((one for one in narrow if one.source == "reply"), narrow[0])
    wide = OptOut("category", "marketing", new.time, first.source, 0)  # the same source, because only that may revoke it
    return with_opt_out(without_opt_out(area, first), wide)


def without_opt_out(area: bytes, gone: OptOut) -> bytes:
    """The area without the opt-out of this scope, value and source, unless that is newer than ``gone``."""
    for kind, start, end in facts(area):
        if kind == OPT_OUT:
            old = _opt_out(area, start, end)
            if _same(old, gone) and old.time <= gone.time:
                return area[: start - 2] + area[end:]
    return area


def with_fingerprint(area: bytes, entry_id: int, digest48: int) -> bytes:
    """Notes the fingerprint of the submit behind an entry whose outcome is unknown."""
    body = entry_id.to_bytes(6, "big") + digest48.to_bytes(6, "big")
    return without_fingerprint(area, entry_id) + bytes((UNKNOWN, 12)) + body


def without_fingerprint(area: bytes, entry_id: int) -> bytes:
    wanted = entry_id.to_bytes(6, "big")
    if wanted not in area:
        return area
    for kind, start, end in facts(area):
        if kind == UNKNOWN and area[start : start + 6] == wanted:
            return area[: start - 2] + area[end:]
    return area


def fingerprints(area: bytes) -> Iterator[tuple[int, int]]:
    """(entry id, fingerprint), oldest mark first."""
    for kind, start, _ in facts(area):
        if kind == UNKNOWN:
            both = int.from_bytes(area[start : start + 12], "big")
            yield both >> 48, both & 0xFFFF_FFFF_FFFF


def keep_fingerprints(area: bytes, packed_entries: bytes) -> bytes:
    """The area without fingerprints whose entry is no longer kept."""
    for entry_id, _ in list(fingerprints(area)):
        if not holds(packed_entries, entry_id):
            area = without_fingerprint(area, entry_id)
    return area


def holds(packed_entries: bytes, entry_id: int) -> bool:
    return position(packed_entries, entry_id, 0) >= 0


def position(data: bytes, entry_id: int, first: int, end: int = -1) -> int:
    """The offset of the packed entry with this id among 32-byte entries that begin at ``first``; -1 if none exists."""
    wanted = entry_id.to_bytes(6, "big")
    stop = len(data) if end < 0 else end
    at = data.find(wanted, first, stop)
    while at >= 0 and (at - first) & 31:  # the six bytes may also occur inside another entry
        at = data.find(wanted, at + 1, stop)
    return at
