"""Small JSON Schema pieces for the keys of rules files.

A shape is less strict than the loader: editors complete and underline by it, ``gate106 check`` decides.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from proxy.policy import time_windows

Shape = dict[str, Any]
NAME: Shape = {"type": ["string", "integer"]}
"""A text that may be written as a bare number: a port, a code."""
TEXT: Shape = {"type": "string", "minLength": 1}
TRUTH: Shape = {"type": "boolean"}


def _written(pattern: str, example: str) -> Shape:
    return {"type": "string", "pattern": f"^(?:{pattern})$", "examples": [example]}


DATE = _written(time_windows.WHEN.pattern, "2026-11-11")
CLOCK = _written(time_windows.CLOCK.pattern, "08:30")
SPAN = _written(rf"(?:{time_windows.CLOCK.pattern})\s*-\s*(?:{time_windows.CLOCK.pattern})", "21:00-08:00")
DURATION = _written(time_windows.DURATION.pattern, "24h")
PERCENTAGE = _written(r"\s*[0-9０-９.．]+\s*[%％﹪]\s*", "10%")


def among(known: Iterable[str]) -> Shape:
    """One of a closed list."""
    return {"enum": list(known)}


def suggested(known: Iterable[str]) -> Shape:
    """Any name; an editor offers these."""
    return either(among(known), NAME)


def either(*shapes: Shape) -> Shape:
    return {"anyOf": list(shapes)}


def some(shape: Shape) -> Shape:
    """One, or a list of them that is not empty."""
    return either(shape, {"type": "array", "items": shape, "minItems": 1})


def whole(least: int, most: int) -> Shape:
    return {"type": "integer", "minimum": least, "maximum": most}


def mapping(keys: Iterable[str], shapes: Mapping[str, Shape], *, needs: Iterable[str] = ()) -> Shape:
    """A mapping with these keys and no other; every key has its shape, or there is a KeyError."""
    known = list(keys)
    if unmeant := shapes.keys() - set(known):
        raise KeyError(*unmeant)
    shape: Shape = {"type": "object", "properties": {key: shapes[key] for key in known}, "additionalProperties": False}
    return shape | ({"required": list(needs)} if needs else {})


def one_of(keys: Iterable[str], shape: Shape) -> Shape:
    """A mapping with just one of these keys."""
    known = list(keys)
    return mapping(known, dict.fromkeys(known, shape)) | {"minProperties": 1, "maxProperties": 1}
