"""Sends probes and waits for the replies.

Never: a rule, a cap, an entry in a person's record, an opt-out of a test number; the reply (it comes through the carrier, or proves nothing).

A reply may reach another gate than the one that sent: each gate knows all probes, and the one that receives the reply writes it. The sender
decides that none came. It reports nothing about a path whose carrier link was down meanwhile, or while the sender itself was down.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Mapping
from functools import partial
from types import SimpleNamespace
from urllib.parse import urlsplit

import structlog

from proxy.config import PROBE_TEXT
from proxy.journal.records.probes import ENDED, FAILED, WAITING, Probe, ProbePending, Probes, finished
from proxy.journal.write_ahead_log import JournalDown
from proxy.model.message import Category, Content, Facts, Message, Outcome, Sender, Verdict
from proxy.model.number import NotARecipient, recipient_of
from proxy.operations.authorization import CommandRefused
from proxy.operations.gate_interface import Gate
from proxy.policy.replies.optout import REPLY_CHARACTERS_MAX, read_reply
from proxy.policy.text.folding import fold
from proxy.relay.pending_submit import OtherRequest, SubmitLane
from proxy.relay.submit import Relay
from proxy.wire import Deliver, Frame, encode, status_name, submit_sm

TON_UNKNOWN = 0  # SMPP 3.4 §5.2.5
AGENT_S = 10.0
"""An agent answers within this time: it only starts something."""
LINE_BYTES_MAX = 1_000
"""Of its answer's first line."""
_STATUS = re.compile(rb"HTTP/1\.[01] ([0-9]{3})\b")


class ProbeText(OtherRequest):
    """A probe's test message on its way to the carrier. ``add_notice``: is called with an empty text once it was accepted, else with
    the reason."""

    def __init__(
        self, relay: Relay, sender: Sender, number: int, text: str, now_s: float, add_notice: Callable[[str], None]
    ) -> None:
        octets, data_coding = encode(text)
        data = submit_sm(
            sender.port, f"{number:011d}", octets, data_coding=data_coding, dest_ton=TON_UNKNOWN, registered_delivery=0
        )
        super().__init__(_NoBind(sender.provider), 0, data, now_s)  # type: ignore[arg-type] # nothing is ever answered to it
        self.message = Message(sender, number, Content(text, "readable", b""))
        self.category = Category.NOTICE
        facts = Facts(sender, Category.NOTICE, Category.NOTICE, Category.NOTICE)
        self.verdict = Verdict(Outcome.ALLOW, None, "", (), facts, relay.rules.regions.of(number)[0], 0, ())
        self._report = add_notice

    def send(self, lane: SubmitLane | None) -> str:
        """Why it cannot leave; empty if it is on its way."""
        if lane is None:
            return "no link to a carrier that serves this number is up"
        if not lane.hold(self.category):
            return "too much waits for the carrier already"
        self.enqueue(lane)
        return ""

    def answered(self, frame: Frame) -> None:
        self.settled()
        self._report("" if not frame.command_status else f"the carrier refused it: {status_name(frame.command_status)}")

    def answered_late(self, frame: Frame) -> bool:
        if not frame.command_status:
            self._report("")
        return True

    def unanswered(self) -> bool:
        self.settled()
        self._report("the carrier did not answer")
        return True

    def unsent(self, reason: str) -> bool:
        self.settled()
        self._report(f"it was not sent ({reason})")
        return True


class _NoBind:
    """What a lane asks of a bind: whose turn it is."""

    __slots__ = ("access",)

    def __init__(self, provider: str) -> None:
        self.access = SimpleNamespace(provider=SimpleNamespace(name=provider))


