"""Declares the settings: key, type, default, bounds, meaning.

One field is one setting: ``gate106.yaml`` is read by it, ``gate106 settings show`` and the table of the guide are made of it.

In: nothing. Out: ``Settings`` and its parts; carriers, providers and people are in peers.py. Never: a password in a repr.
"""

# Not "from __future__ import annotations": the declarations are read when the program runs.

import ipaddress
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, NamedTuple

import proxy.config.setting_kinds as kinds
from proxy.config.mapping_reader import Address, Fields, Network
from proxy.config.peers import CARRIERS_MAX, PEOPLE_MAX, PROVIDERS_MAX, USER, Carrier, Person, Provider, Token
from proxy.model.message import Category, Outcome

CONFIRM = "退订已生效，您将不再收到{who}的营销短信。如需恢复，请回复START。"
"""The default confirmation text of an opt-out."""
PROBE_TEXT = "退订通路测试，收到请回复{keyword}。"
"""The default text of a probe of a reply path."""
DAYS_LEAST = 31
"""Recipients' records look back 30 days: a gate that has lost its state must find them in the journal."""
TOKENS_MAX = 100  # each is compared at each request from elsewhere
HOLDS_MAX = 1000
SECRET_LEAST = 16
HOSTS_MAX = 100
"""Host names of one gate."""
KEYS_MAX = 100
"""Sealing keys: one a year, with room to spare."""
SOCKET_PATH_BYTES_MAX = 107  # unix(7): sun_path
_TOPIC_URL = r"kafkas?://[^/\s,]+:\d{1,5}(,[^/\s,]+:\d{1,5})*/[A-Za-z0-9._-]{1,249}"


@dataclass(frozen=True, slots=True)
class Tls:
    """The TLS listener for providers; with ``client_ca`` only clients with a certificate that it signed are accepted."""

    listen: Annotated[Address, kinds.ListenAddress(Address("127.0.0.1", 3550), needed=True)]
    """where providers bind over TLS (1.2 or 1.3), beside `smpp.listen`"""
    cert: Annotated[Path, kinds.FilePath("", needed=True)]
    """file of the gate's certificate, and those up to one that providers know; in PEM"""
    key: Annotated[Path, kinds.FilePath("", needed=True)]
    """file of its key, without a password"""
    client_ca: Annotated[Path | None, kinds.FilePath()]
    """file of certificates: a client needs a certificate that one of these signed"""


@dataclass(frozen=True, slots=True)
class Smpp:
    listen: Annotated[Address, kinds.ListenAddress(Address("127.0.0.1", 2775))]
    """where providers bind"""
    connections: Annotated[int, kinds.WholeNumber(10_000, 10, 100_000)]
    """provider connections at once, bound or not; the gate closes further ones at once. Each takes a file descriptor: with
    fewer of them (`LimitNOFILE`, `ulimit -n`) the number is lower, and the log says so"""
    tls: Annotated[Tls | None, kinds.Section(Tls, optional=True)]
    proxy_protocol: Annotated[bool, kinds.Flag(False)]
    """`true`: a balancer is before the gate, and each connection (TLS or not) begins with its PROXY header, version 1 or 2;
    `allow_ips` then checks the address in the header"""
    proxy_from: Annotated[tuple[Network, ...], kinds.Networks(1000, in_words="anywhere")]
    """the balancers' addresses; the gate refuses others. Without it any client that reaches the listener may claim any
    address"""

    def check(self, row: Fields) -> None:
        if self.proxy_from and not self.proxy_protocol:
            row.fault(("proxy_from",), "has no meaning without proxy_protocol: true")


def _host_name(text: str) -> str:
    if not re.fullmatch(r"[a-z0-9]([a-z0-9._-]{0,251}[a-z0-9])?", text.lower()):
        raise ValueError(f"must be a name of this gate (gate.example.cn), not {text!r}")
    return text.lower()


@dataclass(frozen=True, slots=True)
class Http:
    listen: Annotated[Address, kinds.ListenAddress(Address("127.0.0.1", 9106))]
    """where `/metrics`, `/healthz` and `/readyz` are"""
    metrics_allow: Annotated[tuple[Network, ...], kinds.Networks(1000, (ipaddress.ip_network("127.0.0.0/8"),))]
    """addresses and networks that may read `/metrics` without a token"""
    hosts: Annotated[tuple[str, ...], kinds.Texts(HOSTS_MAX, _host_name)]
    """names of this gate under which it answers without a token, beside addresses, names without a dot and its machine's own.
    So a page in a browser on a listed machine cannot ask under another name that leads here"""
    tokens: Annotated[tuple[Token, ...], kinds.Rows(Token, TOKENS_MAX)]


