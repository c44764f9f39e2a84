"""Valkey servers of tests: real ones, on free ports of loopback, in folders of their own."""

from __future__ import annotations

import signal
import socket
import subprocess
import time
from pathlib import Path

import trustme

from tests.needs import path_of

SECRET = b"a secret of tests, the same on all nodes"
USER, PASSWORD = "gate106", "spoken-softly"
ACL = "~g106:* resetchannels -@all +mget +get +set +getrange +fcall +time +function|load +auth +select +ping +cluster|slots"
"""What a gate needs, and no more: the guide says the same."""


def free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])


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
        deadline = time.monotonic() + 20
        while self.cli("ping") != "PONG":
            assert self.process.poll() is None, "valkey-server did not start"
            assert time.monotonic() < deadline, "valkey-server does not answer"
            time.sleep(0.02)

    def cli(self, *words: str) -> str:
        program = path_of("valkey-cli")
        assert program is not None
        tls = ["--tls", "--cacert", str(self.ca)] if self.tls else []
        done = subprocess.run(
            [program, "-p", str(self.port), *tls, *words], capture_output=True, text=True, check=False, timeout=20
        )
        return done.stdout.strip()

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
