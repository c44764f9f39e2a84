"""Collects a checkpoint in slices and writes them in a thread.

In: the contents of memory, the file, values to store with the position. Out: steps for a thread, and what to wait for between
them. Never: the journal; the file's format (checkpoint.py).

A checkpoint has the changed groups of records, then changed aggregates, the mailbox, orders, lists, the position. All are
collected in slices beside the running loop. Records, orders and lists may be newer than the position (their effects are
idempotent). Aggregates are exact as of ``counted``. The mailbox has all items that had arrived by then and were still there when
they were collected.

Records are written in transactions of their own, 1 MB each, with pauses between them: written and synced at once, 100 MB delayed
the journal's syncs by 70 ms. A kill between two of them leaves records that are newer than the position, as always. Before each
commit the checkpoint waits until the journal is synced up to that moment: otherwise, after a power loss, the file would know
messages that the journal has lost.
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Generator, Iterator, Mapping
from enum import Enum, auto
from functools import partial
from itertools import islice

from proxy.state.counters.aggregates import Aggregates
from proxy.state.embedded.checkpoint import CheckpointFile, Slice
from proxy.state.embedded.record_table import Table, marked
from proxy.state.lists.desk_records import ChangedRows
from proxy.state.lists.erased_recipients import ErasedRecipients
from proxy.state.mailbox.mailbox import Mailbox

SLICE_ROWS = 400
"""Aggregates collected in one step on the loop: about 0.5 ms."""
SLICE_GROUPS = 64
"""Groups of records collected in one step on the loop: some 200 KB, 0.1 ms."""
PIECE_BYTES = 1 << 20
"""Bytes of records written and synced at a time: the journal waits for the same disk."""
REST_S, RESTS_S = 0.05, 15.0
"""Pause between two pieces; the longest sum of all pauses."""
CHUNKED, SLICE_CHUNKS = ("listed", "consented"), 16
"""Chunks of lists collected in one step on the loop: 2 MB at most, 0.1 ms."""

Step = Callable[[], None]


class Wait(Enum):
    """Waiting between the steps of a checkpoint."""

    SYNCED = auto()
    """Wait until the journal is synced up to now."""
    REST = auto()
    """Leave the disk to other writers for ``rest_s``."""


class CheckpointWriter:
    """Writes the changes of one store since its last checkpoint."""

    def __init__(
        self,
        file: CheckpointFile,
        table: Table,
        counters: Aggregates,
        mailbox: Mailbox,
        tables: Mapping[str, ChangedRows],
        erased: ErasedRecipients,
        groups: int,
    ) -> None:
        """``tables``: by their name in the file. ``erased`` is written as a whole whenever it has changed. ``groups``: the number of groups of
        records in the file."""
        self._file, self._table, self._counters, self._mailbox = file, table, counters, mailbox
        self._tables, self._erased, self._groups = tables, erased, groups

    @property
    def rest_s(self) -> float:
        """The pause between two pieces."""
        table = self._table
        return min(REST_S, RESTS_S / max(1, table.size_of(table.changed.count(1)) // PIECE_BYTES))

    def steps(self, metadata: Callable[[], Mapping[str, str]]) -> Generator[Step | Wait, None, None]:
        """Steps for the thread, and what to wait for between them. If the generator is closed early, all changes stay dirty. ``metadata``
        returns the values stored with the checkpoint; it is called at the end."""
        counters, mailbox, file, table = self._counters, self._mailbox, self._file, self._table
        tables, erased = self._tables, self._erased
        regrouped = self._regroup()
        frozen = table.take_changed()
        groups = table.groups
        counters_taken: list[int] = []
        counters.freeze()
        mailbox.freeze()
        for many in tables.values():
            many.freeze()
        erased_changed, erased.changed = erased.changed, False
        done = False
        try:
            yield file.begin
            if regrouped and groups < self._groups:
                yield partial(file.empty, "records")
            yield from self._record_steps(frozen, whole=regrouped)
            while rows := counters.collect(SLICE_ROWS):
                counters_taken += [key for key, _ in rows]
                yield partial(file.write, Slice("aggregates", rows))
            while rows := mailbox.collect(SLICE_ROWS):
                yield partial(file.write, Slice("mailbox", rows))
            for name, many in tables.items():
                while rows := many.collect(SLICE_CHUNKS if name in CHUNKED else SLICE_ROWS):
                    yield partial(file.write, Slice(name, rows))
            if erased_changed:
                yield partial(file.empty, "erased")
                yield partial(file.write, Slice("erased", erased.rows()))
            yield Wait.SYNCED
            yield partial(file.commit, {**metadata(), "groups": str(groups)})
            self._groups = groups
            done = True
        finally:
            counters.thaw([] if done else counters_taken)
            mailbox.thaw(done)
            for many in tables.values():
                many.thaw(done)
            if not done:
                erased.changed |= erased_changed
                table.put_back(frozen)
                file.rollback()

    def _record_steps(self, groups: bytearray, *, whole: bool) -> Iterator[Step | Wait]:
        """``whole``: the number of groups differs from the file's, so all must be written in one transaction."""
        file, table, written = self._file, self._table, 0
        for numbers in _slices(marked(groups)):
            piece = Slice("records", [(number, table.group(number)) for number in numbers])
            yield partial(file.write, piece)
            written += len(piece.data)
            if written >= PIECE_BYTES and not whole:
                written = 0
                yield Wait.SYNCED
                yield partial(file.commit, {})
                yield Wait.REST
                yield file.begin

    def _regroup(self) -> bool:
        """Whether the table's number of groups differs from the file's: then the checkpoint writes all groups."""
        self._table.regroup(self._groups)
        return self._table.groups != self._groups


async def run_steps(
    steps: Generator[Step | Wait, None, None],
    rest_s: float,
    synced: Callable[[], Awaitable[None]] | None,
    begun: Callable[[], None] | None,
) -> None:
    """Runs the steps beside the running loop: slices are collected here and written in a thread."""
    with contextlib.closing(steps):
        for step in steps:
            if begun is not None:
                begun()
                begun = None
            if step is Wait.SYNCED:
                if synced is not None:
                    await synced()
            elif step is Wait.REST:
                await rest(rest_s)
            else:
                await in_thread(step)


def run_steps_now(steps: Generator[Step | Wait, None, None]) -> None:
    """Runs the steps in one go, without waiting."""
    with contextlib.closing(steps):
        for step in steps:
            if not isinstance(step, Wait):
                step()


async def rest(seconds: float) -> None:
    import asyncio  # noqa: PLC0415  # see in_thread

    await asyncio.sleep(seconds)


async def in_thread(step: Step) -> None:
    """Runs the step in a thread. If the caller is cancelled, it first waits for the end of the step, whose transaction must not be
    interrupted."""
    import asyncio  # noqa: PLC0415  # a simulation drives ``checkpoint_now`` and must run without any loop

    running = asyncio.ensure_future(asyncio.to_thread(step))
    try:
        await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running])
        raise


def _slices(numbers: Iterator[int]) -> Iterator[list[int]]:
    """The numbers in slices, in order: neighbours lie on one page of the file, which is then written once."""
    while some := list(islice(numbers, SLICE_GROUPS)):
        yield some
