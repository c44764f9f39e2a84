"""Starts a real gate process with generated settings and rules.

The gate's insides are not used: it is known by its settings, its sockets and its journal.
"""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from proxy.journal.sealing import make_key_file
from proxy.model.message import Category
from proxy.operations.http_auth import hash_token, new_token
from proxy.runtime.shipped_files import shipped
from proxy.sim import measure
from proxy.sim.ports import free_port

CHINA = ZoneInfo("Asia/Shanghai")
KEY = "journal.key"
READY_S = 30.0
DRAIN_S = 15.0  # the gate promises 8 s; what takes longer is killed and reported
BANK_ONLY, VOID = "青禾到家", "青禾往年"
SIGNATURES = (
    (BANK_ONLY, "青禾贸易有限公司", "青禾集团", "qinghe", "", "approved"),
    (VOID, "青禾贸易有限公司", "青禾集团", "", "", "expired"),
)
"""Registered for the simulated bank alone; and one that is not in force any more. No simulated text carries them by chance."""
QUIET_AFTER_H, QUIET_H = 3, 11  # quiet hours begin this many hours after now and last as long as the shipped 21:00 to 08:00


ROLES = {"li": ("officer",), "wang": ("approver",), "zhao": ("auditor",), "admin": ("admin",)}
"""Made-up people: the first enters, the second agrees, the third looks, the fourth may do anything."""


@dataclass(frozen=True, slots=True)
class DemoAccounts:
    """The users of the demo's console, with tokens for one run."""

    port: int
    tokens: dict[str, str]
    provider: str  # the company that may see its own page

    @classmethod
    def opened(cls, port: int, companies: Sequence[str]) -> DemoAccounts:
        provider = companies[0]
        return cls(port, {name: new_token() for name in (*ROLES, provider)}, provider)

    def settings(self, providers: list[dict[str, Any]]) -> dict[str, Any]:
        """Sections beside the others; the token of ``provider`` is put into its own."""
        for one in providers:
            if one["name"] == self.provider:
                one["token"] = hash_token(self.tokens[self.provider])
        people = [{"name": name, "token": hash_token(self.tokens[name]), "roles": list(roles)} for name, roles in ROLES.items()]
        return {"console": {"listen": f"127.0.0.1:{self.port}"}, "people": people}

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def lines(self, everybody: bool) -> list[str]:
        """How to get in: for the one who may do anything, or for all of them."""
        if not everybody:
            return [f"console: {self.address} as admin with {self.tokens['admin']}"]
        known = {**{name: " and ".join(roles) for name, roles in ROLES.items()}, self.provider: "a provider: its own page"}
        return [f"console: {self.address}", *(f"  {name:8} {self.tokens[name]}  {what}" for name, what in known.items())]


class GateFailed(RuntimeError):
    """The gate under test did not start or end as it should; the text has what it said last."""


@dataclass(frozen=True, slots=True)
class SimulatedProvider:
    """A simulated company, as the settings name it. ``ports`` are prefixes."""

    name: str
    ports: tuple[str, ...]
    password: str = "secret"  # noqa: S105  # of a simulation, on loopback
    tps: float | None = None
    window: int = 64
    binds: int = 16
    category: str = "marketing"

    def as_settings(self) -> dict[str, Any]:
        settings = asdict(self) | {"system_id": self.name, "ports": list(self.ports), "allow_ips": ["127.0.0.0/8"]}
        return {key: value for key, value in settings.items() if value is not None}


@dataclass(frozen=True, slots=True)
class CarrierSide:
    port: int
    name: str = "bj"
    code: str = "B1"
    links: int = 2
    window: int = 256
    tps: float = 1_000_000
    more: dict[str, Any] = field(default_factory=dict)

    def as_settings(self) -> dict[str, Any]:
        settings: dict[str, Any] = {name: value for name, value in asdict(self).items() if name != "more"}
        settings |= {"host": "127.0.0.1", "system_id": "gate106", "password": "secret", "bind": "transceiver"}
        return settings | self.more


CODE = Path(__file__).parents[2]  # the tree this is of


