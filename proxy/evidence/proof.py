"""Proof: where a record stands in the journal's chain, from its group to the head of its day, which was signed and published.

In: the archive, a journal's segments, a record's place. Out: a mapping for JSON; where it was asked for, the groups' own bytes. Never: a
claim without what it rests on: what cannot be shown is said.

    record ── in a group, whose digest covers it ── next group … ── last group of the day's table ── the table, in the head ── signature

The digests of groups run over the bytes of all records between, those of other people too. So the bytes themselves are only handed out
where somebody may see them, or where the journal is sealed (``chain``); without them the pack says where the record stands, and the
gate's signature vouches for it.
"""

from __future__ import annotations

from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

from proxy.archive import heads
from proxy.archive.manifest import Manifest, Table, home_of, load
from proxy.desk.disk import Disk
from proxy.desk.scan import Placed, Scan
from proxy.desk.segment import pack_header

CHAIN_BYTES_MAX = 256 << 20
"""Of groups that are handed out: a few minutes of a busy gate, a day of a quiet one."""


class Proof(NamedTuple):
    said: dict[str, Any]
    chain: bytes
    """Groups from the record's to the last of its table, one after the other; empty where they were not asked for."""


def prove(archive: Path, disk: Disk, node: int, sequence: int, *, chain: bool) -> Proof:
    """JournalDamaged, ManifestError, OSError; ValueError where the record is not in the journal."""
    home = home_of(archive, node, disk.identity())
    manifest = load(home)
    table = next((one for one in manifest.tables if one.first <= sequence <= one.last), None)
    groups, placed, previous = _groups(disk, sequence, table.last if table is not None and chain else sequence)
    record = next(one for one in placed.group.records if one.sequence == sequence)
    said: dict[str, Any] = {
        "node": node,
        "identity": disk.identity(),
        "record": sequence,
        "record_digest": blake2b(record.body, digest_size=32).hexdigest(),
        "kind": record.kind,
        "segment": placed.segment,
        "sealed": placed.header.sealed,
        "group": {"last": placed.group.last, "before": previous.hex(), "digest": placed.group.digest.hex()},
        "table": None if table is None else [*table[:-1], [list(file) for file in table.files]],
        "head": _head(home, table),
        "complete": _complete(manifest),
    }
    return Proof(said, groups if chain else b"")


def _groups(disk: Disk, sequence: int, upto: int) -> tuple[bytes, Placed, bytes]:
    """(bytes of the groups, the one that holds the record, the digest before it)."""
    found: Placed | None = None
    chain, previous, pieces, size = bytes(32), bytes(32), list[bytes](), 0
    name, data = "", b""
    for placed in Scan(disk, sequence):
        if placed.segment != name:
            name, data = placed.segment, disk.read(placed.segment)
            chain = placed.header.previous
        if found is not None and placed.group.last > upto:
            break  # a group that only marks what was synced has the number of the one before, and is of its table
        if placed.group.last >= sequence:
            if found is None:
                found, previous = placed, chain
            pieces.append(data[placed.group.start : placed.group.end])
            size += len(pieces[-1])
            if size > CHAIN_BYTES_MAX:
                raise ValueError(
                    f"the groups up to the end of its table are more than {CHAIN_BYTES_MAX >> 20} MB: leave --chain out"
                )
        chain = placed.group.digest
    if found is None or not any(one.sequence == sequence for one in found.group.records):
        raise ValueError(f"record {sequence} is not in the journal")
    header = found.header._replace(first=found.group.records[0].sequence, previous=previous)
    return pack_header(header) + b"".join(pieces), found, previous


def _head(home: Path, table: Table | None) -> str:
    """The line of the day's head, empty while there is none: the day is not over, or not rolled yet."""
    if table is None or not table.whole_day:
        return ""
    try:
        return (home / heads.FOLDER / f"{table.day}-{table.first:020d}.json").read_text().strip()
    except FileNotFoundError:
        return ""


def _complete(manifest: Manifest) -> dict[str, Any]:
    """From where to where the tables are there."""
    if not manifest.tables:
        return {"tables": 0}
    first, last = manifest.tables[0], manifest.tables[-1]
    return {
        "tables": len(manifest.tables),
        "first": first.first,
        "last": last.last,
        "since_ms": first.since_ms,
        "until_ms": last.until_ms,
    }
