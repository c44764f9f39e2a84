"""Runs a gate of several processes for a test, as tests/e2e/gate.py does for one."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

from tests import forked
from tests.e2e.gate import ROOT, START_S, Gate, _environment, run
from tests.e2e.pdus import ESME_ROK
from tests.e2e.raw import Raw
from tests.e2e.waiting import ended, until
from tests.valkey import SECRET

PORT = "1069001"


class Crewed(Gate):
    """``store``: which they share."""

    def __init__(
        self, folder: Path, carrier_port: int, providers: list[dict[str, object]], workers: int, store: str, **more: Any
    ) -> None:
        self.workers = workers
        more["carrier"] = {"links": workers, **more.pop("carrier", {})}
        super().__init__(folder, carrier_port, providers, store=store, shared={"secret": SECRET.decode()}, **more)
        self._clients: list[Raw] = []

    def begin(self, more: tuple[str, ...] = ()) -> None:
        """Without waiting for it; but workers of a supervisor that was killed still hold the ports."""
        for pid in self.pids().values() if self.log.exists() else ():
            ended(pid)
        words = ["serve", "--config", str(self.config), "--workers", str(self.workers), *more]
        with self.log.open("ab") as log:
            self._process = forked.begun("proxy", words, cwd=ROOT, env=_environment(), log=log)

    def start(self, ready: bool = True, more: tuple[str, ...] = ()) -> Crewed:
        self.begin(more)
        assert self._process is not None
        try:
            until(lambda: self._exited() or self._all_up(ready), lambda: f"the gate up: {self.said()}", START_S)
            assert not self._exited(), f"the gate ended with {self._process.returncode}: {self.said()}"
        except BaseException:
            self.stop()
            raise
        return self

    def _all_up(self, ready: bool) -> bool:
        return self._up(ready) and (not ready or self.metric("gate106_workers", state="up") == self.workers)

    def client(self) -> Raw:
        """A connection, which ends with the test, also where that fails."""
        self._clients.append(found := Raw(self.port))
        return found

    def hang_up(self) -> None:
        for client in self._clients:
            client.__exit__()

    def said(self) -> str:
        return self.log.read_text(errors="replace")[-6000:]

    # -- its workers

    def pids(self) -> dict[int, int]:
        """Worker → its process now."""
        found = {}
        for line in self.log.read_text(errors="replace").splitlines():
            if "worker open" in line:
                words = (
                    dict(word.split("=", 1) for word in line.split() if "=" in word) if "{" not in line else json.loads(line)
                )
                found[int(words["worker"])] = int(words["pid"])
        return found

    def ask(self, *arguments: str) -> Any:
        """A command's answer as JSON."""
        done = run(*arguments, "--config", self.config, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def refused(self, *arguments: str) -> str:
        done = run(*arguments, "--config", self.config)
        assert done.returncode == 2, done.stdout
        return done.stderr


def spread(gate: Crewed, least: int = 2) -> list[Raw]:
    """Clients until each worker has so many: the kernel chooses."""
    clients: list[Raw] = []
    while True:
        clients.append(gate.client())
        assert clients[-1].bind("jia").status == ESME_ROK
        held = Counter(bind["id"] % 2 for bind in gate.ask("binds")["binds"])
        if min(held[0], held[1]) >= least:
            return clients
        assert len(clients) < 40
