"""Submits are grouped by recipient, behind what was there before them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from proxy.model.message import Content, Message, Sender
from proxy.relay.batch_window import BatchWindow
from proxy.relay.batching import Batching, _changes_of, _submits_of
from proxy.relay.pending_submit import PendingSubmit

SENDER = Sender.of("jia", "jia", "1069001", "1069001")
PERSONS = st.integers(1, 6)


@given(st.lists(PERSONS, max_size=20), st.sets(PERSONS), st.sets(PERSONS), st.sets(PERSONS))
def test_submits_wait_behind_changes_and_batches_under_way(
    come: list[int], changed: set[int], busy: set[int], again: set[int]
) -> None:
    window = BatchWindow()
    window.busy = busy
    gate: Any = SimpleNamespace(window=window, _refused={}, refusals=None, admission=SimpleNamespace(rules=None))
    submits = [PendingSubmit(cast("Any", None), number, b"", 0.0) for number in range(len(come))]
    for pending, person in zip(submits, come, strict=True):
        pending.message = Message(SENDER, person, Content("", "empty", b""))
    batches: dict[int, Any] = {person: ([f"change of {person}"], []) for person in changed - busy}
    wanted = {person: ([f"change of {person}"], list[int]()) for person in changed - busy}
    waiting: dict[int, tuple[list[str], list[int]]] = {}
    for number, person in enumerate(come):
        (waiting if person in busy else wanted).setdefault(person, ([], []))[1].append(number)

    half = len(submits) // 2
    Batching._add_to(gate, batches, submits[:half], 0.0)
    Batching._add_to(gate, batches, submits[half:], 0.0)

    def numbers(some: dict[int, Any]) -> list[Any]:
        return [(person, changes, [one.sequence for one in behind]) for person, (changes, behind) in some.items()]

    assert numbers(batches) == [(person, *one) for person, one in wanted.items()]
    assert numbers(window.waiting) == [(person, *one) for person, one in waiting.items()]
    assert [one.sequence for one in _submits_of(batches)] == [number for _, numbers in wanted.values() for number in numbers]
    refused = {person: batches[person] for person in again if person in batches}
    changes: list[Any] = [*_changes_of(batches, refused)]
    assert changes == [f"change of {person}" for person in wanted if person in changed and person not in again]
