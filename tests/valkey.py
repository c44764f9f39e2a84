"""Valkey servers of tests: real ones, on free ports of loopback, in folders of their own."""

from __future__ import annotations

import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hiredis
import trustme

from tests.e2e.sockets import free_port
from tests.needs import path_of

SECRET = b"a secret of tests, the same on all nodes"
USER, PASSWORD = "gate106", "spoken-softly"
ACL = "~g106:* resetchannels -@all +mget +get +set +getrange +persist +pexpire +fcall +time +xadd +xread +xtrim +xinfo|stream +hget +hset +function|load +auth +select +ping +cluster|slots +asking"
"""What a gate needs, and no more: the guide says the same."""


class Valkey:
    """One server; ``start`` after ``kill`` brings it back with what its append-only file holds, or empty."""

    def __init__(self, folder: Path, *, tls: bool = False, acl: bool = False, more: tuple[str, ...] = ()) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.tls, self.acl, self.more = tls, acl, more
        self.ca = folder / "ca.pem"
        self.process: subprocess.Popen[bytes] | None = None
        if tls:
            authority = trustme.CA()
            authority.cert_pem.write_to_path(str(self.ca))
            served = authority.issue_cert("localhost", "127.0.0.1")
            served.private_key_and_cert_chain_pem.write_to_path(str(folder / "server.pem"))
        self.start()

    def _words(self) -> list[str]:
        program = path_of("valkey-server")
        assert program is not None
        words = [
            program,
            "--bind",
            "127.0.0.1",
            "--dir",
            str(self.folder),
            "--save",
            "",
            "--appendonly",
            "yes",
            "--daemonize",
            "no",
        ]
        words += ["--loglevel", "warning", "--appendfsync", "everysec", *self.more]
        if self.tls:
            pem = str(self.folder / "server.pem")
            words += ["--port", "0", "--tls-port", str(self.port), "--tls-cert-file", pem, "--tls-key-file", pem]
            words += ["--tls-ca-cert-file", str(self.ca), "--tls-auth-clients", "no"]
        else:
            words += ["--port", str(self.port)]
        if self.acl:
            users = self.folder / "users.acl"
            users.write_text(f"user {USER} on >{PASSWORD} {ACL}\nuser default on nopass ~* &* +@all\n")
            words += ["--aclfile", str(users)]
        return words

    def start(self) -> None:
        self.process = subprocess.Popen(self._words(), stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT)
        self._launched()
        deadline = time.monotonic() + 20
        while self.cli("ping") != "PONG":
            assert self.process.poll() is None, "valkey-server did not start"
            assert time.monotonic() < deadline, "valkey-server does not answer"
            time.sleep(0.02)

    def _launched(self) -> None:
        """It is a process, and does not answer yet."""

    def _inside(self) -> list[str]:
        """In front of a command that is to be done where the server is."""
        return []

    def cli(self, *words: str) -> str:
        """As valkey-cli says it, which begins as a process only where it must: tests ask thousands of times."""
        if not (self.tls or self._inside() or words[0].startswith("-")):
            try:
                return _said(self._answer(*words)).replace("\r\n", "\n").strip()
            except OSError:
                return ""
        program = path_of("valkey-cli")
        assert program is not None
        tls = ["--tls", "--cacert", str(self.ca)] if self.tls else []
        command = [*self._inside(), program, "-p", str(self.port), *tls, *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        return done.stdout.strip()

    def call(self, *words: bytes | str | int) -> Any:
        """The answer to a command, whose words may be any octets."""
        answer = self._answer(*words)
        assert not isinstance(answer, Exception), answer
        return answer

    def _answer(self, *words: bytes | str | int) -> Any:
        reader = hiredis.Reader()
        with socket.create_connection(("127.0.0.1", self.port), timeout=60) as connection:
            connection.sendall(hiredis.pack_command(words))  # type: ignore[arg-type] # a tuple of any length
            while (answer := reader.gets()) is False:
                data = connection.recv(65536)
                if not data:
                    raise ConnectionResetError(f"{words[0]!r}: no answer")
                reader.feed(data)
        return answer

    def signal(self, number: int) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def pause(self) -> None:
        self.signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self.signal(signal.SIGCONT)

    def kill(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)
        self.process.kill()
        self.process.wait()

    def forget(self) -> None:
        """While it is dead: what it had is gone."""
        for file in (self.folder / "appendonlydir").glob("*"):
            file.unlink()

    @property
    def url(self) -> str:
        return f"valkey{'s' if self.tls else ''}://127.0.0.1:{self.port}/0"


def _said(answer: Any) -> str:
    if isinstance(answer, list):
        return "\n".join(map(_said, answer))
    return "" if answer is None else answer.decode() if isinstance(answer, bytes) else str(answer)


class Cluster:
    """Three primaries with a replica each; a primary that does not answer for a second is replaced."""

    def __init__(self, folder: Path, count: int = 6, *, acl: bool = False, replicas: int = 1) -> None:
        self._replicas = replicas
        self.nodes = [
            Valkey(
                folder / str(number),
                acl=acl,
                more=("--cluster-enabled", "yes", "--cluster-node-timeout", "1000", "--cluster-port", str(free_port()),
                      "--repl-diskless-sync-delay", "0", "--cluster-allow-replica-migration", "no"),
            )
            for number in range(count)
        ]  # fmt: skip
        self.make()

    def make(self) -> None:
        places = [f"127.0.0.1:{node.port}" for node in self.nodes]
        said = self.nodes[0].cli("--cluster", "create", *places, "--cluster-replicas", str(self._replicas), "--cluster-yes")
        assert "All 16384 slots covered" in said, said
        self.come_together()

    def come_together(self) -> None:
        """Waits until all nodes are there and each replica is linked to its primary."""
        shards = len(self.nodes) // (1 + self._replicas)  # who comes back is a primary until it has heard of the other
        self._come_together(lambda: len(self.primaries()) == shards and all(self._settled(node) for node in self.nodes))

    @staticmethod
    def _come_together(whole: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 30
        while not whole():
            assert time.monotonic() < deadline, "the cluster does not come together"
            time.sleep(0.05)

    def _settled(self, node: Valkey) -> bool:
        known = node.cli("cluster", "nodes").splitlines()
        linked = "master_link_status:up" in node.cli("info", "replication") or node in self.primaries()
        return "cluster_state:ok" in node.cli("cluster", "info") and len(known) == len(self.nodes) and linked

    def reshard(self, slots: int, source: Valkey, target: Valkey) -> None:
        """Moves so many slots, the first ones of ``source``, with their keys."""
        ends = ["--cluster-from", source.cli("cluster", "myid"), "--cluster-to", target.cli("cluster", "myid")]
        place = f"127.0.0.1:{source.port}"
        said = source.cli("--cluster", "reshard", place, *ends, "--cluster-slots", str(slots), "--cluster-yes")
        assert said.count("Moving slot") >= slots, said
        self._come_together(lambda: "cluster_state:ok" in source.cli("cluster", "info"))

    # -- one slot, step by step, as valkey-cli does it

    def begin_move(self, slot: int, source: Valkey, target: Valkey) -> None:
        target.call("CLUSTER", "SETSLOT", slot, "IMPORTING", source.cli("cluster", "myid"))
        source.call("CLUSTER", "SETSLOT", slot, "MIGRATING", target.cli("cluster", "myid"))

    def move_keys(self, slot: int, source: Valkey, target: Valkey, portion: float = 1.0) -> int:
        """Moves that portion of the keys that are left in the slot; returns how many."""
        most = round(portion * source.call("CLUSTER", "COUNTKEYSINSLOT", slot))
        keys = source.call("CLUSTER", "GETKEYSINSLOT", slot, most)
        if keys:
            source.call("MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "KEYS", *keys)
        return len(keys)

    def end_move(self, slot: int, source: Valkey, target: Valkey) -> None:
        owner = target.cli("cluster", "myid")
        for node in (target, source, *(one for one in self.primaries() if one not in (source, target))):
            node.call("CLUSTER", "SETSLOT", slot, "NODE", owner)

    def hear_of_moves(self) -> None:
        """Waits until each primary has heard from each other since this call. A slot that moves back before that may lose its keys: Valkey
        8.1 takes what was said before its first move for the end of its second, and the server that has the keys deletes them."""
        begun_ms, nodes = 1000 * time.time(), self.primaries()

        def heard(node: Valkey) -> bool:
            rows = [line.split() for line in node.cli("cluster", "nodes").splitlines()]
            return all(int(row[5]) > begun_ms for row in rows if row[2] == "master")

        self._come_together(lambda: all(heard(node) for node in nodes))

    def serves(self, node: Valkey) -> set[int]:
        """The slots of a node."""
        own = next(line for line in node.cli("cluster", "nodes").splitlines() if "myself" in line)
        ranges = [word.split("-") for word in own.split()[8:] if not word.startswith("[")]
        return {slot for ends in ranges for slot in range(int(ends[0]), int(ends[-1]) + 1)}

    def replica_of(self, primary: Valkey) -> Valkey | None:
        own = primary.cli("cluster", "myid")
        return next((node for node in self.nodes if f"myself,slave {own} " in node.cli("cluster", "nodes")), None)

    def primaries(self) -> list[Valkey]:
        """Those that say so, of those that answer."""
        return [node for node in self.nodes if "role:master" in node.cli("info", "replication")]

    def cli(self, *words: str) -> str:
        return "\n".join(node.cli(*words) for node in self.primaries())

    def kill(self) -> None:
        for node in self.nodes:
            node.kill()

    @property
    def folder(self) -> Path:
        return self.nodes[0].folder.parent

    @property
    def url(self) -> str:
        return "valkey+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in self.nodes[:2])
