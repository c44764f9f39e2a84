"""app: wiring. The one file that names concrete parts of several rooms.

In: the settings. Out: a running gate. Never: a decision about a message.

Start: go on from store and journal (recovery.py) → open HTTP and the listeners → bind to the carriers → accept binds.
Stop (SIGTERM): stop accepting → listeners close → wait for answers, at most 8 s → unbind → sync → checkpoint → exit 0.

What the parts do together has rooms of its own: driving (turns of the loop), upkeep (by the clock), checkpoints, reloading, standing (what
others are shown). process.py runs it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, cast

import structlog

from proxy.cluster.forwarding import Forwarding, Mail
from proxy.cluster.replication import Replication, ReplicationLog
from proxy.config import WORKER_VARIABLE, MailboxBounds, Settings, Worker
from proxy.desk.archiving.roller import Roller
from proxy.desk.revisions.cluster_deployment import ClusterDeployment
from proxy.desk.revisions.rule_deployment import RuleDeployment
from proxy.journal.records import gate_events, messages
from proxy.journal.write_ahead_log import Journal, JournalDown
from proxy.model.counters import GateCounters
from proxy.net.accounts import houses_of, routes_over
from proxy.net.leases import LeaseClient
from proxy.net.link import Turns
from proxy.net.listeners import doors_of, inherited, room_for
from proxy.net.provider import Providers
from proxy.net.syncer import Syncer
from proxy.net.tls import Contexts
from proxy.operations.http import HttpServer
from proxy.operations.http_auth import HttpAuth
from proxy.relay.access import Directory
from proxy.relay.commands import Commands, ways
from proxy.relay.deliver import DeliverRelay, Receiver
from proxy.relay.effects.chunked import ChunkedImports
from proxy.relay.optout_reply import ReplyHandler
from proxy.relay.submit import Relay
from proxy.runtime.background import Background
from proxy.server.audit_process import Auditor
from proxy.server.checkpoints import Checkpoints, Holding
from proxy.server.console_process import ConsoleProcess
from proxy.server.control_plane import ControlPlane
from proxy.server.health import Health
from proxy.server.maintenance import Maintenance, watch_rules
from proxy.server.recovery import resume
from proxy.server.relay_task import Batches, RelayTask, drive
from proxy.server.reload import Reload, bounds_of, manners_of
from proxy.state.mailbox.mailbox import Bounds

log = structlog.get_logger()

DRAIN_S = 8.0
"""A drain waits so long for answers: Kubernetes and systemd kill after 10 s at the earliest settings people use."""
ANSWERS_S = 1.0
"""... and then so long for providers' answers to what was delivered to them: what is not answered goes again after the next start."""
LINK_S = 3.0
"""A worker that has no link yet takes connections after so long all the same: it says why it cannot serve them."""


