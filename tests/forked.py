"""Forked: processes of the gate that begin as copies of one which has imported everything. Starting hundreds of interpreters was half
the time of a test run.

In: a command line, a folder, an environment, where it writes. Out: a process of its own, with what of ``subprocess.Popen`` is needed. Never:
anything but the import done beforehand, and what is made of the code alone: no file of a test read, no thread, no loop. ``GATE106_FORK=0`` starts interpreters after all.

    tests ── command, files ──▶ the one that has imported ── fork ▶ the process
          ◀── its number; how it ended ───────┘

What a copy itself starts of the gate begins as a copy, too: workers, the console, queries of its pages. What a process does when it is
started by a command line (``python -m proxy``) is seen by all tests that do not use this: a demo, a measurement of the bench, the soak,
the upgrade, the composed, the probes of workers.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import fcntl
import functools
import gc
import importlib
import inspect
import json
import logging
import math
import os
import pkgutil
import re
import select
import shutil
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

import typer

ROOT = Path(__file__).parents[1]
REQUEST_BYTES_MAX = 1 << 20
FILES_MAX, FILES_ABOVE = 64, 500
NAME_BYTES_MAX = 200
WORDS_MAX = 10_000
HUGE_PAGE, MADV_COLLAPSE = 2 << 20, 25
_NUMBER = struct.Struct(">i")
WANTED = os.environ.get("GATE106_FORK", "1") != "0"


# -- on the side of the tests


class _Nursery:
    """The process that has imported."""

    def __init__(self) -> None:
        self._folder = tempfile.mkdtemp(prefix="gate106-fork-")
        self.path = str(Path(self._folder) / "requests")
        self._mine, theirs = socket.socketpair()
        with theirs, socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as door:
            door.bind(self.path)
            door.listen(100)
            passed = [theirs.fileno(), door.fileno()]
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.forked", *map(str, passed), self.path],
                cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, pass_fds=passed,
            )  # fmt: skip
        atexit.register(self.close)

    def close(self) -> None:
        self._mine.close()
        self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)


_nursery: _Nursery | None = None
_making = threading.Lock()
_path = ""
"""Where a copy asks for another, and where the workers of a test run ask."""


def ask_at(path: str) -> None:
    """Uses the process that another one of this test run has started: importing the gate takes seconds."""
    global _path  # noqa: PLW0603
    _path = path


def requests() -> str:
    """Where to ask for a copy."""
    global _nursery  # noqa: PLW0603  # one for all tests, made when it is first needed
    if _path:
        return _path
    with _making:
        if _nursery is None:
            _nursery = _Nursery()
    return _nursery.path


class Forked(subprocess.Popen[bytes]):
    """``python -m MODULE …`` as ``subprocess.Popen`` begins it, but for the import; the module has a ``main``, which may change the gate it
    finds. Its socket tells its number and how it ended, and is readable once it has ended."""

    _told: socket.socket | None = None

    def _execute_child(self, *given: Any) -> None:
        how = _EXECUTE.bind(self, *given).arguments
        ends = [how[name] if how[name] >= 0 else place for place, name in enumerate(("p2cread", "c2pwrite", "errwrite"))]
        passed = sorted(how["pass_fds"])
        cwd, env = how["cwd"] or Path.cwd(), how["env"] or os.environ
        request = {
            "arguments": [*map(str, how["args"][2:])],
            "cwd": str(cwd),
            "env": dict(env),
            "umask": _umask(),
            "passed": passed,
            "parent": os.getpid(),
        }
        self._told = told = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        told.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, REQUEST_BYTES_MAX)
        self._ending = threading.Lock()
        try:
            told.connect(requests())
            socket.send_fds(told, [json.dumps(request).encode()], [*ends, *passed])
            self.pid = _NUMBER.unpack(told.recv(_NUMBER.size))[0]
        finally:
            self._close_pipe_fds(*(how[name] for name in ("p2cread", "p2cwrite", "c2pread", "c2pwrite", "errread", "errwrite")))  # type: ignore[attr-defined]
        self._child_created = True

    def _wait(self, timeout: float | None) -> int:
        if self._told is None:
            return int(super()._wait(timeout))  # type: ignore[misc]
        if self.returncode is None:
            looked = select.poll()
            looked.register(self._told, select.POLLIN)
            if not looked.poll(None if timeout is None else timeout * 1000):
                raise subprocess.TimeoutExpired(self.args, timeout or 0)
            with self._ending:
                if self.returncode is None:
                    told = self._told.recv(_NUMBER.size)
                    self.returncode = os.waitstatus_to_exitcode(_NUMBER.unpack(told)[0]) if told else -signal.SIGKILL
        return self.returncode

    def __del__(self) -> None:
        super().__del__()
        if self._told is not None:
            self._told.close()

    def _internal_poll(self, *given: Any, **how: Any) -> int | None:
        if self._told is None:
            return super()._internal_poll(*given, **how)  # type: ignore[misc,no-any-return]
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self._wait(0)
        return None


_EXECUTE = inspect.signature(subprocess.Popen._execute_child)  # type: ignore[attr-defined]
_POPEN = subprocess.Popen
COPIED = (
    "proxy", "proxy.console.fork_server", "proxy.desk.revisions.sandbox_rules",
    "proxy.sim.bench.load_generator", "proxy.sim.bench.bare_relay", "tests.bench.baseline", "tests.bench.filled_store", "tests.bench.suppression_lists",
)  # fmt: skip
"""Programs that the gate itself starts: workers, consoles, queries of pages, hourly tables; and those of a measurement."""


class Popen(Forked):
    """In place of ``subprocess.Popen``: a program of the gate begins as a copy, others as they always do."""

    def _execute_child(self, args: Any, *given: Any) -> None:
        words = [] if isinstance(args, str | bytes | os.PathLike) else [*args]
        copied = WANTED and words[:2] == [sys.executable, "-m"] and words[2] in COPIED
        (super()._execute_child if copied else _POPEN._execute_child.__get__(self))(args, *given)  # type: ignore[attr-defined]


def run(arguments: list[str], *, cwd: Path, env: Mapping[str, str], timeout: float) -> subprocess.CompletedProcess[str]:
    """One command to its end, and what it said."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        command = [sys.executable, "-m", "proxy", *arguments]
        process = Forked(command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=err)
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
    return subprocess.CompletedProcess(command, code, *said)


