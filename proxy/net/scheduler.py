"""Gives connections with much unread input fair turns.

In: links with octets kept back. Out: calls of their ``process_piece``, spread over the loop's turns. Never: what the octets mean, an octet
dropped.

Without it a peer that sends without end holds the loop: libuv reads 8 MiB from one socket before it looks at another, which is seconds of
work. A link is *noisy* while much of what it sends leads to nothing (over its window or its rate, malformed, before it is bound). Noisy
links share a small part of the time; TCP makes their senders wait, and no others.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import Protocol

SLICE_S = 0.005
"""Interval between two turns of the noisy links, all of them together."""
SHARE_S = 0.0001
"""Processor time of such a turn: with answers and records of refusals it comes to a few percent of a core."""


class BusyLink(Protocol):
    noisy: bool

    def process_piece(self) -> bool:
        """Processes one piece of the input held back; returns whether there is more."""


class LinkScheduler:
    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._quiet: deque[BusyLink] = deque()
        self._noisy: deque[BusyLink] = deque()
        self._turning = self._slicing = False

    def add(self, link: BusyLink) -> None:
        """This link keeps something back; its ``process_piece`` is called until nothing is left."""
        if link.noisy:
            self._noisy.append(link)
            if not self._slicing:
                self._slicing = True
                self._loop.call_later(SLICE_S, self._slice)
        else:
            self._quiet.append(link)
            if not self._turning:
                self._turning = True
                self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        """Processes one piece of each quiet link."""
        self._turning = False
        quiet, self._quiet = self._quiet, deque()
        for link in quiet:
            if link.process_piece():
                self.add(link)

    def _slice(self) -> None:
        """Processes pieces of the noisy links, in turn, while their time lasts."""
        self._slicing = False
        noisy, self._noisy = self._noisy, deque()
        end_s = time.thread_time() + SHARE_S
        while noisy and time.thread_time() < end_s:
            link = noisy.popleft()
            if link.process_piece():
                self.add(link)
        self._noisy.extendleft(reversed(noisy))  # links that had no turn come first
        if self._noisy and not self._slicing:
            self._slicing = True
            self._loop.call_later(SLICE_S, self._slice)
