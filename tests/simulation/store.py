"""Store: the simulated store: it takes its time, refuses swaps when another node was faster, and is sometimes away.

In: the gate's loads and swaps. Out: records, and the simpler views of them that checks compare. Never: a promise checked.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from typing import TYPE_CHECKING

from proxy.model.recipient import OptOut
from proxy.state.counters.aggregates import Aggregates
from proxy.state.lists.consent_lists import ConsentIndex
from proxy.state.lists.desk_records import DeskRecords, IdempotencyKeys, RuleHistory
from proxy.state.lists.erased_recipients import ErasedRecipients
from proxy.state.lists.hash_dictionary import Dictionary
from proxy.state.lists.suppression_lists import SuppressionLists
from proxy.state.mailbox.mailbox import Mailbox
from proxy.state.record import record, reply_ports
from proxy.state.record.incomplete_multipart import TornKeys
from tests.simulation.agreeing import named

if TYPE_CHECKING:
    from tests.simulation.world import World


class Pause:
    """What the simulated store waits on: so many seconds."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def __await__(self) -> Generator[float, None, None]:
        yield self.seconds


class SimStore:
    """A store that takes its time, refuses swaps when another node was faster, and is sometimes away."""

    waits = True
    shared = False

    def __init__(self, world: World, records: dict[int, tuple[int, bytes]], counters: Aggregates, versions: int) -> None:
        self.world = world
        self.records = records
        self.counters = counters
        self.versions = versions
        self.mailbox = Mailbox()
        self.consented, self.erased, self.told = ConsentIndex(), ErasedRecipients(), IdempotencyKeys()
        self.erased.named = named
        self.listed = SuppressionLists(self.consented, self.erased)
        self.orders = DeskRecords()
        self.history = RuleHistory()
        self.cases, self.penalties, self.hours, self.hours_apart, self.reply_paths, self.probes = (
            DeskRecords() for _ in range(6)
        )
        self.doubtful, self.decisions = DeskRecords(), DeskRecords()
        self.dictionary = Dictionary()
        self.torn_keys = TornKeys()

    async def load(self, keys: Iterable[int]) -> dict[int, tuple[int, bytes]]:
        keys = list(keys)
        await self._pause()
        return {key: self.records.get(key, (0, record.EMPTY)) for key in keys}

    async def swap(self, items: list[tuple[int, int, bytes]]) -> list[bool]:
        await self._pause()
        done = []
        for key, version, data in items:
            if self.world.chance(0.05):
                self._another_node(key)
            current = self.records.get(key, (0, record.EMPTY))[0]
            done.append(current == version)
            if current == version:
                self._put(key, data)
        return done

    def update(self, key: int, change: Callable[[bytes], bytes]) -> None:
        self._put(key, change(self.records.get(key, (0, record.EMPTY))[1]))

    def apply_fact(self, key: int, change: Callable[[bytes], bytes]) -> None:
        self.update(key, change)

    def _put(self, key: int, data: bytes) -> None:
        self.versions += 1
        self.records[key] = (self.versions, data)

    def _another_node(self, key: int) -> None:
        """Another gate wrote this person's record: here only the version shows it."""
        self._put(key, self.records.get(key, (0, record.EMPTY))[1])

    async def _pause(self) -> None:
        world = self.world
        if world.chance(0.01):
            raise OSError("the store is away")
        if world.slow_store:
            await Pause(world.random.expovariate(200))


def dumped(counters: Aggregates) -> dict[int, bytes]:
    return {key: series.pack() for key, series in counters.series() if any(series.counts)}


def counted(counters: Aggregates) -> dict[int, dict[int, int]]:
    """Key → beginning of a bucket → count; what was given back again leaves an empty bucket or none, which is the same."""
    found = {
        key: {start: count for start, count in zip(series.starts, series.counts, strict=True) if count}
        for key, series in counters.series()
    }
    return {key: buckets for key, buckets in found.items() if buckets}


def aggregates_of(dumped: dict[int, bytes]) -> Aggregates:
    counters = Aggregates()
    for key, packed in dumped.items():
        counters.restore(key, packed)
    return counters


def states(found: tuple[int, bytes] | None) -> dict[int, int]:
    return {entry.id: entry.state for entry in record.entries(found[1])} if found else {}


def refusals(found: tuple[int, bytes] | None) -> list[tuple[OptOut, int]]:
    """Refusals on record, and when each was confirmed."""
    return sorted((one, reply_ports.confirmed(found[1], one)) for one in record.opt_outs(found[1])) if found else []
