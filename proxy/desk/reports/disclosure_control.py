"""Hides counts so small that they could identify a person.

A report reaches people who may know who received the one message in Tibet that day.

In: rows of counts. Out: the same with small rows together under one name, and small numbers as "<10". Never: numbers from which a hidden one
follows by subtraction: the rows shown do not add up to the total shown.

Tables whose totals are exact are treated by cell suppression, a method of statistical offices (Handbook on Statistical Disclosure Control,
https://sdctools.github.io/HandbookSDC): a small count is hidden (primary), and further cells of its column, so that it does not follow by
subtraction (secondary). The hidden cells of a column stand together in one row, so each column adds up to its total.

    hidden         counts from 1 to least - 1; then the next larger ones, until two or more are hidden, their sum is least or more,
                   and the sum does not say what each of them is; where a column has too few, its zeros, too
    a row's total  hidden with any of its cells
    a change       hidden where one of its months is

Of a table whose rows have sums, too, rectangles of cells are hidden (``hidden_cells``).

Who knows the table, its totals and what small means cannot say what a hidden cell is. Who also knows which cell is hidden beside a small one,
and compares it with those that are shown, may narrow it down.

In: counts by row and column. Out: the names of hidden rows, by column, or of hidden cells. Never: a count rounded.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

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


def bar_length(cell: object) -> int:
    """The length of a bar; 0 for a hidden number."""
    return cell if isinstance(cell, int) else 0


def rate(part: int, whole: int, least: int) -> float | None:
    """Per ten thousand; None where either is small: a rate of a few is not one."""
    return None if whole < least * 10 or 0 < part < least else part / whole * 10_000


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
    found = dict[str, frozenset[str]]()
    for column in columns:
        counts = {name: row.get(column, 0) for name, row in rows.items()}
        found[column] = hidden_in_column(counts, least, last, (also or {}).get(column, ()))
    return found | {ALL: frozenset[str]().union(*found.values())}


def hidden_cells(
    rows: Mapping[str, Mapping[str, int]], unlisted: Collection[str], least: int, last: Collection[str] = ()
) -> frozenset[tuple[str, str]]:
    """The cells (row, column) that are hidden where the sums of all rows and of all columns are known.

    All of the columns ``unlisted``, and all small ones. Each small cell is a corner of a rectangle of hidden cells. Its neighbours in row and
    column hold counts: it may be larger and they smaller by the same number, and no sum changes. What is hidden of its row, and of its column,
    is at least ``least``. Of all such rectangles that were tried it is one that hides the fewest more cells.
    """
    counts = {(row, column): count for row, cells in rows.items() for column, count in cells.items() if count}
    small = sorted(cell for cell, count in counts.items() if count < least)
    found = {cell for cell in counts if cell[1] in unlisted} | set(small)
    of_row, of_column = Counter[str](), Counter[str]()
    for row, column in found:
        of_row[row] += counts[row, column]
        of_column[column] += counts[row, column]

    def cost(cells: Collection[tuple[str, str]]) -> tuple[int, int, int, int, list[tuple[str, str]]]:
        return (
            sum(cell not in counts for cell in cells), sum(column in last for _, column in cells), len(cells),
            sum(counts.get(cell, 0) for cell in cells), sorted(cells),
        )  # fmt: skip

    def nearest(cells: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
        return sorted((one for one in cells if one in counts), key=lambda one: cost({one} - found))[:NEAREST]

    for row, column in small:
        beside = nearest((row, one) for one in rows[row] if one != column and (of_row[row] >= least or (row, one) not in found))
        above = nearest(
            (one, column) for one in rows if one != row and (of_column[column] >= least or (one, column) not in found)
        )
        rectangles = ({(row, b), (a, column), (a, b)} - found for _, b in beside for a, _ in above)
        for cell in min(rectangles, key=cost, default=()):
            found.add(cell)
            of_row[cell[0]] += counts.get(cell, 0)
            of_column[cell[1]] += counts.get(cell, 0)
    return frozenset(found)


NEAREST = 8
"""Neighbours of a small cell that are tried in its row, and in its column: 64 rectangles."""
ALL = "all"
"""The column of the rows' sums."""
