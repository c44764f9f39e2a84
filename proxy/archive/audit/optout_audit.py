"""Follows a gate's journals and finds marketing sent after an opt-out.

In: the disks of one gate's journals, from which records on findings count. Out: findings, each once; how far it has read. Never: a byte
changed; code of the path that records refusals; a number or a text kept on disk.

    every record               is read once, at 1 µs a message; the index keeps which persons each stretch mentions (journal_follower.py)
    a reply                    its person's history is read again from the stretches: what it claims (optout_scope.py)
    marketing to a claimant    if a claim may cover it, the history is read again once the carrier must have answered

Memory is bounded by ``REMEMBERED_BYTES_MAX`` of journal and ``CLAIMANTS_MAX`` persons. After a start the replies of the remembered time are
known; their claims are read when such a person is next sent marketing.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

from proxy.archive.audit.journal_follower import FollowedJournal, reply_sender
from proxy.archive.audit.optout_history import in_order
from proxy.archive.audit.optout_scope import CANDIDATES_S, Claim, Violation
from proxy.archive.audit.person_history import PersonHistory
from proxy.archive.segment_index import Stale
from proxy.journal.disk import OsDisk
from proxy.journal.encoding import unpack
from proxy.journal.records import messages
from proxy.journal.records.gate_events import ReplicatedRecord
from proxy.journal.segment import HEADER_BYTES, JournalRecord, SegmentFault, unpack_header
from proxy.model.message import Category
from proxy.model.number import masked_repr

REMEMBERED_BYTES_MAX = 12 << 30
"""How much journal is indexed by person: some 25 million messages, for which 150 MB are kept. A reply to an older message claims nothing
here; a gate with fewer messages in 30 days indexes all of them."""
FORGOTTEN_EVERY_S = 3600.0
CLAIMANTS_MAX = 1_000_000  # persons whose claims are held: at some 300 bytes; of more, those who replied first are forgotten
SETTLE_S = 15.0  # after so long without a carrier's answer the outcome is unknown, and the message counts as sent
FOUND_MAX = 10_000  # findings that are remembered so that none counts twice
_LOW = 0xFFFF_FFFF
_FLAGS, _CATEGORY, _HAS_ENTRY = 40, 41, 16  # where a verdict has them (journal/records/messages.py)


@masked_repr
class Finding(NamedTuple):
    recipient: int
    against: Violation


def first_needed(disk: OsDisk, since: float) -> int:
    """The last record before the segment in which ``since`` lies, or before those that are remembered."""
    size, found = 0, 0
    for name in reversed(disk.list()):
        try:
            header = unpack_header(disk.read(name, HEADER_BYTES))
        except SegmentFault:
            continue
        size += disk.size(name)
        if found and size > REMEMBERED_BYTES_MAX:
            break
        found = header.first
        if header.created_ms < since * 1000:
            break
    return max(0, found - 1)


class Audit:
    def __init__(self, disks: Sequence[OsDisk], nodes: Sequence[int], now: float, since: float, done: Sequence[int]) -> None:
        """``nodes``: the nodes of the journals. ``since``: earlier messages are no findings; nor are records up to ``done``, one sequence
        per journal (0: none was settled)."""
        self._nodes, self._since, self._done = nodes, since, list(done)
        self._journals = [
            FollowedJournal(disk, first_needed(disk, now - CANDIDATES_S), self._look(place)) for place, disk in enumerate(disks)
        ]
        self._claimants: OrderedDict[int, tuple[Claim, ...] | None] = OrderedDict()  # who replied; their claims, None: unread
        self._replied: dict[int, None] = {}
        self._due: list[tuple[float, int, tuple[int, int]]] = []
        """Marketing that may be against a claim: when it counts at the latest, to whom it went, where its verdict stands."""
        self._found: OrderedDict[tuple[int, int], None] = OrderedDict()
        self._now_s = 0.0
        self._began, self._began_s, self._forgot_s = now, -1.0, 0.0
        self.behind = True  # whether there was more to read than was read the last time

    # ------------------------------------------------------------------ reading

    def read_on(self, now_s: float, until_s: float | None = None) -> list[Finding]:
        """Reads new records, and settles findings that are due. ``now_s``, ``until_s``: monotonic; stops reading at ``until_s``.
        OSError."""
        self._now_s = now_s
        self._forget(now_s)
        self.behind = False
        for one in self._journals:
            self.behind |= not one.read_on(until_s) or one.unreadable
        for person in list(self._replied):
            if self._replied.pop(person, 0) is None and self._claims(person):
                self._claimants.move_to_end(person)
        found = []
        due, self._due = self._due, []
        waiting_for = {one[2] for one in due}
        for waiting in due:
            found += self._settled(waiting, waiting_for, at_once=until_s is None)
        for place, journal in enumerate(self._journals):
            journal.answers_matter = any(key[0] == place for _, _, key in self._due)
        return found

    @property
    def unreadable(self) -> bool:
        """Whether a journal cannot be read on: it is damaged, was altered just now, or is sealed with a missing key."""
        return any(one.unreadable for one in self._journals)

    def _forget(self, now_s: float) -> None:
        """Forgets what is too old to matter."""
        if self._began_s < 0:
            self._began_s = self._forgot_s = now_s
        if now_s - self._forgot_s >= FORGOTTEN_EVERY_S:
            self._forgot_s = now_s
            since = self._began + now_s - self._began_s - CANDIDATES_S
            for one in self._journals:
                one.behind = max(one.behind, first_needed(one.disk, since))

    @property
    def reached(self) -> list[int]:
        """Of each journal, up to which record all that it says is settled."""
        reached = [one.seen for one in self._journals]
        for _, _, (place, sequence) in self._due:
            reached[place] = min(reached[place], sequence - 1)
        return reached

    def _look(self, place: int) -> Callable[[JournalRecord], None]:
        """Makes the callback for records that are read for the first time."""

        def look(record: JournalRecord) -> None:
            kind, body = record.kind, record.body
            if kind == messages.VERDICT:
                person = int.from_bytes(body[8:16], "big")
                if person in self._claimants and body[_FLAGS] & _HAS_ENTRY and body[_CATEGORY] == Category.MARKETING:
                    self._marketing(place, person, record)
            elif kind == messages.DELIVER:
                if person := reply_sender(body):
                    self._reply(place, person, record.sequence)
            elif kind == messages.HEARD:
                replicated = unpack(ReplicatedRecord, body)
                if replicated.kind in (messages.OPTOUT, messages.RESTORED) and replicated.node not in self._nodes:
                    self._reply(place, int.from_bytes(replicated.body[8:16], "big"), record.sequence)
            elif (
                kind in (messages.PERSON, messages.SUPPRESSED)
                and (person := int.from_bytes(body[8:16], "big")) in self._claimants
            ):
                self._reply(place, person, record.sequence)

        return look

    def _reply(self, place: int, person: int, sequence: int) -> None:
        if sequence > self._done[place]:
            self._replied[person] = None
        self._claimants[person] = None
        for one in self._journals:
            one.watched.add(person & _LOW)
        if len(self._claimants) > CLAIMANTS_MAX:
            self._claimants.popitem(last=False)

    def _marketing(self, place: int, person: int, record: JournalRecord) -> None:
        if record.sequence <= self._done[place]:
            return
        claims = self._claimants[person]
        if claims is None or self._may_be_against(claims, place, person, record):
            self._due.append((self._now_s + SETTLE_S, person, (place, record.sequence)))
            self._journals[place].answers_matter = True

    @staticmethod
    def _may_be_against(claims: Sequence[Claim], place: int, person: int, record: JournalRecord) -> bool:
        alone = PersonHistory(person)
        alone.take(place, record)
        return any(claim.covers(sent) for sent in alone.sent() for claim in claims)

    # ------------------------------------------------------------------ one person

    def _history(self, person: int, waiting_for: Collection[tuple[int, int]] = ()) -> PersonHistory | None:
        history = PersonHistory(person, self._nodes)
        try:
            for place, record in in_order([one.about(person) for one in self._journals]):
                history.take(place, record)
        except (Stale, SegmentFault):  # a segment was altered meanwhile: it is read anew
            return None
        history.assume_answered(waiting_for)
        return history

    def _claims(self, person: int) -> bool:
        """Reads what a person claims by now; forgets who claims nothing."""
        history = self._history(person)
        if history is not None:
            self._remember(person, history.findings().standing)
        return person in self._claimants

    def _remember(self, person: int, standing: Sequence[Claim]) -> None:
        if standing:
            self._claimants[person] = tuple(standing)
        else:
            self._claimants.pop(person, None)

    def _settled(
        self, due: tuple[float, int, tuple[int, int]], waiting_for: Collection[tuple[int, int]], *, at_once: bool
    ) -> list[Finding]:
        """Findings about the person, or none while the carrier may still refuse the message."""
        latest_s, person, key = due
        history = self._history(person, waiting_for)
        if history is None:
            return []
        found = history.findings()
        if (
            not at_once
            and self._now_s < latest_s
            and any(one.sent.key == key and one.sent.state == "open" for one in found.against)
        ):
            self._due.append(due)
            return []
        self._remember(person, found.standing)
        return [Finding(person, one) for one in found.against if self._is_new(one)]

    def _is_new(self, one: Violation) -> bool:
        place, sequence = key = one.sent.key
        if one.sent.at < self._since or sequence <= self._done[place] or key in self._found:
            return False
        self._found[key] = None
        if len(self._found) > FOUND_MAX:
            self._found.popitem(last=False)
        return True
