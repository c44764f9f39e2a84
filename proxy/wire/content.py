"""Reads text, parts and TLVs from the octets after the destination.

Submits and delivers have the same octets there.

In: those octets. Out: message.Content, or Malformed. Never: sender or recipient. Only fields on which rules depend are checked
for their meaning. Reserved values in fields that concern the carrier alone are noted (reserved_values.py); the provider's settings
decide whether they pass.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import cython

from proxy.model.message import Content, Part
from proxy.native.blake2 import digest_from
from proxy.native.text_units import plain_utf16
from proxy.wire.charset import EMPTY, KINDS, READABLE, UCS_2, UNREADABLE, decode, displayed_text
from proxy.wire.fields import SmppTime, read_time
from proxy.wire.frame import Malformed, read_tlvs
from proxy.wire.reserved_values import flags_fault, text_fault, with_fault
from proxy.wire.tables import (
    DESTINATION_PORT,
    ESM_UDHI,
    ESME_RINVCMDLEN,
    ESME_RINVEXPIRY,
    ESME_RINVMSGLEN,
    ESME_RINVSCHED,
    ESME_ROPTPARNOTALLWD,
    MESSAGE_PAYLOAD,
    SAR_MSG_REF_NUM,
    SAR_SEGMENT_SEQNUM,
    SAR_TOTAL_SEGMENTS,
)
from proxy.wire.udh import part_of, read_udh, state_of_port

SHORT_MESSAGE_MAX = 254
CARRIED = frozenset({MESSAGE_PAYLOAD})
"""Parameters that carry the text itself; Content.extra leaves them out."""

IS_UCS_2 = bytes([kind == UCS_2 for kind in KINDS])
"""By data_coding."""
_UNUSUAL_CLASSES = cython.declare(cython.uint, 0xFF & ~(3 | ESM_UDHI))
_UDHI = cython.declare(cython.uint, ESM_UDHI)
_SHORT_MAX = cython.declare(cython.Py_ssize_t, SHORT_MESSAGE_MAX)
_NO_EXTRA: tuple[tuple[int, bytes], ...] = ()
_PARTS_MAX = 4096
_parts: dict[tuple[int, int, int], Part] = {}
"""Recent ones: to look a Part up costs a quarter of making it."""


class BodyTail(NamedTuple):
    """The fields after the destination (§4.4.1)."""

    esm_class: int
    data_coding: int
    scheduled: SmppTime | None
    text_octets: bytes
    default_msg_id: int
    tlvs: list[tuple[int, bytes]]


def read_tail(tail: bytes) -> BodyTail:
    """Splits the octets after the destination into fields. Raises Malformed."""
    position, scheduled = 5, None
    if tail[3:5] != b"\0\0":
        position, scheduled = _read_times(tail)
    if len(tail) < position + 5:
        raise Malformed(ESME_RINVCMDLEN, "length", "the body ends before sm_length")
    length = tail[position + 4]
    start = position + 5
    stop = start + length
    if length > SHORT_MESSAGE_MAX or stop > len(tail):
        raise Malformed(
            ESME_RINVMSGLEN, "length", f"sm_length says {length} octets, {len(tail) - start} are left (at most 254)"
        )
    octets = tail[start:stop]
    tlvs: list[tuple[int, bytes]] = []
    if stop != len(tail):
        tlvs = read_tlvs(tail, stop)
        for tag, value in tlvs:
            if tag == MESSAGE_PAYLOAD:
                if length:
                    raise Malformed(ESME_ROPTPARNOTALLWD, "tlv", "message_payload beside a short_message (§5.3.2.32)")
                octets = value
    return BodyTail(tail[0], tail[position + 2], scheduled, octets, tail[position + 3], tlvs)


def _read_times(tail: bytes) -> tuple[int, SmppTime | None]:
    """Returns where schedule_delivery_time and validity_period end, and the first of them."""
    if len(tail) < 3:
        raise Malformed(ESME_RINVCMDLEN, "length", "the body ends before schedule_delivery_time")
    position = 3
    found: list[SmppTime | None] = []
    for name, status in (("schedule_delivery_time", ESME_RINVSCHED), ("validity_period", ESME_RINVEXPIRY)):
        end = tail.find(0, position, position + 17)
        if end < 0:
            raise Malformed(status, "field", f"{name} without its NUL or longer than 16 octets")
        if end == position:
            found.append(None)
        else:
            try:
                found.append(read_time(tail[position:end]))
            except ValueError as error:
                raise Malformed(status, "field", f"{name}: {error}") from None
        position = end + 1
    return position, found[0]


def text_of(
    octets: bytes, esm_class: int, data_coding: int, read: Callable[[bytes, int], tuple[str, str]] = decode
) -> tuple[str, str, Part | None]:
    """(text, state, part) of user data."""
    if not esm_class & ESM_UDHI:
        text, state = read(octets, data_coding)
        return text, state, None
    header = read_udh(octets)
    if header.state != READABLE:
        return "", header.state, header.part
    text, state = read(octets[header.length :], data_coding)
    return text, state, header.part


def content_of(
    octets: bytes, esm_class: int, data_coding: int, tlvs: list[tuple[int, bytes]]
) -> tuple[str, str, Part | None, tuple[tuple[int, bytes], ...]]:
    """(text, state, part, extra) of user data and the optional parameters beside it."""
    text, state, part = text_of(octets, esm_class, data_coding, displayed_text)
    if not tlvs:
        return text, state, part, ()
    extra = tuple([pair for pair in tlvs if pair[0] not in CARRIED])
    values = dict(extra)
    part = part or _sar_part(values)
    if DESTINATION_PORT in values:
        text, state = "", state_of_port(int.from_bytes(values[DESTINATION_PORT], "big"))
    return text, state, part, extra


@cython.boundscheck(False)
@cython.wraparound(False)
@cython.nonecheck(False)
@cython.ccall
def plain_content(data: bytes, begin: cython.Py_ssize_t, digest: bytes) -> Content | None:
    """The content of the octets from ``begin`` on if they are a readable text, or a part of one in UCS-2, without times and optional
    parameters: nearly always. ``digest``: of these octets, empty if not known. None: ``read_content`` reads it."""
    octets: cython.p_uchar = data
    end: cython.Py_ssize_t = len(data)
    first: cython.Py_ssize_t = begin + 10
    if end <= first or end != first + octets[begin + 9] or end - first > _SHORT_MAX or octets[begin + 3] or octets[begin + 4]:
        return None
    if octets[begin] & _UNUSUAL_CLASSES or octets[begin + 2] > 3 or octets[begin + 5] > 2 or octets[begin + 6] > 1:
        return None
    coding: cython.Py_ssize_t = octets[begin + 7]
    part: Part | None = None
    if octets[begin] & _UDHI:
        first += _header_bytes(octets, first, end)
        if octets[first - 1] == 0 or octets[first - 1] > octets[first - 2] or octets[first - 2] == 1 or first == begin + 10:
            return None
        part = _known_part(octets[first - 3], octets[first - 2], octets[first - 1])
    is_ucs_2: bytes = IS_UCS_2
    text: str | None = None
    if is_ucs_2[coding] and end > first and not (end - first) & 1:
        text = plain_utf16(data, first, end)
    if text is None and part is None:
        text = _displayed(octets[first:end], coding)
    if text is None:
        return None
    content: Content = Content.__new__(Content)
    content.text, content.state, content.extra, content.complete = text, READABLE, _NO_EXTRA, True
    content.read_by = content.reading = content.scheduled = content.octets = None
    content.digest = digest if len(digest) > 0 else digest_from(data, begin)
    content.part = part
    if part is not None:
        content.octets = (coding, octets[first:end])
    return content


@cython.cfunc
def _known_part(reference: int, total: int, index: int) -> Part:
    fields = (reference, total, index)
    known: dict[tuple[int, int, int], Part] = _parts
    part = known.get(fields)
    if part is None:
        if len(_parts) >= _PARTS_MAX:
            _parts.clear()
        part = _parts[fields] = Part(reference, total, index)
    return part


def _displayed(octets: bytes, coding: int) -> str | None:
    text, state = displayed_text(octets, coding)
    return text if state == READABLE else None


@cython.cfunc
@cython.exceptval(check=False)
def _header_bytes(octets: cython.p_uchar, first: cython.Py_ssize_t, end: cython.Py_ssize_t) -> cython.Py_ssize_t:
    """The length of a user data header that says nothing but which part it is; 0 for any other."""
    if end - first > 6 and octets[first] == 5 and octets[first + 1] == 0 and octets[first + 2] == 3:
        return 6
    if end - first > 7 and octets[first] == 6 and octets[first + 1] == 8 and octets[first + 2] == 4:
        return 7
    return 0


def read_content(tail: bytes, now: float, digest: bytes = b"") -> tuple[Content, bool]:
    """Returns the content of a submit, and whether it may be cached (it has no relative time). ``digest``: of the message, if known; it differs
    from the tail's digest only for a part of a multipart message. Raises Malformed."""
    plain = plain_content(tail, 0, b"" if tail and tail[0] & ESM_UDHI else digest)
    if plain is not None:
        return plain, True
    esm_class, data_coding, scheduled, octets, default_msg_id, tlvs = read_tail(tail)
    text, state, part, extra = content_of(octets, esm_class, data_coding, tlvs)
    fault = flags_fault(esm_class, tail[2], *_flags_after_times(tail)) or text_fault(octets, esm_class, dict(tlvs))
    if state == EMPTY and default_msg_id:
        state = UNREADABLE  # §5.2.20: the carrier's own canned text, which we do not know
    when = None if scheduled is None else scheduled.at(now)
    lasting = scheduled is None or not scheduled.relative
    behind = None if part is None else octets_after_header(octets, esm_class, data_coding, extra)
    return with_fault(Content(text, state, digest_from(tail, 0), part, when, extra, behind), fault), lasting


def _flags_after_times(tail: bytes) -> tuple[int, int]:
    """registered_delivery and replace_if_present_flag of a tail that ``read_tail`` has accepted."""
    position = tail.index(0, tail.index(0, 3) + 1) + 1
    return tail[position], tail[position + 1]


def octets_after_header(
    octets: bytes, esm_class: int, data_coding: int, extra: tuple[tuple[int, bytes], ...]
) -> tuple[int, bytes] | None:
    """(data_coding, octets after the header), which ``joined`` decodes together with the other parts; None if the header makes the text
    unreadable."""
    if DESTINATION_PORT in dict(extra):
        return None
    if not esm_class & ESM_UDHI:
        return data_coding, octets
    header = read_udh(octets)
    return (data_coding, octets[header.length :]) if header.state == READABLE else None


def _sar_part(values: dict[int, bytes]) -> Part | None:
    """The part number from the three ``sar_*`` parameters (§5.3.2.22-24); None if one of them is missing."""
    try:
        reference, total, index = values[SAR_MSG_REF_NUM], values[SAR_TOTAL_SEGMENTS], values[SAR_SEGMENT_SEQNUM]
    except KeyError:
        return None
    return part_of(int.from_bytes(reference, "big"), total[0], index[0])
