"""Reads carriers, providers, people and tokens from the settings.

In: rows of the settings. Out: ``Carrier``, ``Provider``, ``Person``, ``Token``; faults go to the list of the row. Never: a fault
that involves two rows (cross_checks.py).
"""

from __future__ import annotations

import re

from proxy.config.mapping_reader import Fields
from proxy.config.values import Account, Carrier, Person, Provider, Token, Upstream
from proxy.config.yaml_file import unknown
from proxy.model.message import Category
from proxy.model.roles import PEOPLE, Role

CARRIERS_MAX = 64  # each costs connections and a pacer
PROVIDERS_MAX = 10_000
PORTS_MAX = 10_000  # of one provider
TOKENS_MAX = 100  # each is compared at each request from elsewhere
PEOPLE_MAX = 100  # a token is tried against each: 50 ms
WINDOW_MAX = 10_000  # requests unanswered on one link: 64 KiB each at worst
TPS_MAX = 1_000_000

PROVINCES = frozenset(
    "北京 天津 河北 山西 内蒙古 辽宁 吉林 黑龙江 上海 江苏 浙江 安徽 福建 江西 山东 河南 湖北 湖南 广东 广西 海南 "
    "重庆 四川 贵州 云南 西藏 陕西 甘肃 青海 宁夏 新疆 unknown".split()
)
_NAME = r"[^\W_][\w.-]{0,63}"
_NAME_WHAT = "a name (letters, digits, . _ -; at most 64)"
_SYSTEM_ID = r"[!-~]{1,15}"  # SMPP 3.4 §5.2.1
_SYSTEM_ID_WHAT = "1 to 15 ASCII characters without blanks (SMPP 3.4 §5.2.1)"
_PORT = r"[0-9]{1,20}|[0-9A-Za-z+#*._ -]{0,20}"  # SMPP 3.4 §5.2.8: 20 characters
_HOST = r"[0-9A-Za-z_-]{1,63}(\.[0-9A-Za-z_-]{1,63})*\.?|[0-9A-Fa-f.]*:[0-9A-Fa-f.:]*"  # RFC 1035 §2.3.4: labels; or IPv6
_HOST_WHAT = "a host name (labels of 1 to 63 letters, digits, - _ between dots) or an address"
USER = r"[^\s:/]{1,64}"  # useradd(8) asks for less, directories bring more
_ROLES = tuple(role.value for role in PEOPLE)
_DIGEST = r"sha256\$[0-9a-f]{64}"
_HASHED = r"scrypt\$([0-9a-f]{2}){8,64}\$[0-9a-f]{64}"


def person_of(row: Fields) -> Person:
    for key in ("name", "token"):
        row.need(key)
    name, token = row.text("name", pattern=_NAME, what=_NAME_WHAT), row.secret("token")
    if token and not re.fullmatch(f"{_HASHED}|{_DIGEST}", token):
        row.fault(("token",), "must be a hash (make one with gate106 token, or gate106 hash-password)")
    user, roles = row.text("user", name, pattern=USER, what="an account of the operating system"), set()
    for index, word in row.texts("roles", len(PEOPLE)):
        if word in _ROLES:
            roles.add(Role(word))
        else:
            row.fault(("roles", index), unknown("role", word, _ROLES))
    row.done()
    return Person(name, token, user, frozenset(roles) or frozenset({Role.APPROVER}))


def token_of(row: Fields) -> Token:
    for key in ("name", "token"):
        row.need(key)
    name, hashed = row.text("name", pattern=_NAME, what=_NAME_WHAT), row.secret("token")
    token = Token(name, hashed, Role(row.word("role", _ROLES, Role.VIEWER.value)))
    if token.token and not re.fullmatch(_DIGEST, token.token):
        row.fault(("token",), "must be the hash of a token (make both with gate106 token)")
    row.done()
    return token


