"""Defines a recipient's entries, opt-outs and consents, as policy reads them.

In: nothing. Out: values that every package may hold, and the 32 bytes of an entry. Never: how a record is stored
(state/record/record.py), input or output, a clock. Times are seconds since 1970 (UTC) unless a name says otherwise.
"""

from __future__ import annotations

import enum
import struct
from collections.abc import Sequence
from typing import Any, NamedTuple

import cython

from proxy.model.message import UNSIGNED, Category, Facts, Message, Sender
from proxy.model.number import masked_repr
from proxy.native.octet_runs import u32_in
from proxy.native.octets import pack_row


class Entry(NamedTuple):
    """One message in a recipient's record."""

    id: int  # 48 bit, never reused
    time: int  # seconds
    signature: int  # hash48, 0 = none
    provider: int  # hash32
    port: int  # hash32
    category: Category
    subcategory: int  # code, 0 = none
    template: int  # 32 bit
    keyword: int  # hash16, 0 = none
    state: int  # EntryState
    consent: int = 0  # the code of the words a consent request declares (policy/replies/consent.py), 0 = none
    asks: bool = False  # whether the message asked for an answer that is no refusal (确认请回1)
    unsigned: int = 0  # without a signature: what limits count it by (message.Facts.whose), 0 in older entries

    def pack(self) -> bytes:
        """The 32 bytes that stand for this entry in a record and in the journal: id first, so that it can be searched for."""
        number, time, signature, provider, port, category, subcategory, template, keyword, state, consent, asks, unsigned = self
        flags = (signature or unsigned) << 16 | consent << 11 | asks << 10 | subcategory << 4 | category << 2 | state
        return _pack_entry(number << 16 | keyword, flags, time, provider, port, template)

    @classmethod
    def unpack(cls, data: bytes, offset: int = 0) -> Entry:
        """The entry packed at ``offset``; struct.error when fewer than 32 bytes are left."""
        return cls.of_row(ENTRY.unpack_from(data, offset))

    @classmethod
    def of_row(cls, row: tuple[int, int, int, int, int, int]) -> Entry:
        """The entry of one row as ``ENTRY`` unpacks it."""
        first, second, time, provider, port, template = row
        category = CATEGORIES[second >> 2 & 3]
        counted_by = second >> 16
        signature, unsigned = (counted_by, 0) if counted_by < UNSIGNED else (0, counted_by)
        return tuple.__new__(  # at a third of what its own costs: every record that is read has some
            cls,
            (
                first >> 16, time, signature, provider, port, category, second >> 4 & 63, template, first & 0xFFFF, second & 3,
                second >> 11 & 31, second >> 10 & 1 == 1, unsigned,
            ),
        )  # fmt: skip


HEAD_BYTES = 7
"""Of a record, before its entries."""
ENTRY_BYTES = 32
_HEAD = cython.declare(cython.Py_ssize_t, HEAD_BYTES)
_ENTRY = cython.declare(cython.Py_ssize_t, ENTRY_BYTES)
ENTRY = struct.Struct(">QQIIII")
"""One packed entry: id 48 + keyword 16, signature (or ``unsigned``) 48 + (consent 5, asks 1, subcategory 6, category 2, state 2), time,
provider, port, template."""
_pack_entry = ENTRY.pack


@cython.ccall
def pack_entry(
    number: cython.ulonglong,
    time: cython.uint,
    facts: Facts,
    sender: Sender,
    template: cython.uint,
    consent: cython.ulonglong = 0,
) -> bytes:
    """The packed Entry of a sent message in state OPEN, without making an Entry: every message needs one."""
    flags: cython.ulonglong = facts.packed | consent << 11
    return pack_row(number << 16 | facts.keyword_hash, flags, time, sender.provider_hash, sender.port_hash, template)


CATEGORIES = (Category.OTP, Category.NOTICE, Category.MARKETING, Category.MARKETING)  # the fourth is never written


