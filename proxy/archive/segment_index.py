"""Indexes which persons occur where in unrolled segments.

In: a journal's disk, the keys, how far tables reach. Out: for a query what ``tail`` would answer; None where only reading everything can
tell. Never: an answer of its own; a number or a text kept; more than SEGMENTS_MAX remembered.

A process that gets many queries keeps the index, so that a query reads what can matter and not everything. Segments are cut into stretches
of whole groups. Of each stretch the index keeps its place, the chain before and after it, its persons (a part of their keyed hashes), the
time of its newest row, and its RULES records. Reading continues where it stopped:

    another file of that name (erased, restored, removed), other octets where reading stopped  ▶  it and all later segments are read anew
    a tail that is torn or being written                                                     ▶  reading ends before it, as in ``tail``
    any other fault                                                                          ▶  ``unreadable``: ``tail`` reports the fault

A stretch that can matter is read and verified again, by the chain before and after it.
"""

import struct
import time
from array import array
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from proxy.archive.query import PersonRow, Query
from proxy.archive.secret_keys import ArchiveKeys
from proxy.archive.unrolled_records import NO_TAIL, UnrolledTail, relevant_records
from proxy.journal.disk import OsDisk
from proxy.journal.records import messages
from proxy.journal.scan import as_journal_error, segment_name
from proxy.journal.segment import (
    GROUP_BYTES,
    HEADER_BYTES,
    CommitGroup,
    JournalRecord,
    SegmentFault,
    SegmentHeader,
    groups,
    highest_synced,
    unpack_header,
)

STRETCH_BYTES = 64 * 1024  # some hundred messages: a query about one person reads a few; the index is a fiftieth of it
PIECE_BYTES = 1 << 20
SEGMENTS_MAX = 64  # 4 GB of unrolled hours, for which 80 MB are kept. Beyond it all is read as without an index
_PART = (1 << 32) - 1
_TIME = struct.Struct(">Q")


class Stale(Exception):
    """The journal is not what was indexed."""


@dataclass(slots=True)
class Stretch:
    """Whole groups of a segment; the first holds records."""

    begin: int  # octets
    end: int
    first: int  # records
    last: int
    before: bytes  # digests: of the group before, of the last
    behind: bytes
    written_ms: int  # its first group
    least_ms: int  # when groups were written
    most_ms: int
    newest_ms: int = 0  # of its rows
    persons: Collection[int] = field(default_factory=set)  # parts of their hashes; sorted once the stretch is full
    rules: list[JournalRecord] = field(default_factory=list)

    def mentions(self, persons: Collection[int]) -> bool:
        own = self.persons
        if isinstance(own, set):
            return not own.isdisjoint(persons)
        assert isinstance(own, array)
        for one in persons:
            at = bisect_left(own, one)
            if at < len(own) and own[at] == one:
                return True
        return False

    def close(self) -> None:
        self.persons = array("I", sorted(self.persons))


@dataclass(slots=True)
class IndexedSegment:
    name: str
    file: tuple[int, int]  # device and number
    header: SegmentHeader
    head: bytes  # its octets
    end: int = HEADER_BYTES  # up to where it was read
    last: int = 0
    safe: int = 0  # claimed as synced, here or before
    chain: bytes = b""
    closing: bytes = b""  # the octets before ``end``: a group's
    whole: tuple[int, int] = (0, 0)  # size and time of change when it was read as one that is not written to any more
    stretches: list[Stretch] = field(default_factory=list)
    open: bool = False  # whether its last stretch goes on


