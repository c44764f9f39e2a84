"""Serves the commands about suppressed recipients, singly and by list.

In: numbers, what they refuse, the source. Out: opt-outs in force, synced before they are acknowledged: of one person in the record, of many
as a list. Never: half a list; the loop blocked for longer than a chunk takes.

A list comes in lines of numbers behind the command (operations/number_chunks.py), then ``{"end": true, "numbers": 1000000}``. Each
line is in the
journal before the next is read; the last one puts all of it into force, or nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from proxy.config.yaml_file import unknown
from proxy.journal.encoding import pack, unpack
from proxy.journal.records import messages, operator_actions
from proxy.model.message import Category
from proxy.model.number import Number
from proxy.model.recipient import OptOut
from proxy.operations.args import each
from proxy.operations.args import recipient as recipient_in
from proxy.operations.control import Args, Call, CommandRefused, Handler
from proxy.operations.gate_interface import Gate
from proxy.operations.number_chunks import put_in_force, receive_numbers
from proxy.policy import NotInScope, RuleSet, asks
from proxy.policy.explanation import naming
from proxy.policy.operator_orders import DIMENSIONS
from proxy.policy.text.category import SUBCATEGORIES
from proxy.relay.effects.list_import import ListImport
from proxy.relay.effects.suppression import AccompanyingRecord, OfficerRefusal
from proxy.state.lists.suppression_lists import LISTS_MAX, TooManyLists
from proxy.state.record import record
from proxy.state.record.packed_facts import SCOPES, VALUE_BYTES_MAX

SOURCES = ("officer", "complaint", "import", "hotline")
"""Who may have said so here; a person's own word comes by reply, or by a hotline or an app."""
OWN_SOURCES = ("reply", "hotline", "doubtful")
"""What officers take back only where they name it; of a doubtful reply: where they decide about it."""
FOR_S_MAX = 20 * 366 * 86_400.0
WRITTEN_S = 30.0
"""A change of a record is written within this time, or the command reports that it is not synced yet."""
LISTING_NUMBERS_MAX = 300_000_000
"""Of one import: its chunks wait in memory, some two bytes a number, until all of it is there."""
ROWS_A_LINE = 500
"""Of an export."""


def commands(gate: Gate) -> Mapping[str, Handler]:
    handlers = _Suppress(gate)
    return {
        "suppress.add": handlers.add,
        "suppress.remove": handlers.remove,
        "suppress.show": handlers.show,
        "suppress.lists": handlers.lists,
        "suppress.import": handlers.import_list,
        "suppress.export": handlers.export,
    }


def enforced(rules: RuleSet) -> bool:
    """Whether any rule in force uses opt-outs: otherwise they are only remembered."""
    return any(rule.mode == "enforce" and asks(rule, "suppressed") for rule in rules.rules)


def refusal_row(one: OptOut) -> dict[str, Any]:
    return {"scope": one.scope, "value": one.value, "source": one.source, "since": one.time, "until": one.expiry}


def look_up(gate: Gate, refusals: Iterable[OptOut]) -> naming.LookUp:
    """What the gate knows of signatures at once: by its registry, and by what refusals name; it does not search the journal."""
    names = naming.by_names(naming.names_in(refusals), naming.knows_none(naming.NOT_ASKED))
    return naming.by_registry(gate.relay.rules.registry, names)


def named_rows(gate: Gate, refusals: Iterable[OptOut]) -> list[dict[str, Any]]:
    """The same with names for people."""
    found = list(refusals)
    known = look_up(gate, found)
    return [refusal_row(one) | naming.fields(one, known) for one in found]


