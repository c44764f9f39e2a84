"""Follows a growing journal and indexes which persons it mentions.

In: a journal's disk, the first record to read. Out: each new record that may matter to the audit, once; all records about one person.
Never: a byte changed, a number or a text kept outside memory.

Reading a message costs 1 µs: of an unsealed segment only the heads of records are read, and only their sequences and the ends of groups are
checked. What is read about a person later is then verified by the chain (archive/segment_index.py); rolling and verification check all of
it.
"""

import sys
from array import array
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from heapq import merge
from operator import itemgetter
from struct import Struct
from zlib import crc32

from proxy.archive.segment_index import IndexedSegment, SegmentIndex, Stretch
from proxy.journal.disk import OsDisk
from proxy.journal.encoding import unpack
from proxy.journal.records import answers, delivers, messages
from proxy.journal.records.gate_events import ReplicatedRecord
from proxy.journal.segment import GROUP, GROUP_BYTES, RECORD_HEAD_BYTES, CommitGroup, JournalRecord
from proxy.model.number import NotARecipient, recipient_of

SEGMENTS_MAX = 10_000
STRETCH_BYTES = 256 * 1024
COMPARED_EVERY = 60  # readings, one a second: are read segments as they were? (They are removed by age, and erased in.)
DECISIONS_MAX = 10_000  # decisions of clerks that are kept, each about up to 2,000 replies: more than people decide in a month
_LOW = 0xFFFF_FFFF
_HEAD, _CLAIM = Struct(">IIQB"), Struct(">QIQ")  # of a record; synced, count, time in ms of a group
_RECEIPT = b"\0\7receipt"
_NAMED = frozenset((messages.RESTORED, messages.UNREPLACED, messages.PERSON, messages.SUPPRESSED, messages.DOUBTFUL))
_LOOKED_AT = frozenset((messages.DELIVER, messages.HEARD, messages.PERSON, messages.SUPPRESSED))
_GROUP_OF_NOTHING = 0  # a kind that no record has: stands for the verdicts of a group, which are not made records of