@dataclass(frozen=True, slots=True)
class Console:
    listen: Annotated[Address | None, kinds.ListenAddress(in_words="nowhere")]
    """address of [the console](console.md), for people who work in a browser; a process of its own that the gate starts. Needs
    `people`"""
    origin: Annotated[str, kinds.Origin(in_words="where it listens")]
    """the URL prefix that browsers see, where a proxy ends TLS before the console: `https://gate.example.cn`"""
    proxies: Annotated[tuple[Network, ...], kinds.Networks(100)]
    """addresses and networks of proxies that end TLS before the console: the gate believes their `X-Forwarded-For`"""


@dataclass(frozen=True, slots=True)
class Log:
    """The lines that the gate's processes write to standard output."""

    format: Annotated[str, kinds.Word("console", ("console", "json"))]
    """`console`: [log lines](log-events.md) for people; `json`: each line is one JSON object"""
    level: Annotated[str, kinds.Word("info", ("debug", "info", "warning", "error"))]
    """the lowest level that is logged; `debug` adds each try to reach a carrier"""
    time: Annotated[str, kinds.Word("local", ("local", "utc"))]
    """times of log lines, by RFC 3339: `local`: in the rules' zone (`2026-11-11T20:00:00.000+08:00`); `utc`:
    `2026-11-11T12:00:00.000Z`"""


@dataclass(frozen=True, slots=True)
class SmppTimers:
    bind_s: Annotated[float, kinds.DecimalNumber(10, 0.1, 600)]
    """time within which a connection must be bound"""
    enquire_s: Annotated[float, kinds.DecimalNumber(30, 0.1, 3600)]
    """silence after which the gate sends enquire_link"""
    response_s: Annotated[float, kinds.DecimalNumber(10, 0.1, 600)]
    """time after which an answer is overdue"""
    unread_s: Annotated[float, kinds.DecimalNumber(30, 0.1, 600)]
    """time after which a peer that does not read is disconnected, once 256 KiB wait for it"""


@dataclass(frozen=True, slots=True)
class OptOutReplies:
    widen_after: Annotated[int, kinds.WholeNumber(3, 0, 64)]
    """opt-outs by reply from this many advertisers within `widen_days` stop all marketing to the person; `0`: never"""
    widen_days: Annotated[int, kinds.WholeNumber(30, 1, 366)]
    """see above"""
    confirm: Annotated[str, kinds.ConfirmWording(CONFIRM)]
    """the text of the confirmation to a person who opts out: once a day for the same opt-out, from the port of the reply, if a
    provider owns it; one short message (70 characters, 160 of ASCII). Begin it with the signature that your carrier requires.
    `{who}` stands for the signatures that were stopped; without `{who}` they follow the sentence, as far as they fit; `""`: no
    confirmation"""
    answer_hours: Annotated[float, kinds.DecimalNumber(3, 0, 72)]
    """age at which an advertisement counts as unanswered: people take their time. Before it no port is reported as silent, see
    [Reply paths](messages.md#reply-paths)"""
    probe_text: Annotated[str, kinds.ProbeWording(PROBE_TEXT)]
    """text of a [probe](messages.md#probes) to a test number; `{keyword}` stands for the requested reply; one short message.
    Begin it with the signature that your carrier requires"""
    probe_s: Annotated[float, kinds.DecimalNumber(120, 1, 3600)]
    """time that a probe waits for the reply; without a reply the path is dead"""


@dataclass(frozen=True, slots=True)
class MailboxBounds:
    """Bounds of the delivers that wait for absent providers: of each provider's queue, and of all queues."""

    hours: Annotated[float, kinds.DecimalNumber(72, 0.01, 24 * 30)]
    """how long receipts and replies wait for a provider that is away; then they are dropped"""
    messages: Annotated[int, kinds.WholeNumber(100_000, 1, 10_000_000)]
    """receipts and replies that may wait for one provider; then the oldest are dropped"""
    megabytes: Annotated[int, kinds.WholeNumber(64, 1, 65_536)]
    """memory of those of one provider: 400 bytes each beside their content"""
    total_megabytes: Annotated[int, kinds.WholeNumber(512, 1, 65_536)]
    """the same over all providers; then the fullest mailbox drops its oldest"""


