"""The guide's statements give right answers in DuckDB.

`make clickhouse` asks ClickHouse.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from grafana.boards.journal import columns, statement
from proxy.archive import manifest
from tests.archive import engines
from tests.archive.engines import SQL, answers, duck, questions, two_nodes
from tests.archive.journals import Shelf
from tests.commands import app
from tests.harness import SHANGHAI

PAGE = SQL.parent / "many-machines.md"


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> tuple[Shelf, int]:
    return two_nodes(tmp_path_factory.mktemp("nodes"))


def test_all_nodes_are_read_as_one_and_every_question_has_an_answer(nodes: tuple[Shelf, int]) -> None:
    shelf, person = nodes
    engine = duck(shelf)
    rows = sum(file.rows for node in (0, 1) for file in shelf.manifest(node).files())
    assert engine.execute("SELECT count(*), count(DISTINCT node) FROM journal").fetchone() == (rows, 2)
    found = answers(engine, shelf, person)
    assert [name for name, told in found.items() if not told] == []
    assert {one["node"] for one in found["person"]} == {0, 1}
    assert [(one["provider"], one["persons"], one["refused"] > 0) for one in found["signature"]] == [("jia", 4, True)]
    assert [one["advertiser"] for one in found["caps-by-advertiser"]] == ["甲店有限公司"]
    assert [(one["node"], one["holes"]) for one in found["coverage"]] == [(0, 0), (1, 0)]
    assert [(one["port"], one["refusals"]) for one in found["opt-outs"]] == [("1069001", 1)]
    assert next((one["sent_by"], one["soonest_ms"]) for one in found["opt-out-effect"]) == ("jia", 60_000)
    assert {one["delivered"] for one in found["receipts"]} == {1}


def test_the_journal_s_board_knows_the_columns_of_every_answer(nodes: tuple[Shelf, int]) -> None:
    shelf, person = nodes
    found = answers(duck(shelf), shelf, person)
    assert {name: columns(statement(name)) for name in found} == {name: list(told[0]) for name, told in found.items()}


def test_the_questions_of_other_days_have_other_answers(nodes: tuple[Shelf, int]) -> None:
    shelf, person = nodes
    engine = duck(shelf)
    found = [answers(engine, shelf, person, days) for days in engines.PERIODS]
    same = {name for name in found[0] if all(one[name] == found[0][name] for one in found)}
    assert same == {"coverage", "person"}


def test_a_file_that_no_manifest_names_is_not_read_and_a_table_that_is_missing_is_a_hole(tmp_path: Path) -> None:
    shelf, person = two_nodes(tmp_path)
    engine = duck(shelf)
    before = engine.execute("SELECT count(*) FROM journal").fetchone()
    folder = manifest.node_folder(shelf.folder, 0)
    kept = shelf.manifest()
    there = folder / kept.tables[0].files[0].name
    (folder / "hours" / "00000000000000999999.parquet").write_bytes(there.read_bytes())
    assert engine.execute("SELECT count(*) FROM journal").fetchone() == before
    del kept.tables[1]
    kept.write(folder)
    assert {one["node"]: one["holes"] for one in answers(engine, shelf, person)["coverage"]} == {0: 1, 1: 0}


def test_a_person_is_called_in_the_tables_what_the_command_says_and_it_is_written_down(tmp_path: Path) -> None:
    shelf, person = two_nodes(tmp_path)
    config = tmp_path / "gate106.yaml"
    config.write_text(f"store: sqlite:///{tmp_path}/state.db\njournal: {tmp_path}/journal\n")
    done = CliRunner().invoke(app, ["journal", "hash-number", f"+86 {SHANGHAI}", "--why", "case 4711", "--config", str(config)])
    assert (done.exit_code, done.output) == (0, f"{person}\n"), done.output
    assert list((shelf.folder / "looked").glob("*.journal"))
    for words in (["139", "--why", "x"], [str(SHANGHAI), "--why", " "]):
        refused = CliRunner().invoke(app, ["journal", "hash-number", *words, "--config", str(config)])
        assert (refused.exit_code, refused.output.startswith("gate106: ")) == (2, True), refused.output


def test_the_guide_shows_the_statements_that_are_tried() -> None:
    page = PAGE.read_text("utf-8")
    shown = re.findall(r"```sql\n(.*?)```", page, re.DOTALL)
    tried = {path.read_text("utf-8") for path in SQL.rglob("*.sql")}
    assert set(shown) <= tried
    assert {
        (SQL / "clickhouse" / f"{name}.sql").read_text("utf-8") for name in ("files", "rows", "loaded", "load-a-day")
    } <= set(shown)
    linked = set(re.findall(r"\]\(sql/([\w/-]+\.sql)\)", page))
    assert linked == {str(path.relative_to(SQL)) for path in SQL.rglob("*.sql")}
    assert len(questions()) >= 10
    assert engines.VIEWS == ("files", "rows", "advertisers")
