"""Prometheus: a process of our own with the committed settings and rules, and questions to it.

In: addresses to scrape, how often. Out: values over time. Never: another's Prometheus, settings that differ in more than addresses
and times.
"""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml

from proxy.sim.ports import free_port

SETTINGS = Path(__file__).parent.parent / "prometheus" / "prometheus.yml"
READY_S = 20.0
STOP_S = 10.0
ASK_S = 30.0


class PrometheusFailed(RuntimeError):
    """It did not start, or refused a question; the text has what it said."""


@dataclass(frozen=True, slots=True)
class Series:
    """One line: its labels, and (seconds since 1970, value) in order."""

    labels: Mapping[str, str]
    points: Sequence[tuple[float, float]]

    @property
    def moves(self) -> bool:
        """Whether any value is neither 0 nor missing."""
        return any(value != 0 and math.isfinite(value) for _, value in self.points)


class Prometheus:
    """Scrapes ``targets`` (host:port) as the job gate106, every ``every_s`` seconds, from ``with`` to its end."""

    def __init__(self, folder: Path, targets: Sequence[str], every_s: int = 1, token: Path | None = None) -> None:
        """``token``: the file with what the gate lets it in by."""
        self.folder = folder
        self._token = token
        self.every_s = every_s
        self._targets = list(targets)
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        program = shutil.which("prometheus")
        if program is None:
            raise PrometheusFailed("there is no program prometheus here: apt-get install prometheus")
        self.folder.mkdir(parents=True, exist_ok=True)
        settings = self.folder / "prometheus.yml"
        settings.write_text(yaml.safe_dump(self._settings()), encoding="utf-8")
        command = [program, f"--config.file={settings}", f"--storage.tsdb.path={self.folder / 'data'}"]
        command += [f"--web.listen-address=127.0.0.1:{self._port}", "--log.level=warn"]
        with (self.folder / "log").open("wb") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)  # noqa: S603  # found above
        deadline = time.monotonic() + READY_S
        while not self._ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self._stop()
                raise PrometheusFailed(f"prometheus did not start: {(self.folder / 'log').read_text()[-2000:]}")
            time.sleep(0.05)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None) -> None:
        self._stop()

    def _stop(self) -> None:
        if self._process is None or self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _settings(self) -> dict[str, Any]:
        """The committed ones, with other addresses and times, and nobody to send alerts to."""
        settings: dict[str, Any] = yaml.safe_load(SETTINGS.read_text(encoding="utf-8"))
        every = f"{self.every_s}s"
        settings["global"] |= {"scrape_interval": every, "scrape_timeout": every, "evaluation_interval": every}
        settings["rule_files"] = [str(SETTINGS.parent / name) for name in settings["rule_files"]]
        del settings["alerting"]
        (job,) = (job for job in settings["scrape_configs"] if job["job_name"] == "gate106")
        job["static_configs"] = [{"targets": self._targets}]
        if self._token is not None:
            job["authorization"] = {"credentials_file": str(self._token)}
        settings["scrape_configs"] = [job]
        return settings

    def _ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/-/ready", timeout=1):
                return True
        except OSError:
            return False

    # -- questions

    def at(self, expr: str, moment: float) -> list[Series]:
        """The values at one moment."""
        found = self._ask("query", {"query": expr, "time": str(moment)})
        if found["resultType"] == "scalar":
            return [Series({}, [_point(found["result"])])]
        return [Series(row["metric"], [_point(row["value"])]) for row in found["result"]]

    def over(self, expr: str, start: float, end: float, step_s: float) -> list[Series]:
        """The values from start to end."""
        found = self._ask("query_range", {"query": expr, "start": str(start), "end": str(end), "step": str(step_s)})
        return [Series(row["metric"], [_point(pair) for pair in row["values"]]) for row in found["result"]]

    def label_values(self, label: str, match: str, start: float, end: float) -> list[str]:
        values: list[str] = self._ask(f"label/{label}/values", {"match[]": match, "start": str(start), "end": str(end)})
        return values

    def rules(self) -> list[dict[str, Any]]:
        """All rules with their health, as evaluated last."""
        groups = self._ask("rules", {})["groups"]
        return [rule for group in groups for rule in group["rules"]]

    def _ask(self, what: str, parameters: Mapping[str, str]) -> Any:
        url = f"http://127.0.0.1:{self._port}/api/v1/{what}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=ASK_S) as answer:  # only ever our own loopback address
                return json.load(answer)["data"]
        except urllib.error.HTTPError as refusal:
            with refusal:
                raise PrometheusFailed(f"{parameters}: {refusal.read().decode()}") from None


def _point(pair: Sequence[Any]) -> tuple[float, float]:
    return float(pair[0]), float(pair[1])
