"""Encrypts commit groups with AES-256-GCM under a separate key.

In: key files, a group's records, what the group claims. Out: bytes that only a holder of the key can read or make; the records again;
SealingError. Never: a key in a text, a journal or a log; the same key and number for two groups.

    journal key  32 random bytes in a file (``gate106 journal make-key``)     its id, 4 bytes, is a digest: journals name keys by it
    group key    HKDF-SHA256(journal key, salt, info)                    salt: 16 random bytes
    sealed       = key id, salt, number u32, AES-256-GCM(group key, number, records), tag
    authenticated with it, though in the clear: the journal's identity, the chain before, and what the group claims

**Why no number is used twice under a key.** A new salt is drawn whenever a journal is opened for writing, and for every segment. The group
key made from it exists only in the memory of that writer: no process continues with it after a kill, a torn tail or a restored copy. Within
the writer's life the number goes up before each call and never back, even where the disk refuses the group: what is written there instead
has the next number. Two random salts of 128 bits collide once in 2⁶⁴ openings. (The offset in the segment would not do as a number: a torn
tail is cut, and other records are written there.)
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Sequence
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32
SALT_BYTES = 16
TAG_BYTES = 16
_SEAL = struct.Struct(">4s16sI")  # key id, salt, number
SEAL_BYTES = _SEAL.size
NUMBERS = 1 << 32
"""Groups under one salt; then another salt is drawn. A segment is full long before."""
_NONCE = struct.Struct(">QI")
_INFO = b"gate106 journal group"
_SALTS_MAX = 1024
"""Group keys that are remembered: one for each segment and opening."""


class SealingError(Exception):
    """A key is not available, or its file cannot be used; the text says whose fault it is and what to do."""


class NoKey(SealingError):
    """The key with this id is not available."""

    def __init__(self, key_id: str) -> None:
        super().__init__(f"it is sealed with the key {key_id}")
        self.key_id = key_id


class NotAsSealed(SealingError):
    """The data was not sealed with the key that it names."""


class KeyRing:
    """The available keys: the first one seals, all open."""

    def __init__(self, secrets: Sequence[bytes] = ()) -> None:
        self._secrets = {id_of(secret): secret for secret in secrets}
        self._first = secrets[0] if secrets else b""

    def __repr__(self) -> str:
        return f"Ring({', '.join(self.ids)})"

    def __bool__(self) -> bool:
        return bool(self._first)

    @classmethod
    def of_files(cls, paths: Iterable[Path]) -> KeyRing:
        """SealingError."""
        return cls([_secret(path) for path in paths])

    @property
    def ids(self) -> list[str]:
        return [one.hex() for one in self._secrets]

    def sealer(self, identity: bytes) -> Sealer | None:
        """Of a writer that begins; None where nothing is to be sealed."""
        return Sealer(self._first, identity) if self._first else None

    def open(self, sealed: bytes, identity: bytes, claimed: bytes) -> bytes:
        """The records again. NoKey, NotAsSealed."""
        if len(sealed) < SEAL_BYTES + TAG_BYTES:
            raise NotAsSealed("what is sealed is cut short")
        key_id, salt, number = _SEAL.unpack_from(sealed)
        secret = self._secrets.get(key_id)
        if secret is None:
            raise NoKey(key_id.hex())
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415 # most commands of people need it not

        try:
            return _cipher(secret, salt).decrypt(_NONCE.pack(0, number), sealed[SEAL_BYTES:], identity + claimed)
        except InvalidTag:
            raise NotAsSealed(f"it was not sealed with the key {key_id.hex()} that it names") from None


class Sealer:
    """Of one opening for writing, and one segment."""

    def __init__(self, secret: bytes, identity: bytes) -> None:
        self._secret, self._identity = secret, identity
        self._id = id_of(secret)
        self._begin()

    def _begin(self) -> None:
        self._salt, self._number = os.urandom(SALT_BYTES), 0
        self._cipher = _cipher(self._secret, self._salt)

    def seal(self, records: bytes, claimed: bytes) -> bytes:
        """``claimed``: what stands in the clear beside it, and must be as it was."""
        self._number += 1
        if self._number >= NUMBERS:
            self._begin()
        seal = _SEAL.pack(self._id, self._salt, self._number)
        return seal + self._cipher.encrypt(_NONCE.pack(0, self._number), records, self._identity + claimed)


@lru_cache(_SALTS_MAX)
def _cipher(secret: bytes, salt: bytes) -> AESGCM:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 # as above
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF  # noqa: PLC0415

    return AESGCM(HKDF(SHA256(), KEY_BYTES, salt, _INFO).derive(secret))


def id_of(secret: bytes) -> bytes:
    """4 bytes: a digest that reveals nothing about the key."""
    return blake2b(secret, digest_size=4, person=b"gate106 journal").digest()


# -- files


def make_key_file(path: Path) -> str:
    """A new key in a new file that only its owner may read; its id. OSError, FileExistsError where something is there."""
    secret = os.urandom(KEY_BYTES)
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.write(file, secret.hex().encode() + b"\n")
        os.fsync(file)
    finally:
        os.close(file)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return id_of(secret).hex()


def _secret(path: Path) -> bytes:
    try:
        if path.stat().st_mode & 0o007:
            raise SealingError(f"{path}: everybody on this machine may open it (chmod o-rwx {path})")
        with path.open("rb") as file:
            data = file.read(4 * KEY_BYTES)
    except FileNotFoundError:
        raise SealingError(
            f"{path}: no such file (sealing.keys names it: bring it back from the backup; `gate106 journal make-key` makes a new one)"
        ) from None
    except OSError as error:
        raise SealingError(f"{path}: {error.strerror or error} (sealing.keys names it)") from None
    try:
        secret = bytes.fromhex(data.decode("ascii").strip())
    except ValueError:
        secret = b""
    if len(secret) != KEY_BYTES:
        raise SealingError(
            f"{path}: is no journal key: one line of {2 * KEY_BYTES} hex digits (gate106 journal make-key makes it)"
        )
    return secret
