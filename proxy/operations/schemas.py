"""Derives the JSON Schemas of answers from record types and mappings."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator
from typing import Any

Schema = dict[str, Any]

_PLAIN: dict[Any, Schema] = {
    str: {"type": "string"}, int: {"type": "integer"}, float: {"type": "number"}, bool: {"type": "boolean"},
    object: {"type": "object"}, Any: {},
}  # fmt: skip


def schema_of(of: Any) -> Schema:
    """``{"name": str, "more?": [int]}`` or a type → its schema. ``name?``: it may be missing; ``str | None``: null."""
    if isinstance(of, dict):
        return _mapping({str(name): one for name, one in of.items()})
    if isinstance(of, list):
        return {"type": "array", "items": schema_of(of[0])}
    if isinstance(of, tuple) and not hasattr(of, "_fields"):
        items = [schema_of(one) for one in dict.fromkeys(of)]
        return {"type": "array", "items": {"anyOf": items}, "minItems": len(of), "maxItems": len(of)}
    if isinstance(of, SharedSchema):
        return {"$ref": f"#/components/schemas/{of.name}"}
    if isinstance(of, types.UnionType):
        return {"anyOf": [{"type": "null"} if one is type(None) else schema_of(one) for one in typing.get_args(of)]}
    if isinstance(of, type) and hasattr(of, "_fields"):
        return _mapping(typing.get_type_hints(of))
    if typing.get_origin(of) is tuple:
        return {"type": "array", "items": schema_of(typing.get_args(of)[0])}
    return dict(_PLAIN[of])


def _mapping(of: dict[str, Any]) -> Schema:
    names = {name.removesuffix("?"): schema_of(one) for name, one in of.items()}
    required = [name for name in of if not name.endswith("?")]
    return {"type": "object", "properties": names, "required": required, "additionalProperties": False}


class SharedSchema:
    """A shape that several answers share; it stands once in the document."""

    def __init__(self, name: str, of: Any) -> None:
        self.name, self.of = name, of

    def schema(self) -> Schema:
        return schema_of(self.of)


def shared_in(of: Any) -> Iterator[SharedSchema]:
    """The shared shapes in an answer's shape, also those in shared ones."""
    if isinstance(of, SharedSchema):
        yield of
        yield from shared_in(of.of)
    elif isinstance(of, dict):
        for one in of.values():
            yield from shared_in(one)
    elif isinstance(of, list | tuple) and not hasattr(of, "_fields"):
        for one in of:
            yield from shared_in(one)


def record_fields(record: type, without: tuple[str, ...] = (), **more: Any) -> dict[str, Any]:
    """The fields of a record's ``_asdict``, and more."""
    hints = typing.get_type_hints(record)
    return {name: one for name, one in hints.items() if name not in without} | more


ERROR = SharedSchema("Error", {"error": str})
