"""Joins words whose letters are separated by marks.

    代....开....发....票 ★(代)_(开)★(发)×(票)       → 代开发票        the marks are whichever and however many
    您的代、开、发、票务                            → 的代开发票      a run may begin and end with a letter of a longer stretch
    代x开x发x票, 代①开②发③票                     → 代开发票        Latin letters and numbers may be marks between Chinese characters
    现代,开发票务                                   → nothing         some letters have no mark between them
    黄、赌                                          → nothing         two letters are a list

A word counts in a run from three letters on (``LETTERS_LEAST``): folding.py puts shorter ones together, where marks are few.
"""

from __future__ import annotations

import cython

LETTERS_LEAST = 3
Runs = tuple[str, ...]
_LATIN = frozenset("0123456789abcdefghijklmnopqrstuvwxyz")


@cython.ccall
def split_runs(folded: str) -> Runs:
    """Runs of letters with a mark between each two of them; every letter but the first and the last stands alone. Runs of Chinese letters,
    between which Latin ones count as marks, come first."""
    runs: dict[str, None] = {}
    _add_runs(runs, folded, False)
    _add_runs(runs, folded, True)
    return tuple(runs)


@cython.cfunc
@cython.boundscheck(False)
@cython.wraparound(False)
def _add_runs(runs: dict[str, None], folded: str, latin: cython.bint) -> cython.void:
    """``latin``: whether Latin letters and digits are letters, too."""
    held: cython.Py_ssize_t = 0  # letters of a run …
    first: cython.Py_ssize_t = 0  # … and its first one
    letters: cython.Py_ssize_t = 0  # of the stretch before
    at: cython.Py_ssize_t = 0
    joins: cython.bint
    one: cython.Py_UCS4
    for one in folded:
        if "\u3400" <= one <= "\u9fff" or (latin and ("a" <= one <= "z" or "0" <= one <= "9")):
            letters += 1
            if letters == 2:
                if held >= 2:
                    joins = _is_edge(folded[at - 1], one)
                    _add(runs, folded, latin, first, at if joins else at - 1, held + joins)
                held = 0
        elif letters:
            if letters == 1:
                first = first if held else at - 1
                held += 1
            else:
                first, held = at - 1, _is_edge(folded[at - 1], folded[at - 2])
            letters = 0
        at += 1
    _add(runs, folded, latin, first, at, held + (letters == 1))


@cython.cfunc
def _add(
    runs: dict[str, None],
    folded: str,
    latin: cython.bint,
    first: cython.Py_ssize_t,
    end: cython.Py_ssize_t,
    held: cython.Py_ssize_t,
) -> cython.void:
    """Adds a run, which is all letters of this part of the text."""
    if held >= LETTERS_LEAST:
        part: str = folded[first:end]
        run = "".join([one for one in part if "\u3400" <= one <= "\u9fff" or (latin and one in _LATIN)])
        if not run.isdecimal():
            runs[run] = None


@cython.cfunc
@cython.inline
@cython.exceptval(check=False)
def _is_edge(outer: cython.Py_UCS4, inner: cython.Py_UCS4) -> cython.bint:
    """Whether the letter at the edge of a longer stretch may belong to a run: not if it belongs to a Latin word or a number there."""
    return outer >= "\u3400" or inner >= "\u3400"


def is_split_word(word: bytes) -> bool:
    """Whether a word that was found in runs (one a line) counts there."""
    return len(word.decode("utf-8", "surrogatepass")) >= LETTERS_LEAST and b"\n" not in word
