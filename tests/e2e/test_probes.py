"""Probes on a running gate: a test telephone behind a simulated carrier answers, or does not; what the commands, rules and records say."""

from __future__ import annotations

import http.server
import json
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.carrier import Carrier
from tests.e2e.gate import SHANGHAI, Gate, provider, run
from tests.e2e.raw import Raw
from tests.e2e.sharing import gate_on, server_and_carrier
from tests.e2e.waiting import until
from tests.needs import needs

PHONE, OTHER = "13800210990", "13800210991"
NUMBERS = f"{PHONE},移动,desk,\n{OTHER},联通,drawer,\n"
RULES = """\
rules:
  - {id: refused, when: {category: marketing, suppressed: true}, then: reject, reason: suppressed}
  - {id: closed, when: {category: marketing, reply_path: [dead, silent, {unproven: {after: 3}}]}, then: reject, reason: reply-path}
"""
REPLY_PATH, SUPPRESSED, SUSPENDED = 0x445, 0x420, 0x472


def register(gate: Gate, rows: str = NUMBERS) -> None:
    (gate.rules / "registries").mkdir(exist_ok=True)
    (gate.rules / "registries" / "test-numbers.csv").write_text(rows)


@pytest.fixture
def gate(tmp_path: Path, carrier: Carrier) -> Iterator[Gate]:
    made = Gate(tmp_path, carrier.port, [provider("jia", "1069001", category="marketing"), provider("yi", "1069002")])
    made.write_rules(RULES)
    register(made)
    yield made.start()
    made.stop()


class Phone(threading.Thread):
    """Answers the first test message to it from a port."""

    def __init__(self, carrier: Carrier, number: str = PHONE, answer: bytes = b"TD", port: Callable[[str], str] = str) -> None:
        super().__init__(daemon=True)
        self._carrier, self._number, self._answer, self._port = carrier, number, answer, port
        self._known = len(carrier.to(number))
        self.start()

    def run(self) -> None:
        got = until(lambda: self._carrier.to(self._number)[self._known :], "a test message")
        self._carrier.acknowledged(self._carrier.reply(self._number, self._port(got[0].fields.source), self._answer))


def probe(gate: Gate, *words: str, port: str = "10690015", to: tuple[str, ...] = (PHONE,)) -> subprocess.CompletedProcess[str]:
    named = [word for number in to for word in ("--to", number)]
    return run("optout", "probe", "--port", port, *named, "--why", "a test", *words, "--config", gate.config)


def told(gate: Gate, *words: str, **how: Any) -> tuple[int, dict[str, Any]]:
    done = probe(gate, "--json", *words, **how)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def state(gate: Gate, prefix: str = "1069001") -> str:
    done = run("optout", "list-paths", "--config", gate.config, "--json")
    assert done.returncode == 0, done.stderr
    return next(str(one["state"]) for one in json.loads(done.stdout)["paths"] if one["prefix"] == prefix)


def listed(gate: Gate) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(run("optout", "list-probes", "--config", gate.config, "--json").stdout)["probes"]
    return found


def advertise(gate: Gate, to: str = SHANGHAI.format(7), port: str = "10690015", who: str = "jia") -> int:
    with Raw(gate.port) as client:
        assert client.bind(who).status == 0
        return client.submit(port, to, b"sale! reply R to stop").status


def test_a_test_telephone_that_answers_proves_the_path_and_the_answer_has_milliseconds(gate: Gate, carrier: Carrier) -> None:
    Phone(carrier)
    code, found = told(gate)
    assert (code, found["state"]) == (0, "proven")
    (one,) = found["tries"]
    assert (one["to"], one["note"], one["said"], one["problem"]) == (PHONE, "移动 desk", "TD", "")
    assert 0 <= one["answered_ms"] < 30_000
    until(lambda: listed(gate)[0]["tries"][0]["accepted_ms"] is not None, "the carrier's answer, which a reply may overtake")
    assert (found["prefix"], found["port"], found["provider"], found["why"]) == ("1069001", "10690015", "jia", "a test")
    assert state(gate) == "proven"
    (sent,) = carrier.to(PHONE)
    assert sent.fields.source == "10690015"
    assert sent.fields.short_message.decode("utf-16-be") == "退订通路测试，收到请回复TD。"
    assert gate.metric("gate106_submits_total") == 0, "it is counted as nobody's message"


