"""Declares changes of aggregate counters that no verdict records (kind 37).

In: takes. Out: bodies and values. Never: files, a clock. A kind's layout never changes: a new layout is a new kind.

A verdict says what its message took from the aggregates. Two things it cannot say. First, what an earlier message had taken and a
replacement now stands for: a restart needs that when the text is replaced. Second, what a replacement gives back when the carrier refuses
it after its outcome was called unknown: from then on nothing looks up its verdict.
"""

from __future__ import annotations

from typing import Annotated, NamedTuple

from proxy.journal.encoding import COUNT8, U32, U64, Flag, Ms, record
from proxy.journal.records.messages import SHARE
from proxy.model.message import Take


@record(SHARE)
class CounterShare(NamedTuple):
    """A change of aggregate counters that no verdict records."""

    time: Ms
    verdict_sequence: U64  # where the verdict stands in the journal
    entry_time: U32  # as of which the takes count
    given_back: Flag  # else it has them, from the message that it stands in for
    takes: Annotated[tuple[Take, ...], COUNT8]
