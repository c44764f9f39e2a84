"""raised: every sentence in the source that a refusal, a fault or a mistake is told with.

In: files of ``proxy/``. Out: sentences with ANYTHING where a value stands. Never: what is said to logs, to programs, or beside ``--help``.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import NamedTuple

ANYTHING = "77777"
"""It is a number, a name and a text at once, and no word of any language."""

NOT_FOR_PEOPLE = {
    "AssertionError", "AttributeError", "ConnectionResetError", "FileNotFoundError", "IndexError", "KeyError", "OSError", "RuntimeError",
    "StopIteration", "SystemExit", "TypeError", "HTTPException",
    "IncompleteConsents", "IncompleteList", "JournalNewer", "NotUnderstood", "IncompleteForm", "Stale", "StateError",
}  # fmt: skip
"""Faults of the source, what ends a start, and what only makes a room go another way: no page shows them. IncompleteForm's text is the name of a page's words."""
SAYS = {
    "fail": 0, "note": 0, "Problem": 2, "RuleFault": 1, "RowFault": 0, "ReservedFault": 1, "SegmentFault": 1, "SettingsFault": 1, "fault": 1, "error": 1, "of_rule": 1, "BadArgument": 0, "SandboxError": 0, "_RequestError": 1,
    "ErrorAnswer": 1, "unknown": 0, "word": 2, "words": 2,
}  # fmt: skip
"""Functions that tell people, and which of their arguments says it."""
SORTS = {"unknown", "word", "words"}
"""Of these: what sort of word it is that nobody knows."""
SPEAKERS = {
    "_differs", "_fault", "_taken_how", "_heading", "_separator", "_why_not", "_decides_first", "_said", "_faults", "_category", "_signed", "_place",
    "shape", "notes", "_carriers_down", "away", "faults_of", "fault_of", "_missing_nodes", "_beyond_records", "truncation_fault",
    "rewrite_fault",
}  # fmt: skip
"""Functions whose result is a sentence, or a part of one."""


class Raised(NamedTuple):
    path: Path
    line: int
    text: str


Named = dict[str, list[str]]
"""What a function says under names of its own: ``why = "no such thing" if … else f"…"``."""


def raised(path: Path) -> Iterator[Raised]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    yield from _within(tree, path, {})


def _within(scope: ast.AST, path: Path, named: Named) -> Iterator[Raised]:
    for node in _own(scope):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _within(node, path, _named(node))
        for said in _said(node):
            sort = isinstance(node, ast.Call) and _name(node.func) in SORTS
            for text in variants(said, named):
                whole = re.sub(f"({ANYTHING})+", ANYTHING, f"unknown {text} '{ANYTHING}'" if sort else text)
                if re.search("[A-Za-z]", whole.replace(ANYTHING, "")) and " " in whole.strip() and "unknown  " not in whole:
                    yield Raised(path, said.lineno, whole)


def _own(scope: ast.AST) -> Iterator[ast.AST]:
    """All that is in it, but not what is in its functions."""
    todo = [scope]
    while todo:
        node = todo.pop()
        if node is not scope:
            yield node
        if node is scope or not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            todo.extend(_children(node))


def _children(node: ast.AST) -> list[ast.AST]:
    """The last first; kept, for each function is walked through twice."""
    kept: list[ast.AST] | None = node.__dict__.get("kept")
    if kept is None:
        kept = node.__dict__["kept"] = [*ast.iter_child_nodes(node)][::-1]
    return kept


def _named(function: ast.AST) -> Named:
    found: Named = {}
    for node in _own(function):
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            found.setdefault(node.targets[0].id, []).extend(text for text in variants(node.value, {}) if text)
    return found


def _said(node: ast.AST) -> Iterator[ast.expr]:
    """What of it people are told."""
    if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and _name(node.exc.func) not in {*NOT_FOR_PEOPLE, *SAYS}:
        yield from node.exc.args
    elif isinstance(node, ast.Call) and (place := SAYS.get(_name(node.func))) is not None and len(node.args) > place:
        yield node.args[place]
    elif isinstance(node, ast.FunctionDef) and node.name in SPEAKERS:
        for inner in ast.walk(node):
            if isinstance(inner, ast.Return | ast.Yield) and inner.value is not None:
                yield inner.value


def _name(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else function.id if isinstance(function, ast.Name) else ""


def variants(node: ast.expr, named: Named) -> list[str]:
    """What a text may be; [] where it is all a value's."""
    if isinstance(node, ast.Constant):
        return [node.value] if isinstance(node.value, str) else []
    if isinstance(node, ast.Name):
        return named.get(node.id, [])
    if isinstance(node, ast.IfExp):
        return [*variants(node.body, named), *variants(node.orelse, named)]
    if isinstance(node, ast.JoinedStr):
        return ["".join(parts) for parts in product(*(_part(one, named) for one in node.values))]
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return ["".join(parts) for parts in product(*(variants(one, named) or [ANYTHING] for one in (node.left, node.right)))]
    if isinstance(node, ast.Tuple | ast.List):
        return [text for one in node.elts for text in variants(one, named)]
    return []


def _part(node: ast.expr, named: Named) -> list[str]:
    """Of a text with values in it."""
    if not isinstance(node, ast.FormattedValue):
        return variants(node, named)
    if isinstance(node.value, ast.IfExp):
        return [text for one in (node.value.body, node.value.orelse) for text in variants(one, named) or [ANYTHING]]
    return variants(node.value, named) or [f"'{ANYTHING}'" if node.conversion == ord("r") else ANYTHING]
