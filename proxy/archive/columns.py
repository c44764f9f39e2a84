"""Converts journal records to rows of a table.

In: records in order. Out: rows (query.py). Never: a number in the clear; digits of a one-time password; a PDU (segments have them).

A row is one of

- a submit (``verdict``; of one that was turned away unread, one row for each person it was sent to)
- refused submits that came again (``repeated``: ``status``, how often since the last such row; nobody's)
- an answer to it (``answer``), a receipt
- something a person wrote (``reply``, ``optout``, ``restore``, ``review``)
- a change of a person's refusals (``stopped``, ``restored``, ``officer``, ``confirmed``)

Rows refer to each other:

    a submit and its answers     ``sequence`` of the verdict = ``verdict`` of the answer, on one node; likewise its repetitions
    parts of one message         ``message``, the number of the entry they share; ``part`` of ``parts``
    an answer and its receipts   ``message_id``, as the provider saw it, and the person
"""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any

from proxy.archive.otp_texts import may_be_code, unjudged
from proxy.archive.query import PersonRow
from proxy.journal.encoding import unpack
from proxy.journal.records import (
    answers,
    consents,
    delivers,
    doubtful_replies,
    gate_events,
    messages,
    operator_actions,
    requests,
    unreadable_submits,
)
from proxy.journal.segment import JournalRecord
from proxy.model.message import CATEGORY_WORDS, Category, Outcome
from proxy.model.number import NotARecipient, recipient_of
from proxy.model.recipient import OptOut
from proxy.model.redact import mask_digits
from proxy.policy.text.folding import fold, squeeze
from proxy.policy.text.text_analysis import signer
from proxy.relay.effects.optouts import read_deliver_text
from proxy.wire import ContentCache, Frame, Malformed, Submit, read_deliver, read_submit
from proxy.wire.message_queries import replacement
from proxy.wire.receipt_ids import ReceiptIds
from proxy.wire.submit import read_data_sm
from proxy.wire.tables import DATA_SM, RECEIPTED_MESSAGE_ID, REPLACE_SM

EFFECTS = (
    "accepted", "taken-back", "unknown", "late-accepted", "late-taken-back", "still-unknown", "late-still-unknown", "part-refused", "late-part",
)  # fmt: skip
"""By number, as changes.Effect."""
_NOBODY = (0,)
_PLAIN_RECEIPT = re.compile(
    rb"id:([0-9A-Za-z._~-]{1,64}) sub:\d{3} dlvrd:\d{3} submit date:\d{10,12} done date:\d{10,12} stat:([A-Z]{1,7}) err:"
)
"""As appendix B has it, letter for letter: nearly all are so, and are read at once, as long as no parameter names another id."""
_RECEIPTED = RECEIPTED_MESSAGE_ID.to_bytes(2, "big")
_UCS2 = 8  # data_coding: a replace_sm has none, and that of the message it replaces is in another record
_VALUES_MAX = 65_536


_row: Callable[[tuple[Any, ...]], PersonRow] = partial(tuple.__new__, PersonRow)
"""A Row of all its fields, at half of what its own ``__new__`` costs: one or more are made of every record."""