def shell_command() -> str:
    """What begins a command of the gate in a shell script."""
    if not WANTED:
        return f"{sys.executable} -m proxy"
    return f"{sys.executable} -I -S {ROOT / 'tests' / 'forked_command.py'} {requests()}"


def words_of(process: Path) -> str:
    """Of a folder of /proc: with what words the process was begun, also a copy."""
    with contextlib.suppress(OSError):
        for file in (process / "fd").iterdir():
            if (name := str(file.readlink())).startswith("/memfd:"):
                return name.removeprefix("/memfd:")
        return (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    return ""


def begun(
    module: str, arguments: Sequence[str], *, cwd: Path, env: Mapping[str, str], log: IO[bytes]
) -> subprocess.Popen[bytes]:
    """A process that runs the module; what it says goes to the log."""
    begin = Forked if WANTED else subprocess.Popen
    return begin([sys.executable, "-m", module, *arguments], cwd=cwd, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env)


def _umask() -> int:
    """Read, not set and set back: another thread may be making a file."""
    return int(re.findall(r"^Umask:\s*(\d+)", Path("/proc/self/status").read_text(), re.MULTILINE)[0], 8)


def remember_words(most: float = math.inf) -> None:
    """Nobody changes an automaton or a trie, and most sets of rules have the 4,500 shipped words and few of their own: 18 ms for each set.
    Sets of more than ``most`` words are made as ever, piece by piece."""
    from proxy.native import word_trie
    from proxy.policy.text import keyword_prefilter, scanner
    from proxy.runtime.yield_point import no_yield

    shard, trie = keyword_prefilter._shard, word_trie.trie_of
    shard_of = functools.lru_cache(64)(shard)
    trie_of = functools.lru_cache(64)(lambda words: trie(dict(words), no_yield))
    keyword_prefilter._shard = lambda patterns: (
        shard(patterns) if len(patterns) > most else shard_of(tuple(patterns))._replace(patterns=patterns)
    )
    scanner.trie_of = lambda places, rest: (  # type: ignore[attr-defined]
        trie(places, rest) if len(places) > most else trie_of(tuple(places.items()))
    )


# -- on the other side


def _made_beforehand() -> None:
    """What each process would make anew from the code alone: the tree of commands, the table of segments, the shipped lexicon (most of the
    CPU time of a start); and what is imported at need."""
    from proxy.__main__ import FEATURES, whole
    from proxy.config.mapping_reader import SettingsError
    from proxy.config.reader import load
    from proxy.console import pdf_text
    from proxy.i18n import catalog
    from proxy.journal import encoding
    from proxy.policy.loading.folder import RulesFolder
    from proxy.policy.registries.regions import Regions
    from proxy.policy.text.lazy_regex import compile_all
    from proxy.policy.text.scanner import Scanner
    from proxy.runtime.build_info import build_info

    remember_words(WORDS_MAX)
    for name in ("anyio._backends._asyncio", "encodings.idna", "uvicorn.lifespan.off", "encodings.gb18030"):
        importlib.import_module(name)
    compile_all()
    for rules in (
        ROOT / "tests" / "data",
        ROOT / "rules",
    ):  # of folders without words of their own, and of copies of the shipped one
        Scanner(RulesFolder(rules).lexicon(), ())  # the words in its words
    Regions.load().unknown_share()
    for features in {None, *map(tuple, FEATURES.values())}:
        _read_parameters(whole(features))
    assert all((encoding._packers[record], encoding._unpackers[record]) for record in encoding.RECORDS.values())
    pdf_text.register()
    catalog.full_catalog()
    build_info()
    commands: Any = whole(None)
    with contextlib.suppress(typer.Exit, SystemExit):
        commands.main(["rules", "show-schema"], standalone_mode=False)
    with contextlib.suppress(SettingsError):  # its secrets are not there
        load(ROOT / "examples" / "gate106.yaml")


def _in_huge_pages() -> None:
    """Then a copy needs, and frees at its end, a table of some hundred pages instead of 40,000; where the system cannot, all else is the same."""
    advise = ctypes.CDLL(None).madvise
    for line in Path("/proc/self/maps").read_text().splitlines():
        span, rights, _, _, inode, *name = line.split()
        if rights != "rw-p" or inode != "0" or name not in ([], ["[heap]"]):
            continue
        begin, end = (int(place, 16) for place in span.split("-"))
        for page in range(-(-begin // HUGE_PAGE) * HUGE_PAGE, end - HUGE_PAGE + 1, HUGE_PAGE):
            advise(ctypes.c_void_p(page), ctypes.c_size_t(HUGE_PAGE), MADV_COLLAPSE)


def _read_parameters(command: Any, above: Any = None) -> None:
    """What typer makes of the declaration of each parameter when it is first read, --help among them."""
    context = typer.Context(command, above, **command.context_settings)
    for parameter in command.get_params(context):
        parameter.get_runtime_param()
    for below in getattr(command, "commands", {}).values():
        _read_parameters(below, context)


def _imports() -> None:
    """All of the gate, also what commands import when they are called."""
    import proxy
    from proxy.server import process

    for module in pkgutil.walk_packages(proxy.__path__, "proxy."):
        if ".sim" not in module.name:
            importlib.import_module(module.name)
    _made_beforehand()
    process.in_large_pages = lambda: False  # type: ignore[attr-defined] # a thread that clears them beforehand: more than what such short lives gain
    atexit._clear()  # what libraries give back: the system does
    atexit.register(logging.shutdown)
    gc.collect()
    _in_huge_pages()
    gc.freeze()  # no copy looks through what it has from here, not even when it ends: that took longer than most commands
    assert threading.active_count() == 1, "a copy has but the thread that copies"


def _awaited(alive: socket.socket, door: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """Returns in a copy only: what it is to be, and its files. Waits for the copies, as a parent process must."""
    ends = select.poll()
    for heard in (alive, door):
        ends.register(heard, select.POLLIN)
    copies: dict[int, tuple[int, socket.socket]] = {}  # file of its end → its number, where to tell how it ended
    while True:
        for file, _ in ends.poll():
            if file == alive.fileno():
                os._exit(0)
            if file == door.fileno():
                told, _ = door.accept()
                data, files, _, _ = socket.recv_fds(told, REQUEST_BYTES_MAX, FILES_MAX)
                process = os.fork() if data else -1
                if not process:
                    for closed in (told, *(waiting for _, waiting in copies.values())):
                        closed.close()
                    for end in copies:
                        os.close(end)
                    return json.loads(data), files
                for passed in files:
                    os.close(passed)
                if not data:
                    told.close()
                    continue
                _tell(told, process)
                end = os.pidfd_open(process)
                ends.register(end, select.POLLIN)
                copies[end] = process, told
            else:
                process, told = copies.pop(file)
                ends.unregister(file)
                os.close(file)
                _tell(told, os.waitpid(process, 0)[1])
                told.close()


def _tell(told: socket.socket, number: int) -> None:
    with contextlib.suppress(OSError):  # nobody wants to know any more
        told.send(_NUMBER.pack(number))


def _placed(files: Sequence[int], places: Sequence[int]) -> None:
    """Moves the files to their numbers."""
    high = [fcntl.fcntl(file, fcntl.F_DUPFD_CLOEXEC, FILES_ABOVE) for file in files]
    for file in files:
        os.close(file)
    for file, place in zip(high, places, strict=False):
        os.dup2(file, place)
        os.close(file)


def main() -> None:
    _imports()
    ask_at(sys.argv[3])
    with socket.socket(fileno=int(sys.argv[1])) as alive, socket.socket(fileno=int(sys.argv[2])) as door:
        asked, files = _awaited(alive, door)
    _placed(files, (0, 1, 2, *asked["passed"]))
    os.chdir(asked["cwd"])
    os.umask(asked["umask"])
    os.environ.clear()
    os.environ.update(asked["env"])
    time.tzset()
    name, *arguments = asked["arguments"]
    program = importlib.import_module("proxy.__main__" if name == "proxy" else name)
    sys.modules["__main__"] = program  # which names the program in its usage
    sys.argv = [str(program.__file__), *arguments]
    os.memfd_create(" ".join(arguments)[:NAME_BYTES_MAX])  # which stays open: for words_of
    os.getppid = lambda: int(asked["parent"])  # not the one that copies: a worker obeys the supervisor that started it
    subprocess.Popen = Popen  # type: ignore[misc,assignment]
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
