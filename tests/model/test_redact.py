"""Strangers' texts are harmless on a terminal and in a spreadsheet."""

from __future__ import annotations

import csv
import io
import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.model.redact import FORMULA, as_json, csv_cell, mask_digits, mask_numbers, printable, read_csv_cell

ANY = st.text(st.characters(exclude_categories=()))  # lone surrogates, too
ATTACKS = [
    "\x1b]0;owned\x07",  # the window's title
    "\x1b[2J\x1b[H",  # an empty screen
    "\x9b31m",  # CSI in one octet
    "【好】\u202eDT回",  # read from the right
    "\u2066a\u2069",
    "a\r\nb\u2028c",  # a line of its own in a log
    "\ud800",  # what no file can hold
    "\U000e0041",  # a text in a text
]


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_terminal_obeys_nothing_that_is_shown(attack: str):
    for shown in (printable(attack), as_json({"text": attack, attack: [attack]}, None)):
        assert not {unicodedata.category(one) for one in shown} & {"Cc", "Cf", "Cs", "Zl", "Zp"}
        shown.encode()


@given(ANY)
def test_what_is_shown_is_the_text_without_what_cannot_be_seen(text: str):
    shown = printable(text)
    assert printable(shown) == shown
    assert [one for one in shown if one.isprintable()] == [one for one in text if one.isprintable() and printable(one)]


@given(st.recursive(ANY | st.integers() | st.none(), lambda below: st.lists(below) | st.dictionaries(ANY, below)))
def test_JSON_that_is_shown_says_the_same(told: object):
    for indent in (2, None):
        shown = as_json(told, indent)
        shown.encode()
        assert json.loads(shown) == told


@given(
    ANY.filter(lambda text: "\0" not in text)
    | st.tuples(st.sampled_from(["", "'", "''"]), st.sampled_from(FORMULA), ANY).map("".join)
)
def test_no_cell_is_a_formula_and_whoever_reads_it_gets_what_was_written(text: str):
    written = csv_cell(text)
    assert not written.startswith(FORMULA)
    assert read_csv_cell(written) == text


@pytest.mark.parametrize("formula", ["=HYPERLINK(1)", "+1", "-1", "@SUM(1)", "\t=1", "＝1+1", '=cmd|" /C calc"!A0'])
def test_a_spreadsheet_runs_nothing(formula: str):
    out = io.StringIO()
    csv.writer(out).writerow([1, csv_cell(formula)])
    (row,) = csv.reader(io.StringIO(out.getvalue(), newline=""))
    assert row[1][0] == "'"


# -- whose number it is

SPELLINGS = [
    "13800210500", "8613800210500", "+8613800210500", "+86 138 0021 0500", "0086-138-0021-0500", "013800210500", "138 0021 0500",
    "138-0021-0500", "138.0021.0500", "(138)00210500", "１３８００２１０５００", "138\u200b0021\u20600500", "138\x070021\r\n0500", "①③⑧⓪⓪②①⓪⑤⓪⓪",
    "𝟏𝟑𝟖𝟎𝟎𝟐𝟏𝟎𝟓𝟎𝟎", "1 3 8 0 0 2 1 0 5 0 0", "138—0021—0500", "a13800210500b", "号码13800210500",
]  # fmt: skip


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_nobodys_whole_number_is_shown_however_it_is_spelt(spelling: str):
    shown = mask_numbers(f"尊敬的{spelling}用户, 2025年11月11日 10:05 满300减40")
    assert shown.startswith("尊敬的")
    assert shown.endswith("用户, 2025年11月11日 10:05 满300减40")
    assert "138****0500" in shown
    assert not any(one in printable(shown) for one in ("00210500", "0021", "００２１"))
    assert mask_numbers(shown) == shown


@pytest.mark.parametrize(
    "text",
    [
        "订单 2025111110050138, 快递 75123456789012",
        "95588, 400-800-1234, 010-12345678",
        "1-2-3",
        "满1300减100, 1300元起",
        "12800210500",
        "",
    ],
)
def test_what_is_no_persons_number_is_shown_as_it_is(text: str):
    assert mask_numbers(text) == text


def test_of_one_person_it_is_their_number_alone_that_goes():
    text = "我是 138 0021 0500, 请打 13900210500"
    assert mask_numbers(text, 13800210500) == "我是 138****0500, 请打 13900210500"
    assert mask_numbers(text, 13700210500) == text
    assert mask_numbers(text) == "我是 138****0500, 请打 139****0500"


@given(ANY)
def test_any_text_is_masked_once_and_for_all(text: str):
    shown = mask_numbers(text)
    assert mask_numbers(shown) == shown
    assert len(mask_digits(text)) == len(text)
