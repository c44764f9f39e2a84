"""What Valkey does of leases and portions, held against its twin in Python: the same asks at the same times, the same answers."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from proxy.state import leasing
from proxy.state.connection import Address, Login, connect
from proxy.state.leases import LEASE_MS, Places, Share, ask_place, ask_share
from proxy.state.leasing import place_told, portion_told, report_word, share_told
from proxy.state.portions import Book, Limit
from tests.needs import needs
from tests.valkey import Valkey

pytestmark = needs("valkey")
CLOCK = "local function time_ms() return tonumber(redis.call('GET', 'now')) end\n"


class Server:
    """The functions with a clock that the test sets."""

    def __init__(self, port: int) -> None:
        _, rest = leasing.SOURCE.split("local function number", 1)
        self._source = "#!lua name=tried\n" + CLOCK + "local function number" + rest.replace("NAME", "tried")
        self._runner = asyncio.Runner()
        self._connection = self._runner.run(connect(Address("127.0.0.1", port), Login(), 5.0, lambda _: None))
        self.call("FUNCTION", "LOAD", "REPLACE", self._source)

    def call(self, *words: Any) -> Any:
        async def one() -> Any:
            return await self._connection.call(*words)

        return self._runner.run(one())

    def ask(self, now_ms: int, function: str, key: str, *args: Any) -> bytes:
        self.call("SET", "now", now_ms)
        (told,) = self.call("FCALL", f"g106_{function}_tried", 1, key, *args)
        return bytes(told)

    def close(self) -> None:
        async def end() -> None:
            self._connection.end("over")

        self._runner.run(end())
        self._runner.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder: Path = tmp_path_factory.mktemp("valkey")
    valkey = Valkey(folder)
    found = Server(valkey.port)
    yield found
    found.close()
    valkey.kill()


@pytest.mark.parametrize("seed", range(8))
def test_shares_are_those_of_the_twin(server: Server, seed: int):
    dice, book, now_ms, total = (
        random.Random(seed),
        dict[int, Share](),
        1_700_000_000_000,
        10 ** random.Random(seed).uniform(0, 4),
    )
    using = [0.0] * 6
    for _ in range(150):
        now_ms += dice.choice((0, 10, 200, 900, LEASE_MS))
        node, demand = dice.randrange(6), dice.choice((0.0, dice.uniform(0, 2 * total)))
        told = share_told(server.ask(now_ms, "shares", f"rate{seed}", node, repr(total), repr(demand), repr(using[node])))
        assert told == pytest.approx(ask_share(book, node, total, demand, using[node], now_ms), rel=1e-12, abs=1e-9)
        using[node] = dice.choice((told[0], using[node]))


@pytest.mark.parametrize("seed", range(6))
def test_places_are_those_of_the_twin(server: Server, seed: int):
    dice, book, now_ms, held = random.Random(seed), dict[int, Places](), 1_700_000_000_000, [0] * 4
    for _ in range(150):
        now_ms += dice.choice((0, 10, 200, 900, LEASE_MS))
        node, more = dice.randrange(4), dice.random() < 0.6
        told = place_told(server.ask(now_ms, "places", f"place{seed}", node, 5, held[node], int(more)))
        assert told == ask_place(book, node, 5, held[node], more, now_ms)
        assert told.held == sum(one.held for one in book.values())
        held[node] = max(0, held[node] + told.given - (dice.random() < 0.3))


@pytest.mark.parametrize("seed", range(12))
def test_portions_are_those_of_the_twin(server: Server, seed: int):
    dice = random.Random(seed)
    width_s, window_s, most = dice.choice((1, 60, 3600)), dice.choice((60, 86_400)), dice.choice((1, 7, 100, 5000))
    book, now_ms = Book(), 1_700_000_000_000
    numbers, holds = [0] * 4, [0] * 4
    for _ in range(150):
        now_ms += dice.choice((0, 10, 200, 900, LEASE_MS, 1000 * width_s))
        node = dice.randrange(4)
        numbers[node] += dice.random() < 0.9  # else it is the last report again
        used = dice.randint(-1, holds[node])
        second = now_ms // 1000
        taken = {second - second % width_s: used} if used else {}
        wants = dice.choice((0, 1, 5, 200))
        limits = tuple(Limit(most * factor, second - window_s / factor) for factor in ((), (1,), (1, 2))[dice.randrange(3)])
        form = (width_s, window_s) if taken or dice.random() < 0.5 else (0, 0)
        word = report_word(numbers[node], wants, *form, limits, taken)
        told = portion_told(server.ask(now_ms, "portions", f"count{seed}", node, word))
        assert told == book.report(node, numbers[node], taken, wants, limits, now_ms, *form)
        holds[node] = told.left
