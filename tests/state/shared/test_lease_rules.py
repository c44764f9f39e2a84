"""Rates and binds over several nodes stay within their totals.

A model has nodes with delayed requests, nodes that fall silent, die and come back.
"""

from __future__ import annotations

import heapq
import random
from bisect import bisect_right
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.model.rate import Rate
from proxy.state.counters.rate_shares import LeasedFlow, LeasedRate
from proxy.state.shared.lease_rules import BEAT_S, FLOOR, LEASE_MS, SPARE_S, RateGrant, RateRequest
from tests.examples import examples
from tests.state.shared.lease_books import BindLeases, RateBook, ask_place, fair_parts

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
    st.lists(
        st.tuples(st.integers(0, 4), st.floats(0, 500), st.integers(0, LEASE_MS), st.booleans(), st.floats(0, 1)), max_size=60
    ),
    st.floats(1, 200),
)
def test_whatever_is_asked_when_what_nodes_use_never_sums_up_to_more_than_the_total(asks, total):
    """Also while the answer that takes some of a share away has not come, or never does."""
    book = RateBook()
    using, until_ms, now_ms = dict.fromkeys(range(5), 0.0), dict.fromkeys(range(5), 0), 0
    for node, demand, later_ms, comes, keeps in asks:
        now_ms += later_ms
        if until_ms[node] <= now_ms:
            using[node] = 0.0  # it has not heard for so long
        using[node] *= keeps  # it may give up some of it itself
        given = book.ask(node, RateRequest(total, demand, using[node]), now_ms)
        assert 0 <= given.share <= total + 1e-9
        held = [one.share for one in book.held.values() if one.until_ms > now_ms]
        assert len(held) == given.nodes
        assert sum(held) <= total + 1e-6
        if comes:
            using[node], until_ms[node] = given.share, now_ms + LEASE_MS
        assert sum(using[one] for one in using if until_ms[one] > now_ms) <= total + 1e-6


def test_a_share_that_became_smaller_is_others_when_its_node_has_said_that_it_knows():
    book = RateBook()

    def ask(node: int, demand: float, using: float, now_ms: int) -> tuple[float, int]:
        given = book.ask(node, RateRequest(100, demand, using), now_ms)
        return given.share, given.nodes

    assert ask(1, 100, 0.0, 0) == (100.0, 1)
    assert ask(2, 100, 0.0, 10) == (0.0, 2)
    assert ask(1, 100, 100.0, 200) == (50.0, 2)
    assert ask(2, 100, 0.0, 210) == (0.0, 2), "the answer to the other may not have come yet"
    assert ask(1, 100, 50.0, 400) == (50.0, 2)
    assert ask(2, 100, 0.0, 410) == (50.0, 2)


# --- what is lent


def test_what_one_gives_back_others_get_once_and_no_more_of_it_than_a_part_of_the_total():
    book = RateBook()
    book.ask(1, RateRequest(1000, 500, 0.0), 0)
    book.ask(2, RateRequest(1000, 900, 0.0), 0)
    book.ask(1, RateRequest(1000, 500, 500.0, back=25.0), 0)
    assert [book.ask(2, RateRequest(1000, 900, 500.0, want=20.0), 0).lent for _ in range(3)] == [20.0, 5.0, 0.0]
    book.ask(1, RateRequest(1000, 500, 500.0, back=200.0), 0)
    assert book.ask(2, RateRequest(1000, 900, 500.0, want=200.0), 0).lent == SPARE_S * 1000


def test_of_a_small_total_a_message_for_each_node_may_be_lent():
    book = RateBook()
    for node in (1, 2, 3):
        book.ask(node, RateRequest(2, 1, 0.0), 0)
    book.ask(1, RateRequest(2, 0, 0.0, back=9.0), 0)
    assert book.ask(2, RateRequest(2, 5, 0.5, want=9.0), 0).lent == 3.0