class FollowedJournal(SegmentIndex):
    def __init__(self, disk: OsDisk, behind: int, look: Callable[[JournalRecord], None]) -> None:
        """``behind``: the last record that is not needed. ``look``: is shown replies and what else is rare, and verdicts about ``watched``."""
        super().__init__(disk, None, lambda: self.behind)  # type: ignore[arg-type] # it keeps no number beyond this process: no key
        self.behind, self._look = behind, look
        self.seen = behind
        self.watched: set[int] = set()  # the lower 32 bits of persons whose messages matter
        self.answers_matter = False  # whether carriers' answers are awaited: otherwise plain acceptances are skipped
        self._readings = -1
        self._verdicts: list[tuple[int, bytes]] = []  # of the group that is read: sequence, body
        self._decisions: deque[JournalRecord] = deque(maxlen=DECISIONS_MAX)  # which may be about anybody

    # ------------------------------------------------------------------ reading on

    def _compare(self, names: Sequence[str]) -> None:
        """Only now and then all that was read: a quiet gate has a thousand segments of a month."""
        self._readings += 1
        if self._readings % COMPARED_EVERY and self._segments and self._is_as_it_was(self._segments[-1]):
            return
        while len(self._segments) > 1 and self._segments[0].last <= self.behind:
            del self._segments[0]
        super()._compare(names)

    def _bounds(self) -> tuple[int, int]:
        return SEGMENTS_MAX, STRETCH_BYTES

    def _part(self, number: int) -> int:
        return number & _LOW

    def _read_groups(self, one: IndexedSegment, data: bytes) -> None:
        if one.header.sealed or one.header.redacted:
            super()._read_groups(one, data)
        else:
            self._heads(one, data, one.end)

    def _heads(self, one: IndexedSegment, data: bytes, base: int) -> None:
        """The whole groups in ``data``, which stands at ``base`` of the segment."""
        unpack, at, start, end = _HEAD.unpack_from, 0, 0, len(data)
        sequence, records = one.last, list[JournalRecord]()
        verdicts = self._verdicts = list[tuple[int, bytes]]()
        while at + RECORD_HEAD_BYTES <= end:
            length, crc, number, kind = unpack(data, at)
            body, after = at + RECORD_HEAD_BYTES, at + RECORD_HEAD_BYTES + length
            if after > end or not kind:
                return  # it is being written, or room that is kept free
            if kind == GROUP:
                synced, count, time_ms = _CLAIM.unpack_from(data, after - _CLAIM.size)
                if (number, count, after - at) != (sequence, sequence - one.last, GROUP_BYTES) or crc32(
                    data[at + 8 : after]
                ) != crc:
                    return  # torn, or altered: rolling and verification tell which
                digest = data[after - _CLAIM.size - 32 : after - _CLAIM.size]
                if count:
                    records.insert(0, JournalRecord(one.last + 1, _GROUP_OF_NOTHING, b""))
                self._keep(one, CommitGroup(records, sequence, start, after, digest, synced, time_ms, count), base)
                start, records = after, []
                verdicts = self._verdicts = []
            else:
                sequence += 1
                if number != sequence:
                    return
                if kind == messages.VERDICT:
                    verdicts.append((number, data[body:after]))
                elif kind != messages.ACCEPTED or self.answers_matter:
                    records.append(JournalRecord(number, kind, data[body:after]))
            at = after

    def _keep(self, one: IndexedSegment, group: CommitGroup, shift: int) -> None:
        super()._keep(one, group, shift)
        self.seen = max(self.seen, group.last)

    def _note(self, stretch: Stretch, records: Sequence[JournalRecord]) -> None:
        persons = stretch.persons
        assert isinstance(persons, set)
        for record in records:
            if record.kind == messages.VERDICT:
                self._verdicts.append((record.sequence, record.body))
                continue
            persons.update(self._spoken_of(record))
            if record.sequence > self.seen:
                if record.kind in _LOOKED_AT:
                    self._look(record)
                if is_decision(record):
                    self._decisions.append(record)
        self._note_verdicts(persons)
        self._verdicts = []

    def _spoken_of(self, record: JournalRecord) -> Sequence[int]:
        """The lower 32 bits of whom a record other than a verdict is about, as far as it may matter."""
        kind, body = record.kind, record.body
        if kind in _NAMED:
            return (int.from_bytes(body[12:16], "big"),)
        if kind == messages.ANSWER:
            return (int.from_bytes(body[20:24], "big"),)
        if kind == messages.HEARD:
            return (int.from_bytes(unpack(ReplicatedRecord, body).body[12:16], "big"),)
        if kind == messages.DELIVER:
            return () if body.startswith(_RECEIPT, 8) else (reply_sender(body) & _LOW,)
        if kind == messages.ACCEPTED and self.answers_matter:
            return [number & _LOW for number in answers.recipients_of(body)]
        return ()

    def _note_verdicts(self, persons: set[int]) -> None:
        verdicts = self._verdicts
        numbers = array("I", b"".join([body[12:16] for _, body in verdicts]))
        if sys.byteorder == "little":
            numbers.byteswap()
        persons.update(numbers)
        if not self.watched.isdisjoint(numbers):
            for number, (sequence, body) in zip(numbers, verdicts, strict=True):
                if number in self.watched and sequence > self.seen:
                    self._look(JournalRecord(sequence, messages.VERDICT, body))

    # ------------------------------------------------------------------ one person

    def about(self, person: int) -> Iterator[JournalRecord]:
        """Records about one person, and decisions that may concern anybody. Raises Stale, SegmentFault, OSError."""
        return merge(self._about(person), list(self._decisions), key=itemgetter(0))

    def _about(self, person: int) -> Iterator[JournalRecord]:
        parts = {person & _LOW}
        for segment in self._segments:
            for stretch in segment.stretches:
                if stretch.mentions(parts):
                    for group in self.records(segment, stretch):
                        yield from (one for one in group.records if not is_decision(one))


def is_decision(record: JournalRecord) -> bool:
    """Whether it is a clerk's decision about doubtful replies, here or at another gate."""
    kind = record.kind
    return kind == messages.DECISION or (
        kind == messages.HEARD and unpack(ReplicatedRecord, record.body).kind == messages.DECISION
    )


def reply_sender(body: bytes) -> int:
    """The sender of a DELIVER record; 0: a receipt, or not a person's number."""
    if body.startswith(_RECEIPT, 8):
        return 0
    try:
        return recipient_of(unpack(delivers.DeliverRecord, body).source)
    except NotARecipient:
        return 0
