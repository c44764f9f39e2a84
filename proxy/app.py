"""app: wiring. The one file that names concrete parts of several rooms.

In: the settings. Out: a running gate. Never: a decision about a message.

Start: lock the store → load its checkpoint → replay the journal → open HTTP and the listeners → bind to the carriers → accept binds.
Stop (SIGTERM): stop accepting → listeners close → wait for answers, at most 8 s → unbind → sync → checkpoint → exit 0.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import ssl
import time
from collections.abc import Coroutine, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import structlog
import uvloop
import watchfiles

from proxy import logs, policy, private
from proxy.access import Directory
from proxy.commands import Commands, ways
from proxy.config import Mailbox, Settings, SettingsError, Worker, load, secret_files, worker_of
from proxy.config.described import waiting
from proxy.desk import entries
from proxy.desk.journal import Journal, JournalDamaged, JournalDown, OsDisk, read
from proxy.desk.sealing import Ring, SealingError
from proxy.gently import Gently
from proxy.hearing import Hearing, Manners
from proxy.ids import MessageIds
from proxy.message import Category
from proxy.names import Names
from proxy.net.accounts import by_carrier, houses_of, moved, routes_over
from proxy.net.allotting import Allotting
from proxy.net.carrier import CarrierHouse
from proxy.net.doors import doors_of, room_for
from proxy.net.link import Turns
from proxy.net.provider import Providers
from proxy.net.syncer import Syncer
from proxy.net.tls import Contexts, TlsError
from proxy.operating import Operating
from proxy.ops.console import Console
from proxy.ops.control import ControlError
from proxy.ops.guard import Guard
from proxy.ops.http import HttpServer
from proxy.ops.lifeline import VARIABLE as LIFELINE
from proxy.ops.lifeline import WorkerEnd
from proxy.ops.metrics import Gauges, pieces
from proxy.ops.roller import Roller
from proxy.ops.systemd import Manager
from proxy.post import Mail, Post
from proxy.relay import Relay
from proxy.replay import ID_GAP, replay, settle_open
from proxy.revising import Revising
from proxy.revising_together import RevisingTogether
from proxy.sent import Restoring, SentIndex
from proxy.sharing import Log, Sharing
from proxy.state import EmbeddedStore, StateError, open_store
from proxy.state.connection import Login
from proxy.state.mailbox import UNOWNED, Bounds
from proxy.tally import Tally
from proxy.way_back import Receiver, WayBack

log = structlog.get_logger()

DRAIN_S = 8.0
"""A drain waits so long for answers: Kubernetes and systemd kill after 10 s at the earliest settings people use."""
ANSWERS_S = 1.0
"""... and then so long for providers' answers to what was delivered to them: what is not answered goes again after the next start."""
TICK_S = 0.1
"""How often timers of sessions are looked at: a tenth of the shortest (1 s) anybody would set."""
CHECKPOINT_S = 30.0
"""A restart replays at most about so much of the journal."""
GARBAGE_S, GARBAGE_IDLE_S = 3600.0, 60.0
"""A full garbage collection at least so often, and so often when nothing is on its way."""
YOUNG_MAX = 200_000
"""Objects made and not freed since the last collection, past which the young ones are collected: some 50 MB. What a second of full load
has on its way is a tenth of it."""
RETRY_MS = 5000
"""A changed set of rules that could not be kept or written, because of the disk, is tried again so often."""
STILL_S = 1.0
"""New submits wait at most so long for a checkpoint's moment; then it is tried the next time."""
LINK_S = 3.0
"""A worker that has no link yet takes connections after so long all the same: it says why it cannot serve them."""
CLOCK_STEP_S = 1.0
"""A wall clock that jumps by more is journalled."""


class StartError(Exception):
    """The gate cannot start; the text says whose fault it is and what to do."""


