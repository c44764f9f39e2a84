"""Samples the gate under full load: the µs of CPU that each step of a message takes.

In: MeasuringOptions. Out: µs a message by step. Never: another way to run a gate: it is ``proxy serve`` with a timer, sampled every 2 ms of CPU time.

    python -m tests.bench.cpu_profile /tmp/x/spent.json gate106.yaml

runs that gate: SIGUSR1 begins, SIGUSR2 ends and writes the counts. A function in C (a compiled module, a library) is counted at its caller, a
system call at the next Python frame: sockets are read before the next frame of ``net`` and written within it. The CPU time of other threads
(syncs, checkpoints) is the kernel's own count.
"""

import json
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from proxy.server import process
from proxy.sim import gate_process
from proxy.sim.bench.gate_process import certificate
from proxy.sim.bench.load_process import load_process
from proxy.sim.bench.measurement import run_request
from proxy.sim.bench.options import BenchFailed
from tests.bench.options import MeasuringOptions
from tests.bench.processes import prepared_gate
from tests.bench.rounds import Progress, folder_of

SAMPLE_S = 0.002
WRITTEN_S = 10.0
Steps = tuple[tuple[str, tuple[str, ...]], ...]
STEPS: Steps = (
    (
        "wire: octets as PDUs, fields, numbers",
        ("wire/", "model/number.py", "relay/submit.py:_read", "relay/submit.py:submit", "relay/account_access.py"),
    ),
    (
        "text: letters folded, signature, notice, links, words",
        (
            "policy/text/folding.py", "policy/text/contacts.py", "policy/text/text_analysis.py", "policy/text/keyword_prefilter.py", "policy/text/scanner.py",
            "policy/text_reader.py", "policy/rule_dates.py", "policy/loading/digests.py",
        ),
    ),
    ("region: where the person is at home", ("policy/registries/regions.py",)),
    ("category: what kind of message it is", ("policy/text/category.py",)),
    ("judge: the rules", ("policy/",)),
    (
        "record: what is known of the person",
        ("state/record/record.py", "state/record/packed_facts.py", "state/record/consent_facts.py", "state/lists/suppression_lists.py", "state/lists/consent_lists.py"),
    ),
    ("store: records found and put back", ("state/",)),
    (
        "judging: what a verdict takes, and notes",
        (
            "relay/admission.py", "relay/evidence_records.py", "relay/effects/record_changes.py", "relay/refusal_cache.py", "model/message.py",
            "model/recipient.py", "model/counters.py",
        ),
    ),
    ("long messages", ("relay/multipart/",)),
    ("journal: verdicts and answers packed, chained, written", ("journal/", "relay/commit.py:write", "relay/commit.py:_append")),
    (
        "relay: turns, order, who is answered",
        ("relay/submit.py", "relay/batching.py", "relay/commit.py", "relay/pending_submit.py", "relay/message_index.py", "relay/commands.py"),
    ),
    (
        "way back: receipts and replies",
        ("relay/deliver.py", "relay/deliver_batch.py", "relay/optout_reply.py", "relay/effects/optouts.py", "relay/message_ids.py"),
    ),
    ("sockets: reading, writing, pacing", ("net/",)),
)  # fmt: skip
"""Steps of a message, each with its files or functions (``file:function``); the innermost frame of the gate decides, and the first step that
fits. Kept results name these steps."""
REST, THREADS = "the loop, the clock, the rest", "threads: syncs, checkpoints"


def step_of(code: CodeType, steps: Steps = STEPS, rest: str = REST) -> str | None:
    """The step that a function of the gate belongs to; None of one that is not the gate's."""
    _, ours, place = code.co_filename.rpartition("/proxy/")
    if not ours:
        return None
    named = f"{place}:{code.co_name}"
    return next((step for step, places in steps if named in places or place.startswith(places)), rest)