def carrier_of(row: Fields) -> Carrier:
    for key in ("name", "host", "port", "system_id"):
        row.need(key)
    routes = row.below("routes")
    carrier = Carrier(
        name=row.text("name", pattern=_NAME, what=_NAME_WHAT),
        code=row.text("code", pattern="[0-9A-Za-z]{2}", what="two letters or digits"),
        host=row.text("host", pattern=_HOST, what=_HOST_WHAT),
        port=row.integer("port", 2775, minimum=1, maximum=65535),
        system_id=row.text("system_id", pattern=_SYSTEM_ID, what=_SYSTEM_ID_WHAT),
        password=row.secret("password"),
        bind=row.word("bind", ("transceiver", "transmitter+receiver"), "transceiver"),
        links=row.integer("links", 1, minimum=1, maximum=64),
        window=row.integer("window", 64, minimum=1, maximum=WINDOW_MAX),
        tps=row.number("tps", 1000, minimum=1, maximum=TPS_MAX),
        routes=frozenset(text for _, text in routes.texts("province", len(PROVINCES))),
        prefixes=_prefixes(row),
        weight=row.integer("weight", 1, minimum=1, maximum=1000),
        strip=row.text("strip", pattern=r"[0-9+]{1,20}", what="the digits before a port"),
        receipts_by_text=row.flag("receipts_by_text", default=False),
        receipt_id=row.word("receipt_id", ("same", "hex", "dec"), "same"),
        receipt_id_width=row.integer("receipt_id_width", 0, minimum=1, maximum=64),
        tls=row.flag("tls", default=False),
        tls_ca=row.path("tls_ca", "") if row.has("tls_ca") else None,
        tls_cert=row.path("tls_cert", "") if row.has("tls_cert") else None,
        tls_key=row.path("tls_key", "") if row.has("tls_key") else None,
        tls_name=row.text("tls_name", pattern=_HOST, what=_HOST_WHAT),
    )
    for key in ("tls_ca", "tls_cert", "tls_key", "tls_name"):
        if row.has(key) and not carrier.tls:
            row.fault((key,), "has no meaning without tls: true")
    for key, other in (("tls_cert", "tls_key"), ("tls_key", "tls_cert")):
        if row.has(key) and not row.has(other):
            row.fault((key,), f"needs {other!r} beside it")
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


def provider_of(row: Fields, carriers: tuple[Carrier, ...]) -> Provider:
    row.need("name")
    provider = Provider(
        name=row.text("name", pattern=_NAME, what=_NAME_WHAT),
        accounts=_accounts(row),
        ports=_ports(row),
        allow_ips=row.networks("allow_ips", (), 10_000),
        tps=row.number("tps", 0, minimum=0.1, maximum=TPS_MAX) or None,
        binds=row.integer("binds", 8, minimum=1, maximum=1000),
        window=row.integer("window", 64, minimum=1, maximum=WINDOW_MAX),
        category=_category(row),
        statuses=row.word("statuses", ("vendor", "standard"), "vendor"),
        status_detail=row.word("status_detail", ("none", "tlv"), "none"),
        since=row.day("since"),
        upstream=_upstream(row, carriers) if row.has("upstream") else None,
        confirm=confirm_of(row, "") if row.has("confirm") else None,
        replace=row.flag("replace", default=False),
        reserved_values=row.word("reserved_values", ("refuse", "relay"), "refuse"),
        token=_own_token(row),
    )
    row.done()
    return provider


def _own_token(row: Fields) -> str:
    token = row.secret("token", needed=False)
    if token and not re.fullmatch(_DIGEST, token):
        row.fault(("token",), "must be the hash of a token (make both with gate106 token)")
    return token


def _upstream(row: Fields, carriers: tuple[Carrier, ...]) -> Upstream | None:
    """The provider's own account at a carrier; missing values are those of the carrier's account."""
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
        links=below.integer("links", base.links if base else 1, minimum=1, maximum=64),
        window=below.integer("window", base.window if base else 64, minimum=1, maximum=WINDOW_MAX),
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
        binds = below.integer("binds", 0, minimum=1, maximum=1000) or None
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


def confirm_of(row: Fields, default: str) -> str:
    """The confirmation text of an opt-out: one short message. ``{who}`` stands for the stopped senders."""
    text = one_short_message(row, "confirm", default)
    if re.search(r"[{}]", text.replace("{who}", "")):
        row.fault(("confirm",), "has other braces than those around the word who")
    return text


def one_short_message(row: Fields, name: str, default: str) -> str:
    """A text that fits into one short message: 160 characters of ASCII, else 70."""
    text = row.text(name, default)
    plain = text.isascii() and not set(text) & set("[]{}~^|\\`")
    most = 160 if plain else 70
    if len(text.encode("utf-16-be", "surrogatepass")) // 2 > most:
        row.fault((name,), f"longer than one short message ({most} characters)")
    return text