def conditions() -> dict[str, Any]:
    """What a reader must know of a measurement that begins now: when and where it was made, and of what."""
    at = datetime.now(CHINA).isoformat(timespec="seconds")
    return {"at": at, "commit": measure.commit(CODE), "machine": measure.machine(), "versions": measure.versions()}


def environment(code: Path = CODE) -> dict[str, str]:
    """The environment in which a child imports the same package as this process (or the one of another tree)."""
    path = os.pathsep.join(filter(None, (str(code), os.environ.get("PYTHONPATH", ""))))
    return os.environ | {"PYTHONPATH": path}


SECRET = "of simulations, which keep nothing"  # noqa: S105


def write_settings(
    folder: Path,
    carriers: Sequence[CarrierSide],
    providers: Sequence[SimulatedProvider],
    *,
    response_s: float = 10.0,
    rules: Path | None = None,
    sealed: bool = False,
    store: str = "",
    desk: DemoAccounts | None = None,
    pem: Path | None = None,
) -> tuple[Path, int, int]:
    """Writes ``gate106.yaml`` into the folder, and the key that its journal is sealed with; returns (its path, the SMPP port, the HTTP port).
    ``store``: the URL of a shared one instead of the embedded. ``desk``: who may open a console. ``pem``: certificate and key, where
    providers are to come over TLS; that port is returned then. JSON is YAML."""
    smpp, http = free_port(), free_port()
    settings: dict[str, Any] = {
        "smpp": {"listen": f"127.0.0.1:{smpp}"},
        "http": {"listen": f"127.0.0.1:{http}"},
        "store": f"sqlite://{folder / 'state.db'}",
        "journal": str(folder / "journal"),
        "rules": str(rules or folder / "rules"),
        "message_ids": "carrier",
        "timers": {"bind_s": 10, "enquire_s": 30, "response_s": response_s},
        "carriers": [carrier.as_settings() for carrier in carriers],
        "providers": [provider.as_settings() for provider in providers],
    }
    if pem is not None:
        tls = free_port()
        settings["smpp"]["tls"] = {"listen": f"127.0.0.1:{tls}", "cert": str(pem), "key": str(pem)}
        smpp = tls
    if store:
        settings |= {"store": store, "shared": {"secret": SECRET}}
    if desk is not None:
        settings |= desk.settings(settings["providers"])
    if sealed:
        make_key_file(folder / KEY)
        settings["sealing"] = {"keys": [KEY]}
    path = folder / "gate106.yaml"
    path.write_text(json.dumps(settings, ensure_ascii=False, indent=2), encoding="utf-8")
    return path, smpp, http


def quiet_hours(now: datetime) -> tuple[str, datetime]:
    """Quiet hours that are not now, as rules spell them, and a moment within the next ones."""
    start = now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=QUIET_AFTER_H)
    end = start + timedelta(hours=QUIET_H)
    return f"{start:%H:%M}-{end:%H:%M}", start + timedelta(hours=1)


WATCHED = "sim-watched"  # a rule in shadow
_BOUND_TO_A_TIME = re.compile(r"^( *)(reason: (?:quiet-hours|campaign-cap))$(?!\n *mode:)", re.MULTILINE)


