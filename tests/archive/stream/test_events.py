"""What of the journal leaves as an event, and what never does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from proxy.archive.columns import RowReader
from proxy.archive.stream import events
from proxy.archive.stream.events import FIELDS, KEPT, NUMBERS, ROWS, EventWriter
from proxy.journal.encoding import RECORDS, pack
from proxy.journal.erasure import Erasure, RedactedGroup
from proxy.journal.record_text import DECLARING
from proxy.journal.records import complaints, consents, delivers, messages, operator_actions, penalties
from proxy.journal.records.gate_events import ReplicatedRecord
from proxy.journal.segment import JournalRecord
from proxy.model.pseudonym import Pseudonymizer
from proxy.wire import deliver_sm
from tests.archive.journals import nights
from tests.archive.stream.schema import schema
from tests.harness import NOON, SHANGHAI, Harness
from tests.journal.records.test_declared import BODIES
from tests.journal.records.test_declared import NUMBERS as KIND_NUMBERS

HASHED = Pseudonymizer(bytes(range(32)))
TIME_MS = int(NOON * 1000)
VALIDATOR = jsonschema.Draft202012Validator(schema())
DOCUMENT = Path(__file__).parents[3] / "docs" / "stream.schema.json"


def writer(*, texts: bool = False) -> EventWriter:
    return EventWriter(3, "ab" * 16, HASHED, {}, texts=texts)


def event_of(kind: int, value: Any, *, texts: bool = False) -> dict[str, Any]:
    made = writer(texts=texts).event(JournalRecord(7, kind, pack(value)), TIME_MS)
    assert made is not None
    found: dict[str, Any] = json.loads(made)
    VALIDATOR.validate(found)
    return found


def test_the_schema_in_the_guide_is_that_of_the_declarations() -> None:
    assert json.loads(DOCUMENT.read_text("utf-8")) == schema(), "run make guide"


def test_every_kind_of_record_either_leaves_or_stays_for_a_reason() -> None:
    assert DECLARING
    known = [*ROWS, *FIELDS, *KEPT, messages.ERASURE]
    assert sorted(known) == sorted(messages.KINDS)


def test_a_record_is_an_event_under_its_node_and_number_in_the_journal() -> None:
    found = event_of(messages.LIFTED, operator_actions.Lifted(NOON, 4, "Li Na", "the storm is over"))
    assert {name: found[name] for name in ("specversion", "id", "type", "partitionkey")} == {
        "specversion": "1.0", "id": "3:7", "type": "gate106.lifted", "partitionkey": "3",
    }  # fmt: skip
    assert found["source"] == f"/gate106/node/3/journal/{'ab' * 16}"
    assert found["data"]["record"] == {"time": NOON, "order": 4, "who": "Li Na", "why": "the storm is over"}


def test_events_have_the_rows_of_the_tables_without_text(harness: Harness) -> None:
    nights(harness, people=2)
    rows, events_of = RowReader({}), writer()
    compared = 0
    for record in harness.written():
        wanted = list(rows.rows(record))
        made = events_of.event(record, TIME_MS)
        if not wanted or made is None:
            continue
        found = json.loads(made)
        VALIDATOR.validate(found)
        for row, said in zip(wanted, found["data"]["rows"], strict=True):
            left = {name: value for name, value in row._asdict().items() if value}
            left |= {"person": str(HASHED(left.pop("number")))} if row.number else {}
            assert {"node": 3, "sequence": row.sequence} == {name: found["data"][name] for name in ("node", "sequence")}
            assert said == {name: value for name, value in left.items() if name not in {"sequence", "text"}}
            compared += 1
    assert compared >= 12


@pytest.mark.parametrize("texts", [False, True])
def test_every_body_that_a_journal_may_hold_is_an_event_of_the_schema(texts: bool) -> None:
    makes = writer(texts=texts)
    left = 0
    for number, body in enumerate(BODIES):
        kind = KIND_NUMBERS[body["kind"]]
        made = makes.event(JournalRecord(number, kind, bytes.fromhex(body["body"])), TIME_MS)
        assert (made is None) == (kind in KEPT and kind != messages.HEARD) or kind == messages.HEARD
        if made is not None:
            left += 1
            VALIDATOR.validate(json.loads(made))
    assert left > 100


def test_no_field_of_any_record_lets_a_number_out() -> None:
    case = complaints.Case(
        1, "open", "12321", "r", "b", 1.0, 1.0, 1.0, 1.0, 0.0, SHANGHAI, str(SHANGHAI), 1.0, "1069001", f"von {SHANGHAI}", "0:1", "jia",
        "1069001", "甲店", "marketing", 1.0, 0, (complaints.DeskEvent(1.0, "filed", "Li Na", f"tel {SHANGHAI} +86 138-0021-0500"),),
    )  # fmt: skip
    operated = operator_actions.Operated(NOON, "Li Na", "find", f"asks for {SHANGHAI}", f"to={SHANGHAI} text=482913")
    penalty = penalties.Penalty(
        1, "proposed", "warn", "jia", 1.0, 1, 0.0, 0.0, 0, "", str(SHANGHAI), f"{SHANGHAI}", "", "", "Li Na", f"{SHANGHAI}", (),
    )  # fmt: skip
    data = deliver_sm(str(SHANGHAI), "1069001", b"call 13800210500, code 482913")
    reply = delivers.DeliverRecord(NOON, "reply", str(SHANGHAI), "1069001", "jia", data)
    torn = messages.Torn(NOON, SHANGHAI, 4, 5)
    for texts in (False, True):
        for kind, one in (
            (messages.CASED, case), (messages.OPERATED, operated), (messages.PENALIZED, penalty), (messages.DELIVER, reply),
            (messages.TORN, torn),
        ):  # fmt: skip
            said = json.dumps(event_of(kind, one, texts=texts), ensure_ascii=False)
            assert not [part for part in (str(SHANGHAI), "0021-0500", "482913") if part in said], said
    assert event_of(messages.TORN, torn)["data"]["record"]["recipient"] == str(HASHED(SHANGHAI))
    assert {name for cls in RECORDS.values() for name in cls._fields if name in NUMBERS} == set(NUMBERS)  # type: ignore[attr-defined]


def test_texts_leave_only_where_the_settings_say_so_and_never_those_of_codes(harness: Harness) -> None:
    harness.submit("jia", SHANGHAI, "【甲店】上新 电话 13912345678 拒收请回复R")
    harness.submit("jia", SHANGHAI, "【甲店】您的验证码 482913", sequence=2)
    harness.turn()
    verdicts = [record for record in harness.written() if record.kind == messages.VERDICT]
    for texts, wanted in ((False, ["", ""]), (True, ["【甲店】上新 电话 139****5678 拒收请回复R", ""])):
        makes = writer(texts=texts)
        found = [json.loads(makes.event(record, TIME_MS) or b"") for record in verdicts]
        assert [one["data"]["rows"][0].get("text", "") for one in found] == wanted


def test_an_erasure_is_a_tombstone_whoever_erased() -> None:
    changes = tuple(RedactedGroup(last, bytes(32), bytes(32)) for last in (12, 40, 25))
    erased = Erasure(NOON, HASHED(SHANGHAI), 10, changes, bytes(64), "Li Na", "asked")
    person = str(HASHED(SHANGHAI))
    assert event_of(messages.ERASURE, erased)["data"]["tombstone"] == {"person": person, "first": 10, "last": 40}
    desk = consents.ConsentChange(NOON, SHANGHAI, "erased", "Li Na", "asked", before=1, name=2)
    assert event_of(messages.PERSON, desk)["data"]["tombstone"] == {"person": person, "first": 1, "last": 7}
    other_gate = ReplicatedRecord(NOON, (1, 1), 5, 99, messages.PERSON, pack(desk))
    assert event_of(messages.HEARD, other_gate)["data"] == {
        "node": 3, "sequence": 7, "tombstone": {"person": person, "first": 1, "last": 7},
    }  # fmt: skip
    withdrawn = desk._replace(event="withdrawn")
    assert "tombstone" not in event_of(messages.PERSON, withdrawn)["data"]
    heard = JournalRecord(7, messages.HEARD, pack(other_gate._replace(body=pack(withdrawn))))
    assert writer().event(heard, TIME_MS) is None


def test_a_record_that_cannot_be_read_is_an_event_that_says_so() -> None:
    made = writer().event(JournalRecord(7, messages.LIFTED, b"?"), TIME_MS)
    assert made is not None
    assert json.loads(made)["data"] == {"node": 3, "sequence": 7, "unreadable": True}
    assert events.SCHEMA in made.decode()
