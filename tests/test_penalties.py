"""Penalties and what triggers them, without a gate: counts, measures, the ladder, what a restart finds."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.approvals import Impossible
from proxy.desk import entries
from proxy.desk.penalized import Counts, Penalty, pack_hour, pack_penalty, unpack_hour, unpack_penalty
from proxy.penalties import PenaltyBook, order_of, shares
from proxy.policy import load, moments
from proxy.policy.penalties import Trigger
from proxy.roles import Asker, Role
from proxy.state.papers import Papers
from proxy.triggers import Hours, Proposal, due

NOON = moments.moment("2026-11-11 12:00")[0]
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
        self.triggers = load(folder).desk.triggers
        self.papers, self.hour_papers = Papers(), Papers()
        self.written: list[tuple[int, bytes]] = []
        self.book = PenaltyBook(self.papers, self.write)
        self.hours = Hours(self.hour_papers, self.write)
        self.valid: dict[str, list[float]] = {}
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

    def complains(self, at: float, provider: str, count: int) -> None:
        self.valid.setdefault(provider, []).extend([at] * count)

    def counted(self, provider: str, since: float, until: float) -> int:
        return sum(since <= at < until for at in self.valid.get(provider, ()))

    def due(self, at: float) -> list[Proposal]:
        found = due(self.triggers, ["jia", "yi"], self.hours, self.counted, self.book.of, at)
        return [one for one in found if one is not None]

    def proposed(self, at: float) -> list[tuple[str, str]]:
        """What is asked for, proposed and approved at once."""
        found = []
        for one in self.due(at):
            draft = penalty(one.provider, one.step.then, one.step.to, one.step.for_s, one.trigger)
            made, _ = self.book.propose(draft, at, "rule", one.figure)
            self.book.approve(made.id, LI, {"li", "wang"}, at, "li")
            found.append((one.provider, one.step.then))
        return found


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
    assert asked.figure.zh == "自 2026-11-01 00:00:00 起 10,000 条短信中有效投诉 3 件: 百万分之 300.00"
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


def test_a_restart_finds_the_same_counts_and_what_the_new_process_counts_is_added(desk: Desk) -> None:
    desk.sends(NOON, "jia", 100)
    fresh = Papers()
    for kind, body in desk.written:
        assert kind == entries.COUNTED
        fresh.put(unpack_hour(body)[0] // 3600, body)
    again = Hours(fresh, desk.write)
    again.take({("jia", "marketing", "allow", ""): 7}, {}, NOON + 60)
    assert again.of("jia", NOON, NOON + 1).sent == 107
    assert again.of("jia", NOON + HOUR, NOON + 2 * HOUR) == Counts()


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
    assert shares([order, order._replace(scope=(("provider", ("jia", "yi")), ("share", ("0.25",))))]) == {
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
    assert unpack_penalty(pack_penalty(made)) == made
    assert unpack_penalty(pack_penalty(made._replace(figure_zh="量"))) == made._replace(figure_zh="量")
    hour = {"jia": Counts(1, 2, 3, {"keyword": 4}), "yi": Counts()}
    assert unpack_hour(pack_hour(7200, hour)) == (7200, hour)
    assert pack_penalty(made).hex()[:16] == "0000000000000003"
