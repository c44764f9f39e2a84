"""No two processes get the same port, not even a forked copy."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

from proxy.sim.ports import BLOCK, PORTS, free_port

COUNT = 40
ROOT = Path(__file__).parents[2]
GIVEN = f"""
import os, sys
from proxy.sim.ports import free_port
before = [free_port() for _ in range({COUNT})]
copy = os.fork() == 0
given = [free_port() for _ in range({COUNT})]
os.write(1, (" ".join(map(str, given if copy else before + given)) + "\\n").encode())  # whole, whatever the other writes
sys.stdin.read()
"""
"""Two processes, one the other's copy, that say what they were given and live on until they are told to end."""


def test_a_process_is_given_another_each_time_and_none_that_the_kernel_lends() -> None:
    given = [free_port() for _ in range(COUNT)]
    assert len(set(given)) == COUNT
    assert set(given) <= set(PORTS)


def test_no_two_processes_that_live_are_given_the_same_nor_one_and_its_copy() -> None:
    command = [sys.executable, "-c", GIVEN]
    others = [subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    given = [free_port() for _ in range(COUNT)]
    for other in others:
        assert other.stdout is not None
        for _ in ("it", "its copy"):
            given += map(int, other.stdout.readline().split())
    for other in others:
        other.communicate()
    assert len(given) == 7 * COUNT
    assert len(set(given)) == len(given)


def test_a_port_somebody_listens_on_is_left_out_also_when_its_turn_comes_again() -> None:
    with socket.create_server(("127.0.0.1", free_port())) as listening:
        taken = listening.getsockname()[1]
        assert taken not in [free_port() for _ in range(2 * BLOCK)]
