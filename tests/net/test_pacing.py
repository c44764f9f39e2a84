"""How evenly, and how fast, a lane flows: on a clock that only runs while everybody waits for it."""

from __future__ import annotations

import asyncio
import selectors
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from proxy.net.pacing import Pacer

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

    pacer = Pacer(tps, flow, lambda: None)
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
