"""The real gate under a service manager: what it says on its socket when it opens, reloads, lives and drains."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.carrier import Carrier
from tests.e2e.gate import Gate, provider
from tests.e2e.waiting import until

MakeGate = Callable[..., Gate]


class Ear:
    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.socket.setblocking(False)
        self.said: list[str] = []
        self.status = ""

    def words(self) -> list[str]:
        """First word of each datagram so far, in order; the signs of life are left out and counted."""
        while True:
            try:
                first, *more = self.socket.recv(4096).decode().splitlines()
            except BlockingIOError:
                return [word for word in self.said if word != "WATCHDOG=1"]
            self.said.append(first)
            self.status = next((line for line in more if line.startswith("STATUS=")), self.status)

    @property
    def alive(self) -> int:
        self.words()
        return self.said.count("WATCHDOG=1")


@pytest.fixture
def ear(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ear]:
    listening = Ear(tmp_path / "notify")
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    monkeypatch.setenv("WATCHDOG_USEC", "200000")
    yield listening
    listening.socket.close()


def test_it_says_when_it_is_open_reloading_alive_and_draining(carrier: Carrier, make_gate: MakeGate, ear: Ear) -> None:
    gate = make_gate(carrier.port, [provider("jia", "1069001")]).start()
    until(lambda: ear.words() == ["READY=1"], "the gate open")
    before = ear.alive
    until(lambda: ear.alive >= before + 3, "signs of life")
    gate.signal(signal.SIGHUP)
    until(lambda: ear.words() == ["READY=1", "RELOADING=1", "READY=1"], "the reload and its end")
    assert gate.stop() == 0
    assert ear.words() == ["READY=1", "RELOADING=1", "READY=1", "STOPPING=1"]


def test_what_a_reload_did_not_take_over_stands_in_the_status(carrier: Carrier, make_gate: MakeGate, ear: Ear) -> None:
    gate = make_gate(carrier.port, [provider("jia", "1069001")]).start()
    gate.settings["windw"] = 5
    gate.write_settings()
    gate.signal(signal.SIGHUP)
    until(lambda: ear.words() == ["READY=1", "RELOADING=1", "READY=1"], "the reload and its end")
    assert ear.status.startswith("STATUS=open; not taken over: ")
    assert "unknown key 'windw'" in ear.status


def test_one_that_cannot_start_never_says_that_it_is_open(carrier: Carrier, make_gate: MakeGate, ear: Ear) -> None:
    first = make_gate(carrier.port, [provider("jia", "1069001")]).start()
    until(lambda: ear.words() == ["READY=1"], "the first open")
    second = make_gate(carrier.port, [provider("jia", "1069001")])
    with pytest.raises(AssertionError, match="the gate ended with 2"):
        second.start()
    assert ear.words() == ["READY=1"]
    assert first.stop() == 0
