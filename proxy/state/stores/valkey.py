"""Implements the shared store in Valkey, with a local copy.

All nodes see the records in Valkey. This node's copy serves while Valkey is out of reach.

In: numbers, versions, records. Out: the same; from the copy, with versions below 0, while the store is out of reach. Never: a
recipient's number in Valkey (keys are made of a keyed hash), a retry inside ``load`` or ``swap``, a cancelled call.

    PREFIX{tag}<keyed hash>    a record (state/shared/records.py, keys.py)                 PREFIX{tag}:born     drawn when this part
    was first used
    PREFIX{tag}:node:N         which gate is node N at the moment             PREFIX{tag}:long:…   a multipart message that is not complete
                                                                              (state/shared/multipart_exchange.py)

Tags: state/shared/servers.py. The functions that Valkey runs: state/shared/lua_library.py.

The copy is a complete embedded store: this node's journal makes it durable, replay and checkpoints restore it. Data that are no
records (lists, orders, cases, the mailbox, aggregates) are in the copy alone. A record is written to the copy as soon as Valkey
has stored it. A fact about a recipient that comes from a journal or from the log (``say``) is applied to the copy, and then to
Valkey's record, by every node that receives it.

**Out of reach** is one part or all: a call was overdue or refused. Nothing waits then: ``load`` gives the copy's records with
versions below 0, and ``swap`` takes those. Messages whose call was pending are judged again on the copy. When a part is reached
again, the facts that this node noted since one minute before the loss are *owed* to it: they are put back into records
(state/record/merging.py), at once into those that are loaded, and into all others by a walk through the copy beside the traffic.
That repairs a failover that lost the last writes; a store that comes back empty gets all that its nodes know.

The remaining bound: while nodes cannot ask, each counts only what it knows, so a recipient may get what a cap allows once from
each node. The same holds for a part of a multipart message that other nodes know. A node that cannot ask, or could not when the
message was loaded (for up to 60 s, INHERIT_S), releases parts that the others do not see, nor does it see what they released
since it last asked. Sent to both sides, such a part goes out twice as the same message: once from each such node, and once from
all the others together.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import structlog

from proxy.state import StateError
from proxy.state.counters.aggregates import Aggregates
from proxy.state.counters.shared_counters import COUNT_S, SharedCounters
from proxy.state.lists.desk_records import Numbering
from proxy.state.record import record
from proxy.state.record.record import REPLY_S
from proxy.state.shared.connection import Connection, Redirected, ServerAddress, ServerLogin, StoreDown, StoreRefused
from proxy.state.shared.gate_messages import GateMessages
from proxy.state.shared.lease_requests import Leases
from proxy.state.shared.log import NODES, Place, SharedLog, place_text
from proxy.state.shared.lua_library import ACROSS, HOLD, SHARES, SOURCE, SOURCE_ACROSS
from proxy.state.shared.multipart_exchange import MultipartExchange
from proxy.state.shared.records import RecordKeys, Records
from proxy.state.shared.servers import Servers, gather_results, locate
from proxy.state.shared.shared_rules import SharedRules
from proxy.state.shared.write_behind import WriteBehind
from proxy.state.stores.sqlite import SqliteStore

log = structlog.get_logger()

SECURE = True
"""``valkeys://`` is this engine over TLS."""
PREFIX = b"g106:"
HELD_MS, HOLD_S = 10_000, 2.0
"""How long a node's number stays reserved after its last claim, and how often the node claims it."""
START_S = 900.0
"""A start looks back so far: messages that were open at the last stop have an unknown outcome now, which matters for ten minutes."""
DEADLINE_S, REASSERT_S = 0.25, 60.0
FORM, PARTS = 2, 256
"""Version of the format of keys, and number of parts, of a new store. One that exists keeps its own: form 1 differs in `RecordKeys` alone."""


