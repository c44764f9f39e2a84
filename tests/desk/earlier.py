"""Earlier: a journal as gates wrote it whose digests were of the records themselves (formats 1 and 2)."""

from __future__ import annotations

from hashlib import blake2b

from proxy.desk.disk import MemoryDisk
from proxy.desk.segment import (
    GROUP,
    GROUP_BYTES,
    HEADER_BYTES,
    RECORD_HEAD_BYTES,
    Group,
    groups,
    pack_header,
    pack_record,
    seal_group,
    unpack_header,
)

_MARK, _CLAIM_BYTES = b"\xffgroup\xff\n", 20


def written_earlier(disk: MemoryDisk) -> MemoryDisk:
    """The same records, under the same keys."""
    found = MemoryDisk(disk.ring)
    chain = bytes(32)
    for name in disk.list():
        data = disk.read(name)
        header = unpack_header(data)
        pieces = [pack_header(header._replace(form=header.form - 4, previous=chain))]
        for group in groups(data, header, disk.ring):
            closing = data[group.end - GROUP_BYTES + RECORD_HEAD_BYTES : group.end]
            assert closing.startswith(_MARK)
            content = _content(disk, header.identity, group, chain, sealed=header.sealed)
            chain = blake2b(chain + content + closing[-_CLAIM_BYTES:], digest_size=32).digest()
            pieces += [content, pack_record(group.last, GROUP, _MARK + chain + closing[-_CLAIM_BYTES:])]
        found.append(name, 0, b"".join(pieces))
        found.sync(name)
    found.identify(disk.identity())
    return found


def _content(disk: MemoryDisk, identity: bytes, group: Group, chain: bytes, *, sealed: bool) -> bytes:
    packed = b"".join([pack_record(*record) for record in group.records])
    sealer = disk.ring.sealer(identity) if sealed and packed else None
    if sealer is None:
        return packed
    return seal_group(sealer, chain, packed, group.last, group.held, group.synced, group.time_ms)


def forms(disk: MemoryDisk) -> list[int]:
    return [unpack_header(disk.read(name)[:HEADER_BYTES]).form for name in disk.list()]
