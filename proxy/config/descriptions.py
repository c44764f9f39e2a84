"""Describes every setting: meaning, allowed values, default, reload.

``gate106 settings`` prints the descriptions, and the guide's table is made of them (``make guide``).

In: nothing. Out: rows in the order of a settings file. Never: a default or a bound: those come from reader.py, only the meanings
are here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from typing import NamedTuple

from proxy.config.mapping_reader import Address, KeyDescription
from proxy.config.reader import described_keys
from proxy.config.values import Settings

RELOADED = (
    "http.metrics_allow", "http.hosts",
    "http.tokens", "providers", "long_messages", "optout", "doubtful_replies", "doubtful_then", "consent_by_reply", "retention",
    "people", "revisions.four_eyes",
)  # fmt: skip
"""Settings that a reload (SIGHUP, ``gate106 rules reload``) takes over, …"""
NOT_RELOADED = ("providers[].upstream",)
"""… except these: a file that changes one of them is not taken over."""

MEANINGS = {
    "smpp.listen": "where providers bind",
    "smpp.tls.listen": "where providers bind over TLS (1.2 or 1.3), beside `smpp.listen`",
    "smpp.connections": (
        "provider connections at once, bound or not; the gate closes further ones at once. Each takes a file "
        "descriptor: with fewer of them (`LimitNOFILE`, `ulimit -n`) the number is lower, and the log says so"
    ),
    "smpp.tls.cert": "file of the gate's certificate, and those up to one that providers know; in PEM",
    "smpp.tls.key": "file of its key, without a password",
    "smpp.tls.client_ca": "file of certificates: a client needs a certificate that one of these signed",
    "smpp.proxy_protocol": (
        "`true`: a balancer is before the gate, and each connection (TLS or not) begins with its PROXY header, version 1 or 2; "
        "`allow_ips` then checks the address in the header"
    ),
    "smpp.proxy_from": (
        "the balancers' addresses; the gate refuses others. Without it any client that reaches the listener may claim "
        "any address"
    ),
    "http.listen": "where `/metrics`, `/healthz` and `/readyz` are",
    "http.metrics_allow": "addresses and networks that may read `/metrics` without a token",
    "http.hosts": (
        "names of this gate under which it answers without a token, beside addresses, names without a dot and its "
        "machine's own. So a page in a browser on a listed machine cannot ask under another name that leads here"
    ),
    "http.tokens[].name": "another reader, with a token: a name for people; at most 100",
    "http.tokens[].token": "the hash that `gate106 token` printed",
    "http.tokens[].role": "further rights over HTTP: [roles](commands.md#who-may-do-what)",
    "console.listen": (
        "address of [the console](console.md), for people who work in a browser; a process of its own that the gate "
        "starts. Needs `people`"
    ),
    "console.origin": "the URL prefix that browsers see, where a proxy ends TLS before the console: `https://gate.example.cn`",
    "console.proxies": (
        "addresses and networks of proxies that end TLS before the console: the gate believes their `X-Forwarded-For`"
    ),
    "store": "`sqlite:///path`: the file of the embedded store; `valkey://host:6379/0`: records of persons [shared by several "
    "gates](many-gates.md), `valkeys://` over TLS, `valkey+cluster://host:6379,host:6379` (or `valkeys+cluster://`) in a cluster",
    "shared.local": "with a shared store: the file of this node's own copy and of all that is not shared",
    "shared.secret": (
        "key of the hash that replaces persons' numbers in the store; the same on all nodes, at least 16 characters. It "
        "must never change: with another secret no record is found"
    ),
    "shared.user": "the account there (its ACL); without it the default user",
    "shared.password": "its password",
    "shared.tls_ca": "file of the certificates that sign the servers', in PEM",
    "shared.tls_cert": "file of our own certificate, where they ask for one …",
    "shared.tls_key": "… and of its key, without a password",
    "shared.parts": (
        "number of parts into which records are divided; a cluster's shards share the parts, so it must be at least the "
        "largest number of shards ever planned. The same on all nodes, fixed when the store is first used"
    ),
    "shared.deadline_s": (
        "longest time for a call; after it the store counts as out of reach, and [rules use what this node "
        "knows](many-gates.md#when-the-store-is-out-of-reach)"
    ),
    "shared.reassert_s": (
        "when the store is in reach again, the node writes again what it noted in this time before the failure: more "
        "than a failover of the store can lose"
    ),
    "shared.stale_s": (
        "a gate that has read nothing from the other gates for this time may lack opt-outs: [it defers "
        "marketing](many-gates.md#when-the-store-is-out-of-reach)"
    ),
    "journal": "folder of the journal",
    "rules": "folder of the rules",
    "control": (
        "path of the socket through which [a running gate is operated](commands.md#operating-a-running-gate); only "
        "the gate's own user (and root) may open it"
    ),
    "control_group": (
        "a group of the operating system whose accounts may open that socket, too: [each by their role](commands.md#who-may-do-what); "
        "they must also be able to enter its folder. Needs `people`"
    ),
    "revisions.folder": (
        "folder of the rule sets that were in force, so that [the gate can go back to "
        "them](commands.md#rules-that-change) (`revisions`); only its own user may read it"
    ),
    "revisions.keep": "number of earlier sets that are kept",
    "revisions.four_eyes": (
        "`false`: a changed set is in force at once; `true`: it is tried beside the old one and waits until a second "
        "person approves it. Needs two in `people`"
    ),
    "people[].name": "a person with [a role](commands.md#who-may-do-what), as the journal names them; at most 100",
    "people[].token": "the hash of their token, from `gate106 token`, or of a password, from `gate106 hash-password`",
    "people[].user": (
        "the person's own account of the operating system, shared with nobody. Its commands are the person's without a "
        "token, and so are rule files that it owns; without it the person's name"
    ),
    "people[].roles": (
        "`viewer`, `officer`, `approver`, `auditor`, `admin`: [what they may do](commands.md#who-may-do-what); without "
        "it `approver`. Where `people` is empty, everybody who can open the socket may do everything"
    ),
    "message_ids": (
        "`carrier`: the carrier's own ids; `coded`: with the carrier's code before them, see [Message "
        "ids](messages.md#message-ids-and-receipts); fixed at the first start"
    ),
    "node": "number of this gate; with `--workers` of the first worker, the others have the following ones",
    "category_tag": "number of the optional parameter in which a client declares `otp`, `notice` or `marketing`",
    "optout.widen_after": (
        "opt-outs by reply from this many advertisers within `widen_days` stop all marketing to the person; `0`: never"
    ),
    "optout.widen_days": "see above",
    "optout.confirm": (
        "the text of the confirmation to a person who opts out: once a day for the same opt-out, from the port of the "
        "reply, if a provider owns it; one short message (70 characters, 160 of ASCII). Begin it with the signature "
        "that your carrier requires. `{who}` stands for the signatures that were stopped; without `{who}` they follow "
        'the sentence, as far as they fit; `""`: no confirmation'
    ),
    "doubtful_replies": (
        "the effect of a reply that may be an opt-out, until a person decides about it ([Doubtful "
        "replies](messages.md#doubtful-replies)): `hold`: the marketing that it may refuse waits; `pass`: it goes on"
    ),
    "doubtful_then": "the end of such a hold if nobody decides within 7 days: `refuse`: an opt-out; `pass`: the hold ends",
    "consent_by_reply": (
        "the effect of a person's answer to a registered consent request ([Consent by "
        "reply](messages.md#consent-by-reply)): `review`: a consent that waits for a review; `accept`: a consent that "
        "counts at once"
    ),
    "optout.answer_hours": (
        "age at which an advertisement counts as unanswered: people take their time. Before it no port is reported as "
        "silent, see [Reply paths](messages.md#reply-paths)"
    ),
    "optout.probe_text": (
        "text of a [probe](messages.md#probes) to a test number; `{keyword}` stands for the requested reply; one short "
        "message. Begin it with the signature that your carrier requires"
    ),
    "optout.probe_s": "time that a probe waits for the reply; without a reply the path is dead",
    "mailbox.hours": "how long receipts and replies wait for a provider that is away; then they are dropped",
    "mailbox.messages": "receipts and replies that may wait for one provider; then the oldest are dropped",
    "mailbox.megabytes": "memory of those of one provider: 400 bytes each beside their content",
    "mailbox.total_megabytes": "the same over all providers; then the fullest mailbox drops its oldest",
    "long_messages.held_megabytes": (
        "memory for incomplete [long messages](../../rules/README.md#long-messages) of one provider; a megabyte holds about 400. Above it "
        "the provider's new long messages are refused for a while (`parts-full`)"
    ),
    "long_messages.torn_keys": (
        "how many long messages of one provider may have sent only some of their parts within `parts_remembered_hours`, by this gate's own "
        "count or its records; above it the gate takes only long messages whose parts come together"
    ),
    "long_messages.parts_remembered_hours": (
        "how long the gate refuses further parts and messages under the reference of a long message that stayed incomplete: a handset would "
        "join the two"
    ),
    "retention.days": (
        "how long the journal is kept; older segments are removed, and the journal records it. What the rules look back "
        "on, and what a restart needs, is kept in any case; see [Room on the disk](backup.md#room-on-the-disk)"
    ),
    "retention.hold[].from": "a legal hold: nothing is removed that was written on or after this day …",
    "retention.hold[].to": "… until the end of this day; nothing after it is removed either, because a journal has no gaps",
    "retention.hold[].why": "the case, and who ordered the hold",
    "archive.folder": (
        "folder of [the journal at rest](journal.md): tables for searches, beside the segments; nodes may share it"
    ),
    "archive.keys": "folder of the keys that numbers in tables are hashed and sealed with, and that the daily head is signed with; made at "
    "the first roll; only the gate's own user may read it",
    "archive.roll": (
        "`true`: the gate has closed segments rolled into tables, in a process of the lowest priority; `false`: "
        "somebody has to run `gate106 journal roll`"
    ),
    "sealing.keys": (
        "files of the keys that [the journal is sealed with](journal.md#sealed-segments) (`gate106 journal key` makes "
        "one): the first one seals new segments, all of them open old ones; without keys the journal is not encrypted"
    ),
    "timers.bind_s": "time within which a connection must be bound",
    "timers.enquire_s": "silence after which the gate sends enquire_link",
    "timers.response_s": "time after which an answer is overdue",
    "timers.unread_s": "time after which a peer that does not read is disconnected, once 256 KiB wait for it",
    "on_judge_error.otp": "verdict on a message of this category when an error inside the gate prevents a decision",
    "on_judge_error.notice": "likewise",
    "on_judge_error.marketing": "likewise",
    "carriers[].name": "the carrier's name in metrics, log and journal",
    "carriers[].code": "two letters or digits; required with `message_ids: coded`, and then never to be changed",
    "carriers[].host": "its SMSC: name or address",
    "carriers[].port": "and TCP port",
    "carriers[].system_id": "our account there",
    "carriers[].password": "its password",
    "carriers[].bind": "one bind both ways, or one for each way",
    "carriers[].links": "connections, over all gates of a shared store; with `transmitter+receiver` this many of each",
    "carriers[].window": "submits that may be unanswered on one link",
    "carriers[].tps": "messages a second, over all links and gates",
    "carriers[].routes.province": (
        "provinces it serves; with neither these nor `prefixes`: everyone for whom no more specific carrier is up"
    ),
    "carriers[].prefixes": "first digits of the persons' numbers it serves; go before provinces",
    "carriers[].weight": "its share among carriers that serve the same people",
    "carriers[].tls": "`true`: links are encrypted (TLS 1.2 or 1.3), and its certificate must be good for its name",
    "carriers[].tls_ca": "file of the certificates that sign its own, in PEM",
    "carriers[].tls_cert": "file of our own certificate, where it asks for one …",
    "carriers[].tls_key": "… and of its key, without a password",
    "carriers[].tls_name": "the name in its certificate",
    "carriers[].strip": "digits that it puts before a port in its delivers",
    "carriers[].receipts_by_text": "whether its receipts are known by their text only, not by esm_class",
    "carriers[].receipt_id": (
        "how its receipts write the id that its answer gave: alike; `dec`: answers in hexadecimal, receipts in "
        "decimal; `hex`: the reverse"
    ),
    "carriers[].receipt_id_width": (
        "with `hex` or `dec`: digits of the ids in its answers, with leading zeros; else learnt from answers"
    ),
    "providers[].name": "the company's name in rules, metrics, log and journal",
    "providers[].system_id": "its account, where it has only one",
    "providers[].password": "its password, or what `gate106 hash-password` printed",
    "providers[].accounts[].system_id": "one of several accounts, instead of the two above",
    "providers[].accounts[].password": "likewise",
    "providers[].accounts[].ports": "ports of this account, among the provider's",
    "providers[].accounts[].tps": "messages a second of this account, within the provider's",
    "providers[].accounts[].binds": "binds of this account, within the provider's",
    "providers[].ports": (
        "prefixes of its sender numbers, the longest decides whose a number is; an empty or alphanumeric one counts "
        "as it stands"
    ),
    "providers[].allow_ips": "addresses and networks it may bind from; a reload asks binds from elsewhere to leave",
    "providers[].tps": "messages a second, over all binds and gates",
    "providers[].binds": "binds at once, over all gates",
    "providers[].window": "submits that may be unanswered on one bind",
    "providers[].category": "category of its messages where nothing else declares one; without it `marketing`",
    "providers[].statuses": "a rule's refusal has the status of its reason; `standard`: ESME_RSUBMITFAIL",
    "providers[].status_detail": (
        "`none`: answers have no optional parameters of the gate (smpplib's client breaks on them); `tlv`: a refusal has its reason in"
        " 0x001D additional_status_info_text, by the public name of the reason (rules/README.md), unless the client "
        "bound below interface_version 0x34"
    ),
    "providers[].upstream.carrier": (
        "with `upstream`, its own account at a carrier: which carrier. Its messages leave over that account only, and"
        " all that arrives there is its own"
    ),
    "providers[].upstream.system_id": "the account",
    "providers[].upstream.password": "its password",
    "providers[].upstream.links": "connections of this account",
    "providers[].upstream.window": "submits that may be unanswered on one of them",
    "providers[].upstream.tps": "messages a second of this account",
    "providers[].replace": (
        "every `replace_sm` is refused with ESME_RREPLACEFAIL; `true`: the ids of its messages are kept for 48 hours "
        "(the newest 250,000 at least, about 170 bytes each, and as much again where a rule limits more than one "
        "person's messages; of a restart those survive that were accepted since the last checkpoint), so that it may "
        "replace them, and so that a `query_sm` or `cancel_sm` finds the carrier by the id"
    ),
    "providers[].reserved_values": (
        "a request with a value that SMPP 3.4 reserves (type of number, numbering plan, esm_class, priority_flag, registered_delivery, "
        "replace_if_present_flag), with a broken user data header or impossible part numbers is refused with the status of that field: a "
        "strict carrier may close the link that all providers share for it; `relay`: it passes byte for byte"
    ),
    "providers[].token": "the hash that `gate106 token` printed: with it the provider asks [over HTTP](http.md#for-providers) for its own "
    "refusals, tasks and penalties, and for new rules",
    "providers[].since": "the day it was taken on, for rules on `provider_age`",
    "providers[].confirm": (
        'confirmation to a person who opts out at a port of this provider, instead of `optout.confirm`; `""`: none'
    ),
}
"""Meaning of each setting in Markdown, for the guide."""
DEFAULTS = {
    "retention.hold[].to": "for good",
    "console.listen": "nowhere",
    "console.origin": "where it listens",
    "control": "beside the store",
    "shared.local": "`state.db` beside the journal",
    "shared.user": "none",
    "shared.tls_ca": "the system's",
    "revisions.folder": "beside the store",
    "archive.folder": "beside the store",
    "archive.keys": "beside the store",
    "sealing.keys": "none",
    "smpp.proxy_from": "anywhere",
    "carriers[].tls_ca": "the system's",
    "carriers[].tls_name": "its host",
    "providers[].allow_ips": "anywhere",
    "providers[].accounts[].ports": "the provider's",
    "providers[].upstream.links": "the carrier's",
    "providers[].upstream.window": "the carrier's",
    "providers[].upstream.tps": "the carrier's",
    "providers[].confirm": "as for all",
    "providers[].category": "none",
    "people[].user": "the name",
    "people[].roles": "`[approver]`",
}
"""Defaults that are described in words because they are no literal value."""
_UNITS = {"_s": "s", ".hours": "hours", "_hours": "hours", "days": "days", "egabytes": "MB"}


class SettingDescription(NamedTuple):
    name: str
    default: str
    """As it is written in the file, or in words where ``worded``; empty: none, or ``required``."""
    required: bool
    worded: bool
    allowed: str
    """The allowed values: bounds with their unit, words, or a kind of text."""
    reloaded: bool
    meaning: str


def settings() -> list[SettingDescription]:
    """All settings, in the order of MEANINGS."""
    descriptions = described_keys()
    known = descriptions.settings
    assert known.keys() == MEANINGS.keys(), known.keys() ^ MEANINGS.keys()
    return [_setting(name, known[name], name in descriptions.needed) for name in MEANINGS]


def changes_not_reloaded(before: Settings, after: Settings) -> list[str]:
    """Settings that differ between the file and the running gate and that a reload does not take over."""
    found = []
    for one in fields(Settings):
        old, new = getattr(before, one.name), getattr(after, one.name)
        if old == new or one.name in RELOADED:
            continue
        if is_dataclass(old):
            parts = [f"{one.name}.{part.name}" for part in fields(old) if getattr(old, part.name) != getattr(new, part.name)]
            found += [part for part in parts if part not in RELOADED]
        else:
            found.append(one.name)
    return found


def _setting(name: str, one: KeyDescription, required: bool) -> SettingDescription:
    reloaded = name.startswith(RELOADED) and not name.startswith(NOT_RELOADED)
    worded = DEFAULTS.get(name, "")
    return SettingDescription(
        name, worded or _written(one), required, bool(worded), _allowed(name, one), reloaded, MEANINGS[name]
    )


def _written(one: KeyDescription) -> str:
    """The default as it is written in the file; empty for none."""
    default = one.default
    if isinstance(default, bool):
        return str(default).lower()
    if isinstance(default, int | float):
        return str(default) if one.least is None or default >= one.least else ""
    if isinstance(default, Address):
        return f"{default.host}:{default.port}"
    if isinstance(default, tuple):
        return f"[{', '.join(map(str, default))}]" if default else ""
    return str(default or "")


def _allowed(name: str, one: KeyDescription) -> str:
    unit = next((f" {unit}" for ending, unit in _UNITS.items() if name.endswith(ending)), "")
    if one.words and all(one.words):
        return " ".join(f"`{word}`" for word in one.words)
    if one.least is not None and one.most is not None:
        return f"{_number(one.least)} to {_number(one.most)}{unit}"
    return _KINDS[one.kind]


_KINDS = {
    "text": "text",
    "word": "a name",
    "secret": "text or `file:/path`",
    "flag": "`true` `false`",
    "list": "a list",
    "networks": "addresses, networks",
    "address": "host:port",
    "path": "a path",
    "day": "a day",
}


def _number(number: float) -> str:
    return f"{number:,}" if isinstance(number, int) else f"{number:g}"


def with_prefix(prefix: str, rows: Sequence[SettingDescription]) -> list[SettingDescription]:
    """The settings whose name begins with the prefix (``carriers``, ``optout.confirm``)."""
    return [one for one in rows if one.name.replace("[]", "").startswith(prefix.replace("[]", ""))]
