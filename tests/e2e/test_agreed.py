"""Gates on one store judge by one set of rules: what is pushed, approved, gone back from at one holds at all, whatever dies in between."""

from __future__ import annotations

import json
import os
import pwd
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from proxy.cluster.agreement_exchange import BESIDE_S
from proxy.journal.encoding import unpack
from proxy.journal.records import messages
from proxy.journal.records.revisions import Revised
from proxy.journal.write_ahead_log import OsDisk, read
from proxy.state.shared.servers import tags_of
from proxy.state.stores.valkey import PARTS
from tests.bench.reload import words_of
from tests.e2e.carrier import Carrier
from tests.e2e.gate import BEIJING, SHANGHAI, Gate, hashed, keep_secret, run
from tests.e2e.pdus import SUBMIT_SM, message, pdu
from tests.e2e.raw import Raw
from tests.e2e.sharing import Harness, gate_on, server_and_carrier
from tests.e2e.waiting import until
from tests.needs import needs
from tests.valkey import Cluster, Valkey

pytestmark = needs("valkey")
ME = pwd.getpwuid(os.getuid()).pw_name
BANNED = 0x400
AT_ONCE_S = 1.0
PLACES = {"北京": BEIJING, "上海": SHANGHAI}


def ban(*provinces: str, name: str = "ban") -> str:
    rules = (f"  - {{id: {name}-{one}, when: {{province: {one}}}, then: reject, reason: region-ban}}\n" for one in provinces)
    return "rules:\n" + "".join(rules)


ONLY_BEIJING, BOTH, ONLY_SHANGHAI = ban("北京"), ban("北京", "上海"), ban("上海")


def made(folder: Path, after: ExitStack, *, count: int = 2, **more: Any) -> Harness:
    """Gates that are not started."""
    server, carrier = server_and_carrier(folder, after)
    harness = Harness(server, carrier, [])
    for node in range(1, count + 1):
        one_more(folder, after, harness, node, **more)
    return harness


def one_more(folder: Path, after: ExitStack, harness: Harness, node: int, rules: str = ONLY_BEIJING, **more: Any) -> Gate:
    gate = gate_on(folder / f"node-{node}", node, harness.carrier, harness.server, rules, links=8)
    gate.settings |= more
    gate.write_settings()
    after.callback(lambda: gate.stop() if gate.started else None)
    harness.gates.append(gate)
    return gate


@pytest.fixture
def after() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def harness(tmp_path: Path, after: ExitStack) -> Harness:
    harness = made(tmp_path, after)
    for gate in harness.gates:
        gate.start()
    return harness


@pytest.fixture
def strict(tmp_path: Path, after: ExitStack) -> Harness:
    """Two persons are asked for at both gates."""
    people = []
    for name in (ME, "wang"):
        keep_secret(tmp_path / f"{name}.token", f"token of {name}\n")
        people.append({"name": name, "token": hashed(f"token of {name}"), "roles": ["officer", "approver", "admin"]})
    harness = made(tmp_path, after, people=people, revisions={"four_eyes": True})
    for gate in harness.gates:
        gate.start()
    return harness


def by(gate: Gate, name: str) -> tuple[str, str]:
    return "--token-file", str(gate.folder.parent / f"{name}.token")


def asked(gate: Gate, *words: str | Path) -> dict[str, Any]:
    done = run("rules", *(words or ("list",)), "--config", gate.config, "--json")
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def refused(gate: Gate, *words: str | Path) -> str:
    done = run("rules", *(words or ("list",)), "--config", gate.config)
    assert done.returncode == 2, done.stdout
    return done.stderr.removeprefix("gate106: ").strip()


def pushed(gate: Gate, text: str, *more: str, name: str = "rules.yaml") -> dict[str, Any]:
    file = gate.folder / name
    file.write_text(text)
    return asked(gate, "push", file, "--why", "a test", *more)


def revision(gate: Gate) -> str:
    return str(asked(gate)["revision"])


def banned(gate: Gate) -> list[str]:
    """Where nobody may send to now."""
    with Raw(gate.port) as yi:
        assert yi.bind("yi").status == 0
        return [name for name, number in PLACES.items() if yi.submit("1069002", number.format(1), b"code 1").status == BANNED]


