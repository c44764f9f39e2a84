"""Limits over two workers: binds, rates, daily quotas, and a dead worker's share."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter

from tests.e2e.carrier import Carrier
from tests.e2e.gate import SHANGHAI
from tests.e2e.pdus import ESME_RBINDFAIL, ESME_ROK
from tests.e2e.raw import Raw
from tests.e2e.waiting import until
from tests.needs import needs
from tests.server.workers.crewed import PORT, Crewed, spread

pytestmark = needs("valkey")
QUOTA = 600
RULES = f"""\
rules:
  - id: quota
    limit: {{count: {QUOTA}, per: day, key: [provider]}}
    then: reject
    reason: provider-quota
"""
NO_RULES = "rules: []\n"
AT_ONCE = 20
PROVIDER_QUOTA = 0x470


def bound(gate: Crewed) -> tuple[Raw, int]:
    client = gate.client()
    return client, client.bind("jia").status


class Sender(threading.Thread):
    """Keeps so many submits under way; ``taken``: when those that were allowed were answered (monotonic)."""

    def __init__(self, client: Raw, first: int, most: int = 1_000_000) -> None:
        super().__init__(daemon=True)
        self.taken: list[float] = []
        self.statuses: Counter[int] = Counter()
        self.over = threading.Event()
        self._client, self._first, self._most = client, first, most

    def run(self) -> None:
        sent = answered = 0
        while answered < sent or (sent < self._most and not self.over.is_set()):
            while sent - answered < AT_ONCE and sent < self._most and not self.over.is_set():
                self._client.send(self._client.submit_bytes(PORT, SHANGHAI.format((self._first + sent) % 10_000), b"%d" % sent))
                sent += 1
            found = self._client.next()
            assert found is not None
            answered += 1
            self.statuses[found.status] += 1
            if found.status == ESME_ROK:
                self.taken.append(time.monotonic())


def test_binds_are_counted_over_all_workers_and_those_of_a_dead_one_come_back(pool: Crewed):
    pool.settings["providers"][0]["binds"] = 5
    pool.write_settings()
    pool.write_rules(NO_RULES)
    pool.start()
    clients = [bound(pool) for _ in range(9)]
    assert Counter(status for _, status in clients) == {ESME_ROK: 5, ESME_RBINDFAIL: 4}
    assert pool.metric("gate106_bind_failures_total", cause="too-many-binds") == 4
    held = Counter(bind["id"] % 2 for bind in pool.ask("binds")["binds"])
    victim, number = max((count, worker) for worker, count in held.items())
    os.kill(pool.pids()[number or 2], signal.SIGKILL)
    more: list[Raw] = []

    def back() -> bool:
        try:
            client, status = bound(pool)
        except (OSError, AssertionError):  # the kernel gave it to who has just died
            return False
        if status == ESME_ROK:
            more.append(client)
        else:
            client.__exit__()
        return len(more) == victim

    until(back, "the binds of the dead worker", 20)
    assert bound(pool)[1] == ESME_RBINDFAIL
    for client in [*(client for client, _ in clients), *more]:
        client.__exit__()


def test_a_second_of_all_workers_brings_what_the_provider_may_send(pool: Crewed):
    tps = 200
    pool.settings["providers"][0]["tps"] = tps
    pool.write_settings()
    pool.write_rules(NO_RULES)
    pool.start()
    senders = [Sender(client, 1000 * place) for place, client in enumerate(spread(pool, 1))]
    for sender in senders:
        sender.start()
    time.sleep(3.0)  # the second that was saved up is used, and shares have settled
    begun = time.monotonic()
    time.sleep(5.0)
    for sender in senders:
        sender.over.set()
    ended = begun + 5.0
    for sender in senders:
        sender.join(20)
    taken = sum(begun <= at < ended for sender in senders for at in sender.taken)
    assert 0.95 * tps * 5 <= taken <= 1.05 * tps * 5


def send_all(clients: list[Raw], each: int) -> list[Sender]:
    senders = [Sender(client, 1000 * place, each) for place, client in enumerate(clients)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join(60)
        assert not sender.is_alive()
    return senders


def with_quota(pool: Crewed) -> Crewed:
    pool.settings["shared"]["deadline_s"] = (
        10  # a store that is late is one that gates count without: not here, however busy the machine
    )
    pool.write_settings()
    pool.write_rules(RULES)
    return pool.start()


def test_a_quota_is_met_within_one_percent_and_never_passed(pool: Crewed, carrier: Carrier):
    """And nobody is told to come again: a message is taken, or the quota is used up."""
    clients = spread(with_quota(pool), 1)
    senders = send_all(clients, 2 * QUOTA // len(clients))
    taken = sum(len(sender.taken) for sender in senders)
    assert taken == len(carrier.seen)
    said = sum((sender.statuses for sender in senders), Counter())

    def used_up() -> bool:
        """What a worker was handed and has not used it gives back after a second."""
        said.update(client.submit(PORT, SHANGHAI.format(9999)).status for client in clients for _ in range(10))
        return said[ESME_ROK] >= 0.99 * QUOTA

    until(used_up, lambda: f"99 % of {QUOTA}: {said}", 20)
    used_up()
    assert said[ESME_ROK] <= QUOTA, said
    assert set(said) == {ESME_ROK, PROVIDER_QUOTA}, said


def test_a_quota_is_not_passed_when_a_worker_is_killed_and_comes_back(pool: Crewed, carrier: Carrier):
    clients = spread(with_quota(pool), 1)
    send_all(clients, QUOTA // 2 // len(clients))
    os.kill(pool.pids()[2], signal.SIGKILL)
    until(lambda: pool.metric("gate106_workers", state="up") == 1, "one worker less")
    for client in clients:
        client.__exit__()
    until(lambda: pool.metric("gate106_workers", state="up") == 2, pool.said, 30)
    clients = spread(pool, 1)
    send_all(clients, 2 * QUOTA // len(clients))
    assert len(carrier.seen) <= QUOTA
    assert len(carrier.seen) >= QUOTA // 2
    for client in clients:
        client.__exit__()
