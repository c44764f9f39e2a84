"""Upkeep: whatever fails in one part of it, all others go on at this beat and at the next."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from structlog.testing import capture_logs

from proxy.upkeep import SILENT_S, Upkeep


class House:
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


def upkeep_of(house: House) -> Upkeep:
    part = house.part
    judging = SimpleNamespace(stale=False, error=None)
    made = Upkeep(
        relay=part("relay", "due", "tick", idle=True, judging=judging, rules=SimpleNamespace(window_s=60)),
        store=part("store", "sweep"),
        journal=part("journal", "mark", written=0),
        syncer=part("syncer", "kick"),
        providers=part("providers", "tick"),
        houses=[part("bj", "tick"), part("sh", "tick")],
        way_back=part("way back", "tick"),
        operating=part("operating", "tick"),
        sharing=None,
        turns=part("turns", "wake"),
        tally=cast("Any", None),
        gently=cast("Any", SimpleNamespace(at_work=False)),
    )
    made.garbage = part("garbage", "look")
    return made


def test_what_fails_keeps_nothing_else_from_its_beat_and_is_told_once_a_minute() -> None:
    house = House()
    upkeep = upkeep_of(house)
    upkeep._tick(1000.0, 0.0, 0.0)
    every = house.called
    assert every[-1] == "turns.wake"
    for fails in every[:-1]:
        house.called, house.fails, upkeep.silent_until_s = [], fails, 0.0
        with capture_logs() as logs:
            for beat in range(3):
                upkeep._tick(1000.0, 1.0 + beat / 10, 0.0)
            upkeep._tick(1000.0, 1.0 + SILENT_S, 0.0)
        assert set(house.called) >= set(every) - {"syncer.kick"}
        assert [one["log_level"] for one in logs] == ["error", "error"]
