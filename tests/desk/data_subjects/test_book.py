"""Feeds of recycled numbers wait for a second person, over restarts and on other gates."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from proxy.desk.data_subjects.book import WAITING_NUMBERS_MAX, RecycledFeeds
from proxy.journal.encoding import unpack
from proxy.journal.records import messages
from proxy.journal.records.recycled_numbers import LAPSES_S, PAGE_NUMBERS_MAX, RecycledFeed, keep_feed
from proxy.model.approvals import Impossible
from proxy.model.roles import Asker, NotAllowed, Role
from proxy.state.lists.desk_records import DeskRecords

NOW = 1_800_000_000.0
FIRST = 13_800_210_000
KNOWN = frozenset({"chen", "lin"})
LIN, CHEN, GUO = (
    Asker("lin", frozenset({Role.APPROVER}), by_token=True), Asker("chen", frozenset({Role.OFFICER, Role.APPROVER}), by_token=True),
    Asker("guo", frozenset({Role.VIEWER}), by_token=True),
)  # fmt: skip


class Desk:
    def __init__(self) -> None:
        self.written: list[tuple[int, bytes]] = []
        self.store = DeskRecords()
        self.feeds = RecycledFeeds(self.store, self.write)

    def write(self, records: Sequence[tuple[int, bytes]]) -> int:
        self.written += records
        return len(self.written)

    def propose(self, count: int = 3, author: str = "chen") -> RecycledFeed:
        rows = [(FIRST + place, int(NOW) - place) for place in range(count)]
        return self.feeds.propose(rows, "november.csv", author, f"{author} (uid 1)", "list of November", NOW)[0]

    def numbers(self, feed: RecycledFeed) -> int:
        return sum(map(len, self.feeds.pages(feed)))


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_a_feed_waits_and_another_person_approves_it(desk: Desk) -> None:
    feed = desk.propose()
    assert (feed.state, feed.total, feed.name) == ("proposed", 3, "recycled-1")
    (note,) = desk.feeds.notes()
    assert note.startswith(
        "recycled numbers: feed 1 by chen waits for a second person since 2027-01-15 16:00:00 (gate106 recycled approve 1)"
    )
    with pytest.raises(Impossible, match="chen is the author"):
        desk.feeds.begin(1, CHEN, KNOWN, NOW, "chen")
    with pytest.raises(NotAllowed):
        desk.feeds.begin(1, GUO, KNOWN, NOW, "guo")
    begun, sequence = desk.feeds.begin(1, LIN, KNOWN, NOW, "lin")
    assert (begun.state, sequence) == ("approved", 0)
    assert desk.feeds.find(1).state == "proposed", "until its numbers are changed"
    assert next(desk.feeds.pages(begun))[2] == (FIRST + 2, int(NOW) - 2)
    with pytest.raises(Impossible, match="is being carried out"):
        desk.feeds.begin(1, LIN, KNOWN, NOW, "lin")
    done, _ = desk.feeds.done(begun, 7, NOW + 5, "lin")
    assert (done.state, done.ended, done.decided, done.numbers) == ("approved", 7, NOW + 5, b"")
    assert desk.feeds.notes() == []
    with pytest.raises(Impossible, match="recycled-1 is approved"):
        desk.feeds.begin(1, LIN, KNOWN, NOW, "lin")


def test_an_interrupted_approval_may_be_repeated(desk: Desk) -> None:
    desk.propose()
    desk.feeds.begin(1, LIN, KNOWN, NOW, "lin")
    desk.feeds.interrupted(1)
    assert desk.feeds.begin(1, LIN, KNOWN, NOW, "lin")[0].state == "approved"


def test_who_agrees_with_an_account_stands_for_it(desk: Desk) -> None:
    desk.propose(author="cron")
    assert desk.feeds.begin(1, LIN, KNOWN, NOW, "lin")[0].state == "proposed"
    assert desk.feeds.find(1).author == "lin"
    assert desk.numbers(desk.feeds.find(1)) == 3
    with pytest.raises(Impossible, match="lin is the author"):
        desk.feeds.begin(1, LIN, KNOWN, NOW, "lin")
    assert desk.feeds.begin(1, CHEN, KNOWN, NOW, "chen")[0].state == "approved"


def test_it_is_rejected_withdrawn_or_lapses(desk: Desk) -> None:
    for _ in range(3):
        desk.propose()
    assert desk.feeds.reject(1, LIN, NOW, "lin", "another month")[0].decision == "another month"
    with pytest.raises(Impossible, match="is chen's"):
        desk.feeds.withdraw(2, LIN, NOW, "lin", "x")
    desk.feeds.withdraw(2, CHEN, NOW, "chen", "x")
    assert desk.feeds.lapse(NOW + LAPSES_S - 1) == []
    assert [one.id for one in desk.feeds.lapse(NOW + LAPSES_S)] == [3]
    assert [one.state for one in desk.feeds.all()] == ["lapsed", "withdrawn", "rejected"]


def test_a_long_feed_has_pages_which_are_gone_when_it_is_decided(desk: Desk) -> None:
    feed = desk.propose(2 * PAGE_NUMBERS_MAX + 1)
    assert (len(desk.store.held), desk.numbers(feed), len(desk.feeds.all())) == (3, feed.total, 1)
    assert max(len(body) for _, body in desk.written) < 1 << 18
    desk.feeds.reject(feed.id, LIN, NOW, "lin", "x")
    assert len(desk.store.held) == 1


def test_a_restart_and_another_gate_know_the_same(desk: Desk) -> None:
    desk.propose(PAGE_NUMBERS_MAX + 1)
    desk.propose(2)
    other = Desk()
    for kind, body in desk.written:
        assert kind == messages.RECYCLING
        keep_feed(other.store, body)
    other.feeds.reread()
    assert other.feeds.all() == desk.feeds.all() == RecycledFeeds(other.store, other.write).all()
    desk.feeds.reject(1, LIN, NOW, "lin", "x")
    keep_feed(other.store, desk.written[-1][1])
    other.feeds.reread()
    assert (other.feeds.find(1).state, set(other.store.held)) == ("rejected", set(desk.store.held))


def test_the_record_says_who_and_why_and_no_number_is_shown(desk: Desk) -> None:
    desk.propose()
    (record,) = [unpack(RecycledFeed, body) for _, body in desk.written]
    assert (record.author, record.why, record.file) == ("chen", "list of November", "november.csv")
    assert str(FIRST) not in repr(record)


def test_only_so_many_numbers_wait(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.desk.data_subjects.book.WAITING_NUMBERS_MAX", 5)
    desk.propose(3)
    with pytest.raises(Impossible, match="3 numbers wait for a second person already"):
        desk.propose(3)
    assert WAITING_NUMBERS_MAX == 5_000_000
