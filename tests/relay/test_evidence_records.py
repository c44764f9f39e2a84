"""Texts for review, and consent requests: what the journal and the record keep of them."""

from __future__ import annotations

from pathlib import Path

from proxy.journal.encoding import unpack
from proxy.journal.records import evidence, messages
from proxy.journal.write_ahead_log import read
from proxy.model.message import Content, hash48
from proxy.policy.registries.reviewed_texts import review_key
from proxy.relay.effects.replay import replay, settle_open
from proxy.state import open_store
from proxy.state.record import record
from proxy.wire import submit_sm_resp
from tests.harness import SHANGHAI, Harness, _record
from tests.pdus import replace

REVIEW = "rules: [{id: looked-at, when: {category: marketing, text: 上新}, then: review, reason: keyword}]"
ASKED = "rules: [{id: once, when: {subcategory: consent-request, consent: asked}, then: reject, reason: consent-repeat}]"
QUESTION = "【甲店】征求您的同意接收优惠信息，同意请回复Y"


def reviews(harness: Harness) -> list[evidence.Review]:
    return [unpack(evidence.Review, one.body) for one in harness.written() if one.kind == messages.REVIEW]


def test_a_text_is_told_to_the_clerk_once_for_a_provider_however_often_it_comes(tmp_path: Path) -> None:
    harness = Harness(tmp_path, rules=REVIEW)
    for sequence, person in enumerate(range(SHANGHAI, SHANGHAI + 5), 1):
        harness.submit("jia", person, f"【甲店】上新{sequence}款 拒收请回复R", sequence)
    harness.submit("yi", SHANGHAI, "【甲店】上新9款 拒收请回复R")
    found = reviews(harness)
    assert [(one.provider, one.port, one.rule) for one in found] == [
        ("jia", "1069001", "looked-at"),
        ("yi", "1069002", "looked-at"),
    ]
    assert found[0].text == "【甲店】上新1款 拒收请回复R"
    assert found[0].key == review_key(Content("【甲店】上新7款 拒收请回复R", "readable", b""))
    first = next(one for one in harness.written() if one.sequence == found[0].verdict_sequence)
    assert messages.unpack_verdict(first.body).reason == "in-review"
    assert [one.command_status for one in harness.told("jia")] == [0x454] * 5


def test_what_the_clerk_released_passes(tmp_path: Path) -> None:
    harness = Harness(tmp_path, rules=REVIEW)
    harness.submit("jia", SHANGHAI, "【甲店】上新 拒收请回复R")
    (item,) = reviews(harness)
    (tmp_path / "rules" / "registries").mkdir()
    (tmp_path / "rules" / "registries" / "reviewed.csv").write_text(f"{item.key},jia,released,li,\n")
    released = Harness(tmp_path, rules=REVIEW)
    released.submit("jia", SHANGHAI, "【甲店】上新 拒收请回复R")
    assert len(released.at_carrier()) == 1
    released.submit("yi", SHANGHAI, "【甲店】上新 拒收请回复R")
    assert [one.command_status for one in released.told("yi")] == [0x454]


def test_a_new_text_for_a_message_is_looked_at_too_and_nothing_is_kept_of_it(tmp_path: Path) -> None:
    harness = Harness(tmp_path, rules=REVIEW)
    harness.submit("jia", SHANGHAI, "【甲店】券 拒收请回复R")
    (pending,) = harness.at_carrier()
    harness.carrier_says(pending, submit_sm_resp(pending.sequence, 0, b"id-1"))
    harness.sends("jia", replace(b"id-1", b"1069001", "【甲店】上新 拒收请回复R".encode("utf-16-be"), 2))
    assert [one.command_status for one in harness.told("jia")] == [0, 0x454]
    (item,) = reviews(harness)
    (refused,) = [one for one in harness.written() if one.sequence == item.verdict_sequence]
    assert messages.unpack_verdict(refused.body).reason == "in-review"
    assert harness.relay.admission.evidence.waiting == {}
    harness.at_rest()


def asked(harness: Harness) -> list[int]:
    return list(record.Record(_record(harness.store, SHANGHAI)).asked())


def replayed(harness: Harness) -> list[int]:
    fresh = open_store("sqlite::memory:")
    settle_open(fresh, replay(fresh, read(harness.disk, 1), 0))
    return list(record.Record(_record(fresh, SHANGHAI)).asked())


def test_who_has_asked_for_consent_is_remembered_for_good(tmp_path: Path) -> None:
    harness = Harness(tmp_path, rules=ASKED)
    harness.submit("jia", SHANGHAI, QUESTION)
    (sent,) = harness.at_carrier()
    harness.carrier_says(sent, submit_sm_resp(sent.sequence, 0, b"c1"))
    assert asked(harness) == replayed(harness) == [hash48("甲店")]
    harness.now += 400 * 86_400  # the entry is long gone
    harness.submit("jia", SHANGHAI, "【甲店】您好", 2)
    harness.at_carrier()
    assert len(harness.entries(SHANGHAI)) == 1
    harness.told("jia")
    harness.submit("jia", SHANGHAI, QUESTION, 3)
    assert [one.command_status for one in harness.told("jia")] == [0x420]
    harness.submit("jia", SHANGHAI, QUESTION.replace("甲店", "乙店"), 4)
    assert len(harness.at_carrier()) == 1


def test_a_question_that_the_carrier_refused_was_never_asked(tmp_path: Path) -> None:
    harness = Harness(tmp_path, rules=ASKED)
    harness.submit("jia", SHANGHAI, QUESTION)
    assert asked(harness) == [hash48("甲店")]
    (sent,) = harness.at_carrier()
    harness.carrier_says(sent, submit_sm_resp(sent.sequence, 0x45, b""))
    assert asked(harness) == replayed(harness) == []
    harness.submit("jia", SHANGHAI, QUESTION, 2)
    assert len(harness.at_carrier()) == 1


def test_two_questions_in_one_turn_are_one_too_many(tmp_path: Path) -> None:
    harness = Harness(tmp_path, rules=ASKED)
    for sequence in (1, 2):
        from proxy.wire import Frame, submit_sm

        frame = Frame.of(submit_sm("1069001", str(SHANGHAI), QUESTION.encode("utf-16-be"), data_coding=8, sequence=sequence))
        harness.relay.submit(harness.binds["jia"], frame, harness.now, harness.now)
    harness.turn()
    assert len(harness.at_carrier()) == 1
    assert [one.command_status for one in harness.told("jia")] == [0x420]
