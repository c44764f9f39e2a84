"""Describes one journalled message while it is judged again.

In: a verdict of the journal. Out: a SubmitCase, or why a message is skipped. Never: a decision.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from proxy.desk.backtest.environment import FULL
from proxy.desk.backtest.replacements import ReplacedMessage
from proxy.journal.records import messages
from proxy.model.message import Message
from proxy.model.reasons import GATE_REASONS
from proxy.policy import RuleSet
from proxy.relay.pending_submit import Bind, PendingSubmit
from proxy.state import EmbeddedStore

UNJUDGED = frozenset(GATE_REASONS) - FULL - {"late-breach", "store-conflict", "store-down", "outcome-unknown"}
"""Reasons for which a message was never shown to the rules, or the rules failed."""
NOT_STORED = frozenset(("store-conflict", "store-down"))
"""Reasons for which it stands for nothing though it was."""


class SubmitCase(PendingSubmit):
    """One message as it was sent and decided then; its verdict now is what judging leaves on it, as on any PendingSubmit."""

    def __init__(self, bind: Bind, message: Message, said: messages.VerdictRecord, number: int) -> None:
        super().__init__(bind, 0, said.data, said.time)
        self.message = message
        self.said = said
        self.recorded = number
        self.named: ReplacedMessage | None = None
        """What it was to replace."""

    @property
    def has_own_verdict(self) -> bool:
        """Whether its verdict is its own: of a long message only the first part's is, and that of a late part that breaks a rule."""
        return (
            self.long is None or self.long.leader is self or self.reason == "late-breach" or self.said.reason == "late-breach"
        )


class SkippedVerdict(NamedTuple):
    """A record of a verdict that is not judged again."""

    said: messages.VerdictRecord
    why: str


Observer = Callable[[SubmitCase, bytes, float, RuleSet], None]
RulesOf = Callable[[str], RuleSet | None]
"""By the revision in force then: the rules to judge by, None where they are not known."""


def take_counters(store: EmbeddedStore, body: bytes) -> None:
    """Counts a message whose recipient is not judged here: counters are about all recipients."""
    if messages.takes_of(body):
        said = messages.unpack_verdict(body)
        if said.entry is not None:
            for take in said.takes:
                store.counters.take(take, said.entry.time)
