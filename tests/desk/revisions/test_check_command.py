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


@pytest.mark.parametrize(
    ("words", "locale", "language"),
    [
        ([], "C.UTF-8", "en"), ([], "en_US.UTF-8", "en"), (["--lang", "en"], "zh_CN.UTF-8", "en"),
        ([], "zh_CN.UTF-8", "zh"), (["--lang", "zh"], "C.UTF-8", "zh"),
    ],
)  # fmt: skip
def test_mistakes_are_told_in_the_language_asked_for_else_of_the_locale(
    words: list[str], locale: str, language: str, rules: Path
) -> None:
    told = CliRunner().invoke(app, ["check", str(rules), *words], env={"LC_ALL": locale})
    assert told.exit_code == 1
    fault, counted = {
        "en": ("rule: unknown key 'wehn' (did you mean 'when'?)", "1 problems\n"),
        "zh": ("rule：无法识别的键“wehn”（是否应为“when”？）", "条规则，0 个测试，1 处错误\n"),
    }[language]
    assert f"rules/unknown-key.yaml:3: {fault}" in told.stderr
    assert told.stdout.endswith(counted)


def test_what_may_be_meant_is_told_in_chinese_too(rules: Path) -> None:
    (rules / "unknown-key.yaml").write_text(
        "rules:\n  - {id: a, when: {category: otp}, active: {to: 2020-01-01}, then: reject, reason: keyword}\n"
    )
    told = CliRunner().invoke(app, ["check", str(rules), "--lang", "zh"])
    assert told.exit_code == 0
    assert "rules/unknown-key.yaml:2: 请留意：规则“a”没有测试（请在 tests 中加一条短信，写 want: {reject: a}）" in told.stderr
    assert "rules/unknown-key.yaml:2: 请留意：规则“a”已不再适用：有效期已过（请删去，或关闭）" in told.stderr
    assert told.stdout.endswith("1 条规则，0 个测试，0 处错误，2 条提醒\n")


SETTINGS = """\
smpp: {listen: 127.0.0.1:2775}
store: sqlite:st/state.db
journal: st/journal
rules: rules/
carriers: [{name: bj, host: 127.0.0.1, port: 2776, system_id: gate106, password: secret}]
providers: [{name: jia, system_id: jia, password: secret, ports: ["1069012"]}]
"""


def test_settings_whose_folder_holds_no_rule_have_a_problem_as_a_gate_does_not_start_by_them(tmp_path: Path) -> None:
    (tmp_path / "rules").mkdir()
    settings = tmp_path / "gate106.yaml"
    settings.write_text(SETTINGS)
    told = CliRunner().invoke(app, ["check", "--config", str(settings)])
    assert (told.exit_code, f"{tmp_path}/rules:1: holds no rule: every message would pass" in told.stderr) == (1, True)
    told = CliRunner().invoke(app, ["check", str(tmp_path / "rules")])
    assert (told.exit_code, f"{tmp_path}/rules:1: warning: holds no rule" in told.stderr) == (0, True)
    settings.write_text(SETTINGS + "rules_may_be_empty: true\n")
    told = CliRunner().invoke(app, ["check", "--config", str(settings)])
    assert (told.exit_code, told.stderr) == (0, "")


def test_a_folder_that_is_not_there_has_the_line_of_the_settings_in_both_languages(tmp_path: Path) -> None:
    settings = tmp_path / "gate106.yaml"
    settings.write_text(SETTINGS)
    for language, said in (("en", ": no such folder (name"), ("zh", "：没有这个目录")):
        told = CliRunner().invoke(app, ["check", "--config", str(settings), "--lang", language])
        assert told.exit_code == 2
        assert f"gate106: {settings}:4: rules: {tmp_path}/rules{said}" in told.stderr


def test_a_key_of_the_journal_that_is_not_there_is_a_problem_of_the_settings(rules: Path) -> None:
    (rules / "unknown-key.yaml").write_text("rules: [{id: a, when: {category: otp}, then: reject, reason: keyword}]\n")
    settings = rules.with_name("gate106.yaml")
    settings.write_text(f"{SETTINGS}sealing: {{keys: [lost.key]}}\n")
    told = CliRunner().invoke(app, ["check", "--config", str(settings)])
    assert told.exit_code == 1
    assert f"{settings}:7: {settings.with_name('lost.key')}: no such file (sealing.keys names it" in told.stderr


def test_a_language_that_is_none_is_said(rules: Path) -> None:
    told = CliRunner().invoke(app, ["check", str(rules), "--lang", "cn"])
    assert (told.exit_code, "--lang: unknown language 'cn' (one of zh, en)" in told.stderr) == (2, True)
