"""One gate per store, one journal per store: what the real gate says when that is not so."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.crash.house import House, command
from tests.crash.world import World

SOMEBODY = "13800210001"


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the state and the journal of a gate that has carried a message and was stopped."""
    folder = tmp_path_factory.mktemp("used")
    world = World(folder, 1, [])

    async def live() -> None:
        await world.open()
        try:
            world.carrier.calm = True
            world.start()
            await world.all_bound()
            assert (await world.providers[0].ask(SOMEBODY)).acknowledged
            second = await asyncio.to_thread(command, "serve", "--config", world.house.config)
            (folder / "second").write_text(f"{second.returncode}\n{world.house.pid}\n{second.stderr}")
            assert (await world.providers[0].ask(SOMEBODY)).acknowledged
            assert await world.house.stop() == 0
        finally:
            await world.close()

    asyncio.run(live())
    return folder


def test_a_second_gate_says_who_holds_the_store_and_exits_2_and_the_first_goes_on(used: Path) -> None:
    code, pid, said, *rest = (used / "second").read_text().splitlines()[:4]
    assert (code, rest) == ("2", [])
    assert said.startswith("gate106: ")
    assert f"in use by process {pid}: one gate per store" in said


def _without_journal(house: House) -> None:
    shutil.rmtree(house.journal)


def _without_state(house: House) -> None:
    for file in house.state.parent.glob("state.db*"):
        file.unlink()


def _with_another_journal(house: House) -> None:
    identity = house.journal / "identity"
    identity.write_text("0" * 32 + "\n")


@pytest.mark.parametrize(
    ("part", "says"),
    [
        (_without_journal, "was made with a journal that is not in"),
        (_without_state, "has records, but store"),
        (_with_another_journal, "is not the one store"),
    ],
    ids=["its journal is gone", "its state is gone", "its journal is another's"],
)
def test_a_gate_does_not_start_with_exit_2_when(used: Path, tmp_path: Path, part: Callable[[House], None], says: str) -> None:
    house = _copy(used, tmp_path)
    part(house)
    before = sorted(path for path in tmp_path.rglob("*") if path.is_file())
    done = command("serve", "--config", house.config)
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("gate106: ")
    assert says in line
    assert "--accept-loss" in line
    left = sorted(path for path in tmp_path.rglob("*") if path.is_file())
    assert [path for path in before if path not in left] == []


@pytest.mark.parametrize("part", [_without_journal, _without_state], ids=["its journal is gone", "its state is gone"])
def test_a_gate_that_may_accept_the_loss_starts_when(used: Path, tmp_path: Path, part: Callable[[House], None]) -> None:
    world = World(tmp_path, 1, [])

    async def live() -> None:
        await world.open()
        try:
            house = _copy(used, tmp_path, world.house)
            part(house)
            world.carrier.calm = True
            world.start(None, "--accept-loss")
            await world.all_bound()
            assert [(await world.providers[0].ask(SOMEBODY)).status for _ in range(4)][-1] == 0x410
            assert await house.stop() == 0
            world.start()  # what was accepted once is accepted for good
            await world.all_bound()
            assert (await world.providers[0].ask(SOMEBODY)).status == 0x410
            assert await house.stop() == 0
        finally:
            await world.close()

    asyncio.run(live())


def _copy(used: Path, folder: Path, house: House | None = None) -> House:
    """A house with what the used one left."""
    house = house or House(folder, 1)
    shutil.copytree(used / "journal", house.journal)
    for file in used.glob("state.db*"):
        shutil.copy(file, house.state.parent)
    return house
