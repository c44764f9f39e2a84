"""The contract that every store engine passes, against a model.

The model is made of dictionaries. A new engine adds itself to ``ENGINES``.
"""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import ssl
import tempfile
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from proxy.model.message import Category, Take
from proxy.model.recipient import Entry
from proxy.state import Position, StateError, open_store
from proxy.state.embedded.saving import Wait
from proxy.state.record import record
from proxy.state.record.record import EMPTY
from proxy.state.shared.connection import ServerLogin
from tests.examples import examples
from tests.needs import needs
from tests.valkey import PASSWORD, SECRET, USER, Cluster, Valkey

NOW = 1_700_000_000


def entry(number: int) -> Entry:
    return Entry(number, NOW, 0, 1, 1, Category.MARKETING, 0, 0, 0, 0)


def with_entries(*numbers: int) -> bytes:
    data = EMPTY
    for number in numbers:
        data = record.add(data, entry(number), NOW, 86_400)
    return data


class Embedded:
    """Opens, checkpoints and opens again on one database that outlives its store."""

    shared = False
    """Whether records outlive the store without a checkpoint."""

    def __init__(self) -> None:
        self.connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        self.open()

    def open(self) -> None:
        self.store = open_store("sqlite::memory:", connection=self.connection)

    def drive(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Drives what never waits, as the relay does with an embedded store."""
        try:
            coroutine.send(None)
        except StopIteration as end:
            return end.value
        raise AssertionError("an embedded store waited")

    def settle(self) -> None:
        """Until what was changed without asking for a version is everywhere."""

    def restart(self, *, clean: bool) -> None:
        if clean:
            self.store.close()
        self.open()

    def end(self) -> None:
        self.store.close()
        self.connection.close()


class Shared(Embedded):
    """The same on a real Valkey, which is emptied for each test."""

    shared = True
    tls = acl = False
    servers: ClassVar[dict[type, Valkey | Cluster]] = {}

    def __init__(self) -> None:
        if type(self) not in self.servers:
            self.servers[type(self)] = self.serve(Path(tempfile.mkdtemp(prefix="gate106-valkey-")))
        self.server = self.servers[type(self)]
        self.server.cli("flushall")
        self.now = NOW - 1
        self.loop = asyncio.new_event_loop()
        super().__init__()

    def serve(self, folder: Path) -> Valkey | Cluster:
        return Valkey(folder, tls=self.tls, acl=self.acl)

    def open(self) -> None:
        context = ssl.create_default_context(cafile=str(self.server.folder / "ca.pem")) if self.tls else None
        login = ServerLogin(USER if self.acl else "", PASSWORD if self.acl else "", tls=context)
        self.loop.run_until_complete(self._open(login))

    async def _open(self, login: ServerLogin) -> None:
        options = {"connection": self.connection, "secret": SECRET, "login": login, "deadline_s": 5.0}
        self.store = open_store(self.server.url, now=lambda: self.now, **options)
        await self.store.open()

    def drive(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(coroutine)

    def settle(self) -> None:
        async def owed() -> None:
            while self.store.unwritten:  # noqa: ASYNC110
                await asyncio.sleep(0.001)

        self.loop.run_until_complete(owed())

    def restart(self, *, clean: bool) -> None:
        self.now = NOW + 100
        if not clean:
            self.store.halt()
        super().restart(clean=clean)

    def end(self) -> None:
        super().end()
        self.loop.run_until_complete(asyncio.sleep(0))
        self.loop.close()


class OverTls(Shared):
    """... over TLS, as a user who may do no more than a gate needs."""

    tls = acl = True


class Clustered(Shared):
    """... spread over the three shards of a cluster."""

    def serve(self, folder: Path) -> Cluster:
        return Cluster(folder)


ENGINES: dict[str, type[Embedded]] = {"sqlite": Embedded, "valkey": Shared, "valkeys": OverTls, "valkey+cluster": Clustered}
NAMES = [pytest.param(name, marks=[] if name == "sqlite" else needs("valkey")) for name in ENGINES]


@pytest.fixture(scope="module", autouse=True)
def servers():
    yield
    for server in Shared.servers.values():
        server.kill()
        shutil.rmtree(server.folder)
    Shared.servers.clear()


@pytest.fixture(params=NAMES)
def engine(request: pytest.FixtureRequest):
    made = ENGINES[request.param]()
    yield made
    made.end()


def test_a_person_never_seen_has_version_0_and_an_empty_record(engine):
    assert engine.drive(engine.store.load([13800138000])) == {13800138000: (0, EMPTY)}


def test_a_swap_with_the_version_that_was_loaded_is_taken_and_gets_a_new_version(engine):
    assert engine.drive(engine.store.swap([(1, 0, with_entries(1))])) == [True]
    version, data = engine.drive(engine.store.load([1]))[1]
    assert version > 0
    assert record.entries(data) == [entry(1)]


def test_a_swap_with_any_other_version_is_refused_and_changes_nothing(engine):
    engine.drive(engine.store.swap([(1, 0, with_entries(1))]))
    version, data = engine.drive(engine.store.load([1]))[1]
    wrong = [
        (1, 0, with_entries(9)),
        (1, version + 1, with_entries(9)),
        (1, version - 1, with_entries(9)),
        (2, 7, with_entries(9)),
    ]
    assert engine.drive(engine.store.swap(wrong)) == [False] * 4
    assert engine.drive(engine.store.load([1, 2])) == {1: (version, data), 2: (0, EMPTY)}


def test_of_two_who_loaded_the_same_version_one_wins(engine):
    engine.drive(engine.store.swap([(1, 0, with_entries(1))]))
    version, data = engine.drive(engine.store.load([1]))[1]
    first, second = record.add(data, entry(2), NOW, 99), record.add(data, entry(3), NOW, 99)
    assert engine.drive(engine.store.swap([(1, version, first), (1, version, second)])) == [True, False]
    assert [one.id for one in record.entries(engine.drive(engine.store.load([1]))[1][1])] == [1, 2]


def test_one_refused_key_does_not_hold_up_the_others_of_a_swap(engine):
    engine.drive(engine.store.swap([(1, 0, with_entries(1))]))
    assert engine.drive(engine.store.swap([(1, 0, with_entries(2)), (2, 0, with_entries(3))])) == [False, True]


def test_a_record_that_became_empty_is_absent_and_its_old_version_is_dead(engine):
    engine.drive(engine.store.swap([(1, 0, with_entries(1))]))
    version, data = engine.drive(engine.store.load([1]))[1]
    assert engine.drive(engine.store.swap([(1, version, record.remove(data, 1))])) == [True]
    assert engine.drive(engine.store.load([1])) == {1: (0, EMPTY)}
    assert engine.drive(engine.store.swap([(1, version, with_entries(2))])) == [False]


def test_versions_are_not_used_twice_after_a_restart(engine):
    engine.drive(engine.store.swap([(1, 0, with_entries(1))]))
    engine.store.checkpoint_now(counted=1, open_from=2, highest_id=1)
    seen = set()
    for number in range(2, 6):
        version, data = engine.drive(engine.store.load([1]))[1]
        engine.drive(engine.store.swap([(1, version, record.add(data, entry(number), NOW, 99))]))
        latest = engine.drive(engine.store.load([1]))[1][0]
        assert latest not in seen
        seen |= {version, latest}
        engine.restart(clean=False)  # without a checkpoint: the record is the old one again, its next version is not


def test_a_checkpoint_brings_back_records_aggregates_and_the_position(engine):
    engine.drive(engine.store.swap([(1, 0, with_entries(1, 2)), (2, 0, with_entries(3))]))
    top = (1 << 64) - 1
    engine.store.counters.take(Take(top, 60, 3600), NOW)
    engine.store.checkpoint_now(counted=7, open_from=5, highest_id=3)
    before = engine.drive(engine.store.load([1, 2]))
    engine.restart(clean=True)
    assert engine.drive(engine.store.load([1, 2])) == before
    assert engine.store.counters.count(top, NOW - 60) == 1
    assert engine.store.position == Position(7, 5, 3)


def test_after_a_stop_that_was_not_clean_ids_are_skipped_that_only_memory_knew(engine):
    engine.store.checkpoint_now(counted=7, open_from=5, highest_id=3)
    engine.restart(clean=False)
    assert engine.store.position.highest_id > 3 + 1000


def test_replay_may_apply_a_change_without_asking_for_a_version(engine):
    engine.store.update(1, lambda data: record.add(data, entry(1), NOW, 99))
    engine.store.update(1, lambda data: record.add(data, entry(1), NOW, 99))
    assert len(record.entries(engine.drive(engine.store.load([1]))[1][1])) == 1
    engine.store.update(1, lambda data: record.remove(data, 1))
    engine.settle()
    assert engine.drive(engine.store.load([1])) == {1: (0, EMPTY)}


def test_records_that_time_has_emptied_go_and_others_stay(engine):
    engine.drive(engine.store.swap([(number, 0, with_entries(number)) for number in range(1, 50)]))
    assert engine.store.sweep(NOW + 86_400, 86_400, buckets=1 << 20) == 0
    assert engine.store.sweep(NOW + 31 * 86_400, 86_400, buckets=1 << 20) == 49
    assert len(engine.store) == 0


def test_a_url_that_names_no_engine_is_refused_with_the_list():
    for url in ("record:///x", "mysql://x", "sqlite", "os:///x", "../sqlite:///x"):
        with pytest.raises(StateError) as error:
            open_store(url)
        assert "one of" in str(error.value)
        assert "sqlite" in str(error.value)
    for url in ("sqlite://", "sqlite:///", "sqlite://relative/path", "sqlite:"):
        with pytest.raises(StateError, match="name a file"):
            open_store(url)


class Against(RuleBasedStateMachine):
    """Random loads, swaps, changes, checkpoints and restarts, against two dictionaries: what is held, what was checkpointed."""

    make: Callable[[], Embedded]
    keys = st.integers(13_800_000_000, 13_800_000_007)

    @initialize()
    def begin(self):
        self.engine = type(self).make()
        self.held: dict[int, bytes] = {}
        self.safe: dict[int, bytes] = {}
        self.counts: dict[int, int] = {}
        self.safe_counts: dict[int, int] = {}
        self.seen: dict[int, set[int]] = {}
        self.number = 0

    def _loaded(self, key):
        version, data = self.engine.drive(self.engine.store.load([key]))[key]
        assert data[6:] == self.held.get(key, EMPTY)[6:]
        assert (version == 0) == (key not in self.held)
        return version, data

    @rule(keys=st.lists(keys, unique=True, min_size=1), stale=st.booleans(), remove=st.booleans())
    def swap(self, keys, stale, remove):
        items, expected = [], []
        for key in keys:
            version, data = self._loaded(key)
            self.number += 1
            after = record.add(data, entry(self.number), NOW, 86_400)
            if remove:
                for one in record.entries(data):
                    after = record.remove(after, one.id)
                after = record.remove(after, self.number)
            old = [one for one in self.seen.get(key, set()) if one != version]
            items.append((key, old[0] if stale and old else version, after))
            expected.append(not (stale and old))
            if expected[-1]:
                self.held[key] = after
                if remove:
                    self.held.pop(key)
        assert self.engine.drive(self.engine.store.swap(items)) == expected
        for key, done in zip(keys, expected, strict=True):
            version, _ = self._loaded(key)
            if done and version:
                assert version not in self.seen.setdefault(key, set())
                self.seen[key].add(version)

    @rule(key=st.integers(0, 3), n=st.integers(1, 5))
    def take(self, key, n):
        self.engine.store.counters.take(Take(key, 60, 3600), NOW, n)
        self.counts[key] = self.counts.get(key, 0) + n

    @rule(key=st.integers(0, 3))
    def give_back(self, key):
        self.engine.store.counters.give_back(Take(key, 60, 3600), NOW)
        self.counts[key] = max(0, self.counts.get(key, 0) - 1)

    @rule(during=st.lists(keys, max_size=3))
    def checkpoint(self, during):
        """Records may be newer than the position, aggregates not: takes made while it collects are not in it."""
        steps = self.engine.store._steps(Position(self.number, 1, self.number))
        self.safe_counts = dict(self.counts)
        for index, step in enumerate(steps):
            if isinstance(step, Wait):
                continue
            step()
            if index < len(during):
                self.take(index % 4, 2)
        self.safe = dict(self.held)

    @rule(at=st.integers(0, 3))
    def failed_checkpoint(self, at):
        """The disk refuses one step: the file stays as it was, and the next checkpoint writes everything."""
        steps = self.engine.store._steps(Position(self.number, 1, self.number))
        for index, step in enumerate(steps):
            if index == at:
                steps.close()
                return
            if not isinstance(step, Wait):
                step()
        self.safe, self.safe_counts = dict(self.held), dict(self.counts)

    @rule(clean=st.booleans())
    def restart(self, clean):
        if self.engine.shared:  # its records are as they were, and the journal, which is not here, would say the same
            self.checkpoint(during=[])
        self.engine.restart(clean=clean)
        self.engine.settle()  # a record that it writes back beside a swap gets another version, and the swap is refused
        self.held = dict(self.safe)
        self.counts = dict(self.safe_counts)

    @invariant()
    def holds(self):
        if hasattr(self, "engine"):
            for key in range(13_800_000_000, 13_800_000_008):
                self._loaded(key)
            for key, count in self.counts.items():
                assert self.engine.store.counters.count(key, 0) == count

    def teardown(self):
        if hasattr(self, "engine"):
            self.engine.end()


@pytest.mark.parametrize("name", NAMES)
def test_whatever_is_done_to_it_a_store_holds_what_the_model_holds(name):
    machine = type("Machine", (Against,), {"make": staticmethod(ENGINES[name])})
    from hypothesis.stateful import run_state_machine_as_test

    named = 15 if issubclass(ENGINES[name], Shared) else 60
    run_state_machine_as_test(machine, settings=settings(max_examples=examples(named), stateful_step_count=30, deadline=None))
