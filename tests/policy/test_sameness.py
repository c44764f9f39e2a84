"""A decision from the cache equals the decision of a fresh rule set."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st

from proxy.model.message import Category, Content, Message, Outcome, Sender, Verdict
from proxy.model.recipient import Entry, OptOut
from proxy.policy import time_windows
from proxy.policy.explanation.history import Past, PastCounts
from proxy.policy.judge import judge
from proxy.policy.loading.load_rules import load
from proxy.policy.ruleset import RuleSet
from tests.examples import examples
from tests.scanners import scanners_kept

RULES = """
rules:
  - {id: home-ports, when: {port: "1062", not: {province: port}}, then: reject, reason: port-scope}
  - {id: province, when: {category: marketing, province: [北京, unknown]}, then: reject, reason: region-ban}
  - {id: city, when: {city: 南京, text: 禁词}, then: reject, reason: keyword}
  - {id: account, when: {account: jia-2, text: 禁词}, then: defer, reason: keyword}
  - {id: provider, when: {provider: yi, category: otp}, then: reject, reason: suspended}
  - {id: young, when: {provider_age: {below: 30d}, category: marketing}, then: defer, reason: probation}
  - {id: misuse, when: {signature_state: misused}, then: reject, reason: signature-misuse}
  - {id: night, when: {category: marketing, time: 21:00-08:00}, then: defer, reason: quiet-hours}
  - {id: refused, when: {suppressed: true}, then: reject, reason: suppressed}
  - {id: dated, when: {signature: 别家, signature_state: expired}, then: reject, reason: signature-unregistered}
  - {id: registered, when: {declared: otp, template: [mismatched, parcel]}, then: reject, reason: template-mismatch}
  - {id: looked-at, when: {province: unknown, category: marketing}, then: review, reason: region-unknown}
  - {id: tried, when: {provider: bing}, then: reject, reason: stopped, trial: {until: 2026-11-11 20:30}}
  - {id: morning, when: {category: marketing, provider: ding}, then: defer, reason: quiet-hours, defer_until: "20:20", max_defer: 23h}
  - {id: holiday, when: {calendar: {day: 光棍节, after: "20:15"}, text: 禁词}, then: defer, reason: holiday-hours}
  - {id: renamed, when: {suppressed: {scope: advertiser, match: [advertiser, domain]}}, then: reject, reason: renamed-sender}
  - {id: links, when: {provider: jia, url: {outside: registered}}, then: reject, reason: link-unregistered}
  - {id: wishes, when: {preferences: against}, then: reject, reason: protected}
  - {id: third, when: {category: marketing}, limit: {share: 0.6, per: day, key: [provider], least: 3}, then: defer, reason: probation}
  - {id: person-port, limit: {count: 2, per: day, key: [recipient, port]}, then: reject, reason: recipient-cap}
  - {id: person-provider, limit: {count: 3, per: 7d, key: [recipient, provider, signature]}, then: reject, reason: recipient-cap}
  - {id: person-text, limit: {count: 2, per: 1h, key: [recipient, template]}, then: reject, reason: same-content}
  - id: counted
    limit:
      - {count: 4, per: day, key: [province]}
      - {count: 5, per: hour, key: [port]}
      - {count: 6, per: day, key: [provider, account]}
      - {count: 7, per: day, key: [category, template]}
    then: defer
    reason: provider-quota
  - {id: mercy, exempt: true, skip: [provider-quota, quiet-hours], when: {recipient_in: friends}}
