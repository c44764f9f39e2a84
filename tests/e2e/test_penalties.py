"""Penalties at a real gate: a rule asks, a second person agrees, the provider feels it at once, and it ends by itself."""

from __future__ import annotations

import json
import os
import pwd
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from proxy.operations.http_auth import hash_token
from tests.e2e.carrier import Carrier
from tests.e2e.gate import SHANGHAI, Gate, keep_secret, provider, run
from tests.e2e.pdus import SUBMIT_SM, message, pdu
from tests.e2e.raw import Raw
from tests.e2e.waiting import until

RULES = """\
rules:
  - {id: words, when: {text: 六合彩}, then: reject, reason: keyword}
penalties:
  - id: words-too-often
    say: 禁词太多就停营销
    basis: contract 7.2
    watch: refusals
    reasons: [keyword]
    per: day
    steps: {above: 2, then: suspend-marketing, for: 2d}
"""
AD, BAD = "【测试】双11优惠券满300减50 拒收请回复R", "【测试】六合彩 拒收请回复R"
SUSPENDED, THROTTLED = 0x472, 0x58
JIA = "1069001"
ME = pwd.getpwuid(os.getuid()).pw_name
MakeGate = Callable[..., Gate]


@pytest.fixture
def gate(carrier: Carrier, make_gate: MakeGate) -> Gate:
    tokens = {name: f"{name}-has-a-token" for name in ("li", "wang")}
    people = [
        {"name": name, "user": f"{name}-os", "roles": ["officer", "approver"], "token": hash_token(token)}
        for name, token in tokens.items()
    ]
    made = make_gate(
        carrier.port,
        [provider("jia", JIA, category="marketing", tps=10)],
        people=[*people, {"name": "desk", "user": ME, "roles": ["officer", "approver"], "token": hash_token("x" * 20)}],
    )
    for name, token in tokens.items():
        keep_secret(made.folder / f"{name}.token", token)
    made.write_rules(RULES)
    return made.start()


@pytest.fixture
def jia(gate: Gate) -> Iterator[Raw]:
    with Raw(gate.port) as client:
        assert client.bind("jia").status == 0
        yield client


def submit(client: Raw, text: str, person: int = 1) -> int:
    sequence = next(client._sequences)
    body = message(JIA.encode(), SHANGHAI.format(person).encode(), text.encode("utf-16-be"), data_coding=8)
    return client.ask(pdu(SUBMIT_SM, sequence, body)).status


def told(gate: Gate, *arguments: str | Path) -> dict[str, Any]:
    done = run("penalty", *arguments, "--config", gate.config, "--json")
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def refused(gate: Gate, *arguments: str | Path) -> str:
    done = run("penalty", *arguments, "--config", gate.config)
    assert (done.returncode, done.stdout) == (2, "")
    return done.stderr


def test_a_rule_proposes_somebody_approves_and_marketing_stops_until_it_is_lifted(gate: Gate, jia: Raw):
    for _ in range(3):
        assert submit(jia, BAD) == 0x450
    restart(gate, signal.SIGTERM)  # what was counted is put away when it stops; the first look of a new process is at once
    until(lambda: told(gate, "list")["penalties"], "a proposal")
    (proposed,) = told(gate, "list")["penalties"]
    assert (proposed["provider"], proposed["step"], proposed["state"], proposed["basis"]) == (
        "jia",
        "suspend-marketing",
        "proposed",
        "contract 7.2",
    )
    assert proposed["figure"].startswith("3 messages refused (keyword) since ")
    assert gate.metric("gate106_penalties_waiting") == 1
    with Raw(gate.port) as client:
        assert client.bind("jia").status == 0
        assert submit(client, AD) == 0
        assert "with a personal token" in refused(gate, "approve", "1")
        approved = told(gate, "approve", "1", "--token-file", gate.folder / "li.token")
        assert (approved["state"], approved["until"] - approved["since"]) == ("in-force", 2 * 86_400)
        assert submit(client, AD) == SUSPENDED
        assert any(note.startswith("suspension-1: provider jia and category marketing") for note in gate.notes())
        assert gate.metric("gate106_penalties", provider="jia", step="suspend-marketing") == 1
        told(gate, "appeal", "1", "--why", "letter")
        assert submit(client, AD) == SUSPENDED
        restart(gate, signal.SIGKILL)
    with Raw(gate.port) as client:
        assert client.bind("jia").status == 0
        assert submit(client, AD) == SUSPENDED
        assert told(gate, "show", "1")["appeal"] == "letter"
        told(gate, "lift", "1", "--why", "granted")
        assert submit(client, AD) == 0
    events = [event["what"] for event in told(gate, "show", "1")["events"]]
    assert events == ["proposed", "approved", "appealed", "lifted"]


