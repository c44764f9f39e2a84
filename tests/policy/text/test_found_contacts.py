"""Contacts of every kind, also disguised ones, are read as people read them; orders, dates and prices are none. All texts are made up."""

from __future__ import annotations

import time

import pytest

from proxy.model.message import Content
from proxy.policy.text.contacts import NotAContact
from proxy.policy.text.found_contacts import described, found_contacts, found_links, written_contact, written_in_rule
from proxy.policy.text.text_analysis import TextAnalysis


def page_of(text: str) -> TextAnalysis:
    return TextAnalysis(Content(text, "readable", b""))


def read(text: str) -> set[str]:
    page = page_of(text)
    return {one.key for one in (*found_contacts(page), *found_links(page))}


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("加微信：qinghe88领取", {"wechat:qinghe88"}), ("薇❤：qinghe_88 详聊", {"wechat:qinghe_88"}), ("加V：qh20208", {"wechat:qh20208"}),
        ("V信qinghe888同步", {"wechat:qinghe888"}), ("＋ＶＸ　qinghekefu", {"wechat:qinghekefu"}), ("微 信 qinghe88", {"wechat:qinghe88"}),
        ("佳V qinghe88", {"wechat:qinghe88"}), ("卫星qinghe88", {"wechat:qinghe88"}), ("微✉️qinghe88", {"wechat:qinghe88"}), ("微信:qing🍀88he", {"wechat:qing88he"}),
        ("添加 wxid_a1b2c3d4e5 为好友", {"wechat:wxid_a1b2c3d4e5"}), ("qinghe88(微信同号)", {"wechat:qinghe88"}),
        ("13900138000(微信同号)", {"wechat:13900138000", "13900138000"}), ("微信号：qinghe下划线88", {"wechat:qinghe_88"}),
        ("QQ：100004030", {"qq:100004030"}), ("加Q一零零零零四零三零", {"qq:100004030"}), ("扣扣 1 0 0 0 0 4 0 3 0", {"qq:100004030"}),
        ("加群：100004030 送课", {"qq:100004030"}), ("100004030（企鹅）", {"qq:100004030"}), ("裙号 100004030", {"qq:100004030"}),
        ("公众号「青禾优选」", {"official:青禾优选"}), ("微信公众号：青禾优选，回复1", {"official:青禾优选"}), ("关注青禾优选公众号领取", {"official:青禾优选"}),
        ("公重号：青禾优选", {"official:青禾优选"}), ("搜索小程序“青禾到家”下单", {"applet:青禾到家"}), ("打开微信小程序青禾到家下单", {"applet:青禾到家"}),
        ("#小程序://青禾到家/AbCd", {"applet:青禾到家"}), ("抖音号：qinghe88", {"douyin:qinghe88"}), ("抖音搜索“青禾优选”看直播", {"douyin:青禾优选"}),
        ("抖🎵号qinghe88", {"douyin:qinghe88"}), ("淘口令￥AbCd12EfGh￥", {"taobao:abcd12efgh"}), ("(AbCdEfGhIj) 长按复制打开淘宝", {"taobao:abcdefghij"}),
        ("邮箱 kefu@mail.example", {"email:kefu@mail.example", "mail.example"}), ("kefu#qq.com", {"email:kefu@qq.com", "qq.com"}),
        ("kefu(at)163点com", {"email:kefu@163.com", "163.com"}),
    ],
)  # fmt: skip
def test_a_handle_is_read_however_it_is_written(text: str, keys: set[str]) -> None:
    found = {one for one in read(text) if ":" in one} | {one for one in read(text) if one.isdecimal()}
    assert found == {one for one in keys if ":" in one or one.isdecimal()}


@pytest.mark.parametrize(
    "written",
    [
        "139.0013.8000", "139/0013/8000", "1390-013-8000", "1 3 9 0 0 1 3 8 0 0 0", "1.3.9.0.0.1.3.8.0.0.0", "一三九零零一三八零零零", "壹叁玖零零壹叁捌零零零",
        "139零零一三8000", "I39OOI38OOO", "139★0013★8000", "(139)0013-8000", "139“0013”8000", "139·0013·8000一站式", "①③⑨⓪⓪①③⑧⓪⓪⓪", "1\n3\n9\n0\n0\n1\n3\n8\n0\n0\n0",
        "1 3 9-0 0 1 3-8 0 0 0",
    ],
)  # fmt: skip
def test_a_number_in_disguise_is_a_telephones(written: str) -> None:
    assert read(f"详询{written}，老张") == {"13900138000"}


@pytest.mark.parametrize("written", ["400.600.0106", "4 0 0 6 0 0 0 1 0 6", "四零零六零零零一零六", "400/6000/106"])
def test_a_service_number_in_disguise_is_a_telephones(written: str) -> None:
    assert read(f"热线{written}") == {"4006000106"}


@pytest.mark.parametrize(
    "written",
    [
        "qinghe。com", "qinghe点com", "qinghe . com", "qinghe·com/x", "qinghe(dot)com", "qinghe[.]com", "q i n g h e . c o m", "qinghe小点com", "QINGHE。COM",
        "http://qinghe。com/x", "qinghe✨.✨com", "qinghe丶com", "qinghe%2ecom", "qinghe&#46;com", "qinghe8dotcom".replace("8", ""),
    ],
)  # fmt: skip
def test_a_link_in_disguise_is_a_link(written: str) -> None:
    assert read(f"登录{written} 领取") == {"qinghe.com"}


def test_short_names_and_other_endings_are_links_where_nothing_else_reads_so() -> None:
    assert read("看 t . cn 吧") == {"t.cn"}
    assert read("看 t . c n 吧") == {"t.cn"}
    assert read("www。qinghe。example/a") == {"www.qinghe.example"}
    assert read("qinghe点top") == {"qinghe.top"}
    assert read("qinghe。vip/a1") == {"qinghe.vip"}


