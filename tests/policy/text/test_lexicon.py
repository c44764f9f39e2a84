"""The lexicon: staff extend it, mistakes are reported by line, a change makes a new revision, digits never decide."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.model.message import Category, Content
from proxy.policy.condition import Bits
from proxy.policy.loading.check import check
from proxy.policy.loading.folder import shipped_words
from proxy.policy.loading.load_rules import load, load_all
from proxy.policy.loading.problem import RulesError
from proxy.policy.text.category import (
    BESIDE_LINK,
    CALM_TAKES,
    EVASION,
    INVITING,
    INVITING_CALM,
    LIKELY,
    LINK,
    OPT_OUT,
    SURELY,
    band_of,
)
from proxy.policy.text.category_evidence import Feature, evidence
from proxy.policy.text.folding import normal_signature
from proxy.policy.text.lexicon import COLUMNS, Lexicon, read_lexicon
from proxy.policy.text.scanner import Scanner
from proxy.policy.text.text_analysis import TextAnalysis
from proxy.policy.text_reader import Reader
from tests.policy.conftest import Make, Write
from tests.policy.labelled import labelled
from tests.scanners import scanners_kept

HEAD = ",".join(COLUMNS) + "\n"
RULE = "rules:\n  - {id: ads, when: {category: marketing}, then: reject, reason: keyword}\n"
SHIPPED, _ = read_lexicon((shipped_words(),))
ALL = labelled("develop") + labelled("frozen")


def content(text: str) -> Content:
    return Content(text, "readable", b"")


def reader(rows: str) -> Reader:
    lexicon, problems = read_lexicon((("rules/lexicon/words.csv", (HEAD + rows).encode()),))
    assert problems == ()
    return Reader(Bits(), lexicon, None)


def score(rows: str, text: str) -> int:
    return reader(rows).classified(TextAnalysis(content(text))).score


# --- the files


MISTAKES = [
    (
        "优惠,advert,3",
        "for: unknown purpose 'advert' (one of ad, price, call, topic, notice, otp, warning, consent, code, none)",
    ),
    ("优惠,ads,3", "for: unknown purpose 'ads' (did you mean 'ad'?)"),
    ("优惠,ad,many", "weight: must be a whole number from 1 to 100, not 'many'"),
    ("优惠,ad,", "weight: must be a whole number from 1 to 100, not ''"),
    ("优惠,ad,0", "weight: must be a whole number from 1 to 100, not '0'"),
    ("优惠,ad,101", "weight: must be a whole number from 1 to 100, not '101'"),
    ("优惠,ad,-3", "weight: must be a whole number from 1 to 100, not '-3'"),
    ("优惠,ad,²", "weight: must be a whole number from 1 to 100, not '²'"),
    ("优惠,none,3", "weight: a word that speaks for nothing (none) has none, not '3'"),
    ("优惠,ad,3,loans", "subcategory: unknown sub-category 'loans' (did you mean 'loan'?)"),
    ("优惠,ad,3,loan,why,more", "6 columns, expected word,for,weight,subcategory,note"),
    ("618,ad,3", "word: '618' is nothing but numbers, spaces and marks: it would fit nearly every text"),
    ("\u200b,ad,3", "word: '\u200b' is nothing but numbers, spaces and marks: it would fit nearly every text"),
    ("优" * 65 + ",ad,3", "word: longer than 64 characters"),
]


@pytest.mark.parametrize(("row", "said"), MISTAKES, ids=[row[:20] for row, _ in MISTAKES])
def test_a_bad_row_is_told_by_file_and_line_and_what_is_wrong(write: Write, row: str, said: str) -> None:
    with pytest.raises(RulesError) as caught:
        load(write(RULE, {"lexicon/own.csv": f"{HEAD}# mine\n{row}\n"}))
    assert str(caught.value) == f"rules/lexicon/own.csv:3: {said}"


def test_all_bad_rows_are_told_at_once_and_a_word_stands_once_among_our_own(write: Write) -> None:
    files = {
        "lexicon/a.csv": "甲词,ad,3\n乙词,add,3\n优惠,ad,1\n",
        "lexicon/b.csv": "甲 词,ad,4\n",
        "lexicon/c.csv": "丙词,ad,x\n",
    }
    with pytest.raises(RulesError) as caught:
        load(write(RULE, files))
    assert str(caught.value).splitlines() == [
        "rules/lexicon/a.csv:2: for: unknown purpose 'add' (did you mean 'ad'?)",
        "rules/lexicon/b.csv:1: word: '甲词' stands in rules/lexicon/a.csv:1 already",
        "rules/lexicon/c.csv:1: weight: must be a whole number from 1 to 100, not 'x'",
    ]


def test_a_file_that_is_no_UTF8_is_told_so(write: Write) -> None:
    folder = write(RULE, {"lexicon/own.csv": ""})
    (folder / "lexicon" / "own.csv").write_bytes(b"word,for\n" + "优惠,ad,3\n".encode("gbk"))
    with pytest.raises(
        RulesError, match=re.escape("rules/lexicon/own.csv:2: not UTF-8: byte 0xd3, probably GBK (save the file as UTF-8)")
    ):
        load(folder)


def test_the_words_that_ship_have_no_mistake_and_are_many() -> None:
    _, problems = read_lexicon((shipped_words(),))
    assert problems == ()
    assert len(SHIPPED.words) > 1_000
    assert {word.purpose for word in SHIPPED.words} == set(
        "ad price call topic notice otp warning consent code none".split()
    ), "each purpose is of use"


def test_own_words_come_on_top_of_those_that_ship_and_replace_them(make: Make) -> None:
    ads = "- {id: ads, when: {classified: marketing}, then: reject, reason: keyword}"
    assert make(ads).says("【某店】霸王餐来袭") == "allow"
    assert make(ads, {"lexicon/own.csv": "霸王餐,ad,6\n"}).says("【某店】霸王餐来袭") == "reject ads"
    assert make(ads, {"lexicon/own.csv": "霸王餐,ad,6\n"}).says("【某店】优惠券限量领") == "reject ads", (
        "the shipped words are there"
    )
    own = {"lexicon/own.csv": "优惠券,none\n限量领,none\n"}
    assert make(ads, own).says("【某店】优惠券限量领") == "allow", "a row of our own replaces the shipped one"
    assert make(ads, {"lexicon/words.csv": "霸王餐,ad,6\n"}).says("【某店】优惠券限量领") == "allow", (
        "a words.csv of our own is all there is"
    )


def test_a_changed_word_is_another_revision_and_an_unchanged_lexicon_is_not_read_again(write: Write) -> None:
    first = load(write(RULE))
    again = load_all(write(RULE.replace("ads", "adverts")), before=first).rules
    assert again.lexicon is first.lexicon
    assert again.reader.scanner.shards.held == first.reader.scanner.shards.held
    more = load(write(RULE.replace("ads", "adverts"), {"lexicon/own.csv": "霸王餐,ad,6\n"}))
    assert len({first.revision, again.revision, more.revision}) == 3
    text = content("【某店】霸王餐来袭")
    read = [rules.reader.read(text).traits.classified for rules in (again, more, again, more)]
    assert read == [Category.NOTICE, Category.MARKETING] * 2, "what one set remembers is not asked of another"


def test_a_hundred_thousand_words_are_read_and_found(write: Write) -> None:
    syllables = [chr(0x4E00 + number * 7) for number in range(50)]
    words = [f"{a}{b}{c}词" for a in syllables for b in syllables for c in syllables[:40]]
    assert len(words) == 100_000
    started = time.process_time()
    rules = load(write(RULE, {"lexicon/long.csv": "".join(f"{word},ad,6,game\n" for word in words)}))
    assert time.process_time() - started < 20  # 2 s alone
    found = evidence(rules.reader, content(f"你好{words[77_777]}你好"))
    assert [feature.what for feature in found.features] == [words[77_777]]
    assert found.classified.subcategory == "game"


# --- what counts


def test_a_word_in_a_longer_word_counts_with_the_longer_one() -> None:
    rows = "优惠,ad,2\n优惠券,ad,5\n优惠政策,none\n"
    assert score(rows, "优惠") == 2
    assert score(rows, "优惠券") == 5
    assert score(rows, "优惠券 优惠") == 5, "nor does it beside it"
    assert score(rows, "优惠政策") == 0
    assert score(rows, "优惠政策和优惠") == 2, "a word that speaks for nothing hides nothing but what is inside it"
    assert score(rows, "优惠优惠优惠") == 2, "a word counts once"


def test_words_that_overlap_count_both() -> None:
    assert score("限时优惠,ad,3\n优惠券,ad,4\n", "限时优惠券") == 7


def test_a_latin_word_is_found_only_as_a_word() -> None:
    assert score("sale,ad,3\n", "Big SALE today") == 3
    assert score("sale,ad,3\n", "wholesale sales Jerusalem") == 0
    assert score("sale,ad,3\n", "大sale来袭") == 3


def test_digits_of_a_word_stand_for_any_number() -> None:
    for text in ("满9减1", "满300减150", "满３００减２０"):
        assert score("满100减20,ad,4\n", text) == 4
    assert score("满100减20,ad,4\n", "满百减20") == 0


def test_what_speaks_for_a_notice_outweighs_what_is_soft_and_a_little_of_an_offer() -> None:
    rows = "元,price,3\n签收,notice,9\n已读,notice,3\n大促,ad,6\n"
    assert score(rows, "9元") == 3
    assert score(rows, "9元已签收") == 0
    assert score(rows, "已读 大促9元") == 6
    assert score(rows, "已签收 大促9元") == 6 - CALM_TAKES, "never more of it, whatever else a notice says"


def test_a_link_beside_an_opt_out_notice_invites_where_nothing_speaks_for_a_notice_or_a_code() -> None:
    rows = f"看看,call,1\n已读,notice,{INVITING_CALM}\n签收,notice,{INVITING_CALM + 1}\n登录,code,6\n谨防,warning,6\n"
    one = reader(rows)
    invited = one.classified(TextAnalysis(content("有人喜欢你，看看 t.cn/abc 退订回T")))
    assert (invited.score, invited.band) == (1 + LINK + OPT_OUT + INVITING, "surely")
    assert score(rows, "有人喜欢你，看看 t.cn/abc") == 1 + LINK
    assert score(rows, "有人喜欢你，看看 退订回T") == 1 + OPT_OUT
    assert score(rows, "有人喜欢你，看看 已读 t.cn/abc 退订回T") == 1 + LINK + OPT_OUT + INVITING - INVITING_CALM
    for other in ("签收", "登录", "谨防"):
        text = f"有人喜欢你，看看 {other} t.cn/abc 退订回T"
        assert band_of(one.classified(TextAnalysis(content(text))).band) == "hardly", text
        assert sum(one.weight for one in evidence(one, content(text)).features if one.kind == "link") == LINK
    shown = evidence(one, content("有人喜欢你，看看 t.cn/abc 退订回T")).features
    assert [(feature.kind, feature.weight) for feature in shown] == [
        ("call", 1),
        ("link", LINK + INVITING),
        ("opt-out", OPT_OUT),
    ]


def test_a_warning_outweighs_what_it_warns_of_and_less_of_it_counts_beside_a_link() -> None:
    rows = f"骗局,warning,6\n轻信,warning,{BESIDE_LINK}\n抽奖,ad,6\n试驾,ad,3\n元,price,3\n"
    assert score(rows, "抽奖试驾9元") == 12
    assert score(rows, "抽奖试驾9元骗局") == 6
    assert score(rows, "抽奖试驾9元骗局 t.cn/abc") == 12 + LINK
    assert score(rows, "抽奖试驾9元骗局轻信 t.cn/abc") == 6 + LINK


def test_asking_for_consent_outweighs_what_is_soft_too() -> None:
    rows = "是否同意接收,consent,6\n健身,topic,3\n会员,topic,3\n"
    assert score(rows, "健身会员") == 6
    assert score(rows, "健身会员是否同意接收") == 0


FALSE_BEFORE = [
    "【驿站】您的包裹已放到东门茅台烟酒旁的代收点，请凭取件码5-2-1103领取，回T退订",
    "【云车】近期有不法分子冒充我司，以优惠购车、免费保养、抽奖为名诱导点击链接，请勿轻信，官方信息见 www.yunche.example",
    "【某市供电】尊敬的新用户，您户号3301的本月电费86.50元，请在25日前缴清，微信缴费可查明细",
    "【某地燃气】新用户您好，本期燃气费32元，如已缴费请忽略",
    "【公安】警惕网络赌博：百家乐、六合彩等均为违法，切勿参与",
    "【某超市】您购买的代金券退款成功，金额88元",
    "【某平台】您反映的问题已处理，赠送的补偿优惠券已到账",
    "【六合快递】您的快递已到六合区江北大道营业部，取件码8-2-1103。",
    "【某招聘】您的简历已被企业查看",
    "【某分期】恭喜您下单成功，借款2000元已打款至您的收款账户，请按时还款",
    "【某行】佳节来临之际，感谢新老客户一路同行，祝您新春快乐、阖家幸福",
    "【某团】您抢购成功的火锅团购券已出库，尾款已付",
    "【某电信】您本月流量仅剩300MB，赠送流量已用完",
    "【某楼盘】认购客户您好，网签定于周三，请携带身份证和首付款",
]
"""Notices, and warnings against fraud, with words of advertising in them."""


@pytest.mark.parametrize("text", FALSE_BEFORE)
def test_a_notice_with_words_of_advertising_is_none(text: str) -> None:
    found = Reader(Bits(), SHIPPED, None).classified(TextAnalysis(content(text)))
    assert band_of(found.band) != "surely", evidence(Reader(Bits(), SHIPPED, None), content(text))


STREET = {
    "recruiting": "电子厂招普工，长白班包住，月综合6500，可预支，联系王经理",
    "wages": "急招小时工，一天180，做一天结一天，管饭",
    "driving school": "【远方驾校】C1全包2680，接送练车，一费制无二次收费，咨询张教练",
    "licence": "学车季组团学，5人团每人立省300，60天拿证",
    "tutoring": "【学优】寒假班招生中，小升初冲刺，名师小班，试听满意再交费",
    "B2B": "大量现货供应再生颗粒，质优价廉，量大从优，欢迎来电洽谈",
    "services": "专业承接防水补漏、管道疏通，价格公道，随叫随到",
    "game": "【传世】今天10点新区开放，散人攻城爆装备，上线就有屠龙刀",
    "gambling, split": "新*葡*京：注-册-送-3-8-8，存1百送1百，24小时出款",
    "gambling, by full stops": "澳.门.威.尼.斯.人 真.人.视.讯 首存翻倍",
    "beauty": "【纤体】一个月瘦20斤不反弹不节食，先瘦后付款，到店免费检测",
    "spots": "激光祛斑祛痘，无创无痛，签约治疗，专家亲诊",
    "credit-card cash": "信用卡套现、养卡、空卡代还，秒到账，个人pos机",
    "used cars": "高价回收二手车、事故车、抵押车，上门评估，手续齐全当场付款",
    "a friend who waits": "【某聊】离你很近的她给你点了赞，点击看看 t.example/a 拒收回T",
    "an application": "【某视频】你关注的主播正在直播，快来互动 退订回T",
    "a coupon that expires": "【某商城】您有一张50元购物卡即将过期，请尽快使用 t.example/q 退订回T",
    "a group in disguise": "求答案的来，筘群【❽9❻6】，刷课代做",
    "instalments": "您的账单可分12期还，每期手续费19元，账单分期享5折，回复FQ办理",
    "car for sale": "个人急售2018款轿车，一手车无事故，4.5万可小刀",
}


@pytest.mark.parametrize("what", STREET)
def test_advertising_in_the_words_of_the_street_is_seen(what: str) -> None:
    found = Reader(Bits(), SHIPPED, None).classified(TextAnalysis(content(STREET[what])))
    assert band_of(found.band) == "surely", evidence(Reader(Bits(), SHIPPED, None), content(STREET[what]))


def test_a_rejected_word_is_not_searched_and_takes_a_shipped_one_out_of_use() -> None:
    lexicon, problems = read_lexicon(
        (shipped_words(), ("rules/lexicon/reviewed.csv", (HEAD + "优惠券,rejected,,,\n").encode()))
    )
    assert problems == ()
    assert lexicon.rejected == {"优惠券"}
    assert "优惠券" not in {word.text for word in lexicon.words}
    assert len(lexicon.values) == len(lexicon.words)


def test_three_bands_are_facts_and_only_the_highest_counts_as_marketing(make: Make) -> None:
    own = {"lexicon/own.csv": f"霸王餐,ad,{SURELY}\n尝一尝,ad,{LIKELY}\n"}
    rules = """
