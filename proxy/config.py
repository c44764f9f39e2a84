"""Settings: what ``gate106.yaml`` says, as frozen values.

In: the file's path, the environment, files of secrets. Out: ``Settings``, complete and checked, or a ``SettingsError`` that holds
every fault. Never: a password in a repr or an error, an unknown key taken in silence, a setting that is read but not acted on
(``NOT_YET`` refuses those this version does not serve).

    SettingsError    str() = "gate106.yaml:14: carriers[0]: unknown key 'windw' (did you mean 'window'?)"
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from proxy.fields import Address, Fault, Fields, Network, faults_of
from proxy.message import Category, Outcome
from proxy.yamlfile import Document, Place, YamlError, spell, unknown
from proxy.yamlfile import load as load_yaml

CARRIERS_MAX = 64  # each costs connections and a pacer
UPSTREAMS_MAX = 256  # so do providers' own accounts at them
PROVIDERS_MAX = 10_000
PORTS_MAX = 10_000  # of one provider
UNOWNED = "unowned"
WINDOW_MAX = 10_000  # requests unanswered on one link: 64 KiB each at worst
TPS_MAX = 1_000_000

NOT_YET: Mapping[str, tuple[str, ...]] = {
    "smpp.tls": (),
    "smpp.proxy_protocol": (),
    "carriers[].tls": (),
}
"""Settings of the design (all their values, or these) that this version refuses: taking them in silence would promise what is
not done."""

CONFIRM = "退订已生效，您将不再收到此类营销短信。如需恢复，请回复START。"
"""What a person is told who refuses, if nothing else is set."""

PROVINCES = frozenset(
    "北京 天津 河北 山西 内蒙古 辽宁 吉林 黑龙江 上海 江苏 浙江 安徽 福建 江西 山东 河南 湖北 湖南 广东 广西 海南 "
    "重庆 四川 贵州 云南 西藏 陕西 甘肃 青海 宁夏 新疆 unknown".split()
)
_LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)
_NAME = r"[^\W_][\w.-]{0,63}"
_NAME_WHAT = "a name (letters, digits, . _ -; at most 64)"
_SYSTEM_ID = r"[!-~]{1,15}"  # SMPP 3.4 §5.2.1
_SYSTEM_ID_WHAT = "1 to 15 ASCII characters without blanks (SMPP 3.4 §5.2.1)"
_PORT = r"[0-9]{1,20}|[0-9A-Za-z+#*._ -]{0,20}"  # SMPP 3.4 §5.2.8: 20 characters
_HASHED = r"scrypt\$([0-9a-f]{2}){8,64}\$[0-9a-f]{64}"


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
    tls: Tls | None
    proxy_protocol: bool


@dataclass(frozen=True, slots=True)
class Http:
    listen: Address
    metrics_allow: tuple[Network, ...]


@dataclass(frozen=True, slots=True)
class Timers:
    bind_s: float
    enquire_s: float
    response_s: float


@dataclass(frozen=True, slots=True)
class OptOutReplies:
    """How replies that refuse are taken."""

    widen_after: int  # refusals of so many advertisers …
    widen_days: int  # … within so many days are one of all marketing; 0 refusals: never
    confirm: str  # what the person is told, unless the provider has words of its own; empty: nothing


@dataclass(frozen=True, slots=True)
class Mailbox:
    """How much waits for providers that do not fetch it: bounds of each provider's box, and of all of them."""

    hours: float
    messages: int
    megabytes: int
    total_megabytes: int


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
    receipt_id: str  # same | hex | dec: how receipts write what answers name (proxy/ids.py)
    tls: bool
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


@dataclass(frozen=True, slots=True)
class Settings:
    smpp: Smpp
    http: Http
    control: Path
    store: str
    journal: Path
    rules: Path
    message_ids: str  # carrier | coded
    timers: Timers
    mailbox: Mailbox
    carriers: tuple[Carrier, ...]
    providers: tuple[Provider, ...]
    on_judge_error: Mapping[Category, Outcome]
    node: int
    category_tag: int | None
    optout: OptOutReplies


