"""Simulates a provider that sends through smpplib's client.

smpplib is a real client of another author. The provider logs every submit and answer; ``why`` is only the sender's intention, for people who
read the table. Each provider is a thread, for smpplib blocks. For thousands of messages a second there is load.py.
"""

import contextlib
import logging
import select
import struct
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from smpplib import client as smpplib_client
from smpplib import exceptions, smpp

from proxy.sim import pdus

IDLE_S = 0.02  # how long a provider looks for answers before it looks at its steps again
ANSWERS_S = 15.0  # how long ``send_once`` waits for answers: longer than a gate waits for its carrier
LOG_MAX = 200_000  # submits one provider may log: hours of a demo


@dataclass(frozen=True, slots=True)
class ScriptedSubmit:
    """One submit to come. ``raw`` replaces everything behind the header, for PDUs that smpplib would not build."""

    at_s: float  # after the provider's start
    source: str
    destination: str
    body: bytes
    why: str = ""
    data_coding: int = pdus.UCS2
    esm_class: int = 0
    schedule: str = ""
    registered: int = 1
    raw: bytes = b""


@dataclass(slots=True)
class SentSubmit:
    """One submit and its answer. ``status`` is None while there is none."""

    provider: str
    source: str
    destination: str
    why: str
    sequence: int
    at: float
    status: int | None = None
    message_id: str = ""
    took_s: float = 0.0


@dataclass(frozen=True, slots=True)
class ReceivedDeliver:
    provider: str
    source: str
    destination: str
    receipt: bool
    text: str
    at: float = 0.0  # monotonic


@dataclass(slots=True)
class ProviderLog:
    sent: list[SentSubmit] = field(default_factory=list)
    got: list[ReceivedDeliver] = field(default_factory=list)
    surprises: list[str] = field(default_factory=list)  # what should not happen: a lost connection, an answer to nothing
    left_at: float = 0.0
    back_at: float = 0.0  # when it went away, and was bound again (monotonic); 0 if it never did
    unbound: bool = False  # whether the gate said goodbye; then submits that crossed its unbind may stay without an answer


class _Client(smpplib_client.Client):  # type: ignore[misc] # the library has no annotations
    """smpplib's client, which notices an unbind of the other side and leaves the answer to us."""

    unbind_sequence = 0

    def read_pdu(self) -> Any:
        pdu = super().read_pdu()
        if pdu.command == "unbind":
            self.unbind_sequence = pdu.sequence
        return pdu


