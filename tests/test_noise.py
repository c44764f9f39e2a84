"""Noise: what a bind sends that leads to nothing is counted where it is refused unjudged, and only where that is the bind's own doing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.harness import BEIJING, SHANGHAI, Harness

TEXT = "【测试】双11券 拒收请回复R"


@pytest.fixture
def harness(tmp_path: Path) -> Harness:
    return Harness(tmp_path, tps=2)


def test_what_is_judged_is_no_noise_whatever_comes_of_it(harness: Harness) -> None:
    harness.submit("jia", SHANGHAI, TEXT)
    harness.submit("jia", BEIJING, TEXT)
    assert harness.binds["jia"].noise == 0


def test_what_is_over_the_rate_or_the_window_is(harness: Harness) -> None:
    for number in range(5):
        harness.submit("jia", SHANGHAI + number, TEXT)
    assert harness.binds["jia"].noise == 3
    harness.binds["yi"].window = 1
    for number in range(3):
        harness.submit("yi", SHANGHAI + 10 + number, "您的快件已到", sequence=number)
    assert harness.binds["yi"].noise == 2


def test_so_is_what_comes_from_a_port_or_goes_to_a_number_that_cannot_be(harness: Harness) -> None:
    harness.submit("jia", SHANGHAI, TEXT, source="1069002")
    harness.submit("jia", 1088886666, TEXT)
    assert harness.binds["jia"].noise == 2


def test_what_the_gate_cannot_take_is_not(harness: Harness) -> None:
    harness.disk.free_bytes = 0
    harness.submit("jia", SHANGHAI, TEXT)
    harness.submit("jia", SHANGHAI, TEXT)
    assert harness.relay.journal_down
    harness.disk.free_bytes = None
    harness.relay.tick(harness.now)
    harness.relay.drain()
    harness.submit("yi", SHANGHAI, TEXT)
    assert {bind.noise for bind in harness.binds.values()} == {0}