async def ask_agent(url: str, number: int, port: str, keyword: str) -> str:
    """Has a test telephone reply: POST with JSON ``{"number", "port", "text"}``. Why it does not, empty if the agent said yes."""
    parts = urlsplit(url)
    body = json.dumps({"number": f"{number:011d}", "port": port, "text": keyword}, ensure_ascii=False).encode()
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    head = (
        f"POST {path} HTTP/1.0", f"Host: {parts.netloc}", "Content-Type: application/json", f"Content-Length: {len(body)}", "", ""
    )  # fmt: skip
    secure = parts.scheme == "https"
    try:
        async with asyncio.timeout(AGENT_S):
            port_number = parts.port or (443 if secure else 80)
            reader, writer = await asyncio.open_connection(
                parts.hostname, port_number, ssl=secure or None, limit=LINE_BYTES_MAX
            )
            try:
                writer.write("\r\n".join(head).encode() + body)
                await writer.drain()
                answer = await reader.readline()
            finally:
                writer.close()
    except (OSError, TimeoutError, ValueError) as error:
        return f"its agent cannot be asked: {str(error) or 'no answer in time'}"
    status_line = _STATUS.match(answer)
    if status_line is None:
        return "its agent answers no HTTP"
    return "" if status_line[1].startswith(b"2") else f"its agent said {status_line[1].decode()}"


log = structlog.get_logger()

GRACE_S = 1.0
"""Grace for a reply that another gate received in time, until this gate knows."""
PROPAGATION_S = 0.3
"""Until other gates know of a probe: they read the shared log every 50 ms."""
WAIT_S = 10.0
"""How often a waiting command reports that it waits."""
SAID_MAX = 100
"""Characters of a reply that are kept."""
_MARKS = re.compile(r"[\W_]")
Proved = Callable[[str, float, bool], None]
"""(prefix, when, whether it was answered)."""


