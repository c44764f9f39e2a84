"""Sends submits at an even rate, and answers as the carrier.

In: as load_generator.py: ``python -m proxy.sim.bench.open_loop '{"mix": …}'``, then one request a line on standard input; each has a rate. Out:
one result a line. Never: TLS, receipts, a closed loop.

Submit k is due at start + k / rate, on one bind after the other; the parts of a long text are due together. Latency counts from then: neither
a slow answer nor a late load generator makes a figure better. A bind whose window is full sends when an answer comes.

One thread waits in ``select``, whose timeout counts microseconds; timers of libuv and of epoll count milliseconds, and would send in bursts.
How late submits left is part of the result: beside it no latency is more exact.
"""

from __future__ import annotations

import ctypes
import gc
import json
import math
import os
import select
import socket
import sys
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import asdict
from time import perf_counter

from proxy.sim import measure, pdus, synthetic_recipients
from proxy.sim.bench.load_generator import CURVE, GATE_SECONDS, QUANTILES, LoadPlan, RunFigures, RunRequest
from proxy.sim.encoded_submits import FILLINGS, Card, DeckPorts, deck, recipients
from proxy.sim.load import BOUND_S, BUCKET_S, BUCKETS, SEQUENCES, quantile
from proxy.sim.pdus import HEADER

READ_BYTES = 256 * 1024
IDLE_S = 60.0
ANSWERS_S = 5.0  # longest wait for the last answers
BATCH_MAX = 256  # submits sent before answers are read again
BEHIND_S = 1.0  # a load generator that is so late cannot keep the rate
_ACCEPTED = HEADER.pack(27, pdus.SUBMIT_SM_RESP, 0, 0)[:12]
_PR_SET_TIMERSLACK = 29  # prctl(2)


class TooSlow(RuntimeError):
    """The load generator cannot keep the rate on this machine."""


