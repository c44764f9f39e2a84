"""Transit: one submit on its way, and what the relay asks of the two ends (net implements them, the simulation too).

In: nothing. Out: nouns. Never: sockets, the clock.
"""

from __future__ import annotations

from typing import Protocol

from proxy.access import Access
from proxy.message import Category, Entry, Message, Take, Verdict


class Bind(Protocol):
    """A provider's connection, as the relay sees it."""

    access: Access
    unanswered: int
    """Submits taken and not yet answered: the relay counts up, and down again when it answers."""
    window: int
    peer_version: int

    def answer(self, data: bytes) -> None:
        """Put a whole response on the way; goes out joined at the end of the loop turn. Does nothing once closed."""

    def hand(self, data: bytes) -> bool:
        """Hand a deliver to the provider: False if this bind cannot receive or its window is full."""


class Link(Protocol):
    """A carrier's connection, as the relay sees it."""

    carrier: str

    def answer(self, data: bytes) -> None:
        """Put a whole response on the way to the carrier."""


class Lane(Protocol):
    """The way to one carrier: bounded, ordered by class, paced."""

    name: str
    up: bool
    """Whether any link can take submits now."""

    def hold(self, category: Category) -> bool:
        """Keep one place; False if this class has its second's worth waiting already."""

    def release(self, category: Category) -> None:
        """Give a place back unused."""

    def put(self, transit: Transit) -> None:
        """Queue a submit in the place that was held for it."""


class Routes(Protocol):
    def lane(self, message: Message, verdict: Verdict) -> Lane | None:
        """The lane with a link up that should carry this message, or None."""


class Transit:
    """One submit from its arrival at a bind to the answer it gets."""

    __slots__ = (
        "bind",
        "sequence",
        "data",
        "message",
        "verdict",
        "category",
        "status",
        "reason",
        "lane",
        "entry_id",
        "entry_time",
        "packed",
        "adopted",
        "takes",
        "recorded",
        "arrived_s",
        "answered_s",
        "own_s",
    )

    def __init__(self, bind: Bind, sequence: int, data: bytes, arrived_s: float) -> None:
        self.bind = bind
        self.sequence = sequence  # the provider's own
        self.data = data  # the PDU as it came: what leaves differs in four bytes
        self.arrived_s = self.answered_s = arrived_s  # monotonic: when its last byte was read; when the carrier's answer was
        self.own_s = 0.0  # our own part of the way there
        self.message: Message | None = None  # None while, or because, it cannot be read
        self.verdict: Verdict | None = None
        self.category = Category.MARKETING  # effective; until it is judged, the strictest
        self.status = 0  # what the provider is answered with, if the gate itself answers
        self.reason = ""  # why, by name; empty when allowed
        self.lane: Lane | None = None
        self.recorded = 0  # the journal's sequence of its verdict
        self.packed = b""  # what it added to the person's record (message.Entry, packed); empty if nothing
        self.entry_id = 0
        self.entry_time = 0
        self.adopted: Entry | None = None  # the unknown entry this identical submit stands in for
        self.takes: tuple[Take, ...] = ()  # what it took from aggregates

    @property
    def adopts(self) -> int:
        """Id of the entry it stands in for, 0 if none."""
        return self.adopted.id if self.adopted is not None else 0
