"""Declares the operations on suppressed recipients, singly and by list.

Never: half a list; the loop blocked for longer than a chunk takes.

A list comes in lines of numbers behind the command (operations/number_chunks.py), then ``{"end": true, "numbers": 1000000}``. Each line is
in the journal before the next is read; the last one puts all of it into force, or nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from proxy.config.yaml_file import unknown
from proxy.i18n.phrases import WORDS, Bilingual
from proxy.journal.encoding import pack, unpack
from proxy.journal.records import messages, operator_actions
from proxy.model.message import SUBCATEGORIES, Category
from proxy.model.number import Number
from proxy.model.recipient import OptOut
from proxy.model.roles import Permission
from proxy.operations.authorization import CommandRefused
from proxy.operations.control import Call
from proxy.operations.declaration import Answer, Operations, SharedSchema, operation
from proxy.operations.gate_interface import Gate, change_recipient, record_command
from proxy.operations.number_chunks import put_in_force, read_numbers_line, receive_numbers
from proxy.operations.parameters import Amount, Choice, Flag, Rows, Seconds, Text, To, Why, on_lines
from proxy.operations.terminal import format_time, in_words_of_reader, table_lines
from proxy.state.lists.suppression_lists import LISTS_MAX, TooManyLists
from proxy.state.record import record
from proxy.state.record.packed_facts import SCOPES, VALUE_BYTES_MAX

if TYPE_CHECKING:
    from proxy.policy.explanation.naming import LookUp
    from proxy.policy.ruleset import RuleSet
    from proxy.relay.effects.list_import import ListImport
    from proxy.relay.effects.suppression import AccompanyingRecord, SuppressionChange

SOURCES = ("officer", "complaint", "import", "hotline")
"""Who may have said so here; a person's own word comes by reply, or by a hotline or an app."""
OWN_SOURCES = ("reply", "hotline", "doubtful")
"""What officers take back only where they name it; of a doubtful reply: where they decide about it."""
FOR_S_MAX = 20 * 366 * 86_400.0
LISTING_NUMBERS_MAX = 300_000_000
"""Of one import: its chunks wait in memory, some two bytes a number, until all of it is there."""
ROWS_A_LINE = 500
"""Of an export."""

SCOPE = Choice("all, advertiser, signature, provider, port or category.", ("all", "global", *SCOPES[1:]), shown="all")
VALUE = Text("Which advertiser, signature …; all has none.", 200)
SOURCE = Choice("Who says so: officer, complaint, import or hotline (an app, too).", SOURCES, shown="officer")
LASTS = Seconds("How long (180d); for good if it is not said.", 0.0, FOR_S_MAX)
CHECK = Flag("Say what would be stored; store nothing.")
UNTIL = Amount("Until when, in seconds since 1970.", 0.0, 4e9, internal=True)

NAME_FIELDS = {"advertiser": str, "signature": str, "about": str, "about_zh": str}
"""Whom a refusal covers, by name: policy/explanation/naming.py."""
_REFUSAL_FIELDS = {"scope": str, "value": str, "source": str, "since": int, "until": int}
REFUSAL = SharedSchema("Refusal", _REFUSAL_FIELDS | NAME_FIELDS | {"kept?": str, "in_force?": bool, "port?": str})
LIST = {"scope": str, "value": str, "source": str, "expiry": int, "until": int, "newest": int, "numbers": int} | NAME_FIELDS


class RefusalTerms(NamedTuple):
    """What a person refuses, as a command or a row says it."""

    scope: Annotated[str, SCOPE] = "all"
    value: Annotated[str, VALUE] = ""
    source: Annotated[str, SOURCE] = "officer"
    for_s: Annotated[float, LASTS] = 0.0
    until: Annotated[float, UNTIL] = 0.0
    line: int = 0


def enforced(rules: RuleSet) -> bool:
    """Whether any rule in force uses opt-outs: otherwise they are only remembered."""
    from proxy.policy.operator_orders import asks

    return any(rule.mode == "enforce" and asks(rule, "suppressed") for rule in rules.rules)


