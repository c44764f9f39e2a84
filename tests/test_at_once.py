"""Several processes run the files of tests: what they say is all there, also of one that dies."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import pytest

TOP = Path(__file__).parents[1]
FILES = {
    "conftest.py": "from tests.at_once import pytest_addoption, pytest_runtestloop\n",
    "test_a_dies.py": "import os\ndef test_first(): pass\ndef test_dies(): os._exit(3)\ndef test_not_run(): pass\n",
    "test_b.py": "def test_says():\n    print('captured')\n    assert 1 == 2\n",
    "test_c.py": "import warnings\ndef test_warns(tmp_path): warnings.warn('a warning')\n",
    "test_d.py": "import pytest\n@pytest.fixture(scope='module')\ndef made():\n    yield\n    raise ValueError('torn down')\n"
    "@pytest.mark.parametrize('n', range(50))\ndef test_many(made, n): pass\n",
}


def run(folder: Path, *options: str, files: Mapping[str, str] = MappingProxyType({})) -> subprocess.CompletedProcess[str]:
    for name, text in {**FILES, **files}.items():
        (folder / name).write_text(text)
    (folder / "pytest.ini").write_text(f"[pytest]\npythonpath = {TOP}\n")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--basetemp", str(folder / "kept"), *options]
    environment = {"PATH": "/nowhere", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_failures_warnings_output_and_a_process_that_died_are_in_one_report(tmp_path: Path) -> None:
    done = run(tmp_path, "--at-once", "2")
    assert done.returncode == 1
    for line in (
        "its process ended with 3; 1 more tests of its file were not run",
        "E       assert 1 == 2",
        "captured",
        "UserWarning: a warning",
        "ValueError: torn down",
        "2 failed, 52 passed, 1 warning, 1 error",
    ):
        assert line in done.stdout


def test_where_all_processes_died_what_was_not_run_is_named(tmp_path: Path) -> None:
    (tmp_path / "test_a_too.py").write_text(FILES["test_a_dies.py"])
    done = run(tmp_path, "--at-once", "2")
    assert done.returncode != 0
    left = "test_b.py::test_says, test_c.py::test_warns, test_d.py::test_many[0]"
    assert f"not run, each with what follows in its file: {left}; no process was left" in done.stdout


def test_a_process_that_dies_in_the_last_test_of_a_file_loses_no_file_that_it_has_taken(tmp_path: Path) -> None:
    """Each process takes the next file before that test has ended; here all others wait until it dies."""
    files = {
        "conftest.py": FILES["conftest.py"] + "import pathlib\ndef pytest_runtest_setup(item):\n"
        "    while item.name != 'test_dies' and not pathlib.Path('dying').exists(): pass\n",
        "test_a_dies.py": "import os, pathlib\ndef test_dies():\n    pathlib.Path('dying').touch()\n    os._exit(3)\n",
    }
    done = run(tmp_path, "--at-once", "2", files=files)
    assert "test_a_dies.py::test_dies" in done.stdout
    assert "2 failed, 51 passed, 1 warning, 1 error" in done.stdout or "; no process was left" in done.stdout


@pytest.mark.parametrize(
    ("options", "failed"), [(["-x"], "[12]"), (["--singly"], "2")]
)  # the other process may fail at the same time
def test_options(options: list[str], failed: str, tmp_path: Path) -> None:
    done = run(tmp_path, "--at-once", "2", *options)
    assert done.returncode != 0
    assert re.search(f"{failed} failed", done.stdout)
