"""The overview page shows the gate's counters in both languages."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.console.world import Browser, World

Open = Callable[..., Browser]


@pytest.mark.parametrize(
    ("language", "words"),
    [("zh", ["放行", "规则命中", "运营商链路"]), ("en", ["Allowed", "Rules that objected", "Carrier links"])],
)
def test_it_shows_what_the_gate_has_counted(language: str, words: list[str], world: World, browser: Open) -> None:
    here = browser("wu", language)
    world.harness.sampling.now = {}
    text = here.get("/").text
    for said in (*words, "jia", "beijing-ban", "1 / 1"):
        assert said in text, said
    assert 'hx-trigger="every 2s"' in text


def test_its_renewed_part_is_that_part_alone(browser: Open) -> None:
    text = browser("wu").part("/today/live").text
    assert text.lstrip().startswith('<div id="live"')
    assert "<html" not in text


def test_a_rule_s_name_is_no_markup(world: World, browser: Open) -> None:
    sampling = world.harness.sampling
    browser("wu").get("/")
    before = sampling.now
    sampling.now = {**before, "rules": [["<b>x</b>\u202e", 3]], "sent_after_optout": 1}
    try:
        text = browser("wu").part("/today/live").text
    finally:
        sampling.now = before
    assert "&lt;b&gt;x&lt;/b&gt;" in text
    assert "\u202e" not in text
    assert "tile bad" in text


def test_what_waits_for_somebody_stands_there_with_what_the_gate_says_of_itself(world: World, browser: Open) -> None:
    world.ask("chen", "penalty.propose", provider="yi", step="warn", why="by hand")
    world.ask("chen", "stop", province=["北京"], for_s=3600, why="tonight")
    text = browser("wu").part("/today/waits").text
    assert "项处罚等待审批" in text
    assert "北京" in text
    assert "stop-1：省份 北京，至 " in text
    assert "（chen：tonight）" in text
    assert "province 北京, until" in browser("wu", "en").part("/today/waits").text
    assert "网关暂不接收" not in text
    (stop,) = [one["name"] for one in world.ask("chen", "stop.list")["orders"] if one["why"] == "tonight"]
    world.ask("chen", "stop.lift", id=stop, why="over")
    assert "tonight" not in browser("wu").part("/today/waits").text
