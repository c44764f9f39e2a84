"""Builds the JSON Schema (2020-12) of rules files, for editors.

In: the loader's own closed lists; the shapes of the conditions. Out: one schema. Never: a list of its own; what depends on a folder (names
of lists, advertisers, templates) or on two keys together: ``gate106 check`` reports that.
"""

from __future__ import annotations

from typing import Any

from proxy.model.message import CATEGORY_WORDS
from proxy.model.reasons import RULE_REASONS
from proxy.policy import penalty_rules, store_failure, time_windows
from proxy.policy.kinds import reply_path, suppressed, when_kinds
from proxy.policy.kinds.fields import TEXT_STATES
from proxy.policy.limit import COUNT_MAX, KEYS, LIMIT_KEYS, THENS
from proxy.policy.loading.check import OPTOUT_KEYS, REPEAT_MAX, STEP_KEYS, TEST_KEYS, WANT_KEYS
from proxy.policy.loading.draft import MODES, RULE_KEYS
from proxy.policy.loading.load_rules import LIST_KEYS, SUPPRESS_KEYS, TOP_KEYS, ZONES
from proxy.policy.loading.schema_parts import (
    CLOCK,
    DATE,
    DURATION,
    NAME,
    PERCENTAGE,
    TEXT,
    TRUTH,
    Shape,
    among,
    either,
    mapping,
    one_of,
    some,
    whole,
)
from proxy.policy.rule_dates import ACTIVE_KEYS, TRIAL_KEYS

DIALECT = "https://json-schema.org/draft/2020-12/schema"
ANYTHING: Shape = {}
_WHEN: Shape = {"$ref": "#/$defs/when"}
_LIMIT: Shape = {"$ref": "#/$defs/limit"}
_SHARE: Shape = {"type": "number", "minimum": 0.01, "exclusiveMaximum": 1}


def schema() -> dict[str, Any]:
    """Of one YAML file of the rules folder."""
    top = mapping(
        TOP_KEYS,
        {
            "rules": _list({"$ref": "#/$defs/rule"}), "tests": _list({"$ref": "#/$defs/test"}), "lists": _lists(),
            "penalties": _list({"$ref": "#/$defs/penalty"}), "complaints": _complaints(),
            "mode": among(MODES), "timezone": among(ZONES), "version": ANYTHING,
        },
    )  # fmt: skip
    parts = {"when": _when(), "limit": _limit(), "rule": _rule(), "step": _step(), "test": _test(), "penalty": _penalty()}
    return {"$schema": DIALECT, "title": "gate106: a file of rules", **top, "$defs": parts}


def _list(item: Shape) -> Shape:
    return either({"type": "array", "items": item}, {"type": "null"})


def _when() -> Shape:
    kinds = when_kinds()
    shapes = {word: {"description": f"{kind.about.zh}\n\n{kind.about}"} | kind.shape for word, kind in kinds.items()}
    shapes |= {"not": _WHEN, "any": some(_WHEN)}
    return mapping(shapes, shapes) | {"minProperties": 1}


def _limit() -> Shape:
    share = {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}
    return mapping(
        LIMIT_KEYS,
        {
            "count": whole(1, COUNT_MAX), "per": either(among(time_windows.CALENDAR_S), DURATION), "key": some(among(KEYS)),
            "then": among(THENS), "burst": whole(1, COUNT_MAX), "share": share, "of": _WHEN, "least": whole(1, COUNT_MAX),
        },
        needs=("per", "key"),
    )  # fmt: skip


def _rule() -> Shape:
    active = mapping(ACTIVE_KEYS, {"from": DATE, "to": DATE, "campaign": NAME}) | {"minProperties": 1}
    rule = mapping(
        RULE_KEYS,
        {
            "id": NAME, "say": NAME, "basis": NAME, "note": ANYTHING, "when": _WHEN, "limit": some(_LIMIT), "active": some(active),
            "then": among(THENS), "reason": among(RULE_REASONS), "mode": among(MODES), "exempt": TRUTH, "skip": some(NAME),
            "keep": some(NAME), "trial": mapping(TRIAL_KEYS, {"until": DATE, "from": DATE, "for": DURATION}),
            "defer_until": either(CLOCK, DATE), "jitter": DURATION, "max_defer": DURATION, "on_store_failure": among(store_failure.WORDS),
            "enforce": PERCENTAGE,
        },
        needs=("id",),
    )  # fmt: skip
    bare = {"not": {"anyOf": [{"required": ["exempt"]}, {"required": ["limit"]}]}}
    return rule | {"if": bare, "then": {"required": ["then", "reason"]}}


def _lists() -> Shape:
    scope = mapping(SUPPRESS_KEYS, {"scope": among(suppressed.SCOPES), "value": NAME}, needs=SUPPRESS_KEYS)
    one = mapping(LIST_KEYS, {"file": TEXT, "suppress": either(among(("global",)), scope)}, needs=("file",))
    return either({"type": "object", "additionalProperties": one}, {"type": "null"})


def _penalty() -> Shape:
    step = mapping(
        penalty_rules.STEP_KEYS,
        {"above": {"type": "number", "minimum": 0}, "then": among(penalty_rules.STEPS), "to": _SHARE, "for": DURATION},
        needs=("above", "then"),
    )
    again = mapping(
        penalty_rules.AGAIN_KEYS,
        {"within": DURATION, "then": among(penalty_rules.STEPS[2:]), "for": DURATION},
        needs=("within",),
    )
    count = whole(1, penalty_rules.COUNT_MAX)
    return mapping(
        penalty_rules.KEYS,
        {
            "id": NAME, "say": NAME, "basis": NAME, "note": ANYTHING, "watch": among(penalty_rules.WATCHES), "by": among(penalty_rules.BY),
            "reasons": some(among(RULE_REASONS)), "states": some(among(penalty_rules.PATH_STATES)),
            "per": either(among(("hour", "day", "week", "month")), DURATION), "against": DURATION,
            "least": mapping(penalty_rules.LEAST_KEYS, {"sent": count, "count": count}), "provider": some(NAME), "steps": some(step),
            "again": again, "approval": among(penalty_rules.APPROVALS), "lapses": DURATION, "mode": among(penalty_rules.MODES),
        },
        needs=("id", "watch", "per", "steps"),
    )  # fmt: skip


def _complaints() -> Shape:
    days = whole(1, penalty_rules.DAYS_MAX)
    return mapping(penalty_rules.COMPLAINTS_KEYS, {"forward": days, "answer": days})


def _test() -> Shape:
    steps = {"type": "array", "items": {"$ref": "#/$defs/step"}, "minItems": 1}
    return mapping(TEST_KEYS, {"note": ANYTHING, "messages": steps}, needs=("messages",))


def _step() -> Shape:
    optout = mapping(OPTOUT_KEYS, {"scope": among(suppressed.SCOPES), "value": NAME, "source": among(suppressed.SOURCES)})
    step = mapping(
        STEP_KEYS,
        {
            "at": DATE, "to": NAME, "from": NAME, "category": among(CATEGORY_WORDS), "text": NAME, "provider": NAME, "account": NAME,
            "repeat": whole(1, REPEAT_MAX), "want": either(among(("allow",)), one_of(WANT_KEYS, NAME)), "note": ANYTHING,
            "scheduled": DATE, "since": DATE, "state": among(TEXT_STATES), "reply_path": reply_path.STATE,
            "optout": optout,
        },
        needs=("at", "to"),
    )  # fmt: skip
    return step | {"if": {"not": {"required": ["optout"]}}, "then": {"required": ["from", "want"]}}
