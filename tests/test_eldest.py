"""Nobody drops the eldest of a dictionary by asking it for its first key: to find that it passes by all that were dropped before, so that a memory
of a million keys that is full takes a millisecond for each new one. An OrderedDict knows its first one, and two generations need none."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import proxy


def is_first(node: ast.AST) -> bool:
    """``next(iter(…))``."""
    match node:
        case ast.Call(func=ast.Name(id="next"), args=[ast.Call(func=ast.Name(id="iter")), *_]):
            return True
    return False


def dropped(tree: ast.AST) -> Iterator[int]:
    """Lines on which the first key of something is looked up and dropped."""
    for node in ast.walk(tree):
        match node:
            case ast.Delete(targets=[ast.Subscript(slice=key)]) if is_first(key):
                yield node.lineno
            case ast.Call(func=ast.Attribute(attr="pop" | "drop" | "_drop"), args=[key, *_]) if is_first(key):
                yield node.lineno


def test_the_way_it_is_looked_for_finds_it() -> None:
    said = "del held[next(iter(held))]\nheld.pop(next(iter(held)), None)\nself._drop(next(iter(self._series)))\nheld.pop(key)"
    assert list(dropped(ast.parse(said))) == [1, 2, 3]


def test_nobody_looks_for_the_eldest_key_of_a_dictionary() -> None:
    room = Path(proxy.__file__).parent
    found = [
        f"{file.relative_to(room)}:{line}"
        for file in room.rglob("*.py")
        if "next(iter(" in (text := file.read_text(encoding="utf-8"))  # parsing all of them takes seconds
        for line in dropped(ast.parse(text))
    ]
    assert not found
