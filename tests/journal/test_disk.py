"""The page cache used by the journal is bounded, and the newest data stays in it."""

from __future__ import annotations

import os
from collections import defaultdict
from pathlib import Path

import pytest

from proxy.journal import disk
from proxy.journal.disk import PREALLOCATED_BYTES, OsDisk

PIECE = bytes(100_000)
SEGMENT = 2 << 20


class Told:
    """What the system was told that nobody needs, by file, as (from, to); it is told in earnest."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.gone: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
        self._tell = os.posix_fadvise
        monkeypatch.setattr(os, "posix_fadvise", self._told)

    def _told(self, file: int, at: int, size: int, what: int) -> None:
        assert what == os.POSIX_FADV_DONTNEED
        self.gone[Path(f"/proc/self/fd/{file}").readlink().name].append((at, at + size))
        self._tell(file, at, size, what)


def written(there: OsDisk, name: str, size: int = SEGMENT) -> int:
    """A segment, synced and let go of; its octets."""
    offset = 0
    while offset < size:
        there.append(name, offset, PIECE)
        there.sync(name)
        offset += len(PIECE)
    there.release(name)
    return offset


def test_what_lies_behind_is_let_go_of_in_pieces_the_eldest_first_and_the_newest_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk, "PAGE_CACHE_BYTES_MAX", 3 * SEGMENT)
    told = Told(monkeypatch)
    there = OsDisk(tmp_path)
    sizes = {name: written(there, name) for name in (f"{number}.journal" for number in range(8))}
    held = [path for one in Path("/proc/self/fd").iterdir() if (path := one.resolve()).parent == tmp_path]
    assert not held, "what a roller removes, or an erasure writes anew, is gone"
    there.close()
    names = list(sizes)
    assert list(told.gone) == names[: len(told.gone)], "the eldest first"
    for name in names[:4]:
        spans = told.gone[name]
        assert [start for start, _ in spans[1:]] == [end for _, end in spans[:-1]], "all of it, and nothing twice"
        assert (spans[0][0], spans[-1][1]) == (0, sizes[name])
        assert max(end - start for start, end in spans) <= PREALLOCATED_BYTES, "in pieces: nobody waits for a segment"
    left = sum(sizes.values()) - sum(end - start for spans in told.gone.values() for start, end in spans)
    assert 3 * SEGMENT - 2 * PREALLOCATED_BYTES <= left <= 3 * SEGMENT + 2 * PREALLOCATED_BYTES


def test_a_segment_that_a_roller_has_removed_is_in_nobodys_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "PAGE_CACHE_BYTES_MAX", SEGMENT)
    told = Told(monkeypatch)
    there = OsDisk(tmp_path)
    written(there, "0.journal")
    (tmp_path / "0.journal").unlink()
    for number in range(1, 5):
        written(there, f"{number}.journal")
    there.close()
    assert list(told.gone)[:2] == ["1.journal", "2.journal"]
    assert [len(there.read(f"{number}.journal")) for number in (1, 4)] == [SEGMENT // len(PIECE) * len(PIECE) + len(PIECE)] * 2


def test_where_all_fits_nothing_is_let_go_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = Told(monkeypatch)
    there = OsDisk(tmp_path)
    for number in range(3):
        written(there, f"{number}.journal")
    there.close()
    assert not told.gone
