"""Every reader with what it is fed from outside: the seeds of the fuzzer, what it has found, and these with some octets changed.

``make fuzz`` goes on from here, led by coverage; what it finds is put into ``found/<target>/`` and stays a test.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.examples import examples
from tests.fuzz.targets import TARGETS

FOUND = Path(__file__).parent / "found"
SEEDS = {name: tuple(target.seeds()) for name, target in TARGETS.items()}


@pytest.mark.parametrize("name", TARGETS)
def test_a_reader_reads_or_refuses_what_it_is_meant_for(name: str) -> None:
    assert SEEDS[name], "nothing to begin with"
    for seed in SEEDS[name]:
        TARGETS[name].try_one(seed)
    TARGETS[name].try_one(b"")


@pytest.mark.parametrize("name", TARGETS)
def test_what_was_found_once_is_read_or_refused(name: str) -> None:
    for path in sorted((FOUND / name).glob("*")):
        TARGETS[name].try_one(path.read_bytes())


@pytest.mark.parametrize("name", TARGETS)
@given(data=st.data())
@settings(max_examples=examples(40), deadline=None)
def test_a_reader_reads_or_refuses_it_with_some_octets_changed(name: str, data: st.DataObject) -> None:
    seed = data.draw(st.sampled_from(SEEDS[name]))
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(seed)))
        taken = data.draw(st.integers(0, 8))
        seed = seed[:place] + data.draw(st.binary(max_size=8)) + seed[place + taken :]
    TARGETS[name].try_one(seed)


def test_every_found_case_belongs_to_a_target() -> None:
    assert {path.name for path in FOUND.iterdir() if path.is_dir()} <= set(TARGETS)