def test_the_reply_to_a_probe_is_no_opt_out_and_the_next_one_from_the_same_telephone_is(gate: Gate, carrier: Carrier) -> None:
    assert advertise(gate, PHONE) == 0
    Phone(carrier)
    assert told(gate)[0] == 0
    assert gate.metric("gate106_optouts_total") == 0
    assert advertise(gate, PHONE) == 0, "it was not refused"
    assert carrier.acknowledged(carrier.reply(PHONE, "10690015", b"R")).status == 0
    until(lambda: gate.metric("gate106_optouts_total") == 1, "the opt-out")
    assert advertise(gate, PHONE) == SUPPRESSED


@pytest.mark.parametrize(
    ("answer", "port"),
    [
        ("ｔｄ。".encode("utf-16-be"), lambda port: port),
        (b"td", lambda port: "86" + port),
        (b"TD", lambda port: port[:-1]),
        (b"TD", lambda port: port + "42"),
        ("回复TD".encode("utf-16-be"), lambda port: "+86" + port),
    ],
)
def test_an_answer_counts_however_it_is_spelt_and_from_a_shorter_or_longer_port(
    gate: Gate, carrier: Carrier, answer: bytes, port: Callable[[str], str]
) -> None:
    wide = b"\0" in answer or b"\xff" in answer

    def reply() -> None:
        got = until(lambda: carrier.to(PHONE), "a test message")
        carrier.reply(PHONE, port(got[0].fields.source), answer, data_coding=8 if wide else 0)

    threading.Thread(target=reply, daemon=True).start()
    code, found = told(gate)
    assert (code, found["state"]) == (0, "proven"), found
    assert gate.metric("gate106_optouts_total") == 0


def test_without_a_reply_the_path_is_dead_rules_refuse_the_port_and_a_late_reply_lets_it_send_again(
    gate: Gate, carrier: Carrier
) -> None:
    assert advertise(gate) == 0
    done = probe(gate, "--wait", "1s")
    assert done.returncode == 1, done.stderr
    assert "taken by the carrier" in done.stdout
    assert "port prefix 1069001 of jia: dead, no reply within 1 s" in done.stdout
    assert state(gate) == "dead"
    assert advertise(gate) == REPLY_PATH
    assert advertise(gate, port="1069002", who="yi") == 0, "another port's path"
    assert carrier.acknowledged(carrier.reply(PHONE, "10690015", b"TD")).status == 0
    until(lambda: state(gate) == "proven", "the proof")
    assert advertise(gate) == 0
    assert gate.metric("gate106_optouts_total") == 0, "a late reply to a probe is no opt-out either"
    assert [(one["prefix"], one["state"]) for one in listed(gate)] == [("1069001", "proven")]


def test_explain_and_precheck_know_the_state_of_the_path(gate: Gate, carrier: Carrier, tmp_path: Path) -> None:
    assert probe(gate, "--wait", "1s").returncode == 1
    assert advertise(gate) == REPLY_PATH
    asked = (
        "--from",
        "10690015",
        "--text",
        "sale! reply R to stop",
        "--provider",
        "jia",
        "--category",
        "marketing",
        "--lang",
        "en",
    )
    for more in ((), ("--record",)):
        said = run("explain", "--to", SHANGHAI.format(7), *asked, *more, "--config", gate.config).stdout
        assert "reject (reply-path, by rule closed)" in said
        assert "the reply path of the port is dead" in said
    (gate.folder / "texts.txt").write_text("sale! reply R to stop\n")
    done = run(
        "precheck", gate.folder / "texts.txt", "--from", "10690015", "--provider", "jia", "--config", gate.config, "--json"
    )
    assert (done.returncode, json.loads(done.stdout)["texts"][0]["verdict"]) == (1, "reject")
    (found,) = json.loads(run("find", "--verdict", "reject", "--config", gate.config, "--json").stdout)["messages"]
    said = run("explain", "--message", found["id"], "--config", gate.config, "--lang", "en").stdout
    assert "reject reply-path (closed)" in said
    assert "refuses        closed: the reply path of the port is silent or dead or unproven after 3 advertisements" in said
    assert "note:" not in said, "nothing comes out otherwise"


def test_a_new_port_sends_as_much_as_the_rule_lets_it_and_goes_on_once_it_is_proven(gate: Gate, carrier: Carrier) -> None:
    for number in range(3):
        assert advertise(gate, SHANGHAI.format(number)) == 0
    until(lambda: advertise(gate) == REPLY_PATH, "the rule to know")
    Phone(carrier)
    assert told(gate)[0] == 0
    assert advertise(gate) == 0


