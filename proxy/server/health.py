"""Reports readiness, notes and gauges for /readyz, /metrics and supervisors.

Never: a change to any part of the gate, a person's number.
"""

import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from proxy.archive.pseudonym_key import PseudonymKey
from proxy.cluster.follower_link import FollowerLink
from proxy.cluster.replication import Replication
from proxy.desk.revisions.rule_deployment import RuleDeployment
from proxy.journal.write_ahead_log import Journal
from proxy.model.counters import GateCounters
from proxy.model.message import Category
from proxy.net.accounts import by_carrier
from proxy.net.carrier import CarrierAccount
from proxy.net.provider import Providers
from proxy.net.tls import Contexts
from proxy.operations.metrics import Gauges, pieces
from proxy.relay.submit import Relay
from proxy.runtime.build_info import build_info
from proxy.server.control_plane import ControlPlane
from proxy.server.maintenance import Maintenance
from proxy.server.reload import Reload
from proxy.state.mailbox.mailbox import UNOWNED
from proxy.state.stores.sqlite import SqliteStore


@dataclass(frozen=True, slots=True)
class Health:
    tally: GateCounters
    relay: Relay
    store: SqliteStore
    journal: Journal
    providers: Providers
    carrier_accounts: Sequence[CarrierAccount]
    contexts: Contexts
    pseudonym_key: PseudonymKey
    rule_deployment: RuleDeployment
    control_plane: ControlPlane
    reloading: Reload
    maintenance: Maintenance
    replication: Replication | None
    follower: FollowerLink | None

    def not_ready(self) -> list[str]:
        """Why traffic should go elsewhere; empty when the gate is ready."""
        why = []
        if not self.providers.accepting:
            why.append(self.providers.why_not_accepting)
        if not any(account.lane.up for account in self.carrier_accounts):
            why += self._carriers_down() or ["no carrier is configured (settings: carriers)"]
        if down := self.journal.held or self.relay.journal_down:
            why.append(f"journal: {down}")
        return why

    def notes(self) -> list[str]:
        """What an operator should fix although the gate is ready."""
        notes = self._carriers_down() if any(account.lane.up for account in self.carrier_accounts) else []
        slow = build_info().slow
        notes += [f"runs without compiled modules, at a tenth of its speed: {slow}"] if slow else []
        notes += [] if self.store.up else [f"store: {self.store.why}: rules go by what this node knows"]
        return (
            notes
            + self.reloading.notes()
            + self.rule_deployment.notes()
            + self.control_plane.notes()
            + self.pseudonym_key.notes()
            + (self.follower.notes() if self.follower is not None and not self.journal.held else [])
        )

    def _carriers_down(self) -> list[str]:
        return [
            f"carrier {account.account}: its links are drained (gate106 links enable)"
            if account.held and not account.states()["down"]
            else f"carrier {account.account}: no link is up (look for 'carrier down' in the log)"
            if account.held
            else f"carrier {account.account}: other nodes hold all its links (settings: links: {account.carrier.links}, over all nodes)"
            for account in self.carrier_accounts
            if not account.lane.up
        ]

    def gauges(self) -> Gauges:
        providers, carrier_accounts = self.providers, self.carrier_accounts
        binds: dict[tuple[str, ...], int] = {}
        for name, links in providers.bound.items():
            for link in links:
                binds[name, link.kind] = binds.get((name, link.kind), 0) + 1
        now = time.time()
        boxes = [self.store.mailbox.box(name) for name in (UNOWNED, *self.relay.directory.providers)]
        return Gauges(
            binds=binds,
            carrier_links=by_carrier(carrier_accounts, CarrierAccount.states),
            window_in_use=by_carrier(carrier_accounts, lambda account: {"": account.window_in_use()}),
            window_limit=by_carrier(carrier_accounts, lambda account: {"": account.window_limit()}),
            queue_messages=by_carrier(
                carrier_accounts, lambda account: {category.word: account.lane.waiting(category) for category in Category}
            ),
            queue_limit=by_carrier(
                carrier_accounts, lambda account: {category.word: account.lane.limit(category) for category in Category}
            ),
            carrier_tps_limit=by_carrier(carrier_accounts, lambda account: {"": account.pacer.tps}),
            mailbox_messages={(box.provider or "unowned",): box.count for box in boxes},
            long_messages_in_use=self.relay.parts.in_use(self.relay.directory.providers, now),
            mailbox_oldest_s={(box.provider or "unowned",): box.age_s(now) for box in boxes},
            provider_tps_limit={(name,): limit for name, limit in self.relay.directory.limits.items()},
            provider_binds_limit={(name,): provider.binds for name, provider in self.relay.directory.providers.items()},
            store_up=self.store.up,
            store_owed=float(self.store.unwritten),
            store_restored=float(self.store.restored),
            **(self.replication.gauges() if self.replication is not None else {}),
            **self._follower_gauges(),
            journal_up=not (self.journal.held or self.relay.journal_down),
            journal_lag_s=self.journal.lag(now),
            journal_written_bytes=self.journal.written_bytes,
            limit_counts=float(len(self.store.counters)),
            limit_counts_dropped=self.store.counters.dropped,
            clock_skew_s=self.maintenance.clock_skew_s,
            certificate_expiry={(name,): ends for name, ends in self.contexts.expiry.items()},
            time_s=now,
            **self.control_plane.gauges(),
            **self.rule_deployment.gauges(),
        )

    def _follower_gauges(self) -> dict[str, Any]:
        if self.follower is None:
            return {}
        return {"follower_promise_kept": self.follower.kept, "follower_lag_s": self.follower.lag_s}

    def metrics(self) -> Iterator[bytes]:
        return pieces(self.tally, self.gauges())

    async def snapshot(self) -> dict[str, Any]:
        text = []
        for piece in self.metrics():
            text.append(piece.decode())
            await asyncio.sleep(0)  # messages first
        return {"why": self.not_ready(), "notes": self.notes(), "metrics": "".join(text)}
