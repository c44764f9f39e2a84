"""Decides which parts in the journal belonged to one message.

In: SubmitCases of parts, in the order of the journal. Out: yes or no. Never: a clock: the journal says when a part was judged, not when it
came.
"""

from __future__ import annotations

from proxy.desk.backtest.submit_case import SubmitCase
from proxy.model.reasons import RULE_REASONS
from proxy.relay.pending_submit import PendingSubmit


def in_same_batch(before: SubmitCase, case: SubmitCase) -> bool:
    """Whether a part belongs to the same batch as the one before it: what was judged together has one entry. One that came late in the same
    group has it, too, and says so."""
    one, other = before.message, case.message
    assert one is not None
    assert other is not None
    a, b = one.content.part, other.content.part
    assert a is not None
    assert b is not None
    return (one.sender.provider, one.sender.port, one.recipient, a.reference, a.total) == (
        other.sender.provider,
        other.sender.port,
        other.recipient,
        b.reference,
        b.total,
    ) and (a.index < b.index and before.said.entry == case.said.entry and not (before.said.late or case.said.late))


def index_of(case: SubmitCase) -> int:
    assert case.message is not None
    assert case.message.content.part is not None
    return case.message.content.part.index


def total_of(case: SubmitCase) -> int:
    assert case.message is not None
    assert case.message.content.part is not None
    return case.message.content.part.total


def other_parts_alive(case: PendingSubmit) -> bool:
    """Whether the person has, or may get, other parts of its message."""
    return case.long is None or bool(case.long.alive - {case})


def begins_message(case: SubmitCase, leader: PendingSubmit | None) -> bool:
    """Whether the journal shows that a part began a new message, though one with its key was remembered: whether it did was decided when
    it came, up to two seconds before it was judged."""
    if not isinstance(leader, SubmitCase):
        return False
    led, mine = leader.said.entry, case.said.entry
    if mine is not None:
        return led is None or led.id != mine.id
    return led is not None and case.said.reason in RULE_REASONS
