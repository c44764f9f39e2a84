"""Every panel of every board, asked of a real Prometheus that reads a real gate under the demo's traffic."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from rich.console import Console

from grafana.trial.asking import board, choices, fill, first, panels
from grafana.trial.prometheus import Series
from grafana.trial.recording import NAMES
from grafana.trial.staging import Staged, staged
from proxy.sim import scenario
from proxy.sim.gate_process import CHINA
from tests.needs import needs

pytestmark = needs("prometheus")

SECONDS = 20
STILL = {
    ("overview", "Sent after opt-out", "A"): "must stay 0: the demo fails if it does not",
    ("overview", "Alerts firing", "A"): "nothing in the demo is wrong for long enough",
    ("overview", "Store conflicts", "A"): "the embedded store has one writer",
    ("overview", "Clock jump", "A"): "the machine's clock does not jump",
    ("overview", "Silence of other gates", "A"): "the demo has one gate",
    ("overview", "Records between gates", "A"): "the demo has one gate",
    ("overview", "Records between gates", "B"): "the demo has one gate",
    ("overview", "Records between gates", "C"): "the demo has one gate",
    ("overview", "Certificate", "A"): "the demo speaks no TLS",
    ("overview", "Journal heads", "A"): "no day ends in the demo",
    ("overview", "Binds refused", "A"): "the demo's providers know their passwords",
    ("overview", "Faults of the gate", "A"): "no fault is known",
    ("overview", "Faults of the gate", "B"): "the disk keeps up",
    ("compliance", "Sent after opt-out", "A"): "must stay 0",
    ("compliance", "Rules loaded anew", "A"): "the demo changes no rule",
    ("compliance", "All rules in shadow", "A"): "nobody orders it",
    ("compliance", "Stops in force", "A"): "nobody orders one",
    ("compliance", "Providers suspended", "A"): "nobody orders it",
    ("compliance", "Valid complaints in a million", "A"): "nobody in the demo complains",
    ("compliance", "Complaints decided", "A"): "nobody in the demo complains",
    ("compliance", "Overdue complaints", "A"): "nobody in the demo complains",
    ("compliance", "Overdue proofs", "A"): "no consents are imported in the demo",
    ("compliance", "Penalties in force", "A"): "nobody in the demo is penalized",
    ("compliance", "Penalties waiting", "A"): "nobody in the demo is penalized",
    ("provider", "Suspended", "A"): "nobody orders it",
    ("provider", "Binds refused", "A"): "the demo's providers know their passwords",
    ("provider", "Refusals and restores", "B"): "nobody in the demo takes a refusal back",
    ("provider", "Refusals and restores", "C"): "nobody in the demo is asked for consent",
    ("provider", "Dropped and returned", "A"): "nobody is away for days",
    ("provider", "Dropped and returned", "B"): "the disk keeps up",
}
"""Queries, by board and panel, that the demo leaves at 0 or empty, and why. The gate beside it, in which everything happens, moves them."""
BY_CHANCE = {
    ("overview", "Journal lag", "A"): "0 unless a reading falls between a write and its sync",
    ("overview", "Queue", "A"): "full for half a second: a reading may miss it",
}


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Staged]:
    out = io.StringIO()
    with staged(SECONDS, tmp_path_factory.mktemp("trial"), Console(file=out)) as found:
        yield found


class Answer(NamedTuple):
    board: str
    number: int
    title: str
    kind: str
    query: str
    series: list[Series]

    @property
    def moves(self) -> bool:
        return any(series.moves for series in self.series)

    @property
    def key(self) -> tuple[str, str, str]:
        return self.board, self.title, self.query


def answers(stage: Staged, name: str, chosen: dict[str, Any]) -> Iterator[Answer]:
    """What each query of each panel shows."""
    window = stage.window
    for panel in panels(board(name, "en")):
        for target in panel["targets"]:
            expr = fill(target["expr"], chosen, window)
            series = stage.prometheus.over(expr, window.start, window.end, window.step_s)
            yield Answer(name, panel["id"], panel["title"], panel["type"], target["refId"], series)


def offers(stage: Staged, name: str) -> dict[str, list[str]]:
    return {variable["name"]: values for variable, values in choices(board(name, "en"), stage.prometheus, stage.window)}


def opened(stage: Staged, name: str) -> dict[str, Any]:
    """A board as it opens, for the gate with the demo's traffic."""
    stands = {
        variable["name"]: first(variable, values)
        for variable, values in choices(board(name, "en"), stage.prometheus, stage.window)
    }
    return stands | {"instance": stage.gate}


