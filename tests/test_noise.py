"""Noise: what a bind sends that leads to nothing is counted where it is refused unjudged, and only where that is the bind's own doing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.harness import BEIJING, SHANGHAI, House

TEXT = "【测试】双11券 拒收请回复R"


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path, tps=2)


def test_what_is_judged_is_no_noise_whatever_comes_of_it(house: House) -> None:
    house.submit("jia", SHANGHAI, TEXT)
    house.submit("jia", BEIJING, TEXT)
    assert house.binds["jia"].noise == 0


def test_what_is_over_the_rate_or_the_window_is(house: House) -> None:
    for number in range(5):
        house.submit("jia", SHANGHAI + number, TEXT)
    assert house.binds["jia"].noise == 3
    house.binds["yi"].window = 1
    for number in range(3):
        house.submit("yi", SHANGHAI + 10 + number, "您的快件已到", sequence=number)
    assert house.binds["yi"].noise == 2


def test_so_is_what_comes_from_a_port_or_goes_to_a_number_that_cannot_be(house: House) -> None:
    house.submit("jia", SHANGHAI, TEXT, source="1069002")
    house.submit("jia", 1088886666, TEXT)
    assert house.binds["jia"].noise == 2


def test_what_the_gate_cannot_take_is_not(house: House) -> None:
    house.disk.free_bytes = 0
    house.submit("jia", SHANGHAI, TEXT)
    house.submit("jia", SHANGHAI, TEXT)
    assert house.relay.journal_down
    house.disk.free_bytes = None
    house.relay.tick(house.now)
    house.relay.drain()
    house.submit("yi", SHANGHAI, TEXT)
    assert {bind.noise for bind in house.binds.values()} == {0}
