"""Journals of formats 1 and 2, as earlier gates wrote them."""

from __future__ import annotations

from hashlib import blake2b

from proxy.journal.segment import (
    GROUP,
    GROUP_BYTES,
    HEADER_BYTES,
    RECORD_HEAD_BYTES,
    CommitGroup,
    close_group,
    groups,
    pack_header,
    pack_record,
    seal_group,
    unpack_header,
)
from tests.journal.memory_disk import MemoryDisk

_MARK, _CLAIM_BYTES = b"\xffgroup\xff\n", 20


def written_earlier(disk: MemoryDisk, segments: int = 1 << 30) -> MemoryDisk:
    """The same records, under the same keys. ``segments``: so many of an earlier gate, and what is behind them of today's."""
    found = MemoryDisk(disk.ring)
    chain = bytes(32)
    for place, name in enumerate(disk.list()):
        data = disk.read(name)
        header = unpack_header(data)
        earlier = place < segments
        pieces = [pack_header(header._replace(form=header.form - 4 * earlier, previous=chain))]
        for group in groups(data, header, disk.ring):
            content = _content(disk, header.identity, group, chain, sealed=header.sealed)
            if earlier:
                closing, chain = _closed(data[group.end - GROUP_BYTES + RECORD_HEAD_BYTES : group.end], group, content, chain)
            else:
                closing, chain = close_group(chain, content, group.last, group.held, group.synced, group.time_ms)
            pieces += [content, closing]
        found.append(name, 0, b"".join(pieces))
        found.sync(name)
    found.identify(disk.identity())
    return found


def _closed(body: bytes, group: CommitGroup, content: bytes, chain: bytes) -> tuple[bytes, bytes]:
    assert body.startswith(_MARK)
    chain = blake2b(chain + content + body[-_CLAIM_BYTES:], digest_size=32).digest()
    return pack_record(group.last, GROUP, _MARK + chain + body[-_CLAIM_BYTES:]), chain


def _content(disk: MemoryDisk, identity: bytes, group: CommitGroup, chain: bytes, *, sealed: bool) -> bytes:
    packed = b"".join([pack_record(*record) for record in group.records])
    sealer = disk.ring.sealer(identity) if sealed and packed else None
    if sealer is None:
        return packed
    return seal_group(sealer, chain, packed, group.last, group.held, group.synced, group.time_ms)


def forms(disk: MemoryDisk) -> list[int]:
    return [unpack_header(disk.read(name)[:HEADER_BYTES]).form for name in disk.list()]
