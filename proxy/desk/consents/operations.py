"""Declares the operations on consents: imports, reviews, withdrawals and tasks.

Never: half a file; a proof itself (its SHA-256 is kept, the file stays with its owner).

A file comes like a list of opt-outs (desk/suppression/operations.py): its batches with the command, then lines of numbers
(operations/number_chunks.py), then ``{"end": true, "numbers": 1000000}``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from proxy.config.yaml_file import unknown
from proxy.desk.consents.consent_text import (
    BATCH,
    WITHDRAWAL,
    batch_lines,
    batch_row,
    batch_table,
    consent_lines,
    consents_of,
    name_of,
    task_table,
    unenforced,
    withdrawal_lines,
)
from proxy.journal.encoding import pack, unpack
from proxy.journal.records import consents, messages
from proxy.journal.records.consents import BatchEvent, ConsentChange, ConsentFile, Terms
from proxy.model.message import SUBCATEGORIES, Category
from proxy.model.number import Number
from proxy.model.roles import Permission
from proxy.operations.authorization import CommandRefused
from proxy.operations.control import Call
from proxy.operations.declaration import Answer, Operations, operation
from proxy.operations.gate_interface import Gate, change_recipient, record_command
from proxy.operations.number_chunks import put_in_force, receive_numbers
from proxy.operations.parameters import Amount, Choice, Flag, Integer, List, Recipient, Rows, Text, To, Why, on_lines
from proxy.policy.registries.table_words import ANY
from proxy.policy.time_windows import DAY_S, OFFSET_S
from proxy.state.lists.consent_lists import STATES, ConsentBatch, TooManyBatches
from proxy.state.record import record
from proxy.state.record.consent_facts import WORD_BYTES_MAX

if TYPE_CHECKING:
    from proxy.relay.effects.consents import ConsentImport, PersonChange

CATEGORIES = (Category.MARKETING.word, *SUBCATEGORIES[1:])
BATCHES_A_FILE_MAX = 2_000
NUMBERS_MAX = 300_000_000
"""Of one file: its chunks wait in memory, some two bytes a number, until all of it is there."""
DUE_DAYS, DUE_DAYS_MAX = 5, 60
"""Working days within which a missing proof must come."""
ROWS_A_LINE = 500
WORD_MAX = 200
COUNTED_A_TURN = 1_000
"""Batches looked at before traffic gets its turn: a quarter of a millisecond."""
_FAR = 4e9
SHA256 = "[0-9a-f]{64}"
OF_PROVIDER = Text("Only those this provider handed in.")
CATEGORY = Choice("Only of this category; else of all.", CATEGORIES)
_BATCH = Text("", 11, "[0-9]{1,11}")
BATCHES = List("Which batches, by number.", _BATCH, BATCHES_A_FILE_MAX, 1, flag="-", metavar="BATCH…")
WHOLE_BATCHES = List("Whole batches, instead of a person.", _BATCH, BATCHES_A_FILE_MAX, flag="-", metavar="[BATCH…]")
CHANGED = {"batches": [BATCH]}


def tasks_of(gate: Gate, provider: str = "") -> list[dict[str, Any]]:
    """Batches whose proof is missing, the most urgent first; of one provider, if one is named."""
    now = gate.now()
    found = [
        batch_row(batch, numbers) | {"overdue": batch.due < now}
        for batch, numbers in gate.store.consented.batches()
        if batch.missing_proof and provider in ("", batch.provider)
    ]
    return sorted(found, key=lambda one: (one["due"], one["number"]))


async def count_tasks(gate: Gate, now: float) -> dict[tuple[str, ...], float]:
    """(provider, state) → batches whose proof is missing: ``waiting`` for it, or ``overdue``. Traffic gets its turn in between."""
    found: dict[tuple[str, ...], float] = {
        (name, state): 0.0 for name in gate.relay.directory.providers for state in ("waiting", "overdue")
    }
    for place, (batch, _) in enumerate(gate.store.consented.batches(), 1):
        if batch.missing_proof:
            key = batch.provider, "overdue" if batch.due < now else "waiting"
            found[key] = found.get(key, 0.0) + 1.0
        if place % COUNTED_A_TURN == 0:
            await asyncio.sleep(0)
    return found


class ConsentTerms(NamedTuple):
    """What numbers of a file agreed to."""

    given: Annotated[float, Amount("When they agreed, in seconds since 1970.", 0, _FAR)]
    advertiser: Annotated[str, Text("Whose messages; else anybody's.", WORD_MAX)] = ""
    category: Annotated[str, Choice("marketing or a sub-category; else any.", CATEGORIES)] = ""
    until: Annotated[float, Amount("Until when; else until it is taken back.", 0, _FAR)] = 0.0
    version: Annotated[str, Text("Of the words they agreed to.", WORD_MAX)] = ""
    line: int = 0


class ConsentOperations(Operations, group="consent", help="Consents of people: batches with their proofs."):
    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    # -- looking

    @operation(
        Permission.SEE, name="consent", answer=CHANGED, get=True, lines="batches", text=batch_table,
        command="consent list", example="gate106 consent list --provider jia",
    )  # fmt: skip
    async def list_(
        self,
        call: Call,
        provider: Annotated[str, OF_PROVIDER] = "",
        advertiser: Annotated[
            str, Text("Only of this advertiser; any (任何): only those that count for anybody's messages.")
        ] = "",
        state: Annotated[str, Choice("unreviewed, accepted, rejected or withdrawn.", tuple(STATES))] = "",
    ) -> Answer:
        """List what was imported: batches of consents (one for each advertiser, category, day, end and version), with their state."""
        anybody = advertiser if advertiser.lower() in ANY else ""
        found = [
            batch_row(batch, numbers)
            for batch, numbers in self._gate.store.consented.batches()
            if provider in ("", batch.provider)
            and advertiser in ("", batch.advertiser or anybody)
            and state in ("", batch.state)
            and (not anybody or state or batch.counts)
        ]
        await _say(call, found)
        return {"batches": len(found)}

    @operation(
        Permission.SEE, answer={"batches": [BATCH], "overdue": int}, get=True, lines="batches", text=task_table,
        fails=lambda answer: answer["overdue"] > 0, command="consent list-tasks", example="gate106 consent list-tasks",
    )  # fmt: skip
    async def tasks(self, call: Call, provider: Annotated[str, OF_PROVIDER] = "") -> Answer:
        """List batches whose proof is missing, the most urgent first. Exit 1 if any is overdue."""
        found = tasks_of(self._gate, provider)
        await _say(call, found)
        return {"batches": len(found), "overdue": sum(one["overdue"] for one in found)}

    @operation(
        Permission.LOOK, answer={"to": str, "consents": [BATCH], "withdrawn": [WITHDRAWAL]}, text=consent_lines,
        example="gate106 consent show --to 13800210500",
    )  # fmt: skip
    async def show(self, call: Call, to: To) -> Answer:
        """Show a person's consents and withdrawals. The journal records the look."""
        gate = self._gate
        await record_command(gate, call, "consent show", "", str(to))
        _, data = (await gate.store.load([to]))[to]
        return {
            "to": str(Number(to)),
            "consents": consents_of(gate, to, data),
            "withdrawn": [one._asdict() for one in record.withdrawals(data)],
        }

    # -- a file

    @operation(Permission.ENTER, record="consent-file", by_hand="reads the file", no_path="consent import reads the file")
    async def import_(
        self,
        call: Call,
        batches: Annotated[list[ConsentTerms], Rows("What the numbers agreed to.", ConsentTerms, BATCHES_A_FILE_MAX)],
        source: Annotated[str, Text("Where they agreed: app, form, hotline …", WORD_MAX)],
        why: Why,
        provider: Annotated[str, Text("Who handed it in: a provider of the settings.", WORD_MAX)] = "",
        proof: Annotated[str, Text("The SHA-256 of the file that shows it, in hex.", 64, SHA256)] = "",
        due_days: Annotated[int, Integer("Working days within which a missing proof must come.", 1, DUE_DAYS_MAX)] = DUE_DAYS,
        file: Annotated[str, Text("The file's name.", 255)] = "-",
        check: Annotated[bool, Flag("Say what would be stored; store nothing.")] = False,
    ) -> Answer:
        """Take consents in: all of a file or, with any bad row, nothing. They count when the command ends; their proof waits for a review."""
        from proxy.relay.effects.consents import ConsentImport

        gate = self._gate
        now = gate.now()
        if provider and provider not in gate.relay.directory.providers:
            raise CommandRefused(unknown("provider of the settings", provider, gate.relay.directory.providers))
        if not batches:
            raise CommandRefused("batches: must be a list of what the numbers agreed to")
        terms = tuple(on_lines(batches, partial(self._terms, now)))
        if check:
            return {"would": [one._asdict() for one in terms], "source": source, "enforced": enforced(gate)}
        if gate.away:
            raise CommandRefused(gate.away)
        if gate.listing is not None:
            raise CommandRefused("another list of people is on its way in: try again when it is done")
        body = pack(ConsentFile(now, terms, source, provider, proof, file, self._due(now, due_days), call.who, why))
        incoming = gate.listing = ConsentImport(gate.write(messages.CONSENT_FILE, body), unpack(consents.ConsentFile, body))
        try:
            await call.say({"go": True})
            chunk = partial(consents.Chunk, incoming.sequence)
            await receive_numbers(gate, call, incoming, len(terms), NUMBERS_MAX, messages.CONSENTS, chunk)
            return await self._put_in_force(incoming)
        finally:
            gate.import_ended()

    def _terms(self, now: float, row: ConsentTerms) -> Terms:
        given, until = int(row.given), int(row.until)
        if given > now:
            raise CommandRefused("given: nobody has agreed to anything in the future")
        if until and until <= given:
            raise CommandRefused("until: ends before it was given")
        return Terms(self._advertiser(row.advertiser), row.category, given, until, row.version)

    def _advertiser(self, word: str) -> str:
        """The advertiser's name in the registries, or an unregistered signature; empty: any."""
        from proxy.policy.operator_orders import DIMENSIONS, NotInScope
        from proxy.policy.text.folding import normal_signature

        registry = self._gate.relay.rules.registry
        if not word:
            return ""
        if len(word.encode()) > WORD_BYTES_MAX - 20:
            raise CommandRefused(f"advertiser: longer than {WORD_BYTES_MAX - 20} bytes")
        try:
            return DIMENSIONS["advertiser"](word, registry)
        except NotInScope as fault:
            name = normal_signature(word.strip("【】"))
            if any(normal_signature(row.signature) == name for row in registry.rows.signatures) or not registry.rows.signatures:
                return name
            raise CommandRefused(str(fault)) from None

    def _due(self, now: float, days: int) -> int:
        """The end of the last working day on which it is in time."""
        today = (int(now) + OFFSET_S) // DAY_S
        return (self._gate.relay.rules.registry.holidays.working_day_after(today, days) + 1) * DAY_S - OFFSET_S

    async def _put_in_force(self, incoming: ConsentImport) -> Answer:
        gate, consented = self._gate, self._gate.store.consented
        async with gate.chunked_imports.one_at_a_time:
            try:
                consented.make_room(len(incoming.batch.batches))
            except TooManyBatches as fault:
                raise CommandRefused(f"{fault}: nothing was imported") from None
            event = incoming.whole(gate.now(), consented)
            sequence = gate.write(messages.CONSENT_EVENT, pack(event))
            new = await put_in_force(incoming.apply(event, consented))
        gate.relay.refusals.clear()  # who was refused for want of consent may be allowed now
        await gate.safe(sequence)
        first = consented.find(event.batches[0])
        missing = first is not None and first.missing_proof
        return {
            "batches": list(event.batches), "numbers": incoming.numbers, "new": new, "due": incoming.batch.due if missing else 0,
            "enforced": enforced(gate),
        }  # fmt: skip

    # -- what becomes of batches

    @operation(
        Permission.REVIEW, answer=CHANGED, record="consent-event", text=batch_lines,
        example='gate106 consent review 7 8 --verdict accepted --why "the form is signed"',
    )  # fmt: skip
    async def review(
        self,
        call: Call,
        batches: Annotated[Sequence[str], BATCHES],
        why: Why,
        verdict: Annotated[str, Choice("accepted or rejected.", ("accepted", "rejected"))],
    ) -> Answer:
        """Accept or reject the proof of batches.
        Rejected consents do not count; another person than the one who brought the proof accepts it."""
        numbers = _numbers(batches)
        for batch in map(self._batch, numbers):
            if batch.state == "withdrawn":
                raise CommandRefused(f"batch {batch.number} was taken back: import the file again where that was a mistake")
            if verdict == "accepted" and not batch.proof:
                raise CommandRefused(f"batch {batch.number}: there is no proof to look at (gate106 consent prove)")
            if verdict == "accepted" and call.strict and call.asker.name in map(name_of, (batch.who, batch.proof_by)):
                raise CommandRefused(
                    f"batch {batch.number} was brought by {call.asker.name}: somebody else must look at its proof"
                )
        return await self._apply(BatchEvent(self._gate.now(), "reviewed", numbers, call.who, why, verdict))

    @operation(Permission.ENTER, answer=CHANGED, record="consent-event", by_hand="reads the file")
    async def proof(
        self,
        call: Call,
        batches: Annotated[Sequence[str], BATCHES],
        proof: Annotated[str, Text("The SHA-256 of the file that shows it, in hex.", 64, SHA256)],
        why: Why,
    ) -> Answer:
        """Note the proof of batches that came without: their task is done, a review is due."""
        numbers = _numbers(batches)
        for batch in map(self._batch, numbers):
            if batch.state != "unreviewed":
                raise CommandRefused(f"batch {batch.number} is {batch.state}: its proof is not changed any more")
        return await self._apply(BatchEvent(self._gate.now(), "proof", numbers, call.who, why, proof))

    def _batch(self, number: int) -> ConsentBatch:
        found = self._gate.store.consented.find(number)
        if found is None:
            raise CommandRefused(f"there is no batch {number} (gate106 consent lists them)")
        return found

    async def _apply(self, event: BatchEvent) -> Answer:
        from proxy.relay.effects.consents import apply_event

        gate = self._gate
        sequence = gate.write(messages.CONSENT_EVENT, pack(event))
        apply_event(gate.store.consented, event)
        gate.relay.refusals.clear()
        await gate.safe(sequence)
        return {"batches": [batch_row(self._batch(number)) for number in event.batches]}

    @operation(
        Permission.ENTER, record=("consent-event", "person"), text=withdrawal_lines, notes=unenforced,
        answer={"to?": str, "advertiser?": str, "category?": str, "enforced?": bool, "batches?": [BATCH]},
        example='gate106 consent withdraw --to 13800210500 --advertiser 京选商城 --why "asked by phone"',
    )  # fmt: skip
    async def withdraw(
        self, call: Call, why: Why,
        batches: Annotated[Sequence[str], WHOLE_BATCHES] = (),
        to: Annotated[int, Recipient("Whose: the number, in any spelling.")] = 0,
        advertiser: Annotated[str, Text("Only of this advertiser; else of all.", WORD_MAX)] = "",
        category: Annotated[str, CATEGORY] = "",
    ) -> Answer:  # fmt: skip
        """Take a person's consent back, or whole batches: at once. What they agree to later counts again."""
        if bool(to) is bool(batches):
            raise CommandRefused("say whose consent (--to), or which batches, by number (gate106 consent lists them)")
        if batches:
            if advertiser or category:
                raise CommandRefused("batches are withdrawn whole: --advertiser and --category go with --to")
            numbers = tuple(self._batch(number).number for number in _numbers(batches))
            return await self._apply(BatchEvent(self._gate.now(), "reviewed", numbers, call.who, why, "withdrawn"))
        gate, advertiser = self._gate, self._advertiser(advertiser)
        await change_person(gate, ConsentChange(gate.now(), to, "withdrawn", call.who, why, advertiser, category))
        return {"to": str(Number(to)), "advertiser": advertiser, "category": category, "enforced": enforced(gate)}

    # -- out

    @operation(Permission.TAKE_OUT, by_hand="writes a file", no_path="consent export makes it a file")
    async def export(self, call: Call, why: Why, batches: Annotated[Sequence[str], WHOLE_BATCHES] = ()) -> Answer:
        """Write consents with whole numbers. The journal keeps that it was done."""
        gate, numbers = self._gate, _numbers(batches)
        wanted = [batch for batch, _ in gate.store.consented.batches() if not numbers or batch.number in numbers]
        words = ", ".join(str(batch.number) for batch in wanted)[:2000] if numbers else "all"
        await record_command(gate, call, "consent export", why, f"batches {words}")
        rows = 0
        for batch in wanted:
            for people in gate.store.consented.numbers(batch.number):
                for start in range(0, len(people), ROWS_A_LINE):
                    await call.say({"batch": batch_row(batch), "numbers": people[start : start + ROWS_A_LINE]})
                    await asyncio.sleep(0)
                rows += len(people)
        return {"rows": rows}


def enforced(gate: Gate) -> bool:
    """Whether any rule in force uses consents: otherwise they are only remembered."""
    from proxy.policy.operator_orders import asks

    return any(rule.enforced_ppm and asks(rule, "consent") for rule in gate.relay.rules.rules)


async def change_person(gate: Gate, said: ConsentChange) -> PersonChange:
    """Changes one person's record; returns when that is synced."""
    from proxy.relay.effects.consents import PersonChange

    return await change_recipient(gate, lambda then: PersonChange(said, gate.store, then))


def _numbers(batches: Sequence[str]) -> tuple[int, ...]:
    return tuple(dict.fromkeys(map(int, batches)))


async def _say(call: Call, rows: Sequence[Mapping[str, Any]]) -> None:
    for start in range(0, len(rows), ROWS_A_LINE // 10):
        await call.say({"batches": rows[start : start + ROWS_A_LINE // 10]})
