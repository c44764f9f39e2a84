"""Ten thousand connections: the gate's memory is a + b × connections, under a limit that the kernel enforces, and it goes on serving."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from proxy.net.listeners import OWN_DESCRIPTORS
from tests.e2e.carrier import Carrier
from tests.e2e.crowd import NAME, crowd
from tests.e2e.gate import SHANGHAI, Gate, provider
from tests.e2e.raw import Raw
from tests.e2e.waiting import until

HARD = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
CONNECTIONS = min(int(os.environ.get("GATE106_CONNECTIONS", "2000")), HARD - OWN_DESCRIPTORS - 100)
"""Ten thousand in ``make neighbours``, where the machine lets a process hold so many beside what the gate keeps for itself."""
PER_CONNECTION_BYTES = 8 * 1024
"""``b``: a connection that is not bound, every fourth of them with 3,000 octets of a PDU that is not whole."""
OWN_BYTES = 64 << 20
"""What the gate may take beside, for its traffic: part of ``a``."""
WAITS_MAX_S = 0.5


def memory(gate: Gate, of: str) -> int:
    """Octets; ``of`` VmData: that the gate's process may write to and shares with nobody, which is what RLIMIT_DATA bounds; RssAnon: that it
    has written to (Python's objects get addresses 64 MB at a time: runtime/allocator.py)."""
    lines = Path(f"/proc/{gate.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{of}:")) * 1024


def test_thousands_of_connections_cost_so_much_each_and_the_others_are_served(
    carrier: Carrier, make_gate: Callable[..., Gate], capsys: pytest.CaptureFixture[str]
) -> None:
    gate = make_gate(carrier.port, [provider("yi", "1069002"), provider(NAME, "1069009", binds=10)], timers={"bind_s": 600})
    gate.settings["smpp"]["connections"] = CONNECTIONS + 1
    gate.write_settings()
    gate.start()
    with Raw(gate.port) as client:
        assert client.bind("yi").status == 0
        serve(carrier, client, 100)
        before = memory(gate, "RssAnon")
        limit = memory(gate, "VmData") + OWN_BYTES + CONNECTIONS * PER_CONNECTION_BYTES
        resource.prlimit(gate.pid, resource.RLIMIT_DATA, (limit, limit))
        begun = time.monotonic()
        with crowd("connect", gate.port, CONNECTIONS):
            took_s = time.monotonic() - begun
            each = (memory(gate, "RssAnon") - before) / CONNECTIONS
            assert each < PER_CONNECTION_BYTES
            serve(carrier, client, 100)
            with Raw(gate.port) as one_too_many:
                assert one_too_many.closed()
            assert gate.metric("gate106_bind_failures_total", cause="too-many-connections") == 1
            assert gate.why() == []
        until(lambda: descriptors(gate) < 100, lambda: f"all are closed, not {descriptors(gate)}")
        serve(carrier, client, 100)
        with Raw(gate.port) as another:
            assert another.bind(NAME).status == 0
    with capsys.disabled():
        print(
            f"\nmemory: {before / 1e6:.0f} MB + {each / 1e3:.1f} kB × {CONNECTIONS:,} connections, made in {took_s:.1f} s; "
            f"limit {limit / 1e6:.0f} MB"
        )
    assert "MemoryError" not in gate.log.read_text()


def serve(carrier: Carrier, client: Raw, count: int) -> None:
    for number in range(count):
        person = SHANGHAI.format(number)
        before, begun = len(carrier.to(person)), time.perf_counter()
        assert client.submit("1069002", person).status == 0
        assert time.perf_counter() - begun < WAITS_MAX_S
        assert len(carrier.to(person)) == before + 1


def descriptors(gate: Gate) -> int:
    return len(list(Path(f"/proc/{gate.pid}/fd").iterdir()))
