"""A backtest counts what other rules would have changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from proxy.desk.backtest.commit_groups import groups_of
from proxy.desk.backtest.differences import ALLOWED, OTHERWISE, REFUSED, Differences, RuledOutcome
from proxy.desk.backtest.environment import KnownProvider, Senders
from proxy.desk.backtest.initial_state import window_s
from proxy.desk.backtest.rerun import Rerun
from proxy.desk.operator_orders.book import OrderBook
from proxy.journal.encoding import pack
from proxy.journal.records import gate_events, messages
from proxy.model.message import Category, Order
from proxy.policy import time_windows
from proxy.policy.loading.load_rules import load
from proxy.policy.recipient_share import is_inside
from proxy.policy.reply_paths import ReplyPath
from proxy.policy.ruleset import RuleSet
from proxy.relay.multipart.assembler import WAIT_S
from proxy.wire import Frame, submit_sm, submit_sm_resp
from tests.desk.backtest.one_journal import rebuild_one
from tests.harness import BEIJING, RULES, SHANGHAI, Harness

AD, OTHER = "【测试】双11好礼, 满100减50 拒收请回复R", "【测试】会员日秒杀, 全场5折 拒收请回复R"
ESME_RSYSERR = 0x08
KNOWN = dict.fromkeys(("jia", "yi"), KnownProvider(Category.MARKETING))


def rules_of(tmp_path: Path, text: str) -> RuleSet:
    folder = tmp_path / f"other-{len(list(tmp_path.iterdir()))}"
    folder.mkdir()
    (folder / "rules.yaml").write_text(text, encoding="utf-8")
    return load(folder)


def again(harness: Harness, rules: RuleSet, *, since: float = 0.0, now: float = 1e12, by: RuleSet | None = None) -> Differences:
    """The harness's journal judged again; ``by``: rules that count what was sent before ``since``."""
    found = Differences(since, now - 900, rules.revision)
    found.learn(rules)
    senders = Senders(KNOWN)
    count_by = (by, senders) if by is not None else None
    store, before, left = rebuild_one(groups_of(harness.disk), since, window_s(rules), found.note, count_by=count_by)
    Rerun(store, lambda _: rules, senders, found.count, found.skip, found.note, before).run(left)
    return found


def noted(harness: Harness) -> None:
    """As a start does: the names of its rules."""
    rules = harness.relay.rules
    harness.journal.append(
        messages.RULES, pack(gate_events.Rules(harness.now, rules.revision, tuple(rule.id for rule in rules.rules)))
    )
    harness.journal.write(harness.now)


@pytest.fixture
def harness(tmp_path: Path) -> Harness:
    harness = Harness(tmp_path)
    noted(harness)
    return harness


def totals(found: Differences) -> dict[str, int]:
    return {kind: sum(counted.values()) for kind, counted in found.by_kind.items()}


def test_a_lower_cap_refuses_one_more_and_the_next_is_refused_as_before(harness: Harness, tmp_path: Path) -> None:
    for _ in range(4):
        harness.now += 60
        harness.submit("jia", SHANGHAI, AD)
    assert totals(again(harness, harness.relay.rules)) == {REFUSED: 0, ALLOWED: 0, OTHERWISE: 0}
    found = again(harness, rules_of(tmp_path, RULES.replace("count: 3", "count: 2")))
    assert (found.messages, totals(found)) == (4, {REFUSED: 1, ALLOWED: 0, OTHERWISE: 0})
    assert found.by(REFUSED, "rule") == {"cap": 1}
    assert found.by(REFUSED, "province") == {"上海": 1}
    (example,) = found.examples[REFUSED, "cap"]
    assert (example.recipient, example.then, example.now) == (
        "138****0000",
        RuledOutcome("allow"),
        RuledOutcome("reject", "recipient-cap", "cap"),
    )


def test_what_was_refused_for_its_reply_path_passes_and_nobody_is_blamed_for_the_difference(tmp_path: Path) -> None:
    closed = "  - {id: closed, when: {category: marketing, reply_path: dead}, then: reject, reason: reply-path}\n"
    harness = Harness(tmp_path, rules=RULES + closed)
    noted(harness)
    rules, port = harness.relay.rules, harness.binds["jia"].access.provider.ports[0]
    harness.relay.rules = rules.with_orders((), {port: ReplyPath("dead")})
    harness.submit("jia", SHANGHAI, AD)
    found = again(harness, rules)
    assert totals(found) == {REFUSED: 0, ALLOWED: 1, OTHERWISE: 0}
    assert found.by(ALLOWED, "rule") == {"closed": 1}
    assert (found.on_paths, found.unexplained) == ({"closed"}, 0)


