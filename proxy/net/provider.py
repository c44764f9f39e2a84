"""Holds all connections of providers, their binds and timers.

In: connections from the listeners, accounts. Out: links (provider_link.py). Never: what a provider's PDU says, verdicts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable

from proxy.config import SmppTimers
from proxy.model.counters import GateCounters
from proxy.model.lockout import Lockout
from proxy.model.log_setup import Seldom
from proxy.net.authenticator import Authenticator
from proxy.net.link import Turns
from proxy.net.provider_link import ProviderLink, may_come
from proxy.relay.access import Access, Directory
from proxy.relay.commands import Commands
from proxy.relay.deliver import DeliverRelay
from proxy.relay.submit import Relay

TICKED_MAX, LOOKED_MAX, TICKING_S = 50, 1000, 0.002
"""So many links' timers are seen to at once, of so many looked at; then the loop is others' for so long. Thousands that came together
would else hold it together, again and again."""
FAILURES_MAX, STRAINED_S = 20, 1.0
"""More refused or cut off than this between two ticks, and for so long others are let in more slowly."""
REFUSALS_S, REFUSALS_AT_ONCE = 1.0, 50.0
"""So many refused binds a second are in the log, after so many at once."""


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
        """``connections_max``: at once over all listeners; more are closed at once."""
        self.connections_max = connections_max
        self.directory = directory
        self.relay = relay
        self.turns = turns
        self.tally = tally
        self.timers = timers
        self.way_back: DeliverRelay
        self.links: set[ProviderLink] = set()
        self.bound: defaultdict[str, list[ProviderLink]] = defaultdict(list)
        """Binds by provider, in the order in which they came."""
        self.doorkeeper = Authenticator()
        self.held_off = Lockout()
        self._refusals, self._disturbances, self._binds = (Seldom(REFUSALS_S, REFUSALS_AT_ONCE) for _ in range(3))
        self.commands: Commands
        self.may_bind: Callable[[Access], Awaitable[bool]] | None = None
        """Asks all nodes whether an account may have one more bind; None where this one knows."""
        self.accepting = False
        self.why_not_accepting = "loading"
        self.failures = 0
        """Who was refused or cut off since the last tick."""
        self._strained_until_s = 0.0
        self._next_receiver = 0
        self._to_tick: list[ProviderLink] = []
        """Links whose timers are still to be seen to in this round."""
        self.next_number, self._number_step = 1, 1
        """Of the next bind: people call binds by number."""

    def number_by(self, first: int, step: int) -> None:
        """Binds are numbered so, before the first comes: those of several workers must not have the same."""
        self.next_number, self._number_step = first, step

    def take_number(self) -> int:
        number, self.next_number = self.next_number, self.next_number + self._number_step
        return number

    def serve(self, peer: str) -> ProviderLink:
        """Whoever came in at a door; ``peer``: their address, empty where the transport knows it."""
        return ProviderLink(self, peer)

    def turned_away(self, cause: str) -> None:
        """A door let somebody not in."""
        self.failures += 1
        self.tally.bind_failures[cause, ""] += 1

    def log_refusal(self, cause: str, provider: str, peer: str) -> None:
        """A storm of binds fills no disk: the counter has all of them, the log some."""
        self._refusals.warning(self.turns.loop.time(), "bind refused", cause=cause, provider=provider or None, peer=peer)

    def log_disturbance(self, cause: str, why: str, provider: str, peer: str) -> None:
        now_s = self.turns.loop.time()
        self._disturbances.warning(now_s, "provider disturbs", cause=cause, why=why, provider=provider or None, peer=peer)

    def log_bind(self, provider: str, account: str, kind: str, peer: str) -> None:
        self._binds.info(self.turns.loop.time(), "provider bound", provider=provider, account=account, kind=kind, peer=peer)

    def is_strained(self) -> bool:
        """Whether so many who come are refused or cut off that more are let in slowly."""
        return self.turns.loop.time() < self._strained_until_s

    def receivers(self, provider: str) -> list[ProviderLink]:
        """Binds of a provider that can take a deliver, another one first each time."""
        links = [link for link in self.bound[provider] if link.session.can_receive]
        self._next_receiver += 1
        first = self._next_receiver % len(links) if links else 0
        return links[first:] + links[:first]

    def tick(self) -> None:
        if self.failures > FAILURES_MAX:
            self._strained_until_s = self.turns.loop.time() + STRAINED_S
        self.failures = 0
        if not self._to_tick:  # else so many are due that the last round is not over
            self._to_tick = list(self.links)
            self._tick_some()

    def _tick_some(self) -> None:
        """Sees to some of the links, then to the others in later turns of the loop."""
        links, now_s, looked, ticked = self._to_tick, self.turns.loop.time(), 0, 0
        while links and looked < LOOKED_MAX and ticked < TICKED_MAX:
            link = links.pop()
            looked += 1
            if link.due_s <= now_s and not link.lost:
                link.tick()
                ticked += 1
        if links:
            self.turns.loop.call_later(TICKING_S, self._tick_some)

    def use(self, directory: Directory) -> None:
        """Other accounts after a reload: binds of accounts that are gone, are another provider's, or may not come from where they come from
        any more, are asked to leave, and until they do are what they were. One whose password is another now stays: it is the next bind that
        needs the new one."""
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