def refuses(gate: Gate, number: str) -> bool:
    with Raw(gate.port) as yi:
        assert yi.bind("yi").status == 0
        return yi.submit("1069002", number, b"code").status != 0


def soon(gate: Gate, *wanted: str) -> None:
    """No message that is sent a second from now or later passes by other rules; how long its bind takes does not count."""
    begun = passed = time.monotonic()

    def holds() -> bool:
        nonlocal passed
        asked = time.monotonic()
        held = banned(gate) == list(wanted)
        if not held:
            passed = asked
        return held

    until(holds, lambda: f"{wanted} banned: {gate.said()}", 10)
    assert passed - begun < AT_ONCE_S


def journalled(gate: Gate) -> list[Revised]:
    return [unpack(Revised, one.body) for one in read(OsDisk(gate.folder / "journal"), 1) if one.kind == messages.REVISED]


def cut_off(harness: Harness) -> None:
    harness.server.kill()
    until(lambda: all(gate.metric("gate106_store_up") == 0 for gate in harness.gates), "the store lost", 10)


def together_again(harness: Harness) -> None:
    harness.server.start()
    until(lambda: all(gate.metric("gate106_store_up") == 1 for gate in harness.gates), "the store back", 20)


def again(gate: Gate, how: signal.Signals = signal.SIGKILL) -> None:
    gate.signal(how)
    gate.wait()
    gate.start()


def test_what_is_pushed_at_one_gate_refuses_at_the_other_and_is_journalled_there_as_if_pushed_there(harness: Harness) -> None:
    one, other = harness.gates
    done = pushed(one, BOTH)
    soon(other, "北京", "上海")
    assert banned(one) == ["北京", "上海"]
    last = journalled(other)[-1]
    assert (last.event, last.revision, last.who, last.why, last.how, last.node) == (
        "accepted",
        done["revision"],
        done["who"],
        "a test",
        "push",
        1,
    )
    assert "rule ban-上海: added" in last.changes
    again(other)
    assert banned(other) == ["北京", "上海"]
    back = asked(other, "rollback", "--why", "a mistake")
    soon(one, "北京")
    assert asked(one)["revision"] == back["in_force"]
    words = run("rules", "list-changes", "--config", one.config).stdout
    assert f"rolled-back {back['in_force']} by {back['who']} (command, at node 2): a mistake" in words


def test_what_one_gate_proposes_a_second_person_approves_at_another(strict: Harness) -> None:
    one, other = strict.gates
    made = pushed(one, BOTH, *by(one, ME))
    assert made["event"] == "proposed"
    until(lambda: asked(other)["proposed"], "it waits at the other gate, too")
    assert (banned(one), banned(other)) == (["北京"], ["北京"])
    assert asked(other)["proposed"]["author"] == ME
    assert f"{ME} is the author" in refused(other, "approve", made["revision"], *by(other, ME))
    done = asked(other, "approve", made["revision"], *by(other, "wang"))
    assert (done["event"], done["who"]) == ("approved", "wang")
    soon(one, "北京", "上海")
    assert "no set waits for approval" in refused(one, "approve", made["revision"], *by(one, "wang"))
    third = pushed(other, ONLY_SHANGHAI, *by(other, ME))["revision"]
    until(lambda: asked(one)["proposed"], "it waits")
    asked(one, "reject", third, "--why", "no")
    until(lambda: asked(other)["proposed"] is None, "it is turned down")
    assert banned(other) == ["北京", "上海"]
    assert [event.event for event in journalled(one)] == ["accepted", "proposed", "approved", "proposed", "rejected"]


def test_a_gate_that_was_cut_off_follows_what_was_decided_without_it(harness: Harness) -> None:
    one, other = harness.gates
    other.signal(signal.SIGSTOP)
    try:
        pushed(one, BOTH)
        pushed(one, ONLY_SHANGHAI)
    finally:
        other.signal(signal.SIGCONT)
    soon_enough = lambda: banned(other) == ["上海"]  # noqa: E731 # said twice
    until(soon_enough, other.said)
    other.stop()
    pushed(one, BOTH)
    other.start()
    assert banned(other) == ["北京", "上海"], "before it takes messages it knows"
    cut_off(harness)
    assert "the shared store is out of reach" in refused(one, "push", one.folder / "rules.yaml", "--why", "x")
    again(other)
    assert banned(other) == ["北京", "上海"], "what it knew it judges by"