def test_a_filing_that_ends_refuses_what_was_sent_after_its_last_day(harness: Harness, tmp_path: Path) -> None:
    harness.submit("jia", SHANGHAI, AD)
    sent = harness.now
    day = time_windows.local(sent)[:10]
    before = time_windows.local(sent - time_windows.DAY_S)[:10]
    signature = AD[1 : AD.index("】")]
    for last, refused in ((before, 1), (day, 0)):
        folder = tmp_path / last
        (folder / "registries").mkdir(parents=True)
        (folder / "registries" / "filings.csv").write_text(f"{signature},,上海,filed,,{last}\n")
        ended = "  - {id: ended, when: {filing: expired}, then: reject, reason: filing-expired}\n"
        (folder / "rules.yaml").write_text(RULES + ended)
        found = again(harness, load(folder))
        assert found.by(REFUSED, "rule") == ({"ended": 1} if refused else {})


def test_a_share_of_recipients_is_refused_and_the_others_are_counted_in_shadow(harness: Harness, tmp_path: Path) -> None:
    people = range(SHANGHAI, SHANGHAI + 60)
    for number in people:
        harness.submit("jia", number, AD)
    share = "  - {id: share, when: {category: marketing}, mode: shadow, enforce: 30%, then: reject, reason: quiet-hours}\n"
    rules = rules_of(tmp_path, RULES + share)
    inside = sum(is_inside(rules.rules[-1], number) for number in people)
    found = again(harness, rules)
    assert found.by(REFUSED, "rule") == {"share": inside}
    assert found.shadow == {"share": len(people) - inside}
    assert 0 < inside < len(people)


def test_what_passes_now_counts_for_what_comes_after_it(harness: Harness, tmp_path: Path) -> None:
    """Beijing was banned; without the ban its people have caps like everybody."""
    for _ in range(5):
        harness.now += 700  # a repeat within ten minutes is answered without a verdict
        harness.submit("jia", BEIJING, AD)
    found = again(harness, rules_of(tmp_path, RULES.replace("province: 北京", "province: 天津")))
    assert totals(found) == {REFUSED: 0, ALLOWED: 3, OTHERWISE: 2}
    assert found.by(ALLOWED, "rule") == {"ban": 3}, "by the rule that had refused"
    assert found.by(OTHERWISE, "rule") == {"cap": 2}


def test_repeats_of_what_passes_now_would_not_have_come(harness: Harness, tmp_path: Path) -> None:
    for person in (BEIJING, BEIJING, BEIJING, BEIJING + 1, BEIJING + 1):
        harness.submit("jia", person, AD if person == BEIJING else "六合彩" + AD)
    found = again(harness, rules_of(tmp_path, RULES.replace("province: 北京", "province: 天津")))
    assert (found.messages, found.repeated, found.needless) == (2, 3, 2)
    assert totals(found) == {REFUSED: 0, ALLOWED: 1, OTHERWISE: 1}, "the other one is refused for its words"


def test_a_refusal_that_came_in_the_same_turn_was_settled_before_the_message(harness: Harness) -> None:
    """The gate changes records first and judges then, and writes it the other way round."""
    for _ in range(3):
        harness.submit("jia", SHANGHAI, AD)
    first, *others = harness.at_carrier()
    for one in others:
        harness.carrier_says(one, submit_sm_resp(1, 0, b"x\0"))
    harness.relay.answered(first, Frame.of(submit_sm_resp(1, 0x45, b"")))
    harness.relay.submit(cast("Any", harness.binds["jia"]), Frame.of(_pdu(SHANGHAI, OTHER)), harness.now, harness.now)
    harness.turn()
    assert [said.reason for said in harness.verdicts()] == [""] * 4
    assert totals(again(harness, harness.relay.rules)) == {REFUSED: 0, ALLOWED: 0, OTHERWISE: 0}


