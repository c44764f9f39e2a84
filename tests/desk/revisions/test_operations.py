"""Rules files come by name, in lines behind the command."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from proxy.desk.revisions.operations import FILES_MAX, Rules, RulesFiles
from proxy.operations.authorization import CommandRefused
from proxy.operations.declaration import handlers_of

FORM = RulesFiles("Names and texts.")
EVENT: Any = SimpleNamespace(_asdict=dict)


def push(lines: Iterable[Mapping[str, Any]], **args: Any) -> Mapping[str, bytes]:
    """What reaches the deployment of rules when a client sends these lines."""
    came: dict[str, bytes] = {}
    waiting = iter(lines)

    async def deploy(on: str, files: Mapping[str, bytes], who: str, why: str) -> Any:
        came.update(files)
        return EVENT

    async def hear() -> Mapping[str, Any]:
        return next(waiting)

    gate: Any = SimpleNamespace(rule_deployment=SimpleNamespace(push=deploy))
    nothing: Any = None
    call: Any = SimpleNamespace(args={"on": "0123456789abcdef", "why": "a cap", **args}, who="li", hear=hear)
    handler: Any = handlers_of(Rules(gate, nothing, nothing))["rules.push"]
    asyncio.run(handler(call))
    return came


def test_a_long_file_comes_in_several_lines() -> None:
    lines: list[dict[str, Any]] = [{"file": "caps.yaml", "text": "rules:"}, {"file": "caps.yaml", "text": " []"}, {"end": True}]
    assert push(lines) == {"caps.yaml": b"rules: []"}


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ([{"end": True}], "no file was given"),
        ([{"file": "../caps.yaml", "text": ""}], "must be the name of a rules file"),
        ([{"file": "caps.yaml"}], "'text' is missing"),
        ([{"file": f"{number}.yaml", "text": ""} for number in range(FILES_MAX + 1)], "more than 50 files"),
    ],
)
def test_lines_that_are_no_rules_files_are_refused(lines: list[dict[str, Any]], says: str) -> None:
    with pytest.raises(CommandRefused, match=says):
        push(lines)


def test_files_are_no_argument_of_the_control_socket() -> None:
    with pytest.raises(CommandRefused, match="files"):
        push([{"end": True}], files={"caps.yaml": "rules: []"})


def test_the_api_takes_texts_by_name() -> None:
    told = {"caps.yaml": "rules: []", "registries/ports.csv": "", "lexicon/words.csv": "", "lists/vip.txt": ""}
    assert FORM.read(told) == told


@pytest.mark.parametrize(
    "wrong", [{}, [], {"caps.txt": ""}, {"caps.yaml": 1}, {"registries/numbers.csv": ""}, {"caps.yaml\n": ""}]
)
def test_the_api_takes_nothing_else(wrong: Any) -> None:
    with pytest.raises(ValueError, match=r"texts by name|no name of a rules file|must be text"):
        FORM.read(wrong)
