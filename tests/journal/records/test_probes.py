"""Probes without a gate: matching replies, final states, merging of two gates' records."""

from __future__ import annotations

import pytest

from proxy.journal.encoding import pack, unpack
from proxy.journal.records import messages
from proxy.journal.records.probes import (
    ENDED,
    FAILED,
    LATE_S,
    NOT_SENT,
    PROBES_MAX,
    PROVEN,
    WAITING,
    Probe,
    ProbeAttempt,
    ProbePending,
    Probes,
    finished,
    likeness,
    merged,
    store_record,
)
from proxy.journal.write_ahead_log import JournalDown
from proxy.model.message import hash48
from proxy.state.lists.desk_records import DeskRecords

NOON = 1_794_369_600.0
PHONE, OTHER = 13800210990, 13800210991


def probe(port: str = "10690015", prefix: str = "1069001", *, at: float = NOON, node: int = 1, keyword: str = "TD") -> Probe:
    tries = (ProbeAttempt(PHONE, "desk", at + 0.1), ProbeAttempt(OTHER, "drawer", at + 0.1))
    return Probe(prefix, port, keyword, "li (uid 7, pid 8)", "monthly", node, at, 120.0, WAITING, 0.0, tries)


class Desk:
    def __init__(self, papers: DeskRecords | None = None) -> None:
        self.papers = papers or DeskRecords()
        self.records: list[tuple[int, bytes]] = []
        self.down = False
        self.probes = Probes(self.papers, self.write)

    def write(self, records) -> int:
        if self.down:
            raise JournalDown("full")
        self.records += records
        return len(self.records)

    def answered(self, number: int = PHONE, port: str = "10690015", *words: str, at: float = NOON + 9):
        return self.probes.answered(number, port, lambda: set(words or ("TD",)), at)


def test_a_probe_comes_back_from_its_octets_as_it_was() -> None:
    one = probe().with_try(0, accepted_at=NOON + 0.25, answered_at=NOON + 7.125, said="ＴＤ。")
    one = finished(one.with_try(1, problem="no link"), NOON + 8)
    assert unpack(Probe, pack(one)) == one
    assert (one.tries[0].accepted_ms, one.tries[0].answered_ms, one.tries[1].answered_ms) == (150, 7025, None)


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("10690015", "10690015", True),
        ("10690015", "8610690015", True),
        ("10690015", "+8610690015", True),
        ("10690015", "008610690015", True),
        ("10690015", "1069001", True),
        ("10690015", "106900154", True),
        ("86106900154", "10690015", True),
        ("10690015", "10690016", False),
        ("10690015", "1069", False),
        ("10690015", "", False),
        ("95588", "955", False),
        ("95588", "955881", True),
        ("SHOP", "SHOP", True),
        ("SHOPS", "SHOPSX", False),
    ],
)
def test_a_port_is_the_same_though_it_is_longer_shorter_or_begins_with_86(one: str, other: str, alike: bool) -> None:
    assert bool(likeness(one, other)) is bool(likeness(other, one)) is alike


def test_only_the_test_number_the_port_and_the_keyword_of_a_probe_answer_it() -> None:
    desk = Desk()
    desk.probes.begin(probe())
    assert desk.answered() == (probe(), 0)
    assert desk.answered(OTHER) == (probe(), 1)
    assert desk.answered(13800210992) is None
    assert desk.answered(PHONE, "10690025") is None
    assert desk.answered(PHONE, "10690015", "R", "退订") is None
    assert desk.answered(PHONE, "10690015", "R", "TD") == (probe(), 0)


def test_nobody_reads_a_reply_of_a_stranger() -> None:
    desk = Desk()
    desk.probes.begin(probe())

    def never() -> set[str]:
        raise AssertionError("the text was looked at")

    assert desk.probes.answered(13800210992, "10690015", never, NOON) is None
    assert desk.probes.answered(PHONE, "10690099", never, NOON) is None
    assert not desk.probes.knows(13800210992)


