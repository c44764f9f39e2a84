"""The relay itself: clock records in the journal, who is taken for the sender, answers released once they are safe."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from proxy.journal.encoding import unpack
from proxy.journal.records import messages
from proxy.journal.write_ahead_log import read
from proxy.model.message import Outcome
from proxy.policy.loading.load_rules import load
from proxy.relay.account_access import Access
from proxy.relay.batch_window import BATCH_UNDER_LOAD
from proxy.relay.effects.replay import replay
from proxy.relay.pending_submit import PendingSubmit
from proxy.server.batches import run_to_end
from proxy.state import open_store
from proxy.wire import Frame, submit_sm, submit_sm_resp
from tests.harness import BEIJING, SHANGHAI, Bind, Harness


def jumps(harness: Harness) -> list[float]:
    return [unpack(messages.Clock, one.body).step_s for one in harness.written() if one.kind == messages.CLOCK]


def test_a_clock_that_jumps_is_written_with_the_next_tick(tmp_path: Path) -> None:
    harness = Harness(tmp_path)
    harness.relay.tick(harness.now)
    assert jumps(harness) == [], "a tick alone writes nothing"
    harness.relay.clock_jumped(-3600.0)
    harness.relay.tick(harness.now)
    harness.relay.tick(harness.now)
    assert jumps(harness) == [-3600.0]


def test_jumps_that_the_journal_could_not_take_are_told_once_it_writes_again(tmp_path: Path) -> None:
    harness = Harness(tmp_path)
    harness.disk.free_bytes = 0
    harness.relay.clock_jumped(7.0)
    harness.relay.tick(harness.now)
    harness.submit("jia", SHANGHAI, "【测试】券 拒收请回复R")
    assert harness.relay.journal_down
    harness.relay.clock_jumped(-3.0)
    harness.relay.tick(harness.now)
    harness.disk.free_bytes = None
    harness.relay.tick(harness.now)
    assert jumps(harness) == [4.0]
    assert not harness.relay.journal_down


def test_what_the_journal_could_not_take_counts_as_deferred_whatever_the_verdict_was(tmp_path: Path) -> None:
    harness = Harness(tmp_path, rules="rules: [{id: ban, when: {province: 上海}, then: reject, reason: region-ban}]")
    harness.disk.free_bytes = 0
    harness.submit("jia", SHANGHAI, "【测试】券 拒收请回复R")
    assert [(key[2:], count) for key, count in harness.relay.tally.submits.items()] == [(("defer", "journal-down"), 1)]


@pytest.mark.parametrize(("per", "ahead_s"), [("minute", 600), ("hour", 4 * 3600), ("day", 3 * 86_400)])
def test_a_limit_of_all_holds_after_a_clock_that_was_ahead_for_a_moment_and_a_restart_finds_the_same(
    tmp_path: Path, per: str, ahead_s: int
) -> None:
    quota = f"rules: [{{id: quota, when: {{provider: jia}}, limit: {{count: 5, per: {per}, key: [provider]}}, then: reject, reason: provider-quota}}]"
    harness = Harness(tmp_path, rules=quota)

    def passed(count: int, first: int) -> int:
        for number in range(first, first + count):
            harness.submit("jia", SHANGHAI + number, f"【测试】第{number}号券 拒收请回复R")
        return sum(said.outcome is Outcome.ALLOW for said in harness.verdicts()[-count:])

    assert passed(8, 0) == 5
    harness.now += ahead_s
    assert passed(2, 100) == 2
    harness.now -= ahead_s
    harness.relay.clock_jumped(-ahead_s)
    assert passed(20, 200) == 3, "what was taken before was over by that clock; what it took meanwhile counts"
    assert passed(2, 100) == 2, "those who got one meanwhile are judged as of then"
    assert passed(20, 300) == 0
    replayed = open_store("sqlite::memory:")
    replay(replayed, read(harness.disk), 0)
    assert [(key, series.pack()) for key, series in replayed.counters.series()] == [
        (key, series.pack()) for key, series in harness.store.counters.series()
    ]


def test_a_batch_that_fails_by_a_fault_holds_up_nobody_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    harness = Harness(tmp_path)
    harness.store.waits = True

    async def faulty(keys: object) -> None:
        raise RuntimeError("a fault of ours")

    with monkeypatch.context() as patch:
        patch.setattr(harness.store, "load", faulty)
        with pytest.raises(RuntimeError, match="of ours"):
            harness.submit("jia", SHANGHAI, "【测试】券 拒收请回复R")
    harness.submit("jia", SHANGHAI, "【测试】券 拒收请回复R", 2)
    harness.turn()
    assert [pending.sequence for pending in harness.lanes["bj"].take(10)] == [2]


def test_only_what_somebody_waits_for_is_synced_at_once(tmp_path: Path) -> None:
    """The provider's answer waits for the entry; what the carrier said of it, and refusals, only have to be written."""
    harness = Harness(tmp_path)
    asked: list[int] = []
    cast("Any", harness.relay.commit)._sync = lambda: asked.append(harness.journal.written)
    harness.submit("jia", SHANGHAI, "【测试】券 拒收请回复R", 1)
    assert asked == [harness.journal.written]
    (pending,) = harness.at_carrier()
    harness.carrier_says(pending, submit_sm_resp(1, 0, b"m1\0"))
    assert [one.command_status for one in harness.told("jia")] == [0]
    harness.relay.draining = True
    harness.submit("jia", SHANGHAI, "【测试】券 拒收请回复R", 2)
    assert [one.command_status for one in harness.told("jia")] != [0]
    assert len(asked) == 1
    harness.relay.tick(harness.now)
    assert asked[1:] == [harness.journal.written], "a tick later that is safe, too"


