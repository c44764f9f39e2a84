"""Disks without room for the follower's copy and for the stream's position: nothing acknowledged is lost, and the gate says whose disk it is."""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.archive.secret_keys import ArchiveKeys
from proxy.archive.stream.sender import POSITION, StreamPosition, StreamSender
from proxy.config import Stream
from proxy.journal.write_ahead_log import Journal, OsDisk
from tests.archive.stream.mock_cluster import MockCluster, Topic
from tests.crash.harness import WITHIN_S, until
from tests.crash.reconcile import reconcile
from tests.crash.streaming import KEEP_DAYS, LAST_S, write
from tests.crash.test_disk_full import Small, mounted
from tests.crash.world import World
from tests.e2e.pdus import ESME_RMSGQFUL

FULL = "No space left on device"
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="mounts a file system: root")


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Small]:
    """A file system of 2 MB in memory."""
    path = tmp_path / "copy"
    path.mkdir()
    if not mounted(path):
        pytest.skip("mounting is not allowed here")
    yield Small(path)
    subprocess.run(["umount", path], check=True, timeout=10)


def test_a_follower_whose_disk_is_full_holds_answers_and_the_gate_says_whose_disk_it_is(tmp_path: Path, small: Small) -> None:
    world = World(tmp_path, 1, [], follower=True)
    world.response_s = 30.0
    machines = world.machines
    assert machines is not None

    async def live() -> None:
        await world.open()
        try:
            world.carrier.calm = True
            world.start()
            await world.all_bound()
            provider = world.providers[0]
            for number in range(20):
                assert (await provider.ask(f"138002103{number:02d}")).acknowledged
            small.fill(world)
            waiting = [provider.submit(f"138002104{number:02d}") for number in range(40)]  # what is left of a page takes some
            await until_said(world, f"it cannot write its copy in {small.path}: {FULL}")
            held = await provider.ask("13800210500")
            assert (held.status, held.arrived) == (ESME_RMSGQFUL, [])
            assert not all(one.told for one in waiting), "what the follower lacks is told to nobody"
            small.clear(world)
            await until(lambda: all(one.told for one in waiting), "answers that waited for the follower")
            assert all(one.status in (0, ESME_RMSGQFUL) for one in waiting)
            await until_said(world, "")
            assert (await provider.ask("13800210501")).acknowledged
            world.harness.kill()
            await until(lambda: not any(provider.bound for provider in world.providers), "lines cut")
            await asyncio.to_thread(machines.lose, world.harness, world.rng)
            await world.last_life()
            reconcile(world)
        finally:
            await world.close()

    asyncio.run(live())


async def until_said(world: World, what: str) -> None:
    """On /readyz; empty: it is ready."""
    deadline_s, why = time.monotonic() + WITHIN_S, await world.harness.why()
    while (what not in "; ".join(why)) if what else why:
        assert time.monotonic() < deadline_s, why
        why = await world.harness.why()


def test_a_position_for_which_there_is_no_room_stops_nothing_and_is_saved_once_there_is(tmp_path: Path, small: Small) -> None:
    cluster = MockCluster()
    topic = Topic(cluster.brokers, "small")
    disk = OsDisk(small.path / "journal")
    journal = Journal(disk, 0)
    keys = ArchiveKeys(tmp_path / "keys", make=True)
    settings = Stream(topic.url, KEEP_DAYS, texts=False, user="", password="", tls_ca=None)

    def sent(sender: StreamSender) -> StreamSender:
        until_s = time.monotonic() + LAST_S
        while sender.position.sequence < journal.synced:
            assert time.monotonic() < until_s, sender.status
            sender.step(time.time())
            sender.wait(0.02)
        sender.save(float("inf"))
        return sender

    def saved() -> int:
        return StreamPosition.load(small.path / "journal" / POSITION, journal.identity.hex()).sequence

    try:
        write(journal, 20)
        sent(StreamSender(disk, 0, keys, settings))
        write(journal, 20)
        small.fill(None)  # type: ignore[arg-type] # there is no world
        problem = str(sent(StreamSender(disk, 0, keys, settings)).status["problem"])
        assert POSITION in problem
        assert FULL in problem
        assert (saved(), len(topic.take(40))) == (20, 40)
        again = sent(StreamSender(disk, 0, keys, settings))  # a new process, and still no room
        assert saved() == 20
        small.clear(None)  # type: ignore[arg-type] # likewise
        again.save(float("inf"))
        assert (saved(), again.status["problem"]) == (40, "")
        topic.take(41, within_s=2.0)
        assert (len(topic.events), topic.twice) == (40, 20)
    finally:
        topic.close()
        cluster.kill()
        disk.close()
