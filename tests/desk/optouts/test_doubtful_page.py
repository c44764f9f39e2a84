"""Doubtful replies are decided on the console with one click."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.console.world import AD, ANNA, PORTS, Browser, World
from tests.e2e.gate import SHANGHAI

Open = Callable[..., Browser]
CLARA, DORA = SHANGHAI.format(3), SHANGHAI.format(4)
RULES = "rules: [{id: renamed, when: {suppressed: {match: text}}, then: reject, reason: renamed-sender}]"
CODE = "【青禾】您的验证码是 482913, 五分钟内有效"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A gate of this module's own: it counts what waits."""
    found = World(tmp_path_factory.mktemp("doubtful"), lambda gate: gate.write_rules(RULES))
    try:
        yield found
    finally:
        found.stop()


def replies(world: World, who: str, text: str, message: str = AD) -> str:
    """The row that it is in."""
    world.send("jia", who, message)
    deliver = world.carrier.reply(who, PORTS["jia"], text.encode("utf-16-be"), 8)
    assert world.carrier.acknowledged(deliver).status == 0
    return str(waits(world)[-1]["row"])


def waits(world: World, state: str = "open") -> list[dict[str, Any]]:
    return list(world.ask("chen", "optout.doubtful", state=state)["rows"])


def test_an_inbox_that_is_empty_says_what_comes_there(world: World, browser: Open) -> None:
    assert "没有待判定的回复" in browser("chen").get("/doubtful").text
    assert "No reply waits for a decision" in browser("chen", "en").get("/doubtful").text
    assert "/doubtful" not in browser("chen").part("/today/waits").text


def test_a_row_says_what_was_answered_and_one_click_decides_all_of_it(world: World, browser: Open) -> None:
    row = {replies(world, who, "这是退订吗") for who in (ANNA, CLARA)}.pop()
    for language, words in (
        ("zh", ("这是退订吗", "2 人", "是退订吗", "届时按退订处理")),
        ("en", ("2 people", "Asks to stop?", "then a refusal")),
    ):
        text = browser("chen", language).get("/doubtful").text
        assert all(one in text for one in (*words, AD, "138****0001")), language
        assert ANNA not in text
    assert '2</span> <a href="/doubtful">' in browser("chen").part("/today/waits").text
    looks = browser("lin").get("/doubtful").text
    assert "这是退订吗" in looks
    assert f'action="/doubtful/{row}/decide"' not in looks
    assert browser("lin").post(f"/doubtful/{row}/decide", says="no").status_code == 403
    answer = browser("chen").post(f"/doubtful/{row}/decide", says="no")
    assert answer.headers["location"] == "/doubtful"
    assert waits(world) == []
    (made,) = world.ask("chen", "optout.doubtful", state="decided")["decisions"]
    assert (made["yes"], made["replies"], made["why"]) == (False, 2, "人工判定：没有要求退订")
    assert made["who"].startswith("chen ")
    text = browser("chen", "en").get("/doubtful", state="decided").text
    assert all(one in text for one in ("这是退订吗", "did not ask", "chen"))


def test_a_standing_decision_is_made_with_a_reason_and_ended_again(world: World, browser: Open) -> None:
    row, here = replies(world, DORA, "退订失败"), browser("chen")
    assert here.post(f"/doubtful/{row}/decide", says="yes", why="complains of it", standing="yes").status_code == 303
    text = here.get("/doubtful", state="standing").text
    assert all(one in text for one in ("退订失败", "complains of it", "长期有效"))
    assert here.post(f"/doubtful/{row}/end", why="").status_code == 409
    assert here.post(f"/doubtful/{row}/end", why="no more").headers["location"] == "/doubtful?state=standing"
    assert "退订失败" not in here.get("/doubtful", state="standing").text


def test_a_click_on_what_somebody_else_has_decided_says_so_in_both_languages(world: World, browser: Open) -> None:
    for language, words in (("zh", "没有待判定的行 0123456789ab"), ("en", "there is no row 0123456789ab")):
        answer = browser("chen", language).post("/doubtful/0123456789ab/decide", says="yes")
        assert (answer.status_code, words in answer.text) == (409, True), answer.text
    assert browser("chen").post("/doubtful/0123456789ab/decide", says="perhaps").status_code == 409


def test_what_people_write_and_codes_do_no_harm_on_the_page(world: World, browser: Open) -> None:
    row = replies(world, ANNA, "验证码482913怎么退订<script>alert(1)</script>", CODE)
    text = browser("chen").get("/doubtful").text
    assert "<script>alert(1)" not in text
    assert "482913" not in text
    assert "验证码******怎么退订" in text
    browser("chen").post(f"/doubtful/{row}/decide", says="no")


def test_the_trace_of_a_person_tells_what_was_held_and_decided(world: World, browser: Open) -> None:
    row = replies(world, ANNA, "还在发, 退订没用")
    assert "暂停" in browser("chen").part("/optouts/trace", to=ANNA).text
    browser("chen").post(f"/doubtful/{row}/decide", says="yes")
    text = browser("chen").part("/optouts/trace", to=ANNA).text
    assert all(one in text for one in ("还在发", "暂停", "判定", "是退订", "chen"))
    text = browser("chen", "en").part("/optouts/trace", to=ANNA).text
    assert all(one in text for one in ("Held", "Decided", "asked to stop"))
    assert "本人回复" in browser("chen").get("/optouts", to=ANNA).text
