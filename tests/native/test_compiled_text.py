"""Texts are read alike by the trie and by the automata, plain octets as all octets are, parts joined as specified."""

from __future__ import annotations

import re
from hashlib import blake2b
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.model.message import Content, Part
from proxy.native.text_units import masked, plain_utf16, without_numbers
from proxy.policy.loading.load_rules import load
from proxy.policy.text.text_analysis import TextAnalysis
from proxy.policy.text_reader import Reader
from proxy.runtime.shipped_files import shipped
from proxy.wire import joined, joined_text
from proxy.wire.content import content_of, octets_after_header, plain_content, read_tail
from tests.needs import needs

PIECES = (
    "【甲店】", "【青禾商城】", "【", "】", "︻", "您的验证码是", "双11", "优惠券", "優惠券", "贷款", "贷|款", "贷 款", "减/肥", "免费", "会员", "APP", "app",
    "张三", "欧阳娜娜", "先生", "女士", "您好", "尊敬的", "亲爱的", "验证码", "号码", "码：",
    "138-0013-8000", "138 0013 8000", "+86", "0086 ", "(010)", "010 6655 4433", "4006-000-106", "400 600 0107", "800-8100-818",
    "http://淘宝.com/x", "http://www.淘宝.中国", "http://t.cn立即", "t.cn-", "...", "50...t.cn", "xn--fiq228c.xn--fiqs8s", "xn--", "\u3164", "・", "\u2800",
    "123456", "0", "1", "１３８", "13800138000", "0571-88886666", "4006000106", "400-600-0106", "95588", "9561", "86-10", "12-34-5",
    "s.example/abc", "qinghe.example", "a.qinghe.example", "https://a.b-c.example/x", "http://192.0.2.1/", "http://[::1]:80/", "://",
    "a..b.example", "x@y.example", "k.cn-", "k.cn@", "z.abcdefghijklmnopqr", "z.abcdefghijklmnopqrs", ".", ":", "-",
    "退订", "退阅", "回T退订", "回复TD退订", "拒收请回复R", "取消订阅", "取消", "屏蔽", "回", "编辑", "发送", "reply STOP to opt out", " unsub", "to ", "囘T", "T退", "退T", "TD", "不想接收", "如不需要请回T", "确认请回1", "取消请回2",
    "退订请点", "请回复", "编辑TD发送至10086退订", "拒收请致电", "#", "@5", "“", "回复QX可取消接收", "预约",
    "优....惠....券", "免、费", "满、3、0、0", "代x开", "a.p.p", "优★", "惠★", "券★", "免 费 送", "一三九零零一三八零零零", "139.0013.8000", "4.0.0.6.0.0.0.1.0.6", "四零零", "六零零零一零六",
    "九五五八八", "9 5 5 8 8", "I3", "OO", "❶", "٣", "2026-11-13 14:00", "10,284.17元", "QQ100004030", "扣扣", "（q）", "100004030", "。example", "qinghe。", "q i n g h e", " . e x a m p l e", "qinghe点example",
    "点", "小点", "dot", "句号", "%71inghe.example", "&#46;", "a-b-c-d", "://", "1920026",
    " ", "  ", "\n", "\u3000", "|", "·", "||||", "，", "。", "！", "的", "丨", "\u200b", "①", "𝐀", "\ud800", "а", "ﬁ", "ß", "İ", "Ａ",
    "\u202e", "\u202d", "\u202c", "\u200f", "\u061c", "\u2067", "\u2069", "א", "ئۇيغۇر", "٤٨", "\ufffd", "】店甲【", "票发开代",
)  # fmt: skip
TEXTS = st.one_of(
    st.lists(st.sampled_from(PIECES), max_size=14).map("".join),
    st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=2)), max_size=14).map("".join),
    st.tuples(st.sampled_from(PIECES), st.integers(1_000, 2_100)).map(lambda pair: (pair[0] * pair[1])[: pair[1]]),
)
ALPHABET = "ab01贷款退·|"
WORDS = sorted({one + two + three for one in ALPHABET[:7] for two in ("", *ALPHABET[:7]) for three in ("", "款", "0", "a")})

