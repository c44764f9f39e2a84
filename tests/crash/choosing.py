"""Choosing: which points a world dies of, from a seed.

In: points, or a seed alone. Out: a World that is ready to run. Never: chance that cannot be replayed.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

from tests.crash.points import POINTS
from tests.crash.world import Chosen, World

BEFORE = {"replaying": "acknowledged", "cutting": "half-written"}
"""What must have killed the gate before, for a point of its next start to come."""
AT_LEAST = {"acknowledged": 20}
"""So that there is enough to replay."""
RICH = {"late-breach": 8}
"""So that much of what is rare has happened before."""
AFTER_LOSS = ("cutting", "half-written")
"""After these a power loss may leave the tail untorn: then there is nothing to cut."""


def several(folder: Path, points: Sequence[str], seed: int, *, power: bool = False, follower: bool = False) -> World:
    """A world that dies at each of these points, one life after the other; its last life looks for the losses of all."""
    follower = follower or POINTS[points[0]].follower
    rng = random.Random(f"{seed} {' '.join(points)} {power}{' follower' if follower else ''}")
    deaths = [death for point in points for death in _deaths(point, rng)]
    return World(folder, rng.getrandbits(32), deaths, power=power, follower=follower, clock=rng.random() < 1 / 2)


def in_turn(folder: Path, seed: int) -> World:
    """Seeds one after the other die at all points, one after the other; those of every other round by a loss of power, where that leaves
    something to die of (half of these by the loss of the machine that has a follower), and of every third with a clock that jumps."""
    place, rng = seed - 1, random.Random(seed)
    point = list(POINTS)[place % len(POINTS)]
    turn = place // len(POINTS) + place % len(POINTS)
    power = bool(turn % 2) and point not in AFTER_LOSS
    machine_lost = turn % 4 == 3 and power and not POINTS[point].from_start
    follower = POINTS[point].follower or machine_lost
    return World(folder, rng.getrandbits(32), _deaths(point, rng), power=power, follower=follower, clock=not turn % 3)


def _deaths(point: str, rng: random.Random) -> list[Chosen]:
    deaths = [Chosen(point, rng.randint(RICH.get(point, 1), POINTS[point].most))]
    if point in BEFORE:
        first = BEFORE[point]
        deaths.insert(0, Chosen(first, rng.randint(AT_LEAST.get(first, 1), POINTS[first].most)))
    return deaths
