"""Commands, paths, roles and schemas stay as they were before operations were declared once.

``tests/data/operations/before.json`` was written by the commit before. Nothing in it may go or become stricter; what was added, and each
value that changed, stands here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from proxy.cli.old_spellings import OLD
from proxy.desk.api.operation_table import OPERATIONS
from tests.desk.operations_snapshot import commands, openapi

BEFORE = json.loads((Path(__file__).parent.parent / "data" / "operations" / "before.json").read_text(encoding="utf-8"))
WIDER = {
    "gate106 binds kick --id": "a bound above",
    "gate106 journal heads --days": "1000 instead of 366, as the API had it",
}
"""Options of the command line whose bounds changed."""
REQUIRED = {"gate106 shadow --for", "gate106 shadow --why", "gate106 consent import --source"}
"""Options that the command asked for by itself while commands stood below it."""
NO_LONGER = {
    "gate106 check --lang": "the language of the locale, as with every command",
    "gate106 subject show --why": "an empty reason is none: the default is nothing now",
    "gate106 suppress import --source": "who says so is said by a column or by the command, and never guessed",
}
"""Options that lost a default."""

EXAMPLES = {
    "gate106 consent import": "Example: gate106 consent import consents.csv --proof form.pdf --source app --advertiser 京选商城 --given 2026-11-01 "
    '--until good --why "handed in by jia"',
}
"""Examples that have to say more since: until when has no default."""

ADDED = {
    "complaint.answer": "ENTER", "complaint.count": "SEE", "filing.tasks": "SEE", "recycled.approve": "APPROVE", "recycled.list": "SEE", "recycled.reject": "APPROVE", "recycled.withdraw": "ENTER", "regions": "SEE",
    "regions.number": "SEE", "rules.set-mode": "ENTER", "subject.approve": "APPROVE", "subject.list-requests": "SEE", "subject.reject": "APPROVE", "subject.withdraw": "ENTER",
}  # fmt: skip
"""Operations that came later."""
ALTERNATIVES = ("|good|长期",)
"""Words that patterns have taken since."""
OTHERS_TOO = {"consent.review": "REVIEW"}
"""Operations that further roles may give: approvers review proofs."""
ALSO_ANSWERED = {"Bind required": ["waiting"], "Case required": ["answered"], "Penalty required": ["ended"]}
"""Fields that answers have had since."""


def differences(before: Any, now: Any, path: str) -> Iterator[tuple[str, Any, Any]]:
    """(where, before, now): what is gone or another value; what was added is none."""
    if isinstance(before, dict) and isinstance(now, dict):
        for key, value in before.items():
            if key in now:
                yield from differences(value, now[key], f"{path} {key}".strip())
            else:
                yield f"{path} {key}".strip(), value, None
    elif before != now:
        yield path, before, now


def test_every_command_has_its_options_arguments_defaults_and_help() -> None:
    found = []
    for name, before in BEFORE["commands"].items():
        new = OLD.get(name.removeprefix("gate106 "))
        now = commands().get(f"gate106 {new}" if new else name, {})
        example = EXAMPLES.get(name, before["example"])
        assert now.get("example") == example.replace(name, f"gate106 {new}" if new else name), name
        assert " ".join(now["help"].split()).startswith(" ".join(before["help"].partition("\n")[0].split())), name
        for option, was in before["parameters"].items():
            found += [
                (f"{name} {option}", key, value, is_now)
                for key, value, is_now in differences(was, now["parameters"].get(option, {}), "")
                if key != "help"
            ]
    assert {where for where, key, _, _ in found if key == "bounds"} <= WIDER.keys()
    assert {where for where, key, _, _ in found if key == "default"} <= NO_LONGER.keys()
    assert {where for where, key, _, _ in found if key == "required"} <= REQUIRED
    assert [one for one in found if one[1] not in ("bounds", "default", "required")] == []


def test_every_operation_of_the_socket_asks_for_the_same_permission() -> None:
    assert {one.name: one.permission.name for one in OPERATIONS} == BEFORE["permissions"] | ADDED | OTHERS_TOO


def test_every_path_takes_what_it_took_and_answers_as_it_did() -> None:
    now = openapi()
    assert now["paths"].keys() >= BEFORE["openapi"]["paths"].keys()
    for path, methods in BEFORE["openapi"]["paths"].items():
        for method, was in methods.items():
            is_now = now["paths"][path][method]
            wider = is_now["operationId"] in OTHERS_TOO
            assert set(was["x-roles"]) <= set(is_now["x-roles"]) if wider else was["x-roles"] == is_now["x-roles"]
            same = ("operationId",) if wider else ("operationId", "x-wants")
            assert {key: is_now[key] for key in same} == {key: was[key] for key in same}
            _takes_as_much(path, _arguments(was), _arguments(is_now))
            _answers_alike(path, was["responses"], is_now["responses"])


def _arguments(operation: dict[str, Any]) -> dict[str, tuple[bool, dict[str, Any]]]:
    """By name: whether it is required, and its schema."""
    found = {one["name"]: (one["required"], one["schema"]) for one in operation.get("parameters", ())}
    for media in operation.get("requestBody", {}).get("content", {}).values():
        body = media["schema"]
        found |= {name: (name in body["required"], schema) for name, schema in body.get("properties", {}).items()}
    return found


def _takes_as_much(path: str, before: dict[str, Any], now: dict[str, Any]) -> None:
    assert now.keys() >= before.keys(), path
    assert not [name for name in now.keys() - before.keys() if now[name][0]], f"{path}: a new argument is required"
    for name, (required, was) in before.items():
        assert required or not now[name][0], f"{path} {name}: it was not required"
        _no_stricter(f"{path} {name}", was, now[name][1])


def _no_stricter(where: str, was: dict[str, Any], is_now: dict[str, Any]) -> None:
    assert was.get("type") == is_now.get("type"), where
    assert set(was.get("enum", ())) <= set(is_now.get("enum", was.get("enum", ()))), where
    for least in ("minimum", "minLength", "minItems"):
        assert is_now.get(least, float("-inf")) <= was.get(least, float("-inf")), (where, least)
    for most in ("maximum", "maxLength", "maxItems"):
        assert is_now.get(most, float("inf")) >= was.get(most, float("inf")), (where, most)
    if was.get("pattern") != is_now.get("pattern"):
        also = is_now["pattern"].removesuffix(")$").removeprefix(was["pattern"].removesuffix(")$"))
        assert also in ALTERNATIVES or was["pattern"].replace("{16}", "{1,16}") == is_now["pattern"], where
    if "items" in was:
        _no_stricter(where, was["items"], is_now["items"])


def _answers_alike(path: str, before: dict[str, Any], now: dict[str, Any]) -> None:
    changed = [one for one in differences(before, now, "") if not one[0].endswith("required")]
    assert changed == [], path


def test_shared_schemas_are_the_same() -> None:
    changed = differences(BEFORE["openapi"]["components"]["schemas"], openapi()["components"]["schemas"], "")
    assert {where: sorted({*was} ^ {*now}) for where, was, now in changed} == ALSO_ANSWERED


def test_a_first_word_names_the_features_that_declare_its_commands() -> None:
    from proxy import cli
    from proxy.__main__ import FEATURES
    from proxy.desk.api.declarations import declared_by, declared_in, folders
    from proxy.operations.declaration import OwnCommand

    found: dict[str, set[str]] = {one.words.split()[0]: set() for one in declared_by(cli) if isinstance(one, OwnCommand)}
    for feature in folders():
        for one in declared_in([feature]):
            for words in [one.words] if isinstance(one, OwnCommand) else [each.words for each in one.operations if each.words]:
                found.setdefault(words.split()[0], set()).add(feature)
    assert {word: set(features) for word, features in FEATURES.items()} == found
