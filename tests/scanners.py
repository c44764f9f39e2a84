"""Shares scanners of words between the small rule sets that tests load.

In: a lexicon and words. Out: the scanner that was made of them before, or a new one. Never: a scanner with a memory of texts.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from proxy.policy import text_reader
from proxy.policy.text.lexicon import Lexicon
from proxy.policy.text.scanner import Scanner

SCANNERS_MAX = 200


@lru_cache(SCANNERS_MAX)
def _scanner(lexicon: Lexicon, words: tuple[str, ...]) -> Scanner:
    return Scanner(lexicon, words)


@contextmanager
def scanners_kept() -> Iterator[None]:
    """While rules are loaded: one scanner for the same words. Making it is most of the work of loading a small set."""
    made: Any = text_reader
    plain = made.Scanner
    made.Scanner = lambda lexicon, words, before, rest: _scanner(lexicon, tuple(words))
    try:
        yield
    finally:
        made.Scanner = plain
