"""The shared store fails: gates go on by what they know, each rule as it says, and what they did meanwhile is counted afterwards."""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.e2e.carrier import Carrier
from tests.e2e.gate import BEIJING, Gate
from tests.e2e.pdus import ESME_RMSGQFUL
from tests.e2e.sharing import CAP, PORTS, Harness, allowed, at_once, gate_on, harness_of, in_reach, people, send, started
from tests.e2e.waiting import until
from tests.needs import needs
from tests.valkey import Cluster, Valkey

pytestmark = needs("valkey")
RULES = f"""\
rules:
  - id: ban
    when: {{province: 北京}}
    then: reject
    reason: region-ban
  - id: daily-cap
    when: {{category: marketing}}
    limit: {{count: {CAP}, per: day, key: [recipient]}}
    then: reject
    reason: recipient-cap
  - id: careful
    when: {{provider: yi}}
    limit: {{count: 2, per: day, key: [recipient]}}
    then: reject
    reason: recipient-cap
    on_store_failure: defer
"""
REFUSED = """\
  - {id: refused, when: {category: marketing, suppressed: true}, then: reject, reason: suppressed}
"""
DEADLINE_S = 0.25
REGION_BAN = 0x400


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[Harness]:
    with ExitStack() as after:
        yield harness_of(tmp_path, after, RULES, deadline_s=DEADLINE_S)


PEOPLE = """
local people = 0
for _, key in ipairs(redis.call('keys', 'g106:{*}*')) do
  if not string.find(key, '}:%l') then people = people + 1 end
end
return people
"""
"""How many people the store knows: behind the tag of their keys is a hash, behind that of all others a word."""


def records(server: Valkey) -> int:
    return int(server.cli("eval", PEOPLE, "0"))


def mended(harness: Harness) -> None:
    until(lambda: all(in_reach(gate) for gate in harness.gates), "the store in reach again", 20)
    until(lambda: all(gate.metric("gate106_store_owed") == 0 for gate in harness.gates), "all told again", 20)


def pause(server: Valkey) -> None:
    server.pause()


def kill(server: Valkey) -> None:
    server.kill()


@pytest.mark.parametrize(
    ("lose", "back"),
    [(pause, Valkey.go_on), (kill, Valkey.start)],
    ids=["paused", "killed"],
)
def test_while_the_store_is_lost_each_rule_does_what_it_says_and_all_of_it_counts_afterwards(
    harness: Harness, numbers: Iterator[int], lose: Callable[[Valkey], None], back: Callable[[Valkey], None]
) -> None:
    one, other = harness.gates
    recipients = people(numbers, 20)
    assert allowed(one, recipients) == dict.fromkeys(recipients, 1)
    lose(harness.server)
    begun = time.monotonic()
    assert allowed(one, recipients) == dict.fromkeys(recipients, 1)  # two, and both known here
    assert time.monotonic() - begun < 10 * DEADLINE_S
    assert not in_reach(one)
    assert any("store" in note for note in one.notes())
    begun = time.monotonic()
    assert send(one, "yi", *recipients[:5]) == [ESME_RMSGQFUL] * 5  # the careful rule
    assert time.monotonic() - begun < 5 * DEADLINE_S, "who knows that the store is away does not wait for it"
    assert send(one, "jia", BEIJING.format(next(numbers))) == [REGION_BAN]
    back(harness.server)
    mended(harness)
    assert allowed(other, recipients) == dict.fromkeys(recipients, CAP - 2)
    assert allowed(one, recipients) == {}
    assert Counter(seen.fields.destination for seen in harness.carrier.seen) == dict.fromkeys(recipients, CAP)


def test_a_store_that_comes_back_empty_gets_back_what_each_gate_knows(harness: Harness, numbers: Iterator[int]) -> None:
    one, other = harness.gates
    recipients = people(numbers, 50)
    assert allowed(one, recipients) == dict.fromkeys(recipients, 1)
    assert allowed(other, recipients[:25]) == dict.fromkeys(recipients[:25], 1)
    harness.server.kill()
    until(lambda: not any(in_reach(gate) for gate in harness.gates), "the store lost", 10)
    harness.server.forget()
    harness.server.start()
    mended(harness)
    assert allowed(one, recipients * CAP) == {one: CAP - (2 if at < 25 else 1) for at, one in enumerate(recipients)}


