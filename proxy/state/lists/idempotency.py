"""Remembers requests of external systems that were processed already.

The same request from a hotline or an app, sent again, then has no effect. Bodies are packed as in the journal, keyed by the
digest of the idempotency key.

In: digests, bodies, times. Out: the body of a processed request; rows for a checkpoint. Never: the content of a request.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

KEPT_S = 7 * 86_400
"""External systems repeat a request within days."""
KEYS_MAX = 50_000
"""Some 250 bytes each; of more the oldest are forgotten."""
KEY_BYTES = 8


class IdempotencyKeys:
    def __init__(self) -> None:
        self.held: OrderedDict[int, bytes] = OrderedDict()
        self.changed = False
        """Since the last checkpoint."""

    def put(self, key: bytes, body: bytes) -> None:
        number = int.from_bytes(key[:KEY_BYTES], "big")
        self.held.pop(number, None)
        self.held[number] = body
        while len(self.held) > KEYS_MAX:
            self.held.popitem(last=False)
        self.changed = True

    def find(self, key: bytes) -> bytes | None:
        return self.held.get(int.from_bytes(key[:KEY_BYTES], "big"))

    def sweep(self, now: float) -> None:
        """Removes old requests. A body begins with its time in ms, and the oldest come first."""
        oldest = next(iter(self.held), None)
        while oldest is not None and int.from_bytes(self.held[oldest][:8], "big") < (now - KEPT_S) * 1000:
            del self.held[oldest]
            self.changed = True
            oldest = next(iter(self.held), None)

    def rows(self) -> list[tuple[int, bytes]]:
        """All rows of the checkpoint's table."""
        return list(self.held.items())

    def restore(self, rows: Iterable[tuple[int, bytes]]) -> None:
        self.held = OrderedDict(sorted(rows, key=lambda row: row[1][:8]))
