"""The follower attacked: by a gate of another journal, of an old epoch, by names that lead elsewhere, by octets that do not follow."""

from __future__ import annotations

import contextlib
import os
import socket
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from hashlib import blake2b
from pathlib import Path
from typing import Any

import pytest

from proxy.cluster import follower_protocol as protocol
from proxy.cluster.follower import FollowerFolder, FollowerServer, FollowerSession
from proxy.cluster.follower_feed import FollowerFeed
from proxy.cluster.follower_protocol import FollowerFault, Frames
from proxy.config import Follower, StoragePaths
from proxy.config.mapping_reader import Address
from proxy.journal.write_ahead_log import Journal, OsDisk, verify
from proxy.server.follower_files import FollowerFiles
from tests.e2e.waiting import until
from tests.simulation.synced import Medium, simulated

FIRST = "00000000000000000001.journal"


class Peer:
    """A gate, or what says to be one."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self._frames, self._read = Frames(), list[tuple[int, bytes]]()

    def send(self, *frames: bytes) -> None:
        self._socket.sendall(b"".join(frames))

    def next(self) -> tuple[int, bytes]:
        while not self._read:
            data = self._socket.recv(65536)
            assert data, "it has hung up"
            self._read += self._frames.feed(data)
        return self._read.pop(0)

    def greet(
        self, wanted: str = "octets", journal: str = "ab" * 16, epoch: int = 1, **node: object
    ) -> tuple[int, dict[str, object]]:
        """``node``: of a gate on a shared store its fields ``node`` and ``gate``."""
        self.send(protocol.fields(protocol.HELLO, {"journal": journal, "epoch": epoch, "for": wanted, **node}))
        kind, body = self.next()
        return kind, protocol.content_of(body)

    def close(self) -> None:
        self._socket.close()

    def refused(self) -> str:
        kind, body = self.next()
        assert kind == protocol.REFUSED
        return str(protocol.content_of(body)["why"])


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[FollowerFolder]:
    found = FollowerFolder(tmp_path / "copy")
    yield found
    found.close()


@pytest.fixture
def peer(folder: FollowerFolder) -> Iterator[Callable[[], Peer]]:
    """Makes connections to a follower that runs."""
    listener = socket.create_server(("127.0.0.1", 0))
    made: list[Peer] = []

    def connect() -> Peer:
        made.append(Peer(listener.getsockname()[1]))
        return made[-1]

    threading.Thread(target=serve, args=(FollowerServer(folder, None), listener), daemon=True).start()
    yield connect
    for one in made:
        one.close()
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


def serve(server: FollowerServer, listener: socket.socket) -> None:
    try:
        server.serve(listener)
    except OSError:
        return  # the test has ended


def written(folder: Path, groups: int = 3) -> bytes:
    """A journal's first segment."""
    journal = Journal(OsDisk(folder))
    for number in range(groups):
        journal.append(1, b"%d" % number)
        journal.write(float(number))
    journal.close()
    return (folder / FIRST).read_bytes()


