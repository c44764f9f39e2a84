"""What a provider asks over HTTP with its own token: its own refusals with what to do, its tasks and penalties, the rules; nothing of others."""

from __future__ import annotations

import csv
import json
import os
import pwd
import shlex
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from proxy.operations.http_auth import hash_token
from tests.desk.test_operations_snapshot import EXAMPLES
from tests.e2e.carrier import Carrier
from tests.e2e.gate import BEIJING, SHANGHAI, Gate, provider, run
from tests.e2e.raw import Raw

RULES = """
rules:
  - {id: refused, say: 拒收者不发, when: {category: marketing, suppressed: true}, then: reject, reason: suppressed}
  - {id: beijing, say: 北京不发营销, when: {province: 北京}, then: reject, reason: region-ban}
  - {id: evening, say: 晚上再发, when: {text: {words: [evening]}}, then: defer, reason: quiet-hours}
"""
LI = SHANGHAI.format(1)


class Harness(Gate):
    def asks(self, path: str, token: str, language: str = "", **query: str) -> tuple[int, Any]:
        url = f"http://{self.settings['http']['listen']}{path}?{urllib.parse.urlencode(query)}"
        asked = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}", "Accept-Language": language})
        try:
            with urllib.request.urlopen(asked, timeout=40) as answer:
                data = answer.read().decode()
                return answer.status, json.loads(data) if data.startswith("{") else data
        except urllib.error.HTTPError as error:
            with error:
                data = error.read().decode()
                return error.code, json.loads(data) if data.startswith("{") else data

    def posts(self, path: str, token: str, given: dict[str, Any]) -> tuple[int, Any]:
        url, head = f"http://{self.settings['http']['listen']}{path}", {"Authorization": f"Bearer {token}"}
        try:
            with urllib.request.urlopen(urllib.request.Request(url, json.dumps(given).encode(), head), timeout=40) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)

    def done(self, *words: str | Path) -> str:
        done = run(*words, "--config", self.config)
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture
def harness(tmp_path: Path, carrier: Carrier) -> Iterator[Harness]:
    providers = [
        provider("jia", "1069001", category="marketing", token=hash_token("of jia")),
        provider("yi", "1069002", category="marketing", token=hash_token("of yi")),
    ]
    people = [
        {"name": "li", "user": pwd.getpwuid(os.getuid()).pw_name, "roles": ["admin"], "token": hash_token("of li")},
        {"name": "wang", "roles": ["approver"], "token": hash_token("of wang")},
    ]
    made = Harness(tmp_path, carrier.port, providers, people=people, revisions={"four_eyes": True})
    made.write_rules(RULES)
    yield made.start()  # type: ignore[misc]
    made.stop()