def test_a_part_that_came_with_the_carriers_refusal_of_the_first_did_not_go_without_that(harness: Harness) -> None:
    """They met in one turn, and the answer is settled first: nothing of the message stands, as the gate had it."""
    bind = cast("Any", harness.binds["jia"])
    harness.relay.submit(bind, _part(1), harness.now, harness.now)
    harness.now += WAIT_S
    harness.relay.due(harness.now)
    harness.turn()
    (first,) = harness.at_carrier()
    harness.relay.submit(bind, _part(2), harness.now, harness.now)
    harness.relay.answered(first, Frame.of(submit_sm_resp(1, 0x45, b"")))
    harness.turn()
    led, late = harness.verdicts()
    assert led.entry is not None
    assert (late.entry, late.reason) == (None, "part-early")
    found = again(harness, harness.relay.rules)
    assert (found.messages, found.parts, sum(totals(found).values())) == (1, 0, 0)


def test_what_a_message_took_goes_back_once_where_the_part_that_came_before_the_refusal_could_not_be_written(
    tmp_path: Path,
) -> None:
    """The journal tells of both: that a part was refused and the message stood, and then that nothing of it did."""
    harness = Harness(tmp_path, rules=QUOTA.replace("count: 3", "count: 2"))
    noted(harness)
    bind, rules = cast("Any", harness.binds["jia"]), harness.relay.rules
    harness.submit("jia", SHANGHAI + 1, AD)
    harness.at_carrier()
    harness.relay.submit(bind, _part(1), harness.now, harness.now)
    harness.now += WAIT_S
    harness.relay.due(harness.now)
    harness.turn()
    (first,) = harness.at_carrier()
    harness.disk.free_bytes = 0
    harness.relay.submit(bind, _part(2), harness.now, harness.now)
    harness.relay.answered(first, Frame.of(submit_sm_resp(1, 0x45, b"")))
    harness.turn()
    harness.disk.free_bytes = None
    harness.relay.tick(harness.now)
    harness.turn()
    for person in range(SHANGHAI + 2, SHANGHAI + 4):
        harness.submit("jia", person, AD)
    assert [said.reason for said in harness.verdicts()] == ["", "", "", "provider-quota"]
    assert sum(totals(again(harness, rules)).values()) == 0


def test_what_the_store_did_not_take_stood_in_the_way_of_others_until_that_was_known(tmp_path: Path) -> None:
    """One place is left of a quota: who is judged second is refused, and the first one's record had changed too often. The place is free."""
    harness = Harness(tmp_path, rules=QUOTA.replace("count: 3", "count: 1"))
    noted(harness)
    real, rules = harness.store.swap, harness.relay.rules

    async def swap(items: list[tuple[int, int, bytes]]) -> list[bool]:
        return [person != SHANGHAI and all(await real([(person, version, data)])) for person, version, data in items]

    harness.store.swap, harness.store.waits = swap, True
    for person in range(SHANGHAI, SHANGHAI + 2):
        harness.relay.submit(cast("Any", harness.binds["jia"]), Frame.of(_pdu(person, AD)), harness.now, harness.now)
    harness.turn()
    harness.submit("jia", SHANGHAI + 2, AD)
    assert [said.reason for said in harness.verdicts()] == ["store-conflict", "provider-quota", ""]
    found = again(harness, rules)
    assert (found.messages, found.skipped, sum(totals(found).values())) == (2, {"store-conflict": 1}, 0)
    harness.store.swap = real
    harness.submit("jia", SHANGHAI + 1, AD)
    assert harness.verdicts()[-1].reason == "provider-quota", "and now somebody has it"


def test_an_order_holds_as_long_as_the_journal_says_though_it_tells_late_that_the_clock_was_set(harness: Harness) -> None:
    def written(kind: int, body: bytes) -> int:
        sequence = harness.journal.append(kind, body)
        harness.journal.write(harness.now)
        return sequence

    rules = harness.relay.rules

    def obeyed() -> None:
        harness.relay.rules = rules.with_orders(book.of_kind("stop"))

    book = OrderBook(harness.store.orders, written, obeyed)
    book.give(Order(0, "stop", (("provider", ("jia",)),), harness.now, harness.now + 5, "wang", "complaints"), harness.now)
    harness.now -= 3600
    harness.relay.clock_jumped(-3600)
    assert book.sweep(harness.now, harness.now + 3600) == [], "it was not over when somebody set the clock"
    harness.disk.free_bytes = 0
    harness.relay.tick(harness.now)
    harness.disk.free_bytes = None
    harness.now += 60
    harness.relay.tick(harness.now)
    harness.submit("jia", SHANGHAI, AD)
    assert [said.reason for said in harness.verdicts()] == ["stopped"]
    found = again(harness, rules)
    assert (found.messages, sum(totals(found).values())) == (1, 0)


