"""Declares the strings behind the hashes in other records (kind 51).

In: ports and signatures that a gate met for the first time. Out: bodies of the kind NAMED (messages.py), and typed values. Never: files, a
clock.
"""

from __future__ import annotations

from typing import Annotated, NamedTuple

from proxy.journal.encoding import COUNT32, U64, Ms, Text, record
from proxy.journal.records.messages import NAMED

Name = tuple[U64, Text]
"""Number (state/lists/hash_dictionary.py) and word."""
NAMES_A_RECORD_MAX = 10_000
"""A record holds some 300 KB at most."""


@record(NAMED)
class NamedHash(NamedTuple):
    """The words behind hashes that this gate met for the first time."""

    time: Ms
    names: Annotated[tuple[Name, ...], COUNT32]  # at most NAMES_A_RECORD_MAX