ASKED = """\
rules:
  - {id: digits, when: {text: {patterns: ["[0-9]{3}元"]}}, then: reject, reason: keyword}
  - {id: links, when: {url: [qinghe.example, 192.0.2.1]}, then: reject, reason: link-unregistered}
  - {id: numbers, when: {contact: [4006000106, "95588", "100004030", "13900138000"]}, then: reject, reason: keyword}
  - {id: calls, when: {contact: present}, then: reject, reason: keyword}
  - {id: words, when: {text: [免费, 满300, 优惠券, 免费送, a10p]}, then: reject, reason: keyword}
  - {id: end, when: {notice: end}, then: reject, reason: notice-missing}
  - {id: several, when: {signature: several}, then: reject, reason: signature-missing}
  - {id: theirs, when: {url: {outside: registered}}, then: reject, reason: link-unregistered}
  - {id: called, when: {contact: {outside: registered}}, then: review, reason: link-unregistered}
  - {id: others, when: {url: {outside: [b-c.example]}}, then: reject, reason: link-unregistered}
"""
REGISTERED = {
    "signatures": "甲店,甲店有限公司,,,,approved,,\n青禾商城,青禾有限公司,,,,approved,,\n",
    "advertisers": "甲店有限公司,,,s.example,0571-88886666\n青禾有限公司,,,qinghe.example,\n",
    "contacts": "95588,,\nz.abcdefghijklmnopqr,,jia\n4006000106,,jia\n192.0.2.1,甲店有限公司,yi\n",
    "reviewed": "【甲店】免费4006000106,,released,li,\nqinghe.example/1,jia,released,li,\n您的验证码是,,refused,li,\n",
}


def of_words(folder: Path) -> Reader:
    """A rule for each word, so that the bits say which were found."""
    listed = "".join(
        f"  - {{id: w{place}, when: {{text: '{word}'}}, then: reject, reason: keyword}}\n" for place, word in enumerate(WORDS)
    )
    (folder / "rules.yaml").write_text("rules:\n" + listed, encoding="utf-8")
    return load(folder).reader


@pytest.fixture(scope="module")
def readers(tmp_path_factory: pytest.TempPathFactory) -> list[Reader]:
    """What ships, rules that ask everything a text can be asked, and a rule for each of many words."""
    folder = tmp_path_factory.mktemp("asked")
    (folder / "rules.yaml").write_text(ASKED, encoding="utf-8")
    (folder / "registries").mkdir()
    for name, rows in REGISTERED.items():
        (folder / "registries" / f"{name}.csv").write_text(rows, encoding="utf-8")
    return [load(shipped("rules")).reader, load(folder).reader, of_words(tmp_path_factory.mktemp("words"))]


@given(st.lists(st.sampled_from((*PIECES, "vip", "app2", "xapp", "会员卡", "pos机", "5g", "k")), max_size=12).map("".join))
def test_no_word_stands_within_another(readers: list[Reader], text: str) -> None:
    data = text.lower().encode("utf-8", "surrogatepass")
    for reader in readers:
        scanner = reader.scanner
        matches = [match for match in scanner.matches(data) if match[0] < len(scanner.lexicon.words)]
        whole = [match for match in matches if match[0] not in scanner._exact or stands_alone(data, match)]
        around = [(start, end) for _, start, end in whole]
        wanted = [
            (place, start, end) for place, start, end in whole
            if not any(first <= start and end <= last and (first, last) != (start, end) for first, last in around)
        ]  # fmt: skip
        assert scanner.standing(data, matches) == wanted


def stands_alone(data: bytes, match: tuple[int, int, int]) -> bool:
    _, start, end = match
    sides = (data[start - 1 : start + 1] if start else b"", data[end - 1 : end + 1])
    return not any(len(side) == 2 and side.isalpha() and side.isascii() for side in sides)


def told(reader: Reader, content: Content) -> tuple[Any, ...]:
    reading, digits = reader._analyse(content, None)
    traits = reading.traits
    return reading.template, digits, *(getattr(traits, name) for name in traits.__slots__)


def told_without_trie(reader: Reader, content: Content) -> tuple[Any, ...]:
    """What the automata make of it, which find all words and where they stand."""
    tries = reader._trie, reader._split_trie
    reader._trie = reader._split_trie = None
    try:
        return told(reader, content)
    finally:
        reader._trie, reader._split_trie = tries


@given(TEXTS)
def test_texts_read_alike_by_trie_and_automata(readers: list[Reader], text: str) -> None:
    content = Content(text, "readable", b"")
    for reader in readers:
        assert told(reader, content) == told_without_trie(reader, content)


