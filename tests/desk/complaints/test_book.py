"""Complaint cases have keys, due dates and allowed decisions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from proxy.desk.complaints.book import KEEP_S, CaseBook, Complaint, DueDays, MatchedMessage, digits_agree, due_dates
from proxy.desk.complaints.operations import _due_today
from proxy.journal.encoding import pack, unpack
from proxy.journal.records import messages
from proxy.journal.records.complaints import EVENTS_MAX, NOT_OURS, Case
from proxy.journal.write_ahead_log import Journal, OsDisk, read
from proxy.model.approvals import Impossible
from proxy.policy import time_windows
from proxy.policy.registries.holidays import HolidayRow, Holidays
from proxy.state.lists.desk_records import DeskRecords, Numbering

NOON = time_windows.moment("2026-11-11 12:00")[0]
ANNA = 13800210007
HIT = MatchedMessage("1:5", ANNA, "jia", "10690015", "测试", "marketing", NOON - 60)


def day(text: str) -> int:
    return int(time_windows.moment(text)[0] + time_windows.OFFSET_S) // time_windows.DAY_S


NATIONAL = Holidays([
    HolidayRow(day("2026-10-01"), day("2026-10-07"), "国庆", "holiday"), HolidayRow(day("2026-10-10"), day("2026-10-10"), "", "workday"),
])  # fmt: skip


class Desk:
    def __init__(self, papers: DeskRecords | None = None) -> None:
        self.papers = papers or DeskRecords()
        self.written: list[tuple[int, bytes]] = []
        self.book = CaseBook(self.papers, self.write)

    def write(self, records: Sequence[tuple[int, bytes]]) -> int:
        self.written += records
        return len(self.written)

    def files(self, *complaints: Complaint, at: float = NOON) -> tuple[int, int]:
        fresh, known = self.book.unfiled("12321", complaints)
        self.book.file(list(self.book.drafts("12321", "b" * 16, fresh, DueDays(5, 15), Holidays(), at, "li", "why")))
        return len(fresh), known


def complaint(
    reference: str = "A1", recipient: int = ANNA, number: str = "138****0007", text: str = "x", came: float = 0.0
) -> Complaint:
    return Complaint(reference, recipient, number, NOON - 100, "1069001", text, came)


@pytest.mark.parametrize(
    ("came", "forward", "answer"),
    [
        ("2026-09-30 23:59", "2026-10-13", "2026-10-27"),  # a week of holiday, then a Saturday that is worked
        ("2026-10-09 00:00", "2026-10-15", "2026-10-29"),
        ("2026-11-14 10:00", "2026-11-20", "2026-12-04"),  # it came on a Saturday
    ],
)
def test_due_dates_count_days_that_are_worked(came: str, forward: str, answer: str) -> None:
    dates = due_dates(time_windows.moment(came)[0], DueDays(5, 15), NATIONAL)
    assert [time_windows.local(at - 1)[:10] for at in dates] == [forward, answer]
    assert all(time_windows.local(at).endswith("00:00:00") for at in dates)


def told(one: Desk, other: Desk) -> None:
    for kind, body in one.written:
        assert kind == messages.CASED
        other.papers.hear(unpack(Case, body).id, body)
    one.written.clear()
    other.book.reread()


def test_two_gates_never_give_two_complaints_one_number_and_know_of_each_other_s() -> None:
    one, other = Desk(), Desk()
    one.papers.numbered, other.papers.numbered = Numbering(256, 1), Numbering(256, 2)
    one.files(complaint("A1"), complaint("A2"))
    other.files(complaint("B1"))
    told(one, other)
    told(other, one)
    assert [case.id for case in one.book.all()] == [1, 257, 2]
    assert other.files(complaint("A1"), complaint("B2")) == (1, 1), "one of them was filed there"
    told(other, one)
    assert sorted(case.id for case in one.book.all()) == sorted(case.id for case in other.book.all()) == [1, 2, 257, 258]


def test_what_is_decided_at_one_gate_counts_and_is_decided_at_the_other() -> None:
    one, other = Desk(), Desk()
    one.files(complaint())
    told(one, other)
    other.book.match(1, HIT, NOON, "wang", "x")
    other.book.decide(1, "valid", NOON, "wang", "x")
    told(other, one)
    assert (one.book.valid("jia", 0, 2 * NOON), list(one.book.undecided())) == (1, [])
    with pytest.raises(Impossible, match="case 1 is decided"):
        one.book.decide(1, "invalid", NOON, "li", "x")
    again = CaseBook(one.papers, one.write)
    assert list(again.all()) == list(other.book.all()), "as a restart finds it"
    one.book.reopen(1, NOON + 1, "li", "x")
    told(one, other)
    assert (other.book.valid("jia", 0, 2 * NOON), len(list(other.book.undecided()))) == (0, 1)


def test_a_batch_whose_numbers_were_taken_meanwhile_is_not_filed() -> None:
    desk = Desk()
    drafts = list(desk.book.drafts("12321", "b", [complaint("A1")], DueDays(5, 15), Holidays(), NOON, "li", "x"))
    desk.files(complaint("A2"))
    with pytest.raises(Impossible, match="another batch was filed meanwhile"):
        desk.book.file(drafts)


def test_two_complaints_are_one_by_their_reference_or_else_by_all_they_say() -> None:
    desk = Desk()
    assert desk.files(complaint(), complaint(text="other"), complaint("")) == (2, 1)
    assert desk.files(complaint(), complaint(""), complaint("", text="y")) == (1, 2)
    assert [case.id for case in desk.book.all()] == [1, 2, 3]


def test_a_case_may_be_decided_once_and_anew_after_it_was_reopened() -> None:
    desk = Desk()
    desk.files(complaint(), complaint("A2"), complaint("A3"))
    book = desk.book
    with pytest.raises(Impossible, match="match it to a message first, or say --provider"):
        book.decide(1, "valid", NOON, "li", "x")
    book.match(1, HIT, NOON, "li", "x")
    with pytest.raises(Impossible, match="matched to a message of jia, not of yi"):
        book.decide(1, "valid", NOON, "li", "x", provider="yi")
    book.decide(1, "valid", NOON, "li", "x")
    assert book.valid("jia", NOON - 1, NOON + 1) == 1
    assert book.valid("jia", NOON + 1, NOON + 2) == 0
    assert book.valid("", NOON - 1, NOON + 1, lambda case: case.signature == HIT.signature) == 1
    assert book.valid("jia", NOON - 1, NOON + 1, lambda case: case.signature == "another") == 0
    with pytest.raises(Impossible, match="reopen it first"):
        book.decide(1, "invalid", NOON, "li", "x")
    with pytest.raises(Impossible, match="say which case 2 repeats"):
        book.decide(2, "duplicate", NOON, "li", "x")
    with pytest.raises(Impossible, match="case 2 does not repeat itself"):
        book.decide(2, "duplicate", NOON, "li", "x", of=2)
    book.decide(2, "duplicate", NOON, "li", "x", of=1)
    with pytest.raises(Impossible, match="case 2 is a duplicate itself: name case 1"):
        book.decide(3, "duplicate", NOON, "li", "x", of=2)
    book.reopen(1, NOON, "li", "x")
    assert book.valid("jia", 0, 2 * NOON) == 0
    book.withdraw(1, NOON, "li", "x")
    assert [case.state for case in book.all()] == ["withdrawn", "duplicate", "open"]
    assert [event.what for event in book.find(1).events] == ["filed", "matched", "valid", "reopened", "withdrawn"]


def test_a_message_to_somebody_else_is_no_match() -> None:
    desk = Desk()
    desk.files(complaint(), complaint("A2", 0, "138****0007"))
    with pytest.raises(Impossible, match="is of another number"):
        desk.book.match(1, HIT._replace(recipient=ANNA + 1), NOON, "li", "x")
    with pytest.raises(Impossible, match="which message 1:5 did not go to"):
        desk.book.match(2, HIT._replace(recipient=ANNA + 1), NOON, "li", "x")
    case, _ = desk.book.match(2, HIT, NOON, "li", "x")
    assert case.recipient == ANNA


@pytest.mark.parametrize(
    ("written", "agree"), [("138****0007", True), ("***********", True), ("139****0007", False), ("138****007", False)]
)
def test_digits_that_are_shown_must_agree(written: str, agree: bool) -> None:
    assert digits_agree(written, ANNA) is agree


def test_a_restart_finds_every_case_as_it_was_also_from_the_journal_alone() -> None:
    desk = Desk()
    desk.files(complaint(), complaint("A2"))
    desk.book.match(1, HIT, NOON, "li", "x")
    desk.book.decide(1, "valid", NOON, "li", "x")
    replayed = DeskRecords()
    for _, body in desk.written:
        replayed.put(unpack(Case, body).id, body)
    for papers in (desk.papers, replayed):
        again = Desk(papers)
        assert list(again.book.all()) == list(desk.book.all())
        assert again.files(complaint(), complaint("A3")) == (1, 1)
        assert again.book.find(3).reference == "A3"


def test_a_case_remembers_how_it_began_and_what_came_last() -> None:
    desk = Desk()
    desk.files(complaint())
    for number in range(EVENTS_MAX + 10):
        desk.book.note(1, f"n{number}", NOON + number, "li", "x")
    events = desk.book.find(1).events
    assert (len(events), events[0].what, events[-1].what) == (EVENTS_MAX, "filed", f"n{EVENTS_MAX + 9}")


def test_what_was_decided_long_ago_is_forgotten_and_what_is_open_is_not() -> None:
    desk = Desk()
    desk.files(complaint(), complaint("A2"))
    desk.book.withdraw(1, NOON, "li", "x")
    desk.book.sweep(NOON + KEEP_S + 1)
    assert [case.id for case in desk.book.all()] == [2]
    assert desk.papers.held.keys() == {2}
    assert desk.files(complaint(), at=NOON) == (1, 0)
    assert desk.book.find(3).reference == "A1", "a number is never given twice"


def test_what_is_overdue_is_counted() -> None:
    desk = Desk()
    desk.files(complaint(), complaint("A2"))
    assert desk.book.overdue(NOON) == (0, 0)
    desk.book.match(1, HIT, NOON, "li", "x")
    desk.book.forward(1, NOON, "li", "x")
    assert desk.book.overdue(NOON + 10 * 86_400) == (1, 0)
    assert desk.book.overdue(NOON + 30 * 86_400) == (1, 2)


def test_what_is_due_today_is_open_or_owes_its_answer() -> None:
    desk = Desk()
    desk.files(complaint())
    case = desk.book.find(1)
    for by in (case.forward_by, case.answer_by):
        assert [_due_today(case, by - hours * 3600) for hours in (25, 23, 1, -1)] == [False, True, True, False]
    decided, _ = desk.book.decide(1, NOT_OURS, NOON, "li", "x")
    assert [_due_today(decided, by - 3600) for by in (case.forward_by, case.answer_by)] == [False, True]
    answered, _ = desk.book.answer(1, "a.pdf", "0" * 64, NOON, "li", "x")
    assert not _due_today(answered, case.answer_by - 3600)


def test_a_batch_of_which_the_end_was_torn_off_is_not_there_at_all(tmp_path: Path) -> None:
    """Its cases are one commit group of the journal: power may fail anywhere while it is written."""
    disk = OsDisk(tmp_path)
    journal = Journal(disk, 0)
    journal.append(messages.CLOCK, pack(messages.Clock(NOON, 0.0)))
    journal.write(NOON)

    def write(records: Sequence[tuple[int, bytes]]) -> int:
        last = [journal.append(kind, body) for kind, body in records][-1]
        journal.write(NOON)
        return last

    book = CaseBook(DeskRecords(), write)
    (name,) = disk.list()
    before = len(disk.read(name).rstrip(b"\0"))
    fresh, _ = book.unfiled("12321", [complaint(f"A{number}", ANNA + number) for number in range(40)])
    book.file(list(book.drafts("12321", "b" * 16, fresh, DueDays(5, 15), Holidays(), NOON, "li", "why")))
    journal.close()  # without the room that is kept free behind it
    whole = disk.read(name)
    assert len(whole) > before + 40 * 100
    for size in (*range(before, len(whole), 211), len(whole)):
        (tmp_path / name).write_bytes(whole[:size])
        found = [one for one in read(disk, 1) if one.kind == messages.CASED]
        assert len(found) == (40 if size == len(whole) else 0), size


def test_rows_that_stand_twice_in_a_batch_name_the_first() -> None:
    rows = [complaint("A1"), complaint("A2"), complaint("A1"), complaint("A2"), complaint("A3")]
    assert Desk().book.repeated("12321", rows) == [(2, 0), (3, 1)]


def test_of_who_is_forgotten_the_words_go_on_without_the_number_too_and_are_known_again() -> None:
    desk = Desk()
    said = complaint("")._replace(text=f"我是 +86 {str(ANNA)[:3]} {str(ANNA)[3:7]} {str(ANNA)[7:]}, 不是 13900210500")
    desk.files(said)
    desk.book.match(1, HIT._replace(recipient=ANNA), NOON, "li", f"{ANNA} called")
    desk.book.forget(ANNA, NOON + 1, "li", f"letter of {ANNA}")
    shown = f"{str(ANNA)[:3]}****{str(ANNA)[7:]}"
    (case,) = desk.book.all()
    assert case.text == f"我是 +86 {shown}, 不是 13900210500"
    assert [one.why for one in case.events][1:] == [f"{HIT.message}: {shown} called", f"letter of {shown}"]
    assert not any(str(ANNA).encode() in body for body in desk.papers.held.values())
    assert desk.book.unfiled("12321", [said]) == ([], 1)


def test_of_who_is_forgotten_the_case_stays_without_the_number_and_a_restart_finds_it_so() -> None:
    desk = Desk()
    desk.files(complaint(), complaint("A2"))
    desk.book.match(1, HIT, NOON, "li", "x")
    person = desk.book.find(1).recipient
    assert [case.id for case in desk.book.of(person)] == [1, 2]
    assert desk.book.forget(person, NOON + 1, "li", "asked in writing") == 2
    assert (desk.book.of(person), desk.book.forget(person, NOON + 2, "li", "again")) == ([], 0)
    for case in (*desk.book.all(), *CaseBook(desk.papers, desk.write).all()):
        assert (case.recipient, str(person) in repr(case), case.events[-1].what) == (0, False, "forgotten")
    assert not any(person.to_bytes(8, "big") in body for body in desk.papers.held.values())
    decided, _ = desk.book.decide(1, "valid", NOON + 3, "li", "no consent")
    assert (decided.provider, decided.message) == (HIT.provider, HIT.message), "it goes on"
    assert desk.book.unfiled("12321", [complaint()]) == ([], 1), "and is known again"


# -- the answer to its source


DIGEST = "13800138000" + "a" * 53


def test_a_decided_case_is_answered_with_a_file_and_reopening_asks_for_a_new_answer() -> None:
    desk = Desk()
    desk.files(complaint())
    with pytest.raises(Impossible, match="case 1 is open: decide it first"):
        desk.book.answer(1, "reply.pdf", DIGEST, NOON, "li", "sent")
    desk.book.decide(1, "invalid", NOON, "li", "x")
    assert desk.book.find(1).owes_answer
    case, _ = desk.book.answer(1, "reply.pdf", DIGEST, NOON + 60, "li", "sent")
    assert (case.answered, case.owes_answer, case.state) == (NOON + 60, False, "invalid")
    assert case.events[-1].why == "reply.pdf (sha256 13800138:000aaaaa:" + ":".join(["a" * 8] * 6) + "): sent"
    desk.book.reopen(1, NOON + 90, "li", "x")
    case, _ = desk.book.decide(1, "not-ours", NOON + 95, "li", "x")
    assert (case.answered, case.owes_answer) == (0.0, True)
    assert not desk.book.withdraw(1, NOON + 99, "li", "x")[0].owes_answer


def test_how_terms_were_kept_adds_up_to_the_cases_of_each_provider() -> None:
    desk = Desk()
    desk.files(*(complaint(f"A{n}") for n in range(7)))
    late = NOON + 40 * 86_400
    for number in (1, 2, 3):
        desk.book.match(number, HIT, NOON, "li", "x")
    desk.book.forward(1, NOON + 60, "li", "x")
    desk.book.forward(2, late, "li", "x")
    for number, state in ((1, "valid"), (2, "valid"), (4, "invalid"), (5, "not-ours")):
        desk.book.decide(number, state, NOON + 90, "li", "x")
    desk.book.withdraw(6, NOON + 91, "li", "x")
    for number, at in ((1, NOON + 99), (2, late), (4, NOON + 99)):
        desk.book.answer(number, "a.pdf", DIGEST, at, "li", "x")
    soon, then = desk.book.count(desk.book.all(), NOON + 120), desk.book.count(desk.book.all(), late + 1)
    assert then["jia"] == (
        {"valid": 2, "open": 1},
        {"in-time": 1, "late": 1, "overdue": 1},
        {"in-time": 1, "late": 1, "overdue": 1},
    )
    assert then[""] == (
        {"invalid": 1, "not-ours": 1, "withdrawn": 1, "open": 1},
        {"not-needed": 3, "overdue": 1},
        {"in-time": 1, "overdue": 2, "not-needed": 1},
    )
    assert (soon["jia"].forward["waiting"], soon[""].answer["waiting"]) == (1, 2)
    for counts in (*soon.values(), *then.values()):
        assert counts.states.total() == counts.forward.total() == counts.answer.total()
