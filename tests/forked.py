"""Forked: processes of the gate that begin as copies of one which has imported everything. Starting hundreds of interpreters was half
the time of a test run.

In: a command line, a folder, an environment, where it writes. Out: a process of its own, with what of ``subprocess.Popen`` is needed. Never:
anything but the import done beforehand, and what is made of the code alone: no file of a test read, no thread, no loop. ``GATE106_FORK=0`` starts interpreters after all.

    tests ── command, files ──▶ the one that has imported ── fork ▶ minder ── fork ▶ the process
          ◀──────────────── its number; how it ended ─────────────┘

The minder waits for the process, as whoever starts one must. What a process does when it is started by a command line (``python -m proxy``)
is seen by all tests that do not use this: the demo, the bench, the soak, the upgrade, the composed.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import gc
import importlib
import json
import os
import pkgutil
import re
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any, NoReturn

ROOT = Path(__file__).parents[1]
REQUEST_BYTES_MAX = 1 << 20
_NUMBER = struct.Struct(">i")
WANTED = os.environ.get("GATE106_FORK", "1") != "0"


# -- on the side of the tests


class _Nursery:
    """The process that has imported, and the way to it."""

    def __init__(self) -> None:
        self._mine, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._mine.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, REQUEST_BYTES_MAX)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.forked", str(theirs.fileno())],
                cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, pass_fds=[theirs.fileno()],
            )  # fmt: skip
        self._lock = threading.Lock()
        atexit.register(self.close)

    def born(self, request: Mapping[str, object], out: int, err: int) -> socket.socket:
        """Where the process's number and its end will be told."""
        mine, theirs = socket.socketpair()
        with theirs, self._lock:
            socket.send_fds(self._mine, [json.dumps(request).encode()], [out, err, theirs.fileno()])
        return mine

    def close(self) -> None:
        self._mine.close()
        self._process.wait()


_nursery: _Nursery | None = None
_making = threading.Lock()


class Forked:
    """``python -m proxy ARGUMENTS``, but for the import; or of another module with a ``main``, which may change the gate it finds."""

    def __init__(
        self,
        arguments: list[str],
        *,
        cwd: Path,
        env: Mapping[str, str],
        stdout: IO[bytes],
        stderr: IO[bytes],
        module: str = "proxy.__main__",
    ) -> None:
        global _nursery  # noqa: PLW0603  # one for all tests, made when it is first needed
        with _making:
            if _nursery is None:
                _nursery = _Nursery()
        request = {"module": module, "arguments": arguments, "cwd": str(cwd), "env": dict(env), "umask": _umask()}
        self.args = [sys.executable, "-m", module, *arguments]
        self.returncode: int | None = None
        self._told = _nursery.born(request, stdout.fileno(), stderr.fileno())
        self.pid = _NUMBER.unpack(self._told.recv(_NUMBER.size))[0]

    def poll(self) -> int | None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self.wait(0)
        return None

    def wait(self, timeout: float | None = None) -> int:
        """How it ended, as of ``subprocess.Popen``; TimeoutExpired."""
        if self.returncode is None:
            self._told.settimeout(timeout)
            try:
                told = self._told.recv(_NUMBER.size)
            except (TimeoutError, BlockingIOError):
                raise subprocess.TimeoutExpired(self.args, timeout or 0) from None
            self.returncode = os.waitstatus_to_exitcode(_NUMBER.unpack(told)[0])
            self._told.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def run(arguments: list[str], *, cwd: Path, env: Mapping[str, str], timeout: float) -> subprocess.CompletedProcess[str]:
    """One command to its end, and what it said."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = Forked(arguments, cwd=cwd, env=env, stdout=out, stderr=err)
        try:
            code = process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
        said = []
        for file in (out, err):
            file.seek(0)
            said.append(file.read().decode())
    return subprocess.CompletedProcess(process.args, code, *said)


def begun(
    module: str, arguments: Sequence[str], *, cwd: Path, env: Mapping[str, str], log: IO[bytes]
) -> Forked | subprocess.Popen[bytes]:
    """A process that runs the module; what it says goes to the log."""
    if WANTED:
        return Forked([*arguments], cwd=cwd, env=env, stdout=log, stderr=log, module=module)
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.Popen(command, cwd=cwd, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env)


def _umask() -> int:
    """Read, not set and set back: another thread may be making a file."""
    return int(re.findall(r"^Umask:\s*(\d+)", Path("/proc/self/status").read_text(), re.MULTILINE)[0], 8)


# -- on the other side


def _made_beforehand() -> None:
    """What each process would make anew from the code alone: the tree of commands, the table of segments, the shipped lexicon (most of the
    CPU time of a start); and what is imported at need."""
    import typer.main

    from proxy.__main__ import app
    from proxy.policy import Regions
    from proxy.policy.loading.folder import RulesFolder

    importlib.import_module("anyio._backends._asyncio")
    Regions.load()
    RulesFolder(ROOT / "tests" / "data").lexicon()  # a folder without words of its own
    typer.main.get_command = functools.cache(typer.main.get_command)
    tree = typer.main.get_command(app)
    with contextlib.suppress(typer.Exit, SystemExit):
        tree.main(["schema"], standalone_mode=False)


def _imports() -> None:
    """All of the gate, also what commands import when they are called."""
    import proxy

    for module in pkgutil.walk_packages(proxy.__path__, "proxy."):
        if ".sim" not in module.name:
            importlib.import_module(module.name)
    _made_beforehand()
    gc.collect()
    gc.freeze()  # no copy looks through what it has from here, not even when it ends: that took longer than most commands
    assert threading.active_count() == 1, "a copy has but the thread that copies"


def _awaited(requests: socket.socket) -> tuple[dict[str, object], list[int]]:
    """Returns in a copy only, with what it is to be."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for minders
    while True:
        data, files, _, _ = socket.recv_fds(requests, REQUEST_BYTES_MAX, 3)
        if not data:
            os._exit(0)
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            return json.loads(data), files
        for file in files:
            os.close(file)


