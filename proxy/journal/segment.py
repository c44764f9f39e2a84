"""Defines the bytes of a journal segment: header, records, commit groups.

In: bytes. Out: bytes, CommitGroups; ``SegmentFault`` with the offset where they stop making sense. Never: files, a clock.

    segment = header, group, group, …       (zero bytes after the last group are preallocated space, not data)
    group   = record, …, GROUP record       (the last record's sequence is the group's; a group may hold no other record)
    record  = length u32, crc32 u32, sequence u64, kind u8, body        (the crc covers sequence, kind and body)
    GROUP   = mark, digest, synced, count, time
    digest  = blake2b-256(previous digest + quarters of the group's records + synced, count, time)
    quarters of n bytes = four times blake2b-256, each of ⌈n / 4⌉ bytes, the last ones shorter or empty: a processor hashes four side
              by side

In a segment of format 6 the records of a group are sealed as one (sealing.py). The digest is of the sealed bytes: the chain is verified
without a key.

    group   = SEALED record, GROUP record       (a group that holds no records has no SEALED)
    SEALED  = the seal, the records under it    (its sequence is the group's)

A person may be taken out of a closed segment (erasure.py). The segment's format says that it holds such groups:

    group     = record, … or SEALED, REDACTION record, GROUP record       (GROUP as it was: the chain continues over the old bytes)
    REDACTION = blake2b-256(digest in the GROUP record + quarters of the records that stand there now + synced, count, time)

A REDACTION proves the present bytes; only an ERASURE record (kind 39) says that they may stand there.

Formats whose number is lower by 4 are those of earlier gates, which hashed the bytes themselves instead of their quarters. They are read
and redacted as they are, and nothing is appended to them.

``synced`` is the writer's claim that every record up to that sequence was on the medium when the group was written. It tells damage (a hole
below a later ``synced``) from the tail that a power loss tore off (nobody was answered for it).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from functools import partial
from hashlib import blake2b
from typing import NamedTuple
from zlib import crc32

from proxy.journal.sealing import KeyRing, NoKey, NotAsSealed, Sealer
from proxy.model.number import masked_repr
from proxy.native.blake2 import quartered_digest

REDACTION, SEALED, GROUP = 253, 254, 255
"""Kinds of the records of a segment itself: a redaction of a group, a sealed group, the end of a group. journal/records/messages.py
may use all others
but 0."""
BODY_BYTES_MAX = 1 << 20
"""No record comes near a megabyte (a PDU has at most 64 KiB); a greater length is damage, not a reason to allocate."""
SEALED_BYTES_MAX = 1 << 30
"""But for a sealed one, which is a turn of the gate as a whole."""

_HEADER = struct.Struct(">8sHHQQQ16s32s")  # magic, format, node, first, synced, created, identity, previous digest
_CRC = struct.Struct(">I")
HEADER_BYTES = _HEADER.size + _CRC.size
_MAGIC = b"GATE106\n"
_PLAIN_BEFORE, _SEALED_BEFORE = 1, 2
_QUARTERED = 4
REDACTED = 2
"""Added to a format's number where digests are of quarters (4), and where groups were redacted (2)."""
PLAIN, UNDER_SEAL = _PLAIN_BEFORE + _QUARTERED, _SEALED_BEFORE + _QUARTERED
_LAST = UNDER_SEAL + REDACTED
_LENGTH_CRC = struct.Struct(">II")
_SEQUENCE_KIND = struct.Struct(">QB")
_RECORD = struct.Struct(">IIQB")
RECORD_HEAD_BYTES = _RECORD.size
_MARK = b"\xffgroup\xff\n"
_SEQUENCE = struct.Struct(">Q")
_CLAIM = struct.Struct(">QIQ")  # synced, count, time in ms
DIGEST_BYTES = 32
_GROUP_BODY_BYTES = len(_MARK) + DIGEST_BYTES + _CLAIM.size
GROUP_BYTES = RECORD_HEAD_BYTES + _GROUP_BODY_BYTES

pack_length_crc, pack_sequence_kind, _unpack_record = _LENGTH_CRC.pack, _SEQUENCE_KIND.pack, _RECORD.unpack_from


