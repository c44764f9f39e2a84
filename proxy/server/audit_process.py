"""Keeps the opt-out audit running in a process beside the gate.

In: the settings' path; the output of ``gate106 optout audit --follow``, a line of JSON a second. Out: the count that /metrics shows as
sent_after_optout, the audit's lag, a log line for each finding; a note for /readyz while the process does not stay up. Never: the audit
itself, a whole number.

The process ends when its standard input, a pipe of the gate, closes: it never outlives the gate.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import structlog

from proxy.model.counters import GateCounters
from proxy.runtime import child_process

log = structlog.get_logger()

RESTART_S, RESTART_S_MAX = 1.0, 60.0
"""Wait before a restart: the first and the longest; each is twice the one before."""
STEADY_S = 30.0
"""After running for so long the wait is the first one again."""
START_DELAY_S = 2.0
"""Wait after the gate's own start, which has other work to do."""
STOP_S = 2.0
NICE = 19
LINE_BYTES_MAX = 1 << 24
"""Of one line, the findings of a second: some 80,000 messages."""


class Auditor:
    """Keeps the audit of the running gate up."""

    def __init__(self, config: Path, tally: GateCounters, worker_variable: str) -> None:
        """``worker_variable``: an environment variable that the process must not get: it audits the journals of all workers."""
        self.failed = ""
        """The last error line of the process that ended; empty when all is well."""
        self._tally, self._began = tally, time.time()
        self._caught_up_s = time.monotonic()
        self._command = [
            sys.executable, "-m", "proxy", "optout", "audit", "--follow", "--since", f"{self._began:.3f}", "--config", str(config),
        ]  # fmt: skip
        self._worker_variable = worker_variable
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def lag_s(self) -> float:
        """Seconds since the audit last reached the end of the journal."""
        return time.monotonic() - self._caught_up_s

    async def run(self) -> None:
        """Until it is cancelled."""
        wait_s = RESTART_S
        try:
            await asyncio.sleep(START_DELAY_S)
            while True:
                began = time.monotonic()
                await self._once()
                wait_s = (
                    RESTART_S if time.monotonic() - began >= STEADY_S or not self.failed else min(wait_s * 2, RESTART_S_MAX)
                )
                if self.failed:
                    log.error("opt-out audit ended, and is restarted", why=self.failed, after_s=wait_s)
                await asyncio.sleep(wait_s)
        finally:
            await asyncio.to_thread(self._end)

    async def _once(self) -> None:
        """Runs one process to its end."""
        try:
            process = self._process = await asyncio.to_thread(self._begin)
        except OSError as error:
            self.failed = str(error)
            return
        assert process.stdout is not None
        assert process.stderr is not None
        lines = asyncio.StreamReader(LINE_BYTES_MAX)
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(lines), process.stdout
        )
        try:
            while line := await lines.readline():
                self._take_line(line)
        finally:
            transport.close()
        errors = (await asyncio.to_thread(process.stderr.read)).decode("utf-8", "replace").strip().splitlines()
        code = await asyncio.to_thread(process.wait)
        self.failed = (errors[-1].removeprefix("gate106: ") if errors else f"it ended with {code}") if code else ""
        self._process = None

    def _begin(self) -> subprocess.Popen[bytes]:
        hidden = self._worker_variable
        environment = {
            name: value for name, value in os.environ.items() if name != hidden and not name.startswith("GATE106_TOKEN")
        }
        process = subprocess.Popen(  # noqa: S603 # our own program
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
        )
        os.setpriority(os.PRIO_PROCESS, process.pid, NICE)
        return process

    def _take_line(self, line: bytes) -> None:
        try:
            line_values = json.loads(line)
            found, behind = line_values["found"], line_values["behind"]
        except (ValueError, KeyError, TypeError):
            return
        if not behind:
            self._caught_up_s = time.monotonic()
            self.failed = ""
        for one in found:
            self._tally.sent_after_optout += 1
            log.error("marketing was sent after an opt-out: gate106 optout trace tells how", **one)

    def _end(self) -> None:
        child_process.terminate(self._process, STOP_S)

    def notes(self) -> list[str]:
        """For /readyz."""
        return [f"audit of opt-outs: it does not stay up: {self.failed}"] if self.failed and self._process is None else []
