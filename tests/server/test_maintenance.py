"""A failing part of maintenance does not stop the others."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from proxy.server.maintenance import SILENT_S, Maintenance


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
        relay=part("relay", "due", "tick", "clock_jumped", idle=True, judging=judging, rules=SimpleNamespace(window_s=60)),
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
    )
    made.gc_policy = part("gc_policy", "run")
    return made


def test_what_fails_keeps_nothing_else_from_its_beat_and_is_told_once_a_minute() -> None:
    harness = Harness()
    maintenance = upkeep_of(harness)
    maintenance._tick(1000.0, 0.0, 0.0)
    every = harness.called
    assert every[-1] == "turns.wake"
    for fails in every[:-1]:
        harness.called, harness.fails, maintenance.silent_until_s = [], fails, 0.0
        with capture_logs() as logs:
            for check_clocks in range(3):
                maintenance._tick(1000.0, 1.0 + check_clocks / 10, 0.0)
            maintenance._tick(1000.0, 1.0 + SILENT_S, 0.0)
        assert set(harness.called) >= set(every) - {"syncer.kick"}
        assert [one["log_level"] for one in logs] == ["error", "error"]


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
        maintenance.check_clocks(now, now_s, *before)
        before = now, now_s
        assert ("store.sweep" in harness.called) == ticked[-1]
    assert ticked == [True, False, False, False, True]
    assert maintenance.clock_skew_s == pytest.approx(-698_999.8)
