"""Consents by reply as conversations: request, reply, advertisement. One thread, no sockets, our own clock."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from proxy.journal.encoding import pack, unpack
from proxy.journal.records import consents, messages
from proxy.journal.records.consents import BatchEvent, ConsentChange
from proxy.model.message import Category, hash48
from proxy.policy.loading.load_rules import load
from proxy.policy.ruleset import RuleSet
from proxy.relay.effects.consents import BY_SETTING, PersonChange, apply_event
from proxy.relay.optout_reply import OptOutSettings
from proxy.state.lists.consent_lists import ConsentBatch
from proxy.state.record import record
from proxy.state.record.record import EMPTY
from tests.relay.test_optout_reply import DAY, HONG, JIA, MING, NOT_PERMITTED, YI, Harness, ad

RULES = """
rules:
  - {id: suppressed, when: {category: marketing, suppressed: true}, then: reject, reason: suppressed}
  - id: needs-consent
    when: {category: marketing, consent: [absent, expired, revoked, unreviewed], not: {subcategory: consent-request}}
    then: reject
    reason: consent-missing
"""
SIGNATURES = "signature,advertiser,group,provider,port,state\n甲店,甲公司,,,,approved\n乙店,乙公司,,,,approved\n丙店,丙公司,,,,approved\n"
ASK = "【甲店】甲店想每月给您发2条优惠短信，为期一年，同意请回Y，拒收请回复R"
ASK_IN_WORDS = "【乙店】是否同意接收乙店的商品推荐？每周1条，期限6个月，同意回复1或同意"
ASK_BY_NUMBER = "【丙店】是否愿意收到丙店的优惠短信？同意回复1，不同意回复2"
TEMPLATES = f"template,signature,provider,category,subcategory,text\nask-jia,甲店,,notice,consent-request,{ASK}\nask-yi,乙店,yi,notice,consent-request,{ASK_IN_WORDS}\nask-bing,丙店,,notice,consent-request,{ASK_BY_NUMBER}\n"


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> RuleSet:
    folder: Path = tmp_path_factory.mktemp("rules")
    (folder / "registries").mkdir()
    (folder / "rules.yaml").write_text(RULES)
    (folder / "registries" / "signatures.csv").write_text(SIGNATURES)
    (folder / "registries" / "templates.csv").write_text(TEMPLATES)
    return load(folder)


class Asking(Harness):
    """What is known of consents beside what a harness knows."""

    def batches(self) -> list[ConsentBatch]:
        return [batch for batch, _ in self.store.consented.batches()]

    def agreed(self, person: int = MING) -> list[str]:
        """With whom a person has agreed, and what that is worth."""
        return [f"{batch.advertiser} {batch.state}" for batch in self.store.consented.of(person)]

    def proofs(self, person: int = MING) -> list[Any]:
        return record.consents_given(self.store._table.get(person) or EMPTY)

    def review(self, verdict: str) -> None:
        event = BatchEvent(self.now, "reviewed", tuple(one.number for one in self.batches()), "wang", "looked", verdict)
        self.journal.append(messages.CONSENT_EVENT, pack(event))
        apply_event(self.store.consented, event)
        self.relay.refusals.clear()


@pytest.fixture(params=["review", "accept"])
def harness(request: pytest.FixtureRequest, rules: RuleSet) -> Iterator[Asking]:
    harness = Asking(rules, OptOutSettings(accepts_consent=request.param == "accept"))
    yield harness
    assert harness.tally.sent_after_optout == 0
    again = Asking(rules, disk=harness.disk)  # what a restart finds is what was there
    for person in (MING, HONG):
        assert (again.agreed(person), again.proofs(person)) == (harness.agreed(person), harness.proofs(person))
    assert [one for one in again.store.consented.batches() if one[1]] == [
        one for one in harness.store.consented.batches() if one[1]
    ]


@pytest.fixture
def accepting(rules: RuleSet) -> Asking:
    return Asking(rules, OptOutSettings(accepts_consent=True))


@pytest.fixture
def reviewing(rules: RuleSet) -> Asking:
    return Asking(rules, OptOutSettings())


def test_without_consent_nobody_gets_marketing_but_they_may_be_asked(harness: Asking) -> None:
    assert harness.send(JIA, MING, ad("甲店")) == NOT_PERMITTED
    assert harness.send(JIA, MING, ASK) == 0
    assert harness.send(JIA, MING, ad("甲店")) == NOT_PERMITTED


def test_an_accepted_answer_counts_at_once_for_this_person_and_this_advertiser(accepting: Asking) -> None:
    accepting.send(JIA, MING, ASK)
    accepting.reply(MING, JIA, "Y")
    assert accepting.agreed() == ["甲公司 accepted"]
    assert accepting.send(JIA, MING, ad("甲店")) == 0
    assert accepting.send(YI, MING, ad("甲店")) == 0
    assert accepting.send(JIA, MING, ad("乙店")) == NOT_PERMITTED
    assert accepting.send(JIA, HONG, ad("甲店")) == NOT_PERMITTED


def test_an_answer_under_review_counts_once_somebody_has_accepted_it(reviewing: Asking) -> None:
    reviewing.send(JIA, MING, ASK)
    reviewing.reply(MING, JIA, "Y")
    assert reviewing.agreed() == ["甲公司 unreviewed"]
    assert reviewing.send(JIA, MING, ad("甲店")) == NOT_PERMITTED
    reviewing.review("accepted")
    assert reviewing.send(JIA, MING, ad("甲店")) == 0


def test_a_rejected_answer_counts_no_more_and_the_next_one_waits_for_a_review_of_its_own(reviewing: Asking) -> None:
    for person in (MING, HONG):
        reviewing.send(JIA, person, ASK)
    reviewing.reply(MING, JIA, "Y")
    reviewing.review("rejected")
    reviewing.reply(HONG, JIA, "Y")
    assert (reviewing.agreed(MING), reviewing.agreed(HONG)) == (["甲公司 rejected"], ["甲公司 unreviewed"])
    assert reviewing.send(JIA, MING, ad("甲店")) == NOT_PERMITTED


def test_answers_of_a_day_to_one_request_are_one_batch(harness: Asking) -> None:
    for person in (MING, HONG):
        harness.send(JIA, person, ASK)
        harness.reply(person, JIA, "Ｙ。")
    (batch,) = harness.batches()
    assert (batch.source, batch.provider, batch.version, batch.wording) == ("reply", "jia", "ask-jia", ASK)
    assert batch.reviewer == (BY_SETTING if harness.reply_handler.settings.accepts_consent else "")
    harness.send(JIA, HONG + 1, ASK, after_s=DAY)
    harness.reply(HONG + 1, JIA, "Y")
    assert [one.given - batch.given for one in harness.batches()] == [0, DAY]


def test_the_proof_is_the_carriers_own_record(harness: Asking) -> None:
    harness.send(JIA, MING, ASK)
    asked_s = int(harness.now)
    (verdict,) = map(messages.unpack_verdict, harness.journalled(messages.VERDICT))
    assert verdict.entry is not None
    harness.reply(MING, JIA, " y ")
    (body,) = harness.journalled(messages.CONSENT_REPLY)
    said = unpack(consents.ConsentReply, body)
    assert (said.recipient, said.request, said.requested, said.time) == (MING, verdict.entry.id, asked_s, asked_s + 60)
    assert (said.text, said.word, said.port, said.provider, said.wording) == (" y ", "Y", JIA, "jia", ASK)
    assert said.signature == hash48("甲店")
    (proof,) = harness.proofs()
    assert (proof.request, proof.requested, proof.time, proof.port, proof.text) == (
        said.request,
        asked_s,
        asked_s + 60,
        JIA,
        " y ",
    )


@pytest.mark.parametrize("text", ["1", "同意", "是", "好的", "不同意", "YES", "Y吗", "不Y", "N"])
def test_a_word_that_the_request_does_not_declare_is_no_consent(harness: Asking, text: str) -> None:
    harness.send(JIA, MING, ASK)
    harness.reply(MING, JIA, text)
    assert (harness.agreed(), harness.batches()) == ([], [])


@pytest.mark.parametrize("text", ["1", "同意", "同意接收", "我同意"])
def test_each_word_that_the_request_declares_is_one(harness: Asking, text: str) -> None:
    harness.send(YI, MING, ASK_IN_WORDS)
    harness.reply(MING, YI, text)
    assert [one.split()[0] for one in harness.agreed()] == ["乙公司"]


def test_the_word_of_refusal_in_the_request_refuses(harness: Asking) -> None:
    harness.send(JIA, MING, ASK)
    harness.reply(MING, JIA, "R")
    assert harness.agreed() == []
    assert harness.refused() != []


def test_a_request_that_is_not_the_newest_message_from_the_port_is_not_answered_any_more(harness: Asking) -> None:
    harness.send(JIA, MING, ASK)
    harness.send(JIA, MING, "【甲店】您的快件已到，取件码5213，请当日领取", category=Category.NOTICE)
    harness.reply(MING, JIA, "Y")
    assert harness.agreed() == []


def test_a_request_in_the_same_second_as_another_message_is_not_answered(harness: Asking) -> None:
    harness.send(JIA, MING, "【甲店】您的快件已到，取件码5213，请当日领取", category=Category.NOTICE)
    harness.send(JIA, MING, ASK, after_s=0)
    harness.reply(MING, JIA, "Y")
    assert harness.agreed() == []


def test_an_answer_to_another_port_or_after_a_month_is_no_consent(harness: Asking) -> None:
    harness.send(JIA, MING, ASK)
    harness.reply(MING, JIA + "8", "Y")
    harness.reply(MING, YI, "Y")
    harness.reply(MING, JIA, "Y", after_s=31 * DAY)
    assert harness.agreed() == []


@pytest.mark.parametrize(
    "text", ["【甲店】甲店想给您发优惠短信，同意请回Y", "【丙店】征求同意：本店拟向您发送商业性短信息，是否同意接收？同意请回Y"]
)
def test_a_request_that_is_not_registered_brings_no_consent(harness: Asking, text: str) -> None:
    harness.send(JIA, MING, text, category=Category.NOTICE)
    harness.reply(MING, JIA, "Y")
    assert harness.agreed() == []


def test_a_request_registered_for_another_provider_brings_no_consent(harness: Asking) -> None:
    harness.send(JIA, MING, ASK_IN_WORDS, category=Category.NOTICE)
    harness.reply(MING, JIA, "1")
    assert harness.agreed() == []


def test_the_words_of_the_message_count_where_its_digits_differ_from_the_registered_text(accepting: Asking) -> None:
    assert accepting.send(JIA, MING, ASK_BY_NUMBER.replace("1", "x").replace("2", "1").replace("x", "2")) == 0
    accepting.reply(MING, JIA, "1")
    assert accepting.agreed() == []
    assert accepting.send(JIA, HONG, ASK_BY_NUMBER) == 0
    accepting.reply(HONG, JIA, "1")
    assert accepting.agreed(HONG) == ["丙公司 accepted"]


def test_a_consent_lifts_no_refusal(accepting: Asking) -> None:
    accepting.send(JIA, MING, ASK)
    accepting.reply(MING, JIA, "R")
    accepting.send(JIA, MING, ASK, after_s=DAY)
    accepting.reply(MING, JIA, "Y")
    assert accepting.agreed() == ["甲公司 accepted"]
    assert accepting.refused() == [("advertiser", f"{hash48('甲店'):012x}")]
    assert accepting.send(JIA, MING, ad("甲店")) == NOT_PERMITTED


@pytest.mark.parametrize("word", ["R", "退订", "不要再发了"])
def test_a_later_refusal_ends_it(accepting: Asking, word: str) -> None:
    accepting.send(JIA, MING, ASK)
    accepting.reply(MING, JIA, "Y")
    assert accepting.send(JIA, MING, ad("甲店")) == 0
    accepting.reply(MING, JIA, word)
    assert accepting.send(JIA, MING, ad("甲店")) == NOT_PERMITTED


def test_answering_twice_is_answering_once(harness: Asking) -> None:
    harness.send(JIA, MING, ASK)
    harness.reply(MING, JIA, "Y")
    harness.reply(MING, JIA, "Y")
    assert len(harness.agreed()) == len(harness.proofs()) == len(harness.journalled(messages.CONSENT_REPLY)) == 1
    assert sum(harness.tally.consent_replies.values()) == 1


@pytest.mark.parametrize("event", ["recycled", "erased"])
def test_who_is_erased_or_has_a_new_number_has_agreed_to_nothing(harness: Asking, event: str) -> None:
    harness.send(JIA, MING, ASK)
    harness.reply(MING, JIA, "Y")
    assert len(harness.proofs()) == len(harness.agreed()) == 1
    said = ConsentChange(harness.now, MING, event, "li", "x", before=int(harness.now) + 1)
    harness.relay.change(PersonChange(said, harness.store, lambda change, recorded: None))
    harness.turns()
    assert (harness.agreed(), harness.proofs()) == ([], [])


def test_a_carrier_that_refuses_the_request_asked_nobody(harness: Asking) -> None:
    harness.carrier_says = 8
    harness.send(JIA, MING, ASK)
    harness.reply(MING, JIA, "Y")
    assert harness.agreed() == []


def test_without_room_for_a_batch_the_reply_is_a_reply(harness: Asking, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.state.lists.consent_lists.BATCHES_MAX", 0)
    harness.send(JIA, MING, ASK)
    assert harness.reply(MING, JIA, "Y") == 0
    assert (harness.agreed(), harness.kinds(), harness.journalled(messages.CONSENT_REPLY)) == ([], ["reply"], [])


def test_a_request_that_is_registered_no_more_brings_no_consent(harness: Asking, tmp_path: Path) -> None:
    harness.send(JIA, MING, ASK)
    (tmp_path / "rules.yaml").write_text(RULES)
    harness.relay.rules = load(tmp_path)
    harness.reply(MING, JIA, "Y")
    assert harness.agreed() == []
