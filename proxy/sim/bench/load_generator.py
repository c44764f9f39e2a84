"""Sends submits to a gate or relay, and answers as its carrier.

In: ``python -m proxy.sim.bench.load_generator '{"mix": …}'``, then one request a line on standard input. Out: one result a line. Never: the
process under test; of that it knows a port, a process id and the address of /metrics.

    {"carrier": 40001}                                                   the carrier listens there
    → {"name": "gate", "port": 40002, "pid": 77, "metrics": "http://…"}   a request (port null: the load goes straight to the carrier)
    {"name": "gate", "messages": 312455, …}                              its result

Closed loop: every answer is followed by the next submit, ``window`` unanswered per bind; where each submit asks for a receipt, as long as the
receipts keep up. At a rate: submit k is due at start + k / rate, on one bind after the other; the parts of a long text are due together.
Latency counts from then: neither a slow answer nor a late load generator makes a figure better. A bind whose window is full sends when an
answer comes.

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
import ssl
import sys
import time
from collections import Counter, deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from time import perf_counter

from proxy.sim import measure, pdus, synthetic_recipients
from proxy.sim.bench.run_figures import (
    BUCKET_S,
    BUCKETS,
    CURVE,
    GATE_SECONDS,
    QUANTILES,
    LoadPlan,
    RunFigures,
    RunRequest,
    histogram,
    quantile_ms,
)
from proxy.sim.encoded_submits import FILLINGS, Card, DeckPorts, deck, recipients
from proxy.sim.pdus import HEADER

READ_BYTES = 256 * 1024
SEQUENCES = 65_536  # sequence numbers go round; more than any window, so no two unanswered submits share one
IDLE_S = 60.0
BOUND_S = 10.0
ANSWERS_S = 5.0  # longest wait for the last answers
BATCH_MAX = 256  # submits sent before answers are read again
BEHIND_S = 1.0  # a load generator that is so late cannot keep the rate
MISSING_MIN, MISSING_WINDOWS = 1000, 4  # receipts that may be missing (or four windows of all binds) before submits wait
RECEIPTS_WINDOW = 500
DRIVER_FULL, SUBJECT_FREE = 0.9, 0.95  # of a core. A busier load generator was the limit, if the gate was less busy
_ACCEPTED = HEADER.pack(27, pdus.SUBMIT_SM_RESP, 0, 0)[:12]
_ACK = HEADER.pack(17, pdus.DELIVER_SM_RESP, 0, 0)[:12]
_NUMBERS = [sequence.to_bytes(4, "big") for sequence in range(SEQUENCES + 1)]
_PR_SET_TIMERSLACK = 29  # prctl(2)


class TooSlow(RuntimeError):
    """The load generator cannot keep the rate on this machine."""


class Connection:
    """One connection whose PDUs go to ``received``."""

    def __init__(self, sender: LoadGenerator, connection: socket.socket) -> None:
        self.sender = sender
        self._socket, self._rest, self._unsent = connection, b"", b""
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sender.watch(connection.fileno(), self.ready)

    def ready(self) -> None:
        """It can be read, or written to again."""
        if self._unsent:
            self._send(self._unsent)
        try:
            data = self._socket.recv(READ_BYTES)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return
        except OSError:
            data = b""
        if not data:
            self.close()
            self.lost()
            return
        self._rest = self.received(self._rest + data if self._rest else data)

    def write(self, data: bytes) -> None:
        """Raises OSError."""
        if self._unsent:
            self._unsent += data
        elif data:
            self._send(data)

    def _send(self, data: bytes) -> None:
        try:
            while data:
                data = data[self._socket.send(data) :]
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):  # TLS is being agreed on, or nobody reads
            pass
        if bool(data) != bool(self._unsent):
            self.sender.want(self._socket.fileno(), writing=bool(data))
        self._unsent = data

    def close(self) -> None:
        if self._socket.fileno() >= 0:
            self.sender.forget(self._socket.fileno())
            self._socket.close()

    def received(self, data: bytes) -> bytes:
        """Processes whole PDUs; returns the rest."""
        raise NotImplementedError

    def lost(self) -> None:
        """The other side closed the connection."""


class Receipts:
    """Receipts of one connection: none is lost, and one that is refused is sent again. ``window``: unanswered at once."""

    def __init__(self, window: int) -> None:
        self._window = window
        self._waiting: deque[bytes] = deque()
        self._unanswered: dict[bytes, bytes] = {}  # by sequence number, as it stands in a header
        self._sequence = 0
        self._second, self._when = -1, ""

    def add(self, submit: bytes, number: int) -> None:
        """A submit was taken under this id."""
        sms = pdus.read(submit)
        if not sms.registered & 1:
            return
        second = int(time.time())
        if second != self._second:
            self._second, self._when = second, time.strftime("%y%m%d%H%M")
        self._waiting.append(pdus.receipt(sms, f"{number:010d}", "DELIVRD", self._when, 0))

    def answered(self, header: bytes) -> None:
        """A receipt was taken, or is to come again."""
        receipt = self._unanswered.pop(header[12:16], b"")
        if header[8:12] != b"\0\0\0\0" and receipt:
            self._waiting.append(receipt)

    def next_ones(self) -> list[bytes]:
        """Those for which there is room."""
        found = []
        while self._waiting and len(self._unanswered) < self._window:
            self._sequence = self._sequence + 1 if self._sequence < 0x7FFFFFFF else 1
            number, receipt = self._sequence.to_bytes(4, "big"), self._waiting.popleft()
            self._unanswered[number] = receipt
            found.append(receipt[:12] + number + receipt[16:])
        return found


class CarrierConnection(Connection):
    """Answers each request of what is measured, all of one read together."""

    def __init__(self, sender: LoadGenerator, connection: socket.socket) -> None:
        super().__init__(sender, connection)
        self._receipts = Receipts(RECEIPTS_WINDOW) if sender.plan.receipts else None

    def received(self, data: bytes) -> bytes:  # hot: about 0.5 µs a submit
        place, end, answers, sender, receipts = 0, len(data), list[bytes](), self.sender, self._receipts
        unpack, number = HEADER.unpack_from, sender.carried
        while place + 16 <= end:
            length, command, _, _ = unpack(data, place)
            if place + length > end:
                break
            if command == 4:
                number += 1
                answers.append(_ACCEPTED + data[place + 12 : place + 16] + b"%010d\0" % number)
                if receipts is not None:
                    receipts.add(data[place : place + length], number)
            elif command == pdus.DELIVER_SM_RESP and receipts is not None:
                receipts.answered(data[place : place + 16])
            elif not command & pdus.RESPONSE:
                body = b"carrier\0" if command in pdus.BINDS.values() else b""
                answers.append(pdus.pdu(command | pdus.RESPONSE, 0, int.from_bytes(data[place + 12 : place + 16], "big"), body))
            place += length
        sender.carried = number
        if receipts is not None:
            answers += receipts.next_ones()
        self.write(b"".join(answers))
        return data[place:]


class BindConnection(Connection):
    """One bind of a provider, writing to the people from place ``first`` on."""

    def __init__(self, sender: LoadGenerator, connection: socket.socket, cards: list[Card], first: int) -> None:
        super().__init__(sender, connection)
        self.bound: int | None = None
        """The status of the answer to the bind."""
        self.in_flight = 0
        self._cards, self._card = cards, first % len(cards)
        self._person = self._first = first
        self._sequence = 0
        self._due_at = [0.0] * (SEQUENCES + 1)
        self._waiting: deque[float] = deque()  # due times of submits that found no window
        while not cards[self._card].fresh:
            self._card = (self._card + 1) % len(cards)

    @property
    def persons(self) -> int:
        """How many people it has written to."""
        return self._person - self._first

    def send(self, count: int, due_s: float) -> None:  # hot: about 0.8 µs a submit
        """Writes the next ``count`` submits in one go."""
        cards, people, due_at, numbers = self._cards, self.sender.people, self._due_at, _NUMBERS
        place, person, sequence = self._card, self._person, self._sequence
        last, crowd, fillings = len(cards) - 1, len(people), FILLINGS - 1
        out: list[bytes] = []
        for _ in range(count):
            header, address, before, table, after, fresh, _ = cards[place]
            place = place + 1 if place < last else 0
            person += fresh
            sequence = sequence + 1 if sequence < SEQUENCES else 1
            due_at[sequence] = due_s
            out += (header, numbers[sequence], address, people[person % crowd], before, table[person & fillings], after)
        self._card, self._person, self._sequence = place, person, sequence
        self.in_flight += count
        self.sender.sent += count
        self.write(b"".join(out))

    def submit(self, due_s: float) -> bool:
        """Sends the next submit, or keeps it for when an answer comes. Returns whether another part of the same text follows."""
        if self.in_flight >= self.sender.plan.window:
            self._waiting.append(due_s)
            return False
        self.send(1, due_s)
        return not self._cards[self._card].fresh

    def received(self, data: bytes) -> bytes:  # hot: about 0.6 µs an answer
        place, end, now_s, sender = 0, len(data), perf_counter(), self.sender
        unpack, due_at, counts, done, refused = HEADER.unpack_from, self._due_at, sender.histogram, 0, 0
        acks: list[bytes] = []
        while place + 16 <= end:
            length, command, status, sequence = unpack(data, place)
            if place + length > end:
                break
            if command == 0x8000_0004:
                done += 1
                if status:
                    refused += 1
                    sender.refused[status] += 1
                bucket = int((now_s - due_at[sequence]) / BUCKET_S)
                counts[bucket if bucket < BUCKETS else BUCKETS] += 1  # noqa: FURB136  # a call of min() costs as much as the rest
            elif command == 5:
                acks += (_ACK, data[place + 12 : place + 16], b"\0")
            elif command == pdus.GENERIC_NACK:
                sender.problem = f"generic_nack with status 0x{status:08x}"
            elif command & pdus.RESPONSE:
                self.bound = status
            else:
                self.write(pdus.pdu(command | pdus.RESPONSE, 0, sequence))
            place += length
        self.in_flight -= done
        sender.answered += done
        if acks:
            sender.delivers += len(acks) // 3
            self.write(b"".join(acks))
        sender.missing += done - refused - len(acks) // 3
        while self._waiting and self.in_flight < sender.plan.window:
            self.submit(self._waiting.popleft())
        if sender.going and not sender.rate:
            sender.go_on(self, done)
        return data[place:]

    def lost(self) -> None:
        self.sender.problem = "a bind was lost"


class LoadGenerator:
    def __init__(self, plan: LoadPlan) -> None:
        if not 1 <= plan.window < SEQUENCES // 2:
            raise ValueError(f"a window of {plan.window} is not between 1 and {SEQUENCES // 2 - 1}")
        self.plan = plan
        self.decks: dict[str, list[Card]] = {}
        self.people: list[bytes] = []
        self.carried = 0
        self.sent, self.answered, self.delivers = 0, 0, 0
        self.missing = 0  # receipts that have not come yet, if one is to come for each submit that is taken
        self.stalled = False  # whether some bind waits for receipts
        self.histogram, self.lateness = histogram(), histogram()
        """Of answers, from when they were due; of how late submits left."""
        self.refused: Counter[int] = Counter()  # answers other than ESME_ROK, by status
        self.problem = ""
        self.rate, self.going = 0.0, False
        self.binds: list[BindConnection] = []
        self._first = 0  # index of the next run's first recipient: caps of those of the run before are used up
        self._poll = select.epoll()
        self._handlers: dict[int, Callable[[], None]] = {}
        self._start_s, self._due, self._place = 0.0, 0, 0
        self._tls = ssl.create_default_context(cafile=plan.pem) if plan.pem else None

    def prepare(self) -> int:
        """Encodes all submits and opens the carrier; returns its port."""
        plan = self.plan
        for name, prefix in plan.providers.items():
            ports = DeckPorts.under(prefix)
            self.decks[name] = deck(
                plan.mix, ports, plan.seed, long=plan.long, registered=int(plan.receipts), extensions=plan.ports
            )
        self.people = recipients(synthetic_recipients.distinct_numbers(plan.recipients, plan.seed, plan.refused))
        ctypes.CDLL(None).prctl(_PR_SET_TIMERSLACK, 1, 0, 0, 0)  # otherwise each wait is 50 µs longer
        carrier = self._listen(None)
        self._direct = carrier
        if plan.pem:  # runs without a gate use TLS, too
            tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            tls.load_cert_chain(plan.pem)
            self._direct = self._listen(tls)
        return carrier

    def _listen(self, tls: ssl.SSLContext | None) -> int:
        listener = socket.create_server(("127.0.0.1", 0))
        listener.setblocking(False)

        def accept() -> None:
            connection = listener.accept()[0]
            if tls is not None:
                connection = tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
            CarrierConnection(self, connection)

        self.watch(listener.fileno(), accept)
        return int(listener.getsockname()[1])

    # -- the loop

    def watch(self, file: int, handler: Callable[[], None]) -> None:
        self._handlers[file] = handler
        self._poll.register(file, select.EPOLLIN)

    def want(self, file: int, *, writing: bool) -> None:
        self._poll.modify(file, select.EPOLLIN | select.EPOLLOUT if writing else select.EPOLLIN)

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
            if self.going and self.rate:
                self._send_due(now_s)
                wait_s = min(wait_s, self._start_s + (self._due + 1) / self.rate - perf_counter())
            if select.select([poll.fileno()], [], [], max(0.0, wait_s))[0]:
                for file, _ in poll.poll(0):
                    handler = self._handlers.get(file)
                    if handler is not None:
                        handler()
            if self.problem:
                raise RuntimeError(self.problem)

    def _send_due(self, now_s: float) -> None:
        due = int((now_s - self._start_s) * self.rate)
        if due - self._due > BEHIND_S * self.rate:
            raise TooSlow(f"the load generator is {BEHIND_S:.0f} s behind: it cannot send {self.rate:g} a second here")
        due = min(due, self._due + BATCH_MAX)
        while self._due < due:
            due_s = self._start_s + (self._due + 1) / self.rate
            bind, follows = self.binds[self._place], True
            while follows:
                self.lateness[min(int((perf_counter() - due_s) / BUCKET_S), BUCKETS)] += 1
                follows = bind.submit(due_s)
                self._due += 1
            self._place = (self._place + 1) % len(self.binds)

    def go_on(self, bind: BindConnection, done: int) -> None:
        """Closed loop: a bind got ``done`` answers; all binds wait while too many receipts are missing."""
        plan, now_s = self.plan, perf_counter()
        if plan.receipts and self.missing > max(MISSING_MIN, MISSING_WINDOWS * plan.window * len(self.binds)):
            self.stalled = True
        elif self.stalled:
            self.stalled = False
            for one in self.binds:
                one.send(plan.window - one.in_flight, now_s)
        elif done:
            bind.send(done, now_s)

    # -- one run

    def run(self, request: RunRequest) -> RunFigures:
        """Binds, warms up, measures, unbinds. Raises RuntimeError, OSError."""
        try:
            self.bind(request.port)
            self.go(self.plan.rate if request.rate is None else request.rate)
            self.serve(lambda: False, self._start_s + self.plan.warmup_s)
            return self._measure(request)
        finally:
            self.unbind()

    def bind(self, port: int | None) -> None:
        """Raises RuntimeError, OSError. ``port``: of what is measured; None: of the carrier."""
        plan, names = self.plan, list(self.plan.providers)
        self.problem, self.sent, self.answered, self.delivers, self.missing, self.stalled = "", 0, 0, 0, 0, False
        kind = "transceiver" if plan.receipts else "transmitter"
        for number in range(plan.binds):
            who = names[number % len(names)]
            connection = socket.create_connection(("127.0.0.1", port or self._direct), BOUND_S)
            if self._tls is not None:
                connection = self._tls.wrap_socket(connection, server_hostname="127.0.0.1", do_handshake_on_connect=False)
            first = self._first + number * len(self.people) // plan.binds
            bind = BindConnection(self, connection, self.decks[who], first)
            self.binds.append(bind)
            bind.write(pdus.bind(kind, who, plan.password))
        self.serve(lambda: all(bind.bound is not None for bind in self.binds), perf_counter() + BOUND_S)
        if refused := [bind.bound for bind in self.binds if bind.bound != 0]:
            raise RuntimeError(
                "a bind got no answer" if refused[0] is None else f"a bind was refused with status 0x{refused[0]:08x}"
            )

    def go(self, rate: float) -> None:
        """Begins to send. ``rate`` 0: closed loop."""
        self.rate, self.going, self._start_s, self._due, self._place = rate, True, perf_counter(), 0, 0
        for bind in self.binds if not rate else ():
            bind.send(self.plan.window, self._start_s)

    def drain(self) -> int:
        """Sends no more, and waits for answers; returns how many never came."""
        self.going = False
        self.serve(lambda: not any(bind.in_flight for bind in self.binds), perf_counter() + ANSWERS_S)
        return sum(bind.in_flight for bind in self.binds)

    def unbind(self) -> None:
        self.going = False
        for bind in self.binds:
            bind.close()
        self._first += max((bind.persons for bind in self.binds), default=0)
        self.binds = []

    def fresh_counts(self) -> None:
        """Begins a measurement: what came before is warm-up."""
        self.histogram, self.lateness, self.refused = histogram(), histogram(), Counter()

    def _fetch_while_sending(self, url: str) -> str:
        """What a page says; submits that were due meanwhile would leave in one burst. Raises OSError."""
        with ThreadPoolExecutor(1) as thread:
            fetched = thread.submit(measure.fetch, url)
            self.serve(fetched.done, perf_counter() + measure.HTTP_TIMEOUT_S)
        return fetched.result()

    def _measure(self, request: RunRequest) -> RunFigures:
        plan, pid = self.plan, request.pid
        before = self._fetch_while_sending(request.metrics) if request.metrics else ""
        self.fresh_counts()
        start_s, own_s, busy_s, activity = perf_counter(), time.process_time(), measure.busy_s(), _activity(pid)
        store_s = _activity(request.store).cpu_s
        carried, answered, delivers = self.carried, self.answered, self.delivers
        self.serve(lambda: False, start_s + plan.seconds)
        took_s = perf_counter() - start_s
        used = _activity(pid) - activity
        own_used = time.process_time() - own_s
        store_used = _activity(request.store).cpu_s - store_s
        others = measure.busy_s() - busy_s - used.cpu_s - own_used - store_used
        counts, lateness, refused = self.histogram, self.lateness, self.refused
        carried, messages, delivers = self.carried - carried, self.answered - answered, self.delivers - delivers
        self.fresh_counts()
        self.going = False
        after = measure.samples(measure.fetch(request.metrics)) if request.metrics else {}
        memory_bytes = measure.memory_bytes(pid) if pid else 0
        lost = self.drain()
        each = max(messages, 1)
        own_before = measure.samples(before)
        own = {key: measure.bucket_quantile_s(own_before, after, GATE_SECONDS, share) for key, share in QUANTILES.items()}
        limited = "rate" if self.rate else ""
        if pid and (own_used + store_used) / took_s >= DRIVER_FULL and used.cpu_s / took_s < SUBJECT_FREE:
            limited = limited or "driver"
        return RunFigures(
            name=request.name,
            seconds=round(took_s, 3),
            messages=messages,
            per_s=round(messages / took_s, 1),
            cpu_us=round(used.cpu_s / each * 1e6, 2),
            busy=round(used.cpu_s / took_s, 4),
            driver_cpu_us=round(own_used / each * 1e6, 2),
            driver_busy=round(own_used / took_s, 3),
            whole_ms={key: quantile_ms(counts, share) for key, share in QUANTILES.items()},
            own_ms={key: round(value * 1e3, 3) for key, value in own.items() if value is not None},
            refused={f"0x{status:03x}": count for status, count in sorted(refused.items())},
            forwarded=carried,
            lost=lost,
            memory_mib=round(memory_bytes / 1024**2, 1),
            receipts=delivers,
            curve_ms=[(share, quantile_ms(counts, share)) for share in CURVE],
            store_cpu_us=round(store_used / each * 1e6, 2),
            others_busy=round(max(0.0, others / took_s), 3),
            limited_by=limited,
            slowest_ms=quantile_ms(counts, 1.0),
            all_messages=self.answered,
            waits_per_s=round(used.waits / took_s, 1),
            calls=round(used.calls / each, 2),
            late_ms={key: quantile_ms(lateness, share) for key, share in QUANTILES.items()} if self.rate else {},
        )


def _activity(pid: int | None) -> measure.Activity:
    return measure.activity(pid) if pid else measure.Activity(0.0, 0, 0)


class Lines:
    """Requests on standard input, read by the loop that also answers as the carrier."""

    def __init__(self, sender: LoadGenerator) -> None:
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


def main() -> None:
    sender = LoadGenerator(LoadPlan(**json.loads(sys.argv[1])))
    print(json.dumps({"carrier": sender.prepare()}), flush=True)
    gc.collect()
    gc.freeze()
    gc.disable()  # no gap is to be the generator's own
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


if __name__ == "__main__":
    main()
