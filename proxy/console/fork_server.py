"""Starts command-line programs by forking a process with warm imports.

In: a command line, a token, two files, from the console. Out: a process of its own, and its exit code. Never: before the fork anything but
reading (the package; prefetch.py): no thread, no loop; two programs in one process.

A start takes some milliseconds instead of more than a second, for which a page would wait.

    console ── command line, files ──▶ fork server ── fork ▶ minder ── fork ▶ the program
            ◀───────────────────── its exit code ─────────────────────┘

The minder waits for the program. It kills the program when the console closes the request: after a timeout, or when the console is gone.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from proxy.operations.client import TOKEN

REQUEST_BYTES_MAX = 128 * 1024
OUT_BYTES_MAX = 16 * 1024 * 1024
ERROR_BYTES_MAX = 4096
NICE = 10
PREFETCH = "proxy.console.prefetch"
COMMANDS = "proxy.__main__"
"""Imported by name: the console itself needs neither, and layers above it are run as programs, not called."""
IMPORTS = (
    COMMANDS, "proxy.archive.search", "proxy.archive.access_records", "proxy.desk.explain.message_explanation",
    "proxy.desk.explain.message_explanation_text",
    "proxy.policy.loading.check", "proxy.desk.complaints.case_search", "proxy.desk.evidence.evidence_pdf", "proxy.desk.reports.daily_report",
    "proxy.desk.reports.report_text", "proxy.desk.optouts.recipient_trace", "proxy.archive.signed_heads", "proxy.archive.similar_texts",
    "proxy.desk.complaints.batch_file", "proxy.operations.files.row_files", "proxy.operations.files.number_list", "proxy.config",
    "proxy.operations.client", "proxy.desk.suppression.signature_search",
)  # fmt: skip
"""What the programs behind pages import when they are called."""
PARSED = ("find", "explain")
"""Commands whose options are parsed once in advance: that is half the cost of a short query."""
_NUMBER = struct.Struct(">i")


class TookTooLong(Exception):
    """A program was killed at its time limit."""


class CannotStart(Exception):
    """No program can be started; the text says why."""


# -- in the console


class ForkServer:
    def __init__(self, config: Path | None = None) -> None:
        """``config``: the settings of the gate whose journal programs are asked about."""
        self._config = config
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def run(self, argv: Sequence[str], token: str, within_s: float) -> tuple[int, bytes, str]:
        """(exit code, what it said, its errors). TookTooLong, CannotStart."""
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
            code = self._run_to_end({"argv": list(argv), "token": token}, out.fileno(), errors.fileno(), within_s)
            out.seek(0)
            errors.seek(0)
            return code, out.read(OUT_BYTES_MAX), errors.read(ERROR_BYTES_MAX).decode("utf-8", "replace")

    def _run_to_end(self, request: dict[str, object], out: int, errors: int, within_s: float) -> int:
        status_socket, child_end = socket.socketpair()
        with status_socket:
            with child_end:
                self._ask(json.dumps(request).encode(), [out, errors, child_end.fileno()])
            try:
                status_socket.settimeout(within_s)
                return int(_NUMBER.unpack(status_socket.recv(_NUMBER.size, socket.MSG_WAITALL))[0])
            except TimeoutError:
                raise TookTooLong from None  # its minder ends it when we let go
            except (OSError, struct.error) as error:
                raise CannotStart(f"a program could not be started: {error}") from None

    def _ask(self, request: bytes, files: list[int]) -> None:
        if len(request) > REQUEST_BYTES_MAX:
            raise CannotStart("the command line is too long")
        with self._lock:
            for _ in range(2):  # once more, where the one that has imported has died
                try:
                    socket.send_fds(self._alive(), [request], files)
                    return
                except OSError:
                    self._end()
        raise CannotStart("programs cannot be started: memory or processes are used up")

    def _alive(self) -> socket.socket:
        if self._socket is None:
            parent_end, child_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            parent_end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2 * REQUEST_BYTES_MAX)
            with child_end:
                command = [sys.executable, "-m", "proxy.console.fork_server", str(child_end.fileno())]
                command += [str(self._config)] if self._config is not None else []
                self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=[child_end.fileno()])  # noqa: S603 # our own
            self._socket = parent_end
        return self._socket

    def warm(self) -> None:
        """Starts the process before the first request."""
        with self._lock, contextlib.suppress(OSError):
            self._alive()

    def close(self) -> None:
        with self._lock:
            self._end()

    def _end(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        if self._process is not None:
            self._process.terminate()
            self._process.wait()
            self._process = None


# -- on the other side


def warm_up() -> None:
    """Imports and prepares everything that a program needs before it reads other files."""
    for name in IMPORTS:
        importlib.import_module(name)
    importlib.import_module("proxy.operations.terminal").print_for_programs()
    commands = importlib.import_module(COMMANDS).whole().commands
    for name in PARSED:
        commands[name].make_context(name, [])
    importlib.import_module("proxy.policy.registries.regions").Regions.load()


def main() -> None:
    """Forks for each request, until the console is gone."""
    from proxy.runtime import hardening  # noqa: PLC0415 # as all of it: only this side of the file needs it

    hardening.forbid_core_dumps()
    os.nice(NICE)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    warm_up()
    prefetch = importlib.import_module(PREFETCH).Prefetch(Path(sys.argv[2])) if len(sys.argv) > 2 else None
    gc.freeze()  # the collector of a copy walks nothing that is shared
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # minders are not waited for
    with socket.socket(fileno=int(sys.argv[1])) as requests:
        while True:
            if prefetch is not None and not select.select([requests], [], [], prefetch.wait_s)[0]:
                prefetch.read_on()
                continue
            data, files, _, _ = socket.recv_fds(requests, REQUEST_BYTES_MAX, 3)
            if not data:
                return
            request = json.loads(data)
            if prefetch is not None:
                prefetch.asked(request["argv"])
            if os.fork() == 0:
                requests.close()
                _supervise(request, *files)
            for file in files:
                os.close(file)


def _supervise(request: dict[str, object], out: int, errors: int, status_socket: int) -> NoReturn:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    program = os.fork()
    if not program:
        os.close(status_socket)
        _run_program(request, out, errors)
    if not _ended_first(program, status_socket):
        os.kill(program, signal.SIGKILL)
    _, status = os.waitpid(program, 0)
    with contextlib.suppress(OSError):
        os.write(status_socket, _NUMBER.pack(os.WEXITSTATUS(status) if os.WIFEXITED(status) else -1))
    os._exit(0)


def _ended_first(program: int, status_socket: int) -> bool:
    """Whether the program ended before the console closed the request."""
    ended = os.pidfd_open(program)
    ready, _, _ = select.select([ended, status_socket], [], [])
    return ended in ready


def _run_program(request: dict[str, object], out: int, errors: int) -> NoReturn:
    gate = importlib.import_module(COMMANDS)  # long since
    code = 1
    try:
        os.dup2(out, 1)
        os.dup2(errors, 2)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.environ[TOKEN] = str(request["token"])
        os.environ["NO_COLOR"] = "1"
        sys.modules["__main__"] = gate  # which names the program in its usage
        sys.argv = ["gate106", *request["argv"]]  # type: ignore[misc]
        gate.main()
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 0 if ended.code is None else 1
    except BaseException as error:  # noqa: BLE001 # there is nobody above us; what it quotes may be a stranger's
        print(f"it failed inside ({type(error).__name__}): a fault of gate106, please report it", file=sys.stderr)  # noqa: T201
    finally:
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    main()
