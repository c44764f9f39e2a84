"""The display order of texts on handsets, against an independent implementation."""

from __future__ import annotations

import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.policy.text.bidi import CHARACTERS_MAX, CONTROLS_MAX, LINES_MAX, NESTED_MAX, TURNS, display_orders
from tests.handset import screens, show

RLO, LRO, RLE, LRE, PDF = "\u202e", "\u202d", "\u202b", "\u202a", "\u202c"
RLI, LRI, FSI, PDI, RLM, ALM, LRM = "\u2067", "\u2066", "\u2068", "\u2069", "\u200f", "\u061c", "\u200e"
PIECES = (
    "票", "代开", "ab", "א", "בג", "ئۇيغۇر", "1", "23", "٤٨", " ", "-", "+", ",", ".", "%", "!", "(", ")", "[", "]", "【", "】", "「", "」", "<", "\n", "\t", "\u0301",
    RLO, LRO, RLE, LRE, PDF, RLI, LRI, FSI, PDI, RLM, ALM, LRM,
)  # fmt: skip
CONTROLS = f"{RLO}{LRO}{RLE}{LRE}{PDF}{RLI}{LRI}{FSI}{PDI}{RLM}{ALM}{LRM}"


@given(st.lists(st.sampled_from(PIECES), max_size=18).map("".join))
def test_a_text_is_read_as_the_witness_draws_it(text: str) -> None:
    found = display_orders(text)
    written = _trimmed(text.translate(dict.fromkeys(map(ord, CONTROLS))))
    seen = set(map(_trimmed, screens(text))) - {written}
    if found is None:
        assert not seen
    elif found.texts:
        assert set(map(_trimmed, found.texts)) - {written} == seen


def _trimmed(text: str) -> str:
    """Without blanks at the ends of lines, which nobody sees."""
    return "\n".join(line.strip(" ") for line in text.split("\n"))


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        (f"{RLO}票发开代", "代开发票"),
        (f"您好{RLO}票发开代{PDF}请联系", "您好代开发票请联系"),
        ("".join(RLM + one for one in "票发开代"), "代开发票"),
        ("".join(ALM + one for one in "票发开代"), "代开发票"),
        (f"甲{RLE}票{RLM}发{RLM}开{RLM}代{PDF}", "甲代开发票"),
        (f"甲{RLI}票{RLM}发{RLM}开{RLM}代{PDI}", "甲代开发票"),
        (f"{RLI}代{PDI}{RLM}", None),
        (f"{RLM}{LRI}票{PDI}{LRI}发{PDI}{LRI}开{PDI}{LRI}代{PDI}", "代开发票"),
        (f"{RLO}【店甲】", "【甲店】"),
        (f"{RLO}8000013800831", "1380083100008"),
        ("א票׀发׀开׀代", "代׀开׀发׀票א"),
    ],
)
def test_what_a_handset_turns_round_is_read_as_it_is_seen(text: str, seen: str | None) -> None:
    found = display_orders(text)
    assert (found.texts[0] if found is not None else None) == seen


@pytest.mark.parametrize(
    "text",
    [
        f"您的取件电话{LRO}13800138000{PDF}，请联系快递员",
        f"电话{LRE}+86 138 0013 8000{PDF}。",
        f"{FSI}张三{PDI}您好，{FSI}482913{PDI}是您的验证码",
        f"【甲店】验证码{LRM}482913{LRM}",
        f"你好{PDF}{PDF}{PDI}",
        f"甲{RLM}店",
        f"{LRO}【甲店】验证码482913{PDF}",
        "ئۇيغۇر تىلى",
        "【甲店】您的验证码是482913",
    ],
)
def test_controls_that_change_no_order_leave_the_text_as_it_is_written(text: str) -> None:
    assert display_orders(text) is None


