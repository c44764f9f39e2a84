"""Removes journal segments past their retention, hourly or on request.

In: the ``retention`` settings, the journal's disk. Out: segments removed, with a record of it; sizes and ages for metrics. Never: a removal
before its record is synced, or by a clock that has just jumped.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
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
from proxy.runtime import atomic_files
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
