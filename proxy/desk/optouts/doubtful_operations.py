"""Declares the operations that list and decide doubtful replies.

In: a row, yes or no, the officer and the reason. Out: opt-outs in force or lifted, synced with the decision before it is acknowledged. Never: a
whole number, digits of a code, half a reply: each person's record changes wholly or not at all.

A row is decided in batches: first the records of the persons change (kind SUPPRESSED each), then one DECISION names their replies. If the gate
is killed in between, the batch is still on the list, and deciding it again changes nothing twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any, Protocol

from proxy.archive.otp_texts import may_be_code
from proxy.desk.optouts.inbox import DoubtfulRow, Inbox, overdue_before
from proxy.i18n.phrases import term
from proxy.journal.encoding import pack
from proxy.journal.records import messages
from proxy.journal.records.doubtful_replies import DECIDED_IDS_MAX, NO_CONTEXT, DoubtDecision, Doubtful, ReplyContext
from proxy.model.message import Category
from proxy.model.number import mask
from proxy.model.recipient import HOLD_S, OptOut
from proxy.model.redact import mask_digits, mask_numbers
from proxy.model.roles import Permission
from proxy.operations.control import Call, CommandRefused
from proxy.operations.declaration import Answer, Button, Operations, operation
from proxy.operations.gate_interface import Gate, change_recipient
from proxy.operations.parameters import Choice, Flag, Integer, Text, Why
from proxy.operations.terminal import format_time, in_words_of_reader, note, table_lines
from proxy.state.record.optout_candidates import Port

if TYPE_CHECKING:
    from proxy.policy.explanation.naming import KnownSignature
    from proxy.relay.effects.suppression import DoubtSettled, Stops

STATES = OPEN, LAPSED, DECIDED, STANDING = "open", "lapsed", "decided", "standing"
SAYS = ("yes", "no")
LISTED_ROWS_MAX = 500
SKIPPED_MAX = 1_000_000
BATCH = min(200, DECIDED_IDS_MAX)
"""Persons whose records change at a time: some milliseconds, between which messages pass."""
TEXT_SHOWN_MAX = 120


_HELD = {"scope": str, "value": str, "advertiser": str, "signature": str, "about": str, "about_zh": str}
_ANSWERED = {"category": str, "signature": str, "advertiser": str, "text": str}
_LISTED = {
    "state": str,
    "rows": [
        {
            "row": str, "state": str, "words": str, "replies": int, "people": int, "holding": int, "then": str, "until": float,
            "oldest": float, "late": bool, "to": str, "port": str, "provider": str, "answered": _ANSWERED, "held": [_HELD],
        },
    ],
    "decisions": [
        {
            "row": str, "time": float, "who": str, "why": str, "yes": bool, "standing": bool, "port": str, "words": str,
            "replies": int, "answered": _ANSWERED,
        },
    ],
    "more": bool, "counts": {"open": int, "overdue": int, "lapsed": int, "decided": int, "unlisted": int}, "oldest": float,
}  # fmt: skip


@dataclass(frozen=True)
class RowName(Text):
    """A row's name; read as an int."""

    def read(self, value: Any) -> int:
        try:
            return int(super().read(value), 16)
        except ValueError:
            raise ValueError(
                f"{value!r:.40} is no row's name, which has 12 digits 0-9a-f (`gate106 optout list-doubtful` lists them)"
            ) from None


ROW = RowName("Its name, as `gate106 optout list-doubtful` shows it.", 12, "[0-9a-f]{12}", flag="-", metavar="ROW")
Row = Annotated[int, ROW]


class WithInbox(Gate, Protocol):
    @property
    def inbox(self) -> Inbox: ...


# -- answers as text


def _rows(answer: Answer) -> Iterator[str]:
    state = answer["state"]
    if state in (DECIDED, STANDING):
        decisions = (
            (one["row"], one["replies"], one["words"], _says(one), format_time(one["time"]), one["who"], one["why"])
            for one in answer["decisions"]
        )
        heads = ("row", "replies", "words", "says", "when", "by", "why")
        yield from table_lines(heads, decisions, f"no decisions are {state}")
    else:
        rows = (
            (one["row"], one["replies"], one["words"] or "(unreadable)", format_time(one["oldest"]), _holds(one), _message(one))
            for one in answer["rows"]
        )
        yield from table_lines(
            ("row", "replies", "words", "since", "holds", "answers"), rows, f"no doubtful replies are {state}"
        )
    if answer["more"]:
        note("there are more rows (--limit)")


def _says(one: Mapping[str, Any]) -> str:
    return ("yes" if one["yes"] else "no") + (", standing" if one["standing"] else "")


def _holds(one: Mapping[str, Any]) -> str:
    if not one["holding"]:
        return "nothing"
    if one["state"] == "lapsed":
        return "refused" if one["then"] == "refuse" else "ended"
    return f"until {format_time(one['until'])}, then {'refused' if one['then'] == 'refuse' else 'nothing'}"


