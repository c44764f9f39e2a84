"""Reads CSV files into cells by column name, or reports why not.

What a cell means is not known here (typed_rows.py, policy/text/lexicon.py, regions.py).

A heading line may come first; then its columns are checked. Lines with # are comments. Columns at the end may be left out.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from proxy.config.yaml_file import YamlError, decoded, unknown
from proxy.policy.loading.problem import Problem

Cells = dict[str, str]
_SEPARATORS = {";": "semicolons", "\t": "tabs", "，": "Chinese commas"}
"""What spreadsheets and people write instead of a comma."""


def rows(
    label: str, data: bytes, columns: tuple[str, ...], problems: list[Problem], *, more: bool = False
) -> Iterator[tuple[int, Cells]]:
    """The rows of a file. ``more``: further columns may follow, and are ignored. A fault of the whole file is one problem and ends reading."""
    try:
        text = decoded(data, label)
    except YamlError as fault:
        problems.append(Problem(label, fault.line, fault.text))
        return
    reader = csv.reader(io.StringIO(text, newline=None))  # line by line: a big file is not cut up at once
    first = True
    try:
        for row in reader:
            cells = [cell.strip() for cell in row]
            if not any(cells) or cells[0].startswith("#"):
                continue
            if first and _is_heading(cells, columns):
                if wrong := _heading(cells, columns, more=more):
                    problems.append(Problem(label, reader.line_num, wrong))
                    return
            elif between := _separator(cells):
                problems.append(Problem(label, reader.line_num, f"{between}: save the file with commas ({','.join(columns)})"))
                return
            elif len(cells) > len(columns) and not more:
                problems.append(Problem(label, reader.line_num, f"{len(cells)} columns, expected {','.join(columns)}"))
            else:
                yield reader.line_num, dict(zip(columns, cells + [""] * (len(columns) - len(cells)), strict=False))
            first = False
    except csv.Error as broken:
        problems.append(Problem(label, reader.line_num, f"no CSV: {broken}"))


def _is_heading(cells: list[str], columns: tuple[str, ...]) -> bool:
    """Whether a first line is a heading: it begins like one, or at least two of its cells are column names."""
    return cells[0] == columns[0] or len(set(cells) & set(columns)) > 1


def _heading(cells: list[str], columns: tuple[str, ...], *, more: bool) -> str:
    """What is wrong with the headings; empty if nothing is."""
    strange = [cell for place, cell in enumerate(cells) if cell not in columns and not (more and place >= len(columns))]
    if strange:
        return f"{unknown('column', strange[0], columns)}; expected {','.join(columns)}"
    if cells[: len(columns)] != list(columns[: len(cells)]):
        return f"the columns stand in another order: expected {','.join(columns)}"
    return ""


def _separator(cells: list[str]) -> str:
    if len(cells) == 1:
        for mark, name in _SEPARATORS.items():
            if len([part for part in cells[0].split(mark) if part.strip()]) > 1:
                return f"one column: {name} stand between the cells"
    return ""
