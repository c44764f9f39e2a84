"""Parts find their message on a sheet, and sheets survive packing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.model.message import Content, Outcome, Take
from proxy.state.shared.multipart_record import (
    ABANDONED_S,
    BYTES_MAX,
    INHERIT_S,
    LATE,
    POSTED_MAX,
    REFUSED,
    THERE,
    TWICE,
    UNKNOWN,
    WAITING,
    Posted,
    PostedPart,
    SharedDecision,
    SharedObjection,
    Sheet,
    TooLong,
    find,
    pack,
    put,
    settle,
    unpack,
)

HERE, ELSEWHERE, ANOTHER = (1, 1), (2, 1), (1, 2)
NOW = 1_762_833_600.0
ENTRY = bytes(range(32))


def content(text: str = "双11") -> Content:
    return Content("", "readable", b"d" * 16, None, None, (), (8, text.encode("utf-16-be")))


def decision(entry: bytes = ENTRY, at: float = NOW) -> SharedDecision:
    reason = "" if entry else "recipient-cap"
    outcome = Outcome.ALLOW if entry else Outcome.REJECT
    breaches = () if entry else (SharedObjection("cap", 3, 2, reason, False, NOW + 60, 0),)
    return SharedDecision(
        at, "ab", (1,), outcome, reason, "" if entry else "cap", "上海", 7, 2, entry, False, (Take(1, 2, 3),), breaches
    )


def posted(*rows: tuple[tuple[int, int], int, int], said: SharedDecision | None = None) -> Posted:
    found = Posted(NOW, decision=said)
    for holder in dict.fromkeys(row[0] for row in rows):
        found = found.with_rows(holder, [PostedPart(*row, content()) for row in rows if row[0] == holder])
    return found


@pytest.mark.parametrize(
    ("state", "judged", "fits"),
    [
        (WAITING, False, False), (WAITING, True, True), (THERE, True, False),
        (UNKNOWN, True, True), (LATE, True, True), (REFUSED, True, True), (TWICE, True, True),
    ],
)  # fmt: skip
def test_a_part_sent_again_belongs_where_it_may_be_sent_again(state: int, judged: bool, fits: bool):
    one = posted((ELSEWHERE, 1, state), said=decision() if judged else None)
    assert one.open_to(HERE, (1,), NOW) is fits
    assert one.open_to(HERE, (2,), NOW)


def test_of_what_was_refused_as_a_whole_a_part_sent_again_is_judged_anew_and_one_not_seen_yet_inherits():
    one = posted((ELSEWHERE, 1, REFUSED), said=decision(b""))
    assert not one.open_to(HERE, (1,), NOW)
    assert one.open_to(HERE, (2,), NOW)


def test_of_one_gate_s_own_parts_none_is_taken_for_lost_because_it_waits():
    assert not posted((HERE, 1, WAITING), said=decision()).open_to(ANOTHER, (1,), NOW)


def test_nobody_joins_what_is_over():
    judged, waits = posted((ELSEWHERE, 1, THERE), said=decision()), posted((ELSEWHERE, 1, WAITING))
    assert judged.open_to(HERE, (2,), NOW + INHERIT_S)
    assert not judged.open_to(HERE, (2,), NOW + INHERIT_S + 0.1)
    assert waits.open_to(HERE, (2,), NOW + ABANDONED_S)
    assert not waits.open_to(HERE, (2,), NOW + ABANDONED_S + 0.1)
    assert not judged._replace(closed=True).open_to(HERE, (2,), NOW)


def test_what_others_hold_stands_until_it_is_refused_and_is_unknown_until_it_is_sent_again():
    one = posted((HERE, 1, REFUSED), (ELSEWHERE, 2, UNKNOWN), said=decision())
    assert (one.stands(HERE), one.stands(ELSEWHERE), one.unknown(HERE), one.unknown(ELSEWHERE)) == (True, False, True, False)
    again = one.with_rows(ANOTHER, [PostedPart(ANOTHER, 2, THERE, content())])
    assert (again.unknown(HERE), again.stands(ELSEWHERE)) == (False, True)
    assert again.went(ELSEWHERE, 2)
    assert not again.went(ANOTHER, 2)


def test_how_often_others_have_sent_a_part_on_is_known_to_each():
    one = posted((HERE, 1, TWICE), (ELSEWHERE, 1, UNKNOWN), (ELSEWHERE, 2, REFUSED), said=decision())
    assert [one.times_sent(HERE, index) for index in (1, 2, 3)] == [1, 0, 0]
    assert [one.times_sent(ELSEWHERE, index) for index in (1, 2, 3)] == [2, 0, 0]
    assert one.unknown(ELSEWHERE), "nobody knows of either copy"


def test_of_a_part_sent_again_the_text_is_that_of_the_attempt_that_stands():
    one = posted((ELSEWHERE, 1, REFUSED), said=decision())
    one = one.with_rows(ANOTHER, [PostedPart(ANOTHER, 1, THERE, content("new"))])
    for order in (one, one._replace(rows=one.rows[::-1])):
        octets = order.theirs(HERE)[1].octets
        assert octets is not None
        assert octets[1] == "new".encode("utf-16-be")


def test_who_comes_joins_the_newest_and_stays_where_it_is():
    sheet: Sheet = ()
    for number, holder in enumerate((HERE, ELSEWHERE)):
        before = settle(sheet, holder, (number + 1,), NOW)
        sheet = put(sheet, before, before.with_rows(holder, [PostedPart(holder, number + 1, WAITING, content())]))
    assert len(sheet) == 1
    again = settle(sheet, ANOTHER, (1,), NOW + 1)
    sheet = put(sheet, again, again.with_rows(ANOTHER, [PostedPart(ANOTHER, 1, WAITING, content())]))
    assert len(sheet) == 2
    assert find(sheet, HERE) is sheet[0]
    assert settle(sheet, ELSEWHERE, (2,), NOW + 1) is sheet[0]
    assert settle(sheet, (3, 1), (2,), NOW + 1) is sheet[1]


def test_a_sheet_is_bounded_and_keeps_the_newest():
    sheet: Sheet = ()
    for number in range(POSTED_MAX + 3):
        new = Posted(NOW + number)
        sheet = put(sheet, new, new.with_rows((9, number), [PostedPart((9, number), 1, THERE, content())]))
    assert [one.begun - NOW for one in sheet] == list(range(3, POSTED_MAX + 3))
    with pytest.raises(TooLong):
        pack(put(sheet, sheet[0], sheet[0].with_rows(HERE, [PostedPart(HERE, 1, WAITING, content("长" * BYTES_MAX))])))


def test_a_sheet_of_another_form_is_left_alone():
    assert unpack(b"") == ()
    with pytest.raises(TooLong):
        unpack(b"[2,{}]")


@given(
    st.lists(
        st.tuples(st.sampled_from([HERE, ELSEWHERE, ANOTHER]), st.integers(1, 20), st.integers(0, 4), st.binary(max_size=140)),
        max_size=8,
    ),
    st.sampled_from([None, decision(), decision(b"")]),
    st.booleans(),
    st.sampled_from([None, NOW]),
    st.lists(st.tuples(st.integers(0, 0xFFFF), st.binary(max_size=9)), max_size=3),
)
def test_octets_say_what_they_were_made_of(rows, said, closed, scheduled, extra):
    made = Posted(NOW, decision=said, closed=closed)
    for holder, index, state, octets in rows:
        one = Content(
            "", "readable", octets.ljust(16, b"\0")[:16], None, scheduled, tuple(extra), (8, octets) if octets else None
        )
        made = made.with_rows(holder, [PostedPart(holder, index, state, one)])

    def told(sheet: Sheet) -> list[object]:
        return [
            (one._replace(rows=()), [(*row[:3], row.content.octets, row.content.state, row.content.digest, row.content.scheduled,
                                      row.content.extra) for row in one.rows])
            for one in sheet
        ]  # fmt: skip

    sheet = (made, Posted(NOW + 1))
    assert told(unpack(pack(sheet))) == told(sheet)
