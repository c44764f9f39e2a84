"""The pictures of the README: of the boards as they are now, of a run in which Prometheus was really asked, small, and where texts look
for them."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml

from grafana.boards.panels import fitting_bars
from grafana.boards.words import Tongue
from grafana.trial.asking import board, panels
from grafana.trial.page import page
from grafana.trial.recording import FILE, NAMES, load, save
from grafana.trial.units import shown

TOP = Path(__file__).parent.parent.parent
EACH = [(name, say) for name in NAMES for say in Tongue]
TEXTS = [TOP / "README.md", TOP / "grafana" / "README.md", TOP / "grafana" / "runbook.md"]

both = pytest.mark.parametrize(("name", "say"), EACH, ids=lambda value: value if isinstance(value, str) else value.value)


@pytest.mark.parametrize("name", NAMES)
def test_the_recorded_run_was_asked_what_the_boards_ask_now(name: str) -> None:
    recorded = load().answers[name]
    asked = {panel["id"]: [target["expr"] for target in panel["targets"]] for panel in panels(board(name, "en"))}
    assert {number: [one.expr for one in said] for number, said in recorded.items()} == asked, "make recording pictures"


def test_what_is_saved_is_loaded_again(tmp_path: Path) -> None:
    recording = load()
    save(recording, tmp_path / "again")
    assert load(tmp_path / "again").start == recording.start
    assert gzip.decompress((tmp_path / "again").read_bytes()) == gzip.decompress(FILE.read_bytes())
    assert recording.end - recording.start > 60
    moving = [
        one
        for of in recording.answers.values()
        for said in of.values()
        for one in said
        if any(series.moves for series in one.series)
    ]
    assert len(moving) > 75


@both
def test_every_panel_is_on_its_page_and_every_tag_is_closed(name: str, say: Tongue) -> None:
    html, height = page(name, say.value, load())
    of = board(name, say.value)
    titles = [panel["title"] for panel in of["panels"]]
    assert re.findall(r"<h[23][^>]*>([^<]+)</h", html.replace("&#x27;", "'")) == titles
    assert height < 3600
    assert not re.search('[>" ]nan', html), "a number that is none"
    assert "<script" not in html

    class Open(HTMLParser):
        tags: list[str] = []  # noqa: RUF012  # one instance

        def handle_starttag(self, tag: str, attrs: object) -> None:
            if tag != "meta":
                self.tags.append(tag)

        def handle_endtag(self, tag: str) -> None:
            assert self.tags.pop() == tag

    parser = Open()
    parser.feed(html)
    assert parser.tags == []


@pytest.mark.parametrize("name", NAMES)
def test_no_bar_covers_the_name_of_another(name: str) -> None:
    recorded = load().answers[name]
    for panel in panels(board(name, "en")):
        if panel["type"] == "bargauge":
            shown_bars = sum(len(one.series) for one in recorded[panel["id"]])
            assert shown_bars <= fitting_bars(panel["gridPos"]["h"]), panel["title"]


@both
def test_a_picture_is_there_and_small(name: str, say: Tongue) -> None:
    data = (TOP / "grafana" / "pictures" / f"{name}-{say.value}.png").read_bytes()
    assert data.startswith(b"\x89PNG")
    assert len(data) < 300_000


def _links() -> Iterator[tuple[Path, str]]:
    for path in TEXTS:
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[\w-]+)?\)", path.read_text(encoding="utf-8")):
            yield path, target


def test_texts_link_to_what_is_there() -> None:
    links = list(_links())
    assert len(links) > 20
    for path, target in links:
        assert (path.parent / target).exists(), f"{path.name}: {target}"
    for path in (TOP / "grafana" / "pictures").glob("*.png"):
        assert any(target.endswith(path.name) for _, target in links), path.name


def test_the_README_lists_every_alert_as_it_is() -> None:
    rules = yaml.safe_load((TOP / "grafana" / "prometheus" / "rules" / "alerts.yml").read_text())
    wanted = [
        (rule["alert"], rule["labels"]["severity"], rule["labels"]["team"])
        for group in rules["groups"]
        for rule in group["rules"]
    ]
    text = (TOP / "grafana" / "README.md").read_text(encoding="utf-8")
    found = re.findall(r"^\| \[`(\w+)`\]\(runbook\.md#(\w+)\) \| .+ \| (\w+) \| (\w+) \|$", text, re.MULTILINE)
    assert [(name, severity, team) for name, _, severity, team in found] == wanted
    assert all(anchor == name.lower() for name, anchor, _, _ in found)


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0, "s", "0 s"),
        (0.00025, "s", "250 µs"),
        (0.0453, "s", "45.3 ms"),
        (1.5, "s", "1.5 s"),
        (600, "s", "10 min"),
        (90 * 86400, "s", "90 d"),
        (0.665, "percentunit", "66.5 %"),
        (1536, "Bps", "1.5 KiB/s"),
        (80 << 20, "bytes", "80 MiB"),
        (56.7, "suffix: 条/秒", "56.7 条/秒"),
        (1234, "short", "1,234"),
        (250_000, "short", "250 K"),
        (float("nan"), "s", "—"),
    ],
)
def test_a_number_is_shown_in_its_unit(value: float, unit: str, text: str) -> None:
    assert shown(value, unit) == text
