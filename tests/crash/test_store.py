"""One gate per store, one journal per store: what the real gate says when that is not so."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from proxy.state.embedded.checkpoint import CheckpointFile
from tests.crash.harness import Harness, command
from tests.crash.test_disk_full import mounted
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
            second = await asyncio.to_thread(command, "serve", "--config", world.harness.config)
            (folder / "second").write_text(f"{second.returncode}\n{world.harness.pid}\n{second.stderr}")
            assert (await world.providers[0].ask(SOMEBODY)).acknowledged
            assert await world.harness.stop() == 0
        finally:
            await world.close()

    asyncio.run(live())
    return folder


def test_a_second_gate_says_who_holds_the_store_and_exits_2_and_the_first_goes_on(used: Path) -> None:
    code, pid, said, *rest = (used / "second").read_text().splitlines()[:4]
    assert (code, rest) == ("2", [])
    assert said.startswith("gate106: ")
    assert f"in use by process {pid}: one gate per store" in said


def _without_journal(harness: Harness) -> None:
    shutil.rmtree(harness.journal)


def _without_state(harness: Harness) -> None:
    for file in harness.state.parent.glob("state.db*"):
        file.unlink()


def _with_another_journal(harness: Harness) -> None:
    identity = harness.journal / "identity"
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
def test_a_gate_does_not_start_with_exit_2_when(used: Path, tmp_path: Path, part: Callable[[Harness], None], says: str) -> None:
    harness = _copy(used, tmp_path)
    part(harness)
    before = sorted(path for path in tmp_path.rglob("*") if path.is_file())
    done = command("serve", "--config", harness.config)
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("gate106: ")
    assert says in line
    assert "--accept-loss" in line
    left = sorted(path for path in tmp_path.rglob("*") if path.is_file())
    assert [path for path in before if path not in left] == []


@pytest.mark.parametrize("part", [_without_journal, _without_state], ids=["its journal is gone", "its state is gone"])
def test_a_gate_that_may_accept_the_loss_starts_when(used: Path, tmp_path: Path, part: Callable[[Harness], None]) -> None:
    world = World(tmp_path, 1, [])

    async def live() -> None:
        await world.open()
        try:
            harness = _copy(used, tmp_path, world.harness)
            part(harness)
            world.carrier.calm = True
            world.start(None, "--accept-loss")
            await world.all_bound()
            assert [(await world.providers[0].ask(SOMEBODY)).status for _ in range(4)][-1] == 0x410
            assert await harness.stop() == 0
            world.start()  # what was accepted once is accepted for good
            await world.all_bound()
            assert (await world.providers[0].ask(SOMEBODY)).status == 0x410
            assert await harness.stop() == 0
        finally:
            await world.close()

    asyncio.run(live())


@pytest.mark.parametrize("first", [False, True], ids=["a gate that has run", "a new gate"])
def test_a_start_on_a_full_disk_says_free_space_and_never_advises_to_accept_a_loss(
    used: Path, tmp_path: Path, small_disk: Path, first: bool
) -> None:
    world = World(tmp_path, 1, [], store=small_disk)

    async def live() -> None:
        await world.open()
        try:
            harness = world.harness if first else _copy(used, tmp_path, world.harness)
            world.carrier.calm = True
            with (small_disk / "filler").open("wb", buffering=0) as filler, contextlib.suppress(OSError):
                while True:
                    filler.write(bytes(4096))
            refused = await asyncio.to_thread(command, "serve", "--config", harness.config)
            assert (refused.returncode, refused.stdout) == (2, "")
            (line,) = refused.stderr.splitlines()
            assert "No space left on device" in line
            assert "free space, and start again" in line
            assert "accept-loss" not in line
            (small_disk / "filler").unlink()
            world.start()
            await world.all_bound()
            left = 4 if first else 2
            assert [(await world.providers[0].ask(SOMEBODY)).status for _ in range(left)][-2:] == [0, 0x410]
            assert await harness.stop() == 0
        finally:
            await world.close()

    asyncio.run(live())


@pytest.mark.parametrize("said", ["attempt to write a readonly database", "disk I/O error"])
def test_an_error_of_the_disk_is_no_damage_of_the_store(tmp_path: Path, said: str) -> None:
    code = {"attempt to write a readonly database": sqlite3.SQLITE_READONLY, "disk I/O error": sqlite3.SQLITE_IOERR_READ}[said]
    error = sqlite3.OperationalError(said)
    error.sqlite_errorcode = code
    with pytest.raises(OSError, match=said) as raised:
        CheckpointFile(tmp_path / "state.db", _Broken(error))  # type: ignore[arg-type]
    assert raised.value.errno in (errno.EROFS, errno.EIO)


class _Broken:
    """A connection whose disk fails at the first question."""

    in_transaction = False
    isolation_level = None

    def __init__(self, error: sqlite3.Error) -> None:
        self._error = error

    def execute(self, *_: object) -> None:
        raise self._error


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "disk"
    path.mkdir()
    if os.geteuid() or not mounted(path):
        pytest.skip("a small disk needs the right to mount one")
    yield path
    subprocess.run(["umount", path], check=True, timeout=10)


def _copy(used: Path, folder: Path, harness: Harness | None = None) -> Harness:
    """A harness with what the used one left."""
    harness = harness or Harness(folder, 1)
    shutil.copytree(used / "journal", harness.journal)
    for file in used.glob("state.db*"):
        shutil.copy(file, harness.state.parent)
    return harness
