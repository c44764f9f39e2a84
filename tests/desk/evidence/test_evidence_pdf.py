"""PDF pages have Chinese and English words for everything that can happen."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from reportlab.platypus import Paragraph, Table

from proxy.desk.evidence import evidence_pdf
from proxy.i18n import labels as wording
from proxy.journal.records import complaints, penalties
from proxy.model.message import CATEGORY_WORDS, Outcome
from proxy.model.reasons import REASONS
from proxy.policy.registries.people import CONSENT_STATES
from proxy.relay.effects.record_changes import Effect
from proxy.state.lists.consent_lists import STATES as PROOF_STATES
from proxy.state.record.packed_facts import SCOPES
from proxy.wire.tables import MESSAGE_STATES

PADDED = 6
"""Points that a table keeps free at the right of each cell."""
CHINESE = re.compile("[\u4e00-\u9fff]")
LISTS: Mapping[str, tuple[Mapping[str, str], Iterable[str]]] = {
    "cases": (wording.CASES, complaints.STATES),
    "penalties": (wording.PENALTIES, penalties.STATES),
    "steps": (wording.STEPS, penalties.LADDER),
    "answers": (wording.ANSWERS, [one.name.lower().replace("_", "-") for one in Effect]),
    "receipts": (wording.RECEIPTS, MESSAGE_STATES.values()),
    "reasons": (wording.REASONS, REASONS),
    "consents": (wording.CONSENTS, [*CONSENT_STATES, *PROOF_STATES]),
    "scopes": (wording.SCOPES, SCOPES),
}
PENALTY: dict[str, Any] = {
    "id": 3, "name": "penalty-3", "provider": "jia", "step": "throttle", "share": 0.5, "state": "in-force", "trigger": "rate", "say": "投诉率",
    "figure": "5 valid complaints", "figure_zh": "有效投诉 5 件", "revision": "r", "basis": "合同", "for_s": 604_800, "since": 1e9, "until": 1e9 + 60,
    "appeal": "", "events": [{"why": "5 valid complaints"}], "by": "", "value": "",
}  # fmt: skip
MESSAGE: dict[str, Any] = {
    "message": "0:1", "at": "2026-11-11T10:00:00+08:00", "provider": "jia", "account": "a", "from": "1069", "to": "138****0007", "category": "marketing", "text": "x",
    "verdict": "reject", "reason": "keyword", "rule": "words", "revision": "r", "answers": [{"at": "2026-11-11T10:00:00+08:00", "effect": "late-part"}],
    "receipts": [{"at": "2026-11-11T10:00:00+08:00", "state": "DELIVRD"}],
    "person": {"refusals": [{"scope": "all", "value": "", "source": "reply", "since": "2026-11-11T10:00:00+08:00"}], "received": [], "refused_later": []},
}  # fmt: skip
PROOF: dict[str, Any] = {
    "record_digest": "ab", "group": {"last": 1, "digest": "cd"}, "segment": "s", "head": "", "table": [],
    "proves": {"en": "nothing was published", "zh": "还没有公布"},
}  # fmt: skip


def texts(parts: Iterator[Any]) -> list[str]:
    """Everything that is drawn."""
    found = []
    for part in parts:
        if isinstance(part, Paragraph):
            found.append(part.getPlainText())
        elif isinstance(part, Table):
            found += [cell.getPlainText() for cell in cells(part)]
    return found


def cells(table: Table) -> Iterator[Paragraph]:
    for row in table._cellvalues:
        for cell in row:
            yield from cell if isinstance(cell, list | tuple) else [cell]


@pytest.mark.parametrize("name", LISTS)
def test_every_word_of_a_closed_list_has_its_chinese(name: str) -> None:
    chinese, there = LISTS[name]
    assert set(chinese) == set(there)


def test_verdicts_and_categories_have_theirs_from_the_words_of_explanations() -> None:
    there = [*(one.word for one in Outcome), *CATEGORY_WORDS]
    assert [word for word in there if not CHINESE.match(wording.both(word))] == []


def test_reasons_are_called_what_the_rules_page_calls_them() -> None:
    page = Path("rules/README.md").read_text(encoding="utf-8")
    table = re.findall(r"^\| `([a-z-]+)` \| (?:0x|of the )[^|]+ \| [^|]+ \| ([^|]+) \|$", page, re.MULTILINE)
    assert dict(table) == wording.REASONS


def test_a_letter_says_in_chinese_what_was_measured_and_what_follows() -> None:
    drawn = texts(evidence_pdf._letter(PENALTY, [], 1e9))
    assert {"事实：有效投诉 5 件", "限速至原速率的 50%"} <= set(drawn)
    assert any("期限 7 天" in one for one in drawn), drawn
    drawn += texts(evidence_pdf._letter(PENALTY | {"state": "proposed", "since": 0.0}, [], 1e9))
    assert any(one.endswith("期限 7 天") for one in drawn), "before it is in force, too"
    assert not [one for one in drawn if re.search("[A-Za-z]{4,}", one.replace("gate106", ""))], "no foreign word"


def test_a_letter_names_no_basis_that_nobody_has_entered() -> None:
    assert "依据：合同" in texts(evidence_pdf._letter(PENALTY, [], 1e9))
    drawn = texts(evidence_pdf._letter(PENALTY | {"basis": ""}, [], 1e9))
    assert "依据：未写明" in drawn
    assert not any("合同" in one or "规定" in one for one in drawn)


def test_what_a_person_measured_nothing_for_has_their_reason() -> None:
    drawn = texts(
        evidence_pdf._letter(PENALTY | {"trigger": "", "figure": "", "figure_zh": "", "events": [{"why": "函"}]}, [], 1e9)
    )
    assert "理由：函" in drawn


def test_whom_the_person_refused_stands_on_paper_by_name_and_a_strangers_markup_is_text() -> None:
    at = "2026-11-11T10:00:00+08:00"
    written = {
        "scope": "advertiser",
        "value": "0" * 12,
        "about": "advertiser 【<b>乙店】 (not registered)",
        "about_zh": "广告主【<b>乙店】（未报备）",
    }
    before = {"scope": "advertiser", "value": "0" * 12}
    person = {"refusals": [written | {"source": "reply", "since": at}], "received": [], "refused_later": [before | {"at": at}]}
    drawn = texts(
        evidence_pdf._evidence(
            {"message": MESSAGE | {"person": person}, "proof": PROOF, "masked": True, "consents": [], "rules": []}
        )
    )
    assert "广告主【<b>乙店】（未报备） advertiser 【<b>乙店】 (not registered)（回复退订 reply，2026-11-11 10:00:00）" in drawn
    assert f"2026-11-11 10:00:00 广告主 advertiser {'0' * 12}" in drawn, "a pack of an earlier gate"


def test_the_pages_of_a_pack_say_in_chinese_what_became_of_the_message() -> None:
    drawn = texts(evidence_pdf._evidence({"message": MESSAGE, "proof": PROOF, "masked": True, "consents": [], "rules": []}))
    for line in (
        "营销 marketing",
        "拒绝 reject, 禁发词 keyword, words",
        "2026-11-11 10:00:00 其中一段迟到应答 late-part",
        "2026-11-11 10:00:00 已送达 DELIVRD",
        "还没有公布 nothing was published",
    ):
        assert line in drawn
    assert "全部营销 all（回复退订 reply，2026-11-11 10:00:00）" in drawn


def test_the_pages_of_a_pack_say_who_sent_it_what_was_found_in_it_and_each_rule_with_its_count() -> None:
    """What an officer would read aloud: signature and advertiser, region, category with its words, counters, what today's rules say."""
    then = {
        "province": "上海", "city": "上海", "category": "marketing", "declared": "notice", "classified": "marketing", "signature": "青禾会员",
        "advertiser": "青禾公司", "marketing": {"score": 9}, "features": [{"kind": "ad", "what": "满300减50", "weight": 4}],
    }  # fmt: skip
    rules = [
        {"rule": "words", "say": "禁发词", "basis": "通知", "says": "拒绝", "says_en": "refuses", "why": "文本含 代开发票"},
        {
            "rule": "cap",
            "say": "每天3条",
            "basis": "办法",
            "says": "未超限",
            "says_en": "is within",
            "why": "已用 1，上限：同一号码每天 3 条",
        },
        {"rule": "night", "say": "夜里不发", "basis": "", "says": "关闭", "says_en": "off", "why": "规则已关闭"},
        {"rule": "loans", "say": "贷款", "basis": "", "says": "关闭", "says_en": "off", "why": "规则已关闭"},
    ]
    today = {"revision": "s", "verdict": "allow", "reason": None}
    said = {"message": MESSAGE | {"then": then, "today": today}, "proof": PROOF, "masked": True, "consents": [], "rules": rules}
    drawn = texts(evidence_pdf._evidence(said))
    for line in (
        "上海 上海",
        "青禾会员",
        "青禾公司",
        "营销 marketing（申报 declared：通知 notice；内容判定 classified：营销 marketing，得分 score 9）",
        "营销用语 满300减50（4）",
        "放行 allow",
        "拒绝：文本含 代开发票",
        "未超限：已用 1，上限：同一号码每天 3 条",
        "已关闭 off：night, loans",
    ):
        assert line in drawn, drawn
    assert "夜里不发" not in drawn, "what was switched off had no part in it"
    same = texts(evidence_pdf._evidence(said | {"message": MESSAGE | {"then": then, "today": today | {"revision": "r"}}}))
    assert "规则未变 the rules are the same" in same


