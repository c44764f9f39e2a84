"""What the relay itself tells the journal: here, what its clock did."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.desk import entries
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
