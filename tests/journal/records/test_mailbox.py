"""Records of the mailbox are read back as packed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.journal.encoding import pack, unpack
from proxy.journal.records import mailbox, messages

NUMBERS = st.lists(st.integers(0, (1 << 64) - 1), max_size=50)
TIMES = st.integers(0, 1 << 42).map(lambda ms: ms / 1000)


@given(TIMES, NUMBERS)
def test_a_record_of_delivered_ones_says_which(now, numbers):
    assert unpack(mailbox.Delivered, pack(mailbox.Delivered(now, numbers))) == (int(now * 1000) / 1000, tuple(numbers))


@given(TIMES, st.lists(st.tuples(st.integers(0, (1 << 64) - 1), st.sampled_from(mailbox.WHYS)), max_size=50))
def test_a_record_of_dropped_ones_says_which_and_why(now, dropped):
    said = unpack(mailbox.Dropped, pack(mailbox.Dropped(now, tuple(dropped))))
    assert list(said.delivers) == dropped
    assert said.time == int(now * 1000) / 1000


@pytest.mark.parametrize("providers", [("jia",), ("通道商", "jia-2"), ("a", "b", "c")])
def test_a_record_of_providers_that_are_no_more_names_them(providers):
    assert unpack(mailbox.Disowned, pack(mailbox.Disowned(5.25, providers))) == (5.25, providers)


def test_every_kind_of_the_journal_has_a_word():
    assert {messages.DELIVERED, messages.DROPPED, messages.DISOWNED} == {9, 10, 11}
    assert len(set(messages.KINDS.values())) == len(messages.KINDS)