class ValkeyStore(GateMessages, SqliteStore):
    """One node's view of the shared store, and its copy."""

    waits = shared = True

    def __init__(
        self,
        addresses: Sequence[ServerAddress],
        local: Path | None,
        *,
        secret: bytes,
        login: ServerLogin = ServerLogin(),  # noqa: B008 # a frozen value
        cluster: bool = False,
        node: int = 0,
        parts: int = 0,
        persons_max: int = 0,
        deadline_s: float = DEADLINE_S,
        reassert_s: float = REASSERT_S,
        now: Callable[[], float] = time.time,
        **options: Any,
    ) -> None:
        """``secret``: for the keyed hash, the same on all nodes. ``local``: the copy's file (see SqliteStore). ``parts``: 0: as many as the
        store has, PARTS if it is new. ``persons_max``: from so many on, old records leave the copy; 0: never."""
        super().__init__(local, **options)
        self._secret = hashlib.blake2b(secret, digest_size=32, person=b"gate106 people").digest()
        self._check = hashlib.blake2b(self._secret, digest_size=8, person=b"gate106 check").hexdigest()
        self.node, self._reassert_s, self._now = node, reassert_s, now
        self._wanted_parts, self._persons_max = parts, persons_max
        self._dropped_to = 0  # the bucket of the copy behind which old records are dropped next
        self._born: list[str] = []
        self._identity = self._meta.get("identity") or os.urandom(16).hex()
        self._note({"identity": self._identity})
        before = self._meta.get("heard", "0-0").split("-")
        self.read_to: Place = (int(before[0]), int(before[1]))
        """The position up to which the log was read; the checkpoint stores it."""
        self._log_is_complete = False
        self.caught_up = True
        """Whether this node has read all log entries of other nodes; set by the reader of the log. Until then it writes no facts back, because
        other nodes may have revoked them."""
        for numbers in (self.orders, self.consented, self.cases, self.penalties, self.recycled, self.erasure_requests):
            numbers.numbered = Numbering(NODES, node)
        self._tasks: list[asyncio.Task[None]] = []
        self._to_servers = partial(Servers, addresses, login, cluster=cluster, deadline_s=deadline_s)
        self._servers = self._to_servers(parts=PARTS, reached=self._reached, lost=self._lost, moved=self._moved)
        key = hashlib.blake2b(secret, digest_size=32, person=b"gate106 told").digest()
        self._log_key = key
        self._exchanging = asyncio.Lock()
        self._heads: list[bytes] = []
        self._keys = RecordKeys(self._secret, self._heads, form=FORM)
        self._records = Records(self._servers, self._keys, self._doubt, now)
        since = int(now() - START_S)
        if cut_off := self._meta.get("cut_off", ""):  # the process died amid it
            since = min(int(cut_off), since)
        self._write_behind = WriteBehind(
            self._servers, self._keys, self._records, self, node=node, begun=int(now()), since=since,
            may=lambda: self.caught_up, done=self._note_all_written,
        )  # fmt: skip
        self.leases: Leases = Leases(self._servers, self._heads, node)
        key = hashlib.blake2b(secret, digest_size=32, person=b"gate106 rules").digest()
        self.rules: SharedRules = SharedRules(self._servers, PREFIX, key, node)
        self.multipart_exchange: MultipartExchange = MultipartExchange(
            self._servers, secret, part_of=self._keys.part, heads=self._heads, argument_of=self._records.argument_of,
            keep_s=lambda: self._records.keep_s, took=self._copy_stored, doubted=self._doubt,
        )  # fmt: skip
        self._divide(self._known_born())

    def _known_born(self) -> str:
        """The text with which part 0 was born, as the copy knows it; empty if the settings want another number of parts."""
        known = self._meta.get("born:0", "")
        return known if not self._wanted_parts or known.split(" ")[1:2] == [str(self._wanted_parts)] else ""

    def _divide(self, born: str) -> None:
        """Sets form and number of parts as in the store where a part was born with this text, as far as this gate can; without a text as in a
        new store. Only before the store is open."""
        form, parts = (int(word) for word in born.split(" ")[:2]) if born else (FORM, self._wanted_parts or PARTS)
        self._form = self._keys.form = min(form, FORM)
        self._parts = parts = self._wanted_parts or parts
        self._servers.divide(parts)
        self._write_behind.divide(parts)
        self._heads[:] = [PREFIX + b"{" + tag + b"}" for tag in self._servers.tags]
        self.rules.use_head(self._heads[0])
        known = [self._meta.get(f"born:{part}", "") for part in range(parts)]
        self._born = [text if text.startswith(f"{form} {parts} ") else "" for text in known]

    def _check_layout(self, born: str) -> None:
        """Raises StoreRefused if this gate cannot use the form or the number of parts."""
        form, parts = [*born.split(" "), "", ""][:2]
        if (form, parts) != (str(self._form), str(self._parts)):
            raise StoreRefused(
                f"it was made with {parts} parts, form {form}: this node has {self._parts} (shared.parts), form {self._form}"
            )

    async def _found_born(self) -> str:
        """The text with which some part of the store was born; empty if the store is new. At least half of the tags of a store with fewer
        parts are tags of one with PARTS."""
        found: list[str] = []

        async def look(connection: Connection, parts: list[int]) -> None:
            calls = [connection.call("GET", PREFIX + b"{" + servers.tags[part] + b"}:born") for part in parts]
            for answer in await gather_results(calls):
                if isinstance(answer, Exception) and not isinstance(answer, Redirected):
                    raise answer
                if isinstance(answer, bytes):
                    found.append(answer.decode())

        servers = self._to_servers(parts=PARTS, reached=look, lost=lambda parts: None)
        try:
            await servers.open()
        finally:
            servers.close()
        return found[0] if found else ""

    # -- its life

    async def open(self) -> None:
        """Connects to the store. Raises StateError if it cannot be used. If it is only unreachable, a node that has used it before
        starts with its copy."""
        try:
            if not self._known_born():
                born = await self._found_born()
                self._divide(born)
                if born:
                    self._check_layout(born)
            self._write_log_as(self._log_writer_id())
            await self._servers.open()
        except StoreRefused as error:
            self._servers.close()
            raise StateError(f"store: {error}") from None
        except StoreDown as error:
            if not all(self._born):
                self._servers.close()
                raise StateError(f"store: {error.strerror}: it must be in reach when a node first uses it") from None
            log.warning("store unreachable, using the local copy", why=error.strerror)
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(one) for one in (self._keep_node_number(), self._write_behind.run(), self._count_on())]
        self._write_behind.reached()

    def _log_writer_id(self) -> str:
        """The writer id under which the log counts this journal's sequences. A new id is needed if the state is a copy of another node's, or if
        the journal is another one than before."""
        known, node, journal = self._meta, str(self.node), self._meta.get("journal", "")
        teller = known.get("teller", "")
        if not teller and all(self._born):  # earlier versions used the journal's name as writer id
            teller = journal or self._identity
        elif not teller or known.get("teller_node") != node or known.get("teller_journal", journal) != journal:
            return self._new_log_writer_id(0)
        self._note({"teller": teller, "teller_node": node, "teller_journal": journal})
        return teller

    def _new_log_writer_id(self, recorded: int) -> str:
        """``recorded``: the last record of the journal that was appended under another writer id."""
        teller, journal = os.urandom(16).hex(), self._meta.get("journal", "")
        self._note({"teller": teller, "teller_node": str(self.node), "teller_journal": journal, "teller_from": str(recorded)})
        return teller

    def restart_log(self, recorded: int) -> None:
        """The log has more records of this journal than the journal itself: it has lost those after ``recorded``. A new writer id lets its new
        records be appended too."""
        self._write_log_as(self._new_log_writer_id(recorded))

    def _write_log_as(self, teller: str) -> None:
        self._log = SharedLog(self._heads[0], self.node, teller, self._log_key)
        self._last_of_former_writer = int(self._meta.get("teller_from", "0"))

    # -- counters about no single person

    totals: SharedCounters
    """``counters`` with their type here."""

    def _counters(self) -> Aggregates:
        self.totals = SharedCounters(time.time_ns() // 1000)
        return self.totals

    async def fill(self) -> None:
        while self.totals.wants and await self._exchange_counts(self.totals.wanted):
            pass

    async def _count_on(self) -> None:
        """Reports takes a few times a second, and notices whether the store is reachable."""
        while True:
            portion, more = partial(next, self.totals.due(), None), True
            while more:
                more = await self._exchange_counts(portion)
                await asyncio.sleep(0)  # lets waiters for the lock go first
            await asyncio.sleep(COUNT_S)

    async def _exchange_counts(self, portion: Callable[[], list[int] | None]) -> bool:
        """Reports one batch of counters; returns whether there may be more: the store is reachable, and there was a batch."""
        counters = self.totals
        async with self._exchanging:
            counters.now_s = asyncio.get_running_loop().time()
            if not any(self._servers.at):
                counters.on = False
                return False
            if self._servers.up or not counters.on:
                counters.reconnect()
            keys = portion()
            if keys:
                await self._report_counts(keys)
            return keys is not None

    async def _report_counts(self, keys: list[int]) -> None:
        counters = self.totals
        for key, answer in zip(keys, await self.leases.portions(keys, counters.report_words(keys)), strict=True):
            if answer is None:
                counters.note_unanswered(key)
            else:
                counters.apply_answer(key, answer)

    def close(self) -> None:
        self.halt()
        super().close()

    def halt(self) -> None:
        """Disconnects from the servers and nothing else, as if the process had died."""
        for task in self._tasks:
            task.cancel()
        self._servers.close()

    @property
    def up(self) -> bool:  # type: ignore[override] # the embedded one is always up
        """Whether all parts are reachable."""
        return self._servers.up

    @property
    def why(self) -> str:  # type: ignore[override]
        """Why some part is unreachable; empty if none is."""
        return self._servers.why

    @property
    def unwritten(self) -> int:  # type: ignore[override]
        """Recipients and parts whose stored records may lack facts of this node."""
        return len(self._write_behind)

    @property
    def restored(self) -> int:  # type: ignore[override]
        """How many records in the store lacked something that this node knew, since its start: it was away, or lost writes."""
        return self._write_behind.restored

    # -- the store

    def read_answers(self, wait_ms: int) -> bool:
        """See Servers.read_answers."""
        return self._servers.read_answers(wait_ms)

    async def load(self, keys: Iterable[int]) -> dict[int, tuple[int, bytes]]:
        found, cut_off = await self._records.load(tuple(keys))
        self._write_behind.complete(found)
        for key in cut_off:
            version, data = self.load_now((key,))[key]
            found[key] = (-1 - version, data)
        totals = self.totals  # what follows is judged by these
        totals.now_s = asyncio.get_running_loop().time()
        if (totals.unreachable or not totals.on) and self._servers.up:
            totals.reconnect()
        return found

    async def swap(self, items: list[tuple[int, int, bytes]]) -> list[bool]:
        here = [place for place, item in enumerate(items) if item[1] < 0]  # with a version of the copy
        swaps = self._write_behind.swaps
        swaps[id(items)] = items
        try:
            done = await (self._swap_split(items, here) if here else self._records.swap(items))
            self._copy_stored(items, done, bool(here))
        finally:
            del swaps[id(items)]
        return done

    async def _swap_split(self, items: list[tuple[int, int, bytes]], here: list[int]) -> list[bool]:
        """``swap`` if some items are decided by the copy alone."""
        done = [False] * len(items)
        for place in here:
            done[place] = self._swap_here(items[place])
        present = [place for place, item in enumerate(items) if item[1] >= 0]
        for place, taken in zip(present, await self._records.swap([items[place] for place in present]), strict=True):
            done[place] = taken
        return done

    def _copy_stored(self, items: list[tuple[int, int, bytes]], done: Sequence[bool], is_split: bool = True) -> None:
        """Copies stored records to the local copy; ``is_split``: some may have been decided by the copy alone."""
        if is_split or not all(done):
            items = [item for item, taken in zip(items, done, strict=True) if taken and item[1] >= 0]
        if self._write_behind.has_pending_people:
            items = [(key, version, self._write_behind.after_store(key, data)) for key, version, data in items]
        self.hold_all(items)
        if self._persons_max and len(self._table) > self._persons_max:
            self._drop_old(len(items))

    def _drop_old(self, stored: int) -> None:
        """Drops records from the copy that neither this node nor a gate that was cut off needs again: without facts and without a message for
        START_S. Looks at more records than were stored, and at none while a part may lack what the copy knows."""
        if not self._servers.up or self._write_behind:
            return
        table, before = self._table, self._now() - max(START_S, self._reassert_s)
        for _ in range(stored + 1):
            self._dropped_to = (self._dropped_to + 1) % table.buckets
            for key, data in list(table.bucket(self._dropped_to)):
                if record.has_only_entries_before(data, before):
                    table.put(key, b"")

    def _doubt(self, people: Iterable[int]) -> None:
        self._write_behind.doubt(people)

    def _swap_here(self, item: tuple[int, int, bytes]) -> bool:
        key, version, data = item
        taken = self.swap_now([(key, -1 - version, data)])[0]
        part = self._keys.part(key) if self._servers.cluster else 0
        if taken and self._servers.at[part] is not None:  # a walk may already have passed this record
            self._write_behind.owe(key)
        return taken

    def hold(self, key: int, data: bytes) -> None:
        """Changes the copy; entries and facts that this node vouches for are written to the store afterwards."""
        self.hold_here(key, data)
        if self._tasks:  # before the start of the tasks all records are walked through anyway
            self._write_behind.owe(key)

    def hold_here(self, key: int, data: bytes) -> None:
        """Changes the copy alone."""
        super().hold(key, data)

    def apply_fact(self, key: int, change: Callable[[bytes], bytes]) -> None:
        """Applies a fact to the copy, and to the store's record as soon as possible."""
        before = self.held(key)
        after = change(before)
        if after is not before:
            self.hold_here(key, after)
        self._write_behind.add_fact(key, change)

    def sweep(self, now: float, keep_s: int, buckets: int = 50) -> int:
        self._records.keep_s = max(keep_s, REPLY_S)
        return super().sweep(now, keep_s, buckets)

    # -- lost and reached

    def _lost(self, parts: list[int]) -> None:
        if self._servers.closed:
            return
        log.warning("store unreachable, using the local copy", parts=len(parts), why=self._servers.why)
        self._note_lost(parts)

    def _moved(self, parts: list[int]) -> None:
        log.info("store parts have another server", parts=len(parts))
        self._note_lost(parts)
        self._write_behind.reached()

    def _note_lost(self, parts: list[int]) -> None:
        """Notes that these parts may lack what this node has written lately."""
        since = int(self._now() - self._reassert_s) - 1
        self._log_is_complete = False
        for part in parts:
            self._write_behind.lost(part, since)
        if not self._meta.get("cut_off"):
            self._note({"cut_off": str(since)})

    async def _reached(self, connection: Connection, parts: list[int]) -> None:
        """Checks that these parts belong to our store, and notes which may be incomplete."""
        await self._load_library(connection, SOURCE)
        drawn = f"{self._form} {self._parts} {self._check} {os.urandom(8).hex()}"
        calls = [("SET", self._heads[part] + b":born", drawn, "NX", "GET") for part in parts]
        answers = await self._servers.each(connection, calls)
        born: dict[str, str] = {}
        try:
            for part, answer in zip(parts, answers, strict=True):
                if isinstance(answer, Exception):
                    raise answer
                born |= self._verify_part(part, answer.decode() if answer else drawn)
        finally:
            if born:
                self._note(born)
        if parts:
            await self._claim_node_number(connection, parts[0])
        connection.crosses_slots = await self._may_cross_slots(connection, parts)
        self._records.compares = True
        self._write_behind.reached()
        log.info("store connected", server=str(connection.address), parts=len(parts))

    @staticmethod
    async def _load_library(connection: Connection, source: str) -> None:
        try:
            await connection.call("FUNCTION", "LOAD", source)
        except StoreRefused as error:
            if "already exists" not in str(error):
                raise

    async def _may_cross_slots(self, connection: Connection, parts: list[int]) -> bool:
        """Whether this server of a cluster takes one call about several parts: tried with a call without arguments."""
        parts = [part for part, at in enumerate(self._servers.at) if at is connection or part in parts]
        if not self._servers.cluster or connection.crosses_slots or len(parts) < 2:
            return connection.crosses_slots
        names = [self._heads[part] + b":born" for part in (parts[0], parts[-1])]
        try:
            await self._load_library(connection, SOURCE_ACROSS)
            return bool(await connection.call("FCALL", ACROSS[SHARES], 0, 2, *names) == 0)
        except StoreRefused as error:
            log.info("store takes a call for each part", server=str(connection.address), why=str(error))
            return False

    def _verify_part(self, part: int, born: str) -> dict[str, str]:
        """What is to be noted."""
        self._check_layout(born)
        if born.split(" ")[2] != self._check:
            raise StoreRefused("it was made with another secret: shared.secret must be the same on all nodes")
        known = self._born[part]
        if known and known != born:
            log.warning("store part lost its data, restoring it from the local copy", part=part)
        if known != born:
            self._write_behind.emptied(part)  # also at first use: the copy was an embedded store until now
            self._born[part] = born
            return {f"born:{part}": born}
        return {}

    async def _claim_node_number(self, connection: Connection, part: int) -> None:
        """Claims the node's number in the first part of each server, where two nodes with the same number collide."""
        key = self._heads[part] + b":node:%d" % self.node
        (holder,) = await self._servers.each(connection, [("FCALL", HOLD, 1, key, self._identity, HELD_MS)])
        if isinstance(holder, Exception):
            raise holder
        if holder.decode() != self._identity:
            raise StoreRefused(f"node {self.node} is another gate, on another copy of the state: give each its own `node:`")

    async def _keep_node_number(self) -> None:
        """Renews the claim of the node's number, and notices when a part of the store was emptied."""
        while True:
            await asyncio.sleep(HOLD_S)
            parts_of: dict[Connection, list[int]] = {}
            for part, at in enumerate(self._servers.at):
                if at is not None:
                    parts_of.setdefault(at, []).append(part)
            for connection, parts in parts_of.items():
                try:
                    await self._claim_node_number(connection, parts[0])
                except StoreDown:
                    continue  # the connection reports its own end
                except StoreRefused as error:
                    log.error("node number lost", why=str(error))
                    continue
                answers = await self._servers.each(connection, [("GET", self._heads[part] + b":born") for part in parts])
                for part, born in zip(parts, answers, strict=True):  # an error: it ends, or the part has moved
                    if not isinstance(born, Exception) and (born or b"").decode() != self._born[part]:
                        self._servers.doubt(part, f"part {part} was emptied")

    def _beside(self) -> dict[str, str]:
        return {"heard": place_text(self.read_to)}

    def _note_all_written(self) -> None:
        if self._meta.get("cut_off"):
            self._note({"cut_off": ""})


def open_url(url: str, *, local: Path | None = None, secret: bytes = b"", **options: Any) -> ValkeyStore:
    """Opens the store at this URL (state/shared/servers.py). Raises StateError if the URL is invalid."""
    login: ServerLogin = options.pop("login", ServerLogin())
    at = locate(url, encrypted=login.tls is not None)
    if not secret:
        raise StateError("store: shared.secret is needed: what keys are hashed with")
    return ValkeyStore(
        at.addresses, local, secret=secret, login=login._replace(database=at.database), cluster=at.cluster, **options
    )
