"""Joins words whose letters are separated by marks.

    代....开....发....票 ★(代)_(开)★(发)×(票)       → 代开发票        the marks are whichever and however many
    您的代、开、发、票务                            → 的代开发票      a run may begin and end with a letter of a longer stretch
    代x开x发x票, 代①开②发③票                     → 代开发票        Latin letters and numbers may be marks between Chinese characters
    现代,开发票务                                   → nothing         some letters have no mark between them
    黄、赌                                          → nothing         two letters are a list

A word counts in a run from three letters on (``LETTERS_LEAST``): folding.py puts shorter ones together, where marks are few.
"""

from __future__ import annotations

from collections.abc import Iterable

from proxy.policy.text.lazy_regex import lazy_regex

LETTERS_LEAST = 3
_CHINESE = "\u3400-\u9fff"
_ALL_LETTERS = lazy_regex(f"[0-9a-z{_CHINESE}]+")
_CHINESE_LETTERS = lazy_regex(f"[{_CHINESE}]+")
_ALONE = lazy_regex(f"[^0-9a-z{_CHINESE}][0-9a-z{_CHINESE}](?![0-9a-z{_CHINESE}])")
_CHINESE_ALONE = lazy_regex(f"[^{_CHINESE}][{_CHINESE}](?![{_CHINESE}])")
"""Gates: there is no run without a letter that stands alone."""


def split_runs(folded: str) -> tuple[str, ...]:
    """Runs of letters with a mark between each two of them; every letter but the first and the last stands alone."""
    runs: dict[str, None] = {}
    if _CHINESE_ALONE.search(folded):
        runs |= dict.fromkeys(_runs(_CHINESE_LETTERS.findall(folded)))
    if _ALONE.search(folded):
        runs |= dict.fromkeys(run for run in _runs(_ALL_LETTERS.findall(folded)) if not run.isdecimal())
    return tuple(runs)


def is_split_word(word: bytes) -> bool:
    """Whether a word that was found in runs (one a line) counts there."""
    return len(word.decode("utf-8", "surrogatepass")) >= LETTERS_LEAST and b"\n" not in word


def _runs(chunks: Iterable[str]) -> Iterable[str]:
    """``chunks``: letters that no mark parts."""
    run = ""
    for chunk in chunks:
        if len(chunk) == 1:
            run += chunk
            continue
        if len(run) >= LETTERS_LEAST - 1:
            run += _edge(chunk[:2])
            if len(run) >= LETTERS_LEAST:
                yield run
        run = _edge(chunk[:-3:-1])
    if len(run) >= LETTERS_LEAST:
        yield run


def _edge(letters: str) -> str:
    """The first of two letters, which begin or end a longer stretch, unless it belongs to a Latin word or a number there."""
    return letters[0] if letters[0] >= _CHINESE[0] or letters[1] >= _CHINESE[0] else ""
