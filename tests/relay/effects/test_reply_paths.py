"""Reply paths: what proves one, what puts it in doubt, and that no count is lost."""

from __future__ import annotations

import struct
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.journal.encoding import pack, unpack
from proxy.journal.records import messages
from proxy.journal.records.probes import KEYWORDS_MAX, OTHER_KEYWORDS, PrefixCounts, ReplyPathCounts
from proxy.relay.effects.reply_paths import (  # fmt: skip
    ANSWER_S,
    DEAD,
    PREFIXES_MAX,
    PROVEN,
    SILENT,
    TELL_S,
    UNPROVEN,
    WRITE_S,
    ReplyPaths,
    number_of,
)
from proxy.state.lists.desk_records import DeskRecords

NOON = 1_764_475_200.0
DAY_S = 86_400.0
LATER = NOON + ANSWER_S


class Journal:
    """Takes records, and says which; ``down``: it refuses them."""

    def __init__(self) -> None:
        self.records: list[tuple[int, bytes]] = []
        self.down = False

    def write(self, records):
        if self.down:
            raise OSError("the disk is full")
        self.records += records
        return len(self.records)

    def rows(self) -> list[PrefixCounts]:
        return [row for _, body in self.records for row in unpack(ReplyPathCounts, body).rows]


def book(papers: DeskRecords | None = None, **more) -> ReplyPaths:
    return ReplyPaths(papers or DeskRecords(), Journal().write, **more)


def answered(paths: ReplyPaths, ports: int = 20, replies: int = 10, every: int = 100, now: float = NOON) -> None:
    """So many ports that are answered: once in so many advertisements."""
    for port in range(ports):
        prefix = f"10690{port:03d}"
        for _ in range(replies):
            paths.advertised({(prefix, "R"): every}, now - DAY_S)
            paths.replied(prefix, "R", now - DAY_S)


def test_a_prefix_that_nobody_used_is_unproven():
    state = book().state_of("10690001", NOON)
    assert (state.state, state.proven_at, state.advertisements, state.advertisements_since_proof) == (UNPROVEN, 0.0, 0, 0)


def test_advertisements_alone_prove_nothing_and_are_counted_from_the_first_use():
    paths = book()
    paths.advertised({("10690001", "R"): 3, ("10690001", ""): 2}, NOON)
    paths.advertised({("10690001", "R"): 4, ("10690002", "TD"): 1}, NOON + 1)
    state = paths.state_of("10690001", NOON + 1)
    assert (state.state, state.advertisements, state.advertisements_since_proof, state.replies) == (UNPROVEN, 9, 9, 0)
    assert paths.state_of("10690002", NOON + 1).advertisements == 1


def test_any_reply_proves_a_path_and_says_when():
    paths = book()
    paths.advertised({("10690001", "R"): 3}, NOON)
    paths.replied("10690001", "", NOON + 60.1234)
    state = paths.state_of("10690001", NOON + 61)
    assert (state.state, state.proven_at, state.replies) == (PROVEN, NOON + 60.123, 1)
    assert (state.advertisements, state.advertisements_since_proof) == (3, 0)


def test_keywords_are_a_column_with_what_was_sent_and_what_came_back():
    paths = book()
    paths.advertised({("10690001", "R"): 3, ("10690001", "TD"): 2, ("10690001", ""): 1}, NOON)
    for said in ("R", "", "STOP", "R"):
        paths.replied("10690001", said, NOON + 1)
    assert paths.state_of("10690001", NOON + 1).keywords == {"R": (3, 2), "TD": (2, 0), "": (1, 0), OTHER_KEYWORDS: (0, 1)}


def test_keywords_that_a_provider_makes_up_do_not_fill_memory():
    paths = book()
    paths.advertised({("10690001", f"Q{number}"): 1 for number in range(500)}, NOON)
    keywords = paths.state_of("10690001", NOON).keywords
    assert len(keywords) == KEYWORDS_MAX + 1
    assert keywords[OTHER_KEYWORDS] == (500 - KEYWORDS_MAX, 0)


def test_until_enough_ports_are_proven_nobody_is_silent():
    paths = book()
    answered(paths, ports=19)
    paths.advertised({("10691", "R"): 10_000_000}, NOON)
    state = paths.state_of("10691", LATER)
    assert (state.state, state.expected) == (UNPROVEN, 0.0)


def test_a_silence_that_chance_does_not_explain_is_called_one():
    paths = book()
    answered(paths)  # 10 replies in 1,000 advertisements: their rate exceeds 0.54 %
    paths.advertised({("10691", "R"): 2300}, NOON)
    assert paths.state_of("10691", LATER).state == UNPROVEN
    paths.advertised({("10691", "R"): 100}, NOON)
    state = paths.state_of("10691", LATER)
    assert state.state == SILENT
    assert state.expected == pytest.approx(13.0, abs=0.1)
    assert state.chance < 0.000005


def test_the_more_silences_a_port_had_the_longer_one_may_be():
    paths = book()
    answered(paths)
    prefix = "10690000"
    paths.advertised({(prefix, "R"): 2400}, NOON)
    assert paths.state_of(prefix, LATER).state == PROVEN
    paths.advertised({(prefix, "R"): 900}, NOON)
    assert paths.state_of(prefix, LATER).state == SILENT


