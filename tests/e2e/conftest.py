"""Fixtures of the tests with the real process: a simulated carrier, a gate in front of it, the six clients.

The carrier and the gate that real clients speak to live for the whole module: starting them is what takes time, and each test takes
recipients of its own.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.carrier import Carrier
from tests.e2e.gate import Gate


@pytest.fixture
def carrier() -> Iterator[Carrier]:
    found = Carrier()
    yield found
    found.stop()


@pytest.fixture
def make_gate(tmp_path: Path) -> Iterator[Callable[..., Gate]]:
    """Makes a gate in the test's own folder; it is stopped in the end, whatever happened."""
    made: list[Gate] = []

    def make(carrier_port: int, providers: list[dict[str, object]], **more: object) -> Gate:
        made.append(Gate(tmp_path, carrier_port, providers, **more))
        return made[-1]

    yield make
    for gate in made:
        if gate.started:
            gate.stop()


@pytest.fixture(scope="session")
def numbers() -> Iterator[int]:
    """Four digits, others each time."""
    return itertools.count(100)
