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
from grafana.boards.words import Tongue
from grafana.boards.writing import BOARDS, files
from grafana.trial.asking import board, panels
from grafana.trial.staging import Everything

HOUSE = Path(__file__).parent.parent.parent / "grafana"
EACH = [(name, say) for name in BOARDS for say in Tongue]
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


def queries(of: dict[str, Any]) -> list[str]:
    asked = [target["expr"] for panel in panels(of) for target in panel["targets"]]
    asked += [variable["query"]["query"] for variable in of["templating"]["list"] if variable["type"] == "query"]
    return asked + [mark["expr"] for mark in of["annotations"]["list"]]


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
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
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
    assert used | {"datasource"} == variables


@both
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
