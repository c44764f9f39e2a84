"""Consents over several gates: brought at one, looked at and taken back at another, in force at all; also after a kill, and while the store is away."""

from __future__ import annotations

import os
import pwd
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from proxy.operations.http_auth import hash_token
from tests.e2e.carrier import Carrier
from tests.e2e.gate import SHANGHAI, provider
from tests.e2e.test_consent import MISSING, RULES, Harness
from tests.e2e.waiting import until
from tests.needs import needs
from tests.valkey import SECRET, Valkey

pytestmark = needs("valkey")
LI, WANG, ZHAO = (SHANGHAI.format(number) for number in (1, 2, 3))
ME = pwd.getpwuid(os.getuid()).pw_name
PEOPLE = [
    {"name": "li", "user": ME, "roles": ["officer"], "token": hash_token("token of li")},
    {"name": "wang", "roles": ["officer"], "token": hash_token("token of wang")},
]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Valkey]:
    found = Valkey(tmp_path / "valkey")
    yield found
    found.kill()


@pytest.fixture
def gates(tmp_path: Path, carrier: Carrier, server: Valkey) -> Iterator[list[Harness]]:
    with ExitStack() as after:
        found = []
        for node in (1, 2):
            folder = tmp_path / f"node-{node}"
            folder.mkdir()
            jia = provider("jia", "1069001", category="marketing", binds=8)
            shared = {"secret": SECRET.decode()}
            gate = Harness(
                folder, carrier.port, [jia], people=PEOPLE, node=node, carrier={"links": 2}, store=server.url, shared=shared
            )
            gate.write_rules(RULES)
            found.append(gate.start())
            after.callback(gate.stop)
        yield found  # type: ignore[misc]


def soon(gate: Harness, wanted: list[int]) -> None:
    until(lambda: gate.statuses(LI, WANG, ZHAO) == wanted, f"{wanted} for three people", 15)


def brought(gate: Harness, folder: Path, *people: str) -> int:
    """The number of the batch."""
    (folder / "consents.csv").write_text("号码,given\n" + "".join(f"{person},2026-01-01\n" for person in people))
    (folder / "proof.pdf").write_bytes(b"%PDF signed")
    told = gate.said(
        "import",
        folder / "consents.csv",
        "--source",
        "app",
        "--advertiser",
        "any",
        "--until",
        "good",
        "--provider",
        "jia",
        "--proof",
        folder / "proof.pdf",
        "--why",
        "by jia",
    )
    (number,) = told["batches"]
    return int(number)


def accepted(gate: Harness, number: int) -> None:
    until(lambda: number in [one["number"] for one in gate.said()["batches"]], "the batch heard of", 15)
    gate.said("review", str(number), "--verdict", "accepted", "--why", "the form is signed", token="token of wang")


def test_what_is_brought_at_one_gate_is_looked_at_and_taken_back_at_another(gates: list[Harness], tmp_path: Path) -> None:
    one, other = gates
    first = brought(one, tmp_path, LI, WANG)
    accepted(other, first)
    for gate in gates:
        soon(gate, [0, 0, MISSING])

    second = brought(other, tmp_path, ZHAO)
    assert second != first, "each gate counts its own"
    accepted(one, second)
    for gate in gates:
        soon(gate, [0, 0, 0])

    other.said("withdraw", "--to", LI, "--why", "asked by phone")
    one.said("withdraw", str(second), "--why", "the form was forged")
    for gate in gates:
        soon(gate, [MISSING, 0, MISSING])
        shown = gate.said("show", "--to", LI)
        assert len(shown["withdrawn"]) == 1
        assert [one["reviewer"].partition(" (")[0] for one in shown["consents"]] == ["wang"]
    states = {one["number"]: one["state"] for one in other.said()["batches"]}
    assert states == {first: "accepted", second: "withdrawn"}


def test_a_gate_that_was_killed_hears_what_was_brought_meanwhile(gates: list[Harness], tmp_path: Path) -> None:
    one, other = gates
    other.signal(signal.SIGKILL)
    other.wait()
    number = brought(one, tmp_path, LI)
    accepted(one, number)
    soon(one, [0, MISSING, MISSING])
    other.start()
    soon(other, [0, MISSING, MISSING])
    other.signal(signal.SIGKILL)
    other.wait()
    other.start()
    soon(other, [0, MISSING, MISSING])


def test_what_is_taken_back_while_the_store_is_away_is_told_when_it_is_back(
    gates: list[Harness], server: Valkey, tmp_path: Path
) -> None:
    one, other = gates
    accepted(other, brought(one, tmp_path, LI, WANG))
    for gate in gates:
        soon(gate, [0, 0, MISSING])
    server.kill()
    until(lambda: all(gate.metric("gate106_store_up") == 0 for gate in gates), "the store lost", 15)
    one.said("withdraw", "--to", LI, "--why", "asked by phone")
    soon(one, [MISSING, 0, MISSING])
    server.start()
    for gate in gates:
        soon(gate, [MISSING, 0, MISSING])
