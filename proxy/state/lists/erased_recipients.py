"""Stores keyed pseudonyms of erased recipients who still refuse marketing.

A recipient who asks to be erased stays protected from marketing: 64 bits of a keyed hash of the number remain, and nothing else.

The key lies with the archive's keys, apart from the store: with it a pseudonym could be found by trying all numbers. A look-up
costs one hash, and nothing while nobody is erased.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

MARKED = 1
"""A number of nobody: its pseudonym identifies the key."""
_NAME, _KEY = b"\x01", b"\x02"


class ErasedRecipients:
    def __init__(self) -> None:
        self.empty = True
        self.named: Callable[[int], int] | None = None
        """The pseudonym of a number (archive/pseudonym_key.py), set by the code that opens the store. None: no erased recipient is
        recognized."""
        self.key = 0
        """The pseudonym of MARKED under the key that made the pseudonyms; 0 if it is unknown."""
        self.changed = False
        """Since the last checkpoint."""
        self._held: set[int] = set()
        self._numbers: set[int] = set()
        """Numbers erased while there is no key: only in memory, for code that judges old messages again without the key."""

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

    def has(self, number: int) -> bool:
        if self.empty:
            return False
        return number in self._numbers or (self.named is not None and self.named(number) in self._held)

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
