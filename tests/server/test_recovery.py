"""Recovery restores the state of the gate, with the garbage collector off."""

from __future__ import annotations

import gc
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from proxy.config import load
from proxy.journal.encoding import pack
from proxy.journal.records import gate_events, messages
from proxy.journal.write_ahead_log import Journal, JournalRecord, OsDisk
from proxy.relay.effects.replay import replay as replayed
from proxy.server import recovery
from tests.harness import NOON

SETTINGS = {
    "rules": "rules",
    "smpp": {"listen": "127.0.0.1:0"},
    "carriers": [{"name": "bj", "host": "127.0.0.1", "port": 2776, "system_id": "gate", "password": "secret"}],
    "providers": [{"name": "jia", "system_id": "jia", "password": "secret", "ports": ["1069001"]}],
}


@pytest.fixture
def collector() -> Iterator[None]:
    before = gc.isenabled()
    gc.enable()
    yield
    if not before:
        gc.disable()


def test_a_replay_is_not_stopped_by_the_collector_which_stands_as_it_stood_behind_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, collector: None
) -> None:
    journal = Journal(OsDisk(tmp_path / "journal"))
    journal.append(messages.START, pack(gate_events.Start(NOON, 0)))
    journal.close(NOON)
    path = tmp_path / "gate106.yaml"
    path.write_text(json.dumps(SETTINGS | {"store": f"sqlite://{tmp_path / 'state.db'}", "journal": str(tmp_path / "journal")}))
    seen: list[bool] = []

    def replay_seen(store: Any, records: Iterable[JournalRecord], *more: Any, **others: Any) -> Any:
        seen.append(gc.isenabled())
        return replayed(store, records, *more, **others)

    monkeypatch.setattr(recovery, "replay", replay_seen)
    recovered = recovery.recover(load(path), accept_loss=True)
    recovered.store.abandon()
    recovered.disk.close()
    assert recovered.found.records == 1
    assert seen == [False]
    assert gc.isenabled()


def test_where_the_collector_was_off_it_stays_so_and_a_fault_leaves_it_as_it_was(collector: None) -> None:
    with pytest.raises(OSError, match="gone"), recovery.without_gc():
        raise OSError("gone")
    assert gc.isenabled()
    gc.disable()
    with recovery.without_gc():
        pass
    assert not gc.isenabled()
