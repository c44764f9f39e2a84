"""Holds all connections of providers, their binds and timers.

In: connections from the listeners, accounts. Out: links (provider_link.py). Never: what a provider's PDU says, verdicts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable

from proxy.config import SmppTimers
from proxy.model.counters import GateCounters
from proxy.model.lockout import Lockout
from proxy.model.log_setup import RateLimitedLog
from proxy.net.authenticator import Authenticator
from proxy.net.link import Turns
from proxy.net.provider_link import ProviderLink, may_come
from proxy.relay.account_access import Access, Directory
from proxy.relay.commands import Commands
from proxy.relay.deliver import DeliverRelay
from proxy.relay.submit import Relay

TICKED_MAX, LOOKED_MAX, TICKING_S = 50, 1000, 0.002
"""At once at most TICKED_MAX links' timers run, of LOOKED_MAX checked; then the loop is free for TICKING_S. Otherwise thousands of links that
connected together would block it together, again and again."""
FAILURES_MAX, STRAINED_S = 20, 1.0
"""With more refused or cut off than this between two ticks, new connections are accepted slowly for STRAINED_S."""
REFUSALS_S, REFUSALS_AT_ONCE = 1.0, 50.0
"""Log lines of refused binds: a second, and in a burst."""


class Providers:
    """All connections of providers."""

    def __init__(
        self,
        directory: Directory,
        relay: Relay,
        turns: Turns,
        tally: GateCounters,
        timers: SmppTimers,
        connections_max: int = 10_000,
    ) -> None:
        """``connections_max``: over all listeners together; further connections are closed."""
        self.connections_max = connections_max
        self.directory = directory
        self.relay = relay
        self.turns = turns
        self.tally = tally
        self.timers = timers
        self.deliver_relay: DeliverRelay
        self.links: set[ProviderLink] = set()
        self.bound: defaultdict[str, list[ProviderLink]] = defaultdict(list)
        """Binds by provider, the oldest first."""
        self.authenticator = Authenticator()
        self.lockout = Lockout()
        self._refusals, self._disturbances, self._binds = (RateLimitedLog(REFUSALS_S, REFUSALS_AT_ONCE) for _ in range(3))
        self.commands: Commands
        self.may_bind: Callable[[Access], Awaitable[bool]] | None = None
        """Asks all nodes whether an account may have one more bind; None where this node alone decides."""
        self.accepting = False
        self.why_not_accepting = "loading"
        self.failures = 0
        """Connections refused or cut off since the last tick."""
        self._strained_until_s = 0.0
        self._next_receiver = 0
        self._ticks_due: list[ProviderLink] = []
        """Links whose timers are still due in this round."""
        self.next_number, self._number_step = 1, 1
        """Number of the next bind: commands name binds by number."""

    def number_binds(self, first: int, step: int) -> None:
        """Sets how binds are numbered, before the first one: several workers must not use the same numbers."""
        self.next_number, self._number_step = first, step

    def next_bind_number(self) -> int:
        number, self.next_number = self.next_number, self.next_number + self._number_step
        return number

    def serve(self, peer: str) -> ProviderLink:
        """The protocol of a new connection; ``peer``: its address, empty where the transport knows it."""
        return ProviderLink(self, peer)

    def count_refusal(self, cause: str) -> None:
        """A connection was turned away before it could bind."""
        self.failures += 1
        self.tally.bind_failures[cause, ""] += 1

    def log_refusal(self, cause: str, provider: str, peer: str) -> None:
        """Logs a refused bind, rate-limited: the counter has all of them."""
        self._refusals.warning(self.turns.loop.time(), "bind refused", cause=cause, provider=provider or None, peer=peer)

    def log_disturbance(self, cause: str, why: str, provider: str, peer: str) -> None:
        now_s = self.turns.loop.time()
        self._disturbances.warning(
            now_s, "provider slowed down or cut off", cause=cause, why=why, provider=provider or None, peer=peer
        )

    def log_bind(self, provider: str, account: str, kind: str, peer: str) -> None:
        self._binds.info(self.turns.loop.time(), "provider bound", provider=provider, account=account, kind=kind, peer=peer)

    def is_strained(self) -> bool:
        """Whether new connections are accepted slowly, because many are refused or cut off."""
        return self.turns.loop.time() < self._strained_until_s

    def receivers(self, provider: str) -> list[ProviderLink]:
        """Binds of a provider that can take a deliver, in rotating order."""
        links = [link for link in self.bound[provider] if link.session.can_receive]
        self._next_receiver += 1
        first = self._next_receiver % len(links) if links else 0
        return links[first:] + links[:first]

    def tick(self) -> None:
        if self.failures > FAILURES_MAX:
            self._strained_until_s = self.turns.loop.time() + STRAINED_S
        self.failures = 0
        if not self._ticks_due:  # otherwise the last round is not over
            self._ticks_due = list(self.links)
            self._tick_some()

    def _tick_some(self) -> None:
        """Runs the timers of some links, and of the others in later turns of the loop."""
        links, now_s, looked, ticked = self._ticks_due, self.turns.loop.time(), 0, 0
        while links and looked < LOOKED_MAX and ticked < TICKED_MAX:
            link = links.pop()
            looked += 1
            if link.due_s <= now_s and not link.lost:
                link.tick()
                ticked += 1
        if links:
            self.turns.loop.call_later(TICKING_S, self._tick_some)

    def use(self, directory: Directory) -> None:
        """Takes over the accounts of a reload. A bind is unbound if its account is gone or belongs to another provider now, or if its
        address is not allowed any more; until then it stays as it was. A bind whose password has changed stays: the next bind needs the new
        one."""
        self.directory = directory
        for one in directory.accesses.values():
            one.binds = 0
        for name, links in self.bound.items():
            for link in links:
                access = directory.accesses.get(link.access.account.system_id)
                if access is not None:
                    access.binds += 1
                if access is None or access.provider.name != name or not may_come(access.provider, link.peer):
                    link.session.unbind()
                    self.turns.has_output(link)
                else:
                    link.access, link.window = access, access.provider.window

    def unbind_all(self) -> None:
        for link in list(self.links):
            link.session.unbind()
            self.turns.has_output(link)
