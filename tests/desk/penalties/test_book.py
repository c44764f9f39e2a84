"""Triggers measure counts, and penalties follow the ladder and restarts."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.desk.penalties.book import PenaltyBook, order_of, rate_shares
from proxy.desk.penalties.hourly_counts import PUBLISH_S, SIGNATURES_MAX, ProviderHours, SignatureHours
from proxy.desk.penalties.triggers import MeasureSource, ProposedPenalty, due
from proxy.journal.encoding import pack, unpack
from proxy.journal.records import messages
from proxy.journal.records.penalties import HourByProvider, HourBySignature, HourCounts, Penalty, Subject
from proxy.model.approvals import Impossible
from proxy.model.counters import SignatureCounters
from proxy.model.message import Category, hash48
from proxy.model.roles import Asker, Role
from proxy.policy import time_windows
from proxy.policy.loading.load_rules import load
from proxy.policy.penalty_rules import Trigger
from proxy.state.lists.desk_records import DeskRecords, hour_of_node

NOON = time_windows.moment("2026-11-11 12:00")[0]
DAY, HOUR = 86_400.0, 3600.0
LI, WANG = (Asker(name, frozenset({Role.APPROVER}), by_token=True) for name in ("li", "wang"))
LADDER = """
penalties:
  - id: rate
    watch: complaints
    per: month
    least: {count: 3}
    steps:
      - {above: 250, then: warn}
      - {above: 400, then: throttle, to: 0.5, for: 10d}
      - {above: 800, then: suspend-marketing, for: 10d}
    again: {within: 90d}
