"""Hundreds of worlds, each from one seed; and seeded bugs (bugs.py), each of which must be found."""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from proxy.desk import entries
from proxy.desk.journal import read
from proxy.wire.tables import CANCEL_SM, ESME_RREPLACEFAIL, REPLACE_SM
from tests.simulation import bugs
from tests.simulation.bugs import BUGS
from tests.simulation.nouns import Broken
from tests.simulation.world import World

SEEDS = int(os.environ.get("GATE106_SEEDS", "400"))
FIRST = int(os.environ.get("GATE106_FIRST_SEED", "1"))
BUG_SEEDS = 300
README = Path(__file__).parents[2] / "README.md"


@pytest.mark.parametrize("block", range(10))
def test_no_seed_breaks_a_promise(block: int) -> None:
    for seed in range(FIRST + block, FIRST + SEEDS, 10):
        try:
            World(seed).run()
        except Exception as error:
            raise AssertionError(f"seed {seed}: {error} (replay it: GATE106_FIRST_SEED={seed} GATE106_SEEDS=1)") from error


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: str(bug.__name__))
def test_each_seeded_bug_is_found_within_300_seeds(bug: Callable[[World], None]) -> None:
    found = []
    for seed in range(1, BUG_SEEDS + 1):
        try:
            World(seed, bug).run()
        except Broken as broken:
            found.append(f"seed {seed}: {broken}")
            break
    assert found, f"{bug.__name__} was not noticed in {BUG_SEEDS} seeds"
    print(found[0])


def test_a_seed_replays_to_the_same_end() -> None:
    first, second = World(7), World(7)
    first.run()
    second.run()
    assert [(s.told, s.carrier_said, s.entry) for s in first.submits] == [
        (s.told, s.carrier_said, s.entry) for s in second.submits
    ]
    assert first.disk.list() == second.disk.list()


def test_the_worlds_are_eventful() -> None:
    """What the seeds exercise, so that a simulation that quietly does nothing is seen."""
    seen: dict[str, int] = {}
    for seed in range(1, 120):
        world = World(seed)
        world.run()
        for name, n in {
            "restart": world.restarts,
            "opt-out": sum(n for (_, _, kind), n in world.people.acknowledged.items() if kind == "optout"),
            "restore": sum(n for (_, _, kind), n in world.people.acknowledged.items() if kind == "restore"),
            "restored something": sum(bool(one.lifted) for one in world.on_disk().restored),
            "refused an advertiser": sum(one.opt_out.scope == "advertiser" for one in world.on_disk().refusals),
            "refused a port": sum(one.opt_out.scope == "port" for one in world.on_disk().refusals),
            "a declared word": sum(one.keyword == "QXDY" for one in world.on_disk().refusals),
            "widened": sum(one.opt_out.scope == "category" for one in world.on_disk().refusals),
            "confirmed": sum(world.people.confirmations.values()),
            "accepted": sum(s.told == 0 for s in world.submits),
            "refused by the carrier": sum(s.told == 0x45 for s in world.submits),
            "unknown": sum(s.told == 0x08 for s in world.submits),
            "capped": sum(s.told == 0x410 for s in world.submits),
            "suppressed": sum(s.told == 0x420 for s in world.submits),
            "quota": sum(s.told == 0x470 for s in world.submits),
            "long, complete": world.tally.long_messages["complete",],
            "long, incomplete": world.tally.long_messages["incomplete",],
            "part inherits": world.tally.long_messages["inherited",],
            "late breach": world.tally.long_messages["late-breach",],
            "sent to many": sum(
                s.told is not None for world_bind in world.binds.values() for group in world_bind.groups.values() for s in group
            ),
            "data_sm": sum(s.frame[6:8] == b"\1\3" and s.told == 0 for s in world.submits),
            "refused again": sum(
                entries.unpack_repeated(one.body).counts != {} for one in read(world.disk, 1) if one.kind == entries.REPEATED
            ),
            "adopted": sum(s.replaced for s in world.submits),
            "replaced": sum(one.command == REPLACE_SM and one.told == 0 for one in world.asking.questions),
            "replaced twice": sum(len(some) > 1 for some in world.asking.replacements.values()),
            "carrier refuses to replace": len(world.on_disk().unreplaced),
            "replacement unknown": sum(one.command == REPLACE_SM and one.told == 8 for one in world.asking.questions),
            "replacement against a rule": sum(one.told in (0x420, 0x450) for one in world.asking.questions),
            "not known any more": sum(
                one.owns_message and not one.known and one.told == ESME_RREPLACEFAIL for one in world.asking.questions
            ),
            "another's": sum(one.known and not one.owns_message and bool(one.told) for one in world.asking.questions),
            "cancelled": sum(one.command == CANCEL_SM and one.told == 0 for one in world.asking.questions),
            "ids in two bases": sum(carrier.receipt_id != "same" for carrier in world.carriers),
            "two carriers": len(world.carriers) - 1,
            "delivered": sum(d.got > 0 for d in world.delivers),
            "delivered twice": sum(d.got > 1 for d in world.delivers),
            "refused by the provider": sum(d.refused for d in world.delivers),
            "left with the carrier": world.mail.returned,
            "nobody's": sum(not d.owner for d in world.delivers),
            **{f"disk: {kind}": world.disk_failures[kind] for kind in ("full", "read-only", "sync fails")},
            **world.operators.seen,
            "power lost before a sync": sum(s.forgiven for s in world.submits),
        }.items():
            seen[name] = seen.get(name, 0) + n
    print(seen)
    assert all(seen.values()), seen


def test_every_bug_in_the_file_is_looked_for_and_the_README_counts_them() -> None:
    functions = {name: one for name, one in vars(bugs).items() if inspect.isfunction(one) and not name.startswith("_")}
    assert {name for name, one in functions.items() if "world" in inspect.signature(one).parameters} == {
        one.__name__ for one in BUGS
    }
    said = re.search(r"finds each of (\d+) seeded\s+bugs", README.read_text(encoding="utf-8"))
    assert said is not None
    assert int(said[1]) == len(BUGS)
