"""Starts the gate under test with its rules, settings and store."""

import json
import os
import resource
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from proxy.config.yaml_file import load
from proxy.model.message import Category
from proxy.sim import gate_process as gate
from proxy.sim import measure
from proxy.sim.bench.options import EMBEDDED, OWN_VALKEY, PASSWORD, PROVIDERS, WINDOW_MAX, BenchFailed, BenchOptions
from proxy.sim.encoded_submits import DeckPorts
from proxy.sim.gate_process import CHINA, CarrierSide, GateFailed, GateUnderTest, SimulatedProvider
from proxy.sim.ports import free_port
from proxy.sim.synthetic_recipients import BANNED

START_S, STOP_S = 300.0, 120.0  # a gate with tens of millions of recipients reads them all, and writes them at its end
WORKERS_UP = ("gate106_workers", (("state", "up"),))
VALKEY_S = 10.0
VALKEY_PROGRAM = "valkey-server"


@dataclass(slots=True)
class MeasuredGate:
    gate: GateUnderTest
    rules: int
    start_s: float
    store_pid: int | None  # the server of its shared store, if it was started for the run
    ready_cpu_s: float = 0.0  # CPU time until it was ready
    stop_s: float = 0.0  # from SIGTERM to its end; known when it has ended
    life_cpu_s: float = 0.0  # CPU time between being ready and its end; known when it has ended

    @property
    def metrics(self) -> str:
        return f"http://127.0.0.1:{self.gate.http}/metrics"