"""


class Desk:
    """Both books, and a rule set."""

    def __init__(self, folder: Path, rules: str) -> None:
        (folder / "x.yaml").write_text(rules)
        loaded = load(folder)
        self.triggers, self.advertiser_of = loaded.desk.triggers, loaded.registry.advertiser_of
        self.apart, self.apart_papers = SignatureCounters(), DeskRecords()
        self.hours_apart = SignatureHours(self.apart_papers, self.write)
        self.papers, self.hour_papers = DeskRecords(), DeskRecords()
        self.written: list[tuple[int, bytes]] = []
        self.book = PenaltyBook(self.papers, self.write)
        self.hours = ProviderHours(self.hour_papers, self.write)
        self.valid: dict[str, list[float]] = {}
        self.paths: dict[str, dict[str, str]] = {}
        self.submits: dict[tuple[str, ...], int] = {}
        self.optouts: dict[tuple[str, ...], int] = {}

    def write(self, records) -> int:
        self.written += records
        return len(self.written)

    def sends(self, at: float, provider: str, count: int, category: str = "marketing", reason: str = "") -> None:
        key = provider, category, "reject" if reason else "allow", reason
        self.submits[key] = self.submits.get(key, 0) + count
        self.hours.take(self.submits, self.optouts, at)

    def refuses(self, at: float, provider: str, count: int) -> None:
        key = "reply", "advertiser", provider
        self.optouts[key] = self.optouts.get(key, 0) + count
        self.hours.take(self.submits, self.optouts, at)

    def sends_as(self, at: float, provider: str, signature: str, count: int, optouts: int = 0, reason: str = "") -> None:
        """Under a signature, while that is counted."""
        self.apart.wanted = True
        for _ in range(count):
            self.apart.judged(provider, signature, Category.MARKETING, reason)
        for _ in range(optouts):
            self.apart.refused(provider, hash48(signature))
        taken(self.hours_apart, self.apart, at)

    def complains(self, at: float, provider: str, count: int) -> None:
        self.valid.setdefault(provider, []).extend([at] * count)

    def counted(self, subject: Subject, since: float, until: float) -> int:
        return sum(since <= at < until for at in self.valid.get(subject.words, ()))

    def due(self, at: float) -> list[ProposedPenalty]:
        counting = MeasureSource(
            self.hours, self.hours_apart, self.counted, self.advertiser_of, lambda one: self.paths.get(one, {})
        )
        found = due(self.triggers, ["jia", "yi"], counting, self.book.of, at)
        return [one for one in found if one is not None]

    def proposed(self, at: float) -> list[tuple[str, str]]:
        """What is asked for, proposed and approved at once."""
        found = []
        for one in self.due(at):
            draft = penalty(one.subject.provider, one.step.then, one.step.to, one.step.for_s, one.trigger)
            draft = draft._replace(by=one.subject.by, value=one.subject.value)
            made, _ = self.book.propose(draft, at, "rule", one.figure)
            self.book.approve(made.id, LI, {"li", "wang"}, at, "li")
            found.append((one.subject.words, one.step.then))
        return found


def taken(hours: SignatureHours, apart: SignatureCounters, at: float) -> None:
    for _ in hours.take(apart, at):
        pass


def penalty(
    provider: str, step: str, share: float = 1.0, for_s: int = 86_400, trigger: Trigger | None = None, author: str = "rule"
) -> Penalty:
    return Penalty(
        0, "proposed", step, provider, share, for_s, 0.0, 0.0, 0, trigger.id if trigger else "", "", "", "", "r", author, "", ()
    )


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path, LADDER)


def test_a_rate_goes_up_the_ladder_and_each_step_is_asked_for_once(desk: Desk) -> None:
    desk.sends(NOON, "jia", 10_000)
    desk.sends(NOON, "yi", 1_000_000)
    desk.complains(NOON, "jia", 2)
    desk.complains(NOON, "yi", 3)
    assert desk.due(NOON + 60) == [], "two are less than three, and three in a million of yi's are few"
    desk.complains(NOON, "jia", 1)
    (asked,) = desk.due(NOON + 60)
    assert asked.figure == "3 valid complaints in 10,000 messages since 2026-11-01 00:00:00: 300.00 in a million"
    assert asked.figure.zh == "自 2026-11-01 00:00:00 起 10,000 条短信中有效投诉 3 件：百万分之 300.00"
    assert desk.proposed(NOON + 60) == [("jia", "warn")]
    assert desk.proposed(NOON + 120) == []
    desk.complains(NOON + DAY, "jia", 2)
    assert desk.proposed(NOON + DAY) == [("jia", "throttle")]
    assert [one.state for one in desk.book.all()] == ["raised", "in-force"]
    assert desk.proposed(NOON + DAY + 60) == []


def test_what_came_before_a_penalty_ended_is_not_held_against_it_again_and_who_does_it_again_goes_up_a_step(desk: Desk) -> None:
    desk.sends(NOON, "jia", 10_000)
    desk.complains(NOON, "jia", 5)
    assert desk.proposed(NOON) == [("jia", "throttle")]
    later = NOON + 10 * DAY + 1
    assert [one.provider for one in desk.book.end(later)] == ["jia"]
    assert desk.proposed(later + 2 * HOUR) == []
    desk.sends(later + 2 * HOUR, "jia", 10_000)
    desk.complains(later + 2 * HOUR, "jia", 5)
    assert desk.proposed(later + 3 * HOUR) == [("jia", "suspend-marketing")], (
        "500 is a throttle's, but it was throttled just before"
    )
    far = later + 200 * DAY
    desk.book.end(far)
    desk.sends(far, "jia", 10_000)
    desk.complains(far, "jia", 5)
    assert desk.proposed(far + 60) == [("jia", "throttle")]


def test_a_step_up_is_no_repetition_of_what_it_takes_the_place_of(tmp_path: Path) -> None:
    """The rule has a severer one for who does it again: nobody has."""
    desk = Desk(tmp_path, LADDER.replace("again: {within: 90d}", "again: {within: 90d, then: suspend-all}"))
    desk.sends(NOON, "jia", 10_000)
    desk.complains(NOON, "jia", 5)
    assert desk.proposed(NOON) == [("jia", "throttle")]
    desk.complains(NOON + HOUR, "jia", 4)
    assert desk.proposed(NOON + HOUR) == [("jia", "suspend-marketing")]
    assert [one.state for one in desk.book.all()] == ["raised", "in-force"]
    assert [desk.proposed(NOON + HOUR + after) for after in (60, 3600, DAY)] == [[], [], []]
    later = NOON + 11 * DAY
    desk.book.end(later)
    desk.sends(later + 2 * HOUR, "jia", 10_000)
    desk.complains(later + 2 * HOUR, "jia", 5)
    assert desk.proposed(later + 3 * HOUR) == [("jia", "suspend-all")]


def test_a_proposal_that_was_turned_down_does_not_come_again_for_the_same(desk: Desk) -> None:
    desk.sends(NOON, "jia", 10_000)
    desk.complains(NOON, "jia", 5)
    (asked,) = desk.due(NOON)
    made, _ = desk.book.propose(penalty("jia", "throttle", 0.5, 10, asked.trigger), NOON, "rule", "")
    assert desk.due(NOON + 60) == [], "it waits"
    desk.book.reject(made.id, LI, NOON + 60, "li", "duplicates")
    assert desk.due(NOON + 2 * HOUR) == []


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        ("watch: optouts, per: 1h, least: {sent: 2000}, steps: {above: 0.02, then: suspend-marketing, for: 1d}", "41 opt-outs by reply in 2,000 marketing messages since 2026-11-11 12:00:00: 2.05%"),
        ("watch: refusals, reasons: [keyword], per: day, steps: {above: 99, then: warn}", "100 messages refused (keyword) since 2026-11-11 00:00:00"),
        ("watch: spike, per: 1h, against: 24h, least: {sent: 2000}, steps: {above: 10, then: warn}", "2,000 marketing messages since 2026-11-11 12:00:00: 200.0 times what was usual before"),
    ],
    ids=["optouts", "refusals", "spike"],
)  # fmt: skip
def test_what_else_is_measured(rule: str, says: str, tmp_path: Path) -> None:
    desk = Desk(tmp_path, f"penalties: [{{id: x, {rule}}}]")
    desk.sends(NOON - 5 * HOUR, "jia", 240)
    desk.sends(NOON, "jia", 1999)
    desk.refuses(NOON, "jia", 41)
    desk.sends(NOON + 60, "jia", 99, reason="keyword")
    desk.sends(NOON + 60, "jia", 999, reason="region-ban")
    assert desk.due(NOON + 60) == []
    desk.sends(NOON + 60, "jia", 1)
    desk.sends(NOON + 60, "jia", 1, reason="keyword")
    assert [one.figure for one in desk.due(NOON + 61)] == [says]
    assert desk.due(NOON + 26 * HOUR) == [], "it is over"


PATHS = "watch: reply-paths, per: day, least: {sent: 1000}, steps: [{above: 0, then: warn}, {above: 1, then: suspend-marketing, for: 1d}]"


def test_ports_whose_replies_do_not_arrive_ask_for_a_penalty_while_marketing_goes_out_from_the_provider(tmp_path: Path) -> None:
    desk = Desk(tmp_path, f"penalties: [{{id: x, {PATHS}}}]")
    desk.sends(NOON, "jia", 999)
    desk.paths["jia"] = {"1069001": "dead", "1069002": "proven", "1069003": "unproven"}
    desk.paths["yi"] = {"1069009": "dead"}
    assert desk.due(NOON) == [], "it sends hardly any marketing"
    desk.sends(NOON, "jia", 1)
    (asked,) = desk.due(NOON)
    assert (asked.subject, asked.step.then) == (Subject("jia"), "warn")
    assert asked.figure == (
        "replies to 1 registered port prefixes do not arrive (1069001 dead); 1,000 marketing messages since 2026-11-11 00:00:00"
    )
    assert asked.figure.zh == "1 个登记端口的退订通路不通（1069001 不通）；自 2026-11-11 00:00:00 起营销短信 1,000 条"
    desk.paths["jia"]["1069003"] = "silent"
    assert [one.step.then for one in desk.due(NOON)] == ["suspend-marketing"]
    desk.paths["jia"] = {"1069001": "proven", "1069003": "proven"}
    assert desk.due(NOON) == []


def test_only_the_states_that_a_rule_names_count(tmp_path: Path) -> None:
    desk = Desk(tmp_path, f"penalties: [{{id: x, {PATHS}, states: dead}}]")
    desk.sends(NOON, "jia", 5000)
    desk.paths["jia"] = {str(number): "silent" for number in range(9)} | {"1069001": "dead"}
    assert [one.step.then for one in desk.due(NOON)] == ["warn"]


BY_SIGNATURE = (
    "watch: optouts, by: signature, per: 1h, least: {sent: 100}, steps: {above: 0.02, then: suspend-marketing, for: 1d}"
)
SIGNATURES = "signature,advertiser\n甲店,某公司\n甲店商城,某公司\n别家,别的公司\n"


def by(rule: str, folder: Path) -> Desk:
    (folder / "registries").mkdir()
    (folder / "registries" / "signatures.csv").write_text(SIGNATURES)
    return Desk(folder, f"penalties: [{{id: x, {rule}}}]")


def test_a_campaign_that_people_leave_stops_and_the_provider_s_others_go_on(tmp_path: Path) -> None:
    desk = by(BY_SIGNATURE, tmp_path)
    desk.sends_as(NOON, "jia", "甲店", 100, optouts=3)
    desk.sends_as(NOON, "jia", "别家", 100, optouts=2)
    desk.sends_as(NOON, "yi", "甲店", 100)
    (asked,) = desk.due(NOON + 60)
    assert asked.subject == Subject("jia", "signature", "甲店")
    assert asked.figure == "3 opt-outs by reply in 100 marketing messages since 2026-11-11 12:00:00: 3.00%"
    assert desk.proposed(NOON + 60) == [("jia and signature 甲店", "suspend-marketing")]
    assert desk.due(NOON + 120) == [], "it is in force"
    order = order_of(next(desk.book.all()), NOON + 60)
    assert order is not None
    assert dict(order.scope) == {"provider": ("jia",), "signature": ("甲店",), "category": ("marketing",)}
    desk.sends_as(NOON + 120, "jia", "别家", 0, optouts=1)
    assert desk.proposed(NOON + 120) == [("jia and signature 别家", "suspend-marketing")], "each has a penalty of its own"
    assert [one.state for one in desk.book.all()] == ["in-force", "in-force"]


def test_an_advertiser_is_counted_over_all_providers_and_names_and_so_it_stops(tmp_path: Path) -> None:
    desk = by(BY_SIGNATURE.replace("by: signature", "by: advertiser"), tmp_path)
    desk.sends_as(NOON, "jia", "甲店", 60, optouts=2)
    desk.sends_as(NOON, "yi", "甲店商城", 39, optouts=2)
    assert desk.due(NOON + 60) == [], "99 are too few"
    desk.sends_as(NOON, "yi", "甲店商城", 1)
    desk.sends_as(NOON, "yi", "没报备", 100, optouts=3)
    assert desk.proposed(NOON + 60) == [
        ("advertiser 某公司", "suspend-marketing"), ("signature 没报备", "suspend-marketing"),
    ]  # fmt: skip
    orders = [order_of(one, NOON) for one in desk.book.all()]
    assert [dict(one.scope)[word] for one, word in zip(orders, ("advertiser", "signature"), strict=True) if one] == [
        ("某公司",), ("没报备",),
    ]  # fmt: skip
    assert all(one is not None and "provider" not in dict(one.scope) for one in orders)


@pytest.mark.parametrize("watch", ["complaints", "refusals, reasons: [keyword]", "spike, against: 24h"])
def test_everything_that_is_measured_is_measured_of_a_signature(watch: str, tmp_path: Path) -> None:
    desk = by(f"watch: {watch}, by: signature, per: 1h, steps: {{above: 5, then: suspend-all, for: 1d}}", tmp_path)
    desk.sends_as(NOON - 5 * HOUR, "jia", "甲店", 24)
    desk.sends_as(NOON, "jia", "甲店", 100)
    desk.sends_as(NOON, "jia", "甲店", 6, reason="keyword")
    desk.complains(NOON, "jia and signature 甲店", 1)
    assert [one.subject.words for one in desk.due(NOON + 60)] == ["jia and signature 甲店"]


def test_a_restart_finds_what_was_counted_by_signature_for_a_week_and_bounded(tmp_path: Path) -> None:
    desk = by(BY_SIGNATURE, tmp_path)
    desk.sends_as(NOON, "jia", "甲店", 100)
    again = SignatureHours(desk.apart_papers, desk.write)
    desk.hours_apart = again
    desk.sends_as(NOON + 60, "jia", "甲店", 0, optouts=3)  # an answer only: whose hash it was is known from before
    assert [one.subject.value for one in desk.due(NOON + 61)] == ["甲店"]
    for number in range(SIGNATURES_MAX + 5):
        desk.apart.judged("jia", f"店{number}", Category.MARKETING, "")
    taken(again, desk.apart, NOON + 70)
    (kept,) = again.signed(NOON, NOON + 80)
    assert (len(kept), ("jia", "甲店") in kept) == (SIGNATURES_MAX, True)
    taken(again, desk.apart, NOON + 8 * DAY)
    assert ([*again.signed(NOON, NOON + 8 * DAY)], desk.apart_papers.held) == ([], {})


def test_what_a_journal_that_is_down_or_a_look_that_is_cut_off_left_is_counted_the_next_time(tmp_path: Path) -> None:
    desk = by(BY_SIGNATURE, tmp_path)
    desk.apart.wanted = True
    for _ in range(50):
        desk.apart.judged("jia", "甲店", Category.MARKETING, "")
    next(desk.hours_apart.take(desk.apart, NOON))  # and nobody goes on

    def down(records: object) -> int:
        raise OSError("down")

    desk.hours_apart._write = down
    for _ in range(50):
        desk.apart.judged("jia", "甲店", Category.MARKETING, "")
    with pytest.raises(OSError, match="down"):
        taken(desk.hours_apart, desk.apart, NOON + 60)
    desk.hours_apart._write = desk.write
    desk.sends_as(NOON + 120, "jia", "甲店", 0, optouts=3)
    assert [one.figure.split(" since")[0] for one in desk.due(NOON + 121)] == ["3 opt-outs by reply in 100 marketing messages"]


def test_while_no_rule_asks_nothing_is_counted_by_signature_and_the_room_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    apart = SignatureCounters()
    apart.refused("jia", 1)
    assert not apart.optouts
    monkeypatch.setattr("proxy.model.counters.SIGNATURE_KEYS_MAX", 2)
    for signature in ("a", "b", "c", "a", ""):
        apart.judged("jia", signature, Category.MARKETING, "")
    assert (sum(apart.submits.values()), apart.missed) == (3, 2)


def test_only_all_of_a_provider_has_a_rate_to_throttle(desk: Desk) -> None:
    with pytest.raises(Impossible, match="signature 甲店 can be suspended"):
        desk.book.propose(penalty("jia", "throttle", 0.5)._replace(by="signature", value="甲店"), NOON, "li", "x")


@pytest.mark.parametrize("state", ["proposed", "rejected"])
def test_nobody_appeals_against_what_never_came_into_force(desk: Desk, state: str) -> None:
    made, _ = desk.book.propose(penalty("jia", "warn"), NOON, "li", "x")
    if state == "rejected":
        desk.book.reject(made.id, WANG, NOON, "wang", "duplicates")
    with pytest.raises(Impossible, match=f"penalty 1 never came into force \\({state}\\)"):
        desk.book.appeal(made.id, NOON, "li", "letter")


def test_a_restart_finds_the_same_counts_and_what_the_new_process_counts_is_added(desk: Desk) -> None:
    desk.sends(NOON, "jia", 100)
    fresh = DeskRecords()
    for kind, body in desk.written:
        assert kind == messages.COUNTED
        fresh.put(unpack(HourByProvider, body)[0] // 3600, body)
    again = ProviderHours(fresh, desk.write)
    again.take({("jia", "marketing", "allow", ""): 7}, {}, NOON + 60)
    assert again.of("jia", NOON, NOON + 1).sent == 107
    assert again.of("jia", NOON + HOUR, NOON + 2 * HOUR) == HourCounts()


def test_gates_that_share_a_store_measure_what_all_of_them_counted_and_tell_it_now_and_then() -> None:
    papers, told = (DeskRecords(), DeskRecords()), ([], [])  # type: ignore[var-annotated]
    kept: list[tuple[int, bytes]] = []

    def write(records) -> int:
        kept.extend(records)
        return 1

    def teller(mine: list[bytes]):
        def tell(records) -> int:
            mine.extend(body for _, body in records)
            return 1

        return tell

    gates = [ProviderHours(papers[node], write, teller(told[node]), node) for node in (0, 1)]
    assert [gate.others_late_s for gate in gates] == [PUBLISH_S] * 2

    def exchange() -> None:
        for node in (0, 1):
            for body in told[node]:
                for at in papers:  # a gate hears its own, too
                    at.hear(hour_of_node(node, unpack(HourByProvider, body)[0]), body)
            told[node].clear()
        for gate in gates:
            gate.reread()

    def sends(node: int, total: int, at: float) -> None:
        gates[node].take({("jia", "marketing", "allow", ""): total}, {}, at)

    sends(0, 100, NOON)
    sends(1, 10, NOON)
    assert (len(told[0]), len(told[1])) == (1, 1)
    exchange()
    assert [gate.of("jia", NOON, NOON + 1).sent for gate in gates] == [110, 110]
    sends(0, 150, NOON + 60)
    assert told[0] == [], "every minute it would fill their log"
    assert gates[0].of("jia", NOON, NOON + 1).sent == 160
    sends(0, 200, NOON + PUBLISH_S)
    exchange()
    assert [gate.of("jia", NOON, NOON + 1).sent for gate in gates] == [210, 210]
    sends(0, 260, NOON + PUBLISH_S + 60)
    sends(0, 270, NOON + HOUR + 1)
    assert len(told[0]) == 2, "an hour that has ended is told as it ended"
    exchange()
    for gate in gates:
        assert (gate.of("jia", NOON, NOON + 1).sent, gate.of("jia", NOON + HOUR, NOON + HOUR + 1).sent) == (270, 10)
    again = ProviderHours(papers[1], write, teller(told[1]), 1)
    assert again.of("jia", NOON, NOON + 1).sent == 270
    again.take({("jia", "marketing", "allow", ""): 1}, {}, NOON + 70 * DAY)
    assert len(papers[1].held) == 1, "others' are forgotten likewise"


class Signing:
    """Two gates on one store that count by signature."""

    def __init__(self) -> None:
        self.papers, self.told = (DeskRecords(), DeskRecords()), ([], [])  # type: ignore[var-annotated]
        self.kept: list[bytes] = []
        self.gates = [self.gate(node) for node in (0, 1)]
        self.apart = SignatureCounters()
        self.apart.wanted = True

    def gate(self, node: int) -> SignatureHours:
        def write(records) -> int:
            self.kept += (body for _, body in records)
            return 1

        def tell(heard, own) -> int:
            self.told[node].extend(body for _, body in heard)
            return write([*heard, *own])

        return SignatureHours(self.papers[node], write, tell, node)

    def sends(self, node: int, at: float, **counts: int) -> None:
        for signature, count in counts.items():
            for _ in range(count):
                self.apart.judged("jia", signature, Category.MARKETING, "")
        taken(self.gates[node], self.apart, at)

    def exchange(self) -> None:
        for node in (0, 1):
            for body in self.told[node]:
                for at in self.papers:  # a gate hears its own, too
                    at.hear(hour_of_node(node, unpack(HourBySignature, body)[0]), body)
            self.told[node].clear()
        for gate in self.gates:
            gate.reread()

    def counted(self, signature: str, at: float = NOON) -> list[int]:
        return [gate.sum_of([("jia", signature)], at, at + 1).sent for gate in self.gates]


def test_by_signature_others_hear_of_the_most_sent_and_of_ended_hours_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.desk.penalties.hourly_counts.PUBLISHED_MAX", 2)
    both = Signing()
    both.sends(0, NOON, 甲=5, 乙=3, 丙=1)
    both.sends(1, NOON, 甲=10)
    both.exchange()
    assert both.counted("甲") == [15, 15]
    assert both.counted("丙") == [1, 0], "few of it, and the hour still runs"
    assert {one for _, one in unpack(HourBySignature, both.kept[1])[1]} == set("甲乙丙"), "its own journal has all of it, last"
    both.sends(0, NOON + 60, 丙=1)
    assert both.told[0] == [], "every minute it would fill their log"
    both.sends(0, NOON + HOUR + 1, 甲=1)
    both.exchange()
    assert both.counted("丙") == [2, 2]
    assert both.counted("甲", NOON + HOUR) == [1, 1]
    assert {one for hour in both.gates[1].signed(NOON, NOON + 1) for _, one in hour} == set("甲乙丙")


def test_by_signature_a_reply_counts_at_whichever_gate_it_comes_in() -> None:
    both = Signing()
    both.sends(0, NOON, 丙=1)
    both.exchange()
    both.apart.refused("jia", hash48("丙"))
    both.sends(1, NOON + 60)
    both.exchange()
    assert [gate.sum_of([("jia", "丙")], NOON, NOON + 1).optouts for gate in both.gates] == [1, 1]
    assert both.gate(1).sum_of([("jia", "丙")], NOON, NOON + 1) == HourCounts(1, 1, 1), "also after a restart"


def test_counts_of_long_ago_are_forgotten(desk: Desk) -> None:
    desk.sends(NOON, "jia", 1)
    desk.sends(NOON + 63 * DAY, "jia", 1)
    assert len(desk.hour_papers.held) == 1


def test_nobody_approves_what_is_their_own(desk: Desk) -> None:
    made, _ = desk.book.propose(penalty("jia", "suspend-all", author="li"), NOON, "li", "x")
    with pytest.raises(Impossible, match="li is the author of penalty-1: somebody else must approve it"):
        desk.book.approve(made.id, LI, {"li", "wang"}, NOON, "li")
    with pytest.raises(Impossible, match="with a personal token"):
        desk.book.approve(made.id, WANG._replace(by_token=False), {"li", "wang"}, NOON, "wang")
    desk.book.approve(made.id, WANG, {"li", "wang"}, NOON, "wang")
    with pytest.raises(Impossible, match="penalty 1 is in-force, not proposed"):
        desk.book.approve(made.id, WANG, {"li", "wang"}, NOON, "wang")
    appealed, _ = desk.book.appeal(made.id, NOON + 1, "li", "letter")
    assert (appealed.state, appealed.appeal) == ("in-force", "letter")
    lifted, _ = desk.book.lift(made.id, NOON + 2, "li", "granted")
    assert [event.what for event in lifted.events] == ["proposed", "approved", "appealed", "lifted"]
    assert lifted.ended == NOON + 2


def test_a_proposal_of_nobody_with_a_token_needs_two_persons(desk: Desk) -> None:
    made, _ = desk.book.propose(penalty("jia", "suspend-all", author="deploy"), NOON, "deploy", "x")
    vouched, _ = desk.book.approve(made.id, LI, {"li", "wang"}, NOON, "li")
    assert (vouched.state, vouched.author) == ("proposed", "li")
    with pytest.raises(Impossible, match="li is the author of"):
        desk.book.approve(made.id, LI, {"li", "wang"}, NOON, "li")
    approved, _ = desk.book.approve(made.id, WANG, {"li", "wang"}, NOON, "wang")
    assert approved.state == "in-force"


def test_who_proposed_takes_it_back_and_nobody_else(desk: Desk) -> None:
    made, _ = desk.book.propose(penalty("jia", "suspend-all", author="li"), NOON, "li", "x")
    with pytest.raises(Impossible, match="penalty-1 is li's, and only they take it back \\(others reject it\\)"):
        desk.book.withdraw(made.id, WANG, NOON, "wang", "y")
    with pytest.raises(Impossible, match="say why"):
        desk.book.withdraw(made.id, LI, NOON, "li", " ")
    gone, _ = desk.book.withdraw(made.id, LI, NOON + 1, "li", "the wrong month")
    assert (gone.state, gone.ended, gone.events[-1].why) == ("withdrawn", NOON + 1, "the wrong month")
    assert desk.book.waiting() == []
    with pytest.raises(Impossible, match="penalty 1 is withdrawn, not proposed"):
        desk.book.approve(made.id, WANG, {"li", "wang"}, NOON + 2, "wang")
    assert list(PenaltyBook(desk.papers, desk.write).all()) == [gone], "as a restart finds it"


def test_what_nobody_decides_in_time_lapses_and_is_decided_by_nobody_after_that(desk: Desk) -> None:
    soon, never = (
        desk.book.propose(penalty("jia", "warn", author="li")._replace(until=until), NOON, "li", "x")[0]
        for until in (NOON + 7 * DAY, 0.0)
    )
    assert desk.book.lapse(NOON + 7 * DAY - 1) == []
    with pytest.raises(Impossible, match="penalty-1 was not decided in time and has lapsed: it must be proposed again"):
        desk.book.approve(soon.id, WANG, {"li", "wang"}, NOON + 7 * DAY, "wang")  # also before the gate has looked
    (late,) = desk.book.lapse(NOON + 9 * DAY)
    assert (late.id, late.state, late.ended) == (soon.id, "lapsed", NOON + 7 * DAY)
    assert (desk.book.waiting(), desk.book.lapse(NOON + 9 * DAY)) == ([never], [])


def test_what_a_rule_proposed_and_nobody_decided_is_asked_for_again_while_as_much_is_measured(desk: Desk) -> None:
    desk.sends(NOON, "jia", 10_000)
    desk.complains(NOON, "jia", 5)
    (asked,) = desk.due(NOON)
    draft = penalty("jia", "throttle", 0.5, 10, asked.trigger)._replace(until=NOON + DAY)
    desk.book.propose(draft, NOON, "rule", "")
    assert desk.due(NOON + DAY - 1) == []
    desk.book.lapse(NOON + DAY)
    assert [one.step.then for one in desk.due(NOON + DAY)] == ["throttle"], "nobody bore it, so it is no step up"
    assert desk.due(NOON + 31 * DAY) == [], "another month"


def test_orders_say_what_a_step_does(desk: Desk) -> None:
    made = penalty("jia", "throttle", 0.5)._replace(id=3, until=NOON + DAY)
    order = order_of(made, NOON)
    assert order is not None
    assert (order.kind, order.who, order.until) == ("throttle", "penalty-3", NOON + DAY)
    assert rate_shares([order, order._replace(scope=(("provider", ("jia", "yi")), ("share", ("0.25",))))]) == {
        "jia": 0.25,
        "yi": 0.25,
    }
    marketing, everything = (order_of(made._replace(step=step), NOON) for step in ("suspend-marketing", "suspend-all"))
    assert marketing is not None
    assert everything is not None
    assert dict(marketing.scope) == {"provider": ("jia",), "category": ("marketing",)}
    assert dict(everything.scope) == {"provider": ("jia",)}
    assert order_of(made._replace(step="warn"), NOON) is None


def test_layouts_of_the_journal() -> None:
    made = penalty("jia", "throttle", 0.5)._replace(id=3, since=NOON, until=NOON + 5, order=7, say="说", figure="f", appeal="a")
    assert unpack(Penalty, pack(made)) == made
    assert unpack(Penalty, pack(made._replace(figure_zh="量"))) == made._replace(figure_zh="量")
    apart = made._replace(by="signature", value="甲店", step="suspend-all")
    assert unpack(Penalty, pack(apart)) == apart
    assert unpack(Penalty, pack(apart._replace(provider="", by="advertiser"))).subject.words == "advertiser 甲店"
    signed = {("jia", "甲店"): HourCounts(1, 2, 3, {"keyword": 4}), ("yi", "甲店"): HourCounts()}
    assert unpack(HourBySignature, pack(HourBySignature(7200, signed))) == (7200, signed)
    hour = {"jia": HourCounts(1, 2, 3, {"keyword": 4}), "yi": HourCounts()}
    assert unpack(HourByProvider, pack(HourByProvider(7200, hour))) == (7200, hour)
    assert pack(made).hex()[:16] == "0000000000000003"
