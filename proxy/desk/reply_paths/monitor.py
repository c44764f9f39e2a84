"""Feeds the book of reply paths (relay/effects/reply_paths.py).

Never: the rule by which a path is silent, work for one message.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import structlog

from proxy.journal.write_ahead_log import JournalDown
from proxy.operations.gate_interface import Gate
from proxy.relay.effects.reply_paths import STATES, ReplyPaths

log = structlog.get_logger()

TAKE_S = 1.0
"""How often counts are taken into the book."""
COUNT_S = 10.0
"""How often paths are counted by state."""
SLICE = 100
"""Prefixes between two turns of the loop: some 0.5 ms."""
SILENT_S = 60.0
"""What fails is logged so often."""


class ReplyPathMonitor:
    """Feeds the book of reply paths, and says how many there are in each state."""

    def __init__(self, gate: Gate, book: ReplyPaths) -> None:
        self.book = book
        self._gate = gate
        self._take_s = self._count_s = self._quiet_s = -math.inf
        self._states = dict.fromkeys(STATES, 0)
        self._counting: Iterator[dict[str, int] | None] | None = None

    def replied(self, prefix: str, keyword: str, now: float) -> None:
        """A reply came to a port under this prefix. Where the journal is down the book knows it all the same."""
        try:
            self._take(now)
            self.book.replied(prefix, keyword, now)
        except JournalDown as down:
            log.warning("proof of a reply path not written yet", prefix=prefix, problem=str(down))

    def probed(self, prefix: str, at: float, ok: bool) -> None:
        """A test message was answered, or was not. Where the journal is down the book knows it all the same."""
        try:
            self._take(at)
            self.book.probed(prefix, at, ok)
        except JournalDown as down:
            log.warning("probe result of a reply path not written yet", prefix=prefix, problem=str(down))

    def tick(self, now: float, now_s: float) -> None:
        """A few times a second; ``now_s``: monotonic."""
        self._count(now, now_s)
        if now_s < self._take_s:
            return
        self._take_s = now_s + TAKE_S
        try:
            self._take(now)
            self.book.tick(now)
        except JournalDown as down:
            if now_s >= self._quiet_s:
                self._quiet_s = now_s + SILENT_S
                log.warning("reply paths not written until the journal writes again", problem=str(down))

    def put_away(self, now: float) -> None:
        """The gate is about to stop."""
        try:
            self._take(now)
            self.book.put_away(now)
        except JournalDown as down:
            log.warning("the last counts of reply paths are lost", problem=str(down))

    def _take(self, now: float) -> None:
        tally = self._gate.relay.tally
        if tally.advertised:
            self.book.advertised(tally.take_advertised(), now)

    def registered(self) -> Mapping[str, str]:
        """Port prefix → provider, as the settings have them."""
        return self._gate.relay.directory.ports.owners

    def _count(self, now: float, now_s: float) -> None:
        """Some of the paths, by state; a round begins every COUNT_S, or once the one before is through."""
        if self._counting is None:
            if now_s < self._count_s:
                return
            self._count_s = now_s + COUNT_S
            self._counting = self._counted(now)
        states = next(self._counting)
        if states is not None:
            self._states, self._counting = states, None

    def _counted(self, now: float) -> Iterator[dict[str, int] | None]:
        """None between two slices, in the end all of them."""
        states = dict.fromkeys(STATES, 0)
        for place, prefix in enumerate(list(self.registered()), 1):
            states[self.book.state_of(prefix, now).state] += 1
            if place % SLICE == 0:
                yield None
        yield states

    def gauges(self) -> dict[str, Any]:
        """For metrics: registered prefixes by state, as of some seconds ago."""
        return {"reply_paths": {(state,): float(count) for state, count in self._states.items()}}
