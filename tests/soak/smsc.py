"""The soak's carrier: it names each message as its sender numbered it, so that nobody needs to remember which was which.

In: submits with a number in a TLV. Out: answers (some late, some never, some refused), receipts after a while, replies; and what became of
each in the tallies. Never: a deliver forgotten because a link was lost: it is sent again on the next.
"""

from __future__ import annotations

import asyncio
import struct
import time
from collections import Counter, deque
from dataclasses import dataclass
from typing import NamedTuple

from proxy.sim import pdus
from tests.soak.tally import RESENT, TAKEN, Tally

NUMBER = struct.Struct(">HHI")
TAG = 0x1506
"""Of the vendors' own TLVs: what the gate does not know it passes byte for byte, both ways."""
REFUSED, SILENT, LATE = (97, 13), (4_999, 7), (4_999, 8)
"""Numbers that leave such a remainder are refused, never answered, or answered when the gate waits no longer."""
SUBMIT_FAIL = 0x45
LATER = {0x64, 0x14, 0x58}
"""ESME_RX_T_APPN and its like: the gate could not keep the deliver safe in time; it is sent again after a second, as carriers do."""

AGAIN_S = 1.0


def numbered(data: bytes, number: int) -> bytes:
    """A PDU with its number."""
    return (len(data) + NUMBER.size).to_bytes(4, "big") + data[4:] + NUMBER.pack(TAG, 4, number)


def number_of(data: bytes) -> int | None:
    """The number of a PDU, None where it has none."""
    if len(data) < 16 + NUMBER.size:
        return None
    tag, length, number = NUMBER.unpack_from(data, len(data) - NUMBER.size)
    return number if (tag, length) == (TAG, 4) else None


class Deliver(NamedTuple):
    tally: Tally
    number: int
    data: bytes


@dataclass
class Ways:
    """How it behaves."""

    receipt_after_s: float = 0.5
    late_s: float = 10.0
    """After this long it answers what it answers late."""
    spell_s: float = 0.3
    """In a slow spell each answer takes so long."""
    window: int = 100
    loses: int = 0
    """So many receipts are forgotten on purpose, to see that it is found."""


class Smsc:
    """All connections of the gate to it."""

    def __init__(self, submits: Tally, ways: Ways) -> None:
        self.submits, self.ways = submits, ways
        self.lines: set[Line] = set()
        self.slow = False
        self.own = self.twice = self.cuts = self.lost = 0
        """Submits of the gate itself (confirmations); submits that came twice; links cut; receipts forgotten."""
        self.statuses: Counter[int] = Counter()
        self.refused_delivers: Counter[int] = Counter()
        self._receipts: deque[tuple[float, int, str, str]] = deque()
        self._waiting: deque[Deliver] = deque()
        self._waiting_a_moment = 0
        self._server: asyncio.Server | None = None
        self._pumping: asyncio.Task[None] | None = None

    async def start(self) -> int:
        self._server = await asyncio.get_running_loop().create_server(lambda: Line(self), "127.0.0.1", 0)
        self._pumping = asyncio.create_task(self._pump())
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        if self._pumping is not None:
            self._pumping.cancel()
        if self._server is not None:
            self._server.close()
        self.cut(len(self.lines))
        await asyncio.sleep(0)

    @property
    def waiting(self) -> int:
        """Delivers that are still to be sent or acknowledged."""
        return (
            self._waiting_a_moment + len(self._receipts) + len(self._waiting) + sum(len(line.unanswered) for line in self.lines)
        )

    def cut(self, most: int) -> None:
        """Drops so many links without a word."""
        for line in list(self.lines)[:most]:
            self.cuts += 1
            line.abort()

    def deliver(self, one: Deliver) -> None:
        self._waiting.append(one)

    def again(self, lost: list[Deliver]) -> None:
        """Of a link that is gone: nobody knows whether the gate has them."""
        for one in lost:
            one.tally.flags[one.number] |= RESENT
        self._waiting.extendleft(reversed(lost))

    def later(self, one: Deliver) -> None:
        """The gate asked for it once more."""
        one.tally.flags[one.number] |= RESENT
        self._waiting_a_moment += 1
        asyncio.get_running_loop().call_later(AGAIN_S, self._once_more, one)

    def _once_more(self, one: Deliver) -> None:
        self._waiting_a_moment -= 1
        self.deliver(one)

    def receipt(self, number: int, sms: pdus.Sms) -> None:
        self.submits.owe(number)
        if self.lost < self.ways.loses:
            self.lost += 1
        else:
            self._receipts.append((time.monotonic() + self.ways.receipt_after_s, number, sms.source, sms.destination))

    async def _pump(self) -> None:
        while True:
            await asyncio.sleep(0.01)
            now = time.monotonic()
            while self._receipts and self._receipts[0][0] <= now:
                _, number, source, destination = self._receipts.popleft()
                sms = pdus.Sms(source, destination, 0, "", 1, pdus.UCS2, b"")
                self.deliver(Deliver(self.submits, number, pdus.receipt(sms, f"{number:010d}", "DELIVRD", "2611111200", 0)))
            for line in sorted(self.lines, key=lambda line: len(line.unanswered)):
                room = self.ways.window - len(line.unanswered) if line.bound else 0
                if room > 0 and self._waiting:
                    line.send([self._waiting.popleft() for _ in range(min(room, len(self._waiting)))])


