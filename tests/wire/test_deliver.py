"""Delivers: receipts as carriers write them, replies as people write them."""

from __future__ import annotations

import pytest

from proxy.wire import Frame, Malformed, deliver_sm, read_deliver, read_receipt, receipt_text
from proxy.wire.tables import STATUSES

TEXT = "id:7220bb6bd0be98fa sub:001 dlvrd:001 submit date:2511110801 done date:2511110802 stat:DELIVRD err:000 text:hello"


def _read(message: bytes, **fields):
    return read_deliver(Frame.of(deliver_sm("13800138000", "10690001", message, **fields)))


@pytest.mark.parametrize(
    ("esm_class", "receipt"),
    [(0x00, False), (0x04, True), (0x44, True), (0x20, True), (0x08, False), (0x18, False), (0x07, True)],
)
def test_esm_class_says_what_is_a_receipt(esm_class: int, receipt: bool):
    assert _read(b"\0" + TEXT.encode(), esm_class=esm_class).is_receipt is receipt


def test_a_receipt_says_which_message_and_what_became_of_it():
    deliver = _read(TEXT.encode(), esm_class=4, tlvs=[(0x001E, b"7220bb6bd0be98fa\0"), (0x0427, b"\2"), (0x0423, b"\3\0\0")])
    assert (deliver.receipted_message_id, deliver.message_state) == (b"7220bb6bd0be98fa", 2)
    assert deliver.receipt is not None
    assert deliver.receipt._asdict() == {
        "id": "7220bb6bd0be98fa", "stat": "DELIVRD", "err": "000", "sub": "001", "dlvrd": "001",
        "submit_date": "2511110801", "done_date": "2511110802", "text": "hello",
    }  # fmt: skip


def test_what_a_receipt_lacks_is_absent():
    deliver = _read(b"", esm_class=4)
    assert (deliver.receipt, deliver.receipted_message_id, deliver.message_state) == (None, None, None)


@pytest.mark.parametrize(
    ("text", "identity", "stat"),
    [
        ("ID:1 STAT:delivrd", "1", "DELIVRD"),
        ("id: 0a1b sub: 001 stat: UNDELIV err: 12", "0a1b", "UNDELIV"),
        ("stat:EXPIRED err:001 id:55", "55", "EXPIRED"),
        ("id:bc59b8aa-2fd2-4035 stat:REJECTD text:id:other stat:DELIVRD", "bc59b8aa-2fd2-4035", "REJECTD"),
        ("  id:7 stat:ACCEPTD", "7", "ACCEPTD"),
    ],
)
def test_carriers_spell_receipts_as_they_like(text: str, identity: str, stat: str):
    receipt = read_receipt(text)
    assert receipt is not None
    assert (receipt.id, receipt.stat) == (identity, stat)


@pytest.mark.parametrize(
    "text", ["", "TD", "id:1", "my id:1 stat:DELIVRD", "idea: stat:x", "stat:DELIVRD", "id:1 stat:X" + " " * 1024]
)
def test_what_people_write_is_no_receipt(text: str):
    assert read_receipt(text) is None


def test_underscores_in_an_id_stay_what_they_are_though_the_default_alphabet_has_another_sign_there():
    assert _read(b"id:a_b@c stat:DELIVRD", esm_class=4).receipt == read_receipt("id:a_b@c stat:DELIVRD")


def test_octets_no_alphabet_has_cost_a_receipt_nothing():
    deliver = _read(TEXT.encode() + b"\x84A", esm_class=4)
    assert (deliver.state, deliver.looks_like_receipt) == ("unreadable", True)


def test_a_receipt_without_the_flag_is_known_by_its_text():
    deliver = _read(TEXT.encode())
    assert (deliver.is_receipt, deliver.looks_like_receipt) == (False, True)
    assert _read("id:9 stat:DELIVRD".encode("utf-16-be"), data_coding=8).looks_like_receipt


def test_a_reply_is_its_text():
    deliver = _read("退订".encode("utf-16-be"), data_coding=8)
    assert (deliver.source, deliver.destination, deliver.text) == ("13800138000", "10690001", "退订")
    assert not deliver.looks_like_receipt


def test_a_broken_deliver_gets_the_status_of_its_fault():
    data = deliver_sm("13800138000", "10690001", b"TD") + b"\x14"
    with pytest.raises(Malformed) as fault:
        read_deliver(Frame.of(len(data).to_bytes(4, "big") + data[4:]))
    assert fault.value.status == STATUSES["ESME_RINVOPTPARSTREAM"]


def test_the_receipts_our_simulators_write_are_read():
    text = receipt_text("42", "UNDELIV", submit_date="2511110801", done_date="2511110802", err="012", text="x" * 30)
    receipt = read_receipt(text)
    assert receipt is not None
    assert (receipt.id, receipt.stat, receipt.err, receipt.dlvrd, receipt.text) == ("42", "UNDELIV", "012", "000", "x" * 20)
