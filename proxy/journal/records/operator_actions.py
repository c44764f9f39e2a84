"""Declares what operators did to a running gate (kinds 25–31, 45).

A list is one LISTING record (the refusals it sets or lifts), LISTED records (one chunk of numbers each) and one LISTING_DONE record.
Without the last one the list has no effect: the gate was killed, or the file was incomplete.

An opt-out from another channel, such as a hotline, is SUPPRESSED records and one TOLD record.
"""

from __future__ import annotations

from typing import Annotated, NamedTuple

from proxy.journal.encoding import COUNT8, COUNT16, U16, U32, U64, Flag, Ms, Rest, Text, declare, octets, one_of, record
from proxy.journal.records.messages import LIFTED, LISTED, LISTING, LISTING_DONE, OPERATED, ORDERED, SUPPRESSED, TOLD
from proxy.model.message import ORDER_KINDS, Order
from proxy.model.number import masked_repr
from proxy.model.recipient import OptOut

_Digest = Annotated[bytes, octets(16)]


declare(
    Order,
    id=U64,
    since=Ms,
    until=Ms,
    kind=Annotated[str, one_of(ORDER_KINDS)],
    scope=Annotated[tuple[tuple[Text, Annotated[tuple[Text, ...], COUNT16]], ...], COUNT8],
    who=Text,
    why=Text,
)


@record(ORDERED)
class Ordered(NamedTuple):
    """An order begins."""

    time: Ms
    order: Order


@record(LIFTED)
class Lifted(NamedTuple):
    """An order ended before its time."""

    time: Ms
    order: U64  # its id
    who: Text
    why: Text


@record(OPERATED)
@masked_repr
class Operated(NamedTuple):
    """Something was done, or looked at, that leaves no other record: a bind kicked, a trace, an export."""

    time: Ms
    who: Text
    command: Text
    why: Text
    details: Text


@record(SUPPRESSED)
@masked_repr
class Suppressed(NamedTuple):
    """An officer entered refusals of a person, or took some back."""

    time: Ms
    recipient: U64
    added: Annotated[tuple[OptOut, ...], COUNT8]
    lifted: Annotated[tuple[OptOut, ...], COUNT8]
    who: Text
    why: Text


@record(LISTING)
class ListBegun(NamedTuple):
    """A list of people begins: each of its numbers is of one of these refusals, put on or taken off."""

    time: Ms
    takes_off: Flag
    refusals: Annotated[tuple[OptOut, ...], COUNT16]
    who: Text
    why: Text
    file: Text  # its name where it came from


@record(LISTED)
@masked_repr
class ListChunk(NamedTuple):
    """Some of the numbers of a list: those of one chunk, as a bitmap (state/lists/suppression_lists.py)."""

    listing: U64  # the sequence of the LISTING record
    key: U16  # which of its refusals
    chunk: U32
    numbers: Rest


@record(LISTING_DONE)
class ListDone(NamedTuple):
    """The list is whole: from here on it is in force."""

    time: Ms
    listing: U64
    chunks: U32
    numbers: U64
    digest: _Digest  # of all its LISTED bodies


@record(TOLD)
class ExternalOptOut(NamedTuple):
    """A request of another channel was handled, and must not be handled again."""

    time: Ms
    key: _Digest  # of who asked and their Idempotency-Key
    request: _Digest
    refusals: U32
    who: Text
    channel: Text
