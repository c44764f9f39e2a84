"""The command line: groups, choices, completion, the reason of a refusal."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from typer.testing import CliRunner

from proxy.__main__ import SECTIONS, whole
from tests.commands import app
from tests.e2e.carrier import Carrier
from tests.e2e.gate import BEIJING, SHANGHAI, Gate, provider, run
from tests.test_documented import COMMANDS


def test_every_command_stands_in_one_group_of_the_help() -> None:
    listed = [name for names in SECTIONS.values() for name in names]
    assert sorted(listed) == sorted(whole().commands)  # type: ignore[attr-defined] # a group's
    said = run("-h").stdout
    assert [f"{section}:" in said for section in SECTIONS] == [True] * len(SECTIONS)
    assert "Other:" not in said


def test_h_is_help_and_choices_are_listed() -> None:
    said = run("complaint", "list", "-h")
    assert said.returncode == 0
    assert "--state [open|valid|invalid|duplicate|withdrawn|not-ours]" in said.stdout
    assert "[zh|en]" in run("check", "-h").stdout


def test_lists_of_commands_have_whole_sentences() -> None:
    for words in ("-h", "rules -h"):
        commands = run(*words.split()).stdout.partition("Show this message and exit.")[2]
        assert commands.count("\n") > 12
        assert "..." not in commands


def test_h_is_help_with_an_example_of_every_command() -> None:
    for name in COMMANDS:
        said = CliRunner().invoke(app, [*name.split()[1:], "-h"])
        assert (said.exit_code, "Example: " in said.stdout, said.stderr) == (0, True, ""), name


def test_a_shell_completes_commands_and_options() -> None:
    def asked(words: str) -> dict[str, str]:
        return os.environ | {"_GATE106_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}

    program = Path(sys.executable).with_name("gate106")
    done = subprocess.run([program], env=asked("gate106 compl"), capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == ["complaint"]
    for words, found in (
        ("complaint list --st", ["--state"]),
        ("complaint list --state w", ["withdrawn"]),
        ("check --lang ", ["zh", "en"]),
    ):
        completed = CliRunner().invoke(app, [], env=asked(f"gate106 {words}"), prog_name="gate106")
        assert completed.stdout.split() == found, words


def test_sim_provider_prints_the_receipt_in_words(tmp_path: Path, carrier: Carrier) -> None:
    gate = Gate(tmp_path, carrier.port, [provider("jia", "1069001")])
    gate.start()
    carrier.receipt_with_answer(SHANGHAI.format(1))
    asked = ("--from", "1069001", "--to", SHANGHAI.format(1), "--text", "code 1", "--wait", "1", "--port", str(gate.port))
    done = run("sim", "provider", *asked)
    assert f"receipt from {SHANGHAI.format(1)} to 1069001: id:" in done.stdout
    gate.stop()


def test_sim_provider_names_the_reason(tmp_path: Path, carrier: Carrier) -> None:
    gate = Gate(tmp_path, carrier.port, [provider("jia", "1069001")])
    gate.write_rules("rules: [{id: ban, when: {province: 北京}, then: reject, reason: region-ban}]")
    gate.start()
    asked = ("--from", "1069001", "--to", BEIJING.format(1), "--text", "code 1", "--wait", "0", "--port", str(gate.port))
    done = run("sim", "provider", *asked)
    assert done.returncode == 1
    assert done.stdout.startswith("0x00000400 (region-ban)")
    gate.stop()
