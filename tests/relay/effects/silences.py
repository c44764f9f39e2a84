"""Simulates ports to measure how often live ones are called silent.

In: a seed, reply rates, weeks. Out: counts. Never: a gate, a real clock.

    python -m tests.relay.effects.silences --weeks 200          the long campaign: 100,000 port-weeks, some ten minutes
    python -m tests.relay.effects.silences --dead               how many advertisements a dead port takes: the guide's table
"""

from __future__ import annotations

import argparse
import math
import random
from collections import defaultdict
from dataclasses import dataclass, field

from proxy.relay.effects.reply_paths import DEAD, SILENT, ReplyPaths
from proxy.state.lists.desk_records import DeskRecords

HOUR_S, DAY_S = 3600, 86_400
BEGIN = 1_764_460_800  # 08:00 in Shanghai
SENDING_HOURS = range(13)  # 08:00 to 21:00
PORTS = 500
SPREAD = 10.0
"""The highest reply rate by the lowest."""


@dataclass
class Port:
    prefix: str
    rate: float
    an_hour: float  # advertisements
    since_week: int = 0
    silent_weeks: set[int] = field(default_factory=set)


@dataclass
class Ports:
    """``rate``: the lowest reply rate; the others spread tenfold above it, evenly in their logarithm. A port sends what brings 2 to 200 replies
    a week at that rate. ``uneven``: the rate of each port and day varies by a factor (gamma of this shape); 0: it does not."""

    seed: int
    rate: float
    count: int = PORTS
    spread: float = SPREAD
    uneven: float = 0.0

    def __post_init__(self) -> None:
        self.source = random.Random(self.seed)
        self.book = ReplyPaths(DeskRecords(), lambda records: 1)
        self.week = 0
        self.coming: dict[int, list[tuple[float, str]]] = defaultdict(list)
        self.live = [self._port(number) for number in range(self.count)]
        self.dead = 0

    def _port(self, number: int) -> Port:
        source = self.source
        a_week = 2 * 100 ** source.random() / self.rate
        late = 4 if number % 5 == 0 else 0  # some begin when the others are known
        return Port(f"1069{number:05d}", self.rate * self.spread ** source.random(), a_week / 7 / len(SENDING_HOURS), late)

    def pass_week(self) -> None:
        for day in range(7):
            factors = self._factors()
            for hour in range(24):
                self._hour(BEGIN + ((self.week * 7 + day) * 24 + hour) * HOUR_S, hour in SENDING_HOURS, factors)
        self.week += 1

    def _factors(self) -> list[float]:
        shape = self.uneven
        return [self.source.gammavariate(shape, 1 / shape) if shape else 1.0 for _ in self.live]

    def _hour(self, at: int, sending: bool, factors: list[float]) -> None:
        book, source = self.book, self.source
        if sending:
            counted = {}
            for port, factor in zip(self.live, factors, strict=True):
                if self.week >= port.since_week:
                    counted[port.prefix, "R"] = sent = _poisson(source, port.an_hour)
                    for _ in range(_poisson(source, sent * port.rate * factor)):
                        answered = at + source.random() * HOUR_S + _delay_s(source)
                        self.coming[int(answered - at) // HOUR_S + at // HOUR_S].append((answered, port.prefix))
            book.advertised({key: sent for key, sent in counted.items() if sent}, at)
        for port in self.live:
            state = book.state_of(port.prefix, at).state
            assert state != DEAD
            if state == SILENT:
                port.silent_weeks.add(self.week)
        for answered, prefix in sorted(self.coming.pop(at // HOUR_S, ())):
            book.replied(prefix, "R", answered)

    @property
    def now(self) -> int:
        return BEGIN + self.week * 7 * DAY_S

    @property
    def silent(self) -> int:
        """Port-weeks in which a live port was called silent."""
        return sum(len(port.silent_weeks) for port in self.live)

    def found_dead_after(self, replies: int) -> int:
        """Unanswered advertisements until a port is silent that was answered so often before."""
        prefix, at = f"1060{self.dead:05d}", self.now
        self.dead += 1
        for _ in range(replies):
            self.book.advertised({(prefix, "R"): round(1 / self.rate)}, at)
            self.book.replied(prefix, "R", at)
        step, sent = max(1, round(0.01 / self.rate)), 0
        while self.book.state_of(prefix, at + DAY_S).state != SILENT:
            self.book.advertised({(prefix, "R"): step}, at)
            sent += step
        return sent


def _poisson(source: random.Random, mean: float) -> int:
    if mean > 50:
        return max(0, round(source.gauss(mean, math.sqrt(mean))))
    left, count = math.exp(-mean), 0
    product = source.random()
    while product > left:
        product *= source.random()
        count += 1
    return count


def _delay_s(source: random.Random) -> float:
    """Half of the people answer within 5 minutes, one in thirty after more than 3 hours."""
    return min(source.lognormvariate(math.log(300), 2.0), 2 * DAY_S)


def campaign(weeks: int, seed: int, uneven: float) -> None:
    for rate in (0.01, 0.001, 0.0001):
        ports = Ports(seed, rate / math.sqrt(SPREAD), uneven=uneven)
        for _ in range(weeks):
            ports.pass_week()
        found = f"{ports.silent} of {weeks * PORTS:,} port-weeks silent, none dead"
        print(
            f"seed {seed}, rates {rate / math.sqrt(SPREAD):.3%} to {rate * math.sqrt(SPREAD):.3%}, uneven {uneven:g}: {found}",
            flush=True,
        )


def table(seed: int) -> None:
    for spread in (1.0, SPREAD):
        for rate in (0.01, 0.001, 0.0001):
            ports = Ports(seed, rate / math.sqrt(spread), count=200, spread=spread)
            for _ in range(8):
                ports.pass_week()
            found = [ports.found_dead_after(replies) for replies in (0, 10, 100, 1000)]
            print(f"spread {spread:g}, rate {rate:.2%}: {', '.join(f'{one:,}' for one in found)}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--weeks", type=int, default=200)
    parser.add_argument("--seed", type=int, default=36)
    parser.add_argument("--uneven", type=float, default=0.0)
    parser.add_argument("--dead", action="store_true")
    said = parser.parse_args()
    table(said.seed) if said.dead else campaign(said.weeks, said.seed, said.uneven)
