"""Reports readiness, reloads and liveness to systemd (sd_notify(3)).

In: NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID of the environment; state changes of the gate. Out: datagrams to the socket of
the service manager. Never: waiting, or an exception: without a service manager nothing happens, and a datagram that cannot be
sent is a log line.
"""

import asyncio
import os
import socket
import time
from collections.abc import Mapping

import structlog

from proxy.runtime.os_errors import in_words

log = structlog.get_logger()


class ServiceManager:
    """The service manager's notification socket. Without NOTIFY_SOCKET every call returns at once."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        address = environment.get("NOTIFY_SOCKET", "")
        self.watchdog_s = _watchdog_s(environment) if address else 0.0  # the service manager's interval; 0: no watchdog
        self._socket: socket.socket | None = None
        if address[:1] not in ("/", "@"):  # a machine's vsock: is not for a service inside it
            return
        self._address = "\0" + address[1:] if address[0] == "@" else address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)

    def ready(self, status: str) -> None:
        """The gate is ready, for the first time or after a reload; ``systemctl status`` shows ``status``."""
        self._notify("READY=1", f"STATUS={status}")

    def reloading(self) -> None:
        self._notify("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}", "STATUS=reloading")

    def stopping(self) -> None:
        self._notify("STOPPING=1", "STATUS=draining")

    async def watchdog(self) -> None:
        """Reports that the loop is alive, twice per watchdog interval, until it is cancelled."""
        while self.watchdog_s:
            self._notify("WATCHDOG=1")
            await asyncio.sleep(self.watchdog_s / 2)

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _notify(self, *lines: str) -> None:
        if self._socket is None:
            return
        try:
            self._socket.sendto("\n".join(lines).encode(), self._address)
        except OSError as error:
            log.warning("systemd notification not sent", datagram=lines[0], error=in_words(error))


def _watchdog_s(environment: Mapping[str, str]) -> float:
    """The watchdog interval; 0 if WATCHDOG_PID names another process (a shell in between passes both variables on)."""
    interval, process = environment.get("WATCHDOG_USEC", ""), environment.get("WATCHDOG_PID", "")
    if not interval.isdecimal() or process not in ("", str(os.getpid())):
        return 0.0
    return int(interval) / 1_000_000
