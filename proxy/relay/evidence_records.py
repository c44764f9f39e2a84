"""Journals the evidence behind verdicts, and texts for review.

In: judged submits; later the journal sequence of their verdicts. Out: journal records. Never: a verdict, sockets, the clock.

Besides what rules found, a record states what a message took from aggregates on behalf of one that it stands in for: a replace_sm must
not take that again.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence

from proxy.journal.records import aggregate_shares, evidence, messages
from proxy.journal.write_ahead_log import Journal
from proxy.model.message import Message, Verdict
from proxy.model.reasons import IN_REVIEW
from proxy.policy import review_key
from proxy.relay.pending_submit import PendingSubmit

REVIEWS_MAX = 32_768
"""Remembered of texts told to the clerk, two for each: past it one may be told twice."""
TEXT_MAX = 1_000


class EvidenceRecords:
    def __init__(self) -> None:
        self.waiting: dict[int, PendingSubmit] = {}
        """Judged and worth a word, not written yet, by identity."""
        self._told: OrderedDict[tuple[str, str, str | bytes], None] = OrderedDict()
        """Provider, rule, and the key of a text or, for that takes longer to make out, the digest of one word for word."""

    def look_at(self, transit: PendingSubmit, verdict: Verdict) -> None:
        """Somebody objected: notes the submit if more is to be said of that than which rules."""
        if any(breach.wants_a_word for breach in verdict.breaches):
            self.note(transit)

    def note(self, transit: PendingSubmit) -> None:
        """More is to be said of it than its verdict: what that rests on, or that it stands in for one that took something."""
        self.waiting[id(transit)] = transit

    def write(self, journal: Journal, now: float, decided: Sequence[PendingSubmit], first: int) -> None:
        """Appends what is to be said of those of ``decided`` that were noted; ``first``: where the first one's verdict stands."""
        waiting = self.waiting
        for place, transit in enumerate(decided if waiting else ()):
            if id(transit) in waiting:
                self.write_of(journal, now, transit, first + place)

    def write_of(self, journal: Journal, now: float, what: object, sequence: int) -> None:
        """... of one, if it is a submit that was noted."""
        transit = self.waiting.pop(id(what), None)
        if transit is not None and transit.verdict is not None and transit.message is not None:
            if transit.adopted is not None and transit.packed and _replaceable(transit):
                at = transit.adopted.time
                journal.append(messages.SHARE, aggregate_shares.pack_share(now, sequence, at, False, transit.verdict.takes))
            for kind, body in self._of(now, transit.message, transit.verdict, sequence):
                journal.append(kind, body)

    def _of(self, now: float, message: Message, verdict: Verdict, sequence: int) -> Iterator[tuple[int, bytes]]:
        for breach in verdict.breaches:
            if breach.evidence:
                yield messages.EVIDENCE, evidence.pack_evidence(now, sequence, breach.rule, breach.evidence)
            if breach.reason.name == IN_REVIEW and message.content.complete:
                yield from self._review(now, message, breach.rule, sequence)

    def _review(self, now: float, message: Message, rule: str, sequence: int) -> Iterator[tuple[int, bytes]]:
        sender = message.sender
        if self._has_been_told(sender.provider, rule, message.content.digest):
            return
        key = review_key(message.content)
        if not self._has_been_told(sender.provider, rule, key):
            text = message.content.text[:TEXT_MAX]
            yield messages.REVIEW, evidence.pack_review(now, sequence, rule, sender.provider, sender.port, key, text)

    def _has_been_told(self, provider: str, rule: str, text: str | bytes) -> bool:
        """... and from now on it has."""
        item = provider, rule, text
        if item in self._told:
            return True
        if len(self._told) >= REVIEWS_MAX:
            self._told.popitem(last=False)
        self._told[item] = None
        return False


def _replaceable(transit: PendingSubmit) -> bool:
    """Whether anybody may ask for another text of it one day (message_index.py); a replacement itself says what it takes."""
    return type(transit) is PendingSubmit and transit.long is None and transit.bind.access.replaces