def test_what_the_carrier_refused_does_not_count_and_what_is_not_known_does(harness: Harness, tmp_path: Path) -> None:
    for fate in (0x45, 0, 0x45, 0):
        harness.submit("jia", SHANGHAI, AD)
        (transit,) = harness.at_carrier()
        if fate:
            harness.carrier_says(transit, submit_sm_resp(1, fate, b""))
        else:
            harness.nobody_answers(transit)
        harness.now += 700
    found = again(harness, rules_of(tmp_path, RULES.replace("count: 3", "count: 2")))
    assert totals(found)[REFUSED] == 0, "two count"
    found = again(harness, rules_of(tmp_path, RULES.replace("count: 3", "count: 1")))
    assert totals(found)[REFUSED] == 2, "third and fourth: the second counts though nobody knows what became of it"


def test_an_identical_message_stands_in_for_an_unknown_one_then_and_now(harness: Harness, tmp_path: Path) -> None:
    harness.submit("jia", SHANGHAI, AD)
    (transit,) = harness.at_carrier()
    harness.nobody_answers(transit)
    harness.now += 5
    harness.submit("jia", SHANGHAI, AD)
    assert [said.adopts for said in harness.verdicts()] == [0, harness.verdicts()[0].entry.id]  # type: ignore[union-attr]
    one = rules_of(tmp_path, RULES.replace("count: 3", "count: 1"))
    assert totals(again(harness, one)) == {REFUSED: 0, ALLOWED: 0, OTHERWISE: 0}


QUOTA = """
rules:
  - {id: quota, when: {category: marketing}, limit: {count: 3, per: day, key: [provider]}, then: reject, reason: provider-quota}
"""


def test_counters_of_new_rules_have_counted_what_was_sent_before_the_window(harness: Harness, tmp_path: Path) -> None:
    for person in range(4):
        harness.submit("jia", SHANGHAI + person, AD)
        harness.now += 3600
    rules = rules_of(tmp_path, QUOTA)
    since = harness.now - 3600 - 60
    assert totals(again(harness, rules))[REFUSED] == 1
    found = again(harness, rules, since=since, by=rules)
    assert (found.messages, totals(found)[REFUSED]) == (1, 1)
    assert totals(again(harness, rules, since=since))[REFUSED] == 0, "as if the rules had come into force then"


def test_what_the_carrier_refused_before_the_window_has_not_counted(harness: Harness, tmp_path: Path) -> None:
    for person in range(4):
        harness.submit("jia", SHANGHAI + person, AD)
        (transit,) = harness.at_carrier()
        harness.carrier_says(transit, submit_sm_resp(1, 0x45, b"") if person == 1 else submit_sm_resp(1, 0, b"id\0"))
        harness.now += 3600
    rules = rules_of(tmp_path, QUOTA)
    found = again(harness, rules, since=harness.now - 3600 - 60, by=rules)
    assert (found.messages, totals(found)[REFUSED]) == (1, 0), "two of three count"


def test_a_longer_window_finds_what_the_rules_of_then_had_forgotten(harness: Harness, tmp_path: Path) -> None:
    for _ in range(4):
        harness.submit("jia", SHANGHAI, AD)
        harness.now += 86_400
    week = rules_of(tmp_path, RULES.replace("count: 3, per: day", "count: 3, per: 7d"))
    found = again(harness, week, since=harness.now - 86_400 - 60)
    assert (found.messages, totals(found)[REFUSED]) == (1, 1)


