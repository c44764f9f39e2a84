"""Decides whether a batch starts now or waits for more submits.

In: recipients; how many submits have arrived; the time. Out: whether a batch may begin; what arrived for its recipients meanwhile.
Never: a store, a verdict. Only a store that waits (Valkey) needs it.

A recipient is in one batch at a time. A store call for few submits costs the gate and the store nearly as much as a call for many. So new
submits wait while another batch is under way: until there are enough, or that batch ends, or it takes longer than ``SLOW_STORE_S``. At rest
nothing waits.

Under load, batches begin ``gather_s`` apart, so that each has more submits: what a batch costs (a call at each server of the store, a write to
the journal, a sync, a write to each peer) is then divided by more. The interval grows with the rate of submits; it is 0 at rest:

    interval = gather_s · min(1, submits per second / GATHER_FULL_PER_S)

No submit waits for others where nearly all of those lately in flight have arrived: their senders wait for answers, and send nothing more.

Under load, submits also wait after a batch of many that did not end within its turn, at most for as long as it took: while more submits are
in flight than have arrived; and while they are few, compared with the number lately in flight. The rest is with its senders, who send the
next ones as soon as their windows allow. With several gates on one store each sees only a share of the submits in flight and would make
smaller batches.
Measured with two workers (windows of 250 and 150 between them): batches of 157 and 95 became 180 and 124, for 8 % less processor time a
message. Below a load of ``BATCH_UNDER_LOAD`` submits a batch nothing changes (20,000/s, one gate: a median of 1.4 ms with or without).
Above it a message waits longer (40,000/s, one gate: the median is the same to 1.8 ms more, with ``BATCH_LARGE`` at 128).
"""

from __future__ import annotations

from collections.abc import Collection

from proxy.relay.effects.record_changes import RecordChange
from proxy.relay.pending_submit import PendingSubmit

BATCH_FULL = 256
"""A batch of this size begins at once: a store call takes no more (state/shared/records.py)."""
BATCH_LARGE = 160
"""A batch of this size need not wait for more. With 400 submits in flight to one gate, two such batches alternate, one under way while the
other gathers: no larger than with 128. Each of two workers has 200 of them, and its median batch grew from 139 to 172, at 0.93 ± 0.04 and
1.02 ± 0.03 of the processor time a message (two series in turns)."""
NEARLY_ALL = 0.8
"""A batch with this share of the submits lately in flight need not wait for the rest: some sender is always late."""
DECAY = 0.9
"""Factor by which the number lately in flight shrinks with each batch."""
SLOW_STORE_S = 0.01
"""A store call that takes longer does not hold back the next batch."""
BATCH_UNDER_LOAD = 64
"""A batch of this size shows a gate under load: at 5,000 a second it would have been under way for 13 ms."""

GATHER_FULL_PER_S = 4000
"""From this rate on batches are ``gather_s`` apart. At a tenth of it an interval has one submit in five."""
RATE_S = 0.05
"""Submits per second are counted over this time; after as long without a batch the gate is at rest."""

RecipientBatch = tuple[list[RecordChange], list[PendingSubmit]]
"""One turn's work for one recipient: changes, which are applied first, then submits in the order of arrival."""


class BatchWindow:
    def __init__(self) -> None:
        self.gather_s = 0.0
        """The longest interval between two batches (`shared.gather_ms`)."""
        self.busy: set[int] = set()
        """Recipients whose records are being loaded or swapped …"""
        self.waiting: dict[int, RecipientBatch] = {}
        """… and the work that has arrived for them meanwhile."""
        self._batches, self._begun, self._many, self._ended = 0, 0.0, False, False
        self._took_turns = False  # whether the last batch was still under way in another turn
        self._per_s, self._counted, self._counted_from = 0.0, 0, 0.0
        self._lately = 0.0  # the most submits that were in flight lately
        self.until = 0.0
        """Until when (wall clock) arrived work waits though no batch is under way; 0: it does not wait."""

    def waits_for_more(self, count: int, others: int, now: float) -> bool:
        """Whether a batch of ``count`` waits for more. Must be called each turn. ``others``: submits judged before, without an answer yet."""
        if self._batches:
            self._took_turns = True
            return count < BATCH_FULL and abs(now - self._begun) < SLOW_STORE_S
        if self._ended:
            self._ended = False
            self.until = self._begun + self.gather_s * min(1.0, self._per_s / GATHER_FULL_PER_S)
            if self._many and self._took_turns:
                self.until = max(self.until, now + min(abs(now - self._begun), SLOW_STORE_S))
        self._lately = max(self._lately, count + others)
        wanted = max(min(BATCH_FULL, others), min(BATCH_LARGE, NEARLY_ALL * self._lately))
        if self.until and not (count < wanted and 0 < self.until - now < 2 * SLOW_STORE_S):
            self.until = 0.0
        return self.until > 0

    def begin(self, recipients: Collection[int], now: float) -> None:
        """A batch for these recipients is under way."""
        self.busy.update(recipients)
        self._batches += 1
        self._count(len(recipients), now)
        self._begun, self.until, self._took_turns = now, 0.0, False
        self._many = len(recipients) >= BATCH_UNDER_LOAD
        self._lately *= DECAY

    def _count(self, arrived: int, now: float) -> None:
        """Counts the submits per second."""
        self._counted += arrived
        passed_s = now - self._counted_from
        if not 0.0 <= now - self._begun <= RATE_S:  # at rest, or the clock was set
            self._per_s, self._counted, self._counted_from = 0.0, 0, now
        elif passed_s >= RATE_S:
            self._per_s, self._counted, self._counted_from = self._counted / passed_s, 0, now

    def end(self, recipients: Collection[int]) -> list[RecipientBatch]:
        """The batch for these recipients has ended. Returns the work that has arrived for them meanwhile."""
        self.busy.difference_update(recipients)
        self._batches -= 1
        self._ended = not self._batches
        return [self.waiting.pop(person) for person in [person for person in self.waiting if person in recipients]]