def test_a_gate_goes_back_though_it_is_cut_off_and_tells_the_others_unless_they_have_decided_meanwhile(
    harness: Harness,
) -> None:
    one, other = harness.gates
    pushed(one, BOTH)
    soon(other, "北京", "上海")
    cut_off(harness)
    asked(one, "rollback", "--why", "nobody gets a code")
    assert (banned(one), banned(other)) == (["北京"], ["北京", "上海"])
    again(one)
    assert banned(one) == ["北京"]
    together_again(harness)
    until(lambda: banned(other) == ["北京"], other.said)
    assert journalled(other)[-1].why == "nobody gets a code"


def test_a_store_that_comes_back_empty_learns_what_the_gates_agreed_on(harness: Harness) -> None:
    one, other = harness.gates
    pushed(one, BOTH)
    soon(other, "北京", "上海")
    cut_off(harness)
    harness.server.forget()
    together_again(harness)
    until(lambda: "1" in harness.server.cli("exists", *harness.server.cli("keys", "g106:*:rules").split()), "it is there again")
    pushed(other, ONLY_SHANGHAI)
    soon(one, "上海")


def test_files_that_are_edited_where_they_are_in_force_hold_at_all_gates_and_others_are_kept_out(harness: Harness) -> None:
    one, other = harness.gates
    one.write_rules(BOTH)
    until(lambda: banned(one) == ["北京", "上海"], one.said)
    soon(other, "北京", "上海")
    (note,) = other.notes()
    assert "the folder's set" in note
    assert "it comes into force at all gates with gate106 rules take" in note
    other.write_rules(ONLY_SHANGHAI)
    until(lambda: journalled(other)[-1].event == "kept-out", other.said)
    assert banned(other) == ["北京", "上海"], "it was not what is in force that somebody edited there"
    again(other, signal.SIGTERM)
    assert banned(other) == ["北京", "上海"]
    asked(other, "take", "--why", "it is right")
    soon(one, "上海")
    other.write_rules(BOTH)
    until(lambda: banned(one) == ["北京", "上海"], one.said)
    one.stop()
    one.write_rules(ONLY_BEIJING)
    one.start()
    assert banned(one) == ["北京"], "its folder held what was in force, and was edited while it was down"
    soon(other, "北京")


def test_two_gates_whose_folders_are_edited_alike_at_once_agree(harness: Harness) -> None:
    for text in (BOTH, ONLY_SHANGHAI, ONLY_BEIJING):
        for gate in harness.gates:
            gate.write_rules(text)
        wanted = [name for name in PLACES if name in text]
        until(lambda wanted=wanted: [banned(gate) for gate in harness.gates] == [wanted] * 2, harness.gates[1].said)  # type: ignore[misc]
    until(lambda: [gate.notes() for gate in harness.gates] == [[], []], "nothing is kept out", 10)


def test_a_new_gate_judges_by_what_the_others_agreed_on_and_not_by_its_folder(
    harness: Harness, tmp_path: Path, after: ExitStack
) -> None:
    pushed(harness.gates[0], BOTH)
    new = one_more(tmp_path, after, harness, 3, ONLY_SHANGHAI).start()
    assert banned(new) == ["北京", "上海"]
    assert any("is kept out" in note for note in new.notes())
    pushed(new, ONLY_BEIJING)
    for gate in harness.gates:
        soon(gate, "北京")


