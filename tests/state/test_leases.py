"""Rates and places over many nodes: against a model of nodes that ask with delays, fall silent, die and come back."""

from __future__ import annotations

import heapq
import random
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.state.leases import (
    BEAT_S,
    FLOOR,
    LEASE_MS,
    LeasedRate,
    Places,
    Share,
    ask_place,
    ask_share,
    fair_parts,
)

STEP_S = 0.01
LEASE_S = LEASE_MS / 1000


# --- what is fair


@given(st.floats(0.5, 1e6), st.lists(st.floats(0, 1e6), min_size=1, max_size=12))
def test_fair_parts_sum_up_to_the_total_and_nobody_gets_less_than_an_equal_part_who_wants_it(total, demands):
    parts = fair_parts(total, demands)
    assert sum(parts) == pytest.approx(total)
    equal = total / len(demands)
    for part, demand in zip(parts, demands, strict=True):
        assert part >= min(demand, equal) - 1e-6 * total
        assert part >= FLOOR * equal - 1e-6 * total


@given(
    st.lists(st.tuples(st.integers(0, 4), st.floats(0, 500), st.integers(0, LEASE_MS), st.booleans()), max_size=60),
    st.floats(1, 200),
)
def test_whatever_is_asked_when_what_nodes_use_never_sums_up_to_more_than_the_total(asks, total):
    """Also while the answer that takes some of a share away has not come, or never does."""
    book: dict[int, Share] = {}
    using, until_ms, now_ms = dict.fromkeys(range(5), 0.0), dict.fromkeys(range(5), 0), 0
    for node, demand, later_ms, comes in asks:
        now_ms += later_ms
        if until_ms[node] <= now_ms:
            using[node] = 0.0  # it has not heard for so long
        share, nodes = ask_share(book, node, total, demand, using[node], now_ms)
        assert 0 <= share <= total + 1e-9
        held = [one.share for one in book.values() if one.until_ms > now_ms]
        assert len(held) == nodes
        assert sum(held) <= total + 1e-6
        if comes:
            using[node], until_ms[node] = share, now_ms + LEASE_MS
        assert sum(using[one] for one in using if until_ms[one] > now_ms) <= total + 1e-6


def test_a_share_that_became_smaller_is_others_when_its_node_has_said_that_it_knows():
    book: dict[int, Share] = {}
    assert ask_share(book, 1, 100, 100, 0.0, 0) == (100.0, 1)
    assert ask_share(book, 2, 100, 100, 0.0, 10) == (0.0, 2)
    assert ask_share(book, 1, 100, 100, 100.0, 200) == (50.0, 2)
    assert ask_share(book, 2, 100, 100, 0.0, 210) == (0.0, 2), "the answer to the other may not have come yet"
    assert ask_share(book, 1, 100, 100, 50.0, 400) == (50.0, 2)
    assert ask_share(book, 2, 100, 100, 0.0, 410) == (50.0, 2)


# --- a second of many nodes


@dataclass
class Node:
    number: int
    rate: LeasedRate
    arrivals: float = 0.0
    """Messages a second that come in here."""
    alive: bool = True
    cut_off: bool = False
    due: float = 0.0
    next_beat_s: float = 0.0


@dataclass
class World:
    """Nodes that send as they may; answers of the store take up to ``delay_s``, and some are lost."""

    total: float
    nodes: int
    dice: random.Random
    delay_s: float = 0.05
    lost: float = 0.0
    book: dict[int, Share] = field(default_factory=dict)
    now_s: float = 0.0

    def __post_init__(self) -> None:
        self.all = [Node(number, LeasedRate(self.total)) for number in range(self.nodes)]
        self.on_way: list[tuple[float, int, Node, float, tuple[float, int]]] = []
        self.sent: list[tuple[float, int]] = []
        self._counter = 0
        for node in self.all:
            node.next_beat_s = self.dice.uniform(0, BEAT_S)

    def run(self, seconds: float) -> int:
        """How many messages passed."""
        until_s, before = self.now_s + seconds, len(self.sent)
        while self.now_s < until_s:
            self.now_s += STEP_S
            while self.on_way and self.on_way[0][0] <= self.now_s:
                _, _, node, asked_s, (share, many) = heapq.heappop(self.on_way)
                if node.alive:
                    node.rate.grant(self.now_s, share, many, asked_s)
            for node in self.all:
                self._step(node)
            using = sum(node.rate.tps for node in self.all if node.alive)
            assert using <= self.total + 1e-6 or any(node.cut_off for node in self.all), f"at {self.now_s:.2f} s"
        return len(self.sent) - before

    def _step(self, node: Node) -> None:
        if not node.alive:
            return
        if self.now_s >= node.next_beat_s:
            node.next_beat_s += BEAT_S
            demand = node.rate.demand(self.now_s)
            if not node.cut_off:
                arrives_s = self.now_s + self.dice.uniform(0, self.delay_s / 2)
                answer = ask_share(self.book, node.number, self.total, demand, node.rate.tps, round(arrives_s * 1000))
                if self.dice.random() >= self.lost:
                    self._counter += 1
                    back_s = arrives_s + self.dice.uniform(0, self.delay_s / 2)
                    heapq.heappush(self.on_way, (back_s, self._counter, node, self.now_s, answer))
        node.due += node.arrivals * STEP_S
        while node.due >= 1:
            node.due -= 1
            if node.rate.allow(self.now_s):
                self.sent.append((self.now_s, node.number))

    def most_within(self, window_s: float) -> int:
        most, first = 0, 0
        times = [at for at, _ in self.sent]
        for last, at in enumerate(times):
            while times[first] <= at - window_s:
                first += 1
            most = max(most, last - first + 1)
        return most


