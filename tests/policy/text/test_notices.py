"""Opt-out notices of many forms, requests for an answer, and that a record keeps both."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.model.message import Category, hash16
from proxy.model.recipient import Entry, pack_entry
from proxy.policy.text.folding import fold, squeeze
from proxy.policy.text.notices import asks, notice, plain
from proxy.state.record import consent_facts
from tests.policy.conftest import Make

DATA = Path(__file__).parents[2] / "data" / "notices.csv"
BODY = "【青禾商城】新品上市全场五折,欢迎光临 "


class Row(NamedTuple):
    text: str
    found: str
    keyword: str


with DATA.open(encoding="utf-8", newline="") as file:
    ROWS = [Row(**{**row, "text": row["text"].replace("\\u200b", "\u200b")}) for row in csv.DictReader(file)]


def read(text: str) -> str:
    return squeeze(fold(text))


def test_a_notice_is_found_at_the_end_and_in_the_middle_with_its_keyword() -> None:
    """One test of all rows: pytest takes longer for each test than all of this takes."""
    rows = [row for row in ROWS if row.found == "yes"]
    ends = {row.text: notice(read(BODY + row.text)) for row in rows}
    assert [row for row in rows if ends[row.text][:3] != (row.keyword, True, True)] == []
    signed = [row for row in rows if not row.text.endswith("囘T") and "(" not in row.text[-1:]]
    middle = {row.text: notice(read(f"新品上市全场五折 {row.text}【青禾商城】")) for row in signed}
    assert [row for row in signed if (middle[row.text].found, middle[row.text].keyword) != (True, row.keyword)] == []


def test_what_speaks_of_goods_bookings_or_answers_is_no_notice() -> None:
    rows = [row for row in ROWS if row.found == "no"]
    assert len(rows) > 100
    assert [row.text for row in rows if notice(read(f"【青禾商城】{row.text}")).found] == []


@pytest.mark.parametrize(
    "text",
    [
        "【青禾】不能拒收请回复R，所有会员须参加", "【青禾】全场五折，不可退订。TD", "【青禾】全场五折，切勿回复“T”退订", "【青禾】暂不支持回复T退订", "【青禾】不要回复TD退订，回了号码会被卖掉", "【青禾】没有退订，别回T",
        "【青禾】全场五折，退订回R(10元/条)", "【青禾】全场五折 拒收请回复R（收费0.5元）", "【青禾】回复T退订，资费1元", "【青禾】回复TD退订将从话费中扣除2元", "【青禾】退订请回复T，信息费3.00元/条由运营商代收", "【青禾】退訂請回覆T，每則收費10元",
        "Sale. Reply STOP to unsubscribe ($1.99 per message)", "【青禾】退订需先充值50元再回复TD", "【青禾】退订回T（仅限9点到10点，每次2元）",
        "【拒收请回复R】全场五折", "【回复N拒收】茶水免费", "[退订回T] 新楼盘98折", "「退订回T」新楼盘98折", "全场五折【拒收请回复R】",
        "【青禾】回T退订已失效，新优惠照常发送", "【青禾】本短信不支持退订，回TD无效", "【青禾】回T退订？不存在的", "警方提示：诈骗短信常以“回T退订”诱导回复", "【青禾】退订回T的短信才正规",
        "【青禾】全场五折 不★能拒收请回复R", "【青禾】全场五折 不支持退订回T", "【青禾】全场五折 没法拒收请回复R", "【青禾】全场五折 禁止拒收请回复R", "【青禾】全场五折 拒收请不要回复R",
        "【青禾】全场五折 拒收请回复R￥10", "【青禾】全场五折 拒收请回复R(10￥)", "【青禾】全场五折 回R退订10元", "【青禾】全场五折 拒收请回复R（5分钱）", "【青禾】全场五折 拒收请回复R，扣10元",
        "【青禾】全场五折 拒收请回复R并支付10元", "【青禾】全场五折 拒收请回复R(另收费)", "【青禾】全场五折 拒收请回复R(暂不支持)", "【青禾】全场五折 拒收请回复R（已停用）", "全场五折 拒收请回复R 10元【青禾】",
    ],
)  # fmt: skip
def test_what_is_negated_costs_something_or_is_the_signature_is_no_notice(text: str) -> None:
    assert not notice(read(text)).found


@pytest.mark.parametrize(
    "text",
    [
        "【青禾】首月1元，回T退订", "【青禾】双人自助低至99元，拒收请回复R", "【青禾】回T退订，免费", "【青禾】回复T退订（免收信息费）", "【青禾】不想再收请回复T", "【青禾】贺岁片抢先看 [退订回TD]",
        "【青禾】全场五折【退订回T】", "（退订回T）【青禾】", "【青禾】拒收请回复R 全场10元起，满3件减1元", "【拒收请回复R】全场五折 回T退订", "【青禾】话费充值优惠 回复T退订",
        "【青禾】到店付10元 退订回T", "【青禾】名额不多不可错过 拒收请回复R", "【青禾】拒收请回复R 10元抵50元", "【青禾】如不想再收请不要犹豫，回T退订", "【青禾】没时间？线上也有 拒收请回复R", "【青禾】满100减10元退订回T",
    ],
)  # fmt: skip
def test_prices_of_goods_and_brackets_of_its_own_leave_a_notice_one(text: str) -> None:
    assert notice(read(text)).found


@given(st.sampled_from([row for row in ROWS if row.found == "yes" and row.text.isascii() is False]), st.data())
def test_a_notice_is_the_same_however_its_characters_are_dressed(row: Row, data: st.DataObject) -> None:
    dressed = "".join(one + data.draw(st.sampled_from(["", "", "", "\u200b", "\u2060"])) for one in row.text)
    assert notice(read(BODY + dressed)).keyword == row.keyword


def test_a_keyword_keeps_its_mark_where_it_is_shown_and_loses_it_where_it_is_compared() -> None:
    assert notice(read(BODY + "退订回复TDXS#EFKG至95588")).keyword == "TDXS#EFKG"
    assert plain("TDXS#EFKG") == "TDXSEFKG"


# --- whether a text asks for an answer

ASKING = (
    "您预约了明日14:00口腔科,确认请回1,取消请回2", "您对本次服务满意请回5,不满意请回1", "您的快递已到,方便送货请回复Y", "请回复Y确认您的预约",
    "您是否参加周六的会议?请回复是或否", "温馨提示:请您尽快回复本短信确认地址", "您预约明日上午复诊,确认请回复Y,改期请回复G。退订回T",
    "Your appointment is tomorrow. Reply Y to confirm", "就诊评价:非常满意回5,满意回4,一般回3", "停水通知,收到请回复",
)  # fmt: skip
NOT_ASKING = (
    "您的验证码是1234,请勿回复", "新品上市 拒收请回复R", "您的快递已签收", "恢复8点供水", "新品上市 退订请回复“TD”", "您的订单已发货,回T退订",
    "温馨提示:此短信无需回复", "来回2小时车程,周末特惠 退订回T", "新品 退订请回复退订", "系统自动发送,请不要回复", "",
)  # fmt: skip


@pytest.mark.parametrize("text", ASKING)
def test_a_text_that_wants_an_answer_asks(text: str) -> None:
    assert asks(read(text), notice(read(text)))


@pytest.mark.parametrize("text", NOT_ASKING)
def test_a_text_that_says_how_to_refuse_or_wants_no_answer_does_not(text: str) -> None:
    assert not asks(read(text), notice(read(text)))


@pytest.mark.parametrize(("text", "wanted"), [(ASKING[0], True), (NOT_ASKING[5], False)])
def test_the_record_of_a_message_says_whether_it_asked(make: Make, text: str, wanted: bool) -> None:
    bench = make("- {id: x, when: {provider: yi}, then: reject, reason: keyword}\n")
    verdict = bench.send(f"【青禾医院】{text}", category=Category.NOTICE)
    assert verdict.facts.asks is wanted
    (sender,) = bench.senders.values()
    packed = pack_entry(7, 1_700_000_000, verdict.facts, sender, verdict.template)
    entry = Entry.unpack(packed)
    assert (entry.asks, entry.category, entry.pack()) == (wanted, Category.NOTICE, packed)


def test_an_entry_from_before_asks_nothing_and_a_consent_request_is_one_whatever_it_asks() -> None:
    before = Entry(7, 1, 2, 3, 4, Category.NOTICE, 8, 5, 6, 0)
    assert not Entry.unpack(before.pack()).asks
    for asking in (False, True):
        packed = before._replace(asks=asking).pack()
        assert consent_facts.asks(packed)
        assert Entry.unpack(packed) == before._replace(asks=asking)


def test_a_reply_to_a_keyword_with_a_mark_is_what_was_declared(make: Make) -> None:
    verdict = make("- {id: x, when: {provider: yi}, then: reject, reason: keyword}\n").send(f"{BODY}退订回复TDXS#EFKG至95588")
    assert verdict.facts.keyword == "TDXS#EFKG"
    assert verdict.facts.keyword_hash == hash16("TDXSEFKG") == hash16(re.sub(r"\W", "", "tdxs#efkg").upper())
