"""Writes this node's facts to the shared store once it is reachable.

In: recipients with incomplete stored records, facts about recipients, store parts that were unreachable. Out: complete records, in the
store and in the local copy (state/record/merging.py). Never: a message, an entry of another node.

A loaded record is completed at once (``complete``). The others follow in the background (``run``), a few at a time: first all records of
parts that may be incomplete, then the noted recipients.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Protocol

import structlog

from proxy.state.record.merging import merged, newest_of, with_facts
from proxy.state.record.versions import Item
from proxy.state.shared.records import RecordKeys, Records
from proxy.state.shared.servers import Servers

log = structlog.get_logger()

BATCH = 128
"""Records completed in one step."""
_NEVER = 1 << 40
"""A time in seconds behind those of all entries."""
Change = Callable[[bytes], bytes]
"""An opt-out, its revocation, or the erasure of a recipient."""
PERSONS_MAX = 200_000
"""Some 60 MB; as many as the records that a gate queues for other gates (cluster/replication.py)."""


class PendingFacts:
    """Facts about recipients that are not written to the shared store yet. Merging (state/record/merging.py) puts back what a copy of the
    record holds, and so cannot express that a fact was *removed*; a change can. Each change may be repeated as long as all come in order,
    so every node applies all changes it receives, whichever node made them."""

    def __init__(self) -> None:
        self._by_person: OrderedDict[int, list[tuple[int, Change]]] = OrderedDict()
        self.last = 0
        """The number of the newest change."""

    def __len__(self) -> int:
        """The number of recipients with pending changes."""
        return len(self._by_person)

    def __contains__(self, person: int) -> bool:
        return person in self._by_person

    def __iter__(self) -> Iterator[int]:
        """Recipients, the one whose change has waited longest first."""
        return iter(self._by_person)

    def add(self, person: int, change: Change) -> int | None:
        """Adds a change; returns the recipient whose changes were dropped for lack of room, or None."""
        over = None
        if len(self._by_person) >= PERSONS_MAX and person not in self._by_person:
            over, _ = self._by_person.popitem(last=False)
        self.last += 1
        self._by_person.setdefault(person, []).append((self.last, change))
        return over

    def apply(self, person: int, data: bytes) -> bytes:
        """The record with all pending changes; the very same object if it has them already."""
        for _, change in self._by_person.get(person, ()):
            data = change(data)
        return data

    def done(self, person: int, last: int) -> None:
        """Removes the changes up to that number: the store's record has them."""
        left = [one for one in self._by_person.get(person, ()) if one[0] > last]
        if left:
            self._by_person[person] = left
        else:
            self._by_person.pop(person, None)


class Copy(Protocol):
    """This node's local copy of the records (state/stores/sqlite.py)."""

    def held(self, key: int) -> bytes: ...
    def hold_here(self, key: int, data: bytes) -> None: ...
    def walk(self) -> Iterator[list[tuple[int, bytes]]]: ...


