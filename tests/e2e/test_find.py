"""Who got what: a real gate is asked while it runs and when it has stopped, and it has written down who asked."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from proxy.journal.encoding import unpack
from proxy.journal.records import messages, operator_actions
from proxy.journal.write_ahead_log import OsDisk, read
from tests.e2e.carrier import Carrier
from tests.e2e.gate import SHANGHAI, Gate, provider, run
from tests.e2e.pdus import SUBMIT_SM, message, pdu
from tests.e2e.raw import Raw

MakeGate = Callable[..., Gate]
PERSON = SHANGHAI.format(7)


@pytest.fixture
def gate(carrier: Carrier, make_gate: MakeGate) -> Gate:
    return make_gate(carrier.port, [provider("jia", "1069001")]).start()


def find(gate: Gate, *arguments: str) -> dict[str, Any]:
    done = run("find", *arguments, "--config", gate.config, "--json")
    assert (done.returncode in (0, 1), done.stderr) == (True, "")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def looks(gate: Gate) -> list[operator_actions.Operated]:
    records = read(OsDisk(gate.folder / "journal"))
    return [unpack(operator_actions.Operated, one.body) for one in records if one.kind == messages.OPERATED]


def test_a_gate_that_has_rolled_nothing_yet_is_asked_all_the_same_and_what_is_rolled_later_is_found_by_the_same_keys(
    gate: Gate,
) -> None:
    with Raw(gate.port) as client:
        assert client.bind("jia").status == 0
        assert client.ask(pdu(SUBMIT_SM, 7, message(b"1069001", PERSON.encode(), b"hello there"))).status == 0
    (hit,) = find(gate, "--to", PERSON)["messages"]
    assert gate.stop() == 0
    assert run("journal", "roll", "--config", gate.config).returncode == 0
    assert find(gate, "--to", PERSON)["messages"][0]["id"] == hit["id"]


def test_a_message_is_found_beside_a_running_gate_which_writes_down_who_asked(gate: Gate) -> None:
    with Raw(gate.port) as client:
        assert client.bind("jia").status == 0
        assert client.ask(pdu(SUBMIT_SM, 7, message(b"1069001", PERSON.encode(), b"hello there"))).status == 0
    assert run("journal", "roll", "--gently", "--config", gate.config).returncode == 0
    found = find(gate, "--to", PERSON, "--why", "case 4711")
    (hit,) = found["messages"]
    assert (hit["text"], hit["verdict"], hit["to"]) == ("hello there", "allow", f"{PERSON[:3]}****{PERSON[-4:]}")
    assert [one["state"] for one in hit["became"] if one["what"] == "answer"] == ["accepted"]
    assert found["covered"]["chain_holds"]
    (look,) = looks(gate)
    assert (look.command, look.why, look.details) == ("find", "case 4711", f"to={PERSON}")
    assert not (gate.folder / "archive" / "looked").exists()
    assert gate.stop() == 0
    assert find(gate, "--to", PERSON)["messages"][0]["id"] == hit["id"]
    assert (gate.folder / "archive" / "looked").exists()
    assert len(looks(gate)) == 1
