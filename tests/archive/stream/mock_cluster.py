"""librdkafka's mock cluster in a process of its own: ``python -m tests.archive.stream.mock_cluster``.

In: a first line of standard output with the brokers' addresses; ``down`` and ``up`` on standard input take its broker away and bring it back
under the same address, and each is answered with ``done``. It ends with its standard input. Never: a mock of the gate's own code.
"""

from __future__ import annotations

import ctypes
import subprocess
import sys
from pathlib import Path

import confluent_kafka


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


if __name__ == "__main__":
    main()
