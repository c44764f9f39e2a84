"""Finds all searched words of a text with Aho-Corasick automata.

In: patterns (UTF-8) and their places; the automata of the set before. Out: every match in a text. Never: what a word means.

One automaton reads a text in half a microsecond, however many words it knows. But building it holds the interpreter's lock: most of a
second for 100,000 words. So a set that is loaded under traffic keeps the automata of the set before it while half of their words are still
wanted, and puts new words into automata small enough to be built between two messages. The matches are the same; each extra automaton costs
a new text another half microsecond. The next start joins them again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter
from typing import NamedTuple

from ahocorasick_rs import BytesAhoCorasick, Implementation, MatchKind

from proxy.runtime.yield_point import Rest, no_yield, with_yield_points

SHARD_WORDS = 2_000
"""Built in some 3 ms as a contiguous automaton."""
HOW = Implementation.ContiguousNFA
"""Its form: as fast as a DFA (1.1 µs for a text of 126 octets and the 1,106 words shipped), a fifth faster where other work has taken the
caches in between (1.24 µs, DFA 1.50 µs), 0.2 MB instead of 3.1 MB, and built in a fourth of the time."""
_NOWHERE = -1
"""The place of a word in an automaton that is no longer wanted."""
Match = tuple[int, int, int]  # place of the word, first byte, byte after the last
_by_end = itemgetter(2, 1)  # of two that end together the longer comes first, as one automaton has it


class WordAutomaton(NamedTuple):
    automaton: BytesAhoCorasick
    patterns: Sequence[bytes]


class KeywordPrefilter:
    __slots__ = ("held", "_placed", "__weakref__")

    def __init__(self, places: Mapping[bytes, int], before: KeywordPrefilter | None = None, rest: Rest = no_yield) -> None:
        """``places`` of all patterns, from 0 on, in order. Beside traffic ``before`` says what may be kept, and ``rest`` is called
        between pieces of work."""
        if before is None:
            self.held = [_shard(list(places))]
            self._placed: list[tuple[BytesAhoCorasick, list[int] | None]] = [(self.held[0].automaton, None)]
        else:
            self.held = _changed(places, before.held, rest)
            self._placed = [(shard.automaton, _places_of(shard, places, rest)) for shard in self.held]

    def forget(self, rest: Rest) -> None:
        """Frees the automata, one by one; those kept by another set stay. Must not be used afterwards."""
        placed = self._placed
        del self._placed
        while self.held:
            del self.held[-1], placed[-1]
            rest()

    def matches(self, data: bytes) -> list[Match]:
        """Every word wherever it stands, by the end, the longest first."""
        if len(self._placed) == 1 and self._placed[0][1] is None:
            return self._placed[0][0].find_matches_as_indexes(data, overlapping=True)
        found: list[Match] = []
        for automaton, placed in self._placed:
            hits = automaton.find_matches_as_indexes(data, overlapping=True)
            if placed is None:
                found += hits
            elif hits:
                found += [(placed[one], start, end) for one, start, end in hits if placed[one] != _NOWHERE]
        found.sort(key=_by_end)
        return found


def _shard(patterns: Sequence[bytes]) -> WordAutomaton:
    return WordAutomaton(BytesAhoCorasick(patterns, matchkind=MatchKind.Standard, implementation=HOW), patterns)


def _changed(places: Mapping[bytes, int], before: Iterable[WordAutomaton], rest: Rest) -> list[WordAutomaton]:
    """Shards of these patterns: those there are, where half of their words are wanted, and new ones for the rest."""
    useful = []
    known: set[bytes] = set()
    for shard in before:
        wanted = [pattern for pattern in with_yield_points(shard.patterns, rest) if pattern in places]
        if 2 * len(wanted) >= len(shard.patterns):
            useful.append((shard, wanted))
            for pattern in with_yield_points(wanted, rest):
                known.add(pattern)
        rest()
    fresh = [pattern for pattern in with_yield_points(places, rest) if pattern not in known]
    if not fresh:
        return [shard for shard, _ in useful] or [_shard(())]
    kept = [shard for shard, _ in useful if len(shard.patterns) >= SHARD_WORDS]
    for shard, wanted in useful:
        if len(shard.patterns) < SHARD_WORDS:  # small ones are built again with what is new, so that they do not become many
            fresh += wanted
    for start in range(0, len(fresh), SHARD_WORDS):
        rest()
        kept.append(_shard(fresh[start : start + SHARD_WORDS]))
    rest()
    return kept


def _places_of(shard: WordAutomaton, places: Mapping[bytes, int], rest: Rest) -> list[int] | None:
    """The place of each of an automaton's words; None if these are consecutive."""
    found = [places.get(pattern, _NOWHERE) for pattern in with_yield_points(shard.patterns, rest)]
    return None if found == list(range(len(found))) else found
