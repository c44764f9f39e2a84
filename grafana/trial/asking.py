"""Asking: a board's queries, with its variables filled in as Grafana fills them in.

In: the JSON of a board, a Prometheus, what was chosen. Out: expressions that Prometheus understands. Never: a variable left over.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grafana.trial.prometheus import Prometheus

BOARDS = Path(__file__).parent.parent / "dashboards"
_VARIABLE = re.compile(r"\$\{(\w+)(?::\w+)?\}|\$(\w+)")
_VALUES = re.compile(r"label_values\((?:(.+),\s*)?(\w+)\)")
Chosen = Mapping[str, str | Sequence[str]]
"""Variable → one value, or several."""


def board(name: str, language: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((BOARDS / language / f"{name}.json").read_text(encoding="utf-8"))
    return found


def panels(of: Mapping[str, Any]) -> list[dict[str, Any]]:
    """All that show something (rows are headings)."""
    return [panel for panel in of["panels"] if panel["type"] != "row"]


@dataclass(frozen=True, slots=True)
class Window:
    """The time a board shows."""

    start: float
    end: float
    step_s: int
    scrape_s: int

    def built_in(self) -> dict[str, str]:
        """What Grafana knows by itself. The window of a rate is at least four scrapes, so that one may be missed."""
        length = round(self.end - self.start)
        rate = max(self.step_s + self.scrape_s, 4 * self.scrape_s)
        return {
            "__interval": f"{self.step_s}s",
            "__rate_interval": f"{rate}s",
            "__range": f"{length}s",
            "__range_s": str(length),
        }


def fill(expr: str, chosen: Chosen, window: Window) -> str:
    """KeyError names a variable that the board does not have."""
    known = {**chosen, **window.built_in()}

    def value(match: re.Match[str]) -> str:
        found = known[match[1] or match[2]]
        if isinstance(found, str):
            return found
        return "(" + "|".join(re.escape(one).replace("\\", "\\\\") for one in found) + ")"

    return _VARIABLE.sub(value, expr)


def choices(of: Mapping[str, Any], prometheus: Prometheus, window: Window) -> Iterator[tuple[dict[str, Any], list[str]]]:
    """Each variable of a board with the values it offers, as Grafana asks for them: those before it stand at their first choice."""
    chosen: dict[str, str | Sequence[str]] = {}
    for variable in of["templating"]["list"]:
        if variable["type"] != "query":
            continue
        match = _VALUES.fullmatch(variable["query"]["query"])
        if match is None:
            raise ValueError(f"not a question for the values of a label: {variable['query']}")
        selector = fill(match[1] or '{__name__=~".+"}', chosen, window)
        values = sorted(prometheus.label_values(match[2], selector, window.start, window.end))
        chosen[variable["name"]] = first(variable, values)
        yield variable, values


def first(variable: Mapping[str, Any], values: Sequence[str]) -> str:
    """What stands in a variable when a board is opened: all, where that is offered."""
    return variable["allValue"] if variable.get("includeAll") else values[0]
