"""Journals the evidence behind verdicts, and texts for review.

In: judged submits; later the journal sequences of their verdicts. Out: journal records. Never: a verdict, sockets, the clock.

A record holds the findings of rules. For a replacement it also holds what the replaced message took from counters, so that a later
replace_sm does not take it again.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence

from proxy.journal.encoding import pack
from proxy.journal.records import evidence, messages, requests
from proxy.journal.write_ahead_log import Journal
from proxy.model.message import Message, Verdict
from proxy.model.reasons import IN_REVIEW
from proxy.policy.registries.reviewed_texts import review_key
from proxy.relay.pending_submit import PendingSubmit

REVIEWS_MAX = 32_768
"""Keys of texts reported for review, two per text. Beyond it a text may be reported twice."""
TEXT_MAX = 1_000


class EvidenceRecords:
    def __init__(self) -> None:
        self.waiting: dict[int, PendingSubmit] = {}
        """Judged submits with unwritten evidence, by ``id()``."""
        self._reported: OrderedDict[tuple[str, str, str | bytes], None] = OrderedDict()
        """(provider, rule, review key of a text), and the same with the text's digest, which is faster to compute."""

    def note_breaches(self, pending: PendingSubmit, verdict: Verdict) -> None:
        """Notes a submit with breaches that have evidence or need a review."""
        if any(breach.wants_a_word for breach in verdict.breaches):
            self.note(pending)

    def note(self, pending: PendingSubmit) -> None:
        """Notes a submit whose evidence, or whose inherited takes, must be journalled beside its verdict."""
        self.waiting[id(pending)] = pending

    def write(self, journal: Journal, now: float, decided: Sequence[PendingSubmit], first: int) -> None:
        """Appends the records of noted submits of ``decided``; ``first``: journal sequence of the first one's verdict."""
        waiting = self.waiting
        for place, pending in enumerate(decided if waiting else ()):
            if id(pending) in waiting:
                self.write_of(journal, now, pending, first + place)

    def write_of(self, journal: Journal, now: float, what: object, sequence: int) -> None:
        """``write`` for one submit, if it was noted."""
        pending = self.waiting.pop(id(what), None)
        if pending is not None and pending.verdict is not None and pending.message is not None:
            if pending.adopted is not None and pending.packed and _replaceable(pending):
                at = pending.adopted.time
                journal.append(messages.SHARE, pack(requests.CounterShare(now, sequence, at, False, pending.verdict.takes)))
            for kind, body in self._records_of(now, pending.message, pending.verdict, sequence):
                journal.append(kind, body)

    def _records_of(self, now: float, message: Message, verdict: Verdict, sequence: int) -> Iterator[tuple[int, bytes]]:
        for breach in verdict.breaches:
            if breach.evidence:
                yield messages.EVIDENCE, pack(evidence.VerdictEvidence(now, sequence, breach.rule, breach.evidence))
            if breach.reason.name == IN_REVIEW and message.content.complete:
                yield from self._review(now, message, breach.rule, sequence)

    def _review(self, now: float, message: Message, rule: str, sequence: int) -> Iterator[tuple[int, bytes]]:
        sender = message.sender
        if self._is_reported(sender.provider, rule, message.content.digest):
            return
        key = review_key(message.content)
        if not self._is_reported(sender.provider, rule, key):
            text = message.content.text[:TEXT_MAX]
            yield messages.REVIEW, pack(evidence.Review(now, sequence, rule, sender.provider, sender.port, key, text))

    def _is_reported(self, provider: str, rule: str, text: str | bytes) -> bool:
        """Whether a text was reported for review already; from now on it is."""
        item = provider, rule, text
        if item in self._reported:
            return True
        if len(self._reported) >= REVIEWS_MAX:
            self._reported.popitem(last=False)
        self._reported[item] = None
        return False


def _replaceable(pending: PendingSubmit) -> bool:
    """Whether a replace_sm may follow (message_index.py). A replacement itself journals what it takes."""
    return type(pending) is PendingSubmit and pending.long is None and pending.bind.access.replaces
