"""Numbered desk records survive a restart through the checkpoint alone."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest

from proxy.state import open_store
from proxy.state.lists.desk_records import DeskRecords


def test_a_checkpoint_keeps_them_and_writes_those_that_changed(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/state.db"
    store = open_store(url)
    for number in range(1, 1001):
        store.cases.put(number, b"case %d" % number)
    store.penalties.put(7, b"penalty")
    store.hours.put(480_000, b"hour")
    store.checkpoint_now(counted=1, open_from=1, highest_id=1)
    store.cases.put(5, b"another")
    store.cases.drop(6)
    store.cases.drop(10_000)
    store.hours.drop(480_000)
    store.checkpoint_now(counted=2, open_from=2, highest_id=1)
    store.close()
    with sqlite3.connect(tmp_path / "state.db") as file:
        assert file.execute("SELECT count(*) FROM cases").fetchone() == (1000,)  # 999 and the highest number
    again = open_store(url)
    assert (len(again.cases.held), again.cases.held[5], again.cases.held[1000], again.cases.highest) == (
        999,
        b"another",
        b"case 1000",
        1000,
    )
    assert 6 not in again.cases.held
    assert (again.penalties.held, again.penalties.highest, again.hours.held) == ({7: b"penalty"}, 7, {})
    again.close()


def test_what_a_checkpoint_that_failed_should_have_written_is_written_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store(f"sqlite:///{tmp_path}/state.db")
    store.cases.put(1, b"one")
    with monkeypatch.context() as patched:
        patched.setattr(store._file, "commit", _refuses)
        with pytest.raises(OSError, match="no room"):
            asyncio.run(store.checkpoint(counted=1, open_from=1, highest_id=1))
    store.cases.put(2, b"two")
    store.checkpoint_now(counted=1, open_from=1, highest_id=1)
    store.close()
    again = open_store(f"sqlite:///{tmp_path}/state.db")
    assert again.cases.held == {1: b"one", 2: b"two"}
    again.close()


def _refuses(values: object) -> None:
    raise OSError("no room")


def test_what_changes_while_a_checkpoint_is_written_is_of_the_next() -> None:
    papers = DeskRecords()
    papers.put(1, b"a")
    papers.freeze()
    papers.put(2, b"b")
    assert papers.collect(10) == [(0, (2).to_bytes(8, "big")), (1, b"a")]
    papers.thaw(True)
    papers.freeze()
    assert sorted(papers.collect(1) + papers.collect(1)) == [(0, (2).to_bytes(8, "big")), (2, b"b")]
