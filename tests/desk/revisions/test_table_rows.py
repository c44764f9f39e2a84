"""A row is added, changed or removed, and all other lines stay."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from proxy.desk.revisions import table_rows

PORTS = "registries/ports.csv"
TEXT = """# prefix,province,categories: the longest prefix counts
prefix,province,categories
10620025,江苏,
# of 2025
"10620021", 上海 ,"otp,notice"

1069
"""


def test_rows_are_found_with_their_lines_and_their_columns() -> None:
    sheet = table_rows.read(PORTS, TEXT)
    assert sheet.columns == ("prefix", "province", "categories", "advertiser", "carrier", "from", "to", "responsible")
    assert [(one.at, one.cells) for one in sheet.rows] == [
        (2, ("10620025", "江苏", *[""] * 6)),
        (4, ("10620021", "上海", "otp,notice", *[""] * 5)),
        (6, ("1069", *[""] * 7)),
    ]


def test_one_row_is_changed_and_no_other_line_is_touched() -> None:
    sheet, lines = table_rows.read(PORTS, TEXT), TEXT.splitlines()
    other = table_rows.changed(PORTS, TEXT, sheet.rows[1], ("10620021", "上海", "otp")).splitlines()
    assert other == [*lines[:4], "10620021,上海,otp", *lines[5:]]
    assert table_rows.without(PORTS, TEXT, sheet.rows[1]).splitlines() == [*lines[:4], *lines[5:]]
    assert table_rows.added(PORTS, TEXT, ("1068", "北京", "otp,notice")).splitlines() == [*lines, '1068,北京,"otp,notice"']


def test_a_row_of_several_lines_goes_as_one() -> None:
    text = 'template,signature\na,"one\ntwo"\nb,c\n'
    sheet = table_rows.read("registries/templates.csv", text)
    assert [(one.at, one.lines) for one in sheet.rows] == [(1, 2), (3, 1)]
    assert table_rows.without("registries/templates.csv", text, sheet.rows[0]) == "template,signature\nb,c\n"


@pytest.mark.parametrize("between", ["\u2028", "\x85", "\v", "\f", "\x1c"], ids=ascii)
def test_what_somebody_pasted_into_a_cell_moves_no_other_row(between: str) -> None:
    file, first = "registries/signatures.csv", f"甲{between}店,甲公司"
    text = f"signature,advertiser\n{first}\n乙店,乙公司\r\n丙店,丙公司\n"
    sheet = table_rows.read(file, text)
    assert [one.cells[0] for one in sheet.rows] == [f"甲{between}店", "乙店", "丙店"]
    assert table_rows.without(file, text, sheet.rows[2]) == f"signature,advertiser\n{first}\n乙店,乙公司\n"
    assert table_rows.changed(file, text, sheet.rows[1], ("丁店", *sheet.rows[1].cells[1:])).splitlines()[-2:] == [
        "丁店,乙公司" + "," * 12,
        "丙店,丙公司",
    ]
    assert table_rows.added(file, text, ("戊店",)).startswith(f"signature,advertiser\n{first}\n乙店")


def test_a_list_of_words_has_one_word_a_line() -> None:
    text = "# banned\n代开发票\n\n六合彩\n"
    sheet = table_rows.read("lists/banned.txt", text)
    assert [one.cells for one in sheet.rows] == [("代开发票",), ("六合彩",)]
    assert table_rows.changed("lists/banned.txt", text, sheet.rows[1], ("六合\n彩金",)) == "# banned\n代开发票\n\n六合 彩金\n"


@pytest.mark.parametrize("text", ["a\0b\n", '"', "", "\ufeff", ",\n", "prefix,province\n" * 3])
def test_whatever_stands_there_is_read(text: str) -> None:
    table_rows.read(PORTS, text)


CELLS = some.text(some.characters(blacklist_categories=("Cs", "Cc")), max_size=12).map(lambda one: " ".join(one.split()))


ROW = some.tuples(*[CELLS] * 8)


@given(some.lists(ROW, max_size=6), ROW, some.integers(0, 5))
def test_what_is_written_is_read_again(table: list[tuple[str, ...]], cells: tuple[str, ...], place: int) -> None:
    table = [("1", *one[1:]) for one in table]
    cells = ("2", *cells[1:])
    text = "prefix,province,categories\n"
    for one in table:
        text = table_rows.added(PORTS, text, one)
    sheet = table_rows.read(PORTS, text)
    assert [one.cells for one in sheet.rows] == table
    if place < len(table):
        assert [one.cells for one in table_rows.read(PORTS, table_rows.changed(PORTS, text, sheet.rows[place], cells)).rows] == [
            *table[:place], cells, *table[place + 1 :],
        ]  # fmt: skip
        assert [one.cells for one in table_rows.read(PORTS, table_rows.without(PORTS, text, sheet.rows[place])).rows] == [
            *table[:place], *table[place + 1 :],
        ]  # fmt: skip


def test_changes_of_a_table_are_rows_by_column_whatever_its_headings_are() -> None:
    before = "广告主,签名,状态\n青禾贸易,青禾,通过\n丰年市集,丰年,通过\n"
    after = "# note\n广告主,签名,状态\n丰年市集,丰年,通过\n青禾贸易,青禾,撤销\n"
    found = [("signature", "青禾"), ("advertiser", "青禾贸易")]
    assert table_rows.changes("registries/signatures.csv", before, after) == [
        ("-", [*found, ("state", "approved")]), ("+", [*found, ("state", "revoked")]),
    ]  # fmt: skip
    assert table_rows.changes("registries/segments.csv", "", "1380013,,,表\n")[0][1][-1] == ("segments.source", "表")
