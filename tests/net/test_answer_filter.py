"""Every submit gets one answer that SMPP 3.4 allows, whatever the carrier sends."""

from __future__ import annotations

from itertools import count
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from proxy.net.answer_filter import LOG_EVERY_S
from proxy.wire import Frame, deliver_sm, read_deliver, response, submit_sm, submit_sm_resp
from proxy.wire.builders import pdu, tlv
from proxy.wire.tables import (
    CANCEL_SM,
    DATA_SM,
    DELIVER_SM,
    ESME_RMSGQFUL,
    ESME_ROK,
    ESME_RQUERYFAIL,
    ESME_RSYSERR,
    GENERIC_NACK,
    QUERY_SM,
    SUBMIT_MULTI,
    SUBMIT_SM,
)
from tests import pdus
from tests.answering import Between, is_well_formed
from tests.harness import SHANGHAI

PORT = "1069001"
NUMBERS = count(SHANGHAI)
LONG = {"80 octets": b"a" * 80, "65 octets": b"b" * 65, "60,000 octets": b"c" * 60_000, "69,000 octets": b"d" * 69_000}


@pytest.fixture
def between(tmp_path: Path) -> Between:
    return Between(tmp_path)


def submit(sequence: int = 7, person: int = 0) -> bytes:
    return submit_sm(PORT, str(person or next(NUMBERS)), b"hello", sequence=sequence)


def answered(between: Between, body: bytes, status: int = 0, command: int = SUBMIT_SM, asked: bytes = b"") -> Frame:
    """What the provider is told when the carrier answers so."""
    (frame,) = between.sends(asked or submit())
    between.says(response(command, status, frame.sequence_number, body))
    (told,) = between.told()
    assert told.sequence_number == (7 if not asked else int.from_bytes(asked[12:16], "big"))
    assert is_well_formed(told)
    return told


def malformed(between: Between) -> dict[str, int]:
    return {kind: number for (_, kind, _), number in between.harness.tally.bad_pdus.items()}


# --------------------------------------------------------------------------------------------------------- the id


@pytest.mark.parametrize("name", LONG)
@pytest.mark.parametrize("code", ["", "B1"], ids=["carrier", "coded"])
def test_an_id_that_is_too_long_has_an_alias_that_receipts_name_too(tmp_path: Path, name: str, code: str) -> None:
    between = Between(tmp_path, code=code)
    told = answered(between, LONG[name] + b"\0")
    alias = told.body[:-1]
    assert (told.command_status, told.body[-1:]) == (ESME_ROK, b"\0")
    assert len(alias) <= 64
    assert malformed(between) == {"field": 1}
    if len(LONG[name]) < 200:
        text = b"id:" + LONG[name] + b" sub:001 dlvrd:001 stat:DELIVRD err:000 text:hello"
        between.says(deliver_sm("8613800210000", PORT, text, esm_class=4, sequence=5))
        (receipt,) = between.told()
        assert read_deliver(receipt).receipt.id.encode() == alias  # type: ignore[union-attr]


def test_two_ids_that_are_too_long_have_two_aliases(between: Between) -> None:
    assert answered(between, b"a" * 80 + b"\0").body != answered(between, b"a" * 79 + b"b\0").body


def test_a_receipt_that_names_a_short_id_passes_byte_for_byte(between: Between) -> None:
    for text in (b"id:4711 stat:DELIVRD", b"ID: 4711;stat:DELIVRD", b"stat:DELIVRD", b"id:" + b"7" * 64 + b" stat:DELIVRD"):
        sent = deliver_sm("8613800210000", PORT, text, esm_class=4, sequence=5)
        between.says(sent)
        (receipt,) = between.told()
        assert receipt.body == sent[16:]


def test_a_receipt_that_names_its_message_in_a_parameter_alone_passes_byte_for_byte(between: Between) -> None:
    sent = deliver_sm("8613800210000", PORT, b"", esm_class=4, sequence=5, tlvs=[(0x001E, b"4711\0"), (0x0427, b"\2")])
    between.says(sent)
    assert [one.body for one in between.told()] == [sent[16:]]


@pytest.mark.parametrize(
    "text", [b"id: " + b"a" * 80 + b" stat:DELIVRD", b"stat:DELIVRD id:" + b"a" * 80, b"ID:" + b"a" * 80 + b";stat:DELIVRD"]
)
def test_an_alias_is_found_wherever_a_receipt_names_the_id(between: Between, text: bytes) -> None:
    alias = answered(between, b"a" * 80 + b"\0").body[:-1]
    between.says(deliver_sm("8613800210000", PORT, text, esm_class=4, sequence=5))
    (receipt,) = between.told()
    assert alias in receipt.body
    assert b"a" * 80 not in receipt.body


def test_an_id_of_64_octets_passes_byte_for_byte_and_is_not_counted(between: Between) -> None:
    assert answered(between, b"f" * 64 + b"\0").body == b"f" * 64 + b"\0"
    assert malformed(between) == {}


@pytest.mark.parametrize("own", [b"4711", b"x" * 64])
def test_an_id_without_its_NUL_gets_it(between: Between, own: bytes) -> None:
    assert answered(between, own).body == own + b"\0"
    assert malformed(between) == {"field": 1}


def test_a_yes_without_a_body_is_a_yes_with_an_empty_id(between: Between) -> None:
    assert answered(between, b"").body == b"\0"
    assert malformed(between) == {"field": 1}


# --------------------------------------------------------------------------------------------------------- what follows it

CUT = {
    "cut amid a tag": b"\x14",
    "cut amid a value": tlv(0x1400, b"abc")[:-1],
    "a length beyond the end": b"\x14\0\xff\xff",
    "twice": tlv(0x1400, b"a") * 2,
    "a known one of an impossible size": tlv(0x0427, b"\1\2\3"),
    "60,000 octets": tlv(0x1400, b"x" * 60_000),
}


