"""Networks: a network of the test's own, and in it a Valkey server behind a cable to each gate. A cable that is pulled out says nothing to
anybody: what is sent over it is gone.

In: how many gates. Out: a server, and its address at the end of each cable. Never: an interface, an address or a port of this machine's.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests import forked
from tests.needs import path_of
from tests.valkey import Valkey

CLONE_NEWNET = 0x40000000
START_S = 20.0
_libc = ctypes.CDLL(None, use_errno=True)


def possible() -> bool:
    """Whether this machine lets us make networks, and cables between them."""
    words = ["unshare", "--net", str(path_of("ip")), "link", "add", "gate1", "type", "veth", "peer", "name", "store1"]
    return not os.geteuid() and not subprocess.run(words, capture_output=True, check=False).returncode


@contextmanager
def network() -> Iterator[None]:
    """This thread, and whatever it starts, has a network of its own, of which it knows nothing but loopback. (Python 3.12 has os.unshare.)"""
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        _called(_libc.unshare(CLONE_NEWNET))
        ip("link", "set", "lo", "up")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(forked, "_nursery", None)  # processes begin as copies of one that is in this network, too
            patch.setattr(forked, "_path", "")
            yield
            if forked._nursery is not None:
                forked._nursery.close()
    finally:
        _called(_libc.setns(before, CLONE_NEWNET))
        os.close(before)


class Apart(Valkey):
    """A server in a network of its own; ``cables``: the address it has at the end of each."""

    def __init__(self, folder: Path, cables: int) -> None:
        self.cables = [Cable(self, number) for number in range(1, cables + 1)]
        super().__init__(folder)

    def _words(self) -> list[str]:
        words = super()._words()
        words[words.index("127.0.0.1")] = "*"
        return ["unshare", "--net", *words, "--protected-mode", "no"]

    def _launched(self) -> None:
        ours = Path("/proc/thread-self/ns/net").readlink()
        deadline = time.monotonic() + START_S
        while Path(f"/proc/{self.pid}/ns/net").readlink() == ours:
            assert time.monotonic() < deadline, "no network for the server"
            time.sleep(0.005)
        self.within("ip", "link", "set", "lo", "up")
        for cable in self.cables:
            cable.lay()

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def within(self, *words: str) -> None:
        """Done in the server's network."""
        _run(*self._inside(), *words)

    def _inside(self) -> list[str]:
        return ["nsenter", "--net", "--target", str(self.pid)]


class Cable:
    """Between this network and the server's."""

    def __init__(self, server: Apart, number: int) -> None:
        self._server, self._number = server, number

    @property
    def url(self) -> str:
        return f"valkey://10.106.{self._number}.2:{self._server.port}/0"

    def lay(self) -> None:
        here, there = f"gate{self._number}", f"store{self._number}"
        ip("link", "add", here, "type", "veth", "peer", "name", there, "netns", str(self._server.pid))
        ip("addr", "add", f"10.106.{self._number}.1/24", "dev", here)
        ip("link", "set", here, "up")
        self._server.within("ip", "addr", "add", f"10.106.{self._number}.2/24", "dev", there)
        self.plug_in()

    def pull_out(self) -> None:
        """At the server's end: here nothing is told of it."""
        self._server.within("ip", "link", "set", f"store{self._number}", "down")

    def plug_in(self) -> None:
        self._server.within("ip", "link", "set", f"store{self._number}", "up")


def ip(*words: str) -> None:
    _run("ip", *words)


def _run(*words: str) -> None:
    program = path_of(words[0])
    assert program is not None, words[0]
    done = subprocess.run([program, *words[1:]], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(words)}: {done.stderr}"


def _called(result: int) -> None:
    if result:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
