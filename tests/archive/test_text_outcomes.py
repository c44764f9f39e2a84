"""Texts of a period by what became of them, over tables and unrolled records."""

from __future__ import annotations

from proxy.archive.coverage import LocalJournal
from proxy.archive.text_outcomes import TextOutcome, text_outcomes
from tests.archive.journals import Shelf, nights, synced
from tests.harness import BEIJING, SHANGHAI, Harness


def grouped(harness: Harness, shelf: Shelf, *complained: str) -> list[TextOutcome]:
    since, until = harness.now - 40 * 3600.0, harness.now + 60
    journals = [LocalJournal(harness.disk, 0)]
    found = text_outcomes(shelf.folder, journals, shelf.keys, since=since, until=until, complained=complained)
    assert not found.truncated
    return found.texts


def test_each_text_is_told_once_with_its_verdict_and_no_digit(harness: Harness, shelf: Shelf) -> None:
    harness.submit("jia", SHANGHAI, "【甲店】第5号上新 拒收请回复R")
    harness.submit("jia", SHANGHAI + 1, "【甲店】第77号上新 拒收请回复R")
    harness.submit("jia", BEIJING, "【甲店】第5号上新 拒收请回复R")
    synced(harness)
    assert sorted((one.text, one.verdict, one.reason, one.judged, one.messages) for one in grouped(harness, shelf)) == [
        ("【甲店】第0号上新 拒收请回复R", "allow", "", False, 2),
        ("【甲店】第0号上新 拒收请回复R", "reject", "region-ban", True, 1),
    ]


def test_tables_and_the_journal_say_the_same(harness: Harness, shelf: Shelf) -> None:
    nights(harness)
    before = grouped(harness, shelf)
    assert sum(one.messages for one in before) > 0
    shelf.roll(harness.disk, harness.now)
    assert grouped(harness, shelf) == before


def test_a_complaint_marks_all_messages_with_the_same_text_and_verdict(harness: Harness, shelf: Shelf) -> None:
    harness.submit("jia", SHANGHAI, "【甲店】第5号上新 拒收请回复R")
    harness.submit("jia", SHANGHAI + 1, "【乙店】您的快件已到")
    synced(harness)
    (sequence,) = {hit for hit in _sequences(harness, shelf) if hit}
    assert {one.text: one.complained for one in grouped(harness, shelf, f"0:{sequence}", "nonsense", "a:b")} == {
        "【甲店】第0号上新 拒收请回复R": True,
        "【乙店】您的快件已到": False,
    }


def _sequences(harness: Harness, shelf: Shelf) -> list[int]:
    from proxy.archive.query import Query
    from proxy.archive.search import find

    question = Query(to=SHANGHAI).checked()
    (hit,) = find(shelf.folder, [LocalJournal(harness.disk, 0)], shelf.keys, question, harness.now + 1).hits
    return hit.sequences
