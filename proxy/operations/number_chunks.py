"""Transfers files of numbers between a command and the gate in chunks.

A line has numbers of one key (what they were sent for) and one chunk: ``{"key": 0, "chunk": 12875, "numbers": "…"}``, in base64 the lower
20 bits of each number, four bytes little-endian.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import sys
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from pyroaring import BitMap

from proxy.journal.encoding import pack
from proxy.journal.records.consents import Chunk
from proxy.journal.records.operator_actions import ListChunk
from proxy.model.number import FIRST, LAST
from proxy.operations.control import Call, CommandRefused
from proxy.operations.gate_interface import Gate
from proxy.state.lists.suppression_lists import CHUNK_BITS, LOW_MASK

if TYPE_CHECKING:
    from proxy.relay.effects.consents import ConsentImport
    from proxy.relay.effects.list_import import ListImport

LINE_NUMBERS_MAX = 45_000
UNSYNCED_NUMBERS_MAX = 4_000_000
"""Numbers of a file that may be written and unsynced: the disk sets the pace, not the client."""
_CHUNKS = range(FIRST >> CHUNK_BITS, (LAST >> CHUNK_BITS) + 1)


def read_numbers_line(said: Mapping[str, Any], keys: int) -> tuple[int, int, BitMap]:
    """(key, chunk, lower bits) of one line; CommandRefused for a malformed one."""
    key, chunk, packed = said.get("key"), said.get("chunk"), said.get("numbers")
    if not (
        isinstance(key, int) and 0 <= key < keys and isinstance(chunk, int) and chunk in _CHUNKS and isinstance(packed, str)
    ):
        raise CommandRefused("a line of numbers says no key, no chunk or no numbers: nothing was imported")
    try:
        octets = base64.b64decode(packed, validate=True)
        lows = array("I", octets)
    except (binascii.Error, ValueError):
        raise CommandRefused("a line of numbers cannot be read: nothing was imported") from None
    if sys.byteorder == "big":
        lows.byteswap()
    if not 0 < len(lows) <= LINE_NUMBERS_MAX or max(lows) > LOW_MASK:
        raise CommandRefused("a line of numbers holds too many, or one outside its chunk: nothing was imported")
    return key, chunk, BitMap(lows)


async def receive_numbers(
    gate: Gate, call: Call, into: ListImport | ConsentImport, keys: int, most: int, kind: int,
    chunk_of: Callable[[int, int, bytes], Chunk | ListChunk],
) -> None:  # fmt: skip
    """Journals all of a file as it arrives, in records of ``kind``; ``chunk_of``: (key, chunk, bitmap) → a record. CommandRefused if the
    count at its end is wrong or exceeds ``most``: then nothing of it is in force."""
    unsynced = 0
    while True:
        said = await call.hear()
        if said.get("end") is True:
            if said.get("numbers") != into.numbers:
                raise CommandRefused(
                    f"{into.numbers} numbers came, the client says {said.get('numbers')!r:.20}: nothing was imported"
                )
            return
        key, chunk, lows = read_numbers_line(said, keys)
        body = pack(chunk_of(key, chunk, lows.serialize()))
        sequence = gate.write(kind, body)
        into.add(body, len(lows))
        if into.numbers > most:
            raise CommandRefused(f"more than {most:,} numbers: nothing was imported (split the file)")
        unsynced += len(lows)
        if unsynced > UNSYNCED_NUMBERS_MAX:
            await gate.safe(sequence)
            unsynced = 0
        await asyncio.sleep(0)  # a reader that has everything already would never let traffic through


async def put_in_force(chunks: Iterator[int]) -> int:
    """Puts written chunks into force one by one, while others are served; returns how many numbers are new. If the caller is cancelled, the
    rest is done at once: half of a file must not be in force."""
    new = 0
    try:
        for numbers in chunks:
            new += numbers
            await asyncio.sleep(0)
    finally:
        for numbers in chunks:
            new += numbers
    return new


def lines_of(key: int, chunk: int, lows: BitMap) -> Iterable[dict[str, Any]]:
    """The lines that send these numbers, for the client."""
    numbers = lows.to_array()
    if sys.byteorder == "big":
        numbers.byteswap()
    for start in range(0, len(numbers), LINE_NUMBERS_MAX):
        octets = numbers[start : start + LINE_NUMBERS_MAX].tobytes()
        yield {"key": key, "chunk": chunk, "numbers": base64.b64encode(octets).decode()}
