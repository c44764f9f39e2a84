"""The roller starts an hourly process, reports its failure and survives its death."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from typer.testing import CliRunner

from proxy.desk.archiving.journal_tasks import BEHIND_S, HOUR_S, LEAST_S, Roller, wait_s
from proxy.journal.write_ahead_log import Journal, OsDisk
from proxy.model.counters import GateCounters
from proxy.operations.metrics import Gauges, exposition
from tests.archive.journals import nights
from tests.commands import app
from tests.harness import Harness


@pytest.fixture
def config(tmp_path: Path) -> Path:
    harness = Harness(tmp_path)
    harness.disk = OsDisk(tmp_path / "journal")  # type: ignore[assignment]
    harness.journal = harness.relay.commit.journal = Journal(harness.disk, 0)
    nights(harness, people=1)
    harness.journal.close()
    path = tmp_path / "gate106.yaml"
    path.write_text(f"store: sqlite:///{tmp_path}/state.db\njournal: {tmp_path}/journal\nrules: {tmp_path}/rules\n")
    return path


async def test_what_is_closed_is_rolled_and_each_head_goes_into_the_log(config: Path) -> None:
    """By the command line that the gate starts; the others of this file begin as copies."""
    roller = Roller(config)
    with capture_logs() as logs:
        await roller.roll()
    assert [one["event"] for one in logs] == ["head of the journal", "journal rolled into tables"]
    assert (logs[0]["day"], len(logs[0]["digest"])) == ("2025-11-11", 64)
    assert (logs[1]["segments"], logs[1]["days"]) == (2, 1)
    assert list(roller.head) == [("2025-11-11", logs[0]["digest"])]
    said = exposition(GateCounters(), Gauges(journal_head=roller.head)).decode()
    assert f'gate106_journal_head_info{{day="2025-11-11",head="{logs[0]["digest"]}"}} ' in said
    await roller.roll()  # a day without a new one: the newest stands
    assert list(roller.head) == [("2025-11-11", logs[0]["digest"])]
    assert roller.notes() == []


async def test_it_runs_ten_minutes_after_a_start_and_then_by_the_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    """A night of the gate without a table leaves the morning's page without yesterday."""
    done = list[float | str]()

    async def slept(seconds: float) -> None:
        done.append(seconds)
        if len(done) >= 3:
            raise asyncio.CancelledError

    class Noted(Roller):
        async def roll(self) -> None:
            done.append("roll")

    monkeypatch.setattr(asyncio, "sleep", slept)
    with pytest.raises(asyncio.CancelledError):
        await Noted(Path("gate106.yaml")).run()
    assert (done[0], done[1], type(done[2])) == (LEAST_S, "roll", float)
    assert LEAST_S <= float(done[2]) <= HOUR_S + LEAST_S


@pytest.mark.usefixtures("copies")
async def test_a_roller_that_fails_is_told_of_until_one_succeeds(config: Path) -> None:
    roller, journal = Roller(config), config.parent / "journal"
    hidden = journal.rename(config.parent / "hidden")
    with capture_logs() as logs:
        await roller.roll()
    assert not roller.altered
    assert [one["log_level"] for one in logs] == ["error"]
    assert roller.notes() == [
        f"journal: no tables are made of it: {journal}: no such folder (a gate that has run leaves its journal there)"
    ]
    hidden.rename(journal)
    await roller.roll()
    assert roller.notes() == []


@pytest.mark.usefixtures("copies")
async def test_a_roller_that_did_all_it_could_says_what_is_wrong(config: Path) -> None:
    roller, journal = Roller(config), config.parent / "journal"
    await roller.roll()
    for path in sorted(journal.glob("*.journal"))[-2:]:
        path.unlink()
    with capture_logs() as logs:
        await roller.roll()
    assert [(one["event"], one["log_level"]) for one in logs] == [
        ("journal rolled into tables", "info"),
        ("journal or signed head differs from its tables", "error"),
    ]
    (note,) = roller.notes()
    assert note.startswith("journal: node 0: the journal ends at record ")
    assert len(roller.head) == 1
    assert roller.altered, "Gate106ChainBroken can fire"


@pytest.mark.usefixtures("copies")
async def test_a_damaged_segment_is_told_of_until_it_is_mended_whatever_fails_in_between(config: Path) -> None:
    roller, journal = Roller(config), config.parent / "journal"
    (first, *_) = sorted(journal.glob("*.journal"))
    whole = first.read_bytes()
    first.write_bytes(whole[: len(whole) // 2] + bytes((whole[len(whole) // 2] ^ 1,)) + whole[len(whole) // 2 + 1 :])
    with capture_logs() as logs:
        await roller.roll()
    assert [(one["event"], one["log_level"]) for one in logs] == [("a closed segment of the journal is damaged", "error")]
    (note,) = roller.notes()
    assert note.startswith("journal: no tables are made of it: ")
    assert roller.altered
    hidden = journal.rename(config.parent / "hidden")
    await roller.roll()
    assert roller.altered, "nobody has looked since"
    hidden.rename(journal)
    first.write_bytes(whole)
    await roller.roll()
    assert (roller.notes(), roller.altered) == ([], False)


async def test_a_gate_that_stops_takes_its_roller_with_it(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    roller = Roller(config)
    monkeypatch.setattr("proxy.desk.archiving.journal_tasks.LEAST_S", 0.0)
    monkeypatch.setattr(roller, "_command", ["sleep", "600"])
    task = asyncio.create_task(roller.run())
    while roller._process is None:  # noqa: ASYNC110 # it is another thread that begins it
        await asyncio.sleep(0.01)
    process, begun = roller._process, time.monotonic()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert process.poll() == -15
    assert time.monotonic() - begun < 60


@pytest.mark.parametrize("at", [0.0, 1.0, BEHIND_S, BEHIND_S + 1, HOUR_S - 1, 1_700_000_123.4])
def test_the_next_time_is_behind_a_full_hour_and_never_at_once(at: float) -> None:
    wait = wait_s(at)
    assert LEAST_S <= wait <= HOUR_S + LEAST_S
    assert (at + wait) % HOUR_S == pytest.approx(BEHIND_S)


def test_it_has_the_lowest_priority_and_is_the_first_to_go_where_memory_ends() -> None:
    said = """
import os, pyarrow
from proxy.desk.archiving.command import _lower_priority
_lower_priority()
print(os.nice(0), os.sched_getscheduler(0) == os.SCHED_IDLE, open("/proc/self/oom_score_adj").read().strip(), pyarrow.cpu_count())
"""
    done = subprocess.run([sys.executable, "-c", said], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["19", "True", "500", "1"]


def test_where_a_sandbox_forbids_that_it_works_all_the_same(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    for name in ("nice", "sched_setscheduler"):
        monkeypatch.setattr(os, name, forbidden)
    monkeypatch.setattr(Path, "write_text", forbidden)
    before = os.umask(0o077)
    try:
        done = CliRunner().invoke(app, ["journal", "roll", "--gently", "--config", str(config)])
    finally:
        os.umask(before)
    assert done.exit_code == 0, done.output
