"""Holds the archive's secret keys: person hash, number cipher, head signature.

In: a folder that only the gate's own user may read; made when first needed. Out: hashes, sealed numbers, signatures. Never: a key in a
message, a log or a table; a new key where tables were made with another.

    person.key   32 bytes   number → 64 bits (BLAKE2b with a key). Its holder can look up a number, and can tell whether two rows are about
                            one person, but can read numbers only by trying all of them
    number.key   32 bytes   number ⇄ 16 bytes (AES-256 of one block: the number and eight zero bytes, which prove the key). Equal numbers
                            stay equal, as their hashes do: it is one column, readable only for those who may see numbers
    head.key     Ed25519    signs the daily head; head.pub is its other half, for everyone who must check

Losing the folder loses the numbers in tables (the segments still have them) and the power to sign as before. Keep it in the backup, away
from the tables.
"""

import contextlib
import os
import struct
from collections.abc import Sequence
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB

from proxy.archive.manifest import node_folders
from proxy.model.pseudonym import Pseudonymizer
from proxy.runtime.atomic_files import sync_folder

PERSON, NUMBER, HEAD, PUBLIC = "person.key", "number.key", "head.key", "head.pub"
KEY_BYTES = 32
SEALED_BYTES = 16
_U64 = struct.Struct(">Q")


class KeysError(Exception):
    """The keys cannot be used; the text says whose fault it is and what to do."""


class ArchiveKeys:
    """Opened from a folder. ``make``: where there are none yet, they are made; all of them or none."""

    def __init__(self, folder: Path, *, make: bool = False) -> None:
        """Raises KeysError."""
        self.folder = folder
        try:
            if make and not folder.exists():
                _made(folder)
            self.person = Pseudonymizer(_secret(folder / PERSON))  # number → 64-bit hash of a person in tables; 0 is no person
            number = _secret(folder / NUMBER)
            self._head = Ed25519PrivateKey.from_private_bytes(_secret(folder / HEAD))
        except FileNotFoundError as error:
            raise KeysError(
                f"{error.filename}: no such key (keys are made by the first `gate106 journal roll`; bring them back from the backup)"
            ) from None
        except OSError as error:
            raise KeysError(f"{error.filename or folder}: {error.strerror or error}") from None
        self._cipher = Cipher(AES(number), ECB())  # noqa: S305 # of single blocks, each a whole value: see the head of this file

    # -- persons

    def seal(self, numbers: Sequence[int]) -> list[bytes | None]:
        """Each number as it may lie on a disk; None for 0."""
        encryptor = self._cipher.encryptor()
        sealed = encryptor.update(b"".join([_U64.pack(number) + bytes(8) for number in numbers])) + encryptor.finalize()
        return [sealed[at * SEALED_BYTES : (at + 1) * SEALED_BYTES] if number else None for at, number in enumerate(numbers)]

    def unseal(self, sealed: bytes | None) -> int:
        """Decrypts a number; 0 if none exists, or another key was used."""
        if sealed is None or len(sealed) != SEALED_BYTES:
            return 0
        decryptor = self._cipher.decryptor()
        block = decryptor.update(sealed) + decryptor.finalize()
        return _U64.unpack_from(block)[0] if block.endswith(bytes(8)) else 0

    def unseal_all(self, sealed: Sequence[bytes | None]) -> list[int]:
        """The same of many; 0 where a number is gone."""
        blocks = [one if one is not None and len(one) == SEALED_BYTES else b"\xff" * SEALED_BYTES for one in sealed]
        decryptor = self._cipher.decryptor()
        opened = decryptor.update(b"".join(blocks)) + decryptor.finalize()
        found = (opened[at : at + SEALED_BYTES] for at in range(0, len(opened), SEALED_BYTES))
        return [_U64.unpack_from(block)[0] if block.endswith(bytes(8)) else 0 for block in found]

    # -- heads

    def sign(self, data: bytes) -> bytes:
        return self._head.sign(data)

    @property
    def public(self) -> bytes:
        """32 bytes."""
        return self._head.public_key().public_bytes_raw()


def signed_by(public: bytes, signature: bytes, data: bytes) -> bool:
    """Whether the holder of the other half of ``public`` signed it."""
    with contextlib.suppress(InvalidSignature, ValueError):
        Ed25519PublicKey.from_public_bytes(public).verify(signature, data)
        return True
    return False


def public_of(folder: Path) -> bytes:
    """The public half of the head key, which suffices for checking. KeysError."""
    try:
        return bytes.fromhex((folder / PUBLIC).read_text())
    except (OSError, ValueError) as error:
        raise KeysError(f"{folder / PUBLIC}: {error} (the public half of what signs the journal's heads)") from None


def may_make_keys(archive: Path, journal: Path) -> bool:
    """Whether missing keys may be made, as the first roll would: no tables were made with other keys yet, and this is the gate's own user.
    A new gate rolls nothing for an hour but is queried already."""
    return not node_folders(archive) and journal.is_dir() and journal.stat().st_uid == os.geteuid()


def _secret(path: Path) -> bytes:
    mode = path.stat().st_mode
    if mode & 0o077:
        raise KeysError(f"{path}: others than its owner may open it (chmod 600 {path})")
    secret = path.read_bytes()
    if len(secret) != KEY_BYTES:
        raise KeysError(f"{path}: holds {len(secret)} bytes, a key has {KEY_BYTES} (bring it back from the backup)")
    return secret


def _made(folder: Path) -> None:
    """All keys, in a folder that gets its name when they are whole."""
    half = folder.with_name(f"{folder.name}.new-{os.getpid()}")
    half.mkdir(mode=0o700, parents=True)
    head = Ed25519PrivateKey.generate()
    for name, data, mode in (
        (PERSON, os.urandom(KEY_BYTES), 0o600),
        (NUMBER, os.urandom(KEY_BYTES), 0o600),
        (HEAD, head.private_bytes_raw(), 0o600),
        (PUBLIC, head.public_key().public_bytes_raw().hex().encode() + b"\n", 0o644),
    ):
        file = os.open(half / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        try:
            os.write(file, data)
            os.fsync(file)
        finally:
            os.close(file)
    half.rename(folder)
    sync_folder(folder.parent)