def test_a_throttle_halves_the_rate_at_once_and_gives_it_back_when_its_time_has_passed(gate: Gate, jia: Raw):
    made = told(
        gate,
        "propose",
        "--provider",
        "jia",
        "--step",
        "throttle",
        "--to",
        "0.1",
        "--for",
        "8s",
        "--why",
        "x",
        "--token-file",
        gate.folder / "li.token",
    )
    assert (made["author"], made["state"]) == ("li", "proposed")
    assert "li is the author of penalty-1: somebody else must approve it" in refused(
        gate, "approve", "1", "--token-file", gate.folder / "li.token"
    )
    wrong = keep_secret(gate.folder / "wrong.token", "nobody-has-this")
    assert "this token is nobody's" in refused(gate, "approve", "1", "--token-file", gate.folder / "wrong.token")
    wrong.chmod(0o644)
    assert "everybody on this machine may read it" in refused(gate, "approve", "1", "--token-file", wrong)
    assert [submit(jia, AD, number) for number in range(5)] == [0] * 5
    told(gate, "approve", "1", "--token-file", gate.folder / "wang.token")
    assert gate.metric("gate106_provider_tps_limit", provider="jia") == 1
    assert sorted({submit(jia, AD, number) for number in range(5)}) == [0, THROTTLED]
    gate.signal(signal.SIGHUP)
    until(lambda: gate.metric("gate106_settings_reload_total", result="ok") == 1, "a reload")
    assert gate.metric("gate106_provider_tps_limit", provider="jia") == 1, "a reload does not free it"
    until(lambda: gate.metric("gate106_provider_tps_limit", provider="jia") == 10, "the rate given back")
    assert told(gate, "list")["penalties"][0]["state"] == "over"
    assert [submit(jia, AD, number) for number in range(5)] == [0] * 5


def test_of_two_who_approve_at_once_one_is_told_that_it_is_done_and_of_a_token_that_was_taken_away_nothing_is_left(gate: Gate):
    li, wang = ("--token-file", gate.folder / "li.token"), ("--token-file", gate.folder / "wang.token")
    told(gate, "propose", "--provider", "jia", "--step", "suspend-all", "--why", "x", "--token-file", gate.folder / "li.token")
    words = ("penalty", "approve", "1", *wang, "--config", gate.config)
    with ThreadPoolExecutor(2) as both:
        done = list(both.map(lambda _: run(*words), range(2)))
    assert sorted(one.returncode for one in done) == [0, 2]
    assert "penalty 1 is in-force, not proposed" in "".join(one.stderr for one in done)
    assert [event["what"] for event in told(gate, "show", "1")["events"]] == ["proposed", "approved"]
    assert len(json.loads(run("stop", "list", "--config", gate.config, "--json").stdout)["orders"]) == 1
    gate.settings["people"] = [one for one in gate.settings["people"] if one["name"] != "wang"]
    gate.write_settings()
    gate.signal(signal.SIGHUP)
    until(lambda: gate.metric("gate106_settings_reload_total", result="ok") == 1, "a reload")
    told(gate, "propose", "--provider", "jia", "--step", "warn", "--why", "x", *li)
    assert "this token is nobody's" in refused(gate, "approve", "2", *wang)


def test_a_penalty_whose_order_somebody_lifts_is_lifted(gate: Gate):
    told(gate, "propose", "--provider", "jia", "--step", "suspend-all", "--why", "x", "--token-file", gate.folder / "li.token")
    told(gate, "approve", "1", "--token-file", gate.folder / "wang.token")
    assert run("binds", "resume", "--provider", "jia", "--why", "x", "--config", gate.config).returncode == 0
    until(lambda: told(gate, "show", "1")["state"] == "lifted", "it is lifted")
    assert told(gate, "show", "1")["events"][-1]["why"] == "order 1 was lifted"


