"""Generates load: binds push submits and time every answer.

In: a deck, recipients, binds, a window. Out: counts and a histogram of latency (submit written → answer read). Never: reading what a text says;
CPU used here is taken from the process under test when both share a machine.

Closed loop: every answer is followed by the next submit, ``window`` unanswered per bind; where each submit asks for a receipt, as long as the
receipts keep up. Fixed rate: submits fall due every millisecond; one that finds no window waits, and its latency counts from when it was due,
so a stalled gate cannot hide.
"""

import asyncio
import ssl
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import cast

from proxy.sim import pdus
from proxy.sim.encoded_submits import FILLINGS, Card
from proxy.sim.pdus import HEADER

SEQUENCES = 65_536  # sequence numbers go round; more than any window, so no two unanswered submits share one
BUCKET_S = 0.000_01
BUCKETS = 200_000  # latencies from 0 to 2 s in steps of 10 µs; slower ones count in the last
BOUND_S = 10.0
TICK_S = 0.001  # uvloop's timers have a resolution of 1 ms
BEHIND_MIN, BEHIND_WINDOWS = 1000, 4  # receipts that may be missing (or four windows of all binds) before submits wait
_ACK = HEADER.pack(17, pdus.DELIVER_SM_RESP, 0, 0)[:12]
_NUMBERS = [sequence.to_bytes(4, "big") for sequence in range(SEQUENCES + 1)]


@dataclass(slots=True)
class LoadCounts:
    """What has happened so far; a measurement takes the difference of two."""

    sent: int = 0
    answered: int = 0
    refused: Counter[int] = field(default_factory=Counter)  # answers other than ESME_ROK, by status
    histogram: list[int] = field(default_factory=lambda: [0] * (BUCKETS + 1))
    delivers: int = 0

    def quantile_s(self, share: float) -> float:
        """The latency that ``share`` of the answers did not exceed; 0 without answers."""
        return quantile(self.histogram, share) * BUCKET_S


def quantile(histogram: Sequence[int], share: float) -> int:
    """The first bucket's upper edge by which ``share`` of the counts have come, in buckets."""
    wanted = sum(histogram) * share
    seen = 0
    for bucket, count in enumerate(histogram):
        seen += count
        if seen >= wanted and seen:
            return bucket + 1
    return 0


