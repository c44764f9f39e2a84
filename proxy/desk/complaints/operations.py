"""Serves the commands about complaint cases.

In: rows of a batch, officers' decisions. Out: cases filed and decided, synced before they are acknowledged. Never: half a batch; a search in
the journal (the client searches and names the message); a whole number that was not asked for and written down.

A batch comes as lines behind the command: ``{"rows": [{"reference": …, "number": …, "at": …}, …]}``, then ``{"end": true, "rows": 120}``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from proxy.archive.otp_texts import may_be_code
from proxy.config.yaml_file import unknown
from proxy.desk.complaints.book import (
    BATCH_MAX,
    DECISIONS,
    HIDDEN_DIGIT,
    CaseBook,
    Complaint,
    DueDays,
    MatchedMessage,
    digits_agree,
)
from proxy.desk.operator_orders import operations as orders
from proxy.desk.operator_orders.operations import WithOrders
from proxy.desk.suppression import operations as suppress
from proxy.journal.encoding import pack
from proxy.journal.records import messages, operator_actions
from proxy.journal.records.complaints import OPEN, STATES, WITHDRAWN, Case, DeskEvent
from proxy.model.message import Order, hash48
from proxy.model.number import NotARecipient, mask, recipient_of
from proxy.model.recipient import OptOut
from proxy.model.redact import mask_digits, mask_numbers
from proxy.model.roles import Permission
from proxy.operations.control import Args, Call, CommandRefused, Handler
from proxy.operations.record_lookup import or_refused, paper_number
from proxy.policy.operator_orders import words_of
from proxy.policy.registries.holidays import Holidays
from proxy.policy.time_windows import DAY_S, OFFSET_S
from proxy.relay.effects.suppression import AccompanyingRecord
from proxy.state.record.packed_facts import SCOPES

LISTED_MAX = 1000
SKIPPED_MAX = 1_000_000
ROWS_A_LINE_MAX = 200
TEXT_MAX, WORD_MAX = 2000, 200
YEAR_3000_S = 32_503_680_000.0
NOTES = EVIDENCE, PROPOSED = "evidence", "proposed"
"""Actions because of a case that it notes."""
STOPPED_BY = ("signature", "port", "provider")
SLICE = 50
"""Cases packed before traffic gets its turn: about a millisecond."""


class WithCases(WithOrders, Protocol):
    """A gate that keeps complaint cases."""

    @property
    def cases(self) -> CaseBook: ...


def commands(gate: WithCases, decided: Callable[[], None]) -> Mapping[str, Handler]:
    """``decided`` is called when a case begins or ceases to count."""
    handlers = _Complaints(gate, decided)
    return {
        "complaint.import": handlers.import_batch,
        "complaint.list": handlers.list,
        "complaint.show": handlers.show,
        "complaint.match": handlers.match,
        "complaint.forward": handlers.forward,
        "complaint.decide": handlers.decide,
        "complaint.withdraw": handlers.withdraw,
        "complaint.reopen": handlers.reopen,
        "complaint.note": handlers.note,
        "complaint.stop": handlers.stop,
    }


def case_row(case: Case, *, whole: bool = False) -> dict[str, Any]:
    """A case as a mapping for answers. ``whole``: with the whole number."""
    said = case._asdict()
    said.pop("recipient")
    shown = str(case.recipient) if whole and case.recipient else mask(case.recipient) if case.recipient else case.number
    events = [one._asdict() for one in case.events]
    said["text"] = shown_text(case, whole=whole)
    if not whole:  # what people wrote names them, and others
        events = [one | {"why": mask_numbers(one["why"])} for one in events]
    return said | {"to": shown, "number": shown, "decided": case.decided, "events": events}


def shown_text(case: Case, *, whole: bool) -> str:
    """The text that the complaint quotes; digits of a code are always hidden."""
    text = mask_digits(case.text) if may_be_code(case.text) else case.text
    return text if whole else mask_numbers(text)


class _Complaints:
    def __init__(self, gate: WithCases, decided: Callable[[], None]) -> None:
        self._gate = gate
        self._decided = decided
        self._importing = False

    @property
    def _book(self) -> CaseBook:
        return self._gate.cases

    # -- a batch

    async def import_batch(self, call: Call) -> Mapping[str, Any]:
        args = call.args
        source, batch, why, check = (
            args.text("source", "12321", WORD_MAX),
            args.text("batch", most=64),
            args.why(),
            args.flag("check"),
        )
        args.done()
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
            rows = Args(said).rows("rows", ROWS_A_LINE_MAX)
            found += map(_complaint, rows)
            if len(found) > BATCH_MAX:
                raise CommandRefused(f"more than {BATCH_MAX:,} complaints in one batch: nothing was filed (split the file)")
            await asyncio.sleep(0)

    async def _file(
        self, call: Call, source: str, batch: str, complaints: list[Complaint], why: str, *, check: bool
    ) -> Mapping[str, Any]:
        gate, book = self._gate, self._book
        fresh, known = book.unfiled(source, complaints)
        if check or not fresh:
            return {"filed": 0, "would_file": len(fresh), "known": known, "cases": []}
        rules = gate.relay.rules
        due = DueDays(rules.desk.forward_days, rules.desk.answer_days)
        drafts = []
        for draft in book.drafts(source, batch, fresh, due, rules.registry.holidays, gate.now(), call.who, why):
            drafts.append(draft)
            if len(drafts) % SLICE == 0:
                await asyncio.sleep(0)
        sequence = or_refused(lambda: book.file(drafts))
        gate.relay.tally.complaints["", OPEN] += len(drafts)
        await gate.safe(sequence)
        return {"filed": len(drafts), "would_file": 0, "known": known, "cases": [case.id for case, _ in drafts]}

    # -- seen

    async def list(self, call: Call) -> Mapping[str, Any]:
        """Cases: open ones by due date, then decided ones, the newest first. ``export``: they leave the gate, which is written down."""
        args = call.args
        export = args.text("export", "", most=40)
        if export:
            call.demand(Permission.TAKE_OUT, f" ({export})")
        state, provider, source = args.text("state", ""), args.text("provider", ""), args.text("source", "")
        signature, advertiser = args.text("signature", ""), args.text("advertiser", "")
        overdue, limit = args.flag("overdue"), int(args.number("limit", 100, 1, LISTED_MAX))
        skip = int(args.number("skip", 0, 0, SKIPPED_MAX))
        args.done()
        if state and state not in STATES:
            raise CommandRefused(unknown("state", state, STATES))
        now, advertiser_of = self._gate.now(), self._gate.relay.rules.registry.advertiser_of
        found = [
            case
            for case in (self._book.undecided() if state == OPEN or overdue else self._book.all())
            if state in ("", case.state) and provider in ("", case.provider) and source in ("", case.source)
            and signature in ("", case.signature) and (not advertiser or advertiser_of(hash48(case.signature)) == advertiser)
            and (not overdue or _overdue(case, now))
        ]  # fmt: skip
        if export:
            about = f"{len(found)} cases {' '.join(filter(None, (state, provider, signature, advertiser)))}".rstrip()
            await self._gate.safe(
                self._gate.write(messages.OPERATED, pack(operator_actions.Operated(now, call.who, export, "", about)))
            )
        found.sort(key=lambda case: (case.state != OPEN, case.answer_by if case.state == OPEN else -case.decided, case.id))
        late, unanswered = self._book.overdue(now)
        return {
            "cases": [self._with_clocks(case) for case in found[skip : skip + limit]],
            "more": max(0, len(found) - skip - limit),
            "overdue": {"forward": late, "answer": unanswered},
        }

    async def show(self, call: Call) -> Mapping[str, Any]:
        """With ``unmasked``, or ``to_find`` (for the client's search in the journal), it is written down who sees the number."""
        number, unmasked, to_find = (
            paper_number(call, "case", "complaint"),
            call.args.flag("unmasked"),
            call.args.flag("to_find"),
        )
        why = call.args.why() if unmasked else call.args.text("why", "")
        call.args.done()
        case = or_refused(lambda: self._book.find(number))
        if unmasked or to_find:
            call.demand(Permission.WHOLE, " --unmasked" if unmasked else "")
            command = "complaint show --unmasked" if unmasked else "complaint match"
            said = pack(
                operator_actions.Operated(
                    self._gate.now(), call.who, command, why, f"case {number}: {case.recipient or case.number}"
                )
            )
            await self._gate.safe(self._gate.write(messages.OPERATED, said))
        return self._with_clocks(case, whole=unmasked or to_find)

    def _with_clocks(self, case: Case, *, whole: bool = False) -> dict[str, Any]:
        """The case with the working days left to forward and to answer it; negative: overdue; None: the clock has stopped."""
        holidays, now = self._gate.relay.rules.registry.holidays, self._gate.now()
        running = case.state == OPEN
        return case_row(case, whole=whole) | {
            "forward_days": _days_left(holidays, now, case.forward_by) if running and not case.forwarded else None,
            "answer_days": _days_left(holidays, now, case.answer_by) if running else None,
        }

    # -- what becomes of one

    async def match(self, call: Call) -> Mapping[str, Any]:
        args = call.args
        number, message = paper_number(call, "case", "complaint"), args.text("message", most=40)
        to = args.text("to", "", WORD_MAX)
        matched = MatchedMessage(
            message, _recipient(to) if to else 0, args.text("provider", most=WORD_MAX), args.text("port", "", WORD_MAX),
            args.text("signature", "", WORD_MAX), args.text("category", "", WORD_MAX), args.number("sent", 0.0, 0.0, YEAR_3000_S),
        )  # fmt: skip
        why = args.why()
        args.done()
        return await self._done(or_refused(lambda: self._book.match(number, matched, self._gate.now(), call.who, why)))

    async def forward(self, call: Call) -> Mapping[str, Any]:
        number, why = paper_number(call, "case", "complaint"), call.args.why()
        call.args.done()
        return await self._done(or_refused(lambda: self._book.forward(number, self._gate.now(), call.who, why)))

    async def decide(self, call: Call) -> Mapping[str, Any]:
        """``suppress``: a scope; then the person's refusal is in the case's group of the journal, so that none is without the other."""
        args, gate = call.args, self._gate
        number, state, of = paper_number(call, "case", "complaint"), args.text("state"), int(args.number("of", 0, 0, 1e15))
        provider, why = args.text("provider", ""), args.why()
        scope, value, for_s = (
            args.text("suppress", ""),
            args.text("value", ""),
            args.seconds("for_s", 0.0, 0.0, suppress.FOR_S_MAX),
        )
        args.done()
        if state not in DECISIONS or state == WITHDRAWN:
            raise CommandRefused(unknown("decision", state, [one for one in DECISIONS if one != WITHDRAWN]))
        if provider and provider not in gate.relay.directory.providers:
            raise CommandRefused(unknown("provider of the settings", provider, gate.relay.directory.providers))
        if scope:
            case = or_refused(lambda: self._book.find(number))
            refusal = self._refusal(case, provider, scope, value, for_s)
            return await self._decide_and_suppress(call.who, case, refusal, state, why, of=of, provider=provider)
        if value or for_s:
            raise CommandRefused("value and for_s are of what is suppressed: say what (--suppress)")
        return await self._done(
            or_refused(lambda: self._book.decide(number, state, gate.now(), call.who, why, of=of, provider=provider)),
            counts=True,
        )

    def _refusal(self, case: Case, provider: str, scope: str, value: str, for_s: float) -> OptOut:
        """The opt-out that the decision enters for the person; its value is that of the case's message if none is given."""
        if not case.recipient:
            raise CommandRefused(f"case {case.id} is of {case.number}: match it to a message first, to know whom to suppress")
        if not value and scope not in ("all", "global"):
            told_by = {
                "provider": case.provider or provider, "signature": case.signature, "port": case.port, "category": case.category,
            }  # fmt: skip
            value = told_by.get(scope, "")
            if not value and scope in SCOPES:
                raise CommandRefused(f"suppress {scope}: say which (--value): the case's message does not tell")
        said = {"scope": scope, "for_s": for_s, "source": "complaint"} | ({"value": value} if value else {})
        return suppress.refusal_of(self._gate, Args(said))

    async def _decide_and_suppress(
        self, who: str, case: Case, refusal: OptOut, state: str, why: str, *, of: int, provider: str
    ) -> Mapping[str, Any]:
        gate, book = self._gate, self._book
        if gate.relay.journal_down:
            raise CommandRefused(f"{gate.relay.journal_down}: nothing was done")
        now = gate.now()
        beside = DeskEvent(now, "suppressed", who, f"{refusal.scope} {refusal.value}".rstrip())
        body = or_refused(lambda: book.begin(case.id, state, now, who, why, beside, of=of, provider=provider))

        def written() -> None:
            self._counted(book.written(case.id, body))

        decided = AccompanyingRecord(case.recipient, messages.CASED, body, written)
        done = await suppress.suppress(gate, case.recipient, refusal, who, f"case {case.id}: {why}", decided)
        return case_row(book.find(case.id)) | {"suppressed": done}

    async def withdraw(self, call: Call) -> Mapping[str, Any]:
        number, why = paper_number(call, "case", "complaint"), call.args.why()
        call.args.done()
        return await self._done(or_refused(lambda: self._book.withdraw(number, self._gate.now(), call.who, why)), counts=True)

    async def reopen(self, call: Call) -> Mapping[str, Any]:
        number, why = paper_number(call, "case", "complaint"), call.args.why()
        call.args.done()
        return await self._done(or_refused(lambda: self._book.reopen(number, self._gate.now(), call.who, why)), counts=True)

    async def stop(self, call: Call) -> Mapping[str, Any]:
        """Stops the campaign of a case's message by an order of the message's category only (one-time passwords of a shop go on); the case
        notes it."""
        args, gate = call.args, self._gate
        number, by = paper_number(call, "case", "complaint"), args.text("by")
        for_s, why = args.seconds("for_s", orders.STOP_S, orders.LEAST_S, orders.STOP_S_MAX), args.why()
        args.done()
        case = or_refused(lambda: self._book.find(number))
        if by not in STOPPED_BY:
            raise CommandRefused(unknown("way to stop", by, STOPPED_BY))
        if not case.message:
            raise CommandRefused(f"case {number} is matched to no message yet (gate106 complaint match {number})")
        value = {"signature": case.signature, "port": case.port, "provider": case.provider}[by]
        if not value:
            raise CommandRefused(
                f"case {number}: its message has no {by}: stop by {' or '.join(one for one in STOPPED_BY if one != by)}"
            )
        scope = ((by, (value,)), *([("category", (case.category,))] if case.category else []))
        now = gate.now()
        draft = Order(0, "stop", scope, now, now + for_s, call.who, f"case {number}: {why}")

        def noted(order: Order) -> int:
            """Right behind the order, whose own words name the case: killed between the two, only the case would not name it."""
            return or_refused(lambda: self._book.note(number, "stopped", now, call.who, f"{order.name}: {words_of(order)}"))[1]

        return {"stopped": orders.order_row(await orders.give_order(gate, draft, noted))} | case_row(self._book.find(number))

    async def note(self, call: Call) -> Mapping[str, Any]:
        """Notes that an evidence pack was made (needs TAKE_OUT), or a penalty proposed (needs ENTER)."""
        number, what, why = paper_number(call, "case", "complaint"), call.args.text("what", EVIDENCE), call.args.why()
        call.args.done()
        if what not in NOTES:
            raise CommandRefused(unknown("what", what, NOTES))
        if what == PROPOSED:
            call.demand(Permission.ENTER, f" {what}")
        return await self._done(or_refused(lambda: self._book.note(number, what, self._gate.now(), call.who, why)))

    async def _done(self, changed: tuple[Case, int], *, counts: bool = False) -> Mapping[str, Any]:
        case, sequence = changed
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


def _complaint(row: Args) -> Complaint:
    """One row as the client read it; CommandRefused if it is malformed."""
    number = row.text("number", most=40)
    recipient = 0
    if HIDDEN_DIGIT in number:
        if not digits_agree(number, int("".join("0" if one == HIDDEN_DIGIT else one for one in number) or "x")):
            raise CommandRefused(f"number: {number!r:.40} is no number of which digits are hidden (like 138****0500)")
    else:
        recipient = _recipient(number)
        number = mask(recipient)
    found = Complaint(
        row.text("reference", "", WORD_MAX), recipient, number, row.number("at", 0.0, 0.0, YEAR_3000_S),
        row.text("sender", "", WORD_MAX), row.text("text", "", TEXT_MAX), row.number("came", 0.0, 0.0, YEAR_3000_S),
    )  # fmt: skip
    row.done()
    return found


def _recipient(spelling: str) -> int:
    try:
        return recipient_of(spelling)
    except NotARecipient as fault:
        raise CommandRefused(f"number: {fault}") from None