def test_in_a_turn_for_answers_submits_are_held_and_answers_are_not(tmp_path: Path) -> None:
    harness = Harness(tmp_path)
    harness.submit("jia", SHANGHAI, "【测试】券 拒收请回复R", 1)
    (pending,) = harness.at_carrier()
    pdu = submit_sm("1069001", str(SHANGHAI), "【测试】券 拒收请回复R".encode("utf-16-be"), data_coding=8, sequence=2)
    relay = cast("Any", harness.relay)
    relay.submit_all(harness.binds["jia"], [Frame.of(pdu)], harness.now, harness.now)
    relay.answered(pending, Frame.of(submit_sm_resp(1, 0, b"m1\0")))
    relay.turn(harness.now, held=True)
    assert [one.sequence_number for one in harness.told("jia")] == [1]
    assert (harness.at_carrier(), len(harness.verdicts())) == ([], 1)
    harness.turn()
    assert [one.sequence for one in harness.at_carrier()] == [2]


def test_behind_a_batch_of_many_what_comes_waits_for_more_and_no_longer_than_that_took(tmp_path: Path) -> None:
    harness = Harness(tmp_path)
    harness.store.waits = True
    relay, batches = cast("Any", harness.relay), list[Any]()
    relay.batching._spawn = batches.append

    def come(first: int, count: int) -> None:
        for number in range(first, first + count):
            pdu = submit_sm("1069001", str(SHANGHAI + 7 * number), b"hello", sequence=number)
            relay.submit_all(harness.binds["jia"], [Frame.of(pdu)], harness.now, harness.now)
        relay.turn(harness.now)

    come(1, BATCH_UNDER_LOAD)
    took_s = 0.004
    harness.now += took_s
    relay.turn(harness.now)
    run_to_end(batches.pop())
    relay.turn(harness.now)
    assert len(harness.at_carrier()) == BATCH_UNDER_LOAD
    come(100, 3)
    assert not batches, "more is on its way back than has come"
    assert relay.batch_wait_until == pytest.approx(harness.now + took_s)
    harness.now += took_s
    come(200, 1)
    (batch,) = batches
    run_to_end(batch)
    relay.turn(harness.now)
    assert [pending.sequence for pending in harness.at_carrier()] == [100, 101, 102, 200]
    come(300, 1)
    assert len(batches) == 2, "behind few nothing waits"
    run_to_end(batches[1])


@pytest.mark.parametrize("when", ["while it is on its way to the store", "before it is written"])
def test_what_was_judged_before_new_rules_came_is_written_as_judged_by_the_old_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    """Breaches are numbers of rules: under the other set's name they would be another rule's."""
    harness = Harness(tmp_path)
    harness.store.waits = True
    relay, batches, swap = harness.relay, list[Any](), harness.store.swap

    async def slow(writes: Any) -> Any:
        await asyncio.sleep(0)
        return await swap(writes)

    monkeypatch.setattr(harness.store, "swap", slow)
    cast("Any", relay.batching)._spawn = batches.append

    def come(sequence: int, *people: int) -> None:
        for person in people:
            pdu = submit_sm(
                "1069001", str(person), "【测试】双11券 拒收请回复R".encode("utf-16-be"), data_coding=8, sequence=sequence
            )
            relay.submit_all(cast("Any", harness.binds["jia"]), [Frame.of(pdu)], harness.now, harness.now)
        relay.turn(harness.now)

    old = relay.rules
    come(1, BEIJING, SHANGHAI)
    (batch,) = batches
    batch.send(None)
    (tmp_path / "rules" / "rules.yaml").write_text("rules: [{id: mine, when: {category: otp}, then: reject, reason: otp-cap}]")
    new = load(tmp_path / "rules")
    if when == "before it is written":
        with pytest.raises(StopIteration):
            batch.send(None)
    relay.rules = new
    assert relay.rules is old
    come(2, BEIJING)
    if when == "while it is on its way to the store":
        assert len(batches) == 1, "nothing begins meanwhile"
        with pytest.raises(StopIteration):
            batch.send(None)
        relay.turn(harness.now)
    assert relay.rules is new
    batches[1].send(None)
    with pytest.raises(StopIteration):
        batches[1].send(None)
    relay.turn(harness.now)
    verdicts = [messages.unpack_verdict(one.body) for one in harness.written() if one.kind == messages.VERDICT]
    told = {(one.recipient, one.revision, one.reason): [breach[0] for breach in one.breaches] for one in verdicts}
    assert told == {
        (BEIJING, old.revision, "region-ban"): [0],
        (SHANGHAI, old.revision, ""): [],
        (BEIJING, new.revision, ""): [],
    }


