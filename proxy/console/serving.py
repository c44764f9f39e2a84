"""Runs the console's process.

In: the settings' path. Out: pages, until SIGTERM or, tied to a gate, until that is gone. Never: a core dump, for it holds people's tokens.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from pathlib import Path

import structlog
import uvloop

from proxy.config import SettingsError, console_locations
from proxy.console.app import App
from proxy.console.gate_client import GateClient
from proxy.console.metric_sampling import Sampling
from proxy.model import log_setup
from proxy.operations.http_listener import Listener
from proxy.runtime import hardening

log = structlog.get_logger()


class CannotServe(Exception):
    """The console cannot start: the text says whose fault it is and what to do."""


def serve(config: Path, tied: bool) -> None:
    """``tied``: ends when standard input does. CannotServe."""
    log_setup.configure_logging()
    hardening.restrict_umask()
    hardening.forbid_core_dumps()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(config, tied))


async def _serve(config: Path, tied: bool) -> None:
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(log_setup.handle_loop_exception)
    try:
        places = console_locations(config)
    except SettingsError as error:
        raise CannotServe("; ".join(error.problems)) from None
    if places.console.listen is None:
        raise CannotServe(f"{config}: console.listen is missing: it says where the console is")
    log_setup.configure_logging(places.log.format, places.log.level, places.log.time, "console" if tied else "")
    asking = GateClient(places, config)
    sampling = Sampling(asking)
    listener = Listener(App(places.console, asking, sampling).app(), "console")
    try:
        port = await listener.start(*places.console.listen)
    except OSError as error:
        raise CannotServe(error) from None
    asking.warm()
    log.info("console open", port=port)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if tied:
        loop.add_reader(sys.stdin.fileno(), lambda: stop.set() if not os.read(sys.stdin.fileno(), 1) else None)
    sampler = loop.create_task(sampling.run())
    await stop.wait()
    sampler.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await sampler
    await listener.stop()
    asking.close()
