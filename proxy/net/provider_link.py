"""Runs one connection of a provider, from bind to close.

In: the provider's PDUs. Out: to its host (provider.Providers): submits for the relay, other requests, answers to delivers; to the provider:
answers, receipts and replies. Never: which bind gets a deliver, when timers are checked (provider.py), verdicts. It is the relay's
``Bind``.

A bind passes these checks in order, cheap ones first: binds are accepted at all, the address is not locked out, the account exists, the
address is allowed, a bind is free; then the password, in a thread where it is hashed; then, where several nodes share the binds, the
others.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict, defaultdict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Protocol

from proxy.config import Provider, SmppTimers
from proxy.config.fields import within
from proxy.model.counters import GateCounters
from proxy.model.lockout import Lockout
from proxy.net.authenticator import Authenticator
from proxy.net.link import PIECE_BYTES as BOUND_PIECE_BYTES
from proxy.net.link import UNREAD_BYTES_MAX, Link, Turns
from proxy.relay.access import Access, Directory
from proxy.relay.commands import Commands
from proxy.relay.deliver import DeliverRelay
from proxy.relay.submit import Relay
from proxy.state.mailbox.deliver_queue import Item
from proxy.wire import Frame, Received, Session
from proxy.wire.frame import are_all
from proxy.wire.tables import (
    BIND_RECEIVER,
    BIND_TRANSCEIVER,
    BIND_TRANSMITTER,
    ESME_RALYBND,
    ESME_RBINDFAIL,
    ESME_RINVCMDID,
    ESME_RINVPASWD,
    ESME_RINVSYSID,
    ESME_ROK,
    SUBMIT_SM,
)

STRANGER_PIECE_BYTES, STRANGER_KEPT_BYTES_MAX, STRANGER_UNREAD_BYTES_MAX = 128, 4096, 16 * 1024
"""Of one that is not bound so much is dealt with at once (the longest bind has 98 octets), so much more is heard slowly, and so much
may wait for it: memory is bounded by the sum for each."""
BIND_NOISE = 10
"""A bind that is refused leads to nothing either, and costs more than most."""
LATE_MAX = 1024
"""Delivers of one bind given up whose late answer is still understood: it saves the provider a second copy."""
KICKED_S = 2.0
"""A bind that is kicked has so long to answer our unbind; then its connection is closed."""
RATE_S = 1.0
"""How long a bind's messages are counted before they are called so many a second."""
NAME = "gate106"
"""Our system_id in bind responses."""


class ProviderHost(Protocol):
    """All connections of providers, as one of them sees it (provider.Providers)."""

    directory: Directory
    relay: Relay
    turns: Turns
    tally: GateCounters
    timers: SmppTimers
    way_back: DeliverRelay
    commands: Commands
    connections_max: int
    links: set[ProviderLink]
    bound: defaultdict[str, list[ProviderLink]]
    """Binds by provider, in the order in which they came."""
    doorkeeper: Authenticator
    held_off: Lockout
    accepting: bool
    why_not_accepting: str
    may_bind: Callable[[Access], Awaitable[bool]] | None
    """Asks all nodes whether an account may have one more bind; None where this one knows."""
    failures: int
    """Who was refused or cut off lately."""

    def take_number(self) -> int:
        """The number by which people call the next bind."""

    def turned_away(self, cause: str) -> None:
        """Somebody is not let in."""

    def log_bind(self, provider: str, account: str, kind: str, peer: str) -> None:
        """Somebody is let in."""

    def log_refusal(self, cause: str, provider: str, peer: str) -> None:
        """A bind is refused."""

    def log_disturbance(self, cause: str, why: str, provider: str, peer: str) -> None:
        """Somebody is cut off, or heard slowly."""