def test_octets_are_acknowledged_only_after_they_are_synced(
    folder: FollowerFolder, peer: Callable[[], Peer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    sync = os.fdatasync

    def noting(file: int) -> None:
        sync(file)
        synced.append(os.fstat(file).st_size)

    monkeypatch.setattr(os, "fdatasync", noting)
    data, gate = written(tmp_path / "journal"), peer()
    assert gate.greet() == (protocol.WELCOME, {"segment": "", "offset": 0, "digest": "", "node": None})
    for at in range(0, len(data), 50):
        gate.send(protocol.octets(FIRST, at, data[at : at + 50]))
        kind, body = gate.next()
        assert (kind, protocol.count_of(body)) == (protocol.ACK, min(at + 50, len(data)))
        assert synced[-1] == protocol.count_of(body)
    assert (folder.journal / FIRST).read_bytes() == data
    assert verify(OsDisk(folder.journal)).damage is None


def test_octets_whose_sync_failed_as_the_gate_came_back_are_written_again(folder: FollowerFolder, tmp_path: Path) -> None:
    data, medium = memoryview(written(tmp_path / "journal")), Medium()
    whole = len(written(tmp_path / "shorter", 2))
    with simulated(medium):
        folder.append(FIRST, 0, data[:whole])
        assert folder.end()[1] == whole
        folder.append(FIRST, whole, data[whole:])  # the gate is gone before it asks for an acknowledgement
        medium.fails.add(folder.journal)
        with pytest.raises(OSError, match="Input/output error"):
            folder.end()
        medium.fails.clear()
        assert folder.end()[1] == len(data)
    assert medium.octets[(folder.journal / FIRST).stat().st_ino] == len(data)


def test_the_lag_counts_what_was_written_before_the_start_and_what_a_new_copy_lacks(tmp_path: Path) -> None:
    now_s, sent = [100.0], list[bytes]()
    written(tmp_path / "journal")
    journal = Journal(OsDisk(tmp_path / "journal"))
    settings = Follower(Address("127.0.0.1", 1), "async", None, 1, 0.5, 60, None, None, None, "")
    feed = FollowerFeed(settings, journal, lambda: None, lambda why: None, lambda: now_s[0])
    now_s[0] += 0.6
    assert (feed.kept, feed.notes()) == (False, ["follower: it is 1 s behind, more than behind_s: it was not in reach yet"])
    feed.connected(journal.end, sent.append, bool)
    feed._acknowledge(0)
    assert (feed.kept, feed.lag_s) == (True, 0)
    feed.disconnected("its folder was moved away")
    feed.connected(("", 0), sent.append, bool)
    now_s[0] += 0.6
    assert not feed.kept
    feed._acknowledge(0)
    assert not feed.kept, "of the copy before"
    feed.ping()
    feed._acknowledge(feed._sent)
    assert (feed.kept, feed.lag_s) == (True, 0)
    journal.close()


def test_a_torn_group_is_cut_before_the_gate_is_told_where_the_copy_ends(
    folder: FollowerFolder, peer: Callable[[], Peer], tmp_path: Path
) -> None:
    data, gate = written(tmp_path / "journal"), peer()
    gate.greet()
    gate.send(protocol.octets(FIRST, 0, data[:-10]))
    gate.next()
    kind, welcome = peer().greet()
    assert (kind, welcome["segment"]) == (protocol.WELCOME, FIRST)
    kept = int(str(welcome["offset"]))
    assert 0 < kept < len(data) - 10
    assert welcome["digest"] == blake2b(data[:kept], digest_size=16).hexdigest()
    assert (folder.journal / FIRST).read_bytes() == data[:kept]


@pytest.mark.parametrize(
    ("name", "offset"), [(FIRST, 1), (FIRST, 0), ("00000000000000000009.journal", 8), ("00000000000000000000.journal", 0)]
)
def test_octets_that_do_not_follow_are_refused_and_not_written(
    folder: FollowerFolder, peer: Callable[[], Peer], tmp_path: Path, name: str, offset: int
) -> None:
    data, gate = written(tmp_path / "journal"), peer()
    gate.greet()
    gate.send(protocol.octets(FIRST, 0, data))
    gate.next()
    gate.send(protocol.octets(name, offset, b"x"))
    assert "do not follow" in gate.refused()
    assert [path.read_bytes() for path in folder.journal.glob("*.journal")] == [data]


def test_a_gate_of_another_journal_and_one_of_an_old_epoch_are_refused(peer: Callable[[], Peer]) -> None:
    assert peer().greet()[0] == protocol.WELCOME
    kind, told = peer().greet(journal="cd" * 16)
    assert (kind, told["fenced"]) == (protocol.REFUSED, False)
    assert peer().greet(epoch=3)[0] == protocol.WELCOME
    for wanted in ("octets", "files"):
        kind, told = peer().greet(wanted, epoch=2)
        assert (kind, told["fenced"]) == (protocol.REFUSED, True)
        assert "has epoch 2, and was replaced by one with epoch 3" in str(told["why"])


def test_nodes_on_a_shared_store_have_copies_and_epochs_of_their_own(
    folder: FollowerFolder, peer: Callable[[], Peer], tmp_path: Path
) -> None:
    first, second = written(tmp_path / "first", 2), written(tmp_path / "second", 5)
    for data, node, epoch in ((first, 8, 3), (second, 9, 1)):
        gate = peer()
        assert gate.greet(journal=f"{node:032x}", epoch=epoch, node=node, gate=8)[1]["node"] == node
        gate.send(protocol.octets(FIRST, 0, data))
        gate.next()
    assert [(folder.folder / f"node-{node}" / "journal" / FIRST).read_bytes() for node in (8, 9)] == [first, second]
    assert peer().greet(journal=f"{9:032x}", epoch=2, node=9, gate=8)[0] == protocol.WELCOME
    kind, told = peer().greet(journal=f"{8:032x}", epoch=2, node=8, gate=8)
    assert (kind, told["fenced"]) == (protocol.REFUSED, True)
    kind, told = peer().greet(journal=f"{9:032x}", epoch=3, node=8, gate=8)
    assert (kind, "its node-8 is of another journal" in str(told["why"])) == (protocol.REFUSED, True)
    assert peer().greet()[1]["node"] is None, "the gate of before, whose copy is the folder itself"


@pytest.mark.parametrize("node", [-1, 256, "8", "../x", [8], 8.0])
def test_what_is_no_number_of_a_node_makes_no_folder(folder: FollowerFolder, peer: Callable[[], Peer], node: object) -> None:
    kind, told = peer().greet(node=node)
    assert (kind, "not gate106's protocol" in str(told["why"])) == (protocol.REFUSED, True)
    assert list(folder.folder.glob("*node*")) == []


def test_the_workers_of_a_gate_are_known_and_other_gates_are_not_among_them(
    folder: FollowerFolder, peer: Callable[[], Peer]
) -> None:
    def connect(node: int, **gate: Any) -> list[int]:
        assert peer().greet(journal=f"{node:032x}", node=node, **gate)[0] == protocol.WELCOME
        return protocol.workers_of(folder.folder, 8)

    assert connect(9, gate=8) == [], "worker 1 is missing: the gate may have no workers now"
    assert [connect(8, gate=8), connect(7, gate=7), connect(10), connect(11, gate=11), connect(12, gate=8)][-1] == [8, 9, 12]
    assert connect(8) == []


def test_a_node_is_restored_beside_others_that_go_on_but_not_while_it_is_connected(
    folder: FollowerFolder, peer: Callable[[], Peer]
) -> None:
    gate, other = peer(), peer()
    gate.greet(node=8)
    other.greet(journal="cd" * 16, node=9)
    with pytest.raises(FollowerFault, match="end it first"):
        FollowerFolder(folder.folder / "node-8")
    gate.close()
    taken = until(lambda: free(folder.folder / "node-8"), "the node let go")
    assert "end it first" in str(peer().greet(node=8)[1]["why"])
    taken.close()
    assert peer().greet(node=8)[0] == protocol.WELCOME
    other.send(protocol.frame(protocol.PING))
    assert other.next()[0] == protocol.ACK


def free(copy: Path) -> FollowerFolder | None:
    with contextlib.suppress(FollowerFault):
        return FollowerFolder(copy)
    return None


def test_a_follower_that_knows_no_nodes_is_refused_by_a_gate_that_is_one() -> None:
    of_before = {"segment": "", "offset": 0, "digest": ""}
    protocol.refuse_other_node(of_before, None)
    with pytest.raises(FollowerFault, match="same version"):
        protocol.refuse_other_node(of_before, 8)


def test_a_node_that_was_replaced_gets_no_acknowledgement_on_the_connection_that_it_still_has(
    peer: Callable[[], Peer], tmp_path: Path
) -> None:
    data, old = written(tmp_path / "journal"), peer()
    old.greet()
    assert peer().greet("files", epoch=2)[0] == protocol.WELCOME
    try:
        old.send(protocol.octets(FIRST, 0, data))
    except OSError:
        return
    with pytest.raises((AssertionError, OSError)):
        old.next()


@pytest.mark.parametrize(
    "name",
    [
        "../x",
        "/etc/x",
        "revisions/../../x",
        "revisions",
        "journal/identity",
        "journal/epoch",
        f"journal/../{FIRST}",
        f"journal/{FIRST}",
        "x",
        "",
    ],
)
def test_names_that_lead_elsewhere_are_refused(folder: FollowerFolder, peer: Callable[[], Peer], name: str) -> None:
    before = sorted(folder.folder.parent.rglob("*"))
    for frame in (
        protocol.fields(protocol.FILE, {"path": name, "size": 1, "mtime_ns": 1}) + protocol.frame(protocol.PIECE, b"x"),
        protocol.fields(protocol.REMOVE, {"paths": [name]}),
    ):
        gate = peer()
        assert gate.greet("files")[0] == protocol.WELCOME
        gate.send(frame)
        assert "is no file of a copy" in gate.refused()
    left = {path.name for path in set(folder.folder.parent.rglob("*")) - set(before)}
    assert left <= {"identity"}


def test_a_state_that_counts_octets_which_are_not_there_is_not_kept(
    folder: FollowerFolder, peer: Callable[[], Peer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("proxy.cluster.follower.STATE_S", 0.0)
    data, octets, files = written(tmp_path / "journal", 3), peer(), peer()
    octets.greet()
    octets.send(protocol.octets(FIRST, 0, data))
    octets.next()
    files.greet("files")
    for behind, kept in ((4, 0), (3, 1)):
        told = {"path": "state.db", "size": 2, "mtime_ns": 7, "behind": behind}
        files.send(
            protocol.fields(protocol.FILE, told), protocol.frame(protocol.PIECE, b"s"), protocol.frame(protocol.PIECE, b"t")
        )
        assert protocol.count_of(files.next()[1]) == kept
        assert (folder.folder / "state.db").exists() == bool(kept)


@pytest.mark.parametrize(
    "data", [b"GET / HTTP/1.1\r\n\r\n", b"\0\0\0\0\x04", protocol.frame(protocol.HELLO, b"[]"), b"\xff" * 9]
)
def test_what_is_no_gate_is_told_so(peer: Callable[[], Peer], data: bytes) -> None:
    gate = peer()
    gate.send(data)
    assert "not gate106's protocol" in gate.refused()


def test_one_process_has_the_folder(folder: FollowerFolder) -> None:
    with pytest.raises(FollowerFault, match="end it first"):
        FollowerFolder(folder.folder)


class Direct:
    """A connection for files without a socket."""

    def __init__(self, folder: FollowerFolder) -> None:
        self._folder, self._session, self._answers = folder, FollowerSession(), b""

    def sendall(self, data: bytes, /) -> None:
        if self._session.hello is not None:
            self._answers += self._session.receive(data)
            return
        self._session.take_hello(data)
        self._session.greet(self._folder)
        self._answers += self._session.welcome()

    def recv(self, size: int, /) -> bytes:
        data, self._answers = self._answers[:size], self._answers[size:]
        return data


def test_an_empty_file_is_copied_once_and_those_behind_it_are_too(folder: FollowerFolder, tmp_path: Path) -> None:
    places = StoragePaths(tmp_path / "state.db", tmp_path / "journal", tmp_path / "revisions")
    written(places.journal)
    places.revisions.mkdir()
    (places.revisions / "a.lock").touch()
    (places.revisions / "b").write_bytes(b"a rule set")
    with closing(sqlite3.connect(places.store)) as db:
        db.execute("CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT)")
    assert [FollowerFiles(Direct(folder), places).update().copied for _ in range(2)] == [3, 0]
    assert (folder.folder / "revisions" / "b").read_bytes() == b"a rule set"
