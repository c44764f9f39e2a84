"""Declares requests of people to be erased (kind 64).

A request waits for a second person, and marketing has stopped meanwhile. What is erased is a PERSON record (consents.py). Once it is decided
the number is gone from here: digits that are shown stay, and what the receipt says.
"""

from __future__ import annotations

from typing import Annotated, NamedTuple

from proxy.journal.encoding import U64, Ms, Rest, Text, one_of, record
from proxy.journal.records.messages import ERASURE_REQUESTED
from proxy.model.approvals import PendingProposal
from proxy.model.number import masked_repr

PROPOSED, APPROVED, REJECTED, WITHDRAWN = STATES = ("proposed", "approved", "rejected", "withdrawn")
"""A state's place here is its number in the journal, for ever."""


@record(ERASURE_REQUESTED)
@masked_repr
class ErasureRequest(NamedTuple):
    """A person's request to be erased, in its present state."""

    time: Ms
    id: U64  # from 1
    number: U64  # 0 once it is decided
    decided: Ms  # 0 while it waits
    state: Annotated[str, one_of(STATES)]
    shown: Text  # the digits of the number that may be shown
    author: Text
    who: Text  # who did the last thing to it
    why: Text
    decision: Text  # why it was rejected or withdrawn
    outcome: Rest  # what is gone and what stays, as JSON; empty unless it was approved

    @property
    def name(self) -> str:
        return f"erasure-{self.id}"

    @property
    def waiting(self) -> PendingProposal:
        return PendingProposal(self.name, self.author, self.time)
