"""Keeps feeds of recycled numbers until a second person has decided; pure.

In: numbers with the moment since when they belong to another person, decisions, the time. Out: journal records, the feeds as they are; or
Impossible. Never: the clock, a person's record (recycled_operations.py changes those of an approved feed).

    proposed ─▶ approved     its numbers lose what is older than their moment; then this is written
            ├─▶ rejected · withdrawn · lapsed (nobody decided it within 7 days)

An approval that is interrupted has changed some of the numbers, and the feed still waits: it may be approved again, with the same result.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence

from proxy.journal.encoding import pack, unpack
from proxy.journal.records import messages, recycled_numbers
from proxy.journal.records.recycled_numbers import PAGE_NUMBERS_MAX, PROPOSED, RecycledFeed, later_pages, pack_rows
from proxy.model import approvals
from proxy.model.approvals import ApprovalResult, Impossible
from proxy.model.roles import Asker
from proxy.policy import time_windows
from proxy.state.lists.desk_records import DeskRecords

Row = tuple[int, int]
WAITING_NUMBERS_MAX = 5_000_000
"""Of all feeds that wait, 12 bytes each."""
DECIDED_MAX = 1_000
"""Feeds that are decided and still listed."""


class RecycledFeeds:
    def __init__(self, store: DeskRecords, write: Callable[[Sequence[tuple[int, bytes]]], int]) -> None:
        """``write``: records into the journal, now, all of them or none; the sequence of the last."""
        self._store, self._write = store, write
        self._at_work: set[int] = set()
        """Feeds whose numbers are being changed."""
        self._feeds: dict[int, RecycledFeed] = {}
        """The first page of each, without its numbers: lists are asked for, and read often."""
        for body in store.held.values():
            self._enter(unpack(RecycledFeed, body))
        store.news()

    def reread(self) -> None:
        """Another gate wrote about feeds."""
        for _, body in self._store.news():
            self._enter(unpack(RecycledFeed, body))

    def all(self) -> list[RecycledFeed]:
        """Every feed without its numbers, the newest first."""
        return sorted(self._feeds.values(), key=lambda feed: -feed.id)

    def find(self, number: int) -> RecycledFeed:
        feed = self._feeds.get(number)
        if feed is None:
            raise Impossible(f"there is no feed {number} (`gate106 recycled list` lists them)")
        return feed

    def pages(self, feed: RecycledFeed) -> Iterator[list[Row]]:
        """All its numbers, a page at a time."""
        for number in [feed.id, *sorted(later_pages(self._store, feed.feed))]:
            yield unpack(RecycledFeed, self._store.held[number]).rows

    def propose(self, rows: Sequence[Row], file: str, author: str, who: str, why: str, now: float) -> tuple[RecycledFeed, int]:
        """Impossible: too many numbers wait already."""
        waiting = sum(one.total for one in self.all() if one.state == PROPOSED)
        if waiting + len(rows) > WAITING_NUMBERS_MAX:
            raise Impossible(
                f"{waiting:,} numbers wait for a second person already: decide about them first (gate106 recycled list)"
            )
        parts = [rows[start : start + PAGE_NUMBERS_MAX] for start in range(0, len(rows), PAGE_NUMBERS_MAX)]
        ids = self._store.following(len(parts))
        pages = [
            RecycledFeed(now, number, ids[0], 0.0, len(rows), 0, PROPOSED, author, file, who, why, "", pack_rows(part))
            for number, part in zip(ids, parts, strict=True)
        ]
        sequence = self._put(pages)
        self._make_room()
        return pages[0], sequence

    def begin(self, number: int, asker: Asker, known: Collection[str], now: float, who: str) -> tuple[RecycledFeed, int]:
        """A person agrees. Its state says what follows: approved, after its numbers were changed and ``done``; proposed, if a second person
        must agree with this one. The sequence is 0 where nothing was written."""
        feed = self._waiting(number)
        if approvals.approve(feed.waiting, asker, known, now) is ApprovalResult.VOUCHED:
            first = unpack(RecycledFeed, self._store.held[feed.id])
            return feed, self._put([first._replace(author=asker.name, who=who)])
        if number in self._at_work:
            raise Impossible(f"{feed.name} is being carried out")
        self._at_work.add(number)
        return feed._replace(state=recycled_numbers.APPROVED), 0

    def interrupted(self, number: int) -> None:
        """The change of its numbers ended before all were changed."""
        self._at_work.discard(number)

    def done(self, feed: RecycledFeed, ended: int, now: float, who: str) -> tuple[RecycledFeed, int]:
        """All its numbers were changed."""
        self._at_work.discard(feed.id)
        return self._decide(feed, recycled_numbers.APPROVED, now, who, ended=ended)

    def reject(self, number: int, asker: Asker, now: float, who: str, why: str) -> tuple[RecycledFeed, int]:
        feed = self._waiting(number)
        approvals.reject(feed.waiting, asker, why, now)
        return self._decide(feed, recycled_numbers.REJECTED, now, who, why)

    def withdraw(self, number: int, asker: Asker, now: float, who: str, why: str) -> tuple[RecycledFeed, int]:
        feed = self._waiting(number)
        approvals.withdraw(feed.waiting, asker, why, now)
        return self._decide(feed, recycled_numbers.WITHDRAWN, now, who, why)

    def lapse(self, now: float) -> list[RecycledFeed]:
        """Feeds that were not decided in time; the caller looks now and then."""
        over = [one for one in self.all() if one.state == PROPOSED and approvals.lapsed(one.waiting, now)]
        return [self._decide(one, recycled_numbers.LAPSED, now, "")[0] for one in over if one.id not in self._at_work]

    def notes(self) -> list[str]:
        """Feeds that wait, for /readyz."""
        return [
            f"recycled numbers: feed {one.id} by {one.author} waits for a second person since {time_windows.local(one.time)} "
            f"(gate106 recycled approve {one.id})"
            for one in self.all()
            if one.state == PROPOSED
        ]

    # --

    def _waiting(self, number: int) -> RecycledFeed:
        feed = self.find(number)
        if feed.state != PROPOSED:
            raise Impossible(f"{feed.name} is {feed.state} (gate106 recycled list)")
        return feed

    def _decide(
        self, feed: RecycledFeed, state: str, now: float, who: str, decision: str = "", ended: int = 0
    ) -> tuple[RecycledFeed, int]:
        settled = feed._replace(state=state, decided=now, who=who, decision=decision, ended=ended, numbers=b"")
        sequence = self._put([settled])
        for number in list(later_pages(self._store, feed.feed)):
            self._store.drop(number)
        return settled, sequence

    def _put(self, pages: Sequence[RecycledFeed]) -> int:
        bodies = [(page.id, pack(page)) for page in pages]
        sequence = self._write([(messages.RECYCLING, body) for _, body in bodies])
        for page, (number, body) in zip(pages, bodies, strict=True):
            self._store.put(number, body)
            self._enter(page)
        return sequence

    def _enter(self, page: RecycledFeed) -> None:
        if page.id == page.feed:
            self._feeds[page.id] = page._replace(numbers=b"")

    def _make_room(self) -> None:
        for feed in [one for one in self.all() if one.state != PROPOSED][DECIDED_MAX:]:
            self._store.drop(feed.id)
            del self._feeds[feed.id]
