"""User data is decoded by alphabet, header and times."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
import smpplib.gsm

from proxy.model.message import Part
from proxy.wire import encode
from proxy.wire.charset import GSM_BASIC, GSM_EXTENSION, KINDS, decode, decode_gsm
from proxy.wire.content import text_of
from proxy.wire.fields import SmppTime, read_time
from proxy.wire.udh import UserDataHeader, read_udh

UCS_2_CODINGS = [8, 0x18, 0x19, 0x1B, 0x48, 0xE0, 0xEF]
GSM_CODINGS = [0, 0x10, 0x13, 0x40, 0x50, 0xC0, 0xC8, 0xDF, 0xF0, 0xF3]


def test_the_default_alphabet_is_the_one_smpplib_has():
    theirs = list(smpplib.gsm.GSM_CHARACTER_TABLE[:128])
    theirs[0x5F] = "§"  # where smpplib 2.2.4 has ` by mistake (GSM 03.38 §6.2.1)
    assert list(GSM_BASIC) == theirs
    for code, char in GSM_EXTENSION.items():
        if char != "\f":  # which smpplib leaves out
            assert smpplib.gsm.gsm_encode(char) == bytes((0x1B, code))


@pytest.mark.parametrize("coding", GSM_CODINGS)
def test_the_default_alphabet_in_each_group_that_means_it(coding: int):
    assert decode(b"\0\x02 \x1b\x65 \x1b\x28x\x1b\x29 @", coding) == ("@$ € {x} ¡", "readable")


@pytest.mark.parametrize("coding", UCS_2_CODINGS)
def test_chinese_in_each_group_that_means_ucs_2(coding: int):
    assert decode("退订🎁".encode("utf-16-be"), coding) == ("退订🎁", "readable")


@pytest.mark.parametrize(
    ("coding", "state"),
    [
        (2, "binary"),
        (4, "binary"),
        (20, "binary"),
        (244, "binary"),
        (84, "binary"),
        (32, "compressed"),
        (63, "compressed"),
        (96, "compressed"),
        (127, "compressed"),
        (5, "unreadable"),
        (9, "unreadable"),
        (10, "unreadable"),
        (13, "unreadable"),
        (14, "unreadable"),
        (15, "unreadable"),
        (28, "unreadable"),
        (128, "unreadable"),
        (191, "unreadable"),
        (248, "unreadable"),
    ],
)
def test_what_cannot_be_read_says_so_and_has_no_text(coding: int, state: str):
    assert decode(b"hello", coding) == ("", state)


@pytest.mark.parametrize("coding", range(256))
def test_every_coding_has_a_meaning_and_none_raises(coding: int):
    assert KINDS[coding]
    for octets in (b"", b"\x1b", b"\xff", bytes(range(256)), b"\xd8\x00" * 3, b"odd"):
        text, state = decode(octets, coding)
        assert state in ("readable", "unreadable", "binary", "compressed", "empty")
        assert (text == "") or state == "readable"
        text.encode()  # never half a surrogate pair: what hashes a text must not fail on it


@pytest.mark.parametrize(
    ("octets", "text"),
    [
        (b"a\x1b", "a"),
        (b"\x1b\x1ba", " a"),
        (b"\x1ba", "a"),
        (b"\x1b\x00", "@"),
        (b"\x1b\x0a", "\f"),
        (b"\x80", None),
        (b"", ""),
    ],
)
def test_escapes_show_as_handsets_show_them(octets: bytes, text: str | None):
    assert decode_gsm(octets) == text


def test_half_a_surrogate_pair_becomes_a_mark_not_an_error():
    octets = "双🎁".encode("utf-16-be")
    assert decode(octets[:-2], 8) == ("双�", "readable")
    assert decode(octets[4:], 8) == ("�", "readable")


def test_an_odd_number_of_octets_is_no_ucs_2():
    assert decode(b"\x90\x00\x8b", 8) == ("", "unreadable")


def test_latin_1_and_ascii_and_their_cousins():
    assert decode("Grüße".encode("latin-1"), 3) == ("Grüße", "readable")
    assert decode(b"plain_@", 1) == ("plain_@", "readable")
    assert decode(b"\xc3\xbc", 1) == ("", "unreadable")
    assert decode("Привет".encode("iso-8859-5"), 6) == ("Привет", "readable")


@pytest.mark.parametrize("text", ["code 1234 [ok] €", "【测试】退订", "Ωmega @ \\ ~", "🎁"])
def test_what_we_encode_we_read(text: str):
    octets, coding = encode(text)
    assert decode(octets, coding) == (text, "readable")


@pytest.mark.parametrize(
    ("octets", "header"),
    [
        (b"\x05\x00\x03\x2a\x02\x01hi", UserDataHeader(6, Part(0x2A, 2, 1), "readable")),
        (b"\x06\x08\x04\x12\x34\x03\x03hi", UserDataHeader(7, Part(0x34, 3, 3), "readable")),
        (b"\x05\x00\x03\x2a\x02\x03hi", UserDataHeader(6, None, "readable")),
        (b"\x05\x00\x03\x2a\x00\x00hi", UserDataHeader(6, None, "readable")),
        (b"\x05\x00\x03\x2a\x01\x01hi", UserDataHeader(6, None, "readable")),
        (b"\x06\x05\x04\x0b\x84\x23\xf0x", UserDataHeader(7, None, "wap-push")),
        (b"\x06\x05\x04\x15\x81\x15\x81x", UserDataHeader(7, None, "binary")),
        (b"\x04\x04\x02\xf0\xf1x", UserDataHeader(5, None, "binary")),
        (b"\x0b\x05\x04\x0b\x84\x23\xf0\x00\x03\x01\x02\x01x", UserDataHeader(12, Part(1, 2, 1), "wap-push")),
        (b"\x0a\x00\x03\x01\x02\x01\x00\x03\x01\x02\x02x", UserDataHeader(11, Part(1, 2, 2), "readable")),
        (
            b"\x0a\x00\x03\x01\x02\x01\x00\x03\x01\x02\x00x",
            UserDataHeader(11, Part(1, 2, 1), "readable"),
        ),  # the second is to be ignored
        (b"\x0b\x00\x03\x01\x02\x01\x08\x04\x00\x01\x01\x01x", UserDataHeader(12, Part(1, 2, 1), "readable")),  # likewise
        (b"\x03\x24\x01\x01t", UserDataHeader(4, None, "unreadable")),
        (b"\x02\x70\x00x", UserDataHeader(3, None, "binary")),
        (b"\x00x", UserDataHeader(1, None, "readable")),
        (b"", UserDataHeader(0, None, "unreadable")),
        (b"\x05\x00\x03\x2a", UserDataHeader(0, None, "unreadable")),
        (b"\x01\x00x", UserDataHeader(0, None, "unreadable")),
        (b"\x03\x00\x03\x01x", UserDataHeader(0, None, "unreadable")),
    ],
)
def test_a_header_says_what_follows_it(octets: bytes, header: UserDataHeader):
    assert read_udh(octets) == header


def test_the_text_begins_behind_the_header_only_where_the_flag_is_set():
    octets = b"\x05\x00\x03\x2a\x02\x01hi"
    assert text_of(octets, 0x40, 0) == ("hi", "readable", Part(0x2A, 2, 1))
    assert text_of(octets, 0x00, 0)[0].endswith("hi")
    assert text_of(octets, 0x00, 0)[2] is None
    assert text_of(b"test222", 0x40, 0) == ("", "unreadable", None)


def test_a_part_whose_text_is_empty_is_still_a_part():
    assert text_of(b"\x05\x00\x03\x2a\x02\x01", 0x43, 0) == ("", "empty", Part(0x2A, 2, 1))


@pytest.mark.parametrize(
    ("spelling", "when"),
    [
        (b"261111083000032+", datetime(2026, 11, 11, 0, 30, tzinfo=UTC).timestamp()),
        (b"261111083000000+", datetime(2026, 11, 11, 8, 30, tzinfo=UTC).timestamp()),
        (b"261111083059932-", datetime(2026, 11, 11, 16, 30, 59, 900_000, tzinfo=UTC).timestamp()),
        (b"000229000000000+", datetime(2000, 2, 29, tzinfo=UTC).timestamp()),
    ],
)
def test_an_absolute_time_is_local_time_and_its_quarters_from_utc(spelling: bytes, when: float):
    assert read_time(spelling) == SmppTime(when, False)


def test_a_relative_time_is_an_interval():
    assert read_time(b"000002610233000R") == SmppTime(2 * 86_400 + 61 * 3600 + 2 * 60 + 33, True)


@pytest.mark.parametrize(
    "spelling", [b"", b"261111083000032", b"261111083000032*", b"26111108300003 +", b"260230000000000+", b"261111083000049+", b"261111240000000+", b"26111108300003\xb2+", b"261111083000032++"]
)  # fmt: skip
def test_what_is_no_time_is_refused(spelling: bytes):
    with pytest.raises(ValueError, match=r"."):
        read_time(spelling)
