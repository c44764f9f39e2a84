"""The event stream of a running gate: nothing is missing, whoever dies, and messages wait for none of it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.archive.stream.events import KEPT
from proxy.archive.stream.sender import LOCK
from proxy.journal.scan import read
from proxy.journal.write_ahead_log import OsDisk
from tests.archive.stream.mock_cluster import MockCluster, Topic
from tests.e2e.carrier import Carrier
from tests.e2e.gate import SHANGHAI, Gate, provider, run
from tests.e2e.raw import Raw
from tests.e2e.test_extras import Hide, Installed, hide  # noqa: F401 # a fixture
from tests.e2e.waiting import until


@pytest.fixture
def cluster() -> Iterator[MockCluster]:
    made = MockCluster()
    yield made
    made.kill()


@pytest.fixture
def gate(tmp_path: Path, carrier: Carrier, cluster: MockCluster) -> Iterator[Gate]:
    made = Gate(tmp_path, carrier.port, [provider("jia", "1069001")], stream=f"kafka://{cluster.brokers}/gate106")
    yield made.start()
    if made.started:
        made.stop()


def send(gate: Gate, count: int) -> None:
    with Raw(gate.port) as jia:
        assert jia.bind("jia").status == 0
        for number in range(count):
            assert jia.submit("1069001", SHANGHAI.format(number), f"code {number}".encode()).status == 0


def wanted(gate: Gate) -> set[str]:
    """The ids of all records that leave."""
    disk = OsDisk(gate.folder / "journal")
    return {f"0:{record.sequence}" for record in read(disk) if record.kind not in KEPT}


def sender_of(gate: Gate) -> int:
    """Its process: who has the lock open."""
    lock = str(gate.folder / "journal" / LOCK)
    for process in Path("/proc").iterdir():
        if process.name.isdecimal():
            try:
                if any(str(file.readlink()) == lock for file in (process / "fd").iterdir()):
                    return int(process.name)
            except OSError:
                continue
    return 0


def all_sent(gate: Gate) -> bool:
    return gate.metric("gate106_stream_lag_records") == 0 and gate.metric("gate106_stream_sent_total") > 0


def test_nothing_is_missing_whoever_is_killed(gate: Gate, cluster: MockCluster) -> None:
    topic = Topic(cluster.brokers, "gate106")
    send(gate, 20)
    until(lambda: all_sent(gate), gate.said, 30)
    assert gate.notes() == []
    assert SHANGHAI.format(3) not in (gate.folder / "journal" / "stream.json").read_text()

    os.kill(sender_of(gate), signal.SIGKILL)
    send(gate, 20)
    until(lambda: "event stream ended, and is restarted" in gate.said() and all_sent(gate), gate.said, 30)

    gate.signal(signal.SIGKILL)
    gate.wait()
    until(lambda: not sender_of(gate), "the sender's end with the gate", 20)
    gate.start()
    send(gate, 20)
    until(lambda: all_sent(gate), gate.said, 30)
    assert gate.stop() == 0
    gate.start()
    until(lambda: all_sent(gate), gate.said, 30)
    left = wanted(gate)
    found = set(topic.take(len(left)))
    assert left - found == set()
    assert SHANGHAI.format(3) not in str(topic.events)
    assert gate.metric("gate106_stream_lost_total") == 0
    topic.close()


def test_a_cluster_that_is_gone_is_told_and_delays_no_answer_and_another_gets_the_rest(
    gate: Gate, cluster: MockCluster
) -> None:
    send(gate, 5)
    until(lambda: all_sent(gate), gate.said, 30)
    first = Topic(cluster.brokers, "gate106")
    had = set(first.take(6))
    first.close()
    cluster.kill()
    send(gate, 50)
    until(lambda: any(one.startswith("event stream: ") for one in gate.notes()), gate.said, 30)
    until(lambda: gate.metric("gate106_stream_lag_seconds") > 1, gate.said, 30)
    assert gate.metric("gate106_stream_lag_records") >= 50

    other = MockCluster()
    try:
        gate.settings["stream"] = {"url": f"kafka://{other.brokers}/gate106", "keep_days": 3}
        gate.write_settings()
        os.kill(sender_of(gate), signal.SIGKILL)
        until(lambda: all_sent(gate) and not gate.notes(), gate.said, 40)
        topic = Topic(other.brokers, "gate106")
        left = wanted(gate)
        assert left - had - set(topic.take(50)) == set()
        topic.close()
    finally:
        other.kill()


def test_settings_that_no_stream_can_be_sent_by_are_told_with_their_line(gate: Gate) -> None:
    for stream, why in (
        ("kafka://broker/topic", "stream.url: must be kafka://host:9092/topic, not 'kafka://broker/topic'"),
        ({"keep_days": 3}, "stream: 'url' is missing"),
        ({"url": "kafka://a:1/t", "user": "gate"}, "stream: user and password go together"),
        ({"url": "kafka://a:1/t", "tls_ca": "ca.pem"}, "stream.tls_ca: has no meaning without kafkas://"),
    ):
        gate.settings["stream"] = stream
        gate.write_settings()
        done = run("check", "--config", gate.config)
        assert why in done.stdout + done.stderr, done
        assert done.returncode == 2


def test_a_gate_without_the_extra_says_what_to_install(tmp_path: Path, carrier: Carrier, hide: Hide) -> None:  # noqa: F811
    hide("stream")
    gate = Installed(tmp_path, carrier.port, [provider("jia", "1069001")], stream="kafka://127.0.0.1:9092/gate106")
    with pytest.raises(AssertionError):
        gate.start()
    assert "stream: the event stream needs more: confluent_kafka not installed (pip install 'gate106[stream]')" in gate.said()
