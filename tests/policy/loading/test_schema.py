"""The JSON Schema for editors accepts what the loader accepts, and rejects what it can know to be wrong."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from jsonschema import Draft202012Validator
from typer.testing import CliRunner

from proxy.config import yaml_file
from proxy.policy import limit
from proxy.policy.kinds import when_kinds
from proxy.policy.loading.draft import RULE_KEYS
from proxy.policy.loading.schema import schema
from tests.commands import app
from tests.examples import examples
from tests.policy.catalogue import NEEDS, Need
from tests.policy.test_properties import RULES as DRAWN
from tests.policy.test_properties import Draft

TOP = Path(__file__).parents[3]
RULES = TOP / "rules"
MISTAKES = TOP / "tests" / "data" / "mistakes"
VALIDATOR = Draft202012Validator(schema())


def faults(text: str) -> list[str]:
    return [f"{yaml_file.spell(fault.path)}: {fault.message}" for fault in VALIDATOR.iter_errors(yaml_file.load(text).value)]


def test_it_is_a_schema_of_the_dialect_it_names() -> None:
    Draft202012Validator.check_schema(schema())
    assert schema()["$schema"] == Draft202012Validator.META_SCHEMA["$id"]


@pytest.mark.parametrize("path", sorted(RULES.glob("*.yaml")), ids=lambda path: path.name)
def test_every_file_that_ships_fits(path: Path) -> None:
    assert faults(path.read_text(encoding="utf-8")) == []


def test_every_example_of_the_guide_fits() -> None:
    guide = (RULES / "README.md").read_text(encoding="utf-8")
    examples = re.findall(r"^```yaml\n(.*?)^```$", guide, re.MULTILINE | re.DOTALL)
    assert len(examples) >= 9
    for example in examples:
        assert faults(example) == [], example
    rows = re.findall(r"^\| `(\w+)` \| `([^`]+)` \|", guide, re.MULTILINE)
    for key, example in rows:
        if key in when_kinds():
            assert faults(f"rules: [{{id: x, when: {{{example}}}, then: reject, reason: keyword}}]") == [], example


@pytest.mark.parametrize("need", NEEDS, ids=lambda need: need.id)
def test_every_need_of_the_catalogue_fits(need: Need) -> None:
    assert faults(f"{need.head}\nrules:\n- id: it\n  {need.rule}\n{need.others}") == []


@given(DRAWN)
@settings(max_examples=examples(50), deadline=None)
def test_whatever_rules_load_fit(drafts: list[Draft]) -> None:
    assert faults("rules:\n" + "".join(f"  - {draft.written(number)}\n" for number, draft in enumerate(drafts))) == []


UNDERLINED = (
    "date-in-another-order no-space-behind-dash number-that-is-a-name time-of-yaml-1.1 unknown-category "
    "unknown-condition unknown-consequence unknown-key unknown-reason unknown-subcategory wrong-type-flag wrong-type-list "
    "wrong-type-mapping wrong-type-number wrong-type-text chinese-colon"
).split()


@pytest.mark.parametrize("name", UNDERLINED)
def test_what_a_schema_can_know_to_be_wrong_is_underlined(name: str) -> None:
    assert faults((MISTAKES / f"{name}.yaml").read_text(encoding="utf-8"))


def test_an_unknown_key_is_named_where_it_stands() -> None:
    rule = "rules: [{id: a, wehn: {category: otp}, then: reject, reason: keyword}]"
    assert any("'wehn' was unexpected" in cause for cause in _causes(rule))
    assert faults("ruls: []")
    assert faults("rules: []\ntests: [{messages: [{at: 2026-11-11, to: 1, from: 1, want: allow, txt: x}]}]")
    assert faults("rules: [{id: a, when: {category: otp}, then: reject}]"), "a reason is missing"
    assert not faults("rules: [{id: a, exempt: true, when: {category: otp}}]")


def _causes(text: str) -> list[str]:
    return [cause.message for fault in VALIDATOR.iter_errors(yaml_file.load(text).value) for cause in fault.context or ()]


def test_every_key_has_its_shape_and_every_word_of_when_its_meaning() -> None:
    parts: Any = schema()["$defs"]
    assert list(parts["rule"]["properties"]) == list(RULE_KEYS)
    assert list(parts["limit"]["properties"]) == list(limit.LIMIT_KEYS)
    for word, kind in when_kinds().items():
        chinese, english = parts["when"]["properties"][word]["description"].split("\n\n")
        assert chinese == kind.about.zh
        assert english.startswith(f"{word}: ")


def test_the_command_prints_it() -> None:
    found = CliRunner().invoke(app, ["rules", "show-schema"])
    assert (found.exit_code, json.loads(found.stdout)) == (0, schema())