class Load:
    """All binds of one run. ``rate`` 0 = closed loop. ``receipts``: one is to come for each submit that is taken."""

    def __init__(self, window: int, rate: float = 0.0, *, receipts: bool = False) -> None:
        if not 1 <= window < SEQUENCES // 2:
            raise ValueError(f"a window of {window} is not between 1 and {SEQUENCES // 2 - 1}")
        self.window = window
        self.rate = rate
        self.receipts = receipts
        self.missing = 0  # receipts that have not come yet
        self.stalled = False  # whether some bind waits for receipts
        self.counts = LoadCounts()
        self.before = 0  # answers that came before ``fresh_counts``
        self.lines: list[LoadBind] = []
        self.going = False
        self.problem = ""
        self._due = 0
        self._started = 0.0

    async def add(
        self,
        host: str,
        port: int,
        system_id: str,
        password: str,
        cards: Sequence[Card],
        people: Sequence[bytes],
        first: int = 0,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """One more bind, writing to ``people`` from place ``first`` on; raises ConnectionError when it is refused."""
        loop = asyncio.get_running_loop()
        line = LoadBind(self, cards, people, first)
        await loop.create_connection(lambda: line, host, port, ssl=tls)
        line.write(pdus.bind("transceiver" if self.receipts else "transmitter", system_id, password))
        await asyncio.wait_for(line.bound, BOUND_S)
        self.lines.append(line)

    def go(self) -> None:
        self.going = True
        self._started = perf_counter()
        if self.rate:
            asyncio.get_running_loop().call_later(TICK_S, self._tick)
        else:
            for line in self.lines:
                line.send(self.window, perf_counter())

    def fresh_counts(self) -> None:
        """Begins a measurement: what came before is warm-up."""
        self.before += self.counts.answered
        self.counts = LoadCounts()

    async def stop(self, wait_s: float = 5.0) -> int:
        """Sends no more, waits for answers; returns how many never came."""
        self.going = False
        deadline = perf_counter() + wait_s
        while self.in_flight and perf_counter() < deadline and not self.problem:  # noqa: ASYNC110  # an event would cost per answer
            await asyncio.sleep(0.005)
        left = self.in_flight
        for line in self.lines:
            line.close()
        return left

    @property
    def behind(self) -> bool:
        """Whether too many receipts are missing."""
        return self.missing > max(BEHIND_MIN, BEHIND_WINDOWS * self.window * len(self.lines))

    def go_on(self) -> None:
        """Receipts came: binds that waited for them send again."""
        self.stalled, now = False, perf_counter()
        for line in self.lines:
            if line.in_flight < self.window:
                line.send(self.window - line.in_flight, now)

    @property
    def in_flight(self) -> int:
        return sum(line.in_flight for line in self.lines)

    @property
    def furthest(self) -> int:
        """How many people the busiest bind has written to."""
        return max((line.persons for line in self.lines), default=0)

    def _tick(self) -> None:
        if not self.going:
            return
        now = perf_counter()
        due = int((now - self._started) * self.rate) - self._due
        lines = self.lines
        for place in range(len(lines)):
            share = (due + place) // len(lines)
            if share:
                lines[(self._due + place) % len(lines)].fall_due(share, now)
        self._due += due
        asyncio.get_running_loop().call_later(TICK_S, self._tick)


class LoadBind(asyncio.Protocol):
    def __init__(self, load: Load, cards: Sequence[Card], people: Sequence[bytes], first: int) -> None:
        self.load = load
        self.in_flight = 0
        self.bound: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._cards = cards
        self._people = people
        self._card = first % len(cards)
        self._person = self._first = first
        self._sequence = 0
        self._sent_at = [0.0] * (SEQUENCES + 1)
        self._due_queue: deque[list[float]] = deque()  # fixed rate only: [due at, how many], submits that found no window
        self._rest = b""
        self._transport: asyncio.Transport | None = None
        while not cards[self._card].fresh:
            self._card = (self._card + 1) % len(cards)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but name

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        if self.load.going:
            self.load.problem = f"a bind was lost under load ({error or 'closed by the other side'})"
        if not self.bound.done():
            self.bound.set_exception(ConnectionError("closed before the bind was answered"))

    @property
    def persons(self) -> int:
        return self._person - self._first

    def write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def send(self, count: int, at: float) -> None:  # hot: about 0.8 µs a submit
        """Writes the next ``count`` submits in one go."""
        cards, people, sent_at, numbers = self._cards, self._people, self._sent_at, _NUMBERS
        place, person, sequence = self._card, self._person, self._sequence
        last, crowd, fillings = len(cards) - 1, len(people), FILLINGS - 1
        out: list[bytes] = []
        for _ in range(count):
            header, address, before, table, after, fresh, _ = cards[place]
            place = place + 1 if place < last else 0
            person += fresh
            sequence = sequence + 1 if sequence < SEQUENCES else 1
            sent_at[sequence] = at
            out += (header, numbers[sequence], address, people[person % crowd], before, table[person & fillings], after)
        self._card, self._person, self._sequence = place, person, sequence
        self.in_flight += count
        self.load.counts.sent += count
        self.write(b"".join(out))

    def fall_due(self, count: int, at: float) -> None:
        """Fixed rate: ``count`` submits fall due."""
        self._due_queue.append([at, count])
        self._send_due()

    def _send_due(self) -> None:
        due_queue, window = self._due_queue, self.load.window
        while due_queue and self.in_flight < window:
            at, count = due_queue[0]
            now = min(int(count), window - self.in_flight)
            if now == count:
                due_queue.popleft()
            else:
                due_queue[0][1] = count - now
            self.send(now, at)

    def data_received(self, data: bytes) -> None:  # hot: about 0.6 µs an answer
        now = perf_counter()
        if self._rest:
            data = self._rest + data
        place, end, done, refused = 0, len(data), 0, 0
        unpack, sent_at, counts = HEADER.unpack_from, self._sent_at, self.load.counts
        histogram = counts.histogram
        acks: list[bytes] = []
        while place + 16 <= end:
            length, command, status, sequence = unpack(data, place)
            if place + length > end:
                break
            if command == 0x8000_0004:
                done += 1
                if status:
                    refused += 1
                    counts.refused[status] += 1
                bucket = int((now - sent_at[sequence]) / BUCKET_S)
                histogram[bucket if bucket < BUCKETS else BUCKETS] += 1  # noqa: FURB136  # a call of min() costs as much as the rest
            elif command == 5:
                acks += (_ACK, data[place + 12 : place + 16], b"\0")
            else:
                self._other(data[place : place + length], command, status)
            place += length
        self._rest = data[place:]
        self.in_flight -= done
        counts.answered += done
        if acks:
            counts.delivers += len(acks) // 3
            self.write(b"".join(acks))
        self._next(done, done - refused - len(acks) // 3)

    def _next(self, done: int, missing: int) -> None:
        """Sends the next submits after ``done`` answers; ``missing``: more receipts to come (fewer, if negative)."""
        load = self.load
        if load.receipts:
            load.missing += missing
        if not load.going:
            return
        if load.rate:
            self._send_due()
        elif not load.receipts:
            if done:
                self.send(done, perf_counter())
        elif load.behind:
            load.stalled = True
        elif load.stalled:
            load.go_on()
        elif done:
            self.send(done, perf_counter())

    def _other(self, data: bytes, command: int, status: int) -> None:
        if command & pdus.RESPONSE and command & 0xFF in pdus.BINDS.values():
            if status:
                self.bound.set_exception(ConnectionError(f"the bind was refused with status 0x{status:08x}"))
            else:
                self.bound.set_result(None)
        elif command in (pdus.ENQUIRE_LINK, pdus.UNBIND):
            self.write(pdus.pdu(command | pdus.RESPONSE, 0, int.from_bytes(data[12:16], "big")))
        elif command == pdus.GENERIC_NACK:
            self.load.problem = f"generic_nack with status 0x{status:08x}"
