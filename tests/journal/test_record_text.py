"""Every kind of record is shown, with masked numbers and without texts."""

from __future__ import annotations

import pytest

from proxy.journal.encoding import RECORDS, pack
from proxy.journal.record_text import DECLARING, record_text
from proxy.journal.records import delivers, doubtful_replies, gate_events, messages, operator_actions
from proxy.journal.segment import JournalRecord
from proxy.model.recipient import OptOut
from tests.guide import kinds_table
from tests.journal.records.test_declared import BY_KIND, NUMBERS

MING = 13800210500
NOON = 1_700_000_000.0


@pytest.mark.parametrize("kind", BY_KIND)
def test_a_record_of_every_kind_is_shown(kind: str) -> None:
    for one in BY_KIND[kind]:
        text = record_text(JournalRecord(4711, NUMBERS[kind], bytes.fromhex(one["body"])))
        assert text.startswith(f"4711 {kind} {RECORDS[NUMBERS[kind]].__name__}(")
        assert text.isprintable()


def test_no_number_and_no_text_of_a_person_is_shown() -> None:
    opt_out = OptOut("all", "", 5, "reply", 0)
    for one in (
        messages.Torn(NOON, MING, 5, 0),
        delivers.DeliverRecord(NOON, "reply", str(MING), "10690001", "jia", b"text"),
        delivers.ConfirmationSent(NOON, MING, opt_out, "10690001", "jia", "退订已生效"),
        operator_actions.Operated(NOON, "li", "suppress show", "why", str(MING)),
    ):
        kind = next(kind for kind, cls in RECORDS.items() if cls is type(one))
        body = pack(one)
        heard = pack(gate_events.ReplicatedRecord(NOON, (1, 2), 3, 4, kind, body))
        for text in (record_text(JournalRecord(1, kind, body)), record_text(JournalRecord(1, messages.HEARD, heard))):
            assert str(MING) not in text
            assert "退订" not in text


def test_of_a_text_its_length_is_shown() -> None:
    doubtful = doubtful_replies.Doubtful(
        NOON, MING, str(MING), "1069", "jia", "澳门发财", doubtful_replies.NO_CONTEXT, (), "x" * 45
    )
    shown = record_text(JournalRecord(1, messages.DOUBTFUL, pack(doubtful)))
    assert ("text=<4>" in shown, "answered=<45>" in shown) == (True, True), shown


def test_a_record_that_cannot_be_read_and_one_of_a_later_gate_are_shown_as_such() -> None:
    assert record_text(JournalRecord(1, messages.TORN, b"xy")).startswith("1 torn cannot be read: ")
    assert record_text(JournalRecord(1, 250, b"xy")) == "1 kind 250 <2>"


def test_every_kind_has_a_row_that_says_what_it_means() -> None:
    _, _, *rows = kinds_table()
    assert [row.split(" | ")[1].strip("`") for row in rows] == [messages.KINDS[kind] for kind in sorted(messages.KINDS)]
    assert all(
        not row.split(" | ")[2].startswith(f"{cls.__name__}(")
        for row, (_, cls) in zip(rows, sorted(RECORDS.items()), strict=True)
    )


def test_every_module_that_declares_a_kind_is_asked() -> None:
    assert {cls.__module__ for cls in RECORDS.values()} <= {module.__name__ for module in DECLARING}
