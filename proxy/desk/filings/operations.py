"""Lists tasks of filings: renewals, re-reviews, refusals, missing letters.

In: the registries in force; the time; how far ahead. Out: tasks, sorted by due date. Never: rows changed (command.py proposes a set of rules);
the loop blocked: rows are looked at some at a time.

    kind               due                                     from
    refused            at once                                 filings.csv
    letter-missing     at once                                 signatures.csv: use is other, no letter
    review             the last day for the re-review          filings.csv
    filing-expires     its last day                            filings.csv
    signature-expires  its last day                            signatures.csv
    licence-expires    its last day                            licences.csv

A row that a later one of the same place (or kind of licence) replaces is no task, and neither is a filing that is only pending, or of a revoked
signature.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from operator import attrgetter
from typing import Annotated, Any, NamedTuple

from proxy.model.roles import Permission
from proxy.operations.control import Call
from proxy.operations.declaration import Answer, Operations, SharedSchema, operation, record_fields
from proxy.operations.gate_interface import Gate
from proxy.operations.parameters import Choice, Integer, Text
from proxy.operations.terminal import last_day, table_lines
from proxy.policy.registries.filings import FilingRow, LicenceRow
from proxy.policy.registries.registry import Registries, Registry, SignatureRow
from proxy.policy.text.folding import normal_signature
from proxy.policy.time_windows import DAY_S, NEVER

KINDS = ("refused", "letter-missing", "review", "filing-expires", "signature-expires", "licence-expires")
DAYS = 30
DAYS_MAX = 366
PIECE = 200
"""Rows looked at before the event loop may turn to traffic: each costs some 5 microseconds."""


class Task(NamedTuple):
    kind: str
    due: float  # the end of the last day; 0: at once
    advertiser: str
    signature: str
    carrier: str  # empty = any
    province: str  # empty = any
    licence: str  # its kind and number
    who: str  # the person who answers for it: the handler, else the responsible person
    why: str  # the carrier's words
    file: str
    line: int


def in_order(tasks: Iterable[Task]) -> list[Task]:
    """The most urgent first."""
    return sorted(tasks, key=attrgetter("due", "kind", "advertiser", "signature", "carrier", "province", "line"))


def task_steps(registry: Registry, now: float, days: int) -> Iterator[Task | None]:
    """The tasks that are due within ``days``, or overdue, in no order; and None after each piece of work."""
    ends, rows = now + days * DAY_S, registry.rows
    owners: dict[str, SignatureRow] = {}
    people: dict[str, str] = {}
    for count, row in enumerate(rows.signatures, 1):
        name = normal_signature(row.signature)
        before = owners.get(name)
        if before is None or _rank(row) > _rank(before):
            owners[name] = row
        if _who(row):
            people.setdefault(row.advertiser, _who(row))
        if count % PIECE == 0:
            yield None
    for task in chain(_of_signatures(rows, ends), _of_filings(rows, now, ends, owners), _of_licences(rows, ends)):
        yield task if task is None or task.who else task._replace(who=people.get(task.advertiser, ""))


def _who(row: SignatureRow) -> str:
    return row.handler or row.responsible


def _rank(row: SignatureRow) -> tuple[bool, bool]:
    """Of several rows of a signature the greatest says whose it is and who answers for it."""
    return row.state != "revoked", bool(_who(row))


def _of_signatures(rows: Registries, ends: float) -> Iterator[Task | None]:
    last: dict[tuple[str, ...], SignatureRow] = {}
    for count, row in enumerate(rows.signatures, 1):
        if row.state in ("approved", "filed") and row.use == "other" and not row.letter:
            yield _of_signature("letter-missing", 0.0, row)
        key = (normal_signature(row.signature), row.provider, row.port)
        if row.state == "approved" and (key not in last or row.until >= last[key].until):
            last[key] = row
        if count % PIECE == 0:
            yield None
    yield from (_of_signature("signature-expires", row.until, row) for row in last.values() if row.until <= ends)


def _of_signature(kind: str, due: float, row: SignatureRow) -> Task:
    return Task(kind, due, row.advertiser, row.signature, "", "", "", _who(row), "", "signatures", row.line)


def _of_filings(rows: Registries, now: float, ends: float, owners: Mapping[str, SignatureRow]) -> Iterator[Task | None]:
    last: dict[tuple[str, ...], FilingRow] = {}
    for count, row in enumerate(rows.filings, 1):
        key = (normal_signature(row.signature), row.carrier, row.province)
        if row.state != "pending" and (key not in last or row.since >= last[key].since):
            last[key] = row
        if count % PIECE == 0:
            yield None
    for count, ((name, *_), row) in enumerate(last.items(), 1):
        owner = owners.get(name)
        if (owner is None or owner.state != "revoked") and (found := _kind_and_due(row, now, ends)) is not None:
            whose, who = (owner.advertiser, _who(owner)) if owner is not None else ("", "")
            yield Task(*found, whose, row.signature, row.carrier, row.province, "", who, row.why, "filings", row.line)
        if count % PIECE == 0:
            yield None


def _kind_and_due(row: FilingRow, now: float, ends: float) -> tuple[str, float] | None:
    state = row.state_at(now)
    if state == "refused":
        return "refused", 0.0
    if state == "expired":
        return "filing-expires", row.until if row.until < NEVER else 0.0
    if state == "review-due":
        return "review", row.review if row.review < NEVER else 0.0
    if min(row.review, row.until) > ends:
        return None
    return ("review", row.review) if row.review <= row.until else ("filing-expires", row.until)


def _of_licences(rows: Registries, ends: float) -> Iterator[Task | None]:
    last: dict[tuple[str, str], LicenceRow] = {}
    for count, row in enumerate(rows.licences, 1):
        key = (row.advertiser, row.licence)
        if key not in last or row.until >= last[key].until:
            last[key] = row
        if count % PIECE == 0:
            yield None
    for row in last.values():
        if row.until <= ends:
            name = f"{row.licence} {row.number}".strip()
            yield Task("licence-expires", row.until, row.advertiser, "", "", "", name, "", "", "licences", row.line)


TASK = SharedSchema("FilingTask", record_fields(Task, overdue=bool))
HEADS = ("due", "what", "advertiser", "signature", "carrier", "province", "licence", "who", "why", "row")
LINE_TASKS = 50


def _cells(one: dict[str, Any]) -> tuple[object, ...]:
    due = (last_day(one["due"]) if one["due"] else "at once") + (" overdue" if one["overdue"] else "")
    named = (one[name] or "-" for name in HEADS[2:-1])
    return (due, one["kind"], *named, f"{one['file']}.csv:{one['line']}")


def _lines(answer: Answer) -> Iterator[str]:
    yield from table_lines(HEADS, map(_cells, answer["tasks"]), "nothing is due")


class FilingTasks(Operations, group="filing", help="Filings of signatures, licences and ports."):
    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    @operation(
        Permission.SEE, answer={"at": float, "tasks": [TASK]}, get=True, lines="tasks", text=_lines,
        command="filing list-tasks", example="gate106 filing list-tasks --days 60 --kind licence-expires",
    )  # fmt: skip
    async def tasks(
        self,
        call: Call,
        days: Annotated[int, Integer("How many days ahead.", 0, DAYS_MAX, shown=str(DAYS))] = DAYS,
        kind: Annotated[str, Choice("Only tasks of this kind.", KINDS)] = "",
        who: Annotated[str, Text("Only tasks that this person answers for.", 100)] = "",
    ) -> Answer:
        """List what is to be done about filings and licences, with due dates and who answers; the most urgent first."""
        now, found = self._gate.now(), list[Task]()
        for one in task_steps(self._gate.relay.rules.registry, now, days):
            if one is None:
                await asyncio.sleep(0)
            elif kind in ("", one.kind) and who in ("", one.who):
                found.append(one)
        rows = [one._asdict() | {"overdue": 0 < one.due <= now} for one in in_order(found)]
        for start in range(0, len(rows), LINE_TASKS):
            await call.say({"tasks": rows[start : start + LINE_TASKS]})
            await asyncio.sleep(0)
        return {"at": now, "tasks": len(rows)}
