"""Signs and checks one line a day that fixes a node's journal.

In: a manifest, the keys. Out: a signed head for each day that became a table; faults where a head and the tables differ. Never: a head
rewritten.

A head names the day's table (its records, the chain at its ends, the digest of each file), the head of the day before, and the newest head
of every other node in the archive. Heads are published where nobody can take them back. Anyone with one head from outside (a log kept
elsewhere, a report, a letter) can check everything before it: an altered table with a new manifest, a removed day, a node whose folder was
taken away.
"""

import json
from collections.abc import Callable
from contextlib import suppress
from hashlib import blake2b
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from proxy.archive.manifest import Manifest, TableEntry, node_folders
from proxy.archive.secret_keys import ArchiveKeys, signed_by
from proxy.runtime import atomic_files

FOLDER = "heads"
FORMAT = 1
UNREADABLE = (ValueError, KeyError, TypeError, AttributeError, RecursionError)  # reading a head that is damaged, or not ours


class HeadError(Exception):
    """A head cannot be gone on from; the text says which and what to do."""


class Head(NamedTuple):
    node: int
    day: str
    first: int
    last: int
    digest: str  # digest of the whole line: it is published, and the next head names it
    line: str
    others: tuple[str, ...]  # folders of the other nodes whose heads it names


def sign(
    folder: Path, archive: Path, manifest: Manifest, keys: ArchiveKeys, tell: Callable[[Head], None] = lambda _: None
) -> list[Head]:
    """Signs heads of days that have none yet; ``tell`` publishes each. After an unreadable head no later day is signed, for that would lend
    it credibility. Raises HeadError, OSError; earlier signatures stay."""
    made = []
    for table in manifest.tables:
        path = folder / FOLDER / f"{_name(table)}.json"
        if not table.whole_day or path.exists():
            continue
        head = json.dumps(_said(folder, archive, manifest, table), sort_keys=True, separators=(",", ":"))
        signature = keys.sign(head.encode()).hex()
        line = json.dumps({"said": head, "signature": signature, "public": keys.public.hex()}, separators=(",", ":"))
        atomic_files.write_file(path, line.encode() + b"\n")
        made.append(_read(path))
        tell(made[-1])
    _newest(folder)  # the next day would have to name it
    return made


def _name(table: TableEntry) -> str:
    return f"{table.day}-{table.first:020d}"


def _said(folder: Path, archive: Path, manifest: Manifest, table: TableEntry) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "node": manifest.node,
        "identity": manifest.identity,
        "day": table.day,
        "table": _digest(table),
        "first": table.first,
        "last": table.last,
        "chain": table.chain,
        "before": _newest(folder, before=table),
        "others": {other.name: head.digest for other in node_folders(archive) if other != folder and (head := newest(other))},
    }


def _digest(table: TableEntry) -> str:
    text = json.dumps([*table[:-1], [list(file) for file in table.files]], separators=(",", ":"))
    return blake2b(text.encode(), digest_size=32).hexdigest()


def of_day(archive: Path, day: str) -> list[Head]:
    """Heads of all nodes here for a day. OSError, ValueError."""
    return [_readable_head(path) for folder in node_folders(archive) for path in _heads(folder, day)]


def latest(archive: Path, most: int) -> list[Head]:
    """Heads of all nodes here, at most ``most`` of each, the newest first. OSError, ValueError."""
    found = [_readable_head(path) for folder in node_folders(archive) for path in _heads(folder)[-most:]]
    return sorted(found, key=lambda head: (head.day, head.node, head.last), reverse=True)


def erasure_entry(keys: ArchiveKeys, was: TableEntry, now: TableEntry) -> tuple[str, str, str]:
    """What a manifest keeps of a signed day of which something was erased."""
    before, after = _digest(was), _digest(now)
    return before, after, keys.sign(_erasure(before, after)).hex()


def _erasure(was: str, now: str) -> bytes:
    return f"gate106 erased from a table\n{was}\n{now}".encode()


def _digest_after_erasures(digest: str, manifest: Manifest, public: bytes) -> str:
    """The digest of a table that was signed, after all erasures from it that are signed, too."""
    for was, now, signature in manifest.erased:
        if was == digest and signed_by(public, bytes.fromhex(signature), _erasure(was, now)):
            digest = now
    return digest


def _heads(folder: Path, day: str = "") -> list[Path]:
    """In the journal's order: of the same day there are several, and a later day before an earlier one, where the clock was put back."""
    return sorted((folder / FOLDER).glob(f"{day}-*.json" if day else "*.json"), key=_first)


