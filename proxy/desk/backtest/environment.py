"""Supplies senders, binds, rule ids and a lane where no gate runs.

In: the settings, verdict records of the journal. Out: senders, binds, a lane that is as open as it was for the message.
Never: sockets, a queue.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import NamedTuple, cast

from proxy.config import Settings
from proxy.journal.encoding import unpack
from proxy.journal.records import gate_events, messages, operator_actions
from proxy.model.message import ORDER_NUMBERS_FROM, Category, Content, Message, Sender, Verdict
from proxy.policy.ruleset import RuleSet
from proxy.relay.account_access import EMPTY, covers
from proxy.relay.pending_submit import Bind, PendingSubmit, Places, SubmitLane
from proxy.wire import ContentCache, Frame, Malformed, reread_content
from proxy.wire.submit import read_data_sm
from proxy.wire.tables import DATA_SM, SUBMIT_SM

SENDERS_MAX = 262_144
"""Ports are the providers' to choose: past it all are made anew."""
_SUBMIT, _DATA = SUBMIT_SM.to_bytes(4, "big"), DATA_SM.to_bytes(4, "big")
FULL = frozenset(("queue-full", "no-route"))
"""Reasons of the gate for a message that the rules let pass."""


NamesOf = Callable[[str], tuple[str, ...]]
"""The ids of a set of rules by its revision."""


class KnownProvider(NamedTuple):
    """What the settings say of a provider that rules can read."""

    category: Category | None = None
    since: float | None = None
    replaces: bool = False
    ports: tuple[str, ...] = ()
    """Its registered prefixes."""

    def prefix(self, port: str) -> str:
        """That of a port from which it sent; of one that is registered no more the port itself."""
        return max((one for one in self.ports if covers(one, port)), key=len, default=port) or EMPTY


def known_providers(settings: Settings) -> dict[str, KnownProvider]:
    return {one.name: KnownProvider(one.category, one.since, one.replace, one.ports) for one in settings.providers}


class Senders:
    """Makes the Sender and the bind of journalled messages."""

    def __init__(self, known: Mapping[str, KnownProvider]) -> None:
        self._known = known
        self._made: dict[tuple[str, str, str], Sender] = {}
        self._binds: dict[tuple[str, str], Bind] = {}
        self.unknown: set[str] = set()
        """Providers the settings do not name: their default category is not known here."""

    @classmethod
    def of(cls, settings: Settings) -> Senders:
        return cls(known_providers(settings))

    def find(self, provider: str, account: str, port: str) -> Sender:
        key = provider, account, port
        found = self._made.get(key)
        if found is None:
            if len(self._made) >= SENDERS_MAX:
                self._made.clear()
            known = self._known.get(provider)
            if known is None:
                self.unknown.add(provider)
                known = KnownProvider()
            found = self._made[key] = Sender.of(provider, account, port, known.prefix(port), known.category, known.since)
        return found

    def message(self, submit: messages.VerdictRecord, content: Content) -> Message:
        return Message(self.find(submit.provider, submit.account, submit.port), submit.recipient, content)

    def replaces(self, provider: str) -> bool:
        """Whether the gate lets this provider replace messages."""
        known = self._known.get(provider)
        return known is not None and known.replaces

    @property
    def any_replaces(self) -> bool:
        return any(one.replaces for one in self._known.values())

    def bind(self, provider: str, account: str) -> Bind:
        """The bind a message came by."""
        found = self._binds.get((provider, account))
        if found is None:
            access = SimpleNamespace(
                provider=SimpleNamespace(name=provider), account=SimpleNamespace(system_id=account), vendor_statuses=True
            )
            found = self._binds[provider, account] = cast("Bind", SimpleNamespace(access=access))
        return found


def read_case(submit: messages.VerdictRecord, memo: ContentCache) -> Content | None:
    """The content of a submit_sm or data_sm of the journal; None for anything else (replace_sm), or if it cannot be read."""
    data = submit.data
    command = data[4:8]
    try:
        if command == _SUBMIT:
            return reread_content(data, memo, submit.time, submit.digest)
        if command == _DATA:
            return read_data_sm(Frame(DATA_SM, 0, 0, data), memo, submit.time).content
    except Malformed:
        pass
    return None


def no_names(_revision: str) -> tuple[str, ...]:
    return ()


class RuleIds:
    """Ids of rules, and names of orders, by their numbers in verdicts, as the journal gives them."""

    def __init__(self, names_of: NamesOf = no_names) -> None:
        """``names_of``: is asked where the journal that is read does not say them."""
        self._names_of = names_of
        self._rules: dict[str, tuple[str, ...]] = {}
        self._orders: dict[int, str] = {}

    def learn(self, rules: RuleSet) -> None:
        """A set's ids: the record that said them may have been removed from the journal."""
        self._rules.setdefault(rules.revision, tuple(rule.id for rule in rules.rules))

    def note(self, kind: int, body: bytes) -> None:
        """A record of RULES or ORDERED."""
        if kind == messages.RULES:
            rules = unpack(gate_events.Rules, body)
            self._rules[rules.revision] = rules.ids
        else:
            order = unpack(operator_actions.Ordered, body).order
            self._orders[order.id & ORDER_NUMBERS_FROM - 1] = order.name

    def of(self, revision: str, number: int, lost_order: str = "order-{}") -> str:
        """``#3``, ``lost_order``: a name that is not known."""
        order = number - ORDER_NUMBERS_FROM
        if order >= 0:
            return self._orders.get(order, lost_order.format(order))
        names = self._rules.get(revision) or self._names_of(revision)
        return names[number] if number < len(names) else f"#{number}"


class SoleLane(SubmitLane):
    """The one way to the carrier (Routes, and its one Lane): as open as it was for the message at hand."""

    only = None
    """Each message has to ask."""

    def __init__(self) -> None:
        self.name, self.apart, self.debt, self.places = "then", 0, 0, Places()
        self.set_reason("")

    def set_reason(self, reason: str) -> None:
        """Sets why the gate had no place for the message though no rule objected; empty where it had."""
        self.up = reason != "no-route"
        self.places.most = [0.0 if reason == "queue-full" else math.inf] * len(Category)

    def lane(self, message: Message, verdict: Verdict) -> SubmitLane | None:
        return self if self.up else None

    def release(self, category: Category) -> None:
        return None

    def put(self, pending: PendingSubmit) -> None:
        return None
