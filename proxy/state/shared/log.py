"""Encodes the shared log and the letters between gates.

The shared log is a stream in the shared store with one order for all gates.

In: records of this node's journal; a place in the stream. Out: commands, and the decrypted records of others. Never: the meaning
of a record; a record that the store could read (each is sealed: AES-GCM under a key made of the secret).

    PREFIX{tag}:log      a stream, one entry a record             PREFIX{tag}:told       by journal, the last of its records in the stream
    PREFIX{tag}:here:N   who is bound at node N                   PREFIX{tag}:letters:N  a stream of letters to node N alone

A record goes in once: the server compares its sequence with the last one stored from the same journal. The stream is bounded by
LOG_MAX entries; a node that was away for longer than they last gets ``Missed``.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from proxy.model.number import masked_repr
from proxy.state.shared.connection import StoreRefused, Word
from proxy.state.shared.lua_library import TELL

LOG_MAX = 200_000
"""Entries for about a month of a busy desk; some 60 MB. An imported list takes one entry for each chunk of up to 65,536 numbers."""
HEAR_MAX = 500
"""Entries of one call: they are applied in one step on the loop, a few milliseconds."""
LETTERS_MAX = 100_000
"""Letters to one gate: other gates stop at 500 unanswered ones each, so only a fault reaches it."""
HERE_MS = 3000
NODES = 256
"""As many nodes as an entry's id can distinguish."""
NONCE_BYTES = 12
_HEAD = struct.Struct(">BQB")  # node, sequence there, kind

Place = tuple[int, int]
"""A position in the stream: (milliseconds, number)."""


class Missed(Exception):
    """The log does not reach back to where this node stopped reading."""


@masked_repr
class LogEntry(NamedTuple):
    place: Place
    node: int
    sequence: int
    kind: int
    body: bytes


@masked_repr
class Letter(NamedTuple):
    place: Place
    node: int
    """The node that sent it."""
    body: bytes


class SharedLog:
    """Makes the commands and parses their answers. Beside the log each gate has a stream of letters to it alone, and announces which providers
    are bound to it."""

    def __init__(self, head: bytes, node: int, journal: str, key: bytes) -> None:
        self._head, self._stream, self._told = head, head + b":log", head + b":told"
        self._node, self._journal = node, journal.encode()
        self._cipher = AESGCM(key)

    def append_command(self, records: Iterable[tuple[int, int, bytes]]) -> list[Word]:
        """Appends those (sequence, kind, body) that are not in the log yet; the answer is the last sequence in it. Without records
        it only asks."""
        words: list[Word] = ["FCALL", TELL, 2, self._stream, self._told, self._journal, LOG_MAX]
        for sequence, kind, body in records:
            nonce = os.urandom(NONCE_BYTES)
            sealed = self._cipher.encrypt(nonce, _HEAD.pack(self._node, sequence, kind) + body, self._stream)
            words += (sequence, nonce + sealed)
        return words

    def read_command(self, after: Place) -> list[Word]:
        return ["XREAD", "COUNT", HEAR_MAX, "STREAMS", self._stream, place_text(after)]

    def info_command(self) -> list[Word]:
        return ["XINFO", "STREAM", self._stream]

    def require_complete(self, about: Sequence[bytes], after: Place) -> None:
        """``about``: the answer to ``info_command``. Raises Missed if entries after ``after`` were removed."""
        known = dict(zip(about[::2], about[1::2], strict=True))
        if _place(known[b"max-deleted-entry-id"]) > after:
            raise Missed

    def parse_entries(self, answer: Sequence[tuple[bytes, Sequence[tuple[bytes, Sequence[bytes]]]]] | None) -> list[LogEntry]:
        """StoreRefused where something was not sealed by a gate with our secret."""
        found = []
        for _, entries in answer or ():
            for place, (_, sealed) in entries:
                plaintext = self._open(sealed, self._stream, place)
                node, sequence, kind = _HEAD.unpack_from(plaintext)
                found.append(LogEntry(_place(place), node, sequence, kind, plaintext[_HEAD.size :]))
        return found

    # -- letters to one gate, and who is where

    def announce(self, names: Iterable[str]) -> list[Word]:
        """Announces for a few seconds the providers that are bound to this gate."""
        return ["SET", self._here(self._node), "\n".join(names), "PX", HERE_MS]

    def query_announcements(self) -> list[Word]:
        return ["MGET", *(self._here(node) for node in range(NODES))]

    @staticmethod
    def parse_announcements(answer: Sequence[bytes | None]) -> dict[str, list[int]]:
        """Provider → gates where it is bound."""
        found: dict[str, list[int]] = {}
        for node, names in enumerate(answer):
            for name in names.decode().split("\n") if names else ():
                found.setdefault(name, []).append(node)
        return found

    def letter_command(self, node: int, body: bytes) -> list[Word]:
        letters = self._letters(node)
        nonce = os.urandom(NONCE_BYTES)
        sealed = self._cipher.encrypt(nonce, bytes((self._node,)) + body, letters)
        return ["XADD", letters, "MAXLEN", "~", LETTERS_MAX, "*", "r", nonce + sealed]

    def read_letters_command(self, after: Place) -> list[Word]:
        return ["XREAD", "COUNT", HEAR_MAX, "STREAMS", self._letters(self._node), place_text(after)]

    def trim_letters_command(self, upto: Place) -> list[Word]:
        return ["XTRIM", self._letters(self._node), "MINID", place_text((upto[0], upto[1] + 1))]

    def parse_letters(self, answer: Sequence[tuple[bytes, Sequence[tuple[bytes, Sequence[bytes]]]]] | None) -> list[Letter]:
        """StoreRefused where something was not sealed by a gate with our secret."""
        own_letters = self._letters(self._node)
        opened = [
            (place, self._open(sealed, own_letters, place)) for _, entries in answer or () for place, (_, sealed) in entries
        ]
        return [Letter(_place(place), plaintext[0], plaintext[1:]) for place, plaintext in opened]

    def _here(self, node: int) -> bytes:
        return b"%s:here:%d" % (self._head, node)

    def _letters(self, node: int) -> bytes:
        return b"%s:letters:%d" % (self._head, node)

    def _open(self, sealed: bytes, stream: bytes, place: bytes) -> bytes:
        try:
            return self._cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], stream)
        except InvalidTag:
            raise StoreRefused(f"entry {place.decode()} of {stream!r} was not written by a gate with our secret") from None


def place_text(place: Place) -> str:
    return f"{place[0]}-{place[1]}"


def _place(text: bytes) -> Place:
    milliseconds, _, number = text.partition(b"-")
    return int(milliseconds), int(number)
