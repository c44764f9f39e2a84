"""Files of two workers with one archive: each sends its own to the follower, and they come back together."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from proxy.cluster import follower_protocol as protocol
from proxy.cluster.follower import FollowerFolder, FollowerServer
from proxy.config import Follower, StoragePaths
from proxy.config.mapping_reader import Address
from proxy.journal.encoding import pack
from proxy.journal.erasure import Erasure, RedactedGroup
from proxy.journal.records import messages
from proxy.journal.segment import HEADER_BYTES, REDACTED, pack_header, unpack_header
from proxy.server import backup
from proxy.server.backup import BackupError
from proxy.server.follower_files import FollowerFiles, Updated, connect
from tests.cluster.test_follower import Peer, serve
from tests.e2e.waiting import until
from tests.server.test_backup import Harness, starts

SHARED, NODES = "accesses/2026-12.jsonl", (8, 9)


class Machine:
    """Two workers, whose octets are at the follower."""

    def __init__(self, folder: Path, copy: Path, port: int) -> None:
        self.copy, self.archive, self._port = copy, folder / "archive", port
        self.workers = {node: Harness(folder / f"worker-{node}") for node in NODES}
        for worker in self.workers.values():
            worker.writes(40)  # several segments
        for name in ("node-8/1.parquet", "node-9/1.parquet", SHARED):
            self.write(name, name)
        self.peers = [self._follow(node) for node in NODES]

    def write(self, name: str, text: str) -> None:
        (self.archive / name).parent.mkdir(parents=True, exist_ok=True)
        (self.archive / name).write_text(text)

    def places(self, node: int, live: Path | None = None) -> StoragePaths:
        """``live``: where it is restored to, instead of where it is."""
        live = live or self.workers[node].places.store.parent
        return StoragePaths(
            live / "state.db", live / "journal", live / "revisions", archive=self.archive, node=node, gate=NODES[0]
        )

    def _follow(self, node: int) -> Peer:
        journal, peer = self.workers[node].journal, Peer(self._port)
        peer.greet(journal=(journal / "identity").read_text().strip(), node=node, gate=NODES[0])
        for name, data in sorted(self.workers[node].segments().items()):
            peer.send(protocol.octets(name, 0, data))
        peer.next()
        return peer

    def erases(self, node: int) -> None:
        """The record of an erasure reaches the follower; the segment that it altered does not."""
        worker, peer = self.workers[node], self.peers[NODES.index(node)]
        before, change = worker.segments(), RedactedGroup(3, bytes(32), bytes(32))
        worker.desk.append(messages.ERASURE, pack(Erasure(9.0, node, 1, (change,), bytes(64), "Li Na", "letter 4711")))
        worker.desk.write(9.0)
        worker.desk.note_synced(worker.desk.sync())
        for name, data in sorted(worker.segments().items()):
            if len(data) > (begin := len(before.get(name, b""))):
                peer.send(protocol.octets(name, begin, data[begin:]))
        peer.next()

    def update(self, node: int) -> Updated:
        to = Follower(Address("127.0.0.1", self._port), "async", None, 3, 5, 60, None, None, None, "")
        with connect(to, None) as connection:
            return FollowerFiles(connection, self.places(node)).update()

    def tables(self, node: int) -> dict[str, str]:
        folder = self.copy / f"node-{node}" / "archive"
        return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    folder, listener = FollowerFolder(tmp_path / "copy"), socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=serve, args=(FollowerServer(folder, None), listener), daemon=True).start()
    found = Machine(tmp_path / "machine", folder.folder, listener.getsockname()[1])
    yield found
    for peer in found.peers:
        peer.close()
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    folder.close()


def taken(
    machine: Machine, *places: StoragePaths, tell: Callable[[Erasure], object] = bool
) -> list[tuple[Path, backup.Copied]]:
    """What a restore of them did, once the follower has seen that they are not connected any more."""
    for peer in machine.peers:
        peer.close()

    def restored() -> list[tuple[Path, backup.Copied]] | None:
        try:
            return backup.restore(machine.copy, *places, tell=tell)
        except BackupError as error:
            if "end it first" in str(error):
                return None
            raise

    return until(restored, "the nodes let go")


def test_each_worker_sends_its_own_tables_and_what_was_erased_in_them(machine: Machine) -> None:
    for node in NODES:
        machine.update(node)
    assert machine.tables(8) == {"node-8/1.parquet": "node-8/1.parquet", SHARED: SHARED}
    assert machine.tables(9) == {"node-9/1.parquet": "node-9/1.parquet"}
    machine.write("node-9/1.parquet", "without a person")
    (machine.archive / "node-8" / "1.parquet").unlink()
    assert [machine.update(node).removed for node in NODES] == [1, 0]
    assert (machine.tables(8), machine.tables(9)) == ({SHARED: SHARED}, {"node-9/1.parquet": "without a person"})


def test_a_segment_with_an_erasure_is_replaced_at_its_node_alone(machine: Machine) -> None:
    for node in NODES:
        machine.update(node)
    name = min(machine.workers[9].segments())
    others = (machine.copy / "node-8" / "journal" / name).read_bytes()
    path = machine.workers[9].journal / name
    data = path.read_bytes()
    header = unpack_header(data)
    path.write_bytes(pack_header(header._replace(form=header.form + REDACTED)) + data[HEADER_BYTES:])
    machine.update(9)
    assert (machine.copy / "node-9" / "journal" / name).read_bytes() == path.read_bytes()
    assert (machine.copy / "node-8" / "journal" / name).read_bytes() == others


def test_one_command_brings_all_workers_back_and_one_worker_comes_back_beside_the_others(
    machine: Machine, tmp_path: Path
) -> None:
    for node in NODES:
        machine.update(node)
    new = {node: machine.places(node, tmp_path / "new" / str(node)) for node in NODES}
    with pytest.raises(BackupError, match=r"archive/node-8: is not empty"):
        backup.restore(machine.copy, *new.values())
    assert not (tmp_path / "new").exists()
    machine.archive.rename(tmp_path / "archive.lost")
    machine.write(SHARED, "newer")
    assert [(copy.name, found.last) for copy, found in taken(machine, *new.values())] == [("node-8", 45), ("node-9", 45)]
    for node, places in new.items():
        assert starts(places) == 45
        assert protocol.epoch_of(places.journal) == 2
        assert (machine.archive / f"node-{node}" / "1.parquet").read_text() == f"node-{node}/1.parquet"
    assert (machine.archive / SHARED).read_text() == "newer"
    (machine.archive / "node-9" / "1.parquet").unlink()
    again = machine.places(9, tmp_path / "again")
    taken(machine, again)
    assert (starts(again), protocol.epoch_of(again.journal), protocol.epoch_of(new[8].journal)) == (45, 3, 2)


def test_a_restore_of_all_workers_tells_which_erasures_each_of_them_lacks(machine: Machine, tmp_path: Path) -> None:
    for node in NODES:
        machine.erases(node)
        machine.update(node)
    machine.archive.rename(tmp_path / "archive.lost")
    told: list[Erasure] = []
    taken(machine, *(machine.places(node, tmp_path / "new" / str(node)) for node in NODES), tell=told.append)
    assert sorted({one.person for one in told}) == [*NODES]


def test_a_node_that_the_follower_does_not_have_is_told_before_anything_is_restored(machine: Machine, tmp_path: Path) -> None:
    machine.update(8)
    machine.archive.rename(tmp_path / "archive.lost")
    known, unknown = machine.places(8, tmp_path / "new"), machine.places(8, tmp_path / "other")._replace(node=10)
    with pytest.raises(BackupError, match="has no node-10"):
        taken(machine, known, unknown)
    assert not (tmp_path / "new").exists()
    assert protocol.epoch_of(machine.copy / "node-8" / "journal") == 1
