"""Where a checkpoint lets replay begin: never inside an import, because replaying it again must change nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.journal.encoding import pack
from proxy.journal.records import messages
from proxy.journal.records.consents import ConsentChange
from proxy.operations.number_chunks import put_in_force
from proxy.relay.effects.consents import change_beside
from proxy.relay.effects.list_import import KEPT, ChunkedImports
from proxy.relay.effects.replay import replay
from tests.relay.effects.test_consents import LI, NOW, Desk, agreed

SPANS = st.lists(st.tuples(st.integers(1, 60), st.integers(0, 20)).map(lambda one: (one[0], sum(one))), max_size=12)


def test_a_place_amid_one_goes_back_to_its_first_record_and_on_to_that_of_one_around_that() -> None:
    known = ChunkedImports()
    known.ended(10, 20)
    known.ended(18, 30)
    assert [known.outside(place) for place in (9, 10, 11, 18, 19, 25, 30, 31)] == [9, 10, 10, 10, 10, 10, 10, 31]


def test_what_a_restart_has_read_is_read_whole_again_or_not_at_all() -> None:
    known = ChunkedImports(read_from=40, read_to=90)
    assert [known.outside(place) for place in (40, 41, 90, 91)] == [40, 40, 40, 91]


@given(SPANS, st.integers(1, 100))
def test_it_is_the_newest_place_that_is_amid_none(spans: list[tuple[int, int]], place: int) -> None:
    known = ChunkedImports()
    for first, last in spans:
        known.ended(first, last)
    amid = {one for first, last in spans for one in range(first + 1, last + 1)}
    assert known.outside(place) == max(one for one in range(place + 1) if one not in amid)


def test_those_that_are_long_over_go_and_the_last_ones_stay() -> None:
    known = ChunkedImports()
    for number in range(1000):
        known.ended(number * 10 + 1, number * 10 + 5)
    assert known.outside(9_999) == 9_999
    assert known.outside(9_993) == 9_991
    assert len(known._ended) == KEPT


def test_who_is_forgotten_amid_a_file_and_agrees_with_it_has_agreed_when_the_journal_is_read_again() -> None:
    """The last checkpoint has all of it, and the journal is read from a message that was in flight amid the file."""
    desk, known = Desk(), ChunkedImports()
    incoming = desk.begin(agreed())
    in_flight = desk.write(messages.CLOCK, pack(messages.Clock(NOW, 1.0)))
    desk.befalls(ConsentChange(NOW, LI, "erased", "ops", "why", name=7))
    desk.numbers(incoming, 0, LI)
    (batch,) = desk.end(incoming)
    known.ended(incoming.sequence, len(desk.journal))

    def read_from(place: int) -> list[int]:
        replay(desk.store, desk.journal[place - 1 :], len(desk.journal))
        return [one.number for one in desk.store.consented.of(LI)]

    assert known.outside(in_flight) == incoming.sequence
    assert read_from(known.outside(in_flight)) == [batch]
    assert read_from(in_flight) == [], "this is why"


def test_what_is_written_whole_comes_in_force_whole_though_whoever_asked_goes_away() -> None:
    came: list[int] = []

    def chunks() -> Iterator[int]:
        for number in range(5):
            came.append(number)
            yield 1

    async def goes_away() -> None:
        asking = asyncio.create_task(put_in_force(chunks()))
        await asyncio.sleep(0)
        assert came == [0]
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking

    asyncio.run(goes_away())
    assert came == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("event", ["erased", "recycled"])
def test_who_is_taken_out_while_a_file_comes_in_force_is_in_none_of_it(event: str) -> None:
    """Its end is written before: it is the older of the two, however much of it is still to come."""
    desk = Desk()
    incoming = desk.begin(agreed(), agreed("乙公司"))
    desk.numbers(incoming, 0, LI)
    desk.numbers(incoming, 1, LI)
    whole = incoming.whole(NOW, desk.store.consented)
    desk.write(messages.CONSENT_EVENT, pack(whole))
    coming = incoming.apply(whole, desk.store.consented)
    assert next(coming) == 1
    desk.befalls(ConsentChange(NOW + 1, LI, event, "ops", "why", before=NOW, name=7))
    assert sum(coming) == 1, "its chunk is still to come"
    assert desk.store.consented.of(LI) == desk.again().consented.of(LI) == []


def test_who_is_taken_out_before_a_file_is_whole_is_in_it() -> None:
    desk = Desk()
    incoming = desk.begin(agreed())
    change_beside(desk.store, ConsentChange(NOW, LI, "erased", "ops", "why", name=7))
    desk.numbers(incoming, 0, LI)
    desk.end(incoming)
    assert len(desk.store.consented.of(LI)) == 1
