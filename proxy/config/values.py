"""Defines the frozen settings and SettingsError.

In: nothing. Out: ``Settings`` and its parts; ``SettingsError``. Never: a password in a repr.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from proxy.config.fields import Address, Network
from proxy.model.message import Category, Outcome
from proxy.model.roles import Role


class SettingsError(ValueError):
    """The settings cannot be used: whoever wrote them must mend the file. ``problems`` has every fault, by line."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__(problems[0])
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Tls:
    """Where providers may bind over TLS; with ``client_ca`` only those with a certificate it signed."""

    listen: Address
    cert: Path
    key: Path
    client_ca: Path | None


@dataclass(frozen=True, slots=True)
class Smpp:
    listen: Address
    connections: int
    tls: Tls | None
    proxy_protocol: bool
    """Whether every connection begins with a balancer's word on whom it speaks for."""
    proxy_from: tuple[Network, ...]
    """The balancers; none: whoever can reach the listener is believed."""


@dataclass(frozen=True, slots=True)
class Token:
    """A program that may ask over HTTP, known by a token."""

    name: str
    token: str = field(repr=False)  # sha256$digest
    role: Role = Role.VIEWER


@dataclass(frozen=True, slots=True)
class Http:
    listen: Address
    metrics_allow: tuple[Network, ...]
    hosts: tuple[str, ...]
    """Names of this gate, beside its addresses and its machine's name, under which it answers who has no token."""
    tokens: tuple[Token, ...]


@dataclass(frozen=True, slots=True)
class Console:
    """Where people of the desk work in a browser."""

    listen: Address | None
    """None: nowhere."""
    origin: str
    """What stands before each path in their browsers: ``https://gate.example.cn``; empty: where it listens."""
    proxies: tuple[Network, ...]
    """Who may say whom they speak for: what stands before it and ends TLS."""


@dataclass(frozen=True, slots=True)
class SmppTimers:
    bind_s: float
    enquire_s: float
    response_s: float
    unread_s: float


PROBE_TEXT = "退订通路测试，收到请回复{keyword}。"
"""Of a test message, if nothing else is set."""


@dataclass(frozen=True, slots=True)
class OptOutReplies:
    """How replies that refuse are taken."""

    widen_after: int  # refusals of so many advertisers …
    widen_days: int  # … within so many days are one of all marketing; 0 refusals: never
    confirm: str  # what the person is told, unless the provider has words of its own; empty: nothing
    answer_hours: float  # so old is an advertisement before it counts as unanswered
    probe_text: str = PROBE_TEXT  # of a test message to a number of our own
    probe_s: float = 120.0  # its reply must come within


@dataclass(frozen=True, slots=True)
class MailboxBounds:
    """How much waits for providers that do not fetch it: bounds of each provider's box, and of all of them."""

    hours: float
    messages: int
    megabytes: int
    total_megabytes: int


@dataclass(frozen=True, slots=True)
class LongMessages:
    """Bounds of each provider's long messages that are not whole, and how long one that never became whole counts."""

    held_megabytes: int = 32
    torn_keys: int = 1_000_000
    parts_remembered_hours: float = 24.0


@dataclass(frozen=True, slots=True)
class Hold:
    """A time whose records must stay (a legal hold)."""

    begin: float
    end: float
    why: str


@dataclass(frozen=True, slots=True)
class Retention:
    """How long the journal is kept."""

    days: int
    holds: tuple[Hold, ...]


@dataclass(frozen=True, slots=True)
class Archive:
    """The journal at rest: where its tables are, and the keys that numbers in them are under."""

    folder: Path
    keys: Path
    roll: bool
    """Whether the gate has closed segments rolled by itself."""


@dataclass(frozen=True, slots=True)
class Sealing:
    """Files of the keys that the journal is sealed with."""

    keys: tuple[Path, ...]
    """The first seals, all open; none: the journal is written in the clear."""


@dataclass(frozen=True, slots=True)
class RuleRevisions:
    """How sets of rules come into force, and where earlier ones are kept."""

    folder: Path
    keep: int
    four_eyes: bool
    """A changed set waits until a second person approves it."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody whose word counts, known by a token."""

    name: str
    token: str = field(repr=False)  # scrypt$salt$digest, or sha256$digest of one that a machine made
    user: str
    """The account of the operating system that is theirs alone."""
    roles: frozenset[Role]


