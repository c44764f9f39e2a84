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
NOTICE_MISSING, SIGNATURE_MISSING = 0x440, 0x441
RINVSRCADR, ROPTPARNOTALLWD, RINVMSGLEN, RINVDSTADR = 0x0A, 0xC1, 0x01, 0x0B
RINVDSTTON, RINVDSTNPI = 0x50, 0x51
PORT, CODES, METERS = b"106900101", b"106900103", b"106900204"
KINDS = ["marketing", "notice", "otp", "undeclared"]
BEIJING, REFUSED = "13800100500", "13800210555"
AD = "【甲店】双11优惠券满100减20 拒收请回复R"
MESSAGE_PAYLOAD = 0x0424
CLOCK = timezone(timedelta(hours=8))


class Harness:
    def __init__(self, folder: Path) -> None:
        self.carrier = Carrier()
        kinds = {"marketing": "1069001", "notice": "1069002", "otp": "1069003", "undeclared": "1069004"}
        providers = [
            provider("jia" if kind == "marketing" else kind, port, category=kind, replace=True) for kind, port in kinds.items()
        ]
        del providers[-1]["category"]
        self.gate = Gate(folder, self.carrier.port, providers)
        self.kinds = {kind: f"{port}01".encode() for kind, port in kinds.items()}
        shutil.rmtree(self.gate.rules)
        shutil.copytree(ROOT / "rules", self.gate.rules)
        (self.gate.rules / "lists" / "do-not-disturb.csv").write_text(REFUSED + "\n")
        (self.gate.rules / "registries" / "ports.csv").write_text(f"{CODES.decode()},,otp\n{METERS.decode()},,notice binary\n")
        hours = self.gate.rules / "hours.yaml"  # the test says the same at night
        hours.write_text(hours.read_text().replace("- id: quiet-hours\n", "- id: quiet-hours\n    mode: off\n"))
        self.gate.start()
        self.client = Raw(self.gate.port)
        assert self.client.bind("jia").status == 0
        self.clients = {"marketing": self.client}
        for kind in ("notice", "otp", "undeclared"):
            self.clients[kind] = Raw(self.gate.port)
            assert self.clients[kind].bind(kind).status == 0
        self._sequences = itertools.count(1000)
        self._people = itertools.count(13800210600)

    def close(self) -> None:
        for client in self.clients.values():
            client.__exit__()
        self.gate.stop()
        self.carrier.stop()

    def asks(self, body: bytes, command: int = SUBMIT_SM, kind: str = "marketing") -> int:
        return self.clients[kind].ask(pdu(command, next(self._sequences), body)).status

    def sends(self, text: str = AD, to: str = BEIJING, source: bytes = PORT, **how: Any) -> int:
        return self.asks(message(source, to.encode(), text.encode("utf-16-be"), data_coding=8, **how))

    def somebody(self) -> str:
        """Of Shanghai, others each time."""
        return str(next(self._people))


@pytest.fixture(scope="module")
def harness(tmp_path_factory: Any) -> Iterator[Harness]:
    found = Harness(tmp_path_factory.mktemp("gate"))
    try:
        yield found
    finally:
        found.close()


def test_the_advertisement_is_refused_where_it_should_be_and_passes_elsewhere(harness: Harness):
    assert harness.sends() == BANNED
    assert harness.sends(to=REFUSED) == NOT_PERMITTED
    assert harness.sends(to=harness.somebody()) == ESME_ROK


