"""``gate106 check`` reports in English or Chinese, with positions for editors."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.commands import app

MISTAKES = Path(__file__).parent.parent.parent / "data" / "mistakes"


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    folder = tmp_path / "rules"
    folder.mkdir()
    shutil.copy(MISTAKES / "unknown-key.yaml", folder)
    return folder


def test_mistakes_are_told_in_english_whatever_the_locale_says(rules: Path) -> None:
    told = CliRunner().invoke(app, ["check", str(rules)], env={"LC_ALL": "zh_CN.UTF-8"})
    assert told.exit_code == 1
    assert "rules/unknown-key.yaml:3: rule: unknown key 'wehn' (did you mean 'when'?)" in told.stderr
    assert told.stdout.endswith("1 problems\n")


def test_they_are_told_in_chinese_where_that_is_asked_for(rules: Path) -> None:
    told = CliRunner().invoke(app, ["check", str(rules), "--lang", "zh"])
    assert told.exit_code == 1
    assert "rules/unknown-key.yaml:3: rule：无法识别的键“wehn”（是否应为“when”？）" in told.stderr
    assert told.stdout.endswith("条规则，0 个测试，1 处错误\n")


def test_what_may_be_meant_is_told_in_chinese_too(rules: Path) -> None:
    (rules / "unknown-key.yaml").write_text(
        "rules:\n  - {id: a, when: {category: otp}, active: {to: 2020-01-01}, then: reject, reason: keyword}\n"
    )
    told = CliRunner().invoke(app, ["check", str(rules), "--lang", "zh"])
    assert told.exit_code == 0
    assert "rules/unknown-key.yaml:2: 请留意：规则“a”没有测试（请在 tests 中加一条短信，写 want: {reject: a}）" in told.stderr
    assert "rules/unknown-key.yaml:2: 请留意：规则“a”已不再适用：有效期已过（请删去，或关闭）" in told.stderr
    assert told.stdout.endswith("1 条规则，0 个测试，0 处错误，2 条提醒\n")


def test_a_language_that_is_none_is_said(rules: Path) -> None:
    told = CliRunner().invoke(app, ["check", str(rules), "--lang", "cn"])
    assert (told.exit_code, "--lang: unknown language 'cn' (one of zh, en)" in told.stderr) == (2, True)