@needs("gcc")
@given(TEXTS)
def test_letters_that_may_be_of_split_words_are_found_in_one_pass(readers: list[Reader], text: str) -> None:
    page = TextAnalysis(Content(text, "readable", b""))
    for reader in readers:
        if reader._trie is not None:
            everywhere = reader._trie.may_be_split(page.folded, (1 << 64) - 1)
            assert reader._trie.may_be_split(page.folded, page.alone) == everywhere


@given(TEXTS)
def test_digits_are_masked_in_utf_8(text: str) -> None:
    octets = re.sub("[0-9]", "0", text).encode("utf-8", "surrogatepass")
    assert masked(text) == octets
    assert without_numbers(text) == re.sub(b"0+", b"0", octets)


@given(st.text(ALPHABET + "元", max_size=30))
def test_the_same_words_are_found(readers: list[Reader], text: str) -> None:
    content = Content(text, "readable", b"")
    assert told(readers[2], content) == told_without_trie(readers[2], content)


@needs("gcc")
@given(st.lists(TEXTS, min_size=1, max_size=4), st.booleans())
def test_what_is_remembered_reads_alike(readers: list[Reader], texts: list[str], complete: bool) -> None:
    """A text, the same with other digits, and the text again: what the memories make of them is what a fresh look does."""
    for reader in readers:
        for text in (*texts, *(one.translate({49: 50, 51: 57}) for one in texts), *texts):
            content = Content(text, "readable" if text else "empty", b"", complete=complete)
            reading = reader.read(content)
            assert (content.reading, content.read_by) == (reading, reader.mark)
            wanted = reader._analyse(content, None)[0]
            if not complete and text:
                wanted = reader._in_part(content.text, wanted)
            assert (reading.template, reading.traits.key(reading.traits.bits)) == (
                wanted.template,
                wanted.traits.key(wanted.traits.bits),
            )


@pytest.mark.parametrize("first", ["00000000000", "12345678901"])
def test_a_telephone_number_is_seen_though_the_text_came_first_with_digits_that_are_none(tmp_path: Path, first: str) -> None:
    (tmp_path / "rules.yaml").write_text(ASKED, encoding="utf-8")
    reader = load(tmp_path).reader

    def bits(text: str) -> Any:
        return reader.read(Content(text, "readable", b"")).traits.bits

    plain = bits(f"【甲店】详询{first}")
    for _ in range(3):
        bits(f"【甲店】详询{first}")
    assert bits("【甲店】详询13800138000") != plain
    assert bits("【甲店】详询13800138001") != plain
    assert bits(f"【甲店】详询{first[::-1]}") == plain


@needs("gcc")
def test_every_character_reads_alike(readers: list[Reader]) -> None:
    for start in range(0, 0x10000, 5):
        content = Content("贷" + "款".join(map(chr, range(start, start + 5))) + "1a", "readable", b"")
        assert told(readers[1], content) == told_without_trie(readers[1], content), hex(start)


# ---------------------------------------------------------------------------------------------------------------- octets

UCS = st.text(st.characters(exclude_categories=["Cs"]), max_size=70).map(lambda text: text.encode("utf-16-be"))
HEADERS = st.one_of(
    st.just(b""),
    st.builds(lambda *said: bytes((5, 0, 3, *said)), *[st.integers(0, 4)] * 3),
    st.builds(lambda *said: bytes((6, 8, 4, *said)), *[st.integers(0, 4)] * 4),
    st.sampled_from([b"\x05\x00\x03", b"\x06\x05\x04\x0b\x84\x23\xf0", b"\x00", b"\x03\x24\x01\x01"]),
)
CODINGS = st.sampled_from([8, 8, 8, 0, 4, 0x18, 0xE0, 0xF5])


def tail(header: bytes, octets: bytes, coding: int, schedule: bytes, more: bytes, wrong: int) -> bytes:
    said = (header + octets)[:254]
    flags = 0x40 if header else 0
    return bytes((flags, 0, 0)) + schedule + b"\0\0" + bytes((0, 0, coding, 0, max(0, len(said) + wrong) & 255)) + said + more


TAILS = st.one_of(
    st.builds(
        tail, HEADERS, st.one_of(UCS, st.binary(max_size=60)), CODINGS, st.sampled_from([b"", b"", b"261101120000032+", b"x"]),
        st.sampled_from([b"", b"", b"\x02\x0c\x00\x02\x00\x07", b"\0"]), st.sampled_from([0, 0, 0, 0, 1, -1]),
    ),
    st.binary(max_size=40),
)  # fmt: skip
FIELDS = ("complete", "digest", "extra", "octets", "part", "scheduled", "state", "text")


