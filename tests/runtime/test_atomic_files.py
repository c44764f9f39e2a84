"""A new folder is durable before its files count as durable."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from proxy.runtime import atomic_files


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> set[Path]:
    """Folders whose names were synced."""
    found: set[Path] = set()
    sync: Callable[[int], None] = os.fsync

    def noted(file: int) -> None:
        sync(file)
        found.add(Path(f"/proc/self/fd/{file}").readlink())

    monkeypatch.setattr(os, "fsync", noted)
    return found


def test_the_names_of_all_that_is_made_are_synced(tmp_path: Path, synced: set[Path]) -> None:
    atomic_files.make_folder(tmp_path / "gate" / "journal")
    assert (tmp_path / "gate" / "journal").stat().st_mode & 0o777 == 0o700
    assert {tmp_path, tmp_path / "gate"} <= synced


def test_so_are_those_of_what_was_there_for_it_may_have_been_made_a_moment_before(tmp_path: Path, synced: set[Path]) -> None:
    (tmp_path / "gate" / "journal").mkdir(parents=True)
    atomic_files.make_folder(tmp_path / "gate" / "journal")
    assert {tmp_path, tmp_path / "gate"} <= synced


def test_a_folder_above_that_may_not_be_looked_into_is_no_hindrance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = tmp_path / "gate" / "journal"
    journal.mkdir(parents=True)
    opened = os.open

    def closed(path: Path, *more: int) -> int:
        if path == tmp_path:
            raise PermissionError(path)
        return opened(path, *more)

    monkeypatch.setattr(os, "open", closed)
    atomic_files.make_folder(journal)
    with pytest.raises(PermissionError):
        atomic_files.make_folder(tmp_path / "another")
