"""Totals over several nodes never exceed a limit in a seeded simulation.

Nodes ask, wait, sleep and die while messages arrive; answers come late, twice or not at all. One thread, a simulated clock. The
store is the book in Python or the functions on a real Valkey.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import pytest

from proxy.model.message import Take
from proxy.policy.limit import COUNT_MAX
from proxy.state.counters.aggregates import Aggregates
from proxy.state.counters.limit_portions import PortionState
from proxy.state.counters.shared_counters import COUNT_S, ENDLESS, SharedCounters
from proxy.state.shared.lease_functions import parse_portion
from tests.needs import needs
from tests.state.counters.portion_book import PortionBook
from tests.state.counters.test_shared_counters import read_word
from tests.state.leasing_server import LeasingServer

START_S = 1_700_000_000
KEY = 7
DEADLINE_S = 0.25
TRIES = 5
Ask = Callable[[int, str, int], PortionState]
"""(node, word, milliseconds) → what the store tells."""


class Chances(NamedTuple):
    """Of each question; of each node in each second."""

    lost: float = 0.0
    late: float = 0.0
    """It is done after the node gave up."""
    sleeps: float = 0.0
    dies: float = 0.0
    goes_back: float = 0.0
    """Of each message that went out: the carrier refuses it."""


@dataclass
class Node:
    number: int
    counters: SharedCounters
    asking: bool = False
    waiting: list[int] = field(default_factory=list)
    """Messages that wait for the answer that is on its way: how often each was judged."""
    short: list[int] = field(default_factory=list)
    """... for the next one."""
    awake_s: float = 0.0
    turned_away: int = 0


class World:
    def __init__(self, ask: Ask, seed: int, *, most: int, window_s: int, nodes: int, chances: Chances) -> None:
        self.dice, self.chances = random.Random(seed), chances
        self.most, self.window_s = most, window_s
        width_s = max(1, window_s // 128)
        self.take = Take(KEY, width_s, window_s + width_s)
        self._ask = ask
        self.now_s = 0.0
        self.out: list[float] = []
        """When messages went out that were in somebody's portion, and stayed out."""
        self.alone = 0
        """Went out by what a node knew alone, while it could not ask."""
        self.deaths = 0
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._lives = self._order = 0
        self.nodes = [Node(number, self._born()) for number in range(nodes)]
        for node in self.nodes:
            self._at(self.dice.uniform(0, COUNT_S), partial(self._beat, node))

    def _born(self) -> SharedCounters:
        self._lives += 1
        found = SharedCounters((START_S + round(self.now_s)) * 1_000_000 + self._lives)
        found.reconnect()
        return found

    def _at(self, later_s: float, what: Callable[[], None]) -> None:
        self._order += 1
        heapq.heappush(self._events, (self.now_s + later_s, self._order, what))

    def run(self, seconds: float) -> None:
        end_s = self.now_s + seconds
        while self._events and self._events[0][0] <= end_s:
            self.now_s, _, what = heapq.heappop(self._events)
            what()
        self.now_s = end_s

    def load(self, seconds: float, a_second: float) -> None:
        """So many messages a second come in all, in bursts; for some time at some of the nodes, then at others."""
        at_s, others_s, some = 0.0, 0.0, self.nodes
        while at_s < seconds:
            at_s += self.dice.expovariate(a_second / 5)
            if at_s > others_s:
                others_s = at_s + self.dice.uniform(0.2, 2.0)
                some = self.dice.sample(self.nodes, self.dice.randint(1, len(self.nodes)))
            self._at(at_s, partial(self._come, self.dice.choice(some), self.dice.randint(1, 9)))
        for second in range(int(seconds)):
            self._at(second, self._fate)
        self.run(seconds + 1)

    def _fate(self) -> None:
        for node in self.nodes:
            if self.dice.random() < self.chances.dies:
                self._die(node)
            elif self.dice.random() < self.chances.sleeps:
                node.awake_s = self.now_s + self.dice.choice((0.5, 2.0, 3.5, 8.0))

    def _die(self, node: Node) -> None:
        """Whoever comes after it knows from its journal what it took; questions that are on their way may be done still."""
        self.deaths += 1
        heir, before = self._born(), node.counters
        heir.reported = False
        for key, packed in [(KEY, series.pack()) for series in (before.held(KEY),) if series is not None]:
            Aggregates.restore(heir, key, packed)
        node.counters, node.asking, node.waiting, node.short = heir, False, [], []
        heir.reconnect()

    # -- messages

    def _come(self, node: Node, count: int) -> None:
        if node.awake_s > self.now_s:
            self._at(node.awake_s - self.now_s, partial(self._come, node, count))  # before it asks for anything
        else:
            self._judge(node, [0] * count)

    def _judge(self, node: Node, messages: list[int]) -> None:
        counters = node.counters
        counters.now_s = self.now_s
        at = START_S + self.now_s
        for tries in messages:
            short = counters.shortfalls
            in_hand = counters.in_hand(KEY) > 0
            if counters.count(KEY, int(at - self.window_s), self.most) < self.most:
                counters.take(self.take, at)
                if in_hand:
                    self._went_out(node, at)
                else:
                    self.alone += 1
            elif counters.shortfalls != short and tries < TRIES:
                node.short.append(tries + 1)
            else:
                node.turned_away += counters.shortfalls != short
        if node.short:
            self._exchange(node, all_used=False)

    def _went_out(self, node: Node, at: float) -> None:
        self.out.append(at)
        if self.dice.random() < self.chances.goes_back:
            self._at(self.dice.uniform(0, 2.0), partial(self._goes_back, node, at))
        assert self.inside(at) <= self.most, f"at {self.now_s:.3f} s"

    def _goes_back(self, node: Node, at: float) -> None:
        self.out.remove(at)
        node.counters.give_back(self.take, at)

    def inside(self, at: float) -> int:
        """How many of the window; each counts as of the second in which it went out."""
        out, found = self.out, 0
        while found < len(out) and int(out[-1 - found]) > at - self.window_s:
            found += 1
        return found

    # -- the store

    def _beat(self, node: Node) -> None:
        self._at(COUNT_S, partial(self._beat, node))
        if node.awake_s <= self.now_s:
            self._exchange(node, all_used=True)

    def _exchange(self, node: Node, *, all_used: bool) -> None:
        if node.asking:
            return
        counters = node.counters
        counters.now_s = self.now_s
        keys = next(counters.due()) if all_used else counters.wanted()
        node.waiting, node.short = node.short, []
        if not keys:
            self._judge_again(node)
            return
        (word,) = counters.report_words(keys)
        node.asking = True
        there_s, back_s = self.dice.expovariate(100), self.dice.expovariate(100)
        chance = self.dice.random()
        if chance < self.chances.lost:
            self._at(DEADLINE_S, partial(self._answered, node, counters, None))
        elif chance < self.chances.lost + self.chances.late:
            self._at(self.dice.uniform(0, 2.0), partial(self._done, node, counters, word, None))
            self._at(DEADLINE_S, partial(self._answered, node, counters, None))
        else:
            self._at(there_s, partial(self._done, node, counters, word, back_s))

    def _done(self, node: Node, counters: SharedCounters, word: str, back_s: float | None) -> None:
        answer = self._ask(node.number, word, round((START_S + self.now_s) * 1000))
        if back_s is not None:
            self._at(back_s, partial(self._answered, node, counters, answer))

    def _answered(self, node: Node, counters: SharedCounters, answer: PortionState | None) -> None:
        if counters is not node.counters:
            return  # it died meanwhile
        if node.awake_s > self.now_s:
            self._at(node.awake_s - self.now_s + 0.001, partial(self._answered, node, counters, answer))
            return
        node.asking = False
        counters.now_s = self.now_s
        if answer is None:
            counters.note_unanswered(KEY)
        else:
            counters.apply_answer(KEY, answer)
        self._judge_again(node)

    def _judge_again(self, node: Node) -> None:
        messages, node.waiting = node.waiting, []
        self._judge(node, messages)


