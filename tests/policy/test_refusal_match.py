"""A recipient whose refusals do not concern a message is judged like one without refusals.

Whatever the refusal's scope, the sender, and the ways in which rules recognise a refused sender."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.model.message import Category, Content, Message, Sender, hash48
from proxy.model.recipient import Entry, OptOut, RefusedText
from proxy.policy.explanation.history import PastCounts
from proxy.policy.judge import judge
from proxy.policy.loading.load_rules import load
from proxy.policy.refusal_match import NAMES_MAX, RefusalMatch
from proxy.policy.renamed_senders import refused_text
from proxy.policy.ruleset import RuleSet
from proxy.policy.text.folding import normal_signature
from proxy.relay.effects.record_changes import refused_before
from proxy.state.record import consent_facts, record
from proxy.state.record.record import Record
from tests.examples import examples

NOW = 1_762_833_600
RULES = """
rules:
  - {id: suppressed, when: {category: marketing, suppressed: true}, then: reject, reason: suppressed}
  - {id: by-all, when: {suppressed: {match: [advertiser, licence, group, domain, phone, text], similarity: 0.7}}, then: reject, reason: renamed-sender}
  - {id: by-text, when: {suppressed: {match: text}, any: [{category: marketing}, {category: notice}]}, then: tag, reason: keyword}
  - {id: none, when: {category: marketing, not: {suppressed: {scope: provider}}, text: 五金}, then: tag, reason: keyword}
  - {id: complained, when: {suppressed: {scope: provider, source: complaint, max_age: 180d}}, then: reject, reason: complaint}
