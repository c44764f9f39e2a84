"""Reads a settings file section by section.

In: the file's path. Out: ``Settings``, or a SettingsError with every fault. Never: a key under another name than in the file.
"""

from __future__ import annotations

import ipaddress
import math
import os
import re
from pathlib import Path

from proxy.config.cross_checks import check_settings
from proxy.config.mapping_reader import Address, Fields, KeyDescriptions, SettingsFault, faults_of
from proxy.config.peers import (
    CARRIERS_MAX,
    PEOPLE_MAX,
    PROVIDERS_MAX,
    TOKENS_MAX,
    USER,
    carrier_of,
    confirm_of,
    one_short_message,
    person_of,
    provider_of,
    token_of,
)
from proxy.config.values import (
    PROBE_TEXT,
    Archive,
    Console,
    Hold,
    Http,
    LongMessages,
    MailboxBounds,
    OptOutReplies,
    Retention,
    RuleRevisions,
    Sealing,
    Settings,
    SettingsError,
    SharedStore,
    Smpp,
    SmppTimers,
    Tls,
)
from proxy.config.worker import Worker, of_worker, worker_of
from proxy.config.yaml_file import Document, YamlError, unknown
from proxy.config.yaml_file import load as load_yaml
from proxy.model.message import Category, Outcome

CONFIRM = "退订已生效，您将不再收到{who}的营销短信。如需恢复，请回复START。"
"""The default confirmation text of an opt-out."""
ORIGIN = r"https?://[a-z0-9.\[\]:-]+/?"
DAYS_LEAST = 31
"""Recipients' records look back 30 days: a gate that has lost its state must find them in the journal."""
HOLDS_MAX = 1000
SECRET_LEAST = 16
HOSTS_MAX = 100
"""Host names of one gate."""
KEYS_MAX = 100
"""Sealing keys: one a year, with room to spare."""
STORES = ("sqlite", "valkey", "valkeys", "valkey+cluster", "valkeys+cluster")
"""Schemes of ``store``; each has an engine in proxy/state/stores."""
_ONE_OF_EACH = """
retention: {hold: [{}]}
people: [{}]
http: {tokens: [{}]}
console: {listen: x}
smpp: {tls: {client_ca: x}}
shared: {tls_ca: x, tls_cert: x, tls_key: x}
carriers: [{tls_ca: x, tls_cert: x, tls_key: x}]
providers:
  - {system_id: x, category: notice, confirm: x}
  - {accounts: [{ports: []}], upstream: {carrier: x}}
"""
"""Keys that the reader requests only where another key is present."""
_LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)


def load(path: Path | str, worker: Worker | None = None) -> Settings:
    """Reads a settings file; for one worker where the caller or the environment names one. Raises SettingsError with every fault in it."""
    path, worker = Path(path), worker or worker_of(os.environ)
    document, top, faults = open_settings(path)
    settings = _settings(top, document)
    if faults:
        raise settings_error(path, faults)
    return of_worker(settings, worker) if worker is not None else settings


def described_keys() -> KeyDescriptions:
    """Every setting, as ``load`` requests it."""
    found = KeyDescriptions()
    document = load_yaml(_ONE_OF_EACH)
    _settings(Fields(document, (), document.value, [], found), document)
    return found


def open_settings(path: Path) -> tuple[Document, Fields, list[SettingsFault]]:
    """The document, its top-level fields, and the list that collects faults as fields are read. Raises SettingsError if it is not YAML."""
    try:
        document = load_yaml(path)
    except YamlError as error:
        raise settings_error(path, faults_of(error)) from None
    faults: list[SettingsFault] = []
    return document, Fields(document, (), document.value, faults), faults


def settings_error(path: Path, faults: list[SettingsFault]) -> SettingsError:
    return SettingsError([f"{path}:{fault.line}: {fault.text}" for fault in sorted(set(faults))])


def _host(text: str) -> str:
    if not re.fullmatch(r"[a-z0-9]([a-z0-9._-]{0,251}[a-z0-9])?", text.lower()):
        raise ValueError(text)
    return text.lower()