def test_a_gate_that_cannot_take_it_says_so_keeps_the_old_one_and_takes_it_when_it_can(
    harness: Harness, tmp_path: Path, after: ExitStack
) -> None:
    """This one asks for a second person, the others do not."""
    people = [{"name": name, "token": hashed(name), "roles": ["officer", "approver", "admin"]} for name in (ME, "wang")]
    strict = one_more(tmp_path, after, harness, 3, people=people, revisions={"four_eyes": True}).start()
    done = pushed(harness.gates[0], BOTH)
    soon(harness.gates[1], "北京", "上海")
    until(lambda: strict.metric("gate106_rules_agreed") == 0, strict.said)
    assert banned(strict) == ["北京"]
    assert [gate.metric("gate106_rules_agreed") for gate in harness.gates[:2]] == [1, 1]
    assert any("does not judge by what the gates agreed on" in note and done["revision"] in note for note in strict.notes())
    assert "without a second person" in run("rules", "list", "--config", strict.config).stdout
    strict.write_rules(ONLY_SHANGHAI)
    until(lambda: any("rules: the set" in note for note in strict.notes()), strict.said)
    assert [banned(gate) for gate in harness.gates] == [["北京", "上海"], ["北京", "上海"], ["北京"]], "it has no say meanwhile"
    assert all(asked(gate)["proposed"] is None for gate in harness.gates)
    strict.write_rules(ONLY_BEIJING)
    assert "decide at another" in refused(strict, "rollback", "--why", "x")
    again(strict, signal.SIGTERM)
    assert banned(strict) == ["北京"]
    strict.settings["revisions"] = {"four_eyes": False}
    strict.write_settings()
    strict.signal(signal.SIGHUP)
    until(lambda: banned(strict) == ["北京", "上海"], strict.said)
    until(lambda: strict.metric("gate106_rules_agreed") == 1, strict.said)


def test_of_two_who_decide_at_the_same_time_one_is_told_so_and_all_gates_end_alike(harness: Harness) -> None:
    one, other = harness.gates
    for gate, text in ((one, BOTH), (other, ONLY_SHANGHAI)):
        (gate.folder / "rules.yaml").write_text(text)
    base = revision(one)
    with ThreadPoolExecutor(2) as both:
        words = ("--why", "x", "--on", base)
        done = list(
            both.map(
                lambda gate: run("rules", "push", gate.folder / "rules.yaml", *words, "--config", gate.config), harness.gates
            )
        )
    assert sorted(one.returncode for one in done) == [0, 2], [one.stderr for one in done]
    until(lambda: revision(one) == revision(other), "alike", 10)
    assert revision(one) != base


def test_a_store_without_room_refuses_a_decision_and_says_why(harness: Harness) -> None:
    one, other = harness.gates
    harness.server.cli("config", "set", "maxmemory", "1mb")
    (one.folder / "rules.yaml").write_text(BOTH)
    assert "OOM" in refused(one, "push", one.folder / "rules.yaml", "--why", "x")
    assert [banned(gate) for gate in harness.gates] == [["北京"], ["北京"]]
    harness.server.cli("config", "set", "maxmemory", "0")
    until(lambda: all(gate.metric("gate106_store_up") == 1 for gate in harness.gates), "the store in reach", 20)
    pushed(one, BOTH)
    soon(other, "北京", "上海")


def test_a_set_with_a_long_list_comes_into_force_at_all_gates_at_once(harness: Harness) -> None:
    """It takes each of them seconds to read: they have read it when it is decided on."""
    one, other = harness.gates
    words, before = words_of(50_000, 1), revision(one)
    assert [gate.metric("gate106_rules_info", revision=before) for gate in harness.gates] == [1, 1]
    (one.rules / "lists").mkdir()
    (one.rules / "lists" / "words.txt").write_text("\n".join(words))
    one.write_rules("rules:\n  - {id: words, when: {text: {file: lists/words.txt}}, then: reject, reason: keyword}\n")

    def changed() -> list[bool]:
        return [gate.metric("gate106_rules_info", revision=before) == 0 for gate in harness.gates]

    until(lambda: any(changed()), one.said, 60)
    begun = time.monotonic()
    until(lambda: all(changed()), other.said, 60)
    assert time.monotonic() - begun < AT_ONCE_S
    with Raw(other.port) as yi:
        assert yi.bind("yi").status == 0
        data = message(b"1069002", SHANGHAI.format(1).encode(), words[0].encode("utf-16-be"), data_coding=8)
        assert yi.ask(pdu(SUBMIT_SM, 7, data)).status != 0


