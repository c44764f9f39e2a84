"""Declares parameters of operations: check, schema and command-line option.

A parameter is an argument of a function whose annotation holds a form: ``why: Annotated[str, Reason()]``. From the form follow the check
of a value of JSON, of a query and of a form of the console, the JSON Schema, and the option of the command line.

In: functions; values. Out: parameters; checked values, or BadArgument with the parameter's name. Never: what a value means.
"""

from __future__ import annotations

import inspect
import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as _field
from functools import cache
from typing import Annotated, Any, ClassVar, NamedTuple, TypeVar, get_type_hints

from proxy.model.number import NotARecipient, recipient_of
from proxy.operations.authorization import CommandRefused

Schema = dict[str, Any]
Row = TypeVar("Row")

TEXT_MAX = 1000
WHY_MAX = 500
"""Characters of a reason."""
LIST_MAX = 100
NUMBER_CHARACTERS_MAX = 100
"""A person's number, in any spelling."""
LINES_MAX = 10**12
_UNITS = {"d": 86_400, "h": 3600, "m": 60}
DURATION = "[0-9]{1,6}[smhd]"
DAY = "[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])"
MONTH = "20[0-9]{2}-(?:0[1-9]|1[0-2])"
"""Patterns of texts that a command of the command line reads itself."""
MOMENT = f"{DAY}(?: (?:[01][0-9]|2[0-3]):[0-5][0-9])?"


_NOT_BLANK = r"^[^\x00]*[^\s\x00][^\x00]*$"


class BadArgument(CommandRefused):
    """An argument is missing, unknown or malformed; the text names it."""


class UnknownWord(ValueError):
    """A value is none of the words of its form."""

    def __init__(self, word: str, known: Sequence[str]) -> None:
        super().__init__(f"must be {' or '.join(known)}")
        self.word, self.known = word, known


class OptionError(Exception):
    """An option of the command line has no value of its form; the text names the option."""


@dataclass(frozen=True)
class Form:
    """How one value is checked, described and given."""

    help: str
    flag: str = _field(default="", kw_only=True)
    """The option of the command line, if it is not ``--name``; ``-``: an argument without a name."""
    metavar: str = _field(default="", kw_only=True)
    shown: str | None = _field(default=None, kw_only=True)
    """The default that the command line shows and sends; None: it sends nothing, and the function's default holds."""
    internal: bool = _field(default=False, kw_only=True)
    """Only programs of gate106 send it: neither the command line nor the HTTP API has it."""
    hidden: str = _field(default="", kw_only=True)
    """``api`` or ``command``: where it is not offered."""
    api: Form | None = _field(default=None, kw_only=True)
    """The API's form, where it is narrower."""
    python: ClassVar[type] = str
    """The type of the command line's option."""
    behind: ClassVar[bool] = False
    """Whether the control socket gets it as lines behind the command (``hear``), not among the arguments."""
    field: ClassVar[str] = "text"
    """How a page asks for it (templates/macros.html, ``argument``): text, tick, choice, duration or why."""

    def schema(self) -> Schema:
        raise NotImplementedError

    def read(self, value: Any) -> Any:
        """The checked value; ValueError says what it must be."""
        raise NotImplementedError

    async def hear(self, call: Any) -> Any:
        """The value from the lines behind the command; CommandRefused."""
        raise NotImplementedError

    def check(self, value: Any) -> None:
        """Whether the value is as the schema says: what it means is read later. ValueError as ``read``."""
        self.read(value)

    def from_word(self, word: str) -> Any:
        """A word of a query or of a form as the value that JSON would have."""
        return word

    def from_option(self, value: Any, flag: str) -> Any:
        """What the command line parsed, as the value that JSON would have; OptionError."""
        return value

    def option_name(self, name: str) -> str:
        return self.flag or f"--{name.replace('_', '-')}"

    @property
    def bounds(self) -> dict[str, Any]:
        """For the command line."""
        return {}


