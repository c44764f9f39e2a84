"""A person's decisions on proposed words become rows of the lexicon."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.desk.lexicon.word_candidates import (
    COLUMNS,
    FILE,
    Decision,
    ProposedWord,
    WordDecisions,
    read_decisions,
    rows_to_decide,
    with_decisions,
)
from proxy.operations.files.row_files import NotATable, rows_of, write_table
from proxy.policy.text.lexicon import read_lexicon

ONE = ProposedWord("学车包接送", 4, 12, 0, 9, 0, 5, "【甲店】学车包接送")


def decided(tmp_path: Path, *said: str, kind: str = "csv") -> Path:
    path = tmp_path / f"words.{kind}"
    rows = rows_to_decide(
        [ONE._replace(word=f"学车包接送{'一二三四'[place]}") for place in range(len(said))], "2026-11-03 to 2026-12-01"
    )
    write_table(path, COLUMNS, [[*row[:-1], word] for row, word in zip(rows, said, strict=True)])
    return path


def read(path: Path) -> WordDecisions:
    return read_decisions(path.name, rows_of(path))


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_a_file_is_written_decided_and_read(tmp_path: Path, kind: str) -> None:
    found = read(decided(tmp_path, "yes", "否", "", kind=kind))
    assert found.decisions == [
        Decision(("学车包接送一", "ad", "4", "", "12 hits and 0 false 2026-11-03 to 2026-12-01"), True),
        Decision(("学车包接送二", "rejected", "", "", "12 hits and 0 false 2026-11-03 to 2026-12-01"), False),
    ]
    assert (found.undecided, found.bad) == (1, 0)


def test_bad_rows_are_named_by_line(tmp_path: Path) -> None:
    assert read(decided(tmp_path, "yes", "perhaps")).problems == ["words.csv:3: decision: 'perhaps' is neither yes nor no"]


def test_rows_that_the_lexicon_would_refuse_are_all_named(tmp_path: Path) -> None:
    path = tmp_path / "words.csv"
    write_table(path, ("word", "for", "weight", "subcategory", "decision"), [
        ["学车包接送", "adv", "3", "", "yes"], ["学车包吃", "ad", "300", "", "yes"], ["学车包住", "ad", "3", "cars", "yes"], ["学车包过", "adv", "300", "", "no"],
    ])  # fmt: skip
    assert [one.split(": ")[0] + one.split(":")[2] for one in read(path).problems] == [
        "words.csv:2 for",
        "words.csv:3 weight",
        "words.csv:4 subcategory",
    ]


def test_another_table_is_none(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("text,label\na,b\n")
    with pytest.raises(NotATable, match="must name the columns word and decision"):
        read(tmp_path / "x.csv")


def test_decided_words_join_the_file_and_change_what_was_decided_before(tmp_path: Path) -> None:
    found = read(decided(tmp_path, "yes", "no")).decisions
    text = with_decisions("# own\nword,for,weight,subcategory,note\n学车包接送二,ad,3,,earlier\n某词,ad,3,,\n", found)
    lexicon, problems = read_lexicon(((f"rules/{FILE}", text.encode()),))
    assert not problems
    assert [(word.text, word.weight) for word in lexicon.words] == [("某词", 3), ("学车包接送一", 4)]
    assert lexicon.rejected == {"学车包接送二"}
    assert text.startswith("# own\n")
    assert with_decisions("", found).startswith("word,for,")
