"""Serves the commands about consents: imports, reviews, withdrawals and tasks.

In: numbers in chunks, digests of proofs, decisions and their authors. Out: consents in force, synced before they are acknowledged.
Never: half a file; a proof itself (its SHA-256 is kept, the file stays with its owner).

A file comes like a list of opt-outs (desk/suppression/operations.py): its batches with the command, then lines of numbers
(operations/number_chunks.py), then ``{"end": true, "numbers": 1000000}``.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from functools import partial
from typing import Any

from proxy.config.yaml_file import unknown
from proxy.desk.consents.person_view import batch_row, consents_of
from proxy.journal.encoding import pack, unpack
from proxy.journal.records import consents, messages, operator_actions
from proxy.journal.records.consents import BatchEvent, ConsentChange, ConsentFile, Terms
from proxy.model.message import Category
from proxy.model.number import Number
from proxy.operations.args import each
from proxy.operations.args import recipient as recipient_in
from proxy.operations.control import Args, Call, CommandRefused, Handler
from proxy.operations.gate_interface import Gate
from proxy.operations.number_chunks import put_in_force, receive_numbers
from proxy.policy import NotInScope, asks
from proxy.policy.operator_orders import DIMENSIONS
from proxy.policy.text.category import SUBCATEGORIES
from proxy.policy.text.folding import normal_signature
from proxy.policy.time_windows import DAY_S, OFFSET_S
from proxy.relay.effects.consents import ConsentImport, PersonChange, apply_event
from proxy.state.lists.consent_lists import STATES, ConsentBatch, TooManyBatches
from proxy.state.record import record
from proxy.state.record.withdrawn import WORD_BYTES_MAX

CATEGORIES = (Category.MARKETING.word, *SUBCATEGORIES[1:])
BATCHES_A_FILE_MAX = 2_000
NUMBERS_MAX = 300_000_000
"""Of one file: its chunks wait in memory, some two bytes a number, until all of it is there."""
DUE_DAYS, DUE_DAYS_MAX = 5, 60
"""Working days within which a missing proof must come."""
WRITTEN_S = 30.0
ROWS_A_LINE = 500
WORD_MAX = 200
COUNTED_A_TURN = 1_000
"""Batches looked at before traffic gets its turn: a quarter of a millisecond."""
_SHA256 = re.compile("[0-9a-f]{64}")
_FAR = 4e9


def commands(gate: Gate) -> Mapping[str, Handler]:
    handlers = _Consent(gate)
    return {
        "consent": handlers.show_batches,
        "consent.import": handlers.import_file,
        "consent.tasks": handlers.tasks,
        "consent.show": handlers.show,
        "consent.review": handlers.review,
        "consent.proof": handlers.proof,
        "consent.withdraw": handlers.withdraw,
        "consent.export": handlers.export,
    }


def _name(who: str) -> str:
    """The name without the means (``li (uid 1000)`` → ``li``)."""
    return who.partition(" (")[0]


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


class _Consent:
    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    # -- looking

    async def show_batches(self, call: Call) -> Mapping[str, Any]:
        args = call.args
        provider, advertiser, state = args.text("provider", ""), args.text("advertiser", ""), args.text("state", "")
        args.done()
        if state and state not in STATES:
            raise CommandRefused(unknown("state", state, STATES))
        found = [
            batch_row(batch, numbers)
            for batch, numbers in self._gate.store.consented.batches()
            if provider in ("", batch.provider) and advertiser in ("", batch.advertiser) and state in ("", batch.state)
        ]
        for start in range(0, len(found), ROWS_A_LINE // 10):
            await call.say({"batches": found[start : start + ROWS_A_LINE // 10]})
        return {"batches": len(found)}

    async def tasks(self, call: Call) -> Mapping[str, Any]:
        provider = call.args.text("provider", "")
        call.args.done()
        found = tasks_of(self._gate, provider)
        for start in range(0, len(found), ROWS_A_LINE // 10):
            await call.say({"batches": found[start : start + ROWS_A_LINE // 10]})
        return {"batches": len(found), "overdue": sum(one["overdue"] for one in found)}

    async def show(self, call: Call) -> Mapping[str, Any]:
        gate, person = self._gate, recipient_in(call.args)
        call.args.done()
        said = pack(operator_actions.Operated(gate.now(), call.who, "consent show", "", str(person)))
        await gate.safe(gate.write(messages.OPERATED, said))
        _, data = (await gate.store.load([person]))[person]
        return {
            "to": str(Number(person)),
            "consents": consents_of(gate, person, data),
            "withdrawn": [one._asdict() for one in record.withdrawals(data)],
        }

    # -- a file

    async def import_file(self, call: Call) -> Mapping[str, Any]:
        args, gate = call.args, self._gate
        now = gate.now()
        rows = args.rows("batches", BATCHES_A_FILE_MAX)
        source, provider = args.text("source", most=WORD_MAX), args.text("provider", "", most=WORD_MAX)
        proof, days = args.text("proof", "", most=64), int(args.number("due_days", DUE_DAYS, 1, DUE_DAYS_MAX))
        file, why = args.text("file", "-", 255), args.why()
        args.done()
        if provider and provider not in gate.relay.directory.providers:
            raise CommandRefused(unknown("provider of the settings", provider, gate.relay.directory.providers))
        if not rows:
            raise CommandRefused("batches: must be a list of what the numbers agreed to")
        batches = tuple(each(rows, partial(self._terms, now)))
        if gate.away:
            raise CommandRefused(gate.away)
        if gate.listing is not None:
            raise CommandRefused("another list of people is on its way in: try again when it is done")
        body = pack(ConsentFile(now, batches, source, provider, _digest(proof), file, self._due(now, days), call.who, why))
        incoming = gate.listing = ConsentImport(gate.write(messages.CONSENT_FILE, body), unpack(consents.ConsentFile, body))
        try:
            await call.say({"go": True})
            chunk = partial(consents.Chunk, incoming.sequence)
            await receive_numbers(gate, call, incoming, len(batches), NUMBERS_MAX, messages.CONSENTS, chunk)
            return await self._put_in_force(incoming)
        finally:
            gate.import_ended()

    def _terms(self, now: float, row: Args) -> Terms:
        advertiser, category = row.text("advertiser", "", most=WORD_MAX), row.text("category", "", most=WORD_MAX)
        given, until = int(row.number("given", None, 0, _FAR)), int(row.number("until", 0.0, 0, _FAR))
        version = row.text("version", "", most=WORD_MAX)
        row.done()
        if category and category not in CATEGORIES:
            raise CommandRefused(unknown("category of marketing", category, CATEGORIES))
        if given > now:
            raise CommandRefused("given: nobody has agreed to anything in the future")
        if until and until <= given:
            raise CommandRefused("until: ends before it was given")
        return Terms(self._advertiser(advertiser), category, given, until, version)

    def _advertiser(self, word: str) -> str:
        """The advertiser's name in the registries, or an unregistered signature; empty: any."""
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

    async def _put_in_force(self, incoming: ConsentImport) -> Mapping[str, Any]:
        gate, consented = self._gate, self._gate.store.consented
        async with gate.chunked_imports.one_at_a_time:
            try:
                consented.make_room(len(incoming.said.batches))
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
            "batches": list(event.batches),
            "numbers": incoming.numbers,
            "new": new,
            "due": incoming.said.due if missing else 0,
            "enforced": enforced(gate),
        }

    # -- what becomes of batches

    async def review(self, call: Call) -> Mapping[str, Any]:
        args = call.args
        numbers, verdict, why = self._batch_numbers(args), args.text("verdict"), args.why()
        args.done()
        if verdict not in ("accepted", "rejected"):
            raise CommandRefused(unknown("verdict", verdict, ("accepted", "rejected")))
        for batch in map(self._batch, numbers):
            if batch.state == "withdrawn":
                raise CommandRefused(f"batch {batch.number} was taken back: import the file again where that was a mistake")
            if verdict == "accepted" and not batch.proof:
                raise CommandRefused(f"batch {batch.number}: there is no proof to look at (gate106 consent proof)")
            if verdict == "accepted" and call.strict and call.asker.name in (_name(batch.who), _name(batch.proof_by)):
                raise CommandRefused(
                    f"batch {batch.number} was brought by {call.asker.name}: somebody else must look at its proof"
                )
        return await self._apply(BatchEvent(self._gate.now(), "reviewed", numbers, call.who, why, verdict))

    async def proof(self, call: Call) -> Mapping[str, Any]:
        args = call.args
        numbers, proof, why = self._batch_numbers(args), args.text("proof", most=64), args.why()
        args.done()
        for batch in map(self._batch, numbers):
            if batch.state != "unreviewed":
                raise CommandRefused(f"batch {batch.number} is {batch.state}: its proof is not changed any more")
        return await self._apply(BatchEvent(self._gate.now(), "proof", numbers, call.who, why, _digest(proof)))

    def _batch_numbers(self, args: Args) -> tuple[int, ...]:
        found = args.texts("batches", BATCHES_A_FILE_MAX)
        if not found or not all(one.isascii() and one.isdigit() and len(one) < 12 for one in found):
            raise CommandRefused("say which batches, by number (gate106 consent lists them)")
        return tuple(dict.fromkeys(map(int, found)))

    def _batch(self, number: int) -> ConsentBatch:
        found = self._gate.store.consented.find(number)
        if found is None:
            raise CommandRefused(f"there is no batch {number} (gate106 consent lists them)")
        return found

    async def _apply(self, event: BatchEvent) -> Mapping[str, Any]:
        gate = self._gate
        sequence = gate.write(messages.CONSENT_EVENT, pack(event))
        apply_event(gate.store.consented, event)
        gate.relay.refusals.clear()
        await gate.safe(sequence)
        return {"batches": [batch_row(self._batch(number)) for number in event.batches]}

    async def withdraw(self, call: Call) -> Mapping[str, Any]:
        """Of one person, or whole batches."""
        args = call.args
        if args.text("to", "", most=100) == "":
            numbers, why = self._batch_numbers(args), args.why()
            args.done()
            for number in numbers:
                self._batch(number)
            return await self._apply(BatchEvent(self._gate.now(), "reviewed", numbers, call.who, why, "withdrawn"))
        person, category = recipient_in(args), args.text("category", "", most=WORD_MAX)
        advertiser, why = self._advertiser(args.text("advertiser", "", most=WORD_MAX)), args.why()
        args.done()
        if category and category not in CATEGORIES:
            raise CommandRefused(unknown("category of marketing", category, CATEGORIES))
        gate = self._gate
        said = ConsentChange(gate.now(), person, "withdrawn", call.who, why, advertiser, category)
        await change_person(gate, said)
        return {"to": str(Number(person)), "advertiser": advertiser, "category": category, "enforced": enforced(gate)}

    # -- out

    async def export(self, call: Call) -> Mapping[str, Any]:
        gate, args = self._gate, call.args
        numbers = self._batch_numbers(args) if args.flag("some") else None
        why = args.why()
        args.texts("batches", BATCHES_A_FILE_MAX)
        args.done()
        wanted = [batch for batch, _ in gate.store.consented.batches() if numbers is None or batch.number in numbers]
        words = ", ".join(str(batch.number) for batch in wanted)[:2000] if numbers is not None else "all"
        await gate.safe(
            gate.write(
                messages.OPERATED,
                pack(operator_actions.Operated(gate.now(), call.who, "consent export", why, f"batches {words}")),
            )
        )
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
    return any(rule.mode == "enforce" and asks(rule, "consent") for rule in gate.relay.rules.rules)


async def change_person(gate: Gate, said: ConsentChange) -> PersonChange:
    """Changes one person's record; returns when that is synced."""
    written: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def then(change: PersonChange, recorded: int) -> None:
        if not written.done():
            written.set_result(recorded)

    change = PersonChange(said, gate.store, then)
    gate.relay.change(change)
    try:
        async with asyncio.timeout(WRITTEN_S):
            recorded = await written
    except TimeoutError:
        raise CommandRefused("it is in force, but not written: the journal is down (the log has more)") from None
    await gate.safe(recorded)
    return change


def _digest(proof: str) -> str:
    if proof and not _SHA256.fullmatch(proof):
        raise CommandRefused("proof: must be the SHA-256 of a file, in hex")
    return proof
