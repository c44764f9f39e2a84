"""Workers on a shared store; rolling replacement of gates and workers under load."""

from __future__ import annotations

import os
import signal
from collections import Counter
from pathlib import Path

from tests.e2e.carrier import Carrier
from tests.e2e.gate import BEIJING, SHANGHAI, Gate, provider
from tests.e2e.pdus import ESME_RMSGQFUL, ESME_ROK
from tests.e2e.raw import Raw
from tests.e2e.test_long import RECIPIENT_CAP, TEXT, parts
from tests.e2e.waiting import until
from tests.needs import needs
from tests.server.workers.crewed import Crewed, spread
from tests.server.workers.roaming import Roaming
from tests.valkey import SECRET, Valkey

pytestmark = needs("valkey")
CAP, PORT, BANNED = 3, "1069001", 0x400
PART_DIFFERS, MESSAGE_TORN = 0x456, 0x457
RULES = f"""\
rules:
  - id: daily-cap
    when: {{category: marketing}}
    limit: {{count: {CAP}, per: day, key: [recipient]}}
    then: reject
    reason: recipient-cap
"""
NO_RULES = "rules: []\n"
ONE_A_DAY = """\
rules:
  - {id: cap, limit: {count: 1, per: day, key: [recipient]}, then: reject, reason: recipient-cap}
"""


def sent_once(carrier: Carrier, clients: list[Roaming]) -> None:
    """What each client was told is what the carrier got."""
    taken = Counter(int(seen.fields.short_message) for seen in carrier.seen)
    done = Counter(number for client in clients for number in client.done)
    assert set(done.values()) == {1}
    assert taken == done
    assert [client.lost for client in clients] == [[] for _ in clients]


def test_a_person_gets_what_the_cap_allows_over_all_workers_also_when_one_is_killed(pool: Crewed, carrier: Carrier):
    pool.write_rules(RULES)
    pool.start()
    clients = spread(pool)
    told: Counter[str] = Counter()
    people = [SHANGHAI.format(number) for number in range(30)]
    for round_, client in enumerate(clients):
        for person in people[round_ % 2 :: 2]:
            told[person] += client.submit(PORT, person).status == ESME_ROK
    os.kill(pool.pids()[2], signal.SIGKILL)
    until(lambda: pool.metric("gate106_workers", state="up") == 1, "one worker less")
    for client in clients:
        client.__exit__()
    until(lambda: pool.metric("gate106_workers", state="up") == 2, pool.said, 30)
    clients = spread(pool)
    for client in clients:
        for person in people:
            told[person] += client.submit(PORT, person).status == ESME_ROK
    assert told == dict.fromkeys(people, CAP)
    assert Counter(seen.fields.destination for seen in carrier.seen) == told
    assert {path.name for path in (pool.folder / "journal").iterdir()} == {"node-8", "node-9"}
    for client in clients:
        client.__exit__()
    assert pool.stop() == 0


def test_parts_that_come_to_two_workers_are_one_message_that_counts_once(pool: Crewed, carrier: Carrier):
    pool.write_rules(ONE_A_DAY)
    pool.start()
    clients = spread(pool, 1)
    workers = {bind["id"] % 2: bind["id"] for bind in pool.ask("binds")["binds"]}
    assert len(workers) == 2
    for number in range(12):
        person = SHANGHAI.format(number)
        sent = parts(PORT, person, TEXT, 3, reference=1 + number % 200)
        ways = [clients[(number + place) % len(clients)] for place in range(3)]
        for client, part in zip(ways, sent, strict=True):
            client.send(part)
        assert [found.status for client in ways if (found := client.next())] == [ESME_ROK] * 3
        assert clients[number % len(clients)].submit(PORT, person).status == RECIPIENT_CAP
    assert Counter(seen.fields.destination for seen in carrier.seen) == {SHANGHAI.format(number): 3 for number in range(12)}
    outcomes = [pool.metric("gate106_long_messages_total", outcome=outcome) for outcome in ("complete", "incomplete")]
    assert sum(outcomes) == 12
    for client in clients:
        client.__exit__()
    assert pool.stop() == 0


def test_a_torn_message_is_known_to_every_worker_also_when_one_is_killed(pool: Crewed, carrier: Carrier):
    pool.write_rules(NO_RULES)
    pool.start()
    clients = spread(pool, 1)
    person = SHANGHAI.format(1)
    first, _ = parts(PORT, person, TEXT, 2)
    assert clients[0].ask(first).status == ESME_ROK
    for client in clients:
        client.send(b"".join(parts(PORT, person, TEXT[::-1], 3)))
        told = {found.status for _ in range(3) if (found := client.next())}
        assert told <= {MESSAGE_TORN, PART_DIFFERS}, "the worker that has it still knows its text"
    for client in clients:
        client.__exit__()
    os.kill(pool.pids()[1], signal.SIGKILL)
    os.kill(pool.pids()[2], signal.SIGKILL)
    until(lambda: pool.metric("gate106_workers", state="up") == 2, pool.said, 30)
    with Raw(pool.port) as client:
        client.bind("jia")
        client.send(b"".join(parts(PORT, person, TEXT[::-1], 3)))
        told = {found.status for _ in range(3) if (found := client.next())}
        assert told == {MESSAGE_TORN}
        assert client.ask(parts(PORT, person, TEXT, 2)[1]).status == ESME_ROK, (
            "the store has the text of the first for a minute"
        )
    assert len(carrier.to(person)) == 2
    assert pool.stop() == 0


