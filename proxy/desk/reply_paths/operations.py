"""Declares the operations on reply paths and their probes.

Never: the rule by which a path is silent, how a probe is sent (probes.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

from proxy.config.yaml_file import unknown
from proxy.desk.reply_paths.monitor import SLICE, ReplyPathMonitor
from proxy.journal.records.probes import NUMBERS_MAX, WAITING, Probe, ProbeAttempt
from proxy.model.message import Sender
from proxy.model.number import NotARecipient, recipient_of
from proxy.model.roles import Permission
from proxy.operations.control import Call, CommandRefused
from proxy.operations.declaration import Answer, Operations, SharedSchema, operation, record_fields
from proxy.operations.gate_interface import Gate
from proxy.operations.parameters import Choice, Flag, List, Seconds, Text, Why
from proxy.operations.terminal import format_time, table_lines
from proxy.relay.effects.reply_paths import STATES, PathState

if TYPE_CHECKING:
    from proxy.desk.reply_paths.probes import Prober
    from proxy.policy.registries.registry import TelephoneRow

PATH_COLUMNS = (
    "prefix", "provider", "state", "keywords", "advertisements", "replies", "since proof", "expected", "last proof", "last probe",
)  # fmt: skip
KEYWORDS_SHOWN = 4
REPLY_PATH = SharedSchema(
    "ReplyPath",
    record_fields(
        PathState, ("keywords",), prefix=str, provider=str, keywords=[{"keyword": str, "advertisements": int, "replies": int}]
    ),
)


def path_row(prefix: str, provider: str, state: PathState) -> dict[str, Any]:
    row = state._asdict() | {"prefix": prefix, "provider": provider}
    row["expected"] = round(state.expected, 2)
    row["keywords"] = [
        {"keyword": keyword, "advertisements": advertisements, "replies": replies}
        for keyword, (advertisements, replies) in sorted(state.keywords.items(), key=lambda one: (-one[1][0], one[0]))
    ]
    return row


def path_cells(path: Mapping[str, Any], nothing: str) -> Sequence[object]:
    """``path``: a row; ``nothing``: in an empty cell."""
    keywords = [one["keyword"] for one in path["keywords"] if one["keyword"] and one["advertisements"]]
    more = f" +{len(keywords) - KEYWORDS_SHOWN}" if len(keywords) > KEYWORDS_SHOWN else ""
    return (
        path["prefix"], path["provider"], path["state"], " ".join(keywords[:KEYWORDS_SHOWN]) + more or nothing, path["advertisements"],
        path["replies"], path["advertisements_since_proof"], f"{path['expected']:.1f}",
        format_time(path["proven_at"]) if path["proven_at"] else nothing, format_time(path["probed_at"]) if path["probed_at"] else nothing,
    )  # fmt: skip


def path_lines(answer: Answer) -> Iterator[str]:
    yield from table_lines(PATH_COLUMNS, (path_cells(path, "-") for path in answer["paths"]), "there are no such prefixes")
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
            await call.say({"path": path_row(prefix, owner, one)})
            if place % SLICE == 0:
                await asyncio.sleep(0)
        return {"at": now, "rate": book.rate(now), "paths": len(found)}


# -- probes

KEYWORD = "TD"
WITHIN_S_MAX = 3600.0

PROBE_COLUMNS = ("prefix", "provider", "port", "state", "begun", "numbers", "answered", "fastest ms", "by", "why")
PROBE = SharedSchema(
    "Probe",
    record_fields(
        Probe, ("tries",), provider=str,
        tries=[{"to": str, "note": str, "sent_at": float, "accepted_ms": int | None, "answered_ms": int | None, "said": str, "problem": str}],
    ),
)  # fmt: skip


def probe_row(probe: Probe, provider: str) -> dict[str, Any]:
    row = probe._asdict() | {"provider": provider}
    row["tries"] = [
        {
            "to": f"{one.number:011d}", "note": one.note, "sent_at": one.sent_at, "accepted_ms": one.accepted_ms,
            "answered_ms": one.answered_ms, "said": one.said, "problem": one.problem,
        }
        for one in probe.tries
    ]  # fmt: skip
    return row


def _probe_cells(one: Mapping[str, Any]) -> Sequence[object]:
    times = [each["answered_ms"] for each in one["tries"] if each["answered_ms"] is not None]
    return (
        one["prefix"], one["provider"] or "-", one["port"], one["state"], format_time(one["begun_at"]), len(one["tries"]), len(times),
        f"{min(times):,}" if times else "-", one["who"], one["why"],
    )  # fmt: skip


class PathProbes(Operations, group="optout"):
    def __init__(self, gate: Gate, prober: Prober) -> None:
        self._gate, self._prober = gate, prober

    @operation(
        Permission.LOOK, answer={"at": float, "probes": [PROBE]}, get=True, lines="probe", under="probes",
        text=lambda answer: table_lines(PROBE_COLUMNS, map(_probe_cells, answer["probes"]), "no port was probed"),
        command="optout list-probes", example="gate106 optout list-probes",
    )  # fmt: skip
    async def probes(self, call: Call) -> Answer:
        """List the last probe of each port prefix, the newest first."""
        found, ports = self._prober.probes.all(), self._gate.relay.directory.ports
        for probe in found:
            await call.say({"probe": probe_row(probe, ports.longest(probe.port)[1])})
        return {"at": self._gate.now(), "probes": len(found)}

    @operation(Permission.ENTER, answer=PROBE, record="probe", by_hand="it prints what happens as it happens")
    async def probe(
        self,
        call: Call,
        port: Annotated[str, Text("Send from this port, with its extension.", 20)],
        why: Why,
        to: Annotated[
            Sequence[str], List("To this registered test number; may be repeated; all where none is named.", Text("", 40))
        ] = (),
        keyword: Annotated[str, Text("What is to be replied; TD when nothing is said.", 40)] = KEYWORD,
        wait_s: Annotated[
            float, Seconds("A reply must come within; optout.probe_s of the settings when nothing is said.", 1.0, WITHIN_S_MAX)
        ] = 0.0,
        follow: Annotated[
            bool, Flag("Report progress, and answer at the probe's end instead of once it is sent.", internal=True)
        ] = False,
    ) -> Answer:
        """Prove the way back of a port: send a test message to the operator's own numbers, and wait for the reply."""
        from proxy.desk.reply_paths.probes import keyword_of
        from proxy.policy.replies.optout import KEYWORD_MAX

        gate = self._gate
        prefix, owner = gate.relay.directory.ports.longest(port)
        if not prefix:
            raise CommandRefused(f"port: no provider of the settings owns {port} (providers[].ports)")
        keyword = keyword_of(keyword)
        if not 0 < len(keyword) <= KEYWORD_MAX:
            raise CommandRefused(f"keyword: must be 1 to {KEYWORD_MAX} letters and digits")
        rows, within_s = self._numbers(to), wait_s or self._prober.within_s
        if gate.relay.draining:
            raise CommandRefused("the gate is about to stop")
        tries = tuple(ProbeAttempt(row.number, " ".join(filter(None, (row.carrier, row.note)))) for row in rows)
        probe = Probe(
            prefix, port, keyword, call.who, why, gate.store.node, round(gate.now(), 3), within_s, WAITING, 0.0, tries
        )
        sender = Sender.of(owner, "", port, prefix)
        begun_at = probe.begun_at
        probe = await self._prober.begin(probe, sender, {row.number: row.agent for row in rows})
        while follow and probe.state == WAITING and not call.gone:
            await call.say({"probe": probe_row(probe, owner)})
            await self._prober.change()
            current = self._prober.probes.find(prefix)
            if current is None or current.begun_at != begun_at:
                raise CommandRefused(
                    f"port prefix {prefix}: another gate began a probe of it meanwhile (gate106 optout list-probes)"
                )
            probe = current
        await gate.safe(self._prober.probes.written)
        return probe_row(probe, owner)

    def _numbers(self, spelt: Sequence[str]) -> Sequence[TelephoneRow]:
        """The test numbers named, or all of the registry."""
        registered = {row.number: row for row in self._gate.relay.rules.registry.rows.test_numbers}
        if not registered:
            raise CommandRefused("there are no test numbers: name them in registries/test-numbers.csv of the rules")
        found: dict[int, TelephoneRow] = {}
        for one in spelt:
            try:
                number = recipient_of(one)
            except NotARecipient as fault:
                raise CommandRefused(f"to: {fault.why}") from None
            if number not in registered:
                raise CommandRefused(
                    "to: this is no registered test number: registries/test-numbers.csv of the rules names them"
                )
            found[number] = registered[number]
        rows = [*found.values()] or [*registered.values()]
        if len(rows) > NUMBERS_MAX:
            raise CommandRefused(f"to: there are {len(rows)} test numbers: say which, at most {NUMBERS_MAX}")
        return rows
