"""Submits above the rate of a provider with ``over_rate: pace`` wait before they are judged."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from proxy.config import Account, Provider
from proxy.model.message import Category
from proxy.model.recipient import OptOut
from proxy.policy.loading.load_rules import load
from proxy.relay.account_access import Directory
from proxy.state.record import record
from proxy.wire import read_fields, submit_sm, submit_sm_resp
from proxy.wire.builders import pdu
from proxy.wire.tables import ESM_UDHI, QUERY_SM
from tests.harness import SHANGHAI, Bind, Harness
from tests.pdus import multi, multi_resp

THROTTLED, QUEUE_FULL, NOT_MINE, TOO_LONG = 0x58, 0x14, 0x0A, 0x01
TEXT = "【测试】双11券 拒收请回复R"
TPS = 8


def udh(reference: int, total: int, index: int) -> bytes:
    return bytes((5, 0, 3, reference, total, index))


class Paced(Harness):
    """A gate whose providers are paced, with a timer."""

    def __init__(self, folder: Path, *, tps: float = TPS, over_rate: str = "pace", **more: Any) -> None:
        super().__init__(folder, tps=tps, over_rate=over_rate, **more)
        self.waits = 0
        self.sequence = 0

        def began() -> None:
            self.waits += 1

        self.relay.on_wait = began

    def send(self, many: int = 1, *, name: str = "jia", to: int = 0, text: str = TEXT) -> None:
        for _ in range(many):
            self.sequence += 1
            self.submit(name, to or SHANGHAI + self.sequence, text, sequence=self.sequence)

    def part(self, index: int, total: int = 2, *, reference: int = 7, bind: str = "jia", to: int = SHANGHAI) -> None:
        self.sequence += 1
        body = udh(reference, total, index) + (f"{TEXT}{index}").encode("utf-16-be")
        self.sends(bind, submit_sm("1069001", str(to), body, data_coding=8, esm_class=ESM_UDHI, sequence=self.sequence))

    def wait(self, seconds: float) -> None:
        """Time passes; the timer fires when it is due."""
        then = self.now + seconds
        while (due := self.relay.release_s) is not None and due <= then:
            self.now = max(due + 1e-6, self.now)
            self.relay.release(self.now)
            self.turn()
        self.now = max(self.now, then)
        self.relay.due(self.now)
        self.turn()

    def statuses(self, name: str = "jia") -> list[tuple[int, int]]:
        """(sequence, status) of what a provider was answered since the last look."""
        return [(one.sequence_number, one.command_status) for one in self.told(name)]

    def carrier_takes_all(self) -> int:
        """The carrier accepts what has left; returns how many."""
        left = self.at_carrier()
        for place, pending in enumerate(left):
            self.carrier_says(pending, submit_sm_resp(pending.sequence, 0, b"%d\0" % (self.sequence * 100 + place)))
        return len(left)

    def reload(self, **changed: Any) -> None:
        """Other settings for provider jia."""
        before = self.relay.directory.providers["jia"]
        said: dict[str, Any] = {"tps": before.tps, "over_rate": before.over_rate, "ports": before.ports} | changed
        providers = [
            Provider(
                "jia", tuple(Account(one, "x", None, None, None) for one in ("jia", "jia-2")), said["ports"], (), said["tps"], 4, 300,
                Category.MARKETING, "vendor", "none", None, over_rate=said["over_rate"],
            )
        ]  # fmt: skip
        self.relay.directory = Directory(
            cast("Any", SimpleNamespace(providers=tuple(providers), carriers=())), self.relay.directory
        )
        for name in ("jia", "jia-2"):
            self.binds[name].access = self.relay.directory.accesses[name]
        self.relay.release(self.now)
        self.turn()


@pytest.fixture
def gate(tmp_path: Path) -> Paced:
    return Paced(tmp_path)


def test_a_submit_above_the_rate_waits_and_nothing_of_it_is_written_until_its_turn(gate: Paced):
    gate.send(TPS + 4)
    assert len(gate.verdicts()) == TPS
    assert gate.statuses() == []
    assert (gate.binds["jia"].unanswered, gate.waits, gate.relay.idle) == (TPS + 4, 1, False)
    assert gate.entries(SHANGHAI + TPS + 1) == []
    gate.wait(0.5)
    assert len(gate.verdicts()) == TPS + 4
    assert gate.carrier_takes_all() == TPS + 4
    assert [status for _, status in gate.statuses()] == [0] * (TPS + 4)
    assert gate.tally.paced == {("jia", "passed"): 4}
    assert sum(gate.tally.paced_seconds.buckets) == 4
    assert gate.tally.paced_seconds.sum == pytest.approx(0.125 * 10, abs=1e-3)
    gate.at_rest()


def test_what_would_wait_over_a_second_is_throttled_at_once(gate: Paced):
    gate.send(2 * TPS + 5)
    assert gate.statuses() == [(number, THROTTLED) for number in range(2 * TPS + 1, 2 * TPS + 6)]
    assert gate.tally.submits["jia", "unread", "defer", "rate-exceeded"] == 5
    gate.wait(1.01)
    assert gate.carrier_takes_all() == 2 * TPS
    gate.at_rest()


def test_with_refuse_nothing_waits(tmp_path: Path):
    gate = Paced(tmp_path, over_rate="refuse")
    gate.send(2 * TPS)
    assert gate.statuses() == [(number, THROTTLED) for number in range(TPS + 1, 2 * TPS + 1)]
    assert (gate.waits, gate.relay.directory.pacers, gate.relay.release_s) == (0, {}, None)


def test_without_a_rate_nothing_waits(tmp_path: Path):
    gate = Paced(tmp_path, tps=cast("Any", None))
    gate.send(500)
    assert (gate.waits, len(gate.at_carrier())) == (0, 300)


def test_an_opt_out_that_arrives_while_a_submit_waits_holds_for_it(gate: Paced):
    gate.send(TPS)
    gate.send(to=SHANGHAI)
    gate.send(to=SHANGHAI + 5000)
    gate.store.update(SHANGHAI, lambda old: record.opt_out(old, OptOut("all", "", int(gate.now), "reply", 0)))
    gate.wait(1.01)
    assert gate.carrier_takes_all() == TPS + 1
    refused = [(one, status) for one, status in gate.statuses() if status]
    assert refused == [(TPS + 1, 0x420)]


def test_a_rule_that_comes_into_force_while_a_submit_waits_judges_it(gate: Paced, tmp_path: Path):
    gate.send(TPS)
    gate.send()
    (tmp_path / "rules" / "rules.yaml").write_text(
        "rules:\n  - {id: all, when: {category: marketing}, then: reject, reason: keyword}\n", encoding="utf-8"
    )
    gate.relay.rules = load(tmp_path / "rules")
    gate.wait(1.01)
    assert gate.statuses() == [(TPS + 1, 0x450)]


def test_waiting_submits_fill_the_window(gate: Paced):
    gate.binds["jia"].window = TPS + 2
    gate.send(TPS + 4)
    assert gate.statuses() == [(TPS + 3, THROTTLED), (TPS + 4, THROTTLED)]
    assert gate.tally.submits["jia", "unread", "defer", "window-full"] == 2
    gate.wait(1.01)
    assert gate.carrier_takes_all() == TPS + 2
    gate.send()
    assert gate.binds["jia"].unanswered == 1


def test_parts_of_a_long_message_wait_together_and_leave_together(gate: Paced):
    gate.send(TPS)
    gate.part(1)
    gate.send(TPS - 1)
    gate.part(2)  # any other submit would be refused
    assert gate.statuses() == []
    gate.wait(0.13)
    assert [pending.sequence for pending in gate.at_carrier()][TPS:] == [TPS + 1, 2 * TPS + 1]
    gate.send()
    assert gate.statuses() == [(2 * TPS + 2, THROTTLED)]  # both were charged to the rate


def test_no_part_is_throttled_while_its_sibling_waits_and_none_waits_where_its_sibling_was_throttled(gate: Paced):
    gate.send(2 * TPS)
    gate.part(1)
    assert gate.statuses() == [(2 * TPS + 1, THROTTLED)]
    gate.wait(0.15)  # now another would wait
    gate.part(2)
    assert gate.statuses() == [(2 * TPS + 2, THROTTLED)]
    gate.send()
    assert gate.statuses() == []


def test_the_rest_of_a_message_that_has_begun_does_not_wait(gate: Paced):
    gate.send(TPS - 1)
    gate.part(1)
    gate.part(2)
    assert [pending.sequence for pending in gate.at_carrier()][-2:] == [TPS, TPS + 1]
    assert gate.waits == 0
    gate.send(TPS)
    assert gate.statuses() == [(2 * TPS + 1, THROTTLED)]  # the second part was charged to the rate


def test_a_part_that_comes_twice_while_it_waits_and_one_of_too_many_are_answered_at_once(gate: Paced):
    gate.send(TPS)
    gate.part(1)
    gate.part(1)
    gate.part(1, 30, reference=8)
    assert gate.statuses() == [(TPS + 2, QUEUE_FULL), (TPS + 3, TOO_LONG)]


def test_a_submit_that_cannot_go_anyway_does_not_wait(gate: Paced):
    gate.send(TPS + 1)
    gate.submit("jia", SHANGHAI, TEXT, sequence=99, source="95588")
    assert gate.statuses() == [(99, NOT_MINE)]


def test_a_drain_answers_what_waits_for_a_retry(gate: Paced):
    gate.send(TPS + 3)
    gate.part(1)
    gate.part(2)
    gate.relay.drain()
    gate.turn()
    assert gate.statuses() == [(number, QUEUE_FULL) for number in range(TPS + 1, TPS + 6)]
    assert gate.tally.paced == {("jia", "drained"): 5}
    assert gate.carrier_takes_all() == TPS
    gate.at_rest()


def test_without_a_route_what_has_waited_gets_a_temporary_status(gate: Paced):
    gate.send(TPS + 2)
    gate.route.up = False
    gate.wait(1.01)
    assert gate.statuses() == [(TPS + 1, QUEUE_FULL), (TPS + 2, QUEUE_FULL)]


def test_a_bind_that_closes_while_submits_wait_loses_nothing(gate: Paced):
    gate.send(TPS + 3)
    bind = gate.binds["jia"]
    gate.binds["jia"] = Bind(bind.access)  # it has bound again
    gate.send()
    gate.wait(1.01)
    assert gate.carrier_takes_all() == TPS + 4
    assert (bind.unanswered, len(bind.told), len(gate.statuses())) == (0, TPS + 3, 1)


def test_one_persons_submits_leave_in_order(gate: Paced):
    gate.send(TPS)
    for place in range(3):
        gate.send(to=SHANGHAI, text=f"{TEXT}{place}")
    gate.wait(1.01)
    assert [pending.sequence for pending in gate.at_carrier()] == list(range(1, TPS + 4))


def test_a_query_is_not_held_back_but_throttled(gate: Paced):
    gate.send(TPS + 1)
    gate.sends("jia", pdu(QUERY_SM, 0, 77, b"1\0" + b"\0\0" + b"1069001\0"))
    assert gate.statuses() == [(77, THROTTLED)]


def test_a_reload_to_refuse_throttles_what_waits_and_one_to_pace_takes_effect_at_once(gate: Paced):
    gate.send(TPS + 3)
    gate.reload(over_rate="refuse")
    assert gate.statuses() == [(number, THROTTLED) for number in range(TPS + 1, TPS + 4)]
    assert gate.tally.paced == {("jia", "refused"): 3}
    gate.send(TPS + 2)
    assert len(gate.statuses()) == 2
    gate.reload(over_rate="pace")
    gate.send(TPS + 2)
    assert gate.statuses() == []
    gate.wait(1.01)
    gate.carrier_takes_all()
    assert gate.relay.idle


def test_a_reload_keeps_what_waits_in_its_place_and_asks_again_who_may_send(gate: Paced):
    gate.send(TPS + 3)
    gate.reload(ports=("1069009",))
    gate.wait(1.01)
    assert gate.statuses() == [(number, NOT_MINE) for number in range(TPS + 1, TPS + 4)]
    assert gate.carrier_takes_all() == TPS


def test_a_penaltys_throttle_refuses_and_its_end_paces_again(gate: Paced):
    gate.send(TPS + 2)
    gate.relay.directory.throttle({"jia": 0.5})
    gate.relay.release(gate.now)
    gate.turn()
    assert gate.statuses() == [(TPS + 1, THROTTLED), (TPS + 2, THROTTLED)]
    gate.now += 10
    gate.send(TPS // 2 + 2)
    assert len(gate.statuses()) == 2
    gate.relay.directory.throttle({})
    gate.now += 10
    gate.send(TPS + 2)
    assert (gate.statuses(), gate.relay.directory.pacers["jia"].waiting) == ([], 2)


def test_a_provider_that_a_reload_removes_is_answered(gate: Paced):
    gate.send(TPS + 2)
    gate.relay.directory = Directory(cast("Any", SimpleNamespace(providers=(), carriers=())), gate.relay.directory)
    gate.relay.release(gate.now)
    gate.turn()
    assert gate.statuses() == [(TPS + 1, THROTTLED), (TPS + 2, THROTTLED)]
    gate.relay.directory = Directory(cast("Any", SimpleNamespace(providers=(), carriers=())), gate.relay.directory)
    assert gate.relay.directory.pacers == {}


def test_the_wait_is_none_of_the_gates_own_time(gate: Paced):
    gate.send(TPS + 1)
    waiting = next(iter(gate.relay.directory.pacers["jia"])).pending
    gate.relay.handed.clear()
    gate.wait(0.2)
    assert waiting.gate_s == pytest.approx(-0.125, abs=1e-3)


def test_the_wall_clock_may_jump_while_submits_wait(gate: Paced):
    gate.send(TPS + 3)
    gate.relay.clock_jumped(-7200)
    gate.relay.release(gate.now + 0.4)
    gate.relay.turn(gate.now - 7200)
    gate.turn()
    assert gate.carrier_takes_all() == TPS + 3


def test_each_address_of_a_submit_multi_waits_and_the_provider_gets_one_answer(gate: Paced):
    gate.send(2 * TPS - 2)
    people = [SHANGHAI + 9000 + place for place in range(4)]
    gate.sends("jia", multi(b"1069001", people, TEXT, sequence=77))
    assert (gate.statuses(), gate.binds["jia"].unanswered) == ([], 2 * TPS - 1)
    gate.wait(1.01)
    *_, together = gate.at_carrier()
    gate.carrier_says(together, multi_resp(b"m1"))
    (told,) = gate.told("jia")
    assert {one["addr"]: one["status"] for one in read_fields(told)["unsuccess_sme"]} == {
        b"%d" % person: THROTTLED for person in people[2:]
    }