def _settings(top: Fields, document: Document) -> Settings:
    smpp, http, timers = top.below("smpp"), top.below("http"), top.below("timers")
    store = top.text("store", pattern=r"[a-z][a-z+]*:.+", what="scheme://… (sqlite:///var/lib/gate106/state.db)", maximum=4096)
    top.need("store")
    scheme = store.partition(":")[0]
    if store and scheme not in STORES:
        top.fault(("store",), unknown("engine", scheme, STORES))
    for key in ("journal", "rules"):
        top.need(key)
    journal, rules = top.path("journal", "journal"), top.path("rules", "rules")
    carriers = tuple(carrier_of(row) for row in top.rows("carriers", CARRIERS_MAX))
    settings = Settings(
        smpp=_smpp(smpp),
        http=Http(
            http.address("listen", Address("127.0.0.1", 9106)),
            http.networks("metrics_allow", _LOOPBACK, 1000),
            tuple(http.each("hosts", HOSTS_MAX, _host, "a name of this gate (gate.example.cn)")),
            tuple(token_of(row) for row in http.rows("tokens", TOKENS_MAX)),
        ),
        console=console_of(top.below("console")),
        control=socket_of(top, store, journal),
        control_group=top.text("control_group", pattern=USER, what="a group of the operating system"),
        store=store,
        shared=_shared(top, store, state_folder(store, journal)),
        journal=journal,
        rules=rules,
        message_ids=top.word("message_ids", ("carrier", "coded"), "carrier"),
        timers=SmppTimers(
            bind_s=timers.number("bind_s", 10, minimum=0.1, maximum=600),
            enquire_s=timers.number("enquire_s", 30, minimum=0.1, maximum=3600),
            response_s=timers.number("response_s", 10, minimum=0.1, maximum=600),
            unread_s=timers.number("unread_s", 30, minimum=0.1, maximum=600),
        ),
        mailbox=_mailbox(top.below("mailbox")),
        long_messages=_long_messages(top.below("long_messages")),
        retention=_retention(top.below("retention")),
        archive=archive_of(top.below("archive"), state_folder(store, journal)),
        sealing=sealing_of(top.below("sealing")),
        carriers=carriers,
        providers=tuple(provider_of(row, carriers) for row in top.rows("providers", PROVIDERS_MAX)),
        on_judge_error=_on_judge_error(top.below("on_judge_error")),
        node=top.integer("node", 0, minimum=0, maximum=255),
        category_tag=top.integer("category_tag", 0, minimum=1, maximum=0xFFFF) or None,
        optout=_optout(top.below("optout")),
        doubtful_replies=top.word("doubtful_replies", ("hold", "pass"), "hold"),
        doubtful_then=top.word("doubtful_then", ("refuse", "pass"), "refuse"),
        consent_by_reply=top.word("consent_by_reply", ("accept", "review"), "review"),
        revisions=revisions_of(top.below("revisions"), state_folder(store, journal)),
        people=tuple(person_of(row) for row in top.rows("people", PEOPLE_MAX)),
    )
    for section in (smpp, http, timers, top):
        section.done()
    check_settings(top, settings)
    return settings


def _shared(top: Fields, store: str, beside: Path) -> SharedStore | None:
    scheme = store.partition(":")[0]
    embedded = scheme == "sqlite" or not store
    if not top.has("shared") and (embedded or scheme not in STORES):
        return None
    section = top.below("shared")
    if embedded and store:
        top.fault(("shared",), "has no meaning with an embedded store (store: valkey://…)")
    found = SharedStore(
        section.path("local", str(beside / "state.db")),
        section.secret("secret"),
        section.text("user", maximum=255),
        section.secret("password", needed=False),
        section.path("tls_ca", "") if section.has("tls_ca") else None,
        section.path("tls_cert", "") if section.has("tls_cert") else None,
        section.path("tls_key", "") if section.has("tls_key") else None,
        section.integer("parts", 16, minimum=1, maximum=256),
        section.number("deadline_s", 0.25, minimum=0.01, maximum=10),
        section.number("reassert_s", 60, minimum=1, maximum=3600),
        section.number("stale_s", 300, minimum=1, maximum=86_400),
    )
    if (found.tls_cert is None) != (found.tls_key is None):
        section.fault((), "tls_cert and tls_key go together")
    if found.secret and len(found.secret) < SECRET_LEAST:
        section.fault(("secret",), f"must have {SECRET_LEAST} characters at least: who guesses it can tell numbers from keys")
    section.done()
    return found


def _retention(section: Fields) -> Retention:
    found = Retention(
        section.integer("days", 190, minimum=DAYS_LEAST, maximum=36_500),
        tuple(_hold(row) for row in section.rows("hold", HOLDS_MAX)),
    )
    section.done()
    return found


