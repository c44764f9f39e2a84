"""Serves operators' commands on the running gate; applies their orders.

In: parts of the gate. Out: the open control socket; rules with the orders in force, links drained by them; their notes and gauges. Never: a
decision about a message, a command's own logic (desk/ has one folder for each feature).
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import structlog

from proxy.archive.pseudonym_key import PseudonymKey
from proxy.cluster.replication import Replication
from proxy.config import Person, Retention
from proxy.desk.archiving.journal_tasks import RetentionTask, Roller
from proxy.desk.archiving.operations import JournalOperations
from proxy.desk.complaints.book import CaseBook
from proxy.desk.complaints.operations import Complaints
from proxy.desk.connections import operations as links
from proxy.desk.connections.operations import Binds, Links
from proxy.desk.connections.trace_operations import Tracing
from proxy.desk.consents.operations import ConsentOperations
from proxy.desk.data_subjects.book import ErasureRequests, RecycledFeeds
from proxy.desk.data_subjects.operations import DataSubjects
from proxy.desk.data_subjects.recycled_operations import RecycledNumbers
from proxy.desk.explain.operations import Explanations
from proxy.desk.filings.operations import FilingTasks
from proxy.desk.operator_orders.book import OrderBook
from proxy.desk.operator_orders.operations import Shadow, Stops, Suspensions
from proxy.desk.optouts import intake as optouts
from proxy.desk.optouts.doubtful_operations import DoubtfulReplies, reply_counts
from proxy.desk.optouts.inbox import Inbox
from proxy.desk.penalties.book import PenaltyBook, rate_shares
from proxy.desk.penalties.hourly_counts import ProviderHours, SignatureHours
from proxy.desk.penalties.operations import Penalties
from proxy.desk.penalties.scheduler import PenaltyScheduler
from proxy.desk.providers import own_endpoints as provider
from proxy.desk.providers.operations import MinuteCounts, ProviderReports
from proxy.desk.regions import operations as regions
from proxy.desk.regions.operations import RegionMap
from proxy.desk.reply_paths import probes
from proxy.desk.reply_paths.monitor import PathStates, ReplyPathMonitor
from proxy.desk.reply_paths.operations import PathProbes, ReplyPathList
from proxy.desk.revisions.operations import Rules
from proxy.desk.revisions.rule_deployment import RuleDeployment
from proxy.desk.search.operations import AccessLog
from proxy.desk.suppression.operations import Suppressions
from proxy.desk.today.counters_operations import Counters
from proxy.journal.records import messages
from proxy.journal.records.probes import Probes
from proxy.journal.write_ahead_log import Journal, JournalDown
from proxy.net.authenticator import Authenticator
from proxy.net.carrier import CarrierAccount
from proxy.net.carrier_link import CarrierLink
from proxy.net.pdu_tap import Taps
from proxy.net.provider import Providers
from proxy.net.provider_link import ProviderLink
from proxy.operations.authorization import Authorization
from proxy.operations.control import CommandRefused, ControlServer
from proxy.operations.declaration import handlers_of, permissions_of
from proxy.operations.http import HttpRoute
from proxy.operations.rule_hits import Hits, of_the_last_minute
from proxy.operations.whoami import WhoAmI
from proxy.policy import time_windows
from proxy.policy.operator_orders import words_of
from proxy.policy.ruleset import RuleSet
from proxy.relay.effects.consents import ConsentImport
from proxy.relay.effects.list_import import ChunkedImports, ListImport
from proxy.relay.effects.reply_paths import ReplyPaths
from proxy.relay.proposed_rules import CandidateRules
from proxy.relay.submit import Relay
from proxy.server.restarted_processes import RestartedProcess, Streamer
from proxy.state.stores.sqlite import SqliteStore

log = structlog.get_logger()

SAFE_S = 30.0  # longest time without a sync before a waiting command is refused: the disk does not work
LISTED_BY_INBOX = frozenset((messages.DOUBTFUL, messages.DECISION))
Helper = Roller | RestartedProcess
"""A task that keeps another process up."""
JUDGING = ("stop", "suspension", "shadow")


class NotWritten(CommandRefused, JournalDown):
    """The journal is down: a command is refused, an automatic retry sees JournalDown."""

    def __init__(self, down: JournalDown) -> None:
        CommandRefused.__init__(self, f"{down}: nothing was done")
        self.dropped = down.dropped


class ControlPlane:
    """The running gate for operators' commands (``operations.gate.Gate``)."""

    def __init__(
        self,
        control: Path,
        relay: Relay,
        store: SqliteStore,
        journal: Journal,
        kick: Callable[[], None],
        providers: Providers,
        carrier_accounts: Sequence[CarrierAccount],
        reload: Callable[[str, str], Awaitable[list[str]]],
        rule_deployment: RuleDeployment,
        names: PseudonymKey,
        chunked_imports: ChunkedImports,
        people: Sequence[Person] = (),
        group: str = "",
        front: int = 0,
    ) -> None:
        """``kick`` requests a sync. ``reload``: (how, who) → what is wrong with the files. ``front``: process id of the supervisor, which asks
        for others; 0: there is none."""
        self.relay = relay
        self.store = store
        self.carrier_accounts = carrier_accounts
        self.listing: ListImport | ConsentImport | None = None
        self.chunked_imports = chunked_imports
        self.replication: Replication | None = None  # exchange with the other gates on a shared store
        self.rule_deployment = rule_deployment
        self._rules = rule_deployment.rules
        self._rules_since = time.time()
        self._journal, self._kick = journal, kick
        self._providers = providers
        self._reload = reload
        self.book = OrderBook(store.orders, self.write, self._apply_orders)
        self.cases = CaseBook(store.cases, self.write_all)
        self.penalties = PenaltyBook(store.penalties, self.write_all)
        self.recycled = RecycledFeeds(store.recycled, self.write_all)
        self.erasure_requests = ErasureRequests(store.erasure_requests, self.write_all)
        self.inbox = Inbox(store.doubtful, store.decisions)
        hours = ProviderHours(store.hours, self.write_unreplicated, self.write_all if store.shared else None, store.node)
        self.penalty_scheduler = PenaltyScheduler(
            self,
            hours,
            SignatureHours(
                store.hours_apart, self.write_unreplicated, self.write_partly_replicated if store.shared else None, store.node
            ),
            lambda provider: self.path_states.of_provider(provider),  # noqa: PLW0108 # path_states is made below
        )
        book = ReplyPaths(store.reply_paths, self.write_unreplicated, self.write_all if store.shared else None, store.node)
        self.reply_paths = ReplyPathMonitor(self, book)
        self.prober = probes.Prober(self, Probes(store.probes, self.write_all), self.proved)
        self.path_states = PathStates(self, book, self._apply_orders)
        self._recent_rules = of_the_last_minute(relay.tally)
        self._hits = Hits(relay.tally, self._rules_since)
        self._rates = MinuteCounts(relay.tally)
        self.retention_task = RetentionTask(self, journal)
        self._helpers: Sequence[Helper] = ()
        self._tasks: list[asyncio.Task[None]] = []
        self._authenticator = Authenticator()
        self.authorization = Authorization(people, self._authenticator.check)
        features = (
            AccessLog(self),
            Binds(self),
            Complaints(self, self.penalty_scheduler.soon),
            ConsentOperations(self),
            Counters(self),
            DataSubjects(self, self.retention_task, names),
            DoubtfulReplies(self),
            Explanations(self),
            FilingTasks(self),
            JournalOperations(self, self.retention_task),
            Links(self),
            PathProbes(self, self.prober),
            Penalties(self, self.penalty_scheduler),
            ProviderReports(self, self.penalty_scheduler, self._rates),
            RecycledNumbers(self),
            RegionMap(self),
            ReplyPathList(self, self.reply_paths),
            Rules(self, self._recent_rules, self._hits),
            Shadow(self),
            Stops(self),
            Suppressions(self),
            Suspensions(self),
            Tracing(self, Taps(providers.turns).listen, self.links),
            WhoAmI(),
        )
        self._server = ControlServer(
            control, handlers_of(*features), self.authorization, group=group, front=front, wanted=permissions_of(*features)
        )
        self.book.sweep(self.now())
        self._apply_orders()

    async def start(self, keep: Retention, helpers: Sequence[Helper] = ()) -> None:
        """Opens the socket; ControlError says why it cannot. ``keep``: how long the journal is kept. ``helpers``: what rolls the journal, and
        keeps the console, the opt-out audit, the follower's copy and the event stream up."""
        await self._server.start()
        self.penalty_scheduler.count_apart()  # before the first message; likewise:
        self._rates.tick(self.now())
        self.retention_task.keep = keep
        loop = asyncio.get_running_loop()
        self._helpers = helpers
        for one in helpers:
            if isinstance(one, Streamer):
                self.retention_task.unsent = one.unsent
        running = [self.retention_task, *helpers]
        self._tasks = [loop.create_task(one.run()) for one in running]

    async def stop(self) -> None:
        self.penalty_scheduler.stop()
        self.prober.stop()
        self.penalty_scheduler.put_away(self.now())
        self.reply_paths.put_away(self.now())
        await self._server.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._authenticator.close()

    # -- orders in force

    def use(self, rules: RuleSet, proposal: CandidateRules | None) -> None:
        """Puts rules in force, with the same orders; ``proposal`` waits for approval."""
        if rules is not self._rules:
            self._rules, self._rules_since = rules, time.time()
        self.relay.admission.candidate = proposal
        self._apply_orders()

    def _apply_orders(self) -> None:
        given = self.book.of_kind(*JUDGING)
        proposal = self.relay.admission.candidate
        paths = self.path_states.of([self._rules, *([proposal.base] if proposal is not None else [])])
        changed = given or paths is not None
        self.relay.rules = self._rules.with_orders(given, paths) if changed else self._rules
        if proposal is not None:
            proposal.obey(given, paths)
        drains, now = self.book.of_kind("drain"), self.now()
        for account in self.carrier_accounts:
            account.drain(links.drained_slots(account, drains, now))
        self.obey_throttles()

    def obey_throttles(self) -> None:
        """Applies throttle orders to providers' rates, also of accounts that were just reloaded."""
        self.relay.directory.throttle(rate_shares(self.book.of_kind("throttle")))
        self.relay.release(time.monotonic())  # what may not wait for its rate any more

    def tick(self, now: float, now_s: float, before: float = 0.0) -> None:
        """Called a few times a second. ``now_s``: monotonic; ``before``: the wall clock without any step since the last call."""
        for order in self.book.sweep(now, before):
            log.info("order ended", order=order.name, about=words_of(order))
        self._recent_rules.tick(now_s)
        self._hits.tick(now)
        self._rates.tick(now)
        self.penalty_scheduler.tick(now, now_s)
        self.inbox.sweep(now)
        for feed in self.recycled.lapse(now):
            log.warning("feed of recycled numbers lapsed", feed=feed.name, numbers=feed.total, file=feed.file)
        self.reply_paths.tick(now, now_s)
        self.path_states.tick(now, now_s)
        self.prober.tick(now, now_s)

    def replied(self, prefix: str, keyword: str, now: float) -> None:
        """A reply arrived at a port under this prefix."""
        self.reply_paths.replied(prefix, keyword, now)
        self.path_states.look(prefix, now)

    def proved(self, prefix: str, at: float, ok: bool) -> None:
        """A probe was answered (``ok``) or timed out."""
        self.reply_paths.probed(prefix, at, ok)
        self.path_states.look(prefix, at)

    @property
    def open_from(self) -> int | None:
        """The first journal record of a list that is being imported; None if none is."""
        return self.listing.sequence if self.listing is not None else None

    def import_ended(self) -> None:
        """The imported list is in force, or given up."""
        assert self.listing is not None
        self.chunked_imports.ended(self.listing.sequence, self._journal.written)
        self.listing = None

    # -- for commands

    def binds(self) -> Iterable[ProviderLink]:
        return sorted((link for links in self._providers.bound.values() for link in links), key=lambda link: link.number)

    def links(self) -> list[ProviderLink | CarrierLink]:
        """Links that a trace may tap, unbound ones included."""
        return [*self._providers.links, *(link for account in self.carrier_accounts for link in account.links)]

    def now(self) -> float:
        return time.time()

    def write(self, kind: int, body: bytes) -> int:
        return self.write_all([(kind, body)])

    def write_all(self, records: Sequence[tuple[int, bytes]]) -> int:
        return self._write(records, published=len(records))

    def write_unreplicated(self, records: Sequence[tuple[int, bytes]]) -> int:
        """Writes records that are not replicated to other gates."""
        return self._write(records, published=0)

    def write_partly_replicated(self, published: Sequence[tuple[int, bytes]], own: Sequence[tuple[int, bytes]]) -> int:
        """Writes one commit group; only ``published`` is replicated to other gates."""
        return self._write([*published, *own], published=len(published))

    def _write(self, records: Sequence[tuple[int, bytes]], *, published: int) -> int:
        """``published``: how many records, from the first on, are replicated."""
        try:
            if self.relay.journal_down:
                raise JournalDown(self.relay.journal_down)
            sequence, bodies = 0, []
            for kind, body in records:
                sequence = self._journal.append(kind, body)
                bodies.append((sequence, kind, body))
            self._journal.write(time.time())  # one commit group: after a power loss all of it is there, or nothing
        except JournalDown as down:
            raise NotWritten(down) from None
        self._kick()
        if published and self.replication is not None:
            self.replication.publish(bodies[:published])
        return sequence

    async def safe(self, sequence: int) -> None:
        try:
            async with asyncio.timeout(SAFE_S):
                while self._journal.synced < sequence:
                    if self.relay.journal_down:
                        raise CommandRefused(f"{self.relay.journal_down}: it is done, but not safe on disk")
                    self._kick()
                    await asyncio.sleep(0.001)
        except TimeoutError:
            raise CommandRefused(f"the disk has not synced for {SAFE_S:g} s: it is done, but not safe on disk") from None
        if self.replication is not None:
            await self.replication.is_published(sequence)

    @property
    def away(self) -> str:
        """Why no large import may begin now (other gates would not get it); empty if it may."""
        return "" if self.store.up else f"the shared store is out of reach ({self.store.why}): other gates would not hear of it"

    def on_replicated(self, kinds: frozenset[int]) -> None:
        """Records of these kinds from other gates have come into force."""
        if messages.ORDERED in kinds or messages.LIFTED in kinds:
            self.book.reread()
        if messages.PENALIZED in kinds:
            self.penalties.reread()
        if messages.RECYCLING in kinds:
            self.recycled.reread()
        if messages.ERASURE_REQUESTED in kinds:
            self.erasure_requests.reread()
        if messages.CASED in kinds:
            self.cases.reread()
            self.penalty_scheduler.soon()
        if messages.PERSON in kinds:
            self.inbox.forget()
        elif kinds & LISTED_BY_INBOX:
            self.inbox.reread()
        if messages.COUNTED in kinds or messages.COUNTED_APART in kinds:
            self.penalty_scheduler.reread()
        if messages.REPLY_PATH in kinds:
            self.reply_paths.book.reread()
            self.path_states.soon()
        if messages.PROBE in kinds:
            self.prober.reread()

    async def reload(self, who: str) -> list[str]:
        return await self._reload("command", who)

    def rules_status(self) -> dict[str, Any]:
        return {"since": self._rules_since, **self.rule_deployment.status()}

    def paths(self, config: Path) -> dict[str, HttpRoute]:
        """HTTP paths beside metrics and health. ``config``: the settings' path."""
        return {"/optouts": HttpRoute("POST", optouts.OptOutIntake(self).take), **provider.OwnEndpoints(self, config).paths()}

    # -- for health and metrics

    def notes(self) -> list[str]:
        """Orders in force, and failing helper processes, for /readyz."""
        return (
            [
                f"{order.name}: {words_of(order)}, until {time_windows.local(order.until)} ({order.who}: {order.why})"
                for order in self.book.of_kind(*JUDGING, "drain", "throttle")
            ]
            + (self.replication.notes() if self.replication is not None else [])
            + regions.notes(self._rules, self.now())
            + self.recycled.notes()
            + self.erasure_requests.notes()
            + [note for one in self._helpers for note in one.notes()]
        )

    def gauges(self) -> dict[str, Any]:
        """For ``operations.metrics.Gauges``."""
        suspended: dict[tuple[str, ...], float] = {(name,): 0.0 for name in self.relay.directory.providers}
        for order in self.book.of_kind("suspension"):
            for name in dict(order.scope).get("provider", ()):
                suspended[name,] = suspended.get((name,), 0.0) + 1.0
        return {
            "stops": float(len(self.book.of_kind("stop"))),
            "shadowed": float(bool(self.book.of_kind("shadow"))),
            "suspended": suspended,
            "suppressed_numbers": self._suppressed(),
            **{name: value for one in self._helpers for name, value in one.gauges().items()},
            **self.retention_task.gauges(),
            **self.penalty_scheduler.gauges(),
            "doubtful_replies": {(state,): float(count) for state, count in reply_counts(self).items()},
            "doubtful_oldest_s": max(0.0, self.now() - self.inbox.oldest()) if self.inbox.oldest() else 0.0,
            **self.reply_paths.gauges(),
            **regions.gauges(self._rules.regions),
        }

    def _suppressed(self) -> dict[tuple[str, ...], float]:
        """Numbers of refusals by scope and by where they are kept (list, record)."""
        found: dict[tuple[str, ...], float] = {(scope, "list"): count for (scope,), count in self.store.listed.counts().items()}
        return found | {(scope, "record"): float(count) for scope, count in self.store.refusals.items()}
