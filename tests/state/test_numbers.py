"""A node's number in a real Valkey, and in a cluster: who has it keeps it, and another that comes with it is refused however long the first runs."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from proxy.state import StateError, open_store
from proxy.state import valkey as engine
from tests.needs import needs
from tests.valkey import SECRET, Cluster, Valkey

pytestmark = needs("valkey")


@pytest.fixture(scope="module", params=["one server", "cluster"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey | Cluster]:
    folder: Path = tmp_path_factory.mktemp("valkey")
    found = Valkey(folder) if request.param == "one server" else Cluster(folder)
    yield found
    found.kill()


def keys(server: Valkey | Cluster) -> set[str]:
    """Which say whose number it is."""
    return set(server.cli("keys", "*:node:5").split())


def test_a_number_is_kept_where_it_was_taken(server: Valkey | Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "HOLD_S", 0.01)
    servers = 3 if isinstance(server, Cluster) else 1

    async def run() -> None:
        one: Any = open_store(server.url, secret=SECRET, node=5, deadline_s=10.0)
        await one.open()
        taken, claim, renewed = keys(server), one._claim, asyncio.Semaphore(0)
        assert len(taken) == servers

        async def claims(*where: Any) -> None:
            await claim(*where)
            renewed.release()

        one._claim = claims
        for _ in range(3 * servers):
            await asyncio.wait_for(renewed.acquire(), 10)
        assert keys(server) == taken
        other: Any = open_store(server.url, secret=SECRET, node=5, deadline_s=10.0)
        with pytest.raises(StateError, match="node 5 is another gate"):
            await other.open()
        other.close()
        one.close()

    asyncio.run(run())
