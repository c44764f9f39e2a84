"""Bench: what the gate costs, beside two relays without rules, in one run on one machine (DESIGN §13).

In: Options. Out: a Result, as text or JSON, with the command that made it. Never: a figure without the machine, the disk and the load
generator's own ceiling beside it.

Three kinds of process: this one only waits; ``drive`` is carrier and load generator; the third is under test, one at a time. That has a
core to itself, with all its threads and children, and stays on it; the others have the rest.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from proxy.message import Category
from proxy.sim import gate, measure
from proxy.sim.deck import Ports
from proxy.sim.drive import Plan, Run
from proxy.sim.gate import CHINA, CarrierSide, Gate, GateFailed, Provider
from proxy.yamlfile import load

PROVIDERS = {f"p{number}": f"10690{number:03d}" for number in range(1, 5)}
PASSWORD = "secret"  # noqa: S105  # of simulated providers, on loopback
ANSWER_S = 60.0
"""How long beyond the measured time the driver may take to prepare or to answer."""


class BenchFailed(RuntimeError):
    """No figure can be given; the text says which process failed and how."""


@dataclass(frozen=True, slots=True)
class Options:
    """``rate`` 0 = as fast as answers come. ``rules`` 0 = the shipped set. ``latency_rate``: besides, own latency at this rate. ``sealed``: the
    gate's journal is."""

    mix: str = "standard"
    seconds: float = 10.0
    binds: int = 8
    window: int = 50
    rate: float = 0.0
    rules: int = 0
    recipients: int = 1_000_000
    baselines: bool = True
    gate: bool = True
    warmup_s: float = 2.0
    latency_rate: float = 0.0
    sealed: bool = False
    store: str = ""
    """The URL of a shared store that runs already; empty: the gate has one of its own."""
    keep: Path | None = None
    """Where to leave the gate's folder (settings, journal, log); None = in a temporary one that is removed."""

    @property
    def command(self) -> str:
        """The command line that measures the same again."""
        said = f"gate106 bench --mix {self.mix} --seconds {self.seconds:g} --binds {self.binds} --window {self.window}"
        said += f" --rate {self.rate:g} --rules {self.rules} --recipients {self.recipients}"
        return (
            said
            + ("" if self.baselines else " --no-baselines")
            + (" --sealed" if self.sealed else "")
            + (f" --store {self.store}" if self.store else "")
        )


@dataclass(frozen=True, slots=True)
class Result:
    command: str
    at: str
    machine: dict[str, object]
    versions: dict[str, str]
    sync_ms: dict[str, float]
    options: dict[str, Any]
    rules: int
    runs: dict[str, Run] = field(default_factory=dict)
    """By name: ceiling, raw, smpplib, gate, gate-at-rate."""

    @property
    def ratios(self) -> dict[str, float]:
        """The gate's throughput and CPU against the baselines of the same run; above 1 is better for the gate in both."""
        gate_run = self.runs.get("gate")
        if gate_run is None or not gate_run.messages:
            return {}
        found = {}
        for name in ("raw", "smpplib"):
            if name in self.runs:
                found[f"throughput_vs_{name}"] = round(gate_run.per_s / self.runs[name].per_s, 3)
                found[f"cpu_vs_{name}"] = round(self.runs[name].cpu_us / gate_run.cpu_us, 3) if gate_run.cpu_us else 0.0
        return found

    def as_dict(self) -> dict[str, Any]:
        return asdict(self) | {"ratios": self.ratios}

    def as_text(self) -> str:
        """A table for people."""
        options, facts = self.options, self.machine
        rate = f", {options['rate']:g} messages/s" if options["rate"] else ""
        what = f"{options['binds']} binds × window {options['window']}, {options['mix']} texts, {options['recipients']:,} recipients"
        disk = f"disk sync {self.sync_ms['median']:.3f} ms (worst {self.sync_ms['worst']:.3f})"
        headings = f"{'':14}{'messages/s':>12}{'CPU µs/msg':>12}{'core busy':>11}{'p50 ms':>9}{'p99 ms':>9}{'p99.9 ms':>10}"
        lines = [
            f"{what}, {self.rules} rules, {options['seconds']:g} s each{rate}",
            (
                f"{facts['cpu']}, {facts['cores']} cores, {facts['system']}, Python {self.versions['python']}, "
                f"hot functions {self.versions['hot functions']}; {disk}"
            ),
            "",
            headings + f"{'own p50':>9}{'own p99':>9}{'refused':>9}{'driver µs':>11}",
        ]
        for run in self.runs.values():
            whole, own = run.whole_ms, run.own_ms
            shown = f"{own['p50']:>9.2f}{own['p99']:>9.2f}" if own else f"{'–':>9}{'–':>9}"
            refused = sum(run.refused.values()) / max(run.messages, 1)
            lines.append(
                f"{run.name:14}{run.per_s:>12,.0f}{run.cpu_us:>12.2f}{run.busy:>11.0%}{whole['p50']:>9.2f}{whole['p99']:>9.2f}"
                f"{whole['p999']:>10.2f}{shown}{refused:>9.1%}{run.driver_cpu_us:>11.2f}"
            )
        if self.ratios:
            lines += [
                "",
                "gate against: " + ", ".join(f"{name.replace('_', ' ')} {value:.2f}×" for name, value in self.ratios.items()),
            ]
        lines += ["", self.command]
        return "\n".join(lines)


