"""Parts of a long message are joined into its text."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.model.message import Content, Part
from proxy.policy.text.folding import signature
from proxy.wire import ContentCache, Frame, encode, joined, read_submit, submit_sm
from proxy.wire.charset import GSM_BASIC, GSM_EXTENSION
from proxy.wire.joined_text import GAP

AD = "【测试】双11优惠券满300减40🎁点击领取 拒收请回复R"


def content(message: bytes, coding: int, udhi: int, tlvs: Sequence[tuple[int, bytes]] = (), schedule: str = "") -> Content:
    pdu = submit_sm("10690001", "13800250500", message, data_coding=coding, esm_class=udhi, tlvs=tlvs, schedule=schedule)
    return read_submit(Frame.of(pdu), ContentCache(), 1000.0).content


def udh_8(reference: int, total: int, index: int) -> bytes:
    return bytes((5, 0, 3, reference & 255, total, index))


def udh_16(reference: int, total: int, index: int) -> bytes:
    return bytes((6, 8, 4, reference >> 8, reference & 255, total, index))


def part_of(how: str, octets: bytes, coding: int, reference: int, total: int, index: int) -> Content:
    """One part as clients make it: 8-bit or 16-bit reference in a header, sar parameters, a header in front of a payload."""
    if how == "sar":
        return content(
            octets, coding, 0, [(0x020C, reference.to_bytes(2, "big")), (0x020E, bytes((total,))), (0x020F, bytes((index,)))]
        )
    header = (udh_16 if how == "udh-16" else udh_8)(reference, total, index)
    if how == "payload":
        return content(b"", coding, 0x40, [(0x0424, header + octets)])
    return content(header + octets, coding, 0x40)


WAYS = ("udh-8", "udh-16", "sar", "payload")


@given(
    text=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x1b"), min_size=2, max_size=60),
    cuts=st.lists(st.integers(1, 200), min_size=1, max_size=6),
    how=st.sampled_from(WAYS),
)
def test_a_text_cut_anywhere_even_within_a_character_is_the_text_again(text: str, cuts: list[int], how: str):
    octets, coding = encode(text)
    places = sorted({0, len(octets), *(cut % len(octets) for cut in cuts)})
    pieces = [octets[a:b] for a, b in pairwise(places)]
    if len(pieces) < 2:
        pieces.append(b"")
    parts = [part_of(how, piece, coding, 7, len(pieces), index) for index, piece in enumerate(pieces, 1)]
    whole = joined(parts)
    assert (whole.text, whole.state, whole.complete) == (text, "readable", True)
    assert [part.part for part in parts] == [Part(7, len(pieces), index) for index in range(1, len(pieces) + 1)]


@pytest.mark.parametrize("how", WAYS)
def test_an_escape_at_the_end_of_a_part_belongs_to_the_next(how: str):
    parts = [part_of(how, b"10\x1b", 0, 7, 2, 1), part_of(how, b"\x65!", 0, 7, 2, 2)]
    assert joined(parts).text == "10€!"
    assert [part.text for part in parts] == ["10", "e!"]


def test_half_a_surrogate_pair_and_half_a_unit_find_their_other_halves():
    octets = "好🎁好".encode("utf-16-be")
    for cut in range(1, len(octets)):
        whole = joined([part_of("udh-8", octets[:cut], 8, 7, 2, 1), part_of("udh-8", octets[cut:], 8, 7, 2, 2)])
        assert (whole.text, whole.state) == ("好🎁好", "readable"), cut


def test_across_a_missing_part_nothing_is_joined():
    parts = [part_of("udh-8", b"10\x1b", 0, 7, 3, 1), None, part_of("udh-8", b"\x65!", 0, 7, 3, 3)]
    whole = joined(parts)
    assert (whole.text, whole.state, whole.complete) == ("10" + GAP + "e!", "readable", False)
    whole = joined([None, part_of("udh-8", b"", 0, 7, 3, 2), None])
    assert (whole.text, whole.state) == ("", "empty")


@pytest.mark.parametrize(
    ("pieces", "found"),
    [
        (["【甲", None, "店】券"], ""),  # 甲×店, who knows
        (["【甲", None, "乙店】"], ""),
        ([None, "【限时】抢购"], ""),  # quoted in the middle of something
        (["券已到账【限时】", None], ""),
        (["【甲店】双11", None], "甲店"),
        (["【甲店】双11", None, "【限时】"], "甲店"),
        ([None, "抢购【甲店】"], "甲店"),
        (["【甲", "店】双11", None], "甲店"),
    ],
)
def test_no_signature_is_made_of_two_ends_between_which_a_part_is_missing(pieces: list[str | None], found: str):
    parts = [
        None if piece is None else part_of("udh-8", piece.encode("utf-16-be"), 8, 7, len(pieces), place)
        for place, piece in enumerate(pieces, 1)
    ]
    assert signature(joined(parts).text).name == found


def test_a_word_split_over_parts_is_one_word_again():
    octets = AD.encode("utf-16-be")
    whole = joined([part_of("sar", octets[:9], 8, 300, 2, 1), part_of("sar", octets[9:], 8, 300, 2, 2)])
    assert whole.text == AD


@pytest.mark.parametrize("cut", ["within", "behind"])
def test_a_cut_character_that_turns_others_is_dropped_where_parts_are_decoded_one_by_one(cut: str):
    before, after = "快\u202e合六\u202c".encode("gb18030"), "\u202e彩\u202c".encode("gb18030")
    at = len(before) + (2 if cut == "within" else 0)
    octets = before + after
    whole = joined([part_of("udh-8", octets[:at], 15, 7, 2, 1), part_of("udh-8", octets[at:], 15, 7, 2, 2)])
    shown = "快\u202e合六\u202c\u202e彩\u202c"
    assert whole.text.splitlines() == [shown, "快\u202e合六\u202c1彩\u202c" if cut == "within" else shown]


def test_parts_in_different_alphabets_are_read_each_in_its_own():
    parts = [
        part_of("udh-8", "【测试】".encode("utf-16-be"), 8, 7, 3, 1),
        part_of("udh-8", b"abc\x1b", 0, 7, 3, 2),
        part_of("udh-8", "好".encode("utf-16-be"), 8, 7, 3, 3),
    ]
    assert joined(parts).text == "【测试】abc好"


@pytest.mark.parametrize(
    ("second", "state"),
    [
        (content(udh_8(7, 2, 2) + b"\0\1\2\3", 4, 0x40), "binary"),
        (content(udh_8(7, 2, 2) + b"x", 0x20, 0x40), "compressed"),
        (content(udh_8(7, 2, 2) + b"x", 5, 0x40), "unreadable"),
        (content(bytes((12, 0, 3, 7, 2, 2, 5, 4, 0x0B, 0x84, 0, 0, 0)) + b"x", 0, 0x40), "unreadable"),
        (content(bytes((11, 0, 3, 7, 2, 2, 5, 4, 0x0B, 0x84, 0, 0)) + b"x", 0, 0x40), "wap-push"),
        (content(bytes((8, 0, 3, 7, 2, 2, 0x24, 1, 3)) + b"x", 0, 0x40), "unreadable"),
        (content(udh_8(7, 2, 2) + b"\xff\xff", 0, 0x40), "unreadable"),
    ],
)
def test_a_part_that_nobody_can_read_makes_the_whole_as_unreadable(second: Content, state: str):
    whole = joined([part_of("udh-8", b"hello", 0, 7, 2, 1), second])
    assert (whole.text, whole.state) == ("", state)


def test_parts_that_are_all_empty_make_an_empty_message():
    whole = joined([part_of("udh-8", b"", 8, 7, 2, 1), part_of("udh-8", b"", 8, 7, 2, 2)])
    assert (whole.text, whole.state, whole.complete) == ("", "empty", True)


def test_the_same_parts_make_the_same_message_and_others_another():
    def made(*parts: Content | None) -> bytes:
        return joined(parts).digest

    one, two = part_of("udh-8", b"a", 0, 7, 2, 1), part_of("udh-8", b"b", 0, 7, 2, 2)
    assert made(one, two) == made(part_of("udh-8", b"a", 0, 7, 2, 1), part_of("udh-8", b"b", 0, 7, 2, 2))
    others = [
        made(one, part_of("udh-8", b"c", 0, 7, 2, 2)),
        made(one, part_of("udh-8", b"b", 0, 8, 2, 2)),
        made(one, None),
        made(None, one),
        made(one),
        one.digest,
    ]
    assert len({made(one, two), *others}) == 7


def test_it_is_delivered_when_the_latest_of_its_parts_is():
    one = content(udh_8(7, 2, 1) + b"a", 0, 0x40, schedule="000000010000000R")
    two = content(udh_8(7, 2, 2) + b"b", 0, 0x40, schedule="000000020000000R")
    assert joined([one, two]).scheduled == 1000.0 + 7200
    assert joined([one, part_of("udh-8", b"b", 0, 7, 2, 2)]).scheduled == 1000.0 + 3600


def test_parameters_are_those_of_all_parts_in_order():
    one = content(udh_8(7, 2, 1) + b"a", 0, 0x40, [(0x1400, b"otp"), (0x1401, b"x")])
    two = content(udh_8(7, 2, 2) + b"b", 0, 0x40, [(0x1400, b"marketing"), (0x1401, b"x")])
    assert joined([one, two]).extra == ((0x1400, b"otp"), (0x1401, b"x"), (0x1400, b"marketing"))


NONSENSE = {
    "an index beyond the total": udh_8(7, 2, 3),
    "an index of nought": udh_8(7, 2, 0),
    "a total of nought": udh_8(7, 0, 0),
    "one of one": udh_8(7, 1, 1),
    "16 bit, an index beyond the total": udh_16(700, 2, 3),
    "a reference too short": bytes((4, 0, 2, 7, 2)),
    "a reference too long": bytes((6, 0, 4, 7, 2, 1, 0)),
    "8 octets of it": bytes((7, 8, 5, 7, 2, 1, 0, 0)),
}


@pytest.mark.parametrize("header", NONSENSE.values(), ids=NONSENSE)
def test_a_nonsensical_header_makes_an_ordinary_message(header: bytes):
    one = content(header + "【测试】好".encode("utf-16-be"), 8, 0x40)
    assert (one.part, one.octets, one.text, one.complete) == (None, None, "【测试】好", True)


def test_a_payload_of_any_length_is_one_message_and_read_whole():
    text = "【测试】" + "双11券" * 200 + " 代开发票"
    one = content(b"", 8, 0, [(0x0424, text.encode("utf-16-be"))])
    assert (one.text, one.part) == (text, None)


def test_no_octets_whatever_make_it_raise():
    dice = random.Random(106)
    for _ in range(2000):
        total = dice.randint(2, 5)
        parts = [
            part_of(dice.choice(WAYS), dice.randbytes(dice.randint(0, 60)), dice.randrange(256), 7, total, index)
            if dice.random() < 0.8
            else None
            for index in range(1, total + 1)
        ]
        if any(parts):
            whole = joined(parts)
            whole.text.encode()
            assert (whole.text == "") or whole.state == "readable"
    with pytest.raises(ValueError, match="without any part"):
        joined([None, None])


def test_gsm_7_with_every_character_of_both_tables():
    text = "".join(char for char in GSM_BASIC if char != "\x1b") + "".join(GSM_EXTENSION.values())
    octets, coding = encode(text)
    for cut in range(1, len(octets), 7):
        assert (
            joined([part_of("sar", octets[:cut], coding, 1, 2, 1), part_of("sar", octets[cut:], coding, 1, 2, 2)]).text == text
        )
