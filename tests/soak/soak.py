"""A soak: hours of steady load with bursts on a real gate, while rules change, binds and links are lost, commands come and old segments go;
then memory, descriptors, and every submit, receipt and reply are accounted for.

In: a rate, a time. Out: a report (JSON, and a table for people); exit 1 when anything was lost, doubled or grew. Never: a bound on how
fast an answer comes, for the machine may do other things.

    python -m tests.soak.soak --rate 500 --seconds 7200 --out soak.json        (make soak)
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import math
import os
import random
import re
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from http.client import HTTPException
from pathlib import Path

import uvloop

from proxy.sim import gate_process, measure, pdus, synthetic_recipients
from proxy.sim.encoded_submits import recipients
from tests.soak import judgement
from tests.soak.gate_that_hurries import EVERY_S, Hurry
from tests.soak.judgement import MIB, Bounds, Report, Sample
from tests.soak.senders import BINDS, RESTLESS, WINDOW, Seat, companies, ports_of
from tests.soak.smsc import LATER, Deliver, Smsc, Ways
from tests.soak.tally import OWED, Tally

PEOPLE = 8_000
"""So few that the records of all of them are as full as they get before the second half of two hours begins."""
TICK_S = 0.01
BEHIND_S = 2.0
"""What fell due longer ago is not made up for: the gate or the machine was busy."""
TELL_EVERY = 30
"""Samples, to whom waits."""
BURST, BURST_S = 3.0, 3.0
SETTLE_S = 120.0
UP_S = 60.0
TRIES = 5
SLOPE_FROM_S = 1800.0
"""A shorter run says nothing of memory, unless it is told how much is allowed."""
OFFICERS_PERSON = "13800210500"
"""Whom commands are about."""
CAPS = re.compile(r"^( *)(reason: (?:recipient|advertiser|category)-cap)$(?!\n *mode:)", re.MULTILINE)
"""Rules with these reasons are enforced and in shadow in turns: else most of two hours of advertisements would be refused."""


@dataclass(frozen=True, slots=True)
class Plan:
    rate: float
    seconds: float
    slope_mib_h: float | None = None
    """Bound on memory; None: ``SLOPE_MIB_H`` for a run that is long enough."""
    leak_bytes_s: int = 0
    lose_receipts: int = 0
    """Faults on purpose: the test that a soak can fail."""
    seed: int = 106

    @property
    def pace(self) -> float:
        """Shorter runs have everything more often: by this factor."""
        return min(1.0, self.seconds / 1200)

    def every(self, seconds: float, least: float = 2.0) -> float:
        return max(least, seconds * self.pace)


SLOPE_MIB_H = 16.0


class Soak:
    def __init__(self, folder: Path, plan: Plan) -> None:
        self.folder, self.plan = folder, plan
        self.rng = random.Random(plan.seed)
        self.submits, self.replies = Tally(), Tally()
        short = plan.seconds < 600
        self.response_s = 2.0 if short else 10.0
        self.smsc = Smsc(self.submits, Ways(late_s=self.response_s * 1.3, loses=plan.lose_receipts))
        self.companies = companies()
        self.restless = [one.owner for one in self.companies if one.name in RESTLESS]
        crowd = recipients(synthetic_recipients.distinct_numbers(PEOPLE, plan.seed))
        self.seats = [
            Seat(one, self.submits, self.replies, crowd, (one.owner * BINDS + place) * 797)
            for one in self.companies
            for place in range(BINDS)
        ]
        self.samples: list[Sample] = []
        self.done: Counter[str] = Counter()
        """What was done to the gate, and how often."""
        self.failed: Counter[str] = Counter()
        self.hurry = Hurry(
            inside=str(folder / "inside.json"),
            segment_bytes=(1 << 20) if short else (16 << 20),
            keep_s=min(600.0, plan.seconds / 4),
            expire_s=plan.every(60),
            leak_bytes_s=plan.leak_bytes_s,
        )
        self._began = 0.0
        self._over, self._settled = asyncio.Event(), asyncio.Event()
        """The load; and what came of it."""

    async def run(self) -> Report:
        port = await self.smsc.start()
        rules = gate_process.copy_rules(self.folder / "rules", datetime.now(gate_process.CHINA), ports_of(self.companies))
        self._caps = (rules / "caps.yaml").read_text(encoding="utf-8")
        self._change_rules(0)
        sides = [
            gate_process.SimulatedProvider(one.name, (one.ports.otp[:-2],), window=WINDOW, category="marketing")
            for one in self.companies
        ]
        settings, smpp, http = gate_process.write_settings(
            self.folder, [gate_process.CarrierSide(port)], sides, rules=rules, response_s=self.response_s
        )
        self.settings = settings
        program = ("tests.soak.gate_that_hurries", json.dumps(asdict(self.hurry)))
        self.gate = gate_process.GateUnderTest(self.folder, settings, smpp, http, program)
        await asyncio.to_thread(self.gate.start)
        try:
            return await self._soaked()
        finally:
            with contextlib.suppress(gate_process.GateFailed):
                await asyncio.to_thread(self.gate.stop)
            await self.smsc.stop()

    async def _soaked(self) -> Report:
        plan = self.plan
        keeping = [asyncio.create_task(self._keep(seat)) for seat in self.seats]
        self._began = time.monotonic()
        first = await self._at_rest()
        before_s, self._began = measure.cpu_s(self.gate.pid), time.monotonic()
        sampling = asyncio.create_task(self._each(plan.every(10, 0.1), self._sampled, self._settled))
        troubles = [
            self._each(plan.every(10, 0.5), self._scraped),
            self._each(plan.every(60), self._reload),
            self._each(plan.every(97), self._cut),
            self._each(plan.every(120), self._slow_spell),
            self._each(plan.every(45, 3.0), self._command),
            self._each(plan.every(600), self._backup),
        ]
        tasks = [asyncio.create_task(one) for one in troubles]
        await self._load()
        lasted_s = time.monotonic() - self._began
        self._over.set()
        await asyncio.gather(*tasks)
        await self._settle()
        self._settled.set()
        await sampling
        last = await self._at_rest()
        cpu_s = measure.cpu_s(self.gate.pid) - before_s
        metrics = measure.samples(await self._metrics())
        for seat in self.seats:
            if seat.bind:
                seat.bind.leaves = True
        for task in keeping:
            task.cancel()
        await asyncio.gather(*keeping, return_exceptions=True)
        code = await asyncio.to_thread(self.gate.stop)
        self.failed["the gate did not end with 0"] += code != 0
        verified = await self._verify()
        return self._report(first, last, metrics, cpu_s, lasted_s, verified)

    # -- providers

    async def _keep(self, seat: Seat) -> None:
        lasts = (self.plan.every(10), self.plan.every(90)) if seat.company.owner in self.restless else None
        await seat.keep(self.gate.smpp, random.Random(self.rng.random()), lasts)

    async def _up(self) -> None:
        """Until all binds and links are up at once."""
        deadline = time.monotonic() + UP_S
        while not (all(seat.bind and seat.bind.room for seat in self.seats) and sum(x.bound for x in self.smsc.lines) == 2):
            if time.monotonic() > deadline:
                self.failed["not all binds and links came up"] += 1
                return
            await asyncio.sleep(0.02)

    async def _at_rest(self) -> Sample:
        """A sample of now: what the gate tells of itself is up to a second old."""
        await self._up()
        await asyncio.sleep(2 * EVERY_S)
        await self._up()
        return await self._sample()

    async def _load(self) -> None:
        rate, seats, place = self.plan.rate, self.seats, 0
        before, owed, said = time.monotonic(), 0.0, 0.0
        end, burst_every = before + self.plan.seconds, self.plan.every(60, 5.0)
        while (now := time.monotonic()) < end:
            if self.gate.ended():
                raise gate_process.GateFailed(f"the gate is no more: {self.gate.last_words()}")
            bursts = (now - self._began) % burst_every > burst_every - min(BURST_S, burst_every / 4)
            owed = min(owed + (now - before) * rate * (BURST if bursts else 1), rate * BEHIND_S)
            said += (now - before) * rate / 100
            before = now
            for _ in seats:
                place = (place + 1) % len(seats)
                bind = seats[place].bind
                count = min(math.ceil(owed / len(seats)), bind.room if bind else 0, int(owed))
                if count > 0:
                    seats[place].send(count)
                    owed -= count
            while said >= 1:
                said -= 1
                self._reply()
            await asyncio.sleep(TICK_S)

    def _reply(self) -> None:
        seat, chance = self.rng.choice(self.seats), self.rng.random()
        text = "TD" if chance < 0.3 else "START" if chance < 0.6 else "收到, 谢谢"
        port = seat.company.ports.marketing if chance < 0.6 else seat.company.ports.notice
        number = self.replies.add(seat.company.owner)
        self.replies.owe(number)
        self.done[f"replies {text}" if chance < 0.6 else "other replies"] += 1
        data = pdus.deliver_sm(seat.people_of(self.rng), port, text.encode("utf-16-be"))
        self.smsc.deliver(Deliver(self.replies, number, data))

    async def _settle(self) -> None:
        """Until all that should arrive has arrived, or the time for it is over."""
        deadline = time.monotonic() + SETTLE_S
        least = time.monotonic() + self.smsc.ways.late_s + self.smsc.ways.receipt_after_s + 0.5
        while time.monotonic() < deadline:
            open_ = self.smsc.waiting + self.submits.missing + self.replies.missing - self.smsc.lost
            open_ += sum(len(seat.bind.in_flight) for seat in self.seats if seat.bind)
            if open_ <= 0 and time.monotonic() > least:
                return
            await asyncio.sleep(0.05)

    # -- what is done to the gate

    async def _each(self, seconds: float, act: Callable[[], Awaitable[None]], over: asyncio.Event | None = None) -> None:
        """Again and again until the load is over, or what is told; what has begun then is led to its end."""
        over = over or self._over
        while not over.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(over.wait(), seconds)
                return
            await act()

    def _change_rules(self, number: int) -> None:
        """Every time another set: caps in force or in shadow, another list of words."""
        rules = self.folder / "rules"
        caps = self._caps if number % 2 else CAPS.sub(r"\1\2\n\1mode: shadow", self._caps)
        words = "".join(f"一个很少见的词语{number}之{place}\n" for place in range(2_000))
        (rules / "lists" / "soak.txt").write_text(words, encoding="utf-8")
        (rules / "soak.yaml").write_text(_LIST, encoding="utf-8")
        fresh = rules / ".caps.fresh"
        fresh.write_text(caps, encoding="utf-8")
        fresh.rename(rules / "caps.yaml")

    async def _reload(self) -> None:
        number = self.done["reloads by SIGHUP"] + self.done["reloads by command"] + 1
        await asyncio.to_thread(self._change_rules, number)
        if number % 2:
            os.kill(self.gate.pid, signal.SIGHUP)
            self.done["reloads by SIGHUP"] += 1
        else:
            await self._told("rules", "reload")
            self.done["reloads by command"] += 1

    async def _cut(self) -> None:
        """One link, sometimes all."""
        self.smsc.cut(2 if self.rng.random() < 0.3 else 1)

    async def _slow_spell(self) -> None:
        self.done["slow spells of the carrier"] += 1
        self.smsc.slow = True
        await asyncio.sleep(min(5.0, self.plan.every(5, 1.0)))
        self.smsc.slow = False

    async def _command(self) -> None:
        which = self.done["commands"] % len(_COMMANDS)
        await self._told(*_COMMANDS[which])
        self.done["commands"] += 1

    async def _backup(self) -> None:
        copy = self.folder / "copy"
        await self._told("backup", str(copy), *(["--update"] if copy.exists() else []))
        self.done["copies"] += 1

    async def _told(self, *words: str, config: bool = True) -> str:
        """Runs a command; what it said, or a fault."""
        more = ("--config", str(self.settings)) if config else ()
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "proxy", *words, *more,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, env=gate_process.environment(),
        )  # fmt: skip
        said, _ = await process.communicate()
        text = said.decode(errors="replace").strip()
        if process.returncode:
            self.failed[f"gate106 {' '.join(words[:2])}: exit {process.returncode}: {text[-200:]}"] += 1
        return text

    async def _verify(self) -> str:
        return (await self._told("journal", "verify", str(self.folder / "journal"), config=False)).splitlines()[0]

    # -- what is seen of it

    async def _sampled(self) -> None:
        sample = await self._sample()
        self.samples.append(sample)
        if len(self.samples) % TELL_EVERY == 0:
            told = f"{sample.memory_mib:.1f} MiB, {sample.descriptors} descriptors, {sample.tasks} tasks, journal {sample.journal_mib:.0f} MiB"
            print(f"{sample.at_s:7.0f} s: {sample.sent:,} sent, {sample.answered:,} answered; {told}", file=sys.stderr)

    async def _scraped(self) -> None:
        """As by Prometheus."""
        try:
            await asyncio.to_thread(self.gate.metrics)
        except (OSError, HTTPException):  # on a busy machine
            self.done["scrapes that had no answer in time"] += 1

    async def _sample(self) -> Sample:
        return await asyncio.to_thread(self._look)

    def _look(self) -> Sample:
        process = Path(f"/proc/{self.gate.pid}")
        inside = {"tasks": 0, "blocks": 0}
        with contextlib.suppress(OSError):
            inside = json.loads(Path(self.hurry.inside).read_text())
        return Sample(
            at_s=round(time.monotonic() - self._began, 1),
            memory_mib=round(measure.memory_bytes(self.gate.pid) / MIB, 2),
            descriptors=len(list((process / "fd").iterdir())),
            threads=len(list((process / "task").iterdir())),
            journal_mib=round(_octets(self.folder / "journal") / MIB, 1),
            store_mib=round(sum(_octets(path) for path in self.folder.glob("state.db*")) / MIB, 1),
            sent=self.submits.count,
            answered=sum(sum(one.statuses.values()) for one in self.companies),
            **inside,
        )

    async def _metrics(self) -> str:
        """Those of the end, which must come."""
        for _ in range(TRIES):
            with contextlib.suppress(OSError, HTTPException):
                return await asyncio.to_thread(self.gate.metrics)
        self.failed["/metrics did not answer"] += 1
        return ""

    def _report(
        self, first: Sample, last: Sample, metrics: measure.Samples, cpu_s: float, lasted_s: float, verified: str
    ) -> Report:
        line = judgement.memory_slope(self.samples)
        bounds = Bounds(self.plan.slope_mib_h)
        if bounds.slope_mib_h is None and self.plan.seconds >= SLOPE_FROM_S:
            bounds = replace(bounds, slope_mib_h=SLOPE_MIB_H)
        faults = judgement.of_the_process(first, last, self.samples, bounds)
        faults += judgement.of_the_messages(self.submits, self.replies, self.restless)
        for one in self.companies:
            faults += one.astray
        faults += self.failed
        faults["submits that came to the carrier twice"] = self.smsc.twice
        for status, count in self.smsc.refused_delivers.items():
            faults[f"delivers the gate refused with 0x{status:x}"] = 0 if status in LATER else count
        statuses: Counter[int] = sum((one.statuses for one in self.companies), Counter())
        faults.update(self._counted(metrics, sum(statuses.values())))
        receipts = sum(count for (flags, _), count in self.submits.kinds(()).items() if flags & OWED)
        counts = {
            "submits": self.submits.count,
            "answered": sum(statuses.values()),
            "accepted": statuses[0],
            "receipts": receipts,
            "replies": self.replies.count,
            "binds lost": sum(one.losses for one in self.companies),
            "delivers asked for once more": sum(self.smsc.refused_delivers[status] for status in LATER),
            "links cut": self.smsc.cuts,
            **dict(sorted(self.done.items())),
        }
        return Report(
            seconds=round(lasted_s, 1), rate=self.plan.rate, counts=counts,
            statuses={f"0x{status:x}": count for status, count in sorted(statuses.items())},
            memory_mib_h=round(line.slope, 2), memory_mib_h_error=round(line.error, 2), first=first, last=last,
            journal_mib_most=max((one.journal_mib for one in self.samples), default=0.0), journal_verified=verified,
            cpu_us_a_submit=round(cpu_s / max(1, self.submits.count) * 1e6, 1), faults={k: v for k, v in faults.items() if v},
            machine=measure.machine(), at=f"{datetime.now(gate_process.CHINA):%Y-%m-%d %H:%M}", samples=self.samples,
        )  # fmt: skip

    def _counted(self, metrics: measure.Samples, answered: int) -> Counter[str]:
        """What the gate says of itself must fit."""
        total: Counter[str] = Counter()
        for (name, labels), value in metrics.items():
            total[name] += int(value)
            if name == "gate106_rules_reload_total" and dict(labels)["result"] != "ok":
                total["bad reloads"] += int(value)
        changed = self.done["reloads by SIGHUP"] + self.done["reloads by command"]
        return Counter({
            "sent after an opt-out, by the gate's own count": total["gate106_sent_after_optout_total"],
            "reloads that failed": total["bad reloads"],
            "answers more than the gate counted": max(0, answered - total["gate106_submits_total"] - total["gate106_segments_total"]),
            "reloads that the gate does not know of": max(0, changed - total["gate106_rules_reload_total"]),
            "no opt-outs counted": int(self.done["replies TD"] > 50 and not total["gate106_optouts_total"]),
        })  # fmt: skip


def _octets(path: Path) -> int:
    """Of a file, or of the files in a folder; one that has just gone has none."""
    try:
        return sum(map(_octets, path.iterdir())) if path.is_dir() else path.stat().st_size
    except FileNotFoundError:
        return 0


_LIST = """\
rules:
  - id: soak-words
    say: 词表, 每次不同
    when: {text: {file: lists/soak.txt}}
    then: reject
    reason: keyword
