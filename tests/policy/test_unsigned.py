"""Limits on signatures, advertisers and templates, for messages without these."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.i18n.phrases import in_language
from proxy.model.message import UNSIGNED, Category, Content, Message, Outcome, Sender, hash48, hash_unsigned
from proxy.model.recipient import Entry, pack_entry
from proxy.policy import time_windows
from proxy.policy.explanation.explain import explain
from proxy.policy.explanation.history import NOTHING, Past, PastCounts
from proxy.policy.judge import judge
from proxy.policy.loading.load_rules import load
from proxy.policy.ruleset import RuleSet
from proxy.runtime.shipped_files import shipped
from proxy.state.record import record
from proxy.wire import submit_sm, submit_sm_resp
from tests.harness import SHANGHAI, Harness
from tests.policy.conftest import Make

CODE = "验证码482913，5分钟内有效"
PERSON = 13800210502
NOON = int(time_windows.moment("2026-11-11 12:00")[0])
KEYS = ("signature", "advertiser", "group")


def cap(key: str, when: str = "{category: [otp, notice]}", count: int = 1) -> str:
    return f"- {{id: cap, when: {when}, limit: {{count: {count}, per: day, key: {key}}}, then: reject, reason: otp-cap}}\n"


def sender(port: str = "10690001", prefix: str = "10690", provider: str = "jia", category: Category = Category.OTP) -> Sender:
    return Sender.of(provider, provider, port, prefix, category)


class Gate:
    """Sends under some rules; what goes out stands in a packed record, and in counters."""

    def __init__(self, rules: RuleSet) -> None:
        self.rules, self.counts, self.data, self.sent = rules, PastCounts(), record.EMPTY, 0

    def sends(self, who: Sender, text: str = CODE, state: str = "", now: int = NOON) -> bool:
        message = Message(who, PERSON, Content(text, state or ("readable" if text else "empty"), b""))
        verdict = judge(message, record.Record(self.data), self.rules, now, self.counts)
        if verdict.outcome is not Outcome.ALLOW:
            return False
        self.sent += 1
        packed = pack_entry(self.sent, now, verdict.facts, who, verdict.template)
        self.data = record.add_packed(self.data, packed, now, 8 * 86_400)
        for take in verdict.takes:
            self.counts.take(take, now)
        return True


@pytest.mark.parametrize("recipient", ["recipient, ", ""])
@pytest.mark.parametrize("key", KEYS)
def test_texts_without_a_signature_count_by_the_prefix_of_the_port(make: Make, key: str, recipient: str):
    gate = Gate(make(cap(f"[{recipient}{key}]")).rules)
    assert gate.sends(sender("10690001"))
    assert not gate.sends(sender("10690002"))  # another extension is no new limit
    assert gate.sends(sender("10691001", "10691"))  # another prefix of the same provider is
    assert gate.sends(sender("10692001", "10692", "yi"))
    assert not gate.sends(sender("10692777", "10692", "yi"))
    assert gate.sends(sender("10690001"), f"【测试】{CODE}")  # and a signature, too
    assert not gate.sends(sender("10691001", "10691"), f"【测试】{CODE}")


@pytest.mark.parametrize("recipient", ["recipient, ", ""])
def test_the_same_words_without_a_signature_are_another_template_from_another_prefix(make: Make, recipient: str):
    gate = Gate(make(cap(f"[{recipient}template]")).rules)
    assert gate.sends(sender("10690001"))
    assert not gate.sends(sender("10690002"), "验证码104477，5分钟内有效")
    assert gate.sends(sender("10690002"), "您的快件已到")
    assert gate.sends(sender("10692001", "10692", "yi"))
    assert not gate.sends(sender("10692777", "10692", "yi"))
    assert gate.sends(sender("10690001"), f"【测试】{CODE}")
    assert not gate.sends(sender("10692001", "10692", "yi"), f"【测试】{CODE}")


@pytest.mark.parametrize("recipient", ["recipient, ", ""])
@pytest.mark.parametrize("key", KEYS)
def test_without_a_registered_prefix_they_count_by_the_provider(make: Make, key: str, recipient: str):
    gate = Gate(make(cap(f"[{recipient}{key}]")).rules)
    assert gate.sends(sender("10690001", ""))
    assert not gate.sends(sender("10691234", ""))
    assert gate.sends(sender("10690001", "", "yi"))


@pytest.mark.parametrize("recipient", ["recipient, ", ""])
@pytest.mark.parametrize("key", ["template", "content"])
def test_what_cannot_be_read_counts_likewise_where_the_text_is_the_key(make: Make, key: str, recipient: str):
    gate = Gate(make(cap(f"[{recipient}{key}]", count=2)).rules)
    assert [gate.sends(sender(port), "", "binary") for port in ("10690001", "10690002", "10690003")] == [True, True, False]
    assert gate.sends(sender("10691001", "10691"), "", "binary")
    assert [gate.sends(sender("10690001"), "你好") for _ in range(3)] == [True, True, False]
    assert gate.sends(sender("10691001", "10691"), "你好") == (
        key == "template"
    )  # word for word it is the same from whatever port


def test_a_fixed_and_a_bound_cap_on_texts_tell_what_cannot_be_read_apart_alike(make: Make):
    both = cap("[recipient, content]") + cap("[recipient, content, signature]").replace("id: cap", "id: other")
    gate = Gate(make(both).rules)
    assert gate.sends(sender(), "", "unreadable")
    assert gate.sends(sender("10691001", "10691"), "", "unreadable")
    assert not gate.sends(sender("10691002", "10691"), "", "unreadable")


def test_the_shipped_limit_on_codes_lets_codes_of_two_providers_pass():
    gate = Gate(load(shipped("rules")))
    assert gate.sends(sender())
    assert gate.sends(sender("10692001", "10692", "yi"))
    assert not gate.sends(sender("10690777"), now=NOON + 59)
    assert gate.sends(sender("10690777"), now=NOON + 60)


@pytest.mark.parametrize("word", ["signature", "advertiser", "group"])
def test_a_rule_about_none_counts_all_that_have_none_also_those_of_older_records(make: Make, word: str):
    gate = Gate(make(cap("[recipient]", f"{{{word}: none}}", count=3)).rules)
    old = Entry(99, NOON - 60, 0, 1, 2, Category.OTP, 0, 3, 0, 1)
    gate.data = record.add(gate.data, old, NOON, 86_400)
    assert gate.sends(sender(), f"【测试】{CODE}")
    assert [gate.sends(sender(f"{prefix}1", prefix)) for prefix in ("10690", "10691", "10692")] == [True, True, False]


def test_a_rule_about_none_and_some_counts_both(make: Make):
    gate = Gate(make(cap("[recipient]", "{signature: [none, 测试]}", count=2)).rules)
    assert gate.sends(sender(), "【别家】你好")
    assert gate.sends(sender(), "【测试】你好")
    assert gate.sends(sender(), "你好")
    assert not gate.sends(sender("10691001", "10691"), "你好")
    both = Gate(make(cap("[recipient, advertiser]", "{signature: [none, 测试]}")).rules)
    assert [both.sends(sender(), text) for text in ("【测试】你好", "【测试】您好", "你好", "您好")] == [
        True,
        False,
        True,
        False,
    ]


def test_an_entry_without_a_signature_says_none_and_is_packed_again_as_it_was(make: Make):
    facts = judge(
        Message(sender(), PERSON, Content(CODE, "readable", b"")), Past(), make(cap("[recipient]")).rules, NOON, NOTHING
    ).facts
    packed = pack_entry(7, NOON, facts, sender(), 9)
    entry = Entry.unpack(packed)
    assert (entry.signature, entry.unsigned) == (0, hash_unsigned("10690"))
    assert entry.pack() == packed
    assert (facts.signature_hash, facts.counted_by) == (0, hash_unsigned("10690"))


def test_who_has_asked_for_consent_without_a_signature_is_nobody_as_ever():
    request = Entry(7, NOON, 0, 1, 2, Category.NOTICE, 8, 3, 0, 1, unsigned=hash_unsigned("10690"))
    assert record.Record(record.add(record.EMPTY, request, NOON, 86_400)).asked() == [0]


@given(st.text())
def test_no_name_looks_like_what_stands_for_none(text: str):
    assert hash48(text) < UNSIGNED <= hash_unsigned(text) < 1 << 48


def test_not_even_one_whose_octets_do():
    assert hash48("店11941076") < UNSIGNED


@pytest.mark.parametrize(
    ("who", "text", "said", "zh"),
    [
        (sender(), "你好", "no signature: counted for port 10690", "没有签名，按端口 10690计"),
        (sender(prefix=""), "你好", "no signature: counted for provider jia", "没有签名，按通道商 jia计"),
        (sender(), "", "no text that can be read: counted for port 10690", "读不出内容，按端口 10690计"),
        (sender(), "【测试】你好", "", ""),
    ],
)
def test_explain_says_by_what_it_counted(make: Make, who: Sender, text: str, said: str, zh: str):
    message = Message(who, PERSON, Content(text, "readable" if text else "binary", b""))
    (part,) = explain(message, Past(), make(cap("[recipient, signature]")).rules, NOON, NOTHING).parts
    assert (said in part.why, "counted" in part.why) == (True, bool(said))
    assert zh in in_language(part.why, "zh")


def test_rule_tests_count_by_the_provider(make: Make, write: Any):
    text = (
        "rules:\n"
        + cap("[recipient, signature]").replace("- {", "  - {")
        + f"""
