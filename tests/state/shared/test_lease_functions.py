"""Lua leases and portions give the same answers as the Python model."""

from __future__ import annotations

import random

import pytest

from proxy.state.counters.limit_portions import PortionLimit, PortionReport
from proxy.state.shared.lease_functions import parse_place, parse_portion, parse_share, report_word
from proxy.state.shared.lease_rules import LEASE_MS, RateRequest
from tests.needs import needs
from tests.state.counters.portion_book import PortionBook
from tests.state.leasing_server import LeasingServer
from tests.state.shared.lease_books import BindLeases, RateBook, ask_place

pytestmark = needs("valkey")


@pytest.mark.parametrize("seed", range(8))
def test_shares_are_those_of_the_python_model(leasing: LeasingServer, seed: int):
    dice, book, now_ms, using = random.Random(seed), RateBook(), 1_700_000_000_000, [0.0] * 6
    total = 10 ** dice.uniform(0, 4)
    for _ in range(150):
        now_ms += dice.choice((0, 10, 200, 900, LEASE_MS))
        node, demand = dice.randrange(6), dice.choice((0.0, dice.uniform(0, 2 * total)))
        back, want = (dice.choice((0.0, dice.uniform(0, total / 5))) for _ in range(2))
        said = RateRequest(total, demand, using[node] * dice.choice((1.0, 1.0, dice.random())), back, want)
        told = parse_share(leasing.ask(now_ms, "shares", f"rate{seed}", node, *map(repr, said)))
        assert told == pytest.approx(book.ask(node, said, now_ms), rel=1e-12, abs=1e-9)
        using[node] = dice.choice((told.share, said.using))


@pytest.mark.parametrize("seed", range(6))
def test_places_are_those_of_the_python_model(leasing: LeasingServer, seed: int):
    dice, book, now_ms, held = random.Random(seed), dict[int, BindLeases](), 1_700_000_000_000, [0] * 4
    for _ in range(150):
        now_ms += dice.choice((0, 10, 200, 900, LEASE_MS))
        node, more = dice.randrange(4), dice.random() < 0.6
        told = parse_place(leasing.ask(now_ms, "places", f"place{seed}", node, 5, held[node], int(more)))
        assert told == ask_place(book, node, 5, held[node], more, now_ms)
        assert told.held == sum(one.held for one in book.values())
        held[node] = max(0, held[node] + told.given - (dice.random() < 0.3))


@pytest.mark.parametrize("seed", range(12))
def test_portions_are_those_of_the_python_model(leasing: LeasingServer, seed: int):
    dice = random.Random(seed)
    width_s, window_s, most = dice.choice((1, 60, 3600)), dice.choice((60, 86_400)), dice.choice((1, 7, 100, 5000))
    book, now_ms = PortionBook(), 1_700_000_000_000
    lives, numbers, holds = [2**50] * 4, [0] * 4, [0] * 4
    for _ in range(200):
        now_ms += dice.choice((0, 10, 200, 900, LEASE_MS, 1000 * width_s))
        node = dice.randrange(4)
        if dice.random() < 0.05:
            lives[node], numbers[node] = lives[node] + 12_345, 0
        numbers[node] += dice.random() < 0.9  # else it is the last report again
        used = dice.randint(-2, holds[node])
        second = now_ms // 1000 - dice.choice((0, 0, width_s))
        taken = {second - second % width_s: used} if used else {}
        back = dice.choice((0, 0, dice.randint(0, holds[node])))
        limits = tuple(
            PortionLimit(most * factor, second - window_s / factor) for factor in ((), (1,), (1, 2))[dice.randrange(3)]
        )
        form = (width_s, window_s) if taken or dice.random() < 0.5 else (0, 0)
        need, spare = dice.choice((0, 1, 5, 200)), dice.choice((0, 3, 50))
        said = PortionReport(lives[node], numbers[node], taken, back, need, spare, limits, *form)
        told = parse_portion(leasing.ask(now_ms, "portions", f"count{seed}", node, report_word(said)))
        assert told == book.report(node, said, now_ms)
        holds[node] = told.left
