"""Waiting for another process: looks again and again, within a bound, and says what did not come.

In: a question. Out: its first true answer. Never: a fixed sleep in a test.
"""

from __future__ import annotations

import contextlib
import os
import select
import time
from collections.abc import Callable
from typing import TypeVar

Answer = TypeVar("Answer")
WITHIN_S = 30.0
"""Far more than anything here takes, on a machine that is busy with something else."""
LOOKS_EVERY_S = 0.002, 0.05
"""Soon at first, then a tenth of the time waited so far: looking takes CPU time from what is awaited."""


def until(look: Callable[[], Answer | None], what: object, within_s: float = WITHIN_S) -> Answer:
    """The first true value of ``look``; AssertionError with ``what`` (called, if it can be) when none came in time."""
    begun = time.monotonic()
    soonest, latest = LOOKS_EVERY_S
    while True:
        found = look()
        if found:
            return found
        waited = time.monotonic() - begun
        if waited > within_s:
            raise AssertionError(f"not within {within_s} s: {what() if callable(what) else what}")
        time.sleep(min(max(waited / 10, soonest), latest))


def ended(pid: int, within_s: float = WITHIN_S) -> None:
    """Waits for the end of a process, whoever started it."""
    with contextlib.suppress(ProcessLookupError):
        process = os.pidfd_open(pid)
        try:
            over = select.poll()
            over.register(process, select.POLLIN)
            assert over.poll(within_s * 1000), f"process {pid} goes on after {within_s} s"
        finally:
            os.close(process)