@dataclass(frozen=True, slots=True)
class Carrier:
    """A carrier's SMSC and how to bind to it. ``links`` and ``tps`` are totals of the account."""

    name: str
    code: str
    host: str
    port: int
    system_id: str
    password: str = field(repr=False)
    bind: str  # transceiver | transmitter+receiver
    links: int
    window: int  # unanswered on one link
    tps: float
    routes: frozenset[str]
    """Provinces it serves; with no ``prefixes`` either it serves everyone."""
    prefixes: tuple[str, ...]
    weight: int
    strip: str
    """What it puts before a port in ``destination_addr``."""
    receipts_by_text: bool
    receipt_id: str  # same | hex | dec: how receipts write what answers name (proxy/relay/message_ids.py)
    tls: bool
    tls_ca: Path | None = None
    """Who signs its certificate; None: whoever the system trusts."""
    tls_cert: Path | None = None
    """Our own, where it asks for one …"""
    tls_key: Path | None = None
    """… and its key."""
    tls_name: str = ""
    """The name its certificate is made out to, if that is not its host."""
    receipt_id_width: int = 0
    """Digits at least of the ids in its answers; 0: as answers that begin with 0 show."""


@dataclass(frozen=True, slots=True)
class Account:
    """One system_id of a provider; None means that only the provider's own bound holds."""

    system_id: str
    password: str = field(repr=False)  # in clear, or scrypt$salt$digest
    ports: tuple[str, ...] | None
    tps: float | None
    binds: int | None


@dataclass(frozen=True, slots=True)
class Upstream:
    """A provider's own account at a carrier: its submits leave there only, and what arrives there is its own."""

    carrier: str
    system_id: str
    password: str = field(repr=False)
    links: int
    window: int
    tps: float


@dataclass(frozen=True, slots=True)
class Provider:
    """A company that sends. ``ports`` are prefixes of digits, or sources that are owned literally."""

    name: str
    accounts: tuple[Account, ...]
    ports: tuple[str, ...]
    allow_ips: tuple[Network, ...]  # empty: from anywhere
    tps: float | None  # None: no rate of its own
    binds: int
    window: int
    category: Category | None
    statuses: str  # vendor | standard
    status_detail: str  # none | tlv
    since: float | None
    upstream: Upstream | None = None
    confirm: str | None = None  # what is said to who refuses at its ports: empty = nothing, None = as all providers
    replace: bool = False
    """Whether it may replace messages: then their ids are kept for two days."""
    reserved_values: str = "refuse"  # relay | refuse
    """What becomes of its requests with values that SMPP 3.4 reserves."""
    token: str = field(default="", repr=False)
    """sha256$digest of what it asks over HTTP with; empty: it may not."""


@dataclass(frozen=True, slots=True)
class SharedStore:
    """How a store that nodes share is reached, and this node's copy of it."""

    local: Path
    """The file of the copy."""
    secret: str = field(repr=False)
    """What persons' numbers are hashed with; the same on all nodes."""
    user: str
    password: str = field(repr=False)
    tls_ca: Path | None
    """Who signed the servers' certificates; None: whoever the system trusts."""
    tls_cert: Path | None
    tls_key: Path | None
    parts: int
    deadline_s: float
    """A call that takes longer is given up, and the store is out of reach."""
    reassert_s: float
    """After that, what this node has noted since so long before is told again."""
    stale_s: float
    """Who has heard nothing from the others for so long defers marketing."""


class StoragePaths(NamedTuple):
    """Where a gate keeps what it must not forget."""

    store: Path
    """The embedded store's file."""
    journal: Path
    revisions: Path
    """Folder of the sets of rules that were in force or wait."""
    sealing: Sealing = Sealing(())
    keys: Path | None = None
    """Folder of the archive's keys, which are in no copy."""


@dataclass(frozen=True, slots=True)
class Settings:
    smpp: Smpp
    http: Http
    console: Console
    control: Path
    control_group: str
    """Who else may open the control socket, beside the gate's own user; empty: nobody."""
    store: str
    shared: SharedStore | None
    """None with an embedded store."""
    journal: Path
    rules: Path
    message_ids: str  # carrier | coded
    timers: SmppTimers
    mailbox: MailboxBounds
    long_messages: LongMessages
    retention: Retention
    archive: Archive
    sealing: Sealing
    carriers: tuple[Carrier, ...]
    providers: tuple[Provider, ...]
    on_judge_error: Mapping[Category, Outcome]
    node: int
    category_tag: int | None
    optout: OptOutReplies
    doubtful_replies: str  # hold | pass
    doubtful_then: str  # refuse | pass
    consent_by_reply: str  # accept | review
    revisions: RuleRevisions
    people: tuple[Person, ...]
