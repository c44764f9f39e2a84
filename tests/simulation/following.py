"""A gate, the cable, and the follower of its journal, of which each dies when it is worst; no sockets, no sleeping, no processes.

In: a seed. Out: Broken where a promise of docs/backup.md is. Never: a decision of the gate or its follower made here: journal, feed, session,
copying of files, restore and erasure are the real ones, on files in memory of which a power loss leaves what was synced.

    mode        what must hold when the gate's machine is lost, and a node was restored from the follower
    defer       nothing that was answered is missing
    go_on       nothing is missing unless the note stood when it was answered, and still stood at the loss
    async       nothing is missing that was answered more than ``behind_s`` ago, unless the note stood

In each: a node of an old epoch answers nothing once it was told, does not start again, and no octet of it reaches the copy; who was erased is
in no file, here or there, once files were copied; in the end follower and gate have the same octets.
"""

from __future__ import annotations

import contextlib
import errno
import heapq
import os
import random
import shutil
import sqlite3
from collections import Counter, deque
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, cast

from proxy.cluster import follower_protocol
from proxy.cluster.follower import FollowerFolder, FollowerSession
from proxy.cluster.follower_feed import FollowerFeed
from proxy.cluster.follower_protocol import FollowerFault
from proxy.config import Follower, StoragePaths
from proxy.config.mapping_reader import Address
from proxy.journal.disk import OsDisk
from proxy.journal.encoding import pack, unpack
from proxy.journal.erasure import Erasure, erase
from proxy.journal.records import messages
from proxy.journal.sealing import KeyRing
from proxy.journal.write_ahead_log import Journal, JournalDown, JournalError, read
from proxy.runtime import atomic_files
from proxy.server import backup
from proxy.server.follower_files import FollowerFiles
from tests.simulation.nouns import Broken
from tests.simulation.synced import Medium, simulated

RUN_S = 20.0
AWAY_S, BEHIND_S, PING_S, RETRY_S = 1.0, 0.5, 0.3, 0.2
SEGMENT_BYTES = 1_500
PERSONS = tuple(range(13_900_200_001, 13_900_200_005))
MODES = (("sync", "defer"), ("sync", "go_on"), ("async", None))


class Died(BaseException):
    """The process that runs now is gone."""