lists: {friends: {file: friends.csv}}
"""
FILES = {
    "x.yaml": RULES,
    "friends.csv": "13800210501\n",
    "registries/ports.csv": "prefix,province,categories\n10620,江苏,\n10621,北京,marketing\n10629,,otp|notice\n",
    "registries/signatures.csv": "signature,advertiser,group,provider,port,state\n测试,甲,,jia,10690,approved\n测试,甲,,yi,,filed\n"
    "别家,乙,,,,approved,,2026-11-11 21:00\n",
    "registries/templates.csv": "code,测试,,otp,,验证码{c}\nparcel,测试,yi,notice,,验证码6{c}\n",
    "registries/reviewed.csv": "【测试】双11优惠券 拒收请回复R,jia,released,li,2026-11-11 20:40\n【测试】禁词,,refused,li,\n",
    "registries/holidays.csv": "2026-11-11,,光棍节\n",
    "registries/advertisers.csv": "甲,,,jia.example,\n",
    "registries/contacts.csv": "yi.example,,yi\nding.example,,jia\n",
    "registries/preferences.csv": "13800571500,,20:30-21:00,\n",
}
START = time_windows.moment("2026-11-11 20:00")[0]
TAKEN_ON = START - 30 * 86_400 + 7_200  # comes of age two hours later
SENDERS = [
    Sender.of(provider, account, port, port[:5], category, since)
    for provider, account, since in (
        ("jia", "jia-1", TAKEN_ON),
        ("jia", "jia-2", TAKEN_ON),
        ("yi", "yi-1", None),
        ("bing", "bing", None),
        ("ding", "ding", None),
    )
    for port in ("106900011", "106900012", "10691", "1062001", "1062002", "106210", "10629", "10625")
    for category in (None, Category.OTP)
]
PEOPLE = (13800250500, 13800250501, 13800100500, 13800210500, 13800210501, 13800571500, 19999999999)
"""Of 南京 twice, 北京, 上海 twice (one is on a list), and of places that may be anywhere."""
TEXTS = (
    "【测试】双11优惠券 拒收请回复R",
    "【测试】禁词",
    "【测试】验证码123456",
    "【测试】验证码654321",
    "【别家】双11优惠券 拒收请回复T",
    "【别家】双11优惠券 m.jia.example/x 拒收请回复T",
    "【别家】双11优惠券 ding.example 拒收请回复T",
    "你好",
)
MESSAGES = st.lists(
    st.tuples(
        st.sampled_from(SENDERS), st.sampled_from(PEOPLE), st.sampled_from(TEXTS),
        st.sampled_from((0, 0, 1, 60, 1_800, 3_600, 40_000, -30, -5_000)),  # a clock may go back
    ),
    min_size=2, max_size=25,
)  # fmt: skip


def told(verdict: Verdict) -> tuple[object, ...]:
    """All of a verdict; its facts without the sender, who may be another of the same kin."""
    facts = verdict.facts
    said = (facts.declared, facts.classified, facts.category, facts.subcategory, facts.signature, facts.keyword)
    return (
        verdict.outcome, verdict.reason, verdict.rule, verdict.breaches, verdict.province, verdict.template, verdict.takes,
        facts.sender.provider, said,
    )  # fmt: skip


def loaded(folder: Path) -> RuleSet:
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return load(folder)


with tempfile.TemporaryDirectory() as place:
    SEASONED = loaded(Path(place))  # grows old over all examples


def unseasoned(rules: RuleSet) -> RuleSet:
    """The same rules with empty memories."""
    with scanners_kept():
        return RuleSet(rules.revision, rules.rules, rules.bits, rules.regions, rules.registry, rules.lists, rules.lexicon)


def _of(account: str) -> Sender:
    return next(one for one in SENDERS if one.account == account)


@settings(max_examples=examples(150), deadline=None)
@example(
    [(_of(who), PEOPLE[0], TEXTS[text], gap) for who, text, gap in (
        ("jia-1", 0, 1_800), ("jia-1", 0, -30), ("jia-1", 0, 60), ("bing", 7, -30), ("bing", 7, -30))], 1,
)  # fmt: skip # the clock goes back over the end of a trial, after something was decided beyond it
@given(MESSAGES, st.sampled_from((1, 4, 100_000)))
def test_memory_changes_no_verdict(messages: list[tuple[Sender, int, str, int]], most: int) -> None:
    for memo in (SEASONED.known, SEASONED.senders, SEASONED.sender_groups._groups, SEASONED._decisions):
        memo.most = most
    now = START
    counts = PastCounts()
    people = {number: Past() for number in PEOPLE}
    people[PEOPLE[1]].refusals.append(OptOut("port", "1069000", int(START), "reply", 0))
    people[PEOPLE[4]].refusals.append(OptOut("advertiser", "甲", int(START), "reply", 0))
    people[PEOPLE[3]].refusals.append(OptOut("provider", "yi", int(START), "reply", 0))
    contents = {text: Content(text, "readable", b"") for text in TEXTS}
    for number, (sender, recipient, text, gap) in enumerate(messages):
        now += gap
        message, past = Message(sender, recipient, contents[text]), people[recipient]
        verdict = judge(message, past, SEASONED, now, counts)
        assert told(verdict) == told(judge(message, past, unseasoned(SEASONED), now, counts)), (sender, recipient, text, now)
        if verdict.outcome is Outcome.ALLOW:
            facts = verdict.facts
            past.add(
                Entry(
                    number + 1, int(now), facts.signature_hash, sender.provider_hash, sender.port_hash,
                    facts.category, 0, verdict.template, 0, 1,
                )
            )  # fmt: skip
            for take in verdict.takes:
                counts.take(take, now)


def test_ports_of_one_provider_share_their_plans() -> None:
    rules = unseasoned(SEASONED)
    content = Content(TEXTS[0], "readable", b"")
    for extension in range(200):
        sender = Sender.of("jia", "jia-1", f"1062001{extension:03d}", "1062001", Category.MARKETING)
        for recipient in PEOPLE:
            judge(Message(sender, recipient, content), Past(), rules, START, PastCounts())
    assert len(set(rules.senders.young.values())) == 1
    (known,) = rules.known.young.values()
    # 南京, where the port is at home; 北京; unknown, which a rule names alone; anywhere else
    assert len(known.plans) == 4
    assert all(known.plans)


def test_what_a_port_has_sent_counts_against_no_other_port() -> None:
    rules, counts = unseasoned(SEASONED), PastCounts()
    one, other = (Sender.of("jia", "jia-1", port, "10690", Category.OTP) for port in ("1069000777", "1069000888"))

    def outcomes(sender: Sender) -> list[str]:
        found = []
        for recipient in range(13800250000, 13800250006):
            verdict = judge(Message(sender, recipient, Content("你好", "readable", b"")), Past(), rules, START, counts)
            for take in verdict.takes:
                if take.keep_s == 7_200:  # of the four limits the hourly one, by port
                    counts.take(take, START)
            found.append(verdict.outcome.word)
        return found

    assert outcomes(one) == outcomes(other) == ["allow"] * 5 + ["defer"]
    assert rules.senders.young[one] is rules.senders.young[other]