def fields(content: Content) -> Any:
    return tuple((type(getattr(content, name)), getattr(content, name)) for name in FIELDS), content.read_by, content.reading


@given(st.binary(max_size=20), TAILS, st.sampled_from([b"", b"d" * 16]))
def test_plain_octets_are_read_as_all_octets_are(head: bytes, data: bytes, digest: bytes) -> None:
    plain = plain_content(head + data, len(head), digest)
    if plain is None:
        return
    esm_class, coding, scheduled, octets, _, tlvs = read_tail(data)
    text, state, part, extra = content_of(octets, esm_class, coding, tlvs)
    behind = None if part is None else octets_after_header(octets, esm_class, coding, extra)
    assert (scheduled, tlvs) == (None, [])
    wanted = digest or blake2b(data, digest_size=16).digest()
    assert fields(plain) == fields(Content(text, state, wanted, part, None, extra, behind))


@given(st.binary(max_size=9), st.one_of(UCS, st.binary(max_size=60)))
def test_a_text_without_surrogates_is_decoded_as_python_does(head: bytes, octets: bytes) -> None:
    octets = octets[: len(octets) // 2 * 2]
    text = octets.decode("utf-16-be", "surrogatepass")
    usual = all(one <= "\uffff" and not "\ud800" <= one <= "\udfff" and one != "\ufffe" for one in text)
    assert plain_utf16(head + octets, len(head), len(head + octets)) == (text if usual else None)


@pytest.mark.parametrize("header", [b"", b"\x05\x00\x03\x07\x02\x01", b"\x06\x08\x04\x01\x07\x02\x02"])
def test_a_usual_text_is_plain(header: bytes) -> None:
    plain = plain_content(tail(header, "【甲店】双11 a".encode("utf-16-be"), 8, b"", b"", 0), 0, b"")
    assert plain is not None
    assert (plain.text, plain.part) == ("【甲店】双11 a", None if not header else Part(7, 2, 1 if len(header) == 6 else 2))


PART_OCTETS = st.one_of(UCS, UCS.map(lambda octets: octets[:-1]), st.binary(max_size=20))
PARTS = st.builds(
    lambda octets, coding, scheduled, extra: Content(
        "", "readable", octets[:1] * 16, None, scheduled, extra, None if coding is None else (coding, octets)
    ),
    PART_OCTETS, st.sampled_from([8, 8, 8, 8, 8, 8, 0, 24, None]), st.sampled_from([None, None, None, 5.0]),
    st.sampled_from([(), (), (), ((1, b"x"),)]),
)  # fmt: skip


def specified(parts: list[Content | None]) -> Content:
    """As ``joined`` has it: the text by its general reader, all else by the letter."""
    there = [(place, part) for place, part in enumerate(parts) if part is not None]
    text, state = joined_text._text(parts)
    return Content(
        text,
        state,
        blake2b(
            bytes((len(parts),)) + b"".join([bytes((place,)) + part.digest for place, part in there]), digest_size=16
        ).digest(),
        None,
        max((part.scheduled for _, part in there if part.scheduled is not None), default=None),
        tuple(dict.fromkeys(pair for _, part in there for pair in part.extra)),
        None,
        len(there) == len(parts),
    )


@given(st.lists(st.one_of(PARTS, PARTS, PARTS, st.none()), max_size=22))
def test_parts_are_joined_as_specified(parts: list[Content | None]) -> None:
    if any(part is not None for part in parts):
        assert fields(joined(parts)) == fields(specified(parts))
    else:
        with pytest.raises(ValueError, match="without any part"):
            joined(parts)


@given(st.lists(UCS.filter(len), min_size=2, max_size=5), st.lists(st.integers(0, 9), max_size=3))
def test_texts_cut_anywhere_are_joined_as_specified(pieces: list[bytes], cuts: list[int]) -> None:
    whole = b"".join(pieces)
    places = sorted({0, len(whole), *(cut * len(whole) // 10 for cut in cuts)})
    parts: list[Content | None] = [Content("", "readable", b"%016d" % a, octets=(8, whole[a:b])) for a, b in pairwise(places)]
    assert fields(joined(parts)) == fields(specified(parts))
