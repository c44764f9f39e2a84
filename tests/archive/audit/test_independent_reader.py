"""Which words clearly ask to stop, and what texts and PDUs contain."""

from __future__ import annotations

import pytest

from proxy.archive.audit.independent_reader import (
    declared_keywords,
    readings,
    signature_as_written,
    signature_in,
    text_of,
    wish_of,
)
from proxy.wire import deliver_sm, submit_sm
from tests import pdus

STOP = (
    "T", "t", "ＴＤ", "TD.", "“TD”", "【T】", "退订", "退订。", "TD退订", "回复TD", "R", "0000", "拒收", "STOP", "Unsubscribe", "退 订",
    "别发了", "别再发了", "不要再发了", "请不要再给我发短信", "不用发了谢谢", "甭发了", "莫发了", "唔好再發", "請勿再發", "停止发送", "no more",
    "我要退订", "退订短信", "马上停止发送", "不接受推广", "别来烦我", "取消订阅", "stop sending",
)  # fmt: skip
EVERYTHING = (
    "全部退订",
    "退订所有",
    "退订全部营销短信",
    "拒收全部",
    "所有都退",
    "TDALL",
    "ALL",
    "ａｌｌ",
    "全退了吧",
    "都别发了，全部拒收",
)
START = ("START", "start", "取消退订", "恢复订阅")
NOTHING = (
    "谢谢", "好的", "收到", "1", "是", "Y", "怎么退订", "如何退订？", "为什么还没退订", "退订失败", "退订不了", "不退订", "我没退订", "退订了吗",
    "别退订", "thanks", "订单T123", "NT999", "T恤多少钱", "先别发货", "不要发货了", "不用发票", "要不要发过去", "分别发了两次", "特别发",
    "好，再发一遍", "别发火", "我要退订酒店", "退订套餐", "退订流量包", "包裹拒收", "这件我拒收", "退订机票", "取消", "拒绝", "停", "不需要", "你是谁",
    "已退订", "发错人了", "", "……", "😀", "不是我的号码", "请问退订需要多久", "全部退款", "ALLOW", "退订业务",
)  # fmt: skip


@pytest.mark.parametrize("text", STOP)
def test_what_clearly_asks_to_stop(text: str) -> None:
    wish = wish_of(text)
    assert wish is not None
    assert wish.kind == "stop"


@pytest.mark.parametrize("text", EVERYTHING)
def test_what_asks_to_stop_everything(text: str) -> None:
    wish = wish_of(text)
    assert wish is not None
    assert wish.kind == "everything"


@pytest.mark.parametrize("text", START)
def test_what_asks_to_go_on(text: str) -> None:
    wish = wish_of(text)
    assert wish is not None
    assert wish.kind == "start"


@pytest.mark.parametrize("text", NOTHING)
def test_what_does_not_clearly_ask_for_anything(text: str) -> None:
    assert wish_of(text) is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("券 拒收请回复R", {"R"}), ("券 退订回TD", {"TD"}), ("TD退订", {"TD"}), ("退订T", {"T"}), ("回QX取消", {"QX"}), ("取消请回复QX", {"QX"}),
        ("不再接收请回复0000", {"0000"}), ("如不需要请回T", {"T"}), ("发送TD至10086退订", {"TD"}), ("回复QXYLTX可取消接收", {"QXYLTX"}),
        ("回复TDXS#EFKG至95588退订", {"TDXS#EFKG"}), ("拒绝请回R", {"R"}), ("囘T退订", {"T"}), ("券", set()),
    ],
)  # fmt: skip
def test_the_words_that_a_message_asks_to_be_refused_with(text: str, words: set[str]) -> None:
    assert declared_keywords(text) >= words
    assert bool(declared_keywords(text)) is bool(words)


def test_an_appointment_that_may_be_cancelled_declares_no_refusal() -> None:
    assert declared_keywords("确认请回复Y，取消请回复N", marketing=False) == frozenset()


@pytest.mark.parametrize(
    ("text", "name"),
    [("【甲店】券", "甲店"), ("券【甲 店】", "甲店"), ("【Ｊia】券", "JIA"), ("您的【券】到了", ""), ("券", "")],
)
def test_the_name_stands_at_an_edge(text: str, name: str) -> None:
    assert signature_in(text) == name
    assert bool(signature_as_written(text)) is bool(name)


def test_each_kind_of_PDU_is_read_and_none_breaks_it() -> None:
    octets = "【甲店】券".encode("utf-16-be")
    whole = submit_sm("1069001", "13800210001", octets, data_coding=8)
    for data in (
        whole, deliver_sm("1069001", "13800210001", octets, data_coding=8), pdus.data(b"1069001", b"13800210001", "【甲店】券", 1),
        submit_sm("1069001", "13800210001", b"", data_coding=8, tlvs=[(0x0424, octets)]),
    ):  # fmt: skip
        pdu = text_of(data)
        assert readings(pdu.octets, pdu.coding)[0] == "【甲店】券"
    for end in range(len(whole)):
        text_of(whole[:end])


def test_a_text_in_another_coding_than_declared_is_among_the_readings() -> None:
    assert "退订" in readings("退订".encode("gb18030"), 8)
    assert "退订" in readings("退订".encode(), 0)
