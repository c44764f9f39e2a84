"""Columns: what a journal record says of a person, as rows of a table.

In: records in order, the keys. Out: rows. Never: a number in the clear; digits of a one-time password; a PDU (segments have them).

A row is a submit (``verdict``), what became of it (``answer``), a receipt, something a person wrote (``reply``, ``optout``, ``restore``,
``review``), or what was done to what they refuse (``stopped``, ``restored``, ``officer``, ``confirmed``). What ties them together:

    a submit and its answers     ``sequence`` of the verdict = ``verdict`` of the answer, on one node
    parts of one message         ``message``, the number of the entry they share; ``part`` of ``parts``
    an answer and its receipts   ``message_id``, as the provider saw it, and the person
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from proxy.archive.keys import Keys
from proxy.desk import entries, operated
from proxy.desk.segment import Record
from proxy.message import Category, OptOut, Outcome
from proxy.number import NotARecipient, recipient_of
from proxy.policy.text import signature
from proxy.wire import Frame, Malformed, Memo, Submit, read_deliver, read_submit
from proxy.wire.asking import replacement
from proxy.wire.data_sm import read_data
from proxy.wire.receipted import Receipted
from proxy.wire.tables import DATA_SM, REPLACE_SM

EFFECTS = (
    "accepted", "taken-back", "unknown", "late-accepted", "late-taken-back", "still-unknown", "late-still-unknown", "part-refused", "late-part",
)  # fmt: skip
"""By number, as changes.Effect."""
_DIGIT = re.compile(r"\d")
_UCS2 = 8  # data_coding: a replace_sm has none, and that of the message it replaces is in another record
_VALUES_MAX = 65_536


class Row(NamedTuple):
    """One row, in the order of the table's columns. Empty words and 0 mean that there is no such thing."""

    number: int  # becomes ``person`` and ``sealed``: nothing below this file sees it
    time_ms: int
    sequence: int
    place: int  # in its record, which may tell of many
    kind: str
    provider: str = ""
    account: str = ""
    port: str = ""
    outcome: str = ""
    reason: str = ""
    status: int = 0
    category: str = ""
    signature: str = ""
    text: str = ""
    rules: str = ""  # those that object, with a space between them; ``~`` before one that is tried only
    revision: str = ""
    message: int = 0
    verdict: int = 0
    part: int = 0
    parts: int = 0
    message_id: str = ""
    state: str = ""  # of an answer its effect, of a receipt what it says (DELIVRD …), of a refusal its scope and value


