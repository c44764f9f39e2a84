"""Measures how fast a backtest judges again what a real gate wrote.

In: seconds of full load, a number of rounds. Out: JSON: messages a second and CPU µs of each, of one core, and the steps that take them. Never: a figure of
a backtest that found a difference (exit 1): the rules are the ones that were in force.

    python -m tests.bench.backtest --seconds 30 --rounds 3 > tests/data/numbers/backtest.json        (make rejudged)

The journal is written by a gate under the bench's load. Each round is a process of its own. Wall time is the waiting time on this machine as it is; CPU
time is the figure to compare.
"""

import argparse
import json
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from proxy.config import load
from proxy.desk.backtest import runner
from proxy.desk.backtest.environment import known_providers
from proxy.sim.measure import machine
from tests.bench import rounds as bench_rounds
from tests.bench.cpu_profile import CpuSampler
from tests.bench.options import MeasuringOptions

STEPS = (
    ("the segments: checksums, the chain, records", ("journal/scan.py", "journal/segment.py", "journal/disk.py")),
    ("records as values", ("journal/records/", "journal/encoding.py")),
    ("octets as a text", ("wire/",)),
    (
        "reading the text: words, signature, notice, links",
        ("policy/text_reader.py", "policy/text/"),
    ),
    ("the rules", ("policy/",)),
    ("people's records", ("state/",)),
    ("long messages", ("relay/multipart/",)),
    ("the gate's bookkeeping around a verdict", ("relay/", "model/")),
    ("counting differences", ("desk/backtest/differences.py",)),
    ("order and the journal's turns", ("desk/backtest/",)),
)  # fmt: skip
"""Steps of a backtest, each with its files; the innermost frame of the gate decides, and the first step that fits."""


def request(folder: Path) -> runner.BacktestRequest:
    settings = load(folder / "gate106.yaml")
    journals, known = ((settings.journal, None),), known_providers(settings)
    return runner.BacktestRequest(journals, settings.rules, settings.category_tag, known, None, 0.0, time.time())


def once(folder: Path, *, sampled: bool) -> dict[str, Any]:
    """One backtest of all of it in this process."""
    asked, sampler = request(folder), CpuSampler(STEPS, "the rest")
    runner.backtest(asked)  # rules, tables of the text: loaded once
    if sampled:
        sampler.start()
    began, cpu = time.monotonic(), time.process_time()
    answer = runner.backtest(asked)
    took, used = time.monotonic() - began, time.process_time() - cpu
    signal.setitimer(signal.ITIMER_PROF, 0)
    judged = answer.differences.messages + answer.differences.parts
    every = sampler.counted.total() or 1
    return {
        "submits": judged,
        "differences": answer.differences.total,
        "per_s": round(judged / took),
        "cpu_us": round(used / judged * 1e6, 2),
        "per_cpu_s": round(judged / used),
        "spent_us": {step: round(count / every * used / judged * 1e6, 2) for step, count in sampler.counted.most_common()},
    }


def rounds(folder: Path, count: int) -> dict[str, Any]:
    """``count`` rounds that are timed, and one that is looked into."""
    said = [
        json.loads(subprocess.check_output([sys.executable, "-m", "tests.bench.backtest", "--once", str(folder), *more]))
        for more in (*[()] * count, ("--sampled",))
    ]
    timed = said[:-1]
    return {
        "submits": timed[0]["submits"],
        "differences": max(one["differences"] for one in said),
        "messages_per_second": [one["per_s"] for one in timed],
        "messages_per_cpu_second": round(statistics.median(one["per_cpu_s"] for one in timed)),
        "cpu_us": [one["cpu_us"] for one in timed],
        "spent_us": said[-1]["spent_us"],
    }


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="of a bench that was kept: it is not made anew")
    parser.add_argument("--once", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--sampled", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.once is not None:
        sys.stdout.write(json.dumps(once(options.once, sampled=options.sampled)))
        return 0
    facts = machine()
    with tempfile.TemporaryDirectory(prefix="gate106-backtest-") as temporary:
        folder = options.folder or Path(temporary)
        if not (folder / "gate106.yaml").exists():
            folder.mkdir(exist_ok=True)
            bench_rounds.run(MeasuringOptions(seconds=options.seconds, baselines=False, keep=folder))
        found = rounds(folder, options.rounds)
    command = f"python -m tests.bench.backtest --seconds {options.seconds:g} --rounds {options.rounds}"
    sys.stdout.write(json.dumps({"command": command, "machine": facts} | found, ensure_ascii=False, indent=1) + "\n")
    return 1 if found["differences"] else 0


if __name__ == "__main__":
    sys.exit(main())