class EntryState(enum.IntEnum):
    OPEN = 0
    ACCEPTED = 1
    UNKNOWN = 2  # an identical submit may be sent in its stead, once
    SENT_TWICE = 3  # it was sent again after an unknown outcome, and the carrier has not answered


def in_state(packed: bytes, state: EntryState) -> bytes:
    """The packed entry with another state."""
    return packed[:15] + bytes((packed[15] & 0xFC | state,)) + packed[16:]


IN_DOUBT = frozenset((EntryState.UNKNOWN, EntryState.SENT_TWICE))
"""States of an entry whose outcome is unknown; its fingerprint stands in the record's facts."""


class EntryFilter(NamedTuple):
    """Selects the entries that a cap counts; None means any. Numbers are as stored in an Entry; ``signatures`` may hold ``unsigned``."""

    categories: frozenset[int] | None = None
    subcategories: frozenset[int] | None = None
    signatures: frozenset[int] | None = None
    providers: frozenset[int] | None = None


class OptOut(NamedTuple):
    """A recipient's opt-out, stored beside the entries."""

    scope: str  # all | advertiser | signature | provider | port | category
    value: str  # empty for all; "port" is a prefix
    time: int
    source: str  # reply | complaint | officer | import | hotline (or an app: the person's own word all the same) | doubtful
    expiry: int  # 0 = never


HOLD_S = 7 * 86_400
"""How long an opt-out of source ``doubtful`` waits for a decision. Then it ends (``expiry``) or becomes a normal opt-out."""


@masked_repr
class RefusedText(NamedTuple):
    """A text that the recipient refused, stored beside the opt-out: it identifies a sender that repeats it under another name."""

    signature: int  # hash48 of whose it was
    template: int  # its 32-bit fingerprint
    text: str  # its beginning; empty where it is not known any more


CONSENT_REQUEST = 8
"""The sub-category code of consent requests: the record keeps for good which advertisers have asked."""


class Consent(NamedTuple):
    """A recipient's consent to an advertiser's messages, or its withdrawal; it counts beside the registries' files."""

    state: str  # granted | revoked
    time: float
    until: float
    reviewed_by: str  # the person who accepted the proof, empty = not reviewed


@cython.no_gc
@cython.freelist(64)
@cython.cclass
class Recipient:
    """A recipient's record as policy reads it. Its entries are read where they are packed; a kind of record says the rest."""

    data: bytes
    """HEAD_BYTES, the entries, oldest first, and the facts (state/record/record.py)."""
    held: cython.Py_ssize_t
    """The number of entries."""
    bare: cython.bint
    """Whether the record has entries only: then nothing else need be asked. That holds for nearly all recipients."""
    unconcerned: cython.bint
    """Whether it was judged as if it were bare (see ``concerns``)."""
    _refused: Any  # Sequence[OptOut] | None
    """The opt-outs, once they are unpacked."""

    @cython.ccall
    def newest(self) -> cython.longlong:
        """Time of the newest entry, 0 if none."""
        return u32_in(self.data, _HEAD + self.held * _ENTRY - 16) if self.held else 0

    @cython.ccall
    def concerns(self, match: Any, message: Message, facts: Facts) -> cython.bint:
        """Whether anything beside the entries may matter to a message. ``match``: policy's RefusalMatch. True proves nothing."""
        return True

    def opt_outs(self) -> Sequence[OptOut]:
        """Opt-outs, oldest first, expired ones included."""
        raise NotImplementedError

    def asked(self) -> Sequence[int]:
        """Signatures (hash48) under which the recipient was ever asked for consent."""
        raise NotImplementedError

    def refused_texts(self) -> Sequence[RefusedText]:
        """Texts that the recipient refused."""
        raise NotImplementedError

    def consents(self, advertisers: frozenset[str], categories: frozenset[str], now: float) -> Sequence[Consent]:
        """The newest consent to such messages, and its withdrawals."""
        raise NotImplementedError
