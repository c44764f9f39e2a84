"""A carrier that takes and does not answer: however often a provider sends again, a person gets two copies of what counts at most."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.e2e.gate import SHANGHAI, Gate, provider
from tests.e2e.pdus import ESME_RMSGQFUL, ESME_ROK, ESME_RSYSERR
from tests.e2e.raw import Raw
from tests.e2e.rogue import Rogue
from tests.e2e.sharing import CAP, PORTS, RULES, gate_on
from tests.e2e.waiting import until
from tests.needs import needs
from tests.valkey import Valkey

RECIPIENT_CAP = 0x410
ROUNDS, AT_ONCE = 4, 8


class Harness:
    def __init__(self, folder: Path, after: ExitStack, store: str) -> None:
        self.carrier = Rogue()
        after.callback(self.carrier.stop)
        server = None
        if store == "valkey":
            server = Valkey(folder / "valkey")
            after.callback(server.kill)
        self.gates = [self._gate(folder, node, server, after) for node in (1, 2)[: 2 if server else 1]]

    def _gate(self, folder: Path, node: int, server: Valkey | None, after: ExitStack) -> Gate:
        if server is None:
            gate = Gate(folder, self.carrier.port, [provider("jia", PORTS["jia"], category="marketing", window=500, binds=8)])
            gate.write_rules(RULES)
        else:
            gate = gate_on(folder / f"node-{node}", node, self.carrier, server)
        gate.settings["timers"] = {"response_s": 0.5}
        gate.settings["providers"][0]["statuses"] = "vendor"
        gate.write_settings()
        gate.start()
        after.callback(gate.stop)
        return gate

    def sends(self, recipient: str, text: bytes, count: int, gate: Gate) -> Counter[int]:
        """The same submit so often at once; how often each status was told."""
        with Raw(gate.port) as client:
            client.bind("jia")
            submits = [client.submit_bytes(PORTS["jia"], recipient, text) for _ in range(count)]
            client.send(b"".join(submits))
            told: Counter[int] = Counter()
            while told.total() < count:
                found = client.next()
                assert found is not None, "hung up"
                told[found.status] += 1
            return told


@pytest.fixture(params=["embedded", pytest.param("valkey", marks=needs("valkey"))])
def harness(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Harness]:
    with ExitStack() as after:
        yield Harness(tmp_path, after, request.param)


@pytest.fixture
def recipient(numbers: Iterator[int]) -> str:
    return SHANGHAI.format(next(numbers))


def test_who_sends_one_after_the_other_is_put_off_after_the_second(harness: Harness, recipient: str) -> None:
    harness.carrier.hold(recipient)
    told = [next(iter(harness.sends(recipient, b"hello", 1, gate))) for _ in range(4) for gate in harness.gates]
    assert told[:2] == [ESME_RSYSERR] * 2
    assert set(told[2:]) == {ESME_RMSGQFUL}
    assert harness.carrier.arrived(recipient) == 2


def test_once_the_carrier_has_answered_the_second_late_the_third_is_a_new_message(harness: Harness, recipient: str) -> None:
    gate = harness.gates[-1]
    harness.carrier.hold(recipient)
    assert (
        harness.sends(recipient, b"hello", 1, harness.gates[0])
        == harness.sends(recipient, b"hello", 1, gate)
        == {ESME_RSYSERR: 1}
    )
    second = harness.carrier.waiting(recipient, 2)[1]
    settled = gate.metric("gate106_entries_total", event="settled")
    second.peer.send(second.answer(ESME_ROK, b"late"))
    until(lambda: gate.metric("gate106_entries_total", event="settled") > settled, lambda: "the late answer is counted")
    assert harness.sends(recipient, b"hello", 1, gate) == {ESME_RSYSERR: 1}
    assert harness.carrier.arrived(recipient) == 3


def test_a_flood_of_the_same_message_gets_two_copies_of_each_that_the_cap_allows(harness: Harness, recipient: str) -> None:
    """Before and after every gate was killed."""
    harness.carrier.hold(recipient)
    for number in range(ROUNDS):
        for gate in harness.gates:
            told = harness.sends(recipient, b"hello", AT_ONCE, gate)
            assert set(told) <= {ESME_RSYSERR, ESME_RMSGQFUL, RECIPIENT_CAP}
            if number == 1:
                gate.signal(signal.SIGKILL)
                gate.wait()
                gate.start()
    assert harness.carrier.arrived(recipient) == 2 * CAP
