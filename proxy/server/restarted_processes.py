"""Keeps processes running beside the gate: console, audit, stream, follower's copier.

In: the settings' path; of ``gate106 optout audit --follow`` and ``gate106 journal push`` a line of JSON a second. Out: processes that are
restarted when they end; notes for /readyz while one does not stay up; of the audit the count that /metrics shows as sent_after_optout, its
lag, a log line for each finding; how far the event stream is. Never: a page, the audit or an event itself; a whole number; a pause of the
gate: whatever happens to a process, messages go on.

A process ends when its standard input, a pipe of the gate, closes: it never outlives the gate.
"""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

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
DAY_S = 86_400.0
LINE_BYTES_MAX = 1 << 24  # of one line, the findings of a second: some 80,000 messages


class RestartedProcess:
    """A command of the gate in a process of its own, which is restarted when it ends."""

    note = ""
    """For /readyz, while it does not stay up."""
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

    def notes(self) -> list[str]:
        """For /readyz."""
        return [self.note.format(failed=self.failed)] if self.down else []

    def gauges(self) -> dict[str, float]:
        """For ``operations.metrics.Gauges``."""
        return {}


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

    note = "console: it does not stay up: {failed}"
    ended_event = "console ended, and is restarted"
    nice = 10  # messages come first where both need a core

    def __init__(self, config: Path) -> None:
        super().__init__(config, "console", "serve", "--tied")


class LineProcess(RestartedProcess):
    """A process that writes a line of JSON about once a second."""

    nice = 19
    stdout = subprocess.PIPE
    ends_well = True

    async def _follow(self, process: subprocess.Popen[bytes]) -> None:
        lines = asyncio.StreamReader(LINE_BYTES_MAX)
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(lines), process.stdout
        )
        try:
            while line := await lines.readline():
                with contextlib.suppress(ValueError, KeyError, TypeError):
                    self._take(json.loads(line))
        finally:
            transport.close()

    def _take(self, line_values: dict[str, Any]) -> None:
        """Takes one line. ValueError, KeyError, TypeError: it is no such line."""
        raise NotImplementedError


class FollowerCopier(LineProcess):
    """Copies state, rule sets and tables to the journal's follower."""

    ended_event = "copying to the follower ended, and is restarted"

    def __init__(self, config: Path) -> None:
        super().__init__(config, "follower", "update", "--tied")
        self.copied_at = 0.0
        """When the last copy was begun that is whole, in seconds since 1970."""

    def _take(self, line_values: dict[str, Any]) -> None:
        self.copied_at, self.failed = float(line_values["begun"]), ""

    def notes(self) -> list[str]:
        return [f"follower: state and tables are not copied to it: {self.failed}"] if self.failed else []

    def gauges(self) -> dict[str, float]:
        return {"follower_files_s": self.copied_at}


class Auditor(LineProcess):
    """The opt-out audit of the running gate, which audits the journals of all workers."""

    note = "audit of opt-outs: it does not stay up: {failed}"
    ended_event = "opt-out audit ended, and is restarted"
    delay_s = AUDIT_DELAY_S
    hidden = ("GATE106_TOKEN", WORKER_VARIABLE)

    def __init__(self, config: Path, tally: GateCounters) -> None:
        super().__init__(config, "optout", "audit", "--follow", "--since", f"{time.time():.3f}")
        self._tally, self._caught_up_s = tally, time.monotonic()

    def gauges(self) -> dict[str, float]:
        return {"optout_audit_lag_s": time.monotonic() - self._caught_up_s}

    def _take(self, line_values: dict[str, Any]) -> None:
        found, behind = line_values["found"], line_values["behind"]
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


class StreamStatus(NamedTuple):
    """What the process of the event stream says of itself, each second."""

    position: int  # the last record that is sent; -1: it does not know yet
    oldest_ms: int  # when the oldest record was written that is read and not sent; 0: there is none
    sent: int  # events
    lost: int  # records, both since the process began
    problem: str  # why it makes no progress


class Streamer(LineProcess):
    """Sends this worker's journal to the event stream."""

    note = "event stream: it does not stay up: {failed}"
    ended_event = "event stream ended, and is restarted"
    delay_s = AUDIT_DELAY_S

    def __init__(self, config: Path, keep_days: float, written: Callable[[], int], tally: GateCounters) -> None:
        """``written``: the last record of the journal."""
        super().__init__(config, "journal", "push")
        self._written, self._tally, self._keep_s = written, tally, keep_days * DAY_S
        self._all_sent_at, self._told = time.time(), StreamStatus(-1, 0, 0, 0, "")

    def _begin(self) -> subprocess.Popen[bytes]:
        self._told = self._told._replace(sent=0, lost=0)
        return super()._begin()

    def _take(self, line_values: dict[str, Any]) -> None:
        told, before = StreamStatus(**line_values), self._told
        self._tally.stream_sent += told.sent - before.sent
        self._tally.stream_lost += told.lost - before.lost
        if told.problem and not before.problem:
            log.warning("event stream makes no progress", why=told.problem)
        if told.lost > before.lost:
            log.error("records were not sent to the event stream and will not be", records=told.lost - before.lost)
        self._told, self.failed = told, ""

    def unsent(self) -> tuple[int, float]:
        """The last record that is sent, -1 if nobody knows; for how many seconds the journal must keep later ones."""
        return self._told.position, self._keep_s

    def gauges(self) -> dict[str, float]:
        told = self._told
        records = max(0, self._written() - max(0, told.position)) if told.position >= 0 or self.down else 0
        since = told.oldest_ms / 1000 or self._all_sent_at
        if not records:
            self._all_sent_at = time.time()
        return {"stream_lag_records": float(records), "stream_lag_s": max(0.0, time.time() - since) if records else 0.0}

    def notes(self) -> list[str]:
        problem = self._told.problem
        return super().notes() or ([f"event stream: {problem}"] if problem else [])
