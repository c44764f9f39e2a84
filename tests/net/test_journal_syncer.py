"""The journal is synced at once when idle, and once more for later requests."""

from __future__ import annotations

import asyncio
import errno
import os
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest

from proxy.journal.write_ahead_log import Journal, JournalDown, OsDisk
from proxy.journal.write_ahead_log import read as read_journal
from proxy.native.loader import BUILT
from proxy.net.journal_syncer import DEFER_S, FAILED, SLOW_S, Syncer, SyncTimes

PATIENCE_S = 30.0


class Disk:
    """A journal as the syncer sees it, whose syncs end when they are let."""

    def __init__(self) -> None:
        self.written = self.synced = 0
        self.begun: list[int] = []
        self.fails = 0
        self.file: int | None = None
        """Where a plain sync would do."""
        self.suspect = False
        self._may_end = threading.Semaphore(0)

    def sync_wanted(self) -> bool:
        return self.written > self.synced

    def sync(self) -> int:
        upto = self.written
        self.begun.append(upto)
        assert self._may_end.acquire(timeout=PATIENCE_S)
        if self.fails:
            self.fails -= 1
            raise JournalDown("no room")
        return upto

    def plain_sync(self) -> tuple[int, int] | None:
        return None if self.file is None or self.suspect else (self.written, self.file)

    def sync_failed(self) -> None:
        self.suspect = True

    def note_synced(self, sequence: int) -> None:
        self.synced = sequence

    def ends(self) -> None:
        """One sync, whether it has begun or not."""
        self._may_end.release()


class Desk:
    def __init__(self) -> None:
        self.disk = Disk()
        self.done: asyncio.Queue[int] = asyncio.Queue()
        self.busy, self.now_s = False, 0.0
        self.syncer = Syncer(
            asyncio.get_running_loop(), cast("Any", self.disk), self.done.put_nowait, lambda: self.busy, lambda: self.now_s
        )

    async def ended(self) -> int:
        self.disk.ends()
        return await asyncio.wait_for(self.done.get(), PATIENCE_S)


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    found = Desk()
    yield found
    found.disk.ends()
    found.syncer.stop()


async def test_what_is_asked_for_while_a_sync_runs_goes_with_the_next(desk: Desk):
    desk.disk.written = 1
    desk.syncer.kick()
    desk.disk.written = 2
    desk.syncer.kick()
    desk.syncer.kick()
    assert await desk.ended() in (1, 2), "the thread may have begun a little later"
    if desk.disk.synced == 1:
        assert await desk.ended() == 2
    assert desk.disk.begun[-1] == 2
    assert len(desk.disk.begun) <= 2


async def test_what_nobody_asked_for_is_not_synced_behind_a_sync(desk: Desk):
    desk.disk.written = 1
    desk.syncer.kick()
    assert await desk.ended() == 1
    desk.disk.written = 2  # what a carrier took: nobody waits for it
    assert desk.disk.begun == [1]
    desk.disk.written = 3
    desk.syncer.kick()
    assert await desk.ended() == 3
    assert desk.disk.begun == [1, 3], "both with one sync"


async def rounds() -> None:
    """Some of the loop's, in which something could begin."""
    for _ in range(9):
        await asyncio.sleep(0)


async def one_is_put_off(desk: Desk) -> None:
    """More keeps coming: the first sync waited for nothing, the second does."""
    desk.disk.written, desk.busy = 1, True
    desk.syncer.kick()
    assert await desk.ended() == 1
    desk.disk.written = 2
    desk.syncer.kick()


async def test_while_more_keeps_coming_a_sync_waits_for_it_but_not_for_ever(desk: Desk):
    await one_is_put_off(desk)
    desk.now_s += DEFER_S * 0.9
    await rounds()
    desk.disk.written = 3
    desk.syncer.kick()
    await rounds()
    desk.disk.written = 4
    desk.now_s += DEFER_S * 0.2
    assert await desk.ended() == 4, "it was put off until then, whoever kicked"
    assert desk.disk.begun == [1, 4]
    desk.now_s += DEFER_S
    desk.disk.written = 5
    desk.syncer.kick()
    desk.now_s -= DEFER_S  # in the same round: it has begun
    assert await desk.ended() == 5


