"""Describes every setting: meaning, allowed values, default, reload.

``gate106 settings show`` prints the descriptions, and the guide's table is made of them (``make guide``).

In: nothing. Out: a row for each declared setting (values.py, peers.py), in the order of the declarations. Never: a fact that is not
in the declaration, but for reload.
"""

import ast
import inspect
import sys
from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass
from functools import cache
from itertools import pairwise
from typing import NamedTuple

from proxy.config.setting_kinds import BoundedNumber, SettingKind, declarations
from proxy.config.values import Settings

RELOADED = (
    "http.metrics_allow", "http.hosts",
    "http.tokens", "providers", "long_messages", "optout", "doubtful_replies", "doubtful_then", "consent_by_reply", "retention",
    "people", "revisions.four_eyes", "rules_may_be_empty", "log",
)  # fmt: skip
"""Settings that a reload (SIGHUP, ``gate106 rules reload``) takes over, …"""
NOT_RELOADED = ("providers[].upstream",)  # … except these: a file that changes one of them is not taken over

_UNITS = {"_s": "s", ".hours": "hours", "_hours": "hours", "days": "days", "egabytes": "MB"}


class SettingDescription(NamedTuple):
    name: str
    default: str  # as it is written in the file, or in words where ``worded``; empty: none, or ``required``
    required: bool
    worded: bool
    allowed: str  # the allowed values: bounds with their unit, words, or a kind of text
    reloaded: bool
    meaning: str


def settings() -> list[SettingDescription]:
    return list(described(Settings))


def described(of: type, prefix: str = "") -> Iterator[SettingDescription]:
    for one in declarations(of):
        if meaning := _meanings(of.__module__).get((of.__name__, one.field)):
            yield _setting(prefix + one.key, one.kind, meaning)
        for after, part in one.kind.parts:
            yield from described(part, prefix + after.format(one.key))


@cache
def _meanings(module: str) -> dict[tuple[str, str], str]:
    """The docstrings of fields in a module, by class and field."""
    found = {}
    for declared in ast.parse(inspect.getsource(sys.modules[module])).body:
        if isinstance(declared, ast.ClassDef):
            for pair in pairwise(declared.body):
                match pair:
                    case ast.AnnAssign(target=ast.Name(id=field)), ast.Expr(value=ast.Constant(value=str(text))):
                        found[declared.name, field] = " ".join(text.split())
    return found


def changes_not_reloaded(before: Settings, after: Settings) -> list[str]:
    """Settings that differ between the file and the running gate and that a reload does not take over."""
    found = []
    for one in fields(Settings):
        old, new = getattr(before, one.name), getattr(after, one.name)
        if old == new or one.name in RELOADED:
            continue
        if is_dataclass(old):
            parts = [f"{one.name}.{part.name}" for part in fields(old) if getattr(old, part.name) != getattr(new, part.name)]
            found += [part for part in parts if part not in RELOADED]
        else:
            found.append(one.name)
    return found


def _setting(name: str, kind: SettingKind, meaning: str) -> SettingDescription:
    units = [f" {unit}" for ending, unit in _UNITS.items() if isinstance(kind, BoundedNumber) and name.endswith(ending)]
    return SettingDescription(
        name,
        kind.in_words or kind.written(),
        kind.needed,
        bool(kind.in_words),
        "".join([kind.allowed, *units[:1]]),
        name.startswith(RELOADED) and not name.startswith(NOT_RELOADED),
        meaning,
    )


def with_prefix(prefix: str, rows: Sequence[SettingDescription]) -> list[SettingDescription]:
    """The settings whose name begins with the prefix (``carriers``, ``optout.confirm``)."""
    return [one for one in rows if one.name.replace("[]", "").startswith(prefix.replace("[]", ""))]
