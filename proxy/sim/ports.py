"""Finds free ports of loopback, never the same for two processes.

A process has a block of ports of loopback to itself, none of which the kernel lends to outgoing connections. The first port of it stays bound
as long as the process lives. That tells every other process, also a forked copy, that the block is taken: a gate that restarts finds its port
still free.
"""

import atexit
import os
import random
import socket
import threading
from collections.abc import Iterator
from itertools import cycle, islice

PORTS = range(15_000, 32_000)  # below the kernel's ephemeral ports (from 32768), one of which might be taken too early
BLOCK = 250


class _Ports:
    """The blocks of this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._flags: list[socket.socket] = []  # each bound to the first port of a block
        self._turn: Iterator[int] = iter(())  # ports of the last block, one after the other

    def free(self) -> int:
        with self._lock:
            while True:
                for port in islice(self._turn, BLOCK - 1):
                    if (probe := _bound(port)) is not None:
                        probe.close()
                        return port
                self._take_block()

    def _take_block(self) -> None:
        firsts = list(PORTS[::BLOCK])
        at = random.SystemRandom().randrange(len(firsts))
        for first in firsts[at:] + firsts[:at]:
            if (flag := _bound(first)) is not None:
                self._flags.append(flag)
                self._turn = cycle(range(first + 1, first + BLOCK))
                return
        raise OSError(f"all ports from {PORTS.start} to {PORTS.stop} of loopback are in use")

    def close(self) -> None:
        for flag in self._flags:
            flag.close()


def _bound(port: int) -> socket.socket | None:
    probe = socket.socket()
    try:
        probe.bind(("127.0.0.1", port))
    except OSError:
        probe.close()
        return None
    return probe


_own = _Ports()


def free_port() -> int:
    """A port that is free now and is given to no other caller while this process lives. OSError: there are no more."""
    return _own.free()


def _forget_parent() -> None:
    """In a copy of the process: what was held goes on being the original's."""
    global _own  # noqa: PLW0603 # the lock may have been held by a thread that is not in the copy
    _own.close()
    _own = _Ports()


os.register_at_fork(after_in_child=_forget_parent)
atexit.register(lambda: _own.close())  # noqa: PLW0108 # a copy of the process has other ones by then
