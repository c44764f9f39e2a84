"""SECURITY.md is true: its tests and the targets of its links exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from tests.test_documented import TOP, anchors, table

PAGE = TOP / "docs" / "SECURITY.md"
TEXT = PAGE.read_text(encoding="utf-8")
NAMED = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", TEXT)


def functions_of(path: Path) -> set[str]:
    return {
        one.name for one in ast.walk(ast.parse(path.read_text())) if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)
    }


def test_every_threat_names_tests_that_exist():
    rows = table(TEXT, "attacker")
    assert len(rows) >= 20
    assert [row for row in rows if not re.findall(r"`tests/[\w/]+\.py::test_\w+`", row[-1])] == []
    assert [f"{file}::{name}" for file, name in NAMED if name not in functions_of(TOP / file)] == []


def test_every_link_leads_somewhere():
    for file, anchor in re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)", TEXT):
        target = PAGE.parent / file if file else PAGE
        assert target.exists(), file
        assert not anchor or anchor in anchors(target), f"{file}#{anchor}"


def test_it_names_nobody_and_no_address():
    assert "@" not in TEXT
    assert not re.search(r"https?://", TEXT)
