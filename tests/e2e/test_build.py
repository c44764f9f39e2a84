"""A gate that runs as Python says so where an operator looks: the log, /readyz, /metrics."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable

from proxy.native import loader
from tests.e2e.carrier import Carrier
from tests.e2e.gate import ROOT, Gate, provider
from tests.e2e.waiting import until


def test_a_compiled_gate_says_what_it_is(carrier: Carrier, make_gate: Callable[..., Gate]) -> None:
    gate = make_gate(carrier.port, [provider("jia", "1069001")]).start()
    assert "gate106 runs" in gate.log.read_text()
    assert gate.metric("gate106_build_info", compiled="yes" if loader.BUILT else "no") == 1


def test_a_gate_without_compiled_modules_says_so_everywhere(carrier: Carrier, make_gate: Callable[..., Gate]) -> None:
    gate = make_gate(carrier.port, [provider("jia", "1069001")])
    command = [sys.executable, "-m", "proxy", "serve", "--config", str(gate.config)]
    with gate.log.open("ab") as log:
        gate._process = subprocess.Popen(command, cwd=ROOT, env=os.environ | {"GATE106_PURE": "1"}, stdout=log, stderr=log)
    until(lambda: gate._up(True), gate.said)
    assert [note for note in gate.notes() if "without compiled modules" in note and "GATE106_PURE is set" in note]
    assert "each message takes about ten times the processor time" in gate.log.read_text()
    assert gate.metric("gate106_build_info", compiled="no") == 1
