"""Declares the operation that lists tasks of filings.

Never: rows changed (command.py proposes a set of rules); the loop blocked: rows are looked at some at a time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Annotated, Any

from proxy.desk.filings.tasks import DAYS, DAYS_MAX, KINDS, Task, in_order, task_steps
from proxy.model.roles import Permission
from proxy.operations.control import Call
from proxy.operations.declaration import Answer, Operations, operation
from proxy.operations.gate_interface import Gate
from proxy.operations.parameters import Choice, Integer, Text
from proxy.operations.schemas import SharedSchema, record_fields
from proxy.operations.terminal import last_day, table_lines

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
