"""A provider's client that binds wherever it can and resends deferred messages.

In: ports, in the order in which it tries them. Out: for each message its answer, or that none ever came. Never: a message sent twice whose
answer is not known.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque

from tests.e2e.gate import SHANGHAI
from tests.e2e.pdus import ESME_RMSGQFUL, ESME_ROK, RESPONSE, SUBMIT_SM, UNBIND, pdu
from tests.e2e.raw import Raw

WINDOW = 10


class Roaming(threading.Thread):
    """``done``: the messages that were taken; ``lost``: those whose connection ended before they were answered."""

    def __init__(self, system_id: str, source: str, ports: list[int], first: int) -> None:
        super().__init__(daemon=True)
        self.done: list[int] = []
        self.lost: list[int] = []
        self.again = 0
        """How often one was to come later."""
        self.statuses: set[int] = set()
        self.binds = 0
        self._system_id, self._source, self._ports = system_id, source, deque(ports)
        self._next = first
        self._waiting: deque[int] = deque()
        self._over = threading.Event()
        self.failure: Exception | None = None

    def finish(self) -> None:
        """What it has begun it ends."""
        self._over.set()
        self.join(30)
        assert not self.is_alive()
        assert self.failure is None, repr(self.failure)

    def run(self) -> None:
        try:
            while not self._over.is_set() or self._waiting:
                with contextlib.suppress(OSError):
                    self._session()
                self._ports.rotate(-1)
                time.sleep(0.01)
        except (AssertionError, LookupError) as error:
            self.failure = error

    def _session(self) -> None:
        with Raw(self._ports[0]) as client:
            if client.bind(self._system_id).status != ESME_ROK:
                return
            self.binds += 1
            open_: dict[int, int] = {}
            leaving = False
            try:
                while True:
                    while not leaving and len(open_) < WINDOW and (self._waiting or not self._over.is_set()):
                        self._send(client, open_)
                    if not open_ and (leaving or (self._over.is_set() and not self._waiting)):
                        return
                    found = client.next()
                    if found is None:
                        return
                    if found.command == UNBIND:
                        leaving = True  # it says goodbye when it has answered all
                        client.send(pdu(UNBIND | RESPONSE, found.sequence))
                    elif found.command == SUBMIT_SM | RESPONSE:
                        leaving |= self._answered(open_.pop(found.sequence), found.status)
            finally:
                self.lost += open_.values()

    def _send(self, client: Raw, open_: dict[int, int]) -> None:
        if self._waiting:
            number = self._waiting.popleft()
        else:
            number, self._next = self._next, self._next + 1
        data = client.submit_bytes(self._source, SHANGHAI.format(number % 10_000), b"%d" % number)
        open_[int.from_bytes(data[12:16], "big")] = number
        client.send(data)

    def _answered(self, number: int, status: int) -> bool:
        """Whether it is asked to go elsewhere."""
        self.statuses.add(status)
        if status == ESME_ROK:
            self.done.append(number)
            return False
        self.again += 1
        self._waiting.append(number)
        return status == ESME_RMSGQFUL
