"""Changes 500 rules and a list of 100,000 words under load, and measures the longest pause.

In: a rate, a number of changes. Out: for each change its duration, the longest time without an answer, the slowest answer; the same figures without any
change. Never: a promise about a machine that does other work, too.

    python -m tests.bench.reload --rate 1000 --times 5 [--words 100000] [--rules 500]        (make reload)

The first change brings the whole list, the second an entirely different list, the others a hundred words more or fewer.
"""

import argparse
import asyncio
import contextlib
import gc
import json
import os
import random
import sys
import tempfile
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from time import perf_counter

import uvloop

from proxy.model.message import Category
from proxy.sim import measure
from proxy.sim.bench.gate_process import count_rules, extra_rules
from proxy.sim.bench.load_generator import LoadGenerator
from proxy.sim.bench.run_figures import LoadPlan, histogram, quantile_ms
from proxy.sim.encoded_submits import DeckPorts
from proxy.sim.gate_process import CHINA, CarrierSide, GateUnderTest, SimulatedProvider, copy_rules, write_settings

BINDS, WINDOW = 4, 50
PREFIX = "1069012"
LOOK_AGAIN_S = 0.05
LOOK_S = 0.0005  # how often the answers are counted
WORTH_A_LOOK_S = 0.005
"""Gaps from this length on are compared with the time that the processes waited for a core; /proc is read at this interval."""
STILL_S = 3.0  # before the changes and behind them, for comparison
IN_FORCE_S = 60.0
STRICT_S = 0.02  # the bound of a pause during a change (DESIGN)
LETTERS = [*map(chr, range(0x4E00, 0x7000))]


@dataclass(frozen=True, slots=True)
class LoadWindow:
    what: str
    lasted_s: float
    answers: int
    longest_gap_ms: float  # without any answer
    longest_own_ms: float  # without the time that the gate and the generator waited for a core
    slowest_ms: float  # from when a submit was due to its answer


@dataclass(frozen=True, slots=True)
class ReloadReport:
    rules: int
    words: int
    rate: float
    sent: int
    answered: int
    unanswered: int
    windows: tuple[LoadWindow, ...]

    @property
    def worst_ms(self) -> float:
        """The longest time without an answer around a change."""
        return max(one.longest_gap_ms for one in self.windows if one.what != "no change")


def words_of(count: int, seed: int) -> list[str]:
    """Random words of three to six characters, which no simulated text has but by chance."""
    chance = random.Random(seed)
    found: dict[str, None] = {}
    while len(found) < count:
        found["".join(chance.choices(LETTERS, k=chance.randrange(3, 7)))] = None
    return list(found)


def lists(words: int, times: int) -> list[list[str]]:
    found = [words_of(words, 1), words_of(words, 2)]
    while len(found) < times:
        fresh = words_of(100, 3 + len(found))
        found.append([*found[-1][50:], *fresh[: 100 if len(found) % 2 else 20]])
    return found[:times]


class Watch:
    """Polls the counts of a load generator for gaps without an answer."""

    def __init__(self, load: LoadGenerator, gate: int, look_s: float) -> None:
        """``gate``: process id; ``look_s``: interval between two counts (a short one takes most of a core)."""
        self.load = load
        self._look_s = look_s
        self.longest_s = self.longest_own_s = 0.0
        self._gate = gate
        self._looked = perf_counter()
        self._waits: dict[Path, int] = {}  # of each thread, in nanoseconds; those that ended, too
        self._answered, self._at, self._waited = load.answered, perf_counter(), self._waited_s()

    def _waited_s(self) -> float:
        """Seconds that threads of both processes have been runnable without a core, since they began."""
        for process in (self._gate, os.getpid()):
            for task in Path(f"/proc/{process}/task").iterdir():
                with contextlib.suppress(OSError):
                    self._waits[task] = int((task / "schedstat").read_text().split()[1])
        return sum(self._waits.values()) * 1e-9

    async def look(self) -> None:
        while True:
            await asyncio.sleep(self._look_s)
            now = perf_counter()
            if self.load.answered != self._answered:
                gap_s = now - self._at
                if gap_s > WORTH_A_LOOK_S:
                    waited = self._waited_s()
                    self.longest_own_s = max(self.longest_own_s, gap_s - (waited - self._waited))
                    self._waited = waited
                elif now - self._looked > WORTH_A_LOOK_S:
                    self._waited, self._looked = self._waited_s(), now
                self.longest_s = max(self.longest_s, gap_s)
                self._answered, self._at = self.load.answered, now

    async def over(self, what: str, lasts: Awaitable[object]) -> LoadWindow:
        """The figures of the time in which ``lasts`` is awaited."""
        sent, answered = self.load.sent, self.load.answered
        self.load.histogram = histogram()
        self.longest_s = self.longest_own_s = 0.0
        self._at = self._looked = perf_counter()
        self._waited = self._waited_s()
        began = perf_counter()
        await lasts
        assert self.load.sent > sent, "nothing was sent: the generator stands still"
        lasted_s = perf_counter() - began
        slowest = quantile_ms(self.load.histogram, 1.0)
        answers = self.load.answered - answered
        return LoadWindow(
            what,
            round(lasted_s, 2),
            answers,
            round(self.longest_s * 1e3, 1),
            round(self.longest_own_s * 1e3, 1),
            round(slowest, 1),
        )