# --- what nobody can read


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("coding", [0x05, 0x0A, 0x0D, 0x0E, 0x24, 0x2A, 0x80, 0xFF])
def test_octets_that_no_rule_can_read_are_no_free_pass(harness: Harness, coding: int, kind: str):
    body = message(harness.kinds[kind], harness.somebody().encode(), AD.encode("gbk"), data_coding=coding)
    assert harness.asks(body, kind=kind) == UNREADABLE


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("octets", "coding"),
    [
        (AD.encode("utf-16-be") + b"\0", 8),
        (AD.encode("gbk"), 15),
        (AD.encode("gb18030") + b"\x90", 15),
        (AD.encode("gbk"), 4),
        (AD.encode("utf-16-be"), 4),
        (AD.encode("utf-16-be") + b"\1", 2),
        (AD.encode("gbk"), 0xF5),
        (AD.encode(), 0),
        (AD.encode("gbk"), 0),
        (AD.encode(), 1),
        (AD.encode("gbk"), 3),
        (AD.replace("惠", "\ud800惠\udc00").encode("utf-16-be", "surrogatepass"), 8),
        (AD.replace("惠", "\ufffd惠").encode("utf-16-be"), 8),
    ],
)
def test_what_a_handset_shows_is_judged_whatever_its_coding_says(harness: Harness, octets: bytes, coding: int, kind: str):
    assert harness.asks(message(harness.kinds[kind], BEIJING.encode(), octets, data_coding=coding), kind=kind) == BANNED


@pytest.mark.parametrize("kind", KINDS)
def test_a_compressed_text_is_no_free_pass(harness: Harness, kind: str):
    body = message(harness.kinds[kind], harness.somebody().encode(), AD.encode("utf-16-be"), data_coding=0x28)
    assert harness.asks(body, kind=kind) == UNREADABLE


@pytest.mark.parametrize("kind", KINDS)
def test_a_link_pushed_to_the_handset_is_no_free_pass(harness: Harness, kind: str):
    push = bytes((6, 5, 4, 0x0B, 0x84, 0x23, 0xF0)) + b"\1\6\1\xaehttp://s.example/a\0"
    assert (
        harness.asks(message(harness.kinds[kind], harness.somebody().encode(), push, esm_class=0x40, data_coding=4), kind=kind)
        == UNREADABLE
    )
    tail = tlv(0x020B, struct.pack(">H", 2948))
    body = message(harness.kinds[kind], harness.somebody().encode(), AD.encode("utf-16-be"), data_coding=8, tail=tail)
    assert harness.asks(body, kind=kind) == UNREADABLE