class Node:
    """A gate: its machine, and one life of its process after the other."""

    def __init__(self, world: Following, folder: Path) -> None:
        self.world, self.folder = world, folder
        self.places = StoragePaths(folder / "state.db", folder / "journal", folder / "revisions")
        self.cable = True  # whether octets pass
        self.alive = self.told = self.lost = self.noted = False
        self.life, self.started, self.ended = 0, 0.0, 0.0
        self.answered: dict[int, tuple[float, bool]] = {}
        """Serial → when it was answered, and whether the note stood then."""
        self.ever: set[int] = set()  # serials that it wrote
        self.connection = 0
        self._syncing = False

    def start(self) -> None:
        if self.alive or self.lost:
            return
        try:
            follower_protocol.refuse_fenced(self.places.journal)
        except FollowerFault:
            self.world.seen["did not start again"] += 1
            return
        self.life += 1
        self.alive, self._syncing, self.started = True, False, self.world.now
        self.waiting: list[tuple[int, Callable[[], object]]] = []
        """Record → what is done once it is safe."""
        self._to_erase: list[tuple[int, int]] = []
        self.journal = Journal(OsDisk(self.places.journal), 0, segment_bytes=SEGMENT_BYTES)
        world = self.world
        self.feed = FollowerFeed(world.settings, self.journal, self.release, self.fenced, lambda: world.now)
        if not self.places.store.exists():
            with contextlib.closing(sqlite3.connect(self.places.store)) as db:
                db.executescript("CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT)")
        self.connect()
        self.feed.need()
        self.write(messages.START, b"")

    def dies(self) -> None:
        self.alive, self.ended, self.noted = False, self.world.now, bool(self.feed.notes())
        self.life += 1
        self.connection += 1
        self.journal.on_durable = None
        for file in self.journal.disk._files.values():  # type: ignore[attr-defined] # the system closes them, and cuts nothing off
            os.close(file)

    def fenced(self, why: str) -> None:
        self.told = True
        self.world.seen["told that it was replaced"] += 1
        self.dies()

    # -- records and answers

    def write(self, kind: int, body: bytes, serial: int = 0) -> None:
        self.journal.append(kind, body)
        try:
            self.journal.write(self.world.now)
        except JournalDown:
            self.world.seen["deferred"] += 1
            return
        if serial:
            self.ever.add(serial)
            self.waiting.append((self.journal.written, partial(self._answer, serial)))
        if not self._syncing:
            self._syncing = True
            self.world.later(self.world.dice.choice((0.001, 0.02)), self._synced, self)

    def submit(self) -> None:
        if self.alive:
            self.world.serial += 1
            person = self.world.dice.choice(PERSONS)
            self.world.whose[self.world.serial] = person
            self.write(messages.DISOWNED, self.world.serial.to_bytes(8, "big") + person.to_bytes(8, "big"), self.world.serial)

    def _synced(self) -> None:
        self._syncing = False
        self.journal.note_synced(self.journal.sync())
        self.release()

    def release(self) -> None:
        while self.alive and self.waiting and self.waiting[0][0] <= self.journal.synced:
            if self.told:
                raise Broken("a node that was told that it is replaced answers")
            self.waiting.pop(0)[1]()

    def _answer(self, serial: int) -> None:
        self.answered[serial] = self.world.now, bool(self.feed.notes())
        self.world.worst_comes("answer", self)

    def serials(self) -> set[int]:
        return serials_in(self.places.journal)

    def connect(self) -> None:
        if self.alive:
            self.connection += 1
            Connecting(self.world, self, self.connection)

    # -- files and erasure

    def copy_files(self) -> None:
        """One pass, as the process of ``gate106 follower update`` does it."""
        if not self.alive or self.told or not self.world.up:
            return
        with contextlib.closing(sqlite3.connect(self.places.store)) as db:
            rows = {"counted": self.journal.durable, "open_from": 1}
            db.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", [(name, str(value)) for name, value in rows.items()])
            db.commit()
        self.world.settled += 1
        os.utime(self.places.store, ns=(self.world.settled, self.world.settled))
        cable = FilesCable(self.world, self)
        try:
            FollowerFiles(cable, self.places).update()
        except (OSError, FollowerFault):
            self.world.seen["a pass over files failed"] += 1
        except Died:
            self.world.follower_dies()
        else:
            self.world.seen["files copied"] += 1
            self.world.copied_at = self.world.now

    def erase(self, person: int, dies_at: int = 0) -> None:
        """In closed segments, as ``gate106 journal erase`` does it; ``dies_at``: the step before which the gate is killed."""
        if self.alive and not self.told and self.journal.written:
            self._to_erase.append((person, dies_at))
            if len(self._to_erase) == 1:
                self._begin_erasure()

    def _begin_erasure(self) -> None:
        person = self._to_erase[0][0]
        disk = cast("OsDisk", self.journal.disk)
        first = int(disk.list()[-1].partition(".")[0])
        found = (one for one in read(OsDisk(disk.path)) if one.kind == messages.DISOWNED and one.sequence < first)
        self.world.gone |= {serial_of(one.body) for one in found if one.body.endswith(person.to_bytes(8, "big"))}
        self._erase_in(disk.list()[:-1])

    def _erase_in(self, names: list[str]) -> None:
        person = self._to_erase[0][0]
        disk = cast("OsDisk", self.journal.disk)
        without = None
        while names and (without := erase(disk.read(names[0]), KeyRing(), person)) is None:
            names = names[1:]
        if without is None:
            self._erasure_ends(done=True)
            return
        if self._dies(1):
            return
        atomic_files.temporary_path(disk.path / names[0]).write_bytes(without.data)
        if self._dies(2):
            return
        first = int(names[0].partition(".")[0])
        self.write(
            messages.ERASURE,
            pack(Erasure(self.world.now, person % 97, first, without.changes, bytes(64), "Li Na", "letter 4711")),
        )
        if self.journal.held:  # it says that it cannot, and is asked again
            self._erasure_ends(done=False)
            return
        self.waiting.append((self.journal.written, partial(self._put, names)))

    def _put(self, names: list[str]) -> None:
        if self._dies(3):
            return
        atomic_files.commit_file(cast("OsDisk", self.journal.disk).path / names[0])
        if self is self.world.node:
            key = self._to_erase[0][0], int(names[0].partition(".")[0])
            self.world.taken_out[key] = self.world.now, bool(self.feed.notes())
        self._erase_in(names[1:])

    def _erasure_ends(self, *, done: bool) -> None:
        person = self._to_erase.pop(0)[0]
        if done:
            self.world.erased.add(person)
            self.world.seen["erased"] += 1
        if self._to_erase:
            self._begin_erasure()

    def _dies(self, step: int) -> bool:
        if self._to_erase[0][1] != step:
            return False
        self.world.seen["died while erasing"] += 1
        if self is self.world.node:
            self.world.gate_dies(power=self.world.chance(0.5))
        else:
            self.dies()
        return True


