"""Journals of several gates are judged again side by side.

A person is one person over all of them, and replicated facts happened once.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.desk.backtest import result_text
from proxy.desk.backtest.commit_groups import JournalGroup, merge_by_time
from proxy.desk.backtest.environment import KnownProvider
from proxy.desk.backtest.runner import BacktestRequest, BacktestResult, backtest
from proxy.journal.encoding import pack
from proxy.journal.records import gate_events, messages
from proxy.journal.records.delivers import OptedOut, Restored
from proxy.journal.records.gate_events import ReplicatedRecord
from proxy.journal.segment import JournalRecord
from proxy.model.message import Category
from proxy.model.recipient import OptOut
from proxy.state.record import record
from tests.harness import RULES, SHANGHAI, Harness

AD = "【测试】双11好礼, 满100减50 拒收请回复R"
KNOWN = dict.fromkeys(("jia", "yi"), KnownProvider(Category.MARKETING))


class Two:
    """Nodes 0 and 1, and one clock."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        one = Harness(folder)
        self.gates = one, Harness(folder, beside=one)
        for gate in self.gates:
            rules = gate.relay.rules
            self.writes(
                gate, messages.RULES, pack(gate_events.Rules(gate.now, rules.revision, tuple(rule.id for rule in rules.rules)))
            )

    def later(self, seconds: float = 70.0) -> None:
        for gate in self.gates:
            gate.now += seconds

    def sends(self, node: int, person: int) -> int:
        """The status that the provider gets."""
        self.later()
        gate = self.gates[node]
        gate.relay.refusals.clear()
        gate.submit("jia", person, AD)
        return next((one.command_status for one in gate.told("jia")), 0)

    def writes(self, gate: Harness, kind: int, body: bytes) -> None:
        gate.journal.append(kind, body)
        gate.journal.write(gate.now)

    def hears(self, node: int, place: int, who: int, kind: int, body: bytes) -> None:
        """``who`` told it, as the log's record ``place``."""
        gate = self.gates[node]
        self.writes(gate, messages.HEARD, pack(ReplicatedRecord(gate.now, (1, place), who, place, kind, body)))

    def refuses(self, person: int) -> bytes:
        """... all marketing: what a journal says of it."""
        refusal = OptOut("all", "", int(self.gates[0].now), "reply", 0)
        self.gates[0].store.update(person, lambda data: record.opt_out(data, refusal))
        return pack(OptedOut(self.gates[0].now, person, refusal))

    def takes_back(self, person: int) -> bytes:
        store = self.gates[0].store
        (refusal,) = record.opt_outs(store.load_now([person])[person][1])
        store.update(person, lambda data: record.restore(data, refusal))
        return pack(Restored(self.gates[0].now, person, "", "", "", (refusal,)))

    def asked(self, rules: str = RULES, nodes: tuple[int, ...] = (0, 1), last_s: float = 0.0) -> BacktestResult:
        folders = []
        for node in nodes:
            folders.append((self.folder / f"node-{node}", node))
            shutil.rmtree(folders[-1][0], ignore_errors=True)
            folders[-1][0].mkdir()
            for name in (disk := self.gates[node].disk).list():
                (folders[-1][0] / name).write_bytes(disk.read(name))
        other = self.folder / f"other-{len(list(self.folder.iterdir()))}"
        other.mkdir()
        (other / "rules.yaml").write_text(rules, encoding="utf-8")
        return backtest(BacktestRequest(tuple(folders), other, None, KNOWN, None, last_s, self.gates[0].now + 1e6))


@pytest.fixture
def two(tmp_path: Path) -> Two:
    return Two(tmp_path)


def lower(count: int) -> str:
    return RULES.replace("count: 3", f"count: {count}")


def test_turns_come_by_time_and_each_gates_in_its_own_order_though_its_clock_was_set_back() -> None:
    def journal(node: int, *times: float) -> Iterator[JournalGroup]:
        return (JournalGroup(at, [JournalRecord(place, node, b"")]) for place, at in enumerate(times))

    found = [(whose, group.time) for whose, group in merge_by_time([journal(0, 1.0, 4.0, 2.0, 5.0), journal(1, 3.0, 4.5, 6.0)])]
    assert found == [(0, 1.0), (1, 3.0), (0, 4.0), (0, 2.0), (1, 4.5), (0, 5.0), (1, 6.0)]


