"""What the tests of one subject share: a Valkey that does what leases and portions are, by a clock that the tests set."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.state.leasing_server import LeasingServer
from tests.valkey import Valkey


@pytest.fixture(scope="module")
def leasing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LeasingServer]:
    valkey = Valkey(tmp_path_factory.mktemp("valkey"))
    found = LeasingServer(valkey.port)
    yield found
    found.close()
    valkey.kill()