def measured_steps(options: MeasuringOptions, progress: Progress = lambda text: None) -> dict[str, Any]:
    """Samples one gate, as fast as answers come. Raises BenchFailed."""
    facts = gate_process.conditions()
    with folder_of(options) as folder:
        pem, out = certificate(folder) if options.tls else None, folder / "spent.json"
        progress("the gate, sampled")
        program = ("tests.bench.cpu_profile", str(out))
        with load_process(options, pem) as load, prepared_gate(options, folder, load.carrier, pem, program) as measured:
            os.kill(measured.gate.pid, signal.SIGUSR1)
            run = load.run(run_request(measured))
            os.kill(measured.gate.pid, signal.SIGUSR2)
            counted = _counted(out)
    messages = max(1, run.all_messages)
    found = {step: round(seconds / messages * 1e6, 2) for step, seconds in counted["spent_s"].items()}
    return {
        "kind": "where",
        "command": options.command_of("profile"),
        **facts,
        "options": {key: value for key, value in asdict(options).items() if key != "keep"},
        "messages": messages,
        "samples": counted["samples"],
        "cpu_us": round(sum(found.values()), 2),
        "spent_us": found,
    }


def as_text(told: Mapping[str, Any]) -> list[str]:
    """The longest first."""
    whole = told["cpu_us"] or 1.0
    lines = [f"{step:56}{us:>8.2f} µs{us / whole:>7.0%}" for step, us in told["spent_us"].items()]
    return [*lines, f"{'':56}{whole:>8.2f} µs of processor a message, {told['samples']:,} samples", "", told["command"]]


def _counted(out: Path) -> dict[str, Any]:
    deadline = time.monotonic() + WRITTEN_S
    while not out.exists():
        if time.monotonic() > deadline:
            raise BenchFailed("the sampled gate did not write its counts")
        time.sleep(0.02)
    return dict(json.loads(out.read_text(encoding="utf-8")))


# -- in the gate


class CpuSampler:
    """Counts the step that the main thread is in."""

    def __init__(self, steps: Steps = STEPS, rest: str = REST) -> None:
        self._steps, self._rest = steps, rest
        self._step_of: dict[CodeType, str | None] = {}
        self.counted: Counter[str] = Counter()
        self._began = self._loop_began = 0.0

    def start(self) -> None:
        self.counted.clear()
        self._began, self._loop_began = time.process_time(), time.thread_time()
        signal.signal(signal.SIGPROF, self._sample)
        signal.siginterrupt(signal.SIGPROF, False)
        signal.setitimer(signal.ITIMER_PROF, SAMPLE_S, SAMPLE_S)

    def _sample(self, number: int, frame: FrameType | None) -> None:
        steps = self._step_of
        while frame is not None:
            code = frame.f_code
            step = steps.get(code, "")
            if step == "":
                step = steps[code] = step_of(code, self._steps, self._rest)
            if step is not None:
                self.counted[step] += 1
                return
            frame = frame.f_back

    def end(self, out: Path) -> None:
        """Writes seconds by step: the main thread's CPU time, shared out by samples, and the CPU time of other threads."""
        signal.setitimer(signal.ITIMER_PROF, 0)
        loop_s = time.thread_time() - self._loop_began
        others_s = time.process_time() - self._began - loop_s
        samples = self.counted.total() or 1
        shares = {step: count / samples * loop_s for step, count in self.counted.most_common()} | {THREADS: others_s}
        told = {"samples": samples, "spent_s": dict(sorted(shares.items(), key=lambda one: -one[1]))}
        fresh = out.with_suffix(".fresh")
        fresh.write_text(json.dumps(told), encoding="utf-8")
        fresh.rename(out)


def main() -> int:
    sampler = CpuSampler()
    signal.signal(signal.SIGUSR1, lambda *_: sampler.start())
    signal.signal(signal.SIGUSR2, lambda *_: sampler.end(Path(sys.argv[1])))
    for number in (signal.SIGUSR1, signal.SIGUSR2):
        signal.siginterrupt(number, False)
    return process.serve(Path(sys.argv[2]))


if __name__ == "__main__":
    sys.exit(main())
