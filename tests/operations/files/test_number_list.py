"""Files of numbers: encodings, bad rows with their lines, large files, exports."""

from __future__ import annotations

import csv
import random
from pathlib import Path
from typing import Any

import pytest

from proxy.operations.files.number_list import BATCH, COLUMNS, ListedRefusal, NumberFile, export_row, read_number_file
from proxy.operations.files.row_files import BAD_SHOWN
from proxy.policy import time_windows
from proxy.policy.registries.table_words import UNSAID
from proxy.state.lists.suppression_lists import CHUNK_BITS

ALL, JIA = ListedRefusal("all", "", "import", 0), ListedRefusal("provider", "jia", "import", 0)


@pytest.fixture
def read(tmp_path: Path):
    def read(content: str | bytes, default: ListedRefusal = ALL) -> NumberFile:
        file = tmp_path / "list.csv"
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        return read_number_file(file, default)

    return read


def numbers(people: NumberFile, refusal: ListedRefusal = ALL) -> list[int]:
    if refusal not in people.by:
        return []
    return [(chunk << CHUNK_BITS) + low for chunk, lows in people.chunks(refusal) for low in lows]


SPELT = "13800210500\n8613800210501\n+8613800210502\n0086 138-0021-0503\n\n# a remark\n１３８００２１０５０４\n 13800210505 \n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gbk", "utf-16"])
def test_a_number_a_line_in_any_spelling_and_encoding(read, encoding: str) -> None:
    people = read(SPELT.encode(encoding))
    assert (numbers(people), people.rows, people.problems) == ([13800210500 + n for n in range(6)], 6, [])


@pytest.mark.parametrize("odd", ["0013800138000", "1380013800"])
def test_a_number_with_zeros_before_it_is_no_number_in_a_plain_list_either(read, odd: str) -> None:
    people = read(f"13800210500\n{odd}\n")
    assert (people.bad, people.problems[0].startswith("list.csv:2: no recipient")) == (1, True)


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_lines_may_end_as_they_like(read, newline: str) -> None:
    assert numbers(read(newline.join(["13800210500", "13800210501", ""]))) == [13800210500, 13800210501]


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030"])
def test_columns_that_nobody_knows_are_all_named(read, encoding: str) -> None:
    people = read('号码,姓名,备注\n13800210500,"张, 三","say ""no"""\n13800210501\n'.encode(encoding))
    assert (numbers(people), people.problems) == ([13800210500, 13800210501], [])
    assert (people.unknown, people.heading) == (["姓名", "备注"], 1)


def test_a_column_is_dropped_by_its_heading_and_a_heading_that_is_not_there_is_a_fault(tmp_path: Path) -> None:
    file = tmp_path / "list.csv"
    file.write_text("号码,归属地\n13800210500,江苏\n")
    people = read_number_file(file, ALL, ignore=["归属地"])
    assert (people.unknown, people.ignored, people.problems) == ([], ["归属地"], [])
    people = read_number_file(file, ALL, ignore=["归属地址"])
    assert people.problems == ["list.csv:1: --ignore: unknown column '归属地址' (did you mean '归属地'?)"]


@pytest.mark.parametrize("heads", ["姓名,手机号,工号", "工号,手机号,姓名", "工号,手机号"])
def test_without_its_number_column_a_list_is_refused_and_no_other_column_is_read_as_numbers(tmp_path: Path, heads: str) -> None:
    file = tmp_path / "list.csv"
    file.write_text(f"{heads}\n13800210501,13800210500,13800210502\n")
    for ignore in (["手机号"], heads.split(",")):
        people = read_number_file(file, ALL, ignore=ignore)
        assert people.problems == ["list.csv:1: --ignore: '手机号' is the column of the numbers, which every row needs"]
        assert (people.rows, people.numbers, people.bad) == (0, 0, 1)
    file.write_text("甲,备注\n13800210501,13800210500\n")
    people = read_number_file(file, ALL, ignore=["甲"])
    assert (people.rows, people.headless, people.bad) == (0, True, 1)


def test_titles_totals_and_remarks_are_no_rows(read) -> None:
    table = "2026年11月名单,,\n导出时间：2026/11/30 09:12,,\n,,\n号码,来源,有效期至\n13800210500,投诉,2028/1/1\n\n合计,1,\n注：不得再发。,,\n"
    for text in (table, table.replace(",", "\t"), table.replace(",", ";")):
        people = read(text.encode("gbk"))
        until = time_windows.moment("2028-01-02")[0]
        assert (people.problems, people.rows, people.notes, people.heading) == ([], 1, [7, 8], 4)
        assert numbers(people, ListedRefusal("all", "", "complaint", until)) == [13800210500]


