"""Derives 64-bit pseudonyms from recipient numbers with a secret key.

Pseudonyms stand wherever a number must not. Without the key nobody can find the number of a pseudonym.

In: a key of 32 bytes, numbers. Out: pseudonyms. Never: a stored number, the key in a repr.
"""

from __future__ import annotations

import cython

from proxy.native.blake2 import KeyedHash


@cython.final
@cython.cclass
class Pseudonymizer:
    key: bytes
    _hash: KeyedHash

    def __init__(self, key: bytes) -> None:
        """``key``: at most 64 bytes (BLAKE2b's, RFC 7693)."""
        self.key = key
        self._hash = KeyedHash(key, 8)

    def __repr__(self) -> str:
        return "Pseudonymizer()"

    def __call__(self, number: cython.ulonglong) -> cython.ulonglong:
        """The pseudonym of a number; 0 for 0 (no recipient)."""
        return self.of(number)

    @cython.ccall
    @cython.exceptval(check=False)
    def of(self, number: cython.ulonglong) -> cython.ulonglong:
        return self._hash.of(number) if number else 0
