"""The journal is sent to a cluster: all of it, what is synced only, whatever fails."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from proxy.archive.secret_keys import ArchiveKeys
from proxy.archive.stream import sender
from proxy.archive.stream.sender import POSITION, StreamPosition, StreamSender
from proxy.config import Stream
from proxy.journal.encoding import pack
from proxy.journal.records import messages, operator_actions
from proxy.journal.write_ahead_log import Journal, OsDisk
from tests.archive.stream.mock_cluster import MockCluster, Topic
from tests.harness import NOON

DAY = 86_400.0


class Sent:
    """A journal, and what sends it."""

    def __init__(self, folder: Path, topic: Topic) -> None:
        self.folder, self.topic = folder, topic
        self.settings = Stream(topic.url, 7.0, texts=False, user="", password="", tls_ca=None)
        self.keys = ArchiveKeys(folder.parent / "keys", make=True)
        self.journal = Journal(OsDisk(folder), 3)
        self.now = NOON
        self.sender: StreamSender | None = None

    def write(self, count: int, *, why: str = "", claimed: bool = True) -> None:
        for _ in range(count):
            self.journal.append(messages.LIFTED, pack(operator_actions.Lifted(self.now, 1, "Li Na", why)))
            self.journal.write(self.now)
        if claimed:
            self.journal.note_synced(self.journal.sync())
            self.journal.mark(self.now)

    def begin(self) -> StreamSender:
        """A new process, as far as this one can be."""
        self.sender = StreamSender(OsDisk(self.folder), 3, self.keys, self.settings)
        return self.sender

    def until(self, done: Callable[[StreamSender], bool], within_s: float = 20.0) -> StreamSender:
        one = self.sender or self.begin()
        until_s = time.monotonic() + within_s
        while not done(one):
            assert time.monotonic() < until_s, one.status
            if not one.step(self.now):
                one.wait(0.02)
            one.save(float("inf"))
        one.save(float("inf"))
        return one

    def all_sent(self) -> StreamSender:
        return self.until(lambda one: one.position.sequence == self.journal.synced)

    @property
    def position(self) -> StreamPosition:
        return StreamPosition.load(self.folder / POSITION, self.journal.identity.hex())


@pytest.fixture
def sent(tmp_path: Path, topic: Topic) -> Sent:
    return Sent(tmp_path / "journal", topic)


def ids(*numbers: int) -> list[str]:
    return [f"3:{number}" for number in numbers]


def test_records_are_sent_in_their_order_under_the_key_of_their_node(sent: Sent) -> None:
    sent.write(30)
    status = sent.all_sent().status
    assert (status["position"], status["sent"], status["lost"], status["oldest_ms"], status["problem"]) == (30, 30, 0, 0, "")
    assert sent.topic.take(30) == ids(*range(1, 31))
    assert sent.topic.keys == {b"3"}
    assert sent.position.sequence == 30


def test_a_new_process_continues_where_the_last_one_was(sent: Sent) -> None:
    sent.write(5)
    sent.all_sent()
    sent.begin()
    sent.write(5)
    sent.all_sent()
    assert sent.topic.take(10) == ids(*range(1, 11))
    assert sent.topic.twice == 0


def test_what_a_power_loss_can_take_back_is_not_sent(sent: Sent) -> None:
    sent.write(2)
    sent.write(2, claimed=False)
    one = sent.until(lambda one: one.position.sequence == 2)
    for _ in range(3):
        one.step(sent.now)
    assert one.status["oldest_ms"] == 0
    sent.write(0)
    sent.all_sent()
    assert sent.topic.take(4) == ids(1, 2, 3, 4)


def test_a_cluster_that_is_away_loses_nothing_and_bounds_what_is_in_memory(
    sent: Sent, cluster: MockCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender, "IN_FLIGHT_MAX", 10)
    monkeypatch.setattr(sender, "STALLED_S", 0.0)
    sent.write(3)
    sent.all_sent()
    cluster.say("down")
    sent.write(40)
    sent.until(lambda one: bool(one.status["problem"]))
    assert sent.sender is not None
    assert (sent.position.sequence, len(sent.sender._in_flight) <= 12) == (3, True)
    assert sent.sender.status["oldest_ms"] == int(NOON * 1000)
    cluster.say("up")
    sent.all_sent()
    assert sent.topic.take(43) == ids(*range(1, 44))


def test_a_process_that_is_killed_sends_again_what_was_not_saved(sent: Sent) -> None:
    sent.write(4)
    sent.all_sent()
    kept = (sent.folder / POSITION).read_bytes()
    sent.write(4)
    sent.all_sent()
    (sent.folder / POSITION).write_bytes(kept)
    sent.begin()
    sent.all_sent()
    assert (sent.topic.take(8), sent.topic.twice) == (ids(*range(1, 9)), 4)


def test_a_position_that_cannot_be_saved_stops_nothing(sent: Sent) -> None:
    (sent.folder / POSITION).mkdir()  # a rename onto it fails, as on a full disk
    sent.write(4)
    assert POSITION in sent.all_sent().status["problem"]
    assert sent.topic.take(4) == ids(1, 2, 3, 4)
    (sent.folder / POSITION).rmdir()
    sent.write(1)
    assert sent.all_sent().status["problem"] == ""
    assert sent.position.sequence == 5


def test_what_is_older_than_the_setting_is_lost_and_counted_once(sent: Sent, cluster: MockCluster) -> None:
    sent.write(2)
    sent.all_sent()
    cluster.say("down")
    try:
        sent.now += 3600
        sent.write(3)  # a segment of its own, and so each
        sent.now += DAY
        sent.write(4)
        sent.now += 7.1 * DAY
        sent.write(5)
        sent.begin()
        sent.until(lambda one: one.status["lost"] == 3)
    finally:
        cluster.say("up")
    one = sent.all_sent()
    assert (one.status["lost"], sent.position.lost) == (3, 3)
    assert sent.topic.take(11) == ids(1, 2, *range(6, 15))
    sent.begin()
    sent.all_sent()
    assert sent.position.lost == 3


def test_a_stream_that_begins_takes_what_the_setting_keeps_and_calls_nothing_lost(sent: Sent) -> None:
    for later_s in (3600, 10 * DAY, 0):
        sent.write(2)
        sent.now += later_s
    assert sent.all_sent().status["lost"] == 0
    assert sent.topic.take(4) == ids(3, 4, 5, 6)


def test_segments_that_were_removed_are_counted_as_lost(sent: Sent) -> None:
    sent.write(2)
    sent.all_sent()
    for _ in range(3):
        sent.now += 3600
        sent.write(4)
    for name in sent.journal.disk.list()[:2]:
        (sent.folder / name).unlink()
    sent.begin()
    sent.all_sent()
    assert sent.position.lost == 4
    assert sent.topic.take(10) == ids(1, 2, *range(7, 15))


def test_a_record_that_no_broker_takes_is_lost_and_stops_nothing_behind_it(sent: Sent) -> None:
    sent.write(1)
    event = sent.begin()._events.event
    sent.sender._events.event = lambda record, time_ms: (  # type: ignore[union-attr, method-assign]
        b"x" * 2_000_000 if record.sequence == 2 else event(record, time_ms)
    )
    sent.write(2)
    assert sent.all_sent().status["lost"] == 1
    assert sent.position.lost == 1
    assert sent.topic.take(2) == ids(1, 3)


def test_an_older_copy_of_the_journal_that_was_put_back_is_sent_on_from_its_end(sent: Sent) -> None:
    sent.write(3)
    shutil.copytree(sent.folder, sent.folder.with_name("copy"))
    sent.write(3)
    sent.all_sent()
    kept = (sent.folder / POSITION).read_bytes()
    shutil.rmtree(sent.folder)
    shutil.copytree(sent.folder.with_name("copy"), sent.folder)
    (sent.folder / POSITION).write_bytes(kept)
    sent.journal = Journal(OsDisk(sent.folder), 3)
    sent.now += 60
    sent.begin()
    sent.until(lambda one: one.position.sequence == 3)
    sent.write(1, why="after the copy")
    sent.all_sent()
    assert sent.topic.take(6) == ids(*range(1, 7))
    assert sent.topic.twice == 1, "the fourth record of the copy has the id of the one that it replaces"


def test_the_names_of_rules_are_known_after_a_restart(sent: Sent) -> None:
    from proxy.journal.records.gate_events import Rules

    sent.journal.append(messages.RULES, pack(Rules(NOON, "00000000000000aa", ("one", "two"))))
    sent.journal.write(NOON)
    sent.write(1)
    sent.all_sent()
    assert sent.begin()._events.rows.rules == {"00000000000000aa": ["one", "two"]}
