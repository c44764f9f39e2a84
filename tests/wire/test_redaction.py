"""A redacted PDU shows no password, number or code, and stays dissectable."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.wire import Frame, read_fields
from proxy.wire.redaction import HIDDEN, MASKED, TEXT, redact_pdu
from tests import pdus
from tests.e2e.pdus import BIND_TRANSCEIVER, DELIVER_SM, MESSAGE_PAYLOAD, RESPONSE, SUBMIT_SM, bind, message, pdu, tlv

PERSON, PORT = b"13800210500", b"1069001"
UCS2 = "【测试】验证码４８２913, 满300".encode("utf-16-be")


def submit(text: bytes = b"call 4711", *, coding: int = 0, esm: int = 0, tail: bytes = b"", to: bytes = PERSON) -> Frame:
    return Frame.of(pdu(SUBMIT_SM, 7, message(PORT, to, text, data_coding=coding, esm_class=esm, tail=tail)))


def veiled(frame: Frame, text: str = MASKED, *, whole_numbers: bool = False) -> bytes:
    shown = redact_pdu(frame, text, whole_numbers=whole_numbers).data
    assert len(shown) == len(frame.data)
    assert shown[:16] == frame.data[:16]
    return shown


def text_of(frame: Frame, text: str = MASKED) -> bytes:
    return bytes(read_fields(Frame.of(veiled(frame, text)))["short_message"])


def test_digits_of_a_text_are_veiled_all_of_it_is_hidden_or_it_is_open() -> None:
    assert text_of(submit()) == b"call ****"
    assert text_of(submit(), HIDDEN) == b"*********"
    assert text_of(submit(), TEXT) == b"call 4711"


def test_digits_of_any_width_are_veiled_in_ucs_2() -> None:
    assert text_of(submit(UCS2, coding=8)).decode("utf-16-be") == "【测试】验证码******, 满***"
    assert set(text_of(submit(UCS2, coding=8), HIDDEN).decode("utf-16-be")) == {"*"}


def test_a_header_stays_and_what_stands_behind_it_does_not() -> None:
    header = bytes((5, 0, 3, 0x31, 2, 1))
    assert text_of(submit(header + b"code 12", esm=0x40)) == header + b"code **"
    assert text_of(submit(b"\xff12", esm=0x40)) == b"\xff12"  # a header that never ends: nothing stands behind it


def test_a_text_that_nobody_can_read_is_hidden_whole() -> None:
    assert text_of(submit(b"\x00\x01abc", coding=4)) == b"*****"


def test_a_payload_is_a_text_and_unknown_parameters_are_hidden() -> None:
    frame = submit(
        b"", coding=8, tail=tlv(MESSAGE_PAYLOAD, UCS2) + tlv(0x1400, b"secret") + tlv(0x0381, PERSON) + tlv(0x0204, b"\0\1")
    )
    found = dict(read_fields(Frame.of(veiled(frame)))["tlvs"])
    assert found[MESSAGE_PAYLOAD].decode("utf-16-be") == "【测试】验证码******, 满***"
    assert (found[0x1400], found[0x0381], found[0x0204]) == (b"******", b"*" * 11, b"\0\1")


@pytest.mark.parametrize(
    ("spelt", "shown"),
    [
        (b"13800210500", b"138****0500"),
        (b"8613800210500", b"86138****0500"),
        (b"+8613800210500", b"+86138****0500"),
        (b"01088888888", b"010****8888"),
        (b"1234567", b"***4567"),
        (b"1069001234567", b"1069001234567"),
        (b"95588123", b"95588123"),
        (b"10086", b"10086"),
    ],
)
def test_the_middle_of_a_persons_number_is_veiled_a_port_is_not(spelt: bytes, shown: bytes) -> None:
    if spelt == b"1234567":  # 12… may be a service number
        shown = spelt
    assert read_fields(Frame.of(veiled(submit(to=spelt))))["destination_addr"] == shown
    assert read_fields(Frame.of(veiled(submit(to=spelt), whole_numbers=True)))["destination_addr"] == spelt


def test_a_password_is_veiled_whatever_was_asked_for() -> None:
    shown = veiled(Frame.of(bind(BIND_TRANSCEIVER, 1, "jia", "geheim")), TEXT, whole_numbers=True)
    assert b"geheim" not in shown
    assert read_fields(Frame.of(shown))["password"] == b"******"
    assert redact_pdu(Frame.of(shown)).fields["system_id"] == "jia"


def test_what_a_receipt_quotes_may_be_a_code_and_what_names_its_message_is_none() -> None:
    text = b"id:0042 stat:DELIVRD text:code 482913"
    frame = Frame.of(pdu(DELIVER_SM, 1, message(PERSON, PORT, text, esm_class=4)))
    for how in (MASKED, TEXT):
        assert text_of(frame, how) == b"id:0042 stat:DELIVRD text:code ******"


def test_everybody_a_submit_multi_names_is_veiled_in_the_answer_too() -> None:
    people = [13800210500, 13800210501]
    shown = veiled(Frame.of(pdus.multi(PORT, people, "满300")))
    assert [one["addr"] for one in read_fields(Frame.of(shown))["dest_address"]] == [b"138****0500", b"138****0501"]
    answer = veiled(Frame.of(pdus.multi_resp(b"id1", [(people[0], 11)])))
    assert [one["addr"] for one in read_fields(Frame.of(answer))["unsuccess_sme"]] == [b"138****0500"]


@pytest.mark.parametrize(
    "frame",
    [
        pdus.cancel(b"id1", PORT, PERSON),
        pdus.data(PORT, PERSON, "满300"),
        pdus.replace(b"id1", PORT, b"call 4711"),
        pdu(SUBMIT_SM | RESPONSE, 7, b"id1\0"),
        pdu(SUBMIT_SM | RESPONSE, 7, b"", 0x45),
    ],
)
def test_other_commands_stay_what_they_are(frame: bytes) -> None:
    shown = veiled(Frame.of(frame))
    assert PERSON not in shown
    assert read_fields(Frame.of(shown)).keys() == read_fields(Frame.of(frame)).keys()


def test_from_where_it_cannot_be_read_everything_is_veiled() -> None:
    cut = pdu(SUBMIT_SM, 7, submit().data[16:-4])
    assert PERSON not in veiled(Frame.of(cut))
    assert veiled(Frame.of(pdu(0x7777, 7, b"13800210500"))).endswith(b"*" * 11)


@given(command=st.sampled_from([SUBMIT_SM, DELIVER_SM, 0x21, 0x103, 0x80000021, 0x07, 0x7777]), body=st.binary(max_size=200))
def test_any_bytes_are_veiled_without_a_word(command: int, body: bytes) -> None:
    for how in (MASKED, HIDDEN, TEXT):
        veiled(Frame.of(pdu(command, 1, body)), how)


@given(cut=st.integers(0, 300), frame=st.sampled_from([submit(UCS2, coding=8), submit(tail=tlv(0x1400, PERSON))]))
def test_however_it_is_cut_no_number_is_left(cut: int, frame: Frame) -> None:
    body = frame.data[16:]
    shown = veiled(Frame.of(pdu(SUBMIT_SM, 1, body[: min(cut, len(body))])))
    assert PERSON not in shown
