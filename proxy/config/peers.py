"""Declares the settings of carriers, providers, people and tokens (values.py says how).

In: nothing. Out: ``Carrier``, ``Provider``, ``Person``, ``Token``. Never: a check that involves two rows (reader.py).
"""

# Not "from __future__ import annotations": the declarations are read when the program runs.

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import proxy.config.setting_kinds as kinds
from proxy.config.mapping_reader import Fields, Network
from proxy.model.message import Category
from proxy.model.roles import PEOPLE, Role

CARRIERS_MAX = 64  # each costs connections and a pacer
PROVIDERS_MAX = 10_000
PORTS_MAX = 10_000  # of one provider
ACCOUNTS_MAX = 1000  # of one provider
PEOPLE_MAX = 100  # a token is tried against each: 50 ms
WINDOW_MAX = 10_000  # requests unanswered on one link: 64 KiB each at worst
TPS_MAX = 1_000_000

PROVINCES = frozenset(
    "北京 天津 河北 山西 内蒙古 辽宁 吉林 黑龙江 上海 江苏 浙江 安徽 福建 江西 山东 河南 湖北 湖南 广东 广西 海南 "
    "重庆 四川 贵州 云南 西藏 陕西 甘肃 青海 宁夏 新疆 unknown".split()
)
_NAME = kinds.Text("", r"[^\W_][\w.-]{0,63}", "a name (letters, digits, . _ -; at most 64)", needed=True)
PASSWORD_MAX = 8  # SMPP 3.4 §5.2.2: nine octets with the NUL at the end
_SYSTEM_ID = kinds.Text("", r"[!-~]{1,15}", "1 to 15 ASCII characters without blanks (SMPP 3.4 §5.2.1)", needed=True)
_HOST = (
    r"[0-9A-Za-z_-]{1,63}(\.[0-9A-Za-z_-]{1,63})*\.?|[0-9A-Fa-f.]*:[0-9A-Fa-f.:]*",  # RFC 1035 §2.3.4: labels; or IPv6
    "a host name (labels of 1 to 63 letters, digits, - _ between dots) or an address",
)
_PORT = r"[0-9]{1,20}|[0-9A-Za-z+#*._ -]{0,20}"  # SMPP 3.4 §5.2.8: 20 characters
USER = r"[^\s:/]{1,64}"  # useradd(8) asks for less, directories bring more
_ROLES = {role.value: role for role in PEOPLE}
_DIGEST = r"sha256\$[0-9a-f]{64}"
_HASHED = r"scrypt\$([0-9a-f]{2}){8,64}\$[0-9a-f]{64}"


def _check_digest(token: str, row: Fields) -> None:
    if token and not re.fullmatch(_DIGEST, token):
        row.fault(("token",), "must be the hash of a token (make both with gate106 token make)")


def _port(text: str) -> str:
    if not re.fullmatch(_PORT, text):
        raise ValueError(f"must be digits, or a source of at most 20 characters, not {text!r}")
    return text


def _prefix(text: str) -> str:
    if not re.fullmatch(r"1[0-9]{0,10}", text):
        raise ValueError(f"must be the first digits of a mobile number (1390), not {text!r}")
    return text


def _ports(default: tuple[str, ...] | None = (), **more: str) -> kinds.Texts:
    return kinds.Texts(PORTS_MAX, _port, default, **more)


@dataclass(frozen=True, slots=True)
class Token:
    """A program that may use HTTP, identified by a token."""

    name: Annotated[str, _NAME]
    """another reader, with a token: a name for people; at most 100"""
    token: Annotated[str, kinds.Secret()] = field(repr=False)  # sha256$digest
    """the hash that `gate106 token make` printed"""
    role: Annotated[Role, kinds.Word("viewer", _ROLES)] = Role.VIEWER
    """further rights over HTTP: [roles](commands.md#who-may-do-what)"""

    def check(self, row: Fields) -> None:
        _check_digest(self.token, row)


