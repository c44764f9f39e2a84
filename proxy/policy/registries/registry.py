"""Answers who owns signatures, ports and contacts.

In: rows of the files in ``registries/`` (typed_rows.py reads them); the time. Out: advertiser, group, licence, platform and state of
a signature;
province and categories of a port; owners of links and numbers; the other registries by name. Never: files, the clock.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from proxy.model.message import Category, Sender, hash48
from proxy.policy.registries.filings import PORT_CARRIERS, FilingRow, Filings, LicenceRow
from proxy.policy.registries.holidays import Holidays
from proxy.policy.registries.people import Consents, Preferences
from proxy.policy.registries.platforms import AdvertiserRow, Platforms
from proxy.policy.registries.regions import carrier_of, segment_types
from proxy.policy.registries.reviewed_texts import Reviewed
from proxy.policy.registries.templates import ContactUse, Templates
from proxy.policy.text.folding import normal_signature
from proxy.policy.text.handles import MAIL_HOSTS
from proxy.policy.time_windows import NEVER
from proxy.runtime.yield_point import Rest, no_yield, with_yield_points

HASH = re.compile(r"[0-9a-f]{12}")
STATES = ("filed", "approved", "expired", "revoked")
"""The life of a signature in the registry."""
PORT_USERS = ("own", "other", "expired", "missing", "none")
"""Whether a port is registered in the name of the signature's advertiser, or of another; the registration is over, or has not begun; only other
sub-ports of the provider's port are registered; no user is."""
LETTERS = ("registered", "missing", "none")
"""Of a signature that another company uses: whether its authorisation letter is registered; ``none``: it needs none."""
STATE_WORDS = (*STATES, "unregistered", "misused", "none")
"""What ``signature_state`` may say: beside the four, not in the registry, sent by another provider or port, no signature at all."""


BINARY = "binary"
"""Beside the categories that a port may send: data that no person reads."""


class SignatureRow(NamedTuple):
    signature: str
    advertiser: str
    group: str
    provider: str
    port: str  # prefix, empty = any
    state: str
    since: float = -NEVER  # before it an approved one is filed only …
    until: float = NEVER  # … and from here on it is expired
    line: int = 0
    source: str = ""  # one of SOURCES: what it is the name of
    link: str = ""  # of the shop or application
    responsible: str = ""  # person who answers for the signature
    handler: str = ""  # person who handles the filing
    letter: str = ""  # SHA-256 of the authorisation letter
    use: str = ""  # one of USES, empty = not said

    def state_at(self, at: float) -> str:
        if self.state != "approved" or self.since <= at < self.until:
            return self.state
        return "filed" if at < self.since else "expired"


class PortRow(NamedTuple):
    prefix: str
    province: str  # empty = national
    categories: frozenset[Category]  # empty = not said
    line: int = 0
    binary: bool = False
    advertiser: str = ""  # its registered user, empty = not said
    carrier: str = ""  # whose it is, empty = by the numbering plan
    since: float = -NEVER  # the user's registration
    until: float = NEVER
    responsible: str = ""  # person who answers for the sub-port


class ContactRow(NamedTuple):
    contact: str  # a domain, a telephone number without dashes, or kind:name
    advertiser: str  # empty = not one advertiser's
    provider: str  # empty = not one provider's
    line: int = 0
    signature: str = ""  # as written; empty = any of the advertiser's
    template: str = ""  # empty = any text
    shared: bool = False  # many senders have it, so it says nothing of who they are


class TelephoneRow(NamedTuple):
    """A telephone of the operator that answers probes of reply paths."""

    number: int
    carrier: str
    note: str  # whose it is, where it lies
    agent: str  # URL that makes it reply; empty: a person answers by hand
    line: int = 0


@dataclass(frozen=True)
class Registries:
    """All rows of the registries."""

    signatures: tuple[SignatureRow, ...] = ()
    ports: tuple[PortRow, ...] = ()
    advertisers: tuple[AdvertiserRow, ...] = ()
    contacts: tuple[ContactRow, ...] = ()
    templates: Templates = field(default_factory=Templates)
    holidays: Holidays = field(default_factory=Holidays)
    campaigns: Mapping[str, tuple[tuple[float, float], ...]] = field(default_factory=dict)
    reviewed: Reviewed = field(default_factory=Reviewed)
    consents: Consents = field(default_factory=Consents)
    preferences: Preferences = field(default_factory=Preferences)
    test_numbers: tuple[TelephoneRow, ...] = ()
    licences: tuple[LicenceRow, ...] = ()
    filings: tuple[FilingRow, ...] = ()


