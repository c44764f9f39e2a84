"""The witness sees what people see: joined, decoded and drawn as on a handset."""

from __future__ import annotations

import pytest

from proxy.wire import submit_sm
from tests.handset import show
from tests.simulation.handsets import Handset, shows
from tests.simulation.strict import fault_of_answer, fault_of_submit

WORD = ("代开发票",)


@pytest.mark.parametrize(
    ("written", "base", "shown"),
    [
        ("abc 代开", None, "abc 代开"),
        ("\u202e票发开代", None, "代开发票"),
        ("\u202e票发开代\u202c通知", 0, "代开发票通知"),
        ("\u200f票\u200f发", None, "发票"),
        ("\u200f票\u200f发", 0, "票发"),
        ("验证码\u202d13800138000\u202c", None, "验证码13800138000"),
        ("אבג 12-3 דה", None, "הד 12-3 גבא"),
        ("代 אב 开", 0, "代 בא 开"),
        ("代\u2067אב 开\u2069发", 0, "代开 בא发"),
        ("a\u2068אב\u2069 b", None, "aבא b"),
        ("ا1 ٢", 1, "٢ 1ا"),
    ],
)
def test_a_paragraph_is_drawn_by_the_annex(written: str, base: int | None, shown: str) -> None:
    unseen = dict.fromkeys(map(ord, "\u200e\u200f\u2066\u2067\u2068\u2069\u061c"))
    assert show(written, base).translate(unseen) == shown


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("要代开发票吗", True), ("代....开....发....票", True), ("代\u200b开\u2060发票", True), ("\u202e票发开代", True),
        ("现代，开发票务", False), ("代 开发 票", False), ("票发开代", False),
    ],
)  # fmt: skip
def test_a_word_is_seen_where_people_read_it(text: str, seen: bool) -> None:
    assert bool(shows({text}, WORD)) == seen


def part(index: int, text: str, header: bytes = b"\5\0\3\7\2") -> bytes:
    octets = header + bytes((index,)) + text.encode("utf-16-be")
    return submit_sm("1069", "13800138000", octets, data_coding=8, esm_class=0x40)


def sar(index: int, text: str, reference: int) -> bytes:
    tlvs = [(0x020C, reference.to_bytes(2, "big")), (0x020E, b"\2"), (0x020F, bytes((index,)))]
    return submit_sm("1069", "13800138000", text.encode("utf-16-be"), data_coding=8, tlvs=tlvs)


def test_parts_are_joined_whatever_carries_their_reference() -> None:
    handset = Handset("keeps")
    assert handset.takes(part(2, "发票", b"\6\x08\4\1\7\2"), 0) is None
    assert handset.takes(sar(1, "代开", 0x307), 80_000) == {"代开发票"}
    assert handset.takes(part(2, "发票"), 80_001) is None, "the next begins"


@pytest.mark.parametrize(
    ("kind", "shown"), [("keeps", {"代开发票"}), ("replaces", {"您好发票"}), ("begins anew", {"您好发票"})]
)
def test_a_part_that_comes_again_is_taken_as_the_kind_of_handset_does(kind: str, shown: set[str]) -> None:
    handset = Handset(kind)
    assert handset.takes(part(1, "代开"), 0) is None
    assert handset.takes(part(1, "您好"), 1) is None
    assert handset.takes(part(2, "发票"), 2) == shown


def test_parts_of_another_day_are_no_message() -> None:
    handset = Handset("keeps")
    assert handset.takes(part(1, "代开"), 0) is None
    assert handset.takes(part(2, "发票"), 86_400) is None


@pytest.mark.parametrize(
    ("octets", "coding"),
    [("代开发票".encode("utf-16-be") + b"\0", 8), ("代开发票".encode("gb18030"), 15), ("代开发票".encode("gb18030"), 4),
     ("代开发票".encode("utf-16-be"), 4), ("代开发票".encode(), 0)],
)  # fmt: skip
def test_octets_are_read_as_handsets_guess(octets: bytes, coding: int) -> None:
    texts = Handset("keeps").takes(submit_sm("1069", "13800138000", octets, data_coding=coding), 0)
    assert texts is not None
    assert shows(texts, WORD)


def test_what_strict_peers_do_not_take_is_named() -> None:
    head = b"\x80\0\0\4" + bytes(4) + b"\0\0\0\1"
    answers = {
        b"c1\0": "",
        b"": "does not end",
        b"c" * 65 + b"\0": "65 octets",
        b"c\0\0": "cut",
        b"c\0" + b"\4\x25\0\0" * 2: "twice",
    }
    for body, fault in answers.items():
        found = fault_of_answer((16 + len(body)).to_bytes(4, "big") + head + body)
        assert fault in found
        assert bool(fault) == bool(found)
    assert fault_of_submit(submit_sm("1069", "138", b"a")) == ""
    assert "priority 4" in fault_of_submit(submit_sm("1069", "138", b"a", priority=4))
    assert "header" in fault_of_submit(submit_sm("1069", "138", b"\x20ab", esm_class=0x40))
    assert "part 3 of 2" in fault_of_submit(submit_sm("1069", "138", b"a", tlvs=[(0x020E, b"\2"), (0x020F, b"\3")]))
