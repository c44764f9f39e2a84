"""A follower as its own process, and the cable between it and a gate, which can be cut, and delays.

In: a folder; milliseconds. Out: an address for the setting ``follower``. Never: a function of the follower called from here.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import subprocess
import threading
import time
from collections import deque
from pathlib import Path
from typing import Any

from tests import forked
from tests.e2e.gate import ROOT, _environment
from tests.e2e.sockets import free_port
from tests.e2e.waiting import until


class FollowerProcess:
    def __init__(self, copy: Path, *more: str) -> None:
        self.copy, self._more = copy, more
        self.port = free_port()
        self.log = copy.with_name(f"{copy.name}.log")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, module: str = "proxy.__main__", *before: str) -> FollowerProcess:
        """``module``: what runs the command, given ``before``."""
        with self.log.open("ab") as log:
            words = [*before, "follower", "serve", str(self.copy), "--listen", f"127.0.0.1:{self.port}", *self._more]
            self._process = forked.begun(module, words, cwd=ROOT, env=_environment(), log=log)
        until(self._open, lambda: f"the follower open: {self.log.read_text()}", 60)
        return self

    def _open(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log.read_text()
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
            return True
        return False

    @property
    def exited(self) -> bool:
        return self._process is None or self._process.poll() is not None

    def kill(self) -> None:
        """At once, as ``kill -9``."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


class Cable:
    """Passes octets on to a port, each way after ``delay_s``; cut, it passes nothing and says so to nobody."""

    def __init__(self, port: int, delay_s: float = 0.0) -> None:
        self._port, self._delay_s = port, delay_s
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.cut = False
        self._wake_read, self._wake_write = os.pipe()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        os.write(self._wake_write, b"x")
        self._thread.join()
        self._listener.close()

    def _run(self) -> None:
        others: dict[socket.socket, socket.socket] = {}
        waiting: deque[tuple[float, socket.socket, bytes]] = deque()
        while True:
            timeout = max(0.0, waiting[0][0] - time.monotonic()) if waiting else 0.1 if self.cut else None
            ready = select.select([self._wake_read, self._listener, *(() if self.cut else others)], [], [], timeout)[0]
            while waiting and waiting[0][0] <= time.monotonic():
                _, to, data = waiting.popleft()
                with contextlib.suppress(OSError):
                    to.sendall(data)
            for one in ready:
                if one == self._wake_read:
                    for left in others:
                        left.close()
                    return
                if one is self._listener:
                    here, there = self._listener.accept()[0], socket.socket()
                    if self.cut or there.connect_ex(("127.0.0.1", self._port)):
                        here.close()
                        there.close()
                        continue
                    for end, other in ((here, there), (there, here)):
                        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                        others[end] = other
                elif one in others:
                    data = b""
                    with contextlib.suppress(OSError):
                        data = one.recv(1 << 20)
                    if data:
                        waiting.append((time.monotonic() + self._delay_s, others[one], data))
                    else:
                        for end in (one, others[one]):
                            others.pop(end, None)
                            end.close()


def followed_by(port: int, **more: Any) -> dict[str, Any]:
    """The setting ``follower``."""
    mode = {"mode": "sync", "when_away": "defer"} if "mode" not in more else {}
    return {"address": f"127.0.0.1:{port}", "away_s": 1, "files_s": 1, **mode, **more}
