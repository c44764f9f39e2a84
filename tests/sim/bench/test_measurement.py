"""Short measurements of ``gate106 bench`` with real gates, and their result as text and JSON."""

from __future__ import annotations

import json
import os
import shutil
import ssl
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from proxy.sim import measure
from proxy.sim.bench.gate_process import certificate
from proxy.sim.bench.measurement import measure_gate
from proxy.sim.bench.options import BenchFailed, BenchOptions
from tests.bench import compare, result

pytestmark = pytest.mark.timeout(300)
"""Each test starts several processes, perhaps beside other work."""
SHORT = BenchOptions(mix="repeated", seconds=0.25, warmup_s=0.1, binds=4, window=10, recipients=5_000)


def short(**changes: Any) -> BenchOptions:
    return replace(SHORT, **changes)


def test_a_measurement_gives_every_figure_and_measuring_tools_can_read_it(tmp_path: Path):
    progress: list[str] = []
    options = short(tls=True, receipts=True, long=100.0, refused=50.0, sealed=True, rules=100, ports=5)
    found = measure_gate(options, progress.append)
    assert progress == ["the load is made", "the gate"]
    run = found.runs["gate"]
    assert run.messages > 50
    assert run.lost == 0
    assert run.receipts > 0
    assert run.refused["0x400"] >= 0.3 * run.messages, "half of the recipients are in a banned province"
    assert min(run.cpu_us, run.life_cpu_us, run.memory_mib, run.own_ms["p99"], found.start_s, found.sync_ms["median"]) > 0
    assert found.rules == 100
    text = found.as_text()
    for line in (
        "CPU per submit",
        "submits per second",
        "within the gate, p50, p99",
        "memory",
        "a sync of the disk, median, worst",
    ):
        assert f"\n{line}  " in text
    assert text.endswith("--refused 50 --long 100 --ports 5 --receipts --tls --sealed")
    kept = tmp_path / "kept.json"
    kept.write_text(json.dumps(found.as_dict()), encoding="utf-8")
    assert result.from_dict(compare.read(kept)).runs["gate"].cpu_us == run.cpu_us


@pytest.mark.usefixtures("copies")
def test_five_hundred_binds_with_one_submit_each_are_measured():
    result = measure_gate(short(binds=500, window=1))
    assert result.runs["gate"].messages > 20
    assert result.runs["gate"].lost == 0


@pytest.mark.usefixtures("copies")
def test_without_the_server_a_store_of_its_own_cannot_be_had_and_that_is_said(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(BenchFailed, match="there is no valkey-server here"):
        measure_gate(short(store="valkey"))


def test_the_certificate_is_good_for_this_machine_and_its_key_for_its_owner_only(tmp_path: Path):
    path = certificate(tmp_path)
    assert path.stat().st_mode & 0o077 == 0
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(path)
    assert ssl.create_default_context(cafile=str(path)).get_ca_certs()


def test_the_machine_is_described_and_what_others_do_on_it_is_counted():
    facts = measure.machine()
    assert facts["disk"]
    assert isinstance(facts["virtual"], bool)
    assert facts["mhz"]
    before, mine = measure.busy_s(), measure.cpu_s(os.getpid())
    while measure.cpu_s(os.getpid()) < mine + 0.6:
        sum(range(10_000))
    assert measure.busy_s() - before >= 0.54, "the kernel counts it in steps, and what falls between two is not of so much"


def test_a_commit_is_named_where_there_is_one(tmp_path: Path):
    assert measure.commit(tmp_path) == ""
    assert len(measure.commit(Path(__file__).parents[3]).rstrip("+")) in (0, 12)
