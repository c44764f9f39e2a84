"""The 36 needs of compliance officers as rules, each with a conversation.

Data for test_catalogue.py and the end-to-end test.

A Need has the rule (``it`` is the id of the one that is switched), what lies beside it in the folder, and steps. A step that the rule turns away
is marked with what it says (``reject``, ``defer``); all others pass.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from proxy.model.message import Category

OTP, NOTICE, MARKETING = Category.OTP, Category.NOTICE, Category.MARKETING
NANJING, BEIJING, SHANGHAI, UNKNOWN = "13800250500", "13800100500", "13800210500", "15400000500"
AD = "【测试】双11优惠券 拒收请回复R"
LOAN = "【甲贷】无抵押贷款 当天放款 拒收请回复R"
CODE = "【测试】您的验证码是482913, 5分钟内有效"


@dataclass(frozen=True)
class Step:
    said: str = "allow"  # allow | reject | defer
    how: dict[str, Any] = field(default_factory=dict)
    reason: str = ""
    refuses: tuple[str, str, str] = ("", "", "")  # before it: the person refuses (scope, value, source)


def ok(**how: Any) -> Step:
    return Step("allow", how)


def no(reason: str, **how: Any) -> Step:
    return Step("reject", how, reason)


def later(reason: str, **how: Any) -> Step:
    return Step("defer", how, reason)


@dataclass(frozen=True)
class Need:
    name: str
    rule: str  # the body of rule ``it``
    steps: tuple[Step, ...]
    files: dict[str, str] = field(default_factory=dict)
    head: str = ""
    others: str = ""  # further rules

    @property
    def id(self) -> str:
        return self.name.split()[0]


def need(name: str, rule: str, *steps: Step, files: dict[str, str] | None = None, head: str = "", others: str = "") -> Need:
    return Need(name, rule, steps, files or {}, head, others)


SIGNATURES = (
    "signature,advertiser,group,provider,port,state,from,to\n"
    "甲店,甲公司,甲集团,jia,1069,approved\n甲会员,甲公司,甲集团,,,approved\n甲金服,甲金融,甲集团,,,approved\n"
    "乙店,乙公司,,,,filed\n丙店,丙公司,,,,approved,2026-01-01,2026-10-31\n丁店,丁公司,,,,approved\n"
)
ADVERTISERS = "advertiser,licence,group,domains,phones\n甲公司,91A,甲集团,jia.example,400-600-1111\n乙公司,91A,,,\n丁公司,91D,,ding.example,\n"
DAY = "2026-11-11 "

NEEDS: tuple[Need, ...] = (
    need(
        "R03 region ban from a day on", "when: {category: marketing, province: 北京}\n  active: {from: 2021-11-01}\n  then: reject\n  reason: region-ban",
        ok(to=BEIJING, at="2021-10-31 23:59"), no("region-ban", to=BEIJING, at="2021-11-01 00:00"), ok(), ok(to=BEIJING, text=CODE, category=OTP),
    ),
    need(
        "R04 regions and a window, deferred to its end",
        "when: {any: [{province: 北京}, {city: 雄安}], not: {category: otp}}\n  active: {from: 2027-03-03, to: 2027-03-15}\n"
        "  then: defer\n  reason: region-ban\n  defer_until: 2027-03-16 09:00",
        ok(to=BEIJING, at="2027-03-02 20:00"), later("region-ban", to=BEIJING, at="2027-03-03 10:00"), later("region-ban", to="19900011234", at="2027-03-15 23:00"),
        ok(at="2027-03-10 10:00"), ok(to=BEIJING, at="2027-03-16 00:00"),
        files={"registries/segments.csv": "1990001,河北,雄安\n"},
    ),
    need(
        "R05 a port of a province stays there", 'when: {port: ["1062", "1063"], not: {province: port}}\n  then: reject\n  reason: port-scope',
        ok(port="106200", to=NANJING), no("port-scope", port="106200", to=SHANGHAI), ok(port="1069", to=SHANGHAI),
        files={"registries/ports.csv": "10620,江苏\n"},
    ),
    need(
        "R06 an unknown region is looked at", "when: {category: marketing, province: unknown}\n  then: review\n  reason: region-unknown",
        no("in-review", to=UNKNOWN), ok(to=UNKNOWN, text="【测试】新品上架，到店有礼"), ok(to=UNKNOWN, text=CODE, category=OTP), ok(),
        files={"registries/reviewed.csv": "text,provider,verdict,by,until\n【测试】新品上架，到店有礼,jia,released,li,2026-12-31\n"},
    ),
    need(
        "R07 three a day, whoever sends", "when: {category: marketing}\n  limit: {count: 3, per: day, key: [recipient]}\n  then: reject\n  reason: recipient-cap",
        ok(), ok(provider="yi"), ok(provider="bing"), no("recipient-cap", provider="ding"), ok(at="2026-11-12 00:00"),
    ),
    need(
        "R08 eight a week and twenty in thirty days",
        "when: {category: marketing}\n  limit: [{count: 2, per: 7d, key: [recipient]}, {count: 3, per: 30d, key: [recipient]}]\n  then: reject\n  reason: recipient-cap",
        ok(at="2026-11-01 10:00"), ok(at="2026-11-02 10:00"), no("recipient-cap", at="2026-11-03 10:00"), ok(at="2026-11-09 10:00"),
        no("recipient-cap", at="2026-11-20 10:00"),
    ),
    need(
        "R09 one signature", "when: {category: marketing}\n  limit: {count: 1, per: 7d, key: [recipient, signature]}\n  then: reject\n  reason: advertiser-cap",
        ok(), no("advertiser-cap", provider="yi"), ok(text="【别家】上新 拒收请回复R"),
    ),
    need(
        "R10 one advertiser under all its signatures",
        "when: {category: marketing}\n  limit: {count: 1, per: 7d, key: [recipient, advertiser]}\n  then: reject\n  reason: advertiser-cap",
        ok(text="【甲店】上新 拒收请回复R"), no("advertiser-cap", text="【甲会员】上新 拒收请回复R"), ok(text="【甲金服】上新 拒收请回复R"),
        files={"registries/signatures.csv": SIGNATURES},
    ),
    need(
        "R11 one loan a week", "when: {category: marketing, subcategory: loan}\n  limit: {count: 1, per: 7d, key: [recipient, subcategory]}\n  then: reject\n  reason: category-cap",
        ok(text=LOAN), no("category-cap", text="【乙贷】秒批下款 无抵押 拒收请回复R"), ok(),
    ),
    need(
        "R12 the same content again",
        "limit: [{count: 2, per: 59s, key: [recipient, content]}, {count: 3, per: 59m, key: [recipient, content]}]\n  then: reject\n  reason: same-content",
        ok(at=DAY + "10:00:00"), ok(at=DAY + "10:00:01"), no("same-content", at=DAY + "10:00:58"), ok(at=DAY + "10:01:30"), no("same-content", at=DAY + "10:30:00"),
        ok(text="【测试】别的 拒收请回复R", at=DAY + "10:30:01"),
    ),
    need(
        "R13 one-time passwords",
        "when: {category: otp}\n  limit: [{count: 1, per: 1m, key: [recipient, signature]}, {count: 2, per: 24h, key: [recipient]}]\n  then: reject\n  reason: otp-cap",
        ok(text=CODE, category=OTP, at=DAY + "10:00:00"), no("otp-cap", text=CODE, category=OTP, at=DAY + "10:00:59"),
        ok(text="【别家】验证码482914", category=OTP, at=DAY + "10:00:59"), no("otp-cap", text="【再家】验证码482915", category=OTP, at=DAY + "12:00"),
    ),
    need(
        "R14 who refused everything", "when: {category: marketing, suppressed: {scope: [global, category]}}\n  then: reject\n  reason: suppressed",
        ok(), Step("reject", {}, "suppressed", ("all", "", "reply")), ok(text=CODE, category=OTP),
    ),
    need(
        "R15 a renamed sender: registry, licence, group, domain, phone",
        "when: {category: marketing, suppressed: {scope: advertiser, match: [advertiser, licence, group, domain, phone, text]}}\n  then: reject\n  reason: renamed-sender",
        ok(text="【甲店】上新 拒收请回复R"),
        Step("reject", {"text": "【甲会员】上新 拒收请回复R", "provider": "yi", "port": "10651"}, "renamed-sender", ("advertiser", "甲公司", "reply")),
        no("renamed-sender", text="【乙店】上新 拒收请回复R"), no("renamed-sender", text="【甲金服】上新 拒收请回复R"),
        no("renamed-sender", text="【新名】上新 jia.example/x 拒收请回复R"), no("renamed-sender", text="【新名】上新 详询4006001111 拒收请回复R"),
        ok(text="【丁店】上新 ding.example/x 拒收请回复R"), ok(text="【丁店】您的验证码是482913", category=OTP),
        files={"registries/signatures.csv": SIGNATURES, "registries/advertisers.csv": ADVERTISERS},
    ),
    need(
        "R16 who refused loans", "when: {category: marketing, suppressed: {scope: category}}\n  then: reject\n  reason: suppressed",
        ok(text=LOAN), Step("reject", {"text": LOAN}, "suppressed", ("category", "loan", "reply")), ok(),
    ),
    need(
        "R17 who complained of a provider", "when: {category: marketing, suppressed: {scope: provider, source: complaint, max_age: 180d}}\n  then: reject\n  reason: complaint",
        ok(at="2026-11-01"), Step("reject", {"at": "2026-11-02"}, "complaint", ("provider", "jia", "complaint")), ok(at="2026-11-02", provider="yi"),
        ok(at="2027-05-10"),
    ),
    need(
        "R18 consent with proof",
        "when: {category: marketing, consent: [absent, expired, revoked, unreviewed]}\n  then: reject\n  reason: consent-missing",
        ok(text="【甲会员】上新 拒收请回复R"), no("consent-missing"), no("consent-missing", text="【甲会员】上新 拒收请回复R", to=SHANGHAI),
        no("consent-missing", text="【甲会员】上新 拒收请回复R", at="2027-02-01"), no("consent-missing", text="【丁店】上新 拒收请回复R"),
        no("consent-missing", text="【乙店】上新 拒收请回复R"), ok(text=CODE, category=OTP),
        files={
            "registries/signatures.csv": SIGNATURES,
            "registries/consents.csv": f"{NANJING},甲公司,marketing,granted,2026-01-01,2026-12-31,app v3,li\n{NANJING},丁公司,,granted,2026-01-01,,form,\n"
            f"{NANJING},乙公司,,granted,2026-01-01,,form,li\n{NANJING},乙公司,,revoked,2026-02-01,,call,li\n",
        },
    ),
    need(
        "R19 asked once, and in full",
        "when: {subcategory: consent-request, any: [{consent: asked}, {not: {text: {all: [类型, 频次, 期限]}}}]}\n  then: reject\n  reason: consent-repeat",
        no("consent-repeat", text="【甲店】如同意接收优惠, 同意请回复Y"),
        ok(text="【甲店】征求您的同意: 类型优惠, 频次每周1条, 期限一年, 同意请回复Y"),
        no("consent-repeat", text="【甲会员】征求您的同意: 类型优惠, 频次每周1条, 期限一年, 同意请回复Y"),
        ok(text="【丁店】征求您的同意: 类型优惠, 频次每周1条, 期限一年, 同意请回复Y"), ok(),
        files={"registries/signatures.csv": SIGNATURES},
    ),
    need(
        "R20 the opt-out notice at the end", "when: {category: marketing, text_state: readable, not: {notice: [拒收请回复R, 回T退订]}}\n  then: reject\n  reason: notice-missing",
        ok(), no("notice-missing", text="【测试】双11优惠券"), no("notice-missing", text="【测试】双11优惠券 退订回QX"), ok(text=CODE, category=OTP),
    ),
    need(
        "R21 exactly one signature, and approved",
        "when: {category: marketing, any: [{signature: [none, several]}, {not: {signature_state: approved}}]}\n  then: reject\n  reason: signature-unregistered",
        ok(text="【甲店】上新 拒收请回复R"), no("signature-unregistered"), no("signature-unregistered", text="上新 拒收请回复R"),
        no("signature-unregistered", text="【甲店】【乙店】上新 拒收请回复R"), no("signature-unregistered", text="【乙店】上新 拒收请回复R"),
        no("signature-unregistered", text="【丙店】上新 拒收请回复R"), ok(text="【丙店】上新 拒收请回复R", at="2026-10-31 23:59"),
        files={"registries/signatures.csv": SIGNATURES},
    ),
    need(
        "R22 a signature is used by whom it is registered for", "when: {signature_state: misused}\n  then: reject\n  reason: signature-misuse",
        ok(text="【甲店】上新 拒收请回复R"), no("signature-misuse", text="【甲店】上新 拒收请回复R", provider="yi"),
        no("signature-misuse", text="【甲 店】上新 拒收请回复R", port="10651"), ok(text="【甲会员】上新 拒收请回复R", provider="yi"),
        files={"registries/signatures.csv": SIGNATURES},
    ),
    need(
        "R23 a notice port carries no advertisements", "when: {declared: [notice, otp], classified: marketing}\n  then: review\n  reason: port-misuse",
        no("in-review", category=NOTICE), no("port-misuse", category=NOTICE, text="【测试】全场5折 点击领取优惠券"), ok(category=NOTICE, text="【测试】您的快件已到"), ok(),
        files={"registries/reviewed.csv": "【测试】全场5折 点击领取优惠券,,refused,li\n"},
    ),
    need(
        "R24 forbidden words, split and misspelt", "when: {text: {file: lists/banned.yaml, groups: invoice}}\n  then: reject\n  reason: keyword",
        no("keyword", text="【测试】代开发票"), no("keyword", text="【测试】代|开/發.票"), no("keyword", text="【测试】代开发漂"), ok(text="【测试】加微信"), ok(),
        files={"lists/banned.yaml": "alike: {票: [漂]}\nwords: {invoice: [代开发票], contact: [加微信]}\n"},
    ),
    need(
        "R25 registered links and numbers only",
        "when: {category: marketing, any: [{url: {outside: registered}}, {contact: {outside: registered}}]}\n  then: review\n  reason: link-unregistered",
        no("in-review", text="【甲店】上新 t.cn/x 拒收请回复R"), ok(text="【甲店】上新 m.jia.example/x 拒收请回复R"), no("in-review", text="【丁店】上新 jia.example/x 拒收请回复R"),
        ok(text="【甲店】上新 详询400-600-1111 拒收请回复R"), no("in-review", text="【甲店】上新 详询4006002222 拒收请回复R"),
        ok(text="【丁店】上新 s.example/x 拒收请回复R"), no("in-review", text="【丁店】上新 s.example/x 拒收请回复R", provider="yi"), ok(text="【谁】gov.example/x 优惠券 拒收请回复R"),
        files={
            "registries/signatures.csv": SIGNATURES, "registries/advertisers.csv": ADVERTISERS,
            "registries/contacts.csv": "contact,advertiser,provider\ns.example,,jia\ngov.example\n",
        },
    ),
    need(
        "R26 quiet hours, put off to the morning, spread out",
        'when: {category: marketing, time: 21:00-08:00}\n  then: defer\n  reason: quiet-hours\n  defer_until: "08:30"\n  jitter: 45m\n  max_defer: 10h',
        ok(at=DAY + "20:59"), no("quiet-hours", at=DAY + "21:00"), later("quiet-hours", at=DAY + "23:30"), ok(at="2026-11-12 08:00"),
    ),
    need(
        "R27 holidays: not before ten, and not at all on one",
        'when: {category: marketing, any: [{calendar: {holiday: true, before: "10:00"}}, {calendar: 清明}]}\n  then: defer\n  reason: holiday-hours',
        ok(at="2026-04-03 09:00"), later("holiday-hours", at="2026-04-05 12:00"), later("holiday-hours", at="2026-10-01 09:59"), ok(at="2026-10-01 10:00"),
        ok(at="2026-10-10 09:00"),
        files={"registries/holidays.csv": "from,to,name,kind\n2026-04-05,,清明\n2026-10-01,2026-10-07,国庆\n2026-10-10,,,workday\n"},
    ),
    need(
        "R28 campaigns", "when: {category: marketing}\n  active: [{campaign: 双11}, {campaign: '618'}]\n"
        "  limit: [{count: 2, per: day, key: [recipient]}, {count: 1, per: day, key: [recipient, group]}]\n  then: reject\n  reason: campaign-cap",
        ok(text="【甲店】上新 拒收请回复R"), no("campaign-cap", text="【甲金服】上新 拒收请回复R"), ok(text="【丁店】上新 拒收请回复R"), no("campaign-cap"),
        ok(at="2026-11-13 10:00"), ok(at="2026-11-13 10:00"), ok(at="2027-06-20 10:00"), no("campaign-cap", at="2027-06-20 11:00"),
        files={
            "registries/signatures.csv": SIGNATURES,
            "registries/campaigns.csv": "campaign,from,to\n双11,2026-11-01,2026-11-12\n618,2026-06-01,2026-06-20\n618,2027-06-01,2027-06-20\n",
        },
    ),
    need(
        "R29 a provider's rate, burst and quota",
        "when: {provider: jia}\n  limit: [{count: 1, per: 1s, burst: 2, key: [provider], then: throttle}, {count: 5, per: day, key: [provider]}]\n  then: reject\n  reason: provider-quota",
        ok(at=DAY + "10:00:00"), ok(at=DAY + "10:00:00"), later("rate-exceeded", at=DAY + "10:00:00"), ok(at=DAY + "10:00:01", provider="yi"),
        ok(at=DAY + "10:01:00"), ok(at=DAY + "10:02:00"), ok(at=DAY + "10:03:00"), no("provider-quota", at=DAY + "10:04:00"), ok(at="2026-11-12 10:00"),
    ),
    need(
        "R30 a new provider: so many a day, three tenths of them marketing",
        "when: {category: marketing, provider_age: {below: 30d}}\n  limit: [{count: 4, per: day, key: [provider]}, {share: 0.3, per: day, key: [provider], least: 1}]\n"
        "  then: reject\n  reason: probation",
        ok(since="2026-11-01"), no("probation", since="2026-11-01"), *[ok(since="2026-11-01", text=CODE, category=OTP) for _ in range(5)],
        ok(since="2026-11-01"), no("probation", since="2026-11-01"), ok(since="2026-10-01", provider="yi"), ok(since="2026-10-01", provider="yi"),
    ),
    need(
        "R33 ports are not sublet", "when: {port: '106901', not: {account: jia-1}}\n  then: reject\n  reason: port-misuse",
        ok(port="10690155", account="jia-1"), no("port-misuse", port="10690155", account="jia-2"), ok(port="10690255", account="jia-2"),
    ),
    need(
        "R34 a new rule is only counted for seven days",
        "when: {text: 上新}\n  trial: {from: 2026-11-10, for: 7d}\n  then: reject\n  reason: keyword",
        ok(text="【甲店】上新"), ok(text="【甲店】上新", at="2026-11-16 23:59:59"), no("keyword", text="【甲店】上新", at="2026-11-17 00:00"),
    ),
    need(
        "R35 protected people", "when: {category: marketing, subcategory: [loan, alcohol, game], recipient_in: protected}\n  then: reject\n  reason: protected",
        ok(to=NANJING, text=LOAN), no("protected", to=SHANGHAI, text=LOAN), no("protected", to="13900000001", text="【甲店】手游新区开启, 领取游戏礼包 拒收请回复R"), ok(to=SHANGHAI),
        head="lists: {protected: {file: lists/protected.csv}}",
        files={"lists/protected.csv": f"{SHANGHAI}\n1390000*\n"},
    ),
    need(
        "R36 everything of a kind is stopped", "when: {category: marketing, province: 上海}\n  active: {from: 2026-11-11 17:40, to: 2026-11-12 17:40}\n  then: reject\n  reason: stopped",
        ok(to=SHANGHAI, at=DAY + "17:39"), no("stopped", to=SHANGHAI, at=DAY + "17:40"), ok(at=DAY + "17:40"), ok(to=SHANGHAI, at="2026-11-12 17:40"),
    ),
    need(
        "VN three advertisements a day", "when: {category: marketing}\n  limit: {count: 3, per: 24h, key: [recipient]}\n  then: reject\n  reason: recipient-cap",
        ok(), ok(), ok(), no("recipient-cap"), ok(at="2026-11-12 10:00"),
    ),
    need(
        "IN what a person wants when", "when: {category: marketing, preferences: against}\n  then: reject\n  reason: protected",
        no("protected", text=LOAN), ok(), no("protected", at=DAY + "13:00"), no("protected", at="2026-11-14 10:00", to=SHANGHAI), ok(to=SHANGHAI, at="2026-11-16 10:00"),
        files={"registries/preferences.csv": f"recipient,category,hours,days\n{NANJING},loan,,\n{NANJING},,12:00-14:00,weekdays\n{SHANGHAI},,,weekend\n"},
    ),
    need(
        "US by the recipient's clock", "when: {category: marketing, province: 新疆, time: {between: 21:00-08:00, zone: '+06:00'}}\n  then: reject\n  reason: quiet-hours",
        ok(to="13800991500", at=DAY + "22:59"), no("quiet-hours", to="13800991500", at=DAY + "23:00"), ok(at=DAY + "23:00"), ok(to="13800991500", at="2026-11-12 10:00"),
    ),
    need(
        "T a text that is not the registered one", "when: {declared: otp, template: mismatched}\n  then: reject\n  reason: template-mismatch",
        ok(text="【甲店】您的验证码是４８２９１３，5分钟内有效", category=OTP), ok(text="【甲店】 您的验证码是 482913 ，15分钟内有效", category=OTP),
        no("template-mismatch", text="【甲店】您的验证码是482913，点击领券", category=OTP), ok(text=CODE, category=OTP),
        files={"registries/templates.csv": "template,signature,provider,category,subcategory,text\notp-1,甲店,,otp,,\"您的验证码是{code:8}，{m}分钟内有效\"\n"},
    ),
)  # fmt: skip


EXEMPTIONS: tuple[Need, ...] = (
    need(
        "R01 emergencies, the public good and codes pass at any time",
        'exempt: true\n  when: {any: [{port: "1063"}, {declared: otp, classified: otp, url: none}]}\n  skip: [region-ban, quiet-hours, recipient-cap, suppressed]\n  keep: [keyword]',
        ok(port="10631", to=BEIJING, at=DAY + "22:00"), no("keyword", port="10631", to=BEIJING, text="【测试】禁词"),
        no("region-ban", to=BEIJING), ok(to=BEIJING, text=CODE, category=OTP, at=DAY + "22:00"),
        others='- {id: ban, when: {province: 北京}, then: reject, reason: region-ban}\n- {id: night, when: {time: 21:00-08:00}, then: reject, reason: quiet-hours}\n'
        "- {id: words, when: {text: 禁词}, then: reject, reason: keyword}\n- {id: cap, when: {category: marketing}, limit: {count: 5, per: day, key: [recipient]}, then: reject, reason: recipient-cap}\n"
        "- {id: refused, when: {suppressed: true}, then: reject, reason: suppressed}",
    ),
    need(
        "R02 test numbers, to a day, and noted",
        "exempt: true\n  when: {recipient_in: vip}\n  active: {to: 2026-12-31}\n  skip: [recipient-cap]",
        ok(), ok(), ok(at="2026-12-31 10:00"), ok(at="2026-12-31 10:01"), ok(at="2027-01-01 10:00"), no("recipient-cap", at="2027-01-01 10:01"),
        head="lists: {vip: {file: lists/vip.csv}}", files={"lists/vip.csv": NANJING},
        others="- {id: cap, when: {category: marketing}, limit: {count: 1, per: day, key: [recipient]}, then: reject, reason: recipient-cap}\n"
        "- {id: noted, when: {recipient_in: vip}, then: tag, reason: protected}",
    ),
)  # fmt: skip
"""Rules that let pass: without them more is refused."""

WITH_THE_DESK = {
    "R31": "{id: R31, watch: complaints, per: month, least: {count: 3}, steps: [{above: 0.25, then: throttle, to: 0.5, for: 30d}, "
    "{above: 0.4, then: suspend-marketing, for: 30d}], again: {within: 90d, then: suspend-all, for: 90d}}",
    "R32": "{id: R32, watch: optouts, by: signature, per: 1h, least: {sent: 2000}, steps: {above: 0.02, then: suspend-marketing, for: 24h}, approval: none}",
}
"""Needs that are about providers, not about messages: what they ask for are dated orders (reason suspended), which are rules like R36."""


SHIPPED = {
    "R01": "public-good", "R02": "test-numbers", "R03": "beijing-marketing-ban", "R04": "two-sessions", "R05": "province-ports",
    "R06": "unknown-region-marketing", "R07": "daily-cap", "R08": "weekly-cap monthly-cap", "R09": "signature-weekly-cap",
    "R10": "advertiser-cap", "R11": "loan-weekly-cap estate-weekly-cap", "R12": "same-content", "R13": "otp-cap",
    "R14": "suppressed", "R15": "renamed-sender", "R16": "suppressed", "R17": "complained", "R18": "consent-missing",
    "R19": "consent-request consent-once", "R20": "notice-missing", "R21": "signature-missing signature-void signature-unregistered",
    "R22": "signature-misuse", "R23": "port-misuse", "R24": "banned-words misspelt-words", "R25": "links-unregistered",
    "R26": "quiet-hours quiet-hours-put-off", "R27": "holiday-hours", "R28": "campaign-cap", "R29": "provider-quota",
    "R30": "probation-volume probation-share", "R31": "complaint-rate", "R32": "optout-spike", "R33": "sublet-port",
    "R35": "protected", "R36": "stopped",
}  # fmt: skip
"""Which rules of ``rules/`` meet a need; R34 is about every new rule (``trial``, and ``revisions`` of the settings)."""
