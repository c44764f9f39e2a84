"""Derives the store keys of recipients' records with a keyed hash.

In: recipients. Out: keys, and the part of the store in which each lies. Never: a number in a key: without the secret a reader of
the store learns no number.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

from proxy.native.loader import compiled

HASH_BYTES = 12
"""Bytes of the keyed hash in a key: among a billion recipients a collision has odds of 1 in 10**11."""


class RecordKeys:
    """Keys of records. The first octet of the hash selects the part, whose hash tag comes first (servers.py)."""

    def __init__(self, key: bytes, heads: Sequence[bytes]) -> None:
        """``key``: of the hash, 32 octets. ``heads``: the prefix of the keys of each part."""
        self._key, self._heads = key, list(heads)
        self._hash = hashlib.blake2b(key=key, digest_size=HASH_BYTES)

    @compiled("record_keys_names")
    def names(self, persons: Iterable[int]) -> list[bytes]:
        """The key of each recipient. Raises OverflowError for a number that is none."""
        heads, parts, found = self._heads, len(self._heads), []
        for person in persons:
            hashed = self._hash.copy()
            try:
                hashed.update(person.to_bytes(6, "big"))
            except OverflowError:
                raise OverflowError(f"{person} is no person") from None
            digest = hashed.digest()
            found.append(heads[digest[0] % parts] + digest)
        return found

    def name(self, person: int) -> bytes:
        return self.names((person,))[0]

    def part(self, person: int) -> int:
        return self.part_of(self.name(person))

    def part_of(self, name: bytes) -> int:
        return name[-HASH_BYTES] % len(self._heads)