class SegmentHeader(NamedTuple):
    node: int
    first: int  # sequence of the first record
    synced: int  # as in a group
    created_ms: int
    identity: bytes  # 16 bytes that all segments of one journal share
    previous: bytes  # digest of the last group of the segment before
    form: int = PLAIN

    @property
    def sealed(self) -> bool:
        return self._unquartered_form in (_SEALED_BEFORE, _SEALED_BEFORE + REDACTED)

    @property
    def redacted(self) -> bool:
        return self._unquartered_form > _SEALED_BEFORE

    @property
    def quartered(self) -> bool:
        """Whether digests are of quarters."""
        return self.form > _QUARTERED

    @property
    def _unquartered_form(self) -> int:
        """The format, whatever digests are of."""
        return self.form - _QUARTERED * self.quartered


@masked_repr
class JournalRecord(NamedTuple):
    sequence: int
    kind: int
    body: bytes


_made: Callable[[tuple[int, int, bytes]], JournalRecord] = partial(tuple.__new__, JournalRecord)
"""A JournalRecord of three fields, at a third of the cost of its ``__new__``: reading a journal makes millions."""


class CommitGroup(NamedTuple):
    records: list[JournalRecord]  # empty for a sealed group whose key is not available
    last: int  # sequence of its last record
    start: int  # offset in the segment
    end: int
    digest: bytes
    synced: int
    time_ms: int
    held: int  # number of records, as the group states it
    redaction: bytes = b""  # digest of the present bytes of a redacted group


class SegmentFault(Exception):
    """The bytes at ``offset`` are not what a writer would have written."""

    def __init__(self, offset: int, why: str) -> None:
        super().__init__(f"{why} at offset {offset}")
        self.offset = offset
        self.why = why


class NewerFormat(SegmentFault):
    """An intact header of a format that this gate does not know: neither damage nor a torn tail."""


class MissingKey(SegmentFault):
    """A group is sealed with a key that is not available; nothing else is wrong with it."""

    def __init__(self, offset: int, key_id: str) -> None:
        super().__init__(offset, f"it is sealed with the key {key_id}")
        self.key_id = key_id


class Forged(SegmentFault):
    """The chain holds, but the group was not written with the key: not a torn tail."""


def pack_header(header: SegmentHeader) -> bytes:
    node, first, synced, created_ms, identity, previous, form = header
    head = _HEADER.pack(_MAGIC, form, node, first, synced, created_ms, identity, previous)
    return head + _CRC.pack(crc32(head))


def unpack_header(data: bytes) -> SegmentHeader:
    """The header of a segment; SegmentFault if it is short, foreign, of another format, or damaged. Magic, format and checksum are at the
    same place in every format, so that an earlier gate can tell a later one's segment from a damaged one."""
    if len(data) < HEADER_BYTES:
        raise SegmentFault(len(data), "the header is cut short")
    magic, form, node, first, synced, created_ms, identity, previous = _HEADER.unpack_from(data)
    if magic != _MAGIC:
        raise SegmentFault(0, "not a journal segment")
    if _CRC.unpack_from(data, _HEADER.size)[0] != crc32(data[: _HEADER.size]):
        raise SegmentFault(0, "the header's checksum does not match")
    if not _PLAIN_BEFORE <= form <= _LAST:
        raise NewerFormat(8, f"its format {form} is newer than this gate knows ({_LAST})")
    return SegmentHeader(node, first, synced, created_ms, identity, previous, form)


def pack_record(sequence: int, kind: int, body: bytes) -> bytes:
    meta = pack_sequence_kind(sequence, kind)
    return pack_length_crc(len(body), crc32(body, crc32(meta))) + meta + body


def split_records(records: bytes) -> list[tuple[int, bytes]]:
    """(kind, body) of packed records, one behind the other."""
    found, at = [], 0
    while at < len(records) and (record := _record(records, at, begun=True)) is not None:
        _, kind, body, at = record
        found.append((kind, body))
    return found


def close_group(
    previous: bytes, records: bytes | memoryview, last: int, count: int, synced: int, time_ms: int
) -> tuple[bytes, bytes]:
    """(the GROUP record, its digest) for the ``count`` packed records that end with sequence ``last``."""
    claim = _CLAIM.pack(synced, count, time_ms)
    digest = quartered_digest(previous, records, claim)
    return pack_record(last, GROUP, _MARK + digest + claim), digest


def seal_group(sealer: Sealer, previous: bytes, records: bytes, last: int, count: int, synced: int, time_ms: int) -> bytes:
    """The SEALED record that stands for packed records; what ``close_group`` is given instead of them."""
    return pack_record(
        last, SEALED, sealer.seal(records, _authenticated_data(previous, last, _CLAIM.pack(synced, count, time_ms)))
    )


