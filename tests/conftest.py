"""What all tests share: the ``needs`` marker, and the list of what was skipped at the end of a run."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile

import hypothesis
import pytest

from tests.needs import missing

hypothesis.settings.register_profile("gate106", deadline=None, print_blob=True)  # a shared machine is no stopwatch
hypothesis.settings.load_profile("gate106")

_skipped = pytest.StashKey[dict[str, tuple[str, list[str]]]]()
_bytecode = pytest.StashKey[str]()


def pytest_configure(config: pytest.Config) -> None:
    """Some hundred processes are started: the first compiles what they import, for all of them, and nowhere in the tree."""
    config.stash[_skipped] = {}
    config.stash[_bytecode] = os.environ["PYTHONPYCACHEPREFIX"] = tempfile.mkdtemp(prefix="gate106-bytecode-")
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    if (
        signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    ):  # begun in a script's background: what we start could not be interrupted
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_unconfigure(config: pytest.Config) -> None:
    shutil.rmtree(config.stash[_bytecode], ignore_errors=True)


def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker in item.iter_markers("needs"):
        for name in marker.args:
            line = missing(name)
            if not line:
                continue
            if os.environ.get("GATE106_SKIP_NOTHING") == "1":
                pytest.fail(f"needs {name}: {line}", pytrace=False)
            item.config.stash[_skipped].setdefault(name, (line, []))[1].append(item.nodeid)
            pytest.skip(f"needs {name}: {line}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Just before pytest's own last line."""
    for name, (line, tests) in sorted(config.stash[_skipped].items()):
        terminalreporter.write_line(f"skipped for want of {name}: {len(tests)} tests; to run them: {line}")
        for test in tests:
            terminalreporter.write_line(f"    {test}")