class Gate:
    def __init__(
        self,
        settings: Settings,
        path: Path,
        loop: asyncio.AbstractEventLoop,
        accept_loss: bool = False,
        worker: Worker | None = None,
    ) -> None:
        """``worker``: which of several processes of one gate this is; None: it is the gate."""
        self.settings, self.worker = settings, worker
        self.path = path
        self.loop = loop
        self.tally = Tally()
        self.turns = Turns(loop)
        self.gently = Gently()
        self.contexts = Contexts(settings)
        self.guard = Guard(settings.http.metrics_allow, settings.http.tokens, settings.people, settings.providers)
        self.store: EmbeddedStore = open_store(settings.store, accept_loss=accept_loss, **shared_by(settings))
        try:
            self.journal, self.relay = self._restore(accept_loss)
        except BaseException:
            self.store.abandon()
            raise
        self.syncer = Syncer(loop, self.journal, self._synced)
        self.operating = Operating(
            settings.control, self.relay, self.store, self.journal, self._sync, self.providers, self.houses, self.reload,
            self.revising, self.names, settings.people, settings.control_group, front=os.getppid() if worker is not None else 0,
        )  # fmt: skip
        self.operating.door.use(settings.people, settings.http.tokens)
        self.revising.opened(self.operating)
        self.sharing = self._share() if settings.shared is not None else None
        if self.store.sheets is not None:
            life = settings.node << 48 | time.time_ns() // 1_000_000
            self.relay.share(self.store.sheets, life, time.time, time.monotonic)
        self.post: Post | None = None
        self.clock_skew_s = 0.0
        self.allotting: Allotting | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._collected_s = loop.time()
        self._checkpointing = False
        self._batches: set[asyncio.Task[None]] = set()
        """Of the relay, while they wait for the store."""
        self.waiting: list[str] = []
        """What stands in the settings' file and is not in force before a restart."""
        self.last_words: dict[str, Any] = {}
        """What ``state`` says in the end."""
        self._parts_due_s = 0.0  # when a timer for parts of long messages goes off, 0 if none is set

    # -- start

    def _restore(self, accept_loss: bool) -> tuple[Journal, Relay]:
        settings, tally = self.settings, self.tally
        directory = Directory(settings, shares=self.store.leases is not None)
        self.names = Names(settings.archive.keys, self.store.erased)
        self.ids = MessageIds(settings.message_ids, settings.carriers)
        self.houses = houses_of(settings, self.turns, tally, self.ids.of)
        disk = OsDisk(settings.journal, Ring.of_files(settings.sealing.keys))
        self.store.belongs_to(disk, accept_loss)
        self.store.pin("message_ids", settings.message_ids)
        position = self.store.position
        index = SentIndex([carrier.name for carrier in settings.carriers])
        replacing = {provider.name for provider in settings.providers if provider.replace}
        ids = Restoring(index, replacing.__contains__) if replacing else None
        records = read(disk, position.open_from, position.counted)
        found = replay(self.store, records, position.counted, ids, tells=self.store.waits)
        self._replayed = found
        settle_open(self.store, found)
        self.ids.restore(found.learnt)
        parts = settings, self.store.history, self.gently, tally
        self.revising = RevisingTogether(*parts, self.store.rules) if self.store.rules is not None else Revising(*parts)
        journal = Journal(disk, settings.node)
        log.info("journal replayed", records=found.records, open=len(found.open), at=journal.written)
        relay = Relay(
            directory=directory,
            rules=self.revising.rules,
            store=self.store,
            journal=journal,
            routes=routes_over(self.houses),
            tally=tally,
            spawn=self._spawn if self.store.waits else _drive,
            wake=self.turns.wake,
            sync=self._sync,
            on_judge_error=settings.on_judge_error,
            first_id=max(found.highest_id, position.highest_id, settings.node << 40) + ID_GAP,
        )
        self.turns.work = self._turn
        room, wanted = room_for(settings.smpp.connections), settings.smpp.connections
        if room < wanted:
            log.warning(
                "too few file descriptors for smpp.connections: raise LimitNOFILE or ulimit -n", wanted=wanted, room=room
            )
        self.providers = Providers(directory, relay, self.turns, tally, settings.timers, room)
        if self.worker is not None:
            self.providers.number_by(self.worker.number, self.worker.of)
        self.door, self.tls_door = doors_of(
            settings,
            self.providers.serve,
            self.providers.turned_away,
            self.providers.is_strained,
            shared=self.worker is not None,
        )
        self._use_contexts()
        common = {house.carrier.name: house.lane for house in self.houses if not house.owner}
        own = {house.owner: house.lane for house in self.houses if house.owner}
        self.providers.commands = Commands(relay, index, ways(common, own), self.ids.own, self.ids.coded, time.time)
        self.hearing = Hearing(relay, tally, _manners(settings), time.time, self.loop.time)
        self.way_back = WayBack(
            relay,
            self.hearing,
            tally,
            self.store.mailbox,
            self._receivers,
            {carrier.name: carrier.strip for carrier in settings.carriers if carrier.strip},
            frozenset(carrier.name for carrier in settings.carriers if carrier.receipts_by_text),
            time.time,
            self.ids.of,
        )
        self.providers.way_back = self.way_back
        self.way_back.open(_bounds(settings.mailbox), directory.providers)
        return journal, relay

    def _share(self) -> Sharing:
        """With the other gates on the store."""
        assert self.settings.shared is not None
        found, store = self._replayed, cast("Log", self.store)
        assert found.listings is not None
        store.heard = max(store.heard, found.heard)
        told = [(one.sequence, one.kind, one.body) for one in found.told]
        sharing = Sharing(
            store, self.journal, found.listings, told, stale_s=self.settings.shared.stale_s, kick=self._sync,
            heard=self.operating.heard, clock=time.time, monotonic=self.loop.time,
        )  # fmt: skip
        self.operating.sharing, self.relay.on_said = sharing, sharing.said
        return sharing

    async def start(self) -> None:
        settings = self.settings
        now = time.time()
        self._note(entries.START, entries.pack_start(now, settings.node, self.relay.highest_id))
        self.revising.note_start()
        await self._wait_synced(self.journal.written)
        await self.store.open()
        if self.sharing is not None:
            await self.sharing.once()
            await self.revising.begin()
            self.relay.judging.stale = self.sharing.stale
        await self.operating.start(
            settings.retention,
            Roller(self.path) if settings.archive.roll else None,
            _console(settings, self.path) if self.worker is None else None,
        )
        self.http = HttpServer(self._metrics, self._not_ready, self.guard, self._notes, self.operating.paths(self.path))
        self.http_port = 0
        if self.worker is None:  # else the supervisor listens, and asks
            self.http_port = await self.http.start(settings.http.listen.host, settings.http.listen.port)
        if self.store.leases is not None:
            self.allotting = Allotting(self.store.leases, self.providers, self.houses, self.worker or Worker(1, 1))
            self.providers.may_bind = self.allotting.may_bind
            await self.allotting.begin()
        if self.worker is None:
            await self._open_doors()
        for house in self.houses:
            house.start(self.relay, self.way_back)
        if self.worker is not None:
            await self._some_link()
            await self._open_doors()
        self._tasks = [
            self.loop.create_task(self._ticks()),
            self.loop.create_task(self._checkpoints()),
            self.loop.create_task(self._watch_rules()),
        ]
        if self.sharing is not None:
            self.post = Post(cast("Mail", self.store), self.way_back, self._bound, self.turns.wake, self.loop.time)
            self._tasks += [self.loop.create_task(one.run()) for one in (self.sharing, self.post)]
        if isinstance(self.revising, RevisingTogether):
            self._tasks.append(self.loop.create_task(self.revising.run()))
        if self.allotting is not None:
            self._tasks.append(self.loop.create_task(self.allotting.run()))
        self.providers.accepting = True
        log.info(
            "gate open", smpp=self.smpp_port, http=self.http_port, rules=self.revising.rules.revision, carriers=len(self.houses)
        )

    def _receivers(self, provider: str) -> Iterable[Receiver]:
        """Binds here; where there are none, the gates at which there are."""
        here: list[Receiver] = list(self.providers.receivers(provider))
        return here or (self.post.ways(provider) if self.post is not None else ())

    def _bound(self) -> list[str]:
        """Providers with a bind here that receives."""
        return [name for name, links in self.providers.bound.items() if any(link.session.can_receive for link in links)]

    async def _open_doors(self) -> None:
        smpp = self.settings.smpp
        self.smpp_port = await self.door.open(smpp.listen)
        if self.tls_door is not None and smpp.tls is not None:
            await self.tls_door.open(smpp.tls.listen)

    async def _some_link(self) -> None:
        """Waits for a link to a carrier: the kernel gives connections to all workers that listen, so one that can send nothing had better
        not listen yet."""
        deadline = self.loop.time() + LINK_S
        while self.houses and not any(house.lane.up for house in self.houses) and self.loop.time() < deadline:  # noqa: ASYNC110 # once
            await asyncio.sleep(0.01)

    def _note(self, kind: int, body: bytes) -> None:
        """A record of the gate's own, outside a turn."""
        with contextlib.suppress(JournalDown):  # which the relay notices with the next message
            sequence = self.journal.append(kind, body)
            self.journal.write(time.time())
            self.syncer.kick()
            if self.sharing is not None:
                self.sharing.said([(sequence, kind, body)])

    # -- one loop turn

    def _turn(self) -> None:
        relay, now = self.relay, time.time()
        relay.turn(now)
        self.way_back.turn(now)
        handed, told = relay.handed, relay.told
        if handed or told:
            now_s = time.monotonic()  # the loop's own clock counts whole milliseconds
            for transit in handed:
                transit.own_s += now_s - transit.arrived_s
            self.tally.gate_seconds.observe_all([transit.own_s + now_s - transit.answered_s for transit in told])
            handed.clear()
            told.clear()
        self._time_parts()

    def _time_parts(self) -> None:
        """A timer for when parts of long messages have waited long enough."""
        next_s = self.relay.parts.next_s
        if next_s is not None and next_s != self._parts_due_s:
            self._parts_due_s = next_s
            self.loop.call_at(next_s, self._parts_are_due)

    def _parts_are_due(self) -> None:
        self._parts_due_s = 0.0
        self.relay.due(time.monotonic())
        self._time_parts()

    def _sync(self) -> None:
        self.syncer.kick()

    def _spawn(self, batch: Coroutine[Any, Any, None]) -> None:
        """Runs a batch that waits for the store, beside what comes meanwhile."""
        task = self.loop.create_task(batch)
        self._batches.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._batches.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a batch failed: a fault of gate106, please report it", exc_info=error)

    def _synced(self, sequence: int) -> None:
        self.turns.wake()

    # -- regular work

    async def _ticks(self) -> None:
        wall, mono = time.time(), self.loop.time()
        while True:
            await asyncio.sleep(TICK_S)
            now, now_s = time.time(), self.loop.time()
            step = (now - wall) - (now_s - mono)
            wall, mono = now, now_s
            if abs(step) > CLOCK_STEP_S:
                self.clock_skew_s = step
                self.relay.clock_jumped(step)
                log.warning("the clock jumped", seconds=round(step, 3))
            self.providers.tick()
            for house in self.houses:
                house.tick()
            self.relay.due(now_s)
            self.relay.tick(now)
            self.way_back.tick(now)
            self.operating.tick(now, now_s, now - step)
            self.store.sweep(now, self.relay.rules.window_s)
            self.relay.judging.stale = self.sharing is not None and self.sharing.stale
            if self.relay.idle:
                with contextlib.suppress(JournalDown):
                    self.journal.mark(now)
                    self.syncer.kick()
            self._log_judge_error()
            self._collect_garbage(now_s)
            self.turns.wake()

    def _log_judge_error(self) -> None:
        """The last exception of ``judge``, at most once per tick: the counter says how many there were."""
        error, self.relay.judging.error = self.relay.judging.error, None
        if error is not None:
            log.error("judge failed: a fault of gate106, please report it", exc_info=error, total=self.tally.judge_errors[()])

    def _collect_garbage(self, now_s: float) -> None:
        """All objects when nothing is going on; young ones only when many are about.

        What the gate makes for a message is freed without the collector (tests/test_parts.py; none unreachable after 15 s of full load of the
        standard mix). Its own full runs
        walk every object the caches hold and were measured to stop the loop for 0.3 s.
        """
        if now_s - self._collected_s >= GARBAGE_S or (self.relay.idle and now_s - self._collected_s >= GARBAGE_IDLE_S):
            self._collected_s = now_s
            gc.collect()
        elif gc.get_count()[0] > YOUNG_MAX:
            gc.collect(0)

    async def _checkpoints(self) -> None:
        while True:
            await asyncio.sleep(CHECKPOINT_S)
            try:
                await self.checkpoint()
            except OSError as error:
                log.error("checkpoint failed; the journal keeps everything until one succeeds", error=str(error))

    async def checkpoint(self, *, hurry: bool = False) -> None:
        """Writes what changed to the store's file, with the place in the journal from which a restart goes on; in pieces with rests
        between them, so that the journal hardly waits for the disk, or in a hurry."""
        if self._checkpointing:
            return
        self._checkpointing = True
        try:
            if not await self._still():
                return
            waiting = [transit.recorded for transit in self.relay.in_flight.values()]
            if self.operating.open_from is not None:
                waiting.append(self.operating.open_from)
            if self.sharing is not None and self.sharing.open_from is not None:
                waiting.append(self.sharing.open_from)
            written = self.journal.written
            if not self.ids.carry(self.journal, time.time()):
                return
            await self.store.checkpoint(
                counted=written,
                open_from=min(waiting, default=written + 1),
                highest_id=self.relay.highest_id,
                synced=self._all_synced,
                hurry=hurry,
                begun=self.relay.go_on,
            )
        finally:
            self.relay.go_on()
            self._checkpointing = False

    async def _still(self) -> bool:
        """Whether records hold nothing now that the journal does not. A store that waits nearly always has something under way, so nothing
        new is begun until that has come back: some milliseconds, at most a call's deadline."""
        if not self.store.waits:
            return not self.relay.amid
        self.relay.hold_on()
        deadline = self.loop.time() + STILL_S
        while self.relay.amid and self.loop.time() < deadline:  # noqa: ASYNC110 # what it waits for has many ends
            await asyncio.sleep(0.001)
        return not self.relay.amid

    async def _all_synced(self, _: int) -> None:
        """Records are collected while messages pass: what they hold by now must be in the journal before it is in the store."""
        await self._wait_synced(self.journal.written)

    async def _wait_synced(self, sequence: int) -> None:
        while self.journal.synced < sequence and not self.relay.journal_down:
            self.syncer.kick()
            await asyncio.sleep(0.001)  # a sync takes a millisecond or so, and this is rare

    async def _watch_rules(self) -> None:
        watch = watchfiles.awatch(
            self.settings.rules, debounce=100, step=20, recursive=True, rust_timeout=RETRY_MS, yield_on_timeout=True
        )
        async for changed in watch:
            try:
                if changed or self.revising.unsettled:
                    await self.revising.reload("files")
            except Exception as error:  # whatever it is: the next change must be seen
                log.error("rules not loaded: a fault of gate106, please report it", exc_info=error)

    def _use_contexts(self) -> None:
        """Connections from now on are made by these."""
        if self.tls_door is not None:
            self.tls_door.context = self.contexts.providers
        for house in self.houses:
            house.tls = self.contexts.carriers.get(house.carrier.name)

    async def reload(self, how: str = "SIGHUP", who: str = "") -> list[str]:
        """SIGHUP, or the command of ``who``: rules, and from the settings accounts, who has tokens, and how refusals are taken (listeners,
        carriers and paths need a restart). What is wrong with the files, empty when all is in force."""
        problems = await self.revising.reload(how, who)
        try:
            settings = await self.loop.run_in_executor(None, load, self.path)
        except SettingsError as error:
            self.tally.settings_reload["failed",] += 1
            log.error("settings not loaded, the old ones stay in force", problem=str(error))
            return problems + error.problems
        if name := moved(self.settings, settings):
            self.tally.settings_reload["failed",] += 1
            problem = f"upstream of {name}: a change needs a restart"
            log.error("settings not loaded, the old ones stay in force", problem=problem)
            return [*problems, problem]
        try:
            self.contexts.reload()
        except TlsError as error:
            self.tally.settings_reload["failed",] += 1
            log.error("certificates not loaded, nothing of the settings is taken over", problem=str(error))
            return [*problems, str(error)]
        self._use_contexts()
        directory = Directory(settings, self.relay.directory)
        self.relay.directory = directory
        self.operating.obey_throttles()
        self.providers.use(directory)
        self.hearing.manners = _manners(settings)
        self.revising.use(settings)
        self.guard.use(settings.http.metrics_allow, settings.http.tokens, settings.people, settings.providers)
        self.operating.door.use(settings.people, settings.http.tokens)
        self.providers.commands.use()
        self.way_back.disown(directory.providers)
        self.operating.keeper.keep = settings.retention
        self.waiting = [f"{name} has changed and needs a restart" for name in waiting(self.settings, settings)]
        if self.waiting:
            log.warning("not all of the settings is in force", why=self.waiting)
        self.turns.wake()
        self.tally.settings_reload["ok",] += 1
        log.info("accounts in force", accounts=len(directory.accesses))
        return problems

    # -- stop

    async def stop(self) -> None:
        """Drains: nothing that was taken is left without an answer that could still come."""
        providers, relay = self.providers, self.relay
        providers.accepting, providers.why_not_accepting = False, "draining"
        relay.drain()
        await self.operating.stop()
        await asyncio.gather(*(door.close() for door in (self.door, self.tls_door) if door is not None))
        deadline = self.loop.time() + DRAIN_S
        while not relay.idle and self.loop.time() < deadline:  # noqa: ASYNC110 # twice a life, and what it waits for has many ends
            await asyncio.sleep(0.01)
        self.way_back.closing = (
            True  # what is in the mailbox waits for the next start; what a provider has in hand it may still answer
        )
        deadline = min(deadline, self.loop.time() + ANSWERS_S)
        while self.store.mailbox.handed and self.loop.time() < deadline:  # noqa: ASYNC110 # likewise
            await asyncio.sleep(0.01)
        if self.sharing is not None:
            await self.sharing.told(self.journal.written)
        log.info("drained", left=len(relay.in_flight))
        providers.unbind_all()
        self.turns.flush()
        await asyncio.gather(*(house.stop() for house in self.houses))
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(
            *self._tasks, return_exceptions=True
        )  # a checkpoint's thread ends its step before the file is closed
        self._turn()
        now = time.time()
        self._note(entries.STOP, entries.pack_stop(now, len(relay.in_flight)))
        await self._wait_synced(self.journal.written)
        await self.checkpoint(hurry=True)
        self.last_words = await self.state()
        self.syncer.stop()
        self.journal.close(now)
        self.store.close()
        await self.http.stop()
        self.providers.doorkeeper.close()

    # -- what the HTTP side shows

    def _not_ready(self) -> list[str]:
        """Why traffic should go elsewhere; empty when it should come here."""
        why = []
        if not self.providers.accepting:
            why.append(self.providers.why_not_accepting)
        if not any(house.lane.up for house in self.houses):
            why += self._carriers_down() or ["no carrier is configured (settings: carriers)"]
        if self.relay.journal_down:
            why.append(f"journal: {self.relay.journal_down}")
        return why

    def _notes(self) -> list[str]:
        """What somebody should mend, though traffic may come."""
        notes = self._carriers_down() if any(house.lane.up for house in self.houses) else []
        notes += [] if self.store.up else [f"store: {self.store.why}: rules go by what this node knows"]
        return (
            notes
            + [f"settings: {one}" for one in self.waiting]
            + self.revising.notes()
            + self.operating.notes()
            + self.names.notes()
        )

    def _carriers_down(self) -> list[str]:
        return [
            f"carrier {house.account}: no link is up (look for 'carrier unreachable' in the log)"
            if house.held
            else f"carrier {house.account}: other nodes hold all its links (settings: links: {house.carrier.links}, over all nodes)"
            for house in self.houses
            if not house.lane.up
        ]

    def _gauges(self) -> Gauges:
        providers, houses = self.providers, self.houses
        binds: dict[tuple[str, ...], int] = {}
        for name, links in providers.bound.items():
            for link in links:
                binds[name, link.kind] = binds.get((name, link.kind), 0) + 1
        now = time.time()
        boxes = [self.store.mailbox.box(name) for name in (UNOWNED, *self.relay.directory.providers)]
        return Gauges(
            binds=binds,
            carrier_links=by_carrier(houses, CarrierHouse.states),
            window_in_use=by_carrier(houses, lambda house: {"": house.window_in_use()}),
            window_limit=by_carrier(houses, lambda house: {"": house.window_limit()}),
            queue_messages=by_carrier(
                houses, lambda house: {category.word: house.lane.waiting(category) for category in Category}
            ),
            queue_limit=by_carrier(houses, lambda house: {category.word: house.lane.limit(category) for category in Category}),
            carrier_tps_limit=by_carrier(houses, lambda house: {"": house.pacer.tps}),
            mailbox_messages={(box.provider or "unowned",): box.count for box in boxes},
            mailbox_oldest_s={(box.provider or "unowned",): box.age_s(now) for box in boxes},
            provider_tps_limit={(name,): limit for name, limit in self.relay.directory.limits.items()},
            provider_binds_limit={(name,): provider.binds for name, provider in self.relay.directory.providers.items()},
            store_up=self.store.up,
            store_owed=float(self.store.owed),
            **(self.sharing.gauges() if self.sharing is not None else {}),
            journal_up=not self.relay.journal_down,
            journal_lag_s=self.journal.lag(now),
            journal_written_bytes=self.journal.written_bytes,
            journal_chain_ok=True,
            clock_skew_s=self.clock_skew_s,
            certificate_expiry={(name,): ends for name, ends in self.contexts.expiry.items()},
            time_s=now,
            **self.operating.gauges(),
            **self.revising.gauges(),
        )

    def _metrics(self) -> Iterator[bytes]:
        return pieces(self.tally, self._gauges())

    # -- what a supervisor asks

    async def answer(self, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        """One question over the lifeline."""
        what = asked["ask"]
        if what == "state":
            return await self.state()
        if what == "http":
            return await self.http.answer(asked)
        if what == "reload":
            problems = await self.reload()
            return {"left": [*problems, *self.waiting]}
        raise ValueError(f"unknown question {what!r}")

    async def state(self) -> dict[str, Any]:
        """How it stands, with its metrics as of one moment."""
        text = []
        for piece in self._metrics():
            text.append(piece.decode())
            await asyncio.sleep(0)  # traffic first
        return {"why": self._not_ready(), "notes": self._notes(), "metrics": "".join(text)}


def shared_by(settings: Settings) -> dict[str, Any]:
    """What a shared store is opened with; nothing for an embedded one. StateError."""
    shared = settings.shared
    if shared is None:
        return {}
    context = None
    if settings.store.startswith("valkeys"):
        try:
            context = ssl.create_default_context(cafile=str(shared.tls_ca) if shared.tls_ca else None)
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            if shared.tls_cert is not None and shared.tls_key is not None:
                context.load_cert_chain(shared.tls_cert, shared.tls_key, password="")
        except (OSError, ssl.SSLError) as error:
            raise StateError(f"store: certificates (shared.tls_…): {error}") from None
    return {
        "local": shared.local,
        "secret": shared.secret.encode(),
        "login": Login(shared.user, shared.password, tls=context),
        "node": settings.node,
        "parts": shared.parts,
        "deadline_s": shared.deadline_s,
        "reassert_s": shared.reassert_s,
    }


def _manners(settings: Settings) -> Manners:
    optout = settings.optout
    confirm = {one.name: optout.confirm if one.confirm is None else one.confirm for one in settings.providers}
    return Manners(optout.widen_after, optout.widen_days, confirm)


def _console(settings: Settings, path: Path) -> Console | None:
    return Console(path) if settings.console.listen is not None else None


def _bounds(mailbox: Mailbox) -> Bounds:
    return Bounds(mailbox.hours * 3600, mailbox.messages, mailbox.megabytes << 20, mailbox.total_megabytes << 20)


def _drive(coroutine: Coroutine[Any, Any, None]) -> None:
    """Runs a batch to its end at once: the embedded store never waits."""
    try:
        coroutine.send(None)
    except StopIteration:
        return
    raise RuntimeError("the embedded store waited for something")


def serve(path: Path, accept_loss: bool = False) -> int:
    """Runs the gate until SIGTERM or SIGINT; returns the exit code."""
    logs.use()
    private.close_files()
    if why := private.hold_memory():
        log.warning(
            "a core of this process could be dumped; LimitCORE=0, or no program in kernel.core_pattern, prevents it", why=why
        )
    try:
        worker = worker_of(os.environ)
        settings = load(path)
    except SettingsError as error:
        raise StartError(error) from error
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_serve(settings, path, accept_loss, worker))