@dataclass(frozen=True, slots=True)
class Person:
    """A person with a role, identified by a token."""

    name: Annotated[str, _NAME]
    """a person with [a role](commands.md#who-may-do-what), as the journal names them; at most 100"""
    token: Annotated[str, kinds.Secret()] = field(repr=False)  # scrypt$salt$digest, or sha256$digest of one that a machine made
    """the hash of their token, from `gate106 token make`, or of a password, from `gate106 password hash`"""
    user: Annotated[str, kinds.TextLike("name", _NAME, USER, "an account of the operating system", in_words="the name")]
    """the person's own account of the operating system, shared with nobody. Its commands are the person's without a token, and
    so are rule files that it owns; without it the person's name"""
    roles: Annotated[frozenset[Role], kinds.WordSet("role", _ROLES, frozenset({Role.APPROVER}), in_words="`[approver]`")]
    """`viewer`, `officer`, `approver`, `auditor`, `admin`: [what they may do](commands.md#who-may-do-what); without it
    `approver`. Where `people` is empty, everybody who can open the socket may do everything"""

    def check(self, row: Fields) -> None:
        if self.token and not re.fullmatch(f"{_HASHED}|{_DIGEST}", self.token):
            row.fault(("token",), "must be a hash (make one with gate106 token make, or gate106 password hash)")


@dataclass(frozen=True, slots=True)
class Carrier:
    """A carrier's SMSC and how to bind to it. ``links`` and ``tps`` are totals of the account."""

    name: Annotated[str, _NAME]
    """the carrier's name in metrics, log and journal"""
    code: Annotated[str, kinds.Text("", "[0-9A-Za-z]{2}", "two letters or digits")]
    """two letters or digits; required with `message_ids: coded`, and then never to be changed"""
    host: Annotated[str, kinds.Text("", *_HOST, needed=True)]
    """its SMSC: name or address"""
    port: Annotated[int, kinds.WholeNumber(2775, 1, 65535, needed=True)]
    """and TCP port"""
    system_id: Annotated[str, _SYSTEM_ID]
    """our account there"""
    password: Annotated[str, kinds.Secret(PASSWORD_MAX)] = field(repr=False)
    """its password"""
    bind: Annotated[str, kinds.Word("transceiver", ("transceiver", "transmitter+receiver"))]
    """one bind both ways, or one for each way"""
    links: Annotated[int, kinds.WholeNumber(1, 1, 64)]
    """connections, over all gates of a shared store; with `transmitter+receiver` this many of each"""
    window: Annotated[int, kinds.WholeNumber(64, 1, WINDOW_MAX)]
    """submits that may be unanswered on one link"""
    tps: Annotated[float, kinds.DecimalNumber(1000, 1, TPS_MAX)]
    """messages a second, over all links and gates"""
    routes: Annotated[frozenset[str], kinds.WordSet("province", {name: name for name in PROVINCES}, key="routes.province")]
    """provinces it serves; with neither these nor `prefixes`: everyone for whom no more specific carrier is up"""
    prefixes: Annotated[tuple[str, ...], kinds.Texts(PORTS_MAX, _prefix)]
    """first digits of the persons' numbers it serves; go before provinces"""
    weight: Annotated[int, kinds.WholeNumber(1, 1, 1000)]
    """its share among carriers that serve the same people"""
    strip: Annotated[str, kinds.Text("", r"[0-9+]{1,20}", "the digits before a port")]
    """digits that it puts before a port in its delivers"""
    receipts_by_text: Annotated[bool, kinds.Flag(False)]
    """whether its receipts are known by their text only, not by esm_class"""
    receipt_id: Annotated[str, kinds.Word("same", ("same", "hex", "dec"))]
    """how its receipts write the id that its answer gave: alike; `dec`: answers in hexadecimal, receipts in decimal; `hex`: the
    reverse"""
    tls: Annotated[bool, kinds.Flag(False)]
    """`true`: links are encrypted (TLS 1.2 or 1.3), and its certificate must be good for its name"""
    tls_ca: Annotated[Path | None, kinds.FilePath(in_words="the system's")] = None
    """file of the certificates that sign its own, in PEM"""
    tls_cert: Annotated[Path | None, kinds.FilePath()] = None
    """file of our own certificate, where it asks for one …"""
    tls_key: Annotated[Path | None, kinds.FilePath()] = None
    """… and of its key, without a password"""
    tls_name: Annotated[str, kinds.Text("", *_HOST, in_words="its host")] = ""
    """the name in its certificate"""
    receipt_id_width: Annotated[int, kinds.WholeNumber(0, 1, 64)] = 0
    """with `hex` or `dec`: digits of the ids in its answers, with leading zeros; else learnt from answers"""

    def check(self, row: Fields) -> None:
        for key in ("tls_ca", "tls_cert", "tls_key", "tls_name"):
            if row.has(key) and not self.tls:
                row.fault((key,), "has no meaning without tls: true")
        for key, other in (("tls_cert", "tls_key"), ("tls_key", "tls_cert")):
            if row.has(key) and not row.has(other):
                row.fault((key,), f"needs {other!r} beside it")
        if self.receipt_id_width and self.receipt_id == "same":
            row.fault(("receipt_id_width",), "has no meaning with receipt_id: same (choose hex or dec)")


