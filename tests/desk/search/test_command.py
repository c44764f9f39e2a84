"""``gate106 find`` and ``complaint match`` show whole numbers only with a reason."""

from __future__ import annotations

import json

from proxy.archive.complaint_matching import Candidate, MatchResult
from proxy.archive.coverage import CoverageReport
from proxy.archive.search import Facets, HistoryEvent, Hit, SearchResult
from proxy.desk.complaints import case_search
from proxy.desk.search import command as find
from proxy.i18n.text import Bilingual
from proxy.model.message import ORDER_NUMBERS_FROM

PERSON = 13800210500
TEXT, REPLY = "【甲店】尊敬的+8613800210500, 上新", "我是 138 0021 0500, 退订"


def found() -> SearchResult:
    reply = HistoryEvent(2.0, "reply", "", 0, "", "1069001", "jia", REPLY)
    hit = Hit(
        1.0, "node-0", 0, [7], 1, None, "jia", "jia", "1069001", "marketing", "甲店", TEXT, "allow", "", 0, "", "", 0, [reply]
    )  # fmt: skip
    return SearchResult([hit], False, [reply], CoverageReport((), (), (), (), ()))


def test_texts_and_replies_are_shown_without_numbers() -> None:
    told = json.dumps(find.as_dict(found(), ["138****0500"], None), ensure_ascii=False)
    for shown in (told, "\n".join(find._lines(found(), ["138****0500"], None, 50, whole=False))):
        assert "尊敬的+86138****0500, 上新" in shown
        assert "我是 138****0500, 退订" in shown
        assert "0021" not in shown


def test_who_asked_for_whole_numbers_gets_texts_as_they_are() -> None:
    told = json.dumps(find.as_dict(found(), [str(PERSON)], None, whole=True), ensure_ascii=False)
    for shown in (told, "\n".join(find._lines(found(), [str(PERSON)], None, 50, whole=True))):
        assert TEXT in shown
        assert REPLY in shown


def test_a_message_that_a_complaint_may_be_about_is_proposed_without_numbers() -> None:
    (hit,) = found().hits
    matched = MatchResult([Candidate(hit, PERSON, 90, ())], (), 0.0, False)
    lines = "\n".join(case_search.match_lines({"id": 1}, matched))
    for shown in (lines, json.dumps(case_search.match_dict(matched), ensure_ascii=False)):
        assert "尊敬的+86138****0500, 上新" in shown
        assert "0021" not in shown


def test_a_province_that_nobody_knows_is_no_missing_answer() -> None:
    counted = found()
    counted.facets = Facets(1, True, {"province": {"unknown": 1}})
    shown = [line.zh for line in find._lines(counted, ["138****0500"], None, 50, whole=False) if isinstance(line, Bilingual)]
    assert "  省份：归属地查不到 1" in shown


def test_rules_of_an_export_have_titles_and_orders_their_numbers() -> None:
    rules = f"~night #{ORDER_NUMBERS_FROM + 3} gone"
    assert find.rules_in_chinese(rules, "suspended", {"night": "夜间不发"}) == "夜间不发（影子）；暂停指令 3；gone"
