"""Threads that serve loopback connections for the simulated carrier and the tap.

In: connections. Out: a thread for each, ended by ``stop``. Never: what is said over them.
"""

from __future__ import annotations

import contextlib
import socket
import threading

from proxy.sim.ports import free_port

__all__ = ["Server", "free_port", "hang_up"]


class Server:
    """Accepts on a loopback port; subclasses say what a connection does."""

    def __init__(self, port: int = 0) -> None:
        self._listener = socket.create_server(("127.0.0.1", port), backlog=64)
        self.port = int(self._listener.getsockname()[1])
        self._threads: list[threading.Thread] = []
        self._sockets: list[socket.socket] = []
        self._stopped = False

    def start(self) -> None:
        self.spawn(self._accept)

    def spawn(self, run, *args) -> None:
        thread = threading.Thread(target=run, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def keep(self, connection: socket.socket) -> socket.socket:
        """Remembers a socket, so that ``stop`` closes it."""
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._sockets.append(connection)
        return connection

    def serve(self, connection: socket.socket) -> None:
        raise NotImplementedError

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            if self._stopped:
                connection.close()
                return
            self.spawn(self.serve, self.keep(connection))

    def stop(self) -> None:
        self._stopped = True
        hang_up(self._listener)
        for connection in list(self._sockets):
            hang_up(connection)
        for thread in list(self._threads):
            thread.join(5)


def hang_up(connection: socket.socket) -> None:
    """Closes, waking whoever waits on it."""
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
