"""A key of a ``--json`` answer that is renamed fails the tests that get the answer."""

from __future__ import annotations

import json

import pytest

from tests import json_keys

LIFT = ("stop", "lift", "o-1", "--json")


def test_a_listed_key_passes_and_a_renamed_one_fails() -> None:
    order = dict.fromkeys(("id", "name", "who", "why"))
    json_keys.check(LIFT, json.dumps({"lifted": [order]}))
    with pytest.raises(AssertionError, match=r"stop lift --json: \['lifted\.reason'\]"):
        json_keys.check(LIFT, json.dumps({"lifted": [order | {"reason": ""}]}))


def test_a_key_that_is_data_may_be_any() -> None:
    json_keys.check(("report", "--json"), json.dumps({"by_provider": {"甲公司": {"sent": 1}}}))
    with pytest.raises(AssertionError, match=r"by_provider\.甲公司\.gone"):
        json_keys.check(("report", "--json"), json.dumps({"by_provider": {"甲公司": {"gone": 1}}}))


def test_text_and_answers_a_line_are_not_looked_at() -> None:
    json_keys.check(("stop", "lift", "o-1"), '{"anything": 1}')
    json_keys.check(LIFT, '{"anything": 1}\n{"anything": 2}\n')


def test_every_listed_command_exists() -> None:
    listed = json.loads(json_keys.KEYS.read_text(encoding="utf-8"))
    assert [command for command in listed if json_keys.command_of(command.split()) != command] == []