class Connecting:
    """A connection of octets at the gate, as FollowerLink has it."""

    def __init__(self, world: Following, node: Node, number: int) -> None:
        self._world, self._node, self._number = world, node, number
        self._frames = follower_protocol.Frames()
        self._send = Served(world, node, self._arrives, self.gone).send
        self._send(node.feed.hello(follower_protocol.epoch_of(node.places.journal)))
        world.later(AWAY_S, self._too_late, node)

    @property
    def _up(self) -> bool:
        return self._node.alive and self._number == self._node.connection

    def gone(self, why: str = "reset") -> None:
        node = self._node
        if self._up:
            node.connection += 1
            node.feed.disconnected(why)
            self._world.later(RETRY_S, node.connect, node)

    def _too_late(self) -> None:
        if self._node.feed._write is None:
            self.gone("no welcome")

    def _arrives(self, data: bytes) -> None:
        for kind, body in self._frames.feed(data):
            if not self._up:
                return
            if kind == follower_protocol.ACK:
                noted = bool(self._node.feed.notes())
                self._node.feed._acknowledge(follower_protocol.count_of(body))
                if noted and not self._node.feed.notes():
                    self._world.worst_comes("note gone", self._node)
            elif kind == follower_protocol.WELCOME:
                self._welcomed(follower_protocol.content_of(body))
            else:
                self._refused(follower_protocol.content_of(body))

    def _welcomed(self, content: dict[str, Any]) -> None:
        feed = self._node.feed
        try:
            position = feed.position_of(content, feed._end)
        except ConnectionResetError as error:
            self._world.seen["its copy is from before an erasure"] += 1
            self.gone(str(error))
            return
        except FollowerFault as fault:
            raise Broken(f"the gate refuses the follower's copy for good: {fault}") from fault
        feed.connected(position, self._send, lambda: self._world.later(0, self.gone, self._node))
        self._ping()

    def _refused(self, content: dict[str, Any]) -> None:
        if content["fenced"]:
            follower_protocol.fence(self._node.places.journal, content["why"])
            self._node.feed.replaced(content["why"])
        elif content["passes"]:
            self._world.seen["the follower says why it cannot write"] += 1
            self.gone(content["why"])
        else:
            raise Broken(f"the follower refuses for good: {content['why']}")

    def _ping(self) -> None:
        if self._up:
            try:
                self._node.feed.ping()
            except TimeoutError:
                self.gone("silent")
            self._world.later(PING_S, self._ping, self._node)


class Pipe:
    """One way of a connection: octets arrive in order, and late while the cable passes nothing."""

    def __init__(self, world: Following, node: Node, deliver: Callable[[bytes], None]) -> None:
        self._world, self._node, self._deliver = world, node, deliver
        self._after, self._under_way = 0.0, deque[bytes]()

    def send(self, data: bytes) -> None:
        self._under_way.append(data)
        self._after = max(self._after, self._world.now + self._world.dice.choice((0.001, 0.002, 0.1)))
        self._world.at(self._after, self._arrives)

    def _arrives(self) -> None:
        if self._node.cable:
            self._deliver(self._under_way.popleft())
        else:
            self._world.later(0.1, self._arrives)


