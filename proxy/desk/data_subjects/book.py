"""Keeps recycled numbers and requests to be erased until decided; pure.

In: numbers with the moment since when they belong to another person, or a person's number; decisions, the time. Out: journal records, feeds and
requests as they are; or Impossible. Never: the clock, a person's record (recycled_operations.py and operations.py change those).

    feed     proposed ─▶ approved   its numbers lose what is older than their moment; then this is written
                     ├─▶ rejected · withdrawn · lapsed (nobody decided it within 7 days)
    request  proposed ─▶ approved   the person is erased; then this is written, without the number
                     └─▶ rejected · withdrawn   it does not lapse: the person waits for an answer

An approval that is interrupted may be repeated, with the same result.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence

from proxy.journal.encoding import pack, unpack
from proxy.journal.records import erasure_requests, messages, recycled_numbers
from proxy.journal.records.erasure_requests import ErasureRequest
from proxy.journal.records.recycled_numbers import PAGE_NUMBERS_MAX, PROPOSED, RecycledFeed, later_pages, pack_rows
from proxy.model import approvals
from proxy.model.approvals import ApprovalResult, Impossible
from proxy.model.number import mask
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


KEPT_MAX = 2_000
"""Requests, the decided ones too, that are listed; the journal has older ones."""


class ErasureRequests:
    def __init__(self, store: DeskRecords, write: Callable[[Sequence[tuple[int, bytes]]], int]) -> None:
        """``write``: records into the journal; the sequence of the last."""
        self._store, self._write = store, write
        self._requests = {number: unpack(ErasureRequest, body) for number, body in store.held.items()}
        store.news()

    def reread(self) -> None:
        """Another gate wrote about requests."""
        self._requests |= {number: unpack(ErasureRequest, body) for number, body in self._store.news()}

    def all(self) -> list[ErasureRequest]:
        """The newest first."""
        return sorted(self._requests.values(), key=lambda one: -one.id)

    def find(self, number: int) -> ErasureRequest:
        request = self._requests.get(number)
        if request is None:
            raise Impossible(f"there is no request {number} (`gate106 subject list-requests` lists them)")
        return request

    def check_new(self, person: int) -> None:
        """Impossible: the person has asked already, or as many requests wait as are kept."""
        waiting = [one for one in self.all() if one.state == PROPOSED]
        if len(waiting) >= KEPT_MAX:
            raise Impossible(f"{KEPT_MAX} requests wait: decide about them first (gate106 subject list-requests)")
        for one in waiting:
            if one.number == person:
                raise Impossible(f"{one.shown}: request {one.id} of {time_windows.local(one.time)} waits already")

    def propose(self, person: int, author: str, who: str, why: str, now: float) -> tuple[ErasureRequest, int]:
        self.check_new(person)
        (number,) = self._store.following(1)
        request = ErasureRequest(now, number, person, 0.0, PROPOSED, mask(person), author, who, why, "", b"")
        self._make_room()
        return request, self._put(request)

    def carried_out(
        self, person: int, outcome: bytes, author: str, who: str, why: str, now: float
    ) -> tuple[ErasureRequest, int]:
        """A person was erased without a second person, where the settings list nobody: for the receipt."""
        self._make_room()
        (number,) = self._store.following(1)
        state = erasure_requests.APPROVED
        request = ErasureRequest(now, number, 0, now, state, mask(person), author, who, why, "", outcome)
        return request, self._put(request)

    def begin(self, number: int, asker: Asker, known: Collection[str], who: str, now: float) -> tuple[ErasureRequest, int]:
        """A person agrees. Its state says what follows: approved, after the person was erased and ``done``; proposed, if a second person must
        agree with this one. The sequence is 0 where nothing was written."""
        request = self._waiting(number)
        if approvals.approve(request.waiting, asker, known, now) is ApprovalResult.VOUCHED:
            request = request._replace(author=asker.name, who=who)
            return request, self._put(request)
        return request._replace(state=erasure_requests.APPROVED), 0

    def done(self, request: ErasureRequest, outcome: bytes, who: str, now: float) -> int:
        """The person was erased. Impossible: somebody has decided meanwhile."""
        return self._decide(self._waiting(request.id), erasure_requests.APPROVED, who, now, outcome=outcome)

    def reject(self, number: int, asker: Asker, who: str, why: str, now: float) -> int:
        request = self._waiting(number)
        approvals.reject(request.waiting, asker, why, now)
        return self._decide(request, erasure_requests.REJECTED, who, now, why)

    def withdraw(self, number: int, asker: Asker, who: str, why: str, now: float) -> int:
        request = self._waiting(number)
        approvals.withdraw(request.waiting, asker, why, now)
        return self._decide(request, erasure_requests.WITHDRAWN, who, now, why)

    def notes(self) -> list[str]:
        """Requests that wait, for /readyz."""
        return [
            f"erasure: request {one.id} by {one.author} waits for a second person since {time_windows.local(one.time)} "
            f"(gate106 subject approve {one.id})"
            for one in self.all()
            if one.state == PROPOSED
        ]

    # --

    def _waiting(self, number: int) -> ErasureRequest:
        request = self.find(number)
        if request.state != PROPOSED:
            raise Impossible(f"{request.name} is {request.state} (gate106 subject list-requests)")
        return request

    def _decide(
        self, request: ErasureRequest, state: str, who: str, now: float, decision: str = "", outcome: bytes = b""
    ) -> int:
        return self._put(request._replace(state=state, number=0, decided=now, who=who, decision=decision, outcome=outcome))

    def _put(self, request: ErasureRequest) -> int:
        body = pack(request)
        sequence = self._write([(messages.ERASURE_REQUESTED, body)])
        self._store.put(request.id, body)
        self._requests[request.id] = request
        return sequence

    def _make_room(self) -> None:
        """For one more."""
        if len(self._requests) >= KEPT_MAX:
            oldest = min(one.id for one in self.all() if one.state != PROPOSED)
            self._store.drop(oldest)
            del self._requests[oldest]
