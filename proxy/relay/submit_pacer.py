"""Lets submits above a provider's rate wait until the rate has room.

In: submits that find no room at once, the rates of their account and provider, the time (monotonic). Out: pass, wait or refuse; later the
submits whose time has come, and those that have waited in vain. Never: a clock, a timer, a verdict, what a submit contains.

A provider with ``over_rate: pace`` has one queue, in order of arrival. A submit that waits is not judged yet, and nothing of it is written.

    a part of the same long message waits                      it waits with that part, and goes when that part goes
    none of its account waits, and all rates have room         pass
    its turn comes within WAIT_MAX_S                           wait
    otherwise                                                  refuse

The submits of an account never overtake each other. Those of another account pass them only while the rate of the account itself has no room.
A share of a rate may shrink while submits wait (net/account_leases.py): a submit that has waited WAIT_MAX_S then is refused.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Iterator
from enum import IntEnum
from typing import Any, Generic, NamedTuple, TypeVar

from proxy.model.rate import MessageRate, Rate
from proxy.state.counters.rate_shares import LeasedRate

WAIT_MAX_S = 1.0
"""Clients wait some seconds for an answer, and the carrier needs part of that. A longer queue would only delay the same refusals."""
_LAST_S = WAIT_MAX_S + 1e-6
"""The same with room for rounding: who is due after exactly a second goes."""
LOOK_S = 0.2
"""Longest time until waiting submits are looked at again: a share of a rate may have grown, as often as it is renewed."""

Waiting = TypeVar("Waiting")


class Pace(IntEnum):
    """What becomes of a submit that found no room at once."""

    PASS = 0
    WAIT = 1
    REFUSE = 2
    REPEAT = 3
    """Refuse: this very part waits already."""


class PacedRates(MessageRate):
    """The rates of one account. It has room while no submit of its provider waits: the others must ask the pacer."""

    def __init__(self, pacer: SubmitPacer[Any]) -> None:
        self.pacer = pacer
        self.waiting = 0
        """Submits of this account that wait."""
        self.groups = 0
        """Groups in the queue that its rates let go."""
        self._own: Rate | LeasedRate | None = None
        self._shared: Rate | LeasedRate | None = None
        self._rates: tuple[Rate | LeasedRate, ...] = ()

    def use(self, own: Rate | LeasedRate | None, shared: Rate | LeasedRate | None) -> None:
        """Sets the rate of the account and that of its provider; what waits goes by them from now on."""
        waiting = self.waiting
        self._waits(-waiting)
        self._own, self._shared, self._rates = own, shared, tuple(rate for rate in (own, shared) if rate is not None)
        self._waits(waiting)

    def has_room(self, now: float) -> bool:
        return not self.pacer.waiting and self.fits(now)

    def fits(self, now: float) -> bool:
        """Whether all rates have room for one more, whoever waits."""
        return all(rate.has_room(now) for rate in self._rates)

    def count(self, now: float) -> None:
        for rate in self._rates:
            rate.count(now)

    def allow(self, now: float) -> bool:
        """Whether one more may go now without asking the pacer; if so it is counted."""
        room = self.has_room(now)
        if room:
            self.count(now)
        return room

    def owe(self, now: float) -> None:
        """Counts one message that is sent even above the rates."""
        for rate in self._rates:
            rate.owe(now)

    def turn_s(self, now: float, own: int, all_: int) -> float:
        """Seconds until the turn of a submit: ``own`` others of its account go before it, and ``all_`` of its provider."""
        own_s = self._own.wait_s(now, own + 1) if self._own is not None else 0.0
        return max(own_s, self._shared.wait_s(now, all_ + 1) if self._shared is not None else 0.0)

    def begins(self) -> None:
        """One submit more waits."""
        self.waiting += 1
        self._waits(1)

    def ends(self) -> None:
        """One waits no longer."""
        self.waiting -= 1
        self._waits(-1)

    def _waits(self, more: int) -> None:
        for rate in self._rates:
            rate.waits(more)


class WaitingGroup(Generic[Waiting]):
    """A submit that waits, or parts of one long message that wait together, by part number."""

    __slots__ = ("rates", "place", "since_s", "parts")

    def __init__(self, rates: PacedRates, place: Hashable, since_s: float) -> None:
        self.rates, self.place, self.since_s = rates, place, since_s
        self.parts: dict[int, tuple[Waiting, PacedRates]] = {}  # a part may come over another account


class Released(NamedTuple, Generic[Waiting]):
    """Submits that wait no longer, in order."""

    ready: list[Waiting]
    late: list[Waiting]
    """Those that have waited in vain."""


class SubmitPacer(Generic[Waiting]):
    """The waiting submits of one provider."""

    def __init__(self) -> None:
        self.paces = True
        """False: the settings or a penalty say that submits above the rate are refused."""
        self.accounts: dict[str, PacedRates] = {}
        self.waiting = 0
        self.next_s: float | None = None
        """When ``release`` must be called next (monotonic); None while nothing waits."""
        self._queue: deque[WaitingGroup[Waiting]] = deque()
        self._by_place: dict[Hashable, WaitingGroup[Waiting]] = {}
        self._busy = 0
        """Accounts with groups in the queue."""

    def account(self, name: str) -> PacedRates:
        """The rates of an account, which stay the same object over reloads."""
        found = self.accounts.get(name)
        if found is None:
            found = self.accounts[name] = PacedRates(self)
        return found

    def __iter__(self) -> Iterator[Waiting]:
        return (one for group in self._queue for one, _ in group.parts.values())

    def decide(self, rates: PacedRates, submit: Waiting, now: float, place: Hashable = None, index: int = 0) -> Pace:
        """Decides about a submit that found no room at once. ``place``: the same for all parts of a long message; ``index``: which part."""
        group = self._by_place.get(place) if place is not None else None
        if group is not None:
            if index in group.parts:
                return Pace.REPEAT
            self._add(group, rates, submit, index)
            return Pace.WAIT
        turn_s = rates.turn_s(now, rates.waiting, self.waiting)
        if turn_s > _LAST_S:
            return Pace.REFUSE
        if not rates.groups:
            if not turn_s:
                rates.count(now)
                return Pace.PASS
            turn_s = rates.turn_s(now, 0, 0)
            self._busy += 1
        due_s = now + min(turn_s, LOOK_S)
        if self.next_s is None or due_s < self.next_s:
            self.next_s = due_s
        group = WaitingGroup(rates, place, now)
        self._queue.append(group)
        rates.groups += 1
        if place is not None:
            self._by_place[place] = group
        self._add(group, rates, submit, index)
        return Pace.WAIT

    def _add(self, group: WaitingGroup[Waiting], rates: PacedRates, submit: Waiting, index: int) -> None:
        group.parts[index] = submit, rates
        rates.begins()
        self.waiting += 1

    def release(self, now: float) -> Released[Waiting]:
        """Takes out the submits for which the rates have room now, counts them, and takes out those that have waited in vain."""
        found: Released[Waiting] = Released([], [])
        queue, kept, next_s = self._queue, list[WaitingGroup[Waiting]](), float("inf")
        blocked: set[PacedRates] = set()
        while queue and len(blocked) < self._busy:
            group = queue.popleft()
            rates = group.rates
            if rates in blocked:
                kept.append(group)
            elif rates.fits(now):
                self._take_out(group, found.ready)
                rates.count(now)
                for _, its in list(group.parts.values())[1:]:  # a rate never splits a message
                    its.owe(now)
            elif abs(now - group.since_s) >= _LAST_S:  # also where the clock was set back
                self._take_out(group, found.late)
            else:
                kept.append(group)
                blocked.add(rates)
                next_s = min(next_s, group.since_s + _LAST_S, now + min(LOOK_S, rates.turn_s(now, 0, 0)))
        queue.extendleft(reversed(kept))
        self.next_s = next_s if queue else None
        return found

    def take_all(self) -> list[Waiting]:
        """Takes out all waiting submits."""
        found: list[Waiting] = []
        while self._queue:
            self._take_out(self._queue.popleft(), found)
        self.next_s = None
        return found

    def _take_out(self, group: WaitingGroup[Waiting], to: list[Waiting]) -> None:
        if group.place is not None:
            del self._by_place[group.place]
        group.rates.groups -= 1
        self._busy -= not group.rates.groups
        for submit, rates in group.parts.values():
            rates.ends()
            to.append(submit)
        self.waiting -= len(group.parts)
