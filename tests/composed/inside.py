"""What compose.yaml would start, started: its own command lines with its own files at its own places, ports and names, in namespaces of
their own for mounts and network, on Debian's programs. Where no container engine runs this is as near as one can come.

In: compose.yaml, the Dockerfile, a folder for what named volumes hold. Out: JSON on standard output: what was seen, by name. Never: a
port, a mount or a file outside the namespaces (test_composed.py makes them by unshare).
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from proxy.journal.sealing import make_key_file

TOP = Path(__file__).parents[2]
PROGRAMS = {"prometheus": "prometheus", "alertmanager": "prometheus-alertmanager"}
"""What Debian calls the entry points of those images."""
PLACES = ("/etc", "/run", "/var/lib")
"""Where containers of this file have what they mount: these are a file system of our own, /etc a copy."""
CARRIER = "::1"
"""The stand-in for the carrier has the gate's SMPP port: in its own container there, at its own address here."""
SECRETS = "./examples/secrets"
"""Whoever puts it up writes them; here they are made up."""
WAIT_S = 60.0


class Service:
    def __init__(self, name: str, service: dict[str, Any], volumes: Path) -> None:
        self.name = name
        self.service = service
        self._moved: dict[str, str] = {}
        for volume in service.get("volumes", []):
            if isinstance(volume, str):
                self._mount(*volume.split(":"), volumes=volumes)
        for tmpfs in service.get("tmpfs", []):
            Path(tmpfs.split(":")[0]).mkdir(parents=True, exist_ok=True)

    def _mount(self, source: str, target: str, mode: str = "rw", *, volumes: Path) -> None:
        """At its place, where that is ours; else what names the place will name ``volumes`` instead."""
        at = Path(target)
        if not source.startswith("./"):
            source = str(volumes / source)
            Path(source).mkdir()
        if not target.startswith(PLACES):
            self._moved[target] = source
            return
        found = volumes / "secrets" if source == SECRETS else TOP / source
        if found.is_dir():
            at.mkdir(parents=True, exist_ok=True)
        else:
            at.parent.mkdir(parents=True, exist_ok=True)
            at.touch()
        run("mount", "--bind", str(found), target)
        if mode == "ro":
            run("mount", "-o", "remount,ro,bind", target)

    def command(self, entry_point: list[str]) -> list[str]:
        words = [str(word) for word in self.service.get("command", [])]
        for target, source in self._moved.items():
            words = [re.sub(rf"(?<==){re.escape(target)}$", source, word) for word in words]
        return [*entry_point, *words]

    @property
    def ports(self) -> list[int]:
        """Inside the container."""
        return [int(port.rpartition(":")[2]) for port in self.service.get("ports", [])]


def run(*command: str) -> None:
    subprocess.run(command, check=True, stdout=sys.stderr)


def room(folder: Path, addresses: dict[str, str]) -> None:
    """Own mounts and network: whoever calls us has made them ours."""
    run("mount", "-t", "tmpfs", "tmpfs", str(folder))  # nothing of this reaches a disk
    kept = folder / "etc"
    subprocess.run(["cp", "-a", "/etc", kept], check=False, stderr=subprocess.DEVNULL)  # what may not be read is not needed
    for place in PLACES:
        run("mount", "-t", "tmpfs", "tmpfs", place)
    shutil.copytree(kept, "/etc", symlinks=True, dirs_exist_ok=True)
    for name in ("prometheus", "alertmanager"):
        shutil.rmtree(f"/etc/{name}", ignore_errors=True)
    lines = [f"{address} {name}" for name, address in addresses.items()]
    Path("/etc/hosts").unlink(missing_ok=True)
    Path("/etc/hosts").write_text("127.0.0.1 localhost\n" + "\n".join(lines) + "\n")
    run("ip", "link", "set", "lo", "up")
    for address in {one for one in addresses.values() if "." in one}:
        run("ip", "address", "add", f"{address}/24", "dev", "lo")
    (folder / "secrets").mkdir()
    for name in ("bj", "jia", "yi"):
        (folder / "secrets" / name).write_text("secret\n")
    make_key_file(folder / "secrets" / "journal")


