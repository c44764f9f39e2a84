"""The inbox groups doubtful replies, and keeps decisions over restarts."""

from __future__ import annotations

import pytest

from proxy.desk.optouts import inbox
from proxy.desk.optouts.inbox import KEPT_S, PERSON_MAX, Inbox, overdue_before
from proxy.journal.encoding import pack
from proxy.journal.records import doubtful_replies
from proxy.journal.records.doubtful_replies import DoubtDecision, Doubtful, ReplyContext, id_of
from proxy.model.approvals import Impossible
from proxy.model.recipient import HOLD_S, OptOut
from proxy.policy import time_windows
from proxy.policy.registries.holidays import HolidayRow, Holidays
from proxy.state.lists.desk_records import DeskRecords

NOON = time_windows.moment("2026-11-11 12:00")[0]  # a Wednesday
ANNA, BERT = 13800210007, 13800210008
SALE, OTHER = ReplyContext(2, 0x111111111111, 7), ReplyContext(2, 0x222222222222, 7)
HELD = OptOut("advertiser", "111111111111", int(NOON), "doubtful", 0)


class Desk:
    """The tables of a store, and the inbox on them."""

    def __init__(self, replies: DeskRecords | None = None, decisions: DeskRecords | None = None) -> None:
        self.replies, self.decisions = replies or DeskRecords(), decisions or DeskRecords()
        self.inbox = Inbox(self.replies, self.decisions)

    def comes(
        self, text: str = "这是退订吗", who: int = ANNA, context: ReplyContext = SALE, port: str = "1069001", at: float = NOON,
        held: tuple[OptOut, ...] = (HELD,),
    ) -> bytes:  # fmt: skip
        body = pack(Doubtful(at, who, f"86{who}", port, "jia", text, context, held, "【示例】双11券"))
        self.inbox.enter(body)
        return body

    def decides(self, key: int, *, yes: bool, standing: bool = False, at: float = NOON + 60) -> None:
        row = self.inbox.row(key)
        ids = tuple(one for one, _ in self.inbox.undecided(key, 1000))
        first = row.first
        decision = DoubtDecision(at, "li", "read it", yes, standing, key, first.text, first.context, first.port, ids)
        self.inbox.decided(decision, pack(decision))

    def ends(self, key: int, at: float = NOON + 120) -> None:
        decision = DoubtDecision(at, "li", "no more", False, False, key, "", SALE, "", ())
        self.inbox.decided(decision, pack(decision))

    def rows(self) -> list[tuple[str, int]]:
        return [(row.first.text, row.replies) for row in map(self.inbox.row, self.inbox.rows())]

    def again(self) -> Desk:
        """A checkpoint, and a start from it."""
        replies, decisions = DeskRecords(), DeskRecords()
        for before, after in ((self.replies, replies), (self.decisions, decisions)):
            before.freeze()
            after.restore((number, body) for number, body in before.collect(400) if body)
        return Desk(replies, decisions)


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_equal_words_in_an_equal_context_are_one_row_however_they_are_written(desk: Desk) -> None:
    for text in ("这是退订吗", "这是退订吗？", " 這是退訂嗎 ", "这是退订吗!!"):
        desk.comes(text, who=ANNA, at=NOON + len(text))
    desk.comes(who=BERT)
    assert desk.rows() == [("这是退订吗", 5)]
    row = desk.inbox.row(next(desk.inbox.rows()))
    assert (row.people, row.open, row.holding, row.first.answered) == (2, 5, 5, "【示例】双11券")


@pytest.mark.parametrize(
    "other",
    [
        {"text": "怎么退订"}, {"context": OTHER}, {"context": SALE._replace(category=1)}, {"context": SALE._replace(template=8)},
        {"context": doubtful_replies.NO_CONTEXT},
    ],
)  # fmt: skip
def test_other_words_or_another_context_are_another_row(desk: Desk, other: dict[str, object]) -> None:
    desk.comes()
    desk.comes(**other)  # type: ignore[arg-type]
    assert len(desk.rows()) == 2


def test_where_no_message_came_from_the_port_the_port_is_the_context(desk: Desk) -> None:
    for port in ("1069001", "1069002", "1069001"):
        desk.comes(context=doubtful_replies.NO_CONTEXT, port=port, at=NOON + len(desk.rows()), held=())
    assert [count for _, count in desk.rows()] == [2, 1]


def test_a_reply_of_signs_alone_has_a_row_of_its_own(desk: Desk) -> None:
    for text in ("???", "😡", ""):
        desk.comes(text)
    assert len(desk.rows()) == 3


