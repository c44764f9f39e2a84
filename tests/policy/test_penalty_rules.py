"""Penalties in rules files: they are read as meant, and a mistake teaches its author."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from proxy.policy.loading.check import check
from proxy.policy.loading.load_rules import load
from proxy.policy.loading.problem import RulesError
from tests.policy.catalogue import WITH_THE_DESK

GOOD = "{id: a, watch: complaints, per: month, steps: {above: 1, then: warn}}"


def read(folder: Path, text: str):
    (folder / "x.yaml").write_text(text, encoding="utf-8")
    return load(folder).desk


def one(text: str) -> str:
    return f"penalties:\n  - {text}\n"


@pytest.mark.parametrize("need", WITH_THE_DESK)
def test_a_need_of_the_catalogue_can_be_said(need: str, tmp_path: Path) -> None:
    (trigger,) = read(tmp_path, one(WITH_THE_DESK[need])).triggers
    assert trigger.id == need
    assert check(tmp_path).problems == []


def test_nothing_said_is_five_and_fifteen_days_and_no_trigger(tmp_path: Path) -> None:
    desk = read(tmp_path, "rules: []")
    assert (desk.triggers, desk.forward_days, desk.answer_days) == ((), 5, 15)
    assert read(tmp_path, "complaints: {forward: 3}").forward_days == 3


@pytest.mark.parametrize(("said", "days"), [("", 7), ("lapses: 3d, ", 3), ("approval: second-person, lapses: 60d, ", 60)])
def test_a_proposal_lapses_after_a_week_if_nothing_else_is_said(tmp_path: Path, said: str, days: int) -> None:
    (trigger,) = read(tmp_path, one(GOOD.replace("{id", "{" + said + "id"))).triggers
    assert trigger.lapses_s == days * 86_400


def test_a_penalty_that_is_off_is_none_and_other_orders_beside_change_nothing(tmp_path: Path) -> None:
    assert read(tmp_path, one(GOOD.replace("{id", "{mode: off, id"))).triggers == ()
    (tmp_path / "x.yaml").write_text(one(GOOD))
    rules = load(tmp_path)
    assert rules.with_orders(()).desk is rules.desk


MISTAKES = [
    (one("{watch: complaints}"), "2: penalty: 'id' is missing"),
    (one(GOOD.replace("complaints", "complaint")), "2: watch: unknown value 'complaint' (did you mean 'complaints'?)"),
    (one(GOOD.replace("per: month", "per: 90m")), "2: per: must be whole hours, at most 31d: it is counted by the hour"),
    (one(GOOD.replace("per: month", "per: minute")), "2: per: 'minute' is no duration (like 59s, 30m, 24h, 7d)"),
    (one(GOOD.replace("then: warn", "then: fine")), "2: then: unknown value 'fine' (one of warn, throttle, suspend-marketing, suspend-all)"),
    (one(GOOD.replace("then: warn", "then: throttle, for: 1d")), "2: to: says what a throttle leaves of the provider's rate (to: 0.5), other steps have none"),
    (one(GOOD.replace("then: warn", "then: throttle, to: 2, for: 1d")), "2: to: must be a share from 0.01 to 0.99, not '2'"),
    (one(GOOD.replace("then: warn", "then: suspend-all")), "2: for: says how long (for: 30d); a warning has none, every other step needs it"),
    (one(GOOD.replace("then: warn", "then: warn, for: 3d")), "2: for: says how long (for: 30d); a warning has none, every other step needs it"),
    (one(GOOD.replace("above: 1", "above: many")), "2: above: must be a number from 0 on, not 'many'"),
    (one(GOOD.replace("{above: 1, then: warn}", "[{above: 2, then: warn}, {above: 1, then: warn}]")), "2: steps: must go from a small measure to a greater, and from a mild step to a severe"),
    (one(GOOD.replace("{above: 1, then: warn}", "[{above: 1, then: suspend-all, for: 1d}, {above: 2, then: warn}]")), "2: steps: must go from a small measure to a greater, and from a mild step to a severe"),
    (one(GOOD.replace("{above: 1, then: warn}", "[]")), "2: steps: an empty list penalizes nobody"),
    (one(GOOD.replace("complaints", "refusals")), "2: reasons: says which refusals are counted; watch: refusals needs it, others have none"),
    (one(GOOD.replace("complaints", "refusals, reasons: [keywort]")), "2: reasons: unknown reason 'keywort' (did you mean 'keyword'?)"),
    (one(GOOD.replace("complaints", "spike")), "2: against: says with how long before a spike is compared; watch: spike needs it, others have none"),
    (one(GOOD.replace("watch: complaints, per: month", "watch: spike, per: 3h, against: 2h")), "2: against: must be longer than per"),
    (one(GOOD.replace("watch: complaints", "watch: reply-paths, states: [daed]")), "2: states: unknown state 'daed' (did you mean 'dead'?)"),
    (one(GOOD.replace("watch: complaints", "watch: reply-paths, states: [unproven]")), "2: states: unknown state 'unproven' (one of dead, silent)"),
    (one(GOOD.replace("watch: complaints", "watch: optouts, states: [dead]")), "2: states: says which reply paths are counted: only watch: reply-paths has it"),
    (one(GOOD.replace("watch: complaints, per: month", "watch: reply-paths, per: 1d, by: signature")), "2: by: signature: a port is its provider's: watch: reply-paths counts by provider"),
    (one(GOOD.replace("{id", "{again: {then: suspend-all}, id")), "2: again: 'within' is missing (like within: 90d)"),
    (one(GOOD.replace("{id", "{least: {messages: 3}, id")), "2: least: unknown key 'messages' (one of sent, count)"),
    (one(GOOD.replace("{id", "{aproval: none, id")), "2: penalty: unknown key 'aproval' (did you mean 'approval'?)"),
    (one(GOOD.replace("{id", "{approval: none, lapses: 3d, id")), "2: lapses: with approval: none it waits for nobody"),
    (one(GOOD.replace("{id", "{by: signatures, id")), "2: by: unknown value 'signatures' (did you mean 'signature'?)"),
    (one(GOOD.replace("{id", "{by: signature, id")), "2: by: signature: is counted over at most 7d"),
    (one(GOOD.replace("per: month", "per: 7d, by: advertiser, provider: jia")), "2: provider: by: advertiser counts over all providers"),
    (one(GOOD.replace("per: month", "per: 7d, by: signature").replace("then: warn", "then: throttle, to: 0.5, for: 1d")), "2: then: only all of a provider's messages have a rate to throttle: by: signature warns or suspends"),
    (one(GOOD.replace("{id", "{lapses: soon, id")), "2: lapses: 'soon' is no duration (like 59s, 30m, 24h, 7d)"),
    (f"penalties:\n  - {GOOD}\n  - {GOOD}\n", "3: id: 'a' is taken already (rules/x.yaml:2)"),
    ("complaints: {forward: 20}", "1: complaints: forwarded within 20 working days, but answered within 15"),
    ("complaints: {answer: 0}", "1: complaints: answer: must be a whole number from 1 to 60, not '0'"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "says"), MISTAKES, ids=lambda text: text.split("\n")[-1][:40])
def test_a_mistake_is_told_with_its_line(text: str, says: str, tmp_path: Path) -> None:
    folder = tmp_path / "rules"
    folder.mkdir()
    with pytest.raises(RulesError) as caught:
        read(folder, text)
    assert str(caught.value) == f"rules/x.yaml:{says}"


def test_a_provider_that_the_settings_do_not_name_is_found(tmp_path: Path) -> None:
    folder = tmp_path / "rules"
    folder.mkdir()
    (folder / "x.yaml").write_text(one(GOOD.replace("{id", "{provider: [jai], id")))
    jia: Any = SimpleNamespace(name="jia", accounts=(), ports=(), since=0.0, category=None)
    assert [str(problem) for problem in check(folder, [jia]).problems] == [
        "rules/x.yaml:2: provider: unknown provider 'jai' (did you mean 'jia'?); the settings do not name it"
    ]