def _minded(told: int) -> None:
    """Returns in the process; the minder tells its number, waits, and tells how it ended."""
    process = os.fork()
    if not process:
        os.close(told)
        return
    with contextlib.suppress(OSError):
        os.write(told, _NUMBER.pack(process))
    for file in (0, 1, 2):
        os.close(file)
    _, status = os.waitpid(process, 0)
    with contextlib.suppress(OSError):  # nobody wants to know any more
        os.write(told, _NUMBER.pack(status))
    os._exit(0)


def main() -> None:
    _imports()
    with socket.socket(fileno=int(sys.argv[1])) as requests:
        asked, (out, err, told) = _awaited(requests)
    os.dup2(out, 1)
    os.dup2(err, 2)
    os.close(out)
    os.close(err)
    _minded(told)
    os.chdir(str(asked["cwd"]))
    os.umask(int(str(asked["umask"])))
    os.environ.clear()
    os.environ.update(asked["env"])  # type: ignore[call-overload]
    time.tzset()
    program = importlib.import_module(str(asked["module"]))
    sys.modules["__main__"] = program  # which names the program in its usage
    sys.argv = [str(program.__file__), *asked["arguments"]]  # type: ignore[misc]
    _end(_lived(program))


def _lived(program: Any) -> object:
    try:
        return program.main()
    except SystemExit as ended:
        return ended.code
    except Exception:  # noqa: BLE001 # as the interpreter would say it
        sys.excepthook(*sys.exc_info())
        return 1


def _end(code: object) -> NoReturn:
    """As the interpreter ends, but that nothing is freed: the system does that at once, and the copy would first have to make all of it its
    own, which takes longer than most commands."""
    if not isinstance(code, int | None):
        sys.stderr.write(f"{code}\n")
        code = 1
    threading._shutdown()  # type: ignore[attr-defined] # waits for threads that are no daemons
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit((code or 0) & 0xFF)


if __name__ == "__main__":
    main()