def test_a_day_that_lost_its_format_in_a_spreadsheet_is_a_day(read) -> None:
    people = read("号码,有效期至\n13800210500,46203\n")
    assert numbers(people, ListedRefusal("all", "", "import", time_windows.moment("2026-07-01")[0])) == [13800210500]


@pytest.mark.parametrize(
    "written",
    [
        "2027-06-30 00:00:00",
        "2027/6/30 0:00",
        "2027年6月30日 0点00分",
        "2027-06-30T00:00:00+08:00",
        "20270630 000000",
        "2027-06-30",
    ],
)
def test_a_last_day_written_with_a_midnight_ends_with_that_day(read, written: str) -> None:
    people = read(f"号码,有效期至\n13800210500,{written}\n")
    assert numbers(people, ListedRefusal("all", "", "import", time_windows.moment("2027-07-01")[0])) == [13800210500]


def test_columns_say_what_each_row_refuses(read) -> None:
    people = read(
        "scope,value,number,until,source\n"
        "provider,jia,13800210500,2026-12-31,complaint\n"
        ",,13800210501,,\n"
        "all,,13800210502,,reply\n"
        "signature,'=京选,13800210503,2027-01-01 10:00:00,\n",
        JIA,
    )
    assert people.problems == []
    assert {refusal: numbers(people, refusal) for refusal in people.by if numbers(people, refusal)} == {
        ListedRefusal("provider", "jia", "complaint", time_windows.moment("2027-01-01")[0]): [13800210500],
        JIA: [13800210501],
        ListedRefusal("all", "", "import", 0): [13800210502],  # a person's own word, told by another, is an import
        ListedRefusal("signature", "=京选", "import", time_windows.moment("2027-01-01 10:00")[0]): [13800210503],
    }


def test_street_headings_and_words_of_a_list_are_read_and_an_empty_cell_is_no_default(read) -> None:
    unsaid = ListedRefusal("all", "", "", UNSAID)
    people = read(
        "退订号码,屏蔽类型,屏蔽对象,退订渠道,截至日期\n13800210500,按签名,京选,客服电话,永不过期\n13800210501,类别,房地产类,用户投诉,\n"
        "13800210502,全部短信,,,长期\n,全部短信,,投诉,长期\n",
        unsaid,
    )
    assert numbers(people, ListedRefusal("signature", "京选", "hotline", 0)) == [13800210500]
    assert (people.unknown, people.problems) == ([], [
        "list.csv:3: 截至日期: is empty: write the last day, or 'for good'",
        "list.csv:4: 退订渠道: is empty, and the command does not say it either",
        "list.csv:5: no recipient: empty (退订号码)",
    ])  # fmt: skip


def test_rows_that_the_gate_refuses_are_taken_out_with_all_their_lines(read) -> None:
    people = read("号码,范围,对象\n13800210500,通道商,jia\n13800210501,通道商,ding\n13800210502,通道商,ding\n")
    people.reject(ListedRefusal("provider", "ding", "import", 0), "unknown")
    assert (people.rows, people.bad, people.problems) == (1, 2, ["list.csv:3: unknown", "list.csv:4: unknown"])
    assert [key.value for key in people.by if people.count(key)] == ["jia"]


BAD = [
    ("1380021050\n13800210501\n", ["list.csv:1: no recipient: 10 digits instead of 11 (1380021050)"]),
    ("13800210500\n\n14400000000\n", ["list.csv:3: no recipient: a machine's number (IoT), not a person's (14400000000)"]),
    ("13800210500\n138_0021_0501\n", ["list.csv:2: no recipient: holds characters that are no digits, spaces or dashes (138_0021_0501)"]),
    ("13800210500\n20000000000\n", ["list.csv:2: no recipient: starts with 20, mobile numbers start with 13 to 19 (20000000000)"]),
    ("number,until\n13800210500,soon\n", ["list.csv:2: until: 'soon' is neither a date (like 2027-06-30) nor 'for good'"]),
    ('number,x\n13800210500,"two\nlines"\nnobody,\n', ["list.csv:4: no recipient: holds characters that are no digits, spaces or dashes (nobody)"]),
    ("13800210500,\x00\nx\x00,\n", ["list.csv:2: no recipient: holds characters that are no digits, spaces or dashes (x?)"]),
    (b"13800210500\n138\xff\xfe\n", ["list.csv:2: no recipient: holds characters that are no digits, spaces or dashes (138\ufffd\ufffd)"]),
]  # fmt: skip


