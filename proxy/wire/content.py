"""Reads text, parts and TLVs from the octets after the destination.

Submits and delivers have the same octets there.

In: those octets. Out: message.Content, or Malformed. Never: sender or recipient. Only fields on which rules depend are checked
for their meaning. Reserved values in fields that concern the carrier alone are noted (reserved_values.py); the provider's settings
decide whether they pass.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from itertools import product
from typing import NamedTuple

from proxy.model.message import Content, Part
from proxy.wire.charset import EMPTY, READABLE, UNREADABLE, decode, displayed_text
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


_USUAL = frozenset(
    bytes((esm_class, 0, priority, 0, 0, registered, replace))
    for esm_class, priority, registered, replace in product(range(4), range(4), range(3), range(2))
)
"""The octets before data_coding in nearly all messages: no header, no times, nothing reserved."""


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


def read_content(tail: bytes, now: float, digest: bytes = b"") -> tuple[Content, bool]:
    """Returns the content of a submit, and whether it may be cached (it has no relative time). ``digest``: of the message, if known; it differs
    from the tail's digest only for a part of a multipart message. Raises Malformed."""
    if len(tail) >= 10 and len(tail) == 10 + tail[9] <= 10 + SHORT_MESSAGE_MAX and tail[:7] in _USUAL:
        text, state = displayed_text(tail[10:], tail[7])  # no header, no times, no optional parameter: nearly always
        if state == READABLE:
            return Content(text, READABLE, digest or blake2b(tail, digest_size=16).digest()), True
    esm_class, data_coding, scheduled, octets, default_msg_id, tlvs = read_tail(tail)
    text, state, part, extra = content_of(octets, esm_class, data_coding, tlvs)
    fault = flags_fault(esm_class, tail[2], *_flags_after_times(tail)) or text_fault(octets, esm_class, dict(tlvs))
    if state == EMPTY and default_msg_id:
        state = UNREADABLE  # §5.2.20: the carrier's own canned text, which we do not know
    digest = blake2b(tail, digest_size=16).digest()
    when = None if scheduled is None else scheduled.at(now)
    lasting = scheduled is None or not scheduled.relative
    behind = None if part is None else octets_after_header(octets, esm_class, data_coding, extra)
    return with_fault(Content(text, state, digest, part, when, extra, behind), fault), lasting


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