def test_a_provider_sees_its_own_and_nothing_else(harness: Harness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    harness.done("suppress", "add", "--to", LI, "--why", "case 4711")
    with Raw(harness.port) as jia, Raw(harness.port) as yi:
        assert (jia.bind("jia").status, yi.bind("yi").status) == (0, 0)
        assert [jia.submit("1069001", to, b"=sale").status for to in (LI, BEIJING.format(1), SHANGHAI.format(2))] == [
            0x420,
            0x400,
            0,
        ]
        assert yi.submit("1069002", BEIJING.format(9), b"sale").status == 0x400
    harness.done("journal", "roll")  # which makes the keys; what is written now is in no table

    status, told = harness.asks("/provider/refusals", "of jia", lang="en")
    assert (status, told["next"]) == (200, None), told
    assert [(one["to"], one["reason"], one["status"], one["hint"]) for one in told["refusals"]] == [
        (
            f"{LI[:3]}****{LI[-4:]}",
            "not-permitted",
            0x420,
            "the message may not be sent to this number: remove it from your list",
        ),
        ("138****0001", "region-ban", 0x400, "such messages may not be sent to this region: remove its numbers"),
    ]
    assert "suppressed" not in json.dumps(told)
    assert harness.asks("/provider/refusals", "of jia", lang="en", order="newest")[1]["refusals"] == told["refusals"][::-1]
    assert [(one["reason"], one["count"]) for one in told["reasons"]] == [("not-permitted", 1), ("region-ban", 1)]
    _, one_reason = harness.asks("/provider/refusals", "of jia", reason="region-ban")
    (banned,) = one_reason["refusals"]
    assert (banned["reason"], one_reason["reasons"]) == (
        "region-ban",
        harness.asks("/provider/refusals", "of jia")[1]["reasons"],
    )
    shown = json.loads(harness.done("explain", "--message", banned["message"], "--json"))
    assert shown["rule"] == "beijing", "the operator finds the message that the provider asks about"
    _, first = harness.asks("/provider/refusals", "of jia", limit="1")
    assert (len(first["refusals"]), first["next"]) == (1, 1)
    _, second = harness.asks("/provider/refusals", "of jia", limit="1", skip="1")
    assert ([one["reason"] for one in second["refusals"]], second["next"]) == (["region-ban"], None)
    with Raw(harness.port) as jia:
        assert jia.bind("jia").status == 0
        assert jia.submit("1069001", SHANGHAI.format(2), b"evening sale").status == 0x14
    _, told = harness.asks("/provider/refusals", "of jia")
    assert [one["verdict"] for one in told["refusals"]] == ["reject", "reject", "defer"]
    assert [(one["reason"], one["count"], one["deferred"]) for one in told["reasons"]] == [
        ("not-permitted", 1, 0),
        ("region-ban", 1, 0),
        ("quiet-hours", 0, 1),
    ], "what may be sent later is not counted as refused"
    _, text = harness.asks("/provider/refusals", "of yi", format="csv", lang="zh")
    (row,) = csv.DictReader(text.splitlines())
    assert (row["reason"], row["from"], row["to"]) == ("region-ban", "1069002", "138****0009")
    assert harness.asks("/provider/refusals", "of jia", day="2020-01-01")[1]["refusals"] == []
    for query in ({"day": "--out"}, {"name": "yi"}, {"limit": "99999"}, {"day": "2026-11-11", "hour": "2026-11-11 10:00"}):
        assert harness.asks("/provider/refusals", "of jia", **query)[0] == 400
    wrong = harness.asks("/provider/refusals", "of jia", day="2026-13-26")
    assert wrong == (400, {"error": "day: '2026-13-26' is no date of the calendar"})
    wrong = harness.asks("/provider/refusals", "of jia", "zh-CN,zh;q=0.9", day="2026-13-26")
    assert wrong == (400, {"error": "day：“2026-13-26”不是日历上有的日期"})
    assert harness.asks("/provider/refusals", "of jia", lang="zh", limit="99999") == (400, {"error": "limit：1 至 10000"})
    assert harness.asks("/provider/refusals", "of jia", limit="0") == (400, {"error": "limit: from 1 to 10000"})
    with ThreadPoolExecutor(6) as many:
        mine = [many.submit(harness.asks, "/provider/refusals", "of jia") for _ in range(5)]
        other = many.submit(harness.asks, "/provider/refusals", "of yi")
        assert other.result()[0] == 200, "who asks often keeps nobody else waiting"
        assert sorted(one.result()[0] for one in mine) == [200, 200, 429, 429, 429]
    assert harness.asks("/provider/refusals", "of jia")[0] == 200
    assert harness.asks("/provider", "nobody's", lang="zh")[1].startswith("没有人使用这个令牌")
    assert "jia 的角色是通道商" in harness.asks("/metrics", "of jia", "zh")[1]

    out = tmp_path / "jia.csv"
    harness.done("provider", "list-refusals", "jia", "--out", out)
    rows = list(csv.DictReader(out.read_text(encoding="utf-8-sig").splitlines()))
    assert [row["reason"] for row in rows] == ["not-permitted", "region-ban", "quiet-hours"]
    rows = list(csv.DictReader(harness.done("provider", "list-refusals", "jia", "--lang", "zh").splitlines()))
    assert [(row["原因"], row["结果"]) for row in rows][::2] == [("不得发送给该号码", "拒绝"), ("这个时段不发", "暂缓")]

    harness.done(
        "binds", "suspend", "--provider", "jia", "--category", "marketing", "--for", "1h", "--why", "too many complaints"
    )
    (order,) = harness.asks("/provider/penalties", "of jia")[1]["orders"]
    assert (order["kind"], order["why"]) == ("suspension", "too many complaints")
    harness.done("penalty", "propose", "--provider", "jia", "--step", "warn", "--why", "too many complaints")
    assert harness.asks("/provider/penalties", "of jia")[1]["penalties"] == [], "what is only proposed is nobody's yet"
    monkeypatch.setenv("GATE106_TOKEN", "of wang")
    harness.done("penalty", "approve", "1")
    monkeypatch.delenv("GATE106_TOKEN")
    (penalty,) = harness.asks("/provider/penalties", "of jia")[1]["penalties"]
    assert (penalty["step"], penalty["state"]) == ("warn", "in-force")
    assert penalty["why"] == "too many complaints", "nothing was measured: it is told what somebody meant"
    assert harness.asks("/provider/penalties", "of yi")[1] == {"penalties": [], "orders": []}
    (tmp_path / "c.csv").write_text(f"number,given\n{LI},2026-01-01\n")
    terms = ("--source", "app", "--advertiser", "any", "--until", "good", "--provider", "jia", "--why", "x")
    harness.done("consent", "import", tmp_path / "c.csv", *terms)
    (tmp_path / "empty.csv").write_text(f"number,advertiser\n{LI},\n")
    given = ("--given", "2026-01-01", "--until", "good", "--source", "app", "--why", "x", "--config", harness.config)
    refused = run("consent", "import", tmp_path / "empty.csv", *given)
    assert (refused.returncode != 0, "advertiser: is empty" in refused.stderr) == (True, True), refused.stderr
    (tmp_path / "consents.csv").write_text(f"{LI}\n")
    (tmp_path / "form.pdf").write_bytes(b"%PDF")
    printed = shlex.split(EXAMPLES["gate106 consent import"])[2:]
    harness.done(*(tmp_path / word if word in ("consents.csv", "form.pdf") else word for word in printed))
    (task,) = harness.asks("/provider/tasks", "of jia")[1]["tasks"]
    assert (task["file"], task["numbers"], task["overdue"]) == ("c.csv", 1, False)
    assert harness.asks("/provider/tasks", "of yi")[1] == {"tasks": []}
    rules = harness.asks("/provider/rules", "of jia")[1]
    assert [one["say"] for one in rules["rules"]] == ["拒收者不发", "北京不发营销", "晚上再发"]
    assert len(rules["changes"]) == 1

    texts = [("1069001", "【青禾】满减", 200), ("1069002", "x", 400), ("", "x", 400), ("1069001", "x" * 5000, 400)]
    answers = [harness.posts("/provider/precheck", "of jia", {"from": port, "text": text}) for port, text, _ in texts]
    assert [status for status, _ in answers] == [status for _, _, status in texts]
    told = answers[0][1]
    assert (told["verdict"], told["category"]) == ("reject", "marketing")
    assert [(one["reason"], one["say"], one["where"]) for one in told["against"]] == [
        ("suspended", "", []),
        ("region-ban", "北京不发营销", ["北京"]),
    ], "an order's words may be about others"
    assert told["depends"] == ["not-permitted"], "nobody learns whose wish it was"
    assert answers[1][1] == {"error": "from: 1069002 is none of the ports of jia"}
    flood = [harness.posts("/provider/precheck", "of yi", {"from": "1069002", "text": "x"})[0] for _ in range(3)]
    assert flood == [200, 429, 429], "the loop of the gate does it"

    assert harness.asks("/provider/tasks", "nobody's")[0] == 401
    assert harness.asks("/metrics", "of jia")[0] == 403, "though it comes by way of an address that may see them"
    assert [harness.asks(path, "of jia")[0] for path in ("/optouts", "/provider/", "/nothing")] == [403] * 3
    assert [harness.asks("/provider", f"of {name}")[1]["provider"] for name in ("jia", "yi")] == ["jia", "yi"]


def test_a_provider_is_told_of_rule_changes_that_concern_it_once_they_are_approved(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    added = """
  - {id: yi-only, say: 乙不发, when: {provider: yi}, then: reject, reason: stopped}
  - {id: past, say: 已过去, when: {category: marketing}, active: {to: 2020-01-01}, then: reject, reason: region-ban}
  - {id: later, say: 江苏不发营销, when: {province: 江苏}, active: {from: 2099-01-01}, then: reject, reason: region-ban}
"""
    harness.write_rules(RULES + added.lstrip("\n"))
    harness.done("rules", "reload")
    assert [one["event"] for one in harness.asks("/provider/rules", "of jia")[1]["changes"]] == ["accepted"], "it only waits"
    waits = json.loads(harness.done("rules", "list-changes", "--json"))["events"][0]
    monkeypatch.setenv("GATE106_TOKEN", "of wang")
    harness.done("rules", "approve", waits["revision"])
    monkeypatch.delenv("GATE106_TOKEN")
    jia, yi = (harness.asks("/provider/rules", f"of {name}")[1] for name in ("jia", "yi"))
    assert (jia["changes"][0]["event"], jia["changes"][0]["rules"]) == ("approved", ["rule later: added", "rule past: added"])
    assert "rule yi-only: added" in yi["changes"][0]["rules"]
    harness.write_rules((RULES + added.lstrip("\n")).replace("乙不发", "乙一律不发"))
    harness.done("rules", "reload")
    waits = json.loads(harness.done("rules", "list-changes", "--json"))["events"][0]
    monkeypatch.setenv("GATE106_TOKEN", "of wang")
    harness.done("rules", "approve", waits["revision"])
    monkeypatch.delenv("GATE106_TOKEN")
    assert harness.asks("/provider/rules", "of yi")[1]["changes"][0]["rules"] == ["rule yi-only: changed"]
    assert harness.asks("/provider/rules", "of jia")[1]["changes"] == jia["changes"], "a change of another's rule alone is none"
    rules = {one["rule"]: one for one in jia["rules"]}
    assert rules.keys() == {"refused", "beijing", "evening", "later"}, "of others alone, and over: none of its rules"
    assert (rules["beijing"]["dates"], rules["beijing"]["to_come"]) == ("", False)
    assert (rules["later"]["to_come"], rules["later"]["dates_zh"]) == (True, "规则有效期：从 2099-01-01 起")
