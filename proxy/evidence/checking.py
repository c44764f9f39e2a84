"""Checking: whether a pack is as the gate made it, and what it says hangs together. Needs the pack, and what was published; nothing else.

In: a ZIP from anybody, the public key or the head that were published. Out: a Checked: faults by file, and what was compared with what.
Never: settings, a store, a journal; a file unpacked to disk; more memory than its bounds; anything but Python's own library (alone.py).
"""

from __future__ import annotations

import io
import json
import zipfile
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

from proxy.desk.segment import Fault, groups, unpack_header
from proxy.evidence.ed25519 import is_signed
from proxy.evidence.pack import CHAIN, EVIDENCE, FORMAT, MANIFEST, PROOF, SIGNATURE, digest

FILE_BYTES_MAX = 300 << 20
FILES_MAX = 500
KEY_BYTES = 32


class NotAPack(Exception):
    """It cannot be read as a pack, or as a key, at all."""


class Checked(NamedTuple):
    faults: tuple[str, ...]
    """What was altered, each with the file; empty when all is as it was made."""
    notes: tuple[str, ...]
    """What was compared, and what could not be."""
    said: dict[str, Any]
    """The evidence, if it can be read."""

    @property
    def message(self) -> str:
        """Which one it is about, node:record; empty where that cannot be read."""
        message = self.said.get("message")
        return str(message.get("message", "")) if isinstance(message, dict) else ""

    def told(self) -> dict[str, Any]:
        """For programs."""
        return {"altered": list(self.faults), "notes": list(self.notes), "message": self.message}


def key_of(path: Path) -> bytes:
    """The public key that was handed over: 64 hex digits. NotAPack, OSError."""
    try:
        key = bytes.fromhex(path.read_text("ascii").strip())
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise NotAPack(f"{path}: is no public key (head.pub of the gate's keys: {2 * KEY_BYTES} hex digits)")
    return key


def check(path: Path, public: bytes | None, head: str = "") -> Checked:
    """``public``: whose signature it must bear; ``head``: the digest of the day's head as it was published. NotAPack, OSError."""
    files = _files(path)
    faults, notes = list[str](), list[str]()
    manifest = _json(files, MANIFEST, faults)
    _signature(files, public, faults, notes)
    named = manifest.get("files", {}) if isinstance(manifest.get("files"), dict) else {}
    if manifest.get("format") != FORMAT:
        faults.append(f"{MANIFEST}: of format {manifest.get('format')!r:.20}, which is not known here")
    for name, wanted in sorted(named.items()):
        if name not in files:
            faults.append(f"{name}: was taken out")
        elif digest(files[name]) != wanted:
            faults.append(f"{name}: was altered")
    faults += [f"{name}: was put in" for name in sorted(files.keys() - named.keys() - {MANIFEST, SIGNATURE})]
    said = _json(files, EVIDENCE, faults) if EVIDENCE in files else {}
    if PROOF in files:
        _proof(_json(files, PROOF, faults), files.get(CHAIN, b""), public or _public(files), head, faults, notes)
    return Checked(tuple(faults), tuple(notes), said)


def _files(path: Path) -> dict[str, bytes]:
    with path.open("rb") as file:
        data = file.read(FILE_BYTES_MAX + 1)
    if len(data) > FILE_BYTES_MAX:
        raise NotAPack(f"{path}: more than {FILE_BYTES_MAX >> 20} MB: no pack of this gate")
    try:
        # From memory: a place that was altered to lie before the file is then no trouble of the disk.
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            parts = packed.infolist()
            if len(parts) > FILES_MAX or sum(part.file_size for part in parts) > FILE_BYTES_MAX:
                raise NotAPack(f"{path}: more than {FILES_MAX} files or {FILE_BYTES_MAX >> 20} MB: no pack of this gate")
            names = [part.filename for part in parts]
            if len(set(names)) != len(names):
                raise NotAPack(f"{path}: a file stands in it twice: readers may see different ones")
            return {part.filename: packed.read(part) for part in parts}
    except NotAPack:
        raise
    except Exception as error:  # noqa: BLE001 # of many kinds, zlib's own among them: whatever was altered, it is no pack
        raise NotAPack(f"{path}: is no ZIP that can be read ({error})") from None


def _json(files: dict[str, bytes], name: str, faults: list[str]) -> dict[str, Any]:
    try:
        found = json.loads(files[name])
        if isinstance(found, dict):
            return found
        faults.append(f"{name}: was altered (it says nothing)")
    except KeyError:
        faults.append(f"{name}: was taken out")
    except (ValueError, RecursionError):
        faults.append(f"{name}: was altered (it cannot be read)")
    return {}


def _public(files: dict[str, bytes]) -> bytes | None:
    try:
        return bytes.fromhex(json.loads(files[SIGNATURE])["public"])
    except (KeyError, ValueError, TypeError):
        return None


