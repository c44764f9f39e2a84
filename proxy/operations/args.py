"""Checks the arguments of a command, one by one.

In: a JSON object. Out: texts, numbers, flags, lists, a recipient; CommandRefused. Never: an unchecked value, an argument that the command
did not ask for.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from proxy.config.yaml_file import unknown
from proxy.model.number import NotARecipient, recipient_of
from proxy.operations.authorization import CommandRefused

_HALVES = re.compile("[\ud800-\udfff]")
Row = TypeVar("Row")
LINES_MAX = 1e12
WHY_MAX = 500
"""Characters of a reason."""


def object_of(body: bytes) -> dict[str, Any]:
    """The JSON object of a request's body. CommandRefused where it is none, or where a key comes twice: one of its values would be lost."""
    try:
        said = json.loads(body, parse_constant=_no_constant, object_pairs_hook=_without_duplicates)
    except (ValueError, RecursionError):
        raise CommandRefused("the body is no JSON") from None
    if not isinstance(said, dict):
        raise CommandRefused("the body is no JSON object")
    return said


def _no_constant(name: str) -> float:
    """Refuses NaN and infinities, which are JavaScript's, not JSON's."""
    raise ValueError(name)


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise CommandRefused(f"{key:.100}: comes twice in one object: send it once")
        found[key] = value
    return found


class Args(Mapping[str, Any]):
    """The arguments of a command; CommandRefused with the name of a bad one."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values
        self._known: list[str] = []

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def _take(self, name: str) -> Any:
        self._known.append(name)
        return self._values.get(name)

    def text(self, name: str, default: str | None = None, most: int = 1000) -> str:
        """``default`` None: it must be there."""
        found = self._take(name)
        if found is None and default is not None:
            return default
        if not isinstance(found, str) or not found.strip() or len(found) > most or not _has_whole_characters(found):
            raise CommandRefused(f"{name}: must be text of 1 to {most} characters")
        return found

    def why(self) -> str:
        """The reason for a command, which the journal keeps."""
        return " ".join(self.text("why", most=WHY_MAX).split())

    def texts(self, name: str, most: int = 100) -> list[str]:
        found = self._take(name)
        if found is None:
            return []
        if (
            not isinstance(found, list)
            or len(found) > most
            or not all(isinstance(one, str) and one and _has_whole_characters(one) for one in found)
        ):
            raise CommandRefused(f"{name}: must be a list of at most {most} texts")
        return found

    def rows(self, name: str, most: int) -> list[Args]:
        """A list of mappings."""
        found = self._take(name)
        if not isinstance(found, list) or len(found) > most or not all(isinstance(one, dict) for one in found):
            raise CommandRefused(f"{name}: must be a list of at most {most} mappings")
        return [Args(one) for one in found]

    def number(self, name: str, default: float | None, least: float, most: float) -> float:
        found = self._take(name)
        if found is None and default is not None:
            return default
        if isinstance(found, bool) or not isinstance(found, int | float) or not least <= found <= most:
            raise CommandRefused(f"{name}: must be a number from {least:g} to {most:g}")
        return float(found)

    def seconds(self, name: str, default: float | None, least: float, most: float) -> float:
        """A ``number`` that people give with a unit (``for_s``: --for 24h); errors have the unit, too."""
        found = self._values.get(name)
        try:
            return self.number(name, default, least, most)
        except CommandRefused:
            said = f", not {_spelt(found)}" if isinstance(found, int | float) and not isinstance(found, bool) else ""
            raise CommandRefused(f"{name.removesuffix('_s')}: must be from {_spelt(least)} to {_spelt(most)}{said}") from None

    def flag(self, name: str) -> bool:
        found = self._take(name)
        if not isinstance(found, bool | None):
            raise CommandRefused(f"{name}: must be true or false")
        return bool(found)

    def done(self) -> None:
        """Checks that no argument is left over: an unread one is unknown."""
        for name in self._values:
            if name not in self._known:
                raise CommandRefused(unknown("argument", str(name), self._known))


def _has_whole_characters(text: str) -> bool:
    """Whether any file and table can hold the text: JSON may contain half a surrogate pair."""
    return text.isascii() or not _HALVES.search(text)


def recipient(args: Args) -> int:
    """The argument ``to``, in any spelling; CommandRefused if it is no recipient."""
    try:
        return recipient_of(args.text("to", most=100))
    except NotARecipient as fault:
        raise CommandRefused(f"to: {fault}") from None


def each(rows: Sequence[Args], read: Callable[[Args], Row]) -> list[Row]:
    """Reads each row; CommandRefused for the first bad one, with the ``line`` of the file if the client sends it."""
    found = []
    for row in rows:
        line = int(row.number("line", 0, 0, LINES_MAX))
        try:
            found.append(read(row))
        except CommandRefused as fault:
            raise (CommandRefused(f"line {line}: {fault}", fault.cause) if line else fault) from None
    return found


def _spelt(seconds: float) -> str:
    """``86400`` → ``24h``, ``2678400`` → ``31d``."""
    for unit, size in (("d", 86_400), ("h", 3600), ("m", 60)):
        if seconds >= 2 * size and seconds % size == 0:
            return f"{seconds / size:g}{unit}"
    return f"{seconds:g}s"