@dataclass(frozen=True, slots=True)
class LongMessages:
    """Bounds of each provider's incomplete multipart messages, and how long one that never became complete counts."""

    held_megabytes: Annotated[int, kinds.WholeNumber(32, 1, 65_536)]
    """memory for incomplete [long messages](../rules/README.md#long-messages) of one provider; a megabyte holds about 400.
    Above it the provider's new long messages are refused for a while (`parts-full`)"""
    torn_keys: Annotated[int, kinds.WholeNumber(1_000_000, 1, 100_000_000)]
    """how many long messages of one provider may have sent only some of their parts within `parts_remembered_hours`, by this
    gate's own count or its records; above it the gate takes only long messages whose parts come together"""
    parts_remembered_hours: Annotated[float, kinds.DecimalNumber(24, 0.1, 24 * 7)]
    """how long the gate refuses further parts and messages under the reference of a long message that stayed incomplete: a
    handset would join the two"""


@dataclass(frozen=True, slots=True)
class Hold:
    """A legal hold: a period whose records must not be removed."""

    begin: Annotated[float, kinds.Day(0.0, needed=True, key="from")]
    """a legal hold: nothing is removed that was written on or after this day …"""
    end: Annotated[float, kinds.Day(math.inf, key="to", until_its_end=True, in_words="for good")]
    """… until the end of this day; nothing after it is removed either, because a journal has no gaps"""
    why: Annotated[str, kinds.Text(needed=True, most=500)]
    """the case, and who ordered the hold"""

    def check(self, row: Fields) -> None:
        if self.end <= self.begin:
            row.fault(("to",), "is before 'from'")


@dataclass(frozen=True, slots=True)
class Retention:
    days: Annotated[int, kinds.WholeNumber(190, DAYS_LEAST, 36_500)]
    """how long the journal is kept; older segments are removed, and the journal records it. What the rules look back on, and
    what a restart needs, is kept in any case; see [Room on the disk](backup.md#room-on-the-disk)"""
    holds: Annotated[tuple[Hold, ...], kinds.Rows(Hold, HOLDS_MAX, key="hold")]


@dataclass(frozen=True, slots=True)
class Archive:
    """The archive: the folder of its tables, and of the keys with which numbers in them are hashed."""

    folder: Annotated[Path, kinds.FilePath("archive", beside_store=True)]
    """folder of [the journal at rest](journal.md): tables for searches, beside the segments; nodes may share it"""
    keys: Annotated[Path, kinds.FilePath("keys", beside_store=True)]
    """folder of the keys that numbers in tables are hashed and sealed with, and that the daily head is signed with; made at the
    first roll; only the gate's own user may read it"""
    roll: Annotated[bool, kinds.Flag(True)]
    """`true`: the gate has closed segments rolled into tables, in a process of the lowest priority; `false`: somebody has to
    run `gate106 journal roll`"""


@dataclass(frozen=True, slots=True)
class Sealing:
    """Files of the keys that encrypt the journal."""

    keys: Annotated[tuple[Path, ...], kinds.FilePaths(KEYS_MAX, in_words="none")]
    """files of the keys that [the journal is sealed with](journal.md#sealed-segments) (`gate106 journal make-key` makes one): the
    first one seals new segments, all of them open old ones; without keys the journal is not encrypted"""


