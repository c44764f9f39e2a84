"""Earlier rule sets are stored completely or not at all, for their owner only."""

from __future__ import annotations

import os
import stat
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from proxy.policy.loading.load_rules import load_all
from proxy.runtime.shipped_files import shipped
from proxy.state.revision_store import HALF_S, RevisionStore

FILES = {"caps.yaml": b"rules: []\n", "lists/deep/words.txt": "词\n".encode()}


def revision(number: int) -> str:
    return f"{number:016x}"


@pytest.fixture
def kept(tmp_path: Path) -> RevisionStore:
    return RevisionStore(tmp_path / "revisions", 2)


def test_a_set_that_ships_is_the_same_when_it_is_read_from_what_is_kept(kept: RevisionStore) -> None:
    loaded = load_all(shipped("rules"))
    kept.save(loaded.rules.revision, loaded.files)
    again = load_all(kept.path(loaded.rules.revision))
    assert again.rules.revision == loaded.rules.revision
    assert again.contents == loaded.contents
    assert [rule.file for rule in again.rules.rules] == [rule.file for rule in loaded.rules.rules]


def test_nobody_else_may_read_them(kept: RevisionStore) -> None:
    kept.save(revision(1), FILES)
    for path in (kept.folder, *kept.folder.rglob("*")):
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode == (0o700 if path.is_dir() else 0o600), path


def test_a_set_is_there_whole_or_not_at_all(kept: RevisionStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", full)
        with pytest.raises(OSError, match="No space"):
            kept.save(revision(1), FILES)
    assert not kept.has(revision(1))
    kept.save(revision(1), FILES)
    assert (kept.path(revision(1)) / "lists/deep/words.txt").read_bytes() == FILES["lists/deep/words.txt"]
    assert [one.name for one in kept.folder.iterdir()] == [revision(1)], "what was half written is gone"


def test_of_several_who_save_a_set_at_once_none_fails_and_it_is_whole(kept: RevisionStore) -> None:
    at_once, rounds = 3, 20
    files = FILES | {f"lists/{number}.txt": b"%d\n" % number for number in range(5)}
    together = threading.Barrier(at_once, timeout=10)

    def save(_: int) -> list[list[str]]:
        """What each time was there when it was said to be."""
        found = []
        for number in range(rounds):
            together.wait()
            kept.save(revision(number), files)
            found.append(sorted(kept.files(revision(number))))
        return found

    with ThreadPoolExecutor(at_once) as pool:
        for found in pool.map(save, range(at_once)):
            assert found == [sorted(files)] * rounds
    assert all(kept.files(revision(number)) == files for number in range(rounds))
    assert sorted(one.name for one in kept.folder.iterdir()) == [revision(number) for number in range(rounds)]


def test_what_a_kill_left_half_written_goes_and_what_another_is_writing_stays(kept: RevisionStore) -> None:
    left, young = (kept.folder / f".{revision(1)}.{name}.half" for name in ("left", "young"))
    for half in (left, young):
        (half / "rules").mkdir(parents=True)
    long_ago = time.time() - HALF_S - 1
    os.utime(left, (long_ago, long_ago))
    kept.save(revision(2), FILES)
    assert (left.exists(), young.exists()) == (False, True)
    assert kept.all() == [revision(2)]


def test_what_has_not_changed_is_not_written_again_and_stays_when_the_older_set_goes(kept: RevisionStore) -> None:
    kept.save(revision(1), FILES)
    kept.save(revision(2), {**FILES, "caps.yaml": b"rules: [ ]"})
    words = [kept.path(revision(number)) / "lists/deep/words.txt" for number in (1, 2)]
    assert words[0].samefile(words[1])
    assert not (kept.path(revision(1)) / "caps.yaml").samefile(kept.path(revision(2)) / "caps.yaml")
    kept.remove(revision(1))
    assert kept.files(revision(2)) == {**FILES, "caps.yaml": b"rules: [ ]"}


def test_a_file_that_somebody_altered_in_an_older_set_is_not_taken_over(kept: RevisionStore) -> None:
    kept.save(revision(1), FILES)
    (kept.path(revision(1)) / "caps.yaml").write_bytes(b"rules: {}\n")  # as long as it was
    kept.save(revision(2), FILES)
    assert kept.files(revision(2)) == FILES


def test_the_oldest_go_and_what_is_needed_stays(kept: RevisionStore) -> None:
    for number in range(6):
        kept.save(revision(number), FILES)
        os.utime(kept.folder / revision(number), (number, number))
    (kept.folder / "notes").mkdir()
    kept.save(revision(1), FILES)  # in force again: the youngest
    kept.forget({revision(0), ""})
    assert sorted(one.name for one in kept.folder.iterdir()) == [*map(revision, (0, 1, 5)), "notes"]


def test_nothing_is_kept_under_no_name(kept: RevisionStore) -> None:
    assert not kept.has("")
    kept.forget(set())