@pytest.mark.parametrize("kind", KINDS)
def test_binary_data_leave_only_from_the_ports_that_are_registered_for_them(harness: Harness, kind: str):
    data = bytes(range(0, 256, 3))
    assert harness.asks(message(harness.kinds[kind], harness.somebody().encode(), data, data_coding=4), kind=kind) == UNREADABLE
    assert harness.asks(message(METERS, harness.somebody().encode(), data, data_coding=4), kind="notice") == ESME_ROK
    assert harness.asks(message(METERS, BEIJING.encode(), AD.encode("gbk"), data_coding=4), kind="notice") == BANNED
    assert (
        harness.asks(message(METERS, harness.somebody().encode(), AD.encode("gbk"), data_coding=0x24), kind="notice")
        == UNREADABLE
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_header_that_hides_the_text_is_no_free_pass(harness: Harness, kind: str):
    for header in (b"\xff", b"\1\0", bytes((140,)), b"\2\xf0\xff"):
        octets = header + AD.encode("utf-16-be")
        body = message(harness.kinds[kind], harness.somebody().encode(), octets, esm_class=0x40, data_coding=8)
        assert harness.asks(body, kind=kind) != ESME_ROK


@pytest.mark.parametrize("kind", KINDS)
def test_the_carriers_own_canned_text_is_no_free_pass(harness: Harness, kind: str):
    body = bytearray(message(harness.kinds[kind], harness.somebody().encode(), b""))
    body[-2] = 7  # sm_default_msg_id
    assert harness.asks(bytes(body), kind=kind) == UNREADABLE


# --- what a handset shows in another order


def turned(text: str) -> str:
    """Under an override that shows the text, lines of which are short."""
    mirrored = text[::-1].translate(str.maketrans("【】", "】【"))
    return "\n".join("\u202e" + mirrored[max(0, end - 12) : end] for end in range(len(mirrored), 0, -12))


def marked(text: str) -> str:
    return "\n".join("\u200f" + "\u200f".join(line[1:]) for line in turned(text).split("\n"))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("way", [turned, marked, lambda text: "\u202e" + text[::-1], lambda text: "\u2067" + marked(text)])
def test_an_advertisement_that_only_a_handset_shows_is_an_advertisement(harness: Harness, way: Any, kind: str):
    for text, status in ((AD, BANNED), ("【甲店】代开发票 拒收请回复R", KEYWORD)):
        to = BEIJING if status == BANNED else harness.somebody()
        octets = way(text).encode("utf-16-be")
        found = harness.asks(message(harness.kinds[kind], to.encode(), octets, data_coding=8), kind=kind)
        assert found in ((status,) if status == BANNED else (KEYWORD, NOTICE_MISSING, SIGNATURE_MISSING))


@pytest.mark.parametrize("kind", KINDS)
def test_a_notice_in_uyghur_and_a_number_from_a_phone_book_pass(harness: Harness, kind: str):
    for text in (
        "【新疆邮政】ئەۋەتكەن پوسىلكىڭىز كەلدى، ئېلىش كودى 3-2-1408، 联系电话13800138000。",
        "【甲店】您的快件已到，请联系\u202d13800138000\u202c。",
        "【甲店】\u2068张三\u2069您好，您的快件已到",
    ):
        said = text + (" 拒收请回复R" if kind in ("marketing", "undeclared") else "")
        octets = said.encode("utf-16-be")
        assert (
            harness.asks(message(harness.kinds[kind], harness.somebody().encode(), octets, data_coding=8), kind=kind)
            == ESME_ROK
        )


def test_a_text_in_two_places_is_refused_and_so_is_a_parameter_that_comes_twice(harness: Harness):
    harmless = "【甲店】您的包裹已到".encode("utf-16-be")
    for tail in (
        tlv(MESSAGE_PAYLOAD, AD.encode("utf-16-be")),
        tlv(0x1401, b"otp\0") * 2,
    ):
        assert harness.asks(message(PORT, harness.somebody().encode(), harmless, data_coding=8, tail=tail)) == ROPTPARNOTALLWD


def test_a_text_in_message_payload_is_read_like_any_other(harness: Harness):
    payload = tlv(MESSAGE_PAYLOAD, AD.encode("utf-16-be"))
    assert harness.asks(message(PORT, BEIJING.encode(), b"", data_coding=8, tail=payload)) == BANNED


# --- the same in other commands


def test_data_sm_is_judged_like_a_submit(harness: Harness):
    addresses = b"\0\1\1" + PORT + b"\0\1\1" + b"86" + BEIJING.encode() + b"\0"
    body = addresses + b"\0\0\x08" + tlv(MESSAGE_PAYLOAD, AD.encode("utf-16-be"))
    assert harness.asks(body, DATA_SM) == BANNED


def test_among_many_recipients_the_one_who_must_not_get_it_does_not(harness: Harness):
    people = [harness.somebody(), BEIJING, REFUSED]
    text = AD.encode("utf-16-be")
    body = (
        b"\0\1\1" + PORT + b"\0" + bytes((len(people),)) + b"".join(b"\1\1\1" + one.encode() + b"\0" for one in people)
        + bytes(7) + b"\x08\0" + bytes((len(text),)) + text
    )  # fmt: skip
    answer = harness.client.ask(pdu(SUBMIT_MULTI, next(harness._sequences), body))
    refused = dict(_refused(answer.body))
    assert refused == {BEIJING: BANNED, REFUSED: NOT_PERMITTED}


def _refused(body: bytes) -> Iterator[tuple[str, int]]:
    at = body.index(0) + 1
    count, at = body[at], at + 1
    for _ in range(count):
        end = body.index(0, at + 2)
        yield body[at + 2 : end].decode()[-11:], int.from_bytes(body[end + 1 : end + 5], "big")
        at = end + 5


def test_a_harmless_message_cannot_be_replaced_by_a_forbidden_one(harness: Harness):
    person = harness.somebody()
    answer = harness.client.ask(
        pdu(
            SUBMIT_SM,
            next(harness._sequences),
            message(PORT, person.encode(), AD.encode("utf-16-be"), data_coding=8),
        )
    )
    assert answer.status == ESME_ROK
    text = "【甲店】代开发票 加微信 拒收请回复R".encode("utf-16-be")
    body = answer.body.split(b"\0")[0] + b"\0\1\1" + PORT + b"\0\0\0\0\0" + bytes((len(text),)) + text
    assert harness.asks(body, 0x07) not in (ESME_ROK, 0x03)


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


def test_a_forbidden_word_cut_in_two_is_found(harness: Harness):
    person = harness.somebody()
    numbers = [next(harness._sequences) for _ in range(2)]
    text = "【甲店】双11 代开发票请联系 拒收请回复R"
    assert text[: len(text) // 2].endswith("代开发"), "it is cut amid the word"
    for number, body in zip(numbers, parts(text, person, 77), strict=True):
        harness.client.send(pdu(SUBMIT_SM, number, body))
    statuses: dict[int, int] = {}
    while len(statuses) < 2:
        found = harness.client.next()
        assert found is not None
        if found.sequence in numbers:
            statuses[found.sequence] = found.status
    assert set(statuses.values()) == {KEYWORD}


def test_a_message_ordered_for_later_is_judged_all_the_same(harness: Harness):
    later = (datetime.now(CLOCK) + timedelta(hours=20)).strftime("%y%m%d%H%M%S") + "032+"
    for when in (later, "000000010000000R"):
        assert harness.sends(schedule=when.encode()) == BANNED
        assert harness.sends(to=REFUSED, schedule=when.encode()) == NOT_PERMITTED


# --- the same person, spelt otherwise


@pytest.mark.parametrize(
    "spelling",
    ["{}", "86{}", "+86{}", "0086{}", "0{}", " {} ", "{0:.3}-{0:.4}", "+86 {}"],
)
def test_every_spelling_of_a_number_is_the_same_person(harness: Harness, spelling: str):
    spelt = spelling.format(REFUSED)
    if "{0" in spelling:
        spelt = f"{REFUSED[:3]}-{REFUSED[3:7]}-{REFUSED[7:]}"
    assert harness.sends(to=spelt) == NOT_PERMITTED


@pytest.mark.parametrize(("ton", "npi"), [(0, 0), (1, 1), (2, 8), (5, 0), (6, 18), (7, 0), (0, 2), (255, 255)])
def test_types_of_numbers_change_nothing_but_that_reserved_ones_are_refused_as_such(harness: Harness, ton: int, npi: int):
    reserved = RINVDSTTON if ton > 6 else RINVDSTNPI if npi == 2 else NOT_PERMITTED
    body = message(PORT, REFUSED.encode(), AD.encode("utf-16-be"), data_coding=8)
    at = body.index(PORT) + len(PORT) + 1
    assert harness.asks(body[:at] + bytes((ton, npi)) + body[at + 2 :]) == reserved


# --- another sender, another purpose


@pytest.mark.parametrize("source", [b"1069002", b"", b"JIA", b"+106900101", b"10690", b"106900101x"])
def test_a_port_of_nobody_or_somebody_else_is_refused(harness: Harness, source: bytes):
    assert harness.sends(source=source, to=harness.somebody()) == RINVSRCADR


def test_an_advertisement_from_the_port_for_codes_is_an_advertisement(harness: Harness):
    assert harness.sends(source=CODES) in (BANNED, PORT_SCOPE)
    assert harness.sends(source=CODES, tail=tlv(0x1401, b"otp\0")) in (BANNED, PORT_SCOPE)


@pytest.mark.parametrize(
    "text",
    [
        "【甲店】双11优|惠|券满100减20 拒收请回复R",
        "【甲店】双11优\u200b惠\u200b券满100减20 拒收请回复R",
        "【甲店】雙11優惠券滿100減20 拒收請回覆R",
        "【甲店】双１１优惠券满１００减２０ 拒收请回复R",
    ],
)
def test_an_advertisement_in_disguise_is_an_advertisement(harness: Harness, text: str):
    assert harness.sends(text, source=CODES) in (BANNED, PORT_SCOPE)
    assert harness.sends(text) == BANNED
