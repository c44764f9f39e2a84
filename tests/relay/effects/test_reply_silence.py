"""How long a silence may last: the formulas, and that they hold on simulated ports."""

from __future__ import annotations

import math
import random

import pytest

from proxy.relay.effects import reply_paths
from proxy.relay.effects.reply_silence import (  # fmt: skip
    CHANCE_MAX,
    PORTS_MIN,
    REPLIES_MIN,
    chance,
    low_rate,
    lower_bound,
)
from tests.relay.effects.silences import DAY_S, Ports


def silent_after(rate: float, silences: int = 1) -> int:
    """Of how many unanswered advertisements a port is silent."""
    return math.floor(math.log(silences * (silences + 1) / CHANCE_MAX) / rate) + 1


@pytest.mark.parametrize(("replies", "quantile"), [(5, 1.970), (10, 5.425), (20, 13.255), (100, 84.139), (1000, 948.56)])
def test_the_lower_bound_is_the_gamma_quantile(replies, quantile):
    assert lower_bound(replies, 1000) * 1000 == pytest.approx(quantile, rel=0.005)


def test_a_port_exceeds_its_lower_bound_nineteen_times_of_twenty():
    source, rate, right = random.Random(36), 0.003, 0
    for _ in range(2000):
        until = sum(source.expovariate(rate) for _ in range(8))
        right += lower_bound(8, round(until)) <= rate
    assert right / 2000 == pytest.approx(0.95, abs=0.015)


def test_a_port_with_few_replies_has_no_rate():
    assert lower_bound(REPLIES_MIN - 1, 10) == 0.0
    assert lower_bound(REPLIES_MIN, 0) == 0.0


def test_too_few_ports_make_no_rate():
    assert low_rate([0.001] * (PORTS_MIN - 1) + [0.0] * 100) == 0.0


@pytest.mark.parametrize(("ports", "below"), [(20, 0), (39, 1), (40, 1), (100, 4), (1000, 49)])
def test_nineteen_of_twenty_ports_exceed_the_low_rate(ports, below):
    rates = [number / 1000 for number in range(1, ports + 1)]
    random.Random(1).shuffle(rates)
    assert sum(rate < low_rate(rates) for rate in rates) == below


def test_the_chances_of_all_silences_of_a_port_add_up_to_what_is_allowed():
    """A silence that just reaches its bound has the chance CHANCE_MAX after correction; before it, the sum over 1/(k(k+1)) is 1."""
    spent = 0.0
    for silences in range(1, 10_000):
        expected = math.log(silences * (silences + 1) / CHANCE_MAX)
        assert chance(expected, silences) == pytest.approx(CHANCE_MAX)
        spent += math.exp(-expected)
    assert spent <= CHANCE_MAX


@pytest.mark.parametrize(
    ("rate", "silences", "advertisements"),
    [
        (0.01, 1, 1290),
        (0.001, 1, 12_900),
        (0.0001, 1, 128_993),
        (0.01, 101, 2145),
        (0.001, 101, 21_447),
        (0.0001, 101, 214_462),
    ],
)
def test_a_dead_port_is_found_after_so_many_advertisements(rate, silences, advertisements):
    assert silent_after(rate, silences) == advertisements
    assert chance(rate * advertisements, silences) < CHANCE_MAX <= chance(rate * (advertisements - 1), silences)


# -- on simulated ports (silences.py has the long campaign)


def test_no_live_port_of_two_hundred_port_weeks_is_called_silent_or_dead() -> None:
    """silences.py has a campaign of 100,000."""
    ports = Ports(36, rate=0.001, count=40)
    for _ in range(5):
        ports.pass_week()
    print(f"seed 36: {ports.silent} of {5 * 40} port-weeks silent")
    assert ports.book.rate(ports.now) > 0.0003, "there is a rate to be silent by"
    assert ports.silent == 0


def test_without_the_bound_live_ports_would_be_called_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    """The test above is only worth something if it notices."""
    monkeypatch.setattr(reply_paths, "CHANCE_MAX", 0.5)
    ports = Ports(36, rate=0.001, count=40)
    for _ in range(4):
        ports.pass_week()
    print(f"seed 36: {ports.silent} of {4 * 40} port-weeks silent")
    assert ports.silent > 0


def test_a_port_that_dies_is_found_the_later_the_more_silences_it_had() -> None:
    ports = Ports(36, rate=0.003, count=60)
    for _ in range(3):
        ports.pass_week()
    for replies in (0, 10, 100):
        found = ports.found_dead_after(replies)
        rate = ports.book.rate(ports.now + DAY_S)
        print(f"seed 36, {replies} replies: rate {rate:.3%}, silent after {found:,} advertisements")
        assert found == pytest.approx(silent_after(rate, replies + 1), rel=0.02)