def test_of_two_probes_the_port_that_is_more_alike_is_meant() -> None:
    desk = Desk()
    desk.probes.begin(probe("10690015"))
    desk.probes.begin(probe("106900151", "106900151"))
    assert desk.answered(PHONE, "106900151")[0].prefix == "106900151"
    assert desk.answered(PHONE, "10690015")[0].prefix == "1069001"
    assert desk.answered(PHONE, "1069001512")[0].prefix == "106900151"


def test_a_late_reply_is_a_probes_for_a_day_and_then_anybodys() -> None:
    desk = Desk()
    desk.probes.put(finished(probe().with_try(0, accepted_at=NOON + 1), NOON + 120))
    assert desk.answered(at=NOON + LATE_S - 1) is not None
    assert desk.answered(at=NOON + LATE_S) is None
    assert desk.answered(at=NOON - 1) is None, "a clock that was set back"


def test_one_probe_of_a_prefix_at_a_time_until_its_time_is_over() -> None:
    desk = Desk()
    desk.probes.begin(probe())
    with pytest.raises(ProbePending):
        desk.probes.begin(probe(at=NOON + 60))
    desk.probes.begin(probe("10690029", "1069002", at=NOON + 60))
    desk.probes.begin(probe(at=NOON + 120))
    assert [kind for kind, _ in desk.records] == [messages.PROBE] * 3


@pytest.mark.parametrize(
    ("first", "second", "state"),
    [
        ({"answered_at": NOON + 9}, {"accepted_at": NOON + 1}, PROVEN),
        ({"accepted_at": NOON + 1}, {"problem": "refused"}, FAILED),
        ({"problem": "refused"}, {"problem": "refused"}, NOT_SENT),
        ({}, {}, NOT_SENT),
    ],
)
def test_what_a_probe_comes_to(first: dict[str, object], second: dict[str, object], state: str) -> None:
    assert finished(probe().with_try(0, **first).with_try(1, **second), NOON + 120).state == state


def test_where_the_journal_is_down_nothing_is_changed() -> None:
    desk = Desk()
    desk.down = True
    with pytest.raises(JournalDown):
        desk.probes.begin(probe())
    assert (desk.probes.all(), desk.papers.held) == ([], {})


def test_what_another_gate_wrote_of_a_probe_is_put_together_in_any_order() -> None:
    sent = probe().with_try(0, accepted_at=NOON + 1)
    there = finished(probe().with_try(0, answered_at=NOON + 7, said="TD"), NOON + 7)
    timed_out = finished(sent, NOON + 120)
    for one, other in ((sent, there), (timed_out, there)):
        for told in (merged(one, other), merged(other, one)):
            assert told.state == PROVEN
            assert (told.tries[0].accepted_at, told.tries[0].answered_at) == (NOON + 1, NOON + 7)
    assert merged(sent, sent._replace(state=ENDED)).state == ENDED
    later = probe(at=NOON + 500)
    assert merged(there, later) == merged(later, there) == later


def test_a_restart_and_another_gate_find_the_last_probe_of_each_prefix() -> None:
    desk = Desk()
    desk.probes.begin(probe())
    other = Desk()
    store_record(other.papers, desk.records[0][1])
    assert other.probes.reread() == ["1069001"]
    assert other.probes.find("1069001") == probe()
    assert other.answered() is not None
    again = Desk(desk.papers)
    assert again.probes.all() == [probe()]
    assert again.probes.reread() == []


def test_no_more_probes_are_kept_than_there_may_be() -> None:
    desk = Desk()
    for number in range(PROBES_MAX + 5):
        desk.probes.begin(probe(str(1069000000 + number), str(1069000000 + number), at=NOON + number))
    assert len(desk.probes.all()) == len(desk.papers.held) == PROBES_MAX
    assert desk.probes.find("1069000004") is None
    assert hash48("1069000004") not in desk.papers.held
    assert desk.answered(PHONE, "1069000004", at=NOON + 11_000) is None