def test_a_reply_of_anybody_ends_a_dead_path(gate: Gate, carrier: Carrier) -> None:
    assert probe(gate, "--wait", "1s").returncode == 1
    assert carrier.acknowledged(carrier.reply(SHANGHAI.format(50), "10690019", b"hello")).status == 0
    assert state(gate) == "proven"
    assert advertise(gate) == 0


def test_some_telephones_that_answer_are_enough_and_the_others_are_named(gate: Gate, carrier: Carrier) -> None:
    Phone(carrier)
    code, found = told(gate, "--wait", "2s", to=(PHONE, OTHER))
    assert (code, found["state"]) == (0, "proven")
    assert [one["answered_ms"] is not None for one in found["tries"]] == [True, False]


def test_a_carrier_that_takes_no_test_message_says_nothing_of_the_way_back(gate: Gate, carrier: Carrier) -> None:
    carrier.answer_with(PHONE, 0x0B)
    code, found = told(gate)
    assert (code, found["state"]) == (1, "not-sent")
    assert found["tries"][0]["problem"] == "the carrier refused it: ESME_RINVDSTADR"
    assert state(gate) == "unproven"


def test_mistakes_are_told_and_nothing_is_sent(gate: Gate, carrier: Carrier) -> None:
    cases: list[tuple[dict[str, Any], tuple[str, ...], str]] = [
        ({"port": "1068001"}, (), "no provider of the settings owns 1068001"),
        ({"to": ("13800210992",)}, (), "this is no registered test number: registries/test-numbers.csv"),
        ({"to": ("12345",)}, (), "to:"),
        ({}, ("--keyword", "!!"), "keyword: must be 1 to 11 letters and digits"),
        ({}, ("--wait", "2h"), "wait: must be from 1s to 60m"),
    ]
    for how, words, said in cases:
        done = probe(gate, *words, **how)
        assert (done.returncode, done.stdout) == (2, ""), done
        assert said in done.stderr
    assert carrier.seen == []
    assert "13800210992" not in probe(gate, to=("13800210992",)).stderr


def test_a_second_probe_of_a_port_that_waits_is_refused(gate: Gate, carrier: Carrier) -> None:
    first = threading.Thread(target=probe, args=(gate, "--wait", "5s"), daemon=True)
    first.start()
    until(lambda: carrier.to(PHONE), "the first test message")
    done = probe(gate)
    assert done.returncode == 2
    assert "a probe waits for its reply" in done.stderr
    carrier.reply(PHONE, "10690015", b"TD")
    first.join(20)


def test_without_a_registry_the_command_says_where_to_make_one(tmp_path: Path, carrier: Carrier) -> None:
    gate = Gate(tmp_path, carrier.port, [provider("jia", "1069001")])
    gate.start()
    try:
        assert "registries/test-numbers.csv" in probe(gate, to=()).stderr
    finally:
        gate.stop()


def test_a_probe_survives_a_kill_but_says_nothing_of_a_path_that_nobody_watched(gate: Gate, carrier: Carrier) -> None:
    waiting = threading.Thread(target=probe, args=(gate, "--wait", "60s"), daemon=True)
    waiting.start()
    until(lambda: carrier.to(PHONE), "the test message")
    gate.signal(signal.SIGKILL)
    gate.wait()
    waiting.join(20)
    gate.start()
    until(lambda: listed(gate)[0]["state"] == "ended", "the probe taken up")
    assert state(gate) == "unproven"
    assert carrier.acknowledged(carrier.reply(PHONE, "10690015", b"TD")).status == 0
    assert listed(gate)[0]["state"] == "proven"
    assert gate.metric("gate106_optouts_total") == 0
    gate.signal(signal.SIGKILL)
    gate.wait()
    gate.start()
    assert (listed(gate)[0]["state"], state(gate)) == ("proven", "proven")


def test_a_dead_path_is_dead_after_a_kill_and_its_port_stays_refused(gate: Gate, carrier: Carrier) -> None:
    assert probe(gate, "--wait", "1s").returncode == 1
    gate.signal(signal.SIGKILL)
    gate.wait()
    gate.start()
    assert state(gate) == "dead"
    assert advertise(gate) == REPLY_PATH


PENALTY = """
penalties:
  - id: closed-ports
    watch: reply-paths
    per: day
    steps: [{above: 0, then: suspend-marketing, for: 1d}]
    approval: none
"""