@pytest.mark.parametrize(
    ("state", "events", "begins"),
    [
        ("lifted", [{"time": 2e9, "what": "lifted", "who": "wang", "why": "申诉成立"}], "本处罚已于 2033-05-18 11:33:20 解除：申诉成立"),
        ("over", [{"time": 2e9, "what": "over", "who": "", "why": ""}], "本处罚已于 2033-05-18 11:33:20 到期"),
        ("raised", [{"time": 2e9, "what": "raised", "who": "wang", "why": "penalty-9"}], "本处罚已于 2033-05-18 11:33:20 由更重的处罚取代：处罚 9"),
        ("rejected", [{"time": 2e9, "what": "rejected", "who": "wang", "why": "x"}], "未获批准，从未生效"),
        ("withdrawn", [{"time": 2e9, "what": "withdrawn", "who": "li", "why": "x"}], "已撤回，从未生效"),
        ("lapsed", [{"time": 2e9, "what": "lapsed", "who": "", "why": ""}], "逾期未批，从未生效"),
    ],
)  # fmt: skip
def test_a_letter_about_what_holds_no_longer_says_so_first(state: str, events: list[dict[str, Any]], begins: str) -> None:
    """Nobody hands out a letter that reads as if a penalty were in force which was lifted, or never was."""
    began = [] if "从未生效" in begins else [{"time": 1e9, "what": "approved", "who": "wang", "why": ""}]
    since = 1e9 if began else 0.0
    drawn = texts(
        evidence_pdf._letter(PENALTY | {"state": state, "since": since, "events": [{"why": "x"}, *began, *events]}, [], 2e9)
    )
    assert drawn[0].startswith(begins), drawn[:3]
    assert not any("申诉期间处罚继续执行" in one for one in drawn), "there is nothing to go on with"
    assert any("申诉期间处罚继续执行" in one for one in texts(evidence_pdf._letter(PENALTY, [], 1e9)))