def load(path: Path | str) -> Settings:
    """Read a settings file. Raises SettingsError with every fault in it."""
    path = Path(path)
    document, top, faults = _open(path)
    settings = _settings(top, document)
    if faults:
        raise _refusal(path, faults)
    return settings


def control_path(path: Path | str) -> Path:
    """Where the gate of these settings takes commands. Reads no other key: whoever commands a gate need not know its passwords."""
    path = Path(path)
    _, top, faults = _open(path)
    control = _control(top, top.text("store", maximum=4096), top.path("journal", "journal"))
    if faults:
        raise _refusal(path, faults)
    return control


def _open(path: Path) -> tuple[Document, Fields, list[Fault]]:
    """The file, its uppermost keys, and a list that fills with what is wrong as they are read. SettingsError where it is no YAML."""
    try:
        document = load_yaml(path)
    except YamlError as error:
        raise _refusal(path, faults_of(error)) from None
    faults: list[Fault] = []
    return document, Fields(document, (), document.value, faults), faults


def _refusal(path: Path, faults: list[Fault]) -> SettingsError:
    return SettingsError([f"{path}:{fault.line}: {fault.text}" for fault in sorted(set(faults))])


def _settings(top: Fields, document: Document) -> Settings:
    smpp, http, timers = top.below("smpp"), top.below("http"), top.below("timers")
    store = top.text("store", pattern=r"[a-z][a-z+]*:.+", what="scheme://… (sqlite:///var/lib/gate106/state.db)", maximum=4096)
    top.need("store")
    for key in ("journal", "rules"):
        top.need(key)
    journal, rules = top.path("journal", "journal"), top.path("rules", "rules")
    carriers = tuple(_carrier(row) for row in top.rows("carriers", CARRIERS_MAX))
    settings = Settings(
        smpp=Smpp(smpp.address("listen", Address("127.0.0.1", 2775)), _tls(smpp), smpp.flag("proxy_protocol", default=False)),
        http=Http(http.address("listen", Address("127.0.0.1", 9106)), http.networks("metrics_allow", _LOOPBACK, 1000)),
        control=_control(top, store, journal),
        store=store,
        journal=journal,
        rules=rules,
        message_ids=top.word("message_ids", ("carrier", "coded"), "carrier"),
        timers=Timers(
            bind_s=timers.number("bind_s", 10, minimum=0.1, maximum=600),
            enquire_s=timers.number("enquire_s", 30, minimum=0.1, maximum=3600),
            response_s=timers.number("response_s", 10, minimum=0.1, maximum=600),
        ),
        mailbox=_mailbox(top.below("mailbox")),
        carriers=carriers,
        providers=tuple(_provider(row, carriers) for row in top.rows("providers", PROVIDERS_MAX)),
        on_judge_error=_on_judge_error(top.below("on_judge_error")),
        node=top.whole("node", 0, minimum=0, maximum=255),
        category_tag=top.whole("category_tag", 0, minimum=1, maximum=0xFFFF) or None,
        optout=_optout(top.below("optout")),
    )
    for section in (smpp, http, timers, top):
        section.done()
    _across(top, settings, document)
    return settings


def _optout(section: Fields) -> OptOutReplies:
    found = OptOutReplies(
        section.whole("widen_after", 3, minimum=0, maximum=64),
        section.whole("widen_days", 30, minimum=1, maximum=366),
        _confirm(section, CONFIRM),
    )
    section.done()
    return found


def _confirm(row: Fields, default: str) -> str:
    """Words of one short message, so that they need no parts: 160 characters of ASCII, else 70."""
    text = row.text("confirm", default)
    plain = text.isascii() and not set(text) & set("[]{}~^|\\`")
    most = 160 if plain else 70
    if len(text.encode("utf-16-be", "surrogatepass")) // 2 > most:
        row.fault(("confirm",), f"longer than one short message ({most} characters)")
    return text