def _warn_of_open_files(settings: Settings, path: Path) -> None:
    """Of people's own, and of what an earlier version made: the gate does not change what somebody may have meant."""
    store = Path(settings.store.removeprefix("sqlite://")) if settings.shared is None else settings.shared.local
    files = [*secret_files(path), settings.journal, store]
    files += [settings.smpp.tls.key] if settings.smpp.tls is not None else []
    files += [carrier.tls_key for carrier in settings.carriers if carrier.tls_key is not None]
    for one in private.open_to_others(files):
        log.warning("everybody on this machine may look into it: chmod o-rwx", file=str(one))


async def _serve(settings: Settings, path: Path, accept_loss: bool, worker: Worker | None) -> int:
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(logs.heard)
    manager = Manager(os.environ)
    try:
        gate = Gate(settings, path, loop, accept_loss, worker)
        await gate.start()
    except policy.RulesError as error:
        raise StartError("\n".join(str(problem) for problem in error.problems)) from error
    except (StateError, JournalDamaged, JournalDown, SealingError, ControlError, TlsError, OSError) as error:
        raise StartError(error) from error
    _warn_of_open_files(settings, path)
    gc.freeze()  # what was loaded stays: the collector need not walk it again
    gc.disable()  # Gate._collect_garbage chooses the moments
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    lifeline = WorkerEnd(int(os.environ[LIFELINE]), gate.answer, stop.set) if LIFELINE in os.environ else None
    if lifeline is not None:
        await lifeline.open()
    reloads: set[asyncio.Task[None]] = set()

    async def reload() -> None:
        manager.reloading()
        problems = await gate.reload()
        if not stop.is_set():
            left = [*problems, *gate.waiting]
            manager.ready(f"open; not taken over: {left[0]}" if left else "open")

    def hang_up() -> None:
        task = loop.create_task(reload())
        reloads.add(task)
        task.add_done_callback(reloads.discard)

    loop.add_signal_handler(signal.SIGHUP, hang_up)
    manager.ready("open")
    watchdog = loop.create_task(manager.watchdog())
    await stop.wait()
    manager.stopping()
    await gate.stop()
    if lifeline is not None:
        await lifeline.close(gate.last_words)
    watchdog.cancel()
    manager.close()
    return 0
