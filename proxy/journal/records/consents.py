"""Encodes consent files, consents by reply and their changes (kinds 41–44, 56).

In: batches, numbers in chunks, decisions. Out: bodies and values; each says who, when and why. Never: files, a clock.
A kind's layout never changes: a new layout is a new kind.

A file is one CONSENT_FILE record (its batches and their proof), CONSENTS records (one chunk of numbers each) and the event ``whole``.
Without ``whole`` the file has no effect. A change for one person is one PERSON record; a consent by reply is one CONSENT_REPLY record.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from typing import Any, NamedTuple

from proxy.journal.encoding import BodyReader
from proxy.model.number import masked_repr

_TIME = struct.Struct(">Q")
_CHUNK = struct.Struct(">QHI")  # the file's sequence, which batch of it, which chunk
_PERSON = struct.Struct(">QQ")  # now, recipient
EVENTS = ("whole", "reviewed", "proof")


class Terms(NamedTuple):
    """What one batch of a file says."""

    advertiser: str
    category: str
    given: int
    until: int
    version: str


class ConsentFile(NamedTuple):
    """A file of consents begins."""

    time: float
    batches: tuple[Terms, ...]
    source: str
    provider: str
    proof: str  # SHA-256 in hex, empty if it is missing
    file: str
    due: int  # until when a missing proof must come
    who: str
    why: str


@masked_repr
class Chunk(NamedTuple):
    """Some of its numbers."""

    file: int  # the sequence of the CONSENT_FILE record
    batch: int  # which of its batches
    chunk: int
    numbers: bytes  # a bitmap (state/lists/consent_lists.py)


class BatchEvent(NamedTuple):
    """A change of batches."""

    time: float
    event: str  # of EVENTS
    batches: tuple[int, ...]  # their numbers; of ``whole`` those they get
    who: str
    why: str
    said: str  # of ``reviewed`` the state, of ``proof`` its SHA-256, of ``whole`` the digest of all CONSENTS bodies
    file: int = 0  # of ``whole``: the sequence of the CONSENT_FILE record
    chunks: int = 0


@masked_repr
class ConsentChange(NamedTuple):
    """A change of one person's consents."""

    time: float
    recipient: int
    event: str  # "withdrawn", "recycled" or "erased"
    who: str
    why: str
    advertiser: str = ""  # of ``withdrawn``: whose messages, empty = anybody's
    category: str = ""
    before: int = 0  # of ``recycled``: older consents are the former owner's; of ``erased``: the mark of the key
    name: int = 0  # of ``erased``: the person's keyed hash (archive/secret_keys.py)


@masked_repr
class ConsentReply(NamedTuple):
    """A person answered a registered consent request with a word that it declares: the consent, and what proves it."""

    time: float  # of the reply
    recipient: int
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


def pack_file(one: ConsentFile) -> bytes:
    return _packed(one.time, one[1:])


def unpack_file(body: bytes) -> ConsentFile:
    time, (batches, *rest) = _unpacked(body)
    return ConsentFile(time, tuple(Terms(*terms) for terms in batches), *rest)


def pack_chunk(file: int, batch: int, chunk: int, numbers: bytes) -> bytes:
    return _CHUNK.pack(file, batch, chunk) + numbers


def unpack_chunk(body: bytes) -> Chunk:
    reader = BodyReader(body)
    file, batch, chunk = reader.take(_CHUNK)
    return Chunk(file, batch, chunk, reader.rest())


def pack_event(one: BatchEvent) -> bytes:
    return _packed(one.time, one[1:])


def unpack_event(body: bytes) -> BatchEvent:
    time, (event, batches, *rest) = _unpacked(body)
    return BatchEvent(time, event, tuple(batches), *rest)


def pack_change(one: ConsentChange) -> bytes:
    return _PERSON.pack(int(one.time * 1000), one.recipient) + _json(one[2:])


def unpack_change(body: bytes) -> ConsentChange:
    time_ms, recipient = _PERSON.unpack_from(body)
    return ConsentChange(time_ms / 1000, recipient, *_words(body[_PERSON.size :]))


def pack_consent_reply(one: ConsentReply) -> bytes:
    return _PERSON.pack(int(one.time * 1000), one.recipient) + _json(one[2:])


def unpack_consent_reply(body: bytes) -> ConsentReply:
    time_ms, recipient = _PERSON.unpack_from(body)
    batch, terms, *rest = _words(body[_PERSON.size :])
    return ConsentReply(time_ms / 1000, recipient, batch, Terms(*terms), *rest)


def _packed(time: float, values: Sequence[Any]) -> bytes:
    return _TIME.pack(int(time * 1000)) + _json(values)


def _unpacked(body: bytes) -> tuple[float, list[Any]]:
    (time_ms,) = _TIME.unpack_from(body)
    return time_ms / 1000, _words(body[_TIME.size :])


def _json(values: Sequence[Any]) -> bytes:
    return json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")


def _words(data: bytes) -> list[Any]:
    found: list[Any] = json.loads(data.decode("utf-8", "surrogatepass"))
    return found
