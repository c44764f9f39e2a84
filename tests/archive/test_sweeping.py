"""Sweeping: who else got a text, over tables and what is in none yet."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.archive.rests import AtHand
from proxy.archive.sweeping import Swept, sweep
from tests.archive.journals import Shelf, nights, synced
from tests.house import SHANGHAI, House

TEXT = "【甲店】第5号上新 拒收请回复R"


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path)


def swept(house: House, shelf: Shelf, text: str = TEXT, signature: str = "甲店", persons: bool = False) -> Swept:
    return sweep(
        shelf.folder,
        [AtHand(house.disk, 0)],
        shelf.keys,
        text=text,
        signature=signature,
        port="",
        since=house.now - 40 * 3600.0,
        until=house.now + 60,
        persons=persons,
    )


def test_all_of_a_campaign_is_counted_by_who_sent_it_also_what_is_in_no_table_yet(house: House, shelf: Shelf) -> None:
    nights(house)
    before = swept(house, shelf).campaign
    assert sum(one.passed for one in before) > 0
    shelf.roll(house.disk, house.now)
    assert swept(house, shelf).campaign == before, "rolled or not"
    house.submit("yi", SHANGHAI + 9, TEXT.replace("5", "77"))
    house.submit("yi", SHANGHAI + 10, "【甲店】快递到了, 请取件")
    synced(house)
    (mine,) = (one for one in swept(house, shelf).campaign if one.provider == "yi")
    assert (mine.passed, mine.persons, mine.signature) == (1, 1, "甲店"), "the parcel is another text"


def test_the_very_same_text_is_found_under_whatever_name_it_was_sent(house: House, shelf: Shelf) -> None:
    house.submit("yi", SHANGHAI + 9, TEXT)
    house.submit("yi", SHANGHAI + 10, TEXT.replace("甲店", "乙店"))
    synced(house)
    assert [one.passed for one in swept(house, shelf, signature="").campaign] == [1]


def test_whole_numbers_are_only_there_where_they_were_asked_for(house: House, shelf: Shelf) -> None:
    house.submit("yi", SHANGHAI + 9, TEXT)
    synced(house)
    assert swept(house, shelf).sealed == []
    ((sealed, provider, port, _),) = swept(house, shelf, persons=True).sealed
    assert (shelf.keys.unseal(sealed), provider, port) == (SHANGHAI + 9, "yi", "1069002")
    assert str(SHANGHAI + 9) not in repr(swept(house, shelf, persons=True))


def test_nothing_is_an_answer(house: House, shelf: Shelf) -> None:
    found = swept(house, shelf)
    assert (found.campaign, found.truncated) == ([], False)
