"""Counters of several nodes share one book and never exceed a limit.

Answers come late or not at all, nodes sleep and die.
"""

from __future__ import annotations

import random
from copy import deepcopy
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.model.message import Take
from proxy.state.counters.limit_portions import LEASE_MS, PortionLimit, PortionReport, PortionState
from proxy.state.counters.shared_counters import FRESH_S, IDLE_S, REPORTED_MAX, SCANNED_MAX, SharedCounters
from tests.examples import examples
from tests.state.counters.portion_book import PortionBook

HOUR_S = 3600
START_S = 1_700_000_000
AFTER_S = START_S - HOUR_S
TAKE = Take(7, 60, HOUR_S)
TRIES = 5
LIFE = START_S * 1_000_000


@dataclass
class Store:
    """The book of each counter; ``lost``: how often a question, or its answer, does not arrive."""

    dice: random.Random
    lost: float = 0.0
    now_s: float = 0.0
    books: dict[int, PortionBook] = field(default_factory=dict)
    asked: int = 0

    def exchange(self, node: int, counters: SharedCounters, *, all_used: bool) -> None:
        """As the engine does it."""
        counters.now_s = self.now_s
        counters.reconnect()
        for keys in counters.due() if all_used else [counters.wanted()]:
            for key, word in zip(keys, counters.report_words(keys), strict=True):
                self.asked += 1
                lost = self.dice.random() < self.lost
                if lost and self.dice.random() < 0.5:  # the question
                    counters.note_unanswered(key)
                    continue
                told = self._report(node, key, word)
                if lost:  # the answer
                    counters.note_unanswered(key)
                else:
                    counters.apply_answer(key, told)

    def _report(self, node: int, key: int, word: str) -> PortionState:
        return self.books.setdefault(key, PortionBook()).report(node, read_word(word), round((START_S + self.now_s) * 1000))


def read_word(word: str) -> PortionReport:
    head, limits, taken = word.split("|")
    life, number, back, need, spare, width_s, keep_s = map(int, head.split())
    read = [one.split() for one in limits.split(";") if one]
    counts = {int(start): int(n) for start, n in (one.split() for one in taken.split(";") if one)}
    most = tuple(PortionLimit(int(most), float(after)) for most, after in read)
    return PortionReport(life, number, counts, back, need, spare, most, width_s, keep_s)


def turn(store: Store, node: int, counters: SharedCounters, messages: int, most: int, alone: list[int] | None = None) -> int:
    """So many messages in one turn, judged again while counters are short; how many went out. ``alone``: gets those that were in no portion."""
    left, out = messages, 0
    counters.now_s = store.now_s  # the engine does a few times a second
    for _ in range(TRIES):
        again = 0
        for _ in range(left):
            before = counters.shortfalls
            if counters.count(TAKE.key, AFTER_S, most) < most:
                if alone is not None:
                    alone.append(counters.in_hand(TAKE.key) <= 0)
                counters.take(TAKE, START_S + store.now_s)
                out += 1
            elif counters.shortfalls != before:
                again += 1
        left = again
        if not left:
            break
        store.exchange(node, counters, all_used=False)
    return out


def begun(store: Store, count: int) -> list[SharedCounters]:
    found = []
    for node in range(count):
        found.append(SharedCounters(LIFE + node))
        store.exchange(node, found[-1], all_used=True)
    return found


@settings(max_examples=examples(60), deadline=None)
@given(
    st.integers(1, 3000), st.integers(1, 5), st.integers(0, 2**32),
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 40), st.sampled_from([0.0, 0.02, 0.2, 1.5, 4.0])), max_size=80),
)  # fmt: skip
def test_no_limit_is_passed_while_the_store_is_in_reach_and_whatever_nodes_sleep_through(most, nodes, seed, events):
    store = Store(random.Random(seed))
    all_counters, passed = begun(store, nodes), 0
    for who, messages, later_s in events:
        store.now_s += later_s
        for node, counters in enumerate(all_counters):
            if store.dice.random() < 0.5:  # the others sleep
                store.exchange(node, counters, all_used=True)
        passed += turn(store, who % nodes, all_counters[who % nodes], messages, most)
        assert passed <= most


