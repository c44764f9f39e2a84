"""Stores keyed pseudonyms of erased recipients who still refuse marketing.

A recipient who asks to be erased stays protected from marketing: 64 bits of a keyed hash of the number remain, and nothing else.

The key lies with the archive's keys, apart from the store: with it a pseudonym could be found by trying all numbers. A look-up
costs one hash, and nothing while nobody is erased.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import cython

MARKED = 1
"""A number of nobody: its pseudonym identifies the key."""
_NAME, _KEY = b"\x01", b"\x02"


@cython.final
@cython.cclass
class ErasedRecipients:
    empty: cython.bint
    named: Callable[[int], int] | None
    """The pseudonym of a number (archive/pseudonym_key.py), set by the code that opens the store. None: no erased recipient is
    recognized."""
    key: int
    """The pseudonym of MARKED under the key that made the pseudonyms; 0 if it is unknown."""
    changed: bool
    """Since the last checkpoint."""
    _held: set[int]
    _numbers: set[int]
    """Numbers erased while there is no key: only in memory, for code that judges old messages again without the key."""

    def __init__(self) -> None:
        self.empty, self.changed, self.named, self.key = True, False, None, 0
        self._held, self._numbers = set(), set()

    def __len__(self) -> int:
        return len(self._held)

    def use(self, named: Callable[[int], int]) -> bool:
        """Uses this key if it made the stored pseudonyms; returns whether it did. With another key no erased recipient would be recognized."""
        mark = named(MARKED)
        if not self.empty and self.key not in (0, mark):
            return False
        self.changed |= self.key != mark and not self.empty
        self.named, self.key = named, mark
        return True

    def add(self, name: int, number: int, key: int = 0) -> None:
        """Adds an erased recipient. ``key``: the key's pseudonym of MARKED, if the caller knows it."""
        if self.empty and key:
            self.key = key
            if self.named is not None and self.named(MARKED) != key:  # keys that were made since
                self.named = None
        self._held.add(name)
        if self.named is None:
            self._numbers.add(number)
        self.empty, self.changed = False, True

    @cython.ccall
    def has(self, number: cython.ulonglong) -> cython.bint:
        if self.empty:
            return False
        if self._numbers and number in self._numbers:
            return True
        return self.named is not None and self.named(number) in self._held

    @property
    def readable(self) -> bool:
        """Whether ``has`` knows: without the key that made the pseudonyms it does not."""
        return self.empty or self.named is not None

    def discard(self, number: int) -> bool:
        """Removes a recipient who wants marketing again, or was erased by mistake; returns whether it was present."""
        if not self.has(number):
            return False
        self._numbers.discard(number)
        if self.named is not None:
            self._held.discard(self.named(number))
        self.empty, self.changed = not self._held, True
        return True

    def rows(self) -> list[tuple[int, bytes]]:
        """All rows of the checkpoint's table."""
        marked = [(self.key, _KEY)] if self.key and self._held else []
        return marked + [(one, _NAME) for one in sorted(self._held)]

    def restore(self, rows: Iterable[tuple[int, bytes]]) -> None:
        self._held = set()
        for one, kind in rows:
            if kind == _KEY:
                self.key = one
            else:
                self._held.add(one)
        self.empty = not self._held
