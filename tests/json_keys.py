"""Checks the keys of ``--json`` answers of commands against tests/data/json_keys.json.

In: a command line, what it printed. Out: AssertionError where an answer has a key that the file does not list. Never: a value.

Programs read these answers, so a key keeps its name. Each answer that a test gets is checked (tests/e2e/gate.py, tests/conftest.py).
In the file a path leads through mappings and lists (``journals.folder``); ``*`` stands for keys that are data: names, ids, days.
Answers of the control socket and over HTTP are held to the OpenAPI document (tests/desk/api/test_any_request.py).

    GATE106_JSON_KEYS=$PWD/found.txt make test      collects the keys of all answers, and checks nothing
    .venv/bin/python -m tests.json_keys found.txt   adds them to the file
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import typer.main

KEYS = Path(__file__).parent / "data" / "json_keys.json"
COLLECT = "GATE106_JSON_KEYS"


@cache
def published() -> dict[str, dict[str, Any]]:
    """command → tree of keys."""
    return {command: _tree(paths) for command, paths in json.loads(KEYS.read_text(encoding="utf-8")).items()}


def _tree(paths: str) -> dict[str, Any]:
    root: dict[str, Any] = {}
    for path in paths.split():
        node = root
        for key in path.split("."):
            node = node.setdefault(key, {})
    return root


def check(words: Sequence[str], output: str) -> None:
    """Checks one command's output, if it is a JSON answer."""
    if "--json" not in words or not output.startswith(("{", "[")):
        return
    try:
        answers = json.loads(output)
    except ValueError:  # of a command that prints an answer a line, or beside something else
        return
    command = command_of(words)
    if COLLECT in os.environ:
        with Path(os.environ[COLLECT]).open("a", encoding="utf-8") as file:
            file.write("".join(f"{command}\t{path}\n" for path in sorted(set(paths_of(answers)))))
        return
    if command not in published():
        return
    unknown = sorted(set(_unknown(answers, published()[command])))
    assert not unknown, f"gate106 {command} --json: {unknown}: not listed in {KEYS}: programs read these keys"


def command_of(words: Sequence[str]) -> str:
    """The words of a command line that name the command: ``journal verify``."""
    from tests.commands import app

    group: Any = typer.main.get_command(app)
    found: list[str] = []
    for word in words:
        if word in getattr(group, "commands", {}):
            found.append(word)
            group = group.commands[word]
    return " ".join(found)


def paths_of(answer: Any, at: str = "") -> Iterator[str]:
    if isinstance(answer, list):
        for one in answer:
            yield from paths_of(one, at)
    elif isinstance(answer, dict):
        for key, value in answer.items():
            yield f"{at}{key}"
            yield from paths_of(value, f"{at}{key}.")


def _unknown(answer: Any, tree: dict[str, Any], at: str = "") -> Iterator[str]:
    if isinstance(answer, list):
        for one in answer:
            yield from _unknown(one, tree, at)
    elif isinstance(answer, dict):
        for key, value in answer.items():
            below = tree.get(key, tree.get("*"))
            if below is None:
                yield f"{at}{key}"
            else:
                yield from _unknown(value, below, f"{at}{key}.")


# -- writing the file


def _add(tree: dict[str, Any], path: str) -> None:
    for key in path.split("."):
        tree = tree["*"] if "*" in tree else tree.setdefault(key, {})


def _paths(tree: dict[str, Any], at: str = "") -> Iterator[str]:
    for key in sorted(tree):
        if tree[key]:
            yield from _paths(tree[key], f"{at}{key}.")
        else:
            yield f"{at}{key}"


def write(found: Iterable[str]) -> None:
    """Adds what was collected to the file; below a ``*`` of the file every key is data."""
    trees = dict(published())
    for line in sorted(set(found)):
        command, _, path = line.rstrip("\n").partition("\t")
        _add(trees.setdefault(command, {}), path)
    rows = {command: " ".join(_paths(trees[command])) for command in sorted(trees)}
    KEYS.write_text(json.dumps(rows, indent=0, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]).read_text(encoding="utf-8").splitlines())
