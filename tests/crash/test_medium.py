"""medium: what a power loss leaves is what was promised, whatever the process was doing then; and a gate whose first moments it ended
starts again."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from proxy.state.checkpoint import CheckpointFile
from tests import forked
from tests.crash.medium import SHADOW, Medium, lose_names_and_octets, lose_power, lose_store
from tests.crash.start_that_dies import DEATH, start, write


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
        for name in ("fsync", "fdatasync", "unlink", "remove", "rename", "replace"):
            made.setattr(os, name, getattr(os, name))
        made.setattr(CheckpointFile, "commit", CheckpointFile.commit)
        yield made


@pytest.mark.parametrize("file", ["state.db", "state.db-wal"])
def test_a_store_is_as_of_its_last_whole_commit_when_the_copy_of_the_next_is_cut_off(
    tmp_path: Path, patch: pytest.MonkeyPatch, file: str
) -> None:
    medium = Medium(tmp_path, tmp_path / SHADOW)
    medium.watch()
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
    lose_power(tmp_path, tmp_path / SHADOW, medium.kept(), Least())
    again, found = start(tmp_path)
    assert found.written == 1
    again.close()
    store.close()


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
        kept = json.loads((root / DEATH).read_text())
        lose_names_and_octets(root, root / SHADOW, kept, of_journal)
        lose_store(root, root / SHADOW, kept, of_store)
        store, journal = start(root)
        write(journal)
        journal.close()
        store.close()
    assert nth > 10, "each sync and each name is a moment"
