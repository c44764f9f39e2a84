"""registries/contacts.csv says who may use a contact of any kind; renamed senders are known by them. All names and numbers are made up."""

from __future__ import annotations

import random
import re

import pytest

from proxy.model.message import Content, hash48
from proxy.policy.loading.check import check
from proxy.policy.loading.load_rules import load
from proxy.policy.loading.problem import RulesError
from proxy.policy.renamed_senders import refused_text
from proxy.policy.text_reader import Reader
from tests.policy.conftest import NANJING, Bench, Make, Write

OUTSIDE = """\
- {id: links, when: {url: {outside: registered}}, then: reject, reason: link-unregistered}
- {id: contacts, when: {contact: {outside: registered}}, then: reject, reason: link-unregistered}
"""
SIGNATURES = "青禾,青禾公司,,,,approved\n青禾会员,青禾公司,,,,approved\n麦田,麦田公司,,,,approved\n山货,山货公司,某集团,,,approved\n江货,江货公司,某集团,,,approved\n"
TEMPLATES = "template,signature,provider,category,subcategory,text\nqinghe-vip,青禾,,,,【青禾】会员专线{phone}，拒收请回复R\n"
CONTACTS = """\
contact,advertiser,provider,kind,signature,template,shared
wechat:qinghe88,青禾公司,,,,,
青禾优选,青禾公司,,official,,,
qq:100004030,,jia,,,,
qinghe.example,青禾公司,,,,,
139-0013-8000,,,,青禾,qinghe-vip,
4006000106,,,phone,青禾,,
everybody.example,,,,,,
微信:maitian66,麦田公司,,,,,
t.cn,青禾公司,,,,,
t.cn,麦田公司,,,,,
400-600-0199,青禾公司,,,,,yes
group.example,山货公司,,,,,
group.example,江货公司,,,,,
"""
FILES = {"registries/signatures.csv": SIGNATURES, "registries/contacts.csv": CONTACTS, "registries/templates.csv": TEMPLATES}


@pytest.fixture
def bench(make: Make) -> Bench:
    return make(OUTSIDE, FILES)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("【青禾】加微信qinghe88", "allow"), ("【青禾会员】加薇❤：QingHe88", "allow"), ("【麦田】加微信qinghe88", "reject contacts"), ("加微信qinghe88", "reject contacts"),
        ("【青禾】加微信qinghe99", "reject contacts"), ("【青禾】关注公众号「青禾优选」", "allow"), ("【麦田】关注公众号「青禾优选」", "reject contacts"),
        ("【麦田】加Q一零零零零四零三零", "allow"), ("【青禾】QQ:100004031", "reject contacts"), ("【青禾】淘口令￥AbCd12EfGh￥", "reject contacts"),
        ("【青禾】抖音号：qinghe88", "reject contacts"), ("【青禾】小程序「青禾到家」", "reject contacts"), ("【青禾】写信kefu@mail.example", "reject contacts"),
        ("【青禾】写信kefu@qinghe.example", "allow"), ("【青禾】看qinghe点example/a", "allow"), ("【青禾】看qinghe9点example/a", "reject links"), ("【青禾】看 a b c . c o m", "reject links"),
        ("【青禾】会员专线139-0013-8000，拒收请回复R", "allow"), ("【青禾】会员专线139.0013.8000，拒收请回复R", "reject contacts"), ("【青禾】电话139.0013.8000", "reject contacts"), ("【青禾会员】会员专线13900138000，拒收请回复R", "reject contacts"),
        ("【青禾】详询四零零六零零零一零六", "allow"), ("【青禾会员】详询4006000106", "reject contacts"), ("【青禾】投诉请拨12315", "allow"),
        ("【青禾】订单号13900138000已发货", "allow"), ("【麦田】订单号13912345678加我", "reject contacts"),
        ("【麦田】上新五折，公众号青禾优选 拒收请回复R", "reject contacts"), ("【麦田】关注微信公众号查询", "allow"),
        ("【麦田】附件 report.final.pdf 已生成", "allow"), ("【麦田】附件 report.final.pdf 见 strange.example/a", "reject links"),
    ],
)  # fmt: skip
def test_a_contact_passes_for_whom_it_is_registered(bench: Bench, text: str, said: str) -> None:
    for _ in range(3):  # from memory too
        assert bench.says(text) == said


