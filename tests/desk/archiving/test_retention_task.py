"""Retention runs hourly, not by a clock that jumped, and after failures."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest

from proxy.config import Retention
from proxy.desk.archiving import journal_tasks as retention
from proxy.journal import retention as desk
from proxy.journal.encoding import unpack
from proxy.journal.records import messages
from proxy.journal.write_ahead_log import Journal, read
from proxy.operations.control import CommandRefused
from tests.journal.memory_disk import MemoryDisk

NOON = 1_700_000_000.0
DAY_S = 86_400


class Harness:
    """As much of a gate as the keeper asks for, with a journal of 300 days."""

    def __init__(self) -> None:
        self.disk = MemoryDisk()
        self.journal = Journal(self.disk, segment_bytes=400)
        for day in range(300):
            self.journal.append(messages.CLOCK, bytes(16))
            self.journal.write(NOON - (299 - day) * DAY_S)
            self.journal.note_synced(self.journal.sync())
        self.relay = SimpleNamespace(rules=SimpleNamespace(window_s=7 * DAY_S))
        self.store = SimpleNamespace(position=SimpleNamespace(open_from=301))
        self.full = False

    def now(self) -> float:
        return NOON

    def write(self, kind: int, body: bytes) -> int:
        if self.full:
            raise CommandRefused("the disk is full")
        sequence = self.journal.append(kind, body)
        self.journal.write(NOON)
        return sequence

    async def safe(self, sequence: int) -> None:
        assert len(self.disk.list()) >= 300, "nothing goes before it is said"
        self.journal.note_synced(self.journal.sync())

    def removals(self) -> list[desk.Removed]:
        return [unpack(desk.Removed, record.body) for record in read(self.disk) if record.kind == messages.REMOVED]


@pytest.fixture
def hours(monkeypatch: pytest.MonkeyPatch) -> asyncio.Queue[None]:
    """Hours pass when the test says so: each ``put`` is one, and ``join`` returns when the keeper asks for the next."""
    passed: asyncio.Queue[None] = asyncio.Queue()
    waiting = False

    async def sleep(_: float) -> None:
        nonlocal waiting
        if waiting:
            passed.task_done()
        await passed.get()
        waiting = True

    monkeypatch.setattr(retention, "asyncio", _with(asyncio, sleep=sleep))
    return passed


def _with(module: Any, **others: Any) -> Any:
    """The module, but for these."""
    return SimpleNamespace(**{name: getattr(module, name) for name in dir(module) if not name.startswith("__")} | others)


@contextlib.asynccontextmanager
async def keeping(harness: Harness) -> AsyncIterator[retention.RetentionTask]:
    gate: Any = harness
    retention_task = retention.RetentionTask(gate, harness.journal)
    retention_task.keep = Retention(190, ())
    task = asyncio.create_task(retention_task.run())
    yield retention_task
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def an_hour(hours: asyncio.Queue[None]) -> None:
    await hours.put(None)
    await hours.join()


async def test_the_first_hour_of_a_start_removes_nothing_the_next_what_is_old(hours: asyncio.Queue[None]) -> None:
    harness = Harness()
    async with keeping(harness) as retention_task:
        await asyncio.to_thread(lambda: None)
        assert harness.removals() == []
        await an_hour(hours)
        (removed,) = harness.removals()
        assert (removed.who, removed.why, removed.last) == ("gate106", "retention: 190 days", 109)
        assert retention_task.gauges()["journal_oldest_s"] == NOON - 190 * DAY_S
        await an_hour(hours)
        assert len(harness.removals()) == 1


async def test_a_clock_that_jumped_is_not_believed_for_an_hour(
    hours: asyncio.Queue[None], monkeypatch: pytest.MonkeyPatch
) -> None:
    harness = Harness()
    wall = iter([NOON, NOON + 10 * 366 * DAY_S, NOON + 10 * 366 * DAY_S, NOON + 10 * 366 * DAY_S, NOON + 10 * 366 * DAY_S])
    monkeypatch.setattr(retention, "time", SimpleNamespace(time=lambda: next(wall), monotonic=lambda: 0.0))
    async with keeping(harness):
        await an_hour(hours)
        assert harness.removals() == []
        await an_hour(hours)
        assert len(harness.removals()) == 1


async def test_where_it_cannot_be_written_down_nothing_goes_and_the_next_hour_tries_again(hours: asyncio.Queue[None]) -> None:
    harness = Harness()
    harness.full = True
    async with keeping(harness):
        await an_hour(hours)
        assert len(harness.disk.list()) == 300
        harness.full = False
        await an_hour(hours)
        assert len(harness.removals()) == 1


async def test_what_is_said_by_a_reload_holds_the_next_hour(hours: asyncio.Queue[None]) -> None:
    harness = Harness()
    async with keeping(harness) as retention_task:
        retention_task.keep = Retention(400, ())
        await an_hour(hours)
        assert harness.removals() == []
        retention_task.keep = Retention(31, ())
        await an_hour(hours)
        assert [one.last for one in harness.removals()] == [268]