@settings(max_examples=examples(40), deadline=None)
@given(st.integers(100, 5000), st.integers(1, 5), st.integers(0, 2**32))
def test_a_limit_is_reached_within_one_percent(most, nodes, seed):
    store = Store(random.Random(seed))
    all_counters, passed, wanted = begun(store, nodes), 0, 0
    while wanted < 3 * most + 3000:
        store.now_s += 0.05
        for node, counters in enumerate(all_counters):
            if store.dice.random() < 0.25:
                store.exchange(node, counters, all_used=True)
        messages = store.dice.randint(1, 30)
        wanted += messages
        node = store.dice.randrange(nodes)
        passed += turn(store, node, all_counters[node], messages, most)
    assert most - max(most // 100, 1) <= passed <= most


@settings(max_examples=examples(40), deadline=None)
@given(st.integers(50, 2000), st.integers(2, 5), st.integers(0, 2**32), st.floats(0.05, 0.4))
def test_answers_that_are_lost_cost_at_most_what_was_counted_alone_meanwhile(most, nodes, seed, lost):
    """While a node cannot ask, it goes by its own counts: that is all by which a limit may be passed."""
    store = Store(random.Random(seed), lost=lost)
    all_counters = begun(store, nodes)
    passed, alone = 0, list[int]()
    for _ in range(200):
        store.now_s += 0.1
        node = store.dice.randrange(nodes)
        counters = all_counters[node]
        passed += turn(store, node, counters, store.dice.randint(1, 10), most, alone)
        store.exchange(node, counters, all_used=True)
        assert passed - sum(alone) <= most


def test_of_a_million_counters_some_are_looked_at_at_a_time_and_none_is_forgotten_that_is_used() -> None:
    store = Store(random.Random(0))
    counters = SharedCounters(LIFE)
    store.exchange(0, counters, all_used=False)
    keys = [key * 0x9E3779B97F4A7C15 % 2**64 for key in range(3 * SCANNED_MAX)]
    for key in keys:
        assert counters.count(key, AFTER_S, 100) == 100, "it is asked about"
    asked = [counters.wanted()]
    while counters.wants:
        asked.append(counters.wanted())
    assert {len(one) for one in asked} == {REPORTED_MAX}
    assert sorted(key for one in asked for key in one) == sorted(keys)
    store.exchange(0, counters, all_used=True)
    for key in keys:
        counters.take(Take(key, 60, HOUR_S), START_S)
    store.now_s = counters.now_s = 1.1
    portions = list(counters.due())
    assert max(map(len, portions)) <= REPORTED_MAX
    assert sorted(key for one in portions for key in one) == sorted(keys)
    store.exchange(0, counters, all_used=True)
    counters.now_s = store.now_s + 10
    assert list(counters.due()) == [[]] * (1 + len(keys) // SCANNED_MAX)
    assert not any(counters.in_hand(key) for key in keys)
    assert list(counters.due()) == [[]], "there is nobody left to be looked at"


def test_a_message_asks_the_store_only_where_nothing_is_held():
    store = Store(random.Random(1))
    (counters,) = begun(store, 1)
    for _ in range(1000):
        store.now_s += 0.001
        assert turn(store, 0, counters, 1, 1_000_000) == 1
    assert store.asked < 400
    before = store.asked
    for second in range(20):  # a steady stream: the portion is what two reports need
        store.now_s = 2.0 + second * 0.2
        for _ in range(200):
            turn(store, 0, counters, 1, 1_000_000)
        store.exchange(0, counters, all_used=True)
    assert store.asked - before <= 60


def test_what_is_used_up_is_not_asked_about_for_a_moment_and_what_idles_is_given_back():
    store = Store(random.Random(1))
    one, other = begun(store, 2)
    assert [turn(store, 0, one, 6, 10), turn(store, 1, other, 6, 10)] == [6, 4]
    turn(store, 0, one, 1, 10)
    asked = store.asked
    assert turn(store, 0, one, 5, 10) == 0
    assert store.asked == asked
    store.now_s += FRESH_S
    turn(store, 0, one, 1, 10)
    assert store.asked == asked + 1

    fresh = Store(random.Random(1))
    idle, busy = begun(fresh, 2)
    turn(fresh, 0, idle, 30, 100)  # it is handed more than it uses
    fresh.now_s += IDLE_S + 0.1
    fresh.exchange(0, idle, all_used=True)
    assert sum(turn(fresh, 1, busy, 1, 100) for _ in range(100)) == 70


def test_what_goes_back_may_be_taken_again_also_over_a_time_without_the_store():
    store = Store(random.Random(1))
    one, other = begun(store, 2)
    assert turn(store, 0, one, 2, 2) == 2
    assert turn(store, 1, other, 1, 2) == 0
    one.give_back(TAKE, START_S + store.now_s)
    store.exchange(0, one, all_used=True)
    store.now_s += FRESH_S + IDLE_S
    store.exchange(0, one, all_used=True)
    assert turn(store, 1, other, 1, 2) == 1

    one.on = False  # out of reach: it goes by its own
    store.now_s += LEASE_MS / 1000 + 1
    assert one.count(TAKE.key, AFTER_S, 2) == 1
    one.take(TAKE, START_S + store.now_s)
    store.exchange(0, one, all_used=True)
    assert store.books[TAKE.key].inside(AFTER_S, round((START_S + store.now_s) * 1000)) >= 2


def test_who_only_wants_to_know_asks_for_nothing():
    store = Store(random.Random(1))
    one, other = begun(store, 2)
    turn(store, 0, one, 3, 10)
    store.exchange(0, one, all_used=True)
    asked = store.asked
    assert one.as_seen.count(TAKE.key, AFTER_S, 10) == 3
    assert other.as_seen.count(TAKE.key, AFTER_S, 10) == 0
    store.exchange(1, other, all_used=True)
    assert store.asked == asked
    assert (one.shortfalls, other.shortfalls) == (one.shortfalls, 0)


def test_what_is_given_back_is_not_used_while_the_answer_is_on_its_way():
    store = Store(random.Random(1))
    idle, busy = begun(store, 2)
    passed = turn(store, 0, idle, 30, 100)
    turn(store, 0, idle, 1, 100)  # it is handed some more to spare
    passed += 1
    assert idle.in_hand(TAKE.key) > 0
    store.now_s += IDLE_S + 0.1
    idle.now_s = store.now_s
    (word,) = idle.report_words(next(idle.due()))
    assert read_word(word).back > 0
    assert idle.in_hand(TAKE.key) == 0
    told = store._report(0, TAKE.key, word)
    passed += turn(store, 1, busy, 100, 100)
    before = idle.shortfalls
    assert idle.count(TAKE.key, AFTER_S, 100) == 100
    assert idle.shortfalls == before + 1, "it waits for the answer"
    idle.apply_answer(TAKE.key, told)
    assert turn(store, 0, idle, 10, 100) == 0
    assert passed == 100


def test_a_limit_that_was_lowered_holds_at_once_and_one_that_was_raised_soon():
    store = Store(random.Random(1))
    (counters,) = begun(store, 1)
    assert turn(store, 0, counters, 20, 10) == 10
    turn(store, 0, counters, 1, 15)
    store.now_s += FRESH_S
    assert turn(store, 0, counters, 20, 15) == 5
    turn(store, 0, counters, 1, 1000)
    store.now_s += FRESH_S
    assert turn(store, 0, counters, 100, 1000) == 100
    turn(store, 0, counters, 1, 1000)
    assert counters.in_hand(TAKE.key) > 0
    assert turn(store, 0, counters, 50, 120) == 120 - 116


def test_a_node_that_was_killed_has_nothing_left_and_what_it_had_counts():
    store = Store(random.Random(1))
    one, other = begun(store, 2)
    assert turn(store, 0, one, 40, 100) == 40
    heir = SharedCounters(LIFE + 99)
    store.exchange(0, heir, all_used=True)
    assert turn(store, 0, heir, 10, 100) + turn(store, 1, other, 200, 100) == 60


def test_while_it_cannot_ask_a_node_goes_by_what_it_heard_last():
    store = Store(random.Random(1))
    one, other = begun(store, 2)
    turn(store, 0, one, 5, 100)
    turn(store, 1, other, 80, 100)
    store.now_s += IDLE_S
    for node, counters in enumerate((one, other)):
        store.exchange(node, counters, all_used=True)
        store.exchange(node, counters, all_used=True)
    turn(store, 0, one, 1, 100)
    store.exchange(0, one, all_used=True)
    store.lost = 1.0
    assert turn(store, 0, one, 100, 100) == 100 - 86


@pytest.mark.parametrize("forgets", ["all", "the last"])
def test_a_store_that_lost_what_it_was_told_is_told_again(forgets):
    store = Store(random.Random(1))
    one, other = begun(store, 2)
    kept = deepcopy(store.books)
    taken = 0
    for at in range(6):
        store.now_s = 0.5 * at
        taken += turn(store, 0, one, 5, 100) + turn(store, 1, other, 5, 100)
        for node, counters in enumerate((one, other)):
            store.exchange(node, counters, all_used=True)
        if at == 3 and forgets == "the last":
            kept = deepcopy(store.books)
    store.books = kept
    for _ in range(4):
        store.now_s += 0.6
        for node, counters in enumerate((one, other)):
            taken += turn(store, node, counters, 1, 100)
            store.exchange(node, counters, all_used=True)
    store.now_s += FRESH_S
    taken += turn(store, 0, one, 100, 100) + turn(store, 1, other, 100, 100)
    assert 98 <= taken <= 100


def test_of_many_counters_that_are_used_now_and_then_each_costs_two_questions():
    """One for the message, one that says afterwards that it was taken."""
    store = Store(random.Random(1))
    (counters,) = begun(store, 1)
    store.now_s = 100.0
    counters.now_s = 100.0
    for key in range(1000, 1100):
        take = Take(key, 60, HOUR_S)
        assert counters.count(key, AFTER_S, 50) == 50
        store.exchange(0, counters, all_used=False)
        assert counters.count(key, AFTER_S, 50) < 50
        counters.take(take, START_S + 100)
    for _ in range(30):
        store.now_s += 0.2
        store.exchange(0, counters, all_used=True)
    assert store.asked == 200


def test_what_was_handed_out_is_not_used_after_a_long_sleep_before_the_store_was_asked():
    store = Store(random.Random(1))
    asleep, awake = begun(store, 2)
    turn(store, 0, asleep, 5, 100)
    turn(store, 0, asleep, 1, 100)
    assert asleep.in_hand(TAKE.key) > 0
    store.now_s += LEASE_MS / 1000
    asleep.now_s = store.now_s
    assert asleep.in_hand(TAKE.key) == 0
    assert turn(store, 0, asleep, 3, 100) + turn(store, 1, awake, 200, 100) + asleep.in_hand(TAKE.key) == 94


def test_own_series_and_shared_counters_are_counted_apart() -> None:
    counters = SharedCounters(LIFE)
    counters.on = counters.reported = True
    counters.count(TAKE.key, AFTER_S, 5)  # compared with a limit: held, with no take of this node
    assert (len(counters), counters.held(TAKE.key)) == (0, None)
    counters.take(TAKE._replace(key=8), START_S)
    assert len(counters) == 1


def test_as_many_shared_counters_are_held_as_own_series() -> None:
    counters = SharedCounters(LIFE)
    counters.keys_max = 4
    counters.on = counters.reported = True
    for key in range(1, 5):
        counters.take(TAKE._replace(key=key), START_S)
    assert (len(counters), counters.dropped) == (4, 0)
    assert len(counters.report_words(range(1, 5))) == 4