class Served:
    """A connection of octets at the follower."""

    def __init__(self, world: Following, node: Node, answer: Callable[[bytes], None], gone: Callable[[], None]) -> None:
        self.world, self.gone = world, gone
        self.send, self._answer = Pipe(world, node, self._arrives).send, Pipe(world, node, answer).send
        self._session = FollowerSession() if world.up else None
        self._process = world.process

    def _arrives(self, data: bytes) -> None:
        world, session = self.world, self._session
        if session is None or not world.up or self._process != world.process:
            self.gone()
            return
        try:
            if session.hello is None:
                session.take_hello(data)
                session.greet(world.folder)
                if (before := world.served) is not None:
                    before._session = None
                    world.later(0, before.gone)
                world.served = self
                answer = session.welcome()
            else:
                answer = session.receive(data)
        except FollowerFault as fault:
            told = {"why": str(fault), "fenced": fault.fenced, "passes": fault.passes}
            answer, self._session = follower_protocol.fields(follower_protocol.REFUSED, told), None
        except Died:
            world.follower_dies()
            return
        self._answer(answer)


class FilesCable:
    """A connection for files, which is cut or whose follower dies at a drawn moment."""

    def __init__(self, world: Following, node: Node) -> None:
        self._world, self._node = world, node
        self._session, self._answers = FollowerSession(), b""
        self._left = world.dice.randint(1, 30) if world.stormy and world.chance(0.4) else -1
        self._dies = world.chance(0.5)

    def sendall(self, data: bytes, /) -> None:
        self._left -= 1
        if not self._node.cable or not self._left:
            self._world.seen["died while files are copied" if self._dies else "cut while files are copied"] += 1
            if self._dies and self._node.cable:
                raise Died
            raise ConnectionResetError
        if self._session.hello is None:
            self._session.take_hello(data)
            self._session.greet(self._world.folder)
            self._answers += self._session.welcome()
        else:
            self._answers += self._session.receive(data)

    def recv(self, size: int, /) -> bytes:
        data, self._answers = self._answers[:size], self._answers[size:]
        return data


class SimFolder(FollowerFolder):
    """The follower's folder, whose process dies and whose disk refuses as the world has it."""

    def __init__(self, world: Following, folder: Path) -> None:
        self._world = world
        super().__init__(folder)

    def append(self, name: str, offset: int, data: memoryview) -> int:
        if self._world.full:
            some = len(data) // 2
            super().append(name, offset, data[:some])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        done = super().append(name, offset, data)
        self._world.may_die("died between its write and its sync")
        return done

    def sync(self) -> None:
        super().sync()
        self._world.may_die("died between its sync and its answer")