async def test_a_sync_that_is_put_off_begins_before_the_loop_sleeps(desk: Desk):
    await one_is_put_off(desk)
    desk.syncer.begin_before_sleep()
    desk.disk.written = 3
    desk.syncer.begin_before_sleep()
    assert await desk.ended() in (2, 3), "the thread may have begun a little later"
    await rounds()
    assert len(desk.disk.begun) == 2, "nobody asked for a third"


class OneAtATime:
    """Stands for the thread in C: its syncs end when the test says so."""

    def __init__(self) -> None:
        self.file = os.eventfd(0, os.EFD_NONBLOCK)
        self.running = self.most = 0
        self.has_ended = False

    def fileno(self) -> int:
        return self.file

    def sync(self, file: int) -> None:
        self.running += 1
        self.most = max(self.most, self.running)

    def ended(self) -> bool:
        return self.has_ended

    def taken(self) -> int:
        self.has_ended, self.running = False, self.running - 1
        return 0

    def took_s(self) -> float:
        return 1.0

    def end(self) -> int:
        os.close(self.file)
        return 0


async def test_a_sync_that_was_put_off_does_not_begin_while_another_one_runs(monkeypatch: pytest.MonkeyPatch):
    aside = OneAtATime()
    monkeypatch.setattr(Syncer, "aside", staticmethod(lambda: aside))
    desk = Desk()
    desk.disk.file, desk.disk.written, desk.busy = 1, 1, True
    desk.syncer.kick()
    aside.has_ended = True
    desk.syncer.look()
    for desk.disk.written in (2, 3):
        desk.syncer.kick()  # put off
        desk.syncer.begin_before_sleep()
    desk.busy = False
    await rounds()
    assert (aside.running, aside.most) == (1, 1)
    aside.has_ended = True
    desk.syncer.look()
    await rounds()
    assert (aside.running, aside.most, desk.disk.synced) == (1, 1, 2), "the third is under way"
    desk.syncer.stop()


async def test_as_soon_as_nothing_more_comes_a_sync_begins(desk: Desk):
    await one_is_put_off(desk)
    await rounds()
    desk.disk.written, desk.busy = 3, False
    assert await desk.ended() == 3, "the clock stands still, and nobody kicked again"
    assert desk.disk.begun == [1, 3]


async def test_what_is_put_off_when_the_syncer_stops_does_not_begin_behind_it(desk: Desk):
    await one_is_put_off(desk)
    desk.disk.ends()
    desk.syncer.stop()
    desk.busy = False
    await rounds()
    assert desk.disk.begun == [1], "whoever closes the journal syncs the rest"


async def test_where_nothing_is_written_a_kick_is_forgotten(desk: Desk):
    desk.syncer.kick()
    desk.disk.written = 1
    assert not desk.disk.begun
    desk.syncer.kick()
    assert await desk.ended() == 1
    assert desk.disk.begun == [1]


async def test_a_sync_that_failed_is_tried_again_unasked(desk: Desk):
    desk.disk.written, desk.disk.fails = 1, 1
    desk.syncer.kick()
    assert await desk.ended() == FAILED
    assert desk.disk.synced == 0
    assert await desk.ended() == 1
    assert desk.disk.synced == 1


aside = pytest.mark.skipif(not BUILT, reason="the thread in C is compiled")