def test_what_a_person_got_from_each_gate_counts_together(two: Two) -> None:
    statuses = [two.sends(node, SHANGHAI) for node in (0, 1, 0, 1, 0, 1)]
    assert [status != 0 for status in statuses] == [False, False, False, True, True, True]
    answer = two.asked()
    assert (answer.same, answer.differences.messages, answer.differences.total) == (True, 6, 0)
    assert list(result_text.notes(answer)) == []
    lowered = two.asked(lower(2))
    assert result_text.as_dict(lowered)["newly_refused"]["by_rule"] == {"cap": 1}
    raised = two.asked(lower(5))
    assert result_text.as_dict(raised)["newly_allowed"]["total"] == 2
    alone = two.asked(nodes=(1,))
    assert alone.differences.total == 2, "what the other gate sent is not in its journal"


def test_it_begins_in_the_middle_with_what_all_of_them_had_sent(two: Two) -> None:
    for node in (0, 1, 0):
        two.sends(node, SHANGHAI)
    two.later(3600)
    for node in (1, 0):
        assert two.sends(node, SHANGHAI) != 0
    found = two.asked(last_s=600.0)
    assert (found.differences.messages, found.differences.total) == (2, 0)
    assert result_text.as_dict(two.asked(lower(4), last_s=600.0))["newly_allowed"]["total"] == 1


def test_counters_over_people_are_one_over_all_gates(two: Two) -> None:
    for place in range(6):
        assert two.sends(place % 2, SHANGHAI + place) == 0
    quota = RULES + "  - {id: quota, limit: {count: 4, per: day, key: [provider]}, then: reject, reason: provider-quota}\n"
    for last_s in (0.0, 180.0):  # by what was sent before, too
        found = result_text.as_dict(two.asked(quota, last_s=last_s))
        assert found["newly_refused"]["by_rule"] == {"quota": 2}, last_s


def test_what_one_gate_told_the_other_is_not_done_again_when_that_heard_it(two: Two) -> None:
    """It was down, and heard of both long after."""
    refused = two.refuses(SHANGHAI)
    two.writes(two.gates[0], messages.OPTOUT, refused)
    assert two.sends(0, SHANGHAI) != 0
    back = two.takes_back(SHANGHAI)
    two.writes(two.gates[0], messages.RESTORED, back)
    assert two.sends(0, SHANGHAI) == 0
    two.hears(1, 1, 0, messages.OPTOUT, refused)
    assert two.sends(0, SHANGHAI) == 0, "the store's record knows better"
    two.hears(1, 2, 0, messages.RESTORED, back)
    assert two.sends(1, SHANGHAI) == 0
    for last_s in (0.0, 100.0):
        answer = two.asked(last_s=last_s)
        assert (answer.same, answer.differences.total) == (True, 0), last_s


def test_what_a_gate_told_whose_journal_is_not_here_happened_when_the_first_heard_it(two: Two) -> None:
    refused = two.refuses(SHANGHAI)
    two.hears(0, 1, 7, messages.OPTOUT, refused)
    assert two.sends(0, SHANGHAI) != 0
    back = two.takes_back(SHANGHAI)
    two.hears(0, 2, 7, messages.RESTORED, back)
    two.later()
    two.hears(1, 1, 7, messages.OPTOUT, refused)
    assert two.sends(0, SHANGHAI) == 0
    two.hears(1, 2, 7, messages.RESTORED, back)
    assert two.sends(1, SHANGHAI) == 0
    for last_s in (0.0, 100.0):
        answer = two.asked(last_s=last_s)
        assert (answer.same, answer.differences.messages, answer.differences.total) == (True, 3 if not last_s else 2, 0)


def test_a_gate_that_is_started_anew_forgets_nothing_of_the_other(two: Two) -> None:
    two.sends(1, SHANGHAI)
    two.sends(0, SHANGHAI)
    two.later(700.0)  # nobody may stand in any more for what nobody answered
    two.writes(two.gates[0], messages.START, pack(gate_events.Start(two.gates[0].now, 0)))
    for node in (1, 0):
        two.sends(node, SHANGHAI)
    assert two.asked().differences.total == 0


def test_where_the_oldest_of_one_journal_is_gone_only_what_all_have_is_judged(two: Two) -> None:
    two.sends(0, SHANGHAI)
    two.later(3 * 86_400)
    two.sends(0, SHANGHAI + 1)
    two.sends(1, SHANGHAI + 1)
    whole = two.asked()
    assert (whole.whole, whole.differences.messages) == (True, 3)
    assert len(two.gates[1].disk.list()) == 2
    two.gates[1].disk.remove(two.gates[1].disk.list()[0])
    cut = two.asked()
    assert (cut.whole, cut.differences.messages) == (False, 1)
    assert cut.since > whole.since
    assert "what people refused before is not known here" in "".join(result_text.notes(cut))