def run(options: Options, tell: Callable[[str], None] = lambda text: None) -> Result:
    """Measures; raises BenchFailed. ``tell`` is told what happens now."""
    with tempfile.TemporaryDirectory(prefix="gate106-bench-") as temporary:
        folder = options.keep or Path(temporary)
        median_s, worst_s = measure.sync_s(folder)
        runs: dict[str, Run] = {}
        rules = 0
        facts = measure.machine()
        with _driver(options) as driver:
            tell("the load generator's own ceiling")
            runs["ceiling"] = driver.order("ceiling", None, None)
            if options.baselines:
                for name in ("raw", "smpplib"):
                    tell(f"baseline: {name}")
                    with _baseline(name, driver.carrier) as (port, pid):
                        runs[name] = driver.order(name, port, pid)
            if options.gate:
                tell("the gate")
                rules = _measure_gate(options, folder, driver, runs)
    return Result(
        command=options.command,
        at=datetime.now(CHINA).isoformat(timespec="seconds"),
        machine=facts,
        versions=measure.versions(),
        sync_ms={"median": round(median_s * 1e3, 3), "worst": round(worst_s * 1e3, 3)},
        options={key: value for key, value in asdict(options).items() if key != "keep"},
        rules=rules,
        runs=runs,
    )


def _measure_gate(options: Options, folder: Path, driver: _Driver, runs: dict[str, Run]) -> int:
    """Starts the gate, measures it; returns how many rules it had."""
    ports = [
        (Ports.under(prefix).of(category), "", category)
        for prefix in PROVIDERS.values()
        for category in (Category.OTP, Category.NOTICE)
    ]
    rules = gate.copy_rules(folder / "rules", datetime.now(CHINA), ports)
    count = count_rules(rules)
    if options.rules > count:
        (rules / "sim-extra.yaml").write_text(extra_rules(options.rules - count), encoding="utf-8")
        count = options.rules
    providers = [Provider(name, (prefix,), PASSWORD, window=options.window) for name, prefix in PROVIDERS.items()]
    side = CarrierSide(driver.carrier, window=max(64, options.binds * options.window))
    subject = Gate(folder, *gate.write_settings(folder, [side], providers, sealed=options.sealed, store=options.store))
    try:
        subject.start(measure.apart(os.sched_getaffinity(0))[0])
        metrics = f"http://127.0.0.1:{subject.http}/metrics"
        runs["gate"] = driver.order("gate", subject.smpp, subject.pid, metrics)
        if options.latency_rate:
            name = f"gate at {options.latency_rate:g}/s"
            runs[name] = driver.order(name, subject.smpp, subject.pid, metrics, options.latency_rate)
        if code := subject.stop():
            raise BenchFailed(f"the gate drained with exit code {code}: {subject.last_words()}")
    except GateFailed as error:
        raise BenchFailed(str(error)) from error
    finally:
        subject.kill()
    return count