class RowReader:
    """Rows of one node's records, which come in order. Knows the rules' names from the RULES records that passed."""

    def __init__(self, rules: Mapping[str, Sequence[str]]) -> None:
        """``rules``: what earlier segments said, revision → ids."""
        self.rules = dict(rules)
        self._memo = ContentCache()
        self._contents: dict[
            bytes, tuple[str, str, bool]
        ] = {}  # digest of a content → text, signature, whether it may be a code
        self._by_kind: dict[int, Callable[[JournalRecord], Sequence[PersonRow]]] = {
            messages.VERDICT: self._verdict,
            messages.ANSWER: self._answers,
            messages.ACCEPTED: self._answers,
            messages.DELIVER: self._deliver,
            messages.REPEATED: self._repeated,
            messages.RULES: self._named,
            **dict.fromkeys(_ABOUT_ONE, self._about_one),
        }

    def rows(self, record: JournalRecord) -> Sequence[PersonRow]:
        """ValueError, struct.error where the record is no such thing as its kind says."""
        read = self._by_kind.get(record.kind)
        return read(record) if read is not None else ()

    # -- on the way out

    def _verdict(self, record: JournalRecord) -> Sequence[PersonRow]:
        submit = messages.unpack_verdict(record.body)
        text, name, code, part, parts = self._content(submit.data, submit.time)
        entry, category, rules = (
            submit.entry,
            CATEGORY_WORDS[submit.category],
            self._objecting(submit.revision, submit.breaches),
        )
        if code or submit.category is Category.OTP or unjudged(category, submit.reason, objected=bool(rules)):
            text = mask_digits(text)
        persons = (submit.recipient,) if submit.recipient else unreadable_submits.recipients_of_pdu(submit.data) or _NOBODY
        return [
            _row((
                person, _ms(submit.time), record.sequence, place, "verdict", submit.provider, submit.account, submit.port,
                "allow" if entry is not None else submit.outcome.word, submit.reason, submit.status, category, name, text, rules,
                submit.revision, entry.id if entry is not None else 0, 0, part, parts, "", "",
            ))
            for place, person in enumerate(persons)
        ]  # fmt: skip

    def _content(self, data: bytes, now: float) -> tuple[str, str, bool, int, int]:
        """(text, signature, whether it may be a code, part, parts) of a submit as the provider sent it."""
        try:
            content = self._read(Frame.of(data), now).content
        except (Malformed, ValueError, IndexError):
            return "", "", False, 0, 0
        found = self._contents.get(content.digest)
        if found is None:
            if len(self._contents) >= _VALUES_MAX:
                self._contents.clear()
            text = content.text
            found = self._contents[content.digest] = text, signer(text), may_be_code(squeeze(fold(text)))
        part = content.part
        return (*found, part.index, part.total) if part is not None else (*found, 0, 0)

    def _read(self, frame: Frame, now: float) -> Submit:
        if frame.command_id == DATA_SM:
            return read_data_sm(frame, self._memo, now)
        if frame.command_id == REPLACE_SM:
            return Submit(b"", b"", replacement(frame, _UCS2, now))
        return read_submit(frame, self._memo, now)

    def _objecting(self, revision: str, breaches: tuple[tuple[int, Outcome, bool], ...]) -> str:
        if not breaches:
            return ""
        ids = self.rules.get(revision, ())
        return " ".join(
            ("~" if shadow else "") + (ids[number] if number < len(ids) else f"#{number}") for number, _, shadow in breaches
        )

    def _answers(self, record: JournalRecord) -> Sequence[PersonRow]:
        return [
            _row((
                answer.recipient, _ms(answer.time), record.sequence, place, "answer", "", "", "", "", "", answer.status, "", "", "", "", "",
                answer.entry_id, answer.verdict_sequence, 0, 0, _printed(answer.carrier_id.partition(b"\0")[0]),
                EFFECTS[answer.effect] if answer.effect < len(EFFECTS) else str(answer.effect),
            ))
            for place, answer in enumerate(answers.unpack_answers(record))
        ]  # fmt: skip

    def _repeated(self, record: JournalRecord) -> Sequence[PersonRow]:
        event = unpack(requests.Repeated, record.body)
        return [
            PersonRow(0, _ms(event.time), record.sequence, place, "repeated", status=count, verdict=verdict)
            for place, (verdict, count) in enumerate(event.counts.items())
        ]

    def _named(self, record: JournalRecord) -> Sequence[PersonRow]:
        event = unpack(gate_events.Rules, record.body)
        self.rules[event.revision[:16].rjust(16, "0")] = event.ids
        return ()

    # -- on the way back

    def _deliver(self, record: JournalRecord) -> Sequence[PersonRow]:
        event = unpack(delivers.DeliverRecord, record.body)
        message_id, state, text = _receipt(event.data) if event.kind == "receipt" else ("", "", _text(event.data))
        return (
            _row((
                _number(event.source), _ms(event.time), record.sequence, 0, event.kind, event.provider, "", event.port, "", "", 0, "", "", text,
                "", "", 0, 0, 0, 0, message_id, state,
            )),
        )  # fmt: skip

    def _about_one(self, record: JournalRecord) -> Sequence[PersonRow]:
        declared, kind, text, state = _ABOUT_ONE[record.kind]
        event = unpack(declared, record.body)
        found: dict[str, Any] = {name: getattr(event, name, "") for name in ("provider", "port")}
        words = text(event).encode("utf-8", "replace").decode()  # a journal may hold half a surrogate pair, a table not
        return (
            PersonRow(
                event.recipient, _ms(event.time), record.sequence, 0, kind, **found, text=words, state=state(event),
                message=getattr(event, "request", 0),
            ),
        )  # fmt: skip