@dataclass(frozen=True, slots=True)
class Follower:
    """The follower on another machine that gets the journal (`gate106 follower serve`)."""

    address: Annotated[Address, kinds.ListenAddress(Address("127.0.0.1", 3551), needed=True)]
    """where [the follower](backup.md#a-follower) listens; over TLS, except on this machine"""
    mode: Annotated[str, kinds.Word(None, ("sync", "async"), needed=True)]
    """`sync`: no answer before the follower has synced what it rests on; `async`: the follower is a little behind"""
    when_away: Annotated[str | None, kinds.Word(None, ("defer", "go_on"), in_words="none")]
    """needed with `sync`: what happens while the follower is away: `defer`: submits get a temporary status; `go_on`: answers do not wait for
    it, and `/readyz` and an alert say so"""
    away_s: Annotated[float, kinds.DecimalNumber(3, 0.1, 60)]
    """so long without an acknowledgement, and the follower counts as away"""
    behind_s: Annotated[float, kinds.DecimalNumber(5, 0.1, 3600)]
    """with `async`: how far behind it may be; `/readyz` and an alert say where it is further behind"""
    files_s: Annotated[float, kinds.DecimalNumber(60, 1, 86_400)]
    """how often state, rule sets, tables and erased segments are copied to it"""
    tls_ca: Annotated[Path | None, kinds.FilePath()]
    """file of the certificates that sign the follower's, in PEM"""
    tls_cert: Annotated[Path | None, kinds.FilePath()]
    """file of our own certificate …"""
    tls_key: Annotated[Path | None, kinds.FilePath()]
    """… and of its key, without a password"""
    tls_name: Annotated[str, kinds.Text("", in_words="its host")]
    """the name in the follower's certificate"""

    def check(self, row: Fields) -> None:
        if self.mode == "sync" and self.when_away is None:
            how = "defer: no submit without the follower; go_on: the gate goes on alone"
            row.fault(("when_away",), f"is needed with mode: sync ({how})")
        if self.mode == "async" and self.when_away is not None:
            row.fault(("when_away",), "has no meaning with mode: async")
        tls = (self.tls_ca, self.tls_cert, self.tls_key)
        if any(one is None for one in tls) and (any(tls) or not is_loopback(self.address.host)):
            row.fault((), "needs tls_ca, tls_cert and tls_key: a journal does not leave this machine in clear")


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@dataclass(frozen=True, slots=True)
class RuleRevisions:
    """How rule sets take effect, and where earlier sets are kept."""

    folder: Annotated[Path, kinds.FilePath("revisions", beside_store=True)]
    """folder of the rule sets that were in force, so that [the gate can go back to them](commands.md#rules-that-change)
    (`revisions`); only its own user may read it"""
    keep: Annotated[int, kinds.WholeNumber(20, 1, 1000)]
    """number of earlier sets that are kept"""
    four_eyes: Annotated[bool, kinds.Flag(False)]
    """`false`: a changed set is in force at once; `true`: it is tried beside the old one and waits until a second person
    approves it. Needs two in `people`"""


@dataclass(frozen=True, slots=True)
class SharedStore:
    """The connection to a shared store, and this node's copy of it."""

    local: Annotated[Path, kinds.FilePath("state.db", beside_store=True, in_words="`state.db` beside the journal")]
    """with a shared store: the file of this node's own copy and of all that is not shared"""
    secret: Annotated[str, kinds.Secret()] = field(repr=False)
    """key of the hash that replaces persons' numbers in the store; the same on all nodes, at least 16 characters. It must never
    change: with another secret no record is found"""
    user: Annotated[str, kinds.Text(in_words="none")]
    """the account there (its ACL); without it the default user"""
    password: Annotated[str, kinds.Secret(needed=False)] = field(repr=False)
    """its password"""
    tls_ca: Annotated[Path | None, kinds.FilePath(in_words="the system's")]
    """file of the certificates that sign the servers', in PEM"""
    tls_cert: Annotated[Path | None, kinds.FilePath()]
    """file of our own certificate, where they ask for one …"""
    tls_key: Annotated[Path | None, kinds.FilePath()]
    """… and of its key, without a password"""
    parts: Annotated[int, kinds.WholeNumber(0, 1, 256, in_words="as the store has, 256 in a new one")]
    """number of parts into which the records of a new store are divided; a cluster's shards share the parts, so it must be at
    least the largest number of shards ever planned. Fixed when the store is first used"""
    deadline_s: Annotated[float, kinds.DecimalNumber(0.25, 0.01, 10)]
    """longest time for a call; after it the store counts as out of reach, and [rules use what this node
    knows](many-gates.md#when-the-store-is-out-of-reach)"""
    persons_max: Annotated[int, kinds.WholeNumber(0, 100_000, 1_000_000_000, in_words="no bound")]
    """number of persons in the copy of each worker from which on it drops those without an opt-out, another fact, or a message in the last 15
    minutes: the store has them. A store that comes back empty gets the dropped ones from other gates, or not at all"""
    gather_ms: Annotated[float, kinds.DecimalNumber(5, 0, 10)]
    """longest interval between two batches of messages: under load messages wait so long for each other, and cost less. It grows with
    the load, from 0 at rest to this at 4,000 messages a second; `0`: never"""
    reassert_s: Annotated[float, kinds.DecimalNumber(60, 1, 3600)]
    """when the store is in reach again, the node writes again what it noted in this time before the failure: more than a
    failover of the store can lose"""
    stale_s: Annotated[float, kinds.DecimalNumber(300, 1, 86_400)]
    """a gate that has read nothing from the other gates for this time may lack opt-outs: [it defers
    marketing](many-gates.md#when-the-store-is-out-of-reach)"""

    def check(self, row: Fields) -> None:
        if (self.tls_cert is None) != (self.tls_key is None):
            row.fault((), "tls_cert and tls_key go together")
        if self.secret and len(self.secret) < SECRET_LEAST:
            row.fault(("secret",), f"must have {SECRET_LEAST} characters at least: who guesses it can tell numbers from keys")