class OwnerTable(NamedTuple):
    """The owners of a contact."""

    advertisers: frozenset[str] = frozenset()
    providers: frozenset[str] = frozenset()
    everybody: bool = False
    uses: tuple[ContactUse, ...] = ()
    """Of rows that name a signature or a template."""
    proves: frozenset[str] = frozenset()
    """The advertisers that a text with this contact comes from: of one group, or a platform and its shops. Empty where others share it."""


class Registry:
    """Immutable. An unregistered signature is its own advertiser, named by its hash in hex."""

    def __init__(self, rows: Registries | None = None, rest: Rest = no_yield) -> None:
        self.rows = rows = rows or Registries()
        self.templates, self.holidays, self.campaigns = rows.templates.of(self), rows.holidays, rows.campaigns
        self.reviewed, self.preferences = rows.reviewed, rows.preferences
        self._advertisers = {row.advertiser: row for row in rows.advertisers}
        self._by_own_name = {hash48(normal_signature(name)): name for name in self._advertisers}
        self.platforms = Platforms(rows.advertisers)
        self._by_signature: dict[str, list[SignatureRow]] = {}
        self._by_hash: dict[int, SignatureRow] = {}
        self._signatures_of: dict[tuple[str, str], set[int]] = {}
        for row in map(self._with_group, with_yield_points(rows.signatures, rest)):
            name = normal_signature(row.signature)
            number = hash48(name)
            self._by_signature.setdefault(name, []).append(row)
            self._by_hash.setdefault(number, row)
            for kind, owner in (("advertiser", row.advertiser), ("group", row.group)):
                self._signatures_of.setdefault((kind, owner), set()).add(number)
        self._named = frozenset(row.port for row in rows.signatures if row.port)
        self._named_lengths = sorted({len(port) for port in self._named}, reverse=True)
        self._ports = {row.prefix: row for row in rows.ports}
        self._lengths = sorted({len(prefix) for prefix in self._ports if prefix}, reverse=True)
        self.advertisers = frozenset(row.advertiser for row in rows.signatures) | frozenset(self._advertisers)
        self.consents = rows.consents.spelt(self._spelt)
        self.groups = frozenset(kind_owner[1] for kind_owner in self._signatures_of if kind_owner[0] == "group")
        self.filings = Filings(with_yield_points(rows.filings, rest), with_yield_points(rows.licences, rest))
        if self.filings.names_carriers:
            segment_types()
        edges = {edge for row in rows.signatures for edge in (row.since, row.until)}
        edges |= {edge for port in rows.ports for edge in (port.since, port.until)}
        self._named_above = frozenset(
            row.prefix[:length] for row in rows.ports if row.advertiser for length in range(1, len(row.prefix))
        )
        self._edges = sorted((edges | self.filings.edges) - {NEVER, -NEVER})
        industries = {row.advertiser: row.industry for row in rows.advertisers if row.industry not in ("", "other")}
        owners = ((number, row.advertiser) for number, row in self._by_hash.items())
        self._industries = {number: industries[owner] for number, owner in owners if owner in industries}
        self.contact_owners = self._owner_tables()

    def _with_group(self, row: SignatureRow) -> SignatureRow:
        if row.group:
            return row
        known = self._advertisers.get(row.advertiser)
        return row._replace(group=(known.group if known else "") or row.advertiser)

    def _spelt(self, name: str) -> str:
        """A name in the form used by messages: an advertiser's name, a normalised signature, or its hash."""
        return name if name in self.advertisers or HASH.fullmatch(name) else normal_signature(name)

    # --- signatures

    def row_of(self, signature_hash: int) -> SignatureRow | None:
        """The first row of a signature; None where it is not registered."""
        return self._by_hash.get(signature_hash)

    def advertiser_of(self, signature_hash: int) -> str:
        """The advertiser of a signature; its hash in 12 hex digits if it is not registered; empty for none."""
        row = self._by_hash.get(signature_hash)
        if row is not None:
            return row.advertiser
        return f"{signature_hash:012x}" if signature_hash else ""

    def refused_as(self, signature_hash: int) -> str:
        """The advertiser that a refusal of this signature means; for an unregistered signature also the advertiser of the same name."""
        owner = self._by_own_name.get(signature_hash) if signature_hash not in self._by_hash else None
        return owner or self.advertiser_of(signature_hash)

    def group_of(self, signature_hash: int) -> str:
        row = self._by_hash.get(signature_hash)
        return row.group if row is not None else self.advertiser_of(signature_hash)

    def licence_of(self, advertiser: str) -> str:
        """The number of an advertiser's business licence, empty if it is not registered."""
        row = self._advertisers.get(advertiser)
        return row.licence if row is not None else ""

    def industry_of(self, signature_hash: int) -> str:
        """The sub-category that is the business of the signature's advertiser; empty if none is registered."""
        return self._industries.get(signature_hash, "")

    def licences_of(self, signature_hash: int, at: float) -> str:
        """The state of the licences of the signature's advertiser: one of LICENCE_WORDS."""
        row = self._by_hash.get(signature_hash)
        return "none" if row is None else self.filings.licences(row.advertiser, at)

    def advertiser_named(self, name: str) -> str:
        """The advertiser that a word of a rule or a refusal means: its name, the name of a signature, or the hash of one."""
        if name in self.advertisers:
            return name
        return self.refused_as(int(name, 16) if HASH.fullmatch(name) else hash48(normal_signature(name)))

    def group_named(self, advertiser: str) -> str:
        """The group of an advertiser by name; the advertiser itself if no group is registered."""
        for number in self._signatures_of.get(("advertiser", advertiser), ()):
            return self.group_of(number)
        row = self._advertisers.get(advertiser)
        return (row.group if row is not None else "") or advertiser

    def signatures_by(self, kind: str, owner: str) -> frozenset[int]:
        """All registered signatures (hashes) of an advertiser or group by name."""
        return frozenset(self._signatures_of.get((kind, owner), ()))

    def signatures_of(self, kind: str, signature_hash: int) -> frozenset[int]:
        """All signatures (hashes) of the same advertiser or group, this one included."""
        owner = self.advertiser_of(signature_hash) if kind == "advertiser" else self.group_of(signature_hash)
        return frozenset(self._signatures_of.get((kind, owner), ())) | {signature_hash}

    def same_advertiser(self, value: str, signature_hash: int) -> bool:
        """Whether an opt-out's advertiser is this message's, or a platform whose refusal covers it. ``value``: a name, or the hash of the
        refused signature, which the current registry (not that of the day of refusal) maps to its advertiser."""
        if not signature_hash:
            return False
        names = self.refused_as(signature_hash)
        return self.advertiser_named(value) in (names, self.platforms.stopped_with(names))

    def state_of(self, signature: str, sender: Sender, at: float) -> str:
        """``approved``, ``unregistered``, ``misused`` …: the best of its rows that fit this sender."""
        if not signature:
            return "none"
        rows = self._by_signature.get(signature)
        if not rows:
            return "unregistered"
        fitting = [
            row.state_at(at) for row in rows if row.provider in ("", sender.provider) and sender.port.startswith(row.port)
        ]
        if not fitting:
            return "misused"
        return "approved" if "approved" in fitting else fitting[0]

    def next_edge(self, at: float) -> float:
        """When the state of some signature, filing or licence changes next."""
        place = bisect_right(self._edges, at)
        return self._edges[place] if place < len(self._edges) else NEVER

    # --- ports

    def port(self, port: str) -> PortRow | None:
        """The longest registered prefix of a port."""
        for length in self._lengths:
            if row := self._ports.get(port[:length]):
                return row
        return None

    def sends_binary(self, sender: Sender) -> bool:
        """Whether a port is registered for binary data."""
        row = self.port(sender.port)
        return row is not None and row.binary

    def carrier_of(self, port: str, recipient: int) -> str:
        """The carrier through which a port reaches a recipient: the port's own, else that of the recipient's number; empty if unknown."""
        return self.port_carrier(port) or carrier_of(recipient)

    def port_carrier(self, port: str) -> str:
        """The carrier that owns a port; empty if it may belong to any."""
        row = self.port(port)
        return (row.carrier if row else "") or PORT_CARRIERS.get(port[:5], "")

    def letter_of(self, signature_hash: int) -> str:
        """Whether the signature's authorisation letter is registered: one of LETTERS."""
        row = self._by_hash.get(signature_hash)
        return "none" if row is None or row.use != "other" else "registered" if row.letter else "missing"

    def port_user(self, sender: Sender, signature_hash: int, at: float) -> str:
        """Whether the signature's advertiser, or the platform whose shop it is, is the registered user of the port: one of PORT_USERS."""
        row = self.port(sender.port)
        if not signature_hash:
            return "none"
        if row is None or not row.advertiser:
            return "missing" if sender.prefix in self._named_above and len(sender.port) > len(sender.prefix) else "none"
        if not row.since <= at < row.until:
            return "expired"
        owner = self.advertiser_of(signature_hash)
        return "own" if row.advertiser in (owner, self.platforms.of(owner)) else "other"

    def named_port(self, port: str) -> str:
        """The longest prefix of a port that a signature row names. Ports with the same prefix fit the same rows."""
        for length in self._named_lengths:
            if port[:length] in self._named:
                return port[:length]
        return ""

    # --- contacts

    def owners(self, contact: str) -> OwnerTable | None:
        """The owners of a contact; of a domain also by one above it, of an id that is a number also as a telephone number, of an e-mail address
        also by its domain. None if it is not registered."""
        found = self.contact_owners.get(contact)
        kind, colon, name = contact.partition(":")
        if colon:
            if found is None and name.isdecimal():
                return self.contact_owners.get(name)
            if kind != "email" or name.partition("@")[2] in MAIL_HOSTS:
                return found
            contact = name.partition("@")[2]
            found = found or self.contact_owners.get(contact)
        while found is None and "." in contact:
            contact = contact.partition(".")[2]
            found = self.contact_owners.get(contact)
        return found

    @property
    def contacts(self) -> Iterable[str]:
        """All registered contacts."""
        return self.contact_owners

    @property
    def providers_with_contacts(self) -> frozenset[str]:
        """Providers for whom contacts are registered."""
        return frozenset(row.provider for row in self.rows.contacts if row.provider)

    def _owner_tables(self) -> dict[str, OwnerTable]:
        found: dict[str, OwnerTable] = {}
        shared: set[str] = set()
        for row in self.rows.advertisers:
            for contact in (*row.domains, *row.phones):
                found[contact] = _added(found.get(contact), row.advertiser, "")
        for one in self.rows.contacts:
            if one.shared or not (one.advertiser or one.signature):
                shared.add(one.contact)
            if one.signature or one.template:
                name = normal_signature(one.signature)
                use = ContactUse(one.provider, one.advertiser, name, one.template)
                table = found.get(one.contact, OwnerTable())
                found[one.contact] = table._replace(uses=(*table.uses, use))
            elif one.shared and not (one.advertiser or one.provider):
                found.setdefault(one.contact, OwnerTable())
            else:
                found[one.contact] = _added(found.get(one.contact), one.advertiser, one.provider)
        return {
            contact: table if contact in shared or table.everybody else table._replace(proves=self._proven(table))
            for contact, table in found.items()
        }

    def _proven(self, table: OwnerTable) -> frozenset[str]:
        """Its owners, if they are of one group, or a platform and its shops."""
        named = {
            one.advertiser or self.advertiser_of(hash48(one.signature)) for one in table.uses if one.advertiser or one.signature
        }
        owners = table.advertisers | named
        if len(owners) > 1:
            groups = {self.group_named(one) for one in owners}
            platforms = {one for one in owners if all(one in (other, self.platforms.of(other)) for other in owners)}
            if len(groups) > 1 and not platforms:
                return frozenset()
        return owners


def _added(table: OwnerTable | None, advertiser: str, provider: str) -> OwnerTable:
    table = table or OwnerTable()
    return table._replace(
        advertisers=table.advertisers | _set(advertiser), providers=table.providers | _set(provider),
        everybody=table.everybody or not (advertiser or provider),
    )  # fmt: skip


def _set(word: str) -> frozenset[str]:
    return frozenset((word,)) if word else frozenset()
