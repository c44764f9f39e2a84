"""Help and usage errors are in the language asked for, of every command."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from proxy.__main__ import whole
from proxy.cli import chinese_help, settings
from proxy.config import descriptions
from proxy.i18n.catalog import Phrase, read
from tests.e2e.gate import run

CHINESE = re.compile("[\u4e00-\u9fff]")


def helps(command: Any) -> Iterator[str]:
    """What --help says of it, of its options and of those below it."""
    yield from filter(None, [command.help, *(getattr(one, "help", None) for one in command.params if one.name != "help")])
    for below in getattr(command, "commands", {}).values():
        yield from helps(below)


def test_every_command_and_option_has_chinese_help() -> None:
    missing = sorted({said for said in helps(whole()) if not CHINESE.search(chinese_help.chinese(said))})
    assert not missing, "\n".join(missing) + "\n(add the first line to proxy/i18n/help.yaml)"


def test_every_setting_is_explained_in_chinese() -> None:
    described = descriptions.settings()
    said = {
        settings._plain(text) for one in described for text in (one.meaning, one.default if one.worded else "", one.allowed)
    } - {""}
    known = settings._chinese()
    assert {settings._plain(one.meaning) for one in described} - known.keys() == set(), "add them to proxy/i18n/settings.yaml"
    assert known.keys() - said - {"none"} == set(), "nothing says these any more"
    assert all(CHINESE.search(text) for text in known.values())
    assert settings._in_chinese("0.1 to 3,600 s") == "0.1 到 3,600 秒"


def test_both_wordings_of_a_usage_error_have_the_same_places() -> None:
    for english, chinese in read(chinese_help.USAGE).items():
        assert {name for name, _ in Phrase(english, chinese).slots} == set(re.findall(r"\{(\w+)", chinese)), english


@pytest.mark.parametrize(
    ("words", "english", "chinese"),
    [
        (["complaint", "list", "-h"], "List cases: open ones by when they are due", "列出案件：待认定的按期限排列"),
        (["complaint", "list", "--foo"], "No such option: --foo", "错误：没有这个选项：--foo"),
        (["complaint", "show"], "Missing argument", "错误：缺少参数"),
        (["complaint", "list", "--limit", "x"], "valid integer", "错误：--limit 的值无效：须为整数"),
        (["nowhere"], "No such command 'nowhere'.", "错误：没有这个命令：nowhere"),
    ],
)
def test_a_mistake_in_the_command_line_is_told_in_the_language_asked_for(words: list[str], english: str, chinese: str) -> None:
    def said(*more: str) -> str:
        done = run(*more, *words, env={"LC_ALL": "C.UTF-8"})
        return done.stdout + done.stderr

    assert english in said()
    assert chinese in said("--lang", "zh")
    assert not re.search(r"^(Usage|Options|Error|Example)", said("--lang=zh"), re.MULTILINE)
