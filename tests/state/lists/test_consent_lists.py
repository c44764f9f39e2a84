"""Consents behave like a plain dictionary, over checkpoints and expiry."""

from __future__ import annotations

import json
from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyroaring import BitMap

from proxy.state import open_store
from proxy.state.lists.bloom import CHUNK_BITS, LOW_MASK
from proxy.state.lists.consent_lists import KEPT_OVER_S, ConsentBatch, ConsentIndex
from proxy.state.record import record
from proxy.state.record.consent_facts import WITHDRAWN_MAX, Withdrawal, withdraw

DAY_S = 86_400
NOW = 1_800_000_000
FIRST = 13800210000


def batch(number: int, advertiser: str = "甲", category: str = "", given: int = NOW - 100, **more: object) -> ConsentBatch:
    return ConsentBatch(
        number, advertiser, category, given, 0, "v1", "app", "jia", "ab" * 32, "f.csv", NOW, "li", "x", NOW + DAY_S
    )._replace(**more)  # type: ignore[arg-type]


def add(consented: ConsentIndex, number: int, *people: int) -> int:
    return sum(consented.add(number, one >> CHUNK_BITS, BitMap((one & LOW_MASK,))) for one in people)


@pytest.fixture
def two() -> ConsentIndex:
    """Of advertiser 甲: an old consent to loans of three people, a new one to anything of one of them."""
    found = ConsentIndex()
    found.put(batch(1, category="loan", given=NOW - 9 * DAY_S))
    found.put(batch(2))
    add(found, 1, FIRST, FIRST + 1, FIRST + 2)
    add(found, 2, FIRST)
    return found


def newest(consented: ConsentIndex, person: int, *, advertisers: str = "甲", categories: tuple[str, ...] = ("", "loan")) -> int:
    found = consented.newest(person, ("", *advertisers), categories, NOW)
    return found.number if found else 0


def test_the_newest_consent_that_covers_a_message_counts(two: ConsentIndex) -> None:
    assert [newest(two, FIRST + n) for n in range(4)] == [2, 1, 1, 0]
    assert newest(two, FIRST + 1, categories=("", "estate")) == 0
    assert newest(two, FIRST + 1, advertisers="乙") == 0
    assert two.newest(FIRST, ("甲",), ("",), NOW - 200) is None, "nobody had agreed by then"


def test_a_rejected_batch_is_none_and_one_taken_back_neither(two: ConsentIndex) -> None:
    for state in ("rejected", "withdrawn"):
        two.put(batch(2, state=state, reviewed=NOW))
        assert newest(two, FIRST) == 1
    two.put(batch(2, state="accepted", reviewed=NOW, reviewer="wang"))
    assert newest(two, FIRST) == 2


def test_a_number_that_is_somebody_elses_since_loses_what_was_agreed_to_before(two: ConsentIndex) -> None:
    assert two.end_before(FIRST, NOW - DAY_S) == 1
    assert [one.number for one in two.of(FIRST)] == [2]
    assert two.remove(FIRST) == 1
    assert two.of(FIRST) == []
    assert {one.number: count for one, count in two.batches()} == {1: 2, 2: 0}


def test_what_is_over_for_half_a_year_goes_and_its_number_is_not_given_again(two: ConsentIndex) -> None:
    two.put(batch(1, category="loan", given=NOW - 9 * DAY_S, until=NOW))
    assert two.expire(NOW + KEPT_OVER_S - 1) == 0
    assert two.expire(NOW + KEPT_OVER_S) == 3
    assert [one.number for one, _ in two.batches()] == [2]
    assert two.find(1) is None
    assert two.highest == 2


PEOPLE = [FIRST, FIRST + 1, 13900000000, 19900000000]
GIVEN = {number: NOW - number * DAY_S for number in range(1, 5)}


class Model:
    """A dictionary beside it."""

    def __init__(self) -> None:
        self.consented = ConsentIndex()
        self.people = {number: set[int]() for number in GIVEN}
        for number, at in GIVEN.items():
            self.consented.put(batch(number, given=at))

    def step(self, what: str, number: int, person: int) -> None:
        if what == "add":
            add(self.consented, number, person)
            self.people[number].add(person)
            return
        if what == "remove":
            self.consented.remove(person)
        else:
            self.consented.end_before(person, GIVEN[number])
        for one, people in self.people.items():
            if what == "remove" or GIVEN[one] < GIVEN[number]:
                people.discard(person)

    def collect(self, most: int, done: bool) -> dict[int, bytes]:
        """A checkpoint that is committed, or not."""
        found: dict[int, bytes] = {}
        self.consented.freeze()
        while rows := self.consented.collect(most):
            found |= dict(rows)
        self.consented.thaw(done)
        return found if done else {}

    def check(self, found: ConsentIndex) -> None:
        for person in PEOPLE:
            mine = [number for number, people in self.people.items() if person in people]
            assert [one.number for one in found.of(person)] == sorted(mine, reverse=True)
            assert newest(found, person) == min(mine, default=0)
        assert {one.number: count for one, count in found.batches()} == {n: len(people) for n, people in self.people.items()}


STEPS = st.tuples(st.sampled_from(("add", "remove", "end")), st.integers(1, 4), st.sampled_from(PEOPLE))