def test_one_decision_decides_all_of_a_row_and_nothing_else(desk: Desk) -> None:
    desk.comes()
    desk.comes(who=BERT)
    desk.comes("怎么退订")
    desk.decides(next(desk.inbox.rows()), yes=True)
    assert desk.rows() == [("怎么退订", 1)]
    assert (desk.inbox.open, desk.inbox.settled) == (1, 2)
    (made,) = desk.inbox.decisions()
    assert (made.who, made.why, made.yes, len(made.ids)) == ("li", "read it", True, 2)


def test_a_row_that_is_decided_is_there_no_more(desk: Desk) -> None:
    desk.comes()
    key = next(desk.inbox.rows())
    desk.decides(key, yes=False)
    with pytest.raises(Impossible, match=f"{key:012x}"):
        desk.inbox.row(key)


def test_the_same_words_after_a_decision_ask_again_unless_it_stands(desk: Desk) -> None:
    desk.comes()
    key = next(desk.inbox.rows())
    desk.decides(key, yes=False)
    assert desk.inbox.standing("这是退订吗", SALE, "1069001") is None
    desk.comes(at=NOON + 90)
    assert desk.rows() == [("这是退订吗", 1)]


@pytest.mark.parametrize("yes", [True, False])
def test_a_standing_decision_answers_for_equal_words_in_an_equal_context_until_it_is_ended(desk: Desk, yes: bool) -> None:
    desk.comes()
    key = next(desk.inbox.rows())
    desk.decides(key, yes=yes, standing=True)
    for now in (desk, desk.again()):
        assert now.inbox.standing("這是退訂嗎?", SALE, "another port") is yes
        assert now.inbox.standing("这是退订吗", OTHER, "1069001") is None
        assert [one.row for one in now.inbox.standing_decisions()] == [key]
        now.ends(key)
        assert now.inbox.standing("这是退订吗", SALE, "1069001") is None
        assert now.again().inbox.standing_decisions() == []


def test_a_standing_decision_answers_for_a_story_that_its_record_has_cut(desk: Desk) -> None:
    story = "退订失败" * 200
    desk.comes(story)
    desk.decides(next(desk.inbox.rows()), yes=True, standing=True)
    assert desk.inbox.standing(story, SALE, "1069001")


def test_after_seven_days_a_reply_is_not_open_and_can_be_decided_still(desk: Desk) -> None:
    desk.comes()
    key = next(desk.inbox.rows())
    desk.inbox.sweep(NOON + HOLD_S - 0.001)
    assert (desk.inbox.open, desk.inbox.lapsed) == (1, 0)
    desk.inbox.sweep(NOON + HOLD_S)
    assert (desk.inbox.open, desk.inbox.lapsed, list(desk.inbox.rows()), list(desk.inbox.rows(lapsed=True))) == (
        0,
        1,
        [],
        [key],
    )
    desk.comes("旧的", at=NOON - 5)  # told late by another gate
    assert desk.inbox.open == 0
    desk.decides(key, yes=True)
    assert (desk.inbox.lapsed, desk.inbox.settled) == (1, 1)


def test_after_thirty_days_replies_and_decisions_leave_the_list_and_standing_ones_stay(desk: Desk) -> None:
    desk.comes("旧的")
    desk.comes("这是退订吗")
    desk.comes("怎么退订")
    old, once, stands = desk.inbox.rows()
    desk.decides(once, yes=True)
    desk.decides(stands, yes=True, standing=True)
    desk.inbox.sweep(NOON + KEPT_S + 61)
    assert (len(desk.replies.held), len(desk.decisions.held)) == (1, 1)
    assert desk.inbox.standing("怎么退订", SALE, "")
    assert old not in desk.inbox.rows(lapsed=True)


def test_a_restart_finds_rows_and_decisions_as_they_were(desk: Desk) -> None:
    for number, text in enumerate(("这是退订吗", "怎么退订", "这是退订吗", "还在发")):
        desk.comes(text, at=NOON + number)
    desk.decides(next(desk.inbox.rows()), yes=True)
    again = desk.again()
    assert again.rows() == desk.rows() == [("怎么退订", 1), ("还在发", 1)]
    assert again.inbox.decisions() == desk.inbox.decisions()


