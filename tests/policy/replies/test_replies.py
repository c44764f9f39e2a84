"""The meaning of replies: labelled texts, spellings that fold together, and arbitrary input."""

from __future__ import annotations

import csv
import re
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from proxy.model.message import hash16
from proxy.policy.replies.optout import CORE, REPLY_CHARACTERS_MAX, RESTORE, Declared, read_reply

DATA = Path(__file__).parents[2] / "data" / "replies"
LABELS = ("optout", "restore", "review", "none")
LATIN = sorted(word for word in CORE if word.isascii())


class Row(NamedTuple):
    text: str
    declared: str
    label: str
    why: str


def rows(name: str) -> list[Row]:
    with (DATA / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        found = [Row(**row) for row in csv.DictReader(file)]
    return [row._replace(text=re.sub(r"\\(u[0-9a-f]{4}|n)", _unescaped, row.text)) for row in found]


def _unescaped(escape: re.Match[str]) -> str:
    return "\n" if escape[1] == "n" else chr(int(escape[1][1:], 16))


def asked(keyword: str, *before: str) -> Declared:
    """A person was last told to reply ``keyword``, and earlier the others."""
    return Declared(hash16(keyword) if keyword else 0, frozenset(hash16(one) for one in (keyword, *before) if one))


DEVELOP, FROZEN = rows("develop"), rows("frozen")


@pytest.mark.parametrize(("name", "labelled"), [("develop", DEVELOP), ("frozen", FROZEN)])
def test_labelled_replies_are_read_as_they_are_labelled(
    name: str, labelled: list[Row], capsys: pytest.CaptureFixture[str]
) -> None:
    """Of what was frozen before the reader was made one in twenty may be read otherwise, but never a thanks as a refusal."""
    confusion: Counter[tuple[str, str]] = Counter()
    wrong = []
    for row in labelled:
        kind = read_reply(row.text, asked(row.declared)).kind
        confusion[row.label, kind] += 1
        if kind != row.label:
            wrong.append(f"{row.text!r} is {row.label} ({row.why}), read as {kind}")
    with capsys.disabled():
        print(f"\n{name}: {len(labelled)} replies, {len(wrong)} read otherwise; labelled → read as {' '.join(LABELS)}")
        for label in LABELS:
            print(f"  {label:8}", *(f"{confusion[label, kind]:7}" for kind in LABELS))
    assert len(wrong) <= (0 if name == "develop" else len(labelled) // 20), wrong
    assert not confusion["none", "optout"], wrong
    assert not any(confusion[label, "restore"] for label in LABELS if label != "restore"), wrong


def test_the_labelled_replies_are_many_of_every_kind_and_none_is_in_both_files() -> None:
    for labelled in (DEVELOP, FROZEN):
        assert len(labelled) >= 75
        assert set(Counter(row.label for row in labelled)) == set(LABELS)
    plain = {row.text for row in DEVELOP if len(row.text) > 8} & {row.text for row in FROZEN if len(row.text) > 8}
    assert plain == set()


def test_a_single_letter_counts_only_if_the_last_message_asked_for_it() -> None:
    assert read_reply("A", asked("A")).kind == "optout"
    assert read_reply("A", asked("R", "A")).kind == "none"
    assert read_reply("A").depends, "it is worth a look into the record"


def test_an_unusual_keyword_counts_if_any_message_asked_for_it() -> None:
    assert read_reply("qxdy", asked("R", "QXDY")) == read_reply("QXDY", asked("QXDY"))
    assert read_reply("QXDY", asked("R", "QXDY")).kind == "optout"
    assert read_reply("QXDY").depends


@pytest.mark.parametrize("text", ["thanks for the flowers", "好的", "", "你是谁", "我在门口等你"])
def test_what_can_be_no_keyword_needs_no_record(text: str) -> None:
    assert read_reply(text) == ("none", "", False, False)


# --- spellings

WIDE = str.maketrans({chr(code): chr(code + 0xFEE0) for code in range(0x21, 0x7F)})
INVISIBLE = st.sampled_from(["", "", "\u200b", "\u200d", "\u2060", "\ufeff", "\u00ad", "\u202c"])
BETWEEN = st.sampled_from(["", "", "", " ", "\u3000", "\u200b", ".", "-", "\n"])
AROUND = st.sampled_from(["", "", " ", "“”", "【】", "()", "''", "。", "!!", "👎", "\u200b", "…"])


@given(st.sampled_from(sorted(CORE | RESTORE)), st.data())
def test_spelt_in_any_way_a_word_means_the_same(word: str, data: st.DataObject) -> None:
    letters = []
    for letter in word:
        drawn = data.draw(st.sampled_from([letter, letter.lower(), letter.translate(WIDE), letter.lower().translate(WIDE)]))
        letters.append(drawn + data.draw(INVISIBLE) + data.draw(BETWEEN))
    around = data.draw(AROUND)
    half = len(around) // 2
    assert read_reply(around[:half] + "".join(letters) + around[half:]) == read_reply(word)


@given(
    st.sampled_from(LATIN),
    st.sampled_from(["{}退订", "回复{}", "回{}", "发送{}", "退订{}", "退订回{}", "回复{}退订", "请回复 {} 谢谢"]),
)
def test_a_word_in_the_words_of_a_notice_means_the_same(word: str, notice: str) -> None:
    assert (read_reply(notice.format(word)).kind, read_reply(notice.format(word)).keyword) == ("optout", word)


@given(st.from_regex("[0-9A-Z]{1,8}", fullmatch=True))
def test_any_keyword_counts_once_it_was_asked_for_and_only_then(word: str) -> None:
    assert read_reply(word.lower(), asked(word)).kind == ("restore" if word in RESTORE else "optout")
    if re.search("[VZ]", word):  # so it is no slip of a common one
        assert read_reply(word).kind == "none"


# --- anything at all

PIECES = "退订 取消 TD T 不 怎么 你们的 我 要 回复 再 发 短信 谢谢 stop please me start 拒收 吗 \u200b 【 】 \ud800 😡 １ 0000 的".split(
    " "
)


@given(st.one_of(st.text(), st.lists(st.sampled_from(PIECES), max_size=60).map("".join)), st.sampled_from(["", "A", "QXDY"]))
@example("\ud800" * 40, "")
def test_reading_never_raises_and_tells_one_of_four(text: str, declared: str) -> None:
    reply = read_reply(text, asked(declared))
    assert reply.kind in LABELS
    plain = read_reply(text)
    assert reply.kind == "optout" or reply == plain or (plain.kind, reply.kind) == ("none", "review"), "it only adds refusals"


@pytest.mark.parametrize(
    "text",
    ["你们的" * 5_000, "谢谢" * 30 + "x", "退订" * 5_000, "please " * 5_000, "不要再发" * 15, "的" * 59 + "x", "stop me " * 9, "T" * 20_000, "你们的" * 19 + "x", "帮我" * 29, "别" * 150, "再也" * 500, "不要给我" * 250, "退订酒店" * 250, "do not you " * 90, "短信" * 500, "弄不然的话" * 200, "再推" * 500],
    ids=range(18),
)  # fmt: skip
def test_whoever_repeats_himself_costs_no_time(text: str) -> None:
    began = time.process_time()
    for _ in range(20):
        read_reply(text)
    assert time.process_time() - began < 0.4, "20 ms a reply, on a machine that has other things to do"


def test_what_stands_behind_a_very_long_text_changes_nothing() -> None:
    assert read_reply("好" * REPLY_CHARACTERS_MAX + "退订").kind == "none"
    assert read_reply("退订" + "好" * REPLY_CHARACTERS_MAX).kind == "review"


# --- what people write

with (DATA / "asking.csv").open(encoding="utf-8", newline="") as file:
    WRITTEN = [(row["text"].replace("\\n", "\n"), row["asks"]) for row in csv.DictReader(file)]


def test_of_what_asks_to_stop_nearly_all_is_read_so_and_of_what_does_not_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """88 of 100 stop messages, 95 at least come to a person's eyes."""
    asking, others = ([text for text, asks in WRITTEN if asks == said] for said in ("yes", "no"))
    kinds = Counter(read_reply(text).kind for text in asking)
    with capsys.disabled():
        print(f"\n{len(asking)} replies that ask to stop: {dict(kinds)}; {len(others)} that do not")
    assert kinds["optout"] >= 0.88 * len(asking)
    assert kinds["optout"] + kinds["review"] >= 0.95 * len(asking)
    assert [text for text in others if read_reply(text).kind == "optout"] == []
    assert sum(read_reply(text).kind == "review" for text in others) <= 0.08 * len(others), "many were written to attack it"


@pytest.mark.parametrize(
    "text",
    [*"退 停 停发 停止 拒绝 取消 立即停止 不需要 不感兴趣 没兴趣 以后不用发了 把我号码删了 取消短信 不接受推广 我没订过 别来烦我 推订 退钉 TDD T1 甭发了 莫发了 唔好再發 "
    "回复退订 回QX取消 马上停止发送 换号了别发了 能不能别发了 滚别发了".split(), "no more", "T\n发自我的iPhone", "怎么还发,退订"],
)  # fmt: skip
def test_what_was_lost_before_is_an_opt_out(text: str) -> None:
    assert read_reply(text).kind == "optout"


@pytest.mark.parametrize("text", ["怎么退订", "退订失败", "可以退订吗", "不要退订", "我不退订", "退订不了", "退订了还发"])
def test_who_asks_how_to_refuse_or_denies_it_is_read_by_a_person(text: str) -> None:
    assert read_reply(text).kind == "review"


@pytest.mark.parametrize("text", ["取消/退订", "取消，退订", "退订、取消"])
def test_two_words_for_stopping_are_no_wish_to_take_it_back(text: str) -> None:
    assert read_reply(text).kind == "optout"


@pytest.mark.parametrize(
    "text",
    ["不要，太贵", "不用了，已经修好了", "取消吧，时间不合适", "停，到站了", "拒收了，货不对", "误退订", "我没说要退哈，莫乱整", "我已经退订了", "再发错我就投诉", "【甲家居】全屋定制899/㎡，退订回TD"],
)  # fmt: skip
def test_what_may_be_meant_otherwise_is_read_by_a_person(text: str) -> None:
    assert read_reply(text).kind == "review"


@pytest.mark.parametrize(
    "text",
    ["转发：【甲家居】全屋定制899/㎡…退订回TD\n这个别再发给我了", "> 拒收请回复R\nR", '"回T退订"\n\nT', "TD\n李工 技术部 联系电话010-55550000", "你们发的“尿裤买二送一 退订回TD” 不要了 退订"],
)  # fmt: skip
def test_a_quoted_message_and_a_signature_change_nothing(text: str) -> None:
    assert read_reply(text).kind == "optout"


def test_of_a_message_that_was_sent_on_only_the_own_words_are_read() -> None:
    assert read_reply("Fw: 【甲火锅】会员日五折 回复TD退订\n老婆今晚去吃这个？").kind == "none"


@pytest.mark.parametrize(
    "text", ["再发一下截图", "再来一份爆米花", "网断了", "退定金", "never got your sms", "take the red one"]
)
def test_a_word_of_a_demand_alone_is_none(text: str) -> None:
    assert read_reply(text).kind == "none"


@pytest.mark.parametrize(("text", "keyword"), [("YD", "TD"), ("ts", "TD"), ("qz", "QX"), ("TDJD", "TDJS")])
def test_a_declared_keyword_missed_by_one_key_is_an_opt_out_unless_an_answer_was_asked_for(text: str, keyword: str) -> None:
    assert read_reply(text, asked(keyword))[:2] == ("optout", keyword)
    assert read_reply(text, replace(asked(keyword), asked=True)).kind == "review"
    assert read_reply(text, asked("QXLMN")).kind != "optout"


def test_a_letter_beside_the_declared_one_is_read_by_a_person_but_no_answer_is() -> None:
    assert read_reply("M", asked("N")).kind == "review"
    assert read_reply("Y", Declared(hash16("T"), frozenset({hash16("T")}), asked=True)).kind == "none"
    assert read_reply("2", asked("3")).kind == "none"
    assert read_reply("wx", asked("QX")).kind == "none", "WeChat"


@pytest.mark.parametrize(
    "text",
    [*"tuì·dìng ○○○○ 四个零 零零零零 踢地 🚫短信 广告❌ 给我退订，还发？ 以后不用通知我了 别再推减脂餐了 我点T了 别发了，不然投诉 下一条直接12321 没空看 请不发我".split(), "quanbu tuiding", "no send me again", "dun wan", "i want out", "pls remove my no."],
)  # fmt: skip
def test_a_refusal_in_any_hand_is_an_opt_out(text: str) -> None:
    assert read_reply(text).kind == "optout"


def test_a_declared_keyword_counts_with_its_sign_beside_other_words() -> None:
    assert read_reply("tdwl#jh7 我不喝酒谢谢", asked("TDWLJH7"))[:2] == ("optout", "TDWLJH7")


@pytest.mark.parametrize(
    "text",
    [*"以后别放葱 以后有货通知我 别推迟 别给我推到下周 拒收烂鸡蛋 请不发顺丰 信息不要填错 别吵醒孩子，放门口 再弄丢我就投诉 下一条裤子要L码 别发给我老婆 我走开一会儿 信息费能退不 我是T 失能老人收不收 学生证不收 N行吗 不去了❌".split(), "no send to my office", "don't text my husband, text me", "no thanks needed", "not interested in the red, only blue"],
)  # fmt: skip
def test_talk_of_goods_and_people_in_words_of_refusing_is_no_opt_out(text: str) -> None:
    assert read_reply(text).kind != "optout"


# --- everything

EVERYTHING = (
    *"全部退订 退订所有 退订全部营销短信 拒收全部 所有都退 TDALL ALL 所有短信都不要 一律退订 STOPALL 统统退订 不接收任何广告 拒绝一切广告 T全部".split(), "STOP ALL", "stop all messages",
)  # fmt: skip


@pytest.mark.parametrize("text", EVERYTHING)
def test_who_refuses_everything_refuses_all_senders(text: str) -> None:
    assert read_reply(text)[0::3] == ("optout", True)


@pytest.mark.parametrize(
    "text", ["把你们的短信全部删除", "你们所有的广告都别发", "退订", "别再给我发任何短信", "T", "stop all your messages"]
)
def test_who_refuses_one_sender_whatever_it_sends_refuses_that_one(text: str) -> None:
    assert read_reply(text)[0::3] == ("optout", False)


@pytest.mark.parametrize(
    ("text", "all_of_it"), [("全部恢复", True), ("START ALL", True), ("START", False), ("取消退订", False)]
)
def test_what_was_refused_everywhere_comes_back_everywhere_on_request_only(text: str, all_of_it: bool) -> None:
    assert read_reply(text)[0::3] == ("restore", all_of_it)


# --- to a message that asks for an answer

TO_A_QUESTION = Declared(asked=True)


@pytest.mark.parametrize("text", ["取消", "拒绝", "停", "不需要", "N", "T", "QX", "STOP", "拒收", "不要", "别发了", "不感兴趣"])
def test_what_may_answer_the_question_is_read_by_a_person(text: str) -> None:
    assert read_reply(text, TO_A_QUESTION).kind == "review"
    assert read_reply(text).kind == "optout"


@pytest.mark.parametrize(
    "text", ["退订", "TD", "T退订", "退订短信", "别给我发短信了", "不要再发广告", "别再骚扰我了", "全部退订", "不需要，退订"]
)
def test_what_names_messages_stops_them_whatever_was_asked(text: str) -> None:
    assert read_reply(text, TO_A_QUESTION).kind == "optout"


@pytest.mark.parametrize("text", ["1", "2", "Y", "确认", "好的", "不来了", "明天取消", "取消预约", "改到周三"])
def test_an_answer_is_none(text: str) -> None:
    assert read_reply(text, TO_A_QUESTION).kind == "none"


def test_the_word_that_the_question_itself_declared_as_a_refusal_counts() -> None:
    declared = Declared(hash16("T"), frozenset({hash16("T")}), asked=True)
    assert [read_reply(text, declared).kind for text in ("T", "回复T", "T，谢谢", "取消")] == [
        "optout",
        "optout",
        "optout",
        "review",
    ]
