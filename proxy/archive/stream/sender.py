"""Sends events to Kafka and keeps how far they were acknowledged.

In: the settings ``stream``, a journal's disk. Out: events in the order of the journal, each at least once; the position in a small file beside
the journal; a status line a second. Never: an unsynced record, more than ``IN_FLIGHT_BYTES_MAX`` in memory, an end because a broker is away.

    read (synced) → event → Kafka acknowledges → position, synced

A record counts as sent when the cluster acknowledged it, or when it does not leave. Whatever was sent after the position was saved is sent
again after a kill; ``id`` and ``source`` of an event say that it is the same.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from confluent_kafka import KafkaException, Producer

from proxy.archive.secret_keys import ArchiveKeys, KeysError, may_make_keys
from proxy.archive.stream.events import EventWriter
from proxy.config import SettingsError, Stream, archive_locations, stream_settings
from proxy.journal.disk import OsDisk
from proxy.journal.scan import JournalError
from proxy.journal.sealing import KeyRing, SealingError
from proxy.journal.tail import JournalTail
from proxy.runtime import atomic_files
from proxy.runtime.os_errors import in_words

POSITION, LOCK = "stream.json", "stream.lock"  # beside the segments
IN_FLIGHT_MAX, IN_FLIGHT_BYTES_MAX = 20_000, 16 << 20  # events that the cluster has not acknowledged
SAVE_S, STATUS_S = 2.0, 1.0
REST_S = 0.5  # between two readings of a journal that was read to its end
CLOSE_S = 2.0
STALLED_S = 5.0  # without an acknowledgement for so long, the last error is a problem: one broker of several may be away
RULES_MAX = 4  # revisions whose names of rules are kept: verdicts name rules by number
DAY_S = 86_400.0


class CannotStream(Exception):
    """Nothing can be sent; the text says why and what to do."""


class StreamPosition(NamedTuple):
    """What was acknowledged of one journal."""

    journal: str
    sequence: int = -1  # the last record that was sent; -1: nobody has begun
    lost: int = 0  # records that were not sent and never will be
    rules: Mapping[str, Sequence[str]] = {}

    @classmethod
    def load(cls, path: Path, journal: str) -> StreamPosition:
        """The first position of a journal where the file is missing, damaged, or of another journal."""
        try:
            held = cls(**json.loads(path.read_text()))
        except (OSError, ValueError, TypeError):
            return cls(journal)
        return held if held.journal == journal and isinstance(held.sequence, int) else cls(journal)

    def save(self, path: Path) -> None:
        atomic_files.write_file(path, json.dumps(self._asdict(), ensure_ascii=False).encode())


@dataclass(slots=True)
class _InFlight:
    """A record that was read and is not behind the position yet."""

    sequence: int
    time_ms: int
    size: int = 0
    lost: int = 0
    done: bool = True


class StreamSender:
    """Sends one journal."""

    def __init__(self, disk: OsDisk, node: int, keys: ArchiveKeys, settings: Stream) -> None:
        self._settings, self._path = settings, disk.path / POSITION
        identity = disk.identity()
        self.position = StreamPosition.load(self._path, identity)
        self._saved, self._saved_s = self.position, 0.0
        self._events = EventWriter(node, identity, keys.person, self.position.rules, texts=settings.texts)
        self._tail = JournalTail(disk, self.position.sequence if self.position.sequence >= 0 else None)
        self._in_flight, self._bytes, self._expired, self._looked = deque[_InFlight](), 0, 0, 0.0
        self._key = str(node).encode()
        self.sent, self.lost = 0, 0
        self._error = self._failed = self._unsaved = ""
        self._acknowledged_s = time.monotonic()
        self._producer = Producer(configuration(settings, node) | {"error_cb": self._note_error})

    def step(self, now: float) -> bool:
        """Reads, sends and takes acknowledgements; returns whether there may be more to read. CannotStream, JournalError, OSError."""
        if abs(now - self._looked) >= STATUS_S:
            self._looked = now
            self._tail.skip_before(now - self._settings.keep_days * DAY_S)
        more = False
        if len(self._in_flight) < IN_FLIGHT_MAX and self._bytes < IN_FLIGHT_BYTES_MAX:
            for group in islice(self._tail.read(), 100):
                more = True
                for record in group.records:
                    if record.sequence > self.position.sequence:
                        self._send(record, group.time_ms)
                if len(self._in_flight) >= IN_FLIGHT_MAX or self._bytes >= IN_FLIGHT_BYTES_MAX:
                    break
            if self.position.sequence < 0:
                begin = self._in_flight[0].sequence - 1 if self._in_flight else self._tail.behind
                self.position = self.position._replace(sequence=begin)
            if not more and 0 < self._tail.read_to < self.position.sequence:  # an older copy of the journal was put back
                self.position = self.position._replace(sequence=self._tail.read_to)
                self._tail.behind = self._tail.read_to
        self._note_skipped()
        self._producer.poll(0)
        if not self._in_flight:
            self._acknowledged_s = time.monotonic()
        self._advance()
        if self._failed:
            raise CannotStream(f"stream: {self._failed}")
        return more

    def wait(self, seconds: float) -> None:
        self._producer.poll(seconds)

    def _note_skipped(self) -> None:
        """Counts what is older than ``keep_days``, and what was removed from the journal."""
        if count := self._tail.skipped - self._expired:
            self._expired += count
            self.lost += count
            self._in_flight.append(_InFlight(self._tail.behind, 0, lost=count))

    def _send(self, record: Any, time_ms: int) -> None:
        event = self._events.event(record, time_ms)
        one = _InFlight(record.sequence, time_ms)
        self._in_flight.append(one)
        if event is None:
            return
        one.size, one.done = len(event), False
        self._bytes += one.size

        def acknowledged(error: Any, _: Any) -> None:
            if error is not None:
                self._refused(one, error)
                return
            one.done = True
            self.sent += 1
            self._acknowledged_s, self._error = time.monotonic(), ""

        while True:
            try:
                self._producer.produce(self._settings.topic, event, self._key, on_delivery=acknowledged)
                return
            except BufferError:
                self._producer.poll(0.1)
            except KafkaException as error:
                self._refused(one, error.args[0])
                return

    def _refused(self, one: _InFlight, error: Any) -> None:
        if error.name() == "MSG_SIZE_TOO_LARGE":  # it would stop all that follow
            one.done, one.lost = True, 1
            self.lost += 1
        else:
            self._failed = self._failed or f"{self._settings.url}: {error.str()}"

    def _note_error(self, error: Any) -> None:
        self._error = error.str()
        if error.fatal():
            self._failed = self._error

    def _advance(self) -> None:
        sequence, lost = self.position.sequence, self.position.lost
        while self._in_flight and self._in_flight[0].done:
            one = self._in_flight.popleft()
            sequence, lost = one.sequence, lost + one.lost
            self._bytes -= one.size
        if sequence != self.position.sequence:
            rules = dict([*self._events.rows.rules.items()][-RULES_MAX:])
            self.position = self.position._replace(sequence=sequence, lost=lost, rules=rules)

    def save(self, now_s: float) -> None:
        """At most every ``SAVE_S``. A disk that is full costs repetitions after a restart, and nothing else."""
        if self.position == self._saved or now_s - self._saved_s < SAVE_S:
            return
        self._saved_s = now_s
        try:
            self.position.save(self._path)
            self._saved, self._unsaved = self.position, ""
        except OSError as error:
            self._unsaved = f"{self._path}: {in_words(error)}"

    @property
    def status(self) -> dict[str, Any]:
        stalled = bool(self._in_flight) and time.monotonic() - self._acknowledged_s > STALLED_S
        oldest = next((one.time_ms for one in self._in_flight if one.time_ms), 0)
        return {
            "position": self.position.sequence, "oldest_ms": oldest, "sent": self.sent, "lost": self.lost,
            "problem": (self._error if stalled else "") or self._unsaved,
        }  # fmt: skip

    def close(self) -> None:
        self._producer.flush(CLOSE_S)
        self._advance()
        self.save(float("inf"))


def configuration(settings: Stream, node: int) -> dict[str, Any]:
    """Of librdkafka: all replicas acknowledge, order is kept, and it never gives up."""
    found: dict[str, Any] = {
        "bootstrap.servers": settings.brokers, "client.id": f"gate106-node-{node}", "enable.idempotence": True, "message.timeout.ms": 0,
        "linger.ms": 50, "compression.type": "zstd", "partitioner": "murmur2_random",  # as Kafka's own clients do
        "queue.buffering.max.messages": IN_FLIGHT_MAX * 2, "queue.buffering.max.kbytes": (IN_FLIGHT_BYTES_MAX >> 10) * 4,
        "reconnect.backoff.max.ms": 5000, "log_level": 0,
    }  # fmt: skip
    if settings.tls:
        found |= {"ssl.ca.location": str(settings.tls_ca)} if settings.tls_ca is not None else {}
    if settings.user:
        found |= {"sasl.mechanism": "SCRAM-SHA-512", "sasl.username": settings.user, "sasl.password": settings.password}
    words = ("SASL_SSL" if settings.tls else "SASL_PLAINTEXT") if settings.user else "SSL" if settings.tls else "PLAINTEXT"
    return found | {"security.protocol": words}


def follow(config: Path, goes_on: Callable[[], bool]) -> Iterator[dict[str, Any]]:
    """Sends until ``goes_on`` says no; yields a status about once a second. CannotStream."""
    try:
        settings, places = stream_settings(config), archive_locations(config)
        if settings is None:
            raise CannotStream(f"{config}: stream is not set")
        ring = KeyRing.of_files(places.sealing.keys)
        keys = ArchiveKeys(places.archive.keys, make=may_make_keys(places.archive.folder, places.journal))
        lock = os.open(places.journal / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except SettingsError as error:
        raise CannotStream("; ".join(error.problems)) from None
    except (SealingError, KeysError, OSError) as error:
        raise CannotStream(in_words(error) if isinstance(error, OSError) else error) from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        sender = StreamSender(OsDisk(places.journal, ring), places.node, keys, settings)
        yield from _run(sender, goes_on)
    except BlockingIOError:
        raise CannotStream(f"{places.journal}: another process sends this journal") from None
    except (JournalError, OSError) as error:
        raise CannotStream(in_words(error) if isinstance(error, OSError) else error) from None
    finally:
        os.close(lock)


def _run(sender: StreamSender, goes_on: Callable[[], bool]) -> Iterator[dict[str, Any]]:
    told_s = 0.0
    while goes_on():
        more = sender.step(time.time())
        now_s = time.monotonic()
        sender.save(now_s)
        if now_s - told_s >= STATUS_S:
            told_s = now_s
            yield sender.status
        if not more:
            sender.wait(REST_S)
    sender.close()
