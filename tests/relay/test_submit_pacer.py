"""The pacer: which submits above a rate wait, in what order they go, and how long at most."""

from __future__ import annotations

import random
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.model.rate import Rate
from proxy.relay.submit_pacer import LOOK_S, WAIT_MAX_S, Pace, PacedRates, SubmitPacer
from proxy.state.counters.rate_shares import LeasedRate
from proxy.state.shared.lease_rules import BEAT_S, LEASE_MS, SPARE_S, RateGrant
from tests.examples import examples
from tests.state.shared.test_lease_rules import STEP_S, Node, World

START_S = 90_000.0
LATE_S = 1e-6
"""How late the timer of these tests is: the pacer may have rounded."""


class Sent(NamedTuple):
    number: int
    account: str
    at_s: float
    place: str = ""


class Desk:
    """A pacer of one provider with a timer, and what became of each submit."""

    def __init__(self, tps: float | None, **accounts: float | None) -> None:
        self.pacer: SubmitPacer[Sent] = SubmitPacer()
        self.now = START_S
        self.shared = Rate(tps, max(1, round(tps))) if tps else None
        self.own = {name: Rate(own, max(1, round(own))) if own else None for name, own in accounts.items()}
        for name, own in self.own.items():
            self.pacer.account(name).use(own, self.shared)
        self.gone: list[tuple[Sent, float]] = []
        self.late: list[tuple[Sent, float]] = []
        self.refused: list[Sent] = []
        self.repeated: list[Sent] = []
        self.began: set[str] = set()
        """Messages of which a part has gone: the relay charges further parts to the rate, and takes them."""
        self.number = 0

    def until(self, then_s: float) -> None:
        """Lets time pass; the timer fires when the pacer says."""
        while self.pacer.next_s is not None and self.pacer.next_s + LATE_S <= then_s:
            self.now = max(self.now, self.pacer.next_s + LATE_S)
            self.release()
        self.now = max(self.now, then_s)

    def release(self) -> None:
        ready, late = self.pacer.release(self.now)
        self.gone += [(one, self.now) for one in ready]
        self.late += [(one, self.now) for one in late]
        self.began |= {one.place for one in ready if one.place}

    def send(self, account: str = "jia", place: str = "", index: int = 0) -> Sent:
        rates = self.pacer.accounts[account]
        self.number += 1
        sent = Sent(self.number, account, self.now, place)
        if rates.allow(self.now):
            pace = Pace.PASS
        elif place in self.began:
            rates.owe(self.now)
            pace = Pace.PASS
        else:
            pace = self.pacer.decide(rates, sent, self.now, place or None, index)
        if pace is Pace.PASS:
            self.gone.append((sent, self.now))
            self.began |= {place} if place else set()
        elif pace is Pace.REFUSE:
            self.refused.append(sent)
        elif pace is Pace.REPEAT:
            self.repeated.append(sent)
        return sent

    @property
    def numbers(self) -> list[int]:
        return [one.number for one, _ in self.gone]


def test_a_burst_goes_at_once_a_second_of_the_rate_waits_and_the_rest_is_refused():
    desk = Desk(10, jia=None)
    for _ in range(25):
        desk.send()
    assert desk.numbers == list(range(1, 11))
    assert [one.number for one in desk.refused] == list(range(21, 26))
    assert desk.pacer.waiting == 10
    desk.until(START_S + 5)
    assert desk.numbers == list(range(1, 21))
    waited = [at_s - one.at_s for one, at_s in desk.gone[10:]]
    assert waited == pytest.approx([0.1 * place for place in range(1, 11)], abs=1e-4)
    assert desk.pacer.next_s is None


def test_a_sender_within_its_rate_never_waits():
    desk = Desk(10, jia=None)
    for place in range(100):
        desk.until(START_S + place / 10)
        desk.send()
        assert not desk.pacer.waiting
    assert desk.numbers == list(range(1, 101))


def test_nobody_overtakes_those_who_wait_even_when_the_rate_has_room_before_the_timer_fires():
    desk = Desk(10, jia=None)
    for _ in range(12):
        desk.send()
    desk.now += 0.5  # the timer is late
    desk.send()
    assert desk.pacer.waiting == 3
    desk.release()
    assert desk.numbers == list(range(1, 14))


