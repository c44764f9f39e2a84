"""Declares the operations on penalties."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from proxy.config.yaml_file import unknown
from proxy.journal.records.penalties import IN_FORCE, LADDER, PROPOSED, STATES, THROTTLE, Penalty, Subject
from proxy.model.roles import Permission
from proxy.operations import terminal
from proxy.operations.authorization import CommandRefused
from proxy.operations.control import Call
from proxy.operations.declaration import (
    PDF,
    Answer,
    Button,
    Operations,
    Program,
    SharedSchema,
    command,
    operation,
    record_fields,
)
from proxy.operations.parameters import Amount, Choice, Id, Seconds, Text, Why
from proxy.operations.terminal import CONFIG, Config, Control, Json

if TYPE_CHECKING:
    from proxy.desk.penalties.scheduler import PenaltyScheduler, WithPenalties

LEAST_S = 1.0
ANNEX_S = 92 * 86_400.0
"""Complaints that came within this time before the proposal are the annex of a penalty's letter."""
FOR_S, FOR_S_MAX = 30 * 86_400.0, 366 * 86_400.0
LAPSES_S = 7 * 86_400.0
LISTED_MAX = 1000

PENALTY = SharedSchema("Penalty", record_fields(Penalty, name=str, ended=float))
PENALTY_ID = Id("Its number, as `gate106 penalty list` shows it.", kind="penalty", metavar="PENALTY")
PenaltyId = Annotated[int, PENALTY_ID]


def penalty_row(one: Penalty) -> dict[str, Any]:
    return one._asdict() | {
        "name": one.name,
        "ended": one.ended,
        "of": one.subject.words,
        "events": [event._asdict() for event in one.events],
    }


# -- answers as text


def _rows(answer: Answer) -> Iterable[str]:
    rows = (
        (one["id"], one["state"], one["of"], _step(one), _until(one), one["author"], one["figure"] or one["events"][0]["why"])
        for one in answer["penalties"]
    )
    return terminal.table_lines(("id", "state", "of", "step", "until", "by", "why"), rows, "there are no penalties")


def _line(what: str) -> Any:
    """``penalty 3: lifted``."""
    return lambda answer: [f"penalty {answer['id']}: {what}"]


def _approved(answer: Answer) -> Iterator[str]:
    in_force = f"in force until {terminal.format_time(answer['until'])}"
    done = in_force if answer["state"] == IN_FORCE else "waits for a second person, you stand for it"
    yield f"penalty {answer['id']}: {_step(answer)} of {answer['of']} {done}"


def _step(answer: Mapping[str, Any]) -> str:
    return f"throttle to {answer['share']:.0%}" if answer["step"] == THROTTLE else str(answer["step"])


def _until(answer: Mapping[str, Any]) -> str:
    """When a penalty ends or ended; nothing for one that is not in force and never was."""
    return terminal.format_time(answer["ended"] or answer["until"]) if answer["since"] else "-"


def _whole(answer: Answer) -> Iterator[str]:
    yield f"penalty {answer['id']} of {answer['of']}: {_step(answer)}, {answer['state']}"
    if answer["trigger"]:
        yield f"  rule     {answer['trigger']}: {answer['say']}"
    if answer["basis"]:
        yield f"  basis    {answer['basis']}"
    if answer["figure"]:
        yield f"  measured {answer['figure']}"
    if answer["state"] == PROPOSED and answer["until"]:
        yield f"  lapses   {terminal.format_time(answer['until'])}"
    if answer["since"]:
        yield f"  from     {terminal.format_time(answer['since'])} to {_until(answer)}"
    if answer["appeal"]:
        yield f"  appeal   {answer['appeal']}"
    for event in answer["events"]:
        yield terminal.event_line(event)


