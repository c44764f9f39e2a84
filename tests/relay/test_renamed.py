"""A refused advertiser writes again under another name: what the gate keeps, and how it recognises it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.journal.encoding import unpack
from proxy.journal.records import evidence as grounds
from proxy.journal.records import messages
from proxy.policy.loading.load_rules import load
from proxy.policy.ruleset import RuleSet
from proxy.relay.optout_reply import OptOutSettings
from proxy.state.record.record import EMPTY, Record
from tests.relay.test_optout_reply import JIA, MING, NOT_PERMITTED, YI, Harness

RULES = """
rules:
  - {id: suppressed, when: {category: marketing, suppressed: {match: signature}}, then: reject, reason: suppressed}
  - id: renamed
    when: {category: marketing, suppressed: {scope: advertiser, match: [advertiser, licence, domain, phone, text]}}
    then: reject
    reason: renamed-sender
"""
OFFER = "秋冬羽绒服清仓特惠，全场低至3折，会员另有赠品，门店自提包邮"


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> RuleSet:
    folder: Path = tmp_path_factory.mktemp("rules")
    (folder / "rules.yaml").write_text(RULES)
    return load(folder)


@pytest.fixture
def harness(rules: RuleSet) -> Iterator[Harness]:
    harness = Harness(rules)
    yield harness
    assert harness.tally.sent_against_record == 0
    again = Harness(rules, disk=harness.disk)  # what a restart finds is what was there
    assert kept(again) == kept(harness)
    assert again.refused() == harness.refused()


def kept(harness: Harness) -> list[tuple[int, str]]:
    """Texts kept with the refusals of 明, as a record has them."""
    record = Record(harness.store._table.get(MING) or EMPTY)
    return [(one.signature, one.text) for one in record.refused_texts()]


def evidence(harness: Harness) -> list[str]:
    return [unpack(grounds.VerdictEvidence, body).words for body in harness.journalled(messages.EVIDENCE)]


def test_the_same_words_under_another_name_are_known_again(harness: Harness) -> None:
    harness.send(JIA, MING, f"【甲店】{OFFER} 拒收请回复R")
    harness.reply(MING, JIA, "R")
    assert harness.send(YI, MING, f"【新名】{OFFER.replace('3折', '2折')} 回T退订") == NOT_PERMITTED
    assert harness.send(YI, MING, f"【新名】{OFFER.replace('清仓', '大促')}！ 回T退订") == NOT_PERMITTED
    assert harness.send(YI, MING, "【新名】五金工具上新，电钻扳手套装满200减50，到店自提有礼 回T退订") == 0
    assert evidence(harness)[0].startswith("100% like what was refused: 秋冬羽绒服")
    assert [said.reason for said in map(messages.unpack_verdict, harness.journalled(messages.VERDICT)) if said.reason] == [
        "renamed-sender"
    ] * 2


def test_the_evidence_names_the_verdict_it_belongs_to(harness: Harness) -> None:
    harness.send(JIA, MING, f"【甲店】{OFFER} 拒收请回复R")
    harness.reply(MING, JIA, "R")
    harness.send(YI, MING, f"【新名】{OFFER} 回T退订")
    (told,) = (unpack(grounds.VerdictEvidence, body) for body in harness.journalled(messages.EVIDENCE))
    from proxy.journal.write_ahead_log import read

    (verdict,) = (item for item in read(harness.disk) if item.sequence == told.verdict_sequence)
    assert (messages.unpack_verdict(verdict.body).reason, told.rule) == ("renamed-sender", "renamed")


def test_the_same_telephone_number_is_known_again_without_a_register(harness: Harness) -> None:
    harness.send(JIA, MING, f"【甲店】{OFFER}，详询400-600-1111 拒收请回复R")
    harness.reply(MING, JIA, "R")
    assert harness.send(YI, MING, "【新名】全新楼盘现房发售，均价8字头，预约4006001111 回T退订") == NOT_PERMITTED
    assert harness.send(YI, MING, "【新名】全新楼盘现房发售，均价8字头，预约4006001112 回T退订") == 0
    assert evidence(harness) == ["phone 4006001111 stood in what was refused"]


def test_who_takes_a_refusal_back_hears_the_same_words_again(harness: Harness) -> None:
    harness.send(JIA, MING, f"【甲店】{OFFER} 拒收请回复R")
    harness.reply(MING, JIA, "R")
    assert len(kept(harness)) == 1
    harness.reply(MING, JIA, "START")
    assert kept(harness) == []
    assert harness.send(YI, MING, f"【新名】{OFFER} 回T退订") == 0


def test_what_is_kept_is_bounded_and_the_newest_stays(rules: RuleSet) -> None:
    harness = Harness(rules, OptOutSettings(widen_after=0))
    for shop in range(12):
        words = "".join(chr(0x5000 + shop * 100 + letter) for letter in range(90))
        assert harness.send(JIA, MING, f"【店铺{shop:02d}】{words}优惠券满减 拒收请回复R") == 0
        harness.reply(MING, JIA, "R", after_s=1)
    found = kept(harness)
    assert len(found) == 8
    assert found[-1][1].startswith("\x1f" + chr(0x5000 + 1100))
    assert all(100 < len(text.encode()) <= 192 for _, text in found)
    assert kept(Harness(rules, disk=harness.disk)) == found


def test_a_code_is_never_kept(harness: Harness) -> None:
    harness.send(JIA, MING, f"【甲店】{OFFER} 拒收请回复R")
    harness.reply(MING, JIA, "R")
    ((_, text),) = kept(harness)
    assert "3折" not in text  # digits are masked
    assert "0折" in text
    assert "拒收" not in text
    assert "甲店" not in text


def test_without_a_rule_that_compares_nothing_is_kept(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text("rules: [{id: s, when: {suppressed: true}, then: reject, reason: suppressed}]")
    harness = Harness(load(tmp_path))
    harness.send(JIA, MING, f"【甲店】{OFFER} 拒收请回复R")
    harness.reply(MING, JIA, "R")
    assert kept(harness) == []
    assert harness.journalled(messages.REFUSED_SAID) == []


def test_texts_that_were_read_outlive_a_reload(rules: RuleSet, tmp_path: Path) -> None:
    harness = Harness(rules)
    harness.send(JIA, MING, f"【甲店】{OFFER} 拒收请回复R")
    (tmp_path / "rules.yaml").write_text(RULES + "  - {id: more, when: {text: 禁词}, then: reject, reason: keyword}\n")
    changed = load(tmp_path)
    changed.learn_from(rules)
    harness.relay.rules = changed
    harness.reply(MING, JIA, "R")
    assert len(kept(harness)) == 1


# -- a platform and its shops


ADVERTISERS = "advertiser,licence,group,domains,phones,platform,shops\n青集平台\n禾苗店,,,,,青集平台\n麦田店,,,,,青集平台\n"
SIGNATURES = "signature,advertiser\n青集,青集平台\n禾苗,禾苗店\n麦田,麦田店\n"


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> RuleSet:
    folder: Path = tmp_path_factory.mktemp("market")
    (folder / "registries").mkdir()
    (folder / "rules.yaml").write_text(RULES)
    (folder / "registries" / "advertisers.csv").write_text(ADVERTISERS)
    (folder / "registries" / "signatures.csv").write_text(SIGNATURES)
    return load(folder)


@pytest.fixture
def street(market: RuleSet) -> Iterator[Harness]:
    harness = Harness(market)
    yield harness
    assert harness.tally.sent_after_optout == 0
    again = Harness(market, disk=harness.disk)
    for port in (JIA, YI):
        for shop in ("青集", "禾苗", "麦田"):
            assert again.send(port, MING, shop_offer(shop)) == harness.send(port, MING, shop_offer(shop))


def shop_offer(shop: str) -> str:
    return f"【{shop}】{OFFER} 拒收请回复R"


def test_who_refuses_a_platform_by_reply_hears_no_shop_of_it_through_any_provider(street: Harness) -> None:
    street.send(JIA, MING, shop_offer("青集"))
    street.reply(MING, JIA, "R")
    assert [street.send(port, MING, shop_offer(shop)) for port in (JIA, YI) for shop in ("青集", "禾苗", "麦田")] == [
        NOT_PERMITTED
    ] * 6
    assert {one.partition(";")[0] for one in evidence(street)} >= {
        f"{shop} is a shop of 青集平台" for shop in ("禾苗店", "麦田店")
    }


def test_who_refuses_one_shop_by_reply_still_gets_the_platform_and_the_other_shop(street: Harness) -> None:
    street.send(JIA, MING, shop_offer("禾苗"))
    street.reply(MING, JIA, "R")
    assert [street.send(port, MING, shop_offer("禾苗")) for port in (JIA, YI)] == [NOT_PERMITTED] * 2
    assert [street.send(port, MING, shop_offer(shop)) for port in (JIA, YI) for shop in ("青集", "麦田")] == [0] * 4


def test_who_takes_the_platform_s_refusal_back_hears_its_shops_again(street: Harness) -> None:
    street.send(JIA, MING, shop_offer("青集"))
    street.reply(MING, JIA, "R")
    street.reply(MING, JIA, "START")
    assert [street.send(YI, MING, shop_offer(shop)) for shop in ("青集", "禾苗")] == [0, 0]
