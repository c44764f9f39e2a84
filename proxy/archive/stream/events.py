"""Makes CloudEvents of journal records, without numbers and texts.

In: records of one node, in order. Out: CloudEvents 1.0 in JSON, structured mode; docs/stream.schema.json describes them. Never: a number in
the clear, octets, digits of a one-time password; a text unless the settings ask for texts.

    rows       records about messages and persons, as the columns of the tables (archive/columns.py) have them; 0 and empty are left out
    record     other records, field by field, in the words of their declaration
    tombstone  an erasure: from ``first`` to ``last`` nothing may stay of this person but what they refused (``REFUSALS``)
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from proxy.archive.columns import RowReader
from proxy.archive.otp_texts import is_code
from proxy.archive.query import PersonRow
from proxy.journal.encoding import RECORDS, unpack
from proxy.journal.erasure import Erasure
from proxy.journal.record_text import TEXTS
from proxy.journal.records import messages
from proxy.journal.records.consents import ConsentChange
from proxy.journal.records.gate_events import ReplicatedRecord
from proxy.journal.segment import JournalRecord
from proxy.model.redact import mask_numbers, printable

SCHEMA = "urn:gate106:stream:1"
ROWS = frozenset({
    messages.VERDICT, messages.ANSWER, messages.ACCEPTED, messages.DELIVER, messages.REPEATED, messages.OPTOUT, messages.RESTORED,
    messages.SAID, messages.SUPPRESSED, messages.PERSON, messages.CONSENT_REPLY, messages.DOUBTFUL,
})  # fmt: skip
"""Kinds that are rows of a table."""
FIELDS = frozenset({
    messages.RULES, messages.START, messages.STOP, messages.CLOCK, messages.DELIVERED, messages.DROPPED, messages.DISOWNED,
    messages.UNREPLACED, messages.ORDERED, messages.LIFTED, messages.OPERATED, messages.LISTING, messages.LISTING_DONE, messages.REMOVED,
    messages.REVISED, messages.CONSENT_FILE, messages.CONSENT_EVENT, messages.CASED, messages.PENALIZED, messages.COUNTED,
    messages.COUNTED_APART, messages.DECISION, messages.REPLY_PATH, messages.PROBE, messages.TORN, messages.ERASURE_REQUESTED,
})  # fmt: skip
"""Kinds that leave field by field."""
KEPT: Mapping[int, str] = {
    messages.ASKED: "the PDU of a request, with the number in it",
    messages.EVIDENCE: "words of a message",
    messages.REVIEW: "the text of a message",
    messages.REFUSED_SAID: "texts that a person refused",
    messages.LISTED: "numbers of a list",
    messages.CONSENTS: "numbers of a file of consents",
    messages.RECYCLING: "numbers that changed hands",
    messages.NAMED: "words of messages behind their hashes",
    messages.IDS: "only a restart needs it: message ids of a carrier",
    messages.SHARE: "only a restart needs it: a counter",
    messages.TOLD: "only a restart needs it: keys against doing a request twice",
    messages.HEARD: "a record of another gate, which sends it itself",
    messages.ERASED: "nothing is left in it",
}
"""Kinds that do not leave, and why. A tombstone is made of ERASURE, and of the erasure of a person (PERSON), here or at another gate."""
NUMBERS = ("recipient", "number")
"""Fields that hold a person's number."""
OMITTED = (*TEXTS, "said", "note", "details")
"""Fields that may quote a message or a reply, or say who somebody is; ``details`` of a command may hold what was searched for."""
_ROW_NAMES = PersonRow._fields[1:]
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class EventWriter:
    """Makes the events of one node's records."""

    def __init__(
        self, node: int, identity: str, person: Callable[[int], int], rules: Mapping[str, Sequence[str]], *, texts: bool
    ) -> None:
        """``person``: the keyed hash of a number. ``rules``: what earlier records said, revision → ids."""
        self.rows = RowReader(rules)
        self._node, self._person, self._texts = node, person, texts
        self._head = (
            f'"source":"/gate106/node/{node}/journal/{identity}","datacontenttype":"application/json","dataschema":"{SCHEMA}",'
            f'"partitionkey":"{node}"'
        )
        self._time = -1, ""  # of the last group, and as it is written

    def event(self, record: JournalRecord, time_ms: int) -> bytes | None:
        """None: it does not leave. ``time_ms``: when its commit group was written."""
        try:
            data = self._data(record)
        except (ValueError, struct.error, IndexError, TypeError):
            data = {"unreadable": True}
        if data is None:
            return None
        kind = messages.KINDS.get(record.kind, str(record.kind))
        if time_ms != self._time[0]:
            time = datetime.fromtimestamp(time_ms / 1000, UTC).isoformat(timespec="milliseconds")
            self._time = time_ms, time.replace("+00:00", "Z")
        event = (
            f'{{"specversion":"1.0","id":"{self._node}:{record.sequence}",{self._head},"type":"gate106.{kind}","time":"{self._time[1]}",'
            f'"data":{_encode({"node": self._node, "sequence": record.sequence, **data})}}}'
        )
        return event.encode("utf-8", "replace")

    def _data(self, record: JournalRecord) -> dict[str, Any] | None:
        kind = record.kind
        if kind in ROWS:
            data: dict[str, Any] = {"rows": [self._row(row) for row in self.rows.rows(record)]}
            return data | self._tombstone(kind, record.body, record.sequence)
        if kind in FIELDS:
            self.rows.rows(record)  # it learns the names of rules
            return {"record": self._shown("", unpack(RECORDS[kind], record.body))}
        if kind == messages.ERASURE:
            one = unpack(Erasure, record.body)
            return {"tombstone": {"person": str(one.person), "first": one.first, "last": max(row.last for row in one.changes)}}
        if kind == messages.HEARD:
            heard = unpack(ReplicatedRecord, record.body)
            return self._tombstone(heard.kind, heard.body, record.sequence) or None
        return None if kind in KEPT else {"unreadable": True}

    def _tombstone(self, kind: int, body: bytes, sequence: int) -> dict[str, Any]:
        """Of the erasure of a person at the desk: the law keeps the journal's records for now, not a copy's."""
        change = unpack(ConsentChange, body) if kind == messages.PERSON else None
        if change is None or change.event != "erased":
            return {}
        return {"tombstone": {"person": str(self._person(change.recipient)), "first": 1, "last": sequence}}

    def _row(self, row: PersonRow) -> dict[str, Any]:
        found: dict[str, Any] = {name: value for name, value in zip(_ROW_NAMES, row[1:], strict=True) if value}
        found.pop("sequence", None)
        if row.number:
            found["person"] = str(self._person(row.number))
        text = found.pop("text", "")
        if text and self._texts and not is_code(row.category, row.reason, text, objected=bool(row.rules)):
            found["text"] = mask_numbers(text)
        return found

    def _shown(self, name: str, value: Any) -> Any:
        """A field as it may leave; None: it does not."""
        if isinstance(value, str):
            return None if name in OMITTED else mask_numbers(printable(value, " "))
        if isinstance(value, bytes):
            return None
        if name in NUMBERS and isinstance(value, int):
            return str(self._person(value)) if value else None
        if hasattr(value, "_fields"):
            pairs = ((field, self._shown(field, one)) for field, one in zip(value._fields, value, strict=True))
            return {field: one for field, one in pairs if one is not None}
        if isinstance(value, Mapping):
            return [[self._shown(name, key), self._shown(name, one)] for key, one in value.items()]
        return [self._shown(name, one) for one in value] if isinstance(value, tuple | list) else value