class Following:
    def __init__(self, seed: int, root: Path) -> None:
        self.seed, self.dice, self.root = seed, random.Random(seed), root
        self.mode = MODES[seed % 3]
        address = Address("127.0.0.1", 1)
        self.settings = Follower(address, self.mode[0], self.mode[1], AWAY_S, BEHIND_S, 60.0, None, None, None, "")
        self.now, self.ticket = 0.0, 0
        self.events: list[tuple[float, int, Callable[[], None]]] = []
        self.seen: Counter[str] = Counter()
        self.serial, self.settled, self.copied_at = 0, 1, 0.0
        self.medium = Medium()
        self.stormy, self.full, self.deadly = False, False, 0.0
        self.erased: set[int] = set()
        self.gone: set[int] = set()  # serials whose person was to be erased
        self.whose: dict[int, int] = {}  # serial → person
        self.safe: set[int] = set()  # serials that were answered, and restored
        self.taken_out: dict[tuple[int, int], tuple[float, bool] | None] = {}
        """Person and segment → when they were taken out of it, and whether the note stood then; None: a restore had the record."""
        self.process = 0
        self.served: Served | None = None
        self.up = False
        self.nodes: list[Node] = []
        self.worst, self.quiet = "", False

    # -- time and chance

    def chance(self, probability: float) -> bool:
        return self.dice.random() < probability

    def at(self, time: float, do: Callable[[], object]) -> None:
        self.ticket += 1
        heapq.heappush(self.events, (time, self.ticket, cast("Callable[[], None]", do)))

    def later(self, seconds: float, do: Callable[[], object], node: Node | None = None) -> None:
        """``node``: only in this life of it."""
        if node is None:
            self.at(self.now + seconds, do)
            return
        life = node.life
        self.at(self.now + seconds, lambda: do() if node.alive and node.life == life else None)

    def passes(self, until: float) -> None:
        while self.events and self.events[0][0] <= until:
            at, _, do = heapq.heappop(self.events)
            self.now = max(self.now, at)
            do()
        self.now = until

    # -- what happens

    def run(self) -> Counter[str]:
        with simulated(self.medium):
            try:
                self._live()
            finally:
                if self.up:
                    self.folder.close()
                for node in self.nodes:
                    if node.alive:
                        node.dies()
        return self.seen

    @property
    def node(self) -> Node:
        """The gate that serves by right."""
        return self.nodes[-1]

    def _live(self) -> None:
        self.follower_starts()
        self._new_node()
        self.node.start()
        self.passes(1.0)
        self.node.copy_files()
        self.stormy, self.deadly = True, self.dice.choice((0.0, 0.0, 0.02))
        for _ in range(self.dice.randint(40, 120)):
            self.at(self.now + self.dice.uniform(0, RUN_S), self.submit)
        happens: list[Callable[[], object]] = [
            self.cable_silent, self.cable_silent, self.cable_reset, self.follower_dies, self.follower_loses_power, self.gate_dies,
            partial(self.gate_dies, power=True), self.machine_lost, self.seems_lost, self.disk_full, self.lost_at_its_worst,
            self.lost_in_quiet,  self.disk_does_not_sync,
            self.copy_files, self.erase,
        ]  # fmt: skip
        for _ in range(self.dice.randint(2, 9)):
            self.at(self.now + self.dice.uniform(0, RUN_S), self.dice.choice(happens))
        self.passes(self.now + RUN_S)
        self._come_to_rest()

    def _new_node(self) -> Node:
        folder = self.root / f"node{len(self.nodes)}"
        (folder / "revisions").mkdir(parents=True)
        self.nodes.append(Node(self, folder))
        return self.node

    def follower_starts(self) -> None:
        if not self.up:
            self.process += 1
            self.folder, self.up, self.served = SimFolder(self, self.root / "copy"), True, None

    def may_die(self, what: str) -> None:
        if self.stormy and self.chance(self.deadly):
            self.seen[what] += 1
            self.worst = self.dice.choice(("", "answer"))
            raise Died

    def worst_comes(self, what: str, node: Node) -> None:
        """The machine is lost, and the follower's power with it, just after an answer, or as soon as the note is gone."""
        if what == self.worst and self.stormy and node is self.node:
            self.worst = ""
            self.later(0, partial(self.machine_lost, power=True), node)

    def follower_dies(self, again_s: float | None = None) -> None:
        if self.up:
            self.seen["follower killed"] += 1
            self.folder.close()
            self.up = False
            if self.chance(0.3):
                self.medium.lose(self.folder.folder, self.dice)
                self.seen["follower lost power"] += 1
            self.later(self.dice.uniform(0.1, 3) if again_s is None else again_s, self.follower_starts)

    def follower_loses_power(self) -> None:
        if self.up:
            self.folder.close()
            self.up = False
            self.medium.lose(self.folder.folder, self.dice)
            self.seen["follower lost power"] += 1
            self.later(self.dice.uniform(0.1, 3), self.follower_starts)

    def gate_dies(self, *, power: bool = False) -> None:
        node = self.node
        if node.alive:
            node.dies()
            if power:
                self.medium.lose(node.places.journal, self.dice)
            self.seen["gate lost power" if power else "gate killed"] += 1
            self.later(self.dice.uniform(0.1, 2), node.start)

    def submit(self) -> None:
        if not self.quiet:
            self.node.submit()

    def copy_files(self) -> None:
        self.node.copy_files()

    def erase(self) -> None:
        self.node.erase(self.dice.choice(PERSONS), self.dice.choice((0, 0, 1, 2, 3)))

    def cable_silent(self) -> None:
        node = self.node
        node.cable = False
        self.seen["cable silent"] += 1
        self.later(self.dice.uniform(0.1, 4), lambda: setattr(node, "cable", True))

    def cable_reset(self) -> None:
        if self.served is not None:
            self.seen["cable reset"] += 1
            self.served._session = None
            self.served.gone()

    def disk_full(self) -> None:
        self.full = True
        self.seen["follower's disk full"] += 1
        self.later(self.dice.uniform(0.1, 3), lambda: setattr(self, "full", False))

    def disk_does_not_sync(self) -> None:
        folder = self.root / "copy" / "journal"
        self.medium.fails.add(folder)
        self.seen["follower's disk does not sync"] += 1
        self.worst = self.dice.choice(("", "answer"))
        self.later(self.dice.uniform(0.1, 2), lambda: self.medium.fails.discard(folder))

    def machine_lost(self, *, power: bool | None = None) -> None:
        """All that the gate has is gone; a node is restored from the follower, which may have lost power with it."""
        if self.node.alive:
            self.node.dies()
        self.node.lost = True
        self.seen["machine lost"] += 1
        self._replace(power=self.chance(0.5) if power is None else power)

    def lost_at_its_worst(self) -> None:
        self.worst = self.dice.choice(("answer", "note gone"))

    def lost_in_quiet(self) -> None:
        """The cable is cut amid a burst; nothing more comes, and then the machine is lost."""
        node = self.node
        for number in range(4):
            self.later(number * 0.03, node.submit)
        self.later(0.1, self.cable_silent)
        self.later(0.1, lambda: setattr(self, "quiet", True))
        self.later(0.1 + BEHIND_S + self.dice.uniform(0.05, 0.3), self._lost_unless_replaced)

    def _lost_unless_replaced(self) -> None:
        self.quiet = False
        self.machine_lost()

    def seems_lost(self) -> None:
        """The cable is cut, and the gate lives: its node is replaced all the same, and later the cable is mended."""
        node = self.node
        node.cable = False
        self.seen["seemed lost"] += 1
        for _ in range(5):
            self.later(self.dice.uniform(0, 3), node.submit)
        self.later(self.dice.uniform(0, 4), lambda: setattr(node, "cable", True))
        self._replace(power=False)

    def _replace(self, *, power: bool) -> None:
        old = self.node
        if self.up:
            self.folder.close()
            self.up = False
        if power:
            self.medium.lose(self.root / "copy", self.dice)
        self.medium.fails.clear()
        new, lacking = self._new_node(), list[Erasure]()
        try:
            backup.restore(self.root / "copy", new.places, tell=lacking.append)
        except backup.BackupError as error:
            raise Broken(f"what the follower has cannot be restored: {error}") from error
        self._judge(old, new.serials())
        self._judge_erasures(old, new, {(one.person, one.first) for one in lacking})
        self.follower_starts()
        new.start()
        self.at(self.now + 1, lambda: self._erase_again(new))

    def _judge(self, old: Node, there: set[int]) -> None:
        self.safe |= old.answered.keys() & there
        for serial, (when, with_note) in old.answered.items():
            if serial not in there and serial not in self.gone:
                self.seen["missing, and allowed to be"] += 1
                self._may_lack(old, f"{serial}, which was answered", when, with_note=with_note)

    def _may_lack(self, old: Node, what: str, when: float, *, with_note: bool) -> None:
        """Whether a node that is restored in the place of another may lack a record. Broken."""
        mode = self.mode[1] or "async"
        noted, until = (bool(old.feed.notes()), self.now) if old.alive else (old.noted, old.ended)
        if (
            mode == "defer"
            or (mode == "go_on" and not (with_note and noted))
            or (mode == "async" and not noted and until - max(when, old.started) > BEHIND_S)
        ):
            raise Broken(f"{what} at {when}, is not at the follower at {until}; the note stood: {with_note}, {noted}")

    def _judge_erasures(self, old: Node, new: Node, told: set[tuple[int, int]]) -> None:
        """Who was erased from a segment is not back in it, or it is told, or the erasure's record may be missing."""
        disk = OsDisk(new.places.journal)
        records, firsts = list(read(disk)), [int(name.partition(".")[0]) for name in disk.list()]
        said = {
            (one.person, one.first) for one in (unpack(Erasure, each.body) for each in records if each.kind == messages.ERASURE)
        }
        there = {
            (self.whose[serial_of(one.body)], max(first for first in firsts if first <= one.sequence))
            for one in records if one.kind == messages.DISOWNED
        }  # fmt: skip
        for (person, first), taken in list(self.taken_out.items()):
            key = person % 97, first
            if key in said:
                self.taken_out[person, first] = None
                self.seen["restored from before an erasure"] += key in told
                if (person, first) in there and key not in told:
                    raise Broken(f"who was erased is back, and nobody says so: {key}, {told}")
                continue
            if taken is None:
                raise Broken(f"a restored copy had the record of an erasure, and the next has not: {key}")
            del self.taken_out[person, first]
            self.seen["an erasure's record missing, and allowed to be"] += 1
            self._may_lack(old, f"the record of an erasure, {key}, which was done", taken[0], with_note=taken[1])

    def _erase_again(self, node: Node) -> None:
        """Restoring says which erasures its copy lacks: they are done again."""
        for person in sorted(self.erased):
            node.erase(person)

    # -- the end

    def _come_to_rest(self) -> None:
        self.stormy, self.full, self.deadly = False, False, 0.0
        self.medium.fails.clear()
        for node in self.nodes:
            node.cable = True
        self.passes(self.now + 3 * AWAY_S + 5)
        self.follower_starts()
        self.node.start()
        for _ in range(3):
            self.passes(self.now + 3 * AWAY_S)
            self._erase_again(self.node)
            self.passes(self.now + 1)
            self.node.copy_files()
        self.passes(self.now + 3 * AWAY_S)
        self._check_at_rest()

    def _check_at_rest(self) -> None:
        node, copy = self.node, self.root / "copy"
        if not node.alive or node.journal.held or node.feed.notes() or node.feed.away:
            raise Broken(f"it does not come to rest: {node.alive}, {node.journal.held}, {node.feed.away}")
        for old in self.nodes[:-1]:
            if old.alive:
                raise Broken("a node that was replaced serves")
        mine, theirs = node.serials(), serials_in(copy / "journal")
        if mine != theirs:
            raise Broken(f"follower and gate differ: {sorted(mine ^ theirs)}")
        if stray := theirs - {one for each in self.nodes for one in each.ever}:
            raise Broken(f"nobody wrote {stray}")
        of_all = {one for each in (self.nodes if self.mode[1] == "defer" else self.nodes[-1:]) for one in each.answered}
        if lost := (of_all | self.safe) - mine - self.gone:
            raise Broken(f"answered, and not in the journal: {sorted(lost)}")
        for folder in (node.folder, copy):
            for path in (path for path in folder.rglob("*") if path.is_file() and path.name != segments_last(folder)):
                data = path.read_bytes()
                for person in self.erased:
                    if person.to_bytes(8, "big") in data:
                        raise Broken(f"{person} was erased, and is in {path}")


def segments_last(folder: Path) -> str:
    """The open segment: it is not erased from."""
    return max((path.name for path in (folder / "journal").glob("*.journal")), default="")


def serials_in(journal: Path) -> set[int]:
    """Serials of records that were not erased."""
    try:
        return {serial_of(one.body) for one in read(OsDisk(journal)) if one.kind == messages.DISOWNED}
    except JournalError as error:
        raise Broken(f"{journal}: {error}") from error


def serial_of(body: bytes) -> int:
    return int.from_bytes(body[:8], "big")


def world_root() -> Path:
    return Path("/dev/shm") if os.access("/dev/shm", os.W_OK) else Path(os.environ.get("TMPDIR", "/tmp"))


def live(seed: int) -> Counter[str]:
    """One world, in a folder of its own in memory."""
    root = world_root() / f"gate106-following-{os.getpid()}-{seed}"
    try:
        return Following(seed, root).run()
    finally:
        shutil.rmtree(root, ignore_errors=True)