def test_a_letter_that_nobody_has_approved_is_a_draft_and_one_about_an_advertiser_is_to_it() -> None:
    drawn = texts(
        evidence_pdf._letter(PENALTY | {"state": "proposed", "provider": "", "by": "advertiser", "value": "某公司"}, [], 1e9)
    )
    assert drawn[0].startswith("草稿")
    assert {"致：某公司", "范围：广告主 某公司，不限通道商", "广告主 某公司"} <= set(drawn)


@pytest.mark.parametrize("word", ["x" * 300, "很" * 300, "https://example.invalid/" + "a1-" * 90, "【" * 80])
def test_nothing_is_wider_than_its_column_and_what_is_higher_than_a_page_goes_on_on_the_next(word: str) -> None:
    case = dict.fromkeys(("id", "reference", "to", "port", "signature", "message"), word) | {"at": 1e9}
    pages = evidence_pdf.letter(PENALTY | {"provider": word, "basis": word, "say": word, "trigger": word}, [case] * 12, 1e9)
    assert pages.startswith(b"%PDF")
    rule = dict.fromkeys(("rule", "say", "basis", "says", "says_en", "why"), word * 20)
    said = {"message": MESSAGE | {"text": word * 20}, "proof": PROOF, "masked": True, "consents": [], "rules": [rule] * 3}
    assert evidence_pdf.evidence(said).startswith(b"%PDF")
    for part in evidence_pdf._letter(PENALTY | {"provider": word}, [case], 1e9):
        width, _ = part.wrap(evidence_pdf.WIDTH, 2000)
        assert width <= evidence_pdf.WIDTH
        for cell in cells(part) if isinstance(part, Table) else ():
            left = (line[0] if isinstance(line, tuple) else line.extraSpace for line in cell.blPara.lines)
            assert min(left, default=0) >= -PADDED, "a mark of punctuation may hang over"


def test_what_proves_a_consent_by_reply_and_what_ended_it_stand_beside_its_digest() -> None:
    consent = {
        "advertiser": "甲公司", "category": "marketing", "state": "accepted", "since": "2025-11-11 00:00:00", "until": "", "proof": "SHA-256 ab",
        "reviewed_by": "wang", "wording": "同意请回Y",
        "reply": {"time": "2025-11-11 10:00:00", "text": "Y", "port": "1069001", "message": 4711, "requested": "2025-11-11 09:00:00"},
        "ended": {"time": "2025-11-12 08:00:00", "by": "opt-out", "source": "reply"},
    }  # fmt: skip
    said = {"message": MESSAGE, "proof": PROOF, "masked": True, "consents": [consent], "rules": []}
    drawn = "".join(texts(evidence_pdf._evidence(said)))
    for words in (
        "SHA-256 ab",
        "“Y” 2025-11-11 10:00:00",
        "1069001",
        "4711，2025-11-11 09:00:00：同意请回Y",
        "2025-11-12 08:00:00（退订 opt-out）",
    ):
        assert words in drawn
