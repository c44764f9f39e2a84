"""A consumer that obeys tombstones has the rows that the tables have, before an erasure and after it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from proxy.archive.person_erasure import REFUSALS
from tests.archive.stream.made import events_of
from tests.archive.test_person_erasure import RINGS, Case


def rows_of(events: list[dict[str, Any]]) -> list[tuple[int, str, int, int, str]]:
    """What a table of the events holds: those that are erased are gone, of refusals the hash stays."""
    gone = [one["data"]["tombstone"] for one in events if "tombstone" in one["data"]]
    rows = list[tuple[int, str, int, int, str]]()
    for event in events:
        sequence = event["data"]["sequence"]
        for row in event["data"].get("rows", ()):
            person, text = row.get("person", "0"), row.get("text", "")
            if any(one["person"] == person and one["first"] <= sequence <= one["last"] for one in gone):
                if row["kind"] not in REFUSALS:
                    continue
                text = ""
            rows.append((int(person), row["kind"], sequence, row.get("place", 0), text))
    return rows


@pytest.mark.parametrize("ring", RINGS)
def test_rows_that_an_erasure_takes_from_the_tables_go_from_a_consumer_too(ring: str, tmp_path: Path) -> None:
    case = Case(tmp_path / "gate", RINGS[ring])
    events = list(events_of(case.disk, 0, case.shelf.keys))
    last = case.shelf.manifest().last

    def agree() -> None:
        of_stream = [row for row in rows_of(events) if row[2] <= last]
        assert [row[:4] for row in of_stream] == case.shelf.rows("person, kind, sequence, place")
        assert [row[4] for row in of_stream if row[1] == "stopped"] == [
            text for (text,) in case.shelf.rows("text", "kind = 'stopped'")
        ]

    agree()
    before = len(rows_of(events))
    erased = case.erase()
    assert erased.records > 0
    events += events_of(case.disk, 0, case.shelf.keys, events[-1]["data"]["sequence"])
    agree()
    assert len(rows_of(events)) < before


def test_a_consumer_that_begins_after_an_erasure_sees_nothing_of_the_person(tmp_path: Path) -> None:
    case = Case(tmp_path / "gate", RINGS["plain"])
    case.erase()
    last = case.shelf.manifest().last
    of_stream = [row[:4] for row in rows_of(list(events_of(case.disk, 0, case.shelf.keys))) if row[2] <= last]
    assert of_stream == case.shelf.rows("person, kind, sequence, place")