def refusal_row(one: OptOut) -> dict[str, Any]:
    return {"scope": one.scope, "value": one.value, "source": one.source, "since": one.time, "until": one.expiry}


def look_up(gate: Gate, refusals: Iterable[OptOut]) -> LookUp:
    """What the gate knows of signatures at once: by its registry, and by what refusals name; it does not search the journal."""
    from proxy.policy.explanation import naming

    names = naming.by_names(naming.names_in(refusals), naming.knows_none(naming.NOT_ASKED))
    return naming.by_registry(gate.relay.rules.registry, names)


def named_rows(gate: Gate, refusals: Iterable[OptOut]) -> list[dict[str, Any]]:
    """The same with names for people."""
    from proxy.policy.explanation import naming

    found = list(refusals)
    known = look_up(gate, found)
    return [refusal_row(one) | naming.fields(one, known) for one in found]


def with_journal_names(answer: Mapping[str, Any], given: Mapping[str, Any], config: Path) -> dict[str, Any]:
    """The answer with names from the journal where the gate knew only a hash. ``given``: the command's arguments."""
    from proxy.desk.suppression.signature_search import with_names

    return with_names(answer, given["to"], config)


# -- answers as text


def _words(one: Mapping[str, Any]) -> Bilingual:
    """An opt-out of an answer, for people."""
    if not one["since"]:  # of who was erased
        return Bilingual(one["about"], one["about_zh"])
    since, until = format_time(one["since"]), format_time(one["until"]) if one["until"] else ""
    return Bilingual(
        f"{one['about']}, by {one['source']} since {since}" + (f", until {until}" if until else ""),
        f"{one['about_zh']}，{WORDS.get(one['source'], one['source'])}，自 {since}" + (f"，至 {until}" if until else ""),
    )


def _with_words(answer: Answer, one: Mapping[str, Any], english: str = "", chinese: str = "") -> Bilingual:
    words = _words(one)
    return Bilingual(f"{answer['to']}: {english}{words}", f"{answer['to']}：{chinese}{words.zh}")


def unenforced(answer: Answer) -> Iterable[str]:
    return () if answer["enforced"] else ("gate106: no rule in force asks `suppressed`: this is remembered, and stops nothing",)


def _refusals(answer: Answer) -> Iterator[str]:
    for one in answer["refusals"]:
        words, over = _with_words(answer, one), not one["in_force"]
        kept = "名单" if one["kept"] == "list" else "个人记录"
        yield Bilingual(f"{words} ({one['kept']}){': over' * over}", f"{words.zh}（{kept}）{'：已过期' * over}")
    if not answer["refusals"]:
        yield f"{answer['to']}: nothing is suppressed"


def _lists(answer: Answer) -> Iterable[str]:
    rows = (
        (
            in_words_of_reader(Bilingual(one["about"], one["about_zh"])),
            one["source"],
            one["numbers"],
            format_time(one["newest"]),
            format_time(one["until"]),
        )
        for one in answer["lists"]
    )
    return table_lines(("about", "source", "numbers", "newest", "until"), rows, "there are no lists")


