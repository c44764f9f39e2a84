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
from proxy.config.mapping_reader import within
from proxy.model.counters import GateCounters
from proxy.model.lockout import Lockout
from proxy.net.authenticator import Authenticator
from proxy.net.link import PIECE_BYTES as BOUND_PIECE_BYTES
from proxy.net.link import UNREAD_BYTES_MAX, Link, Turns
from proxy.relay.account_access import Access, Directory
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
"""Of a connection that is not bound: input processed at once (the longest bind has 98 octets), further input that is read slowly, and output
that may wait. The sum bounds the memory of each."""
BIND_NOISE = 10
"""Noise of a refused bind: it leads to nothing, and costs more than other PDUs."""
LATE_MAX = 1024
"""Given-up delivers of a bind whose late answer is still recognised: it saves the provider a second copy."""
KICKED_S = 2.0
"""Time for a kicked bind to answer our unbind; then its connection is closed."""
RATE_S = 1.0
"""Interval over which a bind's rate is measured."""
NAME = "gate106"
"""Our system_id in bind responses."""


class ProviderHost(Protocol):
    """What a link uses of provider.Providers."""

    directory: Directory
    relay: Relay
    turns: Turns
    tally: GateCounters
    timers: SmppTimers
    deliver_relay: DeliverRelay
    commands: Commands
    connections_max: int
    links: set[ProviderLink]
    bound: defaultdict[str, list[ProviderLink]]
    """Binds by provider, the oldest first."""
    authenticator: Authenticator
    lockout: Lockout
    accepting: bool
    why_not_accepting: str
    may_bind: Callable[[Access], Awaitable[bool]] | None
    """Asks all nodes whether an account may have one more bind; None where this node alone decides."""
    failures: int
    """Connections refused or cut off since the last tick."""

    def next_bind_number(self) -> int:
        """The number of the next bind, by which commands name it."""

    def count_refusal(self, cause: str) -> None:
        """Counts a connection that was turned away."""

    def log_bind(self, provider: str, account: str, kind: str, peer: str) -> None:
        """Logs a bind."""

    def log_refusal(self, cause: str, provider: str, peer: str) -> None:
        """Logs a refused bind."""

    def log_disturbance(self, cause: str, why: str, provider: str, peer: str) -> None:
        """Logs a provider that is cut off, or read slowly."""


