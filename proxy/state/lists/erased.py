"""Stores keyed pseudonyms of erased recipients who still refuse marketing.

A recipient who asks to be erased stays protected from marketing: 64 bits of a keyed hash of the number remain, and nothing else.

In: pseudonyms. Out: whether a number's pseudonym is among them; rows for a checkpoint. Never: a stored number, the key in a file.

The key lies with the archive's keys, apart from the store: with it a pseudonym could be found by trying all numbers. A look-up
costs one hash, and nothing while nobody is erased.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

MARKED = 1
"""Nobody's number: what a key makes of it tells that key from others, and nothing else."""
_NAME, _KEY = b"\x01", b"\x02"


class Erased:
    def __init__(self) -> None:
        self.empty = True
        self.named: Callable[[int], int] | None = None
        """A number's name (archive.keys); whoever opens the store brings it. None: nobody can be recognized."""
        self.key = 0
        """The mark of the key that made the names (what it makes of MARKED); 0 where that is not known."""
        self.changed = False
        """Since the last checkpoint."""
        self._held: set[int] = set()
        self._numbers: set[int] = set()
        """Who was forgotten while nobody could be named: only in memory, for who judges the past again and has no key."""

    def __len__(self) -> int:
        return len(self._held)

    def use(self, named: Callable[[int], int]) -> bool:
        """Whether those who were forgotten are known by this key: by another one nobody would be, so it is not used."""
        mark = named(MARKED)
        if not self.empty and self.key not in (0, mark):
            return False
        self.changed |= self.key != mark and not self.empty
        self.named, self.key = named, mark
        return True

    def add(self, name: int, number: int, key: int = 0) -> None:
        """``key``: its mark, if whoever says so knows it."""
        if self.empty and key:
            self.key = key
            if self.named is not None and self.named(MARKED) != key:  # keys that were made since
                self.named = None
        self._held.add(name)
        if self.named is None:
            self._numbers.add(number)
        self.empty, self.changed = False, True

    def has(self, number: int) -> bool:
        if self.empty:
            return False
        return number in self._numbers or (self.named is not None and self.named(number) in self._held)

    def discard(self, number: int) -> bool:
        """The person wants marketing again, or it was a mistake; whether they were there."""
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
