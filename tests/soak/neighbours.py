"""Neighbours: how long a quiet provider waits for its answers while others misbehave, and while they do not, in turns.

In: a number of rounds. Out: the 99th percentiles of both, their medians over the rounds, as JSON; exit 1 where the one is more than twice the
other. Never: a crowd or a carrier in the process that measures; a crowd that takes the gate's processor, or goes before whoever measures: it
would come from other machines.

Whoever measures shares a core with crowd and carrier. What that does to them is a row of its own, outside the bound: a crowd that is *elsewhere*,
and says nothing to the gate.

    python -m tests.soak.neighbours --rounds 5 --seconds 4        (make neighbours)
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from proxy.sim import measure
from tests.e2e.crowd import NAME, crowd
from tests.e2e.gate import ROOT, SHANGHAI, Gate, provider
from tests.e2e.pdus import ENQUIRE_LINK, RESPONSE, SUBMIT_SM, pdu
from tests.e2e.raw import Raw
from tests.e2e.sockets import free_port

ELSEWHERE = "elsewhere"
CROWDS = {ELSEWHERE: 1, "flood": 8, "enquire": 8, "rubbish": 8, "binds": 50, "connect": 10_000}
TIMES_MAX = 2.0
"""The 99th percentile while they are at it may be so many times that without them."""
NICE = 10
"""Of a crowd."""
CARRIER_TPS = 20_000
"""So much that nobody waits for the carrier's rate: what a flood's allowed part uses of it is its own."""
RATE_PER_S = 200
"""Of the one who measures: one message each 5 ms, sent on time whatever became of those before."""


@dataclass(frozen=True)
class Waits:
    """Medians over the rounds, in milliseconds."""

    crowd: str
    members: int
    quiet_p50_ms: float
    quiet_p99_ms: float
    beside_p50_ms: float
    beside_p99_ms: float

    @property
    def times(self) -> float:
        return self.beside_p99_ms / self.quiet_p99_ms


def waits_ms(client: Raw, seconds: float) -> tuple[float, float]:
    """Median and 99th percentile of the time to an answer; each counts from when its message was to be sent."""
    waits: list[float] = []
    begun = time.perf_counter()
    for number in range(int(seconds * RATE_PER_S)):
        due = begun + number / RATE_PER_S
        time.sleep(max(0.0, due - time.perf_counter()))
        client.send(client.submit_bytes("1069002", SHANGHAI.format(number % 10_000)))
        while (found := client.next()) is not None and found.command != SUBMIT_SM | RESPONSE:
            if found.command == ENQUIRE_LINK:
                client.send(pdu(ENQUIRE_LINK | RESPONSE, found.sequence))
        assert found is not None
        assert found.status == 0, hex(found.status)
        waits.append((time.perf_counter() - due) * 1e3)
    return statistics.median(waits), statistics.quantiles(waits, n=100)[98]


def measured(gate: Gate, what: str, rounds: int, seconds: float) -> Waits:
    quiet, beside = [], []
    with Raw(gate.port) as client:
        assert client.bind("yi").status == 0
        waits_ms(client, 0.5)
        for _ in range(rounds):
            quiet.append(waits_ms(client, seconds))
            with crowd(what, gate.port, CROWDS[what]) as process:
                os.setpriority(os.PRIO_PROCESS, process.pid, NICE)
                beside.append(waits_ms(client, seconds))
            time.sleep(1)  # their connections are closed
    medians = [statistics.median(values) for one in (quiet, beside) for values in zip(*one, strict=True)]
    return Waits(what, CROWDS[what], *(round(value, 3) for value in medians))


@contextlib.contextmanager
def running(folder: Path) -> Iterator[Gate]:
    """A gate, and a carrier in a process of its own."""
    port = free_port()
    carrier = subprocess.Popen(
        [sys.executable, "-m", "proxy", "sim", "carrier", "--port", str(port), "--delay", "0"],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
    )
    providers = [provider("yi", "1069002"), provider(NAME, "1069009", binds=20, tps=200)]
    gate = Gate(folder, port, providers, timers={"bind_s": 600})
    gate.settings["carriers"][0]["tps"] = CARRIER_TPS
    gate.settings["smpp"]["connections"] = CROWDS["connect"] + 100
    gate.write_settings()
    core, others = measure.split_cores(os.sched_getaffinity(0))
    try:
        os.sched_setaffinity(0, core)  # whatever it starts inherits it
        gate.start()
        os.sched_setaffinity(0, others)
        os.sched_setaffinity(carrier.pid, others)
        yield gate
    finally:
        if gate.started:
            gate.stop()
        carrier.kill()
        carrier.wait()


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    asked.add_argument("--rounds", type=int, default=5)
    asked.add_argument("--seconds", type=float, default=4)
    options = asked.parse_args()
    found: list[Waits] = []
    with tempfile.TemporaryDirectory(prefix="gate106-neighbours-") as folder, running(Path(folder)) as gate:
        for what, members in CROWDS.items():
            one = measured(gate, what, options.rounds, options.seconds)
            found.append(one)
            line = f"{members:6,} {what:8} p99 {one.quiet_p99_ms:7.2f} ms quiet, {one.beside_p99_ms:7.2f} ms beside them: {one.times:.2f}×"
            print(line, file=sys.stderr, flush=True)
    waits = [asdict(one) | {"times": round(one.times, 2)} for one in found]
    print(json.dumps({"machine": measure.machine(), **vars(options), "waits": waits}, ensure_ascii=False, indent=2))
    sys.exit(any(one.times > TIMES_MAX for one in found if one.crowd != ELSEWHERE))


if __name__ == "__main__":
    main()
