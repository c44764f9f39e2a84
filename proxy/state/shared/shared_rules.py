"""Stores the rule decision and rule sets that gates agreed on.

In: bodies, a version, packed sets. Out: the same; whether a decision was stored. Never: the meaning of a decision, a body that
the store could read (AES-GCM under a key made of the secret: lists of recipients are among the files), a retry.

    PREFIX{tag}:rules          the last decision, its version in front        PREFIX{tag}:set:REVISION[:N]   a set's files, in pieces
    PREFIX{tag}:coming         a set that is about to take effect, and the gates that read it in advance: ``REVISION;NODE reads;NODE has;``

A decision is stored only where the version is still the one that was read. With it, or not at all, the sets it names stay for
good and those of the decision before begin to expire (lua_library.py: decide). Before that a set expires. A set is there
when all its pieces are; the first piece is written last.
"""

from __future__ import annotations

import enum
import os
import re
import struct
from collections.abc import Collection
from itertools import chain
from typing import Any, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from proxy.model.number import masked_repr
from proxy.state.shared.connection import StoreDown, StoreRefused, Word
from proxy.state.shared.lua_library import CONFIRM, DECIDE, LINGER, REPORT
from proxy.state.shared.servers import Servers

PIECE_BYTES = 256 << 10
"""Octets of one call: some milliseconds on a network of 1 Gbit/s."""
PIECES_MAX = 512
NONCE_BYTES = 12
VERSION_BYTES = 6
ABSENT = bytes(VERSION_BYTES)
_COUNT = struct.Struct(">H")
_READER = re.compile(rb"(\d+) (reads|has);")


@masked_repr
class Held(NamedTuple):
    version: bytes
    body: bytes
    """Empty: there is no decision yet."""


class Swapped(enum.Enum):
    """The result of storing a decision."""

    TAKEN = b"1"
    OVERTAKEN = b"0"
    """Another decision was stored meanwhile."""
    LACKS = b"lacks"
    """A set that it names is missing."""


class Coming(NamedTuple):
    """A set that is about to take effect."""

    revision: str
    """Empty: no set is announced."""
    readers: dict[int, bool]
    """Gates that read it in advance, and whether they have finished."""


class SharedRules:
    """The rules in the shared store. Every call may raise StoreDown: then its outcome is unknown."""

    def __init__(self, servers: Servers, head: bytes, key: bytes, node: int) -> None:
        self._servers, self.node = servers, node
        self.use_head(head)
        self._cipher = AESGCM(key)

    def use_head(self, head: bytes) -> None:
        """Sets the prefix of the keys: of part 0."""
        self._name, self._sets, self._coming = head + b":rules", head + b":set:", head + b":coming"

    @property
    def up(self) -> bool:
        return self._servers.at[0] is not None

    @property
    def why(self) -> str:
        return self._servers.why

    async def version(self) -> bytes:
        """The version of the last decision: a cheap call, for polling."""
        return await self._call("GETRANGE", self._name, 0, VERSION_BYTES - 1) or ABSENT

    async def load(self) -> Held:
        (data,) = await self._call("MGET", self._name)
        if data is None or len(data) <= VERSION_BYTES + 1:
            return Held(ABSENT if data is None else data[:VERSION_BYTES], b"")
        return Held(data[:VERSION_BYTES], self._open(data[VERSION_BYTES + 1 :], self._name))

    async def swap(
        self, version: bytes, body: bytes, *, names: Collection[str], leaves: Collection[str], leave_s: float
    ) -> Swapped:
        """Stores a decision if the version is still current and the sets that it ``names`` are there. Those sets then stay for
        good, and the sets that it ``leaves`` for ``leave_s``."""
        stay, go = [await self._pieces(one) for one in names], [await self._pieces(one) for one in leaves]
        if not all(stay):
            return Swapped.LACKS
        record = version + b"\0" + self._seal(body, self._name)
        staying = sum(map(len, stay))
        keys = [self._name, *chain(*stay, *go)]
        return Swapped(await self._call("FCALL", DECIDE, len(keys), *keys, record, staying, _ms(leave_s)))

    async def confirm(self, version: bytes, revision: str) -> None:
        """Keeps a set for good if the last decision, which names it, still has this version."""
        if pieces := await self._pieces(revision):
            await self._call("FCALL", CONFIRM, 1 + len(pieces), self._name, *pieces, version)

    # -- sets that are about to be decided on

    async def announce(self, revision: str, seconds: float) -> None:
        """Announces a set to the gates for ``seconds``; empty: announces none."""
        await self._call("SET", self._coming, f"{revision};" if revision else "", "PX", _ms(seconds))

    async def coming(self) -> Coming:
        (data,) = await self._call("MGET", self._coming)
        revision, _, words = (data or b"").partition(b";")
        return Coming(revision.decode("ascii", "replace"), {int(node): what == b"has" for node, what in _READER.findall(words)})

    async def report(self, revision: str, *, has: bool) -> None:
        """Reports that this gate reads the announced set, or has read it."""
        await self._call("FCALL", REPORT, 1, self._coming, f"{revision};", f"{self.node} {'has' if has else 'reads'};")

    # -- sets

    async def has_set(self, revision: str, seconds: float) -> bool:
        """Whether the set is there; keeps it for ``seconds`` at least."""
        pieces = await self._pieces(revision)
        return bool(pieces) and await self._call("FCALL", LINGER, len(pieces), *pieces, _ms(seconds)) == b"1"

    async def put_set(self, revision: str, packed: bytes, seconds: float) -> None:
        """Stores a set for ``seconds``; a decision that names it keeps it. ``packed``: at most PIECES_MAX pieces."""
        pieces = [packed[at : at + PIECE_BYTES] for at in range(0, max(1, len(packed)), PIECE_BYTES)]
        if len(pieces) > PIECES_MAX:
            raise StoreRefused(f"the set {revision} has {len(packed)} octets, more than gates give each other")
        head = _COUNT.pack(len(pieces))
        for number, piece in reversed(list(enumerate(pieces))):
            name = self._piece(revision, number)
            await self._call("SET", name, head + self._seal(piece, name), "PX", _ms(seconds))

    async def get_set(self, revision: str) -> bytes | None:
        """The packed files of a set; None if it is missing."""
        found = []
        for name in await self._pieces(revision):
            (data,) = await self._call("MGET", name)
            if not data:
                return None
            found.append(self._open(data[_COUNT.size :], name))
        return b"".join(found) or None

    async def _pieces(self, revision: str) -> list[bytes]:
        """The keys of a set's pieces; empty if the first piece is missing."""
        data = await self._call("GETRANGE", self._piece(revision, 0), 0, _COUNT.size - 1)
        count = min(int(_COUNT.unpack(data)[0]), PIECES_MAX) if len(data) == _COUNT.size else 0
        return [self._piece(revision, number) for number in range(count)]

    def _piece(self, revision: str, number: int) -> bytes:
        return self._sets + (f"{revision}:{number}" if number else revision).encode()

    # --

    async def _call(self, *words: Word) -> Any:
        if not self.up:
            raise StoreDown(0, self._servers.why or "out of reach")
        try:
            return await self._servers.call(0, *words)
        except StoreDown as error:
            self._servers.failed(0, error)
            raise

    def _seal(self, body: bytes, name: bytes) -> bytes:
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, body, name)

    def _open(self, sealed: bytes, name: bytes) -> bytes:
        try:
            return self._cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], name)
        except InvalidTag:
            raise StoreRefused(f"{name!r} was not written by a gate with our secret") from None


def _ms(seconds: float) -> int:
    return max(1, round(seconds * 1000))