@dataclass(frozen=True, slots=True)
class Stream:
    """The event stream: a topic of a Kafka cluster. ``stream: kafka://…`` alone sets ``url``."""

    url: Annotated[str, kinds.Text("", _TOPIC_URL, "kafka://host:9092/topic", 4096, needed=True)]
    """the topic to which [the event stream](stream.md) goes: `kafka://host:9092/topic`, several brokers with commas between
    them; `kafkas://` over TLS. `stream: kafka://host:9092/topic` alone is enough. Needs the extra `stream`"""
    keep_days: Annotated[float, kinds.DecimalNumber(7, 0.01, 366)]
    """how long records wait for a broker that is away; older ones are not sent any more and are counted as lost. The journal
    keeps what still has to be sent for so long, whatever `retention.days` says"""
    texts: Annotated[bool, kinds.Flag(False)]
    """`true`: events have the texts of messages and replies, with numbers masked and without texts that may be a one-time
    password; `false`: no texts"""
    user: Annotated[str, kinds.Text(in_words="none")]
    """the account there (SASL SCRAM-SHA-512)"""
    password: Annotated[str, kinds.Secret(needed=False)] = field(repr=False)
    """its password"""
    tls_ca: Annotated[Path | None, kinds.FilePath(in_words="the system's")]
    """file of the certificates that sign the brokers', in PEM"""

    @property
    def tls(self) -> bool:
        return self.url.startswith("kafkas:")

    @property
    def brokers(self) -> str:
        return self.url.partition("://")[2].partition("/")[0]

    @property
    def topic(self) -> str:
        return self.url.rpartition("/")[2]

    def check(self, row: Fields) -> None:
        if bool(self.user) != bool(self.password):
            row.fault((), "user and password go together")
        if self.tls_ca is not None and not self.tls:
            row.fault(("tls_ca",), "has no meaning without kafkas://")


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
    archive: Path | None = None
    """Folder of the journal's tables, which only a follower has, too."""
    node: int | None = None
    """Number of a node on a shared store."""
    gate: int | None = None
    """Number of the gate, if the node is one of its workers, which have one archive."""

    def has_in_archive(self, name: str) -> bool:
        """Whether a file or folder of the archive is this node's; what is no node's is the first worker's."""
        if self.node is None:
            return True
        if name.startswith("node-"):
            return f"{name}-".startswith(f"node-{self.node}-")
        return self.gate in (None, self.node)


_OUTCOMES = {outcome.word: outcome for outcome in Outcome}


@dataclass(frozen=True, slots=True)
class OnJudgeError:
    otp: Annotated[Outcome, kinds.Word("allow", _OUTCOMES)]
    """verdict on a message of this category when an error inside the gate prevents a decision"""
    notice: Annotated[Outcome, kinds.Word("defer", _OUTCOMES)]
    """the same for notices"""
    marketing: Annotated[Outcome, kinds.Word("defer", _OUTCOMES)]
    """the same for advertisements"""


