"""A real gate says how old its map of number segments is, and takes newer tables."""

from __future__ import annotations

import json
import struct
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.desk.regions.operations import OLD_S, merged_map, notes
from proxy.policy.loading.load_rules import load
from proxy.policy.registries.regions import Regions, dated_s
from tests.console.world import AD, Browser, World, token_of
from tests.e2e.gate import run
from tests.policy.conftest import Write, write

NEW = "15400000500"
__all__ = ["write"]
TABLE = "号段,省份,城市\n1540000-1540009,北京市,北京市\n1540010,河北,雄安\n"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    found = World(tmp_path_factory.mktemp("regions"), revisions={"four_eyes": True})
    try:
        yield found
    finally:
        found.stop()


def command(world: World, *argv: str | Path, code: int = 0) -> str:
    """What a command prints, to the end of its errors."""
    done = run(*argv, "--config", world.gate.config)
    assert done.returncode == code, done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def chen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands are chen's."""
    token = tmp_path / "token"
    token.write_text(token_of("chen"))
    token.chmod(0o600)
    monkeypatch.setenv("GATE106_TOKEN_FILE", str(token))


def test_it_says_how_old_the_map_is_and_what_it_knows_of_each_prefix(world: World) -> None:
    answer = world.ask("wu", "regions")
    assert (answer["date"], answer["segments"]) == ("2025-02", 517_258)
    assert answer["age_days"] == int((time.time() - dated_s("2025-02")) / 86_400)
    assert [(one["source"], one["segments"]) for one in answer["sources"]] == [
        ("phone.dat", 499_060),
        ("data-wise-location", 18_198),
    ]
    prefixes = {one["prefix"]: one for one in answer["prefixes"]}
    assert (prefixes["192"]["segments"], prefixes["138"]["share"]) == (9_388, 1.0)


def test_it_says_how_much_of_the_traffic_goes_to_unknown_regions(world: World) -> None:
    before = world.ask("wu", "regions")["traffic"]
    world.send("jia", NEW, AD)
    world.send("jia", "13800210500", AD)
    after = world.ask("wu", "regions")["traffic"]
    assert (after["messages"] - before["messages"], after["unknown"] - before["unknown"]) == (2, 1)
    assert (
        merged_map([{"traffic": before}, {"traffic": after}])["traffic"]["messages"] == before["messages"] + after["messages"]
    )


@pytest.mark.parametrize("said", ["13800100500", "+86 138 0010 0500", "1380010"])
def test_a_number_has_an_answer_and_the_table_that_it_comes_from(world: World, said: str) -> None:
    answer = world.ask("wu", "regions.number", number=said)
    assert (answer["segment"], answer["province"], answer["source"], answer["date"]) == (
        "1380010",
        "北京",
        "phone.dat",
        "2023-12",
    )
    assert "13800100500" not in json.dumps(answer)


def test_a_number_that_no_table_has_has_no_source(world: World) -> None:
    assert world.ask("wu", "regions.number", number=NEW)["source"] == ""
    assert "no table has segment 1540000" in command(world, "regions", "find", NEW)


def test_what_is_no_number_is_refused(world: World) -> None:
    assert "number: " in command(world, "regions", "find", "010-12345678", code=2)


def test_a_table_is_proposed_and_in_force_when_a_second_person_approves_it(world: World, chen: None, tmp_path: Path) -> None:
    table = tmp_path / "new.csv"
    table.write_bytes(TABLE.encode("gb18030"))
    would = command(world, "regions", "import", table, "--date", "2026-11", "--why", "x", "--check")
    assert would.startswith("new.csv: 11 segments would be new")
    said = command(
        world, "regions", "import", table, "--date", "2026-11", "--source", "network department", "--why", "table of November"
    )
    assert "11 segments are new, 0 are in another province" in said
    assert "waits for a second person" in said
    again = command(world, "regions", "import", table, "--date", "2026-11", "--why", "again")
    assert "compared with the set that waits for a second person" in again
    assert world.ask("wu", "regions.number", number=NEW)["source"] == "", "not yet"
    proposed = world.ask("wu", "rules")["proposed"]["revision"]
    world.ask("lin", "rules.approve", revision=proposed)
    answer = world.ask("wu", "regions.number", number=NEW)
    assert (answer["province"], answer["source"], answer["date"]) == ("北京", "network department", "2026-11")
    assert world.ask("wu", "regions")["date"] == "2025-02", "so few segments make the map no younger"
    assert "nothing is to be proposed" in command(world, "regions", "import", table, "--date", "2026-11", "--why", "again")


