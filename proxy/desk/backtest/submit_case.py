"""Describes one journalled message while it is judged again.

In: a verdict of the journal. Out: a SubmitCase, or why a message is skipped; which parts were one message. Never: a decision; a clock: the
journal says when a part was judged, not when it came.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from proxy.desk.backtest.environment import FULL
from proxy.desk.backtest.replaced_messages import ReplacedMessage
from proxy.journal.records import messages
from proxy.model.message import Message, Part
from proxy.model.reasons import GATE_REASONS, RULE_REASONS
from proxy.policy.ruleset import RuleSet
from proxy.relay.pending_submit import Bind, PendingSubmit
from proxy.state.stores.sqlite import SqliteStore

UNJUDGED = frozenset(GATE_REASONS) - FULL - {"late-breach", "store-conflict", "store-down", "outcome-unknown"}
"""Reasons for which a message was never shown to the rules, or the rules failed."""
NOT_STORED = frozenset(("store-conflict", "store-down"))
"""Reasons for which it stands for nothing though it was."""


class SubmitCase(PendingSubmit):
    """One message as it was sent and decided then; its verdict now is what judging leaves on it, as on any PendingSubmit."""

    message: Message

    def __init__(self, bind: Bind, message: Message, submit: messages.VerdictRecord, number: int) -> None:
        super().__init__(bind, 0, submit.data, submit.time)
        self.message = message
        self.journalled = submit
        self.recorded = number
        self.named: ReplacedMessage | None = None
        """What it was to replace."""

    @property
    def has_own_verdict(self) -> bool:
        """Whether its verdict is its own: of a long message only the first part's is, and that of a late part that breaks a rule."""
        return (
            self.long is None
            or self.long.leader is self
            or self.reason == "late-breach"
            or self.journalled.reason == "late-breach"
        )


class SkippedVerdict(NamedTuple):
    """A record of a verdict that is not judged again."""

    journalled: messages.VerdictRecord
    why: str


Observer = Callable[[SubmitCase, bytes, float, RuleSet], None]
RulesOf = Callable[[str], RuleSet | None]
"""By the revision in force then: the rules to judge by, None where they are not known."""


def take_counters(store: SqliteStore, body: bytes) -> None:
    """Counts a message whose recipient is not judged here: counters are about all recipients."""
    if messages.takes_of(body):
        submit = messages.unpack_verdict(body)
        if submit.entry is not None:
            for take in submit.takes:
                store.counters.take(take, submit.entry.time)


def in_same_batch(before: SubmitCase, case: SubmitCase) -> bool:
    """Whether a part belongs to the same batch as the one before it: what was judged together has one entry. One that came late in the same
    group has it, too, and says so."""
    one, other = before.message, case.message
    a, b = part_of(before), part_of(case)
    return (
        (one.sender.provider, one.sender.port, one.recipient) == (other.sender.provider, other.sender.port, other.recipient)
        and (a.reference, a.total) == (b.reference, b.total)
        and a.index < b.index
        and before.journalled.entry == case.journalled.entry
        and not (before.journalled.late or case.journalled.late)
    )


def part_of(case: SubmitCase) -> Part:
    """Which part it is, of a case that is one."""
    part = case.message.content.part
    assert part is not None
    return part


def other_parts_alive(case: PendingSubmit) -> bool:
    """Whether the person has, or may get, other parts of its message."""
    return case.long is None or bool(case.long.alive - {case})


def begins_message(case: SubmitCase, leader: PendingSubmit | None) -> bool:
    """Whether the journal shows that a part began a new message, though one with its key was remembered: whether it did was decided when
    it came, up to two seconds before it was judged."""
    if not isinstance(leader, SubmitCase):
        return False
    led, own = leader.journalled.entry, case.journalled.entry
    if own is not None:
        return led is None or led.id != own.id
    return led is not None and case.journalled.reason in RULE_REASONS
