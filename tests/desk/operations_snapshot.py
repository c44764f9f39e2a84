"""Commands, HTTP operations and roles of a checkout as plain data, for comparison with those of an earlier one."""

from __future__ import annotations

from typing import Any

from proxy.__main__ import whole
from proxy.desk.api.operation_table import document


def commands() -> dict[str, Any]:
    """By its words: help, example and parameters of each command of the command line."""
    found: dict[str, Any] = {}

    def walk(name: str, command: Any) -> None:
        found[name] = {
            "help": command.help or "",
            "example": command.epilog or "",
            "parameters": {_name(one): _parameter(one) for one in command.params if one.name != "help"},
        }
        for word, below in sorted(getattr(command, "commands", {}).items()):
            walk(f"{name} {word}", below)

    walk("gate106", whole())
    return found


def _name(one: Any) -> str:
    """``--for``, or the name of an argument without one."""
    return str(min(one.opts)) if one.opts[0].startswith("-") else (one.metavar or one.name).upper()


def _parameter(one: Any) -> dict[str, Any]:
    default = one.default
    told = {
        "opts": sorted(one.opts[:] + one.secondary_opts) if one.opts[0].startswith("-") else [],
        "type": _type(one.type_descriptor.annotation),
        "bounds": [one.min, one.max],
        "required": one.required,
        "multiple": one.multiple if hasattr(one, "multiple") else False,
        "default": None if callable(default) or default in (None, ()) else str(default),
        "environment": one.envvar,
        "help": one.help or "",
    }
    empty = {
        "opts": [_name(one)],
        "bounds": [None, None],
        "required": False,
        "multiple": False,
        "default": None,
        "environment": None,
    }
    return {key: value for key, value in told.items() if value != empty.get(key, ...)}


def _type(annotation: Any) -> str:
    return str(getattr(annotation, "__name__", annotation)).replace(" | None", "")


def openapi() -> dict[str, Any]:
    """The document without its sentences."""
    found: dict[str, Any] = _without_sentences(document())
    return found


def _without_sentences(told: Any) -> Any:
    if isinstance(told, dict):
        return {
            key: _without_sentences(value)
            for key, value in told.items()
            if not (key in ("summary", "description") and isinstance(value, str))
        }
    return [_without_sentences(one) for one in told] if isinstance(told, list) else told