def reload_under_load(
    folder: Path, *, rate: float, times: int, words: int, rules: int, look_s: float = LOOK_S, still_s: float = STILL_S
) -> ReloadReport:
    """Runs all changes. Raises AssertionError if a submit was lost."""
    return uvloop.run(_run(folder, rate=rate, times=times, words=words, rules=rules, look_s=look_s, still_s=still_s))


async def _run(folder: Path, *, rate: float, times: int, words: int, rules: int, look_s: float, still_s: float) -> ReloadReport:
    ports = DeckPorts.under(PREFIX)
    shipped = copy_rules(
        folder / "rules", datetime.now(CHINA), [(ports.of(one), "", one) for one in (Category.OTP, Category.NOTICE)]
    )
    (shipped / "extra.yaml").write_text(extra_rules(rules - count_rules(shipped) - 1), encoding="utf-8")
    (shipped / "lists").mkdir(exist_ok=True)
    (shipped / "long.yaml").write_text(_LONG, encoding="utf-8")
    (shipped / "lists" / "long.txt").write_text("一个很少见的词语\n", encoding="utf-8")
    held = lists(words, times)
    load = LoadGenerator(LoadPlan("standard", BINDS, WINDOW, 0.0, 0.0, rate, 50_000, {"jia": PREFIX}, "secret"))
    gate = GateUnderTest(
        folder, *write_settings(folder, [CarrierSide(load.prepare())], [SimulatedProvider("jia", (PREFIX,), window=WINDOW)])
    )
    cores = os.sched_getaffinity(0)
    core, others = measure.split_cores(cores)
    sending = Sending(load)
    sending.start()
    try:
        await asyncio.to_thread(gate.start, core)
        os.sched_setaffinity(0, others)
        gc.collect()
        gc.freeze()  # no gap is to be the generator's own
        sending.port.set_result(gate.smpp)
        return await _measured(gate, shipped, sending, held, look_s, still_s)
    finally:
        os.sched_setaffinity(0, cores)  # or all that this process does later had one core
        await asyncio.to_thread(gate.stop)
        sending.ended.set()
        sending.join()


class Sending(threading.Thread):
    """The load generator, which answers as the carrier, too; the event loop counts beside it."""

    def __init__(self, load: LoadGenerator) -> None:
        super().__init__(name="load", daemon=True)
        self.load = load
        self.port: Future[int] = Future()
        self.stops, self.ended = threading.Event(), threading.Event()
        self.left: Future[int] = Future()
        """Submits that were never answered."""

    def run(self) -> None:
        try:
            self._serve(lambda: self.port.done() or self.ended.is_set())
            if self.port.done():
                self.load.bind(self.port.result())
                self.load.go(self.load.plan.rate)
                self._serve(self.stops.is_set)
                self.left.set_result(self.load.drain())
                self.load.unbind()
            self._serve(self.ended.is_set)
        except (RuntimeError, OSError) as error:
            if not self.left.done():
                self.left.set_exception(error)

    def _serve(self, until: Callable[[], bool]) -> None:
        while not until():
            self.load.serve(until, perf_counter() + LOOK_AGAIN_S)


async def _measured(
    gate: GateUnderTest, rules: Path, sending: Sending, held: list[list[str]], look_s: float, still_s: float
) -> ReloadReport:
    load = sending.load
    while not load.answered:  # it lives in a thread
        assert not sending.left.done(), sending.left.result()
        await asyncio.sleep(LOOK_AGAIN_S)
    watch = Watch(load, gate.pid, look_s)
    looking = asyncio.create_task(watch.look())
    await asyncio.sleep(still_s)
    windows = [await watch.over("no change", asyncio.sleep(still_s))]
    for number, list_ in enumerate(held, 1):
        fresh = rules / "lists" / ".long.fresh"
        await asyncio.to_thread(fresh.write_text, "\n".join(list_) + "\n", encoding="utf-8")
        await asyncio.sleep(1)  # the disk has it
        fresh.rename(rules / "lists" / "long.txt")
        windows.append(await watch.over(f"change {number}", _in_force(gate, number)))
        await asyncio.sleep(1)
    windows.append(await watch.over("no change", asyncio.sleep(still_s)))
    sending.stops.set()
    left = await asyncio.wrap_future(sending.left)
    looking.cancel()
    assert not left, f"{left} submits were never answered"
    return ReloadReport(count_rules(rules), len(held[0]), load.plan.rate, load.sent, load.answered, left, tuple(windows))


async def _in_force(gate: GateUnderTest, number: int) -> None:
    """Waits until the gate has logged this number of rule changes, and a second more, in which it frees the old rules."""
    deadline = perf_counter() + IN_FORCE_S
    while gate.log.read_text(errors="replace").count("rules in force") < number:
        assert perf_counter() < deadline, gate.last_words()
        await asyncio.sleep(0.05)
    await asyncio.sleep(1)


_LONG = """\
rules:
  - id: long-list
    say: 长词表
    when: {text: {file: lists/long.txt}}
    then: reject
    reason: keyword
"""


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    asked.add_argument("--rate", type=float, default=1000)
    asked.add_argument("--times", type=int, default=5)
    asked.add_argument("--words", type=int, default=100_000)
    asked.add_argument("--rules", type=int, default=500)
    options = asked.parse_args()
    with tempfile.TemporaryDirectory(prefix="gate106-reload-") as folder:
        report = reload_under_load(
            Path(folder), rate=options.rate, times=options.times, words=options.words, rules=options.rules
        )
    print(json.dumps({"machine": measure.machine(), **asdict(report)}, ensure_ascii=False, indent=2))
    sys.exit(report.worst_ms > STRICT_S * 1e3)


if __name__ == "__main__":
    main()