def test_a_carriers_row_says_what_it_takes_the_place_of(world: World, chen: None, tmp_path: Path) -> None:
    entries = struct.pack("<iiB", 1380029, 8, 1)
    record = "河北|雄安|1|0312".encode() + b"\0"
    (tmp_path / "phone.dat").write_bytes(b"2611" + struct.pack("<i", 8 + len(record)) + record + entries)
    assert "1 are in another province" in command(world, "regions", "import", tmp_path / "phone.dat", "--why", "x")
    world.ask("lin", "rules.approve", revision=world.ask("wu", "rules")["proposed"]["revision"])
    answer = world.ask("wu", "regions.number", number="1380029")
    assert (answer["province"], answer["source"]) == ("河北", "phone.dat")
    (before,) = answer["instead_of"]
    assert (before["province"], before["date"]) == ("陕西", "2023-12")


def test_with_any_bad_row_nothing_is_proposed(world: World, chen: None, tmp_path: Path) -> None:
    table = tmp_path / "bad.csv"
    table.write_text(TABLE + "1540011,火星,\n154,河北,\n")
    said = command(world, "regions", "import", table, "--why", "x", code=2)
    assert "bad.csv:4: province: unknown province '火星'" in said
    assert "bad.csv:5: segment: '154' is not the first 7 digits" in said
    assert "bad.csv: 2 bad rows: nothing was done" in said
    assert not world.ask("wu", "rules")["proposed"]


def test_bad_rows_are_left_out_where_that_is_asked_for(world: World, chen: None, tmp_path: Path) -> None:
    table = tmp_path / "bad.csv"
    table.write_text(
        "segment,province,city\n1540200,北京,北京\n1540200,北京,北京\n1540201,火星,\n1540202,北京\n" + '1540203,"北京,北京\n'
    )
    assert "3 bad rows: nothing was done" in command(world, "regions", "import", table, "--why", "x", "--check", code=2)
    said = command(world, "regions", "import", table, "--why", "x", "--check", "--skip-bad")
    assert "bad.csv: 1 segments would be new" in said
    for line in (
        "bad.csv:3: warning: segment: 1540200 stands in line 2, too",
        "bad.csv:4: province",
        "bad.csv:5: 2 columns",
        "bad.csv:6: no CSV",
    ):
        assert line in said
    assert "3 bad rows were left out" in said


def test_two_tables_are_compared_without_a_gate(world: World, tmp_path: Path) -> None:
    old, new = tmp_path / "old.csv", tmp_path / "new.csv"
    old.write_text("1540000,河北,雄安\n1540001,河北,雄安\n")
    new.write_text("1540000,北京,北京\n1540002,北京,北京\n")
    answer = json.loads(command(world, "regions", "diff", old, new, "--json", code=1))
    assert {name: answer[name] for name in ("added", "moved", "cities", "gone")} == {
        "added": 1,
        "moved": 1,
        "cities": 0,
        "gone": 1,
    }
    assert (answer["added_by_province"], answer["added_by_prefix"]) == ({"北京": 1}, {"154": 1})
    assert {"segment": 1540000, "before": "河北 雄安", "after": "北京 北京"} in answer["segments"]
    assert {"segment": 1540001, "before": "河北 雄安", "after": "unknown unknown"} in answer["segments"]
    assert (answer["before"]["prefixes"], answer["after"]["segments"]) == ({"154": 2}, 2)
    assert "0 new, 0 in another province" in command(world, "regions", "diff", old, old)
    back = json.loads(command(world, "regions", "diff", new, old, "--json", code=1))
    assert (back["added"], back["moved"], back["gone"], back["gone_by_prefix"]) == (1, 1, 1, {"154": 1})
    old.write_text("1540000,江苏,南京\n1540001,江苏,南京\n")
    new.write_text("1540000,江苏,苏州\n")
    told = command(world, "regions", "diff", old, new, code=1)
    assert "0 new, 0 in another province, 1 in another city, 1 not in the second" in told
    assert "1540000  江苏 南京 → 江苏 苏州" in told
    assert "1540001  江苏 南京 → unknown unknown" in told


