"""Ways past the rules that somebody would try, each through the running gate with the rules that are shipped: none is open (DESIGN §14).

What is tried is one advertisement: to Beijing, where it is banned; to somebody who refused it, however their number is spelt; with what it
says hidden from whoever reads it.
"""

from __future__ import annotations

import itertools
import shutil
import struct
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.carrier import Carrier
from tests.e2e.gate import ROOT, Gate, provider
from tests.e2e.pdus import DATA_SM, ESME_ROK, SUBMIT_MULTI, SUBMIT_SM, message, pdu, tlv
from tests.e2e.raw import Raw

BANNED, KEYWORD, UNREADABLE, NOT_PERMITTED, PORT_SCOPE = 0x400, 0x450, 0x453, 0x420, 0x402
RINVSRCADR, ROPTPARNOTALLWD, RINVMSGLEN, RINVDSTADR = 0x0A, 0xC1, 0x01, 0x0B
RINVDSTTON, RINVDSTNPI = 0x50, 0x51
PORT, CODES = b"106900101", b"106900103"
BEIJING, REFUSED = "13800100500", "13800210555"
AD = "【甲店】双11优惠券满100减20 拒收请回复R"
MESSAGE_PAYLOAD = 0x0424
CLOCK = timezone(timedelta(hours=8))


class House:
    def __init__(self, folder: Path) -> None:
        self.carrier = Carrier()
        self.gate = Gate(folder, self.carrier.port, [provider("jia", "1069001", category="marketing", replace=True)])
        shutil.rmtree(self.gate.rules)
        shutil.copytree(ROOT / "rules", self.gate.rules)
        (self.gate.rules / "lists" / "do-not-disturb.csv").write_text(REFUSED + "\n")
        (self.gate.rules / "registries" / "ports.csv").write_text(f"{CODES.decode()},,otp\n")
        hours = self.gate.rules / "hours.yaml"  # the test says the same at night
        hours.write_text(hours.read_text().replace("- id: quiet-hours\n", "- id: quiet-hours\n    mode: off\n"))
        self.gate.start()
        self.client = Raw(self.gate.port)
        assert self.client.bind("jia").status == 0
        self._sequences = itertools.count(1000)
        self._people = itertools.count(13800210600)

    def close(self) -> None:
        self.client.__exit__()
        self.gate.stop()
        self.carrier.stop()

    def asks(self, body: bytes, command: int = SUBMIT_SM) -> int:
        return self.client.ask(pdu(command, next(self._sequences), body)).status

    def sends(self, text: str = AD, to: str = BEIJING, source: bytes = PORT, **how: Any) -> int:
        return self.asks(message(source, to.encode(), text.encode("utf-16-be"), data_coding=8, **how))

    def somebody(self) -> str:
        """Of Shanghai, others each time."""
        return str(next(self._people))


@pytest.fixture(scope="module")
def house(tmp_path_factory: Any) -> Iterator[House]:
    found = House(tmp_path_factory.mktemp("gate"))
    try:
        yield found
    finally:
        found.close()


def test_the_advertisement_is_refused_where_it_should_be_and_passes_elsewhere(house: House):
    assert house.sends() == BANNED
    assert house.sends(to=REFUSED) == NOT_PERMITTED
    assert house.sends(to=house.somebody()) == ESME_ROK


# --- what nobody can read


@pytest.mark.parametrize("coding", [0x02, 0x04, 0x05, 0x0A, 0x0D, 0x0E, 0x14, 0x24, 0x2A, 0x80, 0xF4, 0xFF])
def test_octets_that_no_rule_can_read_are_no_free_pass(house: House, coding: int):
    body = message(PORT, house.somebody().encode(), AD.encode("gbk"), data_coding=coding)
    assert house.asks(body) == UNREADABLE


def test_a_compressed_text_is_no_free_pass(house: House):
    assert house.asks(message(PORT, house.somebody().encode(), AD.encode("utf-16-be"), data_coding=0x28)) == UNREADABLE


