"""Writes and reads tables of proposed words that a person decides.

In: proposals; a CSV or XLSX file with the column ``decision``; the text of ``lexicon/reviewed.csv`` in force. Out: rows; that text with the
decided words. Never: a word accepted that nobody decided.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from proxy.desk.lexicon.word_candidates import ProposedWord
from proxy.desk.revisions import table_rows
from proxy.model.redact import csv_cell
from proxy.operations.files.row_files import FileFaults, NotATable, Row
from proxy.policy.text.lexicon import REJECTED, fault_of, normal_word

FILE = "lexicon/reviewed.csv"
COLUMNS = (
    "word", "for", "weight", "subcategory", "note", "hits", "false_hits", "new", "turned", "senders", "example", "decision",
)  # fmt: skip
_YES = frozenset(("yes", "y", "accept", "accepted", "1", "是", "接受", "同意", "采纳"))
_NO = frozenset(("no", "n", "reject", REJECTED, "0", "否", "拒绝", "不同意", "不采纳"))
HEADING = "word,for,weight,subcategory,note\n"


class Decision(NamedTuple):
    cells: tuple[str, str, str, str, str]
    """A row of the lexicon."""
    accepted: bool


def rows_to_decide(proposals: Iterable[ProposedWord], period: str) -> list[list[object]]:
    """One row a proposal; a person fills in ``decision``, and may change ``for``, ``weight`` and ``subcategory``."""
    return [
        [
            csv_cell(one.word), "ad", one.weight, "", f"{one.hits} hits and {one.false_hits} false {period}", one.hits, one.false_hits, one.new,
            one.turned, one.senders, csv_cell(one.example), "",
        ]
        for one in proposals
    ]  # fmt: skip


@dataclass
class WordDecisions(FileFaults):
    decisions: list[Decision] = field(default_factory=list)
    undecided: int = 0


def read_decisions(name: str, rows: Iterable[Row]) -> WordDecisions:
    """The decisions of a file; NotATable."""
    found = WordDecisions(name)
    heads: list[str] | None = None
    for line, cells in rows:
        if heads is None:
            heads = [cell.strip().lower() for cell in cells]
            if "word" not in heads or "decision" not in heads:
                raise NotATable(
                    f"{name}:{line}: its first row must name the columns word and decision (gate106 lexicon propose --out)"
                )
            continue
        found.read += 1
        by_name = dict(zip(heads, cells, strict=False))
        said = by_name.get("decision", "").strip().lower()
        word, purpose = by_name.get("word", "").strip(), by_name.get("for", "") or "ad"
        if not said:
            found.undecided += 1
        elif not word:
            found.note(line, "word: is missing")
        elif said in _YES:
            row = (word, purpose, by_name.get("weight", ""), by_name.get("subcategory", ""), by_name.get("note", ""))
            if fault := fault_of(row):
                found.note(line, fault)
            found.decisions.append(Decision(row, True))
        elif said in _NO:
            found.decisions.append(Decision((word, REJECTED, "", "", by_name.get("note", "")), False))
        else:
            found.note(line, f"decision: '{said[:20]}' is neither yes nor no")
    return found


def with_decisions(text: str, decided: Iterable[Decision]) -> str:
    """The file with these words added, or changed where it has them."""
    text = text or HEADING
    for one in decided:
        word = normal_word(one.cells[0])
        rows = table_rows.read(FILE, text).rows
        row = next((row for row in rows if normal_word(row.cells[0]) == word), None)
        text = table_rows.added(FILE, text, one.cells) if row is None else table_rows.changed(FILE, text, row, one.cells)
    return text
