"""Compiled maps by sequence number behave like a dictionary."""

from __future__ import annotations

import gc
import struct
import weakref
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy import wire
from proxy.model.sequence_window import request_window, sent_before, sequence_window
from proxy.native.loader import PURE
from proxy.relay import commit
from proxy.wire.tables import SEQUENCE_MAX
from tests.needs import needs

pytestmark = needs("gcc")
FIRST = 64
"""So many places there are at first: what is as far behind comes upon the same one."""

NUMBERS = st.one_of(st.integers(0, 200), st.integers(0, 40).map(lambda many: many * FIRST), st.integers(0, (1 << 48)))
STEPS = st.lists(
    st.tuples(st.sampled_from(["put", "put", "put", "put", "take", "pop", "drop", "clear"]), NUMBERS), max_size=200
)


def test_they_are_compiled() -> None:
    assert type(sequence_window()) is not dict
    assert type(request_window()) is not dict


@given(STEPS)
def test_they_hold_what_a_dictionary_would(steps: list[tuple[str, int]]) -> None:
    one, two = sequence_window(), request_window()
    plain: dict[int, Any] = {}
    for place, (step, number) in enumerate(steps):
        value = (f"ticket {place}", float(place), 0x80000004 + place % 2)
        if step == "put":
            plain[number] = one[number] = two[number] = value
        elif step == "take" and number in plain:
            del plain[number], one[number], two[number]
        elif step == "pop" and plain:
            number = list(plain)[place % len(plain)]
            assert one.pop(number) == two.pop(number) == plain.pop(number)
        elif step == "drop":
            assert one.pop(number, None) == two.pop(number, None) == plain.pop(number, None)
        elif step == "clear" and place % 7 == 0:
            plain.clear()
            one.clear()
            two.clear()
        assert one.get(number) == two.get(number) == plain.get(number)
        assert (number in one) is (number in two) is (number in plain)
        assert len(one) == len(two) == len(plain)
    assert list(one.items()) == list(two.items()) == list(plain.items()), "oldest first"
    assert list(one.values()) == list(two.values()) == list(plain.values())
    assert list(one) == list(two) == list(plain)
    assert one == two == plain
    more = sequence_window()
    more.update(one)
    assert more == one
    assert dict(one.popitem() for _ in plain) == plain
    assert not one
    assert one != two or not plain


def test_who_is_not_there_is_missed_as_by_a_dictionary() -> None:
    for held in (sequence_window(), request_window()):
        held[7] = ("ticket", 1.0, 5)
        with pytest.raises(KeyError):
            held[8]
        with pytest.raises(KeyError):
            del held[7 + FIRST]
        assert held[7] == ("ticket", 1.0, 5)
        assert held


@given(st.lists(st.tuples(NUMBERS, st.integers(0, 20)), unique_by=lambda one: one[0]), st.integers(0, 20))
def test_what_was_sent_long_ago_is_found_oldest_first(sent: list[tuple[int, int]], limit: int) -> None:
    held, plain = request_window(), {}
    for number, when in sorted(sent, key=lambda one: one[1]):
        held[number] = plain[number] = (f"ticket {number}", float(when), 4)
    wanted = [(number, what) for number, what in plain.items() if what[1] <= limit]
    assert sent_before(held, limit) == wanted == PURE["sent_before"](plain, limit) == PURE["sent_before"](held, limit)


@given(st.lists(st.tuples(NUMBERS, st.sampled_from([0x80000004, 0x80000005, 0x80000000])), max_size=90), st.data())
def test_answers_find_their_tickets_in_both(answers: list[tuple[int, int]], data: st.DataObject) -> None:
    answers = [(number & SEQUENCE_MAX, command) for number, command in answers]
    waits = data.draw(st.lists(st.sampled_from([number for number, _ in answers]), unique=True)) if answers else []
    octets = b"".join(struct.pack(">4I", 16, command, 0, number) for number, command in answers)
    found = []
    for held in (request_window(), cast("Any", {})):
        for number in waits:
            held[number] = (f"ticket {number}", 0.0, 0x80000004)
        at, told, requests = 0, [], []  # type: ignore[var-annotated]
        asides = []
        while at < len(octets):
            at, aside = wire.frame.sort_pdus(octets, at, 64, frozenset(), held, requests, told)
            asides.append(None if aside is None else aside.data)
        found.append(([(ticket, frame.data) for ticket, frame in told], asides, list(held.items())))
    assert found[0] == found[1]


@given(st.integers(0, SEQUENCE_MAX - 400), st.lists(st.integers(1, 90), max_size=4))
def test_requests_wait_in_both(last: int, batches: list[int]) -> None:
    held, plain = request_window(), cast("Any", {})
    for many in batches:
        requests = [SimpleNamespace(data=struct.pack(">4I", 16, 4 + place % 2, 0, 0)) for place in range(many)]
        assert b"".join(wire.outstanding._pieces(requests, 1.5, held, last)) == b"".join(
            PURE["request_pieces"](requests, 1.5, plain, last)
        )
        last += many
    assert list(held.items()) == list(plain.items())


@given(st.lists(NUMBERS.map(lambda number: number + 1), unique=True), st.data())
def test_what_is_settled_leaves_both(recorded: list[int], data: st.DataObject) -> None:
    transits = [SimpleNamespace(recorded=number) for number in recorded]
    took = data.draw(st.lists(st.sampled_from(transits), unique_by=id)) if transits else []
    held, plain = sequence_window(), cast("Any", {})
    for one in transits[: len(transits) // 2 + 1]:  # who is settled need not be there
        held[one.recorded] = plain[one.recorded] = one
    accepted = cast("Any", [(one, b"") for one in took])
    assert commit._settled(accepted, held) == PURE["settled"](accepted, plain)
    assert list(held.items()) == list(plain.items())


def test_the_collector_finds_what_waits_for_itself() -> None:
    class Own:
        held: Any

    for make in (sequence_window, request_window):
        own = Own()
        own.held = make()
        own.held[1], own.held[1 + FIRST] = (own, 0.0, 4), (own, 0.0, 4)
        gone = weakref.ref(own)
        del own
        gc.collect()
        assert gone() is None


def test_after_many_at_once_there_is_room_for_more() -> None:
    held = sequence_window()
    for number in range(100_000):
        held[number] = number
    assert [held.pop(number) for number in range(100_000)] == list(range(100_000))
    held[3] = "three"
    assert list(held.items()) == [(3, "three")]