def copy_rules(
    target: Path,
    now: datetime,
    ports: Iterable[tuple[str, str, Category]] = (),
    *,
    shadow: bool = False,
    code: Path | None = None,
) -> Path:
    """The shipped rules with what belongs to a simulation: quiet hours are moved away from now (a run at night would refuse every
    advertisement) and a campaign to now, but for houses only; the simulated ports and signatures are registered. ``shadow``: with a
    rule that only watches. ``code``: those that another tree ships."""
    shutil.copytree(shipped("rules") if code is None else code / "rules", target)
    for path in target.rglob("*.yaml"):
        text = _BOUND_TO_A_TIME.sub(r"\1\2\n\1mode: off", path.read_text(encoding="utf-8"))
        path.write_text(text, encoding="utf-8")
    marketing, reject = {"category": "marketing"}, {"then": "reject"}
    days = {"from": f"{now:%Y-%m-%d}", "to": f"{now + timedelta(days=1):%Y-%m-%d}"}
    a_day = {"count": 1, "per": "24h", "key": ["recipient", "subcategory"]}
    rules = [
        {"id": "sim-quiet-hours", "say": "模拟: 免打扰时段移到当前时间之后", "when": marketing | {"time": quiet_hours(now)[0]}}
        | reject | {"reason": "quiet-hours"},
        {"id": "sim-campaign", "say": "模拟: 活动期间房地产类每人每天1条", "when": marketing | {"subcategory": "estate"}, "active": days}
        | {"limit": a_day} | reject | {"reason": "campaign-cap"},
        {"id": WATCHED, "say": "模拟: 试运行, 先记录广东的营销短信会被拦多少", "when": marketing | {"province": "广东"}}
        | reject | {"reason": "region-ban", "mode": "shadow"},
    ]  # fmt: skip
    written = json.dumps({"rules": rules if shadow else rules[:-1]}, ensure_ascii=False, indent=1)
    (target / "sim-quiet.yaml").write_text(written, encoding="utf-8")
    append_rows(
        target / "registries" / "ports.csv", [(prefix, province, category.word) for prefix, province, category in ports]
    )
    append_rows(target / "registries" / "signatures.csv", SIGNATURES)
    return target


def append_rows(registry: Path, rows: Iterable[Sequence[str]]) -> None:
    with registry.open("a", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


@dataclass(eq=False)
class GateUnderTest:
    """One gate process. ``program``: the module and arguments before the settings; ``code``: of another tree, by its working folder."""

    folder: Path
    settings: Path
    smpp: int
    http: int
    program: Sequence[str] = ("proxy", "serve", "--config")
    code: Path | None = None
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def log(self) -> Path:
        return self.folder / "gate.log"

    def start(self, cores: set[int] | None = None, ready_s: float = READY_S) -> None:
        """Starts it (on these cores only) and waits until it says it is ready; raises GateFailed with its last words."""
        command = [sys.executable, "-m", *self.program, str(self.settings)]
        with self.log.open("ab") as out:
            self._process = subprocess.Popen(  # noqa: S603  # our own interpreter and module
                command, stdout=out, stderr=out, stdin=subprocess.DEVNULL, cwd=self.code, env=environment(self.code or CODE)
            )
        if cores is not None:
            os.sched_setaffinity(self._process.pid, cores)  # its threads come later, and inherit it
        deadline = time.monotonic() + ready_s
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise GateFailed(f"the gate ended with {self._process.returncode}: {self.last_words()}")
            try:
                measure.fetch(f"http://127.0.0.1:{self.http}/readyz")
            except OSError:
                time.sleep(0.05)
            else:
                return
        self.kill()
        raise GateFailed(f"the gate was not ready after {ready_s:.0f} s: {self.last_words()}")

    def metrics(self) -> str:
        return measure.fetch(f"http://127.0.0.1:{self.http}/metrics")

    def terminate(self) -> None:
        """Asks it to end: SIGTERM, which it answers with a drain."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)

    def draining(self) -> bool:
        """Whether /readyz says that it is about to end."""
        try:
            measure.fetch(f"http://127.0.0.1:{self.http}/readyz")
        except urllib.error.HTTPError as refusal:
            with refusal:
                return b"draining" in refusal.read()
        return False

    def ended(self) -> bool:
        return self._process is None or self._process.poll() is not None

    def stop(self, drain_s: float = DRAIN_S) -> int:
        """Drains it with SIGTERM, if it runs; returns its exit code. GateFailed after ``drain_s``."""
        if self._process is None:
            return 0
        if not self.ended():
            self.terminate()
        try:
            return self._process.wait(drain_s)
        except subprocess.TimeoutExpired:
            self.kill()
            raise GateFailed(f"the gate did not drain within {drain_s:.0f} s: {self.last_words()}") from None

    def kill(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def last_words(self, lines: int = 5) -> str:
        text = self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""
        return " | ".join(text.strip().splitlines()[-lines:]) or "it said nothing"