@given(st.lists(STEPS, max_size=40))
def test_it_holds_what_a_dictionary_would_and_the_same_after_checkpoints_amid_it(steps: list[tuple[str, int, int]]) -> None:
    model, kept = Model(), dict[int, bytes]()
    for place, step in enumerate(steps):
        model.step(*step)
        if place % 3 == 0:
            kept |= model.collect(2, done=place % 2 == 0)
    kept |= model.collect(3, done=True)
    again = ConsentIndex()
    again.restore((row, data) for row, data in kept.items() if data)
    model.check(model.consented)
    model.check(again)


def test_a_checkpoint_of_the_store_brings_them_back(tmp_path) -> None:
    url = f"sqlite:///{tmp_path}/state.db"
    store = open_store(url)
    store.consented.put(batch(7))
    add(store.consented, 7, FIRST)
    store.erased.add(1 << 63 | 5, FIRST)
    store.checkpoint_now(counted=0, open_from=1, highest_id=0)
    store.close()
    again = open_store(url)
    assert again.consented.of(FIRST) == [batch(7)]
    assert again.consented.highest == 7
    again.erased.named = lambda number: 1 << 63 | 5
    assert again.erased.has(FIRST)
    again.close()


def test_a_million_consents_take_little_memory_and_a_look_is_quick() -> None:
    """By what the bitmaps say of themselves: 2 bytes a person at random, far less where numbers follow each other."""
    consented = ConsentIndex()
    consented.put(batch(1))
    for place in range(FIRST >> CHUNK_BITS, (FIRST >> CHUNK_BITS) + 10):
        consented.add(1, place, BitMap(array("I", range(0, 1 << CHUNK_BITS, 10))))
    packed = sum(len(consented._packed(row)) for row in consented._chunks)
    assert consented.batches()[0][1] == 1_048_580
    assert packed / 1_048_580 < 2.1


def test_a_person_takes_back_of_one_of_all_and_the_newer_word_stays() -> None:
    data = withdraw(record.EMPTY, Withdrawal("甲", "", 100))
    data = withdraw(data, Withdrawal("乙", "loan", 200))
    assert withdraw(data, Withdrawal("甲", "", 50)) == data, "an older word changes nothing"
    data = withdraw(data, Withdrawal("甲", "", 300))
    assert record.withdrawals(data) == [Withdrawal("乙", "loan", 200), Withdrawal("甲", "", 300)]
    data = withdraw(data, Withdrawal("", "", 400))
    assert record.withdrawals(data) == [Withdrawal("", "", 400)]
    for number in range(WITHDRAWN_MAX + 5):
        data = withdraw(data, Withdrawal(f"商{number}", "", 500 + number))
    assert len(record.withdrawals(data)) <= WITHDRAWN_MAX + 1
    with pytest.raises(ValueError, match="at most"):
        withdraw(record.EMPTY, Withdrawal("商" * 90, "", 1))


def test_what_was_taken_back_is_no_refusal_and_keeps_the_record() -> None:
    data = withdraw(record.EMPTY, Withdrawal("甲", "", 100))
    assert record.opt_outs(data) == []
    assert not record.is_stale(data, NOW, 0)
    seen = record.Record(data)
    assert [one.state for one in seen.consents(frozenset(("", "甲")), frozenset(("",)), NOW)] == ["revoked"]
    assert seen.consents(frozenset(("", "乙")), frozenset(("",)), NOW) == []


def test_a_batch_is_written_as_earlier_gates_have_it_where_it_says_no_more(two: ConsentIndex) -> None:
    two.put(batch(3, proof_by="wang"))
    two.put(batch(4, source="reply", wording="同意请回Y"))
    two.freeze()
    rows = two.collect(100)
    sizes = {row >> 32: len(json.loads(data)) for row, data in rows if row & 0xFFFF_FFFF == 0xFFFF_FFFF}
    assert sizes == {1: 18, 2: 18, 3: 19, 4: 20}
    again = ConsentIndex()
    again.restore(rows)
    assert again.batches() == two.batches()


def test_replies_of_the_same_terms_are_one_batch_until_it_is_decided_about() -> None:
    found = ConsentIndex()
    terms = ("甲", "marketing", NOW, 0, "ask")
    one = batch(1, category="marketing", given=NOW, version="ask", source="reply", wording="同意请回Y")
    found.put(one)
    assert found.of_replies(terms, "jia", "同意请回Y", "") == one
    assert found.of_replies(terms, "yi", "同意请回Y", "") is None
    assert found.of_replies(terms, "jia", "同意请回1", "") is None
    assert found.of_replies(terms, "jia", "同意请回Y", "the setting") is None
    assert found.of_replies(("甲", "marketing", NOW + DAY_S, 0, "ask"), "jia", "同意请回Y", "") is None
    found.put(one._replace(state="accepted", reviewed=NOW, reviewer="wang"))
    assert found.of_replies(terms, "jia", "同意请回Y", "") is None
    assert found.of_replies(terms, "jia", "同意请回Y", "the setting") is None


def test_a_person_is_taken_out_of_one_batch_alone(two: ConsentIndex) -> None:
    two.take_out(2, FIRST)
    two.take_out(9, FIRST)
    assert [one.number for one in two.of(FIRST)] == [1]
