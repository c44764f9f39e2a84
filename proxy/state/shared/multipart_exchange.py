"""Stores sheets of multipart messages that several nodes share.

A sheet stays in the shared store for a minute.

In: a recipient and the key of a message, octets with the version they are based on. Out: the same. Never: octets or keys that the
server could read (keys are a keyed hash, octets are sealed: AES-GCM under a key made of the secret); the content of a sheet
(multipart_record.py).

    PREFIX{tag}:long:<keyed hash>    a sheet, its version in front; beside the recipient's record, so that both are swapped in one call
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable, Sequence
from hashlib import blake2b
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from proxy.model.number import masked_repr
from proxy.state.shared.connection import StoreDown, StoreRefused, Word
from proxy.state.shared.lua_library import BOTH
from proxy.state.shared.multipart_record import Key, StoreGroup
from proxy.state.shared.servers import Servers

KEEP_S = 65
"""Lifetime of a sheet after its last change: later parts inherit its decision for 60 s."""
KEYS_MAX = 128
"""Keys of one call."""
NONCE_BYTES = 12
_VERSION_BYTES = 6

Item = tuple[int, int, bytes]
"""(person, version, record)"""


@masked_repr
class Argument(NamedTuple):
    """One record as an argument of a swap."""

    name: bytes
    flag: str
    data: bytes


class MultipartExchange:
    def __init__(
        self,
        servers: Servers,
        secret: bytes,
        *,
        part_of: Callable[[int], int],
        heads: Sequence[bytes],
        argument_of: Callable[[Item], Argument],
        keep_s: Callable[[], int],
        took: Callable[[list[Item], Sequence[bool]], None],
        doubted: Callable[[Iterable[int]], None],
    ) -> None:
        """``part_of``: the part of a recipient. ``argument_of``: a record as an argument of the swap. ``took`` is called with the stored
        records, ``doubted`` with the recipients that may have been stored or not."""
        self._servers, self._part_of, self._heads = servers, part_of, heads
        self._argument_of, self._keep_s, self._took, self._doubted = argument_of, keep_s, took, doubted
        self._hash = blake2b(key=blake2b(secret, digest_size=32, person=b"gate106 longs").digest(), digest_size=12)
        self._cipher = AESGCM(blake2b(secret, digest_size=32, person=b"gate106 sheets").digest())

    async def load(self, keys: Sequence[Key]) -> dict[Key, tuple[int, bytes]]:
        """(version, octets) of each sheet; (0, b"") for a missing one. Raises StoreDown."""
        calls, found = [], dict[Key, tuple[int, bytes]]()
        for part, some in self._by_part(keys):
            names = [self._name(key) for key in some]
            calls.append((part, some, names, self._servers.call(part, "MGET", *names)))
        for part, some, names, call in calls:
            try:
                rows = await asyncio.shield(call)
            except (StoreDown, StoreRefused) as error:
                self._servers.doubt(part, str(error))
                raise StoreDown(0, str(error)) from None
            for key, name, data in zip(some, names, rows, strict=True):
                found[key] = self._opened(name, data)
        return found

    async def swap(self, groups: Sequence[StoreGroup]) -> list[bool]:
        """Stores each group whose versions are all still current: a recipient's record with sheets, or sheets alone. Returns for
        each whether it was stored."""
        done = [False] * len(groups)
        by_part: dict[int, list[int]] = {}
        for place, group in enumerate(groups):
            person = group.record[0] if group.record is not None else group.sheets[0][0][0]
            by_part.setdefault(self._group(self._part_of(person)), []).append(place)
        calls = []
        for part, places in by_part.items():
            for at in range(0, len(places), KEYS_MAX // 2):
                some = places[at : at + KEYS_MAX // 2]
                calls.append((part, some, self._servers.call(part, *self._swap_command([groups[place] for place in some]))))
        for part, some, call in calls:
            try:
                results = await asyncio.shield(call)
            except (StoreDown, StoreRefused) as error:  # stored or not: judged again on the copy, as in state/stores/valkey.py
                self._servers.doubt(part, str(error))
                self._doubted([record[0] for place in some if (record := groups[place].record) is not None])
                continue
            for place, taken in zip(some, results, strict=True):
                done[place] = taken == ord("1")
        rows = [(group.record, ok) for group, ok in zip(groups, done, strict=True) if group.record is not None]
        self._took([item for item, _ in rows], [ok for _, ok in rows])
        return done

    def _swap_command(self, groups: Sequence[StoreGroup]) -> list[Word]:
        names: list[bytes] = []
        sizes, flags, records = [], [], []
        for group in groups:
            arguments = [self._argument_of(group.record)] if group.record is not None else []
            arguments += [self._sealed(*one) for one in group.sheets]
            sizes.append(str(len(arguments)))
            for name, flag, data in arguments:
                names.append(name)
                flags.append(flag)
                records.append(data)
        return ["FCALL", BOTH, len(names), *names, self._keep_s(), KEEP_S, " ".join(sizes), "".join(flags), *records]

    # -- names and seals

    def _name(self, key: Key) -> bytes:
        person, words = key
        hashed = self._hash.copy()
        hashed.update(person.to_bytes(6, "big") + words)
        return self._heads[self._part_of(person)] + b":long:" + hashed.digest()

    def _sealed(self, key: Key, version: int, data: bytes) -> Argument:
        name, nonce = self._name(key), os.urandom(NONCE_BYTES)
        return Argument(name, "2", version.to_bytes(_VERSION_BYTES, "big") + nonce + self._cipher.encrypt(nonce, data, name))

    def _opened(self, name: bytes, data: bytes | None) -> tuple[int, bytes]:
        if data is None or len(data) <= _VERSION_BYTES + NONCE_BYTES:
            return 0, b""
        nonce, sealed = data[_VERSION_BYTES : _VERSION_BYTES + NONCE_BYTES], data[_VERSION_BYTES + NONCE_BYTES :]
        try:
            return int.from_bytes(data[:_VERSION_BYTES], "big"), self._cipher.decrypt(nonce, sealed, name)
        except InvalidTag:
            raise StoreDown(0, "a sheet was not written by a gate with our secret") from None

    def _group(self, part: int) -> int:
        """The part by which calls are grouped: a single server takes calls about all parts together."""
        return part if self._servers.cluster else 0

    def _by_part(self, keys: Sequence[Key]) -> Iterable[tuple[int, list[Key]]]:
        parts: dict[int, list[Key]] = {}
        for key in keys:
            parts.setdefault(self._group(self._part_of(key[0])), []).append(key)
        for part, some in parts.items():
            for at in range(0, len(some), KEYS_MAX):
                yield part, some[at : at + KEYS_MAX]
