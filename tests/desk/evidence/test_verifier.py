"""The verifier file runs on a bare Python and agrees with the gate."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from proxy.desk.evidence import checking, verifier
from tests.commands import app
from tests.desk.evidence.test_checking import Desk

CHINESE = re.compile("[\u4e00-\u9fff]")


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
        self.verifier.write_bytes(verifier.build())

    def asks(self, *words: str | Path, language: str = "") -> subprocess.CompletedProcess[str]:
        """``-I -S``: neither this project nor anything that was installed can be found."""
        env = {"LANG": language} if language else {}
        command = [sys.executable, "-X", "utf8", "-I", "-S", str(self.verifier), *map(str, words)]
        return subprocess.run(
            command, cwd=self.folder, env=env, capture_output=True, text=True, encoding="utf-8", timeout=60, check=False
        )


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


@pytest.mark.parametrize(("words", "language"), [(["--lang", "zh"], ""), ([], "zh_CN.UTF-8")], ids=["asked", "of the machine"])
def test_who_reads_chinese_is_told_in_chinese(away: Away, desk: Desk, words: list[str], language: str) -> None:
    """Packs go to courts and to 12321."""
    done = away.asks(away.pack, "--key", away.key, "--head", desk.head.digest, *words, language=language)
    first, *notes = done.stdout.splitlines()
    assert first == f"{away.pack}：短信 0:{desk.record}，与制作时一致"
    assert f"{desk.head.day} 的摘要就是公布的那一个" in notes
    assert all(CHINESE.search(note) for note in notes)
    parts = desk.parts()
    parts["evidence.json"] = parts["evidence.json"].replace(b"0:", b"1:")
    parts.pop("proof.json")
    desk.rewrite(parts)
    away.pack.write_bytes(desk.path.read_bytes())
    done = away.asks(away.pack, "--key", away.key, *words, language=language)
    assert done.returncode == 1
    assert {"被改动：evidence.json：被改动", "被改动：proof.json：被取走"} <= set(done.stdout.splitlines())
    away.pack.write_bytes(b"none")
    assert away.asks(away.pack, *words, language=language).stderr.startswith(f"verify: {away.pack}：不是可读的 ZIP")


def test_every_sentence_has_its_chinese() -> None:
    source = ast.parse(Path(checking.__file__).read_text(encoding="utf-8"))
    calls = [node for node in ast.walk(source) if isinstance(node, ast.Call)]
    said = [node.args for node in calls if ast.unparse(node.func) in ("self._fault", "self._note", "NotAPack")]
    assert len(said) > 20
    for _, chinese in said:
        assert CHINESE.search(ast.unparse(chinese))


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
    made = json.loads(cli("evidence", "make-verifier", "--out", tmp_path / "a.pyz", "--json").stdout)
    assert (tmp_path / "a.pyz").read_bytes() == verifier.build()
    assert made["bytes"] == len(verifier.build())