def test_what_another_gate_heard_and_decided_is_on_the_list_here_too(desk: Desk) -> None:
    body = pack(Doubtful(NOON, ANNA, "86", "1069001", "jia", "怎么退订", SALE, (HELD,)))
    desk.replies.hear(id_of(body), body)
    desk.inbox.reread()
    assert desk.rows() == [("怎么退订", 1)]
    key = next(desk.inbox.rows())
    made = pack(DoubtDecision(NOON, "wang", "w", True, True, key, "怎么退订", SALE, "1069001", (id_of(body),)))
    desk.decisions.hear(id_of(made), made)
    desk.inbox.reread()
    assert desk.rows() == []
    assert desk.inbox.standing("怎么退订", SALE, "")
    desk.replies.hear(id_of(body), body)  # the log brings it again
    desk.inbox.reread()
    assert desk.rows() == []


def test_who_was_forgotten_is_on_no_list(desk: Desk) -> None:
    body = desk.comes()
    desk.comes(who=BERT)
    desk.replies.drop(id_of(body))
    desk.inbox.forget()
    assert desk.rows() == [("这是退订吗", 1)]
    assert desk.inbox.row(next(desk.inbox.rows())).first.recipient == BERT


def test_what_another_row_of_the_same_person_holds_is_known(desk: Desk) -> None:
    desk.comes()
    desk.comes("怎么退订")
    desk.comes("怎么退订", who=BERT, held=())
    first, second = desk.inbox.rows()
    assert desk.inbox.held_by_other_rows(ANNA, first) == {("advertiser", "111111111111")}
    assert desk.inbox.held_by_other_rows(BERT, first) == desk.inbox.held_by_other_rows(BERT, second) == frozenset()
    desk.decides(second, yes=False)
    assert desk.inbox.held_by_other_rows(ANNA, first) == frozenset()


def test_a_full_list_lets_go_of_decided_then_of_lapsed_replies_and_takes_no_more_of_open_ones(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox, "LISTED_MAX", 3)
    for number in range(3):
        desk.comes(f"怎么退订{number}", at=NOON + number)
    desk.decides(next(desk.inbox.rows()), yes=True)
    desk.comes("第四", at=NOON + 3)
    desk.comes("第五", at=NOON + 4)
    assert (len(desk.replies.held), desk.inbox.unlisted) == (3, 1)
    assert [text for text, _ in desk.rows()] == ["怎么退订1", "怎么退订2", "第四"]
    desk.inbox.sweep(NOON + HOLD_S + 1)
    desk.comes("第六", at=NOON + HOLD_S + 1)
    assert [text for text, _ in desk.rows()] == ["怎么退订2", "第四", "第六"]
    assert desk.inbox.unlisted == 1


def test_who_writes_on_and_on_does_not_fill_the_list(desk: Desk) -> None:
    for number in range(PERSON_MAX + 5):
        desk.comes(f"怎么退订 {number}", at=NOON + number)
    desk.comes("怎么退订", who=BERT)
    assert (len(desk.replies.held), desk.inbox.unlisted) == (PERSON_MAX + 1, 5)
    assert desk.rows()[0] == ("怎么退订 5", 1)
    assert desk.again().rows() == sorted(desk.rows(), key=lambda row: row[0] != "怎么退订")


NATIONAL = Holidays([
    HolidayRow(int(time_windows.moment("2026-10-01")[0] + time_windows.OFFSET_S) // time_windows.DAY_S,
               int(time_windows.moment("2026-10-07")[0] + time_windows.OFFSET_S) // time_windows.DAY_S, "国庆", "holiday"),
])  # fmt: skip


@pytest.mark.parametrize(
    ("now", "before"),
    [
        ("2026-11-12 09:00", "2026-11-11"),  # Thursday: what came on Tuesday
        ("2026-11-13 00:00", "2026-11-12"),
        ("2026-11-15 12:00", "2026-11-13"),  # Sunday: what came on Thursday
        ("2026-11-16 23:59", "2026-11-13"),  # Monday: likewise
        ("2026-11-17 00:00", "2026-11-16"),  # Tuesday: what came on Sunday
        ("2026-10-08 12:00", "2026-09-30"),  # the day after a week of holiday
    ],
)
def test_a_reply_is_overdue_when_a_whole_working_day_has_passed_since_the_day_it_came(now: str, before: str) -> None:
    assert overdue_before(time_windows.moment(now)[0], NATIONAL) == time_windows.moment(before)[0]


def test_overdue_replies_are_counted_from_the_oldest(desk: Desk) -> None:
    for day in ("2026-11-10 12:00", "2026-11-10 23:59:59", "2026-11-11 00:00"):
        desk.comes(at=time_windows.moment(day)[0])
    now = time_windows.moment("2026-11-12 00:00")[0]
    assert desk.inbox.overdue(now, Holidays()) == 2
    assert desk.inbox.overdue(now - 1, Holidays()) == 0
    assert desk.inbox.oldest() == time_windows.moment("2026-11-10 12:00")[0]
