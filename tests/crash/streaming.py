"""The process of the event stream, killed at one of its points and started again.

In: a point, a seed, a cluster. Out: AssertionError where a record is missing, or the position is ahead of the cluster. Never: a point that
did not come.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from pathlib import Path

from proxy.archive.secret_keys import ArchiveKeys
from proxy.archive.stream.sender import POSITION, StreamPosition, StreamSender
from proxy.config import Stream
from proxy.journal.encoding import pack
from proxy.journal.erasure import Erasure, RedactedGroup
from proxy.journal.records import messages, operator_actions
from proxy.journal.write_ahead_log import Journal, OsDisk
from tests.archive.stream.mock_cluster import MockCluster, Topic
from tests.crash.sender_that_dies import POINTS

LAST_S = 20.0
KEEP_DAYS, DAY_S = 7.0, 86_400.0
OLD = 20
"""Records that are older than the setting keeps, and were not sent."""


def write(journal: Journal, count: int, time_s: float | None = None) -> None:
    """Some records, one of them an erasure, which leaves as a tombstone."""
    now = time_s or time.time()
    change = RedactedGroup(1, bytes(32), bytes(32))
    journal.append(messages.ERASURE, pack(Erasure(now, 4711, 1, (change,), bytes(64), "Li Na", "letter 4711")))
    journal.write(now)
    for _ in range(count - 1):
        journal.append(messages.LIFTED, pack(operator_actions.Lifted(now, 1, "Li Na", "over")))
        journal.write(now)
    journal.note_synced(journal.sync())
    journal.mark(now)


def position(folder: Path) -> int:
    """What the file says; 0 if there is none."""
    path = folder / POSITION
    return max(0, json.loads(path.read_text())["sequence"]) if path.exists() else 0


def dies_and_goes_on(point: str, seed: int, folder: Path, cluster: MockCluster) -> None:
    topic = Topic(cluster.brokers, f"{point}-{seed}")
    config, journal_folder, death = folder / "gate106.yaml", folder / "journal", folder / "death"
    config.write_text(f"store: sqlite:///{folder}/state.db\njournal: {journal_folder}\nstream: {topic.url}\n")
    keys = ArchiveKeys(folder / "keys", make=True)
    journal = Journal(OsDisk(journal_folder), 0)
    first = 1
    if point == "trimmed":
        write(journal, OLD, time.time() - (KEEP_DAYS + 1) * DAY_S)
        StreamPosition(journal.identity.hex(), 0).save(journal_folder / POSITION)
        write(journal, OLD, time.time() - (KEEP_DAYS + 0.5) * DAY_S)  # a segment of its own, which ends now
        first += OLD
    write(journal, 70)
    plan = {"point": point, "nth": random.Random(f"{seed} {point}").randint(1, POINTS[point].most), "death": str(death)}
    command = [sys.executable, "-m", "tests.crash.sender_that_dies", json.dumps(plan), str(config)]
    killed = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        for _ in range(80):
            write(journal, 5)
            try:
                killed.wait(0.5)
                break
            except subprocess.TimeoutExpired:
                continue
    finally:
        killed.kill()
        _, said = killed.communicate()
    assert death.exists(), f"{point}, occurrence {plan['nth']}, has not come: {said.decode()}"
    seen = {int(one.partition(":")[2]) for one in topic.take(max(0, position(journal_folder) - first + 1))}
    assert set(range(first, position(journal_folder) + 1)) <= seen, "the position is ahead of the cluster"

    settings = Stream(topic.url, KEEP_DAYS, texts=False, user="", password="", tls_ca=None)
    again = StreamSender(OsDisk(journal_folder), 0, keys, settings)
    until_s = time.monotonic() + LAST_S
    while again.position.sequence < journal.synced:
        assert time.monotonic() < until_s, again.status
        again.step(time.time())
        again.wait(0.05)
    again.close()
    assert position(journal_folder) == journal.synced, "the position is saved at an end in order"
    assert set(topic.take(journal.synced - first + 1)) == {f"0:{number}" for number in range(first, journal.synced + 1)}
    assert again.position.lost == first - 1, "what was too old is counted once"
    tombstones = [one for one in topic.events.values() if "tombstone" in one["data"]]
    assert len(tombstones) == sum(one["type"] == "gate106.erasure" for one in topic.events.values()) > 1
    topic.close()