def test_rules_that_are_taken_back_while_others_are_decided_about_never_come(tmp_path: Path) -> None:
    harness = Harness(tmp_path)
    harness.store.waits = True
    batches = list[Any]()
    cast("Any", harness.relay.batching)._spawn = batches.append
    harness.submit("jia", SHANGHAI, "【测试】券 拒收请回复R")
    old = harness.relay.rules
    harness.relay.rules = old.with_orders(())
    harness.relay.rules = old
    run_to_end(batches[0])
    harness.turn()
    assert harness.relay.rules is old
    assert len(harness.verdicts()) == 1


def test_who_sends_is_asked_of_the_account_however_alike_the_octets_are(tmp_path: Path):
    harness = Harness(tmp_path)
    first = harness.binds["jia"].access
    harness.binds["other"] = Bind(Access(first.provider, replace(first.account, system_id="other"), (), first._ports))
    for number in range(5):
        for place, name in enumerate(("jia", "other", "yi")):
            text = f"【青禾】您的验证码{number}{place}00，5分钟内有效"
            harness.submit(name, SHANGHAI + 10 * number + place, text, source="1069001")
    left = [(one.message.sender.account, one.bind) for one in harness.lanes["bj"].take(100) if one.message is not None]
    assert left == [("jia", harness.binds["jia"]), ("other", harness.binds["other"])] * 5, "yi does not own the port"


class Waits:
    def __init__(self, harness: Harness) -> None:
        self.outbox, self.said = harness.relay.commit.outbox, list[str]()

    def when(self, sequence: int, name: str, *more: tuple[int, str]) -> None:
        def do() -> None:
            self.said.append(name)
            for behind in more:
                self.when(*behind)

        self.outbox.append((sequence, do))


def test_what_waits_for_a_sync_is_let_out_in_order_with_what_that_leads_to(tmp_path: Path):
    waits = Waits(Harness(tmp_path))
    waits.when(1, "a", (2, "d"), (9, "e"))
    waits.when(3, "b")
    waits.when(3, "c")
    waits.outbox.release(3, [])
    assert waits.said == ["a", "b", "c", "d"]
    waits.outbox.release(8, [])
    assert waits.said == ["a", "b", "c", "d"]
    assert len(waits.outbox) == 1


def test_of_answers_of_one_turn_those_leave_whose_verdicts_are_synced(tmp_path: Path):
    harness = Harness(tmp_path)
    outbox, bind, completed = harness.relay.commit.outbox, harness.binds["jia"], list[PendingSubmit]()
    submits = [PendingSubmit(cast("Any", bind), number, b"", 0.0) for number in (1, 2, 3)]
    for one in submits:
        one.safe_from, one.answer = one.sequence, Frame.of(submit_sm_resp(9, 0, b"id%d" % one.sequence))
    outbox.append(submits)
    sent: list[int] = []
    outbox.append((3, lambda: sent.append(len(bind.told))))
    outbox.release(2, completed)
    assert [(one.sequence_number, one.body) for one in harness.told("jia")] == [(1, b"id1\0"), (2, b"id2\0")]
    assert (completed, outbox.unanswered) == (submits[:2], 2)
    outbox.release(3, completed)
    assert (completed, len(outbox)) == (submits, 0)
    assert sent == [1], "what stands behind answers is done when they are sent"


@pytest.mark.parametrize("many", [1, 700, 2000])
def test_of_what_is_let_out_nothing_is_lost_or_said_twice_though_one_of_it_fails(tmp_path: Path, many: int):
    waits = Waits(Harness(tmp_path))

    def fails() -> None:
        raise ZeroDivisionError

    for number in range(many):
        waits.when(1, f"before {number}")
    waits.outbox.append((1, fails))
    waits.when(1, "behind")
    with pytest.raises(ZeroDivisionError):
        waits.outbox.release(1, [])
    waits.outbox.release(1, [])
    assert waits.said == [*(f"before {number}" for number in range(many)), "behind"]