class ProviderLink(Link):
    """One connection of a provider: a bind, once it is let in, and then the relay's ``Bind``."""

    access: Access
    unread_bytes_max = STRANGER_UNREAD_BYTES_MAX
    piece_bytes = STRANGER_PIECE_BYTES

    def __init__(self, providers: ProviderHost, peer: str = "") -> None:
        """``peer``: on whose behalf a balancer connects."""
        timers = providers.timers
        super().__init__(Session("provider", timers, providers.turns.loop.time(), 0), providers.turns)
        self.providers = providers
        self.unanswered = 0
        self.window = 0
        self.peer_version = 0
        self.kind = ""
        self.number = 0
        """Of the bind, 0 until it is one."""
        self.since = 0.0
        self.tps = 0.0
        """Requests a second, as of a second ago."""
        self._taken = 0
        self._counted = 0, 0.0  # how many had been taken when
        self._late: OrderedDict[int, Item] = OrderedDict()
        self._checking: asyncio.Task[None] | None = None
        self._told_peer = peer

    # -- connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if len(self.providers.links) >= self.providers.connections_max:
            transport.close()
            self.providers.turned_away("too-many-connections")
            return
        self.providers.links.add(self)
        super().connection_made(transport)
        self.peer = self._told_peer or self.peer

    def on_lost(self) -> None:
        self.providers.links.discard(self)
        if self.kind:
            directory, name = self.providers.directory, self.access.provider.name
            counted = directory.accesses.get(self.access.account.system_id, self.access)  # another provider's by now, perhaps
            counted.binds -= 1
            directory.provider_binds[name] -= 1
            self.providers.bound[name].remove(self)
            self.kind = ""
        self.providers.way_back.lost(self.session.abandon())

    def on_overdue(self, tickets: Iterable[tuple[int, Item]]) -> None:
        for sequence, item in tickets:
            self._late[sequence] = item
            if len(self._late) > LATE_MAX:
                self._late.popitem(last=False)
        self.providers.way_back.unanswered([item for _, item in tickets])

    def on_received(self, received: Received, now: float) -> None:
        arrived_s = time.monotonic()
        requests, answers, strays = received
        self._taken += len(requests)
        if requests:
            self._deal_with_all(requests, now, arrived_s)
        if answers:
            self.providers.way_back.answered(answers, now)
        for sequence, frame in strays:
            item = self._late.pop(sequence, None)
            if item is not None and frame.command_status == ESME_ROK:
                self.providers.way_back.delivered(item)

    def _deal_with_all(self, requests: list[Frame], now: float, arrived_s: float) -> None:
        relay = self.providers.relay
        if are_all(requests, SUBMIT_SM):
            relay.submit_all(self, requests, now, arrived_s)
            return
        for frame in requests:
            if frame.command_id == SUBMIT_SM:
                relay.submit(self, frame, now, arrived_s)
            else:
                self._other(frame, now, arrived_s)

    def tick(self) -> None:
        super().tick()
        now_s = self.turns.loop.time()
        taken, then_s = self._counted
        if now_s - then_s >= RATE_S:
            self.tps = (self._taken - taken) / (now_s - then_s)
            self._counted = self._taken, now_s

    # -- for people

    side = "provider"

    @property
    def whose(self) -> str:
        """The provider's name, empty until it is bound."""
        return self.access.provider.name if self.number else ""

    @property
    def called(self) -> str:
        """What people call this bind: ``jia#17``; until it is one, its address."""
        return f"{self.access.account.system_id}#{self.number}" if self.number else self.peer

    def kick(self) -> None:
        """Asks the peer to leave, and hangs up where it does not."""
        self.session.unbind()
        self.turns.has_output(self)
        self.turns.loop.call_later(KICKED_S, self.close)

    @property
    def unread_bytes(self) -> int:
        """How much of what we said the peer has not read yet."""
        return self.transport.get_write_buffer_size() if self.transport is not None and not self.lost else 0

    # -- what the link asks

    def hear(self) -> bool:
        if super().hear():
            if self.kind or self.session.closing is not None:
                return True
            self.noisy = True
            if len(self._kept) <= STRANGER_KEPT_BYTES_MAX:
                return True
            self.session.closing = "too much before a bind"
            self.turns.has_output(self)
        return False

    def disturbed(self, cause: str) -> None:
        peer = self.access.provider.name if self.kind else ""
        self.providers.tally.disturbances["provider", cause, peer] += 1
        self.providers.failures += 1
        why = "sends more than it may, and is heard slowly" if cause == "flood" else self.session.closing
        self.providers.log_disturbance(cause, why or "", peer, self.peer)

    def count_bad(self, kinds: list[str]) -> None:
        peer = self.access.provider.name if self.kind else ""
        for kind in kinds:
            self.providers.tally.bad_pdus["provider", kind, peer] += 1
        kinds.clear()

    # -- what the relay asks of a Bind

    def answer_all(self, answers: list[bytes]) -> None:
        self.session.write_all(answers)
        self.turns.has_output(self)

    @property
    def room(self) -> int:
        session = self.session
        return session.free if session.can_receive and not self._lost else 0

    def hand_all(self, items: Sequence[Item]) -> None:
        self.session.send_all(items, self.turns.loop.time())
        self.turns.has_output(self)

    # -- bind and the rest

    def _other(self, frame: Frame, now: float, arrived_s: float) -> None:
        if frame.command_id in (BIND_TRANSMITTER, BIND_RECEIVER, BIND_TRANSCEIVER):
            if self.kind or self._checking is not None:
                self.session.answer(frame, ESME_RALYBND)
            else:
                self._bind(frame)
        elif not self.providers.commands.take(self, frame, now, arrived_s):
            self.session.answer(frame, ESME_RINVCMDID)  # a provider has nothing to deliver to us

    def _bind(self, frame: Frame) -> None:
        request = self.session.bind_request(frame)
        providers = self.providers
        access = providers.directory.accesses.get(request.system_id)
        cause, status = self._may_bind(access)
        if cause or access is None:
            self._refuse(frame, cause, status, access)
            return
        verdict = providers.doorkeeper.check(access.account.password, request.password, access.account.system_id, self.peer)
        if verdict is None:
            self._refuse(frame, "busy", ESME_RBINDFAIL, access)
        elif isinstance(verdict, bool):
            self._checked(frame, access, verdict)
        else:
            self._checking = self.turns.loop.create_task(self._later(frame, access, verdict))

    def _may_bind(self, access: Access | None) -> tuple[str, int]:
        """Cheap questions before the password: (cause, status), or an empty cause."""
        providers = self.providers
        if not providers.accepting:
            return providers.why_not_accepting, ESME_RBINDFAIL
        system_id = access.account.system_id if access is not None else ""  # of all that are nobody's together
        if providers.held_off.held_off(system_id, self.peer, self.turns.loop.time()):
            return "held-off", ESME_RBINDFAIL
        if access is None:
            providers.held_off.failed("", self.peer, self.turns.loop.time())
            return "unknown-account", ESME_RINVSYSID
        if not may_come(access.provider, self.peer):
            return "address", ESME_RBINDFAIL
        held = providers.directory.provider_binds.get(access.provider.name, 0)
        own = access.account.binds
        if held >= access.provider.binds or (own is not None and access.binds >= own):
            return "too-many-binds", ESME_RBINDFAIL
        return "", 0

    async def _later(self, frame: Frame, access: Access, verdict: asyncio.Future[bool]) -> None:
        """A hashed password is checked in a thread: the loop goes on meanwhile."""
        good = await verdict
        self._checking = None
        if not self.lost:
            self._again(frame, access, good)
            self.turns.has_output(self)

    def _again(self, frame: Frame, asked: Access, good: bool) -> None:
        """What was true a moment ago may not be any more."""
        access, cause, status = self._as_it_is(asked)
        if cause or access is None:
            self._refuse(frame, cause, status, access)
        else:
            self._checked(frame, access, good)

    def _as_it_is(self, asked: Access) -> tuple[Access | None, str, int]:
        """The account after a wait, in which settings may have been read, and why it may not bind, if it may not: (cause, status). Where its
        password is another now nobody knows whether this was the right one: who asks again is told."""
        access = self.providers.directory.accesses.get(asked.account.system_id)
        if access is not None and access.account.password != asked.account.password:
            return access, "busy", ESME_RBINDFAIL
        return access, *self._may_bind(access)

    async def _elsewhere(self, frame: Frame, asked: Access, may_bind: Callable[[Access], Awaitable[bool]]) -> None:
        """Other nodes may hold all the binds there are."""
        given = await may_bind(asked)
        self._checking = None
        if self.lost:
            return
        access, cause, status = self._as_it_is(asked) if given else (asked, "too-many-binds", ESME_RBINDFAIL)
        if cause or access is None:
            self._refuse(frame, cause, status, access)
        else:
            self._accept(frame, access)
        self.turns.has_output(self)

    def _checked(self, frame: Frame, access: Access, good: bool) -> None:
        providers = self.providers
        if not good:
            providers.held_off.failed(access.account.system_id, self.peer, self.turns.loop.time())
            self._refuse(frame, "password", ESME_RINVPASWD, access)
            return
        providers.held_off.passed(access.account.system_id, self.peer)
        if providers.may_bind is None:
            self._accept(frame, access)
        else:
            self._checking = self.turns.loop.create_task(self._elsewhere(frame, access, providers.may_bind))

    def _accept(self, frame: Frame, access: Access) -> None:
        providers = self.providers
        name = access.provider.name
        self.access, self.window = access, access.provider.window
        self.session.accept_bind(frame, NAME)
        self.session.window = access.provider.window
        self.kind = self.session.state.removeprefix("bound_")
        self.number = providers.take_number()
        self.since, self._counted = time.time(), (self._taken, self.turns.loop.time())
        self.peer_version = self.session.interface_version
        access.binds += 1
        providers.directory.provider_binds[name] = providers.directory.provider_binds.get(name, 0) + 1
        providers.bound[name].append(self)
        if self.session.can_receive:
            providers.way_back.bound(name)
        self.piece_bytes, self.noisy = BOUND_PIECE_BYTES, False
        self.let_wait(UNREAD_BYTES_MAX)
        account = access.account.system_id
        providers.log_bind(name, account, self.kind, self.peer)

    def _refuse(self, frame: Frame, cause: str, status: int, access: Access | None) -> None:
        provider = access.provider.name if access is not None else ""
        self.providers.tally.bind_failures[cause, provider] += 1
        self.session.refuse_bind(frame, status)
        self.noise += BIND_NOISE
        self.providers.failures += 1
        self.providers.log_refusal(cause, provider, self.peer)


def may_come(provider: Provider, peer: str) -> bool:
    """Whether the provider's people may come from this address; from none that is not known, where some are listed."""
    if not provider.allow_ips:
        return True
    return within(peer, provider.allow_ips)
