"""Names in refusals: registered, as a message had it, or unknown with the reason."""

from __future__ import annotations

import pytest

from proxy.model.message import hash48
from proxy.model.recipient import OptOut
from proxy.policy.explanation import naming
from proxy.policy.explanation.naming import (
    GONE,
    NOT_ASKED,
    about,
    by_names,
    by_registry,
    fields,
    in_state,
    knows_none,
    names_in,
    sender_words,
    signature_written,
)
from proxy.policy.registries.registry import Registries, Registry, SignatureRow
from proxy.state.lists.suppression_lists import ERASED

REGISTRY = Registry(Registries(signatures=(SignatureRow("甲 店", "甲公司", "", "", "", "approved"),)))
JIA, YI, GONE_ONE = hash48("甲店"), hash48("乙店"), hash48("丙店")
LOOK_UP = by_registry(REGISTRY, by_names({YI: "乙 店"}, knows_none(GONE)))


def refused(scope: str, value: str | int = "") -> OptOut:
    return OptOut(scope, f"{value:012x}" if isinstance(value, int) else value, 1, "reply", 0)


@pytest.mark.parametrize(
    ("refusal", "english", "chinese"),
    [
        (refused("all"), "all marketing", "全部营销"),
        (refused("category", "marketing"), "all marketing", "全部营销"),
        (refused("category", "loan"), "all loan", "全部贷款"),
        (refused("port", "1069"), "port 1069", "端口 1069"),
        (refused("provider", "jia"), "provider jia", "通道商 jia"),
        (refused("advertiser", JIA), "advertiser 甲公司【甲 店】", "广告主 甲公司【甲 店】"),
        (refused("advertiser", "甲公司"), "advertiser 甲公司", "广告主 甲公司"),
        (refused("advertiser", YI), "advertiser 【乙 店】 (not registered)", "广告主【乙 店】（未报备）"),
        (refused("signature", JIA), "signature 【甲 店】 of 甲公司", "签名【甲 店】（甲公司）"),
        (refused("signature", "甲店"), "signature 【甲店】 of 甲公司", "签名【甲店】（甲公司）"),
        (refused("signature", "乙店"), "signature 【乙店】", "签名【乙店】"),
        (
            refused("advertiser", GONE_ONE),
            f"advertiser, signature unknown ({GONE_ONE:012x}): its message is no longer in the journal",
            f"广告主，签名未知（{GONE_ONE:012x}）：该短信已不在保存的日志里",
        ),
        (ERASED, "all marketing: their data was erased at their request", "全部营销：已按本人要求删除资料"),
    ],
)
def test_a_refusal_is_told_by_name_in_both_languages(refusal: OptOut, english: str, chinese: str) -> None:
    said = about(refusal, LOOK_UP)
    assert (str(said), said.zh) == (english, chinese)


def test_programs_get_the_names_beside_the_words() -> None:
    assert fields(refused("advertiser", JIA), LOOK_UP) == {
        "advertiser": "甲公司", "signature": "甲 店", "about": "advertiser 甲公司【甲 店】", "about_zh": "广告主 甲公司【甲 店】",
    }  # fmt: skip
    assert (fields(refused("port", "1069"), LOOK_UP)["advertiser"], fields(refused("all"), LOOK_UP)["signature"]) == ("", "")


def test_a_hash_is_shown_only_with_the_reason_why_nothing_else_is() -> None:
    said = sender_words(YI, knows_none(NOT_ASKED))
    assert (str(said), said.zh) == (
        f"signature unknown ({YI:012x}): the journal was not searched", f"签名未知（{YI:012x}）：没有查找日志",
    )  # fmt: skip


def test_a_list_that_names_a_signature_names_the_hash_of_a_reply_too() -> None:
    names = names_in([refused("signature", "乙店"), refused("advertiser", YI), refused("port", "1069")])
    assert names == {YI: "乙店"}
    assert str(about(refused("advertiser", YI), by_names(names, knows_none(GONE)))) == "advertiser 【乙店】 (not registered)"


def test_a_signature_is_shown_as_it_was_written_without_what_a_screen_obeys() -> None:
    assert signature_written("ABC店", "【ａ b c\u202e店】双11") == "ａ b c店"
    assert signature_written("甲店", "no signature here") == "甲店"
    assert signature_written("13800210500", "【13800210500】x") == "138****0500"
    assert len(signature_written("甲店", f"【甲{' ' * 150}店】")) <= naming.WRITTEN_MAX


def test_who_takes_a_refusal_back_may_say_the_name_that_is_shown() -> None:
    for one in (refused("advertiser", JIA), refused("signature", JIA)):
        assert [naming.names(one, name, REGISTRY) for name in (one.value, "甲店", "【甲 店】", "甲公司", "乙店")] == [
            True, True, True, True, False,
        ]  # fmt: skip
    assert not naming.names(refused("port", "106900112233"), "甲店", REGISTRY)
    assert not naming.names(refused("provider", "jia"), "yi", REGISTRY)


def test_rows_of_the_archive_are_told_by_name() -> None:
    said = in_state(f"+advertiser {JIA:012x}; -port 1069", LOOK_UP)
    assert (str(said), said.zh) == ("+advertiser 甲公司【甲 店】; -port 1069", "+广告主 甲公司【甲 店】; -port 1069")
