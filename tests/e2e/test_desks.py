"""The desks of two gates on one store: what is decided of a penalty or a case at one holds at both, and neither contradicts the other."""

from __future__ import annotations

import json
import os
import pwd
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from proxy.operations.http_auth import hash_token
from tests.e2e.gate import Gate, keep_secret, run
from tests.e2e.pdus import ESME_ROK, ESME_RTHROTTLED
from tests.e2e.raw import Raw
from tests.e2e.sharing import Harness, gate_on, server_and_carrier
from tests.e2e.waiting import until
from tests.needs import needs

pytestmark = needs("valkey")
ME = pwd.getpwuid(os.getuid()).pw_name
RULES = """\
rules:
  - {id: refused, when: {category: marketing, suppressed: true}, then: reject, reason: suppressed}
"""
SUPPRESSED = 0x420
SUSPENDED = 0x472
AT_ONCE_S = 1.0


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[Harness]:
    tokens = {name: f"{name}-has-a-token" for name in ("li", "wang")}
    people = [
        {"name": name, "user": f"{name}-os", "roles": ["officer", "approver"], "token": hash_token(token)}
        for name, token in tokens.items()
    ]
    desk = {"name": "desk", "user": ME, "roles": ["officer", "approver"], "token": hash_token("x" * 20)}
    for name, token in tokens.items():
        keep_secret(tmp_path / f"{name}.token", token)
    with ExitStack() as after:
        server, carrier = server_and_carrier(tmp_path, after)
        gates = [gate_on(tmp_path / f"node-{node}", node, carrier, server, RULES) for node in (1, 2)]
        for gate in gates:
            gate.settings["people"] = [*people, desk]
            gate.settings["providers"][0]["tps"] = 1000
            gate.write_settings()
            gate.start()
            after.callback(gate.stop)
        yield Harness(server, carrier, gates)


def told(gate: Gate, *words: str | Path) -> dict[str, Any]:
    done = run(*words, "--config", gate.config, "--json")
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def refused(gate: Gate, *words: str | Path) -> str:
    done = run(*words, "--config", gate.config)
    assert done.returncode == 2, done.stdout
    return done.stderr


def by(gate: Gate, name: str) -> tuple[str, str]:
    return "--token-file", str(gate.folder.parent / f"{name}.token")


def known(gate: Gate, what: str, key: str) -> list[dict[str, Any]]:
    return list(told(gate, what, "list")[key])


def penalties(gate: Gate) -> dict[int, str]:
    return {one["id"]: one["state"] for one in known(gate, "penalty", "penalties")}


def status(gate: Gate, number: int = 1) -> int:
    """Once the gate has its share of the provider's rate."""
    with Raw(gate.port) as jia:
        assert jia.bind("jia").status == 0
        said = lambda: jia.submit("1069001", f"1380021{number:04d}").status  # noqa: E731 # asked again and again
        return until(lambda: [one for one in (said(),) if one != ESME_RTHROTTLED], "a share")[0]


def soon(gate: Gate, wanted: int) -> None:
    begun = time.monotonic()
    until(lambda: status(gate) == wanted, f"status {wanted:#x}")
    assert time.monotonic() - begun < AT_ONCE_S


def test_a_penalty_approved_at_one_gate_acts_at_both_and_lifted_at_the_other_at_neither(harness: Harness) -> None:
    one, other = harness.gates
    suspend = ("penalty", "propose", "--provider", "jia", "--step", "suspend-marketing", "--why", "x", *by(one, "li"))
    made = told(one, *suspend)["id"]
    until(lambda: penalties(other) == {made: "proposed"}, "it waits at both")
    assert "li is the author" in refused(other, "penalty", "approve", str(made), *by(other, "li"))
    assert [status(gate) for gate in harness.gates] == [ESME_ROK, ESME_ROK]
    told(other, "penalty", "approve", str(made), *by(other, "wang"))
    assert status(other) == SUSPENDED
    soon(one, SUSPENDED)
    told(one, "penalty", "appeal", str(made), "--why", "letter")
    until(lambda: told(other, "penalty", "show", str(made))["appeal"] == "letter", "the appeal is told")
    other.signal(signal.SIGKILL)
    other.wait()
    other.start()
    assert status(other) == SUSPENDED
    assert len(told(other, "stop", "list")["orders"]) == 1
    told(other, "penalty", "lift", str(made), "--why", "granted")
    assert status(other) == ESME_ROK
    soon(one, ESME_ROK)
    events = [event["what"] for event in told(one, "penalty", "show", str(made))["events"]]
    assert events == ["proposed", "approved", "appealed", "lifted"]


