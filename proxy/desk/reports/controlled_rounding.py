"""Rounds counts of tables such that totals still add up.

Small counts are hidden.

Controlled rounding, a method of statistical offices for tables of counts about persons (Handbook on Statistical Disclosure Control, §5.5:
https://sdctools.github.io/HandbookSDC/05-frequency-tables.html). Every count becomes a multiple of a base, up or down, so that each column
adds up to its rounded total, which is the same in every table of the report:

    a cell     the multiple below or above its count; a multiple stays; of a column those furthest above their multiple are rounded up
    a total    the nearest multiple of its count; a row's total is the sum of its cells
    a row      whose cells all become 0 is left out, so that it does not say that there was somebody

A count of 1 to 9 looks like 0 or 10, and does not follow from the others by subtraction. Suppression would need a second hidden number in every
table that shares a total, and the totals would not add up.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence


def rounded(count: int, base: int) -> int:
    return (count + base // 2) // base * base


def rounded_column(counts: Mapping[str, int], total: int, base: int) -> dict[str, int]:
    """Counts as multiples of ``base`` that add up to ``total``, a multiple next to their sum."""
    found = {name: count // base * base for name, count in counts.items()}
    up = (total - sum(found.values())) // base
    for name in sorted(counts, key=lambda name: (found[name] - counts[name], name))[:up]:
        found[name] += base
    return found


def rounded_table(
    rows: Mapping[str, Mapping[str, int]], columns: Iterable[str], totals: Mapping[str, int], base: int
) -> dict[str, Counter[str]]:
    """Rows by name, the largest first; ``totals``: of the columns, rounded."""
    found: dict[str, Counter[str]] = {name: Counter() for name in rows}
    for column in columns:
        cells = rounded_column({name: row.get(column, 0) for name, row in rows.items()}, totals[column], base)
        for name, cell in cells.items():
            found[name][column] = cell
    return dict(sorted(((name, row) for name, row in found.items() if row.total()), key=lambda one: (-one[1].total(), one[0])))


def sums(rows: Iterable[Counter[str]], columns: Sequence[str]) -> list[int]:
    """The columns' sums, and the sum of all."""
    found = [0] * len(columns)
    for row in rows:
        found = [before + row[column] for before, column in zip(found, columns, strict=True)]
    return [*found, sum(found)]
