"""Lists the agreed rows of the gate's speed (DESIGN §13), each with its goal and formula.

In: figures by name (``standard.cpu_us``). Out: a number beside its goal. Never: a measurement.

Goals hold for a gate whose hot functions are compiled; ``pure`` is the goal without. ``most``: the goal is an upper bound, else a lower one. A row
without a goal is for planning.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

Figures = Mapping[str, float]


class GoalRow(NamedTuple):
    name: str
    unit: str
    of: Callable[[Figures], float]  # raises KeyError if a figure was not measured
    goal: float | None = None
    pure: float | None = None  # the goal without compiled functions, if it differs
    most: bool = True
    note: str = ""

    def goal_for(self, compiled: bool) -> float | None:
        return self.goal if compiled or self.pure is None else self.pure

    def met(self, measured: float, compiled: bool) -> bool | None:
        goal = self.goal_for(compiled)
        return None if goal is None else measured <= goal if self.most else measured >= goal


def _one(name: str) -> Callable[[Figures], float]:
    return lambda figures: figures[name]


def _ratio(above: str, below: str) -> Callable[[Figures], float]:
    return lambda figures: figures[above] / figures[below]


ROWS: tuple[GoalRow, ...] = (
    GoalRow("CPU per submit, repeated texts", "µs", _one("repeated.cpu_us"), 6, 11),
    GoalRow("CPU per submit, standard mix", "µs", _one("standard.cpu_us"), 10, 20),
    GoalRow("CPU per submit, standard mix, with all checkpoints", "µs", _one("standard.life_cpu_us")),
    GoalRow("throughput against a relay on smpplib's PDU classes", "×", _one("smpplib.slower"), 6, 3, most=False),
    GoalRow(
        "CPU per submit of that relay", "µs", _one("smpplib.cpu_us"),
        note="56 µs on the machine for which the goals were set (8 binds × window 50, texts of 60 characters)",
    ),
    GoalRow("own latency at 5,000/s, 99th percentile", "ms", _one("latency.own_p99_ms"), 3),
    GoalRow("CPU, 500 rules against the shipped ones", "×", _one("rules-500.times"), 1.1, note="the shipped are 46, with two of the bench's own"),
    GoalRow(
        "CPU, 10 M people known against 10 k", "×", _ratio("known-many.cpu_us", "known-few.cpu_us"), 1.4,
        note="of 10 k most are refused soon, which is cheaper: the next row has none of that",
    ),
    GoalRow("CPU, 10 M people known against 1 M", "×", _ratio("known-many.cpu_us", "known-some.cpu_us")),
    GoalRow(
        "CPU, with rates, quotas, registers and lists against none of them", "×", _one("lived-in.times"),
        note="every provider has a rate, quotas and a share, signatures, links and telephone numbers are registered, a million numbers are"
        " on a list, one person was forgotten, one in ten has refused others",
    ),
    GoalRow(
        "CPU, a port of its own for each text against three ports", "×", _one("many-ports.times"),
        note="of each provider; some 80,000 in turns",
    ),
    GoalRow("start with 10 M people known", "s", _one("known-many.start_s"), 10),
    GoalRow("start with 10 M people known, processor time", "s", _one("known-many.start_cpu_s")),
    GoalRow("memory of a person with three messages", "bytes", _one("memory.bytes_a_person"), 160, 200),
    GoalRow("CPU of a refused submit against an allowed one", "×", _one("refused-all.times"), 0.8),
    GoalRow(
        "CPU of a receipt against an allowed submit", "×",
        lambda figures: figures["receipts.times"] - 1, 0.6,
        note="what a submit with its receipt costs more than one without",
    ),
    GoalRow("look-up among 100 M suppressed, who is not listed", "µs", _one("suppressed.lookup_other_us"), 2.5),
    GoalRow("look-up among 100 M suppressed, who is listed", "µs", _one("suppressed.lookup_us")),
    GoalRow("100 M suppressed, from the checkpoint", "s", _one("suppressed.load_s"), 10),
    GoalRow("100 M suppressed, from the checkpoint, processor time", "s", _one("suppressed.load_cpu_s")),
    GoalRow("100 M suppressed, until the gate is ready", "s", _one("suppressed.start_s"), 10),
    GoalRow("100 M suppressed, 100,000 more come at 1,000/s: slowest answer", "ms", _one("suppressed.slowest_ms")),
    GoalRow("Valkey: extra CPU of the gate per submit", "µs", _one("embedded.less"), 6),
    GoalRow("Valkey: CPU of its server per submit", "µs", _one("valkey.store_cpu_us")),
    GoalRow("Valkey: CPU per submit, two workers against one", "×", _one("workers-2.times"), 1.15),
    GoalRow(
        "Valkey: CPU per submit, two workers, each loaded as the one", "×", _one("workers-2-each.times"),
        note="the row above has one worker's load for both, so smaller batches; in both store, carrier and providers use their cores",
    ),
    GoalRow("Valkey: conflicts, of a hundred submits, two workers", "%", _one("workers-2.conflicts"), 1),
    GoalRow("longest pause while 500 rules and 100,000 words change", "ms", _one("reload.worst_ms"), 20, note="at 1,000/s; of three runs"),
    GoalRow("submits lost while they change", "", _one("reload.lost"), 0),
    GoalRow("CPU per submit over TLS", "µs", _one("tls.cpu_us")),
    GoalRow("CPU per submit, all texts long", "µs", _one("long.cpu_us"), note="a submit is a part"),
    GoalRow("CPU per submit, hardly a text twice", "µs", _one("varied.cpu_us")),
    GoalRow("CPU per submit, 64 binds × window 10", "µs", _one("binds-64.cpu_us")),
    GoalRow("CPU per submit, 500 binds × window 1", "µs", _one("binds-500.cpu_us")),
    GoalRow(
        "submits per second, 1 bind × window 1", "/s", _one("binds-1.per_s"),
        note="each waits for a sync of its own; no long texts, whose parts would wait for each other",
    ),
)  # fmt: skip
