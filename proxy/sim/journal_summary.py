"""Reads a run from its journal, as plain values to compare.

The gate has stopped. A record is taken at its word, not at what the gate meant.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from proxy.archive.audit.optout_audit import Audit
from proxy.journal.encoding import unpack
from proxy.journal.records import answers as answered
from proxy.journal.records import delivers as returned
from proxy.journal.records import gate_events, mailbox, messages, requests
from proxy.journal.sealing import KeyRing
from proxy.journal.write_ahead_log import OsDisk, read
from proxy.model.reasons import GATE_REASONS
from proxy.sim import pdus

ACCEPTED, TAKEN_BACK, UNKNOWN, LATE_ACCEPTED, LATE_TAKEN_BACK, STILL_UNKNOWN, LATE_STILL_UNKNOWN, PART_REFUSED, LATE_PART = (
    range(9)
)
"""What an answer did to its entry, as the journal numbers it."""
LATE = (LATE_ACCEPTED, LATE_TAKEN_BACK, LATE_STILL_UNKNOWN, LATE_PART)  # after the provider had been told "unknown"
_JUDGED = ("no-route", "queue-full", "store-conflict", "outcome-unknown", "judge-error", "late-breach")
"""Reasons of the gate itself that come after the rules were asked."""


class JournalledVerdict(NamedTuple):
    """One verdict of the journal. ``category`` is "unread" where the gate refused before judging, as in /metrics."""

    provider: str
    port: str
    recipient: int
    category: str
    verdict: str  # allow | defer | reject
    reason: str
    status: int
    sent: int  # its own record's number, 0 unless allowed: the parts of a long message share an entry
    at: float = 0.0
    place: int = 0  # in the journal
    objections: tuple[tuple[str, str, bool], ...] = ()  # (rule, what it wants, whether it only watches), the strictest first
    part: tuple[int, int] | None = None  # of a long message: (reference, how many there are)


class JournalledAnswer(NamedTuple):
    sent: int  # the number of the verdict's record
    effect: int
    status: int
    message_id: str
    at: float = 0.0


class JournalledOptOut(NamedTuple):
    recipient: int
    port: str
    place: int


@dataclass(slots=True)
class JournalStory:
    verdicts: list[JournalledVerdict] = field(default_factory=list)
    answers: list[JournalledAnswer] = field(default_factory=list)
    delivers: dict[int, str] = field(default_factory=dict)  # number of a deliver's record → its provider
    delivered: set[int] = field(default_factory=set)  # numbers of delivers that their provider has acknowledged ...
    dropped: set[int] = field(default_factory=set)  # ... and of those that left the mailbox in another way
    optouts: list[JournalledOptOut] = field(default_factory=list)
    confirmed: list[returned.ConfirmationSent] = field(default_factory=list)
    against_meant: list[tuple[str, int]] = field(default_factory=list)
    """Provider and person of marketing that went out after a reply had asked to stop it, by the audit of opt-outs."""
    widened: int = 0  # refusals of all marketing that came of one refusal too many
    _one_reply: returned.ReplyGrouper = field(default_factory=returned.ReplyGrouper)

    def opted_out(self, opt_out: returned.OptedOut, place: int) -> None:
        if self._one_reply.begins(opt_out):
            self.optouts.append(JournalledOptOut(opt_out.recipient, opt_out.port, place))
        else:
            self.widened += opt_out.opt_out.scope == "category"

    def long_messages(self, before: float) -> Counter[str]:
        """What became of long messages judged before a moment: whole, or on what was there; and what came later, in time or with
        words that may not be said. Parts with one time were judged together."""
        found: Counter[str] = Counter()
        begun: dict[
            tuple[str, int, tuple[int, int]], tuple[float, bool]
        ] = {}  # → when it was judged, whether that was for nothing
        together = Counter((one.port, one.recipient, one.part, one.at) for one in self.verdicts)
        for one in self.verdicts:
            if one.part is None or one.at >= before:
                continue
            at, nothing = begun.get((one.port, one.recipient, one.part), (0.0, True))
            if at and one.at == at:
                continue
            if not nothing:
                found["late-breach" if one.reason == "late-breach" else "inherited"] += 1
                continue
            whole = together[one.port, one.recipient, one.part, one.at] == one.part[1]
            found["complete" if whole else "incomplete"] += 1
            begun[one.port, one.recipient, one.part] = one.at, whole or one.reason in _JUDGED
        return found

    def after_optout(self) -> Iterator[JournalledVerdict]:
        """Advertisements to people who had opted out of that port's advertiser. For the demo, where a person who opts out gets only one
        advertiser from that port."""
        since = {(one.recipient, one.port): one.place for one in reversed(self.optouts)}
        for one in self.verdicts:
            refused = since.get((one.recipient, one.port))
            if refused is not None and one.place > refused and one.category == "marketing":
                yield one


def read_journal(folder: Path, keys: Sequence[Path] = ()) -> JournalStory:
    """The journal of a gate that has stopped; raises JournalDamaged, SealingError."""
    story = JournalStory()
    rules: dict[str, Sequence[str]] = {}
    by_sequence: dict[int, JournalledVerdict] = {}  # what repeats refer to
    for place, record in enumerate(read(OsDisk(folder, KeyRing.of_files(keys))), 1):
        if record.kind == messages.VERDICT:
            judged = _verdict_of(messages.unpack_verdict(record.body), rules, place, record.sequence)
            story.verdicts.append(judged)
            by_sequence[record.sequence] = judged
        elif record.kind == messages.REPEATED:
            story.verdicts += _repeats(unpack(requests.Repeated, record.body), by_sequence, place)
        elif record.kind in (messages.ANSWER, messages.ACCEPTED):
            for answer in answered.unpack_answers(record):
                message_id = answer.carrier_id.partition(b"\0")[0].decode("latin-1")
                story.answers.append(
                    JournalledAnswer(answer.verdict_sequence, answer.effect, answer.status, message_id, answer.time)
                )
        elif record.kind == messages.DELIVER:
            story.delivers[record.sequence] = unpack(returned.DeliverRecord, record.body).provider
        elif record.kind == messages.DELIVERED:
            story.delivered.update(unpack(mailbox.Delivered, record.body).numbers)
        elif record.kind == messages.DROPPED:
            story.dropped.update(unpack(mailbox.Dropped, record.body).numbers)
        elif record.kind == messages.OPTOUT:
            story.opted_out(unpack(returned.OptedOut, record.body), place)
        elif record.kind == messages.SAID:
            story.confirmed.append(unpack(returned.ConfirmationSent, record.body))
        elif record.kind == messages.RULES:
            loaded = unpack(gate_events.Rules, record.body)
            rules[loaded.revision[:16].rjust(16, "0")] = loaded.ids
    disk = OsDisk(folder, KeyRing.of_files(keys))
    story.against_meant = [
        (one.against.sent.provider, one.recipient) for one in Audit((disk,), (), 0.0, 0.0, (0,)).read_on(0.0)
    ]
    return story


def _repeats(repeated: requests.Repeated, by_sequence: dict[int, JournalledVerdict], place: int) -> Iterator[JournalledVerdict]:
    """What came again after it was refused: each time as a verdict of its own."""
    for sequence, count in repeated.counts.items():
        yield from [by_sequence[sequence]._replace(at=repeated.time, place=place)] * count


def _verdict_of(submit: messages.VerdictRecord, rules: dict[str, Sequence[str]], place: int, number: int) -> JournalledVerdict:
    unread = submit.reason in GATE_REASONS and submit.reason not in _JUDGED
    ids = rules.get(submit.revision, ())
    objections = tuple(
        (ids[number] if number < len(ids) else f"rule {number}", outcome.word, shadow)
        for number, outcome, shadow in submit.breaches
    )
    return JournalledVerdict(
        submit.provider, submit.port, submit.recipient, "unread" if unread else submit.category.word, submit.outcome.word, submit.reason,
        submit.status, number if submit.entry is not None else 0, submit.time, place, objections, None if unread else _part(submit.data),
    )  # fmt: skip


def _part(data: bytes) -> tuple[int, int] | None:
    """The simulated providers write long messages with an 8-bit reference and nothing else in the header."""
    sms = pdus.read(data)
    return (sms.body[3], sms.body[4]) if sms.esm_class & pdus.UDHI else None