@aside
async def test_plain_syncs_are_done_without_the_interpreter(desk: Desk, tmp_path: Path):
    file = os.open(tmp_path / "any", os.O_RDWR | os.O_CREAT)
    desk.disk.file = file
    for sequence in range(1, 6):
        desk.disk.written = sequence
        desk.now_s += DEFER_S
        desk.syncer.kick()
        desk.disk.written = sequence + 100  # meanwhile: not of this sync
        assert await asyncio.wait_for(desk.done.get(), PATIENCE_S) == sequence
        assert desk.disk.synced == sequence
    assert desk.disk.begun == [], "and never in the thread that takes it"
    os.close(file)


@aside
async def test_a_plain_sync_that_failed_is_done_again_the_long_way(desk: Desk):
    file, other = os.pipe()
    with pytest.raises(OSError) as refused:  # nothing to sync
        os.fdatasync(file)
    assert refused.value.errno == errno.EINVAL
    desk.disk.file, desk.disk.written = file, 1
    desk.syncer.kick()
    assert await asyncio.wait_for(desk.done.get(), PATIENCE_S) == FAILED
    assert desk.disk.suspect
    assert desk.disk.synced == 0, "safe for nobody"
    assert await desk.ended() == 1
    assert desk.disk.begun == [1]
    os.close(file)
    os.close(other)


@aside
async def test_what_is_asked_for_before_a_stop_is_synced_and_its_failure_is_not_forgotten(desk: Desk, tmp_path: Path):
    file = os.open(tmp_path / "any", os.O_RDWR | os.O_CREAT)
    desk.disk.file, desk.disk.written = file, 1
    desk.syncer.kick()
    desk.syncer.stop()
    assert not desk.disk.suspect
    nothing, other = os.pipe()
    second = Desk()
    second.disk.file, second.disk.written = nothing, 1
    second.syncer.kick()
    second.syncer.stop()  # before the loop heard how it ended
    assert second.disk.suspect, "the journal writes again what it closes with"
    for one in (file, nothing, other):
        os.close(one)


@aside
def test_a_thread_that_has_ended_says_so():
    ended = Syncer.aside()
    assert ended is not None
    assert ended.end() == ended.end() == 0
    for ask in (ended.fileno, ended.ended, ended.taken, lambda: ended.sync(0)):
        with pytest.raises(ValueError, match="has ended"):
            ask()


async def test_a_header_alone_is_synced_once(desk: Desk):
    desk.disk.written, desk.disk.synced = 0, -1  # before any record
    desk.syncer.kick()
    assert await desk.ended() == 0
    assert (desk.disk.begun, desk.disk.synced) == ([0], 0), "0 is a sequence, and no failure"


async def test_a_journal_of_several_segments_is_safe_when_the_syncer_says_so(tmp_path: Path):
    journal = Journal(OsDisk(tmp_path), segment_bytes=2_000)
    done: asyncio.Queue[int] = asyncio.Queue()
    syncer = Syncer(asyncio.get_running_loop(), journal, done.put_nowait)
    last = 0
    for number in range(100):
        last = journal.append(1, b"%0100d" % number)
        journal.write(1.0 + number)
        syncer.kick()
    while journal.synced < last:
        assert await asyncio.wait_for(done.get(), PATIENCE_S), "no sync fails"
    syncer.stop()
    assert not journal.sync_wanted()
    journal.close()
    said = [record.body for record in read_journal(OsDisk(tmp_path))]
    assert said == [b"%0100d" % number for number in range(100)]
    assert len(OsDisk(tmp_path).list()) > 3


class Times:
    """Syncs that take as long as the test says, by the loop where it is trusted to."""

    def __init__(self) -> None:
        self.times, self.now_s, self.held = SyncTimes(), 100.0, 0

    def sync(self, took_s: float, count: int = 1) -> bool:
        """Returns whether the loop does the next one."""
        for _ in range(count):
            self.now_s += 0.003
            if self.times.fast():
                self.held += took_s > SLOW_S
                self.times.note_in_loop(took_s, self.now_s)
            else:
                self.times.note_in_thread(took_s, self.now_s)
        return self.times.fast()


