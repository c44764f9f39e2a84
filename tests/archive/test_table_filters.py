"""Bloom filters skip only tables without matches; a missing or altered filter hides nothing silently."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.archive import manifest, parquet, table_filters, verification
from proxy.archive.coverage import LocalJournal
from proxy.archive.manifest import TableFile
from proxy.archive.query import PersonRow, Query
from proxy.archive.search import SearchResult, find
from proxy.archive.secret_keys import ArchiveKeys
from tests.archive.journals import DAY, Shelf, busy, nights
from tests.examples import examples
from tests.harness import NOON, SHANGHAI, Harness

TEXT = st.text(alphabet="上新贷款退订回复Rab09 .【】", max_size=24)


def ask(harness: Harness, shelf: Shelf, thorough: bool = False, **asked: Any) -> SearchResult:
    return find(
        shelf.folder, [LocalJournal(harness.disk, 0)], shelf.keys, Query(**asked).checked(), NOON + 10 * DAY, thorough=thorough
    )


def table_of(folder: Path, rows: list[PersonRow]) -> tuple[Path, TableFile]:
    keys = ArchiveKeys(folder.parent / "keys", make=True)
    (file,) = parquet.write(folder / "t.parquet", folder, parquet.batches(rows, 0, keys))
    path = folder / file.name
    table_filters.path_of(path).write_bytes(table_filters.pack(path, file))
    return path, file


def holds(path: Path, file: TableFile, **asked: Any) -> bool:
    return table_filters.may_contain(path, file, table_filters.query_words(Query(**asked)))


@settings(max_examples=examples(30))
@given(texts=st.lists(TEXT, min_size=1, max_size=5), start=st.integers(0, 24), size=st.integers(1, 24))
def test_no_piece_of_a_text_is_ever_passed_over(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str], start: int, size: int
) -> None:
    rows = [
        PersonRow(
            SHANGHAI,
            1,
            number + 1,
            0,
            "verdict",
            "jia",
            "jia",
            "1069001234",
            "reject",
            "keyword",
            signature=text[:9],
            text=text,
        )
        for number, text in enumerate(texts)
    ]
    path, file = table_of(tmp_path_factory.mktemp("table") / "a", rows)
    for text in texts:
        assert holds(path, file, text=text[start : start + size])
        assert holds(path, file, signature=text[:9][start : start + size])
    assert table_filters.may_contain(
        path, file, [table_filters.person_word(ArchiveKeys(path.parents[1] / "keys").person(SHANGHAI))]
    )
    assert not table_filters.may_contain(
        path, file, [table_filters.person_word(ArchiveKeys(path.parents[1] / "keys").person(SHANGHAI + 1))]
    )
    assert holds(path, file, sender="1069001234"[start % 10 :][:size], provider="jia", verdict="reject", reason="keyword")


@pytest.mark.parametrize(
    "asked",
    [
        {"text": "没有人说过"},
        {"text": "贷款"},
        {"text": "上新 t.cn/Zz9Yy8"},
        {"signature": "乙"},
        {"signature": "甲商店"},
        {"sender": "1068"},
        {"sender": "10690077"},
        {"provider": "yi"},
        {"verdict": "defer"},
        {"reason": "keyword"},
        {"provider": "yi", "reason": "recipient-cap"},
    ],
)
def test_what_nobody_said_is_answered_without_opening_a_table(harness: Harness, shelf: Shelf, asked: dict[str, Any]) -> None:
    nights(harness)
    shelf.roll(harness.disk, harness.now)
    found = ask(harness, shelf, **asked)
    assert (found.hits, found.passed_over) == ([], len(found.covered.files))
    assert ask(harness, shelf, thorough=True, **asked).passed_over == 0


@pytest.mark.parametrize(
    "asked", [{"text": "第11号上"}, {"text": "新 "}, {"signature": "甲"}, {"sender": "69001"}, {"verdict": "allow"}]
)
def test_what_somebody_said_is_found_all_the_same(harness: Harness, shelf: Shelf, asked: dict[str, Any]) -> None:
    nights(harness)
    shelf.roll(harness.disk, harness.now)
    assert ask(harness, shelf, **asked).hits == ask(harness, shelf, thorough=True, **asked).hits != []


def test_of_a_person_only_tables_are_opened_that_may_have_them(harness: Harness, shelf: Shelf) -> None:
    nights(harness, people=2)
    busy(harness, 2, people=3, start=14)
    shelf.roll(harness.disk, harness.now)
    found = ask(harness, shelf, to=SHANGHAI + 2)
    assert found.passed_over == len(found.covered.files) - 1
    assert found.hits == ask(harness, shelf, thorough=True, to=SHANGHAI + 2).hits != []
    assert ask(harness, shelf, to=SHANGHAI).passed_over == 0


def test_a_provider_and_a_reason_that_never_met_are_known_not_to_have(tmp_path: Path) -> None:
    rows = [
        PersonRow(SHANGHAI, 1, 1, 0, "verdict", "jia", outcome="reject", reason="keyword"),
        PersonRow(SHANGHAI, 1, 2, 0, "verdict", "yi", outcome="reject", reason="suppressed"),
    ]
    path, file = table_of(tmp_path / "a", rows)
    assert holds(path, file, provider="jia", reason="keyword")
    assert not holds(path, file, provider="jia", reason="suppressed")


def test_only_what_providers_sent_counts_not_what_people_wrote(tmp_path: Path) -> None:
    path, file = table_of(tmp_path / "a", [PersonRow(SHANGHAI, 1, 1, 0, "reply", "jia", text="不要再发了")])
    assert not holds(path, file, text="不要再发了")


def test_a_filter_is_as_large_as_its_words_need(tmp_path: Path) -> None:
    def octets(name: str, count: int) -> int:
        rows = [PersonRow(SHANGHAI, 1, number + 1, 0, "verdict", text=f"{number * 7919:012x}") for number in range(count)]
        path, _ = table_of(tmp_path / name, rows)
        return table_filters.path_of(path).stat().st_size

    assert octets("few", 3) == 4096 + 32
    assert 16_384 < octets("many", 10_000) < 131_072


# -- gone, damaged, of another


def damaged(path: Path, how: str) -> None:
    data = path.read_bytes()
    if how == "gone":
        path.unlink()
    else:
        path.write_bytes(
            {
                "empty": b"",
                "cut": data[:-1],
                "head": data[:10],
                "magic": b"X" + data[1:],
                "digest": data[:16] + bytes(16) + data[32:],
            }[how]
        )


@pytest.mark.parametrize("how", ["gone", "empty", "cut", "head", "magic", "digest"])
def test_a_filter_that_cannot_be_used_hides_nothing_and_verify_names_it(harness: Harness, shelf: Shelf, how: str) -> None:
    busy(harness, 4)
    shelf.roll(harness.disk, harness.now)
    table = shelf.manifest().tables[1]
    path = table_filters.path_of(shelf.folder / "node-0" / table.files[0].name)
    damaged(path, how)
    assert ask(harness, shelf, text="第1号").hits
    assert ask(harness, shelf, text="没有人说过").passed_over == len(shelf.manifest().tables) - 1
    (proved,) = verification.verify_tables(shelf.folder, {harness.disk.identity(): harness.disk}, shelf.keys)
    assert [str(path) in fault for fault in proved.faults] == [True]


def test_bits_that_somebody_cleared_are_named_by_verify_and_not_believed_by_prove(harness: Harness, shelf: Shelf) -> None:
    busy(harness, 4)
    shelf.roll(harness.disk, harness.now)
    for file in shelf.manifest().files():
        path = table_filters.path_of(shelf.folder / "node-0" / file.name)
        path.write_bytes(path.read_bytes()[:32] + bytes(path.stat().st_size - 32))
    assert ask(harness, shelf, text="第1号").hits == []
    assert ask(harness, shelf, thorough=True, text="第1号").hits
    (proved,) = verification.verify_tables(shelf.folder, {harness.disk.identity(): harness.disk}, shelf.keys)
    assert len(proved.faults) == len(shelf.manifest().tables)
    for fault in proved.faults:
        assert "`gate106 journal roll` makes it anew" in fault


def test_tables_of_a_gate_that_made_no_filters_get_them_with_the_next_roll(harness: Harness, shelf: Shelf) -> None:
    nights(harness)
    shelf.roll(harness.disk, harness.now)
    whole = shelf.manifest()
    for path in shelf.folder.rglob(f"*{table_filters.SUFFIX}"):
        path.unlink()
    kept = shelf.manifest()
    kept.blooms = {}
    kept.write(manifest.node_folder(shelf.folder, 0))
    assert ask(harness, shelf, text="第11号").hits
    assert ask(harness, shelf, text="没有人说过").passed_over == 0
    shelf.roll(harness.disk, harness.now)
    assert (shelf.manifest(), shelf.files()) == (whole, shelf.named())
