"""A refusal of a platform also stops its shops; a refusal of a shop stops that shop alone."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from proxy.model.message import Category, Content, Message, Sender, hash48
from proxy.model.recipient import OptOut
from proxy.policy.explanation.history import Past, PastCounts
from proxy.policy.judge import judge
from proxy.policy.loading.check import check
from proxy.policy.loading.load_rules import load
from proxy.policy.loading.problem import RulesError
from proxy.policy.registries.platforms import AdvertiserRow, Platforms, mistakes
from proxy.policy.renamed_senders import refused_text
from proxy.policy.text.folding import normal_signature
from proxy.relay.effects.record_changes import refused_before
from tests.policy.conftest import NANJING, Bench, Make, Write

ADVERTISERS = """\
advertiser,licence,group,domains,phones,platform,shops
青集平台,91P,,qingji.example,400-600-0001,,
禾苗店,91A,,hemiao.example,,青集平台,
麦田店,91B,,maitian.example,,青集平台,
豆荚店,,,doujia.example,,青集平台,
散市平台,91Q,,sanshi.example,400-600-0002,,apart
山货店,91C,,,,散市平台,
江货店,91D,,,,散市平台,
甲公司,91E,某集团,,,,
乙公司,91F,某集团,,,,
旁人公司,91G,,,,,
"""
SIGNATURES = """\
signature,advertiser,group,provider,port,state
青集,青集平台,,,,approved
青集会员,青集平台,,,,approved
禾苗,禾苗店,,,,approved
麦田,麦田店,,,,approved
散市,散市平台,,,,approved
山货,山货店,,,,approved
江货,江货店,,,,approved
甲店,甲公司,,,,approved
乙店,乙公司,,,,approved
旁人,旁人公司,,,,approved
"""
FILES = {"registries/advertisers.csv": ADVERTISERS, "registries/signatures.csv": SIGNATURES}
PLAIN = "- {id: it, when: {suppressed: true}, then: reject, reason: suppressed}"
EVERY_WAY = """\
- {id: it, when: {suppressed: {match: signature}}, then: reject, reason: suppressed}
- id: renamed
  when: {suppressed: {scope: advertiser, match: [advertiser, licence, group, domain, phone, text]}}
  then: reject
  reason: renamed-sender