def _tls(smpp: Fields) -> Tls | None:
    if not smpp.has("tls"):
        return None
    tls = smpp.below("tls")
    for key in ("listen", "cert", "key"):
        tls.need(key)
    listen = tls.address("listen", Address("127.0.0.1", 3550))
    found = Tls(listen, tls.path("cert", ""), tls.path("key", ""), tls.path("client_ca", "") if tls.has("client_ca") else None)
    tls.done()
    return found


def _control(top: Fields, store: str, journal: Path) -> Path:
    """Beside the store when that is a file, else beside the journal."""
    scheme, _, rest = store.partition("://")
    beside = Path(rest) if scheme == "sqlite" and rest else journal
    control = top.path("control", str(beside.parent / "control.sock"))
    if top.has("control") and len(str(control).encode()) > 107:  # unix(7): sun_path
        top.fault(("control",), "a socket's path has at most 107 bytes")
    return control


def _mailbox(section: Fields) -> Mailbox:
    mailbox = Mailbox(
        hours=section.number("hours", 72, minimum=0.01, maximum=24 * 30),
        messages=section.whole("messages", 100_000, minimum=1, maximum=10_000_000),
        megabytes=section.whole("megabytes", 64, minimum=1, maximum=65_536),
        total_megabytes=section.whole("total_megabytes", 512, minimum=1, maximum=65_536),
    )
    section.done()
    return mailbox


def _carrier(row: Fields) -> Carrier:
    for key in ("name", "host", "port", "system_id"):
        row.need(key)
    routes = row.below("routes")
    carrier = Carrier(
        name=row.text("name", pattern=_NAME, what=_NAME_WHAT),
        code=row.text("code", pattern="[0-9A-Za-z]{2}", what="two letters or digits"),
        host=row.text("host", pattern=r"[0-9A-Za-z_.:-]+", what="a host name or an address"),
        port=row.whole("port", 2775, minimum=1, maximum=65535),
        system_id=row.text("system_id", pattern=_SYSTEM_ID, what=_SYSTEM_ID_WHAT),
        password=row.secret("password"),
        bind=row.word("bind", ("transceiver", "transmitter+receiver"), "transceiver"),
        links=row.whole("links", 1, minimum=1, maximum=64),
        window=row.whole("window", 64, minimum=1, maximum=WINDOW_MAX),
        tps=row.number("tps", 1000, minimum=1, maximum=TPS_MAX),
        routes=frozenset(text for _, text in routes.texts("province", len(PROVINCES))),
        prefixes=_prefixes(row),
        weight=row.whole("weight", 1, minimum=1, maximum=1000),
        strip=row.text("strip", pattern=r"[0-9+]{1,20}", what="the digits before a port"),
        receipts_by_text=row.flag("receipts_by_text", default=False),
        receipt_id=row.word("receipt_id", ("same", "hex", "dec"), "same"),
        receipt_id_width=row.whole("receipt_id_width", 0, minimum=1, maximum=64),
        tls=row.flag("tls", default=False),
    )
    for index, province in routes.texts("province", len(PROVINCES)):
        if province not in PROVINCES:
            routes.fault(("province", index), unknown("province", province, PROVINCES))
    routes.done()
    row.done()
    return carrier


def _prefixes(row: Fields) -> tuple[str, ...]:
    found = []
    for index, prefix in row.texts("prefixes", PORTS_MAX):
        if not re.fullmatch(r"1[0-9]{0,10}", prefix):
            row.fault(("prefixes", index), f"must be the first digits of a mobile number (1390), not {prefix!r}")
        found.append(prefix)
    return tuple(found)