def test_parts_of_a_message_wait_together_and_are_charged_to_the_rate():
    desk = Desk(10, jia=None)
    for _ in range(10):
        desk.send()
    first = desk.send(place="long", index=1)
    between = desk.send()
    desk.until(START_S + 0.05)
    second = desk.send(place="long", index=2)
    desk.until(START_S + 0.1 + 2 * LATE_S)
    assert [one for one, _ in desk.gone[10:]] == [first, second]
    desk.until(START_S + 0.2 + 2 * LATE_S)
    assert between.number not in desk.numbers  # the second part has used its turn
    desk.until(START_S + 0.3 + 2 * LATE_S)
    assert between.number in desk.numbers


def test_a_part_waits_with_its_sibling_where_any_other_submit_would_be_refused():
    desk = Desk(10, jia=None, two=None)
    for _ in range(10):
        desk.send()
    parts = [desk.send(place="long", index=1)]
    for _ in range(20):
        desk.send()
    assert len(desk.refused) == 11
    parts += [desk.send("two", "long", index) for index in (2, 3)]  # over another account, too
    assert len(desk.refused) == 11
    assert desk.pacer.waiting == 12
    desk.until(START_S + 5)
    assert {one for one, _ in desk.gone} >= set(parts)
    assert len({at_s for one, at_s in desk.gone if one.place}) == 1


def test_the_same_part_again_while_it_waits_is_a_repeat():
    desk = Desk(1, jia=None)
    desk.send()
    desk.send(place="long", index=1)
    desk.send(place="long", index=1)
    assert (len(desk.repeated), desk.pacer.waiting) == (1, 1)


def test_an_account_whose_own_rate_is_used_up_holds_up_no_other():
    desk = Desk(100, slow=1, fast=None)
    for _ in range(4):
        desk.send("slow")
    assert (len(desk.gone), desk.pacer.waiting, len(desk.refused)) == (1, 1, 2)
    for _ in range(5):
        desk.send("fast")
    assert [one.account for one, _ in desk.gone] == ["slow"] + ["fast"] * 5
    desk.until(START_S + 2)
    assert [one.account for one, _ in desk.gone].count("slow") == 2


def test_a_rate_that_falls_while_submits_wait_refuses_them_after_a_second_and_parts_together():
    desk = Desk(10, jia=None)
    for _ in range(15):
        desk.send()
    desk.send(place="long", index=1)
    desk.send(place="long", index=2)
    slower = Rate(1, 1)
    slower.count(desk.now)
    desk.pacer.account("jia").use(None, slower)
    desk.until(START_S + 5)
    assert [at_s - one.at_s for one, at_s in desk.late] == pytest.approx([WAIT_MAX_S] * len(desk.late), abs=1e-3)
    assert {one.place for one, _ in desk.late} == {"", "long"}
    assert len(desk.late) + len(desk.gone) == 17
    assert not desk.pacer.waiting


def test_a_rate_that_rises_while_submits_wait_lets_them_go_within_a_look():
    desk = Desk(10, jia=None)
    for _ in range(20):
        desk.send()
    desk.pacer.account("jia").use(None, Rate(1000, 1000))
    desk.until(START_S + LOOK_S + LATE_S)
    assert len(desk.gone) == 20


def test_a_monotonic_clock_that_jumps_keeps_nobody_waiting():
    desk = Desk(10, jia=None)
    for _ in range(15):
        desk.send()
    desk.now -= 7200
    desk.release()
    assert (len(desk.late), desk.pacer.waiting, desk.pacer.next_s) == (5, 0, None)
    for _ in range(25):
        desk.send()
    assert (len(desk.gone), desk.pacer.waiting) == (20, 10)
    desk.now += 7200
    desk.release()
    assert len(desk.gone) == 30


def test_all_that_waits_can_be_taken_out():
    desk = Desk(5, jia=None, two=None)
    for _ in range(8):
        desk.send()
    parts = [desk.send("two", "long", index) for index in (1, 2)]
    assert [one.number for one in desk.pacer] == [6, 7, 8, *(one.number for one in parts)]
    assert [one.number for one in desk.pacer.take_all()] == [6, 7, 8, *(one.number for one in parts)]
    assert (desk.pacer.waiting, desk.pacer.next_s, list(desk.pacer)) == (0, None, [])
    assert [one.waiting for one in desk.pacer.accounts.values()] == [0, 0]


# -- a node's share of a rate


