"""Sparing: lines of the log that strangers bring about, at most some a second; of the others it says how many there were.

In: what would be logged. Out: lines of the log. Never: more of them than somebody can read, or than a disk can hold.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import structlog

log = structlog.get_logger()

LINES_MAX = 20
"""Lines in a row …"""
LINES_PER_S = 5.0
"""… and so many a second from then on."""


class Sparing:
    def __init__(self, clock: Callable[[], float]) -> None:
        """``clock``: monotonic seconds."""
        self._clock = clock
        self._left, self._then_s = float(LINES_MAX), clock()
        self.unsaid = 0
        """Lines kept back since the last that was written."""

    def say(self, write: Callable[..., object], event: str, **values: Any) -> None:
        """Logs it by ``write`` (``log.info``, ``log.warning``) if there is room."""
        now_s = self._clock()
        self._left = min(LINES_MAX, self._left + (now_s - self._then_s) * LINES_PER_S)
        self._then_s = now_s
        if self._left < 1:
            self.unsaid += 1
            return
        self._left -= 1
        write(event, **values, **({"unsaid_before": self.unsaid} if self.unsaid else {}))
        self.unsaid = 0