def archive_of(section: Fields, beside: Path) -> Archive:
    found = Archive(
        section.path("folder", str(beside / "archive")),
        section.path("keys", str(beside / "keys")),
        section.flag("roll", default=True),
    )
    section.done()
    return found


def sealing_of(section: Fields) -> Sealing:
    found = Sealing(tuple(section.document_path(text) for _, text in section.texts("keys", KEYS_MAX)))
    section.done()
    return found


def _hold(row: Fields) -> Hold:
    for key in ("from", "why"):
        row.need(key)
    begin, to, why = row.day("from") or 0.0, row.day("to"), row.text("why", maximum=500)
    if to is not None and to < begin:
        row.fault(("to",), "is before 'from'")
    row.done()
    return Hold(begin, math.inf if to is None else to + 86_400, why)


def _optout(section: Fields) -> OptOutReplies:
    found = OptOutReplies(
        section.integer("widen_after", 3, minimum=0, maximum=64),
        section.integer("widen_days", 30, minimum=1, maximum=366),
        confirm_of(section, CONFIRM),
        section.number("answer_hours", 3, minimum=0, maximum=72),
        _probe_text(section),
        section.number("probe_s", 120, minimum=1, maximum=3600),
    )
    section.done()
    return found


def _probe_text(section: Fields) -> str:
    text = one_short_message(section, "probe_text", PROBE_TEXT)
    if text.count("{keyword}") != 1:
        section.fault(
            ("probe_text",), "must have the placeholder keyword, in braces, once: it stands for what is to be replied"
        )
    return text


def _smpp(section: Fields) -> Smpp:
    found = Smpp(
        section.address("listen", Address("127.0.0.1", 2775)),
        section.integer("connections", 10_000, minimum=10, maximum=100_000),
        _tls(section),
        section.flag("proxy_protocol", default=False),
        section.networks("proxy_from", (), 1000),
    )
    if found.proxy_from and not found.proxy_protocol:
        section.fault(("proxy_from",), "has no meaning without proxy_protocol: true")
    return found


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


def console_of(section: Fields) -> Console:
    found = Console(
        section.address("listen", Address("127.0.0.1", 9107)) if section.has("listen") else None,
        section.text("origin", pattern=ORIGIN, what="http:// or https:// and a host, without a path").rstrip("/"),
        section.networks("proxies", (), 100),
    )
    section.done()
    return found


def revisions_of(section: Fields, beside: Path) -> RuleRevisions:
    found = RuleRevisions(
        section.path("folder", str(beside / "revisions")),
        section.integer("keep", 20, minimum=1, maximum=1000),
        section.flag("four_eyes", default=False),
    )
    section.done()
    return found


def state_folder(store: str, journal: Path) -> Path:
    """The folder of the store's file; the journal's parent folder if the store is no file."""
    scheme, _, rest = store.partition("://")
    return (Path(rest) if scheme == "sqlite" and rest else journal).parent


def socket_of(top: Fields, store: str, journal: Path) -> Path:
    control = top.path("control", str(state_folder(store, journal) / "control.sock"))
    if top.has("control") and len(str(control).encode()) > 107:  # unix(7): sun_path
        top.fault(("control",), "a socket's path has at most 107 bytes")
    return control


def _mailbox(section: Fields) -> MailboxBounds:
    mailbox = MailboxBounds(
        hours=section.number("hours", 72, minimum=0.01, maximum=24 * 30),
        messages=section.integer("messages", 100_000, minimum=1, maximum=10_000_000),
        megabytes=section.integer("megabytes", 64, minimum=1, maximum=65_536),
        total_megabytes=section.integer("total_megabytes", 512, minimum=1, maximum=65_536),
    )
    section.done()
    return mailbox


def _long_messages(section: Fields) -> LongMessages:
    found = LongMessages(
        held_megabytes=section.integer("held_megabytes", 32, minimum=1, maximum=65_536),
        torn_keys=section.integer("torn_keys", 1_000_000, minimum=1, maximum=100_000_000),
        parts_remembered_hours=section.number("parts_remembered_hours", 24, minimum=0.1, maximum=24 * 7),
    )
    section.done()
    return found


def _on_judge_error(section: Fields) -> dict[Category, Outcome]:
    defaults = {Category.OTP: Outcome.ALLOW, Category.NOTICE: Outcome.DEFER, Category.MARKETING: Outcome.DEFER}
    words = [outcome.word for outcome in Outcome]
    found = {
        category: Outcome[section.word(category.word, words, default.word).upper()] for category, default in defaults.items()
    }
    section.done()
    return found