def test_variables_offer_what_the_demo_has(stage: Staged) -> None:
    actors = {actor.name for actor in scenario.scenario(SECONDS, 1, datetime.now(CHINA)).actors}
    assert set(offers(stage, "overview")["provider"]) == actors | {"provider"}
    assert set(offers(stage, "overview")["carrier"]) == {"bj", "carrier"}
    assert set(offers(stage, "overview")["instance"]) == {stage.gate, stage.everything}
    found = offers(stage, "compliance")
    assert {"北京", "广东"} <= set(found["province"])
    assert {"beijing-marketing-ban", "suppressed", "daily-cap"} <= set(found["rule"])


@pytest.mark.parametrize("name", ["overview", "compliance"])
def test_every_panel_shows_the_demo(stage: Staged, name: str) -> None:
    for answer in answers(stage, name, opened(stage, name)):
        if answer.key in STILL:
            assert not answer.moves, f"{answer.key} moves: it need not be excused any more"
        elif answer.key not in BY_CHANCE:
            assert answer.moves, f"{answer.key} shows nothing"


def test_every_panel_of_a_provider_shows_one_of_the_demo(stage: Staged) -> None:
    seen: dict[tuple[str, str, str], bool] = {}
    for provider in offers(stage, "provider")["provider"]:
        if provider != "provider":  # of the gate in which everything happens
            for answer in answers(stage, "provider", opened(stage, "provider") | {"provider": provider}):
                seen[answer.key] = seen.get(answer.key, False) or answer.moves
    assert {key for key, moves in seen.items() if not moves} == {key for key in STILL if key[0] == "provider"}


@pytest.mark.parametrize("name", NAMES)
def test_where_everything_happens_every_panel_shows_it(stage: Staged, name: str) -> None:
    chosen = opened(stage, name) | {"instance": stage.everything}
    if name == "provider":
        chosen["provider"] = "provider"
    for answer in answers(stage, name, chosen):
        assert answer.moves, f"{answer.key} shows nothing"


@pytest.mark.parametrize("name", NAMES)
def test_several_gates_at_once_and_marks_on_the_time_line_are_understood(stage: Staged, name: str) -> None:
    of, window = board(name, "en"), stage.window
    chosen = opened(stage, name) | {"instance": [stage.gate, stage.everything]}
    chosen["provider"] = "provider" if name == "provider" else ["yunqi", "provider"]
    for answer in answers(stage, name, chosen):
        assert answer.moves, answer.key
    for mark in of["annotations"]["list"]:
        assert stage.prometheus.over(fill(mark["expr"], chosen, window), window.start, window.end, 1)


@pytest.mark.parametrize("name", NAMES)
def test_a_figure_is_one_number(stage: Staged, name: str) -> None:
    """Two series would be two figures side by side."""
    for answer in answers(stage, name, opened(stage, name)):
        if answer.kind == "stat":
            assert len(answer.series) <= 1, answer.key


def test_rules_are_evaluated_without_a_fault_and_an_alert_fires_by_itself(stage: Staged) -> None:
    rules = stage.prometheus.rules()
    assert [(rule["name"], rule.get("lastError")) for rule in rules if rule["health"] != "ok"] == []
    fired = stage.prometheus.over('ALERTS{alertstate="firing"}', stage.window.start, stage.window.end, 1)
    by_gate: dict[str, set[str]] = {}
    for series in fired:
        by_gate.setdefault(series.labels["instance"], set()).add(series.labels["alertname"])
    assert {"Gate106JudgeErrors", "Gate106SentAfterOptout"} <= by_gate[stage.everything]
    assert stage.gate not in by_gate, "nothing in the demo is worth waking somebody"


def test_the_rules_and_the_settings_are_the_committed_ones(stage: Staged) -> None:
    harness = Path(__file__).parent.parent.parent / "grafana" / "prometheus"
    files = {rule["name"] for rule in stage.prometheus.rules()}
    for path in (harness / "rules").glob("*.yml"):
        for line in path.read_text().splitlines():
            if line.strip().startswith(("- alert: ", "- record: ")):
                assert line.split(": ")[1] in files
