"""The real gate, killed at placed points and started again: nothing it acknowledged is lost, no cap exceeded, no opt-out forgotten.

GATE106_CRASH_SEED=7 draws other occurrences and other traffic. GATE106_CRASHES=200 adds a campaign of so many worlds with random
points (GATE106_FIRST_CRASH=31 begins it at another seed) and prints how often each point was hit.
"""

from __future__ import annotations

import asyncio
import copy
import os
import random
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pytest

from proxy.desk.journal import JournalDamaged
from tests.crash import choosing
from tests.crash.evidence import ACCEPTED, Arrival, Mail, Submit
from tests.crash.gate_that_dies import POINTS
from tests.crash.house import SMALL
from tests.crash.reconcile import SUPPRESSED, Broken, reconcile, summary
from tests.crash.world import World

SEED = int(os.environ.get("GATE106_CRASH_SEED", "1"))
CRASHES = int(os.environ.get("GATE106_CRASHES", "0"))
FIRST_CRASH = int(os.environ.get("GATE106_FIRST_CRASH", "1"))
AT_ONCE = 2
"""Worlds beside each other: each spends most of its time starting processes."""


class Case(NamedTuple):
    point: str
    power: bool = False


KILLED = [Case(point) for point in POINTS]
POWERLESS = [
    Case(point, True)
    for point in (
        "written",
        "acknowledged",
        "refused-told",
        "optout-written",
        "optout-acknowledged",
        "restore-written",
        "deliver-written",
        "deliver-acknowledged",
        "delivered",
    )
]


def run(world: World) -> World:
    asyncio.run(world.run())
    return world


@pytest.fixture(scope="module")
def worlds(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[Case, Future[World]]]:
    """The worlds of all tests that were asked for."""
    asked = [getattr(item, "callspec", None) for item in request.session.items]
    cases = dict.fromkeys(
        spec.params["case"] for spec in asked if spec is not None and isinstance(spec.params.get("case"), Case)
    )
    with ThreadPoolExecutor(AT_ONCE) as pool:
        folders = {case: tmp_path_factory.mktemp(case.point) for case in cases}
        yield {case: pool.submit(run, choosing.one(folders[case], case.point, SEED, power=case.power)) for case in cases}
        pool.shutdown(cancel_futures=True)


def says(case: Case) -> str:
    return POINTS[case.point].says


def holds(worlds: dict[Case, Future[World]], case: Case) -> World:
    world = worlds[case].result()
    print(f"GATE106_CRASH_SEED={SEED}", world.deaths, summary(world))
    reconcile(world)
    return world


@pytest.mark.parametrize("case", KILLED, ids=says)
def test_nothing_that_was_acknowledged_is_lost_when_the_gate_is_killed(worlds: dict[Case, Future[World]], case: Case) -> None:
    holds(worlds, case)


@pytest.mark.parametrize("case", POWERLESS, ids=says)
def test_nothing_that_was_acknowledged_is_lost_when_the_power_fails(worlds: dict[Case, Future[World]], case: Case) -> None:
    holds(worlds, case)


@pytest.mark.parametrize("case", [Case("acknowledged")], ids=[""])
def test_the_worlds_are_eventful(worlds: dict[Case, Future[World]], case: Case) -> None:
    """This one, and whichever others were run."""
    seen = Counter(summary(worlds[case].result()))
    for world in worlds.values():
        seen.update(summary(world.result()))
    print(dict(seen))
    assert all(seen.values()), seen


# -- the witness is no fool: evidence that is falsified does not pass


def _lost(world: World) -> None:
    _some(world, lambda submit: submit.acknowledged).arrived.clear()


def _other_id(world: World) -> None:
    submit = _some(world, lambda submit: submit.acknowledged)
    submit.told[0] = (0, "ffffffff")


def _uncounted(world: World) -> None:
    world.room[_some(world, lambda submit: submit.recipient in world.filled).recipient] += 1


def _burnt(world: World) -> None:
    world.room[_some(world, lambda submit: world.room[submit.recipient] > 0).recipient] -= 1


def _quota_forgotten(world: World) -> None:
    world.room[SMALL] += 1


def _sent_twice(world: World) -> None:
    submit = _some(world, lambda submit: bool(submit.arrived))
    submit.arrived.append(submit.arrived[0])


def _answered_twice(world: World) -> None:
    submit = _some(world, lambda submit: bool(submit.told))
    submit.told.append(submit.told[0])


