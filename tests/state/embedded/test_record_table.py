"""The table behaves like a dictionary from numbers to records."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.state.embedded.record_table import KEY_MAX, Table, marked

keys = st.integers(0, 40) | st.integers(0, KEY_MAX)
numbers = keys | st.integers(-3, KEY_MAX + 3) | st.just(1 << 70)


@given(
    st.lists(st.tuples(st.sampled_from(["put", "exchange"]), keys, st.binary(max_size=40), st.none() | st.binary(max_size=2)))
)
def test_a_table_holds_what_a_dictionary_holds(script):
    table = Table()
    model: dict[int, bytes] = {}
    for kind, key, data, prefix in script:
        if kind == "exchange" and prefix is not None:
            held = model.get(key, b"")
            fits = held.startswith(prefix) if prefix else not held
            if held and not prefix:
                fits = False
            assert table.exchange(key, prefix, data) == fits
            if not fits:
                continue
        else:
            table.put(key, data)
        model[key] = data
        if not data:
            del model[key]
        assert table.get(key) == data
    assert dict(table.items()) == model
    assert len(table) == len(model)


def test_it_grows_past_many_splits_without_losing_anybody():
    table, model, draw = Table(), {}, random.Random(4)
    for number in range(20_000):
        key = 13_000_000_000 + draw.randrange(7_000_000_000)
        model[key] = number.to_bytes(4, "big") * draw.randrange(1, 4)
        table.put(key, model[key])
    assert table.buckets > 4 * 1024
    assert all(table.get(key) == data for key, data in model.items())
    assert dict(table.items()) == model
    assert table.get(5) == b""


def test_consecutive_numbers_spread_over_the_buckets():
    table = Table()
    for number in range(20_000):
        table.put(13_800_000_000 + number, b"x")
    assert max(len(list(table.bucket(index))) for index in range(table.buckets)) < 20


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="cannot hold"):
        Table().put(KEY_MAX + 1, b"x")
    with pytest.raises(ValueError, match="cannot hold"):
        Table().put(1, bytes(1 << 24))
    assert len(Table()) == 0


@given(st.dictionaries(keys, st.binary(min_size=1, max_size=40), max_size=60), st.integers(0, 3))
def test_groups_hold_everybody_once_and_make_the_same_table_again(people: dict[int, bytes], least: int):
    table = Table()
    for key, data in people.items():
        table.put(key, data)
    table.regroup(1 << least)
    groups = [table.group(number) for number in range(table.groups)]
    again = Table(table.mix)
    for data in groups:
        again.load_group(data)
    assert dict(again.items()) == people
    assert again.mix == table.mix
    again.regroup(table.groups)
    assert [again.group(number) for number in range(again.groups)] == groups


@pytest.mark.parametrize("count", [0, 1, 2_000, 40_000, 70_000])
def test_a_table_that_made_room_beforehand_is_filled_bucket_by_bucket_and_goes_on_as_any_other(count: int):
    draw = random.Random(count)
    people = {draw.randrange(KEY_MAX): draw.randbytes(draw.randint(1, 40)) for _ in range(count)}
    table = Table()
    for key, data in people.items():
        table.put(key, data)
    table.regroup()
    again = Table(table.mix)
    again.make_room(groups=table.groups)
    for number in range(table.groups):
        again.load_group(table.group(number))
    assert len(again) == len(people)
    assert dict(again.items()) == people
    assert again.get_all(people) == list(people.values())
    again.regroup(table.groups)
    assert [len(again.group(number)) for number in range(again.groups)] == [
        len(table.group(number)) for number in range(table.groups)
    ]
    for key in list(people)[::2]:
        people[key] = b"other"
        again.put(key, b"other")
    for key in range(count):
        people[key] = b"new"
        again.put(key, b"new")
    assert dict(again.items()) == people
    assert again.get_all(people) == list(people.values())


def test_a_group_that_is_loaded_twice_counts_once():
    table = Table()
    for key in range(50_000):
        table.put(key, b"x")
    table.regroup()
    again = Table(table.mix)
    again.make_room(groups=table.groups)
    for number in [*range(table.groups), 3, 3]:
        again.load_group(table.group(number))
    assert len(again) == 50_000
    assert dict(again.items()) == dict(table.items())


def test_a_table_that_holds_somebody_keeps_its_room():
    table = Table()
    table.put(106, b"x")
    table.make_room(records=1_000_000)
    assert table.get(106) == b"x"
    assert table.buckets == Table().buckets


def test_only_the_group_of_what_was_written_counts_as_changed_also_while_the_table_grows():
    table, draw = Table(), random.Random(7)
    people = [draw.randrange(KEY_MAX) for _ in range(30_000)]
    for key in people:
        table.put(key, b"x")
    assert table.regroup(), "it has grown past its first groups"
    assert list(marked(table.take_changed())) == list(range(table.groups)), "so all are to be saved anew"
    assert not table.regroup()
    saved = {number: table.group(number) for number in range(table.groups)}
    for key in people[:5]:
        table.put(key, b"y")
    table.exchange(people[6], b"z", b"refused")
    for _ in range(20_000):
        table.put(draw.randrange(KEY_MAX), b"")  # nobody: changes nothing
    changed = list(marked(table.changed))
    assert 1 <= len(changed) <= 5
    assert [number for number in saved if saved[number] != table.group(number)] == changed
    for _ in range(60_000):  # buckets split, groups stay
        table.put(draw.randrange(KEY_MAX), b"x")
    assert all(table.group(number) == saved[number] for number in saved if not table.changed[number])


def test_marks_of_a_save_that_failed_are_set_again_beside_those_that_came_meanwhile():
    table = Table()
    table.put(106, b"x")
    taken = table.take_changed()
    assert not table.changed.count(1)
    for key in range(1000):
        table.put(key, b"y")
    since = set(marked(table.changed))
    table.put_back(taken)
    assert set(marked(table.changed)) == since | set(marked(taken))


def test_marks_of_other_groups_than_there_are_now_change_nothing_for_all_are_marked():
    table = Table()
    taken = table.take_changed()
    for key in range(30_000):
        table.put(key, b"x")
    assert table.regroup()
    table.put_back(taken)
    assert table.changed.count(1) == table.groups == len(table.changed)


@pytest.mark.parametrize("broken", [b"1234567", b"\0" * 8, b"\0\0\0\0\1\0\0\5abcd", b"\0\0\0\0\1\0\0\1xy"])
def test_bytes_that_are_no_group_are_refused(broken: bytes):
    with pytest.raises(ValueError, match="amid"):
        Table().load_group(broken)


@given(
    st.lists(
        st.tuples(
            numbers, st.sampled_from([None, b"", b"a", b"ab", b"b"]), st.binary(max_size=3).map(b"a".__add__) | st.just(b"")
        )
    ),
    st.integers(1, (1 << 29) - 1),
)
def test_many_exchanges_do_what_each_does(steps: list[tuple[int, bytes | None, bytes]], mix: int):
    table = Table(mix)
    model: dict[int, bytes] = {}
    for key, prefix, data in steps:
        if not 0 <= key <= KEY_MAX:
            with pytest.raises(ValueError, match="cannot hold"):
                table.exchange_all([(key, prefix, data)])
            continue
        held = model.get(key, b"")
        wanted = prefix is None or (held.startswith(prefix) if held and prefix else not held and not prefix)
        assert table.exchange_all([(key, prefix, data)]) == [wanted]
        if wanted:
            model[key] = data
    people = [key for key, _, _ in steps if 0 <= key <= KEY_MAX] + [7]
    assert table.get_all(people) == [model.get(key, b"") for key in people]
    assert dict(table.items()) == {key: data for key, data in model.items() if data}


def test_a_bucket_that_is_split_leaves_each_record_in_the_bucket_of_its_key():
    table = Table(12_345)
    people = {13_000_000_000 + 7 * number: b"x" * (1 + number % 5) for number in range(5_000)}
    for key, data in people.items():
        table.put(key, data)
    for _ in range(3_000):
        table.grow()
    assert dict(table.items()) == people
    assert table.get_all(people) == list(people.values())


def test_a_table_grows_while_many_are_stored():
    table = Table(12_345)
    items = [(13_000_000_000 + 7 * number, b"", b"x" * (1 + number % 5)) for number in range(30_000)]
    assert table.exchange_all(items) == [True] * 30_000
    assert table.buckets * 2 >= 30_000
    assert table.get_all([key for key, _, _ in items]) == [data for _, _, data in items]


def data_of(people: int) -> bytes:
    """A group of so many records."""
    return b"".join([(key << 24 | 3).to_bytes(8, "big") + b"abc" for key in range(5_000_000, 5_000_000 + people)])


@given(
    st.lists(st.dictionaries(st.integers(0, 60), st.binary(min_size=1, max_size=5), max_size=12), max_size=4),
    st.sampled_from([0, 5, 300, 2_100]),
    st.integers(1, (1 << 29) - 1),
    st.sampled_from([b"", b"\0", b"\0\0\0\0\7\0\0\0", b"\0\0\0\0\7\0\0\2x", b"\0\0\0\0\7\xff\xff\xffx"]),
)
def test_groups_come_beside_what_is_there_and_broken_ones_change_nothing(
    groups: list[dict[int, bytes]], there: int, mix: int, torn: bytes
):
    table = Table(mix)
    table.make_room(records=there)
    table.exchange_all([(100 + number, None, b"x") for number in range(there)])
    model = {100 + number: b"x" for number in range(there)}
    for group in groups:
        table.load_group(b"".join([(key << 24 | len(data)).to_bytes(8, "big") + data for key, data in group.items()]))
        model |= group
    assert dict(table.items()) == model
    if torn:
        with pytest.raises(ValueError, match="amid"):
            table.load_group(data_of(40) + torn)
    else:
        table.load_group(data_of(40))
        model |= {5_000_000 + number: b"abc" for number in range(40)}
    assert dict(table.items()) == model
    assert len(table) == len(model)


def test_a_group_of_more_runs_than_any_has_is_loaded():
    table = Table(12_345)
    table.make_room(records=20_000)
    table.load_group(data_of(5_000))
    assert dict(table.items()) == {5_000_000 + number: b"abc" for number in range(5_000)}