def test_what_is_in_nobodys_share_between_two_beats_is_lent():
    book = RateBook()
    assert book.ask(1, RateRequest(1000, 2000, 0.0), 0).share == 1000.0
    book.ask(2, RateRequest(1000, 2000, 0.0), 0)
    assert book.ask(1, RateRequest(1000, 600, 900.0), 100).share == 500.0, "it goes by no more than 900 from here on"
    assert book.ask(2, RateRequest(1000, 2000, 0.0, want=99.0), 200).lent == pytest.approx(100 * 0.1)


def test_who_is_told_what_others_lack():
    book = RateBook()
    assert book.ask(1, RateRequest(100, 60, 0.0), 0).lack == 0.0
    assert book.ask(2, RateRequest(100, 70, 0.0), 0).lack == 0.0, "the other has what it wants"
    assert book.ask(1, RateRequest(100, 60, 100.0), 0).lack == 70.0


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
    answered_s: float = float("inf")
    """When it asked what it was last answered; its lease runs from then."""


@dataclass
class World:
    """Nodes that send as they may; answers of the store take up to ``delay_s``, and some are lost."""

    total: float
    nodes: int
    dice: random.Random
    delay_s: float = 0.05
    lost: float = 0.0
    at_random: bool = False
    """Messages come as they please, not evenly."""
    book: RateBook = field(default_factory=RateBook)
    now_s: float = 0.0

    def __post_init__(self) -> None:
        self.all = [Node(number, LeasedRate(self.total)) for number in range(self.nodes)]
        self.on_way: list[tuple[float, int, Node, float, RateGrant, bool]] = []
        self.sent: list[tuple[float, int]] = []
        self.one = Rate(self.total, max(1, round(self.total)))
        self.one_sent = 0
        """What one process with the whole rate would have let through."""
        self.unanswered = False
        """Whether a node got no answer for a whole lease: it adds an equal share, as the guide says of a gate that is cut off."""
        self._counter = 0
        for node in self.all:
            node.next_beat_s = self.dice.uniform(0, BEAT_S)

    def run(self, seconds: float) -> int:
        """How many messages passed."""
        until_s, before = self.now_s + seconds, len(self.sent)
        while self.now_s < until_s - STEP_S / 2:
            self.now_s += STEP_S
            while self.on_way and self.on_way[0][0] <= self.now_s:
                _, _, node, asked_s, given, first = heapq.heappop(self.on_way)
                if node.alive:
                    node.answered_s = asked_s
                    node.rate.grant(self.now_s, given, asked_s)
                    if first and (said := node.rate.again()) is not None:
                        self._ask(node, said, first=False)
            for node in self.all:
                self._step(node)
            using = sum(node.rate.tps for node in self.all if node.alive)
            self.unanswered |= any(node.alive and self.now_s >= node.answered_s + LEASE_S for node in self.all)
            assert using <= self.total + 1e-6 or self.unanswered, f"at {self.now_s:.2f} s"
        return len(self.sent) - before

    def _ask(self, node: Node, said: RateRequest, *, first: bool) -> None:
        if node.cut_off:
            return
        arrives_s = self.now_s + self.dice.uniform(0, self.delay_s / 2)
        given = self.book.ask(node.number, said, round(arrives_s * 1000))
        if self.dice.random() >= self.lost:
            self._counter += 1
            back_s = arrives_s + self.dice.uniform(0, self.delay_s / 2)
            heapq.heappush(self.on_way, (back_s, self._counter, node, self.now_s, given, first))

    def _step(self, node: Node) -> None:
        if not node.alive:
            return
        if self.now_s >= node.next_beat_s:
            node.next_beat_s += BEAT_S
            self._ask(node, node.rate.ask(self.now_s), first=True)
        node.due += self._come(node.arrivals * STEP_S)
        while node.due >= 1:
            node.due -= 1
            self.one_sent += self.one.allow(self.now_s)
            if node.rate.allow(self.now_s):
                self.sent.append((self.now_s, node.number))

    def _come(self, on_average: float) -> float:
        if not self.at_random:
            return on_average
        if on_average > 30:
            return max(0, round(self.dice.gauss(on_average, on_average**0.5)))
        many, passed = 0, self.dice.expovariate(1.0)
        while passed < on_average:
            many, passed = many + 1, passed + self.dice.expovariate(1.0)
        return many

    def sleeps_or_wakes(self, node: Node) -> None:
        node.alive, node.next_beat_s = not node.alive, self.now_s

    def comes_back(self, node: Node) -> None:
        """Another life of it, that knows nothing."""
        self.sleeps_or_wakes(node)
        node.rate = LeasedRate(self.total, self.now_s)
        node.answered_s = float("inf")

    def in_seconds(self, since_s: float) -> list[int]:
        """How many passed in each second since then, one beginning every tenth."""
        times = [at for at, _ in self.sent if at > since_s]
        starts = [since_s + tenth / 10 for tenth in range(round((self.now_s - since_s - 1) * 10) + 1)]
        return [bisect_right(times, start + 1) - bisect_right(times, start) for start in starts]

    def most_within(self, window_s: float) -> int:
        most, first = 0, 0
        times = [at for at, _ in self.sent]
        for last, at in enumerate(times):
            while times[first] <= at - window_s:
                first += 1
            most = max(most, last - first + 1)
        return most


