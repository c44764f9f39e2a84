"""The past of rules and sets follows from the gate's events."""

from __future__ import annotations

from typing import Any

from proxy.desk.revisions.comparison import OVER, changed, compared, earlier, how_many, in_words, named, new_problems, past

OLD, NEW, THIRD = "0" * 16, "1" * 16, "2" * 16


def event(
    time: float, what: str, revision: str, in_force: str, *changes: str, who: str = "chen (uid 0, pid 1)"
) -> dict[str, Any]:
    return {"time": time, "event": what, "revision": revision, "who": who, "how": "push", "why": "", "changes": list(changes), "in_force": in_force}  # fmt: skip


EVENTS = [
    event(5, "rolled-back", OLD, OLD, "rule ban: removed", who="lin"),
    event(4, "approved", NEW, NEW, who="lin"),
    event(3, "proposed", NEW, OLD, "rule ban: added", "regions.yaml: changed, 45 → 55 lines"),
    event(2, "rejected", THIRD, OLD, who="lin"),
    event(1, "proposed", THIRD, OLD, "rule ban: added", "rule ban-2: added"),
    event(0, "accepted", OLD, OLD, "rule cap: added"),
]


def test_changes_that_an_event_does_not_list_are_counted() -> None:
    said = ["rule a: added", "rule … 1,033 more added", "files … 2 more changed", "caps.yaml: changed, 1 → 2 lines"]
    assert how_many(map(in_words, said)) == 1037


def test_of_a_rule_each_change_is_told_with_what_became_of_it() -> None:
    told = [(one["time"], one["said"], one["decided"] and one["decided"]["event"]) for one in past(EVENTS, "ban")]
    assert told == [(5, "removed", None), (3, "added", "approved"), (1, "added", "rejected")]
    assert [one["said"] for one in past(EVENTS, "ban-2")] == ["added"]
    assert past(EVENTS, "regions.yaml") == [], "a file is no rule"


def test_an_event_is_compared_with_what_was_in_force_before_it() -> None:
    assert [one["before"] for one in compared(EVENTS)] == [NEW, OLD, OLD, OLD, OLD, ""]


def test_a_set_to_go_back_to_is_called_what_brought_it_and_not_what_replaced_it() -> None:
    def told(in_force: str, events: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
        return [
            (one["revision"], one["since"], one["until"], one["who"].partition(" (")[0], one["why"], one["change"]["name"])
            for one in earlier(events, in_force)
        ]

    named = [{**one, "why": {3: "17:40 notice", 0: ""}.get(one["time"], "")} for one in EVENTS]
    assert told(OLD, named) == [(NEW, 4, 5, "chen", "17:40 notice", "ban")]
    assert told(NEW, named[1:]) == [(OLD, 0, 4, "chen", "", "cap")]
    back = [event(7, "rolled-back", NEW, NEW, who="lin"), event(6, "proposed", THIRD, OLD), *named]
    assert told(NEW, back) == [(OLD, 5, 7, "chen", "", "cap")], "nor what was proposed while it was in force, nor the rollback"
    assert THIRD not in {one["revision"] for one in earlier(EVENTS, NEW)}, "it never was in force"


def test_a_change_is_put_into_words_and_what_is_none_stays_as_it_is() -> None:
    assert in_words("lists/banned.txt: changed, 1,000 → 1,020 lines") == {
        "name": "lists/banned.txt", "how": "changed", "lines": "1,000 → 1,020", "rule": "", "share": "",
    }  # fmt: skip
    assert in_words("rule night: changed, enforced 10% → 12.5%") == {
        "name": "night", "how": "changed", "lines": "", "rule": "rule ", "share": "10% → 12.5%",
    }  # fmt: skip
    assert in_words("rule … 7 more added")["how"] == ""


def test_rules_are_new_other_or_gone() -> None:
    def rule(name: str, text: str) -> dict[str, str]:
        return {"rule": name, "text": text}

    found = changed([rule("a", "1"), rule("b", "1"), rule("c", "1")], [rule("a", "1"), rule("b", "2"), rule("d", "1")])
    assert [(one["rule"], one["how"]) for one in found] == [("d", "added"), ("b", "changed"), ("c", "removed")]


def test_a_problem_that_only_moved_is_not_new() -> None:
    before = {"problems": [["rules/a.yaml", 7, "x"]], "warnings": []}
    after = {"problems": [["rules/a.yaml", 9, "x"], ["rules/a.yaml", 1, "y"]], "warnings": []}
    assert new_problems(before, after) == [["rules/a.yaml", 1, "y"]]


def test_of_warnings_only_a_rule_whose_days_are_over_is_a_problem_of_a_draft() -> None:
    gone = ["rules/a.yaml", 3, "rule 'feast' does not apply any more: its days are over (drop it, or switch it off)"]
    after = {"problems": [], "warnings": [["rules/a.yaml", 1, "rule 'feast' has no test (…)"], gone]}
    assert new_problems({"problems": [], "warnings": []}, after) == [gone]
    assert named(OVER, after["warnings"]) == {"feast"}
