"""Problem: what is wrong in the rules folder, where, and what was probably meant.

In: a file's label, a line, a text. Out: one line that teaches its author (``rules/x.yaml:14: limit: unknown key 'widow' …``).
Never: a traceback for the people who write rules. All errors of this room:

    RulesError    the folder cannot be used; holds every Problem found
    RuleFault     one rule, list or test cannot be used; caught by the loader, which goes on with the next
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


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
    """What is wrong at one place of one file."""

    def __init__(self, line: int, text: str) -> None:
        super().__init__(text)
        self.line = line
        self.text = text