class Suppressions(
    Operations, group="suppress", help="People who get no marketing: enter refusals, take them back, look; lists in and out."
):
    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    # -- one person

    @operation(
        Permission.ENTER, answer={"to": str, "added": [REFUSAL], "enforced": bool}, record="suppressed", notes=unenforced,
        text=lambda answer: (_with_words(answer, one) for one in answer["added"]),
        example='gate106 suppress add --to 13800210500 --scope provider --value jia --for 180d --why "case 4711"',
    )  # fmt: skip
    async def add(
        self, call: Call, to: To, why: Why,
        scope: Annotated[str, SCOPE] = "all",
        value: Annotated[str, VALUE] = "",
        source: Annotated[str, SOURCE] = "officer",
        for_s: Annotated[float, LASTS] = 0.0,
        until: Annotated[float, UNTIL] = 0.0,
    ) -> Answer:  # fmt: skip
        """Enter a refusal for a person: in force at once, on disk before it is said to be."""
        refusal = refusal_of(self._gate, RefusalTerms(scope, value, source, for_s, until))
        return await suppress(self._gate, to, refusal, call.who, why)

    @operation(
        Permission.ENTER, answer={"to": str, "removed": [REFUSAL]}, record="suppressed", complete=with_journal_names,
        text=lambda answer: (_with_words(answer, one, "removed ", "已撤销 ") for one in answer["removed"]),
        example='gate106 suppress remove --to 13800210500 --scope provider --value jia --why "withdrawn"',
    )  # fmt: skip
    async def remove(
        self, call: Call, to: To, why: Why,
        scope: Annotated[str, Text("Only refusals of this scope.", 40)] = "",
        value: Annotated[str, Text("Only of this one, as `suppress show` names it.", 200)] = "",
        source: Annotated[str, Text("Only by these: officer, complaint, import; reply and hotline must be named.", 40)] = "",
    ) -> Answer:  # fmt: skip
        """Take refusals back, from the person's record and from lists; what a person said by reply only if it is named."""
        from proxy.policy.explanation import naming

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

        change = await change_record(self._gate, to, (), wanted, call.who, why)
        if not change.lifted and own_word[0]:
            raise CommandRefused(
                f"{Number(to)} refused themselves: only they take that back (START), or name --source reply, hotline or doubtful"
            )
        if not change.lifted:
            raise CommandRefused(f"nothing of {Number(to)} is suppressed so (`gate106 suppress show` tells what is)")
        return {"to": str(Number(to)), "removed": named_rows(self._gate, change.lifted)}

    @operation(
        Permission.LOOK, answer={"to": str, "refusals": [REFUSAL], "enforced": bool}, complete=with_journal_names, by_program=True,
        text=_refusals, notes=unenforced, example="gate106 suppress show --to 13800210500",
    )  # fmt: skip
    async def show(self, call: Call, to: To) -> Answer:
        """Show a person's opt-outs, also those on lists. The journal records the look."""
        gate = self._gate
        await record_command(gate, call, "suppress show", "", str(to))
        _, data = (await gate.store.load([to]))[to]
        there = [(one, "record") for one in record.opt_outs(data)]
        there += [(one, "list") for one in gate.store.listed.refusals(to)]
        now = gate.now()
        names = named_rows(gate, (one for one, _ in there))
        return {
            "to": str(Number(to)),
            "refusals": [
                name | {"kept": where, "in_force": not 0 < one.expiry <= now, "port": ""}
                for name, (one, where) in zip(names, there, strict=True)
            ],
            "enforced": enforced(gate.relay.rules),
        }

    @operation(
        Permission.SEE,
        answer={"lists": [LIST]},
        get=True,
        text=_lists,
        command="suppress list",
        example="gate106 suppress list",
    )
    async def lists(self, call: Call) -> Answer:
        """List what was imported: how many numbers of which scope, value, source and expiry."""
        from proxy.policy.explanation import naming

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

    @operation(Permission.ENTER, record="listing", by_hand="reads the file", no_path="suppress import reads the file")
    async def import_(
        self,
        call: Call,
        keys: Annotated[list[RefusalTerms], Rows("What the numbers refuse.", RefusalTerms, LISTS_MAX)],
        why: Why,
        remove: Annotated[bool, Flag("Take these numbers off the lists of this scope and value instead.")] = False,
        file: Annotated[str, Text("The file's name.", 255)] = "-",
        check: Annotated[bool, CHECK] = False,
    ) -> Answer:
        """Take a list in, of any size: all of it or, with any bad row, nothing. In force and on disk when the command ends."""
        from proxy.relay.effects.list_import import ListImport

        gate = self._gate
        if not keys:
            raise CommandRefused("keys: must be a list of what the numbers refuse")
        refusals = on_lines(keys, partial(refusal_of, gate))
        if check:
            would = named_rows(gate, refusals)
            if not remove:
                await call.say({"go": True})
                would = [row | {"new": one} for row, one in zip(would, await self._new(call, refusals), strict=True)]
            return {"would": would, "enforced": enforced(gate.relay.rules)}
        if gate.away:
            raise CommandRefused(gate.away)
        if gate.listing is not None:
            raise CommandRefused("another list is on its way in: try again when it is done")
        body = pack(operator_actions.ListBegun(gate.now(), remove, tuple(refusals), call.who, why, file))
        sequence = gate.write(messages.LISTING, body)
        listing = gate.listing = ListImport(sequence, unpack(operator_actions.ListBegun, body))
        try:
            await call.say({"go": True})
            chunk = partial(operator_actions.ListChunk, listing.sequence)
            await receive_numbers(gate, call, listing, len(refusals), LISTING_NUMBERS_MAX, messages.LISTED, chunk)
            return await self._put_in_force(listing)
        finally:
            gate.import_ended()

    async def _new(self, call: Call, refusals: Sequence[OptOut]) -> list[int]:
        """Of each refusal how many of the numbers that arrive are on its list not yet; none is kept."""
        from proxy.relay.effects.list_import import key_of

        new = [0] * len(refusals)
        while (said := await call.hear()).get("end") is not True:
            key, chunk, lows = read_numbers_line(said, len(refusals))
            new[key] += self._gate.store.listed.lacking(key_of(refusals[key]), chunk, lows)
            await asyncio.sleep(0)
        return new

    async def _put_in_force(self, listing: ListImport) -> Answer:
        gate = self._gate
        async with gate.chunked_imports.one_at_a_time:
            try:
                gate.store.listed.make_room(listing.keys())
            except TooManyLists as fault:
                raise CommandRefused(f"{fault}: nothing was imported") from None
            sequence = gate.write(messages.LISTING_DONE, listing.done(gate.now()))
            changed = await put_in_force(listing.apply(gate.store.listed))
        if listing.begun.takes_off:
            gate.relay.refusals.clear()
        else:
            for refusal in listing.begun.refusals:
                gate.relay.tally.optouts[refusal.source, refusal.scope, ""] += listing.numbers_of(refusal)
        await gate.safe(sequence)
        return {"numbers": listing.numbers, "changed": changed, "enforced": enforced(gate.relay.rules)}

    # -- many people: out

    @operation(Permission.TAKE_OUT, by_hand="writes a file", no_path="suppress export makes it a file")
    async def export(self, call: Call, why: Why) -> Answer:
        """Write everybody who is suppressed, records and lists: a chunk of a list or a few buckets of records at a time, as they are then."""
        gate = self._gate
        await record_command(gate, call, "suppress export", why)
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
) -> Answer:
    """Enters one opt-out, and the record ``beside`` it in the same step; returns when both are synced."""
    change = await change_record(gate, recipient, (refusal,), None, who, why, beside)
    gate.relay.tally.optouts[refusal.source, refusal.scope, ""] += 1
    return {"to": str(Number(recipient)), "added": named_rows(gate, change.added), "enforced": enforced(gate.relay.rules)}


