"""Defines table rows about persons, and the queries for them.

In: words of a person. Out: a checked ``Query``, as SQL conditions; ``PersonRow``. Never: a value pasted into SQL; a number where a log could
see it; how a record is read (columns.py, which knows the protocol and signatures: a query over tables need not load those).
"""

from __future__ import annotations

from typing import Any, NamedTuple

from proxy.model.message import Outcome
from proxy.model.number import masked_repr
from proxy.model.reasons import REASONS

LATER_S = 3 * 86_400.0  # answers and receipts are searched for so long after the message: carriers retry for about two days
LIMIT, LIMIT_MAX, SKIP_MAX = 50, 1000, 20_000
OUTCOMES = tuple(one.word for one in Outcome)


@masked_repr
class PersonRow(NamedTuple):
    """One row, in the order of the table's columns. Empty words and 0 mean that there is no such thing."""

    number: int  # becomes ``person`` and ``sealed``: nothing below this file sees it
    time_ms: int
    sequence: int
    place: int  # index in its record, which may be about many persons
    kind: str
    provider: str = ""
    account: str = ""
    port: str = ""
    outcome: str = ""
    reason: str = ""
    status: int = 0
    category: str = ""
    signature: str = ""
    text: str = ""
    rules: str = ""  # those that object, with a space between them; ``~`` before one that is tried only
    revision: str = ""
    message: int = 0
    verdict: int = 0
    part: int = 0
    parts: int = 0
    message_id: str = ""
    state: str = ""  # of an answer its effect, of a receipt what it says (DELIVRD …), of a refusal its scope and value


class BadQuery(ValueError):
    """It cannot be asked so; the text says what to do."""


@masked_repr
class Query(NamedTuple):
    """A search query; empty strings and 0 do not restrict it."""

    to: int = 0  # a person's number
    since: float = 0.0
    until: float = 0.0
    sender: str = ""  # some digits of the port
    signature: str = ""
    text: str = ""
    provider: str = ""
    verdict: str = ""
    reason: str = ""
    limit: int = LIMIT
    category: str = ""
    province: str = ""  # of the number: no column of a table (search.py)
    skip: int = 0  # messages before those that are shown, the newest first

    def checked(self) -> Query:
        """The same query; BadQuery if it cannot be asked so."""
        if self.until and self.until < self.since:
            raise BadQuery("the time ends before it begins")
        if not 1 <= self.limit <= LIMIT_MAX:
            raise BadQuery(f"from 1 to {LIMIT_MAX} messages are shown at once")
        if not 0 <= self.skip <= SKIP_MAX:
            raise BadQuery(f"at most {SKIP_MAX} messages are passed over: ask for less")
        if self.verdict and self.verdict not in OUTCOMES:
            raise BadQuery(f"unknown verdict {self.verdict!r} (one of {', '.join(OUTCOMES)})")
        if self.reason and self.reason not in REASONS:
            raise BadQuery(f"unknown reason {self.reason!r} (rules/README.md lists them)")
        if not any(self._replace(limit=0, skip=0)):
            raise BadQuery(
                "say what is looked for: a person, a time, a sender, a signature, a text, a provider, a verdict or a reason"
            )
        return self

    def words(self) -> str:
        """The query for the access record: with the whole number, as in other commands about a person."""
        fields = self._asdict() | {"to": str(self.to) if self.to else "", "limit": 0, "skip": 0}
        return " ".join(f"{name}={value}" for name, value in fields.items() if value)

    # -- as SQL

    def fits(self) -> tuple[str, dict[str, Any]]:
        """The SQL condition, with values, for matching submits of any recipient."""
        conditions, values = ["kind = 'verdict'"], dict[str, Any]()
        for name, condition, value in (
            ("since", "time_ms >= $since", int(self.since * 1000)),
            ("until", "time_ms <= $until", int(self.until * 1000)),
            ("sender", "contains(port, $sender)", self.sender),
            ("signature", "contains(signature, $signature)", self.signature),
            ("text", "contains(text, $text)", self.text),
            ("provider", "provider = $provider", self.provider),
            ("verdict", "outcome = $verdict", self.verdict),
            ("reason", "reason = $reason", self.reason),
            ("category", "category = $category", self.category),
        ):
            if value:
                conditions.append(condition)
                values[name] = value
        return " AND ".join(conditions), values

    def matches(self, row: PersonRow) -> bool:
        """Whether a row that is in no table matches."""
        return (
            row.kind == "verdict"
            and (not self.since or row.time_ms >= int(self.since * 1000))
            and (not self.until or row.time_ms <= int(self.until * 1000))
            and self.sender in row.port
            and self.signature in row.signature
            and self.text in row.text
            and self.provider in ("", row.provider)
            and self.verdict in ("", row.outcome)
            and self.reason in ("", row.reason)
            and self.category in ("", row.category)
        )

    def may_touch(self, since_ms: int, until_ms: int) -> bool:
        """Whether records of this time may be matching messages, or their answers and receipts."""
        return until_ms >= self.since * 1000 and (not self.until or since_ms <= (self.until + LATER_S) * 1000)
