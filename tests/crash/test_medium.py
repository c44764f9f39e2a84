"""medium: what a power loss leaves is what was promised, whatever the process was doing then; and a gate whose first moments it ended
starts again."""

from __future__ import annotations

import os
import random
import shutil
import signal
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from proxy.state.embedded.checkpoint import CheckpointFile
from tests import forked
from tests.crash.medium import REACHED, SHADOW, Kept, Medium, lose_names_and_octets, lose_power, lose_store
from tests.crash.places import Death, Plan
from tests.crash.start_that_dies import start, write


class Died(BaseException):
    """The process ends here."""


class Least(random.Random):
    """A system that keeps what it promised, and nothing else."""

    def random(self) -> float:
        return 0.0


class Most(random.Random):
    """A system that keeps all that it was given."""

    def random(self) -> float:
        return 0.999_999


@pytest.fixture
def patch() -> Iterator[pytest.MonkeyPatch]:
    """The medium's own patches are undone with it."""
    with pytest.MonkeyPatch.context() as made:
        for name in ("fsync", "fdatasync", "unlink", "remove", "rename", "replace", "ftruncate"):
            made.setattr(os, name, getattr(os, name))
        made.setattr(CheckpointFile, "commit", CheckpointFile.commit)
        yield made


@pytest.mark.parametrize("file", ["state.db", "state.db-wal"])
def test_a_store_is_as_of_its_last_whole_commit_when_the_copy_of_the_next_is_cut_off(
    tmp_path: Path, patch: pytest.MonkeyPatch, file: str
) -> None:
    Medium(tmp_path, tmp_path / SHADOW).watch()
    store, journal = start(tmp_path)
    write(journal)
    copy = shutil.copy

    def dies(source: Path, target: Path) -> None:
        copy(source, target)
        if source.name == file:
            os.truncate(target, target.stat().st_size // 2)
            raise Died

    patch.setattr(shutil, "copy", dies)
    with pytest.raises(Died):
        store.pin("another", "thing")
    patch.undo()
    lose_power(tmp_path, tmp_path / SHADOW, Least())
    again, found = start(tmp_path)
    assert found.written == 1
    again.close()
    store.close()


def test_what_other_threads_do_until_a_dying_process_is_gone_counts(tmp_path: Path, patch: pytest.MonkeyPatch) -> None:
    """They may sync, and somebody may be told, when the death is written down already."""
    Medium(tmp_path, tmp_path / SHADOW).watch()
    store, journal = start(tmp_path)
    death = Death(Plan("checkpoint-written", 1, str(tmp_path / "death.json")), from_start=True)
    patch.setattr(os, "kill", lambda *_: write(journal))
    death.occurs()
    patch.undo()
    lose_power(tmp_path, tmp_path / SHADOW, Least())
    again, found = start(tmp_path)
    assert found.written == 1
    again.close()
    store.close()


def test_a_sync_that_ends_after_a_later_one_takes_nothing_back_and_a_cut_does(
    tmp_path: Path, patch: pytest.MonkeyPatch
) -> None:
    Medium(tmp_path, tmp_path / SHADOW).watch()
    (tmp_path / "journal").mkdir()
    file = os.open(tmp_path / "journal" / "segment", os.O_RDWR | os.O_CREAT)
    inode = os.fstat(file).st_ino
    os.write(file, b"123")
    os.fdatasync(file)
    os.write(file, b"456")
    assert Kept.of(tmp_path / SHADOW).sizes[inode] == 3
    os.fdatasync(file)
    with (tmp_path / SHADOW / REACHED).open("a") as reached:
        reached.write(f'["synced", {inode}, 3]\n')
    assert Kept.of(tmp_path / SHADOW).sizes[inode] == 6
    os.ftruncate(file, 4)
    os.write(file, b"78")
    assert Kept.of(tmp_path / SHADOW).sizes[inode] == 4
    os.close(file)


@pytest.mark.parametrize("of_journal", [Least(), Most()], ids=["what was promised of the journal", "all of the journal"])
@pytest.mark.parametrize("of_store", [Least(), Most()], ids=["what was committed of the store", "all of the store"])
def test_a_gate_starts_again_whenever_in_its_first_moments_the_power_went_and_left(
    tmp_path: Path, of_journal: random.Random, of_store: random.Random
) -> None:
    for nth in count(1):
        root = tmp_path / str(nth)
        root.mkdir()
        with (tmp_path / "said").open("ab") as said:
            process = forked.begun("tests.crash.start_that_dies", [str(root), str(nth)], cwd=root, env=os.environ, log=said)
        code = process.wait()
        if code == 0:
            break
        assert code == -signal.SIGKILL, (tmp_path / "said").read_text()
        lose_names_and_octets(root, root / SHADOW, of_journal)
        lose_store(root, root / SHADOW, of_store)
        store, journal = start(root)
        write(journal)
        journal.close()
        store.close()
    assert nth > 10, "each sync and each name is a moment"
