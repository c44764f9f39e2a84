"""Connects the parts of the gate; starts and stops them.

In: the settings. Out: a running gate. Never: a decision about a message. This is the one file that names concrete parts of several rooms.

Start: recover store and journal (recovery.py) → open HTTP and the listeners → bind to the carriers → accept binds.
Stop (SIGTERM): stop accepting → close the listeners → wait for answers, at most 8 s → unbind → sync → checkpoint → exit 0.

process.py runs it. What the parts do together is in relay_task.py, maintenance.py, checkpoints.py, reload.py, health.py, control_plane.py.
"""

import asyncio
import contextlib
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import structlog

from proxy.cluster.follower_link import FollowerLink
from proxy.cluster.follower_protocol import refuse_fenced
from proxy.cluster.forwarding import Forwarding
from proxy.cluster.replication import Replication
from proxy.config import Settings, Worker
from proxy.desk.archiving.journal_tasks import Roller
from proxy.desk.revisions.cluster_deployment import ClusterDeployment
from proxy.desk.revisions.rule_deployment import RuleDeployment
from proxy.journal.encoding import pack
from proxy.journal.records import gate_events, messages
from proxy.journal.write_ahead_log import Journal, JournalDown
from proxy.model.counters import GateCounters
from proxy.net.account_leases import LeaseClient
from proxy.net.accounts import carrier_accounts, routes_between
from proxy.net.coalescing import TurnEnd
from proxy.net.journal_syncer import Syncer
from proxy.net.link import Turns
from proxy.net.listeners import allowed_connections, inherited_sockets, make_listeners
from proxy.net.provider import Providers
from proxy.net.tls import Contexts, for_follower
from proxy.operations.http import HttpServer
from proxy.operations.http_auth import HttpAuth
from proxy.relay.account_access import Directory
from proxy.relay.commands import Commands, lane_finder
from proxy.relay.deliver import DeliverRelay, Receiver
from proxy.relay.effects.list_import import ChunkedImports
from proxy.relay.optout_reply import ReplyHandler
from proxy.relay.submit import Relay
from proxy.runtime.background import Background
from proxy.runtime.extras import lacking
from proxy.server.batches import Batches, run_to_end
from proxy.server.checkpoints import Checkpoints, JournalReader
from proxy.server.control_plane import ControlPlane, Helper
from proxy.server.health import Health
from proxy.server.maintenance import Maintenance, watch_rules
from proxy.server.recovery import recover
from proxy.server.relay_task import RelayTask
from proxy.server.reload import Reload, optout_settings_of, part_bounds_of
from proxy.server.restarted_processes import Auditor, ConsoleProcess, FollowerCopier, Streamer
from proxy.state.mailbox.mailbox import Bounds

if TYPE_CHECKING:
    from proxy.state.stores.valkey import ValkeyStore

log = structlog.get_logger()

DRAIN_S = 8.0  # how long a drain waits for answers: the shortest kill timeouts in use (Kubernetes, systemd) are 10 s
ANSWERS_S = 1.0  # how long it waits for providers' answers: an unanswered deliver is sent again after the next start
LINK_S = 3.0  # after so long a worker without a link accepts connections anyway: it refuses them with the reason


