"""Describes every setting: meaning, allowed values, default, reload.

``gate106 settings`` prints the descriptions, and the guide's table is made of them (``make guide``).

In: nothing. Out: rows in the order of a settings file. Never: a default or a bound: those come from reader.py, only the meanings
are here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from typing import NamedTuple

from proxy.config.fields import Address, KeyDescription
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
    "smpp.connections": "of providers at once, bound or not; more are closed at once. Each takes a file descriptor: with too few of them "
    "(`LimitNOFILE`, `ulimit -n`) it is fewer, and the log says so",
    "smpp.tls.cert": "file of the gate's certificate, and those up to one that providers know; in PEM",
    "smpp.tls.key": "file of its key, without a password",
    "smpp.tls.client_ca": "file of certificates: only clients with one that these signed are let in",
    "smpp.proxy_protocol": (
        "`true`: a balancer stands before the gate, and each connection (TLS or not) begins with its PROXY header, version 1 or 2; "
        "`allow_ips` then looks at the address in it"
    ),
    "smpp.proxy_from": "the balancers' addresses: others are turned away. Without it whoever reaches the listener may claim any address",
    "http.listen": "where `/metrics`, `/healthz` and `/readyz` are",
    "http.metrics_allow": "addresses and networks that may read `/metrics` without a token",
    "http.hosts": "names of this gate under which it answers without a token, beside addresses, names without a dot and its machine's own: a "
    "page in a browser on a listed machine cannot ask under another name that leads here",
    "http.tokens[].name": "who else may read it, by a token: a name for people; at most 100",
    "http.tokens[].token": "the hash that `gate106 token` printed",
    "http.tokens[].role": "what else it may ask for over HTTP: [roles](commands.md#who-may-do-what)",
    "console.listen": "where [the console](console.md) is, for people who work in a browser; a process of its own that the gate starts. "
    "Needs `people`",
    "console.origin": "what stands before each path in their browsers, where TLS is ended before it: `https://gate.example.cn`",
    "console.proxies": "addresses and networks of what ends TLS before it: these may say in `X-Forwarded-For` whom they speak for",
    "store": "`sqlite:///path`: the file of the embedded store; `valkey://host:6379/0`: records of persons [shared by several "
    "gates](many-gates.md), `valkeys://` over TLS, `valkey+cluster://host:6379,host:6379` (or `valkeys+cluster://`) in a cluster",
    "shared.local": "with a shared store: the file of this node's own copy and of all that is not shared",
    "shared.secret": "what persons' numbers are hashed with before they are keys in the store; the same on all nodes, 16 characters at least, "
    "and never another: with another nobody's record is found",
    "shared.user": "the account there (its ACL); the default user where nothing is said",
    "shared.password": "its password",
    "shared.tls_ca": "file of the certificates that sign the servers', in PEM",
    "shared.tls_cert": "file of our own certificate, where they ask for one …",
    "shared.tls_key": "… and of its key, without a password",
    "shared.parts": "records lie in so many parts, over which a cluster's shards divide them: at least as many as there will ever be "
    "shards; the same on all nodes, fixed when the store is first used",
    "shared.deadline_s": "a call that takes longer is given up: the store is out of reach, and [rules go by what this node "
    "knows](many-gates.md#when-the-store-is-out-of-reach)",
    "shared.reassert_s": "when the store is in reach again, what this node noted since so long before is told to it again: more than a "
    "failover of the store can lose",
    "shared.stale_s": "who has heard nothing from the other gates for so long does not know whom they were told to leave alone: [marketing is "
    "deferred](many-gates.md#when-the-store-is-out-of-reach)",
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
        "where sets of rules are kept that were in force, so that [the gate can go back to them](commands.md#rules-that-change) "
        "(`revisions`); only its own user may read it"
    ),
    "revisions.keep": "so many earlier sets",
    "revisions.four_eyes": (
        "a changed set is in force at once; `true`: it is tried beside the old one and waits until a second person approves it. "
        "Needs two in `people`"
    ),
    "people[].name": "somebody with [a role](commands.md#who-may-do-what): as the journal names them; at most 100",
    "people[].token": "the hash of their token, from `gate106 token`, or of a password, from `gate106 hash-password`",
    "people[].user": "their account of the operating system, theirs alone: what it does is theirs without a token, and so are the rules whose "
    "files it owns; the person's name where nothing is said",
    "people[].roles": "`viewer`, `officer`, `approver`, `auditor`, `admin`: [what they may do](commands.md#who-may-do-what); `approver` where "
    "nothing is said. Where nobody is listed, whoever may open the socket may do all of it",
    "message_ids": (
        "`carrier`: the carrier's own ids; `coded`: with the carrier's code before them, see [Message "
        "ids](messages.md#message-ids-and-receipts); fixed at the first start"
    ),
    "node": "number of this gate; with `--workers` of the first worker, the others have the following ones",
    "category_tag": "number of the optional parameter in which a client declares `otp`, `notice` or `marketing`",
    "optout.widen_after": (
        "refusals by reply of so many advertisers within `widen_days` stop all marketing to the person; `0`: never"
    ),
    "optout.widen_days": "see above",
    "optout.confirm": (
        "what a person is told, once a day for the same refusal, from the port they refused at, if a provider owns "
        "it; one short message (70 characters, 160 of ASCII); begin it with the signature your carrier asks for; `{who}` stands for the "
        "signatures that were stopped, which stand behind the sentence otherwise, as far as they fit; "
        '`""`: nothing'
    ),
    "doubtful_replies": (
        "what a reply does that may be a refusal, until somebody decides about it ([Doubtful replies](messages.md#doubtful-replies)): "
        "`hold`: the marketing that it may refuse waits; `pass`: it goes on"
    ),
    "doubtful_then": "what becomes of such a hold if nobody decides within 7 days: `refuse`: a refusal; `pass`: it ends",
    "consent_by_reply": (
        "what a person's answer to a registered consent request is ([Consent by reply](messages.md#consent-by-reply)): `review`: a consent "
        "that waits for a review; `accept`: one that counts at once"
    ),
    "optout.answer_hours": (
        "an advertisement counts as unanswered once it is so old: people take their time; before that no port is "
        "called silent, see [Reply paths](messages.md#reply-paths)"
    ),
    "optout.probe_text": (
        "what a [probe](messages.md#probes) sends to a test number; `{keyword}` stands for what is to be replied; one short message; "
        "begin it with the signature your carrier asks for"
    ),
    "optout.probe_s": "so long a probe waits for the reply; without one the path is dead",
    "mailbox.hours": "receipts and replies wait so long for a provider that is away, then they are dropped",
    "mailbox.messages": "so many of one provider; then the oldest are dropped",
    "mailbox.megabytes": "or so much of its memory, 400 bytes each beside their own",
    "mailbox.total_megabytes": "so much over all providers; then the fullest box gives way",
    "long_messages.held_megabytes": (
        "what [long messages](../../rules/README.md#long-messages) of one provider that are not whole may hold in memory: some 400 in a "
        "megabyte; then its new ones are refused for a while (`parts-full`)"
    ),
    "long_messages.torn_keys": (
        "so many messages of one provider may be out and not whole within `parts_remembered_hours`, as this gate counted them "
        "or found them in its records; then only what comes whole is taken"
    ),
    "long_messages.parts_remembered_hours": (
        "so long no part and no message is taken under the reference of one that never became whole, for a handset would join the two"
    ),
    "retention.days": "how long the journal is kept; older segments are removed, and the journal says so. What the rules look back, and what a "
    "restart needs, is kept whatever stands here; see [Room on the disk](backup.md#room-on-the-disk)",
    "retention.hold[].from": "a legal hold: nothing is removed that was written from this day on …",
    "retention.hold[].to": "… to this day, the whole of it; nor anything after it, for a journal has no holes",
    "retention.hold[].why": "which case, and who said so",
    "archive.folder": "where [the journal at rest](journal.md) is: tables that can be searched, beside the segments; nodes may share it",
    "archive.keys": "folder of the keys that numbers in tables are hashed and sealed with, and that the daily head is signed with; made at "
    "the first roll; only the gate's own user may read it",
    "archive.roll": "whether the gate has closed segments rolled into tables, in a process of the lowest priority; `false`: whoever "
    "runs `gate106 journal roll` does it",
    "sealing.keys": "files of the keys that [the journal is sealed with](journal.md#sealed-segments) (`gate106 journal key` makes one): the "
    "first seals what is written, all open what was; with none it is written in the clear",
    "timers.bind_s": "until a connection must be bound",
    "timers.enquire_s": "of silence until enquire_link is sent",
    "timers.response_s": "until an answer is overdue",
    "timers.unread_s": "until a peer that does not read what it is told is cut off, once 256 KiB wait for it",
    "on_judge_error.otp": "what becomes of such a message when deciding fails inside the gate",
    "on_judge_error.notice": "likewise",
    "on_judge_error.marketing": "likewise",
    "carriers[].name": "the carrier's name in metrics, log and journal",
    "carriers[].code": "two letters or digits; required with `message_ids: coded`, and then never to be changed",
    "carriers[].host": "its SMSC: name or address",
    "carriers[].port": "and TCP port",
    "carriers[].system_id": "our account there",
    "carriers[].password": "its password",
    "carriers[].bind": "one bind both ways, or one for each way",
    "carriers[].links": "connections, over all gates of a shared store; with `transmitter+receiver` so many of each",
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
    "carriers[].strip": "digits it puts before a port in what it delivers",
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
    "providers[].category": "what it sends where nothing else declares it; none counts as `marketing`",
    "providers[].statuses": "a rule's refusal has the status of its reason; `standard`: ESME_RSUBMITFAIL",
    "providers[].status_detail": (
        "answers carry no optional parameters of ours (smpplib's client breaks on them); `tlv`: a refusal says why in"
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
        'what is told to who refuses at a port of this provider, instead of `optout.confirm`; `""`: nothing'
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


def waiting(before: Settings, after: Settings) -> list[str]:
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


def beginning(prefix: str, rows: Sequence[SettingDescription]) -> list[SettingDescription]:
    """The settings whose name begins with the prefix (``carriers``, ``optout.confirm``)."""
    return [one for one in rows if one.name.replace("[]", "").startswith(prefix.replace("[]", ""))]
