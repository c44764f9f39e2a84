"""The project's own files: pins, the wheel, and that what they say to each other is true."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

TOP = Path(__file__).parent.parent
PROJECT = tomllib.loads((TOP / "pyproject.toml").read_text())


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(name: str) -> dict[str, str]:
    """Every pinned package of a requirements file with its block of hashes."""
    text = (TOP / name).read_text()
    return {canonical(match[1]): match[0] for match in re.finditer(r"^([A-Za-z0-9._-]+)==(?:.*\\\n)*.*\n", text, re.MULTILINE)}


@pytest.mark.parametrize(
    "name",
    [
        "requirements.txt",
        "requirements-build.txt",
        "requirements-dev.txt",
        "requirements-fuzz.txt",
        "requirements-clickhouse.txt",
    ],
)
def test_requirements_are_pinned_with_hashes_and_name_no_address(name: str) -> None:
    assert "://" not in (TOP / name).read_text()
    assert not re.search("--(index|extra|find|trusted)", (TOP / name).read_text())
    for block in pins(name).values():
        assert "--hash=sha256:" in block


def test_every_dependency_is_pinned_and_the_files_agree() -> None:
    installed, everything = pins("requirements.txt"), pins("requirements-dev.txt")
    optional = PROJECT["project"]["optional-dependencies"].values()
    needed = [*PROJECT["project"]["dependencies"], *(line for lines in optional for line in lines)]
    named = {canonical(re.split("[<>=~! ]", line)[0]) for line in needed}
    assert named <= set(installed)
    development = {
        canonical(re.split("[<>=~! ]", line)[0]) for line in PROJECT["dependency-groups"]["dev"] if isinstance(line, str)
    }
    assert development <= set(everything)
    version = re.compile("==([^ ;\\\\]+)")
    for file in (installed, pins("requirements-build.txt")):
        for package, block in file.items():
            there, here = version.search(everything[package]), version.search(block)
            assert there is not None
            assert here is not None
            assert there[1] == here[1], package


def test_the_node_client_is_pinned_and_names_no_registry() -> None:
    lock = json.loads((TOP / "tests" / "clients" / "node" / "package-lock.json").read_text())
    for path, package in lock["packages"].items():
        assert "resolved" not in package
        assert not path or package["integrity"].startswith("sha512-")


def test_CI_runs_the_test_command_of_the_README() -> None:
    assert "make test" in (TOP / "README.md").read_text()
    assert (TOP / ".ci" / "run").read_text().rstrip().endswith("make test")


def test_the_wheel_holds_the_package_and_the_shipped_rules_and_nothing_else(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    done = subprocess.run(build, cwd=TOP, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(next(tmp_path.glob("gate106-*.whl"))) as wheel:
        names = set(wheel.namelist())
        entry_points = wheel.read(next(name for name in names if name.endswith("entry_points.txt"))).decode()
    assert "gate106 = proxy.__main__:main" in entry_points
    tracked = {
        path for folder in ("proxy", "rules") for path in (TOP / folder).rglob("*") if path.is_file() and path.suffix != ".pyc"
    }
    wanted = {re.sub("^rules/", "proxy/_shipped/rules/", path.relative_to(TOP).as_posix()) for path in tracked}
    assert {name for name in names if ".dist-info/" not in name} == wanted


def test_nothing_in_the_package_needs_the_tests_or_the_measuring_tools() -> None:
    wrong = re.compile(r"^\s*(?:from|import) tests\b|[\"']tests\.", re.MULTILINE)
    assert [path.name for path in (TOP / "proxy").rglob("*.py") if wrong.search(path.read_text(encoding="utf-8"))] == []


def test_a_command_loads_what_it_needs_and_no_more() -> None:
    """The rules alone take as long to load as a whole question to the journal at rest."""
    said = "import proxy.__main__, sys; print(*[name for name in sys.modules if name in ('proxy.policy', 'proxy.wire', 'duckdb', 'pyarrow')])"
    assert subprocess.run([sys.executable, "-c", said], capture_output=True, text=True, check=True, cwd=TOP).stdout == "\n"
    said = said.replace("proxy.__main__", "proxy.archive.search")
    loaded = subprocess.run([sys.executable, "-c", said], capture_output=True, text=True, check=True, cwd=TOP).stdout.split()
    assert sorted(loaded) == ["duckdb", "pyarrow"]
