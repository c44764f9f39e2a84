"""Computes BLAKE2b digests with hashlib, where blake2.pyx was not compiled."""

from __future__ import annotations

from hashlib import blake2b


class KeyedHash:
    def __init__(self, key: bytes, size: int) -> None:
        self._key, self._size = key, size
        self.digest(b"key")

    def digest(self, data: bytes) -> bytes:
        return blake2b(data, key=self._key, digest_size=self._size).digest()

    def of(self, number: int) -> int:
        return int.from_bytes(self.digest(number.to_bytes(8, "big"))[:8], "big")


def digest_from(data: bytes, begin: int) -> bytes:
    return blake2b(data[begin:], digest_size=16).digest()


def digests_from(datas: list[bytes], begins: list[int]) -> list[bytes]:
    return list(map(digest_from, datas, begins))


def quartered_digest(previous: bytes, records: bytes | memoryview, claim: bytes) -> bytes:
    size = (len(records) + 3) // 4
    quarters = [blake2b(records[at * size : at * size + size], digest_size=32).digest() for at in range(4)]
    return blake2b(b"".join((previous, *quarters, claim)), digest_size=32).digest()