class WriteBehind:
    def __init__(
        self,
        servers: Servers,
        keys: RecordKeys,
        records: Records,
        copy: Copy,
        *,
        node: int,
        begun: int,
        since: int,
        may: Callable[[], bool],
        done: Callable[[], None],
    ) -> None:
        """``begun``: when this life of the node began, in seconds. ``since``: from when its copy decides about its own entries. ``may``:
        whether facts may be written now. ``done`` is called when nothing is left to write."""
        self._servers, self._keys, self._records, self._copy = servers, keys, records, copy
        self._node, self._begun, self._may, self._done = node, begun, may, done
        self.people: set[int] = set()
        """Recipients whose stored records may be incomplete."""
        self._writing: set[int] = set()
        """Recipients whose records are being written."""
        self._facts = PendingFacts()
        self._facts_applied: dict[int, int] = {}
        """Recipients whose loaded record got pending facts → the number of the newest of them."""
        self._first_since = since
        self._since: list[int] = []
        """From when the copy decides, by part."""
        self._walking: set[int] = set()
        """Parts in which any record may be incomplete."""
        self._wakeup = asyncio.Event()
        self.swaps = dict[int, Sequence[Item]]()
        """Swaps under way, by id: what they store may not be in the copy yet."""
        self.restored = 0
        """How many stored records lacked entries or facts of this node, and got them."""
        self._restored_logged = 0

    def __len__(self) -> int:
        """The number of recipients and parts to write."""
        return len(self.people) + len(self._writing) + len(self._walking) + len(self._facts)

    @property
    def has_pending_people(self) -> bool:
        """Whether single recipients have facts to write."""
        return bool(self.people or self._writing or self._facts)

    def divide(self, parts: int) -> None:
        """Sets the number of parts, before the store is opened; any of them may be incomplete."""
        self._since, self._walking = [self._first_since] * parts, set(range(parts))

    # -- events

    def owe(self, person: int) -> None:
        self.people.add(person)
        self._wakeup.set()

    def doubt(self, people: Iterable[int]) -> None:
        """Notes recipients whose swap has an unknown outcome: they are checked when the store is reachable again."""
        self.people.update(people)

    def add_fact(self, person: int, change: Change) -> None:
        """Adds a fact about a recipient."""
        if (over := self._facts.add(person, change)) is not None:
            self.people.add(over)
        self._wakeup.set()

    def lost(self, part: int, since: int) -> None:
        """Notes that a part is unreachable, and may lack changes since ``since``."""
        self._since[part] = min(since, self._since[part]) if part in self._walking else since
        self._walking.add(part)

    def emptied(self, part: int) -> None:
        """Notes that a part has lost all its data."""
        self._since[part] = 0
        self._walking.add(part)

    def reached(self) -> None:
        """Notes that a part is reachable again."""
        self._wakeup.set()

    # -- records on their way

    def complete(self, found: dict[int, tuple[int, bytes]]) -> None:
        """Adds this node's facts and entries to the loaded records."""
        if not self.has_pending_people and not self._walking:
            return
        for key, (version, data) in found.items():
            part = self._keys.part(key)
            if key in self.people or part in self._walking or key in self._writing:
                data = self._merged(key, data, self._copy.held(key))
            if key in self._facts:
                data, self._facts_applied[key] = self._facts.apply(key, data), self._facts.last
            found[key] = version, data

    def _merged(self, key: int, data: bytes, own: bytes) -> bytes:
        """Entries that the copy lacks are removed only if no swap is under way that may have stored them."""
        swapping = any(key == item[0] for items in self.swaps.values() for item in items)
        return merged(data, own, self._node, self._since[self._keys.part(key)], _NEVER if swapping else self._begun)

    def after_store(self, key: int, data: bytes) -> bytes:
        """The record for the local copy once the store has ``data``: the copy may have new facts meanwhile."""
        if key in self.people or key in self._writing:
            data = with_facts(data, self._copy.held(key), self._since[self._keys.part(key)])
        self._facts.done(key, self._facts_applied.pop(key, 0))
        return self._facts.apply(key, data)

    # -- beside the traffic

    async def run(self) -> None:
        """Writes records as soon as some are incomplete and the store is reachable."""
        while True:
            await self._wakeup.wait()
            try:
                if not self._may():
                    await asyncio.sleep(0.01)
                elif any(self._servers.at[part] is not None for part in self._walking):
                    await self._walk()
                elif (self.people or self._facts) and self._servers.up:
                    await self._write_batch(self._next())
                else:
                    if self._servers.up:
                        self._log_restored()
                        self._done()
                    if not self._facts:
                        self._facts_applied.clear()
                    self._wakeup.clear()
                    continue
            except Exception as error:  # any error: the other records must still be written
                log.error("records not written to the store: a fault of gate106, please report it", exc_info=error)
            await asyncio.sleep(0.001 if self._servers.up else 0.05)

    def _log_restored(self) -> None:
        if self.restored > self._restored_logged:
            log.warning("the store lacked what this gate knew, and has it again", records=self.restored - self._restored_logged)
            self._restored_logged = self.restored

    def _next(self) -> list[int]:
        return list(dict.fromkeys(islice(chain(self.people, self._facts), BATCH)))

    async def _write_batch(self, people: list[int]) -> None:
        """One load and one swap. A complete record is swapped too: then a swap of an earlier connection that is still pending fails."""
        unwritten = self.people.intersection(people)
        self.people -= unwritten
        self._writing |= unwritten
        try:
            self.people.update(await self._write(people))
        except BaseException:
            self.people.update(unwritten)
            raise
        finally:
            self._writing.clear()

    async def _write(self, people: list[int]) -> list[int]:
        """Writes the records; returns recipients that must be written again."""
        copy = self._copy
        found, away = await self._records.load(people)
        again = [key for key in away if key in self._writing]
        items, own, last = [], {}, self._facts.last
        lacking = set[int]()
        for key, (version, data) in found.items():
            after, own[key] = data, copy.held(key)
            if key in self._writing:
                after = self._merged(key, data, own[key])
                if after is not data:
                    lacking.add(key)
            after = self._facts.apply(key, after)
            if after is not data or (version and key in self._writing):
                items.append((key, version, after))
            else:
                self._facts.done(key, last)
        for (key, _, data), taken in zip(items, await self._records.swap(items), strict=True):
            if taken:
                self._facts.done(key, last)
                self.restored += key in lacking
            if taken and copy.held(key) == own[key]:
                copy.hold_here(key, data)
            elif key in self._writing:
                again.append(key)
        return again

    async def _walk(self) -> None:
        """Walks through the copy and writes every record with entries or facts of this node since the loss of its part."""
        parts = {part: self._since[part] for part in self._walking if self._servers.at[part] is not None}
        for records in self._copy.walk():
            for key, data in records:
                since = parts.get(self._keys.part(key))
                if since is not None and newest_of(data, self._node) >= since:
                    self.people.add(key)
            while self.people:
                if any(self._servers.at[part] is None for part in parts):
                    return  # from the beginning when they are back
                await self._write_batch(self._next())
            await asyncio.sleep(0)
        self._walking.difference_update(part for part, since in parts.items() if self._since[part] == since)
