"""Disk: what a restart would find in the journal, read here a second time.

In: a disk. Out: what stands on it, as sets to compare with what the world saw. Never: the gate's own memory.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from zlib import crc32

from proxy.journal.encoding import unpack
from proxy.journal.records import answers, delivers, mailbox, messages, operator_actions, requests
from proxy.journal.records.delivers import ConfirmationSent, OptedOut, Restored
from proxy.journal.records.messages import VerdictRecord
from proxy.journal.scan import segment_name
from proxy.journal.segment import GROUP, HEADER_BYTES, RECORD_HEAD_BYTES, JournalRecord
from proxy.journal.segment import _unpack_record as unpack_record
from proxy.model.recipient import OptOut
from proxy.relay.effects.record_changes import Effect
from proxy.wire import Frame
from tests.journal.memory_disk import MemoryDisk
from tests.simulation.nouns import CARRIER_REFUSES, nameless


class OnDisk:
    """Grows with the journal: each record is looked at once, however often the world asks."""

    def __init__(self) -> None:
        self.entries: set[int] = set()
        self.taken_back: set[int] = set()
        self.refused_by_carrier: set[int] = set()
        self.refused: Counter[bytes] = Counter()  # how often each was, repeats included
        self.adopts: dict[int, int] = {}
        self.late: dict[bytes, int] = {}  # parts whose text broke a rule when they came: the group of each
        self.delivers: dict[int, set[int]] = {}  # the carrier's number of a deliver_sm → its records
        self.recorded: set[int] = set()  # all of those
        self.waiting: set[int] = set()  # those of delivers that were neither delivered nor dropped
        self.unreplaced: set[int] = set()  # entries of replacements that the carrier refused
        self.refusals: list[OptedOut] = []
        self.refused_in: list[int] = []  # … and the group of each
        self.allowed_in: dict[int, int] = {}  # entry → the group of its first verdict
        self.let_out: dict[int, dict[bytes, int]] = {}  # entry → all that was let out under it, and the group of each
        self.restored: list[Restored] = []
        self.said: list[ConfirmationSent] = []
        self.orders: set[int] = set()
        self.ended: dict[int, int] = {}  # orders that were lifted or over: the group that says so
        self.turns: list[OptedOut | Restored] = []  # refusals and what took them back, in order
        self._accepted: set[int] = set()
        self._unanswered: dict[int, int] = {}  # verdicts that let something out, by their place: the entry
        self._refusals: dict[int, bytes] = {}  # verdicts that did not
        self._offsets: dict[str, int] = {}  # how far each segment is read
        self._last = 0  # sequence
        self.groups = 0

    @property
    def accepted(self) -> set[int]:
        """Entries all of whose parts were."""
        return self._accepted - set(self._unanswered.values())

    def follow(self, disk: MemoryDisk, size_of: Callable[[str], int]) -> None:
        """Reads on. ``size_of``: how much of a segment is to be looked at."""
        for name in disk.list():
            start, size = self._offsets.get(name, HEADER_BYTES), size_of(name)
            if name != segment_name(self._last + 1) and name not in self._offsets:
                break  # the end of the one before is torn off: what comes after it was never promised, and a start removes it
            if size <= start:
                continue
            groups, self._offsets[name] = _whole_groups(disk.read(name, size), start)
            for group in groups:
                self.groups += 1
                for item in group:
                    self._note(item)
                    self._last = item.sequence

    def _note(self, item: JournalRecord) -> None:
        if item.kind == messages.VERDICT:
            self._verdict(item.sequence, messages.unpack_verdict(item.body))
        elif item.kind == messages.REPEATED:
            for sequence, count in unpack(requests.Repeated, item.body).counts.items():
                self.refused[self._refusals[sequence]] += count
        for answer in answers.unpack_answers(item):
            if answer.status == CARRIER_REFUSES:
                self.refused_by_carrier.add(answer.entry_id)
            if answer.effect == Effect.ACCEPTED:
                self._unanswered.pop(answer.verdict_sequence, None)
                self._accepted.add(answer.entry_id)
            if Effect(answer.effect).takes_back:
                self.taken_back.add(answer.entry_id)
        if item.kind == messages.ORDERED:
            self.orders.add(unpack(operator_actions.Ordered, item.body).order.id)
        elif item.kind == messages.LIFTED:
            self.ended[unpack(operator_actions.Lifted, item.body).order] = self.groups
        self._turn(item)
        self._deliver(item)

    def _verdict(self, sequence: int, verdict: VerdictRecord) -> None:
        if verdict.entry is not None:
            self._unanswered[sequence] = verdict.entry.id
            self.entries.add(verdict.entry.id)
            self.allowed_in.setdefault(verdict.entry.id, self.groups)
            self.let_out.setdefault(verdict.entry.id, {})[verdict.data] = self.groups
            self.adopts[verdict.entry.id] = verdict.adopts
            return
        self._refusals[sequence] = nameless(verdict.data)
        self.refused[nameless(verdict.data)] += 1
        if verdict.reason == "late-breach":
            self.late[verdict.data] = self.groups

    def _turn(self, item: JournalRecord) -> None:
        if item.kind == messages.OPTOUT:
            refusal = unpack(delivers.OptedOut, item.body)
            self.refusals.append(refusal)
            self.refused_in.append(self.groups)
            self.turns.append(refusal)
        elif item.kind == messages.RESTORED:
            back = unpack(delivers.Restored, item.body)
            self.restored.append(back)
            self.turns.append(back)
        elif item.kind == messages.UNREPLACED:
            self.unreplaced.add(unpack(requests.Unreplaced, item.body).entry_id)
        elif item.kind == messages.SAID:
            self.said.append(unpack(delivers.ConfirmationSent, item.body))

    def _deliver(self, item: JournalRecord) -> None:
        """What the way back wrote."""
        if item.kind == messages.DELIVER:
            data = unpack(delivers.DeliverRecord, item.body).data
            self.delivers.setdefault(Frame.of(data).sequence_number, set()).add(item.sequence)
            self.recorded.add(item.sequence)
            self.waiting.add(item.sequence)
        elif item.kind == messages.DELIVERED:
            self.waiting.difference_update(unpack(mailbox.Delivered, item.body).numbers)
        elif item.kind == messages.DROPPED:
            self.waiting.difference_update(unpack(mailbox.Dropped, item.body).numbers)

    # -- asked

    def refused_by(self, person: int, since: int | None = None) -> dict[tuple[str, str], OptOut]:
        """What a person has refused and not taken back; ``since``: or had not, at some moment since so many turns stood here."""
        held: dict[tuple[str, str], OptOut] = {}
        for place, one in enumerate(self.turns):
            if one.recipient != person:
                continue
            if isinstance(one, OptedOut):
                held[one.opt_out[:2]] = one.opt_out
            elif since is None or place < since:
                for lifted in one.lifted:
                    held.pop(lifted[:2], None)
        return held


def _whole_groups(data: bytes, offset: int) -> tuple[list[list[JournalRecord]], int]:
    """All groups that are whole, and where the last of them ends. That the chain holds is seen at each restart."""
    found: list[list[JournalRecord]] = []
    group: list[JournalRecord] = []
    whole = offset
    while offset + RECORD_HEAD_BYTES <= len(data):
        length, crc, sequence, kind = unpack_record(data, offset)
        head, start, offset = offset + 8, offset + RECORD_HEAD_BYTES, offset + RECORD_HEAD_BYTES + length
        if offset > len(data) or crc32(data[head:offset]) != crc:  # torn off, or room that is kept free
            break
        if kind == GROUP:
            found.append(group)
            group, whole = [], offset
        else:
            group.append(JournalRecord(sequence, kind, data[start:offset]))
    return found, whole
