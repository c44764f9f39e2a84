"""A test that needs a program of the system is skipped by name without it, and the run says how to get it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import DEAREST
from tests.needs import PROGRAMS, missing

HERE = Path(__file__).parent


def run(folder: Path, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A run of one test that needs kannel and one that needs nothing, with our conftest, where no program is to be found."""
    (folder / "tests").mkdir()
    for name in ("at_once.py", "conftest.py", "databases.py", "examples.py", "forked.py", "json_keys.py", "needs.py"):
        text = (HERE / name).read_text().replace('"/usr/sbin", "/sbin"', '"/nowhere"')
        (folder / "tests" / name).write_text(text)
    (folder / "tests" / "test_some.py").write_text(
        "from tests.needs import needs\n@needs('kannel')\ndef test_speaks(): raise AssertionError\ndef test_other(): pass\n"
    )
    (folder / "pytest.ini").write_text(
        "[pytest]\naddopts = --import-mode=importlib\npythonpath = .\nmarkers = needs(*programs): x\n"
    )
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *options, "tests"],
        cwd=folder,
        env={
            **os.environ,
            "PATH": "/nowhere",
            "PYTEST_ADDOPTS": "",
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",  # importing them takes most of the time
            **environment,
        },  # what this run is asked for is not that one's
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("options", [[], ["--at-once", "2"]], ids=["alone", "side by side"])
def test_without_the_program_the_test_is_skipped_and_the_last_lines_say_how_to_get_it(
    options: list[str], tmp_path: Path
) -> None:
    lines = run(tmp_path, *options, GATE106_SKIP_NOTHING="").stdout.splitlines()
    assert lines[-3] == "skipped for want of kannel: 1 tests; to run them: apt-get install kannel"
    assert lines[-2].strip() == "tests/test_some.py::test_speaks"
    assert "1 passed, 1 skipped" in lines[-1]


def test_where_nothing_may_be_skipped_it_is_an_error(tmp_path: Path) -> None:
    done = run(tmp_path, GATE106_SKIP_NOTHING="1")
    assert done.returncode == 1
    assert "needs kannel: apt-get install kannel" in done.stdout
    assert "1 passed, 1 error" in done.stdout.splitlines()[-1]


def test_a_program_nobody_listed_is_a_mistake_in_the_test() -> None:
    with pytest.raises(KeyError):
        missing("kanel")


@pytest.mark.parametrize("name", sorted(PROGRAMS))
def test_every_program_says_how_to_get_it(name: str) -> None:
    assert PROGRAMS[name].install.startswith("apt-get install ")
    assert missing(name) in ("", PROGRAMS[name].install)


def test_CI_installs_every_program_tests_may_need() -> None:
    script = (HERE.parent / ".ci" / "run").read_text()
    for program in PROGRAMS.values():
        for package in program.install.split("&&", maxsplit=1)[0].split()[2:]:
            assert f"({package})" in script
    assert (
        shutil.which("bash") is None or subprocess.run(["bash", "-n", HERE.parent / ".ci" / "run"], check=False).returncode == 0
    )


@pytest.mark.parametrize("name", DEAREST)
def test_a_file_that_is_begun_first_is_there(name: str) -> None:
    assert (HERE / name).is_file()
