"""The overview page shows the gate's counters in both languages."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from proxy.console.gate_client import Ran
from proxy.desk.today.page import _rows
from tests.console.world import AD, Browser, World
from tests.e2e.gate import BEIJING

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


def test_rules_have_their_titles_and_their_ids_where_one_points(world: World, browser: Open) -> None:
    world.send("jia", BEIJING.format(3), AD)
    world.harness.sampling.now = {}
    text = browser("wu").get("/").text
    assert '<a href="/rules/rule/beijing-ban" title="beijing-ban">北京归属地号码不得接收</a>' in text


@pytest.mark.parametrize(("known", "said"), [(8, ""), (12, "另有 4 条规则"), (50, "另有 42+ 条规则")])
def test_of_many_rules_it_says_how_many_are_not_shown(known: int, said: str, world: World, browser: Open) -> None:
    here, sampling = browser("wu"), world.harness.sampling
    here.get("/")
    sampling.now = {**sampling.now, "rules": [[f"rule-{number}", 9] for number in range(known)], "shadow": []}
    try:
        text = here.part("/today/live").text
    finally:
        sampling.now = {}
    assert (text.count('title="rule-'), "另有" in text, said in text) == (8, bool(said), True)


def test_an_order_and_a_rule_that_is_gone_are_named_in_words_and_lead_nowhere(world: World, browser: Open) -> None:
    here, sampling = browser("wu"), world.harness.sampling
    here.get("/")
    sampling.now = {**sampling.now, "rules": [["suspension-1", 2], ["beijing-ban", 1]], "shadow": [["ban-20261201", 1]]}
    try:
        text = here.part("/today/live").text
    finally:
        sampling.now = {}
    assert '<span title="suspension-1">暂停指令 1</span>' in text
    assert '<span title="ban-20261201">已不生效的规则</span>' in text
    assert "/rules/rule/beijing-ban" in text


def section(text: str, heading: str) -> str:
    """What stands below a heading, up to the next."""
    return text.partition(f">{heading}</h")[2].partition("</h")[0]


def test_what_waits_for_me_is_what_i_may_do_and_did_not_propose(world: World, browser: Open) -> None:
    made = world.ask("tang", "penalty.propose", provider="yi", step="warn", why="by hand")
    try:
        for who, mine in (("lin", True), ("tang", False), ("chen", False), ("wu", False)):
            text = browser(who).part("/today/waits").text
            assert ("项处罚等待审批" in section(text, "等我处理")) is mine, who
            assert ("项处罚等待审批" in section(text, "等其他人处理")) is not mine, who
        assert "没有等您处理的事项" in section(browser("wu").part("/today/waits").text, "等我处理")
        assert "penalties wait for approval" in section(browser("lin", "en").part("/today/waits").text, "Waits for me")
    finally:
        world.ask("lin", "penalty.reject", id=str(made["id"]), why="over")


def test_today_leads_straight_to_the_forms_of_those_who_enter(browser: Open) -> None:
    here = browser("chen")
    text = here.get("/").text
    for path, form in (("/optouts/lists", "import"), ("/optouts/consents", "import"), ("/tables", "signature")):
        assert f'href="{path}#{form}"' in text
        assert f'class="sheet" id="{form}"' in here.get(path).text, path  # browsers open the details around it
    assert "#import" not in browser("wu").get("/").text


def test_a_request_to_be_erased_waits_for_approvers_and_is_said_once(world: World, browser: Open) -> None:
    number = str(world.ask("chen", "subject.erase", to=BEIJING.format(88), why="x")["request"])
    try:
        for who, mine in (("lin", True), ("chen", False)):
            text = browser(who).part("/today/waits").text
            assert ("项删除要求等待复核" in section(text, "等我处理")) is mine, who
            assert text.count("删除要求") == 1, who
    finally:
        world.ask("lin", "subject.reject", id=number, why="over")


def test_today_stands_beside_yesterday_and_the_same_day_last_week() -> None:
    days: list[dict[str, Any]] = [
        {"since": 0.0, "counts": {"allow": 90, "reject": 20, "optouts": 3}},
        {"since": 0.0, "counts": {"allow": 100, "defer": 10}},
        {"since": 0.0, "counts": None},
    ]
    assert _rows(days) == [
        ("submitted", 110, [(110, "+0%"), None]), ("passed", 90, [(100, "-10%"), None]),
        ("rejected", 20, [(0, ""), None]), ("deferred", 0, [(10, "-100%"), None]), ("optouts", 3, [(0, ""), None]),
    ]  # fmt: skip


def test_earlier_days_stand_there_in_words(world: World, browser: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the command answers once tables of a week are there; that takes longer than a test."""
    days = [
        {
            "since": 86_400.0 * 20_000 - 28_800,
            "counts": {"allow": 90, "reject": 20},
            "reasons": {"region-ban": 15, "suppressed": 5},
        }
    ]
    days += [
        {"since": 86_400.0 * 19_999 - 28_800, "counts": {"allow": 100}, "reasons": {}},
        {"since": 86_400.0 * 19_993 - 28_800, "counts": None, "reasons": {}},
    ]
    one = {"until": 86_400.0 * 20_000 + 21_600, "days": days, "archived": 86_400.0 * 20_000 + 21_600}

    async def run(*words: str, **how: object) -> Ran:
        assert words[1] == "today"
        return Ran(0, json.dumps(one | {"yesterday": one}).encode())

    monkeypatch.setattr(world.asking, "run", run)
    text = re.sub("<[^>]*>", " ", browser("wu").part("/today/compared").text)
    for words in (
        "今日 10-04",
        "各日截至 14:00",
        "昨日 10-04",
        "上周同日",
        "没有数据",
        "-10%",
        "拒绝最多：该省号码不得接收 15、号码退订了 5",
    ):
        assert words in " ".join(text.split()), (words, " ".join(text.split()))
    assert "今日还没有归档" not in text
    one = one | {"days": []}
    text = re.sub("<[^>]*>", " ", browser("wu").part("/today/compared").text)
    assert "已归档到 2024-10-04 14:00。只归档已过完的整小时：启动十分钟后一次" in text


def test_before_the_first_hour_is_in_a_table_nothing_is_compared(browser: Open) -> None:
    assert "今日和昨日都还没有归档的记录" in browser("wu").part("/today/compared").text


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
    assert "停发：省份 北京，至 " in text
    assert ("（chen：tonight）</li>" in text, "stop-1" in text) == (True, False), "words, no id"
    assert "（chen：tonight）" in text
    assert "province 北京, until" in browser("wu", "en").part("/today/waits").text
    assert "网关暂不接收" not in text
    (stop,) = [one["name"] for one in world.ask("chen", "stop.list")["orders"] if one["why"] == "tonight"]
    world.ask("chen", "stop.lift", id=stop, why="over")
    assert "tonight" not in browser("wu").part("/today/waits").text


def test_today_leads_straight_to_the_forms_of_those_who_may_fill_them_in(browser: Open) -> None:
    chen, wu = (browser(who).get("/").text for who in ("chen", "wu"))
    paths = (
        "/drafts/new?kind=cap",
        "/rules/history#rollback",
        "/optouts/lists#import",
        "/optouts/consents#import",
        "/complaints#import",
    )
    for path in paths:
        assert f'href="{path}"' in chen, path
        assert f'href="{path}"' not in wu, path
        here, _, opened = path.partition("#")
        assert not opened or f'id="{opened}"' in browser("chen").get(here).text or opened == "rollback", path
    assert 'action="/find"' in chen
    assert 'action="/find"' not in wu