def test_an_officer_does_not_end_what_an_approver_agreed_to(gate: Gate):
    chen = keep_secret(gate.folder / "chen.token", "chen-has-a-token")
    gate.settings["people"].append(
        {"name": "chen", "user": "chen-os", "roles": ["officer"], "token": hash_token("chen-has-a-token")}
    )
    gate.write_settings()
    gate.signal(signal.SIGHUP)
    until(lambda: gate.metric("gate106_settings_reload_total", result="ok") == 1, "a reload")
    told(gate, "propose", "--provider", "jia", "--step", "suspend-all", "--why", "x", "--token-file", gate.folder / "li.token")
    told(gate, "approve", "1", "--token-file", gate.folder / "wang.token")
    for words in (("binds", "resume", "--provider", "jia"), ("stop", "lift", "suspension-1")):
        done = run("--token-file", chen, *words, "--why", "x", "--config", gate.config)
        assert done.returncode == 2
        assert "takes the role approver" in done.stderr, done.stderr
    assert told(gate, "show", "1")["state"] == "in-force"


def test_a_proposal_is_taken_back_by_who_made_it_or_lapses_and_never_acts(gate: Gate):
    asked = ("propose", "--provider", "jia", "--step", "suspend-all", "--why", "x", "--token-file", gate.folder / "li.token")
    made = told(gate, *asked)
    assert 6 * 86_400 < made["until"] - time.time() < 7 * 86_400 + 1
    wang = ("--token-file", gate.folder / "wang.token")
    assert "is li's, and only they take it back" in refused(gate, "withdraw", "1", "--why", "x", *wang)
    assert told(gate, "withdraw", "1", "--why", "wrong", "--token-file", gate.folder / "li.token")["state"] == "withdrawn"
    told(gate, *asked, "--lapses", "1s")
    until(lambda: told(gate, "show", "2")["state"] == "lapsed", "it lapses")
    assert "penalty 2 is lapsed, not proposed" in refused(gate, "approve", "2", *wang)
    assert [one["state"] for one in told(gate, "list")["penalties"]] == ["lapsed", "withdrawn"]


LEFT = """\
penalties:
  - id: they-leave
    say: 一小时内退订率超过四成的活动停一天
    watch: optouts
    by: signature
    per: 1h
    least: {count: 2, sent: 2}
    steps: {above: 0.4, then: suspend-marketing, for: 1d}
    approval: none
"""


def test_the_campaign_that_people_leave_stops_by_itself_and_the_provider_s_others_go_on(gate: Gate, jia: Raw, carrier: Carrier):
    gate.write_rules(LEFT)
    restart(gate, signal.SIGTERM)
    other = AD.replace("测试", "别家")
    with Raw(gate.port) as client:
        assert client.bind("jia").status == 0
        assert [submit(client, AD, 1), submit(client, AD, 2), submit(client, other, 3), submit(client, other, 4)] == [0] * 4
        for person in (1, 2):
            carrier.acknowledged(carrier.reply(SHANGHAI.format(person), JIA, b"R"))
        restart(gate, signal.SIGTERM)
    until(lambda: told(gate, "list")["penalties"], "a penalty")
    (made,) = told(gate, "list")["penalties"]
    assert (made["of"], made["state"], made["by"], made["value"]) == ("jia and signature 测试", "in-force", "signature", "测试")
    assert made["figure"].startswith("2 opt-outs by reply in 2 marketing messages since ")
    with Raw(gate.port) as client:
        assert client.bind("jia").status == 0
        assert (submit(client, AD, 7), submit(client, other, 7)) == (SUSPENDED, 0)
    assert told(gate, "lift", "1", "--why", "granted", "--token-file", gate.folder / "li.token")["state"] == "lifted"


def test_a_person_proposes_a_penalty_of_a_signature_and_of_an_advertiser(gate: Gate):
    li = ("--why", "x", "--token-file", gate.folder / "li.token")
    asked = ("propose", "--step", "suspend-all")
    assert "say whose messages" in refused(gate, *asked, *li)
    assert "say whose messages" in refused(gate, *asked, "--signature", "测试", *li)
    assert "unknown advertiser of registries/signatures.csv" in refused(gate, *asked, "--advertiser", "没有的公司", *li)
    throttle = ("propose", "--step", "throttle", "--to", "0.5", "--provider", "jia", "--signature", "测试")
    assert "signature 测试 can be suspended" in refused(gate, *throttle, *li)
    assert told(gate, *asked, "--provider", "jia", "--signature", "【测试】", *li)["of"] == "jia and signature 测试"
    wang = ("--token-file", gate.folder / "wang.token")
    assert told(gate, "reject", "1", "--why", "no", *wang)["state"] == "rejected"
    assert "penalty 1 never came into force (rejected)" in refused(gate, "letter", "1", "--out", gate.folder / "x.pdf")


def restart(gate: Gate, how: signal.Signals) -> None:
    gate.signal(how)
    gate.wait()
    gate.start()
