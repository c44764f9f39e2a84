"""Runs the gate as an operating system process.

In: the settings' path, the environment. Out: a gate that runs until SIGTERM or SIGINT and reloads on SIGHUP; status for systemd and the
supervisor; an exit code. Never: a part of the gate (wiring.py has them).
"""

from __future__ import annotations

import asyncio
import errno
import gc
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import structlog
import uvloop

from proxy.cluster.follower_protocol import FollowerFault
from proxy.config import Settings, SettingsError, Worker, embedded_file, load, secret_files, worker_of
from proxy.journal.sealing import SealingError
from proxy.journal.write_ahead_log import JournalDamaged, JournalDown
from proxy.model import log_setup
from proxy.net.tls import TlsError
from proxy.operations.control import ControlError
from proxy.operations.worker_channel import VARIABLE as LIFELINE
from proxy.operations.worker_channel import WorkerEnd
from proxy.policy.loading.problem import RulesError
from proxy.runtime import cpu_affinity, hardening
from proxy.runtime.allocator import in_large_pages
from proxy.runtime.build_info import build_info
from proxy.runtime.extras import lacking
from proxy.runtime.systemd import ServiceManager
from proxy.server.reload import use_log_settings
from proxy.server.wiring import GateProcess
from proxy.state import StateError

log = structlog.get_logger()


_DISK_ADVICE = {
    errno.ENOSPC: "free space",
    errno.EDQUOT: "free space, or raise the quota",
    errno.EFBIG: "raise the limit on the size of files (LimitFSIZE)",
    errno.EROFS: "make the file system and the file writable for the gate's user",
    errno.EACCES: "let the gate's user read and write it",
    errno.EPERM: "let the gate's user read and write it",
    errno.EIO: "look into the kernel's log for what is wrong with the disk, and mend that",
    errno.EBUSY: "end the program that holds it",
    errno.ENOMEM: "free memory",
    errno.EMFILE: "raise the limit on open files (LimitNOFILE)",
    errno.ENFILE: "raise the machine's limit on open files (fs.file-max)",
}
"""Advice when a start fails with an error of the system, by ``errno``."""


class StartError(Exception):
    """The gate cannot start, or go on; the text says whose fault it is and what to do."""


def serve(path: Path, accept_loss: bool = False) -> int:
    """Runs the gate until SIGTERM or SIGINT; returns the exit code. StartError."""
    in_large_pages()
    log_setup.configure_logging()
    early: list[int] = []
    signal.signal(
        signal.SIGHUP, lambda number, _: early.append(number)
    )  # the default action would end a gate that is still starting
    hardening.restrict_umask()
    why_dumped = hardening.forbid_core_dumps()
    try:
        worker = worker_of(os.environ)
        settings = load(path)
    except SettingsError as error:
        raise StartError("\n".join(error.problems)) from error
    use_log_settings(settings.log)
    if why_dumped:
        log.warning(
            "a core of this process could be dumped; LimitCORE=0, or no program in kernel.core_pattern, prevents it",
            why=why_dumped,
        )
    refuse_missing_extras(settings)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_serve(settings, path, accept_loss, worker, early))


def refuse_missing_extras(settings: Settings) -> None:
    """StartError where the settings, or what lies on disk, need libraries that are not installed."""
    if settings.console.listen is not None and (absent := lacking("console")):
        raise StartError(f"console.listen: the console needs more: {absent}")
    if settings.stream is not None and (absent := lacking("stream")):
        raise StartError(f"stream: the event stream needs more: {absent}")
    if absent := lacking("archive"):
        if any(settings.archive.folder.rglob("*.parquet")):
            raise StartError(
                f"{settings.archive.folder} holds tables of the journal, and {absent}: nothing could read or erase them"
            )
        if settings.archive.roll:
            log.warning("closed segments stay as they are: no tables are made of them", why=absent)


async def _serve(settings: Settings, path: Path, accept_loss: bool, worker: Worker | None, early: list[int]) -> int:
    """``early``: not empty if a reload was requested before the gate was open; files may have changed after they were read."""
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(log_setup.handle_loop_exception)
    loop.set_default_executor(ThreadPoolExecutor(thread_name_prefix="beside", initializer=cpu_affinity.unpin_thread))
    manager = ServiceManager(os.environ)
    gate = await _open(settings, path, accept_loss, worker)
    build = build_info()
    log.info("gate106 runs", version=build.version, commit=build.commit, compiled=not build.slow)
    if build.slow:
        log.warning("runs without compiled modules: each message takes about ten times the processor time", why=build.slow)
    _warn_of_open_files(settings, path)
    if worker is not None:
        cpu_affinity.pin_thread(worker.number, worker.of)  # not earlier: threads that have begun by now may use any core
    gc.freeze()  # loaded modules stay: the collector need not visit them again
    gc.disable()  # maintenance.py chooses the moments
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    lifeline = WorkerEnd(int(os.environ[LIFELINE]), gate.answer, stop.set) if LIFELINE in os.environ else None
    if lifeline is not None:
        await lifeline.open()
    reloads: set[asyncio.Task[None]] = set()

    async def reload() -> None:
        manager.reloading()
        problems = await gate.reload()
        if not stop.is_set():
            left = [*problems, *gate.reloading.waiting]
            manager.ready(f"open; not taken over: {left[0]}" if left else "open")

    def hang_up() -> None:
        task = loop.create_task(reload())
        reloads.add(task)
        task.add_done_callback(reloads.discard)

    loop.add_signal_handler(signal.SIGHUP, hang_up)
    if early:
        hang_up()
    gate.on_replaced = stop.set
    if gate.replaced:
        stop.set()
    manager.ready("open")
    watchdog = loop.create_task(manager.watchdog())
    await stop.wait()
    manager.stopping()
    last_words = await gate.stop()
    if lifeline is not None:
        await lifeline.close(last_words)
    watchdog.cancel()
    manager.close()
    if gate.replaced:
        raise StartError(gate.replaced)
    return 0


async def _open(settings: Settings, path: Path, accept_loss: bool, worker: Worker | None) -> GateProcess:
    try:
        gate = GateProcess(settings, path, asyncio.get_running_loop(), accept_loss, worker)
        await gate.start()
    except RulesError as error:
        raise StartError("\n".join(str(problem) for problem in error.problems)) from error
    except (StateError, JournalDamaged, JournalDown, SealingError, ControlError, TlsError, FollowerFault, OSError) as error:
        raise StartError(_with_advice(error)) from error
    return gate


def _with_advice(error: Exception) -> str:
    """The error, with advice where the disk or file system is at fault. Never advice that loses data."""
    fault = error if isinstance(error, OSError) else error.__cause__
    advice = _DISK_ADVICE.get(fault.errno or 0) if isinstance(fault, OSError) else None
    if advice is None:
        return str(error)
    what = f"{error.filename}: {error.strerror}" if isinstance(error, OSError) and error.filename else str(error)
    return f"{what}: {advice}, and start again; state and journal are as they were: leave them where they are"


def _warn_of_open_files(settings: Settings, path: Path) -> None:
    """Warns of files that others may read, made by people or by an earlier version; their modes may be intended, so the gate keeps them."""
    store = embedded_file(settings.store) if settings.shared is None else settings.shared.local
    files = [*secret_files(path), settings.journal, *([store] if store is not None else [])]
    files += [settings.smpp.tls.key] if settings.smpp.tls is not None else []
    files += [carrier.tls_key for carrier in settings.carriers if carrier.tls_key is not None]
    for one in hardening.readable_by_others(files):
        log.warning("file is open to everybody on this machine: chmod o-rwx", file=str(one))
