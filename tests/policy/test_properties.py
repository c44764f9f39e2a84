"""Properties of any rules and any messages, drawn by Hypothesis; texts made to be slow are not."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from proxy.model.message import Category, Content, Message, Outcome, Sender, Verdict
from proxy.model.recipient import OptOut
from proxy.policy import time_windows
from proxy.policy.explanation.explain import explain
from proxy.policy.explanation.history import Past, PastCounts
from proxy.policy.explanation.precheck import forecast
from proxy.policy.judge import judge
from proxy.policy.loading.load_rules import load
from proxy.policy.registries.regions import Regions
from proxy.policy.ruleset import RuleSet
from proxy.policy.text.category_evidence import evidence
from proxy.state.record import record
from proxy.state.record.record import Record
from tests.examples import examples
from tests.policy.conftest import Make, entry_of
from tests.policy.specification import breaches_of
from tests.scanners import scanners_kept

REGIONS = Regions.load()
START = time_windows.moment("2026-11-11 20:30")[0]
FILES = {
    "friends.csv": "13800210501\n",
    "registries/ports.csv": "prefix,province,categories\n10620,江苏,\n10621,北京,marketing\n",
    "registries/signatures.csv": "signature,advertiser,group,provider,port,state\n测试,甲公司,,jia,1069,approved\n别家,乙公司,,,,approved\n",
}
WHENS = (
    "{category: marketing}", "{category: [otp, notice]}", "{classified: {marketing: [likely, surely]}}", "{province: [北京, unknown]}",
    "{port: '1062', not: {province: port}}", "{text: [优惠券, 禁词]}", "{not: {notice: tail}}", "{time: 21:00-08:00}", "{suppressed: true}",
    "{signature_state: [unregistered, misused]}", "{advertiser: 甲公司}", "{subcategory: [loan, none]}", "{url: present}",
    "{recipient_in: friends}", "{any: [{provider: yi}, {not: {city: 南京}}]}", "{provider_age: {below: 30d}}",
    "{scheduled: [none, today]}", "{scheduled: later}", "{not: {scheduled: later}, province: 北京}",
)  # fmt: skip
LIMITS = (
    "", "", "", "{count: 1, per: day, key: [recipient]}", "{count: 2, per: 1h, key: [recipient, signature]}",
    "{count: 2, per: day, key: [provider]}", "{count: 1, per: 59s, key: [recipient, template]}",
)  # fmt: skip
TEXTS = (
    "【测试】双11优惠券限量领 拒收请回复R", "【测试】禁词", "【测试】验证码123456", "【别家】贷丨款 秒批 t.cn/a 回T退订", "你好", "",
    "【测试】您的快件已签收, 寄件立减5元",
)  # fmt: skip
SENDERS = [
    Sender.of(provider, provider, port, port[:5], category, since)
    for provider, since in (("jia", START - 30 * 86_400 + 600), ("yi", None))
    for port in ("106900011", "1062001", "106210")
    for category in (None, Category.OTP)
]
PEOPLE = (13800250500, 13800100500, 13800210501, 19999999999)


class Draft(NamedTuple):
    when: str
    limit: str
    then: str
    mode: str
    exempt: bool

    def written(self, number: int) -> str:
        head = f"{{id: rule-{number}, when: {self.when}, "
        if self.exempt:
            return head + "exempt: true}"
        limit = f"limit: {self.limit}, " if self.limit else ""
        return head + f"{limit}then: {self.then}, reason: keyword, mode: {self.mode}}}"


def fits(draft: Draft) -> bool:
    """Caps of a person can ask only for what a record keeps."""
    kept = ("category:", "advertiser", "suppressed", "subcategory", "time", "province", "recipient_in")
    return "recipient" not in draft.limit or any(draft.when.startswith("{" + word) for word in kept)


DRAFTS = st.builds(
    Draft, st.sampled_from(WHENS), st.sampled_from(LIMITS), st.sampled_from(("reject", "defer", "tag")),
    st.sampled_from(("enforce", "enforce", "shadow")), st.just(False),
).filter(fits)  # fmt: skip
EXEMPTIONS = st.builds(
    Draft, st.sampled_from(("{category: otp}", "{recipient_in: friends}", "{port: '10621'}")), st.just(""), st.just(""), st.just(""), st.just(True)
)  # fmt: skip
RULES = st.lists(st.one_of(DRAFTS, DRAFTS, DRAFTS, EXEMPTIONS), min_size=1, max_size=6)
MESSAGES = st.lists(
    st.tuples(st.sampled_from(SENDERS), st.sampled_from(PEOPLE), st.sampled_from(TEXTS), st.sampled_from((0, 1, 60, 1_800, 3_600))),
    min_size=1, max_size=12,
)  # fmt: skip
Sent = Sequence[tuple[Sender, int, str, int]]


@contextmanager
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as place:
        for name, text in FILES.items():
            (Path(place) / name).parent.mkdir(exist_ok=True)
            (Path(place) / name).write_text(text, encoding="utf-8")
        yield Path(place)


def rules_of(drafts: Sequence[Draft], order: Sequence[str] = ("a", "b", "c")) -> RuleSet:
    """The rules spread over three files, named in this order."""
    with folder() as place, scanners_kept():
        files: dict[str, list[str]] = {name: [] for name in order}
        for number, draft in enumerate(drafts):
            files[order[number % len(order)]].append(f"  - {draft.written(number)}\n")
        for name, lines in files.items():
            if lines:
                (place / f"{name}.yaml").write_text("rules:\n" + "".join(lines), encoding="utf-8")
        (place / "lists.yaml").write_text("lists: {friends: {file: friends.csv}}\n", encoding="utf-8")
        return load(place, regions=REGIONS)


class World:
    """People, counters, a clock; what is allowed is remembered."""

    def __init__(self) -> None:
        self.people = {number: Past() for number in PEOPLE}
        self.people[PEOPLE[0]].refusals.append(OptOut("signature", "测试", int(START), "reply", 0))
        self.counts, self.now, self.sent = PastCounts(), START, 0

    def remember(self, message: Message, verdict: Verdict) -> None:
        if verdict.outcome is Outcome.ALLOW:
            self.sent += 1
            self.people[message.recipient].add(entry_of(self.sent, int(self.now), message.sender, verdict))
            for take in verdict.takes:
                self.counts.take(take, self.now)

    def messages(self, sent: Sent) -> Iterator[Message]:
        for sender, number, text, gap in sent:
            self.now += gap
            yield Message(sender, number, Content(text, "readable" if text else "empty", b""))

    def judge(self, message: Message, rules: RuleSet) -> Verdict:
        return judge(message, self.people[message.recipient], rules, self.now, self.counts)


def outcomes(rules: RuleSet, sent: Sent) -> list[tuple[Outcome, str, str]]:
    world, found = World(), []
    for message in world.messages(sent):
        verdict = world.judge(message, rules)
        found.append((verdict.outcome, verdict.reason.name if verdict.reason else "", verdict.rule))
        world.remember(message, verdict)
    return found


@settings(max_examples=examples(60))
@given(RULES, DRAFTS, MESSAGES)
def test_a_shadow_rule_never_changes_a_verdict(drafts: list[Draft], more: Draft, sent: Sent) -> None:
    assert outcomes(rules_of(drafts), sent) == outcomes(rules_of([*drafts, more._replace(mode="shadow")]), sent)


@settings(max_examples=examples(60))
@given(RULES, DRAFTS, MESSAGES)
def test_one_more_rule_that_rejects_never_lets_a_message_pass_that_did_not(
    drafts: list[Draft], more: Draft, sent: Sent
) -> None:
    """Message for message: what goes out under the fewer rules is what both look back on."""
    few, many = rules_of(drafts), rules_of([*drafts, more._replace(then="reject", mode="enforce")])
    world = World()
    for message in world.messages(sent):
        verdict, stricter = world.judge(message, few), world.judge(message, many)
        assert stricter.outcome >= verdict.outcome
        world.remember(message, verdict)


@settings(max_examples=examples(40))
@given(RULES, MESSAGES, st.permutations(("a", "b", "c")))
def test_the_same_rules_say_the_same_whatever_the_order_of_their_files(
    drafts: list[Draft], sent: Sent, order: Sequence[str]
) -> None:
    rules = rules_of(drafts)
    first = outcomes(rules, sent)
    assert outcomes(rules, sent) == first, "nor does what a set has seen before change what it says"
    assert outcomes(rules_of(drafts, order), sent) == first


@settings(max_examples=examples(60))
@given(RULES, MESSAGES)
def test_explain_tells_what_the_judge_decides(drafts: list[Draft], sent: Sent) -> None:
    rules = rules_of(drafts)
    world = World()
    for message in world.messages(sent):
        verdict = world.judge(message, rules)
        told = explain(message, world.people[message.recipient], rules, world.now, world.counts)
        assert (told.verdict.outcome, told.verdict.rule, told.verdict.breaches) == (
            verdict.outcome,
            verdict.rule,
            verdict.breaches,
        )
        said = {"refuses", "defers", "tags", "would refuse", "would defer", "would tag"}
        assert {part.rule for part in told.parts if part.says in said} == {breach.rule for breach in verdict.breaches}
        found = told.evidence.classified
        assert (found.category, found.subcategory) == (verdict.facts.classified, verdict.facts.subcategory)
        world.remember(message, verdict)


@settings(max_examples=examples(60))
@given(RULES, MESSAGES)
def test_the_judge_decides_what_is_specified_whatever_it_remembers_and_however_the_past_is_packed(
    drafts: list[Draft], sent: Sent
) -> None:
    rules, seen = rules_of(drafts), rules_of(drafts)
    world, records = World(), dict.fromkeys(PEOPLE, record.EMPTY)
    for person, past in world.people.items():
        for one in past.refusals:
            records[person] = record.opt_out(records[person], one)
    for message in world.messages(sent):
        past = world.people[message.recipient]
        wanted = breaches_of(message, past, seen, world.now, world.counts)
        verdict = judge(message, Record(records[message.recipient]), rules, world.now, world.counts)
        assert verdict.breaches == wanted == world.judge(message, rules).breaches
        world.remember(message, verdict)
        if verdict.outcome is Outcome.ALLOW:
            records[message.recipient] = record.add(
                records[message.recipient], past.entries[-1], int(world.now), rules.window_s
            )


# --- texts that are made to cost time


def hard_texts() -> Iterator[tuple[str, str]]:
    size = 10_000
    for name, unit in {
        "one letter": "a", "one character": "优", "dots": ".", "a dot and a letter": ".a", "slashes": "贷/", "marks": "-_.", "spaces": " ",
        "split by spaces": "贷 款 ", "brackets": "【】", "open brackets": "【", "replies": "回复", "refusals": "退订回", "English": "to unsubscribe reply ",
        "prices": "满9减", "codes": "码123456 ", "digits": "9", "numbers": "9 ", "phone numbers": "13800000000", "combining": "e\u0301\u0302\u0303",
        "zero-width": "贷\u200b", "bidi": "\u202e\u2066贷\u2069", "strokes": "贷丨", "astral": "𝐕🎁", "surrogates": "\ud83d", "ligatures": "ﷺ",
        "traditional": "優惠", "scheme": "://", "hosts": "http://a.b-", "nested words": "优惠券", "noncharacters": "\ufffe\uffff",
    }.items():  # fmt: skip
        yield name, (unit * size)[:size]
    yield "every fold there is", "".join(chr(code) for code in range(0x2000, 0x2000 + size))
    yield "a notice at the end of much", "贷 " * (size // 2) + "回T退订"


@pytest.fixture(scope="module")
def shipped() -> Iterator[RuleSet]:
    with tempfile.TemporaryDirectory() as place:
        target = Path(place) / "rules"
        shutil.copytree(Path(__file__).parent.parent.parent / "rules", target)
        (target / "own.yaml").write_text(
            "rules:\n  - {id: p, when: {text: {patterns: ['(a|aa)+$', '(贷.*)+款']}}, then: tag, reason: keyword}\n"
            "  - {id: u, when: {url: {outside: [x.example]}}, then: tag, reason: keyword}\n"
            "  - {id: c, when: {contact: {outside: ['95588']}}, then: tag, reason: keyword}\n",
            encoding="utf-8",
        )
        yield load(target, regions=REGIONS)


@pytest.mark.parametrize(("name", "text"), list(hard_texts()), ids=[name for name, _ in hard_texts()])
def test_a_text_of_ten_thousand_characters_costs_milliseconds_whatever_it_is(shipped: RuleSet, name: str, text: str) -> None:
    """The longest message has 20 parts: 1,340 characters. Ten times as many must not take a hundred times as long."""

    def cost(part: str) -> float:
        best = 9.0
        for turn in range(3):
            content = Content(part + "x" * turn, "readable", b"")
            started = time.process_time()
            judge(Message(SENDERS[0], PEOPLE[0], content), Past(), shipped, START, PastCounts())
            best = min(best, time.process_time() - started)
        return best

    short = cost(text[:1_000])
    long = cost(text)
    assert long < 0.15, "a text never stops the gate for as long as a person could notice"
    assert long < 40 * short + 0.01, f"{short * 1e3:.2f} ms for 1,000 characters, {long * 1e3:.2f} ms for 10,000"
    evidence(shipped.reader, Content(text[:1_340], "readable", b""))


def test_a_message_of_140_parts_length_is_read(shipped: RuleSet) -> None:
    text = "【测试】" + "双11优惠券限量领，点 s.example/a1 贷丨款 " * 330 + "拒收请回复R"
    assert len(text) > 140 * 67
    started = time.process_time()
    verdict = judge(Message(SENDERS[0], PEOPLE[1], Content(text, "readable", b"")), Past(), shipped, START, PastCounts())
    assert verdict.facts.category is Category.MARKETING
    assert verdict.facts.keyword == "R"
    assert time.process_time() - started < 0.15


ALL_BUT_A_CITY = Draft("{any: [{provider: yi}, {not: {city: 南京}}]}", "", "reject", "enforce", False)


AT_ONCE = Draft("{category: marketing, scheduled: [none, today]}", "", "reject", "enforce", False)


@example([ALL_BUT_A_CITY], SENDERS[0], TEXTS[0], 0).via("a province of which one city is not meant")
@example([AT_ONCE], SENDERS[0], TEXTS[0], 0).via("what is asked with each message, and said by it alone")
@given(RULES, st.sampled_from(SENDERS), st.sampled_from(TEXTS), st.sampled_from((0, 1_800, 3_600)))
@settings(max_examples=examples(100), deadline=None)
def test_what_is_forecast_of_a_text_is_what_becomes_of_it(drafts: list[Draft], sender: Sender, text: str, later: int) -> None:
    rules, content, at = rules_of(drafts), Content(text, "readable" if text else "empty", b""), START + later
    told = forecast(rules, sender, content, at)
    against = (*told.everywhere, *told.somewhere)
    by_rule = {one.rule for one in against} | {one.rule for one in told.depends}
    for number in PEOPLE:
        verdict = judge(Message(sender, number, content), Past(), rules, at, PastCounts())
        assert told.outcome is Outcome.ALLOW or verdict.outcome is not Outcome.ALLOW, "refused whoever gets it"
        assert {
            breach.rule for breach in verdict.breaches if not breach.shadow and breach.outcome is not Outcome.ALLOW
        } <= by_rule
        somewhere = {
            one.rule for one in told.somewhere if {verdict.province, " ".join(rules.regions.of(number))} & {*one.where}
        }
        assert {one.rule for one in told.everywhere} | somewhere <= {breach.rule for breach in verdict.breaches}
    assert all(one.change for one in against)


def test_what_a_message_says_of_its_own_delivery_depends_on_nobody(make: Make) -> None:
    rules = make("- {id: it, when: {category: marketing, scheduled: [none, today]}, then: reject, reason: keyword}\n").rules
    content = Content(TEXTS[0], "readable", b"")
    told = forecast(rules, SENDERS[0], content, START)
    assert (told.outcome, [one.rule for one in told.everywhere], told.depends) == (Outcome.REJECT, ["it"], ())
    tomorrow = Content(TEXTS[0], "readable", b"", scheduled=START + 86_400)
    told = forecast(rules, SENDERS[0], tomorrow, START)
    assert (told.outcome, told.everywhere, told.depends) == (Outcome.ALLOW, (), ())
