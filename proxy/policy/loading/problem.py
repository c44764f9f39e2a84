"""Defines problems of a rules folder: place, fault, and advice.

In: a file's label, a line, a text. Out: one line that teaches its author (``rules/x.yaml:14: limit: unknown key 'widow' …``).
Never: a traceback for authors of rules. The errors of loading:

    RulesError    the folder cannot be used; holds every Problem found
    RuleFault     one rule, list or test cannot be used; the loader catches it and goes on with the next

A reader of several parts gathers the faults of each (``Faults``), so that an author sees all mistakes in one run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import NamedTuple, Self, TypeVar

Part = TypeVar("Part")
Found = TypeVar("Found")


NO_RULE = "holds no rule: every message would pass (copy rules into it; a gate without any: rules_may_be_empty: true)"
"""Of a folder."""


class Problem(NamedTuple):
    """One thing to put right."""

    file: str
    line: int  # from 1
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.text}"


class RulesError(Exception):
    """The rules cannot be used; the rule writer's fault. The old set stays in force."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = sorted(set(problems))
        super().__init__("\n".join(str(problem) for problem in self.problems))


class RuleFault(Exception):
    """What is wrong at one place of one file, and what else is wrong beside it."""

    def __init__(self, line: int, text: str, others: Sequence[RuleFault | RulesError] = ()) -> None:
        super().__init__(text)
        self.line = line
        self.text = text
        self.others = others

    def problems(self, file: str) -> list[Problem]:
        """All of it, of the file with this label."""
        beside = [one.problems if isinstance(one, RulesError) else one.problems(file) for one in self.others]
        return [Problem(file, self.line, self.text), *(problem for problems in beside for problem in problems)]


class Faults:
    """What is wrong in several parts: ``with faults:`` around the reading of each, ``settle`` behind them."""

    def __init__(self) -> None:
        self._faults: list[RuleFault] = []
        self._errors: list[RulesError] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> bool:
        if isinstance(error, RuleFault):
            self._faults.append(error)
        elif isinstance(error, RulesError):  # of a file that the part names
            self._errors.append(error)
        return isinstance(error, (RuleFault, RulesError))

    def settle(self) -> None:
        """Raises one RuleFault, or RulesError, with all that was gathered; nothing if all is well."""
        if self._faults:
            first, *others = self._faults
            raise RuleFault(first.line, first.text, (*first.others, *others, *self._errors))
        if self._errors:
            raise RulesError([problem for error in self._errors for problem in error.problems])


def each(parts: Iterable[Part], read: Callable[[Part], Found]) -> list[Found]:
    """What ``read`` makes of each part; raises what is wrong in any of them, together."""
    faults, found = Faults(), []
    for part in parts:
        with faults:
            found.append(read(part))
    faults.settle()
    return found
