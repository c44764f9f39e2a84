"""Alerts: Prometheus' own tools accept them and see each fire and stay quiet; people find what to do; Alertmanager knows whom to tell."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.needs import needs, path_of

HOUSE = Path(__file__).parent.parent.parent / "grafana"
PROMETHEUS, ALERTMANAGER = HOUSE / "prometheus", HOUSE / "alertmanager" / "alertmanager.yml"
ALERTS: dict[str, dict[str, Any]] = {
    rule["alert"]: rule
    for group in yaml.load((PROMETHEUS / "rules" / "alerts.yml").read_text(), yaml.CSafeLoader)["groups"]
    for rule in group["rules"]
}
ASKED_FOR = """
CarrierLinkDown WindowSaturated QueueFull Slow StoreDown JournalLag ChainBroken RulesNotLoaded RulesApart UnknownRegion RegionsOld SentAfterOptout MailboxOld
OptoutSpike RefusalSpike BindFailures ClockJumped CertificateExpires JudgeErrors Down
"""


CASES = ("alerts.yml", "spikes.yml")
TESTS = [yaml.load((PROMETHEUS / "tests" / name).read_text(), yaml.CSafeLoader) for name in CASES]


def about(case: dict[str, Any]) -> str:
    """Which alert a case of promtool's is about: one each."""
    (test,) = case["alert_rule_test"]
    return str(test["alertname"])


