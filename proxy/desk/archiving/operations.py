"""Declares operations on the journal: retention, and steps of an erasure.

The erasure itself runs beside the gate (command.py). The gate writes down who asked and why, and every change, before the change is made.

In: the person's keyed hash, a reason; the groups about to change. Out: what must stay; synced records. Never: a number, a segment's content.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated, Any, NamedTuple

import structlog

from proxy.desk.archiving.journal_tasks import RetentionTask
from proxy.journal.encoding import pack
from proxy.journal.erasure import CHANGES_MAX, Erasure, RedactedGroup
from proxy.journal.records import messages, operator_actions
from proxy.journal.scan import segment_name
from proxy.model.roles import Permission
from proxy.operations.authorization import CommandRefused
from proxy.operations.control import Call
from proxy.operations.declaration import Answer, Operations, operation
from proxy.operations.gate_interface import Gate
from proxy.operations.parameters import Flag, Form, Integer, Reason, Text, Why, read_rows
from proxy.operations.terminal import format_time

log = structlog.get_logger()

COMMAND = "journal erase"
RECORD_MAX = 2**53


@dataclass(frozen=True)
class Octets(Text):
    """Bytes in base64."""

    size: int = field(kw_only=True)

    def read(self, value: Any) -> Any:
        try:
            found = b64decode(super().read(value), validate=True)
        except ValueError:
            found = b""
        if len(found) != self.size:
            raise ValueError(f"must be {self.size} bytes in base64")
        return found


class GroupRow(NamedTuple):
    """A commit group that is about to change."""

    last: Annotated[int, Integer("Its last record.", 1, RECORD_MAX)]
    before: Annotated[bytes, Octets("Its digest.", size=32)]
    now: Annotated[bytes, Octets("Its digest afterwards.", size=32)]


@dataclass(frozen=True)
class RedactedGroups(Form):
    def read(self, value: Any) -> tuple[RedactedGroup, ...]:
        return tuple(RedactedGroup(*row) for row in read_rows(GroupRow, {"changes": value}, "changes", CHANGES_MAX))


class PersonHash(Text):
    """A person's keyed hash: 16 hex digits; read as an int."""

    def read(self, value: Any) -> Any:
        return int(super().read(value), 16)


Person = Annotated[int, PersonHash("The person's keyed hash.", 16, "[0-9a-f]{1,16}")]
FirstRecord = Annotated[int, Integer("The segment's first record.", 1, RECORD_MAX)]


def _expired(answer: Answer) -> Iterator[str]:
    gone, kept = answer["removed"], answer["kept"]
    if gone["segments"]:
        done = "would be removed" if answer["dry_run"] else "removed"
        span = f"records {gone['first']} to {gone['last']}, {format_time(gone['since'])} to {format_time(gone['until'])}"
        yield f"{done}: {gone['segments']} segments, {_size(gone['bytes'])}: {span}"
    else:
        yield "nothing is to be removed"
    yield f"in the folder: {kept['segments']} segments, {_size(kept['bytes'])}, since {format_time(kept['since'])}"
    yield f"the oldest that stays does because {answer['stays_for']}"


def _size(octets: int) -> str:
    return f"{octets / 1e6:.1f} MB"


class JournalOperations(Operations, group="journal", help="The journal: what was decided, chained."):
    def __init__(self, gate: Gate, retention: RetentionTask) -> None:
        self._gate, self._retention = gate, retention

    @operation(
        Permission.OPERATE, answer={"dry_run": bool, "removed": object, "kept": object, "stays_for": str}, record="removed",
        text=_expired, example="gate106 journal expire --dry-run",
    )  # fmt: skip
    async def expire(
        self,
        call: Call,
        dry_run: Annotated[bool, Flag("Remove nothing: tell what would go now.")] = False,
        why: Annotated[str, Reason("Why: the journal keeps it. Required but for a dry run.")] = "",
    ) -> Answer:
        """Remove segments older than the setting retention.days now, not within the hour.
        The gate removes them hourly; segments on hold stay."""
        if not dry_run and not why:
            raise CommandRefused("journal expire: say --why (or --dry-run; see --help)")
        try:
            return await self._retention.expire(call.who, "" if dry_run else why, dry_run)
        except OSError as error:
            raise CommandRefused(f"journal {self._retention.disk}: {error.strerror or error}") from None

    @operation(
        Permission.OPERATE, record="operated", by_hand="rewrites files beside the gate",
        no_path="a step of journal erase, which rewrites files where the gate runs",
    )  # fmt: skip
    async def erase(
        self, call: Call, person: Person, why: Why, details: Annotated[str, Text("More about it, for the journal.")] = ""
    ) -> Answer:
        """Begin the erasure of a person; answers with what must stay."""
        gate = self._gate
        said = pack(operator_actions.Operated(gate.now(), call.who, COMMAND, why, f"person {person:016x} {details}".strip()))
        await gate.safe(gate.write(messages.OPERATED, said))
        log.info("erasure of a person from the journal begun", who=call.who)
        holds = [[hold.begin, hold.end, hold.why] for hold in self._retention.keep.holds]
        return {"open_from": gate.store.position.open_from, "holds": holds}

    @operation(Permission.OPERATE, record="erasure", by_hand="a step of journal erase", no_path="a step of journal erase")
    async def erased(
        self,
        call: Call,
        person: Person,
        first: FirstRecord,
        changes: Annotated[tuple[RedactedGroup, ...], RedactedGroups("Its groups that change.")],
        signature: Annotated[bytes, Octets("Of the erasure.", size=64)],
        why: Why,
    ) -> Answer:
        """Record what changes in a segment; answered once it is synced: then the segment may be changed."""
        one = Erasure(self._gate.now(), person, first, changes, signature, call.who, why)
        sequence = self._gate.write(messages.ERASURE, pack(one))
        await self._gate.safe(sequence)
        return {"sequence": sequence}

    @operation(Permission.OPERATE, by_hand="a step of journal erase", no_path="a step of journal erase")
    async def put(self, call: Call, first: FirstRecord) -> Answer:
        """Replace a segment by its successor, which lies beside it, and of which the journal holds what changes."""
        try:
            return {"put": await self._retention.put(segment_name(first))}
        except OSError as error:
            raise CommandRefused(f"{segment_name(first)}: {error.strerror or error}") from None