totals = st.one_of(st.integers(5, 20), st.integers(20, 400), st.sampled_from([1000, 10_000]))
loads = st.lists(st.floats(0, 4), min_size=2, max_size=8)
"""Of each node, as a part of the total."""


@settings(max_examples=examples(40), deadline=None)
@given(totals, loads, st.lists(loads, max_size=2), st.integers(0, 2**32), st.floats(0, 0.3), st.sampled_from([None, 0, 1]))
def test_all_nodes_together_never_send_more_than_one_process_would(total, first, later, seed, lost, sleeps):
    """A process with a bucket of a second sends at most total × (1 + w) in w seconds. Nodes may send more: one message each, for no bucket
    is smaller, and once what may be lent, which is capacity of the time before."""
    nodes = max(map(len, [first, *later]))
    world = World(total, nodes, random.Random(seed), lost=lost)
    for weights in (first, *later):
        for node in world.all:
            node.arrivals = weights[node.number] * min(total, 400) if node.number < len(weights) else 0.0
        world.run(1.0)
        if sleeps is not None:
            world.sleeps_or_wakes(world.all[sleeps])
        world.run(1.0)
    for window_s in (0.5, 1.0, 3.0):
        assert world.unanswered or world.most_within(window_s) <= total * (1 + window_s) + nodes + max(nodes, SPARE_S * total)


@settings(max_examples=examples(20), deadline=None)
@given(totals, st.lists(st.floats(0, 3), min_size=2, max_size=8), st.integers(0, 2**32))
def test_a_second_brings_the_total_within_five_percent_however_the_load_is_divided(total, weights, seed):
    weights[0] += 1.5  # more than the total is wanted
    world = World(total, len(weights), random.Random(seed))
    for node, weight in zip(world.all, weights, strict=True):
        node.arrivals = weight * min(total, 1000 / len(weights) + total / 3)
    world.all[0].arrivals = weights[0] * total
    world.run(3.0)
    sent = world.run(5.0)
    assert 0.95 * total * 5 - len(weights) <= sent <= 1.05 * total * 5 + len(weights)
    for second in world.in_seconds(world.now_s - 5.0):
        assert 0.95 * total - len(weights) <= second <= 1.05 * total + len(weights)


@settings(max_examples=examples(20), deadline=None)
@given(totals, st.lists(st.floats(0, 0.5), min_size=1, max_size=7), st.integers(0, 2**32))
def test_nodes_with_a_message_now_and_then_cost_the_others_nothing(total, few, seed):
    """They come as they please: what one process would let through passes within 5 %, or a message for each node. Below 20 a second chance
    decides, too: of 2,000 messages at 5 a second six nodes let 94.5 to 96 % through, so the loss may lie three standard deviations higher."""
    nodes = 1 + len(few)
    world = World(total, nodes, random.Random(seed), at_random=True)
    world.all[0].arrivals = 1.5 * total
    for node, weight in zip(world.all[1:], few, strict=True):
        node.arrivals = weight * total / nodes
    world.run(3.0)
    before = world.one_sent
    seconds = max(6.0, 2000 / total)
    sent = world.run(seconds)
    one_sent = world.one_sent - before
    loss = 0.05 * one_sent + nodes
    assert sent >= one_sent - loss - (3 * loss**0.5 if total < 20 else 0)
    assert sent <= 1.05 * total * seconds + total + nodes


