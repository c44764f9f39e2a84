"""Portions of several nodes never exceed a limit, and reach it within 1 %.

Reports come late, twice or not at all, and nodes die.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.state.counters.limit_portions import LEASE_MS, NOBODY, PortionLimit, PortionReport, PortionState
from tests.examples import examples
from tests.state.counters.portion_book import PortionBook

WIDTH_S = 3600


@dataclass
class Node:
    """Takes while it holds something; asks when it holds nothing, or some time has passed."""

    number: int
    life: int = 1
    report: int = 0
    holds: int = 0
    taken: int = 0
    """Since the last report that was answered."""
    back: int = 0
    alive: bool = True


@dataclass
class World:
    most: int
    nodes: int
    dice: random.Random
    lost: float = 0.0
    book: PortionBook = field(default_factory=PortionBook)
    now_ms: int = 1_000_000
    passed: int = 0
    """Messages that went out, over all nodes."""

    def __post_init__(self) -> None:
        self.all = [Node(number) for number in range(self.nodes)]

    def ask(self, node: Node, need: int, spare: int = 0) -> None:
        """An answer that does not come is asked for again with the same number."""
        node.report += 1
        told = self._report(node, need, spare)
        if self.dice.random() < self.lost:
            told = self._report(node, need, spare)  # the same again: it must not count twice
        node.holds, node.taken, node.back = min(told.left, told.room), 0, 0

    def give_back(self, node: Node) -> None:
        node.back, node.holds = node.holds, 0
        self.ask(node, 0)

    def _report(self, node: Node, need: int, spare: int) -> PortionState:
        start = self.now_ms // 1000 // WIDTH_S * WIDTH_S
        taken = {start: node.taken} if node.taken else {}
        limits = (PortionLimit(self.most, self.now_ms / 1000 - WIDTH_S),)
        said = PortionReport(node.life, node.report, taken, node.back, need, spare, limits, WIDTH_S, 2 * WIDTH_S)
        return self.book.report(node.number, said, self.now_ms)

    def message(self, node: Node, burst: int) -> int:
        """``burst`` messages come in at once; how many went out."""
        out = 0
        for _ in range(2):  # it is asked once
            here = min(burst - out, node.holds)
            node.holds -= here
            node.taken += here
            self.passed += here
            out += here
            if out == burst:
                break
            self.ask(node, burst - out, self.dice.randrange(2 * burst))
        return out


@settings(max_examples=examples(150), deadline=None)
@given(
    st.integers(1, 5000), st.integers(1, 6), st.lists(st.tuples(st.integers(0, 5), st.integers(1, 60)), max_size=120),
    st.integers(0, 2**32), st.floats(0, 0.5), st.integers(0, 200),
)  # fmt: skip
def test_no_limit_is_passed_whoever_asks_when_and_whoever_dies(most, nodes, events, seed, lost, step_ms):
    world = World(most, nodes, random.Random(seed), lost)
    for who, burst in events:
        world.now_ms += step_ms
        node = world.all[who % nodes]
        if not node.alive:
            continue
        world.message(node, burst)
        chance = world.dice.random()
        if chance < 0.05:
            node.alive = False  # what it holds, and has taken and not reported, is known to nobody
        elif chance < 0.1:  # likewise, and another comes with its number
            world.all[who % nodes] = Node(node.number, node.life + 1)
        elif chance < 0.2:
            world.give_back(node)
        assert world.passed <= most


@settings(max_examples=examples(60), deadline=None)
@given(st.integers(100, 20_000), st.integers(1, 6), st.integers(0, 2**32))
def test_a_limit_is_reached_within_one_percent_while_all_nodes_want_more(most, nodes, seed):
    world = World(most, nodes, random.Random(seed))
    wanted = 0
    while wanted < 4 * most + 2000:
        world.now_ms += 20
        node = world.all[world.dice.randrange(nodes)]
        burst = world.dice.randint(1, 50)
        wanted += burst
        world.message(node, burst)
    assert most - max(most // 100, 2 * nodes) <= world.passed <= most


@settings(max_examples=examples(60), deadline=None)
@given(st.integers(10, 2000), st.integers(2, 6), st.integers(0, 2**32))
def test_what_a_node_does_not_use_others_get(most, nodes, seed):
    world = World(most, nodes, random.Random(seed))
    idle, *busy = world.all
    world.ask(idle, 1, 1000)
    assert idle.holds > 0
    world.give_back(idle)
    assert idle.holds == 0
    for _ in range(4 * most):
        world.message(busy[0], 1)
    assert world.passed == most


def test_what_a_dead_node_held_counts_as_taken_once_its_lease_is_over():
    world = World(100, 2, random.Random(1))
    dead, alive = world.all
    world.ask(dead, 10)
    world.now_ms += LEASE_MS
    for _ in range(200):
        world.message(alive, 1)
    assert world.passed == 100 - 10
    after_s = world.now_ms / 1000 - WIDTH_S
    assert world.book.inside(after_s, world.now_ms) == 100
    assert world.book.inside(2.0 * WIDTH_S, world.now_ms) == alive.holds, "with the window it has passed"


@pytest.mark.parametrize("later_ms", [0, LEASE_MS - 1, LEASE_MS, 20 * LEASE_MS])
def test_whoever_comes_with_a_dead_nodes_number_has_nothing_of_what_that_held(later_ms):
    world = World(100, 2, random.Random(1))
    dead, alive = world.all
    world.ask(dead, 40)
    dead.holds -= 25
    world.passed += 25  # nobody hears of these
    heir = world.all[0] = Node(dead.number, life=2)
    world.now_ms += later_ms
    world.ask(heir, 0)
    assert heir.holds == 0
    for _ in range(200):
        world.message(heir, 1)
        world.message(alive, 1)
    assert world.passed == 25 + 60


@pytest.mark.parametrize("slept_ms", [LEASE_MS - 1, LEASE_MS, 20 * LEASE_MS])
def test_who_was_silent_and_comes_back_says_how_much_was_taken_of_what_it_held(slept_ms):
    world = World(100, 2, random.Random(1))
    asleep, awake = world.all
    world.ask(asleep, 40)
    asleep.holds, asleep.taken, world.passed = 30, 10, 10
    world.now_ms += slept_ms
    for _ in range(100):
        world.message(awake, 1)
    assert world.passed == 70
    world.ask(asleep, 0)
    assert asleep.holds == 30
    world.give_back(asleep)
    for _ in range(100):
        world.message(awake, 1)
    assert world.passed == 100


def test_a_lower_limit_holds_also_for_what_was_handed_out():
    world = World(100, 2, random.Random(1))
    node, _ = world.all
    world.ask(node, 50)
    node.holds, node.taken = 30, 20
    world.most = 25
    world.ask(node, 0)
    assert node.holds == 5


def test_a_store_says_what_it_had_of_a_node():
    world = World(100, 1, random.Random(1))
    (node,) = world.all
    had = []
    for node.report in (1, 2, 2, 5):
        had.append(world._report(node, 0, 0).last_report)
    node.life = 2
    had.append(world._report(node, 0, 0).last_report)
    assert had == [NOBODY, 1, 2, 2, 0]


def test_what_goes_back_twice_or_was_never_taken_makes_no_room():
    world = World(10, 2, random.Random(1))
    one, other = world.all
    for node, count in ((one, 4), (other, 6)):
        world.ask(node, count)
        node.taken = count
        world.ask(node, 0)
    one.report += 1
    limits = (PortionLimit(10, world.now_ms / 1000 - WIDTH_S),)
    back = PortionReport(one.life, one.report, {0: -1, 99 * WIDTH_S: -5}, 0, 0, 0, limits, WIDTH_S, 2 * WIDTH_S)
    assert world.book.report(one.number, back, world.now_ms).left == 1
    assert world.book.report(one.number, back, world.now_ms).left == 1
    assert world.book.inside(limits[0].after_s, world.now_ms) == 10


def test_what_the_carrier_refused_is_there_again():
    world = World(2, 1, random.Random(1))
    (node,) = world.all
    assert [world.message(node, 1) for _ in range(3)] == [1, 1, 0]
    node.taken -= 1  # one comes back
    assert world.message(node, 1) == 1
    assert world.message(node, 1) == 0


@given(st.lists(st.tuples(st.integers(0, 500), st.integers(1, 5)), max_size=30), st.integers(60, 400))
def test_a_window_that_moves_on_frees_what_is_behind_it(takes, window_s):
    book, number, now_s, model = PortionBook(), 0, 10_000, []
    for later_s, count in takes:
        now_s += later_s
        limits = (PortionLimit(20, now_s - window_s),)
        number += 1
        told = book.report(1, PortionReport(1, number, {}, 0, count, 0, limits, 1, 1000), now_s * 1000)
        out = min(count, told.left)
        number += 1
        book.report(
            1, PortionReport(1, number, {now_s: out} if out else {}, told.left - out, 0, 0, limits, 1, 1000), now_s * 1000
        )
        model += [now_s] * out
        inside = sum(at > now_s - window_s for at in model)
        assert inside <= 20
        assert told.taken + told.left <= 20
