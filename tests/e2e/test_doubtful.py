"""Doubtful replies at a running gate: what they may refuse waits until somebody decides, also after a kill and at another gate."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.carrier import Carrier
from tests.e2e.gate import SHANGHAI, Gate, provider, run
from tests.e2e.pdus import SUBMIT_SM, message, pdu
from tests.e2e.raw import Raw
from tests.e2e.waiting import until
from tests.needs import needs
from tests.valkey import SECRET, Valkey

LI, WANG, ZHAO = (SHANGHAI.format(number) for number in (1, 2, 3))
NOT_PERMITTED = 0x420
PORT, OTHERS = "1069001", "1069002"
AD, DOUBTFUL = "【青禾商城】双11全场五折 拒收请回复R", "这是退订吗"
RULES = """
rules:
  - {id: refused, when: {category: marketing, suppressed: true}, then: reject, reason: suppressed}
  - {id: renamed, when: {suppressed: {match: text}}, then: reject, reason: renamed-sender}
"""
ZH = 8


class Harness(Gate):
    carrier: Carrier

    def sends(self, *people: str, by: str = "jia", text: str = AD) -> list[int]:
        with Raw(self.port) as client:
            assert client.bind(by).status == 0
            port = PORT if by == "jia" else OTHERS
            octets = text.encode("utf-16-be")
            bodies = [message(port.encode(), one.encode(), octets, data_coding=ZH) for one in people]
            return [client.ask(pdu(SUBMIT_SM, number, body)).status for number, body in enumerate(bodies, 100)]

    def replies(self, who: str, text: str = DOUBTFUL) -> None:
        deliver = self.carrier.reply(who, PORT, text.encode("utf-16-be"), ZH)
        assert self.carrier.acknowledged(deliver).status == 0

    def says(self, *words: str) -> Any:
        ran = run(*words, "--config", self.config, "--json")
        assert ran.returncode == 0, ran.stderr
        return json.loads(ran.stdout)

    def rows(self, state: str = "open") -> list[dict[str, Any]]:
        return list(self.says("optout", "list-doubtful", "--state", state)["rows"])

    def decides(self, says: str, *more: str) -> dict[str, Any]:
        (row,) = self.rows()
        return dict(self.says("optout", "decide", row["row"], f"--{says}", "--why", "read it", *more))

    def killed(self) -> None:
        self.signal(signal.SIGKILL)
        self.wait()
        self.start()


def harness_at(folder: Path, carrier: Carrier, **more: Any) -> Harness:
    jia, yi = provider("jia", PORT, category="marketing", binds=4), provider("yi", OTHERS, category="marketing", binds=4)
    made = Harness(folder, carrier.port, [jia, yi], **more)
    made.carrier = carrier
    made.write_rules(RULES)
    return made


@pytest.fixture
def harness(tmp_path: Path, carrier: Carrier) -> Iterator[Harness]:
    made = harness_at(tmp_path, carrier)
    yield made.start()  # type: ignore[misc]
    made.stop()


def test_what_a_doubtful_reply_may_refuse_waits_over_all_providers_and_passes_when_it_asks_for_nothing(
    harness: Harness,
) -> None:
    assert harness.sends(LI, WANG) == [0, 0]
    harness.replies(LI)
    assert (harness.sends(LI, WANG), harness.sends(LI, by="yi")) == ([NOT_PERMITTED, 0], [NOT_PERMITTED])
    harness.killed()
    assert harness.sends(LI) == [NOT_PERMITTED]
    (row,) = harness.rows()
    assert (row["words"], row["replies"], row["people"], row["holding"], row["then"]) == (DOUBTFUL, 1, 1, 1, "refuse")
    assert (row["answered"]["category"], row["answered"]["signature"], row["answered"]["text"]) == ("marketing", "青禾商城", AD)
    assert harness.metric("gate106_doubtful_replies", state="open") == 1
    assert harness.metric("gate106_doubtful_oldest_seconds") > 0
    assert harness.decides("no")["lifted"] == 1
    assert harness.sends(LI) == [0]
    harness.killed()
    assert (harness.sends(LI), harness.rows()) == ([0], [])
    (made,) = harness.says("optout", "list-doubtful", "--state", "decided")["decisions"]
    assert (made["yes"], made["why"], made["replies"], made["words"]) == (False, "read it", 1, DOUBTFUL)


def test_a_reply_that_asked_to_stop_is_a_refusal_for_good_until_the_person_takes_it_back(harness: Harness) -> None:
    assert harness.sends(LI) == [0]
    harness.replies(LI)
    assert harness.decides("yes")["refused"] == 1
    harness.killed()
    assert (harness.sends(LI), harness.sends(LI, by="yi")) == ([NOT_PERMITTED], [NOT_PERMITTED])
    (refusal,) = harness.says("suppress", "show", "--to", LI)["refusals"]
    assert (refusal["scope"], refusal["source"], refusal["until"]) == ("advertiser", "reply", 0)
    harness.replies(LI, "START")
    assert harness.sends(LI) == [0]


def test_a_reply_that_turns_out_to_refuse_two_shops_is_one_opt_out(harness: Harness) -> None:
    assert harness.sends(LI) + harness.sends(LI, text="【山货】秋季新米现磨现发 拒收请回复R") == [0, 0]
    before = harness.metric("gate106_optouts_total")
    harness.replies(LI)
    harness.decides("yes")
    assert len(harness.says("suppress", "show", "--to", LI)["refusals"]) == 2
    assert harness.metric("gate106_optouts_total") == before + 1


def test_one_decision_is_of_all_who_wrote_the_same_and_a_standing_one_of_those_who_will(harness: Harness) -> None:
    assert harness.sends(LI, WANG, ZHAO) == [0, 0, 0]
    for who in (LI, WANG):
        harness.replies(who)
    assert harness.decides("no", "--standing")["replies"] == 2
    assert harness.sends(LI, WANG) == [0, 0]
    harness.killed()
    harness.replies(ZHAO)
    assert (harness.sends(ZHAO), harness.rows()) == ([0], [])
    (stands,) = harness.says("optout", "list-doubtful", "--state", "standing")["decisions"]
    harness.says("optout", "end-standing", stands["row"], "--why", "the shop asks something else now")
    harness.replies(ZHAO)
    assert (harness.sends(ZHAO), len(harness.rows())) == ([NOT_PERMITTED], 1)
    assert harness.decides("yes", "--standing")["refused"] == 1
    assert harness.sends(SHANGHAI.format(4)) == [0]
    harness.replies(SHANGHAI.format(4))
    assert harness.sends(SHANGHAI.format(4)) == [NOT_PERMITTED]
    assert harness.rows() == []


def test_two_rows_of_one_person_hold_until_both_are_decided(harness: Harness) -> None:
    assert harness.sends(LI) == [0]
    for text in (DOUBTFUL, "退订失败"):
        harness.replies(LI, text)
    first, second = (one["row"] for one in harness.rows())
    harness.says("optout", "decide", first, "--no", "--why", "asks")
    assert harness.sends(LI) == [NOT_PERMITTED]
    harness.says("optout", "decide", second, "--no", "--why", "asks")
    assert harness.sends(LI) == [0]


def test_where_doubtful_replies_pass_one_is_listed_and_holds_nothing_until_yes(tmp_path: Path, carrier: Carrier) -> None:
    harness = harness_at(tmp_path, carrier, doubtful_replies="pass")
    harness.start()
    try:
        assert harness.sends(LI) == [0]
        harness.replies(LI)
        assert (harness.sends(LI), harness.rows()[0]["holding"]) == ([0], 0)
        assert harness.decides("yes")["refused"] == 1
        assert harness.sends(LI) == [NOT_PERMITTED]
    finally:
        harness.stop()


def test_a_reply_that_cannot_be_read_or_answers_nothing_is_listed_and_holds_nothing(harness: Harness) -> None:
    harness.replies(LI)
    assert harness.sends(LI) == [0]
    (row,) = harness.rows()
    assert (row["answered"]["category"], row["holding"]) == ("", 0)


def test_who_is_forgotten_leaves_the_inbox_for_good(harness: Harness) -> None:
    assert harness.sends(LI, WANG) == [0, 0]
    harness.replies(LI, "怎么退订 13800210001")
    harness.replies(WANG)
    shown = next(one for one in harness.rows() if "怎么" in one["words"])
    assert LI not in json.dumps(shown)
    assert harness.says("subject", "show", "--to", LI)["doubtful_replies"][0]["port"] == PORT
    harness.says("subject", "erase", "--to", LI, "--why", "asked for it in writing")
    for _ in range(2):
        assert [one["words"] for one in harness.rows()] == [DOUBTFUL]
        harness.killed()


def test_bad_words_of_an_officer_are_refused_and_change_nothing(harness: Harness) -> None:
    harness.replies(LI)
    config = ("--config", harness.config)
    for words, told in (
        (("decide", "0123456789ab", "--yes", "--why", "x"), "there is no row 0123456789ab that waits for a decision"),
        (("decide", "7", "--yes", "--why", "x"), "is no row's name"),
        (("decide", "0123456789ab", "--why", "x"), "say --yes or --no"),
        (("decide", "0123456789ab", "--yes", "--no", "--why", "x"), "say --yes or --no"),
        (("end-standing", "0123456789ab", "--why", "x"), "no decision about row 0123456789ab stands"),
        (("list-doubtful", "--state", "opn"), "unknown state 'opn' (did you mean 'open'?)"),
    ):
        ran = run("optout", *words, *config)
        assert (ran.returncode, told in ran.stderr) == (2, True), ran.stderr
    assert len(harness.rows()) == 1


@needs("valkey")
def test_gates_on_one_store_list_and_decide_the_same_replies(tmp_path: Path, carrier: Carrier) -> None:
    with ExitStack() as after:
        server = Valkey(tmp_path / "valkey")
        after.callback(server.kill)
        gates = list[Harness]()
        for node in (1, 2):
            folder = tmp_path / f"node-{node}"
            folder.mkdir()
            gate = harness_at(folder, carrier, node=node, store=server.url, shared={"secret": SECRET.decode()})
            gate.settings["carriers"][0]["links"] = 2
            gate.write_settings()
            gate.start()
            after.callback(gate.stop)
            gates.append(gate)
        one, other = gates
        assert one.sends(LI, WANG) == [0, 0]
        one.replies(LI)
        until(lambda: len(other.rows()) == 1 and len(one.rows()) == 1, "both gates list it", 15)
        assert (one.sends(LI), other.sends(LI)) == ([NOT_PERMITTED], [NOT_PERMITTED])
        other.decides("no", "--standing")
        until(lambda: one.rows() == [], "the first gate knows of the decision", 15)
        assert (one.sends(LI), other.sends(LI)) == ([0], [0])
        one.killed()
        assert len(one.says("optout", "list-doubtful", "--state", "standing")["decisions"]) == 1
        one.replies(WANG)
        assert (one.sends(WANG), other.sends(WANG)) == ([0], [0])
