"""Errors of the API are in the language of the request, English by default."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from proxy.desk.api.operation_table import OFFERED
from proxy.i18n.catalog import full_catalog
from proxy.i18n.phrases import preferred
from proxy.operations.declaration import Operation, Program
from tests.desk.api.conftest import Caller

Open = Callable[..., Caller]
ADDRESS = "2001:db8:1a::{:x}"
ENGLISH = re.compile(r"(?<![`\w])[A-Za-z]{2,}(?: [a-z']{2,}){2,}")
"""Three words of a sentence; names and commands have fewer."""


def is_chinese(said: str) -> bool:
    return bool(re.search("[\u4e00-\u9fff]", said)) and not ENGLISH.search(re.sub("gate106 [a-z ]+", "", said))


def ask(caller: Caller, one: Operation | Program, **said: Any) -> Any:
    path = one.path.removeprefix("/api/")
    if one.get:
        return caller.get(path, **said)
    return caller.send(path, b"", **said) if isinstance(one, Program) and one.takes_file else caller.post(path, **said)


@pytest.mark.parametrize(
    ("asked", "spoken"),
    [
        ("", "en"), ("zh", "zh"), ("zh-CN,zh;q=0.9,en;q=0.8", "zh"), ("en;q=0.2, zh-Hans;q=0.3", "zh"), ("fr, *", "en"), ("zh;q=0", "en"),
        ("zh;q=x, en;q=0.1", "en"), ("ZH", "zh"), ("zh;q=nan", "en"), ("zh;q=9", "en"), (",;=,zh", "zh"), ("fr," * 50 + "zh", "en"),
        ("en, zh", "en"),
    ],
)  # fmt: skip
def test_the_dearest_language_that_is_spoken_here_is_taken(asked: str, spoken: str) -> None:
    assert preferred(asked) == spoken


@pytest.mark.parametrize("one", OFFERED, ids=lambda one: one.name)
def test_every_refusal_of_an_operation_is_said_in_chinese_where_that_is_asked_for(
    one: Operation | Program, program: Open
) -> None:
    place = OFFERED.index(one)
    wrong: list[dict[str, Any]] = [
        {"nothing": "x"},
        {arg.name: "\0" for arg in one.offered if arg.required} or {"nothing": ["x"]},
    ]
    wrong += [{}] if any(arg.required for arg in one.offered) else []
    nobody, guesses = program(address=ADDRESS.format(place)), program(token="a guess", address=ADDRESS.format(place))
    for caller, bodies in ((nobody, [{}]), (guesses, [{}]), (program("wu"), wrong), (program("tang"), wrong)):
        caller.client.headers["Accept-Language"] = "zh-CN,zh;q=0.9"
        for said in bodies:
            answer = ask(caller, one, **said)
            assert answer.status_code in (400, 401, 403, 409), answer.text
            assert answer.headers["content-language"] == "zh"
            assert is_chinese(answer.json()["error"]), answer.json()["error"]
    assert all(full_catalog().has(arg.form.help) for arg in one.offered if arg.required)


def test_what_the_gate_itself_refuses_comes_in_both_languages(program: Open) -> None:
    here = program("chen")
    for language, words in (
        ("zh", "没有正在生效的指令“stop-999”"),
        ("en", "no order 'stop-999' is in force"),
        ("de", "no order"),
    ):
        here.client.headers["Accept-Language"] = language
        answer = here.post("stop/lift", id="stop-999", why="over")
        assert (answer.status_code, words in answer.json()["error"]) == (409, True)
        assert answer.headers["vary"] == "Accept-Language"


@pytest.mark.parametrize(
    ("path", "said", "words"),
    [
        ("stop", {"province": ["北京区"], "why": "x"}, "无法识别的省份“北京区”"),
        ("stop", {"provider": ["ja"], "why": "x"}, "设置中没有通道商“ja”"),
        ("stop", {"why": "x"}, "请写明停发什么"),
        ("complaint/decide", {"id": "77", "state": "valid", "why": "x"}, "没有案件 77"),
        ("penalty/propose", {"provider": "jia", "step": "throttle", "why": "x"}, "限速须保留通道商速率"),
        ("consent/review", {"batches": ["7"], "verdict": "accepted", "why": "x"}, "没有批次 7"),
        ("suppress/add", {"to": "13800210500", "scope": "category", "value": "loans", "why": "x"}, "无法识别的营销细分类别“loans”"),
        ("suppress/add", {"to": "4001234567", "why": "x"}, "to：400 客服号码，不是个人号码"),
        ("suppress/remove", {"to": "13800210501", "why": "x"}, "没有这样的退订"),
        ("explain", {"to": "12", "from": "1069001", "text": "x"}, "2 位数字，应为 11 位"),
    ],
)  # fmt: skip
def test_refusals_of_the_gate_are_said_as_an_officer_would(path: str, said: dict[str, Any], words: str, program: Open) -> None:
    here = program("tang")
    here.client.headers["Accept-Language"] = "zh"
    answer = here.post(path, **said)
    assert answer.status_code == 409, answer.text
    assert words in answer.json()["error"]
    assert is_chinese(answer.json()["error"])


def test_bad_rows_are_said_in_chinese_with_their_line(program: Open) -> None:
    here = program("chen")
    here.client.headers["Accept-Language"] = "zh"
    rows = "投诉编号,投诉号码,被举报号码,接收时间\nA-1,12,1069001,\nA-2,13800210500,1069001,2030-13-45\n".encode()
    said = here.send("complaint/import", rows, why="a batch").json()["error"].splitlines()
    assert "第 2 行：投诉号码：2 位数字，应为 11 位" in said[0]
    assert "第 3 行：" in said[1]
    assert said[-1].endswith("2 行有误：没有立案")
    assert all(map(is_chinese, said)), said
    assert here.send("subject/recycled", b"", why="x").json()["error"] == "body.csv：没有号码：没有执行", "nor where it was put"


def test_a_host_and_a_form_that_are_none_of_ours_are_refused_in_the_reader_s_language(program: Open) -> None:
    here = program("chen").client
    assert "this host name is not the console's" in here.get("/api/whoami", headers={"Host": "elsewhere.example"}).text
    assert "这个主机名不是控制台的" in here.get("/login", headers={"Host": "elsewhere.example"}).text
    assert "这个表单来自别的网站" in here.post("/login", headers={"Origin": "https://elsewhere.example"}).text
