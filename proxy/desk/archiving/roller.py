"""Starts the hourly process that rolls closed segments into tables.

In: the path of the settings. Out: the process's result and each day's signed head in the log; the newest head as a metric, which is how it
leaves this machine; a note for /readyz after a failure. Never: the work itself (proxy/archive): it would share the interpreter with messages.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import structlog

from proxy.runtime import child_process

log = structlog.get_logger()

HOUR_S = 3600.0
BEHIND_S = 300.0
"""This long after each full hour: the first record of the next hour closes a segment."""
LEAST_S = 600.0
"""So long after a start it runs first, for what the last run left: not sooner, the gate has other work then. And not twice within it."""
STOP_S = 2.0
"""After SIGTERM the process ends at once, for it may be killed at any moment; after this time it is killed."""


class Roller:
    """Runs the rolling process once an hour. It shares nothing with the gate's threads and only reads segments."""

    def __init__(self, config: Path) -> None:
        self.failed = ""
        """What the last process said when it failed; empty when all is well."""
        self.done = False
        """Whether it finished everything else though it failed."""
        self.altered = False
        """Whether the last process that could check found the journal damaged, or different from its tables or signed heads."""
        self.head: dict[tuple[str, ...], float] = {}
        """The newest head of this gate's journal: (day, digest), and up to which record; none before it is known."""
        self._command = [sys.executable, "-m", "proxy", "journal", "roll", "--gently", "--json", "--config", str(config)]
        self._process: subprocess.Popen[bytes] | None = None

    async def run(self) -> None:
        """Until it is cancelled."""
        try:
            await asyncio.sleep(LEAST_S)
            while True:
                await self.roll()
                await asyncio.sleep(wait_s(time.time()))
        finally:
            await asyncio.to_thread(lambda: child_process.terminate(self._process, STOP_S))

    async def roll(self) -> None:
        try:
            self._process = await asyncio.to_thread(self._start)
            out, errors = await asyncio.to_thread(self._process.communicate)
        except OSError as error:
            self._note_result(str(error), {})
            return
        code = self._process.returncode
        self._process = None
        problem = errors.decode("utf-8", "replace").strip().removeprefix("gate106: ") or f"it ended with {code}"
        try:
            result = json.loads(out)
        except ValueError:
            result = {}
        self._note_result(problem if code else "", result if isinstance(result, dict) else {})

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(self._command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)  # noqa: S603 # our own program

    def _note_result(self, failed: str, result: dict[str, Any]) -> None:
        damaged = "damaged" in result
        self.failed, self.done = failed, bool(result) and not damaged
        if not failed or result:
            self.altered = bool(failed)
        if (newest := result.get("head")) is not None:
            self.head = {(str(newest["day"]), str(newest["digest"])): float(newest["last"])}
        for head in result.get("heads", ()):
            log.info("head of the journal", node=head["node"], day=head["day"], last=head["last"], digest=head["digest"])
        if not failed or self.done:
            segments, records, days, gone, last = map(result.get, ("segments", "records", "days", "gone", "last"))
            log.info("journal rolled into tables", segments=segments, records=records, days=days, gone=gone, last=last)
        if damaged:
            log.error("a closed segment of the journal is damaged", error=failed)
        elif failed and result:
            log.error("journal or signed head differs from its tables", error=failed)
        elif failed:
            log.error("closed segments of the journal were not rolled into tables; it is tried again in an hour", error=failed)

    def gauges(self) -> dict[str, Any]:
        return {"journal_chain_ok": not self.altered, "journal_head": self.head}

    def notes(self) -> list[str]:
        """For /readyz."""
        if not self.failed:
            return []
        return [f"journal: {self.failed}" if self.done else f"journal: no tables are made of it: {self.failed}"]


def wait_s(now: float) -> float:
    """Seconds until the next run."""
    next_s = (now // HOUR_S) * HOUR_S + BEHIND_S
    while next_s - now < LEAST_S:
        next_s += HOUR_S
    return next_s - now
