"""Declares feeds of recycled numbers (kind 60).

A feed lists numbers that the carrier has assigned to other people, each with the day since when. It waits for a second person. A long feed has
several pages; the first one holds its state. What ends for each number is a PERSON record (consents.py).
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import Annotated, NamedTuple, Protocol

from proxy.journal.encoding import U32, U64, Ms, Rest, Text, one_of, record, unpack
from proxy.journal.records.messages import RECYCLING
from proxy.model.approvals import PendingProposal
from proxy.model.number import masked_repr

PROPOSED, APPROVED, REJECTED, WITHDRAWN, LAPSED = STATES = ("proposed", "approved", "rejected", "withdrawn", "lapsed")
"""A state's place here is its number in the journal, for ever."""
LAPSES_S = 7 * 86_400.0
"""A feed that nobody decides for so long is dropped: its numbers change their owners again."""
PAGE_NUMBERS_MAX = 20_000
_ROW = struct.Struct(">QI")


@record(RECYCLING)
@masked_repr
class RecycledFeed(NamedTuple):
    """A page of a feed of recycled numbers, or what was decided about the feed."""

    time: Ms  # of the proposal
    id: U64  # of this page, from 1
    feed: U64  # the id of the first page
    decided: Ms  # 0 while it waits
    total: U32  # numbers of all pages
    ended: U32  # consents and listings that were ended
    state: Annotated[str, one_of(STATES)]
    author: Text
    file: Text
    who: Text  # who did the last thing to it
    why: Text
    decision: Text  # why it was rejected or withdrawn
    numbers: Rest  # number (u64) and the moment since when it is another person's (u32), of this page; empty once it is decided

    @property
    def name(self) -> str:
        return f"recycled-{self.feed}"

    @property
    def waiting(self) -> PendingProposal:
        return PendingProposal(self.name, self.author, self.time, self.time + LAPSES_S)

    @property
    def rows(self) -> list[tuple[int, int]]:
        return list(_ROW.iter_unpack(self.numbers))


def pack_rows(rows: Iterable[tuple[int, int]]) -> bytes:
    return b"".join(_ROW.pack(*row) for row in rows)


class FeedStore(Protocol):
    """Where pages are kept over restarts, by number (state/lists/desk_records.py)."""

    held: dict[int, bytes]

    def hear(self, number: int, body: bytes) -> None: ...
    def drop(self, number: int) -> None: ...


def keep_feed(store: FeedStore, body: bytes) -> None:
    """Keeps a page that is replayed or replicated; without the numbers of a feed that is decided."""
    page = unpack(RecycledFeed, body)
    store.hear(page.id, body)
    if page.state != PROPOSED:
        for number in list(later_pages(store, page.feed)):
            store.drop(number)


def later_pages(store: FeedStore, feed: int) -> Iterator[int]:
    """The ids of a feed's pages behind the first one."""
    return (number for number, body in store.held.items() if number != feed and unpack(RecycledFeed, body).feed == feed)