def _sent_unwritten(world: World) -> None:
    serial = len(world.evidence.submits) + 1
    world.evidence.submits[serial] = Submit(serial, "jia", "13600210000", 1, 0, [], [Arrival(1, ACCEPTED, "77")])


def _sent_after_opt_out(world: World) -> None:
    _some(world, lambda submit: submit.status == SUPPRESSED).arrived.append(Arrival(2, ACCEPTED, "77"))


def _opt_out_forgotten(world: World) -> None:
    submit = _some(world, lambda submit: submit.status == SUPPRESSED and submit.life == world.evidence.life)
    submit.told[0] = (0x14, "")


def _taken_back_in_vain(world: World) -> None:
    backs = {(back.recipient, back.provider): back.acknowledged for back in world.evidence.returns.values()}
    submit = _some(world, lambda one: one.sent > backs.get((one.recipient, one.provider), 1 << 60) and bool(one.told))
    submit.told[0] = (SUPPRESSED, "")
    submit.arrived.clear()


def _confirmed_twice(world: World) -> None:
    next(refusal for refusal in world.evidence.refusals.values() if refusal.confirmed).confirmed += 1


def _journal_altered(world: World) -> None:
    segment = min(world.house.journal.glob("*.journal"))
    data = bytearray(segment.read_bytes())
    data[len(data) // 2] ^= 1
    segment.write_bytes(data)


def _some(world: World, which: Callable[[Submit], bool]) -> Submit:
    return random.Random(SEED).choice([submit for submit in world.evidence.submits.values() if which(submit)])


def _receipt_lost(world: World) -> None:
    _some_mail(world).got.clear()


def _receipt_astray(world: World) -> None:
    mail = _some_mail(world)
    mail.got.append("yi" if mail.provider == "jia" else "jia")


def _some_mail(world: World) -> Mail:
    return random.Random(SEED).choice(world.evidence.mail)


FALSE = [
    _lost, _other_id, _uncounted, _burnt, _quota_forgotten, _sent_twice, _answered_twice, _sent_unwritten, _sent_after_opt_out,
    _opt_out_forgotten, _taken_back_in_vain, _confirmed_twice, _journal_altered, _receipt_lost, _receipt_astray,
]  # fmt: skip

PROOF: dict[Callable[[World], None], type[Exception]] = {_journal_altered: JournalDamaged}
"""Who notices, if not reconcile itself."""


@pytest.mark.parametrize("falsify", FALSE, ids=lambda one: one.__name__.strip("_").replace("_", " "))
@pytest.mark.parametrize("case", [Case("acknowledged")], ids=[""])
def test_a_broken_promise_is_noticed(
    worlds: dict[Case, Future[World]], case: Case, falsify: Callable[[World], None], tmp_path: Path
) -> None:
    true = worlds[case].result()
    world = copy.copy(true)
    world.evidence, world.room, world.house = copy.deepcopy(true.evidence), true.room.copy(), copy.copy(true.house)
    world.house.journal = tmp_path / "journal"
    shutil.copytree(true.house.journal, world.house.journal)
    reconcile(world)
    falsify(world)
    with pytest.raises(PROOF.get(falsify, Broken)):
        reconcile(world)


# -- the campaign

if CRASHES:

    @pytest.mark.timeout(60 + 10 * CRASHES)
    def test_no_seed_of_the_campaign_loses_anything(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        hit: Counter[str] = Counter()
        failed: list[str] = []
        with ThreadPoolExecutor(AT_ONCE) as pool:
            runs = {}
            for seed in range(FIRST_CRASH, FIRST_CRASH + CRASHES):
                folder = tmp_path / str(seed)
                folder.mkdir()
                runs[seed] = pool.submit(run, choosing.any_of(folder, seed))
            for seed, future in runs.items():
                try:
                    world = future.result()
                    reconcile(world)
                except Exception as error:  # noqa: BLE001  # whatever it is, the other seeds are still worth their time
                    failed.append(
                        f"seed {seed}: {error!r} (GATE106_FIRST_CRASH={seed} GATE106_CRASHES=1; {tmp_path / str(seed)})"
                    )
                else:
                    hit.update(f"{chosen.point}{', power lost' if world.power else ''}" for chosen in world.deaths)
                    shutil.rmtree(tmp_path / str(seed))
        with capsys.disabled():
            print(f"\n{CRASHES} worlds from seed {FIRST_CRASH}, {len(failed)} failed; deaths by point:")
            for point, times in sorted(hit.items()):
                print(f"{times:6d}  {point}")
        assert not failed, "\n".join(failed)