def run(program: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    found = path_of(program)
    assert found is not None
    memory = {"TMPDIR": "/dev/shm"} if os.access("/dev/shm", os.W_OK) else {}  # promtool syncs what it then throws away
    memory["GOGC"] = "400"  # memory is plenty for what ends so soon; collecting it was a third of the time
    command = [found, *map(str, arguments)]
    return subprocess.run(command, env=os.environ | memory, capture_output=True, text=True, timeout=100, check=False)


@needs("prometheus")
def test_promtool_accepts_settings_and_rules() -> None:
    done = run("promtool", "check", "config", PROMETHEUS / "prometheus.yml")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("rules found") == len(list((PROMETHEUS / "rules").glob("*.yml"))), "prometheus.yml reads them all"


def tried_alone(folder: Path, expression: str, tells: Callable[[bool], bool]) -> subprocess.CompletedProcess[str]:
    """What promtool says of each alert with this expression (``{}``: its own), on those of its cases that tell: by whether it should fire.
    Without the others, because a case is about one alert, and all of them would be computed for it."""
    (folder / "rules").mkdir()
    (folder / "tests").mkdir()
    shutil.copy(PROMETHEUS / "rules" / "recording.yml", folder / "rules")
    for place, file in enumerate(TESTS):
        for name in {about(case) for case in file["tests"]}:
            rule = ALERTS[name] | {"expr": expression.format(ALERTS[name]["expr"])}
            (folder / "rules" / f"{name}.yml").write_text(yaml.safe_dump({"groups": [{"name": "alone", "rules": [rule]}]}))
            telling = [
                case for case in file["tests"] if about(case) == name and tells(bool(case["alert_rule_test"][0]["exp_alerts"]))
            ]
            alone = file | {"rule_files": [f"../rules/{name}.yml", "../rules/recording.yml"], "tests": telling}
            (folder / "tests" / f"{place}-{name}.yml").write_text(yaml.safe_dump(alone))
    return run("promtool", "test", "rules", *sorted((folder / "tests").glob("*.yml")))


@needs("prometheus")
def test_every_alert_fires_when_it_should_and_only_then(tmp_path: Path) -> None:
    for done in (
        tried_alone(tmp_path, "{}", lambda fires: True),
        run("promtool", "test", "rules", PROMETHEUS / "tests" / "recording.yml"),
    ):
        assert done.returncode == 0, done.stdout + done.stderr


@needs("prometheus")
@pytest.mark.parametrize(
    ("spoilt", "fires"), [("vector(1) < 0", False), ("vector(1) or ({})", True)], ids=["never fires", "always fires"]
)
def test_an_alert_that_never_fires_or_always_does_is_found(spoilt: str, fires: bool, tmp_path: Path) -> None:
    """The test above is only worth something if it notices."""
    done = tried_alone(tmp_path, spoilt, lambda should: should is not fires)
    found = re.findall(r"alertname: (\w+)", done.stdout + done.stderr)
    assert set(found) == set(ALERTS)


def test_every_alert_is_tested_firing_and_quiet() -> None:
    seen = {(about(case), bool(case["alert_rule_test"][0]["exp_alerts"])) for file in TESTS for case in file["tests"]}
    assert seen == {(name, fires) for name in ALERTS for fires in (True, False)}


def test_all_that_was_asked_for_is_there() -> None:
    assert {f"Gate106{name}" for name in ASKED_FOR.split()} <= set(ALERTS)


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_says_what_how_urgent_whose_and_where_to_read_on(name: str) -> None:
    rule = ALERTS[name]
    assert rule["labels"].keys() == {"severity", "team"}
    assert rule["labels"]["severity"] in ("page", "ticket")
    assert rule["labels"]["team"] in ("operations", "compliance")
    texts = rule["annotations"]
    assert texts.keys() == {"summary", "summary_zh", "description", "runbook_url"}
    assert re.search("[一-鿿]", texts["summary_zh"])
    assert texts["description"].endswith(".")
    assert texts["runbook_url"] == f"grafana/runbook.md#{name.lower()}"


def test_the_runbook_has_a_section_for_every_alert_and_no_other() -> None:
    text = (HOUSE / "runbook.md").read_text(encoding="utf-8")
    parts = re.split(r"^## (\w+)\n", text, flags=re.MULTILINE)
    sections = dict(zip(parts[1::2], parts[2::2], strict=True))
    assert list(sections) == list(ALERTS) or sorted(sections) == sorted(ALERTS)
    for name, body in sections.items():
        labels = ALERTS[name]["labels"]
        assert f"*{labels['severity'].capitalize()}, {labels['team']}.*" in body, name
        assert "**Look at**" in body, name
        assert "**Do**" in body, name
        for target in re.findall(r"\]\(#(\w+)\)", body):
            assert target in {section.lower() for section in sections}


def test_panels_and_boards_that_the_runbook_names_are_there() -> None:
    text = (HOUSE / "runbook.md").read_text(encoding="utf-8")
    boards = {path.stem.capitalize(): path.read_text(encoding="utf-8") for path in (HOUSE / "dashboards" / "en").glob("*.json")}
    everywhere = "".join(boards.values())
    for name, panel in re.findall(r'\b(Overview|Compliance|Provider)[,:] "([^"]+)"', " ".join(text.split())):
        assert f'"title": "{panel}"' in boards[name], panel
    for panel in re.findall(
        r'"((?:Links|Queue|Providers|Binds|Mailbox|Rules in force|Rate and limit|What became of them)[^"]*)"', text
    ):
        assert f'"title": "{panel}"' in everywhere, panel


# --- Alertmanager


@needs("alertmanager")
def test_amtool_accepts_the_example() -> None:
    done = run("amtool", "check-config", ALERTMANAGER)
    assert done.returncode == 0, done.stdout + done.stderr


@needs("alertmanager")
@pytest.mark.parametrize(
    ("severity", "team", "receiver"),
    [
        ("page", "operations", "operations-page"),
        ("page", "compliance", "compliance-page"),
        ("ticket", "operations", "operations-tickets"),
        ("ticket", "compliance", "compliance-tickets"),
    ],
)
def test_whom_an_alert_reaches(severity: str, team: str, receiver: str) -> None:
    done = run("amtool", "config", "routes", "test", f"--config.file={ALERTMANAGER}", f"severity={severity}", f"team={team}")
    assert done.stdout.split() == [receiver]


def test_what_the_example_holds_back_are_alerts_that_exist() -> None:
    text = ALERTMANAGER.read_text()
    for name in re.findall(r"Gate106\w+", text):
        assert name in ALERTS
    assert set(re.findall(r"[\w-]+@([\w.]+)|://([\w.]+)", text)) <= {("example.com", ""), ("", "pager.example.com")}