@pytest.mark.parametrize(
    "text",
    [
        "订单号13900138000已发货", "订单139.0013.8000", "单号：1390-013-8000", "运单SF1390013800012", "卡号6222 0213 8001 3800 012", "身份证110101199001011234",
        "2026.11.11 10:00", "2026-11-13 14:00至16:00", "服务器139.196.123.45", "版本1.3.9.0.0", "v13.9.0013.8000", "¥13912345.678", "车牌京A12345",
        "本月水表读数95843", "积分95231分", "验证码 95588", "您的验证码为：9 5 5 8 8", "一、签到；二、领奖；三、九点开始", "三五好友", "满300减40", "余额10,284.17元",
        "价格13 800 138 000元", "微信支付100000元成功", "您的微信支付订单20261111001已完成", "微信扫码关注", "关注微信公众号查询", "请关注我行公众号办理", "【青禾】微信公众号已上线",
        "公众号文章审核通过", "请通过官方公众号缴纳", "进群领取10000积分", "您尾号1234的卡扣款12000.00元", "Q3季度报告20261111", "WeChat Official Account update",
        "价格￥199￥299", "Q币10000个到账", "8点vip专场", "使用APP。VIP会员", "Dear customer. In case you need help", "iPhone 15. cn版", "第139期，0013场，8000人", "9:55 88元起",
        "手机号139****8000", "附件report.pdf", "账号242***@qq.com", "步数96342步", "打开抖音(或火山版)APP",
    ],
)  # fmt: skip
def test_what_reads_otherwise_is_no_contact(text: str) -> None:
    assert read(text) == set()


def test_what_is_read_is_described_by_kind_normal_form_and_as_written() -> None:
    page = page_of("详询 １３９．００１３．８０００ 或 薇❤：QingHe_88，登录 QINGHE点com")
    words = [described(one, page) for one in (*found_contacts(page), *found_links(page))]
    assert [str(one) for one in words] == [
        "wechat qinghe_88",
        "13900138000 (written １３９．００１３．８０００)",
        "qinghe.com (written QINGHE点com)",
    ]
    assert [one.zh for one in words] == [
        "微信qinghe_88",
        "13900138000（原文：１３９．００１３．８０００）",
        "qinghe.com（原文：QINGHE点com）",
    ]
    squeezed = page_of("加.微.信：qing🍀88he")
    assert str(described(found_contacts(squeezed)[0], squeezed)) == "wechat qing88he (written qing🍀88he)"


@pytest.mark.parametrize(
    ("written", "kind", "key"),
    [
        ("wechat:QingHe88", "", "wechat:qinghe88"), ("微信：qinghe88", "", "wechat:qinghe88"), ("qinghe88", "wechat", "wechat:qinghe88"), ("qq:100004030", "", "qq:100004030"),
        ("公众号:青禾优选", "", "official:青禾优选"), ("青禾优選", "official", "official:青禾优选"), ("applet:青禾到家", "", "applet:青禾到家"), ("抖音:qinghe88", "", "douyin:qinghe88"),
        ("￥AbCd12EfGh￥", "taobao", "taobao:abcd12efgh"), ("Kefu@Mail.example", "", "email:kefu@mail.example"), ("400-600-0106", "", "4006000106"), ("Qinghe.example", "", "qinghe.example"),
        ("phone:95588", "", "95588"), ("link:qinghe.example", "", "qinghe.example"),
    ],
)  # fmt: skip
def test_a_contact_is_written_with_its_kind(written: str, kind: str, key: str) -> None:
    assert written_contact(written, kind) == key


@pytest.mark.parametrize(
    ("written", "kind", "said"),
    [
        ("wechat:ab", "", "'ab' is no WeChat id (qinghe88)"), ("qq:12", "", "'12' is no number of QQ (100004030)"), ("wechat:x", "qq", "'wechat:x' is no number of QQ (100004030)"),
        ("me@mail", "", "'me@mail' is no e-mail address (me@mail.example)"),
        ("甲", "", "'甲' is neither a domain (example.com) nor a telephone number (400-800-1234), nor one of another kind (wechat:qinghe88)"),
    ],
)  # fmt: skip
def test_what_is_no_contact_says_what_to_write(written: str, kind: str, said: str) -> None:
    with pytest.raises(NotAContact) as fault:
        written_contact(written, kind)
    assert str(fault.value) == said


def test_a_rule_names_links_elsewhere() -> None:
    assert written_in_rule("wechat:qinghe88") == "wechat:qinghe88"
    with pytest.raises(NotAContact, match="is a link: write url"):
        written_in_rule("link:qinghe.example")
    with pytest.raises(NotAContact, match="is no telephone number"):
        written_in_rule("qinghe.example")


def test_a_long_text_costs_what_its_length_does() -> None:
    for text in (
        "1 " * 20_000, "a b. " * 8_000, "微信" * 20_000, "微信 " * 20_000, "公众号关注" * 8_000, "qq:" * 10_000, "a@" * 20_000, "“" * 20_000, "a点" * 20_000, "a b " * 10_000 + "com",
        "淘宝(" * 10_000, "扣1 " * 10_000, "微信号" + "号" * 20_000, "¥a" * 10_000, "关注" * 20_000 + "公众号", "a。" * 20_000, "加微" * 20_000, "复制" * 20_000, "1.3" * 10_000,
    ):  # fmt: skip
        start = time.process_time()
        page = page_of(text)
        found_contacts(page), found_links(page), page.may_call(True)
        assert time.process_time() - start < 3, text[:10]