def get(url: str) -> Any:
    """The body, as JSON where it is; OSError while nobody answers so."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=5) as answer:
        body = answer.read().decode()
    return json.loads(body) if body.startswith(("{", "[")) else body


def until(holds: Callable[[], Any]) -> Any:
    """What it gives, once that is something; None where it never is."""
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError, KeyError):
            if found := holds():
                return found
        time.sleep(0.1)
    return None


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def passes(check: list[str]) -> bool:
    return subprocess.run(check, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=20, check=False).returncode == 0


def main(folder: Path) -> dict[str, Any]:
    whole = yaml.safe_load((TOP / "compose.yaml").read_text(encoding="utf-8"))
    (subnet,) = (pool["subnet"] for pool in whole["networks"]["watch"]["ipam"]["config"])
    network = subnet.rpartition(".")[0]
    names = ("gate", "prometheus", "alertmanager")
    room(folder, {name: f"{network}.{number}" for number, name in enumerate(names, 2)} | {"smsc.example": CARRIER})
    services = {name: Service(name, whole["services"][name], folder) for name in names}
    image = (TOP / "Dockerfile").read_text()
    health, entry, cmd = (
        json.loads(words) for words in re.findall(r"^(?:ENTRYPOINT|CMD|    CMD) (\[.*\])$", image, re.MULTILINE)
    )
    assert entry == ["gate106"]
    gate106 = [sys.executable, "-m", "proxy"]
    carrier = [word if word != "0.0.0.0" else CARRIER for word in whole["services"]["carrier"]["command"]]
    commands = {
        "carrier": [*gate106, *carrier],
        "gate": [*gate106, *cmd],
        **{name: services[name].command([PROGRAMS[name]]) for name in PROGRAMS},
    }
    checks = {"gate": [sys.executable, *health[1:]]}
    for name in PROGRAMS:
        checks[name] = services[name].service["healthcheck"]["test"][1:]
    seen: dict[str, Any] = {"unhealthy before": {name: not passes(check) for name, check in checks.items()}}
    logs = {name: folder / f"{name}.log" for name in commands}
    processes = {}
    for name, command in commands.items():
        with logs[name].open("wb") as log:
            processes[name] = subprocess.Popen(command, cwd=TOP, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        seen |= looked(services, checks)
    finally:
        for process in processes.values():
            process.terminate()
        seen["exit codes"] = {name: process.wait(20) for name, process in processes.items()}
    seen["logs"] = {name: log.read_text(errors="replace")[-1500:] for name, log in logs.items()}
    return seen


def looked(services: dict[str, Service], checks: dict[str, list[str]]) -> dict[str, Any]:
    api = "http://prometheus:9090/api/v1"

    def up() -> dict[str, str] | None:
        targets = get(f"{api}/targets")["data"]["activeTargets"]
        found = {target["labels"]["job"]: target["health"] for target in targets}
        return found if set(found.values()) == {"up"} else None

    def rules() -> set[str] | None:
        found = [rule for group in get(f"{api}/rules")["data"]["groups"] for rule in group["rules"]]
        health = {rule["health"] for rule in found}
        return health if health and "unknown" not in health else None

    def alertmanagers() -> list[str] | None:
        return [one["url"] for one in get(f"{api}/alertmanagers")["data"]["activeAlertmanagers"]] or None

    return {
        "ready": until(lambda: get("http://gate:9106/readyz")),
        "up": until(up),
        "rules": sorted(until(rules) or ()),
        "alertmanagers": until(alertmanagers),
        "alertmanager": (until(lambda: get("http://alertmanager:9093/api/v2/status")) or {}).get("cluster", {}).get("status"),
        "ports": {name: {port: bool(until(partial(listens, port))) for port in one.ports} for name, one in services.items()},
        "healthy": {name: bool(until(partial(passes, check))) for name, check in checks.items()},
        "mounts": {
            path: Path(path).is_file()
            for path in (
                "/etc/gate106/rules/caps.yaml",
                "/etc/prometheus/rules/alerts.yml",
                "/etc/alertmanager/alertmanager.yml",
            )
        },
        "read only": not os.access("/etc/prometheus/prometheus.yml", os.W_OK) or _refused("/etc/prometheus/prometheus.yml"),
    }


def _refused(path: str) -> bool:
    try:
        Path(path).touch()
    except OSError:
        return True
    return False


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]))))
