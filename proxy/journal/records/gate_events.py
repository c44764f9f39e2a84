"""Declares starts, stops, rule revisions and learnt carrier ids.

In: events of the gate itself. Out: bodies of the kinds RULES, START, STOP and IDS (messages.py), and typed values. Never: files, a clock.
"""

from __future__ import annotations

from typing import Annotated, NamedTuple

from proxy.journal.encoding import COUNT16, COUNT32, U8, U32, U64, Flag, Ms, Text, record
from proxy.journal.records.messages import IDS, RULES, START, STOP


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
    first_id: U64 = (
        0  # ids of this life are greater: synced before traffic, so that a life that leaves no other trace reuses none
    )


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
