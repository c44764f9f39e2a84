"""Measures the memory of one recipient in the embedded store.

It is the resident memory of a process that holds nothing else, not an estimate from ``sys.getsizeof``.
"""

import multiprocessing
import os
import time
from pathlib import Path

from proxy.model.message import Category
from proxy.model.recipient import Entry
from proxy.runtime.allocator import in_large_pages
from proxy.state.record import record
from proxy.state.stores.sqlite import SqliteStore

FIRST = 13_000_000_000
START_S = 1_762_833_600
BATCH = 1000
READY_S = 0.2  # the thread of the allocator that prepares pages needs less


def bytes_a_person(persons: int, entries: int = 3) -> float:
    """Fills a store in a process of its own; the growth of that process divided by the number of persons."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        return pool.apply(_measure, (persons, entries))


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _measure(persons: int, entries: int) -> float:
    in_large_pages()  # as the gate has it
    store = SqliteStore(None)
    _begin_arenas()
    before = _resident_bytes()
    for place in range(entries):  # as in traffic: one entry at a time, each a new version of the record
        for first in range(FIRST, FIRST + persons, BATCH):
            people = [number * 7 % 10**10 + FIRST for number in range(first, min(first + BATCH, FIRST + persons))]
            loaded = store.load_now(people)
            store.swap_now([(person, loaded[person][0], _with_entry(loaded[person][1], person, place)) for person in people])
    return (_resident_bytes() - before) / persons


def _begin_arenas() -> None:
    """Makes the allocator prepare its spare pages (proxy/runtime/allocator.py) now, so that they are not counted as records."""
    some = [bytes(100) for _ in range(50_000)]
    del some
    time.sleep(READY_S)


def _with_entry(data: bytes, person: int, place: int) -> bytes:
    at = START_S + place * 3600
    number = person * 8 % 2**40 + place
    entry = Entry(number, at, person % 5000, place, person % 100, Category.MARKETING, 0, person % 2**32, 82, 0)
    return record.add(data, entry, at, 7 * 86_400)
