"""Finds lexicon and rule words in one pass over a text.

In: a Lexicon, the rules' words; then a text as UTF-8, normalised, every number as one 0. Out: which words were found; which lexicon words
count; the sum of their weights. Never: what a word means to a rule (policy/text_reader.py knows).

A word inside a longer lexicon word does not count beside it: 优惠 inside 优惠券 adds nothing. Inside a word without weight (优惠政策) it
does not count there, but counts elsewhere. A Latin word is found only where no letter continues it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import cython

from proxy.native.word_trie import trie_of
from proxy.policy.generational_cache import drop_items, dropped
from proxy.policy.text.keyword_prefilter import KeywordPrefilter, Match
from proxy.policy.text.lexicon import Lexicon
from proxy.policy.text.split_words import is_split_word
from proxy.runtime.yield_point import Rest, no_yield, with_yield_points


class Scanner:
    """Words have places: those of the lexicon first, in its order, then the rules'."""

    __slots__ = ("lexicon", "matches", "patterns", "places", "shards", "trie", "split_trie", "_inside", "_exact")

    def __init__(self, lexicon: Lexicon, words: Iterable[str], before: Scanner | None = None, rest: Rest = no_yield) -> None:
        """``before``, ``rest``: see keyword_prefilter.py; they are for a set that is loaded beside traffic."""
        self.lexicon = lexicon
        self.patterns = [word.text.encode("utf-8", "surrogatepass") for word in lexicon.words]
        self.places: dict[bytes, int] = {}
        for place, pattern in enumerate(self.patterns):
            self.places[pattern] = place
        for word in with_yield_points(words, rest):
            pattern = word.encode("utf-8", "surrogatepass")
            if self.places.setdefault(pattern, len(self.patterns)) == len(self.patterns):
                self.patterns.append(pattern)
        self.shards: KeywordPrefilter = KeywordPrefilter(self.places, before.shards if before is not None else None, rest)
        self.matches: Callable[[bytes], list[Match]] = self.shards.matches
        """Every word wherever it stands, by the end, the longest first."""
        self.trie = trie_of(self.places, rest)
        """The words in a form in which their places are found faster; None if there is none, and ``matches`` is asked."""
        split = {word: place for word, place in self.places.items() if is_split_word(word) or b"0" in word}
        self.split_trie = trie_of(split, rest)
        """Those which count where they are split letter by letter."""
        if lexicon.nested is None:
            lexicon.nested = self._nested(rest)
        self._inside, self._exact = lexicon.nested
        """Place of a word → places of the shorter ones in it; words of which it matters where they stand."""

    def _nested(self, rest: Rest) -> tuple[dict[int, list[int]], frozenset[int]]:
        inside: dict[int, list[int]] = {}
        exact: list[int] = []
        for place, row in enumerate(self.lexicon.words):
            rest()  # beside traffic there may be fifty automata to ask
            pattern = self.patterns[place]
            inner = [one for one, _, _ in self.matches(pattern) if one != place and one < len(self.lexicon.words)]
            if inner and row.purpose != "none":
                inside[place] = inner
            if pattern.isascii() or (inner and row.purpose == "none"):
                exact.append(place)
        return inside, frozenset(exact)

    def forget(self, rest: Rest) -> None:
        """Frees the words, piece by piece; the scanner must not be used afterwards."""
        drop_items(self.places, rest)
        dropped(self.patterns, rest)
        self.shards.forget(rest)

    def is_exact(self, found: frozenset[int]) -> bool:
        """Whether the counted words depend on their places, not only on which words there are."""
        return not self._exact.isdisjoint(found)

    def counted(self, found: frozenset[int], data: bytes, matches: Iterable[Match]) -> set[int]:
        """Places of the words of the lexicon that count, each once."""
        if self.is_exact(found):
            counted = {place for place, _, _ in self.standing(data, matches)}
        else:
            own = len(self.lexicon.words)
            counted = {place for place in found if place < own}
        for place in [*counted]:
            counted.difference_update(self._inside.get(place, ()))
        return counted

    def standing(self, data: bytes, matches: Iterable[Match]) -> list[Match]:
        """Places of lexicon words that are not inside a longer one, in order."""
        own: cython.Py_ssize_t = len(self.lexicon.words)
        exact = self._exact
        kept: list[Match] = []
        place: cython.Py_ssize_t
        start: cython.Py_ssize_t
        end: cython.Py_ssize_t
        last_start: cython.Py_ssize_t = -1  # of the last one that is kept
        last_end: cython.Py_ssize_t = -1
        for match in matches:
            place, start, end = match
            if place >= own or (place in exact and _is_inside_word(data, start, end)):
                continue
            while last_start >= start:
                kept.pop()
                _, last_start, last_end = kept[len(kept) - 1] if kept else (-1, -1, -1)
            if last_end < end:
                kept.append(match)
                last_start, last_end = start, end
        return kept

    def total(self, counted: Iterable[int]) -> int:
        """The sum of the weights of these lexicon words."""
        return sum(map(self.lexicon.values.__getitem__, counted))


@cython.cfunc
@cython.inline
@cython.exceptval(check=False)
def _is_letter(byte: cython.uint) -> cython.bint:
    return 97 <= byte <= 122  # a-z: the text is in lower case


@cython.cfunc
def _is_inside_word(data: bytes, start: cython.Py_ssize_t, end: cython.Py_ssize_t) -> cython.bint:
    """Whether a Latin word goes on before or after."""
    return (start > 0 and _is_letter(data[start - 1]) and _is_letter(data[start])) or (
        end < len(data) and _is_letter(data[end]) and _is_letter(data[end - 1])
    )
