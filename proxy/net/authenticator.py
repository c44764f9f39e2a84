"""Checks passwords, a bounded number at a time.

In: passwords of the settings, a client's password. Out: yes, no, a future, or None where too many checks wait. Never: a password in a log,
a hash computed on the loop.

A hash takes 50 ms on purpose, so a stranger must not cause many of them. Three bounds:

- A password that was right once is known again by a digest under a key of this process; every other guess is then wrong at once.
- The same guess over several connections is checked once.
- Of one (account, address) at most FAILURES_MAX guesses wait, of all together CHECKS_MAX.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
from collections import Counter, OrderedDict
from concurrent.futures import ThreadPoolExecutor

from proxy.model.lockout import FAILURES_MAX
from proxy.runtime.cpu_affinity import unpin_thread

CHECKS_MAX = 100
"""Guesses that wait for their hash: 5 s of work, half of the time that a client has for its bind."""
RIGHT_MAX = 10_000
"""Right passwords remembered: more accounts than most carriers have. Beyond it the oldest is forgotten, and hashed again."""
SCRYPT_N, SCRYPT_R, SCRYPT_P = 2**14, 8, 1
"""About 50 ms and 16 MiB a guess (RFC 7914 §2 for interactive logins)."""


def hash_password(password: str) -> str:
    """``scrypt$salt$digest`` in hex, for the settings."""
    salt = os.urandom(16)
    return f"scrypt${salt.hex()}${_scrypt(password, salt).hex()}"


def _scrypt(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=SCRYPT_N, r=SCRYPT_R, p=SCRYPT_P, dklen=32)


def is_password(stored: str, given: str) -> bool:
    """Whether ``stored`` is the hash of ``given``; takes some 50 ms."""
    _, salt, digest = stored.split("$")
    return hmac.compare_digest(_scrypt(given, bytes.fromhex(salt)), bytes.fromhex(digest))


class Authenticator:
    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "password", unpin_thread)
        self._key = os.urandom(32)
        self._right: OrderedDict[str, bytes] = OrderedDict()
        """Hash from the settings → digest of the right password."""
        self._waiting: dict[tuple[str, bytes], asyncio.Future[bool]] = {}
        """(hash, digest of the guess) → the result to come."""
        self._guesses: Counter[tuple[str, str]] = Counter()
        """Waiting guesses by (account, address)."""

    def check(self, stored: str, given: str, account: str = "", address: str = "") -> bool | asyncio.Future[bool] | None:
        """Whether a password is right: a bool for one kept in clear or remembered, a future for a hash; None: too many checks wait."""
        if not stored.startswith("scrypt$"):
            return hmac.compare_digest(stored.encode(), given.encode())
        digest = hashlib.blake2b(given.encode(), key=self._key, digest_size=32).digest()
        right = self._right.get(stored)
        if right is not None:
            return hmac.compare_digest(right, digest)
        guess, who = (stored, digest), (account, address)
        waiting = self._waiting.get(guess)
        if waiting is not None:
            return waiting
        if len(self._waiting) >= CHECKS_MAX or self._guesses[who] >= FAILURES_MAX:
            return None
        found = asyncio.get_running_loop().run_in_executor(self._thread, is_password, stored, given)
        self._waiting[guess] = found
        self._guesses[who] += 1

        def known(found: asyncio.Future[bool]) -> None:
            del self._waiting[guess]
            self._guesses[who] -= 1
            if not self._guesses[who]:
                del self._guesses[who]
            if not found.cancelled() and found.exception() is None and found.result():
                self._right[stored] = digest
                while len(self._right) > RIGHT_MAX:
                    self._right.popitem(last=False)

        found.add_done_callback(known)
        return found

    def close(self) -> None:
        """Cancels waiting guesses: a process that ends must not wait for them."""
        self._thread.shutdown(wait=False, cancel_futures=True)
