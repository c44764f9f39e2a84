"""Templates: types of variables, fixed parts, contacts, telephone numbers, either end, hostile texts."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from proxy.model.message import Category
from proxy.policy.loading.check import check
from proxy.policy.registries.registry import ContactRow, Registries, Registry, SignatureRow
from proxy.policy.registries.template_text import check_text
from proxy.policy.registries.templates import INDEXED_FROM, Fit, Misfit, TemplateRow, Templates

SHOP = "甲店"


def templates(*texts: str, allows: str = "") -> Templates:
    allowed = frozenset(allows.split())
    return Templates(
        TemplateRow(f"t{number}", SHOP, "", None, "", f"【{SHOP}】{text}", number + 1, allowed)
        for number, text in enumerate(texts)
    )


def fits(template: str, text: str, allows: str = "") -> bool:
    return bool(templates(template, allows=allows).fitting(SHOP, f"【{SHOP}】{text}"))


def misfit(template: str, text: str, provider: str = "") -> Misfit:
    found = templates(template).misfit(SHOP, f"【{SHOP}】{text}", provider)
    assert found is not None
    return found


VALUES = {
    "{code:4-8 digits}": ("1234 482913 12345678 ４８２９１３", "123 123456789 48291a 四八二九 13800138000 4829-13"),
    "{code:6 digits}": ("482913", "48291 4829130"),
    "{code:≤6 digits}": ("1 482913", "4829131"),
    "{code:4-8}": ("a1b2 ABCD1234 482913", "abc 验证码 a_b_c vx:abc1 vxabc123"),
    "{minutes}": ("5 30 120 五 三十", "5分 1234 十分钟内 13800138000"),
    "{date}": (
        "2026-11-11 2026/11/1 2026.11.11 2026年11月11日 11月11日 11月11号 11-11 20261111 明天 周五 11月11日(周三) 11月11日至13日 十一月十一日 2026-11",
        "2026-13-01 11月32日 13月1日 11月11日请加微信 一月后付款 13800138000 20261341",
    ),
    "{time}": ("10:05 10:05:59 9点 9点半 10时05分 上午10:05 晚上8点 10:00-12:00 １０：０５ 上午", "25:00 10:60 10点请联系 5分钟"),
    "{datetime}": ("2026-11-1110:05 11月11日10点 10:05 2026-11-11 11月11日上午", "改天 2026-13-1110:05"),
    "{money}": ("100 138001380.00元 1,280.00 ¥99.9 99元 12万元 0.01 壹佰元整 一百二十 -5.00", "1,28 一三八零零一三八零零零 100美刀加v 13800138000 4008117788 1.2.3"),
    "{phone}": ("138****8000 138xxxx8000 0571-8212*** 尾号8000 8000 *******8000", "13800138000 400-811-7788 95588 张三 138001380*0"),
    "{order}": ("DD20261111 1234567890123 SF-1234-5 a1", "单号 abc 13800138000 138-0013-8000 400-811-7788 qq123456 abc.com wxid_7k2m9q"),
    "{name:≤8}": ("张三 张*三 欧阳先生 Tom 古力娜扎·巴 北京(朝阳)店", "张3 一二三四五六七八九 加微信abcd1 加V信qhab 张三，请加 一三八零零一三八零 ①号 t.cn 13800138000"),
    "{x}": (
        "张三 482913 DD20261111 余额95588元 微信支付 2026-11-11 8折 今天18:00送达 粤B·F1288",
        ("13800138000 138-0013-8000 138.0013.8000 1380013八〇〇〇 一三八零零一三八零零零 加我13800138000 t.cn/abc abc.com abc。com abc点com "
        "致电95588 400-811-7788 微信abc123 加v:abc123 vx:abc123 QQ：1234567 a@b.com 关注公众号省钱君 0571-88888888 ¥aBcDeFgH1¥ mx88888加我 加v看mm88666 微信搜麦香优选"
        " 这里是超过二十个字的一段内容因此放不下了啊"),
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    ("variable", "value", "good"),
    [(variable, value, place == 0) for variable, both in VALUES.items() for place in (0, 1) for value in both[place].split()],
)
def test_a_variable_holds_what_its_type_says(variable: str, value: str, good: bool) -> None:
    assert fits(f"您好，{variable}，谢谢", f"您好，{value}，谢谢") is good
    assert fits(f"您好，{variable}", f"您好，{value}") is good, "at the end"


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("客服400-811-7788，{x}", "客服138-000-1234，您好"), ("全场9折，{x}", "全场5折，您好"), ("满100减20{x}", "满100减2000好"),
        ("退订回T{x}", "退订回N好"), ("详见t.cn/a1 {x}", "详见t.cn/a2 好"),
    ],
)  # fmt: skip
def test_what_is_fixed_is_compared_digits_too(template: str, text: str) -> None:
    assert fits(template, template.replace("{x}", "好"))
    assert not fits(template, text)


@pytest.mark.parametrize(
    "text",
    [
        "【甲店】您的验证码是４８２９１３，5 分钟内有效", "【甲店】您的驗證碼是482913，5分鐘內有效", "【甲\u200b店】您的验\u200b证码是482\u200b913，5分钟内有效",
        "您的验证码是482913，5分钟内有效【甲店】", " 您的验证码是482913，\n5分钟内有效 【甲店】 ", "【甲店】您的验证码是482913,5分钟内有效",
    ],
)  # fmt: skip
def test_looks_and_the_end_of_the_signature_do_not_matter(text: str) -> None:
    for written in (
        "【甲店】您的验证码是{code:4-8 digits}，{minutes}分钟内有效",
        "您的验证码是{code:4-8 digits}，{minutes}分钟内有效【甲店】",
    ):
        assert Templates([TemplateRow("otp", SHOP, "", None, "", written)]).fitting(SHOP, text) == (Fit(0),)


def test_only_one_signature_at_one_end_is_set_aside() -> None:
    assert not fits("您好", "您好【甲店】")
    assert templates("您好").fitting(SHOP, "您好") == ()


@pytest.mark.parametrize(
    ("template", "value", "good"),
    [
        ("{text:≤20}", "随便什么都可以，真的！", True),
        ("{text:≤20}", "加我微信abc12345", False),
        ("{phone}", "13800138000", True),
        ("{phone}", "张三", False),
    ],
)
def test_what_the_filing_allows_may_stand_there(template: str, value: str, good: bool) -> None:
    assert fits(f"您好：{template}。", f"您好：{value}。", "text phone") is good


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{text:≤20}", "holds anything"), ("{code:4-8 digit5}", "says not how long"), ("{x:900}", "a variable of 900 characters"),
        ("{x:9-4}", "a variable of 9 characters"), ("{x:0 digits}", "a variable of 0 characters"), ("{x}" * 41, "41 variables"),
    ],
)  # fmt: skip
def test_a_variable_that_is_none_says_what_to_write(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        check_text(text, frozenset())


@pytest.mark.parametrize("name", ["text", "text:8", "code", "code:8", "x", "x:8"])
def test_variables_of_older_files_go_on_meaning_any_text(name: str) -> None:
    assert fits(f"取件码{{{name}}}号柜", "取件码8-2甲号柜")


# --- telephone numbers


@pytest.mark.parametrize(
    ("number", "for_jia", "for_yi"),
    [
        ("400-811-7788", True, True), ("(010)12345678", True, True), ("010-12345678转801", True, True), ("13900139000", True, False),
        ("+86 139-0013-9000", True, False), ("95599", False, False), ("400-600-0000", False, False),
    ],
)  # fmt: skip
def test_a_telephone_number_is_registered_for_the_advertiser_the_provider_or_everybody(
    number: str, for_jia: bool, for_yi: bool
) -> None:
    rows = Registries(
        signatures=(SignatureRow(SHOP, "甲公司", "", "", "", "approved"),),
        contacts=(
            ContactRow("4008117788", "甲公司", ""), ContactRow("01012345678", "", ""), ContactRow("13900139000", "", "jia"),
            ContactRow("95599", "乙公司", ""),
        ),
        templates=templates("请致电{phone}。"),
    )  # fmt: skip
    registered = Registry(rows).templates
    found = registered.fitting(SHOP, f"【{SHOP}】请致电{number}。")
    assert (registered.form(found, "jia") is not None, registered.form(found, "yi") is not None) == (for_jia, for_yi)


# --- which template


def test_a_text_is_tried_with_all_templates_of_its_signature() -> None:
    many = templates(*(f"第{number}号活动{{date}}开始，详询门店{number}" for number in range(40)), "{name:≤4}")
    assert INDEXED_FROM < 40
    for number in (0, 7, 39):
        assert many.fitting(SHOP, f"【{SHOP}】第{number}号活动11月11日开始，详询门店{number}") == (Fit(number),)
    assert many.fitting(SHOP, f"【{SHOP}】第7号活动11月11日开始，详询门店8") == ()
    assert many.fitting(SHOP, f"【{SHOP}】张三") == (Fit(40),)


def test_a_rule_asks_for_typed_templates(make: Callable[..., Any]) -> None:
    """The second and third text have the digits of the first in the same places: a text is not taken for another one."""
    bench = make(
        "- {id: other, when: {template: mismatched}, then: reject, reason: template-mismatch}",
        {"registries/templates.csv": "a,甲店,,notice,,快件{order}于{date}到，客服400-811-7788\n"},
    )
    good = "【甲店】快件YT12345678于11月11日到，客服400-811-7788"
    bad = good.replace("400-811-7788", "138-000-1234")
    for _ in range(3):
        assert bench.says(good, category=Category.NOTICE) == "allow"
        assert bench.says(bad, category=Category.NOTICE) == "reject other"
        assert bench.says(good.replace("11月11日", "11月41日"), category=Category.NOTICE) == "reject other"


def test_codes_that_differ_in_digits_are_still_read_once(make: Callable[..., Any]) -> None:
    bench = make(
        "- {id: other, when: {template: mismatched}, then: reject, reason: template-mismatch}",
        {
            "registries/templates.csv": "a,甲店,,otp,,验证码{code:4-8 digits}，{minutes}分钟内有效\nb,乙店,,otp,,验证码{code:8}\n"
        },
    )
    registered = bench.rules.registry.templates
    assert (registered.reads_digits("甲店"), registered.reads_digits("乙店"), registered.reads_digits("丙店")) == (
        False,
        True,
        False,
    )


@pytest.mark.parametrize(
    ("template", "by_digits"),
    [
        ("验证码{code:4-8 digits}", False), ("消费{money}元", False), ("消费{money}元，9折", True), ("{date}", True), ("{x}", True),
        ("{code:4-8 digits}-{code:4-8 digits}", True), ("{code:11 digits}", True), ("{name:≤8}{code:4 digits}", False),
    ],
)  # fmt: skip
def test_digits_matter_where_other_digits_might_not_fit(template: str, by_digits: bool) -> None:
    assert templates(template).reads_digits(SHOP) is by_digits


def test_a_number_put_together_from_two_variables_is_a_contact() -> None:
    assert not fits("编号{a:3 digits}-{b:8 digits}。", "编号138-00138000。")
    assert fits("编号{a:3 digits}-{b:8 digits}。", "编号238-00138000。")


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("请找{a:6 digits}{b:5 digits}。", "请找13800138000。"), ("客服{a:4}，{b:8}。", "客服138，00138000。"),
        ("客服{name:≤4}{x:≤8}。", "客服一三八零零一三八零零零。"), ("{a:3 digits}、{b:4 digits}、{c:4 digits}。", "138、0013、8000。"),
        ("客服{a:≤8}和{b:≤8}。", "客服138001和38000。"), ("单号{order}{money}元", "单号138001380.00元"), ("您好{a:≤4}{b:≤12}。", "您好微信号abc12345。"),
        ("联系{a}号{b}办理", "联系微信号qinghe88办理"),
    ],
)  # fmt: skip
def test_a_contact_split_over_neighbouring_variables_is_one(template: str, text: str) -> None:
    assert not fits(template, text)
    assert "is a contact that was not filed" in misfit(template, text).why


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("您好{date}{code:4-8 digits}", "您好2026-11-1112345678"), ("{order}，{money}元", "20261201123456，88.00元"),
        ("尊敬的{name}，{x}", "尊敬的张三，您的订单已发货"), ("{order}/{order}", "YT1234567890/SF123456789012"),
    ],
)  # fmt: skip
def test_values_that_only_stand_side_by_side_are_no_contact(template: str, text: str) -> None:
    assert fits(template, text)


@pytest.mark.parametrize(
    ("value", "good"),
    [
        ("关注青禾优选", False), ("关注青禾优选领福利", False), ("欢迎关注青禾", False), ("请关注「青禾」", False), ("请关注天气变化", True),
        ("请持续关注后续通知", True), ("备受关注的项目", True), ("感谢您的关注", True), ("请家长关注孩子作业", True),
    ],
)  # fmt: skip
def test_a_call_to_follow_an_account_is_a_contact(value: str, good: bool) -> None:
    assert fits("通知：{text:≤30}。", f"通知：{value}。", "text") is good
    assert fits("通知：{x}。", f"通知：{value}。") is good


# --- advertising in {text}

RULES = "- {id: other, when: {template: mismatched}, then: reject, reason: template-mismatch}"


@pytest.mark.parametrize(("category", "verdict"), [("notice", "reject other"), ("", "reject other"), ("marketing", "allow")])
def test_a_text_of_the_filing_holds_an_advertisement_only_if_filed_as_marketing(
    make: Callable[..., Any], category: str, verdict: str
) -> None:
    bench = make(
        RULES,
        {
            "registries/templates.csv": f"a,甲店,,{category},,业主您好，{{text:≤40}}，敬请谅解,text\n",
            "lexicon/a.csv": "清仓,ad,6\n低至,price,4\n",
        },
    )
    assert bench.says("【甲店】业主您好，2号楼外墙修补请关窗，敬请谅解", category=Category.NOTICE) == "allow"
    offer = "【甲店】业主您好，全场清仓低至一折，敬请谅解"
    assert bench.says(offer, category=Category.NOTICE) == verdict
    found = bench.rules.registry.templates.misfit("甲店", offer, "jia", bench.rules.reader.is_offer)
    assert (found is None) is (verdict == "allow")
    assert found is None or "is an advertisement, and the template is not filed as marketing" in found.why


# --- why a text differs


@pytest.mark.parametrize(
    ("text", "variable", "value", "why"),
    [
        ("验证码是48，5分钟内有效", "{code:4-8 digits}", "48", "is not what was filed: 4 to 8 digits"),
        ("验证码是加我微信，5分钟内有效", "{code:4-8 digits}", "加我微信", "is not what was filed: 4 to 8 digits"),
        ("验证码是482913，很多分钟内有效", "{minutes}", "很多", "is not what was filed: a number of minutes"),
        ("验证码是482913，5分钟失效", "", "5分钟失效", "the fixed text '分钟内有效' is missing after {minutes}"),
        ("验证码是482913，5分钟内有效，点击领券", "", ",点击领券", "the text goes on behind the end of the template"),
        ("校验码是482913，5分钟内有效", "", "校验码是482913,5分钟内有效", "the fixed text '验证码是' is missing"),
    ],
)  # fmt: skip
def test_a_misfit_names_the_variable_or_the_fixed_text(text: str, variable: str, value: str, why: str) -> None:
    found = misfit("验证码是{code:4-8 digits}，{minutes}分钟内有效", text)
    assert (found.variable, found.value, str(found.why)) == (variable, value, why)


def test_of_templates_that_differ_at_once_that_with_most_fixed_text_is_named() -> None:
    found = templates("您的验证码是{code}", "{name:≤8}您好，您的预约已确认").misfit(
        SHOP, f"【{SHOP}】张三88您好，您的预约已确认", ""
    )
    assert found is not None
    assert (found.template, found.variable) == ("t1", "{name:≤8}")


def test_a_misfit_names_contacts_and_other_providers() -> None:
    assert misfit("您好，{x}", "您好，加13800138000")[1:3] == ("{x}", "13800138000")
    assert "neither masked nor registered" in misfit("请致电{phone}。", "请致电13800138000。").why
    jia = Templates([TemplateRow("t", SHOP, "jia", None, "", "【甲店】您好")])
    assert (jia.misfit(SHOP, "【甲店】您好", "jia"), jia.misfit("乙店", "【乙店】您好", "jia")) == (None, None)
    other = jia.misfit(SHOP, "【甲店】您好", "yi")
    assert other is not None
    assert "registered for provider jia" in other.why


def test_the_nearest_template_is_named() -> None:
    found = templates("您的快件已到{x}", "您的验证码是{code:4-8 digits}，{minutes}分钟内有效", "您好").misfit(
        SHOP, "【甲店】您的验证码是48291，半天内有效", ""
    )
    assert found is not None
    assert found.template == "t1"


# --- hostile texts


@pytest.mark.parametrize("unit", ["啊", "，", "1", "a，", "1，", "11月", "138-", "a.", "微信a"])
def test_no_text_takes_long(unit: str) -> None:
    """Three thousand characters of what could stand in many places: the work grows with the text, not with the ways to read it."""
    hostile = templates(
        "{a}，{b}，{text:≤200}，{text:≤200}{name:≤200}{date}{order}，{code:4-8}z", "{a}{b}{c}{d}{e}{f}{g}{h}x",
        "{text:≤200}{text:≤200}{text:≤200}{text:≤200}{text:≤200}，{date}。", allows="text",
    )  # fmt: skip
    for length in (100, 400, 3000):
        text = f"【{SHOP}】{unit * (length // len(unit))}"
        begun = time.process_time()
        hostile.fitting(SHOP, text)
        hostile.misfit(SHOP, text, "")
        assert time.process_time() - begun < 1.0


@given(some.lists(some.sampled_from(["{x}", "{name:≤8}", "{code:4-8 digits}", "，", "好", "1"]), max_size=8), some.data())
def test_a_text_made_from_a_template_fits(parts: list[str], data: some.DataObject) -> None:
    values = {"{x}": "abc啊", "{name:≤8}": "张三", "{code:4-8 digits}": "22222"}  # never a telephone number beside another
    text = "".join(values.get(part, part) for part in parts)
    found = templates("".join(parts))
    assert found.fitting(SHOP, f"【{SHOP}】{text}") == (Fit(0),)
    cut = data.draw(some.integers(0, len(text)))
    assert not found.fitting(SHOP, f"【{SHOP}】{text[:cut]}§{text[cut:]}") or "{x}" in parts


# --- what check says


def warnings_of(write: Callable[..., Any], table: str, rules: str = "rules: []\n") -> list[str]:
    report = check(write(rules, {"registries/templates.csv": table}))
    assert not report.problems
    return [one.text for one in report.warnings]


def test_check_warns_of_variables_without_a_type(write: Callable[..., Any]) -> None:
    (said,) = warnings_of(write, 'a,甲店,,,,"您的{code}，{x:8}。{date}"\nb,甲店,,,,您好{name:≤8}\n')
    assert said.startswith(
        "template 'a': {code} and {x:8} may hold any text without a contact (write a type: {code:4-8 digits}"
    )
    many = warnings_of(write, "".join(f"t{number},甲店,,,,您好{{x}}\n" for number in range(30)))
    assert (len(many), many[-1]) == (21, "10 more templates have variables without a type")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("尊敬的**先生", "**"), ("验证码%s，%d分钟", "%s and %d"), ("您的【变量】到了", "【变量】"), ("${content}好", "${content}"), ("验证码XXXX", "XXXX"),
        ("138****8000", "****"), ("X月X日", "X and X"), ("[name]好", "[name]"), ("#code#", "#code#"), ("{{x:≤8}}", "{{x:≤8}}"), ("尾号□□□□", "□□□□"),
        ("100%满意", ""), ("XXL码", ""), ("满100减20", ""), ("{name:≤8}先生", ""), ("会员*特惠", ""),
    ],
)  # fmt: skip
def test_check_warns_of_variables_as_other_systems_write_them(write: Callable[..., Any], text: str, found: str) -> None:
    warnings = warnings_of(write, f'a,甲店,,,,"{text}"\n')
    says = f"template 'a': {found} is compared as fixed text (a variable is written {{name:≤8}})"
    assert (says in warnings) is bool(found)
    assert found or not any("fixed text" in one for one in warnings)


RULE = "  - {id: filed, when: {declared: [otp, notice], template: mismatched}, then: reject, reason: template-mismatch, mode: %s}\n"
TESTED = """tests:
  - {note: t, messages: [{at: "2026-11-11 10:00", to: "13800210500", from: "10690001", category: notice, text: 【甲店】再见, want: {reject: filed}}]}
