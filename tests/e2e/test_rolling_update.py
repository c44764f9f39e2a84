"""A rolling update of the example's StatefulSet, simulated: its probes, preStop, SIGTERM and volume, with a real gate under load.

What Kubernetes does is played here: an endpoint that leads to a pod while that is ready, and is taken away before the pod's signals.
"""

from __future__ import annotations

import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from tests.e2e.carrier import Carrier
from tests.e2e.gate import ROOT, Gate, run
from tests.e2e.raw import Raw
from tests.e2e.test_backup import CAPPED, RECIPIENT_CAP, marketing_gate
from tests.e2e.waiting import until

MakeGate = Callable[..., Gate]
UPDATES, CLIENTS = 2, 3
LATER = (0x14, 0x58)
"""Statuses after which a provider sends again."""


class Pod:
    """A pod of the StatefulSet: one at a time has the volume."""

    def __init__(self, gate: Gate) -> None:
        objects = yaml.safe_load_all((ROOT / "examples" / "kubernetes" / "gate106.yaml").read_text(encoding="utf-8"))
        (found,) = (one["spec"]["template"]["spec"] for one in objects if one["kind"] == "StatefulSet")
        (container,) = found["containers"]
        self._probes: dict[str, Any] = {name: container[f"{name}Probe"] for name in ("startup", "readiness", "liveness")}
        self._grace_s = found["terminationGracePeriodSeconds"] - container["lifecycle"]["preStop"]["sleep"]["seconds"]
        self.gate = gate
        self.endpoint = threading.Event()
        """Whether new connections are led to it."""

    def start(self) -> None:
        startup = self._probes["startup"]
        self.gate.start(ready=False)
        path, within_s = startup["httpGet"]["path"], startup["periodSeconds"] * startup["failureThreshold"]
        until(lambda: self.gate.get(path)[0] == 200, "the startup probe", within_s)
        assert self.gate.get(self._probes["readiness"]["httpGet"]["path"])[0] == 200
        self.endpoint.set()

    def terminate(self, pre_stop: Callable[[], None]) -> None:
        """The endpoint goes, preStop passes, then come the signals."""
        self.endpoint.clear()
        pre_stop()
        self.gate.signal(signal.SIGTERM)
        drained = time.monotonic()
        with_liveness = self._probes["liveness"]["httpGet"]["path"]
        assert self._alive(with_liveness)
        try:
            assert self.gate.wait() == 0
        except subprocess.TimeoutExpired:
            self.gate.signal(signal.SIGKILL)
        assert time.monotonic() - drained < self._grace_s, "it would have been killed"

    def _alive(self, path: str) -> bool:
        """While it drains nothing restarts it."""
        try:
            return self.gate.get(path)[0] == 200
        except OSError:
            return True  # it has ended already


class Client(threading.Thread):
    """A provider that keeps sending, and binds anew where the endpoint leads."""

    def __init__(self, pod: Pod, number: int) -> None:
        super().__init__()
        self._pod, self._number = pod, number
        self.over = threading.Event()
        self.answered: dict[str, int] = {}
        self.without_answer: list[str] = []
        self.capped: list[int] = []
        self.binds = 0

    def run(self) -> None:
        while not self.over.is_set():
            if self._pod.endpoint.wait(0.05):
                try:
                    self._send()
                except (OSError, AssertionError):  # it was hung up on: what was sent last has no answer
                    continue

    def _send(self) -> None:
        with Raw(self._pod.gate.port) as client:
            if client.bind("jia").status:
                return
            self.binds += 1
            while not self.over.is_set():
                recipient = f"1390{self._number}{len(self.answered) + len(self.without_answer):06d}"
                self.without_answer.append(recipient)
                status = client.submit("1069001", recipient).status
                self.answered[self.without_answer.pop()] = status
                if len(self.answered) % 50 == 25:
                    self.capped.append(client.submit("1069001", CAPPED).status)


def test_a_rolling_update_under_load_loses_nothing_that_was_answered(
    carrier: Carrier, make_gate: MakeGate, tmp_path: Path
) -> None:
    pod = Pod(marketing_gate(carrier, make_gate, tmp_path))
    pod.start()
    clients = [Client(pod, number) for number in range(CLIENTS)]
    for client in clients:
        client.start()

    def sent() -> int:
        return sum(len(client.answered) for client in clients)

    def more(count: int) -> None:
        goal = sent() + count
        until(lambda: sent() >= goal, "messages are answered")

    try:
        for _ in range(UPDATES):
            more(60)
            pod.terminate(lambda: more(20))  # while preStop passes, who is bound goes on
            pod.start()
        more(60)
        until(
            lambda: any(RECIPIENT_CAP in client.capped for client in clients), "the cap refuses a message of the last gate", 60
        )
    finally:
        for client in clients:
            client.over.set()
        for client in clients:
            client.join()
    assert pod.gate.stop() == 0

    seen = [one.fields.destination for one in carrier.seen]
    accepted = {recipient for client in clients for recipient, status in client.answered.items() if status == 0}
    assert {recipient: seen.count(recipient) for recipient in accepted} == dict.fromkeys(accepted, 1)
    later = {recipient for client in clients for recipient, status in client.answered.items() if status in LATER}
    assert not later & set(seen)
    assert {status for client in clients for status in client.answered.values()} <= {0, *LATER}
    assert all(len(client.without_answer) <= UPDATES and client.binds > UPDATES for client in clients)
    assert sum(client.capped.count(0) for client in clients) <= 3
    assert seen.count(CAPPED) <= 3
    assert run("journal", "verify", "--config", pod.gate.config).returncode == 0
