"""Finds the state of a signature's filing and of an advertiser's licences.

In: rows of ``filings.csv`` and ``licences.csv``; the carrier, the province, the time. Out: one word of ``FILING_WORDS`` or ``LICENCE_WORDS``.
Never: files, the clock.

A filing counts for one carrier or any, and for one province or any. Of a signature's rows the first that fits decides:

    1. this carrier, this province    2. this carrier, any province    3. any carrier, this province    4. any carrier, any province

Several rows for the same place are a history: the newest that has begun and is not over decides; a pending one only where no other does.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from proxy.model.message import SUBCATEGORIES
from proxy.policy.text.folding import normal_signature
from proxy.policy.time_windows import NEVER

FILING_STATES = ("pending", "filed", "refused", "review-due", "expired")
"""States that a row may have. ``filed``: the carrier has accepted the filing."""
FILING_WORDS = (*FILING_STATES, "missing", "none")
"""Beside these: no row fits the carrier and the province; the signature has no rows at all."""
BY_PLACE = "by-place"
"""The state of a signature with rows that name a carrier or a province, before the recipient is known."""
LICENCE_WORDS = ("valid", "expired", "pending", "none")
SOURCES = ("company", "app", "trademark", "shop", "other")
"""What a signature is the name of."""
USES = ("own", "other")
"""Whether the signature's owner sends, or another company in its name."""
INDUSTRIES = (*(one for one in SUBCATEGORIES if one not in ("", "consent-request")), "other")
_CARRIER_ROWS = (
    ("移动", "中国移动", "mobile", "china mobile", "cmcc"),
    ("联通", "中国联通", "unicom", "china unicom", "cucc"),
    ("电信", "中国电信", "telecom", "china telecom", "ctcc"),
    ("广电", "中国广电", "broadnet", "china broadnet", "cbn"),
)
CARRIERS = {alias: row[0] for row in _CARRIER_ROWS for alias in row}
"""The short name of a carrier by its spellings."""
PORT_CARRIERS = {"10655": "联通", "10657": "移动", "10658": "移动", "10659": "电信"}
"""Carriers of port prefixes by the numbering plan (DOMAIN.md §3)."""


class FilingRow(NamedTuple):
    signature: str
    carrier: str  # empty = any
    province: str  # empty = any
    state: str
    since: float = -NEVER
    until: float = NEVER
    review: float = NEVER  # from then on a re-review is due
    why: str = ""  # the carrier's words
    line: int = 0

    def state_at(self, at: float) -> str:
        if self.state == "refused":
            return self.state
        if self.state == "expired" or self.until <= at:
            return "expired"
        if self.state == "pending" or at < self.since:
            return "pending"
        if self.state == "review-due" and self.review == NEVER:
            return self.state
        return "review-due" if self.review <= at else "filed"


class LicenceRow(NamedTuple):
    advertiser: str
    licence: str  # its kind: 医疗广告审查证明
    number: str
    since: float = -NEVER
    until: float = NEVER
    file: str = ""  # SHA-256 of the file
    line: int = 0


def filing_at(rows: Iterable[FilingRow], at: float) -> FilingRow | None:
    """The row that decides among those of one signature, carrier and province."""
    found = [(one.state_at(at), one) for one in rows]
    begun = [one for one in found if one[0] != "pending" and one[1].since <= at]
    current = [one for one in begun if one[0] != "expired"]
    best = max(current or begun or found, key=lambda one: (one[1].since, one[1].line), default=None)
    return None if best is None else best[1]


def licence_at(rows: Iterable[LicenceRow], at: float) -> str:
    """``valid`` if each kind of licence has a valid row; else what the first kind lacks."""
    kinds: dict[str, set[str]] = {}
    for row in rows:
        state = "expired" if row.until <= at else "pending" if at < row.since else "valid"
        kinds.setdefault(row.licence, set()).add(state)
    lacking = [states for states in kinds.values() if "valid" not in states]
    if not kinds:
        return "none"
    return "valid" if not lacking else "expired" if any("expired" in states for states in lacking) else "pending"


_NOWHERE: dict[tuple[str, str], list[FilingRow]] = {}


class Filings:
    """All filings and licences, by signature and advertiser."""

    def __init__(self, filings: Iterable[FilingRow] = (), licences: Iterable[LicenceRow] = ()) -> None:
        self._of_signature: dict[str, dict[tuple[str, str], list[FilingRow]]] = {}
        self._of_advertiser: dict[str, list[LicenceRow]] = {}
        edges: set[float] = set()
        names: dict[str, str] = {}
        for row in filings:
            if row.signature not in names:  # each stands in one row a carrier and province
                names[row.signature] = normal_signature(row.signature)
            places = self._of_signature.setdefault(names[row.signature], {})
            places.setdefault((row.carrier, row.province), []).append(row)
            edges |= {row.since, row.until, row.review}
        for licence in licences:
            self._of_advertiser.setdefault(licence.advertiser, []).append(licence)
            edges |= {licence.since, licence.until}
        self.edges = frozenset(edges)
        self._by_place = frozenset(name for name, places in self._of_signature.items() if places.keys() - {("", "")})
        self.names_carriers = any(carrier for places in self._of_signature.values() for carrier, _ in places)
        """Whether some row is for one carrier only."""

    @property
    def by_place(self) -> bool:
        """Whether some row is for one carrier or one province only."""
        return bool(self._by_place)

    def state(self, signature: str, at: float) -> str:
        """The state that holds for every carrier and province; BY_PLACE where they decide."""
        return BY_PLACE if signature in self._by_place else self.state_in(signature, "", "", at)

    def state_in(self, signature: str, carrier: str, province: str, at: float) -> str:
        """The state for one carrier (empty: not known) and one province."""
        row = self.row_in(signature, carrier, province, at)
        return row.state_at(at) if row is not None else "missing" if signature in self._of_signature else "none"

    def row_in(self, signature: str, carrier: str, province: str, at: float) -> FilingRow | None:
        """The row that decides; None if none fits."""
        places = self._of_signature.get(signature, _NOWHERE)
        for place in ((carrier, province), (carrier, ""), ("", province), ("", "")):
            if rows := places.get(place):
                return filing_at(rows, at)
        return None

    def licences(self, advertiser: str, at: float) -> str:
        """The state of an advertiser's licences."""
        return licence_at(self._of_advertiser.get(advertiser, ()), at)