class _Suppress:
    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    # -- one person

    async def add(self, call: Call) -> Mapping[str, Any]:
        args = call.args
        recipient, refusal, why = recipient_in(args), refusal_of(self._gate, args), args.why()
        args.done()
        return await suppress(self._gate, recipient, refusal, call.who, why)

    async def remove(self, call: Call) -> Mapping[str, Any]:
        args = call.args
        recipient, scope, value = recipient_in(args), args.text("scope", ""), args.text("value", "")
        source, why = args.text("source", ""), args.why()
        args.done()
        scope = "all" if scope == "global" else scope
        own_word = [False]
        registry = self._gate.relay.rules.registry

        def wanted(one: OptOut) -> bool:
            if (scope and one.scope != scope) or (value and not naming.names(one, value, registry)):
                return False
            if one.source in OWN_SOURCES and source != one.source:
                own_word[0] = True
                return False
            return source in ("", one.source)

        change = await change_record(self._gate, recipient, (), wanted, call.who, why)
        if not change.lifted and own_word[0]:
            raise CommandRefused(
                f"{Number(recipient)} refused themselves: only they take that back (START), or name --source reply, hotline or doubtful"
            )
        if not change.lifted:
            raise CommandRefused(f"nothing of {Number(recipient)} is suppressed so (`gate106 suppress show` tells what is)")
        return {"to": str(Number(recipient)), "removed": named_rows(self._gate, change.lifted)}

    async def show(self, call: Call) -> Mapping[str, Any]:
        gate, recipient = self._gate, recipient_in(call.args)
        call.args.done()
        said = pack(operator_actions.Operated(gate.now(), call.who, "suppress show", "", str(recipient)))
        await gate.safe(gate.write(messages.OPERATED, said))
        _, data = (await gate.store.load([recipient]))[recipient]
        there = [(one, "record") for one in record.opt_outs(data)]
        there += [(one, "list") for one in gate.store.listed.refusals(recipient)]
        now = gate.now()
        names = named_rows(gate, (one for one, _ in there))
        return {
            "to": str(Number(recipient)),
            "refusals": [
                name | {"kept": where, "in_force": not 0 < one.expiry <= now, "port": ""}
                for name, (one, where) in zip(names, there, strict=True)
            ],
            "enforced": enforced(gate.relay.rules),
        }

    async def lists(self, call: Call) -> Mapping[str, Any]:
        call.args.done()
        there = self._gate.store.listed.lists()
        refusals = [OptOut(one.key.scope, one.key.value, 0, "import", 0) for one in there]
        known = look_up(self._gate, refusals)
        return {
            "lists": [
                one.key._asdict()
                | {"until": one.key.expiry, "newest": one.time, "numbers": one.numbers}
                | naming.fields(refusal, known)
                for one, refusal in zip(there, refusals, strict=True)
            ]
        }

    # -- many people: in

    async def import_list(self, call: Call) -> Mapping[str, Any]:
        args, gate = call.args, self._gate
        takes_off, file, why = args.flag("remove"), args.text("file", "-", 255), args.why()
        keys = args.rows("keys", LISTS_MAX)
        args.done()
        if not keys:
            raise CommandRefused("keys: must be a list of what the numbers refuse")
        refusals = each(keys, self._refusal)
        if gate.away:
            raise CommandRefused(gate.away)
        if gate.listing is not None:
            raise CommandRefused("another list is on its way in: try again when it is done")
        body = pack(operator_actions.ListBegun(gate.now(), takes_off, tuple(refusals), call.who, why, file))
        sequence = gate.write(messages.LISTING, body)
        listing = gate.listing = ListImport(sequence, unpack(operator_actions.ListBegun, body))
        try:
            await call.say({"go": True})
            chunk = partial(operator_actions.ListChunk, listing.sequence)
            await receive_numbers(gate, call, listing, len(refusals), LISTING_NUMBERS_MAX, messages.LISTED, chunk)
            return await self._put_in_force(listing)
        finally:
            gate.import_ended()

    def _refusal(self, row: Args) -> OptOut:
        refusal = refusal_of(self._gate, row)
        row.done()
        return refusal

    async def _put_in_force(self, listing: ListImport) -> Mapping[str, Any]:
        gate = self._gate
        async with gate.chunked_imports.one_at_a_time:
            try:
                gate.store.listed.make_room(listing.keys())
            except TooManyLists as fault:
                raise CommandRefused(f"{fault}: nothing was imported") from None
            sequence = gate.write(messages.LISTING_DONE, listing.done(gate.now()))
            changed = await put_in_force(listing.apply(gate.store.listed))
        if listing.said.takes_off:
            gate.relay.refusals.clear()
        else:
            for refusal in listing.said.refusals:
                gate.relay.tally.optouts[refusal.source, refusal.scope, ""] += listing.numbers_of(refusal)
        await gate.safe(sequence)
        return {"numbers": listing.numbers, "changed": changed, "enforced": enforced(gate.relay.rules)}

    # -- many people: out

    async def export(self, call: Call) -> Mapping[str, Any]:
        """Everybody: lists a chunk, records a few buckets at a time, as they are when their turn comes."""
        gate, why = self._gate, call.args.why()
        call.args.done()
        await gate.safe(
            gate.write(messages.OPERATED, pack(operator_actions.Operated(gate.now(), call.who, "suppress export", why, "")))
        )
        people = 0
        for one, numbers in gate.store.listed.numbers():
            refusal = refusal_row(OptOut(one.key.scope, one.key.value, one.time, one.key.source, one.key.expiry))
            for start in range(0, len(numbers), ROWS_A_LINE):
                await call.say({"refusal": refusal, "numbers": numbers[start : start + ROWS_A_LINE]})
                await asyncio.sleep(0)
            people += len(numbers)
        for records in gate.store.walk():
            for number, data in records:
                for one_refusal in record.opt_outs(data):
                    await call.say({"refusal": refusal_row(one_refusal), "numbers": [number]})
                    people += 1
            await asyncio.sleep(0)
        return {"rows": people}


