"""A map by sequence number behaves like a dictionary."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from proxy.model.sequence_window import SequenceWindow

FIRST = 64
"""Places at first: a number that is as far behind another has the same place."""
NUMBERS = st.one_of(st.integers(0, 200), st.integers(0, 40).map(lambda many: many * FIRST), st.integers(0, 1 << 48))
STEPS = st.lists(st.tuples(st.sampled_from(["put", "put", "put", "put", "take", "drop", "clear"]), NUMBERS), max_size=200)


@given(STEPS)
def test_it_holds_what_a_dictionary_would(steps: list[tuple[str, int]]) -> None:
    window, plain = SequenceWindow(), dict[int, Any]()
    for place, (step, number) in enumerate(steps):
        if step == "put":
            plain[number] = f"item {place}"
            window.put(number, plain[number])
        elif step == "take" and plain:
            number = list(plain)[place % len(plain)]
            assert window.take(number) == plain.pop(number)
        elif step == "drop":
            assert window.take(number) == plain.pop(number, None)
        elif step == "clear" and place % 7 == 0:
            plain.clear()
            window.clear()
        assert window.get(number) == plain.get(number)
        assert (number in window) is (number in plain)
        assert len(window) == len(plain)
    assert window.items() == sorted(plain.items())
    assert window.values() == [item for _, item in sorted(plain.items())]


def test_after_many_at_once_there_is_room_for_more() -> None:
    window = SequenceWindow()
    for number in range(100_000):
        window.put(number, number)
    assert [window.take(number) for number in range(100_000)] == list(range(100_000))
    window.put(3, "three")
    assert window.items() == [(3, "three")]
