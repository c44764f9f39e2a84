"""Finds free ports of loopback, never the same for two processes.

In: nothing. Out: numbers of ports for listeners in this process or a child. Never: a port that the kernel lends to outgoing connections.

A process has a block to itself. The first port of it stays bound as long as the process lives. That tells every other process, also a forked
copy, that the block is taken: a gate that restarts finds its port still free.
"""

from __future__ import annotations

import atexit
import os
import random
import socket
import threading
from collections.abc import Iterator
from itertools import cycle, islice

PORTS = range(15_000, 32_000)
"""Below the kernel's ephemeral ports (from 32768): an outgoing connection might take one before its listener does."""
BLOCK = 250


class _Block:
    def __init__(self, flag: socket.socket, first: int) -> None:
        """``flag``: bound to ``first``."""
        self.flag = flag
        self.turn = cycle(range(first + 1, first + BLOCK))

    def free(self) -> int | None:
        """Another each time, as long as there are others; None where all are in use."""
        for port in islice(self.turn, BLOCK - 1):
            if (probe := _bound(port)) is not None:
                probe.close()
                return port
        return None


class _OwnBlocks:
    """The blocks of this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._blocks: list[_Block] = []

    def free_port(self) -> int:
        with self._lock:
            while True:
                if self._blocks and (port := self._blocks[-1].free()) is not None:
                    return port
                self._blocks.append(_take_block())

    def close(self) -> None:
        for block in self._blocks:
            block.flag.close()


_held = _OwnBlocks()


def free_port() -> int:
    """A port that is free now and is given to no other caller while this process lives. OSError: there are no more."""
    return _held.free_port()


def _forget_parent() -> None:
    """In a copy of the process: what was held goes on being the original's."""
    global _held  # noqa: PLW0603 # the lock may have been held by a thread that is not in the copy
    _held.close()
    _held = _OwnBlocks()


def _end() -> None:
    _held.close()


os.register_at_fork(after_in_child=_forget_parent)
atexit.register(_end)


def _take_block() -> _Block:
    """A free block of ports."""
    for first in _candidates():
        if (flag := _bound(first)) is not None:
            return _Block(flag, first)
    raise OSError(f"all ports from {PORTS.start} to {PORTS.stop} of loopback are in use")


def _candidates() -> Iterator[int]:
    firsts = list(PORTS[::BLOCK])
    at = random.SystemRandom().randrange(len(firsts))
    yield from firsts[at:] + firsts[:at]


def _bound(port: int) -> socket.socket | None:
    probe = socket.socket()
    try:
        probe.bind(("127.0.0.1", port))
    except OSError:
        probe.close()
        return None
    return probe
