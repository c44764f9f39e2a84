"""A set that enforces much less than the last settled one is kept out; the sentence names what is lost."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from proxy.desk.revisions.comparison import SETTLED_S, LostRules, lost_rules
from proxy.desk.revisions.rule_revisions import RevisionHistory
from proxy.journal.records.revisions import Revised
from proxy.policy.loading.load_rules import Loaded, load_all
from proxy.policy.time_windows import moment
from proxy.state.lists.desk_records import RuleHistory

NOW = moment("2026-12-01 12:00")[0]
PROVINCES = ("上海", "天津", "河北", "山西", "江苏", "浙江", "安徽", "福建", "江西", "山东")
PENALTY = """
penalties:
  - {id: complaint-rate, watch: complaints, per: 30d, steps: [{above: 1, then: warn}]}
"""

Compare = Callable[..., LostRules]


def ban(name: str, province: str, **more: str) -> str:
    extra = "".join(f", {key}: {value}" for key, value in more.items())
    return f"  - {{id: {name}, when: {{province: {province}}}, then: reject, reason: region-ban{extra}}}\n"


BANS = [ban(f"ban-{number}", name) for number, name in enumerate(PROVINCES)]
WORDS = "  - {id: words, when: {text: {words: [赌博]}}, then: reject, reason: keyword}\n"
TEN = "rules:\n" + "".join(BANS)


@pytest.fixture
def compare(tmp_path: Path) -> Compare:
    """What is lost from one set of files to another."""

    def loaded(name: str, files: Mapping[str, str]) -> Loaded:
        folder = tmp_path / name
        folder.mkdir()
        for file, text in files.items():
            (folder / file).write_text(text)
        return load_all(folder)

    def made(before: Mapping[str, str] | str, after: Mapping[str, str] | str) -> LostRules:
        sets = [{"rules.yaml": one} if isinstance(one, str) else one for one in (before, after)]
        return lost_rules(loaded("before", sets[0]), loaded("after", sets[1]), NOW)

    return made


def test_an_empty_folder_loses_everything(compare: Compare) -> None:
    lost = compare(TEN + WORDS, {})
    assert (len(lost.rules), lost.of, lost.reasons, lost.needs_approval) == (11, 11, ("keyword", "region-ban"), True)
    assert str(lost).startswith("11 of 11 enforced rules are lost (ban-0, ban-1")
    assert "no rule is left for keyword, region-ban" in str(lost)
    assert "files gone: rules.yaml" in str(lost)


def test_one_of_ten_may_go(compare: Compare) -> None:
    assert not compare(TEN, "rules:\n" + "".join(BANS[1:])).needs_approval


def test_two_of_ten_may_not_go(compare: Compare) -> None:
    lost = compare(TEN, "rules:\n" + "".join(BANS[2:]))
    assert lost.needs_approval
    assert str(lost) == "2 of 10 enforced rules are lost (ban-0, ban-1)"


@pytest.mark.parametrize("mode", ["off", "shadow"])
def test_a_rule_that_is_off_or_in_shadow_is_lost(compare: Compare, mode: str) -> None:
    weaker = "rules:\n" + ban("ban-0", "上海", mode=mode) + ban("ban-1", "天津", mode=mode) + "".join(BANS[2:])
    assert compare(TEN, weaker).rules == ("ban-0", "ban-1")


@pytest.mark.parametrize(
    ("before", "after", "smaller"),
    [
        ({}, {"mode": "shadow", "enforce": "10%"}, "ban-0 100% → 10%"),
        ({"mode": "shadow", "enforce": "25%"}, {"mode": "shadow", "enforce": "10%"}, "ban-0 25% → 10%"),
        ({"mode": "shadow", "enforce": "10%"}, {"mode": "shadow"}, None),
        ({"mode": "shadow", "enforce": "10%"}, {"mode": "off"}, None),
    ],
)
def test_a_smaller_share_of_recipients_is_lost(
    compare: Compare, before: dict[str, str], after: dict[str, str], smaller: str | None
) -> None:
    lost = compare("rules:\n" + ban("ban-0", "上海", **before), "rules:\n" + ban("ban-0", "上海", **after))
    assert (lost.rules, lost.of, lost.needs_approval) == (("ban-0",), 1, True)
    assert lost.smaller == ((smaller,) if smaller else ())
    assert ("enforced for fewer recipients" in str(lost)) is (smaller is not None)
    assert lost.reasons == (() if smaller else ("region-ban",))


@pytest.mark.parametrize("after", [{"mode": "shadow", "enforce": "10%"}, {"mode": "shadow", "enforce": "60%"}, {}])
def test_a_share_that_is_the_same_or_larger_is_not_lost(compare: Compare, after: dict[str, str]) -> None:
    before = "rules:\n" + ban("ban-0", "上海", mode="shadow", enforce="10%")
    assert compare(before, "rules:\n" + ban("ban-0", "上海", **after)).rules == ()


def test_a_whole_set_in_shadow_is_lost(compare: Compare) -> None:
    assert len(compare(TEN, "mode: shadow\n" + TEN).rules) == 10


def test_a_rule_under_trial_is_not_enforced_yet(compare: Compare) -> None:
    tried = ban("ban-0", "上海", trial="{until: 2026-12-05}") + ban("ban-1", "天津", trial="{until: 2026-11-05}")
    assert compare(TEN, "rules:\n" + tried + "".join(BANS[2:])).rules == ("ban-0",)


def test_the_last_rule_of_a_reason_may_not_go(compare: Compare) -> None:
    lost = compare(TEN + WORDS, TEN)
    assert (lost.rules, lost.reasons, lost.needs_approval) == (("words",), ("keyword",), True)


def test_what_has_expired_counts_nowhere(compare: Compare) -> None:
    over = ban("ban-0", "上海", active="{to: 2026-11-12}") + ban("ban-1", "天津", active="{to: 2026-11-12}")
    lost = compare("rules:\n" + over + "".join(BANS[2:]), "rules:\n" + "".join(BANS[2:]))
    assert (lost.rules, lost.of, str(lost)) == ((), 8, "")


def test_a_rule_that_expired_in_the_new_set_is_lost(compare: Compare) -> None:
    over = ban("ban-0", "上海", active="{to: 2026-11-12}") + ban("ban-1", "天津", active="{to: 2026-11-12}")
    assert compare(TEN, "rules:\n" + over + "".join(BANS[2:])).rules == ("ban-0", "ban-1")


def test_a_rule_that_begins_later_is_enforced(compare: Compare) -> None:
    later = ban("ban-0", "上海", active="{from: 2026-12-24}")
    assert compare(TEN, "rules:\n" + later + "".join(BANS[1:])).rules == ()


def test_more_rules_or_exemptions_less_lose_nothing(compare: Compare) -> None:
    exempt = "  - {id: free, exempt: true, when: {declared: otp}}\n"
    assert str(compare(TEN + exempt, TEN + WORDS)) == ""


def test_a_lost_penalty_and_a_file_that_is_gone_are_named(compare: Compare) -> None:
    lost = compare({"rules.yaml": TEN, "providers.yaml": PENALTY}, TEN)
    assert (lost.rules, lost.files, lost.needs_approval) == (("complaint-rate",), ("providers.yaml",), False)


def test_a_file_without_enforced_rules_is_noticed_when_it_is_gone(compare: Compare) -> None:
    lost = compare({"rules.yaml": TEN, "consent.yaml": "rules:\n" + ban("ask", "上海", mode="off")}, TEN)
    assert (str(lost), lost.needs_approval) == ("files gone: consent.yaml", False)


class Past(RevisionHistory):
    def __init__(self, *events: tuple[float, str, str, str]) -> None:
        super().__init__(RuleHistory())
        for place, (minutes, event, how, in_force) in enumerate(events):
            self.note(place, Revised(minutes * 60, event, in_force, "li", how, "", (), in_force, "", "", ""))

    def compared(self, minutes: float) -> str:
        return self.settled(minutes * 60, SETTLED_S)


@pytest.mark.parametrize(
    ("events", "minutes", "with_what"),
    [
        ([(0, "accepted", "first start", "a")], 1, "a"),
        ([(0, "accepted", "first start", "a"), (90, "accepted", "files", "b")], 91, "a"),
        ([(0, "accepted", "first start", "a"), (90, "accepted", "files", "b")], 149, "a"),
        ([(0, "accepted", "first start", "a"), (90, "accepted", "files", "b")], 150, "b"),
        ([(0, "accepted", "first start", "a"), (90, "accepted", "files", "b"), (91, "accepted", "files", "c")], 92, "a"),
        ([(0, "accepted", "first start", "a"), (90, "accepted", "files", "b"), (91, "accepted", "command", "c")], 92, "c"),
        ([(0, "accepted", "first start", "a"), (90, "rolled-back", "command", "b")], 91, "b"),
        ([(0, "accepted", "first start", "a"), (90, "approved", "command", "b"), (91, "kept-out", "files", "b")], 92, "b"),
    ],
)
def test_sets_are_compared_with_the_last_settled_one(
    events: list[tuple[float, str, str, str]], minutes: float, with_what: str
) -> None:
    """Not with one that a copy left for a moment, file by file."""
    assert Past(*events).compared(minutes) == with_what
