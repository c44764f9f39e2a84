"""A provider of the crash test is cancelled whenever that comes: traffic of one life must not go on in the next."""

from __future__ import annotations

import asyncio
import random

import pytest

from tests.crash.evidence import Evidence
from tests.crash.provider import Provider


@pytest.mark.parametrize("steps", range(4))
def test_a_cancel_that_comes_together_with_news_is_one(steps: int) -> None:
    async def ends() -> bool:
        provider = Provider(Evidence(), random.Random(1), "jia", "甲", "1069001")

        async def waits() -> None:
            while True:
                await provider.something()

        waiting = asyncio.create_task(waits())
        for _ in range(3):
            await asyncio.sleep(0)
        provider.news.set()
        for _ in range(steps):  # of the loop, until the news has reached who waits
            await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait([waiting], timeout=0.5)
        return waiting.cancelled()

    assert asyncio.run(ends())