def _by(event: operator_actions.Suppressed | consents.ConsentChange) -> str:
    return f"{event.who}: {event.why}"


def _person_change(event: consents.ConsentChange) -> str:
    about = {
        "withdrawn": f"{event.advertiser or 'all advertisers'}, {event.category or 'all categories'}",
        "recycled": f"somebody else's since {event.before}",
    }.get(event.event, "")
    return f"{event.event} {about}".strip()


def _scope(one: OptOut) -> str:
    return f"{one.scope} {one.value}".strip()


_ABOUT_ONE: Mapping[int, tuple[type[Any], str, Callable[[Any], str], Callable[[Any], str]]] = {
    messages.OPTOUT: (delivers.OptedOut, "stopped", lambda event: event.keyword, lambda event: _scope(event.opt_out)),
    messages.RESTORED: (delivers.Restored, "restored", lambda event: event.keyword, lambda event: "; ".join(map(_scope, event.lifted))),
    messages.SAID: (delivers.ConfirmationSent, "confirmed", lambda event: event.text, lambda event: _scope(event.refusal)),
    messages.SUPPRESSED: (
        operator_actions.Suppressed, "officer", _by,
        lambda event: "; ".join([f"+{_scope(one)}" for one in event.added] + [f"-{_scope(one)}" for one in event.lifted]),
    ),
    messages.PERSON: (consents.ConsentChange, "officer", _by, _person_change),
    messages.CONSENT_REPLY: (
        consents.ConsentReply, "consented", lambda event: event.text, lambda event: f"{event.terms.advertiser}, {event.terms.category}",
    ),
    messages.DOUBTFUL: (doubtful_replies.Doubtful, "held", lambda event: "", lambda event: "; ".join(map(_scope, event.held))),
}  # fmt: skip
"""Records that are one row about one person → how they are declared, the row's kind, text and state. The text of a doubtful reply stands in
the row of its deliver."""


def persons_of(record: JournalRecord) -> Sequence[int]:
    """Whom rows of a record are about, or may be; its body begins with when that was (ms). ValueError, struct.error."""
    kind, body = record.kind, record.body
    if kind == messages.VERDICT:
        return unreadable_submits.recipients_of_verdict(body) or _NOBODY
    if kind == messages.REPEATED:
        return _NOBODY
    if kind == messages.ACCEPTED:
        return answers.recipients_of(body)
    if kind == messages.DELIVER:
        return (_number(unpack(delivers.DeliverRecord, body).source),)
    declared = answers.CarrierAnswer if kind == messages.ANSWER else _ABOUT_ONE[kind][0] if kind in _ABOUT_ONE else None
    return (unpack(declared, body).recipient,) if declared is not None else ()


def _receipt(data: bytes) -> tuple[str, str, str]:
    """(message id as the provider saw it, state, no text) of a receipt; empty where the carrier's bytes say nothing."""
    plain = _PLAIN_RECEIPT.search(data, 16)
    if plain is not None and _RECEIPTED not in data[plain.end() :]:
        return plain[1].decode("ascii"), plain[2].decode("ascii"), ""
    try:
        receipt, named = read_deliver(Frame.of(data)).receipt, ReceiptIds(data)
    except (Malformed, ValueError, IndexError):
        return "", "", ""
    return _printed(named.tlv_id or named.text_id or b""), receipt.stat if receipt is not None else "", ""


def _text(data: bytes) -> str:
    """What a person wrote; empty where it cannot be read (the segment has it)."""
    try:
        return read_deliver_text(read_deliver(Frame.of(data)))[0]
    except (Malformed, ValueError, IndexError):
        return ""


def _ms(time: float) -> int:
    return int(time * 1000 + 0.5)


@lru_cache(maxsize=4096)
def _number(source: str) -> int:
    try:
        return recipient_of(source)
    except NotARecipient:
        return 0


def _printed(octets: bytes) -> str:
    return octets.decode("ascii", "backslashreplace")