"""


@pytest.mark.parametrize(
    ("exemption", "mode", "warns"),
    [
        ("{id: free, exempt: true, when: {declared: otp}}", "enforce", True),
        ("{id: free, exempt: true, when: {port: '1063'}, skip: [template-mismatch]}", "enforce", True),
        ("{id: free, exempt: true, when: {port: '1063'}, keep: [template-mismatch]}", "enforce", False),
        ("{id: free, exempt: true, when: {declared: marketing}, skip: [filed]}", "enforce", False),
        ("{id: free, exempt: true, when: {declared: otp}, mode: off}", "enforce", False),
    ],
)  # fmt: skip
def test_check_warns_where_an_exemption_skips_the_template(
    write: Callable[..., Any], exemption: str, mode: str, warns: bool
) -> None:
    said = check(
        write(
            f"rules:\n{RULE % mode}  - {exemption}\n  - {{id: other, when: {{text: [禁词]}}, then: reject, reason: keyword}}\n",
            {"registries/templates.csv": "a,甲店,,,,您好\n"},
        )
    ).warnings
    found = [one.text for one in said if "without a look at its template" in one.text]
    assert found == (
        [
            "rule 'free' switches 'filed' off: what it exempts is sent without a look at its template (leave it out of skip, or name it in keep)"
        ]
        if warns
        else []
    )


def test_templates_know_their_type_when_nothing_is_registered() -> None:
    assert not Templates()
    assert Templates().fitting(SHOP, "【甲店】您好") is None
    assert Templates([TemplateRow("a", SHOP, "", Category.OTP, "", "【甲店】您好")]).declare_categories