class Penalties(Operations, group="penalty", help="Penalties of providers: propose, approve, list, lift."):
    def __init__(self, gate: WithPenalties, scheduler: PenaltyScheduler) -> None:
        self._gate = gate
        self._scheduler = scheduler

    @operation(
        Permission.SEE, answer={"penalties": [PENALTY]}, get=True, text=_rows, example="gate106 penalty list --state proposed"
    )
    async def list_(
        self,
        call: Call,
        state: Annotated[
            str, Choice("proposed, in-force, over, lifted, rejected, raised, withdrawn or lapsed.", tuple(STATES))
        ] = "",
        provider: Annotated[str, Text("Of this provider.")] = "",
    ) -> Answer:
        """List penalties, the newest first."""
        found = [
            penalty_row(one)
            for one in self._gate.penalties.all()
            if state in ("", one.state) and provider in ("", one.provider)
        ]
        return {"penalties": found[::-1][:LISTED_MAX]}

    @operation(Permission.SEE, answer=PENALTY, text=_whole, example="gate106 penalty show 3")
    async def show(self, call: Call, id_: PenaltyId) -> Answer:
        """Show a penalty, what it rests on, and what was done with it."""
        return penalty_row(self._gate.penalties.find(id_))

    @operation(
        Permission.ENTER, answer=PENALTY, record="penalized",
        text=lambda one: [f"penalty {one['id']}: {_step(one)} of {one['of']} waits (gate106 penalty approve {one['id']})"],
        example='gate106 penalty propose --provider jia --step throttle --to 0.5 --for 30d --why "12321, October"',
    )  # fmt: skip
    async def propose(
        self,
        call: Call,
        step: Annotated[str, Choice("warn, throttle, suspend-marketing or suspend-all.", tuple(LADDER))],
        why: Why,
        provider: Annotated[str, Text("Who is to bear it.")] = "",
        signature: Annotated[str, Text("Only what the provider sends under this signature.")] = "",
        advertiser: Annotated[str, Text("Instead of a provider: an advertiser, whichever provider brings its messages.")] = "",
        to: Annotated[float, Amount("Of a throttle: the share of its rate that the provider keeps (0.5).", 0.01, 1.0)] = 1.0,
        for_s: Annotated[float, Seconds("How long, at most 366d.", LEAST_S, FOR_S_MAX, shown="30d")] = FOR_S,
        lapses_s: Annotated[float, Seconds("When an undecided proposal lapses.", LEAST_S, FOR_S_MAX, shown="7d")] = LAPSES_S,
        basis: Annotated[str, Text("What it rests on: contract, order, rule.")] = "",
    ) -> Answer:
        """Propose a penalty: it waits until another person approves it."""
        gate, subject = self._gate, self._subject(provider, signature, advertiser)
        if step != THROTTLE and to != 1.0:
            raise CommandRefused(f"to: only a {THROTTLE} has it")
        draft = Penalty(
            0, PROPOSED, step, subject.provider, to, int(for_s), 0.0, gate.now() + lapses_s, 0, "", "", basis, "",
            gate.relay.rules.revision, call.asker.name, "", (), "", subject.by, subject.value,
        )  # fmt: skip
        penalty, sequence = gate.penalties.propose(draft, gate.now(), call.who, why)
        await gate.safe(sequence)
        return penalty_row(penalty)

    def _subject(self, provider: str, signature: str, advertiser: str) -> Subject:
        """The subject of a proposal: a provider's messages, those of them under a signature, or an advertiser's through any provider."""
        from proxy.policy.operator_orders import scope_of
        from proxy.policy.penalty_rules import ADVERTISER, SIGNATURE

        relay = self._gate.relay
        if provider and provider not in relay.directory.providers:
            raise CommandRefused(unknown("provider of the settings", provider, relay.directory.providers))
        if bool(advertiser) is bool(provider) or (signature and advertiser):
            raise CommandRefused(
                "say whose messages: a provider's (--provider), of them those under one --signature, or an --advertiser's"
            )
        wanted = {SIGNATURE: [signature] if signature else [], ADVERTISER: [advertiser] if advertiser else []}
        (by, values), *_ = scope_of(wanted, relay.rules.registry) or [("", ("",))]
        return Subject(provider, by, values[0])

    @operation(
        Permission.APPROVE,
        answer=PENALTY,
        record="penalized",
        text=_approved,
        example="gate106 penalty approve 3 --token-file li.token",
    )
    async def approve(self, call: Call, id_: PenaltyId) -> Answer:
        """Approve a penalty, as another person than its author."""
        return await self._settled(*self._gate.penalties.approve(id_, call.asker, call.known, self._gate.now(), call.who))

    @operation(
        Permission.APPROVE, answer=PENALTY, record="penalized", text=_line("rejected"), button=Button("one/{id}/reject", (PROPOSED,)),
        example='gate106 penalty reject 3 --why "the complaints were duplicates"',
    )  # fmt: skip
    async def reject(self, call: Call, id_: PenaltyId, why: Why) -> Answer:
        """Reject a proposal: what it measured does not count against the provider again."""
        return await self._settled(*self._gate.penalties.reject(id_, call.asker, self._gate.now(), call.who, why))

    @operation(
        Permission.ENTER, answer=PENALTY, record="penalized", text=_line("withdrawn"), button=Button("one/{id}/withdraw", (PROPOSED,)),
        example='gate106 penalty withdraw 3 --why "measured with the wrong month"',
    )  # fmt: skip
    async def withdraw(self, call: Call, id_: PenaltyId, why: Why) -> Answer:
        """Take back what you have proposed yourself, before anybody has decided it."""
        return await self._settled(*self._gate.penalties.withdraw(id_, call.asker, self._gate.now(), call.who, why))

    @operation(
        Permission.ENTER, answer=PENALTY, record="penalized", text=_line("appeal noted"), button=Button("one/{id}/appeal", (IN_FORCE,)),
        example='gate106 penalty appeal 3 --why "letter of 14 November: consents are attached"',
    )  # fmt: skip
    async def appeal(self, call: Call, id_: PenaltyId, why: Why) -> Answer:
        """Note that the provider appeals. It stops nothing: to grant the appeal, lift the penalty."""
        return await self._settled(*self._gate.penalties.appeal(id_, self._gate.now(), call.who, why))

    @operation(
        Permission.APPROVE, answer=PENALTY, record="penalized", text=_line("lifted"), button=Button("one/{id}/lift", (IN_FORCE,)),
        example='gate106 penalty lift 3 --why "appeal granted"',
    )  # fmt: skip
    async def lift(self, call: Call, id_: PenaltyId, why: Why) -> Answer:
        """End a penalty before its time: what was taken is given back at once."""
        return await self._settled(*self._gate.penalties.lift(id_, self._gate.now(), call.who, why))

    async def _settled(self, penalty: Penalty, sequence: int) -> Answer:
        gate = self._gate
        self._scheduler.settle(penalty, gate.now())
        await gate.safe(sequence)
        return penalty_row(gate.penalties.find(penalty.id))