def test_a_throttle_is_felt_at_both_and_given_back_at_both_when_its_time_has_passed(harness: Harness) -> None:
    one, other = harness.gates
    throttle = ("--step", "throttle", "--to", "0.1", "--for", "6s", "--why", "x")
    made = told(one, "penalty", "propose", "--provider", "jia", *throttle, *by(one, "li"))["id"]
    told(one, "penalty", "approve", str(made), *by(one, "wang"))

    def limits() -> list[float]:
        return [gate.metric("gate106_provider_tps_limit", provider="jia") for gate in harness.gates]

    until(lambda: limits() == [100, 100], "felt at both")
    until(lambda: limits() == [1000, 1000], "given back at both")
    until(lambda: [penalties(gate) for gate in harness.gates] == [{made: "over"}] * 2, "over at both")
    assert [known(gate, "stop", "orders") for gate in harness.gates] == [[], []]
    mine = told(other, "penalty", "propose", "--provider", "jia", "--step", "warn", "--why", "x", *by(one, "li"))["id"]
    assert mine % 256 == 2
    until(lambda: set(penalties(one)) == {made, mine}, "numbers of both are known")


def test_a_case_filed_at_one_gate_is_decided_at_the_other_once_and_its_person_hears_no_more_from_either(
    harness: Harness, tmp_path: Path
) -> None:
    one, other = harness.gates
    file = tmp_path / "batch.csv"
    file.write_text(
        "number,time,sender,text,reference\n13800210077,2026-11-11 10:00,1069001,buy,A1\n13800210078,2026-11-11 10:00,1069001,buy,A2\n"
    )
    words = ("complaint", "import", file, "--source", "12321", "--why", "batch")
    first, second = told(one, *words)["cases"]
    until(lambda: len(known(other, "complaint", "cases")) == 2, "they are known at both")
    assert told(other, *words)["filed"] == 0, "the same batch is the same cases at the other gate"
    decide = ("complaint", "decide", str(first))
    told(other, *decide, "valid", "--provider", "jia", "--suppress", "provider", "--value", "jia", "--why", "true")
    until(lambda: told(one, "complaint", "show", str(first))["state"] == "valid", "decided at both")
    assert f"case {first} is decided (valid)" in refused(one, *decide, "invalid", "--why", "no")
    assert [event["what"] for event in told(one, "complaint", "show", str(first))["events"]] == ["filed", "valid", "suppressed"]
    assert status(other, 77) == SUPPRESSED
    until(lambda: status(one, 77) == SUPPRESSED, "suppressed at both")
    for gate, teller in ((other, None), (one, 2)):
        trace = told(gate, "optout", "trace", "--to", "13800210077")
        assert [(event["event"], event.get("gate")) for event in trace["events"] if event["event"] != "sent"] == [
            ("stopped", teller)
        ]
        assert ([refusal["scope"] for refusal in trace["in_force"]], trace["sent_after_optout"]) == (["provider"], 0)
    harness.server.kill()
    until(lambda: one.metric("gate106_store_up") == 0, "cut off")
    told(one, "complaint", "decide", str(second), "invalid", "--why", "no message")
    one.signal(signal.SIGKILL)
    one.wait()
    harness.server.start()
    one.start()
    until(lambda: told(other, "complaint", "show", str(second))["state"] == "invalid", "told when they are together again", 30)
    file.write_text(file.read_text().replace("A1", "B1").replace("A2", "B2"))
    assert {number % 256 for number in told(other, *words)["cases"]} == {2}