@settings(max_examples=examples(20), deadline=None)
@given(
    totals,
    st.integers(2, 8),
    st.lists(st.tuples(st.integers(0, 7), st.integers(1, 3)), min_size=1, max_size=3),
    st.integers(0, 2**32),
)
def test_load_that_moves_is_served_in_full_from_the_second_second_on_and_nowhere_twice(total, nodes, moves, seed):
    world = World(total, nodes, random.Random(seed))
    world.all[0].arrivals = 1.5 * total
    world.run(3.0)
    begun_s = world.now_s
    for to, among in moves:
        loaded = {(to + step) % nodes for step in range(among)}
        for node in world.all:
            node.arrivals = 1.5 * total / len(loaded) if node.number in loaded else 0.0
        first, then = world.run(1.0), world.run(2.0)
        assert first >= 0.3 * total - nodes, "what moves is somebody's three beats later, or four"
        assert then >= 0.95 * total * 2 - nodes
    assert max(world.in_seconds(begun_s)) <= 1.05 * total + 2 * nodes


@settings(max_examples=examples(20), deadline=None)
@given(totals, st.integers(2, 8), st.integers(0, 2**32))
def test_what_a_dead_node_held_is_back_after_its_lease_and_two_beats_and_is_its_heirs_when_it_comes_back(total, nodes, seed):
    world = World(total, nodes, random.Random(seed))
    world.all[0].arrivals = 2.0 * total
    world.run(3.0)
    world.all[0].alive = False
    for node in world.all[1:]:
        node.arrivals = 2.0 * total / (nodes - 1) if total > 400 else 2.0 * total
    world.run(LEASE_S + 2 * BEAT_S + world.delay_s + 1.0)  # and one second to drain the bucket it rests with
    sent = world.run(2.0)
    assert 0.95 * total * 2 - nodes <= sent <= 1.05 * total * 2 + nodes
    world.comes_back(world.all[0])
    world.run(1.0)
    since_s = world.now_s
    sent = world.run(2.0)
    assert 0.95 * total * 2 - nodes <= sent <= 1.05 * total * 2 + nodes
    its = sum(number == 0 and at > since_s for at, number in world.sent)
    assert 0.95 * total * 2 / nodes - 2 <= its <= 1.05 * total * 2 / nodes + 2, "an equal part"


@settings(max_examples=examples(20), deadline=None)
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
    rate.grant(0.0, RateGrant(10, 2, 0.0, 0.0), 0.0)
    assert sum(rate.allow(2.0) for _ in range(20)) == 10
    rate.grant(2.0, RateGrant(90, 2, 0.0, 0.0), 2.0)
    assert not rate.allow(2.0)
    assert sum(rate.allow(2.5) for _ in range(100)) == 45


def test_many_who_bind_at_once_do_not_make_a_rate_forget_what_it_was_asked_for():
    rate = LeasedRate(100)
    rate.grant(0.0, RateGrant(50, 2, 0.0, 100.0), 0.0)
    said = RateRequest(100, 0, 0)
    for beat in range(1, 6):
        for message in range(8):
            rate.allow(beat * BEAT_S - 0.1 + message / 100)
        said = rate.ask(beat * BEAT_S)
        rate.grant(beat * BEAT_S, RateGrant(50, 2, 0.0, 100.0), beat * BEAT_S)
    assert said.demand == 40
    assert [rate.ask(1.0 + bind / 1000).demand for bind in range(10)] == [40] * 10
    assert rate.tps == 50


