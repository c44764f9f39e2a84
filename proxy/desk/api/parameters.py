"""Declares, checks and describes the parameters of API requests.

Each form knows how a value is checked, what the command line calls it, and its JSON Schema.

In: values of a JSON body, or words of a query. Out: values for the gate, or BadRequest with the parameter's name. Never: the meaning of a
value (the gate checks that).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from proxy.state.revision_store import REGISTRIES

Schema = dict[str, Any]

TEXT_MAX = 1000
WHY_MAX = 500
LIST_MAX = 100


class BadRequest(Exception):
    """A request is not as the document says: the text names what."""


@dataclass(frozen=True)
class Form:
    """How one value is checked, read from a query and described."""

    def schema(self) -> Schema:
        raise NotImplementedError

    def read(self, value: Any) -> Any:
        """The checked value; ValueError says what it must be."""
        raise NotImplementedError

    def from_word(self, word: str) -> Any:
        """A word of a query as the value that JSON would have."""
        return word


@dataclass(frozen=True)
class TextParameter(Form):
    maximum: int = TEXT_MAX
    pattern: str = ""
    """A regular expression for the whole text; empty: any text that is not blank."""

    def schema(self) -> Schema:
        return {"type": "string", "minLength": 1, "maxLength": self.maximum, "pattern": self._whole}

    @property
    def _whole(self) -> str:
        return f"^(?:{self.pattern})$" if self.pattern else r"^[^\x00]*[^\s\x00][^\x00]*$"

    def read(self, value: Any) -> str:
        if not isinstance(value, str) or not 0 < len(value) <= self.maximum or not re.search(self._whole, value):
            raise ValueError(f"must be text of 1 to {self.maximum} characters{f' like {self.pattern}' if self.pattern else ''}")
        if not value.strip() or "\0" in value or (self.pattern and value.endswith("\n")):
            raise ValueError("must be text, and not blank")
        try:
            value.encode()
        except UnicodeEncodeError:
            raise ValueError("must be characters") from None
        return value


@dataclass(frozen=True)
class NumberParameter(Form):
    minimum: float
    maximum: float

    def schema(self) -> Schema:
        return {"type": "number", "minimum": self.minimum, "maximum": self.maximum}

    def read(self, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not self.minimum <= value <= self.maximum:
            raise ValueError(f"must be a number from {self.minimum:g} to {self.maximum:g}")
        return value

    def from_word(self, word: str) -> Any:
        try:
            found = float(word) if word.isascii() and "_" not in word and word == word.strip() else math.nan
        except ValueError:
            return word
        return found if math.isfinite(found) else word


@dataclass(frozen=True)
class IntegerParameter(NumberParameter):
    def schema(self) -> Schema:
        return {"type": "integer", "minimum": int(self.minimum), "maximum": int(self.maximum)}

    def read(self, value: Any) -> int:
        if super().read(value) != int(value):
            raise ValueError("must be a whole number")
        return int(value)


@dataclass(frozen=True)
class FlagParameter(Form):
    def schema(self) -> Schema:
        return {"type": "boolean"}

    def read(self, value: Any) -> bool:
        if not isinstance(value, bool):
            raise ValueError("must be true or false")  # noqa: TRY004 # what callers look for, of whatever form
        return value

    def from_word(self, word: str) -> Any:
        return {"true": True, "false": False}.get(word, word)


@dataclass(frozen=True)
class ChoiceParameter(Form):
    words: tuple[str, ...]

    def schema(self) -> Schema:
        return {"type": "string", "enum": list(self.words)}

    def read(self, value: Any) -> str:
        if value not in self.words or not isinstance(value, str):
            raise ValueError(f"must be {' or '.join(self.words)}")
        return value


@dataclass(frozen=True)
class ListParameter(Form):
    one: Form
    maximum: int = LIST_MAX
    minimum: int = 0

    def schema(self) -> Schema:
        return {"type": "array", "items": self.one.schema(), "minItems": self.minimum, "maxItems": self.maximum}

    def read(self, value: Any) -> list[Any]:
        if not isinstance(value, list) or not self.minimum <= len(value) <= self.maximum:
            raise ValueError(f"must be a list of {self.minimum} to {self.maximum}")
        return [self.one.read(one) for one in value]


@dataclass(frozen=True)
class FilesParameter(Form):
    """Rules files, registries and lists of words: texts by name."""

    maximum: int = 50

    def schema(self) -> Schema:
        one = "[A-Za-z0-9][A-Za-z0-9._-]*"
        tables = rf"registries/(?:{'|'.join(REGISTRIES)})\.csv|lexicon/{one}\.csv|lists/{one}\.txt"
        names = {"pattern": rf"^(?:{one}\.yaml|{tables})$", "maxLength": 70}
        of = {"type": "object", "minProperties": 1, "maxProperties": self.maximum}
        return {**of, "propertyNames": names, "additionalProperties": {"type": "string"}}

    def read(self, value: Any) -> dict[str, str]:
        names = self.schema()["propertyNames"]
        if not isinstance(value, dict) or not 0 < len(value) <= self.maximum:
            raise ValueError(f"must be 1 to {self.maximum} texts by name")
        for name, text in value.items():
            if not re.search(names["pattern"], name) or len(name) > names["maxLength"] or name.endswith("\n"):
                raise ValueError(f"{name[:60]!r} is no name of a rules file (caps.yaml), a registry or a list of words")
            if not isinstance(text, str):
                raise ValueError(f"{name}: must be text")  # noqa: TRY004 # as above
        return value


@dataclass(frozen=True)
class Arg:
    """One value of a request, by name."""

    name: str
    form: Form
    summary: str
    required: bool = False
    option: str = ""
    """For programs: the option of the command line, if it is not ``--name``; ``-``: an argument without a name."""

    @property
    def flag(self) -> str:
        return self.option or f"--{self.name.replace('_', '-')}"


def read(args: Sequence[Arg], given: Mapping[str, Any]) -> dict[str, Any]:
    """All values of a request; BadRequest if one is missing, unknown or malformed."""
    known = {arg.name: arg for arg in args}
    for name in given:
        if name not in known:
            raise BadRequest(f"{str(name)[:60]!r} is not known here (known: {', '.join(known) or 'nothing'})")
    found = {}
    for arg in args:
        if arg.name not in given:
            if arg.required:
                raise BadRequest(f"{arg.name}: is missing: {arg.summary}")
            continue
        try:
            found[arg.name] = arg.form.read(given[arg.name])
        except ValueError as error:
            raise BadRequest(f"{arg.name}: {error}") from None
    return found


def from_query(args: Sequence[Arg], query: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """The values of a query; BadRequest if a name stands there twice."""
    forms = {arg.name: arg.form for arg in args}
    found: dict[str, Any] = {}
    for name, word in query:
        if name in found:
            raise BadRequest(f"{name[:60]!r} is there twice")
        found[name] = forms[name].from_word(word) if name in forms else word
    return found
