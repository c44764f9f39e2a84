"""Configures logging and keeps personal data out of log lines.

In: events from structlog, asyncio, other libraries and Python itself. Out: lines on standard output. Never: a message text, a
phone number, control characters of a terminal, values of variables in a traceback, or an exception's text that may quote its
input. A fault may happen while the gate handles a message.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
import traceback
from collections.abc import MutableMapping
from datetime import datetime, timedelta, timezone
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, ExcInfo

from proxy.model.rate import Rate
from proxy.model.redact import printable

CHINA = timezone(timedelta(hours=8))
FAULT = "a fault of gate106, please report it"
FRAMES_MAX = 30
"""Innermost frames shown of one exception: a recursion has thousands."""
CHAIN_MAX = 5
QUOTES_NOTHING = frozenset(
    (
        AttributeError,
        IndexError,
        MemoryError,
        NameError,
        OverflowError,
        RecursionError,
        TypeError,
        UnboundLocalError,
        ZeroDivisionError,
    )
)
"""Exceptions whose text Python makes from names and types only. The text of a KeyError or a ValueError may quote a value."""


def configure_logging() -> None:
    """Configures structlog, the standard library's logging and Python's exception hooks for this process."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            _add_timestamp,
            _sanitize,
            structlog.dev.ConsoleRenderer(colors=_coloured(), exception_formatter=_format_exception),
        ]
    )
    logging.basicConfig(level=logging.WARNING, handlers=[_LibraryHandler()], force=True)
    sys.excepthook = lambda kind, error, trace: _log_fault("", error)
    sys.unraisablehook = lambda arguments: _log_fault("", arguments.exc_value)
    threading.excepthook = lambda arguments: _log_fault(
        arguments.thread.name if arguments.thread is not None else "", arguments.exc_value
    )


def _add_timestamp(logger: object, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Adds the time in China, whatever the machine's time zone, with its offset from UTC."""
    event["timestamp"] = datetime.now(CHINA).strftime("%Y-%m-%d %H:%M:%S%z")
    return event


class RateLimitedLog:
    """A log line that a peer can cause: at most ``per_s`` lines a second; the next line has the number of suppressed ones."""

    def __init__(self, per_s: float, at_once: float) -> None:
        self._rate = Rate(per_s, at_once)
        self._suppressed = 0

    def info(self, now: float, event: str, **values: object) -> None:
        """``now``: monotonic."""
        self._log("info", now, event, values)

    def warning(self, now: float, event: str, **values: object) -> None:
        """``now``: monotonic."""
        self._log("warning", now, event, values)

    def _log(self, level: str, now: float, event: str, values: dict[str, object]) -> None:
        if not self._rate.allow(now):
            self._suppressed += 1
            return
        more = {"left_out": self._suppressed} if self._suppressed else {}
        self._suppressed = 0
        getattr(structlog.get_logger(), level)(event, **values, **more)


def _coloured() -> bool:
    return bool(os.environ.get("FORCE_COLOR")) or (sys.stdout.isatty() and not os.environ.get("NO_COLOR"))


def handle_loop_exception(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Logs an uncaught exception of the event loop (its exception handler)."""
    _log_fault(str(context.get("message", "")), context.get("exception"))


def _log_fault(where: str, error: BaseException | None) -> None:
    structlog.get_logger().error(FAULT, where=where, exc_info=error or False)


class _LibraryHandler(logging.Handler):
    """Logs records of libraries by their unformatted text and place: the arguments may quote personal data."""

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        where = f"{record.name}, {record.filename}:{record.lineno}"
        structlog.get_logger().log(record.levelno, str(record.msg), where=where, exc_info=error or False)


def _format_exception(out: TextIO, exc_info: ExcInfo) -> None:
    """Writes an exception and its causes as types and places, without values; the cause comes last."""
    error: BaseException | None = exc_info[1]
    for _ in range(CHAIN_MAX):
        if error is None:
            return
        kind = type(error)
        words = f": {printable(str(error))}" if kind in QUOTES_NOTHING else ""
        out.write(f"{kind.__module__}.{kind.__qualname__}{words}\n")
        frames = traceback.extract_tb(error.__traceback__)[-FRAMES_MAX:]
        out.writelines(f"  {frame.filename}:{frame.lineno} in {frame.name}\n" for frame in frames)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        if error is not None:
            out.write("which came of\n")


def _sanitize(_: Any, __: str, event: MutableMapping[str, Any]) -> EventDict:
    """Removes control characters from values: some of them come from peers (names, reasons, files)."""
    return {key: printable(value) if isinstance(value, str) else _sanitize_value(value) for key, value in event.items()}


def _sanitize_value(value: Any) -> Any:
    return [printable(one) if isinstance(one, str) else one for one in value] if isinstance(value, list) else value
