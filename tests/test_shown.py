"""What strangers wrote, on a terminal and in a spreadsheet."""

from __future__ import annotations

import csv
import io
import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.shown import FORMULA, as_json, cell, cell_of, plain

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
    for shown in (plain(attack), as_json({"text": attack, attack: [attack]}, None)):
        assert not {unicodedata.category(one) for one in shown} & {"Cc", "Cf", "Cs", "Zl", "Zp"}
        shown.encode()


@given(ANY)
def test_what_is_shown_is_the_text_without_what_cannot_be_seen(text: str):
    shown = plain(text)
    assert plain(shown) == shown
    assert [one for one in shown if one.isprintable()] == [one for one in text if one.isprintable() and plain(one)]


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
    written = cell(text)
    assert not written.startswith(FORMULA)
    assert cell_of(written) == text


@pytest.mark.parametrize("formula", ["=HYPERLINK(1)", "+1", "-1", "@SUM(1)", "\t=1", "＝1+1", '=cmd|" /C calc"!A0'])
def test_a_spreadsheet_runs_nothing(formula: str):
    out = io.StringIO()
    csv.writer(out).writerow([1, cell(formula)])
    (row,) = csv.reader(io.StringIO(out.getvalue(), newline=""))
    assert row[1][0] == "'"
