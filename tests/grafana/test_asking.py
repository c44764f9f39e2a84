"""Variables are filled in as Grafana fills them in, and times and addresses of the committed settings fit together."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from grafana.trial.asking import Window, fill

HOUSE = Path(__file__).parent.parent.parent / "grafana"
HOUR = Window(start=0, end=3600, step_s=15, scrape_s=15)


def test_a_choice_stands_where_its_variable_stood() -> None:
    assert fill('x{a="$a", b=~"${b}", c=~"${c:regex}"}', {"a": "1", "b": ".*", "c": "z"}, HOUR) == 'x{a="1", b=~".*", c=~"z"}'


def test_several_choices_are_alternatives_in_which_nothing_is_a_pattern() -> None:
    assert fill('x{a=~"$a"}', {"a": ["gate:9106", "b.c"]}, HOUR) == 'x{a=~"(gate:9106|b\\\\.c)"}'


def test_a_name_is_read_to_its_end() -> None:
    assert fill("$ab $a", {"a": "1", "ab": "2"}, HOUR) == "2 1"


def test_the_window_of_a_rate_is_four_scrapes_at_least() -> None:
    assert fill("[$__rate_interval] [$__interval] [$__range]", {}, HOUR) == "[60s] [15s] [3600s]"
    assert fill("[$__rate_interval]", {}, Window(0, 86400, 120, 15)) == "[135s]"


def test_a_variable_that_the_board_does_not_have_is_an_error() -> None:
    with pytest.raises(KeyError, match="nowhere"):
        fill("$nowhere", {"a": "1"}, HOUR)


def test_Grafana_knows_how_often_Prometheus_asks() -> None:
    source = yaml.safe_load((HOUSE / "provisioning" / "datasources" / "prometheus.yml").read_text())["datasources"][0]
    settings = yaml.safe_load((HOUSE / "prometheus" / "prometheus.yml").read_text())
    assert source["jsonData"]["timeInterval"] == settings["global"]["scrape_interval"]


def test_Grafana_finds_each_language() -> None:
    providers = yaml.safe_load((HOUSE / "provisioning" / "dashboards" / "gate106.yml").read_text())["providers"]
    assert {Path(one["options"]["path"]).name for one in providers} == {path.name for path in (HOUSE / "dashboards").iterdir()}