def _authenticated_data(previous: bytes, last: int, claim: bytes) -> bytes:
    """The clear data authenticated with a sealed group, so that nobody without the key can rewrite the chain."""
    return previous + _SEQUENCE.pack(last) + claim


def _digest_before(previous: bytes, records: bytes | memoryview, claim: bytes) -> bytes:
    """As earlier formats have it."""
    hashed = blake2b(previous, digest_size=DIGEST_BYTES)
    hashed.update(records)
    hashed.update(claim)
    return hashed.digest()


def groups(data: bytes, header: SegmentHeader, ring: KeyRing | None = None) -> Iterator[CommitGroup]:
    """The groups of a whole segment, each yielded once it is proved complete. ``ring``: what opens sealed ones; None: they stay closed.

    Raises SegmentFault at the first byte that cannot be right; ends at the end of the data, or where only zeros follow.
    """
    chain, sequence = header.previous, header.first - 1
    start = offset = HEADER_BYTES
    records: list[JournalRecord] = []
    sealed: JournalRecord | None = None
    redaction, redacted_at = b"", 0
    end = len(data)
    while offset < end:
        begun = bool(records) or sealed is not None
        found = _record(data, offset, begun=begun)
        if found is None:
            return
        number, kind, body, after = found
        if kind == GROUP:
            before = chain
            claim = _claim(data, start, redacted_at or offset, body, chain, redaction, quartered=header.quartered)
            chain, synced, count, time_ms = claim
            if header.sealed:
                records = _decrypted(sealed, ring, header, before, offset, claim, sequence)
                sequence += count
            elif count != len(records):
                raise SegmentFault(offset, f"a group of {count} records holds {len(records)}")
            yield CommitGroup(records, sequence, start, after, chain, synced, time_ms, count, redaction)
            start, records, sealed = after, [], None
            redaction, redacted_at = b"", 0
        elif kind == REDACTION or redaction:
            if redaction or not header.redacted or len(body) != DIGEST_BYTES:
                raise SegmentFault(offset, "what stands for a redaction has no place here")
            redaction, redacted_at = body, offset
        elif header.sealed:
            if kind != SEALED or sealed is not None:
                raise SegmentFault(offset, "a record stands in the clear where all are sealed")
            sealed = JournalRecord(number, kind, body)
        else:
            sequence += 1
            if number != sequence:
                raise SegmentFault(offset, f"record {number} stands where {sequence} should")
            records.append(_made((number, kind, body)))
        offset = after
    if records or sealed is not None:
        raise SegmentFault(start, "the last group has no end")


def groups_of_proof(data: bytes) -> Iterator[CommitGroup]:
    """The groups of what a proof has: segments one behind the other, each of which goes on where the one before ended. Sealed ones stay closed.
    Fault, as of ``groups``."""
    header, at = unpack_header(data), 0
    while True:
        part = data[at:]
        chain, last, end = header.previous, header.first - 1, HEADER_BYTES
        try:
            for group in groups(part, header):
                chain, last, end = group.digest, group.last, group.end
                yield group
        except SegmentFault as fault:
            if fault.offset != end or not part.startswith(_MAGIC, end):
                raise
        else:
            return
        at += end
        before, header = header, unpack_header(data[at:])
        if (header.previous, header.first, header.identity) != (chain, last + 1, before.identity):
            raise SegmentFault(end, "the chain is broken between segments")


def _record(data: bytes, offset: int, *, begun: bool) -> tuple[int, int, bytes, int] | None:
    """(sequence, kind, body, end) of the record at ``offset``; None at preallocated space. ``begun``: inside a group, where there is no
    such space."""
    end = len(data)
    if end - offset < RECORD_HEAD_BYTES:
        if not begun and not data[offset:].strip(b"\0"):
            return None
        raise SegmentFault(offset, "a record is cut short")
    length, crc, number, kind = _unpack_record(data, offset)
    body_at = offset + RECORD_HEAD_BYTES
    if length == 0 == crc and not begun and not data[offset:].strip(b"\0"):
        return None
    if length > (SEALED_BYTES_MAX if kind == SEALED else BODY_BYTES_MAX):
        raise SegmentFault(offset, f"a record claims {length} bytes")
    if body_at + length > end:
        raise SegmentFault(offset, "a record is cut short")
    body = data[body_at : body_at + length]
    if crc32(body, crc32(data[offset + 8 : body_at])) != crc:
        raise SegmentFault(offset, "a record's checksum does not match")
    return number, kind, body, body_at + length


