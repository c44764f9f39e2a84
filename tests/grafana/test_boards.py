"""The boards as files: they are what the generator makes, Grafana's own models read them, both languages say the same, and every
metric they name exists."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard
from prometheus_client.parser import text_string_to_metric_families

from grafana.boards.frame import titles, uid
from grafana.boards.journal import EXAMPLES, QUESTIONS
from grafana.boards.words import Tongue
from grafana.boards.writing import BOARDS, files
from grafana.trial.asking import board, panels
from grafana.trial.staging import Everything

HOUSE = Path(__file__).parent.parent.parent / "grafana"
EACH = [(name, say) for name in BOARDS for say in Tongue]
SOURCES = dict.fromkeys(BOARDS, ("prometheus", "datasource")) | {"journal": ("grafana-clickhouse-datasource", "clickhouse")}
"""The kind of data source that each board asks, and the variable that chooses it."""
CHINESE = re.compile("[一-鿿]")
METRIC = re.compile(r"\b(?:\w+:)?(?:gate106|process)_\w+(?::\w+)?\b")
RULES = {path.name: yaml.safe_load(path.read_text()) for path in sorted((HOUSE / "prometheus" / "rules").glob("*.yml"))}
RECORDED = {
    rule["record"]: rule["expr"]
    for file in RULES.values()
    for group in file["groups"]
    for rule in group["rules"]
    if "record" in rule
}
ALERTS = [rule for file in RULES.values() for group in file["groups"] for rule in group["rules"] if "alert" in rule]

both = pytest.mark.parametrize(("name", "say"), EACH, ids=lambda value: value if isinstance(value, str) else value.value)
of_metrics = pytest.mark.parametrize(("name", "say"), [one for one in EACH if SOURCES[one[0]][0] == "prometheus"])


def queries(of: dict[str, Any]) -> list[str]:
    asked = [target.get("expr") or target["rawSql"] for panel in panels(of) for target in panel["targets"]]
    asked += [variable["query"]["query"] for variable in of["templating"]["list"] if variable["type"] == "query"]
    return asked + [mark["expr"] for mark in of["annotations"].get("list", [])]


def named(expr: str) -> set[str]:
    """Metrics of ours in an expression, histograms by their own name."""
    bare = re.sub(r'"[^"]*"', '""', expr)
    return {re.sub(r"(?<=_seconds)_(bucket|sum|count)$", "", name) for name in METRIC.findall(bare) if name != "gate106_"}


def exposed() -> set[str]:
    """Every metric a gate shows (test_documented has the same from the tables)."""
    families = text_string_to_metric_families(Everything().metrics())
    samples = {sample.name for family in families for sample in family.samples}
    return {re.sub(r"(?<=_seconds)_(bucket|sum|count)$", "", name) for name in samples}


def test_the_files_are_what_the_generator_makes() -> None:
    wanted = files()
    assert {path for path in (HOUSE / "dashboards").rglob("*") if path.is_file()} == set(wanted)
    for path, text in wanted.items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name} is old: make grafana"


@both
def test_the_models_of_Grafana_read_them_and_write_the_same(name: str, say: Tongue) -> None:
    register_default_plugins()
    written = board(name, say.value)
    assert json.loads(json.dumps(Dashboard.from_json(written), cls=JSONEncoder)) == written


@pytest.mark.parametrize("name", BOARDS)
def test_both_languages_ask_and_show_the_same_in_other_words(name: str) -> None:
    zh, en = board(name, "zh"), board(name, "en")
    assert queries(zh) == queries(en)
    for one, other in zip(zh["panels"], en["panels"], strict=True):
        assert (one["type"], one.get("gridPos"), one.get("id")) == (other["type"], other.get("gridPos"), other.get("id"))
        for panel, chinese in ((one, True), (other, False)):
            assert bool(CHINESE.search(panel["title"] + panel.get("description", ""))) is chinese, panel["title"]
    for of, chinese in ((zh, True), (en, False)):
        assert bool(CHINESE.search(of["description"])) is chinese
        for variable in of["templating"]["list"]:
            assert bool(CHINESE.search(variable["label"])) is chinese


@both
def test_every_panel_says_what_it_shows_in_which_unit(name: str, say: Tongue) -> None:
    seen = set()
    for panel in panels(board(name, say.value)):
        assert panel["title"]
        assert panel["description"].endswith((".", "。")), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        kind, chosen = SOURCES[name]
        assert panel["datasource"] == {"type": kind, "uid": f"${{{chosen}}}"}
        assert panel["targets"]
        seen.add(panel["id"])
    assert len(seen) == len(panels(board(name, say.value)))


@both
def test_panels_fill_their_rows_and_none_covers_another(name: str, say: Tongue) -> None:
    taken: dict[tuple[int, int], str] = {}
    for panel in board(name, say.value)["panels"]:
        place = panel["gridPos"]
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert 0 <= x < 24
                assert taken.setdefault((x, y), panel["title"]) == panel["title"]
    assert len(taken) == 24 * (max(y for _, y in taken) + 1), "there is a hole"


@both
def test_links_lead_to_boards_that_are_there(name: str, say: Tongue) -> None:
    of = board(name, say.value)
    there = {uid(tongue, other) for tongue in Tongue for other in titles(tongue)}
    assert of["uid"] in there
    links = [link["url"] for link in of["links"]]
    links += [link["url"] for panel in panels(of) for link in panel["fieldConfig"]["defaults"].get("links", [])]
    assert {link.removeprefix("/d/").split("?")[0] for link in links} <= there
    siblings = {uid(say, other) for other in titles(say)} | {uid(say.other, name)}
    assert {link["url"].removeprefix("/d/") for link in of["links"]} == siblings - {of["uid"]}
    assert all(link["includeVars"] and link["keepTime"] for link in of["links"])


@both
def test_every_variable_is_used_and_none_is_missing(name: str, say: Tongue) -> None:
    of = board(name, say.value)
    variables = {variable["name"] for variable in of["templating"]["list"]}
    used = {match for expr in queries(of) for match in re.findall(r"\$\{?(\w+)", expr) if not match.startswith("__")}
    assert used | {SOURCES[name][1]} == variables


@of_metrics
def test_every_query_is_of_the_gates_that_were_chosen(name: str, say: Tongue) -> None:
    for panel in panels(board(name, say.value)):
        for target in panel["targets"]:
            selectors = re.findall(r"\{([^}]*)\}", re.sub(r"\$\{\w+\}", "", target["expr"]))
            assert selectors
            assert all('instance=~"$instance"' in selector for selector in selectors), target["expr"]


def test_every_metric_that_is_named_exists() -> None:
    known = exposed()
    for name, say in EACH:
        for expr in queries(board(name, say.value)):
            assert named(expr) <= known | set(RECORDED), expr
    for expr in (*RECORDED.values(), *(rule["expr"] for rule in ALERTS)):
        assert named(expr) <= known | set(RECORDED), expr


def test_every_metric_of_the_gate_is_on_a_board_or_in_an_alert() -> None:
    asked = {metric for name in BOARDS for expr in queries(board(name, "en")) for metric in named(expr)}
    asked |= {metric for expr in (*RECORDED.values(), *(rule["expr"] for rule in ALERTS)) for metric in named(expr)}
    unseen = {metric for metric in exposed() if metric.startswith("gate106_")} - asked
    assert unseen == set()


def test_what_is_computed_in_advance_is_asked_for() -> None:
    asked = [expr for name in BOARDS for expr in queries(board(name, "en"))]
    asked += [*RECORDED.values(), *(rule["expr"] for rule in ALERTS)]
    for record in RECORDED:
        assert any(record in named(expr) for expr in asked), record


@both
def test_thresholds_rise(name: str, say: Tongue) -> None:
    for panel in panels(board(name, say.value)):
        steps = panel["fieldConfig"]["defaults"].get("thresholds", {}).get("steps", [])
        values = [step["value"] for step in steps]
        assert values[:1] in ([], [None])
        assert all(low < high for low, high in pairwise(values[1:]))


def test_the_journal_s_board_asks_every_question_of_the_guide_that_is_not_about_files() -> None:
    asked = queries(board("journal", "zh"))
    guide = {path.stem: path.read_text("utf-8") for path in QUESTIONS.glob("*.sql") if path.stem != "coverage"}
    for example, instead in EXAMPLES.items():
        assert any(example in said for said in guide.values()), f"no statement has {example}"
        asked = [sql.replace(instead, example) for sql in asked]
    bare = ["\n".join(line for line in said.splitlines() if not line.startswith("--")) for said in guide.values()]
    assert sorted(re.sub(">= '2026-11-01'", "BETWEEN '2026-11-01' AND '2026-11-30'", sql) for sql in bare) == sorted(asked)


def test_the_journal_s_board_has_no_example_of_the_guide_left_and_a_heading_for_each_column() -> None:
    for panel in panels(board("journal", "zh")):
        (target,) = panel["targets"]
        assert not re.search(r"'20\d\d-|上新|甲店|\d{10}", target["rawSql"].replace("281474976710656", "")), panel["title"]
        assert (target["format"], target["editorType"], target["datasource"]) == (1, "sql", panel["datasource"])
        headings = [one["properties"][0]["value"] for one in panel["fieldConfig"]["overrides"]]
        assert headings
        assert all(CHINESE.search(heading) for heading in headings)


def test_a_Grafana_without_the_plugin_of_ClickHouse_is_given_Prometheus_only() -> None:
    folder = HOUSE / "provisioning" / "datasources"
    kinds = {path.name: [one["type"] for one in yaml.safe_load(path.read_text())["datasources"]] for path in folder.iterdir()}
    assert {name: kind for name, kind in kinds.items() if name.endswith((".yml", ".yaml"))} == {
        "prometheus.yml": ["prometheus"]
    }
    assert kinds["clickhouse.yml.example"] == ["grafana-clickhouse-datasource"]