@dataclass(frozen=True)
class Text(Form):
    maximum: int = TEXT_MAX
    pattern: str = ""
    """A regular expression for the whole text; empty: any text that is not blank."""

    def schema(self) -> Schema:
        return {"type": "string", "minLength": 1, "maxLength": self.maximum, "pattern": self._whole}

    @property
    def _whole(self) -> str:
        return f"^(?:{self.pattern})$" if self.pattern else _NOT_BLANK

    def read(self, value: Any) -> Any:
        if not isinstance(value, str) or not 0 < len(value) <= self.maximum or not re.search(self._whole, value):
            raise ValueError(f"must be text of 1 to {self.maximum} characters{f' like {self.pattern}' if self.pattern else ''}")
        if not value.strip() or "\0" in value or (self.pattern and value.endswith("\n")):
            raise ValueError("must be text, and not blank")
        try:
            value.encode()
        except UnicodeEncodeError:  # JSON may contain half a surrogate pair
            raise ValueError("must be characters") from None
        return value


@dataclass(frozen=True)
class Reason(Text):
    field: ClassVar[str] = "why"
    help: str = "Why: the journal keeps it."
    maximum: int = WHY_MAX

    def read(self, value: Any) -> str:
        return " ".join(super().read(value).split())


@dataclass(frozen=True)
class Recipient(Text):
    """A person's number in any spelling; read as an int."""

    help: str = "The person's number, in any spelling."
    maximum: int = NUMBER_CHARACTERS_MAX

    def check(self, value: Any) -> None:
        super().read(value)

    def read(self, value: Any) -> int:
        try:
            return recipient_of(super().read(value))
        except NotARecipient as fault:
            raise ValueError(str(fault)) from None


@dataclass(frozen=True)
class Id(Text):
    """The number of a case, a penalty …: ``17``, on the command line ``case-17``, too; read as an int."""

    kind: str = _field(default="", kw_only=True)
    lists: str = _field(default="", kw_only=True)
    """The group of commands whose ``list`` shows the numbers, if it is not the kind."""
    maximum: int = 17
    pattern: str = "[0-9]{1,17}"
    flag: str = _field(default="-", kw_only=True)

    def read(self, value: Any) -> int:
        try:
            return int(super().read(value))
        except ValueError:
            raise ValueError(
                f"{value!r:.40} is no {self.kind}'s number (`gate106 {self.lists or self.kind} list` lists them)"
            ) from None

    def from_option(self, value: Any, flag: str) -> Any:  # as the others
        return value.removeprefix(f"{self.kind}-") if value is not None else None


@dataclass(frozen=True)
class Amount(Form):
    minimum: float
    maximum: float
    python: ClassVar[type] = float

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
class Seconds(Amount):
    """A duration, which people give with a unit: ``for_s`` is ``--for 24h``."""

    offers: tuple[str, ...] = _field(default=("1h", "24h", "7d", "30d"), kw_only=True)
    """Durations that a page offers (console/forms.py, LASTS); an empty one: for good."""
    python: ClassVar[type] = str
    field: ClassVar[str] = "duration"

    def read(self, value: Any) -> float:
        try:
            return super().read(value)
        except ValueError:
            given = f", not {spelt(value)}" if isinstance(value, int | float) and not isinstance(value, bool) else ""
            raise ValueError(f"must be from {spelt(self.minimum)} to {spelt(self.maximum)}{given}") from None

    def option_name(self, name: str) -> str:
        return self.flag or f"--{name.removesuffix('_s').replace('_', '-')}"

    def from_option(self, value: Any, flag: str) -> Any:
        from proxy.policy import time_windows

        try:
            return None if value is None else float(time_windows.duration(value))
        except ValueError as error:
            raise OptionError(f"{flag}: {error}") from None


@dataclass(frozen=True)
class Integer(Amount):
    python: ClassVar[type] = int

    def schema(self) -> Schema:
        return {"type": "integer", "minimum": int(self.minimum), "maximum": int(self.maximum)}

    def read(self, value: Any) -> int:
        if super().read(value) != int(value):
            raise ValueError("must be a whole number")
        return int(value)

    @property
    def bounds(self) -> dict[str, Any]:
        return {"min": int(self.minimum), "max": int(self.maximum)}