"""
OFFER = "秋冬羽绒服清仓特惠，全场低至3折，会员另有赠品，到店自提包邮"


@pytest.fixture(params=[PLAIN, EVERY_WAY], ids=["usual", "every way"])
def bench(make: Make, request: pytest.FixtureRequest) -> Bench:
    return make(request.param, FILES)


def hashed(signature: str) -> str:
    return f"{hash48(normal_signature(signature)):012x}"


def gets(bench: Bench, signature: str, words: str = "上新") -> bool:
    return bench.says(f"【{signature}】{words} 拒收请回复R", provider="yi", port="10690009") == "allow"


@pytest.mark.parametrize("refused", ["青集平台", "青集", hashed("青集"), hashed("青集会员")])
def test_who_refuses_a_platform_hears_no_more_of_it_nor_of_its_shops(bench: Bench, refused: str) -> None:
    bench.refuses(NANJING, "advertiser", refused)
    assert [gets(bench, one) for one in ("青集", "青集会员", "禾苗", "麦田")] == [False] * 4
    assert [gets(bench, one) for one in ("旁人", "散市", "山货", "甲店", "没有登记")] == [True] * 5


@pytest.mark.parametrize("refused", ["禾苗店", "禾苗", hashed("禾苗")])
def test_who_refuses_one_shop_stops_that_shop_alone(bench: Bench, refused: str) -> None:
    bench.refuses(NANJING, "advertiser", refused)
    assert not gets(bench, "禾苗")
    assert [gets(bench, one) for one in ("青集", "青集会员", "麦田", "豆荚店")] == [True] * 4


@pytest.mark.parametrize("refused", ["散市平台", hashed("散市")])
def test_shops_of_a_platform_that_keeps_them_apart_go_on(bench: Bench, refused: str) -> None:
    bench.refuses(NANJING, "advertiser", refused)
    assert not gets(bench, "散市")
    assert [gets(bench, one) for one in ("山货", "江货")] == [True] * 2


def test_a_refusal_of_a_signature_means_that_signature(bench: Bench) -> None:
    bench.refuses(NANJING, "signature", "青集")
    assert not gets(bench, "青集")
    assert [gets(bench, one) for one in ("青集会员", "禾苗")] == [True] * 2


def test_a_group_still_works_both_ways(make: Make) -> None:
    for refused, other in (("甲公司", "乙店"), ("乙公司", "甲店")):
        bench = make(EVERY_WAY, FILES)
        bench.refuses(NANJING, "advertiser", refused)
        assert not gets(bench, other)


def test_a_shop_that_has_no_registered_signature_is_known_by_its_name_and_by_its_links(make: Make) -> None:
    bench = make(EVERY_WAY, FILES)
    bench.refuses(NANJING, "advertiser", "青集平台")
    assert not gets(bench, "豆荚店"), "signed with the name of the shop"
    verdict = bench.send("【新名】上新 m.doujia.example/1 拒收请回复R")
    assert verdict.rule == "renamed"
    assert verdict.breaches[0].evidence == "domain m.doujia.example is of 豆荚店, a shop of 青集平台"
    assert verdict.breaches[0].evidence.zh == "链接 m.doujia.example 是 豆荚店（青集平台 的店铺） 的"  # type: ignore[attr-defined]
    assert gets(bench, "新名")


def test_a_platform_that_has_no_registered_signature_is_refused_by_its_name(make: Make) -> None:
    files = FILES | {"registries/signatures.csv": "禾苗,禾苗店\n"}
    for refused in ("青集平台", hashed("青集平台")):
        bench = make(PLAIN, files)
        bench.refuses(NANJING, "advertiser", refused)
        assert [gets(bench, one) for one in ("青集平台", "禾苗", "麦田店", "山货店")] == [False, False, False, True]


@pytest.mark.parametrize(("refused", "sender"), [("禾苗", "麦田"), ("禾苗", "青集"), ("散市", "山货"), ("山货", "江货")])
def test_shops_and_their_platform_may_say_the_same_words_and_lead_to_the_same_place(
    make: Make, refused: str, sender: str
) -> None:
    words = f"{OFFER} qingji.example/1 sanshi.example/2 详询400-600-0001 400-600-0002"
    bench = make(EVERY_WAY, FILES)
    kept = refused_text(hash48(refused), 1, f"【{refused}】{words} 拒收请回复R")
    bench.people[int(NANJING)].texts.append(kept)
    bench.refuses(NANJING, "advertiser", hashed(refused))
    assert gets(bench, sender, words)
    assert not gets(bench, "新名", words), "whom nobody knows is known by what they say"


def test_a_link_of_its_own_gives_the_refused_shop_away(make: Make) -> None:
    bench = make(EVERY_WAY, FILES)
    bench.refuses(NANJING, "advertiser", "禾苗店")
    assert not gets(bench, "麦田", "上新 hemiao.example/1")


def test_evidence_says_whose_shop_it_is(make: Make) -> None:
    bench = make("- {id: it, when: {suppressed: {match: platform}}, then: reject, reason: suppressed}", FILES)
    bench.refuses(NANJING, "advertiser", "青集平台")
    verdict = bench.send("【禾苗】上新 拒收请回复R")
    assert verdict.reason is not None
    assert verdict.reason.public == "not-permitted"
    assert verdict.breaches[0].evidence == "禾苗店 is a shop of 青集平台"
    assert verdict.breaches[0].evidence.zh == "禾苗店 是 青集平台 的店铺"  # type: ignore[attr-defined]
    assert gets(bench, "青集会员"), "this rule asks for shops only"


def test_a_rule_that_asks_for_a_licence_only_asks_for_no_platform(make: Make) -> None:
    bench = make("- {id: it, when: {suppressed: {match: licence}}, then: reject, reason: suppressed}", FILES)
    bench.refuses(NANJING, "advertiser", "青集平台")
    assert gets(bench, "禾苗")


def test_a_list_that_suppresses_the_platform_stops_its_shops(make: Make) -> None:
    head = "lists: {no-platform: {file: lists/x.csv, suppress: {scope: advertiser, value: 青集平台}}, no-shop: {file: lists/y.csv, suppress: {scope: advertiser, value: 禾苗店}}}"
    bench = make(PLAIN, FILES | {"lists/x.csv": NANJING, "lists/y.csv": "13800250501"}, head=head)
    assert [gets(bench, one) for one in ("青集", "禾苗", "麦田", "山货")] == [False, False, False, True]
    assert bench.says("【麦田】上新 拒收请回复R", to="13800250501") == "allow"
    assert bench.says("【青集】上新 拒收请回复R", to="13800250501") == "allow"
    assert bench.says("【禾苗】上新 拒收请回复R", to="13800250501") == "reject it"


def test_a_refusal_of_the_platform_takes_back_what_was_agreed_to_with_a_shop_before(make: Make) -> None:
    consents = "13800250500,禾苗店,,granted,2026-01-01,,p,li\n"
    bench = make(
        "- {id: it, when: {consent: revoked}, then: reject, reason: consent-missing}",
        FILES | {"registries/consents.csv": consents},
    )
    assert gets(bench, "禾苗")
    bench.refuses(NANJING, "advertiser", "青集平台", at="2026-02-01")
    assert not gets(bench, "禾苗")


def test_old_registers_without_the_columns_load(make: Make) -> None:
    bench = make(
        PLAIN, {"registries/advertisers.csv": "advertiser,licence,group,domains,phones\n甲公司,91A,,,\n乙公司,91B,,,\n"}
    )
    bench.refuses(NANJING, "advertiser", "甲公司")
    assert [gets(bench, one) for one in ("甲公司", "乙公司")] == [False, True]


@pytest.mark.parametrize("signature", ["青集", "青集会员", "禾苗", "麦田", "豆荚店", "散市", "山货", "江货", "旁人", "新名"])
def test_what_the_rules_refuse_is_what_counts_as_sent_against_a_refusal(make: Make, signature: str) -> None:
    rules = make(PLAIN, FILES).rules
    sender = Sender.of("yi", "yi", "10690009", "10690", Category.MARKETING, None)
    text = f"【{signature}】上新 拒收请回复R"
    message = Message(sender, int(NANJING), Content(text, "readable", b""))
    unheard = judge(message, Past(), rules, 9.0, PastCounts())
    for name in ("青集平台", "散市平台", "禾苗店", "山货店", "豆荚店", "青集", "旁人", "新名"):
        for value in (name, hashed(name)):
            past = Past()
            past.refusals.append(OptOut("advertiser", value, 1, "officer", 0))
            verdict = judge(message, past, rules, 9.0, PastCounts())
            told = refused_before(past.refusals, message, unheard, 9.0, rules.registry.same_advertiser)
            assert told is (verdict.rule == "it"), value


# -- the relation itself


NAMES = "甲乙丙丁戊"
PLATFORM = st.tuples(st.just(""), st.sampled_from(["", "with-platform", "apart"]))
SHOP = st.tuples(st.sampled_from(["", *NAMES[:2]]), st.just(""))


@given(st.tuples(*[PLATFORM] * 2, *[SHOP] * (len(NAMES) - 2)))
def test_it_goes_one_way(said: tuple[tuple[str, str], ...]) -> None:
    table = [AdvertiserRow(name, "", "", (), (), *one) for name, one in zip(NAMES, said, strict=True)]
    assume(not [*mistakes(table, "x.csv")])
    platforms = Platforms(table)
    for refused, sender in product(NAMES, repeat=2):
        stopped = platforms.stopped_with(sender) == refused
        assert not (stopped and platforms.stopped_with(refused) == sender)
        of_one_platform = platforms.of(sender) in (refused, platforms.of(refused) or None) or platforms.of(refused) == sender
        assert (stopped or platforms.keep_apart(refused, sender)) == (of_one_platform and refused != sender)
        assert not (stopped and platforms.keep_apart(refused, sender))


def test_a_circle_is_refused_at_each_of_its_lines(write: Write) -> None:
    folder = write("rules: []", {"registries/advertisers.csv": "甲店,,,,,乙店\n乙店,,,,,甲店\n"})
    with pytest.raises(RulesError) as refused:
        load(folder)
    assert [str(one) for one in refused.value.problems] == [
        "rules/registries/advertisers.csv:1: platform: 甲店 and 乙店 (line 2) are each other's platform",
        "rules/registries/advertisers.csv:2: platform: 乙店 and 甲店 (line 1) are each other's platform",
    ]
    folder = write("rules: []", {"registries/advertisers.csv": "甲店,,,,,乙店\n乙店,,,,,丙店\n丙店,,,,,甲店\n"})
    assert [one.line for one in check(folder).problems] == [1, 2, 3]


def test_mistakes_are_shown_up_to_a_bound(write: Write) -> None:
    rows = "".join(f"店{number},,,,,没有的平台\n" for number in range(50))
    assert len(check(write("rules: []", {"registries/advertisers.csv": rows})).problems) == 20


def test_a_shop_in_its_platform_s_group_is_a_doubt_and_no_mistake(write: Write) -> None:
    rows = "青集平台,91P,青集团,,,,\n禾苗店,91A,青集团,,,青集平台,\n麦田店,91P,,,,青集平台,\n豆荚店,,,,,青集平台,\n"
    report = check(write("rules: []", {"registries/advertisers.csv": rows}))
    assert report.problems == []
    assert [str(one) for one in report.warnings] == [
        f"rules/registries/advertisers.csv:{line}: {word}: {shop} and its platform 青集平台 have one: who refuses the shop may stop the platform, too"
        for line, word, shop in ((2, "group", "禾苗店"), (3, "licence", "麦田店"))
    ]
