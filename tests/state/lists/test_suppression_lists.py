"""Lists behave like a plain model, over checkpoints and within bounds."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyroaring import BitMap

from proxy.model.recipient import OptOut
from proxy.relay.effects.suppression import take_off
from proxy.state import open_store
from proxy.state.lists.suppression_lists import CHUNK_BITS, ERASED, LISTS_MAX, LOW_MASK, ListKey, SuppressionLists, TooManyLists
from proxy.state.record import record

NOON = 1_762_833_600
ALL, JIA, DATED = (
    ListKey("all", "", "import", 0),
    ListKey("provider", "jia", "complaint", 0),
    ListKey("all", "", "import", NOON + 100),
)
NUMBERS = [13_000_000_000, 13_000_000_001, 13_001_048_576, 17_179_869_183, 17_179_869_184, 19_999_999_999]
"""Beside each other, in the next chunk, on both sides of 2**34, and the last."""


def add(listed: SuppressionLists, key: ListKey, *numbers: int, time: int = NOON) -> int:
    return sum(listed.add(key, time, number >> CHUNK_BITS, BitMap((number & LOW_MASK,))) for number in numbers)


def remove(listed: SuppressionLists, scope: str, value: str, *numbers: int, source: str = "") -> int:
    return sum(listed.remove(scope, value, number >> CHUNK_BITS, BitMap((number & LOW_MASK,)), source) for number in numbers)


def said(listed: SuppressionLists, number: int) -> set[ListKey]:
    return {ListKey(one.scope, one.value, one.source, one.expiry) for one in listed.refusals(number)}


def rows(listed: SuppressionLists, most: int = 3) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    while collected := listed.collect(most):
        assert len(collected) <= most
        found.update(collected)
    return found


STEPS = st.lists(st.tuples(st.sampled_from(["add", "remove"]), st.sampled_from([ALL, JIA, DATED]), st.sampled_from(NUMBERS)))


@given(steps=STEPS, saved_after=st.integers(0, 30))
def test_it_says_what_a_set_for_each_list_would_say_also_after_a_restart(steps, saved_after) -> None:
    listed, file = SuppressionLists(), dict[int, bytes]()
    model: dict[ListKey, set[int]] = {ALL: set(), JIA: set(), DATED: set()}

    def save() -> None:
        listed.freeze()
        file.update(rows(listed))
        listed.thaw(done=True)

    for place, (what, key, number) in enumerate(steps):
        if what == "add":
            assert add(listed, key, number) == (number not in model[key])
            model[key].add(number)
        else:
            off = [one for one in model if one[:2] == key[:2] and number in model[one]]
            assert remove(listed, key.scope, key.value, number) == len(off)
            for one in off:
                model[one].discard(number)
        if place == saved_after:
            save()
    save()
    again = SuppressionLists()
    again.restore(iter((row, data) for row, data in file.items() if data))
    for found in (listed, again):
        assert {number: said(found, number) for number in NUMBERS} == {
            number: {key for key in model if number in model[key]} for number in NUMBERS
        }
        assert {one.key: one.numbers for one in found.lists()} == {key: len(people) for key, people in model.items() if people}
        assert found.empty is not any(model.values())
        assert sorted(number for _, numbers in found.numbers() for number in numbers) == sorted(
            number for people in model.values() for number in people
        )


def test_what_a_failed_checkpoint_had_collected_is_collected_again() -> None:
    listed = SuppressionLists()
    add(listed, ALL, *NUMBERS)
    listed.freeze()
    first = dict(listed.collect(2))
    listed.thaw(done=False)
    listed.freeze()
    assert rows(listed).items() >= first.items()
    listed.thaw(done=True)
    listed.freeze()
    assert rows(listed) == {}


def test_a_list_that_is_emptied_while_a_checkpoint_is_written_keeps_no_start_from_what_it_left() -> None:
    """Some of its rows were collected before, its name after; and the gate was killed before the next checkpoint."""
    listed = SuppressionLists()
    add(listed, ALL, *NUMBERS)
    listed.freeze()
    file = dict(row for row in listed.collect(1000) if row[0] & 0xFFFF_FFFF != 0xFFFF_FFFF)
    assert len(file) == 5
    listed.thaw(done=False)
    listed.freeze()
    some = list(file)[:2]
    remove(listed, "all", "", *NUMBERS)
    table = {row: file[row] for row in some} | {row: data for row, data in rows(listed).items() if row not in some}
    again = SuppressionLists()
    again.restore(iter([(row, data) for row, data in table.items() if data]))
    assert not again.lists()
    again.freeze()
    assert rows(again) == dict.fromkeys(some, b""), "they go with the next"


def test_a_new_list_does_not_take_the_number_of_one_of_which_a_checkpoint_has_rows() -> None:
    listed = SuppressionLists()
    add(listed, ALL, *NUMBERS)
    listed.freeze()
    file = dict(listed.collect(1000))
    remove(listed, "all", "", *NUMBERS)
    add(listed, JIA, NUMBERS[0])
    listed.thaw(done=True)
    listed.freeze()
    next_ = rows(listed)
    assert {row >> 32 for row in file}.isdisjoint({row >> 32 for row, data in next_.items() if data})
    assert {row for row, data in next_.items() if not data} == set(file)


def test_a_list_that_is_over_is_dropped_a_few_chunks_at_a_time() -> None:
    listed = SuppressionLists()
    add(listed, DATED, *NUMBERS)
    add(listed, ALL, NUMBERS[0])
    assert listed.expire(NOON + 99) == 0
    gone = []
    while more := listed.expire(NOON + 100, chunks=2):
        gone.append(more)
    assert sum(gone) == len(NUMBERS)
    assert len(gone) == 3  # two of the six share a chunk: five chunks
    assert [one.key for one in listed.lists()] == [ALL]
    assert said(listed, NUMBERS[0]) == {ALL}


def test_a_person_is_taken_off_the_lists_of_one_source_only_if_that_is_named() -> None:
    listed = SuppressionLists()
    officer = ALL._replace(source="officer")
    add(listed, ALL, NUMBERS[0])
    add(listed, officer, NUMBERS[0])
    assert remove(listed, "all", "", NUMBERS[0], source="officer") == 1
    assert said(listed, NUMBERS[0]) == {ALL}


def test_so_many_lists_and_no_more() -> None:
    listed = SuppressionLists()
    for expiry in range(1, LISTS_MAX + 1):
        add(listed, ALL._replace(expiry=expiry), NUMBERS[0])
    with pytest.raises(TooManyLists):
        add(listed, JIA, NUMBERS[0])
    with pytest.raises(TooManyLists):
        listed.make_room({JIA})
    listed.make_room({ALL._replace(expiry=1)})
    listed.expire(2)
    assert add(listed, JIA, NUMBERS[0]) == 1


def test_the_time_of_a_list_is_that_of_its_newest_number() -> None:
    listed = SuppressionLists()
    add(listed, ALL, NUMBERS[0], time=NOON)
    add(listed, ALL, NUMBERS[1], time=NOON + 5)
    add(listed, ALL, NUMBERS[2], time=NOON - 5)
    assert [one.time for one in listed.refusals(NUMBERS[0])] == [NOON + 5]


def test_who_was_forgotten_stays_so_though_another_refusal_of_everything_is_taken_back() -> None:
    listed = SuppressionLists()
    listed.erased.named = lambda number: 4711
    listed.erased.add(4711, NUMBERS[0])
    add(listed, ALL, NUMBERS[0])
    imported, forgotten = sorted(listed.refusals(NUMBERS[0]), key=lambda one: one.source)
    assert forgotten == ERASED
    for lifted in ((imported,), (OptOut("all", "", NOON, "complaint", 0),), (OptOut("all", "", NOON, "officer", 0),)):
        take_off(listed, NUMBERS[0], lifted)
        assert listed.refusals(NUMBERS[0])[-1:] == (ERASED,)
    take_off(listed, NUMBERS[0], (ERASED,))
    assert not listed.refusals(NUMBERS[0])


def test_beside_a_record_it_is_one_more_refusal_and_nobody_else_is_touched() -> None:
    listed = SuppressionLists()
    add(listed, ALL, NUMBERS[0])
    own = OptOut("provider", "yi", NOON, "reply", 0)
    data = record.opt_out(record.EMPTY, own)
    person = listed.beside(record.Record(data), NUMBERS[0])
    assert person.opt_outs() == (own, OptOut("all", "", NOON, "import", 0))
    assert (person.bare, person.held, person.newest()) == (False, 0, 0)
    assert listed.beside(record.Record(record.EMPTY), NUMBERS[0]).bare is False
    assert listed.beside(record.Record(record.EMPTY), NUMBERS[1]).bare is True


def test_the_embedded_store_keeps_lists_and_orders_over_a_restart(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/state.db"
    store = open_store(url)
    add(store.listed, ALL, *NUMBERS)
    store.orders.put(7, b"seven")
    store.orders.put(8, b"eight")
    store.checkpoint_now(counted=1, open_from=2, highest_id=0)
    remove(store.listed, "all", "", NUMBERS[0])
    store.orders.drop(8)
    store.checkpoint_now(counted=2, open_from=3, highest_id=0)
    store.close()
    again = open_store(url)
    assert [said(again.listed, number) for number in NUMBERS[:2]] == [set(), {ALL}]
    assert (again.orders.held, again.orders.highest) == ({7: b"seven"}, 8)
    again.close()
