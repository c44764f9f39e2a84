"""Sessions expire, end, are bounded in number, and cannot be forged."""

from __future__ import annotations

from proxy.console.login import IDLE_S, LIFE_S, OF_ONE_MAX, SESSIONS_MAX, Sessions
from proxy.model.roles import Asker, Role

CHEN = Asker("chen", frozenset({Role.OFFICER}), True)


def test_a_session_lasts_while_it_is_used_but_no_longer_than_a_working_day() -> None:
    sessions = Sessions()
    cookie, now = sessions.open(CHEN, "t", 0.0), 0.0
    while now + IDLE_S <= LIFE_S:
        now += IDLE_S
        assert sessions.find(cookie, now) is not None
    assert sessions.find(cookie, LIFE_S + 1) is None
    assert len(sessions) == 0


def test_a_session_that_nobody_uses_is_over() -> None:
    sessions = Sessions()
    cookie = sessions.open(CHEN, "t", 0.0)
    assert sessions.find(cookie, IDLE_S + 1) is None
    assert sessions.find(cookie, IDLE_S) is None, "it does not come back"


def test_a_page_that_renews_itself_keeps_no_session_open() -> None:
    sessions = Sessions()
    cookie = sessions.open(CHEN, "t", 0.0)
    for second in range(0, int(IDLE_S), 60):
        assert sessions.find(cookie, second, used=False) is not None
    assert sessions.find(cookie, IDLE_S + 1, used=False) is None


def test_ending_one_ends_it_here_whatever_the_browser_keeps() -> None:
    sessions = Sessions()
    cookie, other = sessions.open(CHEN, "t", 0.0), sessions.open(CHEN, "t", 0.0)
    sessions.close(cookie)
    assert sessions.find(cookie, 1.0) is None
    assert sessions.find(other, 1.0) is not None


def test_a_cookie_is_signed_and_another_console_s_is_nothing() -> None:
    sessions, others = Sessions(), Sessions()
    cookie = sessions.open(CHEN, "t", 0.0)
    name, _, signature = cookie.rpartition(".")
    for made_up in (
        "",
        ".",
        name,
        f"{name}.",
        f"{name}.{'0' * len(signature)}",
        f"{name}x.{signature}",
        others.signed(name),
        "ü.ü",
    ):
        assert sessions.find(made_up, 1.0) is None
    assert sessions.find(cookie, 1.0) is not None


def test_one_person_has_some_and_the_longest_unused_goes_first() -> None:
    sessions = Sessions()
    cookies = [sessions.open(CHEN, "t", float(number)) for number in range(OF_ONE_MAX)]
    assert sessions.find(cookies[0], 20.0) is not None
    sessions.open(CHEN, "t", 21.0)
    assert sessions.find(cookies[0], 22.0) is not None
    assert sessions.find(cookies[1], 22.0) is None
    assert len(sessions) == OF_ONE_MAX


def test_there_are_no_more_than_so_many() -> None:
    sessions = Sessions()
    for number in range(SESSIONS_MAX + 5):
        sessions.open(Asker(f"p{number}", frozenset(), True), "t", 0.0)
    assert len(sessions) == SESSIONS_MAX


def test_no_token_and_no_mark_is_in_what_a_fault_would_show() -> None:
    sessions = Sessions()
    session = sessions.find(sessions.open(CHEN, "a-token", 0.0), 0.0)
    assert session is not None
    assert "a-token" not in repr(session)
    assert session.csrf not in repr(session)


def test_what_a_page_is_to_tell_is_told_once_and_is_not_kept_without_end() -> None:
    sessions = Sessions()
    session = sessions.find(sessions.open(CHEN, "t", 0.0), 0.0)
    assert session is not None
    for number in range(20):
        session.add_notice("done", str(number))
    assert [words for _, words in session.take_notices()] == ["15", "16", "17", "18", "19"]
    assert session.take_notices() == []
