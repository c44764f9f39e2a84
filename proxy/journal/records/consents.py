"""Declares consent files, consents by reply and their changes (kinds 41–44, 56).

A file is one CONSENT_FILE record (its batches and their proof), CONSENTS records (one chunk of numbers each) and the event ``whole``.
Without ``whole`` the file has no effect. A change for one person is one PERSON record; a consent by reply is one CONSENT_REPLY record.
"""

from __future__ import annotations

from typing import NamedTuple

from proxy.journal.encoding import U16, U32, U64, Ms, Rest, record
from proxy.journal.records.messages import CONSENT_EVENT, CONSENT_FILE, CONSENT_REPLY, CONSENTS, PERSON
from proxy.model.number import masked_repr

EVENTS = ("whole", "reviewed", "proof")


class Terms(NamedTuple):
    """What one batch of a file says."""

    advertiser: str
    category: str
    given: int
    until: int
    version: str


@record(CONSENT_FILE)
class ConsentFile(NamedTuple):
    """A file of consents begins."""

    time: Ms
    batches: tuple[Terms, ...]
    source: str
    provider: str
    proof: str  # SHA-256 in hex, empty if it is missing
    file: str
    due: int  # until when a missing proof must come
    who: str
    why: str


@record(CONSENTS)
@masked_repr
class Chunk(NamedTuple):
    """Some of the numbers of a file of consents."""

    file: U64  # the sequence of the CONSENT_FILE record
    batch: U16  # which of its batches
    chunk: U32
    numbers: Rest  # a bitmap (state/lists/consent_lists.py)


@record(CONSENT_EVENT)
class BatchEvent(NamedTuple):
    """A file of consents is whole, or a change of its batches."""

    time: Ms
    event: str  # of EVENTS
    batches: tuple[int, ...]  # their numbers; of ``whole`` those they get
    who: str
    why: str
    said: str  # of ``reviewed`` the state, of ``proof`` its SHA-256, of ``whole`` the digest of all CONSENTS bodies
    file: int = 0  # of ``whole``: the sequence of the CONSENT_FILE record
    chunks: int = 0


@record(PERSON)
@masked_repr
class ConsentChange(NamedTuple):
    """A change of one person's consents."""

    time: Ms
    recipient: U64
    event: str  # "withdrawn", "recycled" or "erased"
    who: str
    why: str
    advertiser: str = ""  # of ``withdrawn``: whose messages, empty = anybody's
    category: str = ""
    before: int = 0  # of ``recycled``: older consents are the former owner's; of ``erased``: the mark of the key
    name: int = 0  # of ``erased``: the person's keyed hash (archive/secret_keys.py)


@record(CONSENT_REPLY)
@masked_repr
class ConsentReply(NamedTuple):
    """A person answered a registered consent request with a word that it declares: the consent, and what proves it."""

    time: Ms  # of the reply
    recipient: U64
    batch: int  # the number of its batch, which this record makes where it is not known
    terms: Terms  # the batch's; ``version``: the name of the request's template
    wording: str  # the registered text of the request
    provider: str
    port: str
    signature: int  # hash48, of the request
    request: int  # the request's entry id
    requested: int  # when it was sent
    text: str  # of the reply
    word: str  # as it was understood
    reviewer: str  # the setting that accepts it at once; empty: it waits for a review
