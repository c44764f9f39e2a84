"""librdkafka's mock cluster in a process of its own: ``python -m tests.archive.stream.mock_cluster``.

In: a first line of standard output with the brokers' addresses; ``down`` and ``up`` on standard input take its broker away and bring it back
under the same address, and each is answered with ``done``. It ends with its standard input. Never: a mock of the gate's own code.
"""

from __future__ import annotations

import ctypes
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import confluent_kafka
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition


def main() -> None:
    (library,) = (Path(confluent_kafka.__file__).parents[1] / "confluent_kafka.libs").glob("librdkafka-*.so*")
    kafka = ctypes.CDLL(str(library))
    for name in ("rd_kafka_conf_new", "rd_kafka_new", "rd_kafka_mock_cluster_new"):
        getattr(kafka, name).restype = ctypes.c_void_p
    kafka.rd_kafka_mock_cluster_bootstraps.restype = ctypes.c_char_p
    error = ctypes.create_string_buffer(512)
    handle = ctypes.c_void_p(kafka.rd_kafka_new(0, ctypes.c_void_p(kafka.rd_kafka_conf_new()), error, 512))
    cluster = ctypes.c_void_p(kafka.rd_kafka_mock_cluster_new(handle, 1))
    sys.stdout.write(kafka.rd_kafka_mock_cluster_bootstraps(cluster).decode() + "\n")
    sys.stdout.flush()
    for line in sys.stdin:
        getattr(kafka, f"rd_kafka_mock_broker_set_{line.strip()}")(cluster, 1)
        sys.stdout.write("done\n")
        sys.stdout.flush()


class MockCluster:
    """The process of it."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "tests.archive.stream.mock_cluster"]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        assert self.process.stdout is not None
        self.brokers = self.process.stdout.readline().decode().strip()

    def say(self, word: str) -> None:
        """``down`` or ``up``."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{word}\n".encode())
        self.process.stdin.flush()
        assert self.process.stdout.readline() == b"done\n"

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


class Topic:
    """A consumer of a topic, from its beginning on, that drops what it has seen by ``source`` and ``id``."""

    def __init__(self, brokers: str, name: str) -> None:
        self.brokers, self.name = brokers, name
        self.events: dict[tuple[str, str], dict[str, Any]] = {}
        self.twice = 0
        self.keys = set[bytes]()
        self._consumer: Consumer | None = None

    @property
    def url(self) -> str:
        return f"kafka://{self.brokers}/{self.name}"

    def take(self, least: int = 0, within_s: float = 20.0) -> list[str]:
        """The ids of all events, once there are so many different ones, in the order in which they came."""
        until_s = time.monotonic() + within_s
        while self._consumer is None and not self._assigned() and time.monotonic() < until_s:
            if not least:
                return []
        assert self._consumer is not None
        while time.monotonic() < until_s:
            message = self._consumer.poll(0.3)
            if message is None:
                if len(self.events) >= least:
                    break
                continue
            if message.error() is not None:
                continue
            event = json.loads(message.value() or b"")
            self.twice += (event["source"], event["id"]) in self.events
            self.events.setdefault((event["source"], event["id"]), event)
            self.keys.add(message.key() or b"")
        return [event_id for _, event_id in self.events]

    def _assigned(self) -> bool:
        """Whether the topic is there to be read."""
        made = Consumer({"bootstrap.servers": self.brokers, "group.id": "test", "log_level": 0})
        partitions = made.list_topics(self.name, timeout=5.0).topics[self.name].partitions
        if not partitions:
            made.close()
            return False
        made.assign([TopicPartition(self.name, number, OFFSET_BEGINNING) for number in partitions])
        self._consumer = made
        return True

    def close(self) -> None:
        if self._consumer is not None:
            self._consumer.close()


if __name__ == "__main__":
    main()