def leased(share: float, nodes: int = 2, total: float = 100.0, lack: float = 0.0) -> LeasedRate:
    rate = LeasedRate(total, START_S)
    rate.grant(START_S, RateGrant(share, nodes, 0.0, lack), START_S)
    return rate


def test_submits_wait_by_an_equal_part_of_the_rate_while_the_share_is_still_small():
    rate = leased(share=0.5)
    assert rate.wait_s(START_S, 1) == 0
    assert rate.wait_s(START_S, 51) == pytest.approx(50 / 50)


def test_before_the_first_share_nothing_can_be_promised():
    assert LeasedRate(100, START_S).wait_s(START_S, 2) == float("inf")


def test_what_waits_counts_as_demand_and_asks_for_what_others_can_lend():
    rate = leased(share=10, lack=5)
    while rate.allow(START_S):
        pass
    rate.waits(7)
    first = rate.ask(START_S + 0.2)
    assert first.demand >= 7
    assert first.want > 0
    rate.waits(-7)
    last = [rate.ask(START_S + 0.2 * beat) for beat in range(2, 12)][-1]
    assert (last.demand, last.want) == (0, 0)


def test_only_what_the_share_allows_goes_and_the_rest_is_refused_in_time():
    rate, pacer = leased(share=10), SubmitPacer[int]()
    rates = pacer.account("jia")
    rates.use(None, rate)
    while rates.allow(START_S):
        pass
    assert [pacer.decide(rates, number, START_S) for number in range(40)] == [Pace.WAIT] * 40  # an equal part would be 50
    gone, late, now = list[int](), list[int](), START_S
    while pacer.next_s is not None:
        now = max(pacer.next_s, now) + LATE_S
        assert now <= START_S + LEASE_MS / 1000
        ready, over = pacer.release(now)
        gone += ready
        late += over
    assert gone == list(range(len(gone)))
    assert 9 <= len(gone) <= 11
    assert late == list(range(len(gone), 40))
    assert now <= START_S + WAIT_MAX_S + 1e-3


# -- several nodes with shares of one rate


