"""Keeps processes beside the gate running: console, opt-out audit, follower's copier.

In: the settings' path; of ``gate106 optout audit --follow`` a line of JSON a second. Out: processes that are restarted when they end; notes
for /readyz while one does not stay up; of the audit the count that /metrics shows as sent_after_optout, its lag, a log line for each finding.
Never: a page or the audit itself; a whole number; a pause of the gate: whatever happens to a process, messages go on.

A process ends when its standard input, a pipe of the gate, closes: it never outlives the gate.
"""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import structlog

from proxy.config import WORKER_VARIABLE
from proxy.model.counters import GateCounters
from proxy.runtime.child_process import Backoff, terminate
from proxy.runtime.os_errors import in_words

log = structlog.get_logger()

RESTART_S, RESTART_S_MAX = 2.0, 60.0  # wait before a restart: the first and the longest; each is twice the one before
STEADY_S = 30.0  # after running for so long the wait is the first one again
STOP_S = 2.0
OUTPUT_BYTES_MAX = 1000  # how much of a process's last error output is kept
AUDIT_DELAY_S = 2.0  # wait after the gate's own start, which has other work to do
LINE_BYTES_MAX = 1 << 24  # of one line, the findings of a second: some 80,000 messages


class RestartedProcess:
    """A command of the gate in a process of its own, which is restarted when it ends."""

    ended_event = ""
    nice = 0
    delay_s = 0.0
    stdout: int | None = None
    ends_well = False  # whether an end with code 0 is no fault
    hidden: tuple[str, ...] = ("GATE106_TOKEN",)  # how the names of environment variables begin that the process must not get

    def __init__(self, config: Path, *words: str) -> None:
        self.failed = ""  # the last error line of the process that ended; empty when all is well
        self._command = [sys.executable, "-m", "proxy", *words, "--config", str(config)]
        self._process: subprocess.Popen[bytes] | None = None

    async def run(self) -> None:
        """Until it is cancelled."""
        backoff = Backoff(RESTART_S, RESTART_S_MAX, STEADY_S)
        try:
            await asyncio.sleep(self.delay_s)
            while True:
                began = time.monotonic()
                await self._once()
                wait_s = backoff.ended(time.monotonic() - began if self.failed else STEADY_S)
                if self.failed:
                    log.error(self.ended_event, why=self.failed, after_s=wait_s)
                await asyncio.sleep(wait_s)
        finally:
            await asyncio.to_thread(terminate, self._process, STOP_S)

    async def _once(self) -> None:
        """Runs one process to its end."""
        try:
            process = self._process = await asyncio.to_thread(self._begin)
            await self._follow(process)
            output = await asyncio.to_thread(_wait_for_end, process)
        except OSError as error:
            self.failed = in_words(error)
            return
        lines = output.decode("utf-8", "replace").strip().splitlines() or [f"it ended with {process.returncode}"]
        self.failed = "" if self.ends_well and not process.returncode else lines[-1].removeprefix("gate106: ")
        self._process = None

    def _begin(self) -> subprocess.Popen[bytes]:
        environment = {name: value for name, value in os.environ.items() if not name.startswith(self.hidden)}
        process = subprocess.Popen(  # noqa: S603 # our own program
            self._command, stdin=subprocess.PIPE, stdout=self.stdout, stderr=subprocess.PIPE, env=environment
        )
        os.setpriority(os.PRIO_PROCESS, process.pid, self.nice)
        return process

    async def _follow(self, process: subprocess.Popen[bytes]) -> None:
        """Takes what the process writes to its standard output, until it ends."""

    @property
    def down(self) -> bool:
        return bool(self.failed) and self._process is None


def _wait_for_end(process: subprocess.Popen[bytes]) -> bytes:
    """Waits for the process's end; returns the last of its standard error. Its standard input stays open until then."""
    assert process.stdin is not None
    assert process.stderr is not None
    output = b""
    while more := os.read(process.stderr.fileno(), OUTPUT_BYTES_MAX):
        output = (output + more)[-OUTPUT_BYTES_MAX:]
    process.wait()
    process.stdin.close()
    process.stderr.close()
    return output


class ConsoleProcess(RestartedProcess):
    """The console of the running gate."""

    ended_event = "console ended, and is restarted"
    nice = 10  # messages come first where both need a core

    def __init__(self, config: Path) -> None:
        super().__init__(config, "console", "serve", "--tied")

    def notes(self) -> list[str]:
        """For /readyz."""
        return [f"console: it does not stay up: {self.failed}"] if self.down else []


class ReportingProcess(RestartedProcess):
    """A process that says how it goes, in lines of JSON."""

    stdout = subprocess.PIPE

    async def _follow(self, process: subprocess.Popen[bytes]) -> None:
        lines = asyncio.StreamReader(LINE_BYTES_MAX)
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(lines), process.stdout
        )
        try:
            while line := await lines.readline():
                self._take_line(line)
        finally:
            transport.close()

    def _take_line(self, line: bytes) -> None:
        raise NotImplementedError


class FollowerCopier(ReportingProcess):
    """Copies state, rule sets and tables to the journal's follower."""

    ended_event = "copying to the follower ended, and is restarted"
    nice = 19

    def __init__(self, config: Path) -> None:
        super().__init__(config, "follower", "update", "--tied")
        self.copied_at = 0.0
        """When the last copy was begun that is whole, in seconds since 1970."""

    def _take_line(self, line: bytes) -> None:
        with contextlib.suppress(ValueError, KeyError, TypeError):
            self.copied_at, self.failed = float(json.loads(line)["begun"]), ""

    def notes(self) -> list[str]:
        """For /readyz."""
        return [f"follower: state and tables are not copied to it: {self.failed}"] if self.failed else []


class Auditor(ReportingProcess):
    """The opt-out audit of the running gate, which audits the journals of all workers."""

    ended_event = "opt-out audit ended, and is restarted"
    nice = 19
    delay_s = AUDIT_DELAY_S
    ends_well = True
    hidden = ("GATE106_TOKEN", WORKER_VARIABLE)

    def __init__(self, config: Path, tally: GateCounters) -> None:
        super().__init__(config, "optout", "audit", "--follow", "--since", f"{time.time():.3f}")
        self._tally, self._caught_up_s = tally, time.monotonic()

    @property
    def lag_s(self) -> float:
        """Seconds since the audit last reached the end of the journal."""
        return time.monotonic() - self._caught_up_s

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
            log.error(
                "marketing was sent after an opt-out: gate106 optout trace tells how",
                person=one.get("person"), sent=one.get("sent"), provider=one.get("provider"), port=one.get("port"),
                refused=one.get("refused"), refused_at=one.get("refused_at"),
            )  # fmt: skip

    def notes(self) -> list[str]:
        """For /readyz."""
        return [f"audit of opt-outs: it does not stay up: {self.failed}"] if self.down else []