def count_rules(folder: Path) -> int:
    """How many rules the files of a folder hold."""
    files: list[Any] = [load(path).value for path in folder.rglob("*.yaml")]
    return sum(len(one.get("rules") or ()) for one in files)


def extra_rules(count: int) -> str:
    """A rules file of ``count`` more rules, as a carrier gathers them over years: stops of signatures, words in one region, caps of
    one advertiser. None of them meets the bench's texts, so only their number costs."""
    rules = []
    for number in range(count):
        rule: dict[str, Any] = {"id": f"sim-extra-{number:04d}", "say": f"模拟规则 {number}", "then": "reject"}
        signature, word = f"模拟品牌{number}", f"模拟禁词{number}号"
        province = ("广东", "山东", "江苏", "河南", "四川")[number % 5]
        if number % 4 == 0:
            rule |= {"when": {"category": "marketing", "signature": signature}, "reason": "stopped"}
        elif number % 4 == 1:
            rule |= {"when": {"category": "marketing", "province": province, "text": word}, "reason": "keyword"}
        elif number % 4 == 2:
            limit = {"count": 2, "per": "7d", "key": ["recipient", "signature"]}
            rule |= {"when": {"category": "marketing", "signature": signature}, "limit": limit, "reason": "advertiser-cap"}
        else:
            rule |= {
                "when": {"subcategory": "gambling", "province": province, "port": f"10699{number:04d}"},
                "reason": "port-scope",
            }
        rules.append(rule)
    return "rules:\n" + "\n".join(
        "  - id: "
        + rule.pop("id")
        + "".join(f"\n    {key}: {json.dumps(value, ensure_ascii=False)}" for key, value in rule.items())
        for rule in rules
    )


class _Driver:
    """The driver process, as bench sees it."""

    def __init__(self, process: subprocess.Popen[str], carrier: int) -> None:
        self._process = process
        self.carrier = carrier

    def order(self, name: str, port: int | None, pid: int | None, metrics: str | None = None, rate: float | None = None) -> Run:
        assert self._process.stdin is not None
        order = {"name": name, "port": port, "pid": pid, "metrics": metrics, "rate": rate}
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        said = _line_of(self._process, "the load generator")
        if "problem" in said:
            raise BenchFailed(f"{name}: {said['problem']}")
        return Run(**said)


@contextmanager
def _driver(options: Options) -> Iterator[_Driver]:
    plan = Plan(
        mix=options.mix,
        binds=options.binds,
        window=options.window,
        seconds=options.seconds,
        warmup_s=options.warmup_s,
        rate=options.rate,
        recipients=options.recipients,
        providers=PROVIDERS,
        password=PASSWORD,
    )
    cores = measure.apart(os.sched_getaffinity(0))[1]
    with _child([sys.executable, "-m", "proxy.sim.drive", json.dumps(asdict(plan))], cores) as process:
        yield _Driver(process, int(_line_of(process, "the load generator")["carrier"]))


@contextmanager
def _baseline(kind: str, carrier: int) -> Iterator[tuple[int, int]]:
    command = [sys.executable, "-m", "proxy.sim.baseline", kind, "--carrier", str(carrier), "--window", "256"]
    with _child(command, measure.apart(os.sched_getaffinity(0))[0]) as process:
        yield int(_line_of(process, f"baseline {kind}")["port"]), process.pid


@contextmanager
def _child(command: list[str], cores: set[int]) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(  # noqa: S603  # our own interpreter and modules
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=gate.environment()
    )
    try:
        os.sched_setaffinity(process.pid, cores)  # its threads come later, and inherit it
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()


def _line_of(process: subprocess.Popen[str], who: str) -> dict[str, Any]:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise BenchFailed(f"{who} ended without a result (exit code {process.wait()})")
    said: dict[str, Any] = json.loads(line)
    return said
