"""Notifications reach a socket like that of systemd."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from pathlib import Path

import pytest

from proxy.runtime.systemd import ServiceManager


def ear(address: str) -> socket.socket:
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listening.bind(address)
    listening.settimeout(5)
    return listening


def heard(listening: socket.socket) -> dict[str, str]:
    return dict(line.split("=", 1) for line in listening.recv(4096).decode().splitlines())


def test_open_reloading_and_draining_are_told_each_in_one_datagram(tmp_path: Path) -> None:
    address = str(tmp_path / "notify")
    with ear(address) as listening:
        manager = ServiceManager({"NOTIFY_SOCKET": address})
        manager.ready("open")
        assert heard(listening) == {"READY": "1", "STATUS": "open"}
        before = time.monotonic_ns() // 1000
        manager.reloading()
        said = heard(listening)
        assert said.pop("RELOADING") == "1"
        assert before <= int(said["MONOTONIC_USEC"]) <= time.monotonic_ns() // 1000
        manager.stopping()
        assert heard(listening)["STOPPING"] == "1"
        manager.close()
        manager.ready("open")  # a reload that ends after the stop
        listening.setblocking(False)
        with pytest.raises(BlockingIOError):
            listening.recv(1)


def test_a_socket_without_a_file_is_found_by_its_abstract_name() -> None:
    name = f"gate106-test-{os.getpid()}"
    with ear("\0" + name) as listening:
        manager = ServiceManager({"NOTIFY_SOCKET": f"@{name}"})
        manager.ready("open")
        assert heard(listening)["READY"] == "1"
        manager.close()


@pytest.mark.parametrize("environment", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "vsock:2:1234"}])
def test_without_a_manager_nothing_happens(environment: dict[str, str]) -> None:
    manager = ServiceManager(environment)
    manager.ready("open")
    manager.reloading()
    manager.stopping()
    manager.close()


def test_a_manager_that_is_gone_or_does_not_read_is_a_line_in_the_log_and_holds_nobody_up(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    address = str(tmp_path / "notify")
    manager = ServiceManager({"NOTIFY_SOCKET": address})
    manager.ready("open")
    assert "systemd notification not sent" in capsys.readouterr().out
    with ear(address):
        for _ in range(10_000):  # far more than a socket keeps
            manager.reloading()
        assert "RELOADING=1" in capsys.readouterr().out
    manager.close()


@pytest.mark.parametrize(
    ("environment", "seconds"),
    [
        ({}, 0.0),
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "ours"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, 0.0),  # the shell's, not ours
        ({"WATCHDOG_USEC": "-1"}, 0.0),
        ({"WATCHDOG_USEC": "soon"}, 0.0),
    ],
)
def test_how_often_the_watchdog_must_hear_is_read_from_the_environment(environment: dict[str, str], seconds: float) -> None:
    if environment.get("WATCHDOG_PID") == "ours":  # the process that collects the tests may be another
        environment = environment | {"WATCHDOG_PID": str(os.getpid())}
    manager = ServiceManager({"NOTIFY_SOCKET": "@nobody", **environment})
    assert manager.watchdog_s == seconds
    manager.close()
    assert ServiceManager(environment).watchdog_s == 0, "nobody listens"


async def test_the_watchdog_hears_that_the_loop_turns_twice_as_often_as_it_asks(tmp_path: Path) -> None:
    address = str(tmp_path / "notify")
    with ear(address) as listening:
        listening.setblocking(False)
        manager = ServiceManager({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "100000"})
        barking = asyncio.ensure_future(manager.watchdog())
        loop = asyncio.get_running_loop()
        times = []
        for _ in range(4):
            assert await loop.sock_recv(listening, 100) == b"WATCHDOG=1"
            times.append(loop.time())
        barking.cancel()
        manager.close()
        assert times[-1] - times[0] >= 0.1
