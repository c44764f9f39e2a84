"""Keeps the console running in a process beside the gate.

In: the settings' path. Out: a process that is restarted when it ends; a note for /readyz while it does not stay up. Never: a page; a pause
of the gate: whatever happens to that process, messages go on.

The process ends when its standard input, a pipe of the gate, closes: it never outlives the gate.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path

import structlog

from proxy.runtime import child_process

log = structlog.get_logger()

AGAIN_S, AGAIN_MOST_S = 1.0, 60.0
"""Started again after so long, twice as long each time, …"""
WELL_S = 30.0
"""… unless it was up for so long."""
STOP_S = 2.0
NICE = 10
"""Messages first, where both want a core."""
WORDS_MAX = 1000
"""Of what it said last: bytes."""


class ConsoleProcess:
    """Of the running gate."""

    def __init__(self, config: Path) -> None:
        self.failed = ""
        """What the last process said when it ended; empty when all is well."""
        self._command = [sys.executable, "-m", "proxy", "console", "--tied", "--config", str(config)]
        self._process: subprocess.Popen[bytes] | None = None

    async def run(self) -> None:
        """Until it is cancelled."""
        wait_s = AGAIN_S
        try:
            while True:
                began = time.monotonic()
                await self._once()
                wait_s = AGAIN_S if time.monotonic() - began >= WELL_S else min(wait_s * 2, AGAIN_MOST_S)
                log.error("the console ended, and is started again", why=self.failed, after_s=wait_s)
                await asyncio.sleep(wait_s)
        finally:
            await asyncio.to_thread(self._end)

    async def _once(self) -> None:
        """One process, to its end."""
        try:
            self._process = await asyncio.to_thread(self._begin)
            said = await asyncio.to_thread(_its_end, self._process)
        except OSError as error:
            self.failed = str(error)
            return
        lines = said.decode("utf-8", "replace").strip().splitlines()
        last = lines[-1].removeprefix("gate106: ") if lines else ""
        self.failed = last or f"it ended with {self._process.returncode}"
        self._process = None

    def _begin(self) -> subprocess.Popen[bytes]:
        bare = {name: value for name, value in os.environ.items() if not name.startswith("GATE106_TOKEN")}
        process = subprocess.Popen(self._command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, env=bare)  # noqa: S603 # our own program
        os.setpriority(os.PRIO_PROCESS, process.pid, NICE)
        return process

    def _end(self) -> None:
        child_process.end(self._process, STOP_S)

    def notes(self) -> list[str]:
        """For /readyz."""
        return [f"console: it does not stay up: {self.failed}"] if self.failed and self._process is None else []


def _its_end(process: subprocess.Popen[bytes]) -> bytes:
    """Waits for it; what it said last on standard error. Its standard input stays open until then."""
    assert process.stderr is not None
    said = b""
    while more := os.read(process.stderr.fileno(), WORDS_MAX):
        said = (said + more)[-WORDS_MAX:]
    process.wait()
    assert process.stdin is not None
    process.stdin.close()
    process.stderr.close()
    return said