class GateProcess:
    def __init__(
        self,
        settings: Settings,
        path: Path,
        loop: asyncio.AbstractEventLoop,
        accept_loss: bool = False,
        worker: Worker | None = None,
    ) -> None:
        """``worker``: which of several processes of one gate this is; None: it is the only one."""
        self.settings, self.worker = settings, worker
        self.path = path
        self.loop = loop
        self.tally = GateCounters()
        self.turns = Turns(loop)
        self.background = Background()
        self.contexts = Contexts(settings)
        self.http_auth = HttpAuth(
            settings.http.metrics_allow, settings.http.tokens, settings.people, settings.providers, settings.http.hosts
        )
        refuse_fenced(settings.journal)
        self.recovered = recover(settings, accept_loss)
        self.store, self.ids = self.recovered.store, self.recovered.ids
        try:
            self.journal, self.relay = self._build()
        except BaseException:
            self.store.abandon()
            raise
        self.chunked_imports = ChunkedImports(self.store.position.open_from, self.recovered.found.last_sequence)
        self.syncer = Syncer(loop, self.journal, self._synced, busy=lambda: self.turns.coming)
        self.turn_end = TurnEnd(
            self.syncer, self._is_work_due, lambda: bool(self.relay.commit.outbox), self.turns.wake, self._gathers_for,
            lambda: bool(self.relay.in_flight or self.relay.commit.outbox),
        )  # fmt: skip
        self.turns.ended = self.turn_end.turn_ended
        self.control_plane = ControlPlane(
            settings.control, self.relay, self.store, self.journal, self._sync, self.providers, self.carrier_accounts, self.reload,
            self.rule_deployment, self.pseudonym_key, self.chunked_imports, settings.people, settings.control_group,
            front=os.getppid() if worker is not None else 0,
        )  # fmt: skip
        self.control_plane.authorization.use(settings.people, settings.http.tokens)
        self.control_plane.reply_paths.book.answer_s = settings.optout.answer_hours * 3600
        self.deliver_relay.on_reply = self.control_plane.replied
        self.deliver_relay.on_probe = self.control_plane.prober.answered
        self.control_plane.prober.use(settings.optout.probe_text, settings.optout.probe_s)
        self.rule_deployment.opened(self.control_plane)
        self.reply_handler.inbox = self.control_plane.inbox
        self.replication = self._build_replication() if settings.shared is not None else None
        if settings.shared is not None:
            self.relay.batching.window.gather_s = self.turn_end.sleeps.gather_s = settings.shared.gather_ms / 1000
        if self.store.multipart_exchange is not None:
            life = settings.node << 48 | time.time_ns() // 1_000_000
            self.relay.share(self.store.multipart_exchange, life, time.time, time.monotonic)
        self.forwarding: Forwarding | None = None
        self.lease_client: LeaseClient | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self.replaced = ""
        """Why this node must not go on: another was restored from its follower."""
        self.on_replaced: Callable[[], None] = _ignore
        self.follower: FollowerLink | None = None
        if settings.follower is not None:
            context = for_follower(settings.follower)
            node = settings.node if settings.shared is not None else None
            gate = settings.node - worker.number + 1 if worker is not None else None
            self.follower = FollowerLink(
                settings.follower, self.journal, context, self.turns.wake, self._is_replaced, node, gate
            )
            self.relay.commit.follower_first = settings.follower.mode == "sync"
        self._build_services()

    # -- start

    def _build(self) -> tuple[Journal, Relay]:
        """Makes the relay, and accounts and listeners around it."""
        settings, tally, found = self.settings, self.tally, self.recovered.found
        directory = Directory(settings, shares=self.store.leases is not None)
        self.pseudonym_key = self.recovered.pseudonym_key
        self.carrier_accounts = carrier_accounts(settings, self.turns, tally, self.ids.of)
        parts = settings, self.store.history, self.background, tally
        self.rule_deployment = (
            ClusterDeployment(*parts, self.store.rules) if self.store.rules is not None else RuleDeployment(*parts)
        )
        journal = Journal(self.recovered.disk, settings.node)
        log.info("journal replayed", records=found.records, open=len(found.open), at=journal.written)
        relay = Relay(
            directory=directory,
            rules=self.rule_deployment.rules,
            store=self.store,
            journal=journal,
            routes=routes_between(self.carrier_accounts),
            tally=tally,
            spawn=Batches(
                self.loop,
                cast("ValkeyStore", self.store).read_answers,
                lambda: self.turn_end.sleeps.flooded,
                lambda: self.relay_task.answer_meanwhile(),  # noqa: PLW0108 # it is made later
            ).spawn
            if self.store.waits
            else run_to_end,
            wake=self.turns.wake,
            sync=self._sync,
            on_judge_error=settings.on_judge_error,
            first_id=self.recovered.first_id,
        )
        relay.parts.bounds = part_bounds_of(settings)
        room, wanted = allowed_connections(settings.smpp.connections), settings.smpp.connections
        if room < wanted:
            log.warning(
                "too few file descriptors for smpp.connections: raise LimitNOFILE or ulimit -n", wanted=wanted, room=room
            )
        self.providers = Providers(directory, relay, self.turns, tally, settings.timers, room)
        if self.worker is not None:
            self.providers.number_binds(self.worker.number, self.worker.of)
        self.listener, self.tls_listener = make_listeners(
            settings,
            self.providers.serve,
            self.providers.count_refusal,
            self.providers.is_strained,
            (lambda: len(self.providers.links)) if self.worker is not None else None,
        )
        common = {account.carrier.name: account.lane for account in self.carrier_accounts if not account.owner}
        own = {account.owner: account.lane for account in self.carrier_accounts if account.owner}
        self.providers.commands = Commands(
            relay, self.recovered.sent, lane_finder(common, own), self.ids.own, self.ids.coded, time.time
        )
        self.reply_handler = ReplyHandler(
            relay, tally, optout_settings_of(settings), time.time, self.loop.time, self.store.dictionary
        )
        self.deliver_relay = DeliverRelay(
            relay,
            self.reply_handler,
            tally,
            self.store.mailbox,
            self._receivers,
            {carrier.name: carrier.strip for carrier in settings.carriers if carrier.strip},
            frozenset(carrier.name for carrier in settings.carriers if carrier.receipts_by_text),
            time.time,
            self.ids.of,
        )
        self.providers.deliver_relay = self.deliver_relay
        self.relay_task = RelayTask(
            self.loop, relay, self.deliver_relay, tally, self.turns.wake, self._look, self._turn_begins, self.turns.flush
        )
        self.turns.work = self.relay_task.turn
        box = settings.mailbox
        bounds = Bounds(box.hours * 3600, box.messages, box.megabytes << 20, box.total_megabytes << 20)
        self.deliver_relay.open(bounds, directory.providers)
        return journal, relay

    def _build_replication(self) -> Replication:
        """Makes the exchange with the other gates on the store."""
        assert self.settings.shared is not None
        found, store = self.recovered.found, cast("ValkeyStore", self.store)
        assert found.listings is not None
        store.read_to = max(store.read_to, found.read_to)
        unpublished = [(one.sequence, one.kind, one.body) for one in found.unpublished]
        replication = Replication(
            store, self.journal, found.listings, unpublished, self.chunked_imports, stale_s=self.settings.shared.stale_s, kick=self._sync,
            on_applied=self.control_plane.on_replicated, clock=time.time, monotonic=self.loop.time,
        )  # fmt: skip
        self.control_plane.replication, self.relay.commit.on_records_written = replication, replication.publish
        return replication

    def _build_services(self) -> None:
        """Makes checkpoints, maintenance, reload and health, which use all parts."""
        readers: list[JournalReader] = (
            [self.control_plane] if self.replication is None else [self.control_plane, self.replication]
        )
        self.checkpoints = Checkpoints(
            self.store, self.journal, self.relay, self.ids, self._wait_synced, readers, self.chunked_imports
        )
        self.maintenance = Maintenance(
            self.relay, self.store, self.journal, self.syncer, self.providers, self.carrier_accounts, self.deliver_relay, self.control_plane,
            self.replication, self.turns, self.tally, self.background, lambda: self.turn_end.loaded,
        )  # fmt: skip
        self.reloading = Reload(
            self.path, self.settings, self.contexts, self.tls_listener, self.carrier_accounts, self.relay, self.providers, self.control_plane,
            self.reply_handler, self.rule_deployment, self.deliver_relay, self.http_auth, self.turns, self.tally, self.settings.log,
        )  # fmt: skip
        self.reloading.use_contexts()
        self.health = Health(
            self.tally, self.relay, self.store, self.journal, self.providers, self.carrier_accounts, self.contexts,
            self.pseudonym_key, self.rule_deployment,
            self.control_plane, self.reloading, self.maintenance, self.replication, self.follower,
        )  # fmt: skip

    async def start(self) -> None:
        settings = self.settings
        if self.follower is not None:
            await self.follower.contact()  # before a record is written
        now = time.time()
        self._note(messages.START, pack(gate_events.Start(now, settings.node, self.relay.highest_id)))
        self.rule_deployment.note_start()
        await self._wait_synced(self.journal.written)
        if self.follower is not None:
            self.follower.need()
        await self.store.open()
        if self.replication is not None:
            await self.replication.exchange()
            await self.rule_deployment.begin()
            self.relay.admission.stale = self.replication.stale
        await self.control_plane.start(settings.retention, list(self._helpers()))
        self.http = HttpServer(
            self.health.metrics, self.health.not_ready, self.http_auth, self.health.notes, self.control_plane.paths(self.path)
        )
        self.http_port = 0
        if self.worker is None:  # otherwise the supervisor listens, and asks
            self.http_port = await self.http.start(settings.http.listen.host, settings.http.listen.port)
        if self.store.leases is not None:
            self.lease_client = LeaseClient(
                self.store.leases, self.providers, self.carrier_accounts, self.worker or Worker(1, 1)
            )
            self.providers.may_bind = self.lease_client.may_bind
            await self.lease_client.begin()
        if self.worker is None:
            await self._open_listeners()
        for account in self.carrier_accounts:
            account.start(self.relay, self.deliver_relay)
        if self.worker is not None:
            await self._wait_for_link()
            await self._open_listeners()
        self._tasks = [
            self.loop.create_task(self.maintenance.run()),
            self.loop.create_task(self.checkpoints.run()),
            self.loop.create_task(watch_rules(self.settings.rules, self.rule_deployment)),
        ]
        if self.replication is not None:
            self.forwarding = Forwarding(
                cast("ValkeyStore", self.store), self.deliver_relay, self._bound, self.turns.wake, self.loop.time
            )
            self._tasks += [self.loop.create_task(one.run()) for one in (self.replication, self.forwarding)]
        if isinstance(self.rule_deployment, ClusterDeployment):
            self._tasks.append(self.loop.create_task(self.rule_deployment.run()))
        if self.lease_client is not None:
            self._tasks.append(self.loop.create_task(self.lease_client.run()))
        self.providers.accepting = True
        log.info(
            "gate open",
            smpp=self.smpp_port,
            http=self.http_port,
            rules=self.rule_deployment.rules.revision,
            carriers=len(self.carrier_accounts),
        )

    def _helpers(self) -> Iterator[Helper]:
        """What runs beside the gate."""
        settings = self.settings
        if settings.archive.roll and not lacking("archive"):
            yield Roller(self.path)
        if settings.console.listen is not None and self.worker is None:
            yield ConsoleProcess(self.path)
        if self.worker is None or self.worker.number == 1:
            yield Auditor(self.path, self.tally)
        if self.follower is not None:
            yield FollowerCopier(self.path)
        if settings.stream:
            yield Streamer(self.path, settings.stream.keep_days, lambda: self.journal.written, self.tally)

    def _receivers(self, provider: str) -> Iterable[Receiver]:
        """Binds of a provider here; without any, routes to the gates that have some."""
        here = self.providers.receivers(provider)
        return here or (self.forwarding.routes(provider) if self.forwarding is not None else ())

    def _bound(self) -> list[str]:
        """Providers with a receiving bind here."""
        return [name for name, links in self.providers.bound.items() if any(link.session.can_receive for link in links)]

    async def _open_listeners(self) -> None:
        smpp = self.settings.smpp
        plain, tls = inherited_sockets(os.environ)
        self.smpp_port = await self.listener.open(smpp.listen, plain)
        if self.tls_listener is not None and smpp.tls is not None:
            await self.tls_listener.open(smpp.tls.listen, tls)

    async def _wait_for_link(self) -> None:
        """Waits for a link to a carrier: workers share a listener, and one that cannot send should not accept yet."""
        deadline = self.loop.time() + LINK_S
        accounts = self.carrier_accounts
        while accounts and not any(one.lane.up for one in accounts) and self.loop.time() < deadline:  # noqa: ASYNC110 # once
            await asyncio.sleep(0.01)

    def _note(self, kind: int, body: bytes) -> None:
        """Writes a record about the gate itself, outside a turn."""
        with contextlib.suppress(JournalDown):  # the relay notices it with the next message
            sequence = self.journal.append(kind, body)
            self.journal.write(time.time())
            self.syncer.kick()
            if self.replication is not None:
                self.replication.publish([(sequence, kind, body)])

    def _sync(self) -> None:
        self.syncer.kick()

    def _look(self) -> None:
        self.syncer.look()

    def _turn_begins(self, submits: int) -> bool:
        return self.turn_end.turn_begins(submits)

    def _is_work_due(self) -> bool:
        """Whether the next turn is scheduled, or a store's answer is awaited."""
        return self.turns.coming or bool(self.relay.batching.window.busy)

    def _gathers_for(self) -> float:
        """How long submits still gather for a batch, in seconds."""
        until = self.relay.batch_wait_until
        return until - time.time() if until else 0.0

    def _synced(self, sequence: int) -> None:
        self.turns.wake()

    async def _wait_synced(self, sequence: int) -> None:
        while self.journal.synced < sequence and not (self.relay.journal_down or self.journal.held):
            self.syncer.kick()
            await asyncio.sleep(0.001)  # a sync takes a millisecond or so, and this is rare

    def _is_replaced(self, why: str) -> None:
        log.error("this node was replaced: it stops", why=why)
        self.replaced = why
        self.on_replaced()

    async def reload(self, how: str = "SIGHUP", who: str = "") -> list[str]:
        """Reloads; returns what is wrong with the files, empty when all is in force."""
        return await self.reloading.reload(how, who)

    # -- stop

    async def stop(self) -> Mapping[str, Any]:
        """Drains and stops; returns the final ``health.snapshot``. Every accepted submit gets its answer if it comes within DRAIN_S."""
        providers, relay = self.providers, self.relay
        providers.accepting, providers.why_not_accepting = False, "draining"
        relay.drain()
        await self.control_plane.stop()
        await asyncio.gather(*(one.close() for one in (self.listener, self.tls_listener) if one is not None))
        deadline = self.loop.time() + DRAIN_S
        while not relay.idle and self.loop.time() < deadline:  # noqa: ASYNC110 # at a stop only, and many events may end the wait
            await asyncio.sleep(0.01)
        self.deliver_relay.closing = True  # no new deliver until the next start; those handed out may still be answered
        deadline = min(deadline, self.loop.time() + ANSWERS_S)
        while self.store.mailbox.handed and self.loop.time() < deadline:  # noqa: ASYNC110 # likewise
            await asyncio.sleep(0.01)
        if self.replication is not None:
            await self.replication.is_published(self.journal.written)
        log.info("drained", left=len(relay.in_flight))
        providers.unbind_all()
        self.turns.flush()
        await asyncio.gather(*(account.stop() for account in self.carrier_accounts))
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(
            *self._tasks, return_exceptions=True
        )  # a checkpoint's thread ends its step before the file is closed
        self.relay_task.turn()
        self.turn_end.turn_ended()
        now = time.time()
        self._note(messages.STOP, pack(gate_events.Stop(now, len(relay.in_flight))))
        await self._wait_synced(self.journal.written)
        await self.checkpoints.attempt(hurry=True)  # the journal has everything, whatever comes of it
        last_words = await self.health.snapshot()
        if self.follower is not None:
            await self.follower.close()
        self.syncer.stop()
        self.journal.close(now)
        self.store.close()
        await self.http.stop()
        self.providers.authenticator.close()
        return last_words

    # -- questions of the supervisor

    async def answer(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """Answers one question over the worker channel."""
        what = request["ask"]
        if what == "state":
            return await self.health.snapshot()
        if what == "http":
            return await self.http.answer(request)
        if what == "reload":
            problems = await self.reload()
            return {"left": [*problems, *self.reloading.waiting]}
        raise ValueError(f"unknown question {what!r}")


def _ignore() -> None:
    return None