@pytest.mark.parametrize(("content", "problems"), BAD, ids=range(len(BAD)))
def test_a_bad_row_is_told_with_its_line(read, content: str | bytes, problems: list[str]) -> None:
    people = read(content)
    assert (people.problems, people.bad) == (problems, 1)


def test_of_many_bad_rows_the_first_are_told_and_all_are_counted(read) -> None:
    people = read("1\n" * 1000)
    assert (people.bad, len(people.problems), people.rows) == (1000, BAD_SHOWN, 0)


def test_a_file_of_several_blocks_is_read_like_a_small_one(read, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.operations.files.number_list.BATCH", 100)
    assert BATCH > 100
    drawn = random.Random(106)
    wanted = [drawn.randrange(13_000_000_000, 14_400_000_000) for _ in range(300)]
    wanted += [drawn.randrange(14_401_000_000, 20_000_000_000) for _ in range(301)]
    people = read("\n".join(map(str, wanted)) + "\n+86 13800210500")
    assert (numbers(people), people.numbers) == (sorted({*wanted, 13800210500}), len({*wanted, 13800210500}))
    people = read("\n".join([*map(str, wanted), "x"]))
    assert people.problems == ["list.csv:602: no recipient: holds characters that are no digits, spaces or dashes (x)"]


def test_numbers_on_both_sides_of_2_to_34_and_at_both_ends_come_out_in_order(read) -> None:
    edges = [13_000_000_000, 2**34 - 1, 2**34, 2**34 + 1, 19_999_999_999]
    assert numbers(read("\n".join(map(str, edges)))) == edges


def test_what_an_export_writes_is_read_back_as_it_was(read, tmp_path: Path) -> None:
    said: list[tuple[int, dict[str, Any]]] = [
        (13800210500, {"scope": "all", "value": "", "source": "import", "since": 1_762_833_600, "until": 0}),
        (13800210501, {"scope": "signature", "value": "=1+1", "source": "officer", "since": 0, "until": 1_800_000_000}),
        (13800210503, {"scope": "all", "value": "", "source": "hotline", "since": 0, "until": 1_800_028_800}),
        (13800210502, {"scope": "port", "value": "1069001", "source": "complaint", "since": 0, "until": 0}),
    ]
    with (tmp_path / "out.csv").open("w", newline="") as out:
        csv.writer(out).writerows([COLUMNS, *(export_row(number, refusal) for number, refusal in said)])
    assert "'=1+1" in (tmp_path / "out.csv").read_text()
    people = read((tmp_path / "out.csv").read_bytes())
    assert (people.problems, people.unknown, people.ignored) == ([], [], ["since"])
    for number, refusal in said:
        key = ListedRefusal(refusal["scope"], refusal["value"], refusal["source"], refusal["until"])
        assert numbers(people, key) == [number]


def test_since_when_is_no_column_of_a_list_as_it_would_not_be_kept(read) -> None:
    for heading in ("登记时间", "生效日期", "since"):
        assert read(f"号码,{heading}\n13800210500,2026-12-01\n").unknown == [heading]


def test_a_sheet_is_read_like_a_csv_and_what_is_no_sheet_is_named(tmp_path: Path) -> None:
    from proxy.operations.files.row_files import write_sheet

    file = tmp_path / "list.xlsx"
    with file.open("wb") as out:
        write_sheet(out, ("scope", "value", "号码", "number"), [("provider", "jia", "", 13800210500), ("", "", "", "1380021")])
    people = read_number_file(file, ALL)
    assert (people.rows, people.problems) == (1, ["list.xlsx:3: no recipient: 7 digits instead of 11 (1380021)"])
    assert numbers(people, ListedRefusal("provider", "jia", "import", 0)) == [13800210500]
    file.write_bytes(b"PK\x03\x04 no sheet")
    broken = read_number_file(file, ALL)
    assert (broken.rows, broken.bad) == (0, 1)
    assert "cannot be read as XLSX" in broken.problems[0]
