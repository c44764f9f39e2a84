"""Which build runs: its version, its commit, and why it is slow if it is."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from proxy.native import loader
from proxy.runtime import build_info


def git(folder: Path, *words: str) -> str:
    said = subprocess.run(["git", "-C", folder, *words], check=True, capture_output=True, text=True)
    return said.stdout.strip()


def test_a_checkout_says_its_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loader, "BUILT_FOLDER", tmp_path / "none")
    assert build_info._commit(tmp_path) == ""
    for name in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{name}_NAME", "clerk")
        monkeypatch.setenv(f"GIT_{name}_EMAIL", "clerk@example.org")
    git(tmp_path, "init", "-q")
    git(tmp_path, "commit", "-q", "--allow-empty", "-m", "first")
    first = git(tmp_path, "rev-parse", "HEAD")
    assert build_info._commit(tmp_path) == first[:12]
    git(tmp_path, "pack-refs", "--all")
    assert build_info._commit(tmp_path) == first[:12]
    git(tmp_path, "worktree", "add", "-q", str(tmp_path / "beside"))
    assert build_info._commit(tmp_path / "beside") == first[:12]
    git(tmp_path, "checkout", "-q", "--detach")
    assert build_info._commit(tmp_path) == first[:12]


def test_an_installation_says_the_commit_that_was_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "manifest.json").write_text('{"commit": "0123456789ab"}')
    monkeypatch.setattr(loader, "BUILT_FOLDER", tmp_path)
    assert build_info._commit(tmp_path) == "0123456789ab"


def test_a_release_without_compiled_modules_says_it_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "commit").write_text("0123456789ab")
    monkeypatch.setattr(loader, "BUILT_FOLDER", tmp_path / "none")
    monkeypatch.setattr(build_info, "COMMIT_FILE", tmp_path / "commit")
    assert build_info._commit(tmp_path) == "0123456789ab"


@pytest.mark.parametrize("pure", [False, True])
def test_the_version_says_whether_it_is_compiled(pure: bool) -> None:
    env = {**os.environ, "GATE106_PURE": "1"} if pure else os.environ
    said = subprocess.run(
        [sys.executable, "-m", "proxy", "--version"], env=env, capture_output=True, text=True, check=True
    ).stdout
    assert said.startswith("gate106 ")
    assert said.endswith("not compiled: GATE106_PURE is set: start without it\n") if pure else said.endswith(", compiled\n")