@pytest.mark.parametrize("name", CUT)
def test_parameters_that_cannot_be_passed_on_are_left_out_and_the_id_is_not(between: Between, name: str) -> None:
    assert answered(between, b"4711\0" + CUT[name]).body == b"4711\0"
    assert malformed(between) == {"tlv": 1}


def test_parameters_behind_an_id_that_is_too_long_stay(between: Between) -> None:
    more = tlv(0x1400, b"why")
    assert answered(between, b"a" * 80 + b"\0" + more).body.endswith(b"\0" + more)


def test_a_client_below_version_34_gets_no_parameters(tmp_path: Path) -> None:
    between = Between(tmp_path, version=0x33)
    assert answered(between, b"4711\0" + tlv(0x1400, b"why")).body == b"4711\0"
    assert malformed(between) == {}


@pytest.mark.parametrize("body", [b"4711", b"x" * 60_000, b"\0" + CUT["twice"], b"\0\0\0"])
def test_a_no_with_a_broken_body_is_a_no_without_one(between: Between, body: bytes) -> None:
    told = answered(between, body, ESME_RMSGQFUL)
    assert (told.command_status, told.body) == (ESME_RMSGQFUL, b"")
    assert sum(malformed(between).values()) == 1


def test_a_nack_without_a_fault_is_as_good_as_no_answer(between: Between) -> None:
    (frame,) = between.sends(submit())
    between.says(pdu(GENERIC_NACK, 0, frame.sequence_number))
    (told,) = between.told()
    assert (told.command_id & 0xFF, told.command_status, told.body) == (SUBMIT_SM, ESME_RSYSERR, b"")
    assert malformed(between) == {"field": 1}


# --------------------------------------------------------------------------------------------------------- other commands


def test_the_answer_to_a_data_sm_is_looked_into_likewise(between: Between) -> None:
    asked = pdus.data(PORT.encode(), b"%d" % next(NUMBERS), "hello", 9)
    assert answered(between, b"a" * 80, command=DATA_SM, asked=asked).body != b"\0"
    assert answered(between, b"4711\0\x14", command=DATA_SM, asked=asked).body == b"4711\0"


@pytest.mark.parametrize(
    "body", [b"", b"4711", b"4711\0", b"4711\0\0\2", b"4711\0" + b"9" * 30 + b"\0\2\0", b"x" * 80 + b"\0\0\2\0"]
)
def test_a_query_that_is_answered_malformed_has_failed(between: Between, body: bytes) -> None:
    told = answered(between, body, command=QUERY_SM, asked=pdus.query(b"4711", PORT.encode(), 9))
    assert (told.command_status, told.body) == (ESME_RQUERYFAIL, b"")


def test_a_cancel_is_answered_without_a_body(between: Between) -> None:
    told = answered(between, b"x" * 60_000, command=CANCEL_SM, asked=pdus.cancel(b"4711", PORT.encode(), sequence=9))
    assert (told.command_status, told.body) == (ESME_ROK, b"")


@pytest.mark.parametrize("cut", [1, 5, 17])
def test_of_the_addresses_that_a_carrier_refuses_those_that_can_be_read_are_refused(between: Between, cut: int) -> None:
    first, second = next(NUMBERS), next(NUMBERS)
    asked = pdus.multi(PORT.encode(), [first, second], "hello", 9)
    whole = pdus.multi_resp(b"4711", [(first, 0x0B), (second, 0x0B)])[16:]
    told = answered(between, whole[:-cut], command=SUBMIT_MULTI, asked=asked)
    assert told.body[:6] == b"4711\0\1"


# --------------------------------------------------------------------------------------------------------- counted, logged


def test_what_is_malformed_is_logged_once_a_minute(between: Between) -> None:
    with capture_logs() as logs:
        for _ in range(5):
            answered(between, b"a" * 80 + b"\0")
            between.carrier.tick()
        between.clock.now += LOG_EVERY_S
        between.carrier.tick()
        between.carrier.tick()
    lines = [(line["kinds"], line["last"]) for line in logs if line["event"] == "carrier sends malformed PDUs"]
    assert lines == [("field=1", "message_id longer than 64 octets"), ("field=4", "message_id longer than 64 octets")]


def test_a_deliver_that_cannot_be_read_is_logged_with_them(between: Between) -> None:
    with capture_logs() as logs:
        (said,) = between.says(pdu(DELIVER_SM, 0, 5, b"\0\1"))
        between.carrier.tick()
    assert said.command_status
    assert between.told() == []
    assert [line["event"] for line in logs] == ["carrier sends malformed PDUs"]


def test_an_answer_that_comes_late_is_looked_into_before_it_is_written(between: Between) -> None:
    (frame,) = between.sends(submit())
    between.waits()
    (told,) = between.told()
    between.says(submit_sm_resp(frame.sequence_number, 0, b"a" * 69_000))
    assert (told.command_status, between.told(), malformed(between)) == (ESME_RSYSERR, [], {"field": 1})


def test_of_2_to_the_32_statuses_a_bounded_number_has_a_series(between: Between) -> None:
    for status in range(0x500, 0x500 + 60):
        assert answered(between, b"", status).command_status == status
    responses = between.harness.tally.carrier_responses
    assert len(responses) == 33
    assert responses["bj", "other"] == 28
    answered(between, b"", 0x501)
    answered(between, b"", ESME_RMSGQFUL)
    assert (responses["bj", "0x00000501"], responses["bj", "ESME_RMSGQFUL"]) == (2, 1)
