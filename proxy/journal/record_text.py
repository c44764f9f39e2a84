"""Shows journal records as text.

In: records. Out: a line for each, with masked numbers. Never: a message's text, octets (only their length).
"""

from __future__ import annotations

import struct
from typing import Any

from proxy.journal import erasure, retention
from proxy.journal.encoding import RECORDS, unpack
from proxy.journal.records import (
    answers,
    complaints,
    consents,
    delivers,
    doubtful_replies,
    erasure_requests,
    evidence,
    gate_events,
    mailbox,
    messages,
    operator_actions,
    penalties,
    probes,
    recycled_numbers,
    requests,
    revisions,
)
from proxy.journal.segment import JournalRecord
from proxy.model.redact import mask_numbers, printable

DECLARING = (
    answers, complaints, consents, delivers, doubtful_replies, erasure, erasure_requests, evidence, gate_events, mailbox, messages,
    operator_actions, penalties, probes, recycled_numbers, requests, retention, revisions,
)  # fmt: skip
"""All modules that declare a kind."""
TEXTS = ("text", "words", "answered")
"""Fields that hold what a message or a reply said."""


class _HiddenText(str):
    """A text whose ``repr`` is its length; records that mask themselves show the same one."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"'<{len(self)}>'"


def record_text(one: JournalRecord) -> str:
    """``4711 operated Operated(time=…, who=…)``; of another gate's record, that record as well."""
    if one.kind not in RECORDS:
        return f"{one.sequence} kind {one.kind} <{len(one.body)}>"
    try:
        value = unpack(RECORDS[one.kind], one.body)
    except (ValueError, struct.error, IndexError, TypeError) as error:
        return f"{one.sequence} {messages.KINDS[one.kind]} cannot be read: {error}"
    text = f"{one.sequence} {messages.KINDS[one.kind]} {printable(repr(_shown('', value)))}"
    if isinstance(value, gate_events.ReplicatedRecord):
        text += f" of it: {record_text(JournalRecord(value.sequence, value.kind, value.body))}"
    return text


def _shown(name: str, value: Any) -> Any:
    """The value of a field as it may be shown: numbers in words are masked, of a text is its length."""
    if isinstance(value, str):
        return _HiddenText(value) if name in TEXTS else mask_numbers(value)
    if hasattr(value, "_fields"):
        return value._make(_shown(field, one) for field, one in zip(value._fields, value, strict=True))
    if type(value) in (tuple, list):
        return type(value)(_shown(name, one) for one in value)
    return {key: _shown(name, one) for key, one in value.items()} if isinstance(value, dict) else value
