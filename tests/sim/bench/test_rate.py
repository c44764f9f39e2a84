"""A gate beside a bare relay at a rate: with receipts over TLS, several workers, a slow disk, and when it is stopped."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from proxy.sim import measure
from proxy.sim.bench.gate_process import MeasuredGate, measured_gate
from proxy.sim.bench.load_process import load_process
from proxy.sim.bench.measurement import TURNS, measure_gate, run_request
from proxy.sim.bench.options import BenchFailed, BenchOptions
from proxy.sim.bench.run_figures import RunFigures
from tests.bench import rates
from tests.e2e.waiting import until
from tests.needs import needs
from tests.sim.bench import slow_disk

pytestmark = [pytest.mark.timeout(300), pytest.mark.usefixtures("copies")]
"""Each test starts several processes, perhaps beside other work."""
AT_RATE = BenchOptions(mix="repeated", seconds=0.75, warmup_s=0.25, binds=4, window=50, recipients=5_000, rate=1_000)
STOPS_S = 15.0


def answered(measured: MeasuredGate) -> float:
    counts = measure.samples(measured.gate.metrics())
    return sum(value for (name, _), value in counts.items() if name == "gate106_gate_seconds_count")


def test_relay_and_gate_take_turns_over_tls_all_receipts_arrive_and_the_ratio_of_their_cost_is_printed():
    found = measure_gate(replace(AT_RATE, receipts=True, tls=True, refused=0.0))
    for run in found.runs.values():
        assert run.lost == 0
        assert run.messages > 100
        assert min(run.cpu_us, run.waits_per_s, run.calls, run.late_ms["p99"]) > 0
    kept = json.loads(json.dumps(found.as_dict()))
    assert len(kept["ratios"]) == TURNS
    text = found.as_text()
    assert "CPU per submit of the gate" in text
    assert "× the relay's (" in text
    for line in ("waits of the loop per second", "reads and writes per submit", "submits sent late by, p50, p99"):
        assert f"\n{line}  " in text
    run = found.runs["gate"]
    assert run.receipts > 0.9 * (run.messages - sum(run.refused.values())) - 500


@needs("valkey")
def test_two_workers_answer_every_submit_at_a_rate():
    run = measure_gate(replace(AT_RATE, store="valkey", workers=2)).runs["gate"]
    assert run.lost == 0
    assert run.messages > 100


def test_a_slow_disk_never_holds_the_loop(tmp_path: Path):
    options = replace(AT_RATE, seconds=0.5)
    with load_process(options) as load:
        program = ("tests.sim.bench.slow_disk", "serve", "--config")
        with measured_gate(options, tmp_path, load.carrier, program=program) as measured:
            begun = time.monotonic()
            run = load.run(run_request(measured))
            ended = time.monotonic()
    assert run.lost == 0
    assert run.messages > 100
    syncs = slow_disk.noted(tmp_path)
    assert [one for one in syncs if begun < one.at_s < ended and not one.by_main_thread]
    assert not [one for one in syncs if begun < one.at_s < ended and one.by_main_thread]


def test_a_gate_that_shares_turns_stops_as_soon_as_it_is_told_to(tmp_path: Path):
    options = replace(AT_RATE, seconds=30.0)
    ends: list[RunFigures | BenchFailed] = []
    with load_process(options) as load:
        with measured_gate(options, tmp_path, load.carrier) as measured:
            request = run_request(measured)

            def run() -> None:
                try:
                    ends.append(load.run(request))
                except BenchFailed as failed:
                    ends.append(failed)

            running = threading.Thread(target=run)
            running.start()
            until(lambda: answered(measured) > AT_RATE.rate, lambda: "the gate under load for a second")
        assert measured.stop_s < STOPS_S
        running.join(60)
    assert isinstance(ends[0], BenchFailed), "its binds were closed"


def test_the_curve_has_a_row_a_rate_and_the_limit_and_names_a_rate_that_failed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(rates, "RATES", (500, 600_000))
    monkeypatch.setattr(rates, "WARMUP_S", 0.2)
    monkeypatch.setattr(rates, "ENOUGH", 0.2)  # other work on this machine may leave a rate of 500 unreached
    found = rates.measured(replace(AT_RATE, seconds=0.3), 1)
    slow, failed, limit = json.loads(json.dumps(found))["rows"]
    assert (slow["rate"], limit["rate"]) == (500, 0)
    assert slow["ratio"] > 0
    assert slow["gate"]["calls"] > 0
    assert limit["gate"]["calls"] > 0
    assert "problem" in failed
    text = "\n".join(rates.as_text(found))
    assert "| 500 |" in text
    assert "| the limit: " in text
    assert "| 600,000 | not measured: " in text