def test_a_penalty_rule_on_dead_ports_suspends_the_provider_and_the_backtest_says_what_it_takes_for_granted(
    gate: Gate, carrier: Carrier
) -> None:
    assert advertise(gate) == 0
    assert probe(gate, "--wait", "1s").returncode == 1
    assert advertise(gate) == REPLY_PATH
    done = run("backtest", "--config", gate.config, "--json")
    assert done.returncode == 1, "something comes out otherwise"
    told_again = json.loads(done.stdout)
    assert told_again["then"] == {"allow": 1, "reject": 1} | dict.fromkeys(told_again["then"].keys() - {"allow", "reject"}, 0)
    assert told_again["notes"] == ["closed: here every reply path counts as proven, for replies are not judged again"]
    gate.stop()
    gate.write_rules(RULES.replace("reply_path: [dead, silent, {unproven: {after: 3}}]", "reply_path: silent") + PENALTY)
    gate.start()
    until(lambda: advertise(gate, SHANGHAI.format(8)) == SUSPENDED, "the penalty")
    (one,) = json.loads(run("penalty", "list", "--config", gate.config, "--json").stdout)["penalties"]
    assert (one["provider"], one["step"]) == ("jia", "suspend-marketing")
    assert "replies to 1 registered port prefixes do not arrive (1069001 dead)" in one["figure"]


class Agent(http.server.BaseHTTPRequestHandler):
    """Makes the test telephone reply, as a platform for test telephones does."""

    carrier: Carrier
    asked: list[dict[str, str]]
    status = 202

    def do_POST(self) -> None:
        said = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.asked.append(said)
        self.send_response(self.status)
        self.end_headers()
        if self.status < 300:
            self.carrier.reply(said["number"], said["port"], said["text"].encode("utf-16-be"), data_coding=8)

    def log_message(self, *_: object) -> None:
        return None


@pytest.fixture
def agent(carrier: Carrier) -> Iterator[tuple[str, type[Agent]]]:
    handler = type("Handler", (Agent,), {"carrier": carrier, "asked": []})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/reply?line=1", handler
    server.shutdown()
    server.server_close()


def test_an_agent_is_asked_to_have_the_telephone_reply(gate: Gate, agent: tuple[str, type[Agent]]) -> None:
    url, handler = agent
    register(gate, f"{PHONE},移动,automatic,{url}\n")
    run("rules", "reload", "--config", gate.config)
    code, found = told(gate, "--keyword", "退订", to=())
    assert (code, found["state"]) == (0, "proven"), found
    assert handler.asked == [{"number": PHONE, "port": "10690015", "text": "退订"}]


def test_an_agent_that_does_not_do_it_is_named_and_somebody_may_answer_by_hand(
    gate: Gate, carrier: Carrier, agent: tuple[str, type[Agent]]
) -> None:
    url, handler = agent
    handler.status = 503
    register(gate, f"{PHONE},移动,automatic,{url}\n")
    run("rules", "reload", "--config", gate.config)

    def by_hand() -> None:
        until(lambda: handler.asked, "the agent asked")
        carrier.reply(PHONE, "10690015", b"TD")

    threading.Thread(target=by_hand, daemon=True).start()
    code, found = told(gate)
    assert (code, found["state"]) == (0, "proven")


@needs("valkey")
def test_a_reply_at_another_gate_proves_the_path_and_a_dead_one_is_refused_by_both(tmp_path: Path) -> None:
    with ExitStack() as after:
        server, carrier = server_and_carrier(tmp_path, after)
        gates = [gate_on(tmp_path / f"node-{node}", node, carrier, server, RULES, 2) for node in (1, 2)]
        for gate in gates:
            register(gate)
            gate.start()
            after.callback(gate.stop)
        for _ in range(4):  # the carrier hands replies to the gates in turn
            Phone(carrier)
            assert told(gates[0])[1]["state"] == "proven"
            until(lambda: state(gates[1]) == "proven", "the proof at the other gate")
        assert sum(gate.metric("gate106_optouts_total") for gate in gates) == 0
        assert told(gates[1], "--wait", "1s")[1]["state"] == "failed"
        until(lambda: {state(gate) for gate in gates} == {"dead"}, "the dead path at both gates")
        until(lambda: {advertise(gate) for gate in gates} == {REPLY_PATH}, "the rule at both gates")
        Phone(carrier)
        assert told(gates[0])[1]["state"] == "proven"
        until(lambda: {advertise(gate) for gate in gates} == {0}, "both gates send again")
