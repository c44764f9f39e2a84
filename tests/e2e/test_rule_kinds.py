"""A rule of each kind through the running gate: refused while it is enforced, let pass when it is off, let pass and counted in shadow.

One gate, one folder with a rule for every word of ``when`` and for each form of limit. Each rule is about a word of its own in the text,
so that they do not meet.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from proxy.policy.kinds import when_kinds
from tests.e2e.carrier import Carrier
from tests.e2e.gate import Gate, provider
from tests.e2e.pdus import ESME_RTHROTTLED, SUBMIT_SM, message, pdu
from tests.e2e.raw import Raw
from tests.e2e.waiting import until

TODAY = datetime.now(timezone(timedelta(hours=8))).date()
PORT = "1069001"
DIGITS = "零一二三四五六七八九"
LISTED, ELSEWHERE = "13800210777", "13800100777"  # of 上海, of 北京


@dataclass(frozen=True)
class Case:
    """``when`` in YAML, and what of the message is not as usual."""

    when: str
    text: str = "【甲店】{mark}优惠券满100减20 拒收请回复R"
    to: str = ""
    port: str = PORT
    account: str = "jia"
    status: int = 0x450
    rule: str = "then: reject, reason: keyword"
    times: int = 1
    """How many are sent; the last is the one that is refused."""


CASES: dict[str, Case] = {
    "account": Case("account: jia2", account="jia2"),
    "advertiser": Case("advertiser: 甲公司"),
    "calendar": Case("calendar: 节日"),
    "category": Case("category: marketing"),
    "city": Case("city: 北京", to=ELSEWHERE),
    "classified": Case("classified: marketing"),
    "consent": Case("consent: absent", status=0x420, rule="then: reject, reason: consent-missing"),
    "contact": Case("contact: present", text="【甲店】{mark}详询4008001234"),
    "day": Case("day: [weekdays, weekend]"),
    "declared": Case("declared: notice"),
    "filing": Case("filing: refused", text="【丙店】{mark}您好", status=0x446, rule="then: reject, reason: filing-expired"),
    "group": Case("group: 甲集团"),
    "notice": Case("notice: tail"),
    "port": Case('port: "10690012"', port="10690012"),
    "preferences": Case("preferences: against", to=LISTED, status=0x420, rule="then: reject, reason: protected"),
    "provider": Case("provider: jia"),
    "provider_age": Case("provider_age: {above: 1d}"),
    "province": Case("province: 北京", to=ELSEWHERE),
    "recipient_in": Case("recipient_in: some", to=LISTED, status=0x420, rule="then: reject, reason: protected"),
    "reply_path": Case("reply_path: {unproven: {after: 0}}", port="10690013", status=0x445, rule="then: reject, reason: reply-path"),
    "scheduled": Case("scheduled: none"),
    "signature": Case("signature: 甲店"),
    "signature_state": Case("signature_state: misused", text="【乙店】{mark}您好", status=0x443, rule="then: reject, reason: signature-misuse"),
    "subcategory": Case("subcategory: loan", text="【甲店】{mark}无抵押贷款当天放款 拒收请回复R"),
    "suppressed": Case("suppressed: true", to="13800210778", status=0x420, rule="then: reject, reason: suppressed"),
    "template": Case("template: matched", text="【甲店】{mark}您的包裹到了，取件码1234", status=0x444, rule="then: reject, reason: template-mismatch"),
    "text": Case("text: 优惠券"),
    "text_state": Case("text_state: readable"),
    "time": Case("time: 00:00-24:00"),
    "url": Case("url: {outside: registered}", text="【甲店】{mark}您好 t.example/x", status=0x451, rule="then: reject, reason: link-unregistered"),
    "limit": Case("category: marketing", rule="limit: {count: 1, per: 24h, key: [recipient]}, then: reject, reason: recipient-cap", status=0x410, times=2),
    "counter": Case("province: 北京", to=ELSEWHERE, rule="limit: {count: 1, per: day, key: [province]}, then: reject, reason: provider-quota", status=0x470, times=2),
    "burst": Case("provider: jia", rule="limit: {count: 1, per: 30s, burst: 2, key: [provider]}, then: throttle", status=ESME_RTHROTTLED, times=3),
    "share": Case("category: marketing", rule="limit: {share: 0.1, per: day, least: 1, key: [provider], of: {text: MARK}}, then: reject, reason: probation", status=0x471, times=2),
    "review": Case("category: marketing", rule="then: review, reason: keyword", status=0x454),
    "defer": Case("category: marketing", rule="then: defer, reason: quiet-hours", status=0x14),
}  # fmt: skip


def mark(name: str) -> str:
    """A word that only this case's texts have."""
    number = list(CASES).index(name)
    return "口令" + DIGITS[number // 10] + DIGITS[number % 10]


def rules(mode: str) -> str:
    lists = "lists:\n  some: {file: lists/some.csv}\n  refused: {file: lists/refused.csv, suppress: global}\n"
    rows = [
        f"  - {{id: {name.replace('_', '-')}, when: {{{case.when}, any: [{{text: {mark(name)}}}]}}, {case.rule.replace('MARK', mark(name))}}}"
        if "limit" not in case.rule or "recipient" not in case.rule
        else f"  - {{id: {name}, when: {{{case.when}, signature: 限额{DIGITS[list(CASES).index(name) % 10]}}}, {case.rule}}}"
        for name, case in CASES.items()
    ]
    return f"mode: {mode}\n{lists}rules:\n" + "\n".join(rows) + "\n"


FILES = {
    "lists/some.csv": LISTED,
    "lists/refused.csv": "13800210778",
    "registries/signatures.csv": "甲店,甲公司,甲集团,,,approved\n乙店,乙公司,,yi,,approved\n丙店,丙公司\n",
    "registries/filings.csv": "丙店,,,refused\n",
    "registries/holidays.csv": f"{TODAY},{TODAY + timedelta(days=1)},节日\n",
    "registries/preferences.csv": f"{LISTED},,,\n",
    "registries/templates.csv": f"parcel,甲店,,,,{mark('template')}您的包裹到了，取件码{{code}}\n",
}


class Harness:
    def __init__(self, folder: Path) -> None:
        self.carrier = Carrier()
        company: dict[str, object] = {
            "name": "jia", "ports": [PORT], "category": "notice", "since": "2020-01-01",
            "accounts": [{"system_id": "jia", "password": "secret"}, {"system_id": "jia2", "password": "secret"}],
        }  # fmt: skip
        self.gate = Gate(folder, self.carrier.port, [company, provider("yi", "1069002")])
        for name, text in FILES.items():
            path = self.gate.rules / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        self.gate.write_rules(rules("enforce"))
        self.gate.start()
        self.clients = {name: Raw(self.gate.port) for name in ("jia", "jia2")}
        for name, client in self.clients.items():
            client.bind(name)
        self.person = 13800210000

    def close(self) -> None:
        for client in self.clients.values():
            client.__exit__()
        self.gate.stop()
        self.carrier.stop()

    def send(self, name: str) -> list[int]:
        """The statuses of what a case sends."""
        case = CASES[name]
        text = case.text.format(mark=mark(name))
        if name == "limit":
            text = text.replace("甲店", "限额" + DIGITS[list(CASES).index(name) % 10])
        self.person += 1
        body = message(case.port.encode(), (case.to or str(self.person)).encode(), text.encode("utf-16-be"), data_coding=8)
        client = self.clients[case.account]
        return [client.ask(pdu(SUBMIT_SM, next(client._sequences), body)).status for _ in range(case.times)]

    def use(self, mode: str) -> None:
        before = self.gate.metric("gate106_rules_reload_total", result="ok")
        self.gate.write_rules(rules(mode))
        until(
            lambda: self.gate.metric("gate106_rules_reload_total", result="ok") > before,
            lambda: f"a reload: {self.gate.said()}",
        )


@pytest.fixture(scope="module")
def harness(tmp_path_factory: Any) -> Iterator[Harness]:
    found = Harness(tmp_path_factory.mktemp("gate"))
    try:
        yield found
    finally:
        found.close()


def test_there_is_a_case_for_every_word_of_when() -> None:
    assert set(when_kinds()) <= set(CASES)


@pytest.mark.parametrize("name", CASES)
def test_a_rule_of_each_kind_refuses(harness: Harness, name: str) -> None:
    assert harness.send(name) == [0] * (CASES[name].times - 1) + [CASES[name].status]


def test_no_rule_refuses_in_shadow_and_each_is_counted(harness: Harness) -> None:
    harness.use("shadow")
    assert {name: set(harness.send(name)) for name in CASES} == {name: {0} for name in CASES}
    counted = {name for name in CASES if harness.gate.metric("gate106_shadow_total", rule=name.replace("_", "-"))}
    assert counted == set(CASES)


def test_no_rule_refuses_when_it_is_off(harness: Harness) -> None:
    harness.use("off")
    assert {name: set(harness.send(name)) for name in CASES} == {name: {0} for name in CASES}
