"""Runs the files of tests in several processes: ``pytest --at-once 3``.

The tests are collected once; each process is a copy from there and takes the next file when it has ended one. pytest-xdist collects in
each process and needs two milliseconds of processor time more for each test.

In: collected tests, in their order. Out: their reports, which the first process prints. Never: tests of one file in two processes, for what
they share is made once (but with ``--singly``: for a few files with many seeds).
"""

from __future__ import annotations

import atexit
import contextlib
import itertools
import multiprocessing
import os
import struct
import sys
import warnings
from collections.abc import Iterator
from multiprocessing.connection import Connection, wait
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from _pytest.config import create_terminal_writer

_CONTEXT = multiprocessing.get_context("fork")
_PLACE = struct.Struct(">I")
FILES_MAX = 10_000
"""So many places go into a pipe before anybody reads."""
Files = list[list[pytest.Item]]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--at-once", type=int, default=1, metavar="N", help="so many processes share the files of tests")
    parser.addoption("--singly", action="store_true", help="they share the tests, not the files")


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> object:
    options = session.config.option
    if options.at_once < 2 or options.collectonly or session.testsfailed:
        return None  # as pytest does it
    files: Files = [[*some] for _, some in itertools.groupby(session.items, lambda item: item if options.singly else item.path)]
    assert len(files) <= FILES_MAX, f"{len(files)} files of tests"
    todo, filled = os.pipe()
    os.set_blocking(todo, False)  # empty: all are taken
    os.write(filled, b"".join(map(_PLACE.pack, range(len(files)))))
    folder = session.config._tmp_path_factory.getbasetemp()  # type: ignore[attr-defined]
    session.config.pluginmanager.getplugin("terminalreporter").showfspath = False
    workers: dict[Connection, _Worker] = {}
    try:
        for number in range(options.at_once):
            worker = _Worker(session, files, todo, folder / str(number))
            workers[worker.connection] = worker
        running = {**workers}
        while running:
            for connection in wait([*running]):
                worker = running[connection]  # type: ignore[index]
                if not worker.hear():
                    del running[connection]  # type: ignore[arg-type]
                    if worker.taken is not None:
                        os.write(filled, _PLACE.pack(worker.taken))
            if session.shouldfail:
                raise session.Failed(session.shouldfail)
            if session.shouldstop:
                raise session.Interrupted(session.shouldstop)
        if left := [files[file][0].nodeid for file in _taken(todo)]:
            session.shouldfail = f"not run, each with what follows in its file: {', '.join(left)}; no process was left"
            raise session.Failed(session.shouldfail)
    finally:
        os.close(todo)
        os.close(filled)
        for worker in workers.values():
            worker.end()
    return True


class _Worker:
    """A process that runs files, as the first one sees it."""

    def __init__(self, session: pytest.Session, files: Files, todo: int, folder: Path) -> None:
        self.hook, self.config = session.config.hook, session.config
        self.files = files
        self.at: tuple[int, int] | None = None
        """File and test that it is at."""
        self.taken: int | None = None
        """The file that it has taken and not begun."""
        self.connection, told = _CONTEXT.Pipe(duplex=False)
        self.process = _CONTEXT.Process(target=_work, args=(session, files, todo, told, folder))
        self.process.start()
        told.close()

    def hear(self) -> bool:
        """What it says of a test. False: it has ended."""
        try:
            self.at, self.taken, reports, warned = self.connection.recv()
        except (EOFError, ConnectionError):
            self.process.join()
            if self.at is not None:
                self._died()
            return False
        for message, category, file, line, more in warned:
            kept = warnings.WarningMessage(category(message), category, file, line)
            self.hook.pytest_warning_recorded.call_historic(kwargs={"warning_message": kept, **more})
        for data in reports:
            report = self.hook.pytest_report_from_serializable(config=self.config, data=data)
            self.hook.pytest_runtest_logreport(report=report)
            if report.when == "teardown":
                self.hook.pytest_runtest_logfinish(nodeid=report.nodeid, location=report.location)
        return True

    def _died(self) -> None:
        file, place = self.at or (0, 0)
        item, left = self.files[file][place], len(self.files[file]) - place - 1
        said = f"its process ended with {self.process.exitcode}; {left} more tests of its file were not run"
        report = pytest.TestReport(item.nodeid, item.location, {}, "failed", said, "call")
        self.hook.pytest_runtest_logreport(report=report)

    def end(self) -> None:
        if self.process.is_alive() and self.at is not None:
            self.process.terminate()
        self.process.join()
        self.connection.close()


class _Said:
    """What a process has to say of the test that it runs."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.reports: list[Any] = []
        self.warned: list[Any] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.reports.append(self.config.hook.pytest_report_to_serializable(config=self.config, report=report))

    def pytest_warning_recorded(
        self, warning_message: warnings.WarningMessage, when: str, nodeid: str, location: tuple[str, int, str] | None
    ) -> None:
        of_python = warning_message.category.__module__ == "builtins"  # another one's module may be known here only
        category = warning_message.category if of_python else UserWarning
        more = {"when": when, "nodeid": nodeid, "location": location}
        self.warned.append((str(warning_message.message), category, warning_message.filename, warning_message.lineno, more))


def _work(session: pytest.Session, files: Files, todo: int, told: Connection, folder: Path) -> None:
    """In the copy: runs files until none is left."""
    atexit._clear()  # the first process ends what it began itself
    config = session.config
    capture, factory = config.pluginmanager.getplugin("capturemanager"), config._tmp_path_factory  # type: ignore[attr-defined]
    capture.stop_global_capturing()  # its files are the first process's
    capture.start_global_capturing()
    capture.suspend_global_capture()
    folder.mkdir(mode=0o700)
    factory._basetemp = folder
    config.pluginmanager.unregister(name="terminalreporter")
    writer = SimpleNamespace(_tw=create_terminal_writer(config, sys.stderr))  # the stacks of a test that takes too long
    config.pluginmanager.register(writer, "terminalreporter")
    said = _Said(config)
    config.pluginmanager.register(said)
    places: Iterator[tuple[int, int]] = (
        (file, place) for file in _taken(todo) for place in range(len(files[file]))
    )  # the next file is taken before the last test of one has ended: pytest tears down what the next test does not need
    at: tuple[int, int] | None = next(places, None)
    while at is not None:
        following = next(places, None)
        told.send((at, following[0] if following and following[0] != at[0] else None, said.reports, said.warned))
        said.reports, said.warned = [], []
        item = files[at[0]][at[1]]
        after = files[following[0]][following[1]] if following else None
        config.hook.pytest_runtest_protocol(item=item, nextitem=after)
        at = following
    with contextlib.suppress(BrokenPipeError):
        told.send((None, None, said.reports, said.warned))
    atexit._run_exitfuncs()
    sys.stdout.flush()
    os._exit(0)  # freeing it all would take longer than most tests


def _taken(todo: int) -> Iterator[int]:
    with contextlib.suppress(BlockingIOError):
        while place := os.read(todo, _PLACE.size):
            yield _PLACE.unpack(place)[0]