- {id: likely, when: {classified: {marketing: likely}}, then: tag, reason: in-review}
- {id: hardly, when: {classified: {marketing: hardly}}, then: tag, reason: in-review}
- {id: either, when: {classified: {marketing: [likely, surely]}}, then: tag, reason: in-review}
- {id: ads, when: {category: marketing}, then: reject, reason: keyword}
"""
    bench = make(rules, own)
    told = {
        text: (verdict.outcome.word, {breach.rule for breach in verdict.breaches})
        for text in ("霸王餐", "尝一尝", "你好")
        for verdict in [bench.send(text, category=Category.OTP)]
    }
    assert told == {
        "霸王餐": ("reject", {"either", "ads"}),
        "尝一尝": ("allow", {"either", "likely"}),
        "你好": ("allow", {"hardly"}),
    }


@pytest.mark.parametrize(
    ("when", "said"),
    [
        ("{marketing: often}", "classified: marketing: unknown band 'often' (one of hardly, likely, surely)"),
        ("{notice: likely}", "classified: unknown key 'notice' (one of marketing)"),
        ("{}", "classified: says nothing (write {marketing: …}: one of hardly, likely, surely)"),
    ],
)
def test_a_band_that_is_none_is_told(write: Write, when: str, said: str) -> None:
    report = check(write(f"rules:\n  - id: a\n    when: {{classified: {when}}}\n    then: reject\n    reason: keyword\n"))
    assert [str(problem) for problem in report.problems] == [f"rules/x.yaml:3: {said}"]


# --- hiding words


HIDDEN = [
    "贷丨款",
    "贷|款",
    "贷/款",
    "贷·款",
    "贷*款",
    "贷\u200b款",
    "贷\u2060款",
    "贷\u00ad款",
    "贷\u0301款",
    "贷\ud83d款",
    "贷\ue000款",
    "貸丨款",
    "⾙贷-款",
]


@pytest.mark.parametrize("written", HIDDEN)
def test_a_hidden_word_is_found_and_that_it_was_hidden_is_evidence(written: str) -> None:
    rows = "贷款,ad,2\n"
    assert score(rows, "贷款") == 2
    assert score(rows, written) == 2 + EVASION
    hidden = [one for one in evidence(reader(rows), content(f"你好 {written}!")).features if one.kind == "evasion"]
    assert [one.what for one in hidden] == ["贷款 is hidden"]


@pytest.mark.parametrize(
    "written", ["貸款", "贷 款", "贷\n款", "你好/再见 贷款", "贷款·办理", "👨\u200d👩\u200d👧贷款", "\u200b贷款"]
)
def test_traditional_characters_spaces_and_ordinary_marks_hide_nothing(written: str) -> None:
    assert score("贷款,ad,2\n", written) == 2


@pytest.mark.parametrize("written", ["VІP", "ⅤＩＰ\u200b", "𝐕𝐈𝐏", "ⓋⒾⓅ"])
def test_letters_that_only_look_alike_are_read_as_what_they_look_like(written: str) -> None:
    assert score("vip,ad,2\n", written) >= 2


def test_a_hidden_word_takes_the_exemption_of_a_one_time_code_away() -> None:
    rows = "验证码,otp,4\n贷款,topic,1,loan\n"
    one = reader(rows)
    assert one.classified(TextAnalysis(content("验证码 482913 贷款"))).category is Category.OTP
    assert one.classified(TextAnalysis(content("验证码 482913 贷|款"))).category is not Category.OTP


# --- the reading and its memory


def other_digits(text: str) -> Iterator[str]:
    yield re.sub("[0-9]", "7", text)
    yield re.sub("[0-9]", lambda match: str((int(match[0]) + 1) % 10), text)


@pytest.fixture(scope="module")
def readers() -> list[Reader]:
    """One that reads all texts, and three of which none reads a text with other digits, too."""
    with scanners_kept():
        return [Reader(Bits(), SHIPPED, None) for _ in range(4)]


def test_no_digit_decides_what_a_text_is(readers: list[Reader]) -> None:
    first, *others = readers
    for one in ALL:
        texts = (one.text, *other_digits(one.text))
        for text, reader in zip(texts, others, strict=True):
            alone = reader.classified(TextAnalysis(content(text)))
            traits = first.read(content(text)).traits
            assert (traits.classified, traits.band, traits.subcategory) == alone[:3], (one.category.word, one.line)


FRAGMENTS = [
    "优惠券",
    "验证码",
    "贷|款",
    "满300减20",
    "¥9.9",
    "退订回T",
    "s.example/a1",
    "已签收",
    "反诈",
    "sale ",
    "482913",
    " ",
    "0000",
]


@given(st.lists(st.sampled_from(FRAGMENTS), max_size=8), st.lists(st.sampled_from(FRAGMENTS), max_size=8))
def test_memory_never_changes_what_a_text_is(first: list[str], second: list[str]) -> None:
    with scanners_kept():
        used, *unused = (Reader(Bits(), SHIPPED, None) for _ in range(4))
    for words, reader in zip((first, second, first), unused, strict=True):
        text = "".join(words)
        known = used.read(content(text)).traits
        fresh = reader.read(content(text)).traits
        assert (known.classified, known.band, known.subcategory) == (fresh.classified, fresh.band, fresh.subcategory)


def test_a_word_of_a_rule_with_digits_is_told_from_other_digits(make: Make) -> None:
    bench = make('- {id: it, when: {text: ["q12345", 优惠]}, then: reject, reason: keyword}')
    said = [
        bench.says(f"加{word}吧", category=Category.NOTICE) for word in ("q12345", "q54321", "q12345", "Q１２３４５", "q1234")
    ]
    assert said == ["reject it", "allow", "reject it", "reject it", "allow"]


def test_each_feature_says_where_it_stands_in_the_text_as_it_was_sent() -> None:
    text = "【青禾】Ｖ\u200b优|惠 券,滿300減150!退订回T"
    found = evidence(Reader(Bits(), SHIPPED, None), content(text)).features
    placed = [one for one in found if one.at >= 0 and one.kind != "evasion"]
    assert [(one.what, one.written) for one in placed] == [("优惠券", "优|惠 券"), ("满0减0", "滿300減150")]
    assert all(text[one.at : one.at + len(one.written)] == one.written for one in placed)


@given(st.text(st.sampled_from("优惠券贷款|/ \u200b0123.元满减滿㎡ＶвІ【】\n"), max_size=40))
def test_places_are_places_of_the_text(text: str) -> None:
    for one in evidence(Reader(Bits(), SHIPPED, None), content(text)).features:
        if one.at >= 0:
            assert text[one.at : one.at + len(one.written)] == one.written != ""


def test_a_feature_shows_what_cannot_be_seen() -> None:
    assert str(Feature("ad", "优惠", 2, "", 3, "优\u200b惠")) == "ad 2: 优\\u200b惠 → 优惠 at 3"


@pytest.mark.parametrize(
    ("what", "written", "shown"), [("双0", "双11", "双11"), ("0万", "３０万", "３０万"), ("商城】", "商城】", "商城")]
)
def test_a_feature_shows_the_word_of_the_text(what: str, written: str, shown: str) -> None:
    assert Feature("price", what, 2, "", 3, written).shown == shown


def test_no_words_is_a_lexicon_too() -> None:
    empty = Reader(Bits(), Lexicon(()), None)
    assert empty.read(content("优惠券")).traits.classified is Category.NOTICE
    assert Scanner(Lexicon(()), ()).matches(b"x") == []


# --- signatures


@pytest.mark.parametrize(
    "written", ["青禾JD", "青禾ＪＤ", "青 禾\u3000JD", "青\u200b禾J\u2060D", "青禾ЈD", "青禾jd", "青·禾JD", "青丨禾JD", "青禾J𝐃"]
)  # fmt: skip
def test_signatures_nobody_can_tell_apart_are_one(written: str) -> None:
    assert normal_signature(written) == "青禾JD"


def test_a_traditional_signature_is_the_simplified_one_and_another_name_is_another() -> None:
    assert normal_signature("藍鯨優選") == normal_signature("蓝鲸优选") == "蓝鲸优选"
    assert normal_signature("蓝鲸优选") != normal_signature("蓝鲸优品")


@given(st.text(max_size=20))
def test_a_normal_signature_stays_as_it_is(written: str) -> None:
    once = normal_signature(written)
    assert normal_signature(once) == once


def test_an_advertiser_is_found_however_its_signature_is_dressed(make: Make) -> None:
    files = {"registries/signatures.csv": "signature,advertiser\n蓝鲸Select,蓝鲸贸易\n"}
    bench = make("- {id: it, when: {advertiser: 蓝鲸贸易}, then: reject, reason: keyword}", files)
    for written in ("蓝鲸Select", "藍鯨 SELECT", "蓝\u200b鲸Ｓｅｌｅｃｔ", "蓝鲸Sеlесt"):
        assert bench.says(f"【{written}】你好") == "reject it", written
    assert bench.says("【蓝鲸】你好") == "allow"


def test_the_folder_of_the_project_ships_the_lexicon() -> None:
    rules = Path(__file__).parents[3] / "rules"
    assert load(rules).lexicon.words[0].file == "rules/lexicon/words.csv"
