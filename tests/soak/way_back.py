"""The way back under load: providers submit at a steady rate, every message brings a receipt, people reply, binds are lost and come
again; then every receipt and reply is looked for where it belongs.

In: a rate, a time. Out: a Report, or Astray naming what was lost or misrouted. Never: a tolerance. Twice is allowed only to a provider
who went away without acknowledging, and counted.

    python -m tests.soak.way_back --rate 2000 --seconds 300        (make way-back)
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import random
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import uvloop

from proxy.model.message import Category
from proxy.sim import gate_process, measure, pdus, synthetic_recipients
from proxy.sim.simulated_carrier import Conduct, SimulatedCarrier
from tests.soak.transceiver import Transceiver

PROVIDERS = {f"p{number}": f"10690{number:03d}" for number in range(1, 6)}
RESTLESS = ("p4", "p5")
"""They lose their binds again and again, and are away for a while."""
WINDOW = 400
TICK_S = 0.005
REPLIES_PER_S = 40
SETTLE_S = 60.0
"""After the last submit everything must have arrived within this time."""
ACKNOWLEDGED_S_MAX = 1.0
"""DESIGN §4: a deliver is acknowledged to the carrier after at most so long."""


class Astray(AssertionError):
    """Something was lost, misrouted or late; the text says what."""


@dataclass
class Provider:
    """What one simulated company sent and got."""

    name: str
    port: str
    sent: int = 0
    answered: dict[int, str] = field(default_factory=dict)
    """serial → message id the gate gave; empty: refused."""
    unanswered: set[int] = field(default_factory=set)
    """Serials whose bind was lost before their answer came."""
    receipts: Counter[str] = field(default_factory=Counter)
    replies: Counter[str] = field(default_factory=Counter)
    away: int = 0
    """How often it lost its bind."""


class Client(Transceiver):
    """One transceiver of a provider."""

    def __init__(self, provider: Provider) -> None:
        super().__init__(provider.name)
        self.provider = provider

    def submit(self, people_: list[tuple[int, int]]) -> None:
        """(serial, recipient) each."""
        self.provider.sent += len(people_)
        if not self.up:  # lost in this very moment
            self.lost([serial for serial, _ in people_])
            return
        out = []
        for serial, recipient in people_:
            self.sequence += 1
            text = f"您的包裹{serial}已到驿站, 请凭取件码领取".encode("utf-16-be")
            out.append(pdus.submit_sm(self.provider.port + "02", str(recipient), text, registered=1, sequence=self.sequence))
            self.in_flight[self.sequence] = serial
        self.write(b"".join(out))

    def lost(self, numbers: Collection[int]) -> None:
        self.provider.unanswered.update(numbers)

    def answered(self, number: int, status: int, message_id: bytes) -> None:
        self.provider.answered[number] = "" if status else message_id.decode()

    def delivered(self, data: bytes) -> None:
        sms = pdus.read(data)
        if sms.esm_class & pdus.RECEIPT:
            self.provider.receipts[sms.body.decode().split()[0].removeprefix("id:")] += 1
        else:
            self.provider.replies[sms.text] += 1


@dataclass
class Report:
    submits: int
    accepted: int
    refused: int
    unanswered: int
    receipts: int
    replies: int
    twice: int
    bind_losses: int
    acknowledged_ms: dict[str, float]
    gate_cpu_us: float
    seconds: float

    def __str__(self) -> str:
        slowest = ", ".join(f"{name} {value:.1f} ms" for name, value in self.acknowledged_ms.items())
        return (
            f"{self.submits:,} submits in {self.seconds:.0f} s ({self.submits / self.seconds:,.0f}/s): {self.accepted:,} accepted, "
            f"{self.refused:,} refused, {self.unanswered:,} cut off by {self.bind_losses} lost binds\n"
            f"{self.receipts:,} receipts and {self.replies:,} replies, each where it belongs; {self.twice:,} came twice to a provider "
            f"whose bind was lost\n"
            f"delivers acknowledged to the carrier: {slowest}; the gate's CPU: {self.gate_cpu_us:.1f} µs a submit with its receipt"
        )


class Run:
    def __init__(self, folder: Path, rate: float, seconds: float, seed: int = 106) -> None:
        self.folder = folder
        self.rate = rate
        self.seconds = seconds
        self.rng = random.Random(seed)
        self.providers = {name: Provider(name, port) for name, port in PROVIDERS.items()}
        self.clients: dict[str, Client] = {}
        self.carrier = SimulatedCarrier(Conduct(log=True, receipt_after_s=0.02, window=200))
        self.asked: dict[str, str] = {}
        """Text of each reply → the provider whose port it went to."""
        self.serial = 0
        self.owners: dict[int, str] = {}
        self.going = True

    async def run(self) -> Report:
        port = await self.carrier.start()
        ports = [(prefix + "02", "", Category.NOTICE) for prefix in PROVIDERS.values()]
        rules = gate_process.copy_rules(self.folder / "rules", datetime.now(gate_process.CHINA), ports)
        sides = [
            gate_process.SimulatedProvider(name, (prefix,), window=WINDOW, category="notice")
            for name, prefix in PROVIDERS.items()
        ]
        carrier = gate_process.CarrierSide(port, window=2000)
        subject = gate_process.GateUnderTest(
            self.folder, *gate_process.write_settings(self.folder, [carrier], sides, rules=rules)
        )
        await asyncio.to_thread(subject.start)
        try:
            tasks = [asyncio.create_task(self._keep(name, subject.smpp)) for name in PROVIDERS]
            while len(self.clients) < len(PROVIDERS):  # noqa: ASYNC110 # ends have no event in common
                await asyncio.sleep(TICK_S)
            before, began = measure.cpu_s(subject.pid), time.monotonic()
            await self._load()
            took_s = time.monotonic() - began
            await self._settle()
            cpu_s = measure.cpu_s(subject.pid) - before
            self.going = False
            metrics = await asyncio.to_thread(subject.metrics)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            return self._report(metrics, took_s, cpu_s)
        finally:
            await asyncio.to_thread(subject.stop)
            await self.carrier.stop()

    async def _keep(self, name: str, port: int) -> None:
        """One provider's bind, kept up; the restless lose theirs and stay away for up to two seconds."""
        provider, loop = self.providers[name], asyncio.get_running_loop()
        while self.going:
            client = Client(provider)
            await loop.create_connection(lambda client=client: client, "127.0.0.1", port)  # type: ignore[misc]
            if await client.bound:
                self.clients[name] = client
                if name in RESTLESS:
                    loop.call_later(self.rng.uniform(0.5, 4.0), self._lose, client)
                await client.gone
                self.clients.pop(name, None)
                provider.away += 1
            await asyncio.sleep(self.rng.uniform(0.2, 2.0))

    def _lose(self, client: Client) -> None:
        if self.going:
            client.drop()

    async def _load(self) -> None:
        known = [
            segment for province in synthetic_recipients.PROVINCES for segment in synthetic_recipients.segments()[province]
        ]
        source = (self.rng.choice(known) * 10_000 + self.rng.randrange(10_000) for _ in itertools.count())
        began, due, said = time.monotonic(), 0.0, 0.0
        while (now := time.monotonic() - began) < self.seconds:
            due = now * self.rate
            shares: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
            while self.serial < due:
                name = self.rng.choice(list(self.clients) or ["p1"])
                if name not in self.clients or len(self.clients[name].in_flight) + len(shares[name]) >= WINDOW:
                    break
                self.serial += 1
                self.owners[self.serial] = name
                shares[name].append((self.serial, next(source)))
            for name, share in shares.items():
                self.clients[name].submit(share)
            while said < now * REPLIES_PER_S:
                said += 1
                self._reply(next(source), f"收到了谢谢 {said:.0f}")
            await asyncio.sleep(TICK_S)

    def _reply(self, recipient: int, text: str) -> None:
        name = self.rng.choice(list(PROVIDERS))
        self.asked[text] = name
        self.carrier.reply(str(recipient), PROVIDERS[name] + "02", text)

    async def _settle(self) -> None:
        """Until all that should arrive has arrived, or the time for it is over."""
        deadline = time.monotonic() + SETTLE_S
        while time.monotonic() < deadline and (self.carrier.waiting or self._missing()):  # noqa: ASYNC110
            await asyncio.sleep(0.05)

    def _due(self) -> dict[str, str]:
        """Message id → the provider who sent it, of all that the carrier took: also where no answer reached the provider."""
        due = {}
        for line in self.carrier.log.submits:
            if line.message_id:
                serial = int(line.sms.text.removeprefix("您的包裹").partition("已")[0])
                due[line.message_id] = self.owners[serial]
        return due

    def _missing(self) -> int:
        got = sum(len(one.receipts) for one in self.providers.values())
        replies = sum(len(one.replies) for one in self.providers.values())
        return len(self.asked) + self.carrier.log.statuses[0] - got - replies

    def _report(self, metrics: str, took_s: float, cpu_s: float) -> Report:
        due, log = self._due(), self.carrier.log
        faults = Counter[str]()
        for provider in self.providers.values():
            for message_id in provider.receipts:
                faults["receipts misrouted"] += due.get(message_id) != provider.name
            for text in provider.replies:
                faults["replies misrouted"] += self.asked.get(text) != provider.name
            if provider.name not in RESTLESS:
                doubled = [*provider.receipts.values(), *provider.replies.values()]
                faults["twice, though nobody was away"] += sum(count > 1 for count in doubled)
                faults["never answered, though nobody was away"] += len(provider.unanswered)
            for message_id in filter(None, provider.answered.values()):
                faults["ids that no carrier gave"] += message_id not in due
        faults["receipts lost"] = sum(not self.providers[name].receipts[message_id] for message_id, name in due.items())
        faults["replies lost"] = sum(not self.providers[name].replies[text] for text, name in self.asked.items())
        faults["delivers not acknowledged"] = sum(one.status != 0 for one in log.delivers)
        took = sorted(one.took_s for one in log.delivers)
        faults["delivers acknowledged too late"] = sum(one > ACKNOWLEDGED_S_MAX for one in took)
        faults["delivers the simulator dropped"] = log.dropped
        if "gate106_sent_after_optout_total 0.0" not in metrics:
            faults["sent after an opt-out"] = 1
        if wrong := {what: count for what, count in faults.items() if count}:
            raise Astray(", ".join(f"{count} {what}" for what, count in wrong.items()))
        answered = [message_id for one in self.providers.values() for message_id in one.answered.values()]
        return Report(
            submits=self.serial,
            accepted=sum(map(bool, answered)),
            refused=sum(not one for one in answered),
            unanswered=sum(len(one.unanswered) for one in self.providers.values()),
            receipts=len(due),
            replies=len(self.asked),
            twice=sum(
                count - 1 for one in self.providers.values() for count in [*one.receipts.values(), *one.replies.values()]
            ),
            bind_losses=sum(one.away for one in self.providers.values() if one.name in RESTLESS),
            acknowledged_ms={
                "half": took[len(took) // 2] * 1e3,
                "99 %": took[int(len(took) * 0.99)] * 1e3,
                "slowest": took[-1] * 1e3,
            },
            gate_cpu_us=cpu_s / max(1, self.serial) * 1e6,
            seconds=took_s,
        )


def deliver_relay(folder: Path, rate: float, seconds: float) -> Report:
    """Runs it; raises Astray."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(Run(folder, rate, seconds).run())


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--rate", type=float, default=2000.0)
    parser.add_argument("--seconds", type=float, default=300.0)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gate106-way-back-") as folder:
        try:
            print(deliver_relay(Path(folder), asked.rate, asked.seconds))
        except Astray as astray:
            print(f"lost or misrouted: {astray}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
