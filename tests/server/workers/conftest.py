"""A carrier, a Valkey and a gate of two workers, for tests to start."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.carrier import Carrier
from tests.e2e.gate import provider
from tests.server.workers.crewed import PORT, Crewed
from tests.valkey import Valkey


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Valkey]:
    found = Valkey(tmp_path / "valkey")
    yield found
    found.kill()


@pytest.fixture
def carrier() -> Iterator[Carrier]:
    found = Carrier()
    yield found
    found.stop()


@pytest.fixture
def pool(tmp_path: Path, server: Valkey, carrier: Carrier) -> Iterator[Crewed]:
    folder = tmp_path / "gate"
    folder.mkdir()
    jia = provider("jia", PORT, category="marketing", binds=40, window=500)
    gate = Crewed(folder, carrier.port, [jia], 2, server.url, node=8)
    yield gate
    gate.hang_up()
    if gate.started:
        gate.stop()