class SegmentIndex:
    def __init__(self, disk: OsDisk, keys: ArchiveKeys, rolled: Callable[[], int]) -> None:
        """``rolled``: the last record that is in a table."""
        self.disk = disk
        self._keys, self._rolled = keys, rolled
        self._segments: list[IndexedSegment] = []
        self.unreadable = False

    def _bounds(self) -> tuple[int, int]:
        """Segments that are remembered, octets of a stretch."""
        return SEGMENTS_MAX, STRETCH_BYTES

    # ------------------------------------------------------------------ reading on

    def read_on(self, until: float | None = None) -> bool:
        """Indexes new records; returns whether it reached the end. ``until``: stops then, by ``time.monotonic``. OSError."""
        self.unreadable = False
        try:
            return self._read_on(until)
        except (Stale, SegmentFault, ValueError, struct.error):  # ``tail`` finds the same, and says it
            self._segments.clear()
            self.unreadable = True
            return True

    def _read_on(self, until: float | None) -> bool:
        names = self.disk.list()
        self._compare(names)
        while True:
            if self._segments and not self._to_its_end(self._segments[-1], until):
                return False
            if (name := self._next(names)) is None:
                return True
            if len(self._segments) >= self._bounds()[0]:
                raise Stale("too many segments")
            if self._segments:
                before = self._segments[-1]
                before.whole = self._whole(before.name)
                if before.open:
                    before.stretches[-1].close()
                    before.open = False
            self._begin(name)

    def _next(self, names: Sequence[str]) -> str | None:
        if self._segments:
            after = [name for name in names if name > self._segments[-1].name]
            return after[0] if after else None
        behind = self._rolled()
        candidates = [name for name in names if not behind or name <= segment_name(behind + 1)]
        return (candidates[-1] if behind and candidates else names[0]) if names else None

    def _begin(self, name: str) -> None:
        head = self.disk.read(name, HEADER_BYTES)
        try:
            header = unpack_header(head)
        except SegmentFault:
            raise Stale(f"the head of {name}") from None
        before = self._segments[-1] if self._segments else None
        if name != segment_name(header.first):
            raise Stale(f"the name of {name}")
        if before is not None and (
            header.identity != before.header.identity or header.first != before.last + 1 or header.previous != before.chain
        ):
            raise Stale(f"what comes before {name}")
        safe = max(before.safe if before is not None else 0, header.synced)
        found = (self.disk.path / name).stat()
        self._segments.append(
            IndexedSegment(
                name, (found.st_dev, found.st_ino), header, head, last=header.first - 1, safe=safe, chain=header.previous
            )
        )

    def _to_its_end(self, one: IndexedSegment, until: float | None) -> bool:
        size = PIECE_BYTES
        while True:
            data, went = self.disk.read(one.name, size, one.end), one.end
            self._read_groups(one, data)
            if one.end > went:
                one.closing = data[one.end - went - GROUP_BYTES : one.end - went]
                size = PIECE_BYTES
            elif len(data) < size or not data.strip(b"\0"):
                return True  # there is no more, or only room kept free
            else:
                size *= 2  # a group that is larger
            if until is not None and time.monotonic() >= until:
                return False

    def _read_groups(self, one: IndexedSegment, data: bytes) -> None:
        """Keeps the whole groups in ``data``, which stands where reading stopped."""
        shift = one.end - HEADER_BYTES
        try:
            for group in groups(one.head + data, _from(one.header, one.last + 1, one.chain), self.disk.ring):
                self._keep(one, group, shift)
        except SegmentFault as fault:
            if as_journal_error(one.name, fault, self.disk.ring) is not None:
                raise

    def _keep(self, one: IndexedSegment, group: CommitGroup, shift: int) -> None:
        one.safe = max(one.safe, group.synced)
        begin, end = group.start + shift, group.end + shift
        if group.records:
            if not one.open:
                one.stretches.append(
                    Stretch(
                        begin, end, group.records[0].sequence, group.last, one.chain, group.digest, group.time_ms, group.time_ms,
                        group.time_ms,
                    )
                )  # fmt: skip
                one.open = True
            stretch = one.stretches[-1]
            stretch.least_ms, stretch.most_ms = min(stretch.least_ms, group.time_ms), max(stretch.most_ms, group.time_ms)
            self._note(stretch, group.records)
        if one.open:
            stretch = one.stretches[-1]
            stretch.end, stretch.last, stretch.behind = end, group.last, group.digest
            if end - stretch.begin >= self._bounds()[1]:
                stretch.close()
                one.open = False
        one.end, one.last, one.chain = end, group.last, group.digest

    def _note(self, stretch: Stretch, records: Sequence[JournalRecord]) -> None:
        from proxy.archive.columns import persons_of  # noqa: PLC0415 # protocol and rules: only who reads ahead needs them

        persons = stretch.persons
        assert isinstance(persons, set)
        for record in records:
            if record.kind == messages.RULES:
                stretch.rules.append(record)
            elif numbers := persons_of(record):
                stretch.newest_ms = max(stretch.newest_ms, _TIME.unpack_from(record.body)[0])
                for number in numbers:
                    persons.add(self._part(number))

    def _part(self, number: int) -> int:
        return self._keys.person(number) & _PART

    # ------------------------------------------------------------------ changed segments

    def _compare(self, names: Sequence[str]) -> None:
        """Forgets segments that are in tables, were removed, or are another file now."""
        if self._segments and (len(names) > len(self._segments) or self._segments[0].name not in names):
            behind = self._rolled()
            while len(self._segments) > 1 and self._segments[0].last <= behind:
                del self._segments[0]
        here = set(names)
        for at, one in enumerate(self._segments):
            if one.name not in here or not self._is_as_it_was(one):
                del self._segments[at:]
                return

    def _is_as_it_was(self, one: IndexedSegment) -> bool:
        try:
            found = (self.disk.path / one.name).stat()
            same = (found.st_dev, found.st_ino) == one.file and found.st_size >= one.end
            if not same or (one.whole != (0, 0) and one.whole != (found.st_size, found.st_mtime_ns)):
                return False
            left = self.disk.read(one.name, GROUP_BYTES, one.end - len(one.closing))
            return self.disk.read(one.name, HEADER_BYTES) == one.head and left[: len(one.closing)] == one.closing
        except FileNotFoundError:
            return False

    def _whole(self, name: str) -> tuple[int, int]:
        found = (self.disk.path / name).stat()
        return found.st_size, found.st_mtime_ns

    # ------------------------------------------------------------------ questions

    def tail(self, behind: int, question: Query, rules: Mapping[str, Sequence[str]], newest: int = 0) -> UnrolledTail | None:
        """Like ``tail.tail``. ``newest``: without a person at least so many of the newest matching messages are enough; 0: all are read.
        None: everything must be read. OSError."""
        self.read_on()
        if self.unreadable or not self._segments or not self._ends_well():
            return None
        stretches = [(one, stretch) for one in self._segments for stretch in one.stretches if stretch.last > behind]
        last = self._segments[-1]
        if not stretches:
            joints = {last.chain.hex()} | ({last.header.previous.hex()} if last.header.first > last.last else set())
            return NO_TAIL._replace(end=last.last, joints=frozenset(joints)) if last.last >= behind else None
        first = stretches[0][1]
        if behind and first.first != behind + 1:
            return None
        query = _TailQuery(self, stretches, question, rules)
        try:
            rows = query.for_person() if question.to else query.newest(newest)
        except (Stale, SegmentFault):
            return None
        until = max(stretch.most_ms for _, stretch in stretches)
        return UnrolledTail(
            rows, first.first, last.last, first.written_ms, until, first.before.hex(), last.chain.hex(),
            None if question.to else query.about,
        )  # fmt: skip

    def _ends_well(self) -> bool:
        """Whether the octets after the last group were never claimed as synced: nothing, preallocated space, or a write in progress."""
        one = self._segments[-1]
        if any(name > one.name for name in self.disk.list()):
            return False
        rest = self.disk.read(one.name, -1, one.end)
        return max(one.safe, highest_synced(rest) if rest else 0) <= one.last

    def with_record(self, sequence: int) -> list[CommitGroup]:
        """Some groups, including the one with a record; empty if it is not indexed. OSError."""
        self.read_on()
        found = [
            (one, stretch) for one in self._segments for stretch in one.stretches if stretch.first <= sequence <= stretch.last
        ]
        try:
            return [group for group in self.records(*found[0]) if group.records] if found else []
        except (Stale, SegmentFault):
            return []

    def records(self, one: IndexedSegment, stretch: Stretch) -> Iterator[CommitGroup]:
        """The groups of a stretch, verified. Raises Stale, SegmentFault."""
        data = self.disk.read(one.name, stretch.end - stretch.begin, stretch.begin)
        chain = b""
        for group in groups(one.head + data, _from(one.header, stretch.first, stretch.before), self.disk.ring):
            chain = group.digest
            yield group
        if chain != stretch.behind:
            raise Stale(one.name)

    def parts(self, numbers: Collection[int]) -> set[int]:
        return {self._part(number) for number in numbers}


