"""The rest of a text decides whether it is a one-time code. Every run prints the figures."""

from __future__ import annotations

import csv
import random
from collections.abc import Callable
from functools import cache

import pytest

from proxy.model.message import Category, Content, Message, Sender
from proxy.model.number import recipient_of
from proxy.policy.condition import Bits
from proxy.policy.explanation.explain import explain
from proxy.policy.explanation.history import Past, PastCounts
from proxy.policy.loading.check import check
from proxy.policy.loading.folder import shipped_words
from proxy.policy.loading.load_rules import load
from proxy.policy.ruleset import RuleSet
from proxy.policy.text import otp_codes
from proxy.policy.text.category import CODE as CODE_BAND
from proxy.policy.text.category import PADDED
from proxy.policy.text.category_evidence import evidence
from proxy.policy.text.lexicon import Lexicon, read_lexicon
from proxy.policy.text.otp_codes import COLUMNS, MOST, SORTS, CodeTexts, has_code
from proxy.policy.text.text_analysis import TextAnalysis
from proxy.policy.text_reader import Reader
from proxy.runtime.shipped_files import shipped
from tests.policy.conftest import BEIJING, Bench, Make, Write

NIGHT = "2026-11-11 22:10"
ROWS = [row for row in csv.reader(shipped_words("codes.csv")[1].decode().splitlines()) if row and row[0][0] != "#"][1:]
PHRASES = [text for text, sort, *_ in ROWS if sort == "code" and "、" in text and not any(one.isdigit() for one in text)]
CODES = [text for text, sort, *_ in ROWS if sort == "code" and text not in PHRASES]
OFFERS = [text for text, sort, *_ in ROWS if sort == "offer"]
CODE = "【某店】您的验证码是482913，5分钟内有效，请勿告诉他人。"
OFFER = "羽绒服清仓三折起，满三百减五十，前一百名送围巾"
WAYS: list[tuple[str, Callable[[str], str]]] = [
    ("a code in front", lambda offer: f"【某】验证码482913，{offer}"),
    ("a code behind", lambda offer: f"【某店】{offer}，您的验证码482913"),
    ("a whole text of a code in front", lambda offer: CODE + offer),
    ("one in front and one behind", lambda offer: f"{CODE}{offer}。如非本人操作请忽略，工作人员不会索要验证码"),
    ("other brackets", lambda offer: f"[某店]您的动态码：48 29 13。{offer}"),
    ("no signature", lambda offer: f"{offer} 校验码AB12CD"),
]


@cache
def words() -> tuple[Lexicon, tuple[object, ...]]:
    """The shipped lexicon, and what is wrong with it."""
    return read_lexicon((shipped_words(), shipped_words("codes.csv")))


@cache
def rules() -> RuleSet:
    return load(shipped("rules"))


def read(text: str, declared: Category = Category.OTP, bench: Bench | None = None) -> Category:
    """As what a text is judged that is declared a code."""
    return (bench or Bench(rules())).send(text, category=declared, to=BEIJING, at=NIGHT).facts.category


def passes(text: str, declared: Category = Category.OTP) -> bool:
    return Bench(rules()).says(text, category=declared, to=BEIJING, at=NIGHT) == "allow"


# --- what goes with a code