def _signature(files: dict[str, bytes], public: bytes | None, faults: list[str], notes: list[str]) -> None:
    said = _json(files, SIGNATURE, faults)
    try:
        signature, own = bytes.fromhex(said["signature"]), bytes.fromhex(said["public"])
    except (KeyError, ValueError, TypeError):
        faults.append(f"{SIGNATURE}: was altered (it holds no signature)")
        return
    if public is not None and own != public:
        faults.append(f"{SIGNATURE}: signed by another key ({own.hex()[:16]}…) than was given")
        return
    if not is_signed(own, signature, files.get(MANIFEST, b"")):
        faults.append(f"{MANIFEST}: was altered: the signature is not good")
    elif public is None:
        notes.append(f"signed by key {own.hex()}: compare it with the one that was published, or give it (--key)")
    else:
        notes.append(f"signed by the key that was given ({own.hex()[:16]}…)")


def _proof(proof: dict[str, Any], chain: bytes, public: bytes | None, head: str, faults: list[str], notes: list[str]) -> None:
    """The record → its group → the day's table → the head."""
    try:
        record, group, table, line = int(proof["record"]), proof["group"], proof["table"], str(proof["head"])
        if chain:
            _chain(proof, chain, table, faults, notes)
        if not line:
            notes.append("the day of the record has no signed head yet: it is in no table of a whole day")
            if head:
                faults.append(f"{PROOF}: holds no head, so not the one that was published")
            return
        if not chain:
            notes.append(f"that record {record} leads to that head rests on the signature alone: there is no {CHAIN} to follow")
        wrapped = json.loads(line)
        said = json.loads(wrapped["said"])
        if public is None or not is_signed(public, bytes.fromhex(wrapped["signature"]), wrapped["said"].encode()):
            faults.append(f"{PROOF}: the head of {said['day']} is not signed by that key")
        found = blake2b(line.encode(), digest_size=32).hexdigest()
        if head and found != head.strip().lower():
            faults.append(f"{PROOF}: the head of {said['day']} is not the one that was published")
        elif head:
            notes.append(f"the head of {said['day']} is the one that was published")
        else:
            notes.append(
                f"the head of {said['day']} is {found}: compare it with the one that was published, or give it (--head)"
            )
        if _table_digest(table) != said["table"]:
            faults.append(f"{PROOF}: the head of {said['day']} speaks of another table")
        if not said["first"] <= record <= said["last"]:
            faults.append(f"{PROOF}: record {record} is not of {said['day']} (records {said['first']} to {said['last']})")
        if int(group["last"]) > said["last"] or said["chain"] != table[_CHAIN_PLACE]:
            faults.append(f"{PROOF}: the group of record {record} does not lie before the head of {said['day']}")
    except (KeyError, ValueError, TypeError, IndexError) as error:
        faults.append(f"{PROOF}: was altered (it cannot be read: {error!r:.100})")


def _table_digest(table: list[Any]) -> str:
    """As archive.heads makes it."""
    return blake2b(json.dumps(table, separators=(",", ":")).encode(), digest_size=32).hexdigest()


def _chain(proof: dict[str, Any], chain: bytes, table: list[Any] | None, faults: list[str], notes: list[str]) -> None:
    """The groups' own bytes: each digest is made again, from the one before the record to the end of its table."""
    group, record = proof["group"], int(proof["record"])
    last, digests, seen, erased = 0, list[str](), None, 0
    try:
        header = unpack_header(chain)
        if header.previous.hex() != group["before"] or header.identity.hex() != proof["identity"]:
            raise Fault(0, "it begins elsewhere")
        for found in groups(chain, header):
            for one in found.records:
                if one.sequence == record:
                    seen = blake2b(one.body, digest_size=32).hexdigest()
            last, erased = found.last, erased + bool(found.redaction)
            digests.append(found.digest.hex())
    except Fault as fault:
        faults.append(f"{CHAIN}: was altered behind record {last} ({fault.why})")
        return
    if erased:  # only the journal can say of these that they may be so
        faults.append(
            f"{CHAIN}: passes over {erased} groups of which somebody was erased, and proves nothing of what lies before them"
        )
    elif not digests or digests[0] != group["digest"] or (not header.sealed and seen != proof["record_digest"]):
        faults.append(f"{CHAIN}: record {record} is not in it as {PROOF} says")
    elif table is not None and digests[-1] != table[_CHAIN_PLACE]:
        faults.append(f"{CHAIN}: does not lead to the end of the day's table")
    else:
        sealed = "; they are sealed, so the signature vouches for what is in them" if header.sealed else ""
        notes.append(f"the chain holds over {len(digests)} groups, from record {record} to {last}{sealed}")


_CHAIN_PLACE = 5
"""Where a table's own chain stands in its row."""
