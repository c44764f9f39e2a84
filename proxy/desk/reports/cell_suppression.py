"""Hides small cells of tables whose totals are exact.

Cell suppression, a method of statistical offices for tables of counts about persons (Handbook on Statistical Disclosure Control,
https://sdctools.github.io/HandbookSDC): a small count is hidden (primary), and further cells of its column, so that it does not follow by
subtraction (secondary). The hidden cells of a column stand together in one row, so each column adds up to its total.

    hidden         counts from 1 to least - 1; then the next larger ones, until two or more are hidden, their sum is least or more,
                   and the sum does not say what each of them is; where a column has too few, its zeros, too
    a row's total  hidden with any of its cells
    a change       hidden where one of its months is

Who knows the table, its totals and what small means cannot say what a hidden cell is. Who also knows which cell is hidden beside a small one,
and compares it with those that are shown, may narrow it down.

In: counts by row and column. Out: the names of hidden rows, by column. Never: a count rounded.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence


def hidden_in_column(
    counts: Mapping[str, int], least: int, last: Collection[str] = (), also: Collection[str] = ()
) -> frozenset[str]:
    """The rows whose cell is hidden. ``last``: rows that are hidden beside small ones only if there are no others; ``also``: those that are
    hidden in any case."""
    found = [name for name, count in counts.items() if 0 < count < least or (count and name in also)]
    if not found:
        return frozenset()
    others = sorted(
        (name for name, count in counts.items() if count >= least and name not in found),
        key=lambda name: (name in last, counts[name], name),
    )
    while not is_safe([counts[name] for name in found], least):
        if not others:
            return frozenset(counts)
        found.append(others.pop(0))
    return frozenset(found)


def is_safe(counts: Sequence[int], least: int) -> bool:
    """Whether the sum does not tell what each is: all may be 1, or all one less than the least."""
    total = sum(counts)
    return len(counts) > 1 and total >= least and total not in (len(counts), len(counts) * (least - 1))


def hidden_in_table(
    rows: Mapping[str, Mapping[str, int]],
    columns: Iterable[str],
    least: int,
    last: Collection[str] = (),
    also: Mapping[str, Collection[str]] | None = None,
) -> dict[str, frozenset[str]]:
    """Hidden rows by column, and under ``ALL`` those whose sum is. ``also``: rows by column that are hidden in any case."""
    found = {
        column: hidden_in_column(
            {name: row.get(column, 0) for name, row in rows.items()}, least, last, (also or {}).get(column, ())
        )
        for column in columns
    }
    return found | {ALL: frozenset[str]().union(*found.values())}


def columns_together(
    rows: Mapping[str, Mapping[str, int]], hidden: Collection[str], least: int, last: Collection[str] = ()
) -> frozenset[str]:
    """The columns that each row shows only as one sum, where sums of rows and of columns that are not ``hidden`` are known.

    All columns with a small cell, and the next larger ones until two or more are together and each row's sum is 0 or least or more. Of several
    rows and columns whose sums alone are known no cell follows; of one row they are the sums of the columns, and ``hidden`` is among them.
    """
    sums = Counter[str]()
    for row in rows.values():
        sums.update(row)
    found = set(hidden) & set(sums) | {name for row in rows.values() for name, count in row.items() if 0 < count < least}
    others = sorted(set(sums) - found, key=lambda name: (name in last, sums[name], name))

    def are_enough() -> bool:
        of_rows = [sum(row.get(name, 0) for name in found) for row in rows.values()]
        return len(found) > 1 and not any(0 < one < least for one in of_rows)

    while found and others and not are_enough():
        found.add(others.pop(0))
    return frozenset(found)


ALL = "all"
"""The column of the rows' sums."""