def _message(one: Mapping[str, Any]) -> str:
    what = one["answered"]
    if not what["category"]:
        return in_words_of_reader(f"nothing from {one['port']}")
    category = in_words_of_reader(term(what["category"]))
    return what["text"] or " ".join(filter(None, (category, what["signature"] or what["advertiser"])))


def decided_lines(answer: Answer) -> Iterator[str]:
    yes = answer["says"] == "yes"
    done = f"{answer['refused']} people are left alone from now on" if yes else f"{answer['lifted']} holds are lifted"
    future = "; replies like these are decided so in future" if answer["standing"] else ""
    yield f"row {answer['row']}: {answer['says']}, {answer['replies']} replies: {done}{future}"


class DoubtfulReplies(Operations, group="optout"):
    def __init__(self, gate: WithInbox) -> None:
        self._gate = gate
        self._under_way: set[int] = set()
        """Rows that are being decided."""

    # -- seen

    @operation(
        Permission.LOOK, answer=_LISTED, get=True, text=_rows, command="optout list-doubtful",
        example="gate106 optout list-doubtful --state open",
    )  # fmt: skip
    async def doubtful(
        self,
        call: Call,
        state: Annotated[str, Choice("open, lapsed (undecided for 7 days), decided or standing.", STATES, shown=OPEN)] = OPEN,
        limit: Annotated[int, Integer("How many rows.", 0, LISTED_ROWS_MAX, shown="100")] = 100,
        skip: Annotated[int, Integer("Not the first so many.", 0, SKIPPED_MAX, hidden="command")] = 0,
    ) -> Answer:
        """List replies that may be a refusal: equal words in an equal context are one row."""
        inbox, rows, decisions, end = self._gate.inbox, list[int](), list[DoubtDecision](), skip + limit
        if state in (OPEN, LAPSED):
            rows = [*islice(inbox.rows(lapsed=state == LAPSED), skip, end + 1)]
        else:
            decisions = (inbox.decisions() if state == DECIDED else inbox.standing_decisions())[skip : end + 1]
        late = overdue_before(self._gate.now(), self._gate.relay.rules.registry.holidays)
        return {
            "state": state, "rows": [self._row(inbox.row(one), late) for one in rows[:limit]],
            "decisions": [self._decision(one) for one in decisions[:limit]], "more": len(rows) + len(decisions) > limit,
            "counts": reply_counts(self._gate), "oldest": inbox.oldest(),
        }  # fmt: skip

    def _row(self, row: DoubtfulRow, late: float) -> dict[str, Any]:
        """``late``: an open one that came before then is older than a working day."""
        from proxy.policy.explanation.naming import fields

        first, held = row.first, row.holder.held
        return {
            "row": f"{row.key:012x}", "state": OPEN if row.open else LAPSED, "words": shown(first.text), "replies": row.replies,
            "people": row.people, "holding": row.holding, "then": "" if not held else "pass" if held[0].expiry else "refuse",
            "until": row.holder.time + HOLD_S, "oldest": first.time, "late": first.time < late, "to": mask(first.recipient),
            "port": first.port, "provider": first.provider, "answered": self._answered(first.context, first.answered),
            "held": [{"scope": one.scope, "value": one.value} | fields(one, self._known) for one in held],
        }  # fmt: skip

    def _answered(self, context: ReplyContext, text: str) -> dict[str, Any]:
        """The message that was answered; empty fields if there was none or it is not known any more."""
        from proxy.policy.explanation.naming import KnownSignature

        known = self._known(context.signature) if context.signature else KnownSignature()
        return {
            "category": Category(context.category).word if context != NO_CONTEXT else "",
            "signature": known.signature,
            "advertiser": known.advertiser,
            "text": shown(mask_digits(text) if context.category == Category.OTP else text),
        }

    def _known(self, signature: int) -> KnownSignature:
        """By the registry, and by what messages brought."""
        from proxy.policy.explanation.naming import GONE, by_names, by_registry, knows_none

        met = self._gate.store.dictionary.signature(signature)
        registry, names = self._gate.relay.rules.registry, {signature: met} if met else {}
        return by_registry(registry, by_names(names, knows_none(GONE)))(signature)

    def _decision(self, one: DoubtDecision) -> dict[str, Any]:
        fields = {name: getattr(one, name) for name in ("time", "who", "why", "yes", "standing", "port")}
        answered = self._answered(one.context, "")
        return fields | {"row": f"{one.row:012x}", "words": shown(one.words), "replies": len(one.ids), "answered": answered}

    # -- decided

    @operation(
        Permission.ENTER, record="decision", by_hand="--yes and --no",
        answer={"row": str, "says": str, "standing": bool, "replies": int, "refused": int, "lifted": int},
    )  # fmt: skip
    async def decide(
        self, call: Call, row: Row,
        says: Annotated[str, Choice("Whether they asked to stop.", SAYS)],
        why: Why,
        standing: Annotated[bool, Flag("Decide equal words in an equal context so in future, too.")] = False,
    ) -> Answer:  # fmt: skip
        """Decide about all replies of a row."""
        if row in self._under_way:
            raise CommandRefused(f"row {row:012x} is being decided this moment: look at it again")
        found = self._gate.inbox.row(row)
        self._under_way.add(row)
        try:
            return await self._decide(found, call.who, why, yes=says == "yes", standing=standing)
        finally:
            self._under_way.discard(row)

    async def _decide(self, row: DoubtfulRow, who: str, why: str, *, yes: bool, standing: bool) -> Mapping[str, Any]:
        gate, inbox = self._gate, self._gate.inbox
        replies = refused = lifted = sequence = 0
        while some := inbox.undecided(row.key, BATCH):
            changes = await self._settle(row.key, [reply for _, reply in some], who, why, yes=yes)
            first, ids = row.first, tuple(number for number, _ in some)
            words = mask_numbers(first.text)
            decision = DoubtDecision(gate.now(), who, why, yes, standing, row.key, words, first.context, first.port, ids)
            body = pack(decision)
            sequence = gate.write(messages.DECISION, body)
            inbox.decided(decision, body)
            replies += len(ids)
            refused += sum(bool(one.added) for one in changes)
            lifted += sum(bool(one.lifted) for one in changes)
        await gate.safe(sequence)
        return {
            "row": f"{row.key:012x}", "says": "yes" if yes else "no", "standing": standing, "replies": replies, "refused": refused,
            "lifted": lifted,
        }  # fmt: skip

    async def _settle(self, key: int, replies: Sequence[Doubtful], who: str, why: str, *, yes: bool) -> list[DoubtSettled]:
        """Changes the records of these persons; returns when all of it is synced."""
        from proxy.relay.effects.suppression import DoubtSettled

        gate = self._gate

        def settled(reply: Doubtful, then: Callable[[Any, int], None]) -> DoubtSettled:
            kept = gate.inbox.held_by_other_rows(reply.recipient, key)
            return DoubtSettled(reply, self._refused(reply) if yes else None, kept, gate.store.listed, who, why, then)

        changes = await asyncio.gather(*(change_recipient(gate, partial(settled, reply)) for reply in replies))
        for reply, change in zip(replies, changes, strict=True):
            self._count(reply, change.added)
        return changes

    def _refused(self, reply: Doubtful) -> Stops:
        """The opt-outs of a reply that held nothing."""
        from proxy.relay.effects.optouts import ReplyTo, refused_by

        ports, dictionary = self._gate.relay.directory.ports, self._gate.store.dictionary
        prefix, owner = ports.longest(reply.port)
        to = ReplyTo(Port(reply.port, reply.provider, ports.near(reply.port)), prefix if owner == reply.provider else "")
        return lambda data, now: refused_by(data, reply, to, dictionary.port, now)

    def _count(self, reply: Doubtful, added: Sequence[OptOut]) -> None:
        tally = self._gate.relay.tally
        for one in added[:1]:  # one reply counts once
            tally.optouts["reply", one.scope, reply.provider] += 1
            if one.scope == "advertiser":
                tally.apart.refused(reply.provider, int(one.value, 16))

    @operation(
        Permission.ENTER, answer={"row": str, "says": str}, record="decision",
        text=lambda answer: [f"row {answer['row']}: the decision {answer['says']} stands no more"],
        button=Button("{row}/end", then="/doubtful?state=standing"),
        example='gate106 optout end-standing 4f1c09d2a7be --why "the shop asks something else now"',
    )  # fmt: skip
    async def end_standing(self, call: Call, row: Row, why: Why) -> Answer:
        """End a standing decision: replies like those wait for a decision again. What was decided stays."""
        gate, inbox, key = self._gate, self._gate.inbox, row
        stands = next((one for one in inbox.standing_decisions() if one.row == key), None)
        if stands is None:
            raise CommandRefused(
                f"no decision about row {key:012x} stands (`gate106 optout list-doubtful --state standing` lists them)"
            )
        ended = stands._replace(time=gate.now(), who=call.who, why=why, standing=False, ids=())
        body = pack(ended)
        sequence = gate.write(messages.DECISION, body)
        inbox.decided(ended, body)
        await gate.safe(sequence)
        return {"row": f"{key:012x}", "says": "yes" if stands.yes else "no"}


def reply_counts(gate: WithInbox) -> dict[str, int]:
    """Replies by state: ``overdue`` are open ones, older than a working day."""
    inbox = gate.inbox
    overdue = inbox.overdue(gate.now(), gate.relay.rules.registry.holidays)
    return {OPEN: inbox.open, "overdue": overdue, LAPSED: inbox.lapsed, DECIDED: inbox.settled, "unlisted": inbox.unlisted}


def shown(text: str) -> str:
    """What a stranger wrote, without whole numbers and without the digits of a code."""
    text = mask_digits(text) if may_be_code(text) else text
    return mask_numbers(text)[:TEXT_SHOWN_MAX]