@dataclass(frozen=True, slots=True)
class Account:
    """One system_id of a provider; None means that only the provider's bound applies."""

    system_id: Annotated[str, _SYSTEM_ID]
    """one of several accounts, instead of the two above"""
    password: Annotated[str, kinds.Secret(PASSWORD_MAX)] = field(repr=False)  # in clear, or scrypt$salt$digest
    """the password of this account"""
    ports: Annotated[tuple[str, ...] | None, _ports(None, in_words="the provider's")]
    """ports of this account, among the provider's"""
    tps: Annotated[float | None, kinds.DecimalNumber(None, 0.1, TPS_MAX)]
    """messages a second of this account, within the provider's"""
    binds: Annotated[int | None, kinds.WholeNumber(None, 1, 1000)]
    """binds of this account, within the provider's"""

    def check(self, row: Fields) -> None:
        if self.password.startswith("scrypt$") and not re.fullmatch(_HASHED, self.password):
            row.fault(("password",), "looks like a hash but is none (make one with gate106 password hash)")


@dataclass(frozen=True, slots=True)
class OnlyAccount:
    """The settings beside a provider's name, where it has one account."""

    system_id: Annotated[str, _SYSTEM_ID]
    """its account, where it has only one"""
    password: Annotated[str, kinds.Secret(PASSWORD_MAX)] = field(repr=False)
    """its password, or what `gate106 password hash` printed"""


class Accounts(kinds.SettingKind):
    """The accounts of a provider: ``accounts:``, or the one whose ``system_id`` stands beside the name."""

    parts = (("", OnlyAccount), ("{}[].", Account))

    def read(self, row: Fields, key: str) -> tuple[Account, ...]:
        if not row.has(key):
            only = Account(**kinds.read_fields(OnlyAccount, row), ports=None, tps=None, binds=None)
            only.check(row)
            return (only,)
        for beside in ("system_id", "password"):
            if row.has(beside):
                row.fault((beside,), "stands beside accounts: say it in one of the two places")
        accounts: tuple[Account, ...] = kinds.Rows(Account, ACCOUNTS_MAX).read(row, key)
        if not accounts:
            row.fault((key,), "must list at least one account")
        return accounts


@dataclass(frozen=True, slots=True)
class Upstream:
    """A provider's own account at a carrier: its submits use this account only, and delivers from it belong to this provider."""

    carrier: Annotated[str, kinds.CarrierName(needed=True)]
    """with `upstream`, its own account at a carrier: which carrier. Its messages leave over that account only, and all that
    arrives there is its own"""
    system_id: Annotated[str, _SYSTEM_ID]
    """the account"""
    password: Annotated[str, kinds.Secret(PASSWORD_MAX)] = field(repr=False)
    """its password"""
    links: Annotated[int, kinds.WholeNumber(None, 1, 64, in_words="the carrier's")]
    """connections of this account"""
    window: Annotated[int, kinds.WholeNumber(None, 1, WINDOW_MAX, in_words="the carrier's")]
    """submits that may be unanswered on one of them"""
    tps: Annotated[float, kinds.DecimalNumber(None, 1, TPS_MAX, in_words="the carrier's")]
    """messages a second of this account"""


