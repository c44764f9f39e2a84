"""Gently: long work in a thread, so that messages notice as little of it as can be.

In: work that calls a rest between pieces of some milliseconds. Out: what it returns. Never: two such works at once (whoever asks waits).

A thread that computes and one that runs the loop take turns at the interpreter: whoever wants it waits up to the switch interval, and the
loop wants it anew for every socket that has something to say. So the interval is short meanwhile, and the work sleeps twice as long as it
has worked. What holds the interpreter in one piece (building an automaton, sorting) no interval cuts short: it must be small.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import time
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")

SWITCH_S = 0.000_05
"""Instead of 5 ms: a loop turn asks for the interpreter a dozen times, and once more for each text that nobody has read yet, for the search for
words lets go of it."""
WORK_S = 0.002
"""After so long a rest is due, ..."""
REST = 2
"""... and so many times as long: a busy loop keeps three quarters of the interpreter."""


class Unwanted(Exception):
    """The work is ended from within: the gate stops, and a thread would keep it from ending."""


class Gently:
    """One piece of long work at a time."""

    def __init__(self) -> None:
        self._one = asyncio.Lock()

    async def run(self, work: Callable[[Callable[[], None]], Result]) -> Result:
        """``work`` is given the rest to call; where whoever waits is cancelled, the next rest ends it."""
        async with self._one:
            before = sys.getswitchinterval()
            sys.setswitchinterval(min(SWITCH_S, before))
            sleeping = _Sleeping()
            try:
                return await asyncio.to_thread(work, sleeping.rest)
            finally:
                sleeping.unwanted = True
                gc.freeze()  # what was loaded stays, as at the start
                sys.setswitchinterval(before)


class _Sleeping:
    def __init__(self) -> None:
        self._since_s = time.thread_time()
        self.unwanted = False
        """Nobody waits for the work any more."""

    def rest(self) -> None:
        if self.unwanted:
            raise Unwanted
        worked_s = time.thread_time() - self._since_s
        if worked_s >= WORK_S:
            time.sleep(REST * worked_s)
            self._since_s = time.thread_time()