def test_the_loop_syncs_by_itself_only_while_the_disk_is_known_to_be_fast():
    disk = Times()
    assert not disk.times.fast(), "nothing is known yet"
    assert not disk.sync(0.0006), "perhaps the thread waited for a core"
    assert disk.sync(0.0002)
    assert disk.sync(0.0002, 100)
    assert not disk.sync(0.005), "one slow sync"
    assert not disk.sync(0.0002, 30)
    assert disk.sync(0.0002, 20), "an eighth of a second later"
    assert not disk.sync(0.005), "soon after the last one"
    assert not disk.sync(0.0002, 75)
    assert disk.sync(0.0002, 20), "twice as long"
    assert not disk.sync(0.0007, 20), "a disk that becomes slower"


def test_a_slow_disk_never_holds_the_loop():
    disk = Times()
    disk.sync(0.005, 10_000)
    assert disk.held == 0


@pytest.mark.parametrize("slow_in", [2, 5, 20, 100, 1000])
def test_a_disk_that_is_slow_now_and_then_seldom_holds_the_loop(slow_in: int):
    disk = Times()
    for number in range(20_000):
        disk.sync(0.005 if number % slow_in == 0 else 0.0002)
    assert 0 < disk.held <= 20, "of a minute, in which it took 5 ms each time"


@pytest.fixture
async def quick(desk: Desk, tmp_path: Path) -> AsyncIterator[Desk]:
    """A desk whose disk is known to be fast."""
    desk.syncer.times.note_in_thread(0.0001, 0.0)
    desk.disk.file = os.open(tmp_path / "any", os.O_RDWR | os.O_CREAT)
    yield desk
    os.close(desk.disk.file)


async def test_behind_a_small_turn_the_loop_syncs_by_itself(quick: Desk):
    quick.disk.written = 1
    quick.syncer.turn_begins(small=True)
    quick.syncer.kick()
    assert quick.disk.synced == 0
    assert quick.syncer.sync_behind_turn()
    assert (quick.disk.synced, quick.disk.begun) == (1, [])
    await rounds()
    assert quick.done.empty(), "nobody need hear of it"
    quick.syncer.turn_begins(small=True)
    assert not quick.syncer.sync_behind_turn(), "nobody asked"
    quick.disk.written = 2
    quick.syncer.kick()  # between two turns
    quick.now_s += DEFER_S
    assert await asyncio.wait_for(quick.done.get(), PATIENCE_S) == 2 if BUILT else await quick.ended() == 2


async def test_behind_a_large_turn_or_on_a_slow_disk_the_thread_syncs(quick: Desk):
    quick.disk.suspect = True
    for number in (1, 2):
        quick.disk.written = number
        quick.now_s += DEFER_S
        quick.syncer.turn_begins(small=number > 1)
        quick.syncer.kick()
        assert not quick.syncer.sync_behind_turn()
        assert await quick.ended() == number
        quick.syncer.times.note_in_loop(1.0, quick.now_s)
    assert quick.disk.begun == [1, 2]


async def test_a_sync_by_the_loop_that_failed_is_done_again_by_the_thread(quick: Desk):
    file, quick.disk.file = quick.disk.file, os.pipe()[0]
    quick.disk.written = 1
    quick.syncer.turn_begins(small=True)
    quick.syncer.kick()
    assert not quick.syncer.sync_behind_turn()
    assert quick.disk.suspect
    assert quick.disk.synced == 0, "safe for nobody"
    assert await asyncio.wait_for(quick.done.get(), PATIENCE_S) == FAILED
    assert await quick.ended() == 1
    os.close(quick.disk.file)
    quick.disk.file = file


async def test_what_the_turn_wrote_in_two_segments_is_synced_by_the_thread(quick: Desk):
    quick.disk.written, quick.disk.suspect = 1, True  # as where there is more to do than to sync one file
    quick.syncer.turn_begins(small=True)
    quick.syncer.kick()
    assert not quick.syncer.sync_behind_turn()
    assert await quick.ended() == 1
