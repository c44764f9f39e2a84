"""Lanes send evenly, at the set rate, without splitting batches.

The clock of these tests runs only while everybody waits for it.
"""

from __future__ import annotations

import asyncio
import selectors
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from proxy.net.pacing import GRAINS_PER_S, Pacer

RATES = (0.5, 5, 7.3, 19.9, 20, 21, 30, 39, 39.9, 64, 81, 150, 333, 999, 1000, 1499, 2000, 10_000)


class Waits(selectors.SelectSelector):
    """Whoever waits has waited at once, and the clock says so."""

    now_s = 1000.0

    def select(self, timeout: float | None = None) -> Any:
        self.now_s += timeout or 0.0
        return super().select(0)


@contextmanager
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[asyncio.Runner]:
    waits = Waits()
    monkeypatch.setattr(time, "monotonic", lambda: waits.now_s)

    def loop() -> asyncio.AbstractEventLoop:
        found = asyncio.SelectorEventLoop(waits)
        monkeypatch.setattr(found, "time", lambda: waits.now_s)
        return found

    with asyncio.Runner(loop_factory=loop) as runner:
        yield runner


async def flowed(pacer: Pacer, sent: list[float], seconds: float) -> int:
    before = len(sent)
    await asyncio.sleep(seconds)
    return len(sent) - before


def full_lane(tps: float) -> tuple[Pacer, list[float]]:
    sent: list[float] = []

    def flow(most: int) -> int:
        sent.extend([time.monotonic()] * most)
        return most

    pacer = Pacer(tps, flow, lambda: None, lambda: 1_000_000, asyncio.get_running_loop().call_soon)
    pacer.wake()
    return pacer, sent


@pytest.mark.parametrize("tps", RATES)
def test_a_full_lane_flows_at_its_rate_within_five_percent_whatever_the_rate_is(monkeypatch: pytest.MonkeyPatch, tps: float):
    async def run() -> None:
        pacer, sent = full_lane(tps)
        task = asyncio.create_task(pacer.run())
        await asyncio.sleep(1.0)
        seconds = max(1.0, 20 / tps)
        for _ in range(3):
            assert 0.95 * tps * seconds - 1 <= await flowed(pacer, sent, seconds) <= 1.05 * tps * seconds + 1
        at_once = max(sent.count(at) for at in set(sent))
        assert at_once <= max(1, tps * 0.05 + pacer._grain), "never a second's worth"
        task.cancel()

    with clock(monkeypatch) as runner:
        runner.run(run())


def test_a_rate_that_changes_with_every_beat_is_what_flows_on_average(monkeypatch: pytest.MonkeyPatch):
    """As shares of an account over several gates do."""

    async def run() -> None:
        pacer, sent = full_lane(30)
        task = asyncio.create_task(pacer.run())
        await asyncio.sleep(1.0)
        before = len(sent)
        for beat in range(100):
            pacer.limit((24.0, 37.0, 33.0, 26.0)[beat % 4])
            await asyncio.sleep(0.2)
        assert 0.95 * 30 * 20 <= len(sent) - before <= 1.05 * 30 * 20
        task.cancel()

    with clock(monkeypatch) as runner:
        runner.run(run())


TPS = 100 * GRAINS_PER_S
"""A grain is 100 messages."""


class Mouth:
    """A lane and links in one: what waits, how much the links take, and what went each time."""

    def __init__(self, tps: float) -> None:
        self.waits, self.takes = 0, 10**9
        self.went: list[int] = []
        self.empty = asyncio.Event()
        self.pacer = Pacer(tps, self.flow, lambda: None, lambda: self.waits, asyncio.get_running_loop().call_soon)
        self.task = asyncio.create_task(self.pacer.run())

    def flow(self, most: int) -> int:
        sent = min(most, self.waits, self.takes)
        self.waits -= sent
        if sent:
            self.went.append(sent)
        if not self.waits:
            self.empty.set()
        return sent

    async def bring(self, count: int) -> None:
        """So many come together; returns when all are gone."""
        self.waits += count
        self.empty.clear()
        self.pacer.wake()
        await asyncio.wait_for(self.empty.wait(), 60)


async def test_what_came_together_goes_together_whatever_is_left_of_a_grain() -> None:
    mouth = Mouth(TPS)
    for _ in range(20):
        await mouth.bring(70)
    assert mouth.went == [70] * 20
    mouth.task.cancel()


async def test_more_than_a_grain_goes_by_grains() -> None:
    mouth = Mouth(TPS)
    await mouth.bring(250)
    assert mouth.went == [100, 100, 50]
    mouth.task.cancel()


async def test_no_more_leave_than_the_rate_allows() -> None:
    mouth, begun_s = Mouth(50), time.monotonic()
    await mouth.bring(25)
    assert time.monotonic() - begun_s >= 20 / 50, "25 messages at 50 a second, of which two or three may go at once"
    assert mouth.went == [1] * 25
    mouth.task.cancel()


async def test_what_no_link_takes_waits_for_the_next_word() -> None:
    mouth = Mouth(TPS)
    mouth.takes = 0
    mouth.waits = 5
    mouth.pacer.wake()
    for _ in range(20):
        await asyncio.sleep(0)
    assert (mouth.went, mouth.waits) == ([], 5)
    mouth.takes = 10
    await mouth.bring(1)
    assert mouth.went == [6]
    mouth.task.cancel()


async def test_what_the_rate_allows_goes_at_the_end_of_the_turn_without_the_task() -> None:
    turn_end: list[Callable[[], None]] = []
    sent: list[int] = []
    waits, empty = 5, asyncio.Event()

    def flow(most: int) -> int:
        nonlocal waits
        went = min(most, waits)
        waits -= went
        sent.append(went)
        if not waits:
            empty.set()
        return went

    pacer = Pacer(40, flow, lambda: None, lambda: waits, turn_end.append)
    pacer.wake()
    pacer.wake()
    assert (len(turn_end), sent) == (1, []), "once a turn"
    turn_end.pop()()
    assert sent == [1, 1], "two a twentieth of a second"
    pacer.wake()
    assert not turn_end, "the task waits for the throttler, and nobody overtakes it"
    task = asyncio.create_task(pacer.run())
    await asyncio.wait_for(empty.wait(), 60)
    await asyncio.sleep(0)
    waits += 1
    pacer.wake()
    assert len(turn_end) == 1, "the task has nothing to wait for"
    task.cancel()
