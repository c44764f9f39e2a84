"""Every sentence of a refusal or fault has a Chinese translation.

Texts of strangers pass unchanged.
"""

from __future__ import annotations

import builtins
import re
import string
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.config import yaml_file
from proxy.i18n import catalog
from proxy.i18n.catalog import (
    ANY,
    CLOSED,
    COMPARISONS_MAX,
    COUNTS,
    EACH,
    NAMES,
    SAID,
    SENTENCE_CHARACTERS_MAX,
    WRITTEN,
    Phrase,
    SentenceReader,
    catalog_files,
    full_catalog,
    in_language,
)
from proxy.model.number import NotARecipient, recipient_of
from proxy.model.roles import PEOPLE, Asker, NotAllowed, Permission, Role, require_permission
from tests.policy.test_bad_rules import MISTAKES as IN_RULES
from tests.policy.test_mistakes import MISTAKES as IN_FILES
from tests.printed import FILES, printed
from tests.raised import ANYTHING, NOT_FOR_PEOPLE, SAYS, SPEAKERS, Raised, raised

PROXY = Path(catalog.__file__).parents[1]
NOT_ON_PAGES = (
    "sim", "wire", "net", "workers", "state", "bench.py", "checking.py", "submit_multi.py", "submit_records.py", "offline_html.py",
    "rate.py",
)  # fmt: skip
"""Rooms whose faults end in an SMPP status, in the log or at a start, and commands that only a terminal has (a copy, a pack that is checked)."""
CHINESE = re.compile("[\u4e00-\u9fff]")
OF_OTHERS = {
    "File exists", "File name too long", "Address already in use", "Broken pipe", "Cannot allocate memory", "Connection refused",
    "Connection reset by peer", "Disk quota exceeded", "Input/output error", "Is a directory", "No space left on device",
    "No such file or directory", "Not a directory", "Permission denied", "Read-only file system", "Too many open files", "timed out",
    "block sequence entries are not allowed in this context", "control characters are not allowed", "could not find expected ':'",
    "did not find expected <document start>", "did not find expected alphabetic or numeric character",
    "did not find expected hexdecimal number", "did not find expected node content", "found duplicate anchor", "found undefined alias",
    "found unexpected document indicator", "found unknown escape character", "while scanning a quoted scalar", "out of reach",
    "missing ): {where}", "missing ]: {where}", "unexpected ): {where}", "no argument for repetition operator: {where}",
    "bad repetition operator: {where}", "invalid repetition size: {where}", "invalid escape sequence: {where}",
    "invalid character class range: {where}", "invalid perl operator: {where}", "invalid named capture group: {where}",
    "trailing \\", "pattern too large - compile failed", "Invalid boundary format: {found}", "Missing boundary in multipart.", "Part exceeded maximum size of {most}KB.",
    "Too many fields. Maximum number of fields is {most}.", "Too many files. Maximum number of files is {most}.",
    'The Content-Disposition header field "name" must be provided.',
}  # fmt: skip
"""Sentences of the operating system, of libyaml, RE2 and Starlette."""


class Strict(SentenceReader):
    """Knows what stands for a value; takes no English for one."""

    def value(self, kind: str, value: str, depth: int) -> tuple[str, bool]:
        if not value.replace(ANYTHING, "").strip(" ;,'():"):
            return value, True
        return super().value(kind, value, depth) if kind else (value, not re.search("[A-Za-z]{3,}", value))


def is_known(text: str) -> bool:
    return all(Strict(full_catalog()).line(line)[1] for line in text.split("\n"))


def rooms() -> Iterator[Path]:
    for path in sorted(PROXY.rglob("*.py")):
        if not {*path.relative_to(PROXY).parts} & {*NOT_ON_PAGES}:
            yield path


@cache
def sentences_of(path: Path) -> list[Raised]:
    return [*raised(path)]


def room_of(path: Path) -> str:
    return path.relative_to(PROXY).parts[0] if path.parent != PROXY else "."


@pytest.mark.parametrize("room", sorted({room_of(path) for path in rooms()}))
def test_every_sentence_that_is_raised_is_in_a_book(room: str) -> None:
    missing = [one for path in rooms() if room_of(path) == room for one in sentences_of(path) if not is_known(one.text)]
    assert not missing, "\n".join(f"{one.path.name}:{one.line}: {one.text} (add it to i18n/sentences/)" for one in missing)


def test_the_functions_and_exceptions_that_the_search_knows_are_in_the_source() -> None:
    """A renamed function would drop its sentences out of the search without a word."""
    named = re.compile(r"^\s*(?:async def|def|class) (\w+)", re.MULTILINE)
    names = {name for path in PROXY.rglob("*.py") for name in named.findall(path.read_text(encoding="utf-8"))}
    known = {name for name in {*SPEAKERS, *SAYS, *NOT_FOR_PEOPLE} if not hasattr(builtins, name)}
    assert known - names - {"HTTPException"} == set()


