"""The folder, settings and process of the gate under test, started plainly or with a planned crash.

In: the carrier's port, a plan or none. Out: a process, its exit code, its journal. Never: waiting without a bound.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import yaml

from tests import forked
from tests.crash.places import Plan
from tests.crash.texts import BANNED
from tests.e2e.following import followed_by
from tests.e2e.sockets import free_port

ROOT = Path(__file__).parents[2]
WITHIN_S = 60.0
"""Far more than anything here takes, on a machine that is busy with something else; half of what a test may take."""
LOOK_S = 0.005
CAP, QUOTA = 3, 300
SIGNS = {"jia": "甲店", "yi": "乙店", "bing": "丙店", "ding": "丁店"}
PORTS = {"jia": "10690011", "yi": "10690022", "bing": "10690033", "ding": "10690044"}
SMALL = "ding"
"""The provider with a quota."""
RULES = f"""\
rules:
  - id: cap   # rolling, so that a run at midnight is like any other
    say: 同一号码24小时最多收{CAP}条营销短信
    when: {{category: marketing}}
    limit: {{count: {CAP}, per: 24h, key: [recipient]}}
    then: reject
    reason: recipient-cap
  - id: suppressed
    say: 退订的不收营销
    when: {{category: marketing, suppressed: true}}
    then: reject
    reason: suppressed
  - id: quota
    say: 小通道商24小时最多发{QUOTA}条
    when: {{provider: {SMALL}}}
    limit: {{count: {QUOTA}, per: 24h, key: [provider]}}
    then: reject
    reason: provider-quota
  - id: words
    say: 含违禁词的不发
    when: {{text: {{words: [{BANNED}]}}}}
    then: reject
    reason: keyword
"""


async def until(
    look: Callable[[], object], what: str, within_s: float = WITHIN_S, events: Callable[[], object] = lambda: None
) -> None:
    """Looks again and again; AssertionError when it has not come true so long after the last change of ``events``."""
    since, seen = time.monotonic(), events()
    while not look():
        if (now := events()) != seen:
            since, seen = time.monotonic(), now
        assert time.monotonic() < since + within_s, f"not within {within_s} s: {what}"
        await asyncio.sleep(LOOK_S)


class Harness:
    def __init__(
        self, folder: Path, carrier_port: int, store: Path | None = None, response_s: float = 1, follower: int = 0
    ) -> None:
        """``store``: where journal and state lie, if not in ``folder``; ``follower``: its port, 0 without one."""
        self.folder = folder
        self.port, self._http = free_port(), free_port()
        store = store or folder
        self.journal, self.state = store / "journal", store / "state.db"
        self.key = folder / "secrets" / "journal"
        """The journal is sealed, of all houses with the same key: some take over what another left."""
        self.key.parent.mkdir(exist_ok=True)
        self.key.write_text("6a" * 32)
        self.key.chmod(0o600)
        self.config = folder / "gate106.yaml"
        self.log = folder / "gate.log"
        self.death = folder / "death.json"
        self.refuses = folder / "refuses"
        """While an error's name stands in it, the disk of a gate that was started by ``start_refusing`` refuses with that."""
        (folder / "rules").mkdir(exist_ok=True)
        (folder / "rules" / "rules.yaml").write_text(RULES, encoding="utf-8")
        carrier = {"name": "bj", "code": "B1", "host": "127.0.0.1", "port": carrier_port, "system_id": "gate106"}
        carrier |= {"password": "secret", "bind": "transceiver", "links": 2, "window": 32, "tps": 5000}
        self._settings = {
            "smpp": {"listen": f"127.0.0.1:{self.port}"},
            "http": {"listen": f"127.0.0.1:{self._http}"},
            "store": f"sqlite://{self.state}",
            "journal": str(self.journal),
            "sealing": {"keys": [str(self.key)]},
            "rules": str(folder / "rules"),
            "message_ids": "carrier",
            "carriers": [carrier],
            "providers": [
                {
                    "name": name,
                    "system_id": name,
                    "password": "secret",
                    "ports": [port],
                    "window": 64,
                    "category": "marketing",
                    "replace": True,
                }
                for name, port in PORTS.items()
            ],
        }
        if follower:
            self._settings["follower"] = followed_by(follower, away_s=10)
        self.waits_for(response_s)
        self.process: subprocess.Popen[bytes] | None = None

    def waits_for(self, response_s: float) -> None:
        """How long the next gate waits for an answer of the carrier."""
        timers = {"bind_s": 10, "enquire_s": 30, "response_s": response_s}
        self.config.write_text(yaml.safe_dump(self._settings | {"timers": timers}, allow_unicode=True), encoding="utf-8")

    def start(self, plan: Plan | None = None, *options: str) -> None:
        """The plain gate, with ``options`` of the command; with a plan the one that dies."""
        if plan is None:
            self._run("proxy.__main__", "serve", "--config", str(self.config), *options)
        else:
            self.death.unlink(missing_ok=True)
            self._run("tests.crash.gate_that_dies", json.dumps(asdict(plan)), str(self.config))

    def start_refusing(self) -> None:
        self._run("tests.crash.gate_whose_disk_refuses", str(self.refuses), str(self.config))

    def _run(self, module: str, *arguments: str) -> None:
        with self.log.open("ab") as log:
            self.process = forked.begun(module, arguments, cwd=ROOT, env=os.environ | {"NO_COLOR": "1"}, log=log)

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    @property
    def exited(self) -> int | None:
        assert self.process is not None
        return self.process.poll()

    async def stop(self) -> int:
        """SIGTERM; its exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        await until(lambda: self.exited is not None, "the gate drained")
        return self.process.wait()

    def kill(self) -> None:
        """Whatever it is doing; for the end of a test."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    async def why(self) -> list[str]:
        """Why it is not ready; empty when it is."""
        return list(json.loads(await self._get("/readyz"))["why"])

    async def metric(self, name: str) -> float:
        """A metric without labels."""
        for line in (await self._get("/metrics")).splitlines():
            if line.startswith(f"{name} "):
                return float(line.rpartition(" ")[2])
        raise KeyError(name)

    async def _get(self, path: str) -> str:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._http)
        writer.write(f"GET {path} HTTP/1.1\r\nHost: gate\r\nConnection: close\r\n\r\n".encode())
        answer = await asyncio.wait_for(reader.read(), WITHIN_S)
        writer.close()
        return answer.split(b"\r\n\r\n", 1)[1].decode()

    def said(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")[-2000:] if self.log.exists() else ""


def command(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """One command of the gate, to its end."""
    return forked.run([*map(str, arguments)], cwd=ROOT, env=os.environ, timeout=WITHIN_S)
