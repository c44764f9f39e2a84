"""Labelled texts of an operator's own are measured; no text is printed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.commands import app

AD, NOTICE, CODE = (
    "【甲店】双11优惠券限时抢 拒收请回复R",
    "【乙递】您的快件已到，取件码8-2-1103",
    "【丙】您的验证码是482913，请勿泄露",
)


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "x.yaml").write_text("rules: []\n")
    return tmp_path / "rules"


def measured(rules: Path, name: str, content: str | bytes, *more: str, status: int = 0) -> Any:
    path = rules.parent / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    done = CliRunner().invoke(app, ["lexicon", "measure", str(path), "--rules", str(rules), *more])
    assert done.exit_code == status, (done.stdout, done.stderr)
    assert not any(text[-6:] in done.output for text in (AD, NOTICE, CODE)), "rates only"
    return done


def counts(rules: Path, name: str, content: str | bytes, *more: str) -> list[tuple[str, str, int, int, int]]:
    done = measured(rules, name, content, "--json", *more)
    fields = ("source", "label", "texts", "surely", "codes")
    return [tuple(one[field] for field in fields) for one in json.loads(done.stdout)["rates"]]


BY_LABEL = [("a.csv", "marketing", 1, 1, 0), ("a.csv", "notice", 1, 0, 0), ("a.csv", "otp", 1, 0, 1)]


@pytest.mark.parametrize(
    "content",
    [
        f"text,label\n{AD},marketing\n{NOTICE},notice\n{CODE},otp\n",
        f"label,text\n垃圾短信,{AD}\n正常,{NOTICE}\n验证码,{CODE}\n",
        f"1\t{AD}\n0\t{NOTICE}\notp\t{CODE}\n",
    ],
)
def test_files_with_and_without_a_heading(rules: Path, content: str) -> None:
    for data in (content.encode(), content.encode("gb18030")):
        found = counts(rules, "a.csv", data)
        assert [one for one in found if one[0] != "all"] == BY_LABEL


def test_a_column_says_where_a_text_is_from(rules: Path) -> None:
    found = counts(rules, "a.csv", f"text,label,source\n{AD},ad,x\n{AD},ad,y\n")
    assert found == [("x", "marketing", 1, 1, 0), ("y", "marketing", 1, 1, 0), ("all", "marketing", 2, 2, 0)]


def test_a_text_a_line_and_an_object_a_line(rules: Path) -> None:
    assert counts(rules, "a.txt", f"{AD}\n\n{AD}\n", "--label", "marketing") == [("a.txt", "marketing", 2, 2, 0)]
    lines = "".join(json.dumps({"text": text, "label": label}) + "\n" for text, label in ((AD, "spam"), (NOTICE, 0)))
    assert [one[1:4] for one in counts(rules, "a.jsonl", lines) if one[0] != "all"] == [("marketing", 1, 1), ("notice", 1, 0)]


def test_public_sets_say_spam_and_ham(rules: Path) -> None:
    both = [("marketing", 1, 1), ("notice", 1, 0)]
    for name, content in (
        ("a.csv", f"label,text\nspam,{AD}\nham,{NOTICE}\n"),
        ("b.tsv", f"Spam\t{AD}\nHam\t{NOTICE}\n"),
        ("c.jsonl", "".join(json.dumps({"text": text, "label": one}) + "\n" for text, one in ((AD, "spam"), (NOTICE, "ham")))),
    ):
        assert [one[1:4] for one in counts(rules, name, content) if one[0] != "all"] == both
    assert counts(rules, "a.txt", f"{AD}\n", "--label", "spam") == [("a.txt", "marketing", 1, 1, 0)]
    assert counts(rules, "b.txt", f"{NOTICE}\n", "--label", "ham") == [("b.txt", "notice", 1, 0, 0)]
    done = measured(rules, "b.txt", f"{NOTICE}\n", "--label", "junk", status=2)
    assert "unknown label 'junk' (one of marketing, notice, otp, spam, ham)" in done.stderr


def test_bad_rows_are_named_by_line_and_the_others_counted(rules: Path) -> None:
    done = measured(rules, "a.csv", f"text,label\n{AD},marketing\n{AD},perhaps\n", status=1)
    assert "a.csv:3: label: 'perhaps' is none of marketing, notice, otp, nor a word for one of them (ad, spam," in done.stderr
    assert "1 rows could not be read" in done.stdout


def test_a_file_that_says_no_labels_is_refused_in_one_line(rules: Path) -> None:
    done = measured(rules, "a.csv", "x,y,z\na,b,c\n", status=2)
    assert "its first row must name the columns text and label" in done.stderr
