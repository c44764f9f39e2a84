"""Leases: one total (a rate, a number of binds) kept over several nodes that ask for their part of it a few times a second. Pure.

In: who asks for what, the time. Out: what they may have, and until when. Never: a clock, a question for each message.

The book of a name stands in the store; functions of the store do to it, line for line, what is done to it here (tests compare them).

    rates    each node says how much it would send (``demand``), and by what share it sends now (``using``); its new share is the fair part of
             the total, but never what others may still be using: a share that became smaller is others' when its node has said that it
             knows. What all send by never sums up to more than the total at any moment; it moves within three beats, two of who gives
    places   each node says how many it holds; one more is given while all together hold fewer than the most

What a node holds is its own for LEASE_MS and no longer: a node that has died, or cannot reach the store, has given it back by then. A node
counts that time from before it asked, the store from when it was asked: no node thinks that it has what another was given.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

BEAT_S = 0.2
"""A node asks so often: a share that is not used goes to others within three times this."""
LEASE_MS = 3000
"""So long what a node holds stays its own without a word of it: what a dead node held is back after this and one beat."""
FLOOR = 0.04
"""Of the total, divided among all who hold some: so much each keeps though it uses nothing, so that its first messages pass. What others
cannot have because of that stays within the 5 % that are promised."""


class Share(NamedTuple):
    """What one node holds of a rate."""

    share: float  # the most that it may be using
    demand: float
    until_ms: int


class Places(NamedTuple):
    """How many places one node holds."""

    held: int
    until_ms: int


def ask_share(book: dict[int, Share], node: int, total: float, demand: float, using: float, now_ms: int) -> tuple[float, int]:
    """``node`` sends by a share of ``using``, and would send ``demand`` a second of ``total``: (its share from now on, how many nodes there
    are)."""
    for one in [one for one, held in book.items() if held.until_ms <= now_ms]:
        del book[one]
    book[node] = Share(using, demand, now_ms + LEASE_MS)
    nodes = sorted(book)
    fair = fair_parts(total, [book[one].demand for one in nodes])[nodes.index(node)]
    others = 0.0
    for one in nodes:
        if one != node:
            others += book[one].share
    share = max(0.0, min(fair, total - others))
    book[node] = Share(max(share, using), demand, now_ms + LEASE_MS)
    return share, len(nodes)


def fair_parts(total: float, demands: Sequence[float]) -> list[float]:
    """Who wants less than an equal part gets what it wants, the others share the rest equally; what nobody wants is divided equally. They sum
    up to the total."""
    many = len(demands)
    wanted = [max(demand, FLOOR * total / many) for demand in demands]
    parts, left, rest = [0.0] * many, total, many
    for place in sorted(range(many), key=lambda one: (wanted[one], one)):
        parts[place] = min(wanted[place], left / rest)
        left, rest = left - parts[place], rest - 1
    return [part + left / many for part in parts]


class Placed(NamedTuple):
    """What a node learns."""

    given: bool  # whether it got one more
    held: int  # by all nodes
    nodes: int  # how many there are
    rank: int  # its own place among them, from 0


def ask_place(book: dict[int, Places], node: int, most: int, held: int, more: bool, now_ms: int) -> Placed:
    """``node`` holds ``held`` of ``most``, and perhaps wants one more."""
    for one in [one for one, places in book.items() if places.until_ms <= now_ms]:
        del book[one]
    book[node] = Places(held, now_ms + LEASE_MS)
    given = more and sum(one.held for one in book.values()) < most
    book[node] = Places(held + given, now_ms + LEASE_MS)
    return Placed(given, sum(one.held for one in book.values()), len(book), sorted(book).index(node))


class LeasedRate:
    """A node's own part of a rate: what ``proxy.state.rate.Rate`` is for one process, with a rate that is given to it.

    A bucket that holds a second of the share, and one message at least. A share that grows brings no messages with it, one that shrinks takes
    what does not fit any more: so all nodes together send no more than one process with the whole rate would.
    """

    __slots__ = ("total", "tps", "_asked", "_beats", "_until_s", "_local", "_tokens", "_at_s", "_beat_s")

    def __init__(self, total: float, now_s: float = 0.0) -> None:
        """``total``: a second, over all nodes. Until the first grant one message may go."""
        self.total, self.tps = total, 0.0
        self._local = 0.0
        self._until_s = float("inf")
        self._tokens, self._at_s = 1.0, now_s
        self._asked, self._beats, self._beat_s = 0, [0.0] * round(1 / BEAT_S), now_s

    def over(self, total: float) -> None:
        """Another total from now on; the share is the same part of it."""
        self.tps *= total / self.total
        self._local *= total / self.total
        self.total = total

    @property
    def asked(self) -> bool:
        """Whether somebody asked since the last beat."""
        return self._asked > 0

    def allow(self, now_s: float, n: int = 1) -> bool:
        """Whether ``n`` more may go now (monotonic); if so they are counted."""
        self._asked += n
        self._settle(now_s)
        if self._tokens < n - 1e-9:
            return False
        self._tokens -= n
        return True

    def owe(self, now_s: float) -> None:
        """Counts one more that goes whether or not there is room for it."""
        self._asked += 1
        self._settle(now_s)
        self._tokens -= 1.0

    def demand(self, now_s: float) -> float:
        """How many a second were asked for lately; once a beat, before ``tps`` is told to the store."""
        self._settle(now_s)
        took_s, self._beat_s = max(now_s - self._beat_s, 1e-3), now_s
        self._beats = [*self._beats[1:], float(self._asked)]
        now = self._asked / max(took_s, BEAT_S)
        self._asked = 0
        return max(now, sum(self._beats))

    def grant(self, now_s: float, share: float, nodes: int, asked_s: float) -> None:
        """So much is ours, as of when it was asked for."""
        self._settle(now_s)
        self._until_s = asked_s + LEASE_MS / 1000
        self._local = self.total / max(1, nodes)
        self._turn_to(share)

    def _settle(self, now_s: float) -> None:
        if now_s >= self._until_s:  # nobody has told us for so long: an equal part, as many as there were
            self._fill(self._until_s)
            self._until_s = float("inf")
            self._turn_to(self._local)
        self._fill(now_s)

    def _fill(self, now_s: float) -> None:
        if now_s > self._at_s:
            self._tokens = min(max(1.0, self.tps), self._tokens + (now_s - self._at_s) * self.tps)
            self._at_s = now_s

    def _turn_to(self, tps: float) -> None:
        self.tps = tps
        self._tokens = min(self._tokens, max(1.0, tps))
