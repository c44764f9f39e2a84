"""Runs the worker pool, HTTP and control socket of one gate.

In: the settings, how many workers. Out: an exit code. Never: a message, a store, a journal; a worker that outlives it
(operations/worker_channel.py).

Start: reserve the ports → worker 1 opens → the others open → HTTP, control socket → the console beside.
Stop (SIGTERM): /readyz fails → all drain → exit 0. A worker whose node was replaced stays away; once all were, exit 2.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import Collection, Coroutine, Sequence
from pathlib import Path
from typing import Any

import structlog
import uvloop

from proxy.cluster.follower_protocol import fenced
from proxy.config import Settings, SettingsError, Worker, load, worker_faults
from proxy.config.mapping_reader import Address
from proxy.config.worker import control_of, journal_of
from proxy.model import log_setup
from proxy.operations.control import ControlError
from proxy.operations.http import HttpServer
from proxy.operations.http_auth import HttpAuth
from proxy.runtime import hardening
from proxy.runtime.systemd import ServiceManager
from proxy.server.process import StartError
from proxy.server.restarted_processes import ConsoleProcess
from proxy.server.workers.control import PoolControlServer, WorkerSocket
from proxy.server.workers.http import PoolHttpServer
from proxy.server.workers.pool import WorkerFailed, WorkerPool

log = structlog.get_logger()


class WorkerReported(Exception):
    """The gate cannot start, and a worker has printed why; ``code`` is its exit code."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Supervisor:
    def __init__(self, settings: Settings, path: Path, workers: int, command: Sequence[str]) -> None:
        self.settings, self.path = settings, path
        self.manager = ServiceManager(os.environ)
        self._reserved: list[socket.socket] = []
        self.pool = WorkerPool(workers, command, self._pool_changed, self._reserved, self._replaced)
        self.http_front = PoolHttpServer(self.pool)
        self.guard = HttpAuth(
            settings.http.metrics_allow, settings.http.tokens, settings.people, settings.providers, settings.http.hosts
        )
        self.console = ConsoleProcess(path) if settings.console.listen is not None else None
        self.http = HttpServer(bytes, self.http_front.not_ready, self.guard, self._notes, self.http_front.paths())
        self.control_front = PoolControlServer(settings.control, settings.control_group, self._serving, self._reloaded)
        self.stop = asyncio.Event()
        self._log_settings = settings.log
        self._tasks: set[asyncio.Task[None]] = set()

    def _notes(self) -> list[str]:
        return self.http_front.notes() + (self.console.notes() if self.console is not None else [])

    def _serving(self) -> list[WorkerSocket]:
        return [WorkerSocket(member.worker.name, control_of(self.settings.control, member.worker)) for member in self.pool.up()]

    async def start(self) -> None:
        """Raises StartError, WorkerReported."""
        settings = self.settings
        smpp = settings.smpp
        try:
            for listen in (smpp.listen, *([smpp.tls.listen] if smpp.tls is not None else [])):
                self._reserved.append(reserve(listen))
            await self.http.start(settings.http.listen.host, settings.http.listen.port)
            await self.control_front.start()
            await self.pool.start()
        except WorkerFailed as failed:
            if failed.code == 2:
                raise WorkerReported(failed.code) from None
            raise StartError(failed) from None
        except (ControlError, OSError) as error:
            raise StartError(error) from error
        self.http_front.why_not = ""
        log.info("gate open", smpp=smpp.listen.port, http=settings.http.listen.port, workers=len(self.pool.members))

    async def run(self, early: Sequence[int] = ()) -> int:
        """Runs until SIGTERM or SIGINT, or until all workers were replaced (StartError). ``early``: not empty if a reload was requested before;
        files may have changed after they were read."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop.set)
        loop.add_signal_handler(signal.SIGHUP, lambda: self._spawn(self.reload()))
        if early:
            self._spawn(self.reload())
        watchdog = loop.create_task(self.manager.watchdog())
        starting = loop.create_task(self.start())
        stopped = loop.create_task(self.stop.wait())
        try:
            await asyncio.wait([starting, stopped], return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                starting.result()
                self._notify_service_manager()
                if self.console is not None:
                    self._spawn(self.console.run())
                await stopped
        finally:
            stopped.cancel()
            self.http_front.why_not = "draining"
            self.manager.stopping()
            starting.cancel()
            await asyncio.gather(starting, return_exceptions=True)
            await self.close()
            watchdog.cancel()
            self.manager.close()
        if why := self.pool.replaced():
            raise StartError(why)
        return 0

    async def close(self) -> None:
        tasks = [*self._tasks]
        for task in tasks:
            task.cancel()
        for one in self._reserved:
            with contextlib.suppress(OSError):  # no worker listens there
                one.shutdown(socket.SHUT_RDWR)  # no client waits at a socket that is never accepted from again
        await self.pool.stop()
        await asyncio.gather(*tasks, return_exceptions=True)  # the console's process ends before this one
        await self.control_front.stop()
        await self.http.stop()
        for one in self._reserved:
            one.close()

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def reload(self) -> None:
        """SIGHUP: all workers reload rules, accounts and certificates; the supervisor reloads its own users."""
        if not self.http_front.why_not:  # otherwise the status shows the start, or the end
            self.manager.reloading()
        left = [*await self.pool.reload(), *await self._take_over()]
        if left:
            log.warning("not all is in force", why=left)
        if not self.http_front.why_not:
            self.manager.ready(f"open; not taken over: {left[0]}" if left else self._status())

    async def _reloaded(self, done: Collection[str]) -> Sequence[str]:
        """Reloads the other workers and the supervisor after a command reloaded these workers, which reported their faults."""
        late = await self.pool.reload(done)
        await self._take_over()
        return late

    async def _take_over(self) -> Sequence[str]:
        """Reloads the users of the supervisor's own socket; returns what is wrong with the settings."""
        try:
            settings = await asyncio.to_thread(load, self.path)
        except SettingsError as error:
            return error.problems
        if settings.log != self._log_settings:
            _use_log_settings(settings)
            self._log_settings = settings.log
        self.guard.use(
            settings.http.metrics_allow, settings.http.tokens, settings.people, settings.providers, settings.http.hosts
        )
        return ()

    def _replaced(self, worker: Worker) -> str:
        return fenced(journal_of(self.settings.journal, self.settings.node, worker))

    def _pool_changed(self) -> None:
        if self.pool.replaced():
            self.stop.set()
        self._notify_service_manager()

    def _notify_service_manager(self) -> None:
        if not self.http_front.why_not:
            self.manager.ready(self._status())

    def _status(self) -> str:
        return f"open; {len(self.pool.up())} of {len(self.pool.members)} workers"