def test_a_reply_ends_a_silence():
    paths = book()
    answered(paths)
    paths.advertised({("10691", "R"): 5000}, NOON)
    assert paths.state_of("10691", LATER).state == SILENT
    paths.replied("10691", "", LATER)
    assert paths.state_of("10691", LATER).state == PROVEN


def test_advertisements_are_not_held_against_a_port_before_people_had_time_to_answer():
    paths = book()
    answered(paths)
    paths.advertised({("10691", "R"): 5000}, NOON)
    assert paths.state_of("10691", NOON + ANSWER_S - 1).state == UNPROVEN
    assert paths.state_of("10691", NOON + ANSWER_S).state == SILENT


def test_a_port_that_never_rests_is_found_silent_too():
    paths = book()
    answered(paths)
    at = NOON
    while paths.state_of("10691", at).state == UNPROVEN:
        paths.advertised({("10691", "R"): 10}, at)
        at += 60
        assert at < NOON + 3 * DAY_S
    assert ANSWER_S <= at - NOON - 240 * 60 <= 2 * ANSWER_S + 60


def test_dead_ports_do_not_lower_the_rate_that_finds_them():
    paths = book()
    answered(paths, ports=40)
    for port in range(20):
        paths.advertised({(f"10690{port:03d}", "R"): 1_000_000}, NOON)
    states = [paths.state_of(f"10690{port:03d}", LATER).state for port in range(40)]
    assert states == [SILENT] * 20 + [PROVEN] * 20


def test_only_a_failed_probe_makes_a_path_dead_and_a_reply_or_an_answered_probe_ends_that():
    paths = book()
    paths.advertised({("10691", "R"): 5}, NOON)
    paths.probed("10691", NOON + 1, ok=False)
    assert paths.state_of("10691", NOON + 1).state == DEAD
    paths.replied("10691", "", NOON + 2)
    assert paths.state_of("10691", NOON + 2).state == PROVEN
    paths.probed("10691", NOON + 3, ok=False)
    assert paths.state_of("10691", NOON + 3).state == DEAD
    paths.probed("10691", NOON + 4, ok=True)
    state = paths.state_of("10691", NOON + 4)
    assert (state.state, state.proven_at, state.probed_at, state.replies) == (PROVEN, NOON + 4, NOON + 4, 1)


def test_after_a_kill_everything_is_there_but_the_last_of_an_eighth():
    papers, journal = DeskRecords(), Journal()
    paths = ReplyPaths(papers, journal.write)
    for second in range(1000):
        paths.advertised({("10690001", "R"): 1}, NOON + second / 100)
        paths.tick(NOON + second / 100)
    left = ReplyPaths(papers, journal.write).state_of("10690001", NOON + 10)
    assert 888 <= left.advertisements <= 1000
    assert len(journal.records) < 60


def test_a_row_that_hardly_grows_is_written_once_a_minute():
    papers, journal = DeskRecords(), Journal()
    paths = ReplyPaths(papers, journal.write)
    paths.advertised({("10690001", "R"): 100_000}, NOON)
    paths.tick(NOON)
    for second in range(1, 600):
        paths.advertised({("10690001", "R"): 1}, NOON + second)
        paths.tick(NOON + second)
    assert len(journal.records) == 1 + 9
    paths.put_away(NOON + 600)
    assert ReplyPaths(papers, journal.write).state_of("10690001", NOON + 600).advertisements == 100_599


def test_the_reply_that_proves_a_path_is_written_at_once():
    papers, journal = DeskRecords(), Journal()
    paths = ReplyPaths(papers, journal.write)
    paths.replied("10690001", "TD", NOON)
    assert [kind for kind, _ in journal.records] == [messages.REPLY_PATH]
    paths.replied("10690001", "TD", NOON + 1)
    assert len(journal.records) == 1
    assert ReplyPaths(papers, journal.write).state_of("10690001", NOON + 2).state == PROVEN


def test_what_the_journal_does_not_take_is_written_later():
    papers, journal = DeskRecords(), Journal()
    paths = ReplyPaths(papers, journal.write)
    journal.down = True
    with pytest.raises(OSError, match="full"):
        paths.replied("10690001", "", NOON)
    assert paths.state_of("10690001", NOON).state == PROVEN
    journal.down = False
    paths.tick(NOON + 1)
    assert [row.replies for row in journal.rows()] == [1]


# -- several gates


class Gates:
    """Two gates that hear each other."""

    def __init__(self) -> None:
        self.journals = [Journal(), Journal()]
        self.papers = [DeskRecords(), DeskRecords()]
        self.books = [
            ReplyPaths(self.papers[node], self.journals[node].write, partial(self._tell, node), node) for node in range(2)
        ]

    def _tell(self, node: int, records) -> int:
        for _, body in records:
            for row in unpack(ReplyPathCounts, body).rows:
                self.papers[1 - node].hear(number_of(row.prefix, node), pack(ReplyPathCounts((row,))))
        self.books[1 - node].reread()
        return 1