def test_codes_are_never_shown_and_young_ones_not_at_all(tmp_path: Path) -> None:
    rules = "rules:\n  - {id: none, when: {category: otp}, then: reject, reason: otp-cap}\n"
    harness = Harness(
        tmp_path, rules="rules:\n  - {id: words, when: {text: {words: [六合彩]}}, then: reject, reason: keyword}\n"
    )
    noted(harness)
    harness.relay.directory.accesses["jia"]._young.clear()
    harness.submit("jia", SHANGHAI, "【测试】您的验证码是482913, 5分钟内有效, 电话13800138000")
    known = {"jia": KnownProvider(Category.OTP)}
    for age_s, shown in ((60, ""), (1000, "【测试】您的验证码是******, *分钟内有效, 电话***********")):
        found = Differences(0.0, harness.now + age_s - 900)
        Rerun(
            rebuild_one(iter(()), 0.0, 0, found.note)[0],
            lambda _: rules_of(tmp_path, rules),
            Senders(known),
            found.count,
            found.skip,
        ).run(groups_of(harness.disk))
        (example,) = found.examples[REFUSED, "none"]
        assert example.text == shown


def test_texts_of_strangers_reach_no_terminal(harness: Harness, tmp_path: Path) -> None:
    harness.submit("jia", SHANGHAI, "【测试】\x1b[2J满100减50\u202e 13800138000 拒收请回复R")
    found = again(harness, rules_of(tmp_path, RULES.replace("六合彩", "减")))
    (example,) = found.examples[REFUSED, "words"]
    assert example.text == "【测试】[2J满100减50 138****8000 拒收请回复R"


def test_what_the_gate_itself_turned_away_is_not_judged_again(harness: Harness) -> None:
    harness.route.up = False
    harness.submit("jia", SHANGHAI, AD)
    harness.route.up = True
    harness.submit("jia", SHANGHAI, AD, source="9999")
    harness.submit("jia", 999, AD)
    found = again(harness, harness.relay.rules)
    assert (found.messages, found.skipped) == (0, {"no-route": 1, "port-not-owned": 1, "bad-recipient": 1})


def test_examples_stay_few_and_come_from_everywhere(harness: Harness, tmp_path: Path) -> None:
    for person in range(60):
        harness.submit("jia", SHANGHAI + person, AD)
    found = again(harness, rules_of(tmp_path, RULES.replace("六合彩", "减")))
    assert totals(found)[REFUSED] == 60
    shown = found.examples[REFUSED, "words"]
    assert len(shown) == 5
    assert {one.recipient for one in shown} != {f"138****{number:04d}" for number in range(5)}


def test_what_rules_in_shadow_would_object_to_is_told_beside_the_differences(harness: Harness, tmp_path: Path) -> None:
    for person in (SHANGHAI, SHANGHAI + 1, BEIJING):
        harness.submit("jia", person, AD)
    dark = "  - {id: dark, mode: shadow, when: {text: 满}, then: reject, reason: keyword}\n"
    found = again(harness, rules_of(tmp_path, RULES + dark))
    assert (sum(totals(found).values()), found.shadow) == (0, {"dark": 2}), "the third is refused by the ban anyhow"


def test_results_of_two_processes_add_up_to_that_of_one(harness: Harness, tmp_path: Path) -> None:
    for minute in range(40):
        harness.submit("jia", SHANGHAI + minute % 7, AD)
        harness.now += 60
    other = rules_of(tmp_path, RULES.replace("count: 3", "count: 2"))
    whole, halves = again(harness, other), []
    for share in (0, 1):
        half = Differences(0.0, 1e12, other.revision, counts_repeats=not share)
        mine = lambda person, share=share: person % 2 == share  # noqa: E731
        store, before, left = rebuild_one(groups_of(harness.disk), 0.0, 0, half.note, is_own=mine)
        Rerun(store, lambda _: other, Senders(KNOWN), half.count, half.skip, half.note, before, mine).run(left)
        halves.append(half)
    halves[0].add(halves[1])
    assert halves[0].by_kind == whole.by_kind
    assert (halves[0].messages, halves[0].hours, halves[0].repeated) == (whole.messages, whole.hours, whole.repeated)


def _pdu(recipient: int, text: str) -> bytes:
    return submit_sm("1069001", str(recipient), text.encode("utf-16-be"), data_coding=8, sequence=1)


def _part(index: int) -> Frame:
    octets = b"\x05\x00\x03\x07\x03" + bytes((index,)) + AD[index * 7 - 7 : index * 7].encode("utf-16-be")
    return Frame.of(submit_sm("1069001", str(SHANGHAI), octets, data_coding=8, esm_class=0x40, sequence=index))