def _provider(row: Fields, carriers: tuple[Carrier, ...]) -> Provider:
    row.need("name")
    provider = Provider(
        name=row.text("name", pattern=_NAME, what=_NAME_WHAT),
        accounts=_accounts(row),
        ports=_ports(row),
        allow_ips=row.networks("allow_ips", (), 10_000),
        tps=row.number("tps", 0, minimum=0.1, maximum=TPS_MAX) or None,
        binds=row.whole("binds", 8, minimum=1, maximum=1000),
        window=row.whole("window", 64, minimum=1, maximum=WINDOW_MAX),
        category=_category(row),
        statuses=row.word("statuses", ("vendor", "standard"), "vendor"),
        status_detail=row.word("status_detail", ("none", "tlv"), "none"),
        since=row.day("since"),
        upstream=_upstream(row, carriers) if row.has("upstream") else None,
        confirm=_confirm(row, "") if row.has("confirm") else None,
        replace=row.flag("replace", default=False),
    )
    row.done()
    return provider


def _upstream(row: Fields, carriers: tuple[Carrier, ...]) -> Upstream | None:
    """What it leaves out is as the carrier's own account has it."""
    below = row.below("upstream")
    for key in ("carrier", "system_id"):
        below.need(key)
    names = [carrier.name for carrier in carriers]
    name = below.word("carrier", names, names[0] if names else "") if below.has("carrier") else ""
    base = next((carrier for carrier in carriers if carrier.name == name), None)
    upstream = Upstream(
        carrier=name,
        system_id=below.text("system_id", pattern=_SYSTEM_ID, what=_SYSTEM_ID_WHAT),
        password=below.secret("password"),
        links=below.whole("links", base.links if base else 1, minimum=1, maximum=64),
        window=below.whole("window", base.window if base else 64, minimum=1, maximum=WINDOW_MAX),
        tps=below.number("tps", base.tps if base else 1000, minimum=1, maximum=TPS_MAX),
    )
    below.done()
    return upstream


def _category(row: Fields) -> Category | None:
    words = [category.word for category in Category]
    return Category.of(row.word("category", words, "marketing")) if row.has("category") else None


def _accounts(row: Fields) -> tuple[Account, ...]:
    """The accounts of a provider: ``accounts:``, or the one whose ``system_id`` stands beside the name."""
    if not row.has("accounts"):
        row.need("system_id")
        return (_account(row, ports=None, tps=None, binds=None),)
    for key in ("system_id", "password"):
        if row.has(key):
            row.fault((key,), "stands beside accounts: say it in one of the two places")
    accounts = []
    for below in row.rows("accounts", 1000):
        below.need("system_id")
        ports = _ports(below) if below.has("ports") else None
        tps = below.number("tps", 0, minimum=0.1, maximum=TPS_MAX) or None
        binds = below.whole("binds", 0, minimum=1, maximum=1000) or None
        accounts.append(_account(below, ports, tps, binds))
        below.done()
    if not accounts:
        row.fault(("accounts",), "must list at least one account")
    return tuple(accounts)


def _account(row: Fields, ports: tuple[str, ...] | None, tps: float | None, binds: int | None) -> Account:
    system_id = row.text("system_id", pattern=_SYSTEM_ID, what=_SYSTEM_ID_WHAT)
    password = row.secret("password")
    if password.startswith("scrypt$") and not re.fullmatch(_HASHED, password):
        row.fault(("password",), "looks like a hash but is none (make one with gate106 hash-password)")
    return Account(system_id, password, ports, tps, binds)


def _ports(row: Fields) -> tuple[str, ...]:
    found = []
    for index, port in row.texts("ports", PORTS_MAX):
        if not re.fullmatch(_PORT, port):
            row.fault(("ports", index), f"must be digits, or a source of at most 20 characters, not {port!r}")
        found.append(port)
    return tuple(found)


def _on_judge_error(section: Fields) -> dict[Category, Outcome]:
    defaults = {Category.OTP: Outcome.ALLOW, Category.NOTICE: Outcome.DEFER, Category.MARKETING: Outcome.DEFER}
    words = [outcome.word for outcome in Outcome]
    found = {
        category: Outcome[section.word(category.word, words, default.word).upper()] for category, default in defaults.items()
    }
    section.done()
    return found


# -- what no single field can say


