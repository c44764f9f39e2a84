"""Rules get the states of reply paths, and again when a decision changes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from proxy.desk.reply_paths.monitor import LOOK_S, PathStates
from proxy.policy.loading.load_rules import load
from proxy.policy.reply_paths import ReplyPath
from proxy.policy.ruleset import RuleSet
from proxy.relay.effects.reply_paths import ReplyPaths
from proxy.state.lists.desk_records import DeskRecords

NOON = 1_794_369_600.0
PREFIX, OTHER = "1069001", "1069002"
RULE = "rules:\n- {{id: closed, when: {{reply_path: {}}}, then: reject, reason: reply-path}}\n"
NOTHING = "rules:\n- {id: other, when: {category: marketing}, then: reject, reason: keyword}\n"


Make = Callable[[str], RuleSet]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def make(rules: str) -> RuleSet:
        (tmp_path / "x.yaml").write_text(rules)
        return load(tmp_path)

    return make


class Gate:
    def __init__(self, *prefixes: str) -> None:
        self.clock = NOON
        owners = dict.fromkeys(prefixes or (PREFIX, OTHER), "jia")
        self.relay: Any = SimpleNamespace(directory=SimpleNamespace(ports=SimpleNamespace(owners=owners)))
        self.book = ReplyPaths(DeskRecords(), lambda records: 1)
        self.obeyed = 0
        gate: Any = self
        self.states = PathStates(gate, self.book, self.obey)

    def now(self) -> float:
        return self.clock

    def obey(self) -> None:
        self.obeyed += 1

    def advertise(self, count: int, prefix: str = PREFIX) -> None:
        self.book.advertised({(prefix, "TD"): count}, self.clock)

    def looks(self, rounds: int = 3) -> None:
        self.clock += LOOK_S
        for _ in range(rounds):
            self.states.tick(self.clock, self.clock)


def test_rules_that_do_not_ask_are_given_nothing_and_nothing_is_looked_at(make: Make) -> None:
    gate = Gate()
    gate.book.state_of = None  # type: ignore[assignment,method-assign] # whoever calls it fails
    assert gate.states.of([make(NOTHING)]) is None
    gate.looks()
    gate.states.look(PREFIX, NOON)
    assert gate.obeyed == 0


def test_a_set_that_begins_to_ask_is_given_the_states_at_once(make: Make) -> None:
    gate = Gate()
    gate.book.probed(PREFIX, NOON, ok=False)
    assert gate.states.of([make(RULE.format("dead"))]) == {PREFIX: ReplyPath("dead")}


def test_rules_are_made_anew_when_a_state_they_name_begins_or_ends_and_not_before(make: Make) -> None:
    gate = Gate()
    sets = [make(RULE.format("[dead, {unproven: {after: 100}}]"))]
    assert gate.states.of(sets) == {}
    gate.advertise(99)
    gate.looks()
    assert gate.obeyed == 0, "as for an unused port"
    gate.advertise(1)
    gate.looks()
    assert (gate.obeyed, gate.states.of(sets)) == (1, {PREFIX: ReplyPath("unproven", 100)})
    gate.advertise(5000)
    gate.looks()
    assert gate.obeyed == 1, "it is refused all the same"
    gate.book.replied(PREFIX, "TD", gate.clock)
    gate.states.look(PREFIX, gate.clock)
    assert (gate.obeyed, gate.states.of(sets)) == (2, {PREFIX: ReplyPath("proven")})


def test_what_rules_were_given_before_stays_as_it_was(make: Make) -> None:
    gate = Gate()
    sets = [make(RULE.format("dead"))]
    before = gate.states.of(sets)
    gate.book.probed(OTHER, NOON, ok=False)
    gate.states.look(OTHER, NOON)
    assert (before, gate.states.of(sets)) == ({}, {OTHER: ReplyPath("dead")})


def test_a_set_that_waits_for_approval_is_given_the_states_that_it_asks_for(make: Make) -> None:
    gate = Gate()
    sets = [make(NOTHING), make(RULE.format("dead"))]
    assert gate.states.of(sets) == {}
    gate.book.probed(PREFIX, NOON, ok=False)
    gate.states.look(PREFIX, NOON)
    assert gate.states.of(sets) == {PREFIX: ReplyPath("dead")}
    assert gate.states.of(sets[:1]) is None


def test_many_prefixes_are_looked_through_a_piece_a_tick(make: Make) -> None:
    prefixes = [str(1069000000 + number) for number in range(1000)]
    gate = Gate(*prefixes)
    sets = [make(RULE.format("{unproven: {after: 1}}"))]
    gate.states.of(sets)
    gate.advertise(1, prefixes[-1])
    gate.looks(rounds=9)
    assert gate.obeyed == 0
    gate.states.tick(gate.clock, gate.clock)
    assert gate.obeyed == 1


def test_a_round_that_takes_longer_than_the_next_one_is_due_comes_to_its_end(make: Make) -> None:
    prefixes = [str(1069000000 + number) for number in range(1000)]
    gate = Gate(*prefixes)
    gate.states.of([make(RULE.format("{unproven: {after: 1}}"))])
    gate.advertise(1, prefixes[-1])
    for _ in range(10):
        gate.looks(rounds=1)
    assert gate.obeyed == 1


def test_what_another_gate_told_is_looked_at_with_the_next_tick(make: Make) -> None:
    gate = Gate()
    gate.states.of([make(RULE.format("dead"))])
    gate.looks()
    gate.book.probed(PREFIX, gate.clock, ok=False)
    gate.states.tick(gate.clock, gate.clock + 1)
    assert gate.obeyed == 0
    gate.states.soon()
    gate.states.tick(gate.clock, gate.clock + 1)
    assert gate.obeyed == 1