async def suppress(
    gate: Gate, recipient: int, refusal: OptOut, who: str, why: str, beside: AccompanyingRecord | None = None
) -> Mapping[str, Any]:
    """Enters one opt-out, and the record ``beside`` it in the same step; returns when both are synced."""
    change = await change_record(gate, recipient, (refusal,), None, who, why, beside)
    gate.relay.tally.optouts[refusal.source, refusal.scope, ""] += 1
    return {
        "to": str(Number(recipient)),
        "added": named_rows(gate, change.added),
        "enforced": enforced(gate.relay.rules),
    }


async def change_record(
    gate: Gate,
    recipient: int,
    added: tuple[OptOut, ...],
    wanted: Any,
    who: str,
    why: str,
    beside: AccompanyingRecord | None = None,
) -> OfficerRefusal:
    """Changes one record; returns when that, and the record ``beside`` it, are synced."""
    written: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def then(change: OfficerRefusal, recorded: int) -> None:
        if not written.done():
            written.set_result(recorded)

    change = OfficerRefusal(recipient, added, wanted, gate.store.listed, who, why, then)
    gate.relay.change(change)
    if beside is not None:
        gate.relay.change(beside)
    try:
        async with asyncio.timeout(WRITTEN_S):
            recorded = await written
    except TimeoutError:
        raise CommandRefused("it is in force, but not written: the journal is down (the log has more)") from None
    await gate.safe(recorded if beside is None else beside.recorded)
    return change


def refusal_of(gate: Gate, args: Args, by: str = "officer") -> OptOut:
    """The opt-out that the arguments describe, checked: an unknown word would suppress nothing. ``by``: the default source."""
    now = gate.now()
    scope, value = args.text("scope", "all"), args.text("value", "")
    source, for_s = args.text("source", by), args.seconds("for_s", 0.0, 0.0, FOR_S_MAX)
    until = int(args.number("until", 0.0, 0.0, now + FOR_S_MAX))
    scope = "all" if scope == "global" else scope
    if scope not in SCOPES:
        raise CommandRefused(unknown("scope", scope, SCOPES))
    if source not in SOURCES:
        raise CommandRefused(unknown("source", source, SOURCES))
    if until and until <= now:
        raise CommandRefused("until: is over already")
    if (scope == "all") is bool(value):
        raise CommandRefused("scope all has no value" if value else f"scope {scope} needs a value (--value)")
    if value:
        value = _value(gate, scope, value)
    return OptOut(scope, value, int(now), source, until or (int(now + for_s) if for_s else 0))


def _value(gate: Gate, scope: str, value: str) -> str:
    relay = gate.relay
    if scope == "provider" and value not in relay.directory.providers:
        raise CommandRefused(unknown("provider of the settings", value, relay.directory.providers))
    if scope == "category":
        words = (Category.MARKETING.word, *SUBCATEGORIES[1:])
        if value not in words:
            raise CommandRefused(unknown("category of marketing", value, words))
        return value
    try:
        value = DIMENSIONS[scope](value, relay.rules.registry)
    except NotInScope as fault:
        raise CommandRefused(str(fault)) from None
    if len(value.encode()) > VALUE_BYTES_MAX:
        raise CommandRefused(f"value: longer than {VALUE_BYTES_MAX} bytes")
    return value
