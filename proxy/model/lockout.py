"""Locks out a name and address after too many failed logins.

In: the claimed name, the client's address, the time. Out: whether this client must wait. Never: a lockout of the name alone,
because then one user could lock out another; an unbounded table.
"""

from __future__ import annotations

from collections import OrderedDict

FAILURES_MAX = 5
"""Failed logins of one (name, address) before it is locked out."""
HELD_OFF_S = 30.0
HELD_MAX = 10_000
"""Pairs kept: an attacker with many addresses only displaces other attackers."""


class Lockout:
    def __init__(self) -> None:
        self._failures: OrderedDict[tuple[str, str], tuple[int, float]] = OrderedDict()

    def note_failure(self, name: str, address: str, now: float) -> None:
        key = (name, address)
        count, _ = self._failures.pop(key, (0, 0.0))
        self._failures[key] = (count + 1, now)
        while len(self._failures) > HELD_MAX:
            self._failures.popitem(last=False)

    def note_success(self, name: str, address: str) -> None:
        self._failures.pop((name, address), None)

    def held_off(self, name: str, address: str, now: float) -> bool:
        """Whether this name from this address must wait. After the wait, one more failure starts the next lockout."""
        count, last = self._failures.get((name, address), (0, 0.0))
        return count >= FAILURES_MAX and now - last < HELD_OFF_S