class PacedWorld(World):
    """Nodes whose messages wait where the share has no room."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.pacers = [SubmitPacer[float]() for _ in self.all]
        self.waited_s = 0.0
        self.refused = 0
        for node, pacer in zip(self.all, self.pacers, strict=True):
            pacer.account("jia").use(None, node.rate)

    def _step(self, node: Node) -> None:
        if self.now_s >= node.next_beat_s:
            node.next_beat_s += BEAT_S
            self._ask(node, node.rate.ask(self.now_s), first=True)
        pacer = self.pacers[node.number]
        rates = pacer.account("jia")
        if pacer.next_s is not None and pacer.next_s <= self.now_s:
            ready, late = pacer.release(self.now_s)
            self.sent += [(self.now_s, node.number)] * len(ready)
            self.refused += len(late)
            self.waited_s = max([self.waited_s, *(self.now_s - came_s for came_s in ready + late)])
        node.due += node.arrivals * STEP_S
        while node.due >= 1:
            node.due -= 1
            pace = Pace.PASS if rates.allow(self.now_s) else pacer.decide(rates, self.now_s, self.now_s)
            if pace is Pace.PASS:
                self.sent.append((self.now_s, node.number))
            self.refused += pace is Pace.REFUSE


@settings(max_examples=examples(30), deadline=None)
@given(st.sampled_from([10, 60, 400]), st.lists(st.floats(0, 4), min_size=2, max_size=4), st.integers(0, 2**32))
def test_nodes_that_pace_send_no_more_than_the_whole_rate_and_keep_nobody_waiting(total, weights, seed):
    world = PacedWorld(total, len(weights), random.Random(seed))
    for node, weight in zip(world.all, weights, strict=True):
        node.arrivals = weight * total
    world.run(4.0)
    nodes = len(weights)
    for window_s in (0.5, 1.0, 3.0):
        assert world.most_within(window_s) <= total * (1 + window_s) + nodes + max(nodes, SPARE_S * total)
    assert world.waited_s <= WAIT_MAX_S + LOOK_S


def test_nodes_that_pace_use_the_whole_rate_also_when_one_of_them_has_nearly_all_the_load():
    world = PacedWorld(200, 2, random.Random(5))
    world.all[0].arrivals, world.all[1].arrivals = 300, 20
    world.run(4.0)
    assert min(world.in_seconds(2.0)) >= 0.95 * 200
    assert max(world.in_seconds(2.0)) <= 1.05 * 200 + 2
    assert [sum(number == node for at, node in world.sent if at > 2.0) / 2.0 for number in (0, 1)] == pytest.approx(
        [180, 20], abs=12
    )


def test_a_client_with_a_window_that_waits_keeps_its_nodes_share():
    """It sends only after an answer: what arrives is what the share let go, and says nothing about what it could send."""
    world = PacedWorld(100, 2, random.Random(6))
    closed, (_, other) = world.pacers[0], world.all
    other.arrivals = 400
    rates = closed.account("jia")
    for _ in range(400):
        world.run(STEP_S)
        for _ in range(30 - closed.waiting):
            if rates.allow(world.now_s) or closed.decide(rates, world.now_s, world.now_s) is Pace.PASS:
                world.sent.append((world.now_s, 0))
    late = [node for at, node in world.sent if at > 2.0]
    assert late.count(0) / 2.0 == pytest.approx(50, abs=8)
    assert len(late) / 2.0 == pytest.approx(100, abs=6)


# -- properties

steps = st.lists(
    st.tuples(
        st.sampled_from([0.0, 0.0, 0.0, 0.001, 0.01, 0.1, 0.5, 3.0]) | st.floats(0, 0.3),
        st.sampled_from(["jia", "two"]),
        st.sampled_from(["", "", "", "A", "B"]),
        st.integers(1, 4),
        st.integers(1, 12),
    ),
    max_size=50,
)


@settings(max_examples=examples(150), deadline=None)
@given(st.floats(0.5, 300), st.none() | st.floats(0.5, 50), steps)
def test_no_window_exceeds_rate_and_burst_order_is_kept_and_nobody_waits_over_a_second(tps, own, rows):
    desk = Desk(tps, jia=None, two=own)
    parts, made = 0, 0
    for wait_s, account, place, index, many in rows:
        desk.until(desk.now + wait_s)
        made += not wait_s  # parts far apart are another message
        for _ in range(many if not place else 1):
            desk.send(account, f"{place}{made // 8}" if place else "", index)
        parts += bool(place)
    desk.until(desk.now + 10)
    ended = [one.number for one, _ in desk.gone + desk.late] + [one.number for one in desk.refused + desk.repeated]
    assert sorted(ended) == list(range(1, desk.number + 1))  # each has one end
    assert (desk.pacer.waiting, desk.pacer.next_s) == (0, None)
    for one, at_s in desk.gone + desk.late:
        assert at_s - one.at_s <= WAIT_MAX_S + 1e-3
    for account in ("jia", "two"):
        whole = [one for one, _ in desk.gone if one.account == account and not one.place]
        assert whole == sorted(whole)
    late_places = {one.place for one, _ in desk.late if one.place}
    assert not late_places & {one.place for one, at_s in desk.gone if one.place and at_s > one.at_s}
    for rate, of in ((tps, {"jia", "two"}), (own, {"two"})):
        times = [at_s for one, at_s in desk.gone if one.account in of]
        if rate is None:
            continue
        burst = max(1, round(rate))
        for first, start_s in enumerate(times):
            for last in range(first, len(times)):
                # parts go with their siblings and are charged afterwards: "a rate never splits a message"
                assert last - first + 1 <= burst + (times[last] - start_s) * rate + parts + 1e-3


@given(st.floats(0.5, 1000), st.integers(0, 400), st.integers(1, 400))
def test_the_wait_that_a_rate_announces_is_the_wait_that_it_makes(tps, before, places):
    rate = Rate(tps, max(1, round(tps)))
    for _ in range(before):
        rate.owe(START_S)
    announced_s, now = rate.wait_s(START_S, places), START_S
    for _ in range(places):
        now += rate.wait_s(now, 1)
        assert rate.has_room(now + LATE_S)
        rate.count(now)
    assert now - START_S == pytest.approx(announced_s, abs=1e-3)


def test_each_account_is_asked_once_a_release_however_many_wait(monkeypatch: pytest.MonkeyPatch):
    desk, asked = Desk(1000, one=4, two=4), list[PacedRates]()
    for name in ("one", "two") * 7:
        desk.send(name)
    monkeypatch.setattr(PacedRates, "fits", lambda rates, now: asked.append(rates))
    desk.release()
    assert asked == [*desk.pacer.accounts.values()]
