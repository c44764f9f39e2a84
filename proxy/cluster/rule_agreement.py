"""Decides which set of rules counts for gates on one store.

In: the last decision as this gate knows it, and as the store has it; the contents of this gate's rules folder. Out: which decision counts; the
event that follows here, or why this gate may not follow. Pure. Never: the store, files, the clock.

A decision names the set in force, the proposed set, and who is responsible. Its serial is one more than that of the decision before it. The
store takes a decision only where it holds the one before: of two made at the same time one is refused. If a gate and the store know
different decisions, the higher serial counts; of equal serials the store's counts. So what a failover lost is put back; and a rollback at a
gate that was cut off counts, unless other gates have decided meanwhile.
"""

import enum
import zlib
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import NamedTuple

from proxy.journal.records.revisions import Revised

SET_BYTES_MAX = 64 << 20  # all files of a set, and the set packed: so large a list is imported, not kept among the rules
_ASKS_NOBODY = ("accepted",)  # events that put a set into force with which no second person agreed


class AgreementStep(enum.Enum):
    NOTHING = "nothing"
    TAKE = "take"  # the store's counts here, too
    PUT = "put"  # the store must learn this gate's


class RuleDecision(NamedTuple):
    in_force: str
    proposed: str
    author: str


class UnusableRules(ValueError):
    """What came as a set is none; the text says why."""


def decision(event: Revised) -> RuleDecision:
    return RuleDecision(event.in_force, event.proposed, event.author)


def follows(own: Revised, other: Revised | None) -> AgreementStep:
    if other is None or other.serial < own.serial:
        return AgreementStep.PUT
    return AgreementStep.NOTHING if other.serial == own.serial and decision(other) == decision(own) else AgreementStep.TAKE


def objection(own: Revised, other: Revised, *, four_eyes: bool) -> str:
    """Why a gate with these settings may not follow the others; empty if it may."""
    if not four_eyes or not own.in_force or other.in_force == own.in_force:
        return ""
    if other.event in _ASKS_NOBODY and other.how != "first start" and other.in_force != own.proposed:
        return (
            f"node {other.node} has put it into force without a second person, whom this gate asks for "
            "(settings: revisions.four_eyes must be the same on all gates)"
        )
    return ""


def as_heard(own: Revised, other: Revised, folder: str, changes: tuple[str, ...], at: float) -> Revised:
    """The others' decision as an event of this gate. ``folder``: what its folder holds, empty where that is not known; ``changes``: against
    what is in force here."""
    revisions = {other.in_force, other.proposed}
    beside = ""
    if other.proposed and folder != other.proposed:
        beside = folder or own.kept_out or own.in_force
    return other._replace(time=at, changes=changes, kept_out=folder if folder not in revisions else "", beside=beside)


# -- the files of a set, as one value


def pack_files(files: Mapping[str, bytes]) -> bytes:
    """Raises UnusableRules if they are too many octets."""
    if sum(map(len, files.values())) > SET_BYTES_MAX:
        raise UnusableRules(
            f"its files are more than {SET_BYTES_MAX >> 20} MiB, which gates do not give each other: bring such a list in with "
            "gate106 suppress import"
        )
    return zlib.compress(b"".join(_spelt(files)))


def _spelt(files: Mapping[str, bytes]) -> Iterator[bytes]:
    for name, data in sorted(files.items()):
        yield b"%d %d\n" % (len(name.encode()), len(data))
        yield name.encode()
        yield data


def unpack_files(packed: bytes) -> dict[str, bytes]:
    """Raises UnusableRules if it is no set, too large, or leads out of a folder."""
    unzip = zlib.decompressobj()
    try:
        data = unzip.decompress(packed, 2 * SET_BYTES_MAX)
        if not unzip.eof:
            raise UnusableRules("it does not end, or is too large")
        found: dict[str, bytes] = {}
        at = 0
        while at < len(data):
            line = data.index(b"\n", at)
            of_name, of_data = (int(word) for word in data[at:line].split(b" "))
            start = line + 1 + of_name
            name = data[line + 1 : start].decode()
            if len(data) < start + of_data:
                raise UnusableRules(f"{name!r} does not end")
            found[_inside(name)] = data[start : start + of_data]
            at = start + of_data
    except (zlib.error, ValueError) as error:
        raise error if isinstance(error, UnusableRules) else UnusableRules(f"it is no set of files: {error}") from None
    if not found:
        raise UnusableRules("it holds no files")
    return found


def _inside(name: str) -> str:
    path = PurePosixPath(name)
    if not path.parts or path.is_absolute() or ".." in path.parts or "\0" in name:
        raise UnusableRules(f"a file of it would lie outside: {name!r:.60}")
    return name