class GateProcess:
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
        self.tally = GateCounters()
        self.turns = Turns(loop)
        self.gently = Background()
        self.contexts = Contexts(settings)
        self.guard = HttpAuth(
            settings.http.metrics_allow, settings.http.tokens, settings.people, settings.providers, settings.http.hosts
        )
        self.resumed = resume(settings, accept_loss)
        self.store, self.ids = self.resumed.store, self.resumed.ids
        try:
            self.journal, self.relay = self._build()
        except BaseException:
            self.store.abandon()
            raise
        self.in_pieces = ChunkedImports(self.store.position.open_from, self.resumed.found.last_sequence)
        self.syncer = Syncer(loop, self.journal, self._synced, busy=lambda: self.turns.coming)
        self.operating = ControlPlane(
            settings.control, self.relay, self.store, self.journal, self._sync, self.providers, self.houses, self.reload,
            self.revising, self.names, self.in_pieces, settings.people, settings.control_group, front=os.getppid() if worker is not None else 0,
        )  # fmt: skip
        self.operating.door.use(settings.people, settings.http.tokens)
        self.operating.reply_paths.book.answer_s = settings.optout.answer_hours * 3600
        self.way_back.on_reply = self.operating.replied
        self.way_back.on_probe = self.operating.prober.answered
        self.operating.prober.use(settings.optout.probe_text, settings.optout.probe_s)
        self.revising.opened(self.operating)
        self.hearing.inbox = self.operating.inbox
        self.sharing = self._share() if settings.shared is not None else None
        if self.store.sheets is not None:
            life = settings.node << 48 | time.time_ns() // 1_000_000
            self.relay.share(self.store.sheets, life, time.time, time.monotonic)
        self.post: Forwarding | None = None
        self.allotting: LeaseClient | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._tend()

    # -- start

    def _build(self) -> tuple[Journal, Relay]:
        """Accounts and doors around the relay."""
        settings, tally, found = self.settings, self.tally, self.resumed.found
        directory = Directory(settings, shares=self.store.leases is not None)
        self.names = self.resumed.names
        self.houses = houses_of(settings, self.turns, tally, self.ids.of)
        parts = settings, self.store.history, self.gently, tally
        self.revising = ClusterDeployment(*parts, self.store.rules) if self.store.rules is not None else RuleDeployment(*parts)
        journal = Journal(self.resumed.disk, settings.node)
        log.info("journal replayed", records=found.records, open=len(found.open), at=journal.written)
        relay = Relay(
            directory=directory,
            rules=self.revising.rules,
            store=self.store,
            journal=journal,
            routes=routes_over(self.houses),
            tally=tally,
            spawn=Batches(self.loop).spawn if self.store.waits else drive,
            wake=self.turns.wake,
            sync=self._sync,
            on_judge_error=settings.on_judge_error,
            first_id=self.resumed.first_id,
        )
        relay.parts.bounds = bounds_of(settings)
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
            (lambda: len(self.providers.links)) if self.worker is not None else None,
        )
        common = {house.carrier.name: house.lane for house in self.houses if not house.owner}
        own = {house.owner: house.lane for house in self.houses if house.owner}
        self.providers.commands = Commands(relay, self.resumed.sent, ways(common, own), self.ids.own, self.ids.coded, time.time)
        self.hearing = ReplyHandler(relay, tally, manners_of(settings), time.time, self.loop.time, self.store.dictionary)
        self.way_back = DeliverRelay(
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
        self.turning = RelayTask(self.loop, relay, self.way_back, tally, self.turns.wake, self._look)
        self.turns.work = self.turning.turn
        self.way_back.open(_bounds(settings.mailbox), directory.providers)
        return journal, relay

    def _share(self) -> Replication:
        """With the other gates on the store."""
        assert self.settings.shared is not None
        found, store = self.resumed.found, cast("ReplicationLog", self.store)
        assert found.listings is not None
        store.heard = max(store.heard, found.heard)
        told = [(one.sequence, one.kind, one.body) for one in found.unpublished]
        sharing = Replication(
            store, self.journal, found.listings, told, self.in_pieces, stale_s=self.settings.shared.stale_s, kick=self._sync,
            heard=self.operating.heard, clock=time.time, monotonic=self.loop.time,
        )  # fmt: skip
        self.operating.sharing, self.relay.commit.on_records_written = sharing, sharing.publish
        return sharing

    def _tend(self) -> None:
        """Rooms for what all parts do together."""
        holding: list[Holding] = [self.operating] if self.sharing is None else [self.operating, self.sharing]
        self.checkpoints = Checkpoints(
            self.store, self.journal, self.relay, self.ids, self._wait_synced, holding, self.in_pieces
        )
        self.upkeep = Maintenance(
            self.relay, self.store, self.journal, self.syncer, self.providers, self.houses, self.way_back, self.operating,
            self.sharing, self.turns, self.tally, self.gently,
        )  # fmt: skip
        self.reloading = Reload(
            self.path, self.settings, self.contexts, self.tls_door, self.houses, self.relay, self.providers, self.operating,
            self.hearing, self.revising, self.way_back, self.guard, self.turns, self.tally,
        )  # fmt: skip
        self.reloading.use_contexts()
        self.standing = Health(
            self.tally, self.relay, self.store, self.journal, self.providers, self.houses, self.contexts, self.names, self.revising,
            self.operating, self.reloading, self.upkeep, self.sharing,
        )  # fmt: skip

    async def start(self) -> None:
        settings = self.settings
        now = time.time()
        self._note(messages.START, gate_events.pack_start(now, settings.node, self.relay.highest_id))
        self.revising.note_start()
        await self._wait_synced(self.journal.written)
        await self.store.open()
        if self.sharing is not None:
            await self.sharing.exchange()
            await self.revising.begin()
            self.relay.admission.stale = self.sharing.stale
        await self.operating.start(
            settings.retention,
            Roller(self.path) if settings.archive.roll else None,
            ConsoleProcess(self.path) if settings.console.listen is not None and self.worker is None else None,
            Auditor(self.path, self.tally, WORKER_VARIABLE) if self.worker is None or self.worker.number == 1 else None,
        )
        self.http = HttpServer(
            self.standing.metrics, self.standing.not_ready, self.guard, self.standing.notes, self.operating.paths(self.path)
        )
        self.http_port = 0
        if self.worker is None:  # else the supervisor listens, and asks
            self.http_port = await self.http.start(settings.http.listen.host, settings.http.listen.port)
        if self.store.leases is not None:
            self.allotting = LeaseClient(self.store.leases, self.providers, self.houses, self.worker or Worker(1, 1))
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
            self.loop.create_task(self.upkeep.run()),
            self.loop.create_task(self.checkpoints.run()),
            self.loop.create_task(watch_rules(self.settings.rules, self.revising)),
        ]
        if self.sharing is not None:
            self.post = Forwarding(cast("Mail", self.store), self.way_back, self._bound, self.turns.wake, self.loop.time)
            self._tasks += [self.loop.create_task(one.run()) for one in (self.sharing, self.post)]
        if isinstance(self.revising, ClusterDeployment):
            self._tasks.append(self.loop.create_task(self.revising.run()))
        if self.allotting is not None:
            self._tasks.append(self.loop.create_task(self.allotting.run()))
        self.providers.accepting = True
        log.info(
            "gate open", smpp=self.smpp_port, http=self.http_port, rules=self.revising.rules.revision, carriers=len(self.houses)
        )

    def _receivers(self, provider: str) -> Iterable[Receiver]:
        """Binds here; where there are none, the gates at which there are."""
        here = self.providers.receivers(provider)
        return here or (self.post.routes(provider) if self.post is not None else ())

    def _bound(self) -> list[str]:
        """Providers with a bind here that receives."""
        return [name for name, links in self.providers.bound.items() if any(link.session.can_receive for link in links)]

    async def _open_doors(self) -> None:
        smpp = self.settings.smpp
        plain, tls = inherited(os.environ)
        self.smpp_port = await self.door.open(smpp.listen, plain)
        if self.tls_door is not None and smpp.tls is not None:
            await self.tls_door.open(smpp.tls.listen, tls)

    async def _some_link(self) -> None:
        """Waits for a link to a carrier: workers stand at one door, and one that can send nothing had better not stand there yet."""
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
                self.sharing.publish([(sequence, kind, body)])

    def _sync(self) -> None:
        self.syncer.kick()

    def _look(self) -> None:
        self.syncer.look()

    def _synced(self, sequence: int) -> None:
        self.turns.wake()

    async def _wait_synced(self, sequence: int) -> None:
        while self.journal.synced < sequence and not self.relay.journal_down:
            self.syncer.kick()
            await asyncio.sleep(0.001)  # a sync takes a millisecond or so, and this is rare

    async def reload(self, how: str = "SIGHUP", who: str = "") -> list[str]:
        """What is wrong with the files, empty when all is in force."""
        return await self.reloading.reload(how, who)

    # -- stop

    async def stop(self) -> Mapping[str, Any]:
        """Drains: nothing that was taken is left without an answer that could still come. How it stood in the end."""
        providers, relay = self.providers, self.relay
        providers.accepting, providers.why_not_accepting = False, "draining"
        relay.drain()
        await self.operating.stop()
        await asyncio.gather(*(door.close() for door in (self.door, self.tls_door) if door is not None))
        deadline = self.loop.time() + DRAIN_S
        while not relay.idle and self.loop.time() < deadline:  # noqa: ASYNC110 # twice a life, and what it waits for has many ends
            await asyncio.sleep(0.01)
        self.way_back.closing = True  # the mailbox waits for the next start; what a provider has in hand it may still answer
        deadline = min(deadline, self.loop.time() + ANSWERS_S)
        while self.store.mailbox.handed and self.loop.time() < deadline:  # noqa: ASYNC110 # likewise
            await asyncio.sleep(0.01)
        if self.sharing is not None:
            await self.sharing.is_published(self.journal.written)
        log.info("drained", left=len(relay.in_flight))
        providers.unbind_all()
        self.turns.flush()
        await asyncio.gather(*(house.stop() for house in self.houses))
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(
            *self._tasks, return_exceptions=True
        )  # a checkpoint's thread ends its step before the file is closed
        self.turning.turn()
        now = time.time()
        self._note(messages.STOP, gate_events.pack_stop(now, len(relay.in_flight)))
        await self._wait_synced(self.journal.written)
        await self.checkpoints.attempt(hurry=True)  # the journal has everything, whatever comes of it
        last_words = await self.standing.told()
        self.syncer.stop()
        self.journal.close(now)
        self.store.close()
        await self.http.stop()
        self.providers.doorkeeper.close()
        return last_words

    # -- what a supervisor asks

    async def answer(self, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        """One question over the lifeline."""
        what = asked["ask"]
        if what == "state":
            return await self.standing.told()
        if what == "http":
            return await self.http.answer(asked)
        if what == "reload":
            problems = await self.reload()
            return {"left": [*problems, *self.reloading.waiting]}
        raise ValueError(f"unknown question {what!r}")


def _bounds(mailbox: MailboxBounds) -> Bounds:
    return Bounds(mailbox.hours * 3600, mailbox.messages, mailbox.megabytes << 20, mailbox.total_megabytes << 20)