def test_from_memory_too_a_contact_is_another_with_other_digits(bench: Bench) -> None:
    for _ in range(3):
        assert bench.says("【青禾】加微信qinghe88领券") == "allow"
        assert bench.says("【青禾】加微信qinghe89领券") == "reject contacts"
        assert bench.says("【青禾】加QQ100004030") == "allow"
        assert bench.says("【青禾】加QQ100004031") == "reject contacts"
        assert bench.says("【青禾】电话+16 15900128001") == "reject contacts"
        assert bench.says("【青禾】电话+16 25900128001") == "allow"
        assert bench.says("【青禾】你好，加ＶＸ：QINGHE88") == "allow"
        assert bench.says("【青禾】你好，加ＶＸ：QINGHE89") == "reject contacts"
        assert bench.says("【青禾】请于11月11日领取，详询 139.0013.8001") == "reject contacts"
        assert bench.says("【青禾】请于11月11日领取，订单 139.0013.8001") == "allow"


def test_what_a_reader_remembers_is_what_it_would_read_anew(bench: Bench) -> None:
    rules, draw = bench.rules, random.Random(41)
    texts = (
        "加微信：qinghe88领取2张", "【青禾】满300减40，薇❤：qinghe_88", "扣扣 1 0 0 0 0 4 0 3 0，第2期", "公众号「青禾8号店」", "抖音号：qinghe88",
        "￥AbCd12EfGh￥复制打开淘宝", "写信kefu88@qinghe8.example", "详询139.0013.8000或139 0013 8000", "热线四零零6000106", "电话+86 15900128001，费率0.5",
        "登录qinghe8点com领8元", "看 t 8 . cn", "订单13900138000 验证码482913 微信通知", "(13900138000)微信同号", "价格￥199￥299，QQ:100004030",
    )  # fmt: skip
    for text in texts:
        varied = [
            re.sub("[0-9]", lambda match: draw.choice((match[0], match[0], draw.choice("0123456789"))), text) for _ in range(5)
        ]
        for one in (text, text, *varied, text):
            content = Content(one, "readable", b"")
            fresh = Reader(rules.bits, rules.lexicon, None, rules.registry, before=rules.reader)
            assert rules.reader.read(content).traits.bits == fresh.read(Content(one, "readable", b"")).traits.bits, one


def test_a_provider_passes_for_what_is_registered_for_it(bench: Bench) -> None:
    assert bench.says("【麦田】QQ:100004030", provider="jia") == "allow"
    assert bench.says("【麦田】QQ:100004030", provider="yi") == "reject contacts"


def test_a_rule_names_contacts_of_any_kind_and_kinds(make: Make) -> None:
    bench = make(
        '- {id: named, when: {contact: ["wechat:qinghe88", "微信:maitian66"]}, then: reject, reason: keyword}\n'
        "- {id: kinds, when: {contact: {kind: [qq, 公众号]}}, then: reject, reason: keyword}\n"
        '- {id: other, when: {contact: {outside: ["4006000106", "douyin:qinghe88"]}}, then: reject, reason: keyword}'
    )
    for text, said in (
        ("加薇：qinghe88", "reject named"), ("加薇：maitian66", "reject named"), ("加薇：maitian67", "allow"), ("QQ100004030", "reject kinds"), ("公众号「青禾优选」", "reject kinds"),
        ("抖音号：qinghe88", "allow"), ("抖音号：qinghe89", "reject other"), ("详询4006000106", "allow"), ("详询4006000107", "reject other"),
    ):  # fmt: skip
        assert bench.says(text) == said, text


def test_none_and_present_mean_telephone_numbers_as_before(make: Make) -> None:
    bench = make("- {id: it, when: {contact: present}, then: reject, reason: keyword}")
    assert bench.says("加微信qinghe88") == "allow"
    assert bench.says("139.0013.8000") == "allow"
    assert bench.says("13900138000") == "reject it"


