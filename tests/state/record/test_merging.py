"""A node restores its own entries and facts in a record, repeatably."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from proxy.model.message import Category
from proxy.model.recipient import Entry, EntryState, OptOut
from proxy.state.record import record
from proxy.state.record.consent_facts import Withdrawal, withdraw
from proxy.state.record.merging import NODE_SHIFT, merged, newest_of, with_facts
from proxy.state.record.record import EMPTY

NOW, KEEP_S = 1_700_000_000, 86_400
MINE, THEIRS = 1, 2
REFUSAL = OptOut("advertiser", "91110000MA01TEST01", NOW, "reply", 0)


def entry(node: int, number: int, at: int = NOW, state: EntryState = EntryState.OPEN) -> Entry:
    return Entry(node << NODE_SHIFT | number, at, 0, 1, 1, Category.MARKETING, 0, 0, 0, state)


def holding(*entries: Entry) -> bytes:
    data = EMPTY
    for one in entries:
        data = record.add(data, one, NOW, KEEP_S)
    return data


def ids(data: bytes) -> list[tuple[int, int]]:
    return [(one.id >> NODE_SHIFT, one.id & 0xFFFF) for one in record.entries(data)]


def test_where_nothing_is_missing_it_is_the_very_same():
    data = record.opt_out(holding(entry(MINE, 1), entry(THEIRS, 2)), REFUSAL)
    assert merged(data, data, MINE, 0, 0) is data
    assert merged(data, EMPTY, MINE, 0, NOW + 1) is data


def test_own_entries_that_were_lost_are_put_back_and_others_are_left_alone():
    theirs, mine = holding(entry(THEIRS, 1), entry(THEIRS, 9)), holding(entry(THEIRS, 1), entry(MINE, 2, NOW + 5))
    assert ids(merged(theirs, mine, MINE, NOW, NOW)) == [(THEIRS, 1), (THEIRS, 9), (MINE, 2)]


def test_what_is_older_than_the_loss_is_not_put_back():
    mine = holding(entry(MINE, 1, NOW - 100), entry(MINE, 2))
    assert ids(merged(EMPTY, mine, MINE, NOW - 60, NOW - 60)) == [(MINE, 2)]


def test_an_entry_whose_swap_was_taken_and_nobody_heard_of_is_removed_but_not_one_of_an_earlier_life():
    theirs = holding(entry(MINE, 1, NOW), entry(MINE, 2, NOW + 10), entry(THEIRS, 3, NOW + 10))
    assert ids(merged(theirs, EMPTY, MINE, 0, NOW + 5)) == [(MINE, 1), (THEIRS, 3)]


def test_the_state_of_an_own_entry_and_the_fingerprint_of_an_unknown_outcome_come_along():
    theirs = holding(entry(MINE, 1))
    mine = record.mark_unknown(theirs, entry(MINE, 1).id, 4711)
    after = merged(theirs, mine, MINE, NOW, NOW)
    assert record.find_unknown(after, 4711, NOW - 1) is not None
    assert merged(after, mine, MINE, NOW, NOW) is after


def test_refusals_and_withdrawals_are_put_back_and_a_newer_word_stands():
    mine = withdraw(record.opt_out(EMPTY, REFUSAL), Withdrawal("", "marketing", NOW))
    after = merged(holding(entry(THEIRS, 1)), mine, MINE, NOW, NOW)
    assert record.opt_outs(after) == [REFUSAL]
    assert [one.category for one in record.withdrawals(after)] == ["marketing"]
    newer = record.opt_out(EMPTY, REFUSAL._replace(time=NOW + 9))
    assert record.opt_outs(merged(newer, mine, MINE, NOW, NOW)) == record.opt_outs(newer)
    officers = record.opt_out(EMPTY, REFUSAL._replace(time=NOW + 9, source="officer"))
    assert record.opt_outs(merged(officers, mine, MINE, NOW, NOW)) == [REFUSAL, *record.opt_outs(officers)]
    assert record.opt_outs(merged(EMPTY, mine, MINE, NOW + 1, NOW)) == []


def test_words_alone_leave_entries_as_they_are():
    theirs, mine = holding(entry(MINE, 1)), record.opt_out(holding(entry(MINE, 2)), REFUSAL)
    assert ids(with_facts(theirs, mine, NOW)) == [(MINE, 1)]
    assert record.opt_outs(with_facts(theirs, mine, NOW)) == [REFUSAL]


def test_when_a_node_last_had_something_to_say():
    assert newest_of(EMPTY, MINE) == 0
    assert newest_of(holding(entry(THEIRS, 1, NOW + 9), entry(MINE, 2)), MINE) == NOW
    assert newest_of(record.opt_out(holding(entry(THEIRS, 1, NOW + 9)), REFUSAL), MINE) == NOW


@given(
    st.lists(
        st.tuples(st.sampled_from((MINE, THEIRS)), st.integers(1, 30), st.integers(0, 50)),
        max_size=20,
        unique_by=lambda one: one[:2],
    ),
    st.sets(st.integers(1, 30)),
    st.sets(st.integers(1, 30)),
    st.integers(0, 50),
)
def test_twice_is_once_and_every_node_together_give_back_all(all_of, lost, unheard, since):
    whole = [entry(node, number, NOW + at) for node, number, at in sorted(all_of, key=lambda one: one[2])]
    mine = holding(*[one for one in whole if one.id >> NODE_SHIFT == MINE or one.id & 0xFFFF not in unheard])
    theirs = holding(*[one for one in whole if one.id & 0xFFFF not in lost])
    after = merged(theirs, mine, MINE, NOW + since, 0)
    assert merged(after, mine, MINE, NOW + since, 0) == after
    other = merged(theirs, holding(*whole), THEIRS, NOW + since, 0)
    both = merged(merged(theirs, mine, MINE, NOW, 0), holding(*whole), THEIRS, NOW, 0)
    assert sorted(ids(both)) == sorted(ids(holding(*whole)))
    assert {one for one in ids(after) if one[0] == THEIRS} == {one for one in ids(theirs) if one[0] == THEIRS}
    assert {one for one in ids(other) if one[0] == MINE} == {one for one in ids(theirs) if one[0] == MINE}