@contextmanager
def measured_gate(
    options: BenchOptions,
    folder: Path,
    carrier: int,
    pem: Path | None = None,
    *,
    program: tuple[str, ...] | None = None,
    code: Path | None = None,
    rules_of: Path | None = None,
    tps: float | None = None,
    add_rules: Callable[[Path], None] = lambda rules: None,
    fill_store: Callable[[], None] = lambda: None,
) -> Iterator[MeasuredGate]:
    """A gate that is ready; it is drained afterwards. Raises BenchFailed. ``program``: the module instead of ``proxy serve``. ``code``: that
    of another tree; ``rules_of``: the tree whose rules it has. ``tps``: rate of each provider. ``add_rules`` is called with the rules folder,
    ``fill_store`` before the gate starts."""
    with _store(options, folder) as (url, server):
        rules, count = _rules(options, folder, add_rules, rules_of)
        binds = max(16, -(-options.binds // len(PROVIDERS)))
        providers = [
            SimulatedProvider(name, (prefix,), PASSWORD, tps, options.window, binds) for name, prefix in PROVIDERS.items()
        ]
        side = CarrierSide(
            carrier, links=max(2, options.workers), window=min(WINDOW_MAX, max(64, options.binds * options.window))
        )
        settings = gate.write_settings(folder, [side], providers, rules=rules, sealed=options.sealed, store=url, pem=pem)
        fill_store()
        workers = ("--workers", str(options.workers)) if options.workers > 1 else ()
        process = GateUnderTest(folder, *settings, program=program or ("proxy", "serve", *workers, "--config"), code=code)
        try:
            started = time.monotonic()
            process.start(measure.split_cores(os.sched_getaffinity(0), options.workers)[0], START_S)
            _wait_for_workers(process, options.workers)
            start_s = round(time.monotonic() - started, 2)
            measured = MeasuredGate(process, count, start_s, server, measure.cpu_s(process.pid))
            children_s = ended_children_cpu_s()
            yield measured
            stopped = time.monotonic()
            ended = process.stop(STOP_S)
            measured.stop_s = round(time.monotonic() - stopped, 2)
            if ended:
                raise BenchFailed(f"the gate drained with exit code {ended}: {process.last_words()}")
            measured.life_cpu_s = ended_children_cpu_s() - children_s - measured.ready_cpu_s
        except GateFailed as error:
            raise BenchFailed(str(error)) from error
        finally:
            process.kill()


def _wait_for_workers(process: GateUnderTest, workers: int) -> None:
    """Waits for all workers: a gate is ready with its first one, which would get all binds. Raises GateFailed."""
    deadline = time.monotonic() + START_S
    while workers > 1 and measure.samples(process.metrics()).get(WORKERS_UP) != workers:
        if time.monotonic() > deadline:
            raise GateFailed(f"not all of its {workers} workers are up after {START_S:.0f} s: {process.last_words()}")
        time.sleep(0.05)


def ended_children_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _rules(options: BenchOptions, folder: Path, add_rules: Callable[[Path], None], code: Path | None) -> tuple[Path, int]:
    """The folder of rules, and how many rules it holds."""
    ports = [
        (DeckPorts.under(prefix).of(category), "", category)
        for prefix in PROVIDERS.values()
        for category in (Category.OTP, Category.NOTICE)
    ]
    rules = gate.copy_rules(folder / "rules", datetime.now(CHINA), ports, code=code)
    if options.refused is not None:
        (rules / "sim-refused.yaml").write_text(refusing(), encoding="utf-8")
    add_rules(rules)
    count = count_rules(rules)
    if options.rules > count:
        (rules / "sim-extra.yaml").write_text(extra_rules(options.rules - count), encoding="utf-8")
        count = options.rules
    return rules, count


@contextmanager
def _store(options: BenchOptions, folder: Path) -> Iterator[tuple[str, int | None]]:
    """The store's URL (empty: embedded), and the process id of its server if it is started here."""
    if options.store != OWN_VALKEY:
        yield "" if options.store == EMBEDDED else options.store, None
        return
    program = shutil.which(VALKEY_PROGRAM)
    if program is None:
        raise BenchFailed(
            f"--store {OWN_VALKEY}: there is no {VALKEY_PROGRAM} here (install it, or name one that runs: --store valkey://…)"
        )
    data, port = folder / "valkey", free_port()
    data.mkdir()
    arguments = (
        f"--bind 127.0.0.1 --port {port} --save '' --appendonly yes --appendfsync everysec --loglevel warning --dir".split()
    )
    server = subprocess.Popen(  # noqa: S603  # an installed program with arguments of ours
        [program, *(word.strip("'") for word in arguments), str(data)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    try:
        os.sched_setaffinity(server.pid, measure.split_cores(os.sched_getaffinity(0), options.workers)[1])
        _wait_for_answer(server, port)
        yield f"valkey://127.0.0.1:{port}/0", server.pid
    finally:
        server.kill()
        server.wait()


def _wait_for_answer(server: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + VALKEY_S
    while time.monotonic() < deadline and server.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1) as probe:
            probe.sendall(b"PING\r\n")
            if probe.recv(16).startswith(b"+PONG"):
                return
        time.sleep(0.02)
    raise BenchFailed(f"{VALKEY_PROGRAM} did not begin to answer within {VALKEY_S:.0f} s")


def count_rules(folder: Path) -> int:
    files: list[Any] = [load(path).value for path in folder.rglob("*.yaml")]
    return sum(len(one.get("rules") or ()) for one in files)


def extra_rules(count: int) -> str:
    """A rules file of ``count`` more rules, of the kinds that a carrier gathers over years: stopped signatures, words banned in one province,
    caps of one advertiser. No rule meets the bench's texts, so only their number costs time."""
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
    return json.dumps({"rules": rules}, ensure_ascii=False)


def refusing() -> str:
    """A rules file that bans the province of the refused recipients (proxy/sim/synthetic_recipients.py)."""
    rule = {
        "id": "sim-refused",
        "say": "模拟: 拒绝的部分",
        "when": {"province": BANNED},
        "then": "reject",
        "reason": "region-ban",
    }
    return json.dumps({"rules": [rule]}, ensure_ascii=False)


def certificate(folder: Path) -> Path:
    """Writes a self-signed certificate for 127.0.0.1, valid for a day, and its key into one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "gate106 bench")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "bench.pem"
    secret = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.touch(mode=0o600)
    path.write_bytes(signed.public_bytes(serialization.Encoding.PEM) + secret)
    return path
