"""Sends the simulated carrier's receipts under full load, within a window.

In: submits that were taken, answers of the gate. Out: deliver_sm, as many as the window allows; each submit that asks gets one, none is lost.
Never: a log, a clock but for the minute in a receipt's text.
"""

from __future__ import annotations

import time
from collections import deque

from proxy.sim import pdus


class Receipts:
    """Receipts of one connection, as the bench wants them: many, and none lost. ``window``: unanswered at once."""

    def __init__(self, window: int) -> None:
        self._window = window
        self._waiting: deque[bytes] = deque()
        self._unanswered: dict[bytes, bytes] = {}  # by sequence number, as it stands in a header
        self._sequence = 0
        self._second, self._when = -1, ""

    def add(self, submit: bytes, number: int) -> None:
        """A submit was taken under this id."""
        sms = pdus.read(submit)
        if not sms.registered & 1:
            return
        second = int(time.time())
        if second != self._second:
            self._second, self._when = second, time.strftime("%y%m%d%H%M")
        self._waiting.append(pdus.receipt(sms, f"{number:010d}", "DELIVRD", self._when, 0))

    def answered(self, header: bytes) -> None:
        """A receipt was taken, or is to come again."""
        receipt = self._unanswered.pop(header[12:16], b"")
        if header[8:12] != b"\0\0\0\0" and receipt:
            self._waiting.append(receipt)

    def next_ones(self) -> list[bytes]:
        """Those for which there is room."""
        found = []
        while self._waiting and len(self._unanswered) < self._window:
            self._sequence = self._sequence + 1 if self._sequence < 0x7FFFFFFF else 1
            number, receipt = self._sequence.to_bytes(4, "big"), self._waiting.popleft()
            self._unanswered[number] = receipt
            found.append(receipt[:12] + number + receipt[16:])
        return found