class ProviderThread(threading.Thread):
    """One provider: binds as transceiver, sends its steps when they fall due, ``window`` unanswered at most (0 = never waits)."""

    def __init__(
        self,
        name: str,
        password: str,
        host: str,
        port: int,
        steps: Sequence[ScriptedSubmit],
        window: int = 0,
        away: tuple[float, float] | None = None,
    ) -> None:
        """``away``: between these seconds it is not bound, and its steps wait."""
        super().__init__(name=f"provider-{name}", daemon=True)
        self.provider = name
        self.log = ProviderLog()
        self._place = 0
        self._start_s = 0.0
        self._ended = False
        self._password = password
        self._steps = sorted(steps, key=lambda step: step.at_s)
        self._window = window
        self._away = away
        self._open: dict[int, SentSubmit] = {}
        self._finish = threading.Event()
        logger = f"sim.{name}"
        logging.getLogger(logger).setLevel(logging.CRITICAL)
        self._make_client: Callable[[], _Client] = partial(
            _Client, host, port, timeout=5, logger_name=logger, allow_unknown_opt_params=True
        )
        self._client = self._make_client()

    def connect(self) -> None:
        """Binds; raises smpplib's exceptions when it is refused."""
        self._client.set_message_sent_handler(self._answered)
        self._client.set_error_pdu_handler(self._answered)
        self._client.set_message_received_handler(self._received)
        self._client.connect()
        self._client.bind_transceiver(system_id=self.provider, password=self._password)

    @property
    def open(self) -> int:
        """Submits without an answer."""
        return len(self._open)

    @property
    def sent_all(self) -> bool:
        """Whether no step is left to send; the thread goes on reading until ``finish``, or until the gate unbinds it."""
        return self._ended or self._place == len(self._steps)

    def more(self, steps: Sequence[ScriptedSubmit]) -> None:
        """Further steps, their times counted from now. Only once the others are sent."""
        passed_s = time.monotonic() - self._start_s
        self._steps += [replace(step, at_s=step.at_s + passed_s) for step in steps]

    def finish(self) -> None:
        """Stop reading, unbind."""
        self._finish.set()

    def run(self) -> None:
        self._start_s = time.monotonic()
        steps = self._steps
        try:
            while not self._finish.is_set() and not self.log.unbound:
                now_s = time.monotonic() - self._start_s
                if self._away is not None and now_s >= self._away[0] and not self._open:
                    self._stay_away(self._away[1])
                    self._away = None
                due_s = min(now_s, self._away[0]) if self._away is not None else now_s  # later steps wait until it is back
                while (
                    self._place < len(steps)
                    and steps[self._place].at_s <= due_s
                    and (not self._window or len(self._open) < self._window)
                ):
                    self._send(steps[self._place])
                    self._place += 1
                self._read()
                self.log.unbound = self._client.unbind_sequence > 0
        except exceptions.ConnectionError as error:
            if not self._read_rest():
                self.log.surprises.append(f"{self.provider}: the connection was lost ({error or 'closed'})")
        finally:
            self._ended = True
            self._disconnect()

    def _stay_away(self, until_s: float) -> None:
        """Unbinds, closes, and binds again after ``until_s``. Delivers after the unbind stay unread: the gate sends unacknowledged delivers
        again."""
        client = self._client
        client.send_pdu(smpp.make_pdu("unbind", client=client))
        while client.read_pdu().command != "unbind_resp":
            pass
        client.state = "OPEN"
        client.disconnect()
        self.log.left_at = time.monotonic()
        self._finish.wait(max(0.0, until_s - (time.monotonic() - self._start_s)))
        self._client = self._make_client()
        self.connect()
        self.log.back_at = time.monotonic()

    def _read(self) -> None:
        socket = self._client._socket  # its own poll() never waits, listen() never returns
        if select.select([socket], [], [], IDLE_S)[0]:
            self._client.read_once()

    def _disconnect(self) -> None:
        with contextlib.suppress(exceptions.PDUError, exceptions.ConnectionError, OSError, AttributeError, struct.error):
            if self.log.unbound:
                self._answer_unbind()
            else:
                self._client.unbind()  # the other side may have left first: then there is nobody to say goodbye to
        self._client.state = "OPEN"
        self._client.disconnect()

    def _read_rest(self) -> bool:
        """What had come before the connection was lost; whether an unbind was among it."""
        with contextlib.suppress(exceptions.PDUError, exceptions.ConnectionError, OSError, struct.error):
            while select.select([self._client._socket], [], [], 0)[0]:
                self._client.read_once()
        self.log.unbound = self._client.unbind_sequence > 0
        return self.log.unbound

    def _answer_unbind(self) -> None:
        """Answers the gate's unbind, which smpplib does not, and reads what was on its way until the gate closes."""
        self._client._socket.sendall(pdus.pdu(pdus.UNBIND | pdus.RESPONSE, 0, self._client.unbind_sequence))
        while not self._finish.is_set():
            self._read()

    def _send(self, step: ScriptedSubmit) -> None:
        client = self._client
        if step.raw:
            sequence = client.next_sequence()
            client._socket.sendall(pdus.pdu(pdus.SUBMIT_SM, 0, sequence, step.raw))
        else:
            sequence = client.sequence + 1
        sent = SentSubmit(self.provider, step.source, step.destination, step.why, sequence, time.monotonic())
        if len(self.log.sent) >= LOG_MAX:
            raise exceptions.ConnectionError("the provider's log is full")
        self.log.sent.append(sent)
        self._open[sequence] = sent
        if not step.raw:
            made = client.send_message(
                source_addr_ton=0,
                source_addr_npi=1,
                source_addr=step.source,
                dest_addr_ton=1,
                dest_addr_npi=1,
                destination_addr=step.destination,
                esm_class=step.esm_class,
                data_coding=step.data_coding,
                short_message=step.body,
                schedule_delivery_time=step.schedule,
                registered_delivery=step.registered,
            )
            assert made.sequence == sequence

    def _answered(self, pdu: Any) -> None:
        """smpplib calls both handlers for a submit_sm_resp with an error status: the second call finds nothing open."""
        sent = self._open.pop(pdu.sequence, None)
        if sent is not None:
            sent.status = pdu.status
            sent.message_id = (getattr(pdu, "message_id", None) or b"").decode("latin-1")
            sent.took_s = time.monotonic() - sent.at
        elif not pdu.is_error():
            self.log.surprises.append(
                f"{self.provider}: an answer to sequence number {pdu.sequence}, which was not waiting for one"
            )

    def _received(self, pdu: Any) -> None:
        receipt = bool(pdu.esm_class & pdus.RECEIPT)
        body = pdu.short_message or b""
        text = body.decode("utf-16-be", "replace") if pdu.data_coding == pdus.UCS2 else body.decode("latin-1")
        source, destination = pdu.source_addr.decode(), pdu.destination_addr.decode()
        self.log.got.append(ReceivedDeliver(self.provider, source, destination, receipt, text, time.monotonic()))


def send_once(
    host: str, port: int, system_id: str, password: str, steps: Sequence[ScriptedSubmit], wait_s: float
) -> ProviderLog:
    """A provider for the command line: binds, sends, waits for answers and, ``wait_s`` long, for delivers; raises smpplib's exceptions."""
    provider = ProviderThread(system_id, password, host, port, steps)
    provider.connect()
    provider.start()
    while not provider.sent_all:
        time.sleep(IDLE_S)
    deadline = time.monotonic() + ANSWERS_S
    while provider.open and provider.is_alive() and time.monotonic() < deadline:
        time.sleep(IDLE_S)
    time.sleep(wait_s)
    provider.finish()
    provider.join(5)
    return provider.log