tests:
  - note: codes of two providers
    messages:
      - {{at: "2026-11-11 10:00", to: "{PERSON}", from: "10690001", provider: jia, text: 你好, want: allow}}
      - {{at: "2026-11-11 10:00", to: "{PERSON}", from: "10690002", provider: jia, text: 你好, want: {{reject: cap}}}}
      - {{at: "2026-11-11 10:00", to: "{PERSON}", from: "10690001", provider: yi, text: 你好, want: allow}}
"""
    )
    load(write(text))


# -- through the gate


def rules(limit: str) -> str:
    return f"rules:\n  - {{id: cap, when: {{category: [otp, notice]}}, limit: {limit}, then: reject, reason: otp-cap}}\n"


def outcomes(harness: Harness, *sent: tuple[str, str]) -> list[bool]:
    found = []
    for number, (name, source) in enumerate(sent):
        harness.submit(name, SHANGHAI, CODE, number + 1, source)
        (answer,) = harness.told(name) or (None,)
        found.append(answer is None)  # allowed: it waits for the carrier
        for transit in harness.at_carrier():
            harness.carrier_says(transit, submit_sm_resp(1, 0, b"m1\0"))
            harness.told(name)
    return found


@pytest.mark.parametrize("key", ["[recipient, signature]", "[signature]", "[recipient, advertiser]", "[advertiser]"])
def test_at_the_gate_codes_of_two_providers_do_not_refuse_each_other(tmp_path: Path, key: str):
    harness = Harness(tmp_path, rules=rules(f"{{count: 1, per: day, key: {key}}}"), category=Category.OTP)
    sent = ("jia", "1069001"), ("yi", "1069002"), ("jia", "106900177"), ("yi", "1069002")
    assert outcomes(harness, *sent) == [True, True, False, False]


def test_two_gates_on_one_store_count_them_together(tmp_path: Path):
    limit = rules("{count: 1, per: day, key: [recipient, signature]}")
    one = Harness(tmp_path, rules=limit, category=Category.OTP)
    other = Harness(tmp_path, rules=limit, category=Category.OTP, beside=one)
    assert outcomes(one, ("jia", "10690015")) == [True]
    assert outcomes(other, ("jia", "10690016"), ("yi", "1069002")) == [False, True]


@pytest.mark.parametrize("key", ["[recipient, template]", "[template]", "[recipient, content]"])
def test_at_the_gate_what_cannot_be_read_counts_by_the_prefix(tmp_path: Path, key: str):
    harness = Harness(tmp_path, rules=rules(f"{{count: 1, per: day, key: {key}}}"), category=Category.OTP)
    found = []
    for number, (name, source) in enumerate((("jia", "10690011"), ("yi", "1069002"), ("jia", "10690012"))):
        octets = bytes((0x80, 0x81, number))
        harness.sends(name, submit_sm(source, str(SHANGHAI), octets, data_coding=4, sequence=number + 1))
        found.append(not harness.told(name))
    assert found == [True, True, False]


@pytest.mark.parametrize("word", ["signature", "advertiser"])
def test_at_the_gate_a_rule_about_none_counts_all_that_have_none(tmp_path: Path, word: str):
    limit = rules("{count: 2, per: day, key: [recipient]}").replace("{category: [otp, notice]}", f"{{{word}: none}}")
    harness = Harness(tmp_path, rules=limit, category=Category.OTP)
    assert outcomes(harness, ("jia", "10690011"), ("yi", "1069002"), ("jia", "10690012")) == [True, True, False]
