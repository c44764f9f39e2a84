"""The README of the desk names every feature, its files and its records."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]
PROXY = TOP / "proxy"
DESK = PROXY / "desk"
README = (DESK / "README.md").read_text(encoding="utf-8")
FEATURES = sorted(path.name for path in DESK.iterdir() if (path / "__init__.py").is_file())
RECORDS = {f"journal/records/{path.name}" for path in (PROXY / "journal" / "records").glob("*.py")} - {
    "journal/records/__init__.py"
}


def named(cell: str) -> list[str]:
    return re.findall(r"`([^`]+\.\w+)`", cell)


def rows() -> dict[str, tuple[list[str], list[str]]]:
    """Feature → (its files in its folder, its files below)."""
    table = README.partition("## Where a feature's files lie")[2]
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines() if line.startswith("|")]
    return {feature: (named(here), named(below)) for feature, _, here, below in cells[2:]}


def test_every_feature_has_a_row_and_every_row_a_feature() -> None:
    assert sorted(rows()) == FEATURES


@pytest.mark.parametrize("feature", FEATURES)
def test_a_row_names_all_modules_of_the_folder(feature: str) -> None:
    here, _ = rows()[feature]
    assert here == sorted(path.name for path in (DESK / feature).glob("*.py") if path.name != "__init__.py")


@pytest.mark.parametrize("feature", FEATURES)
def test_every_file_below_exists(feature: str) -> None:
    _, below = rows()[feature]
    assert [path for path in below if not (PROXY / path).is_file()] == []


def test_every_journal_record_has_a_feature_or_is_the_gates_own() -> None:
    owned = {path for _, below in rows().values() for path in below if path.startswith("journal/records/")}
    own = set(named(README.partition("Records that no feature owns")[2]))
    assert owned | own == RECORDS
    assert not owned & own


def test_the_order_is_that_of_the_import_contract() -> None:
    settings = tomllib.loads((TOP / "pyproject.toml").read_text(encoding="utf-8"))
    (contract,) = (one for one in settings["tool"]["importlinter"]["contracts"] if one["id"] == "features")
    order = README.partition("## Order")[2].partition("## ")[0]
    lines = [line.partition(". ")[2] for line in order.splitlines() if re.match(r"[0-9]+\. ", line)]
    assert [line.split(", ") for line in lines] == [layer.split(" | ") for layer in contract["layers"]]
