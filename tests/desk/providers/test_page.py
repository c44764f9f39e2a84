"""Actions on the providers page take effect, or wait for a second person."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.console.world import AD, ANNA, BOB, Browser, World
from tests.e2e.pdus import UNBIND
from tests.e2e.raw import Raw

Open = Callable[..., Browser]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A gate of this module's own: others' orders would be in the way."""
    found = World(tmp_path_factory.mktemp("providers"))
    try:
        yield found
    finally:
        found.stop()


@contextmanager
def bound(world: World, account: str) -> Iterator[Raw]:
    with Raw(world.gate.port) as client:
        assert client.bind(account).status == 0
        yield client


def lift_all(world: World) -> None:
    for one in world.ask("chen", "stop.list")["orders"]:
        if not one["who"].startswith("penalty-"):
            world.ask("chen", "stop.lift", id=one["name"], why="the test is over")


def test_every_provider_of_the_settings_is_there_with_what_it_may_and_does(world: World, browser: Open) -> None:
    world.send("jia", ANNA, AD)
    for language, word in (("zh", "近一小时"), ("en", "Last hour")):
        text = browser("wu", language).get("/providers").text
        assert word in text
        assert re.findall(r'href="/providers/one/(\w+)"', text) == ["jia", "yi"], "who sends more comes first"
    assert "每秒" in browser("wu").part("/providers/table").text
    assert 'href="/providers/one/yi"' not in browser("wu").part("/providers/table", q="ji").text
    assert "没有符合条件" in browser("wu").get("/providers", q="nobody").text


def test_one_provider_says_why_it_was_refused_who_is_connected_and_what_it_may(world: World, browser: Open) -> None:
    with bound(world, "jia"):
        text = browser("song").get("/providers/one/jia").text
        for said in ("1069001", "127.0.0.1", "1 / 8", "断开", "今天被拒绝的原因"):
            assert said in text, said
        assert "断开" not in browser("chen").get("/providers/one/jia").text, "an officer does not kick"
        assert re.search("今天被拒绝的原因 <small[^>]*>截至 <time", text), "of which moment it speaks"
        assert "最多晚" not in text, "there is no other gate"
    assert "目前没有连接" in browser("wu").get("/providers/one/yi").text
    assert 'class="tiles"' in browser("wu").part("/providers/one/jia/live").text


def test_a_provider_that_nobody_knows_is_told_so(browser: Open) -> None:
    answer = browser("wu").get("/providers/one/jai")
    assert answer.status_code == 409
    assert "是否应为“jia”？" in answer.text


def test_a_suspension_is_in_force_when_the_page_comes_back_and_is_lifted_again(world: World, browser: Open) -> None:
    here = browser("chen")
    answer = here.post("/providers/one/yi/suspend", what="all", lasts="4h", why="test 1")
    assert (answer.status_code, answer.headers["location"]) == (303, "/providers/one/yi")
    assert world.send("yi", ANNA, "您的快件已到驿站") != 0
    text = here.get("/providers/one/yi").text
    assert "已暂停 yi" in text
    assert "test 1" in text
    assert "暂停" in here.part("/providers/table", held="yes").text
    here.post("/providers/one/yi/resume", why="enough")
    assert world.send("yi", ANNA, "您的快件已到驿站") == 0


def test_what_the_gate_refuses_stands_beside_the_form_and_nothing_is_done(world: World, browser: Open) -> None:
    answer = browser("chen").post("/providers/one/yi/suspend", what="all", lasts="4h", do="suspend")
    assert answer.status_code == 409
    assert "原因（why）：须为" in answer.text
    assert '<details class="dialog" name="dialogs" open>' in answer.text
    assert world.ask("chen", "providers.show", provider="yi")["orders"] == []


def test_a_stop_is_tried_first_and_then_given_and_lifted(world: World, browser: Open, monkeypatch: Any) -> None:
    monkeypatch.setattr("proxy.desk.providers.page.WATCH_S", 0.4)
    here = browser("chen")
    said = {"province": "上海", "category": "notice", "provider": "yi", "lasts": "1h", "why": "by phone, 17:40"}
    tried = here.post("/providers/stop", **said, **{"try": "yes"})
    assert (tried.status_code, "没有拦截任何短信" in tried.text) == (200, True)
    assert world.ask("wu", "stop.list")["orders"] == []
    assert here.post("/providers/stop", **said).status_code == 303
    assert world.send("yi", ANNA, "您的快件已到驿站") != 0
    order = world.ask("wu", "stop.list")["orders"][0]
    assert order["scope"] == {"province": ["上海"], "provider": ["yi"], "category": ["notice"]}
    assert "by phone, 17:40" in here.get("/providers").text
    assert here.post(f"/providers/orders/{order['name']}/lift", why="over", of="yi").headers["location"] == "/providers/one/yi"
    assert world.ask("wu", "stop.list")["orders"] == []


def test_a_stop_of_nothing_is_refused_and_what_was_typed_stands(browser: Open) -> None:
    answer = browser("chen").post("/providers/stop", signature="", port="10690x", why="x")
    assert answer.status_code == 409
    assert 'value="10690x"' in answer.text


def test_a_throttle_waits_for_somebody_else(world: World, browser: Open) -> None:
    here = browser("chen")
    answer = here.post(
        "/providers/one/yi/penalty", step="throttle", share="0.5", days="7", basis="contract 12", why="rate of complaints"
    )
    assert answer.headers["location"] == "/providers/one/yi"
    made = world.ask("wu", "penalty.list", provider="yi")["penalties"][0]
    assert (made["state"], made["step"], made["share"], made["for_s"], made["basis"]) == (
        "proposed",
        "throttle",
        0.5,
        604_800,
        "contract 12",
    )
    assert f'href="/penalties/one/{made["id"]}"' in here.get("/providers/one/yi").text
    world.ask("chen", "penalty.withdraw", id=str(made["id"]), why="the test is over")


def test_an_admin_kicks_a_bind_and_keeps_it_away_for_a_while(world: World, browser: Open) -> None:
    with bound(world, "yi") as client:
        number = world.ask("wu", "providers.show", provider="yi")["binds_now"][0]["id"]
        assert browser("song").post("/providers/one/yi/kick", id=str(number), lasts="4h", why="floods").status_code == 303
        farewell = client.next()
        assert farewell is None or farewell.command == UNBIND
    assert world.ask("wu", "providers.show", provider="yi")["orders"][0]["why"] == "floods"
    lift_all(world)
    assert browser("chen").post("/providers/one/yi/kick", why="x").status_code == 403


def test_a_viewer_sees_no_button_and_is_refused_whatever_is_sent(browser: Open) -> None:
    here = browser("wu")
    for path in ("/providers", "/providers/one/jia"):
        assert '<form class="form"' not in here.get(path).text
    assert here.post("/providers/one/jia/suspend", what="all", why="x").status_code == 403
    assert here.post("/providers/stop", provider="jia", why="x").status_code == 403
    assert BOB not in here.get("/providers").text