class Prober:
    def __init__(self, gate: Gate, probes: Probes, proved: Proved) -> None:
        self.probes = probes
        self.text, self.within_s = PROBE_TEXT, 120.0
        self._gate, self._proved = gate, proved
        self._live: dict[str, tuple[float, list[SubmitLane]]] = {}
        """Probes of this life of this gate that wait: until when (monotonic), and by which lanes they went."""
        self._resumed = False
        self._changed = asyncio.Event()
        self._agents: set[asyncio.Task[None]] = set()

    def use(self, text: str, within_s: float) -> None:
        """Sets the test message and the time a reply may take, from the settings."""
        self.text, self.within_s = text, within_s

    # -- sent

    async def begin(self, probe: Probe, sender: Sender, agents: Mapping[int, str]) -> Probe:
        """Writes the probe down, then sends it. CommandRefused if another probe of this prefix waits, or nothing can be written."""
        gate, now_s = self._gate, asyncio.get_running_loop().time
        try:
            sequence = self.probes.begin(probe)
        except ProbePending:
            raise CommandRefused(
                f"port prefix {probe.prefix}: a probe waits for its reply (gate106 optout list-probes)"
            ) from None
        lanes: list[SubmitLane] = []
        self._live[probe.prefix] = now_s() + probe.within_s, lanes
        await gate.safe(sequence)
        if gate.store.shared:
            await asyncio.sleep(PROPAGATION_S)
        text = self.text.replace("{keyword}", probe.keyword)
        for place, one in enumerate(probe.tries):
            add_notice = partial(self._carrier_answered, probe, place, agents.get(one.number, ""))
            pending = ProbeText(gate.relay, sender, one.number, text, now_s(), add_notice)
            assert pending.message is not None and pending.verdict is not None  # noqa: PT018
            lane = gate.relay.routes.lane(pending.message, pending.verdict)
            problem = pending.send(lane)
            if not problem and lane is not None:
                lanes.append(lane)
            probe = (self.probes.find(probe.prefix) or probe).with_try(
                place, sent_at=0.0 if problem else gate.now(), problem=problem
            )
            self._put(probe)
        self._live[probe.prefix] = now_s() + probe.within_s, lanes
        return self._settle(probe)

    def _carrier_answered(self, probe: Probe, place: int, agent: str, problem: str) -> None:
        """A carrier answered a test message."""
        if (current := self.probes.find(probe.prefix)) is None or current.begun_at != probe.begun_at:
            return
        known = {"problem": problem} if problem else {"accepted_at": self._gate.now(), "problem": ""}
        current = current.with_try(place, **known)
        self._put(current)
        self._settle(current)
        if agent and not problem:
            task = asyncio.get_running_loop().create_task(self._ask(current, place, agent))
            self._agents.add(task)
            task.add_done_callback(self._agents.discard)

    async def _ask(self, probe: Probe, place: int, agent: str) -> None:
        number = probe.tries[place].number
        problem = await ask_agent(agent, number, probe.port, probe.keyword)
        current = self.probes.find(probe.prefix)
        if problem and current is not None and current.begun_at == probe.begun_at:
            log.warning("agent of a test number failed", port=probe.port, problem=problem)
            self._put(current.with_try(place, problem=problem))

    # -- answered

    def answered(self, deliver: Deliver, port: str, now: float) -> int | None:
        """Whether a reply is one to a probe: None if not; else the record that must be synced before the carrier is answered, or -1: it
        cannot be written, and the carrier must bring it again."""
        try:
            number = recipient_of(deliver.source)
        except NotARecipient:
            return None
        if not self.probes.knows(number):
            return None
        texts = (deliver.text, *deliver.other_readings)
        found = self.probes.answered(number, port, lambda: {word for text in texts for word in keywords_in(text)}, now)
        if found is None:
            return None
        probe, place = found
        if probe.tries[place].answered_at:
            return 0
        first = not any(one.answered_at for one in probe.tries)
        probe = probe.with_try(place, answered_at=now, said=deliver.text[:SAID_MAX])
        if probe.state != WAITING or probe.all_answered:
            probe = finished(probe, probe.ended_at or now)
        try:
            sequence = self.probes.put(probe)
        except JournalDown:
            return -1
        if first:
            self._proved(probe.prefix, now, True)
        self._wake()
        return sequence

    def reread(self) -> None:
        """Takes other gates' changes of probes from the store."""
        self.probes.reread()
        self._wake()

    def tick(self, now: float, now_s: float) -> None:
        """A few times a second: probes whose time is over. ``now_s``: monotonic."""
        if not self._resumed:
            self._resumed = True
            self._resume(now)
        for prefix, (until_s, lanes) in list(self._live.items()):
            probe = self.probes.find(prefix)
            if probe is None or probe.state != WAITING:
                del self._live[prefix]
            elif now_s >= until_s + (GRACE_S if self._gate.store.shared else 0.0):
                self._end(finished(probe, now), lanes)

    def _resume(self, now: float) -> None:
        """Ends probes that waited before a restart: no gate watched for their replies. A late reply still proves the path."""
        for probe in self.probes.all():
            if probe.state == WAITING and probe.node == self._gate.store.node and probe.prefix not in self._live:
                self._put(probe._replace(state=ENDED, ended_at=now))

    def stop(self) -> None:
        """The gate is about to stop."""
        for task in self._agents:
            task.cancel()

    def _settle(self, probe: Probe) -> Probe:
        if probe.state == WAITING and probe.all_answered:
            probe = self._end(finished(probe, self._gate.now()), [])
        self._wake()
        return probe

    def _end(self, probe: Probe, lanes: list[SubmitLane]) -> Probe:
        if probe.state == FAILED and not all(lane.up for lane in lanes):
            probe = probe._replace(state=ENDED)
        if self._put(probe) and probe.state == FAILED:
            self._proved(probe.prefix, probe.ended_at, False)
        self._wake()
        return probe

    def _put(self, probe: Probe) -> bool:
        """Whether it is written; a tick tries again what ends."""
        try:
            self.probes.put(probe)
        except JournalDown as down:
            log.warning("probe result not written", port=probe.port, problem=str(down))
            return False
        return True

    # -- waited for

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def change(self) -> None:
        """Returns when some probe changed, or after BEAT_S."""
        changed = self._changed
        try:
            async with asyncio.timeout(WAIT_S):
                await changed.wait()
        except TimeoutError:
            return


def keywords_in(text: str) -> set[str]:
    """The keywords that a reply may mean."""
    short = text[:REPLY_CHARACTERS_MAX]
    return {keyword_of(short), read_reply(short).keyword} - {""}


def keyword_of(text: str) -> str:
    """A keyword as it is compared: without marks and blanks, of one width and case."""
    return _MARKS.sub("", fold(text)).upper()
