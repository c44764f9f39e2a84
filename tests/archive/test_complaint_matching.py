"""Complaints are matched with messages from what complainants remember."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from proxy.archive.complaint_matching import WINDOWS_S, ComplaintQuery, MatchResult, ambiguous, likeness, match
from proxy.archive.coverage import CoverageReport
from proxy.archive.query import Query
from proxy.archive.search import Hit, SearchResult
from proxy.desk.complaints.book import digits_agree

ANNA, BOB = 13800210007, 13800210008
NOON = 1_794_369_600.0
AD = "【甲店】双11优惠券满300减50 码4711 拒收请回复R"
NOTHING = CoverageReport((), (), (), (), ())


def hit(number: int, at: float = NOON, port: str = "106900155", text: str = AD, verdict: str = "allow", place: int = 1) -> Hit:
    return Hit(
        at,
        "node-0",
        0,
        [place],
        number,
        number.to_bytes(8, "big"),
        "jia",
        "jia",
        port,
        "marketing",
        "甲店",
        text,
        verdict,
        "",
        0,
        "",
        "r",
        0,
    )


class Archive:
    """Messages, and what was asked about them."""

    def __init__(self, *hits: Hit) -> None:
        self.hits = hits
        self.asked: list[Query] = []
        self.more = False

    def ask(self, question: Query) -> SearchResult:
        self.asked.append(question.checked())
        return SearchResult(
            [one for one in self.hits if self._fits(one, question)],
            self.more,
            [],
            NOTHING,
        )

    @staticmethod
    def _fits(one: Hit, question: Query) -> bool:
        return (
            (not question.to or one.person == question.to) and (not question.since or question.since <= one.at)
            and (not question.until or one.at <= question.until) and question.sender in one.port and question.text in one.text
        )  # fmt: skip

    def match(self, wanted: ComplaintQuery) -> MatchResult:
        return match(wanted, self.ask, lambda one: int.from_bytes(one.sealed or b"", "big"), digits_agree)


def said(number: int | str = ANNA, at: float = NOON, sender: str = "", text: str = "") -> ComplaintQuery:
    whole = isinstance(number, int)
    return ComplaintQuery(int(number) if whole else 0, str(number), at, sender, text, NOON + 86_400)


def places(found: MatchResult) -> list[int]:
    return [one.hit.sequences[0] for one in found.candidates]


def test_the_likeliest_stands_first_and_each_says_why() -> None:
    archive = Archive(
        hit(ANNA, NOON - 500, text="【乙店】上新", port="106900277", place=1), hit(ANNA, NOON + 300, place=2), hit(BOB, place=3)
    )
    found = archive.match(said(sender="1069001", text="优惠券满300减50"))
    assert places(found) == [2, 1]
    assert found.candidates[0].why == (
        "the number is the same", "5 min later than was said", "the port begins with what was said", "the text is 100% alike",
    )  # fmt: skip
    assert found.candidates[1].why[2] == "another port (106900277)"
    assert not ambiguous(found.candidates)


@pytest.mark.parametrize(("drift_s", "window_s"), [(599, 600), (601, 3600), (-5 * 3600, 21_600), (30 * 3600, 259_200)])
def test_it_looks_further_away_only_where_nothing_is_near(drift_s: float, window_s: float) -> None:
    archive = Archive(hit(ANNA, NOON + drift_s))
    found = archive.match(said())
    assert (places(found), found.within_s) == ([1], window_s)
    assert len(archive.asked) == WINDOWS_S.index(window_s) + 1


def test_a_week_away_it_is_not_that_one_and_all_was_looked_through() -> None:
    archive = Archive(hit(ANNA, NOON + 7 * 86_400))
    found = archive.match(said())
    assert (places(found), len(found.asked)) == ([], len(WINDOWS_S))


def test_hidden_digits_must_agree_and_port_or_text_narrow_it() -> None:
    archive = Archive(hit(ANNA, place=1), hit(BOB, place=2), hit(13900210007, place=3))
    assert places(archive.match(said("138****0007", sender="1069001"))) == [1]
    assert places(archive.match(said("138****0007", text="优惠券满300减50"))) == [1]
    assert archive.asked[-1].text == "优惠券满"


def test_hidden_digits_with_neither_port_text_nor_time_ask_nothing() -> None:
    archive = Archive(hit(ANNA))
    assert archive.match(said("138****0007", at=0.0)).asked == ()


def test_a_person_without_a_time_is_looked_for_over_half_a_year() -> None:
    archive = Archive(hit(ANNA, NOON - 100 * 86_400, place=1), hit(ANNA, NOON - 300 * 86_400, place=2))
    assert places(archive.match(said(at=0.0, text="优惠券"))) == [1]


@pytest.mark.parametrize(
    ("said_port", "port", "better"),
    [("1069001", "106900155", True), ("00155", "106900155", True), ("1065", "106900155", False)],
)
def test_a_part_of_a_port_is_better_than_another_one(said_port: str, port: str, better: bool) -> None:
    (one,) = Archive(hit(ANNA, port=port)).match(said(sender=said_port)).candidates
    (nothing,) = Archive(hit(ANNA, port=port)).match(said(sender="10659999")).candidates
    assert (one.score > nothing.score) is better


def test_what_was_refused_is_less_likely_for_nobody_got_it() -> None:
    found = Archive(hit(ANNA, place=1, verdict="reject"), hit(ANNA, NOON + 60, place=2)).match(said())
    assert places(found) == [2, 1]
    assert found.candidates[1].why[-1] == "it was refused: the person did not get it"


def test_two_that_fit_alike_are_said_to() -> None:
    assert ambiguous(Archive(hit(ANNA, place=1), hit(ANNA, NOON + 1, place=2)).match(said()).candidates)


@pytest.mark.parametrize(
    ("one", "other", "least"),
    [
        ("双11优惠券满300减50", AD, 0.99), ("双十一优惠卷满300减50", AD, 0.6), ("貸丨款 无抵押", "【甲店】贷款无抵押 拒收请回复R", 0.8),
        ("您的验证码是482913", "【甲店】您的验证码是******，5分钟内有效", 0.95), ("今天天气", AD, 0.0),
    ],
)  # fmt: skip
def test_texts_are_alike_though_typed_by_hand(one: str, other: str, least: float) -> None:
    assert likeness(one, other) >= least
    assert least > 0 or likeness(one, other) < 0.5
    assert likeness("", other) == 0


def test_many_that_fit_are_cut() -> None:
    def many() -> Iterable[Hit]:
        return (hit(ANNA, NOON + number, place=number) for number in range(1, 30))

    assert len(Archive(*many()).match(said()).candidates) == 10


def test_where_more_fits_than_is_looked_at_it_says_so() -> None:
    archive = Archive(hit(BOB))
    archive.more = True
    assert archive.match(said("138****0007", sender="1069001")).cut
    assert archive.match(said("138****0008", sender="1069001", text="优惠券满300减50")).cut
    assert archive.asked[-1].sender == "1069001"
    assert archive.asked[-1].text == "优惠券满", "the narrowest question comes first"