def test_a_link_pushed_to_the_handset_is_no_free_pass(house: House):
    push = bytes((6, 5, 4, 0x0B, 0x84, 0x23, 0xF0)) + b"\1\6\1\xaehttp://s.example/a\0"
    assert house.asks(message(PORT, house.somebody().encode(), push, esm_class=0x40, data_coding=4)) == UNREADABLE
    assert house.sends(to=house.somebody(), tail=tlv(0x020B, struct.pack(">H", 2948))) == UNREADABLE


def test_a_header_that_hides_the_text_is_no_free_pass(house: House):
    for header in (b"\xff", b"\5\0\3", bytes((140,)), b"\2\xf0\xff"):
        body = message(PORT, house.somebody().encode(), header + AD.encode("utf-16-be"), esm_class=0x40, data_coding=8)
        assert house.asks(body) != ESME_ROK


def test_the_carriers_own_canned_text_is_no_free_pass(house: House):
    body = bytearray(message(PORT, house.somebody().encode(), b""))
    body[-2] = 7  # sm_default_msg_id
    assert house.asks(bytes(body)) == UNREADABLE


def test_a_text_in_two_places_is_refused_and_so_is_a_parameter_that_comes_twice(house: House):
    harmless = "【甲店】您的包裹已到".encode("utf-16-be")
    for tail in (
        tlv(MESSAGE_PAYLOAD, AD.encode("utf-16-be")),
        tlv(0x1401, b"otp\0") * 2,
    ):
        assert house.asks(message(PORT, house.somebody().encode(), harmless, data_coding=8, tail=tail)) == ROPTPARNOTALLWD


def test_a_text_in_message_payload_is_read_like_any_other(house: House):
    payload = tlv(MESSAGE_PAYLOAD, AD.encode("utf-16-be"))
    assert house.asks(message(PORT, BEIJING.encode(), b"", data_coding=8, tail=payload)) == BANNED


# --- the same in other commands


def test_data_sm_is_judged_like_a_submit(house: House):
    addresses = b"\0\1\1" + PORT + b"\0\1\1" + b"86" + BEIJING.encode() + b"\0"
    body = addresses + b"\0\0\x08" + tlv(MESSAGE_PAYLOAD, AD.encode("utf-16-be"))
    assert house.asks(body, DATA_SM) == BANNED


def test_among_many_recipients_the_one_who_must_not_get_it_does_not(house: House):
    people = [house.somebody(), BEIJING, REFUSED]
    text = AD.encode("utf-16-be")
    body = (
        b"\0\1\1" + PORT + b"\0" + bytes((len(people),)) + b"".join(b"\1\1\1" + one.encode() + b"\0" for one in people)
        + bytes(7) + b"\x08\0" + bytes((len(text),)) + text
    )  # fmt: skip
    answer = house.client.ask(pdu(SUBMIT_MULTI, next(house._sequences), body))
    refused = dict(_refused(answer.body))
    assert refused == {BEIJING: BANNED, REFUSED: NOT_PERMITTED}


def _refused(body: bytes) -> Iterator[tuple[str, int]]:
    at = body.index(0) + 1
    count, at = body[at], at + 1
    for _ in range(count):
        end = body.index(0, at + 2)
        yield body[at + 2 : end].decode()[-11:], int.from_bytes(body[end + 1 : end + 5], "big")
        at = end + 5


def test_a_harmless_message_cannot_be_replaced_by_a_forbidden_one(house: House):
    person = house.somebody()
    answer = house.client.ask(
        pdu(
            SUBMIT_SM,
            next(house._sequences),
            message(PORT, person.encode(), AD.encode("utf-16-be"), data_coding=8),
        )
    )
    assert answer.status == ESME_ROK
    text = "【甲店】代开发票 加微信 拒收请回复R".encode("utf-16-be")
    body = answer.body.split(b"\0")[0] + b"\0\1\1" + PORT + b"\0\0\0\0\0" + bytes((len(text),)) + text
    assert house.asks(body, 0x07) not in (ESME_ROK, 0x03)


# --- in pieces, and later


