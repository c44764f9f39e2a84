"""The process of the event stream, killed at placed points and started again: every record arrives, and the position is never ahead."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.archive.secret_keys import ArchiveKeys
from proxy.archive.stream.sender import POSITION, StreamSender
from proxy.config import Stream
from proxy.journal.encoding import pack
from proxy.journal.records import messages, operator_actions
from proxy.journal.write_ahead_log import Journal, OsDisk
from tests.archive.stream.mock_cluster import MockCluster, Topic
from tests.crash.sender_that_dies import POINTS

SEED = int(os.environ.get("GATE106_CRASH_SEED", "1"))
LAST_S = 20.0


@pytest.fixture(scope="module")
def cluster() -> Iterator[MockCluster]:
    made = MockCluster()
    yield made
    made.kill()


def write(journal: Journal, count: int) -> None:
    for _ in range(count):
        journal.append(messages.LIFTED, pack(operator_actions.Lifted(time.time(), 1, "Li Na", "over")))
        journal.write(time.time())
    journal.note_synced(journal.sync())
    journal.mark(time.time())


def position(folder: Path) -> int:
    """What the file says; 0 if there is none."""
    path = folder / POSITION
    return max(0, json.loads(path.read_text())["sequence"]) if path.exists() else 0


@pytest.mark.parametrize("point", POINTS)
def test_every_record_arrives_though_the_process_is_killed(point: str, tmp_path: Path, cluster: MockCluster) -> None:
    topic = Topic(cluster.brokers, point)
    config, folder, death = tmp_path / "gate106.yaml", tmp_path / "journal", tmp_path / "death"
    config.write_text(f"store: sqlite:///{tmp_path}/state.db\njournal: {folder}\nstream: {topic.url}\n")
    keys = ArchiveKeys(tmp_path / "keys", make=True)
    journal = Journal(OsDisk(folder), 0)
    write(journal, 70)
    rng = random.Random(f"{SEED} {point}")
    plan = {"point": point, "nth": rng.randint(1, POINTS[point].most), "death": str(death)}
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
    seen = {int(one.partition(":")[2]) for one in topic.take()}
    assert set(range(1, position(folder) + 1)) <= seen, "the position is ahead of the cluster"

    again = StreamSender(OsDisk(folder), 0, keys, Stream(topic.url, 7.0, texts=False, user="", password="", tls_ca=None))
    until_s = time.monotonic() + LAST_S
    while again.position.sequence < journal.synced:
        assert time.monotonic() < until_s, again.status
        again.step(time.time())
        again.wait(0.05)
    again.close()
    assert position(folder) == journal.synced, "the position is saved at an end in order"
    assert set(topic.take(journal.synced)) == {f"0:{number}" for number in range(1, journal.synced + 1)}
    topic.close()