class Connection:
    """One connection whose PDUs go to ``received``."""

    def __init__(self, sender: OpenLoop, connection: socket.socket) -> None:
        self.sender = sender
        self._socket, self._rest = connection, b""
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sender.watch(connection.fileno(), self.readable)

    def readable(self) -> None:
        try:
            data = self._socket.recv(READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.close()
            self.lost()
            return
        self._rest = self.received(self._rest + data if self._rest else data)

    def write(self, data: bytes) -> None:
        """Raises OSError; windows keep what is unread far below what a socket holds."""
        while data:
            data = data[self._socket.send(data) :]

    def close(self) -> None:
        if self._socket.fileno() >= 0:
            self.sender.forget(self._socket.fileno())
            self._socket.close()

    def received(self, data: bytes) -> bytes:
        """Processes whole PDUs; returns the rest."""
        raise NotImplementedError

    def lost(self) -> None:
        """The other side closed the connection."""


class CarrierConnection(Connection):
    """Answers each request of what is measured, all of one read together."""

    def received(self, data: bytes) -> bytes:
        place, end, answers, sender = 0, len(data), [], self.sender
        while place + 16 <= end:
            length, command, _, _ = HEADER.unpack_from(data, place)
            if place + length > end:
                break
            number = data[place + 12 : place + 16]
            if command == pdus.SUBMIT_SM:
                sender.carried += 1
                answers.append(_ACCEPTED + number + b"%010d\0" % sender.carried)
            elif not command & pdus.RESPONSE:
                body = b"carrier\0" if command in pdus.BINDS.values() else b""
                answers.append(pdus.pdu(command | pdus.RESPONSE, 0, int.from_bytes(number, "big"), body))
            place += length
        if answers:
            self.write(b"".join(answers))
        return data[place:]


class BindConnection(Connection):
    """One bind of a provider."""

    def __init__(self, sender: OpenLoop, connection: socket.socket, cards: list[Card], first: int) -> None:
        super().__init__(sender, connection)
        self.bound: int | None = None
        """The status of the answer to the bind."""
        self.in_flight = 0
        self.persons = 0
        self._cards, self._card, self._person = cards, first % len(cards), first
        self._sequence = 0
        self._due_at = [0.0] * (SEQUENCES + 1)
        self._waiting: deque[float] = deque()  # due times of submits that found no window
        while not cards[self._card].fresh:
            self._card = (self._card + 1) % len(cards)

    def submit(self, due_s: float) -> bool:
        """Sends the next submit, or keeps it for when an answer comes. Returns whether another part of the same text follows."""
        if self.in_flight >= self.sender.plan.window:
            self._waiting.append(due_s)
            return False
        cards, people = self._cards, self.sender.people
        header, address, before, table, after, fresh, _ = cards[self._card]
        self._card = (self._card + 1) % len(cards)
        self._person += fresh
        self.persons += fresh
        self._sequence = self._sequence + 1 if self._sequence < SEQUENCES else 1
        self._due_at[self._sequence] = due_s
        self.in_flight += 1
        filling = table[self._person & (FILLINGS - 1)]
        number = self._sequence.to_bytes(4, "big")
        self.write(b"".join((header, number, address, people[self._person % len(people)], before, filling, after)))
        return not cards[self._card].fresh

    def received(self, data: bytes) -> bytes:
        place, end, now_s, sender = 0, len(data), perf_counter(), self.sender
        histogram = sender.histogram
        while place + 16 <= end:
            length, command, status, sequence = HEADER.unpack_from(data, place)
            if place + length > end:
                break
            if command == pdus.SUBMIT_SM_RESP:
                histogram[min(int((now_s - self._due_at[sequence]) / BUCKET_S), BUCKETS)] += 1
                self.in_flight -= 1
                if status:
                    sender.refused[status] += 1
            elif command & pdus.RESPONSE:
                self.bound = status
            elif command == pdus.ENQUIRE_LINK:
                self.write(pdus.pdu(command | pdus.RESPONSE, 0, sequence))
            place += length
        while self._waiting and self.in_flight < sender.plan.window:
            self.submit(self._waiting.popleft())
        return data[place:]

    def lost(self) -> None:
        self.sender.problem = "a bind was lost"


class OpenLoop:
    def __init__(self, plan: LoadPlan) -> None:
        self.plan = plan
        self.decks: dict[str, list[Card]] = {}
        self.people: list[bytes] = []
        self.carried = 0
        self.histogram = [0] * (BUCKETS + 1)
        self.lateness = [0] * (BUCKETS + 1)
        """How late submits left, in buckets as those of the latency."""
        self.refused: Counter[int] = Counter()
        self.problem = ""
        self._binds: list[BindConnection] = []
        self._first = 0  # index of the next run's first recipient: caps of those of the run before are used up
        self._poll = select.epoll()
        self._handlers: dict[int, Callable[[], None]] = {}
        self._rate, self._start_s, self._sent, self._place = 0.0, 0.0, 0, 0

    def prepare(self) -> int:
        """Encodes all submits and opens the carrier; returns its port."""
        plan = self.plan
        for name, prefix in plan.providers.items():
            self.decks[name] = deck(plan.mix, DeckPorts.under(prefix), plan.seed, long=plan.long, extensions=plan.ports)
        self.people = recipients(synthetic_recipients.distinct_numbers(plan.recipients, plan.seed, plan.refused))
        gc.collect()
        gc.freeze()
        gc.disable()
        ctypes.CDLL(None).prctl(_PR_SET_TIMERSLACK, 1, 0, 0, 0)  # otherwise each wait is 50 µs longer
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.setblocking(False)
        self.watch(self._listener.fileno(), self._accept)
        return int(self._listener.getsockname()[1])

    def _accept(self) -> None:
        CarrierConnection(self, self._listener.accept()[0])

    # -- the loop

    def watch(self, file: int, handler: Callable[[], None]) -> None:
        self._handlers[file] = handler
        self._poll.register(file, select.EPOLLIN)

    def forget(self, file: int) -> None:
        self._handlers.pop(file, None)
        self._poll.unregister(file)

    def serve(self, until: Callable[[], bool], deadline_s: float = math.inf) -> None:
        """Sends what is due and processes what arrives until ``until`` or the deadline. Raises TooSlow, RuntimeError."""
        poll = self._poll
        while not until():
            now_s = perf_counter()
            if now_s >= deadline_s:
                return
            wait_s = min(IDLE_S, deadline_s - now_s)
            if self._rate:
                self._send_due(now_s)
                wait_s = min(wait_s, self._start_s + (self._sent + 1) / self._rate - perf_counter())
            if select.select([poll.fileno()], [], [], max(0.0, wait_s))[0]:
                for file, _ in poll.poll(0):
                    handler = self._handlers.get(file)
                    if handler is not None:
                        handler()
            if self.problem:
                raise RuntimeError(self.problem)

    def _send_due(self, now_s: float) -> None:
        due = int((now_s - self._start_s) * self._rate)
        if due - self._sent > BEHIND_S * self._rate:
            raise TooSlow(f"the load generator is {BEHIND_S:.0f} s behind: it cannot send {self._rate:g} a second here")
        due = min(due, self._sent + BATCH_MAX)
        bind = self._binds[self._place]
        while self._sent < due:
            due_s = self._start_s + (self._sent + 1) / self._rate
            follows = True
            while follows:
                self.lateness[min(int((perf_counter() - due_s) / BUCKET_S), BUCKETS)] += 1
                follows = bind.submit(due_s)
                self._sent += 1
            self._place = (self._place + 1) % len(self._binds)
            bind = self._binds[self._place]

    # -- one run

    def run(self, request: RunRequest) -> RunFigures:
        """Binds, warms up, measures, unbinds. Raises RuntimeError, OSError."""
        plan, rate = self.plan, request.rate or self.plan.rate
        self.problem = ""
        try:
            self._bind(request.port)
            self._rate, self._start_s, self._sent, self._place = rate, perf_counter(), 0, 0
            self.serve(lambda: False, self._start_s + plan.warmup_s)
            return self._measure(request)
        finally:
            self._rate = 0.0
            for bind in self._binds:
                bind.close()
            self._first += max((bind.persons for bind in self._binds), default=0)
            self._binds = []

    def _bind(self, port: int | None) -> None:
        plan, names = self.plan, list(self.plan.providers)
        for number in range(plan.binds):
            who = names[number % len(names)]
            connection = socket.create_connection(("127.0.0.1", port or self._listener.getsockname()[1]), BOUND_S)
            bind = BindConnection(self, connection, self.decks[who], self._first + number * len(self.people) // plan.binds)
            self._binds.append(bind)
            bind.write(pdus.bind("transmitter", who, plan.password))
        self.serve(lambda: all(bind.bound is not None for bind in self._binds), perf_counter() + BOUND_S)
        if any(bind.bound != 0 for bind in self._binds):
            raise RuntimeError("a bind was refused, or got no answer")

    def _measure(self, request: RunRequest) -> RunFigures:
        plan, pid = self.plan, request.pid or os.getpid()
        before = measure.samples(measure.fetch(request.metrics)) if request.metrics else {}
        self._start_afresh()
        start_s, own_s, busy_s, activity = perf_counter(), time.process_time(), measure.busy_s(), measure.activity(pid)
        store_s, carried = measure.cpu_s(request.store) if request.store else 0.0, self.carried
        self.serve(lambda: False, start_s + plan.seconds)
        took_s = perf_counter() - start_s
        used = measure.activity(pid) - activity
        own_used = time.process_time() - own_s
        store_used = measure.cpu_s(request.store) - store_s if request.store else 0.0
        others = measure.busy_s() - busy_s - used.cpu_s - own_used - store_used
        histogram, lateness, refused = self.histogram, self.lateness, self.refused
        carried = self.carried - carried
        self._start_afresh()
        self._rate = 0.0
        after = measure.samples(measure.fetch(request.metrics)) if request.metrics else {}
        self.serve(lambda: not any(bind.in_flight for bind in self._binds), perf_counter() + ANSWERS_S)
        messages = sum(histogram)
        each = max(messages, 1)
        own = {key: measure.bucket_quantile_s(before, after, GATE_SECONDS, share) for key, share in QUANTILES.items()}
        return RunFigures(
            name=request.name,
            seconds=round(took_s, 3),
            messages=messages,
            per_s=round(messages / took_s, 1),
            cpu_us=round(used.cpu_s / each * 1e6, 2),
            busy=round(used.cpu_s / took_s, 4),
            driver_cpu_us=round(own_used / each * 1e6, 2),
            driver_busy=round(own_used / took_s, 3),
            whole_ms={key: _milliseconds(histogram, share) for key, share in QUANTILES.items()},
            own_ms={key: round(value * 1e3, 3) for key, value in own.items() if value is not None},
            refused={f"0x{status:03x}": count for status, count in sorted(refused.items())},
            forwarded=carried,
            lost=sum(bind.in_flight for bind in self._binds),
            memory_mib=round(measure.memory_bytes(pid) / 1024**2, 1),
            curve_ms=[(share, _milliseconds(histogram, share)) for share in CURVE],
            store_cpu_us=round(store_used / each * 1e6, 2),
            others_busy=round(max(0.0, others / took_s), 3),
            limited_by="rate",
            slowest_ms=_milliseconds(histogram, 1.0),
            all_messages=self._sent,
            waits_per_s=round(used.waits / took_s, 1),
            calls=round(used.calls / each, 2),
            late_ms={key: _milliseconds(lateness, share) for key, share in QUANTILES.items()},
        )

    def _start_afresh(self) -> None:
        self.histogram, self.lateness, self.refused = [0] * (BUCKETS + 1), [0] * (BUCKETS + 1), Counter()


def _milliseconds(histogram: list[int], share: float) -> float:
    return round(quantile(histogram, share) * BUCKET_S * 1e3, 3)


def main() -> None:
    sender = OpenLoop(LoadPlan(**json.loads(sys.argv[1])))
    print(json.dumps({"carrier": sender.prepare()}), flush=True)
    lines = Lines(sender)
    while True:
        sender.serve(lambda: lines.ended or bool(lines.waiting))
        if not lines.waiting:
            return
        request = RunRequest(**json.loads(lines.waiting.popleft()))
        try:
            print(json.dumps(asdict(sender.run(request))), flush=True)
        except (RuntimeError, OSError) as error:
            print(json.dumps({"name": request.name, "problem": f"{type(error).__name__}: {error}"}), flush=True)
            sender.problem = ""


class Lines:
    """Requests on standard input, read by the loop that also answers as the carrier."""

    def __init__(self, sender: OpenLoop) -> None:
        self.waiting: deque[bytes] = deque()
        self.ended = False
        self._rest = b""
        sender.watch(sys.stdin.fileno(), self._readable)
        self._sender = sender

    def _readable(self) -> None:
        data = os.read(sys.stdin.fileno(), READ_BYTES)
        if not data:
            self.ended = True
            self._sender.forget(sys.stdin.fileno())
        *lines, self._rest = (self._rest + data).split(b"\n")
        self.waiting.extend(lines)


if __name__ == "__main__":
    main()
