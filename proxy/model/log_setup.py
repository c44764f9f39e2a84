"""Configures logging and keeps personal data out of log lines.

In: events from structlog, asyncio, other libraries and Python itself. Out: lines on standard output: for people or JSON, after a
syslog priority where systemd's journal reads them. Never: a message text, a phone number, control characters of a terminal, values
of variables in a traceback, or an exception's text that may quote its input. A fault may happen while the gate handles a message.
"""

from __future__ import annotations

import asyncio
import io
import logging
import os
import sys
import threading
import traceback
from collections.abc import MutableMapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, ExcInfo, Processor

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


ERROR_PRIORITY = 3
_PRIORITIES = {"debug": 7, "info": 6, "warning": 4, "error": ERROR_PRIORITY, "exception": ERROR_PRIORITY, "critical": 2}
"""Priorities of syslog (sd-daemon(3))."""


def configure_logging(form: str = "console", level: str = "info", time: str = "local", process: str = "") -> None:
    """Configures structlog, the standard library's logging and Python's exception hooks for this process; may be called again.

    ``form``, ``level``, ``time``: the settings below ``log``. ``process``: which process of the gate this is, empty if there is one."""
    zone = UTC if time == "utc" else CHINA

    def add_context(logger: object, method: str, event: EventDict) -> EventDict:
        at = datetime.now(zone).isoformat(timespec="milliseconds").replace("+00:00", "Z")  # RFC 3339
        first = {"timestamp": at, "level": method, "event": ""} | ({"process": process} if process else {})
        return {**first, **event}

    renderers: list[Processor]
    if form == "json":
        as_json = structlog.processors.JSONRenderer(ensure_ascii=False, default=lambda value: printable(str(value)))
        renderers = [structlog.processors.ExceptionRenderer(_exception_text), as_json]
    else:
        renderers = [structlog.dev.ConsoleRenderer(colors=_coloured(), exception_formatter=_format_exception)]
    if read_by_journal(sys.stdout):
        renderers.append(_add_priority)
    structlog.configure(
        processors=[structlog.processors.add_log_level, add_context, _sanitize, *renderers],
        wrapper_class=structlog.make_filtering_bound_logger(level),
    )
    logging.basicConfig(level=logging.WARNING, handlers=[_LibraryHandler()], force=True)
    sys.excepthook = lambda kind, error, trace: _log_fault("", error)
    sys.unraisablehook = lambda arguments: _log_fault("", arguments.exc_value)
    threading.excepthook = lambda arguments: _log_fault(
        arguments.thread.name if arguments.thread is not None else "", arguments.exc_value
    )


def read_by_journal(stream: TextIO) -> bool:
    """Whether the stream leads to systemd's journal. The variable names the journal's stream; child processes inherit the variable even
    where their output goes elsewhere (systemd.exec(5))."""
    try:
        found = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}"


def _add_priority(logger: object, method: str, line: Any) -> str:
    """Puts the level before each line, as sd-daemon(3) has it: the journal takes each line as an entry of its own."""
    return with_priority(_PRIORITIES.get(method, 6), str(line))


def with_priority(priority: int, lines: str) -> str:
    """The lines, each with its syslog priority."""
    return "\n".join(f"<{priority}>{line}" for line in lines.splitlines())


def _exception_text(exc_info: ExcInfo) -> str:
    out = io.StringIO()
    _format_exception(out, exc_info)
    return out.getvalue()


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
    return {key: value if key == "exc_info" else _sanitize_value(value) for key, value in event.items()}


def _sanitize_value(value: Any) -> Any:
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, dict):
        return {_sanitize_value(key): _sanitize_value(one) for key, one in value.items()}
    return [_sanitize_value(one) for one in value] if isinstance(value, list | tuple | frozenset | set) else value