class _Claim(NamedTuple):
    digest: bytes
    synced: int
    held: int
    time_ms: int


def _claim(data: bytes, start: int, offset: int, body: bytes, chain: bytes, redaction: bytes, *, quartered: bool) -> _Claim:
    """What a GROUP record says of the records from ``start`` to ``offset``; SegmentFault when the chain, or the redaction, does not bear
    it out."""
    if len(body) != _GROUP_BODY_BYTES or not body.startswith(_MARK):
        raise SegmentFault(offset, "a group's end has the wrong form")
    claim = body[-_CLAIM.size :]
    digested = quartered_digest if quartered else _digest_before
    digest, records = body[len(_MARK) : len(_MARK) + DIGEST_BYTES], memoryview(data)[start:offset]
    if redaction and redaction != digested(digest, records, claim):
        raise SegmentFault(offset, "a group that was redacted is not what it was then")
    if not redaction and digest != digested(chain, records, claim):
        raise SegmentFault(offset, "the chain is broken: a group's digest does not match")
    return _Claim(digest, *_CLAIM.unpack(claim))


def _decrypted(
    sealed: JournalRecord | None,
    ring: KeyRing | None,
    header: SegmentHeader,
    chain: bytes,
    offset: int,
    claim: _Claim,
    before: int,
) -> list[JournalRecord]:
    """The records of a group behind record ``before`` that ends at ``offset``, whose chain was proved. Locked, Forged."""
    _, synced, count, time_ms = claim
    if sealed is None or not count:
        if sealed is not None or count:
            raise SegmentFault(offset, f"a group of {count} records holds {'some' if sealed is not None else 'none'}")
        return []
    if sealed.sequence != before + count:
        raise SegmentFault(offset, f"a group ends at {sealed.sequence}, where {before + count} should stand")
    if ring is None:
        return []
    try:
        data = ring.open(
            sealed.body, header.identity, _authenticated_data(chain, sealed.sequence, _CLAIM.pack(synced, count, time_ms))
        )
    except NoKey as fault:
        raise MissingKey(offset, fault.key_id) from None
    except NotAsSealed as fault:
        raise Forged(offset, str(fault)) from None
    return _unsealed(data, offset, before, count)


def _unsealed(data: bytes, offset: int, before: int, count: int) -> list[JournalRecord]:
    """Its records, packed as in the clear."""
    records = list[JournalRecord]()
    at = 0
    try:
        while at < len(data) and (found := _record(data, at, begun=True)) is not None:
            number, kind, body, at = found
            records.append(_made((number, kind, body)))
            if number != before + len(records):
                raise SegmentFault(at, f"record {number} stands where {before + len(records)} should")
    except SegmentFault as fault:
        raise Forged(offset, f"what is sealed cannot be read: {fault.why}") from None
    if len(records) != count:
        raise Forged(offset, f"a group of {count} records holds {len(records)}")
    return records


def redaction_record(group: CommitGroup, content: bytes, closing: bytes, *, quartered: bool) -> tuple[bytes, bytes]:
    """(the REDACTION record, its digest) for a group whose records are ``content`` now; ``closing``: its GROUP record, which stays.
    ``quartered``: as its segment."""
    digest = (quartered_digest if quartered else _digest_before)(group.digest, content, closing[-_CLAIM.size :])
    return pack_record(group.last, REDACTION, digest), digest


def highest_synced(data: bytes, offset: int = 0) -> int:
    """The highest ``synced`` that any intact GROUP record from ``offset`` on claims; 0 if none does.

    Works on bytes whose framing is lost: it looks for the mark and believes only what its checksum proves.
    """
    best = 0
    at = data.find(_MARK, offset)
    while at >= 0:
        head = at - RECORD_HEAD_BYTES
        body = data[at : at + _GROUP_BODY_BYTES]
        if head >= offset and len(body) == _GROUP_BODY_BYTES:
            length, crc, _, kind = _unpack_record(data, head)
            if kind == GROUP and length == _GROUP_BODY_BYTES and crc32(body, crc32(data[head + 8 : at])) == crc:
                best = max(best, _CLAIM.unpack_from(body, _GROUP_BODY_BYTES - _CLAIM.size)[0])
        at = data.find(_MARK, at + 1)
    return best