class Reader:
    """Rows of one node's records, which come in order. Knows the rules' names from the RULES records that passed."""

    def __init__(self, rules: Mapping[str, Sequence[str]]) -> None:
        """``rules``: what earlier segments said, revision → ids."""
        self.rules = dict(rules)
        self._memo = Memo()
        self._said: dict[bytes, tuple[str, str]] = {}  # digest of a content → text, signature
        self._by_kind: dict[int, Callable[[Record], Iterator[Row]]] = {
            entries.VERDICT: self._verdict,
            entries.ANSWER: self._answers,
            entries.ACCEPTED: self._answers,
            entries.DELIVER: self._deliver,
            entries.OPTOUT: self._stopped,
            entries.RESTORED: self._restored,
            entries.SAID: self._confirmed,
            entries.SUPPRESSED: self._officer,
            entries.RULES: self._named,
        }

    def rows(self, record: Record) -> Iterator[Row]:
        """ValueError, struct.error where the record is no such thing as its kind says."""
        read = self._by_kind.get(record.kind)
        return read(record) if read is not None else iter(())

    # -- on the way out

    def _verdict(self, record: Record) -> Iterator[Row]:
        said = entries.unpack_verdict(record.body)
        text, name, part, parts = self._content(said.data, said.time)
        if said.category is Category.OTP:
            text = _DIGIT.sub("*", text)
        yield Row(
            said.recipient, _ms(said.time), record.sequence, 0, "verdict", said.provider, said.account, said.port,
            "allow" if said.entry is not None else said.outcome.word, said.reason, said.status, said.category.word, name, text,
            self._objecting(said.revision, said.breaches), said.revision, said.entry.id if said.entry is not None else 0,
            0, part, parts,
        )  # fmt: skip

    def _content(self, data: bytes, now: float) -> tuple[str, str, int, int]:
        """(text, signature, part, parts) of a submit as the provider sent it."""
        try:
            content = self._read(Frame.of(data), now).content
        except (Malformed, ValueError, IndexError):
            return "", "", 0, 0
        found = self._said.get(content.digest)
        if found is None:
            if len(self._said) >= _VALUES_MAX:
                self._said.clear()
            found = self._said[content.digest] = content.text, signature(content.text).name
        part = content.part
        return (*found, part.index, part.total) if part is not None else (*found, 0, 0)

    def _read(self, frame: Frame, now: float) -> Submit:
        if frame.command_id == DATA_SM:
            return read_data(frame, self._memo, now)
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

    def _answers(self, record: Record) -> Iterator[Row]:
        for place, told in enumerate(entries.unpack_answers(record)):
            yield Row(
                told.recipient, _ms(told.time), record.sequence, place, "answer", status=told.status, message=told.entry_id,
                verdict=told.verdict_sequence, message_id=_printed(told.carrier_id.partition(b"\0")[0]),
                state=EFFECTS[told.effect] if told.effect < len(EFFECTS) else str(told.effect),
            )  # fmt: skip

    def _named(self, record: Record) -> Iterator[Row]:
        said = entries.unpack_rules(record.body)
        self.rules[said.revision[:16].rjust(16, "0")] = said.ids
        return iter(())

    # -- on the way back

    def _deliver(self, record: Record) -> Iterator[Row]:
        said = entries.unpack_deliver(record.body)
        state = message_id = text = ""
        try:
            deliver = read_deliver(Frame.of(said.data))
            if said.kind == "receipt":
                receipt = deliver.receipt
                named = Receipted(said.data)
                state = receipt.stat if receipt is not None else ""
                message_id = _printed(named.tlv_id or named.text_id or b"")
            else:
                text = deliver.text
        except (Malformed, ValueError, IndexError):
            pass  # the carrier's bytes, whatever they are; the segment has them
        yield Row(
            _number(said.source), _ms(said.time), record.sequence, 0, said.kind, said.provider, port=said.port, text=text,
            message_id=message_id, state=state,
        )  # fmt: skip

    def _stopped(self, record: Record) -> Iterator[Row]:
        said = entries.unpack_optout(record.body)
        yield Row(
            said.recipient, _ms(said.time), record.sequence, 0, "stopped", said.provider, port=said.port, text=said.keyword,
            state=_scope(said.opt_out),
        )  # fmt: skip

    def _restored(self, record: Record) -> Iterator[Row]:
        said = entries.unpack_restored(record.body)
        yield Row(
            said.recipient, _ms(said.time), record.sequence, 0, "restored", said.provider, port=said.port, text=said.keyword,
            state="; ".join(map(_scope, said.lifted)),
        )  # fmt: skip

    def _confirmed(self, record: Record) -> Iterator[Row]:
        said = entries.unpack_said(record.body)
        yield Row(
            said.recipient, _ms(said.time), record.sequence, 0, "confirmed", said.provider, port=said.port, text=said.text,
            state=_scope(said.refusal),
        )  # fmt: skip

    def _officer(self, record: Record) -> Iterator[Row]:
        said = operated.unpack_suppressed(record.body)
        changed = [f"+{_scope(one)}" for one in said.added] + [f"-{_scope(one)}" for one in said.lifted]
        yield Row(
            said.recipient, _ms(said.time), record.sequence, 0, "officer", text=f"{said.who}: {said.why}", state="; ".join(changed)
        )  # fmt: skip


def _ms(time: float) -> int:
    return round(time * 1000)


def _scope(one: OptOut) -> str:
    return f"{one.scope} {one.value}".strip()


@lru_cache(maxsize=4096)
def _number(source: str) -> int:
    try:
        return recipient_of(source)
    except NotARecipient:
        return 0


def _printed(octets: bytes) -> str:
    return octets.decode("ascii", "backslashreplace")


class Named:
    """Persons of rows: each number is hashed once for a table."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self._known: dict[int, int] = {}

    def persons(self, numbers: Sequence[int]) -> list[int]:
        known = self._known
        if len(known) > 20 * _VALUES_MAX:
            known.clear()
        return [known.get(number) or known.setdefault(number, self._keys.person(number)) for number in numbers]