def in_python() -> Ask:
    book = PortionBook()
    return lambda node, word, now_ms: book.report(node, read_word(word), now_ms)


ROUGH = Chances(lost=0.05, late=0.05, sleeps=0.15, dies=0.1, goes_back=0.1)
WINDOWS = (2, 60, 86_400)


@pytest.mark.parametrize("seed", range(40))
def test_no_limit_is_passed_by_what_was_handed_out(seed: int):
    dice = random.Random(seed)
    most = dice.choice((1, 2, 5, 20, 100, 400))
    world = World(in_python(), seed, most=most, window_s=dice.choice(WINDOWS), nodes=dice.randint(1, 5), chances=ROUGH)
    world.load(12.0, a_second=20.0 + most / 4)
    assert world.out or most < 5


@needs("valkey")
@pytest.mark.parametrize("seed", range(9))
def test_no_limit_is_passed_on_a_real_store(leasing: LeasingServer, seed: int):
    key = f"protocol{seed}"

    def ask(node: int, word: str, now_ms: int) -> PortionState:
        return parse_portion(leasing.ask(now_ms, "portions", key, node, word))

    world = World(ask, seed, most=(40, 300, 600)[seed % 3], window_s=WINDOWS[seed // 3], nodes=3, chances=ROUGH)
    world.load(12.0, a_second=100.0)
    assert world.out


@pytest.mark.parametrize("asleep", [False, True])
@pytest.mark.parametrize("seed", range(8))
def test_a_quota_is_met_and_nobody_is_turned_away_while_the_store_answers(seed: int, asleep: bool):
    """Also where nodes sleep: what they held in their sleep they use or give back afterwards."""
    dice = random.Random(seed)
    chances = Chances(sleeps=0.2, goes_back=0.02) if asleep else Chances()
    most = dice.randint(100, 1000)
    world = World(in_python(), seed, most=most, window_s=86_400, nodes=dice.randint(1, 5), chances=chances)
    world.load(10.0, a_second=most / 4)
    world.chances = Chances()
    world.run(10.0)  # who sleeps wakes
    world.load(4.0, a_second=100.0 + most / 10)
    assert 0.99 * most <= len(world.out) <= most
    assert [node.turned_away for node in world.nodes] == [0] * len(world.nodes)
    assert world.alone == 0


def test_what_counts_as_endless_is_what_shares_are_compared_with():
    assert ENDLESS == COUNT_MAX
