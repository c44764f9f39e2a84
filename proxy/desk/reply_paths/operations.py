"""Declares the list of reply paths.

In: the book of reply paths. Out: a row for each registered prefix. Never: the rule by which a path is silent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

from proxy.config.yaml_file import unknown
from proxy.desk.reply_paths.monitor import SLICE, ReplyPathMonitor
from proxy.model.roles import Permission
from proxy.operations.control import Call, CommandRefused
from proxy.operations.declaration import Answer, Operations, operation
from proxy.operations.gate_interface import Gate
from proxy.operations.parameters import Choice, Text
from proxy.operations.schemas import SharedSchema, record_fields
from proxy.operations.terminal import format_time, table_lines
from proxy.relay.effects.reply_paths import STATES, PathState

COLUMNS = (
    "prefix", "provider", "state", "keywords", "advertisements", "replies", "since proof", "expected", "last proof", "last probe",
)  # fmt: skip
KEYWORDS_SHOWN = 4
REPLY_PATH = SharedSchema(
    "ReplyPath",
    record_fields(
        PathState, ("keywords",), prefix=str, provider=str, keywords=[{"keyword": str, "advertisements": int, "replies": int}]
    ),
)


def row_of(prefix: str, provider: str, state: PathState) -> dict[str, Any]:
    """A path, for programs and people."""
    row = state._asdict() | {"prefix": prefix, "provider": provider}
    row["expected"] = round(state.expected, 2)
    row["keywords"] = [
        {"keyword": keyword, "advertisements": advertisements, "replies": replies}
        for keyword, (advertisements, replies) in sorted(state.keywords.items(), key=lambda one: (-one[1][0], one[0]))
    ]
    return row


def cells_of(path: Mapping[str, Any], nothing: str) -> Sequence[object]:
    """``path``: a row; ``nothing``: in an empty cell."""
    keywords = [one["keyword"] for one in path["keywords"] if one["keyword"] and one["advertisements"]]
    more = f" +{len(keywords) - KEYWORDS_SHOWN}" if len(keywords) > KEYWORDS_SHOWN else ""
    return (
        path["prefix"], path["provider"], path["state"], " ".join(keywords[:KEYWORDS_SHOWN]) + more or nothing, path["advertisements"],
        path["replies"], path["advertisements_since_proof"], f"{path['expected']:.1f}",
        format_time(path["proven_at"]) if path["proven_at"] else nothing, format_time(path["probed_at"]) if path["probed_at"] else nothing,
    )  # fmt: skip


def lines_of(answer: Answer) -> Iterator[str]:
    yield from table_lines(COLUMNS, (cells_of(path, "-") for path in answer["paths"]), "there are no such prefixes")
    rate = answer["rate"]
    yield (
        f"19 of 20 proven prefixes are answered more often than once in {1 / rate:,.0f} advertisements"
        if rate
        else "too few prefixes are proven to say what silence is"
    )


class ReplyPathList(Operations, group="optout", help="People who refused."):
    def __init__(self, gate: Gate, monitor: ReplyPathMonitor) -> None:
        self._gate, self._monitor = gate, monitor

    @operation(
        Permission.SEE, answer={"at": float, "rate": float, "paths": [REPLY_PATH]}, get=True, lines="path", under="paths",
        by_hand="it can print CSV",
    )  # fmt: skip
    async def paths(
        self,
        call: Call,
        state: Annotated[str, Choice("proven, unproven, silent or dead.", STATES)] = "",
        provider: Annotated[str, Text("Only prefixes of this provider.")] = "",
    ) -> Answer:
        """List the ports by which replies reach the gate: those in doubt first, then by how many replies are missing."""
        providers = self._gate.relay.directory.providers
        if provider and provider not in providers:
            raise CommandRefused(unknown("provider of the settings", provider, providers))
        book, now, found = self._monitor.book, self._gate.now(), []
        for place, (prefix, owner) in enumerate(sorted(self._monitor.registered().items()), 1):
            one = book.state_of(prefix, now)
            if state in ("", one.state) and provider in ("", owner):
                found.append((prefix, owner, one))
            if place % SLICE == 0:
                await asyncio.sleep(0)
        found.sort(key=lambda one: (-STATES.index(one[2].state), -one[2].expected))
        for place, (prefix, owner, one) in enumerate(found, 1):
            await call.say({"path": row_of(prefix, owner, one)})
            if place % SLICE == 0:
                await asyncio.sleep(0)
        return {"at": now, "rate": book.rate(now), "paths": len(found)}
