"""Batches are read with any column names, spellings and file formats."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable, Mapping
from datetime import date, datetime
from pathlib import Path

import openpyxl
import pytest

from proxy.desk.complaints.batch_file import COLUMNS, read_batch
from proxy.operations.files import row_files
from proxy.operations.files.number_list import read_number_file
from proxy.operations.files.row_files import NotATable, rows_of, write_sheet
from proxy.policy import time_windows

AT = time_windows.moment("2026-11-11 10:05")[0]


def read(path: Path, data: bytes) -> list[tuple[int, list[str]]]:
    path.write_bytes(data)
    return list(rows_of(path))


def batch(*rows: list[str]):
    return read_batch("a.csv", enumerate(rows, 1), AT)


@pytest.mark.parametrize("name", [name for names in COLUMNS.values() for name in names])
def test_a_column_is_known_by_each_of_its_names(name: str) -> None:
    (kind,) = (kind for kind, names in COLUMNS.items() if name in names)
    heads = ["投诉号码", "端口", name.upper()] if kind != "number" else ["端口", name]
    cells = {"at": "2026-11-11 10:05", "came": "2026-11-11 10:05", "number": "13800210500"}.get(kind, "1069")
    found = batch(heads, ["13800210500", "1069", cells] if kind != "number" else ["1069", cells])
    assert found.problems == []
    assert kind in found.rows[0]


@pytest.mark.parametrize(
    "written",
    [
        "2026-11-11 10:05", "2026/11/11 10:05:00", "2026-11-11T10:05", "2026年11月11日 10时05分", "2026.11.11 10:05", "20261111 1005".replace(" ", ""),
        "２０２６-11-11 10：05", "20261111100500",
    ],
)  # fmt: skip
def test_a_time_is_read_however_it_is_written(written: str) -> None:
    assert batch(["号码", "手机号", "时间"], ["", "13800210500", written]).rows[0]["at"] == AT


@pytest.mark.parametrize(
    ("written", "read_as"),
    [
        ("13800210500", "13800210500"), ("+86 138-0021-0500", "13800210500"), ("１３８００２１０５００", "13800210500"), ("138****0500", "138****0500"),
        ("138xxxx0500", "138****0500"), ("86138****0500", "138****0500"), ("138＊＊＊＊0500", "138****0500"), ("138••••0500", "138****0500"),
    ],
)  # fmt: skip
def test_a_number_is_read_also_with_digits_hidden(written: str, read_as: str) -> None:
    assert batch(["手机号", "端口"], [written, "1069"]).rows[0]["number"] == read_as


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([["端口", "内容"]], "a.csv:1: the first row names the columns, and none of them is the complainant's number"),
        ([["手机号", "备注"]], "a.csv:1: no column says from where, when or what came (端口, 接收时间, 短信内容)"),
        ([["手机号", "端口", "时间"], ["13800210500", " ", ""]], "a.csv:2: says neither from where, nor when, nor what came"),
        ([["手机号", "端口"], ["1**********", "1"]], "a.csv:2: the complainant's number: of 11 digits at most 6 may be hidden (like 138****0500)"),
        ([["手机号", "端口"], ["138****05000", "1"]], "a.csv:2: the complainant's number: of 11 digits at most 6 may be hidden (like 138****0500)"),
        ([["手机号", "端口"], ["01012345678", "1"]], "a.csv:2: the complainant's number: a landline"),
        ([["手机号", "时间"], ["13800210500", "2026-02-30"]], "a.csv:2: the time '2026-02-30' is not in the calendar"),
        ([["手机号", "时间"], ["01012345678", "昨天"]], "a.csv:2: the complainant's number: a landline; the time '昨天' is none (like 2026-11-11 10:05)"),
        ([["手机号", "时间"], ["13800210500", "2026-11-13"]], "a.csv:2: the time '2026-11-13' is yet to come"),
        ([], "a.csv:1: holds no rows"),
    ],
    ids=range(10),
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_line(rows: list[list[str]], says: str) -> None:
    found = batch(*rows)
    assert found.problems[0].startswith(says)
    assert found.bad == 1


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_csv_is_read_in_every_encoding_and_with_every_separator(tmp_path: Path, encoding: str, separator: str) -> None:
    text = (
        separator.join(("投诉号码", "短信内容"))
        + "\r\n"
        + separator.join(("13800210500", '"双11, 满300;减50\n第二行"'))
        + "\r\n"
    )
    assert read(tmp_path / "a.csv", text.encode(encoding)) == [
        (1, ["投诉号码", "短信内容"]),
        (3, ["13800210500", "双11, 满300;减50\n第二行"]),
    ]


def test_an_xlsx_is_read_as_people_fill_it_in(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.active.append(["投诉号码", "端口", "接收时间", "投诉时间"])
    book.active.append([13800210500, 1069001.0, datetime(2026, 11, 11, 10, 5), date(2026, 11, 12)])  # noqa: DTZ001 # spreadsheets know no zones
    book.active.append([None, None, None, None])
    book.save(tmp_path / "a.xlsx")
    assert list(rows_of(tmp_path / "a.xlsx")) == [
        (1, ["投诉号码", "端口", "接收时间", "投诉时间"]), (2, ["13800210500", "1069001", "2026-11-11 10:05:00", "2026-11-12"]),
    ]  # fmt: skip


def with_formula(path: Path, value: bytes = b"") -> Path:
    """A sheet of one formula, with the value that a spreadsheet left beside it, if any."""
    book = openpyxl.Workbook()
    book.active.append(["手机号", "内容"])
    book.active.append(["13800210500", '=HYPERLINK("http://a/","x")'])
    book.save(path)
    with zipfile.ZipFile(path) as made:
        parts = {name: made.read(name) for name in made.namelist()}
    name = "xl/worksheets/sheet1.xml"
    sheet = parts[name].replace(b"<v></v>", value).replace(b"<v />", value).replace(b"<v/>", value)
    parts[name] = sheet.replace(b'r="B2"', b'r="B2" t="str"') if value else sheet
    path.write_bytes(bomb(parts))
    return path


def test_of_a_formula_the_value_is_read_and_nothing_is_run(tmp_path: Path) -> None:
    path = with_formula(tmp_path / "a.xlsx", "<v>双11</v>".encode())
    assert list(rows_of(path))[1] == (2, ["13800210500", "双11"])


def test_a_formula_that_nobody_has_calculated_is_no_empty_cell(tmp_path: Path) -> None:
    with pytest.raises(NotATable, match=r"a\.xlsx:2: B2 is a formula without a value: calculate and save the file"):
        list(rows_of(with_formula(tmp_path / "a.xlsx")))


def test_a_sheet_of_before_2007_is_told_apart(tmp_path: Path) -> None:
    with pytest.raises(NotATable, match=r"a\.xlsx: an \.xls as spreadsheets wrote it before 2007: save it as \.xlsx or CSV"):
        read(tmp_path / "a.xlsx", bytes.fromhex("d0cf11e0a1b11ae1") + b"\0" * 600)


def bomb(parts: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        for name, data in parts.items():
            made.writestr(name, data)
    return out.getvalue()


LAUGHS = b'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><worksheet><sheetData>&b;</sheetData></worksheet>'


@pytest.mark.parametrize(
    "data", [b"PK\x03\x04", b"PK\x03\x04" + b"\0" * 100, bomb({"a": b"x"}), bomb({"[Content_Types].xml": LAUGHS})], ids=range(4)
)
def test_what_is_no_xlsx_is_said_to_be_none(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(NotATable, match="cannot be read as XLSX"):
        read(tmp_path / "a.xlsx", data)


def test_xml_that_expands_is_refused(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.active.append(["x"])
    book.save(tmp_path / "a.xlsx")
    with zipfile.ZipFile(tmp_path / "a.xlsx") as made:
        parts = {name: made.read(name) for name in made.namelist()}
    parts["xl/worksheets/sheet1.xml"] = LAUGHS
    with pytest.raises(NotATable):
        read(tmp_path / "a.xlsx", bomb(parts))


SHEET, TEXTS = "xl/worksheets/sheet1.xml", "xl/sharedStrings.xml"


def sheet_with(parts: Mapping[str, bytes]) -> bytes:
    """An XLSX of one cell with other octets in some of its parts."""
    out = io.BytesIO()
    book = openpyxl.Workbook()
    book.active.append(["x"])
    book.save(out)
    with zipfile.ZipFile(out) as made:
        return bomb({name: made.read(name) for name in made.namelist()} | dict(parts))


def cells(rows: int, columns: int, cell: str = "<c><v>1</v></c>", named: str = "") -> bytes:
    one = f"<row>{named}{cell * columns}</row>"
    return (
        '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><dimension ref="A1:XFD1048576"/>'
        f"<sheetData>{one * rows}</sheetData></worksheet>"
    ).encode()


BOMBS: dict[str, tuple[Callable[[], dict[str, bytes]], str]] = {
    "more than it says unpacked": (lambda: {"a.bin": bytes(257 << 20)}, "unpacks to more than 256 MB"),
    "cells": (lambda: {SHEET: cells(31_300, 64)}, "more than 2,000,000 cells"),
    "a far column": (lambda: {SHEET: cells(1, 1, named='<c r="XFD1"/>')}, "more than 64 columns"),
    "columns without a name": (lambda: {SHEET: cells(1, 90_000)}, "more than 64 columns"),
    "texts": (lambda: {TEXTS: b"<sst>" + b"<si/>" * 2_100_000 + b"</sst>"}, "more than 2,000,000 cells"),
    "long texts": (
        lambda: {TEXTS: b"<sst><si><t>" + b"x" * (65 << 20) + b"</t></si></sst>"},
        "its texts unpack to more than 64 MB",
    ),
    "styles": (
        lambda: {"xl/styles.xml": b"<styleSheet>" + b" " * (9 << 20) + b"</styleSheet>"},
        "styles.xml unpacks to more than 8 MB",
    ),
    "merged cells": (
        lambda: {SHEET: cells(1, 1).replace(b"</worksheet>", b'<mergeCell ref="A1:XFD1048576"/>' * 300_000 + b"</worksheet>")},
        "",
    ),
    "a tag without an end": (lambda: {SHEET: b"<worksheet " + b"a" * (3 << 20)}, "is no XML of a spreadsheet"),
    "deep": (lambda: {SHEET: b"<a>" * 300_000}, ""),
}


MEASURED = """\
import json, resource, subprocess, sys
subprocess.run([sys.argv[1], "-m", "proxy.operations.files.xlsx", sys.argv[2]])
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps({"kilobytes": used.ru_maxrss, "seconds": used.ru_utime}))
"""


@pytest.mark.parametrize("name", BOMBS)
def test_a_small_file_that_unpacks_to_much_takes_bounded_memory_and_is_refused_in_words(tmp_path: Path, name: str) -> None:
    parts, says = BOMBS[name]
    path = tmp_path / "a.xlsx"
    path.write_bytes(sheet_with(parts()))
    assert path.stat().st_size < 1 << 20
    # measured by a small process: what a child takes begins with what its parent has
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, sys.executable, path], capture_output=True, text=True, check=True, timeout=100
    )
    *_, last, used = map(json.loads, done.stdout.splitlines())
    assert used["kilobytes"] < 640 << 10
    assert used["seconds"] < 60
    assert says in last.get("fault", "")


def test_what_the_process_says_of_such_a_file_is_said_of_it(tmp_path: Path) -> None:
    parts, says = BOMBS["a far column"]
    path = tmp_path / "a.xlsx"
    path.write_bytes(sheet_with(parts()))
    with pytest.raises(NotATable, match=says):
        list(rows_of(path))


@pytest.mark.parametrize("kind", ["device", "pipe", "folder"])
def test_what_is_no_file_is_named_and_not_read(tmp_path: Path, kind: str) -> None:
    path = Path("/dev/zero") if kind == "device" else tmp_path / "r.csv"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    for reader in (lambda: list(rows_of(path)), lambda: read_number_file(path, None)):
        with pytest.raises(OSError, match=f"a {kind}, not a file: save what it gives into a file"):
            reader()


def test_a_line_without_an_end_is_no_list(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_bytes(bytes(3 << 20))
    with pytest.raises(OSError, match="a line of more than 1,048,576 bytes"):
        read_number_file(path, None)


@pytest.mark.parametrize("text", ["x" * 5000, ",".join("x" * 100), "x\n" * 11])
def test_rows_and_cells_have_bounds(tmp_path: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_files, "ROWS_MAX", 10)
    with pytest.raises(NotATable):
        read(tmp_path / "a.csv", text.encode())


def test_what_is_written_for_a_spreadsheet_stays_text(tmp_path: Path) -> None:
    with (tmp_path / "a.xlsx").open("wb") as out:
        write_sheet(out, ("a", "b"), [["=1+1", "\x1b[31m红"], ["13800210500", 5]], "投诉")
    sheet = openpyxl.load_workbook(tmp_path / "a.xlsx").active
    assert sheet.title == "投诉"
    assert [cell.data_type for row in sheet.iter_rows() for cell in row] == ["s"] * 6
    assert [list(row) for row in sheet.iter_rows(values_only=True)][1:] == [["=1+1", "[31m红"], ["13800210500", "5"]]


@pytest.mark.parametrize("name", ["a.csv", "a.xlsx"])
def test_a_table_is_a_new_file_for_its_owner_alone(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    row_files.write_table(path, ("a",), [["红"]])
    assert (path.stat().st_mode & 0o777, list(rows_of(path))) == (0o600, [(1, ["a"]), (2, ["红"])])
    (tmp_path / f"link-{name}").symlink_to(tmp_path / "elsewhere")
    for there in (path, tmp_path / f"link-{name}"):
        with pytest.raises(FileExistsError, match="is there already: name another, or remove it"):
            row_files.write_table(there, ("a",), [["绿"]])
    assert not (tmp_path / "elsewhere").exists()