def test_files_without_the_new_columns_mean_what_they_meant(make: Make) -> None:
    bench = make(
        OUTSIDE,
        FILES
        | {"registries/contacts.csv": "contact,advertiser,provider\ns.example,,jia\ngov.example,,\n4006000106,青禾公司,\n"},
    )
    assert bench.says("【甲】s.example/a gov.example", provider="jia") == "allow"
    assert bench.says("【甲】s.example/a", provider="yi") == "reject links"
    assert bench.says("【青禾会员】4006000106") == "allow"


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("wechat:ab,,,,,,", "1: contact: 'ab' is no WeChat id (qinghe88)"), ("x,,,wechatt,,,", "1: kind: unknown kind 'wechatt'; did you mean wechat?"),
        ("t.cn,,,,,,maybe", "1: shared: unknown shared 'maybe' (one of yes, no)"), ("qinghe88,,,qq,,,", "1: contact: 'qinghe88' is no number of QQ (100004030)"),
    ],
)  # fmt: skip
def test_a_bad_row_has_its_line(write: Write, row: str, said: str) -> None:
    with pytest.raises(RulesError) as refused:
        load(write("rules: []", {"registries/contacts.csv": f"{row}\n"}))
    (problem,) = refused.value.problems
    assert str(problem).startswith(f"rules/registries/contacts.csv:{said[:30]}"), problem


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("t.cn,,,,青何,,", "signature: unknown signature '青何'"), ("t.cn,麦田公司,,,青禾,,", "advertiser: 青禾 is 青禾公司's, not 麦田公司's"),
        ("t.cn,,,,,qinghe-vp,", "template: unknown template 'qinghe-vp'"), ("t.cn,,,,麦田,qinghe-vip,", "template: qinghe-vip is of signature 青禾, not 麦田"),
    ],
)  # fmt: skip
def test_a_signature_and_a_template_are_registered_and_belong_together(write: Write, row: str, said: str) -> None:
    problems = check(write("rules: []", FILES | {"registries/contacts.csv": f"{row}\n"})).problems
    assert [str(one)[: len(f"rules/registries/contacts.csv:1: {said}")] for one in problems] == [
        f"rules/registries/contacts.csv:1: {said}"
    ]


RENAMED = """\
- id: renamed
  when: {suppressed: {scope: advertiser, match: [advertiser, domain, phone, handle, text]}}
  then: reject
  reason: renamed-sender
"""


def test_a_refused_advertiser_is_known_by_a_contact_of_any_kind(make: Make) -> None:
    bench = make(RENAMED, FILES)
    bench.refuses(NANJING, "advertiser", "青禾公司")
    for text in (
        "【小禾】加V：qinghe88",
        "【小禾】关注公众号「青禾优选」",
        "【小禾】看qinghe点example",
        "【小禾】详询四零零六零零零一零六",
    ):
        assert bench.says(text) == "reject renamed", text
    verdict = bench.send("【小禾】加薇❤：QingHe88")
    assert verdict.breaches[0].evidence == "handle wechat:qinghe88 is of 青禾公司"
    assert verdict.breaches[0].evidence.zh == "账号 wechat:qinghe88 是 青禾公司 的"  # type: ignore[attr-defined]
    for text in ("【小禾】加V：maitian66", "【小禾】QQ:100004030"):
        assert bench.says(text) == "allow", text


def test_what_several_advertisers_share_proves_nothing_and_a_group_is_one(make: Make) -> None:
    bench = make(RENAMED, FILES)
    bench.refuses(NANJING, "advertiser", "青禾公司")
    for text in ("【小禾】看t.cn/a1", "【小禾】详询400-600-0199", "【小禾】看everybody.example"):
        assert bench.says(text) == "allow", text
    bench.refuses("13800100500", "advertiser", "山货公司")
    assert bench.says("【新店】看group.example", to="13800100500") == "reject renamed"


def test_a_contact_that_stood_in_what_was_refused_is_known_again_unless_others_share_it(make: Make) -> None:
    bench = make(RENAMED, FILES)
    text = "【麦田】秋冬羽绒服清仓特惠 加微信maitian99 QQ200004030 详询400-600-0199 {}拒收请回复R"
    bench.people[int(NANJING)].texts.append(refused_text(hash48("麦田"), 1, text))
    bench.refuses(NANJING, "advertiser", "麦田公司")
    verdict = bench.send("【新店】新茶上市 加V：MaiTian99")
    assert verdict.rule == "renamed"
    assert verdict.breaches[0].evidence == "handle wechat:maitian99 stood in what was refused"
    assert bench.says("【新店】新茶上市 QQ 2 0 0 0 0 4 0 3 0") == "reject renamed"
    assert bench.says("【新店】新茶上市 加V：maitian98") == "allow"
    assert bench.says("【新店】新茶上市 详询400-600-0199") == "allow", "it is registered as shared"


def test_a_kept_text_stays_small() -> None:
    names = "青禾优选官方旗舰商城"
    text = f"【青禾】{'羽绒服' * 30} 公众号「{names}」 小程序「{names}」 加微信{'q' * 19}1 13900138000 13900138001"
    assert len(refused_text(1, 1, text).text.encode()) < 240