class _TailQuery:
    def __init__(
        self,
        ahead: SegmentIndex,
        stretches: Sequence[tuple[IndexedSegment, Stretch]],
        question: Query,
        rules: Mapping[str, Sequence[str]],
    ) -> None:
        from proxy.archive.columns import RowReader  # noqa: PLC0415 # as in unrolled_records.py

        self._ahead, self._question = ahead, question
        self._left = [found for found in stretches if question.may_touch(found[1].least_ms, found[1].most_ms)]
        """Stretches that nothing was read of, the oldest first."""
        self._stepped = any(one.newest_ms > two.newest_ms > 0 for (_, one), (_, two) in pairwise(stretches))
        """Whether the clock was put back: then time says little of what came first."""
        self._read = RowReader(rules)
        for _, stretch in stretches:
            for record in stretch.rules:
                self._read.rows(record)

    def for_person(self) -> list[PersonRow]:
        who = self._ahead.parts((self._question.to,))
        return [
            row
            for found in self._left
            if found[1].mentions(who)
            for row in self._rows(found)
            if row.number == self._question.to
        ]

    def newest(self, enough: int) -> list[PersonRow]:
        """Stretches from the newest on, until there are so many messages that fit and none of those that are left can be newer; all for 0."""
        rows, fit = list[PersonRow](), dict[tuple[bool, int], int]()
        newest = list[int]()  # of all up to each
        for _, stretch in self._left:
            newest.append(max(stretch.newest_ms, newest[-1] if newest else 0))
        while self._left and not (0 < enough <= len(fit) and newest[len(self._left) - 1] < sorted(fit.values())[-enough]):
            found = self._rows(self._left.pop())
            rows += found
            for row in found:
                if self._question.matches(row):
                    long = row.parts > 1 and row.message > 0
                    fit.setdefault((long, row.message if long else row.sequence), row.time_ms)
        return rows

    def about(self, since_ms: Mapping[int, int]) -> list[PersonRow]:
        """Other rows of these persons (by hash) since a time for each, beyond ``newest``."""
        whose = dict[int, set[int]]()
        for person, since in since_ms.items():
            whose.setdefault(since, set()).add(person & _PART)
        return [
            row
            for found in self._left
            if any(
                (self._stepped or found[1].newest_ms >= since) and found[1].mentions(parts) for since, parts in whose.items()
            )
            for row in self._rows(found)
        ]

    def _rows(self, found: tuple[IndexedSegment, Stretch]) -> list[PersonRow]:
        question = self._question
        return [
            row
            for group in self._ahead.records(*found)
            for record in relevant_records(group.records, question, near=question.may_touch(group.time_ms, group.time_ms))
            for row in self._read.rows(record)
        ]


def _from(header: SegmentHeader, first: int, chain: bytes) -> SegmentHeader:
    """Of a segment that begins there."""
    return header._replace(first=first, previous=chain)


# -- in a process that is copied for each question

_held: tuple[SegmentIndex, ...] = ()


def share_indexes(ones: Iterable[SegmentIndex]) -> None:
    """From now on this process, and its copies, ask these."""
    global _held  # noqa: PLW0603 # what a copy of a process knows is what its memory holds
    _held = tuple(ones)


def shared_index(disk: OsDisk) -> SegmentIndex | None:
    return next((one for one in _held if (one.disk.path, one.disk.ring.ids) == (disk.path, disk.ring.ids)), None)