@dataclass(frozen=True)
class Flag(Form):
    field: ClassVar[str] = "tick"
    python: ClassVar[type] = bool

    def schema(self) -> Schema:
        return {"type": "boolean"}

    def read(self, value: Any) -> bool:
        if not isinstance(value, bool):
            raise ValueError("must be true or false")  # noqa: TRY004 # what callers look for, of whatever form
        return value

    def from_word(self, word: str) -> Any:
        return {"true": True, "yes": True, "false": False}.get(word, word)


@dataclass(frozen=True)
class Choice(Form):
    words: tuple[str, ...]
    field: ClassVar[str] = "choice"

    def schema(self) -> Schema:
        return {"type": "string", "enum": list(self.words)}

    def read(self, value: Any) -> str:
        if not isinstance(value, str):
            raise ValueError(f"must be {' or '.join(self.words)}")  # noqa: TRY004 # as above
        if not value.strip():
            raise ValueError(f"must be text of 1 to {TEXT_MAX} characters")
        if value not in self.words:
            raise UnknownWord(value, self.words)
        return value


@dataclass(frozen=True)
class List(Form):
    each: Form
    maximum: int = LIST_MAX
    minimum: int = 0

    def schema(self) -> Schema:
        return {"type": "array", "items": self.each.schema(), "minItems": self.minimum, "maxItems": self.maximum}

    def read(self, value: Any) -> list[Any]:
        if not isinstance(value, list) or not self.minimum <= len(value) <= self.maximum:
            raise ValueError(f"must be a list of {self.minimum} to {self.maximum}")
        return [self.each.read(one) for one in value]


@dataclass(frozen=True)
class Rows(Form):
    """A list of mappings, each read as a ``row``: a named tuple whose fields have forms."""

    row: Callable[..., Any]
    maximum: int

    def read(self, value: Any) -> list[Any]:
        if not isinstance(value, list) or len(value) > self.maximum or not all(isinstance(one, dict) for one in value):
            raise ValueError(f"must be a list of at most {self.maximum} mappings")
        return [read_row(self.row, one) for one in value]


def spelt(seconds: float) -> str:
    """``86400`` → ``24h``, ``2678400`` → ``31d``."""
    for unit, size in _UNITS.items():
        if seconds >= 2 * size and seconds % size == 0:
            return f"{seconds / size:g}{unit}"
    return f"{seconds:g}s"


# -- parameters of a function


class Parameter(NamedTuple):
    name: str
    """In JSON; the function's argument without an underscore at its end: ``from_`` is ``from``."""
    keyword: str
    """The function's argument."""
    form: Form
    required: bool
    default: Any

    @property
    def for_api(self) -> Parameter:
        return self if self.form.api is None else self._replace(form=self.form.api)

    @property
    def option(self) -> str:
        """Of the command line; ``-``: an argument without a name."""
        return self.form.option_name(self.name)


@cache
def parameters_of(function: Callable[..., Any]) -> tuple[Parameter, ...]:
    """The arguments with a form; TypeError where an argument has none, but for ``self`` and ``call``."""
    hints = get_type_hints(function, include_extras=True)
    found = []
    for name, one in inspect.signature(function).parameters.items():
        form = next((one for one in getattr(hints.get(name), "__metadata__", ()) if isinstance(one, Form)), None)
        if form is not None:
            required = one.default is inspect.Parameter.empty
            found.append(Parameter(name.rstrip("_"), name, form, required, None if required else one.default))
    return tuple(found)


def check_values(parameters: Sequence[Parameter], given: Mapping[str, Any]) -> None:
    """BadArgument unless all values are as their schemas say."""
    _read(parameters, given, lambda form, value: form.check(value), in_words=False)


def read_values(parameters: Sequence[Parameter], given: Mapping[str, Any]) -> dict[str, Any]:
    """The checked values by the function's arguments; what was not given is left out. BadArgument."""
    return _read(parameters, given, lambda form, value: form.read(value), in_words=True)


