"""Implements the embedded store: memory, journal and a SQLite checkpoint.

Records live in memory, the journal makes them durable, a SQLite file is their checkpoint.

In: numbers, versions, records; journal positions. Out: the same. Never: waiting in ``load`` or ``swap``; reading the journal; the
slices of a checkpoint (state/embedded/saving.py).
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import sqlite3
import struct
from collections import Counter
from collections.abc import Awaitable, Callable, Generator, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from proxy.runtime import atomic_files
from proxy.state import JournalPlace, Position, StateError, StateMismatch, StoreLocked, StoreUnreadable
from proxy.state.counters.aggregates import Aggregates
from proxy.state.embedded.checkpoint import CheckpointFile
from proxy.state.embedded.record_table import Table
from proxy.state.embedded.saving import CheckpointWriter, Step, Wait, run_steps, run_steps_now
from proxy.state.lists.consent_lists import ConsentIndex
from proxy.state.lists.desk_records import ChangedRows, DeskRecords, IdempotencyKeys, RuleHistory
from proxy.state.lists.erased_recipients import ErasedRecipients
from proxy.state.lists.hash_dictionary import Dictionary
from proxy.state.lists.suppression_lists import SuppressionLists
from proxy.state.mailbox.mailbox import Mailbox
from proxy.state.record.incomplete_multipart import TornKeys
from proxy.state.record.record import EMPTY, Record, is_empty, is_stale
from proxy.state.record.versions import by_person, exchanges

if TYPE_CHECKING:
    from proxy.state.shared.lease_requests import Leases
    from proxy.state.shared.multipart_exchange import MultipartExchange
    from proxy.state.shared.shared_rules import SharedRules

PAPERS = (
    "cases",
    "penalties",
    "hours",
    "hours_apart",
    "doubtful",
    "decisions",
    "reply_paths",
    "probes",
    "recycled",
    "erasure_requests",
)
"""Tables of numbered desk records."""
VERSION_GAP = 1 << 30
"""Added to the version at a start: more than are given out between two checkpoints (a day at 10,000 a second)."""
ID_GAP = 1 << 16
"""Added to the highest id after an unclean stop: ids of messages that were only in memory are not given out again."""


class SqliteStore:
    """One gate's state; single-threaded except for the steps of a checkpoint. Version 0 of a record: absent. A version is never used twice,
    even across expiry and restarts. A version below 0 comes from the local copy, while the shared store is unreachable."""

    waits = shared = False
    """``waits``: ``load`` and ``swap`` may suspend, so further messages for the same recipient must wait. ``shared``: other gates change
    the same records."""
    up, why, unwritten, restored = True, "", 0, 0
    """``up``: all parts of the store are reachable; ``why`` says why not. ``unwritten``: recipients and parts with facts that are not in
    the shared store yet; ``restored``: recipients whose records there lacked some, and got them."""
    node = -1
    """This gate's number among those that share the store."""
    leases: Leases | None = None
    rules: SharedRules | None = None
    multipart_exchange: MultipartExchange | None = None

    def __init__(self, path: Path | None, *, accept_loss: bool = False, connection: sqlite3.Connection | None = None) -> None:
        """Locks, then loads. Raises StoreLocked, StoreUnreadable. ``path`` None: the state is only in memory, or in ``connection``."""
        self.path = path
        self.accept_loss = accept_loss
        self._lock_file = -1
        self.counters = self._counters()
        self.mailbox = Mailbox()
        self.consented = ConsentIndex()
        self.erased, self.idempotency_keys = ErasedRecipients(), IdempotencyKeys()
        self.listed = SuppressionLists(self.consented, self.erased)
        self.orders = DeskRecords()
        self.history = RuleHistory()
        self._papers = {name: DeskRecords() for name in PAPERS}
        self.dictionary = Dictionary()
        (
            self.cases, self.penalties, self.hours, self.hours_apart, self.doubtful, self.decisions, self.reply_paths, self.probes,
            self.recycled, self.erasure_requests,
        ) = self._papers.values()  # fmt: skip
        self._table: Table
        self._swept = -1
        self.refusals: dict[str, int] = {}
        """Opt-outs in force in recipients' records, by scope, as of the last complete round of ``sweep``; like ``torn_keys``."""
        self._counting: Counter[str] = Counter()
        self.torn_keys, self._torn_counting = TornKeys(), TornKeys()
        self.lock()
        try:
            self._file = CheckpointFile(path, connection)
            self._meta = self._file.meta()
            self._load()
        except BaseException:
            self.unlock()
            raise

    def _counters(self) -> Aggregates:
        return Aggregates()

    async def fill(self) -> None:
        """Counters of one process are never short."""

    def _load(self) -> None:
        meta = self._meta
        self._table = table = Table(int(meta.get("mix", "0")))
        groups = int(meta.get("groups", "0"))
        table.make_room(groups=groups)
        try:
            for _, data in self._file.rows("records"):
                table.load_group(data)
        except ValueError as error:
            raise self._file.unreadable(error) from error
        table.regroup(groups)
        table.changed = bytearray(b"\0" if table.groups == groups else b"\1") * table.groups
        tables: dict[str, ChangedRows] = {
            "listed": self.listed, "consented": self.consented, "orders": self.orders, "history": self.history,
            "told": self.idempotency_keys, **self._papers, "dictionary": self.dictionary,
        }  # fmt: skip
        self._checkpoint_writer = CheckpointWriter(self._file, table, self.counters, self.mailbox, tables, self.erased, groups)
        for key, data in self._file.rows("aggregates"):
            self.counters.restore(key, data)
        for key, data in self._file.rows("mailbox"):
            self.mailbox.restore(key, data)
        self.refusals = json.loads(meta.get("refusals", "{}"))  # until all records have been looked at again
        self.torn_keys = TornKeys(json.loads(meta.get("torn", "[]")))
        try:
            for name, kept in tables.items():
                kept.restore(self._file.rows(name))
            self.erased.restore(self._file.rows("erased"))
        except (ValueError, TypeError, LookupError, struct.error) as error:
            raise self._file.unreadable(error) from error
        clean = meta.get("stopped") == "clean"
        self.position = Position(*(int(meta.get(name, str(default))) for name, default in Position()._asdict().items()))
        if self.position.highest_id:
            self.position = self.position._replace(highest_id=self.position.highest_id + (0 if clean else ID_GAP))
        self._version = int(meta.get("version", "0")) + (0 if clean else VERSION_GAP)
        self._file.set_meta(
            {"stopped": "no", "version": str(self._version), "mix": str(table.mix)}
        )  # so that two hard stops do not begin alike

    def __len__(self) -> int:
        return len(self._table)

    def expect(self, people: int) -> None:
        """Prepares an empty store for this many recipients, so that it does not grow step by step."""
        self._table.make_room(records=people)

    # -- the store

    async def open(self) -> None:
        """The store is in this process: nothing to connect."""

    @property
    def table(self) -> Table:
        """The records themselves, for submits that are judged on them at once."""
        return self._table

    async def load(self, keys: Iterable[int]) -> dict[int, tuple[int, bytes]]:
        return self.load_now(keys)

    async def swap(self, items: list[tuple[int, int, bytes]]) -> list[bool]:
        return self.swap_now(items)

    def load_now(self, keys: Iterable[int]) -> dict[int, tuple[int, bytes]]:
        """``load`` for callers without a coroutine."""
        keys = tuple(keys)
        return by_person(keys, self._table.get_all(keys))

    def swap_now(self, items: list[tuple[int, int, bytes]]) -> list[bool]:
        """``swap`` for callers without a coroutine."""
        version = self._version
        self._version += len(items)
        return self._table.exchange_all(exchanges(items, version))

    def update(self, key: int, change: Callable[[bytes], bytes]) -> None:
        """Applies a change to one record whatever its version, for replay."""
        before = self.held(key)
        after = change(before)
        if after is not before:
            self.hold(key, after)

    def apply_fact(self, key: int, change: Callable[[bytes], bytes]) -> None:
        """Like ``update``: there is no other store."""
        self.update(key, change)

    def held(self, key: int) -> bytes:
        """The present record, for callers that change it with ``hold`` at once."""
        return self._table.get(key) or EMPTY

    def hold(self, key: int, data: bytes) -> None:
        """Stores a record whatever its version."""
        self._version += 1
        self._table.put(key, b"" if is_empty(data) else self._version.to_bytes(6, "big") + data[6:])

    def hold_all(self, items: list[tuple[int, int, bytes]]) -> None:
        """``hold`` for many (key, ignored, record)."""
        version = self._version
        self._version += len(items)
        self._table.exchange_all(exchanges(items, version, whatever=True))

    def sweep(self, now: float, keep_s: int, buckets: int = 50) -> int:
        """Removes expired records and counts opt-outs and torn messages in the next ``buckets`` buckets; regular calls cover all."""
        self.counters.sweep(now)
        self.listed.expire(now)
        self.consented.expire(now)
        self.idempotency_keys.sweep(now)
        gone, table = 0, self._table
        for _ in range(min(buckets, table.buckets)):
            self._swept += 1
            if self._swept >= table.buckets:
                self._swept, self.refusals, self._counting = 0, dict(self._counting), Counter()
                self.torn_keys, self._torn_counting = self._torn_counting, TornKeys()
            for key, data in list(table.bucket(self._swept)):
                if is_stale(data, int(now), keep_s):
                    table.put(key, b"")
                    gone += 1
                else:
                    self._torn_counting.found(data)
                    self._counting.update(one.scope for one in Record(data).opt_outs() if not 0 < one.expiry <= now)
        return gone

    def walk(self, buckets: int = 256) -> Iterator[list[tuple[int, bytes]]]:
        """All records, ``buckets`` buckets at a time. The table may change meanwhile: a changed record may come twice, or in its old form."""
        table, at = self._table, 0
        while at < table.buckets:
            yield [pair for index in range(at, min(at + buckets, table.buckets)) for pair in table.bucket(index)]
            at += buckets

    # -- one gate per store, one journal per store

    def lock(self) -> None:
        if self.path is None or self._lock_file >= 0:
            return
        try:
            atomic_files.make_folder(self.path.parent)
            file = os.open(f"{self.path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StateError(f"store {self.path}: {error.strerror}: {error.filename}") from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.read(file, 64).decode(errors="replace").strip() or "unknown"
            os.close(file)
            raise StoreLocked(f"store {self.path} is in use by process {holder}: one gate per store") from None
        os.ftruncate(file, 0)
        os.write(file, f"{os.getpid()}\n".encode())
        self._lock_file = file

    def unlock(self) -> None:
        if self._lock_file >= 0:
            os.close(self._lock_file)
            self._lock_file = -1

    def belongs_to(self, journal: JournalPlace, accept_loss: bool = False) -> None:
        """Ties state and journal together at the first start; later raises StateMismatch for another journal."""
        stored_identity, journal_identity, written = self._meta.get("journal", ""), journal.identity(), bool(journal.list())
        accept_loss = accept_loss or self.accept_loss
        if stored_identity and stored_identity == journal_identity and (written or not self.position.counted):
            return
        if not accept_loss:
            hint = "put back what belongs together (is its disk mounted?), or start with --accept-loss"
            if stored_identity and not written:
                raise StateMismatch(f"store {self.path} was made with a journal that is not in {journal}: {hint}")
            if stored_identity:
                raise StateMismatch(f"the journal in {journal} is not the one store {self.path} was made with: {hint}")
            if written:
                raise StateMismatch(f"the journal in {journal} has records, but store {self.path} is new: {hint}")
        if (
            not journal_identity or journal_identity == stored_identity
        ):  # only the name of the old journal is left: a new journal begins
            journal_identity = os.urandom(16).hex()
        if journal.identity() != journal_identity:
            journal.identify(journal_identity)
        self.position = Position(0, 0, self.position.highest_id)
        self.mailbox.renumber()
        self._note({"journal": journal_identity, **_as_meta(self.position)})

    def pin(self, name: str, value: str) -> None:
        held = self._meta.get(f"pin:{name}")
        if held is None:
            self._note({f"pin:{name}": value})
        elif held != value:
            raise StateMismatch(
                f"{name} was fixed as {held!r} when store {self.path} was first used, the settings say {value!r}"
            )

    def _note(self, values: dict[str, str]) -> None:
        self._meta.update(values)
        self._file.set_meta(values)

    # -- checkpoints

    async def checkpoint(
        self,
        *,
        counted: int,
        open_from: int,
        highest_id: int,
        synced: Callable[[int], Awaitable[None]] | None = None,
        hurry: bool = False,
        begun: Callable[[], None] | None = None,
    ) -> None:
        """Beside the running loop: slices are collected here, written in a thread. ``synced`` is awaited before each commit and
        should return when everything written to the journal by then is synced. ``hurry``: without rests, for a gate that stops. ``begun``
        is called as soon as new changes belong to the next checkpoint. Raises OSError if the disk fails, StoreUnreadable if the file is
        damaged."""
        rest_s = 0.0 if hurry else self._checkpoint_writer.rest_s
        steps = self._steps(Position(counted, open_from, highest_id))
        await run_steps(steps, rest_s, partial(synced, counted) if synced is not None else None, begun)

    def checkpoint_now(self, *, counted: int, open_from: int, highest_id: int) -> None:
        """Writes a checkpoint in one go; the caller has synced the journal before."""
        run_steps_now(self._steps(Position(counted, open_from, highest_id)))

    def _steps(self, position: Position) -> Generator[Step | Wait, None, None]:
        metadata = {**self._beside(), "version": str(self._version), **_as_meta(position)}
        yield from self._checkpoint_writer.steps(
            lambda: {**metadata, "refusals": json.dumps(self.refusals), "torn": json.dumps(self.torn_keys.rows())}
        )
        self.position = position

    def _beside(self) -> dict[str, str]:
        """Values that a derived engine stores with the position."""
        return {}

    def close(self) -> None:
        """Closes the file and releases the lock. Changes since the last checkpoint are in the journal."""
        with contextlib.suppress(OSError, StoreUnreadable):
            self._file.set_meta({"stopped": "clean", "version": str(self._version)})
        self.abandon()

    def abandon(self) -> None:
        """``close`` without writing to the file: a refused start leaves it unchanged."""
        self._file.close()
        self.unlock()


def _as_meta(position: Position) -> dict[str, str]:
    return {name: str(value) for name, value in position._asdict().items()}


def open_url(url: str, *, accept_loss: bool = False, connection: sqlite3.Connection | None = None) -> SqliteStore:
    """``sqlite:///absolute/path``, ``sqlite:relative/path``, or ``sqlite::memory:``."""
    rest = url.partition(":")[2]
    if rest == ":memory:":
        return SqliteStore(None, accept_loss=accept_loss, connection=connection)
    path = rest.removeprefix("//")
    if not path or path.endswith("/") or (rest.startswith("//") and not path.startswith("/")):
        raise StateError(f"store {url!r}: name a file, as in sqlite:///var/lib/gate106/state.db")
    return SqliteStore(Path(path), accept_loss=accept_loss, connection=connection)