@dataclass(frozen=True, slots=True)
class Provider:
    """A company that sends. ``ports`` are prefixes of digits, or sources that are owned literally."""

    name: Annotated[str, _NAME]
    """the company's name in rules, metrics, log and journal"""
    accounts: Annotated[tuple[Account, ...], Accounts()]
    ports: Annotated[tuple[str, ...], _ports()]
    """prefixes of its sender numbers, the longest decides whose a number is; an empty or alphanumeric one counts as it
    stands"""
    allow_ips: Annotated[tuple[Network, ...], kinds.Networks(10_000, in_words="anywhere")]
    """addresses and networks it may bind from; a reload asks binds from elsewhere to leave"""
    tps: Annotated[float | None, kinds.DecimalNumber(None, 0.1, TPS_MAX)]
    """messages a second, over all binds and gates"""
    binds: Annotated[int, kinds.WholeNumber(8, 1, 1000)]
    """binds at once, over all gates"""
    window: Annotated[int, kinds.WholeNumber(64, 1, WINDOW_MAX)]
    """submits that may be unanswered on one bind"""
    category: Annotated[Category | None, kinds.Word(None, {one.word: one for one in Category}, in_words="none")]
    """category of its messages where nothing else declares one; without it `marketing`"""
    statuses: Annotated[str, kinds.Word("vendor", ("vendor", "standard"))]
    """a rule's refusal has the status of its reason; `standard`: ESME_RSUBMITFAIL"""
    status_detail: Annotated[str, kinds.Word("none", ("none", "tlv"))]
    """`none`: answers have no optional parameters of the gate (smpplib's client breaks on them); `tlv`: a refusal has its
    reason in 0x001D additional_status_info_text, by the public name of the reason (rules/README.md), unless the client bound
    below interface_version 0x34"""
    since: Annotated[float | None, kinds.Day()]
    """the day it was taken on, for rules on `provider_age`"""
    upstream: Annotated[Upstream | None, kinds.Section(Upstream, optional=True)] = None
    confirm: Annotated[str | None, kinds.ConfirmWording(None, in_words="as for all")] = None
    """confirmation to a person who opts out at a port of this provider, instead of `optout.confirm`; `""`: none"""
    replace: Annotated[bool, kinds.Flag(False)] = False
    """every `replace_sm` is refused with ESME_RREPLACEFAIL; `true`: the ids of its messages are kept for 48 hours (the newest
    250,000 at least, about 170 bytes each, and as much again where a rule limits more than one person's messages; of a restart
    those survive that were accepted since the last checkpoint), so that it may replace them, and so that a `query_sm` or
    `cancel_sm` finds the carrier by the id"""
    reserved_values: Annotated[str, kinds.Word("refuse", ("refuse", "relay"))] = "refuse"
    """a request with a value that SMPP 3.4 reserves (type of number, numbering plan, esm_class, priority_flag,
    registered_delivery, replace_if_present_flag), with a broken user data header or impossible part numbers is refused with the
    status of that field: a strict carrier may close the link that all providers share for it; `relay`: it passes byte for
    byte"""
    over_rate: Annotated[str, kinds.Word("refuse", ("refuse", "pace"))] = "refuse"
    """a submit above `tps` is refused with ESME_RTHROTTLED; `pace`: it waits before it is judged, and is refused only where it
    would wait over 1 s ([how](messages.md#faster-than-the-rate))"""
    token: Annotated[str, kinds.Secret(needed=False)] = field(default="", repr=False)  # sha256$digest; empty: no access
    """the hash that `gate106 token make` printed: with it the provider asks [over HTTP](http.md#for-providers) for its own refusals,
    tasks and penalties, and for new rules"""

    def check(self, row: Fields) -> None:
        _check_digest(self.token, row)
