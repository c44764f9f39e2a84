"""Ends: a carrier, two providers and a gate, of this or of an earlier commit, for a story that begins on one and goes on on another.

In: where the gate's code and state lie, what time it believes it is. Out: what was answered and delivered. Never: the gate's insides.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Collection
from pathlib import Path

from proxy.sim import pdus
from proxy.sim.gate_process import CarrierSide, GateUnderTest, SimulatedProvider, write_settings
from proxy.sim.simulated_carrier import IGNORE, Conduct, SimulatedCarrier, by_ending
from proxy.sim.texts import parts
from tests import forked
from tests.soak.transceiver import Transceiver

ROOT = Path(__file__).parents[2]
PORTS = {"jia": "1069001", "yi": "1069002"}
CATEGORIES = {"jia": "marketing", "yi": "notice"}
NOTICE = "【乙】您的快件已到{}号柜, 请凭取件码领取"
AD = "【测试】好礼{} 拒收请回复R"
TAKEN_BACK, SILENT = "0009", "0008"
"""What the numbers end with that the carrier refuses, or never answers."""
WITHIN_S, COMMAND_S = 20.0, 60.0
RULES = """\
rules:
  - {id: suppressed, when: {category: marketing, suppressed: true}, then: reject, reason: suppressed}
  - {id: words, when: {text: {words: [六合彩]}}, then: reject, reason: keyword}
  - {id: cap, when: {category: marketing}, limit: {count: 3, per: day, key: [recipient]}, then: reject, reason: recipient-cap}
  - {id: quota, when: {provider: yi}, limit: {count: 5, per: day, key: [provider]}, then: reject, reason: provider-quota}
"""
REJECTED = {"cap": 0x410, "suppressed": 0x420, "quota": 0x470, "stopped": 0x473, "words": 0x450}


class Bind(Transceiver):
    """A provider's bind, which waits for each answer."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.answers: dict[int, tuple[int, str]] = {}
        self.receipts: list[str] = []
        """Ids, in the order they came."""
        self.replies: list[str] = []

    def answered(self, number: int, status: int, message_id: bytes) -> None:
        self.answers[number] = status, message_id.decode()

    def delivered(self, data: bytes) -> None:
        sms = pdus.read(data)
        if sms.esm_class & pdus.RECEIPT:
            self.receipts.append(sms.body.decode().split()[0].removeprefix("id:"))
        else:
            self.replies.append(sms.text)

    def lost(self, numbers: Collection[int]) -> None:
        pass

    def submit(self, recipient: str, text: str, long: int | None = None) -> int:
        """Writes a message (``long``: in parts, with that reference); the sequence number of its last part."""
        bodies = [text.encode("utf-16-be")] if long is None else parts(text, long)
        for body in bodies:
            self.sequence += 1
            self.in_flight[self.sequence] = self.sequence
            esm_class = 0 if long is None else pdus.UDHI
            source = PORTS[self.system_id]
            self.write(pdus.submit_sm(source, recipient, body, esm_class=esm_class, registered=1, sequence=self.sequence))
        return self.sequence

    async def say(self, recipient: str, text: str, long: int | None = None) -> int:
        """The status of the answer (of the last part)."""
        number = self.submit(recipient, text, long)
        await until(lambda: number in self.answers, f"an answer to {text}")
        return self.answers[number][0]

    @property
    def ids(self) -> list[str]:
        """Of all that were accepted, in order."""
        return [message_id for _, (status, message_id) in sorted(self.answers.items()) if not status]


async def until(look, what: str) -> None:
    deadline = time.monotonic() + WITHIN_S
    while not look():
        assert time.monotonic() < deadline, f"not within {WITHIN_S} s: {what}"
        await asyncio.sleep(0.01)


class Ends:
    """``code``: the tree whose gate runs."""

    def __init__(self, folder: Path, code: Path = ROOT) -> None:
        self.folder, self.code = folder, code
        self.carrier = SimulatedCarrier(
            Conduct(rule=by_ending({TAKEN_BACK: 0x45, SILENT: IGNORE}), receipt_after_s=0.01, log=True)
        )
        self._gate: GateUnderTest | None = None

    async def open(self, first_id: int = 1) -> None:
        """The carrier listens, settings and rules lie there."""
        self.carrier.next_id = first_id
        self.write_settings(await self.carrier.start())

    def write_settings(self, port: int) -> None:
        """``port``: the carrier's."""
        rules = self.folder / "rules"
        if not rules.exists():
            rules.mkdir()
            (rules / "rules.yaml").write_text(RULES, encoding="utf-8")
        sides = [SimulatedProvider(name, (prefix,), category=CATEGORIES[name]) for name, prefix in PORTS.items()]
        self.settings, self.smpp, self.http = write_settings(
            self.folder, [CarrierSide(port, window=32, tps=500)], sides, response_s=2
        )

    async def start(self, at: float | None = None) -> None:
        """A gate; ``at``: it believes that it is then."""
        program = ("proxy", "serve", "--config") if at is None else ("tests.upgrade.gate_of_then", str(time.time() - at))
        gate = GateUnderTest(self.folder, self.settings, self.smpp, self.http, program, self.code)
        self._gate = gate
        await asyncio.to_thread(gate.start)
        await until(self.links_up, "two links to the carrier")

    async def bind(self, name: str) -> Bind:
        bind = Bind(name)
        await asyncio.get_running_loop().create_connection(lambda: bind, "127.0.0.1", self.smpp)
        assert await bind.bound
        return bind

    async def stop(self) -> None:
        assert self._gate is not None
        assert await asyncio.to_thread(self._gate.stop) == 0

    def kill(self) -> None:
        assert self._gate is not None
        self._gate.kill()

    async def close(self) -> None:
        if self._gate is not None:
            self._gate.kill()
        await self.carrier.stop()

    async def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """A command of the gate. Today's runs in a copy (forked.py); the gate itself is started by its command line."""
        env = os.environ | {"PYTHONPATH": str(self.code)}
        if self.code == ROOT and forked.WANTED:
            return await asyncio.to_thread(forked.run, [*words], cwd=ROOT, env=env, timeout=COMMAND_S)
        command = [sys.executable, "-m", "proxy", *words]
        return await asyncio.to_thread(
            subprocess.run, command, cwd=self.code, env=env, capture_output=True, text=True, check=False
        )

    async def command(self, *words: str, config: bool = True) -> str:
        """What ``gate106 …`` says; AssertionError where it does not end with 0."""
        done = await self.run(*words, *(("--config", str(self.settings)) if config else ()))
        assert done.returncode == 0, f"gate106 {' '.join(words)}: {done.stdout}{done.stderr}"
        return done.stdout

    async def rules_say(self, more: str) -> None:
        """Other rules, in force."""
        (self.folder / "rules" / "rules.yaml").write_text(RULES + more, encoding="utf-8")
        await self.command("rules", "reload")

    def links_up(self) -> bool:
        return sum(line.receives for line in self.carrier.lines) == 2
