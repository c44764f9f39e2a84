"""Compiles regular expressions at their first use, or when rules are loaded.

The expressions about texts take 0.3 s to compile: a command that reads no text does not wait for them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, AnyStr, Generic, cast

_EVERY: list[_LazyRegex[Any]] = []


class _LazyRegex(Generic[AnyStr]):
    """Gets each method of the compiled expression as an attribute of its own when that is first asked for."""

    def __init__(self, source: AnyStr | Callable[[], AnyStr], flags: int) -> None:
        self._source: AnyStr | Callable[[], AnyStr] = source
        self._flags = flags
        self._compiled: re.Pattern[AnyStr] | None = None
        _EVERY.append(self)

    def compiled(self) -> re.Pattern[AnyStr]:
        if self._compiled is None:
            self._compiled = re.compile(self._source() if callable(self._source) else self._source, self._flags)
        return self._compiled

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.compiled(), name)
        setattr(self, name, found)
        return found


def lazy_regex(source: AnyStr | Callable[[], AnyStr], flags: int = 0) -> re.Pattern[AnyStr]:
    """What ``re.compile`` gives, compiled later. ``source``: a function where the expression itself takes long to put together."""
    return cast("re.Pattern[AnyStr]", _LazyRegex(source, flags))


def compile_all() -> None:
    """Compiles what is not compiled yet: before the first message."""
    for one in _EVERY:
        one.compiled()
