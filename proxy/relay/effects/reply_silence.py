"""Computes how long a port's silence may last by chance.

Every advertisement is answered with a small probability, the port's reply rate. So a silence of ``n`` advertisements has the probability
``exp(-rate * n)``, and ``rate * n`` is the number of replies that were to be expected.

    lower bound of one port's rate    gamma quantile(5 %, replies) / advertisements until its last reply
    low rate                          of the lower bounds, the one that 95 % of the proven ports exceed
    expected replies                  low rate * advertisements that were not answered
    chance of the k-th silence        exp(-expected) * k * (k + 1)
    silent                            chance < 0.000005

**Correction for repeated looks.** Within one silence the expected replies only grow until a reply ends it: looking at them all the time finds
no more than one look at the end. But each reply begins a new silence, and each is a new occasion to be wrong. The k-th silence of a port may
therefore spend ``0.000005 / (k * (k + 1))``; over all silences of its whole life these add up to 0.000005 at most.

**Spread of rates.** The low rate comes from lower bounds, and only from ports with REPLIES_MIN replies: ports that were proven early by good
luck cannot raise it. Until PORTS_MIN ports have a rate, no port counts as silent.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

CHANCE_MAX = 0.000_005
"""Below it chance does not explain a silence."""
EXCEEDED_BY = 0.95
"""The share of proven ports whose rate exceeds the low rate."""
REPLIES_MIN = 5
"""Replies from which a port has a rate. With fewer, a rarely answered port has a rate only by luck, and then a high one."""
PORTS_MIN = 20
"""Ports with a rate that are needed for a low rate: among fewer, none represents the lowest 5 %."""
_Z = -1.6449
"""The normal quantile of 5 %."""


def lower_bound(replies: int, advertisements: int) -> float:
    """The rate that a port exceeds with 95 % confidence; ``advertisements``: until its last reply. 0: too few replies."""
    if replies < REPLIES_MIN or advertisements <= 0:
        return 0.0
    # the gamma quantile by Wilson and Hilferty: 1.97 of 5 replies, 5.42 of 10, 84.1 of 100
    return replies * (1 - 1 / (9 * replies) + _Z / (3 * math.sqrt(replies))) ** 3 / advertisements


def low_rate(bounds: Iterable[float]) -> float:
    """The rate that 95 % of these ports exceed; 0: there are too few to say."""
    known = sorted(bound for bound in bounds if bound > 0)
    if len(known) < PORTS_MIN:
        return 0.0
    return known[math.ceil(round((1 - EXCEEDED_BY) * len(known), 6)) - 1]


def chance(expected: float, silences: int) -> float:
    """The probability of a port's k-th silence (``silences``, from 1), corrected for the silences before it."""
    return min(1.0, math.exp(-expected) * silences * (silences + 1))
