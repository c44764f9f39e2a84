"""The JSON Schema of an event, from the declarations of records: docs/stream.schema.json (``make guide``)."""

from __future__ import annotations

import types
from collections.abc import Mapping
from typing import Any, Union, get_args, get_origin, get_type_hints

from proxy.archive.parquet import SCHEMA as TABLE
from proxy.archive.stream import events
from proxy.journal.encoding import RECORDS
from proxy.journal.records import messages

PERSON = {"type": "string", "pattern": "^[0-9]{1,20}$", "description": "The keyed hash of a number, as in the tables."}


def schema() -> dict[str, Any]:
    """Fields may be added to ``data`` in later versions; nothing else changes under this ``dataschema``."""
    rows = {
        field.name: PERSON if field.name == "person" else {"type": "string" if str(field.type) == "string" else "integer"}
        for field in TABLE
        if field.name not in {"sealed", "node", "sequence"}
    }
    records = {
        f"gate106.{messages.KINDS[kind]}": {"properties": {"data": {"properties": {"record": _of(RECORDS[kind])}}}}
        for kind in sorted(events.FIELDS)
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": events.SCHEMA,
        "title": "An event of gate106: CloudEvents 1.0, JSON, structured mode",
        "type": "object",
        "required": ["specversion", "id", "source", "type", "time", "datacontenttype", "dataschema", "partitionkey", "data"],
        "properties": {
            "specversion": {"const": "1.0"},
            "id": {"type": "string", "pattern": "^[0-9]+:[0-9]+$", "description": "NODE:SEQUENCE of the journal record."},
            "source": {"type": "string", "pattern": "^/gate106/node/[0-9]+/journal/[0-9a-f]{32}$"},
            "type": {"enum": [f"gate106.{messages.KINDS[kind]}" for kind in sorted(_kinds())]},
            "time": {"type": "string", "format": "date-time", "description": "When the record was written."},
            "datacontenttype": {"const": "application/json"},
            "dataschema": {"const": events.SCHEMA},
            "partitionkey": {"type": "string", "description": "The node; the key of the Kafka message, too."},
            "data": {
                "type": "object",
                "required": ["node", "sequence"],
                "properties": {
                    "node": {"type": "integer"},
                    "sequence": {"type": "integer"},
                    "rows": {"type": "array", "items": {"type": "object", "properties": rows, "additionalProperties": False}},
                    "record": {"type": "object"},
                    "tombstone": {
                        "type": "object",
                        "required": ["person", "first", "last"],
                        "properties": {"person": PERSON, "first": {"type": "integer"}, "last": {"type": "integer"}},
                    },
                    "unreadable": {"const": True, "description": "The record cannot be read; the journal has its octets."},
                },
                "anyOf": [{"required": [name]} for name in ("rows", "record", "tombstone", "unreadable")],
            },
        },
        "allOf": [
            {"if": {"properties": {"type": {"const": name}}}, "then": shape} for name, shape in records.items()
        ],
    }  # fmt: skip


def _kinds() -> set[int]:
    return {*events.ROWS, *events.FIELDS, messages.ERASURE, messages.HEARD}


def _of(hint: Any, name: str = "") -> dict[str, Any]:
    if name in events.NUMBERS and hint is int:
        return PERSON
    if hasattr(hint, "_fields"):
        hints = get_type_hints(hint)
        fields = {one: _of(hints[one], one) for one in hint._fields}
        left = {
            one: shape for one, shape in fields.items() if shape and not (one in events.OMITTED and shape == {"type": "string"})
        }
        return {"type": "object", "properties": left, "additionalProperties": False}
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return {}
    if origin is not None and issubclass(origin, Mapping):
        return {"type": "array", "items": {"type": "array", "prefixItems": [_of(one, name) for one in inner]}}
    if origin is tuple:
        if Ellipsis in inner:
            return {"type": "array", "items": _of(inner[0], name)}
        return {"type": "array", "prefixItems": [_of(one, name) for one in inner]}
    plain = {str: "string", bool: "boolean", float: "number", bytes: ""}.get(hint, "integer")
    return {"type": plain} if plain else {}
