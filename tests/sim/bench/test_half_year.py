"""A journal at rest made for measuring: as the archiver writes it, continued after a kill, and open to questions."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.archive import manifest, search, verification
from proxy.archive.query import Query
from proxy.archive.secret_keys import ArchiveKeys
from tests.bench import half_year
from tests.bench.half_year import FIRST_NUMBER, JournalSize

SIZE = JournalSize(3000, 3, 1)


class Killed(BaseException):
    pass


def test_it_is_whole_and_can_be_asked_and_goes_on_where_it_was_killed(tmp_path: Path) -> None:
    told = 0

    def kill(text: str) -> None:
        nonlocal told
        told += 1
        if told == 20:
            raise Killed

    with pytest.raises(Killed):
        half_year.make(tmp_path, SIZE, kill)
    before = manifest.load(tmp_path / "archive" / "node-0").tables
    half_year.make(tmp_path, SIZE, lambda text: None)
    tables = manifest.load(tmp_path / "archive" / "node-0").tables
    assert tables[: len(before)] == before
    assert [table.whole_day for table in tables] == [True] * 2 + [False] * 24
    keys = ArchiveKeys(tmp_path / "keys")
    assert [one.faults for one in verification.verify_tables(tmp_path / "archive", {}, keys)] == [()]
    assert sum(file.rows for file in manifest.load(tmp_path / "archive" / "node-0").files()) == pytest.approx(
        SIZE.rows, rel=0.05
    )
    found = search.find(tmp_path / "archive", [], keys, Query(to=FIRST_NUMBER).checked(), 2e9)
    assert found.hits
    assert {keys.unseal(hit.sealed) for hit in found.hits} == {FIRST_NUMBER}
    assert all(len(hit.fates) == 2 for hit in found.hits if hit.verdict == "allow")
    assert found.covered.faults == ()