def test_a_store_that_is_emptied_under_way_is_noticed(harness: Harness, numbers: Iterator[int]) -> None:
    one, other = harness.gates
    recipients = people(numbers, 5)
    assert allowed(one, recipients * CAP) == dict.fromkeys(recipients, CAP)
    assert records(harness.server) == len(recipients)
    harness.server.cli("flushall")
    until(lambda: records(harness.server) == len(recipients), "records there again", 20)
    until(
        lambda: all("store part lost its data" in gate.said() for gate in harness.gates),
        "both have noticed, and let go of it for a moment",
        20,
    )
    mended(harness)
    assert allowed(other, recipients) == {}


def test_a_slow_store_costs_one_deadline_and_not_one_for_each_message(harness: Harness, numbers: Iterator[int]) -> None:
    one, _ = harness.gates
    recipients = people(numbers, 30)
    assert allowed(one, recipients) == dict.fromkeys(recipients, 1)
    harness.server.cli("client", "pause", "4000", "all")
    begun = time.monotonic()
    assert allowed(one, recipients) == dict.fromkeys(recipients, 1)
    assert time.monotonic() - begun < 3.9, "not as long as the store"
    mended(harness)
    assert allowed(one, recipients * CAP) == dict.fromkeys(recipients, CAP - 2)


def test_a_gate_that_was_killed_while_it_was_cut_off_tells_afterwards(harness: Harness, numbers: Iterator[int]) -> None:
    one, other = harness.gates
    recipients = people(numbers, 10)
    assert allowed(one, recipients) == dict.fromkeys(recipients, 1)
    harness.server.kill()
    until(lambda: not in_reach(one), "the store lost", 10)
    assert allowed(one, recipients) == dict.fromkeys(recipients, 1)
    one.signal(signal.SIGKILL)
    one.wait()
    harness.server.start()
    one.start()
    mended(harness)
    assert allowed(other, recipients * CAP) == dict.fromkeys(recipients, CAP - 2)


def test_a_gate_may_start_while_the_store_is_away_but_not_for_the_first_time(harness: Harness, numbers: Iterator[int]) -> None:
    one, _ = harness.gates
    recipients = people(numbers, 3)
    assert allowed(one, recipients * CAP) == dict.fromkeys(recipients, CAP)
    one.stop()
    harness.server.kill()
    one.start()
    assert not in_reach(one)
    assert allowed(one, recipients) == {}
    new = gate_on(one.folder.parent / "new", 3, harness.carrier, harness.server)
    with pytest.raises(AssertionError, match="must be in reach when a node first uses it"):
        new.start()


def test_two_gates_with_one_number_are_told_apart(harness: Harness) -> None:
    second = gate_on(harness.gates[0].folder.parent / "second", 1, harness.carrier, harness.server)
    with pytest.raises(AssertionError, match="node 1 is another gate"):
        second.start()


def replica_of(cluster: Cluster, primary: Valkey) -> Valkey:
    own = primary.cli("cluster", "myid")
    return next(node for node in cluster.nodes if f"myself,slave {own} " in node.cli("cluster", "nodes"))


@pytest.fixture
def clustered(tmp_path: Path) -> Iterator[tuple[Cluster, Carrier, list[Gate]]]:
    """Two gates on three primaries with a replica each."""
    with ExitStack() as after:
        cluster = Cluster(tmp_path / "cluster")
        after.callback(cluster.kill)
        carrier = Carrier()
        after.callback(carrier.stop)
        yield cluster, carrier, started(after, tmp_path, [carrier] * 2, [cluster] * 2, RULES + REFUSED)


def mended_by(gates: list[Gate]) -> None:
    until(lambda: all(in_reach(gate) for gate in gates), "the store in reach again", 30)
    until(lambda: all(gate.metric("gate106_store_owed") == 0 for gate in gates), "all told again", 20)


