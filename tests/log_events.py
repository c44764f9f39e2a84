"""Finds every log event in the source: text, levels, keys.

In: the modules of proxy/, as syntax trees. Out: the events, by text. Never: a call that it cannot read is left out: it raises.

An event is a literal, one of two (``a if x else b``), a constant of the module or of a class in it, one of the values of a constant mapping,
or a parameter whose literals stand in the calls of the same module.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

PROXY = Path(__file__).parent.parent / "proxy"
LEVELS = {
    "debug": "debug",
    "info": "info",
    "warning": "warning",
    "error": "error",
    "critical": "critical",
    "exception": "error",
}
CALLS = re.compile(rf"\.({'|'.join(LEVELS)}|log)\(")
"""Stands in every module that logs."""
LIMITED = "RateLimitedLog"
RELAYED = "model/log_setup.py"
"""It passes on what other modules, libraries and Python say: FAULT alone is an event of its own."""


class LogEvent(NamedTuple):
    text: str
    levels: frozenset[str]
    keys: tuple[str, ...]
    """In the order of the calls."""


@cache
def log_events() -> Mapping[str, LogEvent]:
    """All events, sorted by text."""
    found: dict[str, LogEvent] = {}
    for path in sorted(PROXY.rglob("*.py")):
        source = path.read_text(encoding="utf-8")
        for text, level, keys in _of_module(source, path.relative_to(PROXY).as_posix()):
            before = found.get(text, LogEvent(text, frozenset(), ()))
            found[text] = LogEvent(text, before.levels | {level}, tuple(dict.fromkeys(before.keys + keys)))
    return dict(sorted(found.items()))


def _of_module(source: str, name: str) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    if not CALLS.search(source):
        return
    module = ast.parse(source)
    limited = _limited(module) if LIMITED in source else set()
    for function, call in _calls(module, None):
        method = call.func.attr  # type: ignore[attr-defined]
        if method not in LEVELS:
            continue
        receiver = ast.unparse(call.func.value)  # type: ignore[attr-defined]
        if receiver not in limited and receiver not in ("log", "structlog.get_logger()"):
            continue
        event = call.args[1 if receiver in limited else 0]
        texts = _texts(event, module, function)
        if not texts:
            raise AssertionError(f"proxy/{name}:{call.lineno}: no literal is the event {ast.unparse(event)}")
        keys = ["exception"] * (method == "exception")
        for keyword in call.keywords:
            if keyword.arg is None:
                raise AssertionError(f"proxy/{name}:{call.lineno}: write the keys of {ast.unparse(keyword.value)}")
            keys.append({"exc_info": "exception"}.get(keyword.arg, keyword.arg))
        keys += ["left_out"] * (receiver in limited)
        for text in texts:
            yield text, LEVELS[method], tuple(keys)
    if name == RELAYED:
        return
    assert not re.search(r"structlog\s*\.get_logger\(\)\s*\.log", source), f"proxy/{name}: the level is no literal"


def _limited(module: ast.Module) -> set[str]:
    """Names that hold a log of limited rate."""
    found = set()
    for node in ast.walk(module):
        if isinstance(node, ast.Assign) and LIMITED in ast.unparse(node.value):
            found |= {part.strip() for target in node.targets for part in ast.unparse(target).strip("()").split(",")}
    return found


def _calls(
    node: ast.AST, function: ast.FunctionDef | ast.AsyncFunctionDef | None
) -> Iterator[tuple[ast.FunctionDef | ast.AsyncFunctionDef | None, ast.Call]]:
    """Calls of a method, each with the function that it stands in."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Call) and isinstance(child.func, ast.Attribute):
            yield function, child
        yield from _calls(child, child if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) else function)


def _texts(event: ast.expr, module: ast.Module, function: ast.FunctionDef | ast.AsyncFunctionDef | None) -> list[str]:
    match event:
        case ast.Constant(value=str(text)):
            return [text]
        case ast.IfExp(body=body, orelse=other):
            return _texts(body, module, function) + _texts(other, module, function)
        case ast.Subscript(value=ast.Name(id=name)) | ast.Attribute(attr=name):
            return _assigned(name, module)
        case ast.Name(id=name):
            inside = [] if function is None else [one for one in ast.walk(function) if isinstance(one, ast.Assign)]
            own = [one.value for one in inside if ast.unparse(one.targets[0]) == name]
            if own:
                return [text for one in own for text in _texts(one, module, None)]
            return _assigned(name, module) or _passed(name, module, function)
    return []


def _assigned(name: str, module: ast.Module) -> list[str]:
    """Literals of a constant of the module or of a class in it; of a mapping its values."""
    found: list[str] = []
    for node in ast.walk(module):
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
            values = node.value.values if isinstance(node.value, ast.Dict) else [node.value]
            found += [one.value for one in values if isinstance(one, ast.Constant) and isinstance(one.value, str) and one.value]
    return found


def _passed(name: str, module: ast.Module, function: ast.FunctionDef | ast.AsyncFunctionDef | None) -> list[str]:
    """Literals that calls in the module give to this parameter of the function."""
    if function is None:
        return []
    names = [one.arg for one in function.args.args]
    place = names.index(name) - (names[0] == "self")
    calls = [call for _, call in _calls(module, None) if call.func.attr == function.name]  # type: ignore[attr-defined]
    return [text for call in calls for text in _texts(call.args[place], module, None)]
