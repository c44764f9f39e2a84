"""Old spellings of commands work for a release, and name the new one on stderr; nothing else names them."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from proxy.cli.old_spellings import OLD, in_new_spelling
from tests.e2e.gate import run
from tests.test_documented import COMMANDS

ROOT = Path(__file__).parents[2]
NAMED = {
    "serve", "demo", "check", "explain", "backtest", "find", "report", "today", "precheck", "bench", "trace", "binds", "links", "stop", "sim carrier",
    "sim provider",
}  # fmt: skip
"""Commands whose names are older than the grammar, and stay."""
VERBS = set(
    "accept add answer appeal approve audit check compare count decide diff drain enable end erase expire export find forward hash import kick lift list "
    "make match measure pack probe propose prove push register reject reload remove reopen restore resume review roll rollback serve set show "
    "start suspend sweep take trace update verify withdraw write".split()
)


@pytest.mark.parametrize("old", OLD)
def test_an_old_spelling_is_the_new_one_with_one_line_on_stderr(old: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = in_new_spelling([*old.split(), "--json", "x"])
    assert words == [*OLD[old].split(), "--json", "x"]
    (line,) = capsys.readouterr().err.splitlines()
    assert line == (
        f"gate106: note: `gate106 {old}` is `gate106 {OLD[old]}` now; the old spelling works until the next release"
        f" / `gate106 {old}` 现写作 `gate106 {OLD[old]}`；旧写法到下个版本为止可用"
    )


@pytest.mark.parametrize(
    ("given", "means"),
    [
        ("rules", "rules list"),
        ("settings", "settings show"),
        ("settings carriers", "settings show carriers"),
        ("backup /backup/now", "backup make /backup/now"),
        ("backup --update /backup/now", "backup make --update /backup/now"),
        ("token li.token", "token make li.token"),
        ("shadow --for 1h --why x", "shadow start --for 1h --why x"),
    ],
)
def test_a_noun_by_itself_is_the_command_that_it_was(given: str, means: str) -> None:
    assert in_new_spelling(given.split()) == means.split()


@pytest.mark.parametrize(
    "words",
    ["", "-h", "backup", "token", "rules -h", "rules --help", "rules push", "rules lst", "backup check copy", *COMMANDS],
)
def test_a_new_spelling_stays_and_says_nothing(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    given = words.removeprefix("gate106 ").split()
    assert in_new_spelling(given) == given
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "old", [["schema"], ["settings", "node"], ["settings", "nowhere"], ["restore", "nowhere", "--check"], ["journal", "heads", "--days", "0"]]
)  # fmt: skip
def test_output_and_exit_code_are_those_of_the_new_spelling(old: list[str]) -> None:
    new = in_new_spelling(old)
    done, wanted = run(*old), run("--worker", "1", *new)
    assert (done.returncode, done.stdout) == (wanted.returncode, wanted.stdout)
    first, *others = done.stderr.splitlines()
    assert first.startswith("gate106: note: ")
    assert others == wanted.stderr.splitlines()


def test_an_old_spelling_is_understood_behind_options() -> None:
    assert run("--worker", "1", "settings", "node").stdout == run("settings", "show", "node").stdout != ""


def test_help_and_completion_have_no_old_spelling() -> None:
    assert not {f"gate106 {old}" for old in OLD} & COMMANDS.keys()


def test_every_command_is_a_noun_and_a_verb_or_is_named_otherwise_on_purpose() -> None:
    names = {name.removeprefix("gate106 ") for name in COMMANDS}
    others = {name for name in names if len(name.split()) != 2 or name.split()[1].partition("-")[0] not in VERBS}
    assert others == NAMED


def test_no_text_names_an_old_spelling() -> None:
    """A noun by itself is told from a new spelling by what stands behind it."""
    alone = {old for old in OLD if OLD[old].startswith(f"{old} ")}
    spelling = re.compile(
        rf"gate106 (?:(?:{'|'.join(sorted(OLD.keys() - alone))})(?![\w-])|(?:{'|'.join(sorted(alone))})(?=[`,.;:)\"）；。，]| [-\[<A-Z/]|$)(?! -h))",
        re.MULTILINE,
    )
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    found = []
    for name in listed:
        if name.startswith(("tests/", "CHANGELOG")) or name == "proxy/state/stores/valkey.py":  # which has a key of its own
            continue
        try:
            text = (ROOT / name).read_text(encoding="utf-8")
        except (UnicodeDecodeError, OSError):
            continue
        found += [f"{name}: {one[0]}" for one in spelling.finditer(text)]
    assert found == []
