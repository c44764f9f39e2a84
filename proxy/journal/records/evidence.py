"""Encodes evidence of verdicts, texts for review and refused texts (kinds 32–34).

In: strings. Out: bodies and values. Never: files, a clock.

A body is a time in ms, a number, and JSON: these records are few, and people read them.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from typing import NamedTuple

from proxy.model.number import masked_repr
from proxy.model.recipient import RefusedText

_HEAD = struct.Struct(">QQ")
_JSON = json.JSONEncoder(separators=(",", ":"))


class VerdictEvidence(NamedTuple):
    time: float
    verdict_sequence: int  # where the verdict stands in the journal
    rule: str
    words: str


@masked_repr
class Review(NamedTuple):
    """A text that a rule wants a clerk to review; recorded once per provider and rule in a run of the gate."""

    time: float
    verdict_sequence: int  # of the first message with it
    rule: str
    provider: str
    port: str
    key: str  # under which registries/reviewed.csv releases it
    text: str


@masked_repr
class OptOutWording(NamedTuple):
    """What those said whom a person refused: kept with the refusal."""

    time: float
    recipient: int
    texts: tuple[RefusedText, ...]


def pack_evidence(now: float, verdict_sequence: int, rule: str, words: str) -> bytes:
    return _pack(now, verdict_sequence, [rule, words])


def unpack_evidence(body: bytes) -> VerdictEvidence:
    time, number, (rule, words) = _unpack(body)
    return VerdictEvidence(time, number, rule, words)


def pack_review(now: float, verdict_sequence: int, rule: str, provider: str, port: str, key: str, text: str) -> bytes:
    return _pack(now, verdict_sequence, [rule, provider, port, key, text])


def unpack_review(body: bytes) -> Review:
    time, number, words = _unpack(body)
    return Review(time, number, *words)


def pack_wording(now: float, recipient: int, texts: Sequence[RefusedText]) -> bytes:
    return _pack(now, recipient, [list(one) for one in texts])


def unpack_wording(body: bytes) -> OptOutWording:
    time, number, rows = _unpack(body)
    return OptOutWording(time, number, tuple(RefusedText(*row) for row in rows))


def _pack(now: float, number: int, value: object) -> bytes:
    return _HEAD.pack(int(now * 1000), number) + _JSON.encode(value).encode()


def _unpack(body: bytes) -> tuple[float, int, list]:  # type: ignore[type-arg] # JSON: each reader knows what it wrote
    time_ms, number = _HEAD.unpack_from(body)
    return time_ms / 1000, number, json.loads(body[_HEAD.size :])
