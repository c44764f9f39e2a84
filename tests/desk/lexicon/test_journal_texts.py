"""What became of a text says whether it is advertising."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.archive.text_outcomes import TextOutcome
from proxy.desk.lexicon.word_candidates import PROTECTED, known_words, seen_texts, side_of, word_hits
from proxy.model.message import Content
from proxy.policy.condition import Bits
from proxy.policy.loading.folder import shipped_words
from proxy.policy.registries.reviewed_texts import review_key
from proxy.policy.text.lexicon import read_lexicon
from proxy.policy.text_reader import Reader

LEXICON, _ = read_lexicon((shipped_words(), ("x/own.csv", "某词,rejected\n".encode())))
READER = Reader(Bits(), LEXICON, None)
SENT = TextOutcome("【甲店】学车包接送", "甲店", "notice", "allow", "", False, False, 3)


@pytest.mark.parametrize(
    ("changed", "side"),
    [
        ({}, False),
        ({"category": "otp"}, False),
        ({"category": "marketing"}, None),
        ({"complained": True}, True),
        ({"verdict": "reject", "reason": "keyword", "judged": True}, True),
        ({"verdict": "reject", "reason": "recipient-cap", "judged": True}, None),
        ({"verdict": "reject", "reason": "recipient-cap", "category": "marketing", "judged": True}, True),
        ({"verdict": "reject", "reason": "provider-quota", "category": "marketing", "judged": True}, True),
        ({"verdict": "reject", "reason": "rate-exceeded", "category": "marketing"}, None),
    ],
)  # fmt: skip
def test_the_side_of_a_text(changed: dict[str, Any], side: bool | None) -> None:
    assert side_of(SENT._replace(**changed)) is side


def test_a_text_on_both_sides_is_advertising_and_counts_once() -> None:
    texts, sources = seen_texts([SENT, SENT._replace(complained=True), SENT], [], {}, READER)
    assert [(one.text, one.sender, one.is_advertising) for one in texts] == [("【甲店】学车包接送", "甲店", True)]
    assert sources == (0, 1, 0, 1)


def test_a_clerk_decides_over_the_verdict() -> None:
    key = review_key(Content(SENT.text, "readable", b""))
    refused = SENT._replace(verdict="reject", reason="keyword", judged=True)
    assert seen_texts([refused], [], {key: "released"}, READER) == ([], (0, 0, 0, 0))
    texts, sources = seen_texts([SENT], [], {key: "refused"}, READER)
    assert ([one.is_advertising for one in texts], sources) == ([True], (0, 0, 1, 0))


def test_what_complainants_typed_is_advertising() -> None:
    texts, _ = seen_texts([], ["天天骚扰 优惠券 秒杀"], {}, READER)
    assert [(one.is_advertising, one.surely) for one in texts] == [(True, True)]


REFUSED = SENT._replace(verdict="reject", reason="region-ban", category="marketing", judged=True)


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        ("【甲店】双11优惠券 秒杀", 1),  # its words are advertising
        ("【甲店】云纹笺已备妥 回T退订", 1),  # no known word, but an opt-out notice
        ("【物业】今晚停水检修，请提前储水", 0),
        ("【物业】今晚停水检修，请提前储水 回T退订", 0),  # notices may have one, too
        ("【甲店】云纹笺已备妥", 0),  # nothing says what it is
    ],
)
def test_a_notice_of_an_account_declared_marketing_is_no_advertisement_when_it_is_refused(text: str, counts: int) -> None:
    texts, sources = seen_texts([REFUSED._replace(text=text)], [], {}, READER)
    assert (len(texts), sources.refused) == (counts, counts)
    delivered = SENT._replace(text=text)
    assert [one.is_advertising for one in seen_texts([REFUSED._replace(text=text), delivered], [], {}, READER)[0]] == [
        bool(counts)
    ]
    keyword = REFUSED._replace(text=text, reason="keyword")
    assert [one.is_advertising for one in seen_texts([keyword], [], {}, READER)[0]] == [True], "refused for its words"


def test_words_of_the_lexicon_are_known_and_those_of_notices_protected() -> None:
    known = known_words(LEXICON)
    assert (known["优惠券"], known["取件码"], known["某词"]) == (4, PROTECTED, 0)


def test_words_with_most_false_hits_come_first_and_words_of_notices_are_left_out() -> None:
    texts, _ = seen_texts([SENT._replace(text="【甲店】优惠券 取件码8-2")], ["天天骚扰 秒杀", "优惠券 秒杀"], {}, READER)
    found = [(one.word, one.purpose, one.hits, one.false_hits) for one in word_hits(texts, READER)]
    assert found[0] == ("优惠券", "ad", 1, 1)
    assert ("秒杀", "ad", 2, 0) in found
    assert "取件码" not in [word for word, *_ in found]
