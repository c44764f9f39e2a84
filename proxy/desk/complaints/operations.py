"""Serves the commands about complaint cases.

In: rows of a batch, officers' decisions. Out: cases filed and decided, synced before they are acknowledged. Never: half a batch; a search in
the journal (the client searches and names the message); a whole number that was not asked for and written down.

A batch comes as lines behind the command: ``{"rows": [{"reference": …, "number": …, "at": …}, …]}``, then ``{"end": true, "rows": 120}``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Annotated, Any, NamedTuple, Protocol

from proxy.archive.otp_texts import may_be_code
from proxy.config.yaml_file import unknown
from proxy.desk.complaints import case_lines
from proxy.desk.complaints.book import (
    BATCH_MAX,
    HIDDEN_DIGIT,
    CaseBook,
    Complaint,
    DueDays,
    MatchedMessage,
    digits_agree,
)  # fmt: skip
from proxy.desk.operator_orders import operations as orders
from proxy.desk.operator_orders.operations import WithOrders
from proxy.desk.suppression import operations as suppression
from proxy.journal.records import messages
from proxy.journal.records.complaints import OPEN, STATES, WITHDRAWN, Case, DeskEvent
from proxy.model.message import Order, hash48
from proxy.model.number import NotARecipient, mask, masked_repr, recipient_of
from proxy.model.recipient import OptOut
from proxy.model.redact import mask_digits, mask_numbers
from proxy.model.roles import Permission
from proxy.operations import parameters
from proxy.operations.authorization import CommandRefused
from proxy.operations.control import Call
from proxy.operations.declaration import Answer, Button, Lines, Operations, SharedSchema, operation, record_fields
from proxy.operations.gate_interface import record_command
from proxy.operations.parameters import Amount, Choice, Flag, Id, Integer, Reason, Recipient, Seconds, Text, Why
from proxy.operations.terminal import last_day
from proxy.policy.registries.holidays import Holidays
from proxy.policy.time_windows import DAY_S, OFFSET_S, local, month_span
from proxy.state.record.packed_facts import SCOPES

LISTED_MAX = 1000
SKIPPED_MAX = 1_000_000
ROWS_A_LINE_MAX = 200
TEXT_MAX, WORD_MAX = 2000, 200
YEAR_3000_S = 32_503_680_000.0
NOTES = EVIDENCE, PROPOSED = "evidence", "proposed"
"""Actions because of a case that it notes."""
STOPPED_BY = ("signature", "port", "provider")
FINDINGS = tuple(one for one in STATES if one not in (OPEN, WITHDRAWN))
SCOPE_WORDS = ("all", "global", *(one for one in SCOPES if one != "all"))
COUNTED_SLICE = 5_000
"""Cases looked at between two turns of the loop: about a millisecond."""
SLICE = 50
"""Cases packed before traffic gets its turn: about a millisecond."""


CASE = SharedSchema(
    "Case",
    record_fields(Case, ("recipient",), to=str, decided=float, answered=float)
    | {"suppressed?": object, "forward_days?": int | None, "answer_days?": int | None},
)
CASE_ID = Id("Its number, as `gate106 complaint list` shows it.", kind="case", lists="complaint", metavar="CASE")
CaseId = Annotated[int, CASE_ID]


class WithCases(WithOrders, Protocol):
    @property
    def cases(self) -> CaseBook: ...


def case_row(case: Case, *, whole: bool = False) -> dict[str, Any]:
    """A case as a mapping for answers. ``whole``: with the whole number."""
    said = case._asdict()
    said.pop("recipient")
    shown = str(case.recipient) if whole and case.recipient else mask(case.recipient) if case.recipient else case.number
    events = [one._asdict() for one in case.events]
    said["text"] = shown_text(case, whole=whole)
    if not whole:  # what people wrote names them, and others
        events = [one | {"why": mask_numbers(one["why"])} for one in events]
    return said | {"to": shown, "number": shown, "decided": case.decided, "answered": case.answered, "events": events}


def shown_text(case: Case, *, whole: bool) -> str:
    """The text that the complaint quotes; digits of a code are always hidden."""
    text = mask_digits(case.text) if may_be_code(case.text) else case.text
    return text if whole else mask_numbers(text)


@masked_repr
class ComplaintRow(NamedTuple):
    """A row of a batch as the client read it."""

    number: Annotated[str, Text("The complainant's number, of which digits may be hidden.", 40)]
    reference: Annotated[str, Text("The reference that the sender of the batch gave the complaint.", WORD_MAX)] = ""
    at: Annotated[float, Amount("When the message came.", 0.0, YEAR_3000_S)] = 0.0
    sender: Annotated[str, Text("The port it came from.", WORD_MAX)] = ""
    text: Annotated[str, Text("What it said.", TEXT_MAX)] = ""
    came: Annotated[float, Amount("When the complaint was made.", 0.0, YEAR_3000_S)] = 0.0


def _line(text: Callable[[Answer], str]) -> Lines:
    return lambda answer: [f"case {answer['id']}: {text(answer)}"]


class Complaints(Operations, group="complaint", help="Complaints of people, and what the desk finds of them."):
    def __init__(self, gate: WithCases, decided: Callable[[], None]) -> None:
        """``decided`` is called when a case begins or ceases to count."""
        self._gate = gate
        self._decided = decided
        self._importing = False

    @property
    def _book(self) -> CaseBook:
        return self._gate.cases

    # -- a batch

    @operation(Permission.ENTER, record="cased", by_hand="reads the file", no_path="complaint import reads the file")
    async def import_(
        self, call: Call, why: Why,
        source: Annotated[str, Text("Who sent it.", WORD_MAX)] = "12321",
        batch: Annotated[str, Text("The file's digest.", 64)] = "",
        check: Annotated[bool, Flag("Say what would be filed; file nothing.")] = False,
    ) -> Answer:  # fmt: skip
        """File a batch of complaints; its rows are the lines behind the command."""
        if self._importing:
            raise CommandRefused("another batch is on its way in: try again when it is done")
        self._importing = True
        try:
            await call.say({"go": True})
            return await self._file(call, source, batch[:16], await self._read_rows(call), why, check=check)
        finally:
            self._importing = False

    async def _read_rows(self, call: Call) -> list[Complaint]:
        found: list[Complaint] = []
        while True:
            said = await call.hear()
            if said.get("end") is True:
                if said.get("rows") != len(found):
                    raise CommandRefused(f"{len(found)} rows came, the client says {said.get('rows')!r:.20}: nothing was filed")
                return found
            found += map(_complaint, parameters.read_rows(ComplaintRow, said, "rows", ROWS_A_LINE_MAX))
            if len(found) > BATCH_MAX:
                raise CommandRefused(f"more than {BATCH_MAX:,} complaints in one batch: nothing was filed (split the file)")
            await asyncio.sleep(0)

    async def _file(self, call: Call, source: str, batch: str, complaints: list[Complaint], why: str, *, check: bool) -> Answer:
        gate, book = self._gate, self._book
        fresh, known = book.unfiled(source, complaints)
        repeated = book.repeated(source, complaints)
        if check or not fresh:
            return {"filed": 0, "would_file": len(fresh), "known": known, "repeated": repeated, "cases": []}
        rules = gate.relay.rules
        due = DueDays(rules.desk.forward_days, rules.desk.answer_days)
        drafts = []
        for draft in book.drafts(source, batch, fresh, due, rules.registry.holidays, gate.now(), call.who, why):
            drafts.append(draft)
            if len(drafts) % SLICE == 0:
                await asyncio.sleep(0)
        sequence = book.file(drafts)
        gate.relay.tally.complaints["", OPEN] += len(drafts)
        await gate.safe(sequence)
        cases = [case.id for case, _ in drafts]
        return {"filed": len(drafts), "would_file": 0, "known": known, "repeated": repeated, "cases": cases}

    # -- seen

    @operation(
        Permission.LOOK, answer={"cases": [CASE], "more": int, "overdue": {"forward": int, "answer": int}, "due_today": int, "unanswered": int},
        get=True, text=case_lines.listed, example="gate106 complaint list --state open --overdue",
    )  # fmt: skip
    async def list_(
        self,
        call: Call,
        state: Annotated[str, Choice("open, valid, invalid, duplicate, withdrawn or not-ours.", tuple(STATES))] = "",
        provider: Annotated[str, Text("Of this provider.")] = "",
        source: Annotated[str, Text("Only those that this source sent.", WORD_MAX)] = "",
        signature: Annotated[str, Text("Only of messages under this signature.")] = "",
        advertiser: Annotated[str, Text("Only of this advertiser's messages.")] = "",
        overdue: Annotated[bool, Flag("Open ones whose time to forward or to answer has passed.")] = False,
        due: Annotated[bool, Flag("Those to be forwarded or answered by the end of today.")] = False,
        unanswered: Annotated[bool, Flag("Decided ones, no answer to whose source is noted.")] = False,
        skip: Annotated[int, Integer("Leave out this many, those due first.", 0, SKIPPED_MAX)] = 0,
        limit: Annotated[int, Integer("How many, those due first.", 1, LISTED_MAX, shown="100")] = 100,
        export: Annotated[str, Text("For what file or letter: they leave the gate.", 40, internal=True)] = "",
    ) -> Answer:
        """List cases: open ones by when they are due, then the decided."""
        if export:
            call.demand(Permission.TAKE_OUT, f" ({export})")
        now, advertiser_of = self._gate.now(), self._gate.relay.rules.registry.advertiser_of
        found = [
            case
            for case in (self._book.undecided() if state == OPEN or overdue else self._book.all())
            if state in ("", case.state) and provider in ("", case.provider) and source in ("", case.source)
            and signature in ("", case.signature) and (not advertiser or advertiser_of(hash48(case.signature)) == advertiser)
            and (not overdue or _overdue(case, now)) and (not due or _due_today(case, now)) and (not unanswered or case.owes_answer)
        ]  # fmt: skip
        if export:
            about = f"{len(found)} cases {' '.join(filter(None, (state, provider, signature, advertiser)))}".rstrip()
            await record_command(self._gate, call, export, "", about)
        found.sort(
            key=lambda one: (one.state != OPEN, one.answer_by if unanswered or one.state == OPEN else -one.decided, one.id)
        )
        late, unanswered_open = self._book.overdue(now)
        return {
            "cases": [self._with_clocks(case) for case in found[skip : skip + limit]],
            "more": max(0, len(found) - skip - limit),
            "overdue": {"forward": late, "answer": unanswered_open},
            "due_today": sum(_due_today(case, now) for case in self._book.all()),
            "unanswered": sum(case.owes_answer for case in self._book.all()),
        }

    @operation(Permission.LOOK, answer=CASE, text=case_lines.whole, example="gate106 complaint show 17")
    async def show(
        self, call: Call, id_: CaseId,
        unmasked: Annotated[bool, Flag("Show the whole number. Needs --why.")] = False,
        why: Annotated[str, Reason()] = "",
        to_find: Annotated[bool, Flag("The whole number, for a search in the journal.", internal=True)] = False,
    ) -> Answer:  # fmt: skip
        """Show a case and what was done with it."""
        if unmasked:
            parameters.require_why(why)
        case = self._book.find(id_)
        if unmasked or to_find:
            call.demand(Permission.WHOLE, " --unmasked" if unmasked else "")
            command = "complaint show --unmasked" if unmasked else "complaint match"
            await record_command(self._gate, call, command, why, f"case {id_}: {case.recipient or case.number}")
        return self._with_clocks(case, whole=unmasked or to_find)

    @operation(
        Permission.SEE, answer={"at": float, "counts": [{"provider": str, "came": int, "states": object, "forward": object, "answer": object}]},
        get=True, text=case_lines.counts, example="gate106 complaint count --month 2026-11",
    )  # fmt: skip
    async def count(
        self, call: Call,
        month: Annotated[str, Text("Complaints that came in this month (in China): 2026-11.", pattern=parameters.MONTH)],
    ) -> Answer:  # fmt: skip
        """Count the complaints that came in a month by provider, with their decisions and how their due dates were kept."""
        since, until = month_span(month)
        now, found = self._gate.now(), []
        for place, case in enumerate(self._book.all()):
            if since <= case.came < until:
                found.append(case)
            if place % COUNTED_SLICE == 0:
                await asyncio.sleep(0)
        counts = sorted(self._book.count(found, now).items(), key=lambda one: (-one[1].states.total(), one[0]))
        return {
            "at": now,
            "counts": [{"provider": name, "came": one.states.total()} | one._asdict() for name, one in counts],
        }

    def _with_clocks(self, case: Case, *, whole: bool = False) -> dict[str, Any]:
        """The case with the working days left to forward and to answer it; negative: overdue; None: the clock has stopped."""
        holidays, now = self._gate.relay.rules.registry.holidays, self._gate.now()
        running = case.state == OPEN
        return case_row(case, whole=whole) | {
            "forward_days": _days_left(holidays, now, case.forward_by) if running and not case.forwarded else None,
            "answer_days": _days_left(holidays, now, case.answer_by) if running else None,
        }

    # -- what becomes of one

    @operation(
        Permission.ENTER, record="cased", by_hand="searches the journal", no_path="complaint match looks in the journal, too"
    )
    async def match(
        self, call: Call, id_: CaseId,
        message: Annotated[str, Text("It was this one.", 40)],
        provider: Annotated[str, Text("Who sent it.", WORD_MAX)],
        why: Why,
        to: Annotated[int, Recipient("Who got it.")] = 0,
        port: Annotated[str, Text("From this port.", WORD_MAX)] = "",
        signature: Annotated[str, Text("Under this signature.", WORD_MAX)] = "",
        category: Annotated[str, Text("Of this category.", WORD_MAX)] = "",
        sent: Annotated[float, Amount("When.", 0.0, YEAR_3000_S)] = 0.0,
    ) -> Answer:  # fmt: skip
        """Note which message a case is about."""
        matched = MatchedMessage(message, to, provider, port, signature, category, sent)
        return await self._done(*self._book.match(id_, matched, self._gate.now(), call.who, why))

    @operation(
        Permission.ENTER, answer=CASE, record="cased", text=_line(lambda answer: f"forwarded to {answer['provider']}"),
        button=Button("case/{id}/forward", (OPEN,)),
        example='gate106 complaint forward 17 --why "sent to jia by the desk\'s mail"',
    )  # fmt: skip
    async def forward(self, call: Call, id_: CaseId, why: Why) -> Answer:
        """Note that a case went to its provider: the first clock stops."""
        return await self._done(*self._book.forward(id_, self._gate.now(), call.who, why))

    @operation(
        Permission.ENTER, answer=CASE, record="cased", text=case_lines.decided,
        example='gate106 complaint decide 17 valid --suppress provider --for 180d --why "no consent"',
    )  # fmt: skip
    async def decide(
        self, call: Call, id_: CaseId,
        state: Annotated[str, Choice("valid, invalid, duplicate or not-ours.", FINDINGS, flag="-", metavar="DECISION")],
        why: Why,
        of: Annotated[int, Integer("Of a duplicate: the case it repeats.", 0, 10**15)] = 0,
        provider: Annotated[str, Text("Whose it was, where no message was found.")] = "",
        suppress: Annotated[
            str,
            Choice("No more marketing to this person: all, provider, advertiser, signature, port or category.", SCOPE_WORDS),
        ] = "",
        value: Annotated[str, Text("Of the scope, instead of what the message says.")] = "",
        for_s: Annotated[float, Seconds("How long the suppression lasts; else for good.", 0.0, suppression.FOR_S_MAX)] = 0.0,
    ) -> Answer:  # fmt: skip
        """Decide a case, and in the same step suppress the person. A valid one counts for the provider's rate in a million."""
        gate = self._gate
        if provider and provider not in gate.relay.directory.providers:
            raise CommandRefused(unknown("provider of the settings", provider, gate.relay.directory.providers))
        if suppress:
            case = self._book.find(id_)
            refusal = self._refusal(case, provider, suppress, value, for_s)
            return await self._decide_and_suppress(call.who, case, refusal, state, why, of=of, provider=provider)
        if value or for_s:
            raise CommandRefused("value and for_s are of what is suppressed: say what (--suppress)")
        decided = self._book.decide(id_, state, gate.now(), call.who, why, of=of, provider=provider)
        return await self._done(*decided, counts=True)

    def _refusal(self, case: Case, provider: str, scope: str, value: str, for_s: float) -> OptOut:
        """The opt-out that the decision enters for the person; its value is that of the case's message if none is given."""
        if not case.recipient:
            raise CommandRefused(f"case {case.id} is of {case.number}: match it to a message first, to know whom to suppress")
        if not value and scope not in ("all", "global"):
            told_by = {
                "provider": case.provider or provider, "signature": case.signature, "port": case.port, "category": case.category,
            }  # fmt: skip
            value = told_by.get(scope, "")
            if not value:
                raise CommandRefused(f"suppress {scope}: say which (--value): the case's message does not tell")
        said = {"scope": scope, "for_s": for_s, "source": "complaint"} | ({"value": value} if value else {})
        return suppression.refusal_of(self._gate, parameters.read_row(suppression.RefusalTerms, said))

    async def _decide_and_suppress(
        self, who: str, case: Case, refusal: OptOut, state: str, why: str, *, of: int, provider: str
    ) -> Answer:
        """The person's refusal is in the case's commit group of the journal, so that none is without the other."""
        from proxy.relay.effects.suppression import AccompanyingRecord

        gate, book = self._gate, self._book
        if gate.relay.journal_down:
            raise CommandRefused(f"{gate.relay.journal_down}: nothing was done")
        now = gate.now()
        whose = f"{refusal.scope} {refusal.value}".rstrip()
        said = f"marketing of {whose} until {local(refusal.expiry)[:16]}" if refusal.expiry else whose
        beside = DeskEvent(now, "suppressed", who, said)
        body = book.begin(case.id, state, now, who, why, beside, of=of, provider=provider)

        def written() -> None:
            self._counted(book.written(case.id, body))

        decided = AccompanyingRecord(case.recipient, messages.CASED, body, written)
        done = await suppression.suppress(gate, case.recipient, refusal, who, f"case {case.id}: {why}", decided)
        return case_row(book.find(case.id)) | {"suppressed": done}

    @operation(
        Permission.ENTER, answer=CASE, record="cased", text=_line(lambda _: "withdrawn"),
        button=Button("case/{id}/withdraw", tuple(one for one in STATES if one != WITHDRAWN)),
        example='gate106 complaint withdraw 17 --why "the complainant called back"',
    )  # fmt: skip
    async def withdraw(self, call: Call, id_: CaseId, why: Why) -> Answer:
        """Note that the complainant took it back; also of a case that was decided: it does not count any more."""
        return await self._done(*self._book.withdraw(id_, self._gate.now(), call.who, why), counts=True)

    @operation(
        Permission.ENTER, answer=CASE, record="cased", text=_line(lambda answer: f"open, to be answered by {last_day(answer['answer_by'])}"),
        button=Button("case/{id}/reopen", tuple(one for one in STATES if one != OPEN)),
        example='gate106 complaint reopen 17 --why "the provider has sent proof of consent"',
    )  # fmt: skip
    async def reopen(self, call: Call, id_: CaseId, why: Why) -> Answer:
        """Decide a case anew: it is open again, its dates stay."""
        return await self._done(*self._book.reopen(id_, self._gate.now(), call.who, why), counts=True)

    @operation(
        Permission.ENTER, answer=CASE, record="cased", by_hand="reads or writes the file that is sent",
    )  # fmt: skip
    async def answer(
        self, call: Call, id_: CaseId, why: Why,
        file: Annotated[str, Text("The name of the file that was sent.", WORD_MAX)],
        sha256: Annotated[str, Text("Its SHA-256.", 64, "[0-9a-f]{64}")],
    ) -> Answer:  # fmt: skip
        """Note that the source of a decided case (12321) was answered, with the file that was sent: the second clock stops."""
        return await self._done(*self._book.answer(id_, file, sha256, self._gate.now(), call.who, why))

    @operation(
        Permission.ENTER, record="ordered", by_hand="a step of complaint sweep",
        no_path="a step of complaint sweep, which knows what the campaign is",
    )  # fmt: skip
    async def stop(
        self, call: Call, id_: CaseId,
        by: Annotated[str, Choice("By what.", STOPPED_BY)],
        why: Why,
        for_s: Annotated[float, Seconds("How long.", orders.LEAST_S, orders.STOP_S_MAX)] = orders.STOP_S,
    ) -> Answer:  # fmt: skip
        """Stops the campaign of a case's message by an order of the message's category only (one-time passwords of a shop go on); the case
        notes it."""
        from proxy.policy.operator_orders import words_of

        gate, case = self._gate, self._book.find(id_)
        if not case.message:
            raise CommandRefused(f"case {id_} is matched to no message yet (gate106 complaint match {id_})")
        value = {"signature": case.signature, "port": case.port, "provider": case.provider}[by]
        if not value:
            raise CommandRefused(
                f"case {id_}: its message has no {by}: stop by {' or '.join(one for one in STOPPED_BY if one != by)}"
            )
        scope = ((by, (value,)), *([("category", (case.category,))] if case.category else []))
        now = gate.now()
        draft = Order(0, "stop", scope, now, now + for_s, call.who, f"case {id_}: {why}")

        def noted(order: Order) -> int:
            """Right behind the order, whose own words name the case: killed between the two, only the case would not name it."""
            return self._book.note(id_, "stopped", now, call.who, f"{order.name}: {words_of(order)}")[1]

        return {"stopped": orders.order_row(await orders.give_order(gate, draft, noted))} | case_row(self._book.find(id_))

    @operation(Permission.TAKE_OUT, answer=CASE, record="cased", by_hand="a step of evidence pack, and of the page's penalty")
    async def note(
        self, call: Call, id_: CaseId, why: Why,
        what: Annotated[str, Choice("A pack was made of it, or a penalty was proposed because of it.", NOTES)] = EVIDENCE,
    ) -> Answer:  # fmt: skip
        """Note that an evidence pack was made of a case, or a penalty proposed because of it."""
        if what == PROPOSED:
            call.demand(Permission.ENTER, f" {what}")
        return await self._done(*self._book.note(id_, what, self._gate.now(), call.who, why))

    async def _done(self, case: Case, sequence: int, *, counts: bool = False) -> Answer:
        if counts:
            self._counted(case)
        await self._gate.safe(sequence)
        return case_row(case)

    def _counted(self, case: Case) -> None:
        self._gate.relay.tally.complaints[case.provider, case.state] += 1
        self._decided()


