"""Removes old segments of the journal, rolls others into tables, hourly.

Removal, also on request. In: the ``retention`` settings, the journal's disk. Out: segments removed, with a record of it; sizes and ages for
metrics. Never: a removal before its record is synced, or by a clock that has just jumped.

Rolling is a process of its own (proxy/archive), which would else share the interpreter with messages. In: the path of the settings. Out: its
result and each day's signed head in the log; the newest head as a metric, which is how it leaves this machine; a note for /readyz after a
failure.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import structlog

from proxy.config import Retention
from proxy.journal import retention
from proxy.journal.disk import Disk, OsDisk
from proxy.journal.encoding import pack
from proxy.journal.records import messages
from proxy.journal.write_ahead_log import Journal
from proxy.operations.authorization import CommandRefused
from proxy.operations.gate_interface import Gate
from proxy.runtime import atomic_files, child_process
from proxy.runtime.os_errors import in_words

log = structlog.get_logger()

EVERY_S = 3600.0
"""How often segments are removed. The first time is an hour after a start: with wrong settings or a wrong clock there is an hour to notice."""
MOST = 500
"""Segments that go at once: some 32 GB, more than five days of ten million messages; a clock that is years ahead does no more in an hour."""
JUMP_S = 60.0
"""If the wall clock has moved by more than this against the monotonic clock, nothing is removed this time."""
GATE = "gate106"
"""Who removes segments in the hourly run, as the journal names it."""


class RetentionTask:
    def __init__(self, gate: Gate, journal: Journal) -> None:
        self.keep: Retention
        """The settings ``retention``; the start of the gate and each reload set them."""
        self.unsent: Callable[[], tuple[int, float]] | None = None
        """What the event stream still needs (``retention.plan``), where there is one."""
        self._gate, self._journal = gate, journal
        self._one_at_a_time = asyncio.Lock()
        self._octets, self._written, self._since = 0, 0, 0.0

    @property
    def disk(self) -> Disk:
        return self._journal.disk

    async def run(self) -> None:
        """Until it is cancelled."""
        await self._expire_hourly(dry_run=True)
        wall, mono = time.time(), time.monotonic()
        while True:
            await asyncio.sleep(EVERY_S)
            jumped = abs((time.time() - wall) - (time.monotonic() - mono)) > JUMP_S
            wall, mono = time.time(), time.monotonic()
            if jumped:
                log.warning("clock jumped; journal retention is checked again in an hour")
            await self._expire_hourly(dry_run=jumped)

    async def _expire_hourly(self, dry_run: bool) -> None:
        try:
            await self.expire(GATE, f"retention: {self.keep.days} days", dry_run)
        except (CommandRefused, OSError) as error:
            log.error("old segments of the journal could not be removed", error=in_words(error))

    async def expire(self, who: str, why: str, dry_run: bool = False) -> Mapping[str, Any]:
        """Removes segments that may go now (none if ``dry_run``) and reports them. CommandRefused, OSError."""
        async with self._one_at_a_time:
            plan = await self._plan(MOST)
            if plan.removed and not dry_run:
                gate = self._gate
                await gate.safe(gate.write(messages.REMOVED, pack(retention.Removed.of(gate.now(), plan.removed, who, why))))
                await asyncio.to_thread(retention.remove, self._journal.disk, plan.removed)
                gone = _summary(plan.removed)
                log.info(
                    "old segments of the journal removed",
                    who=who, segments=gone["segments"], bytes=gone["bytes"], first=gone["first"], last=gone["last"],
                    since=gone["since"], until=gone["until"],
                )  # fmt: skip
                left = await self._plan(0)
            else:
                left = plan
            return {
                "dry_run": dry_run, "removed": _summary(plan.removed),
                "kept": {"segments": left.segments, "bytes": left.octets, "since": left.since}, "stays_for": plan.stays_for,
            }  # fmt: skip

    async def put(self, name: str) -> bool:
        """Puts a segment's successor, which lies beside it, into its place; False if the segment has been removed. OSError."""
        disk = self._journal.disk
        async with self._one_at_a_time:
            if not isinstance(disk, OsDisk) or name not in await asyncio.to_thread(disk.list):
                return False
            await asyncio.to_thread(atomic_files.commit_file, disk.path / name)
            return True

    async def _plan(self, most: int) -> retention.RetentionPlan:
        gate, journal = self._gate, self._journal
        written, end = journal.written_bytes, journal.end
        plan = await asyncio.to_thread(
            retention.plan, journal.disk, self.keep, gate.relay.rules.window_s, gate.now(), gate.store.position.open_from, most, end,
            self.unsent() if self.unsent is not None else None,
        )  # fmt: skip
        self._octets, self._written, self._since = plan.octets, written, plan.since
        return plan

    def gauges(self) -> Mapping[str, float]:
        """For metrics: bytes and age as of the last check, bytes written since included; free space."""
        return {
            "journal_bytes": float(self._octets + self._journal.written_bytes - self._written),
            "journal_free_bytes": float(self._journal.disk.room()),
            "journal_oldest_s": self._since,
        }


def _summary(goes: Sequence[retention.ClosedSegment]) -> dict[str, Any]:
    if not goes:
        return {"segments": 0, "bytes": 0}
    return {
        "segments": len(goes), "bytes": sum(segment.octets for segment in goes), "first": goes[0].first, "last": goes[-1].last,
        "since": goes[0].since, "until": goes[-1].until,
    }  # fmt: skip


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