arrivals = st.lists(st.floats(0, 400), min_size=1, max_size=5)


@settings(max_examples=40, deadline=None)
@given(st.integers(20, 200), arrivals, st.lists(arrivals, max_size=2), st.integers(0, 2**32), st.floats(0, 0.3))
def test_all_nodes_together_never_send_more_than_one_process_would(total, first, later, seed, lost):
    """A process with a bucket of a second sends at most total × (1 + w) in w seconds; nodes one message each more."""
    nodes = max(map(len, [first, *later]))
    world = World(total, nodes, random.Random(seed), lost=lost)
    for loads in (first, *later):
        for node in world.all:
            node.arrivals = loads[node.number] if node.number < len(loads) else 0.0
        world.run(2.0)
    for window_s in (0.5, 1.0, 3.0):
        assert world.most_within(window_s) <= total * (1 + window_s) + nodes + 1


@settings(max_examples=30, deadline=None)
@given(st.integers(40, 400), st.lists(st.floats(0, 3), min_size=2, max_size=5), st.integers(0, 2**32))
def test_a_second_brings_the_total_within_five_percent_however_the_load_is_divided(total, weights, seed):
    """Of some hundreds; of a small total a node with a message now and then claims more than it uses."""
    weights[0] += 1.5  # more than the total is wanted
    world = World(total, len(weights), random.Random(seed))
    for node, weight in zip(world.all, weights, strict=True):
        node.arrivals = weight * total
    world.run(3.0)
    sent = world.run(5.0)
    assert (0.95 if total >= 150 else 0.88) * total * 5 - len(weights) <= sent <= 1.05 * total * 5 + len(weights)


@settings(max_examples=20, deadline=None)
@given(st.integers(40, 300), st.integers(2, 5), st.integers(0, 2**32))
def test_what_a_dead_node_held_is_back_after_its_lease_and_two_beats(total, nodes, seed):
    world = World(total, nodes, random.Random(seed))
    world.all[0].arrivals = 2.0 * total
    world.run(3.0)
    world.all[0].alive = False
    for node in world.all[1:]:
        node.arrivals = 2.0 * total
    world.run(LEASE_S + 2 * BEAT_S + world.delay_s + 1.0)  # and one second to drain the bucket it rests with
    sent = world.run(2.0)
    assert 0.95 * total * 2 - nodes <= sent <= 1.05 * total * 2 + nodes


@settings(max_examples=20, deadline=None)
@given(st.integers(40, 300), st.integers(2, 5), st.integers(0, 2**32))
def test_cut_off_all_send_an_equal_part_and_together_the_total(total, nodes, seed):
    world = World(total, nodes, random.Random(seed))
    for node in world.all:
        node.arrivals = (3.0 if node.number == 0 else 1.0) * total
    world.run(3.0)
    for node in world.all:
        node.cut_off = True
    world.run(LEASE_S + 1.0)
    sent = world.run(3.0)
    assert 0.95 * total * 3 - nodes <= sent <= total * 3 + 2 * nodes  # one each that it had saved up, and one at the edge
    by_node = [sum(one == node.number and at > world.now_s - 3 for at, one in world.sent) for node in world.all]
    assert max(by_node) - min(by_node) <= 2 + total * 0.02


def test_a_share_that_grows_brings_no_messages_with_it():
    rate = LeasedRate(100)
    rate.grant(0.0, 10, 2, 0.0)
    assert sum(rate.allow(2.0) for _ in range(20)) == 10
    rate.grant(2.0, 90, 2, 2.0)
    assert not rate.allow(2.0)
    assert sum(rate.allow(2.5) for _ in range(100)) == 45


def test_a_long_message_may_owe_and_pays_later():
    rate = LeasedRate(10)
    rate.grant(0.0, 10, 1, 0.0)
    for _ in range(5):
        rate.owe(0.0)
    assert not rate.allow(0.2)
    assert rate.allow(0.51)


# --- places


@given(
    st.lists(st.tuples(st.sampled_from(["bind", "leave", "beat", "die"]), st.integers(0, 3), st.integers(0, 800)), max_size=80),
    st.integers(1, 6),
)
def test_no_more_places_are_held_than_there_are_and_those_of_the_dead_come_back(events, most):
    book: dict[int, Places] = {}
    held, last_ms, now_ms = [0] * 4, [0] * 4, 0
    for what, node, later_ms in events:
        now_ms += later_ms
        for one in range(4):  # who lives beats often enough
            if one != node and held[one] and now_ms - last_ms[one] >= LEASE_MS / 2:
                ask_place(book, one, most, held[one], False, now_ms)
                last_ms[one] = now_ms
        if now_ms - last_ms[node] >= LEASE_MS:
            held[node] = 0  # it was dead, and nobody holds what it held
        last_ms[node] = now_ms
        if what == "bind":
            living = sum(count for one, count in enumerate(held) if now_ms - last_ms[one] < LEASE_MS)
            given = ask_place(book, node, most, held[node], True, now_ms).given
            assert given == (living < most)
            held[node] += given
        elif what in ("leave", "beat"):
            held[node] -= what == "leave" and held[node] > 0
            ask_place(book, node, most, held[node], False, now_ms)
        elif what == "die":
            last_ms[node] = now_ms - LEASE_MS
            held[node] = 0
            book.pop(node, None)
        assert sum(held) <= most


def test_a_dead_nodes_places_are_back_after_its_lease():
    book: dict[int, Places] = {}
    assert [ask_place(book, 1, 2, held, True, 0).given for held in (0, 1, 2)] == [True, True, False]
    assert not ask_place(book, 2, 2, 0, True, LEASE_MS - 1).given
    assert ask_place(book, 2, 2, 0, True, LEASE_MS) == (True, 1, 1, 0)
