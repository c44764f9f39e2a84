"""Decides whether a batch starts now or waits for more submits.

In: recipients; how many submits have arrived; the time. Out: whether a batch may begin; what arrived for its recipients meanwhile.
Never: a store, a verdict. Only a store that waits (Valkey) needs it.

A recipient is in one batch at a time. A store call for few submits costs the gate and the store nearly as much as a call for many. So new
submits wait while another batch is under way: until there are enough, or that batch ends, or it takes longer than ``LONG_S``. At rest nothing
waits.

Under load, submits also wait after a batch of many, at most for as long as that batch took: while more submits are in flight than have
arrived; and while they are few, compared with the number lately in flight. The rest is with its senders, who send the next ones as soon as
their windows allow. With several gates on one store each sees only a share of the submits in flight and would make smaller batches. Measured
with two workers (windows of 250 and 150 between them): batches of 157 and 95 became 180 and 124, for 8 % less processor time a message.
Below a load of ``MANY`` submits a batch nothing changes (20,000/s, one gate: a median of 1.4 ms with or without). Above it a message waits
longer (40,000/s, one gate: the median is the same to 1.8 ms more, with ``WORTH`` at 128).
"""

from __future__ import annotations

from collections.abc import Collection

from proxy.relay.effects.record_changes import RecordChange
from proxy.relay.pending_submit import PendingSubmit

ENOUGH = 256
"""So much begins at once: a call takes no more (state/shared/records.py)."""
WORTH = 160
"""So many are no longer few. Of 400 on their way to one gate two such batches go by turns, one under way while the other comes: its batches are
no larger than with 128. Each of two workers has 200 of them, and its batches became 172 for 139 (the medians): with binds evenly
spread beside it, in two series in turns, 0.93 ± 0.04 and 1.02 ± 0.03 of the processor time a message."""
MOST = 0.8
"""So much of what was lately on its way is nearly all of it: some sender is always late."""
FADES = 0.9
"""What was on its way is forgotten by and by, with each batch."""
LONG_S = 0.01
"""Whoever is so far from the store does not wait for each answer."""
MANY = 64
"""A batch of so many is one of a gate under load: at 5,000 a second it would have been under way for 13 ms."""

Chain = tuple[list[RecordChange], list[PendingSubmit]]
"""What one turn brings for one person: changes, which come first, then submits in the order in which they came."""


class BatchWindow:
    def __init__(self) -> None:
        self.people: set[int] = set()
        """Their records are being loaded or swapped …"""
        self.behind: dict[int, Chain] = {}
        """… and this came for them meanwhile."""
        self._batches, self._begun, self._many = 0, 0.0, False
        self._lately = 0.0  # so much was on its way at most
        self.until = 0.0
        """So long (wall clock) what has come waits though nothing is under way; 0 if it does not."""

    def gathers(self, count: int, others: int, now: float) -> bool:
        """Whether so much waits for more. To be asked each turn. ``others``: as many went by before, and are not answered yet."""
        if self._batches:
            return count < ENOUGH and abs(now - self._begun) < LONG_S
        if self._many:  # it has just ended
            self._many = False
            self.until = now + min(abs(now - self._begun), LONG_S)
        self._lately = max(self._lately, count + others)
        wanted = max(min(ENOUGH, others), min(WORTH, MOST * self._lately))
        if self.until and not (count < wanted and 0 < self.until - now < 2 * LONG_S):
            self.until = 0.0
        return self.until > 0

    def begins(self, people: Collection[int], now: float) -> None:
        self.people.update(people)
        self._batches += 1
        self._begun, self.until = now, 0.0
        self._many = len(people) >= MANY
        self._lately *= FADES

    def ends(self, people: Collection[int]) -> list[Chain]:
        """What came for these people meanwhile."""
        self.people.difference_update(people)
        self._batches -= 1
        return [self.behind.pop(person) for person in [person for person in self.behind if person in people]]
