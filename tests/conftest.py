"""What all tests share: the ``needs`` marker, and the list of what was skipped at the end of a run."""

from __future__ import annotations

import functools
import gc
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Generator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import hypothesis
import pytest
import typer.main
import typer.testing
import yaml

from proxy.desk.backtest import runner
from proxy.operations import terminal
from tests import databases, forked, json_keys
from tests.at_once import pytest_addoption, pytest_runtestloop  # noqa: F401 # hooks
from tests.examples import examples
from tests.needs import missing

sys.modules["rfc3987_syntax"] = None  # type: ignore[assignment] # jsonschema would make 38 parsers of addresses, which no schema here asks for
yaml.SafeDumper = yaml.CSafeDumper  # type: ignore[misc, assignment] # settings of some hundred gates; the gate itself writes no YAML
typer.main.get_command = functools.cache(typer.main.get_command)  # the tree of commands, made once
typer.testing._get_command = typer.main.get_command  # type: ignore[attr-defined] # its own name for the same function
forked.remember_words()
_invoke = typer.testing.CliRunner.invoke


def _invoke_and_check(
    runner: typer.testing.CliRunner, app: typer.Typer, args: Sequence[str] | str | None = None, **more: Any
) -> Any:
    """Runs a command; the keys of its ``--json`` answer must be those that are published."""
    done = _invoke(runner, app, args, **more)
    terminal.use_language(None)  # it is the process's: the next test's is that of its own environment
    if isinstance(args, (list, tuple)) and app.info.name == "gate106":
        json_keys.check([*map(str, args)], done.stdout)
    return done


typer.testing.CliRunner.invoke = _invoke_and_check  # type: ignore[method-assign, assignment]
runner.gc = SimpleNamespace(**vars(gc) | {"collect": int, "freeze": int, "unfreeze": int})  # type: ignore[attr-defined,assignment] # a backtest is a process: here it would walk through all tests, and thaw them
duckdb.connect = databases.shared  # type: ignore[assignment]
hypothesis.settings.register_profile(
    "gate106", max_examples=examples(), deadline=None, print_blob=True
)  # a shared machine is no stopwatch
hypothesis.settings.load_profile("gate106")

DEAREST = (
    "cost/test_instructions.py", "crash/test_crash.py", "browser/test_pages.py", "e2e/test_agreed.py", "browser/test_stories.py",
    "native/test_compiled.py", "server/workers/test_real.py", "desk/api/test_any_request.py", "simulation/test_simulation.py",
    "console/test_no_foreign_word.py", "sim/bench/test_runs.py", "e2e/test_meant.py", "desk/optouts/test_page.py",
    "desk/providers/test_own_page.py", "desk/regions/test_operations.py", "e2e/test_complaints.py", "e2e/test_doubtful.py",
    "sim/test_demo.py", "e2e/test_probes.py", "e2e/test_store_lost.py", "crash/test_revising.py", "e2e/test_revisions.py",
    "e2e/test_replication.py", "server/workers/test_shared.py", "e2e/test_real_clients.py", "server/test_console_process.py",
    "console/test_in_chinese.py", "state/shared/test_shared_rules.py", "desk/search/test_page.py", "desk/revisions/test_page.py",
    "upgrade/test_upgrade.py", "relay/effects/test_reply_silence.py", "e2e/test_operating.py", "e2e/test_penalties.py",
    "desk/evidence/test_checking.py", "desk/complaints/test_batch_file.py", "e2e/test_reply_paths.py", "sim/bench/test_measurement.py",
    "e2e/test_secrets.py", "e2e/test_consent_by_reply.py", "desk/reports/test_page.py", "e2e/test_hostile_words.py", "desk/api/test_api.py",
    "relay/test_at_once_counted.py", "e2e/test_backup.py", "e2e/test_consents_shared.py", "sim/bench/test_reload.py", "soak/test_soak.py",
    "server/workers/test_totals.py", "i18n/test_catalog.py", "desk/backtest/test_commit_groups.py", "crash/test_store.py",
    "server/workers/test_probes.py", "e2e/test_retention.py", "crash/test_operating.py", "simulation/test_passage.py", "e2e/test_desks.py",
    "e2e/test_long.py", "e2e/test_mailbox.py", "desk/optouts/test_names_page.py", "desk/complaints/test_page.py",
    "desk/archiving/test_roller.py", "desk/backtest/test_command.py", "upgrade/test_side_by_side.py", "grafana/test_alerts.py",
    "crash/test_medium.py", "native/test_compiled_text.py", "e2e/test_operation.py", "console/test_app.py", "e2e/test_day_at_the_desk.py",
    "e2e/test_network_cut.py", "e2e/test_extras.py", "console/test_fork_server.py", "archive/test_segment_index.py",
    "journal/test_write_ahead_log.py", "desk/test_new_operation.py", "server/workers/test_pool.py", "e2e/test_grammar.py",
    "e2e/test_lexicon.py", "state/shared/test_lease_rules.py", "console/test_sandbox.py", "state/test_store.py",
    "e2e/test_recipient_share.py", "server/workers/test_backtest.py", "archive/test_verification.py", "crash/test_disk_full.py",
    "e2e/test_logs.py", "e2e/test_platforms.py", "e2e/test_doors.py", "relay/test_at_once_strangers.py", "archive/test_search.py",
    "grafana/test_real_prometheus.py", "e2e/test_bad_providers.py", "desk/evidence/test_evidence_pdf.py",
    "desk/data_subjects/test_recycled.py", "e2e/test_silent_carriers.py",
)  # fmt: skip
"""Files of tests by the time they take, those of more than five seconds: begun first, so that in the end nobody waits for one of them."""
GC_THRESHOLDS = (10_000, 20, 1_000)
"""A full collection follows each file of tests. Python's own thresholds ran one every 70,000 objects: 5 % of the processor time of all tests."""
_WANTED = re.compile("Skipped: needs ([a-z0-9-]+): (.+)")
_bytecode = pytest.StashKey[str]()


