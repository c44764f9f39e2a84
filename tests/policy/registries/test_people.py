"""Rows of consents.csv belong to an advertiser however its signature is spelt."""

from __future__ import annotations

import pytest

from proxy.model.message import hash48
from proxy.policy.loading.check import check
from tests.policy.conftest import Write

RULES = """
rules:
  - {id: consent, when: {category: marketing, consent: [absent, revoked, expired, unreviewed]}, then: reject, reason: consent-missing}
tests:
  - note: an agreement under the signature, taken back in June by one of the two
    messages:
      - {at: "2026-05-01 10:00", to: "13800210500", from: "1069001", category: marketing, provider: jia, text: 【Vip商城】上新 拒收请回复R, want: allow}
      - {at: "2026-06-02 10:00", to: "13800210500", from: "1069001", category: marketing, provider: jia, text: 【VIP商城】上新 拒收请回复R, want: {reject: consent}}
      - {at: "2026-06-02 10:00", to: "13800210501", from: "1069001", category: marketing, provider: jia, text: 【vip商城】上新 拒收请回复R, want: allow}
      - {at: "2026-06-02 10:00", to: "13800210502", from: "1069001", category: marketing, provider: jia, text: 【vip商城】上新 拒收请回复R, want: {reject: consent}}
"""
CONSENTS = "13800210500,{0},,granted,2026-01-01,,form,li\n13800210500,{0},,revoked,2026-06-01\n13800210501,{0},,granted,2026-01-01,,form,li\n"


@pytest.mark.parametrize("spelt", ["VIP商城", "Vip商城", "ｖｉｐ商城", "Vip 商城"])
@pytest.mark.parametrize("signatures", ["", "Vip商城,某某公司\n"], ids=["nobody's", "registered"])
def test_a_signature_in_consents_is_known_however_it_is_spelt(write: Write, spelt: str, signatures: str) -> None:
    files = {"registries/consents.csv": CONSENTS.format(spelt), "registries/signatures.csv": signatures}
    assert check(write(RULES, files)).problems == []


def test_a_signature_in_consents_may_be_named_by_its_hash(write: Write) -> None:
    files = {"registries/consents.csv": CONSENTS.format(f"{hash48('VIP商城'):012x}")}
    assert check(write(RULES, files)).problems == []


def test_a_company_in_consents_is_called_as_the_register_calls_it(write: Write) -> None:
    files = {"registries/consents.csv": CONSENTS.format("Some Company"), "registries/signatures.csv": "Vip商城,Some Company\n"}
    assert check(write(RULES, files)).problems == []
