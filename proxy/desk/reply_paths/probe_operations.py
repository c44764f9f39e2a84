"""Declares the operations on probes of reply paths.

In: a port, test numbers of ``registries/test-numbers.csv``. Out: a probe begun; the last probe of each port prefix. Never: how a probe is sent
(probes.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

from proxy.desk.reply_paths.probes import KEYWORD, WITHIN_S_MAX, Prober, keyword_of
from proxy.journal.records.probes import NUMBERS_MAX, WAITING, Probe, ProbeAttempt
from proxy.model.message import Sender
from proxy.model.number import NotARecipient, recipient_of
from proxy.model.roles import Permission
from proxy.operations.control import Call, CommandRefused
from proxy.operations.declaration import Answer, Operations, operation
from proxy.operations.gate_interface import Gate
from proxy.operations.parameters import Flag, List, Seconds, Text, Why
from proxy.operations.schemas import SharedSchema, record_fields
from proxy.operations.terminal import format_time, table_lines
from proxy.policy.registries.registry import TelephoneRow
from proxy.policy.replies.optout import KEYWORD_MAX

COLUMNS = ("prefix", "provider", "port", "state", "begun", "numbers", "answered", "fastest ms", "by", "why")
PROBE = SharedSchema(
    "Probe",
    record_fields(
        Probe, ("tries",), provider=str,
        tries=[{"to": str, "note": str, "sent_at": float, "accepted_ms": int | None, "answered_ms": int | None, "said": str, "problem": str}],
    ),
)  # fmt: skip


def row_of(probe: Probe, provider: str) -> dict[str, Any]:
    """A probe, for programs and people."""
    row = probe._asdict() | {"provider": provider}
    row["tries"] = [
        {
            "to": f"{one.number:011d}", "note": one.note, "sent_at": one.sent_at, "accepted_ms": one.accepted_ms,
            "answered_ms": one.answered_ms, "said": one.said, "problem": one.problem,
        }
        for one in probe.tries
    ]  # fmt: skip
    return row


def _cells(one: Mapping[str, Any]) -> Sequence[object]:
    times = [each["answered_ms"] for each in one["tries"] if each["answered_ms"] is not None]
    return (
        one["prefix"], one["provider"] or "-", one["port"], one["state"], format_time(one["begun_at"]), len(one["tries"]), len(times),
        f"{min(times):,}" if times else "-", one["who"], one["why"],
    )  # fmt: skip


def _lines(answer: Answer) -> Iterator[str]:
    return table_lines(COLUMNS, map(_cells, answer["probes"]), "no port was probed")


class PathProbes(Operations, group="optout"):
    def __init__(self, gate: Gate, prober: Prober) -> None:
        self._gate, self._prober = gate, prober

    @operation(
        Permission.LOOK, answer={"at": float, "probes": [PROBE]}, get=True, lines="probe", under="probes", text=_lines,
        example="gate106 optout probes",
    )  # fmt: skip
    async def probes(self, call: Call) -> Answer:
        """List the last probe of each port prefix, the newest first."""
        found = self._prober.probes.all()
        for probe in found:
            await call.say({"probe": row_of(probe, self._owner(probe))})
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
            await call.say({"probe": row_of(probe, owner)})
            await self._prober.change()
            current = self._prober.probes.find(prefix)
            if current is None or current.begun_at != begun_at:
                raise CommandRefused(
                    f"port prefix {prefix}: another gate began a probe of it meanwhile (gate106 optout probes)"
                )
            probe = current
        await gate.safe(self._prober.probes.written)
        return row_of(probe, owner)

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

    def _owner(self, probe: Probe) -> str:
        return self._gate.relay.directory.ports.longest(probe.port)[1]
