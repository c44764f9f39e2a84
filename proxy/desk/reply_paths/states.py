"""Gives rules the state of each reply path (``reply_path``).

All paths are checked in slices, once in LOOK_S; a prefix at once when something happens to it. Never: work for a message.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence

from proxy.operations.gate_interface import Gate
from proxy.policy import RuleSet
from proxy.policy.reply_paths import UNUSED, Paths, ReplyPath
from proxy.relay.effects.reply_paths import ReplyPaths

LOOK_S = 10.0
"""How often all paths are looked at: a state that time or advertisements bring is known to the rules so late."""
SLICE = 100
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
            self._looking = (prefixes[start : start + SLICE] for start in range(0, len(prefixes), SLICE))
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
