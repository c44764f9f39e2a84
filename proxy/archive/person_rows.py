"""Defines a table row about a person; hashes persons.

In: nothing, or numbers. Out: ``PersonRow``; hashes. Never: how a record is read (columns.py, which knows the protocol and signatures: a
query over tables need not load those).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from proxy.archive.secret_keys import ArchiveKeys
from proxy.model.number import masked_repr

KNOWN_MAX = 1_000_000
"""Persons whose hash is remembered for a table."""


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


class HashedPersons:
    """Persons of rows: each number is hashed once for a table."""

    def __init__(self, keys: ArchiveKeys) -> None:
        self._keys = keys
        self._known: dict[int, int] = {}

    def persons(self, numbers: Sequence[int]) -> list[int]:
        known = self._known
        if len(known) > KNOWN_MAX:
            known.clear()
        return [known.get(number) or known.setdefault(number, self._keys.person(number)) for number in numbers]