def test_against_the_map_what_a_table_lacks_is_only_counted(world: World, tmp_path: Path) -> None:
    table = tmp_path / "new.csv"
    table.write_text("1540000,北京,北京\n")
    told = command(world, "regions", "diff", table, code=1)
    assert "1 new, 0 in another province, 0 in another city, 517," in told
    assert [line for line in told.splitlines() if "→" in line][1:] == ["1540000  unknown unknown → 北京 北京"]


def test_tables_with_bad_rows_are_compared_and_the_rows_are_named(world: World, tmp_path: Path) -> None:
    old, new = tmp_path / "old.csv", tmp_path / "new.csv"
    old.write_bytes("号段表;;\n号段;省份;城市;运营商\n1540000;苏;南京市;移动\n154001;苏;南京市;移动\n".encode("gbk"))
    new.write_text("\ufeff1540000,江苏,南京\n1540002,火星,\n1540003,江苏,南京\n")
    told = command(world, "regions", "diff", old, new, code=2)
    for line in (
        "old.csv: columns that are not read: 运营商", "old.csv:4: segment: '154001' is not the first 7 digits", "new.csv:2: province",
        "1 new, 0 in another province, 0 in another city, 0 not in the second",
    ):  # fmt: skip
        assert line in told
    assert "new by prefix: 154 1" in command(world, "regions", "diff", old, new, "--skip-bad", code=1)


# -- the page


def test_the_page_shows_the_map_and_answers_about_a_number(world: World) -> None:
    for language, words in (("zh", ("号段归属地", "来自哪些表")), ("en", ("Number segments", "Coverage by prefix"))):
        text = Browser(world, "wu", language).get("/regions").text
        assert all(word in text for word in words)
    answer = Browser(world, "wu").post("/regions/number", number="13800100500")
    assert (answer.status_code, "北京" in answer.text, "13800100500" in answer.text) == (200, True, False)
    assert Browser(world, "wu").post("/regions/number", number="12").status_code == 409


def test_a_table_is_proposed_on_the_page_or_its_bad_rows_are_shown(world: World) -> None:
    browser = Browser(world, "chen")
    bad = browser.post("/regions/import", files={"file": ("b.csv", b"1540100,nowhere,\n")}, date="2026-11", why="x")
    assert (bad.status_code, "b.csv 第 1 行" in bad.text) == (409, True)
    answer = browser.post("/regions/import", files={"file": ("c.csv", "1540100,河北,雄安\n".encode())}, date="2026-11", why="x")
    assert (answer.status_code, answer.headers["location"]) == (303, "/proposal")
    world.ask("lin", "rules.reject", revision=world.ask("wu", "rules")["proposed"]["revision"], why="x")
    assert Browser(world, "wu").post("/regions/import", files={"file": ("c.csv", b"")}, why="x").status_code == 403


# -- health


def test_an_old_map_is_noted_where_a_rule_asks_the_region(write: Write) -> None:
    asks = load(
        write("rules: [{id: a, say: x, when: {category: marketing, province: 北京}, then: reject, reason: region-ban}]")
    )
    other = load(write("rules: [{id: a, say: x, when: {category: marketing}, then: reject, reason: region-ban}]"))
    made = dated_s(Regions.load().date)
    assert notes(asks, made + OLD_S - 1) == notes(other, made + 2 * OLD_S) == []
    (note,) = notes(asks, made + OLD_S)
    assert (
        note
        == "regions: the map of number segments is of 2025-02: about 3.0% of the segments in use are missing (gate106 regions import)"
    )


def test_metrics_have_the_maps_date(world: World) -> None:
    assert world.gate.metric("gate106_regions_date_timestamp_seconds") >= dated_s("2025-02")