@command(
    "penalty write-letter",
    Program(at="penalty/letter", permission=Permission.LOOK, out="--out", media=PDF),
    example="gate106 penalty write-letter 3 --out letter-jia.pdf",
)
def letter(
    id_: Annotated[str, PENALTY_ID],
    out: Annotated[Path, typer.Option("--out", help="The PDF to write.")],
    config: Config = CONFIG, control: Control = None, json: Json = False,
) -> None:  # fmt: skip
    """Write the letter to the provider: what was measured, what it rests on, what follows; valid complaints as annex, numbers masked."""
    from proxy.desk.evidence import evidence_pdf
    from proxy.runtime import hardening

    answer = terminal.ask(config, control, "penalty.show", id=id_)
    if not answer["since"] and answer["state"] != "proposed":
        terminal.fail(
            f"penalty {answer['id']} never came into force ({answer['state']}): there is nothing to tell its provider"
        )
    whose = {"provider": answer["provider"] or None} | ({answer["by"]: answer["value"]} if answer["by"] else {})
    began = answer["events"][0]["time"]
    valid = terminal.ask(config, control, "complaint.list", export="penalty letter", state="valid", limit=1000, **whose)
    rests_on = [one for one in valid["cases"] if began - ANNEX_S <= one["came"] <= began]
    with hardening.create_private_file(out) as file:
        file.write(evidence_pdf.letter(answer, rests_on, time.time()))
    draft = " (a draft: nobody has approved it yet)" if answer["state"] == "proposed" else ""
    about = f"{out}: penalty {answer['id']} of {answer['of']}, {len(rests_on)} complaints{draft}"
    terminal.print_answer({"file": str(out), "cases": len(rests_on), "draft": bool(draft)}, json, [about])
