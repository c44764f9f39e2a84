"""Declares starts, stops, rule revisions, learnt ids and replicated records."""

from __future__ import annotations

from typing import Annotated, NamedTuple

from proxy.journal.encoding import COUNT16, COUNT32, U8, U32, U64, Flag, Ms, Rest, Text, record
from proxy.journal.records.messages import HEARD, IDS, NAMED, RULES, START, STOP
from proxy.model.number import masked_repr


@record(RULES)
class Rules(NamedTuple):
    """A revision of the rules is loaded."""

    time: Ms
    revision: Text
    ids: Annotated[tuple[Text, ...], COUNT32]  # a rule's number in this revision is its place here


@record(START)
class Start(NamedTuple):
    """The gate starts."""

    time: Ms
    node: U32
    first_id: U64 = 0
    """Ids of this life are greater: synced before traffic, so that a life that leaves no other trace reuses none."""


@record(STOP)
class Stop(NamedTuple):
    """The gate stops in order."""

    time: Ms
    left: U32  # messages still without an answer


@record(IDS)
class LearntIds(NamedTuple):
    """What a carrier's answers taught about its message ids (proxy/relay/message_ids.py)."""

    time: Ms
    carrier: Text
    width: U8  # digits of its answers that begin with 0, 0 if none did
    capitals: Flag  # whether its hexadecimal answers are in capitals
    digested: Annotated[tuple[Annotated[bytes, COUNT16], ...], COUNT16]  # its own ids for which providers see a digest


Name = tuple[U64, Text]
"""Number (state/lists/hash_dictionary.py) and word."""
NAMES_A_RECORD_MAX = 10_000
"""A record holds some 300 KB at most."""


@record(NAMED)
class NamedHash(NamedTuple):
    """The words behind hashes that this gate met for the first time."""

    time: Ms
    names: Annotated[tuple[Name, ...], COUNT32]  # at most NAMES_A_RECORD_MAX


@record(HEARD)
@masked_repr
class ReplicatedRecord(NamedTuple):
    """A record that another gate wrote, octet for octet."""

    time: Ms
    place: tuple[U64, U64]  # milliseconds, number
    node: U8
    sequence: U64  # there
    kind: U8
    body: Rest
