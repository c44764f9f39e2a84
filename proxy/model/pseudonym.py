"""Namer: what people are called where their numbers must not stand: 64 bits that nobody without the key can lead back to a number.

In: a key of 32 bytes, numbers. Out: names. Never: a number kept, the key shown.
"""

from __future__ import annotations

import struct
from hashlib import blake2b

from proxy.native.loader import compiled

_U64 = struct.Struct(">Q")


class Pseudonymizer:
    __slots__ = ("key",)  # at a fixed place, which the compiled twin reads (native/accelerated.pyx)

    def __init__(self, key: bytes) -> None:
        """``key``: at most 64 bytes (BLAKE2b's, RFC 7693)."""
        self.key = key

    def __repr__(self) -> str:
        return "Namer()"

    @compiled("namer_call")
    def __call__(self, number: int) -> int:
        """0 is nobody."""
        return int(_U64.unpack(blake2b(_U64.pack(number), key=self.key, digest_size=8).digest())[0]) if number else 0
