"""Ends and restarts child processes; tells a child that its parent ended."""

import select
import subprocess
import sys
from typing import Any


class Backoff:
    """When to restart a process that has ended. It never gives up: what ended it may be over by the next time."""

    def __init__(self, first_s: float, most_s: float, steady_s: float) -> None:
        """The first wait and the longest, each twice the one before; after running for ``steady_s`` the wait is the first one again."""
        self._first_s, self._most_s, self._steady_s = first_s, most_s, steady_s
        self._wait_s = 0.0

    def ended(self, ran_s: float) -> float:
        """A process ended after ``ran_s``; returns how long to wait before its restart."""
        again = self._wait_s and ran_s < self._steady_s
        self._wait_s = min(self._most_s, self._wait_s * 2) if again else self._first_s
        return self._wait_s


def parent_lives(seconds: float) -> bool:
    """Waits; whether the gate still holds the other end of this process's standard input."""
    return not select.select([sys.stdin], [], [], seconds)[0]


def terminate(process: subprocess.Popen[Any] | None, within_s: float) -> None:
    """Sends SIGTERM, and SIGKILL after ``within_s``; blocks until the process has ended."""
    if process is None:
        return
    process.terminate()
    try:
        process.wait(within_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