def test_a_reply_at_one_gate_proves_the_path_at_the_other():
    one, other = Gates().books
    other.advertised({("10690001", "R"): 500}, NOON)
    one.replied("10690001", "", NOON + 1.23456)
    state = other.state_of("10690001", NOON + 2)
    assert (state.state, state.proven_at, state.advertisements_since_proof) == (PROVEN, round(NOON + 1.23456, 3), 0)
    other.advertised({("10690001", "R"): 7}, NOON + 3)
    assert other.state_of("10690001", NOON + 3).advertisements_since_proof == 7
    other.put_away(NOON + 4)
    assert one.state_of("10690001", NOON + 4).advertisements_since_proof == 7
    assert one.state_of("10690001", NOON + 4).advertisements == 507


def test_gates_count_a_silence_together():
    one, other = Gates().books
    answered(one)
    for gate in (one, other):
        gate.advertised({("10691", "R"): 1300}, NOON)
        gate.tick(NOON)
    assert [gate.state_of("10691", LATER).state for gate in (one, other)] == [SILENT, SILENT]


@pytest.mark.parametrize("proven", [False, True])
def test_what_gates_count_by_turns_adds_up(proven: bool) -> None:
    one, other = Gates().books
    if proven:
        one.advertised({("10691", "R"): 1}, NOON)
        one.replied("10691", "", NOON)
    for second in range(100):
        for gate in (one, other):
            gate.advertised({("10691", "R"): 1}, NOON + second)
            gate.tick(NOON + second)
    for gate in (one, other):
        gate.put_away(NOON + 100)
    for gate in (one, other):
        state = gate.state_of("10691", NOON + 100)
        assert (state.advertisements_since_proof, state.advertisements) == (200, 200 + proven)


def test_a_reply_counts_as_proof_though_the_clock_was_set_back() -> None:
    paths = book()
    paths.replied("10691", "", NOON)
    paths.advertised({("10691", "R"): 5}, NOON - 60)
    paths.replied("10691", "", NOON - 60)
    state = paths.state_of("10691", NOON - 60)
    assert (state.replies, state.advertisements_since_proof, state.proven_at) == (2, 0, NOON)


def test_a_failed_probe_at_one_gate_is_known_at_the_other():
    one, other = Gates().books
    one.probed("10691", NOON, ok=False)
    assert other.state_of("10691", NOON).state == DEAD
    other.replied("10691", "", NOON + 1)
    assert one.state_of("10691", NOON + 1).state == PROVEN


def test_gates_tell_each_other_of_growth_and_else_every_five_minutes():
    gates = Gates()
    one, told = gates.books[0], gates.papers[1]
    one.advertised({("10690001", "R"): 1000}, NOON)
    one.tick(NOON)
    assert one.state_of("10690001", NOON) == gates.books[1].state_of("10690001", NOON)
    body = dict(told.held)
    one.advertised({("10690001", "R"): 10}, NOON + 1)
    one.tick(NOON + WRITE_S)
    assert told.held == body
    one.tick(NOON + TELL_S)
    assert told.held != body


def test_what_comes_back_from_the_log_of_ones_own_is_not_counted_twice():
    papers = DeskRecords()
    paths = ReplyPaths(papers, Journal().write, Journal().write, node=3)
    paths.advertised({("10690001", "R"): 5}, NOON)
    paths.put_away(NOON)
    papers.hear(number_of("10690001", 3), papers.held[number_of("10690001")])
    paths.reread()
    assert paths.state_of("10690001", NOON).advertisements == 5


# -- bounds, octets


def test_more_prefixes_than_are_kept_push_out_the_one_that_was_not_used_for_longest():
    papers = DeskRecords()
    paths = book(papers)
    for number in range(PREFIXES_MAX + 1):
        paths.advertised({(f"1069{number:06d}", ""): 1}, NOON + number)
    paths.put_away(NOON + PREFIXES_MAX)
    assert len(paths.prefixes()) == len(papers.held) == PREFIXES_MAX
    assert "1069000000" not in paths.prefixes()


COUNTS = st.integers(0, (1 << 63) - 1)
TIMES = st.integers(0, 1 << 42).map(lambda ms: ms / 1000)
ROWS = st.builds(
    PrefixCounts, st.text(max_size=20), COUNTS, COUNTS, COUNTS, COUNTS, TIMES, TIMES, st.booleans(), TIMES, TIMES, TIMES, COUNTS, COUNTS,
    st.dictionaries(st.text(max_size=8), st.tuples(COUNTS, COUNTS), max_size=13),
)  # fmt: skip


@given(st.lists(ROWS, max_size=20))
def test_rows_come_back_from_the_journal_as_they_were(rows):
    assert unpack(ReplyPathCounts, pack(ReplyPathCounts(tuple(rows)))).rows == tuple(rows)


@given(st.lists(ROWS, min_size=1, max_size=2), st.data())
def test_a_body_that_ends_early_is_an_error(rows, data):
    body = pack(ReplyPathCounts(tuple(rows)))
    with pytest.raises((ValueError, struct.error)):
        unpack(ReplyPathCounts, body[: data.draw(st.integers(0, len(body) - 1))])