class ProviderLink(Link):
    """One connection of a provider; once bound, the relay's ``Bind``."""

    access: Access
    unread_bytes_max = STRANGER_UNREAD_BYTES_MAX
    piece_bytes = STRANGER_PIECE_BYTES

    def __init__(self, providers: ProviderHost, peer: str = "") -> None:
        """``peer``: the address in a balancer's header; empty without one."""
        timers = providers.timers
        super().__init__(Session("provider", timers, providers.turns.loop.time(), 0), providers.turns)
        self.providers = providers
        self.unanswered = 0
        self.window = 0
        self.peer_version = 0
        self.kind = ""
        self.number = 0
        """Of the bind; 0 until it is bound."""
        self.since = 0.0
        self.tps = 0.0
        """Requests a second, as of a second ago."""
        self._taken = 0
        self._counted = 0, 0.0  # requests counted, and when
        self._late: OrderedDict[int, Item] = OrderedDict()
        self._checking: asyncio.Task[None] | None = None
        self._proxied_peer = peer

    # -- connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if len(self.providers.links) >= self.providers.connections_max:
            transport.close()
            self.providers.count_refusal("too-many-connections")
            return
        self.providers.links.add(self)
        super().connection_made(transport)
        self.peer = self._proxied_peer or self.peer

    def on_lost(self) -> None:
        self.providers.links.discard(self)
        if self.kind:
            directory, name = self.providers.directory, self.access.provider.name
            counted = directory.accesses.get(
                self.access.account.system_id, self.access
            )  # after a reload it may be another provider's
            counted.binds -= 1
            directory.provider_binds[name] -= 1
            self.providers.bound[name].remove(self)
            self.kind = ""
        self.providers.deliver_relay.lost(self.session.abandon())

    def on_overdue(self, tickets: Iterable[tuple[int, Item]]) -> None:
        for sequence, item in tickets:
            self._late[sequence] = item
            if len(self._late) > LATE_MAX:
                self._late.popitem(last=False)
        self.providers.deliver_relay.unanswered([item for _, item in tickets])

    def on_received(self, received: Received, now: float) -> None:
        arrived_s = time.monotonic()
        requests, answers, strays = received
        self._taken += len(requests)
        if requests:
            self._process_all(requests, now, arrived_s)
        if answers:
            self.providers.deliver_relay.answered(answers, now)
        for sequence, frame in strays:
            item = self._late.pop(sequence, None)
            if item is not None and frame.command_status == ESME_ROK:
                self.providers.deliver_relay.delivered(item)

    def _process_all(self, requests: list[Frame], now: float, arrived_s: float) -> None:
        relay = self.providers.relay
        if are_all(requests, SUBMIT_SM):
            relay.submit_all(self, requests, now, arrived_s)
            return
        for frame in requests:
            if frame.command_id == SUBMIT_SM:
                relay.submit(self, frame, now, arrived_s)
            else:
                self._process_other(frame, now, arrived_s)

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
    def party(self) -> str:
        """The provider's name, empty until it is bound."""
        return self.access.provider.name if self.number else ""

    @property
    def label(self) -> str:
        """The bind's name in commands: ``jia#17``; until it is bound, its address."""
        return f"{self.access.account.system_id}#{self.number}" if self.number else self.peer

    @property
    def waiting(self) -> int:
        """Submits that wait for the provider's rate."""
        paced = self.access.paced
        return sum(one.pending.bind is self for one in paced.pacer) if paced is not None else 0

    def kick(self) -> None:
        """Unbinds, and closes the connection after KICKED_S."""
        self.session.unbind()
        self.turns.has_output(self)
        self.turns.loop.call_later(KICKED_S, self.close)

    @property
    def unread_bytes(self) -> int:
        """Octets of our output that the peer has not read yet."""
        return self.transport.get_write_buffer_size() if self.transport is not None and not self.lost else 0

    # -- what Link calls

    def process_piece(self) -> bool:
        if super().process_piece():
            if self.kind or self.session.closing is not None:
                return True
            self.noisy = True
            if len(self._unprocessed) <= STRANGER_KEPT_BYTES_MAX:
                return True
            self.session.closing = "too much before a bind"
            self.turns.has_output(self)
        return False

    def on_disturbance(self, cause: str) -> None:
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

    # -- the relay's Bind

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

    # -- binding, other requests

    def _process_other(self, frame: Frame, now: float, arrived_s: float) -> None:
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
        verdict = providers.authenticator.check(access.account.password, request.password, access.account.system_id, self.peer)
        if verdict is None:
            self._refuse(frame, "busy", ESME_RBINDFAIL, access)
        elif isinstance(verdict, bool):
            self._password_checked(frame, access, verdict)
        else:
            self._checking = self.turns.loop.create_task(self._await_password(frame, access, verdict))

    def _may_bind(self, access: Access | None) -> tuple[str, int]:
        """Cheap checks before the password: (cause, status); an empty cause: it may bind."""
        providers = self.providers
        if not providers.accepting:
            return providers.why_not_accepting, ESME_RBINDFAIL
        system_id = access.account.system_id if access is not None else ""  # unknown accounts share one lockout
        if providers.lockout.held_off(system_id, self.peer, self.turns.loop.time()):
            return "held-off", ESME_RBINDFAIL
        if access is None:
            providers.lockout.note_failure("", self.peer, self.turns.loop.time())
            return "unknown-account", ESME_RINVSYSID
        if not may_come(access.provider, self.peer):
            return "address", ESME_RBINDFAIL
        held = providers.directory.provider_binds.get(access.provider.name, 0)
        own = access.account.binds
        if held >= access.provider.binds or (own is not None and access.binds >= own):
            return "too-many-binds", ESME_RBINDFAIL
        return "", 0

    async def _await_password(self, frame: Frame, access: Access, verdict: asyncio.Future[bool]) -> None:
        """Waits for a hashed password's check in a thread."""
        good = await verdict
        self._checking = None
        if not self.lost:
            self._recheck(frame, access, good)
            self.turns.has_output(self)

    def _recheck(self, frame: Frame, requested: Access, good: bool) -> None:
        """Checks again after the wait: settings may have been reloaded."""
        access, cause, status = self._current_access(requested)
        if cause or access is None:
            self._refuse(frame, cause, status, access)
        else:
            self._password_checked(frame, access, good)

    def _current_access(self, requested: Access) -> tuple[Access | None, str, int]:
        """The account after a wait, in which settings may have been reloaded, and (cause, status) if it may not bind. If its password has
        changed, the finished check says nothing: the client must try again."""
        access = self.providers.directory.accesses.get(requested.account.system_id)
        if access is not None and access.account.password != requested.account.password:
            return access, "busy", ESME_RBINDFAIL
        return access, *self._may_bind(access)

    async def _ask_other_nodes(self, frame: Frame, requested: Access, may_bind: Callable[[Access], Awaitable[bool]]) -> None:
        """Asks whether other nodes hold all the binds already."""
        given = await may_bind(requested)
        self._checking = None
        if self.lost:
            return
        access, cause, status = self._current_access(requested) if given else (requested, "too-many-binds", ESME_RBINDFAIL)
        if cause or access is None:
            self._refuse(frame, cause, status, access)
        else:
            self._accept(frame, access)
        self.turns.has_output(self)

    def _password_checked(self, frame: Frame, access: Access, good: bool) -> None:
        providers = self.providers
        if not good:
            providers.lockout.note_failure(access.account.system_id, self.peer, self.turns.loop.time())
            self._refuse(frame, "password", ESME_RINVPASWD, access)
            return
        providers.lockout.note_success(access.account.system_id, self.peer)
        if providers.may_bind is None:
            self._accept(frame, access)
        else:
            self._checking = self.turns.loop.create_task(self._ask_other_nodes(frame, access, providers.may_bind))

    def _accept(self, frame: Frame, access: Access) -> None:
        providers = self.providers
        name = access.provider.name
        self.access, self.window = access, access.provider.window
        self.session.accept_bind(frame, NAME)
        self.session.window = access.provider.window
        self.kind = self.session.state.removeprefix("bound_")
        self.number = providers.next_bind_number()
        self.since, self._counted = time.time(), (self._taken, self.turns.loop.time())
        self.peer_version = self.session.interface_version
        access.binds += 1
        providers.directory.provider_binds[name] = providers.directory.provider_binds.get(name, 0) + 1
        providers.bound[name].append(self)
        if self.session.can_receive:
            providers.deliver_relay.bound(name)
        self.piece_bytes, self.noisy = BOUND_PIECE_BYTES, False
        self.limit_unread(UNREAD_BYTES_MAX)
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
    """Whether the provider may connect from this address; an unknown one is refused where addresses are listed."""
    if not provider.allow_ips:
        return True
    return within(peer, provider.allow_ips)
