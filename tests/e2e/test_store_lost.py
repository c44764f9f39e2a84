"""The shared store fails: gates go on by what they know, each rule as it says, and what they did meanwhile is counted afterwards."""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.e2e.gate import BEIJING
from tests.e2e.pdus import ESME_RMSGQFUL
from tests.e2e.sharing import CAP, Harness, allowed, gate_on, harness_of, in_reach, people, send
from tests.e2e.waiting import until
from tests.needs import needs
from tests.soak import moving_cluster
from tests.valkey import Valkey

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


def test_under_a_steady_load_slots_move_and_primaries_die_and_caps_hold_but_for_the_lost_window(
    tmp_path: Path, numbers: Iterator[int]
) -> None:
    """Nobody gets more over the cap than was acknowledged in the window, nobody any for a slot that moves, and no opt-out is forgotten."""
    found = moving_cluster.run(tmp_path, numbers, rate=100.0, seconds=1.2)
    assert not moving_cluster.broken(found), found
