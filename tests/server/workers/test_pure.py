"""Restart delays of workers, and settings that are a worker's own."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from proxy import config
from proxy.config import SettingsError, StoragePaths, Worker, worker_of
from proxy.config.worker import worker_faults
from proxy.runtime.child_process import Backoff
from proxy.server.workers.pool import FIRST_S, MOST_S, STEADY_S

EXAMPLE = Path(__file__).parents[2] / "data" / "gate106.example.yaml"


def test_waits_double_up_to_a_bound_and_begin_anew_after_a_steady_time():
    backoff = Backoff(FIRST_S, MOST_S, STEADY_S)
    waits = [backoff.ended(1.0) for _ in range(9)]
    assert waits == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]
    assert (waits[0], waits[-1]) == (FIRST_S, MOST_S)
    assert backoff.ended(STEADY_S) == FIRST_S
    assert backoff.ended(1.0) == 2 * FIRST_S


@pytest.mark.parametrize(("said", "found"), [("", None), ("2", Worker(2, 0)), ("2/4", Worker(2, 4)), ("64/64", Worker(64, 64))])
def test_the_environment_says_which_worker_this_is(said, found):
    assert worker_of({"GATE106_WORKER": said}) == found


@pytest.mark.parametrize("said", ["x", "0", "65", "3/2", "0/2", "2/", "/2", "1/65", "-1", "1/x"])
def test_a_worker_that_cannot_be_is_refused(said):
    with pytest.raises(SettingsError, match="GATE106_WORKER"):
        worker_of({"GATE106_WORKER": said})


@pytest.fixture(autouse=True)
def passwords(monkeypatch):
    for name in re.findall(r"\$\{(\w+)\}", EXAMPLE.read_text(encoding="utf-8")):
        monkeypatch.setenv(name, "secret")


def test_each_worker_is_a_node_with_a_journal_and_a_control_socket_of_its_own(monkeypatch):
    whole = config.load(EXAMPLE)
    for number in (1, 2, 3):
        monkeypatch.setenv("GATE106_WORKER", f"{number}/3")
        own = config.load(EXAMPLE)
        assert own.node == whole.node + number - 1
        assert own.journal == whole.journal / f"node-{own.node}"
        assert own.control.name == f"control-{number}.sock"
        assert own.control == config.control_path(EXAMPLE)
        places = config.archive_locations(EXAMPLE)
        assert (places.node, places.journal, places.control) == (own.node, own.journal, own.control)
        assert (own.smpp, own.rules, own.store, own.archive) == (whole.smpp, whole.rules, whole.store, whole.archive)
        assert (own.carriers, own.providers) == (whole.carriers, whole.providers)


def test_who_reads_a_journal_of_several_is_asked_whose(tmp_path, monkeypatch):
    settings = tmp_path / "gate106.yaml"
    settings.write_text("store: valkey://127.0.0.1:6379/0\njournal: journal\nrules: rules\nnode: 8\n")
    assert config.archive_locations(settings).journal == tmp_path / "journal"
    (tmp_path / "journal" / "node-8").mkdir(parents=True)
    (tmp_path / "journal" / "node-9").mkdir()
    with pytest.raises(SettingsError, match=r"node-8, node-9\): say whose you mean \(gate106 --worker 1"):
        config.archive_locations(settings)
    every = config.archive_locations(settings, every=True)
    assert every.journals == ((tmp_path / "journal" / "node-8", 8), (tmp_path / "journal" / "node-9", 9))
    monkeypatch.setenv("GATE106_WORKER", "2")
    for own in (config.archive_locations(settings), config.archive_locations(settings, every=True)):
        assert own.journals == ((tmp_path / "journal" / "node-9", 9),)


def test_a_follower_gets_each_node_from_where_it_keeps_its_data(monkeypatch):
    whole = config.load(EXAMPLE)
    assert whole.shared is not None
    (gate,) = config.paths_of_nodes(EXAMPLE, lambda _: ())
    assert (gate.store, gate.journal, gate.revisions) == (whole.shared.local, whole.journal, whole.revisions.folder)
    assert (gate.node, gate.gate) == (0, None)
    workers = config.paths_of_nodes(EXAMPLE, lambda _: (0, 2))
    assert [(one.node, one.gate) for one in workers] == [(0, 0), (2, 0)]
    for one in workers:
        assert one.node is not None
        monkeypatch.setenv("GATE106_WORKER", f"{one.node + 1}/3")
        own = config.load(EXAMPLE)
        assert own.shared is not None
        assert (one.store, one.journal, one.revisions) == (own.shared.local, own.journal, own.revisions.folder)
        assert config.paths_of_nodes(EXAMPLE, lambda _: (0, 1, 2)) == [one]


@pytest.mark.parametrize(
    ("node", "gate", "found"),
    [
        (1, 1, {"node-1", "node-1-1a2b3c4d", "accesses"}),
        (10, 1, {"node-10"}),
        (1, None, {"node-1", "node-1-1a2b3c4d", "accesses"}),
        (None, None, {"node-1", "node-1-1a2b3c4d", "node-10", "accesses"}),
    ],
)
def test_workers_of_one_archive_send_each_its_own_tables_and_the_first_one_the_rest(node, gate, found):
    places = StoragePaths(Path("state.db"), Path("journal"), Path("revisions"), node=node, gate=gate)
    assert {name for name in ("node-1", "node-1-1a2b3c4d", "node-10", "accesses") if places.has_in_archive(name)} == found


def test_the_embedded_store_serves_one_process():
    (fault, *_) = worker_faults(replace(config.load(EXAMPLE), store="sqlite:///state.db"), 2)
    assert "embedded store" in fault
    assert "valkey://host:6379/0" in fault