def pytest_configure(config: pytest.Config) -> None:
    """Some hundred processes are started: the first compiles what they import, for all of them, and nowhere in the tree. Beside the
    environment it stays for the next run; a file that has changed is compiled again, as Python does."""
    if "PYTHONPYCACHEPREFIX" not in os.environ:  # else somebody has said where; workers inherit the folder
        kept = Path(sys.prefix) / "bytecode"
        try:
            kept.mkdir(exist_ok=True)
        except OSError:
            kept = Path(tempfile.mkdtemp(prefix="gate106-bytecode-"))
            config.stash[_bytecode] = str(kept)
        os.environ["PYTHONPYCACHEPREFIX"] = str(kept)
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.pycache_prefix, sys.dont_write_bytecode = os.environ["PYTHONPYCACHEPREFIX"], False  # tests themselves, too
    if (
        signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    ):  # begun in a script's background: what we start could not be interrupted
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if config.getoption("at_once") > 1 and forked.WANTED:
        forked.ask_at(forked.requests())  # all processes ask one for copies (forked.py); it imports while tests are collected


def pytest_unconfigure(config: pytest.Config) -> None:
    if _bytecode in config.stash:
        shutil.rmtree(config.stash[_bytecode], ignore_errors=True)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is collected stays to the end: the garbage collector does not look through it, neither now nor while tests run."""
    gc.disable()
    collected = yield
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    gc.enable()
    return collected


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Generator[None, object, object]:
    """After the last test of a file what is left of it is collected; what stays, as modules and caches do, is not looked through again."""
    torn_down = yield
    if nextitem is None or nextitem.path != item.path:
        gc.collect()
        gc.freeze()
    return torn_down


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that are dear first; else as it was."""
    here = Path(__file__).parent
    places = {here / name: place for place, name in enumerate(DEAREST)}
    items.sort(key=lambda item: places.get(item.path, len(places)))


@pytest.fixture
def copies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes of the gate and of a measurement begin as copies (forked.py), whoever starts them. What the system counts of children
    that have ended (all CPU time of a gate's life) is not there then."""
    monkeypatch.setattr(subprocess, "Popen", forked.Popen)


def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker in item.iter_markers("needs"):
        for name in marker.args:
            line = missing(name)
            if not line:
                continue
            if os.environ.get("GATE106_SKIP_NOTHING") == "1":
                pytest.fail(f"needs {name}: {line}", pytrace=False)
            pytest.skip(f"needs {name}: {line}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Just before pytest's own last line: what the reports say, which come from other processes when tests run side by side."""
    skipped: dict[str, tuple[str, list[str]]] = {}
    for report in terminalreporter.stats.get("skipped", []):
        if isinstance(report.longrepr, tuple) and (wanted := _WANTED.fullmatch(report.longrepr[2])):
            skipped.setdefault(wanted[1], (wanted[2], []))[1].append(report.nodeid)
    for name, (line, tests) in sorted(skipped.items()):
        terminalreporter.write_line(f"skipped for want of {name}: {len(tests)} tests; to run them: {line}")
        for test in sorted(tests):
            terminalreporter.write_line(f"    {test}")
