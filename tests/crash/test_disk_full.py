"""A disk without room: submits are told to come again, nothing is acknowledged unsafely, and the gate recovers by itself."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import resource
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest

from tests.crash.gate_whose_disk_refuses import BROKEN, READ_ONLY
from tests.crash.harness import WITHIN_S, command, until
from tests.crash.peers import NOT_NOW, REFUSES
from tests.crash.reconcile import SUPPRESSED, reconcile
from tests.crash.world import World
from tests.e2e.pdus import ESME_RMSGQFUL

DISK_BYTES = 2 << 20
BEFORE = 60
"""Messages before the disk is full: the journal is then larger than the log, which a limit on files must leave room for."""
HELD, HELD_TO = 6, "1380021030"
"""Submits the carrier has not answered when the room is gone, and to whom."""
STOPPED_S = 3
"""An order's time, which ends while there is no room."""
SETTLED_S = 0.4
"""A last small record may fit where a larger one did not: the disk counts as full when nothing was written for some ticks."""
REFUSER = f"{REFUSES[0]}00210000"


class Disk(Protocol):
    path: Path

    def fill(self, world: World) -> None: ...

    def clear(self, world: World) -> None: ...


class Limited:
    """No real disk: the process may not make files longer than its journal is now."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def fill(self, world: World) -> None:
        longest = max(segment.stat().st_size for segment in world.harness.journal.glob("*.journal"))
        assert world.harness.log.stat().st_size < longest / 2
        resource.prlimit(world.harness.pid, resource.RLIMIT_FSIZE, (longest, resource.RLIM_INFINITY))

    def clear(self, world: World) -> None:
        resource.prlimit(world.harness.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


class ReadOnly:
    """The file system refuses to write the journal, and reads."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def fill(self, world: World) -> None:
        world.harness.refuses.write_text(READ_ONLY)

    def clear(self, world: World) -> None:
        world.harness.refuses.unlink()