def _first(path: Path) -> tuple[str, str]:
    """As ``_name`` has it: behind the day, in as many digits as any."""
    return path.stem[len("2025-11-11-") :], path.stem


def _newest(folder: Path, before: TableEntry | None = None) -> str:
    """The digest of a node's newest head; empty without one. HeadError, OSError."""
    found = [path for path in _heads(folder) if before is None or _first(path) < _first(Path(f"{_name(before)}.json"))]
    return _verified_head(found[-1]).digest if found else ""


def _verified_head(path: Path) -> Head:
    """Reads a head and checks its signature with the key it names. HeadError, OSError."""
    try:
        wrapped = json.loads(path.read_text())
        if not signed_by(bytes.fromhex(wrapped["public"]), bytes.fromhex(wrapped["signature"]), wrapped["said"].encode()):
            raise ValueError("its signature is not good")
        return _read(path)
    except UNREADABLE as error:
        raise HeadError(
            f"{path}: this head is damaged ({error}), and no later day is signed: bring it back from a backup; where there is none, "
            "move it away, and `gate106 journal roll` signs that day anew"
        ) from None


def _read(path: Path) -> Head:
    line = path.read_text().strip()
    head = json.loads(json.loads(line)["said"])
    return Head(
        head["node"], head["day"], head["first"], head["last"], blake2b(line.encode(), digest_size=32).hexdigest(), line,
        tuple(head["others"]),
    )  # fmt: skip


def _readable_head(path: Path) -> Head:
    """For people. OSError, ValueError, with the file's name."""
    try:
        return _read(path)
    except UNREADABLE as error:
        raise ValueError(f"{path}: {error}") from None


def newest(folder: Path) -> Head | None:
    """A node's newest head that can be read (``check`` names those that cannot); None where it has none."""
    for path in reversed(_heads(folder)):
        with suppress(HeadError, OSError):
            return _verified_head(path)
    return None


# -- checked


def check(folder: Path, manifest: Manifest, public: bytes | None, archive: Path) -> list[str]:
    """Faults between a node's heads and its tables. ``public``: the required signer; None: the signer that the heads name."""
    faults = []
    tables = {_name(table): table for table in manifest.tables if table.whole_day}
    before: str | None = ""  # None: it cannot be known
    by_name = _digests_by_name(folder)
    for path in _heads(folder):
        table = tables.pop(path.stem, None)
        try:
            wrapped = json.loads(path.read_text())
            head, digest = json.loads(wrapped["said"]), _read(path).digest
            signature = bytes.fromhex(wrapped["signature"])
            signer = public or bytes.fromhex(wrapped["public"])
            named = dict[str, str](head["others"])
            last = int(head["last"])
        except (*UNREADABLE, OSError) as error:
            faults.append(f"{path}: it cannot be read ({error})")
            before = None
            continue
        if not signed_by(signer, signature, wrapped["said"].encode()):
            faults.append(f"{path}: its signature is not good")
            before = None
            continue
        try:
            if before is not None and head["before"] not in (before, by_name.get(path.name)):
                raise ValueError("it does not follow the head before it: one was removed, or written anew")
            if table is not None and _digest_after_erasures(head["table"], manifest, signer) != _digest(table):
                raise ValueError(f"records {table.first} to {table.last} are in another table than it says")
            if table is None and last > max(manifest.gone.last if manifest.gone else 0, manifest.removed_to):
                raise ValueError(f"records {head['first']} to {last} are in no table of that day any more")
            faults += [f"{path}: {fault}" for fault in _others(named, archive)]
        except (*UNREADABLE, OSError) as error:
            faults.append(f"{path}: {error}")
        before = digest
    faults += [f"{folder}: day {name} has no head" for name in sorted(tables)]
    return faults


def _digests_by_name(folder: Path) -> dict[str, str]:
    """By a head's file, the digest of the one whose name comes before its own: that is what earlier gates named, and no other where no clock
    was put back."""
    paths = sorted((folder / FOLDER).glob("*.json"))
    return {path.name: _digest_or_empty(earlier) for earlier, path in pairwise(paths)}


def _others(head: dict[str, str], archive: Path) -> list[str]:
    """Nodes whose heads this one has seen and that are not here any more."""
    faults = []
    for name, digest in head.items():
        heads = (archive / name / FOLDER).glob("*.json")
        if not any(_digest_or_empty(path) == digest for path in heads):
            faults.append(f"a head of {name} that it names is not here: that node's journal was taken away, or cut")
    return faults


def _digest_or_empty(path: Path) -> str:
    try:
        return blake2b(path.read_bytes().strip(), digest_size=32).hexdigest()
    except OSError:
        return ""
