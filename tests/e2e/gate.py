"""The real gate, as its own process: started from settings, watched over HTTP, told what to do by signals.

In: settings as a mapping, rules as text, a folder. Out: a running process. Never: a function of the gate called from here.
"""

from __future__ import annotations

import functools
import json
import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import yaml

from proxy.net.authenticator import hash_password
from tests import forked, json_keys
from tests.e2e.sockets import free_port
from tests.e2e.waiting import until

ROOT = Path(__file__).parents[2]
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))
START_S, STOP_S = 60.0, 30.0
BEIJING, SHANGHAI = "1380010{:04d}", "1380021{:04d}"
"""Recipients whose number says the province; the test fills in the rest."""
hashed = functools.cache(hash_password)
"""Made once for each token: 0.08 s."""
RULES = """\
rules:
  - id: beijing-ban
    say: 北京归属地号码不得接收
    when: {province: 北京}
    then: reject
    reason: region-ban
"""


def provider(name: str, port: str, **more: object) -> dict[str, object]:
    """A company with one account of the same name, whose password is ``secret``."""
    return {"name": name, "system_id": name, "password": "secret", "ports": [port], "category": "notice", **more}


def keep_secret(path: Path, text: str) -> Path:
    """A file of a token: nobody else may read it."""
    path.touch(0o600)
    path.write_text(text)
    return path


def run(*arguments: str | Path, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """One command of the gate, to its end."""
    words = [*map(str, arguments)]
    env = env or _environment()
    if forked.WANTED:
        done = forked.run(words, cwd=ROOT, env=env, timeout=START_S)
    else:
        command = [sys.executable, "-m", "proxy", *words]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=START_S, check=False, env=env)
    json_keys.check(words, done.stdout)
    return done


def _environment() -> dict[str, str]:
    return {**os.environ, "NO_COLOR": "1"}


class Gate:
    def __init__(self, folder: Path, carrier_port: int, providers: list[dict[str, object]], **more: Any) -> None:
        """``more`` goes into the settings beside what every test needs; ``carrier`` and ``timers`` are merged."""
        self.folder = folder
        self.port, self._http = free_port(), free_port()
        self.config = folder / "gate106.yaml"
        self.rules = folder / "rules"
        self.rules.mkdir(exist_ok=True)
        self.log = folder / "gate.log"
        carrier = {
            "name": "bj",
            "code": "B1",
            "host": "127.0.0.1",
            "port": carrier_port,
            "system_id": "gate106",
            "password": "secret",
            "bind": "transceiver",
            "links": 1,
            "window": 64,
            "tps": 2000,
        }
        self.settings: dict[str, Any] = {
            "smpp": {"listen": f"127.0.0.1:{self.port}"},
            "http": {"listen": f"127.0.0.1:{self._http}"},
            "control": str(folder / "control.sock"),
            "store": f"sqlite:///{folder}/state.db",
            "journal": str(folder / "journal"),
            "rules": str(self.rules),
            "rules_may_be_empty": True,  # a test replaces its one rule by another; tests/e2e/test_lost_rules.py has the guard
            "message_ids": "carrier",
            "timers": {"bind_s": 10, "enquire_s": 30, "response_s": 10, **more.pop("timers", {})},
            "carriers": [{**carrier, **more.pop("carrier", {})}],
            "providers": providers,
            **more,
        }
        self.write_rules(RULES)
        self.write_settings()
        self._process: subprocess.Popen[bytes] | None = None

    def write_rules(self, text: str) -> None:
        (self.rules / "rules.yaml").write_text(text)

    def write_settings(self) -> None:
        self.config.write_text(yaml.safe_dump(self.settings, allow_unicode=True, sort_keys=False))

    # -- the process

    def start(self, ready: bool = True, more: tuple[str, ...] = ()) -> Gate:
        """Returns once it is ready, or, with ``ready`` false, once it says anything at all. ``more``: options of the command."""
        words = ["serve", "--config", str(self.config), *more]
        with self.log.open("ab") as log:
            self._process = forked.begun("proxy.__main__", words, cwd=ROOT, env=_environment(), log=log)
        try:
            until(lambda: self._exited() or self._up(ready), lambda: f"the gate up: {self.said()}", START_S)
            assert not self._exited(), f"the gate ended with {self._process.returncode}: {self.said()}"
        except BaseException:
            self.stop()
            raise
        return self

    @property
    def started(self) -> bool:
        return self._process is not None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def wait(self) -> int:
        """Its exit code."""
        assert self._process is not None
        return self._process.wait(STOP_S)

    def stop(self) -> int:
        """SIGTERM; its exit code."""
        assert self._process is not None
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        return self._process.wait()

    def said(self) -> str:
        """The end of its log."""
        return self.log.read_text(errors="replace")[-3000:]

    def _exited(self) -> bool:
        return self._process is not None and self._process.poll() is not None

    def _up(self, ready: bool) -> bool:
        try:
            return self.get("/readyz")[0] == 200 or not ready
        except OSError:
            return False

    # -- what it tells

    def get(self, path: str) -> tuple[int, str]:
        """Status and body of an answer over HTTP."""
        try:
            with OPENER.open(f"http://127.0.0.1:{self._http}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def why(self) -> list[str]:
        """Why it is not ready; empty when it is."""
        status, body = self.get("/readyz")
        said = json.loads(body)
        assert said["ready"] is (status == 200)
        assert said["ready"] is not bool(said["why"])
        return list(said["why"])

    def notes(self) -> list[str]:
        """What somebody should mend, though it is ready; without the age of the shipped map of number segments, which depends on the day."""
        return [one for one in json.loads(self.get("/readyz")[1])["notes"] if "the map of number segments is of" not in one]

    def metric(self, name: str, /, **labels: str) -> float:
        """The sum of all samples of this name that have these labels."""
        _, body = self.get("/metrics")
        found = 0.0
        for line in body.splitlines():
            match = re.fullmatch(rf"{name}(\{{.*\}})? (\S+)", line)
            if match and all(f'{label}="{value}"' in (match[1] or "") for label, value in labels.items()):
                found += float(match[2])
        return found