def test_a_long_message_may_owe_and_pays_later():
    rate = LeasedRate(10)
    rate.grant(0.0, RateGrant(10, 1, 0.0, 0.0), 0.0)
    for _ in range(5):
        rate.owe(0.0)
    assert not rate.allow(0.2)
    assert rate.allow(0.51)


def test_what_has_room_and_is_counted_is_what_is_allowed():
    one, together = LeasedRate(10), LeasedRate(10)
    for rate in (one, together):
        rate.grant(0.0, RateGrant(10, 1, 0.0, 0.0), 0.0)
    for now_s, asked in ((0.3, 2), (0.6, 9), (0.61, 4), (2.0, 30)):
        for _ in range(asked):
            went = one.allow(now_s)
            assert together.has_room(now_s) == went
            if went:
                together.count(now_s)
            else:
                assert not together.allow(now_s)
    assert one.ask(2.1) == together.ask(2.1)


# --- queues that flow at their share


class Queue:
    """A carrier's lane at one node."""

    def __init__(self, number: int, next_beat_s: float) -> None:
        self.number, self.next_beat_s, self.flow = number, next_beat_s, LeasedFlow(0.0)
        self.arrivals = self.due = self.flowing = self.sent = 0.0
        self.came = self.waiting = 0
        self.most = 0


def test_queues_flow_at_the_total_whoever_has_messages_and_nothing_is_claimed_for_nothing():
    for seed in range(25):
        dice = random.Random(seed)
        total, nodes = round(10 ** dice.uniform(0.7, 3.5)), dice.randint(2, 8)
        book, queues = RateBook(), [Queue(number, dice.uniform(0, BEAT_S)) for number in range(nodes)]
        queues[0].arrivals = 1.3 * total
        for queue in queues[1:]:
            queue.arrivals = dice.choice((0.0, dice.uniform(0, 0.3) * total / nodes))

        def ask(queue: Queue, said: RateRequest, now_s: float, book: RateBook = book) -> None:
            queue.flow.grant(book.ask(queue.number, said, round(now_s * 1000)), now_s)

        sent_after: dict[int, float] = {}
        for step in range(1, 1101):
            now_s = step * STEP_S
            for queue in queues:
                if now_s >= queue.next_beat_s:
                    queue.next_beat_s += BEAT_S
                    ask(queue, queue.flow.ask(now_s, total, queue.came, queue.waiting), now_s)
                    if (said := queue.flow.again()) is not None:
                        ask(queue, said, now_s)
                queue.due += dice.expovariate(1) * queue.arrivals * STEP_S
                room = max(0, max(32, total) - queue.waiting)
                come, queue.due = min(room, int(queue.due)), queue.due % 1
                queue.came, queue.waiting = queue.came + come, queue.waiting + come
                queue.flowing = min(queue.flowing + queue.flow.pace * STEP_S, max(1.0, queue.flow.pace * 0.05))
                sends = min(queue.waiting, int(queue.flowing))
                queue.flowing, queue.waiting, queue.sent = queue.flowing - sends, queue.waiting - sends, queue.sent + sends
            assert sum(queue.flow.share for queue in queues) <= total + 1e-6
            sent_after[step] = sum(queue.sent for queue in queues)
        for first in range(300, 1000, 10):
            second = sent_after[first + 100] - sent_after[first]
            assert 0.95 * total - nodes - 1 <= second <= 1.05 * total + nodes + 1, f"seed {seed} at {first * STEP_S:.1f} s"


# --- places


@given(
    st.lists(st.tuples(st.sampled_from(["bind", "leave", "beat", "die"]), st.integers(0, 3), st.integers(0, 800)), max_size=80),
    st.integers(1, 6),
)
def test_no_more_places_are_held_than_there_are_and_those_of_the_dead_come_back(events, most):
    book: dict[int, BindLeases] = {}
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
    book: dict[int, BindLeases] = {}
    assert [ask_place(book, 1, 2, held, True, 0).given for held in (0, 1, 2)] == [True, True, False]
    assert not ask_place(book, 2, 2, 0, True, LEASE_MS - 1).given
    assert ask_place(book, 2, 2, 0, True, LEASE_MS) == (True, 1, 1, 0)
