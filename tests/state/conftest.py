"""Fixtures: a Valkey server, a Valkey cluster, and a leasing server with a settable clock."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.state.leasing_server import LeasingServer
from tests.valkey import Cluster, Valkey


@pytest.fixture(scope="module", params=["one server", "cluster"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey | Cluster]:
    folder = tmp_path_factory.mktemp("valkey")
    found = Valkey(folder) if request.param == "one server" else Cluster(folder)
    yield found
    found.kill()


@pytest.fixture(scope="module")
def leasing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LeasingServer]:
    valkey = Valkey(tmp_path_factory.mktemp("valkey"))
    found = LeasingServer(valkey.port)
    yield found
    found.close()
    valkey.kill()