"""
FILES = {
    "registries/signatures.csv": (
        "signature,advertiser,group,provider,port,state\n甲店,甲公司,甲集团,,,approved\n甲号店,甲公司,甲集团,,,approved\n"
        "乙店,乙公司,,,,approved\n丙店,丙公司,甲集团,,,approved\n丁店,丁公司,,,,approved\n"
        "戊台,戊平台,,,,approved\n己店,己公司,,,,approved\n庚店,庚公司,,,,approved\n"
    ),
    "registries/advertisers.csv": (
        "advertiser,licence,group,domains,phones,platform,shops\n甲公司,91A,甲集团,jia.example,400-600-1111\n乙公司,91A,,,\n"
        "丁公司,91D,,ding.example,\n丁店,91X,,,\n戊平台,,,jia.example,\n己公司,,,ji.example,,戊平台\n辛店,,,,,戊平台\n"
        "散平台,,,,,,apart\n庚公司,,,ding.example,,散平台\n"
    ),
}
SHOPS = ("甲店", "甲号店", "乙店", "丙店", "丁店", "戊台", "己店", "辛店", "庚店", "散平台", "无名", "")
OFFER = "秋冬羽绒服清仓特惠，全场低至3折，会员另有赠品，门店自提包邮"
WORDS = (
    OFFER,
    OFFER.replace("3折", "2折"),
    "五金工具上新满200减50 m.jia.example",
    "新房开盘优惠 400-600-1111",
    "您的验证码是123456",
    "账单已出",
    "换季清仓 s.ji.example/1",
)
SENDERS = [Sender.of(name, name, port, port[:4], None, None) for name in ("jia", "yi") for port in ("10690001", "10620002")]
HASHES = tuple(f"{hash48(normal_signature(shop)):012x}" for shop in SHOPS if shop)
VALUES = {
    "all": ("",),
    "category": ("marketing", "loan"),
    "provider": ("jia", "bing"),
    "port": ("1069", "10620002", "1061"),
    "signature": (*SHOPS[:-1], *HASHES, "别处"),
    "advertiser": (
        "甲公司",
        "乙公司",
        "丙公司",
        "丁公司",
        "甲集团",
        "别处公司",
        "戊平台",
        "己公司",
        "庚公司",
        *SHOPS[:-1],
        *HASHES,
    ),
}
REFUSALS = st.sampled_from(
    [
        OptOut(scope, value, NOW - age, source, expiry)
        for scope, values in VALUES.items()
        for value in values
        for age, source, expiry in ((9, "reply", 0), (400 * 86_400, "complaint", 0), (99, "import", NOW - 1))
    ]
)
TEXTS = st.builds(refused_text, st.sampled_from([int(one, 16) for one in HASHES]), st.integers(1, 3), st.sampled_from(WORDS))


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> RuleSet:
    folder: Path = tmp_path_factory.mktemp("rules")
    (folder / "registries").mkdir()
    for name, text in {"rules.yaml": RULES, **FILES}.items():
        (folder / name).write_text(text, encoding="utf-8")
    return load(folder)


def message(shop: str, words: str, sender: Sender) -> Message:
    text = (f"【{shop}】" if shop else "") + words + " 拒收请回复R"
    return Message(sender, 13_800_210_000, Content(text, "readable", text.encode("utf-16-be")))


@settings(max_examples=examples(600))
@given(
    refusals=st.lists(REFUSALS, max_size=4),
    texts=st.lists(TEXTS, max_size=3),
    said=st.builds(message, st.sampled_from(SHOPS), st.sampled_from(WORDS), st.sampled_from(SENDERS)),
    entries=st.integers(0, 2),
)
def test_who_refused_others_is_judged_as_who_refused_nobody(
    rules: RuleSet, refusals: list[OptOut], texts: list[RefusedText], said: Message, entries: int
) -> None:
    bare = record.EMPTY
    for number in range(1, entries + 1):
        bare = record.add(bare, Entry(number, NOW - 100 + number, 7, 7, 7, Category.MARKETING, 0, 7, 0, 1), NOW, 86_400)
    data = bare
    for refusal in refusals:
        data = record.opt_out(data, refusal)
    for text in texts:
        data = consent_facts.refused_text(data, text)
    person, counts = Record(data), PastCounts()
    verdict = judge(said, Record(bare), rules, NOW, counts)
    if not rules.refusal_match.any(said, person.opt_outs(), person.refused_texts(), verdict.facts):
        again = judge(said, person, rules, NOW, counts)
        assert (again.outcome, again.reason, again.breaches) == (verdict.outcome, verdict.reason, verdict.breaches)
        assert not refused_before(person.opt_outs(), said, verdict, NOW, rules.registry.same_advertiser)


def test_most_who_refused_somebody_are_not_asked_again_for_others(rules: RuleSet) -> None:
    others = message("丁店", WORDS[2].replace(" m.jia.example", ""), SENDERS[0])
    facts = judge(others, Record(record.EMPTY), rules, NOW, PastCounts()).facts
    for scope, value in (
        ("advertiser", "甲公司"),
        ("signature", "无名"),
        ("provider", "yi"),
        ("port", "1062"),
        ("advertiser", HASHES[2]),
    ):
        assert not rules.refusal_match.any(others, [OptOut(scope, value, NOW, "reply", 0)], (), facts), scope
    for scope in ("advertiser", "signature"):  # also where somebody else is called as this signature is
        assert rules.refusal_match.any(others, [OptOut(scope, "丁店", NOW, "reply", 0)], (), facts)
    kept = refused_text(int(HASHES[0], 16), 1, OFFER)
    assert not rules.refusal_match.any(others, [OptOut("advertiser", "甲公司", NOW, "reply", 0)], [kept], facts)
    same = message("丁店", OFFER, SENDERS[0])
    assert rules.refusal_match.any(same, [OptOut("advertiser", "甲公司", NOW, "reply", 0)], [kept], facts)


def test_a_platform_s_refusal_is_about_its_shops_and_not_the_other_way(rules: RuleSet) -> None:
    def concerns(value: str, shop: str) -> bool:
        said = message(shop, "五金工具上新满200减50", SENDERS[0])
        facts = judge(said, Record(record.EMPTY), rules, NOW, PastCounts()).facts
        return rules.refusal_match.any(said, [OptOut("advertiser", value, NOW, "reply", 0)], (), facts)

    for value in ("戊平台", HASHES[SHOPS.index("戊台")]):
        assert [concerns(value, shop) for shop in ("戊台", "己店", "辛店", "庚店")] == [True, True, True, False]
    for value in ("己公司", HASHES[SHOPS.index("己店")]):
        assert [concerns(value, shop) for shop in ("己店", "戊台", "辛店")] == [True, False, False]
    assert [concerns("散平台", shop) for shop in ("散平台", "庚店")] == [True, False]


def test_rules_that_compare_no_texts_have_none_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "rules.yaml").write_text(RULES.splitlines()[1] + "\n" + RULES.splitlines()[2], encoding="utf-8")
    rules = load(tmp_path)
    said = message("丁店", OFFER, SENDERS[0])
    facts = judge(said, Record(record.EMPTY), rules, NOW, PastCounts()).facts
    monkeypatch.setattr("proxy.policy.refusal_match.kept_of", None)
    assert not rules.refusal_match.any(said, [OptOut("advertiser", "甲店", NOW, "reply", 0)], [RefusedText(1, 1, OFFER)], facts)


def test_so_many_names_are_remembered_and_no_more(rules: RuleSet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.policy.refusal_match.NAMES_MAX", 5)
    concerning = RefusalMatch(rules.registry, 0.0)
    said = message("丁店", OFFER, SENDERS[0])
    facts = judge(said, Record(record.EMPTY), rules, NOW, PastCounts()).facts
    for number in range(20):
        assert not concerning.any(said, [OptOut("advertiser", f"公司{number}", NOW, "reply", 0)], (), facts)
        assert len(concerning.refused) <= 5
    assert NAMES_MAX > 5