def _across(top: Fields, settings: Settings, document: Document) -> None:
    _twice(top, "carriers", [("name", carrier.name) for carrier in settings.carriers])
    _twice(top, "carriers", [("code", carrier.code) for carrier in settings.carriers])
    _twice(top, "providers", [("name", provider.name) for provider in settings.providers])
    for index, provider in enumerate(settings.providers):
        if provider.name == UNOWNED:
            top.fault(("providers", index, "name"), f"{UNOWNED!r} is what metrics call ports that belong to nobody")
    if settings.message_ids == "coded":
        for index, carrier in enumerate(settings.carriers):
            if not carrier.code:
                top.fault(("carriers", index), "'code' is missing (message_ids: coded needs it)")
    for index, carrier in enumerate(settings.carriers):
        if carrier.receipt_id_width and carrier.receipt_id == "same":
            top.fault(("carriers", index, "receipt_id_width"), "has no meaning with receipt_id: same (choose hex or dec)")
    _upstreams_once(top, settings)
    _ports_once(top, settings)
    _accounts_once(top, settings)
    _not_yet(top, document)


def _not_yet(top: Fields, document: Document) -> None:
    for place in document.lines:
        kind = re.sub(r"\[[0-9]+\]", "[]", spell(place))
        if kind not in NOT_YET:
            continue
        values = NOT_YET[kind]
        value = document.at(place)
        if not values:
            top.fault(place, "this version does not serve it yet: take it out")
        elif value in values:
            top.fault(place, f"this version does not serve {value!r} yet: take it out")


def _twice(top: Fields, section: str, values: list[tuple[str, str]]) -> None:
    first: dict[str, int] = {}
    for index, (key, value) in enumerate(values):
        if value and first.setdefault(value, index) != index:
            top.fault((section, index, key), f"{value!r} is taken by {section}[{first[value]}]")


def _upstreams_once(top: Fields, settings: Settings) -> None:
    """An account at a carrier is one provider's, or everybody's: what arrives over it must have one owner."""
    taken = {(carrier.name, carrier.system_id): f"the account of carriers[{n}]" for n, carrier in enumerate(settings.carriers)}
    count = 0
    for index, provider in enumerate(settings.providers):
        upstream = provider.upstream
        if upstream is None:
            continue
        count += 1
        holder = taken.setdefault((upstream.carrier, upstream.system_id), f"taken by providers[{index}]")
        if holder != f"taken by providers[{index}]":
            top.fault(("providers", index, "upstream", "system_id"), f"{upstream.system_id!r} is {holder}")
        if count == UPSTREAMS_MAX + 1:
            top.fault(("providers", index, "upstream"), f"more than {UPSTREAMS_MAX} accounts at carriers")


def _ports_once(top: Fields, settings: Settings) -> None:
    """One prefix belongs to one provider; an account's ports lie within its provider's."""
    owners: dict[str, Place] = {}
    for index, provider in enumerate(settings.providers):
        for number, port in enumerate(provider.ports):
            place: Place = ("providers", index, "ports", number)
            owner = owners.setdefault(port, place)
            if owner != place:
                top.fault(place, f"{port!r} is taken by {spell(owner[:2])}: one prefix belongs to one provider")
        for row, account in enumerate(provider.accounts):
            for number, port in enumerate(account.ports or ()):
                if not any(
                    port == own or (port.isdigit() and own.isdigit() and port.startswith(own)) for own in provider.ports
                ):
                    top.fault(
                        ("providers", index, "accounts", row, "ports", number), f"{port!r} is not among the provider's ports"
                    )


def _accounts_once(top: Fields, settings: Settings) -> None:
    first: dict[str, int] = {}
    for index, provider in enumerate(settings.providers):
        for row, account in enumerate(provider.accounts):
            name = account.system_id
            if name and name in first:
                listed: Place = ("providers", index, "accounts", row, "system_id")
                place = listed if listed in top.document.lines else ("providers", index, "system_id")
                top.fault(place, f"{name!r} is an account of providers[{first[name]}] already")
            first.setdefault(name, index)