GENUINE = {
    "an amount": "【云杉银行】您正在支付128.50元，商户橡木家居，验证码903311，请核对金额。",
    "an amount in thousands": "【云杉银行】您向尾号6631的账户转账￥12,990.00，动态密码739204，切勿告知他人，如非本人操作请致电95000。",
    "a new user": "【青禾商城】新用户注册验证码482913，请在5分钟内输入。",
    "a reward for the login": "【青禾商城】验证码482913，登录即领8元红包，请勿告诉他人。",
    "digits apart": "【某店】您的验证码是 4 8 2 9 1 3，请勿泄露。",
    "digits in two": "【某店】验证码：482 913（10分钟内有效）",
    "digits with strokes": "【某店】动态口令 482-913，仅用于本次登录。",
    "letters and digits": "【某店】您的登录码为AB12CD，15分钟后失效。",
    "square brackets": "[某店] 您的登录验证码是 5501，请勿告诉他人。",
    "corner brackets": "「某店」登录校验码：318846，30分钟内有效。",
    "brackets around the code": "【某店】您的验证码是【558201】，5分钟内有效。",
    "a hotline": "【某店】验证码482913，非本人操作请致电400-800-1234。",
    "a number to ask": "【某店】您的验证码是482913, 5分钟内有效, 电话13800138000",
    "how to refuse": "【某店】登录验证码 9021，请勿外传。退订回T",
    "traditional characters": "【某店】您的驗證碼為602194，請於五分鐘內輸入，切勿告知他人。",
    "full width": "【某店】验证码：７７０３１９，请勿泄露。",
    "English": "【Osprey】Use 448107 as your one-time passcode. Never share it with anyone.",
    "a link of the sender's": "【青禾商城】您的验证码是482913，也可打开 https://m.qinghe.example/v 完成验证。",
    "a telephone number hidden": "【某店】您正在更换绑定手机138****0000，验证码482913。",
    "an amount of a contract": "【云杉银行】消费贷签约验证码 615273，借款金额80,000元，期限36期，利率以合同为准。",
    "a refund": "【某店】退款￥139.00需您本人确认，请输入 71 08 44，原路返回，谨防假冒客服。",
    "another word for one": "【某驿】您的提货口令 GH7730，当日有效。",
    "no word for one": "【某网关】用户登录，请输入 5506",
    "letters apart": "【某店】改密码验证 P H 3 3 0 8，请区分大小写",
    "letters and digits in groups": "【某银行】U盾解锁 N8 2K 5V，登录后失效",
    "a letter in front": "【某书城】登录安全码：Q7-2280-ZB，请勿泄露。",
    "numerals": "【某店】登录时请输入九零二七一五，五分钟内有效。",
    "an opt-out notice in words": "【某店】先享后付开通验证：920 455，请阅读协议后填写。拒收请回复R",
    "a subject that is advertised, too": "【某证券】股票账户登录验证码603218，5分钟内有效。",
}


@pytest.mark.parametrize("what", GENUINE)
def test_a_code_with_what_goes_with_one_is_a_code_and_passes_by_night(what: str) -> None:
    assert read(GENUINE[what]) is Category.OTP
    assert passes(GENUINE[what])


def test_a_code_with_a_link_of_somebody_else_is_none_and_is_not_refused() -> None:
    text = "【某店】验证码482913，也可打开 h.strange.example/l 登录。"
    assert read(text) is Category.NOTICE
    assert passes(text)


# --- what does not


@pytest.mark.parametrize(("way", "hide"), WAYS, ids=[way for way, _ in WAYS])
def test_an_offer_behind_a_code_is_marketing_whatever_stands_around_it(way: str, hide: Callable[[str], str]) -> None:
    assert passes(hide("请勿泄露"))
    assert read(hide(OFFER)) is Category.MARKETING
    assert not passes(hide("家电维修空调加氟洗衣机清洗上门检测"))


@pytest.mark.parametrize(
    "offer",
    [
        "开发票联系QQ 10000888",
        "合作加微信 vx_8899",
        "咨询薇abc1234",
        "低价转让回电13800210500",
        "低价转让回电 138 0021 0500",
        "低价转让面谈010-88990011",
        "频道@paofen_88",
    ],
)
def test_a_contact_beside_a_code_is_marketing(offer: str) -> None:
    assert read(f"【某】验证码482913，{offer}") is Category.MARKETING


@pytest.mark.parametrize("split", ["{}1", "{}．", "{} ★", "{}の", "{}、", "【{}】"])
def test_an_offer_with_something_between_its_characters_is_one(split: str) -> None:
    offer = "".join(split.format(one) for one in "羽绒服清仓全场两件半价包邮到家")
    assert read(f"【某】验证码482913，{offer}") is Category.MARKETING


def test_an_offer_in_the_place_of_a_second_signature_is_one() -> None:
    assert read("【某店】验证码482913【空调加氟洗衣机清洗上门】") is Category.MARKETING


def test_digits_decide_nothing_so_fresh_codes_are_read_once() -> None:
    bench = Bench(rules())
    texts = [
        f"【某店】验证码{code}，{more}"
        for more in ("请勿泄露", OFFER, "低价转让回电13800210500")
        for code in (482913, 120987, 990011)
    ]
    assert [read(text, bench=bench) for text in texts * 2] == [read(text) for text in texts * 2]


