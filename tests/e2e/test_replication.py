"""Gates follow one another's records: at once, after a network cut, and after a gate died in between."""

from __future__ import annotations

import json
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.e2e.carrier import Carrier
from tests.e2e.gate import Gate, run
from tests.e2e.pdus import ESME_RMSGQFUL, ESME_ROK
from tests.e2e.raw import Raw
from tests.e2e.sharing import Harness, gate_on, harness_of, people
from tests.e2e.waiting import until
from tests.needs import needs
from tests.valkey import PASSWORD, USER, Valkey

pytestmark = needs("valkey")
SUPPRESSED, STOPPED = 0x420, 0x473
AT_ONCE_S = 1.0
RULES = """\
rules:
  - {id: refused, when: {category: marketing, suppressed: true}, then: reject, reason: suppressed}
"""


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[Harness]:
    with ExitStack() as after:
        yield harness_of(tmp_path, after, RULES)


def status(gate: Gate, recipient: str, who: str = "jia") -> int:
    with Raw(gate.port) as client:
        client.bind(who)
        return client.submit("1069001" if who == "jia" else "1069002", recipient).status


def tell(gate: Gate, *words: str | Path) -> str:
    done = run(*words, "--config", gate.config, "--why", "a test")
    assert done.returncode == 0, done.stderr
    return done.stdout


def soon(gate: Gate, recipient: str, wanted: int) -> None:
    begun = time.monotonic()
    until(lambda: status(gate, recipient) == wanted, f"status {wanted:#x}", 10)
    assert time.monotonic() - begun < AT_ONCE_S


def all_heard(teller: Gate, hearer: Gate) -> None:
    """The log is in order: whoever has heard of this stop has heard all before it. A person's refusal shows earlier, in the store's record."""
    tell(teller, "stop", "--province", "西藏", "--for", "1h")
    until(lambda: "西藏" in run("stop", "list", "--config", hearer.config, "--json").stdout, "all heard", 20)


def cut_off(harness: Harness) -> None:
    harness.server.kill()
    until(lambda: all(gate.metric("gate106_store_up") == 0 for gate in harness.gates), "the store lost", 10)


def together_again(harness: Harness) -> None:
    until(lambda: all(gate.metric("gate106_store_up") == 1 for gate in harness.gates), "the store back", 20)


def test_who_refuses_at_one_gate_hears_no_more_from_the_others_though_the_store_is_lost(
    harness: Harness, numbers: Iterator[int]
) -> None:
    one, other = harness.gates
    li, wang = people(numbers, 2)
    assert status(one, li) == ESME_ROK
    harness.carrier.reply(li, "1069001", b"TD")
    soon(one, li, SUPPRESSED)
    tell(one, "suppress", "add", "--to", wang)
    soon(other, wang, SUPPRESSED)
    until(lambda: one.metric("gate106_store_untold_records") == 0, "all told", 10)
    all_heard(one, other)
    cut_off(harness)
    assert [status(gate, person) for gate in harness.gates for person in (li, wang)] == [SUPPRESSED] * 4


def test_what_is_told_while_the_store_is_away_is_told_to_the_others_when_it_is_back(
    harness: Harness, numbers: Iterator[int]
) -> None:
    one, other = harness.gates
    (li,) = people(numbers, 1)
    cut_off(harness)
    tell(one, "suppress", "add", "--to", li)
    assert status(one, li) == SUPPRESSED
    assert status(other, li) == ESME_ROK  # it cannot know
    one.signal(signal.SIGKILL)
    one.wait()
    harness.server.start()
    one.start()
    together_again(harness)
    all_heard(one, other)
    cut_off(harness)
    assert status(other, li) == SUPPRESSED


def test_what_is_taken_back_while_the_store_is_away_stays_so_when_it_is_back(harness: Harness, numbers: Iterator[int]) -> None:
    one, other = harness.gates
    li, wang = people(numbers, 2)
    for person in (li, wang):
        tell(one, "suppress", "add", "--to", person)
        soon(other, person, SUPPRESSED)
    all_heard(one, other)
    cut_off(harness)
    for person, gate in ((li, one), (wang, other)):
        tell(gate, "suppress", "remove", "--to", person, "--scope", "all")
        assert status(gate, person) == ESME_ROK
    one.signal(signal.SIGKILL)
    one.wait()
    harness.server.start()
    one.start()
    together_again(harness)
    for gate in harness.gates:
        soon(gate, li, ESME_ROK)
        soon(gate, wang, ESME_ROK)
    until(lambda: all(gate.metric("gate106_store_owed") == 0 for gate in harness.gates), "all told again", 20)
    assert [status(gate, person) for gate in harness.gates for person in (li, wang)] == [ESME_ROK] * 4
    cut_off(harness)
    assert [status(gate, person) for gate in harness.gates for person in (li, wang)] == [ESME_ROK] * 4


def test_a_stop_at_one_gate_stops_all_and_may_be_lifted_at_any(harness: Harness, numbers: Iterator[int]) -> None:
    one, other = harness.gates
    (li,) = people(numbers, 1)
    tell(one, "stop", "--province", "上海", "--for", "1h")
    soon(other, li, STOPPED)
    other.signal(signal.SIGKILL)
    other.wait()
    other.start()
    assert status(other, li) == STOPPED
    (order,) = json.loads(run("stop", "list", "--config", other.config, "--json").stdout)["orders"]
    tell(other, "stop", "lift", str(order["id"]))
    soon(one, li, ESME_ROK)