def parts(text: str, to: str, reference: int) -> list[bytes]:
    octets, total = text.encode("utf-16-be"), 2
    half = len(octets) // 4 * 2
    return [
        message(
            PORT, to.encode(), bytes((5, 0, 3, reference, total, place)) + piece, esm_class=0x40, data_coding=8
        )
        for place, piece in ((1, octets[:half]), (2, octets[half:]))
    ]  # fmt: skip


def test_a_forbidden_word_cut_in_two_is_found(house: House):
    person = house.somebody()
    numbers = [next(house._sequences) for _ in range(2)]
    text = "【甲店】双11 代开发票请联系 拒收请回复R"
    assert text[: len(text) // 2].endswith("代开发"), "it is cut amid the word"
    for number, body in zip(numbers, parts(text, person, 77), strict=True):
        house.client.send(pdu(SUBMIT_SM, number, body))
    statuses: dict[int, int] = {}
    while len(statuses) < 2:
        found = house.client.next()
        assert found is not None
        if found.sequence in numbers:
            statuses[found.sequence] = found.status
    assert set(statuses.values()) == {KEYWORD}


def test_a_message_ordered_for_later_is_judged_all_the_same(house: House):
    later = (datetime.now(CLOCK) + timedelta(hours=20)).strftime("%y%m%d%H%M%S") + "032+"
    for when in (later, "000000010000000R"):
        assert house.sends(schedule=when.encode()) == BANNED
        assert house.sends(to=REFUSED, schedule=when.encode()) == NOT_PERMITTED


# --- the same person, spelt otherwise


@pytest.mark.parametrize(
    "spelling",
    ["{}", "86{}", "+86{}", "0086{}", "0{}", " {} ", "{0:.3}-{0:.4}", "+86 {}"],
)
def test_every_spelling_of_a_number_is_the_same_person(house: House, spelling: str):
    spelt = spelling.format(REFUSED)
    if "{0" in spelling:
        spelt = f"{REFUSED[:3]}-{REFUSED[3:7]}-{REFUSED[7:]}"
    assert house.sends(to=spelt) == NOT_PERMITTED


@pytest.mark.parametrize(("ton", "npi"), [(0, 0), (1, 1), (2, 8), (5, 0), (6, 18), (7, 0), (0, 2), (255, 255)])
def test_types_of_numbers_change_nothing_but_that_reserved_ones_are_refused_as_such(house: House, ton: int, npi: int):
    reserved = RINVDSTTON if ton > 6 else RINVDSTNPI if npi == 2 else NOT_PERMITTED
    body = message(PORT, REFUSED.encode(), AD.encode("utf-16-be"), data_coding=8)
    at = body.index(PORT) + len(PORT) + 1
    assert house.asks(body[:at] + bytes((ton, npi)) + body[at + 2 :]) == reserved


# --- another sender, another purpose


@pytest.mark.parametrize("source", [b"1069002", b"", b"JIA", b"+106900101", b"10690", b"106900101x"])
def test_a_port_of_nobody_or_somebody_else_is_refused(house: House, source: bytes):
    assert house.sends(source=source, to=house.somebody()) == RINVSRCADR


def test_an_advertisement_from_the_port_for_codes_is_an_advertisement(house: House):
    assert house.sends(source=CODES) in (BANNED, PORT_SCOPE)
    assert house.sends(source=CODES, tail=tlv(0x1401, b"otp\0")) in (BANNED, PORT_SCOPE)


@pytest.mark.parametrize(
    "text",
    [
        "【甲店】双11优|惠|券满100减20 拒收请回复R",
        "【甲店】双11优\u200b惠\u200b券满100减20 拒收请回复R",
        "【甲店】雙11優惠券滿100減20 拒收請回覆R",
        "【甲店】双１１优惠券满１００减２０ 拒收请回复R",
    ],
)
def test_an_advertisement_in_disguise_is_an_advertisement(house: House, text: str):
    assert house.sends(text, source=CODES) in (BANNED, PORT_SCOPE)
    assert house.sends(text) == BANNED
