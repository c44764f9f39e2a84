"""printed: every line that the source prints for people on the command line, and every heading of its tables.

In: files of ``proxy/``. Out: lines with ANYTHING where a value stands. Never: what goes to logs, to programs, into files.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from proxy.i18n import catalog
from proxy.operations import terminal
from tests.raised import ANYTHING, Named, _name, _named, _own, variants

PROXY = Path(catalog.__file__).parents[1]
LINES = re.compile(r"(Iterator|Iterable|list)\[str\]|Lines")
TABLES, PRINTS = ("table_lines", "table"), {"print_line": 0, "warn": 0, "print_answer": 2}
WHOLE = {"_files", "_end"}
"""Functions that return one printed line, or a part of one."""
NOT_FOR_PEOPLE = {
    "old_spellings.py",
    "rule_wizard.py",
    "json_lines.py",
    "terminal.py",
    "table_rows.py",
    "routes.py",
    "page.py",
}
"""What yields texts that are no printed lines (rules as YAML, paths, cells of pages), or prints both languages."""


def printed(path: Path) -> Iterator[tuple[int, str]]:
    """(line, text) of each that may be printed, ANYTHING where a value stands; headings are those of ``headings``."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    yield from _within(tree, {}, yields=False)


def _within(scope: ast.AST, named: Named, *, yields: bool) -> Iterator[tuple[int, str]]:
    for node in _own(scope):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            returned = ast.unparse(node.returns) if node.returns else ""
            yield from _within(node, _named(node), yields=bool(LINES.search(returned)) or node.name in WHOLE)
        for said in _said(node, yields=yields):
            for text in variants(said, named):
                whole = re.sub(f"({ANYTHING})+", ANYTHING, text).strip(" ").removeprefix(terminal.PROGRAM)
                if re.search("[A-Za-z]", whole.replace(ANYTHING, "")):
                    yield said.lineno, whole


def _said(node: ast.AST, *, yields: bool) -> Iterator[ast.expr]:
    if isinstance(node, ast.Call):
        name = _name(node.func)
        place = PRINTS.get(name, 2 if name in TABLES else len(node.args))
        yield from node.args[place : place + 1]
        yield from (
            one.value.body for one in node.keywords if one.arg in ("text", "notes") and isinstance(one.value, ast.Lambda)
        )
        if yields and name == "append":
            yield from node.args[:1]
    elif yields and isinstance(node, ast.Yield | ast.Return) and node.value is not None:
        yield node.value


def headings(path: Path) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            if node.targets[0].id in ("heads", "HEADS", "PATH_COLUMNS", "PROBE_COLUMNS") and path.name != "command.py":
                yield from ((node.lineno, text) for text in variants(node.value, {}))
        elif isinstance(node, ast.Call) and _name(node.func) in TABLES:
            yield from ((node.lineno, text) for text in variants(node.args[0], {}))


FILES = sorted(
    path
    for path in chain.from_iterable((PROXY / room).rglob("*.py") for room in ("desk", "cli", "operations"))
    if path.name not in NOT_FOR_PEOPLE
)
