"""A provider sees its own refusals, penalties and rules, and nobody else's."""

from __future__ import annotations

import asyncio
import csv
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.requests import Request

from proxy.desk.providers import own_endpoints, own_page
from proxy.policy import time_windows
from tests.console.world import AD, BOB, Browser, World, token_of
from tests.e2e.gate import BEIJING, run

Open = Callable[..., Browser]
CLARA = BEIJING.format(3)


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
    page = re.sub("<[^>]*>", "", browser("chen").get("/providers/one/yi").text)
    assert (f"处罚 {made['id']}" in page, "penalty-" in page) == (True, False), "who gave the order, in words"
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


def test_its_changes_say_what_they_count_and_its_only_port_is_filled_in(browser: Open, world: World) -> None:
    here = browser("jia")
    assert re.search(r"列出与您有关的改动 \d+ 条", here.get("/own/rules").text)
    assert re.search('name="from" value="1069[0-9]+"', here.get("/own").text)


def test_a_pager_has_a_total_unless_the_day_was_read_in_part() -> None:
    reasons = [{"reason": "keyword", "count": 2, "deferred": 1}, {"reason": "region-ban", "count": 4, "deferred": 0}]
    answer = {"since": 5.0, "read_from": 5.0, "reasons": reasons}
    assert [own_page._total(answer, reason) for reason in ("", "keyword")] == [7, 3]
    assert own_page._total({**answer, "read_from": 6.0}, "") is None


def test_a_day_that_is_none_is_told_so(browser: Open) -> None:
    answer = browser("jia").part("/own/refusals", day="yesterday")
    assert answer.status_code == 409
    assert "day：无法识别" in answer.text


def test_it_sees_its_refusals_by_reason_and_takes_them_as_a_file(browser: Open) -> None:
    here = browser("jia")
    text = here.part("/own/refusals").text
    assert re.search(r"该省号码不得接收</a>.*?<td class=\"number\">1</td>", text, re.DOTALL)
    assert "region-ban" not in re.sub(r"<[^>]*>", "", text), "a Chinese page has no word of the settings"
    (message,) = set(re.findall(r"编号 (\d+:\d+)", text))
    assert "这一天没有被拒绝的短信" in here.part("/own/refusals", reason="keyword").text
    taken = here.get("/own/refusals.csv", reason="region-ban")
    assert taken.headers["content-type"] == "text/csv; charset=utf-8"
    (row,) = csv.DictReader(taken.text.removeprefix("\ufeff").splitlines())
    assert (row["编号"], row["类别"], row["原因"], row["处理办法"]) == (
        message,
        "营销",
        "该省号码不得接收",
        "该类短信不得发往该地区，请去掉该地区的号码",
    )
    assert here.get("/own/refusals.csv", day="yesterday").status_code == 409


def test_a_day_that_takes_too_long_is_read_in_part_and_says_until_when(
    world: World, browser: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = time_windows.moment(time_windows.local(world.harness.wall())[:10])[0]
    monkeypatch.setenv("GATE106_TOKEN", token_of("jia"))
    told = {}
    for within in ("0", "600"):
        done = run("provider", "list-refusals", "jia", "--within", within, "--json", "--config", world.gate.config)
        told[within] = json.loads(done.stdout)
    assert (told["0"]["read_until"], told["600"]["read_until"]) == (at + 3600, at + 86_400)
    whole = json.loads(run("provider", "list-refusals", "jia", "--json", "--config", world.gate.config).stdout)
    assert told["600"] == whole, "in spans as at once"
    done = run(
        "provider", "list-refusals", "jia", "--within", "0", "--order", "newest", "--json", "--config", world.gate.config
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    assert (answer["read_from"], answer["read_until"]) == (at + 23 * 3600, at + 86_400)

    async def in_part(*_: Any, **__: Any) -> dict[str, Any]:
        return answer

    monkeypatch.setattr(world.asking, "own", in_part)
    text = re.sub("<[^>]*>", "", browser("jia").part("/own/refusals").text)
    assert f"以下只统计 {time_windows.local(at + 23 * 3600)[:16]} 以后的" in text


def test_nobody_reads_on_for_who_has_left(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[subprocess.Popen[bytes]] = []

    class Child(subprocess.Popen[bytes]):
        def __init__(self, *args: Any, **more: Any) -> None:
            super().__init__(*args, **more)
            begun.append(self)

    monkeypatch.setattr(own_endpoints, "PROGRAM", (sys.executable, "-c", "input()"))
    monkeypatch.setattr(subprocess, "Popen", Child)
    coming: list[dict[str, Any]] = [{"type": "http.disconnect"}, {"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> dict[str, Any]:
        return coming.pop()

    read, write = os.pipe()  # it waits for a line that never comes
    monkeypatch.setattr(subprocess, "DEVNULL", read)
    asked = Request(
        {"type": "http", "method": "GET", "query_string": b"", "headers": [], "asker": SimpleNamespace(name="jia")}, receive
    )
    endpoints = own_endpoints.OwnEndpoints(SimpleNamespace(), world.gate.config)
    answer = asyncio.run(endpoints._refusals(asked))
    os.close(write)
    os.close(read)
    assert (answer.status_code, [one.returncode for one in begun]) == (503, [-signal.SIGKILL])


def test_newer_refusals_come_first_and_the_pager_says_so(world: World, browser: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    world.send("jia", CLARA, AD)
    monkeypatch.setattr(own_page, "LIMIT", 1)
    here = browser("jia")
    first, second = (re.sub(r"<[^>]*>", " ", here.part("/own/refusals", skip=skip).text) for skip in ("0", "1"))
    assert first.index("‹ 较新") < first.index("1–1") < first.index("较早 ›")
    later = f"{CLARA[:3]}****{CLARA[-4:]}"
    assert (later in first, later in second) == (True, False)


def test_it_checks_a_text_before_it_sends_it(browser: Open) -> None:
    here = browser("jia")
    text = here.post("/own/precheck", **{"from": "1069001", "text": AD}).text
    assert "仅限 北京" in text
    assert "该类短信不得发往该地区" in text
    assert "营销" in text[text.index("按此类别处理") :]
    wrong = here.post("/own/precheck", **{"from": "1069002", "text": AD})
    assert wrong.status_code == 409
    assert "1069002 不是 jia 的端口" in wrong.text
