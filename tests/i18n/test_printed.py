"""Every line that the command line prints for people has a Chinese translation, and every heading of its tables."""

from __future__ import annotations

import re

import pytest

from proxy.i18n import columns
from proxy.i18n.catalog import in_language
from proxy.i18n.text import Bilingual
from proxy.operations import terminal
from tests.i18n.test_catalog import is_known
from tests.printed import FILES, PROXY, headings, printed
from tests.raised import ANYTHING

BY_WORD = {
    f"{ANYTHING}: {ANYTHING} segments would be new, {ANYTHING} are in another province",
    f"{ANYTHING}: {ANYTHING} segments are new, {ANYTHING} would be in another province",
    f"{ANYTHING}: penalty {ANYTHING} of {ANYTHING}, {ANYTHING} complaints{ANYTHING}",
    f"{ANYTHING}: {ANYTHING} rows, {ANYTHING} filed{ANYTHING}, {ANYTHING} known already",
    f"{ANYTHING} {ANYTHING} then {ANYTHING} now  ({ANYTHING})",
    f"{ANYTHING} (`gate106 stop lift {ANYTHING}` ends it)",
    f"fixed text, line {ANYTHING}: {ANYTHING} has {ANYTHING}: if it stands for a value, write a variable ({{name:≤8}})",
}
"""Made of parts that the source names elsewhere: tests/console/test_no_foreign_word.py prints them."""


@pytest.mark.parametrize(
    ("english", "chinese"),
    [
        ("jia and signature 青禾商城", "通道商 jia 的签名青禾商城"),
        ("rule … 33 more added", "规则：另有 33 条新增"),
        ("files … 1,004 more changed", "文件：另有 1,004 个修改"),
        ("taken back: any advertiser, marketing", "已撤回：任何广告主、营销"),
        ("unknown provider 'x' (one of jia, 甲店)", "无法识别的通道商“x”（可用：jia、甲店）"),
        (
            "consent.show: to see whole numbers takes the role auditor, and li is viewer: wang, zhao can give it (settings: people[].roles)",
            "查看完整号码须有角色审计员，li 的角色是只读：可由 wang、zhao 授予（设置：people[].roles）",
        ),
    ],
)
def test_names_and_lists_are_joined_as_chinese_joins_them(english: str, chinese: str) -> None:
    assert in_language(english, "zh") == chinese


@pytest.mark.parametrize("room", sorted({path.relative_to(PROXY).parts[:2] for path in FILES}), ids="/".join)
def test_every_printed_line_has_its_chinese(room: tuple[str, ...]) -> None:
    paths = [path for path in FILES if path.relative_to(PROXY).parts[:2] == room]
    missing = [
        f"{path.name}:{line}: {text}"
        for path in paths
        for line, text in printed(path)
        if text not in BY_WORD and not is_known(text)
    ]
    assert not missing, "\n".join(missing) + "\n(add it to i18n/sentences/printed.yaml)"


def test_a_heading_that_is_a_time_is_no_state() -> None:
    assert columns.head("decided", "zh") == "判定时间"


def test_every_heading_of_a_printed_table_has_its_chinese() -> None:
    found = {(path.name, text) for path in FILES for _, text in headings(path)}
    assert ("case_lines.py", "forward by") in found
    assert {
        one for one in found if not re.search("[\u4e00-\u9fff]", columns.head(one[1].replace(ANYTHING, "10,000"), "zh"))
    } == set()


def test_a_table_has_the_words_of_its_reader_and_what_people_wrote_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [("open", "open", "case 3: open"), ("valid", "好", "")]

    def shown(language: str) -> list[str]:
        terminal.use_language(language)
        return [
            terminal.in_words_of_reader(line)
            for line in terminal.table_lines(("state", "provider", "why"), rows, "no case fits")
        ]

    assert shown("zh") == ["状态    通道商  原因", "待认定  open    案件 3：open", "有效    好"]
    assert shown("en") == ["state  provider  why", "open   open      case 3: open", "valid  好"]
    terminal.use_language("zh")
    assert list(map(terminal.in_words_of_reader, terminal.table_lines(("state",), [], "no case fits"))) == ["没有相符的案件"]
    assert terminal.in_words_of_reader(Bilingual("no case fits", "no case fits")) == "no case fits", "a stranger's text"
    assert terminal.in_words_of_reader("    no case fits") == "    没有相符的案件"
    terminal.use_language(None)
    for variable, value, language in (("LC_ALL", "zh_CN.UTF-8", "zh"), ("LC_ALL", "C", "en"), (terminal.LANG, "zh", "zh")):
        monkeypatch.setenv(variable, value)
        assert terminal.printed_language() == language