"""
_COMMANDS = (
    ("binds",),
    ("explain", "--record", "--to", OFFICERS_PERSON, "--from", "1069000101", "--text", "【测试】双11券 拒收请回复R"),
    ("suppress", "add", "--to", OFFICERS_PERSON, "--why", "soak", "--for", "1d"),
    ("links",),
    ("links", "drain", "bj/1", "--why", "soak", "--for", "1m"),
    ("links", "enable", "bj/1", "--why", "soak"),
    ("stop", "--province", "西藏", "--category", "marketing", "--for", "1m", "--why", "soak"),
    ("suppress", "remove", "--to", OFFICERS_PERSON, "--why", "soak"),
    ("rules",),
    ("journal", "expire", "--dry-run"),
)


def soak(folder: Path, plan: Plan) -> Report:
    """Runs it all."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(Soak(folder, plan).run())


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--rate", type=float, default=500.0)
    parser.add_argument("--seconds", type=float, default=7200.0)
    parser.add_argument(
        "--slope-mib-h", type=float, default=None, help="bound on memory; judged from half an hour on if not given"
    )
    parser.add_argument("--out", type=Path, default=None, help="where the report goes, as JSON")
    parser.add_argument("--keep", type=Path, default=None, help="a new folder for the gate's files, which stay")
    asked = parser.parse_args()
    plan = Plan(asked.rate, asked.seconds, asked.slope_mib_h)
    with tempfile.TemporaryDirectory(prefix="gate106-soak-") as temporary:
        folder = asked.keep or Path(temporary)
        folder.mkdir(exist_ok=True)
        report = soak(folder, plan)
    if asked.out:
        asked.out.write_text(json.dumps(asdict(report), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    print(report)
    return 1 if report.faults else 0


if __name__ == "__main__":
    sys.exit(main())