def _use_log_settings(settings: Settings) -> None:
    log_setup.configure_logging(settings.log.format, settings.log.level, settings.log.time, "supervisor")


def reserve(listen: Address) -> socket.socket:
    """Binds the port for the workers, which listen once they are open; fails if it is in use. StartError."""
    family = socket.AF_INET6 if ":" in listen.host else socket.AF_INET
    try:
        socket.create_server(
            (listen.host, listen.port), family=family
        ).close()  # SO_REUSEPORT alone would share it with another gate's workers
        found = socket.socket(family)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        found.bind((listen.host, listen.port))  # bound but not listening: it gets no connection
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else error
        raise StartError(f"smpp: cannot listen on {listen.host}:{listen.port}: {why}") from error
    return found


def serve(path: Path, workers: int, command: Sequence[str] | None = None) -> int:
    """Runs the gate as several processes (``command`` begins one) until SIGTERM or SIGINT; returns the exit code. StartError,
    WorkerReported."""
    log_setup.configure_logging()
    hardening.restrict_umask()
    hardening.forbid_core_dumps()
    early: list[int] = []
    signal.signal(
        signal.SIGHUP, lambda number, _: early.append(number)
    )  # the default action would end a gate that is still starting
    try:
        settings = load(path)
    except SettingsError as error:
        raise StartError("\n".join(error.problems)) from error
    _use_log_settings(settings)
    if faults := worker_faults(settings, workers):
        raise StartError(f"{path}: {faults[0]}")
    command = command or (sys.executable, "-m", "proxy", "serve", "--config", str(path))

    async def run() -> int:
        return await Supervisor(settings, path, workers, command).run(early)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(run())
