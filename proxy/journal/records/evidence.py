"""Declares evidence of verdicts, texts for review and refused texts (kinds 32–34).

A body is a time in ms, a number, and JSON: these records are few, and people read them.
"""

from __future__ import annotations

from typing import Annotated, NamedTuple

from proxy.journal.encoding import JSON, U64, Ms, record
from proxy.journal.records.messages import EVIDENCE, REFUSED_SAID, REVIEW
from proxy.model.number import masked_repr
from proxy.model.recipient import RefusedText


@record(EVIDENCE, ascii_json=True)
class VerdictEvidence(NamedTuple):
    """What a rule found in the text of a message that it refused."""

    time: Ms
    verdict_sequence: U64  # where the verdict stands in the journal
    rule: str
    words: str


@record(REVIEW, ascii_json=True)
@masked_repr
class Review(NamedTuple):
    """A text that a rule wants a clerk to review; recorded once per provider and rule in a run of the gate."""

    time: Ms
    verdict_sequence: U64  # of the first message with it
    rule: str
    provider: str
    port: str
    key: str  # under which registries/reviewed.csv releases it
    text: str


@record(REFUSED_SAID, ascii_json=True)
@masked_repr
class OptOutWording(NamedTuple):
    """What those said whom a person refused: kept with the refusal."""

    time: Ms
    recipient: U64
    texts: Annotated[tuple[RefusedText, ...], JSON]