def test_a_replica_that_had_not_seen_the_last_writes_takes_over_and_gets_them_again(
    clustered: tuple[Cluster, Carrier, list[Gate]], numbers: Iterator[int]
) -> None:
    """A person gets at most as many more as were acknowledged in the lost window, and nobody's refusal is forgotten."""
    cluster, carrier, (one, other) = clustered
    recipients, refusing = people(numbers, 60), people(numbers, 12)
    assert allowed(one, recipients) == dict.fromkeys(recipients, 1)
    dying = cluster.primaries()[0]
    replica = replica_of(cluster, dying)
    replica.pause()
    dying.cli("client", "kill", "type", "replica")  # what is sent to it would wait in its socket
    assert allowed(one, recipients) == dict.fromkeys(recipients, 1), "the lost window: acknowledged, and not on the replica"
    for person in refusing:
        carrier.acknowledged(carrier.reply(person, PORTS["jia"], b"TD"))
    assert allowed(one, refusing) == allowed(other, refusing) == {}
    dying.kill()
    until(lambda: not in_reach(other), "the loss noticed", 10)
    replica.go_on()
    until(lambda: in_reach(other), "the replica in its place", 30)
    allowed(other, recipients * CAP)  # at once, before or while it is told again
    mended_by([one, other])
    assert one.metric("gate106_store_restored_records") > 0
    assert "the store lacked what this gate knew, and has it again" in one.said()
    for gate in (one, other):
        allowed(gate, recipients * CAP)
        assert allowed(gate, refusing) == {}, "no refusal is forgotten"
    over = Counter(Counter(each.fields.destination for each in carrier.seen)[person] - CAP for person in recipients)
    assert over.keys() <= {0, 1}, over


def test_slots_that_move_under_load_cost_no_answer_and_no_cap(
    clustered: tuple[Cluster, Carrier, list[Gate]], numbers: Iterator[int]
) -> None:
    cluster, carrier, gates = clustered
    first, second, _ = cluster.primaries()
    recipients = people(numbers, 300)
    with ThreadPoolExecutor(1) as beside:
        moving = beside.submit(cluster.reshard, 256, first, second)
        told = at_once(gates, recipients, 1)
        while not moving.done():
            told += at_once(gates, recipients[:50], 1)
        moving.result()
    mended_by(gates)
    told += at_once(gates, recipients, CAP)
    seen = Counter(each.fields.destination for each in carrier.seen)
    assert seen == told, "each answer was true"
    assert set(seen) == set(recipients)
    assert all(CAP <= count <= len(gates) * CAP for count in seen.values())
    assert sum(count > CAP for count in seen.values()) <= 4 * len(recipients) * 256 // 16384, "only of the slots that moved"


def test_a_primary_that_dies_is_replaced_and_what_its_replica_had_not_seen_is_told_again(
    tmp_path: Path, numbers: Iterator[int]
) -> None:
    with ExitStack() as after:
        cluster = Cluster(tmp_path / "cluster")
        after.callback(cluster.kill)
        carrier = Carrier()
        after.callback(carrier.stop)
        gates = started(after, tmp_path, [carrier] * 2, [cluster] * 2, RULES)
        one, other = gates
        recipients = people(numbers, 60)
        assert allowed(one, recipients) == dict.fromkeys(recipients, 1)
        dying = cluster.primaries()[0]
        dying.kill()
        assert allowed(one, recipients) == dict.fromkeys(recipients, 1), (
            "of two shards together, of the third what is known here"
        )
        assert not in_reach(one)
        until(lambda: all(in_reach(gate) for gate in gates), "the replica in its place", 30)
        until(lambda: all(gate.metric("gate106_store_owed") == 0 for gate in gates), "all told again", 20)
        assert allowed(other, recipients * CAP) == dict.fromkeys(recipients, CAP - 2)
        assert allowed(one, recipients) == {}
        assert Counter(seen.fields.destination for seen in carrier.seen) == dict.fromkeys(recipients, CAP)
