"""Samples the gate's counters for lines over minutes and hours.

Never: a restart taken for a fall (a restarted gate counts from 0); a series without end.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Mapping
from typing import Any, NamedTuple

from proxy.console.gate_client import CannotAsk, GateClient

FREQUENT_S, INFREQUENT_S = 2.0, 10.0
VIEWER_S = 30.0
"""For so long after a page view the samples are frequent."""
RECENT_MAX = 300
"""Ten minutes of every other second."""
MINUTE_S = 60.0
MINUTES_MAX = 24 * 60
VERDICTS = ("allow", "defer", "reject")


class Moment(NamedTuple):
    at: float
    per_s: Mapping[str, float]
    """By verdict, since the moment before."""


class Minute(NamedTuple):
    at: float
    """Its beginning, on the clock."""
    counted: dict[str, float]


class Sampling:
    def __init__(self, asking: GateClient) -> None:
        self._asking = asking
        self.now: dict[str, Any] = {}
        """The last answer of the gate; empty before the first."""
        self.failed = ""
        self.since = time.time()
        self.recent: deque[Moment] = deque(maxlen=RECENT_MAX)
        self.minutes: deque[Minute] = deque(maxlen=MINUTES_MAX)
        self._viewed_s = float("-inf")
        self._wake = asyncio.Event()

    def look(self) -> None:
        """Notes a page view: samples are frequent for a while."""
        if time.monotonic() - self._viewed_s > VIEWER_S:
            self._wake.set()
        self._viewed_s = time.monotonic()

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            await self.sample()
            wait_s = FREQUENT_S if time.monotonic() - self._viewed_s <= VIEWER_S else INFREQUENT_S
            self._wake.clear()
            try:
                async with asyncio.timeout(wait_s):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def sample(self) -> None:
        try:
            answer = await self._asking.ask("", "counters")  # by the account the console runs as: a viewer's right is enough
        except CannotAsk as error:
            self.failed = str(error)
            return
        self.failed = ""
        self.take(answer)

    def take(self, sample: dict[str, Any]) -> None:
        before, self.now = self.now, sample
        if not before:
            return
        took = sample["at"] - before["at"]
        if took <= 0:
            return
        was = dict(before.get("lives", ()))
        more = dict.fromkeys(VERDICTS, 0.0)
        for life, counted in sample.get("lives", ()):  # of each worker; one that started again counts from nothing
            for verdict in VERDICTS:
                more[verdict] += counted.get(verdict, 0) - was.get(life, {}).get(verdict, 0)
        self.recent.append(Moment(sample["at"], {verdict: number / took for verdict, number in more.items()}))
        minute = sample["at"] // MINUTE_S * MINUTE_S
        if not self.minutes or self.minutes[-1].at != minute:
            self.minutes.append(Minute(minute, dict.fromkeys(VERDICTS, 0.0)))
        for verdict, number in more.items():
            self.minutes[-1].counted[verdict] += number

    @property
    def per_s(self) -> float:
        """Messages a second, over the last ten seconds or so."""
        lately = [one for one in self.recent if self.recent[-1].at - one.at <= INFREQUENT_S]
        return sum(sum(one.per_s.values()) for one in lately) / len(lately) if lately else 0.0


def sums(sample: Mapping[str, Any]) -> dict[str, float]:
    found = dict.fromkeys(VERDICTS, 0.0)
    for _, verdict, number in sample["verdicts"]:
        found[verdict] = found.get(verdict, 0.0) + number
    return found
