"""Registry: who stands behind a signature and what a port may be used for.

In: rows of ``registries/signatures.csv`` (signature, advertiser, group, provider, port, state) and ``registries/ports.csv`` (prefix,
province, categories). Out: advertiser, group, state of a signature; province and categories of a port. Never: files (the loader reads them).
"""

from __future__ import annotations

import re
from typing import NamedTuple

from proxy.message import Category, Sender, hash48

from .text import normal_signature

_HASH = re.compile(r"[0-9a-f]{12}")
STATES = ("filed", "approved", "expired", "revoked")
"""The life of a signature in the registry."""
STATE_WORDS = (*STATES, "unregistered", "misused", "none")
"""What ``signature_state`` may say: beside the four, not in the registry, sent by another provider or port, no signature at all."""


class SignatureRow(NamedTuple):
    signature: str
    advertiser: str
    group: str
    provider: str
    port: str  # prefix, empty = any
    state: str


class PortRow(NamedTuple):
    prefix: str
    province: str  # empty = national
    categories: frozenset[Category]  # empty = not said


class Registry:
    """Both tables, immutable. An unregistered signature is its own advertiser, named by its hash in hex."""

    def __init__(self, signatures: list[SignatureRow], ports: list[PortRow]) -> None:
        self._by_signature: dict[str, list[SignatureRow]] = {}
        self._by_hash: dict[int, SignatureRow] = {}
        self._signatures_of: dict[tuple[str, str], set[int]] = {}
        for row in signatures:
            name = normal_signature(row.signature)
            number = hash48(name)
            self._by_signature.setdefault(name, []).append(row)
            self._by_hash.setdefault(number, row)
            for kind, owner in (("advertiser", row.advertiser), ("group", row.group or row.advertiser)):
                self._signatures_of.setdefault((kind, owner), set()).add(number)
        self._named = frozenset(row.port for row in signatures if row.port)
        self._named_longest = max(map(len, self._named), default=0)
        self._ports = {row.prefix: row for row in ports}
        self._longest = max(map(len, self._ports), default=0)
        self.advertisers = frozenset(row.advertiser for row in signatures)
        self.groups = frozenset(row.group or row.advertiser for row in signatures)

    def advertiser_of(self, signature_hash: int) -> str:
        """Who answers for a signature; the hash in 12 hex digits for one that is not registered, empty for none."""
        row = self._by_hash.get(signature_hash)
        if row is not None:
            return row.advertiser
        return f"{signature_hash:012x}" if signature_hash else ""

    def group_of(self, signature_hash: int) -> str:
        row = self._by_hash.get(signature_hash)
        return (row.group or row.advertiser) if row is not None else self.advertiser_of(signature_hash)

    def signatures_by(self, kind: str, owner: str) -> frozenset[int]:
        """All registered signatures (hashes) of an advertiser or group by name."""
        return frozenset(self._signatures_of.get((kind, owner), ()))

    def signatures_of(self, kind: str, signature_hash: int) -> frozenset[int]:
        """All signatures (hashes) of the same advertiser or group, this one included."""
        owner = self.advertiser_of(signature_hash) if kind == "advertiser" else self.group_of(signature_hash)
        return frozenset(self._signatures_of.get((kind, owner), ())) | {signature_hash}

    def same_advertiser(self, value: str, signature_hash: int) -> bool:
        """Whether an opt-out's advertiser is this message's. The value is a name, or the hash of the signature that was refused,
        which the registry of today (not that of the day of refusal) leads to its advertiser."""
        if not signature_hash:
            return False
        mine = self.advertiser_of(signature_hash)
        return value == mine or (_HASH.fullmatch(value) is not None and self.advertiser_of(int(value, 16)) == mine)

    def state_of(self, signature: str, sender: Sender) -> str:
        """``approved``, ``unregistered``, ``misused`` …: the best of its rows that fit this sender."""
        if not signature:
            return "none"
        rows = self._by_signature.get(signature)
        if not rows:
            return "unregistered"
        fitting = [row.state for row in rows if row.provider in ("", sender.provider) and sender.port.startswith(row.port)]
        if not fitting:
            return "misused"
        return "approved" if "approved" in fitting else fitting[0]

    def port(self, port: str) -> PortRow | None:
        """The longest registered prefix of a port."""
        for length in range(min(len(port), self._longest), 0, -1):
            if row := self._ports.get(port[:length]):
                return row
        return None

    def named_port(self, port: str) -> str:
        """The longest prefix of a port that a row of signatures names: ports for which it is the same fit the same rows."""
        for length in range(min(len(port), self._named_longest), 0, -1):
            if port[:length] in self._named:
                return port[:length]
        return ""
