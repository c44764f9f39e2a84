"""What the relay itself tells the journal: here, what its clock did."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from proxy.desk import entries
from proxy.driving import drive
from proxy.underway import MANY
from proxy.wire import Frame, submit_sm, submit_sm_resp
from tests.house import SHANGHAI, House


def jumps(house: House) -> list[float]:
    return [entries.unpack_clock(one.body).step_s for one in house.written() if one.kind == entries.CLOCK]


def test_a_clock_that_jumps_is_written_with_the_next_tick(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.relay.tick(house.now)
    assert jumps(house) == [], "a tick alone writes nothing"
    house.relay.clock_jumped(-3600.0)
    house.relay.tick(house.now)
    house.relay.tick(house.now)
    assert jumps(house) == [-3600.0]


def test_jumps_that_the_journal_could_not_take_are_told_once_it_writes_again(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.disk.free_bytes = 0
    house.relay.clock_jumped(7.0)
    house.relay.tick(house.now)
    house.submit("jia", SHANGHAI, "【测试】券 拒收请回复R")
    assert house.relay.journal_down
    house.relay.clock_jumped(-3.0)
    house.relay.tick(house.now)
    house.disk.free_bytes = None
    house.relay.tick(house.now)
    assert jumps(house) == [4.0]
    assert not house.relay.journal_down


def test_a_batch_that_fails_by_a_fault_holds_up_nobody_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    house = House(tmp_path)
    house.store.waits = True

    async def faulty(keys: object) -> None:
        raise RuntimeError("a fault of ours")

    with monkeypatch.context() as patch:
        patch.setattr(house.store, "load", faulty)
        with pytest.raises(RuntimeError, match="of ours"):
            house.submit("jia", SHANGHAI, "【测试】券 拒收请回复R")
    house.submit("jia", SHANGHAI, "【测试】券 拒收请回复R", 2)
    house.turn()
    assert [transit.sequence for transit in house.lanes["bj"].take(10)] == [2]


def test_only_what_somebody_waits_for_is_synced_at_once(tmp_path: Path) -> None:
    """The provider's answer waits for the entry; what the carrier said of it, and refusals, only have to be written."""
    house = House(tmp_path)
    asked: list[int] = []
    cast("Any", house.relay.handover)._sync = lambda: asked.append(house.journal.written)
    house.submit("jia", SHANGHAI, "【测试】券 拒收请回复R", 1)
    assert asked == [house.journal.written]
    (transit,) = house.at_carrier()
    house.carrier_says(transit, submit_sm_resp(1, 0, b"m1\0"))
    assert [one.command_status for one in house.told("jia")] == [0]
    house.relay.draining = True
    house.submit("jia", SHANGHAI, "【测试】券 拒收请回复R", 2)
    assert [one.command_status for one in house.told("jia")] != [0]
    assert len(asked) == 1
    house.relay.tick(house.now)
    assert asked[1:] == [house.journal.written], "a tick later that is safe, too"


def test_behind_a_batch_of_many_what_comes_waits_for_more_and_no_longer_than_that_took(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.store.waits = True
    relay, batches = cast("Any", house.relay), list[Any]()
    relay.chains._spawn = batches.append

    def come(first: int, count: int) -> None:
        for number in range(first, first + count):
            pdu = submit_sm("1069001", str(SHANGHAI + 7 * number), b"hello", sequence=number)
            relay.submit_all(house.binds["jia"], [Frame.of(pdu)], house.now, house.now)
        relay.turn(house.now)

    come(1, MANY)
    took_s = 0.004
    house.now += took_s
    drive(batches.pop())
    relay.turn(house.now)
    assert len(house.at_carrier()) == MANY
    come(100, 3)
    assert not batches, "more is on its way back than has come"
    assert relay.gathers_until == pytest.approx(house.now + took_s)
    house.now += took_s
    come(200, 1)
    (batch,) = batches
    drive(batch)
    relay.turn(house.now)
    assert [transit.sequence for transit in house.at_carrier()] == [100, 101, 102, 200]
    come(300, 1)
    assert len(batches) == 2, "behind few nothing waits"
    drive(batches[1])