def _days_left(holidays: Holidays, now: float, by: float) -> int:
    """``by``: the midnight behind the last day."""
    today, last = (int(now) + OFFSET_S) // DAY_S, (int(by) - 1 + OFFSET_S) // DAY_S
    return holidays.working_days_left(today, last)


def _overdue(case: Case, now: float) -> bool:
    return case.answer_by < now or (not case.forwarded and case.forward_by < now)


def _due_today(case: Case, now: float) -> bool:
    """Whether it must be forwarded, or its source answered, by the end of today."""
    midnight = (int(now) + OFFSET_S) // DAY_S * DAY_S + DAY_S - OFFSET_S
    terms = [case.answer_by] * (case.state == OPEN or case.owes_answer)
    terms += [case.forward_by] * (case.state == OPEN and not case.forwarded)
    return any(now <= by <= midnight for by in terms)


def _complaint(row: ComplaintRow) -> Complaint:
    """The complaint of a row; CommandRefused if its number is none."""
    number, recipient = row.number, 0
    if HIDDEN_DIGIT in number:
        if not digits_agree(number, int("".join("0" if one == HIDDEN_DIGIT else one for one in number) or "x")):
            raise CommandRefused(f"number: {number!r:.40} is no number of which digits are hidden (like 138****0500)")
    else:
        try:
            recipient = recipient_of(number)
        except NotARecipient as fault:
            raise CommandRefused(f"number: {fault}") from None
        number = mask(recipient)
    return Complaint(row.reference, recipient, number, row.at, row.sender, row.text, row.came)
