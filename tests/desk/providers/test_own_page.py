"""A provider sees its own refusals, penalties and rules, and nobody else's."""

from __future__ import annotations

from collections.abc import Callable

from tests.console.world import BOB, Browser, World

Open = Callable[..., Browser]


def test_it_sees_its_own_refusals_with_what_to_do_and_no_other_s(browser: Open) -> None:
    jia, yi = browser("jia").part("/own/refusals").text, browser("yi").part("/own/refusals").text
    assert f"{BOB[:3]}****{BOB[-4:]}" in jia
    assert "该类短信不得发往该地区" in jia
    assert BOB not in jia
    assert "这一天没有被拒绝的短信" in yi


def test_it_sees_no_page_of_the_desk(browser: Open) -> None:
    here = browser("jia")
    assert here.get("/").headers["location"] == "/own"
    for path in ("/find", "/today/live"):
        assert here.get(path).status_code == 403


def test_nobody_of_the_desk_sees_it(browser: Open) -> None:
    assert browser("song").get("/own").status_code == 403


def test_a_stop_that_names_it_alone_is_told_to_it_alone(world: World, browser: Open) -> None:
    stop = world.ask("chen", "stop", provider=["yi"], for_s=3600, why="投诉激增")
    text = browser("yi").get("/own").text
    assert "停发" in text
    assert "通道商 yi" in text
    assert "provider yi" in browser("yi", "en").get("/own").text
    assert "投诉激增" in text
    assert "投诉激增" not in browser("jia").get("/own").text
    world.ask("chen", "stop.lift", id=stop["name"], why="over")
    assert "投诉激增" not in browser("yi").get("/own").text


def test_a_penalty_that_was_lifted_is_told_as_one_that_was_and_not_as_in_force(world: World, browser: Open) -> None:
    made = world.ask("chen", "penalty.propose", provider="yi", step="throttle", to=0.5, why="投诉激增")
    world.ask("lin", "penalty.approve", id=str(made["id"]))
    text = browser("yi").get("/own").text
    assert "正在生效的处理" in text
    assert "限速" in text
    assert "投诉激增" in text, "a provider is told why"
    world.ask("lin", "penalty.lift", id=str(made["id"]), why="申诉成立")
    text = browser("yi").get("/own").text
    assert "正在生效的处理" not in text, "nothing is"
    past = text[text.index("以往的处罚") :]
    assert "已解除" in past
    assert "限速" in past
    assert "截至" not in past.partition("</section>")[0], "it did not last until then"


def test_it_reads_the_rules_in_words(browser: Open) -> None:
    text = browser("jia", "en").get("/own/rules").text
    assert "北京归属地号码不得接收" in text
    assert "Rules in force" in text


def test_a_day_that_is_none_is_told_so(browser: Open) -> None:
    answer = browser("jia").part("/own/refusals", day="yesterday")
    assert answer.status_code == 409
    assert "day：无法识别" in answer.text
