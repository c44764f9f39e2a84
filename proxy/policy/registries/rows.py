"""Reads CSV files into cells by column name, or reports why not.

What a cell means is not known here (typed_rows.py, policy/text/lexicon.py, regions.py).

A heading line may come first, in Chinese or English; then its columns are checked, and may stand in any order. Lines with # are comments.
Columns may be left out: without a heading, those at the end.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Iterator, Mapping, Sequence

from proxy.config.yaml_file import YamlError, decoded, unknown
from proxy.policy.loading.problem import Problem
from proxy.policy.registries.table_words import places

Cells = dict[str, str]
Words = Mapping[str, Collection[str]]
NO_WORDS: Words = {}
_SEPARATORS = {";": "semicolons", "\t": "tabs", "，": "Chinese commas"}
"""What spreadsheets and people write instead of a comma."""


def rows(
    label: str, data: bytes, columns: tuple[str, ...], problems: list[Problem], *, more: bool = False, words: Words = NO_WORDS
) -> Iterator[tuple[int, Cells]]:
    """The rows of a file. ``more``: further columns may follow, and are ignored. ``words``: other headings of columns (table_words.py). A fault
    of the whole file is one problem and ends reading."""
    try:
        text = decoded(data, label)
    except YamlError as fault:
        problems.append(Problem(label, fault.line, fault.text))
        return
    reader = csv.reader(io.StringIO(text, newline=None))  # line by line: a big file is not cut up at once
    first, order, most = True, columns, 0 if more else len(columns)
    try:
        for row in reader:
            cells = [cell.strip() for cell in row]
            if not any(cells) or cells[0].startswith("#"):
                continue
            if first and (found := heading(cells, columns, words)) is not None:
                if found != columns[: len(found)]:
                    order, most = found, 0 if more else len(found)
                kept = {name for name in order if name in columns}
                strange = [
                    name for place, name in enumerate(order) if name not in kept and not (more and place >= len(columns))
                ]
                if strange:
                    problem = f"{unknown('column', strange[0], columns)}; expected {','.join(columns)}"
                    problems.append(Problem(label, reader.line_num, problem))
                    return
            elif between := _separator(cells):
                problems.append(Problem(label, reader.line_num, f"{between}: save the file with commas ({','.join(columns)})"))
                return
            elif most and len(cells) > most:
                problems.append(Problem(label, reader.line_num, f"{len(cells)} columns, expected {','.join(order)}"))
            else:
                found_cells = dict(zip(order, cells, strict=False))
                yield reader.line_num, {name: found_cells.get(name, "") for name in columns}
            first = False
    except csv.Error as broken:
        problems.append(Problem(label, reader.line_num, f"no CSV: {broken}"))


def heading(cells: Sequence[str], columns: Sequence[str], words: Words = NO_WORDS) -> tuple[str, ...] | None:
    """The columns that a heading line names, in its order: a heading that names none stays as it is written. None: it is no heading, as it
    neither begins with the first column nor names two."""
    found, _ = places(cells, {name: words.get(name, ()) for name in columns})
    if found.get(columns[0]) != 0 and len(found) < 2:
        return None
    names = {place: name for name, place in found.items()}
    return tuple(names.get(place, f"'{cell}'" if cell in columns else cell) for place, cell in enumerate(cells))


def _separator(cells: list[str]) -> str:
    if len(cells) == 1:
        for mark, name in _SEPARATORS.items():
            if len([part for part in cells[0].split(mark) if part.strip()]) > 1:
                return f"one column: {name} stand between the cells"
    return ""