class Small:
    """A file system of its own, with a file that takes all its room."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def fill(self, world: World) -> None:
        with (self.path / "filler").open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(4096))

    def clear(self, world: World) -> None:
        (self.path / "filler").unlink()


def mounted(path: Path) -> bool:
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "gate106", path], capture_output=True, check=False, timeout=10
    )
    return done.returncode == 0


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """A small disk where mounting is allowed, else a limit on files."""
    path = tmp_path / "disk"
    path.mkdir()
    if os.geteuid() or not mounted(path):
        yield Limited(path)
        return
    yield Small(path)
    subprocess.run(["umount", path], check=True, timeout=10)


def test_a_full_disk_is_a_temporary_status_and_nothing_is_acknowledged_unsafely(tmp_path: Path, disk: Disk) -> None:
    _full(tmp_path, disk)


def test_a_journal_that_may_not_grow_is_a_temporary_status_and_nothing_is_acknowledged_unsafely(tmp_path: Path) -> None:
    _full(tmp_path, Limited(tmp_path))


def test_a_journal_on_a_file_system_that_turned_read_only_is_a_temporary_status_and_nothing_is_acknowledged_unsafely(
    tmp_path: Path,
) -> None:
    _full(tmp_path, ReadOnly(tmp_path), World.start_refusing)


def test_while_the_disk_fails_to_sync_nobody_is_told_anything_and_all_is_told_once_it_does(tmp_path: Path) -> None:
    world = World(tmp_path, 1, [])
    world.response_s = 30.0

    async def live() -> None:
        await world.open()
        try:
            world.carrier.calm = True
            world.start_refusing()
            await world.all_bound()
            provider, evidence = world.providers[0], world.evidence
            assert (await provider.ask(REFUSER)).acknowledged
            world.harness.refuses.write_text(BROKEN)
            asked = [provider.submit(f"1380021050{number}") for number in range(10)]
            world.carrier.opt_out(REFUSER, provider.name)
            await until(lambda: all(one.arrived for one in asked), "all at the carrier")
            refusal = evidence.refusals[REFUSER]
            await until(lambda: refusal.answers, "the carrier answered, that it be asked again")
            assert set(refusal.answers) == {NOT_NOW}
            assert [one.told for one in asked] == [[]] * 10, "what is not synced is told to nobody"
            world.harness.refuses.unlink()
            await until(lambda: all(one.told for one in asked), "answers that waited for the disk")
            assert all(one.acknowledged for one in asked)
            await until(lambda: refusal.acknowledged, "the opt-out acknowledged")
            assert (await provider.ask(REFUSER)).status == SUPPRESSED
            world.harness.kill()
            await until(lambda: not any(provider.bound for provider in world.providers), "lines cut")
            await world.last_life()
            reconcile(world)
        finally:
            await world.close()

    asyncio.run(live())


def _full(folder: Path, disk: Disk, start: Callable[[World], None] = World.start) -> None:
    world = World(folder, 1, [], store=disk.path)
    world.response_s = 30.0  # the carrier holds answers back until the disk is full, however long that takes

    async def live() -> None:
        await world.open()
        try:
            world.carrier.calm = True
            start(world)
            await world.all_bound()
            await _until_full(world, disk)
            await _while_full(world)
            disk.clear(world)
            await _after(world)
            await until(lambda: "journal is written again" in world.harness.said(), "the end in the log")
            assert "journal not written" in world.harness.said()
            world.harness.kill()
            await until(lambda: not any(provider.bound for provider in world.providers), "lines cut")
            await world.last_life()
            reconcile(world)
        finally:
            await world.close()

    asyncio.run(live())


async def _until_full(world: World, disk: Disk) -> None:
    """Some messages; then some whose answers, and an opt-out whose acknowledgement, come when there is no room any more."""
    provider, carrier = world.providers[0], world.carrier
    for number in range(BEFORE):
        assert (await provider.ask(f"138002102{number // 3:02d}")).acknowledged
    assert (await provider.ask(REFUSER)).acknowledged
    carrier.hold(HELD_TO)
    for number in range(HELD):
        provider.submit(f"{HELD_TO}{number}")
    await until(lambda: carrier.held == HELD, "submits at the carrier")
    await _order(world, "--province", "西藏", "--for", f"{STOPPED_S}s", "--why", "its time ends while nothing can be written")
    disk.fill(world)
    await _settled(world)
    carrier.release()
    carrier.opt_out(REFUSER, provider.name)


async def _order(world: World, *said: str) -> Any:
    """``gate106 stop``."""
    done = await asyncio.to_thread(command, "stop", *said, "--config", world.harness.config, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


async def _settled(world: World) -> None:
    """Sends until nothing goes through any more."""
    loop = asyncio.get_running_loop()
    written, since_s = -1, loop.time()
    deadline_s = since_s + WITHIN_S
    while loop.time() < since_s + SETTLED_S:
        assert loop.time() < deadline_s, "the disk is never full"
        refused = (await world.providers[1].ask(f"1380021020{written % 10}")).status == ESME_RMSGQFUL
        size = sum(segment.stat().st_size for segment in world.harness.journal.glob("*.journal"))
        if size != written or not refused:
            written, since_s = size, loop.time()


async def _while_full(world: World) -> None:
    provider, evidence = world.providers[0], world.evidence
    held = [submit for submit in evidence.submits.values() if submit.recipient.startswith(HELD_TO)]
    for number in range(20):
        refused = await world.providers[number % 2].ask(f"1380021040{number % 10}")
        assert refused.status == ESME_RMSGQFUL
        assert not refused.arrived
    assert [submit.told for submit in held] == [[]] * HELD, "an answer that is not written is not told"
    refusal = evidence.refusals[REFUSER]
    await until(lambda: refusal.answers, "the carrier answered")
    assert set(refusal.answers) == {NOT_NOW}, "a deliver that cannot be made safe stays with the carrier"
    assert not refusal.got, "and does not reach the provider"
    assert any("journal" in why for why in await world.harness.why())
    assert await world.harness.metric("gate106_journal_up") == 0, "Gate106JournalDown can fire"
    deadline_s = asyncio.get_running_loop().time() + WITHIN_S
    while (await _order(world, "list"))["orders"]:
        assert asyncio.get_running_loop().time() < deadline_s, "the order is never over"
    assert provider.bound


async def _after(world: World) -> None:
    """There is room again, and nobody does anything about it."""
    provider, evidence = world.providers[0], world.evidence
    held = [submit for submit in evidence.submits.values() if submit.recipient.startswith(HELD_TO)]
    await until(lambda: all(submit.told for submit in held), "answers that waited for room")
    assert all(submit.acknowledged for submit in held)
    await until(lambda: evidence.refusals[REFUSER].acknowledged, "the opt-out acknowledged")
    assert (await provider.ask(REFUSER)).status == SUPPRESSED
    assert (await provider.ask("13800210500")).acknowledged
    assert await world.harness.why() == []
    assert await world.harness.metric("gate106_journal_up") == 1