# --- what it was declared


def test_only_what_was_declared_a_code_must_be_one() -> None:
    notice = "【某电站】明日九点起检修变压器，沿河路至桥头一带停电八小时，请备好手电，查询验证码482913"
    assert read(notice, Category.OTP) is Category.MARKETING
    assert read(notice, Category.NOTICE) is Category.NOTICE


def test_a_code_with_an_offer_is_marketing_where_a_notice_was_declared() -> None:
    text = "【青禾商城】您的登录验证码是482913，新用户登录即领8元现金红包，请勿告诉他人。"
    assert read(text, Category.OTP) is Category.OTP
    assert read(text, Category.NOTICE) is Category.MARKETING, "an offer weighs what it did"


def test_a_text_without_a_code_is_read_by_its_words() -> None:
    assert read("【某店】您的快件已到驿站，请及时领取") is Category.NOTICE
    assert read("【某店】谨防冒充客服索要短信验证码，遇事拨打96110") is Category.NOTICE


@pytest.mark.parametrize(
    "text", ["【某店】用户登录，请输入 5506", "【某店】您的存包柜码 6 0 7 9，请确认后离开", "【某网关】绑定车辆：8 8 1 3"]
)
def test_what_only_may_be_a_code_is_one_where_it_was_declared(text: str) -> None:
    assert read(text, Category.OTP) is Category.OTP
    assert read(text, Category.NOTICE) is Category.NOTICE
    assert read(text, Category.MARKETING) is Category.MARKETING


@pytest.mark.parametrize(
    "text",
    [
        "【某店】登录即领88888元",
        "【某店】确认收货请拨打95000123",
        "【某店】请输入您的学号查询成绩",
        "【某店】注册会员，全场清仓甩卖三折起，满1000减500",
        "【某店】用户登录，请到 h.strange.example/l 输入 5506",
    ],
)
def test_a_sum_a_number_to_call_or_a_link_makes_no_code(text: str) -> None:
    assert read(text, Category.OTP) is not Category.OTP


def test_a_template_that_is_registered_as_a_code_is_one_whatever_it_says(make: Make) -> None:
    said = "【某馆】取画验证码482913，展厅南侧油画修复工坊恭候先生携伞来取"
    row = f"painting,某馆,,otp,,{said.removeprefix('【某馆】').replace('482913', '{code}')}\n"
    rule = "- {id: ads, when: {category: marketing}, then: reject, reason: keyword}"
    assert make(rule).says(said, category=Category.OTP) == "reject ads"
    assert make(rule, {"registries/templates.csv": row}).says(said, category=Category.OTP) == "allow"


# --- what the staff add


def test_a_text_that_is_added_is_known(make: Make) -> None:
    said = "【某馆】取画验证码482913，展厅南侧油画修复工坊恭候先生携伞来取"
    rule = "- {id: ads, when: {category: marketing}, then: reject, reason: keyword}"
    shipped_rows = shipped_words("codes.csv")[1].decode()
    assert make(rule, {"lexicon/codes.csv": shipped_rows}).says(said, category=Category.OTP) == "reject ads"
    more = shipped_rows + f"{said},code,\n"
    assert make(rule, {"lexicon/codes.csv": more}).says(said, category=Category.OTP) == "allow"


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("验证码是,codes", "for: unknown purpose 'codes' (did you mean 'code'?)"),
        ("4829,code", "text: '4829' has no letters"),
        ("请" * 1001 + ",code", "text: longer than 1000 characters"),
    ],
)
def test_a_row_that_cannot_be_used_is_told(write: Write, row: str, said: str) -> None:
    rules = "rules:\n  - {id: ads, when: {category: marketing}, then: reject, reason: keyword}\n"
    problems = check(write(rules, {"lexicon/codes.csv": f"{','.join(COLUMNS)}\n{row},\n"})).problems
    assert [str(problem) for problem in problems] == [f"rules/lexicon/codes.csv:2: {said}"]


# --- what people are told