def _read(
    parameters: Sequence[Parameter], given: Mapping[str, Any], read: Callable[[Form, Any], Any], *, in_words: bool
) -> dict[str, Any]:
    """``in_words``: names of durations are those of the command line, ``for`` instead of ``for_s``."""
    from proxy.config.yaml_file import unknown

    known = {one.name for one in parameters}
    for name in given:
        if name not in known:
            raise BadArgument(unknown("argument", str(name), [one.name for one in parameters if not one.form.internal]))
    found = {}
    for one in parameters:
        if one.name not in given:
            if one.required:
                raise BadArgument(f"{one.name}: is missing: {one.form.help}")
            continue
        try:
            found[one.keyword] = read(one.form, given[one.name])
        except UnknownWord as error:
            raise BadArgument(unknown(one.name, error.word, error.known)) from None
        except ValueError as error:
            name = one.option.lstrip("-") if in_words and isinstance(one.form, Seconds) else one.name
            raise BadArgument(f"{name}: {error}") from None
    return found


def from_query(parameters: Sequence[Parameter], query: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """The values of a query as JSON would have them: a name that stands there once for each item, of a list. BadArgument if another name
    stands there twice."""
    forms = {one.name: one.form for one in parameters}
    found: dict[str, Any] = {}
    for name, word in query:
        form = forms.get(name)
        if isinstance(form, List):
            found.setdefault(name, []).append(form.each.from_word(word))
        elif name in found:
            raise BadArgument(f"{name[:60]!r} is there twice")
        else:
            found[name] = form.from_word(word) if form is not None else word
    return found


def read_rows(row: Callable[..., Row], given: Mapping[str, Any], name: str, most: int) -> list[Row]:
    """The list of mappings under ``name``, each made a ``row`` (a named tuple whose fields have forms). BadArgument for the first bad
    one, with the ``line`` of the file if the client sends it."""
    try:
        return Rows("", row, most).read(given.get(name))
    except ValueError as error:
        raise BadArgument(f"{name}: {error}") from None


def read_row(row: Callable[..., Row], given: Mapping[str, Any]) -> Row:
    """A row with a field ``line`` gets the line of the file, if the client sends it; 0 if not."""
    line = found if isinstance(found := given.get("line"), int) else 0
    own = {"line": line} if "line" in getattr(row, "_fields", ()) else {}
    values = {name: one for name, one in given.items() if name != "line"}
    try:
        return row(**read_values(parameters_of(row), values), **own)
    except CommandRefused as fault:
        raise (BadArgument(f"line {line}: {fault}", fault.cause, [(line, str(fault))]) if line else fault) from None


def on_lines(rows: Iterable[Any], check: Callable[[Any], Row]) -> list[Row]:
    """What ``check`` returns of each row; CommandRefused names the lines of all bad ones, where they are known."""
    found, faults = list[Row](), list[tuple[int, str]]()
    for row in rows:
        try:
            found.append(check(row))
        except CommandRefused as fault:
            if not row.line:
                raise
            faults.append((row.line, str(fault)))
    if faults:
        line, first = faults[0]
        raise BadArgument(f"line {line}: {first}", rows=faults)
    return found


def require_why(why: str) -> None:
    """CommandRefused where no reason is given for a command that needs one with these options."""
    if not why:
        raise BadArgument(f"why: must be text of 1 to {WHY_MAX} characters")


def object_of(body: bytes) -> dict[str, Any]:
    """The JSON object of a request's body. BadArgument where it is none, or where a key comes twice: one of its values would be lost."""
    try:
        found = json.loads(body, parse_constant=_no_constant, object_pairs_hook=_without_duplicates)
    except (ValueError, RecursionError):
        raise BadArgument("the body is no JSON") from None
    if not isinstance(found, dict):
        raise BadArgument("the body is no JSON object")
    return found


def _no_constant(name: str) -> float:
    """Refuses NaN and infinities, which are JavaScript's, not JSON's."""
    raise ValueError(name)


def _without_duplicates(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise BadArgument(f"{key:.100}: comes twice in one object: send it once")
        found[key] = value
    return found


Why = Annotated[str, Reason()]
To = Annotated[int, Recipient()]
