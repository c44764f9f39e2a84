"""Shows journal records, and their declarations, as text.

In: records. Out: a line for each, with masked numbers; the rows of the guide's table. Never: a message's text, octets (only their length).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

from proxy.journal import erasure, retention
from proxy.journal.encoding import RECORDS, declared_fields, unpack
from proxy.journal.records import (
    answers,
    complaints,
    consents,
    delivers,
    doubtful_replies,
    evidence,
    gate_events,
    mailbox,
    messages,
    operator_actions,
    penalties,
    probes,
    reply_paths,
    requests,
    revisions,
)
from proxy.journal.segment import JournalRecord
from proxy.model.redact import mask_numbers, printable

DECLARING = (
    answers, complaints, consents, delivers, doubtful_replies, erasure, evidence, gate_events, mailbox, messages, operator_actions, penalties,
    probes, reply_paths, requests, retention, revisions,
)  # fmt: skip
"""All modules that declare a kind."""
TEXTS = ("text", "words", "answered")
"""Fields that hold what a message or a reply said."""


def record_text(one: JournalRecord) -> str:
    """``4711 operated Operated(time=…, who=…)``; of another gate's record, that record as well."""
    if one.kind not in RECORDS:
        return f"{one.sequence} kind {one.kind} <{len(one.body)}>"
    try:
        value = unpack(RECORDS[one.kind], one.body)
    except (ValueError, struct.error, IndexError, TypeError) as error:
        return f"{one.sequence} {messages.KINDS[one.kind]} cannot be read: {error}"
    text = f"{one.sequence} {messages.KINDS[one.kind]} {printable(mask_numbers(repr(_without_texts(value))))}"
    if isinstance(value, gate_events.ReplicatedRecord):
        text += f" of it: {record_text(JournalRecord(value.sequence, value.kind, value.body))}"
    return text


def _without_texts(value: Any) -> Any:
    """The record with the length of a message's or a reply's text instead of it."""
    texts = {name: found for name in TEXTS if isinstance(found := getattr(value, name, None), str)}
    return value._replace(**{name: f"<{len(text)}>" for name, text in texts.items()}) if texts else value


def kinds_table() -> Iterator[str]:
    """The guide's table of kinds: number, name, meaning, fields in the order of their octets."""
    yield "| kind | name | what it says | fields |"
    yield "|---|---|---|---|"
    for kind, cls in sorted(RECORDS.items()):
        meaning = (cls.__doc__ or "").split("\n\n", maxsplit=1)[0].replace("\n", " ")
        fields = ", ".join(f"`{name}` {form}".strip() for name, form in declared_fields(cls)) or "none"
        yield f"| {kind} | `{messages.KINDS[kind]}` | {' '.join(meaning.split())} | {fields} |"
