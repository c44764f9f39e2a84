"""Defines the frozen settings and SettingsError.

In: nothing. Out: ``Settings`` and its parts; ``SettingsError``. Never: a password in a repr.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from proxy.config.mapping_reader import Address, Network
from proxy.model.message import Category, Outcome
from proxy.model.roles import Role


class SettingsError(ValueError):
    """The settings cannot be used: their author must correct the file. ``problems`` has every fault, in the order of lines."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__(problems[0])
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Tls:
    """The TLS listener for providers; with ``client_ca`` only clients with a certificate that it signed are accepted."""

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
    """Whether every connection begins with a PROXY header of a load balancer."""
    proxy_from: tuple[Network, ...]
    """The load balancers; empty: a PROXY header from any address is believed."""


@dataclass(frozen=True, slots=True)
class Token:
    """A program that may use HTTP, identified by a token."""

    name: str
    token: str = field(repr=False)  # sha256$digest
    role: Role = Role.VIEWER


@dataclass(frozen=True, slots=True)
class Http:
    listen: Address
    metrics_allow: tuple[Network, ...]
    hosts: tuple[str, ...]
    """Host names under which the gate answers requests without a token, beside its addresses and its machine's name."""
    tokens: tuple[Token, ...]


@dataclass(frozen=True, slots=True)
class Console:
    """The web console for people of the desk."""

    listen: Address | None
    """None: no console."""
    origin: str
    """The URL before each path in browsers: ``https://gate.example.cn``; empty: the listen address."""
    proxies: tuple[Network, ...]
    """Reverse proxies that end TLS; their ``X-Forwarded-For`` is believed."""


@dataclass(frozen=True, slots=True)
class SmppTimers:
    bind_s: float
    enquire_s: float
    response_s: float
    unread_s: float


PROBE_TEXT = "退订通路测试，收到请回复{keyword}。"
"""The default text of a probe of a reply path."""


@dataclass(frozen=True, slots=True)
class OptOutReplies:
    """How opt-out replies are handled."""

    widen_after: int  # opt-outs from so many advertisers …
    widen_days: int  # … within so many days count as an opt-out from all marketing; 0: never
    confirm: str  # confirmation text, unless the provider has its own; empty: none
    answer_hours: float  # age at which an advertisement counts as unanswered
    probe_text: str = PROBE_TEXT  # text of a probe to a test number
    probe_s: float = 120.0  # time limit for the reply to a probe


@dataclass(frozen=True, slots=True)
class MailboxBounds:
    """Bounds of the delivers that wait for absent providers: of each provider's queue, and of all queues."""

    hours: float
    messages: int
    megabytes: int
    total_megabytes: int


@dataclass(frozen=True, slots=True)
class LongMessages:
    """Bounds of each provider's incomplete multipart messages, and how long one that never became complete counts."""

    held_megabytes: int = 32
    torn_keys: int = 1_000_000
    parts_remembered_hours: float = 24.0


@dataclass(frozen=True, slots=True)
class Hold:
    """A legal hold: a period whose records must not be removed."""

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
    """The archive: the folder of its tables, and of the keys with which numbers in them are hashed."""

    folder: Path
    keys: Path
    roll: bool
    """Whether the gate itself rolls closed segments into tables."""


@dataclass(frozen=True, slots=True)
class Sealing:
    """Files of the keys that encrypt the journal."""

    keys: tuple[Path, ...]
    """The first key encrypts, all decrypt; empty: the journal is not encrypted."""


@dataclass(frozen=True, slots=True)
class RuleRevisions:
    """How rule sets take effect, and where earlier sets are kept."""

    folder: Path
    keep: int
    four_eyes: bool
    """A changed set waits until a second person approves it."""


@dataclass(frozen=True, slots=True)
class Person:
    """A person with a role, identified by a token."""

    name: str
    token: str = field(repr=False)  # scrypt$salt$digest, or sha256$digest of one that a machine made
    user: str
    """The person's own account of the operating system."""
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
    """Digits that the carrier puts before a port in ``destination_addr``."""
    receipts_by_text: bool
    receipt_id: str  # same | hex | dec: how receipts write what answers name (proxy/relay/message_ids.py)
    tls: bool
    tls_ca: Path | None = None
    """CA certificates for its certificate; None: those of the system."""
    tls_cert: Path | None = None
    """Our client certificate, if the carrier requires one …"""
    tls_key: Path | None = None
    """… and its key."""
    tls_name: str = ""
    """The name in its certificate, if it is not the host name."""
    receipt_id_width: int = 0
    """Minimum digits of the ids in its responses; 0: learned from responses with leading zeros."""


@dataclass(frozen=True, slots=True)
class Account:
    """One system_id of a provider; None means that only the provider's bound applies."""

    system_id: str
    password: str = field(repr=False)  # in clear, or scrypt$salt$digest
    ports: tuple[str, ...] | None
    tps: float | None
    binds: int | None


@dataclass(frozen=True, slots=True)
class Upstream:
    """A provider's own account at a carrier: its submits use this account only, and delivers from it belong to this provider."""

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
    confirm: str | None = None  # confirmation text of opt-outs at its ports: empty = none, None = as for all providers
    replace: bool = False
    """Whether it may use replace_sm: then message ids are kept for two days."""
    reserved_values: str = "refuse"  # relay | refuse
    """How requests with values that SMPP 3.4 reserves are handled."""
    token: str = field(default="", repr=False)
    """sha256$digest of its HTTP token; empty: no access."""


@dataclass(frozen=True, slots=True)
class SharedStore:
    """The connection to a shared store, and this node's copy of it."""

    local: Path
    """The file of the copy."""
    secret: str = field(repr=False)
    """The key with which recipients' numbers are hashed; the same on all nodes."""
    user: str
    password: str = field(repr=False)
    tls_ca: Path | None
    """CA certificates for the servers' certificates; None: those of the system."""
    tls_cert: Path | None
    tls_key: Path | None
    parts: int
    deadline_s: float
    """A call that takes longer is given up, and the store counts as unreachable."""
    reassert_s: float
    """After the store is reachable again, this node repeats its facts from this many seconds before the loss."""
    stale_s: float
    """A node without news from the others for so long defers marketing."""


class StoragePaths(NamedTuple):
    """The paths of a gate's durable data."""

    store: Path
    """The embedded store's file."""
    journal: Path
    revisions: Path
    """Folder of earlier and candidate rule sets."""
    sealing: Sealing = Sealing(())
    keys: Path | None = None
    """Folder of the archive's keys, which backups leave out."""


@dataclass(frozen=True, slots=True)
class Settings:
    smpp: Smpp
    http: Http
    console: Console
    control: Path
    control_group: str
    """The group that may open the control socket, beside the gate's own user; empty: none."""
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
