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

RESTART_S, RESTART_S_MAX = 1.0, 60.0
"""Wait before a restart: the first and the longest; each is twice the one before."""
STEADY_S = 30.0
"""After running for so long the wait is the first one again."""
STOP_S = 2.0
NICE = 10
"""Messages come first where both need a core."""
OUTPUT_BYTES_MAX = 1000
"""How much of its last error output is kept."""


class ConsoleProcess:
    """Keeps the console of the running gate up."""

    def __init__(self, config: Path) -> None:
        self.failed = ""
        """The last error line of the process that ended; empty when all is well."""
        self._command = [sys.executable, "-m", "proxy", "console", "--tied", "--config", str(config)]
        self._process: subprocess.Popen[bytes] | None = None

    async def run(self) -> None:
        """Until it is cancelled."""
        wait_s = RESTART_S
        try:
            while True:
                began = time.monotonic()
                await self._once()
                wait_s = RESTART_S if time.monotonic() - began >= STEADY_S else min(wait_s * 2, RESTART_S_MAX)
                log.error("console ended, and is restarted", why=self.failed, after_s=wait_s)
                await asyncio.sleep(wait_s)
        finally:
            await asyncio.to_thread(self._end)

    async def _once(self) -> None:
        """Runs one process to its end."""
        try:
            self._process = await asyncio.to_thread(self._begin)
            output = await asyncio.to_thread(_wait_for_end, self._process)
        except OSError as error:
            self.failed = str(error)
            return
        lines = output.decode("utf-8", "replace").strip().splitlines()
        last = lines[-1].removeprefix("gate106: ") if lines else ""
        self.failed = last or f"it ended with {self._process.returncode}"
        self._process = None

    def _begin(self) -> subprocess.Popen[bytes]:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("GATE106_TOKEN")}
        process = subprocess.Popen(self._command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)  # noqa: S603 # our own program
        os.setpriority(os.PRIO_PROCESS, process.pid, NICE)
        return process

    def _end(self) -> None:
        child_process.terminate(self._process, STOP_S)

    def notes(self) -> list[str]:
        """For /readyz."""
        return [f"console: it does not stay up: {self.failed}"] if self.failed and self._process is None else []


def _wait_for_end(process: subprocess.Popen[bytes]) -> bytes:
    """Waits for the process's end; returns the last of its standard error. Its standard input stays open until then."""
    assert process.stderr is not None
    output = b""
    while more := os.read(process.stderr.fileno(), OUTPUT_BYTES_MAX):
        output = (output + more)[-OUTPUT_BYTES_MAX:]
    process.wait()
    assert process.stdin is not None
    process.stdin.close()
    process.stderr.close()
    return output
