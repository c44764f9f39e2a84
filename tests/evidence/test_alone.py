"""The one file that checks packs where there is no gate: a bare Python runs it, without a package, and it says what the gate says."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from proxy.__main__ import app
from proxy.evidence import alone
from tests.evidence.test_checking import Desk


def cli(*words: str | Path) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


class Away:
    """A machine without the gate: the pack, the file, what was published."""

    def __init__(self, desk: Desk, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder
        self.key, self.pack, self.verifier = folder / "head.pub", folder / "case.zip", folder / "verify.pyz"
        self.key.write_text(desk.shelf.keys.public.hex() + "\n")
        self.pack.write_bytes(desk.path.read_bytes())
        self.verifier.write_bytes(alone.made())

    def asks(self, *words: str | Path) -> subprocess.CompletedProcess[str]:
        """``-I -S``: neither this project nor anything that was installed can be found."""
        command = [sys.executable, "-I", "-S", str(self.verifier), *map(str, words)]
        return subprocess.run(command, cwd=self.folder, env={}, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.fixture
def away(desk: Desk, tmp_path: Path) -> Away:
    return Away(desk, tmp_path / "away")


def test_a_bare_python_follows_the_record_to_the_head_that_was_published(away: Away, desk: Desk) -> None:
    done = away.asks(away.pack, "--key", away.key, "--head", desk.head.digest)
    assert (done.returncode, done.stderr) == (0, "")
    first, *notes = done.stdout.splitlines()
    assert first == f"{away.pack}: message 0:{desk.record}, as it was made"
    assert any(note.startswith("the chain holds over") for note in notes)
    assert f"the head of {desk.head.day} is the one that was published" in notes


def test_it_says_what_the_gate_s_own_command_says(away: Away) -> None:
    mine = cli("evidence", "verify", away.pack, "--key", away.key, "--json")
    assert json.loads(away.asks(away.pack, "--key", away.key, "--json").stdout) == json.loads(mine.stdout)


def test_what_was_altered_is_named_there_too(away: Away) -> None:
    data = bytearray(away.pack.read_bytes())
    data[-30] ^= 1
    away.pack.write_bytes(data)
    done = away.asks(away.pack, "--key", away.key)
    assert done.returncode in (1, 2)
    assert "altered" in done.stdout + done.stderr or "is no ZIP" in done.stderr


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["none.zip"], "verify: none.zip: No such file or directory"),
        (["head.pub"], "verify: head.pub: is no ZIP that can be read"),
        (["case.zip", "--key", "case.zip"], "verify: case.zip: is no public key (head.pub of the gate's keys: 64 hex digits)"),
        (["case.zip", "--key", "none.pub"], "verify: none.pub: No such file or directory"),
    ],
    ids=["no file", "no pack", "no key", "no key's file"],
)
def test_what_cannot_be_checked_is_said_in_one_line(away: Away, words: list[str], says: str) -> None:
    done = away.asks(*words)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)
    assert done.stderr.startswith(says)


def test_the_same_gate_makes_the_same_file(tmp_path: Path) -> None:
    made = json.loads(cli("evidence", "verifier", "--out", tmp_path / "a.pyz", "--json").stdout)
    assert (tmp_path / "a.pyz").read_bytes() == alone.made()
    assert made["bytes"] == len(alone.made())
