"""A failing part of maintenance does not stop the others."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from proxy.server.maintenance import SILENT_S, TICK_S, Maintenance


class Harness:
    """Stands for every part: notes who was called, and fails where it is told to."""

    def __init__(self) -> None:
        self.called: list[str] = []
        self.fails = ""

    def part(self, name: str, *calls: str, **more: Any) -> Any:
        def called(call: str) -> Any:
            def it(*_: object, **__: object) -> None:
                self.called.append(f"{name}.{call}")
                if self.fails == f"{name}.{call}":
                    raise RuntimeError(call)

            return it

        return SimpleNamespace(**{call: called(call) for call in calls}, **more)


def upkeep_of(harness: Harness) -> Maintenance:
    part = harness.part
    judging = SimpleNamespace(stale=False, error=None)
    made = Maintenance(
        relay=part(
            "relay",
            "due",
            "tick",
            "clock_jumped",
            idle=True,
            journal_down="",
            judging=judging,
            rules=SimpleNamespace(window_s=60),
        ),
        store=part("store", "sweep"),
        journal=part("journal", "mark", written=0),
        syncer=part("syncer", "kick"),
        providers=part("providers", "tick"),
        carrier_accounts=[part("bj", "tick"), part("sh", "tick")],
        deliver_relay=part("way back", "tick", reply_handler=part("reply_handler", "write_names")),
        control_plane=part("control_plane", "tick"),
        replication=None,
        turns=part("turns", "wake"),
        tally=cast("Any", None),
        background=cast("Any", SimpleNamespace(busy=False)),
        loaded=lambda: False,
    )
    made.gc_policy = part("gc_policy", "run")
    return made


def tick(maintenance: Maintenance, now: float, now_s: float, step: float = 0.0) -> None:
    for part in maintenance._parts(step):
        maintenance._run_part(part, now, now_s)


def test_what_fails_keeps_nothing_else_from_its_beat_and_is_told_once_a_minute() -> None:
    harness = Harness()
    maintenance = upkeep_of(harness)
    tick(maintenance, 1000.0, 0.0)
    every = harness.called
    for fails in every:
        harness.called, harness.fails, maintenance.silent_until_s = [], fails, 0.0
        with capture_logs() as logs:
            for check_clocks in range(3):
                tick(maintenance, 1000.0, 1.0 + check_clocks / 10)
            tick(maintenance, 1000.0, 1.0 + SILENT_S)
        assert set(harness.called) >= set(every) - {"syncer.kick"}
        assert [one["log_level"] for one in logs] == ["error", "error"]


def test_a_full_disk_is_logged_when_it_begins_and_when_it_ends() -> None:
    maintenance = upkeep_of(Harness())
    full = "no space left on device"
    with capture_logs() as logs:
        for now_s, down in ((1.0, ""), (2.0, full), (2.5, full), (3.0, ""), (3.5, full), (4.0, ""), (4.6, ""), (4.7, "")):
            maintenance.relay = cast("Any", SimpleNamespace(journal_down=down))
            maintenance._log_journal(now_s)
    assert [(one["event"], one.get("why", ""), one.get("after_s")) for one in logs] == [
        ("journal not written, submits are told to come again: look at the disk", full, None),
        ("journal is written again", "", 1.5),
    ]


def test_nothing_is_dropped_on_the_word_of_a_clock_that_has_just_jumped_forward() -> None:
    harness = Harness()
    maintenance = upkeep_of(harness)
    ticked: list[bool] = []
    maintenance.deliver_relay = cast(
        "Any",
        SimpleNamespace(
            tick=lambda now, *, drops: ticked.append(drops), reply_handler=harness.part("reply_handler", "write_names")
        ),
    )
    clocks = iter([(1000.0, 1.0), (1000.1, 1.1), (700_000.0, 1.2), (1000.3, 1.3), (4600.2, 3601.1), (4600.4, 3601.3)])
    before = next(clocks)
    for now, now_s in clocks:
        harness.called.clear()
        tick(maintenance, now, now_s, maintenance.check_clocks(now, now_s, *before))
        before = now, now_s
        assert ("store.sweep" in harness.called) == ticked[-1]
    assert ticked == [True, False, False, False, True]
    assert maintenance.clock_skew_s == pytest.approx(-698_999.8)


@pytest.mark.parametrize("loaded", [False, True])
async def test_under_load_the_parts_of_a_tick_run_apart_and_otherwise_together(
    monkeypatch: pytest.MonkeyPatch, loaded: bool
) -> None:
    harness = Harness()
    maintenance = upkeep_of(harness)
    maintenance.loaded = lambda: loaded
    slept: list[tuple[float, int]] = []

    async def sleep(seconds: float) -> None:
        slept.append((seconds, len(harness.called)))
        if harness.called[-1:] == ["turns.wake"]:
            raise asyncio.CancelledError

    monkeypatch.setattr(asyncio, "sleep", sleep)
    monkeypatch.setattr("proxy.server.maintenance.GcPolicy", lambda now_s: harness.part("gc_policy", "run"))
    with pytest.raises(asyncio.CancelledError):
        await maintenance.run()
    first, *between, _ = slept
    assert first == (TICK_S, 0)
    parts = len(maintenance._parts(0.0))
    assert len(between) == (parts if loaded else 0)
    assert sum(seconds for seconds, _ in between) <= TICK_S * 1.001
    done = [count for _, count in between]
    assert done == sorted(done)
