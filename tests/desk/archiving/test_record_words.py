"""Records of the journal are shown in Chinese, with their masks."""

from __future__ import annotations

import re

import pytest

from proxy.desk.archiving.record_words import KINDS, in_chinese
from proxy.journal.record_text import record_text
from proxy.journal.segment import JournalRecord
from tests.journal.records.test_declared import BY_KIND, NUMBERS

NAMED_BY_OTHERS = re.compile("“[^”]*”|<[^>]*>")


@pytest.mark.parametrize("kind", BY_KIND)
def test_a_record_of_every_kind_has_chinese_names_and_keeps_its_numbers(kind: str) -> None:
    for one in BY_KIND[kind]:
        english = record_text(JournalRecord(4711, NUMBERS[kind], bytes.fromhex(one["body"])))
        text = in_chinese(english)
        assert text.startswith(f"4711 {KINDS[kind]} ")
        assert not re.findall(r"\b[a-z_]+=", NAMED_BY_OTHERS.sub("", text)), text
        assert re.findall(r"\d{3}\*{4}\d{4}", english) == re.findall(r"\d{3}\*{4}\d{4}", text)


def test_times_and_closed_words_are_put_and_what_somebody_wrote_is_kept() -> None:
    text = "7 operated Operated(time=1796144047.5, who='li', reason='keyword', why='keyword time=1796144047', outcome=<Outcome.REJECT: 2>, late=False)"
    assert in_chinese(text) == (
        "7 操作 (时间=2026-12-02 00:54:07, 经办人=“li”, 原因=禁发词, 原因=“keyword time=1796144047”, 判定=拒绝, 迟到=否)"
    )
    assert in_chinese("7 kind 250 <2>") == "7 kind 250 <2>"
