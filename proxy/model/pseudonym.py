"""Derives 64-bit pseudonyms from recipient numbers with a secret key.

Pseudonyms stand wherever a number must not. Without the key nobody can find the number of a pseudonym.

In: a key of 32 bytes, numbers. Out: pseudonyms. Never: a stored number, the key in a repr.
"""

from __future__ import annotations

import struct
from hashlib import blake2b

from proxy.native.loader import compiled

_U64 = struct.Struct(">Q")


class Pseudonymizer:
    __slots__ = ("key",)  # at a fixed place, which the compiled code reads (native/accelerated.pyx)

    def __init__(self, key: bytes) -> None:
        """``key``: at most 64 bytes (BLAKE2b's, RFC 7693)."""
        self.key = key

    def __repr__(self) -> str:
        return "Pseudonymizer()"

    @compiled("pseudonymizer_call")
    def __call__(self, number: int) -> int:
        """The pseudonym of a number; 0 for 0 (no recipient)."""
        return int(_U64.unpack(blake2b(_U64.pack(number), key=self.key, digest_size=8).digest())[0]) if number else 0
