"""The real gate, killed at placed points and started again: nothing it acknowledged is lost, no cap exceeded, no opt-out forgotten.

GATE106_CRASH_SEED=7 draws other occurrences and other traffic; ``make campaign`` runs many more worlds (tests/campaign.py).
"""

from __future__ import annotations

import asyncio
import copy
import pickle
import shutil
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.crash import choosing
from tests.crash.falsified import FALSE, PROOF, SEED
from tests.crash.points import POINTS
from tests.crash.reconcile import judged_again, reconcile, summary
from tests.crash.world import World
from tests.crash.written import Broken

AT_ONCE = 2
"""Worlds beside each other: each spends most of its time starting processes."""
DEATHS = 4
"""Cases of one world, one life after the other: the last life, which looks for all losses, takes most of a world's time."""


class Case(NamedTuple):
    point: str
    power: bool = False
    follower: bool = False


KILLED = [Case(point) for point, one in POINTS.items() if one.dies == "gate" and point != "follower-told"]
"""The others are a campaign's."""
POWERLESS = [
    Case(point, True)
    for point in (
        "written",
        "acknowledged",
        "refused-told",
        "parts-torn",
        "part-answered",
        "late-written",
        "many-told",
        "replaced-told",
        "optout-written",
        "optout-acknowledged",
        "restore-written",
        "deliver-written",
        "deliver-acknowledged",
        "delivered",
    )
]

MACHINE_LOST = [
    Case(point, follower=True)
    for point in (
        "written",
        "acknowledged",
        "refused-told",
        "parts-torn",
        "many-told",
        "optout-acknowledged",
        "deliver-acknowledged",
    )
]


RICH = Case("late-breach")
"""A life long enough for nearly everything to happen in it."""


def run(world: World) -> World:
    asyncio.run(world.run())
    return world


def of_one_world(cases: Iterable[Case]) -> Iterator[list[Case]]:
    """Cases with the same trouble; a first start can only be the first, and the rich world is one of its own."""
    alike = defaultdict[tuple[bool, bool, bool], list[Case]](list)
    for case in sorted(cases, key=lambda case: case.point != "first-start"):
        alike[case.power, case.follower or POINTS[case.point].follower, case == RICH].append(case)
    for some in alike.values():
        yield from (some[place : place + DEATHS] for place in range(0, len(some), DEATHS))


@pytest.fixture(scope="module")
def worlds(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[Case, Future[World]]]:
    """The worlds of all tests that were asked for."""
    asked = [getattr(item, "callspec", None) for item in request.session.items]
    cases = dict.fromkeys(
        spec.params["case"] for spec in asked if spec is not None and isinstance(spec.params.get("case"), Case)
    )
    found: dict[Case, Future[World]] = {}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for some in of_one_world(cases):
            folder, points = tmp_path_factory.mktemp(some[0].point), [case.point for case in some]
            world = choosing.several(folder, points, SEED, power=some[0].power, follower=some[0].follower)
            found |= dict.fromkeys(some, pool.submit(run, world))
        yield found
        pool.shutdown(cancel_futures=True)


def says(case: Case) -> str:
    return POINTS[case.point].says


AGAIN = 10
"""One in so many cases has its messages judged again; in a campaign all have."""
reconciled = cache(reconcile)
"""Once for all cases of a world in which nothing is broken."""


def holds(worlds: dict[Case, Future[World]], case: Case) -> World:
    world = worlds[case].result()
    print(f"GATE106_CRASH_SEED={SEED}", world.deaths, summary(world))
    reconciled(world)
    if list(worlds).index(case) % AGAIN == 0:
        judged_again(world)
    return world


@pytest.mark.parametrize("case", KILLED, ids=says)
def test_nothing_that_was_acknowledged_is_lost_when_the_gate_is_killed(worlds: dict[Case, Future[World]], case: Case) -> None:
    holds(worlds, case)


@pytest.mark.parametrize("case", POWERLESS, ids=says)
def test_nothing_that_was_acknowledged_is_lost_when_the_power_fails(worlds: dict[Case, Future[World]], case: Case) -> None:
    holds(worlds, case)


@pytest.mark.parametrize("case", MACHINE_LOST, ids=says)
def test_nothing_that_was_acknowledged_is_lost_with_the_machine_when_it_has_a_follower(
    worlds: dict[Case, Future[World]], case: Case
) -> None:
    holds(worlds, case)


@pytest.mark.parametrize("case", [RICH], ids=[""])
def test_the_worlds_are_eventful(worlds: dict[Case, Future[World]], case: Case) -> None:
    """This one, and whichever others were run."""
    seen = Counter(summary(worlds[case].result()))
    for world in set(worlds.values()):
        seen.update(summary(world.result()))
    print(dict(seen))
    assert all(seen.values()), seen


# -- the witness is no fool: evidence that is falsified does not pass


@cache
def packed(true: World) -> bytes:
    """What was seen in a world: unpacked in a third of the time that a deep copy takes."""
    return pickle.dumps(true.evidence)


def copied(true: World, folder: Path) -> World:
    """What a world left, to be falsified."""
    world = copy.copy(true)
    world.evidence, world.room, world.harness = pickle.loads(packed(true)), true.room.copy(), copy.copy(true.harness)
    world.harness.journal = folder / "journal"
    shutil.copytree(true.harness.journal, world.harness.journal)
    return world


@pytest.mark.parametrize("case", [RICH], ids=[""])
def test_a_copy_that_nobody_falsified_passes(worlds: dict[Case, Future[World]], case: Case, tmp_path: Path) -> None:
    reconcile(copied(worlds[case].result(), tmp_path))


@pytest.mark.parametrize("falsify", FALSE, ids=lambda one: one.__name__.strip("_").replace("_", " "))
@pytest.mark.parametrize("case", [RICH], ids=[""])
def test_a_broken_promise_is_noticed(
    worlds: dict[Case, Future[World]], case: Case, falsify: Callable[[World], None], tmp_path: Path
) -> None:
    world = copied(worlds[case].result(), tmp_path)
    falsify(world)
    with pytest.raises(PROOF.get(falsify, Broken)):
        reconcile(world)
