"""A failed checkpoint is logged, and the next one is written."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, MutableMapping
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from proxy.journal.encoding import pack
from proxy.journal.records import gate_events, messages
from proxy.relay.effects.list_import import ChunkedImports
from proxy.relay.message_ids import MessageIds
from proxy.server import checkpoints
from proxy.server.checkpoints import Checkpoints
from proxy.state import open_store
from proxy.state.stores.sqlite import SqliteStore
from tests.harness import NOON, Harness
from tests.state.damage import damaged

SOON_S = 20.0


class Stage:
    """A store of its own, whose checkpoints follow each other at once, beside a gate without sockets."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "state.db"
        self.store: SqliteStore = open_store(f"sqlite:///{self.path}")
        harness = Harness(folder)
        harness.journal.append(messages.START, pack(gate_events.Start(NOON, 0, 0)))
        harness.journal.write(NOON)
        self.wrong: Exception | None = None
        """What the wait for the journal's sync ends with."""
        self.checkpoints = Checkpoints(
            self.store, harness.journal, harness.relay, MessageIds("carrier", []), self._synced, [], ChunkedImports()
        )

    async def _synced(self, sequence: int) -> None:
        if self.wrong is not None:
            raise self.wrong

    def is_written(self) -> bool:
        return self.store.position.counted == 1


async def until(look: Callable[[], object]) -> None:
    async with asyncio.timeout(SOON_S):
        while not look():  # noqa: ASYNC110 # as tests/e2e/waiting.py does
            await asyncio.sleep(0.001)


async def ended(running: asyncio.Task[None]) -> None:
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    monkeypatch.setattr(checkpoints, "CHECKPOINT_S", 0.001)
    found = Stage(tmp_path)
    yield found
    found.store.close()


async def test_a_damaged_file_is_told_each_time_and_written_once_it_is_whole_again(stage: Stage) -> None:
    with capture_logs() as logs:
        running = asyncio.create_task(stage.checkpoints.run())
        with damaged(stage.path):
            await until(lambda: len(logs) > 1 or running.done() or stage.is_written())
            assert (running.done(), stage.is_written()) == (False, False)
        await until(stage.is_written)
        await until(lambda: logs[-1]["event"] == "checkpoint written again")
    await ended(running)
    assert {line["event"] for line in logs[:-1]} == {"checkpoint failed; the journal keeps everything until one succeeds"}
    assert logs[-1]["event"] == "checkpoint written again"
    assert "invalid rootpage; restore it from a copy" in logs[0]["error"]


async def test_a_fault_of_our_own_ends_one_checkpoint_and_no_other(stage: Stage) -> None:
    stage.wrong = LookupError("nobody thought of it")
    with capture_logs() as logs:
        running = asyncio.create_task(stage.checkpoints.run())
        await until(lambda: len(logs) > 1 or running.done())
        stage.wrong = None
        await until(lambda: stage.is_written() or running.done())
    assert (running.done(), stage.is_written()) == (False, True)
    await ended(running)
    first: MutableMapping[str, Any] = logs[0]
    assert first["event"] == "checkpoint failed: a fault of gate106, please report it"
    assert str(first["exc_info"]) == "nobody thought of it"
