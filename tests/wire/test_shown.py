"""A submit is judged by the text that handsets show.

The octets pass unchanged.
"""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.model.message import Content
from proxy.wire import ContentCache, Frame, joined, read_submit, submit_sm
from proxy.wire.charset import KINDS, decode, displayed_text

AD = "【甲店】双11优惠券满100减20 拒收请回复R"
BANNED = "代开发票"
EIGHT_BIT = [0x02, 0x04, 0x14, 0x17, 0x54, 0xF4, 0xF7]


def content(message: bytes, coding: int, udhi: int = 0) -> Content:
    pdu = submit_sm("10690001", "13800250500", message, data_coding=coding, esm_class=udhi)
    return read_submit(Frame.of(pdu), ContentCache(), 1000.0).content


@pytest.mark.parametrize("text", [AD, BANNED, "Your code is 482913", "【甲店】您好\n您的快件已到，取件码3-2-1408"])
@pytest.mark.parametrize("coding", EIGHT_BIT)
@pytest.mark.parametrize("alphabet", ["gbk", "utf-16-be", "utf-8"])
def test_binary_that_reads_as_a_text_is_that_text(text: str, coding: int, alphabet: str) -> None:
    octets = text.encode(alphabet)
    for sent in (octets, octets + b"\0\0", octets + b"\xe4"):
        assert (content(sent, coding).text, content(sent, coding).state) == (text, "readable")


def test_ucs_2_with_a_stray_last_octet_is_read_without_it() -> None:
    for coding in (code for code in range(256) if KINDS[code] == "ucs-2"):
        assert displayed_text(AD.encode("utf-16-be") + b"\x41", coding) == (AD, "readable")
    assert displayed_text(b"\x90", 8) == ("", "unreadable")


def test_gb_18030_under_15_is_read_as_handsets_in_china_read_it() -> None:
    for text in (AD, BANNED, "優惠券滿減", "code 482913", "㐂𠀀"):
        assert content(text.encode("gb18030"), 15).text == text
    assert content(BANNED.encode("gbk") + b"\xb4", 15).text == BANNED
    assert content(b"\xff\xff\xff", 15).state == "unreadable"


@pytest.mark.parametrize("alphabet", ["gbk", "utf-8"])
@pytest.mark.parametrize("coding", [0, 1, 3, 0x10, 0xC0, 0xF0])
def test_chinese_under_an_alphabet_of_latin_letters_is_chinese(alphabet: str, coding: int) -> None:
    assert displayed_text(AD.encode(alphabet), coding) == (AD, "readable")


@pytest.mark.parametrize(
    "text",
    [
        "Où êtes-vous? Ça va très bien, à bientôt",
        "¿Él? ¡Ñandú!",
        "Grüße, äöü ÄÖÜ ß",
        "Ørsted på Åland",
        "£5 ±2°C ½",
        "né",
        "Noël",
    ],
)
def test_a_text_in_latin_1_stays_one(text: str) -> None:
    assert displayed_text(text.encode("latin-1"), 3) == (text, "readable")


@given(st.binary(max_size=60), st.sampled_from([0, 1, 8, 0x10, 0xF0]))
def test_what_can_be_read_as_it_is_declared_is_read_so(octets: bytes, coding: int) -> None:
    declared = decode(octets, coding)
    if declared[1] == "readable":
        assert displayed_text(octets, coding) == declared


@pytest.mark.parametrize("coding", range(256))
def test_every_coding_has_an_answer_and_none_raises(coding: int) -> None:
    dice = random.Random(coding)
    for octets in (b"", b"\0", b"\0\0\0\0", *(dice.randbytes(dice.randrange(60)) for _ in range(40))):
        text, state = displayed_text(octets, coding)
        assert (text == "") or state == "readable"
        text.encode()


def test_data_that_are_no_text_stay_binary() -> None:
    dice = random.Random(106)
    assert not any(displayed_text(dice.randbytes(60), 4)[1] == "readable" for _ in range(2_000))
    assert displayed_text(bytes(range(32)), 4) == ("", "binary")
    assert displayed_text(b"\1\6\1\xaehttp://s.example/a\0", 4) == ("", "binary")


def test_octets_that_are_two_texts_are_judged_by_both() -> None:
    octets = "你好".encode("utf-16-be")
    assert octets == b"O`Y}"
    assert set(content(octets, 4).text.split("\n")) == {"你好", "O`Y}"}
    assert content(octets, 0).text == "O¿Yñ"
    assert content(b"Your code is 482913.", 4).text == "Your code is 482913."


@pytest.mark.parametrize("coding", [0x05, 0x0A, 0x0D, 0x0E, 0x20, 0x28, 0x80, 0xBF, 0xFF])
def test_what_no_two_handsets_agree_on_is_not_guessed(coding: int) -> None:
    assert displayed_text(AD.encode("gbk"), coding)[0] == ""


def test_octets_behind_an_exchanged_mark_are_not_read() -> None:
    for octets in ((b"\xff\xfe" + BANNED.encode("utf-16-le")), ("您好\ufffe" + BANNED).encode("utf-16-be")):
        assert content(octets, 8).state == "unreadable"
    assert content(("\ufeff" + BANNED).encode("utf-16-be"), 8).text == "\ufeff" + BANNED


@pytest.mark.parametrize("coding", [4, 15])
@pytest.mark.parametrize("cut", range(1, 12))
def test_a_text_cut_within_a_character_is_whole_again(coding: int, cut: int) -> None:
    octets = AD.encode("gbk")
    pieces = ((1, octets[:cut]), (2, octets[cut:]))
    parts = [content(bytes((5, 0, 3, 7, 2, place)) + piece, coding, 0x40) for place, piece in pieces]
    assert (joined(parts).text, joined(parts).state) == (AD, "readable")


def test_a_header_that_cannot_be_read_hides_what_follows() -> None:
    for header in (b"\xff", b"\5\0\3", b"\1\0", b"\3\0\3\1"):
        assert content(header + b"hi", 0, 0x40).state == "unreadable"
