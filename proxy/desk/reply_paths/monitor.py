"""Feeds the book of reply paths; gives rules their states.

The book is relay/effects/reply_paths.py. For rules (``reply_path``) all paths are checked in slices, once in LOOK_S; a prefix at once when
something happens to it. Never: the rule by which a path is silent, work for one message.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import structlog

from proxy.journal.write_ahead_log import JournalDown
from proxy.operations.gate_interface import Gate
from proxy.policy.reply_paths import UNUSED, Paths, ReplyPath
from proxy.relay.effects.reply_paths import STATES, ReplyPaths

if TYPE_CHECKING:
    from proxy.policy.ruleset import RuleSet

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
        """A reply came to a port under this prefix."""
        self._noted("proof of a reply path not written yet", prefix, now, lambda: self.book.replied(prefix, keyword, now))

    def probed(self, prefix: str, at: float, ok: bool) -> None:
        """A test message was answered, or was not."""
        self._noted("probe result of a reply path not written yet", prefix, at, lambda: self.book.probed(prefix, at, ok))

    def _noted(self, unwritten: str, prefix: str, at: float, note: Callable[[], None]) -> None:
        """Where the journal is down the book knows it all the same."""
        try:
            self._take(at)
            note()
        except JournalDown as down:
            log.warning(unwritten, prefix=prefix, problem=str(down))

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


# -- for the rules


LOOK_S = 10.0
"""How often all paths are looked at: a state that time or advertisements bring is known to the rules so late."""
LOOKED_AT_ONCE = 100
"""Prefixes looked at in one tick: some 1 ms."""

Bits = tuple[int, ...]
"""Of each rule set: which of its conditions on reply paths hold."""


class PathStates:
    def __init__(self, gate: Gate, book: ReplyPaths, changed: Callable[[], None]) -> None:
        """``changed``: the rule sets are to be made anew, with other paths."""
        self._gate, self._book, self._changed = gate, book, changed
        self._sets: list[RuleSet] = []
        """The rule sets that use reply paths."""
        self._paths: Paths = {}
        self._bits: dict[str, Bits] = {}
        """Of each prefix that differs from an unused one."""
        self._look_s = -math.inf
        self._looking: Iterator[list[str]] = iter(())
        """The prefixes left to check in this round."""

    def of(self, sets: Sequence[RuleSet]) -> Paths | None:
        """The paths for these sets; None where none of them asks."""
        asking = [one for one in sets if one.asked_of(UNUSED) >= 0]
        if asking != self._sets:
            self._sets, self._paths, self._bits = asking, {}, {}
            if asking:
                self._update(self._registered(), self._gate.now())
        return self._paths if asking else None

    def of_provider(self, provider: str) -> Mapping[str, str]:
        """The state of each of its registered prefixes."""
        now, owners = self._gate.now(), self._gate.relay.directory.ports.owners
        return {prefix: self._book.state_of(prefix, now).state for prefix, owner in owners.items() if owner == provider}

    def look(self, prefix: str, now: float) -> None:
        """Something happened to a prefix."""
        if self._sets and self._update([prefix], now):
            self._changed()

    def soon(self) -> None:
        """Has all paths checked at the next tick, because other gates replicated something."""
        self._look_s = -math.inf

    def tick(self, now: float, now_s: float) -> None:
        """A few times a second; ``now_s``: monotonic."""
        if not self._sets:
            return
        some = next(self._looking, None)
        if some is None and now_s >= self._look_s:
            self._look_s = now_s + LOOK_S
            prefixes = self._registered()
            self._looking = (prefixes[start : start + LOOKED_AT_ONCE] for start in range(0, len(prefixes), LOOKED_AT_ONCE))
            some = next(self._looking, None)
        if some and self._update(some, now):
            self._changed()

    def _registered(self) -> list[str]:
        return list(self._gate.relay.directory.ports.owners)

    def _update(self, prefixes: Sequence[str], now: float) -> bool:
        """Whether some rule decides otherwise than before."""
        unused = self._asked(UNUSED)
        changed: dict[str, ReplyPath] = {}
        for prefix in prefixes:
            known = self._book.state_of(prefix, now)
            path = ReplyPath(known.state, known.advertisements_since_proof)
            bits = self._asked(path)
            if bits != self._bits.get(prefix, unused):
                changed[prefix], self._bits[prefix] = path, bits
        if changed:
            self._paths = {**self._paths, **changed}
        return bool(changed)

    def _asked(self, path: ReplyPath) -> Bits:
        return tuple(one.asked_of(path) for one in self._sets)
