"""A row has the content of its record, however the record was read."""

from __future__ import annotations

import re
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.archive import columns
from proxy.journal.encoding import pack
from proxy.journal.records import consents, delivers, messages, operator_actions
from proxy.journal.records.doubtful_replies import NO_CONTEXT, Doubtful
from proxy.journal.segment import JournalRecord
from proxy.model.recipient import OptOut
from proxy.wire import deliver_sm, receipt_text, tlv
from proxy.wire.tables import ESM_RECEIPT, RECEIPTED_MESSAGE_ID

TEXT = receipt_text("A77", "DELIVRD", submit_date="2511111200", done_date="2511111201", text="hello")
NEVER = re.compile(rb"(?!)")


def read(text: bytes, coding: int = 0, tlvs: bytes = b"") -> tuple[str, str]:
    data = deliver_sm("13800210500", "1069001", text, esm_class=ESM_RECEIPT, data_coding=coding) + tlvs
    data = len(data).to_bytes(4, "big") + data[4:]
    body = pack(delivers.DeliverRecord(0.0, "receipt", "13800210500", "1069001", "jia", data))
    (row,) = columns.RowReader({}).rows(JournalRecord(1, messages.DELIVER, body))
    return row.message_id, row.state


@pytest.mark.parametrize(
    ("text", "coding", "tlvs", "said"),
    [
        (TEXT.encode("latin-1"), 0, b"", ("A77", "DELIVRD")),
        (TEXT.encode("latin-1"), 0, tlv(RECEIPTED_MESSAGE_ID, b"B88\0"), ("B88", "DELIVRD")),
        (TEXT.encode("utf-16-be"), 8, b"", ("A77", "DELIVRD")),
        (b"id:A77 stat:EXPIRED", 0, b"", ("A77", "EXPIRED")),
        (b"stat:delivrd id:A77", 0, b"", ("A77", "DELIVRD")),
        (b"nothing of the kind", 0, b"", ("", "")),
        (b"\xff\xfe\x00", 4, b"", ("", "")),
        (b"", 0, b"", ("", "")),
    ],
)
def test_a_receipt_names_its_message_however_it_is_spelt(text: bytes, coding: int, tlvs: bytes, said: tuple[str, str]) -> None:
    assert read(text, coding, tlvs) == said


@given(st.text("A0~_-.;: ", min_size=1, max_size=20), st.sampled_from(["DELIVRD", "UNDELIV", "x"]), st.booleans())
def test_the_short_way_to_read_a_receipt_says_what_the_long_one_says(message_id: str, stat: str, named: bool) -> None:
    text = receipt_text(message_id, stat, submit_date="2511111200", done_date="2511111201", text="id:Z9 sub:").encode()
    tlvs = tlv(RECEIPTED_MESSAGE_ID, b"B88\0") if named else b""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(columns, "_PLAIN_RECEIPT", NEVER)
        slowly = read(text, 0, tlvs)
    assert read(text, 0, tlvs) == slowly


@given(st.integers(1, 250), st.binary(max_size=200))
def test_a_record_of_any_bytes_is_rows_or_a_well_made_error(kind: int, body: bytes) -> None:
    try:
        columns.RowReader({}).rows(JournalRecord(1, kind, body))
    except (ValueError, struct.error, IndexError):
        return


def test_half_of_a_pair_of_surrogates_in_a_reason_can_stand_in_a_table() -> None:
    """JSON may bring one, and journals of before have some."""
    refusal = OptOut("all", "", 1_762_833_600, "hotline", 0)
    body = pack(operator_actions.Suppressed(1_762_833_600.0, 13800210001, (refusal,), (), "hotline", "app \ud800"))
    (row,) = columns.RowReader({}).rows(JournalRecord(1, messages.SUPPRESSED, body))
    assert row.text.encode() == b"hotline: app ?"


def test_a_consent_by_reply_is_a_row_with_the_message_it_answers() -> None:
    terms = consents.Terms("甲公司", "marketing", 0, 0, "ask")
    said = consents.ConsentReply(9.0, 13800210001, 1, terms, "同意请回Y", "jia", "1069001", 5, 4711, 1, "Y\ud800", "Y", "")
    record = JournalRecord(7, messages.CONSENT_REPLY, pack(said))
    (row,) = columns.RowReader({}).rows(record)
    assert (row.kind, row.provider, row.port, row.text, row.message, row.state) == (
        "consented", "jia", "1069001", "Y?", 4711, "甲公司, marketing",
    )  # fmt: skip
    assert columns.persons_of(record) == (13800210001,)


def test_a_doubtful_reply_is_a_row_with_what_it_holds_and_no_text() -> None:
    held = OptOut("advertiser", "696592fe4ca2", 9, "doubtful", 0)
    said = Doubtful(9.0, 13800210001, "8613800210001", "1069001", "jia", "这是退订吗", NO_CONTEXT, (held,))
    record = JournalRecord(7, messages.DOUBTFUL, pack(said))
    (row,) = columns.RowReader({}).rows(record)
    assert (row.kind, row.provider, row.port, row.text, row.state) == ("held", "jia", "1069001", "", "advertiser 696592fe4ca2")
    assert columns.persons_of(record) == (13800210001,)