def test_a_list_that_is_imported_at_one_gate_holds_at_all(harness: Harness, numbers: Iterator[int], tmp_path: Path) -> None:
    one, other = harness.gates
    listed = people(numbers, 50)
    file = tmp_path / "list.csv"
    file.write_text("number\n" + "\n".join(listed))
    tell(one, "suppress", "import", file, "--source", "import", "--for", "good")
    soon(other, listed[-1], SUPPRESSED)
    other.stop()
    other.start()
    assert status(other, listed[0]) == SUPPRESSED
    cut_off(harness)
    done = run("suppress", "import", file, "--source", "import", "--for", "good", "--config", one.config, "--why", "x")
    assert (done.returncode, "other gates would not hear of it" in done.stderr) == (2, True)


def test_a_new_gate_hears_all_that_was_told_before_it_came(harness: Harness, numbers: Iterator[int]) -> None:
    (li,) = people(numbers, 1)
    tell(harness.gates[0], "suppress", "add", "--to", li)
    new = gate_on(harness.gates[0].folder.parent / "new", 3, harness.carrier, harness.server, RULES)
    new.start(ready=False)  # the others hold the account's links
    try:
        all_heard(harness.gates[0], new)
        cut_off(harness)
        assert status(new, li) == SUPPRESSED
    finally:
        new.stop()


def test_who_has_heard_nothing_for_too_long_defers_marketing_and_nothing_else(tmp_path: Path, numbers: Iterator[int]) -> None:
    with ExitStack() as after:
        harness = harness_of(tmp_path, after, RULES, stale_s=1)
        one, _ = harness.gates
        (li,) = people(numbers, 1)
        assert status(one, li) == ESME_ROK
        cut_off(harness)
        until(lambda: status(one, li) == ESME_RMSGQFUL, "marketing deferred", 5)
        assert status(one, li, "yi") == ESME_ROK
        assert any("marketing is deferred" in note for note in one.notes())
        harness.server.start()
        until(lambda: status(one, li) == ESME_ROK, "marketing again", 20)


def test_a_store_over_tls_with_the_least_rights_sees_no_number_of_a_person(tmp_path: Path, numbers: Iterator[int]) -> None:
    with ExitStack() as after:
        server = Valkey(tmp_path / "valkey", tls=True, acl=True)
        after.callback(server.kill)
        carrier = Carrier()
        after.callback(carrier.stop)
        shared = {"user": USER, "password": PASSWORD, "tls_ca": str(server.ca)}
        gates = [gate_on(tmp_path / f"node-{node}", node, carrier, server, RULES, **shared) for node in (1, 2)]
        for gate in gates:
            gate.start()
            after.callback(gate.stop)
        li, wang = people(numbers, 2)
        assert status(gates[0], li) == ESME_ROK
        carrier.reply(li, "1069001", b"TD")
        soon(gates[0], li, SUPPRESSED)
        tell(gates[0], "suppress", "add", "--to", wang)
        soon(gates[1], wang, SUPPRESSED)
        all_heard(gates[0], gates[1])
        server.cli("bgrewriteaof")  # all that is there, in one file
        until(lambda: "aof_rewrite_in_progress:0" in server.cli("info", "persistence"), "it is written", 10)
        kept = b"".join(file.read_bytes() for file in (server.folder / "appendonlydir").iterdir())
        assert len(kept) > 500
        for person in (li, wang):
            for form in (person.encode(), int(person).to_bytes(5, "big"), int(person).to_bytes(8, "little")):
                assert form not in kept
        wrong = gate_on(tmp_path / "wrong", 3, carrier, server, RULES, **shared | {"password": "guessed"})
        with pytest.raises(AssertionError, match="does not let us in"):
            wrong.start()
        other = gate_on(
            tmp_path / "other", 4, carrier, server, RULES, **shared | {"secret": "another secret of the same length"}
        )
        with pytest.raises(AssertionError, match="made with another secret"):
            other.start()


def test_what_two_gates_are_told_at_the_same_time_ends_alike_at_both(harness: Harness, numbers: Iterator[int]) -> None:
    (li,) = people(numbers, 1)

    def say(gate: Gate) -> None:
        for _ in range(3):
            tell(gate, "suppress", "add", "--to", li)
            run("suppress", "remove", "--to", li, "--scope", "all", "--config", gate.config, "--why", "a test")
            tell(gate, "stop", "--province", "上海", "--for", "1h")

    threads = [threading.Thread(target=say, args=(gate,)) for gate in harness.gates]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    until(lambda: all(gate.metric("gate106_store_untold_records") == 0 for gate in harness.gates), "all told", 10)

    def ordered(gate: Gate) -> list[int]:
        found = json.loads(run("stop", "list", "--config", gate.config, "--json").stdout)["orders"]
        return sorted(int(one["id"]) for one in found)

    one, other = harness.gates
    for gate, to in ((one, other), (other, one)):  # who knows of an order has heard all that stands before it in the log
        tell(gate, "stop", "--province", "上海", "--for", "1h")
        until(lambda gate=gate, to=to: ordered(gate) == ordered(to), "the same orders", 10)  # type: ignore[misc]
    assert len(set(ordered(one))) == 8
    until(lambda: all(gate.metric("gate106_store_owed") == 0 for gate in harness.gates), "all told", 10)
    together = status(one, li)
    cut_off(harness)
    assert [status(gate, li) for gate in harness.gates] == [together] * 2