class Line(asyncio.Protocol):
    """One connection."""

    def __init__(self, smsc: Smsc) -> None:
        self.smsc = smsc
        self.bound = False
        self.unanswered: dict[int, Deliver] = {}
        self._sequence = 0
        self._rest = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment] # uvloop's is one in all but name
        self.smsc.lines.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self.smsc.lines.discard(self)
        self.smsc.again(list(self.unanswered.values()))
        self.unanswered.clear()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def write(self, data: bytes) -> bool:
        """Whether there was still somebody to write to."""
        if self._transport is None or self._transport.is_closing():
            return False
        self._transport.write(data)
        return True

    def send(self, delivers: list[Deliver]) -> None:
        out = []
        for one in delivers:
            self._sequence = self._sequence % 0x7FFF_FFFF + 1
            self.unanswered[self._sequence] = one
            data = numbered(one.data, one.number)
            out.append(data[:12] + self._sequence.to_bytes(4, "big") + data[16:])
        self.write(b"".join(out))

    def data_received(self, data: bytes) -> None:
        whole, self._rest = pdus.split(self._rest + data)
        answers, at_once = [], []
        for one in whole:
            _, command, status, sequence = pdus.HEADER.unpack_from(one)
            if command == pdus.SUBMIT_SM:
                answers.append(self._submit(one, sequence))
            elif command == pdus.DELIVER_SM_RESP:
                self._acknowledged(sequence, status)
            elif command in pdus.BINDS.values():
                self.bound = True
                at_once.append(pdus.pdu(command | pdus.RESPONSE, 0, sequence, b"carrier\0\x02\x10\x00\x01\x34"))
            elif not command & pdus.RESPONSE:
                self.bound = self.bound and command != pdus.UNBIND
                at_once.append(pdus.pdu(command | pdus.RESPONSE, 0, sequence))
        self.write(b"".join(at_once))
        self._say(b"".join(answers))

    def _acknowledged(self, sequence: int, status: int) -> None:
        one = self.unanswered.pop(sequence, None)
        if status and one is not None:
            self.smsc.refused_delivers[status] += 1
            if status in LATER:
                self.smsc.later(one)

    def _say(self, answers: bytes) -> None:
        if answers and self.smsc.slow:
            asyncio.get_running_loop().call_later(self.smsc.ways.spell_s, self.write, answers)
        elif answers:
            self.write(answers)

    def _submit(self, data: bytes, sequence: int) -> bytes:
        smsc, number = self.smsc, number_of(data)
        if number is None:
            smsc.own += 1
            return pdus.pdu(pdus.SUBMIT_SM_RESP, 0, sequence, b"g%09d\0" % smsc.own)
        flags = smsc.submits.flags
        smsc.twice += bool(flags[number] & TAKEN)
        flags[number] |= TAKEN
        if number % REFUSED[0] == REFUSED[1]:
            smsc.statuses[SUBMIT_FAIL] += 1
            return pdus.pdu(pdus.SUBMIT_SM_RESP, SUBMIT_FAIL, sequence)
        if number % SILENT[0] == SILENT[1]:
            smsc.statuses[-1] += 1
            return b""
        smsc.statuses[0] += 1
        smsc.receipt(number, pdus.read(data))
        answer = pdus.pdu(pdus.SUBMIT_SM_RESP, 0, sequence, b"%010d\0" % number)
        if number % LATE[0] == LATE[1]:
            asyncio.get_running_loop().call_later(smsc.ways.late_s, self.write, answer)
            return b""
        return answer