def test_workers_are_replaced_one_by_one_under_load_and_every_submit_is_answered_once(pool: Crewed, carrier: Carrier):
    pool.write_rules(NO_RULES)
    pool.start()
    clients = [Roaming("jia", PORT, [pool.port], first * 1_000_000) for first in range(4)]
    for client in clients:
        client.start()
    until(lambda: all(len(client.done) > 50 for client in clients), "traffic")
    for worker in (1, 2):
        before = pool.pids()[worker]
        os.kill(before, signal.SIGTERM)
        until(lambda worker=worker, before=before: pool.pids()[worker] != before, pool.said, 30)  # type: ignore[misc]
        so_far = [len(client.done) for client in clients]
        until(lambda so_far=so_far: all(len(one.done) > n + 50 for one, n in zip(clients, so_far, strict=True)), "traffic")  # type: ignore[misc]
    for client in clients:
        client.finish()
    assert sum(client.binds for client in clients) >= 6, "every bind had to move once at least"
    sent_once(carrier, clients)
    assert pool.stop() == 0


def test_a_gate_is_replaced_under_load_its_binds_move_and_nothing_is_lost_or_sent_twice(
    tmp_path: Path, server: Valkey, carrier: Carrier
):
    """Two gates, as of two versions, on one store: one is drained, and comes back."""
    gates = []
    for node in (1, 2):
        folder = tmp_path / f"node-{node}"
        folder.mkdir()
        gate = Gate(
            folder,
            carrier.port,
            [provider("jia", PORT, binds=8)],
            node=node,
            carrier={"links": 2},
            store=server.url,
            shared={"secret": SECRET.decode()},
        )
        gate.write_rules(NO_RULES)
        gates.append(gate.start())
    old, new = gates
    clients = [Roaming("jia", PORT, [old.port, new.port], first * 1_000_000) for first in range(3)]
    try:
        for client in clients:
            client.start()
        until(lambda: all(len(client.done) > 100 for client in clients), "traffic at the old one")
        assert new.metric("gate106_binds") == 0
        old.signal(signal.SIGTERM)
        assert old.wait() == 0
        so_far = [len(client.done) for client in clients]
        until(lambda: all(len(one.done) > n + 100 for one, n in zip(clients, so_far, strict=True)), "traffic at the new one")
        assert new.metric("gate106_binds") == len(clients)
        for client in clients:
            client.finish()
    finally:
        for gate in gates:
            gate.stop()
    sent_once(carrier, clients)
    assert set().union(*(client.statuses for client in clients)) <= {ESME_ROK, ESME_RMSGQFUL}


def banned(clients: list[Raw]) -> set[tuple[bool, ...]]:
    """At each client's worker: whether 上海, whether 北京 is."""
    return {tuple(one.submit(PORT, place.format(7)).status == BANNED for place in (SHANGHAI, BEIJING)) for one in clients}


def test_rules_that_are_pushed_or_edited_hold_at_all_workers_and_what_is_gone_back_from_at_none(pool: Crewed):
    rule = "rules: [{{id: ban, when: {{province: {}}}, then: reject, reason: region-ban}}]\n"
    pool.write_rules(NO_RULES)
    pool.start()
    clients = spread(pool, 1)
    pushed = pool.folder / "rules.yaml"
    pushed.write_text(rule.format("上海"))
    pool.ask("rules", "push", str(pushed), "--why", "x")
    until(lambda: banned(clients) == {(True, False)}, pool.said)
    pool.ask("rules", "rollback", "--why", "x")
    until(lambda: banned(clients) == {(False, False)}, pool.said)
    assert "differing" not in pool.ask("rules", "list")
    pool.write_rules(rule.format("北京"))  # their folder holds what is in force, and is edited: one file, two workers
    until(lambda: banned(clients) == {(False, True)}, pool.said)
    until(lambda: pool.notes() == [], "nothing left to be said")
    assert pool.metric("gate106_rules_agreed") == 1
    for one in clients:
        one.__exit__()
    assert pool.stop() == 0


def test_a_doubtful_reply_holds_at_all_workers_and_one_decision_is_known_to_all(pool: Crewed, carrier: Carrier):
    pool.write_rules(
        "rules: [{id: refused, when: {category: marketing, suppressed: true}, then: reject, reason: suppressed}]\n"
    )
    pool.start()
    clients, person = spread(pool), SHANGHAI.format(7)
    assert clients[0].submit(PORT, person).status == ESME_ROK
    deliver = carrier.reply(person, PORT, "这是退订吗".encode("utf-16-be"), 8)
    assert carrier.acknowledged(deliver).status == ESME_ROK
    until(lambda: [client.submit(PORT, person).status for client in clients] == [0x420] * len(clients), pool.said)
    (row,) = pool.ask("optout", "list-doubtful")["rows"]
    until(lambda: pool.metric("gate106_doubtful_replies", state="open") == 1, pool.said)
    assert pool.ask("optout", "decide", row["row"], "--no", "--why", "only asks")["lifted"] == 1
    until(lambda: [client.submit(PORT, person).status for client in clients] == [ESME_ROK] * len(clients), pool.said)
    for _ in range(4):  # whichever worker is asked
        until(lambda: pool.ask("optout", "list-doubtful")["rows"] == [], pool.said)
    for client in clients:
        client.__exit__()
    assert pool.stop() == 0