def test_explain_says_what_stands_beside_the_code() -> None:
    sender = Sender.of("jia", "jia", "10690001", "10690", Category.OTP)
    message = Message(
        sender, recipient_of(BEIJING), Content("【某】验证码482913，家电维修空调加氟洗衣机清洗上门检测", "readable", b"")
    )
    told = explain(message, Past(), rules(), 1_794_000_000.0, PastCounts())
    assert told.as_dict()["marketing"]["padded_code"] is True
    (feature,) = (one for one in told.evidence.features if one.kind == "beside-code")
    assert feature.weight > MOST
    assert "空调加氟" in feature.what


def test_the_evidence_says_as_much_as_the_decision() -> None:
    found = evidence(rules().reader, Content(CODE, "readable", b""))
    assert found.classified.category is Category.OTP
    assert [one.weight <= MOST for one in found.features if one.kind == "beside-code"] == [True]


# --- how good it is


def test_texts_are_told_apart_by_what_the_others_say(capsys: pytest.CaptureFixture[str]) -> None:
    """Each tenth of the texts is read by what the other nine say. Short offers say little, and are told by their words."""
    order = random.Random(37)
    long = [one for one in OFFERS if len(one) >= 20]
    genuine, offers = order.sample(CODES, len(CODES)), order.sample(long, len(long))
    kept = passed = 0
    for tenth in range(10):
        texts = CodeTexts(
            PHRASES + [one for place, one in enumerate(genuine) if place % 10 != tenth],
            [one for place, one in enumerate(offers) if place % 10 != tenth],
        )
        reader = Reader(Bits(), Lexicon(words()[0].words, texts), None)
        kept += sum(not _is_marketing(reader, one) for one in genuine[tenth::10])
        passed += sum(not _is_marketing(reader, f"【某】验证码482913，{one}") for one in offers[tenth::10])
    share_kept, share_passed = kept / len(genuine), passed / len(offers)
    with capsys.disabled():
        print(
            f"\n{len(genuine)} texts of codes: {share_kept:.1%} are codes; {len(offers)} offers behind one: {share_passed:.1%} pass"
        )
    assert share_kept >= 0.94  # of texts that were written to be hard
    assert share_passed <= 0.06


def test_the_guide_says_what_adds_how_many_points() -> None:
    guide = " ".join((shipped("rules") / "README.md").read_text(encoding="utf-8").split())
    assert (
        f"| -{otp_codes.POINTS_MAX} to {otp_codes.POINTS_MAX}; {otp_codes.STRANGE} where it is in no text of the file (a Latin word: {otp_codes.WORD_STRANGE})"
        in guide
    )
    assert f"another account | {otp_codes.ACCOUNT} |" in guide
    assert f"is none | {otp_codes.NUMBER} |" in guide
    assert f"`contacts.csv`) | {otp_codes.LINK}; the text is no code" in guide
    assert f"| an opt-out notice | {otp_codes.OPT_OUT} |" in guide
    assert f"hidden word | {otp_codes.HIDDEN} |" in guide
    assert f"| {otp_codes.OFFER} for each point above {otp_codes.OFFERS_FREE} |" in guide
    assert f"| up to {MOST} |" in guide
    assert f"of {len(CODES)} texts of codes" in guide


def _is_marketing(reader: Reader, text: str) -> bool:
    """Where it was declared a code."""
    found = reader.classified(TextAnalysis(Content(text, "readable", b"")))
    return found.band.endswith(PADDED) or (found.category is Category.MARKETING and not found.band.endswith(CODE_BAND))


def test_there_are_texts_of_both_sorts_and_none_comes_twice() -> None:
    assert {sort for _, sort, *_ in ROWS} == set(SORTS)
    texts = [text for text, *_ in ROWS]
    assert len(set(texts)) == len(texts)
    assert words()[1] == ()
    assert words()[0].codes.points["泄露"] < 0 < words()[0].codes.points["清仓"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("验证码482913", True),
        ("验证码是 4 8 2 9", True),
        ("验证码ab12cd", True),
        ("g-482913 is your gallo verification code", True),
        ("8.8.2.0.1.4是动态密码", True),
        ("验证码12", False),
        ("验证码请勿泄露", False),
        ("索要验证码的都是骗子，请拨打96110", False),
        ("验证码" + "很" * 21 + "482913", False),
    ],
)
def test_a_code_stands_beside_a_word_for_one(text: str, found: bool) -> None:
    assert has_code(TextAnalysis(Content(text, "readable", b"")).squeezed) is found
