"""Declares providers' other requests: repeated submits, query_sm, cancel_sm, replace_sm.

A verdict says what its message took from the aggregates. Two things it cannot say, which a SHARE record does: what an earlier message had
taken and a replacement now stands for, and what a replacement gives back when the carrier refuses it after its outcome was called unknown.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, NamedTuple

from proxy.journal.encoding import COUNT8, COUNT32, TO_END, U32, U64, EntryOctets, Flag, Ms, Rest, Text, record
from proxy.journal.records.messages import ASKED, REPEATED, SHARE, UNREPLACED
from proxy.model.message import Take
from proxy.model.number import masked_repr


@record(REPEATED)
class Repeated(NamedTuple):
    """Refused submits that came again and were answered as before."""

    time: Ms
    counts: Annotated[Mapping[U64, U32], TO_END]  # the verdict's sequence in the journal → how often


@record(ASKED)
@masked_repr
class MessageRequest(NamedTuple):
    """What a provider asked about a message it had sent: query_sm, cancel_sm, or a replace_sm that was not judged."""

    time: Ms
    provider: Text
    account: Text
    port: Text
    carrier: Text  # which was asked, empty if none
    reason: Text  # why the gate itself answered, empty if it did not
    status: U32  # what the provider was answered with
    data: Annotated[bytes, COUNT32]  # the PDU as the provider sent it
    body: Rest  # of the answer


@record(UNREPLACED)
@masked_repr
class Unreplaced(NamedTuple):
    """The carrier refused to replace a message: the entry that stood for the new text gives way to that of the old one."""

    time: Ms
    recipient: U64
    entry_id: U64  # which is no more
    verdict_sequence: U64  # where the verdict that made it stands in the journal
    status: U32
    entry: EntryOctets  # as it was


@record(SHARE)
class CounterShare(NamedTuple):
    """A change of aggregate counters that no verdict records."""

    time: Ms
    verdict_sequence: U64  # where the verdict stands in the journal
    entry_time: U32  # as of which the takes count
    given_back: Flag  # else it has them, from the message that it stands in for
    takes: Annotated[tuple[Take, ...], COUNT8]