def test_a_gate_killed_between_giving_its_files_and_the_decision_leaves_nothing_in_the_store_for_good(harness: Harness) -> None:
    one, other = harness.gates
    before = revision(one)
    (one.rules / "lists").mkdir()
    (one.rules / "lists" / "words.txt").write_text("\n".join(words_of(20_000, 1)))
    one.write_rules("rules:\n  - {id: words, when: {text: {file: lists/words.txt}}, then: reject, reason: keyword}\n")
    coming = f"g106:{{{tags_of(PARTS)[0].decode()}}}:coming"
    until(lambda: "2 reads;" in harness.server.cli("get", coming), one.said, 60)  # one waits for the other to have read it
    new = harness.server.cli("get", coming).partition(";")[0]
    one.signal(signal.SIGKILL)
    one.wait()
    stays = stays_ms(harness.server)
    assert stays[before] == {-1}
    assert all(0 < ms <= BESIDE_S * 1000 for ms in stays[new]), "it goes by itself"
    assert revision(other) == before
    one.start()  # its folder is another one than when it went
    until(lambda: revision(other) == new, other.said, 60)
    stays = stays_ms(harness.server)
    assert stays[new] == {-1}
    assert all(0 < ms <= BESIDE_S * 1000 for ms in stays[before])


def stays_ms(server: Valkey) -> dict[str, set[int]]:
    """How long the pieces of each set stay in the store; -1: for good."""
    found: dict[str, set[int]] = {}
    for name in server.cli("keys", "*:set:*").split():
        found.setdefault(name.split(":set:")[1].partition(":")[0], set()).add(int(server.cli("pttl", name)))
    return found


def test_lists_of_people_are_not_readable_in_the_store(harness: Harness) -> None:
    one, other = harness.gates
    (one.rules / "lists").mkdir()
    (one.rules / "lists" / "left.csv").write_text("number\n13800210007\n")
    rules = "lists: {left: {file: lists/left.csv}}\nrules:\n"
    one.write_rules(rules + "  - {id: left, when: {recipient_in: left}, then: reject, reason: suppressed}\n")
    until(lambda: refuses(other, "13800210007"), other.said)
    harness.server.cli("bgrewriteaof")
    until(lambda: "aof_rewrite_in_progress:0" in harness.server.cli("info", "persistence"), "it is written", 10)
    kept = b"".join(file.read_bytes() for file in (harness.server.folder / "appendonlydir").iterdir())
    assert b":set:" in kept
    for text in (b"13800210007", b"left.csv", b"recipient_in"):
        assert text not in kept


def test_over_a_cluster_what_was_decided_holds_though_the_primary_that_knew_it_dies_at_once(
    tmp_path: Path, after: ExitStack
) -> None:
    cluster = Cluster(tmp_path / "cluster")
    after.callback(cluster.kill)
    carrier = Carrier()
    after.callback(carrier.stop)
    gates = [gate_on(tmp_path / f"node-{node}", node, carrier, cluster, ONLY_BEIJING, links=8) for node in (1, 2)]
    for gate in gates:
        gate.start()
        after.callback(gate.stop)
    one, other = gates
    pushed(one, BOTH)
    soon(other, "北京", "上海")
    done = pushed(other, ONLY_SHANGHAI)
    primary_of(cluster, 0).kill()  # whether its replica has heard of it or not
    until(lambda: banned(one) == ["上海"], one.said, 30)
    until(lambda: all(gate.metric("gate106_store_up") == 1 for gate in gates), "the replica in its place", 30)
    assert [revision(gate) for gate in gates] == [done["revision"]] * 2
    back = asked(one, "rollback", "--why", "a mistake")
    soon(other, "北京", "上海")
    again(other)
    assert revision(other) == revision(one) == back["in_force"]
    assert banned(other) == ["北京", "上海"]


def primary_of(cluster: Cluster, part: int) -> Valkey:
    """Where a part of the store lies."""
    born = f"g106:{{{tags_of(PARTS)[part].decode()}}}:born"
    return next(node for node in cluster.primaries() if not node.cli("get", born).startswith("MOVED"))
