"""Doorkeeper: passwords, and who is held off after too many wrong ones.

In: what the settings hold and what a client says, the time. Out: yes, no, or a future. Never: a word about passwords in a log.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor

FAILURES_MAX = 5
"""Wrong passwords from one (account, address) before it is held off."""
HELD_OFF_S = 30.0
HELD_MAX = 10_000
"""Pairs remembered: an attacker with many addresses only pushes out other attackers."""
SCRYPT_N, SCRYPT_R, SCRYPT_P = 2**14, 8, 1
"""About 50 ms and 16 MiB a guess (RFC 7914 §2 for interactive logins)."""


def hash_password(password: str) -> str:
    """``scrypt$salt$digest`` in hex, for the settings."""
    salt = os.urandom(16)
    return f"scrypt${salt.hex()}${_scrypt(password, salt).hex()}"


def _scrypt(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=SCRYPT_N, r=SCRYPT_R, p=SCRYPT_P, dklen=32)


def is_password(stored: str, given: str) -> bool:
    """Whether a hash is of this; some 50 ms."""
    _, salt, digest = stored.split("$")
    return hmac.compare_digest(_scrypt(given, bytes.fromhex(salt)), bytes.fromhex(digest))


class Doorkeeper:
    def __init__(self) -> None:
        self._failures: OrderedDict[tuple[str, str], tuple[int, float]] = OrderedDict()
        self._thread = ThreadPoolExecutor(1, "password")

    def check(self, stored: str, given: str) -> bool | asyncio.Future[bool]:
        """Whether a password is right: at once for one kept in clear, as a future for a hash (never on the loop)."""
        if stored.startswith("scrypt$"):
            return asyncio.get_running_loop().run_in_executor(self._thread, is_password, stored, given)
        return hmac.compare_digest(stored.encode(), given.encode())

    def failed(self, system_id: str, address: str, now: float) -> None:
        key = (system_id, address)
        count, _ = self._failures.pop(key, (0, 0.0))
        self._failures[key] = (count + 1, now)
        while len(self._failures) > HELD_MAX:
            self._failures.popitem(last=False)

    def passed(self, system_id: str, address: str) -> None:
        self._failures.pop((system_id, address), None)

    def held_off(self, system_id: str, address: str, now: float) -> bool:
        """Whether this account from this address must wait; never an account as such, so nobody can lock another out."""
        count, last = self._failures.get((system_id, address), (0, 0.0))
        return count >= FAILURES_MAX and now - last < HELD_OFF_S