async def change_record(
    gate: Gate, recipient: int, added: tuple[OptOut, ...], wanted: Any, who: str, why: str,
    beside: AccompanyingRecord | None = None,
) -> SuppressionChange:  # fmt: skip
    """Changes one record; returns when that, and the record ``beside`` it, are synced."""
    from proxy.relay.effects.suppression import SuppressionChange

    listed = gate.store.listed
    return await change_recipient(
        gate, lambda then: SuppressionChange(recipient, added, wanted, listed, who, why, then), beside
    )


def refusal_of(gate: Gate, terms: RefusalTerms) -> OptOut:
    """The opt-out that the terms describe, checked: an unknown word would suppress nothing."""
    now, (scope, value, source, for_s, until, _) = gate.now(), terms
    scope = "all" if scope == "global" else scope
    if until and until <= now:
        raise CommandRefused("until: is over already")
    if until > now + FOR_S_MAX:
        raise CommandRefused("until: is more than 20 years away: write 'for good'")
    if (scope == "all") is bool(value):
        raise CommandRefused("scope all has no value" if value else f"scope {scope} needs a value (--value)")
    if value:
        value = _value(gate, scope, value)
    return OptOut(scope, value, int(now), source, int(until) or (int(now + for_s) if for_s else 0))


def _value(gate: Gate, scope: str, value: str) -> str:
    from proxy.policy.operator_orders import DIMENSIONS, NotInScope

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
