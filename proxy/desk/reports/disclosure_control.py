"""Hides counts so small that they could identify a person.

A report reaches people who may know who received the one message in Tibet that day.

In: rows of counts. Out: the same with small rows together under one name, and small numbers as "<10". Never: numbers from which a hidden one
follows by subtraction: the rows shown do not add up to the total shown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

OTHERS = "(others)"
WITHHELD = "…"
LEAST = 10
"""Counts below it are hidden, as statistical offices commonly require."""


def shown(count: int, least: int) -> str:
    return f"<{least}" if 0 < count < least else f"{count:,}"


def shown_number(count: int, least: int) -> int | str:
    """For programs: the number, or the words that stand for a small one."""
    return f"<{least}" if 0 < count < least else count


def merge_small(rows: Mapping[str, Counter[str]], least: int) -> dict[str, Counter[str]]:
    """Merges small rows into one at the end, together with the next larger row if they are small even then."""
    large: dict[str, Counter[str]] = {}
    others: Counter[str] = Counter()
    for name, counted in rows.items():
        if name != OTHERS and counted.total() >= least:
            large[name] = counted
        else:
            others += counted
    while large and 0 < others.total() < least:
        others += large.pop(min(large, key=lambda name: large[name].total()))
    return large | ({OTHERS: others} if others else {})


def cells(rows: Mapping[str, Counter[str]], columns: Sequence[str], least: int) -> dict[str, dict[str, int | str]]:
    """The rows as they may be shown. If one number of a column is hidden, the next larger one is withheld, too: the column's sum is shown
    elsewhere."""
    found: dict[str, dict[str, int | str]] = {
        name: {column: shown_number(counted[column], least) for column in columns} for name, counted in rows.items()
    }
    for column in columns:
        hidden = [name for name in found if isinstance(found[name][column], str)]
        open_ = [name for name in found if name not in hidden and found[name][column]]
        if len(hidden) == 1 and open_:
            found[min(open_, key=lambda name: rows[name][column])][column] = WITHHELD
    return found


def cell_text(cell: int | str) -> str:
    return f"{cell:,}" if isinstance(cell, int) else cell


def bar_length(cell: int | str) -> int:
    """The length of a bar; 0 for a hidden number."""
    return cell if isinstance(cell, int) else 0


def rate(part: int, whole: int, least: int) -> float | None:
    """Per ten thousand; None where either is small: a rate of a few is not one."""
    return None if whole < least * 10 or 0 < part < least else part / whole * 10_000