def test_what_reads_the_source_sees_sentences(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_text(
        "def f(x):\n"
        "    raise Refused(f'no bind {x!r} ' f'{\"now\" if x else \"then\"}', 'busy')\n"
        "    fail('a ' + x)\n"
        "    raise RuleFault(3, f'it: {unknown(\"sort\", x, [])}')\n"
        "    raise KeyError('not for people')\n"
    )
    assert {one.text for one in raised(path)} == {
        f"no bind '{ANYTHING}' now",
        f"no bind '{ANYTHING}' then",
        f"a {ANYTHING}",
        f"it: {ANYTHING}",
        f"unknown sort '{ANYTHING}'",
    }
    assert not is_known("it is nobody's sentence")
    assert isinstance(next(raised(path)), Raised)


@pytest.mark.parametrize("path", list(catalog_files()), ids=room_of)
def test_both_wordings_have_the_same_places_to_fill_in(path: Path) -> None:
    yaml_file.load(path)  # a sentence that stands there twice is an error
    for english, chinese in catalog.read(path).items():
        phrase = Phrase(english, chinese)
        names = [name for name, _ in phrase.slots]
        assert len(names) == len(set(names)), english
        once = {"same", "command"}  # what stands in a command that pages do not name
        assert set(names) - once == set(re.findall(r"\{(\w+)(?::\w+)?\}", chinese)) - once, english
        assert {kind for _, kind in phrase.slots} <= {"", SAID, ANY, EACH, COUNTS, WRITTEN, NAMES, *catalog.FITS, *CLOSED}, (
            english
        )
        assert not CHINESE.search(
            re.sub("【signature】|（|\\(端口, .*\\)|清明|江苏|微|薇|威|个人信息保护法|通信短信息服务管理规定", "", english)
        ), english
        literal = re.sub(r"\{\w+(:\w+)?\}|--?\w+|^optouts|^day|^hour|^skip|^limit|^lang|^format|^by", "", chinese)
        assert CHINESE.search(literal) or not re.search("[A-Za-z]", literal), chinese


def test_a_sentence_is_said_in_one_way_only() -> None:
    said: dict[str, str] = {}
    for path in catalog_files():
        for english, chinese in catalog.read(path).items():
            assert english not in said, f"{english}: it stands in two books"
            said[english] = chinese


def test_books_hold_no_sentence_that_nobody_says() -> None:
    source = "\n".join(path.read_text(encoding="utf-8") for path in sorted(PROXY.rglob("*.py")))
    source = "\n".join(line for line in source.split("\n") if '"' in line or "'" in line)  # a sentence is a literal
    source = re.sub(r'"\s*\n\s*f?"', "", source).replace('\\"', '"').replace("{{", "{").replace("}}", "}")
    known = {english for path in catalog_files() for english in catalog.read(path)} - OF_OTHERS
    sentences = {one.text for path in rooms() for one in sentences_of(path)} | {
        text for path in FILES for _, text in printed(path)
    }
    for english in sorted(known):
        phrase = Phrase(english, "")
        pieces = [piece.strip(" '():;,.") for piece in re.split(r"\{\w+(?::\w+)?\}", english)]
        written = all(len(piece) < 4 or all(one in source for one in re.split(r" \(|: ", piece)) for piece in pieces)
        assert written or any(map(phrase.may_match, sentences)), f"{english}: nobody says it any more"


# -- what comes out


def test_a_sentence_is_said_in_chinese_with_its_values_as_they_are() -> None:
    for english, chinese in (
        ("there is no batch 7 (gate106 consent lists them)", "没有批次 7（请在同意批次中核对）"),
        ("unknown provider of the settings 'jia9' (did you mean 'jia'?)", "设置中没有通道商“jia9”（是否应为“jia”？）"),
        ("case 3 is decided (valid): reopen it first (gate106 complaint reopen 3)", "案件 3 已认定为有效：请先重新打开"),
        ("penalty 4 is in-force, not proposed (gate106 penalty show 4)", "处罚 4 的状态是“生效”，不是“待批准”"),
        ("rules/x.yaml:14: limit: unknown key 'widow' (did you mean 'window'?)", "rules/x.yaml 第 14 行：limit：无法识别的键“widow”（是否应为“window”？）"),
        (
            "a.csv:3: the complainant's number: 12 digits instead of 11; the time '2030-01-01' is yet to come",
            "a.csv 第 3 行：投诉号码：12 位数字，应为 11 位；时间“2030-01-01”晚于现在",
        ),
        ("jia.csv: 2 bad rows of 9: nothing was imported", "jia.csv：共 9 行，2 行有误：没有导入"),
        (
            "stop-1: signature 青禾 and category marketing or otp, until 2026-11-27 17:49:28 (li: case 1: and more)",
            "stop-1：签名 青禾、类别 营销或验证码，至 2026-11-27 17:49:28（li：案件 1：and more）",
        ),
        ("provider jia or yi", "通道商 jia或yi"),
        ("throttle-1: provider jia and share 0.5", "throttle-1：通道商 jia、保留速率 50%"),
        (
            "runs without compiled modules, at a tenth of its speed: GATE106_PURE is set: start without it",
            "没有使用编译后的模块，速度约为十分之一：设置了 GATE106_PURE：请去掉后启动",
        ),
        (
            "0:5079: look alike (score 98: the number is the same; 1.5 h earlier than was said; another port (10690); the text is 97% alike)",
            "0:5079：look alike（吻合 98：号码一致；比所述时间早 1.5 小时；端口不同（10690）；内容相似 97%）",
        ),
        ("x:3: time: '22:00' is no span of time (write 21:00-08:00)", "x 第 3 行：time：“22:00”不是时段（写作 21:00-08:00）"),
    ):  # fmt: skip
        assert in_language(english, "zh") == chinese
        assert in_language(english, "en") == english
        assert full_catalog().has(english)


def test_lines_are_said_one_by_one_and_what_is_in_no_book_stays() -> None:
    said = in_language("a line is no JSON\nsomething else altogether\n\nempty", "zh")
    assert said == "有一行不是 JSON\nsomething else altogether\n\n为空"
    assert in_language("", "zh") == ""
    assert in_language("已经是中文了", "zh") == "已经是中文了"


@pytest.mark.parametrize("said", [*(said for _, said in IN_FILES), *(f"x.yaml:{said}" for _, said in IN_RULES)], ids=range(len(IN_FILES) + len(IN_RULES)))  # fmt: skip
def test_mistakes_in_rules_are_taught_in_chinese(said: str) -> None:
    assert full_catalog().has(said), said
    chinese = in_language(said, "zh")
    assert CHINESE.search(chinese)
    line = re.fullmatch(r"\S+:(\d+): .*", said)
    assert line is None or f" 第 {line[1]} 行：" in chinese
    assert not re.search(r"[a-z]{2,} [a-z]{2,} [a-z]{2,}", chinese), chinese


def test_who_may_not_is_told_in_chinese_who_may() -> None:
    for wanted in Permission:
        for role in (*PEOPLE, Role.PROVIDER):
            asker = Asker("wu", frozenset({role}), by_token=True)
            if asker.may(wanted):
                continue
            with pytest.raises(NotAllowed) as refused:
                require_permission(asker, wanted, "rules.push")
            assert full_catalog().has(str(refused.value)), refused.value


@given(st.text(string.digits + "+-* ０x", max_size=20))
def test_whatever_is_no_number_is_said_in_chinese(spelling: str) -> None:
    try:
        recipient_of(spelling)
    except NotARecipient as fault:
        assert full_catalog().has(f"to: {fault}"), fault


# -- strangers


@pytest.mark.parametrize("name", ["jia", "it's", '"quoted"', "open", "key", "{word}", "{0}", "\\1", "a: b", "x' (did you mean 'y'?)", "甲 乙", "%s", "<b>"])  # fmt: skip
def test_a_stranger_s_name_stays_as_it_is(name: str) -> None:
    said = in_language(f"{yaml_file.unknown('provider of the settings', name, [])}", "zh")
    assert said.startswith("设置中没有通道商")
    for word in ("open", "key", "{word}", "{0}", "\\", "甲 乙", "%s", "<b>"):
        assert (word in said) is (word in name)


def test_what_is_no_sentence_is_no_work() -> None:
    book = full_catalog()
    for text in (
        "a" * (SENTENCE_CHARACTERS_MAX + 1),
        "x: " * 600,
        "one; two; " * 150,
        "viewer or b and " * 100,
        "\0" * 1000,
        "(" * 1000,
        "\ud800 is no JSON",
    ):
        assert book.chinese(text) == text
    assert book.chinese("unknown 'b' of the settings " * 60)


def test_no_sentence_comes_near_the_bound_of_looking_up() -> None:
    for _, said in (*IN_FILES, *IN_RULES):
        reading = SentenceReader(full_catalog())
        reading.line(f"rules/x.yaml:3: {said}")
        assert reading.comparisons_left > COMPARISONS_MAX / 2, said


@given(st.text(max_size=200))
def test_any_text_comes_out_as_a_text(text: str) -> None:
    assert isinstance(full_catalog().chinese(text), str)
