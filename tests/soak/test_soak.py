"""Ten seconds of what ``make soak`` does for hours, on a gate that leaks and with a carrier that forgets one receipt: both are found, and
nothing else is. And that each other fault has its name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.soak import judgement
from tests.soak.judgement import Bounds, Sample, fitted, memory_slope
from tests.soak.soak import Plan, soak
from tests.soak.tally import ACCEPTED, ANSWERED, CUT, GOT, OWED, RESENT, TAKEN, Tally

WELL = ANSWERED | ACCEPTED | TAKEN | OWED | GOT
LEAK_BYTES_S = 16 << 20
SLOPE_MIB_H = 8 * 3600.0
"""Half of that: a gate that has just been started grows, too."""


@pytest.mark.timeout(120)
def test_a_gate_that_leaks_and_a_receipt_that_is_lost_are_found_and_all_else_is_well(tmp_path: Path) -> None:
    report = soak(tmp_path, Plan(200, 6, SLOPE_MIB_H, leak_bytes_s=LEAK_BYTES_S, lose_receipts=1))
    assert len(report.faults) == 2, report
    lost, leaked = sorted(report.faults, reverse=True)
    assert lost == "receipts lost"
    assert leaked.startswith("MiB/h of memory more")
    assert report.faults[lost] == 1
    assert report.faults[leaked] > SLOPE_MIB_H
    done = report.counts
    assert done["accepted"] > 400
    assert min(done["replies"], done["binds lost"], done["links cut"], done["copies"], done["commands"]) > 0
    assert min(done["reloads by SIGHUP"], done["reloads by command"]) > 0


def sample(at_s: float, memory_mib: float) -> Sample:
    return Sample(at_s, memory_mib, 30, 9, 9, 1_000_000, 10, 1, 0, 0)


def test_memory_that_grows_in_the_first_half_and_not_in_the_second_is_no_slope() -> None:
    level = [sample(place * 10.0, min(100.0, 50 + place) + place % 3) for place in range(720)]
    line = memory_slope(level)
    assert abs(line.slope) < 0.2
    assert 0 < line.error < 0.2


def test_a_slope_is_in_mebibytes_an_hour_and_has_its_error() -> None:
    grows = [sample(place * 10.0, 100 + place * 10 / 3600 * 20 + (place * 7919 % 13) / 10) for place in range(720)]
    line = memory_slope(grows)
    assert line.slope == pytest.approx(20, abs=0.5)
    faults = judgement.of_the_process(grows[0], grows[0], grows, Bounds(16))
    assert list(faults.values()) == [20]
    assert not judgement.of_the_process(grows[0], grows[0], grows, Bounds(24))
    assert not judgement.of_the_process(grows[0], grows[0], grows, Bounds(None))


def test_three_points_on_a_line_lie_on_it() -> None:
    line = fitted([(0, 1), (1, 3), (2, 5)])
    assert tuple(line) == pytest.approx((2, 0))
    assert fitted([(0, 1), (1, 3)]).error > 1e9


def test_no_samples_are_no_proof_that_memory_is_steady() -> None:
    one = sample(0, 100)
    assert judgement.of_the_process(one, one, [], Bounds(16))


def test_descriptors_tasks_and_segments_that_pile_up_are_named() -> None:
    first = sample(0, 100)
    last = replace(first, descriptors=40, tasks=20)
    faults = judgement.of_the_process(first, last, [replace(first, journal_mib=500)], Bounds(None, journal_mib=400))
    assert {what.split()[0]: count for what, count in faults.items()} == {"descriptors": 10, "tasks": 11, "MiB": 500}


@pytest.mark.parametrize(
    ("flags", "fault"),
    [
        (TAKEN, "submits never answered"),
        (CUT, "submits cut off, though nobody was away"),
        (ANSWERED | ACCEPTED, "accepted that the carrier never took"),
        (ANSWERED | ACCEPTED | TAKEN, "accepted that the carrier refused"),
        (WELL & ~GOT, "receipts lost"),
        (ANSWERED | TAKEN | GOT, "receipts of nothing"),
    ],
)
def test_what_became_of_a_submit_has_its_name(flags: int, fault: str) -> None:
    submits = Tally()
    submits.add(0, WELL)
    submits.add(0, flags)
    assert judgement.of_the_messages(submits, Tally(), ())[fault] == 1


def test_a_receipt_comes_twice_only_where_its_sender_or_its_reader_lost_the_line() -> None:
    submits = Tally()
    for owner, flags in ((0, 0), (0, RESENT), (1, 0)):
        number = submits.add(owner, (WELL & ~GOT) | flags)
        submits.got(number)
        submits.got(number)
    assert judgement.of_the_messages(submits, Tally(), restless=(1,)) == {"receipts twice, though nobody was away": 1}


def test_a_bind_that_was_lost_excuses_who_loses_binds() -> None:
    submits, replies = Tally(), Tally()
    submits.add(1, CUT | TAKEN | OWED | GOT)
    replies.add(0, OWED)
    assert judgement.of_the_messages(submits, replies, restless=(1,)) == {"replies lost": 1}


def test_a_tally_knows_what_is_still_missing_over_many_thousand_numbers() -> None:
    tally = Tally()
    for _ in range(200_000):
        tally.add(3)
    for number in (0, 70_000, 199_999):
        tally.owe(number)
    tally.got(70_000)
    tally.got(70_000)
    assert tally.missing == 2
    assert sum(tally.kinds((3,)).values()) == 200_000
    assert all(away for _, away in tally.kinds((3,)))