def test_what_no_two_handsets_show_alike_is_not_resolved() -> None:
    deep, many = RLO * (NESTED_MAX + 1) + "票发", (RLM + "票") * (CONTROLS_MAX + 1)
    long, lines = "א" + "票1" * (CHARACTERS_MAX // 2), "א1票\n" * (LINES_MAX + 1)
    over_a_line = RLO + "您好今天在我们店里购买任何一件商品都打五折而且还送礼品"
    marked = "".join(RLM + one for one in "您好今天在我们店里购买任何一件商品都打五折而且还送礼品")
    within = f"{RLO}开代\u2028票发"  # 代开 above 发票 where it begins a line
    tabbed = f"٤{RLM}{LRO}票\t发\t开\t代"
    for text in (deep, many, long, lines, over_a_line, marked, within, tabbed):
        found = display_orders(text)
        assert found is not None
        assert not found.resolved, text[:20]


def test_a_line_break_ends_what_a_control_does() -> None:
    found = display_orders(f"{RLO}票发\n开代\r\n{RLM}票{RLM}发")
    assert found is not None
    assert found.texts == ("发票\n开代\r\n发票", "发票\n开代\r\n票发")


def test_uyghur_is_read_in_the_order_of_its_letters() -> None:
    text = "【新疆移动】ياخشىمۇسىز، تەستىق كودىڭىز 482913، 5 مىنۇت ئىچىدە كۈچكە ئىگە. 客服10086"
    found = display_orders(text)
    assert found is not None
    assert (found.controlled, found.resolved) == (False, True)
    assert all("تەستىق كودىڭىز" in one and "【新疆移动】" in one and "客服10086" in one for one in found.texts)


def test_controls_that_change_nothing_in_uyghur_are_none() -> None:
    plain = "ئەۋەتكەن پوسىلكىڭىز كەلدى، 联系电话13800138000。"
    assert display_orders(plain.replace("13800138000", f"{LRO}13800138000{PDF}")) == display_orders(plain)
    assert display_orders(RLM + plain) == display_orders(plain)
    turned = display_orders(plain.replace("联系", f"{RLO}联系{PDF}"))
    assert turned is not None
    assert turned.controlled


def test_every_character_that_can_turn_a_text_is_asked_about() -> None:
    turning = {"R", "AL", "AN", "RLE", "RLO", "RLI", "LRE", "LRO", "LRI", "FSI", "PDF", "PDI"}
    missed = [
        hex(code) for code in range(0x110000) if unicodedata.bidirectional(chr(code)) in turning and not TURNS.match(chr(code))
    ]
    assert missed == []


def test_halves_of_surrogate_pairs_are_drawn_like_others() -> None:
    found = display_orders(f"{RLO}票\ud800发")
    assert found is not None
    assert found.texts == ("发?票",)


@pytest.mark.parametrize("piece", ["א(", "א1", "א(x)\n", RLM + "票[", RLI + "א" + PDI + "[", RLO + "(" + PDF])
def test_no_text_takes_long_to_draw(piece: str) -> None:
    text = (piece * CHARACTERS_MAX)[:CHARACTERS_MAX]
    best = min(_taken(text) for _ in range(5))
    assert best < 0.01, "1 ms on an idle machine; this one is shared"


def _taken(text: str) -> float:
    begun = time.perf_counter()
    display_orders(text)
    return time.perf_counter() - begun


@pytest.mark.parametrize(
    ("line", "base", "shown"),
    [  # from the examples of UAX #9 and of BidiCharacterTest.txt, with Hebrew letters for capitals
        ("car means אבג.", 0, "car means גבא."),
        ("אב (cd) הו", 1, "וה (cd) בא"),
        ("a(א)b", 0, "a(א)b"),
        ("א(b)ג", 1, "ג(b)א"),
        ("אב 12-34", 1, "12-34 בא"),
        ("٤٨ - ٢٩", 0, "٢٩ - ٤٨"),
        ("ab אב 123 גד", 0, "ab דג 123 בא"),
        (f"a{RLE}b{LRE}c{PDF}d{PDF}", 0, "abcd"),
        (f"{RLO}a{LRO}bc{PDF}d", 0, "dbca"),
    ],
)
def test_the_witness_draws_as_the_standard_says(line: str, base: int, shown: str) -> None:
    assert show(line, base) == shown