@dataclass(frozen=True, slots=True)
class Settings:
    smpp: Annotated[Smpp, kinds.Section(Smpp)]
    http: Annotated[Http, kinds.Section(Http)]
    console: Annotated[Console, kinds.Section(Console)]
    store: Annotated[
        str, kinds.StoreUrl("", r"[a-z][a-z+]*:.+", "scheme://… (sqlite:///var/lib/gate106/state.db)", 4096, needed=True)
    ]
    """`sqlite:///path`: the file of the embedded store (`sqlite:path`: a path from this file's folder); `valkey://host:6379/0`:
    records of persons [shared by several gates](many-gates.md), `valkeys://` over TLS, `valkey+cluster://host:6379,host:6379`
    (or `valkeys+cluster://`) in a cluster"""
    shared: Annotated[SharedStore | None, kinds.Section(SharedStore, optional=True)]
    journal: Annotated[Path, kinds.FilePath("journal", needed=True)]
    """folder of the journal"""
    follower: Annotated[Follower | None, kinds.Section(Follower, optional=True)]
    rules: Annotated[Path, kinds.FilePath("rules", needed=True)]
    """folder of the rules"""
    rules_may_be_empty: Annotated[bool, kinds.Flag(False)]
    """`false`: [a set that enforces much less than before](commands.md#rules-that-are-lost) is kept out until a person takes it,
    and a first start without rules fails; `true`: every set without a fault is taken"""
    control: Annotated[Path, kinds.FilePath("control.sock", beside_store=True, bytes_max=SOCKET_PATH_BYTES_MAX)]
    """path of the socket through which [a running gate is operated](commands.md#operating-a-running-gate); only the gate's own
    user (and root) may open it"""
    control_group: Annotated[str, kinds.Text("", USER, "a group of the operating system")]
    """a group of the operating system whose accounts may open that socket, too: [each by their
    role](commands.md#who-may-do-what); they must also be able to enter its folder. Needs `people`"""
    revisions: Annotated[RuleRevisions, kinds.Section(RuleRevisions)]
    people: Annotated[tuple[Person, ...], kinds.Rows(Person, PEOPLE_MAX)]
    message_ids: Annotated[str, kinds.Word("carrier", ("carrier", "coded"))]
    """`carrier`: the carrier's own ids; `coded`: with the carrier's code before them, see [Message
    ids](messages.md#message-ids-and-receipts); fixed at the first start"""
    node: Annotated[int, kinds.WholeNumber(0, 0, 255)]
    """number of this gate; with `--workers` of the first worker, the others have the following ones"""
    category_tag: Annotated[int | None, kinds.WholeNumber(None, 1, 0xFFFF)]
    """number of the optional parameter in which a client declares `otp`, `notice` or `marketing`"""
    optout: Annotated[OptOutReplies, kinds.Section(OptOutReplies)]
    doubtful_replies: Annotated[str, kinds.Word("hold", ("hold", "pass"))]
    """the effect of a reply that may be an opt-out, until a person decides about it ([Doubtful
    replies](messages.md#doubtful-replies)): `hold`: the marketing that it may refuse waits; `pass`: it goes on"""
    doubtful_then: Annotated[str, kinds.Word("refuse", ("refuse", "pass"))]
    """the end of such a hold if nobody decides within 7 days: `refuse`: an opt-out; `pass`: the hold ends"""
    consent_by_reply: Annotated[str, kinds.Word("review", ("accept", "review"))]
    """the effect of a person's answer to a registered consent request ([Consent by reply](messages.md#consent-by-reply)):
    `review`: a consent that waits for a review; `accept`: a consent that counts at once"""
    mailbox: Annotated[MailboxBounds, kinds.Section(MailboxBounds)]
    long_messages: Annotated[LongMessages, kinds.Section(LongMessages)]
    retention: Annotated[Retention, kinds.Section(Retention)]
    archive: Annotated[Archive, kinds.Section(Archive)]
    sealing: Annotated[Sealing, kinds.Section(Sealing)]
    stream: Annotated[Stream | None, kinds.Section(Stream, optional=True, alone="url")]
    timers: Annotated[SmppTimers, kinds.Section(SmppTimers)]
    log: Annotated[Log, kinds.Section(Log)]
    on_judge_error: Annotated[Mapping[Category, Outcome], kinds.Section(OnJudgeError)]
    carriers: Annotated[tuple[Carrier, ...], kinds.Rows(Carrier, CARRIERS_MAX)]
    providers: Annotated[tuple[Provider, ...], kinds.Rows(Provider, PROVIDERS_MAX)]
